/* Walking the grammar: what may come next, and where that leads. */
#include <string.h>

#include "cli/grammar.h"

/* Another word for `del`, and no row of its own. */
static const char no[] = "no";

static const struct attribute pipe_match = {
	"match", VALUE_TEXT, PARAMETER_RAW | PARAMETER_PATTERN, 0, .reference = NOT_A_REFERENCE,
	.help = "an extended regular expression",
};

static const struct next pipe_sign = {
	NEXT_PIPE, "|", .help = "pass the output through a filter",
};
static const struct next end_of_line = {NEXT_END, "<cr>", .help = "do it"};

/* Rows that begin with the same word stand together, so each word is told once. */
static unsigned next_words(const struct position *position, struct next *ret_next)
{
	unsigned count = 0;

	for (unsigned i = 0; i < grammar_count(); i++) {
		struct syntax syntax = grammar_at(i);
		const char *word = syntax.words[position->words];
		bool group = position->words == 0 && syntax.words[1];

		if (position->words && strcmp(syntax.words[0], position->verb) != 0)
			continue;
		if (i && !position->words && strcmp(grammar_at(i - 1).words[0], word) == 0)
			continue;
		ret_next[count++] = (struct next){
			.type = NEXT_WORD, .word = word,
			.help = group ? grammar_verb_help(word) : syntax.help,
		};
		if (!position->words && syntax.id == COMMAND_DELETE)
			ret_next[count++] = (struct next){
				.type = NEXT_WORD, .word = no, .help = grammar_verb_help(no),
			};
	}
	return count;
}

static struct next next_value(const struct parameter *parameter, unsigned index, unsigned place)
{
	struct value_word word = value_word(parameter->attribute, place);

	return (struct next){
		.type = NEXT_VALUE, .place = place, .parameter = *parameter, .index = index,
		.word = word.placeholder ? word.placeholder :
					   parameter_placeholder(parameter->attribute),
		.keywords = word.keywords,
		.help = parameter->attribute->help,
	};
}

/* True where the option has been given and is not one that may be repeated, or where it and one
 * that was given exclude each other. */
static bool option_spent(const struct position *position, const struct parameter *option,
			 unsigned index)
{
	struct parameter p;

	if (option->attribute->type == VALUE_ADDRESSES)
		return false;
	for (unsigned i = 0; syntax_parameter(&position->syntax, i, &p); i++)
		if (position->given & 1u << i &&
		    (i == index ||
		     p.attribute->flags & option->attribute->flags & PARAMETER_EXCLUSIVE))
			return true;
	return false;
}

/* A `set` that sets nothing is not complete. */
static bool sets_nothing(const struct position *position)
{
	struct parameter p;

	for (unsigned i = 0; syntax_parameter(&position->syntax, i, &p); i++)
		if (!p.operand && position->given & 1u << i)
			return false;
	return position->syntax.id == COMMAND_SET;
}

static unsigned next_parameters(const struct position *position, struct next *ret_next)
{
	bool complete = !sets_nothing(position);
	unsigned count = 0;
	struct parameter p;

	for (unsigned i = 0; syntax_parameter(&position->syntax, i, &p); i++) {
		if (p.operand ? position->given & 1u << i : option_spent(position, &p, i))
			continue;
		if (p.required && !(position->given & 1u << i))
			complete = false;
		if (p.operand) {
			ret_next[count++] = next_value(&p, i, 0);
			break;
		}
		ret_next[count++] = (struct next){
			.type = NEXT_OPTION, .word = p.attribute->name, .help = p.attribute->help,
			.parameter = p, .index = i,
		};
	}
	if (complete && position->syntax.pipes)
		ret_next[count++] = pipe_sign;
	if (complete)
		ret_next[count++] = end_of_line;
	return count;
}

static unsigned next_filters(struct next *ret_next)
{
	for (unsigned i = 0; i < PIPE_TYPES; i++)
		ret_next[i] = (struct next){
			.type = NEXT_FILTER, .pipe = (enum pipe_type)i,
			.word = grammar_pipes[i].word, .help = grammar_pipes[i].help,
		};
	return PIPE_TYPES;
}

unsigned position_next(const struct position *position, struct next ret_next[NEXT_MAX])
{
	struct parameter p = {.attribute = &pipe_match};

	if (!position->complete)
		return next_words(position, ret_next);
	if (position->filter_value_awaited) {
		ret_next[0] = next_value(&p, 0, 0);
		return 1;
	}
	if (position->filter_awaited)
		return next_filters(ret_next);
	if (position->value_awaited || position->rest) {
		syntax_parameter(&position->syntax, position->awaited, &p);
		ret_next[0] = next_value(&p, position->awaited, position->place);
		if (position->rest)
			ret_next[1] = end_of_line;
		return position->rest ? 2 : 1;
	}
	if (position->piped) {
		ret_next[0] = pipe_sign;
		ret_next[1] = end_of_line;
		return 2;
	}
	return next_parameters(position, ret_next);
}

static void take_word(struct position *position, const char *word)
{
	if (!position->words++)
		position->verb = strcmp(word, no) == 0 ? "del" : word;
	for (unsigned i = 0; i < grammar_count() && !position->complete; i++) {
		struct syntax syntax = grammar_at(i);

		if (strcmp(syntax.words[0], position->verb) != 0)
			continue;
		position->complete = position->words == 1 ? !syntax.words[1] :
							    strcmp(syntax.words[1], word) == 0;
		if (position->complete)
			position->syntax = syntax;
	}
}

static void take_value(struct position *position, const struct next *next, const char *word)
{
	const struct attribute *attribute = next->parameter.attribute;
	bool one_word = attribute->flags & (PARAMETER_RAW | PARAMETER_REST);

	if (attribute->flags & PARAMETER_PATTERN) {
		position->filter_value_awaited = false;
		return;
	}
	position->given |= 1u << next->index;
	position->awaited = next->index;
	position->rest = attribute->flags & PARAMETER_REST;
	if (!next->place)
		position->words_left = one_word ? 1 : value_words(attribute, word);
	position->value_awaited = --position->words_left;
	position->place = position->value_awaited ? next->place + 1 : 0;
}

void position_take(struct position *position, const struct next *next, const char *word)
{
	switch (next->type) {
	case NEXT_WORD:
		take_word(position, next->word);
		break;
	case NEXT_OPTION:
		position->awaited = next->index;
		position->value_awaited = !(next->parameter.attribute->flags & PARAMETER_SWITCH);
		if (!position->value_awaited)
			position->given |= 1u << next->index;
		break;
	case NEXT_VALUE:
		take_value(position, next, word);
		break;
	case NEXT_PIPE:
		position->piped = position->filter_awaited = true;
		break;
	case NEXT_FILTER:
		position->filter_awaited = false;
		position->filter_value_awaited = grammar_pipes[next->pipe].value;
		break;
	case NEXT_END:
		break;
	}
}
