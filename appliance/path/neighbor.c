#include "appliance/path/neighbor.h"

#include "appliance/path/internal.h"
#include "appliance/path/neighbor_table.h"

static const char *const state_name[NEIGHBOR_STATES] = {
	[NEIGHBOR_FREE] = "none",
	[NEIGHBOR_FAILED] = "failed",
	[NEIGHBOR_STALE] = "stale",
	[NEIGHBOR_REACHABLE] = "reachable",
	[NEIGHBOR_PROBE] = "probe",
	[NEIGHBOR_INCOMPLETE] = "incomplete",
	[NEIGHBOR_STATIC] = "static",
};

/* A frame has waited long enough: its bytes go back, and it is counted as what became of it. */
static void settle(struct path *path, struct held *held, enum verdict verdict)
{
	if (held->in_interface != NONE)
		path_count(path, held->in_interface, verdict);
	hold_free(path, held);
}

static void drop_held(struct path *path, struct neighbor *entry, enum verdict drop)
{
	struct held *held;

	while ((held = hold_pop(path, &entry->held)))
		settle(path, held, drop);
}

static void send_to(struct path *path, struct frame *frame, uint32_t in_interface,
		    uint32_t out_interface, const struct mac_address *mac)
{
	struct ethernet *ethernet = (struct ethernet *)frame->data;

	ethernet->destination = *mac;
	ethernet->source = path->snapshot->interface[out_interface].mac;
	frame->interface = (uint16_t)out_interface;
	frame->vlan_tpid = 0; /* a priority tag: it belongs to the link where it came */
	path_send(path, frame, in_interface == NONE);
}

static void release_held(struct path *path, struct neighbor *entry, const struct mac_address *mac)
{
	struct held *held;

	while ((held = hold_pop(path, &entry->held))) {
		send_to(path, &held->frame, held->in_interface, entry->interface, mac);
		settle(path, held, VERDICT_FORWARDED);
	}
}

static void forget(struct path *path, struct neighbor *entry, enum verdict drop)
{
	drop_held(path, entry, drop);
	neighbor_table_remove(path->neighbors, entry);
}

/* A new entry; where there is no room, one of a state up to `last` gives way. NULL: none does. */
static struct neighbor_slot *add(struct path *path, uint32_t interface, be32 address,
				 enum neighbor_state state, enum neighbor_state last)
{
	struct neighbor *entry = neighbor_table_victim(path->neighbors, last);

	if (!entry)
		return NULL;
	if (entry->state != NEIGHBOR_FREE)
		forget(path, entry, DROP_neighbor_overflow);
	entry->updated_ns = path->now_ns;
	return neighbor_table_add(path->neighbors, entry, interface, address, state);
}

/* Asks once more, in the state where the entry is or comes to be: only whom it has been, in probe. */
static void ask(struct path *path, struct neighbor_slot *slot, enum neighbor_state state)
{
	struct neighbor *entry = neighbor_table_entry(path->neighbors, slot);

	if (entry->state != state)
		entry->tries = 0;
	entry->tries++;
	neighbor_table_move(path->neighbors, entry, state, path->now_ns + NEIGHBOR_RETRY_NS);
	arp_request(path, entry->interface, entry->address,
		    state == NEIGHBOR_PROBE ? &slot->mac : NULL);
}

static void start_probe(struct path *path, struct neighbor_slot *slot)
{
	slot->ready = true;
	ask(path, slot, NEIGHBOR_PROBE);
}

static void become_stale(struct path *path, struct neighbor_slot *slot)
{
	slot->ready = false;
	neighbor_table_move(path->neighbors, neighbor_table_entry(path->neighbors, slot),
			    NEIGHBOR_STALE, path->now_ns + NEIGHBOR_UNUSED_NS);
}

static enum verdict wait_for(struct path *path, struct neighbor *entry, const struct frame *frame,
			     uint32_t in_interface)
{
	if (entry->held.count == NEIGHBOR_HELD_MAX && hold_fits(path, frame))
		settle(path, hold_pop(path, &entry->held), DROP_neighbor_overflow);
	if (!hold_push(path, &entry->held, HOLD_NEIGHBOR, frame, in_interface))
		return DROP_neighbor_overflow;
	return VERDICT_HELD;
}

