/* What senders leave for hardware to do passes through a ring: partial checksums, super-frames, and
 * VLAN tags that stand beside the frame. The kernel's own hardware emulation is the judge: with the
 * interface's offloads off it must finish the checksum and cut the segments where we told it to. */
#include "tests/unit/veth.h"

enum {
	MTU = 1500,
	ETHERNET = 14,
	IP = 20,
	TCP = 20,
	UDP = 8,
	TAG = 0x602a,
	GSO_TCPV4 = 1, /* VIRTIO_NET_HDR_GSO_TCPV4 */
	SEGMENT = 1400,
	SEGMENTS = 25,
	SUPER = ETHERNET + IP + TCP + SEGMENT * SEGMENTS,
};

static uint8_t bytes[65536];
static struct veth_packet packet;

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* The ones' complement sum of RFC 1071, folded, not complemented. */
static uint32_t sum(const uint8_t *at, size_t length, uint32_t begin)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		begin += get16(at + i);
	if (length % 2)
		begin += (uint32_t)at[length - 1] << 8;
	while (begin >> 16)
		begin = (begin & 0xffff) + (begin >> 16);
	return begin;
}

/* The sum over the pseudo-header of the packet whose IP header is at `ip`. */
static uint32_t pseudo(const uint8_t *ip)
{
	return sum(ip + 12, 8, ip[9] + get16(ip + 2) - IP);
}

/* From 192.0.2.2:1000 to 192.0.2.1:2000. The L4 checksum is left for hardware. */
static struct frame build(uint8_t protocol, size_t length)
{
	uint8_t *ip = bytes + ETHERNET;
	uint8_t *l4 = ip + IP;
	const uint32_t l4_bytes = (uint32_t)(length - ETHERNET - IP);
	const uint16_t checksum_offset = protocol == IPPROTO_TCP ? 16 : 6;

	veth_fill(bytes, length, (uint32_t)length);
	memcpy(bytes, veth_far_mac, 6);
	memcpy(bytes + 6, veth_near_mac, 6);
	put16(bytes + 12, ETH_P_IP);
	memcpy(ip, (const uint8_t[IP]){0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol, 0, 0,
				       192, 0, 2, 2, 192, 0, 2, 1}, IP);
	put16(ip + 2, IP + l4_bytes);
	put16(ip + 10, 0xffff - sum(ip, IP, 0));
	memset(l4, 0, protocol == IPPROTO_TCP ? TCP : UDP);
	put16(l4, 1000);
	put16(l4 + 2, 2000);
	if (protocol == IPPROTO_TCP)
		put16(l4 + 12, 0x5010);
	else
		put16(l4 + 4, l4_bytes);
	put16(l4 + checksum_offset, pseudo(ip));
	return (struct frame){
		.data = bytes,
		.length = (uint32_t)length,
		.wire_length = (uint32_t)length,
		.offload = {.flags = OFFLOAD_CHECKSUM_PARTIAL, .csum_start = ETHERNET + IP,
			    .csum_offset = checksum_offset},
	};
}

static struct frame build_super(void)
{
	struct frame frame = build(IPPROTO_TCP, SUPER);

	frame.offload.gso_type = GSO_TCPV4;
	frame.offload.gso_size = SEGMENT;
	frame.offload.hdr_len = ETHERNET + IP + TCP;
	return frame;
}

static void send_one(struct ring *ring, const struct frame *frame)
{
	assert_true(ring_send(ring, frame));
	ring_flush(ring);
}

static bool checksums_hold(const uint8_t *ip)
{
	return sum(ip, IP, 0) == 0xffff && sum(ip + IP, get16(ip + 2) - IP, pseudo(ip)) == 0xffff;
}

/* Has the kernel do in software, before a frame leaves the near end, what was left for hardware. */
static void hardware(const char *on_or_off)
{
	veth_run("ethtool -K near tx %s tso %s gso %s >/dev/null", on_or_off, on_or_off, on_or_off);
}

static void a_partial_checksum_passes_through(void **state)
{
	struct ring *ring = veth_ring(MTU);
	struct frame frame = build(IPPROTO_UDP, 200);
	int far = veth_far();
	(void)state;

	send_one(ring, &frame);
	assert_int_equal(veth_receive(far, &packet, VETH_PATIENCE_MS), 200);
	assert_memory_equal(packet.bytes, bytes, 200);
	assert_int_equal(packet.offload.flags, OFFLOAD_CHECKSUM_PARTIAL);
	assert_int_equal(packet.offload.csum_start, frame.offload.csum_start);
	assert_int_equal(packet.offload.csum_offset, frame.offload.csum_offset);

	/* And the other way. */
	veth_send(far, &packet, 200);
	assert_int_equal(veth_await(ring, &frame, 1), 1);
	assert_memory_equal(frame.data, bytes, 200);
	assert_int_equal(frame.offload.flags, OFFLOAD_CHECKSUM_PARTIAL);
	assert_int_equal(frame.offload.csum_start, packet.offload.csum_start);
	assert_int_equal(frame.offload.csum_offset, packet.offload.csum_offset);
	ring_close(ring);
	close(far);
}

