/* Sessions: transactions of lines, what is told, and what is left when something fails. */
#include "tests/unit/console.h"

#include "cli/session.h"
#include "tests/unit/fake_appliance.h"

enum { SECOND = 1000000000 };

/* An appliance, a session with it, and all that it said. */
struct talk {
	struct fake fake;
	struct appliance appliance;
	struct session *session;
	char out[256 * 1024], err[64 * 1024];
	char console[256];      /* actions and filters, in order */
	char file[256], needed[256];
	size_t file_size;
	unsigned done;
	enum exit_status status;
};

static void append(char *to, size_t size, const char *text, size_t length)
{
	size_t used = strlen(to);

	assert_true(used + length < size);
	memcpy(to + used, text, length);
	to[used + length] = 0;
}

static void on_output(void *context, bool heading, const char *text, size_t size)
{
	struct talk *talk = context;

	if (!heading)
		append(talk->out, sizeof(talk->out), text, size);
}

static void on_filter(void *context, enum pipe_type type, const char *pattern)
{
	struct talk *talk = context;
	char text[64];
	int length = snprintf(text, sizeof(text), "filter %d %s;", (int)type, pattern);

	append(talk->console, sizeof(talk->console), text, (size_t)length);
}

static void on_output_end(void *context)
{
	(void)context;
}

static void on_error(void *context, const char *text, size_t size)
{
	struct talk *talk = context;

	append(talk->err, sizeof(talk->err), text, size);
}

static void on_needs_file(void *context, const char *name)
{
	snprintf(((struct talk *)context)->needed, 256, "%s", name);
}

static void on_file(void *context, const char *name, const void *bytes, size_t size)
{
	struct talk *talk = context;

	snprintf(talk->file, sizeof(talk->file), "%s", name);
	talk->file_size = size;
	if (size < sizeof(talk->out) - strlen(talk->out))
		append(talk->out, sizeof(talk->out), bytes, size);
}

static void on_console(void *context, const char *action)
{
	struct talk *talk = context;

	append(talk->console, sizeof(talk->console), action, strlen(action));
	append(talk->console, sizeof(talk->console), ";", 1);
}

static void on_done(void *context, enum exit_status status)
{
	struct talk *talk = context;

	talk->done++;
	talk->status = status;
}

static int begin(void **state)
{
	struct talk *talk = calloc(1, sizeof(*talk));
	const struct session_sink sink = {
		.context = talk, .output = on_output, .filter = on_filter,
		.output_end = on_output_end, .error = on_error, .needs_file = on_needs_file,
		.file = on_file, .console = on_console,
		.done = on_done,
	};

	talk->appliance = fake_appliance(&talk->fake);
	talk->session = session_new(&talk->appliance, "alice", &sink);
	*state = talk;
	return 0;
}

static int end(void **state)
{
	struct talk *talk = *state;

	session_free(talk->session);
	fake_free(&talk->fake);
	free(talk);
	return 0;
}

static void forget(struct talk *talk)
{
	talk->out[0] = talk->err[0] = talk->console[0] = talk->needed[0] = talk->file[0] = 0;
	talk->done = 0;
}

static enum exit_status run_request(struct talk *talk, struct request request)
{
	forget(talk);
	request.size = strlen(request.text);
	session_run(talk->session, &request, SECOND);
	while (!session_deadline(talk->session))
		session_poll(talk->session, SECOND);
	return talk->status;
}

static enum exit_status run(struct talk *talk, unsigned flags, const char *text)
{
	return run_request(talk, (struct request){
		.flags = flags, .source = flags & REQUEST_SCRIPT ? "<stdin>" : "", .text = text});
}

static enum exit_status command(struct talk *talk, const char *text)
{
	return run(talk, 0, text);
}

static enum exit_status script(struct talk *talk, const char *text)
{
	return run(talk, REQUEST_SCRIPT, text);
}

static enum exit_status load(struct talk *talk, const char *text, const char *content)
{
	struct request request = {.source = "", .text = text, .attachments = 1};

	request.attachment[0] = (struct attachment){"lb.conf", content, strlen(content)};
	return run_request(talk, request);
}

static const char web[] = "add pool web\nadd backend web 10.0.0.11:80\n"
			  "add service web 203.0.113.10:80/tcp pool web\n";

static void assert_config(struct talk *talk, const char *text)
{
	char *is = config_text(talk->fake.running);

	assert_string_equal(is, text);
	free(is);
}

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
				"add backend web 10.0.0.11:80 weight 7\nclear flow service web\n"),
			 STATUS_DONE);
	assert_string_equal(talk->out,
			    "r1 active.\nweb   10.0.0.11:80       7  up\n0 flows closed.\n");
	assert_int_equal(talk->fake.counter_clears, 1);
	assert_string_equal(talk->fake.filter.service, "web");
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
	assert_string_equal(talk->out, "{\"schema\":1,\"check\":{\"revision\":1,\"changes\":1}}\n");
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
	talk->fake.flows = 0; /* the appliance closes them at the deadline */
	session_poll(talk->session, SECOND + SECOND / 4);
	assert_int_equal(talk->status, STATUS_TIMED_OUT);
	assert_string_equal(talk->err,
			    "error: timed out: backend web/10.0.0.11:80 had 3 flows left\n");
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
	assert_non_null(strstr(talk->out, "\n  rollback  go back to a revision\n"));
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
		TALK(a_commit_line_ends_a_script_and_carries_its_comment),
		TALK(a_file_is_asked_for_before_anything_is_run),
		TALK(load_replace_demands_the_final_commit),
		TALK(errors_of_a_loaded_file_name_it),
		TALK(export_then_load_replace_changes_nothing),
		TALK(rollback_brings_a_revision_back),
		TALK(a_backup_goes_to_the_operators_file),
		TALK(administrative_states_are_changes_of_the_configuration),
		TALK(a_drain_that_waits_ends_when_no_flow_is_left),
		TALK(a_wait_that_takes_too_long_times_out),
		TALK(enable_waits_for_the_backend_to_be_up),
		TALK(a_script_goes_on_after_its_wait),
		TALK(an_interrupt_ends_what_waits_and_what_would_follow),
		TALK(lookup_asks_for_one_packet),
		TALK(a_show_of_what_is_not_there_is_an_error),
		TALK(help_comes_from_the_tables),
		TALK(keyboard_commands_are_the_consoles_own),
		TALK(ten_thousand_lines_are_one_revision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
