#include "appliance/path/rewrite.h"

bool rewrite_offset(const struct packet *packet, uint32_t bytes)
{
	be16 *field = &packet->ip->fragment, before = *field;
	uint32_t offset = (from_be16(before) & IPV4_OFFSET_MASK) * 8U + bytes;

	if (offset + packet->ip_length > UINT16_MAX)
		return false;
	*field = to_be16((uint16_t)(from_be16(before) + bytes / 8));
	packet->ip->checksum = checksum_update(packet->ip->checksum,
					       checksum_change16(before, *field));
	return true;
}
