#include "appliance/path/egress.h"

#include <string.h>

#include "appliance/path/bridge.h"
#include "appliance/path/checksum.h"
#include "appliance/path/icmp.h"
#include "appliance/path/rewrite.h"
#include "appliance/path/segment.h"
#include "appliance/path/traced.h"

/* The largest IP packet that the frame becomes on the wire: of a super-frame, one segment. */
static uint32_t wire_size(const struct packet *packet)
{
	if (!packet->frame->offload.gso_type || packet->fragment != FRAGMENT_NONE)
		return packet->ip_length;
	return packet->ip_length - packet->l4_length + segment_l4_header(packet) +
	       packet->frame->offload.gso_size;
}

static bool may_be_fragmented(const struct packet *packet, uint32_t room)
{
	return !(from_be16(packet->ip->fragment) & IPV4_DONT_FRAGMENT) && room >= IPV4_MTU_MIN;
}

/* What the packet's way out takes; 0: it is down. */
static uint32_t mtu_of(const struct path *path, const struct packet *packet)
{
	const struct snapshot *snapshot = path->snapshot;

	if (snapshot->bridge.on)
		return bridge_mtu(snapshot, packet->out_interface);
	const struct snapshot_interface *out = &snapshot->interface[packet->out_interface];
	return out->up ? out->mtu : 0;
}

/* What is left of `size` bytes. */
static uint32_t less(uint32_t size, uint32_t overhead)
{
	return size > overhead ? size - overhead : 0;
}

bool egress_admits(struct path *path, struct packet *packet, enum verdict *ret_drop)
{
	uint32_t mtu = mtu_of(path, packet);

	packet->room = less(mtu, tunnel_overhead(packet->mode));
	*ret_drop = DROP_interface_down;
	if (!mtu)
		return false;
	*ret_drop = DROP_ttl_expired;
	if (packet->ip->ttl <= 1 && !path->snapshot->bridge.on) {
		icmp_error(path, packet, ICMP_TIME_EXCEEDED, 0, 0);
		return false;
	}
	/* Of the packet as it is: what will be put into it counts, too. */
	uint32_t room = less(packet->room, packet->growth);
	*ret_drop = DROP_too_big;
	if (wire_size(packet) > room && !may_be_fragmented(packet, room)) {
		icmp_error(path, packet, ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED,
			   (uint16_t)room);
		return false;
	}
	return true;
}

bool egress_find(struct path *path, struct packet *packet, be32 destination, uint32_t prefer,
		 enum verdict *ret_drop)
{
	const struct snapshot *snapshot = path->snapshot;

	packet->next_hop = destination;
	if (snapshot->bridge.on) {
		packet->out_interface = bridge_way(snapshot, packet->frame->interface, destination,
						   prefer);
		return egress_admits(path, packet, ret_drop);
	}
	const struct snapshot_route *route = snapshot_route_find(snapshot, destination, prefer);
	*ret_drop = DROP_no_route;
	if (!route)
		return false;
	packet->out_interface = route->interface;
	packet->tunnel.source = route->source;
	if (route->via.raw)
		packet->next_hop = route->via;
	return egress_admits(path, packet, ret_drop);
}

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_COPIED = 0x80 };

/* Copies the options that every fragment carries (RFC 791 section 3.1); returns the header's size. */
static uint32_t copy_fragment_header(uint8_t *to, const struct packet *packet)
{
	const uint8_t *option = (const uint8_t *)packet->ip + IPV4_SIZE_MIN;
	const uint8_t *end = packet->l4;
	uint32_t size = IPV4_SIZE_MIN;

	memcpy(to, packet->ip, IPV4_SIZE_MIN);
	while (option < end && *option != OPTION_END) {
		uint32_t length = *option == OPTION_NOP ? 1 : end - option > 1 ? option[1] : 0;

		if (!length || length > end - option)
			break;
		if (*option & OPTION_COPIED) {
			memcpy(to + size, option, length);
			size += length;
		}
		option += length;
	}
	while (size % 4)
		to[size++] = OPTION_END;
	return size;
}

static void finish_fragment(struct ipv4 *ip, uint32_t header, uint32_t payload, uint32_t offset,
			    bool more)
{
	uint16_t flags = more ? IPV4_MORE_FRAGMENTS : 0;

	ip->version_ihl = (uint8_t)(4 << 4 | header / 4);
	ip->total_length = to_be16((uint16_t)(header + payload));
	ip->fragment = to_be16((uint16_t)(flags | offset / 8));
	ip->checksum = (be16){0};
	ip->checksum = checksum_field(checksum_add(0, ip, header));
}

/* A complete frame, its packet wrapped where the mode says so. `in_interface`: where it was received;
 * NONE: it is the appliance's own, or a piece of what was received, which is one frame and is counted
 * as one. */
