/* Commands that read or act: what runs after a commit, or alone. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "cli/render.h"
#include "cli/report_rows.h"

#define WAIT_POLL_NS UINT64_C(100000000)
#define WAIT_CLOSING_NS UINT64_C(1000000000) /* that a drain's deadline may take to close flows */

static int refuse(struct session *session, int error, const char *text)
{
	command_fault_whole(session->command, session->fault, "%s", text);
	return error;
}

bool session_wants_json(const struct session *session)
{
	for (unsigned i = 0; i < session->command->pipes; i++)
		if (session->command->pipe[i].type == PIPE_JSON)
			return true;
	return session->request.flags & REQUEST_JSON;
}

int command_check(struct session *session)
{
	const struct command *command = session->command;
	bool lookup = command->syntax.id == COMMAND_LOOKUP;
	struct position position;

	for (unsigned i = 0; session_wants_json(session) && i < command->pipes; i++) {
		const struct word *word = &command->words.word[command->pipe[i].word];

		if (command->pipe[i].type != PIPE_JSON && command->pipe[i].type != PIPE_NO_MORE)
			return fault_at(session->fault, word->offset, word->length,
					"filters take lines, JSON is none");
	}
	if (lookup && command->arguments.destination.protocol == PROTOCOL_ANY) {
		const struct word *word = &command->words.word[command->option_word[1]];

		return fault_at(session->fault, word->offset, word->length,
				"a packet is either tcp or udp, not any");
	}
	if (command->syntax.id == COMMAND_HELP)
		return help_position(session, &position);
	return 0;
}

/* Hands the filters to the console. */
static void begin_output(struct session *session)
{
	const struct command *command = session->command;

	for (unsigned i = 0; i < command->pipes; i++) {
		const struct pipe *pipe = &command->pipe[i];

		if (pipe->type != PIPE_JSON)
			session->sink.filter(session->sink.context, pipe->type,
					     pipe->pattern ? pipe->pattern : "");
	}
}

static void end_output(struct session *session)
{
	session->sink.output_end(session->sink.context);
}

static void put_part(void *context, bool heading, const char *text, size_t size)
{
	struct session *session = context;

	session->sink.output(session->sink.context, heading, text, size);
}

int command_report(struct session *session, struct report *report)
{
	int error = 0;

	begin_output(session);
	if (session_wants_json(session))
		session_print_text(session, render_json(report));
	else
		error = render_text(report, put_part, session);
	end_output(session);
	report_free(report);
	return error ? refuse(session, error, "out of memory") : 0;
}

static struct filter filter_of(const struct arguments *arguments)
{
	struct filter filter = {
		.has_backend = arguments->backend.address.raw || arguments->backend.port,
		.backend = arguments->backend,
		.has_client = arguments->client.raw,
		.client = arguments->client,
		.has_client_port = arguments->client_port,
		.client_port = (uint16_t)arguments->client_port,
		.limit = arguments->limit,
	};

	memcpy(filter.name, arguments->name, sizeof(filter.name));
	memcpy(filter.service, arguments->service, sizeof(filter.service));
	return filter;
}

static int show_topic(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	struct filter filter = filter_of(&session->command->arguments);
	struct report *report = NULL;
	char error[FAULT_TEXT_SIZE];
	int result = appliance->report(appliance->context, session->command->syntax.topic, &filter,
				       &report, error, sizeof(error));

	return result < 0 ? refuse(session, result, error) : command_report(session, report);
}

static int put_text(struct session *session, char *text)
{
	begin_output(session);
	session_print_text(session, text);
	end_output(session);
	return 0;
}

static int show_config(struct session *session)
{
	const struct config *config = session->command->arguments.running ?
					      session_running(session) : session_config(session);

	if (!config)
		return refuse(session, -ENOMEM, "out of memory");
	return put_text(session, session_wants_json(session) ? render_config_json(config) :
							       config_text(config));
}

static int show_revisions(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	uint64_t number = session->command->arguments.revision;
	char error[FAULT_TEXT_SIZE], *text, *json;
	int result;

	if (!number)
		return show_topic(session);
	result = appliance->revision_text(appliance->context, number, &text, error, sizeof(error));
	if (result < 0)
		return refuse(session, result, error);
	if (!session_wants_json(session))
		return put_text(session, text);
	json = render_revision_json(number, text);
	free(text);
	return put_text(session, json);
}

static int run_lookup(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	const struct arguments *arguments = &session->command->arguments;
	struct tuple_question question = {
		.source = arguments->source,
		.destination = {arguments->destination.address, arguments->destination.port},
		.udp = arguments->destination.protocol == PROTOCOL_UDP,
	};
	struct report *report = NULL;
	char error[FAULT_TEXT_SIZE];
	const struct config *candidate = session->candidate ? candidate_view(session) : NULL;
	int result = -ENOMEM;

	if (session->candidate && !candidate)
		return refuse(session, result, "out of memory");
	result = appliance->lookup(appliance->context, candidate, &question, &report, error,
				   sizeof(error));
	return result < 0 ? refuse(session, result, error) : command_report(session, report);
}

