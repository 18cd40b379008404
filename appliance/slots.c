#include "appliance/slots.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/path/snapshot.h"

enum slot_state { SLOT_FREE, SLOT_HELD, SLOT_NEW };

struct slot {
	char *name;
	uint32_t id;       /* of the present or next owner */
	uint32_t round;    /* in which it was last claimed */
	uint32_t next_free;
	uint8_t state;     /* enum slot_state; SLOT_NEW: claimed first in the round under way */
};

struct slots {
	void *by_name;     /* tsearch() tree of struct slot, by name */
	struct slot *slot;
	uint32_t capacity;
	uint32_t round;
	uint32_t first_free, last_free; /* a queue, so that a slot rests before it is used again */
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct slot *)a)->name, ((const struct slot *)b)->name);
}

static void queue_free(struct slots *slots, uint32_t index)
{
	slots->slot[index].state = SLOT_FREE;
	slots->slot[index].next_free = NONE;
	if (slots->first_free == NONE)
		slots->first_free = index;
	else
		slots->slot[slots->last_free].next_free = index;
	slots->last_free = index;
}

struct slots *slots_new(uint32_t capacity)
{
	struct slots *slots = calloc(1, sizeof(*slots));

	if (slots)
		slots->slot = calloc(capacity, sizeof(*slots->slot));
	if (!slots || !slots->slot) {
		free(slots);
		return NULL;
	}
	slots->capacity = capacity;
	slots->first_free = NONE;
	for (uint32_t i = 0; i < capacity; i++) {
		slots->slot[i].id = i;
		queue_free(slots, i);
	}
	return slots;
}

static void release(struct slots *slots, uint32_t index)
{
	struct slot *slot = &slots->slot[index];

	tdelete(slot, &slots->by_name, compare_names);
	free(slot->name);
	slot->name = NULL;
	slot->id += 1U << SLOT_BITS;
	/* The last generation would make an id that means "none". */
	if (slot->id >> SLOT_BITS == NONE >> SLOT_BITS)
		slot->id = index;
	queue_free(slots, index);
}

void slots_free(struct slots *slots)
{
	if (!slots)
		return;
	for (uint32_t i = 0; i < slots->capacity; i++)
		if (slots->slot[i].state != SLOT_FREE)
			release(slots, i);
	free(slots->slot);
	free(slots);
}

static struct slot *find(const struct slots *slots, const char *name)
{
	struct slot key = {.name = (char *)name};
	struct slot **found = tfind(&key, &slots->by_name, compare_names);

	return found ? *found : NULL;
}

uint32_t slots_find(const struct slots *slots, const char *name)
{
	const struct slot *slot = find(slots, name);

	return slot ? slot->id : NONE;
}

const char *slots_name(const struct slots *slots, uint32_t id)
{
	uint32_t index = id & SLOT_MASK;

	return index < slots->capacity && slots->slot[index].id == id ? slots->slot[index].name :
									NULL;
}

void slots_begin(struct slots *slots)
{
	slots->round++;
}

uint32_t slots_claim(struct slots *slots, const char *name)
{
	struct slot *slot = find(slots, name);

	if (!slot) {
		if (slots->first_free == NONE)
			return NONE;
		slot = &slots->slot[slots->first_free];
		slot->name = strdup(name);
		if (!slot->name || !tsearch(slot, &slots->by_name, compare_names)) {
			free(slot->name);
			slot->name = NULL;
			return NONE;
		}
		slots->first_free = slot->next_free;
		slot->state = SLOT_NEW;
	}
	slot->round = slots->round;
	return slot->id;
}

void slots_commit(struct slots *slots)
{
	for (uint32_t i = 0; i < slots->capacity; i++) {
		struct slot *slot = &slots->slot[i];

		if (slot->state == SLOT_FREE)
			continue;
		if (slot->round != slots->round)
			release(slots, i);
		else
			slot->state = SLOT_HELD;
	}
}

void slots_abort(struct slots *slots)
{
	for (uint32_t i = 0; i < slots->capacity; i++)
		if (slots->slot[i].state == SLOT_NEW)
			release(slots, i);
}
