/* Sending: every frame leaves unchanged and in order, or is dropped and counted; nothing waits, and
 * nothing leaves late. */
#include "tests/unit/veth.h"

enum {
	MTU = 1500,
	FRAME_MAX = MTU + 14,
	BATCH = 32,
	SLOTS = 128, /* as many frames as wait in a ring */
};

static uint8_t bytes[65536];
static struct veth_packet packet;

static struct frame numbered(size_t length, uint32_t number)
{
	veth_fill(bytes, length < 18 ? 18 : length, number);
	return (struct frame){.data = bytes, .length = (uint32_t)length};
}

/* Queues frame `number`; false where the ring dropped it. */
static bool send_numbered(struct ring *ring, size_t length, uint32_t number)
{
	struct frame frame = numbered(length, number);

	return ring_send(ring, &frame);
}

static void assert_receives(int far, size_t length, uint32_t number)
{
	assert_int_equal(veth_receive(far, &packet, VETH_PATIENCE_MS), length);
	veth_fill(bytes, length < 18 ? 18 : length, number);
	assert_memory_equal(packet.bytes, bytes, length);
	assert_int_equal(packet.offload.flags | packet.offload.gso_type, 0);
}

static struct ring_stats stats_of(struct ring *ring)
{
	struct ring_stats stats;

	ring_stats(ring, &stats);
	return stats;
}

static void frames_of_every_length_leave_unchanged(void **state)
{
	struct ring *ring = veth_ring(MTU);
	int far = veth_far();
	(void)state;

	for (uint32_t length = 14; length <= FRAME_MAX; length++) {
		assert_true(send_numbered(ring, length, length));
		ring_flush(ring);
		assert_receives(far, length, length);
	}
	assert_int_equal(stats_of(ring).sent, FRAME_MAX - 14 + 1);
	assert_int_equal(stats_of(ring).sent_large, 0);
	ring_close(ring);
	close(far);
}

static void batches_leave_in_order_with_one_kick_each(void **state)
{
	struct ring *ring = veth_ring(MTU);
	int far = veth_far();
	(void)state;

	for (uint32_t n = 0; n < 1000 * BATCH; n += BATCH) {
		for (uint32_t i = 0; i < BATCH; i++)
			assert_true(send_numbered(ring, 60 + (n + i) % 1400, n + i));
		assert_int_equal(stats_of(ring).sent, n);
		ring_flush(ring);
		assert_int_equal(stats_of(ring).sent, n + BATCH);
		for (uint32_t i = 0; i < BATCH; i++)
			assert_receives(far, 60 + (n + i) % 1400, n + i);
	}
	ring_flush(ring);
	assert_int_equal(veth_receive(far, &packet, 20), 0);
	ring_close(ring);
	close(far);
}

static void more_frames_than_slots_kick_by_themselves(void **state)
{
	struct ring *ring = veth_ring(MTU);
	int far = veth_far();
	(void)state;

	for (uint32_t n = 0; n < 5 * SLOTS; n++)
		assert_true(send_numbered(ring, 100, n));
	ring_flush(ring);
	for (uint32_t n = 0; n < 5 * SLOTS; n++)
		assert_receives(far, 100, n);
	assert_int_equal(stats_of(ring).send_full, 0);
	ring_close(ring);
	close(far);
}

static void what_the_kernel_would_swallow_is_refused_and_counted(void **state)
{
	struct ring *ring = veth_ring(MTU);
	int far = veth_far();
	struct frame bad[] = {
		numbered(13, 0),
		numbered(FRAME_MAX + 5, 0),
		numbered(100, 0), numbered(100, 0), numbered(100, 0),
	};
	const unsigned count = sizeof(bad) / sizeof(bad[0]);
	(void)state;

	/* A checksum behind the end, one before the IP header, one whose sum overflows 16 bits. */
	bad[2].offload = (struct offload){.flags = OFFLOAD_CHECKSUM_PARTIAL, .csum_start = 34,
					  .csum_offset = 65};
	bad[3].offload = (struct offload){.flags = OFFLOAD_CHECKSUM_PARTIAL, .csum_start = 12,
					  .csum_offset = 6};
	bad[4].offload = (struct offload){.flags = OFFLOAD_CHECKSUM_PARTIAL, .csum_start = 65535,
					  .csum_offset = 16};
	for (unsigned i = 0; i < count; i++)
		assert_false(ring_send(ring, &bad[i]));
	assert_int_equal(stats_of(ring).send_failed, count);
	assert_true(send_numbered(ring, 100, 1));
	ring_flush(ring);
	assert_receives(far, 100, 1);
	assert_int_equal(stats_of(ring).sent, 1);
	assert_false(ring_broken(ring));
	ring_close(ring);
	close(far);
}

