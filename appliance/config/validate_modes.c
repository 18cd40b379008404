/* Rules about forwarding modes: what a mode cannot do for the backends of its service.
 *
 * dsr, ipip and gue hand the client's packet over as it came, so the backend is called at the
 * service's own port. dsr changes nothing but MACs, so there is no gateway between. */
#include "appliance/config/validate.h"

#include <stdio.h>
#include <string.h>

#include "appliance/config/model.h"

enum { PREFIX_SIZE = 24 };

static bool hands_over(const struct config_service *service)
{
	return service->mode == MODE_DSR || service->mode == MODE_IPIP || service->mode == MODE_GUE;
}

/* A static route that leads to the address past the network in which it lies, or NULL. */
static const struct config_route *detour(const struct config *config, const struct network *network,
					 be32 address)
{
	struct config_route like = {0};

	for (unsigned length = 32; length > network->prefix.length; length--) {
		like.prefix.address = to_be32(from_be32(address) & ~host_mask(length));
		like.prefix.length = (uint8_t)length;
		const struct config_route *route = config_find(config, KIND_ROUTE, &like);
		if (route)
			return route;
	}
	return NULL;
}

static int validate_on_link(struct validation *validation, const struct config_service *service,
			    const struct config_backend *backend)
{
	const struct network *network = network_of(validation, backend->address.address);
	const struct config_route *route =
		network ? detour(validation->config, network, backend->address.address) : NULL;
	char label[LABEL_SIZE], prefix[PREFIX_SIZE];

	if (network && !route)
		return 0;
	object_label(KIND_BACKEND, backend, label, sizeof(label));
	if (!network)
		return validation_refuse(validation,
					 "service \"%s\": mode dsr only changes MAC addresses, so "
					 "backend \"%s\" must be in a network of an interface, "
					 "not behind a gateway",
					 service->name, label);
	format_prefix(route->prefix, prefix, sizeof(prefix));
	return validation_refuse(validation,
				 "service \"%s\": mode dsr only changes MAC addresses, but route "
				 "\"%s\" leads to backend \"%s\" by a gateway",
				 service->name, prefix, label);
}

static void mode_name(const struct config_service *service, char ret_name[static NAME_SIZE])
{
	value_format(schema_attribute(KIND_SERVICE, "mode"), &service->mode, 0, ret_name, NAME_SIZE);
}

static int validate_port(struct validation *validation, const struct config_service *service,
			 const struct config_backend *backend)
{
	char label[LABEL_SIZE], mode[NAME_SIZE], ports[32] = "0, as the service has";

	if (!backend->address.port || backend->address.port == service->address.port)
		return 0;
	object_label(KIND_BACKEND, backend, label, sizeof(label));
	mode_name(service, mode);
	if (service->address.port)
		snprintf(ports, sizeof(ports), "%u or 0", service->address.port);
	return validation_refuse(validation,
				 "service \"%s\": mode %s cannot change ports, so the port of "
				 "backend \"%s\" must be %s",
				 service->name, mode, label, ports);
}

/* What counts replies, or waits for them: none are seen. */
static int validate_replies(struct validation *validation, const struct config_service *service)
{
	static const char *const of_replies[] = {"responses", "back-timeout"};
	char mode[NAME_SIZE];

	for (size_t i = 0; i < sizeof(of_replies) / sizeof(of_replies[0]); i++) {
		if (attribute_is_initial(schema_attribute(KIND_SERVICE, of_replies[i]), service))
			continue;
		mode_name(service, mode);
		return validation_refuse(validation,
					 "service \"%s\": %s means nothing in mode %s, where replies "
					 "go past the appliance",
					 service->name, of_replies[i], mode);
	}
	return 0;
}

/* The header would stand in a packet that is handed over as it came. */
static int validate_proxy(struct validation *validation, const struct config_service *service)
{
	char mode[NAME_SIZE];

	if (service->proxy_protocol == PROXY_PROTOCOL_OFF)
		return 0;
	mode_name(service, mode);
	return validation_refuse(validation,
				 "service \"%s\": proxy-protocol needs mode nat or fullnat: mode "
				 "%s changes nothing in a datagram",
				 service->name, mode);
}

static int validate_service_mode(struct validation *validation,
				 const struct config_service *service)
{
	const struct config *config = validation->config;
	struct config_backend first = {0};
	int error = validate_replies(validation, service);
	unsigned i;

	if (!error)
		error = validate_proxy(validation, service);
	strcpy(first.pool, service->pool);
	config_seek(config, KIND_BACKEND, &first, &i);
	for (; !error && i < config_count(config, KIND_BACKEND); i++) {
		const struct config_backend *backend = config_at(config, KIND_BACKEND, i);

		if (strcmp(backend->pool, service->pool) != 0)
			break;
		error = validate_port(validation, service, backend);
		if (!error && service->mode == MODE_DSR)
			error = validate_on_link(validation, service, backend);
	}
	return error;
}

int validate_modes(struct validation *validation)
{
	int error = 0;

	for (unsigned i = 0; !error && i < validation->services; i++)
		if (hands_over(validation->service[i]))
			error = validate_service_mode(validation, validation->service[i]);
	return error;
}
