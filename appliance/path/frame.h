/* A frame as it travels through the appliance: bytes owned by somebody else (a ring block, a
 * capture, a held copy) and the facts that do not stand in the bytes.
 */
#ifndef PATH_FRAME_H
#define PATH_FRAME_H

#include <stdbool.h>
#include <stdint.h>

/* What a sender left for hardware to finish. Byte for byte the virtio network header (virtio 1.1
 * section 5.1.6, linux/virtio_net.h), so that a ring hands it through unchanged. */
struct offload {
	uint8_t flags;       /* OFFLOAD_CHECKSUM_* */
	uint8_t gso_type;    /* OFFLOAD_SEGMENT_*; 0: not a super-frame */
	uint16_t hdr_len;    /* Ethernet to end of L4 header, where gso_type is set */
	uint16_t gso_size;   /* L4 payload bytes a segment */
	uint16_t csum_start; /* offset from the Ethernet header where summing starts */
	uint16_t csum_offset;
};

enum {
	OFFLOAD_CHECKSUM_PARTIAL = 1, /* the L4 field holds the uncomplemented pseudo-header sum */
	OFFLOAD_CHECKSUM_VALID = 2,   /* the receiver's hardware has verified the L4 checksum */

	OFFLOAD_SEGMENT_TCPV4 = 1,
	OFFLOAD_SEGMENT_UDP = 5,      /* datagrams of one size, the last one shorter (UDP_L4) */
	OFFLOAD_SEGMENT_ECN = 0x80,   /* beside TCPV4: its segments carry CWR */

	FRAME_HEADROOM_MIN = 64,      /* for headers that are put before a frame */
};

struct frame {
	uint8_t *data;      /* the Ethernet header; writable, `length` bytes */
	uint32_t length;    /* bytes present, without a stripped VLAN tag */
	uint32_t wire_length; /* bytes that the frame had on the wire; > length: it was cut short */
	uint16_t headroom;  /* writable bytes before `data`, FRAME_HEADROOM_MIN or more */
	uint16_t interface; /* where it came in, or is to leave: an index into snapshot.interface */
	uint16_t vlan_tci;  /* the tag that the kernel stripped; meaningful where vlan_tpid != 0 */
	uint16_t vlan_tpid; /* host order, 0: untagged */
	struct offload offload;
};

/* A tag with VLAN 0 says a priority only (IEEE 802.1Q). */
static inline bool frame_is_in_vlan(const struct frame *frame)
{
	enum { VLAN_ID_MASK = 0xfff };

	return frame->vlan_tpid && frame->vlan_tci & VLAN_ID_MASK;
}

#endif
