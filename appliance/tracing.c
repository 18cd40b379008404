#include "appliance/tracing.h"

#include <errno.h>
#include <stdio.h>

#include "appliance/control.h"
#include "ring/filter.h"

struct add_errand {
	struct control *control;
	struct frame_filter *filter;
	uint32_t count;
};

/* The filter and what it is for, at once. */
static void add(struct path *path, void *argument, uint64_t now_ns)
{
	struct add_errand *errand = argument;

	(void)now_ns;
	errand->count = path_trace_add(path, errand->count);
	if (errand->count && errand->control->loop)
		loop_set_trace_filter(errand->control->loop, errand->filter);
}

int tracing_add(void *context, uint32_t count, const char *filter, uint32_t *ret_count, char *error,
		size_t error_size)
{
	struct control *control = context;
	struct add_errand errand = {.control = control, .count = count};
	int result = *filter ? frame_filter_new(&errand.filter, filter, error, error_size) : 0;

	if (result)
		return result;
	mailbox_call(control->mailbox, add, &errand);
	*ret_count = errand.count;
	if (!errand.count) {
		frame_filter_free(errand.filter);
		snprintf(error, error_size, "%d packets have been traced, no more are kept. "
			 "`clear trace` makes room", TRACES_MAX);
		return -ENOSPC;
	}
	frame_filter_free(control->trace_filter);
	control->trace_filter = errand.filter;
	return 0;
}

static void clear(struct path *path, void *argument, uint64_t now_ns)
{
	(void)argument;
	(void)now_ns;
	path_trace_clear(path);
}

int tracing_clear(void *context, char *error, size_t error_size)
{
	struct control *control = context;

	(void)error;
	(void)error_size;
	mailbox_call(control->mailbox, clear, NULL);
	return 0;
}

void tracing_free(struct control *control)
{
	frame_filter_free(control->trace_filter);
	control->trace_filter = NULL;
}
