/* For tests of the model: commands as one reads them in a script, and random configurations.
 *
 * Words are split at blanks; what stands in double quotes is one word, without escapes. The
 * console's grammar is richer and has its own tests.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appliance/config/config.h"
#include "tests/unit/random.h"

struct model_words {
	char text[1024];
	const char *word[64];
	unsigned count, next;
};

static inline void model_split(struct model_words *words, const char *line)
{
	char *at = words->text;

	words->count = words->next = 0;
	assert_true(strlen(line) < sizeof(words->text));
	strcpy(words->text, line);
	while (*(at += strspn(at, " "))) {
		bool quoted = *at == '"';
		char *end = quoted ? strchr(++at, '"') : at + strcspn(at, " ");

		words->word[words->count++] = at;
		at = end + (*end != 0);
		*end = 0;
	}
	words->word[words->count] = NULL;
}

static inline int model_value(struct model_words *words, struct change *change, unsigned index,
			      struct complaint *ret_complaint)
{
	const struct attribute *attribute = &schema_of(change->kind)->attribute[index];
	char text[256];
	const char *first = words->word[words->next++];

	assert_non_null(first);
	snprintf(text, sizeof(text), "%s", first);
	for (unsigned i = 1; i < value_words(attribute, first); i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s",
			 words->word[words->next++]);
	change->given |= UINT32_C(1) << index;
	ret_complaint->word = (int)index;
	return value_parse(attribute, text, (char *)change->object + attribute->offset,
			   ret_complaint->text, sizeof(ret_complaint->text));
}

static inline int model_parse(struct model_words *words, struct change *change,
			      struct complaint *ret_complaint)
{
	const struct schema *schema = schema_of(change->kind);
	unsigned positional = change->verb == VERB_ADD ? ATTRIBUTE_ID | ATTRIBUTE_POSITIONAL
						       : ATTRIBUTE_ID;
	int result = 0;

	for (unsigned i = 0; !result && i < schema->attributes; i++)
		if (schema->attribute[i].flags & positional)
			result = model_value(words, change, i, ret_complaint);
	while (!result && words->next < words->count) {
		const char *name = words->word[words->next++];
		const struct attribute *attribute = schema_attribute(change->kind, name);

		if (change->verb == VERB_DELETE && strcmp(name, "if-exists") == 0) {
			change->if_exists = true;
			continue;
		}
		assert_non_null(attribute);
		result = model_value(words, change, (unsigned)(attribute - schema->attribute),
				     ret_complaint);
	}
	return result;
}

/* What config_apply() returns for the command, or -EINVAL where a value of it is refused. */
static inline int model_try(struct config *config, const char *line,
			    struct complaint *ret_complaint)
{
	static const char *const verbs[] = {
		[VERB_ADD] = "add", [VERB_SET] = "set", [VERB_DELETE] = "del",
	};
	struct model_words words;
	struct change change = {0};
	int result;

	ret_complaint->text[0] = 0;
	model_split(&words, line);
	while (strcmp(verbs[change.verb], words.word[0]) != 0)
		change.verb++;
	change.kind = schema_kind(words.word[1]);
	assert_int_not_equal(change.kind, KIND_COUNT);
	change.object = object_new(change.kind);
	assert_non_null(change.object);
	words.next = 2;
	result = model_parse(&words, &change, ret_complaint);
	if (!result)
		result = config_apply(config, &change, ret_complaint);
	object_free(change.object);
	return result;
}

/* The command must be accepted: 1 changed, 0 unchanged. */
static inline int model_do(struct config *config, const char *line)
{
	struct complaint complaint;
	int result = model_try(config, line, &complaint);

	if (result < 0)
		fail_msg("%s: %s", line, complaint.text);
	return result;
}

static inline uint64_t model_below(uint64_t *state, uint64_t limit)
{
	return random_next(state) % limit;
}

