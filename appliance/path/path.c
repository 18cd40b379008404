/* The way of a frame, whole:
 *
 *   Ethernet -> ARP                                          (arp)
 *            -> IPv4 -> heard from a backend?                (check)
 *                    -> later fragment: follows its first    (fragment)
 *                    -> to a VIP: echo, error, or service -> flow -> select -> rewrite -> egress
 *                    -> to the appliance: reply of a flow, echo, check reply, heartbeat
 *                    -> from a backend: reply of a flow, error about one
 *                    -> neither: routed, where that is wanted
 *
 * and where the topology is bridged, what is neither for a service nor for the appliance crosses
 * as it is (bridge).
 */
#include "appliance/path/path.h"

#include "appliance/path/arp.h"
#include "appliance/path/bridge.h"
#include "appliance/path/direct.h"
#include "appliance/path/egress.h"
#include "appliance/path/holder.h"
#include "appliance/path/icmp.h"
#include "appliance/path/internal.h"
#include "appliance/path/rewrite.h"
#include "appliance/path/serve.h"
#include "appliance/path/traced.h"

enum {
	BATCH_MAX = 64,            /* frames that are gone over together */
	WAVE = 8,                  /* of them, at a time */
};

void path_count(struct path *path, uint32_t interface, enum verdict verdict)
{
	/* What is held is a gauge, kept where frames are held, until it gets its final verdict. */
	if (verdict != VERDICT_HELD)
		path->counters.interface[interface].verdict[verdict]++;
}

void path_send(struct path *path, const struct frame *frame, bool originated)
{
	struct interface_counters *counters = &path->counters.interface[frame->interface];

	counters->sent++;
	counters->sent_bytes += frame->length;
	counters->originated += originated;
	if (is_traced(path) && frame == path->traced_frame)
		trace_sent(path, frame->interface, (const struct ethernet *)frame->data);
	path->output.send(path->output.context, frame);
}

bool path_backend_alive(const struct path *path, uint32_t backend)
{
	const struct snapshot_backend *b = &path->snapshot->backend[backend];

	return b->admin != BACKEND_DISABLED &&
	       (b->target == NONE || check_health(path, b->target) != HEALTH_DOWN);
}

bool flow_service_stands(const struct snapshot *snapshot, const struct flow *flow)
{
	bool bridged = snapshot->bridge.on;

	if (flow_is_direct(flow))
		return bridged || snapshot->forwarding;
	uint32_t index = snapshot_service_of(snapshot, flow->service);
	if (index == NONE || (bridged && flow->mode != FORWARD_NAT))
		return false;
	const struct snapshot_service *service = &snapshot->service[index];
	return service->enabled && same32(service->vip, flow->forward.destination) &&
	       (!service->port.raw || same16(service->port, flow->forward.destination_port));
}

static uint32_t active_flows(const struct path *path, uint32_t service_id)
{
	return path->service[service_id & SLOT_MASK].counters.active_flows;
}

bool path_service_full(const struct path *path, const struct snapshot_service *service)
{
	uint32_t twins = service->twin != NONE ? active_flows(path, service->twin) : 0;

	return service->max_flows &&
	       active_flows(path, service->id) + twins >= service->max_flows;
}

static bool is_from_backend_side(const struct path *path, const struct packet *packet)
{
	return path->snapshot->interface[packet->frame->interface].sides & SIDE_BACKEND;
}

static enum verdict icmp_to_us(struct path *path, struct packet *packet)
{
	if (packet_icmp(packet)->type == ICMP_ECHO_REQUEST)
		return icmp_echo(path, packet);
	return icmp_reports_error(packet) ? icmp_translate(path, packet) : DROP_icmp_ignored;
}

static enum verdict to_vip(struct path *path, struct packet *packet)
{
	switch (packet->protocol) {
	case PROTOCOL_NUMBER_TCP:
	case PROTOCOL_NUMBER_UDP:
		return serve_client(path, packet);
	case PROTOCOL_NUMBER_ICMP:
		return icmp_to_us(path, packet);
	default:
		return DROP_protocol_unsupported;
	}
}

static enum verdict to_appliance(struct path *path, struct packet *packet, bool heard)
{
	enum verdict verdict;

	if (is_from_backend_side(path, packet) && packet_has_ports(packet) &&
	    serve_reply_to_us(path, packet, &verdict))
		return verdict;
	if (checks_received(path, packet, &verdict))
		return verdict;
	switch (packet->protocol) {
	case PROTOCOL_NUMBER_TCP:
	case PROTOCOL_NUMBER_UDP:
		return heard ? VERDICT_CONSUMED : DROP_no_service;
	case PROTOCOL_NUMBER_ICMP:
		return icmp_to_us(path, packet);
	default:
		return DROP_protocol_unsupported;
	}
}

