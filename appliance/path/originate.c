#include "appliance/path/originate.h"

#include "appliance/path/checksum.h"
#include "appliance/path/internal.h"

enum { TCP_OFFSET_NO_OPTIONS = TCP_SIZE_MIN / 4 << 4 };

size_t originate_tcp(const struct tcp *header, const struct originate *what, void *l4)
{
	struct tcp *tcp = l4;
	uint64_t sum = checksum_pseudo_header(what->source, what->destination, PROTOCOL_NUMBER_TCP,
					      sizeof(*tcp));

	*tcp = *header;
	tcp->offset = TCP_OFFSET_NO_OPTIONS;
	tcp->checksum = checksum_field(checksum_add(sum, tcp, sizeof(*tcp)));
	return sizeof(*tcp);
}

enum verdict originate_send(struct path *path, const struct originate *what, uint8_t *bytes,
			    size_t l4_length, const struct snapshot_route *route)
{
	struct ethernet *ethernet = (struct ethernet *)bytes;
	struct ipv4 *ip = (struct ipv4 *)(ethernet + 1);
	uint32_t length = (uint32_t)(ORIGINATE_HEADERS + l4_length);
	struct frame frame = {
		.data = bytes,
		.length = length,
		.wire_length = length,
		.interface = route->interface,
	};

	if (IPV4_SIZE_MIN + l4_length > path->snapshot->interface[route->interface].mtu)
		return DROP_too_big;
	ethernet->type = to_be16(ETHERTYPE_IPV4);
	*ip = (struct ipv4){
		.version_ihl = 4 << 4 | IPV4_SIZE_MIN / 4,
		.tos = what->tos,
		.total_length = to_be16((uint16_t)(IPV4_SIZE_MIN + l4_length)),
		.id = to_be16(what->id),
		.fragment = to_be16(what->dont_fragment ? IPV4_DONT_FRAGMENT : 0),
		.ttl = ORIGINATE_TTL,
		.protocol = what->protocol,
		.source = what->source,
		.destination = what->destination,
	};
	ip->checksum = checksum_of(ip, sizeof(*ip));
	return neighbor_transmit(path, &frame, NONE, route->interface,
				 route->via.raw ? route->via : what->destination);
}
