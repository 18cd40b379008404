/* An open candidate: what goes into it, what goes past it, and what two people do to each other. */
#include "tests/unit/talk.h"

static void a_candidate_is_in_force_at_its_commit(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "configure"), STATUS_DONE);
	assert_string_equal(talk->console, "candidate 0;");
	assert_string_equal(talk->out, "");
	assert_int_equal(type(talk, "add po web"), STATUS_DONE);
	assert_string_equal(talk->console, "candidate 1;");
	assert_int_equal(command(talk, "add backend web 10.0.0.11:80"), STATUS_DONE);
	assert_string_equal(talk->out, "");
	assert_config(talk, "");
	assert_int_equal(command(talk, "commit comment \"web launch\""), STATUS_DONE);
	assert_string_equal(talk->out, "r1 active.\n");
	assert_string_equal(talk->console, "candidate closed;");
	assert_string_equal(talk->fake.comment[1], "web launch");
	assert_config(talk, "add pool web\nadd backend web 10.0.0.11:80\n");
	assert_int_equal(command(talk, "set pool web affinity source-ip"), STATUS_DONE);
	assert_string_equal(talk->out, "r2 active.\n");
}

static void a_wrong_line_is_told_and_not_taken(void **state)
{
	struct talk *talk = *state;

	command(talk, "configure");
	command(talk, "add pool web");
	assert_int_equal(command(talk, "add backend wbe 10.0.0.11:80"), STATUS_REJECTED);
	assert_string_equal(talk->err, "error: no pool \"wbe\". Did you mean \"web\"?\n");
	assert_int_equal(command(talk, "add backend web 10.0.0.11:80 weight 70000"), STATUS_USAGE);
	assert_string_equal(talk->console, "");
	assert_int_equal(command(talk, "commit"), STATUS_DONE);
	assert_config(talk, "add pool web\n");
}

static void a_paste_goes_in_as_a_whole_or_not_at_all(void **state)
{
	struct talk *talk = *state;
	const unsigned paste = REQUEST_SCRIPT | REQUEST_PREFIXES;

	command(talk, "configure");
	assert_int_equal(run(talk, paste, "add pool a\nadd backend nowhere 10.0.0.1:80\n"),
			 STATUS_REJECTED);
	assert_non_null(strstr(talk->err,
			       "error: 1 of 2 lines failed; the candidate is as it was\n"));
	assert_int_equal(run(talk, paste, "add pool b\nadd pool c\n"), STATUS_DONE);
	assert_string_equal(talk->console, "candidate 2;");
	command(talk, "commit");
	assert_config(talk, "add pool b\nadd pool c\n");
	assert_int_equal(run(talk, paste, "configure\nadd pool d\n"), STATUS_DONE);
	assert_string_equal(talk->console, "candidate 1;");
	assert_int_equal(run(talk, paste, "add pool e\ncommit\nshow config | count\n"),
			 STATUS_DONE);
	assert_non_null(strstr(talk->out, "r2 active.\n"));
	assert_config(talk, "add pool b\nadd pool c\nadd pool d\nadd pool e\n");
}

static void discard_drops_it_all_or_one_line_of_it(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "discard"), STATUS_REJECTED);
	assert_string_equal(talk->err,
			    "error: no candidate is open, there is nothing to discard\n");
	command(talk, "configure");
	command(talk, "add pool a");
	command(talk, "add pool b");
	command(talk, "add backend a 10.0.0.1:80");
	assert_int_equal(command(talk, "discard 4"), STATUS_REJECTED);
	assert_string_equal(talk->err, "error: the candidate has 3 lines\n");
	assert_int_equal(command(talk, "discard 2"), STATUS_DONE);
	assert_string_equal(talk->console, "candidate 2;");
	command(talk, "show config");
	assert_string_equal(talk->out, "add pool a\nadd backend a 10.0.0.1:80\n");
	assert_int_equal(command(talk, "discard"), STATUS_DONE);
	assert_string_equal(talk->console, "candidate closed;");
	assert_int_equal(talk->fake.revision, 0);
}

