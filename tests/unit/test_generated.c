/* Configurations from a generator with seeds: out and in again changes nothing, whichever way. */
#include "tests/unit/talk.h"

#include "tests/unit/model.h"

enum { SEEDS = 400, CHANGES = 120, OBJECTS_MIN = 10 };

/* A configuration that a commit accepts: every random change that leaves it so is kept. */
static struct config *generate(uint64_t *random)
{
	struct config *config = config_new();
	char error[512];

	for (unsigned i = 0; i < CHANGES; i++) {
		struct config *next = config_copy(config);

		if (model_random_change(random, next) > 0 &&
		    !config_validate(next, NULL, NULL, error, sizeof(error))) {
			config_free(config);
			config = next;
		} else {
			config_free(next);
		}
	}
	return config;
}

static void assert_runs(const struct talk *talk, const struct config *config)
{
	assert_int_equal(config_compare(talk->fake.running, config, NULL, NULL), 0);
}

static void expect(struct talk *talk, enum exit_status status, const char *out)
{
	if (status != STATUS_DONE || strcmp(talk->out, out) != 0)
		fail_msg("%s%s, expected %s", talk->out, talk->err, out);
}

/* The export of what runs, to be freed. */
static char *export(struct talk *talk)
{
	assert_int_equal(command(talk, "export"), STATUS_DONE);
	return strdup(talk->out);
}

static void round_trips(struct talk *talk, const struct config *one, const struct config *other)
{
	char *text = config_text(one), *out, *again;

	/* In by a script, out by export, in again. */
	expect(talk, script(talk, text), "r1 active.\n");
	assert_runs(talk, one);
	out = export(talk);
	assert_memory_equal(out, text, strlen(text));
	assert_string_equal(out + strlen(text), "commit\n");
	expect(talk, load(talk, "load lb.conf replace", out), "unchanged (r1).\n");
	expect(talk, load(talk, "load lb.conf merge", out), "unchanged (r1).\n");
	expect(talk, command(talk, "rollback 1"), "unchanged (r1).\n");
	/* By a candidate; and what is typed while it is open is what is in it. */
	command(talk, "configure");
	assert_int_equal(load(talk, "load lb.conf replace", out), STATUS_DONE);
	assert_int_equal(command(talk, "show config"), STATUS_DONE);
	assert_string_equal(talk->out, text);
	command(talk, "compare");
	assert_string_equal(talk->out, "");
	expect(talk, command(talk, "commit"), "unchanged (r1).\n");
	/* To another one and back. */
	free(text);
	text = config_text(other);
	command(talk, "configure");
	assert_int_equal(load(talk, "load lb.conf replace", "commit\n"), STATUS_DONE);
	if (*text)
		assert_int_equal(run(talk, REQUEST_SCRIPT | REQUEST_PREFIXES, text), STATUS_DONE);
	expect(talk, command(talk, "commit"), "r2 active.\n");
	assert_runs(talk, other);
	expect(talk, command(talk, "rollback 1"), "r3 active.\n");
	assert_runs(talk, one);
	command(talk, "compare 1");
	assert_string_equal(talk->out, "");
	again = export(talk);
	assert_string_equal(again, out);
	free(again);
	free(text);
	free(out);
}

static void what_goes_out_comes_in_again_unchanged(void **state)
{
	unsigned objects = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t random = seed * 1000003;
		struct config *one = generate(&random), *other = generate(&random);
		void *talk;

		begin(&talk);
		round_trips(talk, one, other);
		for (enum kind kind = 0; kind < KIND_COUNT; kind++)
			objects += config_count(one, kind);
		end(&talk);
		config_free(one);
		config_free(other);
	}
	/* The generator is worth its name. */
	assert_true(objects / SEEDS >= OBJECTS_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_out_comes_in_again_unchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
