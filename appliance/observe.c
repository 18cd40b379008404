#include "appliance/observe.h"

#include <errno.h>
#include <stdlib.h>

static void copy_traffic(struct path *path, void *argument, uint64_t now_ns)
{
	const struct flow_table *flows = path_flows(path);
	struct traffic *traffic = argument;

	traffic->now_ns = now_ns;
	traffic->counters = *path_counters(path);
	traffic->flows = (struct flow_totals){
		.live = flows->live,
		.half_open = flows->half_open,
		.capacity = flows->capacity,
		.created = flows->created,
	};
	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		traffic->flows.closed[i] = flows->closed[i];
}

void observe_traffic(struct mailbox *mailbox, struct traffic *ret_traffic)
{
	mailbox_call(mailbox, copy_traffic, ret_traffic);
}

/* A run of objects of the snapshot, copied a slice an errand. */
struct walk {
	const struct snapshot *snapshot;
	void *into;
	uint32_t first, end;
};

static void walk_in_slices(struct mailbox *mailbox, mailbox_errand *copy,
			   const struct snapshot *snapshot, uint32_t count, void *into)
{
	struct walk walk = {.snapshot = snapshot, .into = into};

	for (; walk.first < count; walk.first = walk.end) {
		walk.end = count - walk.first > OBSERVE_SLICE ? walk.first + OBSERVE_SLICE : count;
		mailbox_call(mailbox, copy, &walk);
	}
}

static void copy_backends(struct path *path, void *argument, uint64_t now_ns)
{
	const struct walk *walk = argument;
	struct backend_counters *into = walk->into;

	(void)now_ns;
	for (uint32_t i = walk->first; i < walk->end; i++)
		into[i] = *path_backend_counters(path, walk->snapshot->backend[i].id);
}

void observe_backends(struct mailbox *mailbox, const struct snapshot *snapshot,
		      struct backend_counters *ret_counters)
{
	walk_in_slices(mailbox, copy_backends, snapshot, snapshot->backends, ret_counters);
}

static void copy_services(struct path *path, void *argument, uint64_t now_ns)
{
	const struct walk *walk = argument;
	struct service_counters *into = walk->into;

	(void)now_ns;
	for (uint32_t i = walk->first; i < walk->end; i++)
		into[i] = *path_service_counters(path, walk->snapshot->service[i].id);
}

void observe_services(struct mailbox *mailbox, const struct snapshot *snapshot,
		      struct service_counters *ret_counters)
{
	walk_in_slices(mailbox, copy_services, snapshot, snapshot->services, ret_counters);
}

static void copy_targets(struct path *path, void *argument, uint64_t now_ns)
{
	const struct walk *walk = argument;
	struct check_view *into = walk->into;

	(void)now_ns;
	for (uint32_t i = walk->first; i < walk->end; i++)
		if (!check_view(path, walk->snapshot->target[i].id, &into[i]))
			into[i] = (struct check_view){.health = HEALTH_UNKNOWN};
}

void observe_targets(struct mailbox *mailbox, const struct snapshot *snapshot,
		     struct check_view *ret_view)
{
	walk_in_slices(mailbox, copy_targets, snapshot, snapshot->targets, ret_view);
}

struct flow_slice {
	struct flow_copy copy[OBSERVE_SLICE];
	uint32_t count;
	uint32_t cursor; /* the record to go on with */
	bool done;
	uint64_t now_ns;
};

static struct flow_copy copy_of(const struct flow_table *flows, const struct flow *flow)
{
	const struct flow_meter *meter = flow_meter_of(flows, flow);

	return (struct flow_copy){
		.flow = *flow,
		.created_ns = flow_created_ns(flows, flow),
		.end_ns = flow_end_ns(flows, flow),
		.left = {
			[FLOW_FORWARD] = meter ? meter->left[FLOW_FORWARD] : FLOW_NO_LIMIT,
			[FLOW_REPLY] = meter ? meter->left[FLOW_REPLY] : FLOW_NO_LIMIT,
		},
	};
}

static void copy_flows(struct path *path, void *argument, uint64_t now_ns)
{
	const struct flow_table *flows = path_flows(path);
	struct flow_slice *slice = argument;

	slice->count = 0;
	slice->now_ns = now_ns;
	for (uint32_t i = 0; i < OBSERVE_SLICE && slice->cursor < flows->capacity; i++) {
		const struct flow *flow = flow_at(flows, slice->cursor++);

		if (flow && !flow_expired(flows, flow, now_ns))
			slice->copy[slice->count++] = copy_of(flows, flow);
	}
	slice->done = slice->cursor == flows->capacity;
}

