/* Maglev: exact shares, the same table on every appliance, little disruption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "appliance/path/maglev.h"

enum { SEED = 2016 };

static struct maglev_member members[MAGLEV_MEMBERS_MAX];
static uint16_t table[MAGLEV_SIZE], other[MAGLEV_SIZE];
static uint32_t held[MAGLEV_MEMBERS_MAX];
static void *scratch;

static int setup(void **state)
{
	(void)state;
	scratch = malloc(maglev_scratch_size(MAGLEV_MEMBERS_MAX));
	return scratch ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(scratch);
	return 0;
}

static void set_members(uint32_t count, uint32_t weight)
{
	for (uint32_t i = 0; i < count; i++)
		members[i] = (struct maglev_member){
			.address = to_be32(0x0a000000 + i / 4),
			.port = (uint16_t)(8080 + i % 4),
			.weight = weight,
		};
}

/* Scratch of exactly the promised size, so that a sanitizer sees a step beyond it. */
static void build(uint16_t *into, uint32_t count)
{
	void *exact = malloc(maglev_scratch_size(count));

	assert_non_null(exact);
	assert_true(maglev_build(into, members, count, SEED, exact));
	assert_true(maglev_certify(into, members, count, exact));
	free(exact);
}

static void count_held(uint32_t count)
{
	memset(held, 0, count * sizeof(*held));
	for (uint32_t i = 0; i < MAGLEV_SIZE; i++)
		held[table[i]]++;
}

/* Every member holds its share to the slot: the floor of it, or one more. */
static void assert_shares_exact(uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += members[i].weight;
	count_held(count);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t floor = (uint64_t)members[i].weight * MAGLEV_SIZE / sum;

		assert_in_range(held[i], floor, floor + 1);
		if (members[i].weight == 0)
			assert_int_equal(held[i], 0);
	}
}

/* Slots that changed hands between two members of which neither is `member`. */
static uint32_t moved_among_others(uint32_t member)
{
	uint32_t moved = 0;

	for (uint32_t i = 0; i < MAGLEV_SIZE; i++)
		moved += table[i] != other[i] && table[i] != member && other[i] != member;
	return moved;
}

static void equal_weights_share_equally(void **state)
{
	static const uint32_t counts[] = {1, 2, 3, 7, 10, 100, 655, 1000};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		set_members(counts[i], 100);
		build(table, counts[i]);
		assert_shares_exact(counts[i]);
	}
}

static void shares_are_exact_for_any_weights(void **state)
{
	(void)state;
	srand(7);
	for (unsigned round = 0; round < 60; round++) {
		uint32_t count = 1 + (uint32_t)rand() % 300, limit = round % 2 ? 10 : 65536;

		set_members(count, 0);
		for (uint32_t i = 0; i < count; i++)
			members[i].weight = (uint32_t)rand() % limit;
		members[0].weight = 1;
		build(table, count);
		assert_shares_exact(count);
	}
}

/* 65537 slots of weights 3, 2, 2: the exact shares are 28087.28, 18724.86 and 18724.86. */
static void what_is_left_over_goes_to_the_largest_remainders(void **state)
{
	(void)state;
	set_members(3, 2);
	members[0].weight = 3;
	build(table, 3);
	count_held(3);
	assert_int_equal(held[0], 28087);
	assert_int_equal(held[1], 18725);
	assert_int_equal(held[2], 18725);
}

static void a_member_without_weight_never_appears(void **state)
{
	(void)state;
	set_members(50, 10);
	members[0].weight = members[17].weight = members[49].weight = 0;
	build(table, 50);
	assert_shares_exact(50);
	assert_int_equal(held[0] + held[17] + held[49], 0);
}

static void no_weight_at_all_is_no_table(void **state)
{
	(void)state;
	memset(table, 0, sizeof(table));
	set_members(3, 0);
	assert_false(maglev_build(table, members, 3, SEED, scratch));
	assert_false(maglev_build(table, members, 0, SEED, scratch));
	assert_false(maglev_certify(table, members, 3, scratch));
	assert_false(maglev_certify(table, members, 0, scratch));
	for (uint32_t i = 0; i < MAGLEV_SIZE; i++)
		assert_int_equal(table[i], 0);
}

static void extreme_weights_stay_exact_and_cheap(void **state)
{
	(void)state;
	set_members(2, 1);
	members[1].weight = MAGLEV_WEIGHT_MAX;
	build(table, 2);
	assert_shares_exact(2);
	assert_int_equal(held[0], 1);

	set_members(MAGLEV_MEMBERS_MAX, 1);
	members[100].weight = MAGLEV_WEIGHT_MAX;
	build(table, MAGLEV_MEMBERS_MAX);
	assert_shares_exact(MAGLEV_MEMBERS_MAX);

	set_members(MAGLEV_MEMBERS_MAX, MAGLEV_WEIGHT_MAX);
	members[100].weight = 1;
	build(table, MAGLEV_MEMBERS_MAX);
	assert_shares_exact(MAGLEV_MEMBERS_MAX);
	assert_int_equal(held[100], 0);
}

