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

/* ---- two people ---- */

enum { PEOPLE_SEEDS = 600, LINES_MAX = 6, POOLS = 2, ADDRESSES = 4 };

static void random_line(uint64_t *random, char *ret_line, size_t size)
{
	unsigned pool = (unsigned)model_below(random, POOLS);
	unsigned address = (unsigned)model_below(random, ADDRESSES);
	unsigned value = (unsigned)model_below(random, 4);

	switch (model_below(random, 7)) {
	case 0:
		snprintf(ret_line, size, "add backend p%u 10.0.0.%u:80 weight %u", pool, address,
			 value);
		break;
	case 1:
		snprintf(ret_line, size, "del backend p%u 10.0.0.%u:80", pool, address);
		break;
	case 2:
		snprintf(ret_line, size, "set backend p%u 10.0.0.%u:80 name n%u", pool, address,
			 value);
		break;
	case 3:
		snprintf(ret_line, size, "set pool p%u affinity %s", pool,
			 value % 2 ? "source-ip" : "5-tuple");
		break;
	case 4:
		snprintf(ret_line, size, value % 2 ? "add pool more%u" : "del pool more%u", pool);
		break;
	default:
		snprintf(ret_line, size, "set backend p%u 10.0.0.%u:80 weight %u", pool, address,
			 value);
		break;
	}
}

/* Some lines, of which those that make no sense are refused. */
static void type_some(struct talk *talk, uint64_t *random)
{
	char line[128];

	for (uint64_t i = model_below(random, LINES_MAX) + 1; i > 0; i--) {
		random_line(random, line, sizeof(line));
		command(talk, line);
	}
}

static struct config *view(struct talk *talk)
{
	struct config *config = config_new();

	command(talk, "show config");
	for (char *rest = talk->out, *line; (line = strsep(&rest, "\n")) && *line;)
		model_do(config, line);
	return config;
}

/* Of what runs now, what alice would have on what ran when she began, and what bob has made of
 * that: where her commit is accepted, it is both of their changes. */
static bool two_people_commit(uint64_t seed)
{
	uint64_t random = seed * 7919;
	struct talk *alice, *bob;
	struct config *base, *hers, *his, *both;
	enum exit_status status;
	unsigned left;
	void *state;

	begin(&state);
	alice = state;
	bob = dial(alice, "bob");
	script(alice, "add pool p0\nadd pool p1\nadd pool more0\nadd backend p0 10.0.0.1:80\n"
		      "add backend p0 10.0.0.2:80\nadd backend p1 10.0.0.3:80\n");
	base = config_copy(alice->fake.running);
	command(alice, "configure");
	type_some(alice, &random);
	hers = view(alice);
	type_some(bob, &random);
	his = config_copy(alice->fake.running);
	both = config_merge(his, base, hers, &left);
	status = command(alice, "commit");
	if (status == STATUS_DONE) {
		assert_int_equal(left, 0);
		assert_runs(alice, both);
	} else {
		assert_non_null(strstr(alice->err, ": error: conflict: "));
		assert_runs(alice, his);
	}
	config_free(base);
	config_free(hers);
	config_free(his);
	config_free(both);
	hang_up(bob);
	end(&state);
	return status == STATUS_DONE;
}

static void what_two_people_commit_is_both_or_a_conflict(void **state)
{
	unsigned merged = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= PEOPLE_SEEDS; seed++)
		merged += two_people_commit(seed);
	/* Both happen. */
	assert_in_range(merged, PEOPLE_SEEDS / 10, PEOPLE_SEEDS * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_out_comes_in_again_unchanged),
		cmocka_unit_test(what_two_people_commit_is_both_or_a_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
