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

enum {
	TCP = PROTOCOL_NUMBER_TCP,
	UDP = PROTOCOL_NUMBER_UDP,
};

#define SECOND_NS UINT64_C(1000000000)

struct life {
	const char *what;
	uint8_t protocol;
	bool sees_replies;
	const char *packets;
	enum flow_state state;
	bool half_open;
	enum flow_close_reason end;
};

static const struct life lives[] = {
	{"lone SYN", TCP, true, "S", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"SYN again", TCP, true, "S S", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"SYN and SYN-ACK", TCP, true, "S <SA", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"handshake", TCP, true, "S <SA A", FLOW_TCP_ESTABLISHED, false, FLOW_CLOSE_IDLE},
	{"SYN again after the answer", TCP, true, "S <SA S", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"client's SYN-ACK is no ACK", TCP, true, "S <SA SA", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"data without ACK is no ACK", TCP, true, "S <SA P", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"ACK before the answer", TCP, true, "S A A A", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"backend alone", TCP, true, "S <SA <A <A", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"lone ACK", TCP, true, "A", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"flood of one ACK", TCP, true, "A A A", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"taken up in mid-stream", TCP, true, "A <A A", FLOW_TCP_ESTABLISHED, false, FLOW_CLOSE_IDLE},

	{"client's FIN", TCP, true, "S <SA A FA", FLOW_TCP_FIN, false, FLOW_CLOSE_CLOSED},
	{"backend's FIN", TCP, true, "S <SA A <FA", FLOW_TCP_FIN, false, FLOW_CLOSE_CLOSED},
	{"data after one FIN", TCP, true, "S <SA A FA <A <A A", FLOW_TCP_FIN, false, FLOW_CLOSE_CLOSED},
	{"FIN again is one FIN", TCP, true, "S <SA A FA FA", FLOW_TCP_FIN, false, FLOW_CLOSE_CLOSED},
	{"both FINs", TCP, true, "S <SA A FA <FA", FLOW_TCP_CLOSED, false, FLOW_CLOSE_CLOSED},
	{"both FINs, backend first", TCP, true, "S <SA A <FA FA A", FLOW_TCP_CLOSED, false,
	 FLOW_CLOSE_CLOSED},
	{"FIN with the handshake's ACK", TCP, true, "S <SA FA", FLOW_TCP_FIN, false, FLOW_CLOSE_CLOSED},
	{"FIN before any answer", TCP, true, "S FA", FLOW_TCP_SYN, true, FLOW_CLOSE_CLOSED},
	{"end taken up in mid-stream", TCP, true, "FA <FA A", FLOW_TCP_CLOSED, false, FLOW_CLOSE_CLOSED},

	{"client's RST", TCP, true, "S <SA A R", FLOW_TCP_CLOSED, false, FLOW_CLOSE_RESET},
	{"backend's RST", TCP, true, "S <SA A <RA", FLOW_TCP_CLOSED, false, FLOW_CLOSE_RESET},
	{"refused", TCP, true, "S <RA", FLOW_TCP_CLOSED, true, FLOW_CLOSE_RESET},
	{"SYN and RST", TCP, true, "S R", FLOW_TCP_CLOSED, true, FLOW_CLOSE_RESET},
	{"lone RST", TCP, true, "R", FLOW_TCP_CLOSED, true, FLOW_CLOSE_RESET},
	{"RST after a FIN", TCP, true, "S <SA A FA <R", FLOW_TCP_CLOSED, false, FLOW_CLOSE_RESET},
	{"no life after a RST", TCP, true, "S <SA A R A <A", FLOW_TCP_CLOSED, false, FLOW_CLOSE_RESET},

	{"replies unseen: SYN", TCP, false, "S", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"replies unseen: SYN, ACK", TCP, false, "S A", FLOW_TCP_ESTABLISHED, false, FLOW_CLOSE_IDLE},
	{"replies unseen: lone ACK", TCP, false, "A", FLOW_TCP_SYN, true, FLOW_CLOSE_IDLE},
	{"replies unseen: second ACK", TCP, false, "A A", FLOW_TCP_ESTABLISHED, false, FLOW_CLOSE_IDLE},
	{"replies unseen: FIN", TCP, false, "S A FA", FLOW_TCP_FIN, false, FLOW_CLOSE_CLOSED},
	{"replies unseen: FIN at once", TCP, false, "S FA", FLOW_TCP_FIN, false, FLOW_CLOSE_CLOSED},
	{"replies unseen: RST", TCP, false, "S A R", FLOW_TCP_CLOSED, false, FLOW_CLOSE_RESET},

	{"UDP, client alone", UDP, true, "P P P", FLOW_UDP_ONE_WAY, false, FLOW_CLOSE_IDLE},
	{"UDP, answered", UDP, true, "P <P", FLOW_UDP_TWO_WAY, false, FLOW_CLOSE_IDLE},
	{"UDP, client goes on", UDP, true, "P <P P P", FLOW_UDP_TWO_WAY, false, FLOW_CLOSE_IDLE},
	{"UDP, replies unseen", UDP, false, "P P", FLOW_UDP_ONE_WAY, false, FLOW_CLOSE_IDLE},
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
		uint8_t seen = see_all(life->packets, life->sees_replies);

		if (flow_life_state(life->protocol, seen) != life->state)
			fail_msg("%s (%s): state %s, not %s", life->what, life->packets,
				 flow_state_text(flow_life_state(life->protocol, seen)),
				 flow_state_text(life->state));
		if (flow_life_half_open(life->protocol, seen) != life->half_open)
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
