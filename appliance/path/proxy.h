/* PROXY protocol, version 2, for UDP: who the client is, told to the backend in front of a
 * datagram's payload (the HAProxy project's proxy-protocol.txt, section 2.2).
 *
 *    0   signature    0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A
 *    12  0x21         version 2, command PROXY
 *    13  0x12         AF_INET, DGRAM
 *    14  length       12: what follows
 *    16  client's address, backend's address, client's port, backend's port
 *
 * Of a datagram that comes in fragments only the first has room for it, and the others move by its
 * size, which has to be a multiple of 8: there a TLV of type NOOP, which receivers skip, fills it
 * up to 32 bytes.
 */
#ifndef PATH_PROXY_H
#define PATH_PROXY_H

#include <stdbool.h>

#include "appliance/path/packet.h"
#include "appliance/path/quote.h"

enum {
	PROXY_HEADER = 28,
	PROXY_HEADER_OF_FRAGMENT = 32,
};

static inline bool proxy_state_carries(enum proxy_state state)
{
	return state == PROXY_EVERY || state == PROXY_FIRST;
}

struct proxy_endpoints {
	be32 client, backend;
	be16 client_port, backend_port;
};

/* Bytes that the header takes in front of this packet's payload. */
uint32_t proxy_size(const struct packet *packet);

/* Puts the header, of proxy_size() bytes, into a UDP packet that is no super-frame and no later
 * fragment: the frame grows into its headroom, and the packet says where its headers are now.
 * Lengths and checksums are carried along by difference; a UDP checksum of 0 stays 0. The caller has
 * seen to it that the datagram stays under 64 KB. */
void proxy_insert(struct packet *packet, const struct proxy_endpoints *endpoints);

/* Takes the header out of the datagram that an ICMP error quotes, where it is there (`certain`:
 * also where too little is quoted to see it), so that the error is about what the client sent:
 * lengths, checksums and, in "fragmentation needed", the MTU. Extensions of the error (RFC 4884) are
 * cut off. `endpoints` as in the header. */
void proxy_unquote(struct packet *error, struct quote *quote,
		   const struct proxy_endpoints *endpoints, bool certain);

#endif
