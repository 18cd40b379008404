#include "cli/lb/complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <readline/readline.h>

enum { WORDS_MAX = 64 }; /* of a command; more is no command */

/* How a line may go on: words, and what else. */
struct ways {
	char **word;
	size_t words;
	unsigned besides; /* enum completion */
};

static void add_word(struct ways *ways, char *word)
{
	char **more = reallocarray(ways->word, ways->words + 1, sizeof(*more));

	if (!more) {
		free(word);
		return;
	}
	ways->word = more;
	ways->word[ways->words++] = word;
}

/* A folder goes on behind its slash. */
static char *with_slash(char *name)
{
	struct stat status;
	char *longer;

	if (stat(name, &status) < 0 || !S_ISDIR(status.st_mode) ||
	    asprintf(&longer, "%s/", name) < 0)
		return name;
	free(name);
	return longer;
}

static struct ways find_ways(struct exchange *exchange, const char *line, const char *last_word)
{
	struct ways ways = {0};
	char *name;

	ways.word = exchange_complete(exchange, line, &ways.besides);
	while (ways.word && ways.word[ways.words])
		ways.words++;
	if (ways.besides & COMPLETION_FILES)
		for (int state = 0; (name = rl_filename_completion_function(last_word, state));
		     state++)
			add_word(&ways, with_slash(name));
	return ways;
}

static void forget_ways(struct ways *ways)
{
	for (size_t i = 0; i < ways->words; i++)
		free(ways->word[i]);
	free(ways->word);
}

/* The line with its last word completed and a blank behind it, where a next word is to come. */
static char *go_on(struct exchange *exchange, const char *before, const char *word)
{
	unsigned besides = 0;
	char **next, *line;

	if (asprintf(&line, "%s%s ", before, word) < 0)
		return NULL;
	next = exchange_complete(exchange, line, &besides);
	for (size_t i = 0; next && next[i]; i++)
		free(next[i]);
	free(next);
	if (!(besides & COMPLETION_END) && word[strlen(word) - 1] != '/')
		return line;
	free(line);
	return NULL;
}

static void print_ways(const char *before, const struct ways *ways)
{
	for (size_t i = 0; i < ways->words; i++)
		printf("%s%s\n", before, ways->word[i]);
}

/* True where the line has been printed; false where it goes on, as *line. */
static bool print_or_go_on(struct exchange *exchange, char **line)
{
	size_t at = strlen(*line);
	char *before, *longer = NULL;
	struct ways ways;

	while (at && !strchr(" \t|", (*line)[at - 1]))
		at--;
	before = strndup(*line, at);
	ways = find_ways(exchange, *line, *line + at);
	if (before && ways.words == 1)
		longer = go_on(exchange, before, ways.word[0]);
	if (before && !longer)
		print_ways(before, &ways);
	/* A value that only the operator knows: two ways, as far as the shell is concerned. */
	if (!ways.words && at == strlen(*line) && ways.besides == COMPLETION_VALUE)
		printf("%s\n%s...\n", *line, *line);
	forget_ways(&ways);
	free(before);
	if (!longer)
		return true;
	free(*line);
	*line = longer;
	return false;
}

void complete_print(struct exchange *exchange, const char *text)
{
	char *line = strdup(text);

	for (int words = 0; line && words < WORDS_MAX && !print_or_go_on(exchange, &line); words++)
		;
	free(line);
}
