/* ICMP errors about flows. The oracle is the packet as its sender sent it: whatever an error quotes of
 * the packet that left the appliance must come back to the sender as its own, byte for byte, but for
 * what routers change on the way. */
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
	bool down[BACKENDS_MAX];
};

static struct services services;
static uint8_t pattern[1400];

static void put(uint32_t index[INDEX], uint32_t hash, uint32_t value)
{
	while (index[hash % INDEX] != NONE)
		hash++;
	index[hash % INDEX] = value;
}

static void services_init(void)
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

static struct world *world_with_services(void)
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

static struct crossing cross(struct world *world, uint32_t in, struct made before)
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

static struct crossing tcp_request(struct world *world)
{
	return cross(world, EXT, make_tcp(EXT, CLIENT, CLIENT_PORT, VIP, VIP_PORT, TCP_SYN, 1000, 0));
}

static struct crossing tcp_reply(struct world *world)
{
	tcp_request(world);
	return cross(world, INT, make_tcp(INT, BACKEND_0, backend_port[0], CLIENT, CLIENT_PORT,
					  TCP_SYN | TCP_ACK, 2000, 1001));
}

static struct crossing udp_request(struct world *world, uint16_t payload)
{
	return cross(world, EXT, make_udp(EXT, CLIENT, CLIENT_PORT, VIP, VIP_PORT, pattern, payload));
}

static struct crossing udp_reply(struct world *world, uint16_t payload)
{
	udp_request(world, payload);
	return cross(world, INT, make_udp(INT, BACKEND_1, backend_port[1], CLIENT, CLIENT_PORT,
					  pattern, payload));
}

/* The translated error, sent as number 0: what it quotes is what its receiver once sent. */
static void assert_quotes_with_ttl(const struct world *world, const struct made *sent, uint32_t length,
				   uint8_t ttl)
{
	const uint8_t *frame = sent_sound(world, 0);
	const struct icmp *icmp = l4_of(frame);
	const struct ipv4 *quoted = (const struct ipv4 *)(icmp + 1);
	struct made expected = *sent;

	assert_true(checksum_is_right(checksum_add(0, quoted, ip_header_size(quoted))));
	ip_of(expected.bytes)->ttl = ttl;
	seal_ip(ip_of(expected.bytes));
	assert_int_equal(from_be16(ip_of(frame)->total_length), IPV4_SIZE_MIN + ICMP_SIZE + length);
	/* Half a checksum cannot be translated. */
	if (quoted->protocol == PROTOCOL_NUMBER_TCP &&
	    length == IPV4_SIZE_MIN + offsetof(struct tcp, checksum) + 1)
		length--;
	assert_memory_equal(quoted, ip_of(expected.bytes), length);
}

static void assert_quotes(const struct world *world, const struct made *sent, uint32_t length)
{
	assert_quotes_with_ttl(world, sent, length, ROUTER_TTL);
}

static uint32_t whole(const struct crossing *crossing)
{
	return from_be16(ip_of(crossing->after.bytes)->total_length);
}

/* An error of `from` about a request, as any length of quote from 28 bytes on. */
static void request_errors(struct world *world, const struct crossing *request, be32 from,
			   be32 expected_from)
{
	for (uint32_t length = IPV4_SIZE_MIN + QUOTE_L4_MIN; length <= whole(request); length++) {
		struct made error = make_error(INT, from, CLIENT, ICMP_UNREACHABLE,
					       ICMP_FRAGMENTATION_NEEDED, 1280,
					       request->after.bytes, length);

		world_forget_sent(world);
		assert_int_equal(receive_made(world, INT, &error), VERDICT_FORWARDED);
		assert_int_equal(world->sent_count, 1);
		assert_int_equal(world->sent[0].interface, EXT);
		assert_quotes(world, &request->before, length);

		const uint8_t *frame = world->sent[0].bytes;
		const struct icmp *icmp = l4_of(frame);

		assert_address(ip_of(frame)->source, expected_from);
		assert_address(ip_of(frame)->destination, CLIENT);
		assert_int_equal(icmp->type, ICMP_UNREACHABLE);
		assert_int_equal(icmp->code, ICMP_FRAGMENTATION_NEEDED);
		assert_int_equal(from_be16(icmp->sequence), 1280);
	}
}

