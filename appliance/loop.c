#include "appliance/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "appliance/privilege.h"
#include "appliance/seccomp.h"
#include "ring/filter.h"

enum {
	PAUSES = 64,            /* between empty polls: tight spinning slows the kernel's side */
};

/* The share of time that is work is told of at least this long. */
static const uint64_t share_ns = 1000000000;
/* Silence after which the thread sleeps; a wake-up costs about as much. */
static const uint64_t spin_ns = 50000;
/* While frames come, the path's timers are looked at this often: their finest tick. */
static const uint64_t tick_ns = 1000000;
static const size_t huge_page = 2 << 20;

/* How much of the time had been work at some moment. */
struct mark {
	uint64_t now_ns, busy_ns;
};

struct loop {
	pthread_t thread;
	struct mailbox *mailbox;
	struct path *path;
	void *memory;
	size_t memory_size;
	int epoll_fd;
	uint64_t next_tick_ns;
	_Atomic bool stop;
	void (*warn)(const char *sentence);
	struct loop_stats stats;
	struct mark older, newer; /* `share_ns` apart, or more where it slept */
	struct capture *capture; /* NULL: nobody looks at the frames */
	struct frame_filter *trace_filter; /* NULL: all that the path is to trace is wanted */
	uint32_t interfaces;    /* highest index with a ring, plus one */
	unsigned batch[INTERFACES_MAX]; /* frames taken at once: twice as many when full, or half */
	struct ring *ring[INTERFACES_MAX];
};

uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void send_frame(void *context, const struct frame *frame)
{
	struct loop *loop = context;

	if (loop->ring[frame->interface])
		ring_send(loop->ring[frame->interface], frame);
}

static void take_event(void *context, const struct path_event *event)
{
	struct loop *loop = context;

	mailbox_event(loop->mailbox, event);
}

static bool wants_trace(void *context, const struct frame *frame)
{
	const struct loop *loop = context;

	return !loop->trace_filter || frame_filter_matches(loop->trace_filter, frame);
}

static uint64_t read_clock(void *context)
{
	(void)context;
	return clock_now_ns();
}

unsigned loop_next_batch(unsigned batch, unsigned received)
{
	if (received == batch)
		return batch * 2 > RING_BATCH_MAX ? RING_BATCH_MAX : batch * 2;
	return received < batch / 2 && batch > LOOP_BATCH_MIN ? batch / 2 : batch;
}

/* A batch of which somebody wants copies. */
static void receive_captured(struct loop *loop, struct frame *frames, unsigned count,
			     uint64_t now_ns)
{
	struct outcome outcomes[RING_BATCH_MAX];

	capture_before(loop->capture, frames, count, now_ns);
	path_receive(loop->path, frames, outcomes, count, now_ns);
	capture_after(loop->capture, outcomes);
}

/* One batch of one interface; how many frames it had. */
static unsigned take_batch(struct loop *loop, uint32_t interface, uint64_t now_ns)
{
	struct frame frames[RING_BATCH_MAX];
	struct ring *ring = loop->ring[interface];
	unsigned received = ring_receive(ring, frames, loop->batch[interface]);

	if (!received)
		return 0;
	loop->batch[interface] = loop_next_batch(loop->batch[interface], received);
	if (loop->capture)
		receive_captured(loop, frames, received, now_ns);
	else
		path_receive(loop->path, frames, NULL, received, now_ns);
	ring_release(ring);
	return received;
}

static void flush(struct loop *loop)
{
	for (uint32_t i = 0; i < loop->interfaces; i++)
		if (loop->ring[i])
			ring_flush(loop->ring[i]);
}

/* One look at everything; false: there was nothing to do. */
static bool turn(struct loop *loop, uint64_t now_ns)
{
	unsigned work = 0;

	for (uint32_t i = 0; i < loop->interfaces; i++)
		if (loop->ring[i])
			work += take_batch(loop, i, now_ns);
	if (loop->next_tick_ns <= now_ns) {
		path_tick(loop->path, now_ns);
		loop->next_tick_ns = now_ns + tick_ns;
	}
	if (mailbox_pending(loop->mailbox)) {
		mailbox_serve(loop->mailbox, loop->path, now_ns);
		work++;
	}
	flush(loop);
	return work;
}

/* Until a ring hands over a block, an errand comes, or the path has something due. Frames of a
 * block that the kernel still fills are seen when it retires: the wait is no longer than that. */
