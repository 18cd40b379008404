/* A line, cut into words.
 *
 * Words are parted by blanks. `|` is a word of its own, `#` at the beginning of a word starts a
 * comment. "..." is one word, in which \" and \\ stand for " and \; '...' is one, in which nothing
 * stands for anything else. Where each word stood is kept, so that an error can point at it.
 * Refused: control characters, bytes that are not UTF-8, a quote left open, more than fits.
 */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stdbool.h>
#include <stddef.h>

enum {
	LINE_SIZE_MAX = 8192, /* bytes of a line, without its end */
	WORDS_MAX = 256,
	FAULT_TEXT_SIZE = 1024,
};

/* What is wrong with a line, and where: bytes from its start. */
struct fault {
	size_t offset, length;
	bool placed;                /* false: the line is not fit to be shown */
	char text[FAULT_TEXT_SIZE]; /* without "error: " and without a final newline */
};

struct word {
	const char *text;  /* in struct words' storage, terminated */
	size_t offset, length; /* in the line, quotes included */
	bool quoted;
	bool pipe;         /* an unquoted | */
};

struct words {
	unsigned count;
	struct word word[WORDS_MAX];
	size_t end;        /* where the last word ends, in the line */
	bool open;         /* the last word reaches the line's end: a cursor there is still in it */
	char storage[LINE_SIZE_MAX + WORDS_MAX];
};

/* 0, or -EINVAL with a fault. `line` need not be terminated and has no newline in it. A quote left
 * open is no fault where `typing`: the line goes up to the cursor only. */
int words_cut(const char *line, size_t size, bool typing, struct words *ret_words,
	      struct fault *ret_fault);

/* Says what is wrong, at `length` bytes from `offset` on. Returns -EINVAL. */
int fault_at(struct fault *ret_fault, size_t offset, size_t length, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Says what is wrong with the whole line. Returns -EINVAL. */
int fault_whole(struct fault *ret_fault, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The next line of a script: from `*at` on, which moves behind it. False at the end. CR before the
 * newline is not part of it; a last line may lack its newline. */
bool script_line(const char *text, size_t size, size_t *at, const char **ret_line,
		 size_t *ret_size);

/* The fault as a person reads it: "SOURCE:LINE:COLUMN: error: ...", the line and a caret below
 * what is to blame; with an empty source only "error: ...". Allocated; NULL only where memory
 * lacks. */
char *fault_text(const struct fault *fault, const char *source, unsigned number, const char *line,
		 size_t size);

#endif
