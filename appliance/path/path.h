/* The packet path: what every received frame gets, on one thread, without a clock, a random source,
 * an allocation or any I/O.
 *
 * Whoever runs it (the loop over rings, the replay, a test) brings frames and the time, publishes
 * snapshots, and is called back for frames that leave and for events. The same inputs give the same
 * outputs, bit for bit.
 */
#ifndef PATH_PATH_H
#define PATH_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/path/flow.h"
#include "appliance/path/frame.h"
#include "appliance/path/snapshot.h"
#include "appliance/path/trace.h"
#include "appliance/path/tunnel.h"
#include "appliance/path/verdict.h"

struct path;

/* Sizes that are fixed at start. */
struct path_limits {
	uint32_t flows;           /* capacity of the flow table */
	uint32_t held_frame_size; /* largest frame that can wait: MTU and Ethernet header */
	uint64_t seed;            /* of the flow table's hash */
};

enum path_event_type {
	EVENT_TARGET_UP,      /* id: check target */
	EVENT_TARGET_DOWN,
	EVENT_VIP_CONFLICT,   /* address, mac, interface: another host claims it */
	EVENT_NEIGHBOR_FAILED, /* address, interface */
	EVENT_TARGET_WEIGHT,   /* id: target, value: what its heartbeat tells; NONE: nothing more */
	EVENT_TARGET_MOVED,    /* id: target of a registration; address, mac, interface: as of now */
	EVENT_REGISTER,        /* id: registration; address, mac, interface, value: port */
};

struct path_event {
	enum path_event_type type;
	uint32_t id;
	be32 address;
	struct mac_address mac;
	uint32_t interface;
	uint32_t value;
	uint64_t time_ns;
};

/* Who takes what the path gives. Frames leave in the order of the calls; their bytes may be reused
 * when the call returns. */
struct path_output {
	void *context;
	void (*send)(void *context, const struct frame *frame); /* frame.interface: where it leaves */
	void (*event)(void *context, const struct path_event *event);
	/* While frames are to be traced: whether this one is (NULL: each is), and what time it is
	 * in nanoseconds, from whatever moment (NULL: nobody knows). */
	bool (*wants_trace)(void *context, const struct frame *frame);
	uint64_t (*clock)(void *context);
};

/* What became of one received frame, for replay and trace; the counters have it too. */
struct outcome {
	enum verdict verdict;
	uint32_t backend;    /* id of the chosen backend, or NONE */
	uint32_t interface;  /* where it left, EVERY_FRONTEND, or NONE */
};

struct interface_counters {
	uint64_t received, received_bytes;
	uint64_t sent, sent_bytes;        /* forwarded and originated frames that left here */
	uint64_t originated;              /* frames of the appliance's own that left here */
	uint64_t held;                    /* received here and waiting now */
	uint64_t verdict[VERDICT_COUNT];  /* of frames received here; [VERDICT_HELD] stays 0 */
};

struct backend_counters {
	uint64_t packets, bytes;          /* client to backend */
	uint64_t reply_packets, reply_bytes;
	uint64_t total_flows;
	uint32_t active_flows;
};

struct service_counters {
	uint64_t packets, bytes, reply_packets, reply_bytes, total_flows, no_backend;
	uint32_t active_flows;
};

struct path_counters {
	uint64_t stateless;       /* packets forwarded by the table: no room for a flow, or a RST */
	uint64_t vip_conflicts;
	uint64_t checks_sent, heartbeats;
	uint64_t register_full;   /* packets of strangers that could not join, whatever became of them */
	struct interface_counters interface[INTERFACES_MAX];
};

enum health { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN };

/* Bytes of memory that path_new() needs, to be aligned to 64; zeroed by the caller. */
size_t path_size(const struct path_limits *limits);
struct path *path_new(void *memory, const struct path_limits *limits, const struct path_output *output);

/* Makes `snapshot` what the path reads from now on; the one before is not touched again. */
void path_publish(struct path *path, const struct snapshot *snapshot, uint64_t now_ns);

