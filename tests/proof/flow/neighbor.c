/* Searches what becomes of one neighbor (appliance/path/neighbor.c, neighbor_table.c, hold.c, and
 * the requests of arp.c) against the states of RFC 4861 section 7.3.2 as SEMANTICS 7 has them:
 * every state, every instant around every deadline, frames that wait, two MACs that are claimed.
 *
 * Compared after every operation: state, MAC, deadline; every frame that left, in order, with its
 * MACs; what was told; what was counted, and under which reason.
 */
#include <stdlib.h>
#include <string.h>

#include "appliance/path/internal.h"
#include "appliance/path/neighbor_table.h"
#include "tests/proof/flow/search.h"

enum {
	HELD_MAX = 8,
	TRIES = 3,
	MACS = 2,
	ORIGIN_S = 1000,
	FRAME_SIZE = 64,
	SENT_MAX = 32,
	STATES_MAX = 200000,
	ARP_SENDER_MAC = 8, ARP_TARGET = 24, ARP_SIZE = 42, /* bytes of RFC 826, behind Ethernet's 14 */
};

#define SECOND_NS UINT64_C(1000000000)
#define NEVER UINT64_MAX

static struct snapshot snapshot;
static struct snapshot_interface interface;
static struct path path;
static be32 address;
static const struct mac_address own_mac = {{2, 0, 0, 0, 0, 0xe0}};

static uint64_t seconds;
static int offset;

static uint64_t now_ns(void)
{
	return seconds * SECOND_NS + (uint64_t)(int64_t)offset;
}

static struct mac_address mac_of(uint8_t number)
{
	return number ? (struct mac_address){{2, 0, 0, 0, 0, number}} : (struct mac_address){{0}};
}

/* ---- what should be ---- */

static struct expectation {
	uint8_t state;       /* enum neighbor_state; NEIGHBOR_FREE: not known */
	uint8_t mac;         /* 0: none */
	uint8_t tries;       /* questions in this state */
	uint8_t used;        /* since it became reachable */
	uint8_t told;        /* that it failed */
	uint8_t held;        /* frames */
	uint8_t unused[2];
	uint64_t deadline_ns;
	uint64_t retry_ns;   /* failed: no question before */
	uint64_t changed_ns; /* when the MAC was heard */
} expected;

/* What left: a question (mac 0: to everybody), or a frame by its number. */
struct left {
	bool question;
	uint8_t mac, number;
};
static struct left sent[SENT_MAX], should_be_sent[SENT_MAX];
static uint32_t sent_count, should_count, events, should_events;
static uint64_t verdicts[VERDICT_COUNT], should_verdicts[VERDICT_COUNT];

static void expect_question(uint8_t mac)
{
	should_be_sent[should_count++] = (struct left){.question = true, .mac = mac};
}

static void expect_frame(uint8_t number)
{
	should_be_sent[should_count++] = (struct left){.mac = expected.mac, .number = number};
}

static bool asks(enum neighbor_state state)
{
	return state == NEIGHBOR_INCOMPLETE || state == NEIGHBOR_PROBE;
}

static void become(enum neighbor_state state, uint64_t deadline_ns)
{
	if (!asks(state))
		expected.tries = 0;
	expected.state = (uint8_t)state;
	expected.deadline_ns = deadline_ns;
}

static void gone(void)
{
	expected = (struct expectation){.state = NEIGHBOR_FREE};
}

static void ask(enum neighbor_state state)
{
	expected.tries = expected.state == state ? (uint8_t)(expected.tries + 1) : 1;
	become(state, now_ns() + 1 * SECOND_NS);
	expect_question(state == NEIGHBOR_PROBE ? expected.mac : 0);
}

static void frames_go(void)
{
	for (uint8_t i = 1; i <= expected.held; i++)
		expect_frame(i);
	should_verdicts[VERDICT_FORWARDED] += expected.held;
	expected.held = 0;
}

static void frame_waits(void)
{
	if (expected.held == HELD_MAX)
		should_verdicts[DROP_neighbor_overflow]++;
	else
		expected.held++;
}

