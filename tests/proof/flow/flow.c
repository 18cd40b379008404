/* Searches the shipped flow table (appliance/path/flow.c, flow_index.c, flow_life.c, flow_limit.c,
 * wheel.c) against the map of map.h, in every state that the worlds of world.c can reach.
 *
 * Compared after every operation: what find says of every tuple, from both sides; every record; the
 * reasons that the hook was told; live, half-open, created and closed; the free list; every entry of
 * the index and what each bucket counts as gone on; the timer of every flow, which may not come up
 * after its end; the deadline to sleep until.
 *
 * States that differ by what cannot matter are one: the time is moved to a fixed origin, by whole
 * ticks; counters that only grow are left out; flows that have ended are as old as when it made no
 * difference any more. What may not matter is garbage whenever a state is loaded: free records, tags
 * of free entries, meters of flows without limits.
 *
 * The wheel is a small one, of the same code, and hears a time in which a step is a power of two, so
 * that steps are whole ticks (stretch() below, put between the table and the wheel by the
 * linker); order and equality of times are kept. A walk of many steps uses the table's own wheel.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/proof/flow/search.h"
#include "tests/proof/flow/world.h"

enum {
	TCP = 6,
	FIN = 1, SYN = 2, RST = 4, ACK = 16,
	STEP_SHIFT = 40,   /* a step in the wheel's time */
	ORIGIN_STEPS = 1 << 12,
	DUE = 0,           /* of timers: they have come up; ticks are later than that */
	CANARY = 64,       /* bytes behind the table's memory */
	WALK_STEPS = 300000,
	GLANCE_STATES = 1000,
	QUICK_STATES = 30000,
	QUICK_STEPS = 10000,
	WHEEL_TICK_MAX_NS = 100000000,
};

#define NOWHERE UINT64_MAX
#define FLOW_PADDING (sizeof(struct flow) - offsetof(struct flow, proxy) - sizeof(uint8_t))
#define STEP_STRETCHED (UINT64_C(1) << STEP_SHIFT)

static const struct world *world;
static struct map map;
static struct flow_table table;
static uint8_t *memory;
static void *wheel_memory;
static bool stretches;

/* Now: `steps` on the grid and -1, 0 or +1 ns. */
static uint64_t steps;
static int offset;

static uint64_t now_ns(void)
{
	return steps * STEP_NS + (uint64_t)(int64_t)offset;
}

static uint64_t stretch(uint64_t ns)
{
	uint64_t step = ns / STEP_NS + (ns % STEP_NS >= STEP_NS / 2);

	return stretches && ns != UINT64_MAX ? step * STEP_STRETCHED + (ns - step * STEP_NS) : ns;
}

void __real_wheel_add(struct wheel *wheel, uint32_t index, uint64_t deadline_ns);
uint32_t __real_wheel_next_due(struct wheel *wheel, uint64_t now_ns);
void __wrap_wheel_add(struct wheel *wheel, uint32_t index, uint64_t deadline_ns);
uint32_t __wrap_wheel_next_due(struct wheel *wheel, uint64_t now_ns);

void __wrap_wheel_add(struct wheel *wheel, uint32_t index, uint64_t deadline_ns)
{
	__real_wheel_add(wheel, index, stretch(deadline_ns));
}

uint32_t __wrap_wheel_next_due(struct wheel *wheel, uint64_t now)
{
	return __real_wheel_next_due(wheel, stretch(now));
}

static uint64_t now_tick(void)
{
	return stretch(now_ns()) >> table.wheel.tick_shift;
}

/* The tick at which something is due: the first that is not before it. */
static uint64_t tick_of(uint64_t ns)
{
	uint64_t stretched = stretch(ns), tick = stretched >> table.wheel.tick_shift;

	return tick << table.wheel.tick_shift == stretched ? tick : tick + 1;
}

/* ---- what the hook is told ---- */

static struct closing {
	uint32_t flow;
	enum flow_close_reason reason;
} told[2 * WORLD_CAPACITY_MAX], expected[2 * WORLD_CAPACITY_MAX];
static uint32_t told_count, expected_count;

static void on_close(void *context, const struct flow *flow, enum flow_close_reason reason)
{
	uint32_t number = flow->backend - 100;

	if (context != &told)
		violated("the hook gets a context that is not its own");
	if (number >= map.births) {
		violated("the hook is told of a flow that nobody knows");
		return;
	}
	struct flow_tuple forward = map_tuple(&map, (int)number, FLOW_FORWARD);

	if (memcmp(&flow->forward, &forward, sizeof(forward)))
		violated("the hook gets flow %c with another tuple", 'A' + number);
	if (told_count < 2 * WORLD_CAPACITY_MAX)
		told[told_count++] = (struct closing){number, reason};
}

static void expect_close(int flow, enum flow_close_reason reason)
{
	expected[expected_count++] = (struct closing){(uint32_t)flow, reason};
	map.flow[flow].present = false;
}

