#include "appliance/compile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/arena.h"
#include "appliance/compile_index.h"
#include "appliance/compile_pool.h"

enum { KEY_SIZE = 2 * NAME_SIZE + 32 };

static void backend_key(const struct config_backend *backend, char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "%s/%08x:%u", backend->pool, from_be32(backend->address.address),
		 backend->address.port);
}

static void service_key(const char *name, uint8_t protocol, char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "%s/%u", name, protocol);
}

/* Backends of any pool with the same check and the same place to be checked share a target. */
static void target_key(const struct config_check *check, const struct config_backend *backend,
		       char key[KEY_SIZE])
{
	unsigned port = check->port ? check->port : backend->address.port;

	if (check->type != CHECK_TCP && check->type != CHECK_UDP)
		port = 0;
	snprintf(key, KEY_SIZE, "%s/%u/%08x:%u", check->name, check->type,
		 from_be32(backend->address.address), port);
}

static const struct config_check *check_of(const struct config *config, const char *pool_name)
{
	const struct config_pool *pool = config_find_name(config, KIND_POOL, pool_name);

	return pool && pool->check[0] ? config_find_name(config, KIND_CHECK, pool->check) : NULL;
}

/* What one compilation works on. */
struct work {
	struct compiler *compiler;
	const struct config *config;
	struct compiled *compiled;
	struct snapshot_interface *interface;
	struct snapshot_local *local;
	struct snapshot_route *route;
	struct snapshot_neighbor *neighbor;
	struct snapshot_backend *backend;
	struct snapshot_pool *pool;
	struct snapshot_service *service;
	struct snapshot_reply *reply;
	struct snapshot_target *target;
	uint32_t *backend_by_slot, *service_by_slot, *target_by_slot;
	char *error;
	size_t error_size;
};

static int refuse(struct work *work, int code, const char *what, unsigned limit)
{
	snprintf(work->error, work->error_size, "too many %s: this release carries %u", what, limit);
	return code;
}

static uint32_t *slot_map(struct work *work, uint32_t size)
{
	uint32_t *map = arena_array(work->compiled->arena, size, sizeof(*map));

	if (map)
		memset(map, 0xff, size * sizeof(*map));
	return map;
}

static bool allocate(struct work *work)
{
	const struct config *config = work->config;
	struct arena *arena = work->compiled->arena;
	uint32_t interfaces = config_count(config, KIND_INTERFACE);
	uint32_t services = config_count(config, KIND_SERVICE) * 2;
	uint32_t backends = config_count(config, KIND_BACKEND);
	uint32_t addresses = interfaces * ADDRESS_LIST_MAX;

	work->interface = arena_array(arena, INTERFACES_MAX, sizeof(*work->interface));
	work->local = arena_array(arena, addresses + services, sizeof(*work->local));
	work->route = arena_array(arena, addresses + config_count(config, KIND_ROUTE),
				  sizeof(*work->route));
	work->neighbor = arena_array(arena, config_count(config, KIND_NEIGHBOR),
				     sizeof(*work->neighbor));
	work->backend = arena_array(arena, backends, sizeof(*work->backend));
	work->target = arena_array(arena, backends, sizeof(*work->target));
	work->pool = arena_array(arena, config_count(config, KIND_POOL), sizeof(*work->pool));
	work->service = arena_array(arena, services, sizeof(*work->service));
	work->backend_by_slot = slot_map(work, BACKENDS_MAX);
	work->service_by_slot = slot_map(work, SERVICES_MAX);
	work->target_by_slot = slot_map(work, TARGETS_MAX);
	return !arena_failed(arena);
}

static struct mac_address mac_of(const uint8_t byte[6])
{
	struct mac_address mac;

	memcpy(mac.byte, byte, sizeof(mac.byte));
	return mac;
}

static be32 network_of(const struct prefix *prefix)
{
	uint32_t mask = prefix->length ? ~UINT32_C(0) << (32 - prefix->length) : 0;

	return to_be32(from_be32(prefix->address) & mask);
}

