/* Interfaces, addresses, routes and static neighbors of a snapshot. */
#include <string.h>

#include "appliance/compile_work.h"

_Static_assert((int)ADDRESS_LIST_MAX == (int)INTERFACE_ADDRESSES_MAX,
	       "the path carries every address of an interface");

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

int compile_interfaces(struct work *work)
{
	struct compiler *compiler = work->compiler;
	struct snapshot *snapshot = &work->compiled->snapshot;

	for (unsigned i = 0; i < config_count(work->config, KIND_INTERFACE); i++) {
		const struct config_interface *interface =
			config_at(work->config, KIND_INTERFACE, i);
		uint32_t id = slots_claim(compiler->interfaces, interface->name);
		struct interface_facts facts = {0};

		if (id == NONE)
			return compile_refuse(work, "interfaces", INTERFACES_MAX);
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
	}
	snapshot->interfaces = INTERFACES_MAX;
	return 0;
}

static uint32_t interface_index(const struct work *work, const struct config_interface *interface)
{
	return slots_find(work->compiler->interfaces, interface->name) & SLOT_MASK;
}

static void compile_addresses(struct work *work, const struct config_interface *interface,
			      uint32_t index)
{
	struct snapshot *snapshot = &work->compiled->snapshot;

	work->interface[index].first_local = snapshot->locals;
	work->interface[index].locals = interface->address.count;
	for (unsigned i = 0; i < interface->address.count; i++) {
		const struct prefix *prefix = &interface->address.item[i];

		work->local[snapshot->locals++] = (struct snapshot_local){
			.address = prefix->address,
			.interface = index,
			.length = prefix->length,
		};
		work->route[snapshot->routes++] = (struct snapshot_route){
			.prefix = network_of(prefix),
			.length = prefix->length,
			.interface = (uint16_t)index,
			.source = prefix->address,
		};
	}
}

/* Bridged, both sides are one network, and what the appliance has to ask is asked on the backends':
 * the backend interface goes first. */
static void compile_connected(struct work *work)
{
	const struct snapshot_bridge *bridge = &work->compiled->snapshot.bridge;
	uint32_t first = bridge->on ? bridge->backend : NONE;

	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < config_count(work->config, KIND_INTERFACE); i++) {
			const struct config_interface *interface =
				config_at(work->config, KIND_INTERFACE, i);
			uint32_t index = interface_index(work, interface);

			if ((index == first) == !pass)
				compile_addresses(work, interface, index);
		}
}

void compile_bridge(struct work *work)
{
	struct snapshot_bridge *bridge = &work->compiled->snapshot.bridge;

	if (config_global(work->config)->topology != TOPOLOGY_BRIDGED)
		return;
	*bridge = (struct snapshot_bridge){.on = true, .backend = NONE};
	for (uint32_t i = 0; i < INTERFACES_MAX; i++) {
		if (work->interface[i].sides & SIDE_BACKEND)
			bridge->backend = i;
		else if (work->interface[i].sides)
			bridge->frontend[bridge->frontends++] = (uint16_t)i;
	}
}

enum { PREFIX_LENGTH_MAX = 32 };

/* Those of equal length stay as they are: connected networks go before static routes. */
static void sort_longest_first(struct work *work, uint32_t routes)
{
	struct snapshot_route *sorted = work->sorted_route;

	for (int length = PREFIX_LENGTH_MAX; length >= 0; length--)
		for (uint32_t i = 0; i < routes; i++)
			if (work->route[i].length == length)
				*sorted++ = work->route[i];
}

static uint32_t interface_towards(const struct work *work, uint32_t connected, be32 address)
{
	for (uint32_t c = 0; c < connected; c++)
		if (in_prefix(address, work->route[c].prefix, work->route[c].length))
			return work->route[c].interface;
	return NONE;
}

/* Who has registered from where no network of his is, is reached there all the same. */
static void compile_members(struct work *work, uint32_t connected)
{
	const struct members *members = work->compiler->members;

	for (unsigned i = 0; members && i < members->count; i++) {
		const struct member *member = &members->member[i];
		uint32_t id = slots_find(work->compiler->interfaces, member->interface);
		be32 address = member->address.address;

		if (id == NONE || interface_towards(work, connected, address) == (id & SLOT_MASK))
			continue;
		work->route[work->compiled->snapshot.routes++] = (struct snapshot_route){
			.prefix = address,
			.length = PREFIX_LENGTH_MAX,
			.interface = (uint16_t)(id & SLOT_MASK),
			.source = work->interface[id & SLOT_MASK].address,
		};
	}
}

/* Connected networks, and static routes, which leave by the one that holds their gateway. */
void compile_routes(struct work *work)
{
	struct snapshot *snapshot = &work->compiled->snapshot;

	compile_connected(work);
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
	compile_members(work, connected);
	sort_longest_first(work, snapshot->routes);
}

int compile_neighbors(struct work *work)
{
	struct snapshot *snapshot = &work->compiled->snapshot;

	if (config_count(work->config, KIND_NEIGHBOR) > STATICS_MAX)
		return compile_refuse(work, "static neighbors", STATICS_MAX);
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
	return 0;
}
