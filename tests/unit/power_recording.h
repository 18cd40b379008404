/* What was done to the files below one directory, the root, step by step. power.h records it,
 * power_cut.h makes of it what a disk may hold. */
#ifndef TESTS_POWER_RECORDING_H
#define TESTS_POWER_RECORDING_H

#include "tests/unit/store.h"

enum { POWER_NAME_SIZE = 80, POWER_ENTRIES_MAX = 32, POWER_NODES_MAX = 512 };

enum step_kind {
	STEP_WRITE, STEP_TRUNCATE, STEP_SYNC, STEP_SYNC_FAILED, /* of a file's content */
	STEP_CREATE, STEP_MKDIR, STEP_UNLINK, STEP_RENAME, STEP_SYNC_DIRECTORY, /* of names */
	STEP_MARK, /* something that the test wants to know the place of */
};

static const char *const step_names[] = {
	"write", "truncate", "sync", "failed sync", "create", "mkdir", "unlink", "rename",
	"sync directory", "mark",
};

struct step {
	enum step_kind kind;
	unsigned node;
	char name[POWER_NAME_SIZE];  /* of the file when it was opened, or that changes */
	char to[POWER_NAME_SIZE];    /* rename */
	size_t offset, size;         /* write; truncate: to this size */
	unsigned char *bytes;
	int mark;
	uint64_t number;             /* the mark's */
};

/* A file or directory, whatever its name is. */
struct node {
	bool directory;
	unsigned char *bytes; /* when the recording began */
	size_t size;
};

/* Names are relative to the root, which is "". */
struct entry {
	char name[POWER_NAME_SIZE];
	unsigned node;
};

struct entries {
	struct entry at[POWER_ENTRIES_MAX];
	unsigned count;
};

/* What was there, and what was done to it since. */
struct recording {
	struct node *node;
	unsigned nodes;
	struct entries entries;
	struct step *step;
	unsigned steps, room;
};

/* Names. */

static inline struct entry *entries_find(struct entries *entries, const char *name)
{
	for (unsigned i = 0; i < entries->count; i++)
		if (strcmp(entries->at[i].name, name) == 0)
			return &entries->at[i];
	return NULL;
}

static inline void entries_drop(struct entries *entries, const char *name)
{
	struct entry *entry = entries_find(entries, name);

	if (entry)
		*entry = entries->at[--entries->count];
}

static inline void entries_put(struct entries *entries, const char *name, unsigned node)
{
	struct entry *entry = entries_find(entries, name);

	if (!entry) {
		assert_true(entries->count < POWER_ENTRIES_MAX);
		entry = &entries->at[entries->count++];
		snprintf(entry->name, sizeof(entry->name), "%s", name);
	}
	entry->node = node;
}

/* Does to the entries what the step did. */
static inline void entries_step(struct entries *entries, const struct step *step)
{
	switch (step->kind) {
	case STEP_CREATE:
	case STEP_MKDIR:
		entries_put(entries, step->name, step->node);
		break;
	case STEP_UNLINK:
		entries_drop(entries, step->name);
		break;
	case STEP_RENAME:
		entries_drop(entries, step->name);
		entries_put(entries, step->to, step->node);
		break;
	default:
		break;
	}
}

static inline unsigned recording_node(struct recording *recording, bool is_directory)
{
	assert_true(recording->nodes < POWER_NODES_MAX);
	recording->node = realloc(recording->node, (recording->nodes + 1) * sizeof(struct node));
	assert_non_null(recording->node);
	recording->node[recording->nodes] = (struct node){.directory = is_directory};
	return recording->nodes++;
}

static inline struct step *recording_step(struct recording *recording, enum step_kind kind,
					  const char *name, unsigned node)
{
	struct step *step;

	if (recording->steps == recording->room) {
		recording->room = recording->room ? 2 * recording->room : 256;
		recording->step = realloc(recording->step, recording->room * sizeof(*step));
		assert_non_null(recording->step);
	}
	step = &recording->step[recording->steps++];
	*step = (struct step){.kind = kind, .node = node};
	snprintf(step->name, sizeof(step->name), "%s", name);
	return step;
}

static inline unsigned char *copy_bytes(const unsigned char *bytes, size_t size)
{
	unsigned char *copy = malloc(size + 1);

	assert_non_null(copy);
	return size ? memcpy(copy, bytes, size) : copy;
}

/* The first `steps` steps of a recording, as one of its own, without those that `drop` names. */
static inline struct recording recording_copy(const struct recording *from, unsigned steps,
				       bool (*drop)(const struct step *step, const void *context),
				       const void *context)
{
	struct recording copy = {.nodes = from->nodes, .entries = from->entries, .room = steps + 1};

	copy.node = calloc(copy.nodes + 1, sizeof(*copy.node));
	copy.step = calloc(copy.room, sizeof(*copy.step));
	assert_true(copy.node && copy.step);
	for (unsigned i = 0; i < copy.nodes; i++) {
		copy.node[i] = from->node[i];
		copy.node[i].bytes = copy_bytes(from->node[i].bytes, from->node[i].size);
	}
	for (unsigned i = 0; i < steps; i++) {
		struct step *step = &copy.step[copy.steps];

		if (drop && drop(&from->step[i], context))
			continue;
		*step = from->step[i];
		if (step->kind == STEP_WRITE)
			step->bytes = copy_bytes(step->bytes, step->size);
		copy.steps++;
	}
	return copy;
}

static inline void recording_free(struct recording *recording)
{
	for (unsigned i = 0; i < recording->nodes; i++)
		free(recording->node[i].bytes);
	for (unsigned i = 0; i < recording->steps; i++)
		free(recording->step[i].bytes);
	free(recording->node);
	free(recording->step);
	*recording = (struct recording){0};
}

#endif
