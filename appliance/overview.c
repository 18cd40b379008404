#include "appliance/overview.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct snapshot *in_force(const struct control *control)
{
	return &control->compiler.current->snapshot;
}

/* ---- interfaces ---- */

static uint64_t dropped(const struct interface_counters *counters)
{
	uint64_t sum = 0;

	for (unsigned i = VERDICT_FIRST_DROP; i < VERDICT_COUNT; i++)
		sum += counters->verdict[i];
	return sum;
}

static struct interface_totals totals_of(const struct interface_counters *counters,
					 const struct ring_stats *ring)
{
	return (struct interface_totals){
		.received = counters->received,
		.forwarded = counters->verdict[VERDICT_FORWARDED],
		.consumed = counters->verdict[VERDICT_CONSUMED],
		.held = counters->held,
		.dropped = dropped(counters),
		.originated = counters->originated,
		.ring_lost = ring->lost,
		.received_bytes = counters->received_bytes,
		.sent = counters->sent,
		.sent_bytes = counters->sent_bytes,
		.send_full = ring->send_full,
		.send_failed = ring->send_failed,
		.ring_frozen = ring->frozen,
		.truncated = ring->truncated,
	};
}

void interface_totals_add(struct interface_totals *sum, const struct interface_totals *totals)
{
#define X(key, head, grows, text) sum->key += totals->key;
	INTERFACE_TOTALS(X)
#undef X
}

const char *interface_state_text(enum interface_state state)
{
	static const char *const texts[] = {
		[INTERFACE_UP] = "up", [INTERFACE_DOWN] = "down",
		[INTERFACE_MISSING] = "missing", [INTERFACE_ERROR] = "error",
	};

	return texts[state];
}

static enum interface_state port_state(const struct port_view *port)
{
	if (!port->present)
		return INTERFACE_MISSING;
	if (!port->link)
		return INTERFACE_DOWN;
	return port->ready ? INTERFACE_UP : INTERFACE_ERROR;
}

static struct interface_view view_interface(struct control *control, const struct traffic *traffic,
					    const struct config_interface *config)
{
	uint32_t index = compiler_interface_index(&control->compiler, config->name);
	const struct snapshot_interface *compiled = &in_force(control)->interface[index];
	struct port_view port = {.present = true, .link = true, .ready = true, .problem = ""};

	/* Without ports, in a replay, an interface is a capture file: always there. */
	if (control->ports && !ports_view(control->ports, index, &port))
		port = (struct port_view){.problem = "not looked at yet"};
	return (struct interface_view){
		.config = config,
		.index = index,
		.state = port_state(&port),
		.problem = port.problem,
		.mac = compiled->mac,
		.mtu = compiled->mtu,
		.totals = totals_of(&traffic->counters.interface[index], &port.ring),
	};
}

struct look *look_take(struct control *control)
{
	struct look *look = calloc(1, sizeof(*look));

	if (!look)
		return NULL;
	observe_traffic(control->mailbox, &look->traffic);
	look->views = config_count(control->serving, KIND_INTERFACE);
	for (unsigned i = 0; i < look->views; i++)
		look->view[i] = view_interface(control, &look->traffic,
					       config_at(control->serving, KIND_INTERFACE, i));
	return look;
}

const char *overview_interface_name(const struct control *control, uint32_t index)
{
	const struct snapshot *snapshot = in_force(control);

	if (index >= snapshot->interfaces || (snapshot->interface[index].id & SLOT_MASK) != index)
		return NULL;
	return slots_name(control->compiler.interfaces, snapshot->interface[index].id);
}

/* ---- backends, pools, services ----
 *
 * A snapshot is compiled in the order of the configuration: the backend or pool with an index there
 * is the one with the same index here, and a service is one or two in a row there. */

const char *backend_state_text(enum backend_state state)
{
	static const char *const texts[] = {
		[BACKEND_STATE_UP] = "up",	     [BACKEND_STATE_DOWN] = "down",
		[BACKEND_STATE_DRAINING] = "draining", [BACKEND_STATE_DRAINED] = "drained",
		[BACKEND_STATE_DISABLED] = "disabled",
	};

	return texts[state];
}

const char *service_state_text(enum service_state state)
{
	static const char *const texts[] = {
		[SERVICE_UP] = "up", [SERVICE_DOWN] = "down", [SERVICE_DISABLED] = "disabled",
	};

	return texts[state];
}

const char *health_text(enum health health)
{
	static const char *const texts[] = {
		[HEALTH_UNKNOWN] = "unknown", [HEALTH_UP] = "up", [HEALTH_DOWN] = "down",
	};

	return texts[health];
}

/* A drained backend stays drained when it is switched off for the work that it was drained for. */
static enum backend_state state_of(uint32_t admin, enum health health, uint32_t active_flows)
{
	if (admin == ADMIN_DISABLED)
		return BACKEND_STATE_DISABLED;
	if (admin == ADMIN_DRAIN && !active_flows)
		return BACKEND_STATE_DRAINED;
	if (health == HEALTH_DOWN)
		return BACKEND_STATE_DOWN;
	return admin == ADMIN_DRAIN ? BACKEND_STATE_DRAINING : BACKEND_STATE_UP;
}