static void reply_errors(struct world *world, const struct crossing *reply, be32 from,
			 be32 expected_to)
{
	for (uint32_t length = IPV4_SIZE_MIN + QUOTE_L4_MIN; length <= whole(reply); length++) {
		struct made error = make_error(EXT, from, VIP, ICMP_UNREACHABLE,
					       ICMP_FRAGMENTATION_NEEDED, 1280, reply->after.bytes,
					       length);

		world_forget_sent(world);
		assert_int_equal(receive_made(world, EXT, &error), VERDICT_FORWARDED);
		assert_int_equal(world->sent_count, 1);
		assert_int_equal(world->sent[0].interface, INT);
		assert_quotes(world, &reply->before, length);
		assert_address(ip_of(world->sent[0].bytes)->source, from);
		assert_address(ip_of(world->sent[0].bytes)->destination, expected_to);
	}
}

static void an_error_of_the_backend_reaches_the_client_as_the_vips(void **state)
{
	struct world *world = world_with_services();
	struct crossing tcp = tcp_request(world), udp = udp_request(world, 33);

	(void)state;
	request_errors(world, &tcp, BACKEND_0, VIP);
	request_errors(world, &udp, BACKEND_1, VIP);
	world_free(world);
}

static void an_error_of_a_router_before_the_backend_keeps_the_routers_address(void **state)
{
	struct world *world = world_with_services();
	struct crossing tcp = tcp_request(world), udp = udp_request(world, 33);

	(void)state;
	request_errors(world, &tcp, ROUTER, ROUTER);
	request_errors(world, &udp, ROUTER, ROUTER);
	world_free(world);
}

static void an_error_of_the_client_or_a_router_before_it_reaches_the_backend(void **state)
{
	struct world *world = world_with_services();
	struct crossing tcp = tcp_reply(world), udp = udp_reply(world, 33);

	(void)state;
	reply_errors(world, &tcp, CLIENT, BACKEND_0);
	reply_errors(world, &udp, ROUTER, BACKEND_1);
	world_free(world);
}

static void the_counters_know_which_backend_it_was_about(void **state)
{
	struct world *world = world_with_services();
	struct crossing udp = udp_reply(world, 33);
	struct made error = make_error(EXT, CLIENT, VIP, ICMP_UNREACHABLE, 3, 0, udp.after.bytes, 28);
	struct frame frame = {.data = error.bytes, .length = error.length,
			      .wire_length = error.length, .interface = EXT};
	struct outcome outcome;

	(void)state;
	path_receive(world->path, &frame, &outcome, 1, world->now);
	assert_int_equal(outcome.verdict, VERDICT_FORWARDED);
	assert_int_equal(outcome.backend, services.backend[1].id);
	assert_int_equal(outcome.interface, INT);
	world_free(world);
}

static void udp_without_a_checksum_is_quoted_without_one(void **state)
{
	struct world *world = world_with_services();
	struct made request = make_udp(EXT, CLIENT, CLIENT_PORT, VIP, VIP_PORT, pattern, 20);
	struct crossing udp;

	(void)state;
	((struct udp *)l4_of(request.bytes))->checksum = to_be16(0);
	udp = cross(world, EXT, request);
	request_errors(world, &udp, BACKEND_1, VIP);
	assert_int_equal(((const struct udp *)((const uint8_t *)l4_of(world->sent[0].bytes) +
					       ICMP_SIZE + IPV4_SIZE_MIN))->checksum.raw, 0);
	world_free(world);
}

