/* A flow's life, as rows: what was seen, what follows from it.
 *
 * Packets are written as flags (S SYN, A ACK, F FIN, R RST, P data without flags of their own), a
 * reply with '<' before it: "S <SA A" is a handshake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "appliance/path/flow_life.h"
#include "appliance/path/wire.h"

#define SECOND_NS UINT64_C(1000000000)

/* By NAT, replies cross the appliance; by DSR, they do not. */
enum kind { NAT_TCP, NAT_UDP, DSR_TCP, DSR_UDP };

enum { OPEN, HALF_OPEN };

struct life {
	const char *what;
	const char *packets;
	enum kind kind;
	enum flow_state state;
	unsigned half_open;
	enum flow_close_reason end;
};

static const struct life lives[] = {
	{"lone SYN", "S", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"SYN again", "S S", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"SYN and SYN-ACK", "S <SA", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"handshake", "S <SA A", NAT_TCP, FLOW_TCP_ESTABLISHED, OPEN, FLOW_CLOSE_IDLE},
	{"SYN after the answer", "S <SA S", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"SYN-ACK is no ACK", "S <SA SA", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"data is no ACK", "S <SA P", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"ACK before the answer", "S A A A", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"backend goes on alone", "S <SA <A <A", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"lone ACK", "A", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"flood of one ACK", "A A A", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"taken up in mid-stream", "A <A A", NAT_TCP, FLOW_TCP_ESTABLISHED, OPEN, FLOW_CLOSE_IDLE},

	{"client's FIN", "S <SA A FA", NAT_TCP, FLOW_TCP_FIN, OPEN, FLOW_CLOSE_CLOSED},
	{"backend's FIN", "S <SA A <FA", NAT_TCP, FLOW_TCP_FIN, OPEN, FLOW_CLOSE_CLOSED},
	{"data after a FIN", "S <SA A FA <A A", NAT_TCP, FLOW_TCP_FIN, OPEN, FLOW_CLOSE_CLOSED},
	{"FIN again is one FIN", "S <SA A FA FA", NAT_TCP, FLOW_TCP_FIN, OPEN, FLOW_CLOSE_CLOSED},
	{"both FINs", "S <SA A FA <FA", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_CLOSED},
	{"backend's first", "S <SA A <FA FA", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_CLOSED},
	{"FIN with the ACK", "S <SA FA", NAT_TCP, FLOW_TCP_FIN, OPEN, FLOW_CLOSE_CLOSED},
	{"FIN before any answer", "S FA", NAT_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_CLOSED},
	{"taken up at the end", "FA <FA A", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_CLOSED},

	{"client's RST", "S <SA A R", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_RESET},
	{"backend's RST", "S <SA A <RA", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_RESET},
	{"refused", "S <RA", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_RESET},
	{"SYN and RST", "S R", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_RESET},
	{"lone RST", "R", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_RESET},
	{"FINs without a handshake", "S FA <FA", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_CLOSED},
	{"both sides at once", "S <S SA <SA A", NAT_TCP, FLOW_TCP_ESTABLISHED, OPEN, FLOW_CLOSE_IDLE},
	{"RST after a FIN", "S <SA A FA <R", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_RESET},
	{"no life after a RST", "S <SA A R A <A", NAT_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_RESET},

	{"SYN", "S", DSR_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"SYN, ACK", "S A", DSR_TCP, FLOW_TCP_ESTABLISHED, OPEN, FLOW_CLOSE_IDLE},
	{"lone ACK", "A", DSR_TCP, FLOW_TCP_SYN, HALF_OPEN, FLOW_CLOSE_IDLE},
	{"second ACK", "A A", DSR_TCP, FLOW_TCP_ESTABLISHED, OPEN, FLOW_CLOSE_IDLE},
	{"FIN", "S A FA", DSR_TCP, FLOW_TCP_FIN, OPEN, FLOW_CLOSE_CLOSED},
	{"FIN at once", "S FA", DSR_TCP, FLOW_TCP_FIN, OPEN, FLOW_CLOSE_CLOSED},
	{"RST", "S A R", DSR_TCP, FLOW_TCP_CLOSED, OPEN, FLOW_CLOSE_RESET},

	{"client alone", "P P P", NAT_UDP, FLOW_UDP_ONE_WAY, OPEN, FLOW_CLOSE_IDLE},
	{"answered", "P <P", NAT_UDP, FLOW_UDP_TWO_WAY, OPEN, FLOW_CLOSE_IDLE},
	{"client goes on", "P <P P P", NAT_UDP, FLOW_UDP_TWO_WAY, OPEN, FLOW_CLOSE_IDLE},
	{"client alone", "P P", DSR_UDP, FLOW_UDP_ONE_WAY, OPEN, FLOW_CLOSE_IDLE},
};

/* The flags of the packet at *text, which is moved behind it. */
static uint8_t read_packet(const char **text, enum flow_direction *ret_direction)
{
	uint8_t flags = 0;

	*ret_direction = **text == '<' ? FLOW_REPLY : FLOW_FORWARD;
	*text += **text == '<';
	for (; **text && **text != ' '; (*text)++) {
		switch (**text) {
		case 'S': flags |= TCP_SYN; break;
		case 'A': flags |= TCP_ACK; break;
		case 'F': flags |= TCP_FIN; break;
		case 'R': flags |= TCP_RST; break;
		case 'P': break;
		default: fail_msg("no such flag: %c", **text);
		}
	}
	*text += **text == ' ';
	return flags;
}

