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

_Static_assert(CONTROL_SOCKET_PATH_SIZE + sizeof(beside_suffix) <= sizeof(((struct sockaddr_un *)0)->sun_path),
	       "both paths must fit");

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
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);
	struct stat status;
	int result = 0, failed;

	if (fd < 0)
		return refuse(error, error_size, -errno, "socket: %s", strerror(errno));
	failed = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	if (!failed || failed == EAGAIN) {
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
		result = refuse(error, error_size, -EADDRINUSE, "socket %s: another lbd (pid %d) listens there",
				address->sun_path, peer.pid);
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

	if (getgrnam_r("lb", &entry, room, sizeof(room), &found) == 0 && found &&
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

/* Made beside its place and renamed into it: from the first moment that it can be reached, it has its
 * group and its mode, and a stale one is replaced at once. */
static int listen_at(int fd, const struct sockaddr_un *address, const struct sockaddr_un *beside)
{
	int code;

	unlink(beside->sun_path);
	if (bind(fd, (const struct sockaddr *)beside, sizeof(*beside)) < 0)
		return -errno;
	give_to_group(beside->sun_path);
	if (chmod(beside->sun_path, SOCKET_MODE) == 0 && listen(fd, BACKLOG) == 0 &&
	    rename(beside->sun_path, address->sun_path) == 0)
		return 0;
	code = -errno;
	unlink(beside->sun_path);
	return code;
}

int control_socket_open(const char *path, char *error, size_t error_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX}, beside = address;
	size_t length = strlen(path);
	int fd, result;

	if (length >= CONTROL_SOCKET_PATH_SIZE)
		return refuse(error, error_size, -ENAMETOOLONG, "socket %s: longer than %d characters", path,
			      CONTROL_SOCKET_PATH_SIZE - 1);
	memcpy(address.sun_path, path, length);
	memcpy(beside.sun_path, path, length);
	memcpy(beside.sun_path + length, beside_suffix, sizeof(beside_suffix));
	make_directory(path);
	result = check_stale(&address, error, error_size);
	if (result < 0)
		return result;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	result = fd < 0 ? -errno : listen_at(fd, &address, &beside);
	if (!result)
		return fd;
	if (fd >= 0)
		close(fd);
	return refuse(error, error_size, result, "socket %s: %s", path, strerror(-result));
}

void control_socket_close(int fd, const char *path)
{
	unlink(path);
	close(fd);
}