static void check_closings(void)
{
	for (uint32_t i = 0; i < told_count || i < expected_count; i++) {
		if (i >= told_count)
			violated("flow %c should have been closed as %s, and is not",
				 'A' + expected[i].flow, flow_close_reason_text(expected[i].reason));
		else if (i >= expected_count)
			violated("flow %c is closed as %s, and should not be",
				 'A' + told[i].flow, flow_close_reason_text(told[i].reason));
		else if (told[i].flow != expected[i].flow || told[i].reason != expected[i].reason)
			violated("flow %c is closed as %s; expected: flow %c as %s",
				 'A' + told[i].flow, flow_close_reason_text(told[i].reason),
				 'A' + expected[i].flow, flow_close_reason_text(expected[i].reason));
	}
}

/* ---- timers ---- */

/* Where each record's timer stands: a tick, DUE or NOWHERE. */
static uint64_t timer[WORLD_CAPACITY_MAX];
static struct queued {
	uint8_t record;
	uint8_t slot; /* counted from the cursor; `slots` stands for due */
} queue[WORLD_CAPACITY_MAX];
static uint32_t queued;

static void read_list(uint32_t head, uint64_t tick, uint32_t slot)
{
	const struct wheel *wheel = &table.wheel;
	uint32_t before = head;

	for (uint32_t i = wheel->link[head].next; i != head; i = wheel->link[i].next) {
		if (i >= table.capacity || timer[i] != NOWHERE) {
			violated("the wheel's lists are tangled at record %u", i);
			return;
		}
		if (wheel->link[i].prev != before)
			violated("the wheel's list is not linked back at record %u", i);
		timer[i] = tick;
		queue[queued++] = (struct queued){(uint8_t)i, (uint8_t)slot};
		before = i;
	}
	if (wheel->link[head].prev != before)
		violated("the wheel's list is not linked back to its head");
}

static void read_timers(void)
{
	const struct wheel *wheel = &table.wheel;
	uint32_t start = (uint32_t)wheel->cursor & (wheel->slots - 1);

	queued = 0;
	for (uint32_t i = 0; i < table.capacity; i++)
		timer[i] = NOWHERE;
	for (uint32_t i = 0; i < wheel->slots; i++) {
		uint32_t slot = (start + i) & (wheel->slots - 1), head = wheel->n + slot;

		/* Of a large wheel only what says that it is there: whoever is missing is missed. */
		if (!stretches && !wheel->occupied[slot / 64]) {
			i += 63 - slot % 64;
			continue;
		}
		bool empty = wheel->link[head].next == head;

		if (wheel->occupied[slot / 64] & UINT64_C(1) << slot % 64 ? empty : !empty)
			violated("the wheel's bitmap says otherwise than the list of slot %u", slot);
		if (!empty)
			read_list(head, wheel->cursor + i, i);
	}
	read_list(wheel->n + wheel->slots, DUE, wheel->slots);
}

/* Where a timer that is set now has to stand. */
static uint64_t exact_tick(uint64_t end_ns)
{
	uint64_t tick = tick_of(end_ns), horizon = table.wheel.cursor + table.wheel.slots - 1;

	if (tick < table.wheel.cursor)
		tick = table.wheel.cursor;
	return tick < horizon ? tick : horizon;
}

static bool must_be_exact[MAP_FLOWS_MAX];

static void check_timers(void)
{
	uint64_t first = NOWHERE, deadline;

	read_timers();
	for (uint32_t i = 0; i < table.capacity; i++)
		if (timer[i] != NOWHERE && !flow_at(&table, i))
			violated("record %u is free and still has a timer", i);
	for (uint32_t i = 0; i < map.births; i++) {
		const struct map_flow *flow = &map.flow[i];

		if (!flow->present)
			continue;
		if (timer[flow->record] == NOWHERE)
			violated("flow %c has no timer: it would never expire", 'A' + i);
		else if (timer[flow->record] > tick_of(map_end_ns(&map, (int)i)) &&
			 timer[flow->record] != table.wheel.cursor)
			violated("the timer of flow %c comes up after its end", 'A' + i);
		else if (must_be_exact[i] &&
			 timer[flow->record] != exact_tick(map_end_ns(&map, (int)i)))
			violated("the timer of flow %c is not set to the tick of its end", 'A' + i);
		if (timer[flow->record] < first)
			first = timer[flow->record];
	}
	deadline = first == NOWHERE ? WHEEL_NEVER_NS : first << table.wheel.tick_shift;
	if (flow_deadline(&table) != deadline)
		violated("the deadline to sleep until is not that of the first timer");
}

/* ---- the rest of the table ---- */

static uint64_t hash_of(const struct flow_tuple *tuple)
{
	return flow_hash(tuple, table.seed);
}

