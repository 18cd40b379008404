#include "appliance/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/path/snapshot.h"

void members_free(struct members *members)
{
	free(members->member);
	free(members->told);
	*members = (struct members){0};
}

struct member *members_find(const struct members *members, const char *check, be32 address)
{
	for (unsigned i = 0; i < members->count; i++)
		if (same32(members->member[i].address.address, address) &&
		    strcmp(members->member[i].check, check) == 0)
			return &members->member[i];
	return NULL;
}

unsigned members_of(const struct members *members, const char *check)
{
	unsigned count = 0;

	for (unsigned i = 0; i < members->count; i++)
		count += strcmp(members->member[i].check, check) == 0;
	return count;
}

int members_join(struct members *members, const struct config_check *check,
		 const struct member *member)
{
	if (members_find(members, check->name, member->address.address))
		return -EEXIST;
	if (members_of(members, check->name) >= check->register_max)
		return -ENOSPC;
	struct member *more = reallocarray(members->member, members->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	members->member = more;
	members->member[members->count++] = *member;
	return 0;
}

bool members_leave(struct members *members, const char *check, be32 address)
{
	struct member *member = members_find(members, check, address);

	if (!member)
		return false;
	*member = members->member[--members->count];
	return true;
}

static struct told_weight *find_told(const struct members *members, const char *check,
				     be32 address)
{
	for (unsigned i = 0; i < members->told_count; i++)
		if (same32(members->told[i].address, address) &&
		    strcmp(members->told[i].check, check) == 0)
			return &members->told[i];
	return NULL;
}

static bool add_told(struct members *members, const char *check, be32 address, uint32_t weight)
{
	struct told_weight *more =
		reallocarray(members->told, members->told_count + 1, sizeof(*more));

	if (!more)
		return false;
	members->told = more;
	more += members->told_count++;
	*more = (struct told_weight){.address = address, .weight = weight};
	strncpy(more->check, check, sizeof(more->check) - 1);
	return true;
}

bool members_tell_weight(struct members *members, const char *check, be32 address, uint32_t weight)
{
	struct told_weight *told = find_told(members, check, address);

	if (!told)
		return weight != NONE && add_told(members, check, address, weight);
	if (told->weight == weight)
		return false;
	if (weight == NONE)
		*told = members->told[--members->told_count];
	else
		told->weight = weight;
	return true;
}

static bool may_be_member(const struct config *config, const char *name, be32 address)
{
	const struct config_check *check = config_find_name(config, KIND_CHECK, name);

	return check && check->registers.length &&
	       in_prefix(address, check->registers.address, check->registers.length);
}

void members_follow(struct members *members, const struct config *config)
{
	for (unsigned i = members->count; i-- > 0;)
		if (!may_be_member(config, members->member[i].check,
				   members->member[i].address.address))
			members->member[i] = members->member[--members->count];
	for (unsigned i = members->told_count; i-- > 0;)
		if (!config_find_name(config, KIND_CHECK, members->told[i].check))
			members->told[i] = members->told[--members->told_count];
}

static uint32_t attribute_bit(enum kind kind, const char *name)
{
	return UINT32_C(1) << (schema_attribute(kind, name) - schema_of(kind)->attribute);
}

/* One change to a backend; false where memory lacks. What cannot be is left out: an address that
 * has come to be the appliance's own, a backend that is configured as well. */
static bool change_backend(struct config *config, enum verb verb, const char *pool,
			   struct endpoint address, uint32_t weight)
{
	struct config_backend *backend = object_new(KIND_BACKEND);
	struct change change = {
		.verb = verb,
		.kind = KIND_BACKEND,
		.given = attribute_bit(KIND_BACKEND, "pool") |
			 attribute_bit(KIND_BACKEND, "address") |
			 attribute_bit(KIND_BACKEND, "weight"),
		.object = backend,
	};
	struct complaint ignored;

	if (!backend)
		return false;
	strcpy(backend->pool, pool);
	backend->address = address;
	backend->weight = weight;
	int result = config_apply(config, &change, &ignored);
	object_free(backend);
	return result != -ENOMEM;
}

static bool serve_members(const struct members *members, struct config *config)
{
	for (unsigned p = 0; p < config_count(config, KIND_POOL); p++) {
		const struct config_pool *pool = config_at(config, KIND_POOL, p);

		for (unsigned i = 0; i < members->count; i++)
			if (strcmp(members->member[i].check, pool->check) == 0 &&
			    may_be_member(config, pool->check,
					  members->member[i].address.address) &&
			    !change_backend(config, VERB_ADD, pool->name,
					    members->member[i].address, 1))
				return false;
	}
	return true;
}

static bool serve_weights(const struct members *members, struct config *config)
{
	for (unsigned i = 0; i < config_count(config, KIND_BACKEND); i++) {
		const struct config_backend *backend = config_at(config, KIND_BACKEND, i);
		const struct config_pool *pool = config_find_name(config, KIND_POOL, backend->pool);
		const struct told_weight *told =
			find_told(members, pool->check, backend->address.address);

		if (told && !change_backend(config, VERB_SET, backend->pool, backend->address,
					    told->weight))
			return false;
	}
	return true;
}

struct config *members_serve(const struct members *members, const struct config *config)
{
	struct config *serving = config_copy(config);

	if (serving && serve_members(members, serving) &&
	    (!members->told_count || serve_weights(members, serving)))
		return serving;
	config_free(serving);
	return NULL;
}