static void rest(struct loop *loop, uint64_t now_ns)
{
	struct epoll_event events[INTERFACES_MAX + 1];
	uint64_t deadline = path_deadline(loop->path);
	int timeout_ms = -1;

	if (deadline != UINT64_MAX) {
		uint64_t wait_ms = deadline > now_ns ? (deadline - now_ns) / 1000000 + 1 : 0;

		timeout_ms = wait_ms < 1000 ? (int)wait_ms : 1000;
	}
	loop->stats.sleeps++;
	loop->next_tick_ns = 0;
	int ready = epoll_wait(loop->epoll_fd, events, INTERFACES_MAX + 1, timeout_ms);

	/* A ring whose interface went down ends every sleep until it is asked. The control thread
	 * hears of the interface by other ways. */
	for (int i = 0; i < ready; i++)
		if (events[i].data.u32 == NONE)
			mailbox_woken(loop->mailbox);
		else if (events[i].events & EPOLLERR)
			ring_broken(loop->ring[events[i].data.u32]);
}

static void pause_a_little(void)
{
	for (unsigned i = 0; i < PAUSES; i++)
#if defined(__x86_64__)
		__builtin_ia32_pause();
#else
		__asm__ volatile("" ::: "memory");
#endif
}

/* A turn that found work lasts until the next one begins: the clock is not read for it. */
static void account(struct loop *loop, uint64_t busy_ns, uint64_t now_ns)
{
	loop->stats.busy_ns += busy_ns;
	if (now_ns - loop->newer.now_ns < share_ns)
		return;
	loop->older = loop->newer;
	loop->newer = (struct mark){now_ns, loop->stats.busy_ns};
}

static void *run(void *argument)
{
	struct loop *loop = argument;
	uint64_t last_ns = clock_now_ns(), worked_ns = last_ns;
	bool worked = false;

	loop->older = loop->newer = (struct mark){.now_ns = last_ns};

	privilege_renounce();
	if (seccomp_confine(SECCOMP_PATH))
		loop->warn("the packet path's system calls are not filtered: the kernel cannot");
	while (!atomic_load_explicit(&loop->stop, memory_order_relaxed)) {
		uint64_t now_ns = clock_now_ns();

		account(loop, worked ? now_ns - last_ns : 0, now_ns);
		last_ns = now_ns;
		loop->stats.turns++;
		worked = turn(loop, now_ns);
		if (worked) {
			loop->stats.busy_turns++;
			worked_ns = now_ns;
		} else if (now_ns - worked_ns < spin_ns) {
			pause_a_little();
		} else {
			rest(loop, now_ns);
		}
	}
	return NULL;
}

/* Zeroed memory, in huge pages and locked where the machine allows it. */
static int take_memory(struct loop *loop, const struct path_limits *limits)
{
	loop->memory_size = (path_size(limits) + huge_page - 1) & ~(huge_page - 1);
	loop->memory = mmap(NULL, loop->memory_size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (loop->memory == MAP_FAILED) {
		loop->memory = mmap(NULL, loop->memory_size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (loop->memory == MAP_FAILED)
			return -ENOMEM;
		madvise(loop->memory, loop->memory_size, MADV_HUGEPAGE);
	}
	privilege_raise();
	if (mlock(loop->memory, loop->memory_size) < 0)
		loop->warn("the packet path's memory is not locked (CAP_IPC_LOCK, or "
			   "RLIMIT_MEMLOCK): page faults may delay packets");
	privilege_lower();
	return 0;
}

static int pin(struct loop *loop, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	return -pthread_setaffinity_np(loop->thread, sizeof(set), &set);
}

static int start_thread(struct loop *loop)
{
	/* The signals that control waits for are blocked here already, as they are there. */
	int result = -pthread_create(&loop->thread, NULL, run, loop);

	if (!result)
		pthread_setname_np(loop->thread, "lbd-path");
	return result;
}

static void loop_free(struct loop *loop)
{
	if (loop->memory && loop->memory != MAP_FAILED)
		munmap(loop->memory, loop->memory_size);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop);
}

int loop_start(struct loop **ret_loop, const struct loop_options *options, struct mailbox *mailbox,
	       void (*warn)(const char *sentence), char *error, size_t error_size)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct epoll_event wake = {.events = EPOLLIN, .data.u32 = NONE};
	int result;

	snprintf(error, error_size, "not enough memory for %u flows", options->limits.flows);
	if (!loop)
		return -ENOMEM;
	loop->mailbox = mailbox;
	loop->warn = warn;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	result = take_memory(loop, &options->limits);
	if (result)
		goto fail;
	loop->path = path_new(loop->memory, &options->limits,
			      &(struct path_output){.context = loop, .send = send_frame,
						    .event = take_event,
						    .wants_trace = wants_trace,
						    .clock = read_clock});
	snprintf(error, error_size, "the packet path's thread does not start");
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, mailbox_wake_fd(mailbox), &wake) < 0) {
		result = -errno;
		goto fail;
	}
	result = start_thread(loop);
	if (result)
		goto fail;
	if (options->cpu >= 0 && (result = pin(loop, options->cpu))) {
		snprintf(error, error_size, "cannot pin the packet path to CPU %d: %s",
			 options->cpu, strerror(-result));
		loop_stop(loop);
		return result;
	}
	*ret_loop = loop;
	return 0;
