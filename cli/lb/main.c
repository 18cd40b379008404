/* lb: the console of lbd. A thin client: grammar, transactions and all else live in lbd.
 *
 * Interactive where both ends are terminals and no command is given; otherwise it reads lines
 * plainly, since readline would echo a piped script to stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/lb/complete.h"
#include "cli/lb/connection.h"
#include "cli/lb/console.h"
#include "cli/lb/exchange.h"
#include "cli/lb/files.h"
#include "cli/lb/signals.h"
#include "cli/lb/terminal.h"

#define DEFAULT_SOCKET "/run/lb/lb.sock"

enum { COMPLETION_S = 2 };

struct options {
	const char *socket;
	const char *file;       /* -f; NULL: none */
	const char *complete;   /* a line that a shell completes; NULL: none */
	char **command;         /* -c, in their order; of argv */
	unsigned commands;
	unsigned flags;         /* enum request_flags */
	uint64_t confirm_ns;    /* --confirmed; 0: not given */
};

static const char usage[] =
	"usage: lb [OPTION]...                 at a terminal: the console\n"
	"       lb [OPTION]... < SCRIPT        a script: all of it or nothing\n"
	"       lb [OPTION]... -c COMMAND...   commands, one after the other\n"
	"\n"
	"  -c COMMAND       run this command; may be repeated\n"
	"  -f FILE          run the script in FILE; - is stdin\n"
	"  -j               JSON, one document a command\n"
	"  -q               say nothing of success\n"
	"  --check          apply nothing; exit 5 if something would change\n"
	"  --each           every line of the script is its own transaction\n"
	"  --confirmed MIN  taken back after so many minutes, unless `confirm` follows\n"
	"  --keep-going     with --each or -c: go on after a failure\n"
	"  --socket PATH    where lbd listens (default " DEFAULT_SOCKET ")\n"
	"  --help, --version\n"
	"\n"
	"exit status: 0 done or unchanged, 1 rejected, 2 usage or syntax, 3 lbd not reachable,\n"
	"             4 timed out, 5 --check and it would change something\n";

static enum exit_status refuse_usage(const char *what)
{
	fprintf(stderr, "error: %s. See `lb --help`\n", what);
	return STATUS_USAGE;
}

enum {
	OPTION_CHECK = 256, OPTION_CONFIRMED, OPTION_EACH, OPTION_KEEP_GOING, OPTION_SOCKET,
	OPTION_HELP, OPTION_VERSION, OPTION_COMPLETE,
};

static const struct option long_options[] = {
	{"check", no_argument, NULL, OPTION_CHECK},
	{"confirmed", required_argument, NULL, OPTION_CONFIRMED},
	{"each", no_argument, NULL, OPTION_EACH},
	{"keep-going", no_argument, NULL, OPTION_KEEP_GOING},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"complete", required_argument, NULL, OPTION_COMPLETE}, /* for shells, not for people */
	{0},
};

/* Minutes, as in `commit confirmed`; 0 where they make no sense. */
static uint64_t parse_minutes(const char *text)
{
	const uint64_t minute_ns = UINT64_C(60000000000), minutes_max = 7 * 24 * 60;
	char *end;
	unsigned long minutes = strtoul(text, &end, 10);

	if (!*text || text[strspn(text, "0123456789")] || *end || minutes > minutes_max)
		return 0;
	return minutes * minute_ns;
}

/* -1 to go on, else the exit status. */
static int take_option(struct options *options, int option)
{
	switch (option) {
	case 'c':
		if (optarg)
			options->command[options->commands++] = optarg;
		break;
	case 'f':
		if (options->file)
			return (int)refuse_usage("-f may be given once");
		options->file = optarg;
		break;
	case 'j':
		options->flags |= REQUEST_JSON;
		break;
	case 'q':
		options->flags |= REQUEST_QUIET;
		break;
	case OPTION_CHECK:
		options->flags |= REQUEST_CHECK;
		break;
	case OPTION_CONFIRMED:
		options->confirm_ns = parse_minutes(optarg);
		if (!options->confirm_ns)
			return (int)refuse_usage("--confirmed takes minutes, 1 to 10080");
		break;
	case OPTION_EACH:
		options->flags |= REQUEST_EACH;
		break;
	case OPTION_KEEP_GOING:
		options->flags |= REQUEST_KEEP_GOING;
		break;
	case OPTION_SOCKET:
		options->socket = optarg;
		break;
	case OPTION_COMPLETE:
		options->complete = optarg;
		break;
	case OPTION_HELP:
		fputs(usage, stdout);
		return STATUS_DONE;
	case OPTION_VERSION:
		printf("lb %s\n", LB_VERSION);
		return STATUS_DONE;
	default:
		fputs("See `lb --help`\n", stderr);
		return STATUS_USAGE;
	}
	return -1;
}

