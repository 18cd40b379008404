/* The packet path as the specification's checks see it: a program that takes orders on standard input
 * and tells on standard output everything that came of them.
 *
 * It links the very objects of the shipped path, and the compiler of configurations with the
 * console's own parser, so that a configuration is what an operator would type. The path's memory is
 * one block at a fixed place; a search saves and restores it by its changed cache lines. Nothing
 * here judges: it hands over frames, state and counters as they are.
 *
 * A message is a length (u32) and so many bytes of orders, one letter each; so is an answer. Numbers
 * are little-endian, addresses and ports as numbers too.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "appliance/compile.h"
#include "appliance/path/internal.h"
#include "appliance/replay_config.h"

enum {
	PAGE = 4096,
	LINE = 64,               /* bytes that a saved state keeps or leaves */
	CONFIGS_MAX = 256,
	SNAPSHOTS_MAX = 1 << 16,
	BATCH_FRAMES_MAX = 64,
	NOT_YET = 0xff,          /* an outcome's verdict before there is one */
};

/* A growing run of bytes. */
struct bytes {
	uint8_t *at;
	size_t used, room;
};

static void *grow(struct bytes *bytes, size_t size)
{
	if (bytes->used + size > bytes->room) {
		bytes->room = 2 * (bytes->used + size);
		bytes->at = realloc(bytes->at, bytes->room);
		if (!bytes->at)
			abort();
	}
	bytes->used += size;
	return bytes->at + bytes->used - size;
}

static void put(struct bytes *bytes, const void *from, size_t size)
{
	memcpy(grow(bytes, size), from, size);
}

#define PUT(type, value) put(&out, &(type){(type)(value)}, sizeof(type))

static struct bytes out;
static const uint8_t *order, *order_end;

static const void *take(size_t size)
{
	const void *at = order;

	if ((size_t)(order_end - order) < size) {
		fprintf(stderr, "shim: an order is cut short\n");
		exit(2);
	}
	order += size;
	return at;
}

#define TAKE(type) ({ type value_; memcpy(&value_, take(sizeof(type)), sizeof(type)); value_; })

/* ---- the appliance ---- */

static struct {
	struct path *path;
	uint8_t *memory;
	size_t size;
	struct compiler compiler;
	struct replay_config config[CONFIGS_MAX];
	struct snapshot *snapshot[SNAPSHOTS_MAX];
	unsigned configs, snapshots;
	struct interface_facts facts[INTERFACES_MAX];
	/* The batch under way. */
	struct outcome outcome[BATCH_FRAMES_MAX];
	struct frame frame[BATCH_FRAMES_MAX];
	const uint8_t *original[BATCH_FRAMES_MAX];
	uint8_t *allocated[BATCH_FRAMES_MAX];
	uint32_t length[BATCH_FRAMES_MAX];
	unsigned frames, told;
} world;

static void give_facts(void *context, const struct config_interface *interface, uint32_t index,
		       struct interface_facts *ret_facts)
{
	(void)context;
	(void)interface;
	*ret_facts = world.facts[index];
}

/* Tells the outcomes that stand, so that what leaves comes before that of the frame it is of. */
static void tell_outcomes(void)
{
	for (; world.told < world.frames &&
	       (unsigned)world.outcome[world.told].verdict != NOT_YET; world.told++) {
		const struct outcome *outcome = &world.outcome[world.told];
		const uint8_t *now = world.allocated[world.told] + FRAME_HEADROOM_MIN;

		PUT(uint8_t, 'o');
		PUT(uint8_t, outcome->verdict);
		PUT(uint8_t, memcmp(now, world.original[world.told], world.length[world.told]) != 0);
		PUT(uint32_t, outcome->backend);
		PUT(uint32_t, outcome->interface);
	}
}

