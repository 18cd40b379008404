/* See flow_index.h. */
#include "appliance/path/flow_index.h"

#include <string.h>

static uint32_t bucket_count(uint32_t entries)
{
	/* Three quarters full, one bucket in six passes something on. */
	uint64_t places = (uint64_t)entries * 4 / 3;
	uint32_t buckets = 1;

	while ((uint64_t)buckets * FLOW_INDEX_WAYS < places)
		buckets *= 2;
	return buckets;
}

size_t flow_index_size(uint32_t entries)
{
	return bucket_count(entries) * sizeof(struct flow_bucket);
}

void flow_index_init(struct flow_index *index, void *memory, uint32_t entries)
{
	*index = (struct flow_index){.bucket = memory, .mask = bucket_count(entries) - 1};
	memset(memory, 0, flow_index_size(entries));
}

void flow_index_add(struct flow_index *index, uint64_t hash, uint32_t reference)
{
	struct flow_probe probe = flow_index_probe(index, hash);
	struct flow_bucket *bucket = &index->bucket[probe.bucket];
	uint32_t ways;

	while (!(ways = flow_bucket_match(bucket->reference, 0))) {
		bucket->passed++;
		flow_index_step(index, &probe);
		bucket = &index->bucket[probe.bucket];
	}
	uint32_t way = (uint32_t)__builtin_ctz(ways);
	bucket->tag[way] = probe.tag;
	bucket->reference[way] = reference + 1;
}

void flow_index_remove(struct flow_index *index, uint64_t hash, uint32_t reference)
{
	struct flow_probe probe = flow_index_probe(index, hash);
	struct flow_bucket *bucket = &index->bucket[probe.bucket];
	uint32_t ways;

	while (!(ways = flow_bucket_match(bucket->reference, reference + 1))) {
		bucket->passed--;
		flow_index_step(index, &probe);
		bucket = &index->bucket[probe.bucket];
	}
	bucket->reference[__builtin_ctz(ways)] = 0;
}
