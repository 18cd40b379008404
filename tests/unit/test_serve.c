/* Service traffic through the whole path: rewriting both ways, who is chosen, what is refused. */
#include "tests/unit/clients.h"

/* A client port whose connection is on `address`. */
static uint16_t open_on(struct world *world, const char *address)
{
	uint16_t port = 20000;

	while (strcmp(chosen(world, port), address) != 0)
		port++;
	return port;
}

static void a_client_is_sent_to_a_backend_and_back(void **state)
{
	struct world *world = world_web(1024);
	const char *address;
	struct packet packet;

	(void)state;
	address = chosen(world, 40000);
	packet = world_read(&world->frame[0]);
	assert_int_equal(world->sent, 1);
	assert_int_equal(world->frame[0].frame.interface, world_interface(world, "int"));
	assert_address(packet.source, "198.51.100.7");
	assert_int_equal(from_be16(packet.destination_port), 8080);
	assert_int_equal(packet.ip->ttl, 63);
	assert_int_equal(packet.ethernet->destination.byte[5],
			 strcmp(address, "10.0.0.11") == 0 ? 0x11 : 0x12);
	assert_int_equal(world_receive(world, backend(address, 40000, TCP_SYN | TCP_ACK)),
			 VERDICT_FORWARDED);
	packet = world_read(&world->frame[0]);
	assert_address(packet.source, "203.0.113.10");
	assert_int_equal(from_be16(packet.source_port), 80);
	assert_address(packet.destination, "198.51.100.7");
	assert_int_equal(world->frame[0].frame.interface, world_interface(world, "ext"));
	world_free(world);
}

static void padding_is_left_behind(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = syn;

	(void)state;
	packet.padding = 6;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	assert_int_equal(world->frame[0].frame.length, ETHERNET_SIZE + IPV4_SIZE_MIN + TCP_SIZE_MIN);
	world_free(world);
}

static void a_corrupt_segment_stays_corrupt(void **state)
{
	struct world *world = world_web(1024);
	struct frame frame = world_build(world, &syn);
	struct packet packet;
	enum verdict drop;

	(void)state;
	((struct tcp *)(frame.data + ETHERNET_SIZE + IPV4_SIZE_MIN))->checksum.raw ^= 0x0101;
	assert_int_equal(world_receive_frame(world, &frame).verdict, VERDICT_FORWARDED);
	assert_true(packet_parse_ipv4(&packet, &world->frame[0].frame, &drop));
	assert_false(checksum_verify(&packet));
	world_free(world);
}

static void a_partial_checksum_carries_addresses_and_no_ports(void **state)
{
	struct world *world = world_web(1024);
	struct frame frame = world_build(world, &syn);
	struct packet packet;
	enum verdict drop;

	(void)state;
	leave_checksum(&frame);
	assert_int_equal(world_receive_frame(world, &frame).verdict, VERDICT_FORWARDED);
	assert_true(packet_parse_ipv4(&packet, &world->frame[0].frame, &drop));
	assert_int_equal(packet_tcp(&packet)->checksum.raw, checksum_fold(checksum_pseudo_header(
		packet.source, packet.destination, packet.protocol,
		(uint16_t)packet.l4_length)).raw);
	world_free(world);
}

static void a_udp_checksum_of_zero_stays_zero(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = syn;

	(void)state;
	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.10:53/udp", "pool", "web");
	world_publish(world);
	packet.protocol = PROTOCOL_NUMBER_UDP;
	packet.destination_port = 53;
	struct frame frame = world_build(world, &packet);
	struct udp *udp = (struct udp *)(frame.data + ETHERNET_SIZE + IPV4_SIZE_MIN);
	udp->checksum = (be16){0};
	assert_int_equal(world_receive_frame(world, &frame).verdict, VERDICT_FORWARDED);
	udp = (struct udp *)(world->frame[0].bytes + ETHERNET_SIZE + IPV4_SIZE_MIN);
	assert_int_equal(udp->checksum.raw, 0);
	assert_int_equal(from_be16(udp->destination), 8080);
	world_free(world);
}

