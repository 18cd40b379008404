#include "tests/unit/path_world.h"

#include "appliance/path/neighbor_table.h"

/* Resolves SERVER, with nothing of it left in the record. */
static void resolve_server(struct world *world)
{
	receive_plain(world, EXT, SERVER, 0);
	receive_reply(world, INT, SERVER_MAC, SERVER);
	assert_string_equal(neighbor_state(world, INT, SERVER), "reachable");
	world_forget_sent(world);
}

static void a_frame_waits_for_the_mac_and_is_sent_with_it(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_plain(world, EXT, SERVER, 7), VERDICT_HELD);
	assert_int_equal(held_from(world, EXT), 1);
	assert_string_equal(neighbor_state(world, INT, SERVER), "incomplete");

	const struct arp_frame *request = sent_arp(world, 0);
	assert_int_equal(world->sent[0].interface, INT);
	assert_mac(request->ethernet.destination, broadcast);
	assert_mac(request->ethernet.source, INT_MAC);
	assert_int_equal(from_be16(request->arp.operation), 1);
	assert_mac(request->arp.sender_mac, INT_MAC);
	assert_address(request->arp.sender, address(10, 0, 0, 1));
	assert_mac(request->arp.target_mac, (struct mac_address){{0}});
	assert_address(request->arp.target, SERVER);

	assert_int_equal(receive_reply(world, INT, SERVER_MAC, SERVER), VERDICT_CONSUMED);
	assert_int_equal(world->sent_count, 2);
	assert_int_equal(world->sent[1].interface, INT);
	assert_int_equal(world->sent[1].length, sizeof(struct plain));
	assert_mac(sent_plain(world, 1)->ethernet.destination, SERVER_MAC);
	assert_mac(sent_plain(world, 1)->ethernet.source, INT_MAC);
	assert_int_equal(sent_plain(world, 1)->payload[PLAIN_MARK], 7);
	assert_int_equal(held_from(world, EXT), 0);
	assert_int_equal(counted(world, EXT, VERDICT_FORWARDED), 1);
	assert_int_equal(counted(world, INT, VERDICT_CONSUMED), 1);
	world_free(world);
}

static void a_known_neighbor_gets_its_frames_at_once(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	assert_int_equal(receive_plain(world, EXT, SERVER, 1), VERDICT_FORWARDED);
	assert_int_equal(world->sent_count, 1);
	assert_mac(sent_plain(world, 0)->ethernet.destination, SERVER_MAC);
	world_free(world);
}

static void frames_behind_a_gateway_go_to_the_gateway(void **state)
{
	struct world *world = world_up();

	(void)state;
	receive_plain(world, INT, address(198, 51, 100, 1), 0);
	assert_int_equal(world->sent[0].interface, EXT);
	assert_address(sent_arp(world, 0)->arp.target, GATEWAY);
	assert_address(sent_arp(world, 0)->arp.sender, address(203, 0, 113, 1));
	receive_reply(world, EXT, mac(0xfe), GATEWAY);
	assert_mac(sent_plain(world, 1)->ethernet.destination, mac(0xfe));
	world_free(world);
}

static void waiting_frames_keep_their_order_and_the_oldest_of_nine_is_dropped(void **state)
{
	struct world *world = world_up();

	(void)state;
	for (uint8_t i = 0; i < 9; i++)
		assert_int_equal(receive_plain(world, EXT, SERVER, i), VERDICT_HELD);
	assert_int_equal(held_from(world, EXT), 8);
	assert_int_equal(counted(world, EXT, DROP_neighbor_overflow), 1);
	assert_int_equal(world->sent_count, 1);
	receive_reply(world, INT, SERVER_MAC, SERVER);
	assert_int_equal(world->sent_count, 9);
	for (uint8_t i = 1; i < 9; i++)
		assert_int_equal(sent_plain(world, i)->payload[PLAIN_MARK], i);
	world_free(world);
}

static void no_more_than_1024_frames_wait_for_neighbors(void **state)
{
	struct world *world = world_up();
	uint32_t held = 0;

	(void)state;
	for (uint8_t neighbor = 2; neighbor < 202; neighbor++)
		for (uint8_t i = 0; i < 8; i++)
			held += receive_plain(world, EXT, address(10, 0, 0, neighbor), i) ==
				VERDICT_HELD;
	assert_int_equal(held, 1024);
	assert_int_equal(held_from(world, EXT), 1024);
	assert_int_equal(counted(world, EXT, DROP_neighbor_overflow), 200 * 8 - 1024);

	receive_reply(world, INT, mac(2), address(10, 0, 0, 2));
	assert_int_equal(held_from(world, EXT), 1016);
	assert_int_equal(receive_plain(world, EXT, address(10, 0, 0, 200), 0), VERDICT_HELD);
	world_free(world);
}