static enum verdict expect_transmitted(void)
{
	switch ((enum neighbor_state)expected.state) {
	case NEIGHBOR_FAILED:
		if (now_ns() < expected.retry_ns)
			return DROP_neighbor_failed;
		/* fall through */
	case NEIGHBOR_FREE:
		ask(NEIGHBOR_INCOMPLETE);
		/* fall through */
	case NEIGHBOR_INCOMPLETE:
		frame_waits();
		return VERDICT_HELD;
	case NEIGHBOR_STALE:
		ask(NEIGHBOR_PROBE);
		break;
	default:
		break;
	}
	expected.used = expected.state == NEIGHBOR_REACHABLE;
	expect_frame(0);
	return VERDICT_FORWARDED;
}

static void becomes_reachable(uint8_t mac)
{
	expected.mac = mac;
	expected.used = false;
	expected.changed_ns = now_ns();
	become(NEIGHBOR_REACHABLE, now_ns() + 30 * SECOND_NS);
	frames_go();
}

static bool expect_answered(uint8_t mac)
{
	if (expected.state != NEIGHBOR_INCOMPLETE && expected.state != NEIGHBOR_PROBE)
		return false;
	becomes_reachable(mac);
	return true;
}

static void expect_asked(uint8_t mac)
{
	if (expected.mac == mac)
		return;
	expected.mac = mac;
	expected.changed_ns = now_ns();
	if (expected.held) {
		ask(NEIGHBOR_PROBE);
		frames_go();
	} else {
		expected.used = false;
		become(NEIGHBOR_STALE, now_ns() + 600 * SECOND_NS);
	}
}

static void expect_claimed(uint8_t mac)
{
	if (expected.state != NEIGHBOR_REACHABLE || expected.mac == mac ||
	    now_ns() - expected.changed_ns < SECOND_NS)
		return;
	expected.used = false;
	ask(NEIGHBOR_PROBE);
}

static void fails(void)
{
	should_verdicts[DROP_neighbor_failed] += expected.held;
	expected.held = 0;
	expected.retry_ns = now_ns() + 1 * SECOND_NS;
	should_events += !expected.told;
	expected.told = true;
	become(NEIGHBOR_FAILED, now_ns() + 60 * SECOND_NS);
}

static void expect_tick(void)
{
	if (expected.state == NEIGHBOR_FREE || now_ns() < expected.deadline_ns)
		return;
	switch ((enum neighbor_state)expected.state) {
	case NEIGHBOR_INCOMPLETE:
		if (expected.tries < TRIES)
			ask(NEIGHBOR_INCOMPLETE);
		else
			fails();
		break;
	case NEIGHBOR_PROBE:
		if (expected.tries < TRIES)
			ask(NEIGHBOR_PROBE);
		else
			gone();
		break;
	case NEIGHBOR_REACHABLE:
		if (expected.used)
			ask(NEIGHBOR_PROBE);
		else
			become(NEIGHBOR_STALE, now_ns() + 600 * SECOND_NS);
		expected.used = false;
		break;
	default:
		gone();
		break;
	}
}

/* ---- what is ---- */

static uint8_t number_of(const uint8_t *mac)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	return memcmp(mac, everybody, 6) ? mac[5] : 0;
}

static void on_send(void *context, const struct frame *frame)
{
	const uint8_t *arp = frame->data + ETHERNET_SIZE;
	bool question = frame->data[12] == 8 && frame->data[13] == 6;

	(void)context;
	if (sent_count == SENT_MAX) {
		violated("frames leave without end");
		return;
	}
	if (frame->interface || memcmp(frame->data + 6, &own_mac, 6))
		violated("a frame leaves by another interface, or with another source MAC");
	if (question && (frame->length != ARP_SIZE || arp[7] != 1 ||
			 memcmp(arp + ARP_SENDER_MAC, &own_mac, 6) ||
			 memcmp(arp + ARP_TARGET, &address, 4)))
		violated("a question is asked of somebody else, or in another's name");
	sent[sent_count++] = (struct left){
		.question = question,
		.mac = number_of(frame->data),
		.number = question ? 0 : frame->data[FRAME_SIZE - 1],
	};
}

static void on_event(void *context, const struct path_event *event)
{
	(void)context;
	if (event->type != EVENT_NEIGHBOR_FAILED || !same32(event->address, address) ||
	    event->time_ns != now_ns())
		violated("another event is told");
	events++;
}

static struct neighbor *entry_of(struct neighbor_slot **ret_slot)
{
	*ret_slot = neighbor_table_find(path.neighbors, 0, address);
	return *ret_slot ? neighbor_table_entry(path.neighbors, *ret_slot) : NULL;
}

