/* What may end a UDP flow besides the silence of both sides (SEMANTICS 4): a number of datagrams of
 * either side, an age, the silence of one side.
 *
 * The limits are settings of a service. A flow is born with a meter, which holds what is left of
 * them, so that a changed setting is for new flows. Meters lie in an array of their own: a
 * packet of a flow without limits never looks at one.
 *
 * Pure functions of their arguments; the table (flow.h) owns meters and time, its user says what
 * has passed.
 */
#ifndef PATH_FLOW_LIMIT_H
#define PATH_FLOW_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/flow_life.h"

#define FLOW_NO_LIMIT UINT32_MAX

/* A service's; 0 is none. */
struct flow_limits {
	uint64_t lifetime_ns;
	uint64_t front_timeout_ns; /* silence of the client, in whole ms */
	uint64_t back_timeout_ns;  /* silence of the backend, in whole ms */
	uint32_t requests;         /* datagrams of the client, less than FLOW_NO_LIMIT */
	uint32_t responses;        /* datagrams of the backend */
};

/* A flow's. Pairs are by enum flow_direction. Both sides count as heard when it is born. The side
 * that was heard last was so at the flow's last_ns. */
struct flow_meter {
	uint64_t end_ns;         /* its lifetime is over; UINT64_MAX: never */
	uint64_t earlier_ns;     /* when the other side was heard last */
	uint32_t silence_ms[2];  /* 0: any */
	uint32_t left[2];        /* datagrams; FLOW_NO_LIMIT */
};
_Static_assert(sizeof(struct flow_meter) == 32, "two to a cache line, none across");

static inline bool flow_limits_any(const struct flow_limits *limits)
{
	return limits->lifetime_ns || limits->front_timeout_ns || limits->back_timeout_ns ||
	       limits->requests || limits->responses;
}

struct flow_meter flow_meter_begin(const struct flow_limits *limits, uint64_t now_ns);

/* When the limits end a flow that was last heard at `last_ns`, from side `last_side`; UINT64_MAX:
 * they do not. */
uint64_t flow_meter_end_ns(const struct flow_meter *meter, uint64_t last_ns,
			   enum flow_direction last_side);

/* Datagrams of one side have passed: never more than are left. */
void flow_meter_spend(struct flow_meter *meter, enum flow_direction direction, uint32_t datagrams);

/* In whole ms, rounded up, at most 49 days: 0 only for 0. */
uint32_t flow_timeout_ms(uint64_t timeout_ns);

#endif