static void a_frame_too_large_to_wait_is_dropped_and_drops_no_other(void **state)
{
	struct world *world = world_up();
	uint8_t bytes[4096] = {0};
	struct plain *large = (struct plain *)bytes;

	(void)state;
	for (uint8_t i = 0; i < 8; i++)
		receive_plain(world, EXT, SERVER, i);
	*large = plain_packet(EXT, CLIENT, SERVER, 0);
	large->ip.total_length = to_be16(sizeof(bytes) - ETHERNET_SIZE);
	plain_seal(large);
	struct frame frame = {.data = bytes, .length = sizeof(bytes), .interface = EXT};
	world->path->counters.interface[EXT].received++;
	const enum verdict verdict = neighbor_transmit(world->path, &frame, EXT, INT, SERVER);
	path_count(world->path, EXT, verdict);
	assert_int_equal(verdict, DROP_neighbor_overflow);
	assert_int_equal(held_from(world, EXT), 8);
	world_free(world);
}

static void offload_and_vlan_facts_wait_with_the_frame(void **state)
{
	struct world *world = world_up();
	struct fifo queue;
	uint8_t bytes[64] = {1, 2, 3};
	struct frame frame = {
		.data = bytes, .length = 64, .wire_length = 64, .interface = EXT,
		.vlan_tci = 5, .vlan_tpid = 0x8100,
		.offload = {.flags = OFFLOAD_CHECKSUM_PARTIAL, .csum_start = 34, .csum_offset = 6},
	};

	(void)state;
	fifo_init(&queue);
	assert_true(hold_push(world->path, &queue, HOLD_NEIGHBOR, &frame, NONE));
	memset(bytes, 0xff, sizeof(bytes));
	struct held *held = hold_pop(world->path, &queue);
	assert_int_equal(held->frame.data[2], 3);
	assert_int_equal(held->frame.headroom, HOLD_HEADROOM);
	assert_int_equal(held->frame.vlan_tci, 5);
	assert_int_equal(held->frame.vlan_tpid, 0x8100);
	assert_memory_equal(&held->frame.offload, &frame.offload, sizeof(frame.offload));
	hold_free(world->path, held);
	assert_null(hold_pop(world->path, &queue));
	world_free(world);
}

static void frames_that_wait_have_bytes_and_headroom_of_their_own(void **state)
{
	enum { FRAMES = 20 };
	struct world *world = world_up();
	static uint8_t bytes[FRAMES][WORLD_HELD_FRAME];
	struct held *held[FRAMES];
	struct fifo queue;

	(void)state;
	fifo_init(&queue);
	for (uint32_t i = 0; i < FRAMES; i++) {
		const struct frame frame = {.data = bytes[i], .length = WORLD_HELD_FRAME};

		memset(bytes[i], (int)i, WORLD_HELD_FRAME);
		assert_true(hold_push(world->path, &queue, HOLD_FRAGMENT, &frame, NONE));
	}
	for (uint32_t i = 0; i < FRAMES; i++) {
		held[i] = hold_pop(world->path, &queue);
		memset(held[i]->frame.data - held[i]->frame.headroom, 0xff, HOLD_HEADROOM);
	}
	for (uint32_t i = 0; i < FRAMES; i++) {
		assert_memory_equal(held[i]->frame.data, bytes[i], WORLD_HELD_FRAME);
		hold_free(world->path, held[i]);
	}
	world_free(world);
}

