/* See maglev.h.
 *
 * Filling takes about M ln M looks at the table, however many members there are. The turns are laid
 * out beforehand by a counting sort over the time of each turn, so that extreme weights cost no
 * more than equal ones.
 */
#include "appliance/path/maglev.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	FREE = 0xffff, /* a slot that nobody has claimed; no member has this index */
	INDEX_BITS = 16,
	INDEX_MASK = 0xffff,
};

/* What is hashed of a member. */
struct endpoint {
	be32 address;
	be16 port;
	be16 zero;
};

/* Where a member looks for a free slot next. 32 bits hold the sum of two slots. */
struct preference {
	uint32_t slot;
	uint32_t skip;
};

struct scratch {
	uint64_t *sorted;              /* [count] address, port, index: members in order */
	uint64_t *remainder;           /* [count] largest first, rank: who gets one slot more */
	struct preference *preference; /* [count] */
	uint32_t *quota;               /* [count] */
	uint32_t *turns_until;         /* [MAGLEV_SIZE + 1] by time */
	uint16_t *turn;                /* [MAGLEV_SIZE] whose turn it is */
};

size_t maglev_scratch_size(uint32_t count)
{
	return count * (2 * sizeof(uint64_t) + sizeof(struct preference) + sizeof(uint32_t)) +
	       (MAGLEV_SIZE + 1) * sizeof(uint32_t) + MAGLEV_SIZE * sizeof(uint16_t);
}

static struct scratch scratch_of(void *memory, uint32_t count)
{
	struct scratch scratch;

	scratch.sorted = memory;
	scratch.remainder = scratch.sorted + count;
	scratch.preference = (struct preference *)(scratch.remainder + count);
	scratch.quota = (uint32_t *)(scratch.preference + count);
	scratch.turns_until = scratch.quota + count;
	scratch.turn = (uint16_t *)(scratch.turns_until + MAGLEV_SIZE + 1);
	return scratch;
}

static uint64_t weight_sum(const struct maglev_member *member, uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += member[i].weight;
	return sum;
}

/* Lets value[at] sink to its place in the heap of `count` values, the largest on top. */
static void sink(uint64_t *value, uint32_t count, uint32_t at)
{
	uint64_t sinking = value[at];
	uint32_t child;

	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count && value[child + 1] > value[child])
			child++;
		if (value[child] <= sinking)
			break;
		value[at] = value[child];
		at = child;
	}
	value[at] = sinking;
}

/* Heapsort, ascending: no memory and no bad case, which the C library's qsort does not promise. */
static void sort(uint64_t *value, uint32_t count)
{
	for (uint32_t i = count / 2; i-- > 0;)
		sink(value, count, i);
	for (uint32_t last = count; last-- > 1;) {
		uint64_t largest = value[0];

		value[0] = value[last];
		value[last] = largest;
		sink(value, last, 0);
	}
}

/* Puts members in an order that is the same for every order of their list. */
static uint64_t member_key(const struct maglev_member *member)
{
	return (uint64_t)from_be32(member->address) << 16 | member->port;
}

static struct endpoint endpoint_of(const struct maglev_member *member)
{
	return (struct endpoint){.address = member->address, .port = to_be16(member->port)};
}

/* The exact share of a member in whole slots, and what is left of it in parts of `sum`. */
static uint32_t share_of(const struct maglev_member *member, uint64_t sum, uint32_t *ret_remainder)
{
	uint64_t share = (uint64_t)member->weight * MAGLEV_SIZE;

	*ret_remainder = (uint32_t)(share % sum);
	return (uint32_t)(share / sum);
}

/* Hamilton's method: every member gets the floor of its share, and what is left over goes one by
 * one to the largest remainders, of equal ones to the first in order. */
static void set_quotas(const struct scratch *scratch, const struct maglev_member *member,
		       uint32_t count, uint64_t sum)
{
	uint32_t left = MAGLEV_SIZE;

	for (uint32_t rank = 0; rank < count; rank++) {
		uint32_t i = scratch->sorted[rank] & INDEX_MASK, remainder;

		scratch->quota[i] = share_of(&member[i], sum, &remainder);
		scratch->remainder[rank] = (uint64_t)(UINT32_MAX - remainder) << INDEX_BITS | rank;
		left -= scratch->quota[i];
	}
	sort(scratch->remainder, count);
	for (uint32_t n = 0; n < left; n++) {
		uint32_t rank = scratch->remainder[n] & INDEX_MASK;

		scratch->quota[scratch->sorted[rank] & INDEX_MASK]++;
	}
}

/* When a member takes its n-th turn, the turns of all being spread over MAGLEV_SIZE by weight. One
 * whose quota was rounded up may have its last turn at the very end. */
