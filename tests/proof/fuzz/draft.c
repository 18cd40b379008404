/* Frames as hosts around the appliance send them. Checksums come out right unless the move wants them
 * otherwise: no fuzzer guesses one. */
#include <nettle/hmac.h>
#include <string.h>

#include "appliance/path/heartbeat_wire.h"
#include "tests/proof/fuzz/game.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ROUTER_MTU = 1400 };

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static void put64(uint8_t *at, uint64_t value)
{
	put32(at, (uint32_t)(value >> 32));
	put32(at + 4, (uint32_t)value);
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static be32 address_of(const struct game *game, uint8_t index)
{
	return game->world->address[index % game->world->addresses];
}

/* The MAC that a host has in all worlds. */
static void mac_of(uint8_t mac[6], be32 address)
{
	uint32_t a = from_be32(address);

	memset(mac, 0, 6);
	mac[0] = 2;
	put16(mac + 4, a & 0xffff);
}

static void put_address(uint8_t *at, be32 address)
{
	memcpy(at, &address, sizeof(address));
}

/* ---- Ethernet, VLAN, offload ---- */

static void draft_ethernet(const struct game *game, const struct move *move, struct draft *draft,
			   be32 source, uint16_t type)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
	const struct snapshot *snapshot = game->snapshot;
	const struct mac_address *own = &snapshot->interface[draft->interface].mac;
	uint8_t *to = draft->data, *from = draft->data + 6;

	memcpy(to, own, 6);
	mac_of(from, source);
	switch (move->link & 7) {
	case 3: memset(to, 0xff, 6); break;
	case 4: memcpy(to, group, 6); break;
	case 5:
		memcpy(to, &snapshot->interface[move->extra % snapshot->interfaces].mac, 6);
		break;
	case 6: mac_of(to, address_of(game, move->extra)); break;
	default: break;
	}
	switch (move->link >> 3 & 3) {
	case 1: memcpy(from, own, 6); break;
	case 2: memcpy(from, group, 6); break;
	case 3: memset(from, 0, 6); break;
	default: break;
	}
	put16(draft->data + 12, type);
}

static uint32_t l4_header_size(const uint8_t *ip)
{
	const uint8_t *l4 = ip + (ip[0] & 15) * 4;

	return ip[9] == PROTOCOL_NUMBER_TCP ? (l4[12] >> 4) * 4U : UDP_SIZE;
}

static uint16_t pseudo_sum(const uint8_t *ip, uint32_t l4_length)
{
	return plain_sum((uint64_t)ip[9] + l4_length, ip + 12, 8);
}

/* The L4 checksum is left to hardware; what it starts from is the pseudo header's sum. */
static void leave_checksum(struct draft *draft, uint32_t l4_length)
{
	uint8_t *ip = draft->data + ETHERNET_SIZE, *l4 = ip + (ip[0] & 15) * 4;
	uint32_t at = ip[9] == PROTOCOL_NUMBER_TCP ? 16 : ip[9] == PROTOCOL_NUMBER_UDP ? 6 : 2;

	draft->offload.flags |= OFFLOAD_CHECKSUM_PARTIAL;
	draft->offload.csum_start = (uint16_t)(l4 - draft->data);
	draft->offload.csum_offset = (uint16_t)at;
	put16(l4 + at, ip[9] == PROTOCOL_NUMBER_ICMP ? 0 : pseudo_sum(ip, l4_length));
}

static void draft_link(const struct move *move, struct draft *draft, uint32_t l4_length)
{
	static const uint16_t gso_sizes[] = {1448, 536, 100, 1460, 1, 1472, 8000, 60000};
	const uint8_t *ip = draft->data + ETHERNET_SIZE;

	switch (move->link >> 5) {
	case 2: leave_checksum(draft, l4_length); break;
	case 3:
	case 4:
		if ((move->link >> 5) == 3)
			leave_checksum(draft, l4_length);
		draft->offload.gso_type = ip[9] == PROTOCOL_NUMBER_TCP ? OFFLOAD_SEGMENT_TCPV4 :
									  OFFLOAD_SEGMENT_UDP;
		if (move->extra & 8)
			draft->offload.gso_type |= OFFLOAD_SEGMENT_ECN;
		if (move->extra & 16)
			draft->offload.gso_type ^= OFFLOAD_SEGMENT_TCPV4 ^ OFFLOAD_SEGMENT_UDP;
		draft->offload.gso_size = move->extra & 32 ? 0 : gso_sizes[move->extra & 7];
		draft->offload.hdr_len =
			(uint16_t)(ETHERNET_SIZE + (ip[0] & 15U) * 4 + l4_header_size(ip));
		break;
	case 5:
		draft->vlan_tpid = ETHERTYPE_VLAN;
		draft->vlan_tci = 5;
		break;
	case 6:
		draft->vlan_tpid = ETHERTYPE_VLAN;
		draft->vlan_tci = 3 << 13;
		break;
	case 7: draft->offload.flags |= OFFLOAD_CHECKSUM_VALID; break;
	default: break;
	}
}

