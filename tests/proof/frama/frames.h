/* Frames for Eva: all contents at once, the frame ending where memory ends.
 *
 * Eva relates no variables to each other. So what decides where headers lie is gone through value by
 * value: the frame's length, the first byte of the IP header, its protocol, and whether it is of a
 * fragment; all other bytes are unknown. */
#ifndef PROOF_FRAMES_H
#define PROOF_FRAMES_H

#include <__fc_builtin.h>

#include "appliance/path/checksum.h"
#include "appliance/path/packet.h"

enum {
	FRAME_MAX = 256,
	VERSION_4 = 0x40,
	VERSION_5 = 0x50,
	IHL_MIN = VERSION_4 + 5, /* first bytes of headers that can be right */
	IHL_MAX = VERSION_4 + 15,
};

static uint8_t memory[FRAME_HEADROOM_MIN + FRAME_MAX];

/* `first`: of the IP header, where there is one. */
static struct frame frame_of(uint32_t length, uint8_t first)
{
	struct frame frame = {
		.data = memory + sizeof(memory) - length,
		.length = length,
		.headroom = FRAME_HEADROOM_MIN,
	};

	Frama_C_make_unknown((char *)memory, sizeof(memory));
	Frama_C_make_unknown((char *)&frame.offload, sizeof(frame.offload));
	if (length > ETHERNET_SIZE)
		frame.data[ETHERNET_SIZE] = first;
	return frame;
}

static bool parse(struct packet *packet, struct frame *frame)
{
	enum verdict drop;

	return packet_parse_ipv4(packet, frame, &drop);
}

/* Fewer unknowns: the IP packet ends where the frame does. */
static void set_total_length(struct frame *frame)
{
	struct ipv4 *ip = (struct ipv4 *)(frame->data + ETHERNET_SIZE);

	ip->total_length = to_be16((uint16_t)(frame->length - ETHERNET_SIZE));
}

/* What decides which L4 header there is, and whether there is one. */
static void set_kind(struct frame *frame, uint8_t protocol, uint16_t fragment)
{
	struct ipv4 *ip = (struct ipv4 *)(frame->data + ETHERNET_SIZE);

	ip->protocol = protocol;
	ip->fragment = to_be16(fragment);
}

enum { LATER = 100 }; /* an offset */

#endif
