/* Probes on the wire: what they look like, and what tells an answer to one from anything else.
 *
 * A probe is named by what stands in its headers. The keyed hash of the name finds it when an
 * answer names it, and half of it goes along as a cookie (TCP sequence number, ICMP payload) that
 * comes back in the answer: whoever cannot see the probe cannot answer it, and a late answer is
 * known for what it is without being remembered. Nothing is random: ports and sequence numbers
 * follow from the target's id and the number of the attempt, and return after 4096 attempts or
 * more.
 */
#ifndef PATH_PROBE_H
#define PATH_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/check.h"
#include "appliance/path/packet.h"
#include "appliance/path/snapshot.h"

struct path;

/* Fields that do not belong to the type are zero. */
struct probe {
	be32 address;  /* of the target */
	be16 port;     /* of the target */
	be16 local;    /* source port, or ICMP id */
	be16 sequence; /* ICMP */
	uint8_t type;  /* enum probe_type */
	uint8_t zero;  /* the hash reads all 12 bytes */
};
_Static_assert(sizeof(struct probe) == 12, "no padding that would be hashed");

/* The probe of a target's attempt. */
struct probe probe_of(const struct snapshot_target *target, uint32_t attempt);

uint64_t probe_hash(const struct probe *probe, uint64_t seed);

/* Sends a probe on the target's real path. `mac`: for PROBE_ARP, whom to ask; NULL: everybody.
 * False: it did not leave. */
bool probe_send(struct path *path, const struct snapshot_target *target, const struct probe *probe,
		const struct mac_address *mac);

/* Why a probe to the target has had no answer, as far as the appliance can tell. */
enum check_result probe_silence(const struct path *path, const struct snapshot_target *target);

/* What a packet to an interface address says about a probe. */
struct probe_answer {
	struct probe probe;       /* whom it is about */
	enum check_result result;
	bool is_proven;           /* it carries the cookie of a probe, however old */
	const uint8_t *payload;   /* of a datagram */
	uint32_t payload_length;
};

/* Reads a packet with a right checksum that answers or refuses a probe. False: it does neither. */
bool probe_read(const struct path *path, const struct packet *packet,
		struct probe_answer *ret_answer);

#endif
