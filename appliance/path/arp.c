/* What is believed, and why so:
 *
 * - An answer counts only where a question of ours is open and it is addressed to us, MAC and all:
 *   everybody can send claims, but to be believed one must at least see our questions.
 * - Who asks us will be spoken to, so its MAC is kept, as RFC 826 has it; stale, to be confirmed by
 *   the first use (as for a neighbor solicitation, RFC 4861 section 7.2.3).
 * - Anything else creates and changes nothing. A known neighbor that is claimed by another MAC is
 *   asked at once who is right: a server that moved is found without waiting for its next turn.
 * - The Ethernet source need not be the sender's MAC: routers that share an address (VRRP, HSRP) and
 *   bonded hosts differ there, and whoever lies can lie in both. A group address as a sender's MAC is
 *   never believed (RFC 1812 section 3.3.2).
 *
 * Frames of 42 bytes: the NIC pads them.
 */
#include "appliance/path/arp.h"

#include "appliance/path/internal.h"
#include "appliance/path/mix.h"

enum {
	HARDWARE_ETHERNET = 1,
	OPERATION_REQUEST = 1,
	OPERATION_REPLY = 2,
	ARP_FRAME_SIZE = ETHERNET_SIZE + sizeof(struct arp),
	ANNOUNCEMENTS_MAX = 2 * SERVICES_MAX, /* VIPs under way, on one interface or on all */
};

/* A VIP that is being announced; it stands in the list of its next round, in order of due_ns. */
struct announcement {
	uint64_t begun_ns;
	uint64_t due_ns;
	be32 vip;
	uint32_t interface;
	uint32_t round;
};

struct arp_state {
	uint64_t conflict_ns[ARP_CONFLICT_SLOTS]; /* when the next event may be */
	uint64_t batch_ns;                        /* when the next announcements may be */
	uint64_t since_ns[INTERFACES_MAX];        /* when the interface came to announce */
	struct fifo unused, round[ARP_ANNOUNCEMENTS];
	struct fifo_link link[ANNOUNCEMENTS_MAX];
	struct announcement announcement[ANNOUNCEMENTS_MAX];
};

size_t arp_size(void)
{
	return sizeof(struct arp_state);
}

struct arp_state *arp_new(void *memory)
{
	struct arp_state *state = memory;

	fifo_init(&state->unused);
	for (uint32_t round = 0; round < ARP_ANNOUNCEMENTS; round++)
		fifo_init(&state->round[round]);
	for (uint32_t i = 0; i < ANNOUNCEMENTS_MAX; i++)
		fifo_push(&state->unused, state->link, i);
	return state;
}

static const struct mac_address everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct mac_address nobody;

static void send(struct path *path, uint32_t interface, const struct mac_address *to,
		 uint16_t operation, be32 sender, const struct mac_address *target_mac, be32 target)
{
	const struct mac_address own = path->snapshot->interface[interface].mac;
	struct WIRE {
		struct ethernet ethernet;
		struct arp arp;
	} bytes = {
		.ethernet = {*to, own, to_be16(ETHERTYPE_ARP)},
		.arp = {
			.hardware_type = to_be16(HARDWARE_ETHERNET),
			.protocol_type = to_be16(ETHERTYPE_IPV4),
			.hardware_length = sizeof(struct mac_address),
			.protocol_length = sizeof(be32),
			.operation = to_be16(operation),
			.sender_mac = own,
			.sender = sender,
			.target_mac = *target_mac,
			.target = target,
		},
	};
	const struct frame frame = {
		.data = (uint8_t *)&bytes,
		.length = ARP_FRAME_SIZE,
		.wire_length = ARP_FRAME_SIZE,
		.interface = (uint16_t)interface,
	};

	path_send(path, &frame, true);
}

void arp_request(struct path *path, uint32_t interface, be32 address,
		 const struct mac_address *mac)
{
	const struct snapshot_route *route = snapshot_route_find(path->snapshot, address, interface);
	be32 own = path->snapshot->interface[interface].address;

	if (route && route->interface == interface && route->source.raw)
		own = route->source;
	send(path, interface, mac ? mac : &everybody, OPERATION_REQUEST, own, &nobody, address);
}

/* What ARP is answered for: a VIP where clients are, an interface's address on that interface.
 * Bridged, all interfaces are on one link, and VIPs on none: clients send to the MAC of a router
 * behind us. */
static bool answers_for(const struct snapshot *snapshot, uint32_t interface, be32 address)
{
	const uint32_t i = snapshot_local_find(snapshot, address);

	if (i == NONE)
		return false;
	if (snapshot->local[i].interface == NONE)
		return !snapshot->bridge.on && snapshot->interface[interface].sides & SIDE_FRONTEND;
	return snapshot->bridge.on || snapshot->local[i].interface == interface;
}

