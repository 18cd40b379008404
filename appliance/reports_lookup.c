/* lookup: which backend a client's packet would go to, and why. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/path/proxy.h"
#include "appliance/reports_topics.h"
#include "appliance/trial.h"

enum { LINES_SIZE = 1024 };

static const struct column lookup_columns[] = {
	{"service", NULL, COLUMN_TEXT},
	{"pool", NULL, COLUMN_TEXT},
	{"backend_address", NULL, COLUMN_TEXT},
	{"backend_port", NULL, COLUMN_COUNT},
	{"how", NULL, COLUMN_TEXT},
	{"slot", NULL, COLUMN_COUNT},
	{"new_flow", NULL, COLUMN_FLAG},
	{"mode", NULL, COLUMN_TEXT},
	{"source_address", NULL, COLUMN_TEXT},
	{"source_port", NULL, COLUMN_COUNT},
	{"proxy", NULL, COLUMN_FLAG},
	{"in_interface", NULL, COLUMN_TEXT},
	{"out_interface", NULL, COLUMN_TEXT},
	{"next_hop", NULL, COLUMN_TEXT},
	{"next_hop_mac", NULL, COLUMN_TEXT},
	{"neighbor", NULL, COLUMN_TEXT},
	{"mtu", NULL, COLUMN_COUNT},
	{"packet_max", NULL, COLUMN_COUNT},
	{"verdict", NULL, COLUMN_TEXT},
	{"reason", NULL, COLUMN_TEXT},
	{"candidate", NULL, COLUMN_FLAG},
	{"lines", NULL, COLUMN_PROSE},
};

/* What the path said, with names. */
struct answer {
	struct lookup lookup;
	bool disguised;           /* the backend sees another source than the client */
	const char *service;      /* NULL: none */
	const struct config_backend *backend; /* NULL: none */
	uint16_t backend_port;
	const char *in, *out;     /* interfaces; NULL: no route */
	unsigned mtu;
	bool candidate;           /* as it would be */
	bool unchecked;           /* the backend is down before its first check succeeds */
};

const char *lookup_how_text(enum lookup_how how)
{
	static const char *const texts[] = {
		[LOOKUP_FLOW] = "flow", [LOOKUP_MAGLEV] = "maglev",
		[LOOKUP_ROUND_ROBIN] = "round-robin",
		[LOOKUP_LEAST_CONNECTIONS] = "least-connections", [LOOKUP_FALLBACK] = "fallback",
	};

	return texts[how];
}

/* The largest packet of a client that fits, wrapped as it will be. */
static uint32_t packet_max(const struct answer *answer)
{
	uint32_t overhead = tunnel_overhead(answer->lookup.mode) +
			    (answer->lookup.proxy ? PROXY_HEADER : 0);

	return answer->mtu > overhead ? answer->mtu - overhead : 0;
}

/* Replies would leave by it, so clients are behind it. */
static const char *interface_towards(const struct control *control, be32 address)
{
	const struct snapshot *snapshot = &control->compiler.current->snapshot;
	const struct snapshot_route *route = snapshot_route_find(snapshot, address, NONE);

	if (snapshot->bridge.on)
		return overview_interface_name(control, snapshot_frontend_find(snapshot, address));
	return route ? overview_interface_name(control, route->interface) : NULL;
}

static int service_name(const struct control *control, uint32_t id, const char **ret_name)
{
	uint32_t index = snapshot_service_of(&control->compiler.current->snapshot, id);
	const struct config_service **map = overview_service_map(control);

	if (!map)
		return -ENOMEM;
	*ret_name = index == NONE ? NULL : map[index]->name;
	free(map);
	return 0;
}

static int ask(struct control *control, const struct tuple_question *question,
	       struct answer *ret_answer)
{
	const struct snapshot *snapshot = &control->compiler.current->snapshot;
	struct flow_tuple tuple = {
		.source = question->source.address,
		.destination = question->destination.address,
		.source_port = to_be16(question->source.port),
		.destination_port = to_be16(question->destination.port),
		.protocol = question->udp ? PROTOCOL_NUMBER_UDP : PROTOCOL_NUMBER_TCP,
	};
	struct answer answer = {.in = interface_towards(control, tuple.source)};

	observe_lookup(control->mailbox, snapshot, &tuple, &answer.lookup);
	answer.disguised = answer.lookup.source_address.raw &&
			   (!same32(answer.lookup.source_address, tuple.source) ||
			    !same16(answer.lookup.source_port, tuple.source_port));
	answer.backend = overview_backend_of(control, answer.lookup.backend);
	if (answer.backend)
		answer.backend_port = answer.backend->address.port ? answer.backend->address.port :
								     question->destination.port;
	if (answer.lookup.interface != NONE) {
		answer.out = overview_interface_name(control, answer.lookup.interface);
		answer.mtu = snapshot->interface[answer.lookup.interface].mtu;
	}
	*ret_answer = answer;
	return service_name(control, answer.lookup.service, &ret_answer->service);
}

