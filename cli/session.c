#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"

void session_print_text(struct session *session, char *text)
{
	if (!text) {
		session_complain(session, "error: out of memory\n");
		session_status(session, STATUS_REJECTED);
		return;
	}
	if (*text)
		session->sink.output(session->sink.context, false, text, strlen(text));
	free(text);
}

void session_print(struct session *session, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	session_print_text(session, text);
}

void session_complain(struct session *session, const char *format, ...)
{
	char text[2 * FAULT_TEXT_SIZE];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length >= (int)sizeof(text))
		length = (int)sizeof(text) - 1;
	session->sink.error(session->sink.context, text, (size_t)length);
}

void session_status(struct session *session, enum exit_status status)
{
	static const unsigned char rank[] = {
		[STATUS_DONE] = 0, [STATUS_WOULD_CHANGE] = 1, [STATUS_TIMED_OUT] = 2,
		[STATUS_REJECTED] = 3, [STATUS_USAGE] = 4, [STATUS_UNREACHABLE] = 5,
	};

	if (rank[status] > rank[session->status])
		session->status = status;
}

void session_fault(struct session *session, const struct place *place, enum exit_status status)
{
	char *text;

	session_status(session, status);
	if (session->told++ >= FAULTS_TOLD)
		return;
	text = fault_text(session->fault, place->source, place->number, place->line, place->size);
	if (text)
		session->sink.error(session->sink.context, text, strlen(text));
	free(text);
}

void session_later(struct session *session, const struct place *place)
{
	if (session->acts == session->acts_capacity) {
		size_t capacity = session->acts_capacity ? 2 * session->acts_capacity : 16;
		struct act *act = reallocarray(session->act, capacity, sizeof(*act));

		if (!act) {
			session_complain(session, "error: out of memory\n");
			session_status(session, STATUS_REJECTED);
			return;
		}
		session->act = act;
		session->acts_capacity = capacity;
	}
	session->act[session->acts++].place = *place;
}

const struct attachment *session_attachment(const struct session *session, const char *name)
{
	for (unsigned i = 0; i < session->request.attachments; i++)
		if (strcmp(session->request.attachment[i].name, name) == 0)
			return &session->request.attachment[i];
	return NULL;
}

static bool session_has(const struct session *session, enum request_flags flag)
{
	return session->request.flags & flag;
}

static bool next_line(struct session *session, struct place *ret_place)
{
	*ret_place = (struct place){.source = session->request.source};
	if (!script_line(session->request.text, session->request.size, &session->at,
			 &ret_place->line, &ret_place->size))
		return false;
	ret_place->number = ++session->number;
	return true;
}

/* Every line up to the end, or with --each up to the first that is a command. */
static bool run_unit(struct session *session)
{
	bool any = false;
	struct place place;

	if (session->stopped)
		return false;
	transaction_begin(session);
	while (!(any && session_has(session, REQUEST_EACH)) && next_line(session, &place))
		any |= transaction_text(session, &place, session_has(session, REQUEST_PREFIXES));
	if (any && !transaction_end(session)) {
		session->acts = session->acts_done;
		session->stopped = !session_has(session, REQUEST_KEEP_GOING);
	}
	session->lines += session->transaction.lines;
	session->failed += session->transaction.failed;
	transaction_forget(session);
	return any;
}

static void run_act(struct session *session)
{
	struct place place = session->act[session->acts_done++].place;

	if (command_match(place.line, place.size, session_has(session, REQUEST_PREFIXES),
			  session->command, session->fault) <= 0)
		return;
	if (command_run(session, &place) < 0)
		session_fault(session, &place, STATUS_REJECTED);
	command_free(session->command);
}

bool session_scripted(const struct session *session)
{
	return session_has(session, REQUEST_SCRIPT) && !session_has(session, REQUEST_EACH) &&
	       !session_has(session, REQUEST_PREFIXES) && !session->candidate;
}

const struct config *session_running(const struct session *session)
{
	return session->appliance->running(session->appliance->context);
}

const struct config *session_config(struct session *session)
{
	return session->candidate ? candidate_view(session) : session_running(session);
}

uint64_t session_revision(const struct session *session)
{
	return session->appliance->revision(session->appliance->context);
}

/* What the prompt shows, and what would be lost by leaving. */
static void tell_candidate(struct session *session)
{
	long lines = session->candidate ? (long)candidate_lines(session->candidate) :
					  CANDIDATE_CLOSED;
	char action[32] = "candidate closed";

	if (lines == session->told_lines)
		return;
	session->told_lines = lines;
	if (lines != CANDIDATE_CLOSED)
		snprintf(action, sizeof(action), "candidate %ld", lines);
	session->sink.console(session->sink.context, action);
}

static void forget_request(struct session *session)
{
	struct request *request = &session->request;

	for (unsigned i = 0; i < request->attachments; i++) {
		free((char *)request->attachment[i].name);
		free((char *)request->attachment[i].content);
	}
	free((char *)request->source);
	free((char *)request->text);
	*request = (struct request){0};
	session->acts = session->acts_done = 0;
	session->wait.active = session->paused = false;
	watch_end(session);
	capturing_end(session);
}

static bool is_pending(const struct session *session)
{
	return session->paused || session->wait.active || session->watch.active ||
	       session->capturing.active;
}

