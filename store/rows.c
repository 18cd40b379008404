/* Objects as rows: what is read and written follows from the schema tables alone.
 *
 * Reading trusts nothing: every column goes through the same parser as the console's words, every
 * object through the same checks as an `add`.
 */
#include "store/database.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SQL_SIZE = 4096,
	VALUE_SIZE = TEXT_SIZE + ADDRESS_LIST_MAX * 20, /* any value's text, a list's too */
};

/* An SQL text under construction; what does not fit would not parse. */
struct sql {
	char text[SQL_SIZE];
	size_t length;
};

__attribute__((format(printf, 2, 3)))
static void append(struct sql *sql, const char *format, ...)
{
	va_list arguments;
	int added;

	va_start(arguments, format);
	added = vsnprintf(sql->text + sql->length, sizeof(sql->text) - sql->length, format,
			  arguments);
	va_end(arguments);
	if (added > 0 && (size_t)added < sizeof(sql->text) - sql->length)
		sql->length += (size_t)added;
}

static void column_name(const struct attribute *attribute, char *ret_name, size_t size)
{
	char *dash;

	snprintf(ret_name, size, "%s", attribute->name);
	while ((dash = strchr(ret_name, '-')))
		*dash = '_';
}

/* SELECT "name", "role" FROM "interface" */
static void build_select(enum kind kind, struct sql *ret_sql)
{
	const struct schema *schema = schema_of(kind);
	char column[NAME_SIZE];

	append(ret_sql, "SELECT");
	for (unsigned i = 0; i < schema->attributes; i++) {
		column_name(&schema->attribute[i], column, sizeof(column));
		append(ret_sql, "%s \"%s\"", i ? "," : "", column);
	}
	append(ret_sql, " FROM \"%s\"", schema->name);
}

/* INSERT INTO "interface" ("name", "role") VALUES (?1, ?2)
 * ON CONFLICT DO UPDATE SET "role" = excluded."role" */
static void build_put(enum kind kind, struct sql *ret_sql)
{
	const struct schema *schema = schema_of(kind);
	struct sql columns = {0}, values = {0}, updates = {0};
	char column[NAME_SIZE];

	for (unsigned i = 0; i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];

		column_name(attribute, column, sizeof(column));
		append(&columns, "%s\"%s\"", i ? ", " : "", column);
		append(&values, "%s?%u", i ? ", " : "", i + 1);
		if (!(attribute->flags & ATTRIBUTE_ID))
			append(&updates, "%s\"%s\" = excluded.\"%s\"", updates.length ? ", " : "",
			       column, column);
	}
	append(ret_sql, "INSERT INTO \"%s\" (%s) VALUES (%s) ON CONFLICT DO UPDATE SET %s",
	       schema->name, columns.text, values.text, updates.text);
}

/* DELETE FROM "backend" WHERE "pool" = ?1 AND "address" = ?2 */
static void build_drop(enum kind kind, struct sql *ret_sql)
{
	const struct schema *schema = schema_of(kind);
	char column[NAME_SIZE];

	append(ret_sql, "DELETE FROM \"%s\"", schema->name);
	for (unsigned i = 0; i < schema->attributes && schema->attribute[i].flags & ATTRIBUTE_ID;
	     i++) {
		column_name(&schema->attribute[i], column, sizeof(column));
		append(ret_sql, "%s \"%s\" = ?%u", i ? " AND" : " WHERE", column, i + 1);
	}
}

/* Loading. */

/* What one row is called in a sentence: its key as it stands there. */
static void row_label(sqlite3_stmt *row, enum kind kind, char *ret_label, size_t size)
{
	const struct schema *schema = schema_of(kind);
	size_t length = 0;

	ret_label[0] = 0;
	for (int i = 0; schema->attribute[i].flags & ATTRIBUTE_ID && length < size; i++) {
		const char *text = (const char *)sqlite3_column_text(row, i);

		length += (size_t)snprintf(ret_label + length, size - length, "%s%.64s",
					   i ? "/" : "", text ? text : "");
	}
}

/* A list is stored as its items with a blank between. */
static int parse_items(const struct attribute *attribute, const char *text, void *ret_value,
		       char *error, size_t error_size)
{
	char items[VALUE_SIZE], *rest = items, *item;
	int result = 0;

	if (strlen(text) >= sizeof(items))
		return store_refuse(error, error_size, -EINVAL, "%s is too long", attribute->name);
	memcpy(items, text, strlen(text) + 1);
	while (!result && (item = strsep(&rest, " ")))
		result = value_parse(attribute, item, ret_value, error, error_size);
	return result;
}