static void three_unanswered_requests_a_second_apart_fail_the_neighbor_once(void **state)
{
	struct world *world = world_up();
	const uint64_t start = world->now;

	(void)state;
	receive_plain(world, EXT, SERVER, 0);
	for (uint32_t i = 1; i < 3; i++) {
		world_run_until(world, start + i * SECOND - 1);
		assert_int_equal(world->sent_count, i);
		world_run_until(world, start + i * SECOND);
		assert_int_equal(world->sent_count, i + 1);
		assert_mac(sent_arp(world, i)->ethernet.destination, broadcast);
	}
	assert_int_equal(held_from(world, EXT), 1);
	world_run_until(world, start + 3 * SECOND);
	assert_int_equal(world->sent_count, 3);
	assert_string_equal(neighbor_state(world, INT, SERVER), "failed");
	assert_int_equal(counted(world, EXT, DROP_neighbor_failed), 1);
	assert_int_equal(held_from(world, EXT), 0);
	assert_int_equal(world->events, 1);
	assert_int_equal(world->event[0].type, EVENT_NEIGHBOR_FAILED);
	assert_address(world->event[0].address, SERVER);
	assert_int_equal(world->event[0].interface, INT);

	/* A second of silence, then it is asked for again; that it fails again is no news. */
	world_run_until(world, start + 4 * SECOND - 1);
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), DROP_neighbor_failed);
	assert_int_equal(world->sent_count, 3);
	world_run_until(world, start + 4 * SECOND);
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_HELD);
	assert_int_equal(world->sent_count, 4);
	world_run_until(world, start + 7 * SECOND);
	assert_string_equal(neighbor_state(world, INT, SERVER), "failed");
	assert_int_equal(world->events, 1);

	/* One that was there in between makes news again. */
	world_run_until(world, start + 8 * SECOND);
	receive_plain(world, EXT, SERVER, 0);
	receive_reply(world, INT, SERVER_MAC, SERVER);
	receive_plain(world, EXT, SERVER, 0);
	world_run_until(world, world->now + 33 * SECOND);
	receive_plain(world, EXT, SERVER, 0);
	world_run_until(world, world->now + 3 * SECOND);
	assert_string_equal(neighbor_state(world, INT, SERVER), "failed");
	assert_int_equal(world->events, 2);
	world_free(world);
}

static void a_failed_neighbor_that_nobody_wants_is_forgotten(void **state)
{
	struct world *world = world_up();

	(void)state;
	receive_plain(world, EXT, SERVER, 0);
	world_run_until(world, world->now + 3 * SECOND + NEIGHBOR_FORGET_NS - 1);
	assert_string_equal(neighbor_state(world, INT, SERVER), "failed");
	world_run_until(world, world->now + 1);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");
	world_free(world);
}

static void a_neighbor_in_use_is_confirmed_by_unicast_without_delay(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	receive_plain(world, EXT, SERVER, 0);
	world_forget_sent(world);
	world_run_until(world, world->now + 30 * SECOND - 1);
	assert_int_equal(world->sent_count, 0);
	world_run_until(world, world->now + 1);
	assert_string_equal(neighbor_state(world, INT, SERVER), "probe");
	assert_int_equal(world->sent_count, 1);
	assert_mac(sent_arp(world, 0)->ethernet.destination, SERVER_MAC);
	assert_address(sent_arp(world, 0)->arp.target, SERVER);

	assert_int_equal(receive_plain(world, EXT, SERVER, 1), VERDICT_FORWARDED);
	assert_mac(sent_plain(world, 1)->ethernet.destination, SERVER_MAC);
	assert_int_equal(receive_reply(world, INT, SERVER_MAC, SERVER), VERDICT_CONSUMED);
	assert_string_equal(neighbor_state(world, INT, SERVER), "reachable");

	/* Once confirmed, it takes another use to have it confirmed again. */
	world_run_until(world, world->now + 30 * SECOND);
	assert_string_equal(neighbor_state(world, INT, SERVER), "stale");
	assert_int_equal(world->sent_count, 2);
	world_free(world);
}

static void a_neighbor_whose_probes_fail_is_asked_for_by_broadcast_again(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	receive_plain(world, EXT, SERVER, 0);
	world_forget_sent(world);
	world_run_until(world, world->now + 30 * SECOND);
	world_run_until(world, world->now + 3 * SECOND - 1);
	assert_int_equal(world->sent_count, 3);
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_FORWARDED);
	world_run_until(world, world->now + 1);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_HELD);
	assert_mac(sent_arp(world, 4)->ethernet.destination, broadcast);
	receive_reply(world, INT, mac(0x55), SERVER);
	assert_mac(sent_plain(world, 5)->ethernet.destination, mac(0x55));
	world_free(world);
}

