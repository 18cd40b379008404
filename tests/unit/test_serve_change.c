/* Flows that live while the configuration under them changes: who keeps what he has, who does not. */
#include "tests/unit/clients.h"

static void backend_admin(struct world *world, const char *address, const char *admin)
{
	char endpoint[32];

	snprintf(endpoint, sizeof(endpoint), "%s:8080", address);
	world_set(world, KIND_BACKEND, "pool", "web", "address", endpoint, "admin", admin);
	world_publish(world);
}

/* An established connection from `port`; the address of its backend. */
static const char *established(struct world *world, uint16_t port)
{
	const char *address = chosen(world, port);

	assert_int_equal(world_receive(world, backend(address, port, TCP_SYN | TCP_ACK)),
			 VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, client(port, TCP_ACK)), VERDICT_FORWARDED);
	return address;
}

static uint64_t closed(const struct world *world, enum flow_close_reason reason)
{
	return path_flows(world->path)->closed[reason];
}

static void a_disabled_service_ends_its_flows_both_ways(void **state)
{
	struct world *world = world_web(1024);
	const char *address = established(world, 2);

	(void)state;
	established(world, 1);
	world_set(world, KIND_SERVICE, "name", "web", "admin", "disabled");
	world_publish(world);
	assert_int_equal(world_receive(world, client(1, TCP_ACK)), DROP_service_disabled);
	assert_int_equal(closed(world, FLOW_CLOSE_CLEARED), 1);
	assert_int_equal(world_receive(world, backend(address, 2, TCP_ACK)), DROP_service_disabled);
	assert_int_equal(closed(world, FLOW_CLOSE_CLEARED), 2);
	assert_int_equal(world->sent, 0);
	world_free(world);
}

static void a_service_that_moves_leaves_its_flows_behind(void **state)
{
	struct world *world = world_web(1024);
	uint32_t cursor = 0;

	(void)state;
	for (uint16_t port = 1; port <= 3; port++)
		established(world, port);
	world_set(world, KIND_SERVICE, "name", "web", "address", "203.0.113.10:81/tcp");
	world_publish(world);
	assert_int_equal(world_receive(world, client(1, TCP_ACK)), DROP_no_service);
	path_sweep(world->path, &cursor, UINT32_MAX);
	assert_int_equal(closed(world, FLOW_CLOSE_CLEARED), 3);
	assert_int_equal(path_flows(world->path)->live, 0);
	world_free(world);
}

static void a_service_of_all_ports_keeps_its_flows_beside_a_new_exact_one(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = client(1, TCP_SYN);

	(void)state;
	world_add(world, KIND_POOL, "name", "all");
	world_add(world, KIND_BACKEND, "pool", "all", "address", "10.0.0.12:0");
	world_add(world, KIND_SERVICE, "name", "all", "address", "203.0.113.10:0/tcp",
		  "pool", "all");
	world_publish(world);
	packet.destination_port = 443;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	world_add(world, KIND_SERVICE, "name", "tls", "address", "203.0.113.10:443/tcp",
		  "pool", "web");
	world_publish(world);
	packet.tcp_flags = TCP_ACK;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	struct packet sent = world_read(&world->frame[0]);
	assert_address(sent.destination, "10.0.0.12");
	assert_int_equal(from_be16(sent.destination_port), 443);
	packet.source_port = 2;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	assert_int_equal(from_be16(world_read(&world->frame[0]).destination_port), 8080);
	world_free(world);
}

static void a_disabled_backend_is_not_heard_any_more(void **state)
{
	struct world *world = world_web(1024);
	const char *address = established(world, 1);

	(void)state;
	backend_admin(world, address, "disabled");
	assert_int_equal(world_receive(world, backend(address, 1, TCP_ACK)), DROP_no_flow);
	assert_int_equal(closed(world, FLOW_CLOSE_BACKEND_LOST), 1);
	assert_int_equal(world_receive(world, backend(address, 1, TCP_ACK)), DROP_no_flow);
	assert_int_equal(world->sent, 0);
	world_free(world);
}

static void a_client_to_be_reset_keeps_its_flow_until_it_is_told(void **state)
{
	struct world *world = world_web(1024);
	const char *address = established(world, 1);
	uint32_t cursor = 0;

	(void)state;
	world_set(world, KIND_SERVICE, "name", "web", "on-backend-loss", "reset");
	backend_admin(world, address, "disabled");
	path_sweep(world->path, &cursor, UINT32_MAX);
	assert_int_equal(path_flows(world->path)->live, 1);
	assert_int_equal(world_receive(world, client(1, TCP_ACK)), DROP_backend_lost);
	assert_int_equal(closed(world, FLOW_CLOSE_BACKEND_LOST), 1);
	assert_int_equal(world_read(&world->frame[0]).tcp_flags, TCP_RST);
	assert_int_equal(world_receive(world, client(1, TCP_SYN)), VERDICT_FORWARDED);
	world_free(world);
}

