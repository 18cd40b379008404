/* The worlds that the flow table is searched in: small bounds, each chosen for what it can show.
 *
 * Times lie on a grid of STEP_NS and one ns before and after it: every timeout of SEMANTICS 4 is a
 * whole number of steps, so that each flow's end is met exactly, one ns too early and one ns too
 * late.
 */
#ifndef PROOF_WORLD_H
#define PROOF_WORLD_H

#include "tests/proof/flow/map.h"

#define STEP_NS UINT64_C(10000000000)

enum {
	WORLD_CHOICES_MAX = 6,
	WORLD_ANY = 4,         /* a hash may fall anywhere */
	WORLD_CAPACITY_MAX = 16,
};

/* Where a tuple's hash falls, once it collides: one of two buckets, one of two tags. */
enum world_hash {
	BUCKET_0_TAG_0,
	BUCKET_0_TAG_1,
	BUCKET_1_TAG_0,
	BUCKET_1_TAG_1,
	BUCKET_0,
	ANYWHERE,
};

struct world {
	const char *name;
	const char *bound;       /* for the table of results */
	uint32_t capacity;
	uint32_t births;
	struct flow_birth birth[MAP_FLOWS_MAX];
	enum world_hash hash;    /* of all tuples */
	uint8_t client[WORLD_CHOICES_MAX];  /* TCP flags of packets that follow; ends with NO_MORE */
	uint8_t backend[WORLD_CHOICES_MAX];
	uint32_t datagrams_max;  /* that one reply may stand for */
	uint32_t budget[3];      /* of an expiry; ends with 0 */
	uint32_t wheel_slots;
	int ticks_shift;         /* a step is 2^this ticks; negative: a tick is many steps */
	uint32_t lag_max;        /* ticks that pass at most without an expiry */
	int8_t first_ns, last_ns; /* around a step on the grid: -1 to 1 */
	bool prompt;             /* every instant begins with an expiry, as the path's batches do */
	bool timeless;
	bool arranged;           /* which record and which entry of a bucket: states differ by it */
	uint32_t states_max;     /* more than are there */
};

enum { NO_MORE = 0xff };

extern const struct world worlds[];
extern const uint32_t worlds_count;

#endif
