/* What is done to a store while the power goes, and what must be true of it afterwards. */
#ifndef TESTS_POWER_SCENARIOS_H
#define TESTS_POWER_SCENARIOS_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cli/lb/files.h"
#include "tests/unit/power_store.h"

struct scenario {
	const char *name;
	uint64_t begins;       /* with this revision */
	void (*prepare)(void); /* NULL: with a store that has it */
	void (*work)(void);    /* is recorded */
	const char *(*check)(uint64_t least, uint64_t most); /* NULL, or what is wrong */
	bool marks; /* the work itself marks from where on something is sure */
};

/* Copies of the store. */

static uint64_t whole_copies[64]; /* by hash: these are known to be whole */
static unsigned whole_copies_count;

static bool copy_is_known(uint64_t hash)
{
	for (unsigned i = 0; i < whole_copies_count; i++)
		if (whole_copies[i] == hash)
			return true;
	return false;
}

/* These bytes are a store with a revision up to `most`. */
static const char *check_copy_bytes(const struct bytes *bytes, uint64_t most)
{
	uint64_t revision, hash = XXH64(bytes->at, bytes->size, most);
	char original[sizeof(file)];
	const char *said = NULL;
	struct store *store;

	if (copy_is_known(hash))
		return NULL;
	memcpy(original, file, sizeof(file));
	snprintf(file, sizeof(file), "%s/copy.db", directory);
	write_file(file, bytes->at, bytes->size);
	if (store_open(&store, file, error, sizeof(error))) {
		said = wrong("as a copy: %s", error);
	} else {
		said = check_loads(store, 0, most, &revision);
		store_close(store);
	}
	memcpy(file, original, sizeof(file));
	if (!said && whole_copies_count < sizeof(whole_copies) / sizeof(whole_copies[0]))
		whole_copies[whole_copies_count++] = hash;
	return said;
}

/* A copy beside the store is there whole, or not at all where it `may_miss`. */
static const char *check_copy(const char *suffix, bool may_miss, uint64_t most)
{
	char path[1100];
	const char *said;
	struct bytes bytes;

	snprintf(path, sizeof(path), "%s%s", file, suffix);
	if (access(path, F_OK))
		return may_miss ? NULL : wrong("there is no %s", suffix);
	bytes = read_file(path);
	said = check_copy_bytes(&bytes, most);
	free(bytes.at);
	return said;
}

static const char *check_store_and_copy(uint64_t least, uint64_t most)
{
	const char *said = check_copy(".backup", true, most);

	return said ? said : check_store(least, most);
}

/* Scenarios: what is done, and recorded. */

static void create_and_commit(void)
{
	make_store_up_to(2);
}

static void commit_large_and_small(void)
{
	make_store_up_to(LARGE + 2);
}

/* What is acknowledged while the disk is full is in the log alone. */
static void commit_without_folding(void)
{
	struct store *store = open_store();

	power.refuse = refuse_to_fold;
	commit_up_to(store, LARGE + 1);
	power.refuse = NULL;
	commit_up_to(store, LARGE + 2);
	store_close(store);
}

static void prune_revisions(void)
{
	make_store_up_to(REVISIONS_KEPT + 3);
}

static void start_and_stop_repeatedly(void)
{
	for (uint64_t number = 2; number <= 4; number++) {
		make_store_up_to(number - 1);
		make_store_up_to(number);
	}
}

/* What a start found is in force, and as durable as a commit, whoever wrote it. */
static void start_and_mark(void)
{
	struct store *store = open_store();
	uint64_t revision;

	config_free(load(store, &revision));
	power_mark(MARK_DONE, revision);
	commit_up_to(store, revision + 1);
	store_close(store);
}

/* As the way out of damage tells to, which syncs nothing. */
static void restore_a_copy(void)
{
	struct bytes bytes = read_file(file);
	int descriptor;

	assert_int_equal(unlink(file), 0);
	descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL, 0640);
	assert_true(descriptor >= 0);
	assert_int_equal(write(descriptor, bytes.at, bytes.size), bytes.size);
	close(descriptor);
	free(bytes.at);
	start_and_mark();
}

/* Migrations: from release 0.1, and to one that is yet to come. */

