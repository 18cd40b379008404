#include "appliance/path/deliver.h"

#include "appliance/path/egress.h"
#include "appliance/path/proxy.h"
#include "appliance/path/rewrite.h"
#include "appliance/path/source.h"
#include "appliance/path/traced.h"

struct delivery delivery_to(const struct snapshot *snapshot, const struct snapshot_service *service,
			    uint32_t backend, const struct flow_tuple *client)
{
	const struct snapshot_backend *b = &snapshot->backend[backend];

	return (struct delivery){
		.address = b->address,
		.port = b->port.raw ? b->port : client->destination_port,
		.source_address = source_rewritten(service, client->source),
		.source_port = client->source_port,
		.backend = b->id,
		.service = service->id,
		.mode = service->mode,
		.proxy = service->proxy != PROXY_OFF,
	};
}

struct delivery delivery_of(const struct flow *flow)
{
	return (struct delivery){
		.address = flow->backend_address,
		.source_address = flow->source_address,
		.port = flow->backend_port,
		.source_port = flow->source_port,
		.backend = flow->backend,
		.service = flow->service,
		.mode = flow->mode,
		.proxy = proxy_state_carries(flow->proxy),
	};
}

struct answer answer_of(const struct flow *flow)
{
	return (struct answer){
		.vip = flow->forward.destination,
		.client = flow->forward.source,
		.vip_port = flow->forward.destination_port,
		.client_port = flow->forward.source_port,
		.frontend = flow->frontend,
		.backend = flow->backend,
		.service = flow->service,
	};
}

static void count_forward(struct path *path, const struct delivery *delivery, uint32_t bytes)
{
	struct backend_counters *b = &path->backend[delivery->backend & SLOT_MASK].counters;
	struct service_counters *s = &path->service[delivery->service & SLOT_MASK].counters;

	b->packets++;
	b->bytes += bytes;
	s->packets++;
	s->bytes += bytes;
}

static void count_reply(struct path *path, const struct answer *answer, uint32_t bytes)
{
	struct backend_counters *b = &path->backend[answer->backend & SLOT_MASK].counters;
	struct service_counters *s = &path->service[answer->service & SLOT_MASK].counters;

	b->reply_packets++;
	b->reply_bytes += bytes;
	s->reply_packets++;
	s->reply_bytes += bytes;
}

/* True where the datagram, grown, is one no more: its length has 16 bits. */
static bool outgrows_udp(const struct packet *packet)
{
	uint32_t ip_header = packet->ip_length - packet->l4_length;

	return ip_header + from_be16(packet_udp(packet)->length) + packet->growth > UINT16_MAX;
}

bool deliver_find(struct path *path, struct packet *packet, const struct delivery *delivery,
		  enum verdict *ret_drop)
{
	packet->mode = delivery->mode;
	if (tunnel_overhead(delivery->mode))
		packet->tunnel = tunnel_to(delivery->address, packet->hash);
	packet->growth = delivery->proxy ? (uint8_t)proxy_size(packet) : 0;
	*ret_drop = DROP_too_big;
	if (packet->growth && outgrows_udp(packet))
		return false;
	return egress_find(path, packet, delivery->address, NONE, ret_drop);
}

static void tell_client(struct packet *packet, const struct delivery *delivery)
{
	const struct proxy_endpoints endpoints = {
		.client = packet->source,
		.client_port = packet->source_port,
		.backend = delivery->address,
		.backend_port = delivery->port,
	};

	proxy_insert(packet, &endpoints);
}

enum verdict deliver_send(struct path *path, struct packet *packet, const struct delivery *delivery)
{
	count_forward(path, delivery, packet->ip_length);
	trace_delivered(path, delivery);
	packet->backend = delivery->backend;
	if (mode_hands_over(delivery->mode))
		return egress_send(path, packet);
	rewrite_destination(packet, delivery->address, delivery->port);
	if (!same32(delivery->source_address, packet->source) ||
	    !same16(delivery->source_port, packet->source_port))
		rewrite_source(packet, delivery->source_address, delivery->source_port);
	if (delivery->proxy)
		tell_client(packet, delivery);
	return egress_send(path, packet);
}

bool answer_find(struct path *path, struct packet *packet, const struct answer *answer,
		 enum verdict *ret_drop)
{
	return egress_find(path, packet, answer->client, answer->frontend, ret_drop);
}

enum verdict answer_send(struct path *path, struct packet *packet, const struct answer *answer)
{
	if (answer->backend != NONE)
		count_reply(path, answer, packet->ip_length);
	trace_answered(path, answer);
	packet->backend = answer->backend;
	if (!same32(answer->vip, packet->source) || !same16(answer->vip_port, packet->source_port))
		rewrite_source(packet, answer->vip, answer->vip_port);
	if (!same32(answer->client, packet->destination) ||
	    !same16(answer->client_port, packet->destination_port))
		rewrite_destination(packet, answer->client, answer->client_port);
	return egress_send(path, packet);
}
