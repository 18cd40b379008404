/* The configuration on disk: opening and verifying it, and making a change durable.
 *
 * A store is opened only when everything in it reads back: the pages (quick_check), the references,
 * every revision's sum, every row as a valid object, and all rows together as the text of the
 * newest revision. So what is loaded is what was committed, or nothing is.
 */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/database.h"

enum { REASON_SIZE = 1024 };

/* The rows as a configuration, compared with what the newest revision says. */
static int load_verified(const struct store *store, struct config **ret_config,
			 uint64_t *ret_revision, char *error, size_t error_size)
{
	struct config *config = NULL;
	char *rows = NULL, *text = NULL;
	int result = revisions_verify(store, ret_revision, &text, error, error_size);

	if (!result)
		result = rows_load(store, &config, error, error_size);
	if (!result) {
		rows = config_text(config);
		if (!rows)
			result = store_refuse(error, error_size, -ENOMEM, "out of memory");
		else if (strcmp(rows, text) != 0)
			result = store_refuse(error, error_size, -EUCLEAN, "its objects are not "
					      "those of its newest revision, %llu",
					      (unsigned long long)*ret_revision);
	}
	free(rows);
	free(text);
	if (result)
		config_free(config);
	else
		*ret_config = config;
	return result;
}

/* One row, "ok"; anything else is what is wrong, below a line that names the database. */
static int quick_check(const struct store *store, char *error, size_t error_size)
{
	sqlite3_stmt *statement;
	const char *said = "nothing";
	int result = sql_prepare(store, "PRAGMA quick_check(1)", &statement, error, error_size);

	if (result)
		return result;
	if (sqlite3_step(statement) != SQLITE_ROW)
		result = sql_refuse(store, error, error_size);
	else
		said = (const char *)sqlite3_column_text(statement, 0);
	if (!result && (!said || strcmp(said, "ok") != 0))
		result = store_refuse(error, error_size, -EUCLEAN, "quick_check says: %s",
				      said && strchr(said, '\n') ? strchr(said, '\n') + 1 : said);
	sqlite3_finalize(statement);
	return result;
}

static int verify(const struct store *store, char *error, size_t error_size)
{
	struct unconfirmed unconfirmed;
	struct config *config;
	uint64_t revision;
	int result = load_verified(store, &config, &revision, error, error_size);

	if (result)
		return result;
	config_free(config);
	result = unconfirmed_get(store, &unconfirmed, error, error_size);
	if (!result)
		free(unconfirmed.text);
	return result;
}

/* Moves what is committed from the log into the file. The log has sums, but SQLite takes what
 * follows a damaged part of it for never written: so it holds acknowledged commits only in passing.
 * Where this fails (no room, say), they are in the log, and it is tried again after the next. */
static bool fold_log(const struct store *store)
{
	return sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL,
					 NULL) == SQLITE_OK;
}

/* A newer schema is refused before anything else is asked of the file. */
static int refuse_newer(const struct store *store, char *error, size_t error_size)
{
	int64_t version;
	int result = sql_number(store, "PRAGMA user_version", &version, error, error_size);

	if (!result && version > STORE_VERSION)
		result = store_refuse(error, error_size, -EPROTO,
				      "%s was written by a newer lbd: its schema is version %lld, "
				      "this lbd knows %d. Start the newer lbd again, or give this "
				      "one another store with --db", store->file,
				      (long long)version, STORE_VERSION);
	return result;
}

/* What SQLite says of a damaged file may quote the damage: for a terminal, only what prints. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static int open_existing(struct store *store, char *error, size_t error_size)
{
	char reason[REASON_SIZE];
	int result = file_inspect(store, reason, sizeof(reason));

	if (!result)
		result = file_sync(store, reason, sizeof(reason));
	if (!result)
		result = sql_open(store, reason, sizeof(reason));
	if (!result)
		result = refuse_newer(store, reason, sizeof(reason));
	if (!result)
		result = quick_check(store, reason, sizeof(reason));
	if (!result)
		result = sql_run(store, "PRAGMA journal_mode = WAL", reason, sizeof(reason));
	if (!result)
		result = migrate(store, store_migrations, STORE_VERSION, reason, sizeof(reason));
	if (!result)
		result = verify(store, reason, sizeof(reason));
	if (result == -EUCLEAN) {
		make_printable(reason);
		store_refuse(error, error_size, result, "%s is damaged: %s.", store->file, reason);
		file_way_out(store, error, error_size);
	} else if (result) {
		store_refuse(error, error_size, result, "%s", reason);
	}
	return result;
}

int store_open(struct store **ret_store, const char *file, char *error, size_t error_size)
{
	struct store *store = calloc(1, sizeof(*store));
	char reason[REASON_SIZE];
	int result;

	if (!store)
		return store_refuse(error, error_size, -ENOMEM, "out of memory");
	error[0] = 0;
	store->lock = -1;
	result = file_resolve(store, file, error, error_size);
	if (!result)
		result = file_lock(store, error, error_size);
	if (!result && access(store->file, F_OK) && errno == ENOENT)
		result = file_create(store, error, error_size);
	if (!result)
		result = open_existing(store, error, error_size);
	if (result) {
		store_close(store);
		return result;
	}
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	fold_log(store);
	if (file_backup(store, ".backup", reason, sizeof(reason)))
		store_refuse(error, error_size, 0,
			     "the store is fine, but no copy of it was kept: %s", reason);
	*ret_store = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	sqlite3_close(store->db);
	if (store->lock >= 0)
		close(store->lock);
	free(store->file);
	free(store);
}

int store_load(struct store *store, struct config **ret_config, uint64_t *ret_revision, char *error,
	       size_t error_size)
{
	return load_verified(store, ret_config, ret_revision, error, error_size);
}

static int write_unconfirmed(const struct store *store, const struct unconfirmed *unconfirmed,
			     uint64_t revision, char *error, size_t error_size)
{
	struct unconfirmed waits;

	if (!unconfirmed)
		return unconfirmed_put(store, NULL, error, error_size);
	waits = *unconfirmed;
	if (!waits.revision)
		waits.revision = revision;
	return unconfirmed_put(store, &waits, error, error_size);
}

static int write_revision(const struct store *store, const struct config *before,
			  const struct config *after, struct revision *revision, const char *text,
			  const struct unconfirmed *unconfirmed, char *error, size_t error_size)
{
	int result = rows_save(store, before, after, &revision->changes, error, error_size);

	if (!result)
		result = revisions_add(store, revision, text, error, error_size);
	return result ? result : write_unconfirmed(store, unconfirmed, revision->number, error,
						   error_size);
}

/* When the sync of a commit fails, the log has it whole all the same, and a later start would take
 * it for committed: it is cut off there. */
