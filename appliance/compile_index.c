#include "appliance/compile_index.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIX_LENGTHS = 33 }; /* 0 to 32: networks around one address */

/* At most half full, so that a miss ends soon. */
static uint32_t *index_new(struct snapshot_index *index, struct arena *arena, uint32_t count)
{
	uint32_t size = 2;

	while (size < count * 2)
		size *= 2;
	uint32_t *entry = arena_array(arena, size, sizeof(*entry));
	if (entry)
		memset(entry, 0xff, size * sizeof(*entry));
	*index = (struct snapshot_index){.mask = size - 1, .entry = entry};
	return entry;
}

static void index_put(uint32_t *entry, uint32_t mask, uint32_t hash, uint32_t value)
{
	while (entry[hash & mask] != NONE)
		hash++;
	entry[hash & mask] = value;
}

static void index_locals(struct snapshot *snapshot, struct arena *arena)
{
	uint32_t *entry = index_new(&snapshot->local_index, arena, snapshot->locals);

	for (uint32_t i = 0; entry && i < snapshot->locals; i++)
		index_put(entry, snapshot->local_index.mask,
			  snapshot_hash_address(snapshot->local[i].address), i);
}

static void index_services(struct snapshot *snapshot, struct arena *arena)
{
	uint32_t *entry = index_new(&snapshot->service_index, arena, snapshot->services);

	for (uint32_t i = 0; entry && i < snapshot->services; i++) {
		const struct snapshot_service *service = &snapshot->service[i];

		index_put(entry, snapshot->service_index.mask,
			  snapshot_hash_endpoint(service->vip, service->port, service->protocol),
			  i);
	}
}

/* An address once, however many backends have it. */
static void index_backends(struct snapshot *snapshot, struct arena *arena)
{
	uint32_t *entry = index_new(&snapshot->backend_index, arena, snapshot->backends);

	for (uint32_t i = 0; entry && i < snapshot->backends; i++)
		if (!snapshot_is_backend(snapshot, snapshot->backend[i].address))
			index_put(entry, snapshot->backend_index.mask,
				  snapshot_hash_address(snapshot->backend[i].address), i);
}

static void index_targets(struct snapshot *snapshot, struct arena *arena)
{
	uint32_t *entry = index_new(&snapshot->target_index, arena, snapshot->targets);

	for (uint32_t i = 0; entry && i < snapshot->targets; i++)
		if (snapshot->target[i].type == PROBE_HEARTBEAT)
			index_put(entry, snapshot->target_index.mask,
				  snapshot_hash_address(snapshot->target[i].address), i);
}

static struct snapshot_reply *reply_find(struct snapshot_reply *replies, const uint32_t *entry,
					 uint32_t mask, const struct snapshot_reply *like)
{
	uint32_t hash = snapshot_hash_endpoint(like->address, like->port, like->protocol);

	for (; entry[hash & mask] != NONE; hash++) {
		struct snapshot_reply *reply = &replies[entry[hash & mask]];

		if (same32(reply->address, like->address) && same16(reply->port, like->port) &&
		    reply->protocol == like->protocol)
			return reply;
	}
	return NULL;
}

static uint32_t count_replies(const struct snapshot *snapshot)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < snapshot->services; i++)
		count += snapshot->pool[snapshot->service[i].pool].count;
	return count;
}

/* The way back from one backend of a service. Where it keeps the client's port, that is the
 * service's, or any. Where all ports come together in one, a reply does not say which it was. */
static struct snapshot_reply reply_of(const struct snapshot *snapshot, uint32_t service,
				      uint32_t backend)
{
	const struct snapshot_service *s = &snapshot->service[service];
	const struct snapshot_backend *b = &snapshot->backend[backend];

	return (struct snapshot_reply){
		.address = b->address,
		.port = b->port.raw ? b->port : s->port,
		.protocol = s->protocol,
		.service = b->port.raw && !s->port.raw ? NONE : service,
	};
}

/* What also belongs to a service of all ports is not one service's alone. */
static void part_ports(const struct snapshot *snapshot, struct snapshot_reply *replies,
		       const uint32_t *entry)
{
	for (uint32_t i = 0; i < snapshot->replies; i++) {
		struct snapshot_reply all_ports = replies[i];

		all_ports.port = (be16){0};
		const struct snapshot_reply *other =
			reply_find(replies, entry, snapshot->reply_index.mask, &all_ports);
		if (other && other->service != replies[i].service)
			replies[i].service = NONE;
	}
}

static void index_replies(struct snapshot *snapshot, struct arena *arena)
{
	uint32_t count = count_replies(snapshot);
	struct snapshot_reply *replies = arena_array(arena, count, sizeof(*replies));
	uint32_t *entry = index_new(&snapshot->reply_index, arena, count);
	uint32_t mask = snapshot->reply_index.mask;

	if (!replies || !entry)
		return;
	snapshot->reply = replies;
	for (uint32_t s = 0; s < snapshot->services; s++) {
		/* Only here are replies addressed to clients. */
		if (snapshot->service[s].mode != FORWARD_NAT)
			continue;
		const struct snapshot_pool *pool = &snapshot->pool[snapshot->service[s].pool];

		for (uint32_t b = pool->first; b < pool->first + pool->count; b++) {
			struct snapshot_reply reply = reply_of(snapshot, s, b);
			struct snapshot_reply *other = reply_find(replies, entry, mask, &reply);

			if (snapshot->backend[b].admin == BACKEND_DISABLED)
				continue;
			if (other && other->service != s)
				other->service = NONE;
			if (other)
				continue;
			replies[snapshot->replies] = reply;
			index_put(entry, mask,
				  snapshot_hash_endpoint(reply.address, reply.port, reply.protocol),
				  snapshot->replies++);
		}
	}
	part_ports(snapshot, replies, entry);
}

