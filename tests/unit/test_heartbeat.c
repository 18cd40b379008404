/* Heartbeats: who is heard, by which packets, and for how long. */
#include "tests/unit/check_world.h"

enum { HEARTBEAT_PORT = 6969, WHEEL_TICK = 1 << 20 };

static const uint32_t id = GENERATION;

static struct snapshot_target heartbeat(uint32_t slot, uint16_t port)
{
	struct snapshot_target target = some_target(PROBE_HEARTBEAT, slot);

	target.port = to_be16(0);
	target.heartbeat_port = to_be16(port);
	target.timeout_ns = 3 * SECOND;
	return target;
}

static struct world *world_that_hears(uint16_t port)
{
	struct snapshot_target target = heartbeat(0, port);

	return world_with_target(&target);
}

static struct made beat(uint16_t port)
{
	return make_udp(INT, SERVER, 5000, INT_ADDRESS, port, "alive", 5);
}

static void any_tcp_or_udp_packet_of_a_target_is_its_heartbeat(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct world *world = world_that_hears(0);
		enum verdict expected = kind < 2 ? VERDICT_HELD : VERDICT_CONSUMED;
		struct made made;

		switch (kind) { /* past the appliance, and to it */
		case 0: made = make_tcp(INT, SERVER, 80, CLIENT, 999, TCP_ACK, 1, 1); break;
		case 1: made = make_udp(INT, SERVER, 80, CLIENT, 999, "x", 1); break;
		case 2: made = make_udp(INT, SERVER, 80, INT_ADDRESS, 999, "x", 1); break;
		default: made = make_tcp(INT, SERVER, 80, INT_ADDRESS, 999, TCP_ACK, 1, 1); break;
		}
		assert_int_equal(health_of(world, id), HEALTH_DOWN);
		assert_int_equal(receive_made(world, INT, &made), expected);
		assert_int_equal(health_of(world, id), HEALTH_UP);
		assert_int_equal(world->events, 1);
		assert_int_equal(view_of(world, id).result, CHECK_HEARD);
		assert_int_equal(path_counters(world->path)->heartbeats, 1);
		world_free(world);
	}
}

static void other_packets_are_none(void **state)
{
	struct world *world = world_that_hears(0);
	struct made icmp = make_icmp(INT, SERVER, INT_ADDRESS, ICMP_ECHO_REQUEST, 0, 1, 1, "x", 1);
	struct made stranger = make_udp(INT, address(10, 0, 0, 6), 80, INT_ADDRESS, 999, "x", 1);
	struct made outside = make_udp(EXT, SERVER, 80, CLIENT, 999, "x", 1);
	struct made malformed = make_udp(INT, SERVER, 80, INT_ADDRESS, 999, "x", 1);
	struct made other = make_tcp(INT, SERVER, 80, INT_ADDRESS, 999, TCP_ACK, 1, 1);
	struct made multicast =
		make_icmp(INT, SERVER, address(224, 0, 0, 1), ICMP_ECHO_REQUEST, 0, 1, 1, "x", 1);

	(void)state;
	receive_made(world, INT, &icmp);
	receive_made(world, INT, &stranger);
	receive_made(world, EXT, &outside);
	((struct udp *)l4_of(malformed.bytes))->length = to_be16(7);
	receive_made(world, INT, &malformed);
	ip_of(other.bytes)->protocol = PROTOCOL_PLAIN;
	seal_ip(ip_of(other.bytes));
	assert_int_equal(receive_made(world, INT, &other), DROP_protocol_unsupported);
	assert_int_equal(receive_made(world, INT, &multicast), DROP_ip_bad_destination);
	assert_int_equal(health_of(world, id), HEALTH_DOWN);
	assert_int_equal(path_counters(world->path)->heartbeats, 0);
	world_free(world);
}

static void a_heartbeat_to_a_port_is_consumed_and_nothing_else_counts(void **state)
{
	struct world *world = world_that_hears(HEARTBEAT_PORT);
	struct made right = beat(HEARTBEAT_PORT), wrong = beat(HEARTBEAT_PORT + 1), damaged = right;
	struct made tcp = make_tcp(INT, SERVER, 5000, INT_ADDRESS, HEARTBEAT_PORT, TCP_ACK, 1, 1);
	struct made past = make_udp(INT, SERVER, 5000, CLIENT, HEARTBEAT_PORT, "alive", 5);
	struct made stranger =
		make_udp(INT, address(10, 0, 0, 6), 5000, INT_ADDRESS, HEARTBEAT_PORT, "alive", 5);
	struct made outside = make_udp(EXT, SERVER, 5000, address(203, 0, 113, 1), HEARTBEAT_PORT,
				       "alive", 5);

	(void)state;
	damaged.bytes[damaged.length - 1] ^= 1;
	assert_int_equal(receive_made(world, INT, &wrong), DROP_no_service);
	assert_int_equal(receive_made(world, INT, &tcp), DROP_no_service);
	assert_int_equal(receive_made(world, INT, &past), VERDICT_HELD);
	assert_int_equal(receive_made(world, INT, &stranger), DROP_no_service);
	assert_int_equal(receive_made(world, EXT, &outside), DROP_no_service);
	assert_int_equal(receive_made(world, INT, &damaged), DROP_udp_malformed);
	assert_int_equal(health_of(world, id), HEALTH_DOWN);
	assert_int_equal(receive_made(world, INT, &right), VERDICT_CONSUMED);
	assert_int_equal(health_of(world, id), HEALTH_UP);
	assert_int_equal(path_counters(world->path)->heartbeats, 1);
	world_free(world);
}

