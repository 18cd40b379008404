#include "appliance/rates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "appliance/reports_topics.h"

enum { EVENTS_SHOWN = 8 };

#define SECOND_NS 1e9

struct backend_before {
	uint32_t id;
	struct backend_counters counters;
};

struct service_before {
	uint32_t id;
	struct service_counters counters;
};

/* By slot, most of which is never touched and costs no memory. */
struct rates {
	bool known;           /* there was a look */
	uint64_t now_ns;      /* of the path's clock, then */
	uint64_t busy_ns, busy_at_ns;
	uint64_t flows;
	struct interface_totals totals;
	uint64_t verdict[VERDICT_COUNT];
	struct backend_before backend[BACKENDS_MAX];
	struct service_before service[SERVICES_MAX];
};

/* A look under way. */
struct glance {
	struct show show;
	const struct monitor_question *question;
	struct rates *before;
	uint64_t span_ns;     /* since the last look; 0: this is the first */
	struct look *look;
	struct overview overview;
};

/* Rounded, but what has happened at all is never 0. What has shrunk was cleared, or is of less
 * interfaces than before: it goes on from there. */
static void put_rate(const struct glance *glance, uint64_t now, uint64_t before)
{
	uint64_t more = now > before ? now - before : 0;
	uint64_t rate;

	if (!glance->span_ns) {
		report_null(glance->show.report);
		return;
	}
	rate = (uint64_t)((double)more * SECOND_NS / (double)glance->span_ns + 0.5);
	report_number(glance->show.report, more && !rate ? 1 : rate);
}

static const struct column appliance_columns[] = {
	{"hostname", NULL, COLUMN_TEXT},
	{"view", NULL, COLUMN_TEXT},
	{"revision", NULL, COLUMN_COUNT},
	{"time", NULL, COLUMN_TIME},
	{"uptime", NULL, COLUMN_DURATION},
	{"interval", NULL, COLUMN_DURATION},
	{"backends_up", NULL, COLUMN_COUNT},
	{"backends", NULL, COLUMN_COUNT},
	{"flows", NULL, COLUMN_COUNT},
	{"flow_capacity", NULL, COLUMN_COUNT},
	{"flows_per_second", NULL, COLUMN_COUNT},
	{"received_per_second", NULL, COLUMN_COUNT},
	{"received_bytes_per_second", NULL, COLUMN_BYTES},
	{"sent_per_second", NULL, COLUMN_COUNT},
	{"sent_bytes_per_second", NULL, COLUMN_BYTES},
	{"dropped_per_second", NULL, COLUMN_COUNT},
	{"ring_lost_per_second", NULL, COLUMN_COUNT},
	{"path_busy_percent", NULL, COLUMN_PERCENT},
};

static const char *view_text(const struct monitor_question *question)
{
	if (question->drops)
		return "drops";
	return question->service[0] ? "service" : question->pool[0] ? "pool" : "all";
}

/* Exact for the interval, unlike that of `show status`. */
static void put_busy(struct glance *glance)
{
	struct rates *before = glance->before;
	struct loop_stats stats;

	if (!glance->show.control->loop) {
		report_null(glance->show.report);
		return;
	}
	loop_stats(glance->show.control->loop, &stats);
	if (glance->span_ns && stats.now_ns > before->busy_at_ns)
		report_number(glance->show.report, (stats.busy_ns - before->busy_ns) * 100 /
						   (stats.now_ns - before->busy_at_ns));
	else
		report_number(glance->show.report, stats.busy_percent);
	before->busy_ns = stats.busy_ns;
	before->busy_at_ns = stats.now_ns;
}

static void put_totals(struct glance *glance)
{
	struct interface_totals now = {0}, *before = &glance->before->totals;

	for (unsigned i = 0; i < glance->look->views; i++)
		interface_totals_add(&now, &glance->look->view[i].totals);
	put_rate(glance, now.received, before->received);
	put_rate(glance, now.received_bytes, before->received_bytes);
	put_rate(glance, now.sent, before->sent);
	put_rate(glance, now.sent_bytes, before->sent_bytes);
	put_rate(glance, now.dropped, before->dropped);
	put_rate(glance, now.ring_lost, before->ring_lost);
	*before = now;
}

