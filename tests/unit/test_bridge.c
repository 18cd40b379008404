/* A bump in the wire, where a replay cannot look: different MTUs on its sides, super-frames, links
 * that are down, a full table, the change of the topology. The rest is in
 * tests/replay/test_bridged.py. */
#include "tests/unit/world.h"

enum { TCP = PROTOCOL_NUMBER_TCP, UDP = PROTOCOL_NUMBER_UDP, JUMBO = 9000, FLOWS = 16 };

/* As world_web(), a second frontend beside it; whoever is behind has MACs of its own. */
static struct world *world_bridged(uint32_t flows)
{
	struct world *world = world_web(flows);

	world_add(world, KIND_INTERFACE, "name", "alt", "role", "frontend",
		  "address", "192.0.2.1/24");
	world_set(world, KIND_GLOBAL, "topology", "bridged");
	world_publish(world);
	return world;
}

static struct frame build(struct world *world, const struct world_packet *want)
{
	struct frame frame = world_build(world, want);

	((struct ethernet *)frame.data)->destination = (struct mac_address){{2, 0, 0, 0, 8, 8}};
	return frame;
}

static enum verdict take(struct world *world, struct world_packet want)
{
	struct frame frame = build(world, &want);

	return world_receive_frame(world, &frame).verdict;
}

static struct world_packet to_vip(unsigned payload)
{
	return (struct world_packet){
		.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10",
		.source_port = 40000, .destination_port = 80, .protocol = TCP,
		.tcp_flags = TCP_ACK, .payload = payload, .fragment = IPV4_DONT_FRAGMENT,
	};
}

static struct world_packet to_client(const char *backend, unsigned payload)
{
	return (struct world_packet){
		.in = "int", .source = backend, .destination = "198.51.100.7",
		.source_port = 8080, .destination_port = 40000, .protocol = TCP,
		.tcp_flags = TCP_ACK, .payload = payload, .fragment = IPV4_DONT_FRAGMENT,
	};
}

static struct world_packet direct(uint8_t tcp_flags)
{
	return (struct world_packet){
		.in = "ext", .source = "198.51.100.7", .destination = "10.0.0.11",
		.source_port = 40000, .destination_port = 8080, .protocol = TCP,
		.tcp_flags = tcp_flags,
	};
}

static void set_mtu(struct world *world, const char *name, uint16_t mtu)
{
	world->mtu[world_interface(world, name)] = mtu;
	world_publish(world);
}

/* What left is "fragmentation needed", back where the frame came in, and says this MTU. */
static void assert_told(struct world *world, const char *interface, unsigned mtu)
{
	assert_int_equal(world->sent, 1);
	struct packet packet = world_read(&world->frame[0]);
	const struct ethernet *ethernet = packet.ethernet;

	assert_int_equal(world->frame[0].frame.interface, world_interface(world, interface));
	assert_int_equal(packet_icmp(&packet)->code, ICMP_FRAGMENTATION_NEEDED);
	assert_int_equal(from_be16(packet_icmp(&packet)->sequence), mtu);
	assert_true(mac_equal(&ethernet->destination, &(struct mac_address){{2, 0, 0, 0, 9, 9}}));
	assert_true(mac_equal(&ethernet->source, &(struct mac_address){{2, 0, 0, 0, 8, 8}}));
}

static void the_other_sides_mtu_counts_and_is_told(void **state)
{
	struct world *world = world_bridged(FLOWS);

	(void)state;
	set_mtu(world, "int", 1400);
	assert_int_equal(take(world, to_vip(1360)), VERDICT_FORWARDED);
	assert_int_equal(take(world, to_vip(1361)), DROP_too_big);
	assert_told(world, "ext", 1400);
	/* The smaller side is no hindrance to what comes from it. */
	assert_int_equal(take(world, to_client("10.0.0.11", 1460)), VERDICT_FORWARDED);

	set_mtu(world, "int", JUMBO);
	assert_int_equal(take(world, to_client("10.0.0.11", 1461)), DROP_too_big);
	assert_told(world, "int", 1500);
	world_free(world);
}

/* A segment with the sender's hardware in mind: `segment` bytes each of its frames. */
/* A router behind us that has the VIP, or a backend that got past us what it answers. */
static void who_sends_in_a_vips_name_is_told_as_he_sent(void **state)
{
	struct world *world = world_bridged(FLOWS);
	struct world_packet packet = to_client("203.0.113.10", 1400);

	(void)state;
	packet.source_port = 80;
	set_mtu(world, "ext", 1400);
	set_mtu(world, "alt", 1400);
	assert_int_equal(take(world, packet), DROP_too_big);
	assert_told(world, "int", 1400);
	assert_address(world_read(&world->frame[0]).destination, "203.0.113.10");
	world_free(world);
}

