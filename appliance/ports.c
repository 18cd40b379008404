#include "appliance/ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/privilege.h"
#include "ring/link.h"

static const uint64_t retry_ns = 5000000000;

struct port {
	char name[INTERFACE_NAME_SIZE]; /* "": not configured */
	struct link link;               /* as the kernel last described it; ifindex 0: missing */
	struct interface_facts facts;   /* what the last snapshot was compiled with, or is to be */
	struct ring *ring;
	bool attached;                  /* the path has the ring */
	unsigned ring_ifindex, ring_mtu;
	char filter[TEXT_SIZE];         /* that the ring was opened with */
	struct mac mac;
	bool promiscuous;
	char problem[SENTENCE_SIZE];
	struct ring_stats past;         /* of rings that are closed */
};

struct ports {
	struct loop *loop;
	struct journal *journal;
	struct link_watch *watch;
	uint64_t retry_at_ns;
	struct port port[INTERFACES_MAX];
};

int ports_open(struct ports **ret_ports, struct loop *loop, struct journal *journal, char *error,
	       size_t error_size)
{
	struct ports *ports = calloc(1, sizeof(*ports));
	int result;

	if (!ports) {
		snprintf(error, error_size, "not enough memory");
		return -ENOMEM;
	}
	result = link_watch_open(&ports->watch, error, error_size);
	if (result) {
		free(ports);
		return result;
	}
	ports->loop = loop;
	ports->journal = journal;
	ports->retry_at_ns = UINT64_MAX;
	*ret_ports = ports;
	return 0;
}

static void add_stats(struct ring_stats *sum, const struct ring_stats *stats)
{
	sum->received += stats->received;
	sum->lost += stats->lost;
	sum->frozen += stats->frozen;
	sum->truncated += stats->truncated;
	sum->sent += stats->sent;
	sum->sent_large += stats->sent_large;
	sum->send_full += stats->send_full;
	sum->send_failed += stats->send_failed;
}

static void close_ring(struct ports *ports, struct port *port)
{
	struct ring_stats stats;

	if (!port->ring)
		return;
	loop_ring_stats(ports->loop, (uint32_t)(port - ports->port), &stats);
	add_stats(&port->past, &stats);
	if (port->attached)
		loop_set_ring(ports->loop, (uint32_t)(port - ports->port), NULL);
	ring_close(port->ring);
	port->ring = NULL;
	port->attached = false;
}

void ports_close(struct ports *ports)
{
	if (!ports)
		return;
	for (unsigned i = 0; i < INTERFACES_MAX; i++)
		close_ring(ports, &ports->port[i]);
	link_watch_close(ports->watch);
	free(ports);
}

int ports_fd(const struct ports *ports)
{
	return link_watch_fd(ports->watch);
}

uint64_t ports_deadline(const struct ports *ports)
{
	return ports->retry_at_ns;
}

/* What crosses a bump in the wire is addressed to others. */
static bool is_promiscuous(const struct config *config)
{
	return config_global(config)->topology == TOPOLOGY_BRIDGED;
}

static bool ring_fits(const struct port *port, const struct config_interface *interface,
		      bool promiscuous)
{
	return port->ring && port->promiscuous == promiscuous && port->ring_ifindex == port->link.ifindex &&
	       port->ring_mtu == port->link.mtu && strcmp(port->filter, interface->filter) == 0 &&
	       value_equal(VALUE_MAC, &port->mac, &interface->mac);
}

static void say_problem(struct ports *ports, struct port *port, const char *problem)
{
	if (strcmp(port->problem, problem) == 0)
		return;
	snprintf(port->problem, sizeof(port->problem), "%s", problem);
	if (problem[0])
		journal_say(ports->journal, "interface %s: %s", port->name, problem);
}

