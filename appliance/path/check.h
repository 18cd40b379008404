/* Liveness of check targets (SEMANTICS 6): active probes, sent by the packet path itself so that
 * they take the backend's real path, and heartbeats.
 *
 * A target starts down and is up with its first success. From then on `fall` failures in a row take
 * it down and `rise` successes in a row bring it up; a heartbeat target is up while it is heard. A
 * probe that cannot be sent fails as one that is not answered does, when its timeout is over; a
 * refusal fails at once. One probe of a target is under way at a time. Probes stand on a grid of
 * their interval, moved by a hash of the target's id, so that targets spread and stay spread.
 *
 * What counts as success:
 *
 *    icmp       an echo reply with the request's id, sequence and cookie
 *    tcp        a SYN-ACK to the very SYN; it is answered by a RST, so that nothing is left behind
 *    udp        a datagram from the target's address and port, that begins with `expect`; any
 *               where there is none. Silence fails: what never answers cannot be told from what
 *               is gone
 *    arp        an ARP reply of the address: asked directly while it answers, else by broadcast
 *    heartbeat  any TCP or UDP packet of the target, or a datagram to the heartbeat port
 *
 * State belongs to a target's id and outlives every snapshot that has the id; control gives a
 * target whose type, address or port changed a new one.
 */
#ifndef PATH_CHECK_H
#define PATH_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/path/packet.h"
#include "appliance/path/path.h"

struct checks;

enum {
	/* Source ports of probes, 61440 to 65535, on every address of the appliance: whatever else
	 * takes ports of its addresses (fullnat) stays below. */
	PROBE_PORT_FIRST = 0xf000,
	PROBE_PORT_MASK = 0x0fff,

	CHECK_TICK_MAX = 256,   /* timers that one tick looks at */
	CHECK_ADOPT_MAX = 1024, /* targets of a new snapshot that one tick looks at */
};

#define CHECK_FIRST_NS UINT64_C(1000000000) /* within it a new target is asked first */

/* name, text: what the last probe came to; successes first */
#define CHECK_RESULTS(X) \
	X(NONE,           "not checked yet") \
	X(ECHO_REPLY,     "echo reply") \
	X(SYN_ACK,        "syn-ack") \
	X(DATAGRAM,       "answer") \
	X(ARP_REPLY,      "arp reply") \
	X(HEARD,          "heard") \
	X(TIMEOUT,        "timeout") \
	X(REFUSED,        "refused") \
	X(UNREACHABLE,    "unreachable") \
	X(UNEXPECTED,     "unexpected answer") \
	X(SILENT,         "silent") \
	X(NO_ROUTE,       "no route") \
	X(NOT_ON_LINK,    "not on link") \
	X(NO_ADDRESS,     "no address to ask from") \
	X(INTERFACE_DOWN, "interface down") \
	X(NO_NEIGHBOR,    "no answer to arp")

enum check_result {
#define X(name, text) CHECK_##name,
	CHECK_RESULTS(X)
#undef X
	CHECK_RESULT_COUNT,
	CHECK_FIRST_FAILURE = CHECK_TIMEOUT,
};

const char *check_result_text(enum check_result result);

/* Bytes of memory, to be aligned to 64 and zeroed. */
size_t checks_size(void);
struct checks *checks_new(void *memory);

/* Follows a swap of path->snapshot: new targets begin, those that are gone are forgotten. The work
 * is left to the ticks. */
void checks_published(struct path *path);

/* Probes and timeouts that are due, a bounded number of them. */
void checks_tick(struct path *path);
uint64_t checks_deadline(const struct path *path); /* UINT64_MAX: never; 0: at once */

/* Asked about every packet to an interface address. True where it is done with, and *ret_verdict
 * says how: VERDICT_CONSUMED for an answer to a probe or a refusal of one, an ICMP error about one,
 * or a heartbeat to a port; malformed where its L4 checksum, which only an end point looks at, is
 * wrong. */
bool checks_received(struct path *path, const struct packet *packet, enum verdict *ret_verdict);

/* Asked about every valid ARP reply to the appliance: true where an arp check waits for it. */
bool checks_arp_reply(struct path *path, be32 address, const struct mac_address *mac);

/* Told of every valid packet, later fragments excepted, from an interface with a backend side,
 * whoever it is for: it counts as a heartbeat of targets that take any TCP or UDP packet of their
 * address for one: true where it did. Consumes nothing. */
bool heartbeat_heard(struct path *path, const struct packet *packet);

/* Health of the target at this index of the present snapshot: HEALTH_UP or HEALTH_DOWN. */
enum health check_health(const struct path *path, uint32_t target);

/* The weight that its heartbeats tell, or NONE. */
uint32_t check_weight(const struct path *path, uint32_t target);

/* For reports. */
struct check_view {
	enum health health;
	enum check_result result; /* of the last probe, or heartbeat */
	uint64_t round_trip_ns;   /* of the last success; 0 for heartbeats */
	uint64_t result_ns;       /* when the last result came; 0: none yet */
	uint64_t changed_ns;      /* when health last changed; 0: never */
	uint32_t successes, failures; /* in a row; one of them is 0 */
};

/* False: no target of this id is being checked. */
bool check_view(const struct path *path, uint32_t target_id, struct check_view *ret_view);

#endif
