/* ICMP errors about the outer headers of modes ipip and gue, from the networks between the appliance
 * and a backend (RFC 2003 section 4).
 *
 * Their sender knows the appliance only; whom they concern is the client whose packet was wrapped. It
 * is told in the VIP's name, about its own packet as far as that is quoted, and by what a client
 * understands: nothing is kept here about tunnels, so a quote of less than the inner ports (a router
 * older than RFC 1812) tells nobody anything.
 */
#ifndef PATH_ICMP_TUNNEL_H
#define PATH_ICMP_TUNNEL_H

#include "appliance/path/packet.h"
#include "appliance/path/quote.h"

struct path;

/* Passes on what an error to an interface address says. Too big: with the MTU that is left inside.
 * Unreachable in any way, or the TTL used up: host unreachable, as there is no way to the VIP by this
 * backend. VERDICT_CONSUMED; DROP_icmp_ignored for what is not passed on (RFC 2003 sections 4.2 to
 * 4.5); DROP_icmp_unmatched where it quotes no packet that the appliance would have sent. */
enum verdict icmp_from_tunnel(struct path *path, const struct packet *error,
			      const struct quote *quote);

#endif