static void make_super(struct frame *frame, uint16_t l4_at, uint8_t csum_offset, uint16_t segment)
{
	frame->offload = (struct offload){
		.flags = OFFLOAD_CHECKSUM_PARTIAL, .gso_type = 1, .gso_size = segment,
		.csum_start = l4_at, .csum_offset = csum_offset,
	};
}

static void of_a_super_frame_one_segment_must_fit(void **state)
{
	struct world *world = world_bridged(FLOWS);
	const struct world_packet request = to_vip(1900);

	(void)state;
	for (uint16_t segment = 1460; segment <= 1461; segment++) {
		struct frame frame = build(world, &request);

		make_super(&frame, 34, 16, segment);
		assert_int_equal(world_receive_frame(world, &frame).verdict,
				 segment == 1460 ? VERDICT_FORWARDED : DROP_too_big);
	}
	assert_told(world, "ext", 1500);
	world_free(world);
}

/* An Ethernet header of others, then zeros. */
static struct frame foreign(struct world *world, uint16_t type, uint32_t length)
{
	const struct ethernet ethernet = {
		{{2, 0, 0, 0, 8, 8}}, {{2, 0, 0, 0, 9, 9}}, to_be16(type),
	};
	uint8_t *data = world->input + 64;

	memset(data, 0, length);
	memcpy(data, &ethernet, sizeof(ethernet));
	return (struct frame){.data = data, .length = length, .wire_length = length, .headroom = 64,
			      .interface = (uint16_t)world_interface(world, "ext")};
}

static void super_frames_of_any_protocol_cross_whole_where_a_segment_fits(void **state)
{
	struct world *world = world_bridged(FLOWS);
	static const struct {
		uint16_t l4_at, segment;
		uint8_t csum_offset, flags;
		enum verdict verdict;
	} rows[] = {
		{54, 1440, 16, OFFLOAD_CHECKSUM_PARTIAL, VERDICT_FORWARDED}, /* IPv6: 40 and 20 */
		{54, 1441, 16, OFFLOAD_CHECKSUM_PARTIAL, DROP_too_big},
		{54, 1452, 6, OFFLOAD_CHECKSUM_PARTIAL, VERDICT_FORWARDED},  /* UDP: 40 and 8 */
		{54, 1453, 6, OFFLOAD_CHECKSUM_PARTIAL, DROP_too_big},
		{0, 1440, 0, 0, VERDICT_FORWARDED},                          /* says nothing */
		{1990, 1441, 16, OFFLOAD_CHECKSUM_PARTIAL, DROP_too_big},    /* nonsense */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame frame = foreign(world, ETHERTYPE_IPV6, 2000);

		make_super(&frame, rows[i].l4_at, rows[i].csum_offset, rows[i].segment);
		frame.offload.flags = rows[i].flags;
		if (rows[i].csum_offset == 16 && rows[i].l4_at == 54)
			frame.data[54 + 12] = 5 << 4;
		const struct offload before = frame.offload;
		assert_int_equal(world_receive_frame(world, &frame).verdict, rows[i].verdict);
		if (rows[i].verdict != VERDICT_FORWARDED) {
			assert_int_equal(world->sent, 0);
			continue;
		}
		assert_int_equal(world->frame[0].frame.length, 2000);
		assert_memory_equal(&world->frame[0].frame.offload, &before, sizeof(before));
	}
	world_free(world);
}

static void a_flood_reaches_every_frontend_that_is_up_and_large_enough(void **state)
{
	struct world *world = world_bridged(FLOWS);
	const uint32_t ext = world_interface(world, "ext"), alt = world_interface(world, "alt");
	struct world_packet many = to_client("10.0.0.99", 1460);

	(void)state;
	assert_int_equal(take(world, many), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 2);
	set_mtu(world, "ext", 1400);
	assert_int_equal(take(world, many), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 1);
	assert_int_equal(world->frame[0].frame.interface, alt);
	set_mtu(world, "alt", 1300);
	assert_int_equal(take(world, many), DROP_too_big);
	assert_told(world, "int", 1400);

	many.payload = 100;
	world->down[ext] = true;
	world_publish(world);
	assert_int_equal(take(world, many), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 1);
	assert_int_equal(world->frame[0].frame.interface, alt);
	world->down[alt] = true;
	world_publish(world);
	assert_int_equal(take(world, many), DROP_interface_down);
	struct frame frame = foreign(world, ETHERTYPE_IPV6, 100);
	frame.interface = (uint16_t)world_interface(world, "int");
	assert_int_equal(world_receive_frame(world, &frame).verdict, DROP_interface_down);
	world_free(world);
}

