/* The configuration on disk, and its revisions: the only user of SQLite.
 *
 * What store_commit() has acknowledged is there after a crash or a power cut, whole; what it has
 * not acknowledged is not there at all. WAL, synchronous=FULL. Control thread only.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/config/config.h"

struct store;

enum { REVISIONS_KEPT = 50 };

struct revision {
	uint64_t number;
	int64_t time_s;        /* Unix time */
	char user[64];
	char comment[256];
	unsigned changes;      /* objects that differ from the revision before */
};

/* A commit that undoes itself unless it is confirmed. */
struct unconfirmed {
	uint64_t revision;     /* that waits; 0: none does */
	uint64_t back;         /* the revision that it goes back to */
	int64_t made_ms, deadline_ms; /* Unix time */
	char user[64];
	char *text;            /* the whole configuration that it goes back to */
};

/* Opens or creates the store: ownership by one process, integrity check, migrations (each after a
 * backup beside the file), and everything in it read and verified. 0, or a negative errno with
 * sentences in `error` that say what to do: -EUCLEAN damaged, -EPROTO written by a newer version,
 * -EBUSY held by another lbd (named by pid), -EMEDIUMTYPE not a store of lbd, or what the system
 * said. Never starts empty in place of a file that it cannot read, an empty file included (lbd
 * itself never leaves one). When refused, the files are as they were.
 *
 * Every start that finds the store whole leaves a copy, FILE.backup, which is what the way out of
 * later damage names. Where that cannot be written, the result is 0 all the same and `error` has
 * a sentence for the log; else `error` is empty. */
int store_open(struct store **ret_store, const char *file, char *error, size_t error_size);
void store_close(struct store *store);

/* The configuration and the revision number that it has (0: nothing was ever committed). */
int store_load(struct store *store, struct config **ret_config, uint64_t *ret_revision, char *error,
	       size_t error_size);

/* Makes `after` the configuration on disk as the next revision, of which number and changes are set
 * here. Rows that differ from `before` (what is on disk) are written. When this returns 0 it is
 * durable; otherwise nothing has changed, `error` says why, and the store can be used further. */
int store_commit(struct store *store, const struct config *before, const struct config *after,
		 struct revision *revision, char *error, size_t error_size);

/* As store_commit(), which leaves nothing unconfirmed; here, `unconfirmed` (unless NULL) waits
 * from then on, with the commit that is made where its revision is 0. Both are durable, or none
 * is. */
int store_commit_unconfirmed(struct store *store, const struct config *before,
			     const struct config *after, struct revision *revision,
			     const struct unconfirmed *unconfirmed, char *error, size_t error_size);
/* What waits from now on; NULL: nothing. Durable when it returns 0. */
int store_set_unconfirmed(struct store *store, const struct unconfirmed *unconfirmed, char *error,
			  size_t error_size);
/* What waits, its text allocated; revision 0: nothing does. */
int store_unconfirmed(struct store *store, struct unconfirmed *ret_unconfirmed, char *error,
		      size_t error_size);

/* Newest first. Calls `visit` for each kept revision. 0 or a negative errno. */
int store_revisions(struct store *store, void (*visit)(void *context, const struct revision *),
		    void *context, char *error, size_t error_size);
/* The whole text of a revision, allocated. -ENOENT where it is not kept (any more). */
int store_revision_text(struct store *store, uint64_t number, char **ret_text, char *error,
			size_t error_size);

/* A consistent copy of the whole store as bytes (what `backup` writes to a file); free() it. */
int store_backup(struct store *store, void **ret_bytes, size_t *ret_size, char *error,
		 size_t error_size);

/* What `lbd --check` prints: schema version, revision, objects of each kind, revisions kept. */
int store_describe(struct store *store, char *ret_text, size_t size);

#endif
