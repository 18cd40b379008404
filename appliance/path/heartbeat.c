/* Heartbeats: a target is up while it is heard. What was heard is only noted here, once a packet;
 * the timer looks when it comes up, and goes on from there. Strangers that may join are told to
 * control, which makes them targets. */
#include "appliance/path/check.h"
#include "appliance/path/check_state.h"
#include "appliance/path/internal.h"

#define NEWCOMER_TELL_NS   UINT64_C(1000000000)  /* control is not asked again before that */
#define PLACE_NS           UINT64_C(1000000000)  /* how often heartbeats confirm a neighbor */
#define NEWCOMER_FORGET_NS UINT64_C(10000000000) /* it has had its chance */

static void tell(struct path *path, struct path_event event)
{
	event.time_ns = path->now_ns;
	path->output.event(path->output.context, &event);
}

static void note_heard(struct path *path, struct check *check, const struct snapshot_target *target,
		       uint64_t heard_ns)
{
	path->counters.heartbeats++;
	check->sent_ns = heard_ns;
	check->stale_ns = heard_ns + target->timeout_ns;
	if (check->health != HEALTH_UP)
		wheel_add(&path->checks->wheel, check_slot(check), check->stale_ns);
	check_note(path, check, CHECK_HEARD, HEALTH_UP);
}

static void note_weight(struct path *path, struct check *check, const struct heartbeat *heartbeat)
{
	uint32_t weight = heartbeat && heartbeat->flags & HEARTBEAT_HAS_WEIGHT ?
				  from_be16(heartbeat->weight) : NONE;

	if (check->weight == weight)
		return;
	check->weight = weight;
	tell(path, (struct path_event){EVENT_TARGET_WEIGHT, .id = check->id, .value = weight});
}

/* Who has joined is where he was heard last, not where ARP once found him. */
static bool note_place(struct path *path, struct check *check, be32 address,
		       const struct mac_address *mac, uint16_t interface)
{
	bool moved = check->has_mac && (check->interface != interface ||
					!mac_equal(&check->mac, mac));

	if (check->has_mac && !moved && path->now_ns - check->placed_ns < PLACE_NS)
		return false;
	check->mac = *mac;
	check->interface = interface;
	check->has_mac = true;
	check->placed_ns = path->now_ns;
	if (!(mac->byte[0] & 1) && neighbor_on_link(path->snapshot, interface, address))
		neighbor_heard(path, interface, address, mac);
	return moved;
}

static void tell_place(struct path *path, const struct check *check, be32 address)
{
	tell(path, (struct path_event){EVENT_TARGET_MOVED, .id = check->id, .address = address,
				       .mac = check->mac, .interface = check->interface});
}

static void hear(struct path *path, const struct snapshot_target *target,
		 const struct packet *packet, const struct heartbeat *heartbeat)
{
	struct check *check = check_of(path, target);

	note_heard(path, check, target, path->now_ns);
	if (target->heartbeat_port.raw)
		note_weight(path, check, heartbeat);
	if (target->registration != NONE &&
	    note_place(path, check, packet->source, &packet->ethernet->source,
		       packet->frame->interface))
		tell_place(path, check, packet->source);
}

/* Looks at a datagram to a heartbeat port with the target's eyes. */
static enum verdict hear_datagram(struct path *path, const struct snapshot_target *target,
				  const struct packet *packet)
{
	const struct heartbeat_key key = {target->key, target->key_length};
	const struct heartbeat *heartbeat;
	enum verdict verdict = heartbeat_read(packet, &key, path->wall_offset_ns + path->now_ns,
					      &check_of(path, target)->last, &heartbeat);

	if (verdict == VERDICT_CONSUMED)
		hear(path, target, packet, heartbeat);
	return verdict;
}

/* Of two verdicts on one packet: that it was good for something, or the later reason why not. */
static enum verdict better(enum verdict verdict, enum verdict other)
{
	return verdict == VERDICT_CONSUMED ? verdict : other;
}

/* Every heartbeat target of the packet's source that listens to `port`; zero: to anything. False:
 * there is none. */
static bool hear_all(struct path *path, const struct packet *packet, be16 port,
		     enum verdict *ret_verdict)
{
	uint32_t cursor = 0, index;
	bool known = false;

	*ret_verdict = DROP_heartbeat_malformed;
	while ((index = snapshot_heartbeat_next(path->snapshot, packet->source, &cursor)) != NONE) {
		const struct snapshot_target *target = &path->snapshot->target[index];
		enum verdict verdict = VERDICT_CONSUMED;

		if (!same16(target->heartbeat_port, port))
			continue;
		known = true;
		if (port.raw)
			verdict = hear_datagram(path, target, packet);
		else
			hear(path, target, packet, NULL);
		*ret_verdict = better(*ret_verdict, verdict);
	}
	return known;
}

/* ---- strangers ---- */

static bool has_joined(const struct snapshot *snapshot, be32 address, uint32_t registration)
{
	uint32_t cursor = 0, index;

	while ((index = snapshot_heartbeat_next(snapshot, address, &cursor)) != NONE)
		if (snapshot->target[index].registration == registration)
			return true;
	return false;
}

