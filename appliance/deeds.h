/* What operators do, told to the other operators as it happens. */
#ifndef APPLIANCE_DEEDS_H
#define APPLIANCE_DEEDS_H

#include "appliance/config/config.h"
#include "appliance/journal.h"
#include "store/store.h"

/* "backend web/10.0.0.13:80 drain by alice (r42)": for each backend and service that the revision
 * took out of service or into it. Of many, the first and how many more. All else by number: "r42
 * by alice: 3 objects changed, new servers". */
void deeds_tell(struct journal *journal, const struct config *before, const struct config *after,
		const struct revision *revision);

#endif