/* ---- IPv4 ---- */

static void finish_ip(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, 0xffff ^ plain_sum(0, ip, (ip[0] & 15) * 4U));
}

static void finish_l4(uint8_t *ip)
{
	uint32_t length = get16(ip + 2) - (ip[0] & 15U) * 4;
	uint8_t *l4 = ip + (ip[0] & 15) * 4;
	uint32_t at = ip[9] == PROTOCOL_NUMBER_TCP ? 16 : ip[9] == PROTOCOL_NUMBER_UDP ? 6 : 2;
	uint16_t sum;

	if (length < at + 2 || (ip[9] != PROTOCOL_NUMBER_TCP && ip[9] != PROTOCOL_NUMBER_UDP &&
				ip[9] != PROTOCOL_NUMBER_ICMP))
		return;
	if (ip[9] == PROTOCOL_NUMBER_UDP && get16(l4 + 4) >= UDP_SIZE && get16(l4 + 4) < length)
		length = get16(l4 + 4);
	put16(l4 + at, 0);
	sum = 0xffff ^ plain_l4_sum(ip, length);
	put16(l4 + at, sum || ip[9] != PROTOCOL_NUMBER_UDP ? sum : 0xffff);
}

/* Options of an IP header, by the move's size: none, padding, or some that fragments carry on. */
static uint32_t draft_options(const struct move *move, uint8_t *ip)
{
	static const struct {
		uint8_t size, bytes[8];
	} options[16] = {
		[4] = {4, {1, 1, 1, 1}},
		[5] = {8, {0x94, 4, 0, 0, 7, 3, 4, 1}}, /* router alert, record route */
		[6] = {40, {1, 1, 1, 1, 1, 1, 1, 1}},
		[9] = {8, {0x94, 0, 0, 0, 7, 3, 4, 1}}, /* no length */
		[10] = {8, {0x83, 3, 4, 1, 0x83, 90, 1, 1}}, /* an odd one, and one too long */
	};
	unsigned choice = move->size >> 4;

	memset(ip + IPV4_SIZE_MIN, 0, options[choice].size);
	memcpy(ip + IPV4_SIZE_MIN, options[choice].bytes, options[choice].size < 8 ?
							   options[choice].size : 8);
	return options[choice].size;
}

static void draft_fragment(const struct move *move, uint8_t *ip, unsigned id)
{
	static const uint16_t fields[] = {
		0, IPV4_DONT_FRAGMENT, IPV4_MORE_FRAGMENTS, 185, IPV4_MORE_FRAGMENTS | 185, 1,
		0x1ff7, IPV4_DONT_FRAGMENT | IPV4_MORE_FRAGMENTS,
	};
	static const uint8_t ttls[] = {64, 1, 2, 255};

	put16(ip + 4, id);
	put16(ip + 6, fields[move->shape & 7]);
	ip[8] = ttls[move->shape >> 3 & 3];
}

static uint32_t payload_size(const struct move *move)
{
	static const uint32_t sizes[] = {0, 4, 1, 8, 40, 100, 512, 1400, 1444, 1452, 1472, 1480, 2960,
					 8952, 40000, 65480};

	return sizes[move->size & 15];
}

static void draft_payload(const struct move *move, uint8_t *at, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		at[i] = (uint8_t)(i * 7 + move->extra);
	if (size >= 4 && move->extra & 64)
		memcpy(at, "pong", 4);
}

