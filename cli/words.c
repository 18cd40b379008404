#include "cli/words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int fault_say(struct fault *ret_fault, const char *format, va_list arguments)
{
	vsnprintf(ret_fault->text, sizeof(ret_fault->text), format, arguments);
	return -EINVAL;
}

int fault_at(struct fault *ret_fault, size_t offset, size_t length, const char *format, ...)
{
	va_list arguments;

	ret_fault->placed = true;
	ret_fault->offset = offset;
	ret_fault->length = length;
	va_start(arguments, format);
	fault_say(ret_fault, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

int fault_whole(struct fault *ret_fault, const char *format, ...)
{
	va_list arguments;

	ret_fault->placed = false;
	va_start(arguments, format);
	fault_say(ret_fault, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

bool script_line(const char *text, size_t size, size_t *at, const char **ret_line, size_t *ret_size)
{
	const char *line = text + *at, *end;

	if (*at >= size)
		return false;
	end = memchr(line, '\n', size - *at);
	*ret_size = end ? (size_t)(end - line) : size - *at;
	*at += *ret_size + (end ? 1 : 0);
	if (*ret_size && line[*ret_size - 1] == '\r')
		--*ret_size;
	*ret_line = line;
	return true;
}

/* How many bytes the character at `text` has; 0 where it is not UTF-8 (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *text, size_t size)
{
	static const struct { unsigned char first, last, low, high; uint8_t length;
	} forms[] = {
		{0x00, 0x7f, 0, 0, 1},	     {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t length = forms[i].length;

		if (*text < forms[i].first || *text > forms[i].last)
			continue;
		if (length > size ||
		    (length > 1 && (text[1] < forms[i].low || text[1] > forms[i].high)))
			return 0;
		for (size_t j = 2; j < length; j++)
			if ((text[j] & 0xc0) != 0x80)
				return 0;
		return length;
	}
	return 0;
}

static int check_bytes(const char *line, size_t size, struct fault *ret_fault)
{
	const unsigned char *bytes = (const unsigned char *)line;

	if (size > LINE_SIZE_MAX)
		return fault_whole(ret_fault, "line of %zu bytes, at most %d are allowed", size,
				   LINE_SIZE_MAX);
	for (size_t i = 0, length; i < size; i += length) {
		length = utf8_length(bytes + i, size - i);
		if (!length)
			return fault_at(ret_fault, i, 1, "byte 0x%02x is not UTF-8", bytes[i]);
		if (bytes[i] == 0)
			return fault_at(ret_fault, i, 1, "NUL byte");
		if ((bytes[i] < ' ' && bytes[i] != '\t') || bytes[i] == 0x7f)
			return fault_at(ret_fault, i, 1, "control character 0x%02x", bytes[i]);
	}
	return 0;
}

/* What is being cut: the line, how far, and where the next word's text goes. */
struct cutter {
	const char *line;
	size_t size, at;
	char *room;
	bool typing;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int cut_quoted(struct cutter *cutter, struct word *word, struct fault *ret_fault)
{
	const char *line = cutter->line;
	char quote = line[cutter->at];

	for (cutter->at++; cutter->at < cutter->size && line[cutter->at] != quote; cutter->at++) {
		bool escape = quote == '"' && line[cutter->at] == '\\' &&
			      cutter->at + 1 < cutter->size && strchr("\"\\", line[cutter->at + 1]);

		cutter->at += escape;
		*cutter->room++ = line[cutter->at];
	}
	if (cutter->at == cutter->size)
		return cutter->typing ?
			       0 :
			       fault_at(ret_fault, word->offset, cutter->size - word->offset,
					"quote is not closed");
	cutter->at++;
	if (cutter->at < cutter->size && !is_blank(line[cutter->at]) && line[cutter->at] != '|')
		return fault_at(ret_fault, cutter->at, 1,
				"blank is missing after the closing quote");
	return 0;
}

static int cut_word(struct cutter *cutter, struct word *word, struct fault *ret_fault)
{
	const char *line = cutter->line;
	int error = 0;

	*word = (struct word){.text = cutter->room, .offset = cutter->at};
	if (line[cutter->at] == '"' || line[cutter->at] == '\'') {
		word->quoted = true;
		error = cut_quoted(cutter, word, ret_fault);
	} else if (line[cutter->at] == '|') {
		word->pipe = true;
		*cutter->room++ = line[cutter->at++];
	} else {
		while (cutter->at < cutter->size && !is_blank(line[cutter->at]) &&
		       line[cutter->at] != '|')
			*cutter->room++ = line[cutter->at++];
	}
	*cutter->room++ = 0;
	word->length = cutter->at - word->offset;
	return error;
}

int words_cut(const char *line, size_t size, bool typing, struct words *ret_words,
	      struct fault *ret_fault)
{
	struct cutter cutter = {line, size, 0, ret_words->storage, typing};
	int error = check_bytes(line, size, ret_fault);

	ret_words->count = 0;
	ret_words->end = 0;
	ret_words->open = false;
	while (!error) {
		while (cutter.at < size && is_blank(line[cutter.at]))
			cutter.at++;
		if (cutter.at == size || line[cutter.at] == '#')
			break;
		if (ret_words->count == WORDS_MAX)
			return fault_at(ret_fault, cutter.at, 1, "more than %d words", WORDS_MAX);
		error = cut_word(&cutter, &ret_words->word[ret_words->count++], ret_fault);
		ret_words->end = cutter.at;
		ret_words->open = cutter.at == size && !ret_words->word[ret_words->count - 1].pipe;
	}
	return error;
}
