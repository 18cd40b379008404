/* The flow table: what it promises, case by case, then random use against an array of flows.
 *
 * This program brings its own flow_hash(), so that every case can be told to collide.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "appliance/path/flow.h"
#include "appliance/path/wire.h"

enum {
	TCP = PROTOCOL_NUMBER_TCP,
	UDP = PROTOCOL_NUMBER_UDP,
	CAPACITY_MAX = 512,
	UNLIMITED = INT32_MAX,
};

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)
#define TICK_NS (UINT64_C(1) << 26)
#define START_NS (77 * SECOND_NS + 12345)

static bool collides; /* every key has one of two buckets and one of two tags */

uint64_t flow_hash(const struct flow_tuple *tuple, uint64_t seed)
{
	uint64_t hash = XXH3_64bits_withSeed(tuple, sizeof(*tuple), seed);

	return collides ? hash & (UINT64_C(1) << 32 | 1) : hash;
}

static struct flow_table table;
static void *memory;
static uint64_t now_ns;

/* What the hook has been told. */
static unsigned told[FLOW_CLOSE_REASON_COUNT];
static struct flow told_flow;

static void on_close(void *context, const struct flow *flow, enum flow_close_reason reason)
{
	assert_ptr_equal(context, told);
	told[reason]++;
	told_flow = *flow;
}

static void new_table(uint32_t capacity, flow_closed *hook)
{
	free(memory);
	memory = aligned_alloc(FLOW_MEMORY_ALIGNMENT, flow_table_size(capacity));
	assert_non_null(memory);
	memset(memory, 0xa5, flow_table_size(capacity));
	memset(told, 0, sizeof(told));
	flow_table_init(&table, memory, capacity, 1234, hook, told);
	now_ns = START_NS;
}

static int setup(void **state)
{
	(void)state;
	new_table(16, on_close);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	collides = false;
	free(memory);
	memory = NULL;
	return 0;
}

/* Client number `client` asks VIP number `vip` and is sent to backend number `backend`. */
static struct flow_birth birth_of(uint8_t protocol, unsigned client, unsigned vip, unsigned backend)
{
	be32 client_address = to_be32(0xc6336400 + client / 4);
	be16 client_port = to_be16((uint16_t)(40000 + client % 4));

	return (struct flow_birth){
		.forward = {.source = client_address, .destination = to_be32(0xcb007100 + vip),
			    .source_port = client_port, .destination_port = to_be16(80),
			    .protocol = protocol},
		.backend_address = to_be32(0x0a000000 + backend),
		.backend_port = to_be16(8080),
		.source_address = client_address,
		.source_port = client_port,
		.backend = backend,
		.service = vip,
		.frontend = 3,
		.tcp_flags = protocol == TCP ? TCP_SYN : 0,
		.sees_replies = true,
	};
}

static struct flow_tuple reply_of(const struct flow_birth *birth)
{
	return (struct flow_tuple){
		.source = birth->backend_address, .destination = birth->source_address,
		.source_port = birth->backend_port, .destination_port = birth->source_port,
		.protocol = birth->forward.protocol,
	};
}

static struct flow *find(const struct flow_tuple *tuple, enum flow_direction *ret_direction)
{
	uint64_t hash = flow_hash(tuple, table.seed);

	flow_prefetch_bucket(&table, hash);
	flow_prefetch_record(&table, hash);
	return flow_find(&table, tuple, hash, now_ns, ret_direction);
}

static bool has(const struct flow_tuple *tuple)
{
	enum flow_direction direction;

	return find(tuple, &direction) != NULL;
}

static enum flow_inserted insert(const struct flow_birth *birth, struct flow **ret_flow)
{
	return flow_insert(&table, birth, flow_hash(&birth->forward, table.seed), now_ns, ret_flow);
}

static struct flow *must_insert(const struct flow_birth *birth)
{
	struct flow *flow = NULL;

	assert_int_equal(insert(birth, &flow), FLOW_INSERTED);
	return flow;
}

static struct flow *established(const struct flow_birth *birth)
{
	struct flow *flow = must_insert(birth);

	flow_touch(&table, flow, FLOW_REPLY, TCP_SYN | TCP_ACK, now_ns);
	flow_touch(&table, flow, FLOW_FORWARD, TCP_ACK, now_ns);
	return flow;
}

static void assert_conserved(void)
{
	uint64_t closed = 0;

	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		closed += table.closed[i];
	assert_int_equal(table.created - closed, table.live);
	assert_in_range(table.live, 0, table.capacity);
	assert_in_range(table.half_open, 0, table.half_open_max);
}

