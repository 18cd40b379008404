/* The life of a check: when it asks, what its answers make of the target's health, what a change of
 * the configuration leaves of it. What probes look like: test_probe.c. */
#include "appliance/path/check_state.h"
#include "tests/unit/check_world.h"

static const uint32_t id = GENERATION;

/* Runs one probe of the only target, and answers it or not. */
static void probe_once(struct world *world, bool well)
{
	const uint8_t *probe = next_probe(world);

	if (well)
		assert_int_equal(answer(world, probe), VERDICT_CONSUMED);
	else
		world_run_until(world, world->now + SECOND + 2 * MS);
}

static void a_target_is_down_until_its_first_success_and_up_at_once(void **state)
{
	struct snapshot_target target = some_target(PROBE_ICMP, 0);

	(void)state;
	target.rise = 5;
	struct world *world = world_with_target(&target);

	assert_int_equal(health_of(world, id), HEALTH_DOWN);
	probe_once(world, false);
	probe_once(world, false);
	assert_int_equal(health_of(world, id), HEALTH_DOWN);
	assert_int_equal(world->events, 0);
	probe_once(world, true);
	assert_int_equal(health_of(world, id), HEALTH_UP);
	assert_int_equal(world->events, 1);
	assert_int_equal(world->event[0].type, EVENT_TARGET_UP);
	assert_int_equal(world->event[0].id, id);
	assert_int_equal(world->event[0].time_ns, world->now);
	world_free(world);
}

/* A row: what each probe came to (+ or -), and health after each (u or d). */
static const struct row {
	uint32_t rise, fall;
	const char *results, *health;
} rows[] = {
	{2, 3, "+-----", "uuuddd"},
	{2, 3, "+--+--+---", "uuuuuuuuud"},
	{2, 3, "+---+-++", "uuuddddu"},
	{2, 3, "---+---", "ddduuud"},
	{1, 1, "+-+-", "udud"},
	{3, 1, "+-++-+++", "uddddddu"},
	{1, 5, "+----+-----", "uuuuuuuuuud"},
};

static void only_results_in_a_row_change_health(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct snapshot_target target = some_target(PROBE_TCP, 0);
		uint32_t changes = 0;
		enum health before = HEALTH_DOWN;

		target.rise = rows[i].rise;
		target.fall = rows[i].fall;
		struct world *world = world_with_target(&target);

		for (const char *r = rows[i].results, *h = rows[i].health; *r; r++, h++) {
			enum health expected = *h == 'u' ? HEALTH_UP : HEALTH_DOWN;

			probe_once(world, *r == '+');
			assert_int_equal(health_of(world, id), expected);
			changes += expected != before;
			before = expected;
		}
		assert_int_equal(world->events, changes);
		world_free(world);
	}
}

static void a_view_counts_what_is_in_a_row_and_when_it_changed(void **state)
{
	struct snapshot_target target = some_target(PROBE_ICMP, 0);
	struct world *world = world_with_target(&target);

	(void)state;
	next_probe(world);
	assert_int_equal(view_of(world, id).result, CHECK_NONE);
	assert_int_equal(view_of(world, id).result_ns, 0);
	world->now += 300000;
	answer(world, world->sent[0].bytes);
	uint64_t up = world->now;
	probe_once(world, true);
	assert_int_equal(view_of(world, id).result, CHECK_ECHO_REPLY);
	assert_int_equal(view_of(world, id).successes, 2);
	assert_int_equal(view_of(world, id).changed_ns, up);
	next_probe(world);
	world->now += 250000;
	answer(world, world->sent[0].bytes);
	assert_int_equal(view_of(world, id).round_trip_ns, 250000);
	assert_int_equal(view_of(world, id).result_ns, world->now);
	probe_once(world, false);
	assert_int_equal(view_of(world, id).result, CHECK_TIMEOUT);
	assert_int_equal(view_of(world, id).successes, 0);
	assert_int_equal(view_of(world, id).failures, 1);
	assert_int_equal(view_of(world, id).changed_ns, up);
	assert_int_equal(path_counters(world->path)->checks_sent, 4);
	world_free(world);
}

