/* What has changed between two configurations, done to a third one. */
#include "tests/unit/model.h"

static struct config *script(const char *const *lines)
{
	struct config *config = config_new();

	for (; *lines; lines++)
		model_do(config, *lines);
	return config;
}

#define SCRIPT(...) script((const char *const[]){__VA_ARGS__, NULL})

static void assert_merges(struct config *onto, struct config *before, struct config *after,
			  const char *expected, unsigned left)
{
	unsigned is_left;
	struct config *merged = config_merge(onto, before, after, &is_left);
	char *text = config_text(merged);

	assert_string_equal(text, expected);
	assert_int_equal(is_left, left);
	free(text);
	config_free(merged);
	config_free(onto);
	config_free(before);
	config_free(after);
}

static void settings_merge_one_by_one(void **state)
{
	(void)state;
	assert_merges(SCRIPT("add pool p", "add backend p 10.0.0.1:80 weight 7 name a"),
		      SCRIPT("add pool p", "add backend p 10.0.0.1:80"),
		      SCRIPT("add pool p", "add backend p 10.0.0.1:80 admin drain"),
		      "add pool p\nadd backend p 10.0.0.1:80 weight 7 name a admin drain\n", 0);
}

static void what_comes_or_goes_does_so_in_any_order(void **state)
{
	(void)state;
	assert_merges(SCRIPT("add check old tcp", "add pool p check old", "add pool kept"),
		      SCRIPT("add check old tcp", "add pool p check old"),
		      SCRIPT("add check new tcp", "add pool q check new",
			     "add backend q 10.0.0.1:80", "add service s 192.0.2.1:80/tcp pool q"),
		      "add check new tcp\nadd pool kept\nadd pool q check new\n"
		      "add backend q 10.0.0.1:80\nadd service s 192.0.2.1:80/tcp pool q\n", 0);
}

static void what_cannot_be_is_left_out_and_counted(void **state)
{
	(void)state;
	/* A backend of a pool that is not there; a pool that is needed there. */
	assert_merges(SCRIPT("add pool p", "add service s 192.0.2.1:80/tcp pool p"),
		      SCRIPT("add pool p", "add pool q"),
		      SCRIPT("add pool q", "add backend q 10.0.0.1:80", "add pool r"),
		      "add pool p\nadd pool r\nadd service s 192.0.2.1:80/tcp pool p\n", 2);
}

static void what_is_gone_there_does_not_change(void **state)
{
	(void)state;
	assert_merges(SCRIPT("add pool p"), SCRIPT("add pool p", "add backend p 10.0.0.1:80"),
		      SCRIPT("add pool p", "add backend p 10.0.0.1:80 weight 5"),
		      "add pool p\n", 0);
}

enum { SEEDS = 300, CHANGES = 30 };

static struct config *changed(uint64_t *seed, const struct config *from)
{
	struct config *config = config_copy(from);

	for (unsigned i = 0; i < CHANGES; i++)
		model_random_change(seed, config);
	return config;
}

static void assert_same(const struct config *a, const struct config *b)
{
	assert_int_equal(config_compare(a, b, NULL, NULL), 0);
}

/* Onto what was before it is what is after; done twice it is done once. */
static void generated_changes_merge_into_what_they_made(void **state)
{
	struct config *empty = config_new();

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t random = seed;
		struct config *before = changed(&random, empty), *after = changed(&random, before);
		unsigned left;
		struct config *once = config_merge(before, before, after, &left);
		struct config *twice;

		assert_int_equal(left, 0);
		assert_same(once, after);
		twice = config_merge(after, before, after, &left);
		assert_same(twice, after);
		config_free(twice);
		config_free(once);
		config_free(after);
		config_free(before);
	}
	config_free(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_merge_one_by_one),
		cmocka_unit_test(what_comes_or_goes_does_so_in_any_order),
		cmocka_unit_test(what_cannot_be_is_left_out_and_counted),
		cmocka_unit_test(what_is_gone_there_does_not_change),
		cmocka_unit_test(generated_changes_merge_into_what_they_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
