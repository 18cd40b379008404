/* Rules of the topology bridged: one side with backends, the other with clients, and modes that
 * leave MACs alone. */
#include "appliance/config/validate.h"

enum { ADDRESS_SIZE = 16 };

static int validate_sides(struct validation *validation)
{
	const struct config *config = validation->config;
	const struct config_interface *backend = NULL;

	for (unsigned i = 0; i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);

		if (interface->role == ROLE_BOTH)
			return validation_refuse(validation,
						 "interface \"%s\" has role both: in topology "
						 "bridged an interface is on one side, frontend or "
						 "backend", interface->name);
		if (interface->role != ROLE_BACKEND)
			continue;
		if (backend)
			return validation_refuse(validation,
						 "interfaces \"%s\" and \"%s\" have role backend: "
						 "topology bridged takes one backend interface",
						 backend->name, interface->name);
		backend = interface;
	}
	return 0;
}

/* Networks may overlap, addresses may not. */
static int validate_addresses(struct validation *validation)
{
	char address[ADDRESS_SIZE];

	for (unsigned i = 0; i < validation->networks; i++) {
		const struct network *one = &validation->network[i];

		for (unsigned j = 0; j < i; j++) {
			const struct network *other = &validation->network[j];

			if (one->address != other->address || one->interface == other->interface)
				continue;
			format_address(one->prefix.address, address, sizeof(address));
			return validation_refuse(validation,
						 "%s is an address of interface \"%s\" and of "
						 "interface \"%s\"", address,
						 other->interface->name, one->interface->name);
		}
	}
	return 0;
}

/* A bump in the wire is no hop: it chooses no MAC to send to. */
static int validate_nat_only(struct validation *validation)
{
	char mode[NAME_SIZE];

	for (unsigned i = 0; i < validation->services; i++) {
		const struct config_service *service = validation->service[i];

		if (service->mode == MODE_NAT)
			continue;
		value_format(schema_attribute(KIND_SERVICE, "mode"), &service->mode, 0, mode,
			     sizeof(mode));
		return validation_refuse(validation,
					 "service \"%s\": mode %s needs topology routed, in "
					 "topology bridged all services are of mode nat",
					 service->name, mode);
	}
	return 0;
}

int validate_bridge(struct validation *validation)
{
	int error = validate_sides(validation);

	if (!error)
		error = validate_addresses(validation);
	return error ? error : validate_nat_only(validation);
}
