#include "appliance/path/segment.h"

#include <string.h>

#include "appliance/path/checksum.h"

uint32_t segment_l4_header(const struct packet *packet)
{
	return packet->protocol == PROTOCOL_NUMBER_TCP ? (packet_tcp(packet)->offset >> 4) * 4U :
							 UDP_SIZE;
}

static bool is_cuttable(const struct packet *super)
{
	const struct offload *offload = &super->frame->offload;
	uint8_t type = offload->gso_type & (uint8_t)~OFFLOAD_SEGMENT_ECN;

	if (super->fragment != FRAGMENT_NONE || !offload->gso_size ||
	    offload->gso_size > UINT16_MAX - SEGMENT_IP_MAX - SEGMENT_TCP_MAX)
		return false;
	if (type == OFFLOAD_SEGMENT_TCPV4)
		return super->protocol == PROTOCOL_NUMBER_TCP;
	return type == OFFLOAD_SEGMENT_UDP && super->protocol == PROTOCOL_NUMBER_UDP;
}

bool segments_begin(struct segments *segments, const struct packet *super)
{
	uint32_t headers = (uint32_t)((uint8_t *)super->l4 - super->frame->data);

	if (!is_cuttable(super))
		return false;
	segments->packet = *super;
	segments->frame = *super->frame;
	segments->frame.offload = (struct offload){0};
	segments->packet.frame = &segments->frame;
	segments->l4_header = segment_l4_header(super);
	segments->payload = (uint8_t *)super->l4 + segments->l4_header;
	segments->left = super->l4_length - segments->l4_header;
	segments->size = super->frame->offload.gso_size;
	segments->number = 0;
	headers += segments->l4_header;
	memcpy(segments->header, super->frame->data, headers);
	return true;
}

static void finish_ip(struct packet *packet, uint16_t number)
{
	struct ipv4 *ip = packet->ip;
	uint32_t header = packet->ip_length - packet->l4_length;

	ip->total_length = to_be16((uint16_t)packet->ip_length);
	ip->id = to_be16((uint16_t)(from_be16(ip->id) + number));
	ip->checksum = (be16){0};
	ip->checksum = checksum_of(ip, header);
}

static uint64_t sum_of_l4(const struct packet *packet)
{
	uint64_t pseudo = checksum_pseudo_header(packet->ip->source, packet->ip->destination,
						 packet->protocol, (uint16_t)packet->l4_length);

	return checksum_add(pseudo, packet->l4, packet->l4_length);
}

static void finish_tcp(struct packet *packet, uint32_t sent, bool first, bool last)
{
	struct tcp *tcp = packet_tcp(packet);

	tcp->sequence = to_be32(from_be32(tcp->sequence) + sent);
	if (!first)
		tcp->flags &= (uint8_t)~TCP_CWR;
	if (!last)
		tcp->flags &= (uint8_t)~(TCP_PSH | TCP_FIN);
	tcp->checksum = (be16){0};
	tcp->checksum = checksum_field(sum_of_l4(packet));
}

static void finish_udp(struct packet *packet)
{
	struct udp *udp = packet_udp(packet);

	udp->length = to_be16((uint16_t)packet->l4_length);
	udp->checksum = (be16){0};
	udp->checksum = checksum_field_udp(sum_of_l4(packet));
}

bool segments_next(struct segments *segments)
{
	struct packet *packet = &segments->packet;
	uint32_t ip_header = packet->ip_length - packet->l4_length;
	uint32_t headers = ETHERNET_SIZE + ip_header + segments->l4_header;
	uint32_t size = segments->left < segments->size ? segments->left : segments->size;
	bool first = !segments->number;

	if (!size && !first)
		return false;
	segments->frame.data = segments->payload - headers;
	segments->frame.length = segments->frame.wire_length = headers + size;
	memcpy(segments->frame.data, segments->header, headers);
	packet->ethernet = (struct ethernet *)segments->frame.data;
	packet->ip = (struct ipv4 *)(packet->ethernet + 1);
	packet->l4 = (uint8_t *)packet->ip + ip_header;
	packet->l4_length = segments->l4_header + size;
	packet->ip_length = ip_header + packet->l4_length;

	segments->left -= size;
	segments->payload += size;
	finish_ip(packet, segments->number);
	if (packet->protocol == PROTOCOL_NUMBER_TCP)
		finish_tcp(packet, segments->number * segments->size, first, !segments->left);
	else
		finish_udp(packet);
	segments->number++;
	return true;
}
