/* The tables: every command can be matched, explained and completed from them, and every walk
 * through them that the grammar offers is one that it accepts. */
#include "tests/unit/console.h"

#include "cli/match.h"

static void every_row_has_help_and_a_usage(void **state)
{
	char usage[1024];

	(void)state;
	assert_true(grammar_count() > 40);
	for (unsigned i = 0; i < grammar_count(); i++) {
		struct syntax syntax = grammar_at(i);
		struct parameter p;

		assert_true(strlen(syntax.help) > 0 && strlen(syntax.help) < 72);
		assert_true(syntax_usage(&syntax, usage, sizeof(usage)) < (int)sizeof(usage));
		if (syntax.words[1])
			assert_non_null(grammar_verb_help(syntax.words[0]));
		for (unsigned j = 0; syntax_parameter(&syntax, j, &p); j++) {
			assert_true(j < PARAMETERS_MAX);
			assert_in_range(strlen(p.attribute->help), 1, 71);
		}
	}
}

static void rows_of_a_verb_stand_together_and_none_is_twice(void **state)
{
	(void)state;
	for (unsigned i = 0; i < grammar_count(); i++) {
		struct syntax a = grammar_at(i);

		for (unsigned j = i + 1; j < grammar_count(); j++) {
			struct syntax b = grammar_at(j);

			if (strcmp(a.words[0], b.words[0]) != 0)
				continue;
			assert_true(a.words[1] && b.words[1]);
			assert_string_not_equal(a.words[1], b.words[1]);
			assert_string_equal(grammar_at(j - 1).words[0], a.words[0]);
		}
	}
}

static void usages_read_as_the_manual_has_them(void **state)
{
	static const struct { const char *words[2], *usage; } rows[] = {
		{{"add", "route"}, "add route PREFIX via A"},
		{{"add", "backend"}, "add backend POOL A:PORT [weight N] [name NAME] "
				     "[admin {enabled|drain|disabled}]"},
		{{"set", "pool"}, "set pool NAME [scheduler {maglev|round-robin|least-connections}] "
				 "[affinity {5-tuple|source-ip}] [check CHECK]"},
		{{"del", "backend"}, "del backend POOL A:PORT [if-exists]"},
		{{"drain", "backend"}, "drain backend POOL A:PORT [timeout S] [wait]"},
		{{"load", NULL}, "load FILE [merge|replace]"},
		{{"export", NULL}, "export [FILE]"},
		{{"lookup", NULL}, "lookup A:PORT A:PORT/PROTOCOL "
				   "[| {match RE|except RE|count|json|no-more}]..."},
	};
	char usage[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned j = 0;
		struct syntax syntax = grammar_at(0);

		while (strcmp(syntax.words[0], rows[i].words[0]) != 0 ||
		       (rows[i].words[1] && strcmp(syntax.words[1], rows[i].words[1]) != 0))
			syntax = grammar_at(++j);
		syntax_usage(&syntax, usage, sizeof(usage));
		assert_string_equal(usage, rows[i].usage);
	}
}

/* A value that the parameter accepts. */
static const char *sample(const struct next *next)
{
	const struct attribute *attribute = next->parameter.attribute;

	if (next->keywords)
		return next->keywords[0].name;
	if (attribute->type == VALUE_FROM)
		return "9000";
	switch (attribute->type) {
	case VALUE_NUMBER: return attribute->minimum > 5 ? "2048" : "5";
	case VALUE_DURATION: return "2";
	case VALUE_ADDRESS: return "10.0.0.1";
	case VALUE_PREFIX:
	case VALUE_PREFIX_PAIR: return "10.0.0.0/8";
	case VALUE_ADDRESSES: return "10.0.0.1/24";
	case VALUE_ENDPOINT: return "10.0.0.11:80";
	case VALUE_VIP: return "203.0.113.10:80/tcp";
	case VALUE_MAC: return "02:00:00:00:00:01";
	case VALUE_KEY: return "00112233445566778899aabbccddeeff";
	default: return "name";
	}
}

/* Follows the grammar at random until it says that the command is complete. */
static void walk(unsigned *random, char *line, size_t size)
{
	struct position position = {0};
	struct next next[NEXT_MAX];
	size_t used = 0;

	for (unsigned steps = 0; ; steps++) {
		unsigned count = position_next(&position, next), chosen;
		const char *word;

		assert_true(count > 0 && count <= NEXT_MAX);
		*random = *random * 1103515245 + 12345;
		chosen = *random / 65536 % count;
		if (steps > 20 && next[count - 1].type == NEXT_END)
			chosen = count - 1;
		if (next[chosen].type == NEXT_END || steps > 60)
			return;
		word = next[chosen].type == NEXT_VALUE ? sample(&next[chosen]) : next[chosen].word;
		position_take(&position, &next[chosen], word);
		used += (size_t)snprintf(line + used, size - used, "%s%s", used ? " " : "", word);
		assert_true(used < size);
	}
}

/* Beyond what tables can say: an address that is given twice, more filters than there is room
 * for. */
static bool is_known_limit(const char *text)
{
	return strstr(text, "is given twice") || strstr(text, "more than");
}

static void what_the_grammar_offers_it_accepts(void **state)
{
	static struct command command;
	static struct fault fault;
	unsigned random = 7, complete = 0;
	char line[2048];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		int result;

		walk(&random, line, sizeof(line));
		result = command_match(line, strlen(line), false, &command, &fault);
		if (result < 0 && !is_known_limit(fault.text))
			fail_msg("%s: %s", line, fault.text);
		if (result > 0)
			command_free(&command);
		complete += result > 0;
	}
	assert_true(complete > 15000);
}

/* The same, shortened at every word as far as it stays unambiguous, means the same command. */
static void unique_prefixes_mean_the_whole_word(void **state)
{
	struct next next[NEXT_MAX];
	struct position start = {0};
	unsigned count = position_next(&start, next);
	static struct command command;
	static struct fault fault;

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		for (size_t length = 1; length <= strlen(next[i].word); length++) {
			unsigned rivals = 0;

			for (unsigned j = 0; j < count; j++)
				rivals += j != i &&
					  strncmp(next[j].word, next[i].word, length) == 0;
			if (command_match(next[i].word, length, true, &command, &fault) > 0)
				command_free(&command);
			else if (rivals && length < strlen(next[i].word))
				assert_non_null(strstr(fault.text, "ambiguous"));
			else
				assert_non_null(strstr(fault.text, "needs one of") ?
						strstr(fault.text, "needs one of") :
						strstr(fault.text, "is missing"));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_help_and_a_usage),
		cmocka_unit_test(rows_of_a_verb_stand_together_and_none_is_twice),
		cmocka_unit_test(usages_read_as_the_manual_has_them),
		cmocka_unit_test(what_the_grammar_offers_it_accepts),
		cmocka_unit_test(unique_prefixes_mean_the_whole_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
