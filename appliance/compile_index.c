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
			  snapshot_hash_endpoint(service->vip, service->port, service->protocol), i);
	}
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

/* One backend of one service: the replies' only owner so far, or one of several. */
static void add_reply(struct snapshot *snapshot, struct snapshot_reply *replies, uint32_t *entry,
		      const struct snapshot_reply *reply)
{
	struct snapshot_reply *other =
		reply_find(replies, entry, snapshot->reply_index.mask, reply);

	if (other) {
		other->service = NONE;
		return;
	}
	replies[snapshot->replies] = *reply;
	index_put(entry, snapshot->reply_index.mask,
		  snapshot_hash_endpoint(reply->address, reply->port, reply->protocol),
		  snapshot->replies++);
}

/* A backend that serves all ports of its clients' choice may send from any of them. */
static void spoil_replies(const struct snapshot *snapshot, struct snapshot_reply *replies,
			  be32 address, uint8_t protocol)
{
	for (uint32_t i = 0; i < snapshot->replies; i++)
		if (same32(replies[i].address, address) && replies[i].protocol == protocol)
			replies[i].service = NONE;
}

typedef void visit_pair(struct snapshot *snapshot, struct snapshot_reply *replies, uint32_t *entry,
			uint32_t service, const struct snapshot_backend *backend);

static void each_pair(struct snapshot *snapshot, struct snapshot_reply *replies, uint32_t *entry,
		      visit_pair *visit)
{
	for (uint32_t s = 0; s < snapshot->services; s++) {
		const struct snapshot_pool *pool = &snapshot->pool[snapshot->service[s].pool];

		for (uint32_t b = pool->first; b < pool->first + pool->count; b++)
			visit(snapshot, replies, entry, s, &snapshot->backend[b]);
	}
}

static void add_pair(struct snapshot *snapshot, struct snapshot_reply *replies, uint32_t *entry,
		     uint32_t index, const struct snapshot_backend *backend)
{
	const struct snapshot_service *service = &snapshot->service[index];
	struct snapshot_reply reply = {
		.address = backend->address,
		.port = backend->port,
		.protocol = service->protocol,
		.service = service->port.raw ? index : NONE,
	};

	if (backend->port.raw)
		add_reply(snapshot, replies, entry, &reply);
}

static void spoil_pair(struct snapshot *snapshot, struct snapshot_reply *replies, uint32_t *entry,
		       uint32_t index, const struct snapshot_backend *backend)
{
	(void)entry;
	if (!backend->port.raw)
		spoil_replies(snapshot, replies, backend->address,
			      snapshot->service[index].protocol);
}

static void index_replies(struct snapshot *snapshot, struct arena *arena)
{
	uint32_t count = count_replies(snapshot);
	struct snapshot_reply *replies = arena_array(arena, count, sizeof(*replies));
	uint32_t *entry = index_new(&snapshot->reply_index, arena, count);

	if (!replies || !entry)
		return;
	snapshot->reply = replies;
	each_pair(snapshot, replies, entry, add_pair);
	each_pair(snapshot, replies, entry, spoil_pair);
}

void compile_indexes(struct snapshot *snapshot, struct arena *arena)
{
	index_locals(snapshot, arena);
	index_services(snapshot, arena);
	index_targets(snapshot, arena);
	index_replies(snapshot, arena);
}
