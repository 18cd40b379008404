/* source-rewrite: clients shown to backends in another network, and found again, with a flow and
 * without. */
#include "tests/unit/clients.h"

#include "appliance/path/source.h"

/* Clients of 198.51.100.0/24 are 10.7.7.0/24 to backends. */
static struct world *world_rewriting(uint32_t flows)
{
	struct world *world = world_web(flows);

	world_add(world, KIND_ROUTE, "prefix", "192.0.2.0/24", "via", "198.51.100.7");
	world_add(world, KIND_ROUTE, "prefix", "10.7.7.0/24", "via", "198.51.100.7");
	world_set(world, KIND_SERVICE, "name", "web", "source-rewrite",
		  "198.51.100.0/24 to 10.7.7.0/24");
	world_publish(world);
	return world;
}

static struct world_packet from(const char *source, uint16_t port)
{
	struct world_packet packet = client(port, TCP_SYN);

	packet.source = source;
	return packet;
}

static struct world_packet reply_to(const char *backend_address, const char *client_address,
				    uint16_t port)
{
	struct world_packet packet = backend(backend_address, port, TCP_SYN | TCP_ACK);

	packet.destination = client_address;
	return packet;
}

static void the_network_changes_and_the_host_stays(void **state)
{
	struct world *world = world_rewriting(1024);

	(void)state;
	assert_int_equal(world_receive(world, from("198.51.100.7", 40000)), VERDICT_FORWARDED);
	struct packet packet = world_read(&world->frame[0]);
	assert_address(packet.source, "10.7.7.7");
	assert_int_equal(from_be16(packet.source_port), 40000);
	bool first = same32(packet.destination, world_address("10.0.0.11"));
	assert_int_equal(world_receive(world, reply_to(first ? "10.0.0.11" : "10.0.0.12", "10.7.7.7",
						       40000)), VERDICT_FORWARDED);
	packet = world_read(&world->frame[0]);
	assert_address(packet.source, "203.0.113.10");
	assert_address(packet.destination, "198.51.100.7");
	assert_int_equal(world->frame[0].frame.interface, world_interface(world, "ext"));
	world_free(world);
}

static void who_is_not_in_the_network_stays_as_he_is(void **state)
{
	struct world *world = world_rewriting(1024);

	(void)state;
	assert_int_equal(world_receive(world, from("192.0.2.9", 40000)), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).source, "192.0.2.9");
	world_free(world);
}

/* Two clients that a backend cannot tell apart are not sent to the same one. */
static void clients_that_look_alike_get_different_backends(void **state)
{
	struct world *world = world_rewriting(1024);

	(void)state;
	assert_int_equal(world_receive(world, from("198.51.100.7", 40000)), VERDICT_FORWARDED);
	be32 first = world_read(&world->frame[0]).destination;
	assert_int_equal(world_receive(world, from("10.7.7.7", 40000)), VERDICT_FORWARDED);
	assert_int_not_equal(world_read(&world->frame[0]).destination.raw, first.raw);
	world_free(world);
}

static void without_a_flow_it_is_undone_too(void **state)
{
	struct world *world = world_rewriting(2);

	(void)state;
	assert_int_equal(world_receive(world, from("192.0.2.9", 1)), VERDICT_FORWARDED);
	assert_int_equal(path_flows(world->path)->half_open, 1);
	assert_int_equal(world_receive(world, from("198.51.100.7", 40000)), VERDICT_FORWARDED);
	assert_int_equal(path_counters(world->path)->stateless, 1);
	assert_address(world_read(&world->frame[0]).source, "10.7.7.7");
	assert_int_equal(world_receive(world, reply_to("10.0.0.11", "10.7.7.7", 40000)),
			 VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).destination, "198.51.100.7");
	/* Outside of the network there is nothing to undo. */
	assert_int_equal(world_receive(world, reply_to("10.0.0.11", "192.0.2.10", 40000)),
			 VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).destination, "192.0.2.10");
	world_free(world);
}

static void without_a_flow_nobody_may_have_the_other_address(void **state)
{
	struct world *world = world_rewriting(2);

	(void)state;
	assert_int_equal(world_receive(world, from("192.0.2.9", 1)), VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, from("10.7.7.7", 40000)), DROP_flow_table_full);
	world_set(world, KIND_SERVICE, "name", "web", "source-rewrite",
		  "198.51.100.0/24 to 10.0.0.0/24");
	world_set(world, KIND_INTERFACE, "name", "int", "address", "10.0.0.7/24");
	world_publish(world);
	assert_int_equal(world_receive(world, from("198.51.100.7", 40000)), DROP_flow_table_full);
	world_free(world);
}

/* With a flow it works even where backends know the address as the appliance's. */
static void a_flow_may_be_behind_an_address_of_the_appliance(void **state)
{
	struct world *world = world_rewriting(1024);

	(void)state;
	world_set(world, KIND_SERVICE, "name", "web", "source-rewrite",
		  "198.51.100.7/32 to 10.0.0.1/32");
	world_publish(world);
	assert_int_equal(world_receive(world, from("198.51.100.7", 40000)), VERDICT_FORWARDED);
	struct packet packet = world_read(&world->frame[0]);
	assert_address(packet.source, "10.0.0.1");
	bool first = same32(packet.destination, world_address("10.0.0.11"));
	assert_int_equal(world_receive(world, reply_to(first ? "10.0.0.11" : "10.0.0.12", "10.0.0.1",
						       40000)), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).destination, "198.51.100.7");
	world_free(world);
}

static void both_ways_are_each_others_undoing(void **state)
{
	static const struct { const char *from, *to; uint8_t length; } rows[] = {
		{"10.0.0.0", "192.0.0.0", 8}, {"198.51.100.128", "10.1.2.0", 25},
		{"198.51.100.7", "10.1.2.3", 32}, {"64.0.0.0", "128.0.0.0", 2},
	};
	uint32_t value = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct snapshot_service service = {.rewrite = {
			world_address(rows[i].from), world_address(rows[i].to), rows[i].length, true}};
		uint32_t hosts = (uint32_t)((UINT64_C(1) << (32 - rows[i].length)) - 1);

		for (unsigned n = 0; n < 1000; n++) {
			value = value * 1664525 + 1013904223;
			be32 inside = to_be32(from_be32(service.rewrite.from) | (value & hosts));
			be32 seen = source_rewritten(&service, inside);

			assert_true(in_prefix(seen, service.rewrite.to, rows[i].length));
			assert_int_equal(from_be32(seen) & hosts, value & hosts);
			assert_int_equal(source_restored(&service, seen).raw, inside.raw);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_network_changes_and_the_host_stays),
		cmocka_unit_test(who_is_not_in_the_network_stays_as_he_is),
		cmocka_unit_test(clients_that_look_alike_get_different_backends),
		cmocka_unit_test(without_a_flow_it_is_undone_too),
		cmocka_unit_test(without_a_flow_nobody_may_have_the_other_address),
		cmocka_unit_test(a_flow_may_be_behind_an_address_of_the_appliance),
		cmocka_unit_test(both_ways_are_each_others_undoing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
