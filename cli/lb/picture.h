/* A monitor's document as a picture: what stands where, in which order, and what does not fit.
 *
 * The document is that which `monitor` gives with -j; a picture shows nothing that is not in it but
 * the trends, which were in those before. Columns and lines go by their importance where the screen
 * is small.
 */
#ifndef LB_PICTURE_H
#define LB_PICTURE_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/lb/canvas.h"
#include "cli/lb/trend.h"

enum sort { SORT_NAME, SORT_CPS, SORT_ACTIVE, SORT_PPS, SORT_BPS, SORTS };

enum { WORD_SIZE = 64 };

/* How the operator wants it. */
struct view {
	enum sort sort;        /* SORT_NAME: as configured */
	char word[WORD_SIZE];  /* only lines with it; "": all */
	bool typing;           /* the word */
	bool paused;
	size_t first;          /* line of the table at its top; drawing puts it within bounds */
	size_t page;           /* lines of the table that fit; drawing sets it */
};

/* `monitor`: the member of that name. */
void picture_draw(struct canvas *canvas, const json_t *monitor, const struct trends *trends,
		  struct view *view);
/* What the trends of the next picture are made of. */
void picture_trends(const json_t *monitor, struct trends *ret_trends);

#endif
