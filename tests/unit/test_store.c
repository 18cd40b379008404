/* The store: what is committed is read back, and what it holds is what the schema tables say. */
#include <sqlite3.h>

#include "store/database.h"
#include "tests/unit/store.h"

static void a_new_store_is_empty_and_private(void **state)
{
	struct store *store;
	struct config *empty = config_new();
	struct stat status;

	(void)state;
	umask(022); /* a stricter one of the user's would be obeyed */
	snprintf(file, sizeof(file), "%s/new/lb.db", directory);
	store = open_store();
	assert_loads(store, empty, 0);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	store_close(store);
	*strrchr(file, '/') = 0;
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0750);
	config_free(empty);
}

/* One column an attribute, in any order, typed and constrained as the attribute is. */
static void check_columns(sqlite3 *db, enum kind kind)
{
	const struct schema *schema = schema_of(kind);
	char sql[128];
	sqlite3_stmt *row;
	unsigned columns = 0;

	snprintf(sql, sizeof(sql), "PRAGMA table_info(\"%s\")", schema->name);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
	for (; sqlite3_step(row) == SQLITE_ROW; columns++) {
		char name[64], *underscore;
		const struct attribute *attribute;
		ptrdiff_t position;

		snprintf(name, sizeof(name), "%s", (const char *)sqlite3_column_text(row, 1));
		while ((underscore = strchr(name, '_')))
			*underscore = '-';
		attribute = schema_attribute(kind, name);
		if (!attribute)
			fail_msg("table %s has a column %s, the schema has no such attribute",
				 schema->name, name);
		position = attribute - schema->attribute + 1;
		assert_string_equal((const char *)sqlite3_column_text(row, 2),
				    attribute->type == VALUE_NUMBER ? "INTEGER" : "TEXT");
		assert_int_equal(sqlite3_column_int(row, 3), !attribute_optional(attribute));
		assert_int_equal(sqlite3_column_int(row, 5),
				 attribute->flags & ATTRIBUTE_ID ? (int)position : 0);
	}
	assert_int_equal(columns, schema->attributes);
	sqlite3_finalize(row);
}

static void the_columns_are_the_attributes_of_the_schema(void **state)
{
	sqlite3 *db;

	(void)state;
	store_close(open_store());
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	for (enum kind kind = 0; kind < KIND_COUNT; kind++)
		check_columns(db, kind);
	sqlite3_close(db);
}

enum { GENERATED = 250, GENERATED_CHANGES = 60, REOPEN_EVERY = 5 };

/* A chain of commits: every configuration comes from the one before by random changes. */
static void generated_configurations_are_read_back_whole(void **state)
{
	struct store *store = open_store();
	struct config *before = config_new();
	uint64_t random = 20241121;

	(void)state;
	for (unsigned i = 1; i <= GENERATED; i++) {
		struct config *after = i % 10 ? config_copy(before) : config_new();

		for (unsigned j = 0; j < GENERATED_CHANGES; j++)
			model_random_change(&random, after);
		assert_int_equal(commit(store, before, after), i);
		if (i % REOPEN_EVERY == 0) {
			store_close(store);
			store = open_store();
		}
		assert_loads(store, after, i);
		config_free(before);
		before = after;
	}
	config_free(before);
	store_close(store);
}

/* test_store_power.c shows what it is for. */
static void a_commit_is_written_ahead_and_synced_in_full(void **state)
{
	enum { OFF, NORMAL, FULL };
	struct store *store = open_store();
	sqlite3_stmt *row;
	int64_t synchronous;

	(void)state;
	assert_int_equal(sql_number(store, "PRAGMA synchronous", &synchronous, error,
				    sizeof(error)), 0);
	assert_int_equal(synchronous, FULL);
	assert_int_equal(sql_prepare(store, "PRAGMA journal_mode", &row, error, sizeof(error)), 0);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(row, 0), "wal");
	sqlite3_finalize(row);
	store_close(store);
}

static void a_closed_store_is_one_file(void **state)
{
	struct store *store = open_store();
	char log[1100];

	(void)state;
	snprintf(log, sizeof(log), "%s-wal", file);
	config_free(fill_store(store, 7, 2, 20));
	assert_int_equal(access(log, F_OK), 0);
	store_close(store);
	assert_int_equal(access(log, F_OK), -1);
}

