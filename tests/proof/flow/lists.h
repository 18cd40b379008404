/* The lists of a wheel, read out and put back: what the searches write down of it. */
#ifndef PROOF_LISTS_H
#define PROOF_LISTS_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/wheel.h"

enum { LISTS_MEMBERS_MAX = 16 };

/* Members in the order in which they come up: the due ones, then slot by slot from the cursor on. */
struct lists {
	uint32_t count;
	struct listed {
		uint8_t member;
		uint8_t due;
		uint16_t slot; /* counted from the cursor */
	} at[LISTS_MEMBERS_MAX];
};

/* Tells a violation where lists, links and bitmap do not agree. Of a large wheel (`by_bitmap`) it
 * looks only where the bitmap says that something is. */
void lists_read(const struct wheel *wheel, bool by_bitmap, struct lists *ret_lists);

/* Makes the wheel as if it had been read so, at its present cursor. */
void lists_write(struct wheel *wheel, const struct lists *lists);

#endif
