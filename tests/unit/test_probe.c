/* Probes on the wire, type by type: what leaves, what answers it, and what does not. */
#include "tests/unit/check_world.h"

static const uint32_t id = GENERATION;

static struct world *world_of(enum probe_type type)
{
	struct snapshot_target target = some_target(type, 0);

	return world_with_target(&target);
}

static void assert_waiting(const struct world *world)
{
	assert_int_equal(view_of(world, id).result_ns, 0);
	assert_int_equal(health_of(world, id), HEALTH_DOWN);
}

static void assert_result(const struct world *world, enum check_result result)
{
	assert_int_equal(view_of(world, id).result, result);
	assert_int_equal(view_of(world, id).result_ns, world->now);
	assert_int_equal(health_of(world, id),
			 result < CHECK_FIRST_FAILURE ? HEALTH_UP : HEALTH_DOWN);
}

/* What stands around every probe but ARP's. */
static const uint8_t *next_sound_probe(struct world *world, uint8_t protocol)
{
	const uint8_t *frame = next_probe(world);
	const struct ethernet *ethernet = (const struct ethernet *)frame;

	sent_sound(world, 0);
	assert_mac(ethernet->source, INT_MAC);
	assert_mac(ethernet->destination, SERVER_MAC);
	assert_address(ip_of(frame)->source, INT_ADDRESS);
	assert_address(ip_of(frame)->destination, SERVER);
	assert_int_equal(ip_of(frame)->protocol, protocol);
	assert_int_equal(ip_of(frame)->ttl, 64);
	assert_int_equal(from_be16(ip_of(frame)->fragment), IPV4_DONT_FRAGMENT);
	return frame;
}

static void an_icmp_probe_is_an_echo_request_whose_reply_is_a_success(void **state)
{
	struct world *world = world_of(PROBE_ICMP);
	const uint8_t *frame = next_sound_probe(world, PROTOCOL_NUMBER_ICMP);
	const struct icmp *icmp = l4_of(frame);

	(void)state;
	assert_int_equal(icmp->type, ICMP_ECHO_REQUEST);
	assert_int_equal(icmp->code, 0);
	assert_int_equal(answer(world, frame), VERDICT_CONSUMED);
	assert_result(world, CHECK_ECHO_REPLY);
	world_free(world);
}

