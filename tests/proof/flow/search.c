/* See search.h. */
#include "tests/proof/flow/search.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	STUCK_SECONDS = 1,
	WALK_TOLD = 25, /* of a long walk only its end is told */
};

static char violation[512];
static sigjmp_buf rescue;
static volatile uint64_t progress;

void violated(const char *format, ...)
{
	va_list list;

	if (violation[0])
		return;
	va_start(list, format);
	vsnprintf(violation, sizeof(violation), format, list);
	va_end(list);
}

bool search_has_violation(void)
{
	return violation[0];
}

void search_tell_violation(void)
{
	fprintf(stderr, "violation: %s\n", violation);
}

static void crashed(int signal)
{
	siglongjmp(rescue, signal);
}

static void time_passes(int signal)
{
	static uint64_t seen;

	if (seen == progress)
		siglongjmp(rescue, signal);
	seen = progress;
}

static void catch_signals(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	struct itimerval beat = {{STUCK_SECONDS, 0}, {STUCK_SECONDS, 0}};

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		signal(signals[i], crashed);
	signal(SIGVTALRM, time_passes);
	setitimer(ITIMER_VIRTUAL, &beat, NULL);
}

/* True where it could be done; what it must not do is in `violation` then. */
static bool apply(const struct machine *machine, uint32_t operation)
{
	int signal = sigsetjmp(rescue, 1);

	if (signal) {
		violated(signal == SIGVTALRM ? "it does not come to an end" : "it crashes (%s)",
			 strsignal(signal));
		return true;
	}
	progress++;
	violation[0] = '\0';
	return machine->apply(operation);
}

/* States in the order of their discovery, and how each was found. */
struct store {
	const struct machine *machine;
	uint8_t *state;
	struct origin {
		uint32_t parent;
		uint32_t operation;
	} *origin;
	uint64_t *place; /* number of a state, plus 1, and 32 bits of its hash; 0: empty */
	uint64_t mask;
	uint32_t count, max;
};

static void *reserve(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("search");
		exit(2);
	}
	return memory;
}

static size_t places(uint32_t max)
{
	size_t count = 1024;

	while (count < (size_t)max * 2)
		count *= 2;
	return count;
}

static struct store store_new(const struct machine *machine, uint32_t max)
{
	return (struct store){
		.machine = machine,
		.state = reserve((size_t)max * machine->size),
		.origin = reserve((size_t)max * sizeof(struct origin)),
		.place = reserve(places(max) * sizeof(uint64_t)),
		.mask = places(max) - 1,
		.max = max,
	};
}

static void store_free(struct store *store)
{
	munmap(store->state, (size_t)store->max * store->machine->size);
	munmap(store->origin, (size_t)store->max * sizeof(struct origin));
	munmap(store->place, (store->mask + 1) * sizeof(uint64_t));
}

static uint8_t *state_at(const struct store *store, uint32_t i)
{
	return store->state + (size_t)i * store->machine->size;
}

/* Writes down where the machine is, unless that is known. False: no room is left. */
static bool note(struct store *store, uint32_t parent, uint32_t operation)
{
	const size_t size = store->machine->size;
	uint8_t *state;
	uint64_t hash;

	if (store->count == store->max)
		return false;
	state = state_at(store, store->count);
	store->machine->store(state);
	hash = XXH3_64bits(state, size);
	for (uint64_t i = hash & store->mask;; i = (i + 1) & store->mask) {
		uint64_t place = store->place[i];

		if (!place) {
			store->place[i] = hash >> 32 << 32 | (store->count + 1);
			store->origin[store->count++] = (struct origin){parent, operation};
			return true;
		}
		if (place >> 32 == hash >> 32 &&
		    !memcmp(state_at(store, (uint32_t)place - 1), state, size))
			return true;
	}
}

/* Operations, the same ones in a row told once. */
static void tell_steps(const struct machine *machine, const uint32_t *operation, uint64_t count,
		       uint64_t number)
{
	for (uint64_t i = 0, first; i < count; i++) {
		for (first = i; i + 1 < count && operation[i + 1] == operation[i]; i++)
			;
		fprintf(stderr, "%5llu. ", (unsigned long long)(number + first));
		machine->tell_operation(stderr, operation[i]);
		if (i > first)
			fprintf(stderr, ", %llu times", (unsigned long long)(i - first + 1));
		fputc('\n', stderr);
	}
}

