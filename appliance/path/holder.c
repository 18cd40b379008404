#include "appliance/path/holder.h"

#include "appliance/path/icmp.h"
#include "appliance/path/internal.h"
#include "appliance/path/quote.h"

/* What the client sends: the tuple of the packet that is answered. */
static bool answered_tuple(const struct packet *packet, struct flow_tuple *ret_tuple)
{
	struct quote quote;

	if (packet->protocol != PROTOCOL_NUMBER_ICMP) {
		*ret_tuple = (struct flow_tuple){
			.source = packet->destination,
			.destination = packet->source,
			.source_port = packet->destination_port,
			.destination_port = packet->source_port,
			.protocol = packet->protocol,
		};
		return true;
	}
	if (!icmp_reports_error(packet) || !quote_read(packet, &quote))
		return false;
	const struct quote_ports *ports = quote.l4;
	*ret_tuple = (struct flow_tuple){
		.source = quote.ip->source,
		.destination = quote.ip->destination,
		.source_port = ports->source,
		.destination_port = ports->destination,
		.protocol = quote.ip->protocol,
	};
	return same32(quote.ip->source, packet->destination) &&
	       same32(quote.ip->destination, packet->source);
}

bool holder_is_reply(struct path *path, const struct packet *packet)
{
	enum flow_direction direction;
	struct flow_tuple tuple;

	if (!answered_tuple(packet, &tuple))
		return false;
	const struct flow *flow = flow_find(&path->flows, &tuple,
					    flow_hash(&tuple, path->flows.seed), path->now_ns,
					    &direction);
	return flow && direction == FLOW_FORWARD && mode_hands_over(flow->mode);
}
