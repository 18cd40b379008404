#include "cli/lb/table.h"

#include <stdlib.h>
#include <string.h>

#include "cli/units.h"

enum {
	NAME_MIN = 15, NAME_GAP = 2,
	BAR_WIDTH = 10, BAR_MIN = 4, CURVE_WIDTH = TREND_LENGTH, BAR_GAP = 2,
	CURVE_HEIGHTS = 8,
	CELL_SIZE = 64, BITS = 8,
	RANKS = 8, /* of columns */
};

static const char *const heights[CURVE_HEIGHTS + 1] = {
	" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█",
};

enum kind { LINE_SERVICE, LINE_POOL, LINE_BACKEND, LINE_REASON };

struct table_line {
	enum kind kind;
	const json_t *row;            /* LINE_POOL: of its first backend */
	size_t place;                 /* as the document has it */
	bool known;                   /* of the rates: there were two looks */
	uint64_t value[SORTS];        /* by what it is sorted; [SORT_NAME] is not used */
	const struct trend *trend;    /* NULL: none */
	uint64_t peak, most;          /* of the group: ever in its trends, and now */
};

static uint64_t number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* ---- columns ---- */

struct table_column {
	const char *title;
	int width;
	bool right;
	unsigned rank;     /* the highest goes first where the screen is narrow; 0 stays */
	enum sort value;   /* SORT_NAME: a text, below */
	const char *key;   /* of the text, of backends */
};

static const struct table_column service_columns[] = {
	{"ADMIN", 9, false, 6, SORT_NAME, "admin"},
	{"HEALTH", 11, false, 3, SORT_NAME, "health"},
	{"WEIGHT", 7, true, 7, SORT_NAME, "weight"},
	{"CPS", 7, true, 4, SORT_CPS, NULL},
	{"ACTIVE", 9, true, 2, SORT_ACTIVE, NULL},
	{"PPS", 8, true, 0, SORT_PPS, NULL},
	{"BPS", 8, true, 5, SORT_BPS, NULL},
	{0},
};

static const struct table_column drops_columns[] = {
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
		snprintf(ret_text, CELL_SIZE, "%s", text(line->row, column->key));
	return state_style(ret_text);
}

/* ---- lines ---- */

static struct table_line *add_line(struct table *table, enum kind kind, const json_t *row)
{
	if (table->lines == table->capacity) {
		size_t capacity = table->capacity ? 2 * table->capacity : 64;
		struct table_line *line = reallocarray(table->line, capacity, sizeof(*line));

		if (!line)
			return NULL;
		table->line = line;
		table->capacity = capacity;
	}
	table->line[table->lines] = (struct table_line){.kind = kind, .row = row,
							.place = table->lines};
	return &table->line[table->lines++];
}

/* Both ways. */
static void add_rates(struct table_line *line, const json_t *row)
{
	line->known |= json_is_integer(json_object_get(row, "packets_per_second"));
	line->value[SORT_CPS] += number(row, "flows_per_second");
	line->value[SORT_ACTIVE] += number(row, "active_flows");
	line->value[SORT_PPS] += number(row, "packets_per_second") +
				 number(row, "reply_packets_per_second");
	line->value[SORT_BPS] += BITS * (number(row, "bytes_per_second") +
					 number(row, "reply_bytes_per_second"));
}

static bool has_word(const json_t *row, const char *word)
{
	static const char *const keys[] = {"name", "address", "pool", "admin", "health", "state",
					   "reason", "text"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcasestr(text(row, keys[i]), word))
			return true;
	return false;
}

static void add_backend(struct table *table, const json_t *row, const struct trends *trends)
{
	struct table_line *line = add_line(table, LINE_BACKEND, row);

	if (!line)
		return;
	add_rates(line, row);
	line->trend = trends_find(trends, "backend", text(row, "pool"), text(row, "address"));
}

/* Greatest first; equals as they were. */
static enum sort sort_by;

static int by_value(const void *a, const void *b)
{
	const struct table_line *one = a, *other = b;

	if (sort_by != SORT_NAME && one->value[sort_by] != other->value[sort_by])
		return one->value[sort_by] < other->value[sort_by] ? 1 : -1;
	return (one->place > other->place) - (one->place < other->place);
}

static void sort_lines(struct table_line *line, size_t count, enum sort sort)
{
	sort_by = sort;
	if (count > 1)
		qsort(line, count, sizeof(*line), by_value);
}

/* Backends of one group are drawn by one measure. */
static void measure(struct table_line *line, size_t count)
{
	uint64_t peak = 0, most = 0;

	for (size_t i = 0; i < count; i++) {
		for (unsigned v = 0; line[i].trend && v < TREND_LENGTH; v++)
			if (line[i].trend->value[v] > peak)
				peak = line[i].trend->value[v];
		if (line[i].value[SORT_PPS] > most)
			most = line[i].value[SORT_PPS];
	}
	for (size_t i = 0; i < count; i++) {
		line[i].peak = peak;
		line[i].most = most;
	}
}

/* Where the backends of each pool begin: they stand together. */
struct run {
	const char *pool;
	size_t first, count;
};

struct runs {
	struct run *run;
	size_t count;
};

static struct runs find_runs(const json_t *backends)
{
	struct runs runs = {0};
	const json_t *row;
	size_t i;

	for (i = 0; (row = json_array_get(backends, i)); i++) {
		struct run *last = runs.count ? &runs.run[runs.count - 1] : NULL, *more;

		if (last && strcmp(last->pool, text(row, "pool")) == 0) {
			last->count++;
			continue;
		}
		more = reallocarray(runs.run, runs.count + 1, sizeof(*more));
		if (!more)
			break;
		runs.run = more;
		runs.run[runs.count++] = (struct run){text(row, "pool"), i, 1};
	}
	return runs;
}

