/* Plays inputs: see play.h. */
#include "tests/proof/fuzz/play.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "appliance/path/check.h"
#include "appliance/path/neighbor.h"
#include "tests/proof/fuzz/game.h"

#ifdef LB_SANITIZED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS UINT64_C(1000000)

enum { TICKS_MAX = 64, PLACE = GAME_HEAD + GAME_FRAME_MAX, SMALL_PLACE = GAME_HEAD + GAME_SMALL };

static struct game game;
static struct {
	const uint8_t *data;
	size_t size;
} input;

/* Frames as the path gets them; they end where what is poisoned begins, as at the end of a ring. */
static _Alignas(64) uint8_t large[PLACE], small[GAME_BATCH][SMALL_PLACE];
static uint8_t large_came[GAME_FRAME_MAX], small_came[GAME_BATCH][GAME_SMALL];

/* ---- what is seen of the path ---- */

static void digest(const void *bytes, size_t size)
{
	game.digest = XXH3_64bits_withSeed(bytes, size, game.digest);
}

static void digest_number(uint64_t number)
{
	digest(&number, sizeof(number));
}

void game_fail(const char *format, ...)
{
	va_list arguments;

	if (!game.tell) {
		fprintf(stderr, "---- the story of the input, to where it breaks a promise\n");
		play(input.data, input.size, 1);
	}
	fflush(stdout);
	fprintf(stderr, "FAILED in world %s: ", game.world->name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	abort();
}

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
	va_list arguments;

	if (!game.tell)
		return;
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
}

static void tell_address(const uint8_t *at)
{
	tell("%u.%u.%u.%u", at[0], at[1], at[2], at[3]);
}

static void tell_ip(const uint8_t *ip, uint32_t present)
{
	uint32_t header = (ip[0] & 15U) * 4;
	bool ports = (ip[9] == PROTOCOL_NUMBER_TCP || ip[9] == PROTOCOL_NUMBER_UDP) &&
		     present >= header + 4 && !(ip[6] & 0x1f) && !ip[7];

	tell_address(ip + 12);
	if (ports)
		tell(":%u", ip[header] << 8 | ip[header + 1]);
	tell(" > ");
	tell_address(ip + 16);
	if (ports)
		tell(":%u", ip[header + 2] << 8 | ip[header + 3]);
	tell(" protocol %u ttl %u id %u frag %04x len %u", ip[9], ip[8], ip[4] << 8 | ip[5],
	     ip[6] << 8 | ip[7], ip[2] << 8 | ip[3]);
	if (ip[9] == PROTOCOL_NUMBER_TCP && ports && present >= header + TCP_SIZE_MIN)
		tell(" flags %02x", ip[header + 13]);
	if (ip[9] == PROTOCOL_NUMBER_ICMP && present >= header + ICMP_SIZE)
		tell(" icmp %u/%u", ip[header], ip[header + 1]);
}

static void tell_frame(const char *word, const struct frame *frame)
{
	const uint8_t *data = frame->data;

	if (!game.tell)
		return;
	tell("%s %u, %u bytes: ", word, frame->interface, frame->length);
	if (frame->length >= ETHERNET_SIZE + IPV4_SIZE_MIN && data[12] == 8 && !data[13])
		tell_ip(data + ETHERNET_SIZE, frame->length - ETHERNET_SIZE);
	else if (frame->length >= ETHERNET_SIZE)
		tell("ethertype %02x%02x", data[12], data[13]);
	if (frame->offload.flags || frame->offload.gso_type)
		tell(" offload %u gso %u of %u", frame->offload.flags, frame->offload.gso_type,
		     frame->offload.gso_size);
	if (frame->vlan_tpid)
		tell(" vlan %u", frame->vlan_tci);
	tell("\n       ");
	for (uint32_t i = 0; i < frame->length && i < 160; i++)
		tell("%02x", data[i]);
	tell("\n");
}

