/* The 802.1Q tag that the kernel keeps beside a frame, put back into its bytes (IEEE 802.1Q-2018
 * section 9: right behind the two MAC addresses). */
#ifndef RING_VLAN_H
#define RING_VLAN_H

#include <stdint.h>
#include <string.h>

#include "appliance/path/bytes.h"
#include "appliance/path/frame.h"

enum {
	VLAN_TAG_BYTES = 4,
	VLAN_TAG_OFFSET = 12,
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
