/* An appliance in memory, for tests of the console: a configuration, its revisions, and numbers
 * that a test sets. No store, no path. */
#ifndef TESTS_FAKE_APPLIANCE_H
#define TESTS_FAKE_APPLIANCE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/appliance.h"

enum { FAKE_REVISIONS = 512 };

struct fake {
	struct config *running;
	uint64_t revision;
	char *text[FAKE_REVISIONS];    /* of revision i */
	char comment[FAKE_REVISIONS][256];
	char user[64];
	char users[FAKE_REVISIONS][64];
	struct waiting waiting;        /* revision 0: nothing does */
	const char *refusal;           /* commit and check fail with this; NULL: they work */
	uint64_t flows;                /* of every backend */
	const char *state;             /* of every backend */
	uint64_t drain_timeout_ns;     /* of the last drain_deadline() */
	unsigned drains, counter_clears, flow_clears, checks, backups;
	struct filter filter;          /* of the last report or clear_flows */
	struct tuple_question question;
	bool looked_in_candidate;
	struct monitor_question monitor;
	unsigned looks, monitors;      /* monitors: that have not ended */
	unsigned captures, captured;   /* captures: that have not ended */
	unsigned pieces;               /* to come, of a capture */
	bool capture_stops, capture_fails;
	char capture_filter[256], capture_user[64];
	struct capture_question capture;
	uint32_t traces;               /* asked for; the filter as that of a capture */
	unsigned trace_clears;
};

static inline const struct config *fake_running(void *context)
{
	return ((struct fake *)context)->running;
}

static inline uint64_t fake_revision(void *context)
{
	return ((struct fake *)context)->revision;
}

static inline int fake_check(void *context, const struct config *candidate, appliance_say *say,
		      void *say_context, char *error, size_t error_size)
{
	struct fake *fake = context;

	fake->checks++;
	if (fake->refusal) {
		snprintf(error, error_size, "%s", fake->refusal);
		return -EIO;
	}
	return config_validate(candidate, say, say_context, error, error_size);
}

static inline bool fake_waiting(void *context, struct waiting *ret_waiting)
{
	*ret_waiting = ((struct fake *)context)->waiting;
	return ret_waiting->revision;
}

static inline int fake_confirm(void *context, const char *user, char *error, size_t error_size)
{
	struct fake *fake = context;

	(void)user;
	if (!fake->waiting.revision) {
		snprintf(error, error_size, "nothing waits to be confirmed");
		return -ENOENT;
	}
	fake->waiting.revision = 0;
	return 0;
}

static inline int fake_commit(void *context, const struct config *candidate,
		       const struct commit_note *note, appliance_say *say, void *say_context,
		       uint64_t *ret_revision, char *error, size_t error_size)
{
	struct fake *fake = context;
	int result = fake_check(context, candidate, say, say_context, error, error_size);

	if (result < 0)
		return result;
	*ret_revision = fake->revision;
	if (!config_compare(fake->running, candidate, NULL, NULL))
		return 0;
	*ret_revision = ++fake->revision;
	config_free(fake->running);
	fake->running = config_copy(candidate);
	fake->text[fake->revision % FAKE_REVISIONS] = config_text(candidate);
	snprintf(fake->comment[fake->revision % FAKE_REVISIONS], 256, "%s", note->comment);
	snprintf(fake->user, sizeof(fake->user), "%s", note->user);
	snprintf(fake->users[fake->revision % FAKE_REVISIONS], 64, "%s", note->user);
	return 1;
}

static inline int fake_revision_text(void *context, uint64_t number, char **ret_text, char *error,
			      size_t error_size)
{
	struct fake *fake = context;

	if (!number || number > fake->revision || !fake->text[number % FAKE_REVISIONS]) {
		snprintf(error, error_size, "no revision r%llu", (unsigned long long)number);
		return -ENOENT;
	}
	*ret_text = strdup(fake->text[number % FAKE_REVISIONS]);
	return 0;
}

static inline int fake_backup(void *context, void **ret_bytes, size_t *ret_size, char *error,
		       size_t error_size)
{
	((struct fake *)context)->backups++;
	(void)error;
	(void)error_size;
	*ret_size = 200000;
	*ret_bytes = malloc(*ret_size);
	memset(*ret_bytes, 'b', *ret_size);
	return 0;
}

static const struct column fake_columns[] = {
	{"pool", "POOL", COLUMN_TEXT}, {"address", "ADDRESS", COLUMN_TEXT},
	{"weight", "WEIGHT", COLUMN_COUNT}, {"state", "STATE", COLUMN_TEXT},
};

static const struct column fake_revision_columns[] = {
	{"revision", "REVISION", COLUMN_COUNT}, {"comment", "COMMENT", COLUMN_TEXT},
	{"user", "USER", COLUMN_TEXT},
};

static inline void fake_revisions(struct fake *fake, struct report *report)
{
	report_section(report, NULL, REPORT_LIST, fake_revision_columns, 3);
	for (uint64_t i = fake->revision; i > 0; i--) {
		report_row(report);
		report_number(report, i);
		report_text(report, fake->comment[i % FAKE_REVISIONS]);
		report_text(report, fake->users[i % FAKE_REVISIONS]);
	}
}

