#include "cli/lb/canvas.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <wchar.h>

enum { TEXT_SIZE = 1024 };

/* ECMA-48: SGR, CUP, EL, ED. */
static const char *const sgr[] = {
	[STYLE_PLAIN] = "", [STYLE_STRONG] = "\033[1m", [STYLE_GOOD] = "\033[32m",
	[STYLE_BAD] = "\033[31m", [STYLE_ODD] = "\033[33m",
};
static const char sgr_reset[] = "\033[m", home[] = "\033[H", erase_line[] = "\033[K",
		  erase_below[] = "\033[J";

/* The next character: its bytes, and the columns that it takes. `ret_shown`: what stands for it, or
 * NULL where it stands for itself. */
static size_t next_character(bool utf8, const char *text, const char **ret_shown, int *ret_width)
{
	mbstate_t state = {0};
	wchar_t wide;
	size_t size = mbrtowc(&wide, text, strlen(text), &state);

	*ret_shown = "?";
	*ret_width = 1;
	if (!utf8 || size == (size_t)-1 || size == (size_t)-2 || !size) {
		if (*text >= ' ' && *text <= '~')
			*ret_shown = NULL;
		return 1;
	}
	if (wcwidth(wide) < 0)
		return size;
	*ret_shown = NULL;
	*ret_width = wcwidth(wide);
	return size;
}

int canvas_width(const struct canvas *canvas, const char *text)
{
	int columns = 0;

	while (*text) {
		const char *shown;
		int width;

		text += next_character(canvas->utf8, text, &shown, &width);
		columns += width;
	}
	return columns;
}

void canvas_begin(struct canvas *canvas)
{
	canvas->row = canvas->column = 0;
	if (canvas->escapes)
		fputs(home, canvas->stream);
}

void canvas_end(struct canvas *canvas)
{
	if (canvas->escapes && !canvas_full(canvas))
		fputs(erase_below, canvas->stream);
}

bool canvas_full(const struct canvas *canvas)
{
	return canvas->row >= canvas->rows;
}

void canvas_put(struct canvas *canvas, enum style style, const char *text)
{
	bool styled = canvas->escapes && style != STYLE_PLAIN &&
		      (canvas->colours || style == STYLE_STRONG);

	if (canvas_full(canvas))
		return;
	if (styled)
		fputs(sgr[style], canvas->stream);
	while (*text) {
		const char *shown;
		int width;
		size_t size = next_character(canvas->utf8, text, &shown, &width);

		if (canvas->column + width > canvas->columns)
			break;
		if (shown)
			fputs(shown, canvas->stream);
		else
			fwrite(text, 1, size, canvas->stream);
		canvas->column += width;
		text += size;
	}
	if (styled)
		fputs(sgr_reset, canvas->stream);
}

void canvas_print(struct canvas *canvas, enum style style, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	canvas_put(canvas, style, text);
}

void canvas_move(struct canvas *canvas, int column)
{
	if (canvas_full(canvas))
		return;
	for (; canvas->column < column && canvas->column < canvas->columns; canvas->column++)
		fputc(' ', canvas->stream);
}

/* A line that fills the width leaves the cursor on its last character, which is not to be erased;
 * and the last line of a screen is not ended, or the screen would scroll. */
void canvas_newline(struct canvas *canvas)
{
	if (canvas_full(canvas))
		return;
	if (canvas->escapes && canvas->column < canvas->columns)
		fputs(erase_line, canvas->stream);
	canvas->row++;
	canvas->column = 0;
	if (!canvas->escapes)
		fputc('\n', canvas->stream);
	else if (!canvas_full(canvas))
		fputs("\r\n", canvas->stream);
}
