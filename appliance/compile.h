/* Model, health and interface facts -> the snapshot that the packet path reads.
 *
 * Everything that can fail is done here, before anything is stored or published. A compiled
 * snapshot is either taken into force (compile_accept) or thrown away (compile_discard); Maglev
 * tables of pools that did not change are taken over from the one before. Control thread only.
 */
#ifndef APPLIANCE_COMPILE_H
#define APPLIANCE_COMPILE_H

#include <stddef.h>

#include "appliance/config/config.h"
#include "appliance/members.h"
#include "appliance/path/maglev.h"
#include "appliance/path/path.h"
#include "appliance/slots.h"

/* What is known of an interface at this moment. */
struct interface_facts {
	bool up;   /* present, with link, its ring open */
	uint8_t mac[6];
	uint16_t mtu;
};

/* Asked for each configured interface. `index`: its stable number, for frame.interface. */
typedef void compile_facts(void *context, const struct config_interface *interface, uint32_t index,
			   struct interface_facts *ret_facts);

struct compiler {
	struct slots *interfaces, *services, *backends, *targets, *registrations;
	enum health *health;      /* of targets, by slot: what the path last said */
	uint32_t *health_of;      /* by slot: the target's id that this health is of */
	const struct members *members; /* who has registered; NULL: nobody can */
	struct compiled *current; /* what is in force, or NULL */
	bool new_is_up;           /* what no check has looked at yet counts as usable (trials) */
	bool assume_up;           /* no checks: every backend counts as usable (replay) */
	compile_facts *facts;
	void *facts_context;
};

/* The Maglev table of one pool, with what it was built from. */
struct compiled_pool {
	char name[NAME_SIZE];
	struct maglev_member *member;
	uint32_t members;
	uint16_t *table;          /* NULL: no member has a weight */
	uint64_t fingerprint;
	uint64_t seed;
	unsigned references;      /* of compiled snapshots */
};

struct compiled {
	struct snapshot snapshot;
	struct compiled_pool **pool; /* as snapshot.pool */
	struct arena *arena;         /* owns all tables but the pools' */
};

int compiler_init(struct compiler *compiler, compile_facts *facts, void *facts_context);
void compiler_fini(struct compiler *compiler);

/* 0, or a negative errno with a sentence: too many objects, or no memory. */
int compile(struct compiler *compiler, const struct config *config, struct compiled **ret_compiled,
	    char *error, size_t error_size);
/* The path reads `compiled` from now on: what was in force before is freed. */
void compile_accept(struct compiler *compiler, struct compiled *compiled);
/* It will not be used: slots that were claimed for it are let go. */
void compile_discard(struct compiler *compiler, struct compiled *compiled);

/* What the path last said of a target; HEALTH_UNKNOWN where it has not. */
enum health compiler_health_of(const struct compiler *compiler, uint32_t target_id);
/* Takes note of what the path says of a target; true where that is news. */
bool compiler_health(struct compiler *compiler, uint32_t target_id, enum health health);

/* Ids by what operators call things; NONE where there is none in force. */
uint32_t compiler_backend_id(const struct compiler *compiler, const struct config_backend *backend);
uint32_t compiler_service_id(const struct compiler *compiler, const char *name, uint8_t protocol);
uint32_t compiler_interface_index(const struct compiler *compiler, const char *name);
/* The check's target for this backend; NONE: the pool has no check. */
uint32_t compiler_target_id(const struct compiler *compiler, const struct config *config,
			    const struct config_backend *backend);

#endif
