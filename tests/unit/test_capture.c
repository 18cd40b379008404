/* Copies of frames from one thread to another: which, whole, in order, and how many were lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/capture.h"
#include "appliance/path/snapshot.h"
#include "ring/ring.h"

enum { FRAME_MAX = 65536, UDP = 17, TCP = 6, ETHERTYPE_AT = 12, PROTOCOL_AT = 23 };

static struct capture *open_capture(const char *filter, uint32_t interface, uint64_t count)
{
	struct capture_options options = {.filter = filter, .interface = interface, .count = count};
	struct capture *capture;
	char error[512];

	if (capture_new(&capture, &options, error, sizeof(error)))
		fail_msg("%s", error);
	return capture;
}

/* An IPv4 packet of that protocol, for a filter's eyes; the rest tells which frame it is. */
static struct frame make_frame(uint8_t *bytes, uint32_t length, uint8_t protocol, uint32_t mark)
{
	memset(bytes, (int)(mark * 31 & 255), length);
	bytes[ETHERTYPE_AT] = 8;
	bytes[ETHERTYPE_AT + 1] = 0;
	bytes[14] = 0x45;
	bytes[PROTOCOL_AT] = protocol;
	if (length >= 38)
		memcpy(bytes + 34, &mark, sizeof(mark));
	return (struct frame){.data = bytes, .length = length, .wire_length = length,
			      .interface = 1};
}

/* One frame on its way through a path that changes it, with a verdict that tells which it is. */
static void pass(struct capture *capture, struct frame *frame, uint32_t backend)
{
	const struct outcome outcome = {VERDICT_FORWARDED, backend, 2};

	capture_before(capture, frame, 1, 1000 + backend);
	memset(frame->data, 0xee, frame->length);
	capture_after(capture, &outcome);
}

static void send_one(struct capture *capture, uint32_t length, uint8_t protocol, uint32_t mark)
{
	static uint8_t bytes[FRAME_MAX];
	struct frame frame = make_frame(bytes, length, protocol, mark);

	pass(capture, &frame, mark);
}

static void assert_next(struct capture *capture, uint32_t length, uint8_t protocol, uint32_t mark)
{
	static uint8_t bytes[FRAME_MAX];
	struct captured captured;

	make_frame(bytes, length, protocol, mark);
	assert_true(capture_next(capture, &captured));
	assert_int_equal(captured.frame.length, length);
	assert_int_equal(captured.frame.wire_length, length);
	assert_memory_equal(captured.frame.data, bytes, length);
	assert_int_equal(captured.frame.interface, 1);
	assert_int_equal(captured.time_ns, 1000 + mark);
	assert_int_equal(captured.outcome.backend, mark);
	assert_int_equal(captured.outcome.verdict, VERDICT_FORWARDED);
	assert_int_equal(captured.outcome.interface, 2);
	capture_done(capture);
}

static void assert_nothing(struct capture *capture)
{
	struct captured captured;

	assert_false(capture_next(capture, &captured));
}

static void a_frame_is_kept_as_it_came_with_what_became_of_it(void **state)
{
	struct capture *capture = open_capture("", NONE, 0);

	(void)state;
	assert_nothing(capture);
	for (uint32_t i = 0; i < 100; i++)
		send_one(capture, 60 + i, UDP, i);
	for (uint32_t i = 0; i < 100; i++)
		assert_next(capture, 60 + i, UDP, i);
	assert_nothing(capture);
	assert_int_equal(capture_lost(capture), 0);
	assert_false(capture_complete(capture));
	capture_free(capture);
}

static void nothing_is_seen_before_its_outcome_is(void **state)
{
	struct capture *capture = open_capture("", NONE, 0);
	const struct outcome outcomes[2] = {{DROP_no_service, NONE, NONE},
					    {VERDICT_FORWARDED, 7, 2}};
	uint8_t bytes[2][100];
	struct frame frames[2] = {make_frame(bytes[0], 100, UDP, 1),
				  make_frame(bytes[1], 100, UDP, 2)};
	struct captured captured;

	(void)state;
	capture_before(capture, frames, 2, 5);
	assert_nothing(capture);
	capture_after(capture, outcomes);
	assert_true(capture_next(capture, &captured));
	assert_int_equal(captured.outcome.verdict, DROP_no_service);
	capture_done(capture);
	assert_true(capture_next(capture, &captured));
	assert_int_equal(captured.outcome.backend, 7);
	capture_done(capture);
	capture_free(capture);
}

