#include "cli/lb/connection.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	READ_SIZE = 64 * 1024,
	PATIENCE_S = 30, /* for the greeting: a busy lbd may have hundreds to greet first */
};

__attribute__((format(printf, 4, 5)))
static int refuse(char *error, size_t error_size, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, error_size, format, arguments);
	va_end(arguments);
	return code;
}

/* Why there is no connection, and what to do about it. */
static int explain(const char *path, int code, char *error, size_t error_size)
{
	const struct passwd *me;
	struct stat status;

	if (stat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
		return refuse(error, error_size, -code, "%s is not a socket, so it is not lbd's",
			      path);
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		return refuse(error, error_size, -code, "no socket %s: is lbd running? Start it "
			      "with `systemctl start lbd`, or name its socket with --socket", path);
	case ECONNREFUSED:
		return refuse(error, error_size, -code, "nobody listens at %s, it was left behind: "
			      "is lbd running? Start it with `systemctl start lbd`", path);
	case EACCES:
	case EPERM:
		me = getpwuid(geteuid());
		if (!getgrnam("lb"))
			return refuse(error, error_size, -code, "%s is not for you: there is no group "
				      "lb. As root: `groupadd -r lb; usermod -aG lb %s`, restart lbd, "
				      "then log in again", path, me ? me->pw_name : "USER");
		return refuse(error, error_size, -code, "%s is not for you: you are not in group "
			      "lb. As root: `usermod -aG lb %s`, then log in again", path,
			      me ? me->pw_name : "USER");
	case EAGAIN:
	case ETIMEDOUT:
		return refuse(error, error_size, -code, "lbd at %s has not answered for %d s: it is "
			      "stopped, or very busy", path, PATIENCE_S);
	default:
		return refuse(error, error_size, -code, "cannot reach lbd at %s: %s", path,
			      strerror(code));
	}
}

int connection_send(struct connection *connection, struct buffer *out)
{
	int result = out->failed ? -ENOMEM : 0;

	while (!result && buffer_left(out)) {
		ssize_t sent = send(connection->fd, out->bytes + out->start, buffer_left(out),
				    MSG_NOSIGNAL);

		if (sent >= 0)
			buffer_consume(out, (size_t)sent);
		else if (errno != EINTR)
			result = errno == EPIPE || errno == ECONNRESET ? -ENOTCONN : -errno;
	}
	buffer_free(out);
	return result;
}

int connection_send_request(struct connection *connection, const struct request *request)
{
	struct buffer out = {0};

	put_request(&out, request);
	if (buffer_left(&out) > REQUEST_MAX) {
		buffer_free(&out);
		return -EMSGSIZE;
	}
	return connection_send(connection, &out);
}

int connection_send_name(struct connection *connection, enum message_type type, const char *name)
{
	struct buffer out = {0};
	size_t frame = frame_begin(&out, type);

	if (name)
		put_name(&out, name);
	frame_end(&out, frame);
	return connection_send(connection, &out);
}

int connection_receive(struct connection *connection, const void *mask, int other_fd,
		       struct message *ret_message)
{
	const struct timespec patience = {.tv_sec = PATIENCE_S};
	struct pollfd ready[] = {
		{.fd = connection->fd, .events = POLLIN}, {.fd = other_fd, .events = POLLIN},
	};

	for (;;) {
		int there = frame_peek(&connection->in, CHUNK_MAX, ret_message);
		uint8_t *room;
		ssize_t got;
		int count;

		if (there)
			return there;
		count = ppoll(ready, 2, connection->greeted ? NULL : &patience, mask);
		if (count < 0)
			return errno == EINTR ? 0 : -errno;
		if (!count)
			return -ETIMEDOUT;
		if (!ready[0].revents)
			return 0;
		room = buffer_reserve(&connection->in, READ_SIZE);
		if (!room)
			return -ENOMEM;
		got = recv(connection->fd, room, READ_SIZE, 0);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return -ENOTCONN;
		if (got < 0 && errno != EINTR)
			return -errno;
		connection->in.size += got > 0 ? (size_t)got : 0;
	}
}

void connection_done(struct connection *connection, const struct message *message)
{
	buffer_consume(&connection->in, message->frame_size);
}

static int greet(struct connection *connection, bool interactive, char *error, size_t error_size)
{
	struct buffer out = {0};
	size_t frame = frame_begin(&out, MESSAGE_HELLO);
	struct message message;
	int result;

	put_u32(&out, PROTOCOL_VERSION);
	put_u8(&out, interactive);
	frame_end(&out, frame);
	/* Where lbd has refused us and closed, its reason is still there to be read. */
	connection_send(connection, &out);
	do
		result = connection_receive(connection, NULL, -1, &message);
	while (!result);
	if (result == -ETIMEDOUT)
		return explain(connection->path, ETIMEDOUT, error, error_size);
	if (result < 0)
		return refuse(error, error_size, result, "lbd at %s does not answer as it should: "
			      "%s", connection->path, strerror(-result));
	if (message.type == MESSAGE_REFUSED)
		return refuse(error, error_size, -ECONNREFUSED, "lbd refuses: %s",
			      take_name(&message.payload));
	take_u32(&message.payload);
	snprintf(connection->host, sizeof(connection->host), "%s", take_name(&message.payload));
	snprintf(connection->version, sizeof(connection->version), "%s",
		 take_name(&message.payload));
	connection->revision = take_u64(&message.payload);
	if (message.type != MESSAGE_WELCOME || message.payload.broken)
		return refuse(error, error_size, -EPROTO, "what listens at %s is not lbd",
			      connection->path);
	connection_done(connection, &message);
	connection->greeted = true;
	return 0;
}

int connection_open(struct connection *connection, const char *path, bool interactive, char *error,
		    size_t error_size)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S}, endless = {0};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int result;

	*connection = (struct connection){.fd = -1};
	snprintf(connection->path, sizeof(connection->path), "%s", path);
	if (strlen(path) >= sizeof(address.sun_path))
		return refuse(error, error_size, -ENAMETOOLONG, "socket %s: the path is too long",
			      path);
	memcpy(address.sun_path, path, strlen(path));
	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		return explain(path, errno, error, error_size);
	setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(connection->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		result = explain(path, errno, error, error_size);
	else
		result = greet(connection, interactive, error, error_size);
	setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &endless, sizeof(endless));
	if (result < 0)
		connection_close(connection);
	return result;
}

void connection_close(struct connection *connection)
{
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
	buffer_free(&connection->in);
}
