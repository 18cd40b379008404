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

static void a_fresh_limiter_gives_its_burst_and_no_more(void **state)
{
	struct limiter at_boot = {0}, later = {0};

	(void)state;
	assert_int_equal(take_all(&at_boot, 0), LIMIT_BURST);
	assert_int_equal(take_all(&later, 5000 * MS), LIMIT_BURST);
}

static void an_empty_limiter_gives_one_token_every_ten_milliseconds(void **state)
{
	struct limiter limiter = {0};
	const uint64_t start = 1000 * MS;

	(void)state;
	take_all(&limiter, start);
	assert_false(limiter_take(&limiter, start + 10 * MS - 1));
	for (unsigned i = 1; i <= 250; i++)
		assert_int_equal(take_all(&limiter, start + i * 10 * MS), 1);
}

static void a_long_silence_saves_no_more_than_a_burst(void **state)
{
	struct limiter limiter = {0};

	(void)state;
	take_all(&limiter, 0);
	assert_int_equal(take_all(&limiter, 500 * MS), LIMIT_PER_SECOND / 2);
	assert_int_equal(take_all(&limiter, UINT64_C(3600000) * MS), LIMIT_BURST);
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
		cmocka_unit_test(a_fresh_limiter_gives_its_burst_and_no_more),
		cmocka_unit_test(an_empty_limiter_gives_one_token_every_ten_milliseconds),
		cmocka_unit_test(a_long_silence_saves_no_more_than_a_burst),
		cmocka_unit_test(time_that_goes_back_gives_nothing),
	};

	return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