static bool is_own_mac(const struct snapshot *snapshot, const struct mac_address *mac)
{
	for (uint32_t i = 0; i < snapshot->interfaces; i++)
		if (mac_equal(&snapshot->interface[i].mac, mac))
			return true;
	return false;
}

static bool is_vip(const struct snapshot *snapshot, be32 address)
{
	const uint32_t i = snapshot_local_find(snapshot, address);

	return i != NONE && snapshot->local[i].interface == NONE;
}

/* True where nobody else may have the address. Bridged, a router may have a VIP. */
static bool is_only_ours(const struct snapshot *snapshot, be32 address)
{
	return snapshot_local_find(snapshot, address) != NONE &&
	       !(snapshot->bridge.on && is_vip(snapshot, address));
}

static enum verdict conflict(struct path *path, uint32_t interface, const struct arp *arp)
{
	uint64_t *next_ns =
		&path->arp->conflict_ns[mix64(arp->sender.raw) % ARP_CONFLICT_SLOTS];
	const struct path_event event = {
		.type = EVENT_VIP_CONFLICT,
		.address = arp->sender,
		.mac = arp->sender_mac,
		.interface = interface,
		.time_ns = path->now_ns,
	};

	path->counters.vip_conflicts++;
	if (path->now_ns >= *next_ns) {
		*next_ns = path->now_ns + ARP_CONFLICT_NS;
		path->output.event(path->output.context, &event);
	}
	return DROP_arp_vip_conflict;
}

static enum verdict answer(struct path *path, uint32_t interface, const struct arp *arp)
{
	/* A sender without an address yet only asks whether ours is taken (RFC 5227). */
	if (arp->sender.raw && neighbor_on_link(path->snapshot, interface, arp->sender))
		neighbor_asked(path, interface, arp->sender, &arp->sender_mac);
	if (!limiter_take(&path->limiter[LIMIT_ARP_REPLY], path->now_ns))
		return DROP_rate_limited;
	send(path, interface, &arp->sender_mac, OPERATION_REPLY, arp->target, &arp->sender_mac,
	     arp->sender);
	return VERDICT_CONSUMED;
}

/* Takes what may answer a question of ours: those who are asked by a probe answer address zero. */
static bool is_answer_to_us(const struct snapshot *snapshot, uint32_t interface,
			    const struct arp *arp)
{
	return from_be16(arp->operation) == OPERATION_REPLY &&
	       mac_equal(&arp->target_mac, &snapshot->interface[interface].mac) &&
	       (!arp->target.raw || snapshot_local_find(snapshot, arp->target) != NONE);
}

static bool is_for_ethernet_and_ipv4(const struct arp *arp)
{
	return from_be16(arp->hardware_type) == HARDWARE_ETHERNET &&
	       from_be16(arp->protocol_type) == ETHERTYPE_IPV4 &&
	       arp->hardware_length == sizeof(struct mac_address) &&
	       arp->protocol_length == sizeof(be32);
}

enum verdict arp_receive(struct path *path, const struct frame *frame)
{
	const struct snapshot *snapshot = path->snapshot;
	const uint32_t interface = frame->interface;
	const struct arp *arp = (const struct arp *)(frame->data + ETHERNET_SIZE);

	if (frame->length < ARP_FRAME_SIZE || !is_for_ethernet_and_ipv4(arp) ||
	    arp->sender_mac.byte[0] & 1 || mac_equal(&arp->sender_mac, &nobody))
		return DROP_arp_malformed;
	if (is_own_mac(snapshot, &arp->sender_mac))
		return DROP_arp_not_for_us;
	if (is_only_ours(snapshot, arp->sender))
		return conflict(path, interface, arp);
	if (from_be16(arp->operation) == OPERATION_REQUEST &&
	    answers_for(snapshot, interface, arp->target))
		return answer(path, interface, arp);

	if (is_answer_to_us(snapshot, interface, arp)) {
		const bool checked = checks_arp_reply(path, arp->sender, &arp->sender_mac);

		if (neighbor_answered(path, interface, arp->sender, &arp->sender_mac) || checked)
			return VERDICT_CONSUMED;
	}
	neighbor_claimed(path, interface, arp->sender, &arp->sender_mac);
	return DROP_arp_not_for_us;
}

/* A place for one more announcement: a free one, else that of the VIP which has been announced most. */
static uint32_t make_room(struct arp_state *state)
{
	uint32_t i = fifo_pop(&state->unused, state->link);

	for (uint32_t round = ARP_ANNOUNCEMENTS; i == FIFO_END && round-- > 1;)
		i = fifo_pop(&state->round[round], state->link);
	return i;
}

