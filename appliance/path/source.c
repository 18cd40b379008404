#include "appliance/path/source.h"

#include "appliance/path/mix.h"

/* Places looked at together, so that what they need from memory is on its way for all of them. */
enum { BATCH = 8 };

/* Addresses of the appliance in a row, each with the ports of its share. */
struct pool {
	be32 address[INTERFACE_ADDRESSES_MAX];
	uint32_t addresses;
	uint32_t port_first, ports;
};

/* The interface's addresses that are in the network of the next hop, or those that are not. */
static struct pool pool_of(const struct snapshot *snapshot, uint32_t interface, be32 next_hop,
			   bool near)
{
	const struct snapshot_interface *out = &snapshot->interface[interface];
	struct pool pool = {
		.port_first = snapshot->source_port_first,
		.ports = snapshot->source_ports,
	};

	for (uint32_t i = 0; i < out->locals; i++) {
		const struct snapshot_local *local = &snapshot->local[out->first_local + i];

		if (in_prefix(next_hop, local->address, local->length) == near)
			pool.address[pool.addresses++] = local->address;
	}
	return pool;
}

static bool is_searched_whole(const struct pool *pool)
{
	return pool->addresses * pool->ports <= SOURCE_WHOLE_MAX;
}

/* Steps over a power of two of places. The step is odd: all of them come before one comes again. */
struct walk {
	uint32_t at, step, mask;
};

/* Begins anywhere in `size` places. Those beyond them stand for the first ones once more. */
static struct walk walk_over(uint32_t size, uint64_t hash)
{
	uint32_t span = 1;

	while (span < size)
		span *= 2;
	return (struct walk){
		.at = (uint32_t)((hash >> 32) * size >> 32),
		.step = (uint32_t)hash | 1,
		.mask = span - 1,
	};
}

static uint32_t walk_on(struct walk *walk, uint32_t size)
{
	uint32_t place = walk->at < size ? walk->at : walk->at - size;

	walk->at = (walk->at + walk->step) & walk->mask;
	return place;
}

/* The tuple of replies to a place of the pool. */
static struct flow_tuple reply_to(const struct pool *pool, uint32_t place,
				  const struct delivery *delivery, uint8_t protocol)
{
	return (struct flow_tuple){
		.source = delivery->address,
		.destination = pool->address[place / pool->ports],
		.source_port = delivery->port,
		.destination_port =
			to_be16((uint16_t)(pool->port_first + place % pool->ports)),
		.protocol = protocol,
	};
}

/* A place that is looked at: the replies that would come to it. */
struct probe {
	struct flow_tuple reply;
	uint64_t hash;
};

/* The first of them that no flow has; NULL. */
static const struct probe *first_free(struct path *path, const struct probe *probe, uint32_t count)
{
	enum flow_direction direction;

	for (uint32_t i = 0; count > 1 && i < count; i++)
		flow_prefetch_record(&path->flows, probe[i].hash);
	for (uint32_t i = 0; i < count; i++)
		if (!flow_find(&path->flows, &probe[i].reply, probe[i].hash, path->now_ns,
			       &direction))
			return &probe[i];
	return NULL;
}

/* Looks at the first place alone, since while few are taken it is the one; then at several. */
static bool search(struct path *path, const struct pool *pool, uint8_t protocol, uint64_t hash,
		   struct delivery *delivery, uint32_t *budget)
{
	const uint32_t size = pool->addresses * pool->ports;
	struct walk walk = walk_over(size, hash);
	uint32_t left = is_searched_whole(pool) ? walk.mask + 1 : SOURCE_PROBES_MAX;
	struct probe probe[BATCH];

	if (left > *budget)
		left = *budget;
	*budget -= left;
	for (uint32_t count = 1; size && left; left -= count, count = left < BATCH ? left : BATCH) {
		for (uint32_t i = 0; i < count; i++) {
			probe[i].reply = reply_to(pool, walk_on(&walk, size), delivery, protocol);
			probe[i].hash = flow_hash(&probe[i].reply, path->flows.seed);
			flow_prefetch_bucket(&path->flows, probe[i].hash);
		}
		const struct probe *free = first_free(path, probe, count);
		if (!free)
			continue;
		delivery->source_address = free->reply.destination;
		delivery->source_port = free->reply.destination_port;
		return true;
	}
	return false;
}

bool source_choose(struct path *path, const struct flow_tuple *client, uint32_t interface,
		   be32 next_hop, struct delivery *delivery, uint32_t *budget)
{
	/* Mixed once more: the backend was chosen by the same hash. */
	const uint64_t hash = mix64(flow_hash(client, path->snapshot->seed));
	struct exhaustion *last = &path->backend[delivery->backend & SLOT_MASK].exhaustion;
	bool whole = true;

	if (path->now_ns < last->until_ns && last->protocol == client->protocol &&
	    same16(last->port, delivery->port))
		return false;
	for (int near = 1; near >= 0; near--) {
		const struct pool pool = pool_of(path->snapshot, interface, next_hop, near);

		if (search(path, &pool, client->protocol, hash, delivery, budget))
			return true;
		whole = whole && is_searched_whole(&pool);
	}
	if (*budget)
		*last = (struct exhaustion){
			.until_ns = path->now_ns +
				    (whole ? SOURCE_EXHAUSTED_NS : SOURCE_CROWDED_NS),
			.port = delivery->port,
			.protocol = client->protocol,
		};
	return false;
}

static be32 move(be32 address, const struct snapshot_rewrite *rewrite, be32 from, be32 to)
{
	uint32_t hosts = rewrite->length ? ~(~UINT32_C(0) << (32 - rewrite->length)) : UINT32_MAX;

	if (!rewrite->on || !in_prefix(address, from, rewrite->length))
		return address;
	return to_be32(from_be32(to) | (from_be32(address) & hosts));
}

be32 source_rewritten(const struct snapshot_service *service, be32 client)
{
	return move(client, &service->rewrite, service->rewrite.from, service->rewrite.to);
}

be32 source_restored(const struct snapshot_service *service, be32 source)
{
	return move(source, &service->rewrite, service->rewrite.to, service->rewrite.from);
}

bool source_is_restorable(const struct snapshot *snapshot, const struct snapshot_service *service,
			  be32 client)
{
	be32 seen = source_rewritten(service, client);

	return same32(source_restored(service, seen), client) &&
	       snapshot_local_find(snapshot, seen) == NONE;
}
