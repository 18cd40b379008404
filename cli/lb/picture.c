#include "cli/lb/picture.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/lb/table.h"
#include "cli/units.h"

enum { EVENTS_SHOWN = 8, RIGHT_GAP = 2, SECOND_NS = 1000000000, BITS = 8, NUMBER_SIZE = 32 };

/* Of those that are told though nothing was dropped for them. */
static const char *const telling[] = {
	"no_backend", "no_service", "ip_bad_checksum", "flow_table_full",
};
enum { TELLING = sizeof(telling) / sizeof(telling[0]) };

static uint64_t number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* ---- the two lines at the top ---- */

static void format_clock(uint64_t ns, char *ret_text, size_t size)
{
	time_t seconds = (time_t)(ns / SECOND_NS);
	struct tm local;

	*ret_text = 0;
	if (localtime_r(&seconds, &local))
		strftime(ret_text, size, "%H:%M:%S", &local);
}

static void format_uptime(uint64_t ns, char *ret_text, size_t size)
{
	static const struct { char unit; uint64_t seconds; } units[] = {
		{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1},
	};
	uint64_t seconds = ns / SECOND_NS;
	unsigned i = 0;

	while (units[i].unit != 's' && seconds < units[i].seconds)
		i++;
	snprintf(ret_text, size, "%llu%c", (unsigned long long)(seconds / units[i].seconds),
		 units[i].unit);
}

/* "1s", "0.5s", "12s" */
static void format_interval(uint64_t ns, char *ret_text, size_t size)
{
	double seconds = (double)ns / SECOND_NS;
	int tenths = (int)(seconds * 10 + 0.5);

	if (!ns)
		*ret_text = 0;
	else if (tenths % 10 == 0 || tenths >= 100)
		snprintf(ret_text, size, "%.0fs", seconds);
	else
		snprintf(ret_text, size, "%.1fs", seconds);
}

/* Of drops there are two numbers only. */
static const char *sort_text(enum sort sort, bool drops)
{
	static const char *const texts[][2] = {
		[SORT_NAME] = {"", ""}, [SORT_CPS] = {":cps", ":rate"},
		[SORT_ACTIVE] = {":active", ":total"}, [SORT_PPS] = {":pps", ":rate"},
		[SORT_BPS] = {":bps", ":total"},
	};

	return texts[sort][drops];
}

static bool is_of_drops(const json_t *appliance)
{
	return strcmp(text(appliance, "view"), "drops") == 0;
}

/* What stands at the right, the longest that there is room for. */
static void put_right(struct canvas *canvas, const json_t *appliance, const struct view *view)
{
	const char *sort = sort_text(view->sort, is_of_drops(appliance));
	const char *colon = *view->word ? ":" : "", *paused = view->paused ? "  paused" : "";
	int room = canvas->columns - canvas->column - RIGHT_GAP, width;
	char clock[16], interval[16], right[256];

	format_clock(number(appliance, "time"), clock, sizeof(clock));
	format_interval(number(appliance, "interval"), interval, sizeof(interval));
	snprintf(right, sizeof(right), "%s  %s%s[q]uit [s]ort%s [/]filter%s%s %s", clock, interval,
		 *interval ? "  " : "", sort, colon, view->word,
		 view->paused ? "[p]aused" : "[p]ause");
	if (canvas_width(canvas, right) > room)
		snprintf(right, sizeof(right), "%s%s  q s%s /%s%s p", clock, paused, sort, colon,
			 view->word);
	if (canvas_width(canvas, right) > room)
		snprintf(right, sizeof(right), "%s%s", clock, paused);
	width = canvas_width(canvas, right);
	if (width > room)
		return;
	canvas_move(canvas, canvas->columns - width);
	canvas_put(canvas, view->paused ? STYLE_ODD : STYLE_PLAIN, right);
}

