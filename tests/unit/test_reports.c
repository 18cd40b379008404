/* What `show` and `lookup` say of a path that has seen traffic. */
#include "tests/unit/show.h"

#include "appliance/observe.h"

#include <errno.h>

enum { SECOND = 1000000000 };

static const struct world_packet syn = {
	.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10", .source_port = 40000,
	.destination_port = 80, .protocol = PROTOCOL_NUMBER_TCP, .tcp_flags = TCP_SYN, .payload = 10,
};

static enum verdict connect_from(struct world *world, uint16_t port)
{
	struct world_packet packet = syn;

	packet.source_port = port;
	return world_receive(world, packet);
}

static void connect_many(struct world *world, uint16_t first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(connect_from(world, (uint16_t)(first + i)), VERDICT_FORWARDED);
}

/* Forwarded, answered, dropped for two reasons, and one that waits for a MAC. */
static void varied_traffic(struct world *world)
{
	struct world_packet nowhere = syn, strange = syn, answer = syn;

	connect_many(world, 40000, 20);
	nowhere.destination_port = 81;
	assert_int_equal(world_receive(world, nowhere), DROP_no_service);
	strange.source = "127.0.0.1";
	assert_int_equal(world_receive(world, strange), DROP_ip_bad_source);
	answer.in = "int";
	answer.source = "10.0.0.99";
	answer.destination = "198.51.100.9";
	assert_int_equal(world_receive(world, answer), DROP_no_flow);
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.13:8080", "weight", "60000");
	world_publish(world);
	for (uint16_t port = 50000; connect_from(world, port) != VERDICT_HELD; port++)
		assert_true(port < 50100);
}

static void assert_conserved(const json_t *totals)
{
	assert_int_equal(number(totals, "received"),
			 number(totals, "forwarded") + number(totals, "consumed") +
				 number(totals, "held") + number(totals, "dropped"));
}

static void stats_conserve_frames_and_add_up(void **state)
{
	struct stage *stage = stage_new(world_web(1024));
	const char *key;
	json_t *value;
	size_t i;

	(void)state;
	varied_traffic(stage->world);
	json_t *stats = show(stage, STATS, "stats", .limit = 0);
	const json_t *interfaces = json_object_get(stats, "interface"), *one;
	json_t *total = json_object_get(stats, "total");

	assert_int_equal(json_array_size(interfaces), 2);
	json_array_foreach(interfaces, i, one)
		assert_conserved(one);
	assert_conserved(total);
	json_object_foreach(total, key, value)
		assert_int_equal(json_integer_value(value),
				 number(json_array_get(interfaces, 0), key) +
					 number(json_array_get(interfaces, 1), key));
	assert_int_equal(number(row(interfaces, "name", "ext"), "dropped"), 2);
	assert_int_equal(number(row(interfaces, "name", "int"), "dropped"), 1);
	assert_int_equal(number(total, "held"), 1);
	assert_int_equal(number(total, "sent"),
			 number(total, "forwarded") + number(total, "originated"));
	stage_free(stage);
}

static void closed_flows_are_told_by_reason(void **state)
{
	struct stage *stage = stage_new(world_web(1024));
	struct flow_match all = {.backend_id = NONE, .service_id = NONE};
	uint32_t cursor = 0;

	(void)state;
	connect_many(stage->world, 40000, 7);
	path_close_flows(stage->world->path, &all, FLOW_CLOSE_CLEARED, &cursor, UINT32_MAX);
	connect_many(stage->world, 41000, 2);
	const json_t *flows = json_object_get(show(stage, STATS, "stats", .limit = 0), "flows");

	assert_int_equal(number(flows, "live"), 2);
	assert_int_equal(number(flows, "created"), 9);
	assert_int_equal(number(flows, "closed"), 7);
	assert_int_equal(number(flows, "closed_cleared"), 7);
	assert_int_equal(number(flows, "closed_idle"), 0);
	assert_int_equal(number(flows, "half_open"), 2);
	assert_int_equal(number(flows, "capacity"), 1024);
	stage_free(stage);
}