static void on_send(void *context, const struct frame *frame)
{
	struct game_kept *kept = &game.out[game.kept++ % GAME_KEPT];

	(void)context;
	tell_frame("    -> out", frame);
	oracle_sent(&game, frame);
	digest_number(frame->interface);
	digest_number((uint64_t)frame->vlan_tpid << 16 | frame->vlan_tci);
	digest(&frame->offload, sizeof(frame->offload));
	digest(frame->data, frame->length);
	kept->interface = frame->interface;
	kept->length = frame->length < GAME_KEPT_SIZE ? frame->length : GAME_KEPT_SIZE;
	kept->offload = frame->offload;
	memcpy(kept->bytes, frame->data, kept->length);
}

static void on_event(void *context, const struct path_event *event)
{
	(void)context;
	tell("    -> event %d id %x value %u\n", event->type, event->id, event->value);
	digest_number(event->type);
	digest_number(event->id);
	digest_number(event->address.raw);
	digest(&event->mac, sizeof(event->mac));
	digest_number((uint64_t)event->interface << 32 | event->value);
	digest_number(event->time_ns);
}

static bool on_trace(void *context, const struct frame *frame)
{
	(void)context;
	return frame->length != 60;
}

static uint64_t on_clock(void *context)
{
	static uint64_t clock_ns;

	(void)context;
	if (!game.frames)
		clock_ns = 0;
	return clock_ns += 10;
}

/* ---- time ---- */

void game_advance(struct game *of, uint64_t to_ns)
{
	uint64_t deadline_ns;

	for (unsigned i = 0; i < TICKS_MAX; i++) {
		deadline_ns = path_deadline(of->world->path);
		if (deadline_ns > to_ns)
			break;
		if (deadline_ns > of->now_ns)
			of->now_ns = deadline_ns;
		path_tick(of->world->path, of->now_ns);
	}
	of->now_ns = to_ns;
	path_tick(of->world->path, of->now_ns);
}

static void pass_time(uint8_t index)
{
	static const uint64_t delays_ns[] = {
		0, 0, 0, 0, 1000, MS, 20 * MS, 67 * MS, 100 * MS, 300 * MS, 500 * MS, 999 * MS,
		1000 * MS, 1001 * MS, 1500 * MS, 2000 * MS, 3000 * MS, 4000 * MS, 5000 * MS,
		9999 * MS, 10000 * MS, 20000 * MS, 29999 * MS, 30000 * MS, 60000 * MS, 179999 * MS,
		180000 * MS, 600000 * MS, 900000 * MS, 3600000 * MS, 40000000 * MS, 1,
	};
	uint64_t delay_ns = delays_ns[index % COUNT(delays_ns)];

	if (!delay_ns)
		return;
	tell("time: %.3f ms\n", (double)delay_ns / 1e6);
	game_advance(&game, game.now_ns + delay_ns);
}

/* ---- frames ---- */

static bool is_plain_ipv4(const struct draft *draft)
{
	const uint8_t *ip = draft->data + ETHERNET_SIZE;
	uint32_t present = draft->length - ETHERNET_SIZE;

	return draft->length >= ETHERNET_SIZE + IPV4_SIZE_MIN && draft->data[12] == 8 &&
	       !draft->data[13] && (ip[0] & 15) >= 5 && (ip[0] & 15) * 4U <= present &&
	       (uint32_t)(ip[2] << 8 | ip[3]) <= present &&
	       ((ip[2] << 8 | ip[3]) == 0 || (uint32_t)(ip[2] << 8 | ip[3]) >= (ip[0] & 15) * 4U) &&
	       !(ip[6] & 0x3f) && !ip[7];
}

