/* Echo that is answered and errors that are made; for translated ones: test_icmp_translate.c. */
#include "tests/unit/path_packets.h"

#define EXT_ADDRESS address(203, 0, 113, 1)
#define INT_ADDRESS address(10, 0, 0, 1)

static uint8_t pattern[1500];

static int fill_pattern(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + 3);
	return 0;
}

static struct world *world_with_neighbors(void)
{
	struct world *world = world_up();
	struct tables *tables = world_next(world);

	tables->neighbor[0] = (struct snapshot_neighbor){CLIENT, EXT, CLIENT_MAC};
	tables->neighbor[1] = (struct snapshot_neighbor){SERVER, INT, SERVER_MAC};
	tables->snapshot.neighbors = 2;
	world_publish(world);
	world_forget_sent(world);
	return world;
}

static struct made make_echo(uint32_t in, be32 source, be32 destination, uint32_t payload)
{
	return make_icmp(in, source, destination, ICMP_ECHO_REQUEST, 0, 77, 5, pattern, payload);
}

static void an_echo_of_any_size_goes_back_where_it_came_from(void **state)
{
	struct world *world = world_with_neighbors();

	(void)state;
	for (uint32_t payload = 0; payload <= 1500 - IPV4_SIZE_MIN - ICMP_SIZE; payload++) {
		struct made echo = make_echo(EXT, address(198, 51, 100, 9), VIP, payload);

		world_forget_sent(world);
		world->now += SECOND / 50;
		assert_int_equal(receive_made(world, EXT, &echo), VERDICT_CONSUMED);
		assert_int_equal(world->sent_count, 1);
		assert_int_equal(world->sent[0].interface, EXT);

		const uint8_t *answer = sent_sound(world, 0);
		const struct ethernet *ethernet = (const struct ethernet *)answer;
		const struct icmp *icmp = l4_of(answer);

		assert_mac(ethernet->source, EXT_MAC);
		assert_mac(ethernet->destination, CLIENT_MAC);
		assert_address(ip_of(answer)->source, VIP);
		assert_address(ip_of(answer)->destination, address(198, 51, 100, 9));
		assert_int_equal(ip_of(answer)->ttl, 64);
		assert_int_equal(icmp->type, ICMP_ECHO_REPLY);
		assert_int_equal(from_be16(icmp->id), 77);
		assert_int_equal(from_be16(icmp->sequence), 5);
		assert_memory_equal(icmp + 1, pattern, payload);
	}
	assert_int_equal(path_counters(world->path)->interface[EXT].originated,
			 path_counters(world->path)->interface[EXT].sent);
	world_free(world);
}

static void an_interface_address_answers_too(void **state)
{
	struct world *world = world_with_neighbors();
	struct made echo = make_echo(INT, SERVER, INT_ADDRESS, 40);

	(void)state;
	assert_int_equal(receive_made(world, INT, &echo), VERDICT_CONSUMED);
	assert_address(ip_of(sent_sound(world, 0))->source, INT_ADDRESS);
	world_free(world);
}

static void padding_stays_behind_and_options_come_back(void **state)
{
	struct world *world = world_with_neighbors();
	struct made echo = make_echo(EXT, CLIENT, VIP, 4);
	struct ipv4 *ip = ip_of(echo.bytes);

	(void)state;
	memmove((uint8_t *)(ip + 1) + 4, ip + 1, ICMP_SIZE + 4);
	memcpy(ip + 1, "\x01\x01\x01\x00", 4);
	ip->version_ihl = 0x46;
	ip->total_length = to_be16(IPV4_SIZE_MIN + 4 + ICMP_SIZE + 4);
	seal_ip(ip);
	assert_int_equal(receive(world, EXT, echo.bytes, 60), VERDICT_CONSUMED);
	assert_int_equal(world->sent[0].length, ETHERNET_SIZE + 36);
	assert_memory_equal(ip_of(sent_sound(world, 0)) + 1, "\x01\x01\x01\x00", 4);
	world_free(world);
}

