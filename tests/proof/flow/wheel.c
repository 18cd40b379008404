/* Searches the timing wheel (appliance/path/wheel.c) against a list of deadlines.
 *
 * The list holds, for every member, the tick at which it has to come up: the first one at or after
 * its deadline, not before the cursor, not beyond the horizon; and the order, tick by tick, first
 * come first served. Every alignment of the cursor with the wheel's slots and words is a state; the
 * time is moved by whole revolutions only. One origin lies where the number of ticks passes 2^32.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/proof/flow/lists.h"
#include "tests/proof/flow/search.h"

enum {
	MEMBERS_MAX = 3,
	SHIFT = 2,         /* 4 ns to a tick: before it, on it, behind it */
	OPERATIONS_MAX = 8192,
	CANARY = 64,
};

/* Deadlines and times, in ns from the beginning of the cursor's tick. */
struct choice {
	const char *name, *bound;
	uint32_t members, slots;
	uint32_t revolutions; /* that every delay is tried of; 0: boundaries only */
	uint64_t origin;    /* ticks */
	uint32_t states_max;
};

static const struct choice choices[] = {
	{"timers: every delay, one timer", "64 slots, delays to 3 revolutions, each ns", 1, 64, 3,
	 UINT64_C(1) << 20, 100000},
	{"timers: every delay, one timer, a bitmap of words",
	 "128 slots, delays to a revolution, each ns",
	 1, 128, 1, (UINT64_C(1) << 32) - 128, 100000},
	{"timers: two of them", "64 slots, boundaries of slot, revolution, horizon", 2, 64, 0,
	 UINT64_C(1) << 20, 2000000},
};

static const struct choice *choice;
static struct wheel wheel;
static uint8_t *memory;

/* What should be: members in the order in which they come up. */
static struct expectation {
	uint64_t cursor;
	uint32_t count;
	struct waiting {
		uint64_t tick; /* 0: it has come up */
		uint32_t member;
	} at[MEMBERS_MAX];
} expected;

static void expect_removed(uint32_t member)
{
	for (uint32_t i = 0; i < expected.count; i++)
		if (expected.at[i].member == member) {
			memmove(&expected.at[i], &expected.at[i + 1],
				(expected.count - i - 1) * sizeof(*expected.at));
			expected.count--;
			return;
		}
}

static void expect_added(uint32_t member, uint64_t deadline_ns)
{
	uint64_t tick = deadline_ns >> SHIFT, last = expected.cursor + choice->slots - 1;
	uint32_t i;

	if (tick << SHIFT != deadline_ns)
		tick++;
	if (tick < expected.cursor)
		tick = expected.cursor;
	if (tick > last)
		tick = last;
	expect_removed(member);
	for (i = expected.count; i && expected.at[i - 1].tick > tick; i--)
		expected.at[i] = expected.at[i - 1];
	expected.at[i] = (struct waiting){tick, member};
	expected.count++;
}

static uint32_t expect_next(uint64_t now_ns)
{
	uint64_t tick = now_ns >> SHIFT;
	uint32_t member;

	if (tick >= expected.cursor)
		expected.cursor = tick + 1;
	for (uint32_t i = 0; i < expected.count; i++)
		if (expected.at[i].tick < expected.cursor)
			expected.at[i].tick = 0;
	if (!expected.count || expected.at[0].tick)
		return WHEEL_NONE;
	member = expected.at[0].member;
	expect_removed(member);
	return member;
}

