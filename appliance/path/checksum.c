/* See checksum.h. */
#include "appliance/path/checksum.h"

#include <string.h>

static uint64_t load64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint32_t load32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint16_t load16(const uint8_t *bytes)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* 32-bit words go into 64-bit sums, which hold all carries of 2^32 of them. Two sums, so that one
 * addition need not wait for the other. */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t high = 0;

	for (; length >= 8; at += 8, length -= 8) {
		uint64_t words = load64(at);

		sum += words & 0xffffffff;
		high += words >> 32;
	}
	sum += high;
	if (length & 4) {
		sum += load32(at);
		at += 4;
	}
	if (length & 2) {
		sum += load16(at);
		at += 2;
	}
	if (length & 1)
		sum += to_be16((uint16_t)(*at << 8)).raw;
	return sum;
}

uint64_t checksum_pseudo_header(be32 source, be32 destination, uint8_t protocol, uint16_t length)
{
	return (uint64_t)source.raw + destination.raw + to_be16(protocol).raw + to_be16(length).raw;
}

bool checksum_finish(struct packet *packet)
{
	struct frame *frame = packet->frame;
	const struct offload *offload = &frame->offload;
	uint8_t *end = (uint8_t *)packet->ip + packet->ip_length;
	size_t start = offload->csum_start, field = start + offload->csum_offset;
	size_t size = (size_t)(end - frame->data);
	be16 checksum;

	if (!(offload->flags & OFFLOAD_CHECKSUM_PARTIAL))
		return true;
	if (offload->gso_type || start < (size_t)((uint8_t *)packet->l4 - frame->data) ||
	    field + sizeof(checksum) > size)
		return false;

	/* The sum over the field is the pseudo header's. 0xffff for zero is right in UDP, and equal
	 * in all others. */
	checksum = checksum_field_udp(checksum_add(0, frame->data + start, size - start));
	memcpy(frame->data + field, &checksum, sizeof(checksum));
	frame->offload.flags &= (uint8_t)~OFFLOAD_CHECKSUM_PARTIAL;
	return true;
}

bool checksum_verify(const struct packet *packet)
{
	uint64_t sum = 0;
	size_t length = packet->l4_length;

	if (packet->frame->offload.flags & (OFFLOAD_CHECKSUM_PARTIAL | OFFLOAD_CHECKSUM_VALID))
		return true;
	if (packet->protocol == PROTOCOL_NUMBER_UDP) {
		if (!packet_udp(packet)->checksum.raw)
			return true;
		length = from_be16(packet_udp(packet)->length);
	}
	if (packet->protocol != PROTOCOL_NUMBER_ICMP)
		sum = checksum_pseudo_header(packet->source, packet->destination, packet->protocol,
					     (uint16_t)length);
	return checksum_is_right(checksum_add(sum, packet->l4, length));
}
