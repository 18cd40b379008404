#include "cli/lb/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/lb/files.h"
#include "cli/lb/monitor.h"
#include "cli/lb/signals.h"

enum {
	EVENTS_KEPT = 16 * 1024, /* bytes of them that are told behind a monitor */
	WRITERS_MAX = 2,
};

bool candidate_state_take(struct candidate_state *state, const char *action)
{
	struct candidate_state said = {.open = true};

	if (sscanf(action, "candidate %u", &said.lines) == 1)
		*state = said;
	else if (strcmp(action, "candidate closed") == 0)
		*state = (struct candidate_state){0};
	else
		return false;
	return true;
}

/* The request at hand, until its DONE. */
struct running {
	struct exchange *exchange;
	struct file_writer writer[WRITERS_MAX];
	unsigned writers;            /* files that are coming */
	struct file_writer *current; /* what comes is for this one; NULL: for none */
	bool unwanted;               /* what runs is to be ended */
	char *needed;                /* the file that lbd asks for */
	char **candidate;
	size_t candidates;
	unsigned besides;            /* enum completion */
	struct monitor *monitor;     /* has the terminal */
	bool caught;                 /* signals, for what runs alone */
	sigset_t waiting;            /* mask, then */
	struct buffer events;        /* lines of what happened meanwhile */
	bool interrupt_sent;
	enum exit_status status;     /* the worst that happened on this side */
};

static void complain(struct running *running, const char *format, const char *what, const char *why)
{
	output_end(&running->exchange->output);
	fflush(stdout);
	fprintf(stderr, format, what, why);
	running->status = STATUS_REJECTED;
}

static void write_text(struct running *running, uint8_t type, struct payload *payload)
{
	struct exchange *exchange = running->exchange;
	size_t size;
	const char *text = take_string(payload, &size);

	if (type != MESSAGE_ERROR) {
		output_text(&exchange->output, type == MESSAGE_HEADING, text, size);
		return;
	}
	output_end(&exchange->output);
	fflush(stdout);
	fwrite(text, 1, size, stderr);
}

static void begin_filter(struct running *running, struct payload *payload)
{
	enum pipe_type type = (enum pipe_type)take_u8(payload);
	char error[512];

	if (output_filter(&running->exchange->output, type, take_name(payload), error,
			  sizeof(error)) == 0)
		return;
	fprintf(stderr, "error: %s\n", error);
	running->status = STATUS_USAGE;
}

static const char *why_not_written(int error)
{
	return error == -EEXIST ? "it is there already and not empty" : strerror(-error);
}

/* What is ended by a signal in an orderly way, where lb as a whole is not. */
static void catch_signals(struct running *running)
{
	if (running->exchange->mask || running->caught)
		return;
	signals_catch(&running->waiting);
	running->caught = true;
}

static void release_signals(struct running *running)
{
	if (!running->caught)
		return;
	signals_release(&running->waiting);
	if (signals.terminated)
		raise(signals.terminated);
}

/* ---- files that lbd has written here ---- */

/* What cannot be written is not to be captured either. */
static void fail_file(struct running *running, const char *name, int error)
{
	complain(running, "error: cannot write %s: %s\n", name ? name : "file",
		 why_not_written(error));
	running->unwanted = true;
}

static void end_file(struct running *running, struct file_writer *writer)
{
	unsigned silent = running->exchange->flags & (REQUEST_QUIET | REQUEST_JSON);
	char *name = strdup(writer->name ? writer->name : "file");
	bool grows = writer->grows, told = grows && writer->error;
	size_t size = writer->size;
	int error = file_writer_end(writer);

	*writer = running->writer[--running->writers];
	running->current = NULL;
	if (error && !told)
		fail_file(running, name, error);
	else if (!error && !silent && !grows)
		printf("%s: %zu bytes written.\n", name ? name : "", size);
	free(name);
}

static void name_file(struct running *running, bool grows, const char *name)
{
	struct file_writer *writer = running->writer;

	while (writer < running->writer + running->writers &&
	       (!writer->name || strcmp(writer->name, name) != 0))
		writer++;
	running->current = writer < running->writer + WRITERS_MAX ? writer : NULL;
	if (writer != running->writer + running->writers || !running->current)
		return;
	running->writers++;
	if (grows) {
		catch_signals(running);
		file_writer_begin_growing(writer, name);
	} else {
		file_writer_begin(writer, name);
	}
	if (grows && writer->error)
		fail_file(running, name, writer->error);
}

