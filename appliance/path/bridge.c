#include "appliance/path/bridge.h"

#include <stddef.h>

#include "appliance/path/direct.h"
#include "appliance/path/egress.h"
#include "appliance/path/icmp.h"

static const struct ethernet *ethernet_of(const struct frame *frame)
{
	return (const struct ethernet *)frame->data;
}

static bool is_own_mac(const struct snapshot *snapshot, const struct mac_address *mac)
{
	const struct snapshot_bridge *bridge = &snapshot->bridge;

	if (bridge->backend != NONE && mac_equal(mac, &snapshot->interface[bridge->backend].mac))
		return true;
	for (uint32_t i = 0; i < bridge->frontends; i++)
		if (mac_equal(mac, &snapshot->interface[bridge->frontend[i]].mac))
			return true;
	return false;
}

static bool is_from_backends(const struct snapshot *snapshot, const struct frame *frame)
{
	return frame->interface == snapshot->bridge.backend;
}

bool bridge_names_us(const struct path *path, const struct frame *frame)
{
	const struct ipv4 *ip = (const struct ipv4 *)(frame->data + ETHERNET_SIZE);

	if (frame->length < ETHERNET_SIZE + IPV4_SIZE_MIN)
		return false;
	return snapshot_local_find(path->snapshot, ip->destination) != NONE ||
	       (is_from_backends(path->snapshot, frame) &&
		snapshot_is_backend(path->snapshot, ip->source));
}

bool bridge_minds(const struct path *path, const struct packet *packet, uint32_t local)
{
	const struct snapshot *snapshot = path->snapshot;
	bool from_backends = is_from_backends(snapshot, packet->frame);

	/* The appliance's own addresses are in the network without a VLAN. */
	if (local != NONE && snapshot->local[local].interface != NONE)
		return !frame_is_in_vlan(packet->frame);
	if (local != NONE)
		return !from_backends || packet->protocol == PROTOCOL_NUMBER_ICMP;
	return from_backends &&
	       (snapshot_is_backend(snapshot, packet->source) || icmp_reports_error(packet));
}

uint32_t bridge_way(const struct snapshot *snapshot, uint32_t in, be32 destination,
		    uint32_t prefer)
{
	if (in != snapshot->bridge.backend)
		return snapshot->bridge.backend;
	if (!snapshot->bridge.frontends)
		return NONE;
	if (prefer != NONE && snapshot->interface[prefer].sides & SIDE_FRONTEND)
		return prefer;
	return snapshot_frontend_find(snapshot, destination);
}

/* Where anything goes of which no address says more. */
static uint32_t other_side(const struct snapshot *snapshot, uint32_t in)
{
	const struct snapshot_bridge *bridge = &snapshot->bridge;

	if (in != bridge->backend)
		return bridge->backend;
	if (bridge->frontends > 1)
		return EVERY_FRONTEND;
	return bridge->frontends ? bridge->frontend[0] : NONE;
}

static uint32_t mtu_of(const struct snapshot *snapshot, uint32_t interface)
{
	return snapshot->interface[interface].up ? snapshot->interface[interface].mtu : 0;
}

uint32_t bridge_mtu(const struct snapshot *snapshot, uint32_t out)
{
	const struct snapshot_bridge *bridge = &snapshot->bridge;
	uint32_t largest = 0;

	if (out == NONE)
		return 0;
	if (out != EVERY_FRONTEND)
		return mtu_of(snapshot, out);
	for (uint32_t i = 0; i < bridge->frontends; i++) {
		uint32_t mtu = mtu_of(snapshot, bridge->frontend[i]);

		largest = mtu > largest ? mtu : largest;
	}
	return largest;
}

/* Bytes behind the Ethernet header of the largest frame that this one becomes on the wire: of a
 * super-frame, one segment. The checksum that such a one leaves to the hardware says, whatever its
 * protocol, where its L4 header is; where there is none, more than a segment's payload is not
 * known. */