static void all_backends_may_drain_at_once(void **state)
{
	struct world *world = world_web(1024);

	(void)state;
	for (uint16_t port = 1; port <= 20; port++)
		established(world, port);
	backend_admin(world, "10.0.0.11", "drain");
	backend_admin(world, "10.0.0.12", "drain");
	for (uint16_t port = 1; port <= 20; port++)
		assert_int_equal(world_receive(world, client(port, TCP_ACK)), VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, client(21, TCP_SYN)), DROP_no_backend);
	assert_int_equal(path_flows(world->path)->live, 20);
	/* A client's new connection is not for a draining backend, and there is no other. */
	assert_int_equal(world_receive(world, client(1, TCP_SYN)), DROP_no_backend);
	assert_int_equal(closed(world, FLOW_CLOSE_DRAIN), 1);
	world_free(world);
}

/* A datagram says nothing of an end: who goes on keeps his backend, who is silent lets it go. */
static void udp_flows_of_a_draining_backend_stay_and_end_by_their_idle_time(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = client(1, 0);

	(void)state;
	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.10:53/udp",
		  "pool", "web");
	world_publish(world);
	packet.protocol = PROTOCOL_NUMBER_UDP;
	packet.destination_port = 53;
	do {
		packet.source_port++;
		assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	} while (world_read(&world->frame[0]).destination.raw != world_address("10.0.0.11").raw);
	backend_admin(world, "10.0.0.11", "drain");
	for (unsigned i = 0; i < 10; i++) {
		world->now_ns += 29ULL * SECOND;
		path_tick(world->path, world->now_ns);
		assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
		assert_address(world_read(&world->frame[0]).destination, "10.0.0.11");
	}
	assert_int_equal(path_flows(world->path)->live, 1);
	world->now_ns += 30ULL * SECOND;
	path_tick(world->path, world->now_ns + SECOND / 10);
	assert_int_equal(path_flows(world->path)->live, 0);
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).destination, "10.0.0.12");
	world_free(world);
}

static void a_backend_that_leaves_one_pool_keeps_its_flows_of_the_other(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet other = client(1, TCP_SYN);

	(void)state;
	world_add(world, KIND_POOL, "name", "two");
	world_add(world, KIND_BACKEND, "pool", "two", "address", "10.0.0.11:8080");
	world_add(world, KIND_SERVICE, "name", "two", "address", "203.0.113.11:80/tcp",
		  "pool", "two");
	world_publish(world);
	other.destination = "203.0.113.11";
	assert_int_equal(world_receive(world, other), VERDICT_FORWARDED);
	world_delete(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080");
	world_publish(world);
	assert_int_equal(world_receive(world, backend("10.0.0.11", 1, TCP_ACK)), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).source, "203.0.113.11");
	other.tcp_flags = TCP_ACK;
	assert_int_equal(world_receive(world, other), VERDICT_FORWARDED);
	assert_int_equal(path_flows(world->path)->created, 1);
	world_free(world);
}

static void flows_take_a_new_route_at_once(void **state)
{
	struct world *world = world_web(1024);
	const char *address = established(world, 1);
	char host[32];

	(void)state;
	world_add(world, KIND_NEIGHBOR, "address", "10.0.0.254", "mac", "02:00:00:00:02:54",
		  "interface", "int");
	snprintf(host, sizeof(host), "%s/32", address);
	world_add(world, KIND_ROUTE, "prefix", host, "via", "10.0.0.254");
	world_publish(world);
	assert_int_equal(world_receive(world, client(1, TCP_ACK)), VERDICT_FORWARDED);
	struct packet packet = world_read(&world->frame[0]);
	assert_int_equal(packet.ethernet->destination.byte[4], 2);
	assert_address(packet.destination, address);
	world_delete(world, KIND_ROUTE, "prefix", host);
	world_publish(world);
	assert_int_equal(world_receive(world, client(1, TCP_ACK)), VERDICT_FORWARDED);
	assert_int_equal(world_read(&world->frame[0]).ethernet->destination.byte[4], 0);
	world_free(world);
}

