/* What `monitor` shows: how fast everything goes.
 *
 * The path counts and knows no rates; they are made here, of two looks at the same counters, so
 * that a monitor costs the path what a `show` costs it. What is counted is found again by the path's
 * own ids: whatever is renamed, added or removed between two looks, nothing is taken for something
 * else. Control thread only.
 */
#ifndef APPLIANCE_RATES_H
#define APPLIANCE_RATES_H

#include <stddef.h>

#include "cli/appliance.h"

/* `control` is a struct control. As struct appliance has it. */
int rates_look(void *control, const struct monitor_question *question, struct rates **state,
	       struct report **ret_report, char *error, size_t error_size);
void rates_free(struct rates *rates);

#endif
