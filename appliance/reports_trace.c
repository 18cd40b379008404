/* show trace: the way of packets through the path, step by step. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "appliance/reports_topics.h"

enum { LINES_SIZE = 2048, SECOND_NS = 1000000000 };

static const struct column trace_columns[] = {
	{"number", NULL, COLUMN_COUNT},
	{"time", NULL, COLUMN_TIME},
	{"interface", NULL, COLUMN_TEXT},
	{"protocol", NULL, COLUMN_TEXT},
	{"source_address", NULL, COLUMN_TEXT},
	{"source_port", NULL, COLUMN_COUNT},
	{"destination_address", NULL, COLUMN_TEXT},
	{"destination_port", NULL, COLUMN_COUNT},
	{"tcp_flags", NULL, COLUMN_TEXT},
	{"length", NULL, COLUMN_BYTES},
	{"verdict", NULL, COLUMN_TEXT},
	{"reason", NULL, COLUMN_TEXT},
	{"service", NULL, COLUMN_TEXT},
	{"flow", NULL, COLUMN_TEXT},
	{"how", NULL, COLUMN_TEXT},
	{"slot", NULL, COLUMN_COUNT},
	{"backend", NULL, COLUMN_TEXT},
	{"mode", NULL, COLUMN_TEXT},
	{"new_source", NULL, COLUMN_TEXT},
	{"new_destination", NULL, COLUMN_TEXT},
	{"out_interface", NULL, COLUMN_TEXT},
	{"next_hop_mac", NULL, COLUMN_TEXT},
	{"rx_at", NULL, COLUMN_DURATION},
	{"flow_at", NULL, COLUMN_DURATION},
	{"select_at", NULL, COLUMN_DURATION},
	{"rewrite_at", NULL, COLUMN_DURATION},
	{"tx_at", NULL, COLUMN_DURATION},
	{"lines", NULL, COLUMN_PROSE},
};

static const char *const flow_texts[] = {
	[TRACE_MISS] = "miss", [TRACE_HIT] = "hit", [TRACE_REPLY] = "reply",
	[TRACE_CLOSED] = "closed", [TRACE_WITHOUT] = "without",
};

/* A trace with its names; what is gone has none. */
struct told {
	const struct trace *trace;
	unsigned number;
	int64_t time_ns;
	char protocol[16], flags[16];
	const char *in, *out;
	const char *service;
	char came_from[TEXT_SIZE], came_for[TEXT_SIZE]; /* with ports where there are some */
	char left_from[TEXT_SIZE], left_for[TEXT_SIZE];
	char backend[TEXT_SIZE];
	char mac[TEXT_SIZE];
};

static bool took(const struct trace *trace, enum trace_step step)
{
	return trace->steps & 1 << step;
}

/* As tcpdump writes them: "S.", "." */
static void format_flags(uint8_t flags, char *ret_text)
{
	static const struct { uint8_t flag; char letter; } letters[] = {
		{TCP_FIN, 'F'}, {TCP_SYN, 'S'}, {TCP_RST, 'R'}, {TCP_PSH, 'P'}, {TCP_ACK, '.'},
	};

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (flags & letters[i].flag)
			*ret_text++ = letters[i].letter;
	*ret_text = '\0';
}

static void format_protocol(const struct trace *trace, char *ret_text, size_t size)
{
	if (!trace->is_packet)
		switch (trace->ethertype) {
		case ETHERTYPE_ARP: snprintf(ret_text, size, "arp"); return;
		case ETHERTYPE_IPV4: snprintf(ret_text, size, "ipv4"); return;
		case ETHERTYPE_IPV6: snprintf(ret_text, size, "ipv6"); return;
		default: snprintf(ret_text, size, "0x%04x", trace->ethertype); return;
		}
	switch (trace->protocol) {
	case PROTOCOL_NUMBER_TCP: snprintf(ret_text, size, "tcp"); return;
	case PROTOCOL_NUMBER_UDP: snprintf(ret_text, size, "udp"); return;
	case PROTOCOL_NUMBER_ICMP: snprintf(ret_text, size, "icmp"); return;
	default: snprintf(ret_text, size, "proto %u", trace->protocol); return;
	}
}