static void only_what_the_filter_wants_is_kept(void **state)
{
	struct capture *capture = open_capture("udp and greater 100", NONE, 0);

	(void)state;
	send_one(capture, 100, TCP, 1);
	send_one(capture, 99, UDP, 2);
	send_one(capture, 100, UDP, 3);
	assert_next(capture, 100, UDP, 3);
	assert_nothing(capture);
	capture_free(capture);
}

static void only_one_interface_is_looked_at(void **state)
{
	struct capture *capture = open_capture("", 1, 0), *other = open_capture("", 2, 0);

	(void)state;
	send_one(capture, 60, UDP, 1);
	send_one(other, 60, UDP, 1);
	assert_next(capture, 60, UDP, 1);
	assert_nothing(other);
	capture_free(capture);
	capture_free(other);
}

static void it_is_complete_with_as_many_as_were_asked_for(void **state)
{
	struct capture *capture = open_capture("udp", NONE, 2);

	(void)state;
	send_one(capture, 60, UDP, 1);
	send_one(capture, 60, TCP, 2);
	assert_false(capture_complete(capture));
	send_one(capture, 60, UDP, 3);
	assert_true(capture_complete(capture));
	send_one(capture, 60, UDP, 4);
	assert_next(capture, 60, UDP, 1);
	assert_next(capture, 60, UDP, 3);
	assert_nothing(capture);
	assert_int_equal(capture_lost(capture), 0);
	capture_free(capture);
}

static void a_tag_is_put_back_before_the_filter_looks(void **state)
{
	struct capture *capture = open_capture("vlan 5 and udp", NONE, 0);
	struct captured captured;
	uint8_t bytes[100];
	struct frame frame = make_frame(bytes, 100, UDP, 1);

	(void)state;
	pass(capture, &frame, 1);
	assert_nothing(capture);
	frame = make_frame(bytes, 100, UDP, 2);
	frame.vlan_tpid = 0x8100;
	frame.vlan_tci = 5;
	pass(capture, &frame, 2);
	assert_true(capture_next(capture, &captured));
	assert_int_equal(captured.frame.length, 104);
	assert_int_equal(captured.frame.vlan_tpid, 0);
	assert_memory_equal(captured.frame.data + 12, "\x81\x00\x00\x05\x08\x00\x45", 7);
	capture_free(capture);
}

static void what_finds_no_room_is_counted_and_disturbs_nothing(void **state)
{
	struct capture *capture = open_capture("", NONE, 0);
	uint32_t sent = 0, first;

	(void)state;
	while (!capture_lost(capture))
		send_one(capture, 9000, UDP, sent++);
	send_one(capture, 9000, UDP, sent);
	assert_int_equal(capture_lost(capture), 2);
	first = sent - 1;
	assert_true(first > 1500);
	for (uint32_t i = 0; i < first; i++)
		assert_next(capture, 9000, UDP, i);
	assert_nothing(capture);
	send_one(capture, 9000, UDP, 77);
	assert_next(capture, 9000, UDP, 77);
	capture_free(capture);
}

/* What is left at the buffer's end is too little for a frame, and what was read at its beginning
 * for a longer one. */
static void what_is_unread_is_not_written_over(void **state)
{
	struct capture *capture = open_capture("", NONE, 0);
	uint32_t sent = 0, unread;

	(void)state;
	while (!capture_lost(capture))
		send_one(capture, 7000, UDP, sent++);
	unread = sent - 1;
	assert_next(capture, 7000, UDP, 0);
	send_one(capture, 7500, UDP, sent++);
	assert_int_equal(capture_lost(capture), 2);
	send_one(capture, 7000, UDP, sent);
	assert_int_equal(capture_lost(capture), 2);
	for (uint32_t i = 1; i < unread; i++)
		assert_next(capture, 7000, UDP, i);
	assert_next(capture, 7000, UDP, sent);
	assert_nothing(capture);
	capture_free(capture);
}