char *command_filter(const struct command *command)
{
	char *text = calloc(1, LINE_SIZE_MAX + WORDS_MAX);

	for (unsigned i = command->rest; text && i && i < command->words.count; i++) {
		strcat(text, i == command->rest ? "" : " ");
		strcat(text, command->words.word[i].text);
	}
	return text;
}

static int add_trace(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	char *filter = command_filter(session->command), error[FAULT_TEXT_SIZE] = "out of memory";
	uint32_t count = 0;
	int result = -ENOMEM;

	if (filter)
		result = appliance->trace(appliance->context, session->command->arguments.count,
					  filter, &count, error, sizeof(error));
	free(filter);
	if (result < 0)
		return refuse(session, result, error);
	if (session_wants_json(session))
		session_print_text(session, render_trace_json(count));
	else if (!(session->request.flags & REQUEST_QUIET))
		session_print(session, "The next %" PRIu32 " packet%s will be traced.\n", count,
			      count == 1 ? "" : "s");
	return 0;
}

static int clear_trace(struct session *session)
{
	char error[FAULT_TEXT_SIZE];
	int result = session->appliance->clear_trace(session->appliance->context, error,
						     sizeof(error));

	return result < 0 ? refuse(session, result, error) : 0;
}

static int clear_counters(struct session *session)
{
	char error[FAULT_TEXT_SIZE];
	int result = session->appliance->clear_counters(session->appliance->context, error,
							sizeof(error));

	return result < 0 ? refuse(session, result, error) : 0;
}

static int clear_flow(struct session *session)
{
	struct filter filter = filter_of(&session->command->arguments);
	char error[FAULT_TEXT_SIZE];
	uint64_t count;
	int result = session->appliance->clear_flows(session->appliance->context, &filter, &count,
						     error, sizeof(error));

	if (result < 0)
		return refuse(session, result, error);
	if (session_wants_json(session))
		session_print_text(session, render_clear_json(count));
	else if (!(session->request.flags & REQUEST_QUIET))
		session_print(session, "%" PRIu64 " flow%s closed.\n", count,
			      count == 1 ? "" : "s");
	return 0;
}

/* The configuration as a script that `load replace` takes. */
static int run_export(struct session *session)
{
	const char *file = session->command->arguments.file;
	char *config = config_text(session_running(session));
	char *script = NULL;

	if (!config || asprintf(&script, "%scommit\n", config) < 0)
		script = NULL;
	free(config);
	if (!script)
		return refuse(session, -ENOMEM, "out of memory");
	if (*file)
		session->sink.file(session->sink.context, file, script, strlen(script));
	else
		session_print_text(session, session_wants_json(session) ?
						    render_export_json(script) : strdup(script));
	free(script);
	return 0;
}

static int run_backup(struct session *session)
{
	char error[FAULT_TEXT_SIZE];
	size_t size;
	void *bytes;
	int result = session->appliance->backup(session->appliance->context, &bytes, &size, error,
						sizeof(error));

	if (result < 0)
		return refuse(session, result, error);
	session->sink.file(session->sink.context, session->command->arguments.file, bytes, size);
	free(bytes);
	return 0;
}

static int at_keyboard(struct session *session, const char *action)
{
	session->sink.console(session->sink.context, action);
	return 0;
}

static int set_terminal(struct session *session)
{
	char action[32];

	snprintf(action, sizeof(action), "length %" PRIu32, session->command->arguments.length);
	return at_keyboard(session, action);
}

/* What is left before the wait is over: flows; of `enable` the backend's being up. 0: nothing. */
static int wait_rest(struct session *session, uint64_t *ret_rest, char *error, size_t error_size)
{
	const struct appliance *appliance = session->appliance;
	const struct wait *wait = &session->wait;
	struct filter filter = {.has_backend = true, .backend = wait->backend.address};
	struct report *report = NULL;
	const struct cell *state;
	int result;

	if (wait->command != COMMAND_ENABLE)
		return appliance->backend_flows(appliance->context, &wait->backend, ret_rest, error,
						error_size);
	memcpy(filter.name, wait->backend.pool, sizeof(filter.name));
	result = appliance->report(appliance->context, TOPIC_BACKEND, &filter, &report, error,
				   error_size);
	if (result < 0)
		return result;
	state = report_find(report, "state");
	*ret_rest = !(state && state->type == CELL_TEXT && strcmp(state->text, "up") == 0);
	report_free(report);
	return 0;
}

