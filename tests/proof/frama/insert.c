/* What puts headers into or before a packet, for Eva: a PROXY header, and those of tunnels. They have
 * FRAME_HEADROOM_MIN bytes before the frame, and no more. Behind the shortest IP header and the longest. */
#include "tests/proof/frama/frames.h"

#include "appliance/path/proxy.h"
#include "appliance/path/tunnel.h"

static void insert_proxy(uint32_t length, uint8_t first, uint16_t fragment)
{
	struct frame frame = frame_of(length, first);
	struct proxy_endpoints endpoints;
	struct packet packet;

	Frama_C_make_unknown((char *)&endpoints, sizeof(endpoints));
	set_kind(&frame, PROTOCOL_NUMBER_UDP, fragment);
	if (!parse(&packet, &frame))
		return;
	proxy_insert(&packet, &endpoints);
	//@ assert &memory[0] <= frame.data;
	//@ assert frame.data + frame.length == &memory[0] + sizeof(memory);
}

static void wrap(uint32_t length, uint8_t first, uint8_t protocol, uint16_t fragment)
{
	static const enum forward_mode modes[] = {FORWARD_IPIP, FORWARD_GUE};

	//@ loop unroll 2;
	for (unsigned i = 0; i < 2; i++) {
		struct frame frame = frame_of(length, first);
		uint16_t id = Frama_C_unsigned_short_interval(0, UINT16_MAX);
		struct packet packet;
		struct tunnel tunnel;

		Frama_C_make_unknown((char *)&tunnel, sizeof(tunnel));
		set_total_length(&frame);
		set_kind(&frame, protocol, fragment);
		if (!parse(&packet, &frame))
			continue;
		tunnel_wrap(&frame, modes[i], &tunnel, &id);
		//@ assert &memory[0] <= frame.data;
		//@ assert frame.data + frame.length == &memory[0] + sizeof(memory);
	}
}

static void insert_all_of(uint8_t first)
{
	//@ loop unroll 32;
	for (uint32_t l4 = 0; l4 <= TCP_SIZE_MIN; l4++) {
		uint32_t length = ETHERNET_SIZE + (first - VERSION_4) * 4U + l4;

		insert_proxy(length, first, 0);
		insert_proxy(length, first, IPV4_MORE_FRAGMENTS);
		wrap(length, first, PROTOCOL_NUMBER_TCP, 0);
		wrap(length, first, PROTOCOL_NUMBER_UDP, 0);
		wrap(length, first, PROTOCOL_NUMBER_UDP, LATER);
	}
}

void every_header(void)
{
	insert_all_of(IHL_MIN);
	insert_all_of(IHL_MAX);
}
