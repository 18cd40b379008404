/* The hash of a tuple, see flow.h; alone in its file, so that a test can link one of its own. */
#include "appliance/path/flow.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t flow_hash(const struct flow_tuple *tuple, uint64_t seed)
{
	uint64_t hash = XXH3_64bits_withSeed(tuple, sizeof(*tuple), seed);

#ifdef FLOW_HASH_COLLIDES
	hash &= UINT64_C(1) << 32 | 1; /* two buckets, two tags */
#endif
	return hash;
}
