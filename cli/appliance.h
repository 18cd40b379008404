/* What the console needs of the appliance, handed in by whoever runs it: lbd's control thread, or
 * the replay. The console knows no store, no ring and no packet path.
 *
 * Every function returns 0 or a negative errno with a sentence in `error` unless it says otherwise.
 */
#ifndef CLI_APPLIANCE_H
#define CLI_APPLIANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/config/config.h"
#include "cli/protocol.h"
#include "cli/report.h"

enum topic {
	TOPIC_STATUS, TOPIC_INTERFACE, TOPIC_NEIGHBOR, TOPIC_ROUTE, TOPIC_SERVICE, TOPIC_POOL,
	TOPIC_BACKEND, TOPIC_CHECK, TOPIC_FLOW, TOPIC_TRACE, TOPIC_DROPS, TOPIC_STATS, TOPIC_REVISIONS,
	TOPIC_EVENTS, TOPIC_VERSION,
};

/* What a `show` or `clear` is about; an empty member does not restrict. */
struct filter {
	char name[NAME_SIZE];            /* interface, service, pool, check by name; of backends: the pool */
	char service[NAME_SIZE];         /* flow */
	bool has_backend;
	struct endpoint backend;         /* flow, backend */
	bool has_client;
	be32 client;                     /* flow: source address */
	bool has_client_port;
	uint16_t client_port;
	uint32_t limit;                  /* flow, events: at most so many rows; 0: the topic's default */
};

struct tuple_question {
	struct endpoint source, destination;
	bool udp; /* else TCP */
};

/* What a monitor looks at; all empty: at everything. */
struct monitor_question {
	char service[NAME_SIZE]; /* only this one, with the backends of its pool */
	char pool[NAME_SIZE];    /* only its backends, and the services that use it */
	bool drops;              /* neither, but the reasons for which frames are dropped */
};

/* Which frames are to be captured. */
struct capture_question {
	char interface[NAME_SIZE]; /* that came in there; "": anywhere */
	uint32_t count;            /* so many; 0: without end */
	const char *filter;        /* as tcpdump writes it; "": all */
};

/* A capture under way. */
struct recording;

struct recording_state {
	uint64_t frames, lost;     /* given so far; for which there was no room */
	bool ended;                /* no more will come */
};

/* The counters as they were at a monitor's last look. */
struct rates;

/* Why a commit happens: written with the revision. */
struct commit_note {
	const char *user;
	const char *comment; /* "" where none */
	uint64_t confirm_ns; /* taken back after this time unless confirmed; 0: it is for good */
	bool confirms;       /* what waits to be confirmed, too */
	bool takes_back;     /* it is what was not confirmed that is committed away */
};

/* A commit that waits to be confirmed. */
struct waiting {
	uint64_t revision, back; /* what it goes back to */
	int64_t deadline_ms;     /* Unix time */
	char user[64];
};

typedef void appliance_say(void *context, const char *sentence);

struct appliance {
	void *context;

	const struct config *(*running)(void *context);
	uint64_t (*revision)(void *context);

	/* Validates, builds, stores and publishes; takes nothing over: the candidate stays the
	 * caller's. 0 where the candidate equals what runs (ret_revision: the present one), 1
	 * where a revision was made, in force and on disk. `say` hears warnings. */
	int (*commit)(void *context, const struct config *candidate, const struct commit_note *note,
		      appliance_say *say, void *say_context, uint64_t *ret_revision, char *error,
		      size_t error_size);
	/* True where a commit waits to be confirmed. */
	bool (*waiting)(void *context, struct waiting *ret_waiting);
	/* Confirms it. -ENOENT where none waits. */
	int (*confirm)(void *context, const char *user, char *error, size_t error_size);
	/* As commit, but stops before anything changes (`--check`). */
	int (*check)(void *context, const struct config *candidate, appliance_say *say,
		     void *say_context, char *error, size_t error_size);
	/* The whole text of a kept revision, allocated. */
	int (*revision_text)(void *context, uint64_t number, char **ret_text, char *error,
			     size_t error_size);
	/* A consistent copy of the store as bytes, allocated. */
	int (*backup)(void *context, void **ret_bytes, size_t *ret_size, char *error,
		      size_t error_size);

	/* Fills a new report. -ENOENT: no object of the filter's name. */
	int (*report)(void *context, enum topic topic, const struct filter *filter,
		      struct report **ret_report, char *error, size_t error_size);
	/* Adds to a report what the candidate, which check() has accepted, would do to live flows,
	 * Maglev tables and services. */
	int (*impact)(void *context, const struct config *candidate, struct report *report,
		      char *error, size_t error_size);
	/* Which backend, and why: the lines of `lookup` as a report; changes nothing. As if the
	 * candidate were in force; NULL: as it is. */
	int (*lookup)(void *context, const struct config *candidate,
		      const struct tuple_question *question,
		      struct report **ret_report, char *error, size_t error_size);

	/* A look for a monitor: what is, and how fast it went since the last look. *state is NULL
	 * before the first, which knows no rates, and is given back with monitor_end. */
	int (*monitor)(void *context, const struct monitor_question *question, struct rates **state,
		       struct report **ret_report, char *error, size_t error_size);
	void (*monitor_end)(struct rates *state);

	/* Begins a capture, of which there is one at a time (-EBUSY); to be given back with
	 * capture_end. */
	int (*capture)(void *context, const struct capture_question *question, const char *user,
		       struct recording **ret_recording, char *error, size_t error_size);
	/* Gives some of what has come, in buffers that the caller frees: bytes of a pcap file, and
	 * a line of text for each frame. To be asked again while it gives any. */
	int (*capture_take)(struct recording *recording, struct buffer *frames,
			    struct buffer *lines, struct recording_state *ret_state, char *error,
			    size_t error_size);
	/* No further frames: of the capture that runs, whosever it is (NULL; -ENOENT: none does),
	 * or of this one. What has come can be taken still. */
	int (*capture_stop)(void *context, struct recording *recording, char *error,
			    size_t error_size);
	void (*capture_end)(struct recording *recording);

	/* Traces the next so many packets that a filter, as tcpdump writes it, wants ("": all); how
	 * many of them there is room for (-ENOSPC: none). */
	int (*trace)(void *context, uint32_t count, const char *filter, uint32_t *ret_count,
		     char *error, size_t error_size);
	int (*clear_trace)(void *context, char *error, size_t error_size);

	int (*clear_counters)(void *context, char *error, size_t error_size);
	/* Closes matching flows; how many. */
	int (*clear_flows)(void *context, const struct filter *filter, uint64_t *ret_count,
			   char *error, size_t error_size);

	/* Starts the clock of a drain that is in force: after `timeout_ns` (0: never) what is
	 * left of its flows is closed. */
	int (*drain_deadline)(void *context, const struct config_backend *backend,
			      uint64_t timeout_ns, char *error, size_t error_size);
	/* Flows that the backend still has; for `wait`. */
	int (*backend_flows)(void *context, const struct config_backend *backend,
			     uint64_t *ret_flows, char *error, size_t error_size);
};

#endif
