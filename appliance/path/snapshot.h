/* The compiled tables that the packet path reads: immutable, built aside, swapped whole between two
 * batches.
 *
 * Services, backends and check targets have stable slots: a small index that control gives an object
 * for its whole life, so that what the path keeps about it (counters, health, its flows) outlives a
 * swap. A slot is reused only under a new generation: an id is `generation << SLOT_BITS | slot`, and
 * a flow whose id differs from the slot's present one belongs to an object that is gone.
 */
#ifndef PATH_SNAPSHOT_H
#define PATH_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/bytes.h"
#include "appliance/path/flow_limit.h"
#include "appliance/path/wire.h"

enum {
	SLOT_BITS = 18,
	SLOT_MASK = (1 << SLOT_BITS) - 1,

	INTERFACES_MAX = 64,      /* frame.interface, and the path's counters for each */
	SERVICES_MAX = 1 << 14,
	BACKENDS_MAX = 1 << 17,   /* 1,000 services with 100 backends each fit */
	TARGETS_MAX = 1 << 17,    /* check targets: at most one a backend */
	REGISTRATIONS_MAX = 64,   /* heartbeat checks with `register`: gone through for strangers */
	STATICS_MAX = 2048,       /* static neighbors: half of the neighbor table stays for others */
	INTERFACE_ADDRESSES_MAX = 8,
	NONE = 0xffffffff,        /* no index */
};

enum { EVERY_FRONTEND = 0xfffffffe }; /* in the place of an interface's index */

enum interface_side { SIDE_FRONTEND = 1, SIDE_BACKEND = 2 };

struct snapshot_interface {
	uint32_t id;     /* stable: generation and slot */
	struct mac_address mac;
	uint8_t sides;   /* SIDE_*; both: one-arm */
	bool up;         /* present, with link, and its ring open */
	uint16_t mtu;
	be32 address;    /* the first one: source of ARP probes and ICMP; zero: none */
	uint32_t first_local, locals; /* all of them, in snapshot.local */
};

/* The topology bridged: which interfaces the bump in the wire joins. */
struct snapshot_bridge {
	bool on;           /* false: routed, and nothing of the rest is set */
	uint32_t backend;  /* the interface of the backends; NONE: not there */
	uint32_t frontends;
	uint16_t frontend[INTERFACES_MAX];
};

/* An address that the appliance answers for. */
struct snapshot_local {
	be32 address;
	uint32_t interface; /* of an interface address; NONE: a VIP */
	uint32_t services;  /* of a VIP: how many services stand on it */
	uint8_t length;     /* of an interface address: its network's prefix */
};

/* Connected networks (via zero) and static routes, longest prefix first. */
struct snapshot_route {
	be32 prefix;
	uint8_t length;
	uint16_t interface;
	be32 via;
	be32 source;  /* the appliance's address in that network */
};

/* The last address of a network. */
static inline be32 snapshot_broadcast_of(const struct snapshot_route *network)
{
	uint32_t hosts = network->length ? ~(~UINT32_C(0) << (32 - network->length)) : UINT32_MAX;

	return to_be32(from_be32(network->prefix) | hosts);
}

struct snapshot_neighbor {
	be32 address;
	uint16_t interface;
	struct mac_address mac;
};

enum backend_admin { BACKEND_ENABLED, BACKEND_DRAIN, BACKEND_DISABLED };

struct snapshot_backend {
	uint32_t id;      /* stable: generation and slot */
	be32 address;
	be16 port;        /* 0: the client's port is kept */
	uint16_t weight;
	uint8_t admin;    /* enum backend_admin */
	uint32_t target;  /* index into snapshot.target; NONE: no check, always usable */
};

enum pool_affinity { POOL_AFFINITY_5_TUPLE, POOL_AFFINITY_SOURCE };
enum pool_scheduler { POOL_MAGLEV, POOL_ROUND_ROBIN, POOL_LEAST_CONNECTIONS };

