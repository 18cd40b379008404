/* States of the table, written down and taken up again. See flow.c for what is left out of them. */
#include <string.h>

#include "tests/proof/flow/table.h"

#define FLOW_PADDING (sizeof(struct flow) - offsetof(struct flow, proxy) - sizeof(uint8_t))

static void shift(uint64_t *ns, uint64_t by)
{
	if (*ns && *ns != UINT64_MAX)
		*ns += by;
}

/* Every time that belongs to a flow, in the map and in the table. */
static void shift_flow(uint32_t number, uint64_t by)
{
	struct map_flow *entry = &map.flow[number];
	uint32_t record = entry->record;

	shift(&entry->created_ns, by);
	shift(&entry->heard_ns[0], by);
	shift(&entry->heard_ns[1], by);
	shift(&table.flow[record].last_ns, by);
	shift(&table.cold[record].created_ns, by);
	if (table.flow[record].limited) {
		shift(&table.meter[record].end_ns, by);
		shift(&table.meter[record].earlier_ns, by);
	}
}

/* Times that no limit of the flow asks for are 0. */
static void forget_times(uint32_t number)
{
	const struct flow_limits *limits = map.birth[number].limits;
	struct map_flow *entry = &map.flow[number];
	uint32_t record = entry->record;

	if (!limits || !limits->lifetime_ns)
		entry->created_ns = table.cold[record].created_ns = 0;
	if (!limits) {
		entry->heard_ns[0] = entry->heard_ns[entry->speaker];
		entry->heard_ns[1] = 0;
		entry->speaker = 0;
		return;
	}
	if (!(entry->speaker == FLOW_FORWARD ? limits->back_timeout_ns : limits->front_timeout_ns))
		entry->heard_ns[!entry->speaker] = table.meter[record].earlier_ns = 0;
}

static void normalise(void)
{
	uint64_t period = world->ticks_shift < 0 ? UINT64_C(1) << -world->ticks_shift : 1;
	uint64_t back = steps - steps % period - TABLE_ORIGIN_STEPS;
	uint64_t ticks = (back << TABLE_STEP_SHIFT) >> table.wheel.tick_shift;
	struct wheel *wheel = &table.wheel;

	for (uint32_t i = 0; i < map.births; i++) {
		if (!map.flow[i].present)
			continue;
		forget_times(i);
		while (now_ns() - map_end_ns(&map, (int)i) < UINT64_MAX / 2 &&
		       now_ns() - map_end_ns(&map, (int)i) >= 2 * STEP_NS)
			shift_flow(i, STEP_NS);
		shift_flow(i, -back * STEP_NS);
	}
	steps -= back;
	wheel->cursor -= ticks;
}

/* Files an entry where the first free place on its way is. */
static void file(struct flow_index *index, uint64_t hash, uint32_t reference)
{
	struct flow_probe probe = flow_index_probe(index, hash);

	for (;; probe.bucket = (probe.bucket + 2 * probe.tag + 1) & index->mask) {
		struct flow_bucket *bucket = &index->bucket[probe.bucket];

		for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++)
			if (!bucket->reference[way]) {
				bucket->reference[way] = reference + 1;
				return;
			}
		bucket->passed++;
	}
}

