/* Breadth-first search over every state that a small machine can reach.
 *
 * The machine is the shipped code with an abstract counterpart beside it. It can be put into any
 * state, does one operation, compares itself with its counterpart, and writes down where it is now,
 * normalised. What was written down before is not looked at again; when nothing new turns up, every
 * reachable state has been seen, and every operation has been tried in each.
 *
 * States are compared byte for byte, never by their hash alone. Breadth first means that the first
 * violation is one that no shorter sequence of operations shows. A crash and an endless loop are
 * violations like any other: the search survives both to tell the trace.
 */
#ifndef PROOF_SEARCH_H
#define PROOF_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct machine {
	const char *name;
	size_t size;         /* bytes of a state, written down */
	uint32_t operations; /* they are numbered from 0 */
	void (*load)(const void *state);
	void (*store)(void *state); /* all of its bytes, the same for states that are alike */
	/* False where it cannot be done in this state. What goes wrong is told by violated(). */
	bool (*apply)(uint32_t operation);
	void (*tell_operation)(FILE *out, uint32_t operation);
	void (*tell_state)(FILE *out);
};

struct search_result {
	uint64_t states, transitions;
	uint32_t depth;     /* the longest of the shortest ways to a state */
	bool closed;        /* nothing is left to look at */
	bool violation;
};

/* From the state in which the machine is. More than `states_max` states: not closed. */
struct search_result search_all(const struct machine *machine, uint32_t states_max);

/* One long way instead of all: `steps` operations by a fixed `seed`, nothing written down. */
struct search_result search_walk(const struct machine *machine, uint64_t steps, uint64_t seed);

/* A line of the table of `make verify`; true where all is well. */
bool search_tell_result(const char *name, const char *bound, const struct search_result *result);

/* Of the operation under way, in the words of printf; the first one of an operation is kept. */
__attribute__((format(printf, 1, 2))) void violated(const char *format, ...);

bool search_has_violation(void);
void search_tell_violation(void); /* to stderr, where there is no trace to it */

#endif