static void show_config_shows_the_candidate_and_running_what_runs(void **state)
{
	struct talk *talk = *state;

	command(talk, "add pool web");
	command(talk, "configure");
	command(talk, "add pool api");
	command(talk, "show config");
	assert_string_equal(talk->out, "add pool api\nadd pool web\n");
	command(talk, "show config running");
	assert_string_equal(talk->out, "add pool web\n");
	command(talk, "export");
	assert_string_equal(talk->out, "add pool web\ncommit\n");
}

static void what_operates_acts_at_once(void **state)
{
	struct talk *talk = *state;

	script(talk, web);
	command(talk, "configure");
	command(talk, "add backend web 10.0.0.12:80");
	assert_int_equal(command(talk, "drain backend web 10.0.0.11:80 timeout 5"), STATUS_DONE);
	assert_string_equal(talk->out, "r2 active.\n");
	assert_int_equal(talk->fake.drains, 1);
	assert_true(talk->fake.drain_timeout_ns == 5 * UINT64_C(1000000000));
	assert_string_equal(talk->console, "");
	assert_int_equal(command(talk, "disable service web"), STATUS_DONE);
	assert_int_equal(command(talk, "disable backend web 10.0.0.12:80"), STATUS_REJECTED);
	assert_non_null(strstr(talk->err, "it is in the candidate only"));
	assert_int_equal(command(talk, "enable backend web 10.0.0.13:80"), STATUS_REJECTED);
	assert_non_null(strstr(talk->err, "no backend \"web/10.0.0.13:80\""));
	assert_int_equal(command(talk, "rollback 1"), STATUS_DONE);
	assert_string_equal(talk->out, "r4 active.\n");
	assert_string_equal(talk->fake.comment[4], "rollback to r1");
	assert_int_equal(command(talk, "commit"), STATUS_DONE);
	assert_config(talk, "add pool web\nadd backend web 10.0.0.11:80\n"
			    "add backend web 10.0.0.12:80\n"
			    "add service web 203.0.113.10:80/tcp pool web\n");
}

static void compare_tells_what_the_candidate_changes(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "compare"), STATUS_REJECTED);
	assert_non_null(strstr(talk->err, "no candidate is open"));
	script(talk, web);
	command(talk, "configure");
	assert_int_equal(command(talk, "compare"), STATUS_DONE);
	assert_string_equal(talk->out, "");
	command(talk, "set backend web 10.0.0.11:80 weight 7");
	command(talk, "del service web");
	command(talk, "add pool api");
	command(talk, "set global forwarding on");
	assert_int_equal(command(talk, "compare"), STATUS_DONE);
	assert_string_equal(talk->out, "- set global\n+ set global forwarding on\n"
				       "+ add pool api\n"
				       "- add backend web 10.0.0.11:80\n"
				       "+ add backend web 10.0.0.11:80 weight 7\n"
				       "- add service web 203.0.113.10:80/tcp pool web\n");
	assert_int_equal(command(talk, "compare | json"), STATUS_DONE);
	assert_non_null(strstr(talk->out,
			       "{\"schema\":1,\"compare\":{\"from\":1,\"to\":null,"
			       "\"changes\":[{\"kind\":\"global\",\"name\":\"global\","
			       "\"change\":\"changed\","));
	command(talk, "commit");
	assert_int_equal(command(talk, "compare 1"), STATUS_DONE);
	assert_non_null(strstr(talk->out, "+ add pool api\n"));
	assert_int_equal(command(talk, "compare 2 1"), STATUS_DONE);
	assert_non_null(strstr(talk->out, "- add pool api\n"));
	assert_int_equal(command(talk, "compare 1 1"), STATUS_DONE);
	assert_string_equal(talk->out, "");
	assert_int_equal(command(talk, "compare 9"), STATUS_REJECTED);
	assert_string_equal(talk->err, "error: no revision r9\n");
}

