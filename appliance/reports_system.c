/* show status, version, revisions, events: the appliance itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "appliance/reports_topics.h"
#include "cli/waiting.h"

enum { EVENTS_SHOWN = 100 }; /* unless `limit` says otherwise */

#define SECOND_NS UINT64_C(1000000000)
#define MILLISECOND_NS UINT64_C(1000000)

static const struct column status_columns[] = {
	{"hostname", "hostname", COLUMN_TEXT},
	{"version", "version", COLUMN_TEXT},
	{"revision", "revision", COLUMN_COUNT},
	{"started", "started", COLUMN_TIME},
	{"uptime", "uptime", COLUMN_DURATION},
	{"topology", "topology", COLUMN_TEXT},
	{"port_mode", "port mode", COLUMN_TEXT},
	{"interfaces_up", "interfaces up", COLUMN_COUNT},
	{"interfaces", "interfaces", COLUMN_COUNT},
	{"services_up", "services up", COLUMN_COUNT},
	{"services", "services", COLUMN_COUNT},
	{"pools", "pools", COLUMN_COUNT},
	{"backends_up", "backends up", COLUMN_COUNT},
	{"backends", "backends", COLUMN_COUNT},
	{"flows", "flows", COLUMN_COUNT},
	{"flow_capacity", "flow capacity", COLUMN_COUNT},
	{"received", "received", COLUMN_COUNT},
	{"forwarded", "forwarded", COLUMN_COUNT},
	{"dropped", "dropped", COLUMN_COUNT},
	{"ring_lost", "ring lost", COLUMN_COUNT},
	{"path_busy_percent", "path busy", COLUMN_PERCENT},
	{"wait", "wait", COLUMN_TEXT},
	{"wake_up", "wake-up", COLUMN_TEXT},
	{"unconfirmed", NULL, COLUMN_COUNT},
	{"unconfirmed_by", NULL, COLUMN_TEXT},
	{"reverts_to", NULL, COLUMN_COUNT},
	{"reverts_at", NULL, COLUMN_TIME},
	{"waiting", NULL, COLUMN_PROSE},
};

static void report_identity(struct show *show)
{
	const struct control *control = show->control;
	struct report *report = show->report;
	struct utsname system;

	uname(&system);
	report_text(report, system.nodename);
	report_text(report, LB_VERSION);
	report_number(report, control->revision);
	if (control->loop) {
		report_number(report, (uint64_t)control->started_ns);
		report_number(report, (uint64_t)(wall_clock_ns() - control->started_ns));
	} else {
		report_null(report);
		report_null(report);
	}
}

/* One frontend and one backend interface is port mode single, more frontends is multi. */
static const char *port_mode(const struct config *config)
{
	unsigned frontends = 0, backends = 0;

	for (unsigned i = 0; i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);

		frontends += interface->role == ROLE_FRONTEND;
		backends += interface->role == ROLE_BACKEND;
	}
	if (backends != 1 || !frontends ||
	    frontends + backends != config_count(config, KIND_INTERFACE))
		return NULL;
	return frontends == 1 ? "single" : "multi";
}

static void report_topology(const struct show *show)
{
	const struct config *config = show->control->running;

	report_attribute(show->report, KIND_GLOBAL, "topology", config_global(config));
	report_name(show->report, port_mode(config));
}

static void report_links(struct report *report, const struct look *look)
{
	unsigned up = 0;

	for (unsigned i = 0; i < look->views; i++)
		up += look->view[i].state == INTERFACE_UP;
	report_number(report, up);
	report_number(report, look->views);
}

static void report_objects(struct report *report, const struct overview *overview)
{
	uint32_t services_up = 0, backends_up = 0;

	for (uint32_t i = 0; i < overview->services; i++)
		services_up += overview->service[i].state == SERVICE_UP;
	for (uint32_t i = 0; i < overview->backends; i++)
		backends_up += overview->backend[i].state == BACKEND_STATE_UP;
	report_number(report, services_up);
	report_number(report, overview->services);
	report_number(report, overview->pools);
	report_number(report, backends_up);
	report_number(report, overview->backends);
}