static void check_entry(void)
{
	static const char *const words[] = {
		[NEIGHBOR_FREE] = "none", [NEIGHBOR_FAILED] = "failed", [NEIGHBOR_STALE] = "stale",
		[NEIGHBOR_REACHABLE] = "reachable", [NEIGHBOR_PROBE] = "probe",
		[NEIGHBOR_INCOMPLETE] = "incomplete",
	};
	struct neighbor_view view;
	struct neighbor_slot *slot;
	const struct neighbor *entry = entry_of(&slot);
	const bool exists = expected.state != NEIGHBOR_FREE;
	struct mac_address mac = {{0}}, want = mac_of(expected.mac);
	const char *state;
	uint32_t cursor = 0, count = 0;
	bool known = neighbor_peek(&path, 0, address, &mac, &state);

	if (strcmp(state, words[expected.state])) {
		violated("the neighbor is %s; expected: %s", state, words[expected.state]);
		return;
	}
	if (known != (exists && expected.state != NEIGHBOR_FAILED &&
		      expected.state != NEIGHBOR_INCOMPLETE) || (known && !mac_equal(&mac, &want)))
		violated("the neighbor's MAC is %d; expected: %d", known ? mac.byte[5] : 0,
			 expected.mac);
	if (neighbor_deadline(&path) != (exists ? expected.deadline_ns : NEVER))
		violated("the next deadline is %lld ns from now; expected: %lld",
			 (long long)(neighbor_deadline(&path) - now_ns()),
			 (long long)(expected.deadline_ns - now_ns()));
	if (exists && entry->held.count != expected.held)
		violated("%u frames wait; expected: %u", entry->held.count, expected.held);
	if (asks(expected.state) && entry->tries != expected.tries)
		violated("%u questions were asked; expected: %u", entry->tries, expected.tries);
	while (neighbor_next(&path, &cursor, &view))
		if (count++ || view.held != expected.held || strcmp(view.state, state) ||
		    view.is_static || !same32(view.address, address) || view.interface)
			violated("the report of neighbors is another");
	if (count != exists)
		violated("%u neighbors are reported", count);
	count = 0;
	for (uint32_t i = 0; i < NEIGHBOR_STATES; i++)
		count += path.neighbors->list[i].count;
	if (count != NEIGHBORS_MAX)
		violated("an entry of the table is lost");
}

static void check_all(void)
{
	const struct interface_counters *counters = &path.counters.interface[0];

	for (uint32_t i = 0; i < sent_count || i < should_count; i++) {
		const struct left *is = &sent[i], *want = &should_be_sent[i];

		if (i >= should_count)
			violated("a %s leaves, and should not", is->question ? "question" : "frame");
		else if (i >= sent_count)
			violated("a %s should leave, and does not",
				 want->question ? "question" : "frame");
		else if (is->question != want->question || is->mac != want->mac ||
			 is->number != want->number)
			violated("%s %u goes to MAC %u; expected: %s %u to MAC %u",
				 is->question ? "question" : "frame", is->number, is->mac,
				 want->question ? "question" : "frame", want->number, want->mac);
	}
	if (events != should_events)
		violated("%u events are told; expected: %u", events, should_events);
	for (uint32_t i = 0; i < VERDICT_COUNT; i++)
		if (counters->verdict[i] - verdicts[i] != should_verdicts[i])
			violated("%s counts %llu more; expected: %llu", verdict_name(i),
				 (unsigned long long)(counters->verdict[i] - verdicts[i]),
				 (unsigned long long)should_verdicts[i]);
	if (counters->held != expected.held)
		violated("%llu frames are held; expected: %u", (unsigned long long)counters->held,
			 expected.held);
	check_entry();
}

/* ---- operations ---- */

enum kind { TRANSMIT, ANSWERED, ASKED, CLAIMED, HEARD, TICK, ADVANCE, JUMP, KINDS };

static enum kind kind_of(uint32_t operation)
{
	static const enum kind kinds[] = {TRANSMIT, ANSWERED, ANSWERED, ASKED, ASKED, CLAIMED, CLAIMED,
					  HEARD, HEARD, TICK, ADVANCE, JUMP};

	return kinds[operation];
}

enum { OPERATIONS = 12 };

static uint8_t mac_number(uint32_t operation)
{
	return (uint8_t)(operation % 2 ? 1 : 2);
}

