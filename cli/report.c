#include <stdlib.h>
#include <string.h>

#include "cli/report_rows.h"

struct report *report_new(const char *name)
{
	struct report *report = calloc(1, sizeof(*report));

	if (!report)
		return NULL;
	report->name = strdup(name);
	if (!report->name) {
		free(report);
		return NULL;
	}
	return report;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->sections; i++) {
		for (size_t j = 0; j < report->section[i].cells; j++)
			free(report->section[i].cell[j].text);
		free(report->section[i].cell);
	}
	free(report->section);
	free(report->name);
	free(report);
}

void report_section(struct report *report, const char *key, enum report_shape shape,
		    const struct column *columns, size_t count)
{
	struct section *section =
		reallocarray(report->section, report->sections + 1, sizeof(*section));

	if (!section) {
		report->failed = true;
		return;
	}
	report->section = section;
	section[report->sections++] = (struct section){
		.key = key, .shape = shape, .column = columns, .columns = count,
	};
}

static struct section *current(struct report *report)
{
	return report->failed || !report->sections ? NULL : &report->section[report->sections - 1];
}

/* Room for the whole row at once; its cells come one by one. */
void report_row(struct report *report)
{
	struct section *section = current(report);
	size_t needed;

	if (!section)
		return;
	needed = (section->rows + 1) * section->columns;
	if (needed > section->capacity) {
		size_t capacity = needed * 2;
		struct cell *cell = reallocarray(section->cell, capacity, sizeof(*cell));

		if (!cell) {
			report->failed = true;
			return;
		}
		section->cell = cell;
		section->capacity = capacity;
	}
	while (section->cells < section->rows * section->columns)
		section->cell[section->cells++] = (struct cell){.type = CELL_NULL};
	section->rows++;
}

static void add_cell(struct report *report, struct cell cell)
{
	struct section *section = current(report);

	if (!section || section->cells >= section->rows * section->columns) {
		free(cell.text);
		return;
	}
	section->cell[section->cells++] = cell;
}

void report_text(struct report *report, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		report->failed = true;
	add_cell(report, (struct cell){.type = CELL_TEXT, .text = copy});
}

void report_number(struct report *report, uint64_t value)
{
	add_cell(report, (struct cell){.type = CELL_NUMBER, .number = value});
}

void report_flag(struct report *report, bool value)
{
	add_cell(report, (struct cell){.type = CELL_FLAG, .number = value});
}

void report_null(struct report *report)
{
	add_cell(report, (struct cell){.type = CELL_NULL});
}

bool report_failed(const struct report *report)
{
	return report->failed;
}

const struct cell *section_cell(const struct section *section, size_t row, size_t column)
{
	static const struct cell null = {.type = CELL_NULL};
	size_t index = row * section->columns + column;

	return index < section->cells ? &section->cell[index] : &null;
}

const struct cell *report_find(const struct report *report, const char *key)
{
	for (size_t i = 0; i < report->sections; i++)
		for (size_t j = 0; report->section[i].rows && j < report->section[i].columns; j++)
			if (strcmp(report->section[i].column[j].key, key) == 0)
				return section_cell(&report->section[i], 0, j);
	return NULL;
}