static void put_appliance(struct glance *glance)
{
	const struct control *control = glance->show.control;
	const struct flow_totals *flows = &glance->look->traffic.flows;
	struct report *report = glance->show.report;
	int64_t now_ns = wall_clock_ns();
	uint32_t up = 0;
	struct utsname system;

	for (uint32_t i = 0; i < glance->overview.backends; i++)
		up += glance->overview.backend[i].state == BACKEND_STATE_UP;
	uname(&system);
	report_section(report, "appliance", REPORT_OBJECT, COLUMNS(appliance_columns));
	report_row(report);
	report_text(report, system.nodename);
	report_text(report, view_text(glance->question));
	report_number(report, control->revision);
	report_number(report, (uint64_t)now_ns);
	report_number(report, (uint64_t)(now_ns - control->started_ns));
	if (glance->span_ns)
		report_number(report, glance->span_ns);
	else
		report_null(report);
	report_number(report, up);
	report_number(report, glance->overview.backends);
	report_number(report, flows->live);
	report_number(report, flows->capacity);
	put_rate(glance, flows->created, glance->before->flows);
	put_totals(glance);
	put_busy(glance);
	glance->before->flows = flows->created;
}

/* What services and backends have in common. */
#define RATE_COLUMNS \
	{"active_flows", NULL, COLUMN_COUNT}, \
	{"flows_per_second", NULL, COLUMN_COUNT}, \
	{"packets_per_second", NULL, COLUMN_COUNT}, \
	{"bytes_per_second", NULL, COLUMN_BYTES}, \
	{"reply_packets_per_second", NULL, COLUMN_COUNT}, \
	{"reply_bytes_per_second", NULL, COLUMN_BYTES}

#define PUT_RATES(glance, now, before) do { \
	report_number((glance)->show.report, (now)->active_flows); \
	put_rate(glance, (now)->total_flows, (before)->total_flows); \
	put_rate(glance, (now)->packets, (before)->packets); \
	put_rate(glance, (now)->bytes, (before)->bytes); \
	put_rate(glance, (now)->reply_packets, (before)->reply_packets); \
	put_rate(glance, (now)->reply_bytes, (before)->reply_bytes); \
} while (0)

static const struct column service_columns[] = {
	{"name", NULL, COLUMN_TEXT},
	{"address", NULL, COLUMN_TEXT},
	{"pool", NULL, COLUMN_TEXT},
	{"state", NULL, COLUMN_TEXT},
	{"backends_up", NULL, COLUMN_COUNT},
	{"backends", NULL, COLUMN_COUNT},
	RATE_COLUMNS,
	{"no_backend_per_second", NULL, COLUMN_COUNT},
};

static void put_service(struct glance *glance, const struct service_view *view)
{
	struct service_before *before = &glance->before->service[view->id & SLOT_MASK];
	struct report *report = glance->show.report;

	if (before->id != view->id)
		*before = (struct service_before){.id = view->id};
	report_row(report);
	report_text(report, view->config->name);
	report_attribute(report, KIND_SERVICE, "address", view->config);
	report_text(report, view->config->pool);
	report_text(report, service_state_text(view->state));
	report_number(report, view->pool->up);
	report_number(report, view->pool->count);
	PUT_RATES(glance, &view->counters, &before->counters);
	put_rate(glance, view->counters.no_backend, before->counters.no_backend);
	before->counters = view->counters;
}

static bool wants_service(const struct monitor_question *question,
			  const struct config_service *service)
{
	if (question->service[0])
		return strcmp(service->name, question->service) == 0;
	return !question->drops &&
	       (!question->pool[0] || strcmp(service->pool, question->pool) == 0);
}

static const struct column backend_columns[] = {
	{"pool", NULL, COLUMN_TEXT},
	{"address", NULL, COLUMN_TEXT},
	{"name", NULL, COLUMN_TEXT},
	{"weight", NULL, COLUMN_COUNT},
	{"admin", NULL, COLUMN_TEXT},
	{"health", NULL, COLUMN_TEXT},
	{"state", NULL, COLUMN_TEXT},
	RATE_COLUMNS,
};

