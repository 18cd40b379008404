/* What is replayed is compared with two states: what runs, and what ran when the line was typed. */
#include "cli/conflict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/blame.h"

void conflict_forget(struct candidate *candidate, size_t index)
{
	free(candidate->conflict[index].text);
	candidate->conflict[index] = candidate->conflict[--candidate->conflicts];
}

static const struct base *base_of(const struct replay *replay, size_t line)
{
	return &replay->candidate->base[replay->candidate->list.line[line].base];
}

static const void *member(const struct attribute *attribute, const void *object)
{
	return (const char *)object + attribute->offset;
}

static bool attribute_differs(const struct attribute *attribute, const void *a, const void *b)
{
	return !value_equal(attribute->type, member(attribute, a), member(attribute, b));
}

/* What changes while running, a drain for instance, is no reason to look again. */
static bool object_differs(enum kind kind, const void *a, const void *b)
{
	const struct schema *schema = schema_of(kind);

	for (unsigned i = 0; i < schema->attributes; i++)
		if (!(schema->attribute[i].flags & ATTRIBUTE_OPERATIONAL) &&
		    attribute_differs(&schema->attribute[i], a, b))
			return true;
	return false;
}

static struct conflict *add_conflict(struct replay *replay, enum kind kind, const void *object,
				     int attribute)
{
	struct candidate *candidate = replay->candidate;
	struct conflict *conflict = reallocarray(candidate->conflict, candidate->conflicts + 1,
						 sizeof(*conflict));

	if (!conflict) {
		candidate->failed = true;
		return NULL;
	}
	candidate->conflict = conflict;
	conflict += candidate->conflicts++;
	*conflict = (struct conflict){
		.line = replay->line, .kind = kind, .attribute = attribute, .blamed_kind = kind,
	};
	object_label(kind, object, conflict->label, sizeof(conflict->label));
	return conflict;
}

/* A line that sets it again, knowing how it is now, or adds the object again, or deletes it, decides. */
static void forget_decided(struct replay *replay, const struct change *change)
{
	struct candidate *candidate = replay->candidate;
	char label[LABEL_ROOM];

	object_label(change->kind, change->object, label, sizeof(label));
	for (size_t i = candidate->conflicts; i-- > 0;) {
		const struct conflict *conflict = &candidate->conflict[i];

		if (conflict->kind != change->kind || strcmp(conflict->label, label) != 0)
			continue;
		if (change->verb == VERB_DELETE ||
		    (change->verb == VERB_ADD && conflict->gone) ||
		    (change->verb == VERB_SET && conflict->attribute != WHOLE &&
		     change->given & 1u << conflict->attribute))
			conflict_forget(candidate, i);
	}
}

/* Settings that both have changed, to different values. */
static void find_set_conflicts(struct replay *replay, const struct change *change, const void *then,
			       const void *now)
{
	const struct schema *schema = schema_of(change->kind);

	for (unsigned i = 0; i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];
		struct conflict *conflict;

		if (attribute->flags & ATTRIBUTE_ID || !(change->given & 1u << i) ||
		    !attribute_differs(attribute, then, now) ||
		    !attribute_differs(attribute, now, change->object))
			continue;
		conflict = add_conflict(replay, change->kind, now, (int)i);
		if (conflict)
			conflict->blamed = now;
	}
}

/* What has come to need the object since the line was typed. */
static void blame_users(const struct replay *replay, struct conflict *conflict)
{
	const struct config *then = base_of(replay, conflict->line)->config;

	for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
		for (unsigned i = 0; i < config_count(replay->running, kind); i++) {
			const void *user = config_at(replay->running, kind, i);
			const void *was = config_find(then, kind, user);

			if (!object_refers(kind, user, conflict->kind, conflict->label) ||
			    (was && object_refers(kind, was, conflict->kind, conflict->label)))
				continue;
			conflict->blamed_kind = kind;
			conflict->blamed = user;
			return;
		}
	}
}

