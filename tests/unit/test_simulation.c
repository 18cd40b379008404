/* Simulation: clients, backends, operators and time at random, for many seeds and thousands of
 * steps each, on a whole appliance with a table so small that it is often full.
 *
 * What is asserted after every step: each frame was counted once, created - closed == live, and
 * what was promised to whom it was promised: a flow that the appliance has made, whose backend
 * nobody has touched and whose time is not over, stays where it is, and its replies find its own
 * port. What is chosen anew is a backend that may be chosen; nobody is turned away while there is
 * one.
 *
 * The promises are kept by a model that knows no hash, no table and no timer: it looks at what
 * left. Where it cannot know (a table that was full has no flow to promise anything by), it
 * promises nothing. LB_SEEDS=N runs more seeds, or fewer.
 */
#include <arpa/inet.h>

#include "tests/unit/simulation_world.h"

#include "appliance/path/proxy.h"

enum { SEEDS = 200, STEPS = 2000 };

static uint64_t created(const struct simulation *sim)
{
	return path_flows(sim->world->path)->created;
}

/* What control is told of health goes into the next snapshot. */
static void hear(struct world *world)
{
	for (unsigned i = 0; i < world->events; i++)
		if (world->event[i].type == EVENT_TARGET_UP ||
		    world->event[i].type == EVENT_TARGET_DOWN)
			compiler_health(&world->compiler, world->event[i].id,
					world->event[i].type == EVENT_TARGET_UP ? HEALTH_UP :
										  HEALTH_DOWN);
	world->events = 0;
}

static enum verdict receive(struct simulation *sim, const struct world_packet *packet)
{
	enum verdict verdict = world_receive(sim->world, *packet);

	hear(sim->world);
	return verdict;
}

/* Whose MAC it was sent to. */
static struct host *host_of(struct simulation *sim, const struct packet *sent)
{
	unsigned i = (unsigned)sent->ethernet->destination.byte[5] - FIRST_MAC;

	expect(sim, i < HOSTS);
	return &sim->host[i];
}

/* A connection's next packet: mostly what comes next in its life. */
static uint8_t client_flags(struct simulation *sim, const struct connection *connection)
{
	uint32_t roll = dice(sim, 32);

	if (is_udp(connection))
		return 0;
	if (roll == 0)
		return TCP_RST;
	if (roll == 1)
		return TCP_FIN | TCP_ACK;
	if (roll == 2 || (!connection->bound && roll < 28))
		return TCP_SYN;
	return TCP_ACK;
}

/* True where every port is taken, by some flow, towards every host that takes new ones. */
static bool no_port_is_free(struct simulation *sim, uint8_t protocol)
{
	const struct flow_table *flows = path_flows(sim->world->path);

	for (unsigned h = 0; h < HOSTS; h++) {
		const struct host *host = &sim->host[h];
		uint32_t taken = 0;

		for (uint32_t i = 0; i < flows->capacity; i++) {
			const struct flow *flow = flow_at(flows, i);

			taken += flow && flow->forward.protocol == protocol &&
				 same32(flow->backend_address, world_address(host->address));
		}
		if (takes_new(sim, host) && taken < sim->world->path->snapshot->source_ports)
			return false;
	}
	return true;
}

/* A packet that was not forwarded. */
static void check_refusal(struct simulation *sim, enum verdict verdict, uint8_t protocol,
			  uint8_t flags)
{
	const struct flow_table *flows = path_flows(sim->world->path);
	const struct setting *setting = sim->setting;

	switch ((int)verdict) {
	case DROP_no_backend:
		expect(sim, !anybody_takes_new(sim));
		break;
	case DROP_flow_table_full:
		expect(sim, flows->live == FLOWS || flows->half_open == flows->half_open_max);
		expect(sim, !hands_over(setting) &&
				    (setting->when_full || setting->second_vip ||
				     setting->mode || setting->proxy_protocol));
		break;
	case DROP_service_flows_full:
		expect(sim, setting->max_flows);
		break;
	case DROP_reply_collision:
		expect(sim, setting->second_vip && !hands_over(setting));
		break;
	case DROP_no_flow:
		expect(sim, (setting->second_vip || setting->mode) && !hands_over(setting) &&
				    flags & TCP_RST);
		break;
	case DROP_source_ports_exhausted:
		expect(sim, setting->slices && no_port_is_free(sim, protocol));
		break;
	case DROP_backend_lost:
		expect(sim, setting->on_backend_loss && flags && !(flags & TCP_SYN));
		break;
	default:
		fail_msg("%s (seed %u, step %u)", verdict_name(verdict), sim->seed, sim->step);
	}
	expect(sim, sim->world->sent == 0 || verdict == DROP_backend_lost);
	tally.refused[verdict]++;
}

