/* The parts of config_validate(). The rest of the appliance sees config.h. */
#ifndef CONFIG_VALIDATE_H
#define CONFIG_VALIDATE_H

#include "appliance/config/config.h"
#include "appliance/config/object.h"

/* An interface's address with its network; sorted by where the network begins, wider ones first. */
struct network {
	uint32_t first, last; /* addresses of the network, host order */
	uint32_t address;     /* the appliance's own, host order */
	struct prefix prefix; /* as typed */
	const struct config_interface *interface;
};

struct validation {
	const struct config *config;
	void (*warn)(void *context, const char *text); /* NULL: nobody listens */
	void *context;
	char *error;
	size_t error_size;
	struct network *network;
	unsigned networks;
	const struct config_service **service; /* sorted by VIP, port and protocol */
	unsigned services;
};

/* Writes the error's sentence; returns -EINVAL. */
__attribute__((format(printf, 2, 3)))
int validation_refuse(struct validation *validation, const char *format, ...);
__attribute__((format(printf, 2, 3)))
void validation_warn(struct validation *validation, const char *format, ...);

static inline bool is_bridged(const struct config *config)
{
	return config_global(config)->topology == TOPOLOGY_BRIDGED;
}

/* The network of an interface in which the address lies, or NULL. */
const struct network *network_of(const struct validation *validation, be32 address);
/* Whose address it is: an object of *ret_kind (KIND_INTERFACE or KIND_SERVICE), or NULL. */
const void *owner_of(const struct validation *validation, be32 address, enum kind *ret_kind);

/* Interfaces, routes, neighbors. 0 or -EINVAL. */
int validate_network(struct validation *validation);
/* What the topology bridged asks for. 0 or -EINVAL. */
int validate_bridge(struct validation *validation);
/* Checks, backends, services. 0 or -EINVAL. */
int validate_services(struct validation *validation);
/* What the services' modes ask of their backends. 0 or -EINVAL. */
int validate_modes(struct validation *validation);
/* What is allowed but hardly meant. */
void validate_intent(struct validation *validation);

#endif
