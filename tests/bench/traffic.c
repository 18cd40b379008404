/* traffic: load for what stands between two interfaces, and the count of what came through.
 *
 *     clients === [what is measured] === servers
 *     generate                             take        programs of traffic.bpf.c
 *     measure
 *
 * The appliance receives as from a NIC: frames stand in a queue of its interface, a NAPI poll takes
 * them out, with GRO, in lists of eight; the interface must have `gro on` for that. One thread on one
 * CPU makes the frames and does the kernel's work of receiving them. An ordinary sender would be the
 * bottleneck long before the appliance is. The far side takes them as any veth does, from its backlog,
 * on the CPU of who has sent them.
 *
 * Commands on standard input, an answer in JSON to each:
 *
 *     set KEY VALUE      rate N (packets/s, 0: all it can), flows N, probe N (one packet of N comes
 *                        back and is timed), from A, to A:PORT, mac M (of the appliance), expect
 *                        A-A:PORT, servermac M, cpu N, shared 0|1
 *     start, stop        stop tells what was sent and what arrived since start
 *     run MS             both, that far apart
 *
 * With `shared 1` the thread sleeps between bursts, for layouts where the CPU is not its own.
 * It knows nothing of who forwards; it changes interfaces only by its own programs, which go with
 * it or with the namespaces.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tests/bench/packet.h"
#include "tests/bench/traffic.h"

enum {
	BATCH = 64,             /* frames that come at once: a NAPI poll's */
	BATCH_PROBES = 4,       /* where every packet is timed, and should not wait for others */
	LOOKS = 1 << 16,        /* of the program at its clock, a system call; its fixed cost is hidden */
	BURST_NS = 100000,      /* where the CPU is shared */
	SETTLE_MS = 20,         /* frames in flight: unchanged counts for that long, and none is */
	SETTLE_TRIES = 100,
	CPUS_MAX = 256,
};

struct place {
	const char *namespace, *interface;
	unsigned ifindex;
};

struct traffic {
	struct place server, client;
	struct bpf_object *object;
	struct traffic_generator *generator;    /* shared with the program */
	struct traffic_sink sink;
	int generate_fd, count_fd, times_fd, sink_fd;
	int cpu;
	bool shared;
	_Atomic bool stop;
	pthread_t thread;
	bool running;
	uint64_t rate, started_ns;
	struct traffic_count before;
	uint64_t times_before[TRAFFIC_TIMES];
};

static void fail(const char *format, ...)
{
	va_list arguments;

	fputs("traffic: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t then_ns)
{
	struct timespec then = {.tv_sec = (time_t)(then_ns / 1000000000),
				.tv_nsec = (long)(then_ns % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL) == EINTR)
		;
}

/* This thread into a network namespace. */
static void enter(const struct place *place)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", place->namespace);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		fail("namespace %s: %s", place->namespace, strerror(errno));
	close(fd);
}

static void parse_place(char *text, struct place *ret_place)
{
	char *colon = strchr(text, ':');

	if (!colon)
		fail("not NAMESPACE:INTERFACE: %s", text);
	*colon = '\0';
	ret_place->namespace = text;
	ret_place->interface = colon + 1;
	enter(ret_place);
	ret_place->ifindex = if_nametoindex(ret_place->interface);
	if (!ret_place->ifindex)
		fail("no interface %s in %s", ret_place->interface, text);
}

static int program_fd(const struct traffic *traffic, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(traffic->object, name));
}

/* The kernel patches its code for the first user of a program: milliseconds, in every call that
 * injects, unless the program is somebody's already. */
static void anchor(const struct traffic *traffic, const struct place *place)
{
	int status = bpf_xdp_attach((int)place->ifindex, traffic->generate_fd,
				    XDP_FLAGS_DRV_MODE, NULL);

	if (status)
		fail("%s: no anchor: %s", place->interface, strerror(-status));
}

static void attach(const struct traffic *traffic, const struct place *place, const char *program)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)place->ifindex,
			    .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = 1, .priority = 1,
			    .flags = BPF_TC_F_REPLACE, .prog_fd = program_fd(traffic, program));
	int status;

	enter(place);
	status = bpf_tc_hook_create(&hook);
	if (status && status != -EEXIST)
		fail("%s: no hook: %s", place->interface, strerror(-status));
	status = bpf_tc_attach(&hook, &options);
	if (status)
		fail("%s: %s does not attach: %s", place->interface, program, strerror(-status));
}

static void load(struct traffic *traffic, const char *file)
{
	traffic->object = bpf_object__open_file(file, NULL);
	if (!traffic->object || bpf_object__load(traffic->object))
		fail("%s: %s", file, strerror(errno));
	traffic->generate_fd = program_fd(traffic, "generate");
	traffic->sink_fd = bpf_object__find_map_fd_by_name(traffic->object, "sink_map");
	traffic->count_fd = bpf_object__find_map_fd_by_name(traffic->object, "count_map");
	traffic->times_fd = bpf_object__find_map_fd_by_name(traffic->object, "times_map");
	traffic->generator = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
				  MAP_SHARED,
				  bpf_object__find_map_fd_by_name(traffic->object, "generator_map"),
				  0);
	if (traffic->generator == MAP_FAILED)
		fail("no memory shared with the generator: %s", strerror(errno));
}