static void assert_index_empty(void)
{
	for (uint32_t i = 0; i <= table.index.mask; i++) {
		assert_int_equal(table.index.bucket[i].passed, 0);
		for (unsigned way = 0; way < FLOW_INDEX_WAYS; way++)
			assert_int_equal(table.index.bucket[i].reference[way], 0);
	}
}

static void is_found_from_both_sides(void **state)
{
	struct flow_birth birth = birth_of(TCP, 1, 2, 3), other = birth_of(TCP, 2, 2, 3);
	struct flow_tuple reply = reply_of(&birth), other_reply = reply_of(&other);
	struct flow *flow = must_insert(&birth);
	enum flow_direction direction;

	(void)state;
	assert_ptr_equal(find(&birth.forward, &direction), flow);
	assert_int_equal(direction, FLOW_FORWARD);
	assert_ptr_equal(find(&reply, &direction), flow);
	assert_int_equal(direction, FLOW_REPLY);
	assert_false(has(&other.forward));
	assert_false(has(&other_reply));
	assert_int_equal(flow_created_ns(&table, flow), now_ns);
	assert_int_equal(flow->backend, 3);
	assert_int_equal(flow->service, 2);
	assert_int_equal(flow->frontend, 3);
}

static void every_field_of_the_tuple_counts(void **state)
{
	struct flow_birth birth = birth_of(TCP, 1, 2, 3);
	struct flow_tuple other[5] = {birth.forward, birth.forward, birth.forward, birth.forward,
				      birth.forward};

	(void)state;
	collides = true;
	must_insert(&birth);
	other[0].source = to_be32(1);
	other[1].destination = to_be32(1);
	other[2].source_port = to_be16(1);
	other[3].destination_port = to_be16(1);
	other[4].protocol = UDP;
	for (unsigned i = 0; i < 5; i++)
		assert_false(has(&other[i]));
	assert_true(has(&birth.forward));
}

static void replies_are_not_found_where_the_mode_sees_none(void **state)
{
	struct flow_birth birth = birth_of(TCP, 1, 2, 3), same_backend = birth_of(TCP, 1, 4, 3);
	struct flow_tuple reply = reply_of(&birth);

	(void)state;
	birth.sees_replies = same_backend.sees_replies = false;
	flow_close(&table, must_insert(&birth), FLOW_CLOSE_CLEARED);
	must_insert(&birth);
	must_insert(&same_backend);
	assert_false(has(&reply));
	assert_true(has(&birth.forward));
}

static void equal_replies_collide(void **state)
{
	struct flow_birth first = birth_of(UDP, 1, 2, 3), second = birth_of(UDP, 1, 4, 3);
	struct flow *flow = NULL;

	(void)state;
	must_insert(&first);
	assert_int_equal(insert(&second, &flow), FLOW_REPLY_COLLISION);
	assert_null(flow);
	assert_int_equal(table.live, 1);
	assert_false(has(&second.forward));

	second = birth_of(UDP, 1, 4, 5);
	must_insert(&second);
	assert_conserved();
}

static void a_reply_like_a_live_forward_tuple_collides(void **state)
{
	struct flow_birth first = birth_of(UDP, 1, 2, 3), second = birth_of(UDP, 2, 4, 5);
	struct flow_birth own = birth_of(UDP, 3, 4, 5);
	struct flow *flow;

	(void)state;
	must_insert(&first);
	second.backend_address = first.forward.source;
	second.backend_port = first.forward.source_port;
	second.source_address = first.forward.destination;
	second.source_port = first.forward.destination_port;
	assert_int_equal(insert(&second, &flow), FLOW_REPLY_COLLISION);

	own.backend_address = own.forward.source;
	own.backend_port = own.forward.source_port;
	own.source_address = own.forward.destination;
	own.source_port = own.forward.destination_port;
	assert_int_equal(insert(&own, &flow), FLOW_REPLY_COLLISION);
	assert_int_equal(table.live, 1);
}

static void a_dead_flow_collides_with_nobody(void **state)
{
	struct flow_birth first = birth_of(UDP, 1, 2, 3), second = birth_of(UDP, 1, 4, 3);

	(void)state;
	new_table(1, on_close);
	must_insert(&first);
	now_ns += 30 * SECOND_NS;
	must_insert(&second);
	assert_int_equal(told[FLOW_CLOSE_IDLE], 1);
	assert_true(has(&second.forward));
	assert_false(has(&first.forward));
}

