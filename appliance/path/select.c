#include "appliance/path/select.h"

#include "appliance/path/maglev.h"

static bool takes_new_flows(const struct path *path, uint32_t backend)
{
	const struct snapshot_backend *b = &path->snapshot->backend[backend];

	return b->admin == BACKEND_ENABLED && b->weight && path_backend_alive(path, backend);
}

/* All ports of a client choose alike under source affinity. */
static uint32_t slot_of(const struct path *path, const struct snapshot_pool *pool,
			const struct flow_tuple *tuple)
{
	struct flow_tuple client = {.source = tuple->source};
	bool by_client = pool->affinity == POOL_AFFINITY_SOURCE;

	return (uint32_t)(flow_hash(by_client ? &client : tuple, path->snapshot->seed) %
			  MAGLEV_SIZE);
}

bool select_backend(const struct path *path, const struct snapshot_pool *pool,
		    const struct flow_tuple *tuple, struct choice *ret_choice)
{
	uint32_t slot = slot_of(path, pool, tuple);

	*ret_choice = (struct choice){.slot = slot};
	if (pool->maglev) {
		ret_choice->backend = pool->first + pool->maglev[slot];
		ret_choice->how = LOOKUP_MAGLEV;
		if (takes_new_flows(path, ret_choice->backend))
			return true;
	}
	return select_next(path, pool, ret_choice);
}

bool select_next(const struct path *path, const struct snapshot_pool *pool, struct choice *choice)
{
	for (; choice->row < pool->count; choice->row++) {
		uint32_t backend = pool->first + (choice->slot + choice->row) % pool->count;

		if (!takes_new_flows(path, backend))
			continue;
		choice->backend = backend;
		choice->how = LOOKUP_FALLBACK;
		choice->row++;
		return true;
	}
	return false;
}