/* How `state` is reached: operations, from the first state on. Gives their number. */
static uint32_t tell_way(const struct store *store, uint32_t state)
{
	uint32_t *operation, count = 0;

	for (uint32_t i = state; i; i = store->origin[i].parent)
		count++;
	operation = calloc(count + 1, sizeof(*operation));
	if (!operation)
		exit(2);
	for (uint32_t i = state, left = count; left; i = store->origin[i].parent)
		operation[--left] = store->origin[i].operation;
	tell_steps(store->machine, operation, count, 1);
	free(operation);
	return count;
}

static void tell_end(const struct machine *machine)
{
	fprintf(stderr, "violation: %s\nstate after it:\n", violation);
	if (sigsetjmp(rescue, 1))
		fprintf(stderr, "  (too damaged to be told)\n");
	else
		machine->tell_state(stderr);
	fputc('\n', stderr);
}

static void tell_violation(const struct store *store, uint32_t state, uint32_t operation)
{
	const struct machine *machine = store->machine;
	char kept[sizeof(violation)];
	uint32_t number;

	memcpy(kept, violation, sizeof(kept));
	fprintf(stderr, "%s: the shortest way to a violation:\n", machine->name);
	number = tell_way(store, state);
	machine->load(state_at(store, state));
	fprintf(stderr, "state before the last step:\n");
	machine->tell_state(stderr);
	tell_steps(machine, &operation, 1, number + 1);
	apply(machine, operation);
	memcpy(violation, kept, sizeof(kept));
	tell_end(machine);
}

struct search_result search_all(const struct machine *machine, uint32_t states_max)
{
	struct search_result result = {.closed = true};
	struct store store = store_new(machine, states_max);
	uint32_t level_end = 1;

	catch_signals();
	note(&store, 0, 0);
	for (uint32_t i = 0; i < store.count && result.closed; i++) {
		if (i == level_end) {
			result.depth++;
			level_end = store.count;
		}
		for (uint32_t operation = 0; operation < machine->operations; operation++) {
			machine->load(state_at(&store, i));
			if (!apply(machine, operation))
				continue;
			result.transitions++;
			if (search_has_violation()) {
				tell_violation(&store, i, operation);
				result.violation = true;
				result.closed = false;
				break;
			}
			if (!note(&store, i, operation)) {
				result.closed = false;
				break;
			}
		}
	}
	result.states = store.count;
	store_free(&store);
	return result;
}

static uint64_t next_random(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

/* The last ones of `count` operations, of which a ring holds as many as are told. */
static void tell_last_steps(const struct machine *machine, const uint32_t *told, uint64_t count)
{
	uint64_t first = count > WALK_TOLD ? count - WALK_TOLD : 0;
	uint32_t operation[WALK_TOLD];

	for (uint64_t i = first; i < count; i++)
		operation[i - first] = told[i % WALK_TOLD];
	tell_steps(machine, operation, count - first, first + 1);
}

struct search_result search_walk(const struct machine *machine, uint64_t steps, uint64_t seed)
{
	struct search_result result = {.closed = true};
	uint32_t told[WALK_TOLD] = {0};

	catch_signals();
	while (result.transitions < steps && !result.violation) {
		uint32_t operation = (uint32_t)(next_random(&seed) >> 32) % machine->operations;

		if (!apply(machine, operation))
			continue;
		told[result.transitions++ % WALK_TOLD] = operation;
		result.violation = search_has_violation();
	}
	if (!result.violation)
		return result;
	fprintf(stderr, "%s: a violation at step %llu of a walk, the last steps:\n", machine->name,
		(unsigned long long)result.transitions);
	tell_last_steps(machine, told, result.transitions);
	tell_end(machine);
	return result;
}

bool search_tell_result(const char *name, const char *bound, const struct search_result *result)
{
	printf("%s\t%s\texplicit-state search\t%s\t%llu states, %llu transitions, %s\n",
	       result->violation || !result->closed ? "FAIL" : "PASS", name, bound,
	       (unsigned long long)result->states, (unsigned long long)result->transitions,
	       result->violation ? "a violation" : result->closed ? "closed" : "not closed");
	fflush(stdout);
	return !result->violation && result->closed;
}
