/* Lists of table entries by index, oldest first. An entry stands in at most one list at a time, so
 * one link each is enough, and leaving from the middle costs the same as from the head.
 *
 * Where all entries of a list wait for the same constant time, the list is in order of deadlines and
 * its head is the timer: that is how neighbors and fragments expire.
 */
#ifndef PATH_FIFO_H
#define PATH_FIFO_H

#include <stdint.h>

enum { FIFO_END = 0xffffffff };

struct fifo {
	uint32_t head, tail; /* FIFO_END, both: empty */
	uint32_t count;
};

struct fifo_link {
	uint32_t previous, next;
};

static inline void fifo_init(struct fifo *fifo)
{
	*fifo = (struct fifo){.head = FIFO_END, .tail = FIFO_END};
}

/* `link`: the table's links, by entry. */
static inline void fifo_push(struct fifo *fifo, struct fifo_link *link, uint32_t entry)
{
	link[entry] = (struct fifo_link){.previous = fifo->tail, .next = FIFO_END};
	if (fifo->tail == FIFO_END)
		fifo->head = entry;
	else
		link[fifo->tail].next = entry;
	fifo->tail = entry;
	fifo->count++;
}

static inline void fifo_remove(struct fifo *fifo, struct fifo_link *link, uint32_t entry)
{
	const struct fifo_link at = link[entry];

	if (at.previous == FIFO_END)
		fifo->head = at.next;
	else
		link[at.previous].next = at.next;
	if (at.next == FIFO_END)
		fifo->tail = at.previous;
	else
		link[at.next].previous = at.previous;
	fifo->count--;
}

/* The oldest entry, taken out; FIFO_END: the list is empty. */
static inline uint32_t fifo_pop(struct fifo *fifo, struct fifo_link *link)
{
	const uint32_t entry = fifo->head;

	if (entry != FIFO_END)
		fifo_remove(fifo, link, entry);
	return entry;
}

#endif