static void on_send(void *context, const struct frame *frame)
{
	(void)context;
	tell_outcomes();
	PUT(uint8_t, 's');
	PUT(uint8_t, frame->interface);
	PUT(uint16_t, frame->vlan_tci);
	PUT(uint16_t, frame->vlan_tpid);
	put(&out, &frame->offload, sizeof(frame->offload));
	PUT(uint32_t, frame->length);
	put(&out, frame->data, frame->length);
}

static void on_event(void *context, const struct path_event *event)
{
	(void)context;
	tell_outcomes();
	PUT(uint8_t, 'e');
	PUT(uint8_t, event->type);
	PUT(uint32_t, event->id);
	PUT(uint32_t, from_be32(event->address));
	put(&out, &event->mac, sizeof(event->mac));
	PUT(uint32_t, event->interface);
	PUT(uint32_t, event->value);
	if (event->type == EVENT_TARGET_UP || event->type == EVENT_TARGET_DOWN)
		compiler_health(&world.compiler, event->id,
				event->type == EVENT_TARGET_UP ? HEALTH_UP : HEALTH_DOWN);
}

static void open_path(void)
{
	struct path_limits limits = {
		.flows = TAKE(uint32_t), .held_frame_size = TAKE(uint32_t), .seed = TAKE(uint64_t)};
	const struct path_output output = {.send = on_send, .event = on_event};

	world.size = (path_size(&limits) + PAGE - 1) / PAGE * PAGE;
	world.memory = mmap(NULL, world.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	if (world.memory == MAP_FAILED || compiler_init(&world.compiler, give_facts, NULL))
		abort();
	world.path = path_new(world.memory, &limits, &output);
}

/* Text of a script; answers its number. */
static void add_config(void)
{
	uint32_t size = TAKE(uint32_t);
	const void *text = take(size);
	char name[] = "/tmp/lb-spec-XXXXXX", error[512] = "";
	int file = mkstemp(name);

	if (file < 0 || write(file, text, size) != (ssize_t)size)
		abort();
	close(file);
	int said = dup(STDERR_FILENO), quiet = open("/dev/null", O_WRONLY);
	dup2(quiet, STDERR_FILENO);        /* warnings about odd configurations, which these are */
	int result = replay_config_run(&world.config[world.configs], name, error, sizeof(error));
	dup2(said, STDERR_FILENO);
	close(said);
	close(quiet);
	unlink(name);
	if (result) {
		fprintf(stderr, "shim: the script is refused: %s\n%.*s\n", error, (int)size,
			(const char *)text);
		exit(2);
	}
	PUT(uint32_t, world.configs++);
}

/* Compiles a configuration with the health that is known; answers the snapshot's number. It stays:
 * saved states point at it. */
static void compile_config(void)
{
	struct compiled *compiled;
	char error[512];

	uint32_t config = TAKE(uint32_t);
	if (compile(&world.compiler, world.config[config].config, &compiled, error,
		    sizeof(error))) {
		fprintf(stderr, "shim: %s\n", error);
		exit(2);
	}
	world.compiler.current = NULL;
	compile_accept(&world.compiler, compiled);
	world.snapshot[world.snapshots] = &compiled->snapshot;
	PUT(uint32_t, world.snapshots++);
}

static void set_interface(void)
{
	uint32_t index = TAKE(uint32_t);

	world.facts[index].up = TAKE(uint8_t);
	world.facts[index].mtu = TAKE(uint16_t);
}

/* What the checks of a snapshot's backend are to have said, for a snapshot to be compiled. */
static void set_health(void)
{
	uint32_t target = TAKE(uint32_t);
	uint8_t up = TAKE(uint8_t);

	compiler_health(&world.compiler, target, up ? HEALTH_UP : HEALTH_DOWN);
}

static void describe(void)
{
	const struct snapshot *snapshot = world.snapshot[TAKE(uint32_t)];

	PUT(uint32_t, snapshot->services);
	for (uint32_t i = 0; i < snapshot->services; i++) {
		PUT(uint32_t, snapshot->service[i].id);
		PUT(uint32_t, from_be32(snapshot->service[i].vip));
		PUT(uint16_t, from_be16(snapshot->service[i].port));
		PUT(uint8_t, snapshot->service[i].protocol);
		PUT(uint32_t, snapshot->service[i].pool);
	}
	PUT(uint32_t, snapshot->pools);
	for (uint32_t i = 0; i < snapshot->pools; i++) {
		const struct snapshot_pool *pool = &snapshot->pool[i];

		PUT(uint32_t, pool->count);
		for (uint32_t b = pool->first; b < pool->first + pool->count; b++) {
			const struct snapshot_backend *backend = &snapshot->backend[b];

			PUT(uint32_t, backend->id);
			PUT(uint32_t, from_be32(backend->address));
			PUT(uint16_t, from_be16(backend->port));
			PUT(uint32_t, backend->target == NONE ?
					      NONE : snapshot->target[backend->target].id);
		}
		PUT(uint8_t, pool->maglev != NULL);
		if (pool->maglev)
			put(&out, pool->maglev, MAGLEV_SIZE * sizeof(*pool->maglev));
	}
}

static void find_interface(void)
{
	uint8_t length = TAKE(uint8_t);
	char name[256] = "";

	memcpy(name, take(length), length);
	PUT(uint32_t, compiler_interface_index(&world.compiler, name));
}

static struct flow_tuple take_tuple(void)
{
	struct flow_tuple tuple = {.source = to_be32(TAKE(uint32_t))};

	tuple.destination = to_be32(TAKE(uint32_t));
	tuple.source_port = to_be16(TAKE(uint16_t));
	tuple.destination_port = to_be16(TAKE(uint16_t));
	tuple.protocol = TAKE(uint8_t);
	return tuple;
}

/* ---- frames and time ---- */

/* Each frame ends where its memory ends, so that a sanitizer sees who reads on. */
static void take_frame(unsigned i)
{
	struct frame *frame = &world.frame[i];

	*frame = (struct frame){.headroom = FRAME_HEADROOM_MIN};
	frame->interface = TAKE(uint8_t);
	frame->vlan_tci = TAKE(uint16_t);
	frame->vlan_tpid = TAKE(uint16_t);
	memcpy(&frame->offload, take(sizeof(frame->offload)), sizeof(frame->offload));
	frame->wire_length = TAKE(uint32_t);
	frame->length = TAKE(uint32_t);
	world.length[i] = frame->length;
	world.original[i] = take(frame->length);
	world.allocated[i] = malloc(FRAME_HEADROOM_MIN + frame->length);
	frame->data = world.allocated[i] + FRAME_HEADROOM_MIN;
	memcpy(frame->data, world.original[i], frame->length);
	world.outcome[i].verdict = (enum verdict)NOT_YET;
}

static void receive_batch(void)
{
	uint64_t now_ns = TAKE(uint64_t);

	world.frames = TAKE(uint8_t);
	world.told = 0;
	for (unsigned i = 0; i < world.frames; i++)
		take_frame(i);
	path_receive(world.path, world.frame, world.outcome, world.frames, now_ns);
	tell_outcomes();
	for (unsigned i = 0; i < world.frames; i++)
		free(world.allocated[i]);
	world.frames = 0;
}

static void tick(void)
{
	path_tick(world.path, TAKE(uint64_t));
	PUT(uint8_t, 't');
}

static void publish(void)
{
	uint64_t now_ns = TAKE(uint64_t);

	path_publish(world.path, world.snapshot[TAKE(uint32_t)], now_ns);
	PUT(uint8_t, 'p');
}

/* Ends what the snapshot has ended, as control does after it has published. */
static void sweep(void)
{
	uint32_t cursor = 0;

	path_sweep(world.path, &cursor, UINT32_MAX);
	PUT(uint8_t, 'w');
}

/* As path_clear_counters(), of what is there only: all slots are megabytes. */
static void clear_counters(void)
{
	struct path_counters *counters = &world.path->counters;
	const struct snapshot *snapshot = world.path->snapshot;

	for (uint32_t i = 0; i < INTERFACES_MAX && snapshot->interface[i].sides; i++) {
		uint64_t held = counters->interface[i].held;

		counters->interface[i] = (struct interface_counters){.received = held, .held = held};
	}
	counters->stateless = counters->vip_conflicts = counters->heartbeats = 0;
	for (uint32_t i = 0; i < snapshot->backends; i++) {
		struct backend_counters *of =
			&world.path->backend[snapshot->backend[i].id & SLOT_MASK].counters;

		*of = (struct backend_counters){.active_flows = of->active_flows};
	}
	for (uint32_t i = 0; i < snapshot->services; i++) {
		struct service_counters *of =
			&world.path->service[snapshot->service[i].id & SLOT_MASK].counters;

		*of = (struct service_counters){.active_flows = of->active_flows};
	}
}

/* ---- the whole state ---- */

static void put_flow(const struct flow_table *table, uint32_t index)
{
	const struct flow *flow = flow_at(table, index);
	const struct flow_meter none = {.left = {FLOW_NO_LIMIT, FLOW_NO_LIMIT}}, *meter;

	PUT(uint32_t, index);
	PUT(uint32_t, from_be32(flow->forward.source));
	PUT(uint32_t, from_be32(flow->forward.destination));
	PUT(uint16_t, from_be16(flow->forward.source_port));
	PUT(uint16_t, from_be16(flow->forward.destination_port));
	PUT(uint8_t, flow->forward.protocol);
	PUT(uint32_t, from_be32(flow->backend_address));
	PUT(uint16_t, from_be16(flow->backend_port));
	PUT(uint32_t, from_be32(flow->source_address));
	PUT(uint16_t, from_be16(flow->source_port));
	PUT(uint32_t, flow->backend);
	PUT(uint32_t, flow->service);
	PUT(uint32_t, flow->frontend);
	PUT(uint8_t, flow->state);
	PUT(uint8_t, flow->seen);
	PUT(uint8_t, flow->mode);
	PUT(uint8_t, flow->proxy);
	PUT(uint64_t, flow->last_ns);
	PUT(uint64_t, flow_created_ns(table, flow));
	PUT(uint64_t, flow_end_ns(table, flow));
	meter = flow_meter_of(table, flow) ? flow_meter_of(table, flow) : &none;
	PUT(uint32_t, meter->left[FLOW_FORWARD]);
	PUT(uint32_t, meter->left[FLOW_REPLY]);
}

static void put_flows(void)
{
	const struct flow_table *table = path_flows(world.path);

	PUT(uint32_t, table->live);
	PUT(uint32_t, table->half_open);
	PUT(uint64_t, table->created);
	put(&out, table->closed, sizeof(table->closed));
	size_t count_at = out.used;
	uint32_t count = 0;
	PUT(uint32_t, 0);
	for (uint32_t i = 0; i < table->capacity; i++)
		if (flow_at(table, i)) {
			put_flow(table, i);
			count++;
		}
	memcpy(out.at + count_at, &count, sizeof(count));
}

static void put_counters(void)
{
	const struct path_counters *counters = path_counters(world.path);
	const struct snapshot *snapshot = world.path->snapshot;
	uint32_t interfaces = 0;

	while (interfaces < INTERFACES_MAX && snapshot->interface[interfaces].sides)
		interfaces++;
	PUT(uint64_t, counters->stateless);
	PUT(uint64_t, counters->vip_conflicts);
	PUT(uint64_t, counters->checks_sent);
	PUT(uint64_t, counters->heartbeats);
	PUT(uint32_t, interfaces);
	for (uint32_t i = 0; i < interfaces; i++) {
		const struct interface_counters *c = &counters->interface[i];

		PUT(uint64_t, c->received);
		PUT(uint64_t, c->received_bytes);
		PUT(uint64_t, c->sent);
		PUT(uint64_t, c->sent_bytes);
		PUT(uint64_t, c->originated);
		PUT(uint64_t, c->held);
		put(&out, c->verdict, sizeof(c->verdict));
	}
	PUT(uint32_t, snapshot->services);
	for (uint32_t i = 0; i < snapshot->services; i++) {
		const struct service_counters *c =
			path_service_counters(world.path, snapshot->service[i].id);

		PUT(uint32_t, snapshot->service[i].id);
		PUT(uint64_t, c->packets);
		PUT(uint64_t, c->bytes);
		PUT(uint64_t, c->reply_packets);
		PUT(uint64_t, c->reply_bytes);
		PUT(uint64_t, c->total_flows);
		PUT(uint64_t, c->no_backend);
		PUT(uint64_t, c->active_flows);
	}
	PUT(uint32_t, snapshot->backends);
	for (uint32_t i = 0; i < snapshot->backends; i++) {
		const struct backend_counters *c =
			path_backend_counters(world.path, snapshot->backend[i].id);

		PUT(uint32_t, snapshot->backend[i].id);
		PUT(uint64_t, c->packets);
		PUT(uint64_t, c->bytes);
		PUT(uint64_t, c->reply_packets);
		PUT(uint64_t, c->reply_bytes);
		PUT(uint64_t, c->total_flows);
		PUT(uint64_t, c->active_flows);
	}
	PUT(uint32_t, snapshot->targets);
	for (uint32_t i = 0; i < snapshot->targets; i++) {
		PUT(uint32_t, snapshot->target[i].id);
		PUT(uint8_t, path_target_health(world.path, snapshot->target[i].id) == HEALTH_UP);
	}
}

static void put_neighbors(void)
{
	size_t count_at = out.used;
	struct neighbor_view view;
	uint32_t cursor = 0, count = 0;

	PUT(uint32_t, 0);
	while (neighbor_next(world.path, &cursor, &view)) {
		PUT(uint32_t, view.interface);
		PUT(uint32_t, from_be32(view.address));
		put(&out, &view.mac, sizeof(view.mac));
		PUT(uint8_t, view.is_static ? 'S' : view.state[0]);
		PUT(uint32_t, view.held);
		count++;
	}
	memcpy(out.at + count_at, &count, sizeof(count));
}

/* ---- saved states: the cache lines that differ from when the search began ---- */

struct saved {
	uint32_t lines;
	struct { uint32_t at; uint8_t bytes[LINE]; } line[];
};

static struct {
	uint8_t *memory;         /* a copy of the path's */
	uint8_t *written;        /* by page */
	uint32_t *page;          /* those that were ever written since */
	uint32_t pages;
	struct saved **saved;
	uint32_t count, room, *unused, unused_count;
} base;

/* A page is write-protected until the first write to it, which makes it one of those to look at. */
static void on_write(int signal, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;

	(void)context;
	if (!base.memory || at < world.memory || at >= world.memory + world.size) {
		struct sigaction plain = {.sa_handler = SIG_DFL};

		sigaction(signal, &plain, NULL);
		return;
	}
	uint32_t page = (uint32_t)((at - world.memory) / PAGE);

	base.page[base.pages++] = page;
	base.written[page] = 1;
	mprotect(world.memory + (size_t)page * PAGE, PAGE, PROT_READ | PROT_WRITE);
}

static void begin_search(void)
{
	const struct sigaction action = {.sa_sigaction = on_write, .sa_flags = SA_SIGINFO};

	base.memory = malloc(world.size);
	base.written = calloc(world.size / PAGE, 1);
	base.page = calloc(world.size / PAGE, sizeof(*base.page));
	if (!base.memory || !base.written || !base.page || sigaction(SIGSEGV, &action, NULL))
		abort();
	memcpy(base.memory, world.memory, world.size);
	mprotect(world.memory, world.size, PROT_READ);
}

static void save(void)
{
	struct bytes bytes = {0};
	uint32_t lines = 0;

	PUT(uint8_t, 'S');
	put(&bytes, &lines, sizeof(lines));
	for (uint32_t i = 0; i < base.pages; i++) {
		size_t page = (size_t)base.page[i] * PAGE;

		for (size_t at = page; at < page + PAGE; at += LINE) {
			if (!memcmp(world.memory + at, base.memory + at, LINE))
				continue;
			put(&bytes, &(uint32_t){(uint32_t)(at / LINE)}, sizeof(uint32_t));
			put(&bytes, world.memory + at, LINE);
			lines++;
		}
	}
	memcpy(bytes.at, &lines, sizeof(lines));
	uint32_t place = base.unused_count ? base.unused[--base.unused_count] : base.count++;
	if (place >= base.room) {
		base.room = 2 * place + 64;
		base.saved = realloc(base.saved, base.room * sizeof(*base.saved));
		base.unused = realloc(base.unused, base.room * sizeof(*base.unused));
	}
	base.saved[place] = realloc(bytes.at, bytes.used);
	PUT(uint32_t, place);
}

static void load(void)
{
	const struct saved *saved = base.saved[TAKE(uint32_t)];

	for (uint32_t i = 0; i < base.pages; i++) {
		size_t page = (size_t)base.page[i] * PAGE;

		memcpy(world.memory + page, base.memory + page, PAGE);
	}
	for (uint32_t i = 0; i < saved->lines; i++)
		memcpy(world.memory + (size_t)saved->line[i].at * LINE, saved->line[i].bytes, LINE);
}

static void discard(void)
{
	uint32_t place = TAKE(uint32_t);

	free(base.saved[place]);
	base.saved[place] = NULL;
	base.unused[base.unused_count++] = place;
}

static void tell_names(void)
{
	PUT(uint8_t, VERDICT_COUNT);
	for (unsigned v = 0; v < VERDICT_COUNT; v++) {
		const char *name = verdict_name((enum verdict)v);

		PUT(uint8_t, strlen(name));
		put(&out, name, strlen(name));
	}
}

static void obey(char letter)
{
	switch (letter) {
	case 'O': open_path(); break;
	case 'V': tell_names(); break;
	case 'G': add_config(); break;
	case 'I': set_interface(); break;
	case 'H': set_health(); break;
	case 'C': compile_config(); break;
	case 'M': describe(); break;
	case 'N': find_interface(); break;
	case 'h': {
		struct flow_tuple tuple = take_tuple();
		PUT(uint64_t, flow_hash(&tuple, TAKE(uint64_t)));
		break;
	}
	case 'B': receive_batch(); break;
	case 'T': tick(); break;
	case 'P': publish(); break;
	case 'W': sweep(); break;
	case 'R': clear_counters(); break;
	case 'D': PUT(uint8_t, 'D'); put_flows(); put_counters(); break;
	case 'F': PUT(uint8_t, 'F'); put_flows(); break;
	case 'A': PUT(uint8_t, 'A'); put_neighbors(); break;
	case '0': begin_search(); break;
	case 'S': save(); break;
	case 'L': load(); break;
	case 'Z': discard(); break;
	default:
		fprintf(stderr, "shim: no order '%c'\n", letter);
		exit(2);
	}
}

static int read_whole(void *to, size_t size)
{
	return fread(to, 1, size, stdin) == size;
}

int main(void)
{
	uint8_t *orders = NULL;
	uint32_t size, room = 0;

	while (read_whole(&size, sizeof(size))) {
		if (size > room)
			orders = realloc(orders, room = 2 * size);
		if (!orders || !read_whole(orders, size))
			return 2;
		order = orders;
		order_end = orders + size;
		out.used = 0;
		while (order < order_end)
			obey((char)*order++);
		size = (uint32_t)out.used;
		if (fwrite(&size, sizeof(size), 1, stdout) != 1 ||
		    fwrite(out.at, 1, size, stdout) != size || fflush(stdout))
			return 2;
	}
	return 0;
}
