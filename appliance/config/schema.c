/* The tables of every kind of object: names, types, ranges, defaults, help.
 *
 * One line an attribute; nothing else in the appliance repeats what is said here, but the store's
 * migrations, whose columns a test compares with these tables. A default is part of what a stored
 * text means: changing one, or the order of attributes, takes a migration.
 */
#include "appliance/config/schema.h"

#include <string.h>

#define MILLISECOND UINT64_C(1000000)
#define SECOND (1000 * MILLISECOND)
#define HOUR (3600 * SECOND)

enum {
	PORT_MAX = 65535,
	FLOW_TABLE_MIN = 1024,
	FLOW_TABLE_MAX = 16777216,
	DATAGRAMS_MAX = 1000000000,
	REGISTER_MAX = 1024,
};

/* The offset comes last: what follows in an initializer is the range. */
#define AT(kind, member) .reference = NOT_A_REFERENCE, \
			 .offset = offsetof(struct config_##kind, member)
#define NAMES(kind, member, other) .reference = KIND_##other, \
				   .offset = offsetof(struct config_##kind, member)

static const struct keyword roles[] = {
	{"frontend", ROLE_FRONTEND, "clients are here"},
	{"backend", ROLE_BACKEND, "real servers are here"},
	{"both", ROLE_BOTH, "one arm: clients and real servers are here"},
	{0},
};

static const struct keyword backend_admins[] = {
	{"enabled", ADMIN_ENABLED, "takes new flows while it is healthy"},
	{"drain", ADMIN_DRAIN, "keeps its flows, takes no new ones"},
	{"disabled", ADMIN_DISABLED, "takes nothing, its flows end"},
	{0},
};

static const struct keyword service_admins[] = {
	{"enabled", ADMIN_ENABLED, "in service"},
	{"disabled", ADMIN_DISABLED, "its packets are dropped"},
	{0},
};

static const struct keyword check_types[] = {
	{"icmp", CHECK_ICMP, "an echo request, expects the reply"},
	{"tcp", CHECK_TCP, "a SYN, expects SYN-ACK, answers RST"},
	{"udp", CHECK_UDP, "a datagram, expects an answer"},
	{"arp", CHECK_ARP, "an ARP request, expects the reply"},
	{"heartbeat", CHECK_HEARTBEAT, "sends nothing, listens for the backend"},
	{0},
};

static const struct keyword check_sources[] = {
	{"any", 0, "any TCP or UDP packet of the backend"},
	{"port", 1, "datagrams to this port of the appliance"},
	{0},
};

static const struct keyword schedulers[] = {
	{"maglev", SCHEDULER_MAGLEV, "consistent hashing, the same on every appliance"},
	{"round-robin", SCHEDULER_ROUND_ROBIN, "by turns, as often as the weights say"},
	{"least-connections", SCHEDULER_LEAST_CONNECTIONS, "the fewest flows for its weight"},
	{0},
};

static const struct keyword affinities[] = {
	{"5-tuple", AFFINITY_5_TUPLE, "every connection is chosen for by itself"},
	{"source-ip", AFFINITY_SOURCE_IP, "all connections of a client go to one backend"},
	{0},
};

static const struct keyword modes[] = {
	{"nat", MODE_NAT, "rewrites the destination, and the source of replies"},
	{"fullnat", MODE_FULLNAT, "the client's address as well, to one of the appliance"},
	{"dsr", MODE_DSR, "changes MACs only; the backend holds the VIP and answers directly"},
	{"ipip", MODE_IPIP, "wraps in IPv4; the backend holds the VIP and answers directly"},
	{"gue", MODE_GUE, "wraps in UDP to port 6080; otherwise as ipip"},
	{0},
};

static const struct keyword proxy_protocols[] = {
	{"off", PROXY_PROTOCOL_OFF, "datagrams are the client's"},
	{"first", PROXY_PROTOCOL_FIRST, "the first datagram of a flow begins with a PROXY header"},
	{"every", PROXY_PROTOCOL_EVERY, "every datagram begins with a PROXY header"},
	{0},
};

static const struct keyword when_fulls[] = {
	{"stateless", WHEN_FULL_STATELESS, "forward without a flow where replies find their way"},
	{"shed", WHEN_FULL_SHED, "drop what would need a new flow"},
	{0},
};

static const struct keyword forwardings[] = {
	{"off", 0, "drop what is for no service"},
	{"on", 1, "route what is for no service between the interfaces"},
	{0},
};

static const struct keyword topologies[] = {
	{"routed", TOPOLOGY_ROUTED, "a hop: routes, with MACs of its own"},
	{"bridged", TOPOLOGY_BRIDGED, "a bump in the wire: MACs and TTL stay as they are"},
	{0},
};

static const struct keyword no_services[] = {
	{"drop", NO_SERVICE_DROP, "say nothing"},
	{"reject", NO_SERVICE_REJECT, "answer with a TCP reset or ICMP port unreachable"},
	{0},
};

static const struct keyword fail_opens[] = {
	{"off", 0, "without a usable backend packets are dropped"},
	{"on", 1, "without a usable backend health does not count"},
	{0},
};

static const struct keyword backend_losses[] = {
	{"reselect", ON_BACKEND_LOSS_RESELECT, "another backend gets the next packet"},
	{"reset", ON_BACKEND_LOSS_RESET, "the client's next packet is answered with a TCP reset"},
	{0},
};

static const struct keyword vip_echoes[] = {
	{"always", VIP_ECHO_ALWAYS, "answer a ping to a VIP whatever its services do"},
	{"available", VIP_ECHO_AVAILABLE, "answer only while a service of the VIP has a backend"},
	{0},
};

static const struct keyword waits[] = {
	{"adaptive", WAIT_ADAPTIVE, "looks on for a moment, then sleeps until woken"},
	{"busy", WAIT_BUSY, "never sleeps: the soonest answer, for a core of its own"},
	{"sleep", WAIT_SLEEP, "sleeps at once: the least CPU time"},
	{0},
};

static const struct keyword source_rewrite_words[] = {
	{"to", 0, "the network that backends see its clients in"},
	{0},
};

static const struct attribute global_attributes[] = {
	{"flow-table", VALUE_NUMBER, ATTRIBUTE_RESTART, AT(global, flow_table), FLOW_TABLE_MIN,
	 FLOW_TABLE_MAX, "1048576", .help = "flows that fit, taken from memory at start"},
	{"seed", VALUE_NUMBER, 0, AT(global, seed), 0, UINT32_MAX, "0",
	 .help = "seed of the hashes, the same on appliances that share VIPs"},
	{"forwarding", VALUE_KEYWORD, 0, AT(global, forwarding), .initial = "off",
	 .keywords = forwardings, .help = "route what is for no service"},
	{"vip-echo", VALUE_KEYWORD, 0, AT(global, vip_echo), .initial = "always",
	 .keywords = vip_echoes, .help = "when a ping to a VIP is answered"},
	{"no-service", VALUE_KEYWORD, 0, AT(global, no_service), .initial = "drop",
	 .keywords = no_services, .help = "what a client of a VIP without that service gets"},
	{"topology", VALUE_KEYWORD, 0, AT(global, topology), .initial = "routed",
	 .keywords = topologies, .help = "how the appliance stands in the network"},
	{"fullnat-slices", VALUE_NUMBER, 0, AT(global, fullnat_slices), 1, FULLNAT_PORTS, "1",
	 .help = "appliances that share addresses, and so the ports of fullnat"},
	{"fullnat-slice", VALUE_NUMBER, 0, AT(global, fullnat_slice), 1, FULLNAT_PORTS, "1",
	 .help = "which of them this one is"},
	{"wait", VALUE_KEYWORD, 0, AT(global, wait), .initial = "adaptive", .keywords = waits,
	 .help = "how the packet path waits for packets"},
};

static const struct attribute interface_attributes[] = {
	{"name", VALUE_INTERFACE, ATTRIBUTE_ID, AT(interface, name),
	 .help = "network interface, as in `ip link`"},
	{"role", VALUE_KEYWORD, ATTRIBUTE_REQUIRED, AT(interface, role), .keywords = roles,
	 .help = "who is on it"},
	{"address", VALUE_ADDRESSES, 0, AT(interface, address),
	 .help = "address of the appliance with its network, may be repeated"},
	{"mac", VALUE_MAC, 0, AT(interface, mac),
	 .help = "MAC to use (default: the interface's own)"},
	{"filter", VALUE_TEXT, 0, AT(interface, filter),
	 .help = "what enters, as in tcpdump (default: everything)"},
};

static const struct attribute route_attributes[] = {
	{"prefix", VALUE_PREFIX, ATTRIBUTE_ID, AT(route, prefix), .help = "destination network"},
	{"via", VALUE_ADDRESS, ATTRIBUTE_REQUIRED, AT(route, via),
	 .help = "gateway, in a network of an interface"},
};

static const struct attribute neighbor_attributes[] = {
	{"address", VALUE_ADDRESS, ATTRIBUTE_ID, AT(neighbor, address),
	 .help = "address on the link"},
	{"mac", VALUE_MAC, ATTRIBUTE_REQUIRED, AT(neighbor, mac),
	 .help = "its MAC, never asked for"},
	{"interface", VALUE_INTERFACE, ATTRIBUTE_REQUIRED, NAMES(neighbor, interface, INTERFACE),
	 .help = "interface that it is on"},
};

static const struct attribute check_attributes[] = {
	{"name", VALUE_NAME, ATTRIBUTE_ID, AT(check, name), .help = "name of the check"},
	{"type", VALUE_KEYWORD, ATTRIBUTE_POSITIONAL | ATTRIBUTE_REQUIRED, AT(check, type),
	 .keywords = check_types, .help = "how health is found out"},
	{"port", VALUE_NUMBER, 0, AT(check, port), 1, PORT_MAX,
	 .help = "port to check with tcp or udp (default: the backend's)"},
	{"interval", VALUE_DURATION, 0, AT(check, interval_ns), 100 * MILLISECOND, HOUR, "2",
	 .help = "time between two checks of a backend"},
	{"timeout", VALUE_DURATION, 0, AT(check, timeout_ns), 10 * MILLISECOND, HOUR,
	 .help = "wait for an answer (default 1, heartbeat 3, never over the interval)"},
	{"rise", VALUE_NUMBER, 0, AT(check, rise), 1, 255, "2",
	 .help = "successes in a row until up"},
	{"fall", VALUE_NUMBER, 0, AT(check, fall), 1, 255, "3",
	 .help = "failures in a row until down"},
	{"from", VALUE_FROM, 0, AT(check, from_port), 1, PORT_MAX, "any",
	 .keywords = check_sources, .help = "what counts as a heartbeat"},
	{"key", VALUE_KEY, 0, AT(check, key),
	 .help = "secret that signs heartbeats, 16 to 64 bytes (default: none)"},
	{"register", VALUE_PREFIX, 0, AT(check, registers),
	 .help = "whoever sends heartbeats from this network joins the pool"},
	{"register-max", VALUE_NUMBER, 0, AT(check, register_max), 1, REGISTER_MAX, "32",
	 .help = "how many may join"},
	{"payload", VALUE_TEXT, 0, AT(check, payload), .help = "text that a udp check sends"},
	{"expect", VALUE_TEXT, 0, AT(check, expect),
	 .help = "text that the answer to a udp check begins with"},
};

static const struct attribute pool_attributes[] = {
	{"name", VALUE_NAME, ATTRIBUTE_ID, AT(pool, name), .help = "name of the pool"},
	{"scheduler", VALUE_KEYWORD, 0, AT(pool, scheduler), .initial = "maglev",
	 .keywords = schedulers, .help = "how a backend is chosen"},
	{"affinity", VALUE_KEYWORD, 0, AT(pool, affinity), .initial = "5-tuple",
	 .keywords = affinities, .help = "what the choice depends on"},
	{"check", VALUE_NAME, 0, NAMES(pool, check, CHECK),
	 .help = "check that watches the backends (default: none, all are up)"},
};

static const struct attribute backend_attributes[] = {
	{"pool", VALUE_NAME, ATTRIBUTE_ID, NAMES(backend, pool, POOL),
	 .help = "pool that it is in"},
	{"address", VALUE_ENDPOINT, ATTRIBUTE_ID, AT(backend, address),
	 .help = "address:port of the real server (port 0: the client's)"},
	{"weight", VALUE_NUMBER, 0, AT(backend, weight), 0, 65535, "1",
	 .help = "share of new flows, against the others' weights; 0: none"},
	{"name", VALUE_NAME, 0, AT(backend, name), .help = "name to show beside the address"},
	{"admin", VALUE_KEYWORD, ATTRIBUTE_OPERATIONAL, AT(backend, admin), .initial = "enabled",
	 .keywords = backend_admins, .help = "administrative state"},
};

static const struct attribute service_attributes[] = {
	{"name", VALUE_NAME, ATTRIBUTE_ID, AT(service, name), .help = "name of the service"},
	{"address", VALUE_VIP, ATTRIBUTE_POSITIONAL | ATTRIBUTE_REQUIRED, AT(service, address),
	 .help = "VIP:port/protocol (port 0: all ports)"},
	{"pool", VALUE_NAME, ATTRIBUTE_REQUIRED, NAMES(service, pool, POOL),
	 .help = "pool that answers"},
	{"mode", VALUE_KEYWORD, 0, AT(service, mode), .initial = "nat", .keywords = modes,
	 .help = "how packets reach the backend"},
	{"idle-timeout", VALUE_DURATION, 0, AT(service, idle_timeout_ns), SECOND, 7 * 24 * HOUR,
	 .help = "a flow ends after (default: by protocol and state)"},
	{"max-flows", VALUE_NUMBER, 0, AT(service, max_flows), 1, FLOW_TABLE_MAX,
	 .help = "flows at most (default: no cap)"},
	{"requests", VALUE_NUMBER, 0, AT(service, requests), 0, DATAGRAMS_MAX, "0",
	 .help = "datagrams of the client that a UDP flow passes on (0: any number)"},
	{"responses", VALUE_NUMBER, 0, AT(service, responses), 0, DATAGRAMS_MAX, "0",
	 .help = "replies after which a UDP flow ends, 1 for DNS (0: any number)"},
	{"lifetime", VALUE_DURATION, 0, AT(service, lifetime_ns), 0, 7 * 24 * HOUR, "0",
	 .help = "a UDP flow ends when it is so old (0: never)"},
	{"front-timeout", VALUE_DURATION, 0, AT(service, front_timeout_ns), 0, 7 * 24 * HOUR, "0",
	 .help = "a UDP flow ends when its client was silent so long (0: never)"},
	{"back-timeout", VALUE_DURATION, 0, AT(service, back_timeout_ns), 0, 7 * 24 * HOUR, "0",
	 .help = "a UDP flow ends when its backend was silent so long (0: never)"},
	{"proxy-protocol", VALUE_KEYWORD, 0, AT(service, proxy_protocol), .initial = "off",
	 .keywords = proxy_protocols, .help = "UDP: tell the backend who the client is"},
	{"when-full", VALUE_KEYWORD, 0, AT(service, when_full), .initial = "stateless",
	 .keywords = when_fulls, .help = "new flows while the flow table is full"},
	{"fail-open", VALUE_KEYWORD, 0, AT(service, fail_open), .initial = "off",
	 .keywords = fail_opens, .help = "what happens while no backend is usable"},
	{"on-backend-loss", VALUE_KEYWORD, 0, AT(service, on_backend_loss), .initial = "reselect",
	 .keywords = backend_losses, .help = "what a connection gets whose backend is lost"},
	{"source-rewrite", VALUE_PREFIX_PAIR, 0, AT(service, source_rewrite),
	 .keywords = source_rewrite_words,
	 .help = "clients of one network are shown to backends as if of another"},
	{"admin", VALUE_KEYWORD, ATTRIBUTE_OPERATIONAL, AT(service, admin), .initial = "enabled",
	 .keywords = service_admins, .help = "administrative state"},
};

#define SCHEMA(kind, text) {#kind, text, sizeof(struct config_##kind), \
			    sizeof(kind##_attributes) / sizeof(kind##_attributes[0]), \
			    kind##_attributes}

static const struct schema schemas[KIND_COUNT] = {
	[KIND_GLOBAL] = SCHEMA(global, "settings of the whole appliance"),
	[KIND_INTERFACE] = SCHEMA(interface, "network interface that the appliance works on"),
	[KIND_ROUTE] = SCHEMA(route, "network behind a gateway"),
	[KIND_NEIGHBOR] = SCHEMA(neighbor, "static MAC of an address on the link"),
	[KIND_CHECK] = SCHEMA(check, "health check of backends"),
	[KIND_POOL] = SCHEMA(pool, "set of backends"),
	[KIND_BACKEND] = SCHEMA(backend, "real server of a pool"),
	[KIND_SERVICE] = SCHEMA(service, "virtual service that clients use"),
};

const struct schema *schema_of(enum kind kind)
{
	return &schemas[kind];
}

enum kind schema_kind(const char *name)
{
	unsigned kind = 0;

	while (kind < KIND_COUNT && strcmp(schemas[kind].name, name) != 0)
		kind++;
	return (enum kind)kind;
}

const struct attribute *schema_attribute(enum kind kind, const char *name)
{
	const struct schema *schema = &schemas[kind];

	for (unsigned i = 0; i < schema->attributes; i++)
		if (strcmp(schema->attribute[i].name, name) == 0)
			return &schema->attribute[i];
	return NULL;
}

bool attribute_optional(const struct attribute *attribute)
{
	return !(attribute->flags & (ATTRIBUTE_ID | ATTRIBUTE_REQUIRED)) && !attribute->initial;
}

uint64_t check_timeout_ns(const struct config_check *check)
{
	if (check->timeout_ns)
		return check->timeout_ns;
	if (check->type == CHECK_HEARTBEAT)
		return 3 * SECOND;
	return check->interval_ns < SECOND ? check->interval_ns : SECOND;
}
