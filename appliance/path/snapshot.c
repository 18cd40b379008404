/* Lookups in the compiled tables. An index is probed linearly from the hash on until an empty place:
 * the builder keeps every index at most half full, so a miss costs a place or two.
 *
 * Routes are found in a sorted array of ranges, by halving: three steps for the networks of an
 * appliance with two interfaces, eleven for a thousand routes, all in the first-level cache.
 */
#include "appliance/path/snapshot.h"

#include <stddef.h>

#include "appliance/path/mix.h"

const char *forward_mode_text(enum forward_mode mode)
{
	static const char *const texts[FORWARD_MODE_COUNT] = {
#define X(name, text) [FORWARD_##name] = text,
		FORWARD_MODES(X)
#undef X
	};

	return texts[mode];
}

uint32_t snapshot_hash_address(be32 address)
{
	return (uint32_t)mix64(address.raw);
}

uint32_t snapshot_hash_endpoint(be32 address, be16 port, uint8_t protocol)
{
	return (uint32_t)mix64((uint64_t)address.raw << 32 | (uint64_t)port.raw << 16 | protocol);
}

/* The entry at `step` places behind `hash`, or NONE: whatever is not found until here is not there. */
static uint32_t probe(const struct snapshot_index *index, uint32_t hash, uint32_t step)
{
	return index->entry && step <= index->mask ? index->entry[(hash + step) & index->mask] : NONE;
}

uint32_t snapshot_local_find(const struct snapshot *snapshot, be32 address)
{
	const uint32_t hash = snapshot_hash_address(address);
	uint32_t found;

	for (uint32_t step = 0; (found = probe(&snapshot->local_index, hash, step)) != NONE; step++)
		if (same32(snapshot->local[found].address, address))
			return found;
	return NONE;
}

static uint32_t find_service(const struct snapshot *snapshot, be32 vip, be16 port, uint8_t protocol)
{
	const uint32_t hash = snapshot_hash_endpoint(vip, port, protocol);
	uint32_t found;

	for (uint32_t step = 0; (found = probe(&snapshot->service_index, hash, step)) != NONE; step++) {
		const struct snapshot_service *service = &snapshot->service[found];

		if (same32(service->vip, vip) && same16(service->port, port) &&
		    service->protocol == protocol)
			return found;
	}
	return NONE;
}

uint32_t snapshot_service_find(const struct snapshot *snapshot, be32 vip, be16 port,
			       uint8_t protocol)
{
	const uint32_t exact = find_service(snapshot, vip, port, protocol);

	return exact != NONE ? exact : find_service(snapshot, vip, (be16){0}, protocol);
}

static uint32_t find_reply(const struct snapshot *snapshot, be32 address, be16 port,
			   uint8_t protocol)
{
	const uint32_t hash = snapshot_hash_endpoint(address, port, protocol);
	uint32_t found;

	for (uint32_t step = 0; (found = probe(&snapshot->reply_index, hash, step)) != NONE; step++) {
		const struct snapshot_reply *reply = &snapshot->reply[found];

		if (same32(reply->address, address) && same16(reply->port, port) &&
		    reply->protocol == protocol)
			return found;
	}
	return NONE;
}

uint32_t snapshot_reply_find(const struct snapshot *snapshot, be32 address, be16 port,
			     uint8_t protocol)
{
	const uint32_t exact = find_reply(snapshot, address, port, protocol);

	return exact != NONE ? exact : find_reply(snapshot, address, (be16){0}, protocol);
}

uint32_t snapshot_heartbeat_next(const struct snapshot *snapshot, be32 address, uint32_t *cursor)
{
	const uint32_t hash = snapshot_hash_address(address);
	uint32_t found;

	while ((found = probe(&snapshot->target_index, hash, *cursor)) != NONE) {
		++*cursor;
		if (same32(snapshot->target[found].address, address))
			return found;
	}
	return NONE;
}

bool snapshot_is_backend(const struct snapshot *snapshot, be32 address)
{
	const uint32_t hash = snapshot_hash_address(address);
	uint32_t found;

	for (uint32_t step = 0; (found = probe(&snapshot->backend_index, hash, step)) != NONE; step++)
		if (same32(snapshot->backend[found].address, address))
			return true;
	return false;
}

uint32_t snapshot_backend_of(const struct snapshot *snapshot, uint32_t id)
{
	const uint32_t slot = id & SLOT_MASK;
	const uint32_t index = slot < BACKENDS_MAX ? snapshot->backend_by_slot[slot] : NONE;

	return index != NONE && snapshot->backend[index].id == id ? index : NONE;
}

uint32_t snapshot_service_of(const struct snapshot *snapshot, uint32_t id)
{
	const uint32_t slot = id & SLOT_MASK;
	const uint32_t index = slot < SERVICES_MAX ? snapshot->service_by_slot[slot] : NONE;

	return index != NONE && snapshot->service[index].id == id ? index : NONE;
}

uint32_t snapshot_target_of(const struct snapshot *snapshot, uint32_t id)
{
	const uint32_t slot = id & SLOT_MASK;
	const uint32_t index = slot < TARGETS_MAX ? snapshot->target_by_slot[slot] : NONE;

	return index != NONE && snapshot->target[index].id == id ? index : NONE;
}

bool snapshot_is_broadcast(const struct snapshot *snapshot, be32 address)
{
	const uint32_t hash = snapshot_hash_address(address);
	uint32_t found;

	/* All end in two bits of 1: networks of two addresses or one have none (RFC 3021). */
	if ((from_be32(address) & 3) != 3)
		return false;
	for (uint32_t step = 0; (found = probe(&snapshot->broadcast_index, hash, step)) != NONE; step++)
		if (same32(snapshot_broadcast_of(&snapshot->route[found]), address))
			return true;
	return false;
}

/* The route of the range that an address is in, or NULL. */
static const struct snapshot_route *in_ranges(const struct snapshot *snapshot,
					      const struct snapshot_ranges *ranges, be32 address)
{
	const uint32_t *begin = ranges->begin;
	uint32_t wanted = from_be32(address);

	if (!ranges->count)
		return NULL;
	for (uint32_t left = ranges->count, half; left > 1; left -= half) {
		half = left / 2;
		begin += half & -(uint32_t)(begin[half] <= wanted); /* nothing predicts a branch here */
	}
	uint32_t route = ranges->route[begin - ranges->begin];
	return route != NONE ? &snapshot->route[route] : NULL;
}

const struct snapshot_route *snapshot_route_find(const struct snapshot *snapshot, be32 address,
						 uint32_t interface)
{
	const struct snapshot_route *route = NULL;

	if (interface != NONE)
		route = in_ranges(snapshot, &snapshot->ranges_of[interface], address);
	return route ? route : in_ranges(snapshot, &snapshot->ranges, address);
}

uint32_t snapshot_frontend_find(const struct snapshot *snapshot, be32 address)
{
	const struct snapshot_route *longest = NULL;

	if (snapshot->bridge.frontends == 1)
		return snapshot->bridge.frontend[0];
	for (uint32_t i = 0; i < snapshot->routes; i++) {
		const struct snapshot_route *route = &snapshot->route[i];

		if (!in_prefix(address, route->prefix, route->length) ||
		    !(snapshot->interface[route->interface].sides & SIDE_FRONTEND))
			continue;
		if (longest && route->length < longest->length)
			break;
		if (longest && route->interface != longest->interface)
			return EVERY_FRONTEND;
		longest = route;
	}
	return longest ? longest->interface : EVERY_FRONTEND;
}
