/* See world.h. */
#include "tests/proof/flow/world.h"

enum {
	TCP = 6, UDP = 17,
	FIN = 1, SYN = 2, RST = 4, ACK = 16,
	ALL = INT32_MAX,
};

/* Stands for bytes in network order where the program begins, which no function may do. */
#define BYTES(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define BE32(a, b, c, d) {__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? \
	BYTES(d, c, b, a) : BYTES(a, b, c, d)}
#define BE16(a) {__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? \
	(uint16_t)(((a) & 0xff) << 8 | (a) >> 8) : (uint16_t)(a)}

#define CLIENT(i) BE32(198, 51, 100, 1 + (i))
#define VIP(i) BE32(203, 0, 113, 1 + (i))
#define BACKEND(i) BE32(10, 0, 0, 1 + (i))

/* Flow `number`: client `c` asks VIP `v` and is sent to backend `b`. */
#define BIRTH(number, proto, flags, c, v, b) \
	.forward = {.source = CLIENT(c), .source_port = BE16(40000), \
		    .destination = VIP(v), .destination_port = BE16(80), .protocol = proto}, \
	.backend_address = BACKEND(b), .backend_port = BE16(8080), \
	.source_address = CLIENT(c), .source_port = BE16(40000), \
	.backend = 100 + (number), .service = 200 + (number), .frontend = 3 + (number), \
	.mode = (number) % 3, .proxy = (number) % 2, .tcp_flags = flags

/* Flow `number`: backend `b` calls client `c` itself: what it sends looks like a reply. */
#define BIRTH_DIRECT(number, proto, b, c) \
	.forward = {.source = BACKEND(b), .source_port = BE16(8080), \
		    .destination = CLIENT(c), .destination_port = BE16(40000), .protocol = proto}, \
	.backend_address = CLIENT(c), .backend_port = BE16(40000), \
	.source_address = BACKEND(b), .source_port = BE16(8080), \
	.backend = 100 + (number), .service = 200 + (number), .frontend = 3 + (number)

/* Flow `number`: backend `b` calls itself: its packets and their replies look the same. */
#define BIRTH_TO_ITSELF(number, proto, b) \
	.forward = {.source = BACKEND(b), .source_port = BE16(8080), \
		    .destination = BACKEND(b), .destination_port = BE16(8080), .protocol = proto}, \
	.backend_address = BACKEND(b), .backend_port = BE16(8080), \
	.source_address = BACKEND(b), .source_port = BE16(8080), .backend = 100 + (number)

