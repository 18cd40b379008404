#include "appliance/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/waiting.h"

enum {
	READ_SIZE = 64 * 1024,
	EVENT_ROOM = 256 * 1024, /* a console with more than this unread is told no events */
};


/* What the session says, as frames. */

static void sink_output(void *context, bool heading, const char *text, size_t size)
{
	struct client *client = context;

	put_text_frames(&client->out, heading ? MESSAGE_HEADING : MESSAGE_OUTPUT, text, size);
}

static void sink_filter(void *context, enum pipe_type type, const char *pattern)
{
	struct client *client = context;
	size_t frame = frame_begin(&client->out, MESSAGE_FILTER);

	put_u8(&client->out, (uint8_t)type);
	put_name(&client->out, pattern);
	frame_end(&client->out, frame);
}

static void put_empty(struct client *client, enum message_type type)
{
	frame_end(&client->out, frame_begin(&client->out, type));
}

static void put_word(struct client *client, enum message_type type, const char *word)
{
	size_t frame = frame_begin(&client->out, type);

	put_name(&client->out, word);
	frame_end(&client->out, frame);
}

static void sink_output_end(void *context)
{
	put_empty(context, MESSAGE_OUTPUT_END);
}

static void sink_error(void *context, const char *text, size_t size)
{
	struct client *client = context;

	put_text_frames(&client->out, MESSAGE_ERROR, text, size);
}

static void sink_needs_file(void *context, const char *name)
{
	put_word(context, MESSAGE_NEEDS_FILE, name);
}

static void sink_file(void *context, const char *name, const void *bytes, size_t size)
{
	struct client *client = context;

	put_word(client, MESSAGE_FILE, name);
	put_text_frames(&client->out, MESSAGE_FILE_MORE, bytes, size);
	put_empty(client, MESSAGE_FILE_END);
}

static void sink_stream(void *context, const char *name)
{
	put_word(context, MESSAGE_STREAM, name);
}

static void sink_stream_more(void *context, const void *bytes, size_t size)
{
	struct client *client = context;

	put_text_frames(&client->out, MESSAGE_FILE_MORE, bytes, size);
}

static void sink_stream_end(void *context)
{
	put_empty(context, MESSAGE_FILE_END);
}

static void sink_console(void *context, const char *action)
{
	put_word(context, MESSAGE_CONSOLE, action);
}

static void sink_sample(void *context, const char *text, size_t size)
{
	struct client *client = context;

	put_text_frames(&client->out, MESSAGE_SAMPLE, text, size);
}

static bool sink_heard(void *context)
{
	const struct client *client = context;

	return !buffer_left(&client->out);
}

static void sink_done(void *context, enum exit_status status)
{
	struct client *client = context;
	size_t frame = frame_begin(&client->out, MESSAGE_DONE);

	put_u8(&client->out, (uint8_t)status);
	frame_end(&client->out, frame);
}

struct session *client_session_new(struct client *client, const char *user)
{
	const struct session_sink sink = {
		.context = client, .output = sink_output, .filter = sink_filter,
		.output_end = sink_output_end, .error = sink_error, .needs_file = sink_needs_file,
		.file = sink_file, .stream = sink_stream, .stream_more = sink_stream_more,
		.stream_end = sink_stream_end, .console = sink_console,
		.sample = sink_sample, .heard = sink_heard, .done = sink_done,
	};

	return session_new(client->host->appliance, user, &sink);
}

void client_close(struct client *client)
{
	session_free(client->session);
	buffer_free(&client->in);
	buffer_free(&client->out);
	close(client->fd);
	*client = (struct client){.host = client->host, .fd = -1};
}

/* Closes the connection when the console has been told why. */
void client_refuse(struct client *client, const char *why)
{
	put_word(client, MESSAGE_REFUSED, why);
	client->closing = true;
}

/* Room to write is waited for where there is something to say; more is read only when no whole frame
 * is left to handle, so that a console cannot pile up requests here. */
static void client_watch(struct client *client)
{
	struct message message;
	bool reads = frame_peek(&client->in, REQUEST_MAX, &message) == 0;
	struct epoll_event event = {
		.events = (reads ? (unsigned)EPOLLIN : 0) | (buffer_left(&client->out) ? (unsigned)EPOLLOUT : 0),
		.data.ptr = client,
	};

	if (event.events == client->events)
		return;
	client->events = event.events;
	epoll_ctl(client->host->epoll, EPOLL_CTL_MOD, client->fd, &event);
}

