/* The model of test_simulation.c: who is there, which connections there are, and what has been
 * promised to whom. It knows nothing of how the appliance does it. */
#ifndef TESTS_UNIT_SIMULATION_H
#define TESTS_UNIT_SIMULATION_H

#include "tests/unit/clients.h"
#include "tests/unit/random.h"

#include "appliance/path/internal.h"

enum {
	FLOWS = 64,
	CLIENTS = 4,
	PORTS = 20,
	SERVICES = 3,
	CONNECTIONS = CLIENTS * PORTS * SERVICES,
	BUSY = 16,                            /* connections that have most of the traffic */
	HOSTS = 6,
	BACKEND_PORT = 8080,
	HEARTBEAT_S = 3,
};

/* What the seeds take turns at. What is not given is the default. */
static const struct setting {
	const char *name, *scheduler, *affinity, *when_full, *idle_timeout, *max_flows;
	const char *fail_open, *on_backend_loss;
	const char *requests, *responses, *lifetime, *front_timeout, *back_timeout; /* of UDP */
	const char *mode, *slices, *source_rewrite, *proxy_protocol;
	bool second_vip;    /* for which the backends' replies look alike */
} settings[] = {
	{.name = "plain"},
	{.name = "by client", .affinity = "source-ip"},
	{.name = "round-robin", .scheduler = "round-robin"},
	{.name = "least-connections", .scheduler = "least-connections"},
	{.name = "shed when full", .when_full = "shed"},
	{.name = "short idle times", .idle_timeout = "20"},
	{.name = "a cap", .max_flows = "12"},
	{.name = "ambiguous replies", .second_vip = true},
	{.name = "fail-open", .fail_open = "on"},
	{.name = "caps of datagrams", .requests = "4", .responses = "3"},
	{.name = "ages and silence", .lifetime = "6", .front_timeout = "3", .back_timeout = "4"},
	{.name = "reset on loss", .on_backend_loss = "reset", .second_vip = true},
	{.name = "fullnat", .mode = "fullnat"},
	{.name = "fullnat with a few ports", .mode = "fullnat", .slices = "6000"},
	{.name = "proxy first", .proxy_protocol = "first"},
	{.name = "proxy every", .proxy_protocol = "every", .mode = "fullnat"},
	{.name = "dsr", .mode = "dsr", .second_vip = true},
	{.name = "ipip", .mode = "ipip", .scheduler = "least-connections"},
	{.name = "gue", .mode = "gue", .affinity = "source-ip"},
	{.name = "source-rewrite", .source_rewrite = "198.51.100.0/24 to 192.168.7.0/24"},
};

static const struct {
	const char *name, *endpoint, *vip;
	uint16_t port;
	uint8_t protocol;
} services[SERVICES] = {
	{"web", "203.0.113.10:80/tcp", "203.0.113.10", 80, PROTOCOL_NUMBER_TCP},
	{"dns", "203.0.113.10:53/udp", "203.0.113.10", 53, PROTOCOL_NUMBER_UDP},
	{"other", "203.0.113.11:80/tcp", "203.0.113.11", 80, PROTOCOL_NUMBER_TCP},
};

static unsigned services_of(const struct setting *setting)
{
	return setting->second_vip ? SERVICES : SERVICES - 1;
}

/* Modes in which the backend gets the client's packet, and answers past the appliance. */
static bool hands_over(const struct setting *setting)
{
	return setting->mode && strcmp(setting->mode, "fullnat") != 0;
}

struct host {
	bool present, beats, drains, disabled;
	unsigned weight;
	unsigned life;         /* counts what ends its flows: being disabled or taken away */
	uint64_t heard_ns;     /* 0: never */
	char address[16], endpoint[24];
};

struct connection {
	unsigned client, service;
	uint16_t port;
	bool bound;            /* the appliance has a flow of it; the rest says more of that flow */
	bool answered, established;
	unsigned host, life;   /* whom it is bound to, and the host's life then */
	be32 seen_address;     /* whom the host takes for the client */
	be16 seen_port;
	unsigned requests, responses;
	uint64_t born_ns, last_ns, asked_ns, answered_ns;
};

