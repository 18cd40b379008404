#include "appliance/path/icmp.h"

#include <string.h>

#include "appliance/path/checksum.h"
#include "appliance/path/internal.h"
#include "appliance/path/originate.h"

enum {
	ERROR_SIZE_MAX = 576, /* of the whole datagram: RFC 1812 section 4.3.2.3 */
	ERROR_HEADERS = IPV4_SIZE_MIN + ICMP_SIZE,
};

/* True where a service of the VIP has a usable backend, as of the last table. */
static bool vip_is_available(const struct snapshot *snapshot, be32 vip)
{
	for (uint32_t i = 0; i < snapshot->services; i++) {
		const struct snapshot_service *service = &snapshot->service[i];

		if (same32(service->vip, vip) && service->enabled &&
		    snapshot->pool[service->pool].maglev)
			return true;
	}
	return false;
}

static bool is_vip(const struct snapshot *snapshot, be32 address)
{
	uint32_t local = snapshot_local_find(snapshot, address);

	return local != NONE && snapshot->local[local].interface == NONE;
}

/* Makes the reply of the request, in its own bytes. */
static void turn_around(struct packet *packet)
{
	struct ethernet *ethernet = packet->ethernet;
	struct ipv4 *ip = packet->ip;
	struct icmp *icmp = packet_icmp(packet);
	struct mac_address ours = ethernet->destination;

	ethernet->destination = ethernet->source;
	ethernet->source = ours;

	/* Changing places leaves the sum of the addresses as it is. */
	ip->source = packet->destination;
	ip->destination = packet->source;
	ip->checksum = checksum_update(ip->checksum,
				       checksum_change16(to_be16((uint16_t)(ip->ttl << 8)),
							 to_be16(ORIGINATE_TTL << 8)));
	ip->ttl = ORIGINATE_TTL;

	icmp->checksum = checksum_update(icmp->checksum,
					 checksum_change16(to_be16(ICMP_ECHO_REQUEST << 8),
							   to_be16(ICMP_ECHO_REPLY << 8)));
	icmp->type = ICMP_ECHO_REPLY;
	/* A reply of zeros alone is the one case that a difference cannot tell from a sum of
	 * 0xffff: its checksum is 0xffff, not 0 (RFC 1624 section 3). */
	if (!icmp->checksum.raw)
		icmp->checksum = checksum_of(icmp, packet->l4_length);
}

enum verdict icmp_echo(struct path *path, struct packet *packet)
{
	const struct snapshot *snapshot = path->snapshot;
	struct frame *frame = packet->frame;

	if (packet->fragment != FRAGMENT_NONE || packet->ethernet->source.byte[0] & 1)
		return DROP_icmp_ignored;
	if (!checksum_verify(packet))
		return DROP_icmp_malformed;
	if (snapshot->vip_echo_available && is_vip(snapshot, packet->destination) &&
	    !vip_is_available(snapshot, packet->destination))
		return DROP_echo_unavailable;
	if (packet->ip_length > snapshot->interface[frame->interface].mtu)
		return DROP_too_big;
	if (!limiter_take(&path->limiter[LIMIT_ECHO_REPLY], path->now_ns))
		return DROP_rate_limited;
	if (!checksum_finish(packet))
		return DROP_icmp_malformed;

	turn_around(packet);
	frame->length = frame->wire_length = ETHERNET_SIZE + packet->ip_length;
	frame->offload = (struct offload){0};
	path_send(path, frame, true);
	return VERDICT_CONSUMED;
}

/* RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7. */
static bool may_be_told(const struct packet *packet)
{
	return packet->fragment != FRAGMENT_LATER && !icmp_reports_error(packet);
}

static enum limit_kind limit_of(uint8_t type, uint8_t code)
{
	if (type == ICMP_TIME_EXCEEDED)
		return LIMIT_TIME_EXCEEDED;
	return code == ICMP_FRAGMENTATION_NEEDED ? LIMIT_FRAGMENTATION_NEEDED : LIMIT_UNREACHABLE;
}

/* Whom the error comes from: zero where the appliance has no address to say it from. */
static be32 speaker(const struct snapshot *snapshot, const struct packet *packet,
		    const struct snapshot_route *route)
{
	be32 address = snapshot->interface[packet->frame->interface].address;

	if (is_vip(snapshot, packet->destination))
		return packet->destination;
	return address.raw ? address : route->source;
}

/* Bytes of the packet that fit into an error on this link. */
static uint32_t quote_size(const struct packet *packet, uint32_t link_mtu)
{
	uint32_t room = (link_mtu < ERROR_SIZE_MAX ? link_mtu : ERROR_SIZE_MAX) - ERROR_HEADERS;

	return packet->ip_length < room ? packet->ip_length : room;
}

/* To the backend that holds one of our VIPs and has sent a reply in its name: the way that packets of
 * its flow go. */
static void send_to_holder(struct path *path, const struct originate *what, uint8_t *bytes,
			   size_t l4_length)
{
	struct frame frame = originate_frame(what, bytes, l4_length, 0);
	struct packet error;
	enum verdict ignored;

	frame.headroom = FRAME_HEADROOM_MIN;
	if (!packet_parse_ipv4(&error, &frame, &ignored))
		return;
	error.originated = true;
	icmp_translate(path, &error);
}

void icmp_error(struct path *path, const struct packet *packet, uint8_t type, uint8_t code,
		uint16_t mtu)
{
	/* Bridged, whoever says so is told as he said it: nothing there is handed over. */
	bool to_holder = !path->snapshot->bridge.on && is_vip(path->snapshot, packet->source);
	struct snapshot_route way_back = {.interface = packet->frame->interface};
	uint8_t room[FRAME_HEADROOM_MIN + ETHERNET_SIZE + ERROR_SIZE_MAX];
	uint8_t *bytes = room + FRAME_HEADROOM_MIN;
	struct icmp *icmp = (struct icmp *)(bytes + ORIGINATE_HEADERS);

	if (!may_be_told(packet) ||
	    (!to_holder && !originate_way_back(path, packet, &way_back)))
		return;
	/* The id of what it is about: the sender keeps those apart. */
	struct originate what = {
		.source = speaker(path->snapshot, packet, &way_back),
		.destination = packet->source,
		.protocol = PROTOCOL_NUMBER_ICMP,
		.tos = ORIGINATE_TOS_CONTROL,
		.id = from_be16(packet->ip->id),
	};
	if (!what.source.raw ||
	    !limiter_take(&path->limiter[limit_of(type, code)], path->now_ns))
		return;

	uint32_t quoted = quote_size(packet, path->snapshot->interface[way_back.interface].mtu);
	*icmp = (struct icmp){.type = type, .code = code, .sequence = to_be16(mtu)};
	memcpy(icmp + 1, packet->ip, quoted);
	icmp->checksum = checksum_of(icmp, ICMP_SIZE + quoted);
	if (to_holder)
		send_to_holder(path, &what, bytes, ICMP_SIZE + quoted);
	else
		originate_answer(path, &what, bytes, ICMP_SIZE + quoted, &way_back, packet);
}
