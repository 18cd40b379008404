/* A person or a script in conversation with the appliance: the one transaction engine.
 *
 * A bare command is a transaction of one. A script is one candidate: its lines are applied to a
 * copy of what runs, in order; only when all of them hold is the copy committed, whole. Lines that
 * read or act (show, lookup, clear, wait) run after the commit, in order. --each makes a
 * transaction of every line. What a transaction changes is kept as lines and replayed, so a
 * candidate that stays open over many commands needs no other engine.
 *
 * A session does no I/O: it says what it has to say through a sink. It belongs to the control
 * thread and borrows the appliance. One request at a time: a request that waits (drain ... wait),
 * or has come to the end of one of its transactions (--each), stays pending, and session_poll()
 * carries it on.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/appliance.h"
#include "cli/protocol.h"

struct session;

/* Where a session's words go; every member must be set. Texts are not terminated. */
struct session_sink {
	void *context;
	/* To stdout. A heading is shown whatever the filters say. */
	void (*output)(void *context, bool heading, const char *text, size_t size);
	/* What is said from here to output_end passes this filter, behind those before it. Regular
	 * expressions are the typist's own to run: a costly one stops no appliance. */
	void (*filter)(void *context, enum pipe_type type, const char *pattern);
	void (*output_end)(void *context);
	void (*error)(void *context, const char *text, size_t size);
	/* The request needs the content of this file and has been dropped: send it again with
	 * the file attached. `done` follows. */
	void (*needs_file)(void *context, const char *name);
	/* To be written by whoever typed the command, under their rights. */
	void (*file)(void *context, const char *name, const void *bytes, size_t size);
	/* The same for a file that grows as long as it is written, for what is not known at once:
	 * from here on, until another one is named, stream_more is about this one. */
	void (*stream)(void *context, const char *name);
	void (*stream_more)(void *context, const void *bytes, size_t size);
	void (*stream_end)(void *context);
	/* Something that the console does itself: MESSAGE_CONSOLE. */
	void (*console)(void *context, const char *action);
	/* A monitor's document, one line of JSON, for a console that draws it. */
	void (*sample)(void *context, const char *text, size_t size);
	/* False while what was said before still waits to be heard. */
	bool (*heard)(void *context);
	/* The request has ended. */
	void (*done)(void *context, enum exit_status status);
};

/* Both are borrowed; `user` is copied. NULL only where memory lacks. */
struct session *session_new(const struct appliance *appliance, const char *user,
			    const struct session_sink *sink);
void session_free(struct session *session);

/* Runs a request up to its end, where `done` is called, or to where it stays pending. Not while
 * session_busy(). `now_ns`: monotonic. The request need not outlive the call. */
void session_run(struct session *session, const struct request *request, uint64_t now_ns);
bool session_busy(const struct session *session);
/* When session_poll() wants to be called (monotonic, ns); UINT64_MAX: not by time. */
uint64_t session_deadline(const struct session *session);
void session_poll(struct session *session, uint64_t now_ns);
/* Ends what is pending; what has been committed stays. `done` is called, for a capture once what
 * has come has been told. */
void session_interrupt(struct session *session);

/* One call for each word that may stand at the end of `line`, where the cursor is. What else may:
 * enum completion. */
typedef void session_candidate(void *context, const char *word);
unsigned session_complete(struct session *session, const char *line, session_candidate *visit,
			  void *context);
/* What `?` prints there: a line for each, values and their meaning included. */
void session_help(struct session *session, const char *line);

#endif