struct ends game_ends(const struct game *game, const struct move *move, bool is_call)
{
	static const uint8_t protocols[] = {6, 17, 1, 1, 50, 4, 6, 17};
	const struct snapshot *snapshot = game->snapshot;
	const struct world *world = game->world;
	struct ends ends = {
		.source = address_of(game, move->source),
		.destination = address_of(game, move->destination),
		.source_port = world->port[move->source_port % world->ports],
		.destination_port = world->port[move->destination_port % world->ports],
		.protocol = protocols[move->kind & 7],
	};

	if (is_call && snapshot->services) {
		const struct snapshot_service *service =
			&snapshot->service[move->destination % snapshot->services];

		ends.destination = service->vip;
		ends.protocol = service->protocol;
		if (service->port.raw)
			ends.destination_port = from_be16(service->port);
	}
	return ends;
}

/* TCP, UDP, ICMP, or a protocol that is none of them. Returns its size. */
static uint32_t draft_l4(const struct move *move, const struct ends *ends, uint8_t *l4, unsigned shift,
			 uint32_t payload)
{
	uint16_t source = (uint16_t)(ends->source_port + shift), destination = ends->destination_port;
	uint32_t options = (move->size >> 4) == 7 ? 12 : (move->size >> 4) == 8 ? 40 : 0;

	switch (ends->protocol) {
	case PROTOCOL_NUMBER_TCP:
		put16(l4, source);
		put16(l4 + 2, destination);
		put32(l4 + 4, 1000);
		put32(l4 + 8, 2000);
		l4[12] = (uint8_t)((TCP_SIZE_MIN + options) / 4 << 4);
		l4[13] = move->flags;
		put16(l4 + 14, 8192);
		put32(l4 + 16, 0);
		memset(l4 + TCP_SIZE_MIN, 1, options);
		draft_payload(move, l4 + TCP_SIZE_MIN + options, payload);
		return TCP_SIZE_MIN + options + payload;
	case PROTOCOL_NUMBER_UDP:
		put16(l4, source);
		put16(l4 + 2, destination);
		put16(l4 + 4, UDP_SIZE + payload);
		put16(l4 + 6, 0);
		draft_payload(move, l4 + UDP_SIZE, payload);
		return UDP_SIZE + payload;
	case PROTOCOL_NUMBER_ICMP:
		put32(l4, 0);
		l4[0] = move->kind & 1 ? move->flags : ICMP_ECHO_REQUEST;
		put16(l4 + 4, source);
		put16(l4 + 6, shift);
		draft_payload(move, l4 + ICMP_SIZE, payload);
		return ICMP_SIZE + payload;
	default:
		draft_payload(move, l4, payload);
		return payload;
	}
}

static be32 shifted(be32 address, unsigned by)
{
	return to_be32(from_be32(address) + by);
}

static bool draft_ip(struct game *game, const struct move *move, unsigned nth, struct draft *draft)
{
	const struct ends ends = game_ends(game, move, move->code % MOVE_CODES == MOVE_CALL);
	unsigned what = move->times >> 4, id = move->extra;
	unsigned port_shift = what == 1 ? nth : 0;
	be32 source = shifted(ends.source, what == 2 ? nth : 0);
	be32 destination = shifted(ends.destination, what == 3 ? nth : 0);
	uint8_t *ip = draft->data + ETHERNET_SIZE;

	id += what == 4 ? nth : 0;
	memset(ip, 0, IPV4_SIZE_MIN);
	uint32_t header = IPV4_SIZE_MIN + draft_options(move, ip);
	ip[0] = (uint8_t)(4 << 4 | header / 4);
	ip[9] = ends.protocol;
	put_address(ip + 12, source);
	put_address(ip + 16, destination);
	draft_fragment(move, ip, id);
	uint32_t l4 = draft_l4(move, &ends, ip + header, port_shift, payload_size(move));
	bool super = (move->link >> 5) == 3 || (move->link >> 5) == 4;
	if (header + l4 > UINT16_MAX && !super)
		return false;
	put16(ip + 2, header + l4 > UINT16_MAX ? 0 : header + l4);
	draft->length = ETHERNET_SIZE + header + l4;
	draft_ethernet(game, move, draft, source, ETHERTYPE_IPV4);
	if (header + l4 <= UINT16_MAX)
		finish_l4(ip);
	draft_link(move, draft, l4);
	return true;
}

