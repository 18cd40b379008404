/* What the parts of the path's fuzzer share: the game under way, and the frame that is being made. */
#ifndef TESTS_PROOF_FUZZ_GAME_H
#define TESTS_PROOF_FUZZ_GAME_H

#include <stdbool.h>

#include "appliance/path/frame.h"
#include "appliance/path/wire.h"
#include "tests/proof/fuzz/play.h"

enum {
	GAME_KEPT = 16,            /* frames that left last, to be answered */
	GAME_KEPT_SIZE = 1600,     /* bytes of each */
	GAME_BATCH = 80,           /* more than the path goes over together */
	GAME_BYTES_MAX = 400000,   /* that an input may send, so that none takes long */
	GAME_SMALL = 2048,         /* what comes in batches is no larger */
	GAME_FRAME_MAX = 72000,    /* a super-frame of BIG TCP */
	GAME_EDITS = 28,
	GAME_MACS = 64,            /* that have come, and may leave by a bridge */
	GAME_HEAD = 64 + 16,       /* before a frame: its headroom, and what must not be touched */
};

struct game_edit { uint8_t at, value; };

struct game_kept {
	uint32_t interface, length; /* `length`: bytes kept */
	struct offload offload;
	uint8_t bytes[GAME_KEPT_SIZE];
};

struct game {
	struct world *world;
	const struct snapshot *snapshot;
	unsigned variant, epoch;
	uint64_t now_ns, digest;
	bool tell;
	unsigned frames;                 /* sent to the path so far */
	uint64_t bytes;                  /* and their bytes */
	bool damaged;                    /* one had an L4 checksum that was wrong */
	bool blank;                      /* one was UDP without a checksum */
	unsigned kept;                   /* frames that left, in all */
	struct game_kept out[GAME_KEPT]; /* the last of them, by turns */
	unsigned edits;
	struct game_edit edit[GAME_EDITS];
	unsigned macs;
	struct mac_address mac[GAME_MACS];
	/* What is in the path's hands now: the frames as they came, and what is left to compare. */
	unsigned batch;
	const struct frame *came;        /* [batch] */
	const uint8_t *came_bytes[GAME_BATCH];
};

/* The frame as it will come, without what edits do to it. */
struct draft {
	uint8_t *data;
	uint32_t length;       /* present */
	uint32_t wire_length;
	uint32_t interface;
	struct offload offload;
	uint16_t vlan_tpid, vlan_tci;
};

/* An interface that the configuration in force has: frames come from no other. */
uint32_t game_interface(const struct game *game, uint32_t wanted);

/* The n-th last frame that left, or NULL. */
const struct game_kept *game_last(const struct game *game, unsigned n);

/* Makes the frame of a move in `draft->data`, GAME_FRAME_MAX bytes; false: the move makes none. `nth`:
 * of how often it is sent. */
bool draft_move(struct game *game, const struct move *move, unsigned nth, struct draft *draft);

/* Who sends what to whom, as a move says. */
struct ends {
	be32 source, destination;
	uint16_t source_port, destination_port;
	uint8_t protocol;
};
struct ends game_ends(const struct game *game, const struct move *move, bool is_call);

/* Own sums, so that what is wrong in the path's is seen. */
uint16_t plain_sum(uint64_t sum, const uint8_t *bytes, uint32_t length);
/* The sum over pseudo header and L4 of an IPv4 packet without fragments: 0xffff where it is right. */
uint16_t plain_l4_sum(const uint8_t *ip, uint32_t l4_length);
bool plain_l4_is_right(const uint8_t *ip);
/* The same where the checksum is left to hardware: what it starts from. */
bool plain_partial_is_right(const uint8_t *data, uint32_t length, const struct offload *offload);

/* Ends the run with a sentence and the story of the input. */
void game_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A frame comes: what it brings that may leave again. */
void oracle_came(struct game *game, const struct frame *frame);
/* A frame leaves: everything that must be true of any. */
void oracle_sent(struct game *game, const struct frame *frame);
/* Conservation, flows and gauges, between two moves. */
void oracle_laws(const struct game *game);
/* Left alone, nothing waits and no flow is left. */
void oracle_run_down(struct game *game);
/* Plays time on, with the ticks that are due. */
void game_advance(struct game *game, uint64_t to_ns);

#endif
