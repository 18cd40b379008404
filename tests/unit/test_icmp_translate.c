/* ICMP errors about flows. The oracle is the packet as its sender sent it: whatever an error quotes
 * of the packet that left the appliance must come back to the sender as its own, byte for byte, but
 * for what routers change on the way. */
#include "tests/unit/flow_world.h"

/* The translated error, sent as number 0: what it quotes is what its receiver once sent. */
static void assert_quotes_with_ttl(const struct world *world, const struct made *sent,
				   uint32_t length, uint8_t ttl)
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
	struct made error =
		make_error(EXT, CLIENT, VIP, ICMP_UNREACHABLE, 3, 0, udp.after.bytes, 28);
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
	struct made error =
		make_icmp(INT, ROUTER, CLIENT, ICMP_TIME_EXCEEDED, 0, 32, 0, quote, 140);

	assert_int_equal(receive_made(world, INT, &error), VERDICT_FORWARDED);
	const uint8_t *translated = (const uint8_t *)l4_of(sent_sound(world, 0)) + ICMP_SIZE;

	assert_memory_equal(translated + IPV4_SIZE_MIN + QUOTE_L4_MIN,
			    quote + IPV4_SIZE_MIN + QUOTE_L4_MIN,
			    140 - IPV4_SIZE_MIN - QUOTE_L4_MIN);
	world_free(world);
}

static void a_flow_is_neither_refreshed_nor_ended_by_an_error(void **state)
{
	struct world *world = world_with_services();
	struct crossing udp = udp_request(world, 33);
	struct made error =
		make_error(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0, udp.after.bytes, 28);
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
		cross(world, EXT,
		      make_udp(EXT, CLIENT, (uint16_t)(1000 + i), VIP, VIP_PORT, pattern, 4));
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
		.forward = {.source = CLIENT,
			    .source_port = to_be16(CLIENT_PORT),
			    .destination = VIP,
			    .destination_port = to_be16(VIP_PORT),
			    .protocol = PROTOCOL_NUMBER_UDP},
		.backend_address = BACKEND_1,
		.backend_port = to_be16(backend_port[1]),
		.source_address = address(10, 0, 0, 1),
		.source_port = to_be16(50000),
		.backend = 1U << SLOT_BITS | 1,
		.service = 1U << SLOT_BITS | 1,
		.frontend = EXT,
		.sees_replies = true,
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
	assert_int_equal(flow_insert(flows, &birth, flow_hash(&birth.forward, flows->seed),
				     world->now, &flow),
			 FLOW_INSERTED);
	struct made from_backend =
		make_error(INT, BACKEND_1, address(10, 0, 0, 1), ICMP_UNREACHABLE, 3, 0,
			   request.after.bytes, whole(&request));
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
	struct made error =
		make_error(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0, udp.after.bytes, 28);

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
	struct made error = make_error(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0,
				       udp.after.bytes, 28),
		    before = error;

	(void)state;
	world_next(world)->interface[EXT].up = false;
	world_publish(world);
	assert_int_equal(receive_made(world, INT, &error), DROP_interface_down);
	assert_memory_equal(error.bytes, before.bytes, error.length);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
