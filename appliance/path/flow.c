/* See flow.h. */
#include "appliance/path/flow.h"

#include <string.h>

enum {
	/* Ticks of 67 ms and a horizon of 18 minutes: the default timeouts fit within. */
	WHEEL_TICK_SHIFT = 26,
	WHEEL_SLOTS = 16384,
};

#define NO_FLOW UINT32_MAX

static size_t aligned(size_t size)
{
	return (size + FLOW_MEMORY_ALIGNMENT - 1) & ~(size_t)(FLOW_MEMORY_ALIGNMENT - 1);
}

static uint32_t index_of(const struct flow_table *table, const struct flow *flow)
{
	return (uint32_t)(flow - table->flow);
}

/* What the index refers to: a flow, from one of its sides. */
static uint32_t reference_to(uint32_t index, enum flow_direction direction)
{
	return index * 2 + direction;
}

size_t flow_table_size(uint32_t capacity)
{
	return aligned(capacity * sizeof(struct flow)) + aligned(flow_index_size(2 * capacity)) +
	       aligned(capacity * sizeof(union flow_cold)) +
	       aligned(capacity * sizeof(struct flow_meter)) +
	       aligned(wheel_size(capacity, WHEEL_SLOTS));
}

void flow_table_init(struct flow_table *table, void *memory, uint32_t capacity, uint64_t seed,
		     flow_closed *closed_hook, void *context)
{
	uint8_t *flows = memory;
	uint8_t *buckets = flows + aligned(capacity * sizeof(struct flow));
	uint8_t *cold = buckets + aligned(flow_index_size(2 * capacity));
	uint8_t *meters = cold + aligned(capacity * sizeof(union flow_cold));
	uint8_t *links = meters + aligned(capacity * sizeof(struct flow_meter));
	uint32_t share = capacity / FLOW_HALF_OPEN_SHARE;

	*table = (struct flow_table){
		.flow = (struct flow *)flows,
		.cold = (union flow_cold *)cold,
		.meter = (struct flow_meter *)meters,
		.seed = seed,
		.closed_hook = closed_hook,
		.context = context,
		.capacity = capacity,
		.half_open_max = share ? share : 1,
	};
	memset(flows, 0, capacity * sizeof(struct flow));
	memset(meters, 0, capacity * sizeof(struct flow_meter));
	flow_index_init(&table->index, buckets, 2 * capacity);
	wheel_init(&table->wheel, links, capacity, WHEEL_SLOTS, WHEEL_TICK_SHIFT);
	for (uint32_t i = 0; i < capacity; i++)
		table->cold[i].next_free = i + 1 < capacity ? i + 1 : NO_FLOW;
}

/* Why the flow ends where silence ends it, or its age. */
static enum flow_close_reason end_reason(const struct flow_table *table, const struct flow *flow)
{
	const struct flow_meter *meter = flow_meter_of(table, flow);

	if (meter && meter->end_ns == flow_end_ns(table, flow))
		return FLOW_CLOSE_LIFETIME;
	if (meter && !meter->left[FLOW_FORWARD])
		return FLOW_CLOSE_REQUESTS;
	return flow_life_end(flow->seen);
}

struct flow *flow_find(struct flow_table *table, const struct flow_tuple *tuple, uint64_t hash,
		       uint64_t now_ns, enum flow_direction *ret_direction)
{
	struct flow_probe probe = flow_index_probe(&table->index, hash);
	uint32_t reference;

	while ((reference = flow_index_next(&table->index, &probe)) != FLOW_INDEX_NONE) {
		struct flow *flow = &table->flow[reference / 2];

		if (!flow_has_tuple(flow, reference % 2, tuple))
			continue;
		if (flow_expired(table, flow, now_ns)) {
			flow_close(table, flow, end_reason(table, flow));
			return NULL;
		}
		*ret_direction = reference % 2;
		return flow;
	}
	return NULL;
}

struct flow *flow_find_at(struct flow_table *table, uint32_t reference,
			  const struct flow_tuple *tuple, uint64_t hash, uint64_t now_ns,
			  enum flow_direction *ret_direction)
{
	struct flow *flow = &table->flow[reference / 2];
	enum flow_direction direction = reference % 2;

	/* The record may be another flow's by now, and that one's replies need not be known. */
	if (reference == FLOW_INDEX_NONE || (direction == FLOW_REPLY && !flow->sees_replies) ||
	    !flow_has_tuple(flow, direction, tuple) || flow_expired(table, flow, now_ns))
		return flow_find(table, tuple, hash, now_ns, ret_direction);
	*ret_direction = direction;
	return flow;
}

static struct flow flow_of_birth(const struct flow_birth *birth, uint64_t now_ns)
{
	uint8_t seen = flow_life_begin(birth->tcp_flags);

