/* Modes dsr, ipip and gue, with what a capture does not show: what the sender has left to hardware,
 * neighbors that are not known yet, and changes of the configuration under flows that live. */
#include "tests/unit/world.h"

#include "appliance/path/tunnel.h"

enum { CLIENT_PORT = 40000, SEGMENT_SIZE = 500, SEGMENTS = 3, LAST_SIZE = 100 };

/* As world_web(), with one backend and its service for all ports. */
static struct world *world_of(enum forward_mode mode)
{
	struct world *world = world_web(1024);

	world_delete(world, KIND_SERVICE, "name", "web");
	world_delete(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080");
	world_delete(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:8080");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:0");
	world_add(world, KIND_SERVICE, "name", "web", "address", "203.0.113.10:0/any", "pool", "web",
		  "mode", forward_mode_text(mode));
	world_publish(world);
	return world;
}

static struct frame build(struct world *world, uint8_t protocol, unsigned payload, uint16_t fragment)
{
	return world_build(world, &(struct world_packet){
		.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10",
		.source_port = CLIENT_PORT, .destination_port = 80, .protocol = protocol,
		.tcp_flags = TCP_SYN | TCP_PSH, .id = 9, .fragment = fragment, .payload = payload});
}

/* Leaves the L4 checksum to hardware, as a sender does whose NIC can. */
static void leave_checksum(struct frame *frame)
{
	struct packet packet;
	enum verdict drop;
	bool tcp;

	assert_true(packet_parse_ipv4(&packet, frame, &drop));
	tcp = packet.protocol == PROTOCOL_NUMBER_TCP;
	be16 sum = checksum_fold(checksum_pseudo_header(packet.source, packet.destination,
							packet.protocol,
							(uint16_t)packet.l4_length));
	if (tcp)
		packet_tcp(&packet)->checksum = sum;
	else
		packet_udp(&packet)->checksum = sum;
	frame->offload.flags = OFFLOAD_CHECKSUM_PARTIAL;
	frame->offload.csum_start = ETHERNET_SIZE + IPV4_SIZE_MIN;
	frame->offload.csum_offset =
		tcp ? offsetof(struct tcp, checksum) : offsetof(struct udp, checksum);
}

static struct frame build_super(struct world *world, uint8_t protocol, uint16_t fragment,
				uint16_t segment)
{
	struct frame frame =
		build(world, protocol, SEGMENT_SIZE * SEGMENTS + LAST_SIZE, fragment);

	leave_checksum(&frame);
	frame.offload.gso_type = protocol == PROTOCOL_NUMBER_TCP ? OFFLOAD_SEGMENT_TCPV4 :
								   OFFLOAD_SEGMENT_UDP;
	frame.offload.gso_size = segment;
	return frame;
}

/* Its frame ends where its memory ends, and begins a headroom behind where that begins. */
static enum verdict receive_alone(struct world *world, const struct frame *frame)
{
	uint8_t *memory = malloc(frame->headroom + frame->length);
	struct frame alone = *frame;

	assert_non_null(memory);
	alone.data = memory + frame->headroom;
	memcpy(alone.data, frame->data, frame->length);
	enum verdict verdict = world_receive_frame(world, &alone).verdict;
	free(memory);
	return verdict;
}

/* The inner packet of a frame that left; outer and inner checksums are right. */
static struct packet unwrap(struct world_sent *sent, enum forward_mode mode)
{
	struct packet packet;
	enum verdict drop;