static void an_unused_neighbor_goes_stale_and_then_away_without_a_question(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	world_run_until(world, world->now + 30 * SECOND);
	assert_string_equal(neighbor_state(world, INT, SERVER), "stale");
	world_run_until(world, world->now + NEIGHBOR_UNUSED_NS - 1);
	assert_string_equal(neighbor_state(world, INT, SERVER), "stale");
	world_run_until(world, world->now + 1);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");
	assert_int_equal(world->sent_count, 0);
	assert_int_equal(path_deadline(world->path), UINT64_MAX);
	world_free(world);
}

static void a_stale_neighbor_is_used_at_once_and_confirmed(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	world_run_until(world, world->now + 60 * SECOND);
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_FORWARDED);
	assert_string_equal(neighbor_state(world, INT, SERVER), "probe");
	assert_int_equal(world->sent_count, 2);
	assert_mac(sent_arp(world, 0)->ethernet.destination, SERVER_MAC);
	assert_mac(sent_plain(world, 1)->ethernet.destination, SERVER_MAC);
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_FORWARDED);
	assert_int_equal(world->sent_count, 3);
	world_free(world);
}

static void a_solicited_reply_with_another_mac_updates_the_entry(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	receive_plain(world, EXT, SERVER, 0);
	world_run_until(world, world->now + 30 * SECOND);
	receive_reply(world, INT, mac(0x99), SERVER);
	world_forget_sent(world);
	receive_plain(world, EXT, SERVER, 0);
	assert_mac(sent_plain(world, 0)->ethernet.destination, mac(0x99));
	world_free(world);
}

static void own_frames_wait_uncounted_and_leave_as_originated(void **state)
{
	struct world *world = world_up();
	struct plain plain = plain_packet(INT, address(10, 0, 0, 1), SERVER, 3);
	struct frame frame = {.data = (uint8_t *)&plain, .length = sizeof(plain)};
	const uint64_t *originated = &path_counters(world->path)->interface[INT].originated;
	const uint64_t before = *originated;

	(void)state;
	assert_int_equal(neighbor_transmit(world->path, &frame, NONE, INT, SERVER), VERDICT_HELD);
	assert_int_equal(*originated, before + 1);
	receive_reply(world, INT, SERVER_MAC, SERVER);
	assert_int_equal(*originated, before + 2);
	assert_int_equal(sent_plain(world, 1)->payload[PLAIN_MARK], 3);
	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		assert_int_equal(held_from(world, i), 0);

	/* Those that nobody answers for vanish without a trace in what was received. */
	assert_int_equal(neighbor_transmit(world->path, &frame, NONE, INT, address(10, 0, 0, 9)),
			 VERDICT_HELD);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(counted(world, INT, DROP_neighbor_failed), 0);
	world_free(world);
}

static void nothing_leaves_by_an_interface_that_is_down(void **state)
{
	struct world *world = world_up();
	struct plain plain = plain_packet(INT, CLIENT, SERVER, 3);
	struct frame frame = {.data = (uint8_t *)&plain, .length = sizeof(plain)};

	(void)state;
	world_next(world)->interface[INT].up = false;
	world_publish(world);
	assert_int_equal(neighbor_transmit(world->path, &frame, NONE, INT, SERVER),
			 DROP_interface_down);
	for (uint32_t i = world->path->snapshot->interfaces; i < INTERFACES_MAX; i++)
		assert_int_equal(neighbor_transmit(world->path, &frame, NONE, i, SERVER),
				 DROP_interface_down);
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void put_static(struct world *world, be32 of, struct mac_address at)
{
	struct tables *next = world_next(world);

	next->neighbor[0] = (struct snapshot_neighbor){of, INT, at};
	next->snapshot.neighbors = 1;
	world_publish(world);
}

static void a_static_neighbor_is_never_asked_for_and_never_ages(void **state)
{
	struct world *world = world_up();

	(void)state;
	put_static(world, SERVER, mac(0x42));
	assert_string_equal(neighbor_state(world, INT, SERVER), "static");
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_FORWARDED);
		assert_mac(sent_plain(world, i)->ethernet.destination, mac(0x42));
		world_run_until(world, world->now + 1000 * SECOND);
	}
	assert_int_equal(world->sent_count, 5);

	/* No reply and no request changes it. */
	receive_reply(world, INT, SERVER_MAC, SERVER);
	receive_request(world, INT, SERVER_MAC, SERVER, address(10, 0, 0, 1));
	world_forget_sent(world);
	receive_plain(world, EXT, SERVER, 0);
	assert_mac(sent_plain(world, 0)->ethernet.destination, mac(0x42));

	world_next(world)->snapshot.neighbors = 0;
	world_publish(world);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");
	world_free(world);
}

