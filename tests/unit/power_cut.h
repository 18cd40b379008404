/* What a disk may hold after a power cut at some step of a recording (power.h).
 *
 * What was synced before is there. Of what was not, any part may be: of a file's content each
 * sector that was written to, by itself; its size after any of the changes; of a directory's names
 * each creation, removal and renaming, in any combination. A sector, and a renaming, is there whole
 * or not at all. What a file grew by but was not written holds zeros, or garbage. No real file
 * system is that bad in all of it; each is in some.
 */
#ifndef TESTS_POWER_CUT_H
#define TESTS_POWER_CUT_H

#include <ftw.h>

#include "tests/unit/power.h"

enum { SECTOR_SIZE = 512, KEEP_ALL = 8, GARBAGE = 0xa5 };

/* How much of what was not synced is kept. */
enum cut_mood { CUT_LOSES_ALL, CUT_KEEPS_ALL, CUT_BY_CHANCE };

struct cut {
	enum cut_mood mood;
	uint64_t random;
};

/* Out of KEEP_ALL. */
static inline unsigned cut_chance(struct cut *cut)
{
	static const unsigned chances[] = {0, 1, 4, 7, KEEP_ALL};

	switch (cut->mood) {
	case CUT_LOSES_ALL: return 0;
	case CUT_KEEPS_ALL: return KEEP_ALL;
	default: return chances[model_below(&cut->random, sizeof(chances) / sizeof(chances[0]))];
	}
}

static inline bool cut_keeps(struct cut *cut, unsigned chance)
{
	return model_below(&cut->random, KEEP_ALL) < chance;
}

/* How many of these that came in order are kept: often all, all but the last, none. */
static inline unsigned cut_count(struct cut *cut, unsigned count)
{
	switch (cut->mood) {
	case CUT_LOSES_ALL: return 0;
	case CUT_KEEPS_ALL: return count;
	case CUT_BY_CHANCE: break;
	}
	switch (model_below(&cut->random, 6)) {
	case 0: return 0;
	case 1: return count;
	case 2: return count ? count - 1 : 0;
	default: return (unsigned)model_below(&cut->random, count + 1);
	}
}

/* A file's content, of which only the first `size` bytes are there; the rest of what there is room
 * for is what would be found if it grew. */
struct content {
	unsigned char *bytes;
	size_t size, room;
};

static inline void content_reach(struct content *content, size_t room, unsigned char found)
{
	if (room <= content->room)
		return;
	content->bytes = realloc(content->bytes, room);
	assert_non_null(content->bytes);
	memset(content->bytes + content->room, found, room - content->room);
	content->room = room;
}

static inline void content_cut(struct content *content, size_t size, unsigned char found)
{
	content_reach(content, size, found);
	memset(content->bytes + size, found, content->room - size);
	content->size = size;
}

/* The sectors of a write that are kept, each or all of them by chance. */
static inline void content_write(struct content *content, const struct step *step, struct cut *cut,
				 unsigned chance, bool torn)
{
	bool keeps = cut_keeps(cut, chance);

	for (size_t at = step->offset, end = at + step->size, next; at < end; at = next) {
		next = (at / SECTOR_SIZE + 1) * SECTOR_SIZE;
		next = next < end ? next : end;
		if (torn ? cut_keeps(cut, chance) : keeps)
			memcpy(content->bytes + at, step->bytes + (at - step->offset), next - at);
	}
}

/* How much is kept of what was done to a file: of its data by chance, of the changes of its size
 * the first `sizes`; `ordered`: no data that came after these. */
struct keeping {
	unsigned chance, sizes;
	bool ordered, torn;
	unsigned char found; /* where it grew and was not written */
};

static const struct keeping keeping_all = {.chance = KEEP_ALL, .sizes = UINT_MAX};

static inline struct keeping keeping_of(struct cut *cut)
{
	struct keeping keeping = {.chance = cut_chance(cut), .sizes = UINT_MAX};

	if (cut->mood != CUT_BY_CHANCE)
		return keeping;
	keeping.torn = model_below(&cut->random, 2);
	keeping.found = model_below(&cut->random, 2) ? GARBAGE : 0;
	keeping.ordered = model_below(&cut->random, 3) == 0;
	if (keeping.ordered)
		keeping.chance = KEEP_ALL;
	return keeping;
}

/* Applies steps [from, to) of a file. */
static inline void content_steps(struct content *content, const struct recording *recording,
				 unsigned node, unsigned from, unsigned to, struct cut *cut,
				 struct keeping keeping)
{
	for (unsigned i = from; i < to; i++) {
		const struct step *step = &recording->step[i];
		bool sized = keeping.sizes > 0;

		if (step->node != node || step->kind > STEP_TRUNCATE)
			continue;
		keeping.sizes -= sized;
		if (step->kind == STEP_TRUNCATE) {
			if (sized)
				content_cut(content, step->size, keeping.found);
			continue;
		}
		content_reach(content, step->offset + step->size, keeping.found);
		if (sized && content->size < step->offset + step->size)
			content->size = step->offset + step->size;
		if (sized || !keeping.ordered)
			content_write(content, step, cut, keeping.chance, keeping.torn);
	}
}

/* A file as it is found after a cut before step `steps`. After a sync that failed, what was to be
 * synced is taken for clean though it may not be on the disk: a later sync does not put it there
 * (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020). */
