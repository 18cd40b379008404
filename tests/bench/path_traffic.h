/* Traffic for the packet path alone: frames made from the number of a flow, in random order.
 *
 * Frames lie in slots, as in a ring, written before the clock runs: a slot is read and rewritten
 * once and then written anew. A batch comes from one interface, as a ring's does. The script that
 * goes with it (tests/bench/cases.py) has the frontends first, then the backends' interface, and
 * clients of frontend N in (64 + N).0.0.0/8.
 */
#ifndef TESTS_BENCH_PATH_TRAFFIC_H
#define TESTS_BENCH_PATH_TRAFFIC_H

#include <string.h>

#include "appliance/path/checksum.h"
#include "path_world.h"

enum {
	BATCH_MAX = 64,
	FRAME_SIZE_MIN = 60,       /* Ethernet, without the frame check sequence */
	PORT_FIRST = 1024,
	PORTS = 60000,             /* that one client address uses */
	CLIENT_NETWORK = 64,       /* first byte of the clients' addresses at the first frontend */
	SERVICES_A_NETWORK = 250,  /* VIPs 203.0.0.1 to .250, 203.0.1.1 and so on */
	SERVICE_PORT = 80,
	SEGMENT_TTL = 64,
};

enum traffic {
	TRAFFIC_FORWARD, /* packets of clients, of flows that are there */
	TRAFFIC_REPLY,   /* packets of backends */
	TRAFFIC_BOTH,    /* batches of either */
	TRAFFIC_NEW,     /* each packet begins a flow: SYNs in TCP */
	TRAFFIC_COUNT,
};

static const char *const traffic_name[TRAFFIC_COUNT] = {"forward", "reply", "both", "new"};

struct endpoints {
	be32 source, destination;
	be16 source_port, destination_port;
};

struct traffic_options {
	enum traffic traffic;
	bool tcp;
	uint32_t flows;
	unsigned services, frontends, batch, frame_size;
	uint32_t slots;          /* frames that are made before each stretch of time */
	uint64_t gap_ns;         /* from packet to packet, on the path's clock */
};

struct generator {
	struct traffic_options options;
	struct world *world;
	uint8_t *memory;         /* [slots] of slot_size */
	size_t slot_size;
	uint16_t *interface;     /* [slots]: where its frame comes in */
	struct mac_address mac[INTERFACES_MAX];
	struct endpoints *reply; /* [flows]: as a backend answers; learnt from what it got */
	uint32_t *flow_of;       /* [slots], while that is learnt */
	uint64_t random;
	uint64_t fresh;          /* number of the next flow that nobody has seen */
};