/* The same flows as if they had come in order: states that differ by records and places are one. */
static void rearrange(void)
{
	struct flow flow[MAP_FLOWS_MAX];
	struct flow_meter meter[MAP_FLOWS_MAX];
	uint64_t created_ns[MAP_FLOWS_MAX];
	uint8_t now_in[WORLD_CAPACITY_MAX];
	uint32_t records = 0;

	memset(table.index.bucket, 0, (table.index.mask + 1) * sizeof(struct flow_bucket));
	for (uint32_t i = 0; i < map.births; i++) {
		uint32_t record = map.flow[i].record;

		if (!map.flow[i].present)
			continue;
		flow[records] = table.flow[record];
		meter[records] = table.meter[record];
		created_ns[records] = table.cold[record].created_ns;
		now_in[record] = (uint8_t)records;
		map.flow[i].record = (uint8_t)records++;
	}
	for (uint32_t i = 0; i < records; i++) {
		table.flow[i] = flow[i];
		table.meter[i] = meter[i];
		table.cold[i].created_ns = created_ns[i];
	}
	for (uint32_t i = 0; i < map.births; i++)
		for (enum flow_direction side = FLOW_FORWARD;
		     map.flow[i].present && side <= (enum flow_direction)map.birth[i].sees_replies;
		     side++) {
			struct flow_tuple tuple = map_tuple(&map, (int)i, side);

			file(&table.index, hash_of(&tuple), map.flow[i].record * 2 + side);
		}
	for (uint32_t i = 0; i < timers.count; i++)
		timers.at[i].member = now_in[timers.at[i].member];
	table.first_free = records < table.capacity ? records : UINT32_MAX;
	for (uint32_t i = records; i < table.capacity; i++)
		table.cold[i].next_free = i + 1 < table.capacity ? i + 1 : UINT32_MAX;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

static const uint8_t *get(const uint8_t *at, void *bytes, size_t size)
{
	memcpy(bytes, at, size);
	return at + size;
}

struct head {
	uint64_t cursor;
	uint16_t steps;
	int8_t offset;
	uint8_t first_free;
	uint8_t live;
	uint8_t half_open;
	uint8_t timers;
	uint8_t unused;
};

size_t state_size(void)
{
	return sizeof(struct head) +
	       world->births * (sizeof(struct map_flow) + sizeof(struct flow) +
				sizeof(struct flow_meter) + sizeof(uint64_t)) +
	       world->capacity * (1 + sizeof(struct listed)) +
	       (table.index.mask + 1) * (FLOW_INDEX_WAYS + 1);
}

void state_store(void *state)
{
	struct head head;
	uint8_t *at = state;

	read_timers();
	normalise();
	if (!world->arranged)
		rearrange();
	head = (struct head){
		.cursor = table.wheel.cursor,
		.steps = (uint16_t)steps,
		.offset = (int8_t)offset,
		.first_free = (uint8_t)table.first_free,
		.live = (uint8_t)table.live,
		.half_open = (uint8_t)table.half_open,
		.timers = (uint8_t)timers.count,
	};
	memset(state, 0, state_size());
	at = put(at, &head, sizeof(head));
	for (uint32_t i = 0; i < map.births; i++) {
		uint32_t record = map.flow[i].record;

		if (!map.flow[i].present)
			memset(&map.flow[i], 0, sizeof(map.flow[i]));
		at = put(at, &map.flow[i], sizeof(map.flow[i]));
		if (!map.flow[i].present)
			continue;
		at = put(at, &table.flow[record], sizeof(struct flow));
		memset(at - FLOW_PADDING, 0, FLOW_PADDING);
		at = put(at, &table.cold[record].created_ns, sizeof(uint64_t));
		if (map.birth[i].limits)
			at = put(at, &table.meter[record], sizeof(struct flow_meter));
	}
	for (uint32_t i = table.first_free, left = table.capacity - table.live; left; left--) {
		*at++ = (uint8_t)i;
		i = table.cold[i].next_free;
	}
	at = put(at, timers.at, timers.count * sizeof(*timers.at));
	for (uint32_t i = 0; i <= table.index.mask; i++) {
		*at++ = (uint8_t)table.index.bucket[i].passed;
		for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++)
			*at++ = (uint8_t)table.index.bucket[i].reference[way];
	}
}

/* The tag of a filed tuple; of a free entry: garbage that is the tag of others. */
static uint32_t tag_of(uint32_t stored, uint32_t way)
{
	const struct flow *flow = &table.flow[(stored - 1) / 2];
	struct flow_tuple tuple;

	if (!stored)
		return way & 1;
	tuple = stored & 1 ? flow->forward : flow_reply_tuple(flow);
	return (uint32_t)(hash_of(&tuple) >> 32);
}

void state_load(const void *state)
{
	const uint8_t *at = state;
	struct head head;

	at = get(at, &head, sizeof(head));
	steps = head.steps;
	offset = head.offset;
	table.first_free = head.first_free;
	table.live = head.live;
	table.half_open = head.half_open;
	table.created = head.live;
	memset(table.closed, 0, sizeof(table.closed));
	memset(table.flow, 0x5a, table.capacity * sizeof(*table.flow));
	memset(table.meter, 0x5a, table.capacity * sizeof(*table.meter));
	for (uint32_t i = 0; i < table.capacity; i++)
		table.flow[i].forward.protocol = 0;
	for (uint32_t i = 0; i < map.births; i++) {
		uint32_t record;

		at = get(at, &map.flow[i], sizeof(map.flow[i]));
		record = map.flow[i].record;
		if (!map.flow[i].present)
			continue;
		at = get(at, &table.flow[record], sizeof(struct flow));
		at = get(at, &table.cold[record].created_ns, sizeof(uint64_t));
		if (map.birth[i].limits)
			at = get(at, &table.meter[record], sizeof(struct flow_meter));
	}
	for (uint32_t i = table.capacity - table.live; i; i--) {
		uint8_t record = *at++;

		table.cold[record].created_ns = UINT64_C(0x5a5a5a5a00000000);
		table.cold[record].next_free = i > 1 ? *at : UINT32_MAX;
	}
	timers.count = head.timers;
	at = get(at, timers.at, timers.count * sizeof(*timers.at));
	table.wheel.cursor = head.cursor;
	lists_write(&table.wheel, &timers);
	for (uint32_t i = 0; i <= table.index.mask; i++) {
		table.index.bucket[i].passed = *at++;
		for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++) {
			uint32_t stored = *at++;

			table.index.bucket[i].reference[way] = stored;
			table.index.bucket[i].tag[way] = tag_of(stored, way);
		}
	}
}