static enum verdict route(struct path *path, struct packet *packet)
{
	enum verdict drop;

	if (!path->snapshot->forwarding)
		return DROP_forwarding_off;
	if (!egress_find(path, packet, packet->destination, NONE, &drop) ||
	    !direct_remember(path, packet, &drop))
		return drop;
	return egress_send(path, packet);
}

/* What is neither for a service nor for the appliance. */
static enum verdict pass_on(struct path *path, struct packet *packet)
{
	return path->snapshot->bridge.on ? bridge_packet(path, packet) : route(path, packet);
}

/* True where no service wants a packet from a backend, and somebody else may. */
static bool is_for_others(const struct snapshot *snapshot, enum verdict verdict)
{
	switch (verdict) {
	case DROP_no_flow:
	case DROP_icmp_unmatched:
		return snapshot->bridge.on || snapshot->forwarding;
	case DROP_icmp_malformed:
	case DROP_icmp_ignored:
		return snapshot->bridge.on;
	default:
		return false;
	}
}

static enum verdict from_backend(struct path *path, struct packet *packet)
{
	enum verdict verdict;

	if (packet_has_ports(packet))
		verdict = serve_reply(path, packet);
	else if (icmp_reports_error(packet))
		verdict = icmp_translate(path, packet);
	else
		return pass_on(path, packet);
	return is_for_others(path->snapshot, verdict) ? pass_on(path, packet) : verdict;
}

/* What became of a first fragment is what becomes of those that follow it. */
static void remember_fragment(struct path *path, const struct packet *packet, enum verdict verdict)
{
	struct fragment_fate fate = {
		.verdict = verdict,
		.new_source = packet->ip->source,
		.new_destination = packet->ip->destination,
		.interface = packet->out_interface,
		.next_hop = packet->next_hop,
		.backend = packet->backend,
		.mode = packet->mode,
		.tunnel = packet->tunnel,
		.shift = packet->inserted,
	};

	fragment_remember(path, packet, &fate);
}

static enum verdict follow_fragment(struct path *path, struct packet *packet)
{
	const struct fragment_fate *fate = fragment_find(path, packet);
	enum verdict drop;

	if (!fate)
		return fragment_hold(path, packet);
	packet->backend = fate->backend;
	if (fate->verdict != VERDICT_FORWARDED && fate->verdict != VERDICT_HELD)
		return fate->verdict;
	packet->out_interface = fate->interface;
	packet->next_hop = fate->next_hop;
	packet->mode = fate->mode;
	packet->tunnel = fate->tunnel;
	if (!egress_admits(path, packet, &drop))
		return drop;
	if (fate->shift && !rewrite_offset(packet, fate->shift))
		return DROP_too_big;
	if (!mode_hands_over(packet->mode)) {
		rewrite_source(packet, fate->new_source, (be16){0});
		rewrite_destination(packet, fate->new_destination, (be16){0});
	}
	return egress_send(path, packet);
}

/* True where no host in particular is meant, by the IP address or by the MAC. */
static bool is_for_many(const struct snapshot *snapshot, const struct packet *packet,
			uint32_t local)
{
	return !is_host_address(packet->destination) ||
	       packet->ethernet->destination.byte[0] & 1 ||
	       (local == NONE && snapshot_is_broadcast(snapshot, packet->destination));
}

static enum verdict receive_packet(struct path *path, struct packet *packet, uint32_t local,
				   bool heard)
{
	const struct snapshot *snapshot = path->snapshot;

	if (snapshot_is_broadcast(snapshot, packet->source))
		return DROP_ip_bad_source;
	if (is_for_many(snapshot, packet, local))
		return heard ? VERDICT_CONSUMED : DROP_ip_bad_destination;
	if (packet->fragment == FRAGMENT_LATER)
		return follow_fragment(path, packet);
	if (local != NONE && snapshot->local[local].interface == NONE)
		return to_vip(path, packet);
	if (local != NONE)
		return to_appliance(path, packet, heard);
	return is_from_backend_side(path, packet) ? from_backend(path, packet) :
						    route(path, packet);
}

/* True for what has nothing to do with the appliance, where that crosses. */
static bool is_bystander(const struct path *path, const struct packet *packet, uint32_t local)
{
	if (!path->snapshot->bridge.on)
		return false;
	return (local == NONE && is_for_many(path->snapshot, packet, local)) ||
	       !bridge_minds(path, packet, local);
}