/* His place among those who wait, or a free one; NULL: they are too many. */
static struct newcomer *newcomer_of(struct path *path, uint32_t registration, be32 address)
{
	struct newcomer *free = NULL;

	for (uint32_t i = 0; i < NEWCOMERS_MAX; i++) {
		struct newcomer *newcomer = &path->checks->newcomer[i];

		if (newcomer->heard_ns + NEWCOMER_FORGET_NS <= path->now_ns)
			*newcomer = (struct newcomer){0};
		if (!newcomer->heard_ns)
			free = newcomer;
		else if (newcomer->registration == registration &&
			 same32(newcomer->address, address))
			return newcomer;
	}
	if (free)
		*free = (struct newcomer){.registration = registration, .address = address};
	return free;
}

static void ask_to_join(struct path *path, struct newcomer *newcomer, const struct packet *packet,
			be16 port)
{
	newcomer->heard_ns = path->now_ns;
	newcomer->mac = packet->ethernet->source;
	newcomer->interface = packet->frame->interface;
	if (newcomer->told_ns && path->now_ns - newcomer->told_ns < NEWCOMER_TELL_NS)
		return;
	newcomer->told_ns = path->now_ns;
	tell(path, (struct path_event){EVENT_REGISTER, .id = newcomer->registration,
				       .address = newcomer->address,
				       .mac = newcomer->mac, .interface = newcomer->interface,
				       .value = from_be16(port)});
}

static enum verdict meet(struct path *path, const struct snapshot_registration *registration,
			 const struct packet *packet)
{
	const struct heartbeat_key key = {registration->key, registration->key_length};
	const struct heartbeat *heartbeat = NULL;
	struct newcomer *newcomer = newcomer_of(path, registration->id, packet->source);
	struct heartbeat_last last = newcomer ? newcomer->last : (struct heartbeat_last){0};
	enum verdict verdict = VERDICT_CONSUMED;

	if (registration->heartbeat_port.raw)
		verdict = heartbeat_read(packet, &key, path->wall_offset_ns + path->now_ns, &last,
					 &heartbeat);
	if (verdict != VERDICT_CONSUMED)
		return verdict;
	if (registration->full || !newcomer) {
		path->counters.register_full++;
		return DROP_register_full;
	}
	newcomer->last = last;
	ask_to_join(path, newcomer, packet, heartbeat ? heartbeat->port : (be16){0});
	return VERDICT_CONSUMED;
}

static bool meet_all(struct path *path, const struct packet *packet, be16 port,
		     enum verdict *ret_verdict)
{
	const struct snapshot *snapshot = path->snapshot;
	bool may_join = false;

	for (uint32_t i = 0; i < snapshot->registrations; i++) {
		const struct snapshot_registration *registration = &snapshot->registration[i];

		if (!same16(registration->heartbeat_port, port) ||
		    !in_prefix(packet->source, registration->prefix, registration->length) ||
		    has_joined(snapshot, packet->source, i))
			continue;
		may_join = true;
		*ret_verdict = better(*ret_verdict, meet(path, registration, packet));
	}
	return may_join;
}

void heartbeat_adopt(struct path *path, struct check *check, const struct snapshot_target *target)
{
	if (target->registration == NONE)
		return;
	uint32_t registration = path->snapshot->registration[target->registration].id;

	for (uint32_t i = 0; i < NEWCOMERS_MAX; i++) {
		struct newcomer *newcomer = &path->checks->newcomer[i];

		if (!newcomer->heard_ns || newcomer->registration != registration ||
		    !same32(newcomer->address, target->address))
			continue;
		check->last = newcomer->last;
		if (path->now_ns - newcomer->heard_ns < target->timeout_ns)
			note_heard(path, check, target, newcomer->heard_ns);
		note_place(path, check, target->address, &newcomer->mac, newcomer->interface);
		*newcomer = (struct newcomer){0};
	}
}

bool heartbeat_heard(struct path *path, const struct packet *packet)
{
	const be16 any = {0};
	enum verdict verdict;

	if (packet->protocol != PROTOCOL_NUMBER_TCP && packet->protocol != PROTOCOL_NUMBER_UDP)
		return false;
	bool known = hear_all(path, packet, any, &verdict);
	return meet_all(path, packet, any, &verdict) || known;
}

bool heartbeat_received(struct path *path, const struct packet *packet, enum verdict *ret_verdict)
{
	const struct snapshot_interface *in = &path->snapshot->interface[packet->frame->interface];

	if (!(in->sides & SIDE_BACKEND) || !packet->destination_port.raw)
		return false;
	enum verdict verdict;
	bool known = hear_all(path, packet, packet->destination_port, &verdict);

	if (!meet_all(path, packet, packet->destination_port, &verdict) && !known)
		return false;
	*ret_verdict = verdict;
	return true;
}

void heartbeat_timer(struct path *path, struct check *check, const struct snapshot_target *target)
{
	if (check->health != HEALTH_UP)
		return;
	check->stale_ns = check->sent_ns + target->timeout_ns;
	if (path->now_ns >= check->stale_ns)
		check_note(path, check, CHECK_SILENT, HEALTH_DOWN);
	else
		wheel_add(&path->checks->wheel, check_slot(check), check->stale_ns);
}
