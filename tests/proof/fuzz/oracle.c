/* What must be true whatever came: judged with own sums and own eyes on the bytes, never with the
 * path's functions. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/proof/fuzz/game.h"

#define SECOND UINT64_C(1000000000)

static uint16_t get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

uint16_t plain_sum(uint64_t sum, const uint8_t *bytes, uint32_t length)
{
	for (uint32_t i = 0; i + 1 < length; i += 2)
		sum += get16(bytes + i);
	if (length % 2)
		sum += (uint64_t)bytes[length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint64_t pseudo_sum(const uint8_t *ip, uint32_t l4_length)
{
	return (uint64_t)plain_sum(0, ip + 12, 8) + ip[9] + l4_length;
}

uint16_t plain_l4_sum(const uint8_t *ip, uint32_t l4_length)
{
	const uint8_t *l4 = ip + (ip[0] & 15) * 4;
	bool icmp = ip[9] == PROTOCOL_NUMBER_ICMP;

	return plain_sum(icmp ? 0 : pseudo_sum(ip, l4_length), l4, l4_length);
}

bool plain_l4_is_right(const uint8_t *ip)
{
	uint32_t l4_length = get16(ip + 2) - (ip[0] & 15U) * 4;
	const uint8_t *l4 = ip + (ip[0] & 15) * 4;

	switch (ip[9]) {
	case PROTOCOL_NUMBER_UDP:
		if (l4_length < UDP_SIZE || get16(l4 + 4) > l4_length || get16(l4 + 4) < UDP_SIZE)
			return false;
		l4_length = get16(l4 + 4);
		return !get16(l4 + 6) || plain_l4_sum(ip, l4_length) == 0xffff;
	case PROTOCOL_NUMBER_TCP:
		return l4_length >= TCP_SIZE_MIN && plain_l4_sum(ip, l4_length) == 0xffff;
	case PROTOCOL_NUMBER_ICMP:
		return l4_length >= ICMP_SIZE && plain_l4_sum(ip, l4_length) == 0xffff;
	default:
		return true;
	}
}

/* ---- frames that leave ---- */

/* A frame that crosses a bridge is whatever it was. */
static bool came_so(const struct game *game, const struct frame *frame)
{
	for (unsigned i = 0; i < game->batch; i++)
		if (game->came[i].length == frame->length &&
		    !memcmp(game->came_bytes[i], frame->data, frame->length))
			return true;
	return false;
}

bool plain_partial_is_right(const uint8_t *data, uint32_t length, const struct offload *offload)
{
	const uint8_t *ip = data + ETHERNET_SIZE, *l4 = ip + (ip[0] & 15) * 4;
	uint32_t total = get16(ip + 2) ? get16(ip + 2) : length - ETHERNET_SIZE;
	uint32_t at = ip[9] == PROTOCOL_NUMBER_TCP ? 16 : ip[9] == PROTOCOL_NUMBER_UDP ? 6 : 2;
	uint32_t l4_length = total - (ip[0] & 15U) * 4;
	uint16_t want = ip[9] == PROTOCOL_NUMBER_ICMP ? 0 :
							plain_sum(pseudo_sum(ip, l4_length), NULL, 0);

	return offload->csum_start == l4 - data && offload->csum_offset == at &&
	       l4 + at + 2 <= data + length && want % 0xffff == get16(l4 + at) % 0xffff;
}

static void check_ip(const struct game *game, const struct frame *frame)
{
	const uint8_t *ip = frame->data + ETHERNET_SIZE;
	uint32_t present = frame->length - ETHERNET_SIZE, header;
	bool super = frame->offload.gso_type;

	if (present < IPV4_SIZE_MIN || ip[0] >> 4 != 4)
		game_fail("an IPv4 frame without an IPv4 header leaves");
	header = (ip[0] & 15U) * 4;
	if (header < IPV4_SIZE_MIN || header > present || get16(ip + 2) > present ||
	    (get16(ip + 2) < header && !super))
		game_fail("lengths of an IPv4 packet that leaves are wrong");
	if (plain_sum(0, ip, header) != 0xffff)
		game_fail("an IP checksum is wrong");
	if (get16(ip + 6) & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK))
		return;
	if (frame->offload.flags & OFFLOAD_CHECKSUM_PARTIAL) {
		if (!game->damaged &&
		    !plain_partial_is_right(frame->data, frame->length, &frame->offload))
			game_fail("a checksum left to hardware is not the pseudo header's sum");
		return;
	}
	if (!super && !game->damaged && !plain_l4_is_right(ip))
		game_fail("an L4 checksum is wrong, and all that came were right");
	if (ip[9] == PROTOCOL_NUMBER_UDP && !super && !game->blank && !game->damaged &&
	    !get16(ip + header + 6))
		game_fail("a UDP checksum is zero, and none that came was");
}

static void check_size(const struct game *game, const struct frame *frame)
{
	const struct snapshot_interface *out = &game->snapshot->interface[frame->interface];

	if (!frame->offload.gso_type && frame->length > ETHERNET_SIZE + (uint32_t)out->mtu)
		game_fail("%u bytes leave by an interface with an MTU of %u", frame->length, out->mtu);
}

static bool has_come(const struct game *game, const uint8_t *mac)
{
	for (unsigned i = 0; i < game->macs; i++)
		if (!memcmp(&game->mac[i], mac, sizeof(game->mac[i])))
			return true;
	return false;
}