static void check_find(int owner, enum flow_direction side)
{
	struct flow_tuple tuple = map_tuple(&map, owner, side);
	uint64_t hash = hash_of(&tuple);
	enum flow_direction want_side = 7, side_found = 7;
	int want = map_lookup(&map, &tuple, &want_side);
	struct flow *found;

	if (want != MAP_NOBODY && map_has_ended(&map, want, now_ns()))
		return; /* it would be closed here: an operation of its own */
	flow_prefetch_bucket(&table, hash);
	flow_prefetch_record(&table, hash);
	found = flow_find(&table, &tuple, hash, now_ns(), &side_found);
	if (!found && want != MAP_NOBODY)
		violated("flow %c is not found by its %s tuple", 'A' + want,
			 want_side == FLOW_FORWARD ? "client's" : "backend's");
	else if (found && want == MAP_NOBODY)
		violated("record %td is found by the %s tuple of flow %c, which is not there",
			 found - table.flow, side == FLOW_FORWARD ? "client's" : "backend's",
			 'A' + owner);
	else if (found && found - table.flow != map.flow[want].record)
		violated("record %td is found where flow %c was asked for", found - table.flow,
			 'A' + want);
	else if (side_found != want_side)
		violated("flow %c is found from the wrong side", 'A' + owner);
}

static void check_record(int number)
{
	const struct map_flow *entry = &map.flow[number];
	const struct flow_birth *birth = &map.birth[number];
	struct flow *flow = &table.flow[entry->record];
	uint64_t last_ns = entry->heard_ns[entry->speaker];
	bool limited = birth->limits;

	if (flow_at(&table, entry->record) != flow)
		violated("flow %c lives in a record that says it is free", 'A' + number);
	if (memcmp(&flow->forward, &birth->forward, sizeof(birth->forward)) ||
	    !same32(flow->backend_address, birth->backend_address) ||
	    !same32(flow->source_address, birth->source_address) ||
	    !same16(flow->backend_port, birth->backend_port) ||
	    !same16(flow->source_port, birth->source_port) || flow->backend != birth->backend ||
	    flow->service != birth->service || flow->frontend != birth->frontend ||
	    flow->mode != birth->mode || flow->proxy != birth->proxy ||
	    flow->sees_replies != birth->sees_replies || flow->limited != limited ||
	    flow->idle_ms != birth->idle_timeout_ns / 1000000)
		violated("flow %c is not what it was born as", 'A' + number);
	if (flow->state != map_state(&map, number))
		violated("flow %c is %s; expected: %s", 'A' + number, flow_state_text(flow->state),
			 flow_state_text(map_state(&map, number)));
	if (flow->seen != entry->shown)
		violated("flow %c has seen %#x; expected: %#x", 'A' + number, flow->seen,
			 entry->shown);
	if (flow->last_ns != last_ns)
		violated("flow %c was not heard when it says", 'A' + number);
	if (flow_created_ns(&table, flow) != entry->created_ns)
		violated("flow %c was not created when it says", 'A' + number);
	if (flow_end_ns(&table, flow) != map_end_ns(&map, number))
		violated("flow %c ends %lld ns from now; expected: %lld ns", 'A' + number,
			 (long long)(flow_end_ns(&table, flow) - now_ns()),
			 (long long)(map_end_ns(&map, number) - now_ns()));
	if (flow_expired(&table, flow, now_ns()) != map_has_ended(&map, number, now_ns()))
		violated("flow %c: has it ended? The table and the map disagree", 'A' + number);
	if (flow_requests_left(&table, flow) != entry->left[FLOW_FORWARD])
		violated("flow %c has %u requests left; expected: %u", 'A' + number,
			 flow_requests_left(&table, flow), entry->left[FLOW_FORWARD]);
	if (limited && flow_meter_of(&table, flow)->left[FLOW_REPLY] != entry->left[FLOW_REPLY])
		violated("flow %c has %u responses left; expected: %u", 'A' + number,
			 flow_meter_of(&table, flow)->left[FLOW_REPLY], entry->left[FLOW_REPLY]);
	if (!limited && flow_meter_of(&table, flow))
		violated("flow %c has a meter and no limits", 'A' + number);
}

static uint64_t created_before, closed_before[FLOW_CLOSE_REASON_COUNT];

static void remember_counters(void)
{
	created_before = table.created;
	memcpy(closed_before, table.closed, sizeof(closed_before));
}

static void check_counters(uint32_t inserted)
{
	uint64_t closed = 0, counted[FLOW_CLOSE_REASON_COUNT] = {0};

	for (uint32_t i = 0; i < told_count; i++)
		counted[told[i].reason]++;
	for (uint32_t i = 0; i < FLOW_CLOSE_REASON_COUNT; i++) {
		closed += table.closed[i];
		if (table.closed[i] - closed_before[i] != counted[i])
			violated("closed as %s counts %llu more; expected: %llu",
				 flow_close_reason_text(i),
				 (unsigned long long)(table.closed[i] - closed_before[i]),
				 (unsigned long long)counted[i]);
	}
	if (table.created - created_before != inserted)
		violated("created counts %llu more; expected: %u",
			 (unsigned long long)(table.created - created_before), inserted);
	if (table.live != map_live(&map))
		violated("live is %u; expected: %u", table.live, map_live(&map));
	if (table.created - closed != table.live)
		violated("created - closed is not live");
	if (table.half_open != map_half_open(&map))
		violated("half-open is %u; expected: %u", table.half_open, map_half_open(&map));
	if (table.half_open_max != map_half_open_max(&map) || table.capacity != map.capacity)
		violated("the bounds of the table have changed");
}

