/* commit confirmed: in force at once, taken back in time, and what others do in between. */
#include "tests/unit/house.h"

#define MINUTE (60 * UINT64_C(1000000000))

static const char base[] = "add pool web\nadd backend web 10.0.0.11:80\n"
			   "add backend web 10.0.0.12:80\n";
static const char heavy[] = "add pool web\nadd backend web 10.0.0.11:80 weight 7\n"
			    "add backend web 10.0.0.12:80\n";

static bool waits(struct house *house)
{
	return house->control.confirm.revision;
}

static void pass(struct house *house, uint64_t time_ns)
{
	control_tick(&house->control, clock_now_ns() + time_ns);
}

/* r1 is the base; alice has made r2 for five minutes. */
static struct talk *alice_waits(struct house *house)
{
	struct talk *alice = house_dial(house, "alice");

	assert_int_equal(script(alice, base), STATUS_DONE);
	command(alice, "configure");
	command(alice, "set backend web 10.0.0.11:80 weight 7");
	assert_int_equal(command(alice, "commit confirmed 5 comment \"heavier\""), STATUS_DONE);
	return alice;
}

static void it_is_in_force_and_goes_back_by_itself(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house);
	char begin[] = "r2 active. Reverts to r1 at ";

	assert_memory_equal(alice->out, begin, sizeof(begin) - 1);
	assert_string_equal(strstr(alice->out, " unless"), " unless you type 'confirm'.\n");
	assert_runs(house, heavy);
	assert_true(waits(house));
	pass(house, 5 * MINUTE - SECOND);
	assert_runs(house, heavy);
	assert_non_null(strstr(house->said, "r2 by alice reverts to r1 in 1 s unless"));
	pass(house, 5 * MINUTE + 1);
	assert_runs(house, base);
	assert_stored(house);
	assert_int_equal(house->control.revision, 3);
	assert_false(waits(house));
	assert_non_null(strstr(house->said,
			       "r2 by alice was not confirmed: back to r1 (now r3)\n"));
	command(alice, "show revisions | json");
	assert_non_null(strstr(alice->out, "\"user\":\"lbd\",\"changes\":1,"
					   "\"comment\":\"r2 was not confirmed: back to r1\""));
	assert_true(confirm_deadline(&house->control) == UINT64_MAX);
	hang_up(alice);
}

static void everybody_is_reminded_before_the_end(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house);
	uint64_t now_ns = clock_now_ns();
	unsigned told = 0;

	assert_non_null(strstr(house->told_others, "r2 by alice reverts to r1 at "));
	for (uint64_t s = 1; s < 300; s++)
		control_tick(&house->control, now_ns + s * SECOND);
	for (const char *at = house->said; (at = strstr(at, "r2 by alice reverts to r1 in ")); at++)
		told++;
	assert_int_equal(told, 2);
	assert_non_null(strstr(house->said, " in 60 s unless"));
	assert_non_null(strstr(house->said, " in 10 s unless"));
	hang_up(alice);
}

static void confirm_keeps_it(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house), *bob = house_dial(house, "bob");

	assert_int_equal(command(bob, "confirm"), STATUS_DONE);
	assert_string_equal(bob->out, "r2 confirmed.\n");
	assert_non_null(strstr(house->told_others, "r2 by alice is confirmed by bob\n"));
	pass(house, 10 * MINUTE);
	assert_runs(house, heavy);
	assert_int_equal(command(bob, "confirm"), STATUS_REJECTED);
	assert_string_equal(bob->err, "error: nothing waits to be confirmed\n");
	house_close(house);
	house_open(house);
	assert_runs(house, heavy);
	assert_false(waits(house));
	hang_up(alice);
	hang_up(bob);
}

static void commit_alone_confirms_as_elsewhere(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house);

	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_string_equal(alice->out, "r2 confirmed.\n");
	assert_false(waits(house));
	assert_int_equal(command(alice, "commit"), STATUS_REJECTED);
	hang_up(alice);
}

static void a_plain_commit_of_the_same_console_confirms_and_says_so(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house);

	command(alice, "configure");
	command(alice, "add pool more");
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_string_equal(alice->out, "r3 active. r2 is confirmed.\n");
	assert_false(waits(house));
	pass(house, 10 * MINUTE);
	assert_int_equal(house->control.revision, 3);
	hang_up(alice);
}