static void a_full_table_says_so(void **state)
{
	struct flow_birth late = birth_of(UDP, 20, 2, 3);
	struct flow *flow = NULL;

	(void)state;
	for (unsigned client = 0; client < 16; client++) {
		struct flow_birth birth = birth_of(UDP, client, 2, 3);

		must_insert(&birth);
	}
	for (unsigned client = 16; client < 20; client++) {
		struct flow_birth birth = birth_of(UDP, client, 2, 3);

		assert_int_equal(insert(&birth, &flow), FLOW_TABLE_FULL);
	}
	assert_null(flow);
	flow_close(&table, flow_at(&table, 5), FLOW_CLOSE_CLEARED);
	assert_null(flow_at(&table, 5));
	flow = must_insert(&late);
	assert_ptr_equal(flow, flow_at(&table, 5));
	assert_conserved();
}

static void half_open_flows_hold_an_eighth(void **state)
{
	struct flow_birth udp = birth_of(UDP, 0, 2, 3);
	struct flow_birth tcp[4] = {birth_of(TCP, 0, 2, 3), birth_of(TCP, 1, 2, 3),
				    birth_of(TCP, 2, 2, 3), birth_of(TCP, 3, 2, 3)};
	struct flow *first = must_insert(&tcp[0]), *flow = NULL;

	(void)state;
	tcp[1].tcp_flags = TCP_ACK;
	must_insert(&tcp[1]);
	assert_int_equal(insert(&tcp[2], &flow), FLOW_HALF_OPEN_FULL);
	assert_null(flow);
	must_insert(&udp);

	flow_touch(&table, first, FLOW_REPLY, TCP_SYN | TCP_ACK, now_ns);
	assert_int_equal(insert(&tcp[2], &flow), FLOW_HALF_OPEN_FULL);
	flow_touch(&table, first, FLOW_FORWARD, TCP_ACK, now_ns);
	flow_touch(&table, first, FLOW_FORWARD, TCP_ACK, now_ns);
	must_insert(&tcp[2]);
	assert_int_equal(insert(&tcp[3], &flow), FLOW_HALF_OPEN_FULL);
	flow_close(&table, first, FLOW_CLOSE_CLEARED);
	assert_int_equal(insert(&tcp[3], &flow), FLOW_HALF_OPEN_FULL);
	assert_conserved();
}

static void a_flow_that_was_reset_is_half_open_no_more(void **state)
{
	struct flow_birth tcp[3] = {birth_of(TCP, 0, 2, 3), birth_of(TCP, 1, 2, 3),
				    birth_of(TCP, 2, 2, 3)};
	struct flow *refused = must_insert(&tcp[0]), *flow = NULL;

	(void)state;
	must_insert(&tcp[1]);
	assert_int_equal(insert(&tcp[2], &flow), FLOW_HALF_OPEN_FULL);
	flow_touch(&table, refused, FLOW_REPLY, TCP_RST | TCP_ACK, now_ns);
	assert_int_equal(table.half_open, 1);
	must_insert(&tcp[2]);
	assert_int_equal(table.half_open, 2);
	/* Once, whatever else comes, and however it ends. */
	flow_touch(&table, refused, FLOW_FORWARD, TCP_RST, now_ns);
	flow_touch(&table, refused, FLOW_FORWARD, TCP_ACK, now_ns);
	assert_int_equal(table.half_open, 2);
	flow_close(&table, refused, FLOW_CLOSE_RESET);
	assert_int_equal(table.half_open, 2);
	assert_conserved();
}

static void the_smallest_table_takes_one_half_open_flow(void **state)
{
	struct flow_birth first = birth_of(TCP, 1, 2, 3), second = birth_of(TCP, 2, 2, 3);
	struct flow *flow;

	(void)state;
	new_table(4, on_close);
	must_insert(&first);
	assert_int_equal(insert(&second, &flow), FLOW_HALF_OPEN_FULL);
}

static void a_table_without_a_hook_closes_as_well(void **state)
{
	struct flow_birth birth = birth_of(TCP, 1, 2, 3);

	(void)state;
	new_table(4, NULL);
	flow_close(&table, must_insert(&birth), FLOW_CLOSE_CLEARED);
	assert_int_equal(table.live, 0);
}

/* The moment is exact at lookup: alive one nanosecond before, dead at it. */
static void assert_dies_at(const struct flow_birth *birth, uint64_t end_ns)
{
	now_ns = end_ns - 1;
	assert_true(has(&birth->forward));
	now_ns = end_ns;
	assert_false(has(&birth->forward));
	assert_conserved();
	assert_int_equal(table.live, 0);
}

