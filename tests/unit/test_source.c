/* Mode fullnat: which address and port of the appliance a flow gets, and what comes back to it. */
#include "tests/unit/clients.h"

#include "appliance/path/check.h"
#include "appliance/path/internal.h"
#include "appliance/path/source.h"

enum {
	SLICES = 6041,    /* ten ports each, and one slice more */
	SLICE = 7,
	SLICE_PORTS = 10,
};

static const struct world_packet query = {
	.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10", .source_port = 40000,
	.destination_port = 53, .protocol = PROTOCOL_NUMBER_UDP, .payload = 20,
};

/* As world_web(), in mode fullnat, with UDP at port 53 as well; `slices`: this one has number SLICE
 * of so many. */
static struct world *world_fullnat(uint32_t flows, const char *slices)
{
	struct world *world = world_web(flows);

	world_set(world, KIND_SERVICE, "name", "web", "mode", "fullnat");
	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.10:53/udp", "pool", "web",
		  "mode", "fullnat");
	if (slices)
		world_set(world, KIND_GLOBAL, "fullnat-slices", slices, "fullnat-slice", "7");
	world_publish(world);
	return world;
}

/* The UDP client of that number: many, over addresses and ports. */
static struct world_packet asker(uint32_t number)
{
	static char source[24];
	struct world_packet packet = query;

	snprintf(source, sizeof(source), "198.51.100.%u", 7 + number / 50000);
	packet.source = source;
	packet.source_port = (uint16_t)(1000 + number % 50000);
	return packet;
}

/* Where a packet left, as the backend sees it. */
struct seen {
	be32 address;
	uint16_t port;
	be32 backend;
};

static struct seen seen(struct world *world)
{
	assert_int_equal(world->sent, 1);
	struct packet packet = world_read(&world->frame[0]);

	return (struct seen){packet.source, from_be16(packet.source_port), packet.destination};
}

static struct seen ask(struct world *world, struct world_packet packet)
{
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	return seen(world);
}

/* What the backend sends back to whom it has seen. */
static struct world_packet answer(const struct seen *to, uint16_t port, uint8_t protocol, uint8_t flags)
{
	static char source[16], destination[16];

	format_address(to->backend, source, sizeof(source));
	format_address(to->address, destination, sizeof(destination));
	return (struct world_packet){
		.in = "int", .source = source, .destination = destination, .source_port = port,
		.destination_port = to->port, .protocol = protocol, .tcp_flags = flags,
		.payload = 100,
	};
}

static uint64_t count(const struct world *world, enum verdict verdict)
{
	return path_counters(world->path)->interface[world_interface(world, "ext")].verdict[verdict];
}

static void a_backend_sees_the_appliance_and_the_client_the_vip(void **state)
{
	struct world *world = world_fullnat(1024, NULL);
	struct seen to = ask(world, syn);

	(void)state;
	assert_address(to.address, "10.0.0.1");
	assert_in_range(to.port, FULLNAT_PORT_FIRST, PROBE_PORT_FIRST - 1);
	assert_int_equal(world_receive(world, answer(&to, 8080, PROTOCOL_NUMBER_TCP,
						     TCP_SYN | TCP_ACK)), VERDICT_FORWARDED);
	struct packet packet = world_read(&world->frame[0]);
	assert_address(packet.source, "203.0.113.10");
	assert_int_equal(from_be16(packet.source_port), 80);
	assert_address(packet.destination, "198.51.100.7");
	assert_int_equal(from_be16(packet.destination_port), 40000);
	assert_int_equal(world->frame[0].frame.interface, world_interface(world, "ext"));
	/* And on: the flow keeps its port. */
	struct seen again = ask(world, client(40000, TCP_ACK));
	assert_int_equal(again.port, to.port);
	assert_int_equal(path_flows(world->path)->live, 1);
	world_free(world);
}

static void a_client_gets_its_port_again(void **state)
{
	struct world *world = world_fullnat(1024, NULL), *restarted = world_fullnat(1024, NULL);
	struct flow_match all = {.backend_id = NONE, .service_id = NONE};
	unsigned same = 0, again = 0;

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		struct seen first = ask(world, asker(i));
		uint32_t cursor = 0;

		path_close_flows(world->path, &all, FLOW_CLOSE_CLEARED, &cursor, 1024);
		struct seen second = ask(world, asker(i));
		struct seen third = ask(restarted, asker(i));
		same += first.port == second.port;
		again += first.port == third.port;
	}
	assert_int_equal(same, 200);
	/* Where nobody else has it by then. */
	assert_in_range(again, 195, 200);
	world_free(world);
	world_free(restarted);
}