static void announce_later(struct path *path, be32 vip, uint32_t interface)
{
	struct arp_state *state = path->arp;
	const uint32_t i = make_room(state);

	if (i == FIFO_END)
		return;
	state->announcement[i] = (struct announcement){
		.begun_ns = path->now_ns,
		.due_ns = path->now_ns,
		.vip = vip,
		.interface = interface,
	};
	fifo_push(&state->round[0], state->link, i);
}

static bool announces(const struct snapshot *snapshot, uint32_t interface)
{
	return !snapshot->bridge.on && interface < snapshot->interfaces &&
	       snapshot->interface[interface].up &&
	       snapshot->interface[interface].sides & SIDE_FRONTEND;
}

/* True where the interface has come to announce, or is another one by now, or has another MAC. */
static bool starts_to_announce(const struct snapshot *old, const struct snapshot *new,
			       uint32_t interface)
{
	return announces(new, interface) &&
	       (!old || !announces(old, interface) ||
		old->interface[interface].id != new->interface[interface].id ||
		!mac_equal(&old->interface[interface].mac, &new->interface[interface].mac));
}

void arp_published(struct path *path, const struct snapshot *old, const struct snapshot *new)
{
	uint32_t started[INTERFACES_MAX], count = 0;

	for (uint32_t i = 0; i < new->interfaces; i++) {
		if (!starts_to_announce(old, new, i))
			continue;
		path->arp->since_ns[i] = path->now_ns;
		started[count++] = i;
	}

	for (uint32_t i = 0; i < new->locals; i++) {
		const be32 address = new->local[i].address;

		if (new->local[i].interface != NONE)
			continue;
		if (!old || !is_vip(old, address)) {
			announce_later(path, address, EVERY_FRONTEND);
			continue;
		}
		for (uint32_t j = 0; j < count; j++)
			announce_later(path, address, started[j]);
	}
}

/* True for an interface that the announcement is for. One that came to announce later has begun with
 * all VIPs anew. */
static bool is_announced_on(const struct path *path, const struct announcement *announcement,
			    uint32_t interface)
{
	return announces(path->snapshot, interface) &&
	       path->arp->since_ns[interface] <= announcement->begun_ns &&
	       (announcement->interface == EVERY_FRONTEND || announcement->interface == interface);
}

/* The announcement of RFC 5227 section 3: a request, that nobody answers, for one's own address.
 * Returns how much work it was. */
static uint32_t announce(struct path *path, const struct announcement *announcement)
{
	const struct snapshot *snapshot = path->snapshot;
	const be32 vip = announcement->vip;
	uint32_t work = 1;

	if (!is_vip(snapshot, vip))
		return work;
	for (uint32_t i = 0; i < snapshot->interfaces; i++) {
		if (!is_announced_on(path, announcement, i))
			continue;
		send(path, i, &everybody, OPERATION_REQUEST, vip, &nobody, vip);
		work++;
	}
	return work;
}

/* The list whose head is due first; NULL: nothing is to be announced. */
static struct fifo *first_round(struct arp_state *state)
{
	struct fifo *first = NULL;

	for (uint32_t round = 0; round < ARP_ANNOUNCEMENTS; round++) {
		struct fifo *list = &state->round[round];

		if (list->count && (!first || state->announcement[list->head].due_ns <
					      state->announcement[first->head].due_ns))
			first = list;
	}
	return first;
}

void arp_tick(struct path *path)
{
	struct arp_state *state = path->arp;
	uint32_t work = 0;

	while (arp_deadline(path) <= path->now_ns) {
		const uint32_t i = fifo_pop(first_round(state), state->link);
		struct announcement *announcement = &state->announcement[i];

		work += announce(path, announcement);
		announcement->due_ns = path->now_ns + ARP_ANNOUNCE_NS;
		announcement->round++;
		fifo_push(announcement->round < ARP_ANNOUNCEMENTS ?
				  &state->round[announcement->round] : &state->unused,
			  state->link, i);
		if (work >= ARP_ANNOUNCE_BATCH)
			state->batch_ns = path->now_ns + ARP_ANNOUNCE_BATCH_NS;
	}
}

uint64_t arp_deadline(const struct path *path)
{
	const struct fifo *list = first_round(path->arp);

	if (!list)
		return UINT64_MAX;
	const uint64_t due_ns = path->arp->announcement[list->head].due_ns;
	return due_ns > path->arp->batch_ns ? due_ns : path->arp->batch_ns;
}
