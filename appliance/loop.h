/* The packet path's thread: rings in, the path, rings out, in batches that grow under load.
 *
 * While frames come it never sleeps. What it does while none come is the configuration's choice
 * (idle.h): it may sleep until a packet wakes it, an errand, or the path's next deadline.
 */
#ifndef APPLIANCE_LOOP_H
#define APPLIANCE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/capture.h"
#include "appliance/config/schema.h"
#include "appliance/mailbox.h"
#include "ring/ring.h"

struct loop;
struct frame_filter;
struct wake;

enum { LOOP_BATCH_MIN = 8 }; /* frames; at most RING_BATCH_MAX */

struct loop_options {
	struct path_limits limits;
	int cpu;      /* pinned to it; -1: not */
};

struct loop_stats {
	uint64_t turns, busy_turns, sleeps;
	uint64_t busy_ns;       /* spent in turns that found work */
	uint64_t now_ns;        /* of the path's clock, when this was read */
	unsigned busy_percent;  /* of the last seconds */
};

/* Takes the path's memory (huge pages where there are some, locked where that is allowed), builds the
 * path, starts the thread. 0, or a negative errno with a sentence. `warn` hears what went less well
 * than it could. */
int loop_start(struct loop **ret_loop, const struct loop_options *options, struct mailbox *mailbox,
	       void (*warn)(const char *sentence), char *error, size_t error_size);
void loop_stop(struct loop *loop);

/* Puts a ring into use for an interface index, or takes it out with NULL; returns the one that was
 * there, which no frame touches any more. Control's side; runs as an errand. */
struct ring *loop_set_ring(struct loop *loop, uint32_t interface, struct ring *ring);
/* The same on the path's thread, within an errand of the caller's. */
struct ring *loop_swap_ring(struct loop *loop, uint32_t interface, struct ring *ring);
/* The interface's ring counters; zero where it has none. Runs as an errand. */
void loop_ring_stats(struct loop *loop, uint32_t interface, struct ring_stats *ret_stats);
void loop_stats(struct loop *loop, struct loop_stats *ret_stats);
/* Frames are copied to the capture from now on, or to none with NULL: then no frame touches the
 * one before any more. Runs as an errand. */
void loop_set_capture(struct loop *loop, struct capture *capture);
/* How it waits while there is nothing to do. On the path's thread, in an errand of the caller's. */
void loop_set_wait(struct loop *loop, enum wait_mode wait);
/* What rings are to be opened with, so that their packets wake it; NULL: they cannot. */
const struct wake *loop_wake(const struct loop *loop);
/* Whether it has been given a CPU. */
bool loop_is_pinned(const struct loop *loop);
/* Which frames the path traces; NULL: all. On the path's thread, in an errand of the caller's. */
void loop_set_trace_filter(struct loop *loop, struct frame_filter *filter);

/* How many frames to take of a ring at once, after a batch of that size had so many: twice as many
 * while it is full, half while it is not half full. */
unsigned loop_next_batch(unsigned batch, unsigned received);

/* Monotonic time in nanoseconds, the path's clock. */
uint64_t clock_now_ns(void);

#endif
