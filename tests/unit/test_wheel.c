/* The timing wheel, against what a plain array of deadlines says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "appliance/path/wheel.h"

enum {
	N = 200,
	SLOTS = 128,
	TICK_SHIFT = 10,
	TICK_NS = 1 << TICK_SHIFT,
	HORIZON_NS = (SLOTS - 1) * TICK_NS, /* always within reach, wherever in its tick now is */
};

#define HOUR_NS (UINT64_C(3600) * 1000000000)

static struct wheel wheel;
static void *memory;

static int setup(void **state)
{
	(void)state;
	memory = malloc(wheel_size(N, SLOTS));
	wheel_init(&wheel, memory, N, SLOTS, TICK_SHIFT);
	return memory ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static void assert_none_due(uint64_t now_ns)
{
	assert_int_equal(wheel_next_due(&wheel, now_ns), WHEEL_NONE);
}

static void comes_up_at_the_first_tick_after_its_deadline(void **state)
{
	(void)state;
	wheel_add(&wheel, 7, 5 * TICK_NS + 1);
	assert_none_due(5 * TICK_NS + 1);
	assert_none_due(6 * TICK_NS - 1);
	assert_int_equal(wheel_next_due(&wheel, 6 * TICK_NS), 7);
	assert_none_due(6 * TICK_NS);
}

static void comes_up_at_its_deadline_where_that_is_a_tick(void **state)
{
	(void)state;
	wheel_add(&wheel, 7, 5 * TICK_NS);
	assert_none_due(5 * TICK_NS - 1);
	assert_int_equal(wheel_next_due(&wheel, 5 * TICK_NS), 7);
}

static void comes_up_at_once_where_its_deadline_has_passed(void **state)
{
	(void)state;
	assert_none_due(50 * TICK_NS);
	wheel_add(&wheel, 7, 3 * TICK_NS);
	assert_int_equal(wheel_next_due(&wheel, 51 * TICK_NS), 7);
}

static void comes_up_early_where_its_deadline_is_beyond_the_horizon(void **state)
{
	uint64_t deadline_ns = 10 * SLOTS * TICK_NS;
	unsigned visits = 0;

	(void)state;
	wheel_add(&wheel, 7, deadline_ns);
	for (uint64_t now_ns = 0; now_ns < deadline_ns; now_ns += TICK_NS) {
		if (wheel_next_due(&wheel, now_ns) == WHEEL_NONE)
			continue;
		visits++;
		wheel_add(&wheel, 7, deadline_ns);
	}
	assert_in_range(visits, 9, 11);
	assert_int_equal(wheel_next_due(&wheel, deadline_ns), 7);
}

static void one_that_is_taken_out_does_not_come_up(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		wheel_add(&wheel, i, TICK_NS);
	wheel_remove(&wheel, 1);
	wheel_remove(&wheel, 1);
	assert_int_equal(wheel_next_due(&wheel, TICK_NS), 0);
	assert_int_equal(wheel_next_due(&wheel, TICK_NS), 2);
	assert_none_due(HORIZON_NS);
}

static void one_that_is_due_can_still_be_taken_out(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		wheel_add(&wheel, i, TICK_NS);
	assert_int_equal(wheel_next_due(&wheel, TICK_NS), 0);
	wheel_remove(&wheel, 1);
	assert_int_equal(wheel_next_due(&wheel, TICK_NS), 2);
	assert_none_due(TICK_NS);
}

static void adding_again_moves(void **state)
{
	(void)state;
	wheel_add(&wheel, 7, 90 * TICK_NS);
	wheel_add(&wheel, 7, 4 * TICK_NS);
	assert_int_equal(wheel_deadline(&wheel), 4 * TICK_NS);
	assert_int_equal(wheel_next_due(&wheel, 4 * TICK_NS), 7);
	assert_none_due(100 * TICK_NS);
}

static void what_a_budget_leaves_over_comes_up_at_the_next_call(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < N; i++)
		wheel_add(&wheel, i, TICK_NS);
	for (uint32_t i = 0; i < N / 2; i++)
		assert_int_equal(wheel_next_due(&wheel, TICK_NS), i);
	assert_int_equal(wheel_deadline(&wheel), 0);
	wheel_add(&wheel, 0, 2 * TICK_NS);
	for (uint32_t i = N / 2; i < N; i++)
		assert_int_equal(wheel_next_due(&wheel, 2 * TICK_NS), i);
	assert_int_equal(wheel_next_due(&wheel, 2 * TICK_NS), 0);
	assert_none_due(2 * TICK_NS);
}

static void a_jump_of_hours_brings_each_up_once(void **state)
{
	uint64_t now_ns = 5 * HOUR_NS;
	bool seen[N] = {false};

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		wheel_add(&wheel, i, i * UINT64_C(3) * TICK_NS);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t index = wheel_next_due(&wheel, now_ns);

		assert_in_range(index, 0, N - 1);
		assert_false(seen[index]);
		seen[index] = true;
		wheel_add(&wheel, index, now_ns + TICK_NS);
	}
	assert_none_due(now_ns);
	assert_int_not_equal(wheel_next_due(&wheel, now_ns + 2 * TICK_NS), WHEEL_NONE);
}

