#include "appliance/path/fragment.h"

#include "appliance/path/internal.h"
#include "appliance/path/mix.h"

enum datagram_state {
	DATAGRAM_FREE,
	DATAGRAM_WAITING, /* for its first fragment */
	DATAGRAM_KNOWN,   /* what became of its first fragment is remembered */
	DATAGRAM_STATES,
};

enum {
	BUCKETS = 2 * FRAGMENTS_MAX,
	CHAIN_END = 0, /* buckets and chains hold an index + 1 */
};

/* RFC 791 section 3.2: what the fragments of one datagram have in common. */
struct fragment_key {
	be32 source, destination;
	be16 id;
	uint8_t protocol;
};

struct datagram {
	struct fragment_key key;
	uint8_t state;         /* enum datagram_state */
	uint32_t chain;        /* the next one of the bucket */
	uint64_t deadline_ns;
	struct fifo held;      /* fragments that wait, in the pool of hold.c */
	struct fragment_fate fate;
};

struct fragments {
	uint64_t seed;
	struct fifo list[DATAGRAM_STATES]; /* each in order of deadlines */
	uint32_t bucket[BUCKETS];
	struct fifo_link link[FRAGMENTS_MAX];
	struct datagram datagram[FRAGMENTS_MAX];
};

size_t fragments_size(void)
{
	return sizeof(struct fragments);
}

struct fragments *fragments_new(void *memory, uint64_t seed)
{
	struct fragments *table = memory;

	table->seed = seed;
	for (uint32_t state = 0; state < DATAGRAM_STATES; state++)
		fifo_init(&table->list[state]);
	for (uint32_t i = 0; i < FRAGMENTS_MAX; i++)
		fifo_push(&table->list[DATAGRAM_FREE], table->link, i);
	return table;
}

static struct fragment_key key_of(const struct packet *packet)
{
	return (struct fragment_key){packet->source, packet->destination, packet->ip->id,
				     packet->protocol};
}

static bool same_key(const struct fragment_key *a, const struct fragment_key *b)
{
	return same32(a->source, b->source) && same32(a->destination, b->destination) &&
	       same16(a->id, b->id) && a->protocol == b->protocol;
}

/* Where the chain of the key begins. */
static uint32_t *bucket_of(struct fragments *table, const struct fragment_key *key)
{
	const uint64_t addresses = (uint64_t)key->source.raw << 32 | key->destination.raw;
	const uint64_t rest = (uint64_t)key->id.raw << 8 | key->protocol;

	return &table->bucket[mix64(mix64(addresses ^ table->seed) ^ rest) % BUCKETS];
}

static uint32_t index_of(const struct fragments *table, const struct datagram *datagram)
{
	return (uint32_t)(datagram - table->datagram);
}

static void move(struct fragments *table, struct datagram *datagram, enum datagram_state state,
		 uint64_t deadline_ns)
{
	const uint32_t i = index_of(table, datagram);

	fifo_remove(&table->list[datagram->state], table->link, i);
	fifo_push(&table->list[state], table->link, i);
	datagram->state = (uint8_t)state;
	datagram->deadline_ns = deadline_ns;
}

/* NULL: the table is full. */
static struct datagram *add(struct fragments *table, const struct fragment_key *key,
			    enum datagram_state state, uint64_t deadline_ns)
{
	uint32_t *bucket = bucket_of(table, key);
	const uint32_t i = table->list[DATAGRAM_FREE].head;
	struct datagram *datagram;

	if (i == FIFO_END)
		return NULL;
	datagram = &table->datagram[i];
	move(table, datagram, state, deadline_ns);
	datagram->key = *key;
	datagram->chain = *bucket;
	fifo_init(&datagram->held);
	*bucket = i + 1;
	return datagram;
}

