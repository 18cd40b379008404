/* For tests of the store: a directory of its own, and stores in it that must or must not open. */
#ifndef TESTS_STORE_H
#define TESTS_STORE_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/unit/model.h"

enum { ERROR_SIZE = 16384 };

static char directory[512], file[1024], error[ERROR_SIZE];

/* In memory where that can be: nothing here depends on a disk but its speed. */
static inline int make_directory(void **state)
{
	const char *temporary = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");

	(void)state;
	snprintf(directory, sizeof(directory), "%s/test_store.XXXXXX",
		 temporary ? temporary : "/tmp");
	if (!mkdtemp(directory))
		return -1;
	snprintf(file, sizeof(file), "%s/lb.db", directory);
	return 0;
}

static inline int remove_directory(void **state)
{
	char command[600];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static inline struct store *open_store(void)
{
	struct store *store = NULL;

	if (store_open(&store, file, error, sizeof(error)))
		fail_msg("%s", error);
	assert_string_equal(error, "");
	return store;
}

/* The store must be refused with this errno; its sentences are in `error`. */
static inline void refuse_store(int expected)
{
	struct store *store = NULL;

	error[0] = 0;
	assert_int_equal(store_open(&store, file, error, sizeof(error)), expected);
	assert_null(store);
	assert_true(strlen(error) > 0);
}

static inline void assert_says(const char *part)
{
	if (!strstr(error, part))
		fail_msg("\"%s\" does not say \"%s\"", error, part);
}

static inline struct config *load(struct store *store, uint64_t *ret_revision)
{
	struct config *config = NULL;

	if (store_load(store, &config, ret_revision, error, sizeof(error)))
		fail_msg("%s", error);
	return config;
}

static inline void assert_loads(struct store *store, const struct config *expected,
				uint64_t revision)
{
	uint64_t loaded_revision;
	struct config *config = load(store, &loaded_revision);
	char *is = config_text(config), *should = config_text(expected);

	assert_string_equal(is, should);
	assert_int_equal(config_compare(config, expected, NULL, NULL), 0);
	assert_int_equal(loaded_revision, revision);
	free(is);
	free(should);
	config_free(config);
}

static inline uint64_t commit(struct store *store, const struct config *before,
			      const struct config *after)
{
	struct revision revision = {.time_s = 1700000000,
				    .user = "alice",
				    .comment = "as \"tested\""};

	if (store_commit(store, before, after, &revision, error, sizeof(error)))
		fail_msg("%s", error);
	return revision.number;
}

/* A store with `revisions` revisions of random changes; returns its configuration. */
static inline struct config *fill_store(struct store *store, uint64_t seed, unsigned revisions,
					unsigned changes)
{
	uint64_t ignored;
	struct config *before = load(store, &ignored);

	for (unsigned i = 0; i < revisions; i++) {
		struct config *after = config_copy(before);

		for (unsigned j = 0; j < changes; j++)
			model_random_change(&seed, after);
		commit(store, before, after);
		config_free(before);
		before = after;
	}
	return before;
}

struct bytes {
	unsigned char *at;
	size_t size;
};

static inline struct bytes read_file(const char *path)
{
	FILE *stream = fopen(path, "rb");
	struct bytes bytes = {0};

	assert_non_null(stream);
	assert_int_equal(fseek(stream, 0, SEEK_END), 0);
	bytes.size = (size_t)ftell(stream);
	bytes.at = malloc(bytes.size + 1);
	rewind(stream);
	assert_int_equal(fread(bytes.at, 1, bytes.size, stream), bytes.size);
	fclose(stream);
	return bytes;
}

static inline void write_file(const char *path, const void *at, size_t size)
{
	FILE *stream = fopen(path, "wb");

	assert_non_null(stream);
	assert_int_equal(fwrite(at, 1, size, stream), size);
	assert_int_equal(fclose(stream), 0);
}

/* Runs in a child, which a failed assertion ends; what it does to limits and users dies with it. */
static inline void in_child(void (*run)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		setenv("CMOCKA_TEST_ABORT", "1", 1); /* or it would go on with the parent's tests */
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#endif
