/* Reports as text and as JSON: one set of columns, two ways to read it. */
#include "tests/unit/console.h"

#include "cli/render.h"
#include "cli/report_rows.h"

static const struct column columns[] = {
	{"name", "NAME", COLUMN_TEXT},
	{"packets", "PACKETS", COLUMN_COUNT},
	{"bytes", "BYTES", COLUMN_BYTES},
	{"age", "AGE", COLUMN_DURATION},
	{"up", "UP", COLUMN_FLAG},
	{"hidden", NULL, COLUMN_COUNT},
	{"comment", "COMMENT", COLUMN_TEXT},
};

struct text {
	char heading[4096], rest[4096];
};

static void collect(void *context, bool heading, const char *part, size_t size)
{
	struct text *text = context;
	char *to = heading ? text->heading : text->rest;

	snprintf(to + strlen(to), 4096 - strlen(to), "%.*s", (int)size, part);
}

static void add_row(struct report *report, const char *name, uint64_t number, bool flag,
		    const char *comment)
{
	report_row(report);
	report_text(report, name);
	report_number(report, number);
	report_number(report, number * 1000);
	report_number(report, number * 1000000);
	report_flag(report, flag);
	report_number(report, 7);
	if (comment)
		report_text(report, comment);
	else
		report_null(report);
}

static void assert_rendered(struct report *report, const char *heading, const char *rest,
			    const char *json)
{
	struct text text = {0};
	char *document = render_json(report);

	assert_int_equal(render_text(report, collect, &text), 0);
	assert_string_equal(text.heading, heading);
	assert_string_equal(text.rest, rest);
	assert_string_equal(document, json);
	free(document);
	report_free(report);
}

static void a_list_is_a_table_and_an_array(void **state)
{
	struct report *report = report_new("thing");

	(void)state;
	report_section(report, NULL, REPORT_LIST, columns, COUNT(columns));
	add_row(report, "w\xc3\xa4g", 5, true, "first \"one\"");
	add_row(report, "longer", 123456, false, NULL);
	assert_rendered(report,
			"NAME    PACKETS  BYTES    AGE  UP   COMMENT\n",
			"w\xc3\xa4g           5   5.0k    5ms  yes  first \"one\"\n"
			"longer   123456   123M  2m03s  no   -\n",
			"{\"schema\":1,\"thing\":[{\"name\":\"w\xc3\xa4g\",\"packets\":5,\"bytes\":5000,"
			"\"age\":5000000,\"up\":true,\"hidden\":7,\"comment\":\"first \\\"one\\\"\"},"
			"{\"name\":\"longer\",\"packets\":123456,\"bytes\":123456000,\"age\":123456000000,"
			"\"up\":false,\"hidden\":7,\"comment\":null}]}\n");
}

static void an_empty_list_has_a_heading_and_an_empty_array(void **state)
{
	struct report *report = report_new("backend");

	(void)state;
	report_section(report, NULL, REPORT_LIST, columns, 2);
	assert_rendered(report, "NAME  PACKETS\n", "", "{\"schema\":1,\"backend\":[]}\n");
}

static void an_object_is_lines_and_an_object(void **state)
{
	static const struct column object[] = {
		{"version", "Version", COLUMN_TEXT}, {"flows", "Live flows", COLUMN_COUNT},
		{"secret", NULL, COLUMN_COUNT}, {"text", NULL, COLUMN_PROSE},
	};
	struct report *report = report_new("status");

	(void)state;
	report_section(report, NULL, REPORT_OBJECT, object, COUNT(object));
	report_row(report);
	report_text(report, "0.1");
	report_number(report, 3);
	report_number(report, 4);
	report_text(report, "two\nlines");
	assert_rendered(report, "", "Version     0.1\nLive flows  3\ntwo\nlines\n",
			"{\"schema\":1,\"status\":{\"version\":\"0.1\",\"flows\":3,\"secret\":4}}\n");
}

static void a_remark_is_no_line_and_no_member(void **state)
{
	static const struct column list[] = {
		{"name", "NAME", COLUMN_TEXT}, {"note", NULL, COLUMN_REMARK},
	};
	static const struct column prose[] = {
		{"lines", NULL, COLUMN_PROSE}, {"none", NULL, COLUMN_REMARK}, {"n", NULL, COLUMN_COUNT},
	};
	struct report *report = report_new("flow");

	(void)state;
	report_section(report, NULL, REPORT_LIST, list, COUNT(list));
	report_row(report);
	report_text(report, "a");
	report_row(report);
	report_text(report, "b");
	report_text(report, "There are more.");
	assert_rendered(report, "NAME\nThere are more.\n", "a\nb\n",
			"{\"schema\":1,\"flow\":[{\"name\":\"a\"},{\"name\":\"b\"}]}\n");
	report = report_new("drops");
	report_section(report, NULL, REPORT_OBJECT, prose, COUNT(prose));
	report_row(report);
	report_text(report, "");
	report_text(report, "no drops");
	report_number(report, 0);
	assert_rendered(report, "no drops\n", "", "{\"schema\":1,\"drops\":{\"n\":0}}\n");
}

static void words_are_a_list(void **state)
{
	static const struct column words[] = {{"addresses", "ADDRESSES", COLUMN_WORDS}};
	struct report *report = report_new("interface");

	(void)state;
	report_section(report, NULL, REPORT_LIST, words, COUNT(words));
	report_row(report);
	report_text(report, "10.0.0.1/24 10.1.0.1/24");
	report_row(report);
	report_text(report, "");
	assert_rendered(report, "ADDRESSES\n", "10.0.0.1/24 10.1.0.1/24\n-\n",
			"{\"schema\":1,\"interface\":[{\"addresses\":[\"10.0.0.1/24\",\"10.1.0.1/24\"]},"
			"{\"addresses\":[]}]}\n");
}