struct listed {
	unsigned count;
	struct revision revision[REVISIONS_KEPT + 1];
};

static void list(void *context, const struct revision *revision)
{
	struct listed *listed = context;

	assert_true(listed->count <= REVISIONS_KEPT);
	listed->revision[listed->count++] = *revision;
}

static void fifty_revisions_are_kept_with_their_texts(void **state)
{
	struct store *store = open_store();
	struct config *before = config_new();
	struct listed listed = {0};
	char line[64], *text;

	(void)state;
	for (unsigned i = 1; i <= REVISIONS_KEPT + 7; i++) {
		struct revision revision = {.time_s = 1700000000 + i, .user = "bob"};
		struct config *after = config_copy(before);

		snprintf(line, sizeof(line), "set global seed %u", i);
		model_do(after, line);
		snprintf(revision.comment, sizeof(revision.comment), "the %u'th", i);
		assert_int_equal(
			store_commit(store, before, after, &revision, error, sizeof(error)), 0);
		assert_int_equal(revision.number, i);
		assert_int_equal(revision.changes, 1);
		config_free(before);
		before = after;
	}
	assert_int_equal(store_revisions(store, list, &listed, error, sizeof(error)), 0);
	assert_int_equal(listed.count, REVISIONS_KEPT);
	assert_int_equal(listed.revision[0].number, REVISIONS_KEPT + 7);
	assert_int_equal(listed.revision[0].time_s, 1700000000 + REVISIONS_KEPT + 7);
	assert_string_equal(listed.revision[0].user, "bob");
	assert_string_equal(listed.revision[0].comment, "the 57'th");
	assert_int_equal(listed.revision[REVISIONS_KEPT - 1].number, 8);
	assert_int_equal(store_revision_text(store, 8, &text, error, sizeof(error)), 0);
	assert_string_equal(text, "set global seed 8\n");
	free(text);
	assert_int_equal(store_revision_text(store, 7, &text, error, sizeof(error)), -ENOENT);
	assert_string_equal(error, "revision 7 is not kept");
	config_free(before);
	store_close(store);
}

/* References move and their old targets go in one commit, whatever the order of rows is. */
static void what_is_referred_to_can_be_replaced_in_one_commit(void **state)
{
	static const char *const first[] = {
		"add interface a role both address 10.0.0.1/24",
		"add check c tcp",
		"add pool p check c",
		"add backend p 10.0.0.2:80",
		"add service s 192.0.2.1:80/tcp pool p",
		"add neighbor 10.0.0.2 mac 02:00:00:00:00:02 interface a",
	};
	static const char *const second[] = {
		"add interface b role both address 10.0.0.1/24",
		"add check d tcp",
		"add pool q check d",
		"add backend q 10.0.0.2:80",
		"add service s 192.0.2.1:80/tcp pool q",
		"add neighbor 10.0.0.2 mac 02:00:00:00:00:02 interface b",
	};
	struct store *store = open_store();
	struct config *none = config_new(), *one = config_new(), *other = config_new();

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		model_do(one, first[i]);
		model_do(other, second[i]);
	}
	commit(store, none, one);
	commit(store, one, other);
	assert_loads(store, other, 2);
	commit(store, other, none);
	assert_loads(store, none, 3);
	config_free(none);
	config_free(one);
	config_free(other);
	store_close(store);
}

static void a_commit_against_another_state_of_the_disk_is_refused(void **state)
{
	struct store *store = open_store();
	struct config *none = config_new(), *one = config_new();
	struct revision revision = {.number = 77};

	(void)state;
	model_do(one, "add pool p");
	assert_int_equal(store_commit(store, one, none, &revision, error, sizeof(error)), -EUCLEAN);
	assert_string_equal(error, "a row of table pool is missing");
	assert_int_equal(revision.number, 77);
	assert_int_equal(commit(store, none, one), 1);
	assert_loads(store, one, 1);
	config_free(none);
	config_free(one);
	store_close(store);
}

