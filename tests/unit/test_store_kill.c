/* A process that is killed, at any moment of creating a store or of committing to it, leaves a
 * store that has every acknowledged commit and no half one.
 *
 * Killing proves the order of writes against a process's death, not against a power cut: what the
 * kernel has taken from the process stays.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <time.h>

#include "tests/unit/store.h"

enum { ROUNDS = 200, ROUND_MAX_US = 4000, CHANGES = 3, STEPS_MAX = 4000 };

/* What revision `number` does, the same whoever asks. */
static struct config *successor(const struct config *before, uint64_t number)
{
	struct config *after = config_copy(before);
	uint64_t random = number * 1000;
	char line[64];

	for (unsigned i = 0; i < CHANGES; i++)
		model_random_change(&random, after);
	snprintf(line, sizeof(line), "set global seed %llu", (unsigned long long)number);
	model_do(after, line);
	return after;
}

/* Commits until it is killed; each number goes to the pipe once it is acknowledged, and first of
 * all the one that it begins with. */
__attribute__((noreturn))
static void commit_forever(int acknowledged)
{
	struct store *store = open_store();
	uint64_t number;
	struct config *config = load(store, &number);

	while (write(acknowledged, &number, sizeof(number)) == sizeof(number)) {
		struct config *next = successor(config, number + 1);

		number = commit(store, config, next);
		config_free(config);
		config = next;
	}
	_exit(1);
}

/* Lets a child commit for a while; returns the last number that it acknowledged. */
static uint64_t kill_a_committer(uint64_t *random)
{
	struct timespec moment = {.tv_nsec = (long)model_below(random, ROUND_MAX_US) * 1000};
	uint64_t number, acknowledged;
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		close(ends[0]);
		commit_forever(ends[1]);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &acknowledged, sizeof(acknowledged)), sizeof(acknowledged));
	nanosleep(&moment, NULL);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	while (read(ends[0], &number, sizeof(number)) == sizeof(number))
		acknowledged = number;
	close(ends[0]);
	return acknowledged;
}

static void what_was_acknowledged_survives_two_hundred_kills(void **state)
{
	struct config *expected = config_new();
	uint64_t random = 1969, number = 0;

	(void)state;
	store_close(open_store());
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t acknowledged = kill_a_committer(&random), loaded;
		struct store *store = open_store();

		config_free(load(store, &loaded));
		if (loaded != acknowledged && loaded != acknowledged + 1)
			fail_msg("revision %llu is there, %llu was acknowledged",
				 (unsigned long long)loaded, (unsigned long long)acknowledged);
		while (number < loaded) {
			struct config *next = successor(expected, ++number);

			config_free(expected);
			expected = next;
		}
		assert_loads(store, expected, loaded);
		store_close(store);
	}
	print_message("%llu commits\n", (unsigned long long)number);
	assert_true(number > ROUNDS);
	config_free(expected);
}

/* From here on the parent sees every system call of this child. */
static void be_watched(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
}

/* Runs `work` in a child and kills it `count` steps after it was watched, a step being to enter or
 * to leave a system call; false where it was done before. */
static bool killed_at(unsigned count, void (*work)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	while (count-- && !WIFEXITED(status)) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_false(WIFSIGNALED(status));
	}
	if (WIFEXITED(status)) {
		assert_int_equal(WEXITSTATUS(status), 0);
		return false;
	}
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	return true;
}

static void create(void)
{
	be_watched();
	store_close(open_store());
}

static void a_creation_killed_at_any_system_call_can_be_done_again(void **state)
{
	struct config *empty = config_new();
	char command[1200];
	unsigned count = 0;

	(void)state;
	snprintf(command, sizeof(command), "rm -f '%s'/*", directory);
	while (killed_at(count, create)) {
		struct store *store = open_store();

		assert_loads(store, empty, 0);
		store_close(store);
		assert_int_equal(system(command), 0);
		count += 3;
		assert_true(count < STEPS_MAX);
	}
	print_message("killed at every third of %u steps\n", count);
	assert_true(count > 100);
	config_free(empty);
}

static void commit_next(void)
{
	struct store *store = open_store();
	uint64_t number;
	struct config *config = load(store, &number);
	struct config *next = successor(config, number + 1);

	be_watched();
	commit(store, config, next);
	store_close(store);
}

static void a_commit_killed_at_any_system_call_is_there_or_not(void **state)
{
	struct config *before = config_new(), *after = successor(before, 1);
	unsigned count = 0, old = 0, new = 0;
	struct bytes empty;
	char log[1100];

	(void)state;
	store_close(open_store());
	empty = read_file(file);
	snprintf(log, sizeof(log), "%s-wal", file);
	while (killed_at(count, commit_next)) {
		struct store *store = open_store();
		uint64_t revision;

		config_free(load(store, &revision));
		assert_loads(store, revision ? after : before, revision);
		*(revision ? &new : &old) += 1;
		store_close(store);
		unlink(log);
		write_file(file, empty.at, empty.size);
		count++;
		assert_true(count < STEPS_MAX);
	}
	print_message("killed at each of %u steps: %u times there, %u times not\n", count, new,
		      old);
	assert_true(old > 10 && new > 10);
	free(empty.at);
	config_free(before);
	config_free(after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_acknowledged_survives_two_hundred_kills),
		TEST(a_creation_killed_at_any_system_call_can_be_done_again),
		TEST(a_commit_killed_at_any_system_call_is_there_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
