/* What may come next, at the keyboard: Tab, `?` and `help`, from the same tables as matching. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "cli/report_rows.h"

enum { NAMES_SHOWN = 32 };

/* A line up to the cursor: what is behind it, and the word that is being typed. */
struct cursor {
	struct words words;
	struct position position;
	const char *typed;        /* "" where a new word begins */
	const char *before;       /* first word of a value of two, else "" */
	struct next next[NEXT_MAX];
	unsigned count;
};

typedef void live_value(void *context, const char *text);

static int cursor_place(struct cursor *cursor, const char *line, struct fault *ret_fault)
{
	int error = words_cut(line, strlen(line), true, &cursor->words, ret_fault);
	unsigned behind = cursor->words.count - (cursor->words.open ? 1 : 0);

	if (!error)
		error = command_position(&cursor->words, 0, behind, true, &cursor->position,
					 ret_fault);
	if (error)
		return error;
	cursor->typed = cursor->words.open ? cursor->words.word[behind].text : "";
	cursor->before = behind ? cursor->words.word[behind - 1].text : "";
	cursor->count = position_next(&cursor->position, cursor->next);
	return 0;
}

/* The text of an id attribute: of every object, or of those whose first id is `first`. */
static void live_ids(struct session *session, enum kind kind, unsigned index,
		     const char *first, live_value *visit, void *context)
{
	const struct config *config = session_config(session);
	const struct attribute *attribute = schema_of(kind)->attribute;
	char text[TEXT_SIZE], last[TEXT_SIZE] = "";

	for (unsigned i = 0; config && i < config_count(config, kind); i++) {
		const char *object = config_at(config, kind, i);

		value_format(&attribute[0], object + attribute[0].offset, 0, text, sizeof(text));
		if (first && strcmp(text, first) != 0)
			continue;
		value_format(&attribute[index], object + attribute[index].offset, 0, text,
			     sizeof(text));
		if (strcmp(text, last) != 0)
			visit(context, text);
		memcpy(last, text, sizeof(last));
	}
}

static void live_revisions(const struct session *session, live_value *visit, void *context)
{
	const struct appliance *appliance = session->appliance;
	const struct filter filter = {0};
	struct report *report = NULL;
	char error[FAULT_TEXT_SIZE], text[24];

	if (appliance->report(appliance->context, TOPIC_REVISIONS, &filter, &report, error,
			      sizeof(error)) < 0)
		return;
	for (size_t row = 0; report->sections && row < report->section[0].rows; row++) {
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)section_cell(&report->section[0], row, 0)->number);
		visit(context, text);
	}
	report_free(report);
}

/* The values that there are for what is awaited: keywords, or names of live objects. */
static void live_values(struct session *session, const struct cursor *cursor,
			const struct next *next, live_value *visit, void *context)
{
	const struct parameter *parameter = &next->parameter;
	const struct attribute *attribute = parameter->attribute;
	enum kind kind = cursor->position.syntax.kind;
	bool makes = cursor->position.syntax.id == COMMAND_ADD;

	if (cursor->position.piped || (next->place && !next->keywords))
		return;
	if (next->keywords)
		for (const struct keyword *k = next->keywords; k->name; k++)
			visit(context, k->name);
	else if (attribute->flags & PARAMETER_REVISION)
		live_revisions(session, visit, context);
	else if (parameter->of_object && attribute->flags & ATTRIBUTE_ID && !makes)
		live_ids(session, kind, (unsigned)parameter->index,
			 parameter->index ? cursor->before : NULL, visit, context);
	else if (attribute->reference == KIND_BACKEND)
		live_ids(session, KIND_BACKEND, 1, parameter->operand ? cursor->before : NULL,
			 visit, context);
	else if (attribute->reference != NOT_A_REFERENCE)
		live_ids(session, attribute->reference, 0, NULL, visit, context);
}

/* Whom a candidate is told to, if it begins as what was typed. */
struct candidates {
	const char *typed;
	session_candidate *visit;
	void *context;
};

static void offer(void *context, const char *word)
{
	const struct candidates *candidates = context;

	if (strncmp(word, candidates->typed, strlen(candidates->typed)) == 0)
		candidates->visit(candidates->context, word);
}

unsigned session_complete(struct session *session, const char *line, session_candidate *visit,
			  void *context)
{
	struct cursor *cursor = malloc(sizeof(*cursor));
	struct candidates candidates = {.visit = visit, .context = context};
	unsigned besides = 0;

	if (!cursor || cursor_place(cursor, line, session->fault) < 0) {
		free(cursor);
		return 0;
	}
	candidates.typed = cursor->typed;
	for (unsigned i = 0; i < cursor->count; i++) {
		const struct next *next = &cursor->next[i];

		if (next->type == NEXT_VALUE) {
			live_values(session, cursor, next, offer, &candidates);
			besides |= COMPLETION_VALUE;
			if (next->parameter.attribute->flags & PARAMETER_FILE)
				besides |= COMPLETION_FILES;
		} else if (next->type != NEXT_END) {
			offer(&candidates, next->word);
		} else if (!*cursor->typed) {
			besides |= COMPLETION_END;
		}
	}
	free(cursor);
	return besides;
}

