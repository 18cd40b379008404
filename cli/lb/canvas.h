/* Lines of a screen, written one after the other, each cut to the screen's width.
 *
 * Widths are those that a terminal gives characters. What it might obey instead of showing it is
 * shown as `?`, and so is what its locale cannot show.
 */
#ifndef LB_CANVAS_H
#define LB_CANVAS_H

#include <stdbool.h>
#include <stdio.h>

enum style { STYLE_PLAIN, STYLE_STRONG, STYLE_GOOD, STYLE_BAD, STYLE_ODD };

struct canvas {
	FILE *stream;
	int rows, columns;
	bool escapes;     /* else plain lines, for whoever is no terminal */
	bool colours;
	bool utf8;
	int row, column;  /* where the next character goes */
};

/* The screen is drawn from its upper left corner on; what is left of the last picture goes. */
void canvas_begin(struct canvas *canvas);
void canvas_end(struct canvas *canvas);

/* Characters up to the right edge; the rest is dropped. */
void canvas_put(struct canvas *canvas, enum style style, const char *text);
__attribute__((format(printf, 3, 4)))
void canvas_print(struct canvas *canvas, enum style style, const char *format, ...);
/* Blanks up to a column; none where that is behind. */
void canvas_move(struct canvas *canvas, int column);
void canvas_newline(struct canvas *canvas);
/* True where no further line fits. */
bool canvas_full(const struct canvas *canvas);

/* Columns that a text takes. */
int canvas_width(const struct canvas *canvas, const char *text);

#endif