/* One column into the object; the sentence tells what is wrong with the value. */
static int read_column(sqlite3_stmt *row, int column, const struct attribute *attribute,
		       void *object, char *error, size_t error_size)
{
	void *value = (char *)object + attribute->offset;
	const char *text;
	char number[24];

	switch (sqlite3_column_type(row, column)) {
	case SQLITE_NULL:
		return attribute_optional(attribute) ?
		       0 : store_refuse(error, error_size, -EINVAL, "%s is NULL", attribute->name);
	case SQLITE_INTEGER:
		if (attribute->type != VALUE_NUMBER)
			break;
		snprintf(number, sizeof(number), "%lld",
			 (long long)sqlite3_column_int64(row, column));
		return value_parse(attribute, number, value, error, error_size);
	case SQLITE_TEXT:
		text = sql_column_text(row, column);
		if (!text || attribute->type == VALUE_NUMBER)
			break;
		if (attribute->type == VALUE_ADDRESSES)
			return parse_items(attribute, text, value, error, error_size);
		return value_parse(attribute, text, value, error, error_size);
	}
	return store_refuse(error, error_size, -EINVAL, "%s is of the wrong type", attribute->name);
}

static int load_row(struct config *config, enum kind kind, sqlite3_stmt *row, char *error,
		    size_t error_size)
{
	const struct schema *schema = schema_of(kind);
	struct change change = {.verb = kind == KIND_GLOBAL ? VERB_SET : VERB_ADD, .kind = kind,
				.given = UINT32_MAX, .object = object_new(kind)};
	struct complaint complaint = {0};
	char label[2 * NAME_SIZE + 2], column[NAME_SIZE], reason[512];
	int result = change.object ? 0 : -ENOMEM;

	row_label(row, kind, label, sizeof(label));
	for (unsigned i = 0; !result && i < schema->attributes; i++) {
		result = read_column(row, (int)i, &schema->attribute[i], change.object, reason,
				     sizeof(reason));
		if (!result)
			continue;
		column_name(&schema->attribute[i], column, sizeof(column));
		result = store_refuse(error, error_size, -EUCLEAN,
				      "table %s, row \"%s\", column %s: %s", schema->name, label,
				      column, reason);
	}
	if (!result && config_apply(config, &change, &complaint) < 0)
		result = store_refuse(error, error_size, -EUCLEAN, "table %s, row \"%s\": %s",
				      schema->name, label, complaint.text);
	if (result == -ENOMEM)
		store_refuse(error, error_size, result, "out of memory");
	object_free(change.object);
	return result;
}

static int load_kind(const struct store *store, struct config *config, enum kind kind, char *error,
		     size_t error_size)
{
	struct sql sql = {0};
	sqlite3_stmt *row;
	unsigned rows = 0;
	int result, step;

	build_select(kind, &sql);
	result = sql_prepare(store, sql.text, &row, error, error_size);
	if (result)
		return result;
	for (step = sqlite3_step(row); !result && step == SQLITE_ROW; rows++) {
		result = load_row(config, kind, row, error, error_size);
		if (!result)
			step = sqlite3_step(row);
	}
	if (!result && step != SQLITE_DONE)
		result = sql_refuse(store, error, error_size);
	else if (!result && rows != config_count(config, kind))
		result = store_refuse(error, error_size, -EUCLEAN,
				      "table %s has %u rows for %u objects", schema_of(kind)->name,
				      rows, config_count(config, kind));
	sqlite3_finalize(row);
	return result;
}

int rows_load(const struct store *store, struct config **ret_config, char *error, size_t error_size)
{
	struct config *config = config_new();
	int result = config ? 0 : store_refuse(error, error_size, -ENOMEM, "out of memory");

	for (enum kind kind = 0; !result && kind < KIND_COUNT; kind++)
		result = load_kind(store, config, kind, error, error_size);
	if (result)
		config_free(config);
	else
		*ret_config = config;
	return result;
}

/* Saving. */

static void format_items(const struct attribute *attribute, const void *value, char *ret_text,
			 size_t size)
{
	const struct address_list *list = value;
	size_t length = 0;

	for (uint32_t i = 0; i < list->count && length < size; i++) {
		if (i)
			ret_text[length++] = ' ';
		length += (size_t)value_format(attribute, value, i, ret_text + length,
					       size - length);
	}
}

