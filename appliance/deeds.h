/* What operators do to what serves, told to the other operators as it happens. */
#ifndef APPLIANCE_DEEDS_H
#define APPLIANCE_DEEDS_H

#include <stdint.h>

#include "appliance/config/config.h"
#include "appliance/journal.h"

/* "backend web/10.0.0.13:80 drain by alice (r42)": for each backend and service that the revision took
 * out of service or into it. Of many, the first and how many more. */
void deeds_tell(struct journal *journal, const struct config *before, const struct config *after,
		const char *user, uint64_t revision);

#endif
