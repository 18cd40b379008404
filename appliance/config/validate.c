/* Rules that span objects, applied to a whole configuration when a transaction is complete.
 *
 * Networks and services are sorted once, so that ten thousand of them are checked by walking along
 * neighbors and by bisection. The first rule that is broken is told.
 */
#include "appliance/config/validate.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int validation_refuse(struct validation *validation, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(validation->error, validation->error_size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

void validation_warn(struct validation *validation, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (validation->warn)
		validation->warn(validation->context, text);
}

const struct network *network_of(const struct validation *validation, be32 address)
{
	uint32_t host = from_be32(address);

	for (unsigned i = 0; i < validation->networks; i++) {
		const struct network *network = &validation->network[i];

		if (network->first <= host && host <= network->last)
			return network;
	}
	return NULL;
}

static int order_vip_addresses(const void *key, const void *element)
{
	uint32_t a = *(const uint32_t *)key;
	uint32_t b = from_be32((*(const struct config_service *const *)element)->address.address);

	return (a > b) - (a < b);
}

const void *owner_of(const struct validation *validation, be32 address, enum kind *ret_kind)
{
	uint32_t host = from_be32(address);
	const struct config_service **service =
		bsearch(&host, validation->service, validation->services, sizeof(*service),
			order_vip_addresses);

	for (unsigned i = 0; i < validation->networks; i++) {
		if (validation->network[i].address != host)
			continue;
		*ret_kind = KIND_INTERFACE;
		return validation->network[i].interface;
	}
	*ret_kind = KIND_SERVICE;
	return service ? *service : NULL;
}

static int order_networks(const void *one, const void *other)
{
	const struct network *a = one, *b = other;

	if (a->first != b->first)
		return a->first > b->first ? 1 : -1;
	return (a->last < b->last) - (a->last > b->last);
}

static int order_services(const void *one, const void *other)
{
	const struct config_service *a = *(const struct config_service *const *)one;
	const struct config_service *b = *(const struct config_service *const *)other;

	int order = value_order(VALUE_VIP, &a->address, &b->address);

	return order ? order : natural_order(a->name, b->name);
}

static void collect_networks(struct validation *validation)
{
	const struct config *config = validation->config;

	for (unsigned i = 0; i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);

		for (uint32_t j = 0; j < interface->address.count; j++) {
			struct prefix prefix = interface->address.item[j];
			uint32_t address = from_be32(prefix.address);
			uint32_t hosts = host_mask(prefix.length);

			validation->network[validation->networks++] = (struct network){
				.first = address & ~hosts,
				.last = address | hosts,
				.address = address,
				.prefix = prefix,
				.interface = interface,
			};
		}
	}
	qsort(validation->network, validation->networks, sizeof(*validation->network),
	      order_networks);
}

static void collect_services(struct validation *validation)
{
	const struct config *config = validation->config;

	for (unsigned i = 0; i < config_count(config, KIND_SERVICE); i++)
		validation->service[validation->services++] = config_at(config, KIND_SERVICE, i);
	qsort(validation->service, validation->services, sizeof(*validation->service),
	      order_services);
}

int config_validate(const struct config *config, void (*warn)(void *context, const char *text),
		    void *context, char *error, size_t error_size)
{
	struct validation validation = {
		.config = config, .warn = warn, .context = context,
		.error = error, .error_size = error_size,
		.network = calloc(config_count(config, KIND_INTERFACE) * ADDRESS_LIST_MAX + 1,
				  sizeof(struct network)),
		.service = calloc(config_count(config, KIND_SERVICE) + 1, sizeof(void *)),
	};
	int result = -ENOMEM;

	if (validation.network && validation.service) {
		collect_networks(&validation);
		collect_services(&validation);
		result = validate_network(&validation);
		if (!result)
			result = validate_services(&validation);
		if (!result)
			result = validate_modes(&validation);
		if (!result)
			validate_intent(&validation);
	} else {
		snprintf(error, error_size, "out of memory");
	}
	free(validation.network);
	free(validation.service);
	return result;
}