static void a_jumbo_interface_uses_larger_slots(void **state)
{
	struct ring *ring;
	int far = veth_far();
	(void)state;

	veth_run("ip link set near mtu 9000 && ip link set far mtu 9000");
	ring = veth_ring(9000);
	for (uint32_t n = 0; n < 3 * SLOTS; n++) {
		assert_true(send_numbered(ring, 9014 - n, n));
		ring_flush(ring);
		assert_receives(far, 9014 - n, n);
	}
	assert_int_equal(stats_of(ring).sent_large, 0);
	ring_close(ring);

	/* Beyond any slot: past them, in order all the same. */
	veth_run("ip link set near mtu 65000 && ip link set far mtu 65000");
	ring = veth_ring(65000);
	for (uint32_t n = 0; n < 3 * SLOTS; n++)
		assert_true(send_numbered(ring, n % 3 ? 100 : 65014, n));
	ring_flush(ring);
	for (uint32_t n = 0; n < 3 * SLOTS; n++)
		assert_receives(far, n % 3 ? 100 : 65014, n);
	assert_int_equal(stats_of(ring).sent_large, SLOTS);
	assert_int_equal(stats_of(ring).sent, 3 * SLOTS);
	ring_close(ring);
	veth_run("ip link set near mtu 1500 && ip link set far mtu 1500");
	close(far);
}

static void a_full_queue_delays_then_drops_and_keeps_the_order(void **state)
{
	struct ring *ring = veth_ring(MTU);
	struct frame frame = numbered(1000, 0);
	int far = veth_far();
	uint32_t accepted = 0;
	uint32_t number;
	(void)state;

	/* The queue takes a few frames, then nothing: they wait until the slots are full. */
	veth_run("tc qdisc add dev near root tbf rate 8kbit burst 2000 limit 20000");
	while (send_numbered(ring, 1000, accepted))
		accepted++;
	ring_flush(ring);
	assert_in_range(accepted, SLOTS, SLOTS + 30);
	assert_int_equal(stats_of(ring).send_full, 1);
	assert_true(stats_of(ring).sent < accepted);
	/* A frame that goes past the slots does not go past the ones in them. */
	frame.offload = (struct offload){.gso_type = 1, .gso_size = 100, .hdr_len = 54};
	assert_false(ring_send(ring, &frame));
	assert_int_equal(stats_of(ring).send_full, 2);
	assert_int_equal(stats_of(ring).send_failed, 0);
	assert_false(ring_broken(ring));

	veth_run("tc qdisc change dev near root tbf rate 1gbit burst 100000 limit 1000000");
	ring_flush(ring);
	for (number = 0; number < accepted; number++)
		assert_receives(far, 1000, number);
	assert_int_equal(stats_of(ring).sent, accepted);
	assert_true(send_numbered(ring, 1000, number));
	ring_flush(ring);
	assert_receives(far, 1000, number);
	veth_run("tc qdisc del dev near root");
	ring_close(ring);
	close(far);
}

static void nothing_stale_leaves_when_a_link_comes_up_again(void **state)
{
	struct ring *ring = veth_ring(MTU);
	int far = veth_far();
	(void)state;

	assert_false(ring_broken(ring));
	for (uint32_t round = 1; round <= 3; round++) {
		/* Some were queued before the link went down, some after; also more than slots. */
		for (uint32_t n = 0; n < 10; n++)
			assert_true(send_numbered(ring, 100, 999));
		veth_run("ip link set near down");
		assert_true(ring_broken(ring));
		for (uint32_t n = 0; n < 2 * SLOTS; n++)
			send_numbered(ring, 100, 999);
		ring_flush(ring);
		assert_int_equal(stats_of(ring).send_failed, round * (10 + 2 * SLOTS));
		assert_true(ring_broken(ring));
		assert_false(ring_broken(ring));

		veth_near_up();
		ring_flush(ring);
		for (uint32_t n = 0; n < 2 * SLOTS; n++) {
			assert_true(send_numbered(ring, 100, n));
			ring_flush(ring);
			assert_receives(far, 100, n);
		}
	}
	assert_int_equal(stats_of(ring).sent, 3 * 2 * SLOTS);
	ring_close(ring);
	close(far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_every_length_leave_unchanged),
		cmocka_unit_test(batches_leave_in_order_with_one_kick_each),
		cmocka_unit_test(more_frames_than_slots_kick_by_themselves),
		cmocka_unit_test(what_the_kernel_would_swallow_is_refused_and_counted),
		cmocka_unit_test(a_jumbo_interface_uses_larger_slots),
		cmocka_unit_test(a_full_queue_delays_then_drops_and_keeps_the_order),
		cmocka_unit_test(nothing_stale_leaves_when_a_link_comes_up_again),
	};

	if (!veth_create(MTU))
		return veth_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