static void options_in_the_quoted_header_are_passed_over(void **state)
{
	struct world *world = world_with_services();
	struct crossing udp = udp_request(world, 12);
	uint8_t quote[100];
	struct ipv4 *ip = (struct ipv4 *)quote;
	const struct icmp *icmp;
	const struct quote_ports *ports;

	(void)state;
	memcpy(quote, ip_of(udp.after.bytes), IPV4_SIZE_MIN);
	memset(quote + IPV4_SIZE_MIN, 1, 40);
	memcpy(quote + 60, l4_of(udp.after.bytes), UDP_SIZE);
	ip->version_ihl = 0x4f;
	ip->total_length = to_be16(60 + UDP_SIZE + 12);
	seal_ip(ip);
	struct made error = make_icmp(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0, 0, quote, 68);

	assert_int_equal(receive_made(world, INT, &error), VERDICT_FORWARDED);
	icmp = l4_of(sent_sound(world, 0));
	ip = (struct ipv4 *)(uintptr_t)(icmp + 1);
	ports = (const struct quote_ports *)((const uint8_t *)ip + 60);
	assert_true(checksum_is_right(checksum_add(0, ip, 60)));
	assert_address(ip->destination, VIP);
	assert_int_equal(from_be16(ports->source), CLIENT_PORT);
	assert_int_equal(from_be16(ports->destination), VIP_PORT);
	world_free(world);
}

/* RFC 4884: the quote is padded with zeros to 128 bytes, extensions follow. */
static void extensions_behind_the_quote_are_left_alone(void **state)
{
	struct world *world = world_with_services();
	struct crossing udp = udp_request(world, 2); /* ends before a TCP checksum would stand */
	uint32_t length = whole(&udp);
	uint8_t quote[140] = {0};

	(void)state;
	memcpy(quote, ip_of(udp.after.bytes), length);
	memset(quote + 128, 0xee, 12);
	struct made error = make_icmp(INT, ROUTER, CLIENT, ICMP_TIME_EXCEEDED, 0, 32, 0, quote, 140);

	assert_int_equal(receive_made(world, INT, &error), VERDICT_FORWARDED);
	const uint8_t *translated = (const uint8_t *)l4_of(sent_sound(world, 0)) + ICMP_SIZE;

	assert_memory_equal(translated + IPV4_SIZE_MIN + QUOTE_L4_MIN,
			    quote + IPV4_SIZE_MIN + QUOTE_L4_MIN, 140 - IPV4_SIZE_MIN - QUOTE_L4_MIN);
	world_free(world);
}

static void a_flow_is_neither_refreshed_nor_ended_by_an_error(void **state)
{
	struct world *world = world_with_services();
	struct crossing udp = udp_request(world, 33);
	struct made error = make_error(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0, udp.after.bytes,
				       28);
	const struct flow_table *flows = &world->path->flows;
	uint64_t last = 0;

	(void)state;
	for (uint32_t i = 0; i < flows->capacity; i++)
		if (flow_at(flows, i))
			last = flow_at(flows, i)->last_ns;
	world->now += SECOND;
	assert_int_equal(receive_made(world, INT, &error), VERDICT_FORWARDED);
	assert_int_equal(flows->live, 1);
	for (uint32_t i = 0; i < flows->capacity; i++)
		if (flow_at(flows, i))
			assert_int_equal(flow_at(flows, i)->last_ns, last);
	world_free(world);
}

static void without_a_flow_the_table_tells_both_ways(void **state)
{
	struct world *world = world_with_services();

	(void)state;
	for (uint16_t i = 0; i < FLOWS; i++)
		cross(world, EXT, make_udp(EXT, CLIENT, (uint16_t)(1000 + i), VIP, VIP_PORT, pattern, 4));
	assert_int_equal(world->path->flows.live, FLOWS);

	struct crossing request = udp_request(world, 33), reply = udp_reply(world, 33);

	assert_int_equal(path_counters(world->path)->stateless, 2);
	request_errors(world, &request, BACKEND_1, VIP);
	reply_errors(world, &reply, CLIENT, BACKEND_1);
	world_free(world);
}