enum { LATER_ROWS = 300 };
static const char later[] =
	"CREATE TABLE later (a INTEGER PRIMARY KEY, b TEXT) STRICT;"
	"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
	"INSERT INTO later SELECT i, hex(zeroblob(50)) FROM n";

/* What a release with one more migration does. */
static const char *try_to_migrate_further(void)
{
	const char *steps[STORE_VERSION + 1];
	struct store old = {.file = file, .lock = -1};
	const char *said = NULL;

	memcpy(steps, store_migrations, sizeof(store_migrations));
	steps[STORE_VERSION] = later;
	if (sql_open(&old, error, sizeof(error)) ||
	    migrate(&old, steps, STORE_VERSION + 1, error, sizeof(error)))
		said = wrong("migrating: %s", error);
	sqlite3_db_config(old.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	sqlite3_close(old.db);
	return said;
}

static void migrate_further(void)
{
	const char *said = try_to_migrate_further();

	if (said)
		fail_msg("%s", said);
}

/* Makes a store that has been migrated further one of this release again. */
static const char *migrate_back(void)
{
	struct store raw = {.file = file, .lock = -1};
	const char *said = NULL;
	char back[96];
	int64_t rows;

	snprintf(back, sizeof(back), "BEGIN; DROP TABLE later; PRAGMA user_version = %d; COMMIT",
		 STORE_VERSION);
	if (sql_open(&raw, error, sizeof(error)) ||
	    sql_number(&raw, "SELECT count(*) FROM later", &rows, error, sizeof(error)) ||
	    sql_run(&raw, back, error, sizeof(error)))
		said = wrong("migrated, but: %s", error);
	else if (rows != LATER_ROWS)
		said = wrong("migrated, with %lld rows", (long long)rows);
	sqlite3_close(raw.db);
	return said;
}

/* Where it has left its schema version, there is a copy of it as it was. */
static const char *check_versions(int64_t from, uint64_t most)
{
	struct store raw = {.file = file, .lock = -1};
	const char *said = NULL;
	char suffix[32];
	int64_t version = 0;

	if (sql_open(&raw, error, sizeof(error)) ||
	    sql_number(&raw, "PRAGMA user_version", &version, error, sizeof(error)))
		said = wrong("its version: %s", error);
	sqlite3_close(raw.db);
	if (said || version == from)
		return said;
	snprintf(suffix, sizeof(suffix), ".v%lld.backup", (long long)from);
	return check_copy(suffix, false, most);
}

static const char *check_from_v1(uint64_t least, uint64_t most)
{
	const char *said = check_versions(1, most);

	return said ? said : check_store_and_copy(least, most);
}

static const char *check_further(uint64_t least, uint64_t most)
{
	const char *said = check_versions(STORE_VERSION, most);

	if (!said)
		said = try_to_migrate_further();
	if (!said)
		said = migrate_back();
	return said ? said : check_store_and_copy(least, most);
}

/* A commit that waits to be confirmed: with each revision after the first, it waits and then does
 * not. What there is, is told by one number. */

enum { CONFIRM_BEGINS = 3, CONFIRM_STATES = 6 };

static uint64_t confirm_state(uint64_t revision, bool waits)
{
	return 2 * revision - waits;
}

static int make_unconfirmed(struct store *store, uint64_t number)
{
	struct revision revision = {.time_s = 1700000000, .user = "alice"};
	const struct unconfirmed unconfirmed = {
		.back = number - 1, .made_ms = 1, .deadline_ms = 2, .user = "alice",
		.text = chain_text[number - 1],
	};

	return store_commit_unconfirmed(store, chain[number - 1], chain[number], &revision,
					&unconfirmed, error, sizeof(error));
}

static void commit_and_confirm(void)
{
	struct store *store = open_store();
	uint64_t begins = confirm_state(CONFIRM_BEGINS, false);

	power_mark(MARK_DONE, begins);
	for (uint64_t state = begins + 1; state <= begins + CONFIRM_STATES; state++) {
		power_mark(MARK_BEGUN, state);
		if (state % 2)
			assert_int_equal(make_unconfirmed(store, (state + 1) / 2), 0);
		else
			assert_int_equal(store_set_unconfirmed(store, NULL, error, sizeof(error)),
					 0);
		power_mark(MARK_DONE, state);
	}
	store_close(store);
}

static const char *check_unconfirmed(uint64_t least, uint64_t most)
{
	struct unconfirmed unconfirmed = {0};
	struct store *store;
	uint64_t revision, state;
	const char *said = NULL;

	if (store_open(&store, file, error, sizeof(error)))
		return wrong("it does not open: %s", error);
	if (store_unconfirmed(store, &unconfirmed, error, sizeof(error)))
		said = wrong("what waits: %s", error);
	if (!said)
		said = check_loads(store, 0, CHAIN_LENGTH, &revision);
	if (!said) {
		state = confirm_state(revision, unconfirmed.revision);
		if (state < least || state > most)
			said = wrong("revision %llu %s", (unsigned long long)revision,
				     unconfirmed.revision ? "waits" : "does not wait");
		else if (unconfirmed.revision &&
			 (unconfirmed.revision != revision || unconfirmed.deadline_ms != 2 ||
			  strcmp(unconfirmed.text, chain_text[revision - 1]) != 0))
			said = wrong("revision %llu waits, but to become another",
				     (unsigned long long)revision);
	}
	free(unconfirmed.text);
	store_close(store);
	return said ? said : check_store(least / 2, CHAIN_LENGTH);
}

/* The console's `backup FILE`. */

static const char console_copy[] = "a copy, as the console writes it: longer than a sector. ";

static struct bytes console_bytes(void)
{
	struct bytes bytes = {.size = 50 * strlen(console_copy)};

	bytes.at = malloc(bytes.size + 1);
	for (size_t at = 0; at < bytes.size; at += strlen(console_copy))
		strcpy((char *)bytes.at + at, console_copy);
	return bytes;
}

static void write_console_copy(void)
{
	struct bytes bytes = console_bytes();
	struct file_writer writer;

	file_writer_begin(&writer, file);
	file_writer_put(&writer, (const char *)bytes.at, bytes.size);
	assert_int_equal(file_writer_end(&writer), 0);
	power_mark(MARK_DONE, 1);
	free(bytes.at);
}

static const char *check_console_copy(uint64_t least, uint64_t most)
{
	struct bytes is, should;
	const char *said;

	(void)most;
	if (access(file, F_OK))
		return least ? wrong("there is no copy") : NULL;
	is = read_file(file);
	should = console_bytes();
	said = is.size == should.size && memcmp(is.at, should.at, is.size) == 0
		       ? NULL : wrong("the copy is not whole");
	free(is.at);
	free(should.at);
	return said;
}

enum scenario_name {
	CREATION, COMMITS, UNFOLDED, CONFIRM, PRUNING, STARTS, RESTORATION, FROM_V1, FURTHER,
	CONSOLE,
};

static const struct scenario scenarios[] = {
	[CREATION] = {.name = "creation", .work = create_and_commit,
		      .check = check_store_and_copy},
	[COMMITS] = {.name = "commits", .begins = 3, .work = commit_large_and_small,
		     .check = check_store_and_copy},
	[UNFOLDED] = {.name = "unfolded", .begins = 3, .work = commit_without_folding,
		      .check = check_store_and_copy},
	[CONFIRM] = {.name = "confirm", .begins = CONFIRM_BEGINS, .work = commit_and_confirm,
		     .check = check_unconfirmed, .marks = true},
	[PRUNING] = {.name = "pruning", .begins = REVISIONS_KEPT - 1, .work = prune_revisions,
		     .check = check_store_and_copy},
	[STARTS] = {.name = "starts", .begins = 1, .work = start_and_stop_repeatedly,
		    .check = check_store_and_copy},
	[RESTORATION] = {.name = "restoration", .begins = 2, .work = restore_a_copy,
			 .check = check_store_and_copy, .marks = true},
	[FROM_V1] = {.name = "from_v1", .begins = 1, .prepare = make_store_v1,
		     .work = start_and_mark, .check = check_from_v1},
	[FURTHER] = {.name = "further", .begins = 3, .work = migrate_further,
		     .check = check_further},
	[CONSOLE] = {.name = "console", .work = write_console_copy, .check = check_console_copy},
};

#endif
