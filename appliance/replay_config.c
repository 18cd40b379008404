#include "appliance/replay_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"

/* ---- an appliance that does nothing but take a configuration ---- */

static const struct config *running(void *context)
{
	return ((struct replay_config *)context)->config;
}

static uint64_t revision(void *context)
{
	(void)context;
	return 0;
}

static int check(void *context, const struct config *candidate, appliance_say *say,
		 void *say_context, char *error, size_t error_size)
{
	(void)context;
	return config_validate(candidate, say, say_context, error, error_size);
}

static bool waiting(void *context, struct waiting *ret_waiting)
{
	(void)context;
	(void)ret_waiting;
	return false;
}

static int commit(void *context, const struct config *candidate, const struct commit_note *note,
		  appliance_say *say, void *say_context, uint64_t *ret_revision, char *error,
		  size_t error_size)
{
	struct replay_config *replay = context;
	int result = config_validate(candidate, say, say_context, error, error_size);

	(void)note;
	if (result)
		return result;
	struct config *copy = config_copy(candidate);
	if (!copy)
		return -ENOMEM;
	config_free(replay->config);
	replay->config = copy;
	*ret_revision = 0;
	return 1;
}

static int refuse(char *error, size_t error_size)
{
	snprintf(error, error_size, "the script of a replay only configures");
	return -ENOTSUP;
}

static int confirm(void *context, const char *user, char *error, size_t error_size)
{
	(void)context;
	(void)user;
	return refuse(error, error_size);
}

static int revision_text(void *context, uint64_t number, char **ret_text, char *error, size_t error_size)
{
	(void)context;
	(void)number;
	(void)ret_text;
	return refuse(error, error_size);
}

static int backup(void *context, void **ret_bytes, size_t *ret_size, char *error, size_t error_size)
{
	(void)context;
	(void)ret_bytes;
	(void)ret_size;
	return refuse(error, error_size);
}

static int report(void *context, enum topic topic, const struct filter *filter,
		  struct report **ret_report, char *error, size_t error_size)
{
	(void)context;
	(void)topic;
	(void)filter;
	(void)ret_report;
	return refuse(error, error_size);
}

static int impact(void *context, const struct config *candidate, struct report *report,
		  char *error, size_t error_size)
{
	(void)context;
	(void)candidate;
	(void)report;
	return refuse(error, error_size);
}

static int lookup(void *context, const struct config *candidate,
		  const struct tuple_question *question, struct report **ret_report,
		  char *error, size_t error_size)
{
	(void)context;
	(void)candidate;
	(void)question;
	(void)ret_report;
	return refuse(error, error_size);
}

static int monitor(void *context, const struct monitor_question *question, struct rates **state,
		   struct report **ret_report, char *error, size_t error_size)
{
	(void)context;
	(void)question;
	(void)state;
	(void)ret_report;
	return refuse(error, error_size);
}

/* None was begun. */
static void monitor_end(struct rates *state)
{
	(void)state;
}

/* Of the frames to come. The last one counts. */
static int trace(void *context, uint32_t count, const char *filter, uint32_t *ret_count, char *error,
		 size_t error_size)
{
	struct replay_config *config = context;
	char *copy = strdup(filter);

	if (!copy) {
		snprintf(error, error_size, "not enough memory");
		return -ENOMEM;
	}
	free(config->trace_filter);
	config->trace_filter = copy;
	config->traces = count;
	*ret_count = count;
	return 0;
}

static int clear_trace(void *context, char *error, size_t error_size)
{
	struct replay_config *config = context;

	(void)error;
	(void)error_size;
	config->traces = 0;
	return 0;
}

static int capture(void *context, const struct capture_question *question, const char *user,
		   struct recording **ret_recording, char *error, size_t error_size)
{
	(void)context;
	(void)question;
	(void)user;
	(void)ret_recording;
	return refuse(error, error_size);
}

static int capture_take(struct recording *recording, struct buffer *frames, struct buffer *lines,
			struct recording_state *ret_state, char *error, size_t error_size)
{
	(void)recording;
	(void)frames;
	(void)lines;
	(void)ret_state;
	return refuse(error, error_size);
}

static int capture_stop(void *context, struct recording *recording, char *error, size_t error_size)
{
	(void)context;
	(void)recording;
	return refuse(error, error_size);
}

static void capture_end(struct recording *recording)
{
	(void)recording;
}

static int clear_counters(void *context, char *error, size_t error_size)
{
	(void)context;
	return refuse(error, error_size);
}

static int clear_flows(void *context, const struct filter *filter, uint64_t *ret_count, char *error,
		       size_t error_size)
{
	(void)context;
	(void)filter;
	(void)ret_count;
	return refuse(error, error_size);
}

/* Time stands still while the script runs: there is nothing to wait for. */
static int drain_deadline(void *context, const struct config_backend *backend, uint64_t timeout_ns,
			  char *error, size_t error_size)
{
	(void)context;
	(void)backend;
	(void)timeout_ns;
	(void)error;
	(void)error_size;
	return 0;
}

static int backend_flows(void *context, const struct config_backend *backend, uint64_t *ret_flows,
			 char *error, size_t error_size)
{
	(void)context;
	(void)backend;
	(void)error;
	(void)error_size;
	*ret_flows = 0;
	return 0;
}