static int take_options(struct options *options, int argc, char **argv)
{
	static char name[] = "lb";
	int option, status = -1;

	argv[0] = name; /* what getopt calls us, wherever we are */
	while (status < 0 && (option = getopt_long(argc, argv, "c:f:jq", long_options, NULL)) != -1)
		status = take_option(options, option);
	if (status >= 0)
		return status;
	if (terminal_is_there())
		options->flags |= REQUEST_SCREEN;
	if (optind < argc)
		return (int)refuse_usage("commands are given with -c, scripts with -f or on stdin");
	if (options->commands && options->file)
		return (int)refuse_usage("-c and -f exclude each other");
	if (options->commands && options->flags & REQUEST_EACH)
		return (int)refuse_usage("--each is for scripts, every -c is by itself anyway");
	if (options->flags & REQUEST_EACH && options->flags & REQUEST_CHECK)
		return (int)refuse_usage("--check takes the script as a whole, --each does not");
	if (options->flags & REQUEST_EACH && options->confirm_ns)
		return (int)refuse_usage("--confirmed takes the script as a whole, --each does "
					 "not");
	if (options->flags & REQUEST_KEEP_GOING &&
	    !(options->commands || options->flags & REQUEST_EACH))
		return (int)refuse_usage("--keep-going needs --each or -c");
	return -1;
}

/* What would be said on a closed stdout must not end up in the socket or in a file. */
static void open_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			_exit(STATUS_REJECTED);
}

static enum exit_status run_commands(struct exchange *exchange, const struct options *options)
{
	enum exit_status status = STATUS_DONE;

	for (unsigned i = 0; i < options->commands; i++) {
		const char *text = options->command[i];
		bool lines = strchr(text, '\n');
		enum exit_status one = exchange_run(exchange, lines ? REQUEST_SCRIPT : 0,
						    lines ? "-c" : "", text, strlen(text));

		if (one && (!status || status == STATUS_WOULD_CHANGE))
			status = one;
		if (one == STATUS_UNREACHABLE)
			return one;
		if (one && one != STATUS_WOULD_CHANGE && !(options->flags & REQUEST_KEEP_GOING))
			break;
	}
	return status;
}

static enum exit_status run_script(struct exchange *exchange, const char *name)
{
	bool standard = strcmp(name, "-") == 0;
	struct buffer script = {0};
	int error = file_read(name, &script);
	enum exit_status status;

	if (error) {
		fprintf(stderr, "error: cannot read %s: %s\n", standard ? "stdin" : name,
			strerror(-error));
		return STATUS_REJECTED;
	}
	status = exchange_run(exchange, REQUEST_SCRIPT, standard ? "<stdin>" : name,
			      script.bytes ? (const char *)script.bytes : "", buffer_left(&script));
	buffer_free(&script);
	return status;
}

/* Whatever could not be written has not been done for whoever reads it. */
static enum exit_status flush_output(enum exit_status status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "error: cannot write to stdout: %s\n", strerror(errno));
	return status ? status : STATUS_REJECTED;
}

static void note_candidate(void *context, const char *action)
{
	candidate_state_take(context, action);
}

/* A candidate ends with its connection. */
static enum exit_status lose_candidate(const struct candidate_state *candidate,
				       enum exit_status status)
{
	if (!candidate->lines || status == STATUS_UNREACHABLE)
		return status;
	fflush(stdout);
	fprintf(stderr, "error: the candidate was not committed: nothing of its %u line%s was "
		"applied\n", candidate->lines, candidate->lines == 1 ? "" : "s");
	return status ? status : STATUS_REJECTED;
}

/* A shell waits for it: nothing is said of what goes wrong, and it does not take long. */
static enum exit_status run_completion(const struct options *options)
{
	struct connection connection;
	struct exchange exchange = {.connection = &connection};
	char error[1024];

	alarm(COMPLETION_S);
	if (connection_open(&connection, options->socket, false, error, sizeof(error)) < 0)
		return STATUS_UNREACHABLE;
	complete_print(&exchange, options->complete);
	connection_close(&connection);
	return flush_output(STATUS_DONE);
}

static enum exit_status run(const struct options *options)
{
	bool keyboard = !options->commands && !options->file && isatty(STDIN_FILENO) &&
			isatty(STDOUT_FILENO);
	struct connection connection;
	struct candidate_state candidate = {0};
	struct exchange exchange = {
		.connection = &connection, .flags = options->flags,
		.confirm_ns = options->confirm_ns,
		.action = note_candidate, .context = &candidate,
	};
	enum exit_status status;
	char error[1024];

	if (keyboard && options->confirm_ns)
		return refuse_usage("--confirmed is for scripts and -c; here, use `commit "
				    "confirmed`");
	if (connection_open(&connection, options->socket, keyboard, error, sizeof(error)) < 0) {
		fprintf(stderr, "error: %s\n", error);
		return STATUS_UNREACHABLE;
	}
	if (keyboard)
		status = console_run(&connection, options->flags);
	else if (options->commands)
		status = run_commands(&exchange, options);
	else
		status = run_script(&exchange, options->file ? options->file : "-");
	status = lose_candidate(&candidate, status);
	output_free(&exchange.output);
	connection_close(&connection);
	return flush_output(status);
}

int main(int argc, char **argv)
{
	struct options options = {.socket = DEFAULT_SOCKET};
	int status;

	open_standard_files();
	options.command = calloc((size_t)argc, sizeof(*options.command));
	if (!options.command)
		return STATUS_REJECTED;
	status = take_options(&options, argc, argv);
	if (status < 0)
		status = (int)(options.complete ? run_completion(&options) : run(&options));
	else
		status = (int)flush_output((enum exit_status)status);
	free(options.command);
	return status;
}
