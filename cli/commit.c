/* Committing a whole configuration, or asking what that would do; and what is told of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "cli/render.h"
#include "cli/waiting.h"

/* Sentences that hold for what runs already: a warning is told when it is news. */
struct warnings {
	struct session *session;
	char **known;
	size_t count;
};

static void know_warning(void *context, const char *sentence)
{
	struct warnings *warnings = context;
	char **known = reallocarray(warnings->known, warnings->count + 1, sizeof(*known));

	if (!known)
		return;
	warnings->known = known;
	known[warnings->count] = strdup(sentence);
	warnings->count += known[warnings->count] ? 1 : 0;
}

static void say_warning(void *context, const char *sentence)
{
	struct warnings *warnings = context;

	for (size_t i = 0; i < warnings->count; i++)
		if (strcmp(warnings->known[i], sentence) == 0)
			return;
	session_complain(warnings->session, "warning: %s\n", sentence);
}

static struct warnings warnings_of_running(struct session *session)
{
	struct warnings warnings = {.session = session};
	char error[FAULT_TEXT_SIZE];

	config_validate(session_running(session), know_warning, &warnings, error, sizeof(error));
	return warnings;
}

static void warnings_forget(struct warnings *warnings)
{
	for (size_t i = 0; i < warnings->count; i++)
		free(warnings->known[i]);
	free(warnings->known);
}

static bool is_json(const struct session *session)
{
	return session->request.flags & REQUEST_JSON;
}

static bool is_quiet(const struct session *session)
{
	return session->request.flags & REQUEST_QUIET;
}

bool commit_refuse(struct session *session, const char *error)
{
	bool script = session->request.flags & REQUEST_SCRIPT;

	session_status(session, STATUS_REJECTED);
	session_complain(session, "error: %s\n", error);
	if ((script && !(session->request.flags & REQUEST_EACH)) || session->candidate)
		session_complain(session, "error: nothing was applied (still at r%" PRIu64 ")\n",
				 session_revision(session));
	return false;
}

static const struct column check_columns[] = {
	{"revision", NULL, COLUMN_COUNT},
	{"changes", NULL, COLUMN_COUNT},
	{"line", NULL, COLUMN_PROSE},
};

/* "would change 3 objects.", and what that would do. In text, that nothing would change is all. */
static bool tell_check(struct session *session, const struct config *config, unsigned changes)
{
	const struct appliance *appliance = session->appliance;
	struct report *report = report_new("check");
	char line[64], error[FAULT_TEXT_SIZE] = "out of memory";
	int result = report ? 0 : -ENOMEM;

	snprintf(line, sizeof(line), "would change %u object%s.", changes, changes == 1 ? "" : "s");
	if (!changes)
		snprintf(line, sizeof(line), "unchanged (r%" PRIu64 ").",
			 session_revision(session));
	if (!result) {
		report_section(report, NULL, REPORT_OBJECT, check_columns,
			       sizeof(check_columns) / sizeof(check_columns[0]));
		report_row(report);
		report_number(report, session_revision(session));
		report_number(report, changes);
		report_text(report, line);
	}
	if (!result && (changes || session_wants_json(session)))
		result = appliance->impact(appliance->context, config, report, error,
					   sizeof(error));
	if (result) {
		report_free(report);
		return commit_refuse(session, error);
	}
	return command_report(session, report) == 0;
}

bool commit_check(struct session *session, const struct config *config, bool answers)
{
	const struct appliance *appliance = session->appliance;
	struct warnings warnings = warnings_of_running(session);
	char error[FAULT_TEXT_SIZE];
	unsigned changes;
	int result = appliance->check(appliance->context, config, say_warning, &warnings, error,
				      sizeof(error));

	warnings_forget(&warnings);
	if (result < 0)
		return commit_refuse(session, error);
	changes = config_compare(session_running(session), config, NULL, NULL);
	if (changes && answers)
		session_status(session, STATUS_WOULD_CHANGE);
	return is_quiet(session) || tell_check(session, config, changes);
}

/* What waits for `confirm`, before and after a commit. */
struct wait_state {
	bool before, after;
	struct waiting was, is;
};

/* " Reverts to r40 at 14:07:02 unless you type 'confirm'.": what stands behind "r41 active." */
static void describe_waiting(const struct commit_wish *wish, const struct wait_state *state,
			     char *ret_text, size_t size)
{
	const struct waiting *was = &state->was, *is = &state->is;
	char time[CLOCK_TEXT_SIZE];

	ret_text[0] = 0;
	clock_text(is->deadline_ms, time);
	if (state->after && wish->confirm_ns)
		snprintf(ret_text, size, " Reverts to r%" PRIu64 " at %s unless you type "
			 "'confirm'.", is->back, time);
	else if (state->after)
		snprintf(ret_text, size, " r%" PRIu64 " by %s still reverts to r%" PRIu64
			 " at %s unless you type 'confirm'.", is->revision, is->user, is->back,
			 time);
	else if (state->before)
		snprintf(ret_text, size, " r%" PRIu64 " %s.", was->revision,
			 wish->confirms ? "is confirmed" : "is undone by it, and waits no more");
}

static void tell_commit(struct session *session, const struct commit_wish *wish, uint64_t number,
			bool changed, const struct wait_state *state)
{
	char waiting[256] = "";

	if (is_quiet(session))
		return;
	if (changed || wish->confirm_ns || wish->confirms)
		describe_waiting(wish, state, waiting, sizeof(waiting));
	if (is_json(session))
		session_print_text(session, render_commit_json(number, changed,
							       state->after ? &state->is : NULL));
	else
		session_print(session, changed ? "r%" PRIu64 " active.%s\n" :
						 "unchanged (r%" PRIu64 ").%s\n", number, waiting);
	session->sink.output_end(session->sink.context);
}

bool commit_config(struct session *session, const struct config *config,
		   const struct commit_wish *wish)
{
	const struct appliance *appliance = session->appliance;
	const struct commit_note note = {
		.user = session->user, .comment = wish->comment,
		.confirm_ns = wish->confirm_ns, .confirms = wish->confirms,
	};
	struct warnings warnings = warnings_of_running(session);
	struct wait_state state = {.before = session_waiting(session, &state.was)};
	char error[FAULT_TEXT_SIZE];
	uint64_t number;
	int result = appliance->commit(appliance->context, config, &note, say_warning, &warnings,
				       &number, error, sizeof(error));

	warnings_forget(&warnings);
	if (result < 0)
		return commit_refuse(session, error);
	state.after = session_waiting(session, &state.is);
	if (state.after && wish->confirm_ns)
		session->unconfirmed = state.is.revision;
	tell_commit(session, wish, number, result > 0, &state);
	return true;
}

bool session_waiting(const struct session *session, struct waiting *ret_waiting)
{
	return session->appliance->waiting(session->appliance->context, ret_waiting);
}

int commit_confirm(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	struct waiting waiting = {0};
	char error[FAULT_TEXT_SIZE];
	int result;

	session_waiting(session, &waiting);
	result = appliance->confirm(appliance->context, session->user, error, sizeof(error));
	if (result < 0) {
		command_fault_whole(session->command, session->fault, "%s", error);
		return result;
	}
	if (session_wants_json(session))
		session_print_text(session, render_confirm_json(waiting.revision));
	else if (!is_quiet(session))
		session_print(session, "r%" PRIu64 " confirmed.\n", waiting.revision);
	return 0;
}
