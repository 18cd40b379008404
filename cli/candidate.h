/* An open candidate: what was typed since `configure`.
 *
 * It is a list of lines, and what it makes is found by replaying them on what runs at that
 * moment: so what others have committed since is in it, and nothing that they did is lost. A line
 * remembers what ran when it was typed. Where somebody has since changed the very setting that it
 * changes, or removed what it needs, that is a conflict: told with the line, the revision and the
 * name, and decided by nobody but the typist, who types the line again or drops it. All else
 * merges without a word. A candidate holds no lock and blocks nobody.
 */
#ifndef CLI_CANDIDATE_H
#define CLI_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>

#include "appliance/config/config.h"

struct candidate;
struct session;

/* Lines that are to be taken into a candidate. */
struct line_list {
	struct candidate_line {
		char *text;
		bool replaces; /* all before it: `load FILE replace`; the text itself does nothing */
		size_t base;   /* what ran when it was typed; set by candidate_take() */
	} *line;
	size_t count, capacity;
};

/* Copies the text. False where memory lacks. */
bool line_list_add(struct line_list *list, const char *text, size_t size, bool replaces);
void line_list_free(struct line_list *list);

/* NULL where memory lacks. */
struct candidate *candidate_new(void);
void candidate_free(struct candidate *candidate);
size_t candidate_lines(const struct candidate *candidate);

/* What the session's candidate makes of what runs now, lines that cannot be applied left out.
 * Borrowed up to the next call of a function of this file. NULL where memory lacks. */
const struct config *candidate_view(struct session *session);

/* Takes the lines, which `list` loses. `view`, taken over, is candidate_view() with them applied.
 * False where memory lacks: then nothing is taken but `view`. */
bool candidate_take(struct session *session, struct line_list *list, struct config *view);
/* Drops the line of this number, from 1 on; its text, to be freed. NULL: there is none. */
char *candidate_drop(struct session *session, size_t number);

/* How many lines conflict with what runs now, each told as an error of its place; 0: none. */
size_t candidate_tell_conflicts(struct session *session);

#endif
