#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/render.h"
#include "cli/report_rows.h"
#include "cli/units.h"

#define MICROSECOND UINT64_C(1000)
#define MILLISECOND (1000 * MICROSECOND)
#define SECOND (1000 * MILLISECOND)

enum { VALUE_SIZE = 64, GAP = 2 };

/* Where the text goes, a part at a time. */
struct text_writer {
	FILE *stream;
	char *text;
	size_t size;
	render_part *part;
	void *context;
	bool failed;
};

static void part_begin(struct text_writer *writer)
{
	writer->text = NULL;
	writer->stream = open_memstream(&writer->text, &writer->size);
	writer->failed |= !writer->stream;
}

static void part_end(struct text_writer *writer, bool heading)
{
	if (!writer->stream)
		return;
	writer->failed |= fclose(writer->stream) != 0;
	if (!writer->failed && writer->size)
		writer->part(writer->context, heading, writer->text, writer->size);
	free(writer->text);
}

static void format_time_span(uint64_t ns, char *ret_text)
{
	uint64_t s = ns / SECOND;

	if (ns == 0)
		snprintf(ret_text, VALUE_SIZE, "0s");
	else if (ns < MICROSECOND)
		snprintf(ret_text, VALUE_SIZE, "%" PRIu64 "ns", ns);
	else if (ns < MILLISECOND)
		snprintf(ret_text, VALUE_SIZE, "%" PRIu64 "us", ns / MICROSECOND);
	else if (ns < SECOND)
		snprintf(ret_text, VALUE_SIZE, "%" PRIu64 "ms", ns / MILLISECOND);
	else if (s < 60)
		snprintf(ret_text, VALUE_SIZE, "%" PRIu64 ".%" PRIu64 "s", s,
			 ns / (SECOND / 10) % 10);
	else if (s < 3600)
		snprintf(ret_text, VALUE_SIZE, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(ret_text, VALUE_SIZE, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(ret_text, VALUE_SIZE, "%" PRIu64 "d%02" PRIu64 "h", s / 86400,
			 s / 3600 % 24);
}

static void format_local_time(uint64_t ns, char *ret_text)
{
	time_t seconds = (time_t)(ns / SECOND);
	struct tm local;

	if (!localtime_r(&seconds, &local) ||
	    !strftime(ret_text, VALUE_SIZE, "%Y-%m-%d %H:%M:%S", &local))
		snprintf(ret_text, VALUE_SIZE, "%" PRIu64, ns);
}

static bool is_text_only(const struct column *column)
{
	return column->type == COLUMN_PROSE || column->type == COLUMN_REMARK;
}

/* The value as text: the cell's own, or written into `room` of VALUE_SIZE. */
static const char *cell_text(const struct column *column, const struct cell *cell, char *room)
{
	if (cell->type == CELL_NULL || (cell->type == CELL_TEXT && !*cell->text))
		return is_text_only(column) ? "" : "-";
	if (cell->type == CELL_TEXT)
		return cell->text;
	if (cell->type == CELL_FLAG)
		return cell->number ? "yes" : "no";
	if (column->type == COLUMN_BYTES)
		format_scaled(cell->number, room);
	else if (column->type == COLUMN_DURATION)
		format_time_span(cell->number, room);
	else if (column->type == COLUMN_TIME)
		format_local_time(cell->number, room);
	else if (column->type == COLUMN_PERCENT)
		snprintf(room, VALUE_SIZE, "%" PRIu64 "%%", cell->number);
	else
		snprintf(room, VALUE_SIZE, "%" PRIu64, cell->number);
	return room;
}

static bool is_shown(const struct column *column)
{
	return column->type == COLUMN_PROSE || column->title;
}

static bool to_the_right(const struct column *column)
{
	return column->type == COLUMN_COUNT || column->type == COLUMN_BYTES ||
	       column->type == COLUMN_DURATION || column->type == COLUMN_PERCENT;
}

/* Characters, not bytes. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

/* One cell of a table; nothing is written behind the last one. */
static void put_cell(FILE *stream, const char *text, size_t width, bool right, bool last)
{
	int blanks = (int)(width - text_width(text));

	if (right)
		fprintf(stream, "%*s%s", blanks, "", text);
	else
		fprintf(stream, "%s%*s", text, last ? 0 : blanks, "");
	if (!last)
		fprintf(stream, "%*s", GAP, "");
}

struct table {
	const struct section *section;
	size_t *width;    /* of each column; 0: not shown */
	size_t last;      /* column that is shown */
	bool shown;       /* there is one: else the rows are prose alone */
};

static void table_measure(struct table *table)
{
	const struct section *section = table->section;
	char room[VALUE_SIZE];

	for (size_t i = 0; i < section->columns; i++) {
		const struct column *column = &section->column[i];

		if (!column->title)
			continue;
		table->last = i;
		table->shown = true;
		table->width[i] = text_width(column->title);
		for (size_t row = 0; row < section->rows; row++) {
			size_t width =
				text_width(cell_text(column, section_cell(section, row, i), room));

			if (width > table->width[i])
				table->width[i] = width;
		}
	}
}

static void table_heading(const struct table *table, FILE *stream)
{
	const struct section *section = table->section;

	if (!table->shown)
		return;
	for (size_t i = 0; i < section->columns; i++)
		if (table->width[i])
			put_cell(stream, section->column[i].title, table->width[i],
				 to_the_right(&section->column[i]), i == table->last);
	fputc('\n', stream);
}

static void put_prose(FILE *stream, const char *text)
{
	size_t length = strlen(text);

	fputs(text, stream);
	if (length && text[length - 1] != '\n')
		fputc('\n', stream);
}

static void put_row_prose(const struct section *section, size_t row, FILE *stream)
{
	char room[VALUE_SIZE];

	for (size_t i = 0; i < section->columns; i++)
		if (section->column[i].type == COLUMN_PROSE)
			put_prose(stream, cell_text(&section->column[i],
						    section_cell(section, row, i), room));
}

static void render_remarks(const struct section *section, struct text_writer *writer)
{
	char room[VALUE_SIZE];

	part_begin(writer);
	for (size_t row = 0; writer->stream && row < section->rows; row++)
		for (size_t i = 0; i < section->columns; i++)
			if (section->column[i].type == COLUMN_REMARK)
				put_prose(writer->stream,
					  cell_text(&section->column[i],
						    section_cell(section, row, i), room));
	part_end(writer, true);
}

/* Whole lines that belong to the row follow it. */
static void table_row(const struct table *table, size_t row, FILE *stream)
{
	const struct section *section = table->section;
	char room[VALUE_SIZE];

	for (size_t i = 0; i < section->columns; i++)
		if (table->width[i])
			put_cell(
				stream,
				cell_text(&section->column[i], section_cell(section, row, i), room),
				table->width[i], to_the_right(&section->column[i]),
				i == table->last);
	fputc('\n', stream);
	put_row_prose(section, row, stream);
}

/* No table at all, only lines: what its columns have to say is said by them. */
static bool is_prose(const struct section *section)
{
	for (size_t i = 0; i < section->columns; i++)
		if (section->column[i].title)
			return false;
	return true;
}

static void render_prose(const struct section *section, struct text_writer *writer)
{
	part_begin(writer);
	for (size_t row = 0; writer->stream && row < section->rows; row++)
		put_row_prose(section, row, writer->stream);
	part_end(writer, false);
}

static void render_list(const struct section *section, struct text_writer *writer)
{
	struct table table = {.section = section};

	table.width = calloc(section->columns + 1, sizeof(*table.width));
	if (!table.width) {
		writer->failed = true;
		return;
	}
	table_measure(&table);
	part_begin(writer);
	if (writer->stream)
		table_heading(&table, writer->stream);
	part_end(writer, true);
	part_begin(writer);
	for (size_t row = 0; writer->stream && row < section->rows; row++)
		table_row(&table, row, writer->stream);
	part_end(writer, false);
	free(table.width);
}

static void render_object(const struct section *section, struct text_writer *writer)
{
	char room[VALUE_SIZE];
	size_t width = 0;

	for (size_t i = 0; i < section->columns; i++)
		if (section->column[i].title && !is_text_only(&section->column[i]) &&
		    text_width(section->column[i].title) > width)
			width = text_width(section->column[i].title);
	part_begin(writer);
	for (size_t i = 0; writer->stream && section->rows && i < section->columns; i++) {
		const struct column *column = &section->column[i];
		const char *text = cell_text(column, section_cell(section, 0, i), room);

		if (column->type == COLUMN_PROSE) {
			put_prose(writer->stream, text);
		} else if (is_shown(column)) {
			put_cell(writer->stream, column->title, width, false, false);
			fprintf(writer->stream, "%s\n", text);
		}
	}
	part_end(writer, false);
}

int render_text(const struct report *report, render_part *part, void *context)
{
	struct text_writer writer = {.part = part, .context = context};

	for (size_t i = 0; i < report->sections; i++) {
		const struct section *section = &report->section[i];

		if (is_prose(section)) {
			render_prose(section, &writer);
			render_remarks(section, &writer);
			continue;
		}
		part_begin(&writer);
		if (writer.stream && section->key)
			fprintf(writer.stream, "%s%s:\n", i ? "\n" : "", section->key);
		part_end(&writer, true);
		if (section->shape == REPORT_LIST)
			render_list(section, &writer);
		else
			render_object(section, &writer);
		render_remarks(section, &writer);
	}
	return writer.failed || report->failed ? -ENOMEM : 0;
}