static void put_identity(struct canvas *canvas, const json_t *appliance, const struct view *view)
{
	uint64_t up = number(appliance, "backends_up"), backends = number(appliance, "backends");
	char uptime[16];

	format_uptime(number(appliance, "uptime"), uptime, sizeof(uptime));
	canvas_print(canvas, STYLE_STRONG, "lb %s", text(appliance, "hostname"));
	canvas_print(canvas, STYLE_PLAIN, "  r%llu  up %s",
		     (unsigned long long)number(appliance, "revision"), uptime);
	canvas_print(canvas, up < backends ? STYLE_ODD : STYLE_PLAIN, "  %llu/%llu backends up",
		     (unsigned long long)up, (unsigned long long)backends);
	put_right(canvas, appliance, view);
	canvas_newline(canvas);
}

/* "412 k" for "412 kpps"; "-" where it is not known. */
static void format_rate(const json_t *object, const char *key, unsigned factor, char *ret_text)
{
	char scaled[SCALED_SIZE];
	size_t digits;

	if (!json_is_integer(json_object_get(object, key))) {
		strcpy(ret_text, "- ");
		return;
	}
	format_scaled(number(object, key) * factor, scaled);
	digits = strspn(scaled, "0123456789.");
	snprintf(ret_text, NUMBER_SIZE, "%.*s %s", (int)digits, scaled, scaled + digits);
}

/* A part of a line that is not torn apart: on the next one where it does not fit. */
static void put_part(struct canvas *canvas, enum style style, const char *part)
{
	int gap = canvas->column ? RIGHT_GAP : 0;

	if (gap && canvas->column + gap + canvas_width(canvas, part) > canvas->columns) {
		canvas_newline(canvas);
		gap = 0;
	}
	canvas_move(canvas, canvas->column + gap);
	canvas_put(canvas, style, part);
}

static void put_direction(struct canvas *canvas, const json_t *appliance, const char *name,
			  const char *packets, const char *bytes)
{
	char pps[NUMBER_SIZE], bps[NUMBER_SIZE], part[3 * NUMBER_SIZE];

	format_rate(appliance, packets, 1, pps);
	format_rate(appliance, bytes, BITS, bps);
	snprintf(part, sizeof(part), "%s %spps %sb/s", name, pps, bps);
	put_part(canvas, STYLE_PLAIN, part);
}

static void put_traffic(struct canvas *canvas, const json_t *appliance)
{
	uint64_t flows = number(appliance, "flows"), capacity = number(appliance, "flow_capacity");
	uint64_t drops = number(appliance, "dropped_per_second");
	char some[SCALED_SIZE], all[SCALED_SIZE], part[128];

	put_direction(canvas, appliance, "RX", "received_per_second", "received_bytes_per_second");
	put_direction(canvas, appliance, "TX", "sent_per_second", "sent_bytes_per_second");
	format_scaled(flows, some);
	format_scaled(capacity, all);
	snprintf(part, sizeof(part), "flows %s/%s (%llu%%)", some, all,
		 (unsigned long long)(capacity ? flows * 100 / capacity : 0));
	put_part(canvas, STYLE_PLAIN, part);
	format_scaled(drops, some);
	snprintf(part, sizeof(part), "drops %s/s", some);
	put_part(canvas, drops ? STYLE_ODD : STYLE_PLAIN, part);
	if (json_is_integer(json_object_get(appliance, "path_busy_percent"))) {
		snprintf(part, sizeof(part), "path %llu%% busy",
			 (unsigned long long)number(appliance, "path_busy_percent"));
		put_part(canvas, STYLE_PLAIN, part);
	}
	canvas_newline(canvas);
}

/* ---- the lines at the bottom ---- */

static void put_reason(struct canvas *canvas, const char *reason, uint64_t rate)
{
	char scaled[SCALED_SIZE];

	format_scaled(rate, scaled);
	canvas_print(canvas, rate ? STYLE_ODD : STYLE_PLAIN, "  %s %s", reason, scaled);
}

static bool is_telling(const char *reason)
{
	for (unsigned i = 0; i < TELLING; i++)
		if (strcmp(telling[i], reason) == 0)
			return true;
	return false;
}