static void check_free_records(void)
{
	bool on_list[WORLD_CAPACITY_MAX] = {false};
	uint32_t count = 0, in_use = 0;

	for (uint32_t i = table.first_free; count < table.capacity - table.live;
	     i = table.cold[i].next_free, count++) {
		if (i >= table.capacity || on_list[i] || flow_at(&table, i)) {
			violated("the list of free records is damaged: a record is lost or given twice");
			return;
		}
		on_list[i] = true;
	}
	for (uint32_t i = 0; i < table.capacity; i++)
		in_use += flow_at(&table, i) != NULL;
	if (in_use != table.live)
		violated("%u records are in use, %u flows are live", in_use, table.live);
	for (int i = 0; i < CANARY; i++)
		if (memory[flow_table_size(table.capacity) + (size_t)i] != 0xa5)
			violated("memory behind the table was written to");
}

/* Every live tuple is filed once, along its own way, and everybody who went past a bucket counts. */
static void check_index(void)
{
	const struct flow_index *index = &table.index;
	uint32_t passed[2 * WORLD_CAPACITY_MAX] = {0}, entries = 0, filed = 0;

	for (uint32_t i = 0; i < map.births; i++)
		for (enum flow_direction side = FLOW_FORWARD;
		     map.flow[i].present && side <= (enum flow_direction)map.birth[i].sees_replies;
		     side++) {
			struct flow_tuple tuple = map_tuple(&map, (int)i, side);
			struct flow_probe probe = flow_index_probe(index, hash_of(&tuple));
			uint32_t stored = map.flow[i].record * 2 + side + 1;
			bool found = false;

			entries++;
			for (uint32_t left = index->mask + 1; left && !found; left--) {
				const struct flow_bucket *bucket = &index->bucket[probe.bucket];

				for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++)
					found |= bucket->reference[way] == stored &&
						 bucket->tag[way] == probe.tag;
				if (!found)
					passed[probe.bucket]++;
				probe.bucket = (probe.bucket + 2 * probe.tag + 1) & index->mask;
			}
			if (!found)
				violated("the %s tuple of flow %c is not in the index",
					 side == FLOW_FORWARD ? "client's" : "backend's", 'A' + i);
		}
	for (uint32_t i = 0; i <= index->mask; i++) {
		for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++)
			filed += index->bucket[i].reference[way] != 0;
		if (index->bucket[i].passed != passed[i])
			violated("bucket %u counts %u entries that went on; expected: %u", i,
				 index->bucket[i].passed, passed[i]);
	}
	if (filed != entries)
		violated("the index holds %u entries; expected: %u", filed, entries);
}

static void check_all(uint32_t inserted)
{
	check_closings();
	check_counters(inserted);
	for (int i = 0; i < (int)map.births; i++)
		if (map.flow[i].present)
			check_record(i);
	if (search_has_violation())
		return;
	for (int i = 0; i < (int)map.births; i++)
		for (enum flow_direction side = FLOW_FORWARD; side <= FLOW_REPLY; side++)
			check_find(i, side);
	if (told_count != expected_count)
		violated("a lookup closed a flow that has not ended");
	check_free_records();
	check_index();
	check_timers();
}

/* ---- operations ---- */

enum kind { SEND, REPLY, LOOK_UP, CLOSE, EXPIRE, ADVANCE, SLEEP };

static struct operation {
	enum kind kind;
	uint32_t flow;
	uint32_t number; /* TCP flags, side, or budget */
	uint32_t datagrams;
} operations[128];
static uint32_t operations_count;

static void add_operation(enum kind kind, uint32_t flow, uint32_t number, uint32_t datagrams)
{
	operations[operations_count++] = (struct operation){kind, flow, number, datagrams};
}

static void list_operations(void)
{
	operations_count = 0;
	for (uint32_t flow = 0; flow < world->births; flow++) {
		uint8_t first = world->birth[flow].tcp_flags;

		add_operation(SEND, flow, first, 1);
		for (uint32_t i = 0; i < WORLD_CHOICES_MAX && world->client[i] != NO_MORE; i++)
			if (world->client[i] != first)
				add_operation(SEND, flow, world->client[i], 1);
		for (uint32_t i = 0; world->birth[flow].sees_replies && i < WORLD_CHOICES_MAX &&
				     world->backend[i] != NO_MORE; i++)
			for (uint32_t n = 1; n <= world->datagrams_max; n++)
				add_operation(REPLY, flow, world->backend[i], n);
		add_operation(LOOK_UP, flow, FLOW_FORWARD, 0);
		add_operation(LOOK_UP, flow, FLOW_REPLY, 0);
		add_operation(CLOSE, flow, FLOW_CLOSE_CLEARED, 0);
	}
	if (world->timeless)
		return;
	for (uint32_t i = 0; i < 3 && world->budget[i]; i++)
		add_operation(EXPIRE, 0, world->budget[i], 0);
	add_operation(ADVANCE, 0, 0, 0);
	add_operation(SLEEP, 0, 0, 0);
}

/* What find has to do about a tuple, in both; NULL where it finds none. */
static struct flow *find(int owner, enum flow_direction tuple_side, int *ret_flow,
			 enum flow_direction *ret_side)
{
	struct flow_tuple tuple = map_tuple(&map, owner, tuple_side);
	enum flow_direction side_found = 7;
	struct flow *found = flow_find(&table, &tuple, hash_of(&tuple), now_ns(), &side_found);

