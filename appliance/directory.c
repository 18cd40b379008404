#include "appliance/directory.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int directory_prepare(const char *file, const char *user, char *error, size_t error_size)
{
	const char *slash = strrchr(file, '/');
	const struct passwd *entry = user ? getpwnam(user) : NULL;
	char path[PATH_MAX];

	if (!slash || slash == file)
		return 0;
	if (slash - file >= (long)sizeof(path)) {
		snprintf(error, error_size, "the name is too long: %s", file);
		return -ENAMETOOLONG;
	}
	snprintf(path, sizeof(path), "%.*s", (int)(slash - file), file);
	if (mkdir(path, 0755) < 0) {
		if (errno == EEXIST)
			return 0;
		snprintf(error, error_size, "cannot make the directory %s: %s", path, strerror(errno));
		return -errno;
	}
	if (entry && chown(path, entry->pw_uid, entry->pw_gid) < 0) {
		snprintf(error, error_size, "cannot give %s to user \"%s\": %s", path, user,
			 strerror(errno));
		return -errno;
	}
	return 0;
}
