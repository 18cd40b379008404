/* Objects: the kinds' structs behind a count of who refers to them.
 *
 * An object may be changed by who made it until it is shared; from then on it is constant. All its
 * bytes are zero before the defaults are put in, and every text is terminated.
 */
#include "appliance/config/object.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct header {
	alignas(max_align_t) unsigned references;
};

static struct header *header_of(const void *object)
{
	return (struct header *)(uintptr_t)object - 1;
}

static void *allocate(enum kind kind)
{
	struct header *header = calloc(1, sizeof(*header) + schema_of(kind)->size);

	if (!header)
		return NULL;
	header->references = 1;
	return header + 1;
}

void *object_new(enum kind kind)
{
	const struct schema *schema = schema_of(kind);
	char *object = allocate(kind), ignored[128];

	for (unsigned i = 0; object && i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];

		if (attribute->initial)
			value_parse(attribute, attribute->initial, object + attribute->offset,
				    ignored, sizeof(ignored));
	}
	return object;
}

void object_free(void *object)
{
	if (object && --header_of(object)->references == 0)
		free(header_of(object));
}

void *object_share(const void *object)
{
	struct header *header = header_of(object);

	header->references++;
	return header + 1;
}

void *object_duplicate(enum kind kind, const void *object)
{
	void *copy = allocate(kind);

	return copy ? memcpy(copy, object, schema_of(kind)->size) : NULL;
}

int object_order(enum kind kind, const void *a, const void *b)
{
	const struct schema *schema = schema_of(kind);
	int order = 0;

	for (unsigned i = 0; !order && i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];

		if (!(attribute->flags & ATTRIBUTE_ID))
			break;
		order = value_order(attribute->type, attribute_in(attribute, a),
				    attribute_in(attribute, b));
	}
	return order;
}

bool object_equal(enum kind kind, const void *a, const void *b)
{
	const struct schema *schema = schema_of(kind);

	for (unsigned i = 0; i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];

		if (!value_equal(attribute->type, attribute_in(attribute, a),
				 attribute_in(attribute, b)))
			return false;
	}
	return true;
}

bool attribute_is_initial(const struct attribute *attribute, const void *object)
{
	const void *value = attribute_in(attribute, object);
	char text[TEXT_SIZE];

	if (!attribute->initial)
		return value_is_none(attribute->type, value);
	value_format(attribute, value, 0, text, sizeof(text));
	return strcmp(text, attribute->initial) == 0;
}

bool object_refers(enum kind kind, const void *object, enum kind to, const char *name)
{
	const struct schema *schema = schema_of(kind);

	for (unsigned i = 0; i < schema->attributes; i++)
		if (schema->attribute[i].reference == to &&
		    strcmp(attribute_in(&schema->attribute[i], object), name) == 0)
			return true;
	return false;
}

void naming_add(struct naming *naming, enum kind kind, const void *object)
{
	char label[LABEL_SIZE];

	if (naming->count++ >= NAMED_MAX)
		return;
	object_label(kind, object, label, sizeof(label));
	naming->length += (size_t)snprintf(naming->text + naming->length,
					   sizeof(naming->text) - naming->length, "%s%s \"%s\"",
					   naming->count > 1 ? ", " : "", schema_of(kind)->name,
					   label);
}

const char *naming_text(struct naming *naming)
{
	if (naming->count > NAMED_MAX)
		snprintf(naming->text + naming->length, sizeof(naming->text) - naming->length,
			 " and %u more", naming->count - NAMED_MAX);
	return naming->text;
}
