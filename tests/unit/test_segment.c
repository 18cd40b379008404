/* Super-frames in pieces. The kernel is the judge: with an interface's offloads off it cuts the same
 * super-frame itself, and every byte of every piece must be the same. */
#include "tests/unit/veth.h"

#include "appliance/path/checksum.h"
#include "appliance/path/segment.h"

enum {
	MTU = 1500,
	PIECES_MAX = 2000,
	TIMESTAMPS = 12, /* bytes of TCP options, as most segments carry them */
};

/* What a super-frame is made of. */
struct recipe {
	uint8_t protocol, tcp_flags, tcp_options, ip_options, tos;
	uint16_t id, fragment, size;
	uint32_t payload;
};

static const struct recipe recipes[] = {
	{PROTOCOL_NUMBER_TCP, TCP_ACK | TCP_PSH, TIMESTAMPS, 0, 0, 7, IPV4_DONT_FRAGMENT, 1448, 64000},
	{PROTOCOL_NUMBER_TCP, TCP_ACK | TCP_PSH | TCP_FIN, 0, 0, 0, 0xffff, 0, 1460, 1460 * 3},
	{PROTOCOL_NUMBER_TCP, TCP_ACK | TCP_CWR, 40, 0, 2, 1, 0, 1000, 2001},
	{PROTOCOL_NUMBER_TCP, TCP_ACK, TIMESTAMPS, 8, 0xb8, 99, IPV4_DONT_FRAGMENT, 536, 537},
	{PROTOCOL_NUMBER_TCP, TCP_ACK, 0, 40, 0, 99, IPV4_DONT_FRAGMENT, 700, 6999},
	{PROTOCOL_NUMBER_UDP, 0, 0, 0, 0, 0x1234, 0, 1200, 12000},
	{PROTOCOL_NUMBER_UDP, 0, 0, 4, 0xb9, 0xfffe, IPV4_DONT_FRAGMENT, 999, 5000},
	{PROTOCOL_NUMBER_UDP, 0, 0, 0, 0, 5, 0, 1, 60},
};
enum { RECIPES = sizeof(recipes) / sizeof(recipes[0]) };

struct super {
	uint8_t *memory;     /* headroom and frame, and not a byte more */
	struct frame frame;
	struct packet packet;
};

static uint32_t headers_of(const struct recipe *recipe)
{
	bool tcp = recipe->protocol == PROTOCOL_NUMBER_TCP;

	return (uint32_t)(ETHERNET_SIZE + IPV4_SIZE_MIN + recipe->ip_options +
			  (tcp ? TCP_SIZE_MIN + recipe->tcp_options : UDP_SIZE));
}

static struct offload offload_of(const struct recipe *recipe)
{
	bool tcp = recipe->protocol == PROTOCOL_NUMBER_TCP;

	return (struct offload){
		.flags = OFFLOAD_CHECKSUM_PARTIAL,
		.gso_type = tcp ? OFFLOAD_SEGMENT_TCPV4 : OFFLOAD_SEGMENT_UDP,
		.hdr_len = (uint16_t)headers_of(recipe),
		.gso_size = recipe->size,
		.csum_start = (uint16_t)(ETHERNET_SIZE + IPV4_SIZE_MIN + recipe->ip_options),
		.csum_offset = tcp ? offsetof(struct tcp, checksum) : offsetof(struct udp, checksum),
	};
}

static void write_l4(const struct recipe *recipe, const struct ipv4 *ip, void *l4, uint16_t length)
{
	uint64_t sum = checksum_pseudo_header(ip->source, ip->destination, ip->protocol, length);

	if (recipe->protocol == PROTOCOL_NUMBER_TCP)
		*(struct tcp *)l4 = (struct tcp){
			.source = to_be16(40000), .destination = to_be16(80),
			.sequence = to_be32(0xffffff00), .acknowledgment = to_be32(77),
			.offset = (uint8_t)((TCP_SIZE_MIN + recipe->tcp_options) / 4 << 4),
			.flags = recipe->tcp_flags, .window = to_be16(1000),
			.checksum = checksum_fold(sum),
		};
	else
		*(struct udp *)l4 = (struct udp){to_be16(40000), to_be16(443), to_be16(length),
						 checksum_fold(sum)};
}