/* --- the generator's thread ------------------------------------------------------------------- */

/* The program looks at its clock `looks` times and passes a packet whenever one is due. */
static void inject(struct traffic *traffic, unsigned looks)
{
	unsigned batch = traffic->generator->probe_every == 1 ? BATCH_PROBES : BATCH;
	struct packet frame = {0};
	struct xdp_md context = {.data_end = sizeof(frame),
				 .ingress_ifindex = traffic->client.ifindex};
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame,
			    .data_size_in = sizeof(frame), .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = (int)looks,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
			    .batch_size = looks < batch ? looks : batch);
	int status = bpf_prog_test_run_opts(traffic->generate_fd, &options);

	if (status && status != -EINTR && status != -EAGAIN)
		fail("live frames into %s: %s", traffic->client.interface, strerror(-status));
}

static void inject_bursts(struct traffic *traffic)
{
	const struct traffic_generator *generator = traffic->generator;

	while (!atomic_load_explicit(&traffic->stop, memory_order_relaxed)) {
		uint64_t now = now_ns(), next = generator->next_ps / 1000;

		if (next > now)
			sleep_until(next > now + BURST_NS ? next : now + BURST_NS);
		else
			inject(traffic, (unsigned)((now * 1000 - generator->next_ps) /
						   generator->interval_ps % LOOKS + 1));
	}
}

static void *run(void *argument)
{
	struct traffic *traffic = argument;
	cpu_set_t set;

	enter(&traffic->client);
	CPU_ZERO(&set);
	CPU_SET((unsigned)traffic->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("no CPU %d: %s", traffic->cpu, strerror(errno));
	traffic->started_ns = now_ns();
	traffic->generator->next_ps = traffic->started_ns * 1000;
	if (traffic->shared && traffic->rate)
		inject_bursts(traffic);
	else
		while (!atomic_load_explicit(&traffic->stop, memory_order_relaxed))
			inject(traffic, LOOKS);
	return NULL;
}

/* --- counts ------------------------------------------------------------------------------------ */

static struct traffic_count read_count(const struct traffic *traffic)
{
	struct traffic_count each[CPUS_MAX] = {0}, sum = {0};
	const uint32_t only = 0;
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 1 || cpus > CPUS_MAX || bpf_map_lookup_elem(traffic->count_fd, &only, each))
		fail("no counts");
	for (int i = 0; i < cpus; i++) {
		sum.delivered += each[i].delivered;
		sum.wrong += each[i].wrong;
		sum.echoed += each[i].echoed;
		sum.returned += each[i].returned;
	}
	return sum;
}

/* Once nothing is on its way any more. */
static struct traffic_count settled_count(const struct traffic *traffic)
{
	struct traffic_count last = read_count(traffic);

	for (int i = 0; i < SETTLE_TRIES; i++) {
		struct traffic_count count;

		usleep(SETTLE_MS * 1000);
		count = read_count(traffic);
		if (!memcmp(&count, &last, sizeof(count)))
			break;
		last = count;
	}
	return last;
}

static void read_times(const struct traffic *traffic, uint64_t *ret_times)
{
	int cpus = libbpf_num_possible_cpus();

	for (uint32_t step = 0; step < TRAFFIC_TIMES; step++) {
		uint64_t each[CPUS_MAX] = {0};

		bpf_map_lookup_elem(traffic->times_fd, &step, each);
		ret_times[step] = 0;
		for (int i = 0; i < cpus; i++)
			ret_times[step] += each[i];
	}
}

/* The middle of a step, in nanoseconds. */
static double time_of(uint32_t step)
{
	unsigned power = step / TRAFFIC_STEPS;

	if (!power)
		return step;
	return ((double)(TRAFFIC_STEPS + step % TRAFFIC_STEPS) + 0.5) * (double)(1ULL << (power - 1));
}

static double quantile(const uint64_t *times, uint64_t total, double share)
{
	uint64_t seen = 0;

	for (uint32_t step = 0; step < TRAFFIC_TIMES; step++) {
		seen += times[step];
		if (seen && (double)seen >= share * (double)total)
			return time_of(step);
	}
	return 0;
}

/* --- commands ---------------------------------------------------------------------------------- */

static void start(struct traffic *traffic)
{
	struct traffic_generator *generator = traffic->generator;
	const uint32_t only = 0;

	if (traffic->running)
		fail("already started");
	bpf_map_update_elem(traffic->sink_fd, &only, &traffic->sink, BPF_ANY);
	traffic->before = settled_count(traffic);
	read_times(traffic, traffic->times_before);
	generator->interval_ps = traffic->rate ? 1000000000000 / traffic->rate : 0;
	generator->sent = generator->missed = generator->credit = 0;
	generator->stop = 0;
	traffic->stop = false;
	if (pthread_create(&traffic->thread, NULL, run, traffic))
		fail("no thread");
	traffic->running = true;
}

