/* Values: what is accepted reads back as written, and what is refused says why. */
#include "tests/unit/model.h"

static const struct attribute *attribute(const char *kind, const char *name)
{
	const struct attribute *found = schema_attribute(schema_kind(kind), name);

	assert_non_null(found);
	return found;
}

union value {
	char text[TEXT_SIZE];
	uint32_t number;
	uint64_t duration;
	struct address_list addresses;
	unsigned char byte[512];
};

static void every_attribute_has_help_and_a_default_that_reads_back(void **state)
{
	char text[TEXT_SIZE], error[256];

	(void)state;
	for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
		const struct schema *schema = schema_of(kind);

		assert_int_equal(schema_kind(schema->name), kind);
		assert_true(strlen(schema->help) > 0 && schema->attributes <= ATTRIBUTES_MAX);
		for (unsigned i = 0; i < schema->attributes; i++) {
			const struct attribute *a = &schema->attribute[i];
			union value value = {0};

			assert_true(strlen(a->help) > 0 && strlen(a->help) < 72);
			assert_true(a->offset + value_size(a->type) <= schema->size);
			assert_true(strlen(value_placeholder(a)) > 0);
			assert_int_equal(!!a->keywords, a->type == VALUE_KEYWORD || a->type == VALUE_FROM ||
							a->type == VALUE_PREFIX_PAIR);
			if (!a->initial)
				continue;
			assert_int_equal(value_parse(a, a->initial, &value, error, sizeof(error)), 0);
			value_format(a, &value, 0, text, sizeof(text));
			assert_string_equal(text, a->initial);
		}
	}
}

/* What is typed, and its canonical text. */
static void what_is_accepted_is_written_canonically(void **state)
{
	static const struct { const char *kind, *name, *typed, *canonical; } rows[] = {
		{"pool", "name", "web-1.a_b", "web-1.a_b"},
		{"interface", "name", "eth0.100", "eth0.100"},
		{"interface", "name", "veth@x", "veth@x"},
		{"backend", "weight", "0", "0"},
		{"backend", "weight", "65535", "65535"},
		{"backend", "weight", "007", "7"},
		{"check", "interval", "2", "2"},
		{"check", "interval", "2s", "2"},
		{"check", "interval", "2000ms", "2"},
		{"check", "interval", "1500ms", "1500ms"},
		{"check", "interval", "5m", "300"},
		{"check", "interval", "1h", "3600"},
		{"check", "timeout", "none", "none"},
		{"check", "from", "any", "any"},
		{"check", "from", "port 694", "port 694"},
		{"check", "payload", "a \"b\" c", "a \"b\" c"},
		{"check", "payload", "", "none"},
		{"interface", "role", "both", "both"},
		{"route", "via", "10.0.0.254", "10.0.0.254"},
		{"route", "prefix", "0.0.0.0/0", "0.0.0.0/0"},
		{"route", "prefix", "10.1.2.3/32", "10.1.2.3/32"},
		{"interface", "address", "10.0.0.1/24", "10.0.0.1/24"},
		{"interface", "address", "10.0.0.0/31", "10.0.0.0/31"},
		{"interface", "address", "10.0.0.0/32", "10.0.0.0/32"},
		{"backend", "address", "10.0.0.11:0", "10.0.0.11:0"},
		{"service", "address", "203.0.113.10:80/tcp", "203.0.113.10:80/tcp"},
		{"service", "address", "203.0.113.10:0/any", "203.0.113.10:0/any"},
		{"neighbor", "mac", "52:54:00:AA:00:11", "52:54:00:aa:00:11"},
		{"interface", "mac", "none", "none"},
		{"pool", "check", "none", "none"},
		{"service", "max-flows", "none", "none"},
	};
	char text[TEXT_SIZE], error[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct attribute *a = attribute(rows[i].kind, rows[i].name);
		union value value = {0};

		error[0] = 0;
		if (value_parse(a, rows[i].typed, &value, error, sizeof(error)))
			fail_msg("%s %s: %s", rows[i].name, rows[i].typed, error);
		value_format(a, &value, 0, text, sizeof(text));
		assert_string_equal(text, rows[i].canonical);
	}
}

