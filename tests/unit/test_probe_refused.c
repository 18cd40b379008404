/* Probes that are refused by ICMP, and packets that are about no probe at all. */
#include "tests/unit/check_world.h"

static const uint32_t id = GENERATION;

static struct world *world_of(enum probe_type type)
{
	struct snapshot_target target = some_target(type, 0);

	return world_with_target(&target);
}

static void assert_waiting(const struct world *world)
{
	assert_int_equal(view_of(world, id).result_ns, 0);
	assert_int_equal(health_of(world, id), HEALTH_DOWN);
}

static void assert_result(const struct world *world, enum check_result result)
{
	assert_int_equal(view_of(world, id).result, result);
	assert_int_equal(view_of(world, id).result_ns, world->now);
	assert_int_equal(health_of(world, id),
			 result < CHECK_FIRST_FAILURE ? HEALTH_UP : HEALTH_DOWN);
}

static void a_host_that_is_unreachable_is_a_failure_at_once(void **state)
{
	static const enum probe_type types[] = {PROBE_ICMP, PROBE_TCP, PROBE_UDP};
	static const enum check_result results[] = {
		[0] = CHECK_UNREACHABLE, [1] = CHECK_UNREACHABLE, [2] = CHECK_REFUSED,
		[3] = CHECK_REFUSED, [13] = CHECK_UNREACHABLE,
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (uint8_t code = 0; code < 14; code++) {
			if (!results[code])
				continue;
			struct world *world = world_of(types[i]);
			struct made refusal = refusal_of(next_probe(world), code);

			world->now += 100000;
			assert_int_equal(receive_made(world, INT, &refusal), VERDICT_CONSUMED);
			assert_result(world, results[code]);
			world_free(world);
		}
	}
}

static void a_refusal_is_one_whatever_answer_was_expected(void **state)
{
	struct snapshot_target target = some_target(PROBE_UDP, 0);

	(void)state;
	target.expect = "ok";
	target.expect_length = 2;
	struct world *world = world_with_target(&target);
	struct made refusal = refusal_of(next_probe(world), 3);

	assert_int_equal(receive_made(world, INT, &refusal), VERDICT_CONSUMED);
	assert_result(world, CHECK_REFUSED);
	world_free(world);
}

static void a_router_on_the_way_may_say_so_too(void **state)
{
	struct world *world = world_of(PROBE_TCP);
	const uint8_t *probe = next_probe(world);
	struct made refusal = make_error(INT, address(10, 0, 0, 254), INT_ADDRESS, ICMP_UNREACHABLE,
					 1, 0, probe, IPV4_SIZE_MIN + 8);

	(void)state;
	assert_int_equal(receive_made(world, INT, &refusal), VERDICT_CONSUMED);
	assert_result(world, CHECK_UNREACHABLE);
	world_free(world);
}

static void an_error_about_another_packet_or_of_another_kind_is_no_failure(void **state)
{
	static const enum probe_type types[] = {PROBE_ICMP, PROBE_TCP, PROBE_UDP};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *world = world_of(types[i]);
		struct made probe = {.length = 0}, refusal;

		memcpy(probe.bytes, next_probe(world), PACKET_SIZE_MAX);
		refusal = refusal_of(probe.bytes, ICMP_FRAGMENTATION_NEEDED);
		assert_int_equal(receive_made(world, INT, &refusal), DROP_icmp_unmatched);
		for (uint32_t byte = 0; byte < 8; byte++) {
			struct made other = probe;

			/* Types, ports, ids, sequence numbers; not checksum, length, code. */
			if ((types[i] == PROBE_UDP && byte >= 4) ||
			    (types[i] == PROBE_ICMP && byte >= 1 && byte <= 3))
				continue;
			other.bytes[L4_AT + byte] ^= 1;
			refusal = refusal_of(other.bytes, 3);
			assert_int_equal(receive_made(world, INT, &refusal), DROP_icmp_unmatched);
		}
		refusal = refusal_of(probe.bytes, 3);
		refusal.bytes[refusal.length - 1] ^= 1;
		assert_int_equal(receive_made(world, INT, &refusal), DROP_icmp_malformed);
		refusal = make_error(INT, SERVER, INT_ADDRESS, ICMP_TIME_EXCEEDED, 0, 0,
				     probe.bytes, 28);
		assert_int_equal(receive_made(world, INT, &refusal), DROP_icmp_unmatched);
		assert_waiting(world);
		world_free(world);
	}
}

/* Damaged at random, its checksums repaired: whatever comes of it, the path goes on. */
static void random_packets_to_the_appliance_do_no_harm(void **state)
{
	static const enum probe_type types[] = {PROBE_ICMP, PROBE_TCP, PROBE_UDP};
	uint64_t random = 54321;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *world = world_of(types[i]);
		struct made sound[2] = {answer_to(next_probe(world)),
					refusal_of(world->sent[0].bytes, 3)};

		for (int round = 0; round < 10000; round++) {
			struct made made = sound[round % 2];

			random = random * 6364136223846793005 + 1442695040888963407;
			made.bytes[L4_AT + (random >> 33) % (made.length - L4_AT)] =
				(uint8_t)(random >> 25);
			made.length -= (uint32_t)(random >> 60) % 4;
			ip_of(made.bytes)->total_length =
				to_be16((uint16_t)(made.length - ETHERNET_SIZE));
			seal_ip(ip_of(made.bytes));
			seal_l4(ip_of(made.bytes));
			world_forget_sent(world);
			receive_made(world, INT, &made);
			for (uint32_t sent = 0; sent < world->sent_count; sent++)
				sent_sound(world, sent);
		}
		world_free(world);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_packets_to_the_appliance_do_no_harm),
		cmocka_unit_test(a_host_that_is_unreachable_is_a_failure_at_once),
		cmocka_unit_test(a_refusal_is_one_whatever_answer_was_expected),
		cmocka_unit_test(a_router_on_the_way_may_say_so_too),
		cmocka_unit_test(an_error_about_another_packet_or_of_another_kind_is_no_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