static bool is_udp(const struct connection *connection)
{
	return services[connection->service].protocol == PROTOCOL_NUMBER_UDP;
}

/* How often the interesting things have happened, so that they did. */
static struct tally {
	unsigned promises, established, chosen, stateless, refused[VERDICT_COUNT];
	uint64_t closed[FLOW_CLOSE_REASON_COUNT];
} tally;

struct simulation {
	struct world *world;
	const struct setting *setting;
	uint64_t random;
	unsigned seed, step;
	struct host host[HOSTS];
	struct connection connection[CONNECTIONS];
};

static uint32_t dice(struct simulation *sim, uint32_t sides)
{
	return (uint32_t)(random_next(&sim->random) % sides);
}

#define expect(sim, condition)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("%s (seed %u, %s, step %u)", #condition, (sim)->seed,             \
				 (sim)->setting->name, (sim)->step);                               \
	} while (0)

static bool is_alive(const struct simulation *sim, const struct host *host)
{
	return host->present && !host->disabled && host->heard_ns &&
	       sim->world->now_ns - host->heard_ns < (uint64_t)HEARTBEAT_S * SECOND;
}

static bool is_usable(const struct simulation *sim, const struct host *host)
{
	return is_alive(sim, host) && !host->drains && host->weight;
}

/* True where health does not count, since it would leave nobody. */
static bool is_open(const struct simulation *sim)
{
	for (unsigned i = 0; i < HOSTS; i++)
		if (is_usable(sim, &sim->host[i]))
			return false;
	return sim->setting->fail_open;
}

static bool takes_new(const struct simulation *sim, const struct host *host)
{
	return is_usable(sim, host) || (is_open(sim) && host->present && !host->disabled &&
					!host->drains && host->weight);
}

/* Who was failed open when the snapshot was made stays so until the next one: nobody searches a
 * pool for the first backend that comes back. */
static bool keeps_flows(const struct simulation *sim, const struct host *host)
{
	bool was_open = sim->setting->fail_open && !sim->world->path->snapshot->pool[0].usable;

	return is_alive(sim, host) ||
	       ((is_open(sim) || was_open) && host->present && !host->disabled);
}

static bool anybody_takes_new(const struct simulation *sim)
{
	for (unsigned i = 0; i < HOSTS; i++)
		if (takes_new(sim, &sim->host[i]))
			return true;
	return false;
}

static uint64_t number(const char *text)
{
	return text ? strtoul(text, NULL, 10) : 0;
}

/* For how long a flow is promised to be kept after its last packet (SEMANTICS, idle timeouts). */
static uint64_t promised_ns(const struct simulation *sim, const struct connection *connection)
{
	uint64_t idle_s = number(sim->setting->idle_timeout), s = 30;

	if (is_udp(connection))
		s = idle_s ? idle_s : connection->answered ? 180 : 30;
	else if (connection->established)
		s = idle_s ? idle_s : 900;
	return s * SECOND;
}

/* True where more time has passed since then than a setting gives. */
static bool is_over(const struct simulation *sim, const char *setting, uint64_t since_ns)
{
	return setting && sim->world->now_ns - since_ns >= number(setting) * SECOND;
}

/* True while the flow stands, as far as time and its host's fate go. */
static bool stands(const struct simulation *sim, const struct connection *connection)
{
	const struct setting *setting = sim->setting;

	if (!connection->bound || connection->life != sim->host[connection->host].life ||
	    sim->world->now_ns - connection->last_ns >= promised_ns(sim, connection))
		return false;
	return !is_udp(connection) ||
	       !(is_over(sim, setting->lifetime, connection->born_ns) ||
		 is_over(sim, setting->front_timeout, connection->asked_ns) ||
		 is_over(sim, setting->back_timeout, connection->answered_ns));
}

#endif