	if (!tunnel_overhead(mode))
		return world_read(sent);
	assert_true(packet_parse_ipv4(&packet, &sent->frame, &drop));
	assert_int_equal(packet.protocol, mode == FORWARD_GUE ? PROTOCOL_NUMBER_UDP :
								PROTOCOL_NUMBER_IPIP);
	assert_true(mode == FORWARD_IPIP || checksum_verify(&packet));
	assert_address(packet.destination, "10.0.0.11");
	assert_int_equal(packet.ip->ttl, 64);
	sent->frame.data += tunnel_overhead(mode);
	sent->frame.length -= tunnel_overhead(mode);
	return world_read(sent);
}

static const uint8_t protocols[] = {PROTOCOL_NUMBER_TCP, PROTOCOL_NUMBER_UDP};

static void a_super_frame_is_cut_and_each_piece_wrapped(void **state)
{
	(void)state;
	for (enum forward_mode mode = FORWARD_IPIP; mode <= FORWARD_GUE; mode++) {
		for (unsigned p = 0; p < 2; p++) {
			struct world *world = world_of(mode);
			struct frame frame = build_super(world, protocols[p], IPV4_DONT_FRAGMENT,
							 SEGMENT_SIZE);
			uint32_t l4_header = protocols[p] == PROTOCOL_NUMBER_TCP ? TCP_SIZE_MIN :
										   UDP_SIZE;
			const uint8_t *payload =
				frame.data + ETHERNET_SIZE + IPV4_SIZE_MIN + l4_header;

			assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
			assert_int_equal(world->sent, SEGMENTS + 1);
			for (unsigned i = 0; i <= SEGMENTS; i++) {
				uint32_t size = i < SEGMENTS ? SEGMENT_SIZE : LAST_SIZE;
				struct packet inner = unwrap(&world->frame[i], mode);

				assert_int_equal(inner.l4_length, l4_header + size);
				assert_memory_equal((uint8_t *)inner.l4 + l4_header,
						    payload + i * SEGMENT_SIZE, size);
				assert_int_equal(from_be16(inner.ip->id), 9 + i);
				assert_int_equal(inner.ip->ttl, 64);
				assert_int_equal(world->frame[i].frame.offload.gso_type, 0);
			}
			world_free(world);
		}
	}
}

static void a_super_frame_counts_as_the_one_frame_that_it_is(void **state)
{
	struct world *world = world_of(FORWARD_IPIP);
	struct frame frame = build_super(world, PROTOCOL_NUMBER_TCP, 0, SEGMENT_SIZE);
	uint32_t ip_length = frame.length - ETHERNET_SIZE;

	(void)state;
	assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
	const struct interface_counters *in = &path_counters(world->path)->interface[0];
	const struct snapshot *snapshot = &world->compiler.current->snapshot;
	const struct service_counters *service =
		path_service_counters(world->path, snapshot->service[0].id);
	assert_int_equal(in->received, 1);
	assert_int_equal(in->verdict[VERDICT_FORWARDED], 1);
	assert_int_equal(service->packets, 1);
	assert_int_equal(service->bytes, ip_length);
	world_free(world);
}

static void dsr_passes_on_what_is_left_to_hardware(void **state)
{
	(void)state;
	for (unsigned super = 0; super < 2; super++) {
		struct world *world = world_of(FORWARD_DSR);
		struct frame frame = build(world, PROTOCOL_NUMBER_TCP, 900, IPV4_DONT_FRAGMENT);

		leave_checksum(&frame);
		if (super)
			frame = build_super(world, PROTOCOL_NUMBER_TCP, IPV4_DONT_FRAGMENT,
					    SEGMENT_SIZE);
		const struct offload offload = frame.offload;
		assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
		assert_int_equal(world->sent, 1);
		assert_int_equal(world->frame[0].frame.length, frame.length);
		assert_memory_equal(&world->frame[0].frame.offload, &offload, sizeof(offload));
		assert_memory_equal(world->frame[0].bytes + ETHERNET_SIZE,
				    frame.data + ETHERNET_SIZE, frame.length - ETHERNET_SIZE);
		world_free(world);
	}
}

static void a_checksum_that_is_left_to_hardware_is_finished_before_it_is_wrapped(void **state)
{
	(void)state;
	for (enum forward_mode mode = FORWARD_IPIP; mode <= FORWARD_GUE; mode++) {
		for (unsigned p = 0; p < 2; p++) {
			struct world *world = world_of(mode);
			struct frame frame = build(world, protocols[p], 901, 0);

			leave_checksum(&frame);
			assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
			assert_int_equal(world->sent, 1);
			assert_int_equal(world->frame[0].frame.offload.flags, 0);
			assert_int_equal(unwrap(&world->frame[0], mode).ip_length,
					 frame.length - ETHERNET_SIZE);
			world_free(world);
		}
	}
}

static void a_super_frame_whose_segments_do_not_fit_is_told_what_does(void **state)
{
	(void)state;
	for (enum forward_mode mode = FORWARD_NAT; mode <= FORWARD_GUE; mode++) {
		struct world *world = world_of(mode);
		uint32_t room = 700 - tunnel_overhead(mode);
		uint16_t fits = (uint16_t)(room - IPV4_SIZE_MIN - TCP_SIZE_MIN);

		world->mtu[1] = 700;
		world_publish(world);
		struct frame frame = build_super(world, PROTOCOL_NUMBER_TCP, IPV4_DONT_FRAGMENT,
						 fits);
		assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
		frame = build_super(world, PROTOCOL_NUMBER_TCP, IPV4_DONT_FRAGMENT,
				    (uint16_t)(fits + 1));
		assert_int_equal(receive_alone(world, &frame), DROP_too_big);
		assert_int_equal(world->sent, 1);
		struct packet told = world_read(&world->frame[0]);
		assert_int_equal(packet_icmp(&told)->code, ICMP_FRAGMENTATION_NEEDED);
		assert_int_equal(from_be16(packet_icmp(&told)->sequence), room);
		world_free(world);
	}
}

/* Both cuts, one inside of the other, also where nothing is wrapped. */
static void segments_that_may_be_cut_further_are(void **state)
{
	(void)state;
	for (enum forward_mode mode = FORWARD_NAT; mode <= FORWARD_GUE; mode++) {
		struct world *world = world_of(mode);

		world->mtu[1] = 400;
		world_publish(world);
		struct frame frame = build_super(world, PROTOCOL_NUMBER_UDP, 0, SEGMENT_SIZE);
		const uint8_t *payload = frame.data + ETHERNET_SIZE + IPV4_SIZE_MIN + UDP_SIZE;
		assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
		assert_int_equal(world->sent, 2 * SEGMENTS + 1);
		for (unsigned i = 0; i < world->sent; i++) {
			uint32_t length = world->frame[i].frame.length;
			struct packet inner = unwrap(&world->frame[i], mode);
			uint32_t offset = (from_be16(inner.ip->fragment) & IPV4_OFFSET_MASK) * 8U;
			uint32_t header = offset ? 0 : UDP_SIZE;

			assert_true(length <= ETHERNET_SIZE + 400);
			assert_int_equal(from_be16(inner.ip->id), 9 + i / 2);
			assert_int_equal(!!(from_be16(inner.ip->fragment) & IPV4_MORE_FRAGMENTS),
					 i % 2 == 0 && i < 2 * SEGMENTS);
			assert_memory_equal((uint8_t *)inner.l4 + header,
					    payload + i / 2 * SEGMENT_SIZE + offset + header -
						    UDP_SIZE,
					    inner.l4_length - header);
		}
		world_free(world);
	}
}

static void a_super_frame_that_is_none_is_dropped(void **state)
{
	struct world *world = world_of(FORWARD_GUE);
	struct frame frame = build_super(world, PROTOCOL_NUMBER_TCP, 0, SEGMENT_SIZE);

	(void)state;
	frame.offload.gso_type = OFFLOAD_SEGMENT_UDP;
	assert_int_equal(receive_alone(world, &frame), DROP_too_big);
	frame.offload.gso_type = OFFLOAD_SEGMENT_TCPV4;
	frame.offload.gso_size = 0;
	assert_int_equal(receive_alone(world, &frame), DROP_too_big);
	assert_int_equal(world->sent, 0);
	world_free(world);
}

/* A link too narrow for a wrapped fragment of an IP header with all options. */
static void what_leaves_no_room_for_a_fragment_is_too_big(void **state)
{
	(void)state;
	for (unsigned mtu = 0; mtu < 68 + TUNNEL_OVERHEAD_GUE + 2; mtu++) {
		struct world *world = world_of(FORWARD_GUE);

		world->mtu[1] = (uint16_t)(mtu ? mtu : 1);
		world_publish(world);
		struct frame frame = build(world, PROTOCOL_NUMBER_UDP, 100, 0);
		assert_int_equal(receive_alone(world, &frame),
				 mtu < IPV4_MTU_MIN + TUNNEL_OVERHEAD_GUE ? DROP_too_big :
									    VERDICT_FORWARDED);
		world_free(world);
	}
}

static void what_waits_for_its_neighbor_waits_wrapped(void **state)
{
	(void)state;
	for (enum forward_mode mode = FORWARD_DSR; mode <= FORWARD_GUE; mode++) {
		struct world *world = world_of(mode);

		world_delete(world, KIND_NEIGHBOR, "address", "10.0.0.11");
		world_publish(world);
		struct frame frame = build(world, PROTOCOL_NUMBER_TCP, 300, 0);
		assert_int_equal(receive_alone(world, &frame), VERDICT_HELD);
		world_add(world, KIND_NEIGHBOR, "address", "10.0.0.11", "mac", "02:00:00:00:00:11",
			  "interface", "int");
		world->sent = 0;
		world_publish(world);
		assert_int_equal(world->sent, 1);
		struct packet inner = unwrap(&world->frame[0], mode);
		assert_memory_equal(inner.ip, frame.data + ETHERNET_SIZE,
				    frame.length - ETHERNET_SIZE);
		world_free(world);
	}
}

static void a_flow_keeps_the_mode_that_it_was_born_with(void **state)
{
	struct world *world = world_of(FORWARD_IPIP);
	struct frame frame = build(world, PROTOCOL_NUMBER_TCP, 0, 0);

	(void)state;
	assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
	world_set(world, KIND_SERVICE, "name", "web", "mode", "nat");
	world_publish(world);
	frame = build(world, PROTOCOL_NUMBER_UDP, 10, 0);
	assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).destination, "10.0.0.11");
	assert_int_equal(world_read(&world->frame[0]).protocol, PROTOCOL_NUMBER_UDP);
	frame = build(world, PROTOCOL_NUMBER_TCP, 0, 0);
	world_receive_frame(world, &frame);
	assert_address(unwrap(&world->frame[0], FORWARD_IPIP).destination, "203.0.113.10");
	world_free(world);
}

