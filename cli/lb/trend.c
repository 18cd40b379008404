#include "cli/lb/trend.h"

#include <stdlib.h>
#include <string.h>

void trends_add(struct trends *trends, const char *what, const char *of, const char *name,
		uint64_t value)
{
	if (trends->count == trends->capacity) {
		size_t capacity = trends->capacity ? 2 * trends->capacity : 64;
		struct trend *trend = reallocarray(trends->trend, capacity, sizeof(*trend));

		if (!trend)
			return;
		trends->trend = trend;
		trends->capacity = capacity;
	}
	trends->trend[trends->count] = (struct trend){
		.what = what, .of = of, .name = name, .count = 1,
	};
	trends->trend[trends->count++].value[TREND_LENGTH - 1] = value;
}

static int order(const void *a, const void *b)
{
	const struct trend *one = a, *other = b;
	int result = strcmp(one->what, other->what);

	if (!result)
		result = strcmp(one->of, other->of);
	return result ? result : strcmp(one->name, other->name);
}

static void go_on(struct trend *trend, const struct trend *before)
{
	uint64_t last = trend->value[TREND_LENGTH - 1];

	memmove(trend->value, before->value + 1, sizeof(trend->value) - sizeof(trend->value[0]));
	trend->value[TREND_LENGTH - 1] = last;
	trend->count = before->count < TREND_LENGTH ? before->count + 1 : TREND_LENGTH;
}

void trends_follow(struct trends *trends, struct trends *before)
{
	size_t at = 0;

	if (trends->count)
		qsort(trends->trend, trends->count, sizeof(*trends->trend), order);
	for (size_t i = 0; i < trends->count; i++) {
		while (at < before->count && order(&before->trend[at], &trends->trend[i]) < 0)
			at++;
		if (at < before->count && order(&before->trend[at], &trends->trend[i]) == 0)
			go_on(&trends->trend[i], &before->trend[at]);
	}
	trends_free(before);
}

void trends_free(struct trends *trends)
{
	free(trends->trend);
	*trends = (struct trends){0};
}

const struct trend *trends_find(const struct trends *trends, const char *what, const char *of,
				const char *name)
{
	const struct trend wanted = {.what = what, .of = of, .name = name};

	if (!trends->count)
		return NULL;
	return bsearch(&wanted, trends->trend, trends->count, sizeof(wanted), order);
}
