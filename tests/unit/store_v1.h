/* A store as release 0.1 wrote it: its first migration, these rows, one revision. What a later
 * release makes of it is its own affair; that it can be opened is not. */
#ifndef TESTS_STORE_V1_H
#define TESTS_STORE_V1_H

#include <sqlite3.h>

#include "store/database.h"
#include "tests/unit/store.h"

static const char store_v1_rows[] =
	"PRAGMA application_id = 1818387554; PRAGMA user_version = 1;"
	"UPDATE \"global\" SET \"seed\" = 7;"
	"INSERT INTO \"interface\" VALUES"
	" ('ext', 'frontend', '192.0.2.1/24 198.51.100.1/24', NULL, 'not port 22'),"
	" ('int', 'backend', '10.0.0.1/24', '02:00:00:00:00:07', NULL);"
	"INSERT INTO \"route\" VALUES ('0.0.0.0/0', '192.0.2.254');"
	"INSERT INTO \"neighbor\" VALUES ('10.0.0.12', '02:00:00:00:00:12', 'int');"
	"INSERT INTO \"check\" VALUES"
	" ('hc', 'tcp', 80, '2', '500ms', 3, 1, 'any', NULL, NULL);"
	"INSERT INTO \"pool\" VALUES ('web', 'maglev', 'source-ip', 'hc');"
	"INSERT INTO \"backend\" VALUES"
	" ('web', '10.0.0.11:80', 100, 'one', 'enabled'),"
	" ('web', '10.0.0.12:80', 1, NULL, 'enabled');"
	"INSERT INTO \"service\" VALUES"
	" ('web', '203.0.113.10:80/tcp', 'web', 'nat', '60', 1000, 'stateless', 'enabled');"
	"INSERT INTO \"revision\" VALUES (1, 1700000000, 'alice', 'as \"tested\"', 10,"
	" 'set global seed 7\n"
	"add interface ext role frontend address 192.0.2.1/24 address 198.51.100.1/24"
	" filter \"not port 22\"\n"
	"add interface int role backend address 10.0.0.1/24 mac 02:00:00:00:00:07\n"
	"add route 0.0.0.0/0 via 192.0.2.254\n"
	"add neighbor 10.0.0.12 mac 02:00:00:00:00:12 interface int\n"
	"add check hc tcp port 80 timeout 500ms rise 3 fall 1\n"
	"add pool web affinity source-ip check hc\n"
	"add backend web 10.0.0.11:80 weight 100 name one\n"
	"add backend web 10.0.0.12:80\n"
	"add service web 203.0.113.10:80/tcp pool web idle-timeout 60 max-flows 1000\n"
	"', 8132558216433848271);"
	"PRAGMA journal_mode = WAL";

static inline void make_store_v1(void)
{
	sqlite3 *db;
	char *said = NULL;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	if (sqlite3_exec(db, store_migrations[0], NULL, NULL, &said) != SQLITE_OK ||
	    sqlite3_exec(db, store_v1_rows, NULL, NULL, &said) != SQLITE_OK)
		fail_msg("%s", said);
	sqlite3_close(db);
}

#endif
