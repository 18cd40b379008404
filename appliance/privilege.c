#include "appliance/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

/* For packet sockets, and for send buffers beyond the system's limit. */
static const cap_value_t kept[] = {CAP_NET_RAW, CAP_NET_ADMIN};
enum { KEPT = sizeof(kept) / sizeof(kept[0]) };

static int change_user(const char *user, char *error, size_t error_size)
{
	const struct passwd *entry;

	errno = 0;
	entry = getpwnam(user);
	if (!entry) {
		snprintf(error, error_size, "no user \"%s\"", user);
		return errno ? -errno : -ENOENT;
	}
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || initgroups(user, entry->pw_gid) < 0 ||
	    setgid(entry->pw_gid) < 0 || setuid(entry->pw_uid) < 0) {
		int code = errno;

		snprintf(error, error_size, "cannot become user \"%s\": %s", user, strerror(code));
		return -code;
	}
	return 0;
}

/* Keeps what there is of `kept` as permitted; effective only where asked. */
static int set_capabilities(cap_flag_value_t effective)
{
	cap_t now = cap_get_proc();
	cap_t wanted = cap_init();
	int result = -1;

	for (unsigned i = 0; now && wanted && i < KEPT; i++) {
		cap_flag_value_t have = CAP_CLEAR;

		cap_get_flag(now, kept[i], CAP_PERMITTED, &have);
		cap_set_flag(wanted, CAP_PERMITTED, 1, &kept[i], have);
		cap_set_flag(wanted, CAP_EFFECTIVE, 1, &kept[i], have ? effective : CAP_CLEAR);
	}
	if (now && wanted)
		result = cap_set_proc(wanted);
	cap_free(now);
	cap_free(wanted);
	return result < 0 ? -errno : 0;
}

int privilege_drop(const char *user, char *error, size_t error_size)
{
	int result = user ? change_user(user, error, error_size) : 0;

	if (result)
		return result;
	result = set_capabilities(CAP_CLEAR);
	if (result)
		snprintf(error, error_size, "cannot let privileges go: %s", strerror(-result));
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return result;
}

/* A failure here shows where the ring is opened, and is told there. */
void privilege_raise(void)
{
	set_capabilities(CAP_SET);
}

void privilege_lower(void)
{
	set_capabilities(CAP_CLEAR);
}
