#include "appliance/path/proxy.h"

#include <string.h>

#include "appliance/path/checksum.h"

enum {
	VERSION_COMMAND = 0x21, /* version 2, PROXY */
	FAMILY = 0x12,          /* AF_INET, DGRAM */
	TYPE_NOOP = 0x04,
	PREFIX_SIZE = 16,       /* signature to length, which does not count itself */
};

struct WIRE proxy_header {
	uint8_t signature[12];
	uint8_t version_command, family;
	be16 length;
	be32 client, backend;
	be16 client_port, backend_port;
	uint8_t padding_type;
	be16 padding_length;
	uint8_t padding;
};
_Static_assert(sizeof(struct proxy_header) == PROXY_HEADER_OF_FRAGMENT, "a multiple of 8");

static const uint8_t signature[12] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
};

/* The first `size` bytes of it are sent. */
static struct proxy_header header_of(const struct proxy_endpoints *endpoints, uint32_t size)
{
	struct proxy_header header = {
		.version_command = VERSION_COMMAND,
		.family = FAMILY,
		.length = to_be16((uint16_t)(size - PREFIX_SIZE)),
		.client = endpoints->client,
		.backend = endpoints->backend,
		.client_port = endpoints->client_port,
		.backend_port = endpoints->backend_port,
		.padding_type = TYPE_NOOP,
		.padding_length = to_be16(sizeof(header.padding)),
	};

	memcpy(header.signature, signature, sizeof(signature));
	return header;
}

uint32_t proxy_size(const struct packet *packet)
{
	return packet->fragment == FRAGMENT_NONE ? PROXY_HEADER : PROXY_HEADER_OF_FRAGMENT;
}

/* Adds to a length; returns what that changes in a sum over it. */
static uint64_t lengthen(be16 *length, int by)
{
	be16 before = *length;

	*length = to_be16((uint16_t)(from_be16(before) + by));
	return checksum_change16(before, *length);
}

/* The length stands in the pseudo header, too. A checksum that is left to hardware has summed that
 * only. */
static void lengthen_udp(const struct packet *packet, int by, uint64_t inserted)
{
	struct udp *udp = packet_udp(packet);
	uint64_t change = lengthen(&udp->length, by);

	if (packet->frame->offload.flags & OFFLOAD_CHECKSUM_PARTIAL)
		udp->checksum = checksum_update_partial(udp->checksum, change);
	else
		udp->checksum = checksum_update_udp(udp->checksum, 2 * change + inserted);
}

/* Makes room behind the headers by moving them. */
static void move_headers(struct packet *packet, uint32_t by)
{
	struct frame *frame = packet->frame;
	uint8_t *ip = (uint8_t *)packet->ip - by, *l4 = (uint8_t *)packet->l4 - by;

	memmove(frame->data - by, frame->data, (size_t)(l4 + by + UDP_SIZE - frame->data));
	frame->data -= by;
	frame->headroom = (uint16_t)(frame->headroom - by);
	frame->length += by;
	frame->wire_length += by;
	packet->ethernet = (struct ethernet *)frame->data;
	packet->ip = (struct ipv4 *)ip;
	packet->l4 = l4;
	packet->ip_length += by;
	packet->l4_length += by;
	packet->growth = 0;
	packet->inserted = (uint8_t)by;
}

void proxy_insert(struct packet *packet, const struct proxy_endpoints *endpoints)
{
	uint32_t size = proxy_size(packet);
	struct proxy_header header = header_of(endpoints, size);

	move_headers(packet, size);
	memcpy((uint8_t *)packet->l4 + UDP_SIZE, &header, size);
	packet->ip->checksum = checksum_update(packet->ip->checksum,
					       lengthen(&packet->ip->total_length, (int)size));
	lengthen_udp(packet, (int)size, checksum_add(0, &header, size));
}

/* Bytes of the header in a quoted datagram; 0 where there is none. */
static uint32_t size_in_quote(const struct quote *quote, bool certain)
{
	const struct proxy_header *header =
		(const void *)((const uint8_t *)quote->l4 + UDP_SIZE);

	if (quote->l4_length < UDP_SIZE + PREFIX_SIZE)
		return certain ? PROXY_HEADER : 0;
	uint32_t size = PREFIX_SIZE + from_be16(header->length);
	bool has_it = memcmp(header->signature, signature, sizeof(signature)) == 0;
	return has_it && (size == PROXY_HEADER || size == PROXY_HEADER_OF_FRAGMENT) ? size : 0;
}

/* Takes `size` bytes out behind the quoted UDP header, and cuts off what follows the quote. */
static void shorten_error(struct packet *error, struct quote *quote, uint32_t size)
{
	uint8_t *payload = (uint8_t *)quote->l4 + UDP_SIZE;
	uint32_t quoted = quote->l4_length - UDP_SIZE;
	uint32_t taken = size < quoted ? size : quoted;
	uint32_t header = error->ip_length - error->l4_length;

	memmove(payload, payload + taken, quoted - taken);
	quote->l4_length -= taken;
	error->l4_length = (uint32_t)((uint8_t *)quote->l4 - (uint8_t *)error->l4) +
			   quote->l4_length;
	int by = (int)(header + error->l4_length) - (int)error->ip_length;
	error->ip_length = header + error->l4_length;
	error->frame->length = ETHERNET_SIZE + error->ip_length;
	error->ip->checksum = checksum_update(error->ip->checksum,
					      lengthen(&error->ip->total_length, by));
}

void proxy_unquote(struct packet *error, struct quote *quote,
		   const struct proxy_endpoints *endpoints, bool certain)
{
	uint32_t size = size_in_quote(quote, certain);
	struct icmp *icmp = packet_icmp(error);
	struct udp *udp = quote->l4;
	uint16_t mtu = from_be16(icmp->sequence);

	if (!size)
		return;
	struct proxy_header header = header_of(endpoints, size);
	be16 inserted = checksum_fold(checksum_add(0, &header, size));

	shorten_error(error, quote, size);
	quote->ip->checksum = checksum_update(quote->ip->checksum,
					      lengthen(&quote->ip->total_length, -(int)size));
	uint64_t change = 2 * lengthen(&udp->length, -(int)size) +
			  checksum_change16(inserted, (be16){0});
	udp->checksum = checksum_update_udp(udp->checksum, change);

	icmp->id = (be16){0}; /* no extensions */
	if (icmp->type == ICMP_UNREACHABLE && icmp->code == ICMP_FRAGMENTATION_NEEDED && mtu > size)
		icmp->sequence = to_be16((uint16_t)(mtu - size));
	icmp->checksum = (be16){0};
	icmp->checksum = checksum_of(icmp, error->l4_length);
}
