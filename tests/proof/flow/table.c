/* See table.h. */
#include "tests/proof/flow/table.h"

#include <stdlib.h>
#include <string.h>

#include "tests/proof/flow/search.h"

enum { CANARY = 64 }; /* bytes behind the table's memory */

const struct world *world;
struct map map;
struct flow_table table;
uint64_t steps;
int offset;
bool stretches;

static uint8_t *memory;
static void *wheel_memory;

uint64_t now_ns(void)
{
	return steps * STEP_NS + (uint64_t)(int64_t)offset;
}

static uint64_t stretch(uint64_t ns)
{
	uint64_t step = ns / STEP_NS + (ns % STEP_NS >= STEP_NS / 2);

	if (!stretches || ns == UINT64_MAX)
		return ns;
	return (step << TABLE_STEP_SHIFT) + (ns - step * STEP_NS);
}

void __real_wheel_add(struct wheel *wheel, uint32_t index, uint64_t deadline_ns);
uint32_t __real_wheel_next_due(struct wheel *wheel, uint64_t now_ns);
void __wrap_wheel_add(struct wheel *wheel, uint32_t index, uint64_t deadline_ns);
uint32_t __wrap_wheel_next_due(struct wheel *wheel, uint64_t now_ns);

void __wrap_wheel_add(struct wheel *wheel, uint32_t index, uint64_t deadline_ns)
{
	__real_wheel_add(wheel, index, stretch(deadline_ns));
}

uint32_t __wrap_wheel_next_due(struct wheel *wheel, uint64_t now)
{
	return __real_wheel_next_due(wheel, stretch(now));
}

uint64_t now_tick(void)
{
	return stretch(now_ns()) >> table.wheel.tick_shift;
}

uint64_t tick_of(uint64_t ns)
{
	uint64_t stretched = stretch(ns), tick = stretched >> table.wheel.tick_shift;

	return tick << table.wheel.tick_shift == stretched ? tick : tick + 1;
}

struct closing told[2 * WORLD_CAPACITY_MAX];
uint32_t told_count;

static void on_close(void *context, const struct flow *flow, enum flow_close_reason reason)
{
	uint32_t number = flow->backend - 100;

	if (context != &told)
		violated("the hook gets a context that is not its own");
	if (number >= map.births) {
		violated("the hook is told of a flow that nobody knows");
		return;
	}
	struct flow_tuple forward = map_tuple(&map, (int)number, FLOW_FORWARD);

	if (memcmp(&flow->forward, &forward, sizeof(forward)))
		violated("the hook gets flow %c with another tuple", 'A' + number);
	if (told_count < 2 * WORLD_CAPACITY_MAX)
		told[told_count++] = (struct closing){number, reason};
}

static bool hashes_fit(uint64_t seed)
{
	for (int i = 0; i < (int)map.births; i++)
		for (enum flow_direction side = FLOW_FORWARD; side <= FLOW_REPLY; side++) {
			struct flow_tuple tuple = map_tuple(&map, i, side);
			uint64_t hash = flow_hash(&tuple, seed);

			if (hash & ~(UINT64_C(1) << 32 | 1)) {
				fprintf(stderr, "the hash does not collide\n");
				exit(2);
			}
			if (world->hash <= BUCKET_1_TAG_1 &&
			    ((hash & 1) != (uint64_t)world->hash / 2 ||
			     hash >> 32 != (uint64_t)world->hash % 2))
				return false;
			if (world->hash == BUCKET_0 && hash & 1)
				return false;
		}
	return true;
}

void table_begin(const struct world *of, bool own_wheel)
{
	size_t size = flow_table_size(of->capacity);
	uint64_t seed = 1;

	world = of;
	map = (struct map){.birth = of->birth, .births = of->births, .capacity = of->capacity};
	while (!hashes_fit(seed))
		seed++;
	free(memory);
	memory = aligned_alloc(FLOW_MEMORY_ALIGNMENT, size + CANARY);
	if (!memory)
		exit(2);
	memset(memory, 0xa5, size + CANARY);
	flow_table_init(&table, memory, of->capacity, seed, on_close, &told);
	stretches = !own_wheel;
	steps = TABLE_ORIGIN_STEPS;
	offset = 0;
	if (!own_wheel) {
		free(wheel_memory);
		wheel_memory = malloc(wheel_size(of->capacity, of->wheel_slots));
		if (!wheel_memory)
			exit(2);
		wheel_init(&table.wheel, wheel_memory, of->capacity, of->wheel_slots,
			   (unsigned)(TABLE_STEP_SHIFT - of->ticks_shift));
		table.wheel.cursor = now_tick();
	}
}

bool table_memory_is_whole(void)
{
	for (size_t i = 0; i < CANARY; i++)
		if (memory[flow_table_size(table.capacity) + i] != 0xa5)
			return false;
	return true;
}
