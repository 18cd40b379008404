/* Check targets in a small world: one target, or many, and what their hosts answer. */
#ifndef TESTS_UNIT_CHECK_WORLD_H
#define TESTS_UNIT_CHECK_WORLD_H

#include "tests/unit/path_packets.h"

enum {
	TARGETS = 8,
	TARGETS_INDEX = 16,
	GENERATION = 1 << SLOT_BITS,
	PORT = 8080,
};

#define INT_ADDRESS address(10, 0, 0, 1)
#define MS UINT64_C(1000000)

struct targets {
	struct snapshot_target target[TARGETS];
	uint32_t count;
	uint32_t index[TARGETS_INDEX];
	uint32_t by_slot[TARGETS_MAX];
};

/* The targets in force and the next ones, by turns; a test has one world at a time. */
static struct targets check_targets[2];
static unsigned check_turn;

static inline struct snapshot_target some_target(enum probe_type type, uint32_t slot)
{
	return (struct snapshot_target){
		.registration = NONE,
		.id = GENERATION | slot,
		.address = SERVER,
		.port = to_be16(PORT),
		.type = (uint8_t)type,
		.rise = 2,
		.fall = 3,
		.interval_ns = 2 * SECOND,
		.timeout_ns = SECOND,
		.payload = "hello",
		.payload_length = 5,
		.expect = "",
	};
}

/* Puts exactly these targets in force. */
static inline void put_targets(struct world *world, const struct snapshot_target *target,
			       uint32_t count)
{
	struct targets *targets = &check_targets[check_turn ^= 1];
	struct snapshot *snapshot = &world_next(world)->snapshot;

	memset(targets, 0, sizeof(*targets));
	memset(targets->index, 0xff, sizeof(targets->index));
	memset(targets->by_slot, 0xff, sizeof(targets->by_slot));
	targets->count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = snapshot_hash_address(target[i].address);

		targets->target[i] = target[i];
		targets->by_slot[target[i].id & SLOT_MASK] = i;
		if (target[i].type != PROBE_HEARTBEAT)
			continue;
		while (targets->index[at % TARGETS_INDEX] != NONE)
			at++;
		targets->index[at % TARGETS_INDEX] = i;
	}
	snapshot->targets = count;
	snapshot->target = targets->target;
	snapshot->target_index = (struct snapshot_index){TARGETS_INDEX - 1, targets->index};
	snapshot->target_by_slot = targets->by_slot;
	world_publish(world);
}

/* A world whose server has a known MAC, at a quiet time. */
static inline struct world *world_with_server(void)
{
	struct world *world = world_up();
	struct tables *tables = world_next(world);

	tables->neighbor[0] = (struct snapshot_neighbor){SERVER, INT, SERVER_MAC};
	tables->snapshot.neighbors = 1;
	world_publish(world);
	world_forget_sent(world);
	return world;
}

static inline struct world *world_with_target(const struct snapshot_target *target)
{
	struct world *world = world_with_server();

	put_targets(world, target, 1);
	return world;
}

/* Runs until the next frame leaves; false where none does before `limit_ns`. */
static inline bool run_to_frame(struct world *world, uint64_t limit_ns)
{
	world->sent_count = 0;
	while (path_deadline(world->path) <= limit_ns) {
		if (path_deadline(world->path) > world->now)
			world->now = path_deadline(world->path);
		path_tick(world->path, world->now);
		if (world->sent_count)
			return true;
	}
	world->now = limit_ns;
	return false;
}

/* Runs to the next probe and gives its frame. */
static inline const uint8_t *next_probe(struct world *world)
{
	assert_true(run_to_frame(world, world->now + 100 * SECOND));
	assert_int_equal(world->sent_count, 1);
	assert_int_equal(world->sent[0].interface, INT);
	return world->sent[0].bytes;
}

static inline struct check_view view_of(const struct world *world, uint32_t id)
{
	struct check_view view;

	assert_true(check_view(world->path, id, &view));
	return view;
}

static inline enum health health_of(const struct world *world, uint32_t id)
{
	return path_target_health(world->path, id);
}

/* The answer of a host that is well. */
static inline struct made answer_to(const uint8_t *frame)
{
	const struct ipv4 *ip = ip_of(frame);
	const uint8_t *l4 = l4_of(frame);
	const struct icmp *icmp = (const struct icmp *)l4;
	const struct tcp *tcp = (const struct tcp *)l4;
	const struct udp *udp = (const struct udp *)l4;
	uint32_t length = from_be16(ip->total_length) - IPV4_SIZE_MIN;

	switch (ip->protocol) {
	case PROTOCOL_NUMBER_ICMP:
		return make_icmp(INT, ip->destination, ip->source, ICMP_ECHO_REPLY, 0,
				 from_be16(icmp->id), from_be16(icmp->sequence), icmp + 1,
				 length - ICMP_SIZE);
	case PROTOCOL_NUMBER_TCP:
		return make_tcp(INT, ip->destination, from_be16(tcp->destination), ip->source,
				from_be16(tcp->source), TCP_SYN | TCP_ACK, 555,
				from_be32(tcp->sequence) + 1);
	default:
		return make_udp(INT, ip->destination, from_be16(udp->destination), ip->source,
				from_be16(udp->source), udp + 1, (uint16_t)(length - UDP_SIZE));
	}
}

/* "Destination unreachable" of the host about what it was sent. */
static inline struct made refusal_of(const uint8_t *frame, uint8_t code)
{
	return make_error(INT, ip_of(frame)->destination, ip_of(frame)->source, ICMP_UNREACHABLE,
			  code, 0, frame, IPV4_SIZE_MIN + 8);
}

static inline enum verdict answer(struct world *world, const uint8_t *frame)
{
	struct made made = answer_to(frame);

	return receive_made(world, INT, &made);
}

static inline struct made arp_answer(struct mac_address who)
{
	struct arp_frame frame = arp_packet(INT_MAC, 2, who, SERVER, INT_MAC, INT_ADDRESS);
	struct made made = {.length = sizeof(frame)};

	memcpy(made.bytes, &frame, sizeof(frame));
	return made;
}

#endif