static struct super build(const struct recipe *recipe)
{
	uint32_t headers = headers_of(recipe), length = headers + recipe->payload;
	uint32_t ip_header = IPV4_SIZE_MIN + recipe->ip_options;
	struct super super = {.memory = malloc(FRAME_HEADROOM_MIN + length)};
	enum verdict drop;

	assert_non_null(super.memory);
	super.frame = (struct frame){
		.data = super.memory + FRAME_HEADROOM_MIN,
		.length = length,
		.wire_length = length,
		.headroom = FRAME_HEADROOM_MIN,
		.offload = offload_of(recipe),
	};
	struct ipv4 *ip = (struct ipv4 *)(super.frame.data + ETHERNET_SIZE);
	memcpy(super.frame.data, veth_far_mac, 6);
	memcpy(super.frame.data + 6, veth_near_mac, 6);
	memcpy(super.frame.data + 12, &(be16){to_be16(ETHERTYPE_IPV4).raw}, 2);
	*ip = (struct ipv4){
		.version_ihl = (uint8_t)(4 << 4 | ip_header / 4),
		.tos = recipe->tos,
		.total_length = to_be16((uint16_t)(length - ETHERNET_SIZE)),
		.id = to_be16(recipe->id),
		.fragment = to_be16(recipe->fragment),
		.ttl = 57,
		.protocol = recipe->protocol,
		.source = to_be32(0xc6336407),
		.destination = to_be32(0xcb00710a),
	};
	memset(ip + 1, 1, recipe->ip_options); /* no operation */
	ip->checksum = checksum_of(ip, ip_header);
	for (uint32_t i = ETHERNET_SIZE + ip_header; i < length; i++)
		super.frame.data[i] = (uint8_t)(i * 31 + i / 256);
	memset((uint8_t *)ip + ip_header + TCP_SIZE_MIN, 1, recipe->tcp_options);
	write_l4(recipe, ip, (uint8_t *)ip + ip_header,
		 (uint16_t)(length - ETHERNET_SIZE - ip_header));
	assert_true(packet_parse_ipv4(&super.packet, &super.frame, &drop));
	return super;
}

/* All pieces, one behind the other, each with its length before it. */
struct pieces {
	uint32_t count, length[PIECES_MAX];
	uint8_t *at[PIECES_MAX];
};

static void keep(struct pieces *pieces, const uint8_t *bytes, uint32_t length)
{
	assert_true(pieces->count < PIECES_MAX);
	pieces->at[pieces->count] = malloc(length);
	assert_non_null(pieces->at[pieces->count]);
	memcpy(pieces->at[pieces->count], bytes, length);
	pieces->length[pieces->count++] = length;
}

static void forget(struct pieces *pieces)
{
	while (pieces->count)
		free(pieces->at[--pieces->count]);
}

/* Cuts, and scribbles over all that a piece may overwrite, as a wrapped one does that has left. */
static void cut(struct super *super, struct pieces *pieces)
{
	struct segments segments;

	super->packet.frame = &super->frame;
	assert_true(segments_begin(&segments, &super->packet));
	while (segments_next(&segments)) {
		const struct frame *frame = segments.packet.frame;

		assert_int_equal(frame->offload.flags | frame->offload.gso_type, 0);
		assert_int_equal(frame->length, ETHERNET_SIZE + segments.packet.ip_length);
		assert_true(checksum_verify(&segments.packet));
		keep(pieces, frame->data, frame->length);
		memset(frame->data - frame->headroom, 0xee, frame->headroom + frame->length);
	}
}

static bool cable;