static void commit_check_tells_and_changes_nothing(void **state)
{
	struct talk *talk = *state;

	talk->fake.flows = 3;
	command(talk, "configure");
	command(talk, "add pool web");
	assert_int_equal(command(talk, "compare"), STATUS_DONE);
	assert_string_equal(talk->out, "+ add pool web\nflows change\n");
	assert_int_equal(command(talk, "commit check"), STATUS_DONE);
	assert_string_equal(talk->out, "would change 1 object.\nflows change\n");
	talk->fake.flows = 0;
	assert_int_equal(command(talk, "commit check"), STATUS_DONE);
	assert_string_equal(talk->out, "would change 1 object.\n");
	assert_config(talk, "");
	assert_string_equal(talk->console, "");
	assert_int_equal(run(talk, REQUEST_CHECK, "commit"), STATUS_WOULD_CHANGE);
	assert_string_equal(talk->console, "candidate closed;");
	assert_config(talk, "");
	command(talk, "add pool web");
	assert_int_equal(script(talk, "add pool more\ncommit check\nshow config\n"), STATUS_DONE);
	assert_string_equal(talk->out, "would change 1 object.\n");
	assert_config(talk, "add pool web\n");
}

static void what_is_refused_stays_in_the_candidate(void **state)
{
	struct talk *talk = *state;

	command(talk, "configure");
	command(talk, "add pool web");
	talk->fake.refusal = "the disk is full";
	assert_int_equal(command(talk, "commit"), STATUS_REJECTED);
	assert_string_equal(talk->err, "error: the disk is full\n"
				       "error: nothing was applied (still at r0)\n");
	assert_string_equal(talk->console, "");
	talk->fake.refusal = NULL;
	assert_int_equal(command(talk, "commit"), STATUS_DONE);
	assert_config(talk, "add pool web\n");
}

static void a_candidate_without_lines_changes_nothing(void **state)
{
	struct talk *talk = *state;

	command(talk, "configure");
	assert_int_equal(command(talk, "configure"), STATUS_REJECTED);
	assert_non_null(strstr(talk->err, "a candidate is open already"));
	assert_int_equal(command(talk, "commit"), STATUS_DONE);
	assert_string_equal(talk->out, "unchanged (r0).\n");
	assert_string_equal(talk->console, "candidate closed;");
}

static void a_script_that_says_configure_must_say_commit(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(script(talk, "configure\nadd pool web\n"), STATUS_REJECTED);
	assert_string_equal(talk->err, "error: the script says \"configure\" and never \"commit\": "
				       "it may have been cut short\n"
				       "error: nothing was applied (still at r0)\n");
	assert_string_equal(talk->console, "");
	assert_int_equal(script(talk, "configure\nadd pool web\ncommit\n"), STATUS_DONE);
	assert_config(talk, "add pool web\n");
	assert_int_equal(script(talk, "add pool a\nconfigure\ncommit\n"), STATUS_REJECTED);
	assert_int_equal(run(talk, REQUEST_SCRIPT | REQUEST_EACH,
			     "configure\nadd pool b\nadd pool c\ncommit\nshow config | count\n"),
			 STATUS_DONE);
	assert_int_equal(talk->fake.revision, 2);
}

static void a_file_is_loaded_into_the_candidate(void **state)
{
	struct talk *talk = *state;

	command(talk, "add pool old");
	command(talk, "configure");
	command(talk, "add pool typed");
	assert_int_equal(load(talk, "load lb.conf", "add pool more\n"), STATUS_DONE);
	command(talk, "show config");
	assert_string_equal(talk->out, "add pool more\nadd pool old\nadd pool typed\n");
	assert_int_equal(load(talk, "load lb.conf replace", web), STATUS_REJECTED);
	assert_non_null(strstr(talk->err, "does not end with \"commit\""));
	command(talk, "show config | count");
	assert_int_equal(load(talk, "load lb.conf replace", "add pool web\ncommit\n"), STATUS_DONE);
	assert_config(talk, "add pool old\n");
	command(talk, "add pool after");
	assert_int_equal(command(talk, "commit"), STATUS_DONE);
	assert_config(talk, "add pool after\nadd pool web\n");
}

