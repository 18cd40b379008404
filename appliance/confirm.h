/* `commit confirmed`: a commit that is taken back unless somebody confirms it in time.
 *
 * What it would go back to is a whole configuration, kept in the store beside the commit itself,
 * so that neither kill -9 nor a reboot forgets it. One commit waits at a time. Commits that
 * others make meanwhile are made to that configuration, too: taking back takes back what was not
 * confirmed, and nothing else; so nobody's drain is undone, nothing is confirmed by accident, and
 * nobody is blocked.
 *
 * Within one run of lbd the clock that counts is the monotonic one; after a start it is the wall
 * clock, which is not believed further than the time that was given.
 */
#ifndef APPLIANCE_CONFIRM_H
#define APPLIANCE_CONFIRM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/appliance.h"

struct control;

/* What waits. */
struct confirm {
	uint64_t revision;     /* 0: nothing does */
	uint64_t back;
	int64_t made_ms, deadline_ms; /* Unix time */
	uint64_t deadline_ns;  /* monotonic */
	char user[64];
	struct config *target; /* what it goes back to */
	bool others_stay;      /* commits came after it, which are in `target` */
	uint64_t told_ns;      /* remaining time that was last told */
	bool stuck;            /* taking back has failed, and that has been told */
};

/* What will wait once `config` is committed so. To be given to confirm_accept() or confirm_drop().
 * 0; -EBUSY where it is another user's turn; -ENOMEM. */
int confirm_plan(struct control *control, const struct config *config,
		 const struct commit_note *note, appliance_say *say, void *say_context,
		 struct confirm *ret_next, char *error, size_t error_size);
/* True where the commit changes nothing of what waits. */
bool confirm_same(const struct confirm *a, const struct confirm *b);
void confirm_accept(struct control *control, const struct confirm *next);
void confirm_drop(const struct control *control, const struct confirm *next);

/* As the store keeps it; its text is allocated. False where memory lacks. */
struct unconfirmed;
bool confirm_row(const struct confirm *confirm, struct unconfirmed *ret_row);

/* `confirm`, by that user. */
int confirm_now(struct control *control, const char *user, char *error, size_t error_size);
bool confirm_waits(const struct control *control, struct waiting *ret_waiting);

/* Warns of the end, and takes back at it. */
void confirm_tick(struct control *control, uint64_t now_ns);
uint64_t confirm_deadline(const struct control *control);

/* At start, with what the store has: takes back what is past its time, before any of it is in
 * force, or goes on waiting. *config and *revision may change. What cannot be done is said and
 * tried again. */
void confirm_start(struct control *control, struct config **config, uint64_t *revision);
void confirm_stop(struct control *control);

#endif
