#include "appliance/confirm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/control.h"
#include "cli/script.h"
#include "cli/waiting.h"

#define SECOND_NS UINT64_C(1000000000)
#define MILLISECOND_NS UINT64_C(1000000)
#define RETRY_NS (5 * SECOND_NS)

/* When everybody is reminded, before the end. */
static const uint64_t reminders_ns[] = {300 * SECOND_NS, 60 * SECOND_NS, 10 * SECOND_NS};

enum { REMINDERS = sizeof(reminders_ns) / sizeof(reminders_ns[0]) };

static int64_t wall_clock_ms(void)
{
	return wall_clock_ns() / (int64_t)MILLISECOND_NS;
}

bool confirm_row(const struct confirm *confirm, struct unconfirmed *ret_row)
{
	*ret_row = (struct unconfirmed){
		.revision = confirm->revision,
		.back = confirm->back,
		.made_ms = confirm->made_ms,
		.deadline_ms = confirm->deadline_ms,
		.text = config_text(confirm->target),
	};
	snprintf(ret_row->user, sizeof(ret_row->user), "%s", confirm->user);
	return ret_row->text;
}

bool confirm_waits(const struct control *control, struct waiting *ret_waiting)
{
	const struct confirm *confirm = &control->confirm;

	if (!confirm->revision)
		return false;
	*ret_waiting = (struct waiting){
		.revision = confirm->revision,
		.back = confirm->back,
		.deadline_ms = confirm->deadline_ms,
	};
	snprintf(ret_waiting->user, sizeof(ret_waiting->user), "%s", confirm->user);
	return true;
}

/* ---- what a commit makes of it ---- */

static void set_clock(struct confirm *confirm, uint64_t time_ns)
{
	confirm->made_ms = wall_clock_ms();
	confirm->deadline_ms = confirm->made_ms + (int64_t)(time_ns / MILLISECOND_NS);
	confirm->deadline_ns = clock_now_ns() + time_ns;
	confirm->told_ns = time_ns;
	confirm->stuck = false;
}

static int refuse_memory(char *error, size_t error_size)
{
	snprintf(error, error_size, "not enough memory");
	return -ENOMEM;
}

/* A commit confirmed: the first, or one more of the same user, who goes back to before the
 * first. */
static int plan_waiting(struct control *control, const struct config *config,
			const struct commit_note *note, struct confirm *ret_next, char *error,
			size_t error_size)
{
	const struct confirm *now = &control->confirm;
	unsigned changes = config_compare(control->running, config, NULL, NULL);
	struct confirm next = {.back = control->revision};
	char time[CLOCK_TEXT_SIZE];

	if (now->revision && strcmp(now->user, note->user) != 0) {
		clock_text(now->deadline_ms, time);
		snprintf(error, error_size, "r%llu by %s waits to be confirmed, until %s: only one "
			 "commit can", (unsigned long long)now->revision, now->user, time);
		return -EBUSY;
	}
	if (now->revision)
		next = *now;
	else if (!changes)
		return 0;
	next.target = config_copy(now->revision ? now->target : control->running);
	if (!next.target)
		return refuse_memory(error, error_size);
	if (changes)
		next.revision = control->revision + 1;
	snprintf(next.user, sizeof(next.user), "%s", note->user);
	set_clock(&next, note->confirm_ns);
	*ret_next = next;
	return 0;
}

/* What somebody commits meanwhile is to stay: it is done to what is gone back to, as far as it
 * can be. */
static int plan_beside(struct control *control, const struct config *config, appliance_say *say,
		       void *say_context, struct confirm *ret_next, char *error, size_t error_size)
{
	const struct confirm *now = &control->confirm;
	struct config *target;
	char reason[256], sentence[256];
	unsigned left;

	*ret_next = *now;
	target = config_merge(now->target, control->running, config, &left);
	if (!target)
		return refuse_memory(error, error_size);
	if (config_validate(target, NULL, NULL, reason, sizeof(reason))) {
		config_free(target);
		target = config_copy(now->target);
		left = 1;
	}
	if (!target)
		return refuse_memory(error, error_size);
	if (left) {
		snprintf(sentence, sizeof(sentence), "some of this needs r%llu by %s, and goes "
			 "with it where nobody confirms it", (unsigned long long)now->revision,
			 now->user);
		say(say_context, sentence);
	}
	ret_next->target = target;
	ret_next->others_stay = true;
	if (config_compare(target, config, NULL, NULL))
		return 0;
	/* Nothing is left to take back. */
	config_free(target);
	*ret_next = (struct confirm){0};
	return 0;
}

