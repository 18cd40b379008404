#include "appliance/path/rewrite.h"

#include "appliance/path/checksum.h"

/* Carries changes into the L4 checksum: `addresses` of the pseudo header, `ports` of the L4 header. */
static void update_l4(const struct packet *packet, uint64_t addresses, uint64_t ports)
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

static uint64_t change_address(const struct packet *packet, be32 *field, be32 address)
{
	uint64_t change = checksum_change32(*field, address);

	*field = address;
	packet->ip->checksum = checksum_update(packet->ip->checksum, change);
	return change;
}

static uint64_t change_port(be16 *field, be16 port)
{
	uint64_t change = checksum_change16(*field, port);

	*field = port;
	return change;
}

void rewrite_source(const struct packet *packet, be32 address, be16 port)
{
	uint64_t addresses = change_address(packet, &packet->ip->source, address);

	/* TCP and UDP begin with both ports. */
	update_l4(packet, addresses,
		  packet_has_ports(packet) ? change_port(&packet_udp(packet)->source, port) : 0);
}

void rewrite_destination(const struct packet *packet, be32 address, be16 port)
{
	uint64_t addresses = change_address(packet, &packet->ip->destination, address);

	update_l4(packet, addresses,
		  packet_has_ports(packet) ? change_port(&packet_udp(packet)->destination, port) : 0);
}

bool rewrite_offset(const struct packet *packet, uint32_t bytes)
{
	be16 *field = &packet->ip->fragment, before = *field;
	uint32_t offset = (from_be16(before) & IPV4_OFFSET_MASK) * 8U + bytes;

	if (offset + packet->ip_length > UINT16_MAX)
		return false;
	*field = to_be16((uint16_t)(from_be16(before) + bytes / 8));
	packet->ip->checksum = checksum_update(packet->ip->checksum,
					       checksum_change16(before, *field));
	return true;
}

void rewrite_ttl(const struct packet *packet)
{
	/* TTL and protocol are one word of the header's sum. */
	be16 *word = (be16 *)&packet->ip->ttl;
	be16 before = *word;

	packet->ip->ttl--;
	packet->ip->checksum = checksum_update(packet->ip->checksum,
					       checksum_change16(before, *word));
}
