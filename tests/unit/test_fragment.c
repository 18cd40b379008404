#include "tests/unit/path_world.h"

enum { ID = 0x1234, NO_MORE = 0, MORE = 1 };

/* A fragment of the datagram `id` at `offset`, in units of 8 bytes. */
static struct plain fragment(uint16_t id, uint16_t offset, bool more, uint8_t mark)
{
	struct plain plain = plain_packet(EXT, CLIENT, SERVER, mark);

	plain.ip.id = to_be16(id);
	plain.ip.fragment = to_be16((uint16_t)((more ? IPV4_MORE_FRAGMENTS : 0) | offset));
	return plain;
}

static enum verdict receive_fragment(struct world *world, uint16_t id, uint16_t offset, bool more,
				     uint8_t mark)
{
	struct plain plain = fragment(id, offset, more, mark);

	plain_seal(&plain);
	return receive(world, EXT, &plain, sizeof(plain));
}

/* A world in which SERVER's MAC is known for as long as a test takes. */
static struct world *resolved_world(void)
{
	struct world *world = world_up();
	struct tables *next = world_next(world);

	next->neighbor[0] = (struct snapshot_neighbor){SERVER, INT, SERVER_MAC};
	next->snapshot.neighbors = 1;
	world_publish(world);
	world_forget_sent(world);
	return world;
}

static void later_fragments_follow_the_first(void **state)
{
	struct world *world = resolved_world();

	(void)state;
	assert_int_equal(receive_fragment(world, ID, 0, MORE, 0), VERDICT_FORWARDED);
	assert_int_equal(receive_fragment(world, ID, 6, NO_MORE, 2), VERDICT_FORWARDED);
	assert_int_equal(receive_fragment(world, ID, 3, MORE, 1), VERDICT_FORWARDED);
	assert_int_equal(world->sent_count, 3);
	assert_int_equal(sent_plain(world, 1)->payload[PLAIN_MARK], 2);
	assert_int_equal(sent_plain(world, 1)->ip.ttl, 63);
	assert_int_equal(held_from(world, EXT), 0);
	world_free(world);
}

static void a_fragment_that_comes_too_early_waits_and_leaves_behind_the_first(void **state)
{
	struct world *world = resolved_world();

	(void)state;
	assert_int_equal(receive_fragment(world, ID, 6, NO_MORE, 2), VERDICT_HELD);
	assert_int_equal(receive_fragment(world, ID, 3, MORE, 1), VERDICT_HELD);
	assert_int_equal(held_from(world, EXT), 2);
	assert_int_equal(world->sent_count, 0);

	world->now += SECOND - 1;
	assert_int_equal(receive_fragment(world, ID, 0, MORE, 0), VERDICT_FORWARDED);
	assert_int_equal(held_from(world, EXT), 0);
	assert_int_equal(world->sent_count, 3);
	assert_int_equal(sent_plain(world, 0)->payload[PLAIN_MARK], 0);
	assert_int_equal(sent_plain(world, 1)->payload[PLAIN_MARK], 2);
	assert_int_equal(sent_plain(world, 2)->payload[PLAIN_MARK], 1);
	assert_mac(sent_plain(world, 2)->ethernet.destination, SERVER_MAC);
	assert_int_equal(counted(world, EXT, VERDICT_FORWARDED), 3);
	world_free(world);
}

static void fragments_wait_for_the_neighbor_in_order_too(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_fragment(world, ID, 6, NO_MORE, 2), VERDICT_HELD);
	assert_int_equal(receive_fragment(world, ID, 0, MORE, 0), VERDICT_HELD);
	assert_int_equal(receive_fragment(world, ID, 3, MORE, 1), VERDICT_HELD);
	assert_int_equal(held_from(world, EXT), 3);
	world_check_conservation(world);

	receive_reply(world, INT, SERVER_MAC, SERVER);
	assert_int_equal(held_from(world, EXT), 0);
	assert_int_equal(world->sent_count, 4);
	assert_int_equal(sent_plain(world, 1)->payload[PLAIN_MARK], 0);
	assert_int_equal(sent_plain(world, 2)->payload[PLAIN_MARK], 2);
	assert_int_equal(sent_plain(world, 3)->payload[PLAIN_MARK], 1);
	world_free(world);
}