/* ---- ARP, and what the appliance does not know ---- */

static bool draft_arp(const struct game *game, const struct move *move, unsigned nth,
		      struct draft *draft)
{
	unsigned what = move->times >> 4;
	be32 sender = shifted(address_of(game, move->source), what == 2 ? nth : 0);
	be32 target = shifted(address_of(game, move->destination), what == 3 ? nth : 0);
	uint8_t *arp = draft->data + ETHERNET_SIZE;

	draft_ethernet(game, move, draft, sender, ETHERTYPE_ARP);
	put16(arp, 1);
	put16(arp + 2, ETHERTYPE_IPV4);
	arp[4] = 6;
	arp[5] = 4;
	put16(arp + 6, 1 + (move->flags & 3));
	memcpy(arp + 8, draft->data + 6, 6);
	arp[13] ^= move->shape >> 6;
	put_address(arp + 14, sender);
	memcpy(arp + 18, &game->snapshot->interface[draft->interface].mac, 6);
	put_address(arp + 24, target);
	draft->length = ETHERNET_SIZE + 28;
	return true;
}

static bool draft_strange(const struct game *game, const struct move *move, struct draft *draft)
{
	static const uint16_t types[] = {ETHERTYPE_IPV6, ETHERTYPE_VLAN, ETHERTYPE_QINQ, 0x88cc};
	uint32_t size = payload_size(move);

	if (size > 9000)
		return false;
	draft_ethernet(game, move, draft, address_of(game, move->source), types[move->flags & 3]);
	draft_payload(move, draft->data + ETHERNET_SIZE, size);
	draft->length = ETHERNET_SIZE + size;
	if (move->link >> 5 == 3 || move->link >> 5 == 4) {
		draft->offload.gso_type = OFFLOAD_SEGMENT_TCPV4;
		draft->offload.gso_size = 1000;
		draft->offload.flags = (move->link >> 5) == 3 ? OFFLOAD_CHECKSUM_PARTIAL : 0;
		draft->offload.csum_start = move->extra;
		draft->offload.csum_offset = 16;
	}
	return true;
}

static bool draft_frame(struct game *game, const struct move *move, unsigned nth, struct draft *draft)
{
	switch (move->kind >> 4 & 3) {
	case 1: return draft_arp(game, move, nth, draft);
	case 2: return draft_strange(game, move, draft);
	default: return draft_ip(game, move, nth, draft);
	}
}

/* ---- what has left, answered ---- */

uint32_t game_interface(const struct game *game, uint32_t wanted)
{
	const struct snapshot *snapshot = game->snapshot;
	uint32_t index = wanted % snapshot->interfaces;

	while (!snapshot->interface[index].sides)
		index = (index + 1) % snapshot->interfaces;
	return index;
}

const struct game_kept *game_last(const struct game *game, unsigned n)
{
	n %= GAME_KEPT;
	return n < game->kept ? &game->out[(game->kept - 1 - n) % GAME_KEPT] : NULL;
}

