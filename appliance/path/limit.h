/* Token buckets over what the appliance says of its own accord: one a kind, so that a flood of pings
 * cannot silence ARP, nor a loop of errors fill the wire (SEMANTICS 8; RFC 1812 section 4.3.2.8).
 *
 * A bucket is one number, the time at which it will be full again (the virtual scheduling form of the
 * leaky bucket, ITU-T I.371); a zeroed one is full.
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
	LIMIT_BURST = 100,      /* at once, after a second of silence */
};

struct limiter {
	uint64_t full_ns;
};

/* Takes one token; false: there is none, the answer must not be sent. */
bool limiter_take(struct limiter *limiter, uint64_t now_ns);

#endif
