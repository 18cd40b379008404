/* Super-frames cut into the segments that the sender left to hardware to make (GSO), for where the
 * kernel cannot do it: inside a tunnel, and for a link whose MTU even a segment exceeds.
 *
 * The segments are what the kernel's own cutting gives (tcp_gso_segment() and inet_gso_segment() in
 * net/ipv4, __udp_gso_segment() for datagrams): each with the headers of the whole; lengths, checksums
 * and sequence number its own; an id one higher than the last; PSH and FIN on the last one only, CWR
 * on the first only.
 *
 * They are made one by one in the super-frame's own bytes: the headers move to where the next piece of
 * payload begins, over the end of the piece before it, which has left by then. No payload is copied,
 * and nothing but the first segment's headers lies where the super-frame's were.
 */
#ifndef PATH_SEGMENT_H
#define PATH_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/packet.h"

enum {
	SEGMENT_IP_MAX = 15 * 4,  /* IPv4 and TCP headers with all their options */
	SEGMENT_TCP_MAX = 15 * 4,
};

/* How far the cutting of one super-frame is. */
struct segments {
	struct packet packet;   /* the segment that was cut last */
	struct frame frame;
	uint8_t *payload;       /* what has not been cut yet */
	uint32_t left, size;    /* bytes of it, and those that a segment takes */
	uint32_t l4_header;
	uint16_t number;        /* segments that were cut */
	uint8_t header[ETHERNET_SIZE + SEGMENT_IP_MAX + SEGMENT_TCP_MAX];
};

/* Bytes of the TCP or UDP header in front of a packet's payload. */
uint32_t segment_l4_header(const struct packet *packet);

/* Begins to cut a super-frame; its headers are as they are to leave. False: what `offload` says of it
 * is not true of its bytes, or it is neither TCP nor UDP. */
bool segments_begin(struct segments *segments, const struct packet *super);

/* The next segment, complete, in segments->packet; valid until the next call. False: no more. */
bool segments_next(struct segments *segments);

#endif
