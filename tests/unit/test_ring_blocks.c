/* The three rules of reading a block while the kernel fills it (ring/receive.c), against a kernel
 * that this test plays itself, one store after the other in the order of tpacket_rcv(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring/internal.h"

enum {
	BLOCKS = 3,
	MAC = 138, /* where the kernel puts the frame behind its header, with what we reserve */
	MAC_MIN = RECEIVE_HEADER + RING_VIRTIO_HEADER, /* the nearest that it could */
	IFINDEX = 5,
};

static struct ring ring;
static struct frame frames[RING_BATCH_MAX];

/* The kernel's side. */
static unsigned active;  /* block */
static uint8_t *free_at; /* where its next packet goes; NULL: not opened */
static uint8_t *last;

static struct tpacket_hdr_v1 *block(unsigned number)
{
	return &((struct tpacket_block_desc *)(void *)(ring.receiver.memory +
						       number * RECEIVE_BLOCK_BYTES))->hdr.bh1;
}

static int setup(void **state)
{
	const size_t bytes = (size_t)BLOCKS * RECEIVE_BLOCK_BYTES;
	uint8_t *memory = aligned_alloc(4096, bytes);
	(void)state;

	memset(memory, 0, bytes);
	memset(&ring, 0, sizeof(ring));
	receive_start(&ring.receiver, memory, BLOCKS);
	active = 0;
	free_at = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(ring.receiver.memory);
	return 0;
}

static uint32_t aligned(uint32_t bytes)
{
	return (bytes + RECEIVE_ALIGNMENT - 1) / RECEIVE_ALIGNMENT * RECEIVE_ALIGNMENT;
}

static void open_block(void)
{
	assert_int_equal(block(active)->block_status, TP_STATUS_KERNEL);
	block(active)->num_pkts = 0;
	block(active)->blk_len = RECEIVE_BLOCK_HEADER;
	block(active)->offset_to_first_pkt = RECEIVE_BLOCK_HEADER;
	free_at = ring.receiver.memory + active * RECEIVE_BLOCK_BYTES + RECEIVE_BLOCK_HEADER;
}

static void close_block(void)
{
	((struct tpacket3_hdr *)(void *)last)->tp_next_offset = 0;
	block(active)->block_status = TP_STATUS_USER;
	active = (active + 1) % BLOCKS;
	free_at = NULL;
}

/* What the kernel has written of a packet. It may store the fields in any order after the first. */
enum {
	RESERVED = 0,
	USER = 1,
	LENGTH = 2,
	SNAPLEN = 4,
	MAC_OFFSET = 8,
	FROM = 16,
	WHOLE = 31,
};

static void write_packet(uint32_t mac, uint32_t length, uint8_t content, unsigned written)
{
	struct tpacket3_hdr *header;
	struct sockaddr_ll *from;

	if (!free_at)
		open_block();
	last = free_at;
	header = (void *)last;
	header->tp_next_offset = aligned(mac + length);
	free_at += aligned(mac + length);
	block(active)->blk_len += aligned(mac + length);
	block(active)->num_pkts++;
	memset(last + mac, content, length);
	from = (void *)(last + RING_PACKET_HEADER);
	header->tp_status = written & USER ? TP_STATUS_USER : 0;
	header->tp_len = written & LENGTH ? length : 0;
	header->tp_snaplen = written & SNAPLEN ? length : 0;
	header->tp_mac = (uint16_t)(written & MAC_OFFSET ? mac : 0);
	from->sll_ifindex = written & FROM ? IFINDEX : 0;
}

static void put(uint8_t content)
{
	write_packet(MAC, 100, content, WHOLE);
}

static void assert_next(uint8_t content)
{
	assert_int_equal(ring_receive(&ring, frames, 1), 1);
	assert_int_equal(frames[0].length, 100);
	assert_int_equal(frames[0].data[0], content);
	assert_int_equal(frames[0].data[99], content);
}

static void assert_none(void)
{
	assert_int_equal(ring_receive(&ring, frames, RING_BATCH_MAX), 0);
}

static void a_packet_is_there_when_all_its_fields_are_written(void **state)
{
	(void)state;
	if (!RECEIVE_PEEKS)
		skip();
	for (unsigned written = RESERVED; written < WHOLE; written++) {
		write_packet(MAC, 100, 1, written);
		assert_none();
		/* Once more from the start, in the same place. */
		free_at = last;
		block(active)->num_pkts--;
		block(active)->blk_len -= aligned(MAC + 100);
	}
	put(1);
	assert_next(1);
	/* The kernel will write to the header once more; what lies between is ours. */
	assert_ptr_equal(frames[0].data, last + MAC);
	assert_ptr_equal(frames[0].data - frames[0].headroom, last + RECEIVE_HEADER);
	put(2);
	put(3);
	assert_next(2);
	assert_next(3);
	assert_none();
}

static void a_packet_that_the_kernel_gave_up_is_stepped_over_at_the_close(void **state)
{
	(void)state;
	put(1);
	write_packet(MAC, 100, 2, RESERVED);
	put(3);
	if (RECEIVE_PEEKS)
		assert_next(1);
	assert_none();
	close_block();
	if (!RECEIVE_PEEKS)
		assert_next(1);
	assert_next(3);
	assert_none();

	/* The last one of a block, and the only one. */
	put(4);
	write_packet(MAC, 100, 5, RESERVED);
	close_block();
	write_packet(MAC, 100, 6, RESERVED);
	close_block();
	assert_next(4);
	assert_none();
	ring_release(&ring);
	put(7);
	close_block();
	assert_next(7);
}