static void what_is_refused_says_why_and_changes_nothing(void **state)
{
	static const struct { const char *kind, *name, *typed, *sentence; } rows[] = {
		{"backend", "weight", "70000", "weight 70000 is out of range 0-65535"},
		{"backend", "weight", "-1", "weight -1 is out of range 0-65535"},
		{"backend", "weight", "99999999999999999999999", "weight 99999999999999999999999 is out of range 0-65535"},
		{"backend", "weight", "ten", "weight \"ten\" is not a number"},
		{"backend", "weight", "", "weight \"\" is not a number"},
		{"backend", "weight", "1 ", "weight \"1 \" is not a number"},
		{"backend", "weight", "none", "weight \"none\" is not a number"},
		{"check", "port", "0", "port 0 is out of range 1-65535"},
		{"global", "fullnat-slices", "60417", "fullnat-slices 60417 is out of range 1-60416"},
		{"global", "fullnat-slice", "0", "fullnat-slice 0 is out of range 1-60416"},
		{"service", "source-rewrite", "10.0.0.0/8 to 11.0.0.0/16",
		 "source-rewrite 10.0.0.0/8 to 11.0.0.0/16 is between networks of different lengths, /8 and /16"},
		{"service", "source-rewrite", "10.0.0.0/8",
		 "source-rewrite \"10.0.0.0/8\" is not PREFIX to PREFIX, like 198.51.100.0/24 to 10.1.0.0/24"},
		{"service", "source-rewrite", "10.0.0.0/8 at 11.0.0.0/8",
		 "source-rewrite \"10.0.0.0/8 at 11.0.0.0/8\" is not PREFIX to PREFIX, like 198.51.100.0/24 to 10.1.0.0/24"},
		{"service", "source-rewrite", "10.0.0.1/8 to 11.0.0.0/8",
		 "source-rewrite 10.0.0.1/8 has host bits. Did you mean \"10.0.0.0/8\"?"},
		{"service", "source-rewrite", "10.0.0.0/8 to 127.0.0.0/8",
		 "source-rewrite 127.0.0.0/8 is a loopback address"},
		{"service", "source-rewrite", "10.0.0.0/8 to fe80::/8",
		 "source-rewrite fe80::/8 is IPv6, this release carries IPv4"},
		{"check", "interval", "0", "interval 0 is out of range 100ms-3600"},
		{"check", "interval", "2d", "interval \"2d\" is not a duration like 2, 500ms, 3s, 5m or 1h"},
		{"check", "interval", "1.5", "interval \"1.5\" is not a duration like 2, 500ms, 3s, 5m or 1h"},
		{"check", "interval", "99999999999999999h", "interval 99999999999999999h is out of range 100ms-3600"},
		{"check", "from", "port", "from port needs a number"},
		{"check", "from", "any 5", "from any is not followed by a number"},
		{"check", "from", "port 0", "from 0 is out of range 1-65535"},
		{"check", "from", "prot 5", "from \"prot\" is not one of: any, port. Did you mean \"port\"?"},
		{"check", "payload", "caf\xc3\xa9", "payload has a character that is not printable ASCII"},
		{"interface", "role", "fronted", "role \"fronted\" is not one of: frontend, backend, both. Did you mean \"frontend\"?"},
		{"interface", "role", "x", "role \"x\" is not one of: frontend, backend, both"},
		{"pool", "name", "", "name is empty"},
		{"pool", "name", "none", "name \"none\" cannot be used, the word stands for no value"},
		{"pool", "name", "-x", "name \"-x\" does not begin with a letter or digit"},
		{"pool", "name", "a b", "name \"a b\" has more than letters, digits and ._-"},
		{"interface", "name", "a/b", "name \"a/b\" has more than letters, digits and ._-@"},
		{"interface", "name", "sixteen-letters-", "name \"sixteen-letters-\" is longer than 15 characters"},
		{"route", "via", "10.0.0", "via \"10.0.0\" is not an IPv4 address"},
		{"route", "via", "10.0.0.010", "via \"10.0.0.010\" is not an IPv4 address"},
		{"route", "via", "10.0.0.256", "via \"10.0.0.256\" is not an IPv4 address"},
		{"route", "via", "2001:db8::1", "via 2001:db8::1 is IPv6, this release carries IPv4"},
		{"route", "via", "224.0.0.5", "via 224.0.0.5 is a multicast address"},
		{"route", "via", "127.0.0.1", "via 127.0.0.1 is a loopback address"},
		{"route", "via", "0.0.0.0", "via 0.0.0.0 is no host's"},
		{"route", "via", "255.255.255.255", "via 255.255.255.255 is reserved or broadcast"},
		{"route", "prefix", "10.0.0.1/24", "prefix 10.0.0.1/24 has host bits. Did you mean \"10.0.0.0/24\"?"},
		{"route", "prefix", "10.0.0.0/33", "prefix \"10.0.0.0/33\" is not a network like 10.0.0.0/8"},
		{"route", "prefix", "10.0.0.0", "prefix \"10.0.0.0\" is not a network like 10.0.0.0/8"},
		{"route", "prefix", "::/0", "prefix ::/0 is IPv6, this release carries IPv4"},
		{"interface", "address", "10.0.0.0/24", "address 10.0.0.0/24 is the network's own address, not a host's"},
		{"interface", "address", "10.0.0.255/24", "address 10.0.0.255/24 is the network's broadcast address, not a host's"},
		{"interface", "address", "2001:db8::1/64", "address 2001:db8::1/64 is IPv6, this release carries IPv4"},
		{"backend", "address", "10.0.0.11", "address \"10.0.0.11\" is not an address:port like 10.0.0.11:80"},
		{"backend", "address", "10.0.0.11:65536", "address \"10.0.0.11:65536\" is not an address:port like 10.0.0.11:80"},
		{"backend", "address", "[2001:db8::1]:80", "address [2001:db8::1]:80 is IPv6, this release carries IPv4"},
		{"backend", "address", "2001:db8::1", "address 2001:db8::1 is IPv6, this release carries IPv4"},
		{"service", "address", "10.0.0.1:80", "address \"10.0.0.1:80\" is not an address:port/protocol like 203.0.113.10:80/tcp (or udp, any)"},
		{"service", "address", "10.0.0.1:80/sctp", "address \"10.0.0.1:80/sctp\" is not an address:port/protocol like 203.0.113.10:80/tcp (or udp, any)"},
		{"service", "address", "[2001:db8::1]:80/tcp", "address [2001:db8::1]:80/tcp is IPv6, this release carries IPv4"},
		{"neighbor", "mac", "52:54:00:aa:00", "mac \"52:54:00:aa:00\" is not a MAC like 52:54:00:aa:00:11"},
		{"neighbor", "mac", "52:54:00:aa:00:11:22", "mac \"52:54:00:aa:00:11:22\" is not a MAC like 52:54:00:aa:00:11"},
		{"neighbor", "mac", "01:00:5e:00:00:01", "mac 01:00:5e:00:00:01 is not the MAC of one station"},
		{"neighbor", "mac", "00:00:00:00:00:00", "mac 00:00:00:00:00:00 is not the MAC of one station"},
	};
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union value value = {0}, before = {0};

		assert_int_equal(value_parse(attribute(rows[i].kind, rows[i].name), rows[i].typed, &value,
					     error, sizeof(error)), -EINVAL);
		assert_string_equal(error, rows[i].sentence);
		assert_memory_equal(&value, &before, sizeof(value));
	}
}