static void sections_stand_under_their_keys(void **state)
{
	struct report *report = report_new("stats");

	(void)state;
	report_section(report, "interface", REPORT_LIST, columns, 2);
	report_row(report);
	report_text(report, "ext");
	report_number(report, 1);
	report_section(report, "total", REPORT_OBJECT, columns + 1, 1);
	report_row(report);
	report_number(report, 1);
	assert_rendered(report, "interface:\nNAME  PACKETS\n\ntotal:\n", "ext         1\nPACKETS  1\n",
			"{\"schema\":1,\"stats\":{\"interface\":[{\"name\":\"ext\",\"packets\":1}],"
			"\"total\":{\"packets\":1}}}\n");
}

static void a_row_that_is_too_short_or_too_long_stays_a_row(void **state)
{
	struct report *report = report_new("thing");

	(void)state;
	report_section(report, NULL, REPORT_LIST, columns, 2);
	report_row(report);
	report_row(report);
	report_text(report, "b");
	report_number(report, 1);
	report_number(report, 2);
	report_text(report, "lost");
	report_row(report);
	report_text(report, "c");
	assert_rendered(report, "NAME  PACKETS\n", "-           -\nb           1\nc           -\n",
			"{\"schema\":1,\"thing\":[{\"name\":null,\"packets\":null},"
			"{\"name\":\"b\",\"packets\":1},{\"name\":\"c\",\"packets\":null}]}\n");
}

static void numbers_have_units_for_people_only(void **state)
{
	static const struct { enum column_type type; uint64_t value; const char *text; } rows[] = {
		{COLUMN_BYTES, 0, "0"}, {COLUMN_BYTES, 999, "999"}, {COLUMN_BYTES, 1000, "1.0k"},
		{COLUMN_BYTES, 9949, "9.9k"}, {COLUMN_BYTES, 9950, "10k"}, {COLUMN_BYTES, 999499, "999k"},
		{COLUMN_BYTES, 999500, "1.0M"}, {COLUMN_BYTES, 18446744073709551615u, "18E"},
		{COLUMN_DURATION, 0, "0s"}, {COLUMN_DURATION, 7, "7ns"}, {COLUMN_DURATION, 7000, "7us"},
		{COLUMN_DURATION, 999999999, "999ms"}, {COLUMN_DURATION, 1500000000, "1.5s"},
		{COLUMN_DURATION, 61000000000, "1m01s"}, {COLUMN_DURATION, 3660000000000, "1h01m"},
		{COLUMN_DURATION, 90000000000000, "1d01h"}, {COLUMN_COUNT, 18446744073709551615u,
		 "18446744073709551615"}, {COLUMN_TIME, 1700000000000000000, "2023-11-14 22:13:20"},
	};

	(void)state;
	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct column column = {"v", "V", rows[i].type};
		struct report *report = report_new("x");
		struct text text = {0};

		report_section(report, NULL, REPORT_OBJECT, &column, 1);
		report_row(report);
		report_number(report, rows[i].value);
		assert_int_equal(render_text(report, collect, &text), 0);
		assert_string_equal(text.rest + 3, strcat(strcpy(text.heading, rows[i].text), "\n"));
		report_free(report);
	}
}

static void the_configuration_is_json_from_the_schema(void **state)
{
	struct config *config = config_new();
	struct config_service *service = object_new(KIND_SERVICE);
	struct change pool = {VERB_ADD, KIND_POOL, .object = object_new(KIND_POOL)};
	struct change change = {VERB_ADD, KIND_SERVICE, .given = 7, .object = service};
	struct complaint complaint;
	char *json;

	(void)state;
	strcpy(((struct config_pool *)pool.object)->name, "web");
	strcpy(service->name, "web");
	strcpy(service->pool, "web");
	service->address = (struct vip){to_be32(0xcb00710a), 80, PROTOCOL_ANY};
	service->idle_timeout_ns = 1500000000;
	assert_int_equal(config_apply(config, &pool, &complaint), 1);
	assert_int_equal(config_apply(config, &change, &complaint), 1);
	json = render_config_json(config);
	assert_non_null(strstr(json, "{\"schema\":1,\"config\":{\"global\":{\"flow_table\":1048576,"));
	assert_non_null(strstr(json, "\"backend\":[],\"service\":[{\"name\":\"web\",\"address\":"
				     "\"203.0.113.10\",\"port\":80,\"protocol\":\"any\",\"pool\":\"web\","
				     "\"mode\":\"nat\",\"idle_timeout\":1500000000,\"max_flows\":null,"));
	free(json);
	object_free(pool.object);
	object_free(service);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_a_table_and_an_array),
		cmocka_unit_test(an_empty_list_has_a_heading_and_an_empty_array),
		cmocka_unit_test(an_object_is_lines_and_an_object),
		cmocka_unit_test(a_remark_is_no_line_and_no_member),
		cmocka_unit_test(words_are_a_list),
		cmocka_unit_test(sections_stand_under_their_keys),
		cmocka_unit_test(a_row_that_is_too_short_or_too_long_stays_a_row),
		cmocka_unit_test(numbers_have_units_for_people_only),
		cmocka_unit_test(the_configuration_is_json_from_the_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
