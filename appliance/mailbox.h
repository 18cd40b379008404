/* The only ways between the control thread and the packet path's: errands one way, events the
 * other.
 *
 * An errand is a function that the path's thread runs between two batches: a snapshot to publish,
 * counters to copy, a slice of the flow table to look at. One is under way at a time, the control
 * thread waits for it, and the path's thread never waits for anything: it looks at one word a turn.
 * Events go through a ring with one writer and one reader; when it is full the newest are dropped
 * and the reader is told so, since it can ask by errand for what it missed.
 *
 * Without a second thread (replay) errands run at once, in place.
 */
#ifndef APPLIANCE_MAILBOX_H
#define APPLIANCE_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/path.h"

struct mailbox;

typedef void mailbox_errand(struct path *path, void *argument, uint64_t now_ns);

/* NULL where memory or descriptors lack. */
struct mailbox *mailbox_new(void);
void mailbox_free(struct mailbox *mailbox);

/* Control's side. */
void mailbox_call(struct mailbox *mailbox, mailbox_errand *errand, void *argument);
/* In place, on a path that no other thread runs; `now_ns` is what errands are told. */
void mailbox_use_in_place(struct mailbox *mailbox, struct path *path, uint64_t now_ns);
/* Readable when there are events. */
int mailbox_event_fd(const struct mailbox *mailbox);
/* The next event; false: none is left. *ret_lost: some were dropped since the last call. */
bool mailbox_next_event(struct mailbox *mailbox, struct path_event *ret_event, bool *ret_lost);

/* The path's side. */
bool mailbox_pending(const struct mailbox *mailbox);
void mailbox_serve(struct mailbox *mailbox, struct path *path, uint64_t now_ns);
/* Readable when an errand waits: wakes a path that sleeps. Call mailbox_woken() then: a path that
 * was awake has served errands without a look at the descriptor. */
int mailbox_wake_fd(const struct mailbox *mailbox);
void mailbox_woken(struct mailbox *mailbox);
void mailbox_event(struct mailbox *mailbox, const struct path_event *event);

#endif
