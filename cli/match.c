#include "cli/match.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/choose.h"

/* A walk over the words. Without a command, values are passed over unread. */
struct matcher {
	struct position position;
	const struct words *words;
	bool prefixes;
	struct command *command;
	struct fault *fault;
};

static int begin_object(struct command *command, const struct syntax *syntax)
{
	command->syntax = *syntax;
	if (syntax->kind == KIND_COUNT)
		return 0;
	command->change.kind = syntax->kind;
	command->change.object = object_new(syntax->kind);
	return command->change.object ? 0 : -ENOMEM;
}

static int read_raw(struct matcher *matcher, const struct attribute *attribute,
		    const struct word *word, char *ret_text)
{
	size_t size = strlen(word->text) + 1;

	if (size == 1 || size > attribute->maximum)
		return fault_at(matcher->fault, word->offset, word->length,
				size == 1 ? "%s is empty" : "%s is too long", attribute->name);
	memcpy(ret_text, word->text, size);
	return 0;
}

/* The words of a value, joined; keywords may have been short. */
static void join_value(const struct matcher *matcher, const struct attribute *attribute,
		       const struct word *first, unsigned words, char *ret_text, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; i < words && used < size; i++)
		used += (size_t)snprintf(ret_text + used, size - used, "%s%s", i ? " " : "",
					 choose_keyword(value_word(attribute, i).keywords,
							first[i].text, matcher->prefixes));
}

static int read_schema_value(struct matcher *matcher, const struct next *next, unsigned index,
			     void *ret_value)
{
	const struct attribute *attribute = next->parameter.attribute;
	const struct word *last = &matcher->words->word[index], *first = last - next->place;
	char text[LINE_SIZE_MAX], error[FAULT_TEXT_SIZE];

	if (matcher->position.value_awaited)
		return 0;
	join_value(matcher, attribute, first, next->place + 1, text, sizeof(text));
	if (attribute->flags & PARAMETER_MINUTES && !text[strspn(text, "0123456789")])
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "m");
	if (value_parse(attribute, text, ret_value, error, sizeof(error)) < 0)
		return fault_at(matcher->fault, first->offset,
				last->offset + last->length - first->offset, "%s", error);
	return 0;
}

static int read_value(struct matcher *matcher, const struct next *next, unsigned index)
{
	struct command *command = matcher->command;
	const struct parameter *parameter = &next->parameter;
	const struct attribute *attribute = parameter->attribute;
	char *base = parameter->of_object ? command->change.object : (char *)&command->arguments;
	int *place = parameter->of_object ? command->attribute_word : command->option_word;

	place[parameter->index] = (int)index;
	if (parameter->of_object)
		command->change.given |= 1u << parameter->index;
	if (attribute->flags & PARAMETER_REST) {
		if (!command->rest)
			command->rest = index;
		return 0;
	}
	if (attribute->flags & PARAMETER_RAW)
		return read_raw(matcher, attribute, &matcher->words->word[index],
				base + attribute->offset);
	return read_schema_value(matcher, next, index, base + attribute->offset);
}

static int read_switch(struct command *command, const struct next *next, unsigned index)
{
	uint32_t on = 1;

	if (next->parameter.attribute->flags & PARAMETER_SWITCH) {
		memcpy((char *)&command->arguments + next->parameter.attribute->offset, &on,
		       sizeof(on));
		command->option_word[next->parameter.index] = (int)index;
	}
	return 0;
}

static int read_filter(struct matcher *matcher, const struct next *next, unsigned index)
{
	struct command *command = matcher->command;
	const struct word *word = &matcher->words->word[index];

	if (command->pipes == PIPES_MAX)
		return fault_at(matcher->fault, word->offset, word->length, "more than %d filters",
				PIPES_MAX);
	command->pipe[command->pipes++] = (struct pipe){.type = next->pipe, .word = index};
	return 0;
}

static int read_word(struct matcher *matcher, const struct next *next, unsigned index)
{
	struct command *command = matcher->command;

	switch (next->type) {
	case NEXT_WORD:
		if (!matcher->position.complete)
			return 0;
		return begin_object(command, &matcher->position.syntax);
	case NEXT_OPTION:
		return read_switch(command, next, index);
	case NEXT_FILTER:
		return read_filter(matcher, next, index);
	case NEXT_VALUE:
		if (!matcher->position.piped)
			return read_value(matcher, next, index);
		command->pipe[command->pipes - 1].pattern = matcher->words->word[index].text;
		command->pipe[command->pipes - 1].word = index;
		return 0;
	case NEXT_PIPE:
	case NEXT_END:
		return 0;
	}
	return 0;
}

