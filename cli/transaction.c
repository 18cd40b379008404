/* Transactions: lines applied to a copy of what runs, or of what the open candidate makes of it,
 * then all of it or nothing.
 *
 * The copy is made when the first line changes something, so that reading costs none. A file or a
 * revision takes the copy's place (replace, rollback) or is applied on top of it (merge), line by
 * line with the same matcher. What a failed line would have made is remembered, so that the lines
 * that need it are not told as errors of their own.
 *
 * While a candidate is open, what configures goes into it, and what operates (enable, drain,
 * disable, rollback) acts on what runs, at once: it waits for nobody's commit.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "cli/render.h"
#include "cli/script.h"

void transaction_begin(struct session *session)
{
	session->transaction = (struct transaction){.confirm_ns = session->request.confirm_ns};
}

void transaction_forget(struct session *session)
{
	struct transaction *transaction = &session->transaction;

	config_free(transaction->config);
	line_list_free(&transaction->typed);
	for (size_t i = 0; i < transaction->missing_count; i++)
		free(transaction->missing[i]);
	free(transaction->missing);
	*transaction = (struct transaction){0};
}

static int refuse_memory(struct session *session)
{
	command_fault_whole(session->command, session->fault, "out of memory");
	return -ENOMEM;
}

/* "pool web", if that is what the line would have made. */
static bool line_makes(const struct command *command, char *ret_what, size_t size)
{
	const struct word *word = command->words.word;
	enum kind kind;

	if (command->words.count < 3 || strcmp(word[0].text, "add") != 0)
		return false;
	kind = schema_kind(word[1].text);
	if (kind == KIND_COUNT || schema_of(kind)->attribute[0].reference != NOT_A_REFERENCE)
		return false;
	snprintf(ret_what, size, "%s %s", word[1].text, word[2].text);
	return true;
}

static void remember_missing(struct session *session)
{
	struct transaction *transaction = &session->transaction;
	char what[NAME_SIZE + 32];
	char **missing;

	if (!line_makes(session->command, what, sizeof(what)))
		return;
	missing = reallocarray(transaction->missing, transaction->missing_count + 1,
			       sizeof(*missing));
	if (!missing)
		return;
	transaction->missing = missing;
	missing[transaction->missing_count] = strdup(what);
	transaction->missing_count += missing[transaction->missing_count] ? 1 : 0;
}

/* True where the complaint is that something is not there which a failed line would have made. */
static bool follows_from_failure(const struct session *session, int error,
				 const struct complaint *complaint)
{
	const struct transaction *transaction = &session->transaction;
	const struct command *command = session->command;
	const struct schema *schema = schema_of(command->change.kind);
	bool whole = complaint->word == COMPLAINT_WHOLE;
	int at = command->attribute_word[whole ? 0 : complaint->word];
	enum kind kind = whole ? command->change.kind :
				 schema->attribute[complaint->word].reference;
	char what[NAME_SIZE + 32];

	if (error != -ENOENT || at < 0 || kind == KIND_COUNT)
		return false;
	snprintf(what, sizeof(what), "%s %s", schema_of(kind)->name, command->words.word[at].text);
	for (size_t i = 0; i < transaction->missing_count; i++)
		if (strcmp(transaction->missing[i], what) == 0)
			return true;
	return false;
}

static int need_config(struct session *session)
{
	struct transaction *transaction = &session->transaction;
	const struct config *config = transaction->config ? NULL : session_config(session);

	if (config)
		transaction->config = config_copy(config);
	return transaction->config ? 0 : refuse_memory(session);
}

/* Where a candidate is open, it is to have the line. */
static int keep_line(struct session *session, const struct place *place, bool replaces)
{
	if (session->candidate &&
	    !line_list_add(&session->transaction.typed, place->line, place->size, replaces))
		return refuse_memory(session);
	return 0;
}

static int apply_change(struct session *session, const struct place *place)
{
	struct complaint complaint = {.word = COMPLAINT_WHOLE};
	int error = need_config(session);

	if (error)
		return error;
	error = config_apply(session->transaction.config, &session->command->change, &complaint);
	if (error >= 0)
		return keep_line(session, place, false);
	if (follows_from_failure(session, error, &complaint))
		return 0;
	command_fault(session->command, error, &complaint, session->fault);
	return error;
}

/* An empty configuration in place of the present one. */
static int replace_config(struct session *session)
{
	struct config *fresh = config_new();

	if (!fresh)
		return refuse_memory(session);
	config_free(session->transaction.config);
	session->transaction.config = fresh;
	return 0;
}

static int transaction_line(struct session *session, const struct place *place);

