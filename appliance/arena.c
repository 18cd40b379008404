#include "appliance/arena.h"

#include <stdlib.h>

struct chunk {
	struct chunk *next;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct chunk *chunks;
	bool failed;
};

struct arena *arena_new(void)
{
	return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	for (struct chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(arena);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;
	struct chunk *chunk = NULL;

	if (!__builtin_mul_overflow(count, size, &bytes) &&
	    !__builtin_add_overflow(bytes, sizeof(*chunk), &bytes))
		chunk = calloc(1, bytes);
	if (!chunk) {
		arena->failed = true;
		return NULL;
	}
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk->bytes;
}

bool arena_failed(const struct arena *arena)
{
	return arena->failed;
}
