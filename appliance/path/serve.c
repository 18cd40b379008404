#include "appliance/path/serve.h"

#include "appliance/path/deliver.h"
#include "appliance/path/direct.h"
#include "appliance/path/icmp.h"
#include "appliance/path/proxy.h"
#include "appliance/path/reset.h"
#include "appliance/path/segment.h"
#include "appliance/path/select.h"
#include "appliance/path/source.h"
#include "appliance/path/traced.h"

static const struct snapshot_service *service_of(const struct path *path, const struct flow *flow)
{
	return &path->snapshot->service[snapshot_service_of(path->snapshot, flow->service)];
}

/* True where a flow that its client sends on has lost its service or its backend, and which. */
static bool flow_is_lost(const struct path *path, const struct flow *flow,
			 enum flow_close_reason *ret_reason)
{
	uint32_t backend = snapshot_backend_of(path->snapshot, flow->backend);

	*ret_reason = FLOW_CLOSE_CLEARED;
	if (!flow_service_stands(path->snapshot, flow))
		return true;
	*ret_reason = FLOW_CLOSE_BACKEND_LOST;
	return backend == NONE || !select_keeps(path, service_of(path, flow), backend);
}

bool serve_flow_stands(const struct path *path, const struct flow *flow)
{
	enum flow_close_reason reason;

	return !flow_is_lost(path, flow, &reason);
}

/* True where a flow cannot take one more packet of its client, and why. */
static bool flow_ends(const struct path *path, const struct flow *flow, const struct packet *packet,
		      enum flow_close_reason *ret_reason)
{
	bool syn = packet->protocol == PROTOCOL_NUMBER_TCP && flow_life_is_syn(packet->tcp_flags);

	if (flow_is_lost(path, flow, ret_reason))
		return true;
	if (!syn)
		return false;
	/* A client that uses its port again must not meet what its last connection left behind. */
	*ret_reason = flow_life_end(flow->seen);
	if (flow_life_closing(flow->seen))
		return true;
	*ret_reason = FLOW_CLOSE_DRAIN;
	uint32_t backend = snapshot_backend_of(path->snapshot, flow->backend);
	return path->snapshot->backend[backend].admin == BACKEND_DRAIN;
}

/* True where a client that has lost its backend is to be told so, and has been. */
static bool tell_of_loss(struct path *path, const struct packet *packet,
			 const struct snapshot_service *service)
{
	if (!service->reset_on_loss || packet->protocol != PROTOCOL_NUMBER_TCP ||
	    flow_life_is_syn(packet->tcp_flags))
		return false;
	reset_client(path, packet);
	return true;
}

/* The same for a reply: what comes from a backend is passed on, also where its check says down. */
static bool flow_ends_for_reply(const struct path *path, const struct flow *flow,
				enum flow_close_reason *ret_reason)
{
	uint32_t backend = snapshot_backend_of(path->snapshot, flow->backend);

	*ret_reason = FLOW_CLOSE_CLEARED;
	if (!flow_service_stands(path->snapshot, flow))
		return true;
	*ret_reason = FLOW_CLOSE_BACKEND_LOST;
	return !flow_is_direct(flow) &&
	       (backend == NONE || path->snapshot->backend[backend].admin == BACKEND_DISABLED);
}

/* Sends what has a flow: what is dropped on the way out uses up no request. */
static enum verdict send_forward(struct path *path, struct packet *packet, struct flow *flow,
				 const struct delivery *delivery)
{
	enum verdict verdict = deliver_send(path, packet, delivery);

	if (verdict_is_drop(verdict))
		return verdict;
	if (flow->proxy == PROXY_FIRST)
		flow->proxy = PROXY_SENT;
	flow_spend(&path->flows, flow, FLOW_FORWARD, 1);
	return verdict;
}

static enum verdict forward_flow(struct path *path, struct packet *packet, struct flow *flow)
{
	struct delivery delivery = delivery_of(flow);
	enum verdict drop;

	trace_found(path, flow, TRACE_HIT);
	/* Refused, it does not keep the flow alive either: the client's tuple gets a new one. */
	if (!flow_requests_left(&path->flows, flow))
		return DROP_requests_used_up;
	flow_touch(&path->flows, flow, FLOW_FORWARD, packet->tcp_flags, path->now_ns);
	if (!deliver_find(path, packet, &delivery, &drop))
		return drop;
	return send_forward(path, packet, flow, &delivery);
}

