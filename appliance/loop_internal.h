/* What the packet path's thread (loop.c) and control's side of it (loop_control.c) share. All of it
 * belongs to the thread while that runs: control reaches it by errands. */
#ifndef APPLIANCE_LOOP_INTERNAL_H
#define APPLIANCE_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "appliance/idle.h"
#include "appliance/loop.h"
#include "ring/wake.h"

/* How much of the time had been work at some moment. */
struct loop_mark {
	uint64_t now_ns, busy_ns;
};

struct loop {
	pthread_t thread;
	struct mailbox *mailbox;
	struct path *path;
	void *memory;
	size_t memory_size;
	int epoll_fd;
	bool pinned;
	struct wake *wake;      /* NULL: packets do not wake, only blocks of them do */
	struct idle idle;
	uint64_t next_tick_ns;
	_Atomic bool stop;
	void (*warn)(const char *sentence);
	struct loop_stats stats;
	struct loop_mark older, newer; /* a second apart, or more where it slept */
	struct capture *capture; /* NULL: nobody looks at the frames */
	struct frame_filter *trace_filter; /* NULL: all that the path is to trace is wanted */
	uint32_t interfaces;    /* highest index with a ring, plus one */
	unsigned batch[INTERFACES_MAX]; /* frames taken at once: twice as many when full, or half */
	struct ring *ring[INTERFACES_MAX];
};

/* What a descriptor in loop.epoll_fd is: an interface's index, or one of these. */
enum { LOOP_MAILBOX = INTERFACES_MAX, LOOP_WAKE, LOOP_SOURCES };

/* The thread, with the loop as its argument. */
void *loop_run(void *argument);

/* What the path calls while it works; the context is the loop. */
struct path_output loop_output(struct loop *loop);

#endif
