#include "appliance/path/probe.h"

#include <string.h>

#include "appliance/path/checksum.h"
#include "appliance/path/internal.h"
#include "appliance/path/mix.h"
#include "appliance/path/originate.h"
#include "appliance/path/quote.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	WINDOW = 1024, /* nothing is ever received */
	UNREACHABLE_PROTOCOL = 2, /* codes by which the target itself refuses: RFC 792 */
	UNREACHABLE_PORT = 3,
};

struct WIRE echo { struct icmp icmp; be32 cookie; };

struct probe probe_of(const struct snapshot_target *target, uint32_t attempt)
{
	uint32_t spread = (uint32_t)mix64(target->id);
	struct probe probe = {.address = target->address, .type = target->type};

	if (target->type == PROBE_TCP || target->type == PROBE_UDP) {
		probe.port = target->port;
		probe.local = to_be16((uint16_t)(PROBE_PORT_FIRST |
						 ((spread + attempt) & PROBE_PORT_MASK)));
	} else if (target->type == PROBE_ICMP) {
		probe.local = to_be16((uint16_t)spread);
		probe.sequence = to_be16((uint16_t)attempt);
	}
	return probe;
}

uint64_t probe_hash(const struct probe *probe, uint64_t seed)
{
	return XXH3_64bits_withSeed(probe, sizeof(*probe), seed);
}

static uint32_t cookie_of(const struct path *path, const struct probe *probe)
{
	return (uint32_t)probe_hash(probe, path->snapshot->seed);
}

/* The way to a target, or why there is none. */
static const struct snapshot_route *find_way(const struct path *path,
					     const struct snapshot_target *target,
					     be32 *ret_source, enum check_result *ret_why_not)
{
	const struct snapshot_route *route = snapshot_route_find(path->snapshot, target->address,
								 NONE);

	*ret_why_not = CHECK_NO_ROUTE;
	if (!route)
		return NULL;
	const struct snapshot_interface *out = &path->snapshot->interface[route->interface];
	*ret_why_not = CHECK_INTERFACE_DOWN;
	if (!out->up)
		return NULL;
	*ret_why_not = CHECK_NOT_ON_LINK;
	if (target->type == PROBE_ARP && route->via.raw)
		return NULL;
	*ret_why_not = CHECK_NO_ADDRESS;
	*ret_source = route->source.raw ? route->source : out->address;
	return ret_source->raw ? route : NULL;
}

static size_t write_echo(const struct path *path, const struct probe *probe, void *l4)
{
	struct echo *echo = l4;

	*echo = (struct echo){
		.icmp = {.type = ICMP_ECHO_REQUEST,
			 .id = probe->local,
			 .sequence = probe->sequence},
		.cookie = to_be32(cookie_of(path, probe)),
	};
	echo->icmp.checksum = checksum_of(echo, sizeof(*echo));
	return sizeof(*echo);
}

static size_t write_syn(const struct path *path, const struct probe *probe, be32 source, void *l4)
{
	const struct tcp syn = {
		.source = probe->local,
		.destination = probe->port,
		.sequence = to_be32(cookie_of(path, probe)),
		.flags = TCP_SYN,
		.window = to_be16(WINDOW),
	};

	const struct originate what = {.source = source, .destination = probe->address};

	return originate_tcp(&syn, &what, l4);
}

static size_t write_datagram(const struct snapshot_target *target, const struct probe *probe,
			     be32 source, void *l4)
{
	struct udp *udp = l4;
	uint16_t length = (uint16_t)(UDP_SIZE + target->payload_length);
	uint64_t sum = checksum_pseudo_header(source, probe->address, PROTOCOL_NUMBER_UDP, length);

	*udp = (struct udp){
		.source = probe->local,
		.destination = probe->port,
		.length = to_be16(length),
	};
	if (target->payload_length)
		memcpy(udp + 1, target->payload, target->payload_length);
	udp->checksum = checksum_field_udp(checksum_add(sum, udp, length));
	return length;
}

bool probe_send(struct path *path, const struct snapshot_target *target, const struct probe *probe,
		const struct mac_address *mac)
{
	uint8_t bytes[ORIGINATE_HEADERS + TCP_SIZE_MIN + PROBE_TEXT_MAX];
	uint8_t *l4 = bytes + ORIGINATE_HEADERS;
	struct originate what = {
		.destination = target->address,
		.id = from_be16(target->type == PROBE_ICMP ? probe->sequence : probe->local),
		.dont_fragment = true,
	};
	enum check_result why_not;
	size_t length;
	const struct snapshot_route *route = find_way(path, target, &what.source, &why_not);

	if (!route)
		return false;
	switch (target->type) {
	case PROBE_ARP:
		arp_request(path, route->interface, target->address, mac);
		return true;
	case PROBE_ICMP:
		what.protocol = PROTOCOL_NUMBER_ICMP;
		length = write_echo(path, probe, l4);
		break;
	case PROBE_TCP:
		what.protocol = PROTOCOL_NUMBER_TCP;
		length = write_syn(path, probe, what.source, l4);
		break;
	default:
		what.protocol = PROTOCOL_NUMBER_UDP;
		length = write_datagram(target, probe, what.source, l4);
		break;
	}
	return !verdict_is_drop(originate_send(path, &what, bytes, length, route));
}

