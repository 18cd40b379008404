/* The control socket: many consoles, rude ones among them, and who may have it. */
#include "tests/unit/console.h"

#include <errno.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "appliance/server.h"
#include "cli/protocol.h"
#include "tests/unit/fake_appliance.h"

enum { SECOND = 1000000000 };

struct house {
	struct fake fake;
	struct appliance appliance;
	struct server *server;
	uint64_t now_ns;
	char directory[64], path[80];
	char error[256];
};

struct console {
	int fd;
	struct buffer in;
	struct message message;
	char text[65536];      /* of the last message that has some */
};

static int begin(void **state)
{
	struct house *house = calloc(1, sizeof(*house));

	house->appliance = fake_appliance(&house->fake);
	house->now_ns = SECOND;
	strcpy(house->directory, "/tmp/lb-server-XXXXXX");
	assert_non_null(mkdtemp(house->directory));
	snprintf(house->path, sizeof(house->path), "%s/run/sock", house->directory);
	assert_int_equal(server_open(&house->server, house->path, &house->appliance, house->error,
				     sizeof(house->error)), 0);
	*state = house;
	return 0;
}

static int end(void **state)
{
	struct house *house = *state;
	char run[80];

	server_close(house->server);
	snprintf(run, sizeof(run), "%s/run", house->directory);
	unlink(house->path);
	rmdir(run);
	assert_int_equal(rmdir(house->directory), 0);
	fake_free(&house->fake);
	free(house);
	return 0;
}

/* Everything that can be handled now. */
static void settle(struct house *house)
{
	for (unsigned i = 0; i < 64; i++)
		server_run(house->server, house->now_ns);
}