static void report_traffic(struct report *report, const struct look *look)
{
	struct interface_totals total = {0};

	for (unsigned i = 0; i < look->views; i++)
		interface_totals_add(&total, &look->view[i].totals);
	report_number(report, look->traffic.flows.live);
	report_number(report, look->traffic.flows.capacity);
	report_number(report, total.received);
	report_number(report, total.forwarded);
	report_number(report, total.dropped);
	report_number(report, total.ring_lost);
}

static void report_path(struct report *report, const struct control *control)
{
	struct loop_stats stats;

	if (control->loop) {
		loop_stats(control->loop, &stats);
		report_number(report, stats.busy_percent);
	} else {
		report_null(report);
	}
	report_attribute(report, KIND_GLOBAL, "wait", config_global(control->running));
	report_name(report, !control->loop ? NULL : loop_wake(control->loop) ? "ebpf" : "block timer");
}

/* What waits to be confirmed. */
static void report_waiting(struct show *show)
{
	struct report *report = show->report;
	struct waiting waiting;
	char sentence[WAITING_TEXT_SIZE], line[WAITING_TEXT_SIZE + 1];

	if (!confirm_waits(show->control, &waiting))
		return;
	waiting_text(&waiting, sentence);
	snprintf(line, sizeof(line), "%s.", sentence);
	report_number(report, waiting.revision);
	report_text(report, waiting.user);
	report_number(report, waiting.back);
	report_number(report, (uint64_t)waiting.deadline_ms * MILLISECOND_NS);
	report_text(report, line);
}

int show_status(struct show *show)
{
	struct overview overview;
	struct look *look = look_take(show->control);

	if (!look || overview_take(show->control, &overview)) {
		free(look);
		return -ENOMEM;
	}
	report_section(show->report, NULL, REPORT_OBJECT, COLUMNS(status_columns));
	report_row(show->report);
	report_identity(show);
	report_topology(show);
	report_links(show->report, look);
	report_objects(show->report, &overview);
	report_traffic(show->report, look);
	report_path(show->report, show->control);
	report_waiting(show);
	overview_free(&overview);
	free(look);
	return 0;
}

static const struct column version_columns[] = {
	{"version", "version", COLUMN_TEXT},
	{"kernel", "kernel", COLUMN_TEXT},
};

int show_version(struct show *show)
{
	struct utsname system;

	uname(&system);
	report_section(show->report, NULL, REPORT_OBJECT, COLUMNS(version_columns));
	report_row(show->report);
	report_text(show->report, LB_VERSION);
	report_text(show->report, system.release);
	return 0;
}

static const struct column revision_columns[] = {
	{"revision", "REVISION", COLUMN_COUNT},
	{"time", "TIME", COLUMN_TIME},
	{"user", "USER", COLUMN_TEXT},
	{"changes", "CHANGES", COLUMN_COUNT},
	{"comment", "COMMENT", COLUMN_TEXT},
};

static void report_revision(void *context, const struct revision *revision)
{
	struct report *report = context;

	report_row(report);
	report_number(report, revision->number);
	report_number(report, (uint64_t)revision->time_s * SECOND_NS);
	report_text(report, revision->user);
	report_number(report, revision->changes);
	report_name(report, revision->comment);
}

/* Newest first. */
int show_revisions(struct show *show)
{
	report_section(show->report, NULL, REPORT_LIST, COLUMNS(revision_columns));
	if (!show->control->store)
		return 0;
	return store_revisions(show->control->store, report_revision, show->report, show->error,
			       show->error_size);
}

static const struct column event_columns[] = {
	{"time", "TIME", COLUMN_TIME},
	{"event", "EVENT", COLUMN_TEXT},
};

void report_events(struct report *report, const char *key, const struct journal *journal,
		   unsigned limit)
{
	unsigned count = journal_count(journal);

	report_section(report, key, REPORT_LIST, COLUMNS(event_columns));
	for (unsigned i = count < limit ? count : limit; i > 0; i--) {
		const struct journal_entry *entry = journal_at(journal, i - 1);

		report_row(report);
		report_number(report, (uint64_t)entry->time_ns);
		report_text(report, entry->sentence);
	}
}

int show_events(struct show *show)
{
	report_events(show->report, NULL, show->control->journal,
		      show->filter->limit ? show->filter->limit : EVENTS_SHOWN);
	return 0;
}
