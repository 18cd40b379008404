/* A frame taken apart: where its headers are, and the fields that decide. */
#ifndef PATH_PACKET_H
#define PATH_PACKET_H

#include <stdbool.h>

#include "appliance/path/flow.h"
#include "appliance/path/frame.h"
#include "appliance/path/snapshot.h"
#include "appliance/path/tunnel.h"
#include "appliance/path/verdict.h"
#include "appliance/path/wire.h"

enum fragment_place {
	FRAGMENT_NONE,  /* a whole datagram */
	FRAGMENT_FIRST, /* has the L4 header, more to come */
	FRAGMENT_LATER, /* has no L4 header: `l4` and the ports are not to be read */
};

struct packet {
	struct frame *frame;
	struct ethernet *ethernet;
	struct ipv4 *ip;
	void *l4;              /* struct tcp, udp or icmp; its fixed part is inside the packet */
	uint32_t ip_length;    /* total length of the IP packet; bytes after it are padding */
	uint32_t l4_length;    /* IP payload present in this packet */
	union {
		struct flow_tuple tuple;
		struct {
			be32 source, destination;
			be16 source_port, destination_port; /* TCP and UDP; zero otherwise */
			uint8_t protocol;
		};
	};
	uint64_t hash;         /* flow_hash() of the tuple, where it has ports; zero otherwise */
	uint32_t likely;       /* what flow_prefetch_record() gave for it; FLOW_INDEX_NONE */
	uint8_t tcp_flags;
	uint8_t fragment;      /* enum fragment_place */
	bool originated;       /* the appliance's own: was never received */
	bool piece;            /* of a received frame that is counted as a whole */

	/* What has been decided about it; NONE and zero until then. */
	uint32_t backend;      /* stable id */
	uint32_t out_interface;
	uint32_t room;         /* bytes of the IP packet that the way out takes at once */
	be32 next_hop;
	uint8_t mode;          /* enum forward_mode that it leaves in; NAT, too, for what is routed */
	struct tunnel tunnel;  /* ipip and gue: its outer header */
	uint8_t growth;        /* bytes that are still to be put before its payload */
	uint8_t inserted;      /* bytes that were */
};

/* True where the L4 header that it has begins with ports. */
static inline bool packet_has_ports(const struct packet *packet)
{
	return packet->fragment != FRAGMENT_LATER && (packet->protocol == PROTOCOL_NUMBER_TCP ||
						      packet->protocol == PROTOCOL_NUMBER_UDP);
}

static inline struct tcp *packet_tcp(const struct packet *packet) { return packet->l4; }
static inline struct udp *packet_udp(const struct packet *packet) { return packet->l4; }
static inline struct icmp *packet_icmp(const struct packet *packet) { return packet->l4; }

/* Datagrams that the packet stands for: of a super-frame, one a segment. */
uint32_t packet_datagrams(const struct packet *packet);

/* Not zero, loopback, multicast or broadcast: what one host can be sent from, and sent to. */
/*@ assigns \nothing; */
bool is_host_address(be32 address);

/* What has been parsed lies in its frame: an IP header of 20 to 60 bytes behind Ethernet's, the L4 part
 * behind that, and all of it before the frame's end. An L4 header is whole, where there is one. */
/*@ predicate ip_lies_in(struct packet *p, struct frame *f) =
      p->frame == f && (uint8_t *)p->ethernet == f->data &&
      (uint8_t *)p->ip == f->data + ETHERNET_SIZE &&
      (uint8_t *)p->l4 == (uint8_t *)p->ip + (p->ip_length - p->l4_length) &&
      IPV4_SIZE_MIN <= p->ip_length - p->l4_length <= IPV4_SIZE_MAX &&
      ETHERNET_SIZE + p->ip_length <= f->length;
    predicate l4_is_whole(struct packet *p) =
      p->fragment != FRAGMENT_LATER ==>
      (p->protocol == PROTOCOL_NUMBER_TCP ==> p->l4_length >= TCP_SIZE_MIN &&
       TCP_SIZE_MIN <= ((struct tcp *)p->l4)->offset / 16 * 4 <= p->l4_length) &&
      (p->protocol == PROTOCOL_NUMBER_UDP ==> p->l4_length >= UDP_SIZE) &&
      (p->protocol == PROTOCOL_NUMBER_ICMP ==> p->l4_length >= ICMP_SIZE); */

/* Reads the IPv4 packet behind a frame's Ethernet header (SEMANTICS 2, items 3 to 5). Lengths come
 * from the IP header, never from the frame's end.
 * False: malformed, *ret_drop says how; the frame is unchanged.
 * Source: RFC 791, RFC 1122 section 3.2.1.3, RFC 1858, RFC 9293, RFC 768. */
/*@ requires frame->length >= ETHERNET_SIZE;
    requires \separated(packet, ret_drop, frame) && \base_addr(packet) != \base_addr(frame->data);
    assigns *packet, *ret_drop;
    ensures \result ==> ip_lies_in(packet, frame) && l4_is_whole(packet); */
bool packet_parse_ipv4(struct packet *packet, struct frame *frame, enum verdict *ret_drop);

/* Fills in the hash. */
static inline void packet_identify(struct packet *packet, uint64_t seed)
{
	if (packet_has_ports(packet))
		packet->hash = flow_hash(&packet->tuple, seed);
}

#endif