static enum verdict transmit(uint8_t number)
{
	uint8_t bytes[FRAME_HEADROOM_MIN + FRAME_SIZE] = {0};
	struct frame frame = {.data = bytes + FRAME_HEADROOM_MIN, .length = FRAME_SIZE,
			      .wire_length = FRAME_SIZE, .headroom = FRAME_HEADROOM_MIN};

	frame.data[12] = 8;
	frame.data[FRAME_SIZE - 1] = number;
	return neighbor_transmit(&path, &frame, 0, 0, address);
}

static void step_on(void)
{
	offset = offset == 1 ? -1 : offset + 1;
	seconds += offset == -1;
}

static bool apply(uint32_t operation)
{
	const struct mac_address mac = mac_of(mac_number(operation));
	bool is, want;

	sent_count = should_count = events = should_events = 0;
	memset(should_verdicts, 0, sizeof(should_verdicts));
	memcpy(verdicts, path.counters.interface[0].verdict, sizeof(verdicts));
	path.now_ns = now_ns();
	switch (kind_of(operation)) {
	case TRANSMIT: {
		uint8_t number = expected.held < HELD_MAX ? (uint8_t)(expected.held + 1) : HELD_MAX + 1;
		bool waits = expected.state == NEIGHBOR_FREE || expected.state == NEIGHBOR_FAILED ||
			     expected.state == NEIGHBOR_INCOMPLETE;
		enum verdict wanted = expect_transmitted(), verdict = transmit(waits ? number : 0);

		if (verdict != wanted)
			violated("the frame is %s; expected: %s", verdict_name(verdict),
				 verdict_name(wanted));
		break;
	}
	case ANSWERED:
		want = expect_answered(mac_number(operation));
		is = neighbor_answered(&path, 0, address, &mac);
		if (is != want)
			violated("an answer is taken for one, or is not, wrongly");
		break;
	case ASKED:
		expect_asked(mac_number(operation));
		neighbor_asked(&path, 0, address, &mac);
		break;
	case CLAIMED:
		expect_claimed(mac_number(operation));
		neighbor_claimed(&path, 0, address, &mac);
		break;
	case HEARD:
		becomes_reachable(mac_number(operation));
		neighbor_heard(&path, 0, address, &mac);
		break;
	case TICK:
		expect_tick();
		neighbor_tick(&path);
		break;
	case ADVANCE:
		if (expected.state != NEIGHBOR_FREE && now_ns() > expected.deadline_ns)
			return false; /* ticks come in time, or one instant late */
		step_on();
		break;
	default:
		if (expected.state == NEIGHBOR_FREE || now_ns() + 2 * SECOND_NS > expected.deadline_ns)
			return false;
		seconds = expected.deadline_ns / SECOND_NS - 1;
		break;
	}
	if (!search_has_violation())
		check_all();
	return true;
}

/* ---- states ---- */

struct state {
	struct expectation expected;
	int8_t offset;
	uint8_t unused[7];
};

static void move(uint64_t *ns, uint64_t by)
{
	if (*ns)
		*ns += by;
}

static void store(void *state)
{
	struct state *to = state;
	uint64_t by = (ORIGIN_S - seconds) * SECOND_NS;

	memset(to, 0, sizeof(*to));
	to->expected = expected;
	to->offset = (int8_t)offset;
	/* Times that nothing depends on any more. */
	if (expected.state != NEIGHBOR_FAILED)
		to->expected.retry_ns = 0;
	if (expected.state != NEIGHBOR_REACHABLE)
		to->expected.changed_ns = 0;
	move(&to->expected.deadline_ns, by);
	move(&to->expected.retry_ns, by);
	move(&to->expected.changed_ns, by);
	while (to->expected.retry_ns && to->expected.retry_ns + SECOND_NS < ORIGIN_S * SECOND_NS)
		to->expected.retry_ns += SECOND_NS;
	while (to->expected.changed_ns &&
	       to->expected.changed_ns + 3 * SECOND_NS < ORIGIN_S * SECOND_NS)
		to->expected.changed_ns += SECOND_NS;
}

/* Empties the table and, where a neighbor is known, makes it anew, by the table's own functions.
 * What its state does not need is garbage. */
