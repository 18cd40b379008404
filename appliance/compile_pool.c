#include "appliance/compile_pool.h"

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
static bool build_table(struct compiled_pool *pool)
{
	void *scratch = malloc(maglev_scratch_size(pool->members));
	uint16_t *table = malloc(MAGLEV_SIZE * sizeof(*table));
	bool built = scratch && table;

	if (built && maglev_build(table, pool->member, pool->members, pool->seed, scratch)) {
		built = maglev_certify(table, pool->member, pool->members, scratch);
		pool->fingerprint = maglev_fingerprint(table, pool->member);
		pool->table = table;
		table = NULL;
	}
	free(table);
	free(scratch);
	return built;
}

struct compiled_pool *compiled_pool_get(const struct compiled *current, const char *name,
					const struct maglev_member *member, uint32_t members,
					uint64_t seed)
{
	struct compiled_pool *pool = find_same(current, name, member, members, seed);

	if (pool) {
		pool->references++;
		return pool;
	}
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	pool->references = 1;
	pool->seed = seed;
	pool->members = members;
	pool->member = calloc(members ? members : 1, sizeof(*pool->member));
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	if (pool->member)
		memcpy(pool->member, member, members * sizeof(*member));
	if (!pool->member || !build_table(pool)) {
		compiled_pool_put(pool);
		return NULL;
	}
	return pool;
}

void compiled_pool_put(struct compiled_pool *pool)
{
	if (--pool->references)
		return;
	free(pool->table);
	free(pool->member);
	free(pool);
}