static void an_echo_reply_with_any_bit_changed_is_none(void **state)
{
	struct world *world = world_of(PROBE_ICMP);
	struct made reply = answer_to(next_probe(world));
	uint32_t bits = 8 * (reply.length - L4_AT);

	(void)state;
	for (uint32_t bit = 0; bit < bits; bit++) {
		struct made bad = reply;

		if (bit / 8 == offsetof(struct icmp, code))
			continue; /* of no meaning in a reply */
		bad.bytes[L4_AT + bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (bit % 3)
			seal_l4(ip_of(bad.bytes));
		if (!memcmp(bad.bytes, reply.bytes, reply.length))
			continue; /* a bit of the checksum, set right again */
		assert_int_not_equal(receive_made(world, INT, &bad), VERDICT_CONSUMED);
		assert_waiting(world);
	}
	struct made wrong_source =
		make_icmp(INT, address(10, 0, 0, 6), INT_ADDRESS, ICMP_ECHO_REPLY, 0,
			  from_be16(((struct icmp *)l4_of(reply.bytes))->id),
			  from_be16(((struct icmp *)l4_of(reply.bytes))->sequence),
			  reply.bytes + L4_AT + ICMP_SIZE, 4);
	assert_int_equal(receive_made(world, INT, &wrong_source), DROP_icmp_ignored);
	assert_waiting(world);
	for (uint32_t length = 0; length < 4; length++) {
		struct made shorter = reply;

		shorter.length = L4_AT + ICMP_SIZE + length;
		ip_of(shorter.bytes)->total_length =
			to_be16((uint16_t)(shorter.length - ETHERNET_SIZE));
		seal_ip(ip_of(shorter.bytes));
		seal_l4(ip_of(shorter.bytes));
		assert_int_equal(receive_made(world, INT, &shorter), DROP_icmp_ignored);
	}
	assert_waiting(world);
	assert_int_equal(receive_made(world, INT, &reply), VERDICT_CONSUMED);
	world_free(world);
}

static void a_syn_ack_is_a_success_and_answered_by_a_rst(void **state)
{
	struct world *world = world_of(PROBE_TCP);
	const uint8_t *frame = next_sound_probe(world, PROTOCOL_NUMBER_TCP);
	const struct tcp *syn = l4_of(frame);
	uint16_t port = from_be16(syn->source);
	uint32_t sequence = from_be32(syn->sequence);

	(void)state;
	assert_int_equal(syn->flags, TCP_SYN);
	assert_int_equal(syn->offset, 5 << 4);
	assert_int_equal(from_be16(syn->destination), PORT);
	assert_in_range(port, PROBE_PORT_FIRST, 65535);

	struct made reply = answer_to(frame);
	world_forget_sent(world);
	assert_int_equal(receive_made(world, INT, &reply), VERDICT_CONSUMED);
	assert_result(world, CHECK_SYN_ACK);
	assert_int_equal(world->sent_count, 1);
	const struct tcp *reset = l4_of(sent_sound(world, 0));
	assert_address(ip_of(world->sent[0].bytes)->source, INT_ADDRESS);
	assert_address(ip_of(world->sent[0].bytes)->destination, SERVER);
	assert_int_equal(reset->flags, TCP_RST);
	assert_int_equal(from_be32(reset->sequence), sequence + 1);
	assert_int_equal(from_be16(reset->source), port);
	assert_int_equal(from_be16(reset->destination), PORT);
	world_free(world);
}

static void a_segment_that_does_not_acknowledge_the_syn_is_no_answer(void **state)
{
	struct world *world = world_of(PROBE_TCP);
	const uint8_t *frame = next_probe(world);
	const struct tcp *syn = l4_of(frame);
	uint16_t port = from_be16(syn->source);
	uint32_t right = from_be32(syn->sequence) + 1;
	struct {
		be32 source;
		uint16_t source_port, port;
		uint8_t flags;
		uint32_t acknowledgment;
	} wrong[] = {
		{SERVER, PORT, port, TCP_SYN | TCP_ACK, right + 1},
		{SERVER, PORT, port, TCP_SYN | TCP_ACK, right - 1},
		{SERVER, PORT, port, TCP_SYN | TCP_ACK, 0},
		{SERVER, PORT, port, TCP_ACK, right},           /* a challenge, RFC 5961 */
		{SERVER, PORT, port, TCP_SYN, right},
		{SERVER, PORT, port, TCP_RST, right},           /* without ACK it proves nothing */
		{SERVER, PORT, port, TCP_RST | TCP_ACK, right + 1},
		{SERVER, PORT + 1, port, TCP_SYN | TCP_ACK, right},
		{SERVER, PORT, (uint16_t)(port ^ 1), TCP_SYN | TCP_ACK, right},
		{SERVER, PORT, 1000, TCP_SYN | TCP_ACK, right},
		{address(10, 0, 0, 6), PORT, port, TCP_SYN | TCP_ACK, right},
	};

	(void)state;
	world_forget_sent(world);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct made made =
			make_tcp(INT, wrong[i].source, wrong[i].source_port, INT_ADDRESS,
				 wrong[i].port, wrong[i].flags, 7, wrong[i].acknowledgment);

		assert_int_equal(receive_made(world, INT, &made), DROP_no_service);
		assert_waiting(world);
	}
	struct made damaged =
		make_tcp(INT, SERVER, PORT, INT_ADDRESS, port, TCP_SYN | TCP_ACK, 7, right);
	damaged.bytes[damaged.length - 1] ^= 1;
	assert_int_equal(receive_made(world, INT, &damaged), DROP_tcp_malformed);
	assert_waiting(world);
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void a_rst_is_a_failure_at_once(void **state)
{
	struct world *world = world_of(PROBE_TCP);
	const struct tcp *syn = l4_of(next_probe(world));
	struct made refusal = make_tcp(INT, SERVER, PORT, INT_ADDRESS, from_be16(syn->source),
				       TCP_RST | TCP_ACK, 0, from_be32(syn->sequence) + 1);

	(void)state;
	world_forget_sent(world);
	world->now += 100000;
	assert_int_equal(receive_made(world, INT, &refusal), VERDICT_CONSUMED);
	assert_result(world, CHECK_REFUSED);
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void ports_and_sequence_numbers_are_not_used_again_soon(void **state)
{
	struct world *world = world_of(PROBE_TCP);
	static bool seen[PROBE_PORT_MASK + 1];
	uint32_t before = 0;

	(void)state;
	for (int attempt = 0; attempt <= PROBE_PORT_MASK; attempt++) {
		const struct tcp *syn = l4_of(next_probe(world));
		uint16_t port = from_be16(syn->source);

		assert_in_range(port, PROBE_PORT_FIRST, 65535);
		assert_false(seen[port & PROBE_PORT_MASK]);
		assert_int_not_equal(from_be32(syn->sequence), before);
		seen[port & PROBE_PORT_MASK] = true;
		before = from_be32(syn->sequence);
	}
	world_free(world);
}

static void every_probe_has_an_ip_id_of_its_own(void **state)
{
	static const enum probe_type types[] = {PROBE_ICMP, PROBE_TCP, PROBE_UDP};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *world = world_of(types[i]);
		uint16_t before = from_be16(ip_of(next_probe(world))->id);

		for (int attempt = 0; attempt < 10; attempt++) {
			uint16_t now = from_be16(ip_of(next_probe(world))->id);

			assert_int_not_equal(now, before);
			before = now;
		}
		world_free(world);
	}
}

static void checks_of_one_address_are_told_apart(void **state)
{
	static const enum probe_type types[] = {PROBE_ICMP, PROBE_TCP, PROBE_UDP};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct snapshot_target targets[2] = {some_target(types[i], 0),
						     some_target(types[i], 1)};
		struct world *world = world_with_server();
		struct made reply;

		targets[0].timeout_ns = targets[1].timeout_ns = 2 * SECOND;
		put_targets(world, targets, 2);
		reply = answer_to(next_probe(world));
		next_probe(world);
		assert_int_equal(path_counters(world->path)->checks_sent, 2);
		assert_int_equal(receive_made(world, INT, &reply), VERDICT_CONSUMED);
		assert_int_equal((health_of(world, id) == HEALTH_UP) +
				 (health_of(world, id + 1) == HEALTH_UP), 1);
		world_free(world);
	}
}

