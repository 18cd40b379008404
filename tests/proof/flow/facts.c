/* What the flow table's pure functions say, for all that they can be asked: every set of facts,
 * every TCP flag, either side; times around every whole ms; the words that an operator reads.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/proof/flow/map.h"
#include "tests/proof/flow/search.h"

enum { TCP = 6, UDP = 17, FACTS = 32, FLAGS = 256, CAPACITIES = 100 };

#define MS_NS UINT64_C(1000000)

/* SEMANTICS 4 and its list of reasons, in the order of their enums. */
static const char *const states[] = {"one-way", "two-way", "syn", "established", "fin", "closed"};
static const char *const reasons[] = {"idle", "lifetime", "requests", "responses", "reset",
				      "closed", "drain", "backend_lost", "cleared"};

static void check_words(void)
{
	for (enum flow_state i = 0; i < FLOW_STATE_COUNT; i++)
		if ((uintptr_t)flow_state_text(i) < 4096 || strcmp(flow_state_text(i), states[i]))
			violated("state %u has another name than %s", i, states[i]);
	for (enum flow_close_reason i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		if ((uintptr_t)flow_close_reason_text(i) < 4096 ||
		    strcmp(flow_close_reason_text(i), reasons[i]))
			violated("reason %u has another name than %s", i, reasons[i]);
}

static uint64_t check_life(void)
{
	struct flow_birth birth = {.forward.protocol = TCP};
	struct map map = {.birth = &birth, .births = 1, .capacity = 1};
	uint64_t cases = 0;

	for (unsigned facts = 0; facts < FACTS; facts++)
		for (unsigned flags = 0; flags < FLAGS; flags++)
			for (unsigned way = 0; way < 4; way++, cases++) {
				enum flow_direction side = way & 1;
				uint8_t seen;

				birth.sees_replies = way & 2;
				birth.tcp_flags = (uint8_t)flags;
				map.flow[0] = (struct map_flow){.present = 1, .shown = (uint8_t)facts};
				map_touch(&map, 0, side, (uint8_t)flags, 0);
				seen = flow_life_see((uint8_t)facts, side, (uint8_t)flags,
						     birth.sees_replies);
				if (seen != map.flow[0].shown)
					violated("facts %#x and flags %#x make %#x; expected: %#x",
						 facts, flags, seen, map.flow[0].shown);
				if (flow_life_state(TCP, seen) != map_state(&map, 0) ||
				    flow_life_half_open(TCP, seen) != map_half_open(&map))
					violated("facts %#x are another state", seen);
				if (flow_life_end(seen) != map_life_reason(&map, 0) ||
				    (flow_life_is_syn((uint8_t)flags) && flow_life_closing(seen)) !=
					    map_begins_anew(&map, 0, (uint8_t)flags))
					violated("facts %#x end otherwise", seen);
				map_insert(&map, 0, 0, 0);
				if (flow_life_begin((uint8_t)flags) != map.flow[0].shown)
					violated("flags %#x begin with %#x", flags,
						 flow_life_begin((uint8_t)flags));
			}
	for (unsigned facts = 0; facts < FACTS; facts++)
		if (flow_life_state(UDP, (uint8_t)facts) !=
			    (facts & MAP_REPLIED ? FLOW_UDP_TWO_WAY : FLOW_UDP_ONE_WAY) ||
		    flow_life_half_open(UDP, (uint8_t)facts))
			violated("UDP: facts %#x are another state", facts);
	return cases;
}

/* Whole ms, rounded up, at most 2^32 - 1 of them. */
static void check_ms(uint64_t ns)
{
	uint64_t ms = ns / MS_NS + (ns % MS_NS ? 1 : 0);

	if (ms > UINT32_MAX)
		ms = UINT32_MAX;
	if (flow_timeout_ms(ns) != ms)
		violated("%llu ns are %u ms; expected: %llu", (unsigned long long)ns,
			 flow_timeout_ms(ns), (unsigned long long)ms);
}

static void check_times(void)
{
	static const uint64_t ms[] = {0, 1, 2, 1000, 86400000, UINT32_MAX - 1, UINT32_MAX,
				      UINT64_C(1) << 32, UINT64_MAX / MS_NS};

	for (size_t i = 0; i < sizeof(ms) / sizeof(*ms); i++)
		for (uint64_t around = 0; around <= 2; around++)
			check_ms(ms[i] * MS_NS + around - (ms[i] != 0));
	check_ms(UINT64_MAX);
}

static void *memory_of(uint32_t capacity)
{
	void *memory = aligned_alloc(FLOW_MEMORY_ALIGNMENT, flow_table_size(capacity));

	if (!memory)
		exit(2);
	return memory;
}

/* A table may have no hook. */
static void check_no_hook(void)
{
	struct flow_birth birth = {.forward.protocol = UDP};
	struct flow_table table;
	struct flow *flow;
	void *memory = memory_of(1);

	flow_table_init(&table, memory, 1, 0, NULL, NULL);
	if (flow_insert(&table, &birth, flow_hash(&birth.forward, 0), 0, &flow) != FLOW_INSERTED)
		violated("an empty table takes no flow");
	else
		flow_close(&table, flow, FLOW_CLOSE_CLEARED);
	if (table.live)
		violated("a flow that was closed is live");
	free(memory);
}

static void check_begins_line(const char *what, const void *at, const void *memory, size_t size)
{
	size_t offset = (size_t)((const uint8_t *)at - (const uint8_t *)memory);

	if (offset % FLOW_MEMORY_ALIGNMENT || offset % 64 || offset >= size)
		violated("%s begin at byte %zu of the table's %zu", what, offset, size);
}

/* "Half-open flows hold at most 1/8 of the table", one at least; arrays begin with a cache line. */
static void check_sizes(void)
{
	for (uint32_t capacity = 1; capacity <= CAPACITIES; capacity++) {
		const struct map map = {.capacity = capacity};
		struct flow_table table;
		void *memory = memory_of(capacity);

		flow_table_init(&table, memory, capacity, 0, NULL, NULL);
		if (table.half_open_max != map_half_open_max(&map))
			violated("of %u flows %u may be half-open; expected: %u", capacity,
				 table.half_open_max, map_half_open_max(&map));
		size_t size = flow_table_size(capacity);

		check_begins_line("flows", table.flow, memory, size);
		check_begins_line("buckets", table.index.bucket, memory, size);
		check_begins_line("times of birth", table.cold, memory, size);
		check_begins_line("meters", table.meter, memory, size);
		check_begins_line("timers", table.wheel.occupied, memory, size);
		free(memory);
	}
}

int main(void)
{
	uint64_t cases;

	check_words();
	check_times();
	check_no_hook();
	check_sizes();
	cases = check_life();
	if (search_has_violation())
		search_tell_violation();
	printf("%s\tlife of a flow: facts, flags, sides, times, words\tenumeration\tall\t"
	       "%llu cases, %s\n",
	       search_has_violation() ? "FAIL" : "PASS", (unsigned long long)cases,
	       search_has_violation() ? "a violation" : "no violation");
	return search_has_violation();
}