static void drops_name_every_reason_and_show_those_that_occurred(void **state)
{
	struct stage *stage = stage_new(world_web(1024));

	(void)state;
	show(stage, DROPS, "drops", .limit = 0);
	assert_string_equal(stage->text, "no drops\n");
	varied_traffic(stage->world);
	const json_t *drops = show(stage, DROPS, "drops", .limit = 0);
	assert_int_equal(json_object_size(drops), VERDICT_COUNT - VERDICT_FIRST_DROP);
	assert_int_equal(number(drops, "no_service"), 1);
	assert_int_equal(number(drops, "no_flow"), 1);
	assert_int_equal(number(drops, "no_backend"), 0);
	assert_non_null(strstr(stage->text, "no_service                      1  no service at this VIP"));
	assert_null(strstr(stage->text, "no_backend"));
	drops = show(stage, DROPS, "drops", .name = "int");
	assert_int_equal(number(drops, "no_service"), 0);
	assert_int_equal(number(drops, "no_flow"), 1);
	stage_free(stage);
}

static void backends_show_admin_health_and_state_apart(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);
	uint64_t flows = 0;
	const json_t *one;
	size_t i;

	(void)state;
	connect_many(world, 40000, 40);
	const json_t *list = show(stage, BACKEND, "backend", .limit = 0);
	json_array_foreach(list, i, one) {
		assert_string_equal(text(one, "admin"), "enabled");
		assert_string_equal(text(one, "health"), "unknown");
		assert_string_equal(text(one, "state"), "up");
		assert_int_equal(number(one, "active_flows"), number(one, "total_flows"));
		assert_int_equal(number(one, "packets"), number(one, "total_flows"));
		flows += number(one, "active_flows");
	}
	assert_int_equal(flows, 40);

	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080", "admin", "drain");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.13:8080", "admin", "drain",
		  "name", "spare");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.14:8080", "admin", "disabled");
	world_publish(world);
	list = show(stage, BACKEND, "backend", .name = "web");
	assert_string_equal(text(row(list, "address", "10.0.0.11"), "state"), "draining");
	assert_string_equal(text(row(list, "address", "10.0.0.13"), "state"), "drained");
	assert_string_equal(text(row(list, "address", "10.0.0.13"), "name"), "spare");
	assert_string_equal(text(row(list, "address", "10.0.0.14"), "state"), "disabled");
	stage_free(stage);
}

static void a_checked_backend_is_down_until_its_first_success(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);

	(void)state;
	world_add(world, KIND_CHECK, "name", "hc", "type", "tcp", "port", "9000");
	world_set(world, KIND_POOL, "name", "web", "check", "hc");
	world_publish(world);
	const json_t *list = show(stage, BACKEND, "backend", .limit = 0);
	assert_string_equal(text(json_array_get(list, 0), "health"), "down");
	assert_string_equal(text(json_array_get(list, 0), "state"), "down");
	list = show(stage, CHECK, "check", .name = "hc");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text(json_array_get(list, 0), "pool"), "web");
	assert_string_equal(text(json_array_get(list, 0), "type"), "tcp");
	assert_int_equal(number(json_array_get(list, 0), "port"), 9000);
	assert_string_equal(text(json_array_get(list, 0), "result"), "not checked yet");
	list = show(stage, SERVICE, "service", .limit = 0);
	assert_string_equal(text(json_array_get(list, 0), "state"), "down");
	assert_int_equal(number(json_array_get(list, 0), "backends_up"), 0);
	assert_int_equal(number(json_array_get(list, 0), "backends"), 2);
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080", "admin", "drain");
	world_publish(world);
	list = show(stage, BACKEND, "backend", .limit = 0);
	assert_string_equal(text(row(list, "address", "10.0.0.11"), "state"), "drained");
	stage_free(stage);
}

static void a_service_of_any_protocol_sums_both(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);
	struct world_packet packet = syn;

	(void)state;
	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.11:53/any", "pool", "web");
	world_publish(world);
	packet.destination = "203.0.113.11";
	packet.destination_port = 53;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	packet.protocol = PROTOCOL_NUMBER_UDP;
	assert_int_equal(world_receive(world, packet), VERDICT_FORWARDED);
	connect_many(world, 40000, 5);
	const json_t *list = show(stage, SERVICE, "service", .limit = 0);
	assert_int_equal(json_array_size(list), 2);
	const json_t *dns = row(list, "name", "dns");
	assert_string_equal(text(dns, "protocol"), "any");
	assert_string_equal(text(dns, "state"), "up");
	assert_int_equal(number(dns, "active_flows"), 2);
	assert_int_equal(number(dns, "packets"), 2);
	assert_int_equal(number(row(list, "name", "web"), "total_flows"), 5);
	list = show(stage, FLOW, "flow", .service = "dns");
	assert_int_equal(json_array_size(list), 2);
	world_set(world, KIND_SERVICE, "name", "web", "admin", "disabled");
	world_publish(world);
	list = show(stage, SERVICE, "service", .name = "web");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text(json_array_get(list, 0), "state"), "disabled");
	stage_free(stage);
}

