/* The monitor's picture: from a document and a size to what is on the screen. */
#include "tests/unit/console.h"

#include <locale.h>

#include "cli/lb/picture.h"

/* The numbers of CONSOLE.md's screen. */
static const char document_text[] =
	"{\"appliance\":{\"hostname\":\"web01\",\"view\":\"all\",\"revision\":42,"
	"\"time\":50531000000000,\"uptime\":1036800000000000,\"interval\":1000700000,"
	"\"backends_up\":3,\"backends\":3,\"flows\":121000,\"flow_capacity\":1000000,"
	"\"flows_per_second\":1900,\"received_per_second\":412000,"
	"\"received_bytes_per_second\":262500000,\"sent_per_second\":412000,"
	"\"sent_bytes_per_second\":275000000,\"dropped_per_second\":12,"
	"\"ring_lost_per_second\":0,\"path_busy_percent\":61},"
	"\"service\":[{\"name\":\"web\",\"address\":\"203.0.113.10:80/tcp\",\"pool\":\"web\","
	"\"state\":\"up\",\"backends_up\":3,\"backends\":3,\"active_flows\":121000,"
	"\"flows_per_second\":1900,\"packets_per_second\":206000,\"bytes_per_second\":12500000,"
	"\"reply_packets_per_second\":206000,\"reply_bytes_per_second\":250000000,"
	"\"no_backend_per_second\":0}],"
	"\"backend\":[{\"pool\":\"web\",\"address\":\"10.0.0.11:80\",\"name\":null,\"weight\":100,"
	"\"admin\":\"enabled\",\"health\":\"up\",\"state\":\"up\",\"active_flows\":60000,"
	"\"flows_per_second\":982,\"packets_per_second\":102500,\"bytes_per_second\":5000000,"
	"\"reply_packets_per_second\":102500,\"reply_bytes_per_second\":120000000},"
	"{\"pool\":\"web\",\"address\":\"10.0.0.12:80\",\"name\":\"odd\",\"weight\":100,"
	"\"admin\":\"enabled\",\"health\":\"down\",\"state\":\"down\",\"active_flows\":60500,"
	"\"flows_per_second\":918,\"packets_per_second\":51250,\"bytes_per_second\":5000000,"
	"\"reply_packets_per_second\":51250,\"reply_bytes_per_second\":120000000},"
	"{\"pool\":\"web\",\"address\":\"10.0.0.13:80\",\"name\":null,\"weight\":0,"
	"\"admin\":\"drain\",\"health\":\"up\",\"state\":\"draining\",\"active_flows\":412,"
	"\"flows_per_second\":0,\"packets_per_second\":155,\"bytes_per_second\":7500,"
	"\"reply_packets_per_second\":155,\"reply_bytes_per_second\":130000}],"
	"\"drops\":[{\"reason\":\"ip_bad_checksum\",\"text\":\"wrong\",\"dropped\":3000,"
	"\"dropped_per_second\":3},{\"reason\":\"no_service\",\"text\":\"none there\","
	"\"dropped\":90,\"dropped_per_second\":9},{\"reason\":\"no_backend\",\"text\":\"none up\","
	"\"dropped\":0,\"dropped_per_second\":0},{\"reason\":\"flow_table_full\",\"text\":\"full\","
	"\"dropped\":0,\"dropped_per_second\":0},{\"reason\":\"no_route\",\"text\":\"whither\","
	"\"dropped\":0,\"dropped_per_second\":0}],"
	"\"events\":[{\"time\":50500000000000,\"event\":\"interface ext: up\"},"
	"{\"time\":50518000000000,\"event\":\"backend web/10.0.0.13:80 drain by alice (r42)\"}]}";

enum { SCREEN_SIZE = 64 * 1024 };

struct screen {
	json_t *monitor;
	struct trends trends;
	struct view view;
	struct canvas canvas;
	char text[SCREEN_SIZE];
};

