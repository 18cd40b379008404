/* Damage by chance: bits, runs of bytes, lengths, sectors that changed places or were never
 * written. A store is refused with the way out, or is exactly what was committed.
 *
 * LB_DAMAGE_SEED=N repeats one alone.
 */
#include "tests/unit/store.h"

enum { SEEDS = 2000, REVISIONS = 4, CHANGES = 60, SECTOR = 512, PAGE = 4096 };

/* A store with REVISIONS revisions, and as it was one earlier. */
static struct version {
	struct config *config;
	struct bytes file;
} newest, stale;

static char *texts[REVISIONS + 1]; /* of each revision */

static int make_versions(void **state)
{
	struct store *store;

	if (make_directory(state))
		return -1;
	store = open_store();
	stale.config = fill_store(store, 1, REVISIONS - 1, CHANGES);
	stale.file = read_file(file);
	newest.config = fill_store(store, 2, 1, CHANGES);
	for (unsigned i = 1; i <= REVISIONS; i++)
		store_revision_text(store, i, &texts[i], error, sizeof(error));
	store_close(store);
	newest.file = read_file(file);
	return 0;
}

static int forget_versions(void **state)
{
	config_free(newest.config);
	config_free(stale.config);
	free(newest.file.at);
	free(stale.file.at);
	for (unsigned i = 1; i <= REVISIONS; i++)
		free(texts[i]);
	return remove_directory(state);
}

static size_t below(uint64_t *random, size_t limit)
{
	return limit ? (size_t)model_below(random, limit) : 0;
}

static void flip_bits(uint64_t *random, struct bytes *bytes)
{
	for (size_t count = 1 + below(random, 16); count && bytes->size; count--)
		bytes->at[below(random, bytes->size)] ^= (unsigned char)(1 << below(random, 8));
}

static void overwrite(uint64_t *random, struct bytes *bytes)
{
	size_t at = below(random, bytes->size), end = at + 1 + below(random, 3 * PAGE);
	bool zeros = below(random, 2);

	for (; at < end && at < bytes->size; at++)
		bytes->at[at] = zeros ? 0 : (unsigned char)random_next(random);
}

static void cut_short(uint64_t *random, struct bytes *bytes)
{
	bytes->size = below(random, bytes->size);
}

static void lengthen(uint64_t *random, struct bytes *bytes)
{
	size_t added = 1 + below(random, 3 * PAGE);

	bytes->at = realloc(bytes->at, bytes->size + added);
	assert_non_null(bytes->at);
	while (added--)
		bytes->at[bytes->size++] = (unsigned char)random_next(random);
}

static void swap_sectors(uint64_t *random, struct bytes *bytes)
{
	size_t one = below(random, bytes->size / SECTOR) * SECTOR;
	size_t other = below(random, bytes->size / SECTOR) * SECTOR;

	for (unsigned i = 0; i < SECTOR && bytes->size >= SECTOR; i++) {
		unsigned char byte = bytes->at[one + i];

		bytes->at[one + i] = bytes->at[other + i];
		bytes->at[other + i] = byte;
	}
}

/* Some sectors, few or nearly all, are as they were a commit ago. */
static void lose_writes(uint64_t *random, struct bytes *bytes)
{
	size_t chance = 1 + below(random, 16), end = bytes->size;

	end = end < stale.file.size ? end : stale.file.size;
	for (size_t at = 0; at + SECTOR <= end; at += SECTOR)
		if (below(random, 17) < chance)
			memcpy(bytes->at + at, stale.file.at + at, SECTOR);
}

static void (*const damages[])(uint64_t *random, struct bytes *bytes) = {
	flip_bits, overwrite, cut_short, lengthen, swap_sectors, lose_writes,
};

enum { DAMAGES = sizeof(damages) / sizeof(damages[0]) };

static bool refusal_says_what_to_do(int result)
{
	if (result == -EUCLEAN)
		return strstr(error, "is damaged: ") && strstr(error, "\n  mv ");
	return (result == -EPROTO || result == -EMEDIUMTYPE) && strstr(error, "--db");
}

static bool revisions_are_whole(struct store *store, uint64_t newest_kept)
{
	bool are = true;

	for (uint64_t i = 1; are && i <= newest_kept; i++) {
		char *text = NULL;

		are = !store_revision_text(store, i, &text, error, sizeof(error)) &&
		      strcmp(text, texts[i]) == 0;
		free(text);
	}
	return are;
}

/* Exactly one of the two versions, and fit for the next commit. */
static bool is_whole(struct store *store)
{
	uint64_t revision;
	struct config *config = load(store, &revision);
	const struct version *version = revision == REVISIONS ? &newest : &stale;
	struct config *next = config_copy(config);
	bool is = (revision == REVISIONS || revision == REVISIONS - 1) &&
		  !config_compare(config, version->config, NULL, NULL) &&
		  revisions_are_whole(store, revision);

	model_do(next, "set global seed 4711");
	commit(store, config, next);
	assert_loads(store, next, revision + 1);
	config_free(config);
	config_free(next);
	return is;
}

/* Damages the store in one way or two, and opens it; whether it was refused. */
static bool damage_and_open(uint64_t seed)
{
	struct bytes bytes = {malloc(newest.file.size), newest.file.size}, after;
	uint64_t random = seed;
	struct store *store = NULL;
	int result;

	memcpy(bytes.at, newest.file.at, bytes.size);
	for (size_t count = 1 + below(&random, 2); count; count--)
		damages[below(&random, DAMAGES)](&random, &bytes);
	write_file(file, bytes.at, bytes.size);
	result = store_open(&store, file, error, sizeof(error));
	if (result) {
		if (!refusal_says_what_to_do(result))
			fail_msg("LB_DAMAGE_SEED=%llu: %d, %s", (unsigned long long)seed, result,
				 error);
		after = read_file(file);
		assert_int_equal(after.size, bytes.size);
		assert_memory_equal(after.at, bytes.at, bytes.size);
		free(after.at);
	} else {
		if (!is_whole(store))
			fail_msg("LB_DAMAGE_SEED=%llu: neither revision", (unsigned long long)seed);
		store_close(store);
	}
	free(bytes.at);
	return result;
}

static void damage_by_chance_is_refused_with_the_way_out_or_harmless(void **state)
{
	const char *only = getenv("LB_DAMAGE_SEED");
	unsigned refused = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		if (!only || strtoull(only, NULL, 0) == seed)
			refused += damage_and_open(seed);
	print_message("%u of %u refused\n", refused, SEEDS);
	assert_true(only || (refused > SEEDS / 2 && refused < SEEDS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			damage_by_chance_is_refused_with_the_way_out_or_harmless, make_versions,
			forget_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
