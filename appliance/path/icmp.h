/* ICMP (RFC 792): echo answered, errors made about what the appliance drops, and errors of others
 * about translated flows carried through the translation.
 *
 * Everything made here is limited in its rate, a kind at a time, and never answers an ICMP error, a
 * broadcast or a multicast (RFC 1812 section 4.3.2.7, RFC 1122 section 3.2.2): what is not from one
 * host to one host, by address and by MAC, the path has dropped before it asks for an answer.
 */
#ifndef PATH_ICMP_H
#define PATH_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/packet.h"
#include "appliance/path/verdict.h"

struct path;

/* True for the types that report an error, about which no error is sent: RFC 1122 section 3.2.2. */
static inline bool icmp_is_error(uint8_t type)
{
	return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER_PROBLEM;
}

static inline bool icmp_reports_error(const struct packet *packet)
{
	const struct icmp *icmp = packet->l4;

	return packet->protocol == PROTOCOL_NUMBER_ICMP && packet->fragment != FRAGMENT_LATER &&
	       icmp_is_error(icmp->type);
}

/* Answers an echo request to an address of the appliance, in place. The answer leaves where the
 * request came in, to the MAC that it came from: it needs no route, no neighbor and no room to
 * wait, and comes back the way that is known to work. Options, type of service and id stay the
 * sender's. VERDICT_CONSUMED, or why there is no answer: icmp_malformed, rate_limited,
 * echo_unavailable, too_big for the link, or icmp_ignored for fragments, which the appliance never
 * puts together, and for requests from a MAC that is no host's. A frame that is dropped is
 * unchanged. */
enum verdict icmp_echo(struct path *path, struct packet *packet);

/* Tells the sender of a received packet why it went no further: `type`, `code`, and for
 * "fragmentation needed" the MTU of the next hop (RFC 1191). `packet` is as it was received: call
 * before anything is rewritten. Quotes as much as fits into 576 bytes (RFC 1812 section 4.3.2.3) and the link.
 * Speaks as the VIP that the packet was sent to, so that a firewall on the way knows whom it hears,
 * else as the interface that it came in on, or, bridged and without an address, as whom it was for.
 * Silent where RFC 1122 forbids an error, beyond the
 * rate, and without a way back to the sender. */
void icmp_error(struct path *path, const struct packet *packet, uint8_t type, uint8_t code,
		uint16_t mtu);

/* Translates an ICMP error about a packet of a flow, either direction, and sends it on to whom it
 * concerns (RFC 5508 section 4.2): outer and embedded addresses, embedded ports, and every checksum
 * that covers them. From the client's side it is about a reply: `VIP:port` in it becomes the
 * backend's; from the backend's side about a request: `backend:port` in it becomes the VIP's, and
 * so does an outer source that is the backend; a router on the way keeps its address, but in fullnat
 * on the clients' side, where all that a backend sees is the appliance.
 * VERDICT_FORWARDED or VERDICT_HELD, DROP_icmp_malformed, DROP_icmp_unmatched, or why it cannot
 * leave. Sets what `packet` says about where it went. A frame that is dropped before it leaves is
 * unchanged. */
enum verdict icmp_translate(struct path *path, struct packet *packet);

#endif