	*ret_flow = map_lookup(&map, &tuple, ret_side);
	if (*ret_flow != MAP_NOBODY && map_has_ended(&map, *ret_flow, now_ns())) {
		expect_close(*ret_flow, map_end_reason(&map, *ret_flow));
		*ret_flow = MAP_NOBODY;
		if (side_found != 7)
			violated("nothing is found, and a direction is given");
	}
	if (!found != (*ret_flow == MAP_NOBODY))
		violated(found ? "a flow is found that has ended, or never was" :
				 "a live flow is not found");
	else if (found && (found - table.flow != map.flow[*ret_flow].record ||
			   side_found != *ret_side))
		violated("another flow is found, or from the other side");
	return search_has_violation() ? NULL : found;
}

static uint32_t insert(int number, uint8_t tcp_flags)
{
	static const char *const outcome[] = {"inserted", "table full", "half-open full",
					      "reply collision"};
	struct flow_birth birth = world->birth[number];
	struct flow_tuple reply = map_tuple(&map, number, FLOW_REPLY);
	enum flow_direction side;
	struct flow *flow = NULL;
	int met = birth.sees_replies ? map_lookup(&map, &reply, &side) : MAP_NOBODY;
	enum flow_inserted want, is;

	(void)tcp_flags;
	is = flow_insert(&table, &birth, hash_of(&birth.forward), now_ns(), &flow);
	if (met != MAP_NOBODY && map_has_ended(&map, met, now_ns()))
		expect_close(met, map_end_reason(&map, met));
	want = map_may_insert(&map, number);
	if (is != want)
		violated("the insertion of flow %c says: %s; expected: %s", 'A' + number,
			 outcome[is & 3], outcome[want]);
	if (is != FLOW_INSERTED && flow)
		violated("nothing is inserted, and a flow is given");
	if (search_has_violation() || is != FLOW_INSERTED)
		return 0;
	uint32_t record = (uint32_t)(flow - table.flow);

	for (uint32_t i = 0; i < map.births; i++)
		if (record >= table.capacity || (map.flow[i].present && map.flow[i].record == record)) {
			violated("a flow is put where there is one");
			return 0;
		}
	map_insert(&map, number, now_ns(), record);
	must_be_exact[number] = true;
	return 1;
}

/* As the path does: find; where there is none, or a SYN begins anew, insert; else touch and spend. */
static uint32_t packet(const struct operation *operation, enum flow_direction side)
{
	uint8_t tcp_flags = (uint8_t)operation->number;
	enum flow_direction found_side = 7;
	int met;
	struct flow *flow = find((int)operation->flow, side, &met, &found_side);

	if (search_has_violation())
		return 0;
	if (flow && found_side == FLOW_FORWARD && map_begins_anew(&map, met, tcp_flags)) {
		if (!flow_life_is_syn(tcp_flags) || !flow_life_closing(flow->seen))
			violated("a SYN does not begin a closing flow anew");
		flow_close(&table, flow, flow_life_end(flow->seen));
		expect_close(met, map_life_reason(&map, met));
		flow = NULL;
	} else if (flow && found_side == FLOW_FORWARD && flow_life_is_syn(tcp_flags) &&
		   flow_life_closing(flow->seen)) {
		violated("a flow that is not closing is begun anew");
	}
	if (!flow)
		return side == FLOW_FORWARD && tcp_flags == world->birth[operation->flow].tcp_flags ?
			       insert((int)operation->flow, tcp_flags) : 0;
	if (found_side == FLOW_FORWARD && !flow_requests_left(&table, flow))
		return 0;
	flow_touch(&table, flow, found_side, tcp_flags, now_ns());
	map_touch(&map, met, found_side, tcp_flags, now_ns());
	flow_spend(&table, flow, found_side, operation->datagrams);
	if (map_spend(&map, met, found_side, operation->datagrams))
		expect_close(met, FLOW_CLOSE_RESPONSES);
	return 0;
}

static void close_flow(uint32_t number)
{
	flow_close(&table, &table.flow[map.flow[number].record], FLOW_CLOSE_CLEARED);
	expect_close((int)number, FLOW_CLOSE_CLEARED);
}

/* The table is free to choose whom it looks at first; the map follows the hook. */
static void expire(uint32_t budget)
{
	uint32_t up = 0, left = 0;
	bool was_up[MAP_FLOWS_MAX] = {false};

	read_timers();
	for (uint32_t i = 0; i < map.births; i++) {
		was_up[i] = map.flow[i].present && timer[map.flow[i].record] <= now_tick();
		up += was_up[i];
	}
	flow_expire(&table, now_ns(), budget);
	for (uint32_t i = 0; i < told_count; i++) {
		int flow = (int)told[i].flow;

		if (!map.flow[flow].present || !map_has_ended(&map, flow, now_ns())) {
			violated("flow %c is expired, and has not ended", 'A' + flow);
			return;
		}
		expect_close(flow, map_end_reason(&map, flow));
	}
	read_timers();
	for (uint32_t i = 0; i < map.births; i++) {
		if (!map.flow[i].present)
			continue;
		left += timer[map.flow[i].record] == DUE;
		must_be_exact[i] = was_up[i] && timer[map.flow[i].record] != DUE;
		if (up <= budget && tick_of(map_end_ns(&map, (int)i)) <= now_tick())
			violated("flow %c has ended, and is not expired", 'A' + i);
	}
	if (left != (up > budget ? up - budget : 0))
		violated("of %u timers that have come up, with a budget of %u, %u are left", up,
			 budget, left);
	if (table.wheel.cursor != now_tick() + 1)
		violated("the wheel is not where the time is");
}

