/* Revisions: what the configuration was, in whole, and who changed it when.
 *
 * SQLite's pages carry no checksum, so a flipped bit inside a value passes its own check. Here
 * every revision has a sum over all its columns, and the newest one's text is what the rows say:
 * damage to either shows, since both would have to change alike.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "store/database.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t revision_sum(const struct revision *revision, const char *text)
{
	char numbers[96];
	XXH64_hash_t sum;

	snprintf(numbers, sizeof(numbers), "%llu %lld %u", (unsigned long long)revision->number,
		 (long long)revision->time_s, revision->changes);
	sum = XXH64(numbers, strlen(numbers), 0);
	sum = XXH64(revision->user, strlen(revision->user), sum);
	sum = XXH64(revision->comment, strlen(revision->comment), sum);
	return (int64_t)XXH64(text, strlen(text), sum);
}

int revisions_add(const struct store *store, struct revision *revision, const char *text,
		  char *error, size_t error_size)
{
	sqlite3_stmt *insert;
	int64_t newest;
	char prune[96];
	int result = sql_number(store, "SELECT coalesce(max(\"number\"), 0) FROM \"revision\"",
				&newest, error, error_size);

	if (!result)
		result = sql_prepare(store,
				     "INSERT INTO \"revision\" (\"number\", \"time\", \"user\", "
				     "\"comment\", \"changes\", \"text\", \"sum\") "
				     "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
				     &insert, error, error_size);
	if (result)
		return result;
	revision->number = (uint64_t)newest + 1;
	sqlite3_bind_int64(insert, 1, newest + 1);
	sqlite3_bind_int64(insert, 2, revision->time_s);
	sqlite3_bind_text(insert, 3, revision->user, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 4, revision->comment, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 5, revision->changes);
	sqlite3_bind_text(insert, 6, text, -1, SQLITE_STATIC);
	sqlite3_bind_int64(insert, 7, revision_sum(revision, text));
	result = sql_execute(store, insert, error, error_size);
	sqlite3_finalize(insert);
	if (result)
		return result;
	snprintf(prune, sizeof(prune), "DELETE FROM \"revision\" WHERE \"number\" <= %lld",
		 (long long)newest + 1 - REVISIONS_KEPT);
	return sql_run(store, prune, error, error_size);
}

/* The columns of a row of SELECT_REVISIONS; *ret_text points into the statement. */
static int read_revision(sqlite3_stmt *row, struct revision *ret_revision, const char **ret_text,
			 char *error, size_t error_size)
{
	const char *user = sql_column_text(row, 2), *comment = sql_column_text(row, 3);
	const char *text = sql_column_text(row, 5);
	struct revision revision = {
		.number = (uint64_t)sqlite3_column_int64(row, 0),
		.time_s = sqlite3_column_int64(row, 1),
		.changes = (unsigned)sqlite3_column_int64(row, 4),
	};

	if (!user || !comment || !text || strlen(user) >= sizeof(revision.user) ||
	    strlen(comment) >= sizeof(revision.comment))
		goto damaged;
	memcpy(revision.user, user, strlen(user) + 1);
	memcpy(revision.comment, comment, strlen(comment) + 1);
	if (revision_sum(&revision, text) != sqlite3_column_int64(row, 6))
		goto damaged;
	*ret_revision = revision;
	*ret_text = text;
	return 0;
damaged:
	return store_refuse(error, error_size, -EUCLEAN, "revision %llu is not what was written",
			    (unsigned long long)revision.number);
}

static const char select_revisions[] =
	"SELECT \"number\", \"time\", \"user\", \"comment\", \"changes\", \"text\", \"sum\" "
	"FROM \"revision\" ORDER BY \"number\" DESC";

typedef int revision_visit(void *context, const struct revision *revision, const char *text);

/* Newest first, until `visit` returns other than 0. */
static int each_revision(const struct store *store, revision_visit *visit, void *context,
			 char *error, size_t error_size)
{
	sqlite3_stmt *row;
	struct revision revision;
	const char *text = NULL;
	int result = sql_prepare(store, select_revisions, &row, error, error_size);
	int step = SQLITE_ROW;

	if (result)
		return result;
	while (!result && (step = sqlite3_step(row)) == SQLITE_ROW) {
		result = read_revision(row, &revision, &text, error, error_size);
		if (!result && visit(context, &revision, text))
			break;
	}
	if (!result && step != SQLITE_ROW && step != SQLITE_DONE)
		result = sql_refuse(store, error, error_size);
	sqlite3_finalize(row);
	return result;
}

struct newest {
	uint64_t number;
	char *text;
	bool failed;
};

static int keep_newest(void *context, const struct revision *revision, const char *text)
{
	struct newest *newest = context;

	if (newest->text)
		return 0;
	newest->number = revision->number;
	newest->text = strdup(text);
	newest->failed = !newest->text;
	return newest->failed;
}

int revisions_verify(const struct store *store, uint64_t *ret_newest, char **ret_text, char *error,
		     size_t error_size)
{
	struct newest newest = {0};
	int result = each_revision(store, keep_newest, &newest, error, error_size);

	if (!result && !newest.text && !newest.failed)
		newest.text = strdup("");
	if (!result && !newest.text)
		result = store_refuse(error, error_size, -ENOMEM, "out of memory");
	if (result) {
		free(newest.text);
		return result;
	}
	*ret_newest = newest.number;
	*ret_text = newest.text;
	return 0;
}

struct listing {
	void (*visit)(void *context, const struct revision *revision);
	void *context;
};

static int list_revision(void *context, const struct revision *revision, const char *text)
{
	const struct listing *listing = context;

	(void)text;
	listing->visit(listing->context, revision);
	return 0;
}

int store_revisions(struct store *store, void (*visit)(void *context, const struct revision *),
		    void *context, char *error, size_t error_size)
{
	struct listing listing = {visit, context};

	return each_revision(store, list_revision, &listing, error, error_size);
}

struct lookup {
	uint64_t number;
	bool found;
	char *text;
};

static int look_up(void *context, const struct revision *revision, const char *text)
{
	struct lookup *lookup = context;

	if (revision->number != lookup->number)
		return 0;
	lookup->found = true;
	lookup->text = strdup(text);
	return 1;
}

int store_revision_text(struct store *store, uint64_t number, char **ret_text, char *error,
			size_t error_size)
{
	struct lookup lookup = {.number = number};
	int result = each_revision(store, look_up, &lookup, error, error_size);

	if (result)
		return result;
	if (!lookup.found)
		return store_refuse(error, error_size, -ENOENT, "revision %llu is not kept",
				    (unsigned long long)number);
	if (!lookup.text)
		return store_refuse(error, error_size, -ENOMEM, "out of memory");
	*ret_text = lookup.text;
	return 0;
}
