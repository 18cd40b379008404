/* Maglev tables against what they promise, and against a naive reference that shares no code with
 * appliance/path/maglev.c: whole tables compared slot by slot. Seeds are fixed.
 *
 * A line for each property, as tests/proof expects it: RESULT, property, tool, bound, result. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "appliance/path/maglev.h"
#include "tests/unit/random.h"

enum {
	MEMBERS_MAX = 1000,
	EXTREME_SKIP = MAGLEV_SIZE - 1,
};

static const uint64_t SEED = 0x6c62; /* of the cluster */

static struct maglev_member member[MEMBERS_MAX];
static uint16_t table[MAGLEV_SIZE], before[MAGLEV_SIZE], expected[MAGLEV_SIZE];
static uint32_t held[MEMBERS_MAX];
static void *scratch;
static unsigned failures;

static uint64_t random_state;

static uint64_t random64(void)
{
	return random_next(&random_state);
}

static uint32_t random_below(uint32_t limit)
{
	return (uint32_t)(random64() % limit);
}

/* ---- a property ---- */

static struct { bool holds; unsigned cases; } now;

static void property_begin(uint64_t seed)
{
	random_state = seed;
	now.holds = true;
	now.cases = 0;
}

__attribute__((format(printf, 1, 2))) static void broken(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (now.holds)
		vfprintf(stderr, format, arguments);
	va_end(arguments);
	now.holds = false;
}

static void property_end(const char *what, const char *bound, const char *result)
{
	printf("%s\t%s\treference in C\t%s\t%s\n", now.holds ? "PASS" : "FAIL", what, bound,
	       now.holds ? result : "broken");
	fflush(stdout);
	failures += !now.holds;
}

/* ---- members and tables ---- */

static void set_members(uint32_t count, uint32_t weight)
{
	for (uint32_t i = 0; i < count; i++)
		member[i] = (struct maglev_member){
			.address = to_be32(0x0a000001 + i / 3),
			.port = (uint16_t)(8080 + i % 3),
			.weight = weight,
		};
}

/* Also what the program does with every table that it builds. */
static bool build(uint16_t *into, uint32_t count)
{
	now.cases++;
	if (!maglev_build(into, member, count, SEED, scratch))
		return false;
	if (!maglev_certify(into, member, count, scratch))
		broken("the certificate refuses a table of %" PRIu32 " members\n", count);
	return true;
}

static void count_held(uint32_t count)
{
	memset(held, 0, count * sizeof(*held));
	for (uint32_t slot = 0; slot < MAGLEV_SIZE; slot++) {
		if (table[slot] >= count) {
			broken("slot %" PRIu32 " names member %u of %" PRIu32 "\n", slot,
			       table[slot], count);
			return;
		}
		held[table[slot]]++;
	}
}

static uint64_t weight_sum(uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += member[i].weight;
	return sum;
}

/* ---- the reference ---- */

static uint64_t place_of(uint32_t i)
{
	return (uint64_t)from_be32(member[i].address) << 16 | member[i].port;
}

/* Where a member looks: slot n is (offset + n * skip) mod M, in 64 bits. */
static void sequence_of(uint32_t i, uint64_t *ret_offset, uint64_t *ret_skip)
{
	uint8_t key[8] = {0};

	memcpy(key, &member[i].address, 4);
	key[4] = (uint8_t)(member[i].port >> 8);
	key[5] = (uint8_t)member[i].port;
	XXH128_hash_t hash = XXH3_128bits_withSeed(key, sizeof(key), SEED);
	*ret_offset = hash.low64 % MAGLEV_SIZE;
	*ret_skip = hash.high64 % (MAGLEV_SIZE - 1) + 1;
}

static int by_place(const void *a, const void *b)
{
	uint64_t first = place_of(*(const uint32_t *)a), second = place_of(*(const uint32_t *)b);

	return first < second ? -1 : first > second;
}

