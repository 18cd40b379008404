/* One SQLite connection: its settings, its statements, and its errors as sentences.
 *
 * locking_mode=EXCLUSIVE keeps other programs out while lbd runs: it writes only what differs from
 * what it knows to be on disk. WAL with synchronous=FULL syncs the log at every commit, which is
 * when a change is durable (https://sqlite.org/wal.html, section 2.3).
 */
#include "store/database.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BUSY_TIMEOUT_MS = 2000 }; /* a reader of the file, such as sqlite3, may be about to leave */

int store_refuse(char *error, size_t error_size, int result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, error_size, format, arguments);
	va_end(arguments);
	return result;
}

int sql_refuse(const struct store *store, char *error, size_t error_size)
{
	/* SQLite keeps it for some of its errors; set to 0 before, errno has it for the others. */
	int system = sqlite3_system_errno(store->db) ? sqlite3_system_errno(store->db) : errno;
	const char *said = sqlite3_errmsg(store->db);

	switch (sqlite3_errcode(store->db)) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return store_refuse(error, error_size, -EBUSY, "another program has %s open",
				    store->file);
	case SQLITE_FULL:
		return store_refuse(error, error_size, -ENOSPC,
				    "the disk is full, %s was not written%s", store->file,
				    file_advice(ENOSPC));
	case SQLITE_NOMEM:
		return store_refuse(error, error_size, -ENOMEM, "out of memory");
	case SQLITE_READONLY:
		return store_refuse(error, error_size, -EROFS, "%s cannot be written%s",
				    store->file, file_advice(EROFS));
	case SQLITE_CANTOPEN:
		/* Where SQLite cannot create its log, it looks for one, and keeps that errno. */
		if (system == ENOENT)
			return store_refuse(error, error_size, -EIO,
					    "%s: no file can be created beside it. Is there room "
					    "on its disk, and may lbd write to its directory?",
					    store->file);
		/* fallthrough */
	case SQLITE_IOERR:
	case SQLITE_PERM:
		return store_refuse(error, error_size, system ? -system : -EIO, "%s: %s: %s%s",
				    store->file, said,
				    system ? strerror(system) : "no reason given",
				    file_advice(system));
	default:
		return store_refuse(error, error_size, -EUCLEAN, "%s", said);
	}
}

int sql_run(const struct store *store, const char *sql, char *error, size_t error_size)
{
	errno = 0;
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return sql_refuse(store, error, error_size);
}

int sql_prepare(const struct store *store, const char *sql, sqlite3_stmt **ret_statement,
		char *error, size_t error_size)
{
	errno = 0;
	if (sqlite3_prepare_v2(store->db, sql, -1, ret_statement, NULL) == SQLITE_OK)
		return 0;
	return sql_refuse(store, error, error_size);
}

int sql_execute(const struct store *store, sqlite3_stmt *statement, char *error, size_t error_size)
{
	int result = 0;

	errno = 0;
	if (sqlite3_step(statement) != SQLITE_DONE)
		result = sql_refuse(store, error, error_size);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return result;
}

int sql_number(const struct store *store, const char *sql, int64_t *ret_number, char *error,
	       size_t error_size)
{
	sqlite3_stmt *statement;
	int result = sql_prepare(store, sql, &statement, error, error_size);

	if (result)
		return result;
	if (sqlite3_step(statement) == SQLITE_ROW)
		*ret_number = sqlite3_column_int64(statement, 0);
	else
		result = sql_refuse(store, error, error_size);
	sqlite3_finalize(statement);
	return result;
}

const char *sql_column_text(sqlite3_stmt *statement, int column)
{
	const char *text;

	if (sqlite3_column_type(statement, column) != SQLITE_TEXT)
		return NULL;
	text = (const char *)sqlite3_column_text(statement, column);
	if (!text || strlen(text) != (size_t)sqlite3_column_bytes(statement, column))
		return NULL;
	return text;
}

int sql_open(struct store *store, char *error, size_t error_size)
{
	static const int off[] = {
		SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_DQS_DDL, SQLITE_DBCONFIG_DQS_DML,
		SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
	};
	static const int on[] = {
		SQLITE_DBCONFIG_DEFENSIVE, SQLITE_DBCONFIG_ENABLE_FKEY,
		SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, /* until the store is known to be whole */
	};

	if (sqlite3_open_v2(store->file, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return store->db ? sql_refuse(store, error, error_size)
				 : store_refuse(error, error_size, -ENOMEM, "out of memory");
	if (sqlite3_db_readonly(store->db, "main"))
		return store_refuse(error, error_size, -EACCES, "%s cannot be written%s",
				    store->file, file_advice(EACCES));
	sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
		sqlite3_db_config(store->db, off[i], 0, NULL);
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
		sqlite3_db_config(store->db, on[i], 1, NULL);
	return sql_run(store, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
			      "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;",
		       error, error_size);
}