/* Starts to ask for a neighbor that is not in the table, or that failed. NULL: not now, *ret_drop says
 * why. */
static struct neighbor_slot *resolve(struct path *path, struct neighbor_slot *slot,
				     uint32_t interface, be32 address, enum verdict *ret_drop)
{
	struct neighbors *table = path->neighbors;

	*ret_drop = DROP_neighbor_failed;
	if (slot && path->now_ns < neighbor_table_entry(table, slot)->retry_ns)
		return NULL;
	*ret_drop = DROP_neighbor_overflow;
	if (table->list[NEIGHBOR_INCOMPLETE].count == NEIGHBORS_INCOMPLETE_MAX)
		return NULL;
	if (!slot)
		slot = add(path, interface, address, NEIGHBOR_FAILED, NEIGHBOR_STALE);
	if (slot)
		ask(path, slot, NEIGHBOR_INCOMPLETE);
	return slot;
}

static enum verdict transmit_unready(struct path *path, struct frame *frame,
				     uint32_t in_interface, uint32_t out_interface,
				     be32 next_hop, struct neighbor_slot *slot)
{
	struct neighbors *table = path->neighbors;
	enum verdict drop;

	if (slot && neighbor_table_entry(table, slot)->state == NEIGHBOR_STALE) {
		start_probe(path, slot);
		send_to(path, frame, in_interface, out_interface, &slot->mac);
		return VERDICT_FORWARDED;
	}
	if (!slot || neighbor_table_entry(table, slot)->state == NEIGHBOR_FAILED)
		slot = resolve(path, slot, out_interface, next_hop, &drop);
	if (!slot)
		return drop;
	return wait_for(path, neighbor_table_entry(table, slot), frame, in_interface);
}

enum verdict neighbor_transmit(struct path *path, struct frame *frame, uint32_t in_interface,
			       uint32_t out_interface, be32 next_hop)
{
	const struct snapshot *snapshot = path->snapshot;
	struct neighbor_slot *slot;

	if (out_interface >= snapshot->interfaces || !snapshot->interface[out_interface].up)
		return DROP_interface_down;

	slot = neighbor_table_find(path->neighbors, out_interface, next_hop);
	if (!slot || !slot->ready)
		return transmit_unready(path, frame, in_interface, out_interface, next_hop, slot);
	if (!slot->used)
		slot->used = true;
	send_to(path, frame, in_interface, out_interface, &slot->mac);
	return VERDICT_FORWARDED;
}

static void become_reachable(struct path *path, struct neighbor_slot *slot,
			     const struct mac_address *mac)
{
	struct neighbor *entry = neighbor_table_entry(path->neighbors, slot);

	slot->mac = *mac;
	slot->ready = true;
	slot->used = false;
	entry->updated_ns = path->now_ns;
	neighbor_table_move(path->neighbors, entry, NEIGHBOR_REACHABLE,
			    path->now_ns + NEIGHBOR_REACHABLE_NS);
	release_held(path, entry, mac);
}

bool neighbor_answered(struct path *path, uint32_t interface, be32 address,
		       const struct mac_address *mac)
{
	struct neighbor_slot *slot = neighbor_table_find(path->neighbors, interface, address);
	struct neighbor *entry;

	if (!slot)
		return false;
	entry = neighbor_table_entry(path->neighbors, slot);
	if (entry->state != NEIGHBOR_INCOMPLETE && entry->state != NEIGHBOR_PROBE)
		return false;

	become_reachable(path, slot, mac);
	return true;
}

void neighbor_heard(struct path *path, uint32_t interface, be32 address,
		    const struct mac_address *mac)
{
	struct neighbor_slot *slot = neighbor_table_find(path->neighbors, interface, address);

	if (!slot)
		slot = add(path, interface, address, NEIGHBOR_STALE, NEIGHBOR_STALE);
	if (slot && neighbor_table_entry(path->neighbors, slot)->state != NEIGHBOR_STATIC)
		become_reachable(path, slot, mac);
}

