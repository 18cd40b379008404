/* Super-frames cut into segments, for Eva: each segment lies in the bytes of the whole, and the copy of
 * the headers has room. Headers' sizes, payload and segment size are gone through value by value; their
 * contents are unknown. */
#include "tests/proof/frama/frames.h"

#include "appliance/path/segment.h"

enum { PAYLOAD_MAX = 5 };

static uint8_t offload_type(uint8_t protocol)
{
	return protocol == PROTOCOL_NUMBER_TCP ? OFFLOAD_SEGMENT_TCPV4 : OFFLOAD_SEGMENT_UDP;
}

static void cut(uint8_t first, uint8_t protocol, uint32_t l4_header, uint32_t payload, uint16_t size)
{
	uint32_t ip_header = (first - VERSION_4) * 4U;
	struct frame frame = frame_of(ETHERNET_SIZE + ip_header + l4_header + payload, first);
	struct ipv4 *ip = (struct ipv4 *)(frame.data + ETHERNET_SIZE);
	struct segments segments;
	struct packet packet;
	uint32_t sent = 0;

	set_total_length(&frame);
	set_kind(&frame, protocol, 0);
	if (protocol == PROTOCOL_NUMBER_TCP)
		((struct tcp *)((uint8_t *)ip + ip_header))->offset = (uint8_t)(l4_header / 4 << 4);
	frame.offload.gso_type = offload_type(protocol);
	frame.offload.gso_size = size;
	if (!parse(&packet, &frame) || !segments_begin(&segments, &packet))
		return;
	//@ loop unroll 12;
	while (segments_next(&segments)) {
		const struct frame *segment = &segments.frame;

		//@ assert frame.data <= segment->data;
		//@ assert segment->data + segment->length <= frame.data + frame.length;
		sent += segment->length - ETHERNET_SIZE - ip_header - l4_header;
	}
	//@ assert sent == payload;
}

static void cut_all(uint8_t first, uint8_t protocol, uint32_t l4_header)
{
	//@ loop unroll 10;
	for (uint32_t payload = 0; payload <= PAYLOAD_MAX; payload++)
		//@ loop unroll 11;
		for (uint16_t size = 1; size <= PAYLOAD_MAX + 1; size++)
			cut(first, protocol, l4_header, payload, size);
}

void every_super_frame(void)
{
	cut_all(IHL_MIN, PROTOCOL_NUMBER_UDP, UDP_SIZE);
	cut_all(IHL_MAX, PROTOCOL_NUMBER_UDP, UDP_SIZE);
	cut_all(IHL_MIN, PROTOCOL_NUMBER_TCP, TCP_SIZE_MIN);
	cut_all(IHL_MAX, PROTOCOL_NUMBER_TCP, SEGMENT_TCP_MAX);
}