static void a_static_neighbor_takes_the_place_of_a_learnt_one(void **state)
{
	struct world *world = world_up();

	(void)state;
	receive_plain(world, EXT, SERVER, 9);
	put_static(world, SERVER, mac(0x42));
	assert_int_equal(world->sent_count, 2);
	assert_mac(sent_plain(world, 1)->ethernet.destination, mac(0x42));
	assert_int_equal(held_from(world, EXT), 0);
	world_run_until(world, world->now + 100 * SECOND);
	assert_int_equal(world->sent_count, 2);
	world_free(world);
}

static void a_swap_keeps_what_is_known(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	receive_plain(world, EXT, address(10, 0, 0, 9), 9);
	world_next(world);
	world_publish(world);
	assert_string_equal(neighbor_state(world, INT, SERVER), "reachable");
	assert_string_equal(neighbor_state(world, INT, address(10, 0, 0, 9)), "incomplete");
	assert_int_equal(held_from(world, EXT), 1);
	world_free(world);
}

static void an_interface_that_goes_takes_its_neighbors_and_their_frames(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	receive_plain(world, EXT, address(10, 0, 0, 9), 9);
	world_next(world)->interface[INT].up = false;
	world_publish(world);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");
	assert_int_equal(held_from(world, EXT), 0);
	assert_int_equal(counted(world, EXT, DROP_interface_down), 1);
	world_free(world);
}

static void a_table_of_fewer_interfaces_takes_the_neighbors_of_the_missing(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	world_next(world)->snapshot.interfaces = 1;
	world_publish(world);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");
	world_free(world);
}

static void a_network_that_goes_takes_its_neighbors_and_their_frames(void **state)
{
	struct world *world = world_up();
	struct tables *next;

	(void)state;
	resolve_server(world);
	receive_plain(world, EXT, address(10, 0, 0, 9), 9);
	next = world_next(world);
	next->route[1].prefix = address(10, 7, 0, 0);
	world_publish(world);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");
	assert_int_equal(counted(world, EXT, DROP_no_route), 1);
	world_free(world);
}

static void another_interface_under_the_same_index_knows_nobody(void **state)
{
	struct world *world = world_up();

	(void)state;
	resolve_server(world);
	world_next(world)->interface[INT].id += 1U << SLOT_BITS;
	world_publish(world);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");
	world_free(world);
}

/* A /8 behind `int`, for more neighbors than a /24 has. */
static struct world *wide_world(void)
{
	struct world *world = world_up();

	world_next(world)->route[1].length = 8;
	world_publish(world);
	return world;
}

static be32 nth(uint32_t i)
{
	return to_be32((10U << 24 | 1U << 16) + i);
}

static void a_scan_leaves_room_for_those_that_are_there(void **state)
{
	struct world *world = wide_world();

	(void)state;
	for (uint32_t i = 0; i < NEIGHBORS_INCOMPLETE_MAX; i++) {
		receive_plain(world, EXT, nth(i), 0);
		assert_string_equal(neighbor_state(world, INT, nth(i)), "incomplete");
	}
	assert_int_equal(receive_plain(world, EXT, nth(5000), 0), DROP_neighbor_overflow);
	receive_request(world, INT, SERVER_MAC, SERVER, address(10, 0, 0, 1));
	assert_string_equal(neighbor_state(world, INT, SERVER), "stale");
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_FORWARDED);

	/* Those that failed give way at once. */
	world_run_until(world, world->now + 4 * SECOND);
	assert_int_equal(receive_plain(world, EXT, nth(5000), 0), VERDICT_HELD);
	world_free(world);
}

static void a_full_table_gives_up_what_is_unused_the_longest_and_nothing_in_use(void **state)
{
	struct world *world = wide_world();

	(void)state;
	for (uint32_t i = 0; i < NEIGHBORS_MAX; i++) {
		receive_plain(world, EXT, nth(i), 0);
		receive_reply(world, INT, (struct mac_address){{0x02, 1, 0, 0, 0, (uint8_t)i}},
			      nth(i));
		world_forget_sent(world);
	}
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), DROP_neighbor_overflow);
	receive_request(world, INT, SERVER_MAC, SERVER, address(10, 0, 0, 1));
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");

	world_run_until(world, world->now + 31 * SECOND);
	assert_string_equal(neighbor_state(world, INT, nth(0)), "stale");
	receive_plain(world, EXT, nth(0), 0);
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_HELD);
	assert_string_equal(neighbor_state(world, INT, nth(0)), "probe");
	assert_string_equal(neighbor_state(world, INT, nth(1)), "none");
	assert_string_equal(neighbor_state(world, INT, nth(2)), "stale");
	world_free(world);
}

