#include "cli/blame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report_rows.h"

/* "add backend web 10.0.0.11:80": how the object's line begins. */
static void line_start(enum kind kind, const void *object, char *ret_text, size_t size)
{
	const struct schema *schema = schema_of(kind);
	const char *verb = kind == KIND_GLOBAL ? "set" : "add";
	size_t length = (size_t)snprintf(ret_text, size, "%s %s", verb, schema->name);
	char value[TEXT_SIZE];

	for (unsigned i = 0; i < schema->attributes && schema->attribute[i].flags & ATTRIBUTE_ID;
	     i++) {
		const struct attribute *attribute = &schema->attribute[i];

		value_format(attribute, (const char *)object + attribute->offset, 0, value,
			     sizeof(value));
		if (length < size)
			length += (size_t)snprintf(ret_text + length, size - length, " %s", value);
	}
}

/* The line that begins so, up to its end; "" where there is none. */
static const char *find_line(const char *text, const char *start, size_t *ret_size)
{
	size_t length = strlen(start);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, start, length) == 0 && strchr(" \n", line[length])) {
			*ret_size = strcspn(line, "\n");
			return line;
		}
	}
	*ret_size = 0;
	return "";
}

/* What the line gives the attribute. `scratch` holds the object until command_free(). */
static const void *attribute_in_line(const char *line, size_t size,
				     const struct attribute *attribute, struct command *scratch,
				     struct fault *fault)
{
	if (!size || command_match(line, size, false, scratch, fault) <= 0)
		return NULL;
	return scratch->change.object ? (const char *)scratch->change.object + attribute->offset :
					NULL;
}

static bool line_differs(const char *before, size_t before_size, const char *after,
			 size_t after_size, const struct attribute *attribute)
{
	struct command *scratch = attribute ? calloc(2, sizeof(*scratch)) : NULL;
	struct fault *fault = attribute ? calloc(1, sizeof(*fault)) : NULL;
	bool differs = before_size != after_size || memcmp(before, after, after_size) != 0;

	if (differs && scratch && fault) {
		const void *was = attribute_in_line(before, before_size, attribute, &scratch[0],
						    fault);
		const void *is = attribute_in_line(after, after_size, attribute, &scratch[1],
						   fault);

		differs = !was || !is || !value_equal(attribute->type, was, is);
		command_free(&scratch[0]);
		command_free(&scratch[1]);
	}
	free(scratch);
	free(fault);
	return differs;
}

static const struct cell *cell_of(const struct section *section, size_t row, const char *key)
{
	for (size_t i = 0; i < section->columns; i++)
		if (strcmp(section->column[i].key, key) == 0)
			return section_cell(section, row, i);
	return NULL;
}

static void name_user(const struct session *session, uint64_t number, char ret_text[BLAME_SIZE])
{
	const struct appliance *appliance = session->appliance;
	const struct filter filter = {0};
	struct report *report = NULL;
	char error[FAULT_TEXT_SIZE];

	snprintf(ret_text, BLAME_SIZE, " since r%llu", (unsigned long long)number);
	if (appliance->report(appliance->context, TOPIC_REVISIONS, &filter, &report, error,
			      sizeof(error)) < 0)
		return;
	for (size_t row = 0; report->sections && row < report->section[0].rows; row++) {
		const struct cell *revision = cell_of(&report->section[0], row, "revision");
		const struct cell *user = cell_of(&report->section[0], row, "user");

		if (revision && revision->number == number && user && user->type == CELL_TEXT)
			snprintf(ret_text, BLAME_SIZE, " since r%llu by %s",
				 (unsigned long long)number, user->text);
	}
	report_free(report);
}

static char *text_of(const struct session *session, uint64_t number)
{
	const struct appliance *appliance = session->appliance;
	char error[FAULT_TEXT_SIZE], *text = NULL;

	if (!number)
		return strdup("");
	return appliance->revision_text(appliance->context, number, &text, error, sizeof(error)) ?
		       NULL : text;
}

/* From the newest on back: the last one who changed it is who is asked about it. */
void blame(const struct session *session, uint64_t since, enum kind kind, const void *object,
	   int attribute, char ret_text[BLAME_SIZE])
{
	const struct attribute *one =
		attribute < 0 ? NULL : &schema_of(kind)->attribute[attribute];
	uint64_t number = session->appliance->revision(session->appliance->context);
	char *after = text_of(session, number), start[TEXT_SIZE];
	bool found = false;

	ret_text[0] = 0;
	line_start(kind, object, start, sizeof(start));
	while (!found && after && number > since) {
		char *before = text_of(session, number - 1);
		size_t was_size, is_size;
		const char *was = find_line(before ? before : "", start, &was_size);
		const char *is = find_line(after, start, &is_size);

		found = before && line_differs(was, was_size, is, is_size, one);
		if (found)
			name_user(session, number, ret_text);
		free(after);
		after = before;
		number--;
	}
	free(after);
}
