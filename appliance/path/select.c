#include "appliance/path/select.h"

#include "appliance/path/maglev.h"

static bool takes_new_flows(const struct path *path, uint32_t backend, bool open)
{
	const struct snapshot_backend *b = &path->snapshot->backend[backend];

	return b->admin == BACKEND_ENABLED && b->weight &&
	       (open || path_backend_alive(path, backend));
}

static const struct snapshot_pool *pool_of(const struct path *path,
					   const struct snapshot_service *service)
{
	return &path->snapshot->pool[service->pool];
}

static struct backend_state *state_of(const struct path *path, uint32_t backend)
{
	return &path->backend[path->snapshot->backend[backend].id & SLOT_MASK];
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

/* The member of the slot's row at this place. */
static uint32_t in_row(const struct snapshot_pool *pool, uint32_t slot, uint32_t row)
{
	return pool->first + (slot + row) % pool->count;
}

bool select_next(const struct path *path, const struct snapshot_service *service,
		 struct choice *choice)
{
	const struct snapshot_pool *pool = pool_of(path, service);

	for (; choice->row < pool->count; choice->row++) {
		uint32_t backend = in_row(pool, choice->slot, choice->row);

		if (!takes_new_flows(path, backend, choice->open))
			continue;
		choice->backend = backend;
		choice->how = LOOKUP_FALLBACK;
		choice->row++;
		return true;
	}
	return false;
}

static bool by_table(const struct path *path, const struct snapshot_service *service,
		     struct choice *choice)
{
	const struct snapshot_pool *pool = pool_of(path, service);

	if (pool->maglev) {
		choice->backend = pool->first + pool->maglev[choice->slot];
		choice->how = LOOKUP_MAGLEV;
		if (takes_new_flows(path, choice->backend, choice->open))
			return true;
	}
	return select_next(path, service, choice);
}

/* Smooth weighted round-robin: nginx, src/http/ngx_http_upstream_round_robin.c. */
static bool by_turns(const struct path *path, const struct snapshot_service *service,
		     struct choice *choice)
{
	const struct snapshot_pool *pool = pool_of(path, service);
	int64_t most = INT64_MIN;

	choice->how = LOOKUP_ROUND_ROBIN;
	for (uint32_t backend = pool->first; backend < pool->first + pool->count; backend++) {
		if (!takes_new_flows(path, backend, choice->open))
			continue;
		int64_t turn = state_of(path, backend)->turn +
			       path->snapshot->backend[backend].weight;
		if (turn <= most)
			continue;
		most = turn;
		choice->backend = backend;
	}
	return most != INT64_MIN;
}

void select_taken(struct path *path, const struct snapshot_service *service,
		  const struct choice *choice)
{
	const struct snapshot_pool *pool = pool_of(path, service);
	int64_t all = 0;

	if (pool->scheduler != POOL_ROUND_ROBIN)
		return;
	for (uint32_t backend = pool->first; backend < pool->first + pool->count; backend++) {
		if (!takes_new_flows(path, backend, choice->open))
			continue;
		state_of(path, backend)->turn += path->snapshot->backend[backend].weight;
		all += path->snapshot->backend[backend].weight;
	}
	state_of(path, choice->backend)->turn -= all;
}

static bool by_flows(const struct path *path, const struct snapshot_service *service,
		     struct choice *choice)
{
	const struct snapshot_pool *pool = pool_of(path, service);
	uint64_t flows = 0, weight = 0; /* of the choice so far */

	choice->how = LOOKUP_LEAST_CONNECTIONS;
	for (uint32_t row = 0; row < pool->count; row++) {
		uint32_t backend = in_row(pool, choice->slot, row);

		if (!takes_new_flows(path, backend, choice->open))
			continue;
		/* What it would have with this one: else an idle one of little weight goes first. */
		uint64_t its_flows = UINT64_C(1) + state_of(path, backend)->counters.active_flows;
		uint64_t its_weight = path->snapshot->backend[backend].weight;

		if (weight && its_flows * weight >= flows * its_weight)
			continue;
		flows = its_flows;
		weight = its_weight;
		choice->backend = backend;
	}
	return weight;
}

static bool by_scheduler(const struct path *path, const struct snapshot_service *service,
			 struct choice *choice)
{
	switch ((enum pool_scheduler)pool_of(path, service)->scheduler) {
	case POOL_ROUND_ROBIN: return by_turns(path, service, choice);
	case POOL_LEAST_CONNECTIONS: return by_flows(path, service, choice);
	case POOL_MAGLEV: break;
	}
	return by_table(path, service, choice);
}

typedef bool chooser(const struct path *path, const struct snapshot_service *service,
		     struct choice *choice);

/* Among the usable ones, or all where there is none and the service fails open. */
static bool select_by(chooser *choose, const struct path *path,
		      const struct snapshot_service *service, const struct flow_tuple *tuple,
		      struct choice *ret_choice)
{
	uint32_t slot = slot_of(path, pool_of(path, service), tuple);

	*ret_choice = (struct choice){.slot = slot};
	if (choose(path, service, ret_choice))
		return true;
	*ret_choice = (struct choice){.slot = slot, .open = true};
	return service->fail_open && choose(path, service, ret_choice);
}

bool select_backend(const struct path *path, const struct snapshot_service *service,
		    const struct flow_tuple *tuple, struct choice *ret_choice)
{
	return select_by(by_scheduler, path, service, tuple, ret_choice);
}

bool select_stateless(const struct path *path, const struct snapshot_service *service,
		      const struct flow_tuple *tuple, struct choice *ret_choice)
{
	return select_by(by_table, path, service, tuple, ret_choice);
}

/* A pool that had none when the snapshot was built is not gone through for every packet. */
static bool has_usable(const struct path *path, const struct snapshot_pool *pool)
{
	for (uint32_t i = 0; pool->usable && i < pool->count; i++)
		if (takes_new_flows(path, pool->first + i, false))
			return true;
	return false;
}

bool select_keeps(const struct path *path, const struct snapshot_service *service,
		  uint32_t backend)
{
	if (path_backend_alive(path, backend))
		return true;
	return path->snapshot->backend[backend].admin != BACKEND_DISABLED && service->fail_open &&
	       !has_usable(path, pool_of(path, service));
}
