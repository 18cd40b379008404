/* A lazy timing wheel over the indices 0 to n-1 of somebody's array.
 *
 * Thousands of flows are refreshed for every one that expires, so a refresh must not touch the
 * wheel. An index waits in the slot of the deadline that it once had; when the slot comes up, the
 * owner looks at the record, and either ends it or puts the index back with its real deadline. One
 * level is enough: what lies beyond the horizon (slots x tick) waits in the farthest slot and is
 * put back from there, one visit a revolution (Varghese and Lauck, "Hashed and hierarchical timing
 * wheels", 1987, scheme 6 without the count of rounds).
 *
 * Links are two 32-bit numbers an index, in an array of their own, so that records stay small. A
 * slot that comes up is spliced whole into a list of due indices, in O(1), and the list is drained
 * at the caller's pace: a million expiries at the same instant never hold up a batch, and a jump of
 * hours costs one pass over a bitmap.
 *
 * The caller gives the memory and the time; the wheel knows neither records nor what is in them.
 */
#ifndef PATH_WHEEL_H
#define PATH_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WHEEL_SLOTS_MIN = 64, /* one word of the bitmap */
};

#define WHEEL_NONE UINT32_MAX           /* no index */
#define WHEEL_NEVER_NS UINT64_MAX       /* no deadline */

struct wheel_link {
	uint32_t next;
	uint32_t prev;
};

struct wheel {
	struct wheel_link *link; /* [n] members, [slots] list heads, 1 head of what is due */
	uint64_t *occupied;      /* a bit a slot: its list is not empty */
	uint64_t cursor;         /* the earliest tick whose slot has not come up yet */
	uint32_t n;
	uint32_t slots;
	unsigned tick_shift;     /* a tick is 2^tick_shift ns */
};

/* Bytes of memory that wheel_init() needs; `slots` is a power of two, WHEEL_SLOTS_MIN or more. */
size_t wheel_size(uint32_t n, uint32_t slots);

/* `memory` is aligned to 8 bytes and stays the wheel's. n + slots is less than 2^32 - 1. */
void wheel_init(struct wheel *wheel, void *memory, uint32_t n, uint32_t slots, unsigned tick_shift);

/* Queues `index`, or moves it where it is queued already. It comes up at the first tick at or after
 * `deadline_ns`; earlier where that lies beyond the horizon, counted from the latest time that
 * wheel_next_due() was given. O(1). */
void wheel_add(struct wheel *wheel, uint32_t index, uint64_t deadline_ns);

/* Takes `index` out; nothing happens where it is not queued. O(1). */
void wheel_remove(struct wheel *wheel, uint32_t index);

/* The next index that has come up, taken out of the wheel, or WHEEL_NONE. The caller counts its
 * budget; what is left over comes up at the next call. A `now_ns` older than one seen before is
 * harmless. */
uint32_t wheel_next_due(struct wheel *wheel, uint64_t now_ns);

/* The earliest time at which wheel_next_due() gives an index: 0 where some are left over already,
 * WHEEL_NEVER_NS where none is queued. O(slots / 64). */
uint64_t wheel_deadline(const struct wheel *wheel);

#endif
