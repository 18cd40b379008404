#include "appliance/path/heartbeat_wire.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>

_Static_assert(HEARTBEAT_HMAC_SIZE == SHA256_DIGEST_SIZE, "the whole digest is sent");

/* The datagram's content where it has the form, else NULL. */
static const struct heartbeat *content_of(const struct packet *packet)
{
	const struct heartbeat *heartbeat = (const struct heartbeat *)(packet_udp(packet) + 1);
	uint16_t length = from_be16(packet_udp(packet)->length);

	if (length != UDP_SIZE + sizeof(*heartbeat) ||
	    from_be32(heartbeat->magic) != HEARTBEAT_MAGIC ||
	    heartbeat->version != HEARTBEAT_VERSION ||
	    !same32(heartbeat->address, packet->source))
		return NULL;
	return heartbeat;
}

static bool is_signed(const struct heartbeat *heartbeat, const struct heartbeat_key *key)
{
	struct hmac_sha256_ctx hmac;
	uint8_t digest[HEARTBEAT_HMAC_SIZE];

	hmac_sha256_set_key(&hmac, key->length, key->bytes);
	hmac_sha256_update(&hmac, HEARTBEAT_SIGNED, (const uint8_t *)heartbeat);
	hmac_sha256_digest(&hmac, sizeof(digest), digest);
	return memeql_sec(digest, heartbeat->hmac, sizeof(digest));
}

static bool is_within(uint64_t timestamp_ns, uint64_t wall_ns)
{
	uint64_t apart = timestamp_ns > wall_ns ? timestamp_ns - wall_ns : wall_ns - timestamp_ns;

	return apart <= HEARTBEAT_SKEW_NS;
}

static bool is_newer(const struct heartbeat_last *one, const struct heartbeat_last *last)
{
	if (one->timestamp_ns != last->timestamp_ns)
		return one->timestamp_ns > last->timestamp_ns;
	return one->sequence > last->sequence;
}

enum verdict heartbeat_read(const struct packet *packet, const struct heartbeat_key *key,
			    uint64_t wall_ns, struct heartbeat_last *last,
			    const struct heartbeat **ret_heartbeat)
{
	const struct heartbeat *heartbeat = content_of(packet);

	*ret_heartbeat = heartbeat;
	if (!key->length)
		return VERDICT_CONSUMED;
	if (!heartbeat)
		return DROP_heartbeat_malformed;
	struct heartbeat_last said = {from_be64(heartbeat->timestamp_ns),
				      from_be64(heartbeat->sequence)};

	/* The signature first: what nobody has signed is forged, whatever time it claims. */
	if (!is_signed(heartbeat, key))
		return DROP_heartbeat_forged;
	if (!is_within(said.timestamp_ns, wall_ns))
		return DROP_heartbeat_old;
	if (!is_newer(&said, last))
		return DROP_heartbeat_replayed;
	*last = said;
	return VERDICT_CONSUMED;
}
