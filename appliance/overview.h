/* Configuration, health, link state and counters joined: what reports and metrics are written from.
 *
 * What is taken points into the configuration and the snapshot in force: it is read and freed before
 * control goes on. The effective states of things are decided here and nowhere else. Control thread
 * only.
 */
#ifndef APPLIANCE_OVERVIEW_H
#define APPLIANCE_OVERVIEW_H

#include "appliance/control.h"
#include "appliance/observe.h"

/* key, head of its table column (NULL: too much for a table), whether it only grows, what it is.
 * received = forwarded + consumed + held + dropped, always. */
#define INTERFACE_TOTALS(X) \
	X(received,       "RECEIVED",   true,  "frames received") \
	X(forwarded,      "FORWARDED",  true,  "received frames that were sent on") \
	X(consumed,       "CONSUMED",   true,  "received frames that were for the appliance itself") \
	X(held,           "HELD",       false, "received frames that wait now") \
	X(dropped,        "DROPPED",    true,  "received frames that were dropped") \
	X(originated,     "ORIGINATED", true,  "frames of the appliance's own that left") \
	X(ring_lost,      "RING-LOST",  true,  "frames that found the receive ring full") \
	X(received_bytes, NULL,         true,  "bytes received") \
	X(sent,           "SENT",       true,  "frames that left, the appliance's own included") \
	X(sent_bytes,     NULL,         true,  "bytes that left") \
	X(send_full,      "SEND-FULL",  true,  "frames lost: the transmit ring was full") \
	X(send_failed,    NULL,         true,  "frames lost: the kernel refused them") \
	X(ring_frozen,    NULL,         true,  "times that the receive ring was full") \
	X(truncated,      NULL,         true,  "frames cut short by the receive ring")

struct interface_totals {
#define X(key, head, grows, text) uint64_t key;
	INTERFACE_TOTALS(X)
#undef X
};

enum interface_state {
	INTERFACE_UP,
	INTERFACE_DOWN,    /* no link */
	INTERFACE_MISSING,
	INTERFACE_ERROR,   /* there, but without a ring: `problem` says why */
};

const char *interface_state_text(enum interface_state state);

struct interface_view {
	const struct config_interface *config;
	uint32_t index;       /* of path_counters.interface */
	enum interface_state state;
	const char *problem;  /* "" where there is none */
	struct mac_address mac; /* in use; zero: not known */
	unsigned mtu;         /* 0: not known */
	struct interface_totals totals;
};

/* What crosses the interfaces: the path's counters, and the configured interfaces with theirs. */
struct look {
	struct traffic traffic;
	unsigned views;
	struct interface_view view[INTERFACES_MAX];
};

/* Allocated, to be freed; NULL only where memory lacks. */
struct look *look_take(struct control *control);
void interface_totals_add(struct interface_totals *sum, const struct interface_totals *totals);

enum service_state { SERVICE_UP, SERVICE_DOWN, SERVICE_DISABLED };

const char *service_state_text(enum service_state state);

enum backend_state {
	BACKEND_STATE_UP,
	BACKEND_STATE_DOWN,
	BACKEND_STATE_DRAINING,
	BACKEND_STATE_DRAINED,  /* draining, and no flow is left */
	BACKEND_STATE_DISABLED,
};

const char *backend_state_text(enum backend_state state);
const char *health_text(enum health health);

struct backend_view {
	const struct config_backend *config;
	uint32_t id;          /* by which the path calls it */
	enum health health;   /* HEALTH_UNKNOWN: nobody checks it */
	enum backend_state state;
	struct check_view check; /* all zero where nobody checks it */
	struct backend_counters counters;
};

struct pool_view {
	const struct config_pool *config;
	const struct compiled_pool *compiled;
	uint32_t first, count; /* its backends */
	uint32_t up;
	uint64_t weight;       /* of those that are up; 0: none takes new flows */
	uint32_t services;
};

struct service_view {
	const struct config_service *config;
	uint32_t id;              /* by which the path calls it: the first of two, where it is of `any` */
	const struct pool_view *pool;
	enum service_state state; /* up: a backend takes new flows */
	struct service_counters counters; /* of both protocols */
};

/* Each list in the order of the configuration. */
struct overview {
	uint32_t backends, pools, services;
	struct backend_view *backend;
	struct pool_view *pool;
	struct service_view *service;
};

/* 0 or -ENOMEM. */
int overview_take(struct control *control, struct overview *ret_overview);
void overview_free(struct overview *overview);

/* By what the path calls it; NULL where it is gone. */
const struct config_backend *overview_backend_of(const struct control *control, uint32_t id);
/* The service of each index of snapshot.service, allocated; NULL only where memory lacks. */
const struct config_service **overview_service_map(const struct control *control);
/* The name of the interface with this index, or NULL. */
const char *overview_interface_name(const struct control *control, uint32_t index);

#endif