static void a_pool_without_weight_is_no_table_and_no_service(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);

	(void)state;
	const json_t *pool = json_array_get(show(stage, POOL, "pool", .limit = 0), 0);
	assert_int_equal(strlen(text(pool, "fingerprint")), 16);
	assert_int_equal(strspn(text(pool, "fingerprint"), "0123456789abcdef"), 16);
	assert_int_equal(number(pool, "weight"), 2);
	assert_int_equal(number(pool, "services"), 1);
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080", "weight", "0");
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:8080", "weight", "0");
	world_publish(world);
	pool = json_array_get(show(stage, POOL, "pool", .limit = 0), 0);
	assert_true(json_is_null(json_object_get(pool, "fingerprint")));
	assert_int_equal(number(pool, "backends_up"), 2);
	assert_int_equal(number(pool, "weight"), 0);
	const json_t *service = json_array_get(show(stage, SERVICE, "service", .limit = 0), 0);
	assert_string_equal(text(service, "state"), "down");
	stage_free(stage);
}

static void a_flow_says_who_where_and_how_long(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);

	(void)state;
	connect_many(world, 40000, 1);
	world->now_ns += 3 * (uint64_t)SECOND;
	connect_many(world, 40000, 1);
	world->now_ns += 2 * (uint64_t)SECOND;
	const json_t *flow = json_array_get(show(stage, FLOW, "flow", .limit = 0), 0);
	assert_string_equal(text(flow, "client_address"), "198.51.100.7");
	assert_int_equal(number(flow, "client_port"), 40000);
	assert_string_equal(text(flow, "vip_address"), "203.0.113.10");
	assert_int_equal(number(flow, "vip_port"), 80);
	assert_string_equal(text(flow, "protocol"), "tcp");
	assert_int_equal(number(flow, "backend_port"), 8080);
	assert_string_equal(text(flow, "pool"), "web");
	assert_string_equal(text(flow, "service"), "web");
	assert_string_equal(text(flow, "state"), "syn");
	assert_string_equal(text(flow, "interface"), "ext");
	assert_int_equal(number(flow, "idle"), 2 * (uint64_t)SECOND);
	assert_int_equal(number(flow, "age"), 5 * (uint64_t)SECOND);
	world->now_ns += 28 * (uint64_t)SECOND;
	assert_int_equal(json_array_size(show(stage, FLOW, "flow", .limit = 0)), 0);
	stage_free(stage);
}

static void flows_are_filtered(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);
	struct filter by_backend = {.has_backend = true};
	struct world_packet other = syn;

	(void)state;
	connect_many(world, 40000, 30);
	other.source = "198.51.100.8";
	assert_int_equal(world_receive(world, other), VERDICT_FORWARDED);
	assert_int_equal(json_array_size(show(stage, FLOW, "flow", .service = "web")), 31);
	assert_int_equal(json_array_size(show(stage, FLOW, "flow", .has_client = true,
					      .client = world_address("198.51.100.8"))), 1);
	assert_int_equal(json_array_size(show(stage, FLOW, "flow", .has_client_port = true,
					      .client_port = 40000)), 2);
	assert_int_equal(parse_endpoint("10.0.0.11:8080", &by_backend.backend), 0);
	uint64_t active = number(row(show(stage, BACKEND, "backend", .limit = 0), "address",
				     "10.0.0.11"), "active_flows");
	assert_int_equal(json_array_size(stage_show(stage, TOPIC_FLOW, "flow", by_backend)), active);
	stage_free(stage);
}

static void more_flows_than_asked_for_are_told(void **state)
{
	struct stage *stage = stage_new(world_web(1024));

	(void)state;
	connect_many(stage->world, 40000, 6);
	assert_int_equal(json_array_size(show(stage, FLOW, "flow", .limit = 6)), 6);
	assert_null(strstr(stage->text, "more"));
	const json_t *list = show(stage, FLOW, "flow", .limit = 5);
	assert_int_equal(json_array_size(list), 5);
	assert_null(json_object_get(json_array_get(list, 4), "note"));
	assert_non_null(strstr(stage->text, "\nThere are more than these 5 flows"));
	stage_free(stage);
}

