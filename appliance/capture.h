/* Frames and what became of them, from the packet path's thread to whoever wants to see them.
 *
 * A buffer of fixed size with one writer and one reader. The path copies what a filter wants as it
 * came, before it is rewritten, and adds the outcome when it has one; it waits for nobody: what
 * does not fit is counted. While nobody captures, none of this is there.
 */
#ifndef APPLIANCE_CAPTURE_H
#define APPLIANCE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/path/path.h"

struct capture;

struct capture_options {
	const char *filter;   /* as tcpdump writes it; "": all frames */
	uint32_t interface;   /* only what came in there; NONE: everywhere */
	uint64_t count;       /* so many and no more; 0: without end */
};

struct captured {
	struct frame frame;   /* its tag in its bytes, where it had one; no offload */
	uint64_t time_ns;     /* of the path's clock */
	struct outcome outcome;
};

/* 0 or a negative errno with a sentence. */
int capture_new(struct capture **ret_capture, const struct capture_options *options, char *error,
		size_t error_size);
/* Once the path has let it go. */
void capture_free(struct capture *capture);

/* The path's side, around path_receive() of a batch of at most RING_BATCH_MAX frames. */
void capture_before(struct capture *capture, const struct frame *frames, unsigned count,
		    uint64_t now_ns);
void capture_after(struct capture *capture, const struct outcome *outcomes);

/* The reader's side: the next frame, valid until capture_done() with it; false: none is there. */
bool capture_next(struct capture *capture, struct captured *ret_captured);
void capture_done(struct capture *capture);
/* Frames that were wanted and found no room. */
uint64_t capture_lost(const struct capture *capture);
/* True where as many as were asked for have been captured. */
bool capture_complete(const struct capture *capture);

#endif