static void every_flipped_bit_of_an_echo_is_malformed_and_nothing_is_changed(void **state)
{
	struct world *world = world_with_neighbors();
	const struct made echo = make_echo(EXT, CLIENT, VIP, 13);

	(void)state;
	for (uint32_t bit = 0; bit < 8 * (ICMP_SIZE + 13); bit++) {
		struct made bad = echo, before;

		if (bit / 8 == offsetof(struct icmp, type))
			continue; /* another type has another verdict */
		bad.bytes[L4_AT + bit / 8] ^= (uint8_t)(1 << bit % 8);
		before = bad;
		assert_int_equal(receive_made(world, EXT, &bad), DROP_icmp_malformed);
		assert_memory_equal(bad.bytes, before.bytes, bad.length);
	}
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static enum verdict receive_offloaded(struct world *world, struct made *made,
				      struct offload offload)
{
	struct frame frame = {
		.data = made->bytes,
		.length = made->length,
		.wire_length = made->length,
		.interface = EXT,
		.offload = offload,
	};
	struct outcome outcome;

	path_receive(world->path, &frame, &outcome, 1, world->now);
	assert_int_equal(frame.offload.flags, 0); /* it has been sent, complete */
	return outcome.verdict;
}

static void a_checksum_is_completed_or_believed_as_its_frame_says(void **state)
{
	struct world *world = world_with_neighbors();
	struct made echo = make_echo(EXT, CLIENT, VIP, 13);
	struct icmp *icmp = l4_of(echo.bytes);
	struct made verified = echo;

	(void)state;
	icmp->checksum = to_be16(0); /* ICMP has no pseudo header to sum */
	assert_int_equal(receive_offloaded(world, &echo, (struct offload){
		.flags = OFFLOAD_CHECKSUM_PARTIAL, .csum_start = L4_AT,
		.csum_offset = offsetof(struct icmp, checksum)}), VERDICT_CONSUMED);
	assert_int_equal(((const struct icmp *)l4_of(sent_sound(world, 0)))->type, ICMP_ECHO_REPLY);

	verified.bytes[L4_AT + ICMP_SIZE] ^= 1; /* stays visibly wrong */
	assert_int_equal(receive_offloaded(world, &verified, (struct offload){
		.flags = OFFLOAD_CHECKSUM_VALID}), VERDICT_CONSUMED);
	assert_int_equal(world->sent_count, 2);
	world_free(world);
}

static void fragments_of_echo_are_ignored(void **state)
{
	struct world *world = world_with_neighbors();
	struct made first = make_echo(EXT, CLIENT, VIP, 16), later = first;

	(void)state;
	ip_of(first.bytes)->fragment = to_be16(IPV4_MORE_FRAGMENTS);
	seal_ip(ip_of(first.bytes));
	ip_of(later.bytes)->fragment = to_be16(3);
	seal_ip(ip_of(later.bytes));
	assert_int_equal(receive_made(world, EXT, &first), DROP_icmp_ignored);
	assert_int_equal(receive_made(world, EXT, &later), DROP_icmp_ignored);
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void echo_by_broadcast_is_not_answered(void **state)
{
	struct world *world = world_with_neighbors();
	struct made by_mac = make_echo(EXT, CLIENT, VIP, 16), from_group = by_mac;

	(void)state;
	memset(by_mac.bytes, 0xff, sizeof(struct mac_address));
	assert_int_equal(receive_made(world, EXT, &by_mac), DROP_ip_bad_destination);
	((struct ethernet *)from_group.bytes)->source.byte[0] |= 1;
	assert_int_equal(receive_made(world, EXT, &from_group), DROP_icmp_ignored);
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void other_queries_and_stray_replies_are_ignored(void **state)
{
	struct world *world = world_with_neighbors();
	static const uint8_t types[] = {ICMP_ECHO_REPLY, 9, 13, 15, 17, 42};

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		struct made to_vip = make_icmp(EXT, CLIENT, VIP, types[i], 0, 1, 1, pattern, 12);
		struct made to_us =
			make_icmp(INT, SERVER, INT_ADDRESS, types[i], 0, 1, 1, pattern, 12);

		assert_int_equal(receive_made(world, EXT, &to_vip), DROP_icmp_ignored);
		assert_int_equal(receive_made(world, INT, &to_us), DROP_icmp_ignored);
	}
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

static void a_flood_of_echoes_is_limited_and_recovers(void **state)
{
	struct world *world = world_with_neighbors();

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct made echo = make_echo(EXT, CLIENT, VIP, 16);

		assert_int_equal(receive_made(world, EXT, &echo),
				 i < LIMIT_PER_SECOND ? VERDICT_CONSUMED : DROP_rate_limited);
	}
	world->now += SECOND - 1;
	for (int i = 0; i < 2; i++, world->now++) {
		struct made echo = make_echo(EXT, CLIENT, VIP, 16);

		assert_int_equal(receive_made(world, EXT, &echo),
				 i < 1 ? DROP_rate_limited : VERDICT_CONSUMED);
	}
	assert_int_equal(world->sent_count, LIMIT_PER_SECOND + 1);
	world_free(world);
}

static void vip_echo_available_asks_for_a_usable_backend(void **state)
{
	struct world *world = world_with_neighbors();
	static const uint16_t table[1];
	struct snapshot_pool pool = {.count = 1};
	struct snapshot_service service = {
		.vip = VIP, .protocol = PROTOCOL_NUMBER_TCP, .enabled = true};
	struct tables *tables = world_next(world);
	struct made echo = make_echo(EXT, CLIENT, VIP, 1),
		    own = make_echo(EXT, CLIENT, EXT_ADDRESS, 1);
	struct made again = echo, disabled = echo;

	(void)state;
	tables->snapshot.vip_echo_available = true;
	tables->snapshot.pool = &pool;
	tables->snapshot.service = &service;
	tables->snapshot.pools = tables->snapshot.services = 1;
	world_publish(world);
	world_forget_sent(world);
	assert_int_equal(receive_made(world, EXT, &echo), DROP_echo_unavailable);
	assert_int_equal(receive_made(world, EXT, &own), VERDICT_CONSUMED);
	pool.maglev = table;
	assert_int_equal(receive_made(world, EXT, &again), VERDICT_CONSUMED);
	service.enabled = false;
	assert_int_equal(receive_made(world, EXT, &disabled), DROP_echo_unavailable);
	assert_int_equal(world->sent_count, 2);
	world_free(world);
}

/* A packet that is routed to SERVER and whose TTL ends here. */
static struct made make_dying(be32 source, uint16_t payload)
{
	struct made made = make_udp(EXT, source, 1000, SERVER, 33434, pattern, payload);

	ip_of(made.bytes)->ttl = 1;
	seal_ip(ip_of(made.bytes));
	return made;
}

static void assert_error(const struct world *world, uint32_t i, uint8_t type, uint8_t code,
			 be32 source, be32 destination, const struct made *about)
{
	const uint8_t *frame = sent_sound(world, i);
	const struct ipv4 *ip = ip_of(frame);
	const struct icmp *icmp = l4_of(frame);
	uint32_t quoted = from_be16(ip->total_length) - IPV4_SIZE_MIN - ICMP_SIZE;
	uint32_t whole = from_be16(ip_of(about->bytes)->total_length);

	assert_int_equal(icmp->type, type);
	assert_int_equal(icmp->code, code);
	assert_address(ip->source, source);
	assert_address(ip->destination, destination);
	assert_int_equal(ip->ttl, 64);
	assert_int_equal(ip->tos, 0xc0);
	assert_int_equal(ip->fragment.raw, 0);
	assert_int_equal(quoted, whole < 548 ? whole : 548);
	assert_memory_equal(icmp + 1, ip_of(about->bytes), quoted);
}

static void a_ttl_that_ends_here_is_told_with_as_much_as_fits_into_576_bytes(void **state)
{
	struct world *world = world_with_neighbors();

	(void)state;
	for (uint16_t payload = 0; payload < 1400; payload += 5) {
		struct made dying = make_dying(CLIENT, payload), sent = dying;

		world_forget_sent(world);
		world->now += SECOND / 50;
		assert_int_equal(receive_made(world, EXT, &dying), DROP_ttl_expired);
		assert_int_equal(world->sent_count, 1);
		assert_int_equal(world->sent[0].interface, EXT);
		assert_error(world, 0, ICMP_TIME_EXCEEDED, 0, EXT_ADDRESS, CLIENT, &sent);
		assert_mac(((const struct ethernet *)world->sent[0].bytes)->destination,
			   CLIENT_MAC);
	}
	assert_int_equal(path_counters(world->path)->interface[EXT].originated,
			 path_counters(world->path)->interface[EXT].sent);
	world_free(world);
}

static void what_is_too_big_is_told_the_mtu(void **state)
{
	struct world *world = world_with_neighbors();
	struct made big = make_udp(EXT, CLIENT, 1000, SERVER, 2000, pattern, 1300), sent;

	(void)state;
	world_next(world)->interface[INT].mtu = 1280;
	world_publish(world);
	world_forget_sent(world);
	ip_of(big.bytes)->fragment = to_be16(IPV4_DONT_FRAGMENT);
	seal_ip(ip_of(big.bytes));
	sent = big;
	assert_int_equal(receive_made(world, EXT, &big), DROP_too_big);
	assert_error(world, 0, ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, EXT_ADDRESS, CLIENT,
		     &sent);
	assert_int_equal(from_be16(((const struct icmp *)l4_of(world->sent[0].bytes))->sequence),
			 1280);
	world_free(world);
}

static void errors_are_about_queries_but_not_about_errors_or_later_pieces(void **state)
{
	struct world *world = world_with_neighbors();
	static const uint8_t errors[] = {ICMP_UNREACHABLE, ICMP_SOURCE_QUENCH, ICMP_REDIRECT,
					 ICMP_TIME_EXCEEDED, ICMP_PARAMETER_PROBLEM};
	struct made query = make_icmp(EXT, CLIENT, SERVER, ICMP_ECHO_REQUEST, 0, 1, 1, pattern, 8);
	struct made first = make_udp(EXT, CLIENT, 1000, SERVER, 2000, pattern, 8), later;

	(void)state;
	for (size_t i = 0; i < sizeof(errors); i++) {
		struct made error = make_icmp(EXT, CLIENT, SERVER, errors[i], 0, 0, 0, pattern, 28);

		ip_of(error.bytes)->ttl = 1;
		seal_ip(ip_of(error.bytes));
		assert_int_equal(receive_made(world, EXT, &error), DROP_ttl_expired);
		assert_int_equal(world->sent_count, 0);
	}
	ip_of(query.bytes)->ttl = 1;
	seal_ip(ip_of(query.bytes));
	assert_int_equal(receive_made(world, EXT, &query), DROP_ttl_expired);
	assert_int_equal(world->sent_count, 1);

	later = first;
	ip_of(first.bytes)->fragment = to_be16(IPV4_MORE_FRAGMENTS);
	seal_ip(ip_of(first.bytes));
	assert_int_equal(receive_made(world, EXT, &first), VERDICT_FORWARDED);
	world_forget_sent(world);
	ip_of(later.bytes)->fragment = to_be16(2);
	ip_of(later.bytes)->ttl = 1;
	seal_ip(ip_of(later.bytes));
	receive_made(world, EXT, &later);
	for (uint32_t i = 0; i < world->sent_count; i++)
		assert_int_not_equal(ip_of(world->sent[i].bytes)->protocol, PROTOCOL_NUMBER_ICMP);
	world_free(world);
}

static void a_flood_of_errors_is_limited_kind_by_kind(void **state)
{
	struct world *world = world_with_neighbors();
	struct made big = make_udp(EXT, CLIENT, 1000, SERVER, 2000, pattern, 1300);

	(void)state;
	world_next(world)->interface[INT].mtu = 1280;
	world_publish(world);
	world_forget_sent(world);
	for (int i = 0; i < 300; i++) {
		struct made dying = make_dying(CLIENT, 10);

		assert_int_equal(receive_made(world, EXT, &dying), DROP_ttl_expired);
	}
	assert_int_equal(world->sent_count, LIMIT_PER_SECOND);
	ip_of(big.bytes)->fragment = to_be16(IPV4_DONT_FRAGMENT);
	seal_ip(ip_of(big.bytes));
	assert_int_equal(receive_made(world, EXT, &big), DROP_too_big);
	assert_int_equal(world->sent_count, LIMIT_PER_SECOND + 1);
	world_free(world);
}

static void without_a_way_back_or_an_address_nothing_is_said(void **state)
{
	struct world *world = world_with_neighbors();
	struct made stranger = make_dying(address(198, 51, 100, 1), 10),
		    dying = make_dying(CLIENT, 10);
	struct tables *tables = world_next(world);

	(void)state;
	tables->snapshot.routes = 2; /* no default */
	world_publish(world);
	world_forget_sent(world);
	assert_int_equal(receive_made(world, EXT, &stranger), DROP_ttl_expired);
	assert_int_equal(world->sent_count, 0);

	tables = world_next(world);
	tables->interface[EXT].address = tables->route[0].source = (be32){0};
	world_publish(world);
	world_forget_sent(world);
	assert_int_equal(receive_made(world, EXT, &dying), DROP_ttl_expired);
	assert_int_equal(world->sent_count, 0);
	world_free(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_echo_of_any_size_goes_back_where_it_came_from),
		cmocka_unit_test(an_interface_address_answers_too),
		cmocka_unit_test(padding_stays_behind_and_options_come_back),
		cmocka_unit_test(every_flipped_bit_of_an_echo_is_malformed_and_nothing_is_changed),
		cmocka_unit_test(a_checksum_is_completed_or_believed_as_its_frame_says),
		cmocka_unit_test(fragments_of_echo_are_ignored),
		cmocka_unit_test(echo_by_broadcast_is_not_answered),
		cmocka_unit_test(other_queries_and_stray_replies_are_ignored),
		cmocka_unit_test(a_flood_of_echoes_is_limited_and_recovers),
		cmocka_unit_test(vip_echo_available_asks_for_a_usable_backend),
		cmocka_unit_test(a_ttl_that_ends_here_is_told_with_as_much_as_fits_into_576_bytes),
		cmocka_unit_test(what_is_too_big_is_told_the_mtu),
		cmocka_unit_test(errors_are_about_queries_but_not_about_errors_or_later_pieces),
		cmocka_unit_test(a_flood_of_errors_is_limited_kind_by_kind),
		cmocka_unit_test(without_a_way_back_or_an_address_nothing_is_said),
	};

	return cmocka_run_group_tests(tests, fill_pattern, NULL);
}
