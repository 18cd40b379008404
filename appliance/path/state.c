/* The path's memory, its snapshot, its readers: what happens between batches. */
#include <string.h>

#include "appliance/path/internal.h"

enum { CACHE_LINE = 64 };

/* Hands out aligned pieces of the caller's memory; with NULL it only adds up. */
struct carver {
	uint8_t *memory;
	size_t used;
};

static void *carve(struct carver *carver, size_t size)
{
	size_t at = carver->used;

	carver->used += (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	return carver->memory ? carver->memory + at : NULL;
}

struct layout {
	struct path *path;
	void *flows, *neighbors, *arp, *hold, *fragments, *checks, *traces;
	struct backend_state *backend;
	struct service_state *service;
	size_t size;
};

static struct layout lay_out(void *memory, const struct path_limits *limits)
{
	struct carver carver = {.memory = memory};
	struct layout layout = {
		.path = carve(&carver, sizeof(*layout.path)),
		.flows = carve(&carver, flow_table_size(limits->flows)),
		.neighbors = carve(&carver, neighbors_size()),
		.arp = carve(&carver, arp_size()),
		.hold = carve(&carver, hold_size(limits->held_frame_size)),
		.fragments = carve(&carver, fragments_size()),
		.checks = carve(&carver, checks_size()),
		.traces = carve(&carver, sizeof(struct traces)),
		.backend = carve(&carver, BACKENDS_MAX * sizeof(*layout.backend)),
		.service = carve(&carver, SERVICES_MAX * sizeof(*layout.service)),
	};

	layout.size = carver.used;
	return layout;
}

size_t path_size(const struct path_limits *limits)
{
	return lay_out(NULL, limits).size;
}

static void flow_has_closed(void *context, const struct flow *flow, enum flow_close_reason reason)
{
	struct path *path = context;

	(void)reason;
	if (flow_is_direct(flow))
		return;
	struct backend_state *backend = &path->backend[flow->backend & SLOT_MASK];
	backend->exhaustion = (struct exhaustion){0};
	/* A slot that has another owner by now counts that one's flows. */
	if (backend->id == flow->backend)
		backend->counters.active_flows--;
	if (path->service[flow->service & SLOT_MASK].id == flow->service)
		path->service[flow->service & SLOT_MASK].counters.active_flows--;
}

static const struct snapshot nothing = {.seed = 0};

struct path *path_new(void *memory, const struct path_limits *limits, const struct path_output *output)
{
	struct layout layout = lay_out(memory, limits);
	struct path *path = layout.path;

	path->snapshot = &nothing;
	path->output = *output;
	flow_table_init(&path->flows, layout.flows, limits->flows, limits->seed, flow_has_closed, path);
	path->neighbors = neighbors_new(layout.neighbors, limits->seed);
	path->arp = arp_new(layout.arp);
	path->hold = hold_new(layout.hold, limits->held_frame_size);
	path->fragments = fragments_new(layout.fragments, limits->seed);
	path->checks = checks_new(layout.checks);
	path->traces = layout.traces;
	path->backend = layout.backend;
	path->service = layout.service;
	return path;
}

/* Gauges stay: what is held now is so after the counters are cleared, too, and counts as received, so
 * that the law of conservation holds on. */
static void clear_interface(struct interface_counters *counters)
{
	*counters = (struct interface_counters){.received = counters->held, .held = counters->held};
}

/* A slot that has another owner begins to count anew. */
static void adopt_slots(struct path *path, const struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->interfaces; i++) {
		if (!snapshot->interface[i].sides || path->counted[i] == snapshot->interface[i].id)
			continue;
		clear_interface(&path->counters.interface[i]);
		path->counted[i] = snapshot->interface[i].id;
	}
	for (uint32_t i = 0; i < snapshot->backends; i++) {
		struct backend_state *state = &path->backend[snapshot->backend[i].id & SLOT_MASK];

		if (state->id != snapshot->backend[i].id)
			*state = (struct backend_state){.id = snapshot->backend[i].id};
		state->exhaustion = (struct exhaustion){0};
	}
	for (uint32_t i = 0; i < snapshot->services; i++) {
		struct service_state *state = &path->service[snapshot->service[i].id & SLOT_MASK];

		if (state->id != snapshot->service[i].id)
			*state = (struct service_state){.id = snapshot->service[i].id};
	}
}

/* True where any packet from the backends' side may count as a heartbeat. */
static bool listens(const struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->registrations; i++)
		if (!snapshot->registration[i].heartbeat_port.raw)
			return true;
	for (uint32_t i = 0; i < snapshot->targets; i++)
		if (snapshot->target[i].type == PROBE_HEARTBEAT &&
		    !snapshot->target[i].heartbeat_port.raw)
			return true;
	return false;
}

