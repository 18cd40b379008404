/* Which packets are traced: an operator's filter and number, handed to the path. Control thread
 * only. */
#ifndef APPLIANCE_TRACING_H
#define APPLIANCE_TRACING_H

#include <stddef.h>
#include <stdint.h>

#include "appliance/path/frame.h"

struct control;

/* `control` is a struct control. As struct appliance has them. */
int tracing_add(void *control, uint32_t count, const char *filter, uint32_t *ret_count, char *error,
		size_t error_size);
int tracing_clear(void *control, char *error, size_t error_size);
/* Once nothing runs any more. */
void tracing_free(struct control *control);

#endif
