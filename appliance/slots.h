/* Stable slots: the small number that an object has for its whole life, found by its name.
 *
 * What the packet path keeps about an object (counters, health, its flows) is found by the slot, and
 * so outlives every snapshot. A freed slot is used again last of all, and under a new generation: an
 * id (generation and slot) never comes to mean another object while anything still refers to it.
 */
#ifndef APPLIANCE_SLOTS_H
#define APPLIANCE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

struct slots;

/* `capacity` slots, at most 1 << SLOT_BITS. NULL where memory lacks. */
struct slots *slots_new(uint32_t capacity);
void slots_free(struct slots *slots);

/* The id of `name`, or NONE. */
uint32_t slots_find(const struct slots *slots, const char *name);
/* The name of the slot's present owner, or NULL. */
const char *slots_name(const struct slots *slots, uint32_t id);

/* A round takes stock: every name that is in use is claimed, then the rest is let go; or nothing is,
 * and the round has not been. */
void slots_begin(struct slots *slots);
/* The id of `name`, new where it had none. NONE: all slots are taken, or memory lacks. */
uint32_t slots_claim(struct slots *slots, const char *name);
void slots_commit(struct slots *slots);
void slots_abort(struct slots *slots);

#endif