static void a_long_name_or_text_is_refused(void **state)
{
	char typed[400], error[512];
	union value value = {0};

	(void)state;
	memset(typed, 'a', sizeof(typed));
	typed[NAME_SIZE] = 0;
	assert_int_equal(value_parse(attribute("pool", "name"), typed, &value, error, sizeof(error)), -EINVAL);
	typed[NAME_SIZE - 1] = 0;
	assert_int_equal(value_parse(attribute("pool", "name"), typed, &value, error, sizeof(error)), 0);
	memset(typed, 'a', sizeof(typed));
	typed[TEXT_SIZE] = 0;
	assert_int_equal(value_parse(attribute("check", "payload"), typed, &value, error, sizeof(error)),
			 -EINVAL);
	assert_string_equal(error, "payload is longer than 255 characters");
	typed[TEXT_SIZE - 1] = 0;
	assert_int_equal(value_parse(attribute("check", "payload"), typed, &value, error, sizeof(error)), 0);
}

static void a_list_of_addresses_grows_to_its_room(void **state)
{
	const struct attribute *a = attribute("interface", "address");
	union value value = {0};
	char typed[32], error[256];

	(void)state;
	for (unsigned i = 0; i < ADDRESS_LIST_MAX; i++) {
		snprintf(typed, sizeof(typed), "10.%u.0.1/24", i);
		assert_int_equal(value_parse(a, typed, &value, error, sizeof(error)), 0);
	}
	assert_int_equal(value_parse(a, "10.3.0.1/24", &value, error, sizeof(error)), -EINVAL);
	assert_int_equal(value_parse(a, "10.99.0.1/24", &value, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "address 10.99.0.1/24 is one too many, at most 8 fit");
	value_format(a, &value, 7, typed, sizeof(typed));
	assert_string_equal(typed, "10.7.0.1/24");
	assert_int_equal(value_parse(a, "none", &value, error, sizeof(error)), 0);
	assert_int_equal(value.addresses.count, 0);
	assert_int_equal(value_parse(a, "10.3.0.1/24", &value, error, sizeof(error)), 0);
	assert_int_equal(value_parse(a, "10.3.0.1/16", &value, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "address 10.3.0.1/16 is given twice");
}

static void some_values_take_several_words(void **state)
{
	(void)state;
	assert_int_equal(value_words(attribute("check", "from"), "port"), 2);
	assert_int_equal(value_words(attribute("check", "from"), "any"), 1);
	assert_int_equal(value_words(attribute("check", "from"), "pork"), 1);
	assert_int_equal(value_words(attribute("check", "port"), "port"), 1);
	assert_int_equal(value_words(attribute("service", "source-rewrite"), "10.0.0.0/8"), 3);
	assert_int_equal(value_words(attribute("service", "source-rewrite"), "none"), 1);
}

static void a_pair_of_networks_is_one_value(void **state)
{
	const struct attribute *a = attribute("service", "source-rewrite");
	union value one = {0}, other = {0};
	char text[64], error[256];

	(void)state;
	assert_true(value_is_none(a->type, &one));
	value_format(a, &one, 0, text, sizeof(text));
	assert_string_equal(text, "none");
	assert_int_equal(value_parse(a, "198.51.100.0/24 to 10.1.2.0/24", &one, error, sizeof(error)),
			 0);
	value_format(a, &one, 0, text, sizeof(text));
	assert_string_equal(text, "198.51.100.0/24 to 10.1.2.0/24");
	assert_false(value_is_none(a->type, &one));
	assert_int_equal(value_parse(a, "198.51.100.0/24 to 10.1.3.0/24", &other, error,
				     sizeof(error)), 0);
	assert_true(value_order(a->type, &one, &other) < 0);
	assert_false(value_equal(a->type, &one, &other));
	assert_int_equal(value_parse(a, "198.51.100.0/24 to 10.1.2.0/24 x", &one, error,
				     sizeof(error)), -EINVAL);
	assert_int_equal(value_parse(a, "none", &one, error, sizeof(error)), 0);
	assert_true(value_is_none(a->type, &one));
}

static void every_random_value_reads_back_as_written(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
			for (unsigned i = 0; i < schema_of(kind)->attributes; i++) {
				const struct attribute *a = &schema_of(kind)->attribute[i];
				union value one = {0}, other = {0};
				char text[TEXT_SIZE], error[256];

				model_random_value(&random, a, text, sizeof(text));
				if (value_parse(a, text, &one, error, sizeof(error)))
					continue;
				value_format(a, &one, 0, text, sizeof(text));
				assert_int_equal(value_parse(a, text, &other, error, sizeof(error)), 0);
				assert_true(value_equal(a->type, &one, &other));
			}
		}
	}
}

