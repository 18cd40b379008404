/* show service, pool, backend, check: what is balanced, and how it fares. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "appliance/reports_topics.h"

enum { FINGERPRINT_SIZE = 17 };

static const struct column service_columns[] = {
	{"name", "NAME", COLUMN_TEXT},
	{"address", "ADDRESS", COLUMN_TEXT},
	{"port", "PORT", COLUMN_COUNT},
	{"protocol", "PROTOCOL", COLUMN_TEXT},
	{"pool", "POOL", COLUMN_TEXT},
	{"mode", "MODE", COLUMN_TEXT},
	{"source_rewrite", NULL, COLUMN_TEXT},
	{"admin", "ADMIN", COLUMN_TEXT},
	{"state", "STATE", COLUMN_TEXT},
	{"backends_up", "UP", COLUMN_COUNT},
	{"backends", "BACKENDS", COLUMN_COUNT},
	{"active_flows", "ACTIVE", COLUMN_COUNT},
	{"total_flows", "FLOWS", COLUMN_COUNT},
	{"packets", "PACKETS", COLUMN_COUNT},
	{"bytes", "BYTES", COLUMN_BYTES},
	{"reply_packets", NULL, COLUMN_COUNT},
	{"reply_bytes", "REPLIES", COLUMN_BYTES},
	{"no_backend", "NO-BACKEND", COLUMN_COUNT},
	{"max_flows", NULL, COLUMN_COUNT},
	{"requests", NULL, COLUMN_COUNT},
	{"responses", NULL, COLUMN_COUNT},
	{"lifetime", NULL, COLUMN_DURATION},
	{"front_timeout", NULL, COLUMN_DURATION},
	{"back_timeout", NULL, COLUMN_DURATION},
	{"proxy_protocol", NULL, COLUMN_TEXT},
};

static const char *protocol_text(uint8_t protocol)
{
	static const char *const texts[] = {
		[PROTOCOL_TCP] = "tcp", [PROTOCOL_UDP] = "udp", [PROTOCOL_ANY] = "any",
	};

	return texts[protocol];
}

static void report_limits(struct report *report, const struct config_service *config)
{
	if (config->max_flows)
		report_number(report, config->max_flows);
	else
		report_null(report);
	report_number(report, config->requests);
	report_number(report, config->responses);
	report_number(report, config->lifetime_ns);
	report_number(report, config->front_timeout_ns);
	report_number(report, config->back_timeout_ns);
	report_attribute(report, KIND_SERVICE, "proxy-protocol", config);
}

static void report_service(struct report *report, const struct service_view *view)
{
	const struct config_service *config = view->config;

	report_row(report);
	report_text(report, config->name);
	report_address(report, config->address.address);
	report_number(report, config->address.port);
	report_text(report, protocol_text(config->address.protocol));
	report_text(report, config->pool);
	report_attribute(report, KIND_SERVICE, "mode", config);
	if (config->source_rewrite.set)
		report_attribute(report, KIND_SERVICE, "source-rewrite", config);
	else
		report_null(report);
	report_attribute(report, KIND_SERVICE, "admin", config);
	report_text(report, service_state_text(view->state));
	report_number(report, view->pool->up);
	report_number(report, view->pool->count);
	report_number(report, view->counters.active_flows);
	report_number(report, view->counters.total_flows);
	report_number(report, view->counters.packets);
	report_number(report, view->counters.bytes);
	report_number(report, view->counters.reply_packets);
	report_number(report, view->counters.reply_bytes);
	report_number(report, view->counters.no_backend);
	report_limits(report, config);
}

int show_service(struct show *show)
{
	struct overview overview;
	int result = show_known(show, KIND_SERVICE, show->filter->name);

	if (!result)
		result = overview_take(show->control, &overview);
	if (result)
		return result;
	report_section(show->report, NULL, REPORT_LIST, COLUMNS(service_columns));
	for (uint32_t i = 0; i < overview.services; i++)
		if (show_wants(show, overview.service[i].config->name))
			report_service(show->report, &overview.service[i]);
	overview_free(&overview);
	return 0;
}

static const struct column pool_columns[] = {
	{"name", "NAME", COLUMN_TEXT},
	{"scheduler", "SCHEDULER", COLUMN_TEXT},
	{"affinity", "AFFINITY", COLUMN_TEXT},
	{"check", "CHECK", COLUMN_TEXT},
	{"backends", "BACKENDS", COLUMN_COUNT},
	{"backends_up", "UP", COLUMN_COUNT},
	{"weight", "WEIGHT", COLUMN_COUNT},
	{"fingerprint", "FINGERPRINT", COLUMN_TEXT},
	{"services", "SERVICES", COLUMN_COUNT},
};

static void report_pool(struct report *report, const struct pool_view *view)
{
	char fingerprint[FINGERPRINT_SIZE] = "";

	if (view->compiled->table)
		snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, view->compiled->fingerprint);
	report_row(report);
	report_text(report, view->config->name);
	report_attribute(report, KIND_POOL, "scheduler", view->config);
	report_attribute(report, KIND_POOL, "affinity", view->config);
	report_name(report, view->config->check);
	report_number(report, view->count);
	report_number(report, view->up);
	report_number(report, view->weight);
	report_name(report, fingerprint);
	report_number(report, view->services);
}

int show_pool(struct show *show)
{
	struct overview overview;
	int result = show_known(show, KIND_POOL, show->filter->name);

	if (!result)
		result = overview_take(show->control, &overview);
	if (result)
		return result;
	report_section(show->report, NULL, REPORT_LIST, COLUMNS(pool_columns));
	for (uint32_t i = 0; i < overview.pools; i++)
		if (show_wants(show, overview.pool[i].config->name))
			report_pool(show->report, &overview.pool[i]);
	overview_free(&overview);
	return 0;
}

static const struct column backend_columns[] = {
	{"pool", "POOL", COLUMN_TEXT},
	{"address", "ADDRESS", COLUMN_TEXT},
	{"port", "PORT", COLUMN_COUNT},
	{"name", "NAME", COLUMN_TEXT},
	{"weight", "WEIGHT", COLUMN_COUNT},
	{"configured_weight", NULL, COLUMN_COUNT},
	{"admin", "ADMIN", COLUMN_TEXT},
	{"health", "HEALTH", COLUMN_TEXT},
	{"state", "STATE", COLUMN_TEXT},
	{"active_flows", "ACTIVE", COLUMN_COUNT},
	{"total_flows", "FLOWS", COLUMN_COUNT},
	{"packets", "PACKETS", COLUMN_COUNT},
	{"bytes", "BYTES", COLUMN_BYTES},
	{"reply_packets", NULL, COLUMN_COUNT},
	{"reply_bytes", "REPLIES", COLUMN_BYTES},
};

/* The weight in force is the one that heartbeats tell; a backend that registered has no other. */
static void report_backend(struct report *report, const struct config *running,
			   const struct backend_view *view)
{
	const struct config_backend *config = view->config;
	const struct config_backend *configured = config_find(running, KIND_BACKEND, config);

	report_row(report);
	report_text(report, config->pool);
	report_address(report, config->address.address);
	report_number(report, config->address.port);
	report_name(report, config->name);
	report_number(report, config->weight);
	if (configured)
		report_number(report, configured->weight);
	else
		report_null(report);
	report_attribute(report, KIND_BACKEND, "admin", config);
	report_text(report, health_text(view->health));
	report_text(report, backend_state_text(view->state));
	report_number(report, view->counters.active_flows);
	report_number(report, view->counters.total_flows);
	report_number(report, view->counters.packets);
	report_number(report, view->counters.bytes);
	report_number(report, view->counters.reply_packets);
	report_number(report, view->counters.reply_bytes);
}