static void silence_takes_it_down_when_the_timeout_is_over_and_not_before(void **state)
{
	struct world *world = world_that_hears(HEARTBEAT_PORT);
	uint64_t last = 0, end;

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct made made = beat(HEARTBEAT_PORT);

		world_run_until(world, world->now + 2900 * MS);
		/* At last so that its end falls on a tick of the wheel. */
		if (i == 9)
			world->now += WHEEL_TICK - (world->now + 3 * SECOND) % WHEEL_TICK;
		last = world->now;
		assert_int_equal(receive_made(world, INT, &made), VERDICT_CONSUMED);
		assert_int_equal(health_of(world, id), HEALTH_UP);
	}
	end = last + 3 * SECOND;
	world_run_until(world, end - 1000 * MS);
	assert_int_equal(path_deadline(world->path), end); /* asleep until then */
	world_run_until(world, end - 1);
	assert_int_equal(health_of(world, id), HEALTH_UP);
	world_run_until(world, end);
	assert_int_equal(health_of(world, id), HEALTH_DOWN);
	assert_int_equal(view_of(world, id).result, CHECK_SILENT);
	assert_int_equal(world->events, 2);
	assert_int_equal(path_deadline(world->path), UINT64_MAX);

	struct made again = beat(HEARTBEAT_PORT);
	receive_made(world, INT, &again);
	assert_in_range(path_deadline(world->path), world->now + 3 * SECOND,
			world->now + 3 * SECOND + WHEEL_TICK);
	assert_int_equal(health_of(world, id), HEALTH_UP);
	world_run_until(world, world->now + 100 * SECOND);
	assert_int_equal(health_of(world, id), HEALTH_DOWN);
	assert_int_equal(world->events, 4);
	assert_int_equal(world->sent_count, 0); /* it never asks */
	world_free(world);
}

/* Without waiting for the timer, which may be up to a tick late. */
static void an_overdue_target_is_down_at_once(void **state)
{
	struct world *world = world_that_hears(HEARTBEAT_PORT);
	struct made made = beat(HEARTBEAT_PORT);

	(void)state;
	receive_made(world, INT, &made);
	world->path->now_ns = world->now + 3 * SECOND - 1;
	assert_int_equal(health_of(world, id), HEALTH_UP);
	world->path->now_ns = world->now + 3 * SECOND;
	assert_int_equal(health_of(world, id), HEALTH_DOWN);
	world_free(world);
}

static void one_packet_is_heard_by_every_target_that_takes_it(void **state)
{
	struct snapshot_target targets[3] = {heartbeat(0, 0), heartbeat(1, HEARTBEAT_PORT),
					     heartbeat(2, 0)};
	struct world *world = world_with_server();
	struct made made = beat(HEARTBEAT_PORT), other = beat(HEARTBEAT_PORT + 1);

	(void)state;
	put_targets(world, targets, 3);
	assert_int_equal(receive_made(world, INT, &other), VERDICT_CONSUMED);
	assert_int_equal(health_of(world, id), HEALTH_UP);
	assert_int_equal(health_of(world, id + 1), HEALTH_DOWN);
	assert_int_equal(health_of(world, id + 2), HEALTH_UP);
	assert_int_equal(receive_made(world, INT, &made), VERDICT_CONSUMED);
	assert_int_equal(health_of(world, id + 1), HEALTH_UP);
	world_free(world);
}

static void what_is_heard_survives_a_swap_and_what_is_gone_does_not(void **state)
{
	struct snapshot_target target = heartbeat(0, 0);
	struct world *world = world_with_target(&target);
	struct made made = beat(1), again = beat(1);

	(void)state;
	receive_made(world, INT, &made);
	put_targets(world, &target, 1);
	assert_int_equal(health_of(world, id), HEALTH_UP);
	put_targets(world, &target, 0);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(world->events, 1); /* nobody hears of the end of what is gone */
	assert_int_equal(receive_made(world, INT, &again), DROP_no_service);

	target.id = 2 * GENERATION;
	put_targets(world, &target, 1);
	assert_int_equal(health_of(world, target.id), HEALTH_DOWN);
	world_free(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_tcp_or_udp_packet_of_a_target_is_its_heartbeat),
		cmocka_unit_test(other_packets_are_none),
		cmocka_unit_test(a_heartbeat_to_a_port_is_consumed_and_nothing_else_counts),
		cmocka_unit_test(silence_takes_it_down_when_the_timeout_is_over_and_not_before),
		cmocka_unit_test(an_overdue_target_is_down_at_once),
		cmocka_unit_test(one_packet_is_heard_by_every_target_that_takes_it),
		cmocka_unit_test(what_is_heard_survives_a_swap_and_what_is_gone_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
