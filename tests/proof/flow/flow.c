/* Searches the shipped flow table (appliance/path/flow.c, flow_index.c, flow_life.c, flow_limit.c,
 * wheel.c) against the map of map.h, in every state that the worlds of world.c can reach.
 *
 * Compared after every operation: what find says of every tuple, from both sides; every record; the
 * reasons that the hook was told; live, half-open, created and closed; the free list; every entry
 * of the index and what each bucket counts as gone on; the timer of every flow, which may not come
 * up after its end; the deadline to sleep until.
 *
 * States that differ by what cannot matter are one: the time is moved to a fixed origin, by whole
 * ticks; counters that only grow are left out; flows that have ended are as old as when it made no
 * difference any more. What may not matter is garbage whenever a state is loaded: free records,
 * tags of free entries, meters of flows without limits.
 *
 * The wheel is a small one, of the same code, and hears a time in which a step is a power of two,
 * so that steps are whole ticks (stretch() in table.c, put between the table and the wheel by the
 * linker); order and equality of times are kept. A walk of many steps uses the table's own wheel.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/proof/flow/search.h"
#include "tests/proof/flow/table.h"

enum {
	WALK_STEPS = 300000,
	GLANCE_STATES = 1000,
	QUICK_STATES = 30000,
	QUICK_STEPS = 10000,
	WHEEL_TICK_MAX_NS = 100000000,
};

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
	expect_exact_timer(number);
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
		left += timer[map.flow[i].record] == TIMER_DUE;
		if (was_up[i] && timer[map.flow[i].record] != TIMER_DUE)
			expect_exact_timer((int)i);
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

	steps += stretches ? (ticks << table.wheel.tick_shift) >> TABLE_STEP_SHIFT : 120;
}

static bool apply(uint32_t number)
{
	const struct operation *operation = &operations[number];
	uint32_t inserted = 0;

	check_begin();
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

static struct machine machine_of(const struct world *of)
{
	list_operations();
	return (struct machine){
		.name = of->name,
		.size = state_size(),
		.operations = operations_count,
		.load = state_load,
		.store = state_store,
		.apply = apply,
		.tell_operation = tell_operation,
		.tell_state = tell_table,
	};
}

static bool search(const struct world *of)
{
	struct search_result result;
	struct machine machine;

	table_begin(of, false);
	machine = machine_of(of);
	result = search_all(&machine, of->states_max);
	return search_tell_result(of->name, of->bound, &result);
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
		table_begin(&worlds[i], true);
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

		table_begin(&worlds[i], false);
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
