/* See flow_life.h. Timeouts and their meaning: SEMANTICS, "Flows". */
#include "appliance/path/flow_life.h"
#include "appliance/path/wire.h"

static const struct {
	const char *text;
	uint64_t timeout_ns;
	bool idle_replaces;
} states[FLOW_STATE_COUNT] = {
#define X(name, text, seconds, replaced) \
	[FLOW_##name] = {text, seconds * UINT64_C(1000000000), replaced},
	FLOW_STATES(X)
#undef X
};

static const char *const close_reasons[FLOW_CLOSE_REASON_COUNT] = {
#define X(name, text) [FLOW_CLOSE_##name] = text,
	FLOW_CLOSE_REASONS(X)
#undef X
};

enum {
	SEEN_BOTH_FINS = FLOW_SEEN_CLIENT_FIN | FLOW_SEEN_BACKEND_FIN,
};

const char *flow_state_text(enum flow_state state)
{
	return states[state].text;
}

const char *flow_close_reason_text(enum flow_close_reason reason)
{
	return close_reasons[reason];
}

/* What a segment's own flags say of the end. */
static uint8_t see_end(enum flow_direction direction, uint8_t tcp_flags)
{
	uint8_t seen = 0;

	if (tcp_flags & TCP_FIN)
		seen |= direction == FLOW_FORWARD ? FLOW_SEEN_CLIENT_FIN : FLOW_SEEN_BACKEND_FIN;
	if (tcp_flags & TCP_RST)
		seen |= FLOW_SEEN_RESET;
	return seen;
}

uint8_t flow_life_begin(uint8_t tcp_flags)
{
	return see_end(FLOW_FORWARD, tcp_flags);
}

uint8_t flow_life_see(uint8_t seen, enum flow_direction direction, uint8_t tcp_flags,
		      bool sees_replies)
{
	bool answered = !sees_replies || (seen & FLOW_SEEN_REPLY);

	if (direction == FLOW_REPLY)
		seen |= FLOW_SEEN_REPLY;
	else if (answered && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK)
		seen |= FLOW_SEEN_HANDSHAKE;
	return seen | see_end(direction, tcp_flags);
}

enum flow_state flow_life_state(uint8_t protocol, uint8_t seen)
{
	if (protocol != PROTOCOL_NUMBER_TCP)
		return seen & FLOW_SEEN_REPLY ? FLOW_UDP_TWO_WAY : FLOW_UDP_ONE_WAY;
	if (seen & FLOW_SEEN_RESET || (seen & SEEN_BOTH_FINS) == SEEN_BOTH_FINS)
		return FLOW_TCP_CLOSED;
	if (!(seen & FLOW_SEEN_HANDSHAKE))
		return FLOW_TCP_SYN;
	return seen & SEEN_BOTH_FINS ? FLOW_TCP_FIN : FLOW_TCP_ESTABLISHED;
}

bool flow_life_half_open(uint8_t protocol, uint8_t seen)
{
	return flow_life_state(protocol, seen) == FLOW_TCP_SYN;
}

bool flow_life_closing(uint8_t seen)
{
	return seen & (SEEN_BOTH_FINS | FLOW_SEEN_RESET);
}

bool flow_life_is_syn(uint8_t tcp_flags)
{
	return (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

uint64_t flow_life_timeout_ns(enum flow_state state, uint32_t idle_ms)
{
	if (idle_ms && states[state].idle_replaces)
		return idle_ms * UINT64_C(1000000);
	return states[state].timeout_ns;
}

enum flow_close_reason flow_life_end(uint8_t seen)
{
	if (seen & FLOW_SEEN_RESET)
		return FLOW_CLOSE_RESET;
	return seen & SEEN_BOTH_FINS ? FLOW_CLOSE_CLOSED : FLOW_CLOSE_IDLE;
}
