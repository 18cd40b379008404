#include "cli/units.h"

#include <inttypes.h>
#include <stdio.h>

void format_scaled(uint64_t value, char ret_text[static SCALED_SIZE])
{
	static const char units[] = " kMGTPE";
	double scaled = (double)value;
	unsigned unit = 0;

	while (scaled >= 999.5 && unit + 2 < sizeof(units)) {
		scaled /= 1000;
		unit++;
	}
	if (!unit)
		snprintf(ret_text, SCALED_SIZE, "%" PRIu64, value);
	else
		snprintf(ret_text, SCALED_SIZE, "%.*f%c", scaled < 9.95 ? 1 : 0, scaled,
			 units[unit]);
}