static void check(void)
{
	uint64_t deadline = WHEEL_NEVER_NS;
	struct lists lists;

	if (expected.count)
		deadline = expected.at[0].tick << SHIFT;
	if (wheel_deadline(&wheel) != deadline)
		violated("the next deadline is %lld ns from the cursor; expected: %lld",
			 (long long)(wheel_deadline(&wheel) - (wheel.cursor << SHIFT)),
			 (long long)(deadline - (wheel.cursor << SHIFT)));
	if (wheel.cursor != expected.cursor)
		violated("the cursor is %lld ticks off",
			 (long long)(wheel.cursor - expected.cursor));
	lists_read(&wheel, false, &lists);
	if (lists.count != expected.count)
		violated("%u are queued; expected: %u", lists.count, expected.count);
	for (uint32_t i = 0; i < lists.count && !search_has_violation(); i++) {
		uint64_t tick = lists.at[i].due ? 0 : wheel.cursor + lists.at[i].slot;

		if (lists.at[i].member != expected.at[i].member || tick != expected.at[i].tick)
			violated("timer %u stands at tick %+lld; expected: timer %u at %+lld",
				 lists.at[i].member, (long long)(tick - wheel.cursor),
				 expected.at[i].member,
				 (long long)(expected.at[i].tick - wheel.cursor));
	}
	for (int i = 0; i < CANARY; i++)
		if (memory[wheel_size(choice->members, choice->slots) + (size_t)i] != 0xa5)
			violated("memory behind the wheel was written to");
}

/* ---- operations ---- */

static struct operation {
	enum { ADD, ADD_NEVER, REMOVE, NEXT } kind;
	uint32_t member;
	int32_t ns; /* from the beginning of the cursor's tick */
} operations[OPERATIONS_MAX];
static uint32_t operations_count;

static void add_operation(struct operation operation)
{
	if (operations_count == OPERATIONS_MAX)
		exit(2);
	operations[operations_count++] = operation;
}

static void add_times(uint32_t member, int32_t tick)
{
	for (int32_t ns = -1; ns <= 1; ns++)
		add_operation((struct operation){ADD, member, (tick << SHIFT) + ns});
}

static void list_operations(void)
{
	const int32_t slots = (int32_t)choice->slots;
	const int32_t times[] = {0, 1, 63, slots - 1, slots, slots + 1, 5 * slots};

	operations_count = 0;
	for (uint32_t member = 0; member < choice->members; member++) {
		for (int32_t tick = -1; choice->revolutions &&
				      tick <= (int32_t)choice->revolutions * slots; tick++)
			add_times(member, tick);
		for (int32_t i = 0; !choice->revolutions && i < 6; i++)
			add_times(member, times[i]);
		add_operation((struct operation){ADD_NEVER, member, 0});
		add_operation((struct operation){REMOVE, member, 0});
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		add_operation((struct operation){NEXT, 0, times[i] << SHIFT});
		add_operation((struct operation){NEXT, 0, (times[i] << SHIFT) - 1});
	}
	add_operation((struct operation){NEXT, 0, -3 * slots});
}

static bool apply(uint32_t number)
{
	const struct operation *operation = &operations[number];
	uint64_t ns = (wheel.cursor << SHIFT) + (uint64_t)(int64_t)operation->ns;
	uint32_t want, is;

	switch (operation->kind) {
	case ADD_NEVER:
		ns = UINT64_MAX;
		/* fall through */
	case ADD:
		expect_added(operation->member, ns);
		wheel_add(&wheel, operation->member, ns);
		break;
	case REMOVE:
		expect_removed(operation->member);
		wheel_remove(&wheel, operation->member);
		break;
	case NEXT:
		want = expect_next(ns);
		is = wheel_next_due(&wheel, ns);
		if (is != want)
			violated("timer %d comes up; expected: %d", (int)is, (int)want);
		break;
	}
	if (!search_has_violation())
		check();
	return true;
}

/* ---- states ---- */

struct state {
	uint32_t cursor;
	struct lists lists;
};

static void store(void *state)
{
	struct state *to = state;

	memset(to, 0, sizeof(*to));
	to->cursor = (uint32_t)(wheel.cursor & (choice->slots - 1));
	lists_read(&wheel, false, &to->lists);
	memset(&to->lists.at[to->lists.count], 0,
	       (LISTS_MEMBERS_MAX - to->lists.count) * sizeof(*to->lists.at));
}

