/* show flow, neighbor, route: the tables that packets are sent by. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/reports_topics.h"

enum { FLOWS_SHOWN = 10000 }; /* unless `limit` says otherwise */

static const struct column flow_columns[] = {
	{"client_address", "CLIENT", COLUMN_TEXT},
	{"client_port", "PORT", COLUMN_COUNT},
	{"vip_address", "VIP", COLUMN_TEXT},
	{"vip_port", "PORT", COLUMN_COUNT},
	{"protocol", "PROTOCOL", COLUMN_TEXT},
	{"mode", NULL, COLUMN_TEXT},
	{"source_address", "SOURCE", COLUMN_TEXT},
	{"source_port", "PORT", COLUMN_COUNT},
	{"backend_address", "BACKEND", COLUMN_TEXT},
	{"backend_port", "PORT", COLUMN_COUNT},
	{"pool", "POOL", COLUMN_TEXT},
	{"service", "SERVICE", COLUMN_TEXT},
	{"state", "STATE", COLUMN_TEXT},
	{"idle", "IDLE", COLUMN_DURATION},
	{"age", "AGE", COLUMN_DURATION},
	{"expires", "EXPIRES", COLUMN_DURATION},
	{"requests_left", "REQUESTS", COLUMN_COUNT},
	{"responses_left", "RESPONSES", COLUMN_COUNT},
	{"proxy", "PROXY", COLUMN_TEXT},
	{"interface", "INTERFACE", COLUMN_TEXT},
	{"note", NULL, COLUMN_REMARK},
};

struct flow_walk {
	const struct show *show;
	const struct config_service **service; /* by index of the snapshot */
	uint32_t limit, shown;
};

static const struct config_service *service_of(const struct flow_walk *walk,
					       const struct flow *flow)
{
	const struct snapshot *snapshot = &walk->show->control->compiler.current->snapshot;
	uint32_t index = snapshot_service_of(snapshot, flow->service);

	return index == NONE ? NULL : walk->service[index];
}

static bool flow_wanted(const struct filter *filter, const struct flow *flow,
			const struct config_service *service, const struct config_backend *backend)
{
	if (filter->service[0] && (!service || strcmp(service->name, filter->service) != 0))
		return false;
	if (filter->has_backend &&
	    (!backend || !same32(backend->address.address, filter->backend.address) ||
	     backend->address.port != filter->backend.port))
		return false;
	if (filter->name[0] && (!backend || strcmp(backend->pool, filter->name) != 0))
		return false;
	return (!filter->has_client || same32(flow->forward.source, filter->client)) &&
	       (!filter->has_client_port ||
		from_be16(flow->forward.source_port) == filter->client_port);
}

