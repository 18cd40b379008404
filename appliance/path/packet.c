#include "appliance/path/packet.h"

#include <string.h>

#include "appliance/path/checksum.h"

bool is_host_address(be32 address)
{
	uint32_t a = from_be32(address);
	uint32_t first = a >> 24;

	return first != 0 && first != 127 && (first < 224 || first >= 240) && a != UINT32_MAX;
}

uint32_t packet_datagrams(const struct packet *packet)
{
	const struct offload *offload = &packet->frame->offload;

	if (!offload->gso_type || !offload->gso_size || packet->l4_length <= UDP_SIZE)
		return 1;
	return (packet->l4_length - UDP_SIZE + offload->gso_size - 1) / offload->gso_size;
}

/* The header's sum. Hardly any has options. */
/*@ assigns \nothing; */
static uint64_t sum_of_header(const struct ipv4 *ip, uint32_t header)
{
	uint32_t words[IPV4_SIZE_MIN / sizeof(uint32_t)];
	uint64_t sum = 0;

	if (header != sizeof(words))
		return checksum_add(0, ip, header);
	memcpy(words, ip, sizeof(words));
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	return sum;
}

/* Member by member: of a literal gcc clears the whole first, which takes longer than all the rest. */
static void begin(struct packet *packet, struct frame *frame, uint32_t header, uint32_t total)
{
	struct ipv4 *ip = (struct ipv4 *)(frame->data + ETHERNET_SIZE);

	packet->frame = frame;
	packet->ethernet = (struct ethernet *)frame->data;
	packet->ip = ip;
	packet->l4 = (uint8_t *)ip + header;
	packet->ip_length = total;
	packet->l4_length = total - header;
	packet->tuple = (struct flow_tuple){
		.source = ip->source,
		.destination = ip->destination,
		.protocol = ip->protocol,
	};
	packet->hash = 0;
	packet->likely = FLOW_INDEX_NONE;
	packet->tcp_flags = 0;
	packet->fragment = FRAGMENT_NONE;
	packet->originated = packet->piece = false;
	packet->backend = packet->out_interface = NONE;
	packet->room = 0;
	packet->next_hop = (be32){0};
	packet->mode = FORWARD_NAT;
	packet->tunnel = (struct tunnel){.source = {0}};
	packet->growth = packet->inserted = 0;
}

/*@ requires frame->length >= ETHERNET_SIZE;
    requires \separated(packet, ret_drop, frame) && \base_addr(packet) != \base_addr(frame->data);
    assigns *packet, *ret_drop;
    ensures \result ==> ip_lies_in(packet, frame) && packet->fragment == FRAGMENT_NONE; */
static bool parse_header(struct packet *packet, struct frame *frame, enum verdict *ret_drop)
{
	uint32_t present = frame->length - ETHERNET_SIZE;
	struct ipv4 *ip = (struct ipv4 *)(frame->data + ETHERNET_SIZE);

	*ret_drop = DROP_ip_truncated;
	if (present < IPV4_SIZE_MIN)
		return false;
	*ret_drop = DROP_ip_bad_version;
	if (ip->version_ihl / 16 != 4)
		return false;
	uint32_t header = ipv4_header_size(ip);
	*ret_drop = DROP_ip_bad_header_length;
	if (header < IPV4_SIZE_MIN)
		return false;
	uint32_t total = from_be16(ip->total_length);
	/* A super-frame of more than 65535 bytes has 0 here (BIG TCP, include/linux/ip.h). */
	if (total == 0 && frame->offload.gso_type)
		total = present;
	*ret_drop = DROP_ip_bad_length;
	if (total < header)
		return false;
	*ret_drop = DROP_ip_truncated;
	if (total > present)
		return false;
	*ret_drop = DROP_ip_bad_checksum;
	if (!checksum_is_right(sum_of_header(ip, header)))
		return false;
	*ret_drop = DROP_ip_bad_source;
	if (!is_host_address(ip->source))
		return false;
	begin(packet, frame, header, total);
	return true;
}

