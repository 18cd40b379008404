/* See map.h. */
#include "tests/proof/flow/map.h"

enum {
	TCP = 6,
	FIN = 1, SYN = 2, RST = 4, ACK = 16,
};

#define SECOND_NS UINT64_C(1000000000)

struct flow_tuple map_tuple(const struct map *map, int flow, enum flow_direction direction)
{
	const struct flow_birth *birth = &map->birth[flow];

	if (direction == FLOW_FORWARD)
		return birth->forward;
	return (struct flow_tuple){
		.source = birth->backend_address, .source_port = birth->backend_port,
		.destination = birth->source_address, .destination_port = birth->source_port,
		.protocol = birth->forward.protocol,
	};
}

static bool same(const struct flow_tuple *a, const struct flow_tuple *b)
{
	return same32(a->source, b->source) && same32(a->destination, b->destination) &&
	       same16(a->source_port, b->source_port) &&
	       same16(a->destination_port, b->destination_port) && a->protocol == b->protocol;
}

int map_lookup(const struct map *map, const struct flow_tuple *tuple,
	       enum flow_direction *ret_direction)
{
	for (int i = 0; i < (int)map->births; i++)
		for (enum flow_direction side = FLOW_FORWARD; side <= FLOW_REPLY; side++) {
			struct flow_tuple key = map_tuple(map, i, side);

			if (!map->flow[i].present || !same(&key, tuple) ||
			    (side == FLOW_REPLY && !map->birth[i].sees_replies))
				continue;
			*ret_direction = side;
			return i;
		}
	return MAP_NOBODY;
}

enum flow_state map_state(const struct map *map, int flow)
{
	uint8_t shown = map->flow[flow].shown;

	if (map->birth[flow].forward.protocol != TCP)
		return shown & MAP_REPLIED ? FLOW_UDP_TWO_WAY : FLOW_UDP_ONE_WAY;
	if (shown & MAP_RESET || (shown & MAP_CLIENT_FIN && shown & MAP_BACKEND_FIN))
		return FLOW_TCP_CLOSED;
	if (!(shown & MAP_SHOOK_HANDS))
		return FLOW_TCP_SYN;
	if (shown & MAP_CLIENT_FIN || shown & MAP_BACKEND_FIN)
		return FLOW_TCP_FIN;
	return FLOW_TCP_ESTABLISHED;
}