/* Networks of two addresses or one have no broadcast address (RFC 3021). */
static bool has_broadcast(const struct snapshot_route *route)
{
	return !route->via.raw && route->length < 31;
}

static void index_broadcasts(struct snapshot *snapshot, struct arena *arena)
{
	uint32_t *entry = index_new(&snapshot->broadcast_index, arena, snapshot->routes);

	for (uint32_t i = 0; entry && i < snapshot->routes; i++) {
		be32 last = snapshot_broadcast_of(&snapshot->route[i]);

		if (has_broadcast(&snapshot->route[i]) && !snapshot_is_broadcast(snapshot, last))
			index_put(entry, snapshot->broadcast_index.mask,
				  snapshot_hash_address(last), i);
	}
}

/* Networks before those inside of them, then as they stand in the snapshot. */
static int by_range(const void *a, const void *b)
{
	const struct snapshot_route *const *left = a, *const *right = b;
	uint32_t left_begin = from_be32((*left)->prefix), right_begin = from_be32((*right)->prefix);

	if (left_begin != right_begin)
		return left_begin < right_begin ? -1 : 1;
	if ((*left)->length != (*right)->length)
		return (*left)->length < (*right)->length ? -1 : 1;
	return *left < *right ? -1 : 1;
}

/* Ranges as they are found, in order, and the networks that are around where they have come to. */
struct ranges_work {
	const struct snapshot *snapshot;
	uint32_t count, *begin, *route;
	uint32_t depth;
	const struct snapshot_route *around[PREFIX_LENGTHS]; /* each inside the one before */
};

/* From `begin` on it is the innermost one's. */
static void begin_range(struct ranges_work *work, uint32_t begin)
{
	uint32_t route = work->depth ?
		(uint32_t)(work->around[work->depth - 1] - work->snapshot->route) : NONE;

	if (work->count && work->begin[work->count - 1] == begin)
		work->count--;
	if (work->count && work->route[work->count - 1] == route)
		return;
	work->begin[work->count] = begin;
	work->route[work->count++] = route;
}

/* Ends the networks that `next` is not inside of; all of them, where there is no next one. */
static void end_networks(struct ranges_work *work, const struct snapshot_route *next)
{
	while (work->depth) {
		const struct snapshot_route *inner = work->around[work->depth - 1];
		uint32_t last = from_be32(snapshot_broadcast_of(inner));

		if (next && in_prefix(next->prefix, inner->prefix, inner->length))
			break;
		work->depth--;
		if (last != UINT32_MAX)
			begin_range(work, last + 1);
	}
}

static void begin_network(struct ranges_work *work, const struct snapshot_route *route)
{
	end_networks(work, route);
	/* Of two for the same network, the first. */
	if (work->depth && work->around[work->depth - 1]->length == route->length)
		return;
	work->around[work->depth++] = route;
	begin_range(work, from_be32(route->prefix));
}

static bool leaves_by(const struct snapshot_route *route, uint32_t interface)
{
	return interface == NONE || route->interface == interface;
}

/* Over the routes through one interface; NONE: through any. `sorted`: all of them, by_range(). */
static void index_ranges(const struct snapshot *snapshot, const struct snapshot_route **sorted,
			 uint32_t interface, struct snapshot_ranges *ranges, struct arena *arena)
{
	struct ranges_work work = {.snapshot = snapshot};
	uint32_t routes = 0;

	for (uint32_t i = 0; i < snapshot->routes; i++)
		routes += leaves_by(&snapshot->route[i], interface);
	work.begin = arena_array(arena, 2 * routes + 1, sizeof(*work.begin));
	work.route = arena_array(arena, 2 * routes + 1, sizeof(*work.route));
	if (!work.begin || !work.route)
		return;
	begin_range(&work, 0);
	for (uint32_t i = 0; i < snapshot->routes; i++)
		if (leaves_by(sorted[i], interface))
			begin_network(&work, sorted[i]);
	end_networks(&work, NULL);
	*ranges = (struct snapshot_ranges){work.count, work.begin, work.route};
}

void compile_route_indexes(struct snapshot *snapshot, struct arena *arena)
{
	const struct snapshot_route **sorted =
		arena_array(arena, snapshot->routes, sizeof(*sorted));

	if (!sorted)
		return;
	for (uint32_t i = 0; i < snapshot->routes; i++)
		sorted[i] = &snapshot->route[i];
	qsort(sorted, snapshot->routes, sizeof(*sorted), by_range);
	index_ranges(snapshot, sorted, NONE, &snapshot->ranges, arena);
	for (uint32_t i = 0; i < snapshot->routes; i++) {
		uint32_t interface = snapshot->route[i].interface;

		if (!snapshot->ranges_of[interface].count)
			index_ranges(snapshot, sorted, interface, &snapshot->ranges_of[interface],
				     arena);
	}
	index_broadcasts(snapshot, arena);
}

void compile_indexes(struct snapshot *snapshot, struct arena *arena)
{
	compile_route_indexes(snapshot, arena);
	index_locals(snapshot, arena);
	index_services(snapshot, arena);
	index_backends(snapshot, arena);
	index_targets(snapshot, arena);
	index_replies(snapshot, arena);
}
