/* A small world around one packet path, for its unit tests: two networks, a VIP, a gateway, and a
 * record of what left and what was told.
 *
 *    clients 203.0.113.0/24 -- ext (0) [ 203.0.113.1 ]                          VIP 203.0.113.10
 *    gateway 203.0.113.254                [ 10.0.0.1 ] int (1) -- servers 10.0.0.0/24
 *
 * Forwarding is on, so that a plain packet to 10.0.0.5 goes out by `int` with no service around.
 */
#ifndef TESTS_UNIT_PATH_WORLD_H
#define TESTS_UNIT_PATH_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appliance/compile_index.h"
#include "appliance/path/checksum.h"
#include "appliance/path/internal.h"

enum {
	EXT = 0,
	INT = 1,
	WORLD_INTERFACES = 3,
	WORLD_ROUTES = 8,
	WORLD_LOCALS = 4096,
	WORLD_NEIGHBORS = 8,
	WORLD_INDEX = 2 * WORLD_LOCALS,
	WORLD_SENT = 16384,
	WORLD_EVENTS = 4096,
	WORLD_FRAME = 1600,     /* bytes of a sent frame that are kept */
	WORLD_HELD_FRAME = 1514,
};

#define SECOND UINT64_C(1000000000)

/* Everything that a snapshot points at. */
struct tables {
	struct snapshot snapshot;
	struct snapshot_interface interface[WORLD_INTERFACES];
	struct snapshot_route route[WORLD_ROUTES];
	struct snapshot_local local[WORLD_LOCALS];
	struct snapshot_neighbor neighbor[WORLD_NEIGHBORS];
	uint32_t local_index[WORLD_INDEX];
};

struct sent {
	uint32_t interface, length;
	uint8_t bytes[WORLD_FRAME];
};

struct world {
	struct arena *arena;     /* of what is compiled from the tables */
	struct path *path;
	void *memory;
	uint64_t now;
	struct tables tables[2]; /* the one in force and the one before, by turns */
	uint32_t turn;
	struct sent sent[WORLD_SENT];
	uint32_t sent_count;
	struct path_event event[WORLD_EVENTS];
	uint32_t events;
};

static inline be32 address(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return to_be32(a << 24 | b << 16 | c << 8 | d);
}

static inline struct mac_address mac(uint8_t last)
{
	return (struct mac_address){{0x02, 0, 0, 0, 0, last}};
}

#define VIP      address(203, 0, 113, 10)
#define CLIENT   address(203, 0, 113, 77)
#define GATEWAY  address(203, 0, 113, 254)
#define SERVER   address(10, 0, 0, 5)
#define EXT_MAC  mac(0xe0)
#define INT_MAC  mac(0xe1)
#define CLIENT_MAC mac(0x77)
#define SERVER_MAC mac(0x05)

static inline void world_send(void *context, const struct frame *frame)
{
	struct world *world = context;
	struct sent *sent = &world->sent[world->sent_count++];

	assert_true(world->sent_count < WORLD_SENT);
	sent->interface = frame->interface;
	sent->length = frame->length;
	memset(sent->bytes, 0, sizeof(sent->bytes));
	memcpy(sent->bytes, frame->data,
	       frame->length < WORLD_FRAME ? frame->length : WORLD_FRAME);
}

static inline void world_event(void *context, const struct path_event *event)
{
	struct world *world = context;

	assert_true(world->events < WORLD_EVENTS);
	world->event[world->events++] = *event;
}

static inline void tables_add_local(struct tables *tables, be32 of, uint32_t interface)
{
	struct snapshot_local *local = &tables->local[tables->snapshot.locals];
	uint32_t at = snapshot_hash_address(of) & (WORLD_INDEX - 1);

	*local = (struct snapshot_local){
		.address = of, .interface = interface, .services = interface == NONE};
	while (tables->local_index[at] != NONE)
		at = (at + 1) & (WORLD_INDEX - 1);
	tables->local_index[at] = tables->snapshot.locals++;
}

static inline void tables_clear_locals(struct tables *tables)
{
	tables->snapshot.locals = 0;
	memset(tables->local_index, 0xff, sizeof(tables->local_index));
	tables_add_local(tables, address(203, 0, 113, 1), EXT);
	tables_add_local(tables, address(10, 0, 0, 1), INT);
}