/* Lines of help: a word and what it means, the meanings below each other. */
struct help {
	FILE *stream;
	const char *typed;
	unsigned names;
	size_t width;     /* of the widest word; measured in a first pass, where stream is NULL */
};

static void help_line(struct help *help, const char *word, const char *meaning)
{
	if (!help->stream && strlen(word) > help->width)
		help->width = strlen(word);
	if (help->stream)
		fprintf(help->stream, "  %-*s%s%s\n", *meaning ? (int)help->width : 0, word,
			*meaning ? "  " : "", meaning);
}

/* A parameter's meaning, with its default where it has one. */
static void help_parameter(struct help *help, const char *word, const struct attribute *attribute)
{
	char meaning[256];

	snprintf(meaning, sizeof(meaning), "%s%s%s%s", attribute->help,
		 attribute->initial ? " (default: " : "",
		 attribute->initial ? attribute->initial : "", attribute->initial ? ")" : "");
	help_line(help, word, meaning);
}

static void help_name(void *context, const char *text)
{
	struct help *help = context;

	if (strncmp(text, help->typed, strlen(help->typed)) == 0 && help->names++ < NAMES_SHOWN)
		help_line(help, text, "");
}

static void help_keywords(struct help *help, const struct keyword *keywords)
{
	for (const struct keyword *k = keywords; k->name; k++)
		if (strncmp(k->name, help->typed, strlen(help->typed)) == 0)
			help_line(help, k->name, k->help);
}

static void help_next(struct session *session, const struct cursor *cursor,
		      const struct next *next, struct help *help)
{
	const struct attribute *attribute = next->parameter.attribute;

	if (next->type == NEXT_VALUE) {
		if (next->keywords)
			help_keywords(help, next->keywords);
		if (!next->keywords || attribute->flags & PARAMETER_FILE) {
			help_parameter(help, next->word, attribute);
			live_values(session, cursor, next, help_name, help);
		}
	} else if (next->type == NEXT_END || next->type == NEXT_PIPE) {
		if (!*help->typed)
			help_line(help, next->word, next->help);
	} else if (strncmp(next->word, help->typed, strlen(help->typed)) != 0) {
		return;
	} else if (next->type == NEXT_OPTION) {
		help_parameter(help, next->word, attribute);
	} else {
		help_line(help, next->word, next->help);
	}
}

/* Both passes over what `each` tells. */
static void help_print(struct session *session, void (*each)(struct session *, const void *,
							      struct help *), const void *what,
		       const char *typed)
{
	struct help help = {.typed = typed};
	char *text = NULL;
	size_t size;

	each(session, what, &help);
	help.names = 0;
	help.stream = open_memstream(&text, &size);
	if (!help.stream)
		return;
	each(session, what, &help);
	session_print_text(session, fclose(help.stream) == 0 ? text : NULL);
}

static void each_next(struct session *session, const void *what, struct help *help)
{
	const struct cursor *cursor = what;

	for (unsigned i = 0; i < cursor->count; i++)
		help_next(session, cursor, &cursor->next[i], help);
}

void session_help(struct session *session, const char *line)
{
	struct cursor *cursor = malloc(sizeof(*cursor));

	if (!cursor)
		return;
	if (cursor_place(cursor, line, session->fault) < 0)
		session_complain(session, "error: %s\n", session->fault->text);
	else
		help_print(session, each_next, cursor, cursor->typed);
	free(cursor);
}

static void each_command(struct session *session, const void *what, struct help *help)
{
	struct next next[NEXT_MAX];
	unsigned count = position_next(what, next);

	(void)session;
	for (unsigned i = 0; i < count; i++)
		help_line(help, next[i].word, next[i].help);
}

static void each_parameter(struct session *session, const void *what, struct help *help)
{
	struct parameter p;
	char name[128];

	(void)session;
	for (unsigned i = 0; syntax_parameter(what, i, &p); i++) {
		parameter_usage(&p, name, sizeof(name));
		help_parameter(help, name, p.attribute);
	}
}

int help_position(struct session *session, struct position *ret_position)
{
	const struct command *command = session->command;
	unsigned count = command->option_word[0] < 0 ? 0 : command->words.count - command->rest;

	return command_position(&command->words, command->rest, count, true, ret_position,
				session->fault);
}

void command_help(struct session *session)
{
	struct position position;
	char usage[FAULT_TEXT_SIZE];
	const char *verb;

	help_position(session, &position);
	if (!position.complete) {
		help_print(session, each_command, &position, "");
		return;
	}
	verb = position.syntax.kind == KIND_COUNT ? NULL : grammar_verb_help(position.verb);
	syntax_usage(&position.syntax, usage, sizeof(usage));
	session_print(session, "%s\n%s%s%s\n", usage, verb ? verb : "", verb ? ": " : "",
		      position.syntax.help);
	help_print(session, each_parameter, &position.syntax, "");
}
