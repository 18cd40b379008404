/* `monitor`: a look each interval, told as what the console can use. One that draws gets documents,
 * beginning at once; any other a row each interval, as vmstat does, or with -j a document.
 *
 * A console that does not keep up with reading is not looked for again before it has: what it gets
 * then is of the whole time that has passed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/engine.h"
#include "cli/render.h"
#include "cli/report_rows.h"

enum { ROW_SIZE = 4096, SECOND_NS = 1000000000, BITS = 8 };

/* A column of the rows; the last one is not padded. */
struct row_column {
	const char *heading;
	int width;
	const char *key;
	const char *more;     /* another one that is added; NULL: none */
	unsigned factor;
};

static const struct row_column all_columns[] = {
	{"RX/s", 9, "received_per_second", NULL, 1},
	{"RX-b/s", 12, "received_bytes_per_second", NULL, BITS},
	{"TX/s", 9, "sent_per_second", NULL, 1},
	{"TX-b/s", 12, "sent_bytes_per_second", NULL, BITS},
	{"FLOWS/s", 8, "flows_per_second", NULL, 1},
	{"FLOWS", 8, "flows", NULL, 1},
	{"DROPS/s", 8, "dropped_per_second", NULL, 1},
	{"BUSY%", 6, "path_busy_percent", NULL, 1},
	{"UP", 5, "backends_up", NULL, 1},
	{"OF", 5, "backends", NULL, 1},
	{0},
};

/* Of a service, or of the backends of a pool together. */
static const struct row_column part_columns[] = {
	{"FLOWS/s", 8, "flows_per_second", NULL, 1},
	{"ACTIVE", 8, "active_flows", NULL, 1},
	{"PKT/s", 9, "packets_per_second", "reply_packets_per_second", 1},
	{"b/s", 12, "bytes_per_second", "reply_bytes_per_second", BITS},
	{0},
};

/* The sum of a column over the rows of a section. */
static uint64_t sum_of(const struct report *report, const char *section, const char *key)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < report->sections; i++) {
		const struct section *s = &report->section[i];
		size_t column = 0;

		if (strcmp(s->key, section) != 0)
			continue;
		while (column < s->columns && strcmp(s->column[column].key, key) != 0)
			column++;
		for (size_t row = 0; column < s->columns && row < s->rows; row++)
			sum += section_cell(s, row, column)->number;
	}
	return sum;
}

static void put_columns(FILE *line, const struct report *report, const char *section,
			const struct row_column *column)
{
	for (; column->heading; column++) {
		uint64_t value = sum_of(report, section, column->key);

		if (column->more)
			value += sum_of(report, section, column->more);
		fprintf(line, " %*" PRIu64, column->width, value * column->factor);
	}
}

/* "  12  no_service 9  ip_bad_checksum 3": only the reasons that occur, so many there are. */
static void put_reasons(FILE *line, const struct report *report)
{
	const struct section *section = report->section;

	fprintf(line, " %8" PRIu64, sum_of(report, "drops", "dropped_per_second"));
	while (strcmp(section->key, "drops") != 0)
		section++;
	for (size_t row = 0; row < section->rows; row++) {
		uint64_t rate = section_cell(section, row, section->columns - 1)->number;

		if (rate)
			fprintf(line, "  %s %" PRIu64, section_cell(section, row, 0)->text, rate);
	}
}

static void put_heading(FILE *line, const struct monitor_question *question,
			const struct row_column *column)
{
	fprintf(line, "%-8s", "TIME");
	if (question->drops)
		fprintf(line, " %8s  %s", "DROPS/s", "REASONS");
	else
		for (; column->heading; column++)
			fprintf(line, " %*s", column->width, column->heading);
	fputc('\n', line);
}

static void put_time(FILE *line, const struct report *report)
{
	const struct cell *cell = report_find(report, "time");
	time_t seconds = (time_t)(cell->number / SECOND_NS);
	struct tm local = {0};
	char text[16] = "";

	localtime_r(&seconds, &local);
	strftime(text, sizeof(text), "%H:%M:%S", &local);
	fputs(text, line);
}