static void expires_when_the_timeout_is_over_not_before(void **state)
{
	struct flow_birth udp = birth_of(UDP, 1, 2, 3), tcp = birth_of(TCP, 1, 2, 3);

	(void)state;
	must_insert(&udp);
	assert_dies_at(&udp, now_ns + 30 * SECOND_NS);
	flow_touch(&table, must_insert(&udp), FLOW_REPLY, 0, now_ns);
	assert_dies_at(&udp, now_ns + 180 * SECOND_NS);
	must_insert(&tcp);
	assert_dies_at(&tcp, now_ns + 30 * SECOND_NS);
	established(&tcp);
	assert_dies_at(&tcp, now_ns + 900 * SECOND_NS);
	flow_touch(&table, established(&tcp), FLOW_FORWARD, TCP_FIN | TCP_ACK, now_ns);
	assert_dies_at(&tcp, now_ns + 60 * SECOND_NS);
	flow_touch(&table, established(&tcp), FLOW_REPLY, TCP_RST, now_ns);
	assert_dies_at(&tcp, now_ns + 10 * SECOND_NS);
	assert_int_equal(told[FLOW_CLOSE_IDLE], 4);
	assert_int_equal(told[FLOW_CLOSE_CLOSED], 1);
	assert_int_equal(told[FLOW_CLOSE_RESET], 1);
}

static void a_services_idle_timeout_counts_instead(void **state)
{
	struct flow_birth birth = birth_of(UDP, 1, 2, 3);

	(void)state;
	birth.idle_timeout_ns = 1500 * MS_NS;
	must_insert(&birth);
	assert_dies_at(&birth, now_ns + 1500 * MS_NS);
	birth.idle_timeout_ns = 1; /* rounded up to what a flow can say */
	must_insert(&birth);
	assert_dies_at(&birth, now_ns + MS_NS);
	birth.idle_timeout_ns = UINT64_MAX;
	must_insert(&birth);
	assert_dies_at(&birth, now_ns + UINT32_MAX * MS_NS);
}

static void a_packet_of_either_side_refreshes(void **state)
{
	struct flow_birth birth = birth_of(UDP, 1, 2, 3);
	struct flow *flow = must_insert(&birth);

	(void)state;
	now_ns += 29 * SECOND_NS;
	flow_touch(&table, flow, FLOW_FORWARD, 0, now_ns);
	now_ns += 29 * SECOND_NS;
	flow_expire(&table, now_ns, UNLIMITED);
	assert_true(has(&birth.forward));
	flow_touch(&table, flow, FLOW_REPLY, 0, now_ns);
	assert_dies_at(&birth, now_ns + 180 * SECOND_NS);
}

static void finding_alone_does_not_refresh(void **state)
{
	struct flow_birth birth = birth_of(UDP, 1, 2, 3);

	(void)state;
	must_insert(&birth);
	now_ns += 20 * SECOND_NS;
	assert_true(has(&birth.forward));
	assert_dies_at(&birth, START_NS + 30 * SECOND_NS);
}

static void the_timer_closes_within_a_tick(void **state)
{
	struct flow_birth birth = birth_of(UDP, 1, 2, 3);
	uint64_t end_ns = now_ns + 30 * SECOND_NS;

	(void)state;
	must_insert(&birth);
	flow_expire(&table, end_ns - 1, UNLIMITED);
	assert_int_equal(table.live, 1);
	assert_in_range(flow_deadline(&table), now_ns, end_ns + TICK_NS);
	flow_expire(&table, end_ns + TICK_NS, UNLIMITED);
	assert_int_equal(table.live, 0);
	assert_int_equal(told[FLOW_CLOSE_IDLE], 1);
	assert_int_equal(told_flow.backend, 3);
	assert_int_equal(flow_deadline(&table), WHEEL_NEVER_NS);
}

static void the_timer_hears_of_a_nearer_end(void **state)
{
	struct flow_birth birth = birth_of(TCP, 1, 2, 3);
	struct flow *flow = established(&birth);

	(void)state;
	now_ns += 100 * SECOND_NS;
	flow_expire(&table, now_ns, UNLIMITED);
	flow_touch(&table, flow, FLOW_REPLY, TCP_RST, now_ns);
	flow_expire(&table, now_ns + 10 * SECOND_NS - 1, UNLIMITED);
	assert_int_equal(table.live, 1);
	flow_expire(&table, now_ns + 10 * SECOND_NS + TICK_NS, UNLIMITED);
	assert_int_equal(told[FLOW_CLOSE_RESET], 1);
}

static void time_before_the_last_packet_ends_nothing(void **state)
{
	struct flow_birth birth = birth_of(UDP, 1, 2, 3);
	struct flow *flow = must_insert(&birth);

	(void)state;
	now_ns = 0;
	assert_true(has(&birth.forward));
	flow_touch(&table, flow, FLOW_FORWARD, 0, now_ns);
	flow_expire(&table, now_ns, UNLIMITED);
	assert_dies_at(&birth, START_NS + 30 * SECOND_NS);
}

