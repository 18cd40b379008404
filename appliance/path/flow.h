/* The flow table: which backend a 5-tuple is bound to, found from either side.
 *
 * A hit touches two cache lines: a bucket of the index (flow_index.h), which holds tags of both
 * the forward tuple and the reply tuple, and the flow itself, which holds all that a hit needs.
 * What only birth and death need (time of birth, links of the timing wheel) lies in arrays apart, and
 * so do the meters of flows that have limits (flow_limit.h).
 *
 * All memory is given at the start by the caller; a full table says so and evicts nobody. The
 * table counts what it creates and closes, so that created - closed == live at any instant, and
 * tells its owner of every close through one hook: counts by backend and by service are the
 * owner's. It chooses no backend and rewrites no packet.
 *
 * One thread writes and reads it.
 */
#ifndef PATH_FLOW_H
#define PATH_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "appliance/path/bytes.h"
#include "appliance/path/flow_index.h"
#include "appliance/path/flow_life.h"
#include "appliance/path/flow_limit.h"
#include "appliance/path/wheel.h"

enum {
	FLOW_CAPACITY_MAX = 1 << 24, /* the index refers to a flow by 31 bits, wheel links too */
	FLOW_HALF_OPEN_SHARE = 8,    /* half-open flows hold 1/8 of the table, or 1 flow */
	FLOW_MEMORY_ALIGNMENT = 64,
};

struct flow_tuple {
	be32 source;
	be32 destination;
	be16 source_port;
	be16 destination_port;
	uint8_t protocol;
	uint8_t zero[3]; /* always 0: hash and comparison read all 16 bytes */
};
_Static_assert(sizeof(struct flow_tuple) == 16, "the hash reads a tuple of 16 bytes");

/* One cache line. */
struct flow {
	_Alignas(64) uint64_t last_ns; /* the last packet of either direction */
	struct flow_tuple forward;     /* as the client sends; protocol 0: the record is free */
	be32 backend_address;
	be32 source_address;           /* whom the backend sees: the client, or who stands for it */
	be16 backend_port;
	be16 source_port;
	uint32_t backend;              /* stable ids: they survive a change of the configuration */
	uint32_t service;
	uint32_t idle_ms;              /* the service's idle-timeout at birth, 0: defaults */
	uint16_t frontend;             /* interface that the client is behind */
	uint8_t seen;                  /* enum flow_seen */
	uint8_t state;                 /* enum flow_state, follows from `seen` */
	uint8_t mode;                  /* how packets reach the backend: the service's at birth */
	bool sees_replies;             /* replies cross the appliance: there is a reply key */
	bool limited;                  /* it has a meter */
	uint8_t last_side;             /* enum flow_direction of the last packet, where limited */
	uint8_t proxy;                 /* enum proxy_state */
	/* For its user: sides (a bit each, 1 << enum flow_direction) of which one packet was asked
	 * everything that has the same answer for all, and when, in the user's count. */
	uint8_t vetted;
	uint32_t epoch;
};
_Static_assert(sizeof(struct flow) == 64, "a flow is one cache line");

/* What a flow is born with. */
struct flow_birth {
	struct flow_tuple forward;
	be32 backend_address;
	be32 source_address;
	be16 backend_port;
	be16 source_port;
	uint32_t backend;
	uint32_t service;
	uint64_t idle_timeout_ns; /* the service's, in whole ms; 0: defaults */
	const struct flow_limits *limits; /* the service's; NULL: none */
	uint16_t frontend;
	uint8_t tcp_flags;        /* of the packet that it is born by; 0 for UDP */
	uint8_t mode;
	uint8_t proxy;
	bool sees_replies;        /* index the reply tuple as well */
};

enum flow_inserted {
	FLOW_INSERTED,
	FLOW_TABLE_FULL,
	FLOW_HALF_OPEN_FULL,
	FLOW_REPLY_COLLISION, /* a live flow's packets would look the same: try another backend */
};

/* Called with the flow as it was, after it has left the index; must not touch the table. */
typedef void flow_closed(void *context, const struct flow *flow, enum flow_close_reason reason);