static enum verdict send_frame(struct path *path, const struct packet *packet, struct frame *frame,
			       uint32_t in_interface)
{
	enum verdict verdict = VERDICT_FORWARDED;

	if (tunnel_overhead(packet->mode))
		tunnel_wrap(frame, packet->mode, &packet->tunnel, &path->tunnel_id);
	if (path->snapshot->bridge.on)
		bridge_transmit(path, frame, packet->out_interface, in_interface == NONE);
	else
		verdict = neighbor_transmit(path, frame, in_interface, packet->out_interface,
					    packet->next_hop);
	bool is_piece = in_interface == NONE && !packet->originated;
	if (is_piece && !verdict_is_drop(verdict))
		trace_sent(path, packet->out_interface, (const struct ethernet *)frame->data);
	return verdict;
}

/* RFC 791 section 3.2. What goes into a tunnel is cut before it is wrapped: the backend's tunnel has
 * nothing to put together, and each piece has ports to be spread by (RFC 4459 section 3.1). */
static enum verdict send_fragments(struct path *path, struct packet *packet, uint32_t mtu)
{
	const uint8_t *payload = packet->l4;
	uint16_t field = from_be16(packet->ip->fragment);
	uint32_t first = (field & IPV4_OFFSET_MASK) * 8U;
	enum verdict verdict = VERDICT_FORWARDED;

	for (uint32_t done = 0; done < packet->l4_length;) {
		struct frame piece = {
			.data = path->scratch + TUNNEL_OVERHEAD_MAX,
			.headroom = TUNNEL_OVERHEAD_MAX,
			.vlan_tci = packet->frame->vlan_tci,
			.vlan_tpid = packet->frame->vlan_tpid,
		};
		struct ipv4 *ip = (struct ipv4 *)(piece.data + ETHERNET_SIZE);
		uint32_t header = packet->ip_length - packet->l4_length;

		memcpy(piece.data, packet->ethernet, ETHERNET_SIZE);
		if (done)
			header = copy_fragment_header((uint8_t *)ip, packet);
		else
			memcpy(ip, packet->ip, header);
		uint32_t room = (mtu - header) & ~7U;
		uint32_t left = packet->l4_length - done;
		uint32_t size = left > mtu - header ? room : left;

		memcpy((uint8_t *)ip + header, payload + done, size);
		finish_fragment(ip, header, size, first + done,
				size < left || (field & IPV4_MORE_FRAGMENTS));
		piece.length = piece.wire_length = ETHERNET_SIZE + header + size;
		verdict = send_frame(path, packet, &piece, NONE);
		if (verdict_is_drop(verdict))
			return verdict;
		done += size;
	}
	return VERDICT_FORWARDED;
}

/* Padding that the receiving link needed stays behind; bridged, it crosses where it fits. */
static void leave_padding(const struct path *path, const struct packet *packet)
{
	struct frame *frame = packet->frame;

	if (!path->snapshot->bridge.on || frame->length > ETHERNET_SIZE + mtu_of(path, packet))
		frame->length = ETHERNET_SIZE + packet->ip_length;
}

/* A packet that is no super-frame. */
static enum verdict send_packet(struct path *path, struct packet *packet, uint32_t in_interface)
{
	if (packet->ip_length > packet->room || tunnel_overhead(packet->mode))
		checksum_finish(packet);
	if (packet->ip_length > packet->room)
		return send_fragments(path, packet, packet->room);
	leave_padding(path, packet);
	return send_frame(path, packet, packet->frame, in_interface);
}

/* The kernel cannot cut what is in a tunnel, and cuts to the size that the sender has said only. */
static enum verdict send_segments(struct path *path, const struct packet *packet)
{
	struct segments segments;

	if (!segments_begin(&segments, packet))
		return DROP_too_big;
	while (segments_next(&segments)) {
		enum verdict verdict = send_packet(path, &segments.packet, NONE);

		if (verdict_is_drop(verdict))
			return verdict;
	}
	return VERDICT_FORWARDED;
}

/* True where there is nothing to do but to fill in MACs. */
static bool leaves_as_it_is(const struct path *path, const struct packet *packet)
{
	return !path->snapshot->bridge.on && !packet->frame->offload.gso_type && !packet->piece &&
	       !tunnel_overhead(packet->mode) && packet->ip_length <= packet->room;
}

enum verdict egress_send(struct path *path, struct packet *packet)
{
	bool counted = !packet->originated && !packet->piece;
	uint32_t in_interface = counted ? packet->frame->interface : NONE;

	if (!path->snapshot->bridge.on && !mode_hands_over(packet->mode))
		rewrite_ttl(packet);
	if (leaves_as_it_is(path, packet)) {
		packet->frame->length = ETHERNET_SIZE + packet->ip_length;
		return neighbor_transmit(path, packet->frame, in_interface, packet->out_interface,
					 packet->next_hop);
	}
	if (!packet->frame->offload.gso_type)
		return send_packet(path, packet, in_interface);
	if (tunnel_overhead(packet->mode) || wire_size(packet) > packet->room)
		return send_segments(path, packet);
	leave_padding(path, packet);
	return send_frame(path, packet, packet->frame, in_interface);
}