static void finish(struct session *session)
{
	enum exit_status status = session->status;

	if (session_has(session, REQUEST_EACH) && session->failed)
		session_complain(session, "error: %u of %u lines failed%s (now at r%llu)\n",
				 session->failed, session->lines,
				 session->stopped ? "; stopped there" : "",
				 (unsigned long long)session_revision(session));
	forget_request(session);
	tell_candidate(session);
	session->sink.done(session->sink.context, status);
}

/* To the end, or to where it waits. Between two transactions of --each the appliance has its turn:
 * its events, its other consoles, and this one, which reads of each what has become of it. */
static void carry_on(struct session *session)
{
	bool more = true;

	session->paused = false;
	while (more && !is_pending(session)) {
		if (session->acts_done < session->acts) {
			run_act(session);
		} else {
			more = run_unit(session);
			session->paused = more && session_has(session, REQUEST_EACH);
		}
	}
	if (!more)
		finish(session);
}

/* The first file that a line of the request loads and that is not attached. Looked for before
 * anything is run, since the request comes again with it. */
static bool file_is_missing(struct session *session)
{
	struct command *command = session->command;
	struct place place;
	bool missing = false;

	while (!missing && next_line(session, &place)) {
		size_t blanks = 0;

		while (blanks < place.size &&
		       (place.line[blanks] == ' ' || place.line[blanks] == '\t'))
			blanks++;
		if (blanks == place.size || !strchr("l\"'", place.line[blanks]) ||
		    command_match(place.line, place.size, session_has(session, REQUEST_PREFIXES),
				  command, session->fault) <= 0)
			continue;
		missing = command->syntax.id == COMMAND_LOAD &&
			  !session_attachment(session, command->arguments.file);
		if (missing)
			session->sink.needs_file(session->sink.context, command->arguments.file);
		command_free(command);
	}
	session->at = 0;
	session->number = 0;
	return missing;
}

/* Bytes as an own string: what is read of a request need not be terminated. */
static char *copy_bytes(const char *bytes, size_t size)
{
	char *copy = malloc(size + 1);

	if (copy) {
		memcpy(copy, bytes, size);
		copy[size] = 0;
	}
	return copy;
}

static bool copy_request(struct session *session, const struct request *request)
{
	struct request *copy = &session->request;
	bool whole;

	*copy = (struct request){
		.flags = request->flags, .confirm_ns = request->confirm_ns, .size = request->size,
	};
	copy->source = strdup(request->source);
	copy->text = copy_bytes(request->text, request->size);
	whole = copy->source && copy->text;
	for (unsigned i = 0; whole && i < request->attachments; i++) {
		struct attachment *attachment = &copy->attachment[copy->attachments++];

		attachment->name = strdup(request->attachment[i].name);
		attachment->content =
			copy_bytes(request->attachment[i].content, request->attachment[i].size);
		attachment->size = request->attachment[i].size;
		whole = attachment->name && attachment->content;
	}
	return whole;
}

void session_run(struct session *session, const struct request *request, uint64_t now_ns)
{
	session->at = 0;
	session->number = session->lines = session->failed = session->told = 0;
	session->stopped = false;
	session->status = STATUS_DONE;
	session->now_ns = now_ns;
	if (!copy_request(session, request)) {
		session_complain(session, "error: out of memory\n");
		session_status(session, STATUS_REJECTED);
		finish(session);
	} else if (file_is_missing(session)) {
		finish(session);
	} else {
		carry_on(session);
	}
}

struct session *session_new(const struct appliance *appliance, const char *user,
			    const struct session_sink *sink)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->appliance = appliance;
	session->told_lines = CANDIDATE_CLOSED;
	session->sink = *sink;
	session->user = strdup(user);
	session->command = calloc(1, sizeof(*session->command));
	session->fault = calloc(1, sizeof(*session->fault));
	if (session->user && session->command && session->fault)
		return session;
	session_free(session);
	return NULL;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	transaction_forget(session);
	forget_request(session);
	candidate_free(session->candidate);
	free(session->act);
	free(session->command);
	free(session->fault);
	free(session->user);
	free(session);
}

bool session_busy(const struct session *session)
{
	return session->request.text;
}

uint64_t session_deadline(const struct session *session)
{
	if (session->paused)
		return 0;
	if (session->watch.active)
		return session->watch.next_ns;
	if (session->capturing.active)
		return session->capturing.next_ns;
	return session->wait.active ? session->wait.next_ns : UINT64_MAX;
}

void session_poll(struct session *session, uint64_t now_ns)
{
	if (now_ns < session_deadline(session))
		return;
	session->now_ns = now_ns;
	if (session->wait.active)
		wait_poll(session);
	if (session->watch.active)
		watch_poll(session);
	if (session->capturing.active)
		capturing_poll(session);
	session->paused = false;
	if (!is_pending(session))
		carry_on(session);
}

void session_interrupt(struct session *session)
{
	if (!session_busy(session))
		return;
	session->acts = session->acts_done;
	session->stopped = true;
	if (session->capturing.active) {
		capturing_stop(session);
		return;
	}
	/* To end a monitor is all that can be done with it. */
	if (!session->watch.active) {
		session_complain(session, "error: interrupted; what was changed stays\n");
		session_status(session, STATUS_TIMED_OUT);
	}
	session->wait.active = false;
	finish(session);
}