static int begin(void **state)
{
	struct screen *screen = calloc(1, sizeof(*screen));

	setenv("TZ", "UTC", 1);
	setlocale(LC_CTYPE, "C.UTF-8");
	screen->monitor = json_loads(document_text, 0, NULL);
	assert_non_null(screen->monitor);
	screen->canvas = (struct canvas){.rows = 24, .columns = 100};
	*state = screen;
	return 0;
}

static int end(void **state)
{
	struct screen *screen = *state;

	json_decref(screen->monitor);
	trends_free(&screen->trends);
	free(screen);
	return 0;
}

static const char *draw(struct screen *screen)
{
	screen->canvas.stream = fmemopen(screen->text, SCREEN_SIZE, "w");
	assert_non_null(screen->canvas.stream);
	picture_draw(&screen->canvas, screen->monitor, &screen->trends, &screen->view);
	fclose(screen->canvas.stream);
	return screen->text;
}

static json_t *row(struct screen *screen, const char *list, size_t index)
{
	return json_array_get(json_object_get(screen->monitor, list), index);
}

static void set(json_t *object, const char *key, json_int_t value)
{
	json_object_set_new(object, key, json_integer(value));
}

/* The next look: the same but for the packets of the first backend. */
static void look(struct screen *screen, json_int_t packets)
{
	struct trends trends;

	set(row(screen, "backend", 0), "packets_per_second", packets);
	set(row(screen, "backend", 0), "reply_packets_per_second", 0);
	picture_trends(screen->monitor, &trends);
	trends_follow(&trends, &screen->trends);
	screen->trends = trends;
}

static void the_screen_is_as_the_contract_shows_it(void **state)
{
	static const char expected[] =
		"lb web01  r42  up 12d  3/3 backends up                 "
		"14:02:11  1s  [q]uit [s]ort [/]filter [p]ause\n"
		"RX 412 kpps 2.1 Gb/s  TX 412 kpps 2.2 Gb/s  flows 121k/1.0M (12%)  drops 12/s  "
		"path 61% busy\n"
		"                 ADMIN    HEALTH      WEIGHT    CPS   ACTIVE     PPS     BPS\n"
		"web 203.0.113.10:80/tcp                        1.9k     121k    412k    2.1G\n"
		"  10.0.0.11:80   enabled  up             100    982      60k    205k    1.0G  "
		"##########\n"
		"  10.0.0.12:80   enabled  down           100    918      60k    102k    1.0G  "
		"#####\n"
		"  10.0.0.13:80   drain    up               0      0      412     310    1.1M\n"
		"DROPS/s  no_backend 0  no_service 9  ip_bad_checksum 3  flow_table_full 0\n"
		"14:01:40 interface ext: up\n"
		"14:01:58 backend web/10.0.0.13:80 drain by alice (r42)\n";

	assert_string_equal(draw(*state), expected);
}

static void curves_show_what_was_where_the_locale_has_letters_for_them(void **state)
{
	struct screen *screen = *state;

	screen->canvas.utf8 = true;
	for (json_int_t packets = 0; packets <= 80000; packets += 20000)
		look(screen, packets);
	draw(screen);
	/* By the measure of the pool's busiest one. */
	assert_non_null(strstr(screen->text, "1.0G   ▂▃▅▆\n"));
	assert_non_null(strstr(screen->text, "1.0G  █████\n"));
	assert_null(strchr(screen->text, '#'));
}

static void a_curve_holds_the_last_looks(void **state)
{
	struct screen *screen = *state;
	const struct trend *trend;

	for (json_int_t i = 0; i < TREND_LENGTH + 10; i++)
		look(screen, i);
	trend = trends_find(&screen->trends, "backend", "web", "10.0.0.11:80");
	assert_non_null(trend);
	assert_int_equal(trend->count, TREND_LENGTH);
	assert_int_equal(trend->value[0], 10);
	assert_int_equal(trend->value[TREND_LENGTH - 1], TREND_LENGTH + 9);
	assert_null(trends_find(&screen->trends, "backend", "dns", "10.0.0.11:80"));
}