static void a_table_of_many_slices_is_walked_once(void **state)
{
	struct stage *stage = stage_new(world_web(4 * OBSERVE_SLICE + 1));
	bool seen[UINT16_MAX + 1] = {false};
	const json_t *one;
	size_t i;

	(void)state;
	/* Of half-open flows an eighth of the table fits: these become established. */
	for (uint16_t port = 20000; port < 20000 + 3 * OBSERVE_SLICE; port++) {
		struct world_packet packet = syn, reply = {
			.in = "int", .destination = "198.51.100.7", .source_port = 8080,
			.destination_port = port, .protocol = PROTOCOL_NUMBER_TCP,
			.tcp_flags = TCP_SYN | TCP_ACK,
		};

		assert_int_equal(connect_from(stage->world, port), VERDICT_FORWARDED);
		struct packet sent = world_read(&stage->world->frame[0]);
		reply.source = from_be32(sent.destination) == 0x0a00000b ? "10.0.0.11" : "10.0.0.12";
		assert_int_equal(world_receive(stage->world, reply), VERDICT_FORWARDED);
		packet.source_port = port;
		packet.tcp_flags = TCP_ACK;
		assert_int_equal(world_receive(stage->world, packet), VERDICT_FORWARDED);
	}
	const json_t *list = show(stage, FLOW, "flow", .limit = 0);
	assert_int_equal(json_array_size(list), 3 * OBSERVE_SLICE);
	json_array_foreach(list, i, one) {
		assert_string_equal(text(one, "state"), "established");
		assert_false(seen[number(one, "client_port")]);
		seen[number(one, "client_port")] = true;
	}
	stage_free(stage);
}

static void neighbors_stand_in_the_order_of_their_addresses(void **state)
{
	struct stage *stage = stage_new(world_web(1024));

	(void)state;
	varied_traffic(stage->world);
	stage->world->now_ns += SECOND / 2;
	const json_t *list = show(stage, NEIGHBOR, "neighbor", .limit = 0);
	assert_int_equal(json_array_size(list), 4);
	const json_t *asked = json_array_get(list, 2);
	assert_string_equal(text(asked, "address"), "10.0.0.13");
	assert_string_equal(text(asked, "interface"), "int");
	assert_string_equal(text(asked, "state"), "incomplete");
	assert_true(json_is_null(json_object_get(asked, "mac")));
	assert_int_equal(number(asked, "held"), 1);
	assert_int_equal(number(asked, "age"), SECOND / 2);
	assert_string_equal(text(json_array_get(list, 3), "address"), "198.51.100.7");
	assert_true(json_is_null(json_object_get(json_array_get(list, 3), "age")));
	stage_free(stage);
}

static void interfaces_neighbors_and_routes_are_those_in_force(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);

	(void)state;
	world_add(world, KIND_ROUTE, "prefix", "192.0.2.0/24", "via", "198.51.100.254");
	world_publish(world);
	const json_t *one = row(show(stage, INTERFACE, "interface", .limit = 0), "name", "int");
	assert_string_equal(text(one, "role"), "backend");
	const json_t *addresses = json_object_get(one, "addresses");
	assert_int_equal(json_array_size(addresses), 1);
	assert_string_equal(json_string_value(json_array_get(addresses, 0)), "10.0.0.1/24");
	assert_string_equal(text(one, "mac"), "02:00:00:00:00:02");
	assert_string_equal(text(one, "state"), "up");
	assert_int_equal(number(one, "mtu"), WORLD_MTU);
	const json_t *list = show(stage, NEIGHBOR, "neighbor", .limit = 0);
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(text(json_array_get(list, 0), "address"), "10.0.0.11");
	assert_string_equal(text(json_array_get(list, 2), "address"), "198.51.100.7");
	assert_string_equal(text(json_array_get(list, 2), "mac"), "02:00:00:00:07:07");
	assert_string_equal(text(json_array_get(list, 2), "state"), "static");
	list = show(stage, ROUTE, "route", .limit = 0);
	assert_int_equal(json_array_size(list), 3);
	one = row(list, "prefix", "192.0.2.0/24");
	assert_string_equal(text(one, "type"), "static");
	assert_string_equal(text(one, "via"), "198.51.100.254");
	assert_string_equal(text(one, "interface"), "ext");
	assert_string_equal(text(row(list, "prefix", "10.0.0.0/24"), "type"), "connected");
	stage_free(stage);
}