static void dial(struct house *house, struct console *console)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*console = (struct console){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};
	strcpy(address.sun_path, house->path);
	assert_int_equal(connect(console->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	settle(house);
}

static void hang_up(struct console *console)
{
	close(console->fd);
	buffer_free(&console->in);
}

static void send_buffer(struct house *house, struct console *console, struct buffer *out)
{
	while (buffer_left(out)) {
		ssize_t sent =
			send(console->fd, out->bytes + out->start, buffer_left(out), MSG_NOSIGNAL);

		if (sent < 0)
			break;
		buffer_consume(out, (size_t)sent);
		settle(house);
	}
	buffer_free(out);
	settle(house);
}

static void say_hello(struct house *house, struct console *console, uint32_t version,
		      bool interactive)
{
	struct buffer out = {0};
	size_t frame = frame_begin(&out, MESSAGE_HELLO);

	put_u32(&out, version);
	put_u8(&out, interactive);
	frame_end(&out, frame);
	send_buffer(house, console, &out);
}

static void say_run(struct house *house, struct console *console, const char *text)
{
	struct request request = {.source = "", .text = text, .size = strlen(text)};
	struct buffer out = {0};

	put_request(&out, &request);
	send_buffer(house, console, &out);
}

/* The next message's type, or -1 where the other side has closed, 0 where nothing comes. */
static int hear(struct house *house, struct console *console)
{
	const char *text;
	size_t size;

	settle(house);
	while (frame_peek(&console->in, REQUEST_MAX, &console->message) == 0) {
		uint8_t *room = buffer_reserve(&console->in, 65536);
		ssize_t got = recv(console->fd, room, 65536, 0);

		if (got < 0)
			return errno == EAGAIN ? 0 : -1;
		if (got == 0)
			return -1;
		console->in.size += (size_t)got;
		settle(house);
	}
	buffer_consume(&console->in, console->message.frame_size);
	text = take_string(&console->message.payload, &size);
	snprintf(console->text, sizeof(console->text), "%.*s", (int)size, text);
	return console->message.type;
}

static void open_console(struct house *house, struct console *console, bool interactive)
{
	dial(house, console);
	say_hello(house, console, PROTOCOL_VERSION, interactive);
	assert_int_equal(hear(house, console), MESSAGE_WELCOME);
}

static void a_command_is_run_for_the_user_whom_the_kernel_names(void **state)
{
	struct house *house = *state;
	struct console console;

	open_console(house, &console, false);
	say_run(house, &console, "add pool web");
	assert_int_equal(hear(house, &console), MESSAGE_OUTPUT);
	assert_string_equal(console.text, "r1 active.\n");
	assert_int_equal(hear(house, &console), MESSAGE_OUTPUT_END);
	assert_int_equal(hear(house, &console), MESSAGE_DONE);
	assert_string_equal(house->fake.user, getpwuid(getuid())->pw_name);
	hang_up(&console);
}

static void another_protocol_is_refused_with_a_reason(void **state)
{
	struct house *house = *state;
	struct console console;

	dial(house, &console);
	say_hello(house, &console, PROTOCOL_VERSION + 1, false);
	assert_int_equal(hear(house, &console), MESSAGE_REFUSED);
	assert_non_null(strstr(console.text, "speaks protocol 2"));
	assert_int_equal(hear(house, &console), -1);
	hang_up(&console);
}

static void nonsense_ends_the_conversation_and_no_other(void **state)
{
	static const struct { const char *bytes; size_t size; } rows[] = {
		{"\xff\xff\xff\xff\x02", 5},                   /* longer than anything may be */
		{"\0\0\0\0\x02", 5},
		{"\0\0\0\1\x63", 5},                           /* no such message */
		{"\0\0\0\1\x02", 5},                           /* a request without one */
		{"\0\0\0\5\x01\0\0\0\1", 9},                   /* a second greeting, short */
		{"\0\0\0\6\x03\0\0\0\1x", 10},                 /* a name without its zero */
		{"GET / HTTP/1.1\r\n\r\n", 18},
	};
	struct house *house = *state;
	struct console good, bad;

	open_console(house, &good, false);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buffer out = {0};

		open_console(house, &bad, false);
		buffer_append(&out, rows[i].bytes, rows[i].size);
		send_buffer(house, &bad, &out);
		assert_int_equal(hear(house, &bad), -1);
		hang_up(&bad);
	}
	dial(house, &bad);
	say_run(house, &bad, "add pool web"); /* before any greeting */
	assert_int_equal(hear(house, &bad), -1);
	hang_up(&bad);
	assert_int_equal(house->fake.revision, 0);
	say_run(house, &good, "add pool web");
	assert_int_equal(hear(house, &good), MESSAGE_OUTPUT);
	hang_up(&good);
}

static void requests_may_come_byte_by_byte(void **state)
{
	struct house *house = *state;
	struct request request = {.source = "", .text = "add pool web", .size = 12};
	struct buffer out = {0};
	struct console console;

	open_console(house, &console, false);
	put_request(&out, &request);
	for (size_t i = 0; i < buffer_left(&out); i++) {
		assert_int_equal(send(console.fd, out.bytes + i, 1, 0), 1);
		settle(house);
	}
	buffer_free(&out);
	assert_int_equal(hear(house, &console), MESSAGE_OUTPUT);
	hang_up(&console);
}

static void a_console_that_does_not_read_holds_up_nobody(void **state)
{
	struct house *house = *state;
	struct console slow, good;
	unsigned heard = 0, missed = 0;
	int type;

	open_console(house, &slow, true);
	open_console(house, &good, false);
	for (unsigned i = 0; i < 40; i++)
		say_run(house, &slow, "backup x");
	assert_in_range(house->fake.backups, 1, 10); /* as many replies as the socket itself holds */
	for (unsigned i = 0; i < 5000; i++)
		server_event(house->server,
			     "backend web/10.0.0.11:80 up, or down, or something in between",
			     false);
	say_run(house, &good, "add pool web");
	assert_int_equal(hear(house, &good), MESSAGE_OUTPUT);
	while ((type = hear(house, &slow)) > 0) {
		heard += type == MESSAGE_DONE;
		missed += type == MESSAGE_EVENT;
	}
	assert_int_equal(heard, 40);
	assert_true(missed < 5000);
	server_event(house->server, "again", false);
	assert_int_equal(hear(house, &slow), MESSAGE_EVENT);
	if (missed < 5000) {
		assert_non_null(strstr(slow.text, "events were not shown here"));
		assert_int_equal(hear(house, &slow), MESSAGE_EVENT);
	}
	assert_string_equal(slow.text, "again");
	hang_up(&slow);
	hang_up(&good);
}

