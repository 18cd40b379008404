/* Packets that wake: before their block is handed over, once, with a filter too. */
#include "tests/unit/veth.h"

#include "ring/internal.h"

enum {
	NEVER_MS = 60000, /* a block is not handed over while a test runs: what wakes is the program */
	SILENCE_MS = 20,  /* long enough for what must not come */
};

static struct wake *wake;

static int open_the_wake(void **state)
{
	char error[256];
	(void)state;

	if (wake_open(&wake, error, sizeof(error))) {
		fprintf(stderr, "SKIP: %s\n", error);
		wake = NULL;
	}
	return 0;
}

static int close_the_wake(void **state)
{
	(void)state;
	wake_close(wake);
	return 0;
}

static struct ring *waking_ring(const char *filter)
{
	struct ring_options options = veth_options(1500);

	if (!wake)
		skip();
	options.wake = wake;
	options.filter = filter;
	options.retire_ms = NEVER_MS;
	return veth_open(&options);
}

static void send_one(int far, uint32_t number)
{
	static struct veth_packet packet;

	veth_fill(packet.bytes, 100, number);
	veth_send(far, &packet, 100);
}

static bool rings(int fd, int patience_ms)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	return poll(&poller, 1, patience_ms) == 1;
}

/* In the ring soon after the bell, though no block has been handed over. */
static void assert_there(struct ring *ring, uint32_t number)
{
	struct frame frame;

	assert_int_equal(veth_await(ring, &frame, 1), 1);
	assert_true(veth_filled(frame.data, 100, number));
	assert_false(rings(ring_fd(ring), 0));
	ring_release(ring);
}

static void a_packet_wakes_before_its_block_is_handed_over(void **state)
{
	struct ring *ring = waking_ring(NULL);
	int far = veth_far();
	(void)state;

	for (uint32_t n = 0; n < 1000; n++) {
		wake_arm(wake);
		assert_false(rings(wake_fd(wake), 0));
		send_one(far, n);
		assert_true(rings(wake_fd(wake), VETH_PATIENCE_MS));
		assert_there(ring, n);
	}
	ring_close(ring);
	close(far);
}

static void packets_wake_once(void **state)
{
	struct ring *ring = waking_ring(NULL);
	int far = veth_far();
	(void)state;

	wake_arm(wake);
	send_one(far, 1);
	assert_true(rings(wake_fd(wake), VETH_PATIENCE_MS));
	assert_there(ring, 1);
	/* As if armed, but without what forgets: nothing new may be told. */
	send_one(far, 2);
	assert_there(ring, 2);
	wake_arm(wake);
	assert_false(rings(wake_fd(wake), SILENCE_MS));
	send_one(far, 3);
	assert_true(rings(wake_fd(wake), VETH_PATIENCE_MS));
	assert_there(ring, 3);
	ring_close(ring);
	close(far);
}

static void a_ring_with_a_filter_wakes_and_keeps_its_filter(void **state)
{
	struct ring *ring = waking_ring("ether proto 0x88b5 and ether[14] = 7");
	struct ring_stats stats;
	int far = veth_far();
	(void)state;

	for (unsigned round = 0; round < 100; round++) {
		wake_arm(wake);
		send_one(far, 7);
		assert_true(rings(wake_fd(wake), VETH_PATIENCE_MS));
		assert_there(ring, 7);
		send_one(far, 8);
	}
	ring_stats(ring, &stats);
	assert_int_equal(stats.received, 100);
	assert_int_equal(stats.lost, 0);
	ring_close(ring);
	close(far);
}

static void what_the_ring_sends_wakes_nobody(void **state)
{
	static const char *const filters[] = {NULL, "ether[14] = 7"};
	static uint8_t bytes[60];
	struct frame frame = {.data = bytes, .length = sizeof(bytes)};
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		struct ring *ring = waking_ring(filters[i]);

		wake_arm(wake);
		assert_true(ring_send(ring, &frame));
		ring_flush(ring);
		assert_false(rings(wake_fd(wake), SILENCE_MS));
		ring_close(ring);
	}
}

static void several_rings_wake_one_sleeper(void **state)
{
	struct ring *first = waking_ring(NULL), *second = waking_ring("ether[14] = 2");
	int far = veth_far();
	(void)state;

	for (uint32_t n = 0; n < 100; n++) {
		wake_arm(wake);
		send_one(far, 2);
		assert_true(rings(wake_fd(wake), VETH_PATIENCE_MS));
		assert_there(first, 2);
		assert_there(second, 2);
	}
	ring_close(first);
	ring_close(second);
	close(far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_wakes_before_its_block_is_handed_over),
		cmocka_unit_test(packets_wake_once),
		cmocka_unit_test(a_ring_with_a_filter_wakes_and_keeps_its_filter),
		cmocka_unit_test(what_the_ring_sends_wakes_nobody),
		cmocka_unit_test(several_rings_wake_one_sleeper),
	};

	if (!RECEIVE_PEEKS || !veth_create(1500))
		return veth_skip();
	return cmocka_run_group_tests(tests, open_the_wake, close_the_wake);
}
