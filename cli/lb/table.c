#include "cli/lb/table.h"

#include <stdio.h>
#include <string.h>

#include "cli/lb/table_line.h"
#include "cli/units.h"

enum {
	NAME_MIN = 15, NAME_GAP = 2,
	BAR_WIDTH = 10, BAR_MIN = 4, CURVE_WIDTH = TREND_LENGTH, BAR_GAP = 2,
	CURVE_HEIGHTS = 8,
	CELL_SIZE = 64,
	RANKS = 8, /* of columns */
};

static const char *const heights[CURVE_HEIGHTS + 1] = {
	" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█",
};

const struct table_column table_service_columns[] = {
	{"ADMIN", 9, false, 6, SORT_NAME, "admin"},
	{"HEALTH", 11, false, 3, SORT_NAME, "health"},
	{"WEIGHT", 7, true, 7, SORT_NAME, "weight"},
	{"CPS", 7, true, 4, SORT_CPS, NULL},
	{"ACTIVE", 9, true, 2, SORT_ACTIVE, NULL},
	{"PPS", 8, true, 0, SORT_PPS, NULL},
	{"BPS", 8, true, 5, SORT_BPS, NULL},
	{0},
};

const struct table_column table_drops_columns[] = {
	{"DROPS/s", 9, true, 0, SORT_CPS, NULL},
	{"TOTAL", 9, true, 1, SORT_ACTIVE, NULL},
	{0},
};

static enum style state_style(const char *word)
{
	if (strcmp(word, "down") == 0)
		return STYLE_BAD;
	if (strcmp(word, "drain") == 0 || strcmp(word, "disabled") == 0)
		return STYLE_ODD;
	return STYLE_PLAIN;
}

static enum style format_cell(const struct table_column *column, const struct table_line *line,
			      char ret_text[static CELL_SIZE])
{
	const json_t *value = column->key ? json_object_get(line->row, column->key) : NULL;

	*ret_text = 0;
	if (column->value != SORT_NAME) {
		if (line->known || column->value == SORT_ACTIVE)
			format_scaled(line->value[column->value], ret_text);
		else
			strcpy(ret_text, "-");
		return STYLE_PLAIN;
	}
	if (line->kind != LINE_BACKEND)
		return STYLE_PLAIN;
	if (json_is_integer(value))
		snprintf(ret_text, CELL_SIZE, "%lld", (long long)json_integer_value(value));
	else
		snprintf(ret_text, CELL_SIZE, "%s", table_text(line->row, column->key));
	return state_style(ret_text);
}

/* ---- lines ---- */

/* Which columns there is room for. */
struct layout {
	int name;                 /* width of the names, with the gap behind them */
	unsigned below;           /* only columns of a rank below this */
	int bar;                  /* where the bar begins */
};

static void format_name(const struct table_line *line, char *ret_text, size_t size)
{
	const char *state = table_text(line->row, "state");
	bool up = strcmp(state, "up") == 0;

	switch (line->kind) {
	case LINE_SERVICE:
		snprintf(ret_text, size, "%s %s%s%s", table_text(line->row, "name"),
			 table_text(line->row, "address"), up ? "" : "  ", up ? "" : state);
		break;
	case LINE_POOL:
		snprintf(ret_text, size, "pool %s", table_text(line->row, "pool"));
		break;
	case LINE_BACKEND:
		snprintf(ret_text, size, "  %s", table_text(line->row, "address"));
		break;
	case LINE_REASON:
		snprintf(ret_text, size, "%s", table_text(line->row, "reason"));
		break;
	}
}

static int columns_width(const struct table *table, unsigned below)
{
	int width = 0;

	for (const struct table_column *c = table->column; c->title; c++)
		width += c->rank < below ? c->width : 0;
	return width;
}

static struct layout lay_out(const struct table *table, const struct canvas *canvas)
{
	struct layout layout = {.name = NAME_MIN + NAME_GAP, .below = RANKS};
	char name[CELL_SIZE * 4];
	int width;

	for (size_t i = 0; i < table->lines; i++) {
		const struct table_line *line = &table->line[i];

		if (line->kind != LINE_BACKEND && line->kind != LINE_REASON)
			continue;
		format_name(line, name, sizeof(name));
		if (canvas_width(canvas, name) + NAME_GAP > layout.name)
			layout.name = canvas_width(canvas, name) + NAME_GAP;
	}
	width = columns_width(table, layout.below);
	while (layout.below > 1 && layout.name + width > canvas->columns)
		width = columns_width(table, --layout.below);
	if (layout.name + width > canvas->columns)
		layout.name = canvas->columns - width;
	layout.bar = layout.name + width + BAR_GAP;
	return layout;
}

static void put_cell(struct canvas *canvas, const struct table_column *column, int at,
		     enum style style, const char *cell)
{
	if (column->right)
		at += column->width - canvas_width(canvas, cell);
	canvas_move(canvas, at);
	canvas_put(canvas, style, cell);
}

