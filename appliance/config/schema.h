/* The kinds of objects that make up a configuration, as tables.
 *
 * Grammar, help, completion, validation, text, JSON and the store's columns all come from these
 * tables: adding a setting is one line here, one struct member below, and one migration.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/config/value.h"

/* In the order in which a script must define them. */
enum kind {
	KIND_GLOBAL, /* exactly one, without an id */
	KIND_INTERFACE,
	KIND_ROUTE,
	KIND_NEIGHBOR,
	KIND_CHECK,
	KIND_POOL,
	KIND_BACKEND,
	KIND_SERVICE,
	KIND_COUNT,
	NOT_A_REFERENCE = KIND_COUNT,
};

enum attribute_flags {
	ATTRIBUTE_ID = 1,          /* positional, names the object; never set */
	ATTRIBUTE_POSITIONAL = 2,  /* positional in `add`, by its name in `set` */
	ATTRIBUTE_REQUIRED = 4,
	ATTRIBUTE_OPERATIONAL = 8, /* changes while running (admin); `add` compares it if given */
	ATTRIBUTE_RESTART = 16,    /* a changed value is in force from the next start */
};

enum { ATTRIBUTES_MAX = 32, ID_MAX = 2 };

struct attribute {
	const char *name;          /* as typed; '-' becomes '_' in JSON keys and columns */
	enum value_type type;
	unsigned flags;
	size_t offset;             /* in the kind's struct */
	uint64_t minimum, maximum; /* VALUE_NUMBER, VALUE_FROM, VALUE_DURATION (ns) */
	const char *initial;       /* default, in canonical text; NULL: none */
	const struct keyword *keywords; /* VALUE_KEYWORD, VALUE_FROM */
	enum kind reference;       /* the kind that it names; NOT_A_REFERENCE */
	const char *help;
};

struct schema {
	const char *name;          /* "backend" */
	const char *help;
	size_t size;               /* of the kind's struct */
	unsigned attributes;
	const struct attribute *attribute; /* ids first, in the order typed */
};

const struct schema *schema_of(enum kind kind);
/* KIND_COUNT where there is none of that name. */
enum kind schema_kind(const char *name);
/* NULL where the kind has none of that name. */
const struct attribute *schema_attribute(enum kind kind, const char *name);
/* True where an object may be without it: not an id, not required, no default. `none` clears it. */
bool attribute_optional(const struct attribute *attribute);

enum role { ROLE_FRONTEND = 1, ROLE_BACKEND = 2, ROLE_BOTH = 3 };
enum admin { ADMIN_ENABLED, ADMIN_DRAIN, ADMIN_DISABLED };
enum check_type { CHECK_ICMP, CHECK_TCP, CHECK_UDP, CHECK_ARP, CHECK_HEARTBEAT };
enum scheduler { SCHEDULER_MAGLEV, SCHEDULER_ROUND_ROBIN, SCHEDULER_LEAST_CONNECTIONS };
enum affinity { AFFINITY_5_TUPLE, AFFINITY_SOURCE_IP };
enum mode { MODE_NAT, MODE_FULLNAT, MODE_DSR, MODE_IPIP, MODE_GUE };
enum proxy_protocol { PROXY_PROTOCOL_OFF, PROXY_PROTOCOL_FIRST, PROXY_PROTOCOL_EVERY };
enum when_full { WHEN_FULL_STATELESS, WHEN_FULL_SHED };
enum on_backend_loss { ON_BACKEND_LOSS_RESELECT, ON_BACKEND_LOSS_RESET };
enum no_service { NO_SERVICE_DROP, NO_SERVICE_REJECT };
enum topology { TOPOLOGY_ROUTED, TOPOLOGY_BRIDGED };
/* How the packet path waits while there is nothing to do. */
enum wait_mode { WAIT_ADAPTIVE, WAIT_BUSY, WAIT_SLEEP };
enum vip_echo { VIP_ECHO_ALWAYS, VIP_ECHO_AVAILABLE };

/* The ports that fullnat takes of the appliance's addresses, divided among its slices. Those above
 * are the checks'. */
enum { FULLNAT_PORT_FIRST = 1024, FULLNAT_PORTS = 60416 };

struct config_global {
	uint32_t flow_table;  /* flow-table: capacity in flows */
	uint32_t seed;        /* seed: of every hash, the same on appliances that share VIPs */
	uint32_t forwarding;  /* forwarding {off|on} */
	uint32_t vip_echo;    /* vip-echo {always|available} */
	uint32_t no_service;  /* no-service {drop|reject} */
	uint32_t topology;    /* topology {routed|bridged} */
	uint32_t fullnat_slices; /* fullnat-slices: shares that fullnat's ports are cut into */
	uint32_t fullnat_slice;  /* fullnat-slice: this appliance's, from 1 on */
	uint32_t wait;           /* wait {adaptive|busy|sleep} */
};

struct config_interface {
	char name[INTERFACE_NAME_SIZE];
	uint32_t role;
	struct address_list address;
	struct mac mac;          /* not set: the interface's own */
	char filter[TEXT_SIZE];  /* libpcap expression for what enters the ring; "": everything */
};

struct config_route {
	struct prefix prefix;
	be32 via;
};

struct config_neighbor {
	be32 address;
	struct mac mac;
	char interface[INTERFACE_NAME_SIZE];
};

struct config_check {
	char name[NAME_SIZE];
	uint32_t type;
	uint32_t port;        /* 0: the backend's own */
	uint64_t interval_ns;
	uint64_t timeout_ns;  /* 0: by type, see check_timeout_ns() */
	uint32_t rise;
	uint32_t fall;
	uint32_t from_port;   /* heartbeat: datagrams to this port; 0: any packet of the backend */
	char key[TEXT_SIZE];  /* heartbeat: what signs datagrams, in hexadecimal digits; "": nothing */
	struct prefix registers; /* heartbeat: senders in it join the pools; /0: nobody does */
	uint32_t register_max;
	char payload[TEXT_SIZE]; /* udp: what is sent */
	char expect[TEXT_SIZE];  /* udp: what the answer must begin with */
};

/* The timeout that is in force: an active check without one takes a second, or its interval where
 * that is shorter; a heartbeat three seconds. */
uint64_t check_timeout_ns(const struct config_check *check);

struct config_pool {
	char name[NAME_SIZE];
	uint32_t scheduler;
	uint32_t affinity;
	char check[NAME_SIZE]; /* "": none */
};

struct config_backend {
	char pool[NAME_SIZE];
	struct endpoint address;
	uint32_t weight;
	char name[NAME_SIZE];
	uint32_t admin;
};

struct config_service {
	char name[NAME_SIZE];
	struct vip address;
	char pool[NAME_SIZE];
	uint32_t mode;
	uint64_t idle_timeout_ns; /* 0: by protocol and state */
	uint32_t max_flows;       /* 0: no cap */
	uint32_t requests;        /* of a UDP flow, as all that follow; 0: no limit */
	uint32_t responses;
	uint64_t lifetime_ns;
	uint64_t front_timeout_ns;
	uint64_t back_timeout_ns;
	uint32_t proxy_protocol;
	uint32_t when_full;
	uint32_t fail_open;
	uint32_t on_backend_loss;
	struct prefix_pair source_rewrite; /* not set: backends see the client as it is */
	uint32_t admin;           /* ADMIN_ENABLED or ADMIN_DISABLED */
};

#endif
