/* What has changed between two configurations, done to a third one.
 *
 * An object that was added or removed is added or removed there; of one that has changed, the
 * settings that have. What needs something that is not there, or removes what is needed there, is
 * left out: such changes are tried again as long as others get done, so their order does not
 * matter.
 */
#include <errno.h>
#include <stdlib.h>

#include "appliance/config/object.h"

struct difference {
	enum kind kind;
	const void *before, *after;
	bool done;
};

struct differences {
	struct difference *difference;
	unsigned count;
};

static void note(void *context, enum kind kind, const void *before, const void *after)
{
	struct differences *list = context;

	list->difference[list->count++] = (struct difference){kind, before, after, false};
}

/* The attributes that differ, or all: as a change tells them. */
static uint32_t differing(enum kind kind, const void *before, const void *after)
{
	const struct schema *schema = schema_of(kind);
	uint32_t given = 0;

	for (unsigned i = 0; i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];

		if (!(attribute->flags & ATTRIBUTE_ID) &&
		    (!before || !value_equal(attribute->type, attribute_in(attribute, before),
					     attribute_in(attribute, after))))
			given |= UINT32_C(1) << i;
	}
	return given;
}

/* As config_apply(). */
static int transfer(struct config *config, const struct difference *difference)
{
	const void *object = difference->after ? difference->after : difference->before;
	bool there = config_find(config, difference->kind, object);
	struct change change = {
		.kind = difference->kind,
		.object = (void *)(uintptr_t)object,
		.if_exists = true,
		.given = differing(difference->kind, difference->before, object),
	};
	struct complaint complaint;

	if (!difference->after)
		change.verb = VERB_DELETE;
	else
		change.verb = there ? VERB_SET : VERB_ADD;
	/* Of one that is not there, nothing can change. */
	if (difference->before && difference->after && !there)
		return 0;
	if (change.verb == VERB_ADD)
		change.given = differing(difference->kind, NULL, object);
	return config_apply(config, &change, &complaint);
}

struct config *config_merge(const struct config *onto, const struct config *before,
			    const struct config *after, unsigned *ret_left)
{
	struct differences list = {0};
	struct config *merged = config_copy(onto);
	bool more = true;
	int result = 0;

	list.difference = calloc(config_compare(before, after, NULL, NULL) + 1,
				 sizeof(*list.difference));
	if (!merged || !list.difference) {
		free(list.difference);
		config_free(merged);
		return NULL;
	}
	config_compare(before, after, note, &list);
	*ret_left = list.count;
	while (result != -ENOMEM && more) {
		more = false;
		for (unsigned i = 0; result != -ENOMEM && i < list.count; i++) {
			struct difference *difference = &list.difference[i];

			if (difference->done)
				continue;
			result = transfer(merged, difference);
			if (result < 0)
				continue;
			difference->done = more = true;
			--*ret_left;
		}
	}
	free(list.difference);
	if (result != -ENOMEM)
		return merged;
	config_free(merged);
	return NULL;
}
