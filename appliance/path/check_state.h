/* What checks remember, for check.c and heartbeat.c. */
#ifndef PATH_CHECK_STATE_H
#define PATH_CHECK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/check.h"
#include "appliance/path/flow_index.h"
#include "appliance/path/heartbeat_wire.h"
#include "appliance/path/wheel.h"

/* Of a target, by its slot. */
struct check {
	uint32_t id;           /* whose state this is */
	uint8_t health;        /* enum health */
	uint8_t result;        /* enum check_result, of the last probe */
	bool in_use;
	bool has_succeeded;    /* once at least: from then on `rise` counts */
	bool waiting;          /* a probe is under way */
	bool has_mac;
	struct mac_address mac; /* PROBE_ARP: who answered last; PROBE_HEARTBEAT: who sent last */
	uint32_t attempt;      /* probes sent */
	uint32_t successes, failures; /* in a row */
	uint64_t sent_ns;      /* the last probe; PROBE_HEARTBEAT: when it was heard last */
	uint64_t due_ns;       /* the next probe */
	uint64_t stale_ns;     /* PROBE_HEARTBEAT: down from then on, unheard; others: UINT64_MAX */
	uint64_t hash;         /* of the probe under way */
	uint32_t weight;       /* PROBE_HEARTBEAT: the last that it told; NONE */
	uint16_t interface;    /* PROBE_HEARTBEAT: where it was heard, with has_mac */
	uint64_t placed_ns;    /* when its neighbor entry was last told so */
	struct heartbeat_last last;
	uint64_t round_trip_ns, result_ns, changed_ns; /* for reports */
};

/* Who has asked to join and is not a target yet. */
struct newcomer {
	uint32_t registration; /* id */
	be32 address;
	struct mac_address mac;
	uint16_t interface;
	uint64_t heard_ns;     /* 0: the place is free */
	uint64_t told_ns;      /* when control was asked last */
	struct heartbeat_last last;
};

enum { NEWCOMERS_MAX = 64 };

struct checks {
	struct wheel wheel;        /* one timer a slot: the next probe, or the end of waiting */
	struct flow_index waiting; /* hash of a probe under way -> slot */
	uint32_t adopted;          /* targets of the snapshot that have been looked at */
	struct newcomer newcomer[NEWCOMERS_MAX];
	struct check check[TARGETS_MAX];
};

/* The state of a target of the present snapshot, begun where it is new. */
struct check *check_of(struct path *path, const struct snapshot_target *target);

/* Notes what a probe, or a heartbeat, came to; `health` is what follows from it. */
void check_note(struct path *path, struct check *check, enum check_result result,
		enum health health);

static inline uint32_t check_slot(const struct check *check)
{
	return check->id & SLOT_MASK;
}

/* A heartbeat's timer has come up. */
void heartbeat_timer(struct path *path, struct check *check, const struct snapshot_target *target);

/* A datagram to an interface address: true where it is to a heartbeat port and of somebody who may
 * send there; *ret_verdict says whether it was good for something. */
bool heartbeat_received(struct path *path, const struct packet *packet, enum verdict *ret_verdict);

/* A new target may have been heard already, as a stranger that asked to join. */
void heartbeat_adopt(struct path *path, struct check *check, const struct snapshot_target *target);

#endif
