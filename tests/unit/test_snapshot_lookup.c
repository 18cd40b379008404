#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "appliance/compile_index.h"

enum { UDP = 17, TCP = 6 };

static be32 address(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return to_be32(a << 24 | b << 16 | c << 8 | d);
}

static void put(uint32_t *entry, uint32_t mask, uint32_t hash, uint32_t value)
{
	while (entry[hash & mask] != NONE)
		hash++;
	entry[hash & mask] = value;
}

static void nothing_is_found_in_an_empty_snapshot(void **state)
{
	const struct snapshot empty = {.routes = 0};
	uint32_t cursor = 0;

	(void)state;
	assert_int_equal(snapshot_local_find(&empty, address(1, 2, 3, 4)), NONE);
	assert_int_equal(snapshot_service_find(&empty, address(1, 2, 3, 4), to_be16(80), TCP), NONE);
	assert_int_equal(snapshot_reply_find(&empty, address(1, 2, 3, 4), to_be16(80), TCP), NONE);
	assert_int_equal(snapshot_heartbeat_next(&empty, address(1, 2, 3, 4), &cursor), NONE);
	assert_null(snapshot_route_find(&empty, address(1, 2, 3, 4), NONE));
}

/* Four places and three entries: they collide whatever the hash is. */
static void addresses_that_collide_are_told_apart(void **state)
{
	struct snapshot_local local[3];
	uint32_t entry[4];
	struct snapshot snapshot = {.locals = 3, .local = local, .local_index = {3, entry}};

	(void)state;
	memset(entry, 0xff, sizeof(entry));
	for (uint32_t i = 0; i < 3; i++) {
		local[i].address = address(10, 0, 0, i);
		put(entry, 3, snapshot_hash_address(local[i].address), i);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(snapshot_local_find(&snapshot, address(10, 0, 0, i)), i);
	for (uint32_t i = 3; i < 256; i++)
		assert_int_equal(snapshot_local_find(&snapshot, address(10, 0, 0, i)), NONE);
}

static void a_full_index_ends_the_search_too(void **state)
{
	struct snapshot_local local[2] = {{.address = address(10, 0, 0, 1)},
					  {.address = address(10, 0, 0, 2)}};
	uint32_t entry[2] = {0, 1};
	struct snapshot snapshot = {.locals = 2, .local = local, .local_index = {1, entry}};

	(void)state;
	assert_int_equal(snapshot_local_find(&snapshot, address(10, 0, 0, 2)), 1);
	assert_int_equal(snapshot_local_find(&snapshot, address(10, 0, 0, 3)), NONE);
}

static void the_exact_port_goes_before_all_ports(void **state)
{
	struct snapshot_service service[] = {
		{.vip = address(10, 0, 0, 1), .port = to_be16(0), .protocol = UDP},
		{.vip = address(10, 0, 0, 1), .port = to_be16(53), .protocol = UDP},
		{.vip = address(10, 0, 0, 1), .port = to_be16(80), .protocol = TCP},
	};
	uint32_t entry[8];
	struct snapshot snapshot = {.service = service, .service_index = {7, entry}};
	const be32 vip = address(10, 0, 0, 1);

	(void)state;
	memset(entry, 0xff, sizeof(entry));
	for (uint32_t i = 0; i < 3; i++)
		put(entry, 7,
		    snapshot_hash_endpoint(service[i].vip, service[i].port, service[i].protocol), i);
	assert_int_equal(snapshot_service_find(&snapshot, vip, to_be16(53), UDP), 1);
	assert_int_equal(snapshot_service_find(&snapshot, vip, to_be16(54), UDP), 0);
	assert_int_equal(snapshot_service_find(&snapshot, vip, to_be16(80), TCP), 2);
	assert_int_equal(snapshot_service_find(&snapshot, vip, to_be16(53), TCP), NONE);
	assert_int_equal(snapshot_service_find(&snapshot, address(10, 0, 0, 2), to_be16(53), UDP),
			 NONE);
}

static void replies_are_found_by_endpoint_then_by_address(void **state)
{
	struct snapshot_reply reply[] = {
		{.address = address(10, 0, 0, 5), .port = to_be16(0), .protocol = TCP},
		{.address = address(10, 0, 0, 5), .port = to_be16(80), .protocol = TCP},
	};
	uint32_t entry[4];
	struct snapshot snapshot = {.reply = reply, .reply_index = {3, entry}};

	(void)state;
	memset(entry, 0xff, sizeof(entry));
	for (uint32_t i = 0; i < 2; i++)
		put(entry, 3,
		    snapshot_hash_endpoint(reply[i].address, reply[i].port, reply[i].protocol), i);
	assert_int_equal(snapshot_reply_find(&snapshot, reply[0].address, to_be16(80), TCP), 1);
	assert_int_equal(snapshot_reply_find(&snapshot, reply[0].address, to_be16(81), TCP), 0);
	assert_int_equal(snapshot_reply_find(&snapshot, reply[0].address, to_be16(80), UDP), NONE);
}

static void every_heartbeat_target_of_an_address_is_found_once(void **state)
{
	struct snapshot_target target[6];
	uint32_t entry[16], cursor = 0, found, seen = 0;
	struct snapshot snapshot = {.target = target, .target_index = {15, entry}};

	(void)state;
	memset(entry, 0xff, sizeof(entry));
	for (uint32_t i = 0; i < 6; i++) {
		target[i].address = address(10, 0, 0, i % 2);
		put(entry, 15, snapshot_hash_address(target[i].address), i);
	}
	while ((found = snapshot_heartbeat_next(&snapshot, address(10, 0, 0, 1), &cursor)) != NONE) {
		assert_int_equal(found % 2, 1);
		assert_false(seen & 1U << found);
		seen |= 1U << found;
	}
	assert_int_equal(seen, 1U << 1 | 1U << 3 | 1U << 5);
}

enum { SLOTS = SLOT_MASK + 1 };

static uint32_t (*const find_by_id[])(const struct snapshot *, uint32_t) = {
	snapshot_backend_of, snapshot_service_of, snapshot_target_of};
static const uint32_t slots_of[] = {BACKENDS_MAX, SERVICES_MAX, TARGETS_MAX};

/* What each of find_by_id says of `id` where the slot's owner has the id `owner`. */
static void assert_found_by_id(uint32_t owner, uint32_t id, const uint32_t expected[3])
{
	struct snapshot_backend backend = {.id = owner};
	struct snapshot_service service = {.id = owner};
	struct snapshot_target target = {.id = owner};
	uint32_t *by_slot = malloc(SLOTS * sizeof(*by_slot));
	const struct snapshot snapshot = {
		.backend = &backend, .service = &service, .target = &target,
		.backend_by_slot = by_slot, .service_by_slot = by_slot, .target_by_slot = by_slot,
	};

	assert_non_null(by_slot);
	memset(by_slot, 0xff, SLOTS * sizeof(*by_slot));
	by_slot[owner & SLOT_MASK] = 0;
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(find_by_id[i](&snapshot, id), expected[i]);
	free(by_slot);
}

static void an_id_of_an_earlier_owner_of_the_slot_is_gone(void **state)
{
	static const uint32_t found[3] = {0, 0, 0}, none[3] = {NONE, NONE, NONE};
	const uint32_t id = 3U << SLOT_BITS | 7;

	(void)state;
	assert_found_by_id(id, id, found);
	assert_found_by_id(id, 2U << SLOT_BITS | 7, none);
	assert_found_by_id(id, 3U << SLOT_BITS | 8, none);
	assert_found_by_id(id, NONE, none);
}

static void a_slot_beyond_the_last_is_not_looked_at(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t expected[3];

		for (uint32_t j = 0; j < 3; j++)
			expected[j] = slots_of[i] < slots_of[j] ? 0 : NONE;
		assert_found_by_id(slots_of[i], slots_of[i], expected);
	}
}