int confirm_plan(struct control *control, const struct config *config,
		 const struct commit_note *note, appliance_say *say, void *say_context,
		 struct confirm *ret_next, char *error, size_t error_size)
{
	*ret_next = (struct confirm){0};
	if (note->confirm_ns)
		return plan_waiting(control, config, note, ret_next, error, error_size);
	if (note->confirms || !control->confirm.revision)
		return 0;
	if (!config_compare(control->running, config, NULL, NULL)) {
		*ret_next = control->confirm;
		return 0;
	}
	return plan_beside(control, config, say, say_context, ret_next, error, error_size);
}

bool confirm_same(const struct confirm *a, const struct confirm *b)
{
	return a->revision == b->revision && a->target == b->target;
}

void confirm_drop(const struct control *control, const struct confirm *next)
{
	if (next->target != control->confirm.target)
		config_free(next->target);
}

void confirm_accept(struct control *control, const struct confirm *next)
{
	const struct confirm before = control->confirm;
	char sentence[WAITING_TEXT_SIZE];
	struct waiting waiting;

	if (confirm_same(&before, next))
		return;
	control->confirm = *next;
	if (next->deadline_ns != before.deadline_ns && confirm_waits(control, &waiting)) {
		waiting_text(&waiting, sentence);
		journal_deed(control->journal, "%s", sentence);
	}
	config_free(before.target);
}

int confirm_now(struct control *control, const char *user, char *error, size_t error_size)
{
	struct confirm *confirm = &control->confirm;
	int result = 0;

	if (!confirm->revision) {
		snprintf(error, error_size, "nothing waits to be confirmed");
		return -ENOENT;
	}
	if (control->store)
		result = store_set_unconfirmed(control->store, NULL, error, error_size);
	if (result)
		return result;
	journal_deed(control->journal, "r%llu by %s is confirmed by %s",
			   (unsigned long long)confirm->revision, confirm->user, user);
	confirm_stop(control);
	return 0;
}

void confirm_stop(struct control *control)
{
	config_free(control->confirm.target);
	control->confirm = (struct confirm){0};
}

/* ---- time ---- */

static void comment_of(const struct confirm *confirm, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "r%llu was not confirmed: %s r%llu",
		 (unsigned long long)confirm->revision,
		 confirm->others_stay ? "taken back, to" : "back to",
		 (unsigned long long)confirm->back);
}

static void say_taken_back(struct control *control, const struct confirm *confirm,
			   uint64_t revision)
{
	journal_say(control->journal, "r%llu by %s was not confirmed: back to r%llu%s (now r%llu)",
		    (unsigned long long)confirm->revision, confirm->user,
		    (unsigned long long)confirm->back,
		    confirm->others_stay ? ", with what others have committed since" : "",
		    (unsigned long long)revision);
}

static void say_stuck(struct control *control, const char *error)
{
	if (!control->confirm.stuck)
		journal_say(control->journal,
			    "r%llu was not confirmed and cannot be taken back, trying again: %s",
			    (unsigned long long)control->confirm.revision, error);
	control->confirm.stuck = true;
}

static void to_nobody(void *context, const char *sentence)
{
	(void)context;
	(void)sentence;
}

static void take_back(struct control *control, uint64_t now_ns)
{
	struct confirm waited = control->confirm;
	char error[SENTENCE_SIZE], comment[TEXT_SIZE];
	const struct commit_note note = {
		.user = "lbd", .comment = comment, .confirms = true, .takes_back = true,
	};
	uint64_t revision;

	comment_of(&waited, comment, sizeof(comment));
	/* The commit frees what waits, and with it this. */
	waited.target = config_copy(waited.target);
	if (!waited.target) {
		say_stuck(control, "not enough memory");
	} else if (control_commit(control, waited.target, &note, to_nobody, NULL, &revision, error,
				  sizeof(error)) < 0) {
		say_stuck(control, error);
	} else {
		say_taken_back(control, &waited, revision);
	}
	config_free(waited.target);
	if (control->confirm.stuck)
		control->confirm.deadline_ns = now_ns + RETRY_NS;
}

