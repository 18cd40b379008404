#include "tests/unit/path_world.h"

static const struct mac_address nobody;

static void a_request_for_a_vip_is_answered_on_a_frontend(void **state)
{
	struct world *world = world_up();
	const uint64_t originated = path_counters(world->path)->interface[EXT].originated;

	(void)state;
	assert_int_equal(receive_request(world, EXT, CLIENT_MAC, CLIENT, VIP), VERDICT_CONSUMED);
	assert_int_equal(world->sent_count, 1);
	assert_int_equal(world->sent[0].interface, EXT);
	const struct arp_frame *reply = sent_arp(world, 0);
	assert_mac(reply->ethernet.destination, CLIENT_MAC);
	assert_mac(reply->ethernet.source, EXT_MAC);
	assert_int_equal(from_be16(reply->arp.hardware_type), 1);
	assert_int_equal(from_be16(reply->arp.protocol_type), ETHERTYPE_IPV4);
	assert_int_equal(reply->arp.hardware_length, 6);
	assert_int_equal(reply->arp.protocol_length, 4);
	assert_int_equal(from_be16(reply->arp.operation), 2);
	assert_mac(reply->arp.sender_mac, EXT_MAC);
	assert_address(reply->arp.sender, VIP);
	assert_mac(reply->arp.target_mac, CLIENT_MAC);
	assert_address(reply->arp.target, CLIENT);
	assert_int_equal(path_counters(world->path)->interface[EXT].originated, originated + 1);
	world_free(world);
}

static void a_vip_is_not_there_for_the_backends_side(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_request(world, INT, SERVER_MAC, SERVER, VIP),
			 DROP_arp_not_for_us);
	assert_int_equal(world->sent_count, 0);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");

	/* One-arm: the interface has both sides. */
	world_next(world)->interface[INT].sides |= SIDE_FRONTEND;
	world_publish(world);
	world_run_until(world, world->now + 10 * SECOND);
	world_forget_sent(world);
	assert_int_equal(receive_request(world, INT, SERVER_MAC, SERVER, VIP), VERDICT_CONSUMED);
	assert_mac(sent_arp(world, 0)->arp.sender_mac, INT_MAC);
	world_free(world);
}

static void an_interface_address_is_answered_for_on_its_own_interface_only(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_request(world, INT, SERVER_MAC, SERVER, address(10, 0, 0, 1)),
			 VERDICT_CONSUMED);
	assert_address(sent_arp(world, 0)->arp.sender, address(10, 0, 0, 1));
	assert_int_equal(receive_request(world, EXT, CLIENT_MAC, CLIENT, address(10, 0, 0, 1)),
			 DROP_arp_not_for_us);
	assert_int_equal(world->sent_count, 1);
	world_free(world);
}

static void a_request_for_somebody_else_is_left_alone(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_request(world, EXT, CLIENT_MAC, CLIENT, GATEWAY),
			 DROP_arp_not_for_us);
	assert_int_equal(world->sent_count, 0);
	assert_string_equal(neighbor_state(world, EXT, CLIENT), "none");
	world_free(world);
}

static void who_asks_for_us_is_known_but_unconfirmed(void **state)
{
	struct world *world = world_up();

	(void)state;
	receive_request(world, INT, SERVER_MAC, SERVER, address(10, 0, 0, 1));
	assert_string_equal(neighbor_state(world, INT, SERVER), "stale");
	world_forget_sent(world);
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_FORWARDED);
	assert_mac(sent_arp(world, 0)->ethernet.destination, SERVER_MAC);
	assert_mac(sent_plain(world, 1)->ethernet.destination, SERVER_MAC);
	world_free(world);
}

static void who_asks_for_us_while_we_ask_for_him_gets_his_frames(void **state)
{
	struct world *world = world_up();

	(void)state;
	receive_plain(world, EXT, SERVER, 5);
	receive_request(world, INT, SERVER_MAC, SERVER, address(10, 0, 0, 1));
	assert_int_equal(held_from(world, EXT), 0);
	assert_string_equal(neighbor_state(world, INT, SERVER), "probe");
	assert_int_equal(world->sent_count, 4);
	assert_int_equal(sent_plain(world, 2)->payload[PLAIN_MARK], 5);
	assert_mac(sent_plain(world, 2)->ethernet.destination, SERVER_MAC);
	world_free(world);
}

