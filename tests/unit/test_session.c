/* Sessions: transactions of lines, what is told, and what is left when something fails. */
#include "tests/unit/talk.h"

static void a_bare_command_is_a_transaction_of_one(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "add pool web"), STATUS_DONE);
	assert_string_equal(talk->out, "r1 active.\n");
	assert_string_equal(talk->fake.user, "alice");
	assert_int_equal(command(talk, "add pool web"), STATUS_DONE);
	assert_string_equal(talk->out, "unchanged (r1).\n");
	assert_int_equal(command(talk, "add backend wbe 10.0.0.11:80"), STATUS_REJECTED);
	assert_string_equal(talk->err, "error: no pool \"wbe\". Did you mean \"web\"?\n");
	assert_int_equal(command(talk, "add pool web affinity nothing"), STATUS_USAGE);
	assert_int_equal(talk->done, 1);
	assert_int_equal(talk->fake.revision, 1);
}

static void a_script_is_one_transaction(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(script(talk, web), STATUS_DONE);
	assert_string_equal(talk->out, "r1 active.\n");
	assert_int_equal(talk->fake.revision, 1);
	assert_config(talk, web);
}

static void a_failed_line_leaves_nothing_of_its_script(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(script(talk, "add pool web\n\n# one is wrong\n"
				      "add backend web 10.0.0.11:80 weight 70000\nshow backend\n"),
			 STATUS_USAGE);
	assert_string_equal(talk->err,
			    "<stdin>:4:37: error: weight 70000 is out of range 0-65535\n"
			    "add backend web 10.0.0.11:80 weight 70000\n"
			    "                                    ^^^^^\n"
			    "error: 1 of 3 lines failed; nothing was applied (still at r0)\n");
	assert_string_equal(talk->out, "");
	assert_config(talk, "");
}

static void lines_that_read_or_act_run_after_the_commit_in_order(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(script(talk,
				"show backend\nadd pool web\nclear counters\n"
				"add backend web 10.0.0.11:80 weight 7\nclear flow client 198.51.100.7\n"),
			 STATUS_DONE);
	assert_string_equal(talk->out,
			    "r1 active.\nweb   10.0.0.11:80       7  up\n0 flows closed.\n");
	assert_int_equal(talk->fake.counter_clears, 1);
	assert_true(talk->fake.filter.has_client);
}

static void a_failed_script_acts_on_nothing(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(script(talk, "clear counters\nadd backend nowhere 10.0.0.11:80\n"),
			 STATUS_REJECTED);
	assert_int_equal(talk->fake.counter_clears, 0);
}

static void what_the_appliance_refuses_is_told_and_nothing_is_left(void **state)
{
	struct talk *talk = *state;

	talk->fake.refusal = "disk full";
	assert_int_equal(script(talk, web), STATUS_REJECTED);
	assert_string_equal(talk->err,
			    "error: disk full\nerror: nothing was applied (still at r0)\n");
	assert_int_equal(command(talk, "add pool web"), STATUS_REJECTED);
	assert_string_equal(talk->err, "error: disk full\n");
	assert_config(talk, "");
}

static void a_warning_is_told_when_it_is_news(void **state)
{
	struct talk *talk = *state;

	script(talk, web);
	assert_non_null(strstr(talk->err, "warning: no interface has the role frontend"));
	assert_int_equal(command(talk, "set pool web affinity source-ip"), STATUS_DONE);
	assert_string_equal(talk->err, "");
	assert_int_equal(command(talk, "set backend web 10.0.0.11:80 weight 0"), STATUS_DONE);
	assert_string_equal(talk->err, "warning: all weights are 0 in pool \"web\"\n");
}

static void up_to_twenty_errors_are_told(void **state)
{
	struct talk *talk = *state;
	char text[2000] = "";
	unsigned told = 0;

	for (unsigned i = 0; i < 30; i++)
		strcat(text, "add pool 1 2\n");
	assert_int_equal(script(talk, text), STATUS_USAGE);
	for (const char *at = talk->err; (at = strstr(at, "<stdin>:")); at++)
		told++;
	assert_int_equal(told, 20);
	assert_non_null(strstr(talk->err, "error: 10 more errors are not told\n"
					  "error: 30 of 30 lines failed; nothing was applied"));
}