static uint64_t share_sum; /* for by_remainder() */

static int by_remainder(const void *a, const void *b)
{
	uint64_t first = (uint64_t)member[*(const uint32_t *)a].weight * MAGLEV_SIZE % share_sum;
	uint64_t second = (uint64_t)member[*(const uint32_t *)b].weight * MAGLEV_SIZE % share_sum;

	return first > second ? -1 : first < second ? 1 : by_place(a, b);
}

/* Hamilton's quotas: floors, and one more for the largest remainders. */
static void reference_quotas(uint32_t count, uint32_t *quota)
{
	uint32_t order[MEMBERS_MAX], left = MAGLEV_SIZE;

	share_sum = weight_sum(count);
	for (uint32_t i = 0; i < count; i++) {
		order[i] = i;
		quota[i] = (uint32_t)((uint64_t)member[i].weight * MAGLEV_SIZE / share_sum);
		left -= quota[i];
	}
	qsort(order, count, sizeof(*order), by_remainder);
	for (uint32_t i = 0; i < left; i++)
		quota[order[i]]++;
}

struct turn {
	uint64_t time;
	uint64_t place;
	uint16_t member;
};

static int by_time(const void *a, const void *b)
{
	const struct turn *first = a, *second = b;

	if (first->time != second->time)
		return first->time < second->time ? -1 : 1;
	return first->place < second->place ? -1 : first->place > second->place;
}

static void reference_build(uint32_t count)
{
	static struct turn turn[MAGLEV_SIZE];
	static uint64_t next[MEMBERS_MAX];
	uint32_t quota[MEMBERS_MAX], turns = 0;
	uint64_t sum = weight_sum(count), offset, skip;

	reference_quotas(count, quota);
	for (uint32_t i = 0; i < count; i++)
		for (uint64_t n = 0; n < quota[i]; n++) {
			uint64_t time = (2 * n + 1) * sum / (2 * (uint64_t)member[i].weight);

			turn[turns++] = (struct turn){
				.time = time < MAGLEV_SIZE ? time : MAGLEV_SIZE - 1,
				.place = place_of(i),
				.member = (uint16_t)i,
			};
		}
	qsort(turn, turns, sizeof(*turn), by_time);
	memset(next, 0, sizeof(next));
	memset(expected, 0xff, sizeof(expected));
	for (uint32_t i = 0; i < turns; i++) {
		uint16_t who = turn[i].member;
		uint64_t slot;

		sequence_of(who, &offset, &skip);
		do
			slot = (offset + next[who]++ * skip) % MAGLEV_SIZE;
		while (expected[slot] != 0xffff);
		expected[slot] = who;
	}
}

static void compare_with_reference(uint32_t count)
{
	if (!build(table, count)) {
		broken("no table for %" PRIu32 " members\n", count);
		return;
	}
	reference_build(count);
	for (uint32_t slot = 0; slot < MAGLEV_SIZE; slot++)
		if (table[slot] != expected[slot])
			broken("%" PRIu32 " members: slot %" PRIu32 " names %u, not %u\n", count, slot,
			       table[slot], expected[slot]);
}

/* ---- the properties ---- */

static void tables_are_the_reference(void)
{
	char result[64];

	property_begin(1);
	for (uint32_t count = 1; count <= 16; count++) {
		set_members(count, 100);
		compare_with_reference(count);
	}
	for (unsigned round = 0; round < 150; round++) {
		uint32_t count = 1 + random_below(round % 10 ? 60 : MEMBERS_MAX);
		uint32_t limit = round % 3 ? 8 : MAGLEV_WEIGHT_MAX + 1;

		set_members(count, 0);
		for (uint32_t i = 0; i < count; i++)
			member[i].weight = random_below(limit);
		member[random_below(count)].weight = 1 + random_below(limit - 1);
		compare_with_reference(count);
	}
	snprintf(result, sizeof(result), "%u tables, slot by slot", now.cases);
	property_end("Maglev tables are those of the paper, with weights",
		     "1 to 1000 backends, any weights", result);
}