static void set_comment(struct transaction *transaction, const char *format, const char *what)
{
	if (!*transaction->comment)
		snprintf(transaction->comment, sizeof(transaction->comment), format, what);
}

bool transaction_text(struct session *session, const struct place *place, bool prefixes)
{
	enum exit_status status = STATUS_USAGE;
	int result = command_match(place->line, place->size, prefixes, session->command,
				   session->fault);

	if (result == 0)
		return false;
	session->transaction.lines++;
	if (result > 0)
		result = command_check(session);
	if (result == 0) {
		status = STATUS_REJECTED;
		result = transaction_line(session, place);
	}
	if (result < 0) {
		remember_missing(session);
		session->transaction.failed++;
		session_fault(session, place, status);
	}
	command_free(session->command);
	return true;
}

/* Every line of the text. The command that asked for it is overwritten. */
static void apply_text(struct session *session, const char *source, const char *text, size_t size)
{
	struct transaction *transaction = &session->transaction;
	struct place place = {.source = source};
	size_t at = 0;

	transaction->loading = true;
	transaction->committed = false;
	while (script_line(text, size, &at, &place.line, &place.size)) {
		place.number++;
		transaction_text(session, &place, false);
	}
	transaction->loading = false;
	transaction->ended = false;
}

static int apply_load(struct session *session, const struct place *place)
{
	struct transaction *transaction = &session->transaction;
	bool replace = session->command->arguments.replace;
	unsigned lines = transaction->lines;
	const char *name;
	const struct attachment *file;
	int error = replace ? replace_config(session) : need_config(session);

	if (!error && replace)
		error = keep_line(session, place, true);
	if (error)
		return error;
	file = session_attachment(session, session->command->arguments.file);
	if (!file)
		return command_fault_whole(session->command, session->fault,
					   "file has not been sent");
	name = strcmp(file->name, "-") == 0 ? "<stdin>" : file->name;
	apply_text(session, name, file->content, file->size);
	set_comment(transaction, replace ? "load %s replace" : "load %s", name);
	if (!replace || transaction->committed) {
		transaction->committed = false;
		transaction->lines--;
		return 0;
	}
	if (!transaction->failed)
		transaction->lines = lines;
	command_free(session->command);
	command_match(place->line, place->size, true, session->command, session->fault);
	return command_fault_whole(session->command, session->fault, "%s does not end with "
				   "\"commit\": it may have been cut short, nothing was applied",
				   name);
}

/* The configuration of a revision; NULL with session->fault. */
struct config *session_revision_config(struct session *session, uint64_t number)
{
	const struct appliance *appliance = session->appliance;
	char error[FAULT_TEXT_SIZE / 2], *text;
	struct config *config;

	if (appliance->revision_text(appliance->context, number, &text, error, sizeof(error)) < 0) {
		command_fault_whole(session->command, session->fault, "%s", error);
		return NULL;
	}
	config = script_config(text, error, sizeof(error));
	free(text);
	if (!config)
		command_fault_whole(session->command, session->fault,
				    "revision %" PRIu64 " is none for this release: %s", number,
				    error);
	return config;
}

static int apply_rollback(struct session *session)
{
	struct transaction *transaction = &session->transaction;
	uint64_t number = session->command->arguments.revision;
	struct config *config = session_revision_config(session, number);

	if (!config)
		return -EINVAL;
	config_free(transaction->config);
	transaction->config = config;
	if (!*transaction->comment)
		snprintf(transaction->comment, sizeof(transaction->comment),
			 "rollback to r%" PRIu64, number);
	return 0;
}

static int commit_line(struct session *session, const struct place *place)
{
	const struct arguments *arguments = &session->command->arguments;
	struct transaction *transaction = &session->transaction;

	if (transaction->loading && (arguments->check || arguments->confirm_ns))
		return command_fault_whole(session->command, session->fault,
					   "a file that is loaded ends with a plain commit");
	if (!transaction->loading && !session->candidate &&
	    (!(session->request.flags & REQUEST_SCRIPT) ||
	     session->request.flags & REQUEST_EACH)) {
		session_later(session, place);
		return 0;
	}
	transaction->ended = transaction->committed = true;
	transaction->checks = arguments->check;
	if (arguments->confirm_ns)
		transaction->confirm_ns = arguments->confirm_ns;
	if (*arguments->comment)
		snprintf(transaction->comment, sizeof(transaction->comment), "%s",
			 arguments->comment);
	return 0;
}

