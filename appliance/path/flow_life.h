/* The life of a flow: what its packets have shown, the state and timeout that follow, how it ends.
 *
 * A flow remembers a set of facts that only grows: a reply was seen, a FIN of the client, and so
 * on. State, timeout and "half-open" are functions of that set, so that there is no transition to
 * forget and nothing to keep consistent. Neither sequence numbers nor windows are checked: the end
 * points do that, and a balancer that drops what it does not understand breaks connections.
 *
 * Pure functions of their arguments; the table (flow.h) owns the facts and the time.
 */
#ifndef PATH_FLOW_LIFE_H
#define PATH_FLOW_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/wire.h"

enum flow_direction {
	FLOW_FORWARD, /* client to backend */
	FLOW_REPLY,   /* backend to client */
};

enum flow_seen {
	FLOW_SEEN_REPLY = 1 << 0,
	FLOW_SEEN_HANDSHAKE = 1 << 1, /* after a reply, the client sent an ACK that is not a SYN */
	FLOW_SEEN_CLIENT_FIN = 1 << 2,
	FLOW_SEEN_BACKEND_FIN = 1 << 3,
	FLOW_SEEN_RESET = 1 << 4,

	FLOW_SEEN_BOTH_FINS = FLOW_SEEN_CLIENT_FIN | FLOW_SEEN_BACKEND_FIN,
};

/* name, text, default timeout in seconds, whether a service's idle-timeout replaces it */
#define FLOW_STATES(X) \
	X(UDP_ONE_WAY, "one-way", 30, true) \
	X(UDP_TWO_WAY, "two-way", 180, true) \
	X(TCP_SYN, "syn", 30, false) \
	X(TCP_ESTABLISHED, "established", 900, true) \
	X(TCP_FIN, "fin", 60, false) \
	X(TCP_CLOSED, "closed", 10, false)

enum flow_state {
#define X(name, text, seconds, replaced) FLOW_##name,
	FLOW_STATES(X)
#undef X
	FLOW_STATE_COUNT
};

struct flow_state_facts {
	const char *text;
	uint64_t timeout_ns;
	bool idle_replaces; /* a service's idle-timeout replaces it */
};
extern const struct flow_state_facts flow_state_facts[FLOW_STATE_COUNT];

/* name, text: why a flow ended */
#define FLOW_CLOSE_REASONS(X) \
	X(IDLE, "idle") \
	X(LIFETIME, "lifetime") \
	X(REQUESTS, "requests") \
	X(RESPONSES, "responses") \
	X(RESET, "reset") \
	X(CLOSED, "closed") \
	X(DRAIN, "drain") \
	X(BACKEND_LOST, "backend_lost") \
	X(CLEARED, "cleared")

enum flow_close_reason {
#define X(name, text) FLOW_CLOSE_##name,
	FLOW_CLOSE_REASONS(X)
#undef X
	FLOW_CLOSE_REASON_COUNT
};

const char *flow_state_text(enum flow_state state);
const char *flow_close_reason_text(enum flow_close_reason reason);

/* The facts after the client's first packet. `tcp_flags` are those of the TCP header (RFC 9293
 * section 3.1), 0 for any other protocol, here and below. The first packet never completes a
 * handshake: a flood of lone ACKs stays half-open as a flood of SYNs does. */
uint8_t flow_life_begin(uint8_t tcp_flags);

/* What a segment's own flags say of the end. */
static inline uint8_t flow_life_see_end(enum flow_direction direction, uint8_t tcp_flags)
{
	uint8_t seen = 0;

	if (tcp_flags & TCP_FIN)
		seen |= direction == FLOW_FORWARD ? FLOW_SEEN_CLIENT_FIN : FLOW_SEEN_BACKEND_FIN;
	if (tcp_flags & TCP_RST)
		seen |= FLOW_SEEN_RESET;
	return seen;
}

/* The facts after one more packet. Where the mode sees no replies, the client's ACK is enough. */
static inline uint8_t flow_life_see(uint8_t seen, enum flow_direction direction, uint8_t tcp_flags,
				    bool sees_replies)
{
	bool answered = !sees_replies || (seen & FLOW_SEEN_REPLY);

	if (direction == FLOW_REPLY)
		seen |= FLOW_SEEN_REPLY;
	else if (answered && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK)
		seen |= FLOW_SEEN_HANDSHAKE;
	return seen | flow_life_see_end(direction, tcp_flags);
}

/* Every protocol but TCP lives like UDP. */
enum flow_state flow_life_state(uint8_t protocol, uint8_t seen);

/* True for a TCP flow that has shown neither a handshake nor its end. Never again once it is false. */
bool flow_life_half_open(uint8_t protocol, uint8_t seen);

/* True where a FIN or a RST was seen: a client's new SYN (flow_life_is_syn) chooses afresh. */
static inline bool flow_life_closing(uint8_t seen)
{
	return seen & (FLOW_SEEN_BOTH_FINS | FLOW_SEEN_RESET);
}

/* SYN without ACK: a client opens a connection. */
static inline bool flow_life_is_syn(uint8_t tcp_flags)
{
	return (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* `idle_ms` is the service's idle-timeout, 0 for the defaults. Never 0. */
static inline uint64_t flow_life_timeout_ns(enum flow_state state, uint32_t idle_ms)
{
	if (idle_ms && flow_state_facts[state].idle_replaces)
		return idle_ms * UINT64_C(1000000);
	return flow_state_facts[state].timeout_ns;
}

/* Why a flow with these facts ended, where silence or a new SYN ended it: a RST makes it `reset`, a
 * FIN `closed`, neither `idle`. */
enum flow_close_reason flow_life_end(uint8_t seen);

#endif