static void a_new_neighbor_does_not_take_over_that_another_failed(void **state)
{
	struct world *world = wide_world();

	(void)state;
	for (uint32_t i = 0; i < NEIGHBORS_MAX; i++) {
		if (i == NEIGHBORS_INCOMPLETE_MAX)
			world_run_until(world, world->now + 3 * SECOND);
		assert_int_equal(receive_plain(world, EXT, nth(i), 0), i % 2048 < 1024 ?
				 VERDICT_HELD : DROP_neighbor_overflow);
	}
	world_run_until(world, world->now + 3 * SECOND);
	world_forget_sent(world);
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_HELD);
	assert_string_equal(neighbor_state(world, INT, nth(0)), "none");
	world_run_until(world, world->now + 3 * SECOND);
	assert_int_equal(world->events, 1);
	assert_address(world->event[0].address, SERVER);
	world_free(world);
}

static void a_tick_does_a_bounded_amount_of_work(void **state)
{
	struct world *world = wide_world();

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		receive_plain(world, EXT, nth(i), 0);
	world_forget_sent(world);
	world->now += SECOND;
	for (uint32_t done = 0; done < 1000;) {
		path_tick(world->path, world->now);
		assert_true(world->sent_count - done <= NEIGHBOR_TICK_MAX);
		assert_true(world->sent_count > done);
		done = world->sent_count;
	}
	assert_true(path_deadline(world->path) > world->now);
	world_free(world);
}

static void every_neighbor_is_shown_once(void **state)
{
	const be32 absent = address(10, 0, 0, 9), fixed = address(10, 0, 0, 42);
	struct world *world = world_up();
	struct neighbor_view view;
	uint32_t cursor = 0;

	(void)state;
	receive_plain(world, EXT, SERVER, 0);
	world->now += 5;
	receive_reply(world, INT, SERVER_MAC, SERVER);
	receive_plain(world, EXT, absent, 0);
	put_static(world, fixed, mac(0x42));

	assert_true(neighbor_next(world->path, &cursor, &view));
	assert_address(view.address, SERVER);
	assert_int_equal(view.interface, INT);
	assert_mac(view.mac, SERVER_MAC);
	assert_string_equal(view.state, "reachable");
	assert_false(view.is_static);
	assert_int_equal(view.updated_ns, world->now);
	assert_int_equal(view.held, 0);

	assert_true(neighbor_next(world->path, &cursor, &view));
	assert_address(view.address, absent);
	assert_mac(view.mac, (struct mac_address){{0}});
	assert_string_equal(view.state, "incomplete");
	assert_int_equal(view.updated_ns, world->now);
	assert_int_equal(view.held, 1);

	assert_true(neighbor_next(world->path, &cursor, &view));
	assert_address(view.address, fixed);
	assert_mac(view.mac, mac(0x42));
	assert_true(view.is_static);
	assert_false(neighbor_next(world->path, &cursor, &view));
	world_free(world);
}

static void a_peek_tells_whether_a_mac_is_known(void **state)
{
	struct world *world = world_up();
	struct mac_address found = {{0}};
	const char *name;

	(void)state;
	assert_false(neighbor_peek(world->path, INT, SERVER, &found, &name));
	receive_plain(world, EXT, SERVER, 0);
	assert_false(neighbor_peek(world->path, INT, SERVER, &found, &name));
	world_run_until(world, world->now + 3 * SECOND);
	assert_string_equal(neighbor_state(world, INT, SERVER), "failed");
	assert_false(neighbor_peek(world->path, INT, SERVER, &found, &name));
	assert_mac(found, (struct mac_address){{0}});

	receive_request(world, INT, SERVER_MAC, SERVER, address(10, 0, 0, 1));
	assert_true(neighbor_peek(world->path, INT, SERVER, &found, &name));
	assert_string_equal(name, "stale");
	assert_mac(found, SERVER_MAC);
	world_free(world);
}