/* A router's error about a wrapped packet that left, its quote cut to `quoted` bytes, `spoilt` of its
 * bytes changed; the checksums around the quote are right. */
static struct frame build_error(struct world *world, const struct world_sent *about,
				uint32_t quoted, unsigned spoilt, unsigned seed)
{
	uint32_t l4_length = ICMP_SIZE + quoted;
	struct frame frame = world_build(world, &(struct world_packet){
		.in = "int", .source = "10.0.0.254", .destination = "10.0.0.1",
		.protocol = PROTOCOL_NUMBER_UDP, .payload = quoted});
	struct ipv4 *ip = (struct ipv4 *)(frame.data + ETHERNET_SIZE);
	struct icmp *icmp = (struct icmp *)(ip + 1);
	uint8_t *quote = (uint8_t *)(icmp + 1);

	*icmp = (struct icmp){.type = ICMP_UNREACHABLE, .code = ICMP_FRAGMENTATION_NEEDED,
			      .sequence = to_be16(1000)};
	memcpy(quote, about->bytes + ETHERNET_SIZE, quoted);
	while (quoted && spoilt--) {
		seed = seed * 1103515245 + 12345;
		quote[(seed >> 8) % quoted] ^= (uint8_t)(1 + (seed >> 24));
	}
	icmp->checksum = checksum_of(icmp, l4_length);
	ip->protocol = PROTOCOL_NUMBER_ICMP;
	ip->checksum = (be16){0};
	ip->checksum = checksum_of(ip, sizeof(*ip));
	return frame;
}

