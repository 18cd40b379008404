/* "Which backend, and why": the way of a client's packet, walked without one. */
#include "appliance/path/internal.h"
#include "appliance/path/select.h"
#include "appliance/path/serve.h"
#include "appliance/path/source.h"

static void look_across(const struct path *path, struct lookup *lookup)
{
	const struct snapshot *snapshot = path->snapshot;

	lookup->bridged = true;
	lookup->interface = snapshot->bridge.backend;
	lookup->verdict = lookup->interface != NONE && snapshot->interface[lookup->interface].up ?
				  VERDICT_FORWARDED : DROP_interface_down;
}

static void look_out(struct path *path, be32 destination, const struct flow_tuple *tuple,
		     struct lookup *lookup)
{
	if (path->snapshot->bridge.on) {
		look_across(path, lookup);
		return;
	}
	const struct snapshot_route *route =
		snapshot_route_find(path->snapshot, destination, NONE);

	if (!route) {
		lookup->verdict = DROP_no_route;
		return;
	}
	lookup->tunnel = tunnel_to(destination, flow_hash(tuple, path->flows.seed));
	lookup->tunnel.source = route->source;
	lookup->interface = route->interface;
	lookup->next_hop = route->via.raw ? route->via : destination;
	lookup->has_mac = neighbor_peek(path, route->interface, lookup->next_hop, &lookup->mac,
					&lookup->neighbor);
	if (!path->snapshot->interface[route->interface].up)
		lookup->verdict = DROP_interface_down;
	else
		lookup->verdict = lookup->has_mac ? VERDICT_FORWARDED : VERDICT_HELD;
}

static void look_at_source(const struct delivery *delivery, struct lookup *lookup)
{
	lookup->source_address = delivery->source_address;
	lookup->source_port = delivery->source_port;
	lookup->proxy = delivery->proxy;
}

/* The way to one choice. False: it cannot be used, and another one may. */
static bool look_at_choice(struct path *path, const struct snapshot_service *service,
			   const struct flow_tuple *tuple, const struct choice *choice,
			   uint32_t *probes, struct lookup *lookup)
{
	struct delivery delivery = delivery_to(path->snapshot, service, choice->backend, tuple);

	lookup->how = choice->how;
	lookup->slot = choice->slot;
	lookup->backend = delivery.backend;
	lookup->mode = delivery.mode;
	look_out(path, delivery.address, tuple, lookup);
	if (delivery.mode == FORWARD_FULLNAT && !verdict_is_drop(lookup->verdict) &&
	    !source_choose(path, tuple, lookup->interface, lookup->next_hop, &delivery, probes)) {
		lookup->verdict = DROP_source_ports_exhausted;
		return false;
	}
	look_at_source(&delivery, lookup);
	return true;
}

/* What is neither for a VIP nor for the appliance. */
static void look_past(struct path *path, const struct flow_tuple *tuple, struct lookup *lookup)
{
	lookup->verdict = DROP_forwarding_off;
	if (path->snapshot->bridge.on || path->snapshot->forwarding)
		look_out(path, tuple->destination, tuple, lookup);
}

static void look_anew(struct path *path, const struct flow_tuple *tuple, struct lookup *lookup)
{
	const struct snapshot *snapshot = path->snapshot;
	uint32_t index = snapshot_service_find(snapshot, tuple->destination,
					       tuple->destination_port, tuple->protocol);
	uint32_t probes = SOURCE_PACKET_PROBES_MAX;
	struct choice choice;

	if (snapshot_local_find(snapshot, tuple->destination) == NONE) {
		look_past(path, tuple, lookup);
		return;
	}
	lookup->verdict = DROP_no_service;
	if (index == NONE)
		return;
	const struct snapshot_service *service = &snapshot->service[index];
	lookup->service = service->id;
	lookup->verdict = DROP_service_disabled;
	if (!service->enabled)
		return;
	lookup->verdict = DROP_service_flows_full;
	if (path_service_full(path, service))
		return;
	lookup->verdict = DROP_no_backend;
	if (!select_backend(path, service, tuple, &choice))
		return;
	while (!look_at_choice(path, service, tuple, &choice, &probes, lookup) &&
	       select_next(path, service, &choice))
		;
}

static void look_up(struct path *path, const struct flow_tuple *tuple, uint64_t now_ns,
		    struct lookup *ret_lookup)
{
	uint64_t hash = flow_hash(tuple, path->flows.seed);
	enum flow_direction direction = FLOW_FORWARD;
	const struct flow *flow = flow_find(&path->flows, tuple, hash, now_ns, &direction);

	*ret_lookup = (struct lookup){.service = NONE, .backend = NONE, .interface = NONE};
	if (!flow || direction != FLOW_FORWARD || !serve_flow_stands(path, flow)) {
		look_anew(path, tuple, ret_lookup);
		return;
	}
	ret_lookup->how = LOOKUP_FLOW;
	ret_lookup->service = flow->service;
	ret_lookup->backend = flow->backend;
	ret_lookup->mode = flow->mode;
	struct delivery delivery = delivery_of(flow);
	look_at_source(&delivery, ret_lookup);
	look_out(path, flow->backend_address, tuple, ret_lookup);
	if (!flow_requests_left(&path->flows, flow))
		ret_lookup->verdict = DROP_requests_used_up;
}

void path_lookup_in(struct path *path, const struct snapshot *snapshot,
		    const struct flow_tuple *tuple, uint64_t now_ns, struct lookup *ret_lookup)
{
	const struct snapshot *in_force = path->snapshot;

	path->snapshot = snapshot;
	look_up(path, tuple, now_ns, ret_lookup);
	path->snapshot = in_force;
}

void path_lookup(struct path *path, be32 source, be16 source_port, be32 destination,
		 be16 destination_port, uint8_t protocol, uint64_t now_ns, struct lookup *ret_lookup)
{
	const struct flow_tuple tuple = {
		.source = source,
		.destination = destination,
		.source_port = source_port,
		.destination_port = destination_port,
		.protocol = protocol,
	};

	look_up(path, &tuple, now_ns, ret_lookup);
}