static void tell_times(const struct traffic *traffic)
{
	uint64_t times[TRAFFIC_TIMES], total = 0;

	read_times(traffic, times);
	for (uint32_t step = 0; step < TRAFFIC_TIMES; step++) {
		times[step] -= traffic->times_before[step];
		total += times[step];
	}
	printf(", \"p50_ns\": %.0f, \"p99_ns\": %.0f, \"p999_ns\": %.0f", quantile(times, total, 0.5),
	       quantile(times, total, 0.99), quantile(times, total, 0.999));
}

static void stop(struct traffic *traffic)
{
	const struct traffic_generator *generator = traffic->generator;
	const struct traffic_count *before = &traffic->before;
	struct traffic_count after;
	uint64_t ended_ns;

	if (!traffic->running)
		fail("not started");
	traffic->generator->stop = 1;
	traffic->stop = true;
	ended_ns = now_ns();
	pthread_join(traffic->thread, NULL);
	traffic->running = false;
	after = settled_count(traffic);
	printf("{\"seconds\": %.6f, \"offered\": %llu, \"sent\": %llu, \"delivered\": %llu, "
	       "\"wrong\": %llu, \"echoed\": %llu, \"returned\": %llu",
	       (double)(ended_ns - traffic->started_ns) / 1e9, generator->sent + generator->missed,
	       generator->sent, after.delivered - before->delivered, after.wrong - before->wrong,
	       after.echoed - before->echoed, after.returned - before->returned);
	tell_times(traffic);
	puts("}");
}

static bool parse_mac(const char *text, void *ret_mac)
{
	return ether_aton_r(text, ret_mac) != NULL;
}

/* A:PORT or A-A:PORT */
static bool parse_end(char *text, struct in_addr *ret_first, struct in_addr *ret_last, __be16 *ret_port)
{
	char *colon = strchr(text, ':'), *dash = strchr(text, '-');

	if (!colon)
		return false;
	*colon = '\0';
	*ret_port = htons((uint16_t)atoi(colon + 1));
	if (dash)
		*dash = '\0';
	return inet_aton(text, ret_first) && inet_aton(dash ? dash + 1 : text, ret_last);
}

static bool set(struct traffic *traffic, const char *key, char *value)
{
	struct traffic_generator *generator = traffic->generator;
	struct in_addr first, last;

	if (!strcmp(key, "rate"))
		traffic->rate = strtoull(value, NULL, 10);
	else if (!strcmp(key, "flows"))
		generator->flows = (uint32_t)strtoul(value, NULL, 10);
	else if (!strcmp(key, "probe"))
		generator->probe_every = (uint32_t)strtoul(value, NULL, 10);
	else if (!strcmp(key, "cpu"))
		traffic->cpu = atoi(value);
	else if (!strcmp(key, "shared"))
		traffic->shared = atoi(value) != 0;
	else if (!strcmp(key, "mac"))
		return parse_mac(value, generator->to_mac);
	else if (!strcmp(key, "servermac"))
		return parse_mac(value, traffic->sink.mac);
	else if (!strcmp(key, "from") && inet_aton(value, &first))
		generator->from = first.s_addr;
	else if (!strcmp(key, "to") && parse_end(value, &first, &last, &generator->to_port))
		generator->to = first.s_addr;
	else if (!strcmp(key, "expect") && parse_end(value, &first, &last, &traffic->sink.port)) {
		traffic->sink.first = ntohl(first.s_addr);
		traffic->sink.last = ntohl(last.s_addr);
	} else
		return false;
	return generator->flows > 0 && generator->flows <= TRAFFIC_FLOWS_MAX;
}

static void obey(struct traffic *traffic, char *line)
{
	char *word = strtok(line, " \n"), *key = strtok(NULL, " \n"), *value = strtok(NULL, " \n");

	if (!word)
		return;
	if (!strcmp(word, "set") && value && !traffic->running && set(traffic, key, value))
		puts("{}");
	else if (!strcmp(word, "start")) {
		start(traffic);
		puts("{}");
	} else if (!strcmp(word, "stop"))
		stop(traffic);
	else if (!strcmp(word, "run") && key) {
		start(traffic);
		usleep((useconds_t)atoi(key) * 1000);
		stop(traffic);
	} else
		fail("cannot obey: %s", word);
	fflush(stdout);
}

int main(int count, char **words)
{
	struct traffic traffic = {0};
	struct place spare;
	char line[256];

	if (count != 5) {
		fputs("usage: traffic traffic.bpf.o CLIENT:IF SERVER:IF SPARE:IF\n", stderr);
		return 2;
	}
	load(&traffic, words[1]);
	traffic.generator->flows = 1;
	parse_place(words[2], &traffic.client);
	parse_place(words[3], &traffic.server);
	parse_place(words[4], &spare);
	anchor(&traffic, &spare);
	attach(&traffic, &traffic.server, "take");
	attach(&traffic, &traffic.client, "measure");
	while (fgets(line, sizeof(line), stdin))
		obey(&traffic, line);
	if (traffic.running)
		stop(&traffic);
	return 0;
}
