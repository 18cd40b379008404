/* The way out: next hop, TTL and MTU of a packet that is to be forwarded, found before anything in
 * it is changed, so that an ICMP error about it can still quote what its sender sent. Where the
 * topology is bridged, the way out is the other side of the bridge, and MACs and TTL stay as they
 * are.
 */
#ifndef PATH_EGRESS_H
#define PATH_EGRESS_H

#include "appliance/path/internal.h"

/* Finds how a packet gets to `destination`, and fills in packet->out_interface and packet->next_hop.
 * Routes through interface `prefer` (NONE: no preference) go first. False: it cannot go; *ret_drop
 * says why, and its sender has been told where a router tells (RFC 1812 sections 5.2.7 and 5.3.1). */
bool egress_find(struct path *path, struct packet *packet, be32 destination, uint32_t prefer,
		 enum verdict *ret_drop);

/* The rest of that, where packet->out_interface is known already: link, TTL and MTU, of which what
 * packet->mode wraps it in takes its part. Fills in packet->room. */
bool egress_admits(struct path *path, struct packet *packet, enum verdict *ret_drop);

/* Sends the packet: with a hop off its TTL, unless bridged or in a mode that hands it over as it came;
 * wrapped where the mode says so; in pieces where it is larger than the way out takes, or a super-frame
 * that the kernel could not cut there. */
enum verdict egress_send(struct path *path, struct packet *packet);

#endif
