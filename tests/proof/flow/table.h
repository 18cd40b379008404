/* The table under search, its map, its time and what its hook was told: what the parts of the
 * search share.
 *
 * flow.c does operations, table_check.c compares, table_state.c writes states down and takes them
 * up again, table_words.c tells them to a person.
 */
#ifndef PROOF_TABLE_H
#define PROOF_TABLE_H

#include <stdio.h>

#include "tests/proof/flow/lists.h"
#include "tests/proof/flow/map.h"
#include "tests/proof/flow/world.h"

enum {
	TABLE_ORIGIN_STEPS = 1 << 12, /* where states lie on the grid of time */
	TABLE_STEP_SHIFT = 40,        /* a step in the wheel's time */
};

#define TIMER_DUE 0               /* it has come up; ticks are later than that */
#define TIMER_NOWHERE UINT64_MAX

extern const struct world *world;
extern struct map map;
extern struct flow_table table;

/* Now: `steps` on the grid and -1, 0 or +1 ns. */
extern uint64_t steps;
extern int offset;

/* The wheel is a small one, in a time of its own; else the table's. */
extern bool stretches;

uint64_t now_ns(void);
uint64_t now_tick(void);
uint64_t tick_of(uint64_t ns); /* at which something is due: the first that is not before it */

static inline uint64_t hash_of(const struct flow_tuple *tuple)
{
	return flow_hash(tuple, table.seed);
}

/* A new table for this world. */
void table_begin(const struct world *of, bool own_wheel);

struct closing {
	uint32_t flow;
	enum flow_close_reason reason;
};

/* What the hook was told in this operation, and what it should have been. */
extern struct closing told[2 * WORLD_CAPACITY_MAX];
extern uint32_t told_count;
void expect_close(int flow, enum flow_close_reason reason); /* it leaves the map */

/* table_check.c: before an operation, and after it. */
void check_begin(void);
void check_all(uint32_t inserted);
void expect_exact_timer(int flow); /* its timer is set now, to the tick of its end */

extern uint64_t timer[WORLD_CAPACITY_MAX]; /* of every record: a tick, TIMER_DUE or TIMER_NOWHERE */
extern struct lists timers;
void read_timers(void);
bool table_memory_is_whole(void); /* nobody wrote behind it */

/* table_state.c */
size_t state_size(void);
void state_store(void *state);
void state_load(const void *state);

/* table_words.c */
const char *flags_text(uint32_t tcp_flags);
void tell_table(FILE *out);

#endif
