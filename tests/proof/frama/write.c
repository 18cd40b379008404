/* What rewrites the headers of a packet, and what finishes or looks at its checksum, for Eva: nothing
 * outside of the frame is read or written. The shortest IP header and the longest, and all that matters of
 * what follows. */
#include "tests/proof/frama/frames.h"

#include "appliance/path/rewrite.h"

static void write_one(uint32_t length, uint8_t first, uint8_t protocol, uint16_t fragment)
{
	struct frame frame = frame_of(length, first);
	be32 address = {Frama_C_unsigned_int_interval(0, UINT32_MAX)};
	be16 port = {Frama_C_unsigned_short_interval(0, UINT16_MAX)};
	struct packet packet;

	set_kind(&frame, protocol, fragment);
	if (!parse(&packet, &frame))
		return;
	rewrite_source(&packet, address, port);
	rewrite_destination(&packet, address, port);
	rewrite_offset(&packet, Frama_C_unsigned_int_interval(0, UINT16_MAX));
	rewrite_ttl(&packet);
}

static void write_all_of(uint8_t first, uint8_t protocol)
{
	//@ loop unroll 24;
	for (uint32_t l4 = 0; l4 <= TCP_SIZE_MIN + 1; l4++) {
		uint32_t length = ETHERNET_SIZE + (first - VERSION_4) * 4U + l4;

		write_one(length, first, protocol, 0);
		write_one(length, first, protocol, IPV4_MORE_FRAGMENTS);
		write_one(length, first, protocol, LATER);
	}
}

void every_header(void)
{
	enum { PROTOCOL_NUMBER_GRE = 47 };

	//@ loop unroll 2;
	for (uint8_t first = IHL_MIN; first <= IHL_MAX; first += IHL_MAX - IHL_MIN) {
		write_all_of(first, PROTOCOL_NUMBER_TCP);
		write_all_of(first, PROTOCOL_NUMBER_UDP);
		write_all_of(first, PROTOCOL_NUMBER_ICMP);
		write_all_of(first, PROTOCOL_NUMBER_GRE);
	}
}