/* Writes what fits. False where the console is gone. */
static bool client_flush(struct client *client)
{
	struct buffer *out = &client->out;

	while (buffer_left(out)) {
		ssize_t sent = send(client->fd, out->bytes + out->start, buffer_left(out), MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			return false;
		if (sent < 0)
			break;
		buffer_consume(out, (size_t)sent);
	}
	if (!buffer_left(out))
		buffer_free(out);
	return !(client->closing && !buffer_left(out));
}

/* Who comes now has not heard it. */
static void tell_waiting(struct client *client)
{
	const struct appliance *appliance = client->host->appliance;
	struct waiting waiting;
	char sentence[WAITING_TEXT_SIZE];

	if (!client->interactive || !appliance->waiting(appliance->context, &waiting))
		return;
	waiting_text(&waiting, sentence);
	put_word(client, MESSAGE_EVENT, sentence);
}

static void handle_hello(struct client *client, struct payload *payload)
{
	const struct appliance *appliance = client->host->appliance;
	uint32_t version = take_u32(payload);
	char host[256] = "", why[128];
	size_t frame;

	client->interactive = take_u8(payload);
	if (payload->broken || version != PROTOCOL_VERSION) {
		snprintf(why, sizeof(why), "lbd %s speaks protocol %d, this lb %u: use the lb that came with it",
			 LB_VERSION, PROTOCOL_VERSION, version);
		client_refuse(client, why);
		return;
	}
	client->welcome = true;
	gethostname(host, sizeof(host) - 1);
	frame = frame_begin(&client->out, MESSAGE_WELCOME);
	put_u32(&client->out, PROTOCOL_VERSION);
	put_name(&client->out, host);
	put_name(&client->out, LB_VERSION);
	put_u64(&client->out, appliance->revision(appliance->context));
	frame_end(&client->out, frame);
	tell_waiting(client);
}

static void put_candidate(void *context, const char *word)
{
	put_word(context, MESSAGE_CANDIDATE, word);
}

static void handle_complete(struct client *client, const char *line)
{
	unsigned besides = session_complete(client->session, line, put_candidate, client);

	if (besides & COMPLETION_FILES)
		sink_console(client, "files");
	if (besides & COMPLETION_END)
		sink_console(client, "end");
	if (besides & COMPLETION_VALUE)
		sink_console(client, "value");
	sink_done(client, STATUS_DONE);
}

static void handle_help(struct client *client, const char *line)
{
	session_help(client->session, line);
	sink_done(client, STATUS_DONE);
}

static void handle_run(struct client *client, struct payload *payload)
{
	struct request request;

	client->host->served = client;
	if (take_request(payload, &request) < 0)
		payload->broken = true;
	else
		session_run(client->session, &request, client->host->now_ns);
	client->host->served = NULL;
}

/* One frame; false where it makes no sense. */
static bool handle(struct client *client, struct message *message)
{
	struct payload *payload = &message->payload;
	const char *line = "";

	if (message->type == MESSAGE_COMPLETE || message->type == MESSAGE_HELP)
		line = take_name(payload);
	if (payload->broken || client->welcome != (message->type != MESSAGE_HELLO))
		return false;
	switch (message->type) {
	case MESSAGE_HELLO:
		handle_hello(client, payload);
		return true;
	case MESSAGE_RUN:
		handle_run(client, payload);
		break;
	case MESSAGE_COMPLETE:
		handle_complete(client, line);
		break;
	case MESSAGE_HELP:
		handle_help(client, line);
		break;
	case MESSAGE_INTERRUPT:
		session_interrupt(client->session);
		break;
	default:
		return false;
	}
	return !payload->broken;
}

/* What may be handled now: while a request waits only its interruption, and nothing before the last
 * reply has been read. */
static bool may_handle(const struct client *client, const struct message *message)
{
	if (client->closing)
		return false;
	if (session_busy(client->session))
		return message->type == MESSAGE_INTERRUPT;
	return !buffer_left(&client->out) || !client->welcome;
}

/* Handles the frames that are there. False where the connection is to be closed. */
static bool client_handle(struct client *client)
{
	struct message message;
	int there;

	while ((there = frame_peek(&client->in, REQUEST_MAX, &message)) > 0) {
		if (!may_handle(client, &message))
			break;
		if (!handle(client, &message) || client->out.failed)
			return false;
		buffer_consume(&client->in, message.frame_size);
		if (!client_flush(client))
			return false;
	}
	return there >= 0;
}

/* Reads once; level-triggered epoll comes back for more. */
static bool client_read(struct client *client)
{
	uint8_t *room = buffer_reserve(&client->in, READ_SIZE);
	ssize_t got;

	if (!room)
		return false;
	got = recv(client->fd, room, READ_SIZE, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	client->in.size += (size_t)got;
	return got > 0;
}

/* After whatever has happened: says what is to be said, handles what may be, or closes. */
void client_settle(struct client *client, bool alive)
{
	if (alive && !client->out.failed && client_flush(client) && client_handle(client))
		client_watch(client);
	else
		client_close(client);
}

void client_run(struct client *client, uint32_t events)
{
	bool alive = !(events & (EPOLLHUP | EPOLLERR)) || events & EPOLLIN;

	if (events & EPOLLIN)
		alive = client_read(client);
	client_settle(client, alive);
}

static void tell_missed(struct client *client)
{
	char sentence[64];

	if (!client->missed)
		return;
	snprintf(sentence, sizeof(sentence), "%u events were not shown here", client->missed);
	put_word(client, MESSAGE_EVENT, sentence);
	client->missed = 0;
}

void client_tell(struct client *client, const char *sentence)
{
	if (buffer_left(&client->out) > EVENT_ROOM) {
		client->missed++;
		return;
	}
	tell_missed(client);
	put_word(client, MESSAGE_EVENT, sentence);
	client_watch(client);
}
