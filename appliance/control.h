/* The control thread's state: what runs, how it came to be, and what is open.
 *
 * Two ways in: the console's commands, through the functions of struct appliance
 * (control_appliance), and the machine's events (links, health, deadlines), through the functions below. Both end in one
 * way out: compile, store where it is a change of configuration, publish.
 */
#ifndef APPLIANCE_CONTROL_H
#define APPLIANCE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/compile.h"
#include "appliance/confirm.h"
#include "appliance/journal.h"
#include "appliance/loop.h"
#include "appliance/mailbox.h"
#include "appliance/ports.h"
#include "cli/appliance.h"
#include "store/store.h"

enum { DRAINS_MAX = 256 };

/* A backend whose remaining flows are closed at a deadline. */
struct drain {
	struct config_backend backend; /* as it was when the drain began */
	uint64_t deadline_ns;
};

struct control {
	struct compiler compiler;
	struct mailbox *mailbox;
	struct journal *journal;
	struct store *store;      /* NULL in a replay: nothing is kept */
	struct loop *loop;        /* NULL in a replay */
	struct ports *ports;      /* NULL in a replay */
	struct recording *recording; /* NULL: nobody captures */
	struct frame_filter *trace_filter; /* NULL: whatever is traced, all is wanted */
	struct config *running;
	struct config *serving;   /* what runs, with what heartbeats have changed: as compiled */
	struct members members;
	bool members_left;        /* their flows are to be ended */
	uint64_t revision;
	int64_t started_ns;       /* Unix time */
	struct confirm confirm;   /* what waits to be confirmed */
	unsigned drains;
	struct drain drain[DRAINS_MAX];
};

/* Starts from `running` (taken over) as `revision`; mailbox, journal, store, loop and ports are set
 * by the caller before. Compiles and publishes. 0, or a negative errno with a sentence. */
int control_start(struct control *control, struct config *running, uint64_t revision, char *error,
		  size_t error_size);
void control_stop(struct control *control);

/* What struct appliance says of commit and check. */
int control_commit(struct control *control, const struct config *candidate,
		   const struct commit_note *note, appliance_say *say, void *say_context,
		   uint64_t *ret_revision, char *error, size_t error_size);
int control_check(struct control *control, const struct config *candidate, appliance_say *say,
		  void *say_context, char *error, size_t error_size);

/* The console's view of it; borrows `control`. */
struct appliance control_appliance(struct control *control);

/* After news from the ports' descriptor, and at control_deadline(). */
void control_links(struct control *control);
/* After news from the mailbox's event descriptor. */
void control_events(struct control *control);
/* Does what is due by the clock. */
void control_tick(struct control *control, uint64_t now_ns);
uint64_t control_deadline(const struct control *control);

/* Says where a path that never sleeps has no CPU of its own. */
void control_say_waiting(const struct control *control, const struct config *config,
			 appliance_say *say, void *say_context);

/* What counts on the wall clock, nanoseconds since 1970. */
int64_t wall_clock_ns(void);

/* What would be served of a configuration, and its tables: 0, or a negative errno with a sentence. */
int control_compile(struct control *control, const struct config *config,
		    struct config **ret_serving, struct compiled **ret_compiled, char *error,
		    size_t error_size);
/* Puts them into force, and takes them over: the path reads the tables when this returns. Cannot
 * fail. */
void control_publish(struct control *control, struct config *serving, struct compiled *compiled);

/* Closes the flows whose service or backend the tables in force have ended. */
void control_sweep_flows(struct control *control);
/* Closes the flows that match, a slice at a time, so that the path does not notice; how many. */
uint64_t control_close_flows(struct control *control, const struct flow_match *match,
			     enum flow_close_reason reason);

#endif
