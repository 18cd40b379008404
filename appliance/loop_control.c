/* Control's side of the packet path's thread: its start and end, and what is asked of it. */
#include "appliance/loop_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "appliance/privilege.h"

static const size_t huge_page = 2 << 20;

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

/* The calling thread, and with it those that it starts later, keeps to the other CPUs, if there are
 * any: what a large commit works on would stop packets for longer than a ring lasts. */
static int pin(struct loop *loop, int cpu)
{
	cpu_set_t own, others;

	CPU_ZERO(&own);
	CPU_SET((unsigned)cpu, &own);
	if (!pthread_getaffinity_np(pthread_self(), sizeof(others), &others)) {
		CPU_CLR((unsigned)cpu, &others);
		if (CPU_COUNT(&others))
			pthread_setaffinity_np(pthread_self(), sizeof(others), &others);
	}
	return -pthread_setaffinity_np(loop->thread, sizeof(own), &own);
}

static int start_thread(struct loop *loop)
{
	/* The signals that control waits for are blocked here already, as they are there. */
	int result = -pthread_create(&loop->thread, NULL, loop_run, loop);

	if (!result)
		pthread_setname_np(loop->thread, "lbd-path");
	return result;
}

static int listen_to(const struct loop *loop, int fd, uint32_t source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Without it the path works as well, and sleeps until blocks are handed over. */
static void open_wake(struct loop *loop)
{
	char reason[128], sentence[256];
	int result;

	privilege_raise();
	result = wake_open(&loop->wake, reason, sizeof(reason));
	privilege_lower();
	if (result && result != -EOPNOTSUPP) {
		snprintf(sentence, sizeof(sentence),
			 "%s (CAP_BPF): the first packet after a silence may wait for %u ms",
			 reason, RING_RETIRE_DEFAULT_MS);
		loop->warn(sentence);
	}
}

static int listen_to_all(struct loop *loop)
{
	int result;

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	result = listen_to(loop, mailbox_wake_fd(loop->mailbox), LOOP_MAILBOX);
	if (!result && loop->wake)
		result = listen_to(loop, wake_fd(loop->wake), LOOP_WAKE);
	return result;
}

static void loop_free(struct loop *loop)
{
	if (loop->memory && loop->memory != MAP_FAILED)
		munmap(loop->memory, loop->memory_size);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	wake_close(loop->wake);
	free(loop);
}

int loop_start(struct loop **ret_loop, const struct loop_options *options, struct mailbox *mailbox,
	       void (*warn)(const char *sentence), char *error, size_t error_size)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct path_output output;
	int result;

	snprintf(error, error_size, "not enough memory for %u flows", options->limits.flows);
	if (!loop)
		return -ENOMEM;
	loop->mailbox = mailbox;
	loop->warn = warn;
	loop->epoll_fd = -1;
	loop->pinned = options->cpu >= 0;
	result = take_memory(loop, &options->limits);
	if (result)
		goto fail;
	output = loop_output(loop);
	loop->path = path_new(loop->memory, &options->limits, &output);
	snprintf(error, error_size, "the packet path's thread does not start");
	open_wake(loop);
	result = listen_to_all(loop);
	if (!result)
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

	if (old) {
		ring_flush(old);
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, ring_fd(old), NULL);
	}
	if (ring)
		listen_to(loop, ring_fd(ring), interface);
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

const struct wake *loop_wake(const struct loop *loop)
{
	return loop->wake;
}

bool loop_is_pinned(const struct loop *loop)
{
	return loop->pinned;
}

void loop_set_wait(struct loop *loop, enum wait_mode wait)
{
	loop->idle.wait = wait;
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
