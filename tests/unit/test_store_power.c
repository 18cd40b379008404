/* Power cuts: whatever was not synced is lost, torn or kept, at every step of what a store's files
 * go through. Afterwards the store opens, and is what the last acknowledged commit made it or the
 * one that was under way; so are its copies.
 *
 * Everything follows from seeds. A failure prints the LB_POWER that repeats it alone;
 * LB_POWER_SEED=N takes other chances, LB_LONG=1 many more.
 */
#include "tests/unit/power_scenarios.h"

#ifdef LB_SANITIZED
enum { ROUNDS = 3, CUTS_AT_A_START = 1, LOGS_DAMAGED = 20 };
#else
enum { ROUNDS = 6, CUTS_AT_A_START = 4, LOGS_DAMAGED = 200 };
#endif
enum { ROUNDS_LONG = 30, ROUNDS_LIED = 12 };

static uint64_t seed = 1;
static unsigned rounds = ROUNDS;
static unsigned cuts; /* tried so far */

/* Recording and cutting. */

static void record(const struct scenario *scenario, struct recording *recording)
{
	/* Nothing depends on the directory's name or the time; SQLite's salts are fixed here. */
	sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1, NULL);
	if (scenario == &scenarios[CREATION])
		snprintf(file, sizeof(file), "%s/new/lb.db", directory);
	if (scenario->prepare)
		scenario->prepare();
	else if (scenario->begins)
		make_store_up_to(scenario->begins);
	power_begin(recording, directory);
	if (!scenario->marks)
		power_mark(MARK_DONE, scenario->begins);
	scenario->work();
	power_end();
	assert_recorded_all(recording);
}

static unsigned first_mark(const struct recording *recording)
{
	unsigned step = 0;

	while (recording->step[step].kind != STEP_MARK)
		step++;
	return step + 1;
}

static struct cut cut_of(unsigned step, unsigned round)
{
	return (struct cut){
		.mood = round < CUT_BY_CHANCE ? (enum cut_mood)round : CUT_BY_CHANCE,
		.random = (seed * 1000003 + step) * 1000003 + round,
	};
}

static const char *try_cut(const struct scenario *scenario, const struct recording *recording,
			   unsigned step, unsigned round)
{
	struct cut cut = cut_of(step, round);
	uint64_t least, most;

	what_is_allowed(recording, step, &least, &most);
	cut_power(recording, step, &cut);
	return scenario->check(least, most);
}

/* One cut, which must do no harm. `after` says what was before the recording, for the message. */
static void cut_once(const struct scenario *scenario, const struct recording *recording,
		     const char *after, unsigned step, unsigned round)
{
	const char *only = getenv("LB_POWER"), *said;
	char this[128];

	snprintf(this, sizeof(this), "%s%s,%llu,%u,%u", scenario->name, after,
		 (unsigned long long)seed, step, round);
	if (only && strcmp(only, this) != 0)
		return;
	said = try_cut(scenario, recording, step, round);
	cuts++;
	if (said)
		fail_msg("cut after step %u of %u, %s %s: %s\nAgain: LB_POWER=%s", step,
			 recording->steps, step_names[recording->step[step - 1].kind],
			 recording->step[step - 1].name, said, this);
}

static void cut_everywhere(const struct scenario *scenario)
{
	struct recording recording;
	unsigned before = cuts;

	record(scenario, &recording);
	for (unsigned step = first_mark(&recording); step <= recording.steps; step++)
		for (unsigned round = 0; round < (cut_matters(&recording, step) ? rounds : 1);
		     round++)
			cut_once(scenario, &recording, "", step, round);
	print_message("%u cuts in %u steps\n", cuts - before, recording.steps);
	recording_free(&recording);
}

/* Starts on what is there, and cuts at some steps of that start and of what follows. */
static void cut_the_start_after(const struct scenario *scenario, struct recording *recording,
				const char *after, uint64_t random)
{
	unsigned begin = recording->steps;

	power_resume(recording);
	start_and_mark();
	power_end();
	for (unsigned i = 0; i < CUTS_AT_A_START; i++) {
		unsigned steps = recording->steps - begin;
		unsigned step = begin + 1 + (unsigned)model_below(&random, steps);

		cut_once(scenario, recording, after, step, i);
	}
}