/* The lines of a group behind its head; all of them where the head has the word. */
static void add_backends(struct table *table, const json_t *backends, const struct run *run,
			 const struct trends *trends, const struct view *view, bool all)
{
	size_t first = table->lines;

	for (size_t i = run->first; i < run->first + run->count; i++) {
		const json_t *row = json_array_get(backends, i);

		if (all || has_word(row, view->word))
			add_backend(table, row, trends);
	}
	sort_lines(table->line + first, table->lines - first, view->sort);
	measure(table->line + first, table->lines - first);
}

static void add_head(struct table *table, const json_t *row, const struct trends *trends)
{
	struct table_line *line = add_line(table, LINE_SERVICE, row);

	if (!line)
		return;
	add_rates(line, row);
	line->trend = trends_find(trends, "service", "", text(row, "name"));
	measure(line, 1);
}

static const struct run *run_of(const struct runs *runs, const char *pool)
{
	for (size_t i = 0; i < runs->count; i++)
		if (strcmp(runs->run[i].pool, pool) == 0)
			return &runs->run[i];
	return NULL;
}

/* Each service with the backends of its pool; the services come sorted. */
static void add_groups(struct table *table, const struct table *heads, const json_t *backends,
		       const struct runs *runs, const struct trends *trends,
		       const struct view *view)
{
	for (size_t i = 0; i < heads->lines; i++) {
		const struct table_line *head = &heads->line[i];
		const struct run *run = run_of(runs, text(head->row, "pool"));
		bool all = has_word(head->row, view->word);
		struct table_line *line = add_line(table, LINE_SERVICE, head->row);

		if (!line)
			return;
		*line = *head;
		if (run)
			add_backends(table, backends, run, trends, view, all);
		if (!all && table->lines && table->line[table->lines - 1].kind == LINE_SERVICE)
			table->lines--;
	}
}

/* The services that use a pool, then the pool. */
static void add_pool(struct table *table, const struct table *heads, const json_t *backends,
		     const struct trends *trends, const struct view *view)
{
	const struct run run = {.count = json_array_size(backends)};
	struct table_line *line;
	const json_t *row;
	size_t i;

	for (i = 0; i < heads->lines; i++) {
		line = add_line(table, LINE_SERVICE, NULL);
		if (line)
			*line = heads->line[i];
	}
	line = add_line(table, LINE_POOL, json_array_get(backends, 0));
	for (i = 0; (row = json_array_get(backends, i)); i++)
		if (line)
			add_rates(line, row);
	add_backends(table, backends, &run, trends, view, false);
}

void table_of_services(struct table *table, const json_t *monitor, const struct trends *trends,
		       const struct view *view)
{
	const json_t *backends = json_object_get(monitor, "backend"), *row;
	const json_t *services = json_object_get(monitor, "service");
	bool pool = strcmp(text(json_object_get(monitor, "appliance"), "view"), "pool") == 0;
	struct runs runs = find_runs(backends);
	struct table heads = {0};
	size_t i;

	*table = (struct table){.column = service_columns};
	for (i = 0; (row = json_array_get(services, i)); i++)
		add_head(&heads, row, trends);
	sort_lines(heads.line, heads.lines, view->sort);
	if (!pool)
		add_groups(table, &heads, backends, &runs, trends, view);
	else if (json_array_size(backends))
		add_pool(table, &heads, backends, trends, view);
	table_free(&heads);
	free(runs.run);
}

void table_of_drops(struct table *table, const json_t *monitor, const struct trends *trends,
		    const struct view *view)
{
	const json_t *drops = json_object_get(monitor, "drops"), *row;

	*table = (struct table){.column = drops_columns};
	for (size_t i = 0; (row = json_array_get(drops, i)); i++) {
		struct table_line *line;

		if (!number(row, "dropped") || !has_word(row, view->word))
			continue;
		line = add_line(table, LINE_REASON, row);
		if (!line)
			return;
		line->known = json_is_integer(json_object_get(row, "dropped_per_second"));
		line->value[SORT_CPS] = line->value[SORT_PPS] = number(row, "dropped_per_second");
		line->value[SORT_ACTIVE] = line->value[SORT_BPS] = number(row, "dropped");
		line->trend = trends_find(trends, "drops", "", text(row, "reason"));
	}
	sort_lines(table->line, table->lines, view->sort);
	measure(table->line, table->lines);
}

void table_free(struct table *table)
{
	free(table->line);
	table->line = NULL;
	table->lines = table->capacity = 0;
}

/* ---- drawing ---- */

/* Which columns there is room for. */
struct layout {
	int name;                 /* width of the names, with the gap behind them */
	unsigned below;           /* only columns of a rank below this */
	int bar;                  /* where the bar begins */
};

static void format_name(const struct table_line *line, char *ret_text, size_t size)
{
	const char *state = text(line->row, "state");
	bool up = strcmp(state, "up") == 0;

	switch (line->kind) {
	case LINE_SERVICE:
		snprintf(ret_text, size, "%s %s%s%s", text(line->row, "name"),
			 text(line->row, "address"), up ? "" : "  ", up ? "" : state);
		break;
	case LINE_POOL:
		snprintf(ret_text, size, "pool %s", text(line->row, "pool"));
		break;
	case LINE_BACKEND:
		snprintf(ret_text, size, "  %s", text(line->row, "address"));
		break;
	case LINE_REASON:
		snprintf(ret_text, size, "%s", text(line->row, "reason"));
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
	if (head && strcmp(text(line->row, "state"), "down") == 0)
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
		canvas_put(canvas, STYLE_PLAIN, text(line->row, "text"));
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
	else if (table->column == drops_columns)
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
			   table->column == drops_columns ? "no drops" : "no services");
	canvas_newline(canvas);
}
