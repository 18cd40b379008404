#include "appliance/path/tunnel.h"

#include "appliance/path/checksum.h"

enum {
	OUTER_TTL = 64, /* SEMANTICS 5 */

	/* The ephemeral ports: 14 bits below two that are set (RFC 6335 section 6). */
	SOURCE_PORT_MIN = 49152,
	SOURCE_PORT_SHIFT = 64 - 14,
};

struct tunnel tunnel_to(be32 backend, uint64_t flow_hash)
{
	return (struct tunnel){
		.destination = backend,
		.source_port = to_be16((uint16_t)(SOURCE_PORT_MIN + (flow_hash >> SOURCE_PORT_SHIFT))),
	};
}

/* True where the packet's L4 checksum covers all that is behind its IP header. */
static bool is_covered(const struct ipv4 *ip, const void *l4, uint32_t length)
{
	const struct udp *udp = l4;

	if (from_be16(ip->fragment) & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK))
		return false;
	if (ip->protocol == PROTOCOL_NUMBER_UDP)
		return udp->checksum.raw && from_be16(udp->length) == length;
	return ip->protocol == PROTOCOL_NUMBER_TCP;
}

/* The sum of all bytes of a packet as its sender meant it: a header whose checksum is right adds up to
 * nothing, and what an L4 checksum covers to the complement of its pseudo header. */
static uint64_t sum_of_packet(const struct ipv4 *ip, uint32_t length)
{
	uint32_t header = ipv4_header_size(ip);
	const uint8_t *l4 = (const uint8_t *)ip + header;
	uint32_t l4_length = length - header;

	if (!is_covered(ip, l4, l4_length))
		return checksum_add(0, l4, l4_length);
	uint64_t pseudo = checksum_pseudo_header(ip->source, ip->destination, ip->protocol,
						 (uint16_t)l4_length);
	return checksum_field(pseudo).raw;
}

static void write_udp(struct udp *udp, const struct ipv4 *inner, uint32_t inner_length,
		      const struct tunnel *tunnel)
{
	uint16_t length = (uint16_t)(UDP_SIZE + inner_length);

	*udp = (struct udp){
		.source = tunnel->source_port,
		.destination = to_be16(GUE_PORT),
		.length = to_be16(length),
	};
	uint64_t sum = checksum_pseudo_header(tunnel->source, tunnel->destination,
					      PROTOCOL_NUMBER_UDP, length);
	sum += sum_of_packet(inner, inner_length);
	udp->checksum = checksum_field_udp(checksum_add(sum, udp, sizeof(*udp)));
}

void tunnel_wrap(struct frame *frame, enum forward_mode mode, const struct tunnel *tunnel,
		 uint16_t *id)
{
	const struct ipv4 *inner = (const struct ipv4 *)(frame->data + ETHERNET_SIZE);
	uint32_t overhead = tunnel_overhead(mode), inner_length = frame->length - ETHERNET_SIZE;
	struct ethernet *ethernet = (struct ethernet *)(frame->data - overhead);
	struct ipv4 *outer = (struct ipv4 *)(ethernet + 1);
	uint16_t dont_fragment = from_be16(inner->fragment) & IPV4_DONT_FRAGMENT;

	/* The MACs are those of the next hop, which fills them in. */
	ethernet->type = to_be16(ETHERTYPE_IPV4);
	*outer = (struct ipv4){
		.version_ihl = 4 << 4 | IPV4_SIZE_MIN / 4,
		.tos = inner->tos,
		.total_length = to_be16((uint16_t)(overhead + inner_length)),
		.id = to_be16(dont_fragment ? 0 : ++*id),
		.fragment = to_be16(dont_fragment),
		.ttl = OUTER_TTL,
		.protocol = mode == FORWARD_GUE ? PROTOCOL_NUMBER_UDP : PROTOCOL_NUMBER_IPIP,
		.source = tunnel->source,
		.destination = tunnel->destination,
	};
	outer->checksum = checksum_of(outer, sizeof(*outer));
	if (mode == FORWARD_GUE)
		write_udp((struct udp *)(outer + 1), inner, inner_length, tunnel);
	frame->data -= overhead;
	frame->headroom = (uint16_t)(frame->headroom - overhead);
	frame->length += overhead;
	frame->wire_length = frame->length;
	frame->offload = (struct offload){0};
}