static void open_ring(struct ports *ports, struct port *port,
		      const struct config_interface *interface, bool promiscuous)
{
	char error[SENTENCE_SIZE];
	struct ring_options options = {
		.name = port->name,
		.ifindex = port->link.ifindex,
		.mtu = port->link.mtu,
		.interface = (uint16_t)(port - ports->port),
		.filter = interface->filter[0] ? interface->filter : NULL,
		.mac = interface->mac.set ? interface->mac.byte : NULL,
		.promiscuous = promiscuous,
		.wake = loop_wake(ports->loop),
	};

	privilege_raise();
	int result = ring_open(&port->ring, &options, error, sizeof(error));
	privilege_lower();
	if (result) {
		port->ring = NULL;
		ports->retry_at_ns = clock_now_ns() + retry_ns;
		say_problem(ports, port, error);
		return;
	}
	port->ring_ifindex = port->link.ifindex;
	port->ring_mtu = port->link.mtu;
	snprintf(port->filter, sizeof(port->filter), "%s", interface->filter);
	port->mac = interface->mac;
	port->promiscuous = promiscuous;
}

void ports_attach(struct ports *ports)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++) {
		struct port *port = &ports->port[i];

		if (!port->ring || port->attached)
			continue;
		loop_swap_ring(ports->loop, i, port->ring);
		port->attached = true;
	}
}

struct find_link {
	struct ports *ports;
	bool seen[INTERFACES_MAX];
};

static void visit_link(void *context, const struct link *link)
{
	struct find_link *find = context;

	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		if (strcmp(find->ports->port[i].name, link->name) != 0)
			continue;
		find->ports->port[i].link = *link;
		find->seen[i] = true;
	}
}

/* Takes over names from the configuration, and what the kernel says of them. */
static void look(struct ports *ports, const struct config *config, const struct compiler *compiler)
{
	struct find_link find = {.ports = ports};
	bool wanted[INTERFACES_MAX] = {false};

	for (unsigned i = 0; i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);
		uint32_t index = compiler_interface_index(compiler, interface->name);

		wanted[index] = true;
		if (strcmp(ports->port[index].name, interface->name) == 0)
			continue;
		close_ring(ports, &ports->port[index]);
		ports->port[index] = (struct port){0};
		snprintf(ports->port[index].name, INTERFACE_NAME_SIZE, "%s", interface->name);
	}
	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		if (wanted[i])
			continue;
		close_ring(ports, &ports->port[i]);
		ports->port[i] = (struct port){0};
	}
	link_watch_drain(ports->watch);
	link_list(ports->watch, visit_link, &find);
	for (unsigned i = 0; i < INTERFACES_MAX; i++)
		if (!find.seen[i])
			ports->port[i].link = (struct link){0};
}

static void follow_one(struct ports *ports, struct port *port,
		       const struct config_interface *interface, bool promiscuous)
{
	if (!port->link.ifindex || !ring_fits(port, interface, promiscuous))
		close_ring(ports, port);
	if (!port->link.ifindex)
		say_problem(ports, port, "missing");
	else if (!port->link.ethernet)
		say_problem(ports, port, "not an Ethernet interface");
	else if (!port->ring)
		open_ring(ports, port, interface, promiscuous);
	if (port->ring)
		say_problem(ports, port, port->link.up ? "" : "link down");
}

static void say_change(struct ports *ports, const struct port *port,
		       const struct interface_facts *now)
{
	if (now->up && !port->facts.up)
		journal_say(ports->journal, "interface %s up, mtu %u", port->name, now->mtu);
	else if (now->up && now->mtu != port->facts.mtu)
		journal_say(ports->journal, "interface %s: mtu %u, was %u", port->name, now->mtu,
			    port->facts.mtu);
	if (now->up && port->facts.up && memcmp(now->mac, port->facts.mac, sizeof(now->mac)) != 0)
		journal_say(ports->journal, "interface %s: MAC changed", port->name);
}

bool ports_follow(struct ports *ports, const struct config *config,
		  const struct compiler *compiler)
{
	bool changed = false;

	ports->retry_at_ns = UINT64_MAX;
	look(ports, config, compiler);
	for (unsigned i = 0; i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);
		struct port *port =
			&ports->port[compiler_interface_index(compiler, interface->name)];

		follow_one(ports, port, interface, is_promiscuous(config));
		struct interface_facts now = {
			.up = port->ring && port->link.up,
			.mtu = (uint16_t)(port->link.mtu > UINT16_MAX ? UINT16_MAX : port->link.mtu),
		};
		memcpy(now.mac, port->link.mac, sizeof(now.mac));
		if (now.up == port->facts.up && now.mtu == port->facts.mtu &&
		    memcmp(now.mac, port->facts.mac, sizeof(now.mac)) == 0)
			continue;
		say_change(ports, port, &now);
		port->facts = now;
		changed = true;
	}
	return changed;
}

