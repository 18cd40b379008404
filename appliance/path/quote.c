#include "appliance/path/quote.h"

#include <stddef.h>

#include "appliance/path/checksum.h"

/* How far into a quoted L4 header quote_rewrite() may write. */
enum { TCP_CHECKSUM_END = offsetof(struct tcp, checksum) + sizeof(be16) };

bool quote_read(const struct packet *error, struct quote *ret_quote)
{
	struct ipv4 *ip = (struct ipv4 *)(packet_icmp(error) + 1);
	uint32_t present = error->l4_length - ICMP_SIZE;

	if (error->fragment != FRAGMENT_NONE || present < IPV4_SIZE_MIN + QUOTE_L4_MIN)
		return false;
	uint32_t header = ipv4_header_size(ip), total = from_be16(ip->total_length);
	/* What follows a shorter packet are extensions of the error (RFC 4884). */
	uint32_t quoted = total < present ? total : present;

	if (ip->version_ihl / 16 != 4 || header < IPV4_SIZE_MIN || quoted < header + QUOTE_L4_MIN ||
	    from_be16(ip->fragment) & IPV4_OFFSET_MASK)
		return false;
	if (!checksum_is_right(checksum_add(0, ip, header)) || !checksum_verify(error))
		return false;
	*ret_quote = (struct quote){
		.ip = ip,
		.l4 = (uint8_t *)ip + header,
		.l4_length = quoted - header,
	};
	return true;
}

static void update_l4(const struct quote *quote, uint64_t change)
{
	if (quote->ip->protocol == PROTOCOL_NUMBER_UDP) {
		struct udp *udp = quote->l4;

		udp->checksum = checksum_update_udp(udp->checksum, change);
	} else if (quote->l4_length >= TCP_CHECKSUM_END) {
		struct tcp *tcp = quote->l4;

		tcp->checksum = checksum_update(tcp->checksum, change);
	}
}

void quote_rewrite(const struct packet *error, const struct quote *quote, be32 source,
		   be16 source_port, be32 destination, be16 destination_port)
{
	struct icmp *icmp = packet_icmp(error);
	struct ipv4 *ip = quote->ip;
	struct quote_ports *ports = quote->l4;
	uint32_t l4 = quote->l4_length < TCP_CHECKSUM_END ? QUOTE_L4_MIN : TCP_CHECKSUM_END;
	size_t touched = (size_t)((uint8_t *)quote->l4 - (uint8_t *)ip) + l4;
	uint64_t before = checksum_add(0, ip, touched);
	uint64_t addresses = checksum_change32(ip->source, source) +
			     checksum_change32(ip->destination, destination);
	uint64_t changed_ports = checksum_change16(ports->source, source_port) +
				 checksum_change16(ports->destination, destination_port);

	ip->source = source;
	ip->destination = destination;
	ip->checksum = checksum_update(ip->checksum, addresses);
	ports->source = source_port;
	ports->destination = destination_port;
	update_l4(quote, addresses + changed_ports);

	icmp->checksum = checksum_update(
		icmp->checksum, checksum_change16(checksum_fold(before),
						  checksum_fold(checksum_add(0, ip, touched))));
}
