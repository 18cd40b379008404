/* An input of the path's fuzzer: a world and a sequence of moves of 16 bytes each, so that what a
 * mutator cuts, repeats or exchanges are moves. Whatever the bytes are, they are some sequence. */
#ifndef TESTS_PROOF_FUZZ_PLAY_H
#define TESTS_PROOF_FUZZ_PLAY_H

#include <stddef.h>
#include <stdint.h>

#include "tests/proof/fuzz/world.h"

enum move_code {
	MOVE_CALL,    /* of a service by a client: what `destination` and its port say is which */
	MOVE_FRAME,   /* from `source` to `destination`, of a kind */
	MOVE_ANSWER,  /* to a frame that has left: by whom it is for */
	MOVE_ERROR,   /* ICMP about a frame that has left, or has come */
	MOVE_AGAIN,   /* one that has left comes in */
	MOVE_BEAT,    /* a heartbeat, signed or not */
	MOVE_EDIT,    /* bytes of the next frame */
	MOVE_RAW,     /* moves that follow are the bytes of a frame */
	MOVE_PUBLISH, /* another variant of the configuration */
	MOVE_TIME,
	MOVE_CONTROL, /* what control and consoles ask the path for */
	MOVE_CODES,
};

struct move {
	uint8_t code;        /* enum move_code */
	uint8_t interface;
	uint8_t kind;
	uint8_t source, destination;
	uint8_t source_port, destination_port;
	uint8_t flags;       /* TCP flags, ICMP type, ARP operation */
	uint8_t size;        /* of the payload; options */
	uint8_t shape;       /* fragments, TTL, DF, damage */
	uint8_t link;        /* MACs, offload, VLAN */
	uint8_t at, value;   /* an edit, at an offset from the IP header; 0: none */
	uint8_t times;       /* sent more than once, and what differs then */
	uint8_t time;        /* that passes before */
	uint8_t extra;
};
_Static_assert(sizeof(struct move) == 16, "moves are cut by 16");

enum { MOVES_MAX = 256 };

/* Plays an input; aborts with the story so far where the path breaks a promise. Returns a digest of all
 * that could be seen of the path. `tell`: says on stdout what happens. */
uint64_t play(const uint8_t *data, size_t size, int tell);
void play_init(const char *worlds);

#endif
