/* libFuzzer's door to play.c. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/proof/fuzz/fuzz.h"
#include "tests/proof/fuzz/play.h"

void fuzz_init(void)
{
	const char *worlds = getenv("LB_WORLDS");

	play_init(worlds ? worlds : "tests/proof/fuzz/worlds");
}

uint64_t fuzz_one(const uint8_t *data, size_t size, int tell)
{
	return play(data, size, tell);
}