static inline void tables_init(struct tables *tables)
{
	struct snapshot *snapshot = &tables->snapshot;

	memset(tables, 0, sizeof(*tables));
	tables->interface[EXT] = (struct snapshot_interface){
		.id = 1U << SLOT_BITS | EXT, .mac = EXT_MAC, .sides = SIDE_FRONTEND, .up = true, .mtu = 1500,
		.address = address(203, 0, 113, 1)};
	tables->interface[INT] = (struct snapshot_interface){
		.id = 1U << SLOT_BITS | INT, .mac = INT_MAC, .sides = SIDE_BACKEND, .up = true, .mtu = 1500,
		.address = address(10, 0, 0, 1)};
	tables->route[0] = (struct snapshot_route){
		address(203, 0, 113, 0), 24, EXT, {0}, address(203, 0, 113, 1)};
	tables->route[1] = (struct snapshot_route){
		address(10, 0, 0, 0), 24, INT, {0}, address(10, 0, 0, 1)};
	tables->route[2] = (struct snapshot_route){
		address(0, 0, 0, 0), 0, EXT, GATEWAY, address(203, 0, 113, 1)};
	snapshot->forwarding = true;
	snapshot->interfaces = 2;
	snapshot->routes = 3;
	tables_clear_locals(tables);
	tables_add_local(tables, VIP, NONE);
}

static inline void tables_link(struct tables *tables, struct arena *arena)
{
	struct snapshot *snapshot = &tables->snapshot;

	snapshot->interface = tables->interface;
	snapshot->route = tables->route;
	snapshot->local = tables->local;
	snapshot->neighbor = tables->neighbor;
	snapshot->local_index = (struct snapshot_index){WORLD_INDEX - 1, tables->local_index};
	memset(snapshot->ranges_of, 0, sizeof(snapshot->ranges_of));
	compile_route_indexes(snapshot, arena);
}

/* The tables of the next snapshot, as those in force are; world_publish() puts them in force. */
static inline struct tables *world_next(struct world *world)
{
	struct tables *next = &world->tables[!world->turn];

	*next = world->tables[world->turn];
	return next;
}

static inline void world_publish(struct world *world)
{
	world->turn = !world->turn;
	tables_link(&world->tables[world->turn], world->arena);
	path_publish(world->path, &world->tables[world->turn].snapshot, world->now);
}

static inline struct world *world_new(void)
{
	const struct path_limits limits = {
		.flows = 64, .held_frame_size = WORLD_HELD_FRAME, .seed = 42};
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	const struct path_output output = {
		.context = world, .send = world_send, .event = world_event,
	};
	const size_t size = (path_size(&limits) + 63) & ~(size_t)63;

	world->memory = aligned_alloc(64, size);
	assert_non_null(world->memory);
	memset(world->memory, 0, size);
	world->path = path_new(world->memory, &limits, &output);
	world->now = 1000 * SECOND;
	world->arena = arena_new();
	assert_non_null(world->arena);
	tables_init(&world->tables[world->turn]);
	world_next(world);
	return world;
}

/* Does all that is due until `now`, at its time, as the loop does. */
static inline void world_run_until(struct world *world, uint64_t now)
{
	while (path_deadline(world->path) <= now) {
		if (path_deadline(world->path) > world->now)
			world->now = path_deadline(world->path);
		path_tick(world->path, world->now);
	}
	world->now = now;
}

static inline void world_forget_sent(struct world *world)
{
	world->sent_count = 0;
	world->events = 0;
}

/* With snapshot in force and its announcements over, at a quiet time. */
static inline struct world *world_up(void)
{
	struct world *world = world_new();

	world_publish(world);
	world_run_until(world, world->now + 10 * SECOND);
	world_forget_sent(world);
	return world;
}

/* SEMANTICS: received = forwarded + consumed + held + sum(dropped by reason). */
static inline void world_check_conservation(const struct world *world)
{
	for (uint32_t i = 0; i < INTERFACES_MAX; i++) {
		const struct interface_counters *counters =
			&path_counters(world->path)->interface[i];
		uint64_t sum = counters->held;

		for (uint32_t v = 0; v < VERDICT_COUNT; v++)
			sum += counters->verdict[v];
		assert_int_equal(counters->verdict[VERDICT_HELD], 0);
		assert_int_equal(counters->received, sum);
	}
}

static inline void world_free(struct world *world)
{
	world_check_conservation(world);
	arena_free(world->arena);
	free(world->memory);
	free(world);
}

static inline uint64_t counted(const struct world *world, uint32_t interface, enum verdict verdict)
{
	return path_counters(world->path)->interface[interface].verdict[verdict];
}

