#include "appliance/compile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/compile_index.h"
#include "appliance/compile_pool.h"
#include "appliance/compile_work.h"
#include "appliance/path/check.h"

_Static_assert(FULLNAT_PORT_FIRST + FULLNAT_PORTS == (int)PROBE_PORT_FIRST,
	       "checks and fullnat share the ports of the appliance's addresses");

void compile_backend_key(const struct config_backend *backend, char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "%s/%08x:%u", backend->pool, from_be32(backend->address.address),
		 backend->address.port);
}

void compile_service_key(const char *name, uint8_t protocol, char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "%s/%u", name, protocol);
}

void compile_target_key(const struct config_check *check, const struct config_backend *backend,
		char key[KEY_SIZE])
{
	unsigned port = check->port ? check->port : backend->address.port;

	if (check->type != CHECK_TCP && check->type != CHECK_UDP)
		port = 0;
	snprintf(key, KEY_SIZE, "%s/%u/%08x:%u", check->name, check->type,
		 from_be32(backend->address.address), port);
}

const struct config_check *compile_check_of(const struct config *config, const char *pool_name)
{
	const struct config_pool *pool = config_find_name(config, KIND_POOL, pool_name);

	return pool && pool->check[0] ? config_find_name(config, KIND_CHECK, pool->check) : NULL;
}

int compile_refuse(struct work *work, const char *what, unsigned limit)
{
	snprintf(work->error, work->error_size, "too many %s: this release carries %u", what, limit);
	return -ENOSPC;
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
	uint32_t members = work->compiler->members ? work->compiler->members->count : 0;
	uint32_t routes = addresses + config_count(config, KIND_ROUTE) + members;

	work->interface = arena_array(arena, INTERFACES_MAX, sizeof(*work->interface));
	work->local = arena_array(arena, addresses + services, sizeof(*work->local));
	work->route = arena_array(arena, routes, sizeof(*work->route));
	work->sorted_route = arena_array(arena, routes, sizeof(*work->sorted_route));
	work->neighbor = arena_array(arena, config_count(config, KIND_NEIGHBOR),
				     sizeof(*work->neighbor));
	work->backend = arena_array(arena, backends, sizeof(*work->backend));
	work->target = arena_array(arena, backends, sizeof(*work->target));
	work->registration = arena_array(arena, REGISTRATIONS_MAX, sizeof(*work->registration));
	work->pool = arena_array(arena, config_count(config, KIND_POOL), sizeof(*work->pool));
	work->service = arena_array(arena, services, sizeof(*work->service));
	work->backend_by_slot = slot_map(work, BACKENDS_MAX);
	work->service_by_slot = slot_map(work, SERVICES_MAX);
	work->target_by_slot = slot_map(work, TARGETS_MAX);
	return !arena_failed(arena);
}

/* Slices are of one size, or of two that differ by a port, and leave none out. */
static void compile_source_ports(struct snapshot *snapshot, const struct config_global *global)
{
	uint32_t before = FULLNAT_PORTS * (global->fullnat_slice - 1) / global->fullnat_slices;
	uint32_t until = FULLNAT_PORTS * global->fullnat_slice / global->fullnat_slices;

	snapshot->source_port_first = (uint16_t)(FULLNAT_PORT_FIRST + before);
	snapshot->source_ports = (uint16_t)(until - before);
}

static int compile_all(struct work *work)
{
	struct compiled *compiled = work->compiled;
	struct snapshot *snapshot = &compiled->snapshot;
	const struct config_global *global = config_global(work->config);
	int result = allocate(work) ? 0 : -ENOMEM;

	snapshot->seed = global->seed;
	snapshot->forwarding = global->forwarding;
	snapshot->reject = global->no_service == NO_SERVICE_REJECT;
	snapshot->vip_echo_available = global->vip_echo == VIP_ECHO_AVAILABLE;
	compile_source_ports(snapshot, global);
	if (!result)
		result = compile_interfaces(work);
	if (result)
		return result;
	compile_bridge(work);
	compile_routes(work);
	result = compile_neighbors(work);
	if (!result)
		result = compile_registrations(work);
	if (!result)
		result = compile_pools(work);
	if (!result)
		result = compile_services(work);
	if (result)
		return result;
	snapshot->interface = work->interface;
	snapshot->local = work->local;
	snapshot->route = work->sorted_route;
	snapshot->neighbor = work->neighbor;
	snapshot->backend = work->backend;
	snapshot->pool = work->pool;
	snapshot->service = work->service;
	snapshot->target = work->target;
	snapshot->registration = work->registration;
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
	slots_begin(compiler->registrations);
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
	slots_commit(compiler->registrations);
	compiled_free(compiler->current);
	compiler->current = compiled;
}

void compile_discard(struct compiler *compiler, struct compiled *compiled)
{
	slots_abort(compiler->interfaces);
	slots_abort(compiler->services);
	slots_abort(compiler->backends);
	slots_abort(compiler->targets);
	slots_abort(compiler->registrations);
	compiled_free(compiled);
}

int compiler_init(struct compiler *compiler, compile_facts *facts, void *facts_context)
{
	*compiler = (struct compiler){
		.interfaces = slots_new(INTERFACES_MAX),
		.services = slots_new(SERVICES_MAX),
		.backends = slots_new(BACKENDS_MAX),
		.targets = slots_new(TARGETS_MAX),
		.registrations = slots_new(REGISTRATIONS_MAX),
		.health = calloc(TARGETS_MAX, sizeof(*compiler->health)),
		.health_of = calloc(TARGETS_MAX, sizeof(*compiler->health_of)),
		.facts = facts,
		.facts_context = facts_context,
	};
	if (compiler->interfaces && compiler->services && compiler->backends &&
	    compiler->targets && compiler->registrations && compiler->health && compiler->health_of) {
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
	slots_free(compiler->registrations);
	free(compiler->health);
	free(compiler->health_of);
	*compiler = (struct compiler){0};
}

enum health compiler_health_of(const struct compiler *compiler, uint32_t target_id)
{
	uint32_t slot = target_id & SLOT_MASK;

	return compiler->health_of[slot] == target_id ? compiler->health[slot] : HEALTH_UNKNOWN;
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

	compile_backend_key(backend, key);
	return slots_find(compiler->backends, key);
}

uint32_t compiler_service_id(const struct compiler *compiler, const char *name, uint8_t protocol)
{
	char key[KEY_SIZE];

	compile_service_key(name, protocol, key);
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
	const struct config_check *check = compile_check_of(config, backend->pool);
	char key[KEY_SIZE];

	if (!check || compiler->assume_up)
		return NONE;
	compile_target_key(check, backend, key);
	return slots_find(compiler->targets, key);
}