static void another_client_does_not_get_a_port_that_was_just_closed(void **state)
{
	struct world *world = world_fullnat(1024, NULL);
	struct flow_match all = {.backend_id = NONE, .service_id = NONE};
	struct seen last = {0};
	unsigned same = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct seen now = ask(world, asker(i));
		uint32_t cursor = 0;

		same += now.port == last.port;
		last = now;
		path_close_flows(world->path, &all, FLOW_CLOSE_CLEARED, &cursor, 1024);
	}
	assert_in_range(same, 0, 2);
	world_free(world);
}

static void a_small_slice_is_used_up_to_its_last_port(void **state)
{
	struct world *world = world_fullnat(4096, "6041");
	uint32_t first = FULLNAT_PORT_FIRST + FULLNAT_PORTS * (SLICE - 1) / SLICES;
	bool used[2][SLICE_PORTS + 1] = {{false}};
	uint32_t flows = 0, ports = world->compiler.current->snapshot.source_ports;

	(void)state;
	assert_int_equal(world->compiler.current->snapshot.source_port_first, first);
	/* Both backends have their own: the second of the row is tried before anything is dropped. */
	for (uint32_t i = 0; i < 500; i++) {
		enum verdict verdict = world_receive(world, asker(i));

		if (verdict == VERDICT_FORWARDED) {
			struct seen to = seen(world);
			bool *place = &used[from_be32(to.backend) & 1][to.port - first];

			assert_in_range(to.port, first, first + ports - 1);
			assert_false(*place);
			*place = true;
			flows++;
			continue;
		}
		assert_int_equal(verdict, DROP_source_ports_exhausted);
	}
	assert_int_equal(flows, 2 * ports);
	assert_int_equal(count(world, DROP_source_ports_exhausted), 500 - 2 * ports);
	/* Who has a flow goes on. */
	assert_int_equal(world_receive(world, asker(0)), VERDICT_FORWARDED);
	world_free(world);
}

/* As many as are searched whole, and no power of two. */
static void a_larger_slice_is_used_up_to_its_last_port(void **state)
{
	struct world *world = world_fullnat(4096, "64");

	(void)state;
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:8080", "weight", "0");
	world_publish(world);
	uint32_t ports = world->compiler.current->snapshot.source_ports;

	assert_in_range(ports, SOURCE_PROBES_MAX, SOURCE_WHOLE_MAX);
	for (uint32_t i = 0; i < ports; i++)
		assert_int_equal(world_receive(world, asker(i)), VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, asker(ports)), DROP_source_ports_exhausted);
	world_free(world);
}

/* Whom the search did not come to is not taken for exhausted. */
static void of_many_backends_the_one_with_a_free_port_is_found_by_the_next(void **state)
{
	enum { BACKENDS = 8 };
	struct world *world = world_fullnat(1 << 14, "64");
	char address[24];
	uint32_t next = 0;

	(void)state;
	for (unsigned i = 2; i < BACKENDS; i++) {
		snprintf(address, sizeof(address), "10.0.0.%u:8080", 11 + i);
		world_add(world, KIND_BACKEND, "pool", "web", "address", address);
		address[strlen(address) - strlen(":8080")] = '\0';
		world_add(world, KIND_NEIGHBOR, "address", address, "mac", "02:00:00:00:00:13",
			  "interface", "int");
	}
	world_publish(world);
	uint32_t all = BACKENDS * world->compiler.current->snapshot.source_ports;
	while (path_flows(world->path)->live < all)
		world_receive(world, asker(next++));
	for (uint32_t i = 0; i < all; i += all / 32) {
		struct flow *flow = flow_at(path_flows(world->path), i);
		unsigned tries = 0;

		world->now_ns += SECOND / 10;
		flow_close(path_flows(world->path), flow, FLOW_CLOSE_CLEARED);
		while (world_receive(world, asker(next++)) != VERDICT_FORWARDED)
			assert_true(++tries < 3);
	}
	world_free(world);
}