static void a_block_that_closes_while_it_is_read_is_finished_by_its_count(void **state)
{
	(void)state;
	put(1);
	put(2);
	if (RECEIVE_PEEKS)
		assert_next(1);
	close_block();
	put(3);
	if (!RECEIVE_PEEKS)
		assert_next(1);
	assert_next(2);
	close_block();
	assert_next(3);
	assert_none();
}

static void a_block_goes_back_zeroed_and_not_before_its_frames_are_released(void **state)
{
	const uint8_t *at = ring.receiver.memory + RECEIVE_BLOCK_HEADER;
	(void)state;

	put(1);
	put(2);
	close_block();
	assert_next(1);
	ring_release(&ring);
	assert_int_equal(block(0)->block_status, TP_STATUS_USER);
	assert_next(2);
	assert_none();
	assert_int_equal(block(0)->block_status, TP_STATUS_USER);
	assert_int_equal(frames[0].data[99], 2);
	ring_release(&ring);
	assert_int_equal(block(0)->block_status, TP_STATUS_KERNEL);
	for (size_t i = 0; RECEIVE_PEEKS && i < RECEIVE_BLOCK_BYTES - RECEIVE_BLOCK_HEADER; i++)
		assert_int_equal(at[i], 0);
}

static void a_ring_that_is_wholly_held_is_not_read_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BLOCKS; i++) {
		put((uint8_t)(i + 1));
		close_block();
	}
	assert_int_equal(ring_receive(&ring, frames, RING_BATCH_MAX), BLOCKS);
	for (unsigned i = 0; i < BLOCKS; i++)
		assert_int_equal(frames[i].data[0], i + 1);
	assert_none();
	ring_release(&ring);
	for (unsigned i = 0; i < BLOCKS; i++)
		assert_int_equal(block(i)->block_status, TP_STATUS_KERNEL);
	put(9);
	close_block();
	assert_next(9);
}

static void nothing_is_read_behind_a_block_that_is_full_to_the_brim(void **state)
{
	/* 8 bytes are left, and behind the last block nothing at all. */
	const uint32_t room = RECEIVE_BLOCK_BYTES - RECEIVE_BLOCK_HEADER - 8;
	(void)state;

	for (unsigned i = 0; i < BLOCKS; i++) {
		write_packet(MAC, room - MAC, 1, WHOLE);
		if (RECEIVE_PEEKS)
			assert_int_equal(ring_receive(&ring, frames, 1), 1);
		assert_none();
		close_block();
		if (!RECEIVE_PEEKS)
			assert_int_equal(ring_receive(&ring, frames, 1), 1);
		assert_none();
		ring_release(&ring);
	}
}

static uint32_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void whatever_comes_is_read_once_and_in_order(void **state)
{
	enum { STEPS = 400000 };
	uint32_t written = 0, read = 0;
	(void)state;

	for (unsigned i = 0; i < STEPS; i++) {
		uint32_t mac = MAC_MIN + any(100), length = 14 + any(4000);
		bool stopped = !free_at && block(active)->block_status != TP_STATUS_KERNEL;

		if (!stopped && any(3)) {
			if (free_at && free_at + mac + length + RECEIVE_ALIGNMENT >=
				       ring.receiver.memory + (active + 1) * RECEIVE_BLOCK_BYTES)
				close_block();
			else if (any(50) == 0)
				write_packet(mac, length, 0, RESERVED);
			else
				write_packet(mac, length, (uint8_t)written++, WHOLE);
		} else if (free_at && any(20) == 0) {
			close_block();
		}
		if (any(2)) {
			unsigned count = ring_receive(&ring, frames, 1 + any(RING_BATCH_MAX));

			for (unsigned n = 0; n < count; n++, read++) {
				const struct frame *frame = &frames[n];

				assert_int_equal(frame->data[0], (uint8_t)read);
				assert_int_equal(frame->data[frame->length - 1], (uint8_t)read);
				/* The kernel's headers, which it may still write, are not ours. */
				memset(frame->data - frame->headroom, 0xff,
				       frame->headroom + (size_t)frame->length);
			}
		}
		if (any(10) == 0)
			ring_release(&ring);
	}
	assert_in_range(written - read, 0, 1000);
	assert_true(written > STEPS / 4);
	assert_int_equal(ring.stats.received, read);
}

int main(void)
{
#define BLOCK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		BLOCK_TEST(a_packet_is_there_when_all_its_fields_are_written),
		BLOCK_TEST(a_packet_that_the_kernel_gave_up_is_stepped_over_at_the_close),
		BLOCK_TEST(a_block_that_closes_while_it_is_read_is_finished_by_its_count),
		BLOCK_TEST(a_block_goes_back_zeroed_and_not_before_its_frames_are_released),
		BLOCK_TEST(a_ring_that_is_wholly_held_is_not_read_again),
		BLOCK_TEST(nothing_is_read_behind_a_block_that_is_full_to_the_brim),
		BLOCK_TEST(whatever_comes_is_read_once_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