static int compile_interfaces(struct work *work)
{
	struct compiler *compiler = work->compiler;
	struct snapshot *snapshot = &work->compiled->snapshot;

	for (unsigned i = 0; i < config_count(work->config, KIND_INTERFACE); i++) {
		const struct config_interface *interface =
			config_at(work->config, KIND_INTERFACE, i);
		uint32_t id = slots_claim(compiler->interfaces, interface->name);
		struct interface_facts facts = {0};

		if (id == NONE)
			return refuse(work, -ENOSPC, "interfaces", INTERFACES_MAX);
		uint32_t index = id & SLOT_MASK;
		compiler->facts(compiler->facts_context, interface, index, &facts);
		work->interface[index] = (struct snapshot_interface){
			.id = id,
			.mac = mac_of(interface->mac.set ? interface->mac.byte : facts.mac),
			.sides = (uint8_t)interface->role,
			.up = facts.up,
			.mtu = facts.mtu,
			.address = interface->address.count ? interface->address.item[0].address :
							      (be32){0},
		};
		for (unsigned a = 0; a < interface->address.count; a++) {
			const struct prefix *prefix = &interface->address.item[a];

			work->local[snapshot->locals++] = (struct snapshot_local){
				.address = prefix->address,
				.interface = index,
			};
			work->route[snapshot->routes++] = (struct snapshot_route){
				.prefix = network_of(prefix),
				.length = prefix->length,
				.interface = (uint16_t)index,
				.source = prefix->address,
			};
		}
	}
	snapshot->interfaces = INTERFACES_MAX;
	return 0;
}

static int longest_first(const void *a, const void *b)
{
	return ((const struct snapshot_route *)b)->length - ((const struct snapshot_route *)a)->length;
}

/* Static routes leave by the connected network that holds their gateway. */
static void compile_routes(struct work *work)
{
	struct snapshot *snapshot = &work->compiled->snapshot;
	uint32_t connected = snapshot->routes;

	for (unsigned i = 0; i < config_count(work->config, KIND_ROUTE); i++) {
		const struct config_route *route = config_at(work->config, KIND_ROUTE, i);

		for (uint32_t c = 0; c < connected; c++) {
			const struct snapshot_route *network = &work->route[c];

			if (!in_prefix(route->via, network->prefix, network->length))
				continue;
			work->route[snapshot->routes++] = (struct snapshot_route){
				.prefix = network_of(&route->prefix),
				.length = route->prefix.length,
				.interface = network->interface,
				.via = route->via,
				.source = network->source,
			};
			break;
		}
	}
	qsort(work->route, snapshot->routes, sizeof(*work->route), longest_first);
}

static void compile_neighbors(struct work *work)
{
	struct snapshot *snapshot = &work->compiled->snapshot;

	for (unsigned i = 0; i < config_count(work->config, KIND_NEIGHBOR); i++) {
		const struct config_neighbor *neighbor = config_at(work->config, KIND_NEIGHBOR, i);
		uint32_t id = slots_find(work->compiler->interfaces, neighbor->interface);

		if (id == NONE)
			continue;
		work->neighbor[snapshot->neighbors++] = (struct snapshot_neighbor){
			.address = neighbor->address,
			.interface = (uint16_t)(id & SLOT_MASK),
			.mac = mac_of(neighbor->mac.byte),
		};
	}
}

static uint8_t probe_type(uint32_t check_type)
{
	static const uint8_t types[] = {
		[CHECK_ICMP] = PROBE_ICMP, [CHECK_TCP] = PROBE_TCP, [CHECK_UDP] = PROBE_UDP,
		[CHECK_ARP] = PROBE_ARP, [CHECK_HEARTBEAT] = PROBE_HEARTBEAT,
	};

	return types[check_type];
}

/* Text that the path reads for as long as the snapshot lives. */
static const char *keep_text(struct work *work, const char *text)
{
	char *copy = arena_array(work->compiled->arena, strlen(text) + 1, 1);

	return copy ? strcpy(copy, text) : NULL;
}

/* The index of the target that checks this backend, made where it is the first; NONE: too many. */
static uint32_t compile_target(struct work *work, const struct config_check *check,
			       const struct config_backend *backend)
{
	struct snapshot *snapshot = &work->compiled->snapshot;
	char key[KEY_SIZE];

	target_key(check, backend, key);
	uint32_t id = slots_claim(work->compiler->targets, key);
	if (id == NONE)
		return NONE;
	uint32_t *index = &work->target_by_slot[id & SLOT_MASK];
	if (*index != NONE)
		return *index;
	*index = snapshot->targets++;
	work->target[*index] = (struct snapshot_target){
		.id = id,
		.address = backend->address.address,
		.port = to_be16((uint16_t)(check->port ? check->port : backend->address.port)),
		.type = probe_type(check->type),
		.heartbeat_port = to_be16((uint16_t)check->from_port),
		.rise = check->rise,
		.fall = check->fall,
		.interval_ns = check->interval_ns,
		.timeout_ns = check_timeout_ns(check),
		.payload = keep_text(work, check->payload),
		.expect = keep_text(work, check->expect),
		.payload_length = (uint16_t)strlen(check->payload),
		.expect_length = (uint16_t)strlen(check->expect),
	};
	return *index;
}

