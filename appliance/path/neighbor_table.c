#include "appliance/path/neighbor_table.h"

size_t neighbors_size(void)
{
	return sizeof(struct neighbors);
}

struct neighbors *neighbors_new(void *memory, uint64_t seed)
{
	struct neighbors *table = memory;

	table->seed = seed;
	for (uint32_t i = 0; i < NEIGHBOR_SLOTS; i++)
		table->slot[i].entry = NEIGHBOR_NO_ENTRY;
	for (uint32_t state = 0; state < NEIGHBOR_STATES; state++)
		fifo_init(&table->list[state]);
	for (uint32_t i = 0; i < NEIGHBORS_MAX; i++) {
		fifo_init(&table->entry[i].held);
		fifo_push(&table->list[NEIGHBOR_FREE], table->link, i);
	}
	return table;
}

struct neighbor *neighbor_table_victim(struct neighbors *table, enum neighbor_state last)
{
	for (uint32_t state = NEIGHBOR_FREE; state <= last; state++)
		if (table->list[state].count)
			return &table->entry[table->list[state].head];
	return NULL;
}

struct neighbor_slot *neighbor_table_add(struct neighbors *table, struct neighbor *entry,
					 uint32_t interface, be32 address,
					 enum neighbor_state state)
{
	struct neighbor_slot *slot = &table->slot[neighbor_table_locate(table, interface, address)];

	neighbor_table_move(table, entry, state, UINT64_MAX);
	entry->address = address;
	entry->interface = (uint16_t)interface;
	entry->failed = false;
	*slot = (struct neighbor_slot){
		.address = address,
		.interface = (uint16_t)interface,
		.entry = (uint16_t)(entry - table->entry),
	};
	return slot;
}

/* Closes the gap that a slot leaves, so that probing still finds what lies behind it (Knuth, The Art
 * of Computer Programming, volume 3, section 6.4, algorithm R). */
static void close_gap(struct neighbors *table, uint32_t gap)
{
	for (uint32_t i = (gap + 1) & NEIGHBOR_SLOT_MASK;
	     table->slot[i].entry != NEIGHBOR_NO_ENTRY; i = (i + 1) & NEIGHBOR_SLOT_MASK) {
		const struct neighbor_slot *slot = &table->slot[i];
		const uint32_t home = neighbor_table_home(table, slot->interface, slot->address);

		if (((i - home) & NEIGHBOR_SLOT_MASK) < ((i - gap) & NEIGHBOR_SLOT_MASK))
			continue;
		table->slot[gap] = *slot;
		gap = i;
	}
	table->slot[gap].entry = NEIGHBOR_NO_ENTRY;
}

void neighbor_table_remove(struct neighbors *table, struct neighbor *entry)
{
	close_gap(table, neighbor_table_locate(table, entry->interface, entry->address));
	neighbor_table_move(table, entry, NEIGHBOR_FREE, UINT64_MAX);
}

void neighbor_table_move(struct neighbors *table, struct neighbor *entry,
			 enum neighbor_state state, uint64_t deadline_ns)
{
	const uint32_t i = (uint32_t)(entry - table->entry);

	fifo_remove(&table->list[entry->state], table->link, i);
	fifo_push(&table->list[state], table->link, i);
	entry->state = (uint8_t)state;
	entry->deadline_ns = deadline_ns;
}
