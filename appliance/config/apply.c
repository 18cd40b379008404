/* Changes to the configuration, one command at a time, and why one is refused.
 *
 * What can be said of one command is said here: the object is there or not, the names that it gives
 * exist, nobody needs what it deletes. Rules about the whole are validate.c's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/config/model.h"
#include "appliance/config/object.h"

__attribute__((format(printf, 4, 5)))
static int refuse(struct complaint *ret_complaint, int error, int word, const char *format, ...)
{
	va_list arguments;

	ret_complaint->word = word;
	va_start(arguments, format);
	vsnprintf(ret_complaint->text, sizeof(ret_complaint->text), format, arguments);
	va_end(arguments);
	return error;
}

static int refuse_memory(struct complaint *ret_complaint)
{
	return refuse(ret_complaint, -ENOMEM, COMPLAINT_WHOLE, "out of memory");
}

int config_missing(const struct config *config, enum kind kind, const char *label, int word,
		   struct complaint *ret_complaint)
{
	unsigned count = config_count(config, kind);
	char (*labels)[LABEL_SIZE] = calloc(count + 1, sizeof(*labels));
	const char **words = calloc(count + 1, sizeof(*words)), *near = NULL;

	for (unsigned i = 0; labels && words && i < count; i++) {
		object_label(kind, config_at(config, kind, i), labels[i], sizeof(labels[i]));
		words[i] = labels[i];
	}
	if (labels && words)
		near = suggest(label, words, count);
	if (near)
		refuse(ret_complaint, -ENOENT, word, "no %s \"%s\". Did you mean \"%s\"?",
		       schema_of(kind)->name, label, near);
	else
		refuse(ret_complaint, -ENOENT, word, "no %s \"%s\"", schema_of(kind)->name, label);
	free(labels);
	free(words);
	return -ENOENT;
}

static bool is_given(const struct change *change, unsigned index)
{
	const struct attribute *attribute = &schema_of(change->kind)->attribute[index];

	return attribute->flags & ATTRIBUTE_ID || change->given & UINT32_C(1) << index;
}

/* Every name that the command gives must exist. */
static int check_references(const struct config *config, const struct change *change,
			    struct complaint *ret_complaint)
{
	const struct schema *schema = schema_of(change->kind);

	for (unsigned i = 0; i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];
		const char *name = attribute_in(attribute, change->object);

		if (attribute->reference == NOT_A_REFERENCE || !is_given(change, i) || !*name)
			continue;
		if (!config_find_name(config, attribute->reference, name))
			return config_missing(config, attribute->reference, name, (int)i,
					      ret_complaint);
	}
	return 0;
}

static int check_required(const struct change *change, struct complaint *ret_complaint)
{
	const struct schema *schema = schema_of(change->kind);

	for (unsigned i = 0; i < schema->attributes; i++)
		if (schema->attribute[i].flags & ATTRIBUTE_REQUIRED && !is_given(change, i))
			return refuse(ret_complaint, -EINVAL, COMPLAINT_WHOLE,
				      "%s \"%s\" is not given", schema->name,
				      schema->attribute[i].name);
	return 0;
}

/* An object with this id is there: 0 where the command would make the same one. What changes while
 * running, as the administrative state, only counts where it is typed. */
static int check_same(const struct change *change, const void *present,
		      struct complaint *ret_complaint)
{
	const struct schema *schema = schema_of(change->kind);
	char label[LABEL_SIZE], is[TEXT_SIZE], wanted[TEXT_SIZE];

	for (unsigned i = 0; i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];

		if (attribute->flags & ATTRIBUTE_OPERATIONAL && !is_given(change, i))
			continue;
		if (value_equal(attribute->type, attribute_in(attribute, present),
				attribute_in(attribute, change->object)))
			continue;
		object_label(change->kind, present, label, sizeof(label));
		attribute_text(attribute, present, is, sizeof(is));
		attribute_text(attribute, change->object, wanted, sizeof(wanted));
		return refuse(ret_complaint, -EEXIST,
			      is_given(change, i) ? (int)i : COMPLAINT_WHOLE,
			      "%s \"%s\" exists with %s %s, not %s; to change it, use \"set %s\"",
			      schema->name, label, attribute->name, is, wanted, schema->name);
	}
	return 0;
}