static bool target_is_down(const struct compiler *compiler, const struct snapshot_target *target)
{
	uint32_t slot = target->id & SLOT_MASK;

	return compiler->health_of[slot] != target->id || compiler->health[slot] != HEALTH_UP;
}

static int compile_backend(struct work *work, const struct config_backend *backend,
			   const struct config_check *check, struct maglev_member *ret_member)
{
	struct snapshot *snapshot = &work->compiled->snapshot;
	uint32_t target = NONE;
	char key[KEY_SIZE];

	backend_key(backend, key);
	uint32_t id = slots_claim(work->compiler->backends, key);
	if (id == NONE)
		return refuse(work, -ENOSPC, "backends", BACKENDS_MAX);
	if (check && !work->compiler->assume_up) {
		target = compile_target(work, check, backend);
		if (target == NONE)
			return refuse(work, -ENOSPC, "check targets", TARGETS_MAX);
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

static int compile_one_pool(struct work *work, const struct config_pool *pool, unsigned *next)
{
	struct snapshot *snapshot = &work->compiled->snapshot;
	const struct config_check *check = check_of(work->config, pool->name);
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
		return refuse(work, -ENOSPC, "backends in a pool", MAGLEV_MEMBERS_MAX);
	struct compiled_pool *built =
		compiled_pool_get(work->compiler->current, pool->name, member, compiled->count,
				  snapshot->seed);
	if (!built)
		return -ENOMEM;
	work->compiled->pool[snapshot->pools++] = built;
	compiled->maglev = built->table;
	return 0;
}

static int compile_pools(struct work *work)
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

static int compile_service(struct work *work, const struct config_service *service, uint32_t pool,
			   uint8_t protocol)
{
	struct snapshot *snapshot = &work->compiled->snapshot;
	char key[KEY_SIZE];

	service_key(service->name, protocol, key);
	uint32_t id = slots_claim(work->compiler->services, key);
	if (id == NONE)
		return refuse(work, -ENOSPC, "services", SERVICES_MAX);
	work->service_by_slot[id & SLOT_MASK] = snapshot->services;
	work->service[snapshot->services++] = (struct snapshot_service){
		.id = id,
		.vip = service->address.address,
		.port = to_be16(service->address.port),
		.protocol = protocol,
		.enabled = service->admin == ADMIN_ENABLED,
		.shed_when_full = service->when_full == WHEN_FULL_SHED,
		.pool = pool,
		.max_flows = service->max_flows,
		.idle_timeout_ns = service->idle_timeout_ns,
	};
	return 0;
}

static int compile_services(struct work *work)
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
	}
	return 0;
}

static int compile_all(struct work *work)
{
	struct compiled *compiled = work->compiled;
	struct snapshot *snapshot = &compiled->snapshot;
	const struct config_global *global = config_global(work->config);
	int result = allocate(work) ? 0 : -ENOMEM;

	snapshot->seed = global->seed;
	snapshot->forwarding = global->forwarding;
	snapshot->vip_echo_available = global->vip_echo == VIP_ECHO_AVAILABLE;
	if (!result)
		result = compile_interfaces(work);
	if (result)
		return result;
	compile_routes(work);
	compile_neighbors(work);
	result = compile_pools(work);
	if (!result)
		result = compile_services(work);
	if (result)
		return result;
	snapshot->interface = work->interface;
	snapshot->local = work->local;
	snapshot->route = work->route;
	snapshot->neighbor = work->neighbor;
	snapshot->backend = work->backend;
	snapshot->pool = work->pool;
	snapshot->service = work->service;
	snapshot->target = work->target;
	snapshot->backend_by_slot = work->backend_by_slot;
	snapshot->service_by_slot = work->service_by_slot;
	snapshot->target_by_slot = work->target_by_slot;
	compile_indexes(snapshot, compiled->arena);
	return arena_failed(compiled->arena) ? -ENOMEM : 0;
}

