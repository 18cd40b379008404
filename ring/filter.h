/* Which frames are wanted, said as tcpdump does: a libpcap expression, run on frames that a ring
 * has given. A frame whose VLAN tag the kernel keeps beside it is looked at with the tag in its
 * place. */
#ifndef RING_FILTER_H
#define RING_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "appliance/path/frame.h"

struct frame_filter;

/* 0 or a negative errno with a sentence. */
int frame_filter_new(struct frame_filter **ret_filter, const char *expression, char *error,
		     size_t error_size);
void frame_filter_free(struct frame_filter *filter);
/* Without an allocation or a system call; of one thread at a time. */
bool frame_filter_matches(struct frame_filter *filter, const struct frame *frame);

#endif