static void a_request_with_another_mac_is_believed_and_confirmed(void **state)
{
	struct world *world = world_up();

	(void)state;
	receive_plain(world, EXT, SERVER, 0);
	receive_reply(world, INT, SERVER_MAC, SERVER);
	receive_request(world, INT, SERVER_MAC, SERVER, address(10, 0, 0, 1));
	assert_string_equal(neighbor_state(world, INT, SERVER), "reachable");
	receive_request(world, INT, mac(0x99), SERVER, address(10, 0, 0, 1));
	assert_string_equal(neighbor_state(world, INT, SERVER), "stale");
	world_forget_sent(world);
	receive_plain(world, EXT, SERVER, 0);
	assert_mac(sent_arp(world, 0)->ethernet.destination, mac(0x99));
	assert_mac(sent_plain(world, 1)->ethernet.destination, mac(0x99));
	world_free(world);
}

static void who_is_not_of_this_network_is_answered_but_not_learnt(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_request(world, EXT, CLIENT_MAC, SERVER, VIP), VERDICT_CONSUMED);
	assert_int_equal(world->sent_count, 1);
	assert_string_equal(neighbor_state(world, EXT, SERVER), "none");
	world_free(world);
}

static void a_probe_for_our_address_is_answered_and_nobody_learnt(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_request(world, EXT, CLIENT_MAC, (be32){0}, VIP), VERDICT_CONSUMED);
	assert_int_equal(world->sent_count, 1);
	assert_mac(sent_arp(world, 0)->ethernet.destination, CLIENT_MAC);
	assert_address(sent_arp(world, 0)->arp.sender, VIP);
	assert_address(sent_arp(world, 0)->arp.target, (be32){0});
	assert_string_equal(neighbor_state(world, EXT, (be32){0}), "none");
	assert_int_equal(world->path->counters.vip_conflicts, 0);
	world_free(world);
}

static void an_unsolicited_reply_teaches_nothing(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_reply(world, INT, SERVER_MAC, SERVER), DROP_arp_not_for_us);
	assert_string_equal(neighbor_state(world, INT, SERVER), "none");

	receive_plain(world, EXT, SERVER, 0);
	assert_int_equal(receive_reply(world, INT, SERVER_MAC, SERVER), VERDICT_CONSUMED);
	assert_int_equal(receive_reply(world, INT, mac(0x99), SERVER), DROP_arp_not_for_us);
	world_forget_sent(world);
	receive_plain(world, EXT, SERVER, 0);
	assert_mac(sent_plain(world, 0)->ethernet.destination, SERVER_MAC);
	world_free(world);
}

static void a_reply_to_somebody_else_answers_no_question_of_ours(void **state)
{
	struct world *world = world_up();
	struct arp_frame to_other_mac =
		arp_packet(INT_MAC, 2, SERVER_MAC, SERVER, mac(0x33), address(10, 0, 0, 1));
	struct arp_frame to_other_address =
		arp_packet(INT_MAC, 2, SERVER_MAC, SERVER, INT_MAC, address(10, 0, 0, 99));
	struct arp_frame gratuitous = arp_packet(broadcast, 2, SERVER_MAC, SERVER, broadcast, SERVER);

	(void)state;
	receive_plain(world, EXT, SERVER, 0);
	assert_int_equal(receive(world, INT, &to_other_mac, sizeof(to_other_mac)),
			 DROP_arp_not_for_us);
	assert_int_equal(receive(world, INT, &to_other_address, sizeof(to_other_address)),
			 DROP_arp_not_for_us);
	assert_int_equal(receive(world, INT, &gratuitous, sizeof(gratuitous)),
			 DROP_arp_not_for_us);
	assert_string_equal(neighbor_state(world, INT, SERVER), "incomplete");
	assert_int_equal(held_from(world, EXT), 1);
	world_free(world);
}