static void flows_outlive_an_interface_that_is_down(void **state)
{
	struct world *world = world_web(1024);
	const char *address = established(world, 1);

	(void)state;
	world->down[world_interface(world, "int")] = true;
	world_publish(world);
	assert_int_equal(world_receive(world, client(1, TCP_ACK)), DROP_interface_down);
	world->down[world_interface(world, "int")] = false;
	world_publish(world);
	assert_int_equal(world_receive(world, client(1, TCP_ACK)), VERDICT_FORWARDED);
	assert_address(world_read(&world->frame[0]).destination, address);
	world_free(world);
}

static void shrinking_max_flows_evicts_nothing(void **state)
{
	struct world *world = world_web(1024);

	(void)state;
	for (uint16_t port = 1; port <= 10; port++)
		established(world, port);
	world_set(world, KIND_SERVICE, "name", "web", "max-flows", "3");
	world_publish(world);
	for (uint16_t port = 1; port <= 10; port++)
		assert_int_equal(world_receive(world, client(port, TCP_ACK)), VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, client(11, TCP_SYN)), DROP_service_flows_full);
	for (uint16_t port = 1; port <= 8; port++)
		assert_int_equal(world_receive(world, client(port, TCP_RST)), VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, client(11, TCP_SYN)), DROP_service_flows_full);
	world->now_ns += 10ULL * SECOND;
	assert_int_equal(world_receive(world, client(9, TCP_ACK)), VERDICT_FORWARDED);
	path_tick(world->path, world->now_ns + SECOND / 10);
	assert_int_equal(world_receive(world, client(11, TCP_SYN)), VERDICT_FORWARDED);
	assert_int_equal(world_receive(world, client(12, TCP_SYN)), DROP_service_flows_full);
	world_free(world);
}

static void max_flows_is_the_services_whatever_its_protocols(void **state)
{
	struct world *world = world_web(1024);
	struct world_packet packet = client(1, TCP_SYN);

	(void)state;
	world_add(world, KIND_SERVICE, "name", "any", "address", "203.0.113.10:53/any",
		  "pool", "web", "max-flows", "3");
	world_publish(world);
	packet.destination_port = 53;
	for (packet.source_port = 1; packet.source_port <= 2; packet.source_port++)
		assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	packet.protocol = PROTOCOL_NUMBER_UDP;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	packet.source_port++;
	assert_int_equal(world_receive(world, packet), DROP_service_flows_full);
	packet.protocol = PROTOCOL_NUMBER_TCP;
	assert_int_equal(world_receive(world, packet), DROP_service_flows_full);
	world_free(world);
}

/* Two appliances that share the seed choose alike, whether one was started with it or has been given
 * it while it ran: the flow table's own seed is what it was at start. */
static void a_new_seed_makes_new_choices_and_leaves_flows(void **state)
{
	enum { CLIENTS = 64 };
	struct world *world = world_web(1024), *other = world_web(1024);
	const char *before[CLIENTS], *after[CLIENTS];
	unsigned moved = 0;

	(void)state;
	path_flows(other->path)->seed = 7;
	for (uint16_t i = 0; i < CLIENTS; i++)
		before[i] = chosen(world, i);
	world_set(world, KIND_GLOBAL, "seed", "7");
	world_set(other, KIND_GLOBAL, "seed", "7");
	world_publish(world);
	world_publish(other);
	for (uint16_t i = 0; i < CLIENTS; i++) {
		assert_string_equal(chosen(world, i), before[i]);
		after[i] = chosen(other, i);
		moved += strcmp(before[i], after[i]) != 0;
	}
	/* Chosen again, they are where the other has them. */
	world->now_ns += 31ULL * SECOND;
	for (uint16_t i = 0; i < CLIENTS; i++)
		assert_string_equal(chosen(world, i), after[i]);
	assert_in_range(moved, CLIENTS / 4, CLIENTS);
	world_free(world);
	world_free(other);
}

/* Neither who is there nor his state has changed: a weight alone is a new table, also to and from 0. */
static void a_weight_that_alone_changes_moves_new_flows(void **state)
{
	enum { CLIENTS = 300 };
	static const struct { const char *weight; unsigned least, most; } rows[] = {
		{"1", 120, 180}, {"4", 215, 265}, {"0", 0, 0}, {"1", 120, 180},
	};
	struct world *world = world_web(4096);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned first = 0;

		if (i)
			world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080",
				  "weight", rows[i].weight);
		world_publish(world);
		for (uint16_t port = 0; port < CLIENTS; port++)
			first += strcmp(chosen(world, port), "10.0.0.11") == 0;
		assert_in_range(first, rows[i].least, rows[i].most);
		world->now_ns += 31ULL * SECOND;
	}
	world_free(world);
}

