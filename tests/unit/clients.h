/* Clients and backends of world_web(), for tests of service traffic. */
#ifndef TESTS_UNIT_CLIENTS_H
#define TESTS_UNIT_CLIENTS_H

#include "tests/unit/world.h"

enum { SECOND = 1000000000 };

static const struct world_packet syn = {
	.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10", .source_port = 40000,
	.destination_port = 80, .protocol = PROTOCOL_NUMBER_TCP, .tcp_flags = TCP_SYN,
};

/* A client's packet of the connection from `port`, with these flags. */
__attribute__((unused)) static struct world_packet client(uint16_t port, uint8_t flags)
{
	struct world_packet packet = syn;

	packet.source_port = port;
	packet.tcp_flags = flags;
	return packet;
}

/* A backend's packet to the client. */
__attribute__((unused)) static struct world_packet backend(const char *address, uint16_t port,
							     uint8_t flags)
{
	return (struct world_packet){
		.in = "int", .source = address, .destination = "198.51.100.7", .source_port = 8080,
		.destination_port = port, .protocol = PROTOCOL_NUMBER_TCP, .tcp_flags = flags,
		.payload = 100,
	};
}

/* Sends a SYN from `port`; the address of the backend that got it. */
__attribute__((unused)) static const char *chosen(struct world *world, uint16_t port)
{
	assert_int_equal(world_receive(world, client(port, TCP_SYN)), VERDICT_FORWARDED);
	struct packet packet = world_read(&world->frame[0]);
	return from_be32(packet.destination) == 0x0a00000b ? "10.0.0.11" : "10.0.0.12";
}

/* Leaves a TCP frame's checksum to the hardware, as a sender with offloads does. */
__attribute__((unused)) static void leave_checksum(struct frame *frame)
{
	struct packet packet;
	enum verdict drop;

	assert_true(packet_parse_ipv4(&packet, frame, &drop));
	packet_tcp(&packet)->checksum = checksum_fold(checksum_pseudo_header(
		packet.source, packet.destination, packet.protocol, (uint16_t)packet.l4_length));
	frame->offload = (struct offload){.flags = OFFLOAD_CHECKSUM_PARTIAL, .csum_start = 34,
					  .csum_offset = 16};
}

#endif
