/* A commit that waits to be confirmed, as operators read of it. */
#ifndef CLI_WAITING_H
#define CLI_WAITING_H

#include "cli/appliance.h"

enum { CLOCK_TEXT_SIZE = 32, WAITING_TEXT_SIZE = 160 };

/* "14:07:02"; with its date where that is not today's. Local time. */
void clock_text(int64_t unix_ms, char ret_text[CLOCK_TEXT_SIZE]);
/* "r41 by alice reverts to r40 at 14:07:02 unless you type 'confirm'" */
void waiting_text(const struct waiting *waiting, char ret_text[WAITING_TEXT_SIZE]);

#endif