static void a_budget_bounds_a_call_and_nobody_is_forgotten(void **state)
{
	(void)state;
	new_table(CAPACITY_MAX, on_close);
	for (unsigned client = 0; client < CAPACITY_MAX; client++) {
		struct flow_birth birth = birth_of(UDP, client, 2, 3);

		must_insert(&birth);
	}
	now_ns += 3600 * SECOND_NS;
	for (unsigned call = 1; call <= CAPACITY_MAX / 8; call++) {
		flow_expire(&table, now_ns, 8);
		assert_int_equal(table.live, CAPACITY_MAX - call * 8);
		assert_conserved();
	}
	assert_index_empty();
}

static void a_closed_flow_leaves_no_trace(void **state)
{
	struct flow_birth birth = birth_of(TCP, 1, 2, 3);
	struct flow_tuple reply = reply_of(&birth);

	(void)state;
	for (enum flow_close_reason reason = 0; reason < FLOW_CLOSE_REASON_COUNT; reason++) {
		flow_close(&table, must_insert(&birth), reason);
		assert_int_equal(told[reason], 1);
		assert_int_equal(table.closed[reason], 1);
		assert_memory_equal(&told_flow.forward, &birth.forward, sizeof(birth.forward));
		assert_false(has(&birth.forward));
		assert_false(has(&reply));
		assert_conserved();
	}
	assert_index_empty();
	assert_int_equal(flow_deadline(&table), WHEEL_NEVER_NS);
}

/* Two buckets, of which entries have gone on in both directions. */
static void a_search_ends_where_every_bucket_was_passed(void **state)
{
	_Alignas(64) uint8_t buckets[2 * sizeof(struct flow_bucket)];
	const uint64_t home[2] = {UINT64_C(5) << 32, UINT64_C(5) << 32 | 1};
	struct flow_probe probe;
	struct flow_index index;
	uint32_t i;

	(void)state;
	assert_int_equal(flow_index_size(10), sizeof(buckets));
	flow_index_init(&index, buckets, 10);
	for (i = 0; i < 8; i++)
		flow_index_add(&index, home[0], i);
	for (i = 0; i < 6; i++)
		flow_index_remove(&index, home[0], i);
	for (i = 8; i < 15; i++)
		flow_index_add(&index, home[1], i);
	assert_int_equal(index.bucket[0].passed, 1);
	assert_int_equal(index.bucket[1].passed, 1);

	probe = flow_index_probe(&index, UINT64_C(6) << 32);
	assert_int_equal(flow_index_next(&index, &probe), FLOW_INDEX_NONE);
	probe = flow_index_probe(&index, home[0]);
	for (i = 0; flow_index_next(&index, &probe) != FLOW_INDEX_NONE; i++)
		;
	assert_int_equal(i, 9);
}

static void the_largest_table_has_a_size(void **state)
{
	(void)state;
	assert_in_range(flow_table_size(1), 64, 1 << 20);
	assert_in_range(flow_table_size(FLOW_CAPACITY_MAX) >> 24, 130, 160);
}

/* Random use. The model is an array of flows at the places that the table gave them. */
struct model_flow {
	struct flow_birth birth;
	struct flow_limits limits; /* 0: none */
	uint64_t born_ns, last_ns;
	uint64_t heard_ns[2];      /* by direction, like what has passed */
	uint32_t passed[2];
	uint8_t seen;
	bool live;
};

static struct model_flow model[CAPACITY_MAX];
static uint64_t latest_ns; /* that the timer was given: where time goes back, it does not follow */
static bool closing_by_hand;
static enum flow_close_reason reason_by_hand;

static void sooner(uint64_t since_ns, uint64_t timeout_ns, enum flow_close_reason reason,
		   uint64_t *end_ns, enum flow_close_reason *ret_reason)
{
	if (!timeout_ns || since_ns + timeout_ns > *end_ns)
		return;
	*end_ns = since_ns + timeout_ns;
	*ret_reason = reason;
}

/* When it ends, and why; of two ends at once its age is the one that counts. */
static uint64_t model_end(const struct model_flow *m, enum flow_close_reason *ret_reason)
{
	enum flow_state life = flow_life_state(m->birth.forward.protocol, m->seen);
	uint32_t idle_ms = (uint32_t)(m->birth.idle_timeout_ns / MS_NS);
	bool used_up = m->limits.requests && m->passed[FLOW_FORWARD] >= m->limits.requests;
	enum flow_close_reason silence = used_up ? FLOW_CLOSE_REQUESTS : flow_life_end(m->seen);
	uint64_t end_ns = UINT64_MAX;

	sooner(m->last_ns, flow_life_timeout_ns(life, idle_ms), silence, &end_ns, ret_reason);
	sooner(m->heard_ns[FLOW_FORWARD], m->limits.front_timeout_ns, silence, &end_ns, ret_reason);
	sooner(m->heard_ns[FLOW_REPLY], m->limits.back_timeout_ns, silence, &end_ns, ret_reason);
	sooner(m->born_ns, m->limits.lifetime_ns, FLOW_CLOSE_LIFETIME, &end_ns, ret_reason);
	return end_ns;
}