static void a_port_that_is_free_again_is_found_at_once(void **state)
{
	struct world *world = world_fullnat(4096, "6041");
	struct flow_match match = {.backend_id = NONE, .service_id = NONE};
	uint32_t cursor = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		world_receive(world, asker(i));
	assert_int_equal(world_receive(world, asker(1000)), DROP_source_ports_exhausted);
	match.client = world_address("198.51.100.7");
	match.client_port = to_be16(1000);
	assert_int_equal(path_close_flows(world->path, &match, FLOW_CLOSE_CLEARED, &cursor, 4096), 1);
	assert_int_equal(world_receive(world, asker(1000)), VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, asker(1001)), DROP_source_ports_exhausted);
	/* What is idle too long has ended, with or without a tick since. */
	world->now_ns += UINT64_C(31) * SECOND;
	assert_int_equal(world_receive(world, asker(1001)), VERDICT_FORWARDED);
	world_free(world);
}

static void every_address_of_the_interface_is_used_those_beside_the_backend_first(void **state)
{
	struct world *world = world_fullnat(4096, "6041");
	uint32_t flows[4] = {0}, ports;

	(void)state;
	/* Addresses of a list are appended. */
	world_set(world, KIND_INTERFACE, "name", "int", "address", "10.9.0.1/24", "address",
		  "10.0.0.1/24", "address", "10.0.0.2/24", "address", "10.0.0.3/24");
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:8080", "weight", "0");
	world_publish(world);
	ports = world->compiler.current->snapshot.source_ports;
	for (uint32_t i = 0; i < 500; i++) {
		if (world_receive(world, asker(i)) != VERDICT_FORWARDED)
			continue;
		uint32_t address = from_be32(seen(world).address);

		flows[address == 0x0a090001 ? 0 : address & 3]++;
		/* One in another network only where no other is left. */
		if (flows[0])
			assert_int_equal(flows[1] + flows[2] + flows[3], 3 * ports);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(flows[i], ports);
	/* Another one is of use at once. */
	world_set(world, KIND_INTERFACE, "name", "int", "address", "10.0.0.1/24", "address",
		  "10.0.0.9/24");
	world_publish(world);
	assert_address(ask(world, asker(1000)).address, "10.0.0.9");
	world_free(world);
}

static void one_port_serves_towards_both_backends(void **state)
{
	struct world *world = world_fullnat(4096, "60416");
	struct seen one = ask(world, asker(0)), other;
	uint32_t i = 1;

	(void)state;
	while (world_receive(world, asker(i)) != VERDICT_FORWARDED)
		i++;
	other = seen(world);
	assert_int_equal(one.port, other.port);
	assert_int_not_equal(one.backend.raw, other.backend.raw);
	/* Each answer is for its own client. */
	assert_int_equal(world_receive(world, answer(&one, 8080, PROTOCOL_NUMBER_UDP, 0)),
			 VERDICT_FORWARDED);
	assert_int_equal(from_be16(world_read(&world->frame[0]).destination_port), 1000);
	assert_int_equal(world_receive(world, answer(&other, 8080, PROTOCOL_NUMBER_UDP, 0)),
			 VERDICT_FORWARDED);
	assert_int_equal(from_be16(world_read(&world->frame[0]).destination_port), 1000 + i);
	world_free(world);
}

static void exhausted_for_udp_is_not_exhausted_for_tcp(void **state)
{
	struct world *world = world_fullnat(4096, "60416");

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		world_receive(world, asker(i));
	assert_int_equal(world_receive(world, asker(10)), DROP_source_ports_exhausted);
	assert_int_equal(world_receive(world, syn), VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, asker(11)), DROP_source_ports_exhausted);
	world_free(world);
}

static void nine_tenths_taken_are_no_exhaustion(void **state)
{
	enum { TAKEN = FULLNAT_PORTS / 10 * 9 };
	struct world *world = world_fullnat(1 << 17, NULL);

	(void)state;
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:8080", "weight", "0");
	world_publish(world);
	for (uint32_t i = 0; i < TAKEN; i++)
		assert_int_equal(world_receive(world, asker(i)), VERDICT_FORWARDED);
	/* From here on some may miss the free ones, few. */
	for (uint32_t i = TAKEN; i < FULLNAT_PORTS; i++, world->now_ns += 20000)
		world_receive(world, asker(i));
	assert_in_range(path_flows(world->path)->live, FULLNAT_PORTS / 100 * 96, FULLNAT_PORTS);
	assert_true(count(world, DROP_source_ports_exhausted));
	world_free(world);
}