/* A text that the attribute mostly accepts; names come from a small set, so that they meet. */
static inline void model_random_value(uint64_t *state, const struct attribute *attribute,
				      char *ret_text, size_t size)
{
	uint32_t address = (uint32_t)(0x0a000000 | model_below(state, 1 << 12));
	unsigned a = address >> 24, b = address >> 16 & 255, c = address >> 8 & 255,
		 d = address & 255;
	uint64_t span = attribute->maximum - attribute->minimum + 1;
	unsigned count = 0;
	size_t length = 0;

	if (attribute_optional(attribute) && model_below(state, 4) == 0) {
		snprintf(ret_text, size, "none");
		return;
	}
	switch (attribute->type) {
	case VALUE_NAME:
	case VALUE_INTERFACE:
		snprintf(ret_text, size, "%.1s%u", attribute->name,
			 (unsigned)model_below(state, 12));
		break;
	case VALUE_TEXT:
		for (length = 0; length < 1 + model_below(state, 40); length++)
			ret_text[length] = (char)(' ' + model_below(state, 95));
		ret_text[length] = 0;
		break;
	case VALUE_NUMBER:
		snprintf(ret_text, size, "%llu",
			 (unsigned long long)(attribute->minimum + model_below(state, span)));
		break;
	case VALUE_DURATION:
		snprintf(ret_text, size, "%llums",
			 (unsigned long long)((attribute->minimum + model_below(state, span)) /
					      1000000));
		break;
	case VALUE_KEYWORD:
		while (attribute->keywords[count].name)
			count++;
		snprintf(ret_text, size, "%s", attribute->keywords[model_below(state, count)].name);
		break;
	case VALUE_ADDRESS:
		snprintf(ret_text, size, "%u.%u.%u.%u", a, b, c, d);
		break;
	case VALUE_PREFIX:
		snprintf(ret_text, size, "%u.%u.%u.0/24", a, b, c);
		break;
	case VALUE_ADDRESSES:
		snprintf(ret_text, size, "%u.%u.%u.%u/%u", a, b, c, d,
			 8 + (unsigned)model_below(state, 25));
		break;
	case VALUE_ENDPOINT:
		snprintf(ret_text, size, "%u.%u.%u.%u:%u", a, b, c, d,
			 (unsigned)model_below(state, 65536));
		break;
	case VALUE_VIP:
		snprintf(ret_text, size, "%u.%u.%u.%u:%u/%s", a, b, c, d,
			 (unsigned)model_below(state, 65536),
			 (const char *const[]){"tcp", "udp", "any"}[model_below(state, 3)]);
		break;
	case VALUE_MAC:
		snprintf(ret_text, size, "02:00:00:00:%02x:%02x", (unsigned)model_below(state, 256),
			 (unsigned)model_below(state, 256));
		break;
	case VALUE_KEY:
		snprintf(ret_text, size, "%02x%02x%02x%02x%02x%02x%02x%02x0123456789abcdef", a, b,
			 c, d, a, b, c, d);
		break;
	case VALUE_FROM:
		snprintf(ret_text, size, "port %u", 1 + (unsigned)model_below(state, 65535));
		break;
	case VALUE_PREFIX_PAIR:
		snprintf(ret_text, size, "%u.%u.0.0/16 to 10.%u.0.0/16", a, b, c);
		break;
	}
}

/* The name of an object that the attribute may refer to; false where there is none. */
static inline bool model_random_reference(uint64_t *state, const struct config *config,
					  const struct attribute *attribute, char *ret_name,
					  size_t size)
{
	unsigned count;

	if (attribute->reference == NOT_A_REFERENCE)
		return false;
	count = config_count(config, attribute->reference);
	if (!count)
		return false;
	object_label(attribute->reference,
		     config_at(config, attribute->reference, (unsigned)model_below(state, count)),
		     ret_name, size);
	return true;
}

/* Applies one random change, which may be refused; returns what config_apply() does. */
static inline int model_random_change(uint64_t *state, struct config *config)
{
	struct change change = {.verb = (enum verb)(model_below(state, 8) % 6 % 3),
				.kind = (enum kind)model_below(state, KIND_COUNT)};
	const struct schema *schema = schema_of(change.kind);
	struct complaint complaint;
	char text[256], ignored[256];
	int result;

	change.object = object_new(change.kind);
	assert_non_null(change.object);
	for (unsigned i = 0; i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];
		unsigned needed = attribute->flags & (ATTRIBUTE_ID | ATTRIBUTE_REQUIRED);

		if (!needed && model_below(state, 3))
			continue;
		if (!model_random_reference(state, config, attribute, text, sizeof(text)))
			model_random_value(state, attribute, text, sizeof(text));
		if (value_parse(attribute, text, (char *)change.object + attribute->offset, ignored,
				sizeof(ignored)) == 0)
			change.given |= UINT32_C(1) << i;
	}
	result = config_apply(config, &change, &complaint);
	object_free(change.object);
	return result;
}

#endif
