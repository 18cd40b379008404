/* The topology bridged: a bump in the wire, with clients on one side and backends on the other.
 *
 * What the appliance has to do with takes the same way through services, flows and rewriting as
 * where it routes. The rest crosses as it is: from a frontend to the backends' interface, from
 * there to the frontend. Of what leaves, MACs, TTL, padding and VLAN tag are what came in; nothing
 * waits for a neighbor. Where there are several frontends, a flow's replies leave by its own, what
 * ARP asks about by that which has the prefix, and everything else by all of them. It learns no
 * MACs: each side has one interface to leave by, or every one. It is nobody's next hop: what is
 * sent to its own MAC crosses like the rest, unless it is for one of its own addresses, and nobody
 * behind it will take it.
 */
#ifndef PATH_BRIDGE_H
#define PATH_BRIDGE_H

#include "appliance/path/internal.h"

/* True where a frame that cannot be read as IPv4 is nevertheless ours to drop: its header, as far
 * as it can be read, names a VIP, an address of the appliance, or a backend that sent it. */
bool bridge_names_us(const struct path *path, const struct frame *frame);

/* True where a packet is that of a service, or for the appliance itself: to a VIP from a frontend,
 * to an interface's address, from a backend, an ICMP error from the backends' side. `local`: what
 * snapshot_local_find() says of the destination. */
bool bridge_minds(const struct path *path, const struct packet *packet, uint32_t local);

/* A packet that no service wants, as it is, or why not. Sets packet->out_interface. */
enum verdict bridge_packet(struct path *path, struct packet *packet);
/* Any other frame. *ret_interface: where it left. */
enum verdict bridge_frame(struct path *path, struct frame *frame, uint32_t *ret_interface);
/* Answers what asks for an interface's address, takes what answers the appliance. */
enum verdict bridge_arp(struct path *path, struct frame *frame, uint32_t *ret_interface);

/* Where a packet from `in` to `destination` leaves: `prefer` where that is a frontend and it goes
 * there. EVERY_FRONTEND, or NONE where there is no other side. */
uint32_t bridge_way(const struct snapshot *snapshot, uint32_t in, be32 destination,
		    uint32_t prefer);
/* The largest MTU of what `out`, as bridge_way() has it, stands for; 0: none of it is up. */
uint32_t bridge_mtu(const struct snapshot *snapshot, uint32_t out);
/* Sends a complete frame by `out`; of several interfaces, by those that it fits. `originated`: it
 * is the appliance's own. */
void bridge_transmit(struct path *path, struct frame *frame, uint32_t out, bool originated);

#endif
