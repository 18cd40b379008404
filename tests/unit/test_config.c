/* Changes to the configuration: what each command does to it, and why one is refused. */
#include <time.h>

#include "tests/unit/model.h"

static struct config *script(const char *const *lines)
{
	struct config *config = config_new();

	assert_non_null(config);
	for (; *lines; lines++)
		model_do(config, *lines);
	return config;
}

static struct config *small(void)
{
	return script((const char *const[]){
		"add interface ext role frontend address 203.0.113.1/24",
		"add interface int role backend address 10.0.0.1/24 address 10.1.0.1/24",
		"add check web-hc tcp port 80",
		"add pool web check web-hc",
		"add backend web 10.0.0.11:80 weight 10",
		"add backend web 10.0.0.12:80 weight 10",
		"add service www 203.0.113.10:80/tcp pool web",
		NULL,
	});
}

static void assert_text(const struct config *config, const char *expected)
{
	char *text = config_text(config);

	assert_string_equal(text, expected);
	free(text);
}

static void a_new_configuration_has_the_global_object_only(void **state)
{
	struct config *config = config_new();

	(void)state;
	for (enum kind kind = 0; kind < KIND_COUNT; kind++)
		assert_int_equal(config_count(config, kind), kind == KIND_GLOBAL);
	assert_int_equal(config_global(config)->flow_table, 1048576);
	assert_text(config, "");
	config_free(config);
}

static void an_identical_add_is_unchanged(void **state)
{
	struct config *config = small();
	char *before = config_text(config);

	(void)state;
	assert_int_equal(model_do(config, "add backend web 10.0.0.11:80 weight 10"), 0);
	assert_int_equal(model_do(config, "add pool web check web-hc scheduler maglev"), 0);
	assert_int_equal(model_do(config, "add interface ext role frontend address 203.0.113.1/24"), 0);
	assert_text(config, before);
	free(before);
	config_free(config);
}

static void an_add_does_not_care_what_was_drained_meanwhile(void **state)
{
	struct config *config = small();
	struct complaint complaint;

	(void)state;
	assert_int_equal(model_do(config, "set backend web 10.0.0.11:80 admin drain"), 1);
	assert_int_equal(model_do(config, "add backend web 10.0.0.11:80 weight 10"), 0);
	assert_int_equal(model_try(config, "add backend web 10.0.0.11:80 weight 10 admin enabled", &complaint),
			 -EEXIST);
	config_free(config);
}

static void a_set_replaces_what_it_names_and_nothing_else(void **state)
{
	struct config *config = small();
	const struct config_interface *interface;

	(void)state;
	assert_int_equal(model_do(config, "set backend web 10.0.0.11:80 name first"), 1);
	assert_int_equal(model_do(config, "set backend web 10.0.0.11:80 name first"), 0);
	assert_int_equal(model_do(config, "set pool web check none affinity source-ip"), 1);
	assert_int_equal(model_do(config, "set interface int address 10.2.0.1/24"), 1);
	interface = config_find_name(config, KIND_INTERFACE, "int");
	assert_int_equal(interface->address.count, 1);
	assert_int_equal(interface->role, ROLE_BACKEND);
	assert_int_equal(model_do(config, "set global flow-table 4096"), 1);
	assert_text(config,
		    "set global flow-table 4096\n"
		    "add interface ext role frontend address 203.0.113.1/24\n"
		    "add interface int role backend address 10.2.0.1/24\n"
		    "add check web-hc tcp port 80\n"
		    "add pool web affinity source-ip\n"
		    "add backend web 10.0.0.11:80 weight 10 name first\n"
		    "add backend web 10.0.0.12:80 weight 10\n"
		    "add service www 203.0.113.10:80/tcp pool web\n");
	config_free(config);
}

static void a_delete_removes_what_nobody_needs(void **state)
{
	struct config *config = small();

	(void)state;
	assert_int_equal(model_do(config, "del service www"), 1);
	assert_int_equal(model_do(config, "del backend web 10.0.0.11:80"), 1);
	assert_int_equal(model_do(config, "del backend web 10.0.0.12:80"), 1);
	assert_int_equal(model_do(config, "del pool web"), 1);
	assert_int_equal(model_do(config, "del check web-hc"), 1);
	assert_int_equal(model_do(config, "del check web-hc if-exists"), 0);
	assert_int_equal(model_do(config, "del backend web 10.0.0.11:80 if-exists"), 0);
	assert_text(config,
		    "add interface ext role frontend address 203.0.113.1/24\n"
		    "add interface int role backend address 10.0.0.1/24 address 10.1.0.1/24\n");
	config_free(config);
}