/* lbd is killed (or ends) in the middle, and started again; then the power goes. */
static void cut_after_kills(const struct scenario *scenario)
{
	struct recording recording;
	struct cut nothing = {.mood = CUT_KEEPS_ALL};
	unsigned before = cuts;
	char after[32];

	record(scenario, &recording);
	for (unsigned step = first_mark(&recording); step <= recording.steps; step++) {
		struct recording killed = recording_copy(&recording, step, NULL, NULL);

		snprintf(after, sizeof(after), "+kill%u", step);
		cut_power(&killed, step, &nothing);
		cut_the_start_after(scenario, &killed, after, seed + step);
		recording_free(&killed);
	}
	print_message("%u cuts\n", cuts - before);
	recording_free(&recording);
}

/* The power goes, comes back, and goes again during the start. */
static void cut_after_cuts(const struct scenario *scenario)
{
	struct recording recording, second;
	unsigned before = cuts;
	uint64_t least, most;
	char after[32];

	record(scenario, &recording);
	for (unsigned step = first_mark(&recording); step <= recording.steps; step++) {
		struct cut cut = cut_of(step, CUT_BY_CHANCE);

		snprintf(after, sizeof(after), "+cut%u", step);
		cut_power(&recording, step, &cut);
		power_begin(&second, directory);
		what_is_allowed(&recording, step, &least, &most);
		power_mark(MARK_DONE, least);
		power_mark(MARK_BEGUN, most);
		cut_the_start_after(scenario, &second, after, seed + step);
		recording_free(&second);
	}
	print_message("%u cuts\n", cuts - before);
	recording_free(&recording);
}

static void a_creation_is_done_or_can_be_done_again(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[CREATION]);
}

static void a_commit_is_there_when_it_was_acknowledged_and_never_in_half(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[COMMITS]);
}

static void a_commit_is_durable_before_it_is_folded_into_the_file(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[UNFOLDED]);
}

static void what_waits_to_be_confirmed_waits_exactly_with_its_commit(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[CONFIRM]);
}

static void the_fifty_newest_revisions_stay_whole_while_older_ones_go(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[PRUNING]);
}

static void starts_and_stops_and_the_copies_that_they_leave(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[STARTS]);
}

static void a_restored_copy_that_has_started_stays(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[RESTORATION]);
}

static void a_store_of_release_0_1_is_brought_up_to_date(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[FROM_V1]);
}

static void a_migration_is_done_or_not_and_leaves_its_copy(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[FURTHER]);
}

static void a_backup_of_the_console_is_there_whole_or_not(void **state)
{
	(void)state;
	cut_everywhere(&scenarios[CONSOLE]);
}

static void what_a_start_finds_after_a_kill_is_durable(void **state)
{
	(void)state;
	cut_after_kills(&scenarios[COMMITS]);
}

static void a_creation_that_was_killed_is_durable_once_started(void **state)
{
	(void)state;
	cut_after_kills(&scenarios[CREATION]);
}

static void the_start_after_a_cut_can_be_cut_itself(void **state)
{
	(void)state;
	cut_after_cuts(&scenarios[COMMITS]);
}

static void the_creation_after_a_cut_can_be_cut_itself(void **state)
{
	(void)state;
	cut_after_cuts(&scenarios[CREATION]);
}

/* Not by a power cut, but by what else happens to disks: while there is no room for the file, the
 * log has acknowledged commits, and what comes after its damage is lost. */
static void a_damaged_log_costs_whole_commits_and_nothing_else(void **state)
{
	struct cut killed = {.mood = CUT_KEEPS_ALL};
	struct recording recording;
	uint64_t random = seed, least = 0, most = 0;
	unsigned steps = 0;
	char path[1100];

	(void)state;
	record(&scenarios[UNFOLDED], &recording);
	while (least < LARGE + 1)
		what_is_allowed(&recording, ++steps, &least, &most);
	for (unsigned round = 0; round < LOGS_DAMAGED; round++) {
		struct bytes log;
		const char *said;

		cut_power(&recording, steps, &killed);
		snprintf(path, sizeof(path), "%s-wal", file);
		log = read_file(path);
		if (round % 4)
			log.at[model_below(&random, log.size)] ^= (unsigned char)(1 + round % 255);
		else
			log.size = model_below(&random, log.size);
		write_file(path, log.at, log.size);
		free(log.at);
		said = check_store(scenarios[UNFOLDED].begins, most);
		if (said)
			fail_msg("log %u: %s", round, said);
	}
	recording_free(&recording);
}