static void a_reply_on_another_interface_answers_no_question_of_ours(void **state)
{
	struct world *world = world_up();

	(void)state;
	receive_plain(world, EXT, SERVER, 0);
	assert_int_equal(receive_reply(world, EXT, SERVER_MAC, SERVER), DROP_arp_not_for_us);
	assert_string_equal(neighbor_state(world, INT, SERVER), "incomplete");
	world_free(world);
}

static void a_router_that_answers_for_a_shared_mac_is_believed(void **state)
{
	struct world *world = world_up();
	struct arp_frame vrrp =
		arp_packet(INT_MAC, 2, mac(0x44), SERVER, INT_MAC, address(10, 0, 0, 1));

	(void)state;
	vrrp.ethernet.source = mac(0x45);
	receive_plain(world, EXT, SERVER, 0);
	assert_int_equal(receive(world, INT, &vrrp, sizeof(vrrp)), VERDICT_CONSUMED);
	assert_mac(sent_plain(world, 1)->ethernet.destination, mac(0x44));
	world_free(world);
}

static void a_server_that_moved_is_asked_for_at_once(void **state)
{
	struct world *world = world_up();
	struct arp_frame same = arp_packet(broadcast, 1, SERVER_MAC, SERVER, nobody, SERVER);
	struct arp_frame moved = arp_packet(broadcast, 1, mac(0x66), SERVER, nobody, SERVER);

	(void)state;
	receive_plain(world, EXT, SERVER, 0);
	receive_reply(world, INT, SERVER_MAC, SERVER);
	world_forget_sent(world);
	world->now += SECOND;
	receive(world, INT, &same, sizeof(same));
	assert_int_equal(world->sent_count, 0);

	/* The claim is not believed: who is there says himself who is right. */
	assert_int_equal(receive(world, INT, &moved, sizeof(moved)), DROP_arp_not_for_us);
	assert_int_equal(world->sent_count, 1);
	assert_mac(sent_arp(world, 0)->ethernet.destination, SERVER_MAC);
	assert_int_equal(receive_plain(world, EXT, SERVER, 0), VERDICT_FORWARDED);
	assert_mac(sent_plain(world, 1)->ethernet.destination, SERVER_MAC);
	receive_reply(world, INT, SERVER_MAC, SERVER);

	/* Claims by the thousand make one question a second. */
	for (uint32_t i = 0; i < 1000; i++)
		receive(world, INT, &moved, sizeof(moved));
	assert_int_equal(world->sent_count, 2);
	world_free(world);
}

static void a_claim_of_a_vip_is_an_alarm(void **state)
{
	struct world *world = world_up();
	struct arp_frame claims[] = {
		arp_packet(broadcast, 1, mac(0x66), VIP, nobody, VIP),
		arp_packet(broadcast, 2, mac(0x66), VIP, broadcast, VIP),
		arp_packet(EXT_MAC, 2, mac(0x66), VIP, EXT_MAC, address(203, 0, 113, 1)),
		arp_packet(broadcast, 1, mac(0x66), VIP, nobody, GATEWAY),
	};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(receive(world, EXT, &claims[i], sizeof(claims[i])),
				 DROP_arp_vip_conflict);
		assert_int_equal(world->path->counters.vip_conflicts, i + 1);
		assert_int_equal(world->events, i + 1);
		assert_int_equal(world->event[i].type, EVENT_VIP_CONFLICT);
		assert_address(world->event[i].address, VIP);
		assert_mac(world->event[i].mac, mac(0x66));
		assert_int_equal(world->event[i].interface, EXT);
		assert_int_equal(world->event[i].time_ns, world->now);
		world->now += SECOND;
	}
	assert_int_equal(world->sent_count, 0);
	assert_string_equal(neighbor_state(world, EXT, VIP), "none");
	world_free(world);
}

