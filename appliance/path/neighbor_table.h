/* Where neighbors are kept: a small hash table that a packet reads, and the entries behind it.
 *
 * The slot has all that a frame to a known neighbor needs: 16 bytes, four to a cache line, probed
 * linearly at no more than half load. The entry has what only time and ARP need. Slots move when
 * another is taken out; entries never do. An entry stands in the list of its state, oldest first.
 *
 * For neighbor.c alone, which decides; this only stores.
 */
#ifndef PATH_NEIGHBOR_TABLE_H
#define PATH_NEIGHBOR_TABLE_H

#include "appliance/path/fifo.h"
#include "appliance/path/mix.h"
#include "appliance/path/neighbor.h"
#include "appliance/path/wire.h"

/* In the order in which they give way to a new entry. */
enum neighbor_state {
	NEIGHBOR_FREE,
	NEIGHBOR_FAILED,
	NEIGHBOR_STALE,
	NEIGHBOR_REACHABLE,
	NEIGHBOR_PROBE,
	NEIGHBOR_INCOMPLETE,
	NEIGHBOR_STATIC,
	NEIGHBOR_STATES,
};

enum {
	NEIGHBOR_SLOTS = 2 * NEIGHBORS_MAX,
	NEIGHBOR_SLOT_MASK = NEIGHBOR_SLOTS - 1,
	NEIGHBOR_NO_ENTRY = UINT16_MAX,
};
_Static_assert((NEIGHBOR_SLOTS & NEIGHBOR_SLOT_MASK) == 0, "the hash is cut by a mask");
_Static_assert(NEIGHBORS_MAX < UINT16_MAX, "a slot names its entry by 16 bits");

struct neighbor_slot {
	be32 address;
	uint16_t interface;
	uint16_t entry;         /* NEIGHBOR_NO_ENTRY: the slot is empty */
	struct mac_address mac;
	bool ready;             /* reachable, probe or static: frames go at once */
	bool used;              /* a frame has gone since the MAC was confirmed */
};
_Static_assert(sizeof(struct neighbor_slot) == 16, "four slots a cache line");

struct neighbor {
	be32 address;
	uint16_t interface;
	uint8_t state;          /* enum neighbor_state */
	uint8_t tries;          /* requests sent in this state */
	bool failed;            /* the last resolution did, and was told */
	uint64_t deadline_ns;
	uint64_t updated_ns;    /* when the MAC was heard last, or the entry made */
	uint64_t retry_ns;      /* failed: not to be asked for before */
	struct fifo held;       /* frames that wait, in the pool of hold.c */
};

struct neighbors {
	_Alignas(64) struct neighbor_slot slot[NEIGHBOR_SLOTS];
	uint64_t seed;
	struct fifo list[NEIGHBOR_STATES];
	struct fifo_link link[NEIGHBORS_MAX];
	struct neighbor entry[NEIGHBORS_MAX];
};

static inline uint32_t neighbor_table_home(const struct neighbors *table, uint32_t interface,
					   be32 address)
{
	const uint64_t key = (uint64_t)interface << 32 | address.raw;

	return (uint32_t)mix64(key ^ table->seed) & NEIGHBOR_SLOT_MASK;
}

/* The slot of a key, or the empty one where it would go. */
static inline uint32_t neighbor_table_locate(const struct neighbors *table, uint32_t interface,
					     be32 address)
{
	uint32_t i = neighbor_table_home(table, interface, address);

	while (table->slot[i].entry != NEIGHBOR_NO_ENTRY &&
	       (!same32(table->slot[i].address, address) || table->slot[i].interface != interface))
		i = (i + 1) & NEIGHBOR_SLOT_MASK;
	return i;
}

/* NULL: no such entry. */
static inline struct neighbor_slot *neighbor_table_find(struct neighbors *table, uint32_t interface,
							be32 address)
{
	struct neighbor_slot *slot = &table->slot[neighbor_table_locate(table, interface, address)];

	return slot->entry != NEIGHBOR_NO_ENTRY ? slot : NULL;
}

static inline struct neighbor *neighbor_table_entry(struct neighbors *table,
						    const struct neighbor_slot *slot)
{
	return &table->entry[slot->entry];
}

/* The entry that a new one would take: a free one, or the oldest of the first state up to `last` that
 * has any. NULL: none gives way. */
struct neighbor *neighbor_table_victim(struct neighbors *table, enum neighbor_state last);

/* Gives a free entry its key, and the list of `state`. Its slot has no MAC and is not ready. */
struct neighbor_slot *neighbor_table_add(struct neighbors *table, struct neighbor *entry,
					 uint32_t interface, be32 address,
					 enum neighbor_state state);

/* Frees an entry, which has no frames that wait. */
void neighbor_table_remove(struct neighbors *table, struct neighbor *entry);

/* To the end of another state's list. */
void neighbor_table_move(struct neighbors *table, struct neighbor *entry,
			 enum neighbor_state state, uint64_t deadline_ns);

#endif
