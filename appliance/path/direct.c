#include "appliance/path/direct.h"

/* True for what goes to the very port by which one service alone reaches a backend. */
static bool is_for_a_service_backend(const struct snapshot *snapshot, const struct packet *packet)
{
	if (!packet_has_ports(packet))
		return false;
	uint32_t reply = snapshot_reply_find(snapshot, packet->destination,
					     packet->destination_port, packet->protocol);
	return reply != NONE && snapshot->reply[reply].service != NONE;
}

static struct flow *flow_of_caller(struct path *path, const struct packet *packet)
{
	enum flow_direction direction;
	struct flow *flow = flow_find(&path->flows, &packet->tuple, packet->hash, path->now_ns,
				      &direction);

	return flow && flow_is_direct(flow) && direction == FLOW_FORWARD ? flow : NULL;
}

bool direct_is_call(struct path *path, const struct packet *packet)
{
	return flow_life_is_syn(packet->tcp_flags) || flow_of_caller(path, packet);
}

/* The caller's flow, refreshed, or NULL; one that its new SYN ends is closed. */
static struct flow *follow(struct path *path, const struct packet *packet)
{
	struct flow *flow = flow_of_caller(path, packet);

	if (!flow)
		return NULL;
	if (flow_life_is_syn(packet->tcp_flags) && flow_life_closing(flow->seen)) {
		flow_close(&path->flows, flow, flow_life_end(flow->seen));
		return NULL;
	}
	flow_touch(&path->flows, flow, FLOW_FORWARD, packet->tcp_flags, path->now_ns);
	return flow;
}

bool direct_remember(struct path *path, const struct packet *packet, enum verdict *ret_drop)
{
	const struct flow_birth birth = {
		.forward = packet->tuple,
		.backend_address = packet->destination,
		.backend_port = packet->destination_port,
		.source_address = packet->source,
		.source_port = packet->source_port,
		.backend = NONE,
		.service = NONE,
		.frontend = packet->frame->interface,
		.tcp_flags = packet->tcp_flags,
		.sees_replies = true,
	};
	struct flow *flow;

	if (!is_for_a_service_backend(path->snapshot, packet) ||
	    follow(path, packet) || packet->tcp_flags & TCP_RST)
		return true;
	switch (flow_insert(&path->flows, &birth, packet->hash, path->now_ns, &flow)) {
	case FLOW_INSERTED:
		return true;
	case FLOW_REPLY_COLLISION:
		*ret_drop = DROP_reply_collision;
		return false;
	default:
		*ret_drop = DROP_flow_table_full;
		return false;
	}
}
