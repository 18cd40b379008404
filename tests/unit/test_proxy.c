/* The PROXY header: its bytes, how it goes into a datagram, and how it comes out of a quote. The
 * judge of every checksum is a sum over all bytes. */
#include "tests/unit/path_packets.h"

#include "appliance/path/proxy.h"

enum { HEADROOM = 64, CLIENT_PORT = 8080, BACKEND_PORT = 4200, PAYLOAD = 101 };

#define PROXY_CLIENT address(125, 25, 10, 1)
#define PROXY_BACKEND address(10, 4, 5, 8)

#define ENDPOINTS \
	(&(const struct proxy_endpoints){ \
		.client = PROXY_CLIENT, .backend = PROXY_BACKEND, \
		.client_port = to_be16(CLIENT_PORT), .backend_port = to_be16(BACKEND_PORT), \
	})

/* Written down byte by byte, from the protocol's text. */
static const uint8_t expected[PROXY_HEADER] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
	0x21, 0x12, 0x00, 0x0c, 125, 25, 10, 1, 10, 4, 5, 8, 0x1f, 0x90, 0x10, 0x68,
};

struct datagram {
	uint8_t bytes[HEADROOM + PACKET_SIZE_MAX + 8];
	struct frame frame;
	struct packet packet;
	uint8_t payload[PAYLOAD];
};

/* A datagram with headroom, as rings give it. */
static struct datagram *make(struct datagram *d)
{
	for (unsigned i = 0; i < PAYLOAD; i++)
		d->payload[i] = (uint8_t)(i * 7 + 3);
	struct made made = make_udp(INT, PROXY_CLIENT, CLIENT_PORT, PROXY_BACKEND, BACKEND_PORT,
				    d->payload, PAYLOAD);

	memset(d->bytes, 0xee, sizeof(d->bytes));
	memcpy(d->bytes + HEADROOM, made.bytes, made.length);
	d->frame = (struct frame){
		.data = d->bytes + HEADROOM, .length = made.length, .wire_length = made.length,
		.headroom = HEADROOM,
	};
	return d;
}

static void parse(struct datagram *d)
{
	enum verdict drop;

	if (!packet_parse_ipv4(&d->packet, &d->frame, &drop))
		fail_msg("%s", verdict_name(drop));
}

static void assert_proxied(const struct datagram *d, uint32_t size)
{
	const struct packet *packet = &d->packet;
	const uint8_t *payload = (const uint8_t *)packet->l4 + UDP_SIZE;

	assert_ptr_equal(packet->ethernet, d->frame.data);
	assert_int_equal(packet->l4_length, UDP_SIZE + size + PAYLOAD);
	assert_int_equal(from_be16(packet_udp(packet)->length), UDP_SIZE + size + PAYLOAD);
	assert_int_equal(from_be16(packet->ip->total_length), packet->ip_length);
	assert_memory_equal(payload + size, d->payload, PAYLOAD);
	assert_true(checksum_is_right(checksum_add(0, packet->ip, ip_header_size(packet->ip))));
}

static bool l4_is_right(const struct packet *packet)
{
	uint64_t sum = checksum_pseudo_header(packet->ip->source, packet->ip->destination,
					      packet->ip->protocol,
					      (uint16_t)packet->l4_length);

	return checksum_is_right(checksum_add(sum, packet->l4, packet->l4_length));
}

static void the_header_is_the_protocols(void **state)
{
	struct datagram d;

	(void)state;
	parse(make(&d));
	assert_int_equal(proxy_size(&d.packet), sizeof(expected));
	proxy_insert(&d.packet, ENDPOINTS);
	assert_proxied(&d, PROXY_HEADER);
	assert_memory_equal((uint8_t *)d.packet.l4 + UDP_SIZE, expected, sizeof(expected));
	assert_int_equal(d.frame.length, L4_AT + UDP_SIZE + PROXY_HEADER + PAYLOAD);
	assert_int_equal(d.frame.headroom, HEADROOM - PROXY_HEADER);
	assert_true(l4_is_right(&d.packet));
	assert_int_equal(d.bytes[HEADROOM - PROXY_HEADER - 1], 0xee);
}

static void what_was_corrupt_stays_so(void **state)
{
	struct datagram d;

	(void)state;
	parse(make(&d));
	((uint8_t *)d.packet.l4)[UDP_SIZE + 5] ^= 0x40;
	proxy_insert(&d.packet, ENDPOINTS);
	assert_false(l4_is_right(&d.packet));
	((uint8_t *)d.packet.l4)[UDP_SIZE + PROXY_HEADER + 5] ^= 0x40;
	assert_true(l4_is_right(&d.packet));
}