/* No typed text whatever makes a parser read beyond it (the sanitizers watch) or half succeed. */
static void every_cut_of_a_value_is_accepted_or_refused(void **state)
{
	static const char *const whole[] = {
		"203.0.113.10:80/tcp", "[2001:db8::1]:80/tcp", "10.0.0.1/24", "52:54:00:aa:00:11", "port 694",
		"1500ms", "none", "[", "]", "/", ":", "[]:", "//", "::", "[:]:1/tcp", " ", "port ", "port  1",
	};

	(void)state;
	for (size_t w = 0; w < sizeof(whole) / sizeof(whole[0]); w++) {
		for (size_t length = 0; length <= strlen(whole[w]); length++) {
			char *cut = strndup(whole[w], length), error[256];

			for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
				for (unsigned i = 0; i < schema_of(kind)->attributes; i++) {
					union value value = {0}, before = {0};

					if (value_parse(&schema_of(kind)->attribute[i], cut, &value, error,
							sizeof(error)))
						assert_memory_equal(&value, &before, sizeof(value));
				}
			}
			free(cut);
		}
	}
}

static void names_are_ordered_with_their_numbers_as_numbers(void **state)
{
	static const char *const ordered[] = {
		"a", "a1", "a1b", "a2", "a10", "a10b1", "a10b2", "b", "web", "web-1", "web1", "web01", "web2",
		"web10", "web99999999999999999999998", "web99999999999999999999999", "webs",
	};
	size_t count = sizeof(ordered) / sizeof(ordered[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			int order = natural_order(ordered[i], ordered[j]);

			if (i == j)
				assert_int_equal(order, 0);
			else if (strcmp(ordered[i], "web01") && strcmp(ordered[j], "web01"))
				assert_int_equal(order < 0, i < j);
			else
				assert_int_not_equal(order, 0);
		}
	}
}

