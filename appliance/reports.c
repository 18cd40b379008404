#include "appliance/reports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/reports_topics.h"

enum { LABEL_SIZE = 2 * NAME_SIZE + 32 };

static const struct {
	const char *name;
	int (*show)(struct show *show);
} topics[] = {
	[TOPIC_STATUS] = {"status", show_status},
	[TOPIC_INTERFACE] = {"interface", show_interface},
	[TOPIC_NEIGHBOR] = {"neighbor", show_neighbor},
	[TOPIC_ROUTE] = {"route", show_route},
	[TOPIC_SERVICE] = {"service", show_service},
	[TOPIC_POOL] = {"pool", show_pool},
	[TOPIC_BACKEND] = {"backend", show_backend},
	[TOPIC_CHECK] = {"check", show_check},
	[TOPIC_FLOW] = {"flow", show_flow},
	[TOPIC_TRACE] = {"trace", show_trace},
	[TOPIC_DROPS] = {"drops", show_drops},
	[TOPIC_STATS] = {"stats", show_stats},
	[TOPIC_REVISIONS] = {"revisions", show_revisions},
	[TOPIC_EVENTS] = {"events", show_events},
	[TOPIC_VERSION] = {"version", show_version},
};

int reports_show(void *control, enum topic topic, const struct filter *filter,
		 struct report **ret_report, char *error, size_t error_size)
{
	struct show show = {
		.control = control,
		.filter = filter,
		.report = report_new(topics[topic].name),
		.error = error,
		.error_size = error_size,
	};
	int result = -ENOMEM;

	if (show.report)
		result = topics[topic].show(&show);
	if (!result && report_failed(show.report))
		result = -ENOMEM;
	if (!result) {
		*ret_report = show.report;
		return 0;
	}
	report_free(show.report);
	if (result == -ENOMEM)
		snprintf(error, error_size, "not enough memory for this report");
	return result;
}

/* A backend that is asked for without its pool is compared without it. */
static const char *comparable(const char *label, bool whole)
{
	const char *slash = strchr(label, '/');

	return whole || !slash ? label : slash + 1;
}

int show_missing(struct show *show, enum kind kind, const char *label)
{
	const struct config *config = show->control->serving;
	unsigned count = config_count(config, kind);
	char (*labels)[LABEL_SIZE] = calloc(count + 1, sizeof(*labels));
	const char **words = calloc(count + 1, sizeof(*words)), *near = NULL;

	for (unsigned i = 0; labels && words && i < count; i++) {
		object_label(kind, config_at(config, kind, i), labels[i], sizeof(labels[i]));
		words[i] = comparable(labels[i], strchr(label, '/'));
	}
	if (labels && words)
		near = suggest(label, words, count);
	snprintf(show->error, show->error_size, near ? "no %s \"%s\". Did you mean \"%s\"?" :
						       "no %s \"%s\"",
		 schema_of(kind)->name, label, near);
	free(labels);
	free(words);
	return -ENOENT;
}

int show_known(struct show *show, enum kind kind, const char *name)
{
	if (!name[0] || config_find_name(show->control->serving, kind, name))
		return 0;
	return show_missing(show, kind, name);
}

bool show_wants(const struct show *show, const char *name)
{
	return !show->filter->name[0] || strcmp(show->filter->name, name) == 0;
}

void report_address(struct report *report, be32 address)
{
	char text[TEXT_SIZE];

	format_address(address, text, sizeof(text));
	report_text(report, text);
}

void report_mac(struct report *report, const struct mac_address *mac)
{
	static const struct mac_address none;
	struct mac value = {.set = true};
	char text[TEXT_SIZE];

	if (mac_equal(mac, &none)) {
		report_null(report);
		return;
	}
	memcpy(value.byte, mac->byte, sizeof(value.byte));
	format_mac(value, text, sizeof(text));
	report_text(report, text);
}

void report_name(struct report *report, const char *text)
{
	if (text && text[0])
		report_text(report, text);
	else
		report_null(report);
}

void report_attribute(struct report *report, enum kind kind, const char *attribute,
		      const void *object)
{
	const struct attribute *found = schema_attribute(kind, attribute);
	char text[TEXT_SIZE];

	value_format(found, (const char *)object + found->offset, 0, text, sizeof(text));
	report_text(report, text);
}
