/* compare: what differs between two configurations, an object at a time. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"

enum { LINE_ROOM = 4 * TEXT_SIZE + 2048, LABEL_ROOM = 2 * NAME_SIZE + 32 };

#define COLUMNS(array) (array), sizeof(array) / sizeof((array)[0])

static const struct column between_columns[] = {
	{"from", NULL, COLUMN_COUNT},
	{"to", NULL, COLUMN_COUNT},
};

static const struct column change_columns[] = {
	{"kind", NULL, COLUMN_TEXT},   {"name", NULL, COLUMN_TEXT},
	{"change", NULL, COLUMN_TEXT}, {"before", NULL, COLUMN_TEXT},
	{"after", NULL, COLUMN_TEXT},  {"lines", NULL, COLUMN_PROSE},
};

/* The object's command; "" where it is not there. A global object at its defaults has none: it is
 * told by its name. */
static void text_of(enum kind kind, const void *object, char ret_text[LINE_ROOM])
{
	ret_text[0] = 0;
	if (object && !object_text(kind, object, ret_text, LINE_ROOM))
		snprintf(ret_text, LINE_ROOM, "set %s", schema_of(kind)->name);
}

static void report_text_or_null(struct report *report, const char *text)
{
	if (*text)
		report_text(report, text);
	else
		report_null(report);
}

static void report_change(void *context, enum kind kind, const void *before, const void *after)
{
	static const char *const names[] = {"changed", "added", "removed"};
	struct report *report = context;
	char was[LINE_ROOM], is[LINE_ROOM], label[LABEL_ROOM], *lines = NULL;

	text_of(kind, before, was);
	text_of(kind, after, is);
	object_label(kind, after ? after : before, label, sizeof(label));
	report_row(report);
	report_text(report, schema_of(kind)->name);
	report_text(report, label);
	report_text(report, names[!before ? 1 : !after ? 2 : 0]);
	report_text_or_null(report, was);
	report_text_or_null(report, is);
	if (asprintf(&lines, "%s%s%s%s%s%s", *was ? "- " : "", was, *was ? "\n" : "",
		     *is ? "+ " : "", is, *is ? "\n" : "") < 0)
		lines = NULL;
	report_text(report, lines ? lines : "");
	free(lines);
}

static void report_between(struct report *report, uint64_t from, uint64_t to)
{
	report_section(report, NULL, REPORT_OBJECT, COLUMNS(between_columns));
	report_row(report);
	report_number(report, from);
	if (to)
		report_number(report, to);
	else
		report_null(report);
}

static int refuse(struct session *session, int error, const char *text)
{
	command_fault_whole(session->command, session->fault, "%s", text);
	return error;
}

/* `to`: 0 for the candidate. NULL where memory lacks. */
static struct report *compare(const struct config *before, uint64_t from,
			      const struct config *after, uint64_t to)
{
	struct report *report = report_new("compare");

	if (!report)
		return NULL;
	report_between(report, from, to);
	report_section(report, "changes", REPORT_LIST, COLUMNS(change_columns));
	config_compare(before, after, report_change, report);
	return report;
}

static int put(struct session *session, struct report *report)
{
	return report ? command_report(session, report) : refuse(session, -ENOMEM, "out of memory");
}

/* The open candidate; of a script, what its lines so far come to. */
static int compare_candidate(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	const struct config *candidate = session->candidate ? candidate_view(session) :
								session->transaction.config;
	char error[FAULT_TEXT_SIZE];
	struct report *report;

	if (!session->candidate && !session_scripted(session))
		return refuse(session, -ENOENT, "no candidate is open; `compare N` compares with "
						"what was, `configure` opens one");
	if (session->candidate && !candidate)
		return refuse(session, -ENOMEM, "out of memory");
	if (session->candidate)
		candidate_tell_conflicts(session);
	if (!candidate)
		candidate = session_running(session);
	report = compare(session_running(session), session_revision(session), candidate, 0);
	if (report && appliance->impact(appliance->context, candidate, report, error,
					sizeof(error)) < 0)
		session_complain(session, "warning: this would not be accepted: %s\n", error);
	return put(session, report);
}

int run_compare(struct session *session)
{
	uint64_t from = session->command->arguments.revision;
	uint64_t to = session->command->arguments.other_revision;
	struct config *before = from ? session_revision_config(session, from) : NULL;
	struct config *other = before && to ? session_revision_config(session, to) : NULL;
	const struct config *after = to ? other : session_config(session);
	int result = -EINVAL;

	if (!from)
		return compare_candidate(session);
	if (before && after)
		result = put(session, compare(before, from, after, to || session->candidate ?
							to : session_revision(session)));
	else if (before && !to)
		result = refuse(session, -ENOMEM, "out of memory");
	config_free(before);
	config_free(other);
	return result;
}