static void what_is_gone_has_no_curve_when_it_comes_again(void **state)
{
	struct screen *screen = *state;
	json_t *backends = json_object_get(screen->monitor, "backend"), *gone;

	look(screen, 1);
	look(screen, 2);
	gone = json_incref(json_array_get(backends, 0));
	json_array_remove(backends, 0);
	look(screen, 3);
	assert_null(trends_find(&screen->trends, "backend", "web", "10.0.0.11:80"));
	json_array_insert_new(backends, 0, gone);
	look(screen, 4);
	assert_int_equal(trends_find(&screen->trends, "backend", "web", "10.0.0.11:80")->count, 1);
}

static void the_first_look_says_that_rates_are_not_known(void **state)
{
	struct screen *screen = *state;

	json_object_set_new(json_object_get(screen->monitor, "appliance"), "received_per_second",
			    json_null());
	json_object_set_new(json_object_get(screen->monitor, "appliance"), "interval", json_null());
	json_object_set_new(row(screen, "backend", 0), "packets_per_second", json_null());
	draw(screen);
	assert_non_null(strstr(screen->text, "RX - pps "));
	assert_non_null(strstr(screen->text, "14:02:11  [q]uit"));
	assert_non_null(strstr(screen->text, "up             100      -      60k       -       -"));
}

static void lines_are_sorted_by_what_is_asked_for(void **state)
{
	struct screen *screen = *state;
	const char *first, *second;

	screen->view.sort = SORT_ACTIVE;
	draw(screen);
	assert_non_null(strstr(screen->text, "[s]ort:active"));
	first = strstr(screen->text, "10.0.0.12:80");
	second = strstr(screen->text, "10.0.0.11:80");
	assert_true(first < second && second < strstr(screen->text, "10.0.0.13:80"));
}

static void only_lines_with_the_word_are_shown(void **state)
{
	struct screen *screen = *state;

	snprintf(screen->view.word, WORD_SIZE, "DOWN");
	draw(screen);
	assert_non_null(strstr(screen->text, "[/]filter:DOWN"));
	assert_non_null(strstr(screen->text, "\nweb 203.0.113.10:80/tcp"));
	assert_non_null(strstr(screen->text, "  10.0.0.12:80 "));
	assert_null(strstr(screen->text, "  10.0.0.11:80 "));
	/* A service that has it comes with all of its backends. */
	snprintf(screen->view.word, WORD_SIZE, "203.0");
	draw(screen);
	assert_non_null(strstr(screen->text, "  10.0.0.11:80 "));
	snprintf(screen->view.word, WORD_SIZE, "xyz");
	draw(screen);
	assert_non_null(strstr(screen->text, "nothing with \"xyz\""));
	assert_null(strstr(screen->text, "203.0.113.10"));
}

static int widest(const char *text)
{
	int width = 0, column = 0;

	for (; *text; text++) {
		column = *text == '\n' ? 0 : column + 1;
		width = column > width ? column : width;
	}
	return width;
}