static void probes_keep_to_their_interval_whatever_their_answers_take(void **state)
{
	static const uint64_t timeouts[] = {SECOND / 10, SECOND, 2 * SECOND - MS, 2 * SECOND};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct snapshot_target target = some_target(PROBE_ICMP, 0);
		uint64_t begin, second;

		target.timeout_ns = timeouts[i];
		struct world *world = world_with_target(&target);

		begin = world->now;
		next_probe(world);
		assert_in_range(world->now - begin, 0, CHECK_FIRST_NS + 2 * MS);
		next_probe(world);
		second = world->now;
		for (uint64_t n = 1; n <= 100; n++) {
			next_probe(world);
			if (n % 3)
				answer(world, world->sent[0].bytes);
			assert_in_range(world->now, second + n * target.interval_ns - 4 * MS,
					second + n * target.interval_ns + 4 * MS);
		}
		world_free(world);
	}
}

static void a_timeout_longer_than_the_interval_leaves_one_probe_at_a_time(void **state)
{
	struct snapshot_target target = some_target(PROBE_ICMP, 0);
	uint64_t begin;

	(void)state;
	target.interval_ns = SECOND;
	target.timeout_ns = 3 * SECOND;
	struct world *world = world_with_target(&target);

	next_probe(world);
	begin = world->now;
	next_probe(world);
	assert_in_range(world->now - begin, 3 * SECOND, 3 * SECOND + 2 * MS);
	begin = world->now;
	answer(world, world->sent[0].bytes);
	next_probe(world);
	assert_in_range(world->now - begin, 1, SECOND + 2 * MS);
	world_free(world);
}

/* Longer than the wheel turns: a timer that comes up on the way is put back. */
static void long_intervals_and_timeouts_are_kept(void **state)
{
	struct snapshot_target target = some_target(PROBE_ICMP, 0);
	uint64_t sent;

	(void)state;
	target.interval_ns = 60 * SECOND;
	target.timeout_ns = 20 * SECOND;
	struct world *world = world_with_target(&target);

	next_probe(world);
	next_probe(world);
	sent = world->now;
	assert_int_equal(view_of(world, id).failures, 1);
	assert_false(run_to_frame(world, sent + 20 * SECOND - MS));
	assert_int_equal(view_of(world, id).failures, 1);
	assert_false(run_to_frame(world, sent + 20 * SECOND + 2 * MS));
	assert_int_equal(view_of(world, id).failures, 2);
	next_probe(world);
	assert_in_range(world->now, sent + 60 * SECOND - 2 * MS, sent + 60 * SECOND + 2 * MS);
	world_free(world);
}

static void a_late_answer_changes_nothing(void **state)
{
	static const enum probe_type types[] = {PROBE_ICMP, PROBE_TCP, PROBE_UDP};
	static const enum verdict verdicts[] = {VERDICT_CONSUMED, VERDICT_CONSUMED,
						DROP_no_service};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct snapshot_target target = some_target(types[i], 0);
		struct world *world = world_with_target(&target);
		struct made late = answer_to(next_probe(world));

		world_run_until(world, world->now + SECOND + 2 * MS);
		assert_int_equal(view_of(world, id).result, CHECK_TIMEOUT);
		assert_int_equal(receive_made(world, INT, &late), verdicts[i]);
		next_probe(world); /* nor does it count for the next one */
		assert_int_equal(receive_made(world, INT, &late), verdicts[i]);
		assert_int_equal(view_of(world, id).failures, 1);
		assert_int_equal(health_of(world, id), HEALTH_DOWN);
		world_free(world);
	}
}

static void a_repeated_answer_counts_once(void **state)
{
	struct snapshot_target target = some_target(PROBE_TCP, 0);
	struct world *world = world_with_target(&target);
	struct made reply = answer_to(next_probe(world));

	(void)state;
	assert_int_equal(receive_made(world, INT, &reply), VERDICT_CONSUMED);
	assert_int_equal(receive_made(world, INT, &reply), VERDICT_CONSUMED);
	assert_int_equal(view_of(world, id).successes, 1);
	assert_int_equal(world->sent_count, 3); /* the probe, and a RST for each */
	world_free(world);
}