void neighbor_asked(struct path *path, uint32_t interface, be32 address,
		    const struct mac_address *mac)
{
	struct neighbor_slot *slot = neighbor_table_find(path->neighbors, interface, address);
	struct neighbor *entry;

	if (!slot)
		slot = add(path, interface, address, NEIGHBOR_STALE, NEIGHBOR_STALE);
	if (!slot)
		return;
	entry = neighbor_table_entry(path->neighbors, slot);
	if (entry->state == NEIGHBOR_STATIC || mac_equal(&slot->mac, mac))
		return;

	slot->mac = *mac;
	entry->updated_ns = path->now_ns;
	if (!entry->held.count) {
		become_stale(path, slot);
		return;
	}
	start_probe(path, slot);
	release_held(path, entry, mac);
}

void neighbor_claimed(struct path *path, uint32_t interface, be32 address,
		      const struct mac_address *mac)
{
	struct neighbor_slot *slot = neighbor_table_find(path->neighbors, interface, address);
	const struct neighbor *entry;

	if (!slot)
		return;
	entry = neighbor_table_entry(path->neighbors, slot);
	if (entry->state == NEIGHBOR_REACHABLE && !mac_equal(&slot->mac, mac) &&
	    path->now_ns - entry->updated_ns >= NEIGHBOR_RETRY_NS)
		start_probe(path, slot);
}

bool neighbor_on_link(const struct snapshot *snapshot, uint32_t interface, be32 address)
{
	for (uint32_t i = 0; i < snapshot->routes; i++) {
		const struct snapshot_route *route = &snapshot->route[i];

		if (route->interface != interface)
			continue;
		if (route->via.raw ? same32(route->via, address) :
				     in_prefix(address, route->prefix, route->length))
			return true;
	}
	return false;
}

/* False: a swap took what the entry stands on; the interface's index may have another owner. */
static bool survives(const struct snapshot *old, const struct snapshot *new,
		     const struct neighbor *entry, enum verdict *ret_drop)
{
	const uint32_t i = entry->interface;

	*ret_drop = DROP_interface_down;
	if (i >= new->interfaces || !new->interface[i].up ||
	    old->interface[i].id != new->interface[i].id)
		return false;
	*ret_drop = DROP_no_route;
	return neighbor_on_link(new, i, entry->address);
}

static void put_static(struct path *path, const struct snapshot_neighbor *wanted)
{
	struct neighbor_slot *slot =
		neighbor_table_find(path->neighbors, wanted->interface, wanted->address);
	struct neighbor *entry;

	if (!slot)
		slot = add(path, wanted->interface, wanted->address, NEIGHBOR_STATIC,
			   NEIGHBOR_INCOMPLETE);
	if (!slot)
		return;
	entry = neighbor_table_entry(path->neighbors, slot);
	slot->mac = wanted->mac;
	slot->ready = true;
	neighbor_table_move(path->neighbors, entry, NEIGHBOR_STATIC, UINT64_MAX);
	release_held(path, entry, &slot->mac);
}

void neighbor_published(struct path *path, const struct snapshot *old, const struct snapshot *new)
{
	struct neighbors *table = path->neighbors;
	enum verdict drop;

	while (table->list[NEIGHBOR_STATIC].count)
		forget(path, &table->entry[table->list[NEIGHBOR_STATIC].head], DROP_no_route);
	for (uint32_t i = 0; old && i < NEIGHBORS_MAX; i++) {
		struct neighbor *entry = &table->entry[i];

		if (entry->state != NEIGHBOR_FREE && !survives(old, new, entry, &drop))
			forget(path, entry, drop);
	}
	for (uint32_t i = 0; i < new->neighbors; i++)
		put_static(path, &new->neighbor[i]);
}