static void later_fragments_of_a_dropped_first_are_dropped_for_its_reason(void **state)
{
	struct world *world = resolved_world();

	(void)state;
	world_next(world)->interface[INT].up = false;
	world_publish(world);
	assert_int_equal(receive_fragment(world, ID, 3, NO_MORE, 1), VERDICT_HELD);
	assert_int_equal(receive_fragment(world, ID, 0, MORE, 0), DROP_interface_down);
	assert_int_equal(held_from(world, EXT), 0);
	assert_int_equal(counted(world, EXT, DROP_interface_down), 2);
	assert_int_equal(receive_fragment(world, ID, 6, NO_MORE, 1), DROP_interface_down);
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void what_became_of_the_first_is_given_back_whole(void **state)
{
	struct world *world = resolved_world();
	struct plain plain = fragment(ID, 0, MORE, 0);
	struct packet packet = {
		.ip = &plain.ip, .source = CLIENT, .destination = VIP, .protocol = PROTOCOL_PLAIN};
	const struct fragment_fate fate = {
		.verdict = VERDICT_FORWARDED, .new_source = CLIENT, .new_destination = SERVER,
		.next_hop = GATEWAY, .interface = INT, .backend = 77};

	(void)state;
	assert_null(fragment_find(world->path, &packet));
	fragment_remember(world->path, &packet, &fate);
	/* The rewrite that comes first changes the frame, not what the packet is called. */
	plain.ip.destination = SERVER;
	const struct fragment_fate *found = fragment_find(world->path, &packet);
	assert_non_null(found);
	assert_int_equal(found->verdict, VERDICT_FORWARDED);
	assert_address(found->new_source, CLIENT);
	assert_address(found->new_destination, SERVER);
	assert_address(found->next_hop, GATEWAY);
	assert_int_equal(found->interface, INT);
	assert_int_equal(found->backend, 77);
	world_free(world);
}

static void source_destination_protocol_and_id_tell_datagrams_apart(void **state)
{
	struct world *world = resolved_world();
	struct plain plain;

	(void)state;
	receive_fragment(world, ID, 0, MORE, 0);
	for (uint32_t i = 0; i < 4; i++) {
		plain = fragment(ID, 3, NO_MORE, 0);
		switch (i) {
		case 0: plain.ip.id = to_be16(ID + 1); break;
		case 1: plain.ip.source = GATEWAY; break;
		case 2: plain.ip.destination = address(10, 0, 0, 6); break;
		case 3: plain.ip.protocol = PROTOCOL_PLAIN + 1; break;
		}
		plain_seal(&plain);
		assert_int_equal(receive(world, EXT, &plain, sizeof(plain)), VERDICT_HELD);
	}
	assert_int_equal(receive_fragment(world, ID, 3, NO_MORE, 0), VERDICT_FORWARDED);
	world_free(world);
}

static void the_first_is_remembered_for_two_seconds(void **state)
{
	struct world *world = resolved_world();
	const uint64_t start = world->now;

	(void)state;
	receive_fragment(world, ID, 0, MORE, 0);
	world->now = start + 2 * SECOND - 1;
	assert_int_equal(receive_fragment(world, ID, 3, MORE, 0), VERDICT_FORWARDED);
	world->now = start + 2 * SECOND;
	assert_int_equal(receive_fragment(world, ID, 6, NO_MORE, 0), VERDICT_HELD);

	/* The same, found out by the timer. */
	receive_fragment(world, ID + 1, 0, MORE, 0);
	assert_int_equal(fragment_deadline(world->path), world->now + SECOND);
	world_run_until(world, world->now + 2 * SECOND);
	assert_int_equal(path_deadline(world->path), UINT64_MAX);
	world_free(world);
}

static void a_first_that_comes_again_decides_anew(void **state)
{
	struct world *world = resolved_world();
	struct tables *next;

	(void)state;
	receive_fragment(world, ID, 0, MORE, 0);
	next = world_next(world);
	next->snapshot.forwarding = false;
	world_publish(world);
	world->now += SECOND;
	assert_int_equal(receive_fragment(world, ID, 0, MORE, 0), DROP_forwarding_off);
	world->now += SECOND + SECOND / 2;
	assert_int_equal(receive_fragment(world, ID, 3, NO_MORE, 0), DROP_forwarding_off);
	world_free(world);
}

static void a_fragment_whose_first_does_not_come_times_out_after_a_second(void **state)
{
	struct world *world = resolved_world();
	const uint64_t start = world->now;

	(void)state;
	receive_fragment(world, ID, 3, MORE, 0);
	receive_fragment(world, ID, 6, NO_MORE, 0);
	world_run_until(world, start + SECOND - 1);
	assert_int_equal(held_from(world, EXT), 2);
	world_run_until(world, start + SECOND);
	assert_int_equal(held_from(world, EXT), 0);
	assert_int_equal(counted(world, EXT, DROP_fragment_timeout), 2);
	world_check_conservation(world);
	world_free(world);
}

/* Whether the timer or the first fragment comes first must not matter. */
static void a_first_that_comes_too_late_releases_nobody(void **state)
{
	struct world *world = resolved_world();

	(void)state;
	receive_fragment(world, ID, 3, NO_MORE, 0);
	world->now += SECOND;
	assert_int_equal(receive_fragment(world, ID, 0, MORE, 0), VERDICT_FORWARDED);
	assert_int_equal(world->sent_count, 1);
	assert_int_equal(counted(world, EXT, DROP_fragment_timeout), 1);
	world_free(world);
}

static void no_more_than_four_fragments_of_a_datagram_wait(void **state)
{
	struct world *world = resolved_world();

	(void)state;
	for (uint8_t i = 0; i < 4; i++)
		assert_int_equal(receive_fragment(world, ID, (uint16_t)(3 * (i + 1)), MORE, i),
				 VERDICT_HELD);
	assert_int_equal(receive_fragment(world, ID, 15, NO_MORE, 4), DROP_fragment_overflow);
	receive_fragment(world, ID, 0, MORE, 9);
	assert_int_equal(world->sent_count, 5);
	for (uint8_t i = 0; i < 4; i++)
		assert_int_equal(sent_plain(world, i + 1)->payload[PLAIN_MARK], i);
	world_free(world);
}

static void no_more_than_4096_fragments_wait_and_neighbors_have_room_beside_them(void **state)
{
	struct world *world = resolved_world();

	(void)state;
	for (uint16_t id = 0; id < 1024; id++)
		for (uint16_t i = 1; i <= 4; i++)
			assert_int_equal(receive_fragment(world, id, (uint16_t)(3 * i), MORE, 0),
					 VERDICT_HELD);
	assert_int_equal(receive_fragment(world, 2000, 3, MORE, 0), DROP_fragment_overflow);
	assert_int_equal(held_from(world, EXT), 4096);
	assert_int_equal(receive_plain(world, EXT, address(10, 0, 0, 9), 0), VERDICT_HELD);

	world_run_until(world, world->now + SECOND);
	assert_int_equal(counted(world, EXT, DROP_fragment_timeout), 4096);
	assert_int_equal(receive_fragment(world, 2000, 3, MORE, 0), VERDICT_HELD);
	world_free(world);
}

static void room_is_given_back_when_the_first_comes(void **state)
{
	struct world *world = resolved_world();

	(void)state;
	for (uint16_t id = 0; id < 2 * HOLD_MAX; id++) {
		assert_int_equal(receive_fragment(world, id, 3, NO_MORE, 0), VERDICT_HELD);
		assert_int_equal(receive_fragment(world, id, 0, MORE, 0), VERDICT_FORWARDED);
		world_forget_sent(world);
	}
	world_free(world);
}

static void a_full_table_forgets_nothing_before_its_time(void **state)
{
	struct world *world = resolved_world();
	uint32_t remembered = 0;

	(void)state;
	for (uint32_t id = 0; id < FRAGMENTS_MAX + 10; id++) {
		assert_int_equal(receive_fragment(world, (uint16_t)id, 0, MORE, 0),
				 VERDICT_FORWARDED);
		world_forget_sent(world);
	}
	for (uint32_t id = 0; id < FRAGMENTS_MAX + 10; id++) {
		const enum verdict verdict =
			receive_fragment(world, (uint16_t)id, 3, NO_MORE, 0);

		remembered += verdict == VERDICT_FORWARDED;
		if (id >= FRAGMENTS_MAX)
			assert_int_equal(verdict, DROP_fragment_overflow);
		world_forget_sent(world);
	}
	assert_int_equal(remembered, FRAGMENTS_MAX);

	/* Forgetting takes ticks of bounded work, and gives all of the room back. */
	world->now += 2 * SECOND;
	for (uint32_t i = 0; i < FRAGMENTS_MAX / (FRAGMENT_TICK_MAX / 2); i++) {
		assert_true(path_deadline(world->path) <= world->now);
		path_tick(world->path, world->now);
	}
	assert_int_equal(path_deadline(world->path), UINT64_MAX);
	assert_int_equal(receive_fragment(world, 1, 3, NO_MORE, 0), VERDICT_HELD);
	world_free(world);
}

static void a_fragment_too_large_to_wait_is_dropped(void **state)
{
	struct world *world = resolved_world();
	uint8_t bytes[4094] = {0};
	struct plain *large = (struct plain *)bytes;

	(void)state;
	*large = fragment(ID, 3, MORE, 0);
	large->ip.total_length = to_be16(sizeof(bytes) - ETHERNET_SIZE - 4);
	plain_seal(large);
	assert_int_equal(receive(world, EXT, bytes, sizeof(bytes)), DROP_fragment_overflow);
	assert_int_equal(fragment_deadline(world->path), UINT64_MAX);
	world_free(world);
}

/* Where the first one left is of another kind there: an interface here, all frontends there. */
static void what_was_decided_in_another_topology_is_forgotten(void **state)
{
	struct world *world = resolved_world();

	(void)state;
	assert_int_equal(receive_fragment(world, ID, 0, MORE, 0), VERDICT_FORWARDED);
	world_next(world)->snapshot.bridge.on = true;
	world_publish(world);
	world_next(world)->snapshot.bridge.on = false;
	world_publish(world);
	assert_int_equal(receive_fragment(world, ID, 3, NO_MORE, 1), VERDICT_HELD);
	assert_int_equal(receive_fragment(world, ID, 0, MORE, 0), VERDICT_FORWARDED);
	world_next(world);
	world_publish(world);
	assert_int_equal(receive_fragment(world, ID, 6, NO_MORE, 1), VERDICT_FORWARDED);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_fragments_follow_the_first),
		cmocka_unit_test(a_fragment_that_comes_too_early_waits_and_leaves_behind_the_first),
		cmocka_unit_test(fragments_wait_for_the_neighbor_in_order_too),
		cmocka_unit_test(later_fragments_of_a_dropped_first_are_dropped_for_its_reason),
		cmocka_unit_test(what_became_of_the_first_is_given_back_whole),
		cmocka_unit_test(source_destination_protocol_and_id_tell_datagrams_apart),
		cmocka_unit_test(the_first_is_remembered_for_two_seconds),
		cmocka_unit_test(a_first_that_comes_again_decides_anew),
		cmocka_unit_test(a_fragment_whose_first_does_not_come_times_out_after_a_second),
		cmocka_unit_test(a_first_that_comes_too_late_releases_nobody),
		cmocka_unit_test(no_more_than_four_fragments_of_a_datagram_wait),
		cmocka_unit_test(
			no_more_than_4096_fragments_wait_and_neighbors_have_room_beside_them),
		cmocka_unit_test(room_is_given_back_when_the_first_comes),
		cmocka_unit_test(a_full_table_forgets_nothing_before_its_time),
		cmocka_unit_test(a_fragment_too_large_to_wait_is_dropped),
		cmocka_unit_test(what_was_decided_in_another_topology_is_forgotten),
	};

	return cmocka_run_group_tests_name("fragment", tests, NULL, NULL);
}