/* PEERS, faults seen: UDP checksum 0 touched. */
static void a_checksum_of_0_stays_0(void **state)
{
	struct datagram d;

	(void)state;
	parse(make(&d));
	packet_udp(&d.packet)->checksum = (be16){0};
	proxy_insert(&d.packet, ENDPOINTS);
	assert_proxied(&d, PROXY_HEADER);
	assert_int_equal(packet_udp(&d.packet)->checksum.raw, 0);
}

/* A sum that comes out as 0 says "no checksum": 0xffff is sent, its equal. */
static void a_checksum_that_becomes_0_is_sent_as_ffff(void **state)
{
	struct datagram d;
	unsigned seen = 0;

	(void)state;
	for (unsigned i = 0; i <= UINT16_MAX; i++) {
		make(&d);
		memcpy(d.frame.data + L4_AT + UDP_SIZE, &i, 2);
		seal_l4(ip_of(d.frame.data));
		parse(&d);
		proxy_insert(&d.packet, ENDPOINTS);
		assert_true(packet_udp(&d.packet)->checksum.raw);
		assert_true(l4_is_right(&d.packet));
		seen += packet_udp(&d.packet)->checksum.raw == 0xffff;
	}
	assert_int_equal(seen, 1);
}

static void a_partial_checksum_still_covers_the_pseudo_header_only(void **state)
{
	struct datagram d;

	(void)state;
	make(&d);
	d.frame.offload = (struct offload){.flags = OFFLOAD_CHECKSUM_PARTIAL,
					   .csum_start = L4_AT, .csum_offset = 6};
	parse(&d);
	packet_udp(&d.packet)->checksum = checksum_fold(checksum_pseudo_header(
		PROXY_CLIENT, PROXY_BACKEND, PROTOCOL_NUMBER_UDP, UDP_SIZE + PAYLOAD));
	proxy_insert(&d.packet, ENDPOINTS);
	assert_int_equal(packet_udp(&d.packet)->checksum.raw, checksum_fold(checksum_pseudo_header(
		PROXY_CLIENT, PROXY_BACKEND, PROTOCOL_NUMBER_UDP,
		UDP_SIZE + PROXY_HEADER + PAYLOAD)).raw);
	assert_true(checksum_finish(&d.packet));
	assert_proxied(&d, PROXY_HEADER);
	assert_true(l4_is_right(&d.packet));
}

static void it_stands_behind_ip_options_and_before_padding(void **state)
{
	static const uint8_t options[8] = {1, 1, 1, 1, 1, 1, 1, 0};
	struct datagram d;

	(void)state;
	make(&d);
	memmove(d.frame.data + L4_AT + 8, d.frame.data + L4_AT, d.frame.length - L4_AT);
	memcpy(d.frame.data + L4_AT, options, sizeof(options));
	ip_of(d.frame.data)->version_ihl = 0x47;
	ip_of(d.frame.data)->total_length = to_be16(IPV4_SIZE_MIN + 8 + UDP_SIZE + PAYLOAD - 1);
	seal_ip(ip_of(d.frame.data));
	d.frame.length = d.frame.wire_length = d.frame.length + 8;
	((struct udp *)l4_of(d.frame.data))->length = to_be16(UDP_SIZE + PAYLOAD - 1);
	seal_l4(ip_of(d.frame.data));
	parse(&d);
	proxy_insert(&d.packet, ENDPOINTS);
	assert_memory_equal(d.frame.data + L4_AT, options, sizeof(options));
	assert_memory_equal((uint8_t *)d.packet.l4 + UDP_SIZE, expected, sizeof(expected));
	assert_int_equal(from_be16(packet_udp(&d.packet)->length),
			 UDP_SIZE + PROXY_HEADER + PAYLOAD - 1);
	assert_true(l4_is_right(&d.packet));
	assert_true(checksum_is_right(checksum_add(0, d.packet.ip, ip_header_size(d.packet.ip))));
}

