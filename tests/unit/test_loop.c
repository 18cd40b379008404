/* The packet thread's own decisions; its work is seen in namespaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "appliance/idle.h"
#include "appliance/loop.h"

static void batches_grow_while_they_are_full_up_to_the_rings(void **state)
{
	unsigned batch = LOOP_BATCH_MIN;

	(void)state;
	for (unsigned size = LOOP_BATCH_MIN; size < RING_BATCH_MAX; size *= 2) {
		assert_int_equal(batch, size);
		batch = loop_next_batch(batch, batch);
	}
	assert_int_equal(batch, RING_BATCH_MAX);
	assert_int_equal(loop_next_batch(batch, batch), RING_BATCH_MAX);
}

static void batches_shrink_while_they_are_not_half_full(void **state)
{
	(void)state;
	assert_int_equal(loop_next_batch(64, 63), 64);
	assert_int_equal(loop_next_batch(64, 32), 64);
	assert_int_equal(loop_next_batch(64, 31), 32);
	assert_int_equal(loop_next_batch(32, 1), 16);
	assert_int_equal(loop_next_batch(LOOP_BATCH_MIN, 1), LOOP_BATCH_MIN);
}

/* What is done turn after turn, a microsecond each, without work; 'p' pause, 'a' arm, 's' sleep. */
static void idle_for(struct idle *idle, uint64_t *now_ns, unsigned turns, unsigned count[256])
{
	static const char letter[] = {[IDLE_PAUSE] = 'p', [IDLE_ARM] = 'a', [IDLE_SLEEP] = 's'};

	for (unsigned i = 0; i < turns; i++) {
		enum idle_step step = idle_next(idle, false, *now_ns += 1000);

		assert_int_not_equal(step, IDLE_GO_ON);
		count[(unsigned char)letter[step]]++;
	}
}

static void busy_never_sleeps(void **state)
{
	struct idle idle = {.wait = WAIT_BUSY};
	unsigned count[256] = {0};
	uint64_t now_ns = 1000000;

	(void)state;
	idle_for(&idle, &now_ns, 100000, count);
	assert_int_equal(count['p'], 100000);
}

static void adaptive_looks_on_for_a_while_then_arms_and_looks_again_then_sleeps(void **state)
{
	struct idle idle = {.wait = WAIT_ADAPTIVE};
	unsigned count[256] = {0};
	uint64_t now_ns = 1000000;

	(void)state;
	assert_int_equal(idle_next(&idle, true, now_ns), IDLE_GO_ON);
	idle_for(&idle, &now_ns, 49, count);
	assert_int_equal(count['p'], 49);
	assert_int_equal(idle_next(&idle, false, now_ns += 1000), IDLE_ARM);
	assert_int_equal(idle_next(&idle, false, now_ns += 1000), IDLE_PAUSE);
	assert_int_equal(idle_next(&idle, false, now_ns += 1000), IDLE_PAUSE);
	assert_int_equal(idle_next(&idle, false, now_ns += 1000), IDLE_SLEEP);
}

static void sleep_arms_at_once_and_sleeps_after_a_last_look(void **state)
{
	struct idle idle = {.wait = WAIT_SLEEP};
	uint64_t now_ns = 1000000;

	(void)state;
	assert_int_equal(idle_next(&idle, true, now_ns), IDLE_GO_ON);
	assert_int_equal(idle_next(&idle, false, now_ns += 10), IDLE_ARM);
	assert_int_equal(idle_next(&idle, false, now_ns += 1000), IDLE_PAUSE);
	assert_int_equal(idle_next(&idle, false, now_ns += 5000), IDLE_SLEEP);
	/* Woken by a deadline: nothing to do, back to sleep. */
	assert_int_equal(idle_next(&idle, false, now_ns += 1000000), IDLE_ARM);
}

static void what_is_found_after_arming_is_work_before_sleep(void **state)
{
	struct idle idle = {.wait = WAIT_SLEEP};
	uint64_t now_ns = 1000000;

	(void)state;
	assert_int_equal(idle_next(&idle, false, now_ns += 1000), IDLE_ARM);
	assert_int_equal(idle_next(&idle, true, now_ns += 1000), IDLE_GO_ON);
	assert_int_equal(idle_next(&idle, false, now_ns += 1000), IDLE_ARM);
}

static void who_is_woken_by_a_packet_waits_for_it(void **state)
{
	(void)state;
	for (enum wait_mode wait = WAIT_ADAPTIVE; wait <= WAIT_SLEEP; wait++) {
		struct idle idle = {.wait = wait};
		unsigned count[256] = {0};
		uint64_t now_ns = 1000000;

		idle_woken(&idle, now_ns);
		idle_for(&idle, &now_ns, 49, count);
		assert_int_equal(count['p'], 49);
		assert_int_equal(idle_next(&idle, true, now_ns += 1000), IDLE_GO_ON);
	}
}

static void a_packet_that_does_not_come_is_not_waited_for_long(void **state)
{
	struct idle idle = {.wait = WAIT_SLEEP};
	unsigned count[256] = {0};
	uint64_t now_ns = 1000000;

	(void)state;
	idle_woken(&idle, now_ns);
	idle_for(&idle, &now_ns, 1000, count);
	assert_true(count['s'] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_grow_while_they_are_full_up_to_the_rings),
		cmocka_unit_test(batches_shrink_while_they_are_not_half_full),
		cmocka_unit_test(busy_never_sleeps),
		cmocka_unit_test(adaptive_looks_on_for_a_while_then_arms_and_looks_again_then_sleeps),
		cmocka_unit_test(sleep_arms_at_once_and_sleeps_after_a_last_look),
		cmocka_unit_test(what_is_found_after_arming_is_work_before_sleep),
		cmocka_unit_test(who_is_woken_by_a_packet_waits_for_it),
		cmocka_unit_test(a_packet_that_does_not_come_is_not_waited_for_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