static void what_others_commit_confirms_nothing_and_stays(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house), *bob = house_dial(house, "bob");

	assert_int_equal(command(bob, "drain backend web 10.0.0.11:80"), STATUS_DONE);
	assert_non_null(strstr(bob->out, "r3 active. r2 by alice still reverts to r1 at "));
	assert_non_null(strstr(house->told_others, "backend web/10.0.0.11:80 drain by bob (r3)\n"));
	assert_true(waits(house));
	command(bob, "configure");
	command(bob, "add pool bobs");
	assert_int_equal(command(bob, "commit"), STATUS_DONE);
	assert_true(waits(house));
	assert_non_null(strstr(house->told_others, "r4 by bob: 1 object changed\n"));
	/* Not even alice's own, at another console. */
	assert_int_equal(command(alice, "drain backend web 10.0.0.12:80"), STATUS_DONE);
	assert_true(waits(house));
	pass(house, 5 * MINUTE);
	assert_runs(house, "add pool bobs\nadd pool web\nadd backend web 10.0.0.11:80 admin drain\n"
			   "add backend web 10.0.0.12:80 admin drain\n");
	assert_stored(house);
	assert_non_null(strstr(house->said, "r2 by alice was not confirmed: back to r1, with what "
					    "others have committed since (now r6)\n"));
	hang_up(alice);
	hang_up(bob);
}

static void what_needs_what_goes_goes_with_it_and_that_is_said(void **state)
{
	struct house *house = *state;
	struct talk *alice = house_dial(house, "alice"), *bob = house_dial(house, "bob");

	script(alice, base);
	script(alice, "add pool new\nadd check hc tcp\ncommit confirmed 5\n");
	assert_true(waits(house));
	script(bob, "add backend new 10.0.0.21:80\nset pool web affinity source-ip\n");
	assert_non_null(strstr(bob->err, "warning: some of this needs r2 by alice, and goes with "
					 "it where nobody confirms it\n"));
	pass(house, 5 * MINUTE);
	assert_runs(house, "add pool web affinity source-ip\nadd backend web 10.0.0.11:80\n"
			   "add backend web 10.0.0.12:80\n");
	hang_up(alice);
	hang_up(bob);
}

static void a_second_one_of_the_same_user_joins_and_of_another_is_refused(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house), *bob = house_dial(house, "bob");

	command(bob, "configure");
	command(bob, "add pool bobs");
	assert_int_equal(command(bob, "commit confirmed 1"), STATUS_REJECTED);
	assert_non_null(strstr(bob->err, "error: r2 by alice waits to be confirmed, until "));
	assert_int_equal(house->control.revision, 2);
	command(alice, "configure");
	command(alice, "add pool alices");
	assert_int_equal(command(alice, "commit confirmed 10"), STATUS_DONE);
	assert_non_null(strstr(alice->out, "r3 active. Reverts to r1 at "));
	pass(house, 9 * MINUTE);
	assert_int_equal(house->control.revision, 3);
	/* No change, more time. */
	assert_int_equal(command(alice, "commit confirmed 20"), STATUS_DONE);
	assert_non_null(strstr(alice->out, "unchanged (r3). Reverts to r1 at "));
	pass(house, 19 * MINUTE);
	assert_int_equal(house->control.revision, 3);
	pass(house, 20 * MINUTE + SECOND);
	assert_runs(house, base);
	hang_up(alice);
	hang_up(bob);
}

static void a_rollback_past_it_leaves_nothing_to_take_back(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house);

	assert_int_equal(command(alice, "rollback 1"), STATUS_DONE);
	assert_string_equal(alice->out, "r3 active. r2 is undone by it, and waits no more.\n");
	assert_false(waits(house));
	pass(house, 10 * MINUTE);
	assert_int_equal(house->control.revision, 3);
	hang_up(alice);
}

static void kill_and_restart_in_time_goes_on_waiting(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house);

	hang_up(alice);
	house_close(house);
	house_open(house);
	assert_runs(house, heavy);
	assert_true(waits(house));
	assert_non_null(strstr(house->said, "r2 by alice reverts to r1 at "));
	alice = house_dial(house, "alice");
	command(alice, "show status | json");
	assert_non_null(strstr(alice->out, "\"unconfirmed\":2,\"unconfirmed_by\":\"alice\","
					   "\"reverts_to\":1,\"reverts_at\":1"));
	pass(house, 4 * MINUTE);
	assert_runs(house, heavy);
	pass(house, 5 * MINUTE);
	assert_runs(house, base);
	assert_stored(house);
	hang_up(alice);
}

/* As if so much time had passed while lbd was down. */
static void let_time_pass(struct house *house, int64_t minutes)
{
	struct unconfirmed row;

	assert_int_equal(store_unconfirmed(house->control.store, &row, house->error,
					   sizeof(house->error)), 0);
	row.made_ms -= minutes * 60000;
	row.deadline_ms -= minutes * 60000;
	assert_int_equal(store_set_unconfirmed(house->control.store, &row, house->error,
					       sizeof(house->error)), 0);
	free(row.text);
}

