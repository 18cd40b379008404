/* The outer VLAN tag, 802.1Q or 802.1ad, which the kernel keeps beside a frame: put back into its
 * bytes, and taken out of them where no kernel has (IEEE 802.1Q-2018 section 9: right behind the
 * two MAC addresses). */
#ifndef RING_VLAN_H
#define RING_VLAN_H

#include <stdint.h>
#include <string.h>

#include "appliance/path/bytes.h"
#include "appliance/path/frame.h"

enum {
	VLAN_TAG_BYTES = 4,
	VLAN_TAG_OFFSET = 12,
	VLAN_TPID_Q = 0x8100,
	VLAN_TPID_AD = 0x88a8,
};

/* Bytes that the frame has with its tag. */
static inline uint32_t vlan_length(const struct frame *frame)
{
	return frame->length + (frame->vlan_tpid ? VLAN_TAG_BYTES : 0);
}

static inline void vlan_tag(const struct frame *frame, uint8_t tag[VLAN_TAG_BYTES])
{
	be16 words[2] = {to_be16(frame->vlan_tpid), to_be16(frame->vlan_tci)};

	memcpy(tag, words, sizeof(words));
}

/* Takes the outer tag out of the bytes, which come 4 later to begin, as the kernel does on receive
 * (net/core/skbuff.c, skb_vlan_untag()). A frame that ends with its tag keeps it. */
static inline void vlan_take(struct frame *frame)
{
	be16 words[3]; /* TPID, TCI, and the EtherType behind */

	if (frame->length < VLAN_TAG_OFFSET + sizeof(words))
		return;
	memcpy(words, frame->data + VLAN_TAG_OFFSET, sizeof(words));
	uint16_t tpid = from_be16(words[0]);
	if (tpid != VLAN_TPID_Q && tpid != VLAN_TPID_AD)
		return;
	frame->vlan_tpid = tpid;
	frame->vlan_tci = from_be16(words[1]);
	memmove(frame->data + VLAN_TAG_BYTES, frame->data, VLAN_TAG_OFFSET);
	frame->data += VLAN_TAG_BYTES;
	frame->headroom = (uint16_t)(frame->headroom + VLAN_TAG_BYTES);
	frame->length -= VLAN_TAG_BYTES;
	frame->wire_length -= VLAN_TAG_BYTES;
}

/* Copies a frame of at least VLAN_TAG_OFFSET bytes with its tag; `to` holds vlan_length() bytes. */
static inline void vlan_copy(const struct frame *frame, uint8_t *to)
{
	if (!frame->vlan_tpid) {
		memcpy(to, frame->data, frame->length);
		return;
	}
	memcpy(to, frame->data, VLAN_TAG_OFFSET);
	vlan_tag(frame, to + VLAN_TAG_OFFSET);
	memcpy(to + VLAN_TAG_OFFSET + VLAN_TAG_BYTES, frame->data + VLAN_TAG_OFFSET,
	       frame->length - VLAN_TAG_OFFSET);
}

/* What is left for hardware to do, its offsets moved by the tag that now stands before them. */
static inline struct offload vlan_offload(const struct frame *frame)
{
	struct offload offload = frame->offload;

	if (frame->vlan_tpid && offload.flags & OFFLOAD_CHECKSUM_PARTIAL)
		offload.csum_start = (uint16_t)(offload.csum_start + VLAN_TAG_BYTES);
	if (frame->vlan_tpid && offload.gso_type)
		offload.hdr_len = (uint16_t)(offload.hdr_len + VLAN_TAG_BYTES);
	return offload;
}

#endif
