/* A replay's configuration: an ordinary script, run by the console's own session. */
#ifndef APPLIANCE_REPLAY_CONFIG_H
#define APPLIANCE_REPLAY_CONFIG_H

#include <stddef.h>

#include "appliance/compile.h"

struct replay_config {
	struct config *config;
	unsigned interfaces; /* in the order in which the script defines them */
	char interface[INTERFACES_MAX][INTERFACE_NAME_SIZE];
	uint32_t traces;     /* packets that `trace add` asks for; 0: none */
	char *trace_filter;  /* NULL where none are */
};

/* Runs the script in `file`. 0, or a negative errno; errors in the script are told on stderr with
 * line and column, and `error` is empty then. */
int replay_config_run(struct replay_config *config, const char *file, char *error,
		      size_t error_size);
void replay_config_free(struct replay_config *config);

/* The place of an interface in the order of definition, from 0. */
unsigned replay_config_order(const struct replay_config *config, const char *name);
/* The name of the interface that the compiler gave this index, or NULL. */
const char *replay_config_name(const struct replay_config *config, const struct compiler *compiler,
			       uint32_t index);

#endif
