/* Each call of a commit or of a start that changes a file fails once, or from then on: what was
 * asked for is refused with a sentence or done, and the store is so, in this process and in the next
 * one, and after a power cut, too. */
#include "tests/unit/power_store.h"

#ifdef LB_SANITIZED
enum { ROUNDS = 3 };
#else
enum { ROUNDS = 8 };
#endif
enum { BEGINS = 3, CHANGES_MAX = 100 };

/* How a disk fails: from the `from`th of its changes on, `count` of these. */
static const struct way {
	const char *name;
	int code;
	unsigned kinds; /* bits: which changes */
	bool once;
} ways[] = {
	{"one call fails", EIO, ~0U, true},
	{"every call fails", EIO, ~0U, false},
	{"one sync fails", EIO, 1U << STEP_SYNC, true},
	{"syncs fail", EIO, 1U << STEP_SYNC, false},
	{"there is no more room", ENOSPC, 1U << STEP_WRITE | 1U << STEP_CREATE, false},
	{"there is no more room, seen late", ENOSPC, 1U << STEP_SYNC, false},
	{"nothing can be written any more", EROFS,
	 1U << STEP_WRITE | 1U << STEP_CREATE | 1U << STEP_TRUNCATE | 1U << STEP_UNLINK |
	 1U << STEP_RENAME, false},
};

static struct {
	const struct way *way;
	unsigned from, asked;
	bool failed;
} fault;

static int refuse(enum step_kind kind, const char *name)
{
	unsigned change;

	(void)name;
	if (!(fault.way->kinds & 1U << kind))
		return 0;
	change = fault.asked++;
	if (fault.way->once ? change != fault.from : change < fault.from)
		return 0;
	fault.failed = true;
	return fault.way->code;
}

/* The sentence is about the disk, not about damage. */
static void assert_refusal(int result, const struct way *way)
{
	bool says = strstr(error, strerror(way->code)) || strstr(error, "the disk is full");
	bool cannot_create = result == -EIO && strstr(error, "no file can be created beside");

	if ((result != -way->code || !says) && !cannot_create)
		fail_msg("%s, from the %uth on: %d, %s", way->name, fault.from, result, error);
}

/* What is on the disk now is a store with one of these. */
static void check_disk(const struct recording *recording, unsigned steps, uint64_t least,
		       uint64_t most)
{
	unsigned rounds = cut_matters(recording, steps) ? ROUNDS : 1;

	for (unsigned round = 0; round < rounds; round++) {
		struct cut cut = {.mood = round ? CUT_BY_CHANCE : CUT_KEEPS_ALL, .random = round};
		const char *said;

		cut_power(recording, steps, &cut);
		said = check_store(least, most);
		if (said)
			fail_msg("%s, from the %uth on; %s: %s", fault.way->name, fault.from,
				 round ? "after a power cut" : "the next process finds", said);
	}
}

/* A store at BEGINS; `unfolded`: what it has since BEGINS - 2 is in its log alone. */
static struct store *begin(struct recording *recording, bool unfolded)
{
	struct store *store;

	make_store_up_to(unfolded ? BEGINS - 2 : BEGINS);
	power_begin(recording, directory);
	store = open_store();
	power.refuse = refuse_to_fold;
	commit_up_to(store, BEGINS);
	power.refuse = NULL;
	return store;
}