static void format_end(const struct trace *trace, be32 address, be16 port, char *ret_text,
		       size_t size)
{
	if (trace->has_ports)
		format_endpoint((struct endpoint){address, from_be16(port)}, ret_text, size);
	else
		format_address(address, ret_text, size);
}

/* One of all ports has that which the client asked for. */
static void format_backend(const struct trace *trace, const struct config_backend *backend,
			   char *ret_text, size_t size)
{
	bool reply = trace->flow == TRACE_REPLY;
	be16 asked = reply ? trace->came.source_port : trace->came.destination_port;
	uint16_t port = backend->address.port ? backend->address.port : from_be16(asked);

	format_endpoint((struct endpoint){backend->address.address, port}, ret_text, size);
}

static void format_trace_mac(const struct trace *trace, char *ret_text, size_t size)
{
	static const struct mac_address none;
	struct mac mac = {.set = true};

	if (mac_equal(&trace->mac, &none))
		return;
	memcpy(mac.byte, trace->mac.byte, sizeof(mac.byte));
	format_mac(mac, ret_text, size);
}

static const char *out_name(const struct control *control, const struct trace *trace)
{
	if (trace->out_interface == EVERY_FRONTEND)
		return "every frontend";
	return trace->out_interface == NONE ?
		       NULL : overview_interface_name(control, trace->out_interface);
}

static const char *service_name(const struct control *control,
				const struct config_service *const *services, uint32_t id)
{
	uint32_t index = id == NONE ?
			 NONE : snapshot_service_of(&control->compiler.current->snapshot, id);

	return index == NONE ? NULL : services[index]->name;
}

static struct told tell(const struct control *control, const struct config_service *const *services,
			const struct trace *trace, unsigned number)
{
	const struct config_backend *backend =
		trace->backend == NONE ? NULL : overview_backend_of(control, trace->backend);
	struct told told = {
		.trace = trace,
		.number = number,
		.time_ns = (int64_t)trace->time_ns,
		.in = overview_interface_name(control, trace->interface),
		.out = out_name(control, trace),
		.service = service_name(control, services, trace->service),
	};

	/* In a replay, the path's time is the captures'. */
	if (control->loop)
		told.time_ns += wall_clock_ns() - (int64_t)clock_now_ns();
	format_protocol(trace, told.protocol, sizeof(told.protocol));
	if (trace->is_packet && trace->protocol == PROTOCOL_NUMBER_TCP)
		format_flags(trace->tcp_flags, told.flags);
	if (trace->is_packet) {
		format_end(trace, trace->came.source, trace->came.source_port, told.came_from,
			   sizeof(told.came_from));
		format_end(trace, trace->came.destination, trace->came.destination_port,
			   told.came_for, sizeof(told.came_for));
	}
	if (took(trace, TRACE_REWRITE) && !mode_hands_over((enum forward_mode)trace->mode)) {
		format_end(trace, trace->left.source, trace->left.source_port, told.left_from,
			   sizeof(told.left_from));
		format_end(trace, trace->left.destination, trace->left.destination_port,
			   told.left_for, sizeof(told.left_for));
	}
	if (backend)
		format_backend(trace, backend, told.backend, sizeof(told.backend));
	format_trace_mac(trace, told.mac, sizeof(told.mac));
	return told;
}

/* ---- as text ---- */

