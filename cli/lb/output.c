#include "cli/lb/output.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_SIZE = 32 };

/* The operator's own pager, or what there is. */
static const char pager[] = "p=${PAGER:-}; [ -n \"$p\" ] && exec sh -c \"$p\"; "
			    "command -v less >/dev/null && exec less -FRX; "
			    "command -v more >/dev/null && exec more; exec cat";

int output_filter(struct output *output, enum pipe_type type, const char *pattern, char *error,
		  size_t error_size)
{
	struct output_filter *filter = &output->filter[output->filters];
	int code;

	if (type == PIPE_NO_MORE) {
		output->no_more = true;
		return 0;
	}
	if (output->filters == FILTERS_MAX)
		return 0;
	*filter = (struct output_filter){.type = type};
	if (type == PIPE_COUNT) {
		output->filters++;
		return 0;
	}
	code = regcomp(&filter->expression, pattern, REG_EXTENDED | REG_NOSUB);
	if (code) {
		output->broken = true;
		snprintf(error, error_size, "\"%s\" is not a regular expression: ", pattern);
		regerror(code, &filter->expression, error + strlen(error),
			 error_size - strlen(error));
		return -EINVAL;
	}
	output->filters++;
	return 0;
}

static void show(struct output *output, const char *text, size_t size)
{
	if (output->pages && output->length)
		buffer_append(&output->page, text, size);
	else
		fwrite(text, 1, size, stdout);
}

/* A line without its newline, from the filter `from` on. The line is terminated for regexec(). */
static void pass_line(struct output *output, unsigned from, char *line, size_t length)
{
	for (unsigned i = from; i < output->filters; i++) {
		struct output_filter *filter = &output->filter[i];

		if (filter->type == PIPE_COUNT) {
			filter->count++;
			return;
		}
		if ((regexec(&filter->expression, line, 0, NULL, 0) == 0) !=
		    (filter->type == PIPE_MATCH))
			return;
	}
	line[length] = '\n';
	show(output, line, length + 1);
}

static void pass_lines(struct output *output)
{
	struct buffer *buffer = &output->line;
	char *line, *end;

	while (buffer_left(buffer)) {
		line = (char *)buffer->bytes + buffer->start;
		end = memchr(line, '\n', buffer_left(buffer));
		if (!end)
			return;
		*end = 0;
		pass_line(output, 0, line, (size_t)(end - line));
		buffer_consume(buffer, (size_t)(end - line) + 1);
	}
}

void output_text(struct output *output, bool heading, const char *text, size_t size)
{
	bool counts = output->filters && output->filter[output->filters - 1].type == PIPE_COUNT;

	if (output->broken || (heading && counts))
		return;
	if (heading || !output->filters) {
		show(output, text, size);
		return;
	}
	buffer_append(&output->line, text, size);
	pass_lines(output);
}

static size_t format_count(uint64_t count, char *ret_line)
{
	return (size_t)snprintf(ret_line, COUNT_SIZE, "%" PRIu64, count);
}

/* A count is the line that it makes for the filters behind it. */
static void end_filters(struct output *output)
{
	char line[COUNT_SIZE];

	if (buffer_left(&output->line)) {
		buffer_append(&output->line, "\n", 1);
		pass_lines(output);
	}
	for (unsigned i = 0; i < output->filters; i++) {
		if (output->filter[i].type != PIPE_COUNT) {
			regfree(&output->filter[i].expression);
			continue;
		}
		if (!output->broken)
			pass_line(output, i + 1, line, format_count(output->filter[i].count, line));
	}
}

static unsigned count_lines(const struct buffer *buffer)
{
	unsigned lines = 0;

	for (size_t i = buffer->start; i < buffer->size; i++)
		lines += buffer->bytes[i] == '\n';
	return lines;
}

/* A person who leaves the pager early ends the pipe, not lb. The pager gets its signals, whatever
 * lb holds back. */
static bool show_in_pager(const struct buffer *page)
{
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);
	sigset_t none, blocked;
	FILE *stream;

	fflush(stdout);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, &blocked);
	stream = popen(pager, "w");
	if (stream) {
		fwrite(page->bytes + page->start, 1, buffer_left(page), stream);
		pclose(stream);
	}
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	signal(SIGPIPE, before);
	return stream;
}

void output_end(struct output *output)
{
	end_filters(output);
	if (buffer_left(&output->page) &&
	    (output->no_more || count_lines(&output->page) < output->length ||
	     !show_in_pager(&output->page)))
		fwrite(output->page.bytes + output->page.start, 1, buffer_left(&output->page),
		       stdout);
	buffer_consume(&output->page, buffer_left(&output->page));
	output->filters = 0;
	output->no_more = output->broken = false;
}

void output_free(struct output *output)
{
	buffer_free(&output->line);
	buffer_free(&output->page);
}
