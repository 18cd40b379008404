#include "appliance/loop_internal.h"

#include <sys/epoll.h>
#include <time.h>

#include "appliance/privilege.h"
#include "appliance/seccomp.h"
#include "ring/filter.h"

enum {
	PAUSES = 64,            /* between empty polls: tight spinning slows the kernel's side */
};

/* The share of time that is work is told of at least this long. */
static const uint64_t share_ns = 1000000000;
/* While frames come, the path's timers are looked at this often: their finest tick. */
static const uint64_t tick_ns = 1000000;

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

/* How long epoll may wait for the path's next deadline. */
static int patience_ms(const struct loop *loop, uint64_t now_ns)
{
	enum { PATIENCE_MS = 1000, FOREVER = -1 };
	uint64_t deadline = path_deadline(loop->path), wait_ms;

	if (deadline == UINT64_MAX)
		return FOREVER;
	wait_ms = deadline > now_ns ? (deadline - now_ns) / 1000000 + 1 : 0;
	return wait_ms < PATIENCE_MS ? (int)wait_ms : PATIENCE_MS;
}

/* Until a packet wakes, a ring hands over a block, an errand comes, or the path has something due.
 * A packet that the wake-up has missed is seen when its block is handed over. */
static void rest(struct loop *loop, uint64_t now_ns)
{
	struct epoll_event events[LOOP_SOURCES];

	loop->stats.sleeps++;
	loop->next_tick_ns = 0;
	int ready = epoll_wait(loop->epoll_fd, events, LOOP_SOURCES, patience_ms(loop, now_ns));

	/* A ring whose interface went down ends every sleep until it is asked. The control thread
	 * hears of the interface by other ways. */
	for (int i = 0; i < ready; i++)
		if (events[i].data.u32 == LOOP_MAILBOX)
			mailbox_woken(loop->mailbox);
		else if (events[i].data.u32 == LOOP_WAKE)
			idle_woken(&loop->idle, clock_now_ns());
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
	loop->newer = (struct loop_mark){now_ns, loop->stats.busy_ns};
}

/* What is done after a turn at `now_ns`. */
static void go_on(struct loop *loop, bool worked, uint64_t now_ns)
{
	switch (idle_next(&loop->idle, worked, now_ns)) {
	case IDLE_GO_ON:
		break;
	case IDLE_PAUSE:
		pause_a_little();
		break;
	case IDLE_ARM:
		if (loop->wake)
			wake_arm(loop->wake);
		break;
	case IDLE_SLEEP:
		rest(loop, now_ns);
		break;
	}
}

void *loop_run(void *argument)
{
	struct loop *loop = argument;
	uint64_t last_ns = clock_now_ns();
	bool worked = false;

	loop->older = loop->newer = (struct loop_mark){.now_ns = last_ns};
	privilege_renounce();
	if (seccomp_confine(SECCOMP_PATH))
		loop->warn("the packet path's system calls are not filtered: the kernel cannot");
	while (!atomic_load_explicit(&loop->stop, memory_order_relaxed)) {
		uint64_t now_ns = clock_now_ns();

		account(loop, worked ? now_ns - last_ns : 0, now_ns);
		last_ns = now_ns;
		worked = turn(loop, now_ns);
		loop->stats.turns++;
		loop->stats.busy_turns += worked;
		go_on(loop, worked, now_ns);
	}
	return NULL;
}

struct path_output loop_output(struct loop *loop)
{
	return (struct path_output){
		.context = loop,
		.send = send_frame,
		.event = take_event,
		.wants_trace = wants_trace,
		.clock = read_clock,
	};
}
