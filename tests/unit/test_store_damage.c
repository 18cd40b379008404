/* A damaged store is refused with the way out, or loaded exactly; never half of what it was. */
#include <sqlite3.h>

#include "store/database.h"
#include "tests/unit/store.h"

enum { SEED = 11, REVISIONS = 4, CHANGES = 60, HEADER_SIZE = 100, STEP = 61 };

static struct config *whole;  /* what the store of the test holds, in REVISIONS revisions */
static struct bytes pristine; /* its file */

static int make_store(void **state)
{
	struct store *store;

	if (make_directory(state))
		return -1;
	store = open_store();
	whole = fill_store(store, SEED, REVISIONS, CHANGES);
	store_close(store);
	pristine = read_file(file);
	return 0;
}

static int remove_store(void **state)
{
	config_free(whole);
	free(pristine.at);
	return remove_directory(state);
}

static void forget_backups(void)
{
	char path[1100];

	snprintf(path, sizeof(path), "%s.backup", file);
	unlink(path);
}

/* The file as it stands is opened: refused with sentences and left alone, or exactly the whole. */
static bool refused_or_whole(void)
{
	struct bytes before = read_file(file);
	struct store *store = NULL;
	int result = store_open(&store, file, error, sizeof(error));

	if (result) {
		struct bytes after = read_file(file);

		assert_null(store);
		assert_true(strlen(error) > strlen(file));
		assert_int_equal(after.size, before.size);
		assert_memory_equal(after.at, before.at, before.size);
		free(after.at);
	} else {
		assert_loads(store, whole, REVISIONS);
		store_close(store);
	}
	free(before.at);
	return result;
}

static void a_changed_byte_anywhere_is_refused_or_harmless(void **state)
{
	unsigned refused = 0, opened = 0;
	unsigned char *copy = malloc(pristine.size);

	(void)state;
	for (size_t at = 0; at < pristine.size; at += at < HEADER_SIZE ? 1 : STEP) {
		memcpy(copy, pristine.at, pristine.size);
		copy[at] ^= (unsigned char)(1 << at % 8);
		write_file(file, copy, pristine.size);
		if (refused_or_whole())
			refused++;
		else
			opened++;
	}
	print_message("%u refused, %u harmless\n", refused, opened);
	assert_true(refused > 100);
	free(copy);
}

/* Nothing that is read is wrong here, but what is written next might be. */
static void damage_beside_the_content_is_refused_too(void **state)
{
	enum { FREE_PAGES_AT = 36 };

	(void)state;
	pristine.at[FREE_PAGES_AT + 3] ^= 1;
	write_file(file, pristine.at, pristine.size);
	assert_true(refused_or_whole());
	assert_says("is damaged: quick_check says: ");
}

static void a_zeroed_or_foreign_page_is_refused_or_harmless(void **state)
{
	enum { PAGE = 4096 };
	unsigned char *copy = malloc(pristine.size);

	(void)state;
	for (size_t at = 0; at < pristine.size; at += PAGE) {
		for (unsigned how = 0; how < 2; how++) {
			memcpy(copy, pristine.at, pristine.size);
			if (how)
				memcpy(copy + at, pristine.at + (at + PAGE) % pristine.size, PAGE);
			else
				memset(copy + at, 0, PAGE);
			write_file(file, copy, pristine.size);
			refused_or_whole();
		}
	}
	free(copy);
}

/* What is acknowledged is in the file itself: a log beside it can be lost or damaged. */
static void a_damaged_log_takes_no_commit_away(void **state)
{
	struct store *store = open_store();
	struct config *config = fill_store(store, SEED + 1, 1, CHANGES);
	char path[1100];
	struct bytes open_file = read_file(file);

	(void)state;
	store_close(store);
	write_file(file, open_file.at, open_file.size);
	snprintf(path, sizeof(path), "%s-wal", file);
	write_file(path, pristine.at, pristine.size);
	store = open_store();
	assert_loads(store, config, REVISIONS + 1);
	store_close(store);
	free(open_file.at);
	config_free(config);
}

static void a_file_cut_short_is_refused(void **state)
{
	size_t used = pristine.size;

	(void)state;
	/* Zeros at the end of the last page are read as zeros where they are missing, too. */
	while (!pristine.at[used - 1])
		used--;
	for (size_t length = 0; length < used; length += length < HEADER_SIZE ? 9 : 509) {
		write_file(file, pristine.at, length);
		assert_true(refused_or_whole());
		assert_says("is damaged: ");
	}
}

static void an_empty_file_is_damage_and_not_a_new_store(void **state)
{
	(void)state;
	write_file(file, "", 0);
	refuse_store(-EUCLEAN);
	assert_says("it is empty, which lbd never leaves it");
	assert_says("cp -p ");
}

/* The commands that the refusal tells are run as they stand. */
static void the_way_out_brings_the_last_good_start_back(void **state)
{
	struct store *store;
	char *at, command[8192] = "";

	(void)state;
	/* make_store() opened once, on nothing; this start finds all that was committed. */
	store = open_store();
	store_close(store);
	write_file(file, "garbage", 7);
	refuse_store(-EUCLEAN);
	assert_says("it does not begin as a database does");
	at = strstr(error, "\n  mv ");
	assert_non_null(at);
	strcpy(command, at + 1);
	assert_int_equal(system(command), 0);
	store = open_store();
	assert_loads(store, whole, REVISIONS);
	store_close(store);
}

