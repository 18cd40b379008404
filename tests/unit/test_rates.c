/* What `monitor` says of a path that traffic crosses between two looks. */
#include "tests/unit/show.h"

#include "appliance/rates.h"

enum { SECOND = 1000000000 };

static const struct world_packet syn = {
	.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10", .source_port = 40000,
	.destination_port = 80, .protocol = PROTOCOL_NUMBER_TCP, .tcp_flags = TCP_SYN,
	.payload = 10,
};

static const struct monitor_question everything;

struct looker {
	struct stage *stage;
	struct rates *rates;
};

static struct looker looker_new(void)
{
	return (struct looker){.stage = stage_new(world_web(1024))};
}

static void looker_free(struct looker *looker)
{
	rates_free(looker->rates);
	stage_free(looker->stage);
}

static const json_t *look(struct looker *looker, const struct monitor_question *question)
{
	struct stage *stage = looker->stage;

	stage_clear(stage);
	if (rates_look(stage_control(stage), question, &looker->rates, &stage->report, stage->error,
		       sizeof(stage->error)))
		fail_msg("%s", stage->error);
	return stage_render(stage, "monitor");
}

static void connect_many(struct looker *looker, uint16_t first, unsigned count)
{
	struct world_packet packet = syn;

	for (unsigned i = 0; i < count; i++) {
		packet.source_port = (uint16_t)(first + i);
		assert_int_equal(world_receive(looker->stage->world, packet), VERDICT_FORWARDED);
	}
}

static void lose_many(struct looker *looker, unsigned count)
{
	struct world_packet nowhere = syn;

	nowhere.destination_port = 81;
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(world_receive(looker->stage->world, nowhere), DROP_no_service);
}

static void pass(struct looker *looker, uint64_t ns)
{
	looker->stage->world->now_ns += ns;
}

static const json_t *part(const json_t *document, const char *key)
{
	const json_t *value = json_object_get(document, key);

	assert_non_null(value);
	return value;
}

static uint64_t drops_of(const json_t *document, const char *reason)
{
	return number(row(part(document, "drops"), "reason", reason), "dropped_per_second");
}

static uint64_t packets_of(const json_t *backends, const char *address)
{
	return number(row(backends, "address", address), "packets_per_second");
}

static uint64_t sum(const json_t *list, const char *key)
{
	uint64_t total = 0;
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		total += number(item, key);
	return total;
}

static void the_first_look_knows_no_rates(void **state)
{
	struct looker looker = looker_new();
	const json_t *document, *appliance;

	(void)state;
	connect_many(&looker, 40000, 5);
	document = look(&looker, &everything);
	appliance = part(document, "appliance");
	assert_true(json_is_null(json_object_get(appliance, "interval")));
	assert_true(json_is_null(json_object_get(appliance, "received_per_second")));
	assert_int_equal(number(appliance, "flows"), 5);
	assert_int_equal(number(row(part(document, "service"), "name", "web"), "active_flows"), 5);
	looker_free(&looker);
}

static void rates_are_of_the_time_between_two_looks(void **state)
{
	struct looker looker = looker_new();
	const json_t *document, *appliance, *service, *backends;

	(void)state;
	connect_many(&looker, 40000, 5);
	look(&looker, &everything);
	connect_many(&looker, 41000, 40);
	lose_many(&looker, 6);
	pass(&looker, 2 * (uint64_t)SECOND);
	document = look(&looker, &everything);
	appliance = part(document, "appliance");
	assert_int_equal(number(appliance, "interval"), 2 * (uint64_t)SECOND);
	assert_int_equal(number(appliance, "received_per_second"), 23);
	assert_int_equal(number(appliance, "sent_per_second"), 20);
	assert_int_equal(number(appliance, "sent_bytes_per_second"), 20 * (54 + 10));
	assert_int_equal(number(appliance, "flows_per_second"), 20);
	assert_int_equal(number(appliance, "flows"), 45);
	assert_int_equal(number(appliance, "dropped_per_second"), 3);
	service = row(part(document, "service"), "name", "web");
	assert_int_equal(number(service, "flows_per_second"), 20);
	assert_int_equal(number(service, "packets_per_second"), 20);
	assert_int_equal(number(service, "bytes_per_second"), 20 * (40 + 10));
	assert_int_equal(number(service, "reply_packets_per_second"), 0);
	assert_string_equal(text(service, "address"), "203.0.113.10:80/tcp");
	backends = part(document, "backend");
	assert_int_equal(json_array_size(backends), 2);
	assert_int_equal(sum(backends, "active_flows"), 45);
	assert_in_range(sum(backends, "packets_per_second"), 20, 21);   /* each is rounded */
	assert_int_equal(drops_of(document, "no_service"), 3);
	assert_int_equal(drops_of(document, "no_backend"), 0);
	pass(&looker, SECOND);
	document = look(&looker, &everything);
	assert_int_equal(number(part(document, "appliance"), "received_per_second"), 0);
	looker_free(&looker);
}

