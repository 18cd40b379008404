#include "appliance/journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct journal {
	journal_listener *listener;
	void *context;
	unsigned count, next;
	struct journal_entry entry[JOURNAL_KEPT];
};

struct journal *journal_new(void)
{
	return calloc(1, sizeof(struct journal));
}

void journal_free(struct journal *journal)
{
	free(journal);
}

void journal_listen(struct journal *journal, journal_listener *listener, void *context)
{
	journal->listener = listener;
	journal->context = context;
}

static void say(struct journal *journal, bool deed, const char *format, va_list arguments)
{
	struct journal_entry *entry = &journal->entry[journal->next];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	entry->time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	vsnprintf(entry->sentence, sizeof(entry->sentence), format, arguments);
	journal->next = (journal->next + 1) % JOURNAL_KEPT;
	if (journal->count < JOURNAL_KEPT)
		journal->count++;
	fprintf(stderr, "lbd: %s\n", entry->sentence);
	if (journal->listener)
		journal->listener(journal->context, entry->sentence, deed);
}

void journal_say(struct journal *journal, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(journal, false, format, arguments);
	va_end(arguments);
}

void journal_deed(struct journal *journal, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(journal, true, format, arguments);
	va_end(arguments);
}

unsigned journal_count(const struct journal *journal)
{
	return journal->count;
}

const struct journal_entry *journal_at(const struct journal *journal, unsigned index)
{
	return &journal->entry[(journal->next + JOURNAL_KEPT - 1 - index) % JOURNAL_KEPT];
}
