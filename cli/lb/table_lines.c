/* From a monitor's document to the lines of its table: which, in what order, and the measure that
 * the trends of a group are drawn by. */
#include "cli/lb/table_line.h"

#include <stdlib.h>
#include <string.h>

enum { BITS = 8 };

static uint64_t number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

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
		if (strcasestr(table_text(row, keys[i]), word))
			return true;
	return false;
}

static void add_backend(struct table *table, const json_t *row, const struct trends *trends)
{
	struct table_line *line = add_line(table, LINE_BACKEND, row);

	if (!line)
		return;
	add_rates(line, row);
	line->trend = trends_find(trends, "backend", table_text(row, "pool"), table_text(row, "address"));
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

		if (last && strcmp(last->pool, table_text(row, "pool")) == 0) {
			last->count++;
			continue;
		}
		more = reallocarray(runs.run, runs.count + 1, sizeof(*more));
		if (!more)
			break;
		runs.run = more;
		runs.run[runs.count++] = (struct run){table_text(row, "pool"), i, 1};
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
	line->trend = trends_find(trends, "service", "", table_text(row, "name"));
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
		const struct run *run = run_of(runs, table_text(head->row, "pool"));
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
	bool pool = strcmp(table_text(json_object_get(monitor, "appliance"), "view"), "pool") == 0;
	struct runs runs = find_runs(backends);
	struct table heads = {0};
	size_t i;

	*table = (struct table){.column = table_service_columns};
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

	*table = (struct table){.column = table_drops_columns};
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
		line->trend = trends_find(trends, "drops", "", table_text(row, "reason"));
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
