/* A VIP with two services, TCP and UDP, and packets of their flows: as sent, and as they left. */
#ifndef TESTS_UNIT_FLOW_WORLD_H
#define TESTS_UNIT_FLOW_WORLD_H

#include "tests/unit/path_packets.h"

#include "appliance/path/maglev.h"
#include "appliance/path/quote.h"

enum {
	SERVICES = 2,
	BACKENDS = 2,
	INDEX = 16,
	FLOWS = 64, /* of the world's path */
	VIP_PORT = 80,
	CLIENT_PORT = 40000,
	ROUTER_TTL = 3, /* left of a packet's TTL where it is quoted */
};

#define BACKEND_0 SERVER
#define BACKEND_1 address(10, 0, 0, 6)
#define ROUTER    address(192, 0, 2, 1)

static const uint16_t backend_port[BACKENDS] = {8080, 8081};

/* Two services on the VIP, TCP and UDP, each with a pool of one backend. */
struct services {
	struct snapshot_service service[SERVICES];
	struct snapshot_pool pool[SERVICES];
	struct snapshot_backend backend[BACKENDS];
	struct snapshot_reply reply[BACKENDS];
	uint32_t service_index[INDEX], reply_index[INDEX];
	uint32_t by_slot[BACKENDS_MAX];
	uint16_t maglev[MAGLEV_SIZE];
};

static struct services services;
static uint8_t pattern[1400];

static inline void put(uint32_t index[INDEX], uint32_t hash, uint32_t value)
{
	while (index[hash % INDEX] != NONE)
		hash++;
	index[hash % INDEX] = value;
}

static inline void services_init(void)
{
	static const uint8_t protocol[SERVICES] = {PROTOCOL_NUMBER_TCP, PROTOCOL_NUMBER_UDP};

	memset(&services, 0, sizeof(services));
	memset(services.service_index, 0xff, sizeof(services.service_index));
	memset(services.reply_index, 0xff, sizeof(services.reply_index));
	memset(services.by_slot, 0xff, sizeof(services.by_slot));
	for (uint32_t i = 0; i < SERVICES; i++) {
		be32 of = i ? BACKEND_1 : BACKEND_0;
		be16 port = to_be16(backend_port[i]);

		services.service[i] = (struct snapshot_service){
			.id = 1U << SLOT_BITS | i, .vip = VIP, .port = to_be16(VIP_PORT),
			.protocol = protocol[i], .enabled = true, .pool = i};
		services.pool[i] = (struct snapshot_pool){
			.first = i, .count = 1, .maglev = services.maglev};
		services.backend[i] = (struct snapshot_backend){
			.id = 1U << SLOT_BITS | i, .address = of, .port = port, .weight = 1,
			.target = NONE};
		services.reply[i] = (struct snapshot_reply){of, port, protocol[i], i};
		services.by_slot[i] = i;
		put(services.service_index,
		    snapshot_hash_endpoint(VIP, to_be16(VIP_PORT), protocol[i]), i);
		put(services.reply_index, snapshot_hash_endpoint(of, port, protocol[i]), i);
	}
}

static inline struct world *world_with_services(void)
{
	struct world *world = world_up();
	struct tables *tables = world_next(world);
	struct snapshot *snapshot = &tables->snapshot;

	services_init();
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + 3);
	tables->neighbor[0] = (struct snapshot_neighbor){CLIENT, EXT, CLIENT_MAC};
	tables->neighbor[1] = (struct snapshot_neighbor){BACKEND_0, INT, SERVER_MAC};
	tables->neighbor[2] = (struct snapshot_neighbor){BACKEND_1, INT, mac(6)};
	snapshot->neighbors = 3;
	snapshot->forwarding = false;
	snapshot->service = services.service;
	snapshot->pool = services.pool;
	snapshot->backend = services.backend;
	snapshot->reply = services.reply;
	snapshot->services = snapshot->pools = SERVICES;
	snapshot->backends = snapshot->replies = BACKENDS;
	snapshot->service_index = (struct snapshot_index){INDEX - 1, services.service_index};
	snapshot->reply_index = (struct snapshot_index){INDEX - 1, services.reply_index};
	snapshot->service_by_slot = snapshot->backend_by_slot = services.by_slot;
	snapshot->target_by_slot = services.by_slot;
	world_publish(world);
	world_forget_sent(world);
	return world;
}

/* A packet as its sender sent it, and as it left the appliance. */
struct crossing { struct made before, after; };

static inline struct crossing cross(struct world *world, uint32_t in, struct made before)
{
	struct crossing crossing = {.before = before};
	struct made received = before;

	world_forget_sent(world);
	assert_int_equal(receive_made(world, in, &received), VERDICT_FORWARDED);
	assert_int_equal(world->sent_count, 1);
	crossing.after.length = world->sent[0].length;
	memcpy(crossing.after.bytes, sent_sound(world, 0), crossing.after.length);
	/* On to a router, where the TTL is lower. */
	ip_of(crossing.after.bytes)->ttl = ROUTER_TTL;
	seal_ip(ip_of(crossing.after.bytes));
	world_forget_sent(world);
	return crossing;
}

static inline struct crossing tcp_request(struct world *world)
{
	return cross(world, EXT,
		     make_tcp(EXT, CLIENT, CLIENT_PORT, VIP, VIP_PORT, TCP_SYN, 1000, 0));
}

static inline struct crossing tcp_reply(struct world *world)
{
	tcp_request(world);
	return cross(world, INT, make_tcp(INT, BACKEND_0, backend_port[0], CLIENT, CLIENT_PORT,
					  TCP_SYN | TCP_ACK, 2000, 1001));
}

static inline struct crossing udp_request(struct world *world, uint16_t payload)
{
	return cross(world, EXT,
		     make_udp(EXT, CLIENT, CLIENT_PORT, VIP, VIP_PORT, pattern, payload));
}

static inline struct crossing udp_reply(struct world *world, uint16_t payload)
{
	udp_request(world, payload);
	return cross(world, INT, make_udp(INT, BACKEND_1, backend_port[1], CLIENT, CLIENT_PORT,
					  pattern, payload));
}

static inline uint32_t whole(const struct crossing *crossing)
{
	return from_be16(ip_of(crossing->after.bytes)->total_length);
}

#endif
