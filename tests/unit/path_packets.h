/* Packets for tests of the path: complete, with right checksums, as a host sends them; and a judge
 * of what the path has sent, which trusts no flag and no difference. */
#ifndef TESTS_UNIT_PATH_PACKETS_H
#define TESTS_UNIT_PATH_PACKETS_H

#include "tests/unit/path_world.h"

enum {
	PACKET_SIZE_MAX = ETHERNET_SIZE + 1500,
	L4_AT = ETHERNET_SIZE + IPV4_SIZE_MIN,
};

struct made {
	uint8_t bytes[PACKET_SIZE_MAX];
	uint32_t length;
};

static inline struct ipv4 *ip_of(const void *frame)
{
	return (struct ipv4 *)((uint8_t *)(uintptr_t)frame + ETHERNET_SIZE);
}

static inline uint32_t ip_header_size(const struct ipv4 *ip)
{
	return (ip->version_ihl & 15U) * 4;
}

static inline void *l4_of(const void *frame)
{
	return (uint8_t *)ip_of(frame) + ip_header_size(ip_of(frame));
}

static inline void seal_ip(struct ipv4 *ip)
{
	ip->checksum = (be16){0};
	ip->checksum = checksum_of(ip, ip_header_size(ip));
}

/* Sets the checksum of TCP, UDP or ICMP. */
static inline void seal_l4(struct ipv4 *ip)
{
	uint8_t *l4 = (uint8_t *)ip + ip_header_size(ip);
	uint16_t length = (uint16_t)(from_be16(ip->total_length) - ip_header_size(ip));
	uint64_t sum = checksum_pseudo_header(ip->source, ip->destination, ip->protocol, length);

	if (ip->protocol == PROTOCOL_NUMBER_ICMP) {
		struct icmp *icmp = (struct icmp *)l4;

		icmp->checksum = (be16){0};
		icmp->checksum = checksum_of(l4, length);
	} else if (ip->protocol == PROTOCOL_NUMBER_TCP) {
		struct tcp *tcp = (struct tcp *)l4;

		tcp->checksum = (be16){0};
		tcp->checksum = checksum_field(checksum_add(sum, l4, length));
	} else {
		struct udp *udp = (struct udp *)l4;

		udp->checksum = (be16){0};
		udp->checksum = checksum_field_udp(checksum_add(sum, l4, length));
	}
}

static inline struct mac_address mac_of_interface(uint32_t in)
{
	return in == EXT ? EXT_MAC : INT_MAC;
}

/* `l4`: without its checksum. From CLIENT_MAC on EXT, from SERVER_MAC on INT. */
static inline struct made make_packet(uint32_t in, be32 source, be32 destination, uint8_t protocol,
				      const void *l4, uint32_t l4_length)
{
	struct made made = {.length = L4_AT + l4_length};
	struct ethernet *ethernet = (struct ethernet *)made.bytes;
	struct ipv4 *ip = ip_of(made.bytes);

	assert_true(made.length <= sizeof(made.bytes));
	*ethernet = (struct ethernet){mac_of_interface(in), in == EXT ? CLIENT_MAC : SERVER_MAC,
				      to_be16(ETHERTYPE_IPV4)};
	*ip = (struct ipv4){
		.version_ihl = 0x45,
		.total_length = to_be16((uint16_t)(IPV4_SIZE_MIN + l4_length)),
		.id = to_be16(0x1234),
		.ttl = 57,
		.protocol = protocol,
		.source = source,
		.destination = destination,
	};
	memcpy(made.bytes + L4_AT, l4, l4_length);
	seal_ip(ip);
	seal_l4(ip);
	return made;
}

static inline struct made make_tcp(uint32_t in, be32 source, uint16_t source_port, be32 destination,
				   uint16_t destination_port, uint8_t flags, uint32_t sequence,
				   uint32_t acknowledgment)
{
	const struct tcp tcp = {
		.source = to_be16(source_port),
		.destination = to_be16(destination_port),
		.sequence = to_be32(sequence),
		.acknowledgment = to_be32(acknowledgment),
		.offset = 5 << 4,
		.flags = flags,
		.window = to_be16(1000),
	};

	return make_packet(in, source, destination, PROTOCOL_NUMBER_TCP, &tcp, sizeof(tcp));
}

