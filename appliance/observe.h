/* What the packet path knows, copied for the control thread by errands.
 *
 * An errand copies plain records and nothing else, a bounded number of them: however large the
 * tables are, the path is never kept from its frames for longer than a slice takes. What is found is
 * joined with names and written on the control thread. Control thread only.
 */
#ifndef APPLIANCE_OBSERVE_H
#define APPLIANCE_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/mailbox.h"
#include "appliance/path/check.h"
#include "appliance/path/neighbor.h"

enum { OBSERVE_SLICE = 2048 }; /* records that one errand copies */

struct flow_totals {
	uint32_t live, half_open, capacity;
	uint64_t created, closed[FLOW_CLOSE_REASON_COUNT];
};

/* All of one instant, so that the law of conservation holds in it. */
struct traffic {
	uint64_t now_ns; /* of the path's clock */
	struct path_counters counters;
	struct flow_totals flows;
};

void observe_traffic(struct mailbox *mailbox, struct traffic *ret_traffic);

/* As many of each as the snapshot in force has, in its order. */
void observe_backends(struct mailbox *mailbox, const struct snapshot *snapshot,
		      struct backend_counters *ret_counters);
void observe_services(struct mailbox *mailbox, const struct snapshot *snapshot,
		      struct service_counters *ret_counters);
/* Of a target that the path does not check (yet), all is zero: HEALTH_UNKNOWN. */
void observe_targets(struct mailbox *mailbox, const struct snapshot *snapshot,
		     struct check_view *ret_view);

struct flow_copy {
	struct flow flow;
	uint64_t created_ns;
	uint64_t end_ns;  /* when it ends where no packet comes any more */
	uint32_t left[2]; /* datagrams by enum flow_direction, or FLOW_NO_LIMIT */
};

/* Called on the control thread; false ends the walk. */
typedef bool observe_flow(void *context, const struct flow_copy *copy, uint64_t now_ns);
/* Every live flow that is not expired; one that is born or ends during the walk may be missed. 0 or
 * -ENOMEM. */
int observe_flows(struct mailbox *mailbox, observe_flow *visit, void *context);

/* The same, with the flow alone: the path has less to copy. */
typedef bool observe_bare_flow(void *context, const struct flow *flow);
int observe_bare_flows(struct mailbox *mailbox, observe_bare_flow *visit, void *context);

struct neighbor_copies {
	uint32_t count;
	uint64_t now_ns; /* of the path's clock, when they were copied */
	struct neighbor_view view[NEIGHBORS_MAX];
};

/* Allocated, in the order of their addresses. 0 or -ENOMEM. */
int observe_neighbors(struct mailbox *mailbox, struct neighbor_copies **ret_copies);

struct trace_copies {
	uint32_t count;
	struct trace trace[TRACES_MAX];
};

/* Allocated. 0 or -ENOMEM. */
int observe_traces(struct mailbox *mailbox, struct trace_copies **ret_copies);

/* path_lookup_in() as an errand. */
void observe_lookup(struct mailbox *mailbox, const struct snapshot *snapshot,
		    const struct flow_tuple *tuple, struct lookup *ret_lookup);

#endif