struct snapshot_pool {
	uint32_t first, count;    /* its members in snapshot.backend, by address and port */
	uint32_t usable;          /* members that took new flows when this was built */
	/* MAGLEV_SIZE members (relative to `first`): the usable ones, or, where there are none and a
	 * service fails open, those that would be by configuration. NULL: neither. */
	const uint16_t *maglev;
	uint8_t affinity;         /* enum pool_affinity */
	uint8_t scheduler;        /* enum pool_scheduler */
};

/* How packets reach a backend (SEMANTICS 5); a flow keeps the mode that it was born with. */
#define FORWARD_MODES(X) \
	X(NAT, "nat") \
	X(FULLNAT, "fullnat") \
	X(DSR, "dsr") \
	X(IPIP, "ipip") \
	X(GUE, "gue")

enum forward_mode {
#define X(name, text) FORWARD_##name,
	FORWARD_MODES(X)
#undef X
	FORWARD_MODE_COUNT,
};

const char *forward_mode_text(enum forward_mode mode);

/* True where the backend gets the client's packet as it came, TTL included, and answers it past the
 * appliance. */
static inline bool mode_hands_over(enum forward_mode mode)
{
	return mode == FORWARD_DSR || mode == FORWARD_IPIP || mode == FORWARD_GUE;
}

/* source-rewrite: clients of one network are shown to backends as if of another, equally large one. */
struct snapshot_rewrite {
	be32 from, to;
	uint8_t length;
	bool on;
};

/* What a UDP flow has to do with the PROXY header (proxy.h). */
enum proxy_state {
	PROXY_OFF,
	PROXY_EVERY,
	PROXY_FIRST, /* its next datagram carries it */
	PROXY_SENT,  /* its first datagram has carried it */
};

struct snapshot_service {
	uint32_t id;              /* stable: generation and slot */
	uint32_t twin;            /* id of the same service for the other protocol, or NONE */
	be32 vip;
	be16 port;                /* 0: all ports */
	uint8_t protocol;         /* IP protocol number */
	bool enabled;
	uint8_t mode;             /* enum forward_mode */
	bool shed_when_full;      /* when-full shed */
	bool fail_open;
	bool reset_on_loss;       /* on-backend-loss reset */
	uint32_t pool;
	uint32_t max_flows;       /* 0: no cap */
	uint64_t idle_timeout_ns; /* in whole ms; 0: by protocol and state */
	struct flow_limits limits; /* of UDP flows */
	struct snapshot_rewrite rewrite;
	uint8_t proxy;            /* enum proxy_state that UDP flows begin with */
};

/* The way back without a flow: replies of a backend's address and port belong to one service. Backends
 * that are disabled have none. */
struct snapshot_reply {
	be32 address;
	be16 port;          /* 0: all ports, each the service's own */
	uint8_t protocol;
	uint32_t service;   /* NONE: it may be that of more than one service, or port */
};

enum probe_type { PROBE_ICMP, PROBE_TCP, PROBE_UDP, PROBE_ARP, PROBE_HEARTBEAT };

enum { PROBE_TEXT_MAX = 256 };

/* A heartbeat check that unknown senders of a network may join (SEMANTICS 6). */
struct snapshot_registration {
	uint32_t id;          /* stable: generation and slot */
	be32 prefix;
	uint8_t length;
	bool full;            /* register-max have joined */
	be16 heartbeat_port;  /* as in a target */
	const uint8_t *key;
	uint16_t key_length;
};

/* One thing to check, shared by all backends that have the same check and address. */
struct snapshot_target {
	uint32_t id;          /* stable: generation and slot */
	be32 address;
	be16 port;
	uint8_t type;         /* enum probe_type */
	be16 heartbeat_port;  /* PROBE_HEARTBEAT: datagrams to this port; 0: any packet will do */
	uint32_t rise, fall;
	uint64_t interval_ns, timeout_ns;
	const char *payload, *expect; /* PROBE_UDP; lengths below */
	uint16_t payload_length, expect_length;
	const uint8_t *key;           /* PROBE_HEARTBEAT: what signs it */
	uint16_t key_length;          /* 0: nothing need */
	uint32_t registration;        /* index of the check that senders may join; NONE */
};