/* The next reminder that is due after what was told; 0: none is left. */
static uint64_t next_reminder(const struct confirm *confirm)
{
	for (unsigned i = 0; i < REMINDERS; i++)
		if (reminders_ns[i] < confirm->told_ns)
			return reminders_ns[i];
	return 0;
}

static void remind(struct control *control, uint64_t left_ns)
{
	struct confirm *confirm = &control->confirm;

	journal_say(control->journal,
		    "r%llu by %s reverts to r%llu in %llu s unless you type 'confirm'",
		    (unsigned long long)confirm->revision, confirm->user,
		    (unsigned long long)confirm->back,
		    (unsigned long long)((left_ns + SECOND_NS / 2) / SECOND_NS));
	confirm->told_ns = left_ns;
}

void confirm_tick(struct control *control, uint64_t now_ns)
{
	struct confirm *confirm = &control->confirm;
	uint64_t reminder_ns = next_reminder(confirm);

	if (!confirm->revision)
		return;
	if (now_ns >= confirm->deadline_ns)
		take_back(control, now_ns);
	else if (reminder_ns && !confirm->stuck && confirm->deadline_ns - now_ns <= reminder_ns)
		remind(control, confirm->deadline_ns - now_ns);
}

uint64_t confirm_deadline(const struct control *control)
{
	const struct confirm *confirm = &control->confirm;

	if (!confirm->revision)
		return UINT64_MAX;
	return confirm->deadline_ns - (confirm->stuck ? 0 : next_reminder(confirm));
}

/* ---- start ---- */

/* However the wall clock was set meanwhile, no more than the time that was given is left. */
static void resume_clock(struct confirm *confirm)
{
	int64_t given_ms = confirm->deadline_ms - confirm->made_ms;
	int64_t left_ms = confirm->deadline_ms - wall_clock_ms();

	if (left_ms > given_ms)
		left_ms = given_ms;
	if (left_ms < 0)
		left_ms = 0;
	confirm->deadline_ns = clock_now_ns() + (uint64_t)left_ms * MILLISECOND_NS;
	confirm->told_ns = (uint64_t)left_ms * MILLISECOND_NS;
}

static bool load(struct control *control, char *error, size_t error_size)
{
	struct confirm *confirm = &control->confirm;
	struct unconfirmed row;

	if (store_unconfirmed(control->store, &row, error, error_size)) {
		journal_say(control->journal, "what waits to be confirmed cannot be read: %s",
			    error);
		return false;
	}
	if (!row.revision)
		return false;
	*confirm = (struct confirm){
		.revision = row.revision, .back = row.back,
		.made_ms = row.made_ms, .deadline_ms = row.deadline_ms,
		.target = script_config(row.text, error, error_size),
	};
	memcpy(confirm->user, row.user, sizeof(confirm->user));
	free(row.text);
	if (confirm->target)
		return true;
	journal_say(control->journal, "what r%llu goes back to where it is not confirmed makes no "
		    "sense, it stays: %s", (unsigned long long)confirm->revision, error);
	*confirm = (struct confirm){0};
	return false;
}

/* Before anything of it is in force: in the store alone. */
static void take_back_at_start(struct control *control, struct config **config, uint64_t *revision)
{
	struct confirm *confirm = &control->confirm;
	struct revision made = {.time_s = wall_clock_ns() / (int64_t)SECOND_NS, .user = "lbd"};
	char error[SENTENCE_SIZE];

	comment_of(confirm, made.comment, sizeof(made.comment));
	if (store_commit(control->store, *config, confirm->target, &made, error, sizeof(error))) {
		say_stuck(control, error);
		confirm->deadline_ns = clock_now_ns() + RETRY_NS;
		return;
	}
	config_free(*config);
	*config = confirm->target;
	*revision = made.number;
	say_taken_back(control, confirm, made.number);
	*confirm = (struct confirm){0};
}

void confirm_start(struct control *control, struct config **config, uint64_t *revision)
{
	struct confirm *confirm = &control->confirm;
	char error[SENTENCE_SIZE], sentence[WAITING_TEXT_SIZE];
	struct waiting waiting;

	if (!load(control, error, sizeof(error)))
		return;
	confirm->others_stay = *revision != confirm->revision;
	resume_clock(confirm);
	if (confirm->deadline_ns <= clock_now_ns()) {
		take_back_at_start(control, config, revision);
		return;
	}
	confirm_waits(control, &waiting);
	waiting_text(&waiting, sentence);
	journal_say(control->journal, "%s", sentence);
}