/* Notes what takes promises about checksums back. */
static void note_damage(const struct draft *draft)
{
	const uint8_t *ip = draft->data + ETHERNET_SIZE;
	uint32_t header = (ip[0] & 15) * 4U;

	/* What is no whole packet is never taken for one; what is cut has sums of its own. */
	if (!is_plain_ipv4(draft) || (!draft->offload.gso_type && !(ip[2] | ip[3])))
		return;
	if (draft->offload.flags & OFFLOAD_CHECKSUM_PARTIAL) {
		game.damaged = game.damaged || !plain_partial_is_right(draft->data, draft->length,
								       &draft->offload);
		return;
	}
	if (draft->offload.gso_type)
		return;
	game.damaged = game.damaged || !plain_l4_is_right(ip);
	game.blank = game.blank || (ip[9] == PROTOCOL_NUMBER_UDP &&
				    draft->length >= ETHERNET_SIZE + header + UDP_SIZE &&
				    !(ip[header + 6] | ip[header + 7]));
}

static void put_frame(struct frame *frame, const struct draft *draft, uint8_t *place,
		      uint32_t place_size)
{
	ASAN_UNPOISON_MEMORY_REGION(place, place_size);
	memcpy(place + GAME_HEAD, draft->data, draft->length);
	ASAN_POISON_MEMORY_REGION(place, GAME_HEAD - FRAME_HEADROOM_MIN);
	ASAN_POISON_MEMORY_REGION(place + GAME_HEAD + draft->length,
				  place_size - GAME_HEAD - draft->length);
	*frame = (struct frame){
		.data = place + GAME_HEAD,
		.length = draft->length,
		.wire_length = draft->wire_length,
		.headroom = FRAME_HEADROOM_MIN,
		.interface = (uint16_t)draft->interface,
		.vlan_tci = draft->vlan_tci,
		.vlan_tpid = draft->vlan_tpid,
		.offload = draft->offload,
	};
}

static void receive(struct frame *frames, unsigned count)
{
	struct outcome outcomes[GAME_BATCH];
	struct frame came[GAME_BATCH];

	if (!count)
		return;
	memcpy(came, frames, count * sizeof(*frames));
	for (unsigned i = 0; i < count; i++) {
		oracle_came(&game, &frames[i]);
		tell_frame("frame in", &frames[i]);
	}
	game.came = came;
	game.batch = count;
	game.frames += count;
	path_receive(game.world->path, frames, outcomes, count, game.now_ns);
	game.batch = 0;
	for (unsigned i = 0; i < count; i++) {
		tell("    %s backend %x interface %d\n", verdict_name(outcomes[i].verdict),
		     outcomes[i].backend, (int)outcomes[i].interface);
		digest_number(outcomes[i].verdict);
		digest_number((uint64_t)outcomes[i].backend << 32 | outcomes[i].interface);
	}
}

/* Small frames come in batches, as rings give them. */
static void send_frames(const struct move *move)
{
	static const unsigned counts[] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 9, 20, 70, 120, 1500, 20000};
	static uint8_t bytes[GAME_FRAME_MAX];
	static struct frame frames[GAME_BATCH];
	unsigned code = move->code % MOVE_CODES;
	bool repeats = code <= MOVE_FRAME || code == MOVE_BEAT;
	unsigned count = repeats ? counts[move->times & 15] : 1, waiting = 0;

	for (unsigned nth = 0; nth < count && game.frames + waiting < game.world->frames &&
			       game.bytes < GAME_BYTES_MAX + 64 * game.world->frames; nth++) {
		struct draft draft = {.data = bytes};

		if (!draft_move(&game, move, nth, &draft))
			return;
		note_damage(&draft);
		game.bytes += draft.length;
		if (draft.length > GAME_SMALL) {
			game.came_bytes[0] = memcpy(large_came, draft.data, draft.length);
			put_frame(&frames[0], &draft, large, sizeof(large));
			receive(frames, 1);
			continue;
		}
		game.came_bytes[waiting] = memcpy(small_came[waiting], draft.data, draft.length);
		put_frame(&frames[waiting], &draft, small[waiting], SMALL_PLACE);
		if (++waiting == GAME_BATCH) {
			receive(frames, waiting);
			waiting = 0;
		}
	}
	receive(frames, waiting);
	game.edits = 0;
}