static void time_that_goes_back_is_harmless(void **state)
{
	(void)state;
	wheel_add(&wheel, 7, 20 * TICK_NS);
	assert_none_due(19 * TICK_NS);
	assert_none_due(0);
	wheel_add(&wheel, 8, 3 * TICK_NS);
	assert_none_due(4 * TICK_NS);
	assert_int_equal(wheel_next_due(&wheel, 20 * TICK_NS), 7);
	assert_int_equal(wheel_next_due(&wheel, 20 * TICK_NS), 8);
}

static void the_end_of_time_is_a_deadline_like_any_other(void **state)
{
	(void)state;
	wheel_add(&wheel, 7, UINT64_MAX);
	assert_none_due(HORIZON_NS - TICK_NS);
	assert_int_equal(wheel_next_due(&wheel, HORIZON_NS), 7);
}

static void deadline_is_that_of_the_earliest(void **state)
{
	(void)state;
	assert_int_equal(wheel_deadline(&wheel), WHEEL_NEVER_NS);
	wheel_add(&wheel, 1, 100 * TICK_NS);
	wheel_add(&wheel, 2, 30 * TICK_NS - 5);
	wheel_add(&wheel, 3, 30 * TICK_NS);
	assert_int_equal(wheel_deadline(&wheel), 30 * TICK_NS);
	wheel_remove(&wheel, 2);
	assert_int_equal(wheel_deadline(&wheel), 30 * TICK_NS);
	wheel_remove(&wheel, 3);
	assert_int_equal(wheel_deadline(&wheel), 100 * TICK_NS);
	wheel_remove(&wheel, 1);
	assert_int_equal(wheel_deadline(&wheel), WHEEL_NEVER_NS);
}

/* When each index is to come up by a naive reading of the header; WHEEL_NEVER_NS: not queued. */
static uint64_t model[N];

static uint64_t model_deadline(void)
{
	uint64_t earliest = WHEEL_NEVER_NS;

	for (uint32_t i = 0; i < N; i++) {
		if (model[i] < earliest)
			earliest = model[i];
	}
	return earliest;
}

static uint64_t up_to_tick(uint64_t time_ns)
{
	return (time_ns + TICK_NS - 1) / TICK_NS * TICK_NS;
}

/* Takes out up to `budget`; all that come up had to, and where budget is left nobody is late. */
static void check_due(uint64_t now_ns, unsigned budget)
{
	for (; budget; budget--) {
		uint32_t index = wheel_next_due(&wheel, now_ns);

		if (index == WHEEL_NONE) {
			assert_true(model_deadline() > now_ns);
			return;
		}
		assert_true(model[index] <= now_ns);
		model[index] = WHEEL_NEVER_NS;
	}
}

static void random_use_agrees_with_an_array_of_deadlines(void **state)
{
	uint64_t now_ns = 0;

	(void)state;
	srand(20);
	for (uint32_t i = 0; i < N; i++)
		model[i] = WHEEL_NEVER_NS;
	for (unsigned step = 0; step < 300000; step++) {
		uint32_t index = (uint32_t)rand() % N;
		uint64_t deadline_ns = now_ns + (uint64_t)rand() % (HORIZON_NS - TICK_NS);

		switch (rand() % 8) {
		case 0: case 1: case 2: case 3:
			wheel_add(&wheel, index, deadline_ns);
			model[index] = up_to_tick(deadline_ns);
			/* the tick under way has come up already */
			if (model[index] <= now_ns)
				model[index] = up_to_tick(now_ns + 1);
			break;
		case 4:
			wheel_remove(&wheel, index);
			model[index] = WHEEL_NEVER_NS;
			break;
		default:
			now_ns += (uint64_t)rand() % (rand() % 50 ? TICK_NS : 3 * HORIZON_NS);
			check_due(now_ns, 1 + (unsigned)rand() % 20);
			break;
		}
		if (model_deadline() > now_ns)
			assert_int_equal(wheel_deadline(&wheel), model_deadline());
		else
			assert_true(wheel_deadline(&wheel) <= now_ns);
	}
}

#define WHEEL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WHEEL_TEST(comes_up_at_the_first_tick_after_its_deadline),
		WHEEL_TEST(comes_up_at_its_deadline_where_that_is_a_tick),
		WHEEL_TEST(comes_up_at_once_where_its_deadline_has_passed),
		WHEEL_TEST(comes_up_early_where_its_deadline_is_beyond_the_horizon),
		WHEEL_TEST(one_that_is_taken_out_does_not_come_up),
		WHEEL_TEST(one_that_is_due_can_still_be_taken_out),
		WHEEL_TEST(adding_again_moves),
		WHEEL_TEST(what_a_budget_leaves_over_comes_up_at_the_next_call),
		WHEEL_TEST(a_jump_of_hours_brings_each_up_once),
		WHEEL_TEST(time_that_goes_back_is_harmless),
		WHEEL_TEST(the_end_of_time_is_a_deadline_like_any_other),
		WHEEL_TEST(deadline_is_that_of_the_earliest),
		WHEEL_TEST(random_use_agrees_with_an_array_of_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