/* The tests above would see a sync that is not made: here some are taken out of the recording. */

struct lie {
	enum scenario_name scenario;
	enum step_kind kind;
	const char *name; /* how the file's or directory's ends */
};

static bool is_lied_about(const struct step *step, const void *context)
{
	const struct lie *lie = context;
	size_t length = strlen(step->name), ending = strlen(lie->name);

	return step->kind == lie->kind && length >= ending &&
	       strcmp(step->name + length - ending, lie->name) == 0 &&
	       (ending || lie->kind != STEP_SYNC_DIRECTORY || !length);
}

static bool is_caught(const struct lie *lie)
{
	const struct scenario *scenario = &scenarios[lie->scenario];
	struct recording recording, lied;
	bool caught = false;

	record(scenario, &recording);
	lied = recording_copy(&recording, recording.steps, is_lied_about, lie);
	assert_true(lied.steps < recording.steps);
	for (unsigned round = 0; !caught && round < ROUNDS_LIED; round++)
		for (unsigned step = first_mark(&lied); !caught && step <= lied.steps; step++)
			caught = try_cut(scenario, &lied, step, round) != NULL;
	recording_free(&recording);
	recording_free(&lied);
	return caught;
}

static void a_sync_that_is_missing_would_be_seen(void **state)
{
	static const struct lie lies[] = {
		{CREATION, STEP_SYNC, ".new"},
		{CREATION, STEP_SYNC_DIRECTORY, "new"}, /* that of the store */
		{CREATION, STEP_SYNC_DIRECTORY, ""},    /* that one's own */
		{COMMITS, STEP_SYNC, "-wal"},
		{COMMITS, STEP_SYNC, "lb.db"},
		{UNFOLDED, STEP_SYNC, "-wal"},
		{STARTS, STEP_SYNC, ".backup-new"},
		{RESTORATION, STEP_SYNC, "lb.db"},
		{RESTORATION, STEP_SYNC_DIRECTORY, ""},
		{FURTHER, STEP_SYNC, ".backup-new"},
		{FURTHER, STEP_SYNC_DIRECTORY, ""},
		{CONSOLE, STEP_SYNC, ""},
		{CONSOLE, STEP_SYNC_DIRECTORY, ""},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		if (!is_caught(&lies[i]))
			fail_msg("%s: %s of \"%s\" could be left out",
				 scenarios[lies[i].scenario].name, step_names[lies[i].kind],
				 lies[i].name);
		remove_directory(state);
		make_directory(state);
	}
}

static void there_were_a_thousand_cuts(void **state)
{
	(void)state;
	print_message("%u cuts\n", cuts);
	assert_true(cuts >= 1000 || getenv("LB_POWER"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, power_setup, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_creation_is_done_or_can_be_done_again),
		TEST(a_commit_is_there_when_it_was_acknowledged_and_never_in_half),
		TEST(a_commit_is_durable_before_it_is_folded_into_the_file),
		TEST(what_waits_to_be_confirmed_waits_exactly_with_its_commit),
		TEST(the_fifty_newest_revisions_stay_whole_while_older_ones_go),
		TEST(starts_and_stops_and_the_copies_that_they_leave),
		TEST(a_restored_copy_that_has_started_stays),
		TEST(a_store_of_release_0_1_is_brought_up_to_date),
		TEST(a_migration_is_done_or_not_and_leaves_its_copy),
		TEST(a_backup_of_the_console_is_there_whole_or_not),
		TEST(what_a_start_finds_after_a_kill_is_durable),
		TEST(a_creation_that_was_killed_is_durable_once_started),
		TEST(the_start_after_a_cut_can_be_cut_itself),
		TEST(the_creation_after_a_cut_can_be_cut_itself),
		TEST(a_damaged_log_costs_whole_commits_and_nothing_else),
		TEST(a_sync_that_is_missing_would_be_seen),
		TEST(there_were_a_thousand_cuts),
	};

	if (getenv("LB_POWER_SEED"))
		seed = strtoull(getenv("LB_POWER_SEED"), NULL, 0);
	if (getenv("LB_LONG"))
		rounds = ROUNDS_LONG;
	return cmocka_run_group_tests(tests, make_chain, forget_chain);
}
