/* Which backend a new flow gets: the pool's Maglev table and, until a new table is there, the next
 * usable backend of the slot's row.
 *
 * The row of slot s is the pool's backends in the order of their addresses, begun at number s modulo
 * their count: fixed, and the same on every appliance. A slot whose backend has died since the table
 * was built falls through to the first usable one of its row, as in the consistent-hash table of the
 * verified balancer (Vigor, SOSP 2019).
 *
 * The slot is a hash by the snapshot's seed, not the flow table's, which stays what it was at start:
 * appliances that share the seed choose alike from the moment on that it is set.
 */
#ifndef PATH_SELECT_H
#define PATH_SELECT_H

#include "appliance/path/internal.h"

struct choice {
	uint32_t backend;     /* index into snapshot.backend */
	enum lookup_how how;  /* LOOKUP_MAGLEV or LOOKUP_FALLBACK */
	uint32_t slot;
	uint32_t row;         /* how far along the slot's row select_next() has come */
};

/* `tuple`: as the client sends. False: the pool has no usable backend. */
bool select_backend(const struct path *path, const struct snapshot_pool *pool,
		    const struct flow_tuple *tuple, struct choice *ret_choice);
/* Another backend of the same row, where the choice cannot be used. False: the row is at its end. */
bool select_next(const struct path *path, const struct snapshot_pool *pool, struct choice *choice);

#endif