/* Backends whatever the topic, but for revisions. */
static inline int fake_report(void *context, enum topic topic, const struct filter *filter,
		       struct report **ret_report, char *error, size_t error_size)
{
	struct fake *fake = context;
	struct report *report = report_new(topic == TOPIC_REVISIONS ? "revisions" : "backend");
	char address[32];

	fake->filter = *filter;
	if (*filter->name && !config_find_name(fake->running, KIND_POOL, filter->name)) {
		report_free(report);
		snprintf(error, error_size, "no pool \"%s\"", filter->name);
		return -ENOENT;
	}
	*ret_report = report;
	if (topic == TOPIC_REVISIONS) {
		fake_revisions(fake, report);
		return 0;
	}
	report_section(report, NULL, REPORT_LIST, fake_columns, 4);
	for (unsigned i = 0; i < config_count(fake->running, KIND_BACKEND); i++) {
		const struct config_backend *backend = config_at(fake->running, KIND_BACKEND, i);

		format_endpoint(backend->address, address, sizeof(address));
		report_row(report);
		report_text(report, backend->pool);
		report_text(report, address);
		report_number(report, backend->weight);
		report_text(report, fake->state);
	}
	return 0;
}

static const struct column fake_lookup_columns[] = {
	{"service", NULL, COLUMN_TEXT}, {"text", NULL, COLUMN_PROSE},
};

static const struct column fake_impact_columns[] = {
	{"flows", NULL, COLUMN_COUNT}, {"line", NULL, COLUMN_PROSE},
};

static inline int fake_impact(void *context, const struct config *candidate, struct report *report,
			      char *error, size_t error_size)
{
	struct fake *fake = context;

	(void)candidate;
	if (fake->refusal) {
		snprintf(error, error_size, "%s", fake->refusal);
		return -EIO;
	}
	report_section(report, "impact", REPORT_OBJECT, fake_impact_columns, 2);
	report_row(report);
	report_number(report, fake->flows);
	report_text(report, fake->flows ? "flows change" : "");
	return 0;
}

static inline int fake_lookup(void *context, const struct config *candidate,
			      const struct tuple_question *question,
		       struct report **ret_report, char *error, size_t error_size)
{
	(void)error;
	(void)error_size;
	((struct fake *)context)->question = *question;
	((struct fake *)context)->looked_in_candidate = candidate;
	*ret_report = report_new("lookup");
	report_section(*ret_report, NULL, REPORT_OBJECT, fake_lookup_columns, 2);
	report_row(*ret_report);
	report_text(*ret_report, "web");
	report_text(*ret_report, "service web -> 10.0.0.11:80 (maglev slot 40961, new flow)\n"
				 "  out ext -> int");
	return 0;
}

static const struct column fake_appliance_columns[] = {
	{"time", NULL, COLUMN_TIME}, {"received_per_second", NULL, COLUMN_COUNT},
	{"received_bytes_per_second", NULL, COLUMN_COUNT}, {"flows", NULL, COLUMN_COUNT},
};
static const struct column fake_service_columns[] = {
	{"name", NULL, COLUMN_TEXT}, {"packets_per_second", NULL, COLUMN_COUNT},
	{"reply_packets_per_second", NULL, COLUMN_COUNT},
};
static const struct column fake_drops_columns[] = {
	{"reason", NULL, COLUMN_TEXT}, {"dropped_per_second", NULL, COLUMN_COUNT},
};

static inline void fake_drop(struct report *report, const char *reason, uint64_t rate)
{
	report_row(report);
	report_text(report, reason);
	report_number(report, rate);
}

/* The numbers tell the look that they are of. */
static inline int fake_monitor(void *context, const struct monitor_question *question,
			       struct rates **state, struct report **ret_report, char *error,
			       size_t error_size)
{
	struct fake *fake = context;
	struct report *report;

	if (*question->service &&
	    !config_find_name(fake->running, KIND_SERVICE, question->service)) {
		snprintf(error, error_size, "no service \"%s\"", question->service);
		return -ENOENT;
	}
	fake->monitor = *question;
	fake->monitors += !*state;
	*state = (struct rates *)fake;
	*ret_report = report = report_new("monitor");
	report_section(report, "appliance", REPORT_OBJECT, fake_appliance_columns, 4);
	report_row(report);
	report_number(report, 3600000000000);
	report_number(report, fake->looks);
	report_number(report, 100 * fake->looks);
	report_number(report, 7);
	report_section(report, "service", REPORT_LIST, fake_service_columns, 3);
	report_row(report);
	report_text(report, "web");
	report_number(report, fake->looks);
	report_number(report, 1000);
	report_section(report, "backend", REPORT_LIST, fake_service_columns, 3);
	report_section(report, "drops", REPORT_LIST, fake_drops_columns, 2);
	fake_drop(report, "no_service", fake->looks);
	fake_drop(report, "no_backend", 0);
	fake_drop(report, "no_route", 5);
	fake->looks++;
	return 0;
}