static void a_refused_command_says_why_and_changes_nothing(void **state)
{
	static const struct { const char *line; int error; int word; const char *sentence; } rows[] = {
		{"add backend wbe 10.0.0.13:80", -ENOENT, 0, "no pool \"wbe\". Did you mean \"web\"?"},
		{"add backend mail 10.0.0.13:25", -ENOENT, 0, "no pool \"mail\""},
		{"add service a 203.0.113.10:81/tcp pool wbe", -ENOENT, 2,
		 "no pool \"wbe\". Did you mean \"web\"?"},
		{"add service a 203.0.113.10:81/tcp", -EINVAL, COMPLAINT_WHOLE, "service \"pool\" is not given"},
		{"add neighbor 10.0.0.9 mac 02:00:00:00:00:09 interface itn", -ENOENT, 2,
		 "no interface \"itn\". Did you mean \"int\"?"},
		{"add backend web 10.0.0.11:80 weight 70000", -EINVAL, 2, "weight 70000 is out of range 0-65535"},
		{"add backend web 10.0.0.11:80 weight 20", -EEXIST, 2,
		 "backend \"web/10.0.0.11:80\" exists with weight 10, not 20; to change it, use \"set backend\""},
		{"add backend web 10.0.0.11:80", -EEXIST, COMPLAINT_WHOLE,
		 "backend \"web/10.0.0.11:80\" exists with weight 10, not 1; to change it, use \"set backend\""},
		{"add pool web", -EEXIST, COMPLAINT_WHOLE,
		 "pool \"web\" exists with check web-hc, not none; to change it, use \"set pool\""},
		{"add interface int role backend address 10.0.0.1/24", -EEXIST, 2,
		 "interface \"int\" exists with address 10.0.0.1/24 10.1.0.1/24, not 10.0.0.1/24; "
		 "to change it, use \"set interface\""},
		{"set pool wbe affinity source-ip", -ENOENT, COMPLAINT_WHOLE,
		 "no pool \"wbe\". Did you mean \"web\"?"},
		{"set backend wbe 10.0.0.11:80 weight 1", -ENOENT, 0, "no pool \"wbe\". Did you mean \"web\"?"},
		{"set backend web 10.0.0.13:80 weight 1", -ENOENT, COMPLAINT_WHOLE,
		 "no backend \"web/10.0.0.13:80\". Did you mean \"web/10.0.0.11:80\"?"},
		{"set pool web check web-ch", -ENOENT, 3, "no check \"web-ch\". Did you mean \"web-hc\"?"},
		{"del check web-hc", -EBUSY, COMPLAINT_WHOLE, "check \"web-hc\" is in use by pool \"web\""},
		{"del pool web", -EBUSY, COMPLAINT_WHOLE,
		 "pool \"web\" is in use by service \"www\", backend \"web/10.0.0.11:80\", "
		 "backend \"web/10.0.0.12:80\""},
		{"del pool wbe", -ENOENT, COMPLAINT_WHOLE, "no pool \"wbe\". Did you mean \"web\"?"},
		{"del global", -EINVAL, COMPLAINT_WHOLE, "global cannot be deleted"},
		{"add global flow-table 2048", -EINVAL, COMPLAINT_WHOLE,
		 "global is always there; to change it, use \"set global\""},
		{"set global flow-table 1023", -EINVAL, 0, "flow-table 1023 is out of range 1024-16777216"},
	};
	struct config *config = small();
	char *before = config_text(config);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct complaint complaint;

		assert_int_equal(model_try(config, rows[i].line, &complaint), rows[i].error);
		assert_string_equal(complaint.text, rows[i].sentence);
		assert_int_equal(complaint.word, rows[i].word);
		assert_text(config, before);
	}
	free(before);
	config_free(config);
}

static void of_many_users_some_are_named_and_the_others_counted(void **state)
{
	struct config *config = script((const char *const[]){"add pool web", NULL});
	struct complaint complaint;
	char line[64];

	(void)state;
	for (unsigned i = 1; i <= 12; i++) {
		snprintf(line, sizeof(line), "add backend web 10.0.0.%u:80", i);
		model_do(config, line);
	}
	assert_int_equal(model_try(config, "del pool web", &complaint), -EBUSY);
	assert_string_equal(complaint.text, "pool \"web\" is in use by backend \"web/10.0.0.1:80\", "
			    "backend \"web/10.0.0.2:80\", backend \"web/10.0.0.3:80\" and 9 more");
	config_free(config);
}

static void a_copy_is_independent_of_its_original(void **state)
{
	struct config *config = small(), *copy = config_copy(config);
	char *before = config_text(config);

	(void)state;
	assert_int_equal(config_compare(config, copy, NULL, NULL), 0);
	model_do(copy, "set backend web 10.0.0.11:80 weight 99");
	model_do(copy, "del service www");
	model_do(copy, "add pool mail");
	model_do(copy, "set global seed 7");
	assert_text(config, before);
	assert_int_equal(config_compare(config, copy, NULL, NULL), 4);
	config_free(config);
	assert_int_equal(((const struct config_backend *)config_at(copy, KIND_BACKEND, 0))->weight, 99);
	config_free(copy);
	free(before);
}