static void a_restart_past_the_deadline_takes_it_back_and_says_so(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house);

	hang_up(alice);
	let_time_pass(house, 6);
	house_close(house);
	house_open(house);
	assert_runs(house, base);
	assert_stored(house);
	assert_false(waits(house));
	assert_int_equal(house->control.revision, 3);
	assert_non_null(strstr(house->said,
			       "r2 by alice was not confirmed: back to r1 (now r3)\n"));
	house_close(house);
	house_open(house);
	assert_int_equal(house->control.revision, 3);
}

static void a_clock_that_was_set_back_gives_no_more_than_was_given(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house);

	hang_up(alice);
	let_time_pass(house, -1000);   /* the clock of the machine has lost that much */
	house_close(house);
	house_open(house);
	assert_true(waits(house));
	pass(house, 5 * MINUTE + SECOND);
	assert_runs(house, base);
}

static void with_others_commits_the_restart_keeps_them(void **state)
{
	struct house *house = *state;
	struct talk *alice = alice_waits(house), *bob = house_dial(house, "bob");

	command(bob, "drain backend web 10.0.0.12:80");
	hang_up(alice);
	hang_up(bob);
	let_time_pass(house, 6);
	house_close(house);
	house_open(house);
	assert_runs(house, "add pool web\nadd backend web 10.0.0.11:80\n"
			   "add backend web 10.0.0.12:80 admin drain\n");
	assert_stored(house);
}

static void scripts_can_have_it_by_an_option(void **state)
{
	struct house *house = *state;
	struct talk *alice = house_dial(house, "alice");
	struct request request = {
		.flags = REQUEST_SCRIPT, .confirm_ns = 5 * MINUTE, .source = "<stdin>",
		.text = "add pool a\nadd pool b\n",
	};

	assert_int_equal(run_request(alice, request), STATUS_DONE);
	assert_non_null(strstr(alice->out, "r1 active. Reverts to r0 at "));
	request.text = "add pool c\n";
	request.flags |= REQUEST_JSON;
	assert_int_equal(run_request(alice, request), STATUS_DONE);
	assert_non_null(strstr(alice->out, "{\"schema\":1,\"commit\":{\"revision\":2,"
					   "\"changed\":true,\"unconfirmed\":2,\"reverts_to\":0,\"reverts_at\":1"));
	assert_int_equal(run(alice, REQUEST_JSON, "confirm"), STATUS_DONE);
	assert_string_equal(alice->out, "{\"schema\":1,\"confirm\":{\"revision\":2}}\n");
	request.flags |= REQUEST_QUIET;
	request.text = "add pool d\n";
	assert_int_equal(run_request(alice, request), STATUS_DONE);
	assert_string_equal(alice->out, "");
	pass(house, 5 * MINUTE);
	assert_runs(house, "add pool a\nadd pool b\nadd pool c\n");
	hang_up(alice);
}

static void minutes_have_units_if_one_wants_and_a_range(void **state)
{
	struct house *house = *state;
	struct talk *alice = house_dial(house, "alice");

	command(alice, "configure");
	command(alice, "add pool a");
	assert_int_equal(command(alice, "commit confirmed"), STATUS_USAGE);
	assert_non_null(strstr(alice->err, "MIN is missing"));
	assert_int_equal(command(alice, "commit confirmed 0"), STATUS_USAGE);
	assert_int_equal(command(alice, "commit confirmed 99999"), STATUS_USAGE);
	assert_int_equal(command(alice, "commit confirmed -1"), STATUS_USAGE);
	assert_int_equal(command(alice, "commit check confirmed 5"), STATUS_USAGE);
	assert_int_equal(command(alice, "commit confirmed 30s"), STATUS_DONE);
	pass(house, 29 * UINT64_C(1000000000));
	assert_true(waits(house));
	pass(house, 30 * UINT64_C(1000000000));
	assert_false(waits(house));
	hang_up(alice);
}

#define HOUSE(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOUSE(it_is_in_force_and_goes_back_by_itself),
		HOUSE(everybody_is_reminded_before_the_end),
		HOUSE(confirm_keeps_it),
		HOUSE(commit_alone_confirms_as_elsewhere),
		HOUSE(a_plain_commit_of_the_same_console_confirms_and_says_so),
		HOUSE(what_others_commit_confirms_nothing_and_stays),
		HOUSE(what_needs_what_goes_goes_with_it_and_that_is_said),
		HOUSE(a_second_one_of_the_same_user_joins_and_of_another_is_refused),
		HOUSE(a_rollback_past_it_leaves_nothing_to_take_back),
		HOUSE(kill_and_restart_in_time_goes_on_waiting),
		HOUSE(a_restart_past_the_deadline_takes_it_back_and_says_so),
		HOUSE(a_clock_that_was_set_back_gives_no_more_than_was_given),
		HOUSE(with_others_commits_the_restart_keeps_them),
		HOUSE(scripts_can_have_it_by_an_option),
		HOUSE(minutes_have_units_if_one_wants_and_a_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