/* ---- its session ---- */

static void to_nowhere(void *context, bool heading, const char *text, size_t size)
{
	(void)context;
	(void)heading;
	(void)text;
	(void)size;
}

static void no_filter(void *context, enum pipe_type type, const char *pattern)
{
	(void)context;
	(void)type;
	(void)pattern;
}

static void no_output_end(void *context)
{
	(void)context;
}

static void to_stderr(void *context, const char *text, size_t size)
{
	(void)context;
	fwrite(text, 1, size, stderr);
}

static void needs_file(void *context, const char *name)
{
	(void)context;
	fprintf(stderr, "error: the script of a replay loads no other file (%s)\n", name);
}

static void no_file(void *context, const char *name, const void *bytes, size_t size)
{
	(void)context;
	(void)name;
	(void)bytes;
	(void)size;
}

static void no_sample(void *context, const char *text, size_t size)
{
	(void)context;
	(void)text;
	(void)size;
}

static bool heard(void *context)
{
	(void)context;
	return true;
}

static void no_stream(void *context, const char *name)
{
	(void)context;
	(void)name;
}

static void no_stream_more(void *context, const void *bytes, size_t size)
{
	(void)context;
	(void)bytes;
	(void)size;
}

static void no_console(void *context, const char *action)
{
	(void)context;
	(void)action;
}

struct run {
	enum exit_status status;
};

static void done(void *context, enum exit_status status)
{
	((struct run *)context)->status = status;
}

static int run_script(struct replay_config *config, const char *file, const char *text, size_t size)
{
	struct appliance appliance = {
		.context = config,
		.running = running,
		.revision = revision,
		.commit = commit,
		.check = check,
		.waiting = waiting,
		.confirm = confirm,
		.revision_text = revision_text,
		.backup = backup,
		.report = report,
		.impact = impact,
		.lookup = lookup,
		.monitor = monitor,
		.monitor_end = monitor_end,
		.trace = trace,
		.clear_trace = clear_trace,
		.capture = capture,
		.capture_take = capture_take,
		.capture_stop = capture_stop,
		.capture_end = capture_end,
		.clear_counters = clear_counters,
		.clear_flows = clear_flows,
		.drain_deadline = drain_deadline,
		.backend_flows = backend_flows,
	};
	struct run run = {.status = STATUS_REJECTED};
	struct session_sink sink = {
		.context = &run,
		.output = to_nowhere,
		.filter = no_filter,
		.output_end = no_output_end,
		.error = to_stderr,
		.needs_file = needs_file,
		.file = no_file,
		.stream = no_stream,
		.stream_more = no_stream_more,
		.stream_end = no_output_end,
		.console = no_console,
		.sample = no_sample,
		.heard = heard,
		.done = done,
	};
	struct session *session = session_new(&appliance, "replay", &sink);

	if (!session)
		return -ENOMEM;
	session_run(session, &(struct request){.flags = REQUEST_SCRIPT | REQUEST_QUIET,
					       .source = file, .text = text, .size = size}, 0);
	session_free(session);
	return run.status == STATUS_DONE ? 0 : -EINVAL;
}

/* ---- the order of definition, which a configuration does not keep ---- */

static void note_order(struct replay_config *config, char *text)
{
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));) {
		char name[INTERFACE_NAME_SIZE];

		if (config->interfaces < INTERFACES_MAX &&
		    sscanf(line, " add interface %15s", name) == 1)
			memcpy(config->interface[config->interfaces++], name, sizeof(name));
	}
}

static int read_whole(const char *file, char **ret_text, size_t *ret_size, char *error,
		      size_t error_size)
{
	FILE *stream = fopen(file, "re");
	size_t capacity = 0;
	ssize_t size = -1;

	*ret_text = NULL;
	if (stream) {
		size = getdelim(ret_text, &capacity, EOF, stream);
		if (size < 0 && feof(stream))
			size = 0;
	}
	if (size < 0) {
		int code = errno;

		snprintf(error, error_size, "cannot read %s: %s", file, strerror(code));
		if (stream)
			fclose(stream);
		return -code;
	}
	fclose(stream);
	*ret_size = (size_t)size;
	return 0;
}

int replay_config_run(struct replay_config *config, const char *file, char *error,
		      size_t error_size)
{
	char *text;
	size_t size = 0;
	int result = read_whole(file, &text, &size, error, error_size);

	if (!result) {
		config->config = config_new();
		result = config->config ? run_script(config, file, text ? text : "", size) : -ENOMEM;
		if (!result && text)
			note_order(config, text);
	}
	free(text);
	return result;
}

void replay_config_free(struct replay_config *config)
{
	config_free(config->config);
	free(config->trace_filter);
}

unsigned replay_config_order(const struct replay_config *config, const char *name)
{
	unsigned order = 0;

	while (order < config->interfaces && strcmp(config->interface[order], name) != 0)
		order++;
	return order;
}

const char *replay_config_name(const struct replay_config *config, const struct compiler *compiler,
			       uint32_t index)
{
	for (unsigned i = 0; i < config->interfaces; i++)
		if (compiler_interface_index(compiler, config->interface[i]) == index)
			return config->interface[i];
	return NULL;
}
