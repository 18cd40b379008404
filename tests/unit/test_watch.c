/* `monitor` at the session: a look each interval, and what a console gets of it. */
#include "tests/unit/talk.h"

enum { START_S = 1 };

/* As run(), but leaves it under way. */
static void start(struct talk *talk, unsigned flags, const char *text)
{
	forget(talk);
	talk->samples = 0;
	talk->fake.looks = 0;
	session_run(talk->session, &(struct request){.flags = flags, .source = "", .text = text,
						     .size = strlen(text)},
		    START_S * (uint64_t)SECOND);
}

/* The clock says so many tenths since the start. */
static void tenths(struct talk *talk, unsigned passed)
{
	session_poll(talk->session, START_S * (uint64_t)SECOND + passed * (uint64_t)SECOND / 10);
}

static void rows_come_after_each_interval_under_one_heading(void **state)
{
	struct talk *talk = *state;

	setenv("TZ", "UTC", 1);
	start(talk, 0, "monitor interval 2 count 2");
	assert_string_equal(talk->out, "");
	tenths(talk, 19);
	assert_string_equal(talk->out, "");
	tenths(talk, 20);
	assert_non_null(strstr(talk->out, "TIME          RX/s       RX-b/s"));
	assert_non_null(strstr(talk->out, "\n01:00:00         1          800         0"));
	assert_int_equal(talk->done, 0);
	tenths(talk, 40);
	assert_non_null(strstr(talk->out, "\n01:00:00         2         1600"));
	assert_null(strstr(strstr(talk->out, "TIME") + 1, "TIME"));
	assert_int_equal(talk->done, 1);
	assert_int_equal(talk->status, STATUS_DONE);
	assert_int_equal(talk->fake.monitors, 0);
}

static void a_service_has_its_own_columns_both_ways_added(void **state)
{
	struct talk *talk = *state;

	script(talk, web);
	start(talk, 0, "monitor service web count 1");
	tenths(talk, 10);
	assert_string_equal(talk->fake.monitor.service, "web");
	assert_non_null(strstr(talk->out, "FLOWS/s   ACTIVE     PKT/s          b/s\n"));
	assert_non_null(strstr(talk->out, "0        0      1001            0\n"));
}

static void drops_are_named_where_they_occur(void **state)
{
	struct talk *talk = *state;

	start(talk, 0, "monitor drops count 1");
	tenths(talk, 10);
	assert_true(talk->fake.monitor.drops);
	assert_non_null(strstr(talk->out, "       6  no_service 1  no_route 5\n"));
}

static void json_is_a_document_an_interval(void **state)
{
	struct talk *talk = *state;

	start(talk, REQUEST_JSON | REQUEST_SCREEN, "monitor count 2");
	assert_string_equal(talk->out, "");
	tenths(talk, 10);
	tenths(talk, 20);
	assert_ptr_equal(strstr(talk->out, "{\"schema\":1,\"monitor\":{\"appliance\":{"),
			 talk->out);
	assert_non_null(strstr(talk->out, "}}\n{\"schema\":1,"));
	assert_int_equal(talk->samples, 0);
	assert_int_equal(talk->done, 1);
}

static void a_screen_is_drawn_at_once_and_then_each_interval(void **state)
{
	struct talk *talk = *state;

	start(talk, REQUEST_SCREEN, "monitor");
	assert_int_equal(talk->samples, 1);
	tenths(talk, 10);
	assert_int_equal(talk->samples, 2);
	assert_int_equal(session_deadline(talk->session), 3 * (uint64_t)SECOND);
	session_interrupt(talk->session);
	assert_int_equal(talk->done, 1);
	assert_int_equal(talk->status, STATUS_DONE);
	assert_string_equal(talk->err, "");
	assert_int_equal(talk->fake.monitors, 0);
	assert_int_equal(session_deadline(talk->session), UINT64_MAX);
}

static void who_does_not_read_is_not_looked_for(void **state)
{
	struct talk *talk = *state;

	start(talk, REQUEST_SCREEN, "monitor");
	talk->deaf = true;
	for (unsigned i = 1; i < 10; i++)
		tenths(talk, 10 * i);
	assert_int_equal(talk->fake.looks, 1);
	talk->deaf = false;
	tenths(talk, 100);
	assert_int_equal(talk->fake.looks, 2);
	session_interrupt(talk->session);
}

static void intervals_that_were_missed_are_not_made_up_for(void **state)
{
	struct talk *talk = *state;

	start(talk, REQUEST_SCREEN, "monitor interval 1");
	tenths(talk, 75);
	assert_int_equal(talk->samples, 2);
	assert_int_equal(session_deadline(talk->session), UINT64_C(9500000000));
	session_interrupt(talk->session);
}

static void what_is_not_there_is_an_error_at_once_and_later(void **state)
{
	struct talk *talk = *state;

	start(talk, 0, "monitor service wbe");
	assert_int_equal(talk->status, STATUS_REJECTED);
	assert_string_equal(talk->err, "error: no service \"wbe\"\n");
	script(talk, web);
	start(talk, 0, "monitor service web");
	config_free(talk->fake.running);
	talk->fake.running = config_new();
	tenths(talk, 10);
	assert_int_equal(talk->done, 1);
	assert_int_equal(talk->status, STATUS_REJECTED);
	assert_string_equal(talk->err, "error: no service \"web\"\n");
	assert_int_equal(talk->fake.monitors, 0);
}

static void a_script_goes_on_after_its_monitor(void **state)
{
	struct talk *talk = *state;

	start(talk, REQUEST_SCRIPT, "monitor count 1\nclear counters\n");
	assert_int_equal(talk->fake.counter_clears, 0);
	tenths(talk, 10);
	assert_int_equal(talk->fake.counter_clears, 1);
	assert_int_equal(talk->done, 1);
}

static void a_session_that_is_closed_gives_its_monitor_back(void **state)
{
	struct talk *talk = *state;

	start(talk, REQUEST_SCREEN, "monitor");
	session_free(talk->session);
	talk->session = NULL;
	assert_int_equal(talk->fake.monitors, 0);
}

static void usage_says_that_one_excludes_the_other(void **state)
{
	struct talk *talk = *state;

	command(talk, "monitor drops service web");
	assert_int_equal(talk->status, STATUS_USAGE);
	command(talk, "monitor interval 50ms");
	assert_int_equal(talk->status, STATUS_USAGE);
	command(talk, "help monitor");
	assert_non_null(strstr(talk->out, "monitor [service SERVICE|pool POOL|drops] [interval S] "
					  "[count N]\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_come_after_each_interval_under_one_heading),
		TEST(a_service_has_its_own_columns_both_ways_added),
		TEST(drops_are_named_where_they_occur),
		TEST(json_is_a_document_an_interval),
		TEST(a_screen_is_drawn_at_once_and_then_each_interval),
		TEST(who_does_not_read_is_not_looked_for),
		TEST(intervals_that_were_missed_are_not_made_up_for),
		TEST(what_is_not_there_is_an_error_at_once_and_later),
		TEST(a_script_goes_on_after_its_monitor),
		TEST(a_session_that_is_closed_gives_its_monitor_back),
		TEST(usage_says_that_one_excludes_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