/* One commit; false where no call failed, since it has less of them. */
static bool commit_and_fail(const struct way *way, unsigned from, bool unfolded)
{
	struct revision revision = {.time_s = 1700000000};
	struct recording recording;
	struct store *store = begin(&recording, unfolded);
	unsigned steps;
	uint64_t now;
	bool unsure;
	int result;

	fault = (__typeof__(fault)){.way = way, .from = from};
	power.refuse = refuse;
	result = store_commit(store, chain[BEGINS], chain[BEGINS + 1], &revision, error,
			      sizeof(error));
	power.refuse = NULL;
	steps = recording.steps;
	unsure = result && strstr(error, "at the next start");
	if (result) {
		assert_true(fault.failed);
		assert_refusal(result, way);
		assert_int_equal(revision.number, 0);
		assert_false(unsure && (way->once || !(way->kinds & 1U << STEP_SYNC)));
	}
	now = result ? BEGINS : BEGINS + 1;
	assert_loads(store, chain[now], now);
	commit_up_to(store, now + 1);
	assert_loads(store, chain[now + 1], now + 1);
	store_close(store);
	power_end();
	check_disk(&recording, recording.steps, now + 1, now + 1);
	check_disk(&recording, steps, now, now + unsure);
	recording_free(&recording);
	return fault.failed;
}

static bool commit_to_folded_and_fail(const struct way *way, unsigned from)
{
	return commit_and_fail(way, from, false);
}

static bool commit_to_unfolded_and_fail(const struct way *way, unsigned from)
{
	return commit_and_fail(way, from, true);
}

/* In every way, from the first call on, from the second, and so on. */
static void fail_everywhere(void **state, bool (*work_and_fail)(const struct way *, unsigned from))
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		unsigned from = 0;

		while (work_and_fail(&ways[i], from)) {
			from++;
			assert_true(from < CHANGES_MAX);
			remove_directory(state);
			make_directory(state);
		}
		print_message("%s: from each of %u on\n", ways[i].name, from);
		remove_directory(state);
		make_directory(state);
		assert_true(from > 0);
	}
}

static void a_commit_that_fails_has_not_happened(void **state)
{
	fail_everywhere(state, commit_to_folded_and_fail);
}

static void a_commit_that_fails_takes_none_away_that_is_in_the_log(void **state)
{
	fail_everywhere(state, commit_to_unfolded_and_fail);
}

/* A start that fails, or not, on what is there; the next one must find it unharmed. */
static bool start_and_fail(const struct way *way, unsigned from, uint64_t revision)
{
	struct recording recording;
	struct store *store;
	int result;

	power_begin(&recording, directory);
	fault = (__typeof__(fault)){.way = way, .from = from};
	power.refuse = refuse;
	result = store_open(&store, file, error, sizeof(error));
	power.refuse = NULL;
	if (result) {
		assert_refusal(result, way);
	} else {
		assert_loads(store, chain[revision], revision);
		store_close(store);
	}
	power_end();
	check_disk(&recording, recording.steps, revision, revision);
	recording_free(&recording);
	return fault.failed;
}

static bool create_and_fail(const struct way *way, unsigned from)
{
	return start_and_fail(way, from, 0);
}

static bool migrate_and_fail(const struct way *way, unsigned from)
{
	make_store_v1();
	return start_and_fail(way, from, 1);
}

/* After a kill, with commits in the log. */
static bool recover_and_fail(const struct way *way, unsigned from)
{
	struct cut killed = {.mood = CUT_KEEPS_ALL};
	struct recording recording;
	struct store *store = begin(&recording, true);
	unsigned steps = recording.steps;

	store_close(store);
	power_end();
	cut_power(&recording, steps, &killed);
	recording_free(&recording);
	return start_and_fail(way, from, BEGINS);
}

static void a_creation_that_fails_can_be_done_again(void **state)
{
	fail_everywhere(state, create_and_fail);
}

static void a_migration_that_fails_can_be_done_again(void **state)
{
	fail_everywhere(state, migrate_and_fail);
}

static void a_recovery_that_fails_can_be_done_again(void **state)
{
	fail_everywhere(state, recover_and_fail);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, power_setup, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_commit_that_fails_has_not_happened),
		TEST(a_commit_that_fails_takes_none_away_that_is_in_the_log),
		TEST(a_creation_that_fails_can_be_done_again),
		TEST(a_migration_that_fails_can_be_done_again),
		TEST(a_recovery_that_fails_can_be_done_again),
	};

	return cmocka_run_group_tests(tests, make_chain, forget_chain);
}