static void what_follows_from_a_failed_line_is_no_error_of_its_own(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(
		script(talk,
		       "add pool web scheduler nothing\nadd backend web 10.0.0.11:80\n"
		       "add service web 203.0.113.10:80/tcp pool web\nset pool web check none\n"
		       "add backend other 10.0.0.11:80\n"),
		STATUS_USAGE);
	assert_null(strstr(talk->err, "no pool \"web\""));
	assert_non_null(strstr(talk->err, "no pool \"other\""));
	assert_non_null(strstr(talk->err, "error: 2 of 5 lines failed"));
}

static void an_empty_script_says_and_changes_nothing(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(script(talk, ""), STATUS_DONE);
	assert_int_equal(script(talk, "\n  \n# nothing\n"), STATUS_DONE);
	assert_string_equal(talk->out, "");
	assert_string_equal(talk->err, "");
	assert_int_equal(talk->done, 1);
}

static void with_each_every_line_is_a_transaction(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(run(talk, REQUEST_SCRIPT | REQUEST_EACH,
			     "add pool a\nadd backend b 10.0.0.1:80\nadd pool c\n"),
			 STATUS_REJECTED);
	assert_string_equal(talk->out, "r1 active.\n");
	assert_non_null(strstr(talk->err, "<stdin>:2:13: error: no pool \"b\""));
	assert_non_null(
		strstr(talk->err, "error: 1 of 2 lines failed; stopped there (now at r1)\n"));
	assert_config(talk, "add pool a\n");
	assert_int_equal(run(talk, REQUEST_SCRIPT | REQUEST_EACH | REQUEST_KEEP_GOING,
			     "add pool a\nadd backend b 10.0.0.1:80\nadd pool c\n"),
			 STATUS_REJECTED);
	assert_string_equal(talk->out, "unchanged (r1).\nr2 active.\n");
	assert_non_null(strstr(talk->err, "error: 1 of 3 lines failed (now at r2)\n"));
}

static void between_two_transactions_of_each_others_have_their_turn(void **state)
{
	struct talk *talk = *state;
	const char script[] = "add pool a\nadd pool b\nadd pool c\n";
	struct request request = {
		.flags = REQUEST_SCRIPT | REQUEST_EACH, .source = "<stdin>", .text = script,
		.size = strlen(script),
	};

	session_run(talk->session, &request, SECOND);
	assert_string_equal(talk->out, "r1 active.\n");
	assert_true(session_busy(talk->session));
	assert_int_equal(session_deadline(talk->session), 0);
	session_poll(talk->session, SECOND);
	assert_config(talk, "add pool a\nadd pool b\n");
	session_interrupt(talk->session);
	assert_int_equal(talk->done, 1);
	assert_false(session_busy(talk->session));
	assert_true(session_deadline(talk->session) == UINT64_MAX);
	assert_config(talk, "add pool a\nadd pool b\n");
}

static void check_tells_what_would_change_and_changes_nothing(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(run(talk, REQUEST_SCRIPT | REQUEST_CHECK, web), STATUS_WOULD_CHANGE);
	assert_string_equal(talk->out, "would change 3 objects.\n");
	assert_config(talk, "");
	assert_int_equal(script(talk, web), STATUS_DONE);
	assert_int_equal(run(talk, REQUEST_SCRIPT | REQUEST_CHECK, web), STATUS_DONE);
	assert_string_equal(talk->out, "unchanged (r1).\n");
	assert_int_equal(run(talk, REQUEST_CHECK, "clear counters"), STATUS_DONE);
	assert_int_equal(talk->fake.counter_clears, 0);
	assert_int_equal(run(talk, REQUEST_CHECK, "add pool web affinity source-ip"),
			 STATUS_REJECTED);
}

static void quiet_says_nothing_of_success(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(run(talk, REQUEST_SCRIPT | REQUEST_QUIET, web), STATUS_DONE);
	assert_string_equal(talk->out, "");
	assert_int_equal(run(talk, REQUEST_QUIET, "show backend"), STATUS_DONE);
	assert_string_equal(talk->out, "web   10.0.0.11:80       1  up\n");
}

static void json_is_one_document_a_command(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(run(talk, REQUEST_JSON, "add pool web"), STATUS_DONE);
	assert_string_equal(talk->out,
			    "{\"schema\":1,\"commit\":{\"revision\":1,\"changed\":true}}\n");
	assert_int_equal(command(talk, "show backend | json"), STATUS_DONE);
	assert_string_equal(talk->out, "{\"schema\":1,\"backend\":[]}\n");
	assert_int_equal(run(talk, REQUEST_JSON, "show backend | count"), STATUS_USAGE);
	assert_int_equal(run(talk, REQUEST_JSON | REQUEST_CHECK, "add pool other"),
			 STATUS_WOULD_CHANGE);
	assert_string_equal(talk->out, "{\"schema\":1,\"check\":{\"revision\":1,\"changes\":1,"
				       "\"impact\":{\"flows\":0}}}\n");
	assert_int_equal(run(talk, REQUEST_JSON, "show revisions 1"), STATUS_DONE);
	assert_string_equal(talk->out, "{\"schema\":1,\"revisions\":{\"revision\":1,"
				       "\"text\":\"add pool web\\n\"}}\n");
}

