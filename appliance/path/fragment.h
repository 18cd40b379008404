/* Fragments of IPv4 datagrams that the appliance passes on without reassembly (SEMANTICS 9).
 *
 * Only the first fragment has ports. What became of it is remembered by (source, destination,
 * protocol, id), RFC 791's name of a datagram, and the later ones follow it; those that overtook it
 * wait for it. The way of a packet, in path.c:
 *
 *    first:  handle it as a packet, then fragment_remember() what became of it
 *    later:  fate = fragment_find(); follow it, or fragment_hold() where there is none yet
 *
 * Nothing that is remembered gives way to something new: a full table is told by
 * fragment_overflow. That first fragments are whole, and offset 1 is refused, is the parser's part.
 */
#ifndef PATH_FRAGMENT_H
#define PATH_FRAGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "appliance/path/packet.h"
#include "appliance/path/verdict.h"
#include "appliance/path/wire.h"

struct path;
struct fragments;

enum {
	FRAGMENTS_MAX = 1 << 15,   /* datagrams under way: 16,384 new ones a second */
	FRAGMENT_HELD_MAX = 4,     /* fragments of one datagram that wait for its first */
};

#define FRAGMENT_REMEMBER_NS UINT64_C(2000000000)
#define FRAGMENT_WAIT_NS     UINT64_C(1000000000)

/* What became of the first fragment. Where `verdict` is FORWARDED or HELD the later ones leave the
 * same way, otherwise it is theirs too. Filled and read by path.c. */
struct fragment_fate {
	enum verdict verdict;
	be32 new_source, new_destination;
	be32 next_hop;
	uint32_t interface; /* where it leaves */
	uint32_t backend;   /* id, or NONE */
	uint8_t mode;       /* enum forward_mode */
	struct tunnel tunnel;
	uint32_t shift;     /* bytes that the later ones move by: something was put before them */
};

/* Bytes of memory, to be aligned to 64 and zeroed. `seed` is the table's hash's. */
size_t fragments_size(void);
struct fragments *fragments_new(void *memory, uint64_t seed);

/* A datagram is named by packet->source, destination, protocol and ip->id: as it was received, also
 * after the rewrite. */

/* What the first fragment got; NULL: it has not come, or too long ago. Valid until the next call of
 * this module. */
const struct fragment_fate *fragment_find(struct path *path, const struct packet *packet);

/* Keeps a later fragment until its first one comes. VERDICT_HELD, or DROP_fragment_overflow. */
enum verdict fragment_hold(struct path *path, const struct packet *packet);

/* Remembers what became of a first fragment, and gives those that waited for it to
 * path_route_ipv4(), in the order in which they came. A first one that comes again decides anew. */
void fragment_remember(struct path *path, const struct packet *packet,
		       const struct fragment_fate *fate);

/* Follows a swap: what was decided in another topology says nothing in this one. */
void fragment_published(struct path *path, const struct snapshot *old, const struct snapshot *new);

/* Forgets and times out what is due, at most FRAGMENT_TICK_MAX datagrams. */
enum { FRAGMENT_TICK_MAX = 64 };
void fragment_tick(struct path *path);
uint64_t fragment_deadline(const struct path *path); /* UINT64_MAX: never */

#endif
