/* What is typed at a console: every line is matched, completed and explained as far as it goes, then run
 * in a session, where a candidate may be open. A file that a command asks for has the lines that follow
 * it. */
#include "cli/match.h"
#include "tests/proof/fuzz/fuzz.h"
#include "tests/proof/fuzz/talker.h"

enum { LINES_MAX = 64, LINE_MAX_SIZE = 1024 };

static struct talker talker;

void fuzz_init(void)
{
}

/* A fault is told of bytes of the line, or of the place behind it where a word is missing. */
static void check_match(const char *line, size_t size)
{
	static struct command command;
	struct fault fault = {.text = ""};
	int result[2];

	for (int prefixes = 0; prefixes < 2; prefixes++) {
		result[prefixes] = command_match(line, size, prefixes, &command, &fault);
		if (result[prefixes] > 0)
			command_free(&command);
		if (result[prefixes] < 0 && (!fault.text[0] || fault.offset > size + 1 ||
					     fault.length > size + 2 - fault.offset))
			talker_fail("a fault of a line is not in the line");
		if (result[prefixes] < 0)
			free(fault_text(&fault, "x", 1, line, size));
	}
	if (result[0] > 0 && result[1] <= 0)
		talker_fail("a line of whole words is none where prefixes will do");
}

struct completion_of {
	const char *line;
	const char *typed; /* the word that the cursor is in */
};

static void on_candidate(void *context, const char *word)
{
	const struct completion_of *of = context;

	talker_digest(&talker, word, strlen(word));
	if (!strpbrk(of->typed, "\"'\\ |#") && strncmp(word, of->typed, strlen(of->typed)) != 0)
		talker_fail("\"%s\" is offered where \"%s\" was typed", word, of->typed);
}

static void check_completion(const char *line)
{
	const char *blank = strrchr(line, ' ');
	struct completion_of of = {line, blank ? blank + 1 : line};

	/* Where words do not end at blanks alone, which one it is is not known here. */
	if (strpbrk(line, "\t\"'#"))
		of.typed = "";
	session_complete(talker.session, line, on_candidate, &of);
	session_help(talker.session, line);
}

/* Returns where the next line begins. */
static const char *run_line(const char *text, const char *end)
{
	const char *stop = memchr(text, '\n', (size_t)(end - text));
	size_t size = (size_t)((stop ? stop : end) - text);
	const char *rest = stop ? stop + 1 : end;
	char line[LINE_MAX_SIZE];

	if (size >= sizeof(line))
		return rest;
	memcpy(line, text, size);
	line[size] = 0;
	if (talker.tell)
		printf("lb> %s\n", line);
	check_match(line, size);
	if (strlen(line) == size && !session_busy(talker.session))
		check_completion(line);
	talker_run(&talker, (struct request){.flags = REQUEST_PREFIXES, .source = "", .text = line,
					     .size = size}, rest, (size_t)(end - rest));
	return rest;
}

uint64_t fuzz_one(const uint8_t *data, size_t size, int tell)
{
	const char *at = (const char *)data, *end = at + size;
	struct config *before;
	uint64_t digest;

	talker_begin(&talker, tell);
	talker.fake.flows = 9;
	for (unsigned lines = 0; at < end && lines < LINES_MAX; lines++)
		at = run_line(at, end);
	/* What a candidate has is nobody's yet. */
	before = config_copy(talker.fake.running);
	talker_run(&talker, (struct request){.source = "", .text = "discard", .size = 7}, "", 0);
	if (config_compare(before, talker.fake.running, NULL, NULL))
		talker_fail("discard changes what runs");
	config_free(before);
	talker_check_export(&talker);
	digest = talker.digest;
	talker_end(&talker);
	return digest;
}