static void a_backup_is_a_store(void **state)
{
	struct store *store = open_store();
	struct config *config = fill_store(store, 5, 3, 40);
	void *bytes;
	size_t size;

	(void)state;
	assert_int_equal(store_backup(store, &bytes, &size, error, sizeof(error)), 0);
	store_close(store);
	snprintf(file, sizeof(file), "%s/copy.db", directory);
	write_file(file, bytes, size);
	free(bytes);
	store = open_store();
	assert_loads(store, config, 3);
	store_close(store);
	config_free(config);
}

static void a_description_counts_what_is_in_it(void **state)
{
	struct store *store = open_store();
	struct config *none = config_new(), *one = config_new();
	char text[1024], tiny[8], expected[64];
	int length;

	(void)state;
	model_do(one, "add pool p");
	model_do(one, "add backend p 10.0.0.2:80");
	model_do(one, "add backend p 10.0.0.3:80");
	commit(store, none, one);
	length = store_describe(store, text, sizeof(text));
	assert_int_equal(length, strlen(text));
	assert_int_equal(store_describe(store, tiny, sizeof(tiny)), length);
	snprintf(expected, sizeof(expected), "lb.db: schema %d, revision 1, 1 revisions kept\n",
		 STORE_VERSION);
	assert_non_null(strstr(text, expected));
	assert_non_null(strstr(text, " 1 pool\n"));
	assert_non_null(strstr(text, " 2 backend\n"));
	config_free(none);
	config_free(one);
	store_close(store);
}

static void a_migration_leaves_a_backup_of_what_was_before(void **state)
{
	const char *steps[STORE_VERSION + 2];
	struct store old = {.file = file, .lock = -1};
	char path[1100];
	sqlite3 *backup;
	int64_t version;

	(void)state;
	memcpy(steps, store_migrations, sizeof(store_migrations));
	steps[STORE_VERSION] = steps[STORE_VERSION + 1] = "CREATE TABLE later (a INTEGER) STRICT";
	store_close(open_store());
	assert_int_equal(sql_open(&old, error, sizeof(error)), 0);
	assert_int_equal(migrate(&old, steps, STORE_VERSION + 1, error, sizeof(error)), 0);
	assert_int_equal(sql_number(&old, "PRAGMA user_version", &version, error, sizeof(error)),
			 0);
	assert_int_equal(version, STORE_VERSION + 1);

	/* The next cannot be done: nothing of it is, and the one before stays. */
	assert_int_equal(migrate(&old, steps, STORE_VERSION + 2, error, sizeof(error)), -EUCLEAN);
	assert_says("already exists");
	assert_int_equal(sql_number(&old, "PRAGMA user_version", &version, error, sizeof(error)),
			 0);
	assert_int_equal(version, STORE_VERSION + 1);
	sqlite3_close(old.db);

	snprintf(path, sizeof(path), "%s.v%d.backup", file, STORE_VERSION);
	assert_int_equal(sqlite3_open_v2(path, &backup, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	old.db = backup;
	assert_int_equal(sql_number(&old, "PRAGMA user_version", &version, error, sizeof(error)),
			 0);
	assert_int_equal(version, STORE_VERSION);
	sqlite3_close(backup);
}

enum { MANY = 10000 };

static void ten_thousand_objects_are_stored_and_read_back(void **state)
{
	struct store *store = open_store();
	struct config *none = config_new(), *many = config_new();
	char line[64];

	(void)state;
	model_do(many, "add pool web");
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(line, sizeof(line), "add backend web 10.1.%u.%u:80", i >> 8, i & 255);
		model_do(many, line);
	}
	commit(store, none, many);
	store_close(store);
	store = open_store();
	assert_loads(store, many, 1);
	commit(store, many, none);
	assert_loads(store, none, 2);
	config_free(none);
	config_free(many);
	store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_store_is_empty_and_private),
		TEST(the_columns_are_the_attributes_of_the_schema),
		TEST(generated_configurations_are_read_back_whole),
		TEST(a_commit_is_written_ahead_and_synced_in_full),
		TEST(a_closed_store_is_one_file),
		TEST(fifty_revisions_are_kept_with_their_texts),
		TEST(what_is_referred_to_can_be_replaced_in_one_commit),
		TEST(a_commit_against_another_state_of_the_disk_is_refused),
		TEST(a_backup_is_a_store),
		TEST(a_description_counts_what_is_in_it),
		TEST(a_migration_leaves_a_backup_of_what_was_before),
		TEST(ten_thousand_objects_are_stored_and_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