/* Neither kept nor new: sent by the table alone, or by a flow that has seen an end. */
static void learn_from_request(struct simulation *sim, struct connection *connection,
			       uint8_t flags, const struct packet *sent, bool keeps, bool is_new)
{
	const unsigned host = (unsigned)(host_of(sim, sent) - sim->host);
	const uint64_t now_ns = sim->world->now_ns;

	if (is_new)
		*connection = (struct connection){
			.client = connection->client, .service = connection->service,
			.port = connection->port, .life = sim->host[host].life,
			.seen_address = sent->source, .seen_port = sent->source_port,
			.born_ns = now_ns, .answered_ns = now_ns};
	connection->host = host;
	connection->bound = (keeps || is_new) && !(flags & (TCP_FIN | TCP_RST));
	/* The first packet is never enough. */
	connection->established |= (connection->answered || hands_over(sim->setting)) &&
				   !is_new && !(flags & TCP_SYN);
	connection->requests++;
	connection->last_ns = connection->asked_ns = now_ns;
}

/* True where the client has had all requests that the flow is given: refused, it ends nothing. */
static bool used_up(const struct simulation *sim, const struct connection *connection)
{
	return sim->setting->requests && is_udp(connection) &&
	       connection->requests >= number(sim->setting->requests);
}

/* Bytes that tell the backend who the client is: of every datagram, or of a flow's first. */
static unsigned header_of(const struct simulation *sim, const struct connection *connection,
			  bool is_new)
{
	const char *wanted = sim->setting->proxy_protocol;

	if (!wanted || !is_udp(connection))
		return 0;
	return is_new || strcmp(wanted, "every") == 0 ? PROXY_HEADER : 0;
}

static void client_sends(struct simulation *sim, struct connection *connection)
{
	const struct host *bound = &sim->host[connection->host];
	const uint8_t flags = client_flags(sim, connection);
	const bool keeps = stands(sim, connection) && keeps_flows(sim, bound) &&
			   !(bound->drains && flags & TCP_SYN);
	const uint64_t before = created(sim);
	const struct world_packet packet = {
		.in = "ext", .source = client_address(connection->client),
		.destination = services[connection->service].vip, .source_port = connection->port,
		.destination_port = services[connection->service].port,
		.protocol = services[connection->service].protocol, .tcp_flags = flags,
		.id = (uint16_t)dice(sim, 65536), .payload = dice(sim, 40)};
	enum verdict verdict = receive(sim, &packet);

	if (keeps && used_up(sim, connection)) {
		expect(sim, verdict == DROP_requests_used_up);
		tally.refused[verdict]++;
		return;
	}
	if (verdict != VERDICT_FORWARDED) {
		expect(sim, !keeps);
		check_refusal(sim, verdict, packet.protocol, flags);
		connection->bound = false;
		return;
	}
	struct packet sent = world_read(&sim->world->frame[0]);
	struct host *host = host_of(sim, &sent);
	const bool is_new = created(sim) != before;

	expect(sim, sim->world->sent == 1);
	expect(sim, hands_over(sim->setting) ||
			    from_be16(sent.destination_port) == BACKEND_PORT);
	expect(sim, keeps_flows(sim, host));
	expect(sim, !keeps || (host == bound && !is_new));
	expect(sim, hands_over(sim->setting) ||
			    sent.l4_length == (is_udp(connection) ? UDP_SIZE : TCP_SIZE_MIN) +
						      packet.payload +
						      header_of(sim, connection, is_new));
	expect(sim, !keeps || (same32(sent.source, connection->seen_address) &&
			       same16(sent.source_port, connection->seen_port)));
	expect(sim, !is_new || takes_new(sim, host));
	tally.promises += keeps;
	tally.established += keeps && connection->established;
	tally.chosen += is_new;
	learn_from_request(sim, connection, flags, &sent, keeps, is_new);
}

static uint8_t backend_flags(struct simulation *sim, const struct connection *connection)
{
	uint32_t roll = dice(sim, 32);

	if (is_udp(connection))
		return 0;
	if (roll == 0)
		return TCP_RST | TCP_ACK;
	if (roll == 1)
		return TCP_FIN | TCP_ACK;
	return connection->established ? TCP_ACK : TCP_SYN | TCP_ACK;
}

