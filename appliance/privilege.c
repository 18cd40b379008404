#include "appliance/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

/* For packet sockets; for send buffers beyond the system's limit; for memory that is locked; for the
 * program that wakes the packet path. */
static const cap_value_t wanted[] = {CAP_NET_RAW, CAP_NET_ADMIN, CAP_IPC_LOCK, CAP_BPF};
enum { NONE, FOR_RINGS = 2, FOR_START = 4 }; /* how many of them */

/* Who is in a group may give files to it, and needs no privilege for that. Where the group is
 * missing, or the right to join it, the socket stays its owner's alone. */
static void join_group(const char *name)
{
	const struct group *entry = getgrnam(name);
	int count = getgroups(0, NULL);
	gid_t *groups = count < 0 ? NULL : calloc((size_t)count + 1, sizeof(*groups));

	if (entry && groups && getgroups(count, groups) == count) {
		groups[count] = entry->gr_gid;
		setgroups((size_t)count + 1, groups);
	}
	free(groups);
}

static int change_user(const char *user, const char *group, char *error, size_t error_size)
{
	const struct passwd *entry;
	int code;

	errno = 0;
	entry = getpwnam(user);
	if (!entry) {
		code = errno ? errno : ENOENT;
		snprintf(error, error_size, "no user \"%s\"", user);
		return -code;
	}
	if (prctl(PR_SET_KEEPCAPS, 1) == 0 && initgroups(user, entry->pw_gid) == 0 &&
	    setgid(entry->pw_gid) == 0) {
		join_group(group);
		if (setuid(entry->pw_uid) == 0)
			return 0;
	}
	code = errno;
	snprintf(error, error_size, "cannot become user \"%s\": %s", user, strerror(code));
	return -code;
}

/* Of the first `count` wanted ones keeps those that are there, in effect only where asked; lets all
 * others go. Of this thread: that is the kernel's unit. */
static int keep(unsigned count, cap_flag_value_t effective)
{
	cap_t now = cap_get_proc();
	cap_t next = cap_init();
	int result = -1;

	for (unsigned i = 0; now && next && i < count; i++) {
		cap_flag_value_t have = CAP_CLEAR;

		cap_get_flag(now, wanted[i], CAP_PERMITTED, &have);
		cap_set_flag(next, CAP_PERMITTED, 1, &wanted[i], have);
		cap_set_flag(next, CAP_EFFECTIVE, 1, &wanted[i], have ? effective : CAP_CLEAR);
	}
	if (now && next)
		result = cap_set_proc(next);
	cap_free(now);
	cap_free(next);
	return result < 0 ? -errno : 0;
}

int privilege_drop(const char *user, const char *group, char *error, size_t error_size)
{
	int result = 0;

	if (user)
		result = change_user(user, group, error, error_size);
	else
		join_group(group);
	if (result)
		return result;
	result = keep(FOR_START, CAP_CLEAR);
	if (result)
		snprintf(error, error_size, "cannot let privileges go: %s", strerror(-result));
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return result;
}

/* A failure shows in what needed the privilege, and is told there. */
void privilege_raise(void)
{
	keep(FOR_START, CAP_SET);
}

void privilege_lower(void)
{
	keep(FOR_START, CAP_CLEAR);
}

void privilege_settle(void)
{
	keep(FOR_RINGS, CAP_CLEAR);
}

void privilege_renounce(void)
{
	keep(NONE, CAP_CLEAR);
}