fail:
	loop_free(loop);
	return result;
}

static void stop_errand(struct path *path, void *argument, uint64_t now_ns)
{
	struct loop *loop = argument;

	(void)path;
	(void)now_ns;
	atomic_store_explicit(&loop->stop, true, memory_order_relaxed);
}

void loop_stop(struct loop *loop)
{
	if (!loop)
		return;
	mailbox_call(loop->mailbox, stop_errand, loop);
	pthread_join(loop->thread, NULL);
	loop_free(loop);
}

struct ring_errand {
	struct loop *loop;
	uint32_t interface;
	struct ring *ring;
	struct ring_stats *stats;
};

struct ring *loop_swap_ring(struct loop *loop, uint32_t interface, struct ring *ring)
{
	struct ring *old = loop->ring[interface];
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = interface};

	if (old) {
		ring_flush(old);
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, ring_fd(old), NULL);
	}
	if (ring)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, ring_fd(ring), &event);
	loop->ring[interface] = ring;
	loop->batch[interface] = LOOP_BATCH_MIN;
	if (ring && interface >= loop->interfaces)
		loop->interfaces = interface + 1;
	return old;
}

static void set_ring_errand(struct path *path, void *argument, uint64_t now_ns)
{
	struct ring_errand *errand = argument;

	(void)path;
	(void)now_ns;
	errand->ring = loop_swap_ring(errand->loop, errand->interface, errand->ring);
}

struct ring *loop_set_ring(struct loop *loop, uint32_t interface, struct ring *ring)
{
	struct ring_errand errand = {.loop = loop, .interface = interface, .ring = ring};

	mailbox_call(loop->mailbox, set_ring_errand, &errand);
	return errand.ring;
}

static void ring_stats_errand(struct path *path, void *argument, uint64_t now_ns)
{
	struct ring_errand *errand = argument;
	struct ring *ring = errand->loop->ring[errand->interface];

	(void)path;
	(void)now_ns;
	if (ring)
		ring_stats(ring, errand->stats);
}

void loop_ring_stats(struct loop *loop, uint32_t interface, struct ring_stats *ret_stats)
{
	struct ring_errand errand = {.loop = loop, .interface = interface, .stats = ret_stats};

	*ret_stats = (struct ring_stats){0};
	mailbox_call(loop->mailbox, ring_stats_errand, &errand);
}

struct stats_errand {
	const struct loop *loop;
	struct loop_stats *stats;
};

static void loop_stats_errand(struct path *path, void *argument, uint64_t now_ns)
{
	struct stats_errand *errand = argument;
	const struct loop *loop = errand->loop;
	uint64_t span_ns = now_ns - loop->older.now_ns;

	(void)path;
	*errand->stats = loop->stats;
	errand->stats->now_ns = now_ns;
	if (span_ns)
		errand->stats->busy_percent = (unsigned)(
			(loop->stats.busy_ns - loop->older.busy_ns) * 100 / span_ns);
}

void loop_stats(struct loop *loop, struct loop_stats *ret_stats)
{
	struct stats_errand errand = {.loop = loop, .stats = ret_stats};

	mailbox_call(loop->mailbox, loop_stats_errand, &errand);
}

void loop_set_trace_filter(struct loop *loop, struct frame_filter *filter)
{
	loop->trace_filter = filter;
}

struct capture_errand {
	struct loop *loop;
	struct capture *capture;
};

static void set_capture_errand(struct path *path, void *argument, uint64_t now_ns)
{
	struct capture_errand *errand = argument;

	(void)path;
	(void)now_ns;
	errand->loop->capture = errand->capture;
}

void loop_set_capture(struct loop *loop, struct capture *capture)
{
	struct capture_errand errand = {.loop = loop, .capture = capture};

	mailbox_call(loop->mailbox, set_capture_errand, &errand);
}
