/* Faults as a person reads them: the line as it was, and a caret below the word to blame.
 *
 * The caret must stand under the word on any terminal: tabs become the blanks that they look like,
 * characters count by their width, and what a terminal might obey is shown as `?`.
 */
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "cli/words.h"

enum { TAB_STOP = 8 };

/* The line as it is shown, and how wide what is before and at the fault is. */
struct picture {
	FILE *stream;
	unsigned width;              /* so far */
	unsigned column;             /* where the fault begins, in characters from 1 */
	unsigned before, underlined; /* in cells of the terminal */
};

/* One character: its bytes, and its cells; the bytes of what cannot be shown are replaced. */
static size_t draw_character(struct picture *picture, const char *text, size_t size)
{
	mbstate_t state = {0};
	wchar_t wide;
	size_t length = mbrtowc(&wide, text, size, &state);
	int cells = length == 0 || length > size ? -1 : wcwidth(wide);

	if (length == 0 || length > size)
		length = 1;
	if (*text == '\t') {
		unsigned blanks = TAB_STOP - picture->width % TAB_STOP;

		fprintf(picture->stream, "%*s", (int)blanks, "");
		picture->width += blanks;
	} else if (cells < 0) {
		fputc('?', picture->stream);
		picture->width++;
	} else {
		fwrite(text, 1, length, picture->stream);
		picture->width += (unsigned)cells;
	}
	return length;
}

static void draw_line(struct picture *picture, const struct fault *fault, const char *line,
		      size_t size)
{
	size_t end = fault->offset + fault->length;
	unsigned characters = 0;

	picture->column = 0;
	for (size_t i = 0; i < size; characters++) {
		if (!picture->column && i >= fault->offset) {
			picture->column = characters + 1;
			picture->before = picture->width;
		}
		i += draw_character(picture, line + i, size - i);
		if (i <= end)
			picture->underlined = picture->width;
	}
	if (!picture->column) {
		picture->column = characters + 1;
		picture->before = picture->width;
	}
	picture->underlined = picture->underlined > picture->before ?
			      picture->underlined - picture->before : 1;
}

static void draw_caret(const struct picture *picture)
{
	fprintf(picture->stream, "\n%*s", (int)picture->before, "");
	for (unsigned i = 0; i < picture->underlined; i++)
		fputc('^', picture->stream);
	fputc('\n', picture->stream);
}

/* The picture is drawn aside first: its column stands before it. */
static char *draw(const struct fault *fault, const char *line, size_t size, unsigned *ret_column)
{
	struct picture picture = {0};
	char *text = NULL;
	size_t length;

	picture.stream = open_memstream(&text, &length);
	if (!picture.stream)
		return NULL;
	draw_line(&picture, fault, line, size);
	draw_caret(&picture);
	*ret_column = picture.column;
	if (fclose(picture.stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

char *fault_text(const struct fault *fault, const char *source, unsigned number, const char *line,
		 size_t size)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	locale_t before = utf8 ? uselocale(utf8) : NULL;
	char *picture = NULL, *text = NULL;
	unsigned column = 1;
	int written;

	if (*source && fault->placed)
		picture = draw(fault, line, size, &column);
	if (!*source)
		written = asprintf(&text, "error: %s\n", fault->text);
	else
		written = asprintf(&text, "%s:%u:%u: error: %s\n%s", source, number, column,
				   fault->text, picture ? picture : "");
	free(picture);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	return written < 0 ? NULL : text;
}
