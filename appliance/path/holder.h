/* Backends that hold a VIP (modes dsr, ipip, gue): they answer clients in its name, past the appliance,
 * or through it, where it is their router, too. */
#ifndef PATH_HOLDER_H
#define PATH_HOLDER_H

#include "appliance/path/packet.h"

struct path;

/* True where a flow says that a packet with an address of the appliance as its source is a reply of a
 * backend that holds it, or its ICMP error about what it was handed (SEMANTICS 2, item 9). Not for
 * later fragments. Refreshes no flow: where some replies are seen, most may still go past. */
bool holder_is_reply(struct path *path, const struct packet *packet);

#endif
