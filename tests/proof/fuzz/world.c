#include "tests/proof/fuzz/world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "appliance/compile.h"
#include "appliance/replay_config.h"

enum { WORLDS_MAX = 32, TEXT_MAX = 65536, MTU = 1500, FLOWS = 16, FRAMES = 300 };

/* What a section says beside its script. */
struct section {
	char name[WORLD_NAME_SIZE];
	char script[TEXT_MAX];
	char orders[TEXT_MAX];
};

struct load {
	struct world *world;
	struct compiler compiler;
	struct members members;
	const char *orders;
	unsigned epoch;
};

static struct world worlds[WORLDS_MAX];
static unsigned world_count;

static void die(const char *world, const char *what)
{
	fprintf(stderr, "worlds/%s.conf: %s\n", world, what);
	exit(2);
}

/* The text after an order's word, or NULL; from *rest on, which goes behind it. */
static const char *next_order(const char **rest, const char *word)
{
	size_t length = strlen(word);

	while (**rest) {
		const char *line = *rest, *end = strchr(line, '\n');

		*rest = end + 1;
		if (strncmp(line, word, length) == 0 && (line[length] == ' ' || line[length] == '\n'))
			return line + length + (line[length] == ' ');
	}
	return NULL;
}

static bool has_order(const char *orders, const char *word)
{
	return next_order(&orders, word);
}

static uint32_t number_of(const char *orders, const char *word, uint32_t otherwise)
{
	const char *order = next_order(&orders, word);

	return order ? (uint32_t)strtoul(order, NULL, 10) : otherwise;
}

static void facts(void *context, const struct config_interface *interface, uint32_t index,
		  struct interface_facts *ret_facts)
{
	const struct load *load = context;
	const char *rest = load->orders, *order;
	char name[INTERFACE_NAME_SIZE];
	unsigned mtu;

	*ret_facts = (struct interface_facts){
		.up = true, .mac = {2, 0, 0, 0, 0, (uint8_t)(index + 1)}, .mtu = MTU};
	while ((order = next_order(&rest, "!mtu")))
		if (sscanf(order, "%15s %u", name, &mtu) == 2 && !strcmp(name, interface->name))
			ret_facts->mtu = (uint16_t)mtu;
	for (rest = load->orders; (order = next_order(&rest, "!down"));)
		if (sscanf(order, "%15s", name) == 1 && !strcmp(name, interface->name))
			ret_facts->up = false;
}

/* "!member CHECK ADDRESS PORT INTERFACE": has registered by a heartbeat. */
static void join(struct load *load, const struct config *config)
{
	const char *rest = load->orders, *order;

	while ((order = next_order(&rest, "!member"))) {
		struct member member = {.mac = {.set = true, .byte = {2, 0, 0, 0, 9, 9}}};
		const struct config_check *check;
		char address[32];
		unsigned port;

		if (sscanf(order, "%31s %31s %u %15s", member.check, address, &port,
			   member.interface) != 4 ||
		    parse_address(address, &member.address.address) ||
		    !(check = config_find_name(config, KIND_CHECK, member.check)))
			die(load->world->name, "!member CHECK ADDRESS PORT INTERFACE");
		member.address.port = (uint16_t)port;
		members_join(&load->members, check, &member);
	}
}

/* "!health down" or "!health down ADDRESS": what the tables are built for; else all are up. */
static void set_health(struct load *load, const struct config *config)
{
	for (unsigned i = 0; i < config_count(config, KIND_BACKEND); i++) {
		const struct config_backend *backend = config_at(config, KIND_BACKEND, i);
		uint32_t target = compiler_target_id(&load->compiler, config, backend);
		const char *rest = load->orders, *order;
		enum health health = HEALTH_UP;
		char address[32];

		while ((order = next_order(&rest, "!health"))) {
			be32 down;

			if (sscanf(order, "down %31s", address) != 1 ||
			    (!parse_address(address, &down) && same32(down, backend->address.address)))
				health = HEALTH_DOWN;
		}
		if (target != NONE)
			compiler_health(&load->compiler, target, health);
	}
}

/* What is said on stderr meanwhile goes to `to`: warnings of a world that is meant so. */
static int run_quietly(struct replay_config *replay, const char *name, int to, char *error,
		       size_t error_size)
{
	int kept = dup(STDERR_FILENO), result;

	dup2(to, STDERR_FILENO);
	result = replay_config_run(replay, name, error, error_size);
	dup2(kept, STDERR_FILENO);
	close(kept);
	return result;
}