bool lookup_has_slot(enum lookup_how how)
{
	return how == LOOKUP_MAGLEV || how == LOOKUP_FALLBACK;
}

static void write_choice(FILE *lines, const struct answer *answer)
{
	struct endpoint endpoint = {answer->backend->address.address, answer->backend_port};
	char text[TEXT_SIZE];

	format_endpoint(endpoint, text, sizeof(text));
	fprintf(lines, "service %s -> %s ", answer->service, text);
	if (answer->lookup.how == LOOKUP_FLOW)
		fprintf(lines, "(flow)\n");
	else if (!lookup_has_slot(answer->lookup.how))
		fprintf(lines, "(%s, new flow)\n", lookup_how_text(answer->lookup.how));
	else
		fprintf(lines, "(%s slot %" PRIu32 ", new flow)\n", lookup_how_text(answer->lookup.how),
			answer->lookup.slot);
}

static void write_source(FILE *lines, const struct lookup *lookup)
{
	struct endpoint source = {lookup->source_address, from_be16(lookup->source_port)};
	char text[TEXT_SIZE];

	format_endpoint(source, text, sizeof(text));
	fprintf(lines, "  %s, source %s\n", forward_mode_text(lookup->mode), text);
}

static void write_proxy(FILE *lines, const struct answer *answer)
{
	if (answer->lookup.proxy)
		fprintf(lines, "  with a PROXY header, packets of up to %u bytes\n",
			packet_max(answer));
}

/* How a packet leaves that is handed over as it came. */
static void write_mode(FILE *lines, const struct answer *answer)
{
	const struct tunnel *tunnel = &answer->lookup.tunnel;
	enum forward_mode mode = answer->lookup.mode;
	struct endpoint source = {tunnel->source, from_be16(tunnel->source_port)};
	struct endpoint destination = {tunnel->destination, GUE_PORT};
	char from[TEXT_SIZE], to[TEXT_SIZE];

	if (mode == FORWARD_DSR)
		fprintf(lines, "  dsr, to the MAC of the next hop\n");
	if (!tunnel_overhead(mode))
		return;
	if (mode == FORWARD_GUE) {
		format_endpoint(source, from, sizeof(from));
		format_endpoint(destination, to, sizeof(to));
	} else {
		format_address(source.address, from, sizeof(from));
		format_address(destination.address, to, sizeof(to));
	}
	fprintf(lines, "  %s, %s -> %s, packets of up to %u bytes\n", forward_mode_text(mode), from,
		to, packet_max(answer));
}

static void write_way(FILE *lines, const struct answer *answer)
{
	const struct lookup *lookup = &answer->lookup;
	struct mac mac = {.set = true};
	char text[TEXT_SIZE];

	fprintf(lines, "  out %s%s%s", answer->in ? answer->in : "", answer->in ? " -> " : "",
		answer->out);
	if (lookup->bridged) {
		fprintf(lines, ", bridged, mtu %u\n", answer->mtu);
		return;
	}
	format_address(lookup->next_hop, text, sizeof(text));
	fprintf(lines, ", next hop %s", text);
	if (lookup->has_mac) {
		memcpy(mac.byte, lookup->mac.byte, sizeof(mac.byte));
		format_mac(mac, text, sizeof(text));
		fprintf(lines, " at %s", text);
	}
	fprintf(lines, " (%s), mtu %u\n", lookup->neighbor, answer->mtu);
}

/* As an operator reads it:
 *
 *    service web -> 10.0.0.11:80 (maglev slot 40961, new flow)
 *      fullnat, source 10.0.0.1:38112
 *      out ext -> int, next hop 10.0.0.11 at 52:54:00:aa:00:11 (reachable), mtu 1500
 */
static void write_lines(const struct answer *answer, char ret_text[static LINES_SIZE])
{
	enum verdict verdict = answer->lookup.verdict;
	FILE *lines = fmemopen(ret_text, LINES_SIZE, "w");

	ret_text[0] = '\0';
	if (!lines)
		return;
	if (answer->candidate)
		fprintf(lines, "in the candidate: ");
	if (answer->backend && answer->service)
		write_choice(lines, answer);
	else if (answer->service)
		fprintf(lines, "service %s\n", answer->service);
	else if (!verdict_is_drop(verdict))
		fprintf(lines, "for no service, passed on as it is\n");
	if (answer->unchecked)
		fprintf(lines, "  once its first check has succeeded\n");
	if (answer->disguised)
		write_source(lines, &answer->lookup);
	if (answer->out) {
		write_proxy(lines, answer);
		write_mode(lines, answer);
		write_way(lines, answer);
	}
	if (verdict_is_drop(verdict))
		fprintf(lines, "DROP %s: %s\n", verdict_name(verdict), verdict_text(verdict));
	else if (verdict == VERDICT_HELD)
		fprintf(lines, "  held: %s\n", verdict_text(verdict));
	fclose(lines);
}