static void explain(struct replay *replay, struct conflict *conflict, int error,
		    const struct complaint *complaint)
{
	char label[LABEL_ROOM];

	if (error != -ENOENT || !conflict->blamed) {
		conflict->text = strdup(complaint->text);
	} else {
		object_label(conflict->blamed_kind, conflict->blamed, label, sizeof(label));
		if (asprintf(&conflict->text, "%s \"%s\" is gone",
			     schema_of(conflict->blamed_kind)->name, label) < 0)
			conflict->text = NULL;
	}
	replay->candidate->failed |= !conflict->text;
}

/* The line cannot be applied any more. */
static void add_refusal(struct replay *replay, int error, const struct change *change,
			const struct complaint *complaint)
{
	const struct config *then = base_of(replay, replay->line)->config;
	struct conflict *conflict = add_conflict(replay, change->kind, change->object, WHOLE);
	const struct attribute *attribute =
		complaint->word == COMPLAINT_WHOLE ?
			NULL : &schema_of(change->kind)->attribute[complaint->word];

	if (!conflict)
		return;
	if (error == -EBUSY) {
		blame_users(replay, conflict);
	} else if (error == -ENOENT && attribute && attribute->reference != NOT_A_REFERENCE) {
		conflict->blamed_kind = attribute->reference;
		conflict->blamed = config_find_name(then, attribute->reference,
						    member(attribute, change->object));
	} else {
		conflict->blamed = config_find(error == -ENOENT ? then : replay->running,
					       change->kind, change->object);
	}
	explain(replay, conflict, error, complaint);
}

/* Of the object as a whole: it is gone, or there, or another one. */
static void add_whole(struct replay *replay, enum kind kind, const void *object, bool gone)
{
	struct conflict *conflict = add_conflict(replay, kind, object, WHOLE);

	if (!conflict)
		return;
	conflict->blamed = object;
	conflict->gone = gone;
}

void replay_change(struct replay *replay, const struct change *change)
{
	struct complaint complaint = {.word = COMPLAINT_WHOLE};
	const struct base *base = base_of(replay, replay->line);
	bool stale = base->revision != replay->revision && !replay->replaced;
	const void *then = stale ? config_find(base->config, change->kind, change->object) : NULL;
	const void *now = stale ? config_find(replay->running, change->kind, change->object) : NULL;
	int result;

	forget_decided(replay, change);
	if (change->verb == VERB_SET && then && now)
		find_set_conflicts(replay, change, then, now);
	/* It was there already, and somebody has deleted it. */
	if (change->verb == VERB_ADD && then && !now)
		add_whole(replay, change->kind, then, true);
	/* Not applied: the line is to be typed again, on what is there now. */
	if (change->verb == VERB_DELETE && now &&
	    (!then || object_differs(change->kind, then, now))) {
		add_whole(replay, change->kind, now, false);
		return;
	}
	result = config_apply(replay->config, change, &complaint);
	/* Somebody has deleted it already: what the line wants is so. */
	if (result == -ENOENT && change->verb == VERB_DELETE && then && !now)
		return;
	if (result == -ENOMEM)
		replay->candidate->failed = true;
	else if (result < 0)
		add_refusal(replay, result, change, &complaint);
}

/* What others have changed since a file was loaded in place of all, the file would undo. */
static void find_replaced(void *context, enum kind kind, const void *before, const void *after)
{
	struct replay *replay = context;
	const struct schema *schema = schema_of(kind);
	const void *present = after ? after : before;
	const void *wanted = config_find(replay->config, kind, present);
	int attribute = WHOLE;
	struct conflict *conflict;

	if (!wanted && !after)
		return;
	for (unsigned i = 0; before && after && wanted && i < schema->attributes; i++)
		if (attribute_differs(&schema->attribute[i], before, after) &&
		    attribute_differs(&schema->attribute[i], after, wanted))
			attribute = (int)i;
	if (before && after && wanted && attribute == WHOLE)
		return;
	if (!before && wanted && !object_differs(kind, after, wanted))
		return;
	conflict = add_conflict(replay, kind, present, attribute);
	if (conflict)
		conflict->blamed = present;
}