int observe_flows(struct mailbox *mailbox, observe_flow *visit, void *context)
{
	struct flow_slice *slice = aligned_alloc(_Alignof(struct flow_slice), sizeof(*slice));
	bool more = true;

	if (!slice)
		return -ENOMEM;
	for (slice->cursor = 0, slice->done = false; more && !slice->done;) {
		mailbox_call(mailbox, copy_flows, slice);
		for (uint32_t i = 0; more && i < slice->count; i++)
			more = visit(context, &slice->copy[i], slice->now_ns);
	}
	free(slice);
	return 0;
}

struct bare_slice {
	struct flow flow[OBSERVE_SLICE];
	uint32_t count;
	uint32_t cursor; /* the record to go on with */
	bool done;
};

static void copy_bare_flows(struct path *path, void *argument, uint64_t now_ns)
{
	const struct flow_table *flows = path_flows(path);
	struct bare_slice *slice = argument;

	slice->count = 0;
	for (uint32_t i = 0; i < OBSERVE_SLICE && slice->cursor < flows->capacity; i++) {
		const struct flow *flow = flow_at(flows, slice->cursor++);

		if (flow && !flow_expired(flows, flow, now_ns))
			slice->flow[slice->count++] = *flow;
	}
	slice->done = slice->cursor == flows->capacity;
}

int observe_bare_flows(struct mailbox *mailbox, observe_bare_flow *visit, void *context)
{
	struct bare_slice *slice = aligned_alloc(_Alignof(struct bare_slice), sizeof(*slice));
	bool more = true;

	if (!slice)
		return -ENOMEM;
	for (slice->cursor = 0, slice->done = false; more && !slice->done;) {
		mailbox_call(mailbox, copy_bare_flows, slice);
		for (uint32_t i = 0; more && i < slice->count; i++)
			more = visit(context, &slice->flow[i]);
	}
	free(slice);
	return 0;
}

struct neighbor_walk {
	struct neighbor_copies *copies;
	uint32_t cursor;
	bool done;
};

static void copy_neighbors(struct path *path, void *argument, uint64_t now_ns)
{
	struct neighbor_walk *walk = argument;
	struct neighbor_copies *copies = walk->copies;

	copies->now_ns = now_ns;
	for (uint32_t i = 0; i < OBSERVE_SLICE && !walk->done; i++) {
		walk->done = copies->count == NEIGHBORS_MAX ||
			     !neighbor_next(path, &walk->cursor, &copies->view[copies->count]);
		copies->count += !walk->done;
	}
}

static int by_address(const void *a, const void *b)
{
	uint32_t one = from_be32(((const struct neighbor_view *)a)->address);
	uint32_t other = from_be32(((const struct neighbor_view *)b)->address);

	return (one > other) - (one < other);
}

int observe_neighbors(struct mailbox *mailbox, struct neighbor_copies **ret_copies)
{
	struct neighbor_walk walk = {.copies = malloc(sizeof(*walk.copies))};

	if (!walk.copies)
		return -ENOMEM;
	walk.copies->count = 0;
	while (!walk.done)
		mailbox_call(mailbox, copy_neighbors, &walk);
	qsort(walk.copies->view, walk.copies->count, sizeof(walk.copies->view[0]), by_address);
	*ret_copies = walk.copies;
	return 0;
}

static void copy_traces(struct path *path, void *argument, uint64_t now_ns)
{
	struct trace_copies *copies = argument;

	(void)now_ns;
	copies->count = path_traces(path);
	for (uint32_t i = 0; i < copies->count; i++)
		copies->trace[i] = *path_trace_at(path, i);
}

int observe_traces(struct mailbox *mailbox, struct trace_copies **ret_copies)
{
	*ret_copies = malloc(sizeof(**ret_copies));
	if (!*ret_copies)
		return -ENOMEM;
	mailbox_call(mailbox, copy_traces, *ret_copies);
	return 0;
}

struct lookup_errand {
	const struct snapshot *snapshot;
	const struct flow_tuple *tuple;
	struct lookup *lookup;
};

static void look_up(struct path *path, void *argument, uint64_t now_ns)
{
	const struct lookup_errand *errand = argument;

	path_lookup_in(path, errand->snapshot, errand->tuple, now_ns, errand->lookup);
}

void observe_lookup(struct mailbox *mailbox, const struct snapshot *snapshot,
		    const struct flow_tuple *tuple, struct lookup *ret_lookup)
{
	struct lookup_errand errand = {snapshot, tuple, ret_lookup};

	mailbox_call(mailbox, look_up, &errand);
}
