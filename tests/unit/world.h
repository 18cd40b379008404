/* A whole appliance without rings, for tests of the packet path: a configuration built as commands
 * build it, compiled, published, and everything that leaves recorded.
 *
 *    client 198.51.100.7 --- ext 198.51.100.1 | VIP 203.0.113.10 | int 10.0.0.1 --- 10.0.0.11, .12
 */
#ifndef TESTS_UNIT_WORLD_H
#define TESTS_UNIT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/compile.h"
#include "appliance/path/checksum.h"

enum { WORLD_SENT_MAX = 256, WORLD_FRAME_MAX = 2048, WORLD_MTU = 1500 };

struct world_sent {
	uint8_t bytes[WORLD_FRAME_MAX];
	struct frame frame;
};

struct world {
	struct config *config;
	struct compiler compiler;
	struct path *path;
	void *memory;
	uint64_t now_ns;
	uint16_t mtu[INTERFACES_MAX]; /* 0: WORLD_MTU */
	bool down[INTERFACES_MAX];
	unsigned sent, events;
	struct world_sent frame[WORLD_SENT_MAX];
	struct path_event event[WORLD_SENT_MAX];
	uint8_t input[65536 + 64];
};

static void world_send(void *context, const struct frame *frame)
{
	struct world *world = context;

	assert_true(world->sent < WORLD_SENT_MAX);
	assert_true(frame->length <= WORLD_FRAME_MAX);
	struct world_sent *sent = &world->frame[world->sent++];
	sent->frame = *frame;
	memcpy(sent->bytes, frame->data, frame->length);
	sent->frame.data = sent->bytes;
}

static void world_event(void *context, const struct path_event *event)
{
	struct world *world = context;

	assert_true(world->events < WORLD_SENT_MAX);
	world->event[world->events++] = *event;
}

/* MACs are 02:00:00:00:00:NN with NN the index plus one. */
static void world_facts(void *context, const struct config_interface *interface, uint32_t index,
			struct interface_facts *ret_facts)
{
	const struct world *world = context;

	(void)interface;
	*ret_facts = (struct interface_facts){
		.up = !world->down[index],
		.mac = {2, 0, 0, 0, 0, (uint8_t)(index + 1)},
		.mtu = world->mtu[index] ? world->mtu[index] : WORLD_MTU,
	};
}

/* One command: the kind, then pairs of attribute and text, up to NULL. */
__attribute__((unused)) static int world_change(struct world *world, enum verb verb, enum kind kind, ...)
{
	const struct schema *schema = schema_of(kind);
	struct change change = {.verb = verb, .kind = kind, .object = object_new(kind)};
	struct complaint complaint = {.text = ""};
	char error[256];
	va_list pairs;

	va_start(pairs, kind);
	for (const char *name; (name = va_arg(pairs, const char *));) {
		const struct attribute *attribute = schema_attribute(kind, name);
		const char *text = va_arg(pairs, const char *);

		assert_non_null(attribute);
		if (value_parse(attribute, text, (uint8_t *)change.object + attribute->offset, error,
				sizeof(error)))
			fail_msg("%s %s: %s", name, text, error);
		change.given |= 1U << (attribute - schema->attribute);
	}
	va_end(pairs);
	int result = config_apply(world->config, &change, &complaint);
	if (result < 0)
		print_message("%s\n", complaint.text);
	object_free(change.object);
	return result;
}

#define world_add(world, kind, ...) \
	assert_int_equal(world_change(world, VERB_ADD, kind, __VA_ARGS__, NULL), 1)
#define world_set(world, kind, ...) \
	assert_int_equal(world_change(world, VERB_SET, kind, __VA_ARGS__, NULL), 1)
#define world_delete(world, kind, ...) \
	assert_int_equal(world_change(world, VERB_DELETE, kind, __VA_ARGS__, NULL), 1)