/* The table against a plain array, with keys that come and go at random. */
static void the_table_finds_what_is_in_it_and_nothing_else(void **state)
{
	enum { KEYS = 3 * NEIGHBORS_MAX / 2, STEPS = 200000 };
	static bool present[KEYS];
	struct neighbors *table = aligned_alloc(64, neighbors_size());
	uint32_t random = 1, count = 0;

	(void)state;
	memset(table, 0, neighbors_size());
	neighbors_new(table, 7);
	for (uint32_t step = 0; step < STEPS; step++) {
		random = random * 1664525U + 1013904223U;
		const uint32_t key = (random >> 8) % KEYS;
		const be32 of = to_be32(key / 3);
		struct neighbor_slot *slot = neighbor_table_find(table, key % 3, of);

		assert_int_equal(slot != NULL, present[key]);
		if (slot) {
			assert_int_equal(slot->mac.byte[5], (uint8_t)key);
			neighbor_table_remove(table, neighbor_table_entry(table, slot));
			present[key] = false;
			count--;
			continue;
		}
		struct neighbor *entry = neighbor_table_victim(table, NEIGHBOR_FREE);
		assert_int_equal(entry == NULL, count == NEIGHBORS_MAX);
		if (!entry)
			continue;
		neighbor_table_add(table, entry, key % 3, of, NEIGHBOR_STALE)->mac.byte[5] =
			(uint8_t)key;
		present[key] = true;
		count++;
	}
	for (uint32_t key = 0; key < KEYS; key++)
		assert_int_equal(neighbor_table_find(table, key % 3, to_be32(key / 3)) != NULL,
				 present[key]);
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_waits_for_the_mac_and_is_sent_with_it),
		cmocka_unit_test(a_known_neighbor_gets_its_frames_at_once),
		cmocka_unit_test(frames_behind_a_gateway_go_to_the_gateway),
		cmocka_unit_test(waiting_frames_keep_their_order_and_the_oldest_of_nine_is_dropped),
		cmocka_unit_test(no_more_than_1024_frames_wait_for_neighbors),
		cmocka_unit_test(a_frame_too_large_to_wait_is_dropped_and_drops_no_other),
		cmocka_unit_test(offload_and_vlan_facts_wait_with_the_frame),
		cmocka_unit_test(frames_that_wait_have_bytes_and_headroom_of_their_own),
		cmocka_unit_test(three_unanswered_requests_a_second_apart_fail_the_neighbor_once),
		cmocka_unit_test(a_failed_neighbor_that_nobody_wants_is_forgotten),
		cmocka_unit_test(a_neighbor_in_use_is_confirmed_by_unicast_without_delay),
		cmocka_unit_test(a_neighbor_whose_probes_fail_is_asked_for_by_broadcast_again),
		cmocka_unit_test(an_unused_neighbor_goes_stale_and_then_away_without_a_question),
		cmocka_unit_test(a_stale_neighbor_is_used_at_once_and_confirmed),
		cmocka_unit_test(a_solicited_reply_with_another_mac_updates_the_entry),
		cmocka_unit_test(own_frames_wait_uncounted_and_leave_as_originated),
		cmocka_unit_test(nothing_leaves_by_an_interface_that_is_down),
		cmocka_unit_test(a_static_neighbor_is_never_asked_for_and_never_ages),
		cmocka_unit_test(a_static_neighbor_takes_the_place_of_a_learnt_one),
		cmocka_unit_test(a_swap_keeps_what_is_known),
		cmocka_unit_test(an_interface_that_goes_takes_its_neighbors_and_their_frames),
		cmocka_unit_test(a_table_of_fewer_interfaces_takes_the_neighbors_of_the_missing),
		cmocka_unit_test(a_network_that_goes_takes_its_neighbors_and_their_frames),
		cmocka_unit_test(another_interface_under_the_same_index_knows_nobody),
		cmocka_unit_test(a_scan_leaves_room_for_those_that_are_there),
		cmocka_unit_test(a_full_table_gives_up_what_is_unused_the_longest_and_nothing_in_use),
		cmocka_unit_test(a_new_neighbor_does_not_take_over_that_another_failed),
		cmocka_unit_test(a_tick_does_a_bounded_amount_of_work),
		cmocka_unit_test(every_neighbor_is_shown_once),
		cmocka_unit_test(a_peek_tells_whether_a_mac_is_known),
		cmocka_unit_test(the_table_finds_what_is_in_it_and_nothing_else),
	};

	return cmocka_run_group_tests_name("neighbor", tests, NULL, NULL);
}