/* Open-addressed hash index over one of the arrays: power of two of uint32_t, NONE where empty. */
struct snapshot_index {
	uint32_t mask;
	const uint32_t *entry;
};

/* What snapshot_route_find() gives, by ranges of addresses: all addresses from begin[i] to the next
 * one's, in host order, have the same route. begin[0] is 0. */
struct snapshot_ranges {
	uint32_t count;         /* 0: no route at all */
	const uint32_t *begin;
	const uint32_t *route;  /* the first of the longest prefixes, in snapshot.route; NONE */
};

struct snapshot {
	uint64_t seed;          /* of every hash that decides; the same on appliances that share VIPs */
	bool reject;            /* no-service reject */
	bool forwarding;        /* SEMANTICS: anything else is routed instead of dropped */
	struct snapshot_bridge bridge;
	bool vip_echo_available; /* echo only while a service of the VIP has a usable backend */
	uint16_t source_port_first, source_ports; /* this appliance's share of fullnat's ports */

	uint32_t interfaces, locals, routes, neighbors, backends, pools, services, replies, targets;
	uint32_t registrations;
	const struct snapshot_interface *interface;
	const struct snapshot_local *local;
	const struct snapshot_route *route;
	const struct snapshot_neighbor *neighbor;  /* static entries */
	const struct snapshot_backend *backend;
	const struct snapshot_pool *pool;
	const struct snapshot_service *service;
	const struct snapshot_reply *reply;
	const struct snapshot_target *target;
	const struct snapshot_registration *registration;

	struct snapshot_ranges ranges;                    /* over all routes */
	struct snapshot_ranges ranges_of[INTERFACES_MAX]; /* over those through one interface */
	struct snapshot_index broadcast_index; /* routes of connected networks, by broadcast address */

	struct snapshot_index local_index, service_index, reply_index;
	struct snapshot_index backend_index; /* by address */
	struct snapshot_index target_index;  /* by address, heartbeats of `from any` and `from port` */

	/* By slot: index into the arrays above, NONE where the slot is empty. */
	const uint32_t *backend_by_slot, *service_by_slot, *target_by_slot;
};

/* Lookups. Index, or NONE. */
uint32_t snapshot_local_find(const struct snapshot *snapshot, be32 address);
uint32_t snapshot_service_find(const struct snapshot *snapshot, be32 vip, be16 port,
			       uint8_t protocol);
/* That of exactly this port goes before that of all ports. */
uint32_t snapshot_reply_find(const struct snapshot *snapshot, be32 address, be16 port,
			     uint8_t protocol);
/* The first heartbeat target of the address at or after index position `*cursor` (start at 0). */
uint32_t snapshot_heartbeat_next(const struct snapshot *snapshot, be32 address, uint32_t *cursor);
/* True where a backend of any pool has the address. */
bool snapshot_is_backend(const struct snapshot *snapshot, be32 address);
/* By stable id; NONE where the object is gone. */
uint32_t snapshot_backend_of(const struct snapshot *snapshot, uint32_t id);
uint32_t snapshot_service_of(const struct snapshot *snapshot, uint32_t id);
uint32_t snapshot_target_of(const struct snapshot *snapshot, uint32_t id);

/* True for the broadcast address of a connected network. */
bool snapshot_is_broadcast(const struct snapshot *snapshot, be32 address);

/* Where the builder puts a key's index, and lookups look for it: the hash of each table. */
uint32_t snapshot_hash_address(be32 address);
uint32_t snapshot_hash_endpoint(be32 address, be16 port, uint8_t protocol);

/* The longest prefix that holds `address`. With `interface` != NONE routes through that interface go
 * first: replies leave by the frontend that the flow came in on. NULL: no route. */
const struct snapshot_route *snapshot_route_find(const struct snapshot *snapshot, be32 address,
						 uint32_t interface);

/* Bridged: the frontend that clients at `address` are behind, by the longest prefix; EVERY_FRONTEND
 * where none has it, or two alike. */
uint32_t snapshot_frontend_find(const struct snapshot *snapshot, be32 address);

#endif