static void a_flow_stays_where_it_is_while_others_come_and_weights_change(void **state)
{
	enum { FLOWS = 200 };
	struct world *world = world_web(4096);
	const char *address[FLOWS];

	(void)state;
	for (uint16_t i = 0; i < FLOWS; i++)
		address[i] = chosen(world, (uint16_t)(10000 + i));
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080", "weight", "900");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.13:8080", "weight", "1000");
	world_publish(world);
	for (uint16_t i = 0; i < FLOWS; i++) {
		assert_int_equal(world_receive(world, client((uint16_t)(10000 + i), TCP_ACK)),
				 VERDICT_FORWARDED);
		assert_address(world_read(&world->frame[0]).destination, address[i]);
	}
	world_free(world);
}

static void a_draining_backend_keeps_its_flows_and_gets_no_new_ones(void **state)
{
	struct world *world = world_web(4096);
	uint16_t port = open_on(world, "10.0.0.11");

	(void)state;
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080", "admin", "drain");
	world_publish(world);
	assert_int_equal(world_receive(world, client(port, TCP_ACK)), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).destination, "10.0.0.11");
	for (uint16_t i = 0; i < 100; i++)
		assert_string_equal(chosen(world, (uint16_t)(30000 + i)), "10.0.0.12");
	/* The same client port, opened again, is a new connection. */
	assert_string_equal(chosen(world, port), "10.0.0.12");
	assert_int_equal(path_flows(world->path)->closed[FLOW_CLOSE_DRAIN], 1);
	world_free(world);
}

static void a_disabled_backends_flow_is_chosen_again_in_the_same_packet(void **state)
{
	struct world *world = world_web(4096);
	uint16_t port = open_on(world, "10.0.0.11");

	(void)state;
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080", "admin", "disabled");
	world_publish(world);
	assert_int_equal(world_receive(world, client(port, TCP_ACK)), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).destination, "10.0.0.12");
	assert_int_equal(path_flows(world->path)->closed[FLOW_CLOSE_BACKEND_LOST], 1);
	world_free(world);
}

static void a_backend_that_comes_back_under_its_name_is_another_one(void **state)
{
	struct world *world = world_web(4096);

	(void)state;
	open_on(world, "10.0.0.11");
	world_delete(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080");
	world_publish(world);
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080");
	world_publish(world);
	uint32_t cursor = 0;
	path_sweep(world->path, &cursor, UINT32_MAX);
	assert_int_equal(path_flows(world->path)->closed[FLOW_CLOSE_BACKEND_LOST], 1);
	world_free(world);
}

static void closed_connections_give_their_port_back_at_once(void **state)
{
	struct world *world = world_web(4096);
	const char *address = chosen(world, 40000);

	(void)state;
	assert_int_equal(world_receive(world, backend(address, 40000, TCP_RST)), VERDICT_FORWARDED);
	chosen(world, 40000);
	assert_int_equal(path_flows(world->path)->closed[FLOW_CLOSE_RESET], 1);
	assert_int_equal(path_flows(world->path)->created, 2);
	world_free(world);
}

static void a_full_table_still_forwards_where_replies_find_back(void **state)
{
	struct world *world = world_web(1024);
	uint16_t port = 1;

	(void)state;
	/* Half-open flows hold an eighth of the table. */
	while (path_counters(world->path)->stateless == 0 && port < 1000)
		chosen(world, port++);
	assert_int_equal(path_flows(world->path)->live, 128);
	const char *address = chosen(world, 50000);
	assert_int_equal(world_receive(world, backend(address, 50000, TCP_ACK)), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).source, "203.0.113.10");
	/* A second service on the same backends: whose reply would it be? */
	world_add(world, KIND_SERVICE, "name", "two", "address", "203.0.113.11:80/tcp", "pool", "web");
	world_publish(world);
	assert_int_equal(world_receive(world, client(50001, TCP_SYN)), DROP_flow_table_full);
	assert_int_equal(world_receive(world, backend(address, 50000, TCP_ACK)), DROP_no_flow);
	world_free(world);
}

static void when_full_shed_sheds(void **state)
{
	struct world *world = world_web(1024);

	(void)state;
	world_set(world, KIND_SERVICE, "name", "web", "when-full", "shed");
	world_publish(world);
	for (uint16_t i = 0; i < 128; i++)
		chosen(world, (uint16_t)(1000 + i));
	assert_int_equal(world_receive(world, client(2000, TCP_SYN)), DROP_flow_table_full);
	world_free(world);
}

