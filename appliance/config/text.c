/* The configuration as text: the script that rebuilds it.
 *
 * One line an object, in the order in which a script must define them; what is at its default is
 * left out. The same configuration gives the same text, byte for byte.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/config/object.h"

/* Text that grows to the end of its room and is counted beyond it, as snprintf does. */
struct writer {
	char *text;
	size_t size;
	size_t length;
};

__attribute__((format(printf, 2, 3)))
static void put(struct writer *writer, const char *format, ...)
{
	bool room = writer->length < writer->size;
	va_list arguments;
	int added;

	va_start(arguments, format);
	added = vsnprintf(room ? writer->text + writer->length : NULL,
			  room ? writer->size - writer->length : 0, format, arguments);
	va_end(arguments);
	writer->length += added > 0 ? (size_t)added : 0;
}

int word_quote(const char *word, char *ret_text, size_t size)
{
	struct writer writer = {ret_text, size, 0};

	if (*word && !strpbrk(word, " \t\"'\\#|;?"))
		return snprintf(ret_text, size, "%s", word);
	put(&writer, "\"");
	for (; *word; word++)
		put(&writer, "%s%c", *word == '"' || *word == '\\' ? "\\" : "", *word);
	put(&writer, "\"");
	return (int)writer.length;
}

static bool is_positional(const struct attribute *attribute)
{
	return attribute->flags & (ATTRIBUTE_ID | ATTRIBUTE_POSITIONAL);
}

/* " NAME VALUE", for a list once an item, for a positional one without its name. */
static void put_attribute(struct writer *writer, const struct attribute *attribute,
			  const void *object)
{
	const void *value = attribute_in(attribute, object);
	unsigned items = attribute->type == VALUE_ADDRESSES ?
			 ((const struct address_list *)value)->count : 1;
	char text[TEXT_SIZE], quoted[2 * TEXT_SIZE + 2];

	for (unsigned i = 0; i < items; i++) {
		value_format(attribute, value, i, text, sizeof(text));
		if (!is_positional(attribute))
			put(writer, " %s", attribute->name);
		if (attribute->type == VALUE_TEXT)
			word_quote(text, quoted, sizeof(quoted));
		put(writer, " %s", attribute->type == VALUE_TEXT ? quoted : text);
	}
}

void attribute_text(const struct attribute *attribute, const void *object, char *ret_text,
		    size_t size)
{
	const void *value = attribute_in(attribute, object);
	unsigned index = 0, last = 0;
	size_t length = 0;

	if (attribute->type == VALUE_ADDRESSES && !value_is_none(attribute->type, value))
		last = ((const struct address_list *)value)->count - 1;
	do {
		if (length + 1 < size && index)
			ret_text[length++] = ' ';
		length += (size_t)value_format(attribute, value, index, ret_text + length,
					       size - length);
	} while (index++ < last && length < size);
}

int object_text(enum kind kind, const void *object, char *ret_text, size_t size)
{
	const struct schema *schema = schema_of(kind);
	struct writer writer = {ret_text, size, 0};
	bool bare = true;

	put(&writer, "%s %s", kind == KIND_GLOBAL ? "set" : "add", schema->name);
	for (unsigned i = 0; i < schema->attributes; i++) {
		const struct attribute *attribute = &schema->attribute[i];

		if (!is_positional(attribute) && attribute_is_initial(attribute, object))
			continue;
		put_attribute(&writer, attribute, object);
		bare = false;
	}
	return bare ? snprintf(ret_text, size, "%s", "") : (int)writer.length;
}

int object_label(enum kind kind, const void *object, char *ret_text, size_t size)
{
	const struct schema *schema = schema_of(kind);
	struct writer writer = {ret_text, size, 0};
	char text[TEXT_SIZE];

	for (unsigned i = 0; i < schema->attributes && schema->attribute[i].flags & ATTRIBUTE_ID;
	     i++) {
		value_format(&schema->attribute[i], attribute_in(&schema->attribute[i], object), 0,
			     text, sizeof(text));
		put(&writer, "%s%s", i ? "/" : "", text);
	}
	if (!writer.length)
		put(&writer, "%s", schema->name);
	return (int)writer.length;
}

/* What a memory stream lacks the memory for it drops, and sets no error (glibc 2.36): what it has
 * taken of each line is counted. */
static bool put_lines(FILE *stream, const struct config *config)
{
	char line[4 * TEXT_SIZE + 2048];

	for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
		for (unsigned i = 0; i < config_count(config, kind); i++) {
			int length = object_text(kind, config_at(config, kind, i), line,
						 sizeof(line));

			if (length > 0 && fprintf(stream, "%s\n", line) != length + 1)
				return false;
		}
	}
	return true;
}

char *config_text(const struct config *config)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	bool whole;

	if (!stream)
		return NULL;
	whole = put_lines(stream, config);
	if (fclose(stream) || !whole) {
		free(text);
		return NULL;
	}
	return text;
}