static void view_backends(struct control *control, struct overview *overview,
			  const struct backend_counters *counters, const struct check_view *checks)
{
	const struct snapshot *snapshot = in_force(control);

	for (uint32_t i = 0; i < overview->backends; i++) {
		struct backend_view *view = &overview->backend[i];
		uint32_t target = snapshot->backend[i].target;

		view->config = config_at(control->serving, KIND_BACKEND, i);
		view->id = snapshot->backend[i].id;
		view->counters = counters[i];
		if (target != NONE) {
			/* What the path has not taken up yet counts as what it begins as. */
			view->check = checks[target];
			view->health = view->check.health == HEALTH_UP ? HEALTH_UP : HEALTH_DOWN;
		}
		view->state = state_of(view->config->admin, view->health,
				       view->counters.active_flows);
	}
}

static void view_pools(struct control *control, struct overview *overview)
{
	const struct compiled *compiled = control->compiler.current;

	for (uint32_t i = 0; i < overview->pools; i++) {
		struct pool_view *view = &overview->pool[i];

		view->config = config_at(control->serving, KIND_POOL, i);
		view->compiled = compiled->pool[i];
		view->first = compiled->snapshot.pool[i].first;
		view->count = compiled->snapshot.pool[i].count;
		for (uint32_t b = view->first; b < view->first + view->count; b++) {
			if (overview->backend[b].state != BACKEND_STATE_UP)
				continue;
			view->up++;
			view->weight += overview->backend[b].config->weight;
		}
	}
}

static void add_counters(struct service_counters *sum, const struct service_counters *counters)
{
	sum->packets += counters->packets;
	sum->bytes += counters->bytes;
	sum->reply_packets += counters->reply_packets;
	sum->reply_bytes += counters->reply_bytes;
	sum->total_flows += counters->total_flows;
	sum->no_backend += counters->no_backend;
	sum->active_flows += counters->active_flows;
}

static unsigned protocols_of(const struct config_service *service)
{
	return service->address.protocol == PROTOCOL_ANY ? 2 : 1;
}

static void view_services(struct control *control, struct overview *overview,
			  const struct service_counters *counters)
{
	const struct snapshot *snapshot = in_force(control);
	uint32_t compiled = 0;

	for (uint32_t i = 0; i < overview->services; i++) {
		struct service_view *view = &overview->service[i];
		struct pool_view *pool = &overview->pool[snapshot->service[compiled].pool];

		view->config = config_at(control->serving, KIND_SERVICE, i);
		view->id = snapshot->service[compiled].id;
		view->pool = pool;
		pool->services++;
		for (unsigned p = 0; p < protocols_of(view->config); p++)
			add_counters(&view->counters, &counters[compiled++]);
		if (view->config->admin == ADMIN_DISABLED)
			view->state = SERVICE_DISABLED;
		else
			view->state = pool->weight ? SERVICE_UP : SERVICE_DOWN;
	}
}

int overview_take(struct control *control, struct overview *ret_overview)
{
	const struct snapshot *snapshot = in_force(control);
	struct overview overview = {
		.backends = snapshot->backends,
		.pools = snapshot->pools,
		.services = config_count(control->serving, KIND_SERVICE),
		.backend = calloc(snapshot->backends + 1, sizeof(*overview.backend)),
		.pool = calloc(snapshot->pools + 1, sizeof(*overview.pool)),
		.service = calloc(config_count(control->serving, KIND_SERVICE) + 1,
				  sizeof(*overview.service)),
	};
	struct backend_counters *backends = calloc(snapshot->backends + 1, sizeof(*backends));
	struct service_counters *services = calloc(snapshot->services + 1, sizeof(*services));
	struct check_view *checks = calloc(snapshot->targets + 1, sizeof(*checks));
	bool enough = overview.backend && overview.pool && overview.service && backends && services &&
		      checks;

	if (enough) {
		observe_backends(control->mailbox, snapshot, backends);
		observe_services(control->mailbox, snapshot, services);
		observe_targets(control->mailbox, snapshot, checks);
		view_backends(control, &overview, backends, checks);
		view_pools(control, &overview);
		view_services(control, &overview, services);
		*ret_overview = overview;
	} else {
		overview_free(&overview);
	}
	free(backends);
	free(services);
	free(checks);
	return enough ? 0 : -ENOMEM;
}

void overview_free(struct overview *overview)
{
	free(overview->backend);
	free(overview->pool);
	free(overview->service);
	*overview = (struct overview){0};
}

const struct config_backend *overview_backend_of(const struct control *control, uint32_t id)
{
	uint32_t index = snapshot_backend_of(in_force(control), id);

	return index == NONE ? NULL : config_at(control->serving, KIND_BACKEND, index);
}

const struct config_service **overview_service_map(const struct control *control)
{
	const struct config_service **map =
		calloc(in_force(control)->services + 1, sizeof(const struct config_service *));
	uint32_t compiled = 0;

	for (uint32_t i = 0; map && i < config_count(control->serving, KIND_SERVICE); i++) {
		const struct config_service *service = config_at(control->serving, KIND_SERVICE, i);

		for (unsigned p = 0; p < protocols_of(service); p++)
			map[compiled++] = service;
	}
	return map;
}
