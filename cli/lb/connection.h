/* lb's end of the conversation with lbd: connecting, sending, receiving. Blocking. */
#ifndef LB_CONNECTION_H
#define LB_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/protocol.h"

struct connection {
	int fd;
	struct buffer in;
	char host[256];
	char version[64];
	uint64_t revision;   /* when the connection was made */
	char path[512];
	bool greeted;        /* from then on a command may take its time */
};

/* Connects and exchanges greetings. 0, or a negative errno with sentences that help in `error`. */
int connection_open(struct connection *connection, const char *path, bool interactive, char *error,
		    size_t error_size);
void connection_close(struct connection *connection);

/* Sends what the buffer holds and frees it. 0 or a negative errno. */
int connection_send(struct connection *connection, struct buffer *out);
int connection_send_request(struct connection *connection, const struct request *request);
/* A frame of one name, or of nothing where `name` is NULL. */
int connection_send_name(struct connection *connection, enum message_type type, const char *name);

/* The next frame, to be given back with connection_done(): 1; 0 where the signals that `ppoll`
 * lets through with `mask` came first (NULL: none is let through) or `other_fd` (-1: none) has
 * something to read, -ENOTCONN where lbd is gone, -ETIMEDOUT where it does not greet, or another
 * negative errno. */
int connection_receive(struct connection *connection, const void *mask, int other_fd,
		       struct message *ret_message);
void connection_done(struct connection *connection, const struct message *message);

#endif
