#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "appliance/path/limit.h"

#define MS UINT64_C(1000000)

static unsigned take_all(struct limiter *limiter, uint64_t now_ns)
{
	unsigned taken = 0;

	while (limiter_take(limiter, now_ns))
		taken++;
	return taken;
}

static void a_fresh_limiter_gives_a_seconds_worth_and_no_more(void **state)
{
	struct limiter at_boot = {0}, later = {0};

	(void)state;
	assert_int_equal(take_all(&at_boot, 0), LIMIT_PER_SECOND);
	assert_int_equal(take_all(&later, 5000 * MS), LIMIT_PER_SECOND);
}

static void no_second_has_more_wherever_it_begins(void **state)
{
	struct limiter limiter = {0};
	unsigned taken[5000] = {0};

	(void)state;
	for (unsigned ms = 0; ms < 5000; ms++)   /* now and then a pause, and a burst after it */
		taken[ms] = ms % 700 < 300 ? 0 : take_all(&limiter, ms * MS);
	for (unsigned begin = 0; begin + 1000 <= 5000; begin++) {
		unsigned sum = 0;

		for (unsigned ms = begin; ms < begin + 1000; ms++)
			sum += taken[ms];
		assert_in_range(sum, 0, LIMIT_PER_SECOND);
	}
}

static void a_place_is_free_again_after_a_second(void **state)
{
	struct limiter limiter = {0};

	(void)state;
	for (unsigned i = 0; i < LIMIT_PER_SECOND; i++)
		assert_true(limiter_take(&limiter, i * MS));
	assert_false(limiter_take(&limiter, 1000 * MS - 1));
	for (unsigned i = 0; i < LIMIT_PER_SECOND; i++)
		assert_int_equal(take_all(&limiter, 1000 * MS + i * MS), 1);
}

static void a_long_silence_saves_nothing(void **state)
{
	struct limiter limiter = {0};

	(void)state;
	take_all(&limiter, 0);
	assert_int_equal(take_all(&limiter, UINT64_C(3600000) * MS), LIMIT_PER_SECOND);
}

static void time_that_goes_back_gives_nothing(void **state)
{
	struct limiter limiter = {0};

	(void)state;
	take_all(&limiter, 2000 * MS);
	assert_int_equal(take_all(&limiter, 1000 * MS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_limiter_gives_a_seconds_worth_and_no_more),
		cmocka_unit_test(no_second_has_more_wherever_it_begins),
		cmocka_unit_test(a_place_is_free_again_after_a_second),
		cmocka_unit_test(a_long_silence_saves_nothing),
		cmocka_unit_test(time_that_goes_back_gives_nothing),
	};

	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