/* The configuration as it is now becomes what the path reads. */
__attribute__((unused)) static void world_publish(struct world *world)
{
	struct compiled *compiled;
	char error[256];

	if (compile(&world->compiler, world->config, &compiled, error, sizeof(error)))
		fail_msg("%s", error);
	path_publish(world->path, &compiled->snapshot, world->now_ns);
	compile_accept(&world->compiler, compiled);
}

static struct world *world_new(uint32_t flows)
{
	struct world *world = calloc(1, sizeof(*world));
	struct path_limits limits = {.flows = flows, .held_frame_size = WORLD_FRAME_MAX};
	struct path_output output = {.context = world, .send = world_send, .event = world_event};

	assert_non_null(world);
	world->config = config_new();
	world->now_ns = 1000000000;
	assert_int_equal(compiler_init(&world->compiler, world_facts, world), 0);
	world->memory = aligned_alloc(64, path_size(&limits));
	assert_non_null(world->memory);
	memset(world->memory, 0, path_size(&limits));
	world->path = path_new(world->memory, &limits, &output);
	return world;
}

static uint32_t world_interface(const struct world *world, const char *name)
{
	return compiler_interface_index(&world->compiler, name);
}

/* received = forwarded + consumed + held + sum(dropped), and created - closed == live. */
static void world_check_laws(const struct world *world)
{
	const struct flow_table *flows = path_flows(world->path);
	uint64_t closed = 0;

	for (uint32_t i = 0; i < INTERFACES_MAX; i++) {
		const struct interface_counters *counters =
			&path_counters(world->path)->interface[i];
		uint64_t sum = counters->held;

		for (unsigned v = 0; v < VERDICT_COUNT; v++)
			sum += counters->verdict[v];
		assert_int_equal(counters->received, sum);
	}
	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		closed += flows->closed[i];
	assert_int_equal(flows->created - closed, flows->live);
}

__attribute__((unused)) static void world_free(struct world *world)
{
	world_check_laws(world);
	config_free(world->config);
	compiler_fini(&world->compiler);
	free(world->memory);
	free(world);
}

/* Two interfaces, static neighbors, pool web of two backends, service web on 203.0.113.10:80/tcp. */
__attribute__((unused)) static struct world *world_web(uint32_t flows)
{
	struct world *world = world_new(flows);

	world_add(world, KIND_INTERFACE, "name", "ext", "role", "frontend", "address", "198.51.100.1/24");
	world_add(world, KIND_INTERFACE, "name", "int", "role", "backend", "address", "10.0.0.1/24");
	world_add(world, KIND_NEIGHBOR, "address", "198.51.100.7", "mac", "02:00:00:00:07:07",
		  "interface", "ext");
	world_add(world, KIND_NEIGHBOR, "address", "10.0.0.11", "mac", "02:00:00:00:00:11",
		  "interface", "int");
	world_add(world, KIND_NEIGHBOR, "address", "10.0.0.12", "mac", "02:00:00:00:00:12",
		  "interface", "int");
	world_add(world, KIND_POOL, "name", "web");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.11:8080");
	world_add(world, KIND_BACKEND, "pool", "web", "address", "10.0.0.12:8080");
	world_add(world, KIND_SERVICE, "name", "web", "address", "203.0.113.10:80/tcp", "pool", "web");
	world_publish(world);
	return world;
}

/* A packet to be: what stands in its headers. */
struct world_packet {
	const char *in;            /* interface */
	const char *source, *destination;
	uint16_t source_port, destination_port;
	uint8_t protocol;          /* IP protocol number */
	uint8_t tcp_flags;
	uint8_t ttl;               /* 0: 64 */
	uint16_t fragment, id;     /* the header's fields */
	unsigned payload;          /* bytes */
	unsigned padding;          /* bytes after the IP packet */
};

static be32 world_address(const char *text)
{
	be32 address;

	assert_int_equal(parse_address(text, &address), 0);
	return address;
}