/* A flow whose backend sees the appliance's own address in the client's place. */
static void who_stands_for_the_client_is_translated_too(void **state)
{
	const struct flow_birth birth = {
		.forward = {.source = CLIENT, .source_port = to_be16(CLIENT_PORT), .destination = VIP,
			    .destination_port = to_be16(VIP_PORT), .protocol = PROTOCOL_NUMBER_UDP},
		.backend_address = BACKEND_1, .backend_port = to_be16(backend_port[1]),
		.source_address = address(10, 0, 0, 1), .source_port = to_be16(50000),
		.backend = 1U << SLOT_BITS | 1, .service = 1U << SLOT_BITS | 1,
		.frontend = EXT, .sees_replies = true,
	};
	struct world *world = world_with_services();
	struct flow_table *flows = &world->path->flows;
	struct flow *flow;
	struct crossing request = {
		make_udp(EXT, CLIENT, CLIENT_PORT, VIP, VIP_PORT, pattern, 9),
		make_udp(INT, address(10, 0, 0, 1), 50000, BACKEND_1, backend_port[1], pattern, 9),
	};
	struct crossing reply = {
		make_udp(INT, BACKEND_1, backend_port[1], address(10, 0, 0, 1), 50000, pattern, 9),
		make_udp(EXT, VIP, VIP_PORT, CLIENT, CLIENT_PORT, pattern, 9),
	};

	(void)state;
	assert_int_equal(flow_insert(flows, &birth, flow_hash(&birth.forward, flows->seed), world->now,
				     &flow), FLOW_INSERTED);
	struct made from_backend = make_error(INT, BACKEND_1, address(10, 0, 0, 1), ICMP_UNREACHABLE, 3,
					      0, request.after.bytes, whole(&request));
	struct made from_client = make_error(EXT, CLIENT, VIP, ICMP_UNREACHABLE, 3, 0,
					     reply.after.bytes, whole(&reply));

	ip_of(request.before.bytes)->ttl = ip_of(reply.before.bytes)->ttl = 57;
	assert_int_equal(receive_made(world, INT, &from_backend), VERDICT_FORWARDED);
	assert_quotes_with_ttl(world, &request.before, whole(&request), 57);
	assert_address(ip_of(world->sent[0].bytes)->destination, CLIENT);
	world_forget_sent(world);
	assert_int_equal(receive_made(world, EXT, &from_client), VERDICT_FORWARDED);
	assert_quotes_with_ttl(world, &reply.before, whole(&reply), 57);
	assert_address(ip_of(world->sent[0].bytes)->destination, BACKEND_1);
	world_free(world);
}

/* Another frontend has a route to the client, too, and it is the better one. */
static void an_error_leaves_by_the_frontend_that_its_flow_came_in_on(void **state)
{
	struct world *world = world_with_services();
	struct tables *tables = world_next(world);
	struct crossing udp = udp_request(world, 33);
	struct made error = make_error(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0, udp.after.bytes,
				       28);

	(void)state;
	tables->interface[2] = tables->interface[EXT];
	tables->interface[2].id = 1U << SLOT_BITS | 2;
	memmove(tables->route + 1, tables->route, 3 * sizeof(tables->route[0]));
	tables->route[0] = (struct snapshot_route){CLIENT, 32, 2, {0}, address(203, 0, 113, 2)};
	tables->snapshot.interfaces = 3;
	tables->snapshot.routes = 4;
	world_publish(world);
	world_forget_sent(world);
	assert_int_equal(receive_made(world, INT, &error), VERDICT_FORWARDED);
	assert_int_equal(world->sent[0].interface, EXT);
	world_free(world);
}

static void an_error_that_cannot_leave_says_why_and_is_unchanged(void **state)
{
	struct world *world = world_with_services();
	struct crossing udp = udp_request(world, 33);
	struct made error = make_error(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0, udp.after.bytes,
				       28), before = error;

	(void)state;
	world_next(world)->interface[EXT].up = false;
	world_publish(world);
	assert_int_equal(receive_made(world, INT, &error), DROP_interface_down);
	assert_memory_equal(error.bytes, before.bytes, error.length);
	world_free(world);
}

/* An error about the request of a UDP flow, for tests to damage. */
static struct made sound_error(struct world *world)
{
	struct crossing udp = udp_request(world, 33);

	return make_error(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0, udp.after.bytes, whole(&udp));
}

static struct ipv4 *quoted_ip(struct made *error)
{
	return (struct ipv4 *)((uint8_t *)l4_of(error->bytes) + ICMP_SIZE);
}