static void balance(void)
{
	uint32_t most = 0;
	char result[64];

	property_begin(2);
	for (uint32_t count = 1; count * 100 < MAGLEV_SIZE; count++) {
		set_members(count, 1 + random_below(MAGLEV_WEIGHT_MAX));
		build(table, count);
		count_held(count);
		uint32_t least = MAGLEV_SIZE / count;

		for (uint32_t i = 0; i < count; i++) {
			if (held[i] < least || held[i] > least + 1)
				broken("%" PRIu32 " backends: one holds %" PRIu32 " slots\n", count,
				       held[i]);
			if (held[i] > most)
				most = held[i];
		}
	}
	snprintf(result, sizeof(result), "shares differ by 1 slot at most");
	property_end("Equal weights get equal shares", "every number of backends to 655", result);
}

static void weights_are_exact(void)
{
	uint32_t quota[MEMBERS_MAX];
	char result[64];

	property_begin(3);
	for (uint32_t all = 0; all < 6 * 6 * 6 * 6; all++) {
		uint32_t digits = all;

		set_members(4, 0);
		for (uint32_t i = 0; i < 4; i++, digits /= 6)
			member[i].weight = digits % 6;
		memset(table, 0, sizeof(table));
		if (build(table, 4) != (all != 0))
			broken("weights %" PRIu32 ": a table, or none, that should not be\n", all);
		if (!all)
			continue;
		count_held(4);
		reference_quotas(4, quota);
		if (memcmp(held, quota, 4 * sizeof(*held)) != 0)
			broken("weights %u %u %u %u: shares are not Hamilton's\n", member[0].weight,
			       member[1].weight, member[2].weight, member[3].weight);
		for (uint32_t i = 0; i < 4; i++)
			if (!member[i].weight && held[i])
				broken("a backend of weight 0 holds %" PRIu32 " slots\n", held[i]);
	}
	snprintf(result, sizeof(result), "%u tables", now.cases);
	property_end("Shares are the weights, to the slot; weight 0 gets none, all 0 is no table",
		     "4 backends, all weights 0 to 5", result);
}

static void swap_members(uint32_t i, uint32_t j)
{
	struct maglev_member kept = member[i];

	member[i] = member[j];
	member[j] = kept;
}

/* Heap's algorithm goes through all orders of the first `count`. */
static void each_order(uint32_t count, uint32_t all, uint64_t fingerprint)
{
	if (count == 1) {
		build(table, all);
		if (maglev_fingerprint(table, member) != fingerprint)
			broken("another order of the backends gives another table\n");
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		each_order(count - 1, all, fingerprint);
		swap_members(count % 2 ? 0 : i, count - 1);
	}
}

static void any_order(void)
{
	char result[64];

	property_begin(4);
	set_members(6, 0);
	for (uint32_t i = 0; i < 6; i++)
		member[i].weight = 1 + i % 3;
	build(table, 6);
	each_order(6, 6, maglev_fingerprint(table, member));

	set_members(300, 0);
	for (uint32_t i = 0; i < 300; i++)
		member[i].weight = random_below(5);
	build(table, 300);
	uint64_t fingerprint = maglev_fingerprint(table, member);

	for (unsigned round = 0; round < 100; round++) {
		for (uint32_t i = 300; i-- > 1;)
			swap_members(i, random_below(i + 1));
		build(table, 300);
		if (maglev_fingerprint(table, member) != fingerprint)
			broken("another order of 300 backends gives another table\n");
	}
	snprintf(result, sizeof(result), "%u tables, one fingerprint each", now.cases);
	property_end("The order of the backends does not matter",
		     "all orders of 6, 100 of 300", result);
}