static void write_more(struct running *running, struct payload *payload)
{
	struct file_writer *writer = running->current;
	int before = writer->error;
	size_t size;
	const char *bytes = take_string(payload, &size);

	file_writer_put(writer, bytes, size);
	if (writer->grows && writer->error != before)
		fail_file(running, writer->name, writer->error);
}

static void write_file(struct running *running, struct message *message)
{
	if (message->type == MESSAGE_FILE || message->type == MESSAGE_STREAM)
		name_file(running, message->type == MESSAGE_STREAM, take_name(&message->payload));
	else if (message->type == MESSAGE_FILE_MORE && running->current)
		write_more(running, &message->payload);
	else if (message->type == MESSAGE_FILE_END && running->current)
		end_file(running, running->current);
}

/* Those whose end has not come: of one that grows, what is there stays. */
static void leave_files(struct running *running)
{
	while (running->writers)
		file_writer_abandon(&running->writer[--running->writers]);
}

static void add_candidate(struct running *running, const char *word)
{
	char **list = reallocarray(running->candidate, running->candidates + 2, sizeof(*list));

	if (!list)
		return;
	running->candidate = list;
	list[running->candidates] = strdup(word);
	running->candidates += list[running->candidates] ? 1 : 0;
	list[running->candidates] = NULL;
}

static void do_action(struct running *running, const char *action)
{
	struct exchange *exchange = running->exchange;

	if (strcmp(action, "files") == 0)
		running->besides |= COMPLETION_FILES;
	else if (strcmp(action, "end") == 0)
		running->besides |= COMPLETION_END;
	else if (strcmp(action, "value") == 0)
		running->besides |= COMPLETION_VALUE;
	else if (exchange->action)
		exchange->action(exchange->context, action);
}

/* ---- while a monitor has the terminal ---- */

static void take_sample(struct running *running, struct payload *payload)
{
	size_t size;
	const char *text = take_string(payload, &size);

	if (!running->monitor && !running->interrupt_sent) {
		catch_signals(running);
		running->monitor = monitor_open();
	}
	if (running->monitor)
		monitor_sample(running->monitor, text, size);
}

static void take_event(struct running *running, const char *sentence)
{
	struct exchange *exchange = running->exchange;

	if (!exchange->event)
		return;
	if (!running->monitor)
		exchange->event(exchange->context, sentence);
	else if (buffer_left(&running->events) < EVENTS_KEPT)
		buffer_append(&running->events, sentence, strlen(sentence) + 1);
}

/* Gives the terminal back, then tells what happened meanwhile, as at the prompt. */
static void end_monitor(struct running *running)
{
	struct exchange *exchange = running->exchange;
	struct buffer *events = &running->events;

	if (!running->monitor)
		return;
	monitor_close(running->monitor);
	running->monitor = NULL;
	while (buffer_left(events)) {
		const char *sentence = (const char *)events->bytes + events->start;

		exchange->event(exchange->context, sentence);
		buffer_consume(events, strlen(sentence) + 1);
	}
	buffer_free(events);
}

/* Takes one message; true where it was the last. */
static bool take_message(struct running *running, struct message *message)
{
	struct exchange *exchange = running->exchange;
	struct payload *payload = &message->payload;

	if (message->type != MESSAGE_SAMPLE && message->type != MESSAGE_EVENT)
		end_monitor(running);
	switch (message->type) {
	case MESSAGE_OUTPUT:
	case MESSAGE_HEADING:
	case MESSAGE_ERROR:
		write_text(running, message->type, payload);
		break;
	case MESSAGE_FILTER:
		begin_filter(running, payload);
		break;
	case MESSAGE_OUTPUT_END:
		output_end(&exchange->output);
		fflush(stdout);
		break;
	case MESSAGE_FILE:
	case MESSAGE_STREAM:
	case MESSAGE_FILE_MORE:
	case MESSAGE_FILE_END:
		write_file(running, message);
		break;
	case MESSAGE_NEEDS_FILE:
		free(running->needed);
		running->needed = strdup(take_name(payload));
		break;
	case MESSAGE_CANDIDATE:
		add_candidate(running, take_name(payload));
		break;
	case MESSAGE_CONSOLE:
		do_action(running, take_name(payload));
		break;
	case MESSAGE_EVENT:
		take_event(running, take_name(payload));
		break;
	case MESSAGE_SAMPLE:
		take_sample(running, payload);
		break;
	case MESSAGE_DONE:
		output_end(&exchange->output);
		if (!running->status)
			running->status = (enum exit_status)take_u8(payload);
		return true;
	default:
		break;
	}
	return false;
}

