/* What heartbeats have changed beside the configuration: backends that registered themselves, and
 * weights that backends told. None of it is stored: it lives as long as the heartbeats do.
 *
 * The configuration that is served is the one that runs with these changes in it. Control thread
 * only.
 */
#ifndef APPLIANCE_MEMBERS_H
#define APPLIANCE_MEMBERS_H

#include "appliance/config/config.h"

/* A sender that joined the pools of a heartbeat check, where it was heard last. */
struct member {
	char check[NAME_SIZE];
	struct endpoint address;
	struct mac mac;
	char interface[INTERFACE_NAME_SIZE];
};

/* The weight that the heartbeats of an address tell. */
struct told_weight {
	char check[NAME_SIZE];
	be32 address;
	uint32_t weight;
};

struct members {
	struct member *member;
	unsigned count;
	struct told_weight *told;
	unsigned told_count;
};

void members_free(struct members *members);

/* The member of that check and address, or NULL. */
struct member *members_find(const struct members *members, const char *check, be32 address);
unsigned members_of(const struct members *members, const char *check);

/* 0; -EEXIST: it is one already; -ENOSPC: register-max have joined; -ENOMEM. */
int members_join(struct members *members, const struct config_check *check,
		 const struct member *member);
/* True where it was one. */
bool members_leave(struct members *members, const char *check, be32 address);
/* `weight` NONE: as configured again. True where that changes something. */
bool members_tell_weight(struct members *members, const char *check, be32 address,
			 uint32_t weight);

/* Forgets what the configuration no longer allows: checks that are gone or have another network. */
void members_follow(struct members *members, const struct config *config);

/* `config` with the members in it and the weights that were told: a copy. NULL where memory lacks. */
struct config *members_serve(const struct members *members, const struct config *config);

#endif