static void a_claim_of_an_interface_address_is_an_alarm_too(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_request(world, INT, SERVER_MAC, address(10, 0, 0, 1), SERVER),
			 DROP_arp_vip_conflict);
	assert_int_equal(world->events, 1);
	world_free(world);
}

static void alarms_about_one_address_come_once_a_second(void **state)
{
	struct world *world = world_up();

	(void)state;
	for (uint32_t i = 0; i < 30; i++) {
		receive_request(world, EXT, mac(0x66), VIP, VIP);
		receive_request(world, EXT, mac(0x66), address(203, 0, 113, 1), VIP);
		world->now += SECOND / 10;
	}
	assert_int_equal(world->path->counters.vip_conflicts, 60);
	assert_int_equal(world->events, 6);
	world_free(world);
}

static void own_arp_that_comes_back_is_no_conflict(void **state)
{
	struct world *world = world_up();

	(void)state;
	assert_int_equal(receive_request(world, EXT, EXT_MAC, VIP, VIP), DROP_arp_not_for_us);
	assert_int_equal(receive_request(world, INT, EXT_MAC, VIP, VIP), DROP_arp_not_for_us);
	assert_int_equal(receive_request(world, EXT, EXT_MAC, CLIENT, VIP), DROP_arp_not_for_us);
	assert_int_equal(world->path->counters.vip_conflicts, 0);
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void arp_that_is_cut_short_or_of_another_kind_is_malformed(void **state)
{
	struct world *world = world_up();
	const struct arp_frame whole = arp_packet(broadcast, 1, CLIENT_MAC, CLIENT, nobody, VIP);

	(void)state;
	for (uint32_t length = ETHERNET_SIZE; length < sizeof(whole); length++) {
		uint8_t *bytes = malloc(length);

		memcpy(bytes, &whole, length);
		assert_int_equal(receive(world, EXT, bytes, length), DROP_arp_malformed);
		free(bytes);
	}
	for (uint32_t i = 0; i < 7; i++) {
		struct arp_frame frame = whole;

		switch (i) {
		case 0: frame.arp.hardware_type = to_be16(6); break;
		case 1: frame.arp.protocol_type = to_be16(ETHERTYPE_IPV6); break;
		case 2: frame.arp.hardware_length = 8; break;
		case 3: frame.arp.protocol_length = 16; break;
		case 4: frame.arp.sender_mac = broadcast; break;
		case 5: frame.arp.sender_mac.byte[0] |= 1; break;
		case 6: frame.arp.sender_mac = nobody; break;
		}
		assert_int_equal(receive(world, EXT, &frame, sizeof(frame)), DROP_arp_malformed);
	}
	assert_int_equal(world->sent_count, 0);
	assert_string_equal(neighbor_state(world, EXT, CLIENT), "none");
	world_free(world);
}

static void other_operations_are_not_for_us(void **state)
{
	struct world *world = world_up();

	(void)state;
	for (uint32_t operation = 0; operation < 256; operation++) {
		struct arp_frame frame =
			arp_packet(EXT_MAC, (uint16_t)operation, CLIENT_MAC, CLIENT, EXT_MAC, VIP);

		if (operation != 1)
			assert_int_equal(receive(world, EXT, &frame, sizeof(frame)),
					 DROP_arp_not_for_us);
	}
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void a_padded_request_is_answered(void **state)
{
	struct world *world = world_up();
	uint8_t bytes[60] = {0};
	const struct arp_frame request = arp_packet(broadcast, 1, CLIENT_MAC, CLIENT, nobody, VIP);

	(void)state;
	memcpy(bytes, &request, sizeof(request));
	assert_int_equal(receive(world, EXT, bytes, sizeof(bytes)), VERDICT_CONSUMED);
	assert_int_equal(world->sent_count, 1);
	world_free(world);
}

static void answers_are_limited(void **state)
{
	struct world *world = world_up();
	uint32_t answered = 0;

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		answered += receive_request(world, EXT, CLIENT_MAC, CLIENT, VIP) ==
			    VERDICT_CONSUMED;
	assert_int_equal(answered, LIMIT_PER_SECOND);
	assert_int_equal(world->sent_count, LIMIT_PER_SECOND);
	assert_int_equal(counted(world, EXT, DROP_rate_limited), 500 - LIMIT_PER_SECOND);
	world->now += SECOND;
	assert_int_equal(receive_request(world, EXT, CLIENT_MAC, CLIENT, VIP), VERDICT_CONSUMED);
	world_free(world);
}

static void a_question_is_asked_from_the_address_in_that_network(void **state)
{
	struct world *world = world_up();
	struct tables *next = world_next(world);

	(void)state;
	next->route[2] = (struct snapshot_route){
		address(10, 9, 0, 0), 24, INT, {0}, address(10, 9, 0, 1)};
	world_publish(world);
	arp_request(world->path, INT, address(10, 9, 0, 7), NULL);
	assert_address(sent_arp(world, 0)->arp.sender, address(10, 9, 0, 1));

	/* Where there is none, from the first. */
	arp_request(world->path, INT, CLIENT, NULL);
	arp_request(world->path, INT, address(192, 0, 2, 1), NULL);
	assert_address(sent_arp(world, 1)->arp.sender, address(10, 0, 0, 1));
	assert_address(sent_arp(world, 2)->arp.sender, address(10, 0, 0, 1));
	world_free(world);
}

static void an_interface_without_address_asks_by_probe(void **state)
{
	struct world *world = world_up();
	struct tables *next = world_next(world);
	struct arp_frame reply = arp_packet(EXT_MAC, 2, mac(0xfe), GATEWAY, EXT_MAC, (be32){0});

	(void)state;
	next->interface[EXT].address = (be32){0};
	next->route[0].source = (be32){0};
	next->route[2].source = (be32){0};
	world_publish(world);
	receive_plain(world, INT, address(198, 51, 100, 1), 0);
	assert_address(sent_arp(world, 0)->arp.sender, (be32){0});
	assert_int_equal(receive(world, EXT, &reply, sizeof(reply)), VERDICT_CONSUMED);
	assert_mac(sent_plain(world, 1)->ethernet.destination, mac(0xfe));
	world_free(world);
}

/* Announcements of `vip` on `interface` in the record. */
static uint32_t announcements(const struct world *world, be32 vip, uint32_t interface)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < world->sent_count; i++) {
		const struct arp_frame *frame = sent_arp(world, i);

		if (!same32(frame->arp.sender, vip) || world->sent[i].interface != interface)
			continue;
		assert_mac(frame->ethernet.destination, broadcast);
		assert_mac(frame->ethernet.source,
			   world->path->snapshot->interface[interface].mac);
		assert_mac(frame->arp.sender_mac, frame->ethernet.source);
		assert_int_equal(from_be16(frame->arp.operation), 1);
		assert_mac(frame->arp.target_mac, nobody);
		assert_address(frame->arp.target, vip);
		count++;
	}
	return count;
}