union flow_cold {
	uint64_t created_ns;
	uint32_t next_free; /* of a free record */
};

struct flow_table {
	struct flow *flow;       /* [capacity] */
	struct flow_index index;
	uint64_t seed;
	flow_closed *closed_hook;
	void *context;
	union flow_cold *cold;   /* [capacity] */
	struct flow_meter *meter; /* [capacity], of flows that are limited */
	struct wheel wheel;
	uint32_t capacity;
	uint32_t first_free;
	uint32_t live;
	uint32_t half_open;
	uint32_t half_open_max;
	uint64_t created;
	uint64_t closed[FLOW_CLOSE_REASON_COUNT];
};

/* Bytes of memory for `capacity` flows, 1 to FLOW_CAPACITY_MAX: about 144 a flow. */
size_t flow_table_size(uint32_t capacity);

/* `memory` is aligned to FLOW_MEMORY_ALIGNMENT and stays the table's; every byte of it is written
 * here, so that no packet meets a page fault later. `closed_hook` may be NULL. */
void flow_table_init(struct flow_table *table, void *memory, uint32_t capacity, uint64_t seed,
		     flow_closed *closed_hook, void *context);

/* XXH3 of the 16 bytes. The index uses bits of both halves; with the snapshot's seed it picks a slot
 * of the Maglev table. Compiled with FLOW_HASH_COLLIDES it takes
 * four values only, for tests of what collisions do. */
uint64_t flow_hash(const struct flow_tuple *tuple, uint64_t seed);

/* For batches: first the bucket of every packet, then the record of every packet, then the work. */
static inline void flow_prefetch_bucket(const struct flow_table *table, uint64_t hash)
{
	flow_index_prefetch(&table->index, hash);
}

/* What the index refers to first, FLOW_INDEX_NONE where to nothing: most likely what will be found. */
static inline uint32_t flow_prefetch_record(const struct flow_table *table, uint64_t hash)
{
	struct flow_probe probe = flow_index_probe(&table->index, hash);
	uint32_t reference = flow_index_next(&table->index, &probe);

	if (reference != FLOW_INDEX_NONE)
		__builtin_prefetch(&table->flow[reference / 2], 1);
	return reference;
}

/* The live flow that a packet with this tuple belongs to, and on which side of it, or NULL. `hash`
 * is flow_hash() of the tuple. A flow that expired is closed here and not found; ret_direction is
 * untouched then. Does not refresh. */
struct flow *flow_find(struct flow_table *table, const struct flow_tuple *tuple, uint64_t hash,
		       uint64_t now_ns, enum flow_direction *ret_direction);

/* The same, where flow_prefetch_record() gave `reference` for the hash, however long ago: what it
 * refers to is looked at first. */
struct flow *flow_find_at(struct flow_table *table, uint32_t reference,
			  const struct flow_tuple *tuple, uint64_t hash, uint64_t now_ns,
			  enum flow_direction *ret_direction);

/* A new flow, for a tuple that flow_find() has just not found; `hash` is that of birth->forward.
 * On anything but FLOW_INSERTED nothing has changed and ret_flow is untouched. */
enum flow_inserted flow_insert(struct flow_table *table, const struct flow_birth *birth,
			       uint64_t hash, uint64_t now_ns, struct flow **ret_flow);

/* A packet has shown something new: `seen` are the facts with it. For flow_touch(). */
void flow_learn(struct flow_table *table, struct flow *flow, uint8_t seen);

/* Whoever speaks now was heard at last_ns from now on; the other side was so until now. */
static inline void flow_take_turns(struct flow_table *table, struct flow *flow,
				   enum flow_direction direction)
{
	if (flow->last_side == direction)
		return;
	table->meter[flow - table->flow].earlier_ns = flow->last_ns;
	flow->last_side = (uint8_t)direction;
}

/* One more packet of the flow: refreshes it and follows its life. Where the client's SYN asks for
 * a fresh choice (flow_life_is_syn() and flow_life_closing()), the caller closes it instead, with
 * flow_life_end() as reason. A `now_ns` older than the last packet refreshes nothing. */
