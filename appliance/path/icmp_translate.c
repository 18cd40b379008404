/* ICMP errors about flows: from the tuple of the packet that they quote, turned around, the flow is
 * found as that packet's answer would find it. Where the mode hands packets over as they come, the
 * quoted reply is the backend's own, and the error is handed over alike. */
#include "appliance/path/checksum.h"
#include "appliance/path/deliver.h"
#include "appliance/path/egress.h"
#include "appliance/path/icmp.h"
#include "appliance/path/icmp_tunnel.h"
#include "appliance/path/proxy.h"
#include "appliance/path/quote.h"
#include "appliance/path/rewrite.h"
#include "appliance/path/select.h"
#include "appliance/path/source.h"

/* The quoted packet as whoever it concerns has sent it, and how the error gets there. */
struct translation {
	struct flow_tuple sent;
	be32 source;        /* of the error, once translated */
	uint32_t interface; /* to leave by if there is a choice */
	uint32_t backend;   /* id */
	uint8_t mode;       /* enum forward_mode */
	uint64_t hash;      /* of the flow, as it goes forward */
	uint8_t proxy;      /* enum proxy_state of the datagrams that it may be about */
};

/* About a reply, to the backend that sent it, as `delivery` would reach it. A client that says so
 * itself is whom the backend takes it for. Where that is the appliance, so is everybody behind it: a
 * backend whose gateway is elsewhere would not believe that a router out there speaks from here (RFC
 * 3704 section 2.2). Otherwise a router stays itself. */
static struct translation to_backend(const struct packet *packet, const struct delivery *delivery,
				     be32 client, uint8_t protocol)
{
	bool hidden = delivery->mode == FORWARD_FULLNAT || same32(packet->source, client);

	return (struct translation){
		.sent = {
			.source = delivery->address,
			.source_port = delivery->port,
			.destination = delivery->source_address,
			.destination_port = delivery->source_port,
			.protocol = protocol,
		},
		.source = hidden ? delivery->source_address : packet->source,
		.interface = NONE,
		.backend = delivery->backend,
		.mode = delivery->mode,
	};
}

/* About a request, to the client that sent it to `vip`. The backend is not known out there. */
static struct translation to_client(const struct packet *packet, be32 vip, be16 port,
				    const struct flow_tuple *answer, uint32_t backend)
{
	return (struct translation){
		.sent = {
			.source = answer->destination,
			.source_port = answer->destination_port,
			.destination = vip,
			.destination_port = port,
			.protocol = answer->protocol,
		},
		.source = same32(packet->source, answer->source) ? vip : packet->source,
		.interface = NONE,
		.backend = backend,
	};
}

static struct translation by_flow(const struct packet *packet, const struct flow *flow,
				  enum flow_direction direction)
{
	struct flow_tuple answer = flow_reply_tuple(flow);
	struct delivery delivery = delivery_of(flow);
	struct translation translation;

	if (direction == FLOW_FORWARD)
		return to_backend(packet, &delivery, flow->forward.source, answer.protocol);
	answer.destination = flow->forward.source;
	answer.destination_port = flow->forward.source_port;
	translation = to_client(packet, flow->forward.destination, flow->forward.destination_port,
				&answer, flow->backend);
	translation.interface = flow->frontend;
	translation.proxy = flow->proxy;
	return translation;
}