/* Builds the frame in world->input, all checksums right. */
static struct frame world_build(struct world *world, const struct world_packet *want)
{
	uint32_t interface = world_interface(world, want->in);
	uint8_t *data = world->input + 64;
	struct ethernet *ethernet = (struct ethernet *)data;
	struct ipv4 *ip = (struct ipv4 *)(ethernet + 1);
	uint8_t *l4 = (uint8_t *)(ip + 1);
	bool tcp = want->protocol == PROTOCOL_NUMBER_TCP;
	unsigned header = tcp ? TCP_SIZE_MIN : UDP_SIZE;
	uint16_t l4_length = (uint16_t)(header + want->payload);

	memset(data, 0, ETHERNET_SIZE + IPV4_SIZE_MIN + header);
	ethernet->destination = (struct mac_address){{2, 0, 0, 0, 0, (uint8_t)(interface + 1)}};
	ethernet->source = (struct mac_address){{2, 0, 0, 0, 9, 9}};
	ethernet->type = to_be16(ETHERTYPE_IPV4);
	ip->version_ihl = 0x45;
	ip->total_length = to_be16((uint16_t)(IPV4_SIZE_MIN + l4_length));
	ip->id = to_be16(want->id);
	ip->fragment = to_be16(want->fragment);
	ip->ttl = want->ttl ? want->ttl : 64;
	ip->protocol = want->protocol;
	ip->source = world_address(want->source);
	ip->destination = world_address(want->destination);
	ip->checksum = checksum_field(checksum_add(0, ip, IPV4_SIZE_MIN));
	for (unsigned i = 0; i < want->payload; i++)
		l4[header + i] = (uint8_t)(i * 7 + want->id);
	uint64_t pseudo = checksum_pseudo_header(ip->source, ip->destination, ip->protocol, l4_length);
	((struct udp *)l4)->source = to_be16(want->source_port);
	((struct udp *)l4)->destination = to_be16(want->destination_port);
	if (tcp) {
		((struct tcp *)l4)->offset = 5 << 4;
		((struct tcp *)l4)->flags = want->tcp_flags;
		((struct tcp *)l4)->checksum = checksum_field(checksum_add(pseudo, l4, l4_length));
	} else {
		((struct udp *)l4)->length = to_be16(l4_length);
		((struct udp *)l4)->checksum = checksum_field_udp(checksum_add(pseudo, l4, l4_length));
	}
	memset(l4 + l4_length, 0xee, want->padding);
	uint32_t length = ETHERNET_SIZE + IPV4_SIZE_MIN + l4_length + want->padding;
	return (struct frame){.data = data, .length = length, .wire_length = length, .headroom = 64,
			      .interface = (uint16_t)interface};
}

/* Receives a frame; what left because of it is in world->frame[0 .. sent-1]. */
static struct outcome world_receive_frame(struct world *world, struct frame *frame)
{
	struct outcome outcome;

	world->sent = 0;
	path_receive(world->path, frame, &outcome, 1, world->now_ns);
	world_check_laws(world);
	return outcome;
}

__attribute__((unused)) static enum verdict world_receive(struct world *world, struct world_packet want)
{
	struct frame frame = world_build(world, &want);

	return world_receive_frame(world, &frame).verdict;
}

/* What is in a frame that left; every checksum in it must be right. */
__attribute__((unused)) static struct packet world_read(struct world_sent *sent)
{
	struct packet packet;
	enum verdict drop;

	if (!packet_parse_ipv4(&packet, &sent->frame, &drop))
		fail_msg("what left is no packet: %s", verdict_name(drop));
	if (packet.fragment == FRAGMENT_NONE && packet.protocol != PROTOCOL_NUMBER_IPIP)
		assert_true(checksum_verify(&packet));
	return packet;
}

#define assert_address(be, text) assert_int_equal((be).raw, world_address(text).raw)

#endif