static void what_cannot_be_sent_fails_when_its_timeout_is_over(void **state)
{
	(void)state;
	for (int reason = 0; reason < 5; reason++) {
		struct snapshot_target target = some_target(PROBE_TCP, 0);
		struct world *world = world_with_server();
		struct tables *tables = world_next(world);
		enum check_result expected = CHECK_NO_ROUTE;

		if (reason == 0) {
			tables->snapshot.routes = 1;
		} else if (reason == 1) {
			tables->interface[INT].up = false;
			expected = CHECK_INTERFACE_DOWN;
		} else if (reason == 2) {
			tables->interface[INT].address = tables->route[1].source = (be32){0};
			expected = CHECK_NO_ADDRESS;
		} else if (reason == 3) {
			tables->snapshot.neighbors = 0;
			expected = CHECK_NO_NEIGHBOR;
		} else {
			target.type = PROBE_ARP;
			target.address = address(192, 0, 2, 9); /* behind the gateway */
			expected = CHECK_NOT_ON_LINK;
		}
		world_publish(world);
		put_targets(world, &target, 1);
		uint64_t begin = world->now;

		do
			world_run_until(world, world->now + 10 * MS);
		while (view_of(world, id).result == CHECK_NONE);
		assert_in_range(world->now - begin, SECOND, 2 * SECOND + 20 * MS);
		assert_int_equal(view_of(world, id).result, expected);
		assert_int_equal(view_of(world, id).failures, 1);
		/* What waits for a neighbor has been sent, as far as a check can tell. */
		assert_int_equal(path_counters(world->path)->checks_sent, reason == 3);
		world_free(world);
	}
}

static void a_change_of_the_configuration_leaves_a_targets_state(void **state)
{
	struct snapshot_target targets[2] = {some_target(PROBE_ICMP, 0), some_target(PROBE_TCP, 1)};
	struct world *world = world_with_target(&targets[0]);
	struct made reply;

	(void)state;
	probe_once(world, true);
	probe_once(world, false);
	reply = answer_to(next_probe(world));

	/* Another place in the table, another target before it, other timing: the same id. */
	struct snapshot_target swapped[2] = {targets[1], targets[0]};
	swapped[1].fall = 2;
	put_targets(world, swapped, 2);
	assert_int_equal(health_of(world, id), HEALTH_UP);
	assert_int_equal(view_of(world, id).failures, 1);
	assert_int_equal(receive_made(world, INT, &reply), VERDICT_CONSUMED);
	assert_int_equal(view_of(world, id).successes, 1);
	assert_int_equal(world->events, 1);
	world_free(world);
}

/* Nothing is left of probes whose checks are gone. */
static void assert_nobody_waits(const struct world *world)
{
	const struct flow_index *waiting = &world->path->checks->waiting;

	for (uint32_t bucket = 0; bucket <= waiting->mask; bucket++)
		for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++)
			assert_int_equal(waiting->bucket[bucket].reference[way], 0);
}

static void a_target_that_is_gone_is_forgotten_and_its_slot_begins_anew(void **state)
{
	struct snapshot_target target = some_target(PROBE_ICMP, 0);
	struct world *world = world_with_target(&target);
	struct made reply;
	struct check_view view;

	(void)state;
	probe_once(world, true);
	reply = answer_to(next_probe(world));
	put_targets(world, &target, 0);
	assert_int_equal(health_of(world, id), HEALTH_UNKNOWN);
	assert_false(check_view(world->path, id, &view));
	receive_made(world, INT, &reply);
	assert_false(run_to_frame(world, world->now + 100 * SECOND));
	assert_int_equal(path_deadline(world->path), UINT64_MAX);
	assert_nobody_waits(world);

	target.id = 2 * GENERATION;
	put_targets(world, &target, 1);
	assert_int_equal(health_of(world, target.id), HEALTH_DOWN);
	next_probe(world);
	assert_int_equal(view_of(world, target.id).successes, 0);
	assert_int_equal(world->events, 1);
	world_free(world);
}