static inline void fake_monitor_end(struct rates *state)
{
	((struct fake *)state)->monitors--;
}

static inline int fake_capture(void *context, const struct capture_question *question,
			       const char *user, struct recording **ret_recording, char *error,
			       size_t error_size)
{
	struct fake *fake = context;

	if (fake->captures) {
		snprintf(error, error_size, "bob captures already");
		return -EBUSY;
	}
	fake->capture = *question;
	snprintf(fake->capture_filter, sizeof(fake->capture_filter), "%s", question->filter);
	snprintf(fake->capture_user, sizeof(fake->capture_user), "%s", user);
	fake->captures++;
	fake->captured = 0;
	fake->capture_stops = false;
	*ret_recording = (struct recording *)fake;
	return 0;
}

/* Pieces "<1>", "<2>" with lines "1" and "2". */
static inline int fake_capture_take(struct recording *recording, struct buffer *frames,
				    struct buffer *lines, struct recording_state *ret_state,
				    char *error, size_t error_size)
{
	struct fake *fake = (struct fake *)recording;
	char piece[32];

	if (fake->capture_fails) {
		snprintf(error, error_size, "the capture cannot go on");
		return -EIO;
	}
	if (fake->pieces) {
		fake->pieces--;
		fake->captured++;
		buffer_append(frames, piece, (size_t)snprintf(piece, sizeof(piece), "<%u>",
							      fake->captured));
		buffer_append(lines, piece, (size_t)snprintf(piece, sizeof(piece), "%u\n",
							     fake->captured));
	}
	*ret_state = (struct recording_state){
		.frames = fake->captured, .lost = fake->captured / 3,
		.ended = fake->capture_stops && !buffer_left(frames),
	};
	return 0;
}

static inline int fake_capture_stop(void *context, struct recording *recording, char *error,
				    size_t error_size)
{
	struct fake *fake = context;

	(void)recording;
	if (!fake->captures) {
		snprintf(error, error_size, "nobody captures");
		return -ENOENT;
	}
	fake->capture_stops = true;
	return 0;
}

static inline void fake_capture_end(struct recording *recording)
{
	((struct fake *)recording)->captures--;
}

/* There is room for 100. */
static inline int fake_trace(void *context, uint32_t count, const char *filter, uint32_t *ret_count,
			     char *error, size_t error_size)
{
	struct fake *fake = context;

	if (fake->traces == 100) {
		snprintf(error, error_size, "no room");
		return -ENOSPC;
	}
	snprintf(fake->capture_filter, sizeof(fake->capture_filter), "%s", filter);
	fake->traces = count < 100 ? count : 100;
	*ret_count = fake->traces;
	return 0;
}

static inline int fake_clear_trace(void *context, char *error, size_t error_size)
{
	(void)error;
	(void)error_size;
	((struct fake *)context)->trace_clears++;
	return 0;
}

static inline int fake_clear_counters(void *context, char *error, size_t error_size)
{
	(void)error;
	(void)error_size;
	((struct fake *)context)->counter_clears++;
	return 0;
}

static inline int fake_clear_flows(void *context, const struct filter *filter, uint64_t *ret_count,
			    char *error, size_t error_size)
{
	struct fake *fake = context;

	(void)error;
	(void)error_size;
	fake->filter = *filter;
	fake->flow_clears++;
	*ret_count = fake->flows;
	return 0;
}

static inline int fake_drain_deadline(void *context, const struct config_backend *backend,
			       uint64_t timeout_ns, char *error, size_t error_size)
{
	struct fake *fake = context;

	(void)backend;
	(void)error;
	(void)error_size;
	fake->drain_timeout_ns = timeout_ns;
	fake->drains++;
	return 0;
}

static inline int fake_backend_flows(void *context, const struct config_backend *backend,
			      uint64_t *ret_flows, char *error, size_t error_size)
{
	(void)backend;
	(void)error;
	(void)error_size;
	*ret_flows = ((struct fake *)context)->flows;
	return 0;
}

static inline struct appliance fake_appliance(struct fake *fake)
{
	fake->running = config_new();
	fake->state = "up";
	return (struct appliance){
		.context = fake, .running = fake_running, .revision = fake_revision,
		.waiting = fake_waiting, .confirm = fake_confirm,
		.commit = fake_commit, .check = fake_check, .revision_text = fake_revision_text,
		.backup = fake_backup, .report = fake_report, .lookup = fake_lookup,
		.impact = fake_impact,
		.monitor = fake_monitor, .monitor_end = fake_monitor_end,
		.trace = fake_trace, .clear_trace = fake_clear_trace,
		.capture = fake_capture, .capture_take = fake_capture_take,
		.capture_stop = fake_capture_stop, .capture_end = fake_capture_end,
		.clear_counters = fake_clear_counters, .clear_flows = fake_clear_flows,
		.drain_deadline = fake_drain_deadline, .backend_flows = fake_backend_flows,
	};
}

static inline void fake_free(struct fake *fake)
{
	config_free(fake->running);
	for (unsigned i = 0; i < FAKE_REVISIONS; i++)
		free(fake->text[i]);
}

#endif
