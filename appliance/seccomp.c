#include "appliance/seccomp.h"

#include <errno.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/sockios.h>

/* Rings, errands, events; and an honest end. */
static const int path_calls[] = {
	SCMP_SYS(clock_gettime), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait),
	SCMP_SYS(getsockopt), SCMP_SYS(read), SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(write),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(madvise), SCMP_SYS(munmap), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(tgkill), SCMP_SYS(writev),
};

static const int control_calls[] = {
	/* The store, time zones. */
	SCMP_SYS(access), SCMP_SYS(close), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(fcntl), SCMP_SYS(fdatasync), SCMP_SYS(fstat), SCMP_SYS(fsync), SCMP_SYS(ftruncate),
	SCMP_SYS(lseek), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(openat), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(read), SCMP_SYS(stat), SCMP_SYS(statx), SCMP_SYS(unlink),
	SCMP_SYS(write),
	/* Users' names: nss-systemd and its like ask a service of theirs. */
	SCMP_SYS(epoll_create1), SCMP_SYS(getdents64), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(readlinkat), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	/* Consoles, metrics, netlink, rings. */
	SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(capget), SCMP_SYS(capset), SCMP_SYS(connect),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait), SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),
	SCMP_SYS(sendto), SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
	/* The store's files and sd_notify: who it is. */
	SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getuid),
	/* The C library. */
	SCMP_SYS(brk), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(getpid), SCMP_SYS(getrandom),
	SCMP_SYS(gettid), SCMP_SYS(gettimeofday), SCMP_SYS(madvise), SCMP_SYS(mremap),
	SCMP_SYS(munmap), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sysinfo), SCMP_SYS(tgkill),
	SCMP_SYS(time), SCMP_SYS(uname), SCMP_SYS(writev),
};

/* What control may do where an argument is so: map memory that is not run, ask for a link's name,
 * open sockets of these families. */
static const struct partly {
	int call;
	struct scmp_arg_cmp where;
} control_partly[] = {
	{SCMP_SYS(mmap), {.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC}},
	{SCMP_SYS(mprotect), {.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC}},
	{SCMP_SYS(ioctl), {.arg = 1, .op = SCMP_CMP_EQ, .datum_a = SIOCGIFNAME}},
	{SCMP_SYS(socket), {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_UNIX}},
	{SCMP_SYS(socket), {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_NETLINK}},
	{SCMP_SYS(socket), {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = AF_PACKET}},
};

/* After a trap a call has failed with what this register holds. Elsewhere nothing is told. */
#if defined(__x86_64__)
#define REFUSED SCMP_ACT_TRAP
static void fail_call(ucontext_t *context)
{
	context->uc_mcontext.gregs[REG_RAX] = -EPERM;
}
#elif defined(__aarch64__)
#define REFUSED SCMP_ACT_TRAP
static void fail_call(ucontext_t *context)
{
	context->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
}
#else
#define REFUSED SCMP_ACT_ERRNO(EPERM)
static void fail_call(ucontext_t *context)
{
	(void)context;
}
#endif

/* Anything may be half done where the call was made: nothing here but write(). */
static void tell(unsigned number)
{
	enum { DIGITS = 16 };
	static const char before[] = "lbd: system call ";
	static const char after[] = " is not on lbd's list: refused\n";
	char text[sizeof(before) + DIGITS + sizeof(after)], digits[DIGITS];
	size_t length = sizeof(before) - 1, count = 0;

	memcpy(text, before, length);
	do
		digits[count++] = (char)('0' + number % 10);
	while (number /= 10);
	while (count)
		text[length++] = digits[--count];
	memcpy(text + length, after, sizeof(after) - 1);
	if (write(STDERR_FILENO, text, length + sizeof(after) - 1) < 0)
		return;
}

static void on_refused(int signal, siginfo_t *info, void *context)
{
	enum { NUMBERS = 1024 };
	static atomic_bool told[NUMBERS];
	unsigned number = (unsigned)info->si_syscall;
	int before = errno;

	(void)signal;
	if (number >= NUMBERS || !atomic_exchange(&told[number], true))
		tell(number);
	fail_call(context);
	errno = before;
}

static int allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int result = 0;

	for (size_t i = 0; !result && i < count; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	return result;
}

static int allow_partly(scmp_filter_ctx filter, const struct partly *partly, size_t count)
{
	int result = 0;

	for (size_t i = 0; !result && i < count; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, partly[i].call, 1,
					  partly[i].where);
	return result;
}

static int fill(scmp_filter_ctx filter, enum seccomp_role role)
{
	enum { BINARY_TREE = 2 };
	int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);

	if (!result)
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0); /* is set */
	if (!result && role == SECCOMP_PATH)
		return allow(filter, path_calls, sizeof(path_calls) / sizeof(path_calls[0]));
	if (!result)
		result = allow(filter, control_calls,
			       sizeof(control_calls) / sizeof(control_calls[0]));
	if (!result)
		result = allow_partly(filter, control_partly,
				      sizeof(control_partly) / sizeof(control_partly[0]));
	return result;
}

/* A name service's modules are loaded when it is first asked, and cannot be any more once code
 * cannot be mapped: so it is asked for a user whom none of them knows. */
static void load_name_services(void)
{
	enum { NOBODY_KNOWN = -2 };

	getpwuid((uid_t)NOBODY_KNOWN);
}

static int confine(enum seccomp_role role)
{
	const struct sigaction action = {
		.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_RESTART,
	};
	scmp_filter_ctx filter;
	int result;

	if (role == SECCOMP_CONTROL)
		load_name_services();
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return -errno;
	filter = seccomp_init(REFUSED);
	if (!filter)
		return -ENOMEM;
	result = fill(filter, role);
	if (!result)
		result = seccomp_load(filter);
	seccomp_release(filter);
	return result;
}

int seccomp_confine(enum seccomp_role role)
{
#ifdef LB_SANITIZED
	(void)role;
	(void)confine;
	return 0;
#else
	return confine(role);
#endif
}