static struct config *read_config(const char *world, const char *script)
{
	struct replay_config replay = {.config = NULL};
	int file = memfd_create(world, MFD_CLOEXEC), said = memfd_create("said", MFD_CLOEXEC);
	char name[64], error[512] = "", text[4096] = "";

	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	if (file < 0 || said < 0 || write(file, script, strlen(script)) < 0)
		die(world, "no memory");
	if (run_quietly(&replay, name, said, error, sizeof(error))) {
		if (pread(said, text, sizeof(text) - 1, 0) > 0)
			fputs(text, stderr);
		die(world, *error ? error : "its script is wrong");
	}
	close(file);
	close(said);
	return replay.config;
}

/* "!slots N": so few that a slot soon has another owner, which in service takes years. */
static void limit_slots(struct compiler *compiler, uint32_t slots)
{
	slots_free(compiler->services);
	slots_free(compiler->backends);
	slots_free(compiler->targets);
	compiler->services = slots_new(slots);
	compiler->backends = slots_new(slots);
	compiler->targets = slots_new(slots);
}

static void add_variant(struct load *load, const struct section *section)
{
	struct world *world = load->world;
	struct compiler *compiler = &load->compiler;
	struct config *config = read_config(world->name, section->script), *served;
	bool first = !world->variants, keeps = first || has_order(section->orders, "!commit");
	struct compiled *compiled;
	char error[512];

	if (world->variants == WORLD_VARIANTS_MAX)
		die(world->name, "too many sections");
	if (first && has_order(section->orders, "!slots"))
		limit_slots(compiler, number_of(section->orders, "!slots", 0));
	load->orders = section->orders;
	load->epoch += has_order(section->orders, "!epoch");
	keeps = keeps || has_order(section->orders, "!epoch");
	members_free(&load->members);
	load->members = (struct members){0};
	join(load, config);
	served = members_serve(&load->members, config);
	set_health(load, served);
	compiler->members = &load->members;
	compiler->new_is_up = !has_order(section->orders, "!health");
	if (compile(compiler, served, &compiled, error, sizeof(error)))
		die(world->name, error);
	if (keeps) {
		compiler->current = NULL; /* which is another variant, and stays */
		compile_accept(compiler, compiled);
	} else {
		slots_abort(compiler->interfaces);
		slots_abort(compiler->services);
		slots_abort(compiler->backends);
		slots_abort(compiler->targets);
		slots_abort(compiler->registrations);
	}
	struct world_variant *variant = &world->variant[world->variants++];
	variant->snapshot = &compiled->snapshot;
	variant->epoch = load->epoch;
	memcpy(variant->name, section->name, sizeof(variant->name));
	config_free(served);
	config_free(config);
}

static void add_address(struct world *world, be32 address)
{
	for (unsigned i = 0; i < world->addresses; i++)
		if (same32(world->address[i], address))
			return;
	if (world->addresses < WORLD_ADDRESSES_MAX)
		world->address[world->addresses++] = address;
}

static void add_port(struct world *world, uint16_t port)
{
	for (unsigned i = 0; i < world->ports; i++)
		if (world->port[i] == port)
			return;
	if (world->ports < WORLD_PORTS_MAX)
		world->port[world->ports++] = port;
}

/* Clients, strangers, and addresses that no host has. */
static const char *const strangers[] = {
	"198.51.100.7", "198.51.100.8", "192.0.2.33", "10.0.0.77", "198.51.100.255", "224.0.0.5",
	"255.255.255.255", "127.0.0.1", "0.0.0.0", "203.0.113.99",
};