static int put(struct config *config, enum kind kind, void *object, struct complaint *ret_complaint)
{
	if (object && config_put(config, kind, object) == 0)
		return 1;
	object_free(object);
	return refuse_memory(ret_complaint);
}

static int apply_add(struct config *config, const struct change *change,
		     struct complaint *ret_complaint)
{
	unsigned index;
	int error;

	if (change->kind == KIND_GLOBAL)
		return refuse(ret_complaint, -EINVAL, COMPLAINT_WHOLE,
			      "global is always there; to change it, use \"set global\"");
	error = check_required(change, ret_complaint);
	if (!error)
		error = check_references(config, change, ret_complaint);
	if (error)
		return error;
	if (config_seek(config, change->kind, change->object, &index))
		return check_same(change, config_at(config, change->kind, index), ret_complaint);
	return put(config, change->kind, object_duplicate(change->kind, change->object),
		   ret_complaint);
}

static int refuse_absent(const struct config *config, const struct change *change,
			 struct complaint *ret_complaint)
{
	char label[LABEL_SIZE];

	object_label(change->kind, change->object, label, sizeof(label));
	return config_missing(config, change->kind, label, COMPLAINT_WHOLE, ret_complaint);
}

static int apply_set(struct config *config, const struct change *change,
		     struct complaint *ret_complaint)
{
	const struct schema *schema = schema_of(change->kind);
	const void *present;
	char *object;
	int error = check_references(config, change, ret_complaint);

	if (error)
		return error;
	present = config_find(config, change->kind, change->object);
	if (!present)
		return refuse_absent(config, change, ret_complaint);
	object = object_duplicate(change->kind, present);
	for (unsigned i = 0; object && i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];

		if (is_given(change, i))
			memcpy(object + attribute->offset, attribute_in(attribute, change->object),
			       value_size(attribute->type));
	}
	if (object && object_equal(change->kind, present, object)) {
		object_free(object);
		return 0;
	}
	return put(config, change->kind, object, ret_complaint);
}

static void find_users(const struct config *config, enum kind to, const char *name,
		       struct naming *ret_users)
{
	for (unsigned kind = KIND_COUNT; kind-- > 0;) {
		for (unsigned i = 0; i < config_count(config, (enum kind)kind); i++) {
			const void *object = config_at(config, (enum kind)kind, i);

			if (object_refers((enum kind)kind, object, to, name))
				naming_add(ret_users, (enum kind)kind, object);
		}
	}
}

static int apply_delete(struct config *config, const struct change *change,
			struct complaint *ret_complaint)
{
	struct naming users = {0};
	char label[LABEL_SIZE];
	unsigned index;
	int error;

	if (change->kind == KIND_GLOBAL)
		return refuse(ret_complaint, -EINVAL, COMPLAINT_WHOLE, "global cannot be deleted");
	if (!config_seek(config, change->kind, change->object, &index)) {
		if (change->if_exists)
			return 0;
		error = check_references(config, change, ret_complaint);
		return error ? error : refuse_absent(config, change, ret_complaint);
	}
	object_label(change->kind, change->object, label, sizeof(label));
	find_users(config, change->kind, label, &users);
	if (users.count)
		return refuse(ret_complaint, -EBUSY, COMPLAINT_WHOLE, "%s \"%s\" is in use by %s",
			      schema_of(change->kind)->name, label, naming_text(&users));
	config_remove(config, change->kind, index);
	return 1;
}

int config_apply(struct config *config, const struct change *change,
		 struct complaint *ret_complaint)
{
	switch (change->verb) {
	case VERB_ADD: return apply_add(config, change, ret_complaint);
	case VERB_SET: return apply_set(config, change, ret_complaint);
	case VERB_DELETE: return apply_delete(config, change, ret_complaint);
	}
	return -EINVAL;
}