static void segments_are_those_that_the_kernel_makes(void **state)
{
	static struct veth_packet received;
	struct ring *ring;
	int far;

	(void)state;
	if (!cable)
		skip();
	ring = veth_ring(MTU);
	far = veth_far();
	veth_run("ethtool -K near tx off tso off gso off tx-udp-segmentation off >/dev/null");
	for (unsigned r = 0; r < RECIPES; r++) {
		struct super super = build(&recipes[r]);
		struct pieces pieces = {0};

		assert_true(ring_send(ring, &super.frame));
		ring_flush(ring);
		cut(&super, &pieces);
		assert_int_equal(pieces.count,
				 (recipes[r].payload + recipes[r].size - 1) / recipes[r].size);
		for (uint32_t i = 0; i < pieces.count; i++) {
			assert_int_equal(veth_receive(far, &received, VETH_PATIENCE_MS),
					 pieces.length[i]);
			assert_int_equal(received.offload.flags & OFFLOAD_CHECKSUM_PARTIAL, 0);
			assert_memory_equal(received.bytes, pieces.at[i], pieces.length[i]);
		}
		assert_int_equal(veth_receive(far, &received, 0), 0);
		forget(&pieces);
		free(super.memory);
	}
	ring_close(ring);
	close(far);
}

/* Pieces shorter than their headers: each goes back over several that have left. */
static void payload_is_whole_whatever_the_size_of_a_segment(void **state)
{
	const uint16_t sizes[] = {1, 2, 7, 27, 28, 53, 54, 55, 100, 1447};

	(void)state;
	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned r = 0; r < RECIPES; r++) {
			struct recipe recipe = recipes[r];
			uint32_t at = headers_of(&recipe);
			struct pieces pieces = {0};

			recipe.size = sizes[s];
			recipe.payload = 1500;
			struct super super = build(&recipe);
			uint8_t *whole = malloc(super.frame.length);
			memcpy(whole, super.frame.data, super.frame.length);
			cut(&super, &pieces);
			for (uint32_t i = 0; i < pieces.count; i++) {
				uint32_t size = pieces.length[i] - headers_of(&recipe);

				assert_memory_equal(pieces.at[i] + headers_of(&recipe), whole + at,
						    size);
				at += size;
			}
			assert_int_equal(at, super.frame.length);
			forget(&pieces);
			free(whole);
			free(super.memory);
		}
	}
}

static void a_super_frame_without_payload_or_of_one_segment_is_one(void **state)
{
	(void)state;
	for (uint32_t payload = 0; payload < 2; payload++) {
		struct recipe recipe = recipes[0];
		struct pieces pieces = {0};

		recipe.payload = payload;
		struct super super = build(&recipe);
		cut(&super, &pieces);
		assert_int_equal(pieces.count, 1);
		assert_int_equal(pieces.length[0], headers_of(&recipe) + payload);
		forget(&pieces);
		free(super.memory);
	}
}

static void what_the_bytes_do_not_bear_out_is_refused(void **state)
{
	struct super super = build(&recipes[0]);
	const struct offload right = super.frame.offload;
	struct segments segments;

	(void)state;
	super.packet.frame = &super.frame;
	super.frame.offload.gso_size = 0;
	assert_false(segments_begin(&segments, &super.packet));
	super.frame.offload.gso_size = UINT16_MAX;
	assert_false(segments_begin(&segments, &super.packet));
	super.frame.offload = right;
	for (unsigned type = 0; type < 256; type++) {
		bool tcp = (type & 0x7f) == OFFLOAD_SEGMENT_TCPV4;

		super.frame.offload.gso_type = (uint8_t)type;
		assert_int_equal(segments_begin(&segments, &super.packet), tcp);
	}
	super.frame.offload = right;
	super.packet.fragment = FRAGMENT_LATER;
	assert_false(segments_begin(&segments, &super.packet));
	super.packet.fragment = FRAGMENT_NONE;
	super.packet.protocol = PROTOCOL_NUMBER_ICMP;
	assert_false(segments_begin(&segments, &super.packet));
	free(super.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_those_that_the_kernel_makes),
		cmocka_unit_test(payload_is_whole_whatever_the_size_of_a_segment),
		cmocka_unit_test(a_super_frame_without_payload_or_of_one_segment_is_one),
		cmocka_unit_test(what_the_bytes_do_not_bear_out_is_refused),
	};

	cable = veth_create(MTU);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