static const struct snapshot_route routes[] = {
	{.prefix = {0}, .length = 32, .interface = 9}, /* 10.1.2.3, filled in below */
	{.prefix = {0}, .length = 24, .interface = 1},
	{.prefix = {0}, .length = 8, .interface = 2},
	{.prefix = {0}, .length = 0, .interface = 3},
	{.prefix = {0}, .length = 0, .interface = 4},
};

static uint32_t interface_of(uint32_t count, be32 destination, uint32_t preferred)
{
	struct snapshot_route route[5];
	struct snapshot snapshot = {.routes = count, .route = route};

	memcpy(route, routes, sizeof(route));
	route[0].prefix = address(10, 1, 2, 3);
	route[1].prefix = address(10, 1, 2, 0);
	route[2].prefix = address(10, 0, 0, 0);
	struct arena *arena = arena_new();

	compile_route_indexes(&snapshot, arena);
	const struct snapshot_route *found = snapshot_route_find(&snapshot, destination, preferred);
	arena_free(arena);
	return found ? found->interface : NONE;
}

static void the_longest_prefix_wins(void **state)
{
	(void)state;
	assert_int_equal(interface_of(5, address(10, 1, 2, 3), NONE), 9);
	assert_int_equal(interface_of(5, address(10, 1, 2, 4), NONE), 1);
	assert_int_equal(interface_of(5, address(10, 1, 3, 4), NONE), 2);
	assert_int_equal(interface_of(5, address(11, 1, 3, 4), NONE), 3);
	assert_int_equal(interface_of(3, address(11, 1, 3, 4), NONE), NONE);
}

static void the_preferred_interface_goes_first_where_it_has_a_route(void **state)
{
	(void)state;
	assert_int_equal(interface_of(5, address(11, 1, 3, 4), 4), 4);
	assert_int_equal(interface_of(5, address(10, 1, 2, 4), 2), 2);
	assert_int_equal(interface_of(5, address(10, 1, 2, 4), 7), 1);
	assert_int_equal(interface_of(3, address(11, 1, 3, 4), 1), NONE);
}