void replay_find_replaced(struct replay *replay)
{
	const struct base *base = base_of(replay, replay->line);

	if (base->revision != replay->revision)
		config_compare(base->config, replay->running, find_replaced, replay);
}

/* ---- telling ---- */

/* A line that sets it names the object itself. */
static void describe_setting(const struct conflict *conflict, const void *then, const void *now,
			     bool named, const char *since, char *ret_text, size_t size)
{
	const struct schema *schema = schema_of(conflict->kind);
	const struct attribute *attribute = &schema->attribute[conflict->attribute];
	char was[TEXT_SIZE], is[TEXT_SIZE], of[LABEL_ROOM + NAME_SIZE] = "";

	if (!named)
		snprintf(of, sizeof(of), " of %s \"%s\"", schema->name, conflict->label);
	attribute_text(attribute, then, was, sizeof(was));
	attribute_text(attribute, now, is, sizeof(is));
	snprintf(ret_text, size, "%s%s is %s%s, it was %s", attribute->name, of, is, since, was);
}

static void describe_change(const struct session *session, const struct conflict *conflict,
			    const struct base *base, const char *since, char *ret_text, size_t size)
{
	const struct candidate_line *line =
		&session->candidate->list.line[conflict->line];
	const struct config *running = session->appliance->running(session->appliance->context);
	const void *then = config_find(base->config, conflict->kind, conflict->blamed);
	const void *now = config_find(running, conflict->kind, conflict->blamed);
	const char *kind = schema_of(conflict->kind)->name;

	if (!now || !then) {
		snprintf(ret_text, size, "%s \"%s\" %s%s", kind, conflict->label,
			 now ? "is there" : "is gone", since);
	} else if (conflict->attribute == WHOLE) {
		snprintf(ret_text, size, "%s \"%s\" has changed%s", kind, conflict->label, since);
	} else {
		describe_setting(conflict, then, now, !line->replaces, since, ret_text, size);
	}
}

static void tell_conflict(struct session *session, const struct conflict *conflict)
{
	struct candidate *candidate = session->candidate;
	const struct candidate_line *line = &candidate->list.line[conflict->line];
	const struct base *base = &candidate->base[line->base];
	struct place place = {
		.source = "<candidate>", .number = (unsigned)conflict->line + 1,
		.line = line->text, .size = strlen(line->text),
	};
	char since[BLAME_SIZE] = "", what[FAULT_TEXT_SIZE];
	int word = -1;

	if (conflict->blamed)
		blame(session, base->revision, conflict->blamed_kind, conflict->blamed,
		      conflict->attribute, since);
	if (conflict->text)
		snprintf(what, sizeof(what), "%.400s%s", conflict->text, since);
	else
		describe_change(session, conflict, base, since, what, sizeof(what));
	if (command_match(place.line, place.size, true, candidate->command, session->fault) <= 0)
		return;
	if (conflict->attribute != WHOLE && candidate->command->change.object)
		word = candidate->command->attribute_word[conflict->attribute];
	command_fault_word(candidate->command, word, session->fault, "conflict: %s", what);
	command_free(candidate->command);
	session_fault(session, &place, STATUS_REJECTED);
}

static int order_by_line(const void *a, const void *b)
{
	size_t one = ((const struct conflict *)a)->line, other = ((const struct conflict *)b)->line;

	return (one > other) - (one < other);
}

size_t candidate_tell_conflicts(struct session *session)
{
	struct candidate *candidate = session->candidate;
	size_t lines = 0;

	if (!candidate->conflicts)
		return 0;
	qsort(candidate->conflict, candidate->conflicts, sizeof(*candidate->conflict),
	      order_by_line);
	for (size_t i = 0; i < candidate->conflicts; i++) {
		lines += !i || candidate->conflict[i].line != candidate->conflict[i - 1].line;
		tell_conflict(session, &candidate->conflict[i]);
	}
	return lines;
}
