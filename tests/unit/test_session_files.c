/* Configurations that come from files and revisions, and go there. */
#include "tests/unit/talk.h"

static void a_commit_line_ends_a_script_and_carries_its_comment(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(script(talk, "add pool web\ncommit comment \"web launch\"\n"),
			 STATUS_DONE);
	assert_string_equal(talk->fake.comment[1], "web launch");
	assert_int_equal(script(talk, "add pool a\ncommit\nadd pool b\n"), STATUS_REJECTED);
	assert_non_null(strstr(talk->err, "a line after the end of the script"));
	assert_int_equal(script(talk, "add pool a\ncommit\nquit\n"), STATUS_DONE);
	assert_string_equal(talk->console, "quit;");
	assert_int_equal(command(talk, "commit"), STATUS_REJECTED);
}

static void a_file_is_asked_for_before_anything_is_run(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(run(talk, REQUEST_SCRIPT | REQUEST_EACH, "add pool web\nload lb.conf\n"),
			 STATUS_DONE);
	assert_string_equal(talk->needed, "lb.conf");
	assert_config(talk, "");
	assert_int_equal(talk->done, 1);
	assert_int_equal(command(talk, "\"load\" 'lb.conf'"), STATUS_DONE);
	assert_string_equal(talk->needed, "lb.conf");
	assert_int_equal(load(talk, "load lb.conf", web), STATUS_DONE);
	assert_config(talk, web);
	assert_string_equal(talk->fake.comment[1], "load lb.conf");
}

static void load_replace_demands_the_final_commit(void **state)
{
	struct talk *talk = *state;

	script(talk, "add pool old\n");
	assert_int_equal(load(talk, "load lb.conf replace", "add pool web\n"), STATUS_REJECTED);
	assert_string_equal(talk->err,
			    "error: lb.conf does not end with \"commit\": it may have been cut "
			    "short, nothing was applied\n");
	assert_config(talk, "add pool old\n");
	assert_int_equal(load(talk, "load lb.conf replace", "add pool web\ncommit\n"), STATUS_DONE);
	assert_config(talk, "add pool web\n");
	assert_int_equal(load(talk, "load lb.conf merge", "add pool more"), STATUS_DONE);
	assert_config(talk, "add pool more\nadd pool web\n");
}

static void errors_of_a_loaded_file_name_it(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(load(talk, "load lb.conf", "add pool web\nadd backend wbe 10.0.0.1:80\n"),
			 STATUS_REJECTED);
	assert_string_equal(talk->err,
			    "lb.conf:2:13: error: no pool \"wbe\". Did you mean \"web\"?\n"
			    "add backend wbe 10.0.0.1:80\n"
			    "            ^^^\n"
			    "error: 1 of 2 lines failed; nothing was applied (still at r0)\n");
	assert_int_equal(load(talk, "load lb.conf", "show pool\n"), STATUS_REJECTED);
	assert_non_null(strstr(talk->err, "holds configuration only"));
	assert_int_equal(load(talk, "load lb.conf", "load lb.conf\n"), STATUS_REJECTED);
	assert_int_equal(load(talk, "load lb.conf", "quit\n"), STATUS_REJECTED);
	assert_int_equal(load(talk, "load lb.conf", "ad pool a\n"), STATUS_USAGE);
}

static void export_then_load_replace_changes_nothing(void **state)
{
	struct talk *talk = *state;
	char *text;

	script(talk, web);
	command(talk, "drain backend web 10.0.0.11:80");
	command(talk, "set global forwarding on");
	command(talk, "export");
	text = strdup(talk->out);
	assert_non_null(strstr(text, "\ncommit\n"));
	assert_int_equal(load(talk, "load lb.conf replace", text), STATUS_DONE);
	assert_string_equal(talk->out, "unchanged (r3).\n");
	free(text);
	assert_int_equal(command(talk, "export new.conf"), STATUS_DONE);
	assert_string_equal(talk->file, "new.conf");
}

static void rollback_brings_a_revision_back(void **state)
{
	struct talk *talk = *state;

	script(talk, web);
	command(talk, "del service web");
	command(talk, "set pool web affinity source-ip");
	assert_int_equal(command(talk, "rollback 1"), STATUS_DONE);
	assert_string_equal(talk->out, "r4 active.\n");
	assert_string_equal(talk->fake.comment[4], "rollback to r1");
	assert_config(talk, web);
	assert_int_equal(command(talk, "rollback 1"), STATUS_DONE);
	assert_string_equal(talk->out, "unchanged (r4).\n");
	assert_int_equal(command(talk, "rollback 9"), STATUS_REJECTED);
	assert_string_equal(talk->err, "error: no revision r9\n");
}

static void a_backup_goes_to_the_operators_file(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(command(talk, "backup lb.db"), STATUS_DONE);
	assert_string_equal(talk->file, "lb.db");
	assert_int_equal(talk->file_size, 200000);
}

#define TALK(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK(a_commit_line_ends_a_script_and_carries_its_comment),
		TALK(a_file_is_asked_for_before_anything_is_run),
		TALK(load_replace_demands_the_final_commit),
		TALK(errors_of_a_loaded_file_name_it),
		TALK(export_then_load_replace_changes_nothing),
		TALK(rollback_brings_a_revision_back),
		TALK(a_backup_goes_to_the_operators_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