/* True for what comes in a VIP's name from a backend that holds it, and is to be routed: its fragments,
 * too, as their first one was. All else with a source of our own is a loop, or a forger's. */
static bool is_holders(struct path *path, const struct packet *packet)
{
	return path->snapshot->forwarding && !path->snapshot->bridge.on &&
	       is_from_backend_side(path, packet) &&
	       (packet->fragment == FRAGMENT_LATER || holder_is_reply(path, packet));
}

static enum verdict route_packet(struct path *path, struct packet *packet)
{
	uint32_t local = snapshot_local_find(path->snapshot, packet->destination);
	bool bystander = is_bystander(path, packet, local);

	/* What the appliance has said itself may come by once more, from a router beside it. */
	if (!bystander && snapshot_local_find(path->snapshot, packet->source) != NONE &&
	    !is_holders(path, packet))
		return DROP_ip_source_is_ours;
	bool heard = path->listens && is_from_backend_side(path, packet) &&
		     packet->fragment != FRAGMENT_LATER && heartbeat_heard(path, packet);
	if (bystander)
		return bridge_packet(path, packet);
	enum verdict verdict = receive_packet(path, packet, local, heard);
	if (packet->fragment == FRAGMENT_FIRST)
		remember_fragment(path, packet, verdict);
	return verdict;
}

enum verdict path_route_ipv4(struct path *path, struct frame *frame)
{
	struct packet packet;
	enum verdict drop;

	if (!packet_parse_ipv4(&packet, frame, &drop))
		return drop;
	packet_identify(&packet, path->flows.seed);
	return route_packet(path, &packet);
}

/* A batch is gone over in three steps, so that what a packet needs from memory is on its way while
 * others are looked at: its bytes, the bucket of its flow, the flow itself. Only the last step
 * changes anything, in the order of arrival. Frames take the steps in waves, each two waves behind
 * the next one: a processor has room for a dozen lines that are under way, not for a batch of them. */
struct arrival {
	enum { ARRIVED_DROPPED, ARRIVED_ARP, ARRIVED_PACKET, ARRIVED_FRAME } as;
	enum verdict drop;
	struct packet packet;
};

/* Bridged, there is nothing that a frame can say of itself for which it would not cross. */
static bool look_at_ethernet(const struct path *path, const struct frame *frame,
			     enum verdict *ret_drop)
{
	const struct ethernet *ethernet = (const struct ethernet *)frame->data;
	const struct snapshot_interface *in = &path->snapshot->interface[frame->interface];

	*ret_drop = DROP_frame_truncated;
	if (frame->length < ETHERNET_SIZE || frame->length < frame->wire_length)
		return false;
	if (path->snapshot->bridge.on)
		return true;
	*ret_drop = DROP_not_for_us;
	if (!(ethernet->destination.byte[0] & 1) && !mac_equal(&ethernet->destination, &in->mac))
		return false;
	*ret_drop = DROP_vlan_tagged;
	return !frame_is_in_vlan(frame);
}

static void look_at_packet(const struct path *path, struct frame *frame, struct arrival *arrival)
{
	if (packet_parse_ipv4(&arrival->packet, frame, &arrival->drop)) {
		packet_identify(&arrival->packet, path->flows.seed);
		flow_prefetch_bucket(&path->flows, arrival->packet.hash);
		arrival->as = ARRIVED_PACKET;
	} else if (path->snapshot->bridge.on && !bridge_names_us(path, frame)) {
		arrival->as = ARRIVED_FRAME;
	}
}

static void look_at(const struct path *path, struct frame *frame, struct arrival *arrival)
{
	arrival->as = ARRIVED_DROPPED;
	if (!look_at_ethernet(path, frame, &arrival->drop))
		return;
	switch (from_be16(((const struct ethernet *)frame->data)->type)) {
	case ETHERTYPE_IPV4: look_at_packet(path, frame, arrival); return;
	case ETHERTYPE_ARP: arrival->as = ARRIVED_ARP; return;
	case ETHERTYPE_IPV6: arrival->drop = DROP_ipv6; break;
	case ETHERTYPE_VLAN:
	case ETHERTYPE_QINQ: arrival->drop = DROP_vlan_tagged; break;
	default: arrival->drop = DROP_unknown_ethertype; break;
	}
	if (path->snapshot->bridge.on)
		arrival->as = ARRIVED_FRAME;
}

static enum verdict receive_arp(struct path *path, struct frame *frame, uint32_t *ret_interface)
{
	return path->snapshot->bridge.on ? bridge_arp(path, frame, ret_interface) :
					   arp_receive(path, frame);
}

static enum verdict receive_ipv4(struct path *path, struct packet *packet)
{
	enum verdict verdict;