static uint64_t model_end_ns(const struct model_flow *m)
{
	enum flow_close_reason unused;

	return model_end(m, &unused);
}

/* By when the timer is to have closed it. */
static uint64_t model_closed_ns(const struct model_flow *m)
{
	uint64_t end_ns = model_end_ns(m);

	return (end_ns > latest_ns ? end_ns : latest_ns) + TICK_NS;
}

static bool same(const struct flow_tuple *a, const struct flow_tuple *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct model_flow *model_find(const struct flow_tuple *tuple,
				     enum flow_direction *ret_direction)
{
	for (uint32_t i = 0; i < table.capacity; i++) {
		struct flow_tuple reply = reply_of(&model[i].birth);

		if (!model[i].live || now_ns >= model_end_ns(&model[i]))
			continue;
		*ret_direction = FLOW_FORWARD;
		if (same(&model[i].birth.forward, tuple))
			return &model[i];
		*ret_direction = FLOW_REPLY;
		if (model[i].birth.sees_replies && same(&reply, tuple))
			return &model[i];
	}
	return NULL;
}

static void on_model_close(void *context, const struct flow *flow, enum flow_close_reason reason)
{
	struct model_flow *m = &model[flow - table.flow];
	enum flow_close_reason why;
	uint64_t end_ns = model_end(m, &why);

	(void)context;
	assert_true(m->live);
	assert_true(same(&m->birth.forward, &flow->forward));
	assert_int_equal(reason, closing_by_hand ? reason_by_hand : why);
	assert_true(closing_by_hand || now_ns >= end_ns);
	m->live = false;
}

static void close_by_hand(struct flow *flow, enum flow_close_reason reason)
{
	closing_by_hand = true;
	reason_by_hand = reason;
	flow_close(&table, flow, reason);
	closing_by_hand = false;
}

static uint32_t model_half_open(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < table.capacity; i++)
		count += model[i].live &&
			 flow_life_half_open(model[i].birth.forward.protocol, model[i].seen);
	return count;
}

static bool index_has(const struct flow_tuple *tuple, uint32_t reference)
{
	struct flow_probe probe = flow_index_probe(&table.index, flow_hash(tuple, table.seed));
	uint32_t found;

	while ((found = flow_index_next(&table.index, &probe)) != FLOW_INDEX_NONE) {
		if (found == reference)
			return true;
	}
	return false;
}

static void check_flow(uint32_t i)
{
	const struct flow *flow = flow_at(&table, i);
	struct flow_tuple reply = reply_of(&model[i].birth);

	assert_int_equal(flow != NULL, model[i].live);
	if (!flow)
		return;
	assert_true(same(&flow->forward, &model[i].birth.forward));
	assert_int_equal(flow->seen, model[i].seen);
	assert_int_equal(flow->last_ns, model[i].last_ns);
	assert_int_equal(flow->backend, model[i].birth.backend);
	assert_true(index_has(&flow->forward, 2 * i + FLOW_FORWARD));
	assert_int_equal(index_has(&reply, 2 * i + FLOW_REPLY), model[i].birth.sees_replies);
	assert_true(flow_deadline(&table) <= model_closed_ns(&model[i]));
}

static void check_table(void)
{
	uint32_t live = 0, references = 0, filed = 0;

	for (uint32_t i = 0; i < table.capacity; i++) {
		check_flow(i);
		live += model[i].live;
		filed += model[i].live ? 1 + model[i].birth.sees_replies : 0;
	}
	for (uint32_t i = 0; i <= table.index.mask; i++) {
		for (unsigned way = 0; way < FLOW_INDEX_WAYS; way++)
			references += table.index.bucket[i].reference[way] != 0;
	}
	assert_int_equal(references, filed);
	assert_int_equal(table.live, live);
	assert_int_equal(table.half_open, model_half_open());
	assert_conserved();
}

