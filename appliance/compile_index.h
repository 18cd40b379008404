/* The hash indexes of a snapshot, and the way back from backends to services. */
#ifndef APPLIANCE_COMPILE_INDEX_H
#define APPLIANCE_COMPILE_INDEX_H

#include "appliance/arena.h"
#include "appliance/path/snapshot.h"

/* Fills in snapshot->reply and all indexes, from tables that are complete. Where memory lacks, the
 * arena says so. */
void compile_indexes(struct snapshot *snapshot, struct arena *arena);

/* Of them, those over routes: for tables made by hand. */
void compile_route_indexes(struct snapshot *snapshot, struct arena *arena);

#endif