static void turn(uint8_t *a, uint8_t *b, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

static bool answer_arp(const struct game *game, const struct move *move, struct draft *draft)
{
	uint8_t *arp = draft->data + ETHERNET_SIZE;
	be32 asked;

	memcpy(&asked, arp + 24, sizeof(asked));
	turn(arp + 8, arp + 18, 10);
	put16(arp + 6, 2);
	mac_of(arp + 8, asked);
	arp[13] ^= move->shape >> 6;
	draft_ethernet(game, move, draft, asked, ETHERTYPE_ARP);
	return true;
}

/* What was wrapped is unwrapped by the backend, which answers in the VIP's name. */
static void unwrap(struct draft *draft)
{
	uint8_t *ip = draft->data + ETHERNET_SIZE;
	uint32_t outer = (ip[0] & 15) * 4U;

	if (ip[9] == PROTOCOL_NUMBER_UDP && get16(ip + outer + 2) == 6080)
		outer += UDP_SIZE;
	else if (ip[9] != PROTOCOL_NUMBER_IPIP)
		return;
	if (draft->length < ETHERNET_SIZE + outer + IPV4_SIZE_MIN)
		return;
	memmove(ip, ip + outer, draft->length - ETHERNET_SIZE - outer);
	draft->length -= outer;
}

static uint8_t flags_of_answer(const struct move *move, uint8_t flags)
{
	if (move->flags)
		return move->flags;
	return flags & TCP_SYN ? TCP_SYN | TCP_ACK : TCP_ACK;
}

static bool answer_ip(const struct game *game, const struct move *move, struct draft *draft)
{
	uint8_t *ip = draft->data + ETHERNET_SIZE, *l4;
	uint32_t header, length, acknowledged, payload = payload_size(move);
	be32 source;

	if (!(move->kind & 1))
		unwrap(draft);
	header = (ip[0] & 15) * 4U;
	l4 = ip + header;
	if (header < IPV4_SIZE_MIN || draft->length < ETHERNET_SIZE + header + ICMP_SIZE ||
	    payload > 9000)
		return false;
	turn(ip + 12, ip + 16, 4);
	memcpy(&source, ip + 12, sizeof(source));
	switch (ip[9]) {
	case PROTOCOL_NUMBER_TCP:
		if (draft->length < ETHERNET_SIZE + header + TCP_SIZE_MIN)
			return false;
		turn(l4, l4 + 2, 2);
		acknowledged = get32(l4 + 4) + (l4[13] & TCP_SYN ? 1 : 0);
		put32(l4 + 4, get32(l4 + 8));
		put32(l4 + 8, acknowledged);
		l4[12] = TCP_SIZE_MIN / 4 << 4;
		l4[13] = flags_of_answer(move, l4[13]);
		draft_payload(move, l4 + TCP_SIZE_MIN, payload);
		length = TCP_SIZE_MIN + payload;
		break;
	case PROTOCOL_NUMBER_UDP:
		turn(l4, l4 + 2, 2);
		put16(l4 + 4, UDP_SIZE + payload);
		draft_payload(move, l4 + UDP_SIZE, payload);
		length = UDP_SIZE + payload;
		break;
	case PROTOCOL_NUMBER_ICMP:
		l4[0] = l4[0] == ICMP_ECHO_REQUEST ? ICMP_ECHO_REPLY : l4[0];
		length = draft->length - ETHERNET_SIZE - header;
		break;
	default: return false;
	}
	put16(ip + 2, header + length);
	draft_fragment(move, ip, move->times);
	draft->length = ETHERNET_SIZE + header + length;
	finish_l4(ip);
	draft_ethernet(game, move, draft, source, ETHERTYPE_IPV4);
	draft_link(move, draft, length);
	return true;
}

static bool take_kept(const struct game *game, const struct move *move, struct draft *draft)
{
	const struct game_kept *kept = game_last(game, move->times);

	if (!kept)
		return false;
	memcpy(draft->data, kept->bytes, kept->length);
	draft->length = kept->length;
	draft->offload = (struct offload){0};
	if (!(move->kind & 128))
		draft->interface = kept->interface;
	draft->interface = game_interface(game, draft->interface);
	return kept->length >= ETHERNET_SIZE + 28;
}

static bool draft_answer(const struct game *game, const struct move *move, struct draft *draft)
{
	if (!take_kept(game, move, draft))
		return false;
	if (get16(draft->data + 12) == ETHERTYPE_ARP)
		return answer_arp(game, move, draft);
	return get16(draft->data + 12) == ETHERTYPE_IPV4 && answer_ip(game, move, draft);
}

static bool draft_again(const struct game *game, const struct move *move, struct draft *draft)
{
	be32 source;

	if (!take_kept(game, move, draft))
		return false;
	memcpy(&source, draft->data + ETHERNET_SIZE + 12, sizeof(source));
	if (!(move->kind & 1))
		draft_ethernet(game, move, draft, source, get16(draft->data + 12));
	return true;
}

/* From a router on the way, or from the end: about a packet that has left. */
static bool draft_error(const struct game *game, const struct move *move, struct draft *draft)
{
	static const struct { uint8_t type, code; } kinds[] = {
		{3, 4}, {3, 3}, {3, 1}, {11, 0}, {11, 1}, {3, 5}, {12, 0}, {5, 0}, {4, 0}, {3, 2},
		{3, 13}, {0, 0},
	};
	static const uint16_t mtus[] = {ROUTER_MTU, 576, 68, 0, 60, 1500, 100, 96};
	static const uint16_t quotes[] = {28, 548, 20, 40, 64, 27, 36, 1480};
	static uint8_t quoted[GAME_KEPT_SIZE];
	uint8_t *ip = draft->data + ETHERNET_SIZE, *icmp = ip + IPV4_SIZE_MIN;
	uint32_t size, kind = move->flags % COUNT(kinds);
	be32 source, destination;

	if (!take_kept(game, move, draft) || get16(draft->data + 12) != ETHERTYPE_IPV4)
		return false;
	size = draft->length - ETHERNET_SIZE;
	if (size > quotes[move->size & 7])
		size = quotes[move->size & 7];
	memcpy(quoted, ip, size);
	if (move->kind & 2)
		quoted[6] &= (uint8_t)~(IPV4_DONT_FRAGMENT >> 8);
	memcpy(&source, quoted + 16, sizeof(source));
	memcpy(&destination, quoted + 12, sizeof(destination));
	if (move->source)
		source = address_of(game, move->source);
	if (move->destination)
		destination = address_of(game, move->destination);
	memset(ip, 0, IPV4_SIZE_MIN + ICMP_SIZE);
	ip[0] = 0x45;
	ip[9] = PROTOCOL_NUMBER_ICMP;
	put_address(ip + 12, source);
	put_address(ip + 16, destination);
	draft_fragment(move, ip, move->extra);
	icmp[0] = kinds[kind].type;
	icmp[1] = kinds[kind].code;
	put16(icmp + 6, kind ? 0 : mtus[move->extra & 7]);
	memcpy(icmp + ICMP_SIZE, quoted, size);
	put16(ip + 2, IPV4_SIZE_MIN + ICMP_SIZE + size);
	draft->length = ETHERNET_SIZE + IPV4_SIZE_MIN + ICMP_SIZE + size;
	finish_l4(ip);
	draft_ethernet(game, move, draft, source, ETHERTYPE_IPV4);
	draft_link(move, draft, ICMP_SIZE + size);
	return true;
}

/* ---- heartbeats ---- */

static const uint8_t keys[2][16] = {
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
};

static void write_beat(const struct game *game, const struct move *move, be32 source, uint8_t *beat)
{
	static const int64_t seconds[] = {0, 1, -1, 29, 31, -31, 30, -30};
	uint64_t wall_ns = WORLD_WALL_NS + game->now_ns +
			   (uint64_t)(seconds[move->extra & 7] * 1000000000);
	struct hmac_sha256_ctx hmac;

	memset(beat, 0, sizeof(struct heartbeat));
	put32(beat, HEARTBEAT_MAGIC);
	beat[4] = HEARTBEAT_VERSION;
	beat[5] = move->flags & 1;
	put16(beat + 6, move->value);
	put64(beat + 8, wall_ns);
	put64(beat + 16, move->shape);
	put_address(beat + 24, source);
	put16(beat + 28, move->flags & 2 ? 8080 : 0);
	hmac_sha256_set_key(&hmac, sizeof(keys[0]), keys[move->flags >> 2 & 1]);
	hmac_sha256_update(&hmac, HEARTBEAT_SIGNED, beat);
	hmac_sha256_digest(&hmac, HEARTBEAT_HMAC_SIZE, beat + HEARTBEAT_SIGNED);
	if (move->flags & 8)
		beat[HEARTBEAT_SIGNED + (move->value & 31)] ^= 1;
	if (move->flags & 16)
		beat[move->value % HEARTBEAT_SIGNED] ^= 0x10;
}

static bool draft_beat(const struct game *game, const struct move *move, unsigned nth,
		       struct draft *draft)
{
	const struct snapshot *snapshot = game->snapshot;
	uint32_t listeners = snapshot->targets + snapshot->registrations;
	be32 source = address_of(game, move->source);
	uint16_t port = game->world->port[move->destination_port % game->world->ports];
	uint32_t which = listeners ? move->source % listeners : 0;
	uint32_t size = move->flags & 32 ? 9 : sizeof(struct heartbeat);
	uint8_t *ip = draft->data + ETHERNET_SIZE, *udp = ip + IPV4_SIZE_MIN;

	/* Of one who is listened to, or may join. */
	if (listeners && !(move->flags & 64) && which < snapshot->targets) {
		source = snapshot->target[which].address;
		port = from_be16(snapshot->target[which].heartbeat_port);
	} else if (listeners && !(move->flags & 64)) {
		which -= snapshot->targets;
		source = shifted(snapshot->registration[which].prefix, move->kind);
		port = from_be16(snapshot->registration[which].heartbeat_port);
	}
	source = shifted(source, nth);
	memset(ip, 0, IPV4_SIZE_MIN + UDP_SIZE);
	ip[0] = 0x45;
	ip[8] = 64;
	ip[9] = PROTOCOL_NUMBER_UDP;
	put_address(ip + 12, source);
	put_address(ip + 16, address_of(game, move->destination));
	put16(ip + 2, IPV4_SIZE_MIN + UDP_SIZE + size);
	put16(udp, 9);
	put16(udp + 2, port);
	put16(udp + 4, UDP_SIZE + size);
	write_beat(game, move, source, udp + UDP_SIZE);
	draft->length = ETHERNET_SIZE + IPV4_SIZE_MIN + UDP_SIZE + size;
	finish_l4(ip);
	draft_ethernet(game, move, draft, source, ETHERTYPE_IPV4);
	return true;
}

/* ---- all of them ---- */

/* What a move does to the frame that it has made: its own edit, those of MOVE_EDIT, damage. */
static void spoil(struct game *game, const struct move *move, struct draft *draft)
{
	bool ipv4 = draft->length >= ETHERNET_SIZE + IPV4_SIZE_MIN &&
		    get16(draft->data + 12) == ETHERTYPE_IPV4;
	uint8_t *ip = draft->data + ETHERNET_SIZE, *l4 = ip + (ip[0] & 15) * 4;
	bool damages = move->code % MOVE_CODES <= MOVE_FRAME, checksum = false;

	for (unsigned i = 0; i < game->edits; i++) {
		if (game->edit[i].at < draft->length)
			draft->data[game->edit[i].at] = game->edit[i].value;
		checksum = checksum || game->edit[i].at == 24 || game->edit[i].at == 25;
	}
	if (move->code % MOVE_CODES != MOVE_BEAT && move->at &&
	    ETHERNET_SIZE + (uint32_t)move->at < draft->length)
		ip[move->at] = move->value;
	if (!ipv4 || draft->length < ETHERNET_SIZE + IPV4_SIZE_MIN)
		return;
	if (damages && move->shape & 32 && l4 + 8 < draft->data +
	    draft->length)
		l4[8] ^= 0x40;
	if (damages && move->shape & 64 &&
	    ip[9] == PROTOCOL_NUMBER_UDP && !draft->offload.flags && !draft->offload.gso_type)
		put16(l4 + 6, 0);
	if ((ip[0] & 15) >= 5 && (ip[0] & 15) * 4U <= draft->length - ETHERNET_SIZE && !checksum)
		finish_ip(ip);
	if (damages && move->shape & 128)
		ip[10] ^= 1;
}

static void cut(const struct move *move, struct draft *draft)
{
	draft->wire_length = draft->length;
	if (move->code % MOVE_CODES > MOVE_FRAME)
		return;
	switch (move->size >> 4) {
	case 1:
		memset(draft->data + draft->length, 0xee, 18);
		draft->length += 18;
		draft->wire_length = draft->length;
		break;
	case 2: draft->wire_length += 1; break;
	case 3:
		draft->length -= move->extra < draft->length ? move->extra : 0;
		draft->wire_length = draft->length;
		break;
	default: break;
	}
}

bool draft_move(struct game *game, const struct move *move, unsigned nth, struct draft *draft)
{
	bool made;

	draft->interface = game_interface(game, move->interface);
	switch (move->code % MOVE_CODES) {
	case MOVE_CALL: made = draft_ip(game, move, nth, draft); break;
	case MOVE_FRAME: made = draft_frame(game, move, nth, draft); break;
	case MOVE_ANSWER: made = draft_answer(game, move, draft); break;
	case MOVE_ERROR: made = draft_error(game, move, draft); break;
	case MOVE_AGAIN: made = draft_again(game, move, draft); break;
	case MOVE_BEAT: made = draft_beat(game, move, nth, draft); break;
	default: return false;
	}
	if (!made)
		return false;
	spoil(game, move, draft);
	cut(move, draft);
	return true;
}
