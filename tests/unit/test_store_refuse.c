/* What the machine refuses the store: said in a sentence, and everything stays as it was. */
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "tests/unit/store.h"

enum { NOBODY = 65534 };

static void a_store_in_use_is_refused_by_the_pid_that_has_it(void **state)
{
	char byte = 0, pid[32];
	int ready[2], done[2], status;
	pid_t child;

	(void)state;
	store_close(open_store());
	assert_int_equal(pipe(ready) | pipe(done), 0);
	child = fork();
	if (!child) {
		struct store *store = open_store();

		close(done[1]);
		_exit(write(ready[1], "r", 1) != 1 || read(done[0], &byte, 1) != 0 || !store);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	refuse_store(-EBUSY);
	snprintf(pid, sizeof(pid), "another lbd, pid %d", child);
	assert_says(pid);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	store_close(open_store());
	for (unsigned i = 0; i < 2; i++) {
		close(ready[i]);
		close(done[i]);
	}
}

static void a_second_name_of_the_store_is_the_same_store(void **state)
{
	struct store *store = open_store();
	char target[1024];

	(void)state;
	refuse_store(-EBUSY);
	strcpy(target, file);
	snprintf(file, sizeof(file), "%s/link.db", directory);
	assert_int_equal(symlink(target, file), 0);
	refuse_store(-EBUSY);
	store_close(store);
	store_close(open_store());
}

static void another_program_that_has_the_file_open_keeps_it(void **state)
{
	sqlite3 *db;

	(void)state;
	store_close(open_store());
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT * FROM pool", NULL, NULL, NULL),
			 SQLITE_OK);
	refuse_store(-EBUSY);
	assert_says("another program has");
	sqlite3_close(db);
	store_close(open_store());
}

static void an_open_store_keeps_other_programs_out(void **state)
{
	struct store *store = open_store();
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM pool", NULL, NULL, NULL), SQLITE_BUSY);
	sqlite3_close(db);
	store_close(store);
}

static void what_is_no_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(file, 0700), 0);
	refuse_store(-EMEDIUMTYPE);
	assert_says("is not a regular file");
	assert_int_equal(rmdir(file), 0);

	/* Perhaps a disk that is not mounted yet. */
	assert_int_equal(symlink("/nowhere/lb.db", file), 0);
	refuse_store(-ENOENT);
	assert_says("cannot find the store");
	assert_int_equal(unlink(file), 0);

	snprintf(file, sizeof(file), "%s/one/two/lb.db", directory);
	refuse_store(-ENOENT);
	assert_says("cannot create the store's directory");
}

static void a_log_without_its_store_is_not_thrown_away(void **state)
{
	char log[1100];

	(void)state;
	snprintf(log, sizeof(log), "%s-wal", file);
	write_file(log, "some commits", 12);
	refuse_store(-EUCLEAN);
	assert_says("is missing, but");
	assert_int_equal(access(log, F_OK), 0);
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(unlink(log), 0);
	store_close(open_store());
}

static void what_an_interrupted_creation_left_is_replaced(void **state)
{
	char path[1100];

	(void)state;
	snprintf(path, sizeof(path), "%s.new", file);
	write_file(path, "half", 4);
	store_close(open_store());
	assert_int_equal(access(path, F_OK), -1);
}

static void become_nobody(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		fail_msg("cannot become nobody");
}

static void open_as_nobody(void)
{
	become_nobody();
	refuse_store(-EACCES);
	assert_says("Permission denied");
}

static void a_directory_that_cannot_be_written_is_refused(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(chmod(directory, 0555), 0);
	in_child(open_as_nobody);
	assert_int_equal(access(file, F_OK), -1);
}

static void open_read_only_as_nobody(void)
{
	become_nobody();
	refuse_store(-EACCES);
	assert_says("cannot be written");
}

static void a_file_that_cannot_be_written_is_refused(void **state)
{
	char lock[1100];

	(void)state;
	if (geteuid())
		skip();
	store_close(open_store());
	snprintf(lock, sizeof(lock), "%s.lock", file);
	assert_int_equal(chmod(directory, 0777) | chmod(file, 0444) | chmod(lock, 0666), 0);
	in_child(open_read_only_as_nobody);
}

