#include "appliance/compile_index.h"

#include <string.h>

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

void compile_indexes(struct snapshot *snapshot, struct arena *arena)
{
	index_locals(snapshot, arena);
	index_services(snapshot, arena);
	index_backends(snapshot, arena);
	index_targets(snapshot, arena);
	index_replies(snapshot, arena);
}