static void note_edits(const struct move *move)
{
	const uint8_t *byte = (const uint8_t *)move;

	for (unsigned i = 2; i + 1 < sizeof(*move) && game.edits < GAME_EDITS; i += 2)
		if (byte[i])
			game.edit[game.edits++] = (struct game_edit){byte[i], byte[i + 1]};
}

/* The moves that follow are its bytes; returns how many are. */
static unsigned send_raw(const struct move *move, unsigned left)
{
	unsigned moves = move->kind % 8 < left ? move->kind % 8 : left;
	uint32_t length = moves * (uint32_t)sizeof(*move);
	struct draft draft = {.data = (uint8_t *)(uintptr_t)(move + 1), .length = length,
			      .interface = game_interface(&game, move->interface)};
	struct frame frame;

	draft.length -= move->size % 16 < length ? move->size % 16 : 0;
	draft.wire_length = draft.length;
	game.damaged = game.blank = true;
	game.came_bytes[0] = memcpy(small_came[0], draft.data, draft.length);
	put_frame(&frame, &draft, small[0], SMALL_PLACE);
	receive(&frame, 1);
	return moves;
}

/* ---- control ---- */

static void publish(const struct move *move)
{
	struct world *world = game.world;
	unsigned wanted = move->kind % world->variants;
	uint32_t cursor = 0;

	while (world->variant[wanted].epoch < game.epoch)
		wanted = (wanted + 1) % world->variants;
	game.variant = wanted;
	game.epoch = world->variant[wanted].epoch;
	game.snapshot = world->variant[wanted].snapshot;
	tell("publish: %s\n", world->variant[wanted].name);
	path_publish(world->path, game.snapshot, game.now_ns);
	if (move->flags & 1)
		path_sweep(world->path, &cursor, UINT32_MAX);
}

static void digest_lookup(const struct lookup *lookup)
{
	digest_number(lookup->verdict);
	digest_number((uint64_t)lookup->how << 32 | lookup->mode);
	digest_number((uint64_t)lookup->service << 32 | lookup->backend);
	digest_number((uint64_t)lookup->slot << 32 | lookup->interface);
	digest_number((uint64_t)lookup->source_address.raw << 16 | lookup->source_port.raw);
	digest_number(lookup->next_hop.raw);
	digest_number(lookup->proxy + 2U * lookup->bridged + 4U * lookup->has_mac);
	if (lookup->has_mac)
		digest(&lookup->mac, sizeof(lookup->mac));
	if (lookup->neighbor)
		digest(lookup->neighbor, strlen(lookup->neighbor));
}

static void look_up(const struct move *move)
{
	const struct world *world = game.world;
	const struct ends ends = game_ends(&game, move, !(move->flags & 1));
	const struct flow_tuple tuple = {
		.source = ends.source,
		.destination = ends.destination,
		.source_port = to_be16(ends.source_port),
		.destination_port = to_be16(ends.destination_port),
		.protocol = ends.protocol,
	};
	const struct world_variant *other = &world->variant[move->value % world->variants];
	uint64_t before = path_flows(world->path)->created;
	struct lookup lookup;

	if (move->flags & 2 && other->epoch == game.epoch)
		path_lookup_in(world->path, other->snapshot, &tuple, game.now_ns, &lookup);
	else
		path_lookup(world->path, tuple.source, tuple.source_port, tuple.destination,
			    tuple.destination_port, tuple.protocol, game.now_ns, &lookup);
	tell("lookup: %s, %s\n", verdict_name(lookup.verdict), verdict_text(lookup.verdict));
	if (path_flows(world->path)->created != before)
		game_fail("a lookup has created a flow");
	digest_lookup(&lookup);
}