static void remember(void *context, enum kind kind, const void *before, const void *after)
{
	char label[96], *text = context;

	object_label(kind, before ? before : after, label, sizeof(label));
	sprintf(text + strlen(text), "%s%s %s\n", before ? after ? "~" : "-" : "+", schema_of(kind)->name,
		label);
}

static void a_comparison_visits_each_difference_once_in_order(void **state)
{
	struct config *before = small(), *after = config_copy(before);
	char seen[512] = "";

	(void)state;
	model_do(after, "add backend web 10.0.0.2:80");
	model_do(after, "set backend web 10.0.0.11:80 weight 1");
	model_do(after, "del backend web 10.0.0.12:80");
	model_do(after, "set global vip-echo available");
	model_do(after, "set pool web affinity source-ip");
	model_do(after, "set pool web affinity 5-tuple");
	assert_int_equal(config_compare(before, after, remember, seen), 4);
	assert_string_equal(seen, "~global global\n+backend web/10.0.0.2:80\n~backend web/10.0.0.11:80\n"
			    "-backend web/10.0.0.12:80\n");
	config_free(before);
	config_free(after);
}

static void objects_are_in_natural_order_whatever_order_they_came_in(void **state)
{
	static const char *const names[] = {"web10", "web2", "mail", "web1", "web", "a9", "a10"};
	static const char *const order[] = {"a9", "a10", "mail", "web", "web1", "web2", "web10"};
	struct config *config = config_new();
	char line[64];

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		snprintf(line, sizeof(line), "add pool %s", names[i]);
		model_do(config, line);
	}
	for (unsigned i = 0; i < 7; i++)
		assert_string_equal(((const struct config_pool *)config_at(config, KIND_POOL, i))->name,
				    order[i]);
	assert_null(config_find_name(config, KIND_POOL, "web3"));
	assert_non_null(config_find_name(config, KIND_POOL, "web2"));
	config_free(config);
}

/* An object changed at random stays what the commands said, and lists stay sorted and findable. */
static void lists_stay_sorted_through_random_changes(void **state)
{
	struct config *config = config_new();
	uint64_t random = 3;
	unsigned changed = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		changed += model_random_change(&random, config) == 1;
	assert_true(changed > 500);
	for (enum kind kind = 0; kind < KIND_COUNT; kind++)
		for (unsigned i = 0; i < config_count(config, kind); i++)
			assert_ptr_equal(config_find(config, kind, config_at(config, kind, i)),
					 config_at(config, kind, i));
	config_free(config);
}

enum { MANY = 10000 };

/* Within a second on any machine that runs an appliance; under a sanitizer, too. */
static void ten_thousand_objects_take_well_under_a_second(void **state)
{
	struct config *config = config_new(), *copy;
	char line[64], error[512];
	clock_t begin = clock();

	(void)state;
	model_do(config, "add pool web");
	for (unsigned i = 0; i < MANY; i++) {
		/* Scattered, so that most land in the middle of the list. */
		unsigned n = i * 7919u % MANY;

		snprintf(line, sizeof(line), "add backend web 10.%u.%u.%u:80", n >> 16, n >> 8 & 255, n & 255);
		if (!(n & 255))
			snprintf(line, sizeof(line), "add backend web 11.0.%u.1:80", n >> 8 & 255);
		assert_int_equal(model_do(config, line), 1);
	}
	copy = config_copy(config);
	assert_int_equal(config_compare(config, copy, NULL, NULL), 0);
	assert_int_equal(config_validate(copy, NULL, NULL, error, sizeof(error)), 0);
	assert_true(clock() - begin < CLOCKS_PER_SEC);
	config_free(copy);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_configuration_has_the_global_object_only),
		cmocka_unit_test(an_identical_add_is_unchanged),
		cmocka_unit_test(an_add_does_not_care_what_was_drained_meanwhile),
		cmocka_unit_test(a_set_replaces_what_it_names_and_nothing_else),
		cmocka_unit_test(a_delete_removes_what_nobody_needs),
		cmocka_unit_test(a_refused_command_says_why_and_changes_nothing),
		cmocka_unit_test(of_many_users_some_are_named_and_the_others_counted),
		cmocka_unit_test(a_copy_is_independent_of_its_original),
		cmocka_unit_test(a_comparison_visits_each_difference_once_in_order),
		cmocka_unit_test(objects_are_in_natural_order_whatever_order_they_came_in),
		cmocka_unit_test(lists_stay_sorted_through_random_changes),
		cmocka_unit_test(ten_thousand_objects_take_well_under_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
