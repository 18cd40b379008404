/* The packet thread's own decisions; its work is seen in namespaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_grow_while_they_are_full_up_to_the_rings),
		cmocka_unit_test(batches_shrink_while_they_are_not_half_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