/* The world's time goes on while the wheel is not too far behind. */
static bool may_advance(void)
{
	return !stretches || now_tick() <= table.wheel.cursor + world->lag_max;
}

static void advance(void)
{
	if (offset < world->last_ns) {
		offset++;
	} else {
		offset = world->first_ns;
		steps++;
	}
	if (world->prompt)
		expire(UINT32_MAX);
}

/* More than a revolution of the wheel. */
static void fall_asleep(void)
{
	uint64_t ticks = table.wheel.slots + 6;

	steps += stretches ? (ticks << table.wheel.tick_shift) >> STEP_SHIFT : 120;
}

static bool apply(uint32_t number)
{
	const struct operation *operation = &operations[number];
	uint32_t inserted = 0;

	told_count = expected_count = 0;
	memset(must_be_exact, 0, sizeof(must_be_exact));
	remember_counters();
	switch (operation->kind) {
	case SEND:
		inserted = packet(operation, FLOW_FORWARD);
		break;
	case REPLY:
		inserted = packet(operation, FLOW_REPLY);
		break;
	case LOOK_UP: {
		enum flow_direction side;
		int flow;

		find((int)operation->flow, operation->number, &flow, &side);
		break;
	}
	case CLOSE:
		if (!map.flow[operation->flow].present)
			return false;
		close_flow(operation->flow);
		break;
	case EXPIRE:
		expire(operation->number);
		break;
	case ADVANCE:
		if (!may_advance())
			return false;
		advance();
		break;
	case SLEEP:
		if (!may_advance())
			return false;
		fall_asleep();
		break;
	}
	if (!search_has_violation())
		check_all(inserted);
	return true;
}

/* ---- states, written down ---- */

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
	uint64_t back = steps - steps % period - ORIGIN_STEPS;
	uint64_t ticks = (back << STEP_SHIFT) >> table.wheel.tick_shift;
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
	for (uint32_t i = 0; i < queued; i++)
		queue[i].record = now_in[queue[i].record];
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
	uint8_t queued;
	uint8_t unused;
};

static size_t state_size(void)
{
	return sizeof(struct head) +
	       world->births * (sizeof(struct map_flow) + sizeof(struct flow) +
				sizeof(struct flow_meter) + sizeof(uint64_t)) +
	       world->capacity * (1 + sizeof(struct queued)) +
	       (table.index.mask + 1) * (FLOW_INDEX_WAYS + 1);
}

static void store(void *state)
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
		.queued = (uint8_t)queued,
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
	at = put(at, queue, queued * sizeof(*queue));
	for (uint32_t i = 0; i <= table.index.mask; i++) {
		*at++ = (uint8_t)table.index.bucket[i].passed;
		for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++)
			*at++ = (uint8_t)table.index.bucket[i].reference[way];
	}
}