static uint32_t turn_time(uint32_t weight, uint64_t sum, uint32_t n)
{
	uint64_t time = (2 * n + 1) * sum / (2 * (uint64_t)weight);

	return time < MAGLEV_SIZE ? (uint32_t)time : MAGLEV_SIZE - 1;
}

/* Turns by time, those of the same time by the order of members. */
static void set_turns(const struct scratch *scratch, const struct maglev_member *member,
		      uint32_t count, uint64_t sum)
{
	uint32_t *until = scratch->turns_until;

	memset(until, 0, (MAGLEV_SIZE + 1) * sizeof(*until));
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t n = 0; n < scratch->quota[i]; n++)
			until[turn_time(member[i].weight, sum, n) + 1]++;
	}
	for (uint32_t time = 0; time < MAGLEV_SIZE; time++)
		until[time + 1] += until[time];
	for (uint32_t rank = 0; rank < count; rank++) {
		uint32_t i = scratch->sorted[rank] & INDEX_MASK;

		for (uint32_t n = 0; n < scratch->quota[i]; n++)
			scratch->turn[until[turn_time(member[i].weight, sum, n)]++] = (uint16_t)i;
	}
}

static struct preference preference_of(const struct maglev_member *member, uint64_t seed)
{
	struct endpoint endpoint = endpoint_of(member);
	XXH128_hash_t hash = XXH3_128bits_withSeed(&endpoint, sizeof(endpoint), seed);

	return (struct preference){
		.slot = (uint32_t)(hash.low64 % MAGLEV_SIZE),
		.skip = (uint32_t)(hash.high64 % (MAGLEV_SIZE - 1)) + 1,
	};
}

static void go_on(struct preference *preference)
{
	preference->slot += preference->skip;
	if (preference->slot >= MAGLEV_SIZE)
		preference->slot -= MAGLEV_SIZE;
}

bool maglev_build(uint16_t table[static MAGLEV_SIZE], const struct maglev_member *member,
		  uint32_t count, uint64_t seed, void *scratch_memory)
{
	struct scratch scratch = scratch_of(scratch_memory, count);
	uint64_t sum = weight_sum(member, count);

	if (sum == 0)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		scratch.sorted[i] = member_key(&member[i]) << INDEX_BITS | i;
		scratch.preference[i] = preference_of(&member[i], seed);
	}
	sort(scratch.sorted, count);
	set_quotas(&scratch, member, count, sum);
	set_turns(&scratch, member, count, sum);

	memset(table, 0xff, MAGLEV_SIZE * sizeof(*table));
	for (uint32_t i = 0; i < MAGLEV_SIZE; i++) {
		struct preference *preference = &scratch.preference[scratch.turn[i]];

		while (table[preference->slot] != FREE)
			go_on(preference);
		table[preference->slot] = scratch.turn[i];
	}
	return true;
}

uint64_t maglev_fingerprint(const uint16_t table[static MAGLEV_SIZE],
			    const struct maglev_member *member)
{
	uint64_t hash = 0;

	for (uint32_t i = 0; i < MAGLEV_SIZE; i++) {
		struct endpoint endpoint = endpoint_of(&member[table[i]]);

		hash = XXH3_64bits_withSeed(&endpoint, sizeof(endpoint), hash);
	}
	return hash;
}

/* True where member `a` must be given a slot before `b`, in what the floors have left over. */
static bool goes_before(const struct maglev_member *a, const struct maglev_member *b, uint64_t sum)
{
	uint32_t remainder_a, remainder_b;

	share_of(a, sum, &remainder_a);
	share_of(b, sum, &remainder_b);
	if (remainder_a != remainder_b)
		return remainder_a > remainder_b;
	return member_key(a) < member_key(b);
}

/* Quotas are right where every slot is counted for a member, every member holds its floor or one
 * more, and nobody who was given one more goes behind somebody who was not. A member without
 * weight, which goes behind all, holds nothing then. */
bool maglev_certify(const uint16_t table[static MAGLEV_SIZE], const struct maglev_member *member,
		    uint32_t count, void *scratch)
{
	const struct maglev_member *last_given = NULL, *first_denied = NULL;
	uint64_t sum = weight_sum(member, count);
	uint32_t *held = scratch;

	if (sum == 0)
		return false;
	memset(held, 0, count * sizeof(*held));
	for (uint32_t i = 0; i < MAGLEV_SIZE; i++) {
		if (table[i] >= count)
			return false;
		held[table[i]]++;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t remainder, more = held[i] - share_of(&member[i], sum, &remainder);

		if (more > 1)
			return false;
		if (more && (!last_given || goes_before(last_given, &member[i], sum)))
			last_given = &member[i];
		if (!more && (!first_denied || goes_before(&member[i], first_denied, sum)))
			first_denied = &member[i];
	}
	return !last_given || !first_denied || goes_before(last_given, first_denied, sum);
}
