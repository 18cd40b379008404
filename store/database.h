/* The store's inside: one SQLite connection, its file, and the parts that work on them.
 *
 * Functions return 0 or a negative errno with a sentence in `error`; -EUCLEAN says that what is on
 * disk is not what lbd wrote.
 */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include <sqlite3.h>

#include "store/store.h"

struct store {
	sqlite3 *db;
	char *file; /* absolute, without symbolic links */
	int lock;   /* descriptor of FILE.lock, held as long as the store is open */
};

/* Writes a sentence; returns `result`. */
__attribute__((format(printf, 4, 5)))
int store_refuse(char *error, size_t error_size, int result, const char *format, ...);

/* sql.c: one statement at a time, and what SQLite's errors mean. */
int sql_refuse(const struct store *store, char *error, size_t error_size);
int sql_run(const struct store *store, const char *sql, char *error, size_t error_size);
int sql_prepare(const struct store *store, const char *sql, sqlite3_stmt **ret_statement,
		char *error, size_t error_size);
/* Runs a statement that returns no rows, and makes it ready for the next time. */
int sql_execute(const struct store *store, sqlite3_stmt *statement, char *error, size_t error_size);
/* The one number that a query gives. */
int sql_number(const struct store *store, const char *sql, int64_t *ret_number, char *error,
	       size_t error_size);
/* The text of a column; NULL where it is not a text or has a zero inside. */
const char *sql_column_text(sqlite3_stmt *statement, int column);
/* Opens a connection to store->file, which must exist, with all its settings but the journal's. */
int sql_open(struct store *store, char *error, size_t error_size);

/* migrate.c */
enum {
	STORE_APPLICATION_ID = 0x6c626462, /* "lbdb", at byte 68 of the file */
	STORE_VERSION = 4,                 /* user_version: how many of the migrations are done */
};
extern const char *const store_migrations[STORE_VERSION];
/* Brings the schema from the version that it has to `version`, each step in a transaction of its
 * own, after a copy to FILE.vN.backup where there was a version N before. */
int migrate(const struct store *store, const char *const *steps, int version, char *error,
	    size_t error_size);

/* rows.c: objects as rows, from the schema tables. */
int rows_load(const struct store *store, struct config **ret_config, char *error,
	      size_t error_size);
/* Within a transaction. */
int rows_save(const struct store *store, const struct config *before, const struct config *after,
	      unsigned *ret_changes, char *error, size_t error_size);

/* revisions.c */
/* Within a transaction: the next number, written with its text; the oldest beyond REVISIONS_KEPT
 * go. */
int revisions_add(const struct store *store, struct revision *revision, const char *text,
		  char *error, size_t error_size);
/* Checks every revision's sum; ret_text (allocated) is the newest's, "" where there is none. */
int revisions_verify(const struct store *store, uint64_t *ret_newest, char **ret_text, char *error,
		     size_t error_size);

/* unconfirmed.c */
/* Within a transaction: in place of what waits; NULL: nothing does any more. */
int unconfirmed_put(const struct store *store, const struct unconfirmed *unconfirmed, char *error,
		    size_t error_size);
/* revision 0: nothing waits. The text is allocated. -EUCLEAN where it is not what was written. */
int unconfirmed_get(const struct store *store, struct unconfirmed *ret_unconfirmed, char *error,
		    size_t error_size);

/* file.c: the files beside the database. */
/* What can be done about a system error, to end a sentence; "" where nothing is known. */
const char *file_advice(int code);
/* Makes the directory where it is missing; sets store->file. */
int file_resolve(struct store *store, const char *file, char *error, size_t error_size);
int file_lock(struct store *store, char *error, size_t error_size);
/* Creates the store under another name and renames it when it is complete. */
int file_create(struct store *store, char *error, size_t error_size);
/* What can be told from the outside: 0, -EUCLEAN, -EMEDIUMTYPE. */
int file_inspect(const struct store *store, char *error, size_t error_size);
/* Makes durable what was found: whoever put the store there, with cp say, need not have synced it.
 * Before it is opened: SQLite's locks would go with this descriptor. */
int file_sync(const struct store *store, char *error, size_t error_size);
/* A whole copy of the store under FILE + suffix, in place of an older one only when complete. */
int file_backup(const struct store *store, const char *suffix, char *error, size_t error_size);
/* Appends to the sentence how to get a damaged store running again. */
void file_way_out(const struct store *store, char *error, size_t error_size);

#endif
