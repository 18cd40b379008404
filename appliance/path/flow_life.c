/* See flow_life.h. Timeouts and their meaning: SEMANTICS, "Flows". */
#include "appliance/path/flow_life.h"

const struct flow_state_facts flow_state_facts[FLOW_STATE_COUNT] = {
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

const char *flow_state_text(enum flow_state state)
{
	return flow_state_facts[state].text;
}

const char *flow_close_reason_text(enum flow_close_reason reason)
{
	return close_reasons[reason];
}

uint8_t flow_life_begin(uint8_t tcp_flags)
{
	return flow_life_see_end(FLOW_FORWARD, tcp_flags);
}

enum flow_state flow_life_state(uint8_t protocol, uint8_t seen)
{
	if (protocol != PROTOCOL_NUMBER_TCP)
		return seen & FLOW_SEEN_REPLY ? FLOW_UDP_TWO_WAY : FLOW_UDP_ONE_WAY;
	if (seen & FLOW_SEEN_RESET || (seen & FLOW_SEEN_BOTH_FINS) == FLOW_SEEN_BOTH_FINS)
		return FLOW_TCP_CLOSED;
	if (!(seen & FLOW_SEEN_HANDSHAKE))
		return FLOW_TCP_SYN;
	return seen & FLOW_SEEN_BOTH_FINS ? FLOW_TCP_FIN : FLOW_TCP_ESTABLISHED;
}

bool flow_life_half_open(uint8_t protocol, uint8_t seen)
{
	return flow_life_state(protocol, seen) == FLOW_TCP_SYN;
}

enum flow_close_reason flow_life_end(uint8_t seen)
{
	if (seen & FLOW_SEEN_RESET)
		return FLOW_CLOSE_RESET;
	return seen & FLOW_SEEN_BOTH_FINS ? FLOW_CLOSE_CLOSED : FLOW_CLOSE_IDLE;
}