static void max_flows_is_a_cap(void **state)
{
	struct world *world = world_web(1024);

	(void)state;
	world_set(world, KIND_SERVICE, "name", "web", "max-flows", "2");
	world_publish(world);
	chosen(world, 1);
	chosen(world, 2);
	assert_int_equal(world_receive(world, client(3, TCP_SYN)), DROP_service_flows_full);
	assert_int_equal(world_receive(world, client(2, TCP_ACK)), VERDICT_FORWARDED);
	world->now_ns += 31ULL * SECOND;
	path_tick(world->path, world->now_ns);
	chosen(world, 3);
	world_free(world);
}

static void replies_that_cannot_be_told_apart_get_another_backend(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet other = syn;
	const char *first = chosen(world, 40000);

	(void)state;
	world_add(world, KIND_SERVICE, "name", "two", "address", "203.0.113.11:80/tcp", "pool", "web");
	world_add(world, KIND_SERVICE, "name", "three", "address", "203.0.113.12:80/tcp", "pool", "web");
	world_publish(world);
	other.destination = "203.0.113.11";
	assert_int_equal(world_receive(world, other), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).destination,
		       strcmp(first, "10.0.0.11") == 0 ? "10.0.0.12" : "10.0.0.11");
	other.destination = "203.0.113.12";
	assert_int_equal(world_receive(world, other), DROP_reply_collision);
	world_free(world);
}

static void what_is_not_served_is_dropped_by_its_name(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = syn;

	(void)state;
	packet.destination_port = 81;
	assert_int_equal(world_receive(world, packet), DROP_no_service);
	packet = syn;
	packet.destination = "192.0.2.1";
	assert_int_equal(world_receive(world, packet), DROP_forwarding_off);
	packet = syn;
	packet.source = "203.0.113.10";
	assert_int_equal(world_receive(world, packet), DROP_ip_source_is_ours);
	packet = syn;
	packet.ttl = 1;
	assert_int_equal(world_receive(world, packet), DROP_ttl_expired);
	assert_int_equal(world_receive(world, backend("10.0.0.77", 1, TCP_ACK)), DROP_no_flow);
	world_set(world, KIND_SERVICE, "name", "web", "admin", "disabled");
	world_publish(world);
	assert_int_equal(world_receive(world, syn), DROP_service_disabled);
	world_set(world, KIND_SERVICE, "name", "web", "admin", "enabled");
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080", "weight", "0");
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:8080", "weight", "0");
	world_publish(world);
	assert_int_equal(world_receive(world, syn), DROP_no_backend);
	world_free(world);
}

static void port_zero_serves_all_ports_and_keeps_them(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = syn;

	(void)state;
	world_add(world, KIND_POOL, "name", "all");
	world_add(world, KIND_BACKEND, "pool", "all", "address", "10.0.0.11:0");
	world_add(world, KIND_SERVICE, "name", "all", "address", "203.0.113.10:0/tcp", "pool", "all");
	world_publish(world);
	packet.destination_port = 4711;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	assert_int_equal(from_be16(world_read(&world->frame[0]).destination_port), 4711);
	assert_int_equal(world_receive(world, syn), VERDICT_FORWARDED);
	assert_int_equal(from_be16(world_read(&world->frame[0]).destination_port), 8080);
	world_free(world);
}

static void source_affinity_brings_all_ports_of_a_client_to_one_backend(void **state)
{
	struct world *world = world_web(1024);

	(void)state;
	world_set(world, KIND_POOL, "name", "web", "affinity", "source-ip");
	world_publish(world);
	const char *address = chosen(world, 1);
	for (uint16_t i = 2; i < 50; i++)
		assert_string_equal(chosen(world, i), address);
	world_free(world);
}

static void larger_than_the_way_out_is_refused_or_fragmented(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = syn;

	(void)state;
	world->mtu[world_interface(world, "int")] = 600;
	world_publish(world);
	packet.payload = 1000;
	packet.fragment = IPV4_DONT_FRAGMENT;
	assert_int_equal(world_receive(world, packet), DROP_too_big);
	assert_int_equal(world->sent, 1);
	struct packet error = world_read(&world->frame[0]);
	assert_int_equal(error.protocol, PROTOCOL_NUMBER_ICMP);
	assert_int_equal(from_be16(packet_icmp(&error)->sequence), 600);
	packet.fragment = 0;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 2);
	struct packet first = world_read(&world->frame[0]), second = world_read(&world->frame[1]);
	assert_int_equal(first.fragment, FRAGMENT_FIRST);
	assert_int_equal(second.fragment, FRAGMENT_LATER);
	assert_int_equal(first.l4_length + second.l4_length, TCP_SIZE_MIN + 1000);
	world_free(world);
}