static void flows_stay_when_the_topology_changes(void **state)
{
	struct world *world = world_web(FLOWS);
	const struct flow_table *flows = path_flows(world->path);
	struct world_packet request = to_vip(10);

	(void)state;
	assert_int_equal(world_receive(world, request), VERDICT_FORWARDED);
	const be32 backend = world_read(&world->frame[0]).destination;
	for (unsigned turn = 0; turn < 2; turn++) {
		uint32_t cursor = 0;

		world_set(world, KIND_GLOBAL, "topology", "bridged");
		world_publish(world);
		path_sweep(world->path, &cursor, FLOWS);
		assert_int_equal(take(world, request), VERDICT_FORWARDED);
		assert_int_equal(world_read(&world->frame[0]).destination.raw, backend.raw);
		assert_int_equal(world_read(&world->frame[0]).ip->ttl, 64);

		world_set(world, KIND_GLOBAL, "topology", "routed");
		world_publish(world);
		cursor = 0;
		path_sweep(world->path, &cursor, FLOWS);
		assert_int_equal(world_receive(world, request), VERDICT_FORWARDED);
		assert_int_equal(world_read(&world->frame[0]).destination.raw, backend.raw);
		assert_int_equal(world_read(&world->frame[0]).ip->ttl, 63);
	}
	assert_int_equal(flows->created, 1);
	assert_int_equal(flows->live, 1);
	world_free(world);
}

static void flows_of_modes_that_only_a_hop_has_end_with_it(void **state)
{
	struct world *world = world_web(FLOWS);
	const struct flow_table *flows = path_flows(world->path);
	uint32_t cursor = 0;

	(void)state;
	world_set(world, KIND_SERVICE, "name", "web", "mode", "fullnat");
	world_publish(world);
	assert_int_equal(world_receive(world, to_vip(10)), VERDICT_FORWARDED);
	world_set(world, KIND_SERVICE, "name", "web", "mode", "nat");
	world_publish(world);
	path_sweep(world->path, &cursor, FLOWS);
	assert_int_equal(flows->live, 1);
	world_set(world, KIND_GLOBAL, "topology", "bridged");
	world_publish(world);
	assert_int_equal(take(world, to_vip(10)), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).source, "198.51.100.7");
	assert_int_equal(flows->closed[FLOW_CLOSE_CLEARED], 1);
	world_free(world);
}

static void flows_past_a_service_end_with_the_topology_not_with_the_service(void **state)
{
	struct world *world = world_bridged(FLOWS);
	const struct flow_table *flows = path_flows(world->path);
	uint32_t cursor = 0;

	(void)state;
	assert_int_equal(take(world, direct(TCP_SYN)), VERDICT_FORWARDED);
	assert_int_equal(flows->live, 1);
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080",
		  "admin", "disabled");
	world_set(world, KIND_SERVICE, "name", "web", "admin", "disabled");
	world_publish(world);
	path_sweep(world->path, &cursor, FLOWS);
	assert_int_equal(flows->live, 1);
	assert_int_equal(take(world, to_client("10.0.0.11", 10)), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).source, "10.0.0.11");

	world_set(world, KIND_GLOBAL, "topology", "routed");
	world_publish(world);
	cursor = 0;
	path_sweep(world->path, &cursor, FLOWS);
	assert_int_equal(flows->live, 0);
	assert_int_equal(flows->closed[FLOW_CLOSE_CLEARED], 1);
	world_free(world);
}

static void a_port_used_again_past_a_service_is_a_new_flow(void **state)
{
	struct world *world = world_bridged(FLOWS);
	const struct flow_table *flows = path_flows(world->path);

	(void)state;
	assert_int_equal(take(world, direct(TCP_SYN)), VERDICT_FORWARDED);
	assert_int_equal(take(world, direct(TCP_RST)), VERDICT_FORWARDED);
	assert_int_equal(take(world, direct(TCP_SYN)), VERDICT_FORWARDED);
	assert_int_equal(flows->created, 2);
	assert_int_equal(flows->closed[FLOW_CLOSE_RESET], 1);

	/* An end that nothing has begun is nothing to remember. */
	struct world_packet late = direct(TCP_RST);
	late.source_port = 50000;
	assert_int_equal(take(world, late), VERDICT_FORWARDED);
	assert_int_equal(flows->created, 2);
	world_free(world);
}

