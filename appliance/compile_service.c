/* Targets, backends, pools and services of a snapshot. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "appliance/compile_pool.h"
#include "appliance/compile_work.h"

static uint8_t forward_mode(uint32_t mode)
{
	static const uint8_t modes[] = {
		[MODE_NAT] = FORWARD_NAT,   [MODE_FULLNAT] = FORWARD_FULLNAT,
		[MODE_DSR] = FORWARD_DSR,   [MODE_IPIP] = FORWARD_IPIP,
		[MODE_GUE] = FORWARD_GUE,
	};

	return modes[mode];
}

static bool target_is_down(const struct compiler *compiler, const struct snapshot_target *target)
{
	return compiler_health_of(compiler, target->id) != HEALTH_UP;
}

/* True where nobody can have checked it yet, and that is not to be held against it. */
static bool target_is_promised(const struct compiler *compiler,
			       const struct snapshot_target *target)
{
	return compiler->new_is_up && compiler->current &&
	       snapshot_target_of(&compiler->current->snapshot, target->id) == NONE;
}

static int compile_backend(struct work *work, const struct config_backend *backend,
			   const struct config_check *check, struct maglev_member *ret_member)
{
	struct snapshot *snapshot = &work->compiled->snapshot;
	uint32_t target = NONE;
	char key[KEY_SIZE];

	compile_backend_key(backend, key);
	uint32_t id = slots_claim(work->compiler->backends, key);
	if (id == NONE)
		return compile_refuse(work, "backends", BACKENDS_MAX);
	if (check && !work->compiler->assume_up) {
		target = compile_target(work, check, backend);
		if (target == NONE)
			return compile_refuse(work, "check targets", TARGETS_MAX);
		if (target_is_promised(work->compiler, &work->target[target]))
			target = NONE;
	}
	work->backend_by_slot[id & SLOT_MASK] = snapshot->backends;
	work->backend[snapshot->backends++] = (struct snapshot_backend){
		.id = id,
		.address = backend->address.address,
		.port = to_be16(backend->address.port),
		.weight = (uint16_t)backend->weight,
		.admin = (uint8_t)backend->admin,
		.target = target,
	};
	bool usable = backend->admin == ADMIN_ENABLED &&
		      (target == NONE || !target_is_down(work->compiler, &work->target[target]));
	*ret_member = (struct maglev_member){
		.address = backend->address.address,
		.port = backend->address.port,
		.weight = usable ? backend->weight : 0,
	};
	return 0;
}

static const char *pool_of(const struct work *work, unsigned backend)
{
	return ((const struct config_backend *)config_at(work->config, KIND_BACKEND, backend))->pool;
}

static bool fails_open(const struct config *config, const char *pool_name)
{
	for (unsigned i = 0; i < config_count(config, KIND_SERVICE); i++) {
		const struct config_service *service = config_at(config, KIND_SERVICE, i);

		if (service->fail_open && strcmp(service->pool, pool_name) == 0)
			return true;
	}
	return false;
}

static uint32_t count_usable(const struct maglev_member *member, uint32_t members)
{
	uint32_t usable = 0;

	for (uint32_t i = 0; i < members; i++)
		usable += member[i].weight > 0;
	return usable;
}

/* As if all were healthy: `first` is the pool's first backend in snapshot.backend. */
static void forget_health(const struct work *work, uint32_t first, struct maglev_member *member,
			  uint32_t members)
{
	for (uint32_t i = 0; i < members; i++)
		if (work->backend[first + i].admin == BACKEND_ENABLED)
			member[i].weight = work->backend[first + i].weight;
}

static uint8_t pool_scheduler(uint32_t scheduler)
{
	static const uint8_t schedulers[] = {
		[SCHEDULER_MAGLEV] = POOL_MAGLEV, [SCHEDULER_ROUND_ROBIN] = POOL_ROUND_ROBIN,
		[SCHEDULER_LEAST_CONNECTIONS] = POOL_LEAST_CONNECTIONS,
	};

	return schedulers[scheduler];
}

static int compile_one_pool(struct work *work, const struct config_pool *pool, unsigned *next)
{
	struct snapshot *snapshot = &work->compiled->snapshot;
	const struct config_check *check = compile_check_of(work->config, pool->name);
	unsigned backends = config_count(work->config, KIND_BACKEND);
	struct snapshot_pool *compiled = &work->pool[snapshot->pools];
	unsigned end = *next;

	/* Backends stand in the order of their pools' names, and so do the pools. */
	while (end < backends && strcmp(pool_of(work, end), pool->name) == 0)
		end++;
	struct maglev_member *member =
		arena_array(work->compiled->arena, end - *next, sizeof(*member));
	if (!member)
		return -ENOMEM;
	*compiled = (struct snapshot_pool){
		.first = snapshot->backends,
		.scheduler = pool_scheduler(pool->scheduler),
		.affinity = pool->affinity == AFFINITY_SOURCE_IP ? POOL_AFFINITY_SOURCE :
								   POOL_AFFINITY_5_TUPLE,
	};
	for (; *next < end; ++*next) {
		int result = compile_backend(work, config_at(work->config, KIND_BACKEND, *next),
					     check, &member[compiled->count]);
		if (result)
			return result;
		compiled->count++;
	}
	if (compiled->count > MAGLEV_MEMBERS_MAX)
		return compile_refuse(work, "backends in a pool", MAGLEV_MEMBERS_MAX);
	compiled->usable = count_usable(member, compiled->count);
	if (!compiled->usable && fails_open(work->config, pool->name))
		forget_health(work, compiled->first, member, compiled->count);
	struct compiled_pool *built;
	int result = compiled_pool_get(work->compiler->current, pool->name, member,
				       compiled->count, snapshot->seed, &built);
	if (result == -EBADMSG)
		snprintf(work->error, work->error_size, "the Maglev table of pool %s was built "
			 "wrong and is not used: a fault of lbd itself", pool->name);
	if (result)
		return result;
	work->compiled->pool[snapshot->pools++] = built;
	compiled->maglev = built->table;
	return 0;
}

