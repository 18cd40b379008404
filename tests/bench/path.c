/* The packet path alone, in memory: what path_receive() costs a packet. No ring, no kernel.
 *
 * It sets one case up (a configuration and traffic), then does what stdin says, a line each, and
 * answers with a JSON line. Whoever runs several of them by turns gets interleaved samples.
 *
 *    run N      N packets by the clock: {"ns": ..., "packets": ..., what became of them}
 *    empty N    the same without the path: the cost of this program itself
 *    count N    N packets counted, under valgrind --tool=callgrind --instr-atstart=no
 *               --collect-atstart=no; each writes a file of its own
 *    nothing N  counted likewise, without the path
 *    clear      ends all flows
 *    chase N    loads that depend on one another, over N bytes: {"ns": ..., "packets": loads}
 *    copy N     one copy of each of so many frames: {"ns": ..., "packets": ...}
 *    memory     {"path": bytes, "resident": bytes of the process}
 *
 * The clock runs only while batches go through the path, not while frames are made.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include "path_traffic.h"

enum { LINE_SIZE = 128, CHASE_LOADS = 1 << 22, CACHE_LINE = 64 };

/* What the counters of the path and its flow table say. */
struct tally {
	uint64_t forwarded, dropped, other, created, closed, stateless;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct tally take_tally(const struct world *world)
{
	const struct path_counters *counters = path_counters(world->path);
	const struct flow_table *flows = path_flows(world->path);
	struct tally tally = {.created = flows->created, .stateless = counters->stateless};

	for (unsigned reason = 0; reason < FLOW_CLOSE_REASON_COUNT; reason++)
		tally.closed += flows->closed[reason];
	for (unsigned i = 0; i < INTERFACES_MAX; i++)
		for (unsigned verdict = 0; verdict < VERDICT_COUNT; verdict++) {
			uint64_t count = counters->interface[i].verdict[verdict];

			if (verdict == VERDICT_FORWARDED)
				tally.forwarded += count;
			else if (verdict_is_drop(verdict))
				tally.dropped += count;
			else
				tally.other += count;
		}
	return tally;
}

static void answer(const struct world *world, const struct tally *before, uint64_t ns,
		   uint64_t packets)
{
	struct tally now = take_tally(world);

	printf("{\"ns\": %" PRIu64 ", \"packets\": %" PRIu64 ", \"forwarded\": %" PRIu64
	       ", \"dropped\": %" PRIu64 ", \"other\": %" PRIu64 ", \"created\": %" PRIu64
	       ", \"closed\": %" PRIu64 ", \"stateless\": %" PRIu64 ", \"live\": %u}\n",
	       ns, packets, now.forwarded - before->forwarded, now.dropped - before->dropped,
	       now.other - before->other, now.created - before->created,
	       now.closed - before->closed, now.stateless - before->stateless,
	       path_flows(world->path)->live);
}

static void receive_nothing(struct path *path, struct frame *frames, struct outcome *outcomes,
			    unsigned count, uint64_t now_ns)
{
	(void)path;
	(void)outcomes;
	(void)count;
	(void)now_ns;
	__asm__ volatile("" : : "r"(frames) : "memory");
}

/* `packets` of them, a stretch of slots at a time; the nanoseconds that went by in stretches. */
static uint64_t go(struct generator *generator, receive_batch *receive, uint64_t packets,
		   bool counted)
{
	uint32_t slots = generator->options.slots;
	uint64_t ns = 0;

	for (uint64_t done = 0; done < packets; done += slots) {
		uint32_t count = packets - done < slots ? (uint32_t)(packets - done) : slots;

		for (uint32_t first = 0; first < count; first += generator->options.batch)
			write_batch(generator, first,
				    count - first < generator->options.batch ?
					    count - first : generator->options.batch);
		if (counted)
			CALLGRIND_TOGGLE_COLLECT;
		uint64_t start = clock_ns();
		pass(generator, receive, count);
		ns += clock_ns() - start;
		if (counted)
			CALLGRIND_TOGGLE_COLLECT;
	}
	return ns;
}

static void measure(struct generator *generator, receive_batch *receive, uint64_t packets)
{
	struct tally before = take_tally(generator->world);
	uint64_t ns = go(generator, receive, packets, false);

	answer(generator->world, &before, ns, packets);
}

/* As many packets uncounted first: what the simulated caches hold is then what those leave. */
static void count(struct generator *generator, receive_batch *receive, uint64_t packets)
{
	CALLGRIND_START_INSTRUMENTATION;
	go(generator, receive, packets, false);
	CALLGRIND_ZERO_STATS;
	struct tally before = take_tally(generator->world);
	go(generator, receive, packets, true);
	CALLGRIND_DUMP_STATS;
	answer(generator->world, &before, 0, packets);
}

static void clear(struct generator *generator)
{
	struct flow_match all = {.backend_id = NONE, .service_id = NONE};
	struct flow_table *flows = path_flows(generator->world->path);
	struct tally before = take_tally(generator->world);

	for (uint32_t cursor = 0; cursor < flows->capacity;)
		path_close_flows(generator->world->path, &all, FLOW_CLOSE_CLEARED, &cursor,
				 flows->capacity);
	answer(generator->world, &before, 0, 0);
}

static uint32_t *line_at(uint8_t *memory, uint32_t line)
{
	return (uint32_t *)(void *)(memory + line * (size_t)CACHE_LINE);
}

/* One cycle through all lines in random order (Sattolo's shuffle): no load can begin before the one
 * before it has ended, and none can be foreseen. */
static void chase(struct generator *generator, uint64_t bytes)
{
	uint32_t lines = (uint32_t)(bytes / CACHE_LINE);
	size_t size = (lines * (size_t)CACHE_LINE + huge_page - 1) & ~(huge_page - 1);
	uint8_t *memory = aligned_alloc(huge_page, size);
	uint32_t *order = malloc(lines * sizeof(*order));

	if (!memory || !order)
		fail("not enough memory to chase through");
	madvise(memory, size, MADV_HUGEPAGE);
	for (uint32_t i = 0; i < lines; i++)
		order[i] = i;
	for (uint32_t i = lines - 1; i > 0; i--) {
		uint32_t other = random_below(generator, i), moved = order[i];

		order[i] = order[other];
		order[other] = moved;
	}
	for (uint32_t i = 0; i < lines; i++)
		*line_at(memory, order[i]) = order[(i + 1) % lines];
	uint32_t at = 0;
	uint64_t start = clock_ns();
	for (uint32_t i = 0; i < CHASE_LOADS; i++)
		at = *(volatile uint32_t *)line_at(memory, at);
	printf("{\"ns\": %" PRIu64 ", \"packets\": %u}\n", clock_ns() - start, CHASE_LOADS);
	free(order);
	free(memory);
}

/* From slot to slot of a ring of a usual size, as the packet thread fills its transmit ring: the
 * bytes read are in the last cache at best, those written were used a while ago. */
static void copy_frames(const struct generator *generator, uint64_t packets)
{
	enum { RING_SIZE = 8 << 20, SLOT_SIZE = 2048, SENDING_SLOTS = 128 };
	uint8_t *receiving = aligned_alloc(huge_page, RING_SIZE);
	uint8_t *sending = aligned_alloc(huge_page, huge_page);
	uint32_t size = generator->options.frame_size, from = 0;

	if (!receiving || !sending || size > SLOT_SIZE)
		fail("no ring to copy from");
	memset(receiving, 1, RING_SIZE);
	memset(sending, 1, SENDING_SLOTS * SLOT_SIZE);
	uint64_t start = clock_ns();
	for (uint64_t i = 0; i < packets; i++) {
		memcpy(sending + i % SENDING_SLOTS * SLOT_SIZE, receiving + from, size);
		__asm__ volatile("" : : "r"(sending) : "memory");
		from = from + SLOT_SIZE + size <= RING_SIZE ? from + size : 0;
	}
	printf("{\"ns\": %" PRIu64 ", \"packets\": %" PRIu64 "}\n", clock_ns() - start, packets);
	free(receiving);
	free(sending);
}

static void tell_memory(const struct world *world)
{
	unsigned long total, resident = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (!statm || fscanf(statm, "%lu %lu", &total, &resident) != 2)
		fail("cannot read /proc/self/statm");
	fclose(statm);
	printf("{\"path\": %zu, \"resident\": %ld}\n", world->memory_size,
	       (long)resident * sysconf(_SC_PAGESIZE));
}

static void obey(struct generator *generator, const char *line)
{
	char verb[LINE_SIZE];
	uint64_t number = 0;

	if (sscanf(line, "%127s %" SCNu64, verb, &number) < 1)
		fail("an empty line");
	if (strcmp(verb, "run") == 0)
		measure(generator, path_receive, number);
	else if (strcmp(verb, "empty") == 0)
		measure(generator, receive_nothing, number);
	else if (strcmp(verb, "count") == 0)
		count(generator, path_receive, number);
	else if (strcmp(verb, "nothing") == 0)
		count(generator, receive_nothing, number);
	else if (strcmp(verb, "clear") == 0)
		clear(generator);
	else if (strcmp(verb, "chase") == 0)
		chase(generator, number);
	else if (strcmp(verb, "copy") == 0)
		copy_frames(generator, number);
	else if (strcmp(verb, "memory") == 0)
		tell_memory(generator->world);
	else
		fail("no such command");
}

static uint32_t option_number(const char *text)
{
	char *end;

	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	if (errno || *end || end == text || number > UINT32_MAX)
		fail("a number was expected");
	return (uint32_t)number;
}

static enum traffic parse_traffic(const char *text)
{
	for (enum traffic i = 0; i < TRAFFIC_COUNT; i++)
		if (strcmp(text, traffic_name[i]) == 0)
			return i;
	fail("traffic is forward, reply, both or new");
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"config", required_argument, NULL, 'c'},
		{"traffic", required_argument, NULL, 't'},
		{"flows", required_argument, NULL, 'f'},
		{"services", required_argument, NULL, 's'},
		{"frontends", required_argument, NULL, 'i'},
		{"batch", required_argument, NULL, 'b'},
		{"size", required_argument, NULL, 'z'},
		{"slots", required_argument, NULL, 'n'},
		{"gap", required_argument, NULL, 'g'},
		{"tcp", no_argument, NULL, 'p'},
		{0},
	};
	struct traffic_options options = {.traffic = TRAFFIC_BOTH, .flows = 1000, .services = 1,
					  .frontends = 1, .batch = 32, .slots = 2048,
					  .frame_size = FRAME_SIZE_MIN, .gap_ns = 1000};
	static struct world world;
	static struct generator generator;
	const char *config = NULL;
	char line[LINE_SIZE];
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		switch (option) {
		case 'c': config = optarg; break;
		case 't': options.traffic = parse_traffic(optarg); break;
		case 'f': options.flows = option_number(optarg); break;
		case 's': options.services = option_number(optarg); break;
		case 'i': options.frontends = option_number(optarg); break;
		case 'b': options.batch = option_number(optarg); break;
		case 'z': options.frame_size = option_number(optarg); break;
		case 'n': options.slots = option_number(optarg); break;
		case 'g': options.gap_ns = option_number(optarg); break;
		case 'p': options.tcp = true; break;
		default: fail("usage: path --config SCRIPT [--traffic forward|reply|both|new] "
			      "[--flows N] [--services N] [--frontends N] [--batch N] [--size N] "
			      "[--slots N] [--gap NS] [--tcp]");
		}
	if (!config || !options.batch || options.batch > BATCH_MAX || !options.slots ||
	    !options.services || !options.frontends || options.frame_size < FRAME_SIZE_MIN)
		fail("an option is missing or out of range");
	setvbuf(stdout, NULL, _IOLBF, 0);
	world_start(&world, config);
	generator_start(&generator, &world, &options);
	printf("{\"ready\": true}\n");
	while (fgets(line, sizeof(line), stdin))
		obey(&generator, line);
	generator_stop(&generator);
	world_stop(&world);
	return EXIT_SUCCESS;
}