static void slices_part_the_ports_and_leave_none_out(void **state)
{
	static const unsigned slices[] = {1, 2, 3, 7, 64, 1000, 60416};
	struct world *world = world_web(1024);

	(void)state;
	for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
		uint32_t next = FULLNAT_PORT_FIRST;

		for (uint32_t slice = 1; slice <= slices[i]; slice += slices[i] > 100 ? 97 : 1) {
			const struct snapshot *snapshot;
			char total[12], number[12];

			snprintf(total, sizeof(total), "%u", slices[i]);
			snprintf(number, sizeof(number), "%u", slice);
			world_change(world, VERB_SET, KIND_GLOBAL, "fullnat-slices", total,
				     "fullnat-slice", number, NULL);
			world_publish(world);
			snapshot = &world->compiler.current->snapshot;
			if (slices[i] <= 100)
				assert_int_equal(snapshot->source_port_first, next);
			next = (uint32_t)snapshot->source_port_first + snapshot->source_ports;
			assert_true(snapshot->source_ports);
		}
		if (slices[i] <= 100)
			assert_int_equal(next, PROBE_PORT_FIRST);
	}
	world_free(world);
}

static void a_full_table_sheds(void **state)
{
	struct world *world = world_fullnat(64, NULL);

	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(world_receive(world, asker(i)), VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, asker(64)), DROP_flow_table_full);
	assert_int_equal(path_counters(world->path)->stateless, 0);
	world_free(world);
}

static void a_service_in_nat_beside_it_is_mapped_back_without_a_flow(void **state)
{
	struct world *world = world_fullnat(1024, NULL);

	(void)state;
	world_add(world, KIND_SERVICE, "name", "direct", "address", "203.0.113.11:80/udp", "pool",
		  "web");
	world_publish(world);
	assert_int_equal(world_receive(world, (struct world_packet){
		.in = "int", .source = "10.0.0.11", .destination = "198.51.100.7",
		.source_port = 8080, .destination_port = 9, .protocol = PROTOCOL_NUMBER_UDP}),
			 VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).source, "203.0.113.11");
	world_free(world);
}

static void a_partial_checksum_carries_both_addresses_and_no_port(void **state)
{
	struct world *world = world_fullnat(1024, NULL);
	struct frame frame = world_build(world, &syn);
	struct packet packet;
	enum verdict drop;

	(void)state;
	leave_checksum(&frame);
	assert_int_equal(world_receive_frame(world, &frame).verdict, VERDICT_FORWARDED);
	assert_true(packet_parse_ipv4(&packet, &world->frame[0].frame, &drop));
	assert_address(packet.source, "10.0.0.1");
	assert_int_equal(packet_tcp(&packet)->checksum.raw, checksum_fold(checksum_pseudo_header(
		packet.source, packet.destination, packet.protocol,
		(uint16_t)packet.l4_length)).raw);
	world_free(world);
}

static void what_is_no_flows_goes_on_as_ever(void **state)
{
	struct world *world = world_fullnat(1024, NULL);
	struct seen to = ask(world, query);
	struct world_packet packet = answer(&to, 8080, PROTOCOL_NUMBER_UDP, 0);

	(void)state;
	packet.destination_port++;
	assert_int_equal(world_receive(world, packet), DROP_no_service);
	packet.destination_port--;
	packet.source_port++;
	assert_int_equal(world_receive(world, packet), DROP_no_service);
	/* A backend's word, from where no backend is. */
	packet.source_port--;
	packet.in = "ext";
	assert_int_equal(world_receive(world, packet), DROP_no_service);
	packet.in = "int";
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	world_free(world);
}

static void an_address_that_is_gone_takes_its_flows_along(void **state)
{
	struct world *world = world_fullnat(1024, NULL);
	uint32_t cursor = 0;

	(void)state;
	ask(world, query);
	world_set(world, KIND_INTERFACE, "name", "int", "address", "10.0.0.2/24");
	world_publish(world);
	path_sweep(world->path, &cursor, 1024);
	assert_int_equal(path_flows(world->path)->live, 0);
	assert_address(ask(world, query).address, "10.0.0.2");
	world_free(world);
}

static void a_flow_keeps_the_mode_that_it_was_born_with(void **state)
{
	struct world *world = world_fullnat(1024, NULL);
	struct seen to = ask(world, syn);

	(void)state;
	world_set(world, KIND_SERVICE, "name", "web", "mode", "nat");
	world_publish(world);
	assert_int_equal(ask(world, client(40000, TCP_ACK)).port, to.port);
	assert_address(ask(world, client(40001, TCP_SYN)).address, "198.51.100.7");
	world_free(world);
}

