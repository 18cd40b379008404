/* ICMP errors that are not translated: malformed ones, and those about no flow. */
#include "tests/unit/flow_world.h"

/* An error about the request of a UDP flow, for tests to damage. */
static struct made sound_error(struct world *world)
{
	struct crossing udp = udp_request(world, 33);

	return make_error(INT, BACKEND_1, CLIENT, ICMP_UNREACHABLE, 3, 0, udp.after.bytes,
			  whole(&udp));
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
	struct crossing reply = {
		.before = make_tcp(EXT, VIP, VIP_PORT, CLIENT, CLIENT_PORT, TCP_ACK, 1, 1)};

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
	expect(world,
	       make_error(INT, BACKEND_0, CLIENT, ICMP_UNREACHABLE, 3, 0, tcp.after.bytes, 28),
	       DROP_icmp_unmatched);
	services.service[0].enabled = true;
	services.backend[0].admin = BACKEND_DISABLED;
	strange = make_error(EXT, CLIENT, VIP, ICMP_UNREACHABLE, 3, 0, reply.before.bytes, 28);
	assert_int_equal(receive_made(world, EXT, &strange), DROP_icmp_unmatched);
	world_free(world);
}

static void an_error_about_the_appliances_own_packets_is_unmatched(void **state)
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
		cmocka_unit_test(every_flipped_bit_of_an_error_is_malformed),
		cmocka_unit_test(a_quote_that_is_cut_short_is_malformed),
		cmocka_unit_test(a_quote_that_is_no_packet_is_malformed),
		cmocka_unit_test(an_error_in_fragments_is_malformed),
		cmocka_unit_test(an_error_about_no_flow_is_unmatched),
		cmocka_unit_test(an_error_about_the_appliances_own_packets_is_unmatched),
		cmocka_unit_test(random_errors_leave_sound_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
