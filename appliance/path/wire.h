/* Wire formats: structs of bytes in network order, laid over frames. Alignment is 1 everywhere, since
 * a frame starts where a ring put it, and they may alias whatever the frame's bytes were declared as. */
#ifndef PATH_WIRE_H
#define PATH_WIRE_H

#include "appliance/path/bytes.h"

#define WIRE __attribute__((packed, may_alias))

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_IPV6 = 0x86dd,

	PROTOCOL_NUMBER_ICMP = 1,
	PROTOCOL_NUMBER_IPIP = 4,
	PROTOCOL_NUMBER_TCP = 6,
	PROTOCOL_NUMBER_UDP = 17,

	ETHERNET_SIZE = 14,
	VLAN_TAG_SIZE = 4,
	IPV4_SIZE_MIN = 20,
	IPV4_SIZE_MAX = 60,
	TCP_SIZE_MIN = 20,
	UDP_SIZE = 8,
	ICMP_SIZE = 8,

	IPV4_MTU_MIN = 68, /* RFC 791: what every link carries */
};

struct WIRE mac_address { uint8_t byte[6]; };

struct WIRE ethernet { struct mac_address destination, source; be16 type; };
_Static_assert(sizeof(struct ethernet) == ETHERNET_SIZE, "IEEE 802.3");

/* RFC 826, for Ethernet and IPv4. */
struct WIRE arp {
	be16 hardware_type, protocol_type;
	uint8_t hardware_length, protocol_length;
	be16 operation;
	struct mac_address sender_mac;
	be32 sender;
	struct mac_address target_mac;
	be32 target;
};
_Static_assert(sizeof(struct arp) == 28, "RFC 826");

/* RFC 791. */
struct WIRE ipv4 {
	uint8_t version_ihl, tos;
	be16 total_length, id, fragment;
	uint8_t ttl, protocol;
	be16 checksum;
	be32 source, destination;
};
_Static_assert(sizeof(struct ipv4) == IPV4_SIZE_MIN, "RFC 791");

/* Bytes of the header with its options. */
static inline uint32_t ipv4_header_size(const struct ipv4 *ip) { return ip->version_ihl % 16 * 4U; }

enum {
	IPV4_DONT_FRAGMENT = 0x4000,
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV4_OFFSET_MASK = 0x1fff, /* units of 8 bytes */
};

/* RFC 9293. */
struct WIRE tcp {
	be16 source, destination;
	be32 sequence, acknowledgment;
	uint8_t offset, flags;
	be16 window, checksum, urgent;
};
_Static_assert(sizeof(struct tcp) == TCP_SIZE_MIN, "RFC 9293");

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_CWR = 128 };

/* RFC 768. */
struct WIRE udp { be16 source, destination, length, checksum; };
_Static_assert(sizeof(struct udp) == UDP_SIZE, "RFC 768");

/* RFC 792; an error has zero in `id`, and in `sequence` the next-hop MTU where there is one (RFC 1191). */
struct WIRE icmp { uint8_t type, code; be16 checksum; be16 id, sequence; };
_Static_assert(sizeof(struct icmp) == ICMP_SIZE, "RFC 792");

enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_HOST_UNREACHABLE = 1,     /* codes of ICMP_UNREACHABLE */
	ICMP_PORT_UNREACHABLE = 3,
	ICMP_FRAGMENTATION_NEEDED = 4,
	ICMP_SOURCE_ROUTE_FAILED = 5,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_ECHO_REQUEST = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_TTL_EXCEEDED = 0,         /* a code of it */
	ICMP_PARAMETER_PROBLEM = 12,
};

static inline bool mac_equal(const struct mac_address *a, const struct mac_address *b)
{
	return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

#endif