static int bind(sqlite3_stmt *statement, int parameter, const struct attribute *attribute,
		const void *object)
{
	const void *value = (const char *)object + attribute->offset;
	char text[VALUE_SIZE];

	if (attribute_optional(attribute) && value_is_none(attribute->type, value))
		return sqlite3_bind_null(statement, parameter);
	if (attribute->type == VALUE_NUMBER)
		return sqlite3_bind_int64(statement, parameter, *(const uint32_t *)value);
	if (attribute->type == VALUE_ADDRESSES)
		format_items(attribute, value, text, sizeof(text));
	else
		value_format(attribute, value, 0, text, sizeof(text));
	return sqlite3_bind_text(statement, parameter, text, -1, SQLITE_TRANSIENT);
}

/* What is not bound, since memory lacks for its copy, would be written as NULL without a word. */
static int bind_value(const struct store *store, sqlite3_stmt *statement, int parameter,
		      const struct attribute *attribute, const void *object, char *error,
		      size_t error_size)
{
	return bind(statement, parameter, attribute, object) == SQLITE_OK ?
		       0 : sql_refuse(store, error, error_size);
}

struct difference {
	enum kind kind;
	const void *before, *after;
};

struct differences {
	struct difference *item;
	unsigned count;
};

static void collect(void *context, enum kind kind, const void *before, const void *after)
{
	struct differences *differences = context;

	differences->item[differences->count++] = (struct difference){kind, before, after};
}

/* Prepared at the first object of its kind. */
struct statements {
	sqlite3_stmt *put[KIND_COUNT], *drop[KIND_COUNT];
};

static int prepare_once(const struct store *store, enum kind kind,
			void (*build)(enum kind kind, struct sql *ret_sql),
			sqlite3_stmt **statement, char *error, size_t error_size)
{
	struct sql sql = {0};

	if (*statement)
		return 0;
	build(kind, &sql);
	return sql_prepare(store, sql.text, statement, error, error_size);
}

/* Deletes one row, which must be there. */
static int drop_row(const struct store *store, struct statements *statements, enum kind kind,
		    const void *object, char *error, size_t error_size)
{
	const struct schema *schema = schema_of(kind);
	sqlite3_stmt **drop = &statements->drop[kind];
	int result = prepare_once(store, kind, build_drop, drop, error, error_size);

	for (unsigned i = 0; !result && schema->attribute[i].flags & ATTRIBUTE_ID; i++)
		result = bind_value(store, *drop, (int)i + 1, &schema->attribute[i], object,
				    error, error_size);
	if (!result)
		result = sql_execute(store, *drop, error, error_size);
	if (!result && sqlite3_changes(store->db) != 1)
		result = store_refuse(error, error_size, -EUCLEAN, "a row of table %s is missing",
				      schema->name);
	return result;
}

static int put_row(const struct store *store, struct statements *statements, enum kind kind,
		   const void *object, char *error, size_t error_size)
{
	const struct schema *schema = schema_of(kind);
	sqlite3_stmt **put = &statements->put[kind];
	int result = prepare_once(store, kind, build_put, put, error, error_size);

	if (!result && kind == KIND_GLOBAL) /* which has no key to conflict with */
		result = drop_row(store, statements, kind, object, error, error_size);
	for (unsigned i = 0; !result && i < schema->attributes; i++)
		result = bind_value(store, *put, (int)i + 1, &schema->attribute[i], object, error,
				    error_size);
	return result ? result : sql_execute(store, *put, error, error_size);
}

/* What refers comes after what it refers to; so rows are put forward, and dropped backward once
 * nothing refers to them any more. */
static int write_differences(const struct store *store, const struct differences *differences,
			     char *error, size_t error_size)
{
	struct statements statements = {0};
	int result = 0;

	for (unsigned i = 0; !result && i < differences->count; i++) {
		const struct difference *d = &differences->item[i];

		if (d->after)
			result = put_row(store, &statements, d->kind, d->after, error, error_size);
	}
	for (unsigned i = differences->count; !result && i-- > 0;) {
		const struct difference *d = &differences->item[i];

		if (!d->after)
			result = drop_row(store, &statements, d->kind, d->before, error,
					  error_size);
	}
	for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
		sqlite3_finalize(statements.put[kind]);
		sqlite3_finalize(statements.drop[kind]);
	}
	return result;
}

int rows_save(const struct store *store, const struct config *before, const struct config *after,
	      unsigned *ret_changes, char *error, size_t error_size)
{
	struct differences differences = {0};
	unsigned count = config_compare(before, after, NULL, NULL);
	int result;

	differences.item = calloc(count + 1, sizeof(*differences.item));
	if (!differences.item)
		return store_refuse(error, error_size, -ENOMEM, "out of memory");
	config_compare(before, after, collect, &differences);
	result = write_differences(store, &differences, error, error_size);
	free(differences.item);
	if (!result)
		*ret_changes = count;
	return result;
}