static void a_backend_may_call_itself(void **state)
{
	struct world *world = world_fullnat(1024, NULL);
	struct world_packet packet = syn;
	unsigned itself = 0;

	(void)state;
	packet.in = "int";
	packet.source = "10.0.0.11";
	for (uint16_t port = 50000; port < 50020; port++) {
		packet.source_port = port;
		struct seen to = ask(world, packet);

		assert_address(to.address, "10.0.0.1");
		itself += same32(to.backend, world_address("10.0.0.11"));
		assert_int_equal(world_receive(world, answer(&to, 8080, PROTOCOL_NUMBER_TCP,
							     TCP_SYN | TCP_ACK)), VERDICT_FORWARDED);
		struct packet back = world_read(&world->frame[0]);
		assert_address(back.source, "203.0.113.10");
		assert_address(back.destination, "10.0.0.11");
		assert_int_equal(from_be16(back.destination_port), port);
		assert_int_equal(world->frame[0].frame.interface, world_interface(world, "int"));
	}
	assert_in_range(itself, 1, 19);
	world_free(world);
}

static void lookup_says_what_the_next_packet_gets(void **state)
{
	struct world *world = world_fullnat(1024, "60416");
	struct lookup before, after;
	be32 vip = world_address("203.0.113.10"), who = world_address("198.51.100.7");

	(void)state;
	path_lookup(world->path, who, to_be16(40000), vip, to_be16(80), PROTOCOL_NUMBER_TCP,
		    world->now_ns, &before);
	struct seen to = ask(world, syn);
	path_lookup(world->path, who, to_be16(40000), vip, to_be16(80), PROTOCOL_NUMBER_TCP,
		    world->now_ns, &after);
	assert_int_equal(before.mode, FORWARD_FULLNAT);
	assert_int_equal(before.source_address.raw, to.address.raw);
	assert_int_equal(from_be16(before.source_port), to.port);
	assert_int_equal(after.how, LOOKUP_FLOW);
	assert_int_equal(after.source_address.raw, to.address.raw);
	assert_int_equal(after.source_port.raw, before.source_port.raw);
	/* One port, two backends: where both are taken, so it says. */
	for (uint16_t port = 1; port < 20; port++)
		world_receive(world, client(port, TCP_SYN));
	path_lookup(world->path, who, to_be16(40001), vip, to_be16(80), PROTOCOL_NUMBER_TCP,
		    world->now_ns, &after);
	assert_int_equal(after.verdict, DROP_source_ports_exhausted);
	assert_int_equal(after.source_address.raw, 0);
	assert_int_equal(path_flows(world->path)->live, 2);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_backend_sees_the_appliance_and_the_client_the_vip),
		cmocka_unit_test(a_client_gets_its_port_again),
		cmocka_unit_test(another_client_does_not_get_a_port_that_was_just_closed),
		cmocka_unit_test(a_small_slice_is_used_up_to_its_last_port),
		cmocka_unit_test(a_larger_slice_is_used_up_to_its_last_port),
		cmocka_unit_test(of_many_backends_the_one_with_a_free_port_is_found_by_the_next),
		cmocka_unit_test(a_port_that_is_free_again_is_found_at_once),
		cmocka_unit_test(every_address_of_the_interface_is_used_those_beside_the_backend_first),
		cmocka_unit_test(one_port_serves_towards_both_backends),
		cmocka_unit_test(exhausted_for_udp_is_not_exhausted_for_tcp),
		cmocka_unit_test(nine_tenths_taken_are_no_exhaustion),
		cmocka_unit_test(slices_part_the_ports_and_leave_none_out),
		cmocka_unit_test(a_full_table_sheds),
		cmocka_unit_test(a_service_in_nat_beside_it_is_mapped_back_without_a_flow),
		cmocka_unit_test(a_partial_checksum_carries_both_addresses_and_no_port),
		cmocka_unit_test(what_is_no_flows_goes_on_as_ever),
		cmocka_unit_test(an_address_that_is_gone_takes_its_flows_along),
		cmocka_unit_test(a_flow_keeps_the_mode_that_it_was_born_with),
		cmocka_unit_test(a_backend_may_call_itself),
		cmocka_unit_test(lookup_says_what_the_next_packet_gets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
