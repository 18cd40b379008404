/* The outer header of modes ipip and gue: an IPv4 header, for gue a UDP header behind it, and then the
 * client's packet as it came. No GUE header: in its variant 1
 * (draft-ietf-intarea-gue-09) the IP packet stands directly behind UDP. Linux takes that on a port of
 * `ip fou`, be it of type gue or of ipproto 4, and katran sends it.
 *
 *   TTL          64: the appliance begins a way of its own
 *   DSCP, ECN    the inner ones (RFC 2003 section 3.1; RFC 6040 section 4.1, normal mode)
 *   DF           the inner one (RFC 2003 section 3.1): what must not be cut is not cut in a tunnel
 *   id           0 where DF is set; else of a counter, since it may be cut on the way (RFC 6864)
 *   source port  of the flow's hash, 49152 to 65535 (RFC 8086 section 3.2.1): the networks between
 *                spread flows by it, and all packets of a flow keep one way
 *   UDP checksum by difference from the inner ones, at no cost per byte: what came corrupt arrives so
 */
#ifndef PATH_TUNNEL_H
#define PATH_TUNNEL_H

#include <stdint.h>

#include "appliance/path/frame.h"
#include "appliance/path/snapshot.h"
#include "appliance/path/wire.h"

enum {
	GUE_PORT = 6080, /* IANA: gue */

	TUNNEL_OVERHEAD_IPIP = IPV4_SIZE_MIN,
	TUNNEL_OVERHEAD_GUE = IPV4_SIZE_MIN + UDP_SIZE,
	TUNNEL_OVERHEAD_MAX = TUNNEL_OVERHEAD_GUE,
};
_Static_assert((int)TUNNEL_OVERHEAD_MAX <= (int)FRAME_HEADROOM_MIN, "outer headers go before the frame");

/* Where a tunnel begins and ends. */
struct tunnel {
	be32 source, destination;
	be16 source_port; /* gue */
};

/* Bytes that the mode puts before the client's packet. */
static inline uint32_t tunnel_overhead(enum forward_mode mode)
{
	if (mode == FORWARD_IPIP)
		return TUNNEL_OVERHEAD_IPIP;
	return mode == FORWARD_GUE ? TUNNEL_OVERHEAD_GUE : 0;
}

/* The tunnel to a backend for packets whose flow has this hash. Its source is that of the way out,
 * which egress_find() fills in. */
struct tunnel tunnel_to(be32 backend, uint64_t flow_hash);

/* Wraps the IPv4 packet in `frame`, which ends where the packet ends and has nothing left to do for
 * hardware. The frame grows into its headroom. `*id`: of the last one that was needed. */
void tunnel_wrap(struct frame *frame, enum forward_mode mode, const struct tunnel *tunnel,
		 uint16_t *id);

#endif
