/* The outer header byte for byte, against frames that Scapy has made; and its UDP checksum, which is
 * made of differences, against the sum of all bytes. */
#include "tests/unit/path_packets.h"

#include <stdio.h>

#include "appliance/path/tunnel.h"

enum { FRAME_MAX = FRAME_HEADROOM_MIN + ETHERNET_SIZE + 2048 };

struct wrapped {
	uint8_t memory[FRAME_MAX];
	struct frame frame;
};

static size_t from_hex(const char *hex, uint8_t *ret_bytes)
{
	size_t length = strlen(hex) / 2;

	for (size_t i = 0; i < length; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		ret_bytes[i] = (uint8_t)byte;
	}
	return length;
}

/* The IP packet in a frame with headroom and nothing behind it. */
static void put(struct wrapped *wrapped, const void *packet, size_t length)
{
	wrapped->frame = (struct frame){
		.data = wrapped->memory + FRAME_HEADROOM_MIN,
		.length = (uint32_t)(ETHERNET_SIZE + length),
		.headroom = FRAME_HEADROOM_MIN,
	};
	memcpy(wrapped->frame.data + ETHERNET_SIZE, packet, length);
}

static struct tunnel tunnel_from(uint16_t source_port)
{
	return (struct tunnel){address(10, 0, 0, 1), address(10, 0, 0, 11), to_be16(source_port)};
}

/* 198.51.100.7:40000 > 203.0.113.10:80 SYN, DF, DSCP 46 and ECT(1), TTL 57; and :5000 > :53 "abc". */
#define TCP_PACKET "45b90028123440003906c89dc6336407cb00710a" \
		   "9c400050000003e8000000005002200089240000"
#define UDP_PACKET "4500001f4711000002110b78c6336407cb00710a13880035000bc172616263"

static void the_outer_header_is_what_scapy_makes(void **state)
{
	static const struct {
		enum forward_mode mode;
		uint16_t source_port;
		const char *outer, *inner;
		uint16_t id; /* of the last one that was needed, afterwards */
	} rows[] = {
		{FORWARD_IPIP, 0, "45b9003c00004000400425fa0a0000010a00000b", TCP_PACKET, 0},
		{FORWARD_IPIP, 0, "4500003300010000400466bb0a0000010a00000b", UDP_PACKET, 1},
		{FORWARD_GUE, 50000, "45b9004400004000401125e50a0000010a00000bc35017c0003076d2",
		 TCP_PACKET, 1},
		{FORWARD_GUE, 65535, "4500003b00020000401166a50a0000010a00000bffff17c000273a37",
		 UDP_PACKET, 2},
	};
	uint8_t inner[128], want[256];
	uint16_t id = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tunnel tunnel = tunnel_from(rows[i].source_port);
		size_t inner_length = from_hex(rows[i].inner, inner);
		size_t outer_length = from_hex(rows[i].outer, want);
		struct wrapped wrapped;

		memcpy(want + outer_length, inner, inner_length);
		put(&wrapped, inner, inner_length);
		wrapped.frame.offload = (struct offload){.flags = OFFLOAD_CHECKSUM_VALID};
		tunnel_wrap(&wrapped.frame, rows[i].mode, &tunnel, &id);
		assert_int_equal(wrapped.frame.length, ETHERNET_SIZE + outer_length + inner_length);
		assert_memory_equal(wrapped.frame.data + ETHERNET_SIZE, want,
				    outer_length + inner_length);
		assert_int_equal(outer_length, tunnel_overhead(rows[i].mode));
		assert_int_equal(wrapped.frame.headroom, FRAME_HEADROOM_MIN - outer_length);
		assert_int_equal(wrapped.frame.offload.flags, 0);
		assert_int_equal(id, rows[i].id);
	}
}

static void ids_differ_where_a_packet_may_be_cut_and_are_0_where_not(void **state)
{
	struct tunnel tunnel = tunnel_from(0);
	uint8_t may_be_cut[128], may_not[128];
	size_t cut_length = from_hex(UDP_PACKET, may_be_cut), length = from_hex(TCP_PACKET, may_not);
	uint16_t id = UINT16_MAX - 1;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct wrapped wrapped;

		put(&wrapped, may_be_cut, cut_length);
		tunnel_wrap(&wrapped.frame, FORWARD_IPIP, &tunnel, &id);
		assert_int_equal(from_be16(ip_of(wrapped.frame.data)->id), (uint16_t)(i - 1));
		put(&wrapped, may_not, length);
		tunnel_wrap(&wrapped.frame, FORWARD_IPIP, &tunnel, &id);
		assert_int_equal(from_be16(ip_of(wrapped.frame.data)->id), 0);
	}
}

/* Every checksum outside is right, whichever way it came about. */
static bool outer_is_right(const struct wrapped *wrapped)
{
	const struct ipv4 *outer = ip_of(wrapped->frame.data);
	const uint8_t *udp = (const uint8_t *)(outer + 1);
	uint16_t length = (uint16_t)(from_be16(outer->total_length) - sizeof(*outer));

	assert_true(checksum_is_right(checksum_add(0, outer, sizeof(*outer))));
	assert_int_equal(from_be16(((const struct udp *)udp)->length), length);
	assert_int_not_equal(((const struct udp *)udp)->checksum.raw, 0);
	return checksum_is_right(checksum_add(
		checksum_pseudo_header(outer->source, outer->destination, outer->protocol, length),
		udp, length));
}

