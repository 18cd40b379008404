/* A packet of a flow that was asked everything under this snapshot is not asked again. It must not show:
 * two appliances get the same frames, at the same times, under the same changes; in one of them nothing
 * that was asked before counts. What leaves, what is counted and what stays must be alike. */
#include "world.h"

#include "appliance/path/internal.h"

enum { STEPS = 6000, CLIENTS = 6, PORTS = 3, CLIENT_PORT = 40000, TIME_STEP_MS_MAX = 4000 };

static const char *const clients[CLIENTS] = {
	"198.51.100.7", "198.51.100.8", "198.51.100.255", "198.51.100.1", "192.0.2.3", "10.0.0.11",
};
static const char *const vips[] = {"203.0.113.10", "203.0.113.11"};
static const char *const backends[] = {"10.0.0.11", "10.0.0.12"};

struct setting {
	const char *mode, *protocol, *check; /* NULL: no check */
	const char *role;                    /* of the backends' interface */
	const char *forwarding;
};

static uint32_t dice;

static uint32_t roll(uint32_t sides)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % sides;
}

static struct world *world_of(const struct setting *setting)
{
	struct world *world = world_new(64);
	char address[2][64];

	for (int i = 0; i < 2; i++)
		snprintf(address[i], sizeof(address[i]), "%s:53/%s", vips[i], setting->protocol);
	world_change(world, VERB_SET, KIND_GLOBAL, "forwarding", setting->forwarding, NULL);
	world_add(world, KIND_INTERFACE, "name", "ext", "role", "frontend", "address", "198.51.100.1/24");
	world_add(world, KIND_INTERFACE, "name", "int", "role", setting->role, "address", "10.0.0.1/24");
	world_add(world, KIND_NEIGHBOR, "address", "198.51.100.7", "mac", "02:00:00:00:07:07",
		  "interface", "ext");
	world_add(world, KIND_NEIGHBOR, "address", "10.0.0.11", "mac", "02:00:00:00:00:11",
		  "interface", "int");
	world_add(world, KIND_ROUTE, "prefix", "0.0.0.0/0", "via", "198.51.100.7");
	if (setting->check)
		world_add(world, KIND_CHECK, "name", "alive", "type", "heartbeat", "from",
			  setting->check, "timeout", "3");
	world_add(world, KIND_POOL, "name", "web");
	if (setting->check)
		world_set(world, KIND_POOL, "name", "web", "check", "alive");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:53");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:5353");
	world_add(world, KIND_SERVICE, "name", "one", "address", address[0], "pool", "web", "mode",
		  setting->mode);
	world_add(world, KIND_SERVICE, "name", "two", "address", address[1], "pool", "web");
	world_publish(world);
	return world;
}

static void change(struct world *world, uint32_t what)
{
	static const char *const states[] = {"enabled", "drain", "disabled", "enabled"};

	if (what < 4)
		world_change(world, VERB_SET, KIND_BACKEND, "pool", "web", "address",
			     "10.0.0.11:53", "admin", states[what], NULL);
	else if (what < 8)
		world_change(world, VERB_SET, KIND_SERVICE, "name", "one", "admin",
			     what == 4 ? "disabled" : "enabled", NULL);
	else
		world->down[what % 2] = what == 8;
	world_publish(world);
}

static struct world_packet some_packet(const struct setting *setting)
{
	static const uint8_t flags[] = {TCP_ACK, TCP_ACK, TCP_ACK, TCP_ACK | TCP_PSH, TCP_SYN,
					TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST};
	bool is_reply = roll(2);
	struct world_packet packet = {
		.in = roll(8) ? (is_reply ? "int" : "ext") : (is_reply ? "ext" : "int"),
		.source = clients[roll(CLIENTS)],
		.destination = vips[roll(2)],
		.source_port = (uint16_t)(CLIENT_PORT + roll(PORTS)),
		.destination_port = 53,
		.protocol = strcmp(setting->protocol, "tcp") ? PROTOCOL_NUMBER_UDP :
							       PROTOCOL_NUMBER_TCP,
		.tcp_flags = flags[roll(8)],
		.ttl = roll(20) ? 64 : 1,
		.fragment = (uint16_t)(roll(20) ? 0 : roll(2) ? IPV4_MORE_FRAGMENTS : 5),
		.id = (uint16_t)roll(4),
		.payload = 8 * roll(5),
		.padding = roll(2) * 6,
	};

	if (is_reply) {
		packet.destination = packet.source;
		packet.destination_port = packet.source_port;
		packet.source = backends[roll(2)];
		packet.source_port = roll(2) ? 53 : 5353;
	}
	return packet;
}

/* The reply of a flow that is there, as its backend sends it: the way back of fullnat is not guessed. */
static void aim_at_flow(struct world *world, struct frame *frame)
{
	const struct flow *flow = flow_at(path_flows(world->path), roll(8));
	struct ipv4 *ip = (struct ipv4 *)(frame->data + ETHERNET_SIZE);
	struct udp *ports = (struct udp *)(ip + 1);

	if (!flow)
		return;
	frame->interface = (uint16_t)world_interface(world, "int");
	frame->data[5] = (uint8_t)(frame->interface + 1);
	ip->source = flow->backend_address;
	ip->destination = flow->source_address;
	ports->source = flow->backend_port;
	ports->destination = flow->source_port;
	ip->checksum = (be16){0};
	ip->checksum = checksum_of(ip, IPV4_SIZE_MIN);
}

