/* Rules about interfaces, routes and neighbors: every address has one place where it is. */
#include "appliance/config/validate.h"

enum { PREFIX_SIZE = 24 };

static bool has_role(const struct config_interface *interface, enum role role)
{
	return interface->role & role;
}

/* Networks come in order, so one that overlaps an earlier one overlaps the one that reaches
 * furthest. On the same interface they may, and where all interfaces are on one link. */
static int validate_interfaces(struct validation *validation)
{
	const struct network *furthest = NULL;
	char one[PREFIX_SIZE], other[PREFIX_SIZE];

	if (is_bridged(validation->config))
		return 0;
	for (unsigned i = 0; i < validation->networks; i++) {
		const struct network *network = &validation->network[i];

		if (furthest && network->first <= furthest->last &&
		    network->interface != furthest->interface) {
			format_prefix(network->prefix, one, sizeof(one));
			format_prefix(furthest->prefix, other, sizeof(other));
			return validation_refuse(
				validation, "%s of interface \"%s\" and %s of interface \"%s\" are "
				"in overlapping networks", one, network->interface->name, other,
				furthest->interface->name);
		}
		if (!furthest || network->last > furthest->last)
			furthest = network;
	}
	return 0;
}

/* With several frontends a reply finds its way by the frontend's address (SEMANTICS 1, MULTI). */
static int validate_frontends(struct validation *validation)
{
	const struct config *config = validation->config;
	const struct config_interface *without = NULL;
	unsigned frontends = 0;

	for (unsigned i = 0; i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);

		if (!has_role(interface, ROLE_FRONTEND))
			continue;
		frontends++;
		if (!interface->address.count && !without)
			without = interface;
	}
	if (frontends < 2 || !without)
		return 0;
	return validation_refuse(validation,
				 "interface \"%s\" needs an address: with several frontends "
				 "replies find their way by it",
				 without->name);
}

static int validate_routes(struct validation *validation)
{
	const struct config *config = validation->config;
	char label[PREFIX_SIZE], gateway[PREFIX_SIZE];

	for (unsigned i = 0; i < config_count(config, KIND_ROUTE); i++) {
		const struct config_route *route = config_at(config, KIND_ROUTE, i);
		enum kind kind;

		format_prefix(route->prefix, label, sizeof(label));
		format_address(route->via, gateway, sizeof(gateway));
		if (owner_of(validation, route->via, &kind))
			return validation_refuse(validation,
						 "route \"%s\": gateway %s is an address of the "
						 "appliance itself",
						 label, gateway);
		if (!network_of(validation, route->via))
			return validation_refuse(validation,
						 "route \"%s\": gateway %s is in no network of an "
						 "interface",
						 label, gateway);
	}
	return 0;
}

static int validate_neighbors(struct validation *validation)
{
	const struct config *config = validation->config;
	char address[PREFIX_SIZE];

	for (unsigned i = 0; i < config_count(config, KIND_NEIGHBOR); i++) {
		const struct config_neighbor *neighbor = config_at(config, KIND_NEIGHBOR, i);
		const struct config_interface *interface =
			config_find_name(config, KIND_INTERFACE, neighbor->interface);
		const struct network *network = network_of(validation, neighbor->address);
		enum kind kind;

		format_address(neighbor->address, address, sizeof(address));
		if (owner_of(validation, neighbor->address, &kind))
			return validation_refuse(validation,
						 "neighbor \"%s\" is an address of the appliance "
						 "itself",
						 address);
		if (!network || network->interface != interface)
			return validation_refuse(validation,
						 "neighbor \"%s\" is in no network of interface "
						 "\"%s\"",
						 address, neighbor->interface);
	}
	return 0;
}

int validate_network(struct validation *validation)
{
	int error = validate_interfaces(validation);

	if (!error)
		error = validate_frontends(validation);
	if (!error && is_bridged(validation->config))
		error = validate_bridge(validation);
	if (!error)
		error = validate_routes(validation);
	return error ? error : validate_neighbors(validation);
}
