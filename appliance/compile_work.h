/* What one compilation works on, and its steps, in the order in which they are taken. */
#ifndef APPLIANCE_COMPILE_WORK_H
#define APPLIANCE_COMPILE_WORK_H

#include "appliance/arena.h"
#include "appliance/compile.h"

struct work {
	struct compiler *compiler;
	const struct config *config;
	struct compiled *compiled;
	struct snapshot_interface *interface;
	struct snapshot_local *local;
	struct snapshot_route *route, *sorted_route;
	struct snapshot_neighbor *neighbor;
	struct snapshot_backend *backend;
	struct snapshot_pool *pool;
	struct snapshot_service *service;
	struct snapshot_reply *reply;
	struct snapshot_target *target;
	struct snapshot_registration *registration;
	uint32_t *backend_by_slot, *service_by_slot, *target_by_slot;
	char *error;
	size_t error_size;
};

/* Names under which slots are kept. */
enum { KEY_SIZE = 2 * NAME_SIZE + 32 };

void compile_backend_key(const struct config_backend *backend, char key[KEY_SIZE]);
void compile_service_key(const char *name, uint8_t protocol, char key[KEY_SIZE]);
/* Backends of any pool with the same check and the same place to be checked share a target. */
void compile_target_key(const struct config_check *check, const struct config_backend *backend,
		char key[KEY_SIZE]);

/* The check of a pool, or NULL. */
const struct config_check *compile_check_of(const struct config *config, const char *pool_name);

/* Writes "too many ..." and returns -ENOSPC. */
int compile_refuse(struct work *work, const char *what, unsigned limit);

int compile_interfaces(struct work *work);
void compile_bridge(struct work *work);
void compile_routes(struct work *work);
int compile_neighbors(struct work *work);
/* The index of a check that senders may join, in snapshot.registration; NONE: it is none. */
uint32_t compile_registration_of(const struct work *work, const struct config_check *check);

int compile_registrations(struct work *work);
/* The index of the target that checks this backend, made where it is the first; NONE: too many. */
uint32_t compile_target(struct work *work, const struct config_check *check,
			const struct config_backend *backend);
int compile_pools(struct work *work);
int compile_services(struct work *work);

#endif
