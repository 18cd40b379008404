/* Every frame through the parser, for Eva: no byte is read outside of it.
 *
 * Headers end 94 bytes after a frame's begin, and nothing behind them is read: so every length to 94 is
 * gone through, the frame ending where memory ends, and then all longer ones at once, of which no more
 * than 94 bytes are there. All bytes are unknown. The first of the IP header is gone through value by
 * value, so that Eva, which relates no variables, knows where the L4 header begins. */
#include <__fc_builtin.h>

#include "appliance/path/packet.h"

enum {
	HEADERS_MAX = ETHERNET_SIZE + 60 + TCP_SIZE_MIN,
	VERSION_4 = 0x40,
	VERSION_5 = 0x50,
};

static uint8_t memory[HEADERS_MAX];

static void parse_one(uint8_t *data, uint32_t length)
{
	struct frame frame = {.data = data, .length = length};
	struct packet packet;
	enum verdict drop;

	Frama_C_make_unknown((char *)&frame.offload, sizeof(frame.offload));
	if (!packet_parse_ipv4(&packet, &frame, &drop))
		return;
	//@ assert (uint8_t *)packet.ip == data + ETHERNET_SIZE;
	//@ assert data + ETHERNET_SIZE + IPV4_SIZE_MIN <= (uint8_t *)packet.l4 <= data + ETHERNET_SIZE + 60;
	//@ assert ends_inside: length > HEADERS_MAX || (uint8_t *)packet.l4 + packet.l4_length <= data + length;
}

static void parse_with(uint8_t *data, uint32_t length, uint8_t first, uint8_t last)
{
	Frama_C_make_unknown((char *)memory, sizeof(memory));
	if (length > ETHERNET_SIZE)
		data[ETHERNET_SIZE] = Frama_C_unsigned_char_interval(first, last);
	parse_one(data, length);
}

static void parse_all_of(uint8_t *data, uint32_t length)
{
	parse_with(data, length, 0, VERSION_4 - 1);
	parse_with(data, length, VERSION_5, UINT8_MAX);
	//@ loop unroll 16;
	for (uint8_t first = VERSION_4; first < VERSION_5; first++)
		parse_with(data, length, first, first);
}

void every_frame(void)
{
	//@ loop unroll 81;
	for (uint32_t length = ETHERNET_SIZE; length <= HEADERS_MAX; length++)
		parse_all_of(memory + sizeof(memory) - length, length);
	parse_all_of(memory, Frama_C_unsigned_int_interval(HEADERS_MAX + 1, UINT32_MAX));
}
