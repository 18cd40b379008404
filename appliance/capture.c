#include "appliance/capture.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ring/filter.h"
#include "ring/ring.h"
#include "ring/vlan.h"

enum {
	CAPACITY = 16 << 20,   /* some ten thousand full frames */
	ALIGNMENT = 8,
};

struct record {
	uint32_t size;         /* with what follows, up to the next record */
	uint32_t length;       /* bytes of the frame that are here */
	uint32_t wire_length;  /* 0: nothing is, the next record is at the buffer's beginning */
	uint32_t interface;
	uint64_t time_ns;
	struct outcome outcome;
	_Alignas(ALIGNMENT) uint8_t bytes[];
};

struct capture {
	/* Of both sides, unchanging. */
	struct frame_filter *filter; /* NULL: all frames */
	uint32_t interface;
	uint8_t *buffer;

	/* The path's. Positions only grow; their place is the position modulo CAPACITY. */
	_Alignas(64) uint64_t position;
	uint64_t left;               /* frames to come; UINT64_MAX: without end */
	unsigned count;              /* of the batch at hand */
	struct record *taken[RING_BATCH_MAX]; /* NULL: not wanted, or lost */

	/* Each has one writer. */
	_Alignas(64) _Atomic uint64_t written;
	_Atomic uint64_t lost;
	_Atomic bool complete;
	_Alignas(64) _Atomic uint64_t read;
};

int capture_new(struct capture **ret_capture, const struct capture_options *options, char *error,
		size_t error_size)
{
	struct capture *capture = aligned_alloc(_Alignof(struct capture), sizeof(*capture));
	int result = -ENOMEM;

	snprintf(error, error_size, "not enough memory to capture");
	if (!capture)
		return result;
	*capture = (struct capture){
		.interface = options->interface,
		.left = options->count ? options->count : UINT64_MAX,
	};
	/* In memory now: the path is not to be the first to touch it. */
	capture->buffer = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (capture->buffer == MAP_FAILED)
		capture->buffer = NULL;
	else
		result = 0;
	if (!result && *options->filter)
		result = frame_filter_new(&capture->filter, options->filter, error, error_size);
	if (result) {
		capture_free(capture);
		return result;
	}
	*ret_capture = capture;
	return 0;
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	if (capture->buffer)
		munmap(capture->buffer, CAPACITY);
	frame_filter_free(capture->filter);
	free(capture);
}

static struct record *record_at(const struct capture *capture, uint64_t position)
{
	return (struct record *)(void *)(capture->buffer + position % CAPACITY);
}

/* Room for a frame of `length` bytes in one piece: behind what is there, or, where too little is
 * left up to the buffer's end, at its beginning. */
static struct record *take_room(struct capture *capture, uint32_t length)
{
	uint64_t read = atomic_load_explicit(&capture->read, memory_order_acquire);
	uint32_t size = (uint32_t)(sizeof(struct record) + length + ALIGNMENT - 1) &
			~(uint32_t)(ALIGNMENT - 1);
	uint64_t rest = CAPACITY - capture->position % CAPACITY;
	uint64_t skipped = rest < size ? rest : 0;
	struct record *record;

	if (capture->position - read + skipped + size > CAPACITY)
		return NULL;
	if (skipped >= sizeof(struct record))
		record_at(capture, capture->position)->wire_length = 0;
	capture->position += skipped;
	record = record_at(capture, capture->position);
	record->size = size;
	capture->position += size;
	return record;
}

static bool wants(const struct capture *capture, const struct frame *frame)
{
	return capture->left && frame->wire_length &&
	       (capture->interface == NONE || capture->interface == frame->interface) &&
	       (!frame->vlan_tpid || frame->length >= VLAN_TAG_OFFSET) &&
	       (!capture->filter || frame_filter_matches(capture->filter, frame));
}

static struct record *take_frame(struct capture *capture, const struct frame *frame,
				 uint64_t now_ns)
{
	uint32_t length = vlan_length(frame);
	struct record *record = take_room(capture, length);

	if (!record) {
		atomic_store_explicit(&capture->lost, capture->lost + 1, memory_order_relaxed);
		return NULL;
	}
	record->length = length;
	record->wire_length = frame->wire_length + (length - frame->length);
	record->interface = frame->interface;
	record->time_ns = now_ns;
	vlan_copy(frame, record->bytes);
	if (capture->left != UINT64_MAX)
		capture->left--;
	return record;
}

void capture_before(struct capture *capture, const struct frame *frames, unsigned count,
		    uint64_t now_ns)
{
	capture->count = count;
	for (unsigned i = 0; i < count; i++)
		capture->taken[i] = wants(capture, &frames[i]) ?
				    take_frame(capture, &frames[i], now_ns) : NULL;
}

void capture_after(struct capture *capture, const struct outcome *outcomes)
{
	for (unsigned i = 0; i < capture->count; i++)
		if (capture->taken[i])
			capture->taken[i]->outcome = outcomes[i];
	atomic_store_explicit(&capture->written, capture->position, memory_order_release);
	if (!capture->left)
		atomic_store_explicit(&capture->complete, true, memory_order_release);
}

/* Where the next record begins, or NULL: past what is skipped at the buffer's end. */
static const struct record *next_record(struct capture *capture)
{
	uint64_t read = atomic_load_explicit(&capture->read, memory_order_relaxed);
	uint64_t written = atomic_load_explicit(&capture->written, memory_order_acquire);
	uint64_t rest = CAPACITY - read % CAPACITY;

	if (read == written)
		return NULL;
	if (rest >= sizeof(struct record) && record_at(capture, read)->wire_length)
		return record_at(capture, read);
	atomic_store_explicit(&capture->read, read + rest, memory_order_release);
	return record_at(capture, read + rest);
}

bool capture_next(struct capture *capture, struct captured *ret_captured)
{
	const struct record *record = next_record(capture);

	if (!record)
		return false;
	*ret_captured = (struct captured){
		.frame = {
			.data = (uint8_t *)record->bytes,
			.length = record->length,
			.wire_length = record->wire_length,
			.interface = (uint16_t)record->interface,
		},
		.time_ns = record->time_ns,
		.outcome = record->outcome,
	};
	return true;
}

void capture_done(struct capture *capture)
{
	uint64_t read = atomic_load_explicit(&capture->read, memory_order_relaxed);

	atomic_store_explicit(&capture->read, read + record_at(capture, read)->size,
			      memory_order_release);
}

uint64_t capture_lost(const struct capture *capture)
{
	return atomic_load_explicit(&capture->lost, memory_order_relaxed);
}

bool capture_complete(const struct capture *capture)
{
	return atomic_load_explicit(&capture->complete, memory_order_acquire);
}