static void vips_are_announced_three_times_at_start_on_frontends_only(void **state)
{
	struct world *world = world_new();
	const uint64_t start = world->now;

	(void)state;
	world_publish(world);
	assert_int_equal(path_deadline(world->path), start);
	world_run_until(world, start);
	assert_int_equal(announcements(world, VIP, EXT), 1);
	world_run_until(world, start + SECOND - 1);
	assert_int_equal(announcements(world, VIP, EXT), 1);
	world_run_until(world, start + SECOND);
	assert_int_equal(announcements(world, VIP, EXT), 2);
	world_run_until(world, start + 2 * SECOND);
	assert_int_equal(announcements(world, VIP, EXT), 3);
	world_run_until(world, start + 100 * SECOND);
	assert_int_equal(announcements(world, VIP, EXT), 3);
	assert_int_equal(world->sent_count, 3);
	assert_int_equal(path_deadline(world->path), UINT64_MAX);
	world_free(world);
}

static void a_vip_that_is_added_is_announced_at_once_and_alone(void **state)
{
	struct world *world = world_new();
	const be32 added = address(203, 0, 113, 11);

	(void)state;
	world_publish(world);
	world_run_until(world, world->now + SECOND / 2);
	world_forget_sent(world);
	tables_add_local(world_next(world), added, NONE);
	world_publish(world);
	world_run_until(world, world->now);
	assert_int_equal(announcements(world, added, EXT), 1);
	assert_int_equal(world->sent_count, 1);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(announcements(world, added, EXT), 3);
	assert_int_equal(announcements(world, VIP, EXT), 2);
	world_free(world);
}