static void the_appliance_at_a_glance(void **state)
{
	struct stage *stage = stage_new(world_web(1024));

	(void)state;
	connect_many(stage->world, 40000, 3);
	stage->control.revision = 41;
	const json_t *status = show(stage, STATUS, "status", .limit = 0);
	assert_string_equal(text(status, "version"), LB_VERSION);
	assert_int_equal(number(status, "revision"), 41);
	assert_int_equal(number(status, "interfaces_up"), 2);
	assert_int_equal(number(status, "services_up"), 1);
	assert_int_equal(number(status, "backends_up"), 2);
	assert_int_equal(number(status, "flows"), 3);
	assert_int_equal(number(status, "forwarded"), 3);
	assert_string_equal(text(show(stage, VERSION, "version", .limit = 0), "version"), LB_VERSION);
	assert_int_equal(json_array_size(show(stage, REVISIONS, "revisions", .limit = 0)), 0);
	stage_free(stage);
}

static void the_last_events_come_last(void **state)
{
	struct stage *stage = stage_new(world_web(1024));

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		journal_say(stage->control.journal, "event %u", i);
	const json_t *list = show(stage, EVENTS, "events", .limit = 2);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text(json_array_get(list, 0), "event"), "event 3");
	assert_string_equal(text(json_array_get(list, 1), "event"), "event 4");
	assert_true(number(json_array_get(list, 1), "time") > 0);
	assert_int_equal(json_array_size(show(stage, EVENTS, "events", .limit = 0)), 5);
	stage_free(stage);
}

static void a_name_that_is_none_is_refused_with_the_nearest(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);
	struct filter backend = {.name = "web", .has_backend = true};

	(void)state;
	assert_string_equal(stage_refuse(stage, TOPIC_POOL, (struct filter){.name = "wbe"}),
			    "no pool \"wbe\". Did you mean \"web\"?");
	assert_string_equal(stage_refuse(stage, TOPIC_SERVICE, (struct filter){.name = "mail"}),
			    "no service \"mail\"");
	assert_string_equal(stage_refuse(stage, TOPIC_INTERFACE, (struct filter){.name = "exd"}),
			    "no interface \"exd\". Did you mean \"ext\"?");
	assert_string_equal(stage_refuse(stage, TOPIC_STATS, (struct filter){.name = "eth0"}),
			    "no interface \"eth0\"");
	assert_string_equal(stage_refuse(stage, TOPIC_CHECK, (struct filter){.name = "hc"}),
			    "no check \"hc\"");
	assert_string_equal(stage_refuse(stage, TOPIC_BACKEND, (struct filter){.name = "wbe"}),
			    "no pool \"wbe\". Did you mean \"web\"?");
	assert_string_equal(stage_refuse(stage, TOPIC_FLOW, (struct filter){.service = "wb"}),
			    "no service \"wb\". Did you mean \"web\"?");
	assert_int_equal(parse_endpoint("10.0.0.11:8081", &backend.backend), 0);
	assert_string_equal(stage_refuse(stage, TOPIC_BACKEND, backend),
			    "no backend \"web/10.0.0.11:8081\". Did you mean \"web/10.0.0.11:8080\"?");
	backend.name[0] = '\0';
	assert_string_equal(stage_refuse(stage, TOPIC_FLOW, backend),
			    "no backend \"10.0.0.11:8081\". Did you mean \"10.0.0.11:8080\"?");
	stage_free(stage);
}

static void lookup_tells_the_choice_before_and_after_it_is_made(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);
	char expected[256];

	(void)state;
	const json_t *answer = stage_lookup(stage, "198.51.100.7:40000", "203.0.113.10:80");
	assert_string_equal(text(answer, "service"), "web");
	assert_string_equal(text(answer, "pool"), "web");
	assert_string_equal(text(answer, "how"), "maglev");
	assert_true(json_is_true(json_object_get(answer, "new_flow")));
	assert_int_equal(number(answer, "backend_port"), 8080);
	assert_string_equal(text(answer, "in_interface"), "ext");
	assert_string_equal(text(answer, "out_interface"), "int");
	assert_string_equal(text(answer, "next_hop"), text(answer, "backend_address"));
	assert_string_equal(text(answer, "neighbor"), "static");
	assert_int_equal(number(answer, "mtu"), WORLD_MTU);
	assert_string_equal(text(answer, "verdict"), "forwarded");
	snprintf(expected, sizeof(expected),
		 "service web -> %s:8080 (maglev slot %u, new flow)\n"
		 "  out ext -> int, next hop %s at %s (static), mtu 1500\n",
		 text(answer, "backend_address"), (unsigned)number(answer, "slot"),
		 text(answer, "next_hop"), text(answer, "next_hop_mac"));
	assert_string_equal(stage->text, expected);

	char chosen[32];
	snprintf(chosen, sizeof(chosen), "%s", text(answer, "backend_address"));
	connect_many(world, 40000, 1);
	answer = stage_lookup(stage, "198.51.100.7:40000", "203.0.113.10:80");
	assert_string_equal(text(answer, "how"), "flow");
	assert_string_equal(text(answer, "backend_address"), chosen);
	assert_true(json_is_null(json_object_get(answer, "slot")));
	assert_true(json_is_false(json_object_get(answer, "new_flow")));
	assert_non_null(strstr(stage->text, ":8080 (flow)\n"));
	assert_int_equal(path_flows(world->path)->live, 1);
	stage_free(stage);
}

