/* The configuration: a sorted array of shared objects for each kind.
 *
 * Sorted, because everything wants them in order (export, tables, comparing two configurations) and
 * because ten thousand pointers are found by bisection and moved at the speed of memory. Copying
 * takes a reference to each object and nothing else.
 */
#include "appliance/config/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/config/object.h"

struct list {
	void **object;
	unsigned count, capacity;
};

struct config {
	struct list of[KIND_COUNT];
};

static int reserve(struct list *list, unsigned capacity)
{
	void **object;

	if (capacity <= list->capacity)
		return 0;
	if (capacity < 2 * list->capacity)
		capacity = 2 * list->capacity;
	object = realloc(list->object, capacity * sizeof(*object));
	if (!object)
		return -ENOMEM;
	list->object = object;
	list->capacity = capacity;
	return 0;
}

struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));
	void *global = object_new(KIND_GLOBAL);

	if (!config || !global || config_put(config, KIND_GLOBAL, global)) {
		object_free(global);
		config_free(config);
		return NULL;
	}
	return config;
}

struct config *config_copy(const struct config *config)
{
	struct config *copy = calloc(1, sizeof(*copy));

	for (enum kind kind = 0; copy && kind < KIND_COUNT; kind++) {
		const struct list *from = &config->of[kind];
		struct list *to = &copy->of[kind];

		if (reserve(to, from->count)) {
			config_free(copy);
			return NULL;
		}
		for (; to->count < from->count; to->count++)
			to->object[to->count] = object_share(from->object[to->count]);
	}
	return copy;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
		for (unsigned i = 0; i < config->of[kind].count; i++)
			object_free(config->of[kind].object[i]);
		free(config->of[kind].object);
	}
	free(config);
}

bool config_seek(const struct config *config, enum kind kind, const void *like, unsigned *ret_index)
{
	const struct list *list = &config->of[kind];
	unsigned low = 0, high = list->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = object_order(kind, list->object[middle], like);

		if (!order) {
			*ret_index = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_index = low;
	return false;
}

int config_put(struct config *config, enum kind kind, void *object)
{
	struct list *list = &config->of[kind];
	unsigned index;

	if (config_seek(config, kind, object, &index)) {
		object_free(list->object[index]);
		list->object[index] = object;
		return 0;
	}
	if (reserve(list, list->count + 1))
		return -ENOMEM;
	memmove(&list->object[index + 1], &list->object[index],
		(list->count - index) * sizeof(*list->object));
	list->object[index] = object;
	list->count++;
	return 0;
}

void config_remove(struct config *config, enum kind kind, unsigned index)
{
	struct list *list = &config->of[kind];

	object_free(list->object[index]);
	list->count--;
	memmove(&list->object[index], &list->object[index + 1],
		(list->count - index) * sizeof(*list->object));
}

unsigned config_count(const struct config *config, enum kind kind)
{
	return config->of[kind].count;
}

const void *config_at(const struct config *config, enum kind kind, unsigned index)
{
	return config->of[kind].object[index];
}

const void *config_find(const struct config *config, enum kind kind, const void *like)
{
	unsigned index;

	return config_seek(config, kind, like, &index) ? config_at(config, kind, index) : NULL;
}

const void *config_find_name(const struct config *config, enum kind kind, const char *name)
{
	union {
		struct config_interface interface;
		struct config_check check;
		struct config_pool pool;
		struct config_service service;
	} like;
	const struct attribute *id = schema_of(kind)->attribute;
	size_t room = id->type == VALUE_INTERFACE ? INTERFACE_NAME_SIZE : NAME_SIZE;

	if (strlen(name) >= room)
		return NULL;
	memcpy((char *)&like + id->offset, name, strlen(name) + 1);
	return config_find(config, kind, &like);
}

const struct config_global *config_global(const struct config *config)
{
	return config_at(config, KIND_GLOBAL, 0);
}