static void a_vip_that_is_gone_is_announced_no_more(void **state)
{
	struct world *world = world_new();

	(void)state;
	world_publish(world);
	world_run_until(world, world->now);
	tables_clear_locals(world_next(world));
	world_publish(world);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(announcements(world, VIP, EXT), 1);
	world_free(world);
}

static void a_frontend_that_comes_up_or_changes_its_mac_announces_all_vips(void **state)
{
	struct world *world = world_up();
	struct tables *next;

	(void)state;
	world_next(world)->interface[EXT].up = false;
	world_publish(world);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(world->sent_count, 0);

	world_next(world)->interface[EXT].up = true;
	world_publish(world);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(announcements(world, VIP, EXT), 3);

	world_forget_sent(world);
	world_next(world)->interface[EXT].mac = mac(0xab);
	world_publish(world);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(announcements(world, VIP, EXT), 3);

	/* One that comes and goes begins anew each time, and never says more than that. */
	world_forget_sent(world);
	for (unsigned i = 0; i < 4; i++) {
		world_next(world)->interface[EXT].up = i % 2;
		world_publish(world);
		world_run_until(world, world->now + SECOND / 2);
	}
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(announcements(world, VIP, EXT), 1 + 3);

	/* A second frontend speaks for itself. */
	world_forget_sent(world);
	next = world_next(world);
	next->interface[INT].sides |= SIDE_FRONTEND;
	world_publish(world);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(announcements(world, VIP, INT), 3);
	assert_int_equal(world->sent_count, 3);

	/* Nothing changed: nothing to say. */
	world_forget_sent(world);
	world_next(world);
	world_publish(world);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void a_frontend_that_comes_up_after_the_start_announces_three_times_too(void **state)
{
	struct world *world = world_new();

	(void)state;
	world_next(world)->interface[EXT].up = false;
	world_publish(world);
	world_run_until(world, world->now + SECOND / 10);
	assert_int_equal(world->sent_count, 0);
	world_next(world)->interface[EXT].up = true;
	world_publish(world);
	world_run_until(world, world->now + 10 * SECOND);
	assert_int_equal(announcements(world, VIP, EXT), 3);
	world_free(world);
}

static void thousands_of_vips_are_announced_in_batches(void **state)
{
	enum { VIPS = 3000 };
	struct world *world = world_new();
	struct tables *next = world_next(world);
	uint32_t seen[VIPS] = {0};

	(void)state;
	for (uint32_t i = 0; i < VIPS; i++)
		tables_add_local(next, to_be32((172U << 24) + i), NONE);
	world_publish(world);
	for (uint32_t before = 0; path_deadline(world->path) != UINT64_MAX;) {
		world->now = path_deadline(world->path) > world->now ? path_deadline(world->path) :
								      world->now;
		path_tick(world->path, world->now);
		assert_true(world->sent_count - before <= ARP_ANNOUNCE_BATCH);
		assert_true(path_deadline(world->path) > world->now);
		before = world->sent_count;
	}
	assert_int_equal(world->sent_count, 3 * (VIPS + 1));
	for (uint32_t i = 0; i < world->sent_count; i++) {
		const uint32_t vip = from_be32(sent_arp(world, i)->arp.sender) - (172U << 24);

		if (vip < VIPS)
			seen[vip]++;
	}
	for (uint32_t i = 0; i < VIPS; i++)
		assert_int_equal(seen[i], 3);
	world_free(world);
}

#define ADDED address(203, 0, 113, 11)

static void count_added(void *context, const struct frame *frame)
{
	uint32_t *count = context;

	*count += same32(((const struct arp_frame *)frame->data)->arp.sender, ADDED);
}

/* An interface that flaps has every VIP announced again and again: more than there is room for. */
static void what_is_new_is_announced_rather_than_what_has_been_already(void **state)
{
	enum { VIPS = 3000, FLAPS = 10 };
	struct world *world = world_new();
	struct tables *next = world_next(world);
	uint32_t count = 0;

	(void)state;
	for (uint32_t i = 0; i < VIPS; i++)
		tables_add_local(next, to_be32((172U << 24) + i), NONE);
	world_publish(world);
	world_run_until(world, world->now + SECOND);
	for (uint32_t i = 0; i < FLAPS; i++) {
		world_next(world)->interface[EXT].mac = mac((uint8_t)i);
		world_publish(world);
	}
	tables_add_local(world_next(world), ADDED, NONE);
	world_publish(world);
	world->path->output = (struct path_output){.context = &count, .send = count_added};
	world_run_until(world, world->now + 1000 * SECOND);
	assert_int_equal(path_deadline(world->path), UINT64_MAX);
	assert_int_equal(count, ARP_ANNOUNCEMENTS);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_for_a_vip_is_answered_on_a_frontend),
		cmocka_unit_test(a_vip_is_not_there_for_the_backends_side),
		cmocka_unit_test(an_interface_address_is_answered_for_on_its_own_interface_only),
		cmocka_unit_test(a_request_for_somebody_else_is_left_alone),
		cmocka_unit_test(who_asks_for_us_is_known_but_unconfirmed),
		cmocka_unit_test(who_asks_for_us_while_we_ask_for_him_gets_his_frames),
		cmocka_unit_test(a_request_with_another_mac_is_believed_and_confirmed),
		cmocka_unit_test(who_is_not_of_this_network_is_answered_but_not_learnt),
		cmocka_unit_test(a_probe_for_our_address_is_answered_and_nobody_learnt),
		cmocka_unit_test(an_unsolicited_reply_teaches_nothing),
		cmocka_unit_test(a_reply_to_somebody_else_answers_no_question_of_ours),
		cmocka_unit_test(a_reply_on_another_interface_answers_no_question_of_ours),
		cmocka_unit_test(a_router_that_answers_for_a_shared_mac_is_believed),
		cmocka_unit_test(a_server_that_moved_is_asked_for_at_once),
		cmocka_unit_test(a_claim_of_a_vip_is_an_alarm),
		cmocka_unit_test(a_claim_of_an_interface_address_is_an_alarm_too),
		cmocka_unit_test(alarms_about_one_address_come_once_a_second),
		cmocka_unit_test(own_arp_that_comes_back_is_no_conflict),
		cmocka_unit_test(arp_that_is_cut_short_or_of_another_kind_is_malformed),
		cmocka_unit_test(other_operations_are_not_for_us),
		cmocka_unit_test(a_padded_request_is_answered),
		cmocka_unit_test(answers_are_limited),
		cmocka_unit_test(a_question_is_asked_from_the_address_in_that_network),
		cmocka_unit_test(an_interface_without_address_asks_by_probe),
		cmocka_unit_test(vips_are_announced_three_times_at_start_on_frontends_only),
		cmocka_unit_test(a_vip_that_is_added_is_announced_at_once_and_alone),
		cmocka_unit_test(a_vip_that_is_gone_is_announced_no_more),
		cmocka_unit_test(a_frontend_that_comes_up_or_changes_its_mac_announces_all_vips),
		cmocka_unit_test(a_frontend_that_comes_up_after_the_start_announces_three_times_too),
		cmocka_unit_test(thousands_of_vips_are_announced_in_batches),
		cmocka_unit_test(what_is_new_is_announced_rather_than_what_has_been_already),
	};

	return cmocka_run_group_tests_name("arp", tests, NULL, NULL);
}