/* ---- two people ---- */

static struct talk *two_people(struct talk *talk)
{
	script(talk, "add pool web\nadd backend web 10.0.0.11:80\nadd backend web 10.0.0.12:80\n"
		     "add pool api\n");
	return dial(talk, "bob");
}

static void what_is_unrelated_merges_without_a_word(void **state)
{
	struct talk *alice = *state, *bob = two_people(alice);

	command(alice, "configure");
	command(alice, "set backend web 10.0.0.11:80 weight 7");
	command(bob, "configure");
	command(bob, "set backend web 10.0.0.11:80 name blue");
	command(bob, "del pool api");
	assert_int_equal(command(bob, "commit"), STATUS_DONE);
	assert_int_equal(command(bob, "drain backend web 10.0.0.11:80"), STATUS_DONE);
	command(alice, "compare");
	assert_string_equal(alice->out,
			    "- add backend web 10.0.0.11:80 name blue admin drain\n"
			    "+ add backend web 10.0.0.11:80 weight 7 name blue admin drain\n");
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_string_equal(alice->err, "");
	assert_config(alice, "add pool web\n"
			     "add backend web 10.0.0.11:80 weight 7 name blue admin drain\n"
			     "add backend web 10.0.0.12:80\n");
	hang_up(bob);
}

static void the_same_change_by_both_is_no_conflict(void **state)
{
	struct talk *alice = *state, *bob = two_people(alice);

	command(alice, "configure");
	command(alice, "set backend web 10.0.0.11:80 weight 7");
	command(alice, "del pool api");
	command(alice, "add pool new");
	command(bob, "set backend web 10.0.0.11:80 weight 7");
	command(bob, "del pool api");
	command(bob, "add pool new");
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_string_equal(alice->out, "unchanged (r4).\n");
	hang_up(bob);
}

static void a_setting_that_both_changed_is_a_conflict(void **state)
{
	struct talk *alice = *state, *bob = two_people(alice);

	command(alice, "configure");
	command(alice, "set pool web affinity source-ip");
	command(alice, "set backend web 10.0.0.11:80 weight 7 name red");
	command(bob, "set backend web 10.0.0.11:80 weight 9");
	command(bob, "set backend web 10.0.0.11:80 admin drain");
	assert_int_equal(command(alice, "commit check"), STATUS_REJECTED);
	assert_int_equal(command(alice, "commit"), STATUS_REJECTED);
	assert_string_equal(
		alice->err,
		"<candidate>:2:37: error: conflict: weight is 9 "
		"since r2 by bob, it was 1\n"
		"set backend web 10.0.0.11:80 weight 7 name red\n"
		"                                    ^\n"
		"error: 1 line conflicts; nothing was applied (still at r3)\n"
		"Type a line again to have it anyway, or drop it with `discard N`.\n");
	/* Typed again: it is meant. The name that came with it is not lost. */
	assert_int_equal(command(alice, "set backend web 10.0.0.11:80 weight 7"), STATUS_DONE);
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_config(alice, "add pool api\nadd pool web affinity source-ip\n"
			     "add backend web 10.0.0.11:80 weight 7 name red admin drain\n"
			     "add backend web 10.0.0.12:80\n");
	hang_up(bob);
}

static void a_conflict_is_over_when_its_line_is_dropped(void **state)
{
	struct talk *alice = *state, *bob = two_people(alice);

	command(alice, "configure");
	command(alice, "set backend web 10.0.0.11:80 weight 7");
	command(alice, "add pool more");
	command(bob, "set backend web 10.0.0.11:80 weight 9");
	assert_int_equal(command(alice, "commit"), STATUS_REJECTED);
	assert_int_equal(command(alice, "discard 1"), STATUS_DONE);
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_config(alice, "add pool api\nadd pool more\nadd pool web\n"
			     "add backend web 10.0.0.11:80 weight 9\n"
			     "add backend web 10.0.0.12:80\n");
	hang_up(bob);
}