enum check_result probe_silence(const struct path *path, const struct snapshot_target *target)
{
	struct mac_address mac;
	const char *state;
	enum check_result why_not;
	be32 source;
	const struct snapshot_route *route = find_way(path, target, &source, &why_not);

	if (!route)
		return why_not;
	if (target->type == PROBE_ARP)
		return CHECK_TIMEOUT;
	return neighbor_peek(path, route->interface, route->via.raw ? route->via : target->address,
			     &mac, &state) ? CHECK_TIMEOUT : CHECK_NO_NEIGHBOR;
}

static bool is_probe_port(be16 port)
{
	return (from_be16(port) & ~PROBE_PORT_MASK) == PROBE_PORT_FIRST;
}

static bool read_tcp(const struct path *path, const struct packet *packet,
		     struct probe_answer *answer)
{
	const struct tcp *tcp = packet_tcp(packet);
	uint8_t flags = tcp->flags & (TCP_SYN | TCP_ACK | TCP_RST);

	answer->probe.type = PROBE_TCP;
	answer->probe.port = tcp->source;
	answer->probe.local = tcp->destination;
	answer->result = flags & TCP_RST ? CHECK_REFUSED : CHECK_SYN_ACK;
	answer->is_proven = from_be32(tcp->acknowledgment) ==
			    (uint32_t)(cookie_of(path, &answer->probe) + 1);
	return is_probe_port(tcp->destination) && answer->is_proven &&
	       (flags == (TCP_SYN | TCP_ACK) || flags == (TCP_RST | TCP_ACK));
}

static bool read_udp(const struct packet *packet, struct probe_answer *answer)
{
	const struct udp *udp = packet_udp(packet);

	answer->probe.type = PROBE_UDP;
	answer->probe.port = udp->source;
	answer->probe.local = udp->destination;
	answer->result = CHECK_DATAGRAM;
	answer->payload = (const uint8_t *)(udp + 1);
	answer->payload_length = from_be16(udp->length) - UDP_SIZE;
	return is_probe_port(udp->destination);
}

static bool read_echo(const struct path *path, const struct packet *packet,
		      struct probe_answer *answer)
{
	const struct echo *echo = packet->l4;

	answer->probe.type = PROBE_ICMP;
	answer->probe.local = echo->icmp.id;
	answer->probe.sequence = echo->icmp.sequence;
	answer->result = CHECK_ECHO_REPLY;
	answer->is_proven = packet->l4_length >= sizeof(*echo) &&
			    from_be32(echo->cookie) == cookie_of(path, &answer->probe);
	return answer->is_proven;
}

/* "Destination unreachable" about a probe, from whoever on the way says so. */
static bool read_unreachable(const struct path *path, const struct packet *packet,
			     struct probe_answer *answer)
{
	uint8_t code = packet_icmp(packet)->code;
	struct quote quote;

	if (code == ICMP_FRAGMENTATION_NEEDED || !quote_read(packet, &quote))
		return false;
	answer->probe.address = quote.ip->destination;
	answer->result = code == UNREACHABLE_PROTOCOL || code == UNREACHABLE_PORT ?
		CHECK_REFUSED : CHECK_UNREACHABLE;
	if (quote.ip->protocol == PROTOCOL_NUMBER_ICMP) {
		const struct icmp *icmp = quote.l4;

		answer->probe.type = PROBE_ICMP;
		answer->probe.local = icmp->id;
		answer->probe.sequence = icmp->sequence;
		return icmp->type == ICMP_ECHO_REQUEST;
	}
	const struct tcp *tcp = quote.l4; /* up to the sequence number, and UDP its ports */

	answer->probe.local = tcp->source;
	answer->probe.port = tcp->destination;
	if (quote.ip->protocol == PROTOCOL_NUMBER_UDP) {
		answer->probe.type = PROBE_UDP;
		return true;
	}
	answer->probe.type = PROBE_TCP;
	return quote.ip->protocol == PROTOCOL_NUMBER_TCP &&
	       from_be32(tcp->sequence) == cookie_of(path, &answer->probe);
}

bool probe_read(const struct path *path, const struct packet *packet,
		struct probe_answer *ret_answer)
{
	*ret_answer = (struct probe_answer){.probe = {.address = packet->source}};
	switch (packet->protocol) {
	case PROTOCOL_NUMBER_TCP: return read_tcp(path, packet, ret_answer);
	case PROTOCOL_NUMBER_UDP: return read_udp(packet, ret_answer);
	case PROTOCOL_NUMBER_ICMP: break;
	default: return false;
	}
	switch (packet_icmp(packet)->type) {
	case ICMP_ECHO_REPLY: return read_echo(path, packet, ret_answer);
	case ICMP_UNREACHABLE: return read_unreachable(path, packet, ret_answer);
	default: return false;
	}
}