static void as_many_members_as_can_be_share_equally(void **state)
{
	(void)state;
	set_members(MAGLEV_MEMBERS_MAX, 7);
	build(table, MAGLEV_MEMBERS_MAX);
	assert_shares_exact(MAGLEV_MEMBERS_MAX);
}

static void shuffle(uint32_t count)
{
	for (uint32_t i = count; i-- > 1;) {
		uint32_t j = (uint32_t)rand() % (i + 1);
		struct maglev_member swap = members[i];

		members[i] = members[j];
		members[j] = swap;
	}
}

static void the_order_of_the_list_does_not_matter(void **state)
{
	struct maglev_member before[200];
	uint64_t fingerprint;

	(void)state;
	srand(8);
	set_members(200, 0);
	for (uint32_t i = 0; i < 200; i++)
		members[i].weight = (uint32_t)rand() % 5;
	memcpy(before, members, sizeof(before));
	build(other, 200);
	fingerprint = maglev_fingerprint(other, members);
	for (unsigned round = 0; round < 20; round++) {
		shuffle(200);
		build(table, 200);
		assert_int_equal(maglev_fingerprint(table, members), fingerprint);
		for (uint32_t i = 0; i < MAGLEV_SIZE; i++) {
			const struct maglev_member *now = &members[table[i]];

			assert_true(same32(now->address, before[other[i]].address));
			assert_int_equal(now->port, before[other[i]].port);
		}
	}
}

static void members_without_weight_change_nothing(void **state)
{
	uint64_t fingerprint;

	(void)state;
	set_members(20, 5);
	build(table, 20);
	fingerprint = maglev_fingerprint(table, members);
	set_members(30, 5);
	for (uint32_t i = 20; i < 30; i++)
		members[i].weight = 0;
	build(table, 30);
	assert_int_equal(maglev_fingerprint(table, members), fingerprint);
}

static void only_proportions_of_weights_matter(void **state)
{
	(void)state;
	set_members(3, 1);
	members[1].weight = 2;
	build(table, 3);
	for (uint32_t i = 0; i < 3; i++)
		members[i].weight *= 1000;
	build(other, 3);
	assert_memory_equal(table, other, sizeof(table));
}

static void fingerprints_tell_tables_apart(void **state)
{
	uint64_t first;

	(void)state;
	set_members(10, 1);
	build(table, 10);
	first = maglev_fingerprint(table, members);
	assert_true(maglev_build(other, members, 10, SEED + 1, scratch));
	assert_int_not_equal(maglev_fingerprint(other, members), first);
	members[3].port++;
	assert_int_not_equal(maglev_fingerprint(table, members), first);
	members[3].port--;
	members[3].address = to_be32(1);
	assert_int_not_equal(maglev_fingerprint(table, members), first);
}

/* Pseudocode 1 of the paper, word for word, over 64 bits; members in order of address and port. */
static void build_as_in_the_paper(uint16_t *into, uint32_t count)
{
	uint64_t offset[16] = {0}, skip[16] = {0}, next[16] = {0}, filled = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint8_t key[8] = {0};
		XXH128_hash_t hash;

		memcpy(key, &members[i].address, 4);
		key[4] = (uint8_t)(members[i].port >> 8);
		key[5] = (uint8_t)members[i].port;
		hash = XXH3_128bits_withSeed(key, sizeof(key), SEED);
		offset[i] = hash.low64 % MAGLEV_SIZE;
		skip[i] = hash.high64 % (MAGLEV_SIZE - 1) + 1;
	}
	memset(into, 0xff, MAGLEV_SIZE * sizeof(*into));
	for (uint32_t i = 0;; i = (i + 1) % count) {
		uint64_t slot = (offset[i] + next[i] * skip[i]) % MAGLEV_SIZE;

		while (into[slot] != 0xffff)
			slot = (offset[i] + ++next[i] * skip[i]) % MAGLEV_SIZE;
		into[slot] = (uint16_t)i;
		if (++filled == MAGLEV_SIZE)
			return;
	}
}

static void equal_weights_give_the_table_of_the_paper(void **state)
{
	(void)state;
	for (uint32_t count = 1; count <= 16; count += 3) {
		set_members(count, 9);
		build(table, count);
		build_as_in_the_paper(other, count);
		assert_memory_equal(table, other, sizeof(table));
	}
}

/* The table of three given members, so that a change of the algorithm, which would part appliances
 * of different versions, does not go unnoticed. */