static uint8_t see_all(const char *packets, bool sees_replies)
{
	enum flow_direction direction;
	uint8_t seen = flow_life_begin(read_packet(&packets, &direction));

	while (*packets) {
		uint8_t flags = read_packet(&packets, &direction);

		seen = flow_life_see(seen, direction, flags, sees_replies);
	}
	return seen;
}

static void state_follows_from_what_was_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(*lives); i++) {
		const struct life *life = &lives[i];
		bool tcp = life->kind == NAT_TCP || life->kind == DSR_TCP;
		bool sees_replies = life->kind == NAT_TCP || life->kind == NAT_UDP;
		uint8_t protocol = tcp ? PROTOCOL_NUMBER_TCP : PROTOCOL_NUMBER_UDP;
		uint8_t seen = see_all(life->packets, sees_replies);

		if (flow_life_state(protocol, seen) != life->state)
			fail_msg("%s (%s): state %s, not %s", life->what, life->packets,
				 flow_state_text(flow_life_state(protocol, seen)),
				 flow_state_text(life->state));
		if (flow_life_half_open(protocol, seen) != (life->half_open == HALF_OPEN))
			fail_msg("%s (%s): half-open or not", life->what, life->packets);
		if (flow_life_end(seen) != life->end)
			fail_msg("%s (%s): ends as %s, not %s", life->what, life->packets,
				 flow_close_reason_text(flow_life_end(seen)),
				 flow_close_reason_text(life->end));
		assert_int_equal(flow_life_closing(seen), life->end != FLOW_CLOSE_IDLE);
	}
}

/* The timeouts of SEMANTICS, written down a second time. */
static void timeouts_are_the_promised_ones(void **state)
{
	static const unsigned seconds[FLOW_STATE_COUNT] = {
		[FLOW_UDP_ONE_WAY] = 30, [FLOW_UDP_TWO_WAY] = 180, [FLOW_TCP_SYN] = 30,
		[FLOW_TCP_ESTABLISHED] = 900, [FLOW_TCP_FIN] = 60, [FLOW_TCP_CLOSED] = 10,
	};

	(void)state;
	for (enum flow_state life = 0; life < FLOW_STATE_COUNT; life++)
		assert_int_equal(flow_life_timeout_ns(life, 0), seconds[life] * SECOND_NS);
}

static void idle_timeout_replaces_established_and_both_of_udp(void **state)
{
	(void)state;
	assert_int_equal(flow_life_timeout_ns(FLOW_TCP_ESTABLISHED, 1500), SECOND_NS * 3 / 2);
	assert_int_equal(flow_life_timeout_ns(FLOW_UDP_ONE_WAY, 1500), SECOND_NS * 3 / 2);
	assert_int_equal(flow_life_timeout_ns(FLOW_UDP_TWO_WAY, 1500), SECOND_NS * 3 / 2);
	assert_int_equal(flow_life_timeout_ns(FLOW_TCP_SYN, 1500), 30 * SECOND_NS);
	assert_int_equal(flow_life_timeout_ns(FLOW_TCP_FIN, 1500), 60 * SECOND_NS);
	assert_int_equal(flow_life_timeout_ns(FLOW_TCP_CLOSED, 1500), 10 * SECOND_NS);
	assert_int_equal(flow_life_timeout_ns(FLOW_TCP_ESTABLISHED, UINT32_MAX),
			 UINT32_MAX * UINT64_C(1000000));
}

static void a_syn_is_one_without_ack(void **state)
{
	(void)state;
	assert_true(flow_life_is_syn(TCP_SYN));
	assert_true(flow_life_is_syn(TCP_SYN | 0x40 | 0x80)); /* with ECN: RFC 3168 section 6.1.1 */
	assert_false(flow_life_is_syn(TCP_SYN | TCP_ACK));
	assert_false(flow_life_is_syn(TCP_ACK));
	assert_false(flow_life_is_syn(0));
}

/* Whatever is seen next, in all 32 sets of facts and all 64 combinations of flags. */
static void facts_only_grow(void **state)
{
	(void)state;
	for (unsigned seen = 0; seen < 32; seen++) {
		for (unsigned flags = 0; flags < 64; flags++) {
			for (unsigned mode = 0; mode < 4; mode++) {
				uint8_t next = flow_life_see((uint8_t)seen, mode & 1,
							     (uint8_t)flags, mode & 2);

				assert_int_equal(next & seen, seen);
				if (!flow_life_half_open(PROTOCOL_NUMBER_TCP, (uint8_t)seen))
					assert_false(flow_life_half_open(PROTOCOL_NUMBER_TCP, next));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_follows_from_what_was_seen),
		cmocka_unit_test(timeouts_are_the_promised_ones),
		cmocka_unit_test(idle_timeout_replaces_established_and_both_of_udp),
		cmocka_unit_test(a_syn_is_one_without_ack),
		cmocka_unit_test(facts_only_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
