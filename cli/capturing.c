/* `capture`: what comes goes to the console that asked, in pieces, as two files that grow: frames,
 * and a line about each. It is asked for as fast as the console takes it; what the appliance has no
 * room for meanwhile is counted there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "cli/render.h"

#define LOOK_NS UINT64_C(20000000)  /* time between two looks where nothing waits */
#define AGAIN_NS UINT64_C(2000000)  /* where the console has not taken the last piece yet */

static const char stop[] = "stop";

static bool is_silent(const struct session *session)
{
	return session->request.flags & (REQUEST_QUIET | REQUEST_JSON);
}

static void stream(struct session *session, const char *file, struct buffer *bytes)
{
	const struct session_sink *sink = &session->sink;

	if (buffer_left(bytes)) {
		sink->stream(sink->context, file);
		sink->stream_more(sink->context, bytes->bytes + bytes->start, buffer_left(bytes));
	}
	buffer_free(bytes);
}

static void end_stream(struct session *session, const char *file)
{
	session->sink.stream(session->sink.context, file);
	session->sink.stream_end(session->sink.context);
}

static void tell_end(struct session *session)
{
	const struct capturing *capturing = &session->capturing;
	const struct recording_state *state = &capturing->state;

	if (session->request.flags & REQUEST_JSON)
		session_print_text(session, render_capture_json(capturing->file, state->frames,
								state->lost));
	else if (!(session->request.flags & REQUEST_QUIET))
		session_print(session, "%s: %" PRIu64 " frame%s, %" PRIu64 " lost%s\n",
			      capturing->file, state->frames, state->frames == 1 ? "" : "s",
			      state->lost, state->lost ? ": there was no room for them." : ".");
	session->sink.output_end(session->sink.context);
}

/* Both files are complete with what is in them. */
static void finish(struct session *session)
{
	struct capturing *capturing = &session->capturing;

	end_stream(session, capturing->file);
	end_stream(session, capturing->verdicts);
	capturing->active = false;
}

void capturing_end(struct session *session)
{
	if (session->capturing.recording)
		session->appliance->capture_end(session->capturing.recording);
	session->capturing = (struct capturing){0};
}

void capturing_stop(struct session *session)
{
	char error[FAULT_TEXT_SIZE];

	session->appliance->capture_stop(session->appliance->context, session->capturing.recording,
					 error, sizeof(error));
	session->capturing.next_ns = 0;
}

void capturing_poll(struct session *session)
{
	struct capturing *capturing = &session->capturing;
	struct buffer frames = {0}, lines = {0};
	struct place place = capturing->place;
	char error[FAULT_TEXT_SIZE];
	bool more;
	int result;

	if (!session->sink.heard(session->sink.context)) {
		capturing->next_ns = session->now_ns + AGAIN_NS;
		return;
	}
	result = session->appliance->capture_take(capturing->recording, &frames, &lines,
						  &capturing->state, error, sizeof(error));
	more = buffer_left(&frames);
	stream(session, capturing->file, &frames);
	stream(session, capturing->verdicts, &lines);
	capturing->next_ns = session->now_ns + (more ? AGAIN_NS : LOOK_NS);
	if (result == 0 && !capturing->state.ended)
		return;
	finish(session);
	if (result == 0)
		tell_end(session);
	capturing_end(session);
	if (result < 0) {
		fault_whole(session->fault, "%s", error);
		session_fault(session, &place, STATUS_REJECTED);
	}
}

static int stop_other(struct session *session)
{
	char error[FAULT_TEXT_SIZE];
	int result = session->appliance->capture_stop(session->appliance->context, NULL, error,
						      sizeof(error));

	if (result < 0) {
		command_fault_whole(session->command, session->fault, "%s", error);
		return result;
	}
	if (!is_silent(session))
		session_print(session, "The capture has ended.\n");
	return 0;
}

static int begin(struct session *session, const struct arguments *arguments, const char *filter)
{
	const struct appliance *appliance = session->appliance;
	struct capture_question question = {.count = arguments->count, .filter = filter};
	char error[FAULT_TEXT_SIZE];
	int result;

	memcpy(question.interface, arguments->name, sizeof(question.interface));
	result = appliance->capture(appliance->context, &question, session->user,
				    &session->capturing.recording, error, sizeof(error));
	if (result < 0)
		command_fault_whole(session->command, session->fault, "%s", error);
	return result;
}

int capturing_begin(struct session *session, const struct place *place)
{
	const struct arguments *arguments = &session->command->arguments;
	struct capturing *capturing = &session->capturing;
	char *filter;
	int result;

	if (strcmp(arguments->file, stop) == 0 && session->command->words.count == 2)
		return stop_other(session);
	filter = command_filter(session->command);
	if (!filter) {
		command_fault_whole(session->command, session->fault, "out of memory");
		return -ENOMEM;
	}
	result = begin(session, arguments, filter);
	free(filter);
	if (result < 0)
		return result;
	capturing->active = true;
	capturing->place = *place;
	snprintf(capturing->file, sizeof(capturing->file), "%s", arguments->file);
	snprintf(capturing->verdicts, sizeof(capturing->verdicts), "%s.verdicts", arguments->file);
	session->sink.stream(session->sink.context, capturing->file);
	session->sink.stream(session->sink.context, capturing->verdicts);
	if (session->request.flags & REQUEST_PREFIXES && !is_silent(session))
		session_print(session, "Capturing; Ctrl-C ends it.\n");
	session->sink.output_end(session->sink.context);
	return 0;
}
