/* Warnings: what is allowed but hardly meant. One sentence for all objects that it is true of. */
#include "appliance/config/validate.h"

#include <string.h>

static unsigned roles_present(const struct config *config)
{
	unsigned roles = 0;

	for (unsigned i = 0; i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);

		roles |= interface->role;
	}
	return roles;
}

static void warn_roles(struct validation *validation)
{
	unsigned roles = roles_present(validation->config);

	if (!validation->services)
		return;
	if (!(roles & ROLE_FRONTEND))
		validation_warn(validation,
				"no interface has the role frontend: services have no clients");
	if (!(roles & ROLE_BACKEND))
		validation_warn(validation,
				"no interface has the role backend: services have no servers");
}

/* Routes are sorted by prefix, so the one that covers an address is found once for each length. */
static bool is_routed(const struct config *config, be32 address)
{
	struct config_route like = {0};

	for (unsigned length = 0; length <= 32; length++) {
		like.prefix.address = to_be32(from_be32(address) & ~host_mask(length));
		like.prefix.length = (uint8_t)length;
		if (config_find(config, KIND_ROUTE, &like))
			return true;
	}
	return false;
}

static void warn_unreachable(struct validation *validation)
{
	const struct config *config = validation->config;
	struct naming unreachable = {0};

	/* What crosses needs no route. Checks do, and tell themselves where there is none. */
	if (is_bridged(config))
		return;
	for (unsigned i = 0; i < config_count(config, KIND_BACKEND); i++) {
		const struct config_backend *backend = config_at(config, KIND_BACKEND, i);
		be32 address = backend->address.address;

		if (!network_of(validation, address) && !is_routed(config, address))
			naming_add(&unreachable, KIND_BACKEND, backend);
	}
	if (unreachable.count)
		validation_warn(validation, "no network of an interface and no route reaches %s",
				naming_text(&unreachable));
}

/* A backend answers a client in its own network directly, past the appliance. */
static void warn_vips_beside_backends(struct validation *validation)
{
	struct naming beside = {0};

	for (unsigned i = 0; i < validation->services; i++) {
		const struct config_service *service = validation->service[i];
		const struct network *network = network_of(validation, service->address.address);

		if (network && network->interface->role & ROLE_BACKEND && service->mode == MODE_NAT)
			naming_add(&beside, KIND_SERVICE, service);
	}
	if (beside.count)
		validation_warn(validation,
				"the VIP is in a network of backends, which answer clients there "
				"past the appliance: %s",
				naming_text(&beside));
}

/* Nobody answers ARP for a VIP across a bump in the wire: it is reached by a route. */
static void warn_vips_on_link(struct validation *validation)
{
	struct naming on_link = {0};

	for (unsigned i = 0; i < validation->services; i++) {
		const struct config_service *service = validation->service[i];

		if (network_of(validation, service->address.address))
			naming_add(&on_link, KIND_SERVICE, service);
	}
	if (on_link.count)
		validation_warn(validation,
				"topology bridged answers no ARP for VIPs: clients in the VIP's own "
				"network find it only if a host behind the appliance answers: %s",
				naming_text(&on_link));
}

static bool is_beside_backends(const struct validation *validation, struct prefix prefix)
{
	uint32_t first = from_be32(prefix.address), last = first | host_mask(prefix.length);

	for (unsigned i = 0; i < validation->networks; i++) {
		const struct network *network = &validation->network[i];

		if (network->interface->role & ROLE_BACKEND && network->first <= last &&
		    first <= network->last)
			return true;
	}
	return false;
}

/* Whom a backend takes for a neighbor it does not answer by a gateway. */
static void warn_rewrites_beside_backends(struct validation *validation)
{
	struct naming beside = {0};

	for (unsigned i = 0; i < validation->services; i++) {
		const struct config_service *service = validation->service[i];

		if (service->source_rewrite.set &&
		    is_beside_backends(validation, service->source_rewrite.to))
			naming_add(&beside, KIND_SERVICE, service);
	}
	if (beside.count)
		validation_warn(validation,
				"source-rewrite shows clients in a network of backends, which "
				"answer them there past the appliance: %s",
				naming_text(&beside));
}

static bool is_used(const struct validation *validation, const struct config_pool *pool)
{
	for (unsigned i = 0; i < validation->services; i++)
		if (strcmp(validation->service[i]->pool, pool->name) == 0)
			return true;
	return false;
}

static bool may_be_joined(const struct config *config, const struct config_pool *pool)
{
	const struct config_check *check = config_find_name(config, KIND_CHECK, pool->check);

	return check && check->registers.length;
}

/* Pools and backends are sorted by the pool's name alike: one walk along both. */
static void warn_idle_pools(struct validation *validation)
{
	const struct config *config = validation->config;
	struct naming empty = {0}, weightless = {0};
	unsigned next = 0;

	for (unsigned i = 0; i < config_count(config, KIND_POOL); i++) {
		const struct config_pool *pool = config_at(config, KIND_POOL, i);
		uint64_t weight = 0;
		unsigned first = next;

		for (; next < config_count(config, KIND_BACKEND); next++) {
			const struct config_backend *backend =
				config_at(config, KIND_BACKEND, next);

			if (strcmp(backend->pool, pool->name) != 0)
				break;
			weight += backend->weight;
		}
		if (!weight && is_used(validation, pool) && !may_be_joined(config, pool))
			naming_add(next > first ? &weightless : &empty, KIND_POOL, pool);
	}
	if (empty.count)
		validation_warn(validation, "no backends in %s", naming_text(&empty));
	if (weightless.count)
		validation_warn(validation, "all weights are 0 in %s", naming_text(&weightless));
}

void validate_intent(struct validation *validation)
{
	warn_roles(validation);
	warn_unreachable(validation);
	if (is_bridged(validation->config))
		warn_vips_on_link(validation);
	else
		warn_vips_beside_backends(validation);
	warn_rewrites_beside_backends(validation);
	warn_idle_pools(validation);
}