static void backend_answers(struct simulation *sim, struct connection *connection)
{
	struct host *host = &sim->host[connection->host];
	const uint8_t flags = backend_flags(sim, connection);
	const bool keeps = stands(sim, connection);
	char to[INET_ADDRSTRLEN];
	const struct world_packet packet = {
		.in = "int", .source = host->address,
		.destination = inet_ntop(AF_INET, &connection->seen_address, to, sizeof(to)),
		.source_port = BACKEND_PORT,
		.destination_port = from_be16(connection->seen_port),
		.protocol = services[connection->service].protocol, .tcp_flags = flags,
		.payload = dice(sim, 40)};

	/* Where replies to two clients look alike, a stray one is the other's, and rightly so. */
	if (!connection->seen_port.raw ||
	    (!keeps && (sim->setting->second_vip || sim->setting->mode)))
		return;
	enum verdict verdict = receive(sim, &packet);
	if (host->present)
		host->heard_ns = sim->world->now_ns;
	connection->bound = keeps && !(flags & (TCP_FIN | TCP_RST));
	if (!keeps)
		return;
	expect(sim, verdict == VERDICT_FORWARDED);
	expect(sim, sim->world->sent == 1);
	struct packet sent = world_read(&sim->world->frame[0]);
	expect(sim, same32(sent.source, world_address(services[connection->service].vip)));
	expect(sim, from_be16(sent.source_port) == services[connection->service].port);
	expect(sim, same32(sent.destination, world_address(client_address(connection->client))));
	expect(sim, from_be16(sent.destination_port) == connection->port);
	connection->answered = true;
	connection->last_ns = connection->answered_ns = sim->world->now_ns;
	if (is_udp(connection) && ++connection->responses == number(sim->setting->responses))
		connection->bound = false;
}

static void host_beats(struct simulation *sim, struct host *host)
{
	const struct world_packet beat = {
		.in = "int", .source = host->address, .destination = "10.0.0.1",
		.source_port = 9, .destination_port = 9, .protocol = PROTOCOL_NUMBER_UDP};

	expect(sim, receive(sim, &beat) == VERDICT_CONSUMED);
	host->heard_ns = sim->world->now_ns;
}

/* Everything that is due is done, and who beats has beaten when the others look. */
static void time_passes(struct simulation *sim)
{
	static const uint64_t ms[] = {1, 1, 1, 1, 10, 10, 100, 100, 300, 1000, 1000, 2000, 5000};
	uint32_t roll = dice(sim, 64);
	struct world *world = sim->world;

	world->now_ns += (roll == 0 ? 1000000 : roll == 1 ? 100000 : roll == 2 ? 31000 :
			  ms[roll % (sizeof(ms) / sizeof(ms[0]))]) * (SECOND / 1000);
	do {
		world->sent = 0;
		path_tick(world->path, world->now_ns);
		hear(world);
	} while (path_deadline(world->path) <= world->now_ns);
	world_check_laws(world);
	for (unsigned i = 0; i < HOSTS; i++)
		if (sim->host[i].present && sim->host[i].beats)
			host_beats(sim, &sim->host[i]);
}

/* Every other time nothing but what is known of health has changed. */
static void control_acts(struct simulation *sim)
{
	struct host *host = &sim->host[dice(sim, HOSTS)];
	uint32_t roll = dice(sim, 8), cursor = 0;

	if (roll < 3 && (!host->present || roll == 0))
		host_comes_or_goes(sim, host);
	else if (roll == 1)
		set_weight(sim, host);
	else if (roll < 4 && host->present)
		set_admin(sim, host);
	world_publish(sim->world);
	if (dice(sim, 2))
		path_sweep(sim->world->path, &cursor, UINT32_MAX);
	world_check_laws(sim->world);
}

/* What others send: none of it may disturb anybody. */
static void stranger_sends(struct simulation *sim)
{
	static const struct world_packet strange[] = {
		{.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10",
		 .destination_port = 81, .protocol = PROTOCOL_NUMBER_TCP, .tcp_flags = TCP_SYN},
		{.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10", .ttl = 1,
		 .destination_port = 80, .protocol = PROTOCOL_NUMBER_TCP, .tcp_flags = TCP_RST},
		{.in = "ext", .source = "198.51.100.7", .destination = "10.0.0.11",
		 .destination_port = 8080, .protocol = PROTOCOL_NUMBER_TCP, .tcp_flags = TCP_RST},
		{.in = "int", .source = "10.0.0.99", .destination = "198.51.100.7",
		 .source_port = 8080, .destination_port = 1, .protocol = PROTOCOL_NUMBER_UDP},
		{.in = "ext", .source = "203.0.113.10", .destination = "203.0.113.10",
		 .destination_port = 80, .protocol = PROTOCOL_NUMBER_UDP},
		{.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10",
		 .destination_port = 53, .protocol = PROTOCOL_NUMBER_UDP, .fragment = 0x2064},
	};

	receive(sim, &strange[dice(sim, sizeof(strange) / sizeof(strange[0]))]);
}