static bool is_asked_for(const struct show *show, const struct config_backend *backend)
{
	const struct endpoint *asked = &show->filter->backend;

	return show_wants(show, backend->pool) &&
	       (!show->filter->has_backend || (same32(asked->address, backend->address.address) &&
					       asked->port == backend->address.port));
}

int show_known_backend(struct show *show)
{
	const struct config *config = show->control->serving;
	char endpoint[TEXT_SIZE], label[2 * TEXT_SIZE];

	if (!show->filter->has_backend)
		return 0;
	for (unsigned i = 0; i < config_count(config, KIND_BACKEND); i++)
		if (is_asked_for(show, config_at(config, KIND_BACKEND, i)))
			return 0;
	format_endpoint(show->filter->backend, endpoint, sizeof(endpoint));
	snprintf(label, sizeof(label), "%s%s%s", show->filter->name,
		 show->filter->name[0] ? "/" : "", endpoint);
	return show_missing(show, KIND_BACKEND, label);
}

int show_backend(struct show *show)
{
	struct overview overview;
	int result = show_known(show, KIND_POOL, show->filter->name);

	if (!result)
		result = show_known_backend(show);
	if (!result)
		result = overview_take(show->control, &overview);
	if (result)
		return result;
	report_section(show->report, NULL, REPORT_LIST, COLUMNS(backend_columns));
	for (uint32_t i = 0; i < overview.backends; i++)
		if (is_asked_for(show, overview.backend[i].config))
			report_backend(show->report, show->control->running, &overview.backend[i]);
	overview_free(&overview);
	return 0;
}