/* Rows of one service or two with a backend each, and what a reply without a flow becomes. */
static void ways_back_without_a_flow(void **state)
{
	static const struct {
		const char *first, *first_backend, *second, *second_backend;
		uint16_t source_port;
		enum verdict verdict;
		uint16_t port; /* of the reply, once translated */
	} rows[] = {
		{"203.0.113.10:80/udp", "10.0.0.11:8080", NULL, NULL, 8080, VERDICT_FORWARDED, 80},
		{"203.0.113.10:80/udp", "10.0.0.11:8080", NULL, NULL, 8081, DROP_no_flow, 0},
		{"203.0.113.10:80/udp", "10.0.0.11:0", NULL, NULL, 80, VERDICT_FORWARDED, 80},
		{"203.0.113.10:80/udp", "10.0.0.11:0", NULL, NULL, 81, DROP_no_flow, 0},
		{"203.0.113.10:0/udp", "10.0.0.11:0", NULL, NULL, 4711, VERDICT_FORWARDED, 4711},
		{"203.0.113.10:0/udp", "10.0.0.11:8080", NULL, NULL, 8080, DROP_no_flow, 0},
		{"203.0.113.10:80/udp", "10.0.0.11:8080", "203.0.113.11:80/udp", "10.0.0.11:8080",
		 8080, DROP_no_flow, 0},
		{"203.0.113.10:80/udp", "10.0.0.11:8080", "203.0.113.11:0/udp", "10.0.0.11:8080",
		 8080, DROP_no_flow, 0},
		{"203.0.113.10:80/udp", "10.0.0.11:80", "203.0.113.11:0/udp", "10.0.0.11:0", 80,
		 DROP_no_flow, 0},
		{"203.0.113.10:80/udp", "10.0.0.11:80", "203.0.113.11:0/udp", "10.0.0.11:0", 81,
		 VERDICT_FORWARDED, 81},
		{"203.0.113.10:80/udp", "10.0.0.11:80", "203.0.113.11:81/udp", "10.0.0.11:0", 81,
		 VERDICT_FORWARDED, 81},
		{"203.0.113.10:80/udp", "10.0.0.11:80", "203.0.113.11:80/tcp", "10.0.0.11:80", 80,
		 VERDICT_FORWARDED, 80},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *world = world_web(1024);
		struct world_packet reply = {
			.in = "int", .source = "10.0.0.11", .destination = "198.51.100.7",
			.source_port = rows[i].source_port, .destination_port = 999,
			.protocol = PROTOCOL_NUMBER_UDP,
		};

		world_delete(world, KIND_SERVICE, "name", "web");
		world_add(world, KIND_POOL, "name", "one");
		world_add(world, KIND_BACKEND, "pool", "one", "address", rows[i].first_backend);
		world_add(world, KIND_SERVICE, "name", "one", "address", rows[i].first,
			  "pool", "one");
		if (rows[i].second) {
			world_add(world, KIND_POOL, "name", "two");
			world_add(world, KIND_BACKEND, "pool", "two", "address",
				  rows[i].second_backend);
			world_add(world, KIND_SERVICE, "name", "two", "address", rows[i].second,
				  "pool", "two");
		}
		world_publish(world);
		assert_int_equal(world_receive(world, reply), rows[i].verdict);
		if (rows[i].verdict == VERDICT_FORWARDED)
			assert_int_equal(from_be16(world_read(&world->frame[0]).source_port),
					 rows[i].port);
		world_free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disabled_service_ends_its_flows_both_ways),
		cmocka_unit_test(a_service_that_moves_leaves_its_flows_behind),
		cmocka_unit_test(a_service_of_all_ports_keeps_its_flows_beside_a_new_exact_one),
		cmocka_unit_test(a_disabled_backend_is_not_heard_any_more),
		cmocka_unit_test(a_client_to_be_reset_keeps_its_flow_until_it_is_told),
		cmocka_unit_test(all_backends_may_drain_at_once),
		cmocka_unit_test(
			udp_flows_of_a_draining_backend_stay_and_end_by_their_idle_time),
		cmocka_unit_test(a_backend_that_leaves_one_pool_keeps_its_flows_of_the_other),
		cmocka_unit_test(flows_take_a_new_route_at_once),
		cmocka_unit_test(flows_outlive_an_interface_that_is_down),
		cmocka_unit_test(shrinking_max_flows_evicts_nothing),
		cmocka_unit_test(max_flows_is_the_services_whatever_its_protocols),
		cmocka_unit_test(a_new_seed_makes_new_choices_and_leaves_flows),
		cmocka_unit_test(a_weight_that_alone_changes_moves_new_flows),
		cmocka_unit_test(ways_back_without_a_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
