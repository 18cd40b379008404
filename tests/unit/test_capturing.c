/* `capture` at the session: what comes goes to the console in two files, piece by piece. */
#include "tests/unit/talk.h"

static void start(struct talk *talk, unsigned flags, const char *text)
{
	forget(talk);
	session_run(talk->session, &(struct request){.flags = flags, .source = "", .text = text,
						     .size = strlen(text)}, SECOND);
}

static void milliseconds(struct talk *talk, unsigned passed)
{
	session_poll(talk->session, SECOND + passed * (uint64_t)1000000);
}

/* What has been said since it was last asked. */
static void assert_said(struct talk *talk, const char *text)
{
	assert_string_equal(talk->out, text);
	talk->out[0] = 0;
}

static void pieces_go_to_two_files_until_no_more_come(void **state)
{
	struct talk *talk = *state;

	start(talk, 0, "capture a.pcap interface ext count 3 tcp port 80");
	assert_string_equal(talk->fake.capture.interface, "ext");
	assert_int_equal(talk->fake.capture.count, 3);
	assert_string_equal(talk->fake.capture_filter, "tcp port 80");
	assert_string_equal(talk->fake.capture_user, "alice");
	assert_said(talk, "[a.pcap][a.pcap.verdicts]");
	talk->fake.pieces = 2;
	milliseconds(talk, 50);
	assert_said(talk, "[a.pcap]<1>[a.pcap.verdicts]1\n");
	milliseconds(talk, 60);
	milliseconds(talk, 100);
	assert_said(talk, "[a.pcap]<2>[a.pcap.verdicts]2\n");
	talk->fake.pieces = 1;
	talk->fake.capture_stops = true;
	milliseconds(talk, 150);
	milliseconds(talk, 200);
	assert_said(talk, "[a.pcap]<3>[a.pcap.verdicts]3\n[a.pcap].[a.pcap.verdicts]."
			  "a.pcap: 3 frames, 1 lost: there was no room for them.\n");
	assert_int_equal(talk->done, 1);
	assert_int_equal(talk->status, STATUS_DONE);
	assert_int_equal(talk->fake.captures, 0);
}

static void a_filter_is_what_was_typed_quoted_or_not(void **state)
{
	static const char *const rows[][2] = {
		{"capture a.pcap", ""},
		{"capture a.pcap 'tcp port 80'", "tcp port 80"},
		{"capture a.pcap count 1 host 10.0.0.1 and (udp or icmp)",
		 "host 10.0.0.1 and (udp or icmp)"},
		{"capture a.pcap tcp[13] & 2 != 0 | 1", "tcp[13] & 2 != 0 | 1"},
		{"capture a.pcap ip count 5", "ip count 5"},
	};
	struct talk *talk = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		start(talk, 0, rows[i][0]);
		assert_string_equal(talk->err, "");
		assert_string_equal(talk->fake.capture_filter, rows[i][1]);
		session_interrupt(talk->session);
		milliseconds(talk, 1);
		assert_int_equal(talk->done, 1);
	}
}

static void an_interrupt_ends_it_with_all_that_has_come(void **state)
{
	struct talk *talk = *state;

	start(talk, REQUEST_PREFIXES, "capture a.pcap");
	assert_said(talk, "[a.pcap][a.pcap.verdicts]Capturing; Ctrl-C ends it.\n");
	talk->fake.pieces = 1;
	session_interrupt(talk->session);
	assert_int_equal(talk->done, 0);
	milliseconds(talk, 1);
	milliseconds(talk, 50);
	assert_said(talk, "[a.pcap]<1>[a.pcap.verdicts]1\n[a.pcap].[a.pcap.verdicts]."
			  "a.pcap: 1 frame, 0 lost.\n");
	assert_int_equal(talk->done, 1);
	assert_int_equal(talk->status, STATUS_DONE);
	assert_string_equal(talk->err, "");
}

static void a_console_that_is_busy_writing_gets_nothing_new(void **state)
{
	struct talk *talk = *state;

	start(talk, 0, "capture a.pcap");
	talk->out[0] = 0;
	talk->deaf = true;
	talk->fake.pieces = 1;
	milliseconds(talk, 50);
	milliseconds(talk, 100);
	assert_said(talk, "");
	assert_true(session_deadline(talk->session) > SECOND + 100000000);
	talk->deaf = false;
	milliseconds(talk, 150);
	assert_said(talk, "[a.pcap]<1>[a.pcap.verdicts]1\n");
	session_free(talk->session);
	talk->session = NULL;
	assert_int_equal(talk->fake.captures, 0);
}