/* What the compiled ranges stand for: the first route, longest prefix first, that holds the address. */
static const struct snapshot_route *scan(const struct snapshot *snapshot, be32 wanted,
					 uint32_t preferred)
{
	const struct snapshot_route *longest = NULL;

	for (uint32_t i = 0; i < snapshot->routes; i++) {
		const struct snapshot_route *route = &snapshot->route[i];

		if (!in_prefix(wanted, route->prefix, route->length))
			continue;
		if (preferred == NONE || route->interface == preferred)
			return route;
		if (!longest)
			longest = route;
	}
	return longest;
}

static uint32_t random_number(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

enum { RANDOM_ROUTES = 300, RANDOM_INTERFACES = 5 };

/* Networks inside one another, of few addresses, so that many share an end; longest first. */
static void make_routes(struct snapshot_route route[RANDOM_ROUTES], uint32_t count, uint32_t seed)
{
	uint32_t at = 0;

	for (unsigned length = 32; length <= 32 && at < count; length--)
		for (uint32_t i = random_number(&seed) % 20; i && at < count; i--) {
			uint32_t mask = length ? ~UINT32_C(0) << (32 - length) : 0;
			uint32_t high = random_number(&seed) % 3 * UINT32_C(0x7fffffff);
			uint32_t low = high ^ random_number(&seed) % 64;

			route[at++] = (struct snapshot_route){
				.prefix = to_be32(low & mask),
				.length = (uint8_t)length,
				.interface = (uint16_t)(random_number(&seed) % RANDOM_INTERFACES),
				.via = {random_number(&seed) % 2},
			};
		}
	while (at < count)
		route[at++] = (struct snapshot_route){.interface = RANDOM_INTERFACES};
}

static void compiled_routes_say_what_a_scan_of_them_says(void **state)
{
	struct snapshot_route route[RANDOM_ROUTES];

	(void)state;
	for (uint32_t seed = 0; seed < 60; seed++) {
		struct snapshot snapshot = {.routes = seed * 5, .route = route};
		struct arena *arena = arena_new();
		uint32_t dice = seed;

		make_routes(route, snapshot.routes, seed);
		compile_route_indexes(&snapshot, arena);
		for (int i = 0; i < 2000; i++) {
			uint32_t high = random_number(&dice) % 3 * UINT32_C(0x7fffffff);
			be32 wanted = to_be32(high ^ random_number(&dice) % 80);
			uint32_t preferred = random_number(&dice) % (RANDOM_INTERFACES + 2);

			if (preferred > RANDOM_INTERFACES)
				preferred = NONE;
			assert_ptr_equal(snapshot_route_find(&snapshot, wanted, preferred),
					 scan(&snapshot, wanted, preferred));
		}
		arena_free(arena);
	}
}

static void only_a_connected_network_has_a_broadcast_address(void **state)
{
	const struct snapshot_route route[] = {
		{.prefix = address(10, 1, 2, 4), .length = 31},
		{.prefix = address(10, 1, 2, 0), .length = 30},
		{.prefix = address(10, 1, 2, 0), .length = 24},
		{.prefix = address(10, 2, 0, 0), .length = 16, .via = address(10, 1, 2, 9)},
		{.prefix = address(10, 3, 0, 255), .length = 32},
	};
	struct snapshot snapshot = {.routes = 5, .route = route};
	struct arena *arena = arena_new();

	(void)state;
	compile_route_indexes(&snapshot, arena);
	assert_true(snapshot_is_broadcast(&snapshot, address(10, 1, 2, 3)));
	assert_true(snapshot_is_broadcast(&snapshot, address(10, 1, 2, 255)));
	assert_false(snapshot_is_broadcast(&snapshot, address(10, 1, 2, 5)));
	assert_false(snapshot_is_broadcast(&snapshot, address(10, 1, 2, 7)));
	assert_false(snapshot_is_broadcast(&snapshot, address(10, 2, 255, 255)));
	assert_false(snapshot_is_broadcast(&snapshot, address(10, 3, 0, 255)));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_found_in_an_empty_snapshot),
		cmocka_unit_test(addresses_that_collide_are_told_apart),
		cmocka_unit_test(a_full_index_ends_the_search_too),
		cmocka_unit_test(the_exact_port_goes_before_all_ports),
		cmocka_unit_test(replies_are_found_by_endpoint_then_by_address),
		cmocka_unit_test(every_heartbeat_target_of_an_address_is_found_once),
		cmocka_unit_test(an_id_of_an_earlier_owner_of_the_slot_is_gone),
		cmocka_unit_test(a_slot_beyond_the_last_is_not_looked_at),
		cmocka_unit_test(the_longest_prefix_wins),
		cmocka_unit_test(the_preferred_interface_goes_first_where_it_has_a_route),
		cmocka_unit_test(compiled_routes_say_what_a_scan_of_them_says),
		cmocka_unit_test(only_a_connected_network_has_a_broadcast_address),
	};

	return cmocka_run_group_tests_name("snapshot lookup", tests, NULL, NULL);
}
