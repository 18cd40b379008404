/* What a candidate would do to what goes on: `compare`, `commit check`. */
#ifndef APPLIANCE_IMPACT_H
#define APPLIANCE_IMPACT_H

#include "appliance/control.h"

/* Adds sections to the report: the live flows whose backend would change or that would end, how
 * much of each Maglev table would move, and the services that would have no backend. The flows are
 * counted in slices, so that the path does not notice. 0, or a negative errno with a sentence. */
int impact_report(struct control *control, const struct config *candidate, struct report *report,
		  char *error, size_t error_size);

#endif