int compile_pools(struct work *work)
{
	unsigned pools = config_count(work->config, KIND_POOL);
	unsigned next = 0;

	work->compiled->pool = arena_array(work->compiled->arena, pools,
					   sizeof(*work->compiled->pool));
	if (!work->compiled->pool)
		return -ENOMEM;
	for (unsigned i = 0; i < pools; i++) {
		int result = compile_one_pool(work, config_at(work->config, KIND_POOL, i), &next);

		if (result)
			return result;
	}
	return 0;
}

static uint32_t pool_index(const struct work *work, const char *name)
{
	for (uint32_t i = 0; i < work->compiled->snapshot.pools; i++)
		if (strcmp(work->compiled->pool[i]->name, name) == 0)
			return i;
	return NONE;
}

static void compile_vip(struct work *work, be32 vip)
{
	struct snapshot *snapshot = &work->compiled->snapshot;

	for (uint32_t i = 0; i < snapshot->locals; i++) {
		if (!same32(work->local[i].address, vip))
			continue;
		work->local[i].services++;
		return;
	}
	work->local[snapshot->locals++] =
		(struct snapshot_local){.address = vip, .interface = NONE, .services = 1};
}

/* TCP ends its connections itself. */
static struct flow_limits flow_limits(const struct config_service *service, uint8_t protocol)
{
	if (protocol != PROTOCOL_NUMBER_UDP)
		return (struct flow_limits){0};
	return (struct flow_limits){
		.requests = service->requests,
		.responses = service->responses,
		.lifetime_ns = service->lifetime_ns,
		.front_timeout_ns = service->front_timeout_ns,
		.back_timeout_ns = service->back_timeout_ns,
	};
}

static uint8_t proxy_state(const struct config_service *service, uint8_t protocol)
{
	static const uint8_t states[] = {
		[PROXY_PROTOCOL_OFF] = PROXY_OFF, [PROXY_PROTOCOL_FIRST] = PROXY_FIRST,
		[PROXY_PROTOCOL_EVERY] = PROXY_EVERY,
	};

	return protocol == PROTOCOL_NUMBER_UDP ? states[service->proxy_protocol] : PROXY_OFF;
}

static int compile_service(struct work *work, const struct config_service *service, uint32_t pool,
			   uint8_t protocol)
{
	struct snapshot *snapshot = &work->compiled->snapshot;
	char key[KEY_SIZE];

	compile_service_key(service->name, protocol, key);
	uint32_t id = slots_claim(work->compiler->services, key);
	if (id == NONE)
		return compile_refuse(work, "services", SERVICES_MAX);
	work->service_by_slot[id & SLOT_MASK] = snapshot->services;
	work->service[snapshot->services++] = (struct snapshot_service){
		.id = id,
		.twin = NONE,
		.vip = service->address.address,
		.port = to_be16(service->address.port),
		.protocol = protocol,
		.enabled = service->admin == ADMIN_ENABLED,
		.mode = forward_mode(service->mode),
		.fail_open = service->fail_open,
		.reset_on_loss = service->on_backend_loss == ON_BACKEND_LOSS_RESET,
		.shed_when_full = service->when_full == WHEN_FULL_SHED,
		.pool = pool,
		.max_flows = service->max_flows,
		.idle_timeout_ns = service->idle_timeout_ns,
		.limits = flow_limits(service, protocol),
		.rewrite = {
			.from = service->source_rewrite.from.address,
			.to = service->source_rewrite.to.address,
			.length = service->source_rewrite.from.length,
			.on = service->source_rewrite.set,
		},
		.proxy = proxy_state(service, protocol),
	};
	return 0;
}

/* The last two are the protocols of one service. */
static void join_twins(struct work *work)
{
	uint32_t last = work->compiled->snapshot.services - 1;

	work->service[last].twin = work->service[last - 1].id;
	work->service[last - 1].twin = work->service[last].id;
}

int compile_services(struct work *work)
{
	for (unsigned i = 0; i < config_count(work->config, KIND_SERVICE); i++) {
		const struct config_service *service = config_at(work->config, KIND_SERVICE, i);
		uint32_t pool = pool_index(work, service->pool);
		int result = 0;

		compile_vip(work, service->address.address);
		if (service->address.protocol != PROTOCOL_UDP)
			result = compile_service(work, service, pool, PROTOCOL_NUMBER_TCP);
		if (!result && service->address.protocol != PROTOCOL_TCP)
			result = compile_service(work, service, pool, PROTOCOL_NUMBER_UDP);
		if (result)
			return result;
		if (service->address.protocol == PROTOCOL_ANY)
			join_twins(work);
	}
	return 0;
}
