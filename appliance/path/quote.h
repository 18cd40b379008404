/* The packet that an ICMP error is about: its header and the beginning of its payload, quoted
 * behind the error's own header (RFC 792). */
#ifndef PATH_QUOTE_H
#define PATH_QUOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/packet.h"

enum { QUOTE_L4_MIN = 8 }; /* bytes of L4 that every error quotes */

struct quote {
	struct ipv4 *ip;
	void *l4;           /* QUOTE_L4_MIN bytes at least: ports, or ICMP id and sequence */
	uint32_t l4_length; /* bytes of L4 that are there */
};

/* The first bytes of TCP and UDP alike. */
struct WIRE quote_ports { be16 source, destination; };

/* Reads what an ICMP error quotes, after its ICMP checksum and the checksum of the quoted IP header
 * (RFC 5508 section 4.2, requirement 3). False: malformed, a quote of a later fragment, or the
 * error itself is a fragment, which no honest error is: its size passes everywhere. */
bool quote_read(const struct packet *error, struct quote *ret_quote);

/* Gives the quoted packet, TCP or UDP, other addresses and ports, with every checksum that covers
 * them: of the quoted header, of the quoted L4 where its field is there, and of the error. */
void quote_rewrite(const struct packet *error, const struct quote *quote, be32 source,
		   be16 source_port, be32 destination, be16 destination_port);

#endif
