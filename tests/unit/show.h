/* Reports of a test's appliance, as programs and people get them. */
#ifndef TESTS_UNIT_SHOW_H
#define TESTS_UNIT_SHOW_H

#include "tests/unit/world.h"

#include <errno.h>
#include <jansson.h>

#include "appliance/reports.h"
#include "cli/render.h"

struct stage {
	struct world *world;
	struct control control;
	struct report *report; /* the last one */
	char *text;            /* the last text */
	json_t *document;      /* the last document */
	char error[512];
};

/* As a replay has it: errands run in place, and there are no ports, no loop and no store. */
__attribute__((unused)) static struct stage *stage_new(struct world *world)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	stage->world = world;
	stage->control.mailbox = mailbox_new();
	stage->control.journal = journal_new();
	assert_non_null(stage->control.mailbox);
	assert_non_null(stage->control.journal);
	return stage;
}

static void stage_clear(struct stage *stage)
{
	report_free(stage->report);
	free(stage->text);
	json_decref(stage->document);
	stage->report = NULL;
	stage->text = NULL;
	stage->document = NULL;
}

__attribute__((unused)) static void stage_free(struct stage *stage)
{
	stage_clear(stage);
	journal_free(stage->control.journal);
	mailbox_free(stage->control.mailbox);
	world_free(stage->world);
	free(stage);
}

/* What the world is at this moment, as control would have it. */
static struct control *stage_control(struct stage *stage)
{
	stage->control.compiler = stage->world->compiler;
	stage->control.running = stage->world->config;
	stage->control.serving = stage->world->config;
	mailbox_use_in_place(stage->control.mailbox, stage->world->path, stage->world->now_ns);
	return &stage->control;
}

static void stage_take_text(void *context, bool heading, const char *text, size_t size)
{
	struct stage *stage = context;
	size_t length = stage->text ? strlen(stage->text) : 0;

	(void)heading;
	stage->text = realloc(stage->text, length + size + 1);
	assert_non_null(stage->text);
	memcpy(stage->text + length, text, size);
	stage->text[length + size] = '\0';
}

/* The document's list or object, borrowed until the next report. */
static json_t *stage_render(struct stage *stage, const char *name)
{
	char *line = render_json(stage->report);
	json_error_t error;

	assert_non_null(line);
	assert_int_equal(render_text(stage->report, stage_take_text, stage), 0);
	stage->document = json_loads(line, 0, &error);
	free(line);
	assert_non_null(stage->document);
	assert_int_equal(json_integer_value(json_object_get(stage->document, "schema")), 1);
	json_t *value = json_object_get(stage->document, name);
	assert_non_null(value);
	return value;
}

__attribute__((unused)) static json_t *stage_show(struct stage *stage, enum topic topic,
						  const char *name, struct filter filter)
{
	stage_clear(stage);
	if (reports_show(stage_control(stage), topic, &filter, &stage->report, stage->error,
			 sizeof(stage->error)))
		fail_msg("show %s: %s", name, stage->error);
	return stage_render(stage, name);
}

#define show(stage, topic, name, ...) \
	stage_show(stage, TOPIC_##topic, name, (struct filter){__VA_ARGS__})

__attribute__((unused)) static const json_t *stage_lookup(struct stage *stage, const char *source,
							  const char *destination)
{
	struct tuple_question question = {.udp = false};

	assert_int_equal(parse_endpoint(source, &question.source), 0);
	assert_int_equal(parse_endpoint(destination, &question.destination), 0);
	stage_clear(stage);
	assert_int_equal(reports_lookup(stage_control(stage), &question, &stage->report, stage->error,
					sizeof(stage->error)), 0);
	return stage_render(stage, "lookup");
}

/* What it is refused with. */
__attribute__((unused)) static const char *stage_refuse(struct stage *stage, enum topic topic,
							struct filter filter)
{
	stage_clear(stage);
	assert_int_equal(reports_show(stage_control(stage), topic, &filter, &stage->report,
				      stage->error, sizeof(stage->error)), -ENOENT);
	assert_null(stage->report);
	return stage->error;
}

__attribute__((unused)) static uint64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("%s is no number", key);
	return (uint64_t)json_integer_value(value);
}

/* "" for null. */
__attribute__((unused)) static const char *text(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value) && !json_is_null(value))
		fail_msg("%s is no text", key);
	return json_is_null(value) ? "" : json_string_value(value);
}

/* The row of a list whose `key` has this text. */
__attribute__((unused)) static const json_t *row(const json_t *list, const char *key, const char *value)
{
	const json_t *found;
	size_t i;

	json_array_foreach(list, i, found)
		if (strcmp(text(found, key), value) == 0)
			return found;
	fail_msg("no row with %s %s", key, value);
	return NULL;
}

#endif
