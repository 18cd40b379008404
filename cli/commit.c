/* Committing a whole configuration, or asking what that would do; and what is told of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "cli/render.h"

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

static void tell_check(struct session *session, unsigned changes)
{
	if (is_quiet(session))
		return;
	if (is_json(session))
		session_print_text(session,
				   render_check_json(session_revision(session), changes));
	else if (changes)
		session_print(session, "would change %u object%s.\n", changes,
			      changes == 1 ? "" : "s");
	else
		session_print(session, "unchanged (r%" PRIu64 ").\n", session_revision(session));
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
	tell_check(session, changes);
	return true;
}

static void tell_commit(struct session *session, uint64_t number, bool changed)
{
	if (is_quiet(session))
		return;
	if (is_json(session))
		session_print_text(session, render_commit_json(number, changed));
	else
		session_print(session, changed ? "r%" PRIu64 " active.\n" :
						 "unchanged (r%" PRIu64 ").\n", number);
	session->sink.output_end(session->sink.context);
}

bool commit_config(struct session *session, const struct config *config,
		   const struct commit_wish *wish)
{
	const struct appliance *appliance = session->appliance;
	const struct commit_note note = {session->user, wish->comment};
	struct warnings warnings = warnings_of_running(session);
	char error[FAULT_TEXT_SIZE];
	uint64_t number;
	int result = appliance->commit(appliance->context, config, &note, say_warning, &warnings,
				       &number, error, sizeof(error));

	warnings_forget(&warnings);
	if (result < 0)
		return commit_refuse(session, error);
	tell_commit(session, number, result > 0);
	return true;
}
