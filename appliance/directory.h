/* The directories that lbd's files stand in. */
#ifndef APPLIANCE_DIRECTORY_H
#define APPLIANCE_DIRECTORY_H

#include <stddef.h>

/* Makes the directory of `file` where there is none (0755), and gives one that it made to `user`
 * (NULL: nobody else). Only the last one: its parent must be there. 0, or a negative errno with a
 * sentence. */
int directory_prepare(const char *file, const char *user, char *error, size_t error_size);

#endif