static void write_head(FILE *lines, const struct told *told)
{
	const struct trace *trace = told->trace;
	time_t seconds = (time_t)(told->time_ns / SECOND_NS);
	char clock[16] = "";
	struct tm local;

	if (localtime_r(&seconds, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	fprintf(lines, "#%u %s.%06u %s ", told->number, clock,
		(unsigned)(told->time_ns % SECOND_NS / 1000), told->in ? told->in : "?");
	if (trace->is_packet)
		fprintf(lines, "%s > %s ", told->came_from, told->came_for);
	fprintf(lines, "%s%s%s len %" PRIu32, told->protocol, *told->flags ? " " : "", told->flags,
		trace->length);
	if (verdict_is_drop(trace->verdict))
		fprintf(lines, "  DROP %s", verdict_name(trace->verdict));
	else if (trace->verdict != VERDICT_FORWARDED)
		fprintf(lines, "  %s", verdict_name(trace->verdict));
	fputc('\n', lines);
}

static void write_step(FILE *lines, const struct trace *trace, enum trace_step step,
		       const char *name)
{
	fprintf(lines, "   +%.2fus %-7s ", trace->at_ns[step] / 1000.0, name);
}

static void write_flow(FILE *lines, const struct trace *trace)
{
	if (trace->flow == TRACE_CLOSED)
		fprintf(lines, "miss, the one before was closed (%s)\n",
			flow_close_reason_text((enum flow_close_reason)trace->reason));
	else if (trace->flow == TRACE_REPLY)
		fprintf(lines, "hit, a reply\n");
	else if (trace->flow == TRACE_WITHOUT)
		fprintf(lines, "miss, a reply of the only service there\n");
	else
		fprintf(lines, "%s\n", flow_texts[trace->flow]);
}

static void write_choice(FILE *lines, const struct told *told)
{
	const struct trace *trace = told->trace;

	fprintf(lines, "%s", lookup_how_text((enum lookup_how)trace->how));
	if (lookup_has_slot((enum lookup_how)trace->how))
		fprintf(lines, " slot %" PRIu32, trace->slot);
	fprintf(lines, " -> %s\n", *told->backend ? told->backend : "?");
}

/* The backend gets it as it came, or as it came in an outer header. */
static void write_handover(FILE *lines, const struct told *told)
{
	enum forward_mode mode = (enum forward_mode)told->trace->mode;

	fprintf(lines, "%s %s, for %s\n", forward_mode_text(mode),
		mode == FORWARD_DSR ? "as it came" : "in an outer header",
		*told->backend ? told->backend : "?");
}

/* What is changed, and nothing else. */
static void write_change(FILE *lines, const struct told *told)
{
	bool source = strcmp(told->came_from, told->left_from) != 0;
	bool destination = strcmp(told->came_for, told->left_for) != 0;
	bool reply = told->trace->flow == TRACE_REPLY || told->trace->flow == TRACE_WITHOUT;

	fprintf(lines, "%s", forward_mode_text((enum forward_mode)told->trace->mode));
	if (destination)
		fprintf(lines, " %s -> %s", told->came_for, told->left_for);
	if (source)
		fprintf(lines, "%s %s -> %s", destination ? ", source" : reply ? "" : " source",
			told->came_from, told->left_from);
	fputc('\n', lines);
}

static void write_way(FILE *lines, const struct told *told)
{
	fprintf(lines, "%s", told->out ? told->out : "?");
	if (*told->mac)
		fprintf(lines, " -> %s\n", told->mac);
	else
		fprintf(lines, ", %s\n", verdict_text(VERDICT_HELD));
}

/* As an operator reads it:
 *
 *    #1 14:02:13.118402 ext 198.51.100.7:51514 > 203.0.113.10:80 tcp S len 60
 *       +0.00us rx      service web
 *       +0.11us flow    miss
 *       +0.19us select  maglev slot 40961 -> 10.0.0.12:80
 *       +0.31us rewrite nat 203.0.113.10:80 -> 10.0.0.12:80
 *       +0.36us tx      int -> 52:54:00:aa:00:12
 */
static void write_lines(const struct told *told, char ret_text[static LINES_SIZE])
{
	const struct trace *trace = told->trace;
	FILE *lines = fmemopen(ret_text, LINES_SIZE, "w");

	ret_text[0] = '\0';
	if (!lines)
		return;
	write_head(lines, told);
	if (took(trace, TRACE_RX)) {
		write_step(lines, trace, TRACE_RX, "rx");
		fprintf(lines, "service %s\n", told->service ? told->service : "?");
	}
	if (took(trace, TRACE_FLOW)) {
		write_step(lines, trace, TRACE_FLOW, "flow");
		write_flow(lines, trace);
	}
	if (took(trace, TRACE_SELECT)) {
		write_step(lines, trace, TRACE_SELECT, "select");
		write_choice(lines, told);
	}
	if (took(trace, TRACE_REWRITE)) {
		write_step(lines, trace, TRACE_REWRITE, "rewrite");
		if (mode_hands_over((enum forward_mode)trace->mode))
			write_handover(lines, told);
		else
			write_change(lines, told);
	}
	if (took(trace, TRACE_TX)) {
		write_step(lines, trace, TRACE_TX, "tx");
		write_way(lines, told);
	}
	fclose(lines);
}

/* ---- as a report ---- */

static void report_end(struct report *report, const struct trace *trace, be32 address, be16 port)
{
	if (trace->is_packet)
		report_address(report, address);
	else
		report_null(report);
	if (trace->has_ports)
		report_number(report, from_be16(port));
	else
		report_null(report);
}

static void report_choice(struct report *report, const struct told *told)
{
	const struct trace *trace = told->trace;
	enum lookup_how how = (enum lookup_how)trace->how;

	report_name(report, told->service);
	report_name(report, took(trace, TRACE_FLOW) ? flow_texts[trace->flow] : NULL);
	report_name(report, took(trace, TRACE_SELECT) ? lookup_how_text(how) : NULL);
	if (took(trace, TRACE_SELECT) && lookup_has_slot(how))
		report_number(report, trace->slot);
	else
		report_null(report);
	report_name(report, told->backend);
	report_name(report, took(trace, TRACE_FLOW) ?
			    forward_mode_text((enum forward_mode)trace->mode) : NULL);
	report_name(report, told->left_from);
	report_name(report, told->left_for);
	report_name(report, told->out);
	report_name(report, told->mac);
}

static void report_trace(struct report *report, const struct told *told)
{
	const struct trace *trace = told->trace;
	bool drops = verdict_is_drop(trace->verdict);
	char lines[LINES_SIZE];

	report_row(report);
	report_number(report, told->number);
	report_number(report, (uint64_t)told->time_ns);
	report_name(report, told->in);
	report_text(report, told->protocol);
	report_end(report, trace, trace->came.source, trace->came.source_port);
	report_end(report, trace, trace->came.destination, trace->came.destination_port);
	report_name(report, told->flags);
	report_number(report, trace->length);
	report_text(report, drops ? "dropped" : verdict_name(trace->verdict));
	report_name(report, drops ? verdict_name(trace->verdict) : NULL);
	report_choice(report, told);
	for (unsigned step = 0; step < TRACE_STEPS; step++)
		if (took(trace, (enum trace_step)step))
			report_number(report, trace->at_ns[step]);
		else
			report_null(report);
	write_lines(told, lines);
	report_text(report, lines);
}

int show_trace(struct show *show)
{
	const struct config_service **services = overview_service_map(show->control);
	struct trace_copies *copies = NULL;
	int result = services ? observe_traces(show->control->mailbox, &copies) : -ENOMEM;

	report_section(show->report, NULL, REPORT_LIST, COLUMNS(trace_columns));
	for (uint32_t i = 0; !result && i < copies->count; i++) {
		struct told told = tell(show->control, services, &copies->trace[i], i + 1);

		report_trace(show->report, &told);
	}
	free(copies);
	free(services);
	return result;
}
