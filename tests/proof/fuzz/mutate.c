/* How libFuzzer changes a sequence of moves: moves come, go, are repeated or exchanged, or one field of
 * one of them is another. The first byte, the world, rarely changes. */
#include <string.h>

#include "tests/proof/fuzz/play.h"

enum { MOVE = sizeof(struct move) };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t out_size, unsigned seed);

static uint32_t below(unsigned *seed, uint32_t limit)
{
	*seed = *seed * 1664525 + 1013904223;
	return limit ? (*seed >> 8) % limit : 0;
}

/* The last one is a crowd, and takes long. */
static uint8_t some_world(unsigned *seed)
{
	uint32_t last = worlds_count() - 1;

	return (uint8_t)(below(seed, 64) ? below(seed, last) : last);
}

/* Mostly what does nothing much: small numbers, and zeros. */
static void invent(uint8_t move[MOVE], unsigned *seed)
{
	for (unsigned i = 0; i < MOVE; i++)
		move[i] = (uint8_t)(below(seed, 3) ? 0 : below(seed, 4) ? below(seed, 16) :
							 below(seed, 256));
	move[0] = (uint8_t)(below(seed, 3) ? below(seed, 4) : below(seed, MOVE_CODES));
	move[1] = (uint8_t)below(seed, 3);
	move[3] = (uint8_t)below(seed, 12);
	move[4] = (uint8_t)below(seed, 12);
	move[6] = (uint8_t)below(seed, 8);
}

static void change_field(uint8_t move[MOVE], unsigned *seed)
{
	uint8_t *field = &move[below(seed, MOVE)];

	switch (below(seed, 4)) {
	case 0: *field = (uint8_t)below(seed, 256); break;
	case 1: *field = (uint8_t)below(seed, 16); break;
	case 2: *field ^= (uint8_t)(1 << below(seed, 8)); break;
	default: *field = (uint8_t)(*field + (below(seed, 2) ? 1 : -1)); break;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size_t moves = size > MOVE ? (size - 1) / MOVE : 0;
	size_t room = (max_size - 1) / MOVE, at = below(&seed, (uint32_t)moves);
	uint8_t *move = data + 1 + at * MOVE;

	if (!moves) {
		data[0] = some_world(&seed);
		invent(data + 1, &seed);
		return 1 + MOVE;
	}
	switch (below(&seed, 12)) {
	case 0:
		if (below(&seed, 8))
			break;
		data[0] = some_world(&seed);
		return 1 + moves * MOVE;
	case 1: /* a move less */
		if (moves == 1)
			break;
		memmove(move, move + MOVE, (moves - at - 1) * MOVE);
		return 1 + (moves - 1) * MOVE;
	case 2: /* a new one, or one once more, anywhere */
	case 3:
		if (moves >= room)
			break;
		uint8_t more[MOVE];
		memcpy(more, move, MOVE);
		if (below(&seed, 2))
			invent(more, &seed);
		at = below(&seed, (uint32_t)moves + 1);
		move = data + 1 + at * MOVE;
		memmove(move + MOVE, move, (moves - at) * MOVE);
		memcpy(move, more, MOVE);
		return 1 + (moves + 1) * MOVE;
	case 4: { /* two change places */
		uint8_t *other = data + 1 + below(&seed, (uint32_t)moves) * MOVE, kept[MOVE];

		memcpy(kept, move, MOVE);
		memmove(move, other, MOVE);
		memcpy(other, kept, MOVE);
		return 1 + moves * MOVE;
	}
	case 5:
		invent(move, &seed);
		return 1 + moves * MOVE;
	case 6:
		LLVMFuzzerMutate(move, MOVE, MOVE);
		return 1 + moves * MOVE;
	default: break;
	}
	change_field(move, &seed);
	return 1 + moves * MOVE;
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t out_size, unsigned seed)
{
	size_t first = a_size > MOVE ? below(&seed, (uint32_t)((a_size - 1) / MOVE) + 1) : 0;
	size_t from = b_size > MOVE ? below(&seed, (uint32_t)((b_size - 1) / MOVE)) : 0;
	size_t size = 1 + first * MOVE, rest = b_size > 1 ? b_size - 1 - from * MOVE : 0;

	if (!a_size || size > out_size)
		return 0;
	memcpy(out, a, size);
	if (rest > out_size - size)
		rest = (out_size - size) / MOVE * MOVE;
	memcpy(out + size, b + 1 + from * MOVE, rest);
	return size + rest;
}