static void json_is_one_document_at_the_end(void **state)
{
	struct talk *talk = *state;

	start(talk, REQUEST_JSON, "capture a.pcap");
	talk->out[0] = 0;
	talk->fake.capture_stops = true;
	milliseconds(talk, 50);
	assert_said(talk, "[a.pcap].[a.pcap.verdicts]."
			  "{\"schema\":1,\"capture\":{\"file\":\"a.pcap\",\"frames\":0,"
			  "\"lost\":0}}\n");
}

static void stop_ends_that_of_another(void **state)
{
	struct talk *talk = *state;

	command(talk, "capture stop");
	assert_int_equal(talk->status, STATUS_REJECTED);
	assert_string_equal(talk->err, "error: nobody captures\n");
	talk->fake.captures = 1;
	command(talk, "capture stop");
	assert_int_equal(talk->status, STATUS_DONE);
	assert_string_equal(talk->out, "The capture has ended.\n");
	assert_true(talk->fake.capture_stops);
	command(talk, "capture a.pcap");
	assert_int_equal(talk->status, STATUS_REJECTED);
	assert_string_equal(talk->err, "error: bob captures already\n");
}

static void what_cannot_go_on_is_ended_and_told(void **state)
{
	struct talk *talk = *state;

	start(talk, 0, "capture a.pcap");
	talk->fake.capture_fails = true;
	talk->out[0] = 0;
	milliseconds(talk, 50);
	assert_said(talk, "[a.pcap].[a.pcap.verdicts].");
	assert_string_equal(talk->err, "error: the capture cannot go on\n");
	assert_int_equal(talk->status, STATUS_REJECTED);
	assert_int_equal(talk->done, 1);
	assert_int_equal(talk->fake.captures, 0);
}

static void a_trace_takes_a_number_and_a_filter(void **state)
{
	struct talk *talk = *state;

	command(talk, "trace add 5 host 10.0.0.1 and tcp");
	assert_string_equal(talk->out, "The next 5 packets will be traced.\n");
	assert_string_equal(talk->fake.capture_filter, "host 10.0.0.1 and tcp");
	command(talk, "trace add 1");
	assert_string_equal(talk->out, "The next 1 packet will be traced.\n");
	assert_string_equal(talk->fake.capture_filter, "");
	run(talk, REQUEST_JSON, "trace add 200");
	assert_string_equal(talk->out, "{\"schema\":1,\"trace\":{\"packets\":100}}\n");
	command(talk, "trace add 1");
	assert_int_equal(talk->status, STATUS_REJECTED);
	assert_string_equal(talk->err, "error: no room\n");
	command(talk, "trace add 1001");
	assert_int_equal(talk->status, STATUS_USAGE);
	command(talk, "trace add");
	assert_int_equal(talk->status, STATUS_USAGE);
	command(talk, "clear trace");
	assert_int_equal(talk->fake.trace_clears, 1);
}

static void usage_tells_the_filter_and_the_file(void **state)
{
	struct talk *talk = *state;

	command(talk, "help capture");
	assert_non_null(strstr(talk->out,
			       "capture FILE [interface INTERFACE] [count N] [FILTER]\n"));
	session_help(talk->session, "capture ");
	assert_non_null(strstr(talk->out, "  stop  end the capture that runs\n  FILE  where to;"));
	command(talk, "capture");
	assert_int_equal(talk->status, STATUS_USAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pieces_go_to_two_files_until_no_more_come),
		TEST(a_filter_is_what_was_typed_quoted_or_not),
		TEST(an_interrupt_ends_it_with_all_that_has_come),
		TEST(a_console_that_is_busy_writing_gets_nothing_new),
		TEST(json_is_one_document_at_the_end),
		TEST(stop_ends_that_of_another),
		TEST(what_cannot_go_on_is_ended_and_told),
		TEST(a_trace_takes_a_number_and_a_filter),
		TEST(usage_tells_the_filter_and_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
