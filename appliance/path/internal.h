/* The path's state, and the few doors between its modules. Only files of appliance/path/ include
 * this; the world outside sees path.h. */
#ifndef PATH_INTERNAL_H
#define PATH_INTERNAL_H

#include "appliance/path/arp.h"
#include "appliance/path/check.h"
#include "appliance/path/fragment.h"
#include "appliance/path/hold.h"
#include "appliance/path/limit.h"
#include "appliance/path/neighbor.h"
#include "appliance/path/packet.h"
#include "appliance/path/path.h"

/* Of which of its ports a backend had no fullnat source left, and until when that counts. */
struct exhaustion {
	uint64_t until_ns;
	be16 port;
	uint8_t protocol;
};

/* What the path keeps of a backend or service slot; `id` tells which generation it is of. */
struct backend_state {
	uint32_t id;
	struct backend_counters counters;
	int64_t turn;          /* of the pool's smooth round-robin: highest goes next */
	struct exhaustion exhaustion; /* see source.h */
};

struct service_state {
	uint32_t id;
	struct service_counters counters;
};

/* Flows that one tick looks at: a million that expire at once take some thousands of ticks, and none
 * holds up a batch. */
enum { FLOW_EXPIRE_BUDGET = 256 };

/* Largest frame that the path builds: an IP packet, its Ethernet header, and one to wrap it in. */
enum { SCRATCH_SIZE = TUNNEL_OVERHEAD_MAX + ETHERNET_SIZE + UINT16_MAX };

/* Frames that were traced. */
struct traces {
	uint32_t count;
	struct trace trace[TRACES_MAX];
};

struct path {
	const struct snapshot *snapshot;
	uint32_t epoch;           /* publications so far: see flow.epoch */
	bool listens;             /* any packet of a backend may count as a heartbeat */
	uint64_t now_ns;          /* of the batch or tick under way */
	uint64_t wall_offset_ns;  /* the time of day where that is 0 */
	uint32_t traces_left;     /* frames that are to be traced */
	struct trace *traced;     /* of the frame at hand; NULL: it is not */
	const struct frame *traced_frame;
	struct path_output output;

	struct flow_table flows;
	struct neighbors *neighbors;
	struct arp_state *arp;
	struct hold *hold;        /* frames that wait */
	struct fragments *fragments;
	struct checks *checks;
	struct traces *traces;
	struct limiter limiter[LIMIT_COUNT];

	struct backend_state *backend; /* BACKENDS_MAX, by slot */
	struct service_state *service; /* SERVICES_MAX, by slot */
	struct path_counters counters;
	uint16_t tunnel_id;       /* of the last outer header that had to have one */
	uint32_t counted[INTERFACES_MAX]; /* the interface's id that the counters are of */
	uint8_t scratch[SCRATCH_SIZE]; /* the frame that is being built */
};

/* Counts one received frame under its verdict; `interface` is where it came in. */
void path_count(struct path *path, uint32_t interface, enum verdict verdict);

/* Sends a frame that is complete, Ethernet header included, and counts it as sent on
 * frame->interface; as originated too where the appliance made it. */
void path_send(struct path *path, const struct frame *frame, bool originated);

/* True where a backend (index into snapshot.backend) may get new flows or keep its own: neither
 * disabled nor, by its check, down. Draining ones are usable for flows that they have. */
bool path_backend_alive(const struct path *path, uint32_t backend);

/* True where a flow's service is there, enabled, and still at the address that the client calls. */
bool flow_service_stands(const struct snapshot *snapshot, const struct flow *flow);

/* True for the flow of a client that calls a backend past its services (direct.h): it is no
 * service's, and both its sides have the same addresses. */
static inline bool flow_is_direct(const struct flow *flow)
{
	return flow->service == NONE;
}

/* True where a service has as many flows as it may, those of all its protocols together. */
bool path_service_full(const struct path *path, const struct snapshot_service *service);

/* What an IPv4 frame gets, from its IP header on; used again for a fragment that has waited for its
 * first one. Does not count. */
enum verdict path_route_ipv4(struct path *path, struct frame *frame);

#endif