static void what_is_deleted_meanwhile_is_a_conflict(void **state)
{
	struct talk *alice = *state, *bob = two_people(alice);

	command(alice, "configure");
	command(alice, "set backend web 10.0.0.12:80 weight 3");
	command(alice, "add backend api 10.0.0.13:80");
	command(bob, "add pool unrelated");
	command(bob, "del backend web 10.0.0.12:80");
	command(bob, "del pool api");
	assert_int_equal(command(alice, "commit"), STATUS_REJECTED);
	assert_non_null(strstr(alice->err, "<candidate>:1:1: error: conflict: backend "
					   "\"web/10.0.0.12:80\" is gone since r3 by bob\n"
					   "set backend web 10.0.0.12:80 weight 3\n"));
	assert_non_null(strstr(alice->err, "pool \"api\" is gone since r4 by bob"));
	assert_non_null(strstr(alice->err, "error: 2 lines conflict;"));
	hang_up(bob);
}

static void what_is_needed_or_made_meanwhile_is_a_conflict(void **state)
{
	struct talk *alice = *state, *bob = two_people(alice);

	command(alice, "configure");
	command(alice, "del pool api");
	command(alice, "add pool new");
	command(bob, "add service s 203.0.113.9:80/tcp pool api");
	command(bob, "add pool new affinity source-ip");
	assert_int_equal(command(alice, "commit"), STATUS_REJECTED);
	assert_non_null(strstr(alice->err, "conflict: pool \"api\" is in use by service \"s\" "
					   "since r2 by bob\n"));
	assert_non_null(strstr(alice->err, "pool \"new\" exists with affinity source-ip, not "
					   "5-tuple; to change it, use \"set pool\" since r3 by "
					   "bob\n"));
	hang_up(bob);
}

static void what_was_there_and_is_not_is_a_conflict_and_the_other_way_round(void **state)
{
	struct talk *alice = *state, *bob = two_people(alice);

	command(alice, "configure");
	command(alice, "add pool api");
	command(alice, "del pool later if-exists");
	command(bob, "del pool api");
	command(bob, "add pool later");
	assert_int_equal(command(alice, "commit"), STATUS_REJECTED);
	assert_non_null(strstr(alice->err, "pool \"api\" is gone since r2 by bob\n"));
	assert_non_null(strstr(alice->err, "pool \"later\" is there since r3 by bob\n"));
	command(alice, "add pool api");
	command(alice, "del pool later");
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_config(alice, "add pool api\nadd pool web\nadd backend web 10.0.0.11:80\n"
			     "add backend web 10.0.0.12:80\n");
	hang_up(bob);
}

static void what_changed_is_not_deleted_without_a_word(void **state)
{
	struct talk *alice = *state, *bob = two_people(alice);

	command(alice, "configure");
	command(alice, "del backend web 10.0.0.11:80");
	command(alice, "del backend web 10.0.0.12:80");
	command(bob, "set backend web 10.0.0.11:80 weight 9");
	command(bob, "drain backend web 10.0.0.12:80");   /* of what goes, of course */
	assert_int_equal(command(alice, "commit"), STATUS_REJECTED);
	assert_non_null(strstr(alice->err, "backend \"web/10.0.0.11:80\" has changed since r2 by "
					   "bob\n"));
	assert_non_null(strstr(alice->err, "error: 1 line conflicts;"));
	assert_int_equal(command(alice, "del backend web 10.0.0.11:80"), STATUS_DONE);
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_config(alice, "add pool api\nadd pool web\n");
	hang_up(bob);
}

