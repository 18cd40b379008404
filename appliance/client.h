/* One console at the control socket: its requests come in, its session's words go out, as frames of
 * cli/protocol.h. Non-blocking; what cannot be written waits in its buffer. */
#ifndef APPLIANCE_CLIENT_H
#define APPLIANCE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/protocol.h"
#include "cli/session.h"

/* What all consoles of a server share. */
struct client_host {
	const struct appliance *appliance;
	int epoll;
	uint64_t now_ns;
	const struct client *served; /* whose session runs; NULL: none */
};

struct client {
	struct client_host *host;
	int fd;                 /* -1: this place is free */
	struct session *session;
	struct buffer in, out;
	bool welcome;           /* HELLO was said */
	bool interactive;
	uint32_t events;        /* that epoll watches for */
	bool closing;           /* once what is to be said has been said */
	unsigned missed;        /* events that found no room */
};

/* A session that speaks to this console; NULL only where memory lacks. */
struct session *client_session_new(struct client *client, const char *user);
void client_close(struct client *client);

/* Reads, handles and writes whatever is ready; `events`: what epoll says of it. */
void client_run(struct client *client, uint32_t events);
/* After its session has done something: writes, and closes where it is over or not `alive`. */
void client_settle(struct client *client, bool alive);
/* Says why and closes, once that is said. */
void client_refuse(struct client *client, const char *why);
/* An event, unless too much is unread already: that is counted, and told later. */
void client_tell(struct client *client, const char *sentence);

#endif