/* Nanoseconds since 1970 where the path's time is 0: heartbeats carry times of day. */
void path_set_wall_clock(struct path *path, uint64_t offset_ns);

/* Takes `count` received frames, in order. `outcomes`: one each, or NULL. */
void path_receive(struct path *path, struct frame *frames, struct outcome *outcomes, unsigned count,
		  uint64_t now_ns);

/* Does what is due: expiry, ARP retries, checks. Bounded work; call at least at path_deadline(). */
void path_tick(struct path *path, uint64_t now_ns);
uint64_t path_deadline(const struct path *path);

/* Readers, on the path's thread. */
const struct path_counters *path_counters(const struct path *path);
const struct backend_counters *path_backend_counters(const struct path *path, uint32_t backend_id);
const struct service_counters *path_service_counters(const struct path *path, uint32_t service_id);
struct flow_table *path_flows(struct path *path);
enum health path_target_health(const struct path *path, uint32_t target_id);
/* What its heartbeats tell, or NONE. */
uint32_t path_target_weight(const struct path *path, uint32_t target_id);
void path_clear_counters(struct path *path);

/* Looks at `budget` records from index *cursor on and closes those whose backend, service and client
 * match (NONE or zero: any); returns how many. *cursor is the table's capacity when done. */
struct flow_match {
	uint32_t backend_id, service_id;
	be32 client;
	be16 client_port;
};
bool flow_matches(const struct flow_match *match, const struct flow *flow);
uint32_t path_close_flows(struct path *path, const struct flow_match *match,
			  enum flow_close_reason reason, uint32_t *cursor, uint32_t budget);

/* What a snapshot makes of a flow that is there. */
enum flow_fate {
	FLOW_STAYS,
	FLOW_IS_CLEARED,     /* its service is gone, disabled, or elsewhere */
	FLOW_LOSES_BACKEND,  /* another one is chosen for its next packet */
	FLOW_IS_RESET,       /* it loses its backend, and the client is told so */
};
enum flow_fate path_flow_fate(const struct snapshot *snapshot, const struct flow *flow);

/* Closes, likewise in slices, the flows whose service, backend or source the snapshot has ended. */
void path_sweep(struct path *path, uint32_t *cursor, uint32_t budget);

/* Traces the next frames that are wanted; how many of `count` there is room for. What was to be
 * traced before is not any more; what was traced stays until it is cleared. */
uint32_t path_trace_add(struct path *path, uint32_t count);
void path_trace_clear(struct path *path);
/* How many have been traced, and each. */
uint32_t path_traces(const struct path *path);
const struct trace *path_trace_at(const struct path *path, uint32_t index);

/* What the path would do with a client's packet; refreshes and creates nothing. */
enum lookup_how {
	LOOKUP_FLOW,
	LOOKUP_MAGLEV,
	LOOKUP_ROUND_ROBIN,
	LOOKUP_LEAST_CONNECTIONS,
	LOOKUP_FALLBACK,
};

struct lookup {
	enum verdict verdict;     /* VERDICT_FORWARDED, VERDICT_HELD, or the drop */
	enum lookup_how how;
	uint32_t service, backend; /* ids, or NONE */
	uint32_t slot;             /* of the Maglev table */
	enum forward_mode mode;
	be32 source_address;       /* whom the backend sees; zero: there is none */
	be16 source_port;
	bool proxy;                /* with a PROXY header */
	struct tunnel tunnel;      /* ipip and gue, where there is an interface */
	uint32_t interface;        /* where it would leave, or NONE */
	bool bridged;              /* no next hop: its MACs stay */
	be32 next_hop;
	bool has_mac;
	struct mac_address mac;
	const char *neighbor;      /* state, in the terms of RFC 4861 */
};

/* With the tables of a snapshot that need not be in force. */
void path_lookup_in(struct path *path, const struct snapshot *snapshot,
		    const struct flow_tuple *tuple, uint64_t now_ns, struct lookup *ret_lookup);
void path_lookup(struct path *path, be32 source, be16 source_port, be32 destination,
		 be16 destination_port, uint8_t protocol, uint64_t now_ns, struct lookup *ret_lookup);

#endif