static void put_curve(struct canvas *canvas, const struct trend *trend, uint64_t peak, int at,
		      int width)
{
	int first = TREND_LENGTH - ((int)trend->count < width ? (int)trend->count : width);

	canvas_move(canvas, at);
	for (int i = first; i < TREND_LENGTH; i++) {
		double share = peak ? (double)trend->value[i] / (double)peak : 0;

		/* Whatever is not 0 is seen. */
		canvas_put(canvas, STYLE_GOOD,
			   heights[(int)(share * (CURVE_HEIGHTS - 1) + (share > 0 ? 1 : 0))]);
	}
}

static void put_bar(struct canvas *canvas, const struct table_line *line, int at, int width)
{
	uint64_t now = line->value[SORT_PPS];
	int length = line->most ? (int)((double)now / (double)line->most * width + 0.5) : 0;

	if (length)
		canvas_move(canvas, at);
	for (int i = 0; i < length; i++)
		canvas_put(canvas, STYLE_GOOD, "#");
}

/* A curve of what was, or where the locale has no letters for it a bar of what is. */
static void put_trend(struct canvas *canvas, const struct table_line *line, int at, int room)
{
	if (canvas->utf8 && line->trend)
		put_curve(canvas, line->trend, line->peak, at,
			  room < CURVE_WIDTH ? room : CURVE_WIDTH);
	else if (!canvas->utf8 && line->kind != LINE_SERVICE && line->kind != LINE_POOL)
		put_bar(canvas, line, at, room < BAR_WIDTH ? room : BAR_WIDTH);
}

/* The head of a group has no use for the columns before its numbers. */
static void put_name(struct canvas *canvas, const struct table *table, const struct layout *layout,
		     const struct table_line *line)
{
	bool head = line->kind == LINE_SERVICE || line->kind == LINE_POOL;
	int room = layout->name, right = canvas->columns;
	char name[CELL_SIZE * 4];

	for (const struct table_column *c = table->column; head && c->value == SORT_NAME; c++)
		room += c->rank < layout->below ? c->width : 0;
	format_name(line, name, sizeof(name));
	canvas->columns = room > 1 ? room - 1 : room;
	if (head && strcmp(table_text(line->row, "state"), "down") == 0)
		canvas_put(canvas, STYLE_BAD, name);
	else
		canvas_put(canvas, head ? STYLE_STRONG : STYLE_PLAIN, name);
	canvas->columns = right;
}

static void put_line(struct canvas *canvas, const struct table *table, const struct layout *layout,
		     const struct table_line *line)
{
	int at = layout->name, room = canvas->columns - layout->bar;
	bool reason = line->kind == LINE_REASON;
	char cell[CELL_SIZE];

	put_name(canvas, table, layout, line);
	for (const struct table_column *c = table->column; c->title; c++) {
		enum style style;

		if (c->rank >= layout->below)
			continue;
		style = format_cell(c, line, cell);
		put_cell(canvas, c, at, style, cell);
		at += c->width;
	}
	if (reason && room > BAR_WIDTH)
		room = BAR_WIDTH;
	if (room >= BAR_MIN)
		put_trend(canvas, line, layout->bar, room);
	if (reason) {
		canvas_move(canvas, layout->bar + room + BAR_GAP);
		canvas_put(canvas, STYLE_PLAIN, table_text(line->row, "text"));
	}
	canvas_newline(canvas);
}

static void put_heading(struct canvas *canvas, const struct table *table,
			const struct layout *layout, const struct view *view)
{
	int at = layout->name;

	if (table->lines > view->page && view->page)
		canvas_print(canvas, STYLE_PLAIN, "%zu-%zu/%zu", view->first + 1,
			     view->first + view->page, table->lines);
	else if (table->column == table_drops_columns)
		canvas_put(canvas, STYLE_PLAIN, "REASON");
	for (const struct table_column *c = table->column; c->title; c++) {
		if (c->rank >= layout->below)
			continue;
		put_cell(canvas, c, at, STYLE_PLAIN, c->title);
		at += c->width;
	}
	canvas_newline(canvas);
}

void table_draw(const struct table *table, struct canvas *canvas, struct view *view)
{
	struct layout layout = lay_out(table, canvas);

	if (view->first + view->page > table->lines)
		view->first = table->lines > view->page ? table->lines - view->page : 0;
	put_heading(canvas, table, &layout, view);
	for (size_t i = view->first; i < table->lines && i < view->first + view->page; i++)
		put_line(canvas, table, &layout, &table->line[i]);
	if (table->lines)
		return;
	if (*view->word)
		canvas_print(canvas, STYLE_PLAIN, "nothing with \"%s\"", view->word);
	else
		canvas_put(canvas, STYLE_PLAIN,
			   table->column == table_drops_columns ? "no drops" : "no services");
	canvas_newline(canvas);
}
