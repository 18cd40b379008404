/* The commit that waits to be confirmed: a row of its own, written and removed with the commits
 * that make and end the waiting. It holds the whole text that it goes back to, so it needs no
 * revision to be kept, and a sum, as the revisions do. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "store/database.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t sum_of(const struct unconfirmed *unconfirmed, const char *text)
{
	char numbers[128];
	XXH64_hash_t sum;

	snprintf(numbers, sizeof(numbers), "%llu %llu %lld %lld",
		 (unsigned long long)unconfirmed->revision, (unsigned long long)unconfirmed->back,
		 (long long)unconfirmed->made_ms, (long long)unconfirmed->deadline_ms);
	sum = XXH64(numbers, strlen(numbers), 0);
	sum = XXH64(unconfirmed->user, strlen(unconfirmed->user), sum);
	return (int64_t)XXH64(text, strlen(text), sum);
}

int unconfirmed_put(const struct store *store, const struct unconfirmed *unconfirmed, char *error,
		    size_t error_size)
{
	sqlite3_stmt *insert;
	int result = sql_run(store, "DELETE FROM \"unconfirmed\"", error, error_size);

	if (result || !unconfirmed)
		return result;
	result = sql_prepare(store,
			     "INSERT INTO \"unconfirmed\" (\"one\", \"revision\", \"back\", "
			     "\"made\", \"deadline\", \"user\", \"text\", \"sum\") "
			     "VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			     &insert, error, error_size);
	if (result)
		return result;
	sqlite3_bind_int64(insert, 1, (int64_t)unconfirmed->revision);
	sqlite3_bind_int64(insert, 2, (int64_t)unconfirmed->back);
	sqlite3_bind_int64(insert, 3, unconfirmed->made_ms);
	sqlite3_bind_int64(insert, 4, unconfirmed->deadline_ms);
	sqlite3_bind_text(insert, 5, unconfirmed->user, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 6, unconfirmed->text, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 7, sum_of(unconfirmed, unconfirmed->text));
	result = sql_execute(store, insert, error, error_size);
	sqlite3_finalize(insert);
	return result;
}

static int read_row(sqlite3_stmt *row, struct unconfirmed *ret_unconfirmed, char *error,
		    size_t error_size)
{
	const char *user = sql_column_text(row, 4), *text = sql_column_text(row, 5);
	struct unconfirmed unconfirmed = {
		.revision = (uint64_t)sqlite3_column_int64(row, 0),
		.back = (uint64_t)sqlite3_column_int64(row, 1),
		.made_ms = sqlite3_column_int64(row, 2),
		.deadline_ms = sqlite3_column_int64(row, 3),
	};

	if (user && strlen(user) < sizeof(unconfirmed.user))
		memcpy(unconfirmed.user, user, strlen(user) + 1);
	else
		text = NULL;
	if (!text || sum_of(&unconfirmed, text) != sqlite3_column_int64(row, 6))
		return store_refuse(error, error_size, -EUCLEAN, "what waits to be confirmed is "
				    "not what was written");
	unconfirmed.text = strdup(text);
	if (!unconfirmed.text)
		return store_refuse(error, error_size, -ENOMEM, "out of memory");
	*ret_unconfirmed = unconfirmed;
	return 0;
}

int unconfirmed_get(const struct store *store, struct unconfirmed *ret_unconfirmed, char *error,
		    size_t error_size)
{
	sqlite3_stmt *row;
	int step, result = sql_prepare(store,
				       "SELECT \"revision\", \"back\", \"made\", \"deadline\", "
				       "\"user\", \"text\", \"sum\" FROM \"unconfirmed\"",
				       &row, error, error_size);

	if (result)
		return result;
	*ret_unconfirmed = (struct unconfirmed){0};
	step = sqlite3_step(row);
	if (step == SQLITE_ROW)
		result = read_row(row, ret_unconfirmed, error, error_size);
	else if (step != SQLITE_DONE)
		result = sql_refuse(store, error, error_size);
	sqlite3_finalize(row);
	return result;
}