static void assert_alike(struct world *a, struct world *b)
{
	const struct flow_table *flows[2] = {path_flows(a->path), path_flows(b->path)};

	assert_int_equal(a->sent, b->sent);
	for (unsigned i = 0; i < a->sent; i++) {
		assert_int_equal(a->frame[i].frame.length, b->frame[i].frame.length);
		assert_int_equal(a->frame[i].frame.interface, b->frame[i].frame.interface);
		assert_memory_equal(a->frame[i].bytes, b->frame[i].bytes, a->frame[i].frame.length);
	}
	assert_int_equal(a->events, b->events);
	assert_memory_equal(path_counters(a->path), path_counters(b->path),
			    sizeof(struct path_counters));
	assert_memory_equal(flows[0]->closed, flows[1]->closed, sizeof(flows[0]->closed));
	assert_int_equal(flows[0]->created, flows[1]->created);
	assert_int_equal(flows[0]->half_open, flows[1]->half_open);
	for (uint32_t i = 0; i < flows[0]->capacity; i++)
		assert_memory_equal(&flows[0]->flow[i], &flows[1]->flow[i],
				    offsetof(struct flow, vetted));
	for (uint32_t i = 0; i < 2; i++) {
		assert_memory_equal(&a->path->backend[i].counters, &b->path->backend[i].counters,
				    sizeof(struct backend_counters));
		assert_memory_equal(&a->path->service[i].counters, &b->path->service[i].counters,
				    sizeof(struct service_counters));
	}
}

static uint32_t vetted_flows(const struct world *world)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < 64; i++) {
		const struct flow *flow = flow_at(path_flows(world->path), i);

		count += flow && flow->epoch == world->path->epoch && flow->vetted;
	}
	return count;
}

enum { BATCH_MAX = 4, BUFFER = 256 };

/* The same batch, built in this world: what it has sent before decides some of it. */
static void receive_batch(struct world *world, const struct world_packet packets[BATCH_MAX],
			  unsigned count, uint32_t seed, struct outcome outcomes[BATCH_MAX])
{
	static uint8_t buffers[BATCH_MAX][BUFFER];
	struct frame frames[BATCH_MAX];

	dice = seed;
	for (unsigned i = 0; i < count; i++) {
		frames[i] = world_build(world, &packets[i]);
		if (!roll(3))
			aim_at_flow(world, &frames[i]);
		frames[i].data[0] |= !roll(20); /* for many, by its MAC */
		memcpy(buffers[i], world->input, BUFFER);
		frames[i].data = buffers[i] + (frames[i].data - world->input);
	}
	path_receive(world->path, frames, outcomes, count, world->now_ns);
	world_check_laws(world);
}

static void step(struct world *a, struct world *b, const struct setting *setting)
{
	uint32_t what = roll(500), wait_ms = roll(10) ? 0 : roll(TIME_STEP_MS_MAX);
	unsigned count = 1 + roll(BATCH_MAX);
	struct world_packet packets[BATCH_MAX];
	struct world *worlds[2] = {a, b};
	struct outcome outcomes[2][BATCH_MAX];

	for (unsigned i = 0; i < count; i++)
		packets[i] = some_packet(setting);
	uint32_t seed = dice;
	for (int i = 0; i < 2; i++) {
		struct world *world = worlds[i];

		world->events = 0;
		world->now_ns += UINT64_C(1000000) * wait_ms;
		if (what < 10)
			change(world, what);
		world->sent = 0;
		path_tick(world->path, world->now_ns);
		receive_batch(world, packets, count, seed, outcomes[i]);
	}
	assert_memory_equal(outcomes[0], outcomes[1], count * sizeof(outcomes[0][0]));
	assert_alike(a, b);
	b->path->epoch++;
}

static void what_is_known_of_a_flow_does_not_show(void **state)
{
	static const struct setting settings[] = {
		{"nat", "udp", NULL, "backend", "off"},   {"nat", "tcp", NULL, "backend", "on"},
		{"fullnat", "tcp", NULL, "both", "off"},  {"dsr", "udp", NULL, "both", "on"},
		{"gue", "tcp", NULL, "backend", "off"},   {"nat", "udp", "any", "backend", "off"},
		{"nat", "tcp", "any", "both", "on"},      {"fullnat", "udp", "any", "both", "on"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct world *a = world_of(&settings[i]), *b = world_of(&settings[i]);
		uint32_t vetted = 0;

		dice = (uint32_t)i;
		for (int n = 0; n < STEPS; n++) {
			step(a, b, &settings[i]);
			vetted += vetted_flows(a);
			assert_int_equal(vetted_flows(b), 0);
		}
		assert_true(vetted > STEPS / 4);
		world_free(a);
		world_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_of_a_flow_does_not_show),
	};

	return cmocka_run_group_tests_name("vetted flows", tests, NULL, NULL);
}
