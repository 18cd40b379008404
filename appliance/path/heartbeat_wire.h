/* Heartbeats that say who sent them, when, and how much he can carry: 64 bytes of a datagram.
 *
 *     0       4    5    6      8         16        24      28     30      32               64
 *     +-------+----+----+------+---------+---------+-------+------+-------+----------------+
 *     | magic | 1  |flag|weight|timestamp| sequence|address| port | zero  |  HMAC-SHA-256  |
 *     +-------+----+----+------+---------+---------+-------+------+-------+----------------+
 *
 * Signed are the 32 bytes before the HMAC (RFC 2104, FIPS 180-4), with the key that the check has.
 * The sender's own address is among them: what is heard from one backend proves nothing about
 * another. A timestamp (nanoseconds since 1970) within HEARTBEAT_SKEW_NS of the appliance's clock,
 * and above the last one that was taken, by the sequence number where they are equal, makes a
 * heartbeat good for once. Without a key any datagram is one, and this form still tells a weight.
 */
#ifndef PATH_HEARTBEAT_WIRE_H
#define PATH_HEARTBEAT_WIRE_H

#include "appliance/path/packet.h"

enum {
	HEARTBEAT_MAGIC = 0x4c424842, /* "LBHB" */
	HEARTBEAT_VERSION = 1,
	HEARTBEAT_HAS_WEIGHT = 1,     /* flags */
	HEARTBEAT_HMAC_SIZE = 32,
};

#define HEARTBEAT_SKEW_NS UINT64_C(30000000000)

struct WIRE heartbeat {
	be32 magic;
	uint8_t version, flags;
	be16 weight;
	be64 timestamp_ns, sequence;
	be32 address;
	be16 port; /* of the backend that registers: 0: the client's */
	be16 zero;
	uint8_t hmac[HEARTBEAT_HMAC_SIZE];
};
_Static_assert(sizeof(struct heartbeat) == 64, "the picture above");

enum { HEARTBEAT_SIGNED = sizeof(struct heartbeat) - HEARTBEAT_HMAC_SIZE };

/* What proves a heartbeat; length 0: nothing need be proved. */
struct heartbeat_key {
	const uint8_t *bytes;
	uint16_t length;
};

/* What the heartbeats of one sender have said last; all zero: none has come. */
struct heartbeat_last {
	uint64_t timestamp_ns, sequence;
};

/* Reads the datagram as a heartbeat. VERDICT_CONSUMED: it is one, *ret_heartbeat is its content, or
 * NULL where it says nothing; *last moves on. Otherwise the drop that says what is wrong with it.
 * `wall_ns`: nanoseconds since 1970. */
enum verdict heartbeat_read(const struct packet *packet, const struct heartbeat_key *key,
			    uint64_t wall_ns, struct heartbeat_last *last,
			    const struct heartbeat **ret_heartbeat);

#endif
