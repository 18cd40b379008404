/* Transactions: lines applied to a copy of what runs, then all of it or nothing.
 *
 * The copy is made when the first line changes something, so that reading costs none. A file or a
 * revision takes the copy's place (replace, rollback) or is applied on top of it (merge), line by
 * line with the same matcher. What a failed line would have made is remembered, so that the lines
 * that need it are not told as errors of their own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "cli/render.h"

void transaction_begin(struct session *session)
{
	session->transaction = (struct transaction){0};
}

void transaction_forget(struct session *session)
{
	struct transaction *transaction = &session->transaction;

	config_free(transaction->candidate);
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

static const struct config *running(const struct session *session)
{
	return session->appliance->running(session->appliance->context);
}

static unsigned long long revision(const struct session *session)
{
	return session->appliance->revision(session->appliance->context);
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

static int need_candidate(struct session *session)
{
	struct transaction *transaction = &session->transaction;

	if (!transaction->candidate)
		transaction->candidate = config_copy(running(session));
	return transaction->candidate ? 0 : refuse_memory(session);
}

static int apply_change(struct session *session)
{
	struct complaint complaint = {.word = COMPLAINT_WHOLE};
	int error = need_candidate(session);

	if (error)
		return error;
	error = config_apply(session->transaction.candidate, &session->command->change, &complaint);
	if (error >= 0 || follows_from_failure(session, error, &complaint))
		return 0;
	command_fault(session->command, error, &complaint, session->fault);
	return error;
}

/* An empty candidate in place of the present one. */
static int replace_candidate(struct session *session)
{
	struct config *fresh = config_new();

	if (!fresh)
		return refuse_memory(session);
	config_free(session->transaction.candidate);
	session->transaction.candidate = fresh;
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
	int error = replace ? replace_candidate(session) : need_candidate(session);

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

static int apply_rollback(struct session *session)
{
	uint64_t number = session->command->arguments.revision;
	char error[FAULT_TEXT_SIZE], source[32], *text;
	int result = session->appliance->revision_text(session->appliance->context, number, &text,
						       error, sizeof(error));

	if (result < 0) {
		command_fault_whole(session->command, session->fault, "%s", error);
		return result;
	}
	result = replace_candidate(session);
	if (result == 0) {
		snprintf(source, sizeof(source), "r%llu", (unsigned long long)number);
		session->transaction.lines--;
		apply_text(session, source, text, strlen(text));
		set_comment(&session->transaction, "rollback to %s", source);
	}
	free(text);
	return result;
}

static int end_lines(struct session *session)
{
	struct transaction *transaction = &session->transaction;

	if (!(session->request.flags & REQUEST_SCRIPT) && !transaction->loading)
		return command_fault_whole(session->command, session->fault,
					   "commit ends a script; a command alone is in force at once");
	transaction->ended = transaction->committed = true;
	if (*session->command->arguments.comment)
		snprintf(transaction->comment, sizeof(transaction->comment), "%s",
			 session->command->arguments.comment);
	return 0;
}

/* A line that changes: and, where it also waits or starts a clock, acts later. */
static int change_line(struct session *session, const struct place *place)
{
	const struct arguments *arguments = &session->command->arguments;
	enum command_id id = session->command->syntax.id;
	int error = apply_change(session);

	if (!error && (id == COMMAND_DRAIN || arguments->wait))
		session_later(session, place);
	return error;
}

/* The line in session->command; 0 or a negative errno with session->fault. */
static int transaction_line(struct session *session, const struct place *place)
{
	struct transaction *transaction = &session->transaction;
	struct command *command = session->command;

	if (transaction->ended && command->syntax.id != COMMAND_QUIT)
		return command_fault_whole(command, session->fault,
					   "a line after the end of the script");
	switch (command->syntax.id) {
	case COMMAND_ADD:
	case COMMAND_SET:
	case COMMAND_DELETE:
	case COMMAND_ENABLE:
	case COMMAND_DISABLE:
	case COMMAND_DRAIN:
		return change_line(session, place);
	case COMMAND_COMMIT:
		return end_lines(session);
	default:
		break;
	}
	if (transaction->loading)
		return command_fault_whole(command, session->fault,
					   "a file that is loaded holds configuration only");
	if (command->syntax.id == COMMAND_LOAD)
		return apply_load(session, place);
	if (command->syntax.id == COMMAND_ROLLBACK)
		return apply_rollback(session);
	transaction->ended |= command->syntax.id == COMMAND_QUIT;
	session_later(session, place);
	return 0;
}

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

	config_validate(running(session), know_warning, &warnings, error, sizeof(error));
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

static bool refuse_transaction(struct session *session, const char *error)
{
	session_status(session, STATUS_REJECTED);
	session_complain(session, "error: %s\n", error);
	if (session->request.flags & REQUEST_SCRIPT && !(session->request.flags & REQUEST_EACH))
		session_complain(session, "error: nothing was applied (still at r%llu)\n",
				 revision(session));
	return false;
}

static void tell_check(struct session *session, unsigned changes)
{
	if (is_quiet(session))
		return;
	if (is_json(session))
		session_print_text(session, render_check_json(revision(session), changes));
	else if (changes)
		session_print(session, "would change %u object%s.\n", changes,
			      changes == 1 ? "" : "s");
	else
		session_print(session, "unchanged (r%llu).\n", revision(session));
}

static bool check_candidate(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	const struct config *candidate = session->transaction.candidate;
	struct warnings warnings = warnings_of_running(session);
	char error[FAULT_TEXT_SIZE];
	unsigned changes;
	int result = appliance->check(appliance->context, candidate, say_warning, &warnings, error,
				      sizeof(error));

	warnings_forget(&warnings);
	if (result < 0)
		return refuse_transaction(session, error);
	changes = config_compare(running(session), candidate, NULL, NULL);
	if (changes)
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
		session_print(session, changed ? "r%llu active.\n" : "unchanged (r%llu).\n",
			      (unsigned long long)number);
	session->sink.output_end(session->sink.context);
}

static bool commit_candidate(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	const struct transaction *transaction = &session->transaction;
	const struct commit_note note = {session->user, transaction->comment};
	struct warnings warnings = warnings_of_running(session);
	char error[FAULT_TEXT_SIZE];
	uint64_t number;
	int result = appliance->commit(appliance->context, transaction->candidate, &note,
				       say_warning, &warnings, &number, error, sizeof(error));

	warnings_forget(&warnings);
	if (result < 0)
		return refuse_transaction(session, error);
	tell_commit(session, number, result > 0);
	return true;
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
	session_complain(session,
			 "error: %u of %u lines failed; nothing was applied (still at r%llu)\n",
			 transaction->failed, transaction->lines, revision(session));
}

bool transaction_end(struct session *session)
{
	const struct transaction *transaction = &session->transaction;
	bool checks = session->request.flags & REQUEST_CHECK;
	bool done = !transaction->failed;

	if (!done)
		tell_failures(session);
	else if (transaction->candidate)
		done = checks ? check_candidate(session) : commit_candidate(session);
	return done && !checks;
}
