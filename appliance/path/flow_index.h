/* The flow table's index: from a 64-bit hash to the 32-bit references filed under it.
 *
 * An open-addressed hash table of cache lines. A bucket holds seven entries, each a tag (the high
 * half of the hash) and a reference, and counts the entries that wanted a place here and went on to
 * a later bucket (as F14 does: Bronson and Shi, "Open-sourcing F14", 2019). A lookup stops at the
 * first bucket that nobody went past; a removal takes its entry out and counts down again along the
 * way, so there are no tombstones and nothing is ever rehashed.
 *
 * The index knows no keys: a lookup gives candidates, whose tag is right, and the owner compares.
 * The same reference may be filed under one hash only once.
 */
#ifndef PATH_FLOW_INDEX_H
#define PATH_FLOW_INDEX_H

#include <stddef.h>
#include <stdint.h>

enum {
	FLOW_INDEX_WAYS = 7,
};

#define FLOW_INDEX_NONE UINT32_MAX /* no reference */

struct flow_bucket {
	_Alignas(64) uint32_t tag[FLOW_INDEX_WAYS];
	uint32_t passed;                      /* entries that went on from here */
	uint32_t reference[FLOW_INDEX_WAYS];  /* plus 1; 0: the entry is free */
};
_Static_assert(sizeof(struct flow_bucket) == 64, "a bucket is one cache line");

struct flow_index {
	struct flow_bucket *bucket;
	uint32_t mask; /* buckets - 1, a power of two */
};

/* A walk over the candidates of one hash. */
struct flow_probe {
	uint32_t tag;
	uint32_t bucket;
	uint32_t ways; /* bit w: way w of the bucket has the tag, and has not been looked at */
	uint32_t left; /* buckets not visited yet */
};

/* Bytes for `entries` references: filled to three quarters at most. */
size_t flow_index_size(uint32_t entries);

/* `memory` is aligned to 64 bytes, flow_index_size(entries) long, and is cleared here. */
void flow_index_init(struct flow_index *index, void *memory, uint32_t entries);

/* `reference` is less than FLOW_INDEX_NONE; no more than the `entries` of init at a time. */
void flow_index_add(struct flow_index *index, uint64_t hash, uint32_t reference);

/* The reference has been added under this hash. */
void flow_index_remove(struct flow_index *index, uint64_t hash, uint32_t reference);

/* The ways of a bucket where an array of its has this value, a bit each. No branch for any one of
 * them: which way an entry is in, nothing predicts. */
static inline uint32_t flow_bucket_match(const uint32_t array[FLOW_INDEX_WAYS], uint32_t value)
{
	uint32_t ways = 0;

#if defined(__SSE2__) && !defined(__FRAMAC__)
	/* Both arrays begin half a bucket, whose eighth number is not one of theirs. */
	typedef uint32_t four __attribute__((vector_size(16), may_alias));
	typedef float lanes __attribute__((vector_size(16)));
	const four *half = (const four *)(const void *)array, wanted = (four){} + value;

	ways |= (uint32_t)__builtin_ia32_movmskps((lanes)(half[0] == wanted));
	ways |= (uint32_t)__builtin_ia32_movmskps((lanes)(half[1] == wanted)) << 4;
#else
	for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++)
		ways |= (uint32_t)(array[way] == value) << way;
#endif
	return ways & ((1U << FLOW_INDEX_WAYS) - 1);
}

static inline struct flow_probe flow_index_probe(const struct flow_index *index, uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32), bucket = (uint32_t)hash & index->mask;

	return (struct flow_probe){
		.tag = tag,
		.bucket = bucket,
		.ways = flow_bucket_match(index->bucket[bucket].tag, tag),
		.left = index->mask + 1,
	};
}

/* An odd step visits every bucket; taken from the tag, it parts those who began in the same one. */
static inline void flow_index_step(const struct flow_index *index, struct flow_probe *probe)
{
	probe->bucket = (probe->bucket + 2 * probe->tag + 1) & index->mask;
	probe->ways = flow_bucket_match(index->bucket[probe->bucket].tag, probe->tag);
	probe->left--;
}

/* The next reference with the probe's tag, or FLOW_INDEX_NONE. */
static inline uint32_t flow_index_next(const struct flow_index *index, struct flow_probe *probe)
{
	while (probe->left) {
		const struct flow_bucket *bucket = &index->bucket[probe->bucket];

		while (probe->ways) {
			uint32_t way = (uint32_t)__builtin_ctz(probe->ways);

			probe->ways &= probe->ways - 1;
			if (bucket->reference[way])
				return bucket->reference[way] - 1;
		}
		if (!bucket->passed)
			break;
		flow_index_step(index, probe);
	}
	return FLOW_INDEX_NONE;
}

static inline void flow_index_prefetch(const struct flow_index *index, uint64_t hash)
{
	__builtin_prefetch(&index->bucket[(uint32_t)hash & index->mask], 1);
}

#endif