/*@ assigns \nothing;
    ensures protocol == PROTOCOL_NUMBER_TCP ==> \result == TCP_SIZE_MIN;
    ensures protocol == PROTOCOL_NUMBER_UDP ==> \result == UDP_SIZE;
    ensures protocol == PROTOCOL_NUMBER_ICMP ==> \result == ICMP_SIZE; */
static uint32_t l4_size_min(uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_NUMBER_TCP: return TCP_SIZE_MIN;
	case PROTOCOL_NUMBER_UDP: return UDP_SIZE;
	case PROTOCOL_NUMBER_ICMP: return ICMP_SIZE;
	default: return 0;
	}
}

/* Where in its datagram the packet stands. A fragment that could overwrite the L4 header of its first
 * one, that ends past 65535, or that is not last and not a multiple of 8 long, is malformed. */
/*@ requires packet->fragment == FRAGMENT_NONE;
    assigns packet->fragment;
    ensures \result && packet->fragment == FRAGMENT_FIRST && packet->protocol == PROTOCOL_NUMBER_ICMP ==>
      packet->l4_length >= ICMP_SIZE; */
static bool parse_fragment(struct packet *packet)
{
	uint16_t field = from_be16(packet->ip->fragment);
	uint32_t offset = (field & IPV4_OFFSET_MASK) * 8U;
	bool more = field & IPV4_MORE_FRAGMENTS;

	if (!offset && !more)
		return true;
	packet->fragment = offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
	if (offset && offset < l4_size_min(packet->protocol))
		return false;
	if (!offset && packet->l4_length < l4_size_min(packet->protocol))
		return false;
	if (more && packet->l4_length % 8)
		return false;
	return packet->l4_length && offset + packet->ip_length <= UINT16_MAX;
}

/*@ requires \base_addr(packet) != \base_addr(packet->l4);
    assigns packet->tcp_flags, packet->source_port, packet->destination_port;
    ensures \result ==>
      TCP_SIZE_MIN <= ((struct tcp *)packet->l4)->offset / 16 * 4 <= packet->l4_length; */
static bool parse_tcp(struct packet *packet)
{
	const struct tcp *tcp = packet_tcp(packet);

	if (packet->l4_length < TCP_SIZE_MIN)
		return false;
	uint32_t header = tcp->offset / 16 * 4U;
	if (header < TCP_SIZE_MIN || header > packet->l4_length)
		return false;
	packet->tcp_flags = tcp->flags;
	packet->source_port = tcp->source;
	packet->destination_port = tcp->destination;
	return true;
}

/*@ assigns packet->source_port, packet->destination_port;
    ensures \result ==> packet->l4_length >= UDP_SIZE; */
static bool parse_udp(struct packet *packet)
{
	const struct udp *udp = packet_udp(packet);

	if (packet->l4_length < UDP_SIZE)
		return false;
	/* A first fragment holds less than the whole datagram, whose length this is. */
	uint32_t length = from_be16(udp->length);
	if (length < UDP_SIZE || (packet->fragment == FRAGMENT_NONE && length > packet->l4_length))
		return false;
	packet->source_port = udp->source;
	packet->destination_port = udp->destination;
	return true;
}

bool packet_parse_ipv4(struct packet *packet, struct frame *frame, enum verdict *ret_drop)
{
	if (!parse_header(packet, frame, ret_drop))
		return false;
	*ret_drop = DROP_fragment_malformed;
	if (!parse_fragment(packet))
		return false;
	if (packet->fragment == FRAGMENT_LATER)
		return true;
	switch (packet->protocol) {
	case PROTOCOL_NUMBER_TCP:
		*ret_drop = DROP_tcp_malformed;
		return parse_tcp(packet);
	case PROTOCOL_NUMBER_UDP:
		*ret_drop = DROP_udp_malformed;
		return parse_udp(packet);
	case PROTOCOL_NUMBER_ICMP:
		*ret_drop = DROP_icmp_malformed;
		return packet->l4_length >= ICMP_SIZE;
	default:
		return true;
	}
}