static inline void flow_touch(struct flow_table *table, struct flow *flow,
			      enum flow_direction direction, uint8_t tcp_flags, uint64_t now_ns)
{
	uint8_t seen = flow_life_see(flow->seen, direction, tcp_flags, flow->sees_replies);

	if (flow->limited)
		flow_take_turns(table, flow, direction);
	if (now_ns > flow->last_ns)
		flow->last_ns = now_ns;
	if (seen != flow->seen)
		flow_learn(table, flow, seen);
}

/* Datagrams of the client that are within the flow's limits; FLOW_NO_LIMIT: any number. */
static inline uint32_t flow_requests_left(const struct flow_table *table, const struct flow *flow)
{
	return flow->limited ? table->meter[flow - table->flow].left[FLOW_FORWARD] : FLOW_NO_LIMIT;
}

/* Datagrams of the flow have passed, and count. The last reply that it may have closes it: `flow` is
 * not to be used then. */
void flow_spend(struct flow_table *table, struct flow *flow, enum flow_direction direction,
		uint32_t datagrams);

void flow_close(struct flow_table *table, struct flow *flow, enum flow_close_reason reason);

/* Closes what has expired, looking at no more than `budget` flows. Once a batch. */
void flow_expire(struct flow_table *table, uint64_t now_ns, uint32_t budget);

/* When flow_expire() has something to look at; WHEEL_NEVER_NS for an empty table. For sleeping. */
static inline uint64_t flow_deadline(const struct flow_table *table)
{
	return wheel_deadline(&table->wheel);
}

/* When the flow ends where no packet comes any more: its idle time is over, or one of its limits. */
static inline uint64_t flow_end_ns(const struct flow_table *table, const struct flow *flow)
{
	uint64_t idle_ns = flow->last_ns + flow_life_timeout_ns(flow->state, flow->idle_ms);

	if (!flow->limited)
		return idle_ns;
	uint64_t limit_ns = flow_meter_end_ns(&table->meter[flow - table->flow], flow->last_ns,
					      flow->last_side);
	return limit_ns < idle_ns ? limit_ns : idle_ns;
}

/* True where it has ended: now - last >= timeout. */
static inline bool flow_expired(const struct flow_table *table, const struct flow *flow,
				uint64_t now_ns)
{
	return now_ns >= flow_end_ns(table, flow);
}

/* For dumps and sweeps, in slices: the flow at `index`, 0 to capacity-1, or NULL where none is. It
 * may have expired (flow_expired) and not been met yet. */
static inline struct flow *flow_at(const struct flow_table *table, uint32_t index)
{
	struct flow *flow = &table->flow[index];

	return flow->forward.protocol ? flow : NULL;
}

static inline uint64_t flow_created_ns(const struct flow_table *table, const struct flow *flow)
{
	return table->cold[flow - table->flow].created_ns;
}

/* NULL: it has no limits. */
static inline const struct flow_meter *flow_meter_of(const struct flow_table *table,
						     const struct flow *flow)
{
	return flow->limited ? &table->meter[flow - table->flow] : NULL;
}

/* The tuple of the flow's replies, as they arrive from the backend. */
static inline struct flow_tuple flow_reply_tuple(const struct flow *flow)
{
	return (struct flow_tuple){
		.source = flow->backend_address,
		.destination = flow->source_address,
		.source_port = flow->backend_port,
		.destination_port = flow->source_port,
		.protocol = flow->forward.protocol,
	};
}

/* True where the tuple is the flow's on this side. */
static inline bool flow_has_tuple(const struct flow *flow, enum flow_direction direction,
				  const struct flow_tuple *tuple)
{
	if (direction == FLOW_FORWARD)
		return memcmp(&flow->forward, tuple, sizeof(*tuple)) == 0;
	return same32(flow->backend_address, tuple->source) &&
	       same32(flow->source_address, tuple->destination) &&
	       same16(flow->backend_port, tuple->source_port) &&
	       same16(flow->source_port, tuple->destination_port) &&
	       flow->forward.protocol == tuple->protocol;
}

#endif
