/* What happened: the last events, kept for `show events`, said on stderr (for the journal of the
 * system) and handed to the open consoles. Control thread only. */
#ifndef APPLIANCE_JOURNAL_H
#define APPLIANCE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

enum { JOURNAL_KEPT = 1000, SENTENCE_SIZE = 256 };

struct journal;

struct journal_entry {
	int64_t time_ns; /* Unix time */
	char sentence[SENTENCE_SIZE];
};

/* Hears every event as it happens; for the consoles. `deed`: whoever is being served has done it. */
typedef void journal_listener(void *context, const char *sentence, bool deed);

/* NULL where memory lacks. */
struct journal *journal_new(void);
void journal_free(struct journal *journal);
void journal_listen(struct journal *journal, journal_listener *listener, void *context);

__attribute__((format(printf, 2, 3)))
void journal_say(struct journal *journal, const char *format, ...);
/* As journal_say, of what an operator does: who does it need not be told. */
__attribute__((format(printf, 2, 3)))
void journal_deed(struct journal *journal, const char *format, ...);

/* Entries kept, and one of them: 0 is the newest. */
unsigned journal_count(const struct journal *journal);
const struct journal_entry *journal_at(const struct journal *journal, unsigned index);

#endif