/* SEMANTICS 4, "Idle timeouts". */
static uint64_t timeout_ns(const struct map *map, int flow)
{
	uint64_t own_ns = map->birth[flow].idle_timeout_ns;

	switch (map_state(map, flow)) {
	case FLOW_TCP_SYN:
		return 30 * SECOND_NS;
	case FLOW_TCP_FIN:
		return 60 * SECOND_NS;
	case FLOW_TCP_CLOSED:
		return 10 * SECOND_NS;
	case FLOW_TCP_ESTABLISHED:
		return own_ns ? own_ns : 900 * SECOND_NS;
	case FLOW_UDP_ONE_WAY:
		return own_ns ? own_ns : 30 * SECOND_NS;
	case FLOW_UDP_TWO_WAY:
		return own_ns ? own_ns : 180 * SECOND_NS;
	case FLOW_STATE_COUNT:
		break;
	}
	return 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t lifetime_end_ns(const struct map *map, int flow)
{
	const struct flow_limits *limits = map->birth[flow].limits;

	if (!limits || !limits->lifetime_ns)
		return UINT64_MAX;
	return map->flow[flow].created_ns + limits->lifetime_ns;
}

uint64_t map_end_ns(const struct map *map, int flow)
{
	const struct flow_limits *limits = map->birth[flow].limits;
	const uint64_t *heard_ns = map->flow[flow].heard_ns;
	uint64_t last_ns = heard_ns[0] > heard_ns[1] ? heard_ns[0] : heard_ns[1];
	uint64_t end_ns = earlier(last_ns + timeout_ns(map, flow), lifetime_end_ns(map, flow));

	if (limits && limits->front_timeout_ns)
		end_ns = earlier(end_ns, heard_ns[FLOW_FORWARD] + limits->front_timeout_ns);
	if (limits && limits->back_timeout_ns)
		end_ns = earlier(end_ns, heard_ns[FLOW_REPLY] + limits->back_timeout_ns);
	return end_ns;
}

bool map_has_ended(const struct map *map, int flow, uint64_t now_ns)
{
	return now_ns >= map_end_ns(map, flow);
}

enum flow_close_reason map_life_reason(const struct map *map, int flow)
{
	uint8_t shown = map->flow[flow].shown;

	if (shown & MAP_RESET)
		return FLOW_CLOSE_RESET;
	return shown & (MAP_CLIENT_FIN | MAP_BACKEND_FIN) ? FLOW_CLOSE_CLOSED : FLOW_CLOSE_IDLE;
}

enum flow_close_reason map_end_reason(const struct map *map, int flow)
{
	if (map_end_ns(map, flow) == lifetime_end_ns(map, flow))
		return FLOW_CLOSE_LIFETIME;
	if (!map->flow[flow].left[FLOW_FORWARD])
		return FLOW_CLOSE_REQUESTS;
	return map_life_reason(map, flow);
}

bool map_begins_anew(const struct map *map, int flow, uint8_t tcp_flags)
{
	return tcp_flags & SYN && !(tcp_flags & ACK) && map_life_reason(map, flow) != FLOW_CLOSE_IDLE;
}

enum flow_inserted map_may_insert(const struct map *map, int birth)
{
	struct flow_tuple forward = map_tuple(map, birth, FLOW_FORWARD);
	struct flow_tuple reply = map_tuple(map, birth, FLOW_REPLY);
	bool opens = map->birth[birth].forward.protocol == TCP &&
		     !(map->birth[birth].tcp_flags & RST);
	enum flow_direction direction;

	if (map->birth[birth].sees_replies &&
	    (same(&forward, &reply) || map_lookup(map, &reply, &direction) != MAP_NOBODY))
		return FLOW_REPLY_COLLISION;
	if (map_live(map) == map->capacity)
		return FLOW_TABLE_FULL;
	if (opens && map_half_open(map) == map_half_open_max(map))
		return FLOW_HALF_OPEN_FULL;
	return FLOW_INSERTED;
}

static uint8_t shows(enum flow_direction direction, uint8_t tcp_flags)
{
	uint8_t shown = 0;

	if (tcp_flags & FIN)
		shown |= direction == FLOW_FORWARD ? MAP_CLIENT_FIN : MAP_BACKEND_FIN;
	if (tcp_flags & RST)
		shown |= MAP_RESET;
	return shown;
}

void map_insert(struct map *map, int birth, uint64_t now_ns, uint32_t record)
{
	const struct flow_limits *limits = map->birth[birth].limits;

	map->flow[birth] = (struct map_flow){
		.present = true,
		.shown = shows(FLOW_FORWARD, map->birth[birth].tcp_flags),
		.speaker = FLOW_FORWARD,
		.record = (uint8_t)record,
		.left = {
			limits && limits->requests ? limits->requests : FLOW_NO_LIMIT,
			limits && limits->responses ? limits->responses : FLOW_NO_LIMIT,
		},
		.created_ns = now_ns,
		.heard_ns = {now_ns, now_ns},
	};
}

void map_touch(struct map *map, int flow, enum flow_direction direction, uint8_t tcp_flags,
	       uint64_t now_ns)
{
	struct map_flow *entry = &map->flow[flow];
	bool answered = entry->shown & MAP_REPLIED || !map->birth[flow].sees_replies;
	bool acknowledges = tcp_flags & ACK && !(tcp_flags & SYN);

	if (direction == FLOW_REPLY)
		entry->shown |= MAP_REPLIED;
	if (direction == FLOW_FORWARD && answered && acknowledges)
		entry->shown |= MAP_SHOOK_HANDS;
	entry->shown |= shows(direction, tcp_flags);
	entry->heard_ns[direction] = now_ns;
	entry->speaker = (uint8_t)direction;
}

bool map_spend(struct map *map, int flow, enum flow_direction direction, uint32_t datagrams)
{
	uint32_t *left = &map->flow[flow].left[direction];

	if (*left != FLOW_NO_LIMIT)
		*left = *left > datagrams ? *left - datagrams : 0;
	return !map->flow[flow].left[FLOW_REPLY];
}

uint32_t map_live(const struct map *map)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < map->births; i++)
		count += map->flow[i].present;
	return count;
}

uint32_t map_half_open(const struct map *map)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < map->births; i++)
		count += map->flow[i].present && map_state(map, (int)i) == FLOW_TCP_SYN;
	return count;
}

/* "Half-open flows hold at most 1/8 of the table"; a table of fewer than 8 may have one. */
uint32_t map_half_open_max(const struct map *map)
{
	return map->capacity < 16 ? 1 : map->capacity / 8;
}
