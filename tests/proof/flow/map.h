/* The flow table as SEMANTICS 4 describes it: a list of flows, searched from its beginning.
 *
 * Written from the words of SEMANTICS, and shares with the table only the description of a birth
 * and the names of reasons and directions. What is free by definition (which record of the table
 * a flow lives in) is taken over from the table and noted.
 */
#ifndef PROOF_MAP_H
#define PROOF_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/flow.h"

enum {
	MAP_FLOWS_MAX = 6,
	MAP_NOBODY = -1,
};

/* What the packets of a flow have shown so far. */
enum {
	MAP_REPLIED = 1,
	MAP_SHOOK_HANDS = 2,
	MAP_CLIENT_FIN = 4,
	MAP_BACKEND_FIN = 8,
	MAP_RESET = 16,
};

struct map_flow {
	uint8_t present;
	uint8_t shown;
	uint8_t speaker;       /* who was heard last */
	uint8_t record;        /* of the table */
	uint32_t zero;         /* no byte of a state may be free to differ */
	uint32_t left[2];      /* datagrams of either side; FLOW_NO_LIMIT */
	uint64_t created_ns;
	uint64_t heard_ns[2];  /* of either side; both at birth */
};
_Static_assert(sizeof(struct map_flow) == 40, "no padding");

/* Flow number i is born as birth number i says. */
struct map {
	const struct flow_birth *birth;
	uint32_t births;
	uint32_t capacity;
	struct map_flow flow[MAP_FLOWS_MAX];
};

struct flow_tuple map_tuple(const struct map *map, int flow, enum flow_direction direction);

/* The flow with this tuple, whether it has ended or not, or MAP_NOBODY. */
int map_lookup(const struct map *map, const struct flow_tuple *tuple,
	       enum flow_direction *ret_direction);

uint64_t map_end_ns(const struct map *map, int flow);
bool map_has_ended(const struct map *map, int flow, uint64_t now_ns);
enum flow_close_reason map_end_reason(const struct map *map, int flow);

/* A SYN asks for a fresh choice. */
bool map_begins_anew(const struct map *map, int flow, uint8_t tcp_flags);
enum flow_close_reason map_life_reason(const struct map *map, int flow);

/* What an insertion has to say, where no flow has ended that it meets. */
enum flow_inserted map_may_insert(const struct map *map, int birth);
void map_insert(struct map *map, int birth, uint64_t now_ns, uint32_t record);
void map_touch(struct map *map, int flow, enum flow_direction direction, uint8_t tcp_flags,
	       uint64_t now_ns);

/* True where it closes the flow. */
bool map_spend(struct map *map, int flow, enum flow_direction direction, uint32_t datagrams);

enum flow_state map_state(const struct map *map, int flow);
uint32_t map_live(const struct map *map);
uint32_t map_half_open(const struct map *map);
uint32_t map_half_open_max(const struct map *map);

#endif