static inline struct made make_udp(uint32_t in, be32 source, uint16_t source_port, be32 destination,
				   uint16_t destination_port, const void *payload, uint16_t length)
{
	uint8_t l4[PACKET_SIZE_MAX - L4_AT];
	const struct udp udp = {
		.source = to_be16(source_port),
		.destination = to_be16(destination_port),
		.length = to_be16((uint16_t)(UDP_SIZE + length)),
	};

	memcpy(l4, &udp, sizeof(udp));
	memcpy(l4 + sizeof(udp), payload, length);
	return make_packet(in, source, destination, PROTOCOL_NUMBER_UDP, l4, UDP_SIZE + length);
}

static inline struct made make_icmp(uint32_t in, be32 source, be32 destination, uint8_t type,
				    uint8_t code, uint16_t id, uint16_t sequence,
				    const void *payload, uint32_t length)
{
	uint8_t l4[PACKET_SIZE_MAX - L4_AT];
	const struct icmp icmp = {
		.type = type, .code = code, .id = to_be16(id), .sequence = to_be16(sequence),
	};

	memcpy(l4, &icmp, sizeof(icmp));
	memcpy(l4 + sizeof(icmp), payload, length);
	return make_packet(in, source, destination, PROTOCOL_NUMBER_ICMP, l4, ICMP_SIZE + length);
}

/* An ICMP error that quotes the first `length` bytes of the IP packet in `frame`. */
static inline struct made make_error(uint32_t in, be32 source, be32 destination, uint8_t type,
				     uint8_t code, uint16_t mtu, const void *frame, uint32_t length)
{
	return make_icmp(in, source, destination, type, code, 0, mtu, ip_of(frame), length);
}

/* The frame ends where its memory ends, so that a sanitizer sees who reads on. */
static inline enum verdict receive_made(struct world *world, uint32_t in, struct made *made)
{
	uint8_t *bytes = malloc(made->length);
	enum verdict verdict;

	assert_non_null(bytes);
	memcpy(bytes, made->bytes, made->length);
	verdict = receive(world, in, bytes, made->length);
	memcpy(made->bytes, bytes, made->length);
	free(bytes);
	return verdict;
}

/* Every checksum of a frame is right, its lengths agree, and its MACs are a host's. */
static inline void assert_sound(const uint8_t *frame, uint32_t length)
{
	const struct ethernet *ethernet = (const struct ethernet *)frame;
	const struct ipv4 *ip = ip_of(frame);
	const uint8_t *l4 = l4_of(frame);
	uint32_t l4_length = from_be16(ip->total_length) - ip_header_size(ip);
	uint64_t sum = checksum_pseudo_header(ip->source, ip->destination, ip->protocol,
					      (uint16_t)l4_length);

	assert_int_equal(from_be16(ethernet->type), ETHERTYPE_IPV4);
	assert_int_equal(ethernet->source.byte[0] & 1, 0);
	assert_int_equal(ethernet->destination.byte[0] & 1, 0);
	assert_int_equal(length, ETHERNET_SIZE + from_be16(ip->total_length));
	assert_true(checksum_is_right(checksum_add(0, ip, ip_header_size(ip))));
	if (ip->protocol == PROTOCOL_NUMBER_ICMP)
		sum = 0;
	if (ip->protocol == PROTOCOL_NUMBER_UDP && !((const struct udp *)l4)->checksum.raw)
		return;
	assert_true(checksum_is_right(checksum_add(sum, l4, l4_length)));
}

/* The frame that was sent as number `i`, its IP packet sound. */
static inline const uint8_t *sent_sound(const struct world *world, uint32_t i)
{
	assert_true(i < world->sent_count);
	assert_sound(world->sent[i].bytes, world->sent[i].length);
	return world->sent[i].bytes;
}

#endif
