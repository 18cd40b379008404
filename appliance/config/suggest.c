/* "Did you mean": the nearest word by edits (insert, delete, replace, swap of neighbors).
 *
 * The optimal string alignment distance, after Boytsov, "Indexing methods for approximate
 * dictionary searching" (2011), section 2.1; a third of the typed length at most, so that a
 * suggestion is never a different word.
 */
#include <string.h>

#include "appliance/config/config.h"

enum { WORD_MAX = 64 };

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* The distance of two words shorter than WORD_MAX; the rows are those of a's last three letters. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (unsigned j = 0; j <= b_length; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_length; i++) {
		unsigned *spare = before;

		before = above;
		above = row;
		row = spare;
		row[0] = i;
		for (unsigned j = 1; j <= b_length; j++) {
			row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]),
				       least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return row[b_length];
}

const char *suggest(const char *typed, const char *const *words, size_t count)
{
	size_t length = strlen(typed);
	unsigned limit = length < 3 ? 1 : (unsigned)length / 3;
	const char *nearest = NULL;

	if (length >= WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t other = strlen(words[i]);
		unsigned edits;

		if (other >= WORD_MAX || other > length + limit || length > other + limit)
			continue;
		edits = distance(typed, length, words[i], other);
		if (edits > limit || edits >= length)
			continue;
		nearest = words[i];
		if (edits <= 1)
			break;
		limit = edits - 1;
	}
	return nearest;
}