static void a_udp_probe_has_its_payload_and_any_datagram_back_is_success(void **state)
{
	struct world *world = world_of(PROBE_UDP);
	const uint8_t *frame = next_sound_probe(world, PROTOCOL_NUMBER_UDP);
	const struct udp *udp = l4_of(frame);
	struct made empty = make_udp(INT, SERVER, PORT, INT_ADDRESS, from_be16(udp->source), "", 0);

	(void)state;
	assert_int_equal(from_be16(udp->destination), PORT);
	assert_int_equal(from_be16(udp->length), UDP_SIZE + 5);
	assert_memory_equal(udp + 1, "hello", 5);
	assert_int_not_equal(udp->checksum.raw, 0);
	assert_int_equal(receive_made(world, INT, &empty), VERDICT_CONSUMED);
	assert_result(world, CHECK_DATAGRAM);
	world_free(world);
}

static void the_longest_payload_fits_and_none_at_all_does(void **state)
{
	static const char text[PROBE_TEXT_MAX] = "x";
	struct snapshot_target target = some_target(PROBE_UDP, 0);

	(void)state;
	target.payload = text;
	target.payload_length = PROBE_TEXT_MAX;
	struct world *world = world_with_target(&target);
	assert_memory_equal((const uint8_t *)l4_of(next_sound_probe(world, PROTOCOL_NUMBER_UDP)) +
			    UDP_SIZE, text, sizeof(text));
	world_free(world);

	target.payload = NULL;
	target.payload_length = 0;
	world = world_with_target(&target);
	next_sound_probe(world, PROTOCOL_NUMBER_UDP);
	assert_int_equal(world->sent[0].length, L4_AT + UDP_SIZE);
	world_free(world);
}

static const struct expectation {
	const char *expect, *answer;
	enum check_result result;
} expectations[] = {
	{"", "", CHECK_DATAGRAM},
	{"ok", "ok", CHECK_DATAGRAM},
	{"ok", "ok, and more", CHECK_DATAGRAM},
	{"ok", "o", CHECK_UNEXPECTED},
	{"ok", "", CHECK_UNEXPECTED},
	{"ok", "no", CHECK_UNEXPECTED},
	{"ok", "OK", CHECK_UNEXPECTED},
};

static void an_answer_begins_as_expected_or_fails_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		const struct expectation *e = &expectations[i];
		struct snapshot_target target = some_target(PROBE_UDP, 0);

		target.expect = e->expect;
		target.expect_length = (uint16_t)strlen(e->expect);
		struct world *world = world_with_target(&target);
		const struct udp *udp = l4_of(next_probe(world));
		struct made reply = make_udp(INT, SERVER, PORT, INT_ADDRESS, from_be16(udp->source),
					     e->answer, (uint16_t)strlen(e->answer));

		assert_int_equal(receive_made(world, INT, &reply), VERDICT_CONSUMED);
		assert_result(world, e->result);
		world_free(world);
	}
}