void ports_facts(void *context, const struct config_interface *interface, uint32_t index,
		 struct interface_facts *ret_facts)
{
	const struct ports *ports = context;
	const struct port *port = &ports->port[index];

	if (strcmp(port->name, interface->name) == 0)
		*ret_facts = port->facts;
}

bool ports_view(struct ports *ports, uint32_t index, struct port_view *ret_view)
{
	const struct port *port = &ports->port[index];

	if (!port->name[0])
		return false;
	*ret_view = (struct port_view){
		.name = port->name,
		.present = port->link.ifindex,
		.link = port->link.up,
		.ready = port->ring,
		.ifindex = port->link.ifindex,
		.mtu = port->link.mtu,
		.problem = port->problem,
	};
	memcpy(ret_view->mac, port->link.mac, sizeof(ret_view->mac));
	loop_ring_stats(ports->loop, index, &ret_view->ring);
	add_stats(&ret_view->ring, &port->past);
	return true;
}

struct kernel_look {
	struct ports *ports;
	const struct config *config;
};

static const struct config_service *service_at(const struct config *config, be32 address)
{
	for (unsigned i = 0; i < config_count(config, KIND_SERVICE); i++) {
		const struct config_service *service = config_at(config, KIND_SERVICE, i);

		if (same32(service->address.address, address))
			return service;
	}
	return NULL;
}

static const struct config_interface *interface_at(const struct config *config, be32 address)
{
	for (unsigned i = 0; i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);

		for (unsigned k = 0; k < interface->address.count; k++)
			if (same32(interface->address.item[k].address, address))
				return interface;
	}
	return NULL;
}

static void warn_of_address(void *context, uint32_t address_be, unsigned ifindex)
{
	const struct kernel_look *look = context;
	const struct config_service *service = service_at(look->config, (be32){address_be});
	const struct config_interface *interface = interface_at(look->config, (be32){address_be});
	char name[IF_NAMESIZE] = "?";

	if_indextoname(ifindex, name);
	if (service)
		journal_say(look->ports->journal,
			    "warning: the host itself has the address of service %s on %s and will "
			    "answer its clients with resets; remove it from the host",
			    service->name, name);
	else if (interface)
		journal_say(look->ports->journal,
			    "warning: the host itself has the address of interface %s on %s and will "
			    "refuse heartbeats and the replies of fullnat; "
			    "remove it from the host", interface->name, name);
}

static void warn_of_forwarding(struct ports *ports, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/forwarding", name);
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	if (getc(file) == '1')
		journal_say(ports->journal,
			    "warning: the host forwards packets of %s too (net.ipv4.conf.%s.forwarding "
			    "= 1), which can duplicate them; set it to 0", name, name);
	fclose(file);
}

/* What would make another CPU do the work of receiving, one packet at a time, in between. */
static void warn_of_steering(struct ports *ports, const char *name)
{
	char path[96], mask[256] = "";

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues/rx-0/rps_cpus", name);
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(mask, sizeof(mask), file) && strpbrk(mask, "123456789abcdef"))
		journal_say(ports->journal,
			    "warning: the host steers packets of %s to other CPUs by software (RPS, "
			    "%.*s in %s), which slows them; set it to 0", name,
			    (int)strcspn(mask, "\n"), mask, path);
	fclose(file);
}

void ports_warn_of_kernel(struct ports *ports, const struct config *config)
{
	struct kernel_look look = {.ports = ports, .config = config};

	link_addresses(ports->watch, warn_of_address, &look);
	for (unsigned i = 0; i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);

		warn_of_forwarding(ports, interface->name);
		warn_of_steering(ports, interface->name);
	}
}
