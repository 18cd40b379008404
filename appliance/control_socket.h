/* The control socket's place in the file system: made, guarded against a second lbd, removed. */
#ifndef APPLIANCE_CONTROL_SOCKET_H
#define APPLIANCE_CONTROL_SOCKET_H

#include <stddef.h>

enum { CONTROL_SOCKET_PATH_SIZE = 96 }; /* below what sockaddr_un has room for (unix(7)) */

/* Listens at `path`: mode 0660, group `lb` where there is one. A socket file that nobody listens on is
 * replaced; one that is alive is not: -EADDRINUSE with its pid in `error`. The descriptor, or a negative
 * errno with a sentence. */
int control_socket_open(const char *path, char *error, size_t error_size);
void control_socket_close(int fd, const char *path);

#endif