static void a_datagram_from_elsewhere_or_damaged_is_no_answer(void **state)
{
	struct world *world = world_of(PROBE_UDP);
	const struct udp *udp = l4_of(next_probe(world));
	uint16_t port = from_be16(udp->source);
	struct made wrong[] = {
		make_udp(INT, address(10, 0, 0, 6), PORT, INT_ADDRESS, port, "x", 1),
		make_udp(INT, SERVER, PORT + 1, INT_ADDRESS, port, "x", 1),
		make_udp(INT, SERVER, PORT, INT_ADDRESS, (uint16_t)(port ^ 1), "x", 1),
		make_udp(INT, SERVER, PORT, INT_ADDRESS, (uint16_t)(port & PROBE_PORT_MASK), "x",
			 1),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(receive_made(world, INT, &wrong[i]), DROP_no_service);
		assert_waiting(world);
	}
	struct made damaged = make_udp(INT, SERVER, PORT, INT_ADDRESS, port, "x", 1);
	damaged.bytes[damaged.length - 1] ^= 1;
	assert_int_equal(receive_made(world, INT, &damaged), DROP_udp_malformed);
	assert_waiting(world);
	world_free(world);
}

static void an_arp_check_asks_everybody_until_answered_then_the_host_itself(void **state)
{
	struct world *world = world_of(PROBE_ARP);
	const struct arp_frame *request;
	struct made reply = arp_answer(SERVER_MAC);

	(void)state;
	next_probe(world);
	request = sent_arp(world, 0);
	assert_mac(request->ethernet.destination, broadcast);
	assert_address(request->arp.target, SERVER);
	assert_address(request->arp.sender, INT_ADDRESS);
	assert_int_equal(receive_made(world, INT, &reply), VERDICT_CONSUMED);
	assert_result(world, CHECK_ARP_REPLY);

	next_probe(world);
	assert_mac(sent_arp(world, 0)->ethernet.destination, SERVER_MAC);
	world_run_until(world, world->now + SECOND + 2 * MS);
	assert_int_equal(view_of(world, id).result, CHECK_TIMEOUT);
	next_probe(world);
	assert_mac(sent_arp(world, 0)->ethernet.destination, broadcast);
	world_free(world);
}

static void an_arp_reply_of_another_address_is_no_answer(void **state)
{
	struct world *world = world_of(PROBE_ARP);
	struct arp_frame frame = arp_packet(INT_MAC, 2, SERVER_MAC, address(10, 0, 0, 6), INT_MAC,
					    INT_ADDRESS);

	(void)state;
	next_probe(world);
	receive(world, INT, &frame, sizeof(frame));
	assert_waiting(world);
	world_free(world);
}

static void a_probe_to_a_remote_target_goes_by_its_gateway(void **state)
{
	struct world *world = world_with_server();
	struct tables *tables = world_next(world);
	struct snapshot_target target = some_target(PROBE_TCP, 0);

	(void)state;
	target.address = address(198, 51, 100, 9);
	tables->neighbor[1] = (struct snapshot_neighbor){GATEWAY, EXT, mac(0xfe)};
	tables->snapshot.neighbors = 2;
	world_publish(world);
	put_targets(world, &target, 1);
	assert_true(run_to_frame(world, world->now + 2 * SECOND));
	assert_int_equal(world->sent[0].interface, EXT);
	assert_mac(((const struct ethernet *)world->sent[0].bytes)->destination, mac(0xfe));
	assert_address(ip_of(sent_sound(world, 0))->source, address(203, 0, 113, 1));
	world_free(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_icmp_probe_is_an_echo_request_whose_reply_is_a_success),
		cmocka_unit_test(an_echo_reply_with_any_bit_changed_is_none),
		cmocka_unit_test(a_syn_ack_is_a_success_and_answered_by_a_rst),
		cmocka_unit_test(a_segment_that_does_not_acknowledge_the_syn_is_no_answer),
		cmocka_unit_test(a_rst_is_a_failure_at_once),
		cmocka_unit_test(ports_and_sequence_numbers_are_not_used_again_soon),
		cmocka_unit_test(every_probe_has_an_ip_id_of_its_own),
		cmocka_unit_test(checks_of_one_address_are_told_apart),
		cmocka_unit_test(a_udp_probe_has_its_payload_and_any_datagram_back_is_success),
		cmocka_unit_test(the_longest_payload_fits_and_none_at_all_does),
		cmocka_unit_test(an_answer_begins_as_expected_or_fails_at_once),
		cmocka_unit_test(a_datagram_from_elsewhere_or_damaged_is_no_answer),
		cmocka_unit_test(an_arp_check_asks_everybody_until_answered_then_the_host_itself),
		cmocka_unit_test(an_arp_reply_of_another_address_is_no_answer),
		cmocka_unit_test(a_probe_to_a_remote_target_goes_by_its_gateway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
