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

struct frame originate_frame(const struct originate *what, uint8_t *bytes, size_t l4_length,
			     uint16_t interface)
{
	struct ethernet *ethernet = (struct ethernet *)bytes;
	struct ipv4 *ip = (struct ipv4 *)(ethernet + 1);
	uint32_t length = (uint32_t)(ORIGINATE_HEADERS + l4_length);
	struct frame frame = {
		.data = bytes,
		.length = length,
		.wire_length = length,
		.interface = interface,
	};

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
	return frame;
}

enum verdict originate_send(struct path *path, const struct originate *what, uint8_t *bytes,
			    size_t l4_length, const struct snapshot_route *route)
{
	if (IPV4_SIZE_MIN + l4_length > path->snapshot->interface[route->interface].mtu)
		return DROP_too_big;
	struct frame frame = originate_frame(what, bytes, l4_length, route->interface);
	return neighbor_transmit(path, &frame, NONE, route->interface,
				 route->via.raw ? route->via : what->destination);
}

/* Bridged, what is for many crosses: nobody is to answer it. */
static bool is_between_hosts(const struct snapshot *snapshot, const struct packet *packet)
{
	const struct ethernet *ethernet = packet->ethernet;

	return is_host_address(packet->destination) &&
	       !((ethernet->source.byte[0] | ethernet->destination.byte[0]) & 1) &&
	       !snapshot_is_broadcast(snapshot, packet->destination);
}

bool originate_way_back(const struct path *path, const struct packet *packet,
			struct snapshot_route *ret_route)
{
	const struct snapshot *snapshot = path->snapshot;
	const struct snapshot_route *route;

	if (snapshot->bridge.on) {
		*ret_route = (struct snapshot_route){
			.interface = packet->frame->interface,
			.source = packet->destination,
		};
		return is_between_hosts(snapshot, packet);
	}
	route = snapshot_route_find(snapshot, packet->source, packet->frame->interface);
	if (!route || !snapshot->interface[route->interface].up)
		return false;
	*ret_route = *route;
	return true;
}

void originate_answer(struct path *path, const struct originate *what, uint8_t *bytes,
		      size_t l4_length, const struct snapshot_route *way_back,
		      const struct packet *packet)
{
	if (!path->snapshot->bridge.on) {
		originate_send(path, what, bytes, l4_length, way_back);
		return;
	}
	struct frame frame = originate_frame(what, bytes, l4_length, way_back->interface);
	struct ethernet *ethernet = (struct ethernet *)bytes;
	ethernet->source = packet->ethernet->destination;
	ethernet->destination = packet->ethernet->source;
	frame.vlan_tci = packet->frame->vlan_tci;
	frame.vlan_tpid = packet->frame->vlan_tpid;
	path_send(path, &frame, true);
}