static void a_target_that_is_gone_unanswered_is_forgotten_with_its_timer(void **state)
{
	struct snapshot_target target = some_target(PROBE_ICMP, 0);
	struct world *world = world_with_target(&target);

	(void)state;
	next_probe(world);
	put_targets(world, &target, 0);
	assert_false(run_to_frame(world, world->now + 100 * SECOND));
	assert_int_equal(path_deadline(world->path), UINT64_MAX);
	assert_nobody_waits(world);
	world_free(world);
}

static void a_slot_that_changes_hands_while_it_waits_begins_anew(void **state)
{
	struct snapshot_target target = some_target(PROBE_ICMP, 0);
	struct world *world = world_with_target(&target);
	struct made reply;

	(void)state;
	probe_once(world, true);
	reply = answer_to(next_probe(world));
	target.id = 2 * GENERATION;
	put_targets(world, &target, 1);
	assert_int_equal(health_of(world, target.id), HEALTH_DOWN);
	path_tick(world->path, world->now);
	receive_made(world, INT, &reply);
	assert_int_equal(health_of(world, target.id), HEALTH_DOWN);
	assert_int_equal(view_of(world, target.id).result, CHECK_NONE);
	assert_nobody_waits(world);
	world_free(world);
}

static void one_arp_reply_answers_every_check_of_the_address(void **state)
{
	struct snapshot_target targets[2] = {some_target(PROBE_ARP, 0), some_target(PROBE_ARP, 1)};
	struct world *world = world_with_server();
	struct made reply = arp_answer(SERVER_MAC);

	(void)state;
	targets[0].timeout_ns = targets[1].timeout_ns = 2 * SECOND;
	put_targets(world, targets, 2);
	while (path_counters(world->path)->checks_sent < 2)
		world_run_until(world, world->now + 10 * MS);
	assert_int_equal(receive_made(world, INT, &reply), VERDICT_CONSUMED);
	assert_int_equal(health_of(world, id), HEALTH_UP);
	assert_int_equal(health_of(world, id + 1), HEALTH_UP);
	world_free(world);
}

static void the_same_inputs_give_the_same_frames(void **state)
{
	uint8_t *first = NULL;
	uint32_t count = 0;

	(void)state;
	for (int run = 0; run < 2; run++) {
		struct snapshot_target targets[3] = {some_target(PROBE_ICMP, 0),
						     some_target(PROBE_TCP, 1),
						     some_target(PROBE_UDP, 2)};
		struct world *world = world_with_server();

		put_targets(world, targets, 3);
		world_run_until(world, world->now + 60 * SECOND);
		assert_in_range(world->sent_count, 80, 95);
		if (!run) {
			count = world->sent_count;
			first = malloc(sizeof(world->sent));
			assert_non_null(first);
			memcpy(first, world->sent, sizeof(world->sent));
		} else {
			assert_int_equal(world->sent_count, count);
			assert_memory_equal(first, world->sent, count * sizeof(world->sent[0]));
		}
		world_free(world);
	}
	free(first);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_is_down_until_its_first_success_and_up_at_once),
		cmocka_unit_test(only_results_in_a_row_change_health),
		cmocka_unit_test(a_view_counts_what_is_in_a_row_and_when_it_changed),
		cmocka_unit_test(probes_keep_to_their_interval_whatever_their_answers_take),
		cmocka_unit_test(a_timeout_longer_than_the_interval_leaves_one_probe_at_a_time),
		cmocka_unit_test(long_intervals_and_timeouts_are_kept),
		cmocka_unit_test(a_late_answer_changes_nothing),
		cmocka_unit_test(a_repeated_answer_counts_once),
		cmocka_unit_test(what_cannot_be_sent_fails_when_its_timeout_is_over),
		cmocka_unit_test(a_change_of_the_configuration_leaves_a_targets_state),
		cmocka_unit_test(a_target_that_is_gone_is_forgotten_and_its_slot_begins_anew),
		cmocka_unit_test(a_target_that_is_gone_unanswered_is_forgotten_with_its_timer),
		cmocka_unit_test(a_slot_that_changes_hands_while_it_waits_begins_anew),
		cmocka_unit_test(one_arp_reply_answers_every_check_of_the_address),
		cmocka_unit_test(the_same_inputs_give_the_same_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