/* What still waits is counted as dropped. */
static void forget(struct path *path, struct datagram *datagram)
{
	struct fragments *table = path->fragments;
	uint32_t *place = bucket_of(table, &datagram->key);
	struct held *held;

	while ((held = hold_pop(path, &datagram->held))) {
		path_count(path, held->in_interface, DROP_fragment_timeout);
		hold_free(path, held);
	}
	while (*place != index_of(table, datagram) + 1)
		place = &table->datagram[*place - 1].chain;
	*place = datagram->chain;
	move(table, datagram, DATAGRAM_FREE, UINT64_MAX);
}

/* The datagram, unless its time is over. */
static struct datagram *find(struct path *path, const struct fragment_key *key)
{
	struct fragments *table = path->fragments;

	for (uint32_t at = *bucket_of(table, key); at != CHAIN_END;
	     at = table->datagram[at - 1].chain) {
		struct datagram *datagram = &table->datagram[at - 1];

		if (!same_key(&datagram->key, key))
			continue;
		if (path->now_ns < datagram->deadline_ns)
			return datagram;
		forget(path, datagram);
		break;
	}
	return NULL;
}

const struct fragment_fate *fragment_find(struct path *path, const struct packet *packet)
{
	const struct fragment_key key = key_of(packet);
	const struct datagram *datagram = find(path, &key);

	return datagram && datagram->state == DATAGRAM_KNOWN ? &datagram->fate : NULL;
}

enum verdict fragment_hold(struct path *path, const struct packet *packet)
{
	const struct fragment_key key = key_of(packet);
	struct datagram *datagram = find(path, &key);

	if (!datagram)
		datagram = add(path->fragments, &key, DATAGRAM_WAITING,
			       path->now_ns + FRAGMENT_WAIT_NS);
	if (!datagram)
		return DROP_fragment_overflow;
	if (datagram->held.count < FRAGMENT_HELD_MAX &&
	    hold_push(path, &datagram->held, HOLD_FRAGMENT, packet->frame,
		      packet->frame->interface))
		return VERDICT_HELD;
	if (!datagram->held.count)
		forget(path, datagram);
	return DROP_fragment_overflow;
}

void fragment_remember(struct path *path, const struct packet *packet,
		       const struct fragment_fate *fate)
{
	const struct fragment_key key = key_of(packet);
	const uint64_t deadline_ns = path->now_ns + FRAGMENT_REMEMBER_NS;
	struct datagram *datagram = find(path, &key);
	struct held *held;

	if (datagram)
		move(path->fragments, datagram, DATAGRAM_KNOWN, deadline_ns);
	else
		datagram = add(path->fragments, &key, DATAGRAM_KNOWN, deadline_ns);
	if (!datagram)
		return;
	datagram->fate = *fate;
	while ((held = hold_pop(path, &datagram->held))) {
		path_count(path, held->in_interface, path_route_ipv4(path, &held->frame));
		hold_free(path, held);
	}
}

void fragment_published(struct path *path, const struct snapshot *old, const struct snapshot *new)
{
	struct fragments *table = path->fragments;
	const struct fifo *known = &table->list[DATAGRAM_KNOWN];

	if (!old || old->bridge.on == new->bridge.on)
		return;
	while (known->count)
		forget(path, &table->datagram[known->head]);
}

static uint64_t list_deadline(const struct fragments *table, enum datagram_state state)
{
	const struct fifo *list = &table->list[state];

	return list->count ? table->datagram[list->head].deadline_ns : UINT64_MAX;
}

static void tick_list(struct path *path, enum datagram_state state)
{
	struct fragments *table = path->fragments;

	for (uint32_t n = 0; n < FRAGMENT_TICK_MAX / 2; n++) {
		if (list_deadline(table, state) > path->now_ns)
			break;
		forget(path, &table->datagram[table->list[state].head]);
	}
}

void fragment_tick(struct path *path)
{
	tick_list(path, DATAGRAM_WAITING);
	tick_list(path, DATAGRAM_KNOWN);
}

uint64_t fragment_deadline(const struct path *path)
{
	const uint64_t waiting_ns = list_deadline(path->fragments, DATAGRAM_WAITING);
	const uint64_t known_ns = list_deadline(path->fragments, DATAGRAM_KNOWN);

	return waiting_ns < known_ns ? waiting_ns : known_ns;
}
