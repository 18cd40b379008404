#include "appliance/path/icmp_tunnel.h"

#include "appliance/path/checksum.h"
#include "appliance/path/icmp.h"
#include "appliance/path/internal.h"
#include "appliance/path/select.h"

/* By what a quoted outer header says: NAT where it is none of ours. */
static enum forward_mode mode_of(const struct quote *quote)
{
	const struct quote_ports *ports = quote->l4;

	if (quote->ip->protocol == PROTOCOL_NUMBER_IPIP)
		return FORWARD_IPIP;
	if (quote->ip->protocol == PROTOCOL_NUMBER_UDP && from_be16(ports->destination) == GUE_PORT)
		return FORWARD_GUE;
	return FORWARD_NAT;
}

/* The client's packet in the quote, as much as there is of it, and its tuple. False: too little. */
static bool read_inner(const struct quote *quote, enum forward_mode mode, struct packet *ret_inner)
{
	uint32_t skipped = tunnel_overhead(mode) - IPV4_SIZE_MIN;
	struct ipv4 *ip = (struct ipv4 *)((uint8_t *)quote->l4 + skipped);

	if (quote->l4_length < skipped + IPV4_SIZE_MIN + QUOTE_L4_MIN)
		return false;
	uint32_t present = quote->l4_length - skipped, header = ipv4_header_size(ip);
	if (ip->version_ihl / 16 != 4 || header < IPV4_SIZE_MIN ||
	    present < header + QUOTE_L4_MIN || from_be16(ip->fragment) & IPV4_OFFSET_MASK ||
	    !checksum_is_right(checksum_add(0, ip, header)))
		return false;
	if (ip->protocol != PROTOCOL_NUMBER_TCP && ip->protocol != PROTOCOL_NUMBER_UDP)
		return false;
	const struct quote_ports *ports = (const void *)((const uint8_t *)ip + header);
	*ret_inner = (struct packet){
		.ip = ip,
		.l4 = (uint8_t *)ip + header,
		.ip_length = present,
		.l4_length = present - header,
		.tuple = {
			.source = ip->source,
			.destination = ip->destination,
			.source_port = ports->source,
			.destination_port = ports->destination,
			.protocol = ip->protocol,
		},
	};
	return true;
}

/* True where the appliance sends such a packet to that backend in that mode: by a flow, or by the
 * table alone. *ret_frontend: the interface that its client is behind, where a flow says so. */
static bool is_ours(struct path *path, const struct packet *inner, enum forward_mode mode,
		    be32 backend, uint32_t *ret_frontend)
{
	const struct snapshot *snapshot = path->snapshot;
	enum flow_direction direction;
	struct choice choice;
	const struct flow *flow = flow_find(&path->flows, &inner->tuple, inner->hash, path->now_ns,
					    &direction);

	if (flow) {
		*ret_frontend = flow->frontend;
		return direction == FLOW_FORWARD && flow->mode == mode &&
		       same32(flow->backend_address, backend);
	}
	uint32_t index = snapshot_service_find(snapshot, inner->destination,
					       inner->destination_port, inner->protocol);
	if (index == NONE)
		return false;
	const struct snapshot_service *service = &snapshot->service[index];
	return service->enabled && service->mode == mode &&
	       select_stateless(path, service, &inner->tuple, &choice) &&
	       same32(snapshot->backend[choice.backend].address, backend);
}

/* What the client is told. False: nothing. */
struct telling {
	uint8_t code; /* of ICMP_UNREACHABLE */
	uint16_t mtu;
};

static bool translate(const struct icmp *icmp, enum forward_mode mode, struct telling *ret_telling)
{
	uint32_t mtu = from_be16(icmp->sequence), overhead = tunnel_overhead(mode);

	*ret_telling = (struct telling){.code = ICMP_HOST_UNREACHABLE};
	if (icmp->type == ICMP_TIME_EXCEEDED)
		return icmp->code == ICMP_TTL_EXCEEDED;
	if (icmp->type != ICMP_UNREACHABLE || icmp->code == ICMP_SOURCE_ROUTE_FAILED)
		return false;
	if (icmp->code != ICMP_FRAGMENTATION_NEEDED)
		return true;
	ret_telling->code = ICMP_FRAGMENTATION_NEEDED;
	/* A router older than RFC 1191 says no MTU, and the client finds one by itself. */
	if (mtu)
		ret_telling->mtu = (uint16_t)(mtu - overhead);
	return !mtu || mtu >= IPV4_MTU_MIN + overhead;
}

enum verdict icmp_from_tunnel(struct path *path, const struct packet *error,
			      const struct quote *quote)
{
	enum forward_mode mode = mode_of(quote);
	uint32_t local = snapshot_local_find(path->snapshot, error->destination);
	struct frame as_received = {.interface = error->frame->interface};
	uint32_t frontend = as_received.interface;
	struct telling telling;
	struct packet inner;

	/* Outer headers come from interface addresses: to a VIP, somebody has made it up. */
	if (!tunnel_overhead(mode) || local == NONE ||
	    path->snapshot->local[local].interface == NONE ||
	    !same32(error->destination, quote->ip->source) || !read_inner(quote, mode, &inner))
		return DROP_icmp_unmatched;
	packet_identify(&inner, path->flows.seed);
	if (!is_ours(path, &inner, mode, quote->ip->destination, &frontend))
		return DROP_icmp_unmatched;
	if (!translate(packet_icmp(error), mode, &telling))
		return DROP_icmp_ignored;
	as_received.interface = (uint16_t)frontend;
	inner.frame = &as_received;
	icmp_error(path, &inner, ICMP_UNREACHABLE, telling.code, telling.mtu);
	return VERDICT_CONSUMED;
}
