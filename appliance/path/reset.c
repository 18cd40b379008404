#include "appliance/path/reset.h"

#include "appliance/path/checksum.h"
#include "appliance/path/internal.h"
#include "appliance/path/originate.h"

static bool may_be_reset(const struct packet *packet)
{
	return packet->fragment == FRAGMENT_NONE && !(packet->tcp_flags & TCP_RST) &&
	       checksum_verify(packet);
}

/* What the segment takes of the sequence space: its bytes, SYN and FIN. */
static uint32_t sequence_length(const struct packet *packet)
{
	uint32_t header = (packet_tcp(packet)->offset >> 4) * 4U;

	return packet->l4_length - header + !!(packet->tcp_flags & TCP_SYN) +
	       !!(packet->tcp_flags & TCP_FIN);
}

static struct tcp reset_of(const struct packet *packet)
{
	const struct tcp *segment = packet_tcp(packet);
	struct tcp reset = {
		.source = segment->destination,
		.destination = segment->source,
		.flags = TCP_RST,
	};

	if (packet->tcp_flags & TCP_ACK) {
		reset.sequence = segment->acknowledgment;
	} else {
		reset.acknowledgment =
			to_be32(from_be32(segment->sequence) + sequence_length(packet));
		reset.flags |= TCP_ACK;
	}
	return reset;
}

static void send(struct path *path, const struct packet *packet,
		 const struct snapshot_route *way_back)
{
	const struct originate what = {
		.source = packet->destination,
		.destination = packet->source,
		.protocol = PROTOCOL_NUMBER_TCP,
		.dont_fragment = true,
	};
	const struct tcp reset = reset_of(packet);
	uint8_t bytes[ORIGINATE_HEADERS + TCP_SIZE_MIN];
	size_t length = originate_tcp(&reset, &what, bytes + ORIGINATE_HEADERS);

	originate_answer(path, &what, bytes, length, way_back, packet);
}

void reset_send(struct path *path, const struct packet *packet)
{
	struct snapshot_route way_back;

	if (may_be_reset(packet) && originate_way_back(path, packet, &way_back))
		send(path, packet, &way_back);
}

void reset_client(struct path *path, const struct packet *packet)
{
	struct snapshot_route way_back;

	if (may_be_reset(packet) && originate_way_back(path, packet, &way_back) &&
	    limiter_take(&path->limiter[LIMIT_RESET], path->now_ns))
		send(path, packet, &way_back);
}