/* A reply can be mapped back without a flow where one service alone reaches the backend's port, or
 * need not be where it goes past the appliance. */
static bool reply_finds_its_way(const struct path *path, uint32_t service, uint8_t protocol,
				const struct delivery *delivery)
{
	if (!mode_sees_replies(delivery->mode))
		return true;
	uint32_t reply = snapshot_reply_find(path->snapshot, delivery->address, delivery->port,
					     protocol);

	return reply != NONE && path->snapshot->reply[reply].service == service;
}

static struct flow_birth birth_of(const struct packet *packet,
				  const struct snapshot_service *service,
				  const struct delivery *delivery)
{
	return (struct flow_birth){
		.forward = packet->tuple,
		.backend_address = delivery->address,
		.backend_port = delivery->port,
		.source_address = delivery->source_address,
		.source_port = delivery->source_port,
		.backend = delivery->backend,
		.service = delivery->service,
		.idle_timeout_ns = service->idle_timeout_ns,
		.limits = flow_limits_any(&service->limits) ? &service->limits : NULL,
		.frontend = packet->frame->interface,
		.tcp_flags = packet->tcp_flags,
		.mode = delivery->mode,
		.proxy = service->proxy,
		.sees_replies = mode_sees_replies(delivery->mode),
	};
}

static void count_birth(struct path *path, const struct flow *flow)
{
	struct backend_counters *b = &path->backend[flow->backend & SLOT_MASK].counters;
	struct service_counters *s = &path->service[flow->service & SLOT_MASK].counters;

	b->total_flows++;
	b->active_flows++;
	s->total_flows++;
	s->active_flows++;
}

/* Where there is no flow, as the table alone says, if the reply finds its way back without one. */
static enum verdict serve_by_table(struct path *path, struct packet *packet, uint32_t index,
				   enum verdict otherwise)
{
	const struct snapshot_service *service = &path->snapshot->service[index];
	struct choice choice;
	enum verdict drop;

	/* Which datagram of its client is the first one, only a flow knows. */
	if (service->proxy == PROXY_FIRST ||
	    !select_stateless(path, service, &packet->tuple, &choice))
		return otherwise;
	struct delivery delivery =
		delivery_to(path->snapshot, service, choice.backend, &packet->tuple);
	if (!reply_finds_its_way(path, index, packet->protocol, &delivery) ||
	    !source_is_restorable(path->snapshot, service, packet->source))
		return otherwise;
	trace_selected(path, &choice);
	if (!deliver_find(path, packet, &delivery, &drop))
		return drop;
	path->counters.stateless++;
	return deliver_send(path, packet, &delivery);
}

/* Binds the tuple to the first backend of its row that takes it. */
static enum verdict serve_new(struct path *path, struct packet *packet, uint32_t index)
{
	const struct snapshot_service *service = &path->snapshot->service[index];
	uint32_t probes = SOURCE_PACKET_PROBES_MAX;
	enum verdict none = DROP_reply_collision, drop;
	struct choice choice;
	struct flow *flow;

	if (!select_backend(path, service, &packet->tuple, &choice))
		return DROP_no_backend;
	/* The end of a connection that the table does not know: there is nothing to remember. */
	if (packet->tcp_flags & TCP_RST)
		return serve_by_table(path, packet, index, DROP_no_flow);
	do {
		struct delivery delivery =
			delivery_to(path->snapshot, service, choice.backend, &packet->tuple);

		trace_selected(path, &choice);
		if (!deliver_find(path, packet, &delivery, &drop))
			return drop;
		if (delivery.mode == FORWARD_FULLNAT &&
		    !source_choose(path, &packet->tuple, packet->out_interface, packet->next_hop,
				   &delivery, &probes)) {
			none = DROP_source_ports_exhausted;
			continue;
		}
		struct flow_birth birth = birth_of(packet, service, &delivery);
		switch (flow_insert(&path->flows, &birth, packet->hash, path->now_ns, &flow)) {
		case FLOW_INSERTED:
			select_taken(path, service, &choice);
			count_birth(path, flow);
			return send_forward(path, packet, flow, &delivery);
		case FLOW_TABLE_FULL:
		case FLOW_HALF_OPEN_FULL:
			return service->shed_when_full ?
				DROP_flow_table_full :
				serve_by_table(path, packet, index, DROP_flow_table_full);
		case FLOW_REPLY_COLLISION:
			break;
		}
	} while (select_next(path, service, &choice));
	return none;
}