static void load(const void *state)
{
	const struct state *from = state;

	wheel.cursor = choice->origin + from->cursor;
	lists_write(&wheel, &from->lists);
	expected = (struct expectation){.cursor = wheel.cursor, .count = from->lists.count};
	for (uint32_t i = 0; i < expected.count; i++)
		expected.at[i] = (struct waiting){
			.member = from->lists.at[i].member,
			.tick = from->lists.at[i].due ? 0 : wheel.cursor + from->lists.at[i].slot,
		};
}

static void tell_time(FILE *out, int32_t ns)
{
	int32_t tick = (ns + (1 << SHIFT) - 1) >> SHIFT, rest = ns - tick * (1 << SHIFT);

	fprintf(out, "%+d ticks", tick);
	if (rest)
		fprintf(out, " %+d ns", rest);
	fprintf(out, " from the cursor");
}

static void tell_operation(FILE *out, uint32_t number)
{
	const struct operation *operation = &operations[number];

	switch (operation->kind) {
	case ADD:
		fprintf(out, "timer %u is set to ", operation->member);
		tell_time(out, operation->ns);
		break;
	case ADD_NEVER:
		fprintf(out, "timer %u is set to never", operation->member);
		break;
	case REMOVE:
		fprintf(out, "timer %u is cancelled", operation->member);
		break;
	case NEXT:
		fprintf(out, "who is due at ");
		tell_time(out, operation->ns);
		break;
	}
}

static void tell_state(FILE *out)
{
	fprintf(out, "  cursor: tick %llu, slot %llu of %u\n  expected:",
		(unsigned long long)expected.cursor,
		(unsigned long long)(expected.cursor & (choice->slots - 1)), choice->slots);
	for (uint32_t i = 0; i < expected.count; i++)
		if (expected.at[i].tick)
			fprintf(out, " timer %u in %lld ticks;", expected.at[i].member,
				(long long)(expected.at[i].tick - expected.cursor));
		else
			fprintf(out, " timer %u is due;", expected.at[i].member);
	fprintf(out, "\n  wheel:");
	for (uint32_t i = 0; i <= wheel.n + wheel.slots; i++)
		if (wheel.link[i].next != i)
			fprintf(out, " %s %u -> %u;", i < wheel.n ? "timer" : "list",
				i < wheel.n ? i : i - wheel.n, wheel.link[i].next);
	for (uint32_t i = 0; i < wheel.slots / 64; i++)
		fprintf(out, " bitmap %016llx", (unsigned long long)wheel.occupied[i]);
	fputc('\n', out);
}

static void begin(const struct choice *of)
{
	size_t size = wheel_size(of->members, of->slots);

	choice = of;
	free(memory);
	memory = malloc(size + CANARY);
	if (!memory)
		exit(2);
	memset(memory, 0xa5, size + CANARY);
	wheel_init(&wheel, memory, of->members, of->slots, SHIFT);
	expected = (struct expectation){.cursor = wheel.cursor};
	if (wheel.cursor || wheel_deadline(&wheel) != WHEEL_NEVER_NS)
		violated("a new wheel is not empty");
	check();
	wheel.cursor = expected.cursor = of->origin;
	list_operations();
}

/* wheel [quick] */
int main(int argc, char **argv)
{
	bool quick = argc > 1 && !strcmp(argv[1], "quick"), good = true;

	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		begin(&choices[i]);
		const struct machine machine = {
			.name = choice->name,
			.size = sizeof(struct state),
			.operations = operations_count,
			.load = load,
			.store = store,
			.apply = apply,
			.tell_operation = tell_operation,
			.tell_state = tell_state,
		};
		if (search_has_violation()) {
			search_tell_violation();
			return 1;
		}
		struct search_result result = search_all(&machine, quick ? 1000 : choice->states_max);

		if (result.violation && quick)
			return 1;
		if (!quick)
			good &= search_tell_result(choice->name, choice->bound, &result);
	}
	return good ? 0 : 1;
}
