/* show stats, drops, interface: what the interfaces carried. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "appliance/reports_topics.h"

/* Enough for a line of every reason. */
enum { DROPS_TEXT_SIZE = VERDICT_COUNT * 160 };

static int look_for(struct show *show, struct look **ret_look)
{
	int result = show_known(show, KIND_INTERFACE, show->filter->name);

	if (result)
		return result;
	*ret_look = look_take(show->control);
	return *ret_look ? 0 : -ENOMEM;
}

static const struct column stats_columns[] = {
	{"name", "NAME", COLUMN_TEXT},
#define X(key, head, grows, text) {#key, head, COLUMN_COUNT},
	INTERFACE_TOTALS(X)
#undef X
};

static const struct column total_columns[] = {
#define X(key, head, grows, text) {#key, head, COLUMN_COUNT},
	INTERFACE_TOTALS(X)
#undef X
};

static const struct column flows_columns[] = {
	{"live", "LIVE", COLUMN_COUNT},
	{"created", "CREATED", COLUMN_COUNT},
	{"closed", "CLOSED", COLUMN_COUNT},
	{"half_open", "HALF-OPEN", COLUMN_COUNT},
	{"capacity", "CAPACITY", COLUMN_COUNT},
	{"stateless", "STATELESS", COLUMN_COUNT},
#define X(name, text) {"closed_" text, "CLOSED " text, COLUMN_COUNT},
	FLOW_CLOSE_REASONS(X)
#undef X
};

static const struct column path_columns[] = {
	{"turns", "TURNS", COLUMN_COUNT},
	{"busy_turns", "BUSY TURNS", COLUMN_COUNT},
	{"sleeps", "SLEEPS", COLUMN_COUNT},
};

static void report_totals(struct report *report, const struct interface_totals *totals)
{
#define X(key, head, grows, text) report_number(report, totals->key);
	INTERFACE_TOTALS(X)
#undef X
}

static void report_flows(struct report *report, const struct traffic *traffic)
{
	const struct flow_totals *flows = &traffic->flows;
	uint64_t closed = 0;

	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		closed += flows->closed[i];
	report_section(report, "flows", REPORT_OBJECT, COLUMNS(flows_columns));
	report_row(report);
	report_number(report, flows->live);
	report_number(report, flows->created);
	report_number(report, closed);
	report_number(report, flows->half_open);
	report_number(report, flows->capacity);
	report_number(report, traffic->counters.stateless);
	for (unsigned i = 0; i < FLOW_CLOSE_REASON_COUNT; i++)
		report_number(report, flows->closed[i]);
}

/* A replay has no thread that could wait. */
static void report_path(struct report *report, struct loop *loop)
{
	struct loop_stats stats = {0};

	if (loop)
		loop_stats(loop, &stats);
	report_section(report, "path", REPORT_OBJECT, COLUMNS(path_columns));
	report_row(report);
	report_number(report, stats.turns);
	report_number(report, stats.busy_turns);
	report_number(report, stats.sleeps);
}

int show_stats(struct show *show)
{
	struct interface_totals total = {0};
	struct look *look;
	int result = look_for(show, &look);

	if (result)
		return result;
	report_section(show->report, "interface", REPORT_LIST, COLUMNS(stats_columns));
	for (unsigned i = 0; i < look->views; i++) {
		const struct interface_view *view = &look->view[i];

		if (!show_wants(show, view->config->name))
			continue;
		report_row(show->report);
		report_text(show->report, view->config->name);
		report_totals(show->report, &view->totals);
		interface_totals_add(&total, &view->totals);
	}
	report_section(show->report, "total", REPORT_OBJECT, COLUMNS(total_columns));
	report_row(show->report);
	report_totals(show->report, &total);
	report_path(show->report, show->control->loop);
	report_flows(show->report, &look->traffic);
	free(look);
	return 0;
}

/* In text only reasons that occurred, each with its sentence. */
static const struct column drops_columns[] = {
	{"lines", NULL, COLUMN_PROSE},
	{"none", NULL, COLUMN_REMARK},
#define X(name, text) {#name, NULL, COLUMN_COUNT},
	VERDICT_DROPS(X)
#undef X
};

static void report_drop_lines(struct report *report, const uint64_t sum[static VERDICT_COUNT])
{
	char text[DROPS_TEXT_SIZE] = "";
	size_t used = 0;

	for (unsigned i = VERDICT_FIRST_DROP; i < VERDICT_COUNT; i++)
		if (sum[i])
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 "%-20s %12" PRIu64 "  %s\n",
						 verdict_name((enum verdict)i), sum[i],
						 verdict_text((enum verdict)i));
	report_text(report, text);
	report_text(report, used ? "" : "no drops");
}

int show_drops(struct show *show)
{
	uint64_t sum[VERDICT_COUNT] = {0};
	struct look *look;
	int result = look_for(show, &look);

	if (result)
		return result;
	for (unsigned i = 0; i < look->views; i++)
		for (unsigned v = 0; v < VERDICT_COUNT; v++)
			if (show_wants(show, look->view[i].config->name))
				sum[v] += look->traffic.counters.interface[look->view[i].index].verdict[v];
	report_section(show->report, NULL, REPORT_OBJECT, COLUMNS(drops_columns));
	report_row(show->report);
	report_drop_lines(show->report, sum);
	for (unsigned v = VERDICT_FIRST_DROP; v < VERDICT_COUNT; v++)
		report_number(show->report, sum[v]);
	free(look);
	return 0;
}

static const struct column interface_columns[] = {
	{"name", "NAME", COLUMN_TEXT},
	{"role", "ROLE", COLUMN_TEXT},
	{"addresses", "ADDRESSES", COLUMN_WORDS},
	{"mac", "MAC", COLUMN_TEXT},
	{"mtu", "MTU", COLUMN_COUNT},
	{"state", "STATE", COLUMN_TEXT},
	{"received", "RECEIVED", COLUMN_COUNT},
	{"sent", "SENT", COLUMN_COUNT},
	{"dropped", "DROPPED", COLUMN_COUNT},
	{"ring_lost", "RING-LOST", COLUMN_COUNT},
	{"problem", "PROBLEM", COLUMN_TEXT},
};

static void report_addresses(struct report *report, const struct address_list *list)
{
	char text[ADDRESS_LIST_MAX * sizeof("255.255.255.255/32 ")] = "";
	size_t used = 0;

	for (unsigned i = 0; i < list->count; i++) {
		if (used)
			text[used++] = ' ';
		used += (size_t)format_prefix(list->item[i], text + used, sizeof(text) - used);
	}
	report_text(report, text);
}

static void report_interface(struct report *report, const struct interface_view *view)
{
	report_row(report);
	report_text(report, view->config->name);
	report_attribute(report, KIND_INTERFACE, "role", view->config);
	report_addresses(report, &view->config->address);
	report_mac(report, &view->mac);
	if (view->mtu)
		report_number(report, view->mtu);
	else
		report_null(report);
	report_text(report, interface_state_text(view->state));
	report_number(report, view->totals.received);
	report_number(report, view->totals.sent);
	report_number(report, view->totals.dropped);
	report_number(report, view->totals.ring_lost);
	report_name(report, view->problem);
}

int show_interface(struct show *show)
{
	struct look *look;
	int result = look_for(show, &look);

	if (result)
		return result;
	report_section(show->report, NULL, REPORT_LIST, COLUMNS(interface_columns));
	for (unsigned i = 0; i < look->views; i++)
		if (show_wants(show, look->view[i].config->name))
			report_interface(show->report, &look->view[i]);
	free(look);
	return 0;
}
