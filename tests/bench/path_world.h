/* One whole packet path without rings, as `lbd` would have it from a configuration script: the same
 * session, the same compiler, memory in huge pages as the packet thread takes it. What leaves goes
 * to a callback that keeps nothing, but while the bench learns what replies to its flows look like.
 */
#ifndef TESTS_BENCH_PATH_WORLD_H
#define TESTS_BENCH_PATH_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "appliance/path/path.h"
#include "appliance/replay_config.h"

enum { SENTENCE_SIZE = 1024, MTU = 1500 };

static const size_t huge_page = 2 << 20;
static const uint64_t tick_ns = 1000000; /* as the packet thread, while frames come */

struct world {
	struct replay_config config;
	struct compiler compiler;
	struct path *path;
	void *memory;
	size_t memory_size;
	uint64_t now_ns, next_tick_ns;
	void (*learn)(void *context, const struct frame *frame); /* NULL: nobody looks */
	void *learn_context;
};

_Noreturn static void fail(const char *sentence)
{
	fprintf(stderr, "path bench: %s\n", sentence);
	exit(EXIT_FAILURE);
}

static void world_send(void *context, const struct frame *frame)
{
	const struct world *world = context;

	if (world->learn)
		world->learn(world->learn_context, frame);
}

static void world_event(void *context, const struct path_event *event)
{
	(void)context;
	(void)event;
}

/* MACs are 02:00:00:00:00:NN with NN the place in the script plus one. */
static void world_facts(void *context, const struct config_interface *interface, uint32_t index,
			struct interface_facts *ret_facts)
{
	const struct world *world = context;
	unsigned order = replay_config_order(&world->config, interface->name);

	(void)index;
	*ret_facts = (struct interface_facts){
		.up = true, .mac = {2, 0, 0, 0, 0, (uint8_t)(order + 1)}, .mtu = MTU};
}

static void world_take_memory(struct world *world, const struct path_limits *limits)
{
	world->memory_size = (path_size(limits) + huge_page - 1) & ~(huge_page - 1);
	/* One page more, so that the rest can begin at a huge one's edge. */
	uint8_t *memory = mmap(NULL, world->memory_size + huge_page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("not enough memory for the flow table");
	world->memory = memory + (-(uintptr_t)memory & (huge_page - 1));
	madvise(world->memory, world->memory_size, MADV_HUGEPAGE);
}

static void world_start(struct world *world, const char *script)
{
	struct compiled *compiled;
	char error[SENTENCE_SIZE] = "";

	if (replay_config_run(&world->config, script, error, sizeof(error)) ||
	    compiler_init(&world->compiler, world_facts, world))
		fail(error);
	const struct config_global *global = config_global(world->config.config);
	struct path_limits limits = {
		.flows = global->flow_table, .held_frame_size = MTU + ETHERNET_SIZE,
		.seed = global->seed};

	world_take_memory(world, &limits);
	world->path = path_new(world->memory, &limits, &(struct path_output){
		.context = world, .send = world_send, .event = world_event});
	if (compile(&world->compiler, world->config.config, &compiled, error, sizeof(error)))
		fail(error);
	world->now_ns = 1000000000;
	path_publish(world->path, &compiled->snapshot, world->now_ns);
	compile_accept(&world->compiler, compiled);
}

/* Index of the interface with this place in the script. */
static uint16_t world_interface(const struct world *world, unsigned order)
{
	return (uint16_t)compiler_interface_index(&world->compiler,
						  world->config.interface[order]);
}

static void world_pass_time(struct world *world, uint64_t ns)
{
	world->now_ns += ns;
	if (world->next_tick_ns <= world->now_ns) {
		path_tick(world->path, world->now_ns);
		world->next_tick_ns = world->now_ns + tick_ns;
	}
}

static void world_stop(struct world *world)
{
	compiler_fini(&world->compiler);
	replay_config_free(&world->config);
}

#endif