static void close_flows(const struct move *move)
{
	const struct snapshot *snapshot = game.snapshot;
	struct flow_match match = {.backend_id = NONE, .service_id = NONE};
	uint32_t cursor = move->at % 16;

	if (move->flags & 1 && snapshot->backends)
		match.backend_id = snapshot->backend[move->value % snapshot->backends].id;
	if (move->flags & 2 && snapshot->services)
		match.service_id = snapshot->service[move->value % snapshot->services].id;
	if (move->flags & 4)
		match.client = game.world->address[move->source % game.world->addresses];
	if (move->flags & 8)
		match.client_port = to_be16(game.world->port[move->source_port % game.world->ports]);
	digest_number(path_close_flows(game.world->path, &match, FLOW_CLOSE_CLEARED, &cursor,
				       move->extra ? move->extra : UINT32_MAX));
}

static void digest_traces(void)
{
	for (uint32_t i = 0; i < path_traces(game.world->path); i++) {
		const struct trace *trace = path_trace_at(game.world->path, i);

		digest_number(trace->time_ns);
		digest_number((uint64_t)trace->steps << 32 | (uint32_t)trace->interface << 16 |
			      trace->ethertype);
		digest_number((uint64_t)trace->length << 32 | trace->verdict);
		digest_number(trace->steps & 1 << TRACE_FLOW ? trace->flow : 0);
		digest_number(trace->steps & 1 << TRACE_SELECT ? trace->slot : 0);
		digest_number(trace->out_interface);
		digest(&trace->mac, sizeof(trace->mac));
	}
}

/* What consoles show of neighbors and checks; order is nobody's promise. */
static void view(void)
{
	const struct path *path = game.world->path;
	const struct snapshot *snapshot = game.snapshot;
	struct neighbor_view neighbor;
	struct check_view check;
	uint32_t cursor = 0;
	uint64_t sum = 0;

	while (neighbor_next(path, &cursor, &neighbor))
		sum += XXH3_64bits_withSeed(neighbor.state, strlen(neighbor.state),
					    neighbor.address.raw + neighbor.held);
	digest_number(sum);
	for (uint32_t i = 0; i < snapshot->targets; i++) {
		uint32_t id = snapshot->target[i].id;

		digest_number(path_target_health(path, id));
		digest_number(path_target_weight(path, id));
		if (!check_view(path, id, &check))
			continue;
		digest_number((uint64_t)check.health << 32 | check.result);
		digest(check_result_text(check.result), 4);
		digest_number((uint64_t)check.successes << 32 | check.failures);
		digest_number(check.round_trip_ns);
	}
	path_target_health(path, NONE - 1);
	path_target_weight(path, NONE - 1);
}

static void control(const struct move *move)
{
	struct path *path = game.world->path;
	uint32_t cursor = move->at;

	tell("control: %u\n", move->kind % 8);
	switch (move->kind % 8) {
	case 0:
		if (move->value < 16) /* goes over 150,000 slots */
			path_clear_counters(path);
		break;
	case 1: digest_number(path_trace_add(path, move->flags * 8U)); break;
	case 2: path_trace_clear(path); break;
	case 3: close_flows(move); break;
	case 4: path_sweep(path, &cursor, move->extra ? move->extra : UINT32_MAX); break;
	case 5: look_up(move); break;
	case 6: path_set_wall_clock(path, WORLD_WALL_NS + move->extra * (uint64_t)1000000000); break;
	case 7: view(); break;
	}
}

/* ---- the game ---- */

static void tell_flows(void)
{
	const struct flow_table *flows = path_flows(game.world->path);

	for (uint32_t i = 0; game.tell && i < flows->capacity; i++) {
		const struct flow *flow = flow_at(flows, i);

		if (!flow)
			continue;
		tell("flow ");
		tell_address((const uint8_t *)&flow->forward.source);
		tell(" > ");
		tell_address((const uint8_t *)&flow->forward.destination);
		tell(" by %s, %s, since %llu\n", forward_mode_text(flow->mode),
		     flow_state_text(flow->state),
		     (unsigned long long)flow_created_ns(flows, flow));
	}
	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		if (flows->closed[i])
			tell("closed as %s: %llu\n", flow_close_reason_text(i),
			     (unsigned long long)flows->closed[i]);
}