static const struct flow_limits few_requests = {
	.requests = 2, .lifetime_ns = 3 * STEP_NS, .back_timeout_ns = 1 * STEP_NS,
};
static const struct flow_limits few_responses = {
	.responses = 2, .front_timeout_ns = 1 * STEP_NS,
};
const struct world worlds[] = {
	{
		.name = "flow table: one TCP flow, default timeouts",
		.bound = "1 record, 2 flows, 900 s, all flags",
		.capacity = 1, .births = 2,
		.birth = {
			{BIRTH(0, TCP, SYN, 0, 0, 0), .sees_replies = true},
			{BIRTH(1, TCP, RST | ACK, 1, 0, 0), .sees_replies = true},
		},
		.hash = BUCKET_0_TAG_0,
		.client = {SYN, SYN | ACK, ACK, FIN | ACK, RST, NO_MORE},
		.backend = {ACK, FIN, RST, NO_MORE},
		.datagrams_max = 1, .budget = {ALL}, .wheel_slots = 64,
		.ticks_shift = -4, .first_ns = -1, .last_ns = 1, .prompt = true,
		.states_max = 400000,
	},
	{
		.name = "flow table: life of two TCP flows, with replies and without",
		.bound = "2 records, 2 flows",
		.capacity = 2, .births = 2,
		.birth = {
			{BIRTH(0, TCP, SYN, 0, 0, 0), .sees_replies = true,
			 .idle_timeout_ns = 2 * STEP_NS},
			{BIRTH(1, TCP, ACK, 1, 0, 0), .sees_replies = false,
			 .idle_timeout_ns = 1 * STEP_NS},
		},
		.hash = BUCKET_0_TAG_0,
		.client = {SYN, ACK, RST, NO_MORE},
		.backend = {ACK, RST, NO_MORE},
		.datagrams_max = 1, .budget = {ALL}, .wheel_slots = 64,
		.first_ns = -1, .last_ns = 1,
		.states_max = 400000,
	},
	{
		.name = "flow table: UDP limits",
		.bound = "2 records, 2 flows, lifetime, front, back, requests, responses",
		.capacity = 2, .births = 3,
		.birth = {
			{BIRTH(0, UDP, 0, 0, 0, 0), .sees_replies = true, .limits = &few_requests,
			 .idle_timeout_ns = 3 * STEP_NS},
			{BIRTH(1, UDP, 0, 1, 0, 0), .sees_replies = true, .limits = &few_responses,
			 .idle_timeout_ns = 2 * STEP_NS},
			{BIRTH_TO_ITSELF(2, UDP, 0), .sees_replies = true},
		},
		.hash = BUCKET_0_TAG_0,
		.client = {0, NO_MORE},
		.backend = {0, NO_MORE},
		.datagrams_max = 2, .budget = {ALL}, .wheel_slots = 64,
		.first_ns = -1, .last_ns = 1, .prompt = true,
		.states_max = 1500000,
	},
	{
		.name = "flow table: collisions of hashes and of reply tuples",
		.bound = "4 records, 6 flows, one bucket overflows",
		.capacity = 4, .births = 6,
		.birth = {
			{BIRTH(0, UDP, 0, 0, 0, 0), .sees_replies = true},
			{BIRTH(1, UDP, 0, 1, 0, 0), .sees_replies = true},
			{BIRTH(2, UDP, 0, 2, 1, 1), .sees_replies = true},
			{BIRTH(3, UDP, 0, 3, 1, 1), .sees_replies = true},
			{BIRTH(4, UDP, 0, 0, 1, 0), .sees_replies = true},
			{BIRTH_DIRECT(5, UDP, 0, 1), .sees_replies = true},
		},
		.hash = BUCKET_0,
		.client = {NO_MORE}, .backend = {NO_MORE},
		.timeless = true, .arranged = true, .wheel_slots = 64,
		.states_max = 3000000,
	},
	{
		.name = "flow table: half-open share",
		.bound = "16 records, 3 flows, 2 may be half-open",
		.capacity = 16, .births = 3,
		.birth = {
			{BIRTH(0, TCP, SYN, 0, 0, 0), .sees_replies = true,
			 .idle_timeout_ns = STEP_NS},
			{BIRTH(1, TCP, ACK, 1, 0, 0), .sees_replies = false,
			 .idle_timeout_ns = STEP_NS},
			{BIRTH(2, TCP, SYN, 2, 0, 1), .sees_replies = false,
			 .idle_timeout_ns = STEP_NS},
		},
		.hash = BUCKET_0,
		.client = {ACK, RST, NO_MORE}, .backend = {ACK, NO_MORE},
		.datagrams_max = 1, .budget = {ALL}, .wheel_slots = 64,
		.first_ns = -1, .last_ns = 0, .prompt = true,
		.states_max = 400000,
	},
	{
		.name = "flow table: expiry in small budgets, late, and after a long sleep",
		.bound = "3 records, 3 flows, ticks longer than a step",
		.capacity = 3, .births = 3,
		.birth = {
			{BIRTH(0, UDP, 0, 0, 0, 0), .sees_replies = false,
			 .idle_timeout_ns = STEP_NS},
			{BIRTH(1, UDP, 0, 1, 0, 0), .sees_replies = true,
			 .idle_timeout_ns = 2 * STEP_NS},
			{BIRTH(2, UDP, 0, 2, 0, 1), .sees_replies = false,
			 .idle_timeout_ns = 2 * STEP_NS},
		},
		.hash = ANYWHERE,
		.client = {0, NO_MORE}, .backend = {NO_MORE},
		.datagrams_max = 1, .budget = {1, 2, ALL}, .wheel_slots = 128,
		.ticks_shift = -1, .first_ns = 0, .last_ns = 1, .lag_max = 1,
		.states_max = 400000,
	},
	{
		.name = "flow table: silence longer than the wheel",
		.bound = "2 records, 2 flows, a horizon of 4 steps",
		.capacity = 2, .births = 2,
		.birth = {
			{BIRTH(0, UDP, 0, 0, 0, 0), .sees_replies = true,
			 .idle_timeout_ns = 5 * STEP_NS},
			{BIRTH(1, UDP, 0, 1, 0, 0), .sees_replies = false,
			 .idle_timeout_ns = 1 * STEP_NS},
		},
		.hash = BUCKET_0_TAG_0,
		.client = {0, NO_MORE}, .backend = {0, NO_MORE},
		.datagrams_max = 1, .budget = {1, ALL}, .wheel_slots = 64,
		.ticks_shift = 4, .first_ns = -1, .last_ns = 1, .lag_max = 0,
		.states_max = 1500000,
	},
};
const uint32_t worlds_count = sizeof(worlds) / sizeof(*worlds);
