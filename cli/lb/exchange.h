/* One request of the operator's, from sending it to its end: output, files, events. */
#ifndef LB_EXCHANGE_H
#define LB_EXCHANGE_H

#include <signal.h>
#include <stdbool.h>

#include "cli/lb/connection.h"
#include "cli/lb/output.h"

enum { ACTION_SIZE = 64 };

/* What lbd has said of the candidate that this connection has open. */
struct candidate_state {
	bool open;
	unsigned lines;
};
/* True where the action tells of it. */
bool candidate_state_take(struct candidate_state *state, const char *action);

/* What the console is asked to do itself. */
typedef void exchange_action(void *context, const char *action);
/* A sentence that is to be seen at once. */
typedef void exchange_event(void *context, const char *sentence);

struct exchange {
	struct connection *connection;
	struct output output;
	unsigned flags;                       /* enum request_flags that every request has */
	uint64_t confirm_ns;                  /* likewise, as in struct request */
	const sigset_t *mask;                 /* of signals_catch(); NULL: they are not caught */
	exchange_action *action;
	exchange_event *event;
	void *context;
};

/* Runs a text; files that it names are read when they are asked for. `source` as in struct
 * request. */
enum exit_status exchange_run(struct exchange *exchange, unsigned flags, const char *source,
			      const char *text, size_t size);
/* What `?` shows for a line, on stdout. */
enum exit_status exchange_help(struct exchange *exchange, const char *line);
/* The words that may stand at the line's end: a list that ends with NULL, allocated with all
 * that is in it; NULL where there are none. What else may: enum completion. */
char **exchange_complete(struct exchange *exchange, const char *line, unsigned *ret_besides);

#endif