/* The table has nobody for its clients any more: only the flow knows. */
static void an_error_about_a_flow_whose_backend_drains_is_told(void **state)
{
	(void)state;
	for (enum forward_mode mode = FORWARD_IPIP; mode <= FORWARD_GUE; mode++) {
		struct world *world = world_of(mode);
		struct frame frame = build(world, PROTOCOL_NUMBER_TCP, 200, IPV4_DONT_FRAGMENT);

		assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
		const struct world_sent about = world->frame[0];
		world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:0", "admin",
			  "drain");
		world_publish(world);
		frame = build_error(world, &about, 100, 0, 0);
		assert_int_equal(receive_alone(world, &frame), VERDICT_CONSUMED);
		assert_address(world_read(&world->frame[0]).destination, "198.51.100.7");
		world_free(world);
	}
}

/* Its frame ends with its memory, so that a sanitizer sees who reads on. */
static void a_damaged_error_about_an_outer_header_is_dropped_or_told(void **state)
{
	(void)state;
	for (enum forward_mode mode = FORWARD_IPIP; mode <= FORWARD_GUE; mode++) {
		struct world *world = world_of(mode);
		struct frame frame = build(world, PROTOCOL_NUMBER_TCP, 200, IPV4_DONT_FRAGMENT);
		unsigned told = 0;

		assert_int_equal(receive_alone(world, &frame), VERDICT_FORWARDED);
		const struct world_sent about = world->frame[0];
		uint32_t most = about.frame.length - ETHERNET_SIZE;
		for (unsigned i = 0; i < 4000; i++) {
			uint32_t quoted = i < most ? i : most;

			world->now_ns += 1000000000; /* no limit of the rate comes between */
			frame = build_error(world, &about, quoted, i / (most + 1) % 4, i);
			enum verdict verdict = receive_alone(world, &frame);
			bool is_told = verdict == VERDICT_CONSUMED;
			assert_true(is_told || verdict == DROP_icmp_unmatched ||
				    verdict == DROP_icmp_malformed);
			assert_int_equal(world->sent, is_told);
			told += is_told;
			if (i < most)
				assert_int_equal(is_told, quoted >= tunnel_overhead(mode) +
								    IPV4_SIZE_MIN + 8);
			if (i % 20 == 0) { /* keeps the flow alive */
				frame = build(world, PROTOCOL_NUMBER_TCP, 0, 0);
				receive_alone(world, &frame);
			}
		}
		assert_true(told > 100);
		world_free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_super_frame_is_cut_and_each_piece_wrapped),
		cmocka_unit_test(a_super_frame_counts_as_the_one_frame_that_it_is),
		cmocka_unit_test(dsr_passes_on_what_is_left_to_hardware),
		cmocka_unit_test(a_checksum_that_is_left_to_hardware_is_finished_before_it_is_wrapped),
		cmocka_unit_test(a_super_frame_whose_segments_do_not_fit_is_told_what_does),
		cmocka_unit_test(segments_that_may_be_cut_further_are),
		cmocka_unit_test(a_super_frame_that_is_none_is_dropped),
		cmocka_unit_test(what_leaves_no_room_for_a_fragment_is_too_big),
		cmocka_unit_test(what_waits_for_its_neighbor_waits_wrapped),
		cmocka_unit_test(a_flow_keeps_the_mode_that_it_was_born_with),
		cmocka_unit_test(an_error_about_a_flow_whose_backend_drains_is_told),
		cmocka_unit_test(a_damaged_error_about_an_outer_header_is_dropped_or_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
