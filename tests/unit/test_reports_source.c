/* What `show` and `lookup` say of whom the backends see. */
#include "tests/unit/show.h"

#define CLIENT "198.51.100.7"

static struct packet connect_from(struct world *world, uint16_t port)
{
	struct world_packet packet = {
		.in = "ext", .source = CLIENT, .destination = "203.0.113.10", .source_port = port,
		.destination_port = 80, .protocol = PROTOCOL_NUMBER_TCP, .tcp_flags = TCP_SYN,
	};

	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	return world_read(&world->frame[0]);
}

static struct stage *stage_with(const char *attribute, const char *value)
{
	struct world *world = world_web(1024);

	world_set(world, KIND_SERVICE, "name", "web", attribute, value);
	world_publish(world);
	return stage_new(world);
}

static const json_t *first(const json_t *list)
{
	assert_int_equal(json_array_size(list), 1);
	return json_array_get(list, 0);
}

/* As a flow and as a lookup both say. */
static void assert_source(const json_t *object, const char *mode, const char *address, uint16_t port)
{
	assert_string_equal(text(object, "mode"), mode);
	assert_string_equal(text(object, "source_address"), address);
	assert_int_equal(number(object, "source_port"), port);
}

static void in_nat_it_is_the_client(void **state)
{
	struct stage *stage = stage_new(world_web(1024));

	(void)state;
	connect_from(stage->world, 40000);
	assert_source(first(show(stage, FLOW, "flow", .limit = 0)), "nat", CLIENT, 40000);
	assert_source(stage_lookup(stage, CLIENT ":40000", "203.0.113.10:80"), "nat", CLIENT, 40000);
	assert_null(strstr(stage->text, "source"));
	const json_t *service = first(show(stage, SERVICE, "service", .limit = 0));
	assert_string_equal(text(service, "mode"), "nat");
	assert_true(json_is_null(json_object_get(service, "source_rewrite")));
	stage_free(stage);
}

static void in_fullnat_it_is_the_appliance(void **state)
{
	struct stage *stage = stage_with("mode", "fullnat");
	char line[64];

	(void)state;
	/* Before there is a flow, and then by it. */
	const json_t *answer = stage_lookup(stage, CLIENT ":40000", "203.0.113.10:80");
	uint16_t port = (uint16_t)number(answer, "source_port");
	assert_source(answer, "fullnat", "10.0.0.1", port);
	struct packet packet = connect_from(stage->world, 40000);
	assert_int_equal(from_be16(packet.source_port), port);
	answer = stage_lookup(stage, CLIENT ":40000", "203.0.113.10:80");
	assert_source(answer, "fullnat", "10.0.0.1", port);
	snprintf(line, sizeof(line), "(flow)\n  fullnat, source 10.0.0.1:%u\n  out ext -> int,", port);
	assert_non_null(strstr(stage->text, line));
	assert_source(first(show(stage, FLOW, "flow", .limit = 0)), "fullnat", "10.0.0.1", port);
	assert_string_equal(text(first(show(stage, SERVICE, "service", .limit = 0)), "mode"),
			    "fullnat");
	stage_free(stage);
}

static void rewritten_it_is_the_client_in_another_network(void **state)
{
	struct stage *stage = stage_with("source-rewrite", "198.51.100.0/24 to 10.7.7.0/24");

	(void)state;
	connect_from(stage->world, 40000);
	assert_source(first(show(stage, FLOW, "flow", .limit = 0)), "nat", "10.7.7.7", 40000);
	assert_source(stage_lookup(stage, CLIENT ":40001", "203.0.113.10:80"), "nat", "10.7.7.7", 40001);
	assert_non_null(strstr(stage->text, "\n  nat, source 10.7.7.7:40001\n"));
	assert_string_equal(text(first(show(stage, SERVICE, "service", .limit = 0)),
				 "source_rewrite"), "198.51.100.0/24 to 10.7.7.0/24");
	stage_free(stage);
}

static void where_there_is_none_it_is_null(void **state)
{
	struct stage *stage = stage_with("mode", "fullnat");
	const json_t *answer = stage_lookup(stage, CLIENT ":40000", "203.0.113.10:81");

	(void)state;
	assert_true(json_is_null(json_object_get(answer, "mode")));
	assert_true(json_is_null(json_object_get(answer, "source_address")));
	/* One port, and two backends to use it for. */
	world_set(stage->world, KIND_GLOBAL, "fullnat-slices", "60416");
	world_publish(stage->world);
	connect_from(stage->world, 1);
	connect_from(stage->world, 2);
	answer = stage_lookup(stage, CLIENT ":40000", "203.0.113.10:80");
	assert_string_equal(text(answer, "verdict"), "source_ports_exhausted");
	assert_string_equal(text(answer, "mode"), "fullnat");
	assert_true(json_is_null(json_object_get(answer, "source_port")));
	stage_free(stage);
}

static void lookup_tells_how_a_packet_is_handed_over(void **state)
{
	static const struct { const char *mode, *line; unsigned most; } rows[] = {
		{"dsr", "\n  dsr, to the MAC of the next hop\n", 1500},
		{"ipip", "\n  ipip, 10.0.0.1 -> 10.0.0.11, packets of up to 1480 bytes\n", 1480},
		{"gue", " -> 10.0.0.11:6080, packets of up to 1472 bytes\n", 1472},
	};
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);

	(void)state;
	world_delete(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:8080");
	world_delete(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:0");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_set(world, KIND_SERVICE, "name", "web", "mode", rows[i].mode);
		world_publish(world);
		const json_t *answer = stage_lookup(stage, CLIENT ":40000", "203.0.113.10:80");
		assert_source(answer, rows[i].mode, CLIENT, 40000);
		assert_int_equal(number(answer, "mtu"), WORLD_MTU);
		assert_int_equal(number(answer, "packet_max"), rows[i].most);
		assert_non_null(strstr(stage->text, rows[i].line));
	}
	stage_free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_nat_it_is_the_client),
		cmocka_unit_test(in_fullnat_it_is_the_appliance),
		cmocka_unit_test(rewritten_it_is_the_client_in_another_network),
		cmocka_unit_test(where_there_is_none_it_is_null),
		cmocka_unit_test(lookup_tells_how_a_packet_is_handed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