static int walk(struct matcher *matcher, unsigned first, unsigned count)
{
	struct next next[NEXT_MAX];

	for (unsigned i = first; i < first + count; i++) {
		unsigned choices = position_next(&matcher->position, next);
		int chosen = choose_next(&matcher->position, next, choices, matcher->words, i,
					 matcher->prefixes, matcher->fault);
		const char *text = matcher->words->word[i].text;
		int error;

		if (chosen < 0)
			return chosen;
		if (next[chosen].type == NEXT_VALUE)
			text = choose_keyword(next[chosen].keywords, text, matcher->prefixes);
		position_take(&matcher->position, &next[chosen], text);
		error = matcher->command ? read_word(matcher, &next[chosen], i) : 0;
		if (error)
			return error;
	}
	return 0;
}

static int check_end(struct matcher *matcher)
{
	struct next next[NEXT_MAX];
	unsigned count = position_next(&matcher->position, next);

	for (unsigned i = 0; i < count; i++)
		if (next[i].type == NEXT_END)
			return 0;
	return fault_missing(&matcher->position, next, count, matcher->words, matcher->fault);
}

static void set_admin(struct command *command, enum admin admin)
{
	const struct schema *schema = schema_of(command->change.kind);
	const struct attribute *attribute = schema_attribute(command->change.kind, "admin");
	uint32_t value = admin;

	memcpy((char *)command->change.object + attribute->offset, &value, sizeof(value));
	command->change.given |= 1u << (attribute - schema->attribute);
	command->change.verb = VERB_SET;
}

static void finish_change(struct command *command)
{
	switch (command->syntax.id) {
	case COMMAND_ADD:
		command->change.verb = VERB_ADD;
		break;
	case COMMAND_SET:
		command->change.verb = VERB_SET;
		break;
	case COMMAND_DELETE:
		command->change.verb = VERB_DELETE;
		command->change.if_exists = command->arguments.if_exists;
		break;
	case COMMAND_ENABLE:
		set_admin(command, ADMIN_ENABLED);
		break;
	case COMMAND_DISABLE:
		set_admin(command, ADMIN_DISABLED);
		break;
	case COMMAND_DRAIN:
		set_admin(command, ADMIN_DRAIN);
		break;
	default:
		break;
	}
}

static void forget(struct command *command)
{
	command->change = (struct change){0};
	command->arguments = (struct arguments){0};
	command->rest = command->pipes = 0;
	for (unsigned i = 0; i < ATTRIBUTES_MAX; i++)
		command->attribute_word[i] = command->option_word[i] = -1;
}

int command_match(const char *line, size_t size, bool prefixes, struct command *ret_command,
		  struct fault *ret_fault)
{
	struct matcher matcher = {
		.words = &ret_command->words, .prefixes = prefixes, .command = ret_command,
		.fault = ret_fault,
	};
	int error;

	forget(ret_command);
	error = words_cut(line, size, false, &ret_command->words, ret_fault);
	if (error || !ret_command->words.count)
		return error;
	error = walk(&matcher, 0, ret_command->words.count);
	if (!error)
		error = check_end(&matcher);
	if (error) {
		command_free(ret_command);
		return error;
	}
	finish_change(ret_command);
	return 1;
}

void command_free(struct command *command)
{
	object_free(command->change.object);
	command->change.object = NULL;
}

int command_position(const struct words *words, unsigned first, unsigned count, bool prefixes,
		     struct position *ret_position, struct fault *ret_fault)
{
	struct matcher matcher = {.words = words, .prefixes = prefixes, .fault = ret_fault};
	int error = walk(&matcher, first, count);

	*ret_position = matcher.position;
	return error;
}

static void blame(const struct words *words, int word, struct fault *ret_fault)
{
	const struct word *first = &words->word[word < 0 ? 0 : word];

	ret_fault->placed = true;
	ret_fault->offset = first->offset;
	ret_fault->length = word < 0 ? words->end - first->offset : first->length;
}

/* Where the last word of the object's id stands; -1 where it has none. */
static int id_word(const struct command *command)
{
	const struct schema *schema = schema_of(command->change.kind);
	int word = -1;

	for (unsigned i = 0; i < schema->attributes; i++)
		if (schema->attribute[i].flags & ATTRIBUTE_ID)
			word = command->attribute_word[i];
	return word;
}

void command_fault(const struct command *command, int error, const struct complaint *complaint,
		   struct fault *ret_fault)
{
	int word = error == -ENOENT ? id_word(command) : -1;

	if (complaint->word != COMPLAINT_WHOLE)
		word = command->attribute_word[complaint->word];
	snprintf(ret_fault->text, sizeof(ret_fault->text), "%s", complaint->text);
	blame(&command->words, word, ret_fault);
}

int command_fault_word(const struct command *command, int word, struct fault *ret_fault,
		       const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ret_fault->text, sizeof(ret_fault->text), format, arguments);
	va_end(arguments);
	blame(&command->words, word, ret_fault);
	return -EINVAL;
}

int command_fault_whole(const struct command *command, struct fault *ret_fault,
			const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ret_fault->text, sizeof(ret_fault->text), format, arguments);
	va_end(arguments);
	blame(&command->words, -1, ret_fault);
	return -EINVAL;
}