static void later_fragments_follow_their_first(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = syn;

	(void)state;
	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.10:53/udp", "pool", "web");
	world_publish(world);
	packet.protocol = PROTOCOL_NUMBER_UDP;
	packet.destination_port = 53;
	packet.payload = 800;
	packet.id = 7;
	packet.fragment = 808 / 8;
	assert_int_equal(world_receive(world, packet), VERDICT_HELD);
	packet.fragment = IPV4_MORE_FRAGMENTS;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 2);
	assert_int_equal(world_read(&world->frame[0]).destination.raw,
			 world_read(&world->frame[1]).destination.raw);
	world_free(world);
}

static void a_reply_that_an_all_ports_backend_may_send_is_not_mapped_back(void **state)
{
	struct world *world = world_web(1024);

	(void)state;
	assert_int_equal(world_receive(world, backend("10.0.0.11", 9, TCP_ACK)), VERDICT_FORWARDED);
	world_add(world, KIND_POOL, "name", "all");
	world_add(world, KIND_BACKEND, "pool", "all", "address", "10.0.0.11:0");
	world_add(world, KIND_SERVICE, "name", "all", "address", "203.0.113.11:0/tcp", "pool", "all");
	world_publish(world);
	assert_int_equal(world_receive(world, backend("10.0.0.11", 9, TCP_ACK)), DROP_no_flow);
	assert_int_equal(world_receive(world, backend("10.0.0.12", 9, TCP_ACK)), VERDICT_FORWARDED);
	world_free(world);
}

static void later_fragments_have_a_last_hop_too(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = syn;

	(void)state;
	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.10:53/udp", "pool", "web");
	world_publish(world);
	packet.protocol = PROTOCOL_NUMBER_UDP;
	packet.destination_port = 53;
	packet.payload = 800;
	packet.id = 7;
	packet.fragment = IPV4_MORE_FRAGMENTS;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	packet.fragment = 808 / 8;
	packet.ttl = 1;
	assert_int_equal(world_receive(world, packet), DROP_ttl_expired);
	assert_int_equal(world->sent, 0);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_is_sent_to_a_backend_and_back),
		cmocka_unit_test(padding_is_left_behind),
		cmocka_unit_test(a_corrupt_segment_stays_corrupt),
		cmocka_unit_test(a_partial_checksum_carries_addresses_and_no_ports),
		cmocka_unit_test(a_udp_checksum_of_zero_stays_zero),
		cmocka_unit_test(a_flow_stays_where_it_is_while_others_come_and_weights_change),
		cmocka_unit_test(a_draining_backend_keeps_its_flows_and_gets_no_new_ones),
		cmocka_unit_test(a_disabled_backends_flow_is_chosen_again_in_the_same_packet),
		cmocka_unit_test(a_backend_that_comes_back_under_its_name_is_another_one),
		cmocka_unit_test(closed_connections_give_their_port_back_at_once),
		cmocka_unit_test(a_full_table_still_forwards_where_replies_find_back),
		cmocka_unit_test(when_full_shed_sheds),
		cmocka_unit_test(max_flows_is_a_cap),
		cmocka_unit_test(replies_that_cannot_be_told_apart_get_another_backend),
		cmocka_unit_test(what_is_not_served_is_dropped_by_its_name),
		cmocka_unit_test(port_zero_serves_all_ports_and_keeps_them),
		cmocka_unit_test(source_affinity_brings_all_ports_of_a_client_to_one_backend),
		cmocka_unit_test(larger_than_the_way_out_is_refused_or_fragmented),
		cmocka_unit_test(later_fragments_follow_their_first),
		cmocka_unit_test(later_fragments_have_a_last_hop_too),
		cmocka_unit_test(a_reply_that_an_all_ports_backend_may_send_is_not_mapped_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
