/* Which backend a new flow gets, by the pool's scheduler.
 *
 *    maglev              the slot of the pool's table that the client's hash names
 *    round-robin         smooth weighted turns: of weights 5, 1, 1 the first never gets five in a row
 *    least-connections   fewest live flows for its weight; among equals the row decides
 *
 * The row of slot s is the pool's backends in the order of their addresses, begun at number s modulo
 * their count: fixed, and the same on every appliance. A slot whose backend has died since the table
 * was built falls through to the first usable one of its row, as in the consistent-hash table of the
 * verified balancer (Vigor, SOSP 2019).
 *
 * The slot is a hash by the snapshot's seed, not the flow table's, which stays what it was at start:
 * appliances that share the seed choose alike from the moment on that it is set.
 *
 * Where a service fails open, all that are enabled and have a weight count as usable while none is.
 */
#ifndef PATH_SELECT_H
#define PATH_SELECT_H

#include "appliance/path/internal.h"

struct choice {
	uint32_t backend;     /* index into snapshot.backend */
	enum lookup_how how;
	uint32_t slot;
	uint32_t row;         /* how far along the slot's row select_next() has come */
	bool open;            /* failed open: health does not count */
};

/* `tuple`: as the client sends. False: the service has no usable backend. Turns go on only with
 * select_taken(): asking changes nothing. */
bool select_backend(const struct path *path, const struct snapshot_service *service,
		    const struct flow_tuple *tuple, struct choice *ret_choice);
/* Another backend of the same row, where the choice cannot be used. False: the row is at its end. */
bool select_next(const struct path *path, const struct snapshot_service *service,
		 struct choice *choice);
/* A flow was made of the choice. */
void select_taken(struct path *path, const struct snapshot_service *service,
		  const struct choice *choice);

/* The choice of the table alone, whatever the scheduler: the same for every packet of a tuple, for
 * what has no flow. */
bool select_stateless(const struct path *path, const struct snapshot_service *service,
		      const struct flow_tuple *tuple, struct choice *ret_choice);

/* True where a flow of the service may stay with its backend (index): it is neither disabled nor,
 * unless the service has failed open, down. */
bool select_keeps(const struct path *path, const struct snapshot_service *service,
		  uint32_t backend);

#endif
