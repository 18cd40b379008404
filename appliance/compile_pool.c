#include "appliance/compile_pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_members(const struct compiled_pool *pool, const struct maglev_member *member,
			 uint32_t members, uint64_t seed)
{
	if (pool->members != members || pool->seed != seed)
		return false;
	for (uint32_t i = 0; i < members; i++)
		if (!same32(pool->member[i].address, member[i].address) ||
		    pool->member[i].port != member[i].port ||
		    pool->member[i].weight != member[i].weight)
			return false;
	return true;
}

static struct compiled_pool *find_same(const struct compiled *current, const char *name,
				       const struct maglev_member *member, uint32_t members,
				       uint64_t seed)
{
	for (uint32_t i = 0; current && i < current->snapshot.pools; i++) {
		struct compiled_pool *pool = current->pool[i];

		if (strcmp(pool->name, name) == 0)
			return same_members(pool, member, members, seed) ? pool : NULL;
	}
	return NULL;
}

/* A table that is not what it must be would send clients astray without a trace: rather none. */
static int build_table(struct compiled_pool *pool)
{
	void *scratch = malloc(maglev_scratch_size(pool->members));
	uint16_t *table = malloc(MAGLEV_SIZE * sizeof(*table));
	int result = scratch && table ? 0 : -ENOMEM;

	if (!result && maglev_build(table, pool->member, pool->members, pool->seed, scratch)) {
		if (!maglev_certify(table, pool->member, pool->members, scratch))
			result = -EBADMSG;
		else
			pool->fingerprint = maglev_fingerprint(table, pool->member);
		pool->table = table;
		table = NULL;
	}
	free(table);
	free(scratch);
	return result;
}

int compiled_pool_get(const struct compiled *current, const char *name,
		      const struct maglev_member *member, uint32_t members, uint64_t seed,
		      struct compiled_pool **ret_pool)
{
	struct compiled_pool *pool = find_same(current, name, member, members, seed);
	int result = -ENOMEM;

	if (pool) {
		pool->references++;
		*ret_pool = pool;
		return 0;
	}
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->references = 1;
	pool->seed = seed;
	pool->members = members;
	pool->member = calloc(members ? members : 1, sizeof(*pool->member));
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	if (pool->member) {
		memcpy(pool->member, member, members * sizeof(*member));
		result = build_table(pool);
	}
	if (result)
		compiled_pool_put(pool);
	else
		*ret_pool = pool;
	return result;
}

void compiled_pool_put(struct compiled_pool *pool)
{
	if (--pool->references)
		return;
	free(pool->table);
	free(pool->member);
	free(pool);
}