static void insert_and_check(const struct flow_birth *birth)
{
	struct flow_tuple reply = reply_of(birth);
	enum flow_direction direction;
	bool collision = birth->sees_replies && model_find(&reply, &direction);
	bool half_open = flow_life_half_open(birth->forward.protocol,
					     flow_life_begin(birth->tcp_flags));
	struct flow *flow = NULL;
	uint32_t full;

	switch (insert(birth, &flow)) {
	case FLOW_INSERTED:
		assert_false(collision);
		model[flow - table.flow] = (struct model_flow){
			.live = true, .birth = *birth, .born_ns = now_ns, .last_ns = now_ns,
			.heard_ns = {now_ns, now_ns}, .seen = flow_life_begin(birth->tcp_flags),
			.limits = birth->limits ? *birth->limits : (struct flow_limits){0},
		};
		return;
	case FLOW_REPLY_COLLISION:
		assert_true(collision);
		break;
	case FLOW_TABLE_FULL:
		full = 0;
		for (uint32_t i = 0; i < table.capacity; i++)
			full += model[i].live;
		assert_int_equal(full, table.capacity);
		break;
	case FLOW_HALF_OPEN_FULL:
		assert_true(half_open);
		assert_int_equal(model_half_open(), table.capacity < 8 ? 1 : table.capacity / 8);
		break;
	}
	assert_null(flow);
}

static uint8_t random_tcp_flags(void)
{
	static const uint8_t flags[] = {
		TCP_SYN, TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_ACK, TCP_ACK, TCP_ACK | TCP_PSH,
		TCP_FIN | TCP_ACK, TCP_RST, TCP_RST | TCP_ACK, 0,
	};

	return flags[(size_t)rand() % sizeof(flags)];
}

/* About half of them are set; silences are in the order of what random_time() lets pass. */
static const struct flow_limits *random_limits(void)
{
	static struct flow_limits limits;
	bool lives = rand() % 2, speaks = rand() % 2, listens = rand() % 2;

	limits = (struct flow_limits){
		.requests = (uint32_t)(rand() % 2 * (1 + rand() % 5)),
		.responses = (uint32_t)(rand() % 2 * (1 + rand() % 5)),
		.lifetime_ns = lives ? 1 + (uint64_t)rand() % (60 * SECOND_NS) : 0,
		.front_timeout_ns = speaks ? (1 + (uint64_t)rand() % 20000) * MS_NS : 0,
		.back_timeout_ns = listens ? (1 + (uint64_t)rand() % 20000) * MS_NS : 0,
	};
	return flow_limits_any(&limits) ? &limits : NULL;
}

static struct flow_birth random_birth(unsigned clients)
{
	struct flow_birth birth = birth_of(rand() % 2 ? TCP : UDP, (unsigned)rand() % clients,
					   (unsigned)rand() % 2, (unsigned)rand() % 3);

	if (birth.forward.protocol == TCP)
		birth.tcp_flags = random_tcp_flags();
	else if (rand() % 2)
		birth.limits = random_limits();
	birth.sees_replies = rand() % 4 != 0;
	birth.idle_timeout_ns = rand() % 4 ? 0 : (1 + (uint64_t)rand() % 2000) * SECOND_NS;
	return birth;
}

/* One more packet of a flow, which may be the last one that it may have. */
static void pass(struct flow *flow, struct model_flow *m, enum flow_direction direction,
		 uint8_t tcp_flags)
{
	uint32_t left = m->limits.requests ? m->limits.requests - m->passed[FLOW_FORWARD] :
					     FLOW_NO_LIMIT;

	assert_int_equal(flow_requests_left(&table, flow), left);
	if (direction == FLOW_FORWARD && !left)
		return;
	flow_touch(&table, flow, direction, tcp_flags, now_ns);
	m->seen = flow_life_see(m->seen, direction, tcp_flags, m->birth.sees_replies);
	m->last_ns = now_ns > m->last_ns ? now_ns : m->last_ns;
	m->heard_ns[direction] = m->last_ns;
	m->passed[direction]++;
	closing_by_hand = m->limits.responses && m->passed[FLOW_REPLY] == m->limits.responses;
	reason_by_hand = FLOW_CLOSE_RESPONSES;
	flow_spend(&table, flow, direction, 1);
	assert_int_equal(m->live, !closing_by_hand);
	closing_by_hand = false;
}

/* A packet as the path would handle it: of the forward tuple, or of the reply tuple. */
static void random_packet(unsigned clients)
{
	struct flow_birth birth = random_birth(clients);
	struct flow_tuple tuple = rand() % 3 ? birth.forward : reply_of(&birth);
	enum flow_direction direction = 0, model_direction = 0;
	struct model_flow *m = model_find(&tuple, &model_direction);
	struct flow *flow = find(&tuple, &direction);

	assert_int_equal(flow != NULL, m != NULL);
	if (flow) {
		assert_ptr_equal(m - model, flow - table.flow);
		assert_int_equal(direction, model_direction);
		if (direction == FLOW_REPLY || !flow_life_is_syn(birth.tcp_flags) ||
		    !flow_life_closing(flow->seen)) {
			pass(flow, m, direction, birth.tcp_flags);
			return;
		}
		close_by_hand(flow, flow_life_end(flow->seen));
	}
	if (same(&tuple, &birth.forward))
		insert_and_check(&birth);
}

