/* Under load the packet path's thread asks the system for something once a batch, never once a
 * packet: a real loop on a real ring, with the C library's calls counted that it makes. */
#include "tests/unit/veth.h"
#include "tests/unit/world.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "appliance/loop.h"
#include "appliance/privilege.h"

enum {
	FRAMES = 4000, /* pile up while the thread is held; fewer than the ring holds */
	BATCHES = FRAMES / RING_BATCH_MAX,
	GROWING = 3,   /* turns until the batches have grown to their full size */
	OTHERS = 8,    /* turns that errands and the end of the silence may add */
	FLOWS = 4096,
};

/* What the thread under test has called; this one's calls do not count. */
static pthread_t here;
static struct calls {
	unsigned clocks, sends, waits, options, allocations;
} calls;

static void count(unsigned *made)
{
	if (!pthread_equal(pthread_self(), here))
		__atomic_add_fetch(made, 1, __ATOMIC_RELAXED);
}

/* These come before the C library's for whatever is linked into this program. */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	count(&calls.clocks);
	return (int)syscall(SYS_clock_gettime, clock, ret_time);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
	count(&calls.sends);
	return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	count(&calls.sends);
	return syscall(SYS_sendmsg, fd, message, flags);
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	count(&calls.waits);
	return (int)syscall(SYS_epoll_pwait, fd, events, max, timeout_ms, NULL, 0);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
	count(&calls.options);
	return (int)syscall(SYS_getsockopt, fd, level, option, value, size);
}

#ifndef LB_SANITIZED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);

void *malloc(size_t size)
{
	count(&calls.allocations);
	return __libc_malloc(size);
}

void *calloc(size_t items, size_t size)
{
	count(&calls.allocations);
	return __libc_calloc(items, size);
}
#endif

/* One interface, to clients and backends, on the near end of the cable. */
static struct world *one_arm(void)
{
	struct world *world = world_new(FLOWS);

	world_add(world, KIND_INTERFACE, "name", "near", "role", "both", "address",
		  "198.51.100.1/24", "address", "10.0.0.1/24");
	world_add(world, KIND_NEIGHBOR, "address", "10.0.0.11", "mac", "02:00:00:00:00:11",
		  "interface", "near");
	world_add(world, KIND_POOL, "name", "dns");
	world_add(world, KIND_BACKEND, "pool", "dns", "address", "10.0.0.11:53");
	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.10:53/udp", "pool",
		  "dns");
	world_publish(world);
	return world;
}

static void warn(const char *sentence)
{
	fprintf(stderr, "%s\n", sentence);
}

static void publish(struct path *path, void *argument, uint64_t now_ns)
{
	path_publish(path, argument, now_ns);
}

struct pile {
	struct world *world;
	int far;
};

/* On the thread itself: it cannot read what arrives meanwhile. */
static void pile_up(struct path *path, void *argument, uint64_t now_ns)
{
	const struct pile *pile = argument;
	static struct veth_packet packet;
	(void)path;
	(void)now_ns;

	for (unsigned i = 0; i < FRAMES; i++) {
		struct frame frame = world_build(pile->world, &(struct world_packet){
			.in = "near", .source = "198.51.100.7", .destination = "203.0.113.10",
			.source_port = (uint16_t)(1024 + i % 1000), .destination_port = 53,
			.protocol = PROTOCOL_NUMBER_UDP, .payload = 18,
		});

		memcpy(packet.bytes, frame.data, frame.length);
		if (write(pile->far, &packet, sizeof(packet.offload) + frame.length) < 0)
			return; /* the test will miss it */
	}
	calls = (struct calls){0};
}

static void await_frames(int far, unsigned frames)
{
	static struct veth_packet packet;

	for (unsigned i = 0; i < frames; i++)
		assert_true(veth_receive(far, &packet, VETH_PATIENCE_MS) > 0);
}

static void calls_are_made_once_a_turn_and_never_once_a_packet(void **state)
{
	struct world *world = one_arm();
	struct mailbox *mailbox = mailbox_new();
	struct loop_options with = {.limits = {.flows = FLOWS, .held_frame_size = WORLD_FRAME_MAX},
				    .cpu = -1};
	struct ring_options ring_with = veth_options(WORLD_MTU);
	struct pile pile = {world, veth_far()};
	struct loop *loop;
	struct loop_stats before, after;
	char error[256];
	struct ring *ring;
	(void)state;

	here = pthread_self();
	if (loop_start(&loop, &with, mailbox, warn, error, sizeof(error)))
		fail_msg("%s", error);
	mailbox_call(mailbox, publish, &world->compiler.current->snapshot);
	ring_with.interface = (uint16_t)world_interface(world, "near");
	ring_with.wake = loop_wake(loop);
	privilege_raise();
	ring = veth_open(&ring_with);
	privilege_lower();
	loop_set_ring(loop, ring_with.interface, ring);

	loop_stats(loop, &before);
	mailbox_call(mailbox, pile_up, &pile);
	await_frames(pile.far, FRAMES);
	struct calls made = calls;
	loop_stats(loop, &after);
	uint64_t turns = after.turns - before.turns, busy = after.busy_turns - before.busy_turns;

	assert_in_range(busy, BATCHES, BATCHES + GROWING + OTHERS);
	assert_in_range(made.sends, BATCHES, busy);
	assert_in_range(made.clocks, BATCHES, turns + after.sleeps - before.sleeps);
	assert_in_range(made.waits, 0, after.sleeps - before.sleeps);
	assert_int_equal(made.options, 0);
	assert_int_equal(made.allocations, 0);

	ring_close(loop_set_ring(loop, ring_with.interface, NULL));
	loop_stop(loop);
	mailbox_free(mailbox);
	close(pile.far);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_are_made_once_a_turn_and_never_once_a_packet),
	};

	if (!veth_create(WORLD_MTU))
		return veth_skip();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* as lbd has it, so that the thread is confined */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
