/* Whom a backend sees where that is not the client: an address and port of the appliance (mode
 * fullnat), or the client moved into another network (source-rewrite).
 *
 * The pool of fullnat is every address of the interface that the packet leaves by, those in the
 * network of the next hop first, and on each the ports of the appliance's share. Nothing is kept of
 * it: a place in the pool is taken towards a backend while a flow has its reply tuple, so the flow
 * table itself is the record, and one port serves towards any number of backends. A hash of the
 * client's tuple says where to begin and how to step on, which makes the choice a function of the
 * tuple: a client gets the place that it had, also after a restart, and one that has just come
 * free is not anybody else's first choice.
 *
 * The walk does not come twice to where it was, and so a small pool is gone over whole. Of a large
 * one SOURCE_PROBES_MAX places are looked at: with nine in ten taken, the free ones are missed once
 * in 700,000 times. What all searches for one packet look at is bounded, too, and a backend towards
 * which nothing was found is left alone for a moment, or until one of its flows ends: so a flood of
 * clients that cannot be served costs no more than one of those who can.
 */
#ifndef PATH_SOURCE_H
#define PATH_SOURCE_H

#include "appliance/path/deliver.h"

enum {
	SOURCE_WHOLE_MAX = 1024,         /* places of a pool that is searched whole */
	SOURCE_PROBES_MAX = 128,         /* places that a search of a larger one looks at */
	SOURCE_PACKET_PROBES_MAX = 4096, /* and those that all searches for a packet do */
};

/* For how long a search counts that found nothing: one of everything, and one that may have missed
 * what the next client finds. */
#define SOURCE_EXHAUSTED_NS UINT64_C(10000000)
#define SOURCE_CROWDED_NS   UINT64_C(1000000)

/* Fills in a place of the pool that no flow has towards the delivery's address and port. `client`: as
 * the client sends; `interface`, `next_hop`: where it leaves. `*budget` begins as
 * SOURCE_PACKET_PROBES_MAX and goes down with every search. False: all are taken. */
bool source_choose(struct path *path, const struct flow_tuple *client, uint32_t interface,
		   be32 next_hop, struct delivery *delivery, uint32_t *budget);

/* The client's address as the service's backends see it, and the way back. Outside of the service's
 * prefix, and without one, an address stays as it is. */
be32 source_rewritten(const struct snapshot_service *service, be32 client);
be32 source_restored(const struct snapshot_service *service, be32 source);

/* True where source_restored() tells the client from the address that backends answer to: nobody else
 * has that address, neither another client nor the appliance. */
bool source_is_restorable(const struct snapshot *snapshot, const struct snapshot_service *service,
			  be32 client);

#endif