static void collect_names(struct world *world)
{
	const struct snapshot *snapshot = world->variant[0].snapshot;
	be32 address;

	parse_address(strangers[0], &address);
	add_address(world, address);
	for (uint32_t i = 0; i < snapshot->locals; i++)
		add_address(world, snapshot->local[i].address);
	for (uint32_t i = 0; i < snapshot->backends && i < 8; i++)
		add_address(world, snapshot->backend[i].address);
	for (uint32_t i = 0; i < snapshot->neighbors; i++)
		add_address(world, snapshot->neighbor[i].address);
	for (uint32_t i = 0; i < snapshot->routes; i++)
		if (snapshot->route[i].via.raw)
			add_address(world, snapshot->route[i].via);
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		parse_address(strangers[i], &address);
		add_address(world, address);
	}
	add_port(world, 40000);
	for (uint32_t i = 0; i < snapshot->services; i++)
		add_port(world, from_be16(snapshot->service[i].port));
	for (uint32_t i = 0; i < snapshot->backends; i++)
		add_port(world, from_be16(snapshot->backend[i].port));
	for (uint32_t i = 0; i < snapshot->targets; i++)
		add_port(world, from_be16(snapshot->target[i].heartbeat_port));
	for (uint32_t i = 0; i < snapshot->registrations; i++)
		add_port(world, from_be16(snapshot->registration[i].heartbeat_port));
	add_port(world, 0);
	add_port(world, 9);
	add_port(world, 61440);
	add_port(world, 1024);
}

static void *map(void *at, size_t size, int flags, int file)
{
	void *memory = mmap(at, size, PROT_READ | PROT_WRITE, flags | (at ? MAP_FIXED : 0), file, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return memory;
}

static void build_path(struct world *world, const char *orders, const struct path_output *output)
{
	struct path_limits limits = {.held_frame_size = 1514, .seed = 1};
	int file = memfd_create(world->name, MFD_CLOEXEC);

	limits.flows = number_of(orders, "!flows", FLOWS);
	world->frames = number_of(orders, "!frames", FRAMES);
	world->memory_size = path_size(&limits);
	if (file < 0 || ftruncate(file, (off_t)world->memory_size))
		die(world->name, "no memory");
	world->memory = map(NULL, world->memory_size, MAP_SHARED, file);
	world->path = path_new(world->memory, &limits, output);
	path_set_wall_clock(world->path, WORLD_WALL_NS);
	path_publish(world->path, world->variant[0].snapshot, WORLD_START_NS);
	map(world->memory, world->memory_size, MAP_PRIVATE, file);
	close(file);
}

void world_reset(struct world *world)
{
	madvise(world->memory, world->memory_size, MADV_DONTNEED);
}

/* Lines of the first section are in every other one as well. */
static void add_line(struct section *section, const char *line)
{
	char *to = *line == '!' ? section->orders : section->script;

	if (strlen(to) + strlen(line) + 1 > TEXT_MAX)
		die(section->name, "too long");
	strcat(to, line);
}

static void load_world(const char *directory, const char *name, const struct path_output *output)
{
	static struct section first, section;
	static struct load loads[WORLDS_MAX];
	struct load *load = &loads[world_count];
	struct world *world = &worlds[world_count++];
	char file[512], line[512];
	bool in_first;
	FILE *stream;

	snprintf(world->name, sizeof(world->name), "%.*s", (int)strcspn(name, "."), name);
	snprintf(file, sizeof(file), "%s/%s", directory, name);
	load->world = world;
	first = (struct section){.name = "first"};
	compiler_init(&load->compiler, facts, load);
	in_first = true;
	stream = fopen(file, "re");
	if (!stream)
		die(world->name, "cannot be read");
	while (fgets(line, sizeof(line), stream)) {
		if (strncmp(line, "== ", 3) != 0) {
			add_line(in_first ? &first : &section, line);
			continue;
		}
		add_variant(load, in_first ? &first : &section);
		in_first = false;
		section = first;
		snprintf(section.name, sizeof(section.name), "%.*s", (int)strcspn(line + 3, "\n"),
			 line + 3);
	}
	fclose(stream);
	add_variant(load, in_first ? &first : &section);
	collect_names(world);
	build_path(world, first.orders, output);
}

static int is_world(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && strcmp(end, ".conf") == 0;
}

void worlds_load(const char *directory, const struct path_output *output)
{
	struct dirent **entry;
	int count = scandir(directory, &entry, is_world, alphasort);

	if (count < 1 || count > WORLDS_MAX) {
		fprintf(stderr, "%s: no worlds to fuzz in\n", directory);
		exit(2);
	}
	for (int i = 0; i < count; i++) {
		load_world(directory, entry[i]->d_name, output);
		free(entry[i]);
	}
	free(entry);
}

unsigned worlds_count(void)
{
	return world_count;
}

struct world *world_at(unsigned index)
{
	return &worlds[index];
}