static void lookup_says_why_not(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);

	(void)state;
	const json_t *answer = stage_lookup(stage, "198.51.100.7:40000", "203.0.113.10:81");
	assert_string_equal(text(answer, "verdict"), "no_service");
	assert_string_equal(text(answer, "reason"), "no service at this VIP, port and protocol");
	assert_true(json_is_null(json_object_get(answer, "how")));
	assert_string_equal(stage->text,
			    "DROP no_service: no service at this VIP, port and protocol\n");
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080", "admin", "disabled");
	world_set(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:8080", "admin", "disabled");
	world_publish(world);
	answer = stage_lookup(stage, "198.51.100.7:40000", "203.0.113.10:80");
	assert_string_equal(text(answer, "verdict"), "no_backend");
	assert_string_equal(text(answer, "service"), "web");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.13:8080");
	world_publish(world);
	answer = stage_lookup(stage, "198.51.100.7:40000", "203.0.113.10:80");
	assert_string_equal(text(answer, "verdict"), "held");
	assert_string_equal(text(answer, "neighbor"), "none");
	assert_true(json_is_null(json_object_get(answer, "next_hop_mac")));
	stage_free(stage);
}

static void lookup_of_what_is_for_no_service(void **state)
{
	struct world *world = world_web(1024);
	struct stage *stage = stage_new(world);

	(void)state;
	const json_t *answer = stage_lookup(stage, "198.51.100.7:40000", "10.0.0.11:8080");
	assert_string_equal(text(answer, "verdict"), "forwarding_off");
	assert_true(json_is_null(json_object_get(answer, "out_interface")));
	world_set(world, KIND_GLOBAL, "forwarding", "on");
	world_publish(world);
	answer = stage_lookup(stage, "198.51.100.7:40000", "10.0.0.11:8080");
	assert_string_equal(text(answer, "verdict"), "forwarded");
	assert_string_equal(text(answer, "out_interface"), "int");
	assert_true(json_is_null(json_object_get(answer, "service")));
	assert_non_null(strstr(stage->text, "for no service, passed on as it is\n"
					    "  out ext -> int, next hop 10.0.0.11 at "));
	stage_free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stats_conserve_frames_and_add_up),
		cmocka_unit_test(closed_flows_are_told_by_reason),
		cmocka_unit_test(drops_name_every_reason_and_show_those_that_occurred),
		cmocka_unit_test(backends_show_admin_health_and_state_apart),
		cmocka_unit_test(a_checked_backend_is_down_until_its_first_success),
		cmocka_unit_test(a_service_of_any_protocol_sums_both),
		cmocka_unit_test(a_pool_without_weight_is_no_table_and_no_service),
		cmocka_unit_test(a_flow_says_who_where_and_how_long),
		cmocka_unit_test(flows_are_filtered),
		cmocka_unit_test(more_flows_than_asked_for_are_told),
		cmocka_unit_test(a_table_of_many_slices_is_walked_once),
		cmocka_unit_test(neighbors_stand_in_the_order_of_their_addresses),
		cmocka_unit_test(interfaces_neighbors_and_routes_are_those_in_force),
		cmocka_unit_test(the_appliance_at_a_glance),
		cmocka_unit_test(the_last_events_come_last),
		cmocka_unit_test(a_name_that_is_none_is_refused_with_the_nearest),
		cmocka_unit_test(lookup_tells_the_choice_before_and_after_it_is_made),
		cmocka_unit_test(lookup_says_why_not),
		cmocka_unit_test(lookup_of_what_is_for_no_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
