#include "cli/candidate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conflict.h"

bool line_list_add(struct line_list *list, const char *text, size_t size, bool replaces)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct candidate_line *line = reallocarray(list->line, capacity, sizeof(*line));

		if (!line)
			return false;
		list->line = line;
		list->capacity = capacity;
	}
	list->line[list->count] =
		(struct candidate_line){.text = strndup(text, size), .replaces = replaces};
	if (!list->line[list->count].text)
		return false;
	list->count++;
	return true;
}

void line_list_free(struct line_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->line[i].text);
	free(list->line);
	*list = (struct line_list){0};
}

struct candidate *candidate_new(void)
{
	struct candidate *candidate = calloc(1, sizeof(*candidate));

	if (!candidate)
		return NULL;
	candidate->command = calloc(1, sizeof(*candidate->command));
	candidate->fault = calloc(1, sizeof(*candidate->fault));
	if (candidate->command && candidate->fault)
		return candidate;
	candidate_free(candidate);
	return NULL;
}

static void forget_view(struct candidate *candidate)
{
	while (candidate->conflicts)
		conflict_forget(candidate, 0);
	config_free(candidate->view);
	candidate->view = NULL;
}

void candidate_free(struct candidate *candidate)
{
	if (!candidate)
		return;
	forget_view(candidate);
	free(candidate->conflict);
	for (size_t i = 0; i < candidate->bases; i++)
		config_free(candidate->base[i].config);
	free(candidate->base);
	line_list_free(&candidate->list);
	free(candidate->command);
	free(candidate->fault);
	free(candidate);
}

size_t candidate_lines(const struct candidate *candidate)
{
	return candidate->list.count;
}

static void replay_line(struct replay *replay)
{
	struct candidate *candidate = replay->candidate;
	const struct candidate_line *line = &candidate->list.line[replay->line];
	int result;

	if (line->replaces) {
		while (candidate->conflicts)
			conflict_forget(candidate, 0);
		config_free(replay->config);
		replay->config = config_new();
		replay->replaced = replay->line + 1;
		return;
	}
	/* It has matched when it was typed: now, only memory can lack. */
	result = command_match(line->text, strlen(line->text), true, candidate->command,
			       candidate->fault);
	if (result <= 0) {
		candidate->failed = true;
		return;
	}
	replay_change(replay, &candidate->command->change);
	command_free(candidate->command);
}

static struct replay replay_all(struct candidate *candidate, const struct config *running,
				uint64_t revision)
{
	struct replay replay = {
		.candidate = candidate, .running = running, .revision = revision,
		.config = config_copy(running),
	};

	for (; replay.config && !candidate->failed && replay.line < candidate->list.count;
	     replay.line++)
		replay_line(&replay);
	if (replay.config && replay.replaced && !candidate->failed) {
		replay.line = replay.replaced - 1;
		replay_find_replaced(&replay);
	}
	return replay;
}

const struct config *candidate_view(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	struct candidate *candidate = session->candidate;
	uint64_t revision = appliance->revision(appliance->context);
	struct replay replay;

	if (candidate->view && candidate->view_revision == revision)
		return candidate->view;
	forget_view(candidate);
	candidate->failed = false;
	replay = replay_all(candidate, appliance->running(appliance->context), revision);
	if (candidate->failed || !replay.config) {
		config_free(replay.config);
		return NULL;
	}
	candidate->view = replay.config;
	candidate->view_revision = revision;
	return candidate->view;
}

/* The base of what is typed now; NO_BASE where memory lacks. */
#define NO_BASE SIZE_MAX

static size_t present_base(struct session *session)
{
	const struct appliance *appliance = session->appliance;
	struct candidate *candidate = session->candidate;
	uint64_t revision = appliance->revision(appliance->context);
	struct base *base;

	if (candidate->bases && candidate->base[candidate->bases - 1].revision == revision)
		return candidate->bases - 1;
	base = reallocarray(candidate->base, candidate->bases + 1, sizeof(*base));
	if (!base)
		return NO_BASE;
	candidate->base = base;
	base += candidate->bases;
	*base = (struct base){
		.revision = revision, .config = config_copy(appliance->running(appliance->context)),
	};
	return base->config ? candidate->bases++ : NO_BASE;
}

static bool make_room(struct line_list *list, size_t more)
{
	struct candidate_line *line;

	if (list->capacity - list->count >= more)
		return true;
	line = reallocarray(list->line, list->count + more, sizeof(*line));
	if (!line)
		return false;
	list->line = line;
	list->capacity = list->count + more;
	return true;
}

bool candidate_take(struct session *session, struct line_list *list, struct config *view)
{
	struct candidate *candidate = session->candidate;
	size_t base = present_base(session);
	bool settled = !candidate->conflicts;

	if (base == NO_BASE || !make_room(&candidate->list, list->count)) {
		config_free(view);
		return false;
	}
	for (size_t i = 0; i < list->count; i++) {
		list->line[i].base = base;
		candidate->list.line[candidate->list.count++] = list->line[i];
	}
	list->count = 0;
	forget_view(candidate);
	/* Where there are conflicts, the lines may have decided them: the next look replays all. */
	if (settled) {
		candidate->view = view;
		candidate->view_revision = candidate->base[base].revision;
	} else {
		config_free(view);
	}
	return true;
}

char *candidate_drop(struct session *session, size_t number)
{
	struct candidate *candidate = session->candidate;
	struct line_list *list = &candidate->list;
	char *text;

	if (!number || number > list->count)
		return NULL;
	text = list->line[number - 1].text;
	list->count--;
	memmove(&list->line[number - 1], &list->line[number],
		(list->count - (number - 1)) * sizeof(*list->line));
	forget_view(candidate);
	return text;
}