static enum verdict reply_by_flow(struct path *path, struct packet *packet, struct flow *flow)
{
	struct answer answer = answer_of(flow);
	enum verdict drop;

	trace_found(path, flow, TRACE_REPLY);
	flow_touch(&path->flows, flow, FLOW_REPLY, packet->tcp_flags, path->now_ns);
	if (!answer_find(path, packet, &answer, &drop))
		return drop;
	enum verdict verdict = answer_send(path, packet, &answer);
	if (!verdict_is_drop(verdict))
		flow_spend(&path->flows, flow, FLOW_REPLY, packet_datagrams(packet));
	return verdict;
}

/* Fast failure instead of silence, where that is wanted. */
static enum verdict refuse(struct path *path, const struct packet *packet)
{
	if (path->snapshot->reject && packet->protocol == PROTOCOL_NUMBER_TCP)
		reset_client(path, packet);
	else if (path->snapshot->reject)
		icmp_error(path, packet, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0);
	return DROP_no_service;
}

/* True where one frame is many datagrams, each of which counts, or gets a header. */
static bool is_cut(const struct packet *packet, bool each_counts, enum proxy_state proxy)
{
	return packet->frame->offload.gso_type && packet->protocol == PROTOCOL_NUMBER_UDP &&
	       (each_counts || proxy_state_carries(proxy));
}

/* The datagrams of a super-frame, one by one. It was forwarded where one of them was. */
static enum verdict serve_each(struct path *path, struct packet *super)
{
	enum verdict verdict = DROP_udp_malformed;
	struct segments segments;
	bool forwarded = false;

	if (!segments_begin(&segments, super))
		return verdict;
	while (segments_next(&segments)) {
		struct packet packet = segments.packet;
		struct frame frame = segments.frame;

		packet.frame = &frame;
		packet.piece = true;
		verdict = serve_client(path, &packet);
		forwarded |= !verdict_is_drop(verdict);
		super->backend = packet.backend;
		super->out_interface = packet.out_interface;
	}
	return forwarded ? VERDICT_FORWARDED : verdict;
}

/* The flow's side has been asked everything. What counts, or has a first packet, is asked every time. */
static void note_vetted(struct path *path, const struct packet *packet, struct flow *flow,
			enum flow_direction direction)
{
	if (path->snapshot->bridge.on || flow_is_direct(flow) || flow->limited ||
	    flow->proxy != PROXY_OFF ||
	    snapshot_local_find(path->snapshot, packet->source) != NONE)
		return;
	if (flow->epoch != path->epoch)
		flow->vetted = 0;
	flow->vetted |= (uint8_t)(1U << direction);
	flow->epoch = path->epoch;
}

/* The flow that a packet is of and that is vetted on its side; NULL. */
static struct flow *vetted_flow(struct path *path, const struct packet *packet,
				enum flow_direction *ret_direction)
{
	struct flow *flow = &path->flows.flow[packet->likely / 2];
	enum flow_direction direction = packet->likely % 2;

	if (packet->likely == FLOW_INDEX_NONE || flow->epoch != path->epoch ||
	    !(flow->vetted & 1U << direction) ||
	    !flow_has_tuple(flow, direction, &packet->tuple) ||
	    flow_expired(&path->flows, flow, path->now_ns))
		return NULL;
	*ret_direction = direction;
	return flow;
}

/* True for a packet that may have a fate of its own for what it is, not for whose it is. */
static bool is_special(const struct packet *packet)
{
	return packet->fragment != FRAGMENT_NONE || flow_life_is_syn(packet->tcp_flags) ||
	       packet->ethernet->destination.byte[0] & 1;
}

bool serve_known(struct path *path, struct packet *packet, enum verdict *ret_verdict)
{
	const struct snapshot *snapshot = path->snapshot;
	enum flow_direction direction;
	struct flow *flow = vetted_flow(path, packet, &direction);

	if (!flow || is_special(packet))
		return false;
	bool from_backends = snapshot->interface[packet->frame->interface].sides & SIDE_BACKEND;
	if (direction == FLOW_REPLY) {
		if (!from_backends)
			return false;
		if (path->listens)
			heartbeat_heard(path, packet);
		*ret_verdict = reply_by_flow(path, packet, flow);
		return true;
	}
	if ((from_backends && path->listens) ||
	    !path_backend_alive(path, snapshot_backend_of(snapshot, flow->backend)))
		return false;
	*ret_verdict = forward_flow(path, packet, flow);
	return true;
}

