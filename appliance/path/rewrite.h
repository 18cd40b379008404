/* The only writers of addresses, ports and TTL: each changes a field and, with it, every checksum
 * that covers the field, by difference (RFC 1624, equation 3), so that a packet that was corrupt
 * stays visibly corrupt.
 *
 * An L4 checksum that the sender left for its hardware (OFFLOAD_CHECKSUM_PARTIAL) holds the sum of
 * the pseudo header alone: addresses change it, ports do not. A UDP checksum of 0 stays 0.
 */
#ifndef PATH_REWRITE_H
#define PATH_REWRITE_H

#include "appliance/path/packet.h"

/* Later fragments have no L4 header: give them only addresses (their packet->fragment says so). Both
 * keep packet->source and packet->destination as they were: the packet as its sender sent it. */
void rewrite_source(const struct packet *packet, be32 address, be16 port);
void rewrite_destination(const struct packet *packet, be32 address, be16 port);

/* Moves a fragment on in its datagram by `bytes`, a multiple of 8. False: beyond what an offset and
 * a datagram of 64 KB allow; nothing has changed. */
bool rewrite_offset(const struct packet *packet, uint32_t bytes);

/* One hop less; the caller has seen to it that the TTL is over 1 (RFC 1812 section 5.3.1). */
void rewrite_ttl(const struct packet *packet);

#endif