/* The conversation, or only what could not be sent. */
static enum exit_status lose(struct running *running, int error)
{
	output_end(&running->exchange->output);
	fflush(stdout);
	if (error == -EINTR)
		return STATUS_REJECTED; /* a signal ends lb */
	if (error == -EMSGSIZE) {
		fprintf(stderr, "error: larger than %d bytes with its files, nothing was sent\n",
			REQUEST_MAX);
		return STATUS_REJECTED;
	}
	if (error == -ENOTCONN)
		fprintf(stderr, "error: lbd has ended the conversation; what was asked last may "
			"have been done or not. Is lbd still running?\n");
	else
		fprintf(stderr, "error: lbd at %s: %s\n", running->exchange->connection->path,
			strerror(-error));
	return STATUS_UNREACHABLE;
}

/* A frame, a signal or a key, whatever comes first. */
static int receive(struct running *running, struct message *ret_message)
{
	const struct exchange *exchange = running->exchange;

	return connection_receive(exchange->connection,
				  running->caught ? &running->waiting : exchange->mask,
				  running->monitor ? STDIN_FILENO : -1, ret_message);
}

static int interrupt(struct running *running)
{
	if (running->interrupt_sent)
		return 0;
	running->interrupt_sent = true;
	return connection_send_name(running->exchange->connection, MESSAGE_INTERRUPT, NULL);
}

/* After a signal or a key: ends what runs where that is what was meant. 0 or a negative errno. */
static int attend(struct running *running)
{
	bool leaves = running->monitor ? !monitor_attend(running->monitor) : signals.interrupted;

	if (signals.terminated)
		return -EINTR;
	if (!leaves)
		return 0;
	end_monitor(running);
	signals.interrupted = 0;
	return interrupt(running);
}

/* Reads up to DONE. */
static enum exit_status finish(struct running *running, int sent)
{
	struct exchange *exchange = running->exchange;
	struct message message;
	bool done = false;
	int result = sent;

	while (!done && result >= 0) {
		result = receive(running, &message);
		if (result > 0) {
			done = take_message(running, &message);
			connection_done(exchange->connection, &message);
			if (running->unwanted && !done)
				result = interrupt(running);
		} else if (result == 0) {
			result = attend(running);
		}
	}
	end_monitor(running);
	leave_files(running);
	release_signals(running);
	if (result < 0)
		return lose(running, result);
	return running->status;
}

/* Reads the file that lbd asked for into the request. False where that cannot be. */
static bool attach(struct running *running, struct request *request, struct buffer *contents)
{
	struct buffer *content = &contents[request->attachments];
	int error;

	if (request->attachments == ATTACHMENTS_MAX) {
		complain(running, "error: %s: %s\n", running->needed,
			 "too many files in one script");
		return false;
	}
	error = file_read(running->needed, content);
	if (error) {
		complain(running, "error: cannot read %s: %s\n", running->needed, strerror(-error));
		return false;
	}
	request->attachment[request->attachments++] = (struct attachment){
		.name = running->needed,
		.content = content->bytes ? (const char *)content->bytes : "",
		.size = buffer_left(content),
	};
	running->needed = NULL;
	return true;
}

enum exit_status exchange_run(struct exchange *exchange, unsigned flags, const char *source,
			      const char *text, size_t size)
{
	struct request request = {
		.flags = exchange->flags | flags, .confirm_ns = exchange->confirm_ns,
		.source = source, .text = text, .size = size,
	};
	struct buffer contents[ATTACHMENTS_MAX] = {0};
	struct running running;
	enum exit_status status;

	for (;;) {
		running = (struct running){.exchange = exchange};
		status = finish(&running, connection_send_request(exchange->connection, &request));
		if (!running.needed)
			break;
		if (!attach(&running, &request, contents)) {
			status = running.status;
			free(running.needed);
			break;
		}
	}
	for (unsigned i = 0; i < request.attachments; i++) {
		free((char *)request.attachment[i].name);
		buffer_free(&contents[i]);
	}
	return status;
}

enum exit_status exchange_help(struct exchange *exchange, const char *line)
{
	struct running running = {.exchange = exchange};

	return finish(&running, connection_send_name(exchange->connection, MESSAGE_HELP, line));
}

char **exchange_complete(struct exchange *exchange, const char *line, unsigned *ret_besides)
{
	struct running running = {.exchange = exchange};

	finish(&running, connection_send_name(exchange->connection, MESSAGE_COMPLETE, line));
	*ret_besides = running.besides;
	return running.candidate;
}