static void random_time(void)
{
	struct model_flow *m = &model[(uint32_t)rand() % table.capacity];

	switch (rand() % 16) {
	case 0:
		now_ns += (uint64_t)rand() % (2 * 3600 * SECOND_NS);
		break;
	case 1:
		now_ns -= (uint64_t)rand() % SECOND_NS; /* a caller's fault */
		break;
	case 2: case 3: case 4: case 5:
		if (m->live && model_end_ns(m) > now_ns)
			now_ns = model_end_ns(m) - (unsigned)rand() % 2;
		break;
	default:
		now_ns += (uint64_t)rand() % (5 * SECOND_NS);
		break;
	}
}

static void expire_and_check(void)
{
	bool all = rand() % 2;

	flow_expire(&table, now_ns, all ? UNLIMITED : 1 + (uint32_t)rand() % 4);
	for (uint32_t i = 0; all && i < table.capacity; i++)
		assert_true(!model[i].live || model_closed_ns(&model[i]) > now_ns);
	if (now_ns > latest_ns)
		latest_ns = now_ns;
}

static void use_at_random(uint32_t capacity, unsigned clients, unsigned steps)
{
	new_table(capacity, on_model_close);
	memset(model, 0, sizeof(model));
	latest_ns = 0;
	for (unsigned step = 0; step < steps; step++) {
		struct flow *flow = flow_at(&table, (uint32_t)rand() % capacity);

		switch (rand() % 16) {
		case 0:
			random_time();
			break;
		case 1:
			expire_and_check();
			break;
		case 2:
			if (flow)
				close_by_hand(flow, (enum flow_close_reason)
						    ((unsigned)rand() % FLOW_CLOSE_REASON_COUNT));
			break;
		default:
			random_packet(clients);
			break;
		}
		check_table();
	}
	for (uint32_t i = 0; i < capacity; i++) {
		if (flow_at(&table, i))
			close_by_hand(flow_at(&table, i), FLOW_CLOSE_CLEARED);
	}
	assert_conserved();
	assert_index_empty();
}

static void random_use_agrees_with_an_array_of_flows(void **state)
{
	(void)state;
	srand(4);
	use_at_random(1, 3, 20000);
	use_at_random(4, 6, 40000);
	use_at_random(7, 12, 40000);
	use_at_random(64, 96, 20000);
	use_at_random(CAPACITY_MAX, 600, 5000);
}

static void random_use_with_colliding_keys_agrees_as_well(void **state)
{
	(void)state;
	collides = true;
	srand(5);
	use_at_random(1, 3, 20000);
	use_at_random(4, 6, 40000);
	use_at_random(7, 12, 40000);
	use_at_random(64, 96, 10000);
}

#define FLOW_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLOW_TEST(is_found_from_both_sides),
		FLOW_TEST(every_field_of_the_tuple_counts),
		FLOW_TEST(replies_are_not_found_where_the_mode_sees_none),
		FLOW_TEST(equal_replies_collide),
		FLOW_TEST(a_reply_like_a_live_forward_tuple_collides),
		FLOW_TEST(a_dead_flow_collides_with_nobody),
		FLOW_TEST(a_full_table_says_so),
		FLOW_TEST(half_open_flows_hold_an_eighth),
		FLOW_TEST(a_flow_that_was_reset_is_half_open_no_more),
		FLOW_TEST(the_smallest_table_takes_one_half_open_flow),
		FLOW_TEST(a_table_without_a_hook_closes_as_well),
		FLOW_TEST(expires_when_the_timeout_is_over_not_before),
		FLOW_TEST(a_services_idle_timeout_counts_instead),
		FLOW_TEST(a_packet_of_either_side_refreshes),
		FLOW_TEST(finding_alone_does_not_refresh),
		FLOW_TEST(the_timer_closes_within_a_tick),
		FLOW_TEST(the_timer_hears_of_a_nearer_end),
		FLOW_TEST(time_before_the_last_packet_ends_nothing),
		FLOW_TEST(a_budget_bounds_a_call_and_nobody_is_forgotten),
		FLOW_TEST(a_closed_flow_leaves_no_trace),
		FLOW_TEST(a_search_ends_where_every_bucket_was_passed),
		FLOW_TEST(the_largest_table_has_a_size),
		FLOW_TEST(random_use_agrees_with_an_array_of_flows),
		FLOW_TEST(random_use_with_colliding_keys_agrees_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
