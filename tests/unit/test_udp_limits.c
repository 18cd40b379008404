/* What a service's limits on UDP flows do to packets: admission, changes while flows live, and frames
 * that are many datagrams. */
#include "tests/unit/world.h"

#define SECOND_NS UINT64_C(1000000000)

static struct world *world_dns(void)
{
	struct world *world = world_web(1024);

	world_add(world, KIND_POOL, "name", "dns");
	world_add(world, KIND_BACKEND, "pool", "dns", "address", "10.0.0.11:53");
	world_add(world, KIND_SERVICE, "name", "dns", "address", "203.0.113.10:53/udp", "pool",
		  "dns");
	world_publish(world);
	return world;
}

static const struct world_packet request = {
	.in = "ext", .source = "198.51.100.7", .source_port = 4000, .destination = "203.0.113.10",
	.destination_port = 53, .protocol = PROTOCOL_NUMBER_UDP, .payload = 30,
};
static enum verdict ask(struct world *world, uint16_t port)
{
	struct world_packet packet = request;

	packet.source_port = port;
	return world_receive(world, packet);
}

static uint64_t closed(const struct world *world, enum flow_close_reason reason)
{
	return path_flows(world->path)->closed[reason];
}

static void a_changed_limit_is_for_new_flows(void **state)
{
	struct world *world = world_dns();

	(void)state;
	assert_int_equal(ask(world, 1), VERDICT_FORWARDED); /* born without limits */
	world_set(world, KIND_SERVICE, "name", "dns", "requests", "1", "lifetime", "5");
	world_publish(world);
	assert_int_equal(ask(world, 1), VERDICT_FORWARDED);
	assert_int_equal(ask(world, 2), VERDICT_FORWARDED);
	world_set(world, KIND_SERVICE, "name", "dns", "requests", "2", "lifetime", "0");
	world_publish(world);
	assert_int_equal(ask(world, 2), DROP_requests_used_up);
	assert_int_equal(ask(world, 3), VERDICT_FORWARDED);
	assert_int_equal(ask(world, 3), VERDICT_FORWARDED);
	world->now_ns += 5 * SECOND_NS;
	assert_int_equal(ask(world, 1), VERDICT_FORWARDED);
	assert_int_equal(ask(world, 3), DROP_requests_used_up);
	assert_int_equal(path_flows(world->path)->live, 3);
	assert_int_equal(ask(world, 2), VERDICT_FORWARDED);
	assert_int_equal(closed(world, FLOW_CLOSE_LIFETIME), 1);
	world_free(world);
}

static void the_cap_goes_before_the_choice_of_a_backend(void **state)
{
	struct world *world = world_dns();

	(void)state;
	world_set(world, KIND_SERVICE, "name", "dns", "max-flows", "1");
	world_publish(world);
	assert_int_equal(ask(world, 1), VERDICT_FORWARDED);
	world_set(world, KIND_BACKEND, "pool", "dns", "address", "10.0.0.11:53", "weight", "0");
	world_publish(world);
	assert_int_equal(ask(world, 2), DROP_service_flows_full);
	assert_int_equal(ask(world, 1), VERDICT_FORWARDED);
	assert_int_equal(path_service_counters(world->path, compiler_service_id(
		&world->compiler, "dns", PROTOCOL_NUMBER_UDP))->no_backend, 0);
	world_set(world, KIND_SERVICE, "name", "dns", "max-flows", "2");
	world_publish(world);
	assert_int_equal(ask(world, 2), DROP_no_backend);
	world_free(world);
}

/* PEERS, second of what users ask for: a drain that is bounded and knows UDP. */
static void a_draining_backend_comes_to_no_flows_however_the_client_goes_on(void **state)
{
	struct world *world = world_dns();
	uint32_t id;

	(void)state;
	world_add(world, KIND_BACKEND, "pool", "dns", "address", "10.0.0.12:53");
	world_set(world, KIND_SERVICE, "name", "dns", "lifetime", "10");
	world_publish(world);
	for (uint16_t port = 1; port <= 20; port++)
		assert_int_equal(ask(world, port), VERDICT_FORWARDED);
	id = world->compiler.current->snapshot.backend[0].id;
	assert_in_range(path_backend_counters(world->path, id)->active_flows, 1, 19);
	world_set(world, KIND_BACKEND, "pool", "dns", "address", "10.0.0.11:53", "admin", "drain");
	world_publish(world);
	for (unsigned second = 1; second <= 10; second++) {
		world->now_ns += SECOND_NS;
		for (uint16_t port = 1; port <= 20; port++)
			assert_int_equal(ask(world, port), VERDICT_FORWARDED);
	}
	assert_int_equal(path_backend_counters(world->path, id)->active_flows, 0);
	assert_int_equal(path_flows(world->path)->live, 20);
	world_free(world);
}

static void a_used_up_flow_whose_backend_is_lost_begins_anew(void **state)
{
	struct world *world = world_dns();

	(void)state;
	world_set(world, KIND_SERVICE, "name", "dns", "requests", "1");
	world_publish(world);
	assert_int_equal(ask(world, 1), VERDICT_FORWARDED);
	world_add(world, KIND_BACKEND, "pool", "dns", "address", "10.0.0.12:53");
	world_delete(world, KIND_BACKEND, "pool", "dns", "address", "10.0.0.11:53");
	world_publish(world);
	assert_int_equal(ask(world, 1), VERDICT_FORWARDED);
	assert_int_equal(closed(world, FLOW_CLOSE_BACKEND_LOST), 1);
	assert_int_equal(ask(world, 1), DROP_requests_used_up);
	world_free(world);
}

enum { SEGMENT = 10 };