/* A sorted list is found by bisection only where the order is one. */
static void natural_order_is_transitive(void **state)
{
	char word[60][5];
	uint64_t random = 2;

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		for (unsigned j = 0; j < 4; j++)
			word[i][j] = "a01b-2"[model_below(&random, 6)];
		word[i][model_below(&random, 5)] = 0;
		word[i][4] = 0;
	}
	for (unsigned i = 0; i < 60; i++) {
		for (unsigned j = 0; j < 60; j++) {
			int ij = natural_order(word[i], word[j]);

			assert_int_equal(ij == 0, strcmp(word[i], word[j]) == 0);
			assert_int_equal(ij < 0, natural_order(word[j], word[i]) > 0);
			for (unsigned k = 0; k < 60; k++)
				if (ij < 0 && natural_order(word[j], word[k]) < 0)
					assert_true(natural_order(word[i], word[k]) < 0);
		}
	}
}

static void addresses_are_ordered_by_number(void **state)
{
	struct endpoint nine, ten, ten_81;
	struct prefix wide, narrow;

	(void)state;
	assert_int_equal(parse_endpoint("10.0.0.9:80", &nine), 0);
	assert_int_equal(parse_endpoint("10.0.0.10:80", &ten), 0);
	assert_int_equal(parse_endpoint("10.0.0.10:81", &ten_81), 0);
	assert_true(value_order(VALUE_ENDPOINT, &nine, &ten) < 0);
	assert_true(value_order(VALUE_ENDPOINT, &ten, &ten_81) < 0);
	assert_int_equal(parse_prefix("10.0.0.0/8", &wide), 0);
	assert_int_equal(parse_prefix("10.0.0.0/24", &narrow), 0);
	assert_true(value_order(VALUE_PREFIX, &wide, &narrow) < 0);
}

static void words_are_quoted_where_the_console_needs_it(void **state)
{
	static const struct { const char *word, *quoted; } rows[] = {
		{"plain", "plain"}, {"", "\"\""}, {"two words", "\"two words\""}, {"a\"b", "\"a\\\"b\""},
		{"a\\b", "\"a\\\\b\""}, {"#no", "\"#no\""}, {"a|b", "\"a|b\""}, {"tcp[13]=2", "tcp[13]=2"},
	};
	char text[64], tiny[4];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int length = word_quote(rows[i].word, text, sizeof(text));

		assert_string_equal(text, rows[i].quoted);
		assert_int_equal(length, strlen(rows[i].quoted));
		assert_int_equal(word_quote(rows[i].word, tiny, sizeof(tiny)), length);
		assert_memory_equal(tiny, rows[i].quoted, length < 3 ? (size_t)length + 1 : 3);
	}
}

static void the_nearest_word_is_suggested(void **state)
{
	static const char *const words[] = {"web", "mail", "service", "interface", "web10", "web2"};
	static const struct { const char *typed, *suggestion; } rows[] = {
		{"wbe", "web"}, {"servce", "service"}, {"servcie", "service"}, {"intrefcae", "interface"},
		{"mial", "mail"}, {"weeb", "web"}, {"x", NULL}, {"", NULL}, {"banana", NULL}, {"web3", "web"},
		{"wb", "web"}, {"ma", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *near = suggest(rows[i].typed, words, sizeof(words) / sizeof(words[0]));

		if (rows[i].suggestion)
			assert_string_equal(near ? near : "(none)", rows[i].suggestion);
		else
			assert_null(near);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_has_help_and_a_default_that_reads_back),
		cmocka_unit_test(what_is_accepted_is_written_canonically),
		cmocka_unit_test(what_is_refused_says_why_and_changes_nothing),
		cmocka_unit_test(a_long_name_or_text_is_refused),
		cmocka_unit_test(a_list_of_addresses_grows_to_its_room),
		cmocka_unit_test(some_values_take_several_words),
		cmocka_unit_test(a_pair_of_networks_is_one_value),
		cmocka_unit_test(every_random_value_reads_back_as_written),
		cmocka_unit_test(every_cut_of_a_value_is_accepted_or_refused),
		cmocka_unit_test(names_are_ordered_with_their_numbers_as_numbers),
		cmocka_unit_test(natural_order_is_transitive),
		cmocka_unit_test(addresses_are_ordered_by_number),
		cmocka_unit_test(words_are_quoted_where_the_console_needs_it),
		cmocka_unit_test(the_nearest_word_is_suggested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
