/* How a rate has gone lately: for the small curves of the monitor.
 *
 * Samples come as JSON documents, and so do the names: they are borrowed of the last document,
 * which is kept until the next one has been taken in.
 */
#ifndef LB_TREND_H
#define LB_TREND_H

#include <stddef.h>
#include <stdint.h>

enum { TREND_LENGTH = 32 };

struct trend {
	const char *what, *of;            /* "backend", "web"; what tells it from others */
	const char *name;                 /* "10.0.0.11:80" */
	uint64_t value[TREND_LENGTH];     /* the newest last */
	unsigned count;                   /* of values that there are */
};

/* Ordered by its names. */
struct trends {
	struct trend *trend;
	size_t count, capacity;
};

/* Adds one of a new set; the names are borrowed. Memory that lacks is a trend that lacks. */
void trends_add(struct trends *trends, const char *what, const char *of, const char *name,
		uint64_t value);
/* The set is complete: what the one before knew of the same names goes before it. Frees `before`. */
void trends_follow(struct trends *trends, struct trends *before);
void trends_free(struct trends *trends);
/* NULL where there is none. */
const struct trend *trends_find(const struct trends *trends, const char *what, const char *of,
				const char *name);

#endif