static void a_partial_checksum_is_finished_where_hardware_cannot(void **state)
{
	struct ring *ring = veth_ring(MTU);
	int far = veth_far();
	(void)state;

	hardware("off");
	for (unsigned tagged = 0; tagged < 2; tagged++) {
		for (size_t length = 42; length <= MTU + ETHERNET; length += 7) {
			struct frame frame = build(IPPROTO_UDP, length);

			frame.vlan_tpid = tagged ? ETH_P_8021Q : 0;
			frame.vlan_tci = TAG;
			send_one(ring, &frame);
			assert_int_equal(veth_receive(far, &packet, VETH_PATIENCE_MS), length);
			assert_int_equal(packet.offload.flags & OFFLOAD_CHECKSUM_PARTIAL, 0);
			assert_int_equal(packet.vlan_tpid, frame.vlan_tpid);
			assert_true(checksums_hold(packet.bytes + ETHERNET));
		}
	}
	hardware("on");
	ring_close(ring);
	close(far);
}

static void a_real_socket_takes_a_frame_with_a_partial_checksum(void **state)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(2000),
					    .sin_addr.s_addr = htonl(0xc0000201)};
	struct ring *ring = veth_ring(MTU);
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd poller = {.fd = udp, .events = POLLIN};
	struct frame frame;
	uint8_t payload[MTU];
	(void)state;

	veth_run("ip address add 192.0.2.1/24 dev far");
	assert_return_code(bind(udp, (const struct sockaddr *)&address, sizeof(address)), errno);

	/* A checksum that is nobody's to finish is simply wrong. */
	frame = build(IPPROTO_UDP, 500);
	frame.offload = (struct offload){0};
	send_one(ring, &frame);
	frame = build(IPPROTO_UDP, 700);
	send_one(ring, &frame);
	assert_int_equal(poll(&poller, 1, VETH_PATIENCE_MS), 1);
	assert_int_equal(recv(udp, payload, sizeof(payload), 0), 700 - ETHERNET - IP - UDP);
	assert_memory_equal(payload, bytes + ETHERNET + IP + UDP, 700 - ETHERNET - IP - UDP);
	veth_run("ip address flush dev far");
	close(udp);
	ring_close(ring);
}

static void a_super_frame_passes_through_both_ways(void **state)
{
	struct ring *ring = veth_ring(MTU);
	struct frame frame = build_super();
	const struct offload offload = frame.offload;
	struct ring_stats stats;
	int far = veth_far();
	(void)state;

	for (unsigned turn = 0; turn < 20; turn++) {
		send_one(ring, &frame);
		ring_release(ring);
		assert_int_equal(veth_receive(far, &packet, VETH_PATIENCE_MS), SUPER);
		assert_memory_equal(packet.bytes, bytes, SUPER);
		assert_int_equal(packet.offload.gso_type, GSO_TCPV4);
		assert_int_equal(packet.offload.gso_size, SEGMENT);
		assert_int_equal(packet.offload.flags, OFFLOAD_CHECKSUM_PARTIAL);
		packet.offload = offload;
		veth_send(far, &packet, SUPER);
		assert_int_equal(veth_await(ring, &frame, 1), 1);
		assert_int_equal(frame.length, SUPER);
		assert_int_equal(frame.wire_length, SUPER);
		assert_memory_equal(frame.data, bytes, SUPER);
		assert_int_equal(frame.offload.gso_type, GSO_TCPV4);
		assert_int_equal(frame.offload.gso_size, SEGMENT);
		assert_int_equal(frame.offload.csum_start, ETHERNET + IP);
	}
	ring_stats(ring, &stats);
	assert_int_equal(stats.sent_large, 20);
	assert_int_equal(stats.sent, 20);
	ring_close(ring);
	close(far);
}

static void a_super_frame_is_cut_where_hardware_cannot(void **state)
{
	struct ring *ring = veth_ring(MTU);
	int far = veth_far();
	(void)state;

	hardware("off");
	for (unsigned tagged = 0; tagged < 2; tagged++) {
		struct frame frame = build_super();

		frame.vlan_tpid = tagged ? ETH_P_8021Q : 0;
		frame.vlan_tci = TAG;
		send_one(ring, &frame);
		for (unsigned i = 0; i < SEGMENTS; i++) {
			const size_t header = ETHERNET + IP + TCP;

			assert_int_equal(veth_receive(far, &packet, VETH_PATIENCE_MS),
					 header + SEGMENT);
			assert_int_equal(packet.vlan_tpid, frame.vlan_tpid);
			assert_int_equal(packet.offload.gso_type, 0);
			assert_true(checksums_hold(packet.bytes + ETHERNET));
			assert_memory_equal(packet.bytes + header, bytes + header + i * SEGMENT,
					    SEGMENT);
		}
	}
	hardware("on");
	ring_close(ring);
	close(far);
}

