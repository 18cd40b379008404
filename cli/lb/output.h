/* What a command prints: through its filters, and through a pager where it is longer than the
 * screen.
 *
 * The filters run here and not in lbd: a regular expression that takes for ever, or all memory, is
 * its typist's loss alone.
 */
#ifndef LB_OUTPUT_H
#define LB_OUTPUT_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/protocol.h"

enum { FILTERS_MAX = 16 };

struct output_filter {
	enum pipe_type type;
	regex_t expression;
	uint64_t count;
};

struct output {
	bool pages;              /* a person reads: long output goes through a pager */
	unsigned length;         /* lines of the screen; 0: no pager */
	struct output_filter filter[FILTERS_MAX];
	unsigned filters;
	bool no_more;            /* of the output at hand */
	bool broken;             /* a filter of it made no sense: it is not shown */
	struct buffer line;      /* a line whose end has not come */
	struct buffer page;      /* what waits to be shown, where there may be a pager */
};

/* 0, or -EINVAL with a sentence; then the output up to output_end() is swallowed. */
int output_filter(struct output *output, enum pipe_type type, const char *pattern, char *error,
		  size_t error_size);
void output_text(struct output *output, bool heading, const char *text, size_t size);
/* Shows what is still held back and forgets the filters. */
void output_end(struct output *output);
void output_free(struct output *output);

#endif
