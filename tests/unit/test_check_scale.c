/* A hundred thousand targets: bounded work at a time, even load, nobody forgotten. */
#include "tests/unit/check_world.h"

enum {
	MANY = 100000,
	BINS = 100, /* of an interval */
};

static struct snapshot_target many[MANY];
static uint32_t by_slot[TARGETS_MAX];
static uint32_t probes[MANY];
static uint32_t bin[BINS];

/* Behind the gateway, whose MAC is known: each has an address of its own. */
static struct world *world_with_many(void)
{
	struct world *world = world_up();
	struct tables *tables = world_next(world);

	memset(by_slot, 0xff, sizeof(by_slot));
	for (uint32_t i = 0; i < MANY; i++) {
		many[i] = some_target(PROBE_ICMP, i);
		many[i].address = to_be32((172U << 24 | 16U << 16) + i);
		by_slot[i] = i;
	}
	tables->neighbor[0] = (struct snapshot_neighbor){GATEWAY, EXT, mac(0xfe)};
	tables->snapshot.neighbors = 1;
	tables->snapshot.targets = MANY;
	tables->snapshot.target = many;
	tables->snapshot.target_by_slot = by_slot;
	world_publish(world);
	world_forget_sent(world);
	return world;
}

static void tally(struct world *world)
{
	assert_in_range(world->sent_count, 0, CHECK_TICK_MAX);
	for (uint32_t i = 0; i < world->sent_count; i++) {
		uint32_t target = from_be32(ip_of(world->sent[i].bytes)->destination) & 0xfffff;

		assert_in_range(target, 0, MANY - 1);
		probes[target]++;
		bin[world->now % (2 * SECOND) / (2 * SECOND / BINS)]++;
	}
	world->sent_count = 0;
}

static uint32_t run(struct world *world, uint64_t until_ns)
{
	uint32_t ticks = 0;

	memset(probes, 0, sizeof(probes));
	memset(bin, 0, sizeof(bin));
	while (path_deadline(world->path) <= until_ns) {
		if (path_deadline(world->path) > world->now)
			world->now = path_deadline(world->path);
		path_tick(world->path, world->now);
		ticks++;
		tally(world);
	}
	world->now = until_ns;
	return ticks;
}

static void every_tick_does_little_and_every_target_gets_its_turn(void **state)
{
	struct world *world = world_with_many();
	uint64_t begin = world->now;

	(void)state;
	run(world, begin + 4 * SECOND);
	for (uint32_t i = 0; i < MANY; i++)
		assert_in_range(probes[i], 1, 3);

	/* Five intervals, give or take the wheel's tick at both ends: evenly over the time. */
	uint32_t ticks = run(world, begin + 14 * SECOND), sum = 0;
	for (uint32_t i = 0; i < MANY; i++) {
		assert_in_range(probes[i], 4, 6);
		sum += probes[i];
	}
	assert_in_range(sum, 5 * MANY - MANY / 1000, 5 * MANY + MANY / 1000);
	for (uint32_t i = 0; i < BINS; i++)
		assert_in_range(bin[i], 5 * MANY / BINS * 9 / 10, 5 * MANY / BINS * 11 / 10);
	assert_in_range(ticks, 2 * 5 * MANY / CHECK_TICK_MAX, 2 * 10 * 1000);
	assert_int_equal(view_of(world, many[MANY - 1].id).result, CHECK_TIMEOUT);
	world_free(world);
}

static void a_swap_is_looked_through_in_slices(void **state)
{
	struct world *world = world_with_many();
	uint32_t ticks = 0;

	(void)state;
	assert_int_equal(path_deadline(world->path), 0);
	while (path_deadline(world->path) == 0) {
		path_tick(world->path, world->now);
		ticks++;
	}
	assert_int_equal(ticks, (MANY + CHECK_ADOPT_MAX - 1) / CHECK_ADOPT_MAX);
	run(world, world->now + SECOND + 10 * MS);
	for (uint32_t i = 0; i < MANY; i++)
		assert_in_range(probes[i], 1, 2);
	world_free(world);
}

/* What stood still for a minute is caught up with, a bounded piece at a time. */
static void a_stall_is_caught_up_with_in_slices(void **state)
{
	struct world *world = world_with_many();

	(void)state;
	run(world, world->now + 4 * SECOND);
	memset(probes, 0, sizeof(probes));
	world->now += 60 * SECOND;
	for (uint32_t tick = 0; tick < MANY / CHECK_TICK_MAX + 1; tick++) {
		path_tick(world->path, world->now);
		tally(world);
	}
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(probes[i], 1);
	world_free(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tick_does_little_and_every_target_gets_its_turn),
		cmocka_unit_test(a_swap_is_looked_through_in_slices),
		cmocka_unit_test(a_stall_is_caught_up_with_in_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