static void report_nulls(struct report *report, unsigned count)
{
	while (count--)
		report_null(report);
}

static void report_source(struct report *report, const struct lookup *lookup)
{
	if (!lookup->source_address.raw) {
		report_nulls(report, 2);
		return;
	}
	report_address(report, lookup->source_address);
	report_number(report, from_be16(lookup->source_port));
}

static void report_choice(struct report *report, const struct answer *answer)
{
	const struct lookup *lookup = &answer->lookup;

	report_name(report, answer->service);
	if (!answer->backend) {
		report_nulls(report, 5); /* pool to slot */
		report_flag(report, false);
		report_nulls(report, 3); /* mode to source_port */
		report_flag(report, false);
		return;
	}
	report_text(report, answer->backend->pool);
	report_address(report, answer->backend->address.address);
	report_number(report, answer->backend_port);
	report_text(report, lookup_how_text(lookup->how));
	if (lookup_has_slot(lookup->how))
		report_number(report, lookup->slot);
	else
		report_null(report);
	report_flag(report, lookup->how != LOOKUP_FLOW);
	report_text(report, forward_mode_text(lookup->mode));
	report_source(report, lookup);
	report_flag(report, lookup->proxy);
}

static void report_way(struct report *report, const struct answer *answer)
{
	const struct lookup *lookup = &answer->lookup;

	report_name(report, answer->in);
	report_name(report, answer->out);
	if (!answer->out) {
		report_nulls(report, 5); /* next_hop to packet_max */
		return;
	}
	if (lookup->bridged) {
		report_nulls(report, 3); /* next_hop to neighbor */
	} else {
		report_address(report, lookup->next_hop);
		report_mac(report, &lookup->mac);
		report_name(report, lookup->neighbor);
	}
	report_number(report, answer->mtu);
	report_number(report, packet_max(answer));
}

/* Takes the report over. */
static int report_answer(struct report *report, const struct answer *answer,
			 struct report **ret_report)
{
	char lines[LINES_SIZE];

	write_lines(answer, lines);
	report_section(report, NULL, REPORT_OBJECT, COLUMNS(lookup_columns));
	report_row(report);
	report_choice(report, answer);
	report_way(report, answer);
	report_text(report, verdict_name(answer->lookup.verdict));
	report_text(report, verdict_text(answer->lookup.verdict));
	report_flag(report, answer->candidate);
	report_text(report, lines);
	if (report_failed(report)) {
		report_free(report);
		return -ENOMEM;
	}
	*ret_report = report;
	return 0;
}

static int refuse_memory(char *error, size_t error_size)
{
	snprintf(error, error_size, "not enough memory for this report");
	return -ENOMEM;
}

int reports_lookup(void *control, const struct tuple_question *question,
		   struct report **ret_report, char *error, size_t error_size)
{
	struct report *report = report_new("lookup");
	struct answer answer;

	if (report && ask(control, question, &answer) == 0)
		return report_answer(report, &answer, ret_report) ?
			       refuse_memory(error, error_size) : 0;
	report_free(report);
	return refuse_memory(error, error_size);
}

/* The answer points into the trial: it is written before that ends. */
static int ask_trial(struct control *control, struct trial *trial,
		     const struct tuple_question *question, struct report *report,
		     struct report **ret_report)
{
	struct answer answer;
	int result;

	trial_swap(control, trial);
	result = ask(control, question, &answer);
	trial_swap(control, trial);
	if (result) {
		report_free(report);
		return result;
	}
	answer.candidate = true;
	answer.unchecked = answer.backend && trial_unchecked(control, trial, answer.backend);
	return report_answer(report, &answer, ret_report);
}

int reports_lookup_in(void *context, const struct config *candidate,
		      const struct tuple_question *question, struct report **ret_report,
		      char *error, size_t error_size)
{
	struct control *control = context;
	struct report *report = report_new("lookup");
	struct trial trial;
	int result;

	if (!report)
		return refuse_memory(error, error_size);
	result = trial_begin(control, candidate, &trial, error, error_size);
	if (result) {
		report_free(report);
		return result;
	}
	result = ask_trial(control, &trial, question, report, ret_report);
	trial_end(control, &trial);
	return result ? refuse_memory(error, error_size) : 0;
}