enum verdict serve_client(struct path *path, struct packet *packet)
{
	const struct snapshot *snapshot = path->snapshot;
	enum flow_direction direction;
	struct flow *flow = flow_find_at(&path->flows, packet->likely, &packet->tuple, packet->hash,
					 path->now_ns, &direction);

	if (flow && direction == FLOW_REPLY)
		return reply_by_flow(path, packet, flow);
	enum flow_close_reason reason = FLOW_CLOSE_CLEARED;
	bool goes_on = flow && !flow_ends(path, flow, packet, &reason);
	if (goes_on && is_cut(packet, flow_requests_left(&path->flows, flow) != FLOW_NO_LIMIT,
			      flow->proxy))
		return serve_each(path, packet);
	if (goes_on) {
		note_vetted(path, packet, flow, FLOW_FORWARD);
		return forward_flow(path, packet, flow);
	}
	if (flow)
		flow_close(&path->flows, flow, reason);
	uint32_t index = snapshot_service_find(snapshot, packet->destination,
					       packet->destination_port, packet->protocol);
	if (index == NONE)
		return refuse(path, packet);
	const struct snapshot_service *service = &snapshot->service[index];
	trace_missed(path, service, flow ? TRACE_CLOSED : TRACE_MISS, reason);
	if (!service->enabled)
		return DROP_service_disabled;
	if (reason == FLOW_CLOSE_BACKEND_LOST && tell_of_loss(path, packet, service))
		return DROP_backend_lost;
	if (is_cut(packet, service->limits.requests, service->proxy))
		return serve_each(path, packet);
	if (path_service_full(path, service))
		return DROP_service_flows_full;
	enum verdict verdict = serve_new(path, packet, index);
	if (verdict == DROP_no_backend)
		path->service[service->id & SLOT_MASK].counters.no_backend++;
	return verdict;
}

/* From a backend's address and port that one service alone reaches: the VIP is its source, unless
 * it is itself who calls. */
static enum verdict reply_without_flow(struct path *path, struct packet *packet)
{
	uint32_t index = snapshot_reply_find(path->snapshot, packet->source, packet->source_port,
					     packet->protocol);
	enum verdict drop;

	if (index == NONE || path->snapshot->reply[index].service == NONE ||
	    direct_is_call(path, packet))
		return DROP_no_flow;
	const struct snapshot_reply *reply = &path->snapshot->reply[index];
	const struct snapshot_service *service = &path->snapshot->service[reply->service];
	trace_missed(path, service, TRACE_WITHOUT, FLOW_CLOSE_CLEARED);
	if (!service->enabled)
		return DROP_service_disabled;
	struct answer answer = {
		.vip = service->vip,
		.vip_port = service->port.raw ? service->port : packet->source_port,
		.client = source_restored(service, packet->destination),
		.client_port = packet->destination_port,
		.frontend = NONE,
		.backend = NONE,
	};
	if (!answer_find(path, packet, &answer, &drop))
		return drop;
	return answer_send(path, packet, &answer);
}

/* The flow that a backend's packet is a reply of, if it may still get one; NULL. */
static struct flow *flow_replied(struct path *path, const struct packet *packet)
{
	enum flow_direction direction;
	struct flow *flow = flow_find_at(&path->flows, packet->likely, &packet->tuple, packet->hash,
					 path->now_ns, &direction);
	enum flow_close_reason reason;

	if (!flow || direction != FLOW_REPLY)
		return NULL;
	if (!flow_ends_for_reply(path, flow, &reason)) {
		note_vetted(path, packet, flow, FLOW_REPLY);
		return flow;
	}
	flow_close(&path->flows, flow, reason);
	return NULL;
}

enum verdict serve_reply(struct path *path, struct packet *packet)
{
	struct flow *flow = flow_replied(path, packet);

	return flow ? reply_by_flow(path, packet, flow) : reply_without_flow(path, packet);
}

bool serve_reply_to_us(struct path *path, struct packet *packet, enum verdict *ret_verdict)
{
	struct flow *flow = flow_replied(path, packet);

	if (flow)
		*ret_verdict = reply_by_flow(path, packet, flow);
	return flow;
}