static void load_wheel(const struct head *head, const struct queued *list)
{
	struct wheel *wheel = &table.wheel;

	for (uint32_t i = 0; i <= wheel->n + wheel->slots; i++)
		wheel->link[i] = (struct wheel_link){.next = i, .prev = i};
	memset(wheel->occupied, 0, wheel->slots / 8);
	wheel->cursor = head->cursor;
	for (uint32_t i = 0; i < head->queued; i++) {
		uint32_t slot = (uint32_t)(head->cursor + list[i].slot) & (wheel->slots - 1);
		uint32_t record = list[i].record, list_head = wheel->n + slot, last;

		if (list[i].slot == wheel->slots)
			list_head = wheel->n + wheel->slots;
		else
			wheel->occupied[slot / 64] |= UINT64_C(1) << slot % 64;
		last = wheel->link[list_head].prev;
		wheel->link[record] = (struct wheel_link){.next = list_head, .prev = last};
		wheel->link[last].next = record;
		wheel->link[list_head].prev = record;
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

static void load(const void *state)
{
	const uint8_t *at = state;
	struct head head;
	struct queued list[WORLD_CAPACITY_MAX];

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
	at = get(at, list, head.queued * sizeof(*list));
	load_wheel(&head, list);
	for (uint32_t i = 0; i <= table.index.mask; i++) {
		table.index.bucket[i].passed = *at++;
		for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++) {
			uint32_t stored = *at++;

			table.index.bucket[i].reference[way] = stored;
			table.index.bucket[i].tag[way] = tag_of(stored, way);
		}
	}
}

/* ---- words ---- */

static const char *flags_text(uint32_t flags)
{
	static char text[32];

	snprintf(text, sizeof(text), "%s%s%s%s", flags & SYN ? "SYN " : "",
		 flags & FIN ? "FIN " : "", flags & RST ? "RST " : "", flags & ACK ? "ACK " : "");
	return flags ? text : "data ";
}

static void tell_operation(FILE *out, uint32_t number)
{
	const struct operation *operation = &operations[number];
	char name = (char)('A' + operation->flow);

	switch (operation->kind) {
	case SEND:
		fprintf(out, "the client of %c sends %s", name, flags_text(operation->number));
		break;
	case REPLY:
		fprintf(out, "the backend of %c replies %s", name, flags_text(operation->number));
		if (world->datagrams_max > 1)
			fprintf(out, "(%u datagrams)", operation->datagrams);
		break;
	case LOOK_UP:
		fprintf(out, "the %s tuple of %c is looked up",
			operation->number == FLOW_FORWARD ? "client's" : "backend's", name);
		break;
	case CLOSE:
		fprintf(out, "flow %c is closed as cleared", name);
		break;
	case EXPIRE:
		fprintf(out, "expiry with a budget of %u", operation->number);
		break;
	case ADVANCE:
		fprintf(out, "the next instant%s", world->prompt ? ", and an expiry" : "");
		break;
	case SLEEP:
		fprintf(out, "the wheel's whole revolution passes and more");
		break;
	}
}

static void tell_ns(FILE *out, uint64_t ns)
{
	int64_t of_now = (int64_t)(ns - now_ns()), nearest;

	nearest = (of_now + (of_now < 0 ? -500000000 : 500000000)) / 1000000000;
	fprintf(out, "now%+lld s", (long long)nearest);
	if (of_now != nearest * 1000000000)
		fprintf(out, "%+lld ns", (long long)(of_now - nearest * 1000000000));
}

static void tell_birth(FILE *out, uint32_t i)
{
	const struct flow_birth *birth = &map.birth[i];

	fprintf(out, "  %c: %s, born by %s, %s", 'A' + i,
		birth->forward.protocol == TCP ? "TCP" : "UDP", flags_text(birth->tcp_flags),
		birth->sees_replies ? "sees replies" : "sees no replies");
	if (birth->idle_timeout_ns)
		fprintf(out, ", idle-timeout %llu s",
			(unsigned long long)(birth->idle_timeout_ns / 1000000000));
	if (birth->limits)
		fprintf(out, ", lifetime %llu s, front %llu s, back %llu s, requests %u, responses %u",
			(unsigned long long)(birth->limits->lifetime_ns / 1000000000),
			(unsigned long long)(birth->limits->front_timeout_ns / 1000000000),
			(unsigned long long)(birth->limits->back_timeout_ns / 1000000000),
			birth->limits->requests, birth->limits->responses);
	if (!map.flow[i].present) {
		fprintf(out, "; map: no flow\n");
		return;
	}
	fprintf(out, "; map: %s in record %u, ends ", flow_state_text(map_state(&map, (int)i)),
		map.flow[i].record);
	tell_ns(out, map_end_ns(&map, (int)i));
	fputc('\n', out);
}

static void tell_state(FILE *out)
{
	fprintf(out, "  instants: every 10 s, from %+d ns to %+d ns of it; this one is at %+d ns\n",
		world->first_ns, world->last_ns, offset);
	for (uint32_t i = 0; i < map.births; i++)
		tell_birth(out, i);
	for (uint32_t i = 0; i < table.capacity; i++) {
		const struct flow *flow = flow_at(&table, i);

		if (!flow)
			continue;
		fprintf(out, "  record %u: flow %c, %s, heard ", i, 'A' + (char)(flow->backend - 100),
			flow->state < FLOW_STATE_COUNT ? flow_state_text(flow->state) : "?");
		tell_ns(out, flow->last_ns);
		fprintf(out, ", ends ");
		tell_ns(out, flow_end_ns(&table, flow));
		fputc('\n', out);
	}
	fprintf(out, "  live %u, half-open %u of %u, created %llu, first free record %u\n",
		table.live, table.half_open, table.half_open_max,
		(unsigned long long)table.created, table.first_free);
	for (uint32_t i = 0; i <= table.index.mask; i++) {
		const struct flow_bucket *bucket = &table.index.bucket[i];

		fprintf(out, "  bucket %u: passed %u:", i, bucket->passed);
		for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++)
			if (bucket->reference[way])
				fprintf(out, " record %u %s (tag %u)", (bucket->reference[way] - 1) / 2,
					(bucket->reference[way] - 1) % 2 ? "reply" : "forward",
					bucket->tag[way]);
		fputc('\n', out);
	}
	read_timers();
	fprintf(out, "  wheel, cursor at tick %+lld of now:",
		(long long)(table.wheel.cursor - now_tick()));
	for (uint32_t i = 0; i < table.capacity; i++)
		if (timer[i] == DUE)
			fprintf(out, " record %u is due", i);
		else if (timer[i] != NOWHERE)
			fprintf(out, " record %u in %+lld ticks", i, (long long)(timer[i] - now_tick()));
	fputc('\n', out);
}

/* ---- worlds ---- */