/* Lengths of all kinds, read now and then, go round the buffer many times. */
static void the_buffer_is_used_again_and_again(void **state)
{
	struct capture *capture = open_capture("", NONE, 0);
	uint32_t written = 0, read = 0;
	uint64_t bytes = 0;

	(void)state;
	srand(1);
	while (bytes < UINT64_C(200) << 20) {
		for (int i = rand() % 50; i > 0; i--) {
			uint32_t length = 38 + (written * 7919) % (written % 20 ? 1500 : 65000);

			send_one(capture, length, UDP, written++);
			bytes += length;
		}
		for (int i = rand() % 100; i > 0 && read < written; i--, read++)
			assert_next(capture, 38 + (read * 7919) % (read % 20 ? 1500 : 65000), UDP,
				    read);
	}
	assert_int_equal(capture_lost(capture), 0);
	capture_free(capture);
}

struct race {
	struct capture *capture;
	_Atomic bool over;
	uint32_t sent;
};

static void *send_many(void *argument)
{
	struct race *race = argument;
	static uint8_t bytes[4][2048];

	for (uint32_t i = 0; i < 300000; i += 4) {
		struct frame frames[4];
		struct outcome outcomes[4];

		for (uint32_t k = 0; k < 4; k++) {
			frames[k] = make_frame(bytes[k], 60 + (i + k) % 1000, UDP, i + k);
			outcomes[k] = (struct outcome){VERDICT_FORWARDED, i + k, 2};
		}
		capture_before(race->capture, frames, 4, i);
		capture_after(race->capture, outcomes);
	}
	race->sent = 300000;
	atomic_store(&race->over, true);
	return NULL;
}

/* Nothing is torn, doubled or out of order; what is not read was counted as lost. */
static void one_thread_writes_while_another_reads(void **state)
{
	struct race race = {.capture = open_capture("", NONE, 0)};
	uint32_t read = 0, last = 0, mark;
	struct captured captured;
	pthread_t thread;
	bool over = false;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, send_many, &race), 0);
	while (!over) {
		over = atomic_load(&race.over);
		while (capture_next(race.capture, &captured)) {
			memcpy(&mark, captured.frame.data + 34, sizeof(mark));
			assert_int_equal(captured.outcome.backend, mark);
			assert_int_equal(captured.frame.length, 60 + mark % 1000);
			assert_int_equal(captured.frame.data[captured.frame.length - 1],
					 mark * 31 & 255);
			assert_true(!read || mark > last);
			last = mark;
			read++;
			capture_done(race.capture);
		}
	}
	pthread_join(thread, NULL);
	assert_int_equal(read + capture_lost(race.capture), race.sent);
	capture_free(race.capture);
}

static void a_filter_that_makes_no_sense_is_refused(void **state)
{
	struct capture_options options = {.filter = "tcp prot 80", .interface = NONE};
	struct capture *capture;
	char error[512];

	(void)state;
	assert_int_equal(capture_new(&capture, &options, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "filter \"tcp prot 80\": "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_kept_as_it_came_with_what_became_of_it),
		cmocka_unit_test(nothing_is_seen_before_its_outcome_is),
		cmocka_unit_test(only_what_the_filter_wants_is_kept),
		cmocka_unit_test(only_one_interface_is_looked_at),
		cmocka_unit_test(it_is_complete_with_as_many_as_were_asked_for),
		cmocka_unit_test(a_tag_is_put_back_before_the_filter_looks),
		cmocka_unit_test(what_finds_no_room_is_counted_and_disturbs_nothing),
		cmocka_unit_test(what_is_unread_is_not_written_over),
		cmocka_unit_test(the_buffer_is_used_again_and_again),
		cmocka_unit_test(one_thread_writes_while_another_reads),
		cmocka_unit_test(a_filter_that_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
