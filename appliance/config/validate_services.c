/* Rules about checks, backends and services. */
#include "appliance/config/validate.h"

enum { PREFIX_SIZE = 24, DURATION_SIZE = 24 };

/* Which types of checks an attribute is for; the others must leave it alone. */
static int validate_check_attributes(struct validation *validation,
				     const struct config_check *check)
{
	enum { ACTIVE = 1 << CHECK_ICMP | 1 << CHECK_TCP | 1 << CHECK_UDP | 1 << CHECK_ARP };
	static const struct { const char *name; unsigned types; } uses[] = {
		{"port", 1 << CHECK_TCP | 1 << CHECK_UDP},
		{"interval", ACTIVE}, {"rise", ACTIVE}, {"fall", ACTIVE},
		{"from", 1 << CHECK_HEARTBEAT}, {"key", 1 << CHECK_HEARTBEAT},
		{"register", 1 << CHECK_HEARTBEAT}, {"register-max", 1 << CHECK_HEARTBEAT},
		{"payload", 1 << CHECK_UDP}, {"expect", 1 << CHECK_UDP},
	};
	char type[16];

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		if (uses[i].types & 1u << check->type)
			continue;
		if (attribute_is_initial(schema_attribute(KIND_CHECK, uses[i].name), check))
			continue;
		value_format(schema_attribute(KIND_CHECK, "type"), &check->type, 0, type,
			     sizeof(type));
		return validation_refuse(validation,
					 "check \"%s\": %s means nothing to a check of type %s",
					 check->name, uses[i].name, type);
	}
	return 0;
}

static int validate_checks(struct validation *validation)
{
	const struct config *config = validation->config;
	char timeout[DURATION_SIZE], interval[DURATION_SIZE];

	for (unsigned i = 0; i < config_count(config, KIND_CHECK); i++) {
		const struct config_check *check = config_at(config, KIND_CHECK, i);
		int error = validate_check_attributes(validation, check);

		if (error)
			return error;
		if (check->key[0] && !check->from_port)
			return validation_refuse(validation,
						 "check \"%s\": a key signs datagrams: it needs "
						 "`from port N`",
						 check->name);
		if (check->type == CHECK_HEARTBEAT || check_timeout_ns(check) <= check->interval_ns)
			continue;
		format_duration(check_timeout_ns(check), timeout, sizeof(timeout));
		format_duration(check->interval_ns, interval, sizeof(interval));
		return validation_refuse(validation,
					 "check \"%s\": timeout %s is longer than interval %s",
					 check->name, timeout, interval);
	}
	return 0;
}

/* What sends all of a client's connections to one backend is the table. */
static int validate_pools(struct validation *validation)
{
	const struct config *config = validation->config;

	for (unsigned i = 0; i < config_count(config, KIND_POOL); i++) {
		const struct config_pool *pool = config_at(config, KIND_POOL, i);

		if (pool->affinity == AFFINITY_SOURCE_IP && pool->scheduler != SCHEDULER_MAGLEV)
			return validation_refuse(validation,
						 "pool \"%s\": affinity source-ip needs scheduler "
						 "maglev", pool->name);
	}
	return 0;
}

static bool needs_port(const struct config *config, const struct config_backend *backend)
{
	const struct config_pool *pool = config_find_name(config, KIND_POOL, backend->pool);
	const struct config_check *check = config_find_name(config, KIND_CHECK, pool->check);

	return check && (check->type == CHECK_TCP || check->type == CHECK_UDP) && !check->port &&
	       !backend->address.port;
}

static int validate_backends(struct validation *validation)
{
	const struct config *config = validation->config;
	char label[LABEL_SIZE], owner[LABEL_SIZE];

	for (unsigned i = 0; i < config_count(config, KIND_BACKEND); i++) {
		const struct config_backend *backend = config_at(config, KIND_BACKEND, i);
		const struct config_pool *pool = config_find_name(config, KIND_POOL, backend->pool);
		enum kind kind;
		const void *object = owner_of(validation, backend->address.address, &kind);

		object_label(KIND_BACKEND, backend, label, sizeof(label));
		if (object) {
			object_label(kind, object, owner, sizeof(owner));
			return validation_refuse(validation,
						 "backend \"%s\" has the address of %s \"%s\"",
						 label, schema_of(kind)->name, owner);
		}
		if (needs_port(config, backend))
			return validation_refuse(validation,
						 "backend \"%s\" has no port of its own, so check "
						 "\"%s\" of its pool needs one",
						 label, pool->check);
	}
	return 0;
}

