/* Which of the words that may come next was meant, and what is said where none or several were. */
#ifndef CLI_CHOOSE_H
#define CLI_CHOOSE_H

#include "cli/grammar.h"
#include "cli/words.h"

/* The index in `next` of what the word means, or -EINVAL with a fault. */
int choose_next(const struct position *position, const struct next *next, unsigned count,
		const struct words *words, unsigned word, bool prefixes, struct fault *ret_fault);

/* The line ends where something must follow: says what. Returns -EINVAL. */
int fault_missing(const struct position *position, const struct next *next, unsigned count,
		  const struct words *words, struct fault *ret_fault);

/* The keyword (of a list that may be NULL) that `typed` is or, with `prefixes`, is short for and no
 * other; else `typed`. */
const char *choose_keyword(const struct keyword *keywords, const char *typed, bool prefixes);

#endif