void path_publish(struct path *path, const struct snapshot *snapshot, uint64_t now_ns)
{
	const struct snapshot *old = path->snapshot == &nothing ? NULL : path->snapshot;

	path->now_ns = now_ns;
	path->snapshot = snapshot;
	path->epoch++;
	path->listens = listens(snapshot);
	adopt_slots(path, snapshot);
	neighbor_published(path, old, snapshot);
	arp_published(path, old, snapshot);
	fragment_published(path, old, snapshot);
	checks_published(path);
}

void path_set_wall_clock(struct path *path, uint64_t offset_ns)
{
	path->wall_offset_ns = offset_ns;
}

const struct path_counters *path_counters(const struct path *path)
{
	return &path->counters;
}

const struct backend_counters *path_backend_counters(const struct path *path, uint32_t backend_id)
{
	return &path->backend[backend_id & SLOT_MASK].counters;
}

const struct service_counters *path_service_counters(const struct path *path, uint32_t service_id)
{
	return &path->service[service_id & SLOT_MASK].counters;
}

struct flow_table *path_flows(struct path *path)
{
	return &path->flows;
}

enum health path_target_health(const struct path *path, uint32_t target_id)
{
	uint32_t target = snapshot_target_of(path->snapshot, target_id);

	return target == NONE ? HEALTH_UNKNOWN : check_health(path, target);
}

uint32_t path_target_weight(const struct path *path, uint32_t target_id)
{
	uint32_t target = snapshot_target_of(path->snapshot, target_id);

	return target == NONE ? NONE : check_weight(path, target);
}

void path_clear_counters(struct path *path)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		clear_interface(&path->counters.interface[i]);
	path->counters.stateless = path->counters.vip_conflicts = 0;
	path->counters.checks_sent = path->counters.heartbeats = 0;
	path->counters.register_full = 0;
	for (uint32_t i = 0; i < BACKENDS_MAX; i++) {
		struct backend_counters *counters = &path->backend[i].counters;

		*counters = (struct backend_counters){.active_flows = counters->active_flows};
	}
	for (uint32_t i = 0; i < SERVICES_MAX; i++) {
		struct service_counters *counters = &path->service[i].counters;

		*counters = (struct service_counters){.active_flows = counters->active_flows};
	}
}

bool flow_matches(const struct flow_match *match, const struct flow *flow)
{
	return (match->backend_id == NONE || match->backend_id == flow->backend) &&
	       (match->service_id == NONE || match->service_id == flow->service) &&
	       (!match->client.raw || same32(match->client, flow->forward.source)) &&
	       (!match->client_port.raw || same16(match->client_port, flow->forward.source_port));
}

uint32_t path_close_flows(struct path *path, const struct flow_match *match, enum flow_close_reason reason,
			  uint32_t *cursor, uint32_t budget)
{
	uint32_t closed = 0;

	for (; *cursor < path->flows.capacity && budget; ++*cursor, budget--) {
		struct flow *flow = flow_at(&path->flows, *cursor);

		if (!flow || !flow_matches(match, flow))
			continue;
		flow_close(&path->flows, flow, reason);
		closed++;
	}
	return closed;
}

/* True where the backend answers to an address that the appliance has no longer. */
static bool source_is_gone(const struct snapshot *snapshot, const struct flow *flow)
{
	return flow->mode == FORWARD_FULLNAT &&
	       snapshot_local_find(snapshot, flow->source_address) == NONE;
}

/* A client that is to be told of its loss is told by the answer to its next packet. */
static bool waits_for_reset(const struct snapshot *snapshot, const struct flow *flow)
{
	uint32_t index = snapshot_service_of(snapshot, flow->service);

	return flow->forward.protocol == PROTOCOL_NUMBER_TCP &&
	       snapshot->service[index].reset_on_loss;
}

enum flow_fate path_flow_fate(const struct snapshot *snapshot, const struct flow *flow)
{
	uint32_t backend = snapshot_backend_of(snapshot, flow->backend);

	if (!flow_service_stands(snapshot, flow) || source_is_gone(snapshot, flow))
		return FLOW_IS_CLEARED;
	if (flow_is_direct(flow) ||
	    (backend != NONE && snapshot->backend[backend].admin != BACKEND_DISABLED))
		return FLOW_STAYS;
	return waits_for_reset(snapshot, flow) ? FLOW_IS_RESET : FLOW_LOSES_BACKEND;
}

void path_sweep(struct path *path, uint32_t *cursor, uint32_t budget)
{
	for (; *cursor < path->flows.capacity && budget; ++*cursor, budget--) {
		struct flow *flow = flow_at(&path->flows, *cursor);

		if (!flow)
			continue;
		switch (path_flow_fate(path->snapshot, flow)) {
		case FLOW_STAYS:
		case FLOW_IS_RESET:
			break;
		case FLOW_IS_CLEARED:
			flow_close(&path->flows, flow, FLOW_CLOSE_CLEARED);
			break;
		case FLOW_LOSES_BACKEND:
			flow_close(&path->flows, flow, FLOW_CLOSE_BACKEND_LOST);
			break;
		}
	}
}
