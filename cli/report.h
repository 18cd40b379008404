/* What a `show` command says, before anybody decides how it looks.
 *
 * The appliance fills in rows of typed values; one writer makes text tables of them and another
 * JSON, from the same columns, so the two never disagree.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum column_type {
	COLUMN_TEXT,
	COLUMN_WORDS,    /* text with blanks between them; JSON: a list of them */
	COLUMN_COUNT,    /* a plain integer */
	COLUMN_BYTES,    /* text: with k, M, G */
	COLUMN_DURATION, /* nanoseconds; text: with a unit */
	COLUMN_TIME,     /* Unix time in nanoseconds; text: local time */
	COLUMN_PERCENT,  /* text: with its sign */
	COLUMN_FLAG,     /* true or false */
	COLUMN_PROSE,    /* text only: whole lines, printed as they are; left out of JSON */
	COLUMN_REMARK,   /* as prose, but about the output: behind it, and no line to a filter */
};

struct column {
	const char *key;    /* JSON key, snake_case */
	const char *title;  /* head of the text table; NULL: JSON only */
	enum column_type type;
};

enum report_shape {
	REPORT_LIST,   /* rows; a text table */
	REPORT_OBJECT, /* exactly one row; text: a line for each column */
};

struct report;

/* NULL only where memory lacks. `name` is the document's key: the command's word. */
struct report *report_new(const char *name);
void report_free(struct report *report);

/* Starts a section. A report of one section with a NULL key is that list or object itself;
 * otherwise each section stands under its key: {"stats":{"interface":[...],"total":{...}}}, and an
 * object without one gives its members: {"check":{"revision":41,"impact":{...}}}. The columns are
 * not copied and must outlive the report. */
void report_section(struct report *report, const char *key, enum report_shape shape,
		    const struct column *columns, size_t count);
/* Starts a row; then one value for each column, in order. Text is copied. Running out of memory is
 * remembered and said by report_failed(). */
void report_row(struct report *report);
void report_text(struct report *report, const char *text);
void report_number(struct report *report, uint64_t value);
void report_flag(struct report *report, bool value);
void report_null(struct report *report);
bool report_failed(const struct report *report);

#endif