static void filters_are_handed_to_the_console(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "show config | match \"a b\" | count | no-more"),
			 STATUS_DONE);
	assert_string_equal(talk->console, "filter 0 a b;filter 2 ;filter 4 ;");
}

static void lookup_asks_for_one_packet(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "lookup 198.51.100.7:51514 203.0.113.10:80/udp"),
			 STATUS_DONE);
	assert_string_equal(talk->out, "service web -> 10.0.0.11:80 (maglev slot 40961, new flow)\n"
				       "  out ext -> int\n");
	assert_true(talk->fake.question.udp);
	assert_int_equal(talk->fake.question.source.port, 51514);
	assert_int_equal(command(talk, "lookup 198.51.100.7:51514 203.0.113.10:80/tcp | json"),
			 STATUS_DONE);
	assert_string_equal(talk->out, "{\"schema\":1,\"lookup\":{\"service\":\"web\"}}\n");
	assert_int_equal(command(talk, "lookup 198.51.100.7:51514 203.0.113.10:80/any"),
			 STATUS_USAGE);
}

static void a_show_of_what_is_not_there_is_an_error(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "show backend nowhere"), STATUS_REJECTED);
	assert_string_equal(talk->err, "error: no pool \"nowhere\"\n");
}

static void help_comes_from_the_tables(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "help"), STATUS_DONE);
	assert_non_null(strstr(talk->out, "\n  rollback   go back to a revision\n"));
	assert_int_equal(command(talk, "help drain backend"), STATUS_DONE);
	assert_non_null(strstr(talk->out, "drain backend POOL A:PORT [timeout S] [wait]\n"));
	assert_int_equal(command(talk, "help sho"), STATUS_DONE);
	assert_non_null(strstr(talk->out, "  interface"));
	assert_int_equal(command(talk, "help nothing"), STATUS_USAGE);
	assert_non_null(strstr(talk->err, "no command \"nothing\""));
}

static void keyboard_commands_are_the_consoles_own(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "history"), STATUS_DONE);
	assert_int_equal(run(talk, REQUEST_SCRIPT, "terminal length 0\nquit\n"), STATUS_DONE);
	assert_string_equal(talk->console, "length 0;quit;");
}

static void ten_thousand_lines_are_one_revision(void **state)
{
	struct talk *talk = *state;
	char *text = malloc(10000 * 48), *at = text;

	at += sprintf(at, "add pool web\n");
	for (unsigned i = 1; i < 10000; i++)
		at += sprintf(at, "add backend web 10.%u.%u.1:80\n", i >> 8, i & 255);
	assert_int_equal(script(talk, text), STATUS_DONE);
	assert_int_equal(talk->fake.revision, 1);
	assert_int_equal(config_count(talk->fake.running, KIND_BACKEND), 9999);
	free(text);
}

#define TALK(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(a_bare_command_is_a_transaction_of_one),
		TALK(a_script_is_one_transaction),
		TALK(a_failed_line_leaves_nothing_of_its_script),
		TALK(lines_that_read_or_act_run_after_the_commit_in_order),
		TALK(a_failed_script_acts_on_nothing),
		TALK(what_the_appliance_refuses_is_told_and_nothing_is_left),
		TALK(a_warning_is_told_when_it_is_news),
		TALK(up_to_twenty_errors_are_told),
		TALK(what_follows_from_a_failed_line_is_no_error_of_its_own),
		TALK(an_empty_script_says_and_changes_nothing),
		TALK(with_each_every_line_is_a_transaction),
		TALK(between_two_transactions_of_each_others_have_their_turn),
		TALK(check_tells_what_would_change_and_changes_nothing),
		TALK(quiet_says_nothing_of_success),
		TALK(json_is_one_document_a_command),
		TALK(filters_are_handed_to_the_console),
		TALK(lookup_asks_for_one_packet),
		TALK(a_show_of_what_is_not_there_is_an_error),
		TALK(help_comes_from_the_tables),
		TALK(keyboard_commands_are_the_consoles_own),
		TALK(ten_thousand_lines_are_one_revision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