/* A frame that is `datagrams` datagrams of ten bytes, as a sender leaves it to its hardware. */
static enum verdict receive_many(struct world *world, struct world_packet packet,
				 unsigned datagrams)
{
	packet.payload = datagrams * SEGMENT;
	struct frame frame = world_build(world, &packet);
	uint32_t headers = ETHERNET_SIZE + IPV4_SIZE_MIN + UDP_SIZE;

	frame.offload = (struct offload){
		.flags = OFFLOAD_CHECKSUM_PARTIAL, .gso_type = OFFLOAD_SEGMENT_UDP,
		.hdr_len = (uint16_t)headers, .gso_size = SEGMENT,
		.csum_start = ETHERNET_SIZE + IPV4_SIZE_MIN, .csum_offset = 6,
	};
	return world_receive_frame(world, &frame).verdict;
}

static void the_datagrams_of_a_super_frame_count_one_by_one(void **state)
{
	struct world *world = world_dns();

	(void)state;
	world_set(world, KIND_SERVICE, "name", "dns", "requests", "3");
	world_publish(world);
	assert_int_equal(receive_many(world, request, 5), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct packet packet = world_read(&world->frame[i]);
		const uint8_t *payload = (const uint8_t *)packet.l4 + UDP_SIZE;

		assert_int_equal(packet.l4_length, UDP_SIZE + SEGMENT);
		assert_address(packet.destination, "10.0.0.11");
		for (unsigned at = 0; at < SEGMENT; at++) /* as world_build() fills it */
			assert_int_equal(payload[at], (uint8_t)((i * SEGMENT + at) * 7));
	}
	assert_int_equal(receive_many(world, request, 2), DROP_requests_used_up);
	assert_int_equal(world->sent, 0);
	assert_int_equal(path_flows(world->path)->created, 1);
	world_free(world);
}

static void a_super_frame_of_replies_closes_when_it_has_passed(void **state)
{
	struct world *world = world_dns();
	struct world_packet reply = {
		.in = "int", .source = "10.0.0.11", .source_port = 53,
		.destination = "198.51.100.7", .destination_port = 4000,
		.protocol = PROTOCOL_NUMBER_UDP,
	};

	(void)state;
	world_set(world, KIND_SERVICE, "name", "dns", "responses", "6");
	world_publish(world);
	assert_int_equal(world_receive(world, request), VERDICT_FORWARDED);
	assert_int_equal(receive_many(world, reply, 5), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 1);
	assert_int_equal(path_flows(world->path)->live, 1);
	assert_int_equal(receive_many(world, reply, 5), VERDICT_FORWARDED);
	assert_int_equal(closed(world, FLOW_CLOSE_RESPONSES), 1);
	world_free(world);
}

static void a_super_frame_without_requests_to_count_stays_whole(void **state)
{
	struct world *world = world_dns();

	(void)state;
	world_set(world, KIND_SERVICE, "name", "dns", "lifetime", "9", "responses", "5");
	world_publish(world);
	assert_int_equal(receive_many(world, request, 5), VERDICT_FORWARDED);
	assert_int_equal(receive_many(world, request, 5), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 1);
	assert_int_equal(world->frame[0].frame.offload.gso_size, SEGMENT);
	world_free(world);
}

static void a_super_frame_that_waits_for_a_neighbor_is_one_frame(void **state)
{
	struct world *world = world_dns();

	(void)state;
	world_delete(world, KIND_NEIGHBOR, "address", "10.0.0.11");
	world_set(world, KIND_SERVICE, "name", "dns", "requests", "3", "proxy-protocol", "every");
	world_publish(world);
	assert_int_equal(receive_many(world, request, 5), VERDICT_FORWARDED);
	assert_int_equal(path_counters(world->path)->interface[0].held, 0);
	assert_int_equal(path_counters(world->path)->interface[0].received, 1);
	for (unsigned second = 0; second < 5; second++) {
		world->now_ns += SECOND_NS;
		path_tick(world->path, world->now_ns);
		world_check_laws(world);
	}
	world_free(world);
}

static void each_datagram_of_a_super_frame_has_its_header(void **state)
{
	struct world *world = world_dns();
	struct world_packet another = request;

	(void)state;
	world_set(world, KIND_SERVICE, "name", "dns", "proxy-protocol", "first");
	world_publish(world);
	assert_int_equal(receive_many(world, request, 3), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 3);
	assert_int_equal(world_read(&world->frame[0]).l4_length, UDP_SIZE + 28 + SEGMENT);
	assert_int_equal(world_read(&world->frame[1]).l4_length, UDP_SIZE + SEGMENT);
	assert_int_equal(receive_many(world, request, 3), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 1); /* whole: there is nothing to put into it */
	world_set(world, KIND_SERVICE, "name", "dns", "proxy-protocol", "every");
	world_publish(world);
	another.source_port++;
	assert_int_equal(receive_many(world, another, 3), VERDICT_FORWARDED);
	assert_int_equal(world->sent, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world_read(&world->frame[i]).l4_length, UDP_SIZE + 28 + SEGMENT);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_limit_is_for_new_flows),
		cmocka_unit_test(the_cap_goes_before_the_choice_of_a_backend),
		cmocka_unit_test(a_draining_backend_comes_to_no_flows_however_the_client_goes_on),
		cmocka_unit_test(a_used_up_flow_whose_backend_is_lost_begins_anew),
		cmocka_unit_test(the_datagrams_of_a_super_frame_count_one_by_one),
		cmocka_unit_test(a_super_frame_of_replies_closes_when_it_has_passed),
		cmocka_unit_test(a_super_frame_without_requests_to_count_stays_whole),
		cmocka_unit_test(a_super_frame_that_waits_for_a_neighbor_is_one_frame),
		cmocka_unit_test(each_datagram_of_a_super_frame_has_its_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
