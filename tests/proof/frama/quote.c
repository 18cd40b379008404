/* What reads and writes the packet that an ICMP error quotes, for Eva. What is gone through value by
 * value here is how much is quoted, and the first byte of the quoted header. */
#include "tests/proof/frama/frames.h"

#include "appliance/path/quote.h"

enum { QUOTED_MAX = IPV4_SIZE_MAX + TCP_SIZE_MIN };

static void read_one(uint8_t outer, uint32_t quoted, uint8_t inner)
{
	uint32_t headers = ETHERNET_SIZE + (outer - VERSION_4) * 4U + ICMP_SIZE;
	struct frame frame = frame_of(headers + quoted, outer);
	be32 address = {Frama_C_unsigned_int_interval(0, UINT32_MAX)};
	be16 port = {Frama_C_unsigned_short_interval(0, UINT16_MAX)};
	struct packet error;
	struct quote quote;

	if (quoted)
		frame.data[headers] = inner;
	set_total_length(&frame);
	set_kind(&frame, PROTOCOL_NUMBER_ICMP, 0);
	if (!parse(&error, &frame) || !quote_read(&error, &quote))
		return;
	//@ assert quote.l4_length >= QUOTE_L4_MIN;
	quote_rewrite(&error, &quote, address, port, address, port);
}

static void read_all_of(uint8_t outer, uint32_t quoted)
{
	static const uint8_t inner[] = {0, IHL_MIN - 1, IHL_MIN, IHL_MIN + 1, IHL_MAX, VERSION_5};

	//@ loop unroll 6;
	for (unsigned i = 0; i < sizeof(inner); i++)
		read_one(outer, quoted, inner[i]);
}

void every_quote(void)
{
	//@ loop unroll 81;
	for (uint32_t quoted = 0; quoted <= QUOTED_MAX; quoted++)
		read_all_of(IHL_MIN, quoted);
}
