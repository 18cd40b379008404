/* A session from the inside: shared by the engine, its transactions and the commands. */
#ifndef CLI_ENGINE_H
#define CLI_ENGINE_H

#include "cli/candidate.h"
#include "cli/match.h"
#include "cli/session.h"

enum { FAULTS_TOLD = 20, CANDIDATE_CLOSED = -1 };

/* Where a line came from, for the faults in it. */
struct place {
	const char *source;   /* "" for a bare command: faults are told without their place */
	unsigned number;
	const char *line;
	size_t size;
};

/* A line that runs after the commit. Points into the request's text. */
struct act {
	struct place place;
};

/* Something that a command waits for. */
struct wait {
	bool active;
	enum command_id command;
	struct config_backend backend;
	uint64_t deadline_ns; /* UINT64_MAX: none */
	uint64_t next_ns;
	uint64_t rest;        /* flows that were left when last looked */
	struct place place;
};

/* A monitor under way. */
struct watch {
	bool active;
	struct place place;
	struct monitor_question question;
	struct rates *rates;  /* the appliance's, between two looks */
	uint64_t interval_ns, next_ns;
	uint32_t left;        /* looks to come; 0: without end */
	bool headed;          /* the rows have their heading */
};

/* A capture under way. */
struct capturing {
	bool active;
	struct place place;
	struct recording *recording; /* the appliance's */
	struct recording_state state;
	uint64_t next_ns;
	char file[FILE_NAME_SIZE], verdicts[FILE_NAME_SIZE + sizeof(".verdicts")];
};

/* What the lines of one request come to: in force when all of them hold, or taken into the open
 * candidate. */
struct transaction {
	struct config *config;          /* NULL as long as no line has changed anything */
	struct line_list typed;         /* where a candidate is open: what it is to take */
	bool touched;                   /* the open candidate, or opened or closed it */
	bool configured;                /* a script that said `configure`: it needs `commit` */
	bool ended;                     /* by `commit` or `quit`: no line may follow */
	bool loading;                   /* a file: only lines that change, and `commit` */
	bool committed;                 /* `commit` was read, */
	bool checks;                    /* `commit check`, */
	uint64_t confirm_ns;            /* `commit confirmed` */
	char comment[TEXT_SIZE];
	unsigned lines, failed;
	char **missing;                 /* names that would be there, had their lines not failed */
	size_t missing_count;
};

struct session {
	const struct appliance *appliance;
	char *user;
	struct session_sink sink;
	struct command *command;        /* the line at hand */
	struct fault *fault;

	struct request request;         /* own copy; text NULL: none is running */
	size_t at;                      /* where the next line begins */
	unsigned number;                /* of the last line read */
	unsigned lines, failed, told;   /* of the whole request */
	bool stopped;
	bool paused;                    /* --each, between two transactions */
	enum exit_status status;
	struct transaction transaction;
	struct candidate *candidate;    /* opened by `configure`; NULL: none is open */
	long told_lines;                /* of it, as the console knows; CANDIDATE_CLOSED */
	uint64_t unconfirmed;           /* revision that this session has committed so; 0: none */
	struct act *act;
	size_t acts, acts_done, acts_capacity;
	struct wait wait;
	struct watch watch;
	struct capturing capturing;
	uint64_t now_ns;
};

/* Printf to stdout and to stderr of the console. */
void session_print(struct session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void session_complain(struct session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints an allocated text and frees it; NULL: memory lacked. */
void session_print_text(struct session *session, char *text);
/* Tells the fault of a line, up to FAULTS_TOLD of them, and counts it. */
void session_fault(struct session *session, const struct place *place, enum exit_status status);
/* The worse of what the request has come to and this. */
void session_status(struct session *session, enum exit_status status);
/* Puts a line off until after the commit. */
void session_later(struct session *session, const struct place *place);
/* How many of those name what is not in `config`, the one that will run then; each is told. */
unsigned later_fails(struct session *session, const struct config *config);

void transaction_begin(struct session *session);
/* Takes one line in; its fault, if it has one, is told and counted. False where it is empty. */
bool transaction_text(struct session *session, const struct place *place, bool prefixes);
/* Commits, or checks, or says why not. True where the lines put off may run. */
bool transaction_end(struct session *session);
void transaction_forget(struct session *session);
/* The configuration of a revision; NULL with session->fault. */
struct config *session_revision_config(struct session *session, uint64_t number);

/* commit.c: what becomes of a whole configuration. */
struct commit_wish {
	const char *comment;
	uint64_t confirm_ns; /* commit confirmed; 0: for good */
	bool confirms;       /* what this session has committed unconfirmed, too */
};
/* Commits; tells what came of it, or why not. */
bool commit_config(struct session *session, const struct config *config,
		   const struct commit_wish *wish);
/* Tells what a commit would do. With `answers`, the exit status says whether it would change
 * something. */
bool commit_check(struct session *session, const struct config *config, bool answers);
bool commit_refuse(struct session *session, const char *error);
/* `confirm`: 0, or a negative errno with session->fault. */
int commit_confirm(struct session *session);
bool session_waiting(const struct session *session, struct waiting *ret_waiting);

/* configure.c: each 0, or a negative errno with session->fault. */
int candidate_configure(struct session *session);
int candidate_discard(struct session *session);
/* Commands that act on what runs while a candidate is open; operate: 1 where they were refused and
 * that has been told. */
int candidate_operate(struct session *session);
int candidate_rollback(struct session *session);
/* `commit` where no candidate is open: about what waits to be confirmed. */
int candidate_commit_nothing(struct session *session);
/* Takes what the transaction's lines have come to; commits it all where they say so. */
bool candidate_end(struct session *session);
/* In JSON, what has become of it: {"candidate":{"revision":41,"lines":3}}. */
void candidate_tell(struct session *session);

/* compare.c: `compare [N [M]]`. */
int run_compare(struct session *session);
/* Prints the report, which it takes over. */
int command_report(struct session *session, struct report *report);

/* What commands at hand are about: the open candidate, or what runs. NULL where memory lacks. */
const struct config *session_config(struct session *session);
const struct config *session_running(const struct session *session);
uint64_t session_revision(const struct session *session);
/* True for a script that is one transaction by itself, without a candidate. */
bool session_scripted(const struct session *session);
/* True where the command at hand is to answer in JSON. */
bool session_wants_json(const struct session *session);

/* Runs a command that reads or acts; 0 or a negative errno with session->fault. */
int command_run(struct session *session, const struct place *place);
/* What the grammar cannot say: 0, or -EINVAL with session->fault. */
int command_check(struct session *session);
/* `help [COMMAND]`; how far its words go: 0, or -EINVAL with session->fault. */
void command_help(struct session *session);
int help_position(struct session *session, struct position *ret_position);
/* Looks whether what is waited for has happened. */
void wait_poll(struct session *session);
/* `monitor`: the first look, those that follow, and the end of it. */
int watch_begin(struct session *session, const struct place *place);
void watch_poll(struct session *session);
void watch_end(struct session *session);
/* The words of a PARAMETER_PACKETS as they were typed, but for quotes; "" where there is none.
 * Allocated; NULL where memory lacks. */
char *command_filter(const struct command *command);
/* `capture`: its begin, what comes, and the end of it: at once, or when all has come that there is. */
int capturing_begin(struct session *session, const struct place *place);
void capturing_poll(struct session *session);
void capturing_stop(struct session *session);
void capturing_end(struct session *session);

/* The attached file of that name, or NULL. */
const struct attachment *session_attachment(const struct session *session, const char *name);

#endif