static void super_frames_and_small_ones_keep_their_order(void **state)
{
	struct ring *ring = veth_ring(MTU);
	int far = veth_far();
	(void)state;

	for (unsigned i = 0; i < 60; i++) {
		struct frame frame = i % 3 == 2 ? build_super() : build(IPPROTO_UDP, 100 + i);

		assert_true(ring_send(ring, &frame));
	}
	ring_flush(ring);
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(veth_receive(far, &packet, VETH_PATIENCE_MS),
				 i % 3 == 2 ? SUPER : 100 + i);
	ring_close(ring);
	close(far);
}

static void a_super_frame_that_a_slot_could_hold_goes_past_it_all_the_same(void **state)
{
	struct ring *ring = veth_ring(MTU);
	struct ring_stats stats;
	struct frame frame = build(IPPROTO_TCP, 1000);
	int far = veth_far();
	(void)state;

	frame.offload.gso_type = GSO_TCPV4;
	frame.offload.gso_size = 500;
	frame.offload.hdr_len = ETHERNET + IP + TCP;
	send_one(ring, &frame);
	assert_int_equal(veth_receive(far, &packet, VETH_PATIENCE_MS), 1000);
	assert_int_equal(packet.offload.gso_size, 500);
	ring_stats(ring, &stats);
	assert_int_equal(stats.sent_large, 1);
	ring_close(ring);
	close(far);
}

static void a_super_frame_does_not_overtake_what_waits(void **state)
{
	struct ring *ring = veth_ring(MTU);
	struct frame frame = build(IPPROTO_UDP, 1000);
	struct ring_stats stats;
	(void)state;

	/* Whatever the queue does not take waits in the slots; 300 bytes it would still take. */
	veth_run("tc qdisc add dev near root tbf rate 8kbit burst 2000 limit 20500");
	for (unsigned i = 0; i < 50; i++)
		send_one(ring, &frame);
	frame = build(IPPROTO_TCP, 300);
	frame.offload.gso_type = GSO_TCPV4;
	frame.offload.gso_size = 200;
	frame.offload.hdr_len = ETHERNET + IP + TCP;
	assert_false(ring_send(ring, &frame));
	ring_stats(ring, &stats);
	assert_int_equal(stats.send_full, 1);
	assert_in_range(stats.sent, 20, 25);
	veth_run("tc qdisc del dev near root");
	assert_true(ring_send(ring, &frame));
	ring_close(ring);
}

static void a_tag_beside_the_frame_is_put_back_into_it(void **state)
{
	const uint16_t tpids[] = {ETH_P_8021Q, ETH_P_8021AD};
	struct ring *ring = veth_ring(MTU);
	int far = veth_far();
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		/* The tag comes on top of what the MTU allows. */
		struct frame frame = build(IPPROTO_UDP, MTU + ETHERNET);

		frame.vlan_tpid = tpids[i];
		frame.vlan_tci = TAG;
		send_one(ring, &frame);
		assert_int_equal(veth_receive(far, &packet, VETH_PATIENCE_MS), MTU + ETHERNET);
		assert_memory_equal(packet.bytes, bytes, MTU + ETHERNET);
		assert_int_equal(packet.vlan_tpid, tpids[i]);
		assert_int_equal(packet.vlan_tci, TAG);
		assert_int_equal(packet.offload.csum_start, ETHERNET + IP);
	}
	ring_close(ring);
	close(far);
}

static void a_super_frame_meets_a_link_that_is_down(void **state)
{
	struct ring *ring = veth_ring(MTU);
	struct frame frame = build_super();
	struct ring_stats stats;
	(void)state;

	veth_run("ip link set near down");
	ring_broken(ring);
	assert_false(ring_send(ring, &frame));
	assert_true(ring_broken(ring));
	veth_near_up();
	assert_true(ring_send(ring, &frame));
	/* The kernel's own refusal: segments of no size. */
	frame.offload.gso_size = 0;
	assert_false(ring_send(ring, &frame));
	assert_false(ring_broken(ring));
	ring_stats(ring, &stats);
	assert_int_equal(stats.send_failed, 2);
	assert_int_equal(stats.sent, 1);
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_partial_checksum_passes_through),
		cmocka_unit_test(a_partial_checksum_is_finished_where_hardware_cannot),
		cmocka_unit_test(a_real_socket_takes_a_frame_with_a_partial_checksum),
		cmocka_unit_test(a_super_frame_passes_through_both_ways),
		cmocka_unit_test(a_super_frame_is_cut_where_hardware_cannot),
		cmocka_unit_test(super_frames_and_small_ones_keep_their_order),
		cmocka_unit_test(a_super_frame_that_a_slot_could_hold_goes_past_it_all_the_same),
		cmocka_unit_test(a_super_frame_does_not_overtake_what_waits),
		cmocka_unit_test(a_tag_beside_the_frame_is_put_back_into_it),
		cmocka_unit_test(a_super_frame_meets_a_link_that_is_down),
	};

	if (!veth_create(MTU))
		return veth_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
