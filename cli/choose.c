#include "cli/choose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LIST_SIZE = 512, USAGE_SIZE = 512 };

static bool has_prefix(const char *word, const char *prefix)
{
	return strncmp(word, prefix, strlen(prefix)) == 0;
}

static bool is_keyword(const struct next *next)
{
	return next->type == NEXT_WORD || next->type == NEXT_OPTION || next->type == NEXT_FILTER;
}

/* "weight, name, admin": the keywords that begin with `prefix`, each behind `before`. */
static unsigned list_keywords(const struct next *next, unsigned count, const char *before,
			      const char *prefix, char *ret_list)
{
	size_t used = 0;
	unsigned listed = 0;

	*ret_list = 0;
	for (unsigned i = 0; i < count; i++) {
		if (!is_keyword(&next[i]) || !has_prefix(next[i].word, prefix))
			continue;
		if (used < LIST_SIZE)
			used += (size_t)snprintf(ret_list + used, LIST_SIZE - used, "%s%s%s",
						 listed ? ", " : "", before, next[i].word);
		listed++;
	}
	return listed;
}

/* The words of the command's name that stand before the one in question: "show ". */
static void name_before(const struct position *position, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%s%s",
		 position->complete || !position->words ? "" : position->verb,
		 position->complete || !position->words ? "" : " ");
}

static int fault_ambiguous(const struct position *position, const struct next *next, unsigned count,
			   const struct words *words, unsigned word, struct fault *ret_fault)
{
	const struct word *typed = &words->word[word];
	bool second = !position->complete && position->words;
	char before[32], list[LIST_SIZE];

	name_before(position, before, sizeof(before));
	list_keywords(next, count, before, typed->text, list);
	return fault_at(ret_fault, typed->offset, typed->length, "ambiguous \"%s%s%s\": %s",
			second ? words->word[word - 1].text : "", second ? " " : "", typed->text,
			list);
}

/* An option of the command that cannot be given here any more. */
static int fault_spent(const struct position *position, const struct word *typed,
		       struct fault *ret_fault)
{
	struct parameter p;

	if (!position->complete)
		return 0;
	for (unsigned i = 0; syntax_parameter(&position->syntax, i, &p); i++) {
		if (p.operand || strcmp(p.attribute->name, typed->text) != 0)
			continue;
		if (position->given & 1u << i)
			return fault_at(ret_fault, typed->offset, typed->length,
					"%s is given twice", typed->text);
		return fault_at(ret_fault, typed->offset, typed->length,
				"%s excludes what was given before it", typed->text);
	}
	return 0;
}

static int fault_pipe(const struct position *position, const struct next *next, unsigned count,
		      const struct words *words, unsigned word, struct fault *ret_fault)
{
	const struct word *typed = &words->word[word];

	if (!word || position->filter_awaited || !position->complete || position->syntax.pipes)
		return fault_missing(position, next, count, words, ret_fault);
	return fault_at(ret_fault, typed->offset, typed->length,
			"only show, lookup and compare have output to filter");
}

static int fault_unknown(const struct position *position, const struct next *next, unsigned count,
			 const struct words *words, unsigned word, struct fault *ret_fault)
{
	const struct word *typed = &words->word[word];
	const char *keywords[NEXT_MAX], *what, *near;
	char before[32], list[LIST_SIZE];
	unsigned known = 0;

	for (unsigned i = 0; i < count; i++)
		if (is_keyword(&next[i]))
			keywords[known++] = next[i].word;
	if (!known)
		return fault_at(ret_fault, typed->offset, typed->length,
				"unexpected \"%s\", the command is complete before it",
				typed->text);
	name_before(position, before, sizeof(before));
	what = !position->complete ? "command" : position->filter_awaited ? "filter" : "option";
	near = suggest(typed->text, keywords, known);
	if (near)
		return fault_at(ret_fault, typed->offset, typed->length,
				"no %s \"%s%s\". Did you mean \"%s%s\"?", what, before, typed->text,
				before, near);
	if (!word)
		return fault_at(ret_fault, typed->offset, typed->length,
				"no command \"%s\". `help` lists them", typed->text);
	list_keywords(next, count, "", "", list);
	return fault_at(ret_fault, typed->offset, typed->length, "no %s \"%s%s\", only: %s", what,
			before, typed->text, list);
}

int choose_next(const struct position *position, const struct next *next, unsigned count,
		const struct words *words, unsigned word, bool prefixes, struct fault *ret_fault)
{
	const struct word *typed = &words->word[word];
	int value = -1, prefixed = -1, error;
	unsigned candidates = 0;

	for (unsigned i = 0; i < count; i++) {
		if (typed->pipe ? next[i].type == NEXT_PIPE :
		    is_keyword(&next[i]) && strcmp(next[i].word, typed->text) == 0)
			return (int)i;
		if (next[i].type == NEXT_VALUE)
			value = (int)i;
		if (!is_keyword(&next[i]) || typed->quoted ||
		    !has_prefix(next[i].word, typed->text))
			continue;
		prefixed = (int)i;
		candidates++;
	}
	if (value >= 0 && (!typed->pipe || next[value].parameter.attribute->flags & PARAMETER_REST))
		return value;
	if (typed->pipe)
		return fault_pipe(position, next, count, words, word, ret_fault);
	if (candidates == 1 && prefixes)
		return prefixed;
	if (candidates > 1 && prefixes)
		return fault_ambiguous(position, next, count, words, word, ret_fault);
	error = fault_spent(position, typed, ret_fault);
	if (error)
		return error;
	if (candidates == 1)
		return fault_at(ret_fault, typed->offset, typed->length,
				"\"%s\" is short for %s; scripts need whole words", typed->text,
				next[prefixed].word);
	return fault_unknown(position, next, count, words, word, ret_fault);
}

/* "set pool web" */
static void join_words(const struct words *words, char *ret_text, size_t size)
{
	size_t used = 0;

	*ret_text = 0;
	for (unsigned i = 0; i < words->count && used < size; i++)
		used += (size_t)snprintf(ret_text + used, size - used, "%s%s", i ? " " : "",
					 words->word[i].text);
}

int fault_missing(const struct position *position, const struct next *next, unsigned count,
		  const struct words *words, struct fault *ret_fault)
{
	char list[LIST_SIZE], usage[USAGE_SIZE];
	size_t at = words->count ? words->end + 1 : 0;

	for (unsigned i = 0; i < count; i++) {
		if (next[i].type == NEXT_VALUE) {
			syntax_usage(&position->syntax, usage, sizeof(usage));
			return fault_at(ret_fault, at, 1, "%s is missing: %s", next[i].word, usage);
		}
		if (next[i].type == NEXT_OPTION && next[i].parameter.required) {
			syntax_usage(&position->syntax, usage, sizeof(usage));
			return fault_at(ret_fault, at, 1, "%s is missing: %s", next[i].word, usage);
		}
	}
	list_keywords(next, count, "", "", list);
	join_words(words, usage, sizeof(usage));
	return fault_at(ret_fault, at, 1, "%s needs one of: %s", usage, list);
}

const char *choose_keyword(const struct keyword *keywords, const char *typed, bool prefixes)
{
	const char *found = NULL;

	for (const struct keyword *k = keywords; k && k->name; k++) {
		if (strcmp(k->name, typed) == 0)
			return k->name;
		if (!prefixes || !has_prefix(k->name, typed))
			continue;
		if (found)
			return typed;
		found = k->name;
	}
	return found ? found : typed;
}