static uint32_t size_on_wire(const struct frame *frame)
{
	const struct offload *offload = &frame->offload;
	const struct tcp *tcp = (const struct tcp *)(frame->data + offload->csum_start);
	uint32_t header = UDP_SIZE;

	if (!offload->gso_type)
		return frame->length - ETHERNET_SIZE;
	if (!(offload->flags & OFFLOAD_CHECKSUM_PARTIAL) || offload->csum_start < ETHERNET_SIZE)
		return offload->gso_size;
	if (offload->csum_offset == offsetof(struct tcp, checksum) &&
	    (uint32_t)offload->csum_start + TCP_SIZE_MIN <= frame->length)
		header = (tcp->offset >> 4) * 4U;
	return (uint32_t)offload->csum_start - ETHERNET_SIZE + header + offload->gso_size;
}

void bridge_transmit(struct path *path, struct frame *frame, uint32_t out, bool originated)
{
	const struct snapshot_bridge *bridge = &path->snapshot->bridge;
	uint32_t size = size_on_wire(frame);

	if (out != EVERY_FRONTEND) {
		frame->interface = (uint16_t)out;
		path_send(path, frame, originated);
		return;
	}
	for (uint32_t i = 0; i < bridge->frontends; i++) {
		if (size > mtu_of(path->snapshot, bridge->frontend[i]))
			continue;
		frame->interface = bridge->frontend[i];
		path_send(path, frame, originated);
	}
}

/* What the appliance has sent itself is not to go round and round. */
static bool comes_by_a_loop(const struct snapshot *snapshot, const struct frame *frame)
{
	return is_own_mac(snapshot, &ethernet_of(frame)->source);
}

static enum verdict cross(struct path *path, struct frame *frame, uint32_t out)
{
	uint32_t mtu = bridge_mtu(path->snapshot, out);

	if (comes_by_a_loop(path->snapshot, frame))
		return DROP_looped;
	if (!mtu)
		return DROP_interface_down;
	if (size_on_wire(frame) > mtu)
		return DROP_too_big;
	bridge_transmit(path, frame, out, false);
	return VERDICT_FORWARDED;
}

enum verdict bridge_frame(struct path *path, struct frame *frame, uint32_t *ret_interface)
{
	*ret_interface = other_side(path->snapshot, frame->interface);
	return cross(path, frame, *ret_interface);
}

static uint32_t way_of_arp(const struct snapshot *snapshot, const struct frame *frame)
{
	const struct arp *arp = (const struct arp *)(frame->data + ETHERNET_SIZE);

	if (frame->length < ETHERNET_SIZE + sizeof(*arp) ||
	    from_be16(arp->protocol_type) != ETHERTYPE_IPV4)
		return other_side(snapshot, frame->interface);
	return bridge_way(snapshot, frame->interface, arp->target, NONE);
}

enum verdict bridge_arp(struct path *path, struct frame *frame, uint32_t *ret_interface)
{
	if (!frame_is_in_vlan(frame)) {
		bool own = is_own_mac(path->snapshot, &ethernet_of(frame)->destination);
		enum verdict verdict = arp_receive(path, frame);

		if (own || verdict == VERDICT_CONSUMED || verdict == DROP_rate_limited)
			return verdict;
	}
	*ret_interface = way_of_arp(path->snapshot, frame);
	return cross(path, frame, *ret_interface);
}

enum verdict bridge_packet(struct path *path, struct packet *packet)
{
	const struct snapshot *snapshot = path->snapshot;
	enum verdict drop;

	if (comes_by_a_loop(snapshot, packet->frame))
		return DROP_looped;
	if (!is_from_backends(snapshot, packet->frame) && !direct_remember(path, packet, &drop))
		return drop;
	packet->out_interface = other_side(snapshot, packet->frame->interface);
	packet->next_hop = packet->destination;
	if (!egress_admits(path, packet, &drop))
		return drop;
	return egress_send(path, packet);
}