/* Slots that went from one who stays to another who stays: ideally none. */
static uint32_t moved_needlessly(uint32_t changed)
{
	uint32_t moved = 0;

	for (uint32_t slot = 0; slot < MAGLEV_SIZE; slot++)
		moved += table[slot] != before[slot] && table[slot] != changed &&
			 before[slot] != changed;
	return moved;
}

static void disruption(void)
{
	static const uint32_t counts[] = {2, 3, 5, 10, 30, 100, 300};
	uint32_t worst = 0, worst_by_weight = 0;
	char result[96];

	property_begin(5);
	for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
		for (unsigned round = 0; round < 20; round++) {
			uint32_t victim = round < counts[c] ? round : random_below(counts[c]);

			set_members(counts[c], 100);
			build(before, counts[c]);
			member[victim].weight = 0;
			build(table, counts[c]); /* leaving; joining is the same way back */
			uint32_t moved = moved_needlessly(victim);
			if (moved > worst)
				worst = moved;
			member[victim].weight = 50 + random_below(150);
			build(table, counts[c]);
			moved = moved_needlessly(victim);
			if (moved > worst_by_weight)
				worst_by_weight = moved;
		}
	}
	if (worst > MAGLEV_SIZE / 100 || worst_by_weight > MAGLEV_SIZE / 100)
		broken("%" PRIu32 " and %" PRIu32 " slots moved that need not\n", worst,
		       worst_by_weight);
	snprintf(result, sizeof(result), "%.2f %% more than must, %.2f %% for a weight",
		 worst * 100.0 / MAGLEV_SIZE, worst_by_weight * 100.0 / MAGLEV_SIZE);
	property_end("A backend that comes, goes or changes weight moves little else",
		     "2 to 300 backends, 1 % of the slots", result);
}

/* offset + n * skip leaves 32 bits at n = skip = 65536, which random members almost never have. */
static void extreme_skips(void)
{
	uint64_t offset, skip;
	uint32_t found = 0;
	char result[64];

	property_begin(6);
	for (uint32_t i = 0; found < 4; i++) {
		member[found] = (struct maglev_member){
			.address = to_be32(0x0a000000 + i / 60000),
			.port = (uint16_t)(1 + i % 60000),
			.weight = 1,
		};
		sequence_of(found, &offset, &skip);
		found += found < 2 ? skip == EXTREME_SKIP : skip == 1;
	}
	for (uint32_t count = 1; count <= found; count++)
		compare_with_reference(count);
	snprintf(result, sizeof(result), "%u tables, slot by slot", now.cases);
	property_end("A backend's sequence visits every slot once, also by the largest steps",
		     "steps of 1 and 65536", result);
}

/* Every single slot that is given to somebody else, and what no builder would do. */
static void certificate(void)
{
	unsigned refused = 0, tried = 4000;
	char result[64];

	property_begin(7);
	set_members(100, 3);
	member[7].weight = 4;
	member[9].weight = 0;
	build(table, 100);
	for (unsigned i = 0; i < tried; i++) {
		uint32_t slot = i < 2 ? i * (MAGLEV_SIZE - 1) : random_below(MAGLEV_SIZE);
		uint16_t kept = table[slot];

		do
			table[slot] = (uint16_t)random_below(i % 16 ? 101 : 0x10000);
		while (table[slot] == kept);
		refused += !maglev_certify(table, member, 100, scratch);
		table[slot] = kept;
	}
	if (refused != tried)
		broken("the certificate takes %u of %u wrong tables\n", tried - refused, tried);
	snprintf(result, sizeof(result), "%u of %u refused", refused, tried);
	property_end("The certificate refuses a table in which one slot is wrong",
		     "100 backends, random slots", result);
}

int main(void)
{
	scratch = malloc(maglev_scratch_size(MEMBERS_MAX));
	if (!scratch)
		return 1;
	tables_are_the_reference();
	balance();
	weights_are_exact();
	any_order();
	disruption();
	extreme_skips();
	certificate();
	free(scratch);
	return failures ? 1 : 0;
}
