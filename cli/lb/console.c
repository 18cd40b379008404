#include "cli/lb/console.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "cli/lb/exchange.h"
#include "cli/lb/signals.h"

enum { HISTORY_MAX = 1000, HISTORY_MODE = 0600 };

/* The second where a candidate is open. */
static const char prompt[] = "lb> ", candidate_prompt[] = "lb*> ";

/* readline keeps its state in globals and hands its callbacks nothing: what they need is here. */
static struct console {
	struct exchange exchange;
	char *line;              /* typed, to be run; NULL where none */
	bool ended, quitting;
	struct candidate_state candidate;
	bool warned;             /* that it would be lost */
	bool editing;            /* readline holds the terminal */
	char *history;           /* file; NULL: none */
	unsigned length;         /* of the screen, if the operator has said so */
	bool length_set;
	enum exit_status status;
} console;

static unsigned screen_length(void)
{
	int rows = 0, columns = 0;

	if (console.length_set)
		return console.length;
	rl_get_screen_size(&rows, &columns);
	return rows > 0 ? (unsigned)rows : 0;
}

/* History: of interactive sessions only, readable to its owner alone. */

static void history_open(void)
{
	const char *home = getenv("HOME");
	FILE *file;

	using_history();
	stifle_history(HISTORY_MAX);
	if (!home || asprintf(&console.history, "%s/.lb_history", home) < 0) {
		console.history = NULL;
		return;
	}
	file = fopen(console.history, "a");
	if (file) {
		fchmod(fileno(file), HISTORY_MODE);
		fclose(file);
	}
	read_history(console.history);
}

/* A paste of several lines is kept as so many lines. */
static void history_keep(const char *typed)
{
	char *copy = strdup(typed), *rest = copy, *line;

	while (copy && (line = strsep(&rest, "\n"))) {
		const HIST_ENTRY *last = history_length ?
					 history_get(history_base + history_length - 1) : NULL;

		if (!line[strspn(line, " \t\r")] || (last && strcmp(last->line, line) == 0))
			continue;
		add_history(line);
		if (console.history)
			append_history(1, console.history);
	}
	free(copy);
}

static void history_print(void)
{
	char text[4096];

	for (int i = 0; i < history_length; i++) {
		const HIST_ENTRY *entry = history_get(history_base + i);

		if (!entry)
			continue;
		snprintf(text, sizeof(text), "%5d  %s\n", i + 1, entry->line);
		output_text(&console.exchange.output, false, text, strlen(text));
	}
	output_end(&console.exchange.output);
}

/* Whether to leave: who would lose what was typed is told so first, and asked to say it again. */
static bool may_leave(void)
{
	if (!console.candidate.lines || console.warned)
		return true;
	console.warned = true;
	fprintf(stderr, "warning: the candidate has %u line%s that nobody has committed; leave "
		"again and %s lost\n", console.candidate.lines, console.candidate.lines == 1 ? "" : "s",
		console.candidate.lines == 1 ? "it is" : "they are");
	return false;
}

static void on_action(void *context, const char *action)
{
	(void)context;
	if (strcmp(action, "quit") == 0)
		console.quitting = may_leave();
	else if (candidate_state_take(&console.candidate, action))
		console.warned = false;
	else if (strcmp(action, "history") == 0)
		history_print();
	else if (sscanf(action, "length %u", &console.length) == 1)
		console.length_set = true;
}

/* Above the line that is being typed, which is drawn again below. */
static void on_event(void *context, const char *sentence)
{
	(void)context;
	if (console.editing)
		rl_clear_visible_line();
	printf("%% %s\n", sentence);
	if (console.editing) {
		rl_on_new_line();
		rl_redisplay();
	}
	fflush(stdout);
}

/* The line up to the cursor, allocated. */
static char *line_before(int end)
{
	return strndup(rl_line_buffer, (size_t)end);
}

/* True where the cursor is within quotes: there, `?` is a character like any other. */
static bool is_quoted(const char *line)
{
	char quote = 0;

	for (char before = ' '; *line; before = *line++) {
		if (quote == '"' && *line == '\\' && line[1])
			line++;
		else if (*line == quote)
			quote = 0;
		else if (!quote && strchr("\"'", *line) && strchr(" \t|", before))
			quote = *line;
	}
	return quote;
}

static int on_question(int count, int key)
{
	char *line = line_before(rl_point);

	if (!line || is_quoted(line)) {
		free(line);
		return rl_insert(count, key);
	}
	rl_crlf();
	exchange_help(&console.exchange, line);
	fflush(stdout);
	free(line);
	rl_on_new_line();
	rl_redisplay();
	return 0;
}

/* The words that lbd told; readline frees each and asks for the next. */
static char **candidates;
static size_t next_candidate;
static bool files_too;
static int next_file;

static char *give_candidate(const char *text, int state)
{
	char *candidate = NULL;

	if (!state) {
		next_candidate = 0;
		next_file = 0;
	}
	if (candidates)
		candidate = candidates[next_candidate];
	if (candidate)
		next_candidate++;
	else if (files_too)
		candidate = rl_filename_completion_function(text, next_file++);
	return candidate;
}

