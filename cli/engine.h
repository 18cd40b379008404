/* A session from the inside: shared by the engine, its transactions and the commands. */
#ifndef CLI_ENGINE_H
#define CLI_ENGINE_H

#include "cli/match.h"
#include "cli/session.h"

enum { FAULTS_TOLD = 20 };

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

/* The candidate that the lines at hand are applied to. */
struct transaction {
	struct config *candidate;       /* NULL as long as no line has changed anything */
	bool ended;                     /* by `commit` or `quit`: no line may follow */
	bool loading;                   /* a file: only lines that change, and `commit` */
	bool committed;                 /* `commit` was read */
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
	struct act *act;
	size_t acts, acts_done, acts_capacity;
	struct wait wait;
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

void transaction_begin(struct session *session);
/* Takes one line in; its fault, if it has one, is told and counted. False where it is empty. */
bool transaction_text(struct session *session, const struct place *place, bool prefixes);
/* Commits, or checks, or says why not. True where the lines put off may run. */
bool transaction_end(struct session *session);
void transaction_forget(struct session *session);

/* Runs a command that reads or acts; 0 or a negative errno with session->fault. */
int command_run(struct session *session, const struct place *place);
/* What the grammar cannot say: 0, or -EINVAL with session->fault. */
int command_check(struct session *session);
/* `help [COMMAND]`; how far its words go: 0, or -EINVAL with session->fault. */
void command_help(struct session *session);
int help_position(struct session *session, struct position *ret_position);
/* Looks whether what is waited for has happened. */
void wait_poll(struct session *session);

/* The attached file of that name, or NULL. */
const struct attachment *session_attachment(const struct session *session, const char *name);

#endif