/* Wraps it in gue; true where all outer checksums are right. */
static bool wraps_right(const struct made *made)
{
	struct tunnel tunnel = tunnel_from(50000);
	struct wrapped wrapped;
	uint16_t id = 0;

	put(&wrapped, made->bytes + ETHERNET_SIZE, made->length - ETHERNET_SIZE);
	tunnel_wrap(&wrapped.frame, FORWARD_GUE, &tunnel, &id);
	assert_memory_equal(wrapped.frame.data + ETHERNET_SIZE + TUNNEL_OVERHEAD_GUE,
			    made->bytes + ETHERNET_SIZE, made->length - ETHERNET_SIZE);
	return outer_is_right(&wrapped);
}

static struct made some_packet(unsigned number, unsigned length)
{
	uint8_t payload[1400];

	for (unsigned i = 0; i < length; i++)
		payload[i] = (uint8_t)(i * number + 3 * number);
	if (number % 3 == 0)
		return make_udp(EXT, CLIENT, (uint16_t)number, VIP, 53, payload, (uint16_t)length);
	if (number % 3 == 1)
		return make_icmp(EXT, CLIENT, VIP, ICMP_UNREACHABLE, 4, 0, (uint16_t)number,
				 payload, length);
	return make_tcp(EXT, CLIENT, (uint16_t)number, VIP, 80, TCP_SYN, number * 77, length);
}

static void the_outer_checksum_is_right_for_every_kind_of_packet(void **state)
{
	(void)state;
	for (unsigned number = 0; number < 3000; number++) {
		struct made made = some_packet(number, number % 1400);

		assert_true(wraps_right(&made));
	}
}

static void what_no_inner_checksum_covers_is_summed_up(void **state)
{
	static const char text[] = "something that is not all zeros";
	struct made no_checksum = make_udp(EXT, CLIENT, 9, VIP, 53, text, sizeof(text));
	struct made shorter = no_checksum, first, later = no_checksum;

	(void)state;
	((struct udp *)l4_of(no_checksum.bytes))->checksum = (be16){0};
	assert_true(wraps_right(&no_checksum));

	/* Bytes behind the datagram, inside of the packet. */
	((struct udp *)l4_of(shorter.bytes))->length = to_be16(UDP_SIZE + 5);
	assert_true(wraps_right(&shorter));

	first = make_tcp(EXT, CLIENT, 9, VIP, 80, TCP_SYN, 5, 6);
	((struct tcp *)l4_of(first.bytes))->checksum = to_be16(0x1234); /* of the whole datagram */
	ip_of(first.bytes)->fragment = to_be16(IPV4_MORE_FRAGMENTS);
	seal_ip(ip_of(first.bytes));
	assert_true(wraps_right(&first));

	memset(l4_of(later.bytes), 0x5a, UDP_SIZE);
	ip_of(later.bytes)->fragment = to_be16(100);
	seal_ip(ip_of(later.bytes));
	assert_true(wraps_right(&later));
}

static void what_came_corrupt_arrives_corrupt_outside_too(void **state)
{
	(void)state;
	for (unsigned number = 0; number < 12; number++) {
		struct made made = some_packet(3 * number + (number % 2 ? 2 : 0), 100);

		made.bytes[made.length - 1 - number] ^= 0x40;
		assert_false(wraps_right(&made));
	}
}

static void source_ports_are_ephemeral_and_spread_by_the_flows_hash(void **state)
{
	unsigned seen[4] = {0};

	(void)state;
	assert_int_equal(from_be16(tunnel_to(SERVER, 0).source_port), 49152);
	assert_int_equal(from_be16(tunnel_to(SERVER, UINT64_MAX).source_port), 65535);
	for (unsigned i = 0; i < 1000; i++) {
		struct flow_tuple tuple = {CLIENT, VIP, to_be16((uint16_t)i), to_be16(80),
					   PROTOCOL_NUMBER_TCP, {0}};
		struct tunnel tunnel = tunnel_to(SERVER, flow_hash(&tuple, 1));

		assert_true(from_be16(tunnel.source_port) >= 49152);
		assert_address(tunnel.destination, SERVER);
		seen[(from_be16(tunnel.source_port) - 49152) / 4096]++;
	}
	for (unsigned i = 0; i < 4; i++)
		assert_true(seen[i] > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_outer_header_is_what_scapy_makes),
		cmocka_unit_test(ids_differ_where_a_packet_may_be_cut_and_are_0_where_not),
		cmocka_unit_test(the_outer_checksum_is_right_for_every_kind_of_packet),
		cmocka_unit_test(what_no_inner_checksum_covers_is_summed_up),
		cmocka_unit_test(what_came_corrupt_arrives_corrupt_outside_too),
		cmocka_unit_test(source_ports_are_ephemeral_and_spread_by_the_flows_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
