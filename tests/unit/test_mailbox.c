/* The mailbox between two threads: errands one way, events the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "appliance/mailbox.h"

enum { ERRANDS = 20000, EVENTS = 4096, STREAM = 200000 };

/* What stands in for the path: it turns without ever looking at a descriptor. */
struct busy {
	struct mailbox *mailbox;
	pthread_t thread;
	_Atomic bool stop;
};

static void *turn(void *argument)
{
	struct busy *busy = argument;

	while (!atomic_load_explicit(&busy->stop, memory_order_relaxed))
		if (mailbox_pending(busy->mailbox))
			mailbox_serve(busy->mailbox, NULL, 7);
	return NULL;
}

static bool readable(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	return poll(&ready, 1, 0) == 1;
}

static void count(struct path *path, void *argument, uint64_t now_ns)
{
	unsigned *counter = argument; /* plain: the mailbox orders it */

	assert_null(path);
	assert_int_equal(now_ns, 7);
	++*counter;
}

static void an_errand_is_done_when_the_call_returns(void **state)
{
	struct busy busy = {.mailbox = mailbox_new()};
	unsigned counter = 0;

	(void)state;
	assert_int_equal(pthread_create(&busy.thread, NULL, turn, &busy), 0);
	for (unsigned i = 0; i < ERRANDS; i++) {
		mailbox_call(busy.mailbox, count, &counter);
		assert_int_equal(counter, i + 1);
	}
	atomic_store(&busy.stop, true);
	pthread_join(busy.thread, NULL);
	mailbox_free(busy.mailbox);
}

/* A path that is awake serves before, or after, or while the descriptor is written. */
static void a_wake_up_that_came_too_late_ends_one_sleep_only(void **state)
{
	struct busy busy = {.mailbox = mailbox_new()};
	unsigned counter = 0;

	(void)state;
	assert_int_equal(pthread_create(&busy.thread, NULL, turn, &busy), 0);
	for (unsigned i = 0; i < ERRANDS; i++)
		mailbox_call(busy.mailbox, count, &counter);
	atomic_store(&busy.stop, true);
	pthread_join(busy.thread, NULL);
	assert_true(readable(mailbox_wake_fd(busy.mailbox)));
	mailbox_woken(busy.mailbox);
	assert_false(readable(mailbox_wake_fd(busy.mailbox)));
	assert_false(mailbox_pending(busy.mailbox));
	mailbox_free(busy.mailbox);
}

static void events_come_in_order_until_none_is_left(void **state)
{
	struct mailbox *mailbox = mailbox_new();
	struct path_event event = {.type = EVENT_TARGET_UP};
	bool lost;

	(void)state;
	assert_false(readable(mailbox_event_fd(mailbox)));
	for (event.id = 0; event.id < EVENTS; event.id++)
		mailbox_event(mailbox, &event);
	assert_true(readable(mailbox_event_fd(mailbox)));
	for (uint32_t i = 0; i < EVENTS; i++) {
		assert_true(mailbox_next_event(mailbox, &event, &lost));
		assert_int_equal(event.id, i);
		assert_false(lost);
	}
	assert_false(mailbox_next_event(mailbox, &event, &lost));
	assert_false(lost);
	assert_false(readable(mailbox_event_fd(mailbox)));
	mailbox_free(mailbox);
}

static void what_finds_no_room_is_told_as_lost_once(void **state)
{
	struct mailbox *mailbox = mailbox_new();
	struct path_event event = {.type = EVENT_TARGET_DOWN};
	unsigned read = 0, told = 0;
	bool lost, more = true;

	(void)state;
	for (event.id = 0; event.id < EVENTS + 100; event.id++)
		mailbox_event(mailbox, &event);
	while (more) {
		more = mailbox_next_event(mailbox, &event, &lost);
		read += more;
		told += lost;
	}
	assert_int_equal(read, EVENTS);
	assert_int_equal(told, 1);
	event.id = 5;
	mailbox_event(mailbox, &event);
	assert_true(mailbox_next_event(mailbox, &event, &lost));
	assert_int_equal(event.id, 5);
	assert_false(lost);
	mailbox_free(mailbox);
}

struct stream {
	struct mailbox *mailbox;
	_Atomic uint32_t newest; /* what an errand would find */
	_Atomic bool written;
};

static void *write_stream(void *argument)
{
	struct path_event event = {.type = EVENT_TARGET_UP};
	struct stream *stream = argument;

	for (event.id = 0; event.id < STREAM; event.id++) {
		atomic_store(&stream->newest, event.id);
		mailbox_event(stream->mailbox, &event);
	}
	atomic_store(&stream->written, true);
	return NULL;
}

/* Who reads events while they are written, in order, and asks when some were lost and none is left,
 * knows the newest in the end. */
static void losses_are_told_in_time_to_ask(void **state)
{
	struct stream stream = {.mailbox = mailbox_new()};
	struct path_event event;
	pthread_t writer;
	uint32_t next = 0, known = 0;
	bool lost, missed = false, more = true;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_stream, &stream), 0);
	while (more) {
		bool written = atomic_load(&stream.written);
		bool there = mailbox_next_event(stream.mailbox, &event, &lost);

		missed |= lost;
		if (there) {
			assert_true(event.id >= next);
			known = event.id;
			next = event.id + 1;
		} else if (missed) {
			known = atomic_load(&stream.newest);
			missed = false;
		}
		more = there || !written;
	}
	assert_int_equal(known, STREAM - 1);
	pthread_join(writer, NULL);
	mailbox_free(stream.mailbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_errand_is_done_when_the_call_returns),
		cmocka_unit_test(a_wake_up_that_came_too_late_ends_one_sleep_only),
		cmocka_unit_test(events_come_in_order_until_none_is_left),
		cmocka_unit_test(what_finds_no_room_is_told_as_lost_once),
		cmocka_unit_test(losses_are_told_in_time_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
