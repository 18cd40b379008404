/* The control socket: consoles come, run their sessions, and hear of events.
 *
 * Non-blocking, on the control thread. A console that does not read holds up nobody: its next
 * request is not read before its last reply is gone, and events that find its buffer full are
 * dropped and counted. Who speaks is the kernel's word (SO_PEERCRED), never the console's.
 */
#ifndef APPLIANCE_SERVER_H
#define APPLIANCE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/appliance.h"

struct server;

/* Listens at `path` (0660, group `lb` where there is one). A socket file that nobody listens on is
 * replaced; one that is alive is refused: -EADDRINUSE with the pid in `error`. The appliance is
 * borrowed. 0 or a negative errno with a sentence in `error`. */
int server_open(struct server **ret_server, const char *path, const struct appliance *appliance,
		char *error, size_t error_size);
/* Ends all sessions and removes the socket file. */
void server_close(struct server *server);

/* Readable when server_run() has something to do; for epoll or poll. */
int server_fd(const struct server *server);
/* When server_run() has something to do by the clock (monotonic, ns); UINT64_MAX: never. */
uint64_t server_deadline(const struct server *server);
/* Handles whatever is ready, without blocking. */
void server_run(struct server *server, uint64_t now_ns);

/* Tells every interactive console: "backend web/10.0.0.11:80 up". With `deed`, all but the one whose
 * request is being handled: it knows what it has done. */
void server_event(struct server *server, const char *sentence, bool deed);

#endif