/* Nobody answered. Told once: who keeps asking for the dead makes no more events of it. */
static void fail(struct path *path, struct neighbor *entry)
{
	const struct path_event event = {
		.type = EVENT_NEIGHBOR_FAILED,
		.address = entry->address,
		.interface = entry->interface,
		.time_ns = path->now_ns,
	};

	drop_held(path, entry, DROP_neighbor_failed);
	neighbor_table_move(path->neighbors, entry, NEIGHBOR_FAILED,
			    path->now_ns + NEIGHBOR_FORGET_NS);
	entry->retry_ns = path->now_ns + NEIGHBOR_FAILED_NS;
	if (!entry->failed)
		path->output.event(path->output.context, &event);
	entry->failed = true;
}

/* The deadline of the entry's state has come. */
static void expire(struct path *path, struct neighbor *entry)
{
	struct neighbor_slot *slot =
		neighbor_table_find(path->neighbors, entry->interface, entry->address);
	const bool tries_left = entry->tries < NEIGHBOR_TRIES;

	switch ((enum neighbor_state)entry->state) {
	case NEIGHBOR_INCOMPLETE:
		if (tries_left)
			ask(path, slot, NEIGHBOR_INCOMPLETE);
		else
			fail(path, entry);
		break;
	case NEIGHBOR_PROBE:
		if (tries_left)
			ask(path, slot, NEIGHBOR_PROBE);
		else
			forget(path, entry, DROP_neighbor_failed);
		break;
	case NEIGHBOR_REACHABLE:
		if (slot->used)
			start_probe(path, slot);
		else
			become_stale(path, slot);
		break;
	case NEIGHBOR_STALE:
	case NEIGHBOR_FAILED:
		forget(path, entry, DROP_neighbor_failed);
		break;
	case NEIGHBOR_FREE:
	case NEIGHBOR_STATIC:
	case NEIGHBOR_STATES:
		break;
	}
}

/* The deadline of the state's oldest entry, the first of them; UINT64_MAX: none. */
static uint64_t list_deadline(const struct neighbors *table, uint32_t state)
{
	const struct fifo *list = &table->list[state];

	return list->count ? table->entry[list->head].deadline_ns : UINT64_MAX;
}

void neighbor_tick(struct path *path)
{
	struct neighbors *table = path->neighbors;
	uint32_t budget = NEIGHBOR_TICK_MAX;

	for (uint32_t state = NEIGHBOR_FAILED; state < NEIGHBOR_STATIC; state++)
		while (budget && list_deadline(table, state) <= path->now_ns) {
			expire(path, &table->entry[table->list[state].head]);
			budget--;
		}
}

uint64_t neighbor_deadline(const struct path *path)
{
	uint64_t deadline_ns = UINT64_MAX;

	for (uint32_t state = NEIGHBOR_FAILED; state < NEIGHBOR_STATIC; state++) {
		const uint64_t of_list_ns = list_deadline(path->neighbors, state);

		if (of_list_ns < deadline_ns)
			deadline_ns = of_list_ns;
	}
	return deadline_ns;
}

bool neighbor_next(const struct path *path, uint32_t *cursor, struct neighbor_view *ret_view)
{
	for (; *cursor < NEIGHBORS_MAX; ++*cursor) {
		const struct neighbor *entry = &path->neighbors->entry[*cursor];

		if (entry->state == NEIGHBOR_FREE)
			continue;
		*ret_view = (struct neighbor_view){
			.address = entry->address,
			.interface = entry->interface,
			.is_static = entry->state == NEIGHBOR_STATIC,
			.updated_ns = entry->updated_ns,
			.held = entry->held.count,
		};
		neighbor_peek(path, entry->interface, entry->address, &ret_view->mac,
			      &ret_view->state);
		++*cursor;
		return true;
	}
	return false;
}

bool neighbor_peek(const struct path *path, uint32_t interface, be32 address,
		   struct mac_address *ret_mac, const char **ret_state)
{
	const struct neighbor_slot *slot = neighbor_table_find(path->neighbors, interface, address);
	enum neighbor_state state = NEIGHBOR_FREE;

	if (slot)
		state = path->neighbors->entry[slot->entry].state;
	*ret_state = state_name[state];
	if (state == NEIGHBOR_FREE || state == NEIGHBOR_FAILED || state == NEIGHBOR_INCOMPLETE)
		return false;
	*ret_mac = slot->mac;
	return true;
}