	return serve_known(path, packet, &verdict) ? verdict : route_packet(path, packet);
}

static struct outcome handle(struct path *path, struct frame *frame, struct arrival *arrival)
{
	struct outcome outcome = {.backend = NONE, .interface = NONE};

	switch (arrival->as) {
	case ARRIVED_PACKET:
		outcome.verdict = receive_ipv4(path, &arrival->packet);
		outcome.backend = arrival->packet.backend;
		outcome.interface = arrival->packet.out_interface;
		break;
	case ARRIVED_ARP:
		outcome.verdict = receive_arp(path, frame, &outcome.interface);
		break;
	case ARRIVED_FRAME:
		outcome.verdict = bridge_frame(path, frame, &outcome.interface);
		break;
	case ARRIVED_DROPPED:
		outcome.verdict = arrival->drop;
		break;
	}
	return outcome;
}

struct batch {
	struct frame *frames;
	struct outcome *outcomes; /* or NULL */
	unsigned count;
	struct arrival arrivals[BATCH_MAX];
};

/* Where the wave that begins at a frame ends: before it begins, for one that has not come yet. */
static unsigned wave_end(const struct batch *batch, unsigned begin)
{
	if (begin >= batch->count)
		return 0;
	return batch->count - begin < WAVE ? batch->count : begin + WAVE;
}

static void await_frames(const struct batch *batch, unsigned begin)
{
	for (unsigned i = begin; i < wave_end(batch, begin); i++)
		__builtin_prefetch(batch->frames[i].data);
}

static void look_at_frames(const struct path *path, struct batch *batch, unsigned begin)
{
	for (unsigned i = begin; i < wave_end(batch, begin); i++)
		look_at(path, &batch->frames[i], &batch->arrivals[i]);
}

static void await_flows(const struct path *path, struct batch *batch, unsigned begin)
{
	for (unsigned i = begin; i < wave_end(batch, begin); i++) {
		struct arrival *arrival = &batch->arrivals[i];

		if (arrival->as == ARRIVED_PACKET)
			arrival->packet.likely =
				flow_prefetch_record(&path->flows, arrival->packet.hash);
	}
}

static void handle_frames(struct path *path, struct batch *batch, unsigned begin)
{
	for (unsigned i = begin; i < wave_end(batch, begin); i++) {
		struct frame *frame = &batch->frames[i];
		struct arrival *arrival = &batch->arrivals[i];
		uint32_t interface = frame->interface;
		struct interface_counters *counters = &path->counters.interface[interface];

		counters->received++;
		counters->received_bytes += frame->length;
		if (__builtin_expect(path->traces_left, 0))
			trace_begin(path, frame,
				    arrival->as == ARRIVED_PACKET ? &arrival->packet : NULL);
		struct outcome outcome = handle(path, frame, arrival);
		if (is_traced(path))
			trace_end(path, &outcome);
		path_count(path, interface, outcome.verdict);
		if (batch->outcomes)
			batch->outcomes[i] = outcome;
	}
}

static void receive_batch(struct path *path, struct frame *frames, struct outcome *outcomes,
			  unsigned count)
{
	struct batch batch;

	batch.frames = frames;
	batch.outcomes = outcomes;
	batch.count = count;
	await_frames(&batch, 0);
	for (unsigned at = 0; at < count + 2 * WAVE; at += WAVE) {
		await_frames(&batch, at + WAVE);
		look_at_frames(path, &batch, at);
		await_flows(path, &batch, at - WAVE);
		handle_frames(path, &batch, at - 2 * WAVE);
	}
}

void path_receive(struct path *path, struct frame *frames, struct outcome *outcomes, unsigned count,
		  uint64_t now_ns)
{
	path->now_ns = now_ns;
	for (unsigned done = 0; done < count; done += BATCH_MAX)
		receive_batch(path, frames + done, outcomes ? outcomes + done : NULL,
			      count - done < BATCH_MAX ? count - done : BATCH_MAX);
}

void path_tick(struct path *path, uint64_t now_ns)
{
	path->now_ns = now_ns;
	flow_expire(&path->flows, now_ns, FLOW_EXPIRE_BUDGET);
	neighbor_tick(path);
	arp_tick(path);
	fragment_tick(path);
	checks_tick(path);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t path_deadline(const struct path *path)
{
	uint64_t deadline = flow_deadline(&path->flows);

	deadline = earlier(deadline, neighbor_deadline(path));
	deadline = earlier(deadline, arp_deadline(path));
	deadline = earlier(deadline, fragment_deadline(path));
	return earlier(deadline, checks_deadline(path));
}