static void note_mac(struct game *game, const uint8_t *mac)
{
	if (game->macs < GAME_MACS && !has_come(game, mac))
		memcpy(&game->mac[game->macs++], mac, sizeof(game->mac[0]));
}

void oracle_came(struct game *game, const struct frame *frame)
{
	if (frame->length < ETHERNET_SIZE)
		return;
	note_mac(game, frame->data);
	note_mac(game, frame->data + 6);
}

static bool is_known_mac(const struct game *game, const uint8_t *mac)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const struct snapshot *snapshot = game->snapshot;

	for (uint32_t i = 0; i < snapshot->interfaces; i++)
		if (!memcmp(&snapshot->interface[i].mac, mac, 6))
			return true;
	return !memcmp(mac, everybody, 6) || has_come(game, mac) || game->macs == GAME_MACS;
}

/* A bridge says nothing of its own making in anybody's name. */
static void check_macs(const struct game *game, const struct frame *frame)
{
	if (game->snapshot->bridge.on && get16(frame->data + 12) != ETHERTYPE_ARP &&
	    (!is_known_mac(game, frame->data) || !is_known_mac(game, frame->data + 6)))
		game_fail("a frame leaves with a MAC that nobody has");
}

void oracle_sent(struct game *game, const struct frame *frame)
{
	if (frame->interface >= game->snapshot->interfaces)
		game_fail("a frame leaves by interface %u, which is none", frame->interface);
	if (frame->length < ETHERNET_SIZE)
		game_fail("a frame of %u bytes leaves", frame->length);
	check_size(game, frame);
	check_macs(game, frame);
	if (get16(frame->data + 12) == ETHERTYPE_IPV4 && !came_so(game, frame))
		check_ip(game, frame);
}

/* ---- between moves ---- */

static void check_conservation(const struct game *game)
{
	const struct path_counters *counters = path_counters(game->world->path);

	for (uint32_t i = 0; i < INTERFACES_MAX; i++) {
		const struct interface_counters *c = &counters->interface[i];
		uint64_t sum = c->held;

		if (i >= game->snapshot->interfaces && !c->received)
			continue;
		for (unsigned v = 0; v < VERDICT_COUNT; v++)
			sum += c->verdict[v];
		if (sum != c->received)
			game_fail("interface %u: %llu frames received, %llu accounted for", i,
				  (unsigned long long)c->received, (unsigned long long)sum);
		if (c->verdict[VERDICT_HELD])
			game_fail("a frame is counted as held, which is a gauge");
		if (c->originated > c->sent)
			game_fail("interface %u: more originated than sent", i);
	}
}

/* The table, gone over whole, against its own gauges and those of services and backends. */
static void check_flows(const struct game *game)
{
	const struct flow_table *flows = path_flows(game->world->path);
	const struct snapshot *snapshot = game->snapshot;
	uint64_t closed = 0;
	uint32_t live = 0, half_open = 0;
	uint32_t of_service[64] = {0}, of_backend[64] = {0};

	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		closed += flows->closed[i];
	if (flows->created - closed != flows->live)
		game_fail("%llu flows created, %llu closed, %u live",
			  (unsigned long long)flows->created, (unsigned long long)closed,
			  flows->live);
	for (uint32_t i = 0; i < flows->capacity; i++) {
		const struct flow *flow = flow_at(flows, i);

		if (!flow)
			continue;
		live++;
		half_open += flow_life_half_open(flow->forward.protocol, flow->seen);
		for (uint32_t s = 0; s < snapshot->services && s < 64; s++)
			of_service[s] += flow->service == snapshot->service[s].id;
		for (uint32_t b = 0; b < snapshot->backends && b < 64; b++)
			of_backend[b] += flow->service != NONE &&
					 flow->backend == snapshot->backend[b].id;
	}
	if (live != flows->live || half_open != flows->half_open)
		game_fail("%u flows, %u half-open; the gauges say %u and %u", live, half_open,
			  flows->live, flows->half_open);
	if (half_open > flows->half_open_max)
		game_fail("%u of %u flows may be half-open, and %u are", flows->half_open_max,
			  flows->capacity, half_open);
	for (uint32_t s = 0; s < snapshot->services && s < 64; s++)
		if (path_service_counters(game->world->path, snapshot->service[s].id)->active_flows !=
		    of_service[s])
			game_fail("active_flows of service %u is not the %u that it has", s,
				  of_service[s]);
	for (uint32_t b = 0; b < snapshot->backends && b < 64; b++)
		if (path_backend_counters(game->world->path, snapshot->backend[b].id)->active_flows !=
		    of_backend[b])
			game_fail("active_flows of backend %u is not the %u that it has", b,
				  of_backend[b]);
}

void oracle_laws(const struct game *game)
{
	check_conservation(game);
	check_flows(game);
}

static uint64_t frames_held(const struct game *game)
{
	uint64_t held = 0;

	for (uint32_t i = 0; i < INTERFACES_MAX; i++)
		held += path_counters(game->world->path)->interface[i].held;
	return held;
}

void oracle_run_down(struct game *game)
{
	const struct flow_table *flows = path_flows(game->world->path);

	for (unsigned i = 0; i < 64 && frames_held(game); i++)
		game_advance(game, game->now_ns + 11 * SECOND / 10);
	if (frames_held(game))
		game_fail("%llu frames wait for ever", (unsigned long long)frames_held(game));
	for (unsigned i = 0; i < 64 && flows->live; i++)
		game_advance(game, game->now_ns + 450 * SECOND);
	if (flows->live)
		game_fail("%u flows live for ever", flows->live);
	oracle_laws(game);
}