static void what_could_not_be_told_apart_on_its_way_back_is_shed(void **state)
{
	struct world *world = world_bridged(FLOWS);
	struct world_packet call = direct(TCP_ACK);

	(void)state;
	for (uint16_t port = 1; path_flows(world->path)->live < FLOWS; port++) {
		struct world_packet datagram = direct(TCP_ACK);

		datagram.source_port = port;
		if (take(world, datagram) != VERDICT_FORWARDED)
			break;
	}
	call.source_port = 60000;
	assert_int_equal(take(world, call), DROP_flow_table_full);
	/* No service has this port: no answer of it could be mistaken. */
	call.destination_port = 22;
	assert_int_equal(take(world, call), VERDICT_FORWARDED);
	/* A service's goes by the table alone. */
	assert_int_equal(take(world, (struct world_packet){
		.in = "ext", .source = "198.51.100.9", .destination = "203.0.113.10",
		.source_port = 1, .destination_port = 80, .protocol = TCP, .tcp_flags = TCP_SYN}),
		VERDICT_FORWARDED);
	world_free(world);
}

static void a_claim_of_our_address_is_an_alarm_and_of_a_vip_none(void **state)
{
	struct world *world = world_bridged(FLOWS);
	const char *const claimed[] = {"203.0.113.10", "10.0.0.1"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct frame frame = foreign(world, ETHERTYPE_ARP, 60);
		struct arp *arp = (struct arp *)(frame.data + ETHERNET_SIZE);

		*arp = (struct arp){
			.hardware_type = to_be16(1), .protocol_type = to_be16(ETHERTYPE_IPV4),
			.hardware_length = 6, .protocol_length = 4, .operation = to_be16(2),
			.sender_mac = {{2, 0, 0, 0, 9, 9}}, .sender = world_address(claimed[i]),
			.target = world_address("198.51.100.9"),
		};
		assert_int_equal(world_receive_frame(world, &frame).verdict, VERDICT_FORWARDED);
		assert_int_equal(world->sent, 1);
		assert_int_equal(path_counters(world->path)->vip_conflicts, i);
	}
	assert_int_equal(world->event[world->events - 1].type, EVENT_VIP_CONFLICT);
	world_free(world);
}

static void a_lookup_tells_the_other_side_and_no_next_hop(void **state)
{
	struct world *world = world_bridged(FLOWS);
	struct lookup lookup;

	(void)state;
	path_lookup(world->path, world_address("198.51.100.7"), to_be16(1),
		    world_address("203.0.113.10"), to_be16(80), TCP, world->now_ns, &lookup);
	assert_int_equal(lookup.verdict, VERDICT_FORWARDED);
	assert_true(lookup.bridged);
	assert_false(lookup.has_mac);
	assert_int_equal(lookup.interface, world_interface(world, "int"));
	world->down[lookup.interface] = true;
	world_publish(world);
	path_lookup(world->path, world_address("198.51.100.7"), to_be16(1),
		    world_address("203.0.113.10"), to_be16(80), TCP, world->now_ns, &lookup);
	assert_int_equal(lookup.verdict, DROP_interface_down);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_other_sides_mtu_counts_and_is_told),
		cmocka_unit_test(who_sends_in_a_vips_name_is_told_as_he_sent),
		cmocka_unit_test(of_a_super_frame_one_segment_must_fit),
		cmocka_unit_test(super_frames_of_any_protocol_cross_whole_where_a_segment_fits),
		cmocka_unit_test(a_flood_reaches_every_frontend_that_is_up_and_large_enough),
		cmocka_unit_test(flows_stay_when_the_topology_changes),
		cmocka_unit_test(flows_of_modes_that_only_a_hop_has_end_with_it),
		cmocka_unit_test(flows_past_a_service_end_with_the_topology_not_with_the_service),
		cmocka_unit_test(a_port_used_again_past_a_service_is_a_new_flow),
		cmocka_unit_test(what_could_not_be_told_apart_on_its_way_back_is_shed),
		cmocka_unit_test(a_claim_of_our_address_is_an_alarm_and_of_a_vip_none),
		cmocka_unit_test(a_lookup_tells_the_other_side_and_no_next_hop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
