/* What a store must be after a power cut: whole, one of a chain of configurations that are known
 * beforehand, and fit for the next commit. */
#ifndef TESTS_POWER_STORE_H
#define TESTS_POWER_STORE_H

#include "tests/unit/power_cut.h"
#include "tests/unit/store_v1.h"

enum { CHAIN_LENGTH = 64, CHAIN_CHANGES = 3, LARGE = 5, LARGE_BACKENDS = 400 };

/* Marks of a recording: this revision may be there from here on; it must be there. */
enum { MARK_BEGUN, MARK_DONE };

static struct config *chain[CHAIN_LENGTH + 1]; /* by revision; 1 is what the store of 0.1 has */
static char *chain_text[CHAIN_LENGTH + 1];

/* Revision LARGE takes many pages, the next one gives them back. */
static inline struct config *successor(unsigned number)
{
	uint64_t random = number * 1000;
	struct config *after = config_copy(chain[number == LARGE + 1 ? LARGE - 1 : number - 1]);
	char line[64];

	for (unsigned i = 0; i < CHAIN_CHANGES; i++)
		model_random_change(&random, after);
	snprintf(line, sizeof(line), "set global seed %u", number);
	model_do(after, line);
	if (number == LARGE)
		model_do(after, "add pool large");
	for (unsigned i = 0; number == LARGE && i < LARGE_BACKENDS; i++) {
		snprintf(line, sizeof(line), "add backend large 10.7.%u.%u:80", i >> 8, i & 255);
		model_do(after, line);
	}
	return after;
}

static inline int make_chain(void **state)
{
	struct store *store;
	uint64_t revision;

	make_directory(state);
	make_store_v1();
	store = open_store();
	chain[0] = config_new();
	chain[1] = load(store, &revision);
	assert_int_equal(revision, 1);
	store_close(store);
	remove_directory(state);
	for (unsigned i = 2; i <= CHAIN_LENGTH; i++)
		chain[i] = successor(i);
	for (unsigned i = 0; i <= CHAIN_LENGTH; i++)
		chain_text[i] = config_text(chain[i]);
	return 0;
}

static inline int forget_chain(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= CHAIN_LENGTH; i++) {
		config_free(chain[i]);
		free(chain_text[i]);
	}
	return 0;
}

/* Commits revisions up to `number`, with marks where it is recorded. */
static inline void commit_up_to(struct store *store, uint64_t number)
{
	uint64_t revision;

	config_free(load(store, &revision));
	while (revision < number) {
		if (power.into)
			power_mark(MARK_BEGUN, revision + 1);
		assert_int_equal(commit(store, chain[revision], chain[revision + 1]), revision + 1);
		revision++;
		if (power.into)
			power_mark(MARK_DONE, revision);
	}
}

/* A store as it is found when lbd starts, and stops. */
static inline void make_store_up_to(uint64_t number)
{
	struct store *store = open_store();

	commit_up_to(store, number);
	store_close(store);
}

/* For power.refuse: what is committed cannot leave the log. */
static inline int refuse_to_fold(enum step_kind kind, const char *name)
{
	return kind == STEP_WRITE && strcmp(name, "lb.db") == 0 ? ENOSPC : 0;
}

/* What a cut before step `steps` may find. */
static inline void what_is_allowed(const struct recording *recording, unsigned steps,
				   uint64_t *ret_least, uint64_t *ret_most)
{
	*ret_least = *ret_most = 0;
	for (unsigned i = 0; i < steps; i++) {
		const struct step *step = &recording->step[i];

		if (step->kind != STEP_MARK)
			continue;
		if (step->mark == MARK_DONE)
			*ret_least = step->number;
		if (*ret_most < step->number)
			*ret_most = step->number;
	}
}

/* Checks. Each returns NULL, or a sentence about what is wrong. */

__attribute__((format(printf, 1, 2)))
static inline const char *wrong(const char *format, ...)
{
	static char sentence[ERROR_SIZE + 256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	return sentence;
}

static inline const char *check_loads(struct store *store, uint64_t least, uint64_t most,
				      uint64_t *ret_revision)
{
	struct config *config;
	const char *said = NULL;
	char *text;

	if (store_load(store, &config, ret_revision, error, sizeof(error)))
		return wrong("it does not load: %s", error);
	text = config_text(config);
	if (*ret_revision < least || *ret_revision > most)
		said = wrong("revision %llu is there, not %llu to %llu",
			     (unsigned long long)*ret_revision, (unsigned long long)least,
			     (unsigned long long)most);
	else if (strcmp(text, chain_text[*ret_revision]) != 0)
		said = wrong("revision %llu is another:\n%s", (unsigned long long)*ret_revision,
			     text);
	free(text);
	config_free(config);
	return said;
}

struct counted { uint64_t next, count; };

static inline void count_revision(void *context, const struct revision *revision)
{
	struct counted *counted = context;

	counted->count += revision->number == counted->next;
	counted->next--;
}

/* The newest fifty are there, and the oldest of them says what it should. */
static inline const char *check_revisions(struct store *store, uint64_t newest)
{
	uint64_t kept = newest < REVISIONS_KEPT ? newest : REVISIONS_KEPT;
	struct counted counted = {.next = newest};
	const char *said = NULL;
	char *text;

	if (store_revisions(store, count_revision, &counted, error, sizeof(error)))
		return wrong("revisions: %s", error);
	if (counted.count != kept || counted.next != newest - kept)
		return wrong("%llu revisions, not %llu", (unsigned long long)counted.count,
			     (unsigned long long)kept);
	if (!newest)
		return NULL;
	if (store_revision_text(store, newest - kept + 1, &text, error, sizeof(error)))
		return wrong("the oldest revision: %s", error);
	if (newest - kept && strcmp(text, chain_text[newest - kept + 1]) != 0)
		said = wrong("the oldest revision is another:\n%s", text);
	free(text);
	return said;
}

static inline const char *check_next_commit(struct store *store, uint64_t revision)
{
	struct revision next = {.time_s = 1700000000, .user = "bob"};

	if (store_commit(store, chain[revision], chain[revision + 1], &next, error, sizeof(error)))
		return wrong("the next commit: %s", error);
	return check_loads(store, revision + 1, revision + 1, &revision);
}

/* The store at `file`, with a revision of these. */
static inline const char *check_store(uint64_t least, uint64_t most)
{
	struct store *store;
	uint64_t revision;
	const char *said;

	if (store_open(&store, file, error, sizeof(error)))
		return wrong("it does not open: %s", error);
	said = error[0] ? wrong("at the start: %s", error) : NULL;
	if (!said)
		said = check_loads(store, least, most, &revision);
	if (!said)
		said = check_revisions(store, revision);
	if (!said)
		said = check_next_commit(store, revision);
	store_close(store);
	return said;
}

#endif
