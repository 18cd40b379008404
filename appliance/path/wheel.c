/* See wheel.h. Every list is circular and doubly linked. An index that is not queued is a list of
 * its own, so that adding and removing need no question first; the links behind the members are
 * heads: one for each slot, and a last one for what is due. */
#include "appliance/path/wheel.h"

enum {
	WORD_BITS = 64,
};

static uint32_t slot_head(const struct wheel *wheel, uint32_t slot)
{
	return wheel->n + slot;
}

static uint32_t due_head(const struct wheel *wheel)
{
	return wheel->n + wheel->slots;
}

static bool is_empty(const struct wheel *wheel, uint32_t head)
{
	return wheel->link[head].next == head;
}

static void make_empty(struct wheel *wheel, uint32_t head)
{
	wheel->link[head] = (struct wheel_link){.next = head, .prev = head};
}

static void insert_last(struct wheel *wheel, uint32_t head, uint32_t index)
{
	struct wheel_link *link = wheel->link;
	uint32_t last = link[head].prev;

	link[index] = (struct wheel_link){.next = head, .prev = last};
	link[last].next = index;
	link[head].prev = index;
}

/* Moves the whole list of `from` behind that of `to`. */
static void splice_last(struct wheel *wheel, uint32_t to, uint32_t from)
{
	struct wheel_link *link = wheel->link;
	uint32_t first = link[from].next, last = link[from].prev, before = link[to].prev;

	link[before].next = first;
	link[first].prev = before;
	link[last].next = to;
	link[to].prev = last;
	make_empty(wheel, from);
}

size_t wheel_size(uint32_t n, uint32_t slots)
{
	return slots / WORD_BITS * sizeof(uint64_t) +
	       ((size_t)n + slots + 1) * sizeof(struct wheel_link);
}

void wheel_init(struct wheel *wheel, void *memory, uint32_t n, uint32_t slots, unsigned tick_shift)
{
	*wheel = (struct wheel){
		.occupied = memory,
		.link = (struct wheel_link *)((uint64_t *)memory + slots / WORD_BITS),
		.n = n,
		.slots = slots,
		.tick_shift = tick_shift,
	};
	for (uint32_t word = 0; word < slots / WORD_BITS; word++)
		wheel->occupied[word] = 0;
	for (uint32_t i = 0; i <= due_head(wheel); i++)
		make_empty(wheel, i);
}

void wheel_add(struct wheel *wheel, uint32_t index, uint64_t deadline_ns)
{
	uint64_t fraction = deadline_ns & ((UINT64_C(1) << wheel->tick_shift) - 1);
	uint64_t tick = (deadline_ns >> wheel->tick_shift) + (fraction != 0);
	uint64_t horizon = wheel->cursor + wheel->slots - 1;
	uint32_t slot;

	if (tick < wheel->cursor)
		tick = wheel->cursor;
	if (tick > horizon)
		tick = horizon;
	slot = (uint32_t)tick & (wheel->slots - 1);

	wheel_remove(wheel, index);
	insert_last(wheel, slot_head(wheel, slot), index);
	wheel->occupied[slot / WORD_BITS] |= UINT64_C(1) << slot % WORD_BITS;
}

void wheel_remove(struct wheel *wheel, uint32_t index)
{
	struct wheel_link *link = wheel->link;
	uint32_t next = link[index].next, prev = link[index].prev;

	link[prev].next = next;
	link[next].prev = prev;
	make_empty(wheel, index);
	if (next == prev && next >= wheel->n && next != due_head(wheel)) {
		uint32_t slot = next - wheel->n;

		wheel->occupied[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
	}
}

/* The tick of the first occupied slot at or after the cursor; false where all are empty. */
static bool first_occupied(const struct wheel *wheel, uint64_t *ret_tick)
{
	uint32_t start = (uint32_t)wheel->cursor & (wheel->slots - 1);
	uint32_t words = wheel->slots / WORD_BITS, at = start / WORD_BITS;
	uint64_t before_start = (UINT64_C(1) << start % WORD_BITS) - 1;
	uint64_t word = wheel->occupied[at] & ~before_start;

	for (uint32_t i = 0; i <= words; i++) {
		if (word) {
			uint32_t slot = at * WORD_BITS + (uint32_t)__builtin_ctzll(word);

			*ret_tick = wheel->cursor + ((slot - start) & (wheel->slots - 1));
			return true;
		}
		at = (at + 1) & (words - 1);
		word = wheel->occupied[at];
	}
	return false;
}

/* Makes due what stands in slots up to now. However far time has jumped, a slot comes up once. */
static void come_up(struct wheel *wheel, uint64_t now_ns)
{
	uint64_t now_tick = now_ns >> wheel->tick_shift, tick;

	if (now_tick < wheel->cursor)
		return;
	while (first_occupied(wheel, &tick) && tick <= now_tick) {
		uint32_t slot = (uint32_t)tick & (wheel->slots - 1);

		splice_last(wheel, due_head(wheel), slot_head(wheel, slot));
		wheel->occupied[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
		wheel->cursor = tick + 1;
	}
	wheel->cursor = now_tick + 1;
}

uint32_t wheel_next_due(struct wheel *wheel, uint64_t now_ns)
{
	uint32_t index;

	come_up(wheel, now_ns);
	if (is_empty(wheel, due_head(wheel)))
		return WHEEL_NONE;
	index = wheel->link[due_head(wheel)].next;
	wheel_remove(wheel, index);
	return index;
}

uint64_t wheel_deadline(const struct wheel *wheel)
{
	uint64_t tick;

	if (!is_empty(wheel, due_head(wheel)))
		return 0;
	return first_occupied(wheel, &tick) ? tick << wheel->tick_shift : WHEEL_NEVER_NS;
}
