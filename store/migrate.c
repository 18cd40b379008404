/* The database's schema, as the steps that led to it.
 *
 * A step, once released, never changes: a store of any age is brought up to date by the steps that
 * it lacks. A step that changes what a text of the console means (a default, the order of
 * attributes) also rewrites the newest revision's text, which must stay what the rows say.
 *
 * One table a kind of the schema tables, one column an attribute: numbers as integers, everything
 * else as canonical text, NULL where an optional one is not there. The key is the table
 * itself (WITHOUT ROWID): there is no second tree that could differ from it.
 */
#include "store/database.h"

#include <errno.h>
#include <stdio.h>

const char *const store_migrations[STORE_VERSION] = {
	/* 1: the kinds of release 0.1, and revisions. */
	"CREATE TABLE \"global\" ("
	"	\"flow_table\" INTEGER NOT NULL,"
	"	\"seed\" INTEGER NOT NULL,"
	"	\"forwarding\" TEXT NOT NULL,"
	"	\"vip_echo\" TEXT NOT NULL"
	") STRICT;"
	"INSERT INTO \"global\" VALUES (1048576, 0, 'off', 'always');"
	"CREATE TABLE \"interface\" ("
	"	\"name\" TEXT NOT NULL,"
	"	\"role\" TEXT NOT NULL,"
	"	\"address\" TEXT,"
	"	\"mac\" TEXT,"
	"	\"filter\" TEXT,"
	"	PRIMARY KEY (\"name\")"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE \"route\" ("
	"	\"prefix\" TEXT NOT NULL,"
	"	\"via\" TEXT NOT NULL,"
	"	PRIMARY KEY (\"prefix\")"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE \"neighbor\" ("
	"	\"address\" TEXT NOT NULL,"
	"	\"mac\" TEXT NOT NULL,"
	"	\"interface\" TEXT NOT NULL REFERENCES \"interface\" (\"name\"),"
	"	PRIMARY KEY (\"address\")"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE \"check\" ("
	"	\"name\" TEXT NOT NULL,"
	"	\"type\" TEXT NOT NULL,"
	"	\"port\" INTEGER,"
	"	\"interval\" TEXT NOT NULL,"
	"	\"timeout\" TEXT,"
	"	\"rise\" INTEGER NOT NULL,"
	"	\"fall\" INTEGER NOT NULL,"
	"	\"from\" TEXT NOT NULL,"
	"	\"payload\" TEXT,"
	"	\"expect\" TEXT,"
	"	PRIMARY KEY (\"name\")"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE \"pool\" ("
	"	\"name\" TEXT NOT NULL,"
	"	\"scheduler\" TEXT NOT NULL,"
	"	\"affinity\" TEXT NOT NULL,"
	"	\"check\" TEXT REFERENCES \"check\" (\"name\"),"
	"	PRIMARY KEY (\"name\")"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE \"backend\" ("
	"	\"pool\" TEXT NOT NULL REFERENCES \"pool\" (\"name\"),"
	"	\"address\" TEXT NOT NULL,"
	"	\"weight\" INTEGER NOT NULL,"
	"	\"name\" TEXT,"
	"	\"admin\" TEXT NOT NULL,"
	"	PRIMARY KEY (\"pool\", \"address\")"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE \"service\" ("
	"	\"name\" TEXT NOT NULL,"
	"	\"address\" TEXT NOT NULL,"
	"	\"pool\" TEXT NOT NULL REFERENCES \"pool\" (\"name\"),"
	"	\"mode\" TEXT NOT NULL,"
	"	\"idle_timeout\" TEXT,"
	"	\"max_flows\" INTEGER,"
	"	\"when_full\" TEXT NOT NULL,"
	"	\"admin\" TEXT NOT NULL,"
	"	PRIMARY KEY (\"name\")"
	") STRICT, WITHOUT ROWID;"
	/* sum: XXH64 of all other columns, see revisions.c. */
	"CREATE TABLE \"revision\" ("
	"	\"number\" INTEGER PRIMARY KEY,"
	"	\"time\" INTEGER NOT NULL,"
	"	\"user\" TEXT NOT NULL,"
	"	\"comment\" TEXT NOT NULL,"
	"	\"changes\" INTEGER NOT NULL,"
	"	\"text\" TEXT NOT NULL,"
	"	\"sum\" INTEGER NOT NULL"
	") STRICT;",
	/* 2: all forwarding modes, both topologies, schedulers, limits of UDP flows. */
	"ALTER TABLE \"global\" ADD COLUMN \"no_service\" TEXT NOT NULL DEFAULT 'drop';"
	"ALTER TABLE \"global\" ADD COLUMN \"topology\" TEXT NOT NULL DEFAULT 'routed';"
	"ALTER TABLE \"check\" ADD COLUMN \"key\" TEXT;"
	"ALTER TABLE \"check\" ADD COLUMN \"register\" TEXT;"
	"ALTER TABLE \"check\" ADD COLUMN \"register_max\" INTEGER NOT NULL DEFAULT 32;"
	"ALTER TABLE \"global\" ADD COLUMN \"fullnat_slices\" INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE \"global\" ADD COLUMN \"fullnat_slice\" INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE \"service\" ADD COLUMN \"fail_open\" TEXT NOT NULL DEFAULT 'off';"
	"ALTER TABLE \"service\" ADD COLUMN \"on_backend_loss\" TEXT NOT NULL DEFAULT 'reselect';"
	"ALTER TABLE \"service\" ADD COLUMN \"requests\" INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE \"service\" ADD COLUMN \"responses\" INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE \"service\" ADD COLUMN \"lifetime\" TEXT NOT NULL DEFAULT '0';"
	"ALTER TABLE \"service\" ADD COLUMN \"front_timeout\" TEXT NOT NULL DEFAULT '0';"
	"ALTER TABLE \"service\" ADD COLUMN \"back_timeout\" TEXT NOT NULL DEFAULT '0';"
	"ALTER TABLE \"service\" ADD COLUMN \"source_rewrite\" TEXT;"
	"ALTER TABLE \"service\" ADD COLUMN \"proxy_protocol\" TEXT NOT NULL DEFAULT 'off';",
	/* 3: a commit that waits to be confirmed, one row or none. sum: XXH64 of all other
	 * columns but the first, see unconfirmed.c. */
	"CREATE TABLE \"unconfirmed\" ("
	"	\"one\" INTEGER PRIMARY KEY CHECK (\"one\" = 1),"
	"	\"revision\" INTEGER NOT NULL,"
	"	\"back\" INTEGER NOT NULL,"
	"	\"made\" INTEGER NOT NULL,"
	"	\"deadline\" INTEGER NOT NULL,"
	"	\"user\" TEXT NOT NULL,"
	"	\"text\" TEXT NOT NULL,"
	"	\"sum\" INTEGER NOT NULL"
	") STRICT;",
	/* 4: how the packet path waits. */
	"ALTER TABLE \"global\" ADD COLUMN \"wait\" TEXT NOT NULL DEFAULT 'adaptive';",
};

