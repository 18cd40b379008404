/* A datagram read as a heartbeat, signed or not, for Eva: no byte outside of it is looked at. The digest
 * is libnettle's, and not looked into. */
#include "tests/proof/frama/frames.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>

#include "appliance/path/heartbeat_wire.h"

/*@ requires length == 0 || \valid_read(key + (0 .. length - 1));
    assigns *context \from key[0 .. length - 1]; */
void hmac_sha256_set_key(struct hmac_sha256_ctx *context, size_t length, const uint8_t *key);
/*@ requires \valid_read(data + (0 .. length - 1));
    assigns *context \from *context, data[0 .. length - 1]; */
void hmac_sha256_update(struct hmac_sha256_ctx *context, size_t length, const uint8_t *data);
/*@ requires \valid(digest + (0 .. length - 1));
    assigns *context, digest[0 .. length - 1] \from *context;
    ensures \initialized(digest + (0 .. length - 1)); */
void hmac_sha256_digest(struct hmac_sha256_ctx *context, size_t length, uint8_t *digest);
/*@ requires \valid_read((const uint8_t *)a + (0 .. n - 1)) && \valid_read((const uint8_t *)b + (0 .. n - 1));
    assigns \result \from ((const uint8_t *)a)[0 .. n - 1], ((const uint8_t *)b)[0 .. n - 1]; */
int memeql_sec(const void *a, const void *b, size_t n);

static const uint8_t key_bytes[64];

enum { DATAGRAM = UDP_SIZE + sizeof(struct heartbeat) }; /* the one length that is a heartbeat's */

static void read_one(uint8_t first, uint32_t l4)
{
	uint32_t headers = ETHERNET_SIZE + (first - VERSION_4) * 4U;
	struct frame frame = frame_of(headers + l4, first);
	struct heartbeat_key key = {key_bytes, Frama_C_unsigned_short_interval(0, sizeof(key_bytes))};
	const struct heartbeat *heartbeat;
	struct heartbeat_last last;
	struct packet packet;

	Frama_C_make_unknown((char *)&last, sizeof(last));
	set_total_length(&frame);
	set_kind(&frame, PROTOCOL_NUMBER_UDP, 0);
	if (l4 >= UDP_SIZE)
		((struct udp *)(frame.data + headers))->length = to_be16(DATAGRAM);
	if (!parse(&packet, &frame))
		return;
	heartbeat_read(&packet, &key, Frama_C_unsigned_long_interval(0, UINT64_MAX), &last,
		       &heartbeat);
	//@ assert l4 >= DATAGRAM;
	//@ assert heartbeat == \null || \valid_read(heartbeat);
}

void every_datagram(void)
{
	//@ loop unroll 80;
	for (uint32_t l4 = 0; l4 <= DATAGRAM + 4; l4++) {
		read_one(IHL_MIN, l4);
		read_one(IHL_MAX, l4);
	}
}
