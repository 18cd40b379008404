#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/render.h"
#include "cli/report_rows.h"

enum { SCHEMA_VERSION = 1, MILLISECOND_NS = 1000000 };

/* {"schema":1,NAME:value} on a line of its own; takes the value over. */
static char *document(const char *name, json_t *value)
{
	json_t *root = json_pack("{s:i, s:o}", "schema", SCHEMA_VERSION, name, value);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	char *line = NULL;

	json_decref(root);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

static json_t *cell_json(const struct cell *cell)
{
	switch (cell->type) {
	case CELL_TEXT:
		return json_string(cell->text);
	case CELL_NUMBER:
		return json_integer((json_int_t)cell->number);
	case CELL_FLAG:
		return json_boolean(cell->number);
	case CELL_NULL:
		break;
	}
	return json_null();
}

static json_t *words_json(const char *text)
{
	json_t *list = json_array();

	for (size_t length; *(text += strspn(text, " ")); text += length) {
		length = strcspn(text, " ");
		json_array_append_new(list, json_stringn(text, length));
	}
	return list;
}

static json_t *row_json(const struct section *section, size_t row)
{
	json_t *object = json_object();

	for (size_t i = 0; i < section->columns; i++) {
		const struct column *column = &section->column[i];
		const struct cell *cell = section_cell(section, row, i);

		if (column->type == COLUMN_PROSE || column->type == COLUMN_REMARK)
			continue;
		if (column->type == COLUMN_WORDS && cell->type == CELL_TEXT)
			json_object_set_new(object, column->key, words_json(cell->text));
		else
			json_object_set_new(object, column->key, cell_json(cell));
	}
	return object;
}

static json_t *section_json(const struct section *section)
{
	json_t *list;

	if (section->shape == REPORT_OBJECT)
		return row_json(section, 0);
	list = json_array();
	for (size_t row = 0; row < section->rows; row++)
		json_array_append_new(list, row_json(section, row));
	return list;
}

char *render_json(const struct report *report)
{
	json_t *object;

	if (report->failed)
		return NULL;
	if (report->sections == 1 && !report->section[0].key)
		return document(report->name, section_json(&report->section[0]));
	object = json_object();
	for (size_t i = 0; i < report->sections; i++) {
		const struct section *section = &report->section[i];
		json_t *value = section_json(section);

		if (section->key) {
			json_object_set_new(object, section->key, value);
			continue;
		}
		json_object_update(object, value);
		json_decref(value);
	}
	return document(report->name, object);
}

/* "idle-timeout" -> "idle_timeout" */
static void json_key(const char *name, char *ret_key, size_t size)
{
	snprintf(ret_key, size, "%s", name);
	for (; *ret_key; ret_key++)
		if (*ret_key == '-')
			*ret_key = '_';
}

static json_t *list_json(const struct attribute *attribute, const struct address_list *list)
{
	json_t *array = json_array();
	char text[TEXT_SIZE];

	for (unsigned i = 0; i < list->count; i++) {
		value_format(attribute, list, i, text, sizeof(text));
		json_array_append_new(array, json_string(text));
	}
	return array;
}

static json_t *value_json(const struct attribute *attribute, const void *value)
{
	char text[TEXT_SIZE];
	uint32_t number;
	uint64_t ns;

	if (attribute->type == VALUE_ADDRESSES)
		return list_json(attribute, value);
	if (attribute_optional(attribute) && value_is_none(attribute->type, value))
		return json_null();
	if (attribute->type == VALUE_NUMBER) {
		memcpy(&number, value, sizeof(number));
		return json_integer(number);
	}
	if (attribute->type == VALUE_DURATION) {
		memcpy(&ns, value, sizeof(ns));
		return json_integer((json_int_t)ns);
	}
	value_format(attribute, value, 0, text, sizeof(text));
	return json_string(text);
}

/* An endpoint is two members, a VIP three: programs need not take text apart. */
static void set_attribute(json_t *object, const struct attribute *attribute, const void *value)
{
	static const char *const protocols[] = {
		[PROTOCOL_TCP] = "tcp", [PROTOCOL_UDP] = "udp", [PROTOCOL_ANY] = "any",
	};
	const struct endpoint *endpoint = value;
	const struct vip *vip = value;
	bool is_vip = attribute->type == VALUE_VIP;
	char key[64], text[TEXT_SIZE];

	json_key(attribute->name, key, sizeof(key));
	if (attribute->type != VALUE_ENDPOINT && !is_vip) {
		json_object_set_new(object, key, value_json(attribute, value));
		return;
	}
	format_address(is_vip ? vip->address : endpoint->address, text, sizeof(text));
	json_object_set_new(object, key, json_string(text));
	json_object_set_new(object, "port", json_integer(is_vip ? vip->port : endpoint->port));
	if (is_vip)
		json_object_set_new(object, "protocol", json_string(protocols[vip->protocol]));
}

static json_t *object_json(enum kind kind, const void *object)
{
	const struct schema *schema = schema_of(kind);
	json_t *result = json_object();

	for (unsigned i = 0; i < schema->attributes; i++)
		set_attribute(result, &schema->attribute[i],
			      (const char *)object + schema->attribute[i].offset);
	return result;
}

char *render_config_json(const struct config *config)
{
	json_t *root = json_object();

	for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
		json_t *list = kind == KIND_GLOBAL ? NULL : json_array();

		for (unsigned i = 0; list && i < config_count(config, kind); i++)
			json_array_append_new(list, object_json(kind, config_at(config, kind, i)));
		json_object_set_new(root, schema_of(kind)->name,
				    list ? list : object_json(KIND_GLOBAL, config_global(config)));
	}
	return document("config", root);
}

char *render_commit_json(uint64_t revision, bool changed, const struct waiting *waiting)
{
	json_t *object = json_pack("{s:I, s:b}", "revision", (json_int_t)revision, "changed",
				   changed);

	if (waiting) {
		json_object_set_new(object, "unconfirmed",
				    json_integer((json_int_t)waiting->revision));
		json_object_set_new(object, "reverts_to", json_integer((json_int_t)waiting->back));
		json_object_set_new(object, "reverts_at",
				    json_integer(waiting->deadline_ms * MILLISECOND_NS));
	}
	return document("commit", object);
}

char *render_confirm_json(uint64_t revision)
{
	return document("confirm", json_pack("{s:I}", "revision", (json_int_t)revision));
}

char *render_revision_json(uint64_t revision, const char *text)
{
	return document("revisions",
			json_pack("{s:I, s:s}", "revision", (json_int_t)revision, "text", text));
}

char *render_export_json(const char *text)
{
	return document("export", json_pack("{s:s}", "text", text));
}

char *render_candidate_json(uint64_t revision, long lines)
{
	return document("candidate", json_pack("{s:I, s:o}", "revision", (json_int_t)revision,
					       "lines", lines < 0 ? json_null() :
							json_integer(lines)));
}

char *render_trace_json(uint32_t packets)
{
	return document("trace", json_pack("{s:I}", "packets", (json_int_t)packets));
}

char *render_capture_json(const char *file, uint64_t frames, uint64_t lost)
{
	return document("capture", json_pack("{s:s, s:I, s:I}", "file", file, "frames",
					     (json_int_t)frames, "lost", (json_int_t)lost));
}

char *render_clear_json(uint64_t flows)
{
	return document("clear", json_pack("{s:I}", "flows", (json_int_t)flows));
}
