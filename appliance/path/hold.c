#include "appliance/path/hold.h"

#include <string.h>

#include "appliance/path/internal.h"

enum { CACHE_LINE = 64 };

struct hold {
	uint32_t frame_size;
	uint32_t stride;               /* bytes of the pool a frame, headroom included */
	uint32_t used[HOLD_KINDS];
	struct fifo unused;
	struct fifo_link link[HOLD_MAX];
	struct held held[HOLD_MAX];
	_Alignas(64) uint8_t bytes[];
};

static const uint32_t quota[HOLD_KINDS] = {
	[HOLD_NEIGHBOR] = HOLD_NEIGHBOR_MAX,
	[HOLD_FRAGMENT] = HOLD_FRAGMENT_MAX,
};

static uint32_t stride_of(uint32_t frame_size)
{
	return (HOLD_HEADROOM + frame_size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

size_t hold_size(uint32_t frame_size)
{
	return sizeof(struct hold) + (size_t)HOLD_MAX * stride_of(frame_size);
}

struct hold *hold_new(void *memory, uint32_t frame_size)
{
	struct hold *hold = memory;

	hold->frame_size = frame_size;
	hold->stride = stride_of(frame_size);
	fifo_init(&hold->unused);
	for (uint32_t i = 0; i < HOLD_MAX; i++)
		fifo_push(&hold->unused, hold->link, i);
	return hold;
}

static void gauge(struct path *path, uint32_t in_interface, int change)
{
	if (in_interface != NONE)
		path->counters.interface[in_interface].held += (uint64_t)change;
}

bool hold_fits(const struct path *path, const struct frame *frame)
{
	return frame->length <= path->hold->frame_size;
}

bool hold_push(struct path *path, struct fifo *queue, enum hold_kind kind,
	       const struct frame *frame, uint32_t in_interface)
{
	struct hold *hold = path->hold;

	if (!hold_fits(path, frame) || hold->used[kind] == quota[kind])
		return false;

	const uint32_t i = fifo_pop(&hold->unused, hold->link);
	struct held *held = &hold->held[i];

	*held = (struct held){.frame = *frame, .in_interface = in_interface, .kind = (uint8_t)kind};
	held->frame.data = hold->bytes + (size_t)i * hold->stride + HOLD_HEADROOM;
	held->frame.headroom = HOLD_HEADROOM;
	memcpy(held->frame.data, frame->data, frame->length);

	fifo_push(queue, hold->link, i);
	hold->used[kind]++;
	gauge(path, in_interface, 1);
	return true;
}

struct held *hold_pop(struct path *path, struct fifo *queue)
{
	struct hold *hold = path->hold;
	const uint32_t i = fifo_pop(queue, hold->link);

	if (i == FIFO_END)
		return NULL;
	gauge(path, hold->held[i].in_interface, -1);
	return &hold->held[i];
}

void hold_free(struct path *path, struct held *held)
{
	struct hold *hold = path->hold;

	hold->used[held->kind]--;
	fifo_push(&hold->unused, hold->link, (uint32_t)(held - hold->held));
}
