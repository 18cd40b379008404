/* What the session does with its candidate: opens it, commits it, drops it; and what is done past
 * it.
 *
 * What configures goes into an open candidate. What operates (enable, drain, disable, rollback)
 * acts on what runs, at once, and waits for nobody's commit.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/engine.h"
#include "cli/render.h"

static int refuse_memory(struct session *session)
{
	command_fault_whole(session->command, session->fault, "out of memory");
	return -ENOMEM;
}

/* rollback, while a candidate is open. */
int candidate_rollback(struct session *session)
{
	uint64_t number = session->command->arguments.revision;
	struct config *config = session_revision_config(session, number);
	char comment[TEXT_SIZE];
	const struct commit_wish wish = {.comment = comment};

	if (!config)
		return -EINVAL;
	snprintf(comment, sizeof(comment), "rollback to r%" PRIu64, number);
	commit_config(session, config, &wish);
	config_free(config);
	return 0;
}

/* enable, drain and disable, while a candidate is open. */
int candidate_operate(struct session *session)
{
	const struct change *change = &session->command->change;
	const struct commit_wish wish = {.comment = ""};
	struct complaint complaint = {.word = COMPLAINT_WHOLE};
	struct config *config = config_copy(session_running(session));
	int result = config ? config_apply(config, change, &complaint) : -ENOMEM;

	if (!config) {
		refuse_memory(session);
	} else if (result == -ENOENT && session_config(session) &&
		   config_find(session_config(session), change->kind, change->object)) {
		command_fault_whole(session->command, session->fault, "it is in the candidate "
				    "only, and does not run yet; there, use \"set %s ... admin\"",
				    schema_of(change->kind)->name);
	} else if (result < 0) {
		command_fault(session->command, result, &complaint, session->fault);
	} else {
		result = !commit_config(session, config, &wish);
	}
	config_free(config);
	return result;
}

/* A script says `configure` where a person would: it is one transaction anyway, and is now bound to
 * say `commit`, too. Elsewhere a candidate is opened, for the lines that come. */
int candidate_configure(struct session *session)
{
	struct transaction *transaction = &session->transaction;
	bool scripted = session_scripted(session);

	if (transaction->config)
		return command_fault_whole(session->command, session->fault,
					   "configure comes before what it is for");
	if (session->candidate)
		return command_fault_whole(session->command, session->fault,
					   "a candidate is open already; commit it, or discard it");
	if (scripted)
		transaction->configured = true;
	else
		session->candidate = candidate_new();
	transaction->touched = !scripted;
	return scripted || session->candidate ? 0 : refuse_memory(session);
}

int candidate_discard(struct session *session)
{
	struct transaction *transaction = &session->transaction;
	uint32_t number = session->command->arguments.number;
	char *text;

	if (!session->candidate)
		return command_fault_whole(session->command, session->fault,
					   "no candidate is open, there is nothing to discard");
	if (transaction->config)
		return command_fault_whole(session->command, session->fault,
					   "discard stands alone");
	transaction->touched = true;
	if (!number) {
		candidate_free(session->candidate);
		session->candidate = NULL;
		return 0;
	}
	text = candidate_drop(session, number);
	if (!text)
		return command_fault_whole(session->command, session->fault,
					   "the candidate has %zu lines",
					   candidate_lines(session->candidate));
	free(text);
	return 0;
}

static bool refuse_conflicts(struct session *session, size_t lines)
{
	session_status(session, STATUS_REJECTED);
	session_complain(session,
			 "error: %zu line%s; nothing was applied (still at r%" PRIu64 ")\n"
			 "Type a line again to have it anyway, or drop it with `discard N`.\n", lines,
			 lines == 1 ? " conflicts" : "s conflict", session_revision(session));
	return false;
}

/* A plain commit confirms what this very session has committed unconfirmed, as on other routers;
 * where it has no lines, there is nothing else that it could mean. Nobody else's commit does. */
static bool confirms(const struct session *session)
{
	struct waiting waiting;

	return !session->transaction.confirm_ns && session_waiting(session, &waiting) &&
	       (waiting.revision == session->unconfirmed || !candidate_lines(session->candidate));
}

/* The open candidate, with the lines at hand in it. */
static bool commit_candidate(struct session *session)
{
	const struct transaction *transaction = &session->transaction;
	const struct commit_wish wish = {
		.comment = transaction->comment, .confirm_ns = transaction->confirm_ns,
		.confirms = confirms(session),
	};
	bool asked = session->request.flags & REQUEST_CHECK;
	const struct config *config = candidate_view(session);
	size_t conflicts = config ? candidate_tell_conflicts(session) : 0;

	if (!config)
		return commit_refuse(session, "out of memory");
	if (conflicts)
		return refuse_conflicts(session, conflicts);
	if (!asked && transaction->checks)
		return commit_check(session, config, false);
	if (!(asked ? commit_check(session, config, true) :
		      commit_config(session, config, &wish)))
		return false;
	candidate_free(session->candidate);
	session->candidate = NULL;
	return true;
}

bool candidate_end(struct session *session)
{
	struct transaction *transaction = &session->transaction;
	struct config *config = transaction->config;

	transaction->config = NULL;
	if (config && !candidate_take(session, &transaction->typed, config))
		return commit_refuse(session, "out of memory");
	transaction->touched |= config && !transaction->committed;
	return transaction->committed ? commit_candidate(session) : true;
}

void candidate_tell(struct session *session)
{
	long lines = session->candidate ? (long)candidate_lines(session->candidate) :
					  CANDIDATE_CLOSED;

	if (session->transaction.touched && session->request.flags & REQUEST_JSON &&
	    !(session->request.flags & REQUEST_QUIET))
		session_print_text(session,
				   render_candidate_json(session_revision(session), lines));
}

int candidate_commit_nothing(struct session *session)
{
	const struct arguments *arguments = &session->command->arguments;
	const struct commit_wish wish = {.comment = "", .confirm_ns = arguments->confirm_ns};
	struct waiting waiting;
	bool waits = session_waiting(session, &waiting);

	/* At the end of a script whose lines are all in force already, it is a word like any
	 * other. */
	if (session->request.flags & REQUEST_EACH &&
	    !(waits && waiting.revision == session->unconfirmed))
		return 0;
	if (arguments->check || !waits)
		return command_fault_whole(session->command, session->fault, "no candidate is open; "
					   "a command alone is in force at once");
	if (!arguments->confirm_ns)
		return commit_confirm(session);
	commit_config(session, session_running(session), &wish);
	return 0;
}