/* Adds so much that no small disk holds it; returns what config was before. */
static struct config *grown(const struct config *config)
{
	struct config *more = config_copy(config);
	char line[64];

	model_do(more, "add pool large");
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(line, sizeof(line), "add backend large 10.7.%u.%u:80", i >> 8, i & 255);
		model_do(more, line);
	}
	return more;
}

/* A commit that does not fit is refused; the same store then takes one that does. */
static void refuse_large_then_commit_small(struct store *store, int expected, const char *sentence)
{
	struct config *before = fill_store(store, 3, 2, 30), *large = grown(before);
	struct config *small = config_copy(before);
	struct revision revision = {.number = 77};

	assert_int_equal(store_commit(store, before, large, &revision, error, sizeof(error)),
			 expected);
	assert_says(sentence);
	assert_int_equal(revision.number, 77);
	assert_loads(store, before, 2);
	model_do(small, "set global seed 42");
	assert_int_equal(commit(store, before, small), 3);
	store_close(store);
	store = open_store();
	assert_loads(store, small, 3);
	store_close(store);
	config_free(before);
	config_free(large);
	config_free(small);
}

static void commit_beyond_the_file_limit(void)
{
	struct rlimit limit = {300000, 300000};

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	refuse_large_then_commit_small(open_store(), -EFBIG, "File too large");
}

static void a_file_that_may_not_grow_fails_one_commit_only(void **state)
{
	(void)state;
	in_child(commit_beyond_the_file_limit);
}

/* Whether mounts of ours would stay ours: only root can see to that, and not in a chroot, where the
 * root is a folder of a mount out of reach. */
static bool mounts_are_private(void)
{
	return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* In a child: the disk goes with it. */
static void mount_disk(const char *size)
{
	if (unshare(CLONE_NEWNS) || mount("none", directory, "tmpfs", 0, size))
		fail_msg("cannot mount a small disk: %s", strerror(errno));
}

static void commit_beyond_the_disk(void)
{
	struct store *store = NULL;

	mount_disk("size=400k");
	store = open_store();
	refuse_large_then_commit_small(store, -ENOSPC, "the disk is full");
}

static void a_full_disk_fails_one_commit_only(void **state)
{
	(void)state;
	if (!mounts_are_private())
		skip();
	in_child(commit_beyond_the_disk);
}

static void start_on_a_full_disk(void)
{
	struct store *store = NULL;
	struct stat status;

	mount_disk("size=16k");
	assert_int_equal(store_open(&store, file, error, sizeof(error)), -ENOSPC);
	assert_says("the disk is full");
	assert_int_equal(stat(file, &status), -1);
}

static void a_full_disk_refuses_a_new_store_and_leaves_none(void **state)
{
	(void)state;
	if (!mounts_are_private())
		skip();
	in_child(start_on_a_full_disk);
}

/* A start does not fail for want of a copy, but says so. */
static void a_start_that_cannot_leave_a_copy_says_so(void **state)
{
	struct store *store = NULL;
	char path[1100];

	(void)state;
	store_close(open_store());
	snprintf(path, sizeof(path), "%s.backup", file);
	assert_int_equal(unlink(path) | mkdir(path, 0700), 0);
	assert_int_equal(store_open(&store, file, error, sizeof(error)), 0);
	assert_says("no copy of it was kept: cannot create ");
	store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_store_in_use_is_refused_by_the_pid_that_has_it),
		TEST(a_second_name_of_the_store_is_the_same_store),
		TEST(another_program_that_has_the_file_open_keeps_it),
		TEST(an_open_store_keeps_other_programs_out),
		TEST(what_is_no_file_is_refused),
		TEST(a_log_without_its_store_is_not_thrown_away),
		TEST(what_an_interrupted_creation_left_is_replaced),
		TEST(a_directory_that_cannot_be_written_is_refused),
		TEST(a_file_that_cannot_be_written_is_refused),
		TEST(a_file_that_may_not_grow_fails_one_commit_only),
		TEST(a_full_disk_fails_one_commit_only),
		TEST(a_full_disk_refuses_a_new_store_and_leaves_none),
		TEST(a_start_that_cannot_leave_a_copy_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