static bool same_protocol(uint8_t a, uint8_t b)
{
	return a == b || a == PROTOCOL_ANY || b == PROTOCOL_ANY;
}

/* Services come sorted by address, port, protocol: tcp, udp, any. */
static int validate_overlap(struct validation *validation)
{
	char one[32], another[32];

	for (unsigned i = 1; i < validation->services; i++) {
		const struct config_service *service = validation->service[i];

		for (unsigned j = i; j-- > 0;) {
			const struct config_service *other = validation->service[j];

			if (!same32(service->address.address, other->address.address) ||
			    service->address.port != other->address.port)
				break;
			if (!same_protocol(service->address.protocol, other->address.protocol))
				continue;
			format_vip(other->address, one, sizeof(one));
			format_vip(service->address, another, sizeof(another));
			return validation_refuse(validation,
						 "services \"%s\" and \"%s\" overlap: %s and %s",
						 other->name, service->name, one, another);
		}
	}
	return 0;
}

static int validate_vips(struct validation *validation)
{
	char vip[PREFIX_SIZE];

	for (unsigned i = 0; i < validation->services; i++) {
		const struct config_service *service = validation->service[i];
		enum kind kind;
		const void *owner = owner_of(validation, service->address.address, &kind);

		if (kind != KIND_INTERFACE)
			continue;
		format_address(service->address.address, vip, sizeof(vip));
		return validation_refuse(validation,
					 "service \"%s\": VIP %s is the address of interface "
					 "\"%s\"",
					 service->name, vip,
					 ((const struct config_interface *)owner)->name);
	}
	return 0;
}

/* What ends flows of UDP: TCP ends its connections itself. A PROXY header would shift a stream. */
static int validate_udp(struct validation *validation)
{
	static const char *const of_udp[] = {
		"requests", "responses", "lifetime", "front-timeout", "back-timeout",
		"proxy-protocol",
	};

	for (unsigned i = 0; i < validation->services; i++) {
		const struct config_service *service = validation->service[i];

		if (service->address.protocol != PROTOCOL_TCP)
			continue;
		for (size_t a = 0; a < sizeof(of_udp) / sizeof(of_udp[0]); a++)
			if (!attribute_is_initial(schema_attribute(KIND_SERVICE, of_udp[a]),
						  service))
				return validation_refuse(validation,
							 "service \"%s\": %s means nothing to "
							 "tcp, only to udp and any",
							 service->name, of_udp[a]);
	}
	return 0;
}

/* In other modes backends see the appliance, or answer the client themselves. */
static int validate_source_rewrites(struct validation *validation)
{
	char mode[16];

	for (unsigned i = 0; i < validation->services; i++) {
		const struct config_service *service = validation->service[i];

		if (!service->source_rewrite.set || service->mode == MODE_NAT)
			continue;
		value_format(schema_attribute(KIND_SERVICE, "mode"), &service->mode, 0, mode,
			     sizeof(mode));
		return validation_refuse(validation,
					 "service \"%s\": source-rewrite needs mode nat, not %s",
					 service->name, mode);
	}
	return 0;
}

static int validate_slices(struct validation *validation)
{
	const struct config_global *global = config_global(validation->config);

	if (global->fullnat_slice <= global->fullnat_slices)
		return 0;
	return validation_refuse(validation, "fullnat-slice %u is more than fullnat-slices %u",
				 global->fullnat_slice, global->fullnat_slices);
}

int validate_services(struct validation *validation)
{
	int error = validate_checks(validation);

	if (!error)
		error = validate_pools(validation);
	if (!error)
		error = validate_overlap(validation);
	if (!error)
		error = validate_udp(validation);
	if (!error)
		error = validate_vips(validation);
	if (!error)
		error = validate_source_rewrites(validation);
	if (!error)
		error = validate_slices(validation);
	return error ? error : validate_backends(validation);
}