static unsigned lines_of(const char *text)
{
	unsigned lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void no_size_is_too_small(void **state)
{
	struct screen *screen = *state;

	for (int rows = 1; rows <= 30; rows++)
		for (int columns = 1; columns <= 140; columns += rows % 7 + 1) {
			screen->canvas.rows = rows;
			screen->canvas.columns = columns;
			screen->view.typing = rows % 2;
			draw(screen);
			assert_true(widest(screen->text) <= columns);
			assert_true(lines_of(screen->text) <= (unsigned)rows);
		}
}

static void columns_go_by_their_importance_on_a_narrow_screen(void **state)
{
	struct screen *screen = *state;

	screen->canvas.columns = 80;
	draw(screen);
	assert_non_null(strstr(screen->text, "14:02:11  q s / p\n"));
	assert_non_null(strstr(screen->text, "drops 12/s\npath 61% busy\n"));
	assert_non_null(strstr(screen->text, "WEIGHT    CPS   ACTIVE     PPS     BPS\n"));
	screen->canvas.columns = 60;
	draw(screen);
	assert_non_null(strstr(screen->text, "HEALTH         CPS   ACTIVE     PPS     BPS\n"));
	screen->canvas.columns = 26;
	draw(screen);
	assert_non_null(strstr(screen->text, "\n                      PPS\n"));
	assert_non_null(strstr(screen->text, "\n  10.0.0.11:80       205k\n"));
}

static void a_long_table_is_a_page_of_it_wherever_it_was_scrolled_to(void **state)
{
	struct screen *screen = *state;
	json_t *backends = json_object_get(screen->monitor, "backend");
	char address[32];

	for (int i = 0; i < 50; i++) {
		json_t *more = json_deep_copy(json_array_get(backends, 0));

		snprintf(address, sizeof(address), "10.0.1.%d:80", i);
		json_object_set_new(more, "address", json_string(address));
		json_array_append_new(backends, more);
	}
	screen->canvas.rows = 20;
	draw(screen);
	assert_int_equal(lines_of(screen->text), 20);
	assert_non_null(strstr(screen->text, "\n1-15/54 "));
	assert_non_null(strstr(screen->text, "DROPS/s"));
	assert_non_null(strstr(screen->text, "alice (r42)\n"));
	screen->view.first = 1000;
	draw(screen);
	assert_int_equal(screen->view.first, 54 - 15);
	assert_non_null(strstr(screen->text, "\n40-54/54 "));
	assert_non_null(strstr(screen->text, "10.0.1.49:80"));
}

static void a_pool_has_a_line_of_its_own(void **state)
{
	struct screen *screen = *state;

	json_object_set_new(json_object_get(screen->monitor, "appliance"), "view",
			    json_string("pool"));
	draw(screen);
	assert_non_null(strstr(screen->text,
			       "tcp                        1.9k     121k    412k    2.1G\n"
			       "pool web                                       1.9k     121k"));
}

static void drops_are_told_with_their_meaning(void **state)
{
	struct screen *screen = *state;

	json_object_set_new(json_object_get(screen->monitor, "appliance"), "view",
			    json_string("drops"));
	screen->view.sort = SORT_CPS;
	draw(screen);
	assert_non_null(strstr(screen->text,
			       "REASON             DROPS/s    TOTAL\n"
			       "no_service               9       90  ##########  none there\n"
			       "ip_bad_checksum          3     3.0k  ###         wrong\n"
			       "14:01:40"));
	assert_non_null(strstr(screen->text, "[s]ort:rate"));
}

static void nothing_that_a_terminal_obeys_comes_from_the_document(void **state)
{
	struct screen *screen = *state;

	json_object_set_new(row(screen, "events", 0), "event",
			    json_string("by a\033[2Jlice \xc3\xa9 \xe4\xb8\xad"));
	draw(screen);
	assert_non_null(strstr(screen->text, "by a?[2Jlice ?? ???\n"));
	screen->canvas.utf8 = true;
	draw(screen);
	assert_non_null(strstr(screen->text, "by a?[2Jlice \xc3\xa9 \xe4\xb8\xad\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_screen_is_as_the_contract_shows_it),
		TEST(curves_show_what_was_where_the_locale_has_letters_for_them),
		TEST(a_curve_holds_the_last_looks),
		TEST(what_is_gone_has_no_curve_when_it_comes_again),
		TEST(the_first_look_says_that_rates_are_not_known),
		TEST(lines_are_sorted_by_what_is_asked_for),
		TEST(only_lines_with_the_word_are_shown),
		TEST(no_size_is_too_small),
		TEST(columns_go_by_their_importance_on_a_narrow_screen),
		TEST(a_long_table_is_a_page_of_it_wherever_it_was_scrolled_to),
		TEST(a_pool_has_a_line_of_its_own),
		TEST(drops_are_told_with_their_meaning),
		TEST(nothing_that_a_terminal_obeys_comes_from_the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
