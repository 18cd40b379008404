/* Limits of what the appliance says of its own accord: one a kind, so that a flood of pings cannot
 * silence ARP, nor a loop of errors fill the wire (SEMANTICS 8; RFC 1812 section 4.3.2.8).
 *
 * Exact: in no second, wherever it begins, are there more than LIMIT_PER_SECOND. A token bucket
 * that gives as many at once exceeds that by its refill. So each answer's time is kept until it is
 * a second old. A zeroed limiter has said nothing yet.
 */
#ifndef PATH_LIMIT_H
#define PATH_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum limit_kind {
	LIMIT_ECHO_REPLY,
	LIMIT_TIME_EXCEEDED,
	LIMIT_UNREACHABLE,
	LIMIT_RESET,
	LIMIT_FRAGMENTATION_NEEDED,
	LIMIT_ARP_REPLY,
	LIMIT_COUNT,
};

enum {
	LIMIT_PER_SECOND = 100, /* of each kind */
};

struct limiter {
	uint64_t free_ns[LIMIT_PER_SECOND]; /* when each place may be taken again, a ring */
	uint32_t next;                      /* the place taken longest ago */
};

/* Takes one place of this second; false: there is none, the answer must not be sent. */
bool limiter_take(struct limiter *limiter, uint64_t now_ns);

#endif