static be32 make_address(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return to_be32(a << 24 | b << 16 | c << 8 | d);
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016. */
static uint32_t random_below(struct generator *generator, uint32_t limit)
{
	uint64_t x = generator->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	generator->random = x;
	return (uint32_t)((x * UINT64_C(2685821657736338717) >> 32) * limit >> 32);
}

static unsigned frontend_of(const struct generator *generator, uint64_t flow)
{
	return (unsigned)(flow % generator->options.frontends);
}

/* The frontend's flows take turns among its services, then among ports, then among clients. */
static struct endpoints client_endpoints(const struct generator *generator, uint64_t flow)
{
	uint64_t number = flow / generator->options.frontends;
	uint32_t service = (uint32_t)(number % generator->options.services);
	uint32_t client = (uint32_t)(number / PORTS);

	return (struct endpoints){
		.source = to_be32((CLIENT_NETWORK + frontend_of(generator, flow)) << 24 |
				  (client + 1)),
		.source_port = to_be16((uint16_t)(PORT_FIRST + number % PORTS)),
		.destination = make_address(203, 0, service / SERVICES_A_NETWORK,
					    service % SERVICES_A_NETWORK + 1),
		.destination_port = to_be16(SERVICE_PORT),
	};
}

static uint8_t *slot_frame(const struct generator *generator, uint32_t slot)
{
	return generator->memory + slot * generator->slot_size + FRAME_HEADROOM_MIN;
}

/* A whole frame, all checksums right. */
static void write_frame(struct generator *generator, uint32_t slot, uint16_t interface,
			const struct endpoints *ends, uint8_t tcp_flags)
{
	const struct traffic_options *options = &generator->options;
	struct ethernet *ethernet = (struct ethernet *)slot_frame(generator, slot);
	struct ipv4 *ip = (struct ipv4 *)(ethernet + 1);
	uint8_t *l4 = (uint8_t *)(ip + 1);
	uint16_t length = (uint16_t)(options->frame_size - ETHERNET_SIZE - IPV4_SIZE_MIN);
	uint8_t protocol = options->tcp ? PROTOCOL_NUMBER_TCP : PROTOCOL_NUMBER_UDP;

	generator->interface[slot] = interface;
	*ethernet = (struct ethernet){.destination = generator->mac[interface],
				      .source = {{2, 0, 0, 0, 9, 9}},
				      .type = to_be16(ETHERTYPE_IPV4)};
	*ip = (struct ipv4){.version_ihl = 0x45, .ttl = SEGMENT_TTL, .protocol = protocol,
			    .total_length = to_be16((uint16_t)(IPV4_SIZE_MIN + length)),
			    .source = ends->source, .destination = ends->destination};
	ip->checksum = checksum_of(ip, IPV4_SIZE_MIN);
	memset(l4, 0, length);
	uint64_t pseudo = checksum_pseudo_header(ip->source, ip->destination, protocol, length);
	if (options->tcp) {
		struct tcp *tcp = (struct tcp *)l4;

		*tcp = (struct tcp){.source = ends->source_port,
				    .destination = ends->destination_port,
				    .offset = 5 << 4, .flags = tcp_flags};
		tcp->checksum = checksum_field(checksum_add(pseudo, l4, length));
	} else {
		struct udp *udp = (struct udp *)l4;

		*udp = (struct udp){.source = ends->source_port,
				    .destination = ends->destination_port,
				    .length = to_be16(length)};
		udp->checksum = checksum_field_udp(checksum_add(pseudo, l4, length));
	}
}

static void write_forward(struct generator *generator, uint32_t slot, uint64_t flow, uint8_t flags)
{
	struct endpoints ends = client_endpoints(generator, flow);

	write_frame(generator, slot,
		    world_interface(generator->world, frontend_of(generator, flow)), &ends, flags);
}

static void write_reply(struct generator *generator, uint32_t slot, uint64_t flow, uint8_t flags)
{
	write_frame(generator, slot,
		    world_interface(generator->world, generator->options.frontends),
		    &generator->reply[flow], flags);
}

/* A random flow, of one frontend in particular: a batch comes from one interface. */
static uint32_t random_flow(struct generator *generator, unsigned frontend)
{
	unsigned frontends = generator->options.frontends;

	return random_below(generator, generator->options.flows / frontends) * frontends + frontend;
}

static void write_batch(struct generator *generator, uint32_t first, unsigned count)
{
	const struct traffic_options *options = &generator->options;
	unsigned frontend = random_below(generator, options->frontends);
	bool reply = options->traffic == TRAFFIC_REPLY ||
		     (options->traffic == TRAFFIC_BOTH && random_below(generator, 2));

	for (uint32_t slot = first; slot < first + count; slot++)
		if (options->traffic == TRAFFIC_NEW)
			write_forward(generator, slot,
				      generator->fresh++ * options->frontends + frontend, TCP_SYN);
		else if (reply)
			write_reply(generator, slot,
				    random_flow(generator,
						random_below(generator, options->frontends)),
				    TCP_ACK);
		else
			write_forward(generator, slot, random_flow(generator, frontend), TCP_ACK);
}

/* As a ring describes the frames of a batch. */
static void describe(const struct generator *generator, uint32_t first, unsigned count,
		     struct frame *ret_frames)
{
	for (unsigned i = 0; i < count; i++)
		ret_frames[i] = (struct frame){
			.data = slot_frame(generator, first + i),
			.length = generator->options.frame_size,
			.wire_length = generator->options.frame_size,
			.headroom = FRAME_HEADROOM_MIN,
			.interface = generator->interface[first + i],
		};
}

typedef void receive_batch(struct path *path, struct frame *frames, struct outcome *outcomes,
			   unsigned count, uint64_t now_ns);

/* The first `count` slots, batch by batch: all that is ever measured. */
static void pass(struct generator *generator, receive_batch *receive, uint32_t count)
{
	struct world *world = generator->world;
	struct frame frames[BATCH_MAX];

	for (uint32_t done = 0; done < count; done += generator->options.batch) {
		unsigned size = count - done < generator->options.batch ? count - done :
									  generator->options.batch;

		describe(generator, done, size, frames);
		receive(world->path, frames, NULL, size, world->now_ns);
		world_pass_time(world, size * generator->options.gap_ns);
	}
}

static void learn_reply(void *context, const struct frame *frame)
{
	struct generator *generator = context;
	size_t slot = ((uintptr_t)frame->data - (uintptr_t)generator->memory) /
		      generator->slot_size;

	if (slot >= generator->options.slots) /* the appliance's own: an ARP announcement */
		return;
	const struct ipv4 *ip = (const struct ipv4 *)(frame->data + ETHERNET_SIZE);
	const struct udp *udp = (const struct udp *)(ip + 1); /* TCP's ports lie there, too */

	generator->reply[generator->flow_of[slot]] = (struct endpoints){
		.source = ip->destination, .source_port = udp->destination,
		.destination = ip->source, .destination_port = udp->source};
}

/* Brings flows [first, first + count) to life: a packet each way, in TCP the whole handshake. Modes
 * that hand packets over see no replies. */
static void establish(struct generator *generator, uint32_t first, uint32_t count)
{
	bool replies = generator->options.traffic != TRAFFIC_FORWARD || generator->options.tcp;

	for (uint32_t i = 0; i < count; i++) {
		generator->flow_of[i] = first + i;
		write_forward(generator, i, first + i, TCP_SYN);
	}
	generator->world->learn = learn_reply;
	pass(generator, path_receive, count);
	generator->world->learn = NULL;
	if (replies) {
		for (uint32_t i = 0; i < count; i++)
			write_reply(generator, i, first + i, TCP_SYN | TCP_ACK);
		pass(generator, path_receive, count);
	}
	if (generator->options.tcp) {
		for (uint32_t i = 0; i < count; i++)
			write_forward(generator, i, first + i, TCP_ACK);
		pass(generator, path_receive, count);
	}
}

static void generator_start(struct generator *generator, struct world *world,
			    const struct traffic_options *options)
{
	uint32_t slots = options->slots;

	*generator = (struct generator){.options = *options, .world = world,
					.random = UINT64_C(0x9e3779b97f4a7c15)};
	generator->slot_size = (FRAME_HEADROOM_MIN + options->frame_size + 63) / 64 * 64 + 64;
	generator->memory = aligned_alloc(64, slots * generator->slot_size);
	generator->interface = calloc(slots, sizeof(*generator->interface));
	generator->flow_of = calloc(slots, sizeof(*generator->flow_of));
	generator->reply = calloc(options->flows ? options->flows : 1, sizeof(*generator->reply));
	if (!generator->memory || !generator->interface || !generator->flow_of || !generator->reply)
		fail("not enough memory for frames");
	for (unsigned i = 0; i <= options->frontends; i++)
		generator->mac[world_interface(world, i)] =
			(struct mac_address){{2, 0, 0, 0, 0, (uint8_t)(i + 1)}};
	world->learn_context = generator;
	if (options->traffic == TRAFFIC_NEW)
		return;
	for (uint32_t first = 0; first < options->flows; first += slots)
		establish(generator, first,
			  options->flows - first < slots ? options->flows - first : slots);
	if (path_flows(world->path)->live != options->flows)
		fail("not every flow came to life");
}

static void generator_stop(struct generator *generator)
{
	free(generator->memory);
	free(generator->interface);
	free(generator->flow_of);
	free(generator->reply);
}

#endif