static void events_are_for_interactive_consoles(void **state)
{
	struct house *house = *state;
	struct console person, script;

	open_console(house, &person, true);
	open_console(house, &script, false);
	server_event(house->server, "backend web/10.0.0.11:80 down", false);
	assert_int_equal(hear(house, &person), MESSAGE_EVENT);
	assert_string_equal(person.text, "backend web/10.0.0.11:80 down");
	assert_int_equal(hear(house, &script), 0);
	hang_up(&person);
	hang_up(&script);
}

/* While a command waits, the clock is the session's, and the next command waits for its turn. */
static void a_wait_is_carried_on_by_the_clock(void **state)
{
	struct house *house = *state;
	struct console console;

	open_console(house, &console, false);
	say_run(house, &console, "add pool web");
	say_run(house, &console, "add backend web 10.0.0.11:80");
	while (hear(house, &console) > 0)
		;
	house->fake.flows = 2;
	assert_true(server_deadline(house->server) == UINT64_MAX);
	say_run(house, &console, "drain backend web 10.0.0.11:80 wait");
	say_run(house, &console, "add pool later");
	assert_int_equal(hear(house, &console), MESSAGE_OUTPUT);
	assert_int_equal(hear(house, &console), MESSAGE_OUTPUT_END);
	assert_int_equal(hear(house, &console), 0);
	assert_true(server_deadline(house->server) > house->now_ns);
	house->fake.flows = 0;
	house->now_ns = server_deadline(house->server);
	assert_int_equal(hear(house, &console), MESSAGE_DONE);
	assert_int_equal(hear(house, &console), MESSAGE_OUTPUT);
	assert_string_equal(console.text, "r4 active.\n");
	hang_up(&console);
}

static void an_interrupt_ends_a_wait(void **state)
{
	struct house *house = *state;
	struct buffer out = {0};
	struct console console;

	house->fake.flows = 2;
	open_console(house, &console, false);
	say_run(house, &console, "add pool web");
	say_run(house, &console, "add backend web 10.0.0.11:80");
	say_run(house, &console, "disable backend web 10.0.0.11:80 wait");
	while (hear(house, &console) > 0)
		;
	frame_end(&out, frame_begin(&out, MESSAGE_INTERRUPT));
	send_buffer(house, &console, &out);
	assert_int_equal(hear(house, &console), MESSAGE_ERROR);
	assert_int_equal(hear(house, &console), MESSAGE_DONE);
	hang_up(&console);
}

static void a_console_that_goes_while_it_waits_is_forgotten(void **state)
{
	struct house *house = *state;
	struct console console;

	house->fake.flows = 2;
	open_console(house, &console, false);
	say_run(house, &console, "add pool web");
	say_run(house, &console, "add backend web 10.0.0.11:80");
	say_run(house, &console, "drain backend web 10.0.0.11:80 wait");
	while (hear(house, &console) > 0)
		;
	assert_true(server_deadline(house->server) != UINT64_MAX);
	hang_up(&console);
	settle(house);
	assert_true(server_deadline(house->server) == UINT64_MAX);
}

static void a_crowd_is_turned_away_with_a_reason(void **state)
{
	enum { CROWD = 65 };
	struct house *house = *state;
	static struct console console[CROWD];

	for (unsigned i = 0; i < CROWD - 1; i++)
		open_console(house, &console[i], false);
	dial(house, &console[CROWD - 1]);
	assert_int_equal(hear(house, &console[CROWD - 1]), MESSAGE_REFUSED);
	assert_string_equal(console[CROWD - 1].text, "too many consoles are open");
	hang_up(&console[0]);
	settle(house);
	open_console(house, &console[0], false);
	for (unsigned i = 0; i < CROWD; i++)
		hang_up(&console[i]);
}

