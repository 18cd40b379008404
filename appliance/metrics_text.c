/* The page of metrics: families one after the other, each with its help, its type and its samples.
 * What stands in labels needs no escapes: the model lets no quote into a name.
 * Source: Prometheus, "Exposition formats", text format 0.0.4; "Metric and label naming". */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "appliance/metrics.h"
#include "appliance/overview.h"

enum { LABEL_SIZE = 2 * TEXT_SIZE };

#define SECOND_NS 1000000000

struct family {
	const char *name;  /* behind "lb_" */
	bool grows;        /* a counter, whose name ends with _total */
	const char *help;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void write_head(FILE *page, const struct family *family)
{
	const char *suffix = family->grows ? "_total" : "";

	fprintf(page, "# HELP lb_%s%s %s\n", family->name, suffix, family->help);
	fprintf(page, "# TYPE lb_%s%s %s\n", family->name, suffix,
		family->grows ? "counter" : "gauge");
}

/* `labels`: with their braces, or "". */
static void write_sample(FILE *page, const struct family *family, const char *labels,
			 uint64_t value)
{
	fprintf(page, "lb_%s%s%s %" PRIu64 "\n", family->name, family->grows ? "_total" : "", labels,
		value);
}

static void write_one(FILE *page, const struct family *family, uint64_t value)
{
	write_head(page, family);
	write_sample(page, family, "", value);
}

/* ---- the whole appliance ---- */

static void write_appliance(FILE *page, struct control *control)
{
	static const struct family info = {"info", false, "the version that runs"};
	static const struct family start = {"start_time_seconds", false, "when it started, Unix time"};
	static const struct family revision = {"config_revision", false,
					       "revision of the configuration in force"};

	write_head(page, &info);
	write_sample(page, &info, "{version=\"" LB_VERSION "\"}", 1);
	write_one(page, &revision, control->revision);
	if (control->loop)
		write_one(page, &start, (uint64_t)(control->started_ns / SECOND_NS));
}

static void write_path(FILE *page, struct control *control)
{
	static const struct family turns = {"path_turns", true, "looks at all rings"};
	static const struct family busy = {"path_busy_turns", true, "looks that found work"};
	static const struct family sleeps = {"path_sleeps", true, "times that the packet path slept"};
	static const struct family work = {"path_busy_seconds", true,
					   "time that the packet path spent in looks that found work"};
	struct loop_stats stats;

	if (!control->loop)
		return;
	loop_stats(control->loop, &stats);
	write_head(page, &work);
	fprintf(page, "lb_%s_total %" PRIu64 ".%09" PRIu64 "\n", work.name,
		stats.busy_ns / SECOND_NS, stats.busy_ns % SECOND_NS);
	write_one(page, &turns, stats.turns);
	write_one(page, &busy, stats.busy_turns);
	write_one(page, &sleeps, stats.sleeps);
}

static void write_closed(FILE *page, const struct flow_totals *flows)
{
	static const struct family family = {"flows_closed", true, "flows that ended, by reason"};
	char labels[LABEL_SIZE];

	write_head(page, &family);
	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++) {
		snprintf(labels, sizeof(labels), "{reason=\"%s\"}",
			 flow_close_reason_text((enum flow_close_reason)i));
		write_sample(page, &family, labels, flows->closed[i]);
	}
}

static void write_flows(FILE *page, const struct traffic *traffic)
{
	static const struct family families[] = {
		{"flows", false, "live flows"},
		{"flows_half_open", false, "live TCP flows that wait for their handshake"},
		{"flows_capacity", false, "flows that the table holds"},
		{"flows_created", true, "flows that began"},
		{"stateless_packets", true, "packets forwarded without a flow, by the table alone"},
		{"vip_conflicts", true, "ARP by which another host claimed an address of the appliance"},
		{"checks_sent", true, "probes of health checks that were sent"},
		{"heartbeats", true, "heartbeats that were heard"},
		{"register_full", true, "packets of strangers that could not register"},
	};
	const uint64_t values[COUNT(families)] = {
		traffic->flows.live, traffic->flows.half_open, traffic->flows.capacity,
		traffic->flows.created, traffic->counters.stateless, traffic->counters.vip_conflicts,
		traffic->counters.checks_sent, traffic->counters.heartbeats,
		traffic->counters.register_full,
	};

	for (unsigned i = 0; i < COUNT(families); i++)
		write_one(page, &families[i], values[i]);
	write_closed(page, &traffic->flows);
}

/* ---- interfaces ---- */