static char **on_complete(const char *text, int start, int end)
{
	char *line = line_before(end), **matches;
	unsigned besides = 0;

	(void)start;
	candidates = line ? exchange_complete(&console.exchange, line, &besides) : NULL;
	files_too = besides & COMPLETION_FILES;
	/* Where there are none, readline knows better itself. */
	rl_attempted_completion_over = !files_too;
	rl_filename_completion_desired = files_too;
	matches = candidates ? rl_completion_matches(text, give_candidate) : NULL;
	free(candidates);
	candidates = NULL;
	free(line);
	return matches;
}

/* A whole line, or Ctrl-D. The terminal is given back before it is run. */
static void on_line(char *line)
{
	rl_callback_handler_remove();
	console.editing = false;
	console.line = line;
	console.ended = !line;
}

static void start_editing(void)
{
	rl_callback_handler_install(console.candidate.open ? candidate_prompt : prompt, on_line);
	console.editing = true;
}

static void readline_open(void)
{
	rl_readline_name = "lb";
	rl_catch_signals = 0;
	rl_catch_sigwinch = 0;
	rl_completer_word_break_characters = " \t|";
	rl_completer_quote_characters = "\"'";
	rl_attempted_completion_function = on_complete;
	/* A second Tab lists. Before ~/.inputrc is read, which may say otherwise. */
	rl_variable_bind("show-all-if-unmodified", "on");
	rl_initialize();
	rl_bind_key_in_map('?', on_question, emacs_standard_keymap);
	rl_bind_key_in_map('?', on_question, vi_insertion_keymap);
}

/* Several lines at once are a paste: one transaction. */
static void run_line(const char *line)
{
	struct exchange *exchange = &console.exchange;
	bool lines = strchr(line, '\n');
	unsigned flags = REQUEST_PREFIXES | (lines ? (unsigned)REQUEST_SCRIPT : 0);

	history_keep(line);
	exchange->output.length = screen_length();
	signals.interrupted = 0;
	console.status = exchange_run(exchange, flags, lines ? "<paste>" : "", line, strlen(line));
	signals.interrupted = 0;
}

/* Ctrl-C at the prompt drops the line. */
static void drop_line(void)
{
	signals.interrupted = 0;
	rl_callback_sigcleanup();
	rl_free_line_state();
	rl_replace_line("", 0);
	fputs("^C", rl_outstream);
	rl_crlf();
	rl_on_new_line();
	rl_redisplay();
}

/* Ctrl-Z: the shell gets its terminal as it was. */
static void stop(void)
{
	signals.stopped = 0;
	rl_deprep_terminal();
	kill(getpid(), SIGSTOP);
	rl_prep_terminal(1);
	rl_on_new_line();
	rl_redisplay();
}

/* What lbd says unasked. False where it is gone. */
static bool take_events(struct connection *connection)
{
	struct message message;
	int result;

	do {
		result = connection_receive(connection, NULL, -1, &message);
		if (result > 0 && message.type == MESSAGE_EVENT)
			on_event(NULL, take_name(&message.payload));
		if (result > 0)
			connection_done(connection, &message);
	} while (result > 0 && frame_peek(&connection->in, CHUNK_MAX, &message) > 0);
	return result > 0;
}

static void handle_signals(void)
{
	if (signals.interrupted)
		drop_line();
	if (signals.stopped)
		stop();
	if (signals.resized) {
		signals.resized = 0;
		rl_resize_terminal();
	}
}

/* Until a line is whole, or something ends it all. */
static void edit(struct connection *connection, const sigset_t *waiting)
{
	struct pollfd ready[] = {
		{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = connection->fd, .events = POLLIN},
	};

	struct message message;

	start_editing();
	/* What came along with the last reply. */
	if (frame_peek(&connection->in, CHUNK_MAX, &message) > 0)
		take_events(connection);
	while (console.editing && !signals.terminated) {
		if (ppoll(ready, 2, NULL, waiting) < 0) {
			handle_signals();
			continue;
		}
		if (ready[1].revents && !take_events(connection)) {
			on_event(NULL, "lbd has ended");
			console.status = STATUS_UNREACHABLE;
			console.quitting = true;
			break;
		}
		if (ready[0].revents)
			rl_callback_read_char();
	}
	if (console.editing) {
		rl_callback_handler_remove();
		console.editing = false;
		putchar('\n');
	}
}

enum exit_status console_run(struct connection *connection, unsigned flags)
{
	sigset_t waiting;

	console.exchange = (struct exchange){
		.connection = connection, .output = {.pages = true},
		.flags = flags & ~(unsigned)(REQUEST_EACH | REQUEST_KEEP_GOING),
		.mask = &waiting,
		.action = on_action, .event = on_event,
	};
	signals_catch(&waiting);
	readline_open();
	history_open();
	printf("lb %s on %s, r%llu. '?' or 'help'.\n", connection->version, connection->host,
	       (unsigned long long)connection->revision);
	while (!console.quitting && !console.ended && !signals.terminated) {
		edit(connection, &waiting);
		if (console.ended && !may_leave()) {
			console.ended = false;
			continue;
		}
		if (console.line)
			run_line(console.line);
		free(console.line);
		console.line = NULL;
		if (console.status == STATUS_UNREACHABLE)
			console.quitting = true;
	}
	/* Where pastes are bracketed, readline itself does (8.2, rl_deprep_terminal). */
	if (console.ended && strcmp(rl_variable_value("enable-bracketed-paste"), "on") != 0)
		putchar('\n');
	output_free(&console.exchange.output);
	free(console.history);
	return console.status == STATUS_UNREACHABLE ? STATUS_UNREACHABLE : STATUS_DONE;
}