/* The other fragments move by whole units of 8 bytes, and the checksum is that of the datagram. */
static void a_first_fragment_gets_32_bytes(void **state)
{
	static const uint8_t padding[4] = {0x04, 0x00, 0x01, 0x00};
	struct datagram d;
	uint8_t whole[PACKET_SIZE_MAX];

	(void)state;
	make(&d);
	memcpy(whole, d.frame.data, d.frame.length);
	ip_of(d.frame.data)->fragment = to_be16(IPV4_MORE_FRAGMENTS);
	ip_of(d.frame.data)->total_length = to_be16(IPV4_SIZE_MIN + 48);
	seal_ip(ip_of(d.frame.data));
	parse(&d);
	proxy_insert(&d.packet, ENDPOINTS);
	const uint8_t *header = (uint8_t *)d.packet.l4 + UDP_SIZE;
	assert_memory_equal(header, expected, 14);
	assert_int_equal(header[15], 16);
	assert_memory_equal(header + 16, expected + 16, 12);
	assert_memory_equal(header + 28, padding, sizeof(padding));
	assert_int_equal(from_be16(d.packet.ip->total_length), IPV4_SIZE_MIN + 48 + 32);
	assert_int_equal(from_be16(packet_udp(&d.packet)->length), UDP_SIZE + 32 + PAYLOAD);

	/* Put together again at the other end. */
	memcpy((uint8_t *)d.packet.l4 + 80, whole + L4_AT + 48, UDP_SIZE + PAYLOAD - 48);
	d.packet.l4_length = UDP_SIZE + 32 + PAYLOAD;
	assert_true(l4_is_right(&d.packet));
}

/* What is quoted of a datagram with a header becomes the datagram that the client sent. */
static void check_unquoted(uint32_t quoted, bool certain, uint32_t left)
{
	struct datagram d, error;
	struct quote quote;
	uint8_t sent[PACKET_SIZE_MAX];

	parse(make(&d));
	memcpy(sent, ip_of(d.frame.data), IPV4_SIZE_MIN + UDP_SIZE + PAYLOAD);
	proxy_insert(&d.packet, ENDPOINTS);
	struct made made = make_error(INT, PROXY_BACKEND, PROXY_CLIENT, ICMP_UNREACHABLE,
				      ICMP_FRAGMENTATION_NEEDED, 1400, d.frame.data, quoted);
	memcpy(error.bytes + HEADROOM, made.bytes, made.length);
	error.frame = (struct frame){.data = error.bytes + HEADROOM, .length = made.length,
				     .wire_length = made.length, .headroom = HEADROOM};
	parse(&error);
	assert_true(quote_read(&error.packet, &quote));
	proxy_unquote(&error.packet, &quote, ENDPOINTS, certain);

	error.frame.length = ETHERNET_SIZE + error.packet.ip_length;
	assert_sound(error.frame.data, error.frame.length);
	assert_int_equal(error.packet.l4_length, ICMP_SIZE + left);
	assert_int_equal(from_be16(packet_icmp(&error.packet)->sequence), 1400 - PROXY_HEADER);
	assert_memory_equal(quote.ip, sent, left);
	assert_int_equal(quote.l4_length, left - IPV4_SIZE_MIN);
}

static void a_quote_is_what_the_client_sent(void **state)
{
	enum { HEADERS = IPV4_SIZE_MIN + UDP_SIZE };

	(void)state;
	check_unquoted(HEADERS + PROXY_HEADER + PAYLOAD, false, HEADERS + PAYLOAD);
	check_unquoted(HEADERS + PROXY_HEADER + 50, false, HEADERS + 50);
	check_unquoted(HEADERS + PROXY_HEADER + 1, false, HEADERS + 1);
	check_unquoted(HEADERS + PROXY_HEADER, false, HEADERS);
	check_unquoted(HEADERS + 20, false, HEADERS); /* a part of the header */
	check_unquoted(HEADERS + 16, false, HEADERS);
	check_unquoted(HEADERS, true, HEADERS); /* too little to see it */
}

static void a_quote_without_the_header_is_left_alone(void **state)
{
	struct datagram d;
	struct quote quote;
	uint8_t before[PACKET_SIZE_MAX];

	(void)state;
	parse(make(&d));
	struct made made = make_error(INT, PROXY_BACKEND, PROXY_CLIENT, ICMP_UNREACHABLE, 3, 0,
				      d.frame.data, IPV4_SIZE_MIN + UDP_SIZE + PAYLOAD);
	d.frame = (struct frame){.data = made.bytes, .length = made.length,
				 .wire_length = made.length};
	parse(&d);
	assert_true(quote_read(&d.packet, &quote));
	memcpy(before, made.bytes, made.length);
	proxy_unquote(&d.packet, &quote, ENDPOINTS, true);
	assert_memory_equal(made.bytes, before, made.length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_is_the_protocols),
		cmocka_unit_test(what_was_corrupt_stays_so),
		cmocka_unit_test(a_checksum_of_0_stays_0),
		cmocka_unit_test(a_checksum_that_becomes_0_is_sent_as_ffff),
		cmocka_unit_test(a_partial_checksum_still_covers_the_pseudo_header_only),
		cmocka_unit_test(it_stands_behind_ip_options_and_before_padding),
		cmocka_unit_test(a_first_fragment_gets_32_bytes),
		cmocka_unit_test(a_quote_is_what_the_client_sent),
		cmocka_unit_test(a_quote_without_the_header_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