/* What was forwarded for want of room without a flow went where the table says (SEMANTICS 4). */
static bool without_flow(const struct path *path, const struct packet *packet,
			 const struct flow_tuple *answer, struct translation *ret_translation)
{
	const struct snapshot *snapshot = path->snapshot;
	uint32_t index = snapshot_service_find(snapshot, answer->destination,
					       answer->destination_port, answer->protocol);
	bool about_request = index == NONE;
	struct flow_tuple to = *answer;
	struct choice choice;

	if (about_request) {
		uint32_t reply = snapshot_reply_find(snapshot, answer->source,
						     answer->source_port, answer->protocol);

		/* What the appliance sent for itself was no client's. */
		if (snapshot_local_find(snapshot, answer->destination) != NONE)
			return false;
		index = reply != NONE ? snapshot->reply[reply].service : NONE;
	}
	if (index == NONE)
		return false;
	const struct snapshot_service *service = &snapshot->service[index];
	if (!service->enabled || mode_needs_flow(service->mode))
		return false;
	if (about_request) {
		to.destination = source_restored(service, answer->destination);
		*ret_translation = to_client(packet, service->vip,
					     service->port.raw ? service->port : answer->source_port,
					     &to, NONE);
		ret_translation->proxy = service->proxy;
		return true;
	}
	if (!select_stateless(path, service, answer, &choice))
		return false;
	struct delivery delivery = delivery_to(snapshot, service, choice.backend, answer);
	*ret_translation = to_backend(packet, &delivery, answer->source, answer->protocol);
	return true;
}

static bool find_translation(struct path *path, const struct packet *packet,
			     const struct quote *quote, struct translation *ret_translation)
{
	const struct quote_ports *ports = quote->l4;
	struct flow_tuple answer = {
		.source = quote->ip->destination,
		.destination = quote->ip->source,
		.source_port = ports->destination,
		.destination_port = ports->source,
		.protocol = quote->ip->protocol,
	};
	uint64_t hash = flow_hash(&answer, path->flows.seed);
	enum flow_direction direction;

	if (answer.protocol != PROTOCOL_NUMBER_TCP && answer.protocol != PROTOCOL_NUMBER_UDP)
		return false;
	/* An error goes to the sender of what it quotes, or somebody made it up. */
	if (!same32(packet->destination, quote->ip->source))
		return false;
	const struct flow *flow = flow_find(&path->flows, &answer, hash, path->now_ns, &direction);
	if (flow)
		*ret_translation = by_flow(packet, flow, direction);
	else if (!without_flow(path, packet, &answer, ret_translation))
		return false;
	ret_translation->hash = hash;
	return true;
}

static enum verdict hand_over(struct path *path, struct packet *packet,
			      const struct translation *translation)
{
	const struct delivery delivery = {
		.address = translation->sent.source,
		.mode = translation->mode,
	};
	enum verdict drop;

	packet->hash = translation->hash;
	if (!deliver_find(path, packet, &delivery, &drop))
		return drop;
	packet->backend = translation->backend;
	return egress_send(path, packet);
}

/* The client knows nothing of a PROXY header. */
static void forget_proxy(struct packet *packet, struct quote *quote,
			 const struct translation *translation)
{
	const struct quote_ports *ports = quote->l4;
	const struct proxy_endpoints endpoints = {
		.client = translation->sent.source,
		.client_port = translation->sent.source_port,
		.backend = quote->ip->destination,
		.backend_port = ports->destination,
	};

	proxy_unquote(packet, quote, &endpoints, translation->proxy == PROXY_EVERY);
}

enum verdict icmp_translate(struct path *path, struct packet *packet)
{
	struct translation translation;
	struct quote quote;
	enum verdict drop;

	/* Whoever is told of a better gateway shares a link with it: it is nobody's on another one. */
	if (packet_icmp(packet)->type == ICMP_REDIRECT)
		return DROP_icmp_ignored;
	if (!quote_read(packet, &quote))
		return DROP_icmp_malformed;
	if (!find_translation(path, packet, &quote, &translation))
		return icmp_from_tunnel(path, packet, &quote);
	if (mode_hands_over(translation.mode))
		return hand_over(path, packet, &translation);
	const struct flow_tuple *sent = &translation.sent;
	if (!egress_find(path, packet, sent->source, translation.interface, &drop))
		return drop;
	if (!checksum_finish(packet))
		return DROP_icmp_malformed;

	packet->backend = translation.backend;
	if (translation.proxy != PROXY_OFF)
		forget_proxy(packet, &quote, &translation);
	quote_rewrite(packet, &quote, sent->source, sent->source_port, sent->destination,
		      sent->destination_port);
	rewrite_source(packet, translation.source, (be16){0});
	rewrite_destination(packet, sent->source, (be16){0});
	return egress_send(path, packet);
}
