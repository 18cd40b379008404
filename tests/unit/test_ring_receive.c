/* Receiving: order, exact loss, frames that stay valid until they are released, filters, tags. */
#include "tests/unit/veth.h"

#include <linux/filter.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
	STREAM_FRAMES = 150000, /* about 120 MB: some fifteen times round the default ring */
	STREAM_AHEAD = 2000,    /* fewer than the ring holds, so that none is lost */
	SMALL_RING = 4,         /* blocks of 256 KB */
	SMALL_RING_FRAMES = 1500, /* of 1,000 bytes: more than the small ring holds */
};

static size_t stream_length(uint32_t number)
{
	return 60 + number % 1455;
}

static atomic_uint stream_read;

static void *send_stream(void *context)
{
	static struct veth_packet packet;
	int far = *(int *)context;

	for (uint32_t n = 0; n < STREAM_FRAMES; n++) {
		while (n - atomic_load(&stream_read) > STREAM_AHEAD)
			sched_yield();
		veth_fill(packet.bytes, stream_length(n), n);
		veth_send(far, &packet, stream_length(n));
	}
	return NULL;
}

static void frames_arrive_in_order_across_many_blocks(void **state)
{
	struct ring *ring = veth_ring(1500);
	struct frame frames[RING_BATCH_MAX];
	struct ring_stats stats;
	int far = veth_far();
	pthread_t sender;
	uint32_t next = 0;
	(void)state;

	atomic_store(&stream_read, 0);
	assert_int_equal(pthread_create(&sender, NULL, send_stream, &far), 0);
	for (unsigned turn = 0; next < STREAM_FRAMES; turn++) {
		unsigned count = veth_await(ring, frames, 1 + turn % RING_BATCH_MAX);

		assert_true(count > 0);
		for (unsigned i = 0; i < count; i++, next++) {
			assert_int_equal(frames[i].length, stream_length(next));
			assert_int_equal(frames[i].wire_length, frames[i].length);
			assert_true(veth_filled(frames[i].data, frames[i].length, next));
			assert_true(frames[i].headroom >= 64);
			assert_int_equal(frames[i].interface, VETH_INTERFACE);
			assert_int_equal(frames[i].vlan_tpid, 0);
			/* The bytes and what stands before them are ours until the release. */
			memset(frames[i].data - frames[i].headroom, 0xff,
			       frames[i].headroom + (size_t)frames[i].length);
		}
		ring_release(ring);
		atomic_store(&stream_read, next);
	}
	pthread_join(sender, NULL);
	ring_stats(ring, &stats);
	assert_int_equal(stats.received, STREAM_FRAMES);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(stats.truncated, 0);
	ring_close(ring);
	close(far);
}

static struct ring *small_ring(const char *filter)
{
	struct ring_options options = veth_options(1500);

	options.blocks = SMALL_RING;
	options.filter = filter;
	return veth_open(&options);
}

/* Sends frames numbered from `first` on, all of 1,000 bytes. */
static void send_many(int far, uint32_t first, uint32_t count)
{
	static struct veth_packet packet;

	for (uint32_t n = first; n < first + count; n++) {
		veth_fill(packet.bytes, 1000, n);
		veth_send(far, &packet, 1000);
	}
}

static void what_a_stalled_reader_loses_is_counted_exactly(void **state)
{
	struct ring *ring = small_ring(NULL);
	struct frame frames[RING_BATCH_MAX];
	struct ring_stats stats;
	int far = veth_far();
	uint64_t sent = 0;
	(void)state;

	for (unsigned round = 0; round < 3; round++) {
		send_many(far, 0, SMALL_RING_FRAMES);
		sent += SMALL_RING_FRAMES;
		while (veth_await_for(ring, frames, RING_BATCH_MAX, 50))
			ring_release(ring);
		ring_stats(ring, &stats);
		assert_true(stats.lost > 0);
		assert_int_equal(stats.received + stats.lost, sent);
		assert_true(stats.frozen > round);
	}
	/* Reading the counters, which clears the kernel's, loses nothing. */
	ring_stats(ring, &stats);
	assert_int_equal(stats.received + stats.lost, sent);
	ring_close(ring);
	close(far);
}

static void frames_of_many_blocks_stay_whole_until_released(void **state)
{
	static struct frame frames[SMALL_RING_FRAMES];
	struct ring *ring = small_ring(NULL);
	int far = veth_far();
	unsigned held = 0, count;
	(void)state;

	for (unsigned round = 0; round < 5; round++) {
		held = 0;
		send_many(far, 0, SMALL_RING_FRAMES);
		while ((count = veth_await_for(ring, frames + held, 32, 50)) > 0)
			held += count;
		/* All of the ring is ours now: no more comes in, and nothing of it changes. */
		assert_in_range(held, SMALL_RING, SMALL_RING_FRAMES - 1);
		send_many(far, 0, 100);
		assert_int_equal(ring_receive(ring, frames + held, 32), 0);
		for (unsigned i = 0; i < held; i++)
			assert_true(veth_filled(frames[i].data, 1000, i));
		ring_release(ring);
	}
	ring_close(ring);
	close(far);
}