static void the_table_is_the_same_in_every_version(void **state)
{
	(void)state;
	set_members(3, 1);
	members[2].weight = 2;
	build(table, 3);
	assert_int_equal(maglev_fingerprint(table, members), UINT64_C(0x51f19d09db746709));
}

/* When one of n goes or comes, its slots must change; of the others under one in a hundred. */
static void a_leave_or_a_join_moves_little_else(void **state)
{
	static const uint32_t counts[] = {2, 3, 5, 10, 30, 100, 300};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		for (uint32_t victim = 0; victim < counts[i] && victim < 10; victim++) {
			set_members(counts[i], 100);
			build(table, counts[i]);
			members[victim].weight = 0;
			build(other, counts[i]);
			assert_in_range(moved_among_others(victim), 0, MAGLEV_SIZE / 100);
		}
	}
}

static void a_new_weight_moves_little_else(void **state)
{
	(void)state;
	for (uint32_t weight = 50; weight <= 200; weight += 50) {
		set_members(50, 100);
		build(table, 50);
		members[9].weight = weight;
		build(other, 50);
		assert_in_range(moved_among_others(9), 0, MAGLEV_SIZE / 100);
	}
}

/* A member's slots are spread over the table, not in long stretches. */
static void a_members_slots_are_spread(void **state)
{
	uint32_t run = 0, longest = 0;

	(void)state;
	set_members(2, 1);
	build(table, 2);
	for (uint32_t i = 1; i < MAGLEV_SIZE; i++) {
		run = table[i] == table[i - 1] ? run + 1 : 0;
		if (run > longest)
			longest = run;
	}
	assert_in_range(longest, 1, 64);
}

/* What the certifier says where one slot of `from` goes to `to`. */
static bool certified_with_slot_of(uint16_t from, uint16_t to)
{
	uint32_t slot = 0;
	bool certified;

	while (table[slot] != from)
		slot++;
	table[slot] = to;
	certified = maglev_certify(table, members, 100, scratch);
	table[slot] = from;
	return certified;
}

static void certify_refuses_what_is_not_right(void **state)
{
	uint16_t kept;

	(void)state;
	set_members(100, 3);
	members[5].weight = 0;
	members[7].weight = 4;
	build(table, 100);

	kept = table[1234];
	table[1234] = 100; /* no such member */
	assert_false(maglev_certify(table, members, 100, scratch));
	table[1234] = 5; /* has no weight */
	assert_false(maglev_certify(table, members, 100, scratch));
	table[1234] = kept == 8 ? 9 : 8; /* one more for one, one less for another */
	assert_false(maglev_certify(table, members, 100, scratch));
	table[1234] = kept;
	assert_true(maglev_certify(table, members, 100, scratch));
	assert_false(maglev_certify(table, members, 99, scratch));
	members[20].weight++;
	assert_false(maglev_certify(table, members, 100, scratch));
	members[20].weight--;

	/* Now all hold the floor of their share or one more, but the wrong ones the one more:
	 * shares are 659.77 of weight 3 and 879.69 of weight 4, and 76 slots are left over for the
	 * former, in order. */
	count_held(100);
	assert_int_equal(held[7], 879);
	assert_int_equal(held[0], 660);
	assert_int_equal(held[77], 660);
	assert_int_equal(held[78], 659);
	assert_false(certified_with_slot_of(0, 7));
	assert_false(certified_with_slot_of(0, 99));
	assert_false(certified_with_slot_of(77, 99));
	assert_false(certified_with_slot_of(77, 5));
	assert_false(certified_with_slot_of(77, 100));
	assert_true(certified_with_slot_of(77, 77));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_weights_share_equally),
		cmocka_unit_test(shares_are_exact_for_any_weights),
		cmocka_unit_test(what_is_left_over_goes_to_the_largest_remainders),
		cmocka_unit_test(a_member_without_weight_never_appears),
		cmocka_unit_test(no_weight_at_all_is_no_table),
		cmocka_unit_test(extreme_weights_stay_exact_and_cheap),
		cmocka_unit_test(as_many_members_as_can_be_share_equally),
		cmocka_unit_test(the_order_of_the_list_does_not_matter),
		cmocka_unit_test(members_without_weight_change_nothing),
		cmocka_unit_test(only_proportions_of_weights_matter),
		cmocka_unit_test(fingerprints_tell_tables_apart),
		cmocka_unit_test(equal_weights_give_the_table_of_the_paper),
		cmocka_unit_test(the_table_is_the_same_in_every_version),
		cmocka_unit_test(a_leave_or_a_join_moves_little_else),
		cmocka_unit_test(a_new_weight_moves_little_else),
		cmocka_unit_test(a_members_slots_are_spread),
		cmocka_unit_test(certify_refuses_what_is_not_right),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