static void write_totals(FILE *page, const struct look *look)
{
	static const struct family families[] = {
		{"interface_up", false, "1 where it is there, has a link and a ring"},
#define X(key, head, grows, text) {"interface_" #key, grows, text},
		INTERFACE_TOTALS(X)
#undef X
	};
	char labels[LABEL_SIZE];

	for (unsigned f = 0; f < COUNT(families); f++) {
		write_head(page, &families[f]);
		for (unsigned i = 0; i < look->views; i++) {
			const struct interface_view *view = &look->view[i];
			const uint64_t values[COUNT(families)] = {
				view->state == INTERFACE_UP,
#define X(key, head, grows, text) view->totals.key,
				INTERFACE_TOTALS(X)
#undef X
			};

			snprintf(labels, sizeof(labels), "{interface=\"%s\"}",
				 view->config->name);
			write_sample(page, &families[f], labels, values[f]);
		}
	}
}

static void write_drops(FILE *page, const struct look *look)
{
	static const struct family family = {"drops", true, "received frames dropped, by reason"};
	char labels[LABEL_SIZE];

	write_head(page, &family);
	for (unsigned i = 0; i < look->views; i++) {
		const struct interface_view *view = &look->view[i];

		for (unsigned v = VERDICT_FIRST_DROP; v < VERDICT_COUNT; v++) {
			snprintf(labels, sizeof(labels), "{interface=\"%s\",reason=\"%s\"}",
				 view->config->name, verdict_name((enum verdict)v));
			write_sample(page, &family, labels,
				     look->traffic.counters.interface[view->index].verdict[v]);
		}
	}
}

/* ---- services and backends ---- */

static void write_services(FILE *page, const struct overview *overview)
{
	static const struct family families[] = {
		{"service_up", false, "1 where a backend takes new flows"},
		{"service_backends", false, "backends of its pool"},
		{"service_backends_up", false, "backends of its pool that are up"},
		{"service_active_flows", false, "live flows"},
		{"service_flows", true, "flows that began"},
		{"service_packets", true, "packets from clients"},
		{"service_bytes", true, "bytes from clients"},
		{"service_reply_packets", true, "packets to clients"},
		{"service_reply_bytes", true, "bytes to clients"},
		{"service_no_backend", true, "packets dropped: no usable backend"},
	};
	char labels[LABEL_SIZE];

	for (unsigned f = 0; f < COUNT(families); f++) {
		write_head(page, &families[f]);
		for (uint32_t i = 0; i < overview->services; i++) {
			const struct service_view *view = &overview->service[i];
			const struct service_counters *counters = &view->counters;
			const uint64_t values[COUNT(families)] = {
				view->state == SERVICE_UP, view->pool->count, view->pool->up,
				counters->active_flows, counters->total_flows, counters->packets,
				counters->bytes, counters->reply_packets, counters->reply_bytes,
				counters->no_backend,
			};

			snprintf(labels, sizeof(labels), "{service=\"%s\"}", view->config->name);
			write_sample(page, &families[f], labels, values[f]);
		}
	}
}

static void write_backends(FILE *page, const struct overview *overview)
{
	static const struct family families[] = {
		{"backend_up", false, "1 where its effective state is up"},
		{"backend_healthy", false, "0 where its check says that it is down"},
		{"backend_weight", false, "its configured weight"},
		{"backend_active_flows", false, "live flows"},
		{"backend_flows", true, "flows that began"},
		{"backend_packets", true, "packets from clients"},
		{"backend_bytes", true, "bytes from clients"},
		{"backend_reply_packets", true, "packets to clients"},
		{"backend_reply_bytes", true, "bytes to clients"},
	};
	char labels[LABEL_SIZE], endpoint[TEXT_SIZE];

	for (unsigned f = 0; f < COUNT(families); f++) {
		write_head(page, &families[f]);
		for (uint32_t i = 0; i < overview->backends; i++) {
			const struct backend_view *view = &overview->backend[i];
			const struct backend_counters *counters = &view->counters;
			const uint64_t values[COUNT(families)] = {
				view->state == BACKEND_STATE_UP, view->health != HEALTH_DOWN,
				view->config->weight, counters->active_flows, counters->total_flows,
				counters->packets, counters->bytes, counters->reply_packets,
				counters->reply_bytes,
			};

			format_endpoint(view->config->address, endpoint, sizeof(endpoint));
			snprintf(labels, sizeof(labels), "{pool=\"%s\",backend=\"%s\"}",
				 view->config->pool, endpoint);
			write_sample(page, &families[f], labels, values[f]);
		}
	}
}

int metrics_text(struct control *control, char **ret_text, size_t *ret_size)
{
	struct overview overview = {0};
	struct look *look = look_take(control);
	char *text = NULL;
	FILE *page = NULL;
	int result = -ENOMEM;

	if (!look || overview_take(control, &overview) || !(page = open_memstream(&text, ret_size)))
		goto end;
	write_appliance(page, control);
	write_path(page, control);
	write_flows(page, &look->traffic);
	write_totals(page, look);
	write_drops(page, look);
	write_services(page, &overview);
	write_backends(page, &overview);
	if (!ferror(page))
		result = 0;
	if (fclose(page) || result) {
		result = -ENOMEM;
		free(text);
		goto end;
	}
	*ret_text = text;
end:
	overview_free(&overview);
	free(look);
	return result;
}
