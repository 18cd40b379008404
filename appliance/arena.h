/* Memory that is freed all at once. */
#ifndef APPLIANCE_ARENA_H
#define APPLIANCE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

/* NULL where memory lacks. */
struct arena *arena_new(void);
void arena_free(struct arena *arena);

/* `count` zeroed items of `size`, aligned for any type; NULL where memory lacks, and that is
 * remembered: a builder may go on and ask once, at its end. */
void *arena_array(struct arena *arena, size_t count, size_t size);
bool arena_failed(const struct arena *arena);

#endif
