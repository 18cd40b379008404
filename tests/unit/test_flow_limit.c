/* Limits of UDP flows in the flow table: what ends a flow besides the silence of both its sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "appliance/path/flow.h"
#include "appliance/path/wire.h"

enum { CAPACITY = 16, ALL = INT32_MAX };

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)
#define TICK_NS (UINT64_C(1) << 26)
#define START_NS (77 * SECOND_NS + 12345)

static struct flow_table table;
static void *memory;
static uint64_t now_ns;

static int setup(void **state)
{
	(void)state;
	memory = aligned_alloc(FLOW_MEMORY_ALIGNMENT, flow_table_size(CAPACITY));
	assert_non_null(memory);
	flow_table_init(&table, memory, CAPACITY, 1234, NULL, NULL);
	now_ns = START_NS;
	return 0;
}

static int teardown(void **state)
{
	uint64_t closed = 0;

	(void)state;
	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		closed += table.closed[i];
	assert_int_equal(table.created - closed, table.live);
	free(memory);
	return 0;
}

static struct flow_birth birth_of(const struct flow_limits *limits)
{
	return (struct flow_birth){
		.forward = {.source = to_be32(0xc6336407), .source_port = to_be16(4000),
			    .destination = to_be32(0xcb00710a), .destination_port = to_be16(53),
			    .protocol = PROTOCOL_NUMBER_UDP},
		.backend_address = to_be32(0x0a00000b),
		.backend_port = to_be16(5353),
		.source_address = to_be32(0xc6336407),
		.source_port = to_be16(4000),
		.sees_replies = true,
		.limits = limits,
	};
}

static struct flow *begin(const struct flow_limits *limits)
{
	struct flow_birth birth = birth_of(limits);
	struct flow *flow = NULL;

	assert_int_equal(flow_insert(&table, &birth, flow_hash(&birth.forward, table.seed), now_ns,
				     &flow), FLOW_INSERTED);
	return flow;
}

static bool is_there(void)
{
	struct flow_birth birth = birth_of(NULL);
	enum flow_direction direction;

	return flow_find(&table, &birth.forward, flow_hash(&birth.forward, table.seed), now_ns,
			 &direction);
}

static void pass(struct flow *flow, enum flow_direction direction)
{
	flow_touch(&table, flow, direction, 0, now_ns);
	flow_spend(&table, flow, direction, 1);
}

/* The flow is there until `end_ns`, and then ends for `reason`: by lookup, or by the timer. */
static void assert_ends(uint64_t end_ns, enum flow_close_reason reason, bool by_timer)
{
	uint64_t before = table.closed[reason];

	now_ns = end_ns - 1;
	flow_expire(&table, now_ns, ALL);
	assert_true(is_there());
	now_ns = end_ns + (by_timer ? TICK_NS : 0);
	if (by_timer)
		flow_expire(&table, now_ns, ALL);
	else
		assert_false(is_there());
	assert_int_equal(table.live, 0);
	assert_int_equal(table.closed[reason], before + 1);
}

static void a_lifetime_is_not_prolonged_by_traffic(void **state)
{
	static const struct flow_limits limits = {.lifetime_ns = 10 * SECOND_NS};

	(void)state;
	for (int by_timer = 0; by_timer < 2; by_timer++) {
		uint64_t born_ns = now_ns;
		struct flow *flow = begin(&limits);

		for (unsigned i = 1; i < 10; i++) {
			now_ns = born_ns + i * SECOND_NS;
			pass(flow, i % 2 ? FLOW_REPLY : FLOW_FORWARD);
			flow_expire(&table, now_ns, ALL);
		}
		assert_ends(born_ns + 10 * SECOND_NS, FLOW_CLOSE_LIFETIME, by_timer);
	}
}

/* PEERS, faults seen: one deadline for two directions. */
static void each_side_has_a_deadline_of_its_own(void **state)
{
	static const struct flow_limits front = {.front_timeout_ns = 5 * SECOND_NS};
	static const struct flow_limits back = {.back_timeout_ns = 5 * SECOND_NS};

	(void)state;
	for (int by_timer = 0; by_timer < 2; by_timer++) {
		for (enum flow_direction side = FLOW_FORWARD; side <= FLOW_REPLY; side++) {
			enum flow_direction other = side == FLOW_FORWARD ? FLOW_REPLY : FLOW_FORWARD;
			uint64_t born_ns = now_ns;
			struct flow *flow = begin(side == FLOW_FORWARD ? &front : &back);

			now_ns += SECOND_NS;
			pass(flow, side);
			pass(flow, other);
			for (unsigned i = 2; i < 6; i++) {
				now_ns = born_ns + i * SECOND_NS;
				pass(flow, other);
			}
			assert_ends(born_ns + 6 * SECOND_NS, FLOW_CLOSE_IDLE, by_timer);
		}
	}
}

static void a_side_that_never_spoke_is_silent_from_the_beginning(void **state)
{
	static const struct flow_limits limits = {.back_timeout_ns = 1500 * MS_NS};
	uint64_t born_ns = now_ns;
	struct flow *flow = begin(&limits);

	(void)state;
	now_ns += SECOND_NS;
	pass(flow, FLOW_FORWARD);
	assert_ends(born_ns + 1500 * MS_NS, FLOW_CLOSE_IDLE, false);
}

