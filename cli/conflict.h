/* Where the lines of a candidate and what others have committed since do not go together: found
 * in a replay, told with line, revision and name. A candidate from the inside: candidate.c and
 * conflict.c. */
#ifndef CLI_CONFLICT_H
#define CLI_CONFLICT_H

#include "cli/candidate.h"
#include "cli/engine.h"

enum { LABEL_ROOM = 2 * NAME_SIZE + 32, WHOLE = -1 };

/* What ran when some of the lines were typed. */
struct base {
	uint64_t revision;
	struct config *config;
};

/* A line, or one setting of it, that is not to be applied without a word. */
struct conflict {
	size_t line;
	enum kind kind;
	char label[LABEL_ROOM]; /* of the object that the line changes */
	int attribute;          /* of it; WHOLE */
	bool gone;              /* somebody has deleted what the line adds */
	char *text;             /* why the line cannot be applied; NULL: both have changed it */
	enum kind blamed_kind;  /* whose change is to blame, and NULL where nobody's is; */
	const void *blamed;     /* in what runs, or in the line's base */
};

struct candidate {
	struct line_list list;
	struct base *base;
	size_t bases;
	struct config *view;      /* of what runs as view_revision; NULL: not known */
	uint64_t view_revision;
	struct conflict *conflict;
	size_t conflicts;
	struct command *command;  /* the line at hand */
	struct fault *fault;
	bool failed;              /* memory lacked in the replay */
};

/* One replay of a candidate. */
struct replay {
	struct candidate *candidate;
	const struct config *running;
	uint64_t revision;
	struct config *config;    /* so far */
	size_t line;              /* at hand */
	size_t replaced;          /* the last line that replaces, from 1 on; 0: none */
};

/* Applies the change of the line at hand, or notes why not. */
void replay_change(struct replay *replay, const struct change *change);
/* At the end of a replay in which a line replaces: what others have changed since, and it
 * undoes. */
void replay_find_replaced(struct replay *replay);
void conflict_forget(struct candidate *candidate, size_t index);

#endif