static bool hashes_fit(uint64_t seed)
{
	for (int i = 0; i < (int)map.births; i++)
		for (enum flow_direction side = FLOW_FORWARD; side <= FLOW_REPLY; side++) {
			struct flow_tuple tuple = map_tuple(&map, i, side);
			uint64_t hash = flow_hash(&tuple, seed);

			if (hash & ~(UINT64_C(1) << 32 | 1)) {
				fprintf(stderr, "flow: the hash does not collide\n");
				exit(2);
			}
			if (world->hash <= BUCKET_1_TAG_1 &&
			    ((hash & 1) != (uint64_t)world->hash / 2 ||
			     hash >> 32 != (uint64_t)world->hash % 2))
				return false;
			if (world->hash == BUCKET_0 && hash & 1)
				return false;
		}
	return true;
}

static void begin(const struct world *of, bool own_wheel)
{
	size_t size = flow_table_size(of->capacity);
	uint64_t seed = 1;

	world = of;
	map = (struct map){.birth = of->birth, .births = of->births, .capacity = of->capacity};
	while (!hashes_fit(seed))
		seed++;
	free(memory);
	memory = aligned_alloc(FLOW_MEMORY_ALIGNMENT, size + CANARY);
	if (!memory)
		exit(2);
	memset(memory, 0xa5, size + CANARY);
	flow_table_init(&table, memory, of->capacity, seed, on_close, &told);
	stretches = !own_wheel;
	steps = ORIGIN_STEPS;
	offset = 0;
	if (!own_wheel) {
		free(wheel_memory);
		wheel_memory = malloc(wheel_size(of->capacity, of->wheel_slots));
		if (!wheel_memory)
			exit(2);
		wheel_init(&table.wheel, wheel_memory, of->capacity, of->wheel_slots,
			   (unsigned)(STEP_SHIFT - of->ticks_shift));
		table.wheel.cursor = now_tick();
	}
	list_operations();
}

static struct machine machine_of(const struct world *of)
{
	return (struct machine){
		.name = of->name,
		.size = state_size(),
		.operations = operations_count,
		.load = load,
		.store = store,
		.apply = apply,
		.tell_operation = tell_operation,
		.tell_state = tell_state,
	};
}

static bool tell_result(const char *name, const char *bound, const struct search_result *result)
{
	printf("%s\t%s\texplicit-state search\t%s\t%llu states, %llu transitions, %s\n",
	       result->violation || !result->closed ? "FAIL" : "PASS", name, bound,
	       (unsigned long long)result->states, (unsigned long long)result->transitions,
	       result->violation ? "a violation" : result->closed ? "closed" : "not closed");
	fflush(stdout);
	return !result->violation && result->closed;
}

static bool search(const struct world *of)
{
	struct search_result result;
	struct machine machine;

	begin(of, false);
	machine = machine_of(of);
	result = search_all(&machine, of->states_max);
	return tell_result(of->name, of->bound, &result);
}

/* The wheel as flow_table_init() makes it: fine enough, and far enough for the default timeouts. */
static bool wheel_fits(void)
{
	uint64_t tick_ns = UINT64_C(1) << table.wheel.tick_shift;

	return tick_ns <= WHEEL_TICK_MAX_NS && tick_ns * table.wheel.slots > 900 * UINT64_C(1000000000);
}

static bool walk(uint64_t steps_each)
{
	struct search_result sum = {.closed = true};

	for (uint32_t i = 0; i < worlds_count && !sum.violation; i++) {
		struct search_result result;
		struct machine machine;

		if (worlds[i].timeless)
			continue;
		begin(&worlds[i], true);
		machine = machine_of(&worlds[i]);
		result = search_walk(&machine, steps_each, i + 1);
		sum.transitions += result.transitions;
		sum.violation = result.violation;
		if (!wheel_fits()) {
			fprintf(stderr, "the flow table's wheel does not fit its timeouts\n");
			sum.violation = true;
		}
	}
	printf("%s\tflow table with its own wheel and clock\trandom walk\tthe same worlds, fixed seed\t"
	       "%llu operations, %s\n", sum.violation ? "FAIL" : "PASS",
	       (unsigned long long)sum.transitions, sum.violation ? "a violation" : "no violation");
	fflush(stdout);
	return !sum.violation;
}

/* Some of the states of each world, the first ones: for many runs with a fault each. */
static bool look_quickly(uint32_t states)
{
	for (uint32_t i = 0; i < worlds_count; i++) {
		struct machine machine;

		begin(&worlds[i], false);
		machine = machine_of(&worlds[i]);
		if (search_all(&machine, states).violation)
			return false;
	}
	return true;
}

/* flow [quick] */
int main(int argc, char **argv)
{
	bool quick = argc > 1 && !strcmp(argv[1], "quick"), good = true;

	if (quick)
		return look_quickly(GLANCE_STATES) && walk(QUICK_STEPS) &&
				       look_quickly(QUICK_STATES) ? 0 : 1;
	for (uint32_t i = 0; i < worlds_count; i++)
		good &= search(&worlds[i]);
	good &= walk(WALK_STEPS);
	return good ? 0 : 1;
}