static void load(const void *state)
{
	const struct state *from = state;
	struct neighbor_slot *slot;
	struct neighbor *entry = entry_of(&slot);
	struct held *held;

	expected = from->expected;
	offset = from->offset;
	seconds = ORIGIN_S;
	path.now_ns = now_ns();
	if (entry) {
		while ((held = hold_pop(&path, &entry->held)))
			hold_free(&path, held);
		neighbor_table_remove(path.neighbors, entry);
	}
	memset(&path.counters, 0, sizeof(path.counters));
	if (expected.state == NEIGHBOR_FREE)
		return;
	entry = neighbor_table_victim(path.neighbors, NEIGHBOR_FREE);
	slot = neighbor_table_add(path.neighbors, entry, 0, address, expected.state);
	entry->deadline_ns = expected.deadline_ns;
	entry->retry_ns = expected.state == NEIGHBOR_FAILED ? expected.retry_ns : NEVER;
	entry->updated_ns = expected.changed_ns;
	entry->tries = asks(expected.state) ? expected.tries : TRIES;
	entry->failed = expected.told;
	slot->mac = mac_of(expected.mac);
	slot->ready = expected.state == NEIGHBOR_REACHABLE || expected.state == NEIGHBOR_PROBE;
	slot->used = expected.state == NEIGHBOR_REACHABLE ? expected.used : true;
	for (uint8_t i = 1; i <= expected.held; i++) {
		uint8_t bytes[FRAME_SIZE] = {[12] = 8, [FRAME_SIZE - 1] = i};
		const struct frame frame = {.data = bytes, .length = FRAME_SIZE,
					    .wire_length = FRAME_SIZE};

		hold_push(&path, &entry->held, HOLD_NEIGHBOR, &frame, 0);
	}
}

/* ---- words ---- */

static void tell_operation(FILE *out, uint32_t operation)
{
	static const char *const words[KINDS] = {
		[TRANSMIT] = "a frame is to go to the neighbor",
		[ANSWERED] = "it answers with MAC",
		[ASKED] = "it asks us, with MAC",
		[CLAIMED] = "it is claimed by MAC",
		[HEARD] = "its heartbeat comes from MAC",
		[TICK] = "a tick",
		[ADVANCE] = "the next instant: whole seconds, and 1 ns around",
		[JUMP] = "time goes on to a second before the deadline",
	};
	enum kind kind = kind_of(operation);

	fprintf(out, "%s", words[kind]);
	if (kind >= ANSWERED && kind <= HEARD)
		fprintf(out, " %u", mac_number(operation));
}

static void tell_state(FILE *out)
{
	struct neighbor_slot *slot;
	const struct neighbor *entry = entry_of(&slot);

	fprintf(out, "  expected: state %u, MAC %u, %u questions, %s, %u frames wait, deadline "
		"now%+lld ns\n",
		expected.state, expected.mac, expected.tries, expected.used ? "used" : "unused",
		expected.held, (long long)(expected.deadline_ns - now_ns()));
	if (entry)
		fprintf(out, "  table: state %u, MAC %u, %u questions, %s, %s, %u frames wait, deadline "
			"now%+lld ns\n", entry->state, slot->mac.byte[5], entry->tries,
			slot->ready ? "ready" : "not ready", slot->used ? "used" : "unused",
			entry->held.count, (long long)(entry->deadline_ns - now_ns()));
	else
		fprintf(out, "  table: nothing\n");
}

static void *zeroed(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) / 64 * 64);

	if (!memory)
		exit(2);
	return memset(memory, 0, size);
}

/* neighbor [quick] */
int main(int argc, char **argv)
{
	const struct machine machine = {
		.name = "neighbor",
		.size = sizeof(struct state),
		.operations = OPERATIONS,
		.load = load,
		.store = store,
		.apply = apply,
		.tell_operation = tell_operation,
		.tell_state = tell_state,
	};
	struct search_result result;

	address = to_be32(0x0a000005);
	interface = (struct snapshot_interface){.mac = own_mac, .up = true, .mtu = 1500,
						.address = to_be32(0x0a000001)};
	snapshot.interfaces = 1;
	snapshot.interface = &interface;
	path.snapshot = &snapshot;
	path.output = (struct path_output){.send = on_send, .event = on_event};
	path.neighbors = neighbors_new(zeroed(neighbors_size()), 1);
	path.hold = hold_new(zeroed(hold_size(FRAME_SIZE)), FRAME_SIZE);
	seconds = ORIGIN_S;

	result = search_all(&machine, STATES_MAX);
	if (argc > 1 && !strcmp(argv[1], "quick"))
		return result.violation;
	return !search_tell_result("neighbor: states of RFC 4861, frames that wait",
				   "1 neighbor, 2 MACs, 8 frames, each instant", &result);
}
