/* Frames that wait: copies in a fixed pool, in queues that belong to whoever makes them wait (a
 * neighbor without a MAC, a datagram without its first fragment).
 *
 * The two reasons to wait have quotas of their own over one pool that holds both, so that neither can
 * starve the other and a frame may go from one queue to the other while it is handled.
 *
 * The gauge `held` of the interface where a frame came in is kept here and nowhere else: up with
 * hold_push(), down with hold_pop(). Whoever pops counts the frame's final verdict with path_count();
 * for VERDICT_HELD that has nothing to do.
 */
#ifndef PATH_HOLD_H
#define PATH_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/path/fifo.h"
#include "appliance/path/frame.h"

struct path;
struct hold;

enum hold_kind { HOLD_NEIGHBOR, HOLD_FRAGMENT, HOLD_KINDS };

enum {
	HOLD_NEIGHBOR_MAX = 1024, /* SEMANTICS 7 */
	HOLD_FRAGMENT_MAX = 4096, /* SEMANTICS 9 */
	HOLD_MAX = HOLD_NEIGHBOR_MAX + HOLD_FRAGMENT_MAX,
	HOLD_HEADROOM = FRAME_HEADROOM_MIN,
};

struct held {
	struct frame frame;  /* its bytes lie in the pool; interface: as in the frame that was pushed */
	uint32_t in_interface; /* where it was received; NONE: the appliance's own */
	uint8_t kind;        /* enum hold_kind */
};

/* Bytes of memory, to be aligned to 64 and zeroed, for frames of up to `frame_size` bytes. */
size_t hold_size(uint32_t frame_size);
struct hold *hold_new(void *memory, uint32_t frame_size);

/* False: the frame is larger than the pool's frames and can never wait. */
bool hold_fits(const struct path *path, const struct frame *frame);

/* Copies a frame to the end of a queue, offload and VLAN facts included.
 * False: it does not fit, or its kind's quota is used up. */
bool hold_push(struct path *path, struct fifo *queue, enum hold_kind kind,
	       const struct frame *frame, uint32_t in_interface);

/* Takes the oldest frame out of a queue: the caller's until hold_free(). NULL: none. */
struct held *hold_pop(struct path *path, struct fifo *queue);
void hold_free(struct path *path, struct held *held);

#endif