static void wait_failed(struct session *session, enum exit_status status)
{
	session->wait.active = false;
	session->fault->placed = false;
	session_fault(session, &session->wait.place, status);
}

/* At the deadline the appliance closes what is left of a drain: it has been done when that is told,
 * and the look before it counts. */
void wait_poll(struct session *session)
{
	struct wait *wait = &session->wait;
	char label[FAULT_TEXT_SIZE / 2];
	uint64_t rest;
	int error = wait_rest(session, &rest, session->fault->text, sizeof(session->fault->text));

	object_label(KIND_BACKEND, &wait->backend, label, sizeof(label));
	if (error < 0) {
		wait_failed(session, STATUS_REJECTED);
	} else if (session->now_ns < wait->deadline_ns) {
		wait->active = rest;
		wait->rest = rest;
		wait->next_ns = session->now_ns + WAIT_POLL_NS;
		if (wait->next_ns > wait->deadline_ns)
			wait->next_ns = wait->deadline_ns;
	} else if (wait->command == COMMAND_DRAIN && rest &&
		   session->now_ns - wait->deadline_ns < WAIT_CLOSING_NS) {
		wait->next_ns = session->now_ns + WAIT_POLL_NS;
	} else if (wait->command == COMMAND_ENABLE) {
		fault_whole(session->fault, "timed out: backend %s is not up", label);
		wait_failed(session, STATUS_TIMED_OUT);
	} else {
		fault_whole(session->fault, "timed out: backend %s had %" PRIu64 " flow%s left",
			    label, wait->rest, wait->rest == 1 ? "" : "s");
		wait_failed(session, STATUS_TIMED_OUT);
	}
}

static void begin_wait(struct session *session, const struct place *place)
{
	const struct command *command = session->command;
	uint64_t timeout_ns = command->arguments.timeout_ns;

	session->wait = (struct wait){
		.active = true, .command = command->syntax.id, .place = *place,
		.deadline_ns = UINT64_MAX,
	};
	if (timeout_ns && timeout_ns < UINT64_MAX - session->now_ns)
		session->wait.deadline_ns = session->now_ns + timeout_ns;
	memcpy(&session->wait.backend, command->change.object, sizeof(session->wait.backend));
	wait_poll(session);
}

/* The change itself is committed: what is left is the clock, and the wait. Unless a candidate is
 * open: then all of it is to be done, now. */
static int after_change(struct session *session, const struct place *place)
{
	const struct command *command = session->command;
	const struct appliance *appliance = session->appliance;
	char error[FAULT_TEXT_SIZE];
	int result = session->candidate ? candidate_operate(session) : 0;

	if (result)
		return result < 0 ? result : 0;
	if (command->syntax.id == COMMAND_DRAIN)
		result = appliance->drain_deadline(appliance->context, command->change.object,
						   command->arguments.timeout_ns, error,
						   sizeof(error));
	if (result < 0)
		return refuse(session, result, error);
	if (command->arguments.wait)
		begin_wait(session, place);
	return 0;
}

int command_run(struct session *session, const struct place *place)
{
	switch (session->command->syntax.id) {
	case COMMAND_ENABLE:
	case COMMAND_DISABLE:
	case COMMAND_DRAIN:
		return after_change(session, place);
	case COMMAND_SHOW: return show_topic(session);
	case COMMAND_SHOW_CONFIG: return show_config(session);
	case COMMAND_SHOW_REVISIONS: return show_revisions(session);
	case COMMAND_LOOKUP: return run_lookup(session);
	case COMMAND_MONITOR: return watch_begin(session, place);
	case COMMAND_CAPTURE: return capturing_begin(session, place);
	case COMMAND_TRACE: return add_trace(session);
	case COMMAND_CLEAR_TRACE: return clear_trace(session);
	case COMMAND_CLEAR_COUNTERS: return clear_counters(session);
	case COMMAND_CLEAR_FLOW: return clear_flow(session);
	case COMMAND_EXPORT: return run_export(session);
	case COMMAND_BACKUP: return run_backup(session);
	case COMMAND_HELP:
		command_help(session);
		return 0;
	case COMMAND_HISTORY: return at_keyboard(session, "history");
	case COMMAND_TERMINAL: return set_terminal(session);
	case COMMAND_QUIT: return at_keyboard(session, "quit");
	case COMMAND_COMPARE: return run_compare(session);
	case COMMAND_ROLLBACK: return candidate_rollback(session);
	case COMMAND_COMMIT: return candidate_commit_nothing(session);
	case COMMAND_CONFIRM: return commit_confirm(session);
	case COMMAND_ADD:
	case COMMAND_SET:
	case COMMAND_DELETE:
	case COMMAND_CONFIGURE:
	case COMMAND_DISCARD:
	case COMMAND_LOAD:
		break;
	}
	return 0;
}
