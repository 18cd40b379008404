/* See flow_limit.h. */
#include "appliance/path/flow_limit.h"

enum { NS_PER_MS = 1000000 };

uint32_t flow_timeout_ms(uint64_t timeout_ns)
{
	uint64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);

	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

struct flow_meter flow_meter_begin(const struct flow_limits *limits, uint64_t now_ns)
{
	return (struct flow_meter){
		.end_ns = limits->lifetime_ns ? now_ns + limits->lifetime_ns : UINT64_MAX,
		.earlier_ns = now_ns,
		.silence_ms = {
			[FLOW_FORWARD] = flow_timeout_ms(limits->front_timeout_ns),
			[FLOW_REPLY] = flow_timeout_ms(limits->back_timeout_ns),
		},
		.left = {
			[FLOW_FORWARD] = limits->requests ? limits->requests : FLOW_NO_LIMIT,
			[FLOW_REPLY] = limits->responses ? limits->responses : FLOW_NO_LIMIT,
		},
	};
}

uint64_t flow_meter_end_ns(const struct flow_meter *meter, uint64_t last_ns,
			   enum flow_direction last_side)
{
	uint64_t end_ns = meter->end_ns;

	for (unsigned side = FLOW_FORWARD; side <= FLOW_REPLY; side++) {
		uint64_t heard_ns = side == last_side ? last_ns : meter->earlier_ns;
		uint64_t silent_ns = heard_ns + meter->silence_ms[side] * UINT64_C(1000000);

		if (meter->silence_ms[side] && silent_ns < end_ns)
			end_ns = silent_ns;
	}
	return end_ns;
}

void flow_meter_spend(struct flow_meter *meter, enum flow_direction direction, uint32_t datagrams)
{
	uint32_t *left = &meter->left[direction];

	if (*left != FLOW_NO_LIMIT)
		*left -= datagrams < *left ? datagrams : *left;
}