static void put_backend(struct glance *glance, const struct backend_view *view)
{
	struct backend_before *before = &glance->before->backend[view->id & SLOT_MASK];
	struct report *report = glance->show.report;

	if (before->id != view->id)
		*before = (struct backend_before){.id = view->id};
	report_row(report);
	report_text(report, view->config->pool);
	report_attribute(report, KIND_BACKEND, "address", view->config);
	report_name(report, view->config->name);
	report_number(report, view->config->weight);
	report_attribute(report, KIND_BACKEND, "admin", view->config);
	report_text(report, health_text(view->health));
	report_text(report, backend_state_text(view->state));
	PUT_RATES(glance, &view->counters, &before->counters);
	before->counters = view->counters;
}

/* The pool that the question is about, "" where it is about none in particular. */
static const char *pool_in_question(const struct glance *glance)
{
	const struct config_service *service =
		config_find_name(glance->show.control->serving, KIND_SERVICE,
				 glance->question->service);

	return service ? service->pool : glance->question->pool;
}

static void put_objects(struct glance *glance)
{
	const char *pool = pool_in_question(glance);

	report_section(glance->show.report, "service", REPORT_LIST, COLUMNS(service_columns));
	for (uint32_t i = 0; i < glance->overview.services; i++)
		if (wants_service(glance->question, glance->overview.service[i].config))
			put_service(glance, &glance->overview.service[i]);
	report_section(glance->show.report, "backend", REPORT_LIST, COLUMNS(backend_columns));
	for (uint32_t i = 0; !glance->question->drops && i < glance->overview.backends; i++)
		if (!*pool || strcmp(pool, glance->overview.backend[i].config->pool) == 0)
			put_backend(glance, &glance->overview.backend[i]);
}

static const struct column drops_columns[] = {
	{"reason", NULL, COLUMN_TEXT},
	{"text", NULL, COLUMN_TEXT},
	{"dropped", NULL, COLUMN_COUNT},
	{"dropped_per_second", NULL, COLUMN_COUNT},
};

static void put_drops(struct glance *glance)
{
	struct report *report = glance->show.report;
	const struct look *look = glance->look;

	report_section(report, "drops", REPORT_LIST, COLUMNS(drops_columns));
	for (unsigned v = VERDICT_FIRST_DROP; v < VERDICT_COUNT; v++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < look->views; i++)
			sum += look->traffic.counters.interface[look->view[i].index].verdict[v];
		report_row(report);
		report_text(report, verdict_name((enum verdict)v));
		report_text(report, verdict_text((enum verdict)v));
		report_number(report, sum);
		put_rate(glance, sum, glance->before->verdict[v]);
		glance->before->verdict[v] = sum;
	}
}

static int put_all(struct glance *glance)
{
	struct show *show = &glance->show;
	int result = show_known(show, KIND_SERVICE, glance->question->service);

	if (!result)
		result = show_known(show, KIND_POOL, glance->question->pool);
	if (result)
		return result;
	glance->look = look_take(show->control);
	if (!glance->look || overview_take(show->control, &glance->overview))
		return -ENOMEM;
	if (glance->before->known)
		glance->span_ns = glance->look->traffic.now_ns - glance->before->now_ns;
	glance->before->now_ns = glance->look->traffic.now_ns;
	glance->before->known = true;
	put_appliance(glance);
	put_objects(glance);
	put_drops(glance);
	report_events(show->report, "events", show->control->journal, EVENTS_SHOWN);
	return 0;
}

int rates_look(void *control, const struct monitor_question *question, struct rates **state,
	       struct report **ret_report, char *error, size_t error_size)
{
	struct glance glance = {
		.show = {.control = control, .error = error, .error_size = error_size},
		.question = question,
	};
	int result = -ENOMEM;

	if (!*state)
		*state = calloc(1, sizeof(**state));
	glance.before = *state;
	glance.show.report = report_new("monitor");
	if (glance.before && glance.show.report)
		result = put_all(&glance);
	free(glance.look);
	overview_free(&glance.overview);
	if (!result && report_failed(glance.show.report))
		result = -ENOMEM;
	if (!result) {
		*ret_report = glance.show.report;
		return 0;
	}
	if (result == -ENOMEM)
		snprintf(error, error_size, "not enough memory for this look");
	report_free(glance.show.report);
	return result;
}

void rates_free(struct rates *rates)
{
	free(rates);
}