static inline struct content content_after(const struct recording *recording, unsigned node,
					   unsigned steps, struct cut *cut)
{
	const struct node *base = &recording->node[node];
	struct content content = {copy_bytes(base->bytes, base->size), base->size, base->size};
	struct keeping keeping = keeping_of(cut);
	unsigned from = 0, synced = 0, pending = 0;

	for (unsigned i = 0; i < steps; i++)
		if (recording->step[i].node == node && recording->step[i].kind == STEP_SYNC)
			synced = i + 1;
	for (unsigned i = 0; i < steps; i++) {
		const struct step *step = &recording->step[i];

		if (step->node != node || step->kind > STEP_SYNC_FAILED)
			continue;
		pending += i >= synced && step->kind <= STEP_TRUNCATE;
		if (step->kind == STEP_SYNC)
			content_steps(&content, recording, node, from, i, cut, keeping_all);
		else if (step->kind == STEP_SYNC_FAILED && i < synced)
			content_steps(&content, recording, node, from, i, cut, keeping);
		else
			continue;
		from = i;
	}
	keeping.sizes = cut_count(cut, pending);
	content_steps(&content, recording, node, from, steps, cut, keeping);
	content_reach(&content, content.size, 0);
	return content;
}

/* Names. */

static inline bool in_directory(const char *name, const char *up)
{
	const char *slash = strrchr(name, '/');
	size_t length = slash ? (size_t)(slash - name) : 0;

	return strlen(up) == length && strncmp(name, up, length) == 0 && name[0];
}

static inline bool is_naming(const struct step *step)
{
	return step->kind == STEP_CREATE || step->kind == STEP_MKDIR || step->kind == STEP_UNLINK ||
	       step->kind == STEP_RENAME;
}

/* The step after the last one that synced the directory with this name in it. */
static inline unsigned names_synced(const struct recording *recording, const char *name,
				    unsigned steps)
{
	unsigned synced = 0;

	for (unsigned i = 0; i < steps; i++)
		if (recording->step[i].kind == STEP_SYNC_DIRECTORY &&
		    in_directory(name, recording->step[i].name))
			synced = i + 1;
	return synced;
}

/* The names that are found; a name whose directory is not there is not, either. */
static inline struct entries entries_after(const struct recording *recording, unsigned steps,
					   struct cut *cut)
{
	struct entries found = recording->entries, reached = {0};
	unsigned chance = cut_chance(cut);

	for (unsigned i = 0; i < steps; i++) {
		const struct step *step = &recording->step[i];

		if (is_naming(step) && (i < names_synced(recording, step->name, steps) ||
					cut_keeps(cut, chance)))
			entries_step(&found, step);
	}
	for (unsigned i = 0; i < found.count; i++) {
		char up[POWER_NAME_SIZE];
		char *slash;

		snprintf(up, sizeof(up), "%s", found.at[i].name);
		slash = strrchr(up, '/');
		if (slash)
			*slash = 0;
		if (!slash || entries_find(&found, up))
			entries_put(&reached, found.at[i].name, found.at[i].node);
	}
	return reached;
}

static inline int remove_below(const char *path, const struct stat *status, int type,
			       struct FTW *place)
{
	(void)status;
	(void)type;
	return place->level ? remove(path) : 0;
}

/* Puts in the root's place what is found there after a cut before step `steps`. */
static inline void cut_power(const struct recording *recording, unsigned steps, struct cut *cut)
{
	struct entries found = entries_after(recording, steps, cut);
	char path[PATH_MAX];

	assert_true(!power.into && power.root[0]);
	assert_int_equal(nftw(power.root, remove_below, 8, FTW_DEPTH | FTW_PHYS), 0);
	for (unsigned i = 0; i < found.count; i++) {
		snprintf(path, sizeof(path), "%s/%s", power.root, found.at[i].name);
		if (found.at[i].name[0] && recording->node[found.at[i].node].directory)
			assert_int_equal(mkdir(path, 0750), 0);
	}
	for (unsigned i = 0; i < found.count; i++) {
		struct content content;

		if (recording->node[found.at[i].node].directory)
			continue;
		content = content_after(recording, found.at[i].node, steps, cut);
		snprintf(path, sizeof(path), "%s/%s", power.root, found.at[i].name);
		write_file(path, content.bytes, content.size);
		free(content.bytes);
	}
}

/* Whether anything was not synced then, so that a cut has more than one outcome. */
static inline bool cut_matters(const struct recording *recording, unsigned steps)
{
	struct cut lost = {.mood = CUT_LOSES_ALL}, kept = {.mood = CUT_KEEPS_ALL};
	struct entries one = entries_after(recording, steps, &lost);
	struct entries other = entries_after(recording, steps, &kept);
	bool pending[POWER_NODES_MAX] = {false};

	if (one.count != other.count || memcmp(one.at, other.at, one.count * sizeof(one.at[0])))
		return true;
	for (unsigned i = 0; i < steps; i++)
		if (recording->step[i].kind <= STEP_SYNC_FAILED)
			pending[recording->step[i].node] = recording->step[i].kind != STEP_SYNC;
	for (unsigned i = 0; i < one.count; i++)
		if (pending[one.at[i].node])
			return true;
	return false;
}

/* Whether what was recorded explains what is there: nothing went past the recording. */
static inline void assert_recorded_all(const struct recording *recording)
{
	struct cut kept = {.mood = CUT_KEEPS_ALL};
	struct entries found = entries_after(recording, recording->steps, &kept);
	struct recording now;

	power_begin(&now, power.root);
	power_end();
	assert_int_equal(now.entries.count, found.count);
	for (unsigned i = 0; i < found.count; i++) {
		const struct entry *entry = entries_find(&now.entries, found.at[i].name);
		struct content content;

		assert_non_null(entry);
		content = content_after(recording, found.at[i].node, recording->steps, &kept);
		assert_int_equal(now.node[entry->node].size, content.size);
		assert_memory_equal(now.node[entry->node].bytes, content.bytes, content.size);
		free(content.bytes);
	}
	recording_free(&now);
}

#endif
