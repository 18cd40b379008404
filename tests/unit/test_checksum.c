/* Checksums against a naive reference: RFC 1071 word by word, in network order. Fixed seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "appliance/path/checksum.h"
#include "tests/unit/random.h"

enum {
	ROUNDS = 20000,
	BYTES_MAX = 65535,
};

static uint64_t random_state;

static uint64_t random64(void)
{
	return random_next(&random_state);
}

static void random_fill(uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)random64();
}

/* Numbers that carry: all ones and all zeros are as likely as anything between. */
static uint16_t random16(void)
{
	uint64_t r = random64();

	switch (r & 7) {
	case 0:
		return 0;
	case 1:
		return 0xffff;
	default:
		return (uint16_t)(r >> 16);
	}
}

static uint16_t naive_sum(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++) {
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

static void sums_equal_the_naive_ones_at_every_length_and_alignment(void **state)
{
	static uint8_t bytes[BYTES_MAX + 8];

	(void)state;
	random_state = 1;
	random_fill(bytes, sizeof(bytes));
	for (size_t length = 0; length <= 300; length++)
		for (size_t at = 0; at < 8; at++)
			assert_int_equal(
				from_be16(checksum_fold(checksum_add(0, bytes + at, length))),
				naive_sum(bytes + at, length));
	for (size_t length = BYTES_MAX - 16; length <= BYTES_MAX; length++)
		assert_int_equal(from_be16(checksum_fold(checksum_add(0, bytes + 1, length))),
				 naive_sum(bytes + 1, length));
}

static void all_ones_lose_no_carry(void **state)
{
	static uint8_t bytes[BYTES_MAX];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	for (size_t length = 2; length <= sizeof(bytes); length += 1022)
		assert_int_equal(checksum_fold(checksum_add(0, bytes, length)).raw, 0xffff);
	assert_int_equal(from_be16(checksum_fold(checksum_add(0, bytes, 3))), 0xff00);
	assert_int_equal(checksum_fold(UINT64_MAX).raw, 0xffff);
	assert_int_equal(checksum_fold(0).raw, 0);
}

static void pieces_of_even_length_combine(void **state)
{
	uint8_t bytes[512];

	(void)state;
	random_state = 2;
	for (int round = 0; round < ROUNDS; round++) {
		size_t first = 2 * (random64() % 128), second = random64() % 256;
		uint64_t sum;

		random_fill(bytes, first + second);
		sum = checksum_add(checksum_add(0, bytes, first), bytes + first, second);
		assert_int_equal(from_be16(checksum_fold(sum)), naive_sum(bytes, first + second));
	}
}

/* The example of RFC 1071 section 3. */
static void the_example_of_rfc_1071(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	(void)state;
	assert_int_equal(from_be16(checksum_fold(checksum_add(0, bytes, sizeof(bytes)))), 0xddf2);
	assert_int_equal(from_be16(checksum_of(bytes, sizeof(bytes))), 0x220d);
}

static void the_pseudo_header_is_that_of_rfc_768(void **state)
{
	(void)state;
	random_state = 3;
	for (int round = 0; round < ROUNDS; round++) {
		uint8_t bytes[12];
		be32 source, destination;

		random_fill(bytes, sizeof(bytes));
		bytes[8] = 0;
		memcpy(&source, bytes, 4);
		memcpy(&destination, bytes + 4, 4);
		assert_int_equal(from_be16(checksum_fold(checksum_pseudo_header(
					 source, destination, bytes[9],
					 (uint16_t)(bytes[10] << 8 | bytes[11])))),
				 naive_sum(bytes, sizeof(bytes)));
	}
}

/* A header of eight words; the checksum is the word at 7. */
struct words { be16 word[8]; };

static void random_words(struct words *words)
{
	for (int i = 0; i < 8; i++)
		words->word[i].raw = random16();
	words->word[6] = to_be16(0x4500); /* a real header is never all zeros */
	words->word[7].raw = 0;
	words->word[7] = checksum_of(words, sizeof(*words));
}

static void an_update_equals_a_new_sum(void **state)
{
	(void)state;
	random_state = 4;
	for (int round = 0; round < ROUNDS; round++) {
		struct words before, after;
		be32 address_before, address_after;
		uint64_t change;
		be16 updated;

		random_words(&before);
		after = before;
		after.word[0].raw = random16();
		after.word[2].raw = random16();
		after.word[3].raw = random16();
		memcpy(&address_before, &before.word[2], 4);
		memcpy(&address_after, &after.word[2], 4);

		change = checksum_change16(before.word[0], after.word[0]) +
			 checksum_change32(address_before, address_after);
		updated = checksum_update(before.word[7], change);
		after.word[7].raw = 0;
		after.word[7] = checksum_of(&after, sizeof(after));
		assert_int_equal(updated.raw, after.word[7].raw);
		assert_true(checksum_is_right(checksum_add(0, &after, sizeof(after))));
	}
}

/* The case for which RFC 1624 replaced the equation of RFC 1141 (its section 5). */
static void the_example_of_rfc_1624(void **state)
{
	uint64_t change = checksum_change16(to_be16(0x5555), to_be16(0x3285));

	(void)state;
	assert_int_equal(from_be16(checksum_update(to_be16(0xdd2f), change)), 0x0000);
}

static void an_update_keeps_a_wrong_checksum_wrong(void **state)
{
	(void)state;
	random_state = 5;
	for (int round = 0; round < ROUNDS; round++) {
		struct words words;
		be16 to = {random16()};
		uint16_t wrong;

		random_words(&words);
		wrong = (uint16_t)(words.word[7].raw ^ 1u << random64() % 16);
		words.word[7] =
			checksum_update((be16){wrong}, checksum_change16(words.word[1], to));
		words.word[1] = to;
		assert_false(checksum_is_right(checksum_add(0, &words, sizeof(words))));
	}
}

static void a_udp_checksum_of_zero_stays_zero_and_none_becomes_zero(void **state)
{
	uint64_t change = checksum_change16(to_be16(0x5555), to_be16(0x3285));

	(void)state;
	assert_int_equal(checksum_update_udp(to_be16(0), change).raw, 0);
	assert_int_equal(from_be16(checksum_update_udp(to_be16(0xdd2f), change)), 0xffff);
	assert_int_equal(from_be16(checksum_field_udp(0xffff)), 0xffff);
	assert_int_equal(from_be16(checksum_field_udp(to_be16(0x1234).raw)), 0xedcb);

	random_state = 6;
	for (int round = 0; round < ROUNDS; round++) {
		be16 checksum = {random16()}, from = {random16()}, to = {random16()};
		be16 updated = checksum_update_udp(checksum, checksum_change16(from, to));

		assert_int_equal(updated.raw == 0, checksum.raw == 0);
	}
}

/* A UDP datagram in a frame, its checksum left to hardware as a kernel leaves it. */
struct datagram {
	uint8_t bytes[ETHERNET_SIZE + IPV4_SIZE_MIN + 64];
	struct frame frame;
	struct packet packet;
};

static void datagram_make(struct datagram *datagram, uint16_t payload)
{
	struct ipv4 *ip = (struct ipv4 *)(datagram->bytes + ETHERNET_SIZE);
	struct udp *udp = (struct udp *)(ip + 1);
	uint16_t length = (uint16_t)(UDP_SIZE + payload);

	random_fill(datagram->bytes, sizeof(datagram->bytes));
	ip->protocol = PROTOCOL_NUMBER_UDP;
	udp->length = to_be16(length);
	udp->checksum = checksum_fold(checksum_pseudo_header(ip->source, ip->destination,
							     PROTOCOL_NUMBER_UDP, length));
	datagram->frame = (struct frame){
		.data = datagram->bytes,
		.length = sizeof(datagram->bytes),
		.wire_length = sizeof(datagram->bytes),
		.offload = {.flags = OFFLOAD_CHECKSUM_PARTIAL,
			    .csum_start = ETHERNET_SIZE + IPV4_SIZE_MIN,
			    .csum_offset = offsetof(struct udp, checksum)},
	};
	datagram->packet = (struct packet){
		.frame = &datagram->frame,
		.ip = ip,
		.l4 = udp,
		.ip_length = IPV4_SIZE_MIN + length,
		.l4_length = length,
		.source = ip->source,
		.destination = ip->destination,
		.protocol = PROTOCOL_NUMBER_UDP,
	};
}

/* Pseudo header, header and payload, laid out and summed naively. */
static uint16_t naive_udp_sum(const struct packet *packet)
{
	uint8_t bytes[12 + 64] = {0};

	memcpy(bytes, &packet->source, 4);
	memcpy(bytes + 4, &packet->destination, 4);
	bytes[9] = packet->protocol;
	bytes[11] = (uint8_t)packet->l4_length;
	memcpy(bytes + 12, packet->l4, packet->l4_length);
	return naive_sum(bytes, 12 + packet->l4_length);
}

static void a_partial_checksum_is_finished_without_the_padding(void **state)
{
	(void)state;
	random_state = 7;
	for (int round = 0; round < ROUNDS; round++) {
		struct datagram datagram = {.frame = {0}};

		datagram_make(&datagram, (uint16_t)(random64() % 56));
		assert_true(checksum_finish(&datagram.packet));
		assert_int_equal(naive_udp_sum(&datagram.packet), 0xffff);
		assert_int_equal(datagram.frame.offload.flags, 0);
		assert_true(checksum_verify(&datagram.packet));
	}
}

/* Changes the source address before it is finished, as a rewrite does. */
static void a_partial_checksum_follows_addresses(void **state)
{
	(void)state;
	random_state = 8;
	for (int round = 0; round < ROUNDS; round++) {
		struct datagram datagram = {.frame = {0}};
		struct udp *udp;
		be32 to = {(uint32_t)random64()};

		datagram_make(&datagram, (uint16_t)(random64() % 56));
		udp = packet_udp(&datagram.packet);
		udp->checksum = checksum_update_partial(
			udp->checksum, checksum_change32(datagram.packet.source, to));
		datagram.packet.source = datagram.packet.ip->source = to;
		assert_true(checksum_finish(&datagram.packet));
		assert_int_equal(naive_udp_sum(&datagram.packet), 0xffff);
	}
}

static void nothing_is_finished_without_a_mark_that_points_inside(void **state)
{
	struct datagram datagram = {.frame = {0}}, before;

	(void)state;
	random_state = 9;
	datagram_make(&datagram, 20);
	datagram.frame.offload.flags = 0;
	before = datagram;
	assert_true(checksum_finish(&datagram.packet));
	assert_memory_equal(datagram.bytes, before.bytes, sizeof(before.bytes));

	datagram.frame.offload = (struct offload){
		.flags = OFFLOAD_CHECKSUM_PARTIAL,
		.csum_start = ETHERNET_SIZE + IPV4_SIZE_MIN,
		.csum_offset = 27, /* of 28 bytes */
	};
	assert_false(checksum_finish(&datagram.packet));
	datagram.frame.offload.csum_offset = 0xffff;
	assert_false(checksum_finish(&datagram.packet));
	datagram.frame.offload.csum_start = ETHERNET_SIZE; /* into the IP header */
	datagram.frame.offload.csum_offset = 6;
	assert_false(checksum_finish(&datagram.packet));
	assert_memory_equal(datagram.bytes, before.bytes, sizeof(before.bytes));
	assert_int_equal(datagram.frame.offload.flags, OFFLOAD_CHECKSUM_PARTIAL);
}

static void a_super_frame_keeps_its_mark(void **state)
{
	struct datagram datagram = {.frame = {0}};

	(void)state;
	random_state = 10;
	datagram_make(&datagram, 20);
	datagram.frame.offload.gso_type = 5;
	assert_false(checksum_finish(&datagram.packet));
	assert_int_equal(datagram.frame.offload.flags, OFFLOAD_CHECKSUM_PARTIAL);
}

static void verifying_finds_each_flipped_bit(void **state)
{
	struct datagram datagram = {.frame = {0}};
	uint8_t *l4;

	(void)state;
	random_state = 11;
	datagram_make(&datagram, 21);
	assert_true(checksum_finish(&datagram.packet));
	l4 = datagram.packet.l4;
	for (uint32_t bit = 0; bit < 8 * datagram.packet.l4_length; bit++) {
		if (bit / 8 == offsetof(struct udp, length) ||
		    bit / 8 == offsetof(struct udp, length) + 1)
			continue; /* held by the parser */
		l4[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(checksum_verify(&datagram.packet));
		l4[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void verifying_trusts_hardware_senders_and_udp_without_a_checksum(void **state)
{
	struct datagram datagram = {.frame = {0}};

	(void)state;
	random_state = 12;
	datagram_make(&datagram, 21);
	assert_true(checksum_verify(&datagram.packet));
	datagram.frame.offload.flags = OFFLOAD_CHECKSUM_VALID;
	assert_true(checksum_verify(&datagram.packet));
	datagram.frame.offload.flags = 0;
	assert_false(checksum_verify(&datagram.packet));
	packet_udp(&datagram.packet)->checksum = to_be16(0);
	assert_true(checksum_verify(&datagram.packet));
}

static void udp_is_verified_as_long_as_it_says_not_as_long_as_the_packet_is(void **state)
{
	struct datagram datagram = {.frame = {0}};

	(void)state;
	random_state = 13;
	datagram_make(&datagram, 21);
	assert_true(checksum_finish(&datagram.packet));
	datagram.packet.ip_length += 7;
	datagram.packet.l4_length += 7;
	assert_true(checksum_verify(&datagram.packet));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_equal_the_naive_ones_at_every_length_and_alignment),
		cmocka_unit_test(all_ones_lose_no_carry),
		cmocka_unit_test(pieces_of_even_length_combine),
		cmocka_unit_test(the_example_of_rfc_1071),
		cmocka_unit_test(the_pseudo_header_is_that_of_rfc_768),
		cmocka_unit_test(an_update_equals_a_new_sum),
		cmocka_unit_test(the_example_of_rfc_1624),
		cmocka_unit_test(an_update_keeps_a_wrong_checksum_wrong),
		cmocka_unit_test(a_udp_checksum_of_zero_stays_zero_and_none_becomes_zero),
		cmocka_unit_test(a_partial_checksum_is_finished_without_the_padding),
		cmocka_unit_test(a_partial_checksum_follows_addresses),
		cmocka_unit_test(nothing_is_finished_without_a_mark_that_points_inside),
		cmocka_unit_test(a_super_frame_keeps_its_mark),
		cmocka_unit_test(verifying_finds_each_flipped_bit),
		cmocka_unit_test(verifying_trusts_hardware_senders_and_udp_without_a_checksum),
		cmocka_unit_test(udp_is_verified_as_long_as_it_says_not_as_long_as_the_packet_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