/* The telling ones, and whatever else there is. */
static void put_drops(struct canvas *canvas, const json_t *drops)
{
	const json_t *row;
	size_t i;

	canvas_put(canvas, STYLE_PLAIN, "DROPS/s");
	for (unsigned t = 0; t < TELLING; t++)
		for (i = 0; (row = json_array_get(drops, i)); i++)
			if (strcmp(text(row, "reason"), telling[t]) == 0)
				put_reason(canvas, telling[t], number(row, "dropped_per_second"));
	for (i = 0; (row = json_array_get(drops, i)); i++)
		if (!is_telling(text(row, "reason")) && number(row, "dropped_per_second"))
			put_reason(canvas, text(row, "reason"), number(row, "dropped_per_second"));
	canvas_newline(canvas);
}

static void put_events(struct canvas *canvas, const json_t *events, size_t lines)
{
	size_t count = json_array_size(events);
	char clock[16];

	for (size_t i = count > lines ? count - lines : 0; i < count; i++) {
		const json_t *event = json_array_get(events, i);

		format_clock(number(event, "time"), clock, sizeof(clock));
		canvas_print(canvas, STYLE_PLAIN, "%s %s", clock, text(event, "event"));
		canvas_newline(canvas);
	}
}

static void put_word(struct canvas *canvas, const struct view *view)
{
	canvas_print(canvas, STYLE_STRONG, "/%s", view->word);
	canvas_put(canvas, STYLE_PLAIN, canvas->utf8 ? "▏" : "_");
	canvas_newline(canvas);
}

/* ---- the whole ---- */

/* Lines below the table where there are `rest` for both: the events give way first, but for one. */
static size_t lines_of_events(const json_t *events, size_t rest, size_t wanted)
{
	size_t count = json_array_size(events), free = rest > wanted ? rest - wanted : 0;
	size_t least = rest > 4 ? 1 : 0;

	if (free < least)
		free = least;
	if (free > EVENTS_SHOWN)
		free = EVENTS_SHOWN;
	return count < free ? count : free;
}

void picture_draw(struct canvas *canvas, const json_t *monitor, const struct trends *trends,
		  struct view *view)
{
	const json_t *appliance = json_object_get(monitor, "appliance");
	const json_t *events = json_object_get(monitor, "events");
	bool drops = is_of_drops(appliance);
	struct table table;
	size_t rest, below;

	canvas_begin(canvas);
	put_identity(canvas, appliance, view);
	put_traffic(canvas, appliance);
	if (drops)
		table_of_drops(&table, monitor, trends, view);
	else
		table_of_services(&table, monitor, trends, view);
	below = !drops + (size_t)view->typing;
	rest = canvas->rows > canvas->row + 1 ? (size_t)(canvas->rows - canvas->row) - 1 : 0;
	rest = rest > below ? rest - below : 0;
	below = lines_of_events(events, rest, table.lines);
	view->page = rest - below;
	table_draw(&table, canvas, view);
	table_free(&table);
	if (!drops)
		put_drops(canvas, json_object_get(monitor, "drops"));
	put_events(canvas, events, below);
	if (view->typing)
		put_word(canvas, view);
	canvas_end(canvas);
}

/* Both ways. */
static uint64_t packets(const json_t *row)
{
	return number(row, "packets_per_second") + number(row, "reply_packets_per_second");
}

void picture_trends(const json_t *monitor, struct trends *ret_trends)
{
	const json_t *services = json_object_get(monitor, "service");
	const json_t *backends = json_object_get(monitor, "backend");
	const json_t *drops = json_object_get(monitor, "drops"), *row;
	size_t i;

	*ret_trends = (struct trends){0};
	for (i = 0; (row = json_array_get(services, i)); i++)
		trends_add(ret_trends, "service", "", text(row, "name"), packets(row));
	for (i = 0; (row = json_array_get(backends, i)); i++)
		trends_add(ret_trends, "backend", text(row, "pool"), text(row, "address"),
			   packets(row));
	for (i = 0; (row = json_array_get(drops, i)); i++)
		trends_add(ret_trends, "drops", "", text(row, "reason"),
			   number(row, "dropped_per_second"));
}
