/* The appliances that the path's fuzzer plays with: configurations in worlds/, compiled once, and for
 * each a path whose memory goes back to how it was before the next input.
 *
 * A world is a script as a console takes it, then sections that begin with "== NAME": variants, each
 * the first script and a few more lines, that an input may publish. Lines with '!' say what no script
 * can: links, MTUs, health, who has registered. Slots are claimed once for all variants, so that an
 * object keeps its id whichever is published; "!epoch" begins a variant after which those before it
 * are not published any more, since ids whose owner is gone never come back.
 *
 * Memory goes back by the kernel: the path is built in a file in memory, mapped privately at the same
 * address, and MADV_DONTNEED drops the pages that an input has touched.
 */
#ifndef TESTS_PROOF_FUZZ_WORLD_H
#define TESTS_PROOF_FUZZ_WORLD_H

#include "appliance/path/path.h"

enum {
	WORLD_VARIANTS_MAX = 16,
	WORLD_ADDRESSES_MAX = 64,
	WORLD_PORTS_MAX = 16,
	WORLD_NAME_SIZE = 32,
};

struct world_variant {
	char name[WORLD_NAME_SIZE];
	const struct snapshot *snapshot;
	unsigned epoch;
};

struct world {
	char name[WORLD_NAME_SIZE];
	unsigned variants;
	struct world_variant variant[WORLD_VARIANTS_MAX];
	struct path *path;
	void *memory;
	size_t memory_size;
	unsigned frames; /* that an input may send: "!frames", where tables are to be filled */
	/* Whom frames come from and go to: what the configuration names, then some that it does not. */
	unsigned addresses, ports;
	be32 address[WORLD_ADDRESSES_MAX];
	uint16_t port[WORLD_PORTS_MAX];
};

#define WORLD_START_NS UINT64_C(1000000000000)            /* the path's time at the beginning */
#define WORLD_WALL_NS  UINT64_C(1700000000000000000)      /* the time of day that is 0 of it */

/* All of the directory's *.conf, in the order of their names; exits with a sentence where one is wrong. */
void worlds_load(const char *directory, const struct path_output *output);
unsigned worlds_count(void);
struct world *world_at(unsigned index);

/* The path as after its first publication. */
void world_reset(struct world *world);

#endif
