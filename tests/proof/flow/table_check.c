/* What must be true after every operation. See flow.c. */
#include <string.h>

#include "tests/proof/flow/search.h"
#include "tests/proof/flow/table.h"

enum { GUESSED_RECORDS = 2 }; /* that a lookup is told to begin at */

/* ---- what the hook was told ---- */

static struct closing expected[2 * WORLD_CAPACITY_MAX];
static uint32_t expected_count;

void expect_close(int flow, enum flow_close_reason reason)
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

uint64_t timer[WORLD_CAPACITY_MAX];
struct lists timers;

void read_timers(void)
{
	lists_read(&table.wheel, !stretches, &timers);
	for (uint32_t i = 0; i < table.capacity; i++)
		timer[i] = TIMER_NOWHERE;
	for (uint32_t i = 0; i < timers.count; i++)
		timer[timers.at[i].member] =
			timers.at[i].due ? TIMER_DUE : table.wheel.cursor + timers.at[i].slot;
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

void expect_exact_timer(int flow)
{
	must_be_exact[flow] = true;
}

static void check_timers(void)
{
	uint64_t first = TIMER_NOWHERE, deadline;

	read_timers();
	for (uint32_t i = 0; i < table.capacity; i++)
		if (timer[i] != TIMER_NOWHERE && !flow_at(&table, i))
			violated("record %u is free and still has a timer", i);
	for (uint32_t i = 0; i < map.births; i++) {
		const struct map_flow *flow = &map.flow[i];

		if (!flow->present)
			continue;
		if (timer[flow->record] == TIMER_NOWHERE)
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
	deadline = first == TIMER_NOWHERE ? WHEEL_NEVER_NS : first << table.wheel.tick_shift;
	if (flow_deadline(&table) != deadline)
		violated("the deadline to sleep until is not that of the first timer");
}

/* ---- the rest of the table ---- */

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
	for (uint32_t reference = 0; reference <= 2 * GUESSED_RECORDS; reference++) {
		uint32_t guess = reference < 2 * GUESSED_RECORDS && reference < 2 * table.capacity ?
					 reference : FLOW_INDEX_NONE;

		side_found = 7;
		if (flow_find_at(&table, guess, &tuple, hash, now_ns(), &side_found) != found ||
		    side_found != want_side)
			violated("something else is found where the search begins at reference %d",
				 (int)guess);
	}
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

void check_begin(void)
{
	told_count = expected_count = 0;
	memset(must_be_exact, 0, sizeof(must_be_exact));
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
	if (!table_memory_is_whole())
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

void check_all(uint32_t inserted)
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
