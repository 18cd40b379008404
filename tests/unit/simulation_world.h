/* The world of test_simulation.c: how it is set up, and what operators do to it. Each change is
 * made in the appliance's configuration and in the model alike. */
#ifndef TESTS_UNIT_SIMULATION_WORLD_H
#define TESTS_UNIT_SIMULATION_WORLD_H

#include "tests/unit/simulation.h"

enum { FIRST_MAC = 0x11 }; /* last byte of the first host's */

static const char *client_address(unsigned client)
{
	static const char *const address[CLIENTS] = {
		"198.51.100.7", "198.51.100.8", "198.51.100.9", "198.51.100.10"};

	return address[client];
}

static void add_host(struct simulation *sim, struct host *host)
{
	host->present = host->beats = true;
	host->drains = host->disabled = false;
	host->weight = 1;
	host->heard_ns = 0;
	world_add(sim->world, KIND_BACKEND, "pool", "web", "address", host->endpoint);
}

static void host_comes_or_goes(struct simulation *sim, struct host *host)
{
	if (!host->present) {
		add_host(sim, host);
		return;
	}
	host->present = false;
	host->life++;
	world_delete(sim->world, KIND_BACKEND, "pool", "web", "address", host->endpoint);
}

static void set_admin(struct simulation *sim, struct host *host)
{
	static const char *const admin[] = {"enabled", "drain", "disabled"};
	unsigned which = dice(sim, 3);

	host->drains = which == 1;
	host->disabled = which == 2;
	host->life += host->disabled;
	expect(sim, world_change(sim->world, VERB_SET, KIND_BACKEND, "pool", "web", "address",
				 host->endpoint, "admin", admin[which], NULL) >= 0);
}

static void set_weight(struct simulation *sim, struct host *host)
{
	static const unsigned weights[] = {0, 1, 3, 100};
	char text[16];

	host->weight = weights[dice(sim, 4)];
	snprintf(text, sizeof(text), "%u", host->weight);
	expect(sim, world_change(sim->world, VERB_SET, KIND_BACKEND, "pool", "web", "address",
				 host->endpoint, "weight", text, NULL) >= 0);
}

static const char *or_else(const char *given, const char *initial)
{
	return given ? given : initial;
}

static void set_up(struct simulation *sim)
{
	const struct setting *setting = sim->setting;
	struct world *world = sim->world = world_web(FLOWS);

	for (unsigned i = 1; i < CLIENTS; i++)
		world_add(world, KIND_NEIGHBOR, "address", client_address(i), "mac",
			  "02:00:00:00:07:08", "interface", "ext");
	world_add(world, KIND_CHECK, "name", "beat", "type", "heartbeat");
	if (setting->slices)
		world_set(world, KIND_GLOBAL, "fullnat-slices", setting->slices);
	world_set(world, KIND_POOL, "name", "web", "check", "beat",
		  "affinity", or_else(setting->affinity, "5-tuple"),
		  "scheduler", or_else(setting->scheduler, "maglev"));
	world_delete(world, KIND_SERVICE, "name", "web");
	for (unsigned i = 0; i < services_of(setting); i++) {
		world_add(world, KIND_SERVICE, "name", services[i].name, "address",
			  services[i].endpoint, "pool", "web",
			  "when-full", or_else(setting->when_full, "stateless"),
			  "idle-timeout", or_else(setting->idle_timeout, "none"),
			  "max-flows", or_else(setting->max_flows, "none"),
			  "fail-open", or_else(setting->fail_open, "off"),
			  "on-backend-loss", or_else(setting->on_backend_loss, "reselect"),
			  "mode", or_else(setting->mode, "nat"),
			  "source-rewrite", or_else(setting->source_rewrite, "none"));
		if (services[i].protocol == PROTOCOL_NUMBER_UDP)
			assert_in_range(world_change(
				world, VERB_SET, KIND_SERVICE, "name", services[i].name,
				"requests", or_else(setting->requests, "0"),
				"responses", or_else(setting->responses, "0"),
				"lifetime", or_else(setting->lifetime, "0"),
				"front-timeout", or_else(setting->front_timeout, "0"),
				"back-timeout", or_else(setting->back_timeout, "0"),
				"proxy-protocol", or_else(setting->proxy_protocol, "off"), NULL),
				0, 1);
	}
	for (unsigned i = 0; i < HOSTS; i++) {
		struct host *host = &sim->host[i];
		char mac[18];

		snprintf(host->address, sizeof(host->address), "10.0.0.%u", 11 + i);
		if (i < 2)
			world_delete(world, KIND_BACKEND, "pool", "web", "address",
				     i ? "10.0.0.12:8080" : "10.0.0.11:8080");
		snprintf(host->endpoint, sizeof(host->endpoint), "%s:%d", host->address,
			 hands_over(setting) ? 0 : BACKEND_PORT);
		snprintf(mac, sizeof(mac), "02:00:00:00:00:%02x", FIRST_MAC + i);
		if (i >= 2)
			world_add(world, KIND_NEIGHBOR, "address", host->address, "mac", mac,
				  "interface", "int");
		add_host(sim, host);
	}
	for (unsigned i = 0; i < CONNECTIONS; i++)
		sim->connection[i] = (struct connection){
			.client = i % CLIENTS, .service = i / CLIENTS % services_of(setting),
			.port = (uint16_t)(1024 + i / CLIENTS / services_of(setting))};
	world_publish(world);
}

#endif