static void what_happens_rarely_is_not_rounded_away(void **state)
{
	struct looker looker = looker_new();

	(void)state;
	look(&looker, &everything);
	lose_many(&looker, 1);
	pass(&looker, 60 * (uint64_t)SECOND);
	assert_int_equal(drops_of(look(&looker, &everything), "no_service"), 1);
	looker_free(&looker);
}

static void counters_that_are_cleared_give_no_rate(void **state)
{
	struct looker looker = looker_new();
	const json_t *document;

	(void)state;
	connect_many(&looker, 40000, 50);
	look(&looker, &everything);
	path_clear_counters(looker.stage->world->path);
	connect_many(&looker, 41000, 10);
	pass(&looker, SECOND);
	document = look(&looker, &everything);
	assert_int_equal(number(part(document, "appliance"), "received_per_second"), 0);
	connect_many(&looker, 42000, 10);
	pass(&looker, SECOND);
	document = look(&looker, &everything);
	assert_int_equal(number(part(document, "appliance"), "received_per_second"), 10);
	looker_free(&looker);
}

static void a_backend_that_comes_or_goes_is_not_taken_for_another(void **state)
{
	struct looker looker = looker_new();
	struct world *world = looker.stage->world;
	const json_t *backends;

	(void)state;
	connect_many(&looker, 40000, 50);
	look(&looker, &everything);
	world_delete(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.9:8080");
	world_publish(world);
	pass(&looker, SECOND);
	backends = part(look(&looker, &everything), "backend");
	assert_int_equal(packets_of(backends, "10.0.0.9:8080"), 0);
	assert_int_equal(packets_of(backends, "10.0.0.12:8080"), 0);
	looker_free(&looker);
}

static void a_question_narrows_it_down(void **state)
{
	struct looker looker = looker_new();
	struct world *world = looker.stage->world;
	const json_t *document;

	(void)state;
	world_add(world, KIND_POOL, "name", "dns");
	world_add(world, KIND_BACKEND, "pool", "dns", "address", "10.0.0.21:53");
	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.10:53/any", "pool",
		  "dns");
	world_publish(world);
	document = look(&looker, &everything);
	assert_string_equal(text(part(document, "appliance"), "view"), "all");
	assert_int_equal(json_array_size(part(document, "service")), 2);
	assert_int_equal(json_array_size(part(document, "backend")), 3);
	document = look(&looker, &(struct monitor_question){.service = "dns"});
	assert_string_equal(text(part(document, "appliance"), "view"), "service");
	row(part(document, "service"), "name", "dns");
	assert_int_equal(json_array_size(part(document, "service")), 1);
	row(part(document, "backend"), "address", "10.0.0.21:53");
	assert_int_equal(json_array_size(part(document, "backend")), 1);
	document = look(&looker, &(struct monitor_question){.pool = "web"});
	row(part(document, "service"), "name", "web");
	assert_int_equal(json_array_size(part(document, "backend")), 2);
	assert_int_equal(number(part(document, "appliance"), "backends"), 3);
	document = look(&looker, &(struct monitor_question){.drops = true});
	assert_int_equal(json_array_size(part(document, "service")), 0);
	assert_int_equal(json_array_size(part(document, "backend")), 0);
	assert_int_equal(json_array_size(part(document, "drops")),
			 VERDICT_COUNT - VERDICT_FIRST_DROP);
	looker_free(&looker);
}

static void what_is_not_there_is_named(void **state)
{
	struct looker looker = looker_new();
	struct stage *stage = looker.stage;
	const struct monitor_question question = {.pool = "wbe"};

	(void)state;
	assert_int_equal(rates_look(stage_control(stage), &question, &looker.rates, &stage->report,
				    stage->error, sizeof(stage->error)), -ENOENT);
	assert_string_equal(stage->error, "no pool \"wbe\". Did you mean \"web\"?");
	looker_free(&looker);
}

static void the_last_events_come_with_it(void **state)
{
	struct looker looker = looker_new();
	const json_t *events;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		journal_say(looker.stage->control.journal, "event %u", i);
	events = part(look(&looker, &everything), "events");
	assert_int_equal(json_array_size(events), 8);
	assert_string_equal(text(json_array_get(events, 7), "event"), "event 19");
	looker_free(&looker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_look_knows_no_rates),
		cmocka_unit_test(rates_are_of_the_time_between_two_looks),
		cmocka_unit_test(what_happens_rarely_is_not_rounded_away),
		cmocka_unit_test(counters_that_are_cleared_give_no_rate),
		cmocka_unit_test(a_backend_that_comes_or_goes_is_not_taken_for_another),
		cmocka_unit_test(a_question_narrows_it_down),
		cmocka_unit_test(what_is_not_there_is_named),
		cmocka_unit_test(the_last_events_come_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