static void a_block_that_closes_after_its_frames_were_released_is_given_back(void **state)
{
	struct ring *ring = small_ring(NULL);
	struct pollfd poller = {.fd = ring_fd(ring), .events = POLLIN};
	struct frame frame;
	struct ring_stats stats;
	int far = veth_far();
	(void)state;

	for (uint32_t n = 0; n < 5 * SMALL_RING; n++) {
		send_many(far, n, 1);
		assert_int_equal(veth_await(ring, &frame, 1), 1);
		assert_true(veth_filled(frame.data, 1000, n));
		ring_release(ring);
		/* Nobody releases anything after this, and yet the descriptor falls silent. */
		for (int i = 0; i < VETH_PATIENCE_MS && poll(&poller, 1, 10); i++)
			assert_int_equal(ring_receive(ring, &frame, 1), 0);
		assert_int_equal(poll(&poller, 1, 0), 0);
	}
	ring_stats(ring, &stats);
	assert_int_equal(stats.lost, 0);
	ring_close(ring);
	close(far);
}

static void a_frame_that_was_cut_short_is_told_as_one(void **state)
{
	/* Keep 100 bytes of whatever comes. */
	struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, 100);
	struct sock_fprog program = {.len = 1, .filter = &keep};
	struct ring *ring = veth_ring(1500);
	struct ring_stats stats;
	struct frame frame;
	int far = veth_far();
	(void)state;

	assert_return_code(setsockopt(ring_fd(ring), SOL_SOCKET, SO_ATTACH_FILTER, &program,
				      sizeof(program)), errno);
	send_many(far, 5, 1);
	assert_int_equal(veth_await(ring, &frame, 1), 1);
	assert_int_equal(frame.length, 100);
	assert_int_equal(frame.wire_length, 1000);
	assert_true(veth_filled(frame.data, 100, 5));
	ring_stats(ring, &stats);
	assert_int_equal(stats.truncated, 1);
	ring_close(ring);
	close(far);
}

static void a_tag_that_the_kernel_took_out_stands_beside_the_frame(void **state)
{
	static struct veth_packet packet;
	const uint16_t tpids[] = {ETH_P_8021Q, ETH_P_8021AD};
	struct ring *ring = veth_ring(1500);
	struct frame frame;
	int far = veth_far();
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		const uint8_t tag[] = {(uint8_t)(tpids[i] >> 8), (uint8_t)tpids[i], 0x60, 0x2a};

		veth_fill(packet.bytes, 100, i);
		memmove(packet.bytes + 16, packet.bytes + 12, 88);
		memcpy(packet.bytes + 12, tag, 4);
		veth_send(far, &packet, 104);
		assert_int_equal(veth_await(ring, &frame, 1), 1);
		assert_int_equal(frame.vlan_tpid, tpids[i]);
		assert_int_equal(frame.vlan_tci, 0x602a);
		assert_int_equal(frame.length, 100);
		assert_int_equal(frame.wire_length, 100);
		assert_true(veth_filled(frame.data, 100, i));
		ring_release(ring);
	}
	ring_close(ring);
	close(far);
}

static void a_filter_keeps_frames_out_of_the_ring(void **state)
{
	struct ring *ring = small_ring("ether proto 0x88b5 and ether[14] = 7");
	struct frame frame;
	struct ring_stats stats;
	int far = veth_far();
	(void)state;

	send_many(far, 0, 10);
	assert_int_equal(veth_await(ring, &frame, 1), 1);
	assert_true(veth_filled(frame.data, 1000, 7));
	ring_release(ring);
	assert_int_equal(ring_receive(ring, &frame, 1), 0);
	ring_stats(ring, &stats);
	assert_int_equal(stats.received, 1);
	assert_int_equal(stats.lost, 0);
	ring_close(ring);
	close(far);
}

static void what_the_ring_sends_does_not_come_back_to_it(void **state)
{
	static uint8_t bytes[60];
	struct frame frame = {.data = bytes, .length = sizeof(bytes)};
	struct ring *ring = veth_ring(1500);
	(void)state;

	assert_true(ring_send(ring, &frame));
	ring_flush(ring);
	assert_int_equal(veth_await_for(ring, &frame, 1, 50), 0);
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_arrive_in_order_across_many_blocks),
		cmocka_unit_test(what_a_stalled_reader_loses_is_counted_exactly),
		cmocka_unit_test(frames_of_many_blocks_stay_whole_until_released),
		cmocka_unit_test(a_block_that_closes_after_its_frames_were_released_is_given_back),
		cmocka_unit_test(a_frame_that_was_cut_short_is_told_as_one),
		cmocka_unit_test(a_tag_that_the_kernel_took_out_stands_beside_the_frame),
		cmocka_unit_test(a_filter_keeps_frames_out_of_the_ring),
		cmocka_unit_test(what_the_ring_sends_does_not_come_back_to_it),
	};

	if (!veth_create(1500))
		return veth_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
