/* The control socket's place in the file system: made, guarded against a second lbd, removed. */
#ifndef APPLIANCE_CONTROL_SOCKET_H
#define APPLIANCE_CONTROL_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#define CONTROL_SOCKET_GROUP "lb" /* its members may use it */

enum { CONTROL_SOCKET_PATH_SIZE = 96 }; /* below what sockaddr_un has room for (unix(7)) */

struct control_socket {
	int fd;       /* listens */
	dev_t device; /* of the file, with its inode: what is removed at the end is what was made */
	ino_t inode;
	char path[CONTROL_SOCKET_PATH_SIZE];
};

/* Listens at `path`: mode 0660, CONTROL_SOCKET_GROUP where there is one. A socket file that nobody
 * listens on is replaced; one that is alive is not: -EADDRINUSE with its pid in `error`. 0, or a
 * negative errno with a sentence. */
int control_socket_open(struct control_socket *ret_socket, const char *path, char *error,
			size_t error_size);
/* A file that another lbd has put there in the meantime stays. */
void control_socket_close(struct control_socket *made);

#endif