static void put_row(struct watch *watch, FILE *line, const struct report *report)
{
	const struct monitor_question *question = &watch->question;
	bool whole = !question->service[0] && !question->pool[0];
	const struct row_column *columns = whole ? all_columns : part_columns;

	if (!watch->headed)
		put_heading(line, question, columns);
	watch->headed = true;
	put_time(line, report);
	if (question->drops)
		put_reasons(line, report);
	else
		put_columns(line, report,
			    whole ? "appliance" : question->service[0] ? "service" : "backend",
			    columns);
	fputc('\n', line);
}

static char *row_text(struct watch *watch, const struct report *report)
{
	char *text = NULL;
	size_t size;
	FILE *line = open_memstream(&text, &size);

	if (!line)
		return NULL;
	put_row(watch, line, report);
	if (fclose(line) == 0)
		return text;
	free(text);
	return NULL;
}

static bool is_drawn(const struct session *session)
{
	return (session->request.flags & (REQUEST_SCREEN | REQUEST_JSON)) == REQUEST_SCREEN;
}

/* Takes the report over. */
static void tell(struct session *session, struct report *report)
{
	bool json = session->request.flags & REQUEST_JSON, drawn = is_drawn(session);
	char *text = drawn || json ? render_json(report) : row_text(&session->watch, report);

	report_free(report);
	if (text && drawn) {
		session->sink.sample(session->sink.context, text, strlen(text));
		free(text);
		return;
	}
	session_print_text(session, text);
	session->sink.output_end(session->sink.context);
}

static int look(struct session *session, struct report **ret_report, char *error, size_t error_size)
{
	const struct appliance *appliance = session->appliance;
	struct watch *watch = &session->watch;

	return appliance->monitor(appliance->context, &watch->question, &watch->rates, ret_report,
				  error, error_size);
}

void watch_end(struct session *session)
{
	if (session->watch.rates)
		session->appliance->monitor_end(session->watch.rates);
	session->watch = (struct watch){0};
}

int watch_begin(struct session *session, const struct place *place)
{
	const struct arguments *arguments = &session->command->arguments;
	struct watch *watch = &session->watch;
	char error[FAULT_TEXT_SIZE];
	struct report *report;
	int result;

	*watch = (struct watch){
		.place = *place,
		.interval_ns = arguments->interval_ns ? arguments->interval_ns : SECOND_NS,
		.left = arguments->count,
		.question.drops = arguments->drops,
	};
	memcpy(watch->question.service, arguments->service, sizeof(watch->question.service));
	memcpy(watch->question.pool, arguments->pool, sizeof(watch->question.pool));
	result = look(session, &report, error, sizeof(error));
	if (result < 0) {
		watch_end(session);
		command_fault_whole(session->command, session->fault, "%s", error);
		return result;
	}
	watch->active = true;
	watch->next_ns = session->now_ns + watch->interval_ns;
	if (is_drawn(session))
		tell(session, report);
	else
		report_free(report);
	return 0;
}

/* An interval after the one before was due; a session that was held up does not run after it. */
static uint64_t next_look(const struct watch *watch, uint64_t now_ns)
{
	uint64_t next_ns = watch->next_ns + watch->interval_ns;

	return next_ns > now_ns ? next_ns : now_ns + watch->interval_ns;
}

void watch_poll(struct session *session)
{
	struct watch *watch = &session->watch;
	char error[FAULT_TEXT_SIZE];
	struct report *report;

	watch->next_ns = next_look(watch, session->now_ns);
	if (!session->sink.heard(session->sink.context))
		return;
	if (look(session, &report, error, sizeof(error)) < 0) {
		struct place place = watch->place;

		watch_end(session);
		fault_whole(session->fault, "%s", error);
		session_fault(session, &place, STATUS_REJECTED);
		return;
	}
	tell(session, report);
	if (watch->left && !--watch->left)
		watch_end(session);
}
