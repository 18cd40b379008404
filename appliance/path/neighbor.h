/* Neighbors: which MAC an on-link IPv4 address has, and the frames that wait for the answer.
 *
 * States and moves are those of RFC 4861 section 7.3.2 without DELAY, spoken over ARP:
 *
 *     use of an unknown address           3 requests unanswered         NEIGHBOR_FORGET_NS
 *    ------------------------> incomplete ---------------------> failed ------------------> gone
 *                                |      ^                          |
 *                                |      +--------------------------+
 *                          reply |        use, NEIGHBOR_FAILED_NS later
 *                                v
 *            +-------------> reachable
 *            |               |      | 30 s, unused
 *      reply |   30 s, used  |      v              NEIGHBOR_UNUSED_NS
 *            |               |    stale -------------------------------> gone
 *            |               v      | use
 *            +------------ probe <--+
 *                            | 3 unicast requests unanswered
 *                            +----------------------------> gone (the next use asks everybody)
 *
 * Traffic flows in reachable and probe alike: a confirmation delays nothing. An entry in use is never
 * given up for another; a full table gives up failed ones, then what has been unused the longest.
 */
#ifndef PATH_NEIGHBOR_H
#define PATH_NEIGHBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/path/frame.h"
#include "appliance/path/snapshot.h"
#include "appliance/path/verdict.h"

struct path;
struct neighbors;

enum {
	NEIGHBORS_MAX = 4096,           /* static entries included */
	NEIGHBORS_INCOMPLETE_MAX = 2048, /* a scan leaves room for those that are there */
	NEIGHBOR_HELD_MAX = 8,          /* frames that wait for one neighbor (SEMANTICS 7) */
	NEIGHBOR_TRIES = 3,             /* MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
};

#define NEIGHBOR_RETRY_NS     UINT64_C(1000000000)   /* RETRANS_TIMER */
#define NEIGHBOR_REACHABLE_NS UINT64_C(30000000000)  /* REACHABLE_TIME, without its random part */
#define NEIGHBOR_FAILED_NS    UINT64_C(1000000000)   /* no new question before that */
#define NEIGHBOR_FORGET_NS    UINT64_C(60000000000)  /* after it a failed entry goes */
#define NEIGHBOR_UNUSED_NS    UINT64_C(600000000000) /* after it a stale entry goes */

/* Bytes of memory, to be aligned to 64 and zeroed. `seed` is the table's hash's. */
size_t neighbors_size(void);
struct neighbors *neighbors_new(void *memory, uint64_t seed);

/* Sends a frame to an on-link next hop: fills in both MACs and the interface, or keeps a copy until
 * the next hop's MAC is known. `in_interface`: where it was received, NONE for the appliance's own.
 * VERDICT_FORWARDED, VERDICT_HELD, or why not: interface_down, neighbor_failed, neighbor_overflow.
 * Frames that wait are counted when they leave the queue; the oldest makes room for a newer one. */
enum verdict neighbor_transmit(struct path *path, struct frame *frame, uint32_t in_interface,
			       uint32_t out_interface, be32 next_hop);

/* What ARP heard, decided to be about us by arp.c. `solicited`: an answer to a request of ours; true
 * where it was taken for one. A question creates or changes a stale entry, a claim by a third party
 * changes nothing but has a different MAC confirmed at once. */
bool neighbor_answered(struct path *path, uint32_t interface, be32 address,
		       const struct mac_address *mac);
void neighbor_asked(struct path *path, uint32_t interface, be32 address,
		    const struct mac_address *mac);
void neighbor_claimed(struct path *path, uint32_t interface, be32 address,
		      const struct mac_address *mac);

/* A heartbeat of one who registered: he is where he sends from (RFC 4861 section 7.3.1). Only for
 * addresses that are on the link. */
void neighbor_heard(struct path *path, uint32_t interface, be32 address,
		    const struct mac_address *mac);

/* True where `address` is in a network of the interface itself, or the gateway of a route through it:
 * only such addresses are learnt. */
bool neighbor_on_link(const struct snapshot *snapshot, uint32_t interface, be32 address);

/* Follows a swap, once path->snapshot is `new`: static entries, at most NEIGHBORS_MAX, and entries
 * whose interface or network is gone. `old`: NULL at the first. */
void neighbor_published(struct path *path, const struct snapshot *old, const struct snapshot *new);

/* Retries, confirmations and expiry that are due, at most NEIGHBOR_TICK_MAX of them. */
enum { NEIGHBOR_TICK_MAX = 64 };
void neighbor_tick(struct path *path);
uint64_t neighbor_deadline(const struct path *path); /* UINT64_MAX: never */

/* For reports. */
struct neighbor_view {
	be32 address;
	uint32_t interface;
	struct mac_address mac; /* zero: not known */
	const char *state;      /* "incomplete", "reachable", "stale", "probe", "failed", "static" */
	bool is_static;
	uint64_t updated_ns;    /* when the MAC was last confirmed, or the entry made */
	uint32_t held;          /* frames that wait for it */
};

/* The next entry from *cursor on (start at 0); false: no more. */
bool neighbor_next(const struct path *path, uint32_t *cursor, struct neighbor_view *ret_view);
/* False: no MAC is known. *ret_state: "none" where there is no entry. */
bool neighbor_peek(const struct path *path, uint32_t interface, be32 address,
		   struct mac_address *ret_mac, const char **ret_state);

#endif
