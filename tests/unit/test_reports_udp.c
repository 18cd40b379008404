/* What `show` and `lookup` say of UDP flows that have limits. */
#include "tests/unit/show.h"

#define SECOND_NS UINT64_C(1000000000)

static struct world *world_dns(void)
{
	struct world *world = world_web(1024);

	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.10:53/udp", "pool",
		  "web", "max-flows", "50", "requests", "2", "responses", "3", "lifetime", "60",
		  "front-timeout", "500ms", "back-timeout", "20");
	world_publish(world);
	return world;
}

static void ask(struct world *world, unsigned times)
{
	const struct world_packet packet = {
		.in = "ext", .source = "198.51.100.7", .source_port = 4000,
		.destination = "203.0.113.10", .destination_port = 53,
		.protocol = PROTOCOL_NUMBER_UDP,
	};

	while (times--)
		world_receive(world, packet);
}

static void a_service_tells_its_limits(void **state)
{
	struct world *world = world_dns();
	struct stage *stage = stage_new(world);

	(void)state;
	const json_t *list = show(stage, SERVICE, "service", .limit = 0);
	const json_t *dns = row(list, "name", "dns"), *web = row(list, "name", "web");
	assert_int_equal(number(dns, "max_flows"), 50);
	assert_int_equal(number(dns, "requests"), 2);
	assert_int_equal(number(dns, "responses"), 3);
	assert_int_equal(number(dns, "lifetime"), 60 * SECOND_NS);
	assert_int_equal(number(dns, "front_timeout"), SECOND_NS / 2);
	assert_int_equal(number(dns, "back_timeout"), 20 * SECOND_NS);
	assert_true(json_is_null(json_object_get(web, "max_flows")));
	assert_int_equal(number(web, "requests"), 0);
	assert_int_equal(number(web, "lifetime"), 0);
	stage_free(stage);
}

static void a_flow_tells_what_is_left_of_its_limits(void **state)
{
	struct world *world = world_dns();
	struct stage *stage = stage_new(world);

	(void)state;
	ask(world, 1);
	world->now_ns += SECOND_NS / 10;
	const json_t *flow = json_array_get(show(stage, FLOW, "flow", .limit = 0), 0);
	assert_int_equal(number(flow, "requests_left"), 1);
	assert_int_equal(number(flow, "responses_left"), 3);
	assert_int_equal(number(flow, "expires"), SECOND_NS * 4 / 10);
	ask(world, 3);
	flow = json_array_get(show(stage, FLOW, "flow", .limit = 0), 0);
	assert_int_equal(number(flow, "requests_left"), 0);
	assert_int_equal(number(flow, "expires"), SECOND_NS / 2);
	stage_free(stage);
}

static void a_flow_without_limits_has_any_number_left(void **state)
{
	struct world *world = world_dns();
	struct stage *stage = stage_new(world);

	(void)state;
	world_set(world, KIND_SERVICE, "name", "dns", "requests", "0", "responses", "0", "lifetime",
		  "0", "front-timeout", "0", "back-timeout", "0");
	world_publish(world);
	ask(world, 5);
	const json_t *flow = json_array_get(show(stage, FLOW, "flow", .limit = 0), 0);
	assert_true(json_is_null(json_object_get(flow, "requests_left")));
	assert_true(json_is_null(json_object_get(flow, "responses_left")));
	assert_int_equal(number(flow, "expires"), 30 * SECOND_NS);
	stage_free(stage);
}

static void the_header_is_told_by_service_and_flow(void **state)
{
	struct world *world = world_dns();
	struct stage *stage = stage_new(world);

	(void)state;
	world_set(world, KIND_SERVICE, "name", "dns", "proxy-protocol", "first", "requests", "0");
	world_publish(world);
	const json_t *list = show(stage, SERVICE, "service", .limit = 0);
	assert_string_equal(text(row(list, "name", "dns"), "proxy_protocol"), "first");
	assert_string_equal(text(row(list, "name", "web"), "proxy_protocol"), "off");
	ask(world, 1);
	list = show(stage, FLOW, "flow", .limit = 0);
	assert_string_equal(text(json_array_get(list, 0), "proxy"), "sent");
	world_set(world, KIND_SERVICE, "name", "dns", "proxy-protocol", "every");
	world_publish(world);
	ask(world, 1);
	list = show(stage, FLOW, "flow", .limit = 0);
	assert_string_equal(text(json_array_get(list, 0), "proxy"), "sent");
	world->now_ns += 20 * SECOND_NS;
	ask(world, 1);
	list = show(stage, FLOW, "flow", .limit = 0);
	assert_string_equal(text(json_array_get(list, 0), "proxy"), "every");
	stage_free(stage);
}

static const json_t *look_up(struct stage *stage)
{
	struct tuple_question question = {.udp = true};

	assert_int_equal(parse_endpoint("198.51.100.7:4000", &question.source), 0);
	assert_int_equal(parse_endpoint("203.0.113.10:53", &question.destination), 0);
	stage_clear(stage);
	assert_int_equal(reports_lookup(stage_control(stage), &question, &stage->report, stage->error,
					sizeof(stage->error)), 0);
	return stage_render(stage, "lookup");
}

static void lookup_knows_that_requests_are_used_up(void **state)
{
	struct world *world = world_dns();
	struct stage *stage = stage_new(world);

	(void)state;
	ask(world, 1);
	assert_string_equal(text(look_up(stage), "verdict"), "forwarded");
	ask(world, 1);
	const json_t *answer = look_up(stage);
	assert_string_equal(text(answer, "verdict"), "requests_used_up");
	assert_string_equal(text(answer, "how"), "flow");
	assert_non_null(strstr(stage->text, "DROP requests_used_up: a client's datagram beyond"));
	world->now_ns += SECOND_NS / 2;
	answer = look_up(stage);
	assert_string_equal(text(answer, "verdict"), "forwarded");
	assert_true(json_is_true(json_object_get(answer, "new_flow")));
	stage_free(stage);
}

static void lookup_tells_of_the_header(void **state)
{
	struct world *world = world_dns();
	struct stage *stage = stage_new(world);

	(void)state;
	const json_t *answer = look_up(stage);
	assert_true(json_is_false(json_object_get(answer, "proxy")));
	assert_int_equal(number(answer, "packet_max"), 1500);
	world_set(world, KIND_SERVICE, "name", "dns", "proxy-protocol", "first");
	world_publish(world);
	answer = look_up(stage);
	assert_true(json_is_true(json_object_get(answer, "proxy")));
	assert_int_equal(number(answer, "mtu"), 1500);
	assert_int_equal(number(answer, "packet_max"), 1472);
	assert_non_null(strstr(stage->text, "  with a PROXY header, packets of up to 1472 "));
	ask(world, 1);
	answer = look_up(stage); /* of the flow, whose first datagram has had it */
	assert_true(json_is_false(json_object_get(answer, "proxy")));
	stage_free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_tells_its_limits),
		cmocka_unit_test(a_flow_tells_what_is_left_of_its_limits),
		cmocka_unit_test(a_flow_without_limits_has_any_number_left),
		cmocka_unit_test(the_header_is_told_by_service_and_flow),
		cmocka_unit_test(lookup_knows_that_requests_are_used_up),
		cmocka_unit_test(lookup_tells_of_the_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