static const struct column check_columns[] = {
	{"name", "NAME", COLUMN_TEXT},
	{"type", "TYPE", COLUMN_TEXT},
	{"pool", "POOL", COLUMN_TEXT},
	{"address", "ADDRESS", COLUMN_TEXT},
	{"port", "PORT", COLUMN_COUNT},
	{"health", "HEALTH", COLUMN_TEXT},
	{"result", "RESULT", COLUMN_TEXT},
	{"successes", "SUCCESSES", COLUMN_COUNT},
	{"failures", "FAILURES", COLUMN_COUNT},
	{"round_trip", "ROUND-TRIP", COLUMN_DURATION},
	{"changed", "CHANGED", COLUMN_TIME},
};

/* The path's clock is monotonic, operators' are not; in a replay it is the captures'. */
static void report_time(struct report *report, const struct control *control, uint64_t path_ns)
{
	int64_t then_ns = (int64_t)path_ns;

	if (control->loop)
		then_ns += wall_clock_ns() - (int64_t)clock_now_ns();
	if (path_ns)
		report_number(report, (uint64_t)then_ns);
	else
		report_null(report);
}

static void report_check(const struct show *show, const struct config_check *check,
			 const struct backend_view *view)
{
	struct report *report = show->report;
	const struct config_backend *config = view->config;

	report_row(report);
	report_text(report, check->name);
	report_attribute(report, KIND_CHECK, "type", check);
	report_text(report, config->pool);
	report_address(report, config->address.address);
	report_number(report, check->port ? check->port : config->address.port);
	report_text(report, health_text(view->health));
	report_text(report, check_result_text(view->check.result));
	report_number(report, view->check.successes);
	report_number(report, view->check.failures);
	if (view->check.round_trip_ns)
		report_number(report, view->check.round_trip_ns);
	else
		report_null(report);
	report_time(report, show->control, view->check.changed_ns);
}

/* A row for each backend that is checked. */
int show_check(struct show *show)
{
	const struct config *config = show->control->serving;
	struct overview overview;
	int result = show_known(show, KIND_CHECK, show->filter->name);

	if (!result)
		result = overview_take(show->control, &overview);
	if (result)
		return result;
	report_section(show->report, NULL, REPORT_LIST, COLUMNS(check_columns));
	for (uint32_t i = 0; i < overview.pools; i++) {
		const struct pool_view *pool = &overview.pool[i];
		const struct config_check *check =
			config_find_name(config, KIND_CHECK, pool->config->check);

		if (!check || !show_wants(show, check->name))
			continue;
		for (uint32_t b = pool->first; b < pool->first + pool->count; b++)
			report_check(show, check, &overview.backend[b]);
	}
	overview_free(&overview);
	return 0;
}
