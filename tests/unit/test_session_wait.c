/* Administrative states, what is waited for, and how a wait ends. */
#include "tests/unit/talk.h"

static void administrative_states_are_changes_of_the_configuration(void **state)
{
	struct talk *talk = *state;

	script(talk, web);
	assert_int_equal(command(talk, "drain backend web 10.0.0.11:80 timeout 30"), STATUS_DONE);
	assert_string_equal(talk->out, "r2 active.\n");
	assert_true(talk->fake.drain_timeout_ns == UINT64_C(30) * SECOND);
	assert_int_equal(command(talk, "drain backend web 10.0.0.11:80"), STATUS_DONE);
	assert_int_equal(talk->fake.drain_timeout_ns, 0);
	assert_int_equal(command(talk, "enable backend web 10.0.0.11:80"), STATUS_DONE);
	assert_int_equal(command(talk, "disable service web"), STATUS_DONE);
	assert_int_equal(command(talk, "disable backend web 10.0.0.12:80"), STATUS_REJECTED);
	assert_int_equal(talk->fake.drains, 2);
}

static void a_drain_that_waits_ends_when_no_flow_is_left(void **state)
{
	struct talk *talk = *state;

	script(talk, web);
	talk->fake.flows = 3;
	command(talk, "drain backend web 10.0.0.11:80 wait");
	assert_true(session_busy(talk->session));
	assert_int_equal(talk->done, 0);
	assert_true(session_deadline(talk->session) > SECOND &&
		    session_deadline(talk->session) < 2 * SECOND);
	session_poll(talk->session, session_deadline(talk->session));
	assert_int_equal(talk->done, 0);
	talk->fake.flows = 0;
	session_poll(talk->session, session_deadline(talk->session));
	assert_int_equal(talk->done, 1);
	assert_int_equal(talk->status, STATUS_DONE);
	assert_false(session_busy(talk->session));
	assert_true(session_deadline(talk->session) == UINT64_MAX);
}

static void a_wait_that_takes_too_long_times_out(void **state)
{
	struct talk *talk = *state;

	script(talk, web);
	talk->fake.flows = 3;
	command(talk, "drain backend web 10.0.0.11:80 timeout 250ms wait");
	session_poll(talk->session, SECOND + SECOND / 5);
	assert_int_equal(talk->done, 0);
	session_poll(talk->session, SECOND + SECOND / 4);
	assert_int_equal(talk->done, 0);
	talk->fake.flows = 0; /* the appliance closes them at the deadline */
	session_poll(talk->session, session_deadline(talk->session));
	assert_int_equal(talk->status, STATUS_TIMED_OUT);
	assert_string_equal(talk->err,
			    "error: timed out: backend web/10.0.0.11:80 had 3 flows left\n");
}

static void a_wait_is_not_held_up_by_flows_that_do_not_end(void **state)
{
	struct talk *talk = *state;

	script(talk, web);
	talk->fake.flows = 3;
	command(talk, "drain backend web 10.0.0.11:80 timeout 1 wait");
	session_poll(talk->session, 2 * (uint64_t)SECOND);
	assert_int_equal(talk->done, 0);
	session_poll(talk->session, 3 * (uint64_t)SECOND);
	assert_int_equal(talk->status, STATUS_TIMED_OUT);
}

static void enable_waits_for_the_backend_to_be_up(void **state)
{
	struct talk *talk = *state;

	script(talk, web);
	talk->fake.state = "down";
	command(talk, "enable backend web 10.0.0.11:80 wait timeout 1");
	assert_int_equal(talk->done, 0);
	talk->fake.state = "up";
	session_poll(talk->session, session_deadline(talk->session));
	assert_int_equal(talk->status, STATUS_DONE);
	talk->fake.state = "down";
	command(talk, "enable backend web 10.0.0.11:80 wait timeout 1");
	session_poll(talk->session, 2 * (uint64_t)SECOND);
	assert_int_equal(talk->status, STATUS_TIMED_OUT);
}

static void a_script_goes_on_after_its_wait(void **state)
{
	struct talk *talk = *state;

	talk->fake.flows = 1;
	script(talk,
	       "add pool web\nadd backend web 10.0.0.11:80\ndrain backend web 10.0.0.11:80 wait\n"
	       "show backend\n");
	assert_string_equal(talk->out, "r1 active.\n");
	talk->fake.flows = 0;
	session_poll(talk->session, session_deadline(talk->session));
	assert_string_equal(talk->out, "r1 active.\nweb   10.0.0.11:80       1  up\n");
	assert_int_equal(talk->status, STATUS_DONE);
}

static void an_interrupt_ends_what_waits_and_what_would_follow(void **state)
{
	struct talk *talk = *state;

	talk->fake.flows = 1;
	script(talk,
	       "add pool web\nadd backend web 10.0.0.11:80\ndrain backend web 10.0.0.11:80 wait\n"
	       "clear counters\n");
	session_interrupt(talk->session);
	assert_int_equal(talk->done, 1);
	assert_int_equal(talk->status, STATUS_TIMED_OUT);
	assert_int_equal(talk->fake.counter_clears, 0);
	assert_int_equal(talk->fake.revision, 1);
	session_interrupt(talk->session);
	assert_int_equal(talk->done, 1);
	assert_int_equal(command(talk, "add pool b"), STATUS_DONE);
}

#define TALK(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(administrative_states_are_changes_of_the_configuration),
		TALK(a_drain_that_waits_ends_when_no_flow_is_left),
		TALK(a_wait_that_takes_too_long_times_out),
		TALK(a_wait_is_not_held_up_by_flows_that_do_not_end),
		TALK(enable_waits_for_the_backend_to_be_up),
		TALK(a_script_goes_on_after_its_wait),
		TALK(an_interrupt_ends_what_waits_and_what_would_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
