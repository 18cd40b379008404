/* The command line of `lbd replay`. */
#ifndef APPLIANCE_REPLAY_OPTIONS_H
#define APPLIANCE_REPLAY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/snapshot.h"

struct replay_options {
	const char *script, *out; /* out NULL: nothing is written */
	bool json, assume_up;
	uint16_t mtu;
	unsigned inputs;
	struct { const char *interface, *file; } input[INTERFACES_MAX];
};

/* 0: go on. Otherwise everything has been said, and the process exits with this status less one. */
int replay_options_parse(int argc, char **argv, struct replay_options *ret_options);

#endif