static void withdraw(const struct store *store, char *error, size_t error_size)
{
	sqlite3_file *log = NULL;
	size_t length = strlen(error);

	if (fold_log(store) &&
	    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) ==
		    SQLITE_OK &&
	    log->pMethods && log->pMethods->xSync(log, SQLITE_SYNC_FULL) == SQLITE_OK)
		return;
	snprintf(error + length, error_size - length,
		 ". This disk fails: the change may be found on it at the next start all the same");
}

/* Ends a transaction: by a COMMIT where all of it was done, `result` 0; else nothing of it stays. */
static int finish(const struct store *store, int result, char *error, size_t error_size)
{
	char ignored[REASON_SIZE];
	bool unsynced;

	if (!result)
		result = sql_run(store, "COMMIT", error, error_size);
	if (!result) {
		fold_log(store);
		return 0;
	}
	unsynced = sqlite3_extended_errcode(store->db) == SQLITE_IOERR_FSYNC;
	if (!sqlite3_get_autocommit(store->db))
		sql_run(store, "ROLLBACK", ignored, sizeof(ignored));
	if (unsynced)
		withdraw(store, error, error_size);
	return result;
}

int store_commit(struct store *store, const struct config *before, const struct config *after,
		 struct revision *revision, char *error, size_t error_size)
{
	return store_commit_unconfirmed(store, before, after, revision, NULL, error, error_size);
}

int store_commit_unconfirmed(struct store *store, const struct config *before,
			     const struct config *after, struct revision *revision,
			     const struct unconfirmed *unconfirmed, char *error, size_t error_size)
{
	struct revision next = *revision;
	char *text = config_text(after);
	int result = text ? sql_run(store, "BEGIN IMMEDIATE", error, error_size)
			  : store_refuse(error, error_size, -ENOMEM, "out of memory");

	if (!result)
		result = finish(store,
				write_revision(store, before, after, &next, text, unconfirmed, error,
					       error_size),
				error, error_size);
	free(text);
	if (!result)
		*revision = next;
	return result;
}

int store_set_unconfirmed(struct store *store, const struct unconfirmed *unconfirmed, char *error,
			  size_t error_size)
{
	int result = sql_run(store, "BEGIN IMMEDIATE", error, error_size);

	return result ? result : finish(store,
					unconfirmed_put(store, unconfirmed, error, error_size),
					error, error_size);
}

int store_unconfirmed(struct store *store, struct unconfirmed *ret_unconfirmed, char *error,
		      size_t error_size)
{
	return unconfirmed_get(store, ret_unconfirmed, error, error_size);
}

int store_backup(struct store *store, void **ret_bytes, size_t *ret_size, char *error,
		 size_t error_size)
{
	sqlite3_int64 size = 0;
	unsigned char *bytes = sqlite3_serialize(store->db, "main", &size, 0);
	void *copy = bytes ? malloc((size_t)size) : NULL;

	if (!copy) {
		sqlite3_free(bytes);
		return store_refuse(error, error_size, -ENOMEM, "out of memory");
	}
	*ret_bytes = memcpy(copy, bytes, (size_t)size);
	*ret_size = (size_t)size;
	sqlite3_free(bytes);
	return 0;
}

int store_describe(struct store *store, char *ret_text, size_t size)
{
	struct config *config = NULL;
	char error[REASON_SIZE];
	uint64_t revision;
	int64_t version = 0, kept = 0;
	int length, result = load_verified(store, &config, &revision, error, sizeof(error));

	if (!result)
		result = sql_number(store, "PRAGMA user_version", &version, error, sizeof(error));
	if (!result)
		result = sql_number(store, "SELECT count(*) FROM \"revision\"", &kept, error,
				    sizeof(error));
	if (result) {
		config_free(config);
		return snprintf(ret_text, size, "%s: %s\n", store->file, error);
	}
	length = snprintf(ret_text, size, "%s: schema %lld, revision %llu, %lld revisions kept\n",
			  store->file, (long long)version, (unsigned long long)revision,
			  (long long)kept);
	for (enum kind kind = KIND_GLOBAL + 1; kind < KIND_COUNT; kind++)
		length += snprintf(ret_text + ((size_t)length < size ? (size_t)length : size),
				   (size_t)length < size ? size - (size_t)length : 0, "%10u %s\n",
				   config_count(config, kind), schema_of(kind)->name);
	config_free(config);
	return length;
}