static void the_earliest_deadline_counts(void **state)
{
	static const struct flow_limits limits = {
		.front_timeout_ns = 40 * SECOND_NS, .back_timeout_ns = 50 * SECOND_NS,
		.lifetime_ns = 60 * SECOND_NS,
	};
	uint64_t born_ns = now_ns;
	struct flow *flow = begin(&limits);

	(void)state;
	assert_int_equal(flow_end_ns(&table, flow), born_ns + 30 * SECOND_NS); /* one-way */
	pass(flow, FLOW_REPLY);
	assert_int_equal(flow_end_ns(&table, flow), born_ns + 40 * SECOND_NS);
	now_ns += 20 * SECOND_NS;
	pass(flow, FLOW_FORWARD);
	assert_int_equal(flow_end_ns(&table, flow), born_ns + 50 * SECOND_NS);
	pass(flow, FLOW_REPLY);
	assert_int_equal(flow_end_ns(&table, flow), born_ns + 60 * SECOND_NS);
}

/* PEERS, faults seen: a request cap that loses its own reply. */
static void a_flow_whose_requests_are_used_up_waits_for_replies(void **state)
{
	static const struct flow_limits limits = {.requests = 3};

	(void)state;
	for (int by_timer = 0; by_timer < 2; by_timer++) {
		struct flow *flow = begin(&limits);

		flow_spend(&table, flow, FLOW_FORWARD, 1);
		assert_int_equal(flow_requests_left(&table, flow), 2);
		flow_spend(&table, flow, FLOW_FORWARD, 2);
		assert_int_equal(flow_requests_left(&table, flow), 0);
		now_ns += 29 * SECOND_NS;
		for (unsigned i = 0; i < 5; i++)
			pass(flow, FLOW_REPLY);
		assert_ends(now_ns + 180 * SECOND_NS, FLOW_CLOSE_REQUESTS, by_timer);
	}
}

static void the_last_reply_closes(void **state)
{
	static const struct flow_limits limits = {.responses = 2};
	struct flow *flow = begin(&limits);

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		pass(flow, FLOW_FORWARD);
	pass(flow, FLOW_REPLY);
	assert_true(is_there());
	pass(flow, FLOW_REPLY);
	assert_false(is_there());
	assert_int_equal(table.closed[FLOW_CLOSE_RESPONSES], 1);

	flow = begin(&limits);
	flow_spend(&table, flow, FLOW_REPLY, 7); /* more than were left */
	assert_int_equal(table.closed[FLOW_CLOSE_RESPONSES], 2);
	assert_int_equal(table.live, 0);
}

static void a_flow_keeps_the_limits_that_it_was_born_with(void **state)
{
	struct flow_limits limits = {.requests = 5, .lifetime_ns = SECOND_NS};
	uint64_t born_ns = now_ns;
	struct flow *flow = begin(&limits);

	(void)state;
	limits = (struct flow_limits){.requests = 1, .lifetime_ns = 1};
	assert_int_equal(flow_requests_left(&table, flow), 5);
	assert_int_equal(flow_end_ns(&table, flow), born_ns + SECOND_NS);
}

/* A record that is used again knows nothing of its last flow's limits, nor of its timer. */
static void a_flow_without_limits_inherits_none(void **state)
{
	static const struct flow_limits limits = {.requests = 1, .responses = 1, .lifetime_ns = 1};
	struct flow *flow = begin(&limits), *next;

	(void)state;
	flow_close(&table, flow, FLOW_CLOSE_CLEARED);
	next = begin(NULL);
	assert_ptr_equal(next, flow);
	now_ns += SECOND_NS;
	flow_expire(&table, now_ns, ALL);
	pass(next, FLOW_FORWARD);
	pass(next, FLOW_REPLY);
	assert_int_equal(flow_requests_left(&table, next), FLOW_NO_LIMIT);
	assert_true(is_there());
	assert_null(flow_meter_of(&table, next));
}

/* A hit costs two cache lines: there is no third one to look at here. */
static void a_flow_without_limits_never_looks_at_a_meter(void **state)
{
	struct flow *flow;

	(void)state;
	table.meter = NULL;
	flow = begin(NULL);
	pass(flow, FLOW_FORWARD);
	pass(flow, FLOW_REPLY);
	assert_int_equal(flow_requests_left(&table, flow), FLOW_NO_LIMIT);
	assert_ends(now_ns + 180 * SECOND_NS, FLOW_CLOSE_IDLE, true);
}

/* PEERS, faults seen: times off by 1000. */
static void milliseconds_are_milliseconds(void **state)
{
	(void)state;
	assert_int_equal(flow_timeout_ms(0), 0);
	assert_int_equal(flow_timeout_ms(1), 1);
	assert_int_equal(flow_timeout_ms(MS_NS), 1);
	assert_int_equal(flow_timeout_ms(MS_NS + 1), 2);
	assert_int_equal(flow_timeout_ms(7 * 24 * 3600 * SECOND_NS), 604800000);
	assert_int_equal(flow_timeout_ms(UINT64_MAX), UINT32_MAX);
}

#define LIMIT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIMIT_TEST(a_lifetime_is_not_prolonged_by_traffic),
		LIMIT_TEST(each_side_has_a_deadline_of_its_own),
		LIMIT_TEST(a_side_that_never_spoke_is_silent_from_the_beginning),
		LIMIT_TEST(the_earliest_deadline_counts),
		LIMIT_TEST(a_flow_whose_requests_are_used_up_waits_for_replies),
		LIMIT_TEST(the_last_reply_closes),
		LIMIT_TEST(a_flow_keeps_the_limits_that_it_was_born_with),
		LIMIT_TEST(a_flow_without_limits_inherits_none),
		LIMIT_TEST(a_flow_without_limits_never_looks_at_a_meter),
		cmocka_unit_test(milliseconds_are_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