static void a_file_in_place_of_all_conflicts_with_what_it_would_undo(void **state)
{
	struct talk *alice = *state, *bob = two_people(alice);
	const char *file = "add pool web\nadd backend web 10.0.0.11:80 weight 4\n"
			   "add backend web 10.0.0.12:80\nadd pool api\ncommit\n";

	command(alice, "configure");
	assert_int_equal(load(alice, "load lb.conf replace", file), STATUS_DONE);
	command(bob, "drain backend web 10.0.0.11:80");
	command(bob, "add pool more");
	assert_int_equal(command(alice, "commit"), STATUS_REJECTED);
	assert_non_null(strstr(alice->err, "<candidate>:1:1: error: conflict: admin of backend "
					   "\"web/10.0.0.11:80\" is drain since r2 by bob, it was "
					   "enabled\nload lb.conf replace\n"));
	assert_non_null(strstr(alice->err, "pool \"more\" is there since r3 by bob\n"));
	assert_int_equal(load(alice, "load lb.conf replace", file), STATUS_DONE);
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_config(alice, "add pool api\nadd pool web\n"
			     "add backend web 10.0.0.11:80 weight 4\n"
			     "add backend web 10.0.0.12:80\n");
	hang_up(bob);
}

static void lookup_is_about_the_candidate(void **state)
{
	struct talk *talk = *state;
	const char *line = "lookup 198.51.100.7:1 203.0.113.10:80/tcp";

	assert_int_equal(command(talk, line), STATUS_DONE);
	assert_false(talk->fake.looked_in_candidate);
	command(talk, "configure");
	assert_int_equal(command(talk, line), STATUS_DONE);
	assert_true(talk->fake.looked_in_candidate);
}

static void json_tells_how_long_the_candidate_is(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(run(talk, REQUEST_JSON, "configure"), STATUS_DONE);
	assert_string_equal(talk->out,
			    "{\"schema\":1,\"candidate\":{\"revision\":0,\"lines\":0}}\n");
	assert_int_equal(run(talk, REQUEST_JSON, "add pool web"), STATUS_DONE);
	assert_string_equal(talk->out,
			    "{\"schema\":1,\"candidate\":{\"revision\":0,\"lines\":1}}\n");
	assert_int_equal(run(talk, REQUEST_JSON, "discard"), STATUS_DONE);
	assert_string_equal(talk->out,
			    "{\"schema\":1,\"candidate\":{\"revision\":0,\"lines\":null}}\n");
}

#define TALK(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(a_candidate_is_in_force_at_its_commit),
		TALK(a_wrong_line_is_told_and_not_taken),
		TALK(a_paste_goes_in_as_a_whole_or_not_at_all),
		TALK(discard_drops_it_all_or_one_line_of_it),
		TALK(show_config_shows_the_candidate_and_running_what_runs),
		TALK(what_operates_acts_at_once),
		TALK(compare_tells_what_the_candidate_changes),
		TALK(commit_check_tells_and_changes_nothing),
		TALK(what_is_refused_stays_in_the_candidate),
		TALK(a_candidate_without_lines_changes_nothing),
		TALK(a_script_that_says_configure_must_say_commit),
		TALK(a_file_is_loaded_into_the_candidate),
		TALK(what_is_unrelated_merges_without_a_word),
		TALK(the_same_change_by_both_is_no_conflict),
		TALK(a_setting_that_both_changed_is_a_conflict),
		TALK(a_conflict_is_over_when_its_line_is_dropped),
		TALK(what_is_deleted_meanwhile_is_a_conflict),
		TALK(what_is_needed_or_made_meanwhile_is_a_conflict),
		TALK(what_was_there_and_is_not_is_a_conflict_and_the_other_way_round),
		TALK(what_changed_is_not_deleted_without_a_word),
		TALK(a_file_in_place_of_all_conflicts_with_what_it_would_undo),
		TALK(lookup_is_about_the_candidate),
		TALK(json_tells_how_long_the_candidate_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
