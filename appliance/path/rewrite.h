/* The only writers of addresses, ports and TTL: each changes a field and, with it, every checksum
 * that covers the field, by difference (RFC 1624, equation 3), so that a packet that was corrupt
 * stays visibly corrupt.
 *
 * An L4 checksum that the sender left for its hardware (OFFLOAD_CHECKSUM_PARTIAL) holds the sum of
 * the pseudo header alone: addresses change it, ports do not. A UDP checksum of 0 stays 0.
 */
#ifndef PATH_REWRITE_H
#define PATH_REWRITE_H

#include "appliance/path/checksum.h"
#include "appliance/path/packet.h"

/* Carries changes into the L4 checksum: `addresses` of the pseudo header, `ports` of the L4 header. */
static inline void rewrite_l4_checksum(const struct packet *packet, uint64_t addresses,
				       uint64_t ports)
{
	bool partial = packet->frame->offload.flags & OFFLOAD_CHECKSUM_PARTIAL;
	be16 *field;

	if (packet->fragment == FRAGMENT_LATER)
		return;
	if (packet->protocol == PROTOCOL_NUMBER_TCP)
		field = &packet_tcp(packet)->checksum;
	else if (packet->protocol == PROTOCOL_NUMBER_UDP)
		field = &packet_udp(packet)->checksum;
	else
		return;
	if (partial)
		*field = checksum_update_partial(*field, addresses);
	else if (packet->protocol == PROTOCOL_NUMBER_UDP)
		*field = checksum_update_udp(*field, addresses + ports);
	else
		*field = checksum_update(*field, addresses + ports);
}

static inline uint64_t rewrite_address(const struct packet *packet, be32 *field, be32 address)
{
	uint64_t change = checksum_change32(*field, address);

	*field = address;
	packet->ip->checksum = checksum_update(packet->ip->checksum, change);
	return change;
}

static inline uint64_t rewrite_port(be16 *field, be16 port)
{
	uint64_t change = checksum_change16(*field, port);

	*field = port;
	return change;
}

/* Later fragments have no L4 header: give them only addresses (their packet->fragment says so). Both
 * keep packet->source and packet->destination as they were: the packet as its sender sent it. */
static inline void rewrite_source(const struct packet *packet, be32 address, be16 port)
{
	uint64_t addresses = rewrite_address(packet, &packet->ip->source, address);

	/* TCP and UDP begin with both ports. */
	rewrite_l4_checksum(packet, addresses, packet_has_ports(packet) ?
			    rewrite_port(&packet_udp(packet)->source, port) : 0);
}

static inline void rewrite_destination(const struct packet *packet, be32 address, be16 port)
{
	uint64_t addresses = rewrite_address(packet, &packet->ip->destination, address);

	rewrite_l4_checksum(packet, addresses, packet_has_ports(packet) ?
			    rewrite_port(&packet_udp(packet)->destination, port) : 0);
}

/* Moves a fragment on in its datagram by `bytes`, a multiple of 8. False: beyond what an offset and
 * a datagram of 64 KB allow; nothing has changed. */
bool rewrite_offset(const struct packet *packet, uint32_t bytes);

/* One hop less; the caller has seen to it that the TTL is over 1 (RFC 1812 section 5.3.1). */
static inline void rewrite_ttl(const struct packet *packet)
{
	/* TTL is the first byte of its word. */
	const be16 one = to_be16(0x0100);

	packet->ip->ttl--;
	packet->ip->checksum = checksum_update(packet->ip->checksum,
					       checksum_change16(one, (be16){0}));
}

#endif
