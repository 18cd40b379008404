/* IPv4 packets of the appliance's own: the header, and the way out. */
#ifndef PATH_ORIGINATE_H
#define PATH_ORIGINATE_H

#include <stddef.h>
#include <stdint.h>

#include "appliance/path/packet.h"
#include "appliance/path/snapshot.h"
#include "appliance/path/verdict.h"

struct path;

enum {
	ORIGINATE_HEADERS = ETHERNET_SIZE + IPV4_SIZE_MIN, /* room before the L4 header */
	ORIGINATE_TTL = 64,
	ORIGINATE_TOS_CONTROL = 0xc0, /* internetwork control: RFC 1812 section 4.3.2.5 */
};

/* What stands in the IP header. */
struct originate {
	be32 source, destination;
	uint8_t protocol, tos;
	uint16_t id;
	bool dont_fragment;
};

/* Writes Ethernet type and IP header of a frame of the appliance's own. */
struct frame originate_frame(const struct originate *what, uint8_t *bytes, size_t l4_length,
			     uint16_t interface);

/* Sends `bytes`: ORIGINATE_HEADERS bytes, which are filled in here, then `l4_length` bytes complete
 * with their checksum. VERDICT_FORWARDED, VERDICT_HELD, or why it does not leave. */
enum verdict originate_send(struct path *path, const struct originate *what, uint8_t *bytes,
			    size_t l4_length, const struct snapshot_route *route);

/* How an answer gets to the sender of a received packet: by its route; where the topology is
 * bridged, which knows no routes to clients, as the packet came, MACs and IP addresses turned
 * around, as a bridge answers (OpenBSD if_bridge.c, bridge_send_icmp_err()). False: there is no
 * way, or nobody is to be answered. */
bool originate_way_back(const struct path *path, const struct packet *packet,
			struct snapshot_route *ret_route);
/* Sends it, `bytes` and `l4_length` as above; `packet` is as it was received. */
void originate_answer(struct path *path, const struct originate *what, uint8_t *bytes,
		      size_t l4_length, const struct snapshot_route *way_back,
		      const struct packet *packet);

/* Writes a TCP header without options, complete with its checksum; returns its size. */
size_t originate_tcp(const struct tcp *header, const struct originate *what, void *l4);

#endif