static void digest_counters(void)
{
	const struct path_counters *counters = path_counters(game.world->path);
	const struct flow_table *flows = path_flows(game.world->path);

	for (uint32_t i = 0; i < game.snapshot->interfaces; i++)
		digest(&counters->interface[i], sizeof(counters->interface[i]));
	digest_number(counters->stateless);
	digest_number(counters->vip_conflicts);
	digest_number(counters->checks_sent);
	digest_number(counters->heartbeats);
	digest_number(counters->register_full);
	digest_number(flows->created);
	digest(flows->closed, sizeof(flows->closed));
	for (uint32_t i = 0; i < game.snapshot->services; i++) {
		const struct service_counters *c = path_service_counters(
			game.world->path, game.snapshot->service[i].id);

		digest_number(c->packets ^ c->bytes << 20);
		digest_number(c->reply_packets ^ c->reply_bytes << 20);
		digest_number(c->total_flows ^ c->no_backend << 32);
	}
	for (uint32_t i = 0; i < game.snapshot->backends; i++) {
		const struct backend_counters *c = path_backend_counters(
			game.world->path, game.snapshot->backend[i].id);

		digest_number(c->packets ^ c->bytes << 20);
		digest_number(c->reply_packets ^ c->reply_bytes << 20);
		digest_number(c->total_flows);
	}
}

/* Returns how many moves it took. */
static unsigned make_move(const struct move *move, unsigned left)
{
	unsigned taken = 1;

	pass_time(move->time);
	switch (move->code % MOVE_CODES) {
	case MOVE_EDIT: note_edits(move); break;
	case MOVE_RAW: taken += send_raw(move, left - 1); break;
	case MOVE_PUBLISH: publish(move); break;
	case MOVE_TIME: pass_time(move->extra); break;
	case MOVE_CONTROL: control(move); break;
	default: send_frames(move); break;
	}
	return taken;
}

uint64_t play(const uint8_t *data, size_t size, int says)
{
	const struct move *move = (const void *)(data + 1);
	unsigned moves;

	if (size < 1 + sizeof(*move))
		return 0;
	input.data = data;
	input.size = size;
	moves = (unsigned)((size - 1) / sizeof(*move));
	moves = moves < MOVES_MAX ? moves : MOVES_MAX;
	game.world = world_at(data[0] % worlds_count());
	game.snapshot = game.world->variant[0].snapshot;
	game.variant = game.epoch = 0;
	game.now_ns = WORLD_START_NS;
	game.digest = data[0];
	game.tell = says;
	game.frames = game.kept = game.edits = game.batch = game.macs = 0;
	game.bytes = 0;
	game.damaged = game.blank = false;
	tell("world: %s\n", game.world->name);
	for (unsigned i = 0; i < game.world->addresses; i++) {
		tell(" %u=", i);
		tell_address((const uint8_t *)&game.world->address[i]);
	}
	for (unsigned i = 0; i < game.world->ports; i++)
		tell(" port %u=%u", i, game.world->port[i]);
	tell("\n");
	world_reset(game.world);
	for (unsigned i = 0; i < moves; i += make_move(&move[i], moves - i))
		oracle_laws(&game);
	oracle_laws(&game);
	tell_flows();
	digest_traces();
	digest_counters();
	oracle_run_down(&game);
	return game.digest;
}

void play_init(const char *directory)
{
	static const struct path_output output = {.send = on_send, .event = on_event,
						  .wants_trace = on_trace, .clock = on_clock};

	worlds_load(directory, &output);
}
