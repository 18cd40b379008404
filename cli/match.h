/* From a line to a command: its row of the grammar, its values read, its words kept.
 *
 * Walks the same positions as completion and help. What it refuses is a matter of language (exit
 * status 2): unknown or ambiguous words, missing or malformed values. Whether an object of a name
 * exists is the configuration's matter.
 */
#ifndef CLI_MATCH_H
#define CLI_MATCH_H

#include "cli/grammar.h"
#include "cli/words.h"

enum { PIPES_MAX = 8 };

struct pipe {
	enum pipe_type type;
	const char *pattern;   /* match, except */
	size_t word;
};

/* A line that has been understood. Owns change.object; its texts point into words.storage. */
struct command {
	struct syntax syntax;
	struct change change;                /* where the syntax is about a kind */
	struct arguments arguments;
	int attribute_word[ATTRIBUTES_MAX];  /* where an attribute's value stood; -1: not given */
	int option_word[ATTRIBUTES_MAX];     /* where an own parameter's value stood; -1 */
	unsigned rest;                       /* first word of a PARAMETER_REST */
	struct pipe pipe[PIPES_MAX];
	unsigned pipes;
	struct words words;
};

/* 1: a command, to be released with command_free(). 0: the line is empty or a comment. -EINVAL
 * with a fault; -ENOMEM. With `prefixes`, unique prefixes of keywords will do. The command is
 * large: not for the stack of a deep call. */
int command_match(const char *line, size_t size, bool prefixes, struct command *ret_command,
		  struct fault *ret_fault);
void command_free(struct command *command);

/* Places a complaint of the configuration, which refused with `error`: turns it into a fault of the
 * line. An object that is not there is looked for by its id, so the id is to blame. */
void command_fault(const struct command *command, int error, const struct complaint *complaint,
		   struct fault *ret_fault);
/* Blames a word of it; -1: the whole command. */
int command_fault_word(const struct command *command, int word, struct fault *ret_fault,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Blames the whole command, from its first word to its last. */
int command_fault_whole(const struct command *command, struct fault *ret_fault,
			const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As far as the words go: the position behind `count` of them from the `first` on, for
 * completion and help. -EINVAL with a fault where they do not match. */
int command_position(const struct words *words, unsigned first, unsigned count, bool prefixes,
		     struct position *ret_position, struct fault *ret_fault);

#endif