static uint64_t since(uint64_t then_ns, uint64_t now_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* Ends the last row. */
static void report_more(struct report *report, uint32_t limit)
{
	char note[TEXT_SIZE];

	snprintf(note, sizeof(note),
		 "There are more than these %u flows: restrict them, or set `limit`.", limit);
	report_text(report, note);
}

static const char *proxy_text(uint8_t state)
{
	static const char *const texts[] = {
		[PROXY_OFF] = "off", [PROXY_EVERY] = "every", [PROXY_FIRST] = "first",
		[PROXY_SENT] = "sent",
	};

	return texts[state];
}

static void report_left(struct report *report, uint32_t left)
{
	if (left == FLOW_NO_LIMIT)
		report_null(report);
	else
		report_number(report, left);
}

static bool report_flow(void *context, const struct flow_copy *copy, uint64_t now_ns)
{
	struct flow_walk *walk = context;
	const struct flow *flow = &copy->flow;
	const struct control *control = walk->show->control;
	struct report *report = walk->show->report;
	const struct config_service *service = service_of(walk, flow);
	const struct config_backend *backend = overview_backend_of(control, flow->backend);

	if (!flow_wanted(walk->show->filter, flow, service, backend))
		return true;
	if (walk->shown == walk->limit) {
		report_more(report, walk->limit);
		return false;
	}
	walk->shown++;
	report_row(report);
	report_address(report, flow->forward.source);
	report_number(report, from_be16(flow->forward.source_port));
	report_address(report, flow->forward.destination);
	report_number(report, from_be16(flow->forward.destination_port));
	report_text(report, flow->forward.protocol == PROTOCOL_NUMBER_TCP ? "tcp" : "udp");
	report_text(report, forward_mode_text(flow->mode));
	report_address(report, flow->source_address);
	report_number(report, from_be16(flow->source_port));
	report_address(report, flow->backend_address);
	report_number(report, from_be16(flow->backend_port));
	report_name(report, backend ? backend->pool : NULL);
	report_name(report, service ? service->name : NULL);
	report_text(report, flow_state_text((enum flow_state)flow->state));
	report_number(report, since(flow->last_ns, now_ns));
	report_number(report, since(copy->created_ns, now_ns));
	report_number(report, since(now_ns, copy->end_ns));
	report_left(report, copy->left[FLOW_FORWARD]);
	report_left(report, copy->left[FLOW_REPLY]);
	report_text(report, proxy_text(flow->proxy));
	report_name(report, overview_interface_name(control, flow->frontend));
	return true;
}

int show_flow(struct show *show)
{
	struct flow_walk walk = {
		.show = show,
		.limit = show->filter->limit ? show->filter->limit : FLOWS_SHOWN,
	};
	int result = show_known(show, KIND_SERVICE, show->filter->service);

	if (!result)
		result = show_known(show, KIND_POOL, show->filter->name);
	if (!result)
		result = show_known_backend(show);
	if (result)
		return result;
	walk.service = overview_service_map(show->control);
	if (!walk.service)
		return -ENOMEM;
	report_section(show->report, NULL, REPORT_LIST, COLUMNS(flow_columns));
	result = observe_flows(show->control->mailbox, report_flow, &walk);
	free(walk.service);
	return result;
}

static const struct column neighbor_columns[] = {
	{"address", "ADDRESS", COLUMN_TEXT},
	{"interface", "INTERFACE", COLUMN_TEXT},
	{"mac", "MAC", COLUMN_TEXT},
	{"state", "STATE", COLUMN_TEXT},
	{"age", "AGE", COLUMN_DURATION},
	{"held", "HELD", COLUMN_COUNT},
};

static void report_neighbor(struct show *show, const struct neighbor_view *view, uint64_t now_ns)
{
	const char *interface = overview_interface_name(show->control, view->interface);
	struct report *report = show->report;

	if (!show_wants(show, interface ? interface : ""))
		return;
	report_row(report);
	report_address(report, view->address);
	report_name(report, interface);
	report_mac(report, &view->mac);
	report_text(report, view->state);
	if (view->is_static)
		report_null(report);
	else
		report_number(report, since(view->updated_ns, now_ns));
	report_number(report, view->held);
}

int show_neighbor(struct show *show)
{
	struct neighbor_copies *copies;
	int result = show_known(show, KIND_INTERFACE, show->filter->name);

	if (!result)
		result = observe_neighbors(show->control->mailbox, &copies);
	if (result)
		return result;
	report_section(show->report, NULL, REPORT_LIST, COLUMNS(neighbor_columns));
	for (uint32_t i = 0; i < copies->count; i++)
		report_neighbor(show, &copies->view[i], copies->now_ns);
	free(copies);
	return 0;
}

static const struct column route_columns[] = {
	{"prefix", "PREFIX", COLUMN_TEXT},
	{"type", "TYPE", COLUMN_TEXT},
	{"via", "VIA", COLUMN_TEXT},
	{"interface", "INTERFACE", COLUMN_TEXT},
	{"source", "SOURCE", COLUMN_TEXT},
};

/* In the order in which they are looked at: the longest prefix first. */
int show_route(struct show *show)
{
	const struct snapshot *snapshot = &show->control->compiler.current->snapshot;
	struct report *report = show->report;
	char text[TEXT_SIZE];

	report_section(report, NULL, REPORT_LIST, COLUMNS(route_columns));
	for (uint32_t i = 0; i < snapshot->routes; i++) {
		const struct snapshot_route *route = &snapshot->route[i];
		bool connected = !route->via.raw;

		format_prefix((struct prefix){route->prefix, route->length}, text, sizeof(text));
		report_row(report);
		report_text(report, text);
		report_text(report, connected ? "connected" : "static");
		if (connected)
			report_null(report);
		else
			report_address(report, route->via);
		report_name(report, overview_interface_name(show->control, route->interface));
		report_address(report, route->source);
	}
	return 0;
}
