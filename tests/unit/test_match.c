/* From a line to a command: how it is cut, what it means, and where an error points. */
#include "tests/unit/console.h"

#include <errno.h>

#include "cli/match.h"

static struct command command;
static struct fault fault;
static struct words words;

static int match(const char *line, bool prefixes)
{
	int result;

	memset(&fault, 0, sizeof(fault));
	result = command_match(line, strlen(line), prefixes, &command, &fault);
	if (result > 0)
		command_free(&command);
	return result;
}

static int cut_line(const char *line, size_t size)
{
	return words_cut(line, size, false, &words, &fault);
}

static void a_line_is_cut_at_blanks_quotes_pipes_and_comments(void **state)
{
	static const struct { const char *line, *cut; } rows[] = {
		{"", ""},
		{"   \t ", ""},
		{"# all of it", ""},
		{"a b", "a.b"},
		{"  a\tb  ", "a.b"},
		{"a b # c d", "a.b"},
		{"a b#c", "a.b#c"},
		{"a \"b c\" d", "a.b c.d"},
		{"a \"b \\\" \\\\ \\d\"", "a.b \" \\ \\d"},
		{"a \"\"", "a."},
		{"a 'b \"c\" \\\\ |' it's", "a.b \"c\" \\\\ |.it's"},
		{"a|b | c", "a.|.b.|.c"},
		{"a \"b\"|c", "a.b.|.c"},
		{"a \"b | # c\"", "a.b | # c"},
		{"a \\. b", "a.\\..b"},
		{"a \xc3\xb6 b", "a.\xc3\xb6.b"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char cut[256] = "";

		assert_int_equal(cut_line(rows[i].line, strlen(rows[i].line)), 0);
		for (unsigned j = 0; j < words.count; j++) {
			strcat(cut, j ? "." : "");
			strcat(cut, words.word[j].text);
		}
		assert_string_equal(cut, rows[i].cut);
	}
}

static void what_cannot_be_cut_says_where(void **state)
{
	static const struct { const char *line; size_t size, offset; const char *text; } rows[] = {
		{"a \"b", 4, 2, "quote is not closed"},
		{"a \"b\"c", 6, 5, "blank is missing after the closing quote"},
		{"a b\0c", 5, 3, "NUL byte"},
		{"a \x1b[2J", 6, 2, "control character 0x1b"},
		{"a \x7f", 3, 2, "control character 0x7f"},
		{"a \xff", 3, 2, "byte 0xff is not UTF-8"},
		{"a \xc3", 3, 2, "byte 0xc3 is not UTF-8"},
		{"a \xc0\xaf", 4, 2, "byte 0xc0 is not UTF-8"},
		{"a \xed\xa0\x80", 5, 2, "byte 0xed is not UTF-8"},
		{"a \xf4\x90\x80\x80", 6, 2, "byte 0xf4 is not UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(cut_line(rows[i].line, rows[i].size), -EINVAL);
		assert_string_equal(fault.text, rows[i].text);
		assert_int_equal(fault.offset, rows[i].offset);
	}
}

static void a_line_has_a_longest_length_and_a_most_of_words(void **state)
{
	static char line[LINE_SIZE_MAX + 2];

	(void)state;
	memset(line, 'a', LINE_SIZE_MAX + 1);
	assert_int_equal(words_cut(line, LINE_SIZE_MAX, false, &words, &fault), 0);
	assert_int_equal(words_cut(line, LINE_SIZE_MAX + 1, false, &words, &fault), -EINVAL);
	for (size_t i = 1; i < LINE_SIZE_MAX; i += 2)
		line[i] = ' ';
	assert_int_equal(words_cut(line, 2 * WORDS_MAX, false, &words, &fault), 0);
	assert_int_equal(words.count, WORDS_MAX);
	assert_int_equal(words_cut(line, 2 * WORDS_MAX + 1, false, &words, &fault), -EINVAL);
	assert_int_equal(fault.offset, 2 * WORDS_MAX);
	memset(line, '|', LINE_SIZE_MAX);
	assert_int_equal(words_cut(line, LINE_SIZE_MAX, false, &words, &fault), -EINVAL);
}

static void scripts_have_lines_however_they_end(void **state)
{
	static const char script[] = "a\r\nb\n\n\rc\nd";
	static const char *const lines[] = {"a", "b", "", "\rc", "d"};
	const char *line;
	size_t at = 0, size;

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_true(script_line(script, sizeof(script) - 1, &at, &line, &size));
		assert_int_equal(size, strlen(lines[i]));
		assert_memory_equal(line, lines[i], size);
	}
	assert_false(script_line(script, sizeof(script) - 1, &at, &line, &size));
}

static void commands_carry_what_was_typed(void **state)
{
	const struct config_backend *backend;
	const struct config_check *check;
	static const char drain[] = "drain backend web 10.0.0.11:80 wait timeout 30";
	static const char from[] = "add check hb heartbeat from port 9000";
	static const char flow[] = "show flow client 198.51.100.7 service web limit 5 | match a|count";

	(void)state;
	assert_int_equal(command_match(drain, strlen(drain), false, &command, &fault), 1);
	backend = command.change.object;
	assert_int_equal(command.syntax.id, COMMAND_DRAIN);
	assert_int_equal(command.change.verb, VERB_SET);
	assert_string_equal(backend->pool, "web");
	assert_int_equal(backend->address.port, 80);
	assert_int_equal(backend->admin, ADMIN_DRAIN);
	assert_true(command.arguments.wait);
	assert_true(command.arguments.timeout_ns == UINT64_C(30000000000));
	command_free(&command);

	assert_int_equal(command_match(from, strlen(from), false, &command, &fault), 1);
	check = command.change.object;
	assert_int_equal(check->from_port, 9000);
	command_free(&command);

	assert_int_equal(command_match(flow, strlen(flow), false, &command, &fault), 1);
	assert_int_equal(command.syntax.topic, TOPIC_FLOW);
	assert_string_equal(command.arguments.service, "web");
	assert_int_equal(command.arguments.limit, 5);
	assert_int_equal(from_be32(command.arguments.client), 0xc6336407);
	assert_int_equal(command.pipes, 2);
	assert_int_equal(command.pipe[0].type, PIPE_MATCH);
	assert_string_equal(command.pipe[0].pattern, "a");
	assert_int_equal(command.pipe[1].type, PIPE_COUNT);
	command_free(&command);
}

/* An address may be repeated, and its list is what it was given, not what it was. */
static void addresses_of_an_interface_are_a_list(void **state)
{
	static const char line[] = "set interface eth0 address 10.0.0.1/24 role both address 10.1.0.1/24";
	const struct config_interface *interface;

	(void)state;
	assert_int_equal(command_match(line, strlen(line), false, &command, &fault), 1);
	interface = command.change.object;
	assert_int_equal(interface->address.count, 2);
	assert_int_equal(interface->role, ROLE_BOTH);
	command_free(&command);
}

static void no_is_another_word_for_del(void **state)
{
	static const char line[] = "no pool web if-exists";

	(void)state;
	assert_int_equal(command_match(line, strlen(line), false, &command, &fault), 1);
	assert_int_equal(command.syntax.id, COMMAND_DELETE);
	assert_int_equal(command.change.verb, VERB_DELETE);
	assert_true(command.change.if_exists);
	command_free(&command);
}

/* A person may shorten what is unambiguous, a script may not. */
static void prefixes_are_for_people(void **state)
{
	static const char *const shortened[] = {
		"sh back", "sh backend | cou", "a int eth0 r front", "ad che hb heart fr po 9000",
		"no po web", "se po web af s", "q",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(shortened); i++) {
		assert_int_equal(match(shortened[i], true), 1);
		assert_int_equal(match(shortened[i], false), -EINVAL);
	}
	assert_int_equal(match("sh backend", false), -EINVAL);
	assert_string_equal(fault.text, "\"sh\" is short for show; scripts need whole words");
}

/* What is wrong, where, and what is said. */
static void errors_point_at_the_word_and_show_the_way_out(void **state)
{
	static const struct {
		bool prefixes;
		const char *line;
		size_t offset, length;
		const char *text;
	} rows[] = {
		{true, "sh s", 3, 1, "ambiguous \"sh s\": show status, show service, show stats"},
		{true, "d", 0, 1, "ambiguous \"d\": del, disable, drain, discard"},
		{true, "add service web 10.0.0.1:80/tcp m", 32, 1, "ambiguous \"m\": mode, max-flows"},
		{true, "add interface ext role b", 23, 1,
		 "role \"b\" is not one of: frontend, backend, both"},
		{false, "shwo", 0, 4, "no command \"shwo\". Did you mean \"show\"?"},
		{false, "frobnicate", 0, 10, "no command \"frobnicate\". `help` lists them"},
		{false, "show flwo", 5, 4, "no command \"show flwo\". Did you mean \"show flow\"?"},
		{false, "clear xyzzy", 6, 5, "no command \"clear xyzzy\", only: counters, flow, trace"},
		{false, "add pool web scheduller maglev", 13, 10,
		 "no option \"scheduller\". Did you mean \"scheduler\"?"},
		{false, "show pool web now", 14, 3, "unexpected \"now\", the command is complete before it"},
		{false, "show pool | cuont", 12, 5, "no filter \"cuont\". Did you mean \"count\"?"},
		{false, "add pool web | count", 13, 1, "only show, lookup and compare have output to filter"},
		{false, "add backend web 10.0.0.11:80 weight 70000", 36, 5,
		 "weight 70000 is out of range 0-65535"},
		{false, "add backend web 10.0.0.11:80 weight 1 weight 2", 38, 6, "weight is given twice"},
		{false, "set service web source-rewrite 10.0.0.0/8 to 11.0.0.0/9", 31, 24,
		 "source-rewrite 10.0.0.0/8 to 11.0.0.0/9 is between networks of different lengths, /8 and /9"},
		{false, "load x merge replace", 13, 7, "replace excludes what was given before it"},
		{false, "", 0, 0, ""},
		{false, "add", 4, 1,
		 "add needs one of: interface, route, neighbor, check, pool, backend, service"},
		{false, "del pool", 9, 1, "NAME is missing: del pool NAME [if-exists]"},
		{false, "rollback", 9, 1, "N is missing: rollback N"},
		{false, "add neighbor 10.0.0.1 mac", 26, 1,
		 "M is missing: add neighbor A mac M interface INTERFACE"},
		{false, "add neighbor 10.0.0.1 mac 02:00:00:00:00:01", 44, 1,
		 "interface is missing: add neighbor A mac M interface INTERFACE"},
		{false, "set pool web", 13, 1, "set pool web needs one of: scheduler, affinity, check"},
		{false, "show pool | match", 18, 1, "RE is missing: show pool [POOL]"
		 " [| {match RE|except RE|count|json|no-more}]..."},
		{false, "show pool |", 12, 1, "show pool | needs one of: match, except, count, json, no-more"},
		{false, "export \"\"", 7, 2, "file is empty"},
		{false, "add check c heartbeat from port", 32, 1, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int result = match(rows[i].line, rows[i].prefixes);

		assert_int_equal(result, *rows[i].line ? -EINVAL : 0);
		if (rows[i].text)
			assert_string_equal(fault.text, rows[i].text);
		assert_int_equal(fault.offset, rows[i].offset);
		assert_int_equal(fault.length, rows[i].length);
	}
}

static void complaints_of_the_configuration_find_their_word(void **state)
{
	static const char line[] = "set backend web 10.0.0.11:80 weight 7";
	const struct complaint of_pool = {.word = 0, .text = "no pool"};
	const struct complaint of_weight = {.word = 2, .text = "heavy"};
	const struct complaint of_all = {.word = COMPLAINT_WHOLE, .text = "none"};

	(void)state;
	assert_int_equal(command_match(line, strlen(line), false, &command, &fault), 1);
	command_fault(&command, -ENOENT, &of_pool, &fault);
	assert_int_equal(fault.offset, 12);
	command_fault(&command, -EINVAL, &of_weight, &fault);
	assert_int_equal(fault.offset, 36);
	command_fault(&command, -ENOENT, &of_all, &fault);
	assert_int_equal(fault.offset, 16);
	command_fault(&command, -EBUSY, &of_all, &fault);
	assert_int_equal(fault.offset, 0);
	assert_int_equal(fault.length, strlen(line));
	assert_string_equal(fault.text, "none");
	command_free(&command);
}

/* The caret stands below the word whatever is before it. */
static void the_caret_stands_below_the_word(void **state)
{
	static const struct { const char *line, *word, *picture; } rows[] = {
		{"add backend web 10.0.0.11:80 weight 70000", "70000",
		 "<stdin>:12:37: error: wrong\n"
		 "add backend web 10.0.0.11:80 weight 70000\n"
		 "                                    ^^^^^\n"},
		{"\tadd\tx", "x",
		 "<stdin>:12:6: error: wrong\n"
		 "        add     x\n"
		 "                ^\n"},
		{"a \"\xc3\xb6\xc3\xa4\" x", "x",
		 "<stdin>:12:8: error: wrong\n"
		 "a \"\xc3\xb6\xc3\xa4\" x\n"
		 "       ^\n"},
		{"a \xe4\xb8\xad\xe6\x96\x87 x", "x",       /* two cells each */
		 "<stdin>:12:6: error: wrong\n"
		 "a \xe4\xb8\xad\xe6\x96\x87 x\n"
		 "       ^\n"},
		{"a e\xcc\x81 x", "x",                      /* a combining accent: no cell */
		 "<stdin>:12:6: error: wrong\n"
		 "a e\xcc\x81 x\n"
		 "    ^\n"},
		{"a \x1b[2J x", "x",                        /* nothing that a terminal obeys */
		 "<stdin>:12:8: error: wrong\n"
		 "a ?[2J x\n"
		 "       ^\n"},
		{"a \xff x", "x",
		 "<stdin>:12:5: error: wrong\n"
		 "a ? x\n"
		 "    ^\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *text;

		fault_at(&fault, (size_t)(strrchr(rows[i].line, *rows[i].word) - rows[i].line),
			 strlen(rows[i].word), "wrong");
		if (i == 0)
			fault.offset = strlen(rows[i].line) - 5;
		text = fault_text(&fault, "<stdin>", 12, rows[i].line, strlen(rows[i].line));
		assert_string_equal(text, rows[i].picture);
		free(text);
	}
}

static void a_bare_command_is_told_its_error_alone(void **state)
{
	char *text;

	(void)state;
	fault_at(&fault, 2, 1, "no pool \"wbe\". Did you mean \"web\"?");
	text = fault_text(&fault, "", 1, "a b", 3);
	assert_string_equal(text, "error: no pool \"wbe\". Did you mean \"web\"?\n");
	free(text);
}

static void what_is_missing_is_pointed_at_behind_the_line(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(match("rollback", false), -EINVAL);
	text = fault_text(&fault, "f", 1, "rollback", 8);
	assert_string_equal(text, "f:1:9: error: N is missing: rollback N\nrollback\n        ^\n");
	free(text);
}

/* Whatever comes in, it is understood or refused with a sentence. */
static void no_line_is_too_odd(void **state)
{
	static const char *const parts[] = {
		"add", "set", "del", "no", "show", "backend", "web", "10.0.0.1:80", "weight", "7",
		"|", "\"", "#", "match", "from", "port", "load", "\xff", "\t", " ", "help",
		"service", "pool", "1", "",
	};
	unsigned random = 1;
	char line[1024];

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		size_t used = 0;
		int result;

		line[0] = 0;
		for (unsigned j = 0; j < 12; j++) {
			random = random * 1103515245 + 12345;
			used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s",
						 parts[random / 65536 % COUNT(parts)],
						 random & 0x4000 ? " " : "");
		}
		result = match(line, random & 0x8000);
		assert_true(result == 0 || result == 1 || (result == -EINVAL && *fault.text));
		if (result < 0)
			assert_true(fault.offset <= used + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_cut_at_blanks_quotes_pipes_and_comments),
		cmocka_unit_test(what_cannot_be_cut_says_where),
		cmocka_unit_test(a_line_has_a_longest_length_and_a_most_of_words),
		cmocka_unit_test(scripts_have_lines_however_they_end),
		cmocka_unit_test(commands_carry_what_was_typed),
		cmocka_unit_test(addresses_of_an_interface_are_a_list),
		cmocka_unit_test(no_is_another_word_for_del),
		cmocka_unit_test(prefixes_are_for_people),
		cmocka_unit_test(errors_point_at_the_word_and_show_the_way_out),
		cmocka_unit_test(complaints_of_the_configuration_find_their_word),
		cmocka_unit_test(the_caret_stands_below_the_word),
		cmocka_unit_test(a_bare_command_is_told_its_error_alone),
		cmocka_unit_test(what_is_missing_is_pointed_at_behind_the_line),
		cmocka_unit_test(no_line_is_too_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