static inline uint64_t held_from(const struct world *world, uint32_t interface)
{
	return path_counters(world->path)->interface[interface].held;
}

static inline enum verdict receive(struct world *world, uint32_t interface, void *bytes,
				   uint32_t length)
{
	struct frame frame = {
		.data = bytes,
		.length = length,
		.wire_length = length,
		.interface = (uint16_t)interface,
	};
	struct outcome outcome;

	path_receive(world->path, &frame, &outcome, 1, world->now);
	world_check_conservation(world);
	return outcome.verdict;
}

/* A frame with an IPv4 packet of another protocol than TCP, UDP and ICMP: nothing but its header
 * matters. Its last byte is `mark`. */
struct WIRE plain {
	struct ethernet ethernet;
	struct ipv4 ip;
	uint8_t payload[24];
};

enum { PROTOCOL_PLAIN = 99, PLAIN_MARK = 23 };

static inline struct plain plain_packet(uint32_t in, be32 source, be32 destination, uint8_t mark)
{
	struct plain plain = {
		.ethernet = {in == EXT ? EXT_MAC : INT_MAC, CLIENT_MAC, to_be16(ETHERTYPE_IPV4)},
		.ip = {
			.version_ihl = 0x45,
			.total_length = to_be16(sizeof(plain) - ETHERNET_SIZE),
			.ttl = 64,
			.protocol = PROTOCOL_PLAIN,
			.source = source,
			.destination = destination,
		},
	};

	plain.payload[PLAIN_MARK] = mark;
	return plain;
}

static inline void plain_seal(struct plain *plain)
{
	plain->ip.checksum = (be16){0};
	plain->ip.checksum = checksum_of(&plain->ip, sizeof(plain->ip));
}

static inline enum verdict receive_plain(struct world *world, uint32_t in, be32 destination,
					 uint8_t mark)
{
	struct plain plain = plain_packet(in, CLIENT, destination, mark);

	plain_seal(&plain);
	return receive(world, in, &plain, sizeof(plain));
}

struct WIRE arp_frame {
	struct ethernet ethernet;
	struct arp arp;
};

static inline struct arp_frame arp_packet(struct mac_address to, uint16_t operation,
					  struct mac_address sender_mac, be32 sender,
					  struct mac_address target_mac, be32 target)
{
	return (struct arp_frame){
		{to, sender_mac, to_be16(ETHERTYPE_ARP)},
		{to_be16(1), to_be16(ETHERTYPE_IPV4), 6, 4, to_be16(operation), sender_mac, sender,
		 target_mac, target},
	};
}

static const struct mac_address broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static inline enum verdict receive_request(struct world *world, uint32_t in,
					   struct mac_address sender_mac, be32 sender, be32 target)
{
	struct arp_frame frame = arp_packet(broadcast, 1, sender_mac, sender,
					    (struct mac_address){{0}}, target);

	return receive(world, in, &frame, sizeof(frame));
}

/* A reply to the request that the appliance would send on that interface. */
static inline enum verdict receive_reply(struct world *world, uint32_t in,
					 struct mac_address sender_mac, be32 sender)
{
	const struct snapshot_interface *own = &world->path->snapshot->interface[in];
	struct arp_frame frame =
		arp_packet(own->mac, 2, sender_mac, sender, own->mac, own->address);

	return receive(world, in, &frame, sizeof(frame));
}

/* What was sent, as ARP. */
static inline const struct arp_frame *sent_arp(const struct world *world, uint32_t i)
{
	const struct arp_frame *frame = (const struct arp_frame *)world->sent[i].bytes;

	assert_true(i < world->sent_count);
	assert_int_equal(from_be16(frame->ethernet.type), ETHERTYPE_ARP);
	assert_int_equal(world->sent[i].length, sizeof(*frame));
	return frame;
}

static inline const struct plain *sent_plain(const struct world *world, uint32_t i)
{
	const struct plain *plain = (const struct plain *)world->sent[i].bytes;

	assert_true(i < world->sent_count);
	assert_int_equal(from_be16(plain->ethernet.type), ETHERTYPE_IPV4);
	return plain;
}

#define assert_address(a, b) assert_int_equal(from_be32(a), from_be32(b))

static inline void assert_mac(struct mac_address a, struct mac_address b)
{
	assert_memory_equal(&a, &b, sizeof(a));
}

static inline const char *neighbor_state(const struct world *world, uint32_t interface, be32 of)
{
	struct mac_address unused;
	const char *state;

	neighbor_peek(world->path, interface, of, &unused, &state);
	return state;
}

#endif
