/* Tab and `?`: what may come next, from the tables and from what is live. */
#include "tests/unit/talk.h"

static const char live[] =
	"add interface ext role frontend address 203.0.113.1/24\nadd interface int role backend\n"
	"add check hc tcp\nadd pool dns\nadd pool web\n"
	"add backend dns 10.0.0.21:53\nadd backend web 10.0.0.11:80\nadd backend web 10.0.0.12:80\n"
	"add service web 203.0.113.10:80/tcp pool web\n";

static int begin_live(void **state)
{
	struct talk *talk;

	begin(state);
	talk = *state;
	assert_int_equal(run(talk, REQUEST_SCRIPT | REQUEST_QUIET, live), STATUS_DONE);
	forget(talk);
	return 0;
}

static void collect(void *context, const char *word)
{
	struct talk *talk = context;

	snprintf(talk->out + strlen(talk->out), sizeof(talk->out) - strlen(talk->out), "%s%s",
		 *talk->out ? " " : "", word);
}

static void tab_offers_what_may_come(void **state)
{
	static const struct { const char *line, *words; } rows[] = {
		{"", "add set del no enable disable drain show lookup monitor trace capture clear "
		    "configure compare commit confirm discard rollback load "
		     "export backup help history terminal quit"},
		{"sh", "show"},
		{"show s", "status service stats"},
		{"sh b", "backend"},
		{"add ", "interface route neighbor check pool backend service"},
		{"xyz ", ""},
		{"add backend ", "dns web"},
		{"add backend w", "web"},
		{"add backend web ", ""},
		{"del backend web ", "10.0.0.11:80 10.0.0.12:80"},
		{"no backend web 10.0.0.12", "10.0.0.12:80"},
		{"drain backend d", "dns"},
		{"drain backend dns ", "10.0.0.21:53"},
		{"drain backend web 10.0.0.11:80 ", "timeout wait"},
		{"drain backend web 10.0.0.11:80 wait ", "timeout"},
		{"set service ", "web"},
		{"add service x 1.2.3.4:80/tcp pool ", "dns web"},
		{"add pool x check ", "hc"},
		{"add pool x affinity ", "5-tuple source-ip"},
		{"add interface eth0 role b", "backend both"},
		{"add check c heartbeat from ", "any port"},
		{"add check c heartbeat from port ", ""},
		{"add neighbor 10.0.0.1 mac 02:00:00:00:00:01 interface ", "ext int"},
		{"add pool ", ""},
		{"show interface ", "ext int |"},
		{"show backend web ", "10.0.0.11:80 10.0.0.12:80 |"},
		{"show flow backend ", "10.0.0.21:53 10.0.0.11:80 10.0.0.12:80"},
		{"show flow service web ", "backend client client-port limit |"},
		{"show pool | ", "match except count json no-more"},
		{"show pool | match ", ""},
		{"rollback ", "1"},
		{"show revisions ", "1 |"},
		{"load x ", "merge replace"},
		{"load x merge ", ""},
		{"set global f", "flow-table forwarding fullnat-slices fullnat-slice"},
		{"set global flow-table 5000 f", "forwarding fullnat-slices fullnat-slice"},
		{"set service web source-rewrite ", ""},
		{"set service web source-rewrite 10.0.0.0/8 ", "to"},
		{"set service web source-rewrite 10.0.0.0/8 t", "to"},
		{"set service web source-rewrite 10.0.0.0/8 to ", ""},
		{"set service web source-rewrite 10.0.0.0/8 to 11.0.0.0/8 when", "when-full"},
		{"set service web source-rewrite none when", "when-full"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct talk *talk = *state;

		talk->out[0] = 0;
		assert_false(session_complete(talk->session, rows[i].line, collect, talk) &
			     COMPLETION_FILES);
		if (strcmp(talk->out, rows[i].words) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", rows[i].line, talk->out, rows[i].words);
	}
}

static void files_are_the_consoles_to_complete(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(session_complete(talk->session, "load ", collect, talk),
			 COMPLETION_FILES | COMPLETION_VALUE);
	assert_int_equal(session_complete(talk->session, "export /tmp/a", collect, talk),
			 COMPLETION_FILES | COMPLETION_VALUE);
	assert_int_equal(session_complete(talk->session, "backup \"/tmp/a b", collect, talk),
			 COMPLETION_FILES | COMPLETION_VALUE);
	assert_int_equal(session_complete(talk->session, "load a ", collect, talk), COMPLETION_END);
}

static void the_end_of_a_command_is_told(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(session_complete(talk->session, "show pool ", collect, talk),
			 COMPLETION_END | COMPLETION_VALUE);
	assert_int_equal(session_complete(talk->session, "show pool", collect, talk), 0);
	assert_int_equal(session_complete(talk->session, "frobnicate ", collect, talk), 0);
	assert_int_equal(session_complete(talk->session, "add pool ", collect, talk),
			 COMPLETION_VALUE);
	assert_int_equal(session_complete(talk->session, "export ", collect, talk),
			 COMPLETION_FILES | COMPLETION_END | COMPLETION_VALUE);
}

static void help_has_a_line_for_each(void **state)
{
	static const struct { const char *line, *text; } rows[] = {
		{"enable ", "  service  virtual service that clients use\n"
			    "  backend  real server of a pool\n"},
		{"add interface eth0 role ", "  frontend  clients are here\n"
					     "  backend   real servers are here\n"
					     "  both      one arm: clients and real servers are here\n"},
		{"add backend ", "  POOL  pool that it is in\n  dns\n  web\n"},
		{"add backend d", "  POOL  pool that it is in\n  dns\n"},
		{"show pool web ", "  |     pass the output through a filter\n  <cr>  do it\n"},
		{"del pool web ", "  if-exists  no error where there is none\n  <cr>       do it\n"},
		{"set global v", "  vip-echo  when a ping to a VIP is answered (default: always)\n"},
		{"add check c heartbeat from port ", "  N  what counts as a heartbeat (default: any)\n"},
	};
	struct talk *talk = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		talk->out[0] = 0;
		session_help(talk->session, rows[i].line);
		assert_string_equal(talk->out, rows[i].text);
	}
}

static void help_on_a_wrong_line_says_what_is_wrong(void **state)
{
	struct talk *talk = *state;

	session_help(talk->session, "shwo ");
	assert_string_equal(talk->out, "");
	assert_string_equal(talk->err, "error: no command \"shwo\". Did you mean \"show\"?\n");
	forget(talk);
	session_help(talk->session, "show \xff");
	assert_string_equal(talk->err, "error: byte 0xff is not UTF-8\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tab_offers_what_may_come, begin_live, end),
		cmocka_unit_test_setup_teardown(files_are_the_consoles_to_complete, begin_live, end),
		cmocka_unit_test_setup_teardown(the_end_of_a_command_is_told, begin_live, end),
		cmocka_unit_test_setup_teardown(help_has_a_line_for_each, begin_live, end),
		cmocka_unit_test_setup_teardown(help_on_a_wrong_line_says_what_is_wrong, begin_live, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
