#include "appliance/path/check.h"

#include <string.h>

#include "appliance/path/check_state.h"
#include "appliance/path/checksum.h"
#include "appliance/path/internal.h"
#include "appliance/path/mix.h"
#include "appliance/path/probe.h"
#include "appliance/path/reset.h"

enum {
	WHEEL_SLOTS = 4096,
	WHEEL_TICK_SHIFT = 20, /* 1 ms; the wheel turns in 4.3 s */
	ALIGNMENT = 64,
};

const char *check_result_text(enum check_result result)
{
	static const char *const texts[CHECK_RESULT_COUNT] = {
#define X(name, text) [CHECK_##name] = text,
		CHECK_RESULTS(X)
#undef X
	};

	return texts[result];
}

static size_t aligned(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

size_t checks_size(void)
{
	return aligned(sizeof(struct checks)) + aligned(wheel_size(TARGETS_MAX, WHEEL_SLOTS)) +
	       flow_index_size(TARGETS_MAX);
}

struct checks *checks_new(void *memory)
{
	struct checks *checks = memory;
	uint8_t *wheel = (uint8_t *)memory + aligned(sizeof(*checks));
	uint8_t *waiting = wheel + aligned(wheel_size(TARGETS_MAX, WHEEL_SLOTS));

	wheel_init(&checks->wheel, wheel, TARGETS_MAX, WHEEL_SLOTS, WHEEL_TICK_SHIFT);
	flow_index_init(&checks->waiting, waiting, TARGETS_MAX);
	return checks;
}

void check_note(struct path *path, struct check *check, enum check_result result,
		enum health health)
{
	check->result = (uint8_t)result;
	check->result_ns = path->now_ns;
	if (result < CHECK_FIRST_FAILURE) {
		check->failures = 0;
		check->successes += check->successes < UINT32_MAX;
		check->has_succeeded = true;
	} else {
		check->successes = 0;
		check->failures += check->failures < UINT32_MAX;
		check->has_mac = false;
	}
	if (check->health == health)
		return;
	check->health = (uint8_t)health;
	check->changed_ns = path->now_ns;
	path->output.event(path->output.context, &(struct path_event){
		.type = health == HEALTH_UP ? EVENT_TARGET_UP : EVENT_TARGET_DOWN,
		.id = check->id,
		.time_ns = path->now_ns,
	});
}

/* Health after one more result: consecutive ones count, and the first success at once. */
static enum health health_after(const struct check *check, const struct snapshot_target *target,
				enum check_result result)
{
	if (result < CHECK_FIRST_FAILURE)
		return check->health == HEALTH_UP || !check->has_succeeded ||
		       check->successes + UINT64_C(1) >= target->rise ? HEALTH_UP : HEALTH_DOWN;
	return check->health == HEALTH_UP && check->failures + UINT64_C(1) < target->fall ?
		HEALTH_UP : HEALTH_DOWN;
}

/* Where in its interval a target has its place: what spreads them. */
static uint64_t spread(const struct snapshot_target *target)
{
	return mix64(target->id);
}

/* The target's next place in time after `now_ns`. */
static uint64_t next_place(const struct snapshot_target *target, uint64_t now_ns)
{
	uint64_t interval = target->interval_ns;
	uint64_t since = (now_ns + interval - spread(target) % interval) % interval;

	return now_ns + interval - since;
}

static void set_timer(struct checks *checks, const struct check *check,
		      const struct snapshot_target *target)
{
	wheel_add(&checks->wheel, check_slot(check),
		  check->waiting ? check->sent_ns + target->timeout_ns : check->due_ns);
}

static void stop_waiting(struct checks *checks, struct check *check)
{
	if (check->waiting)
		flow_index_remove(&checks->waiting, check->hash, check_slot(check));
	check->waiting = false;
}

static void forget(struct checks *checks, struct check *check)
{
	stop_waiting(checks, check);
	wheel_remove(&checks->wheel, check_slot(check));
	*check = (struct check){0};
}

struct check *check_of(struct path *path, const struct snapshot_target *target)
{
	struct checks *checks = path->checks;
	struct check *check = &checks->check[target->id & SLOT_MASK];
	uint64_t within = target->interval_ns < CHECK_FIRST_NS ? target->interval_ns :
								 CHECK_FIRST_NS;

	if (check->in_use && check->id == target->id)
		return check;
	if (check->in_use)
		forget(checks, check);
	*check = (struct check){
		.id = target->id,
		.in_use = true,
		.health = HEALTH_DOWN,
		.stale_ns = UINT64_MAX,
		.weight = NONE,
	};
	if (target->type == PROBE_HEARTBEAT) {
		heartbeat_adopt(path, check, target);
	} else {
		check->due_ns = path->now_ns + spread(target) % within;
		set_timer(checks, check, target);
	}
	return check;
}

static void conclude(struct path *path, struct check *check, const struct snapshot_target *target,
		     enum check_result result)
{
	stop_waiting(path->checks, check);
	if (result < CHECK_FIRST_FAILURE)
		check->round_trip_ns = path->now_ns - check->sent_ns;
	check_note(path, check, result, health_after(check, target, result));
	set_timer(path->checks, check, target);
}

static void begin_probe(struct path *path, struct check *check,
			const struct snapshot_target *target)
{
	struct probe probe = probe_of(target, check->attempt++);

	check->sent_ns = path->now_ns;
	check->due_ns = next_place(target, path->now_ns);
	check->hash = probe_hash(&probe, path->snapshot->seed);
	check->waiting = true;
	flow_index_add(&path->checks->waiting, check->hash, check_slot(check));
	if (probe_send(path, target, &probe, check->has_mac ? &check->mac : NULL))
		path->counters.checks_sent++;
	set_timer(path->checks, check, target);
}

static void timer(struct path *path, struct check *check)
{
	uint32_t index = snapshot_target_of(path->snapshot, check->id);

	if (index == NONE) {
		forget(path->checks, check);
		return;
	}
	const struct snapshot_target *target = &path->snapshot->target[index];
	if (target->type == PROBE_HEARTBEAT) {
		heartbeat_timer(path, check, target);
		return;
	}
	if (check->waiting && path->now_ns - check->sent_ns >= target->timeout_ns)
		conclude(path, check, target, probe_silence(path, target));
	if (!check->waiting && path->now_ns >= check->due_ns)
		begin_probe(path, check, target);
	else
		set_timer(path->checks, check, target);
}

void checks_published(struct path *path)
{
	path->checks->adopted = 0;
}

static void adopt(struct path *path)
{
	struct checks *checks = path->checks;

	for (uint32_t i = 0; i < CHECK_ADOPT_MAX && checks->adopted < path->snapshot->targets; i++)
		check_of(path, &path->snapshot->target[checks->adopted++]);
}

void checks_tick(struct path *path)
{
	struct checks *checks = path->checks;

	adopt(path);
	for (uint32_t i = 0; i < CHECK_TICK_MAX; i++) {
		uint32_t slot = wheel_next_due(&checks->wheel, path->now_ns);

		if (slot == WHEEL_NONE)
			break;
		timer(path, &checks->check[slot]);
	}
}

uint64_t checks_deadline(const struct path *path)
{
	if (path->checks->adopted < path->snapshot->targets)
		return 0;
	return wheel_deadline(&path->checks->wheel);
}

/* One check that waits for this probe, or NULL. Two checks of one address may be at the same port
 * of the same attempt: an answer is for both. */
static struct check *find_waiting(const struct path *path, uint64_t hash)
{
	struct checks *checks = path->checks;
	struct flow_probe walk = flow_index_probe(&checks->waiting, hash);
	uint32_t slot;

	while ((slot = flow_index_next(&checks->waiting, &walk)) != FLOW_INDEX_NONE)
		if (checks->check[slot].hash == hash)
			return &checks->check[slot];
	return NULL;
}

static bool is_expected(const struct snapshot_target *target, const struct probe_answer *answer)
{
	if (answer->result != CHECK_DATAGRAM || !target->expect_length)
		return true;
	return answer->payload_length >= target->expect_length &&
	       !memcmp(answer->payload, target->expect, target->expect_length);
}

/* Gives an answer to whoever waits for it; false: nobody does. */
static bool deliver(struct path *path, const struct probe_answer *answer,
		    const struct mac_address *mac)
{
	uint64_t hash = probe_hash(&answer->probe, path->snapshot->seed);
	struct check *check;
	bool delivered = false;

	while ((check = find_waiting(path, hash))) {
		uint32_t index = snapshot_target_of(path->snapshot, check->id);

		delivered = true;
		if (index == NONE) {
			forget(path->checks, check);
			continue;
		}
		const struct snapshot_target *target = &path->snapshot->target[index];
		conclude(path, check, target,
			 is_expected(target, answer) ? answer->result : CHECK_UNEXPECTED);
		if (mac) {
			check->mac = *mac;
			check->has_mac = true;
		}
	}
	return delivered;
}

static bool is_damaged(const struct packet *packet, enum verdict *ret_drop)
{
	switch (packet->protocol) {
	case PROTOCOL_NUMBER_TCP: *ret_drop = DROP_tcp_malformed; break;
	case PROTOCOL_NUMBER_UDP: *ret_drop = DROP_udp_malformed; break;
	case PROTOCOL_NUMBER_ICMP: *ret_drop = DROP_icmp_malformed; break;
	default: return false;
	}
	return !checksum_verify(packet);
}

bool checks_received(struct path *path, const struct packet *packet, enum verdict *ret_verdict)
{
	struct probe_answer answer;

	if (packet->fragment != FRAGMENT_NONE)
		return false;
	if (is_damaged(packet, ret_verdict))
		return true;
	*ret_verdict = VERDICT_CONSUMED;
	if (packet->protocol == PROTOCOL_NUMBER_UDP && heartbeat_received(path, packet, ret_verdict))
		return true;
	if (!probe_read(path, packet, &answer) ||
	    (!deliver(path, &answer, NULL) && !answer.is_proven))
		return false;
	/* A late or repeated one as well: the backend repeats it until it is answered. */
	if (answer.result == CHECK_SYN_ACK)
		reset_send(path, packet);
	return true;
}

bool checks_arp_reply(struct path *path, be32 address, const struct mac_address *mac)
{
	struct probe_answer answer = {
		.probe = {.address = address, .type = PROBE_ARP},
		.result = CHECK_ARP_REPLY,
	};

	return deliver(path, &answer, mac);
}

enum health check_health(const struct path *path, uint32_t target)
{
	uint32_t id = path->snapshot->target[target].id;
	const struct check *check = &path->checks->check[id & SLOT_MASK];

	/* A heartbeat that is overdue counts at once, not when its timer comes up. */
	return check->in_use && check->id == id && path->now_ns < check->stale_ns ?
		       (enum health)check->health : HEALTH_DOWN;
}

uint32_t check_weight(const struct path *path, uint32_t target)
{
	uint32_t id = path->snapshot->target[target].id;
	const struct check *check = &path->checks->check[id & SLOT_MASK];

	return check->in_use && check->id == id ? check->weight : NONE;
}

bool check_view(const struct path *path, uint32_t target_id, struct check_view *ret_view)
{
	const struct check *check = &path->checks->check[target_id & SLOT_MASK];

	if (snapshot_target_of(path->snapshot, target_id) == NONE || !check->in_use ||
	    check->id != target_id)
		return false;
	*ret_view = (struct check_view){
		.health = check->health,
		.result = check->result,
		.round_trip_ns = check->round_trip_ns,
		.result_ns = check->result_ns,
		.changed_ns = check->changed_ns,
		.successes = check->successes,
		.failures = check->failures,
	};
	return true;
}
