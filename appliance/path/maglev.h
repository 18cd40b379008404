/* Maglev: a table that spreads hashes over backends in proportion to their weights, and changes
 * little when the backends change.
 *
 * Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section
 * 3.4: every member has a preference order of all slots, taken from a hash of its address and port,
 * and the members take turns in claiming their next free slot. Here weights decide how many turns
 * a member gets, exactly: quotas by largest remainder, turns spread evenly over the filling.
 *
 * A pure function of the set of members and the cluster seed, so that every appliance builds the
 * same table. Nothing depends on the order of the list, but for the numbers in the table, which are
 * indices into it. The caller owns list, table and scratch memory.
 */
#ifndef PATH_MAGLEV_H
#define PATH_MAGLEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/path/bytes.h"

enum {
	MAGLEV_SIZE = 65537,        /* prime, so that every step visits all slots */
	MAGLEV_MEMBERS_MAX = 65535, /* the index of a member is a uint16_t */
	MAGLEV_WEIGHT_MAX = 65535,
};

/* address:port is unique in a list. */
struct maglev_member {
	be32 address;
	uint16_t port;
	uint32_t weight; /* 0 to MAGLEV_WEIGHT_MAX; 0: gets no slot */
};

/* Bytes of scratch memory, aligned to 8, for maglev_build() and maglev_certify(). */
size_t maglev_scratch_size(uint32_t count);

/* Fills the table with indices into `member`. False, and the table untouched, where no member has a
 * weight. A member is given the floor of its exact share of the slots or one more: none, where its
 * share is below one slot and others are nearer to one. About 2 ms for 100 members. */
bool maglev_build(uint16_t table[static MAGLEV_SIZE], const struct maglev_member *member,
		  uint32_t count, uint64_t seed, void *scratch);

/* A hash of the addresses and ports that the slots name, in order: the same on every appliance, in
 * whatever order its list is. */
uint64_t maglev_fingerprint(const uint16_t table[static MAGLEV_SIZE],
			    const struct maglev_member *member);

/* True where every slot names a member with a weight and every member holds its exact quota. Does
 * not call what built the table, so that one mistake is not made twice. */
bool maglev_certify(const uint16_t table[static MAGLEV_SIZE], const struct maglev_member *member,
		    uint32_t count, void *scratch);

#endif