int compile(struct compiler *compiler, const struct config *config, struct compiled **ret_compiled,
	    char *error, size_t error_size)
{
	struct work work = {
		.compiler = compiler,
		.config = config,
		.compiled = calloc(1, sizeof(*work.compiled)),
		.error = error,
		.error_size = error_size,
	};
	int result = -ENOMEM;

	snprintf(error, error_size, "not enough memory for the tables of this configuration");
	slots_begin(compiler->interfaces);
	slots_begin(compiler->services);
	slots_begin(compiler->backends);
	slots_begin(compiler->targets);
	if (work.compiled && (work.compiled->arena = arena_new()))
		result = compile_all(&work);
	if (result) {
		compile_discard(compiler, work.compiled);
		return result;
	}
	*ret_compiled = work.compiled;
	return 0;
}

static void compiled_free(struct compiled *compiled)
{
	if (!compiled)
		return;
	for (uint32_t i = 0; i < compiled->snapshot.pools; i++)
		compiled_pool_put(compiled->pool[i]);
	arena_free(compiled->arena);
	free(compiled);
}

void compile_accept(struct compiler *compiler, struct compiled *compiled)
{
	slots_commit(compiler->interfaces);
	slots_commit(compiler->services);
	slots_commit(compiler->backends);
	slots_commit(compiler->targets);
	compiled_free(compiler->current);
	compiler->current = compiled;
}

void compile_discard(struct compiler *compiler, struct compiled *compiled)
{
	slots_abort(compiler->interfaces);
	slots_abort(compiler->services);
	slots_abort(compiler->backends);
	slots_abort(compiler->targets);
	compiled_free(compiled);
}

int compiler_init(struct compiler *compiler, compile_facts *facts, void *facts_context)
{
	*compiler = (struct compiler){
		.interfaces = slots_new(INTERFACES_MAX),
		.services = slots_new(SERVICES_MAX),
		.backends = slots_new(BACKENDS_MAX),
		.targets = slots_new(TARGETS_MAX),
		.health = calloc(TARGETS_MAX, sizeof(*compiler->health)),
		.health_of = calloc(TARGETS_MAX, sizeof(*compiler->health_of)),
		.facts = facts,
		.facts_context = facts_context,
	};
	if (compiler->interfaces && compiler->services && compiler->backends &&
	    compiler->targets && compiler->health && compiler->health_of) {
		memset(compiler->health_of, 0xff, TARGETS_MAX * sizeof(*compiler->health_of));
		return 0;
	}
	compiler_fini(compiler);
	return -ENOMEM;
}

void compiler_fini(struct compiler *compiler)
{
	compiled_free(compiler->current);
	slots_free(compiler->interfaces);
	slots_free(compiler->services);
	slots_free(compiler->backends);
	slots_free(compiler->targets);
	free(compiler->health);
	free(compiler->health_of);
	*compiler = (struct compiler){0};
}

bool compiler_health(struct compiler *compiler, uint32_t target_id, enum health health)
{
	uint32_t slot = target_id & SLOT_MASK;
	bool news = compiler->health_of[slot] != target_id || compiler->health[slot] != health;

	compiler->health_of[slot] = target_id;
	compiler->health[slot] = health;
	return news && slots_name(compiler->targets, target_id);
}

uint32_t compiler_backend_id(const struct compiler *compiler, const struct config_backend *backend)
{
	char key[KEY_SIZE];

	backend_key(backend, key);
	return slots_find(compiler->backends, key);
}

uint32_t compiler_service_id(const struct compiler *compiler, const char *name, uint8_t protocol)
{
	char key[KEY_SIZE];

	service_key(name, protocol, key);
	return slots_find(compiler->services, key);
}

uint32_t compiler_interface_index(const struct compiler *compiler, const char *name)
{
	uint32_t id = slots_find(compiler->interfaces, name);

	return id == NONE ? NONE : id & SLOT_MASK;
}

uint32_t compiler_target_id(const struct compiler *compiler, const struct config *config,
			    const struct config_backend *backend)
{
	const struct config_check *check = check_of(config, backend->pool);
	char key[KEY_SIZE];

	if (!check || compiler->assume_up)
		return NONE;
	target_key(check, backend, key);
	return slots_find(compiler->targets, key);
}
