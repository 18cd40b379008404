/* See lists.h. */
#include "tests/proof/flow/lists.h"

#include <string.h>

#include "tests/proof/flow/search.h"

static bool is_listed(const struct lists *lists, uint32_t member)
{
	for (uint32_t i = 0; i < lists->count; i++)
		if (lists->at[i].member == member)
			return true;
	return false;
}

static void read_list(const struct wheel *wheel, uint32_t head, struct listed as,
		      struct lists *lists)
{
	uint32_t before = head;

	for (uint32_t i = wheel->link[head].next; i != head; i = wheel->link[i].next) {
		if (i >= wheel->n || is_listed(lists, i)) {
			violated("the wheel's lists are tangled at %u", i);
			return;
		}
		if (wheel->link[i].prev != before)
			violated("the wheel's list is not linked back at %u", i);
		as.member = (uint8_t)i;
		lists->at[lists->count++] = as;
		before = i;
	}
	if (wheel->link[head].prev != before)
		violated("the wheel's list is not linked back to its head");
}

void lists_read(const struct wheel *wheel, bool by_bitmap, struct lists *ret_lists)
{
	uint32_t start = (uint32_t)wheel->cursor & (wheel->slots - 1);

	ret_lists->count = 0;
	read_list(wheel, wheel->n + wheel->slots, (struct listed){.due = true}, ret_lists);
	for (uint32_t i = 0; i < wheel->slots; i++) {
		uint32_t slot = (start + i) & (wheel->slots - 1), head = wheel->n + slot;
		bool empty = wheel->link[head].next == head;

		if (by_bitmap && !wheel->occupied[slot / 64]) {
			i += 63 - slot % 64;
			continue;
		}
		if (wheel->occupied[slot / 64] & UINT64_C(1) << slot % 64 ? empty : !empty)
			violated("the wheel's bitmap says otherwise than the list of slot %u", slot);
		if (!empty)
			read_list(wheel, head, (struct listed){.slot = (uint16_t)i}, ret_lists);
	}
}

void lists_write(struct wheel *wheel, const struct lists *lists)
{
	for (uint32_t i = 0; i <= wheel->n + wheel->slots; i++)
		wheel->link[i] = (struct wheel_link){.next = i, .prev = i};
	memset(wheel->occupied, 0, wheel->slots / 8);
	for (uint32_t i = 0; i < lists->count; i++) {
		const struct listed *listed = &lists->at[i];
		uint32_t slot = (uint32_t)(wheel->cursor + listed->slot) & (wheel->slots - 1);
		uint32_t head = wheel->n + (listed->due ? wheel->slots : slot), last;

		if (!listed->due)
			wheel->occupied[slot / 64] |= UINT64_C(1) << slot % 64;
		last = wheel->link[head].prev;
		wheel->link[listed->member] = (struct wheel_link){.next = head, .prev = last};
		wheel->link[last].next = listed->member;
		wheel->link[head].prev = listed->member;
	}
}