static void check_gauges(const struct simulation *sim)
{
	struct path *path = sim->world->path;
	uint32_t active = 0;

	for (uint32_t i = 0; i < path->snapshot->services; i++)
		active += path_service_counters(path, path->snapshot->service[i].id)->active_flows;
	expect(sim, active == path_flows(path)->live);
}

/* Mostly one of a few, and others as time goes on: connections live, and the table is full. */
static struct connection *some_connection(struct simulation *sim)
{
	unsigned count = CLIENTS * PORTS * services_of(sim->setting);

	if (dice(sim, 8) == 0)
		return &sim->connection[dice(sim, count)];
	return &sim->connection[(sim->step / BUSY + dice(sim, BUSY)) % count];
}

static void take_step(struct simulation *sim)
{
	struct connection *connection = some_connection(sim);
	uint32_t roll = dice(sim, 1000);

	if (roll < 520)
		client_sends(sim, connection);
	else if (roll < 920 && hands_over(sim->setting))
		client_sends(sim, connection);
	else if (roll < 920)
		backend_answers(sim, connection);
	else if (roll < 970)
		time_passes(sim);
	else if (roll < 980)
		stranger_sends(sim);
	else if (roll < 994)
		sim->host[dice(sim, HOSTS)].beats ^= true;
	else
		control_acts(sim);
	check_gauges(sim);
}

/* Left alone, the table empties: nothing is forgotten in it. */
static void run_down(struct simulation *sim)
{
	struct world *world = sim->world;

	world->now_ns += 3600ULL * SECOND;
	for (unsigned ticks = 0; path_flows(world->path)->live && ticks < FLOWS; ticks++) {
		world->sent = 0;
		path_tick(world->path, world->now_ns);
	}
	expect(sim, path_flows(world->path)->live == 0);
	expect(sim, path_flows(world->path)->half_open == 0);
	check_gauges(sim);
	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		tally.closed[i] += path_flows(world->path)->closed[i];
	tally.stateless += (unsigned)path_counters(world->path)->stateless;
	world_free(world);
}

static void check_tally(unsigned seeds)
{
	static const enum verdict refusals[] = {DROP_no_backend, DROP_flow_table_full,
						DROP_service_flows_full, DROP_reply_collision,
						DROP_no_flow, DROP_backend_lost,
						DROP_requests_used_up,
						DROP_source_ports_exhausted};
	static const enum flow_close_reason closes[] = {
		FLOW_CLOSE_IDLE, FLOW_CLOSE_LIFETIME, FLOW_CLOSE_REQUESTS,
		FLOW_CLOSE_RESPONSES, FLOW_CLOSE_RESET, FLOW_CLOSE_CLOSED, FLOW_CLOSE_DRAIN,
		FLOW_CLOSE_BACKEND_LOST};

	assert_in_range(tally.promises, seeds * 300, UINT32_MAX);
	assert_in_range(tally.established, seeds * 100, UINT32_MAX);
	assert_in_range(tally.chosen, seeds * 100, UINT32_MAX);
	assert_in_range(tally.stateless, seeds, UINT32_MAX);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		assert_int_not_equal(tally.refused[refusals[i]], 0);
	for (size_t i = 0; i < sizeof(closes) / sizeof(closes[0]); i++)
		assert_int_not_equal(tally.closed[closes[i]], 0);
}

static void whatever_happens_promises_are_kept(void **state)
{
	const char *wanted = getenv("LB_SEEDS");
	unsigned seeds = wanted ? (unsigned)strtoul(wanted, NULL, 10) : SEEDS;

	(void)state;
	for (unsigned seed = 0; seed < seeds; seed++) {
		struct simulation sim = {
			.setting = &settings[seed % (sizeof(settings) / sizeof(settings[0]))],
			.random = seed, .seed = seed};

		set_up(&sim);
		for (sim.step = 0; sim.step < STEPS; sim.step++)
			take_step(&sim);
		run_down(&sim);
	}
	if (seeds >= SEEDS)
		check_tally(seeds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_promises_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