/* A line that changes: and, where it also waits or starts a clock, acts later. */
static int change_line(struct session *session, const struct place *place)
{
	const struct arguments *arguments = &session->command->arguments;
	enum command_id id = session->command->syntax.id;
	int error = apply_change(session, place);

	if (!error && (id == COMMAND_DRAIN || arguments->wait))
		session_later(session, place);
	return error;
}

static bool configures(enum command_id id)
{
	switch (id) {
	case COMMAND_ADD:
	case COMMAND_SET:
	case COMMAND_DELETE:
	case COMMAND_ENABLE:
	case COMMAND_DISABLE:
	case COMMAND_DRAIN:
	case COMMAND_CONFIGURE:
	case COMMAND_COMMIT:
	case COMMAND_DISCARD:
	case COMMAND_ROLLBACK:
	case COMMAND_LOAD:
		return true;
	default:
		return false;
	}
}

static int refuse_after_end(struct session *session)
{
	return command_fault_whole(session->command, session->fault,
				   "a line after the end of the script");
}

/* One that configures nothing by itself. */
static int other_line(struct session *session, const struct place *place)
{
	struct transaction *transaction = &session->transaction;
	enum command_id id = session->command->syntax.id;

	if (transaction->loading)
		return command_fault_whole(session->command, session->fault,
					   "a file that is loaded holds configuration only");
	switch (id) {
	case COMMAND_CONFIGURE: return candidate_configure(session);
	case COMMAND_DISCARD: return candidate_discard(session);
	case COMMAND_LOAD: return apply_load(session, place);
	case COMMAND_ROLLBACK:
		if (!session->candidate)
			return apply_rollback(session);
		break;
	case COMMAND_COMPARE:
		if (!session_scripted(session) || session->command->arguments.revision)
			break;
		if (transaction->ended)
			return refuse_after_end(session);
		return session->request.flags & REQUEST_CHECK ? 0 : run_compare(session);
	default:
		break;
	}
	transaction->ended |= id == COMMAND_QUIT;
	session_later(session, place);
	return 0;
}

/* The line in session->command; 0 or a negative errno with session->fault. */
static int transaction_line(struct session *session, const struct place *place)
{
	struct transaction *transaction = &session->transaction;
	enum command_id id = session->command->syntax.id;

	if (transaction->ended && id != COMMAND_QUIT && (!transaction->committed || configures(id)))
		return refuse_after_end(session);
	switch (id) {
	case COMMAND_ADD:
	case COMMAND_SET:
	case COMMAND_DELETE:
		return change_line(session, place);
	case COMMAND_ENABLE:
	case COMMAND_DISABLE:
	case COMMAND_DRAIN:
		if (transaction->loading || !session->candidate)
			return change_line(session, place);
		break;
	case COMMAND_COMMIT:
		return commit_line(session, place);
	default:
		break;
	}
	return other_line(session, place);
}

/* How many lines of how many; a bare command's one fault has said it all. */
static void tell_failures(struct session *session)
{
	const struct transaction *transaction = &session->transaction;
	bool bare = !(session->request.flags & REQUEST_SCRIPT) && transaction->lines <= 1;

	if (bare || session->request.flags & REQUEST_EACH)
		return;
	if (session->told > FAULTS_TOLD)
		session_complain(session, "error: %u more errors are not told\n",
				 session->told - FAULTS_TOLD);
	if (session->candidate)
		session_complain(session,
				 "error: %u of %u lines failed; the candidate is as it was\n",
				 transaction->failed, transaction->lines);
	else
		session_complain(session, "error: %u of %u lines failed; nothing was applied "
				 "(still at r%" PRIu64 ")\n", transaction->failed,
				 transaction->lines, session_revision(session));
}

bool transaction_end(struct session *session)
{
	struct transaction *transaction = &session->transaction;
	const struct commit_wish wish = {
		.comment = transaction->comment, .confirm_ns = transaction->confirm_ns,
	};
	bool asked = session->request.flags & REQUEST_CHECK;
	bool checks = asked || transaction->checks;
	/* What has changed nothing may fail when its turn comes. */
	if (transaction->config && !transaction->failed && !session->candidate)
		transaction->failed = later_fails(session, transaction->config);
	bool done = !transaction->failed;

	if (!done)
		tell_failures(session);
	else if (session->candidate)
		done = candidate_end(session);
	else if (transaction->configured && !transaction->committed)
		done = commit_refuse(session, "the script says \"configure\" and never \"commit\": "
					      "it may have been cut short");
	else if (transaction->config)
		done = checks ? commit_check(session, transaction->config, asked) :
				commit_config(session, transaction->config, &wish);
	if (done)
		candidate_tell(session);
	return done && !(session->candidate ? asked : checks);
}