static void without_a_backup_the_way_out_says_so(void **state)
{
	(void)state;
	forget_backups();
	write_file(file, "garbage", 7);
	refuse_store(-EUCLEAN);
	assert_says("There is no backup beside it");
	assert_says("cp COPY ");
}

static void edit(const char *sql)
{
	sqlite3 *db;
	char *said = NULL;

	write_file(file, pristine.at, pristine.size);
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &said) != SQLITE_OK)
		fail_msg("%s: %s", sql, said);
	sqlite3_close(db);
}

static void a_row_edited_by_hand_is_told_by_table_row_and_column(void **state)
{
	static const struct { const char *sql, *sentence; } rows[] = {
		{"INSERT INTO pool VALUES ('web', 'maglev', '5-tuple', NULL);"
		 "INSERT INTO backend VALUES ('web', '10.0.0.1:80', 70000, NULL, 'enabled')",
		 "table backend, row \"web/10.0.0.1:80\", column weight: weight 70000 is out of "
		 "range 0-65535"},
		{"INSERT INTO pool VALUES ('web', 'robin', '5-tuple', NULL)",
		 "table pool, row \"web\", column scheduler: scheduler \"robin\" is not one of: "
		 "maglev"},
		{"INSERT INTO pool VALUES ('a b', 'maglev', '5-tuple', NULL)",
		 "table pool, row \"a b\", column name: name \"a b\" has more than letters"},
		{"INSERT INTO pool VALUES ('web', 'maglev', '5-tuple', 'gone')",
		 "table pool, row \"web\": no check \"gone\""},
		{"INSERT INTO interface VALUES ('x', 'both', '10.0.0.1/24  10.0.1.1/24', NULL, NULL)",
		 "table interface, row \"x\", column address: address \"\" is not an address with "
		 "its network"},
		{"INSERT INTO interface VALUES ('x', 'both', NULL, NULL, 'a' || char(0) || 'b')",
		 "table interface, row \"x\", column filter: filter is of the wrong type"},
		{"DELETE FROM global", "table global has 0 rows for 1 objects"},
		{"INSERT INTO global SELECT * FROM global",
		 "table global has 2 rows for 1 objects"},
		{"INSERT INTO pool VALUES ('fine', 'maglev', '5-tuple', NULL)",
		 "its objects are not those of its newest revision, 4"},
		{"UPDATE global SET seed = seed + 1",
		 "its objects are not those of its newest revision, 4"},
		{"UPDATE revision SET text = text || 'x' WHERE number = 2",
		 "revision 2 is not what was written"},
		{"UPDATE revision SET user = 'eve' WHERE number = 1",
		 "revision 1 is not what was written"},
		{"UPDATE revision SET number = 9 WHERE number = 4",
		 "revision 9 is not what was written"},
		{"DELETE FROM revision WHERE number = 4",
		 "its objects are not those of its newest revision, 3"},
		{"DROP TABLE service", "no such table: service"},
		{"ALTER TABLE pool RENAME COLUMN affinity TO stickiness", "no such column"},
		{"PRAGMA user_version = 0", "already exists"},
		{"PRAGMA user_version = -3", "its schema version is -3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		edit(rows[i].sql);
		refuse_store(-EUCLEAN);
		assert_says(rows[i].sentence);
		assert_says("cp -p ");
	}
}

static void a_newer_store_is_refused_and_left_alone(void **state)
{
	char sql[96], sentence[96];

	(void)state;
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d; CREATE TABLE later (a)",
		 STORE_VERSION + 1);
	edit(sql);
	assert_true(refused_or_whole());
	refuse_store(-EPROTO);
	snprintf(sentence, sizeof(sentence),
		 "was written by a newer lbd: its schema is version %d, this lbd knows %d",
		 STORE_VERSION + 1, STORE_VERSION);
	assert_says(sentence);
}

static void a_database_of_another_program_is_refused_and_left_alone(void **state)
{
	sqlite3 *db;

	(void)state;
	unlink(file);
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_true(refused_or_whole());
	refuse_store(-EMEDIUMTYPE);
	assert_says("is a database, but not one of lbd");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_store, remove_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_changed_byte_anywhere_is_refused_or_harmless),
		TEST(damage_beside_the_content_is_refused_too),
		TEST(a_zeroed_or_foreign_page_is_refused_or_harmless),
		TEST(a_damaged_log_takes_no_commit_away),
		TEST(a_file_cut_short_is_refused),
		TEST(an_empty_file_is_damage_and_not_a_new_store),
		TEST(the_way_out_brings_the_last_good_start_back),
		TEST(without_a_backup_the_way_out_says_so),
		TEST(a_row_edited_by_hand_is_told_by_table_row_and_column),
		TEST(a_newer_store_is_refused_and_left_alone),
		TEST(a_database_of_another_program_is_refused_and_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