/* The version and the tables change in one transaction. */
static int migrate_step(const struct store *store, const char *step, int version, char *error,
			size_t error_size)
{
	char ending[96], ignored[256];
	int result = sql_run(store, "BEGIN IMMEDIATE", error, error_size);

	if (result)
		return result;
	snprintf(ending, sizeof(ending),
		 "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		 STORE_APPLICATION_ID, version);
	result = sql_run(store, step, error, error_size);
	if (!result)
		result = sql_run(store, ending, error, error_size);
	if (result && !sqlite3_get_autocommit(store->db))
		sql_run(store, "ROLLBACK", ignored, sizeof(ignored));
	return result;
}

int migrate(const struct store *store, const char *const *steps, int version, char *error,
	    size_t error_size)
{
	int64_t has;
	char suffix[32];
	int result = sql_number(store, "PRAGMA user_version", &has, error, error_size);

	if (!result && has < 0)
		return store_refuse(error, error_size, -EUCLEAN, "its schema version is %lld",
				    (long long)has);
	if (!result && has && has < version) {
		snprintf(suffix, sizeof(suffix), ".v%lld.backup", (long long)has);
		result = file_backup(store, suffix, error, error_size);
	}
	for (; !result && has < version; has++)
		result = migrate_step(store, steps[has], (int)has + 1, error, error_size);
	return result;
}