	return (struct flow){
		.last_ns = now_ns,
		.forward = birth->forward,
		.backend_address = birth->backend_address,
		.source_address = birth->source_address,
		.backend_port = birth->backend_port,
		.source_port = birth->source_port,
		.backend = birth->backend,
		.service = birth->service,
		.idle_ms = flow_timeout_ms(birth->idle_timeout_ns),
		.frontend = birth->frontend,
		.seen = seen,
		.state = (uint8_t)flow_life_state(birth->forward.protocol, seen),
		.mode = birth->mode,
		.proxy = birth->proxy,
		.sees_replies = birth->sees_replies,
		.limited = birth->limits != NULL,
		.last_side = FLOW_FORWARD,
	};
}

enum flow_inserted flow_insert(struct flow_table *table, const struct flow_birth *birth,
			       uint64_t hash, uint64_t now_ns, struct flow **ret_flow)
{
	struct flow new = flow_of_birth(birth, now_ns);
	struct flow_tuple reply = flow_reply_tuple(&new);
	uint64_t reply_hash = flow_hash(&reply, table->seed);
	bool half_open = flow_life_half_open(new.forward.protocol, new.seen);
	enum flow_direction direction;
	uint32_t index;

	if (new.sees_replies && (flow_has_tuple(&new, FLOW_FORWARD, &reply) ||
				 flow_find(table, &reply, reply_hash, now_ns, &direction)))
		return FLOW_REPLY_COLLISION;
	if (table->live == table->capacity)
		return FLOW_TABLE_FULL;
	if (half_open && table->half_open == table->half_open_max)
		return FLOW_HALF_OPEN_FULL;

	index = table->first_free;
	table->first_free = table->cold[index].next_free;
	table->flow[index] = new;
	table->cold[index].created_ns = now_ns;
	if (birth->limits)
		table->meter[index] = flow_meter_begin(birth->limits, now_ns);
	flow_index_add(&table->index, hash, reference_to(index, FLOW_FORWARD));
	if (new.sees_replies)
		flow_index_add(&table->index, reply_hash, reference_to(index, FLOW_REPLY));
	wheel_add(&table->wheel, index, flow_end_ns(table, &table->flow[index]));
	table->live++;
	table->created++;
	table->half_open += half_open;
	*ret_flow = &table->flow[index];
	return FLOW_INSERTED;
}

/* Where it brings the end nearer, the wheel has to know. */
void flow_learn(struct flow_table *table, struct flow *flow, uint8_t seen)
{
	uint64_t before_ns = flow_life_timeout_ns(flow->state, flow->idle_ms);

	if (flow_life_half_open(flow->forward.protocol, flow->seen) &&
	    !flow_life_half_open(flow->forward.protocol, seen))
		table->half_open--;
	flow->seen = seen;
	flow->state = (uint8_t)flow_life_state(flow->forward.protocol, seen);
	if (flow_life_timeout_ns(flow->state, flow->idle_ms) < before_ns)
		wheel_add(&table->wheel, index_of(table, flow), flow_end_ns(table, flow));
}

void flow_spend(struct flow_table *table, struct flow *flow, enum flow_direction direction,
		uint32_t datagrams)
{
	if (!flow->limited)
		return;
	struct flow_meter *meter = &table->meter[index_of(table, flow)];

	flow_meter_spend(meter, direction, datagrams);
	if (!meter->left[FLOW_REPLY])
		flow_close(table, flow, FLOW_CLOSE_RESPONSES);
}

void flow_close(struct flow_table *table, struct flow *flow, enum flow_close_reason reason)
{
	uint32_t index = index_of(table, flow);
	struct flow_tuple reply = flow_reply_tuple(flow);

	flow_index_remove(&table->index, flow_hash(&flow->forward, table->seed),
			  reference_to(index, FLOW_FORWARD));
	if (flow->sees_replies)
		flow_index_remove(&table->index, flow_hash(&reply, table->seed),
				  reference_to(index, FLOW_REPLY));
	wheel_remove(&table->wheel, index);
	table->live--;
	table->half_open -= flow_life_half_open(flow->forward.protocol, flow->seen);
	table->closed[reason]++;
	if (table->closed_hook)
		table->closed_hook(table->context, flow, reason);

	flow->forward.protocol = 0;
	table->cold[index].next_free = table->first_free;
	table->first_free = index;
}

void flow_expire(struct flow_table *table, uint64_t now_ns, uint32_t budget)
{
	for (; budget; budget--) {
		uint32_t index = wheel_next_due(&table->wheel, now_ns);
		struct flow *flow = &table->flow[index];

		if (index == WHEEL_NONE)
			return;
		if (flow_expired(table, flow, now_ns))
			flow_close(table, flow, end_reason(table, flow));
		else
			wheel_add(&table->wheel, index, flow_end_ns(table, flow));
	}
}
