#include "appliance/control_socket.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 16, SOCKET_MODE = 0660, DIRECTORY_MODE = 0755 };

/* Room for it is kept in every path. */
static const char beside_suffix[] = ".new";

_Static_assert(CONTROL_SOCKET_PATH_SIZE + sizeof(beside_suffix) <=
	       sizeof(((struct sockaddr_un *)0)->sun_path), "both paths must fit");

__attribute__((format(printf, 4, 5)))
static int refuse(char *error, size_t error_size, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, error_size, format, arguments);
	va_end(arguments);
	return code;
}

/* Asks whoever listens there who it is. 0 where nobody does. */
static int check_stale(const struct sockaddr_un *address, char *error, size_t error_size)
{
	const struct timeval patience = {.tv_sec = 1}; /* where its queue is full */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);
	struct stat status;
	int result = 0, failed;

	if (fd < 0)
		return refuse(error, error_size, -errno, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	failed = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	if (!failed) {
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
		result = refuse(error, error_size, -EADDRINUSE,
				"socket %s: another lbd (pid %d) listens there. Stop that one, or "
				"give this one another path with --socket",
				address->sun_path, peer.pid);
	} else if (failed == EAGAIN) {
		result = refuse(error, error_size, -EADDRINUSE,
				"socket %s: another lbd listens there, and does not answer",
				address->sun_path);
	} else if (lstat(address->sun_path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
		result = refuse(error, error_size, -EEXIST, "%s is in the way: it is not a socket",
				address->sun_path);
	}
	close(fd);
	return result;
}

/* Without the group, root alone may use it. */
static void give_to_group(const char *path)
{
	struct group entry, *found = NULL;
	char room[4096];

	if (getgrnam_r(CONTROL_SOCKET_GROUP, &entry, room, sizeof(room), &found) == 0 && found &&
	    chown(path, (uid_t)-1, found->gr_gid) < 0)
		return;
}

/* The directory alone, not those above it: a path that is wrong is not made right. */
static void make_directory(const char *path)
{
	char directory[CONTROL_SOCKET_PATH_SIZE];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash && slash != directory) {
		*slash = 0;
		mkdir(directory, DIRECTORY_MODE);
	}
}

/* Made beside its place and renamed into it: from the first moment that it can be reached, it has
 * its group and its mode, and a stale one is replaced at once. */
static int listen_at(struct control_socket *made, int fd, const struct sockaddr_un *address,
		     const struct sockaddr_un *beside)
{
	struct stat status;
	int code;

	unlink(beside->sun_path);
	if (bind(fd, (const struct sockaddr *)beside, sizeof(*beside)) < 0)
		return -errno;
	give_to_group(beside->sun_path);
	if (chmod(beside->sun_path, SOCKET_MODE) == 0 && listen(fd, BACKLOG) == 0 &&
	    lstat(beside->sun_path, &status) == 0 &&
	    rename(beside->sun_path, address->sun_path) == 0) {
		made->fd = fd;
		made->device = status.st_dev;
		made->inode = status.st_ino;
		memcpy(made->path, address->sun_path, sizeof(made->path));
		return 0;
	}
	code = -errno;
	unlink(beside->sun_path);
	return code;
}

int control_socket_open(struct control_socket *ret_socket, const char *path, char *error,
			size_t error_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX}, beside = address;
	size_t length = strlen(path);
	int fd, result;

	if (length >= CONTROL_SOCKET_PATH_SIZE)
		return refuse(error, error_size, -ENAMETOOLONG,
			      "socket %s: longer than %d characters", path,
			      CONTROL_SOCKET_PATH_SIZE - 1);
	memcpy(address.sun_path, path, length);
	memcpy(beside.sun_path, path, length);
	memcpy(beside.sun_path + length, beside_suffix, sizeof(beside_suffix));
	make_directory(path);
	result = check_stale(&address, error, error_size);
	if (result < 0)
		return result;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	result = fd < 0 ? -errno : listen_at(ret_socket, fd, &address, &beside);
	if (!result)
		return 0;
	if (fd >= 0)
		close(fd);
	return refuse(error, error_size, result, "socket %s: %s%s", path, strerror(-result),
		      result != -EACCES ? "" :
		      ". Its directory must belong to the user that lbd runs as");
}

void control_socket_close(struct control_socket *made)
{
	struct stat status;

	if (lstat(made->path, &status) == 0 && status.st_dev == made->device &&
	    status.st_ino == made->inode)
		unlink(made->path);
	close(made->fd);
}