static void expect(struct world *world, struct made error, enum verdict verdict)
{
	struct made before = error;

	world_forget_sent(world);
	assert_int_equal(receive_made(world, INT, &error), verdict);
	assert_int_equal(world->sent_count, verdict == VERDICT_FORWARDED);
	if (verdict != VERDICT_FORWARDED)
		assert_memory_equal(error.bytes, before.bytes, error.length);
}

static void every_flipped_bit_of_an_error_is_malformed(void **state)
{
	struct world *world = world_with_services();
	const struct made error = sound_error(world);

	(void)state;
	for (uint32_t bit = 8; bit < 8 * (error.length - L4_AT); bit++) {
		struct made bad = error;

		bad.bytes[L4_AT + bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect(world, bad, DROP_icmp_malformed);
	}
	expect(world, error, VERDICT_FORWARDED);
	world_free(world);
}

static void a_quote_that_is_cut_short_is_malformed(void **state)
{
	struct world *world = world_with_services();
	struct crossing udp = udp_request(world, 33);

	(void)state;
	for (uint32_t length = 0; length < IPV4_SIZE_MIN + QUOTE_L4_MIN; length++)
		expect(world, make_error(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0,
					 udp.after.bytes, length), DROP_icmp_malformed);
	world_free(world);
}

enum damage { BAD_VERSION, BAD_HEADER, LONG_HEADER, BAD_TOTAL, BAD_SUM, LATER, DAMAGES };

static void a_quote_that_is_no_packet_is_malformed(void **state)
{
	struct world *world = world_with_services();
	const struct made error = sound_error(world);

	(void)state;
	for (enum damage damage = 0; damage < DAMAGES; damage++) {
		struct made bad = error;
		struct ipv4 *ip = quoted_ip(&bad);

		switch (damage) {
		case BAD_VERSION: ip->version_ihl = 0x65; break;
		case BAD_HEADER: ip->version_ihl = 0x44; break;
		case LONG_HEADER: ip->version_ihl = 0x4f; break;
		case BAD_TOTAL: ip->total_length = to_be16(27); break;
		case BAD_SUM: ip->tos ^= 1; break;
		case LATER: ip->fragment = to_be16(1); break;
		case DAMAGES: break;
		}
		if (damage != BAD_SUM && damage != LONG_HEADER)
			seal_ip(ip);
		seal_l4(ip_of(bad.bytes));
		expect(world, bad, DROP_icmp_malformed);
	}
	world_free(world);
}

static void an_error_in_fragments_is_malformed(void **state)
{
	struct world *world = world_with_services();
	struct made error = sound_error(world);

	(void)state;
	error.length -= 5; /* a multiple of 8, as a first fragment's payload is */
	ip_of(error.bytes)->total_length = to_be16((uint16_t)(error.length - ETHERNET_SIZE));
	ip_of(error.bytes)->fragment = to_be16(IPV4_MORE_FRAGMENTS);
	seal_l4(ip_of(error.bytes));
	seal_ip(ip_of(error.bytes));
	expect(world, error, DROP_icmp_malformed);
	world_free(world);
}

static void an_error_about_no_flow_is_unmatched(void **state)
{
	struct world *world = world_with_services();
	struct made sound = sound_error(world), strange;
	struct crossing tcp = tcp_request(world);
	struct crossing reply = {.before = make_tcp(EXT, VIP, VIP_PORT, CLIENT, CLIENT_PORT, TCP_ACK, 1, 1)};

	(void)state;
	expect(world, sound, VERDICT_FORWARDED);

	strange = sound; /* another port of the backend */
	((struct quote_ports *)(quoted_ip(&strange) + 1))->destination = to_be16(9);
	seal_l4(ip_of(strange.bytes));
	expect(world, strange, DROP_icmp_unmatched);

	strange = sound; /* not to whom the quoted packet came from */
	ip_of(strange.bytes)->destination = address(203, 0, 113, 78);
	seal_ip(ip_of(strange.bytes));
	expect(world, strange, DROP_icmp_unmatched);

	strange = sound; /* a protocol without ports */
	quoted_ip(&strange)->protocol = 47;
	seal_ip(quoted_ip(&strange));
	seal_l4(ip_of(strange.bytes));
	expect(world, strange, DROP_icmp_unmatched);

	flow_close(&world->path->flows, &world->path->flows.flow[1], FLOW_CLOSE_CLEARED);
	services.service[0].enabled = false;
	expect(world, make_error(INT, BACKEND_0, CLIENT, ICMP_UNREACHABLE, 3, 0, tcp.after.bytes, 28),
	       DROP_icmp_unmatched);
	services.service[0].enabled = true;
	services.backend[0].admin = BACKEND_DISABLED;
	strange = make_error(EXT, CLIENT, VIP, ICMP_UNREACHABLE, 3, 0, reply.before.bytes, 28);
	assert_int_equal(receive_made(world, EXT, &strange), DROP_icmp_unmatched);
	world_free(world);
}

static void an_error_about_a_probe_or_anything_else_of_the_appliances_own_is_unmatched(void **state)
{
	struct world *world = world_with_services();
	struct made own = make_udp(INT, address(10, 0, 0, 1), 500, BACKEND_0, 600, pattern, 9);

	(void)state;
	expect(world, make_error(INT, BACKEND_0, address(10, 0, 0, 1), ICMP_UNREACHABLE, 3, 0,
				 own.bytes, 28), DROP_icmp_unmatched);
	world_free(world);
}

/* Sums are repaired, so that what lies behind them is reached. */
static void random_errors_leave_sound_or_not_at_all(void **state)
{
	struct world *world = world_with_services();
	const struct made sound = sound_error(world);
	uint64_t random = 12345;
	uint32_t forwarded = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct made error = sound;

		for (int i = 0; i < 3; i++) {
			random = random * 6364136223846793005 + 1442695040888963407;
			uint32_t at = L4_AT + (uint32_t)(random >> 33) % (error.length - L4_AT);

			error.bytes[at] = (uint8_t)(random >> 25);
		}
		if (random >> 60 & 1 && ip_header_size(quoted_ip(&error)) <= 60 - ICMP_SIZE)
			seal_ip(quoted_ip(&error));
		seal_l4(ip_of(error.bytes));
		world_forget_sent(world);
		forwarded += receive_made(world, INT, &error) == VERDICT_FORWARDED;
		for (uint32_t i = 0; i < world->sent_count; i++)
			sent_sound(world, i);
	}
	assert_in_range(forwarded, 1000, 19000);
	world_free(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_of_the_backend_reaches_the_client_as_the_vips),
		cmocka_unit_test(an_error_of_a_router_before_the_backend_keeps_the_routers_address),
		cmocka_unit_test(an_error_of_the_client_or_a_router_before_it_reaches_the_backend),
		cmocka_unit_test(the_counters_know_which_backend_it_was_about),
		cmocka_unit_test(udp_without_a_checksum_is_quoted_without_one),
		cmocka_unit_test(options_in_the_quoted_header_are_passed_over),
		cmocka_unit_test(extensions_behind_the_quote_are_left_alone),
		cmocka_unit_test(a_flow_is_neither_refreshed_nor_ended_by_an_error),
		cmocka_unit_test(without_a_flow_the_table_tells_both_ways),
		cmocka_unit_test(who_stands_for_the_client_is_translated_too),
		cmocka_unit_test(an_error_leaves_by_the_frontend_that_its_flow_came_in_on),
		cmocka_unit_test(an_error_that_cannot_leave_says_why_and_is_unchanged),
		cmocka_unit_test(every_flipped_bit_of_an_error_is_malformed),
		cmocka_unit_test(a_quote_that_is_cut_short_is_malformed),
		cmocka_unit_test(a_quote_that_is_no_packet_is_malformed),
		cmocka_unit_test(an_error_in_fragments_is_malformed),
		cmocka_unit_test(an_error_about_no_flow_is_unmatched),
		cmocka_unit_test(an_error_about_a_probe_or_anything_else_of_the_appliances_own_is_unmatched),
		cmocka_unit_test(random_errors_leave_sound_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