static void tab_and_help_are_answered(void **state)
{
	struct house *house = *state;
	struct console console;
	struct buffer out = {0};

	open_console(house, &console, true);
	for (unsigned i = 0; i < 2; i++) {
		size_t frame = frame_begin(&out, i ? MESSAGE_HELP : MESSAGE_COMPLETE);

		put_name(&out, "show ver");
		frame_end(&out, frame);
	}
	send_buffer(house, &console, &out);
	assert_int_equal(hear(house, &console), MESSAGE_CANDIDATE);
	assert_string_equal(console.text, "version");
	assert_int_equal(hear(house, &console), MESSAGE_DONE);
	assert_int_equal(hear(house, &console), MESSAGE_OUTPUT);
	assert_string_equal(console.text, "  version  what is installed here\n");
	assert_int_equal(hear(house, &console), MESSAGE_DONE);
	hang_up(&console);
}

static void the_socket_is_for_owner_and_group(void **state)
{
	struct house *house = *state;
	struct stat status;

	assert_int_equal(stat(house->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
}

static void a_second_one_is_refused_and_names_the_first(void **state)
{
	struct house *house = *state;
	struct server *second;
	struct console console;
	char expected[256];

	assert_int_equal(server_open(&second, house->path, &house->appliance, house->error,
				     sizeof(house->error)), -EADDRINUSE);
	snprintf(expected, sizeof(expected), "socket %s: another lbd (pid %d) listens there",
		 house->path, getpid());
	assert_non_null(strstr(house->error, expected));
	open_console(house, &console, false);
	hang_up(&console);
}

static void a_stale_socket_is_replaced_and_a_file_is_not(void **state)
{
	struct house *house = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct console console;
	FILE *file;

	server_close(house->server);
	assert_int_equal(access(house->path, F_OK), -1);
	strcpy(address.sun_path, house->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(server_open(&house->server, house->path, &house->appliance, house->error,
				     sizeof(house->error)), 0);
	open_console(house, &console, false);
	hang_up(&console);
	server_close(house->server);
	house->server = NULL;
	file = fopen(house->path, "w");
	fclose(file);
	assert_int_equal(server_open(&house->server, house->path, &house->appliance, house->error,
				     sizeof(house->error)), -EEXIST);
	assert_non_null(strstr(house->error, "is not a socket"));
	assert_int_equal(access(house->path, F_OK), 0);
}

static void a_path_that_cannot_be_says_why(void **state)
{
	struct house *house = *state;
	struct server *server;
	char path[200];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_int_equal(
		server_open(&server, path, &house->appliance, house->error, sizeof(house->error)),
		-ENAMETOOLONG);
	assert_int_equal(server_open(&server, "/proc/nowhere/sock", &house->appliance, house->error,
				     sizeof(house->error)), -ENOENT);
	assert_non_null(strstr(house->error, "/proc/nowhere/sock: No such file"));
}

#define HOUSE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOUSE(a_command_is_run_for_the_user_whom_the_kernel_names),
		HOUSE(another_protocol_is_refused_with_a_reason),
		HOUSE(nonsense_ends_the_conversation_and_no_other),
		HOUSE(requests_may_come_byte_by_byte),
		HOUSE(a_console_that_does_not_read_holds_up_nobody),
		HOUSE(events_are_for_interactive_consoles),
		HOUSE(a_wait_is_carried_on_by_the_clock),
		HOUSE(an_interrupt_ends_a_wait),
		HOUSE(a_console_that_goes_while_it_waits_is_forgotten),
		HOUSE(a_crowd_is_turned_away_with_a_reason),
		HOUSE(tab_and_help_are_answered),
		HOUSE(the_socket_is_for_owner_and_group),
		HOUSE(a_second_one_is_refused_and_names_the_first),
		HOUSE(a_stale_socket_is_replaced_and_a_file_is_not),
		HOUSE(a_path_that_cannot_be_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
