#include "appliance/seccomp.h"

#include <errno.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <linux/sockios.h>

/* Rings, errands, events; and an honest end. */
static const int path_calls[] = {
	SCMP_SYS(clock_gettime), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_wait),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(getpid), SCMP_SYS(getsockopt),
	SCMP_SYS(gettid), SCMP_SYS(madvise), SCMP_SYS(munmap), SCMP_SYS(read), SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
	SCMP_SYS(tgkill), SCMP_SYS(write),
};

static const int control_calls[] = {
	/* The store, time zones, the users' names. */
	SCMP_SYS(access), SCMP_SYS(close), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(fcntl),
	SCMP_SYS(fdatasync), SCMP_SYS(fstat), SCMP_SYS(fsync), SCMP_SYS(ftruncate), SCMP_SYS(getdents64),
	SCMP_SYS(lseek), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(open), SCMP_SYS(openat),
	SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(read), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(stat), SCMP_SYS(statx), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(write),
	SCMP_SYS(writev),
	/* Consoles, metrics, netlink, rings. */
	SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),
	SCMP_SYS(sendto), SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
	SCMP_SYS(capget), SCMP_SYS(capset),
	/* The C library. */
	SCMP_SYS(brk), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(futex),
	SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getpid), SCMP_SYS(getrandom),
	SCMP_SYS(gettid), SCMP_SYS(gettimeofday), SCMP_SYS(getuid), SCMP_SYS(madvise), SCMP_SYS(mremap),
	SCMP_SYS(munmap), SCMP_SYS(nanosleep), SCMP_SYS(sysinfo), SCMP_SYS(time), SCMP_SYS(uname),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(tgkill),
};

static const int control_domains[] = {AF_UNIX, AF_NETLINK, AF_PACKET};

/* After a trap a call has failed with what this register holds. Elsewhere denied calls fail untold. */
#if defined(__x86_64__)
#define DENIED SCMP_ACT_TRAP
static void fail_call(ucontext_t *context) { context->uc_mcontext.gregs[REG_RAX] = -EPERM; }
#elif defined(__aarch64__)
#define DENIED SCMP_ACT_TRAP
static void fail_call(ucontext_t *context) { context->uc_mcontext.regs[0] = (unsigned long long)-EPERM; }
#else
#define DENIED SCMP_ACT_ERRNO(EPERM)
static void fail_call(ucontext_t *context) { (void)context; }
#endif

/* Anything may be half done where the call was made: nothing here but write(). */
static void tell(unsigned number)
{
	static const char before[] = "lbd: system call ", after[] = " is not on lbd's list: refused\n";
	char text[sizeof(before) + sizeof(after) + 16], digits[16];
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

static void on_denied(int signal, siginfo_t *info, void *context)
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

/* What the control thread may do only in part. */
static int allow_some(scmp_filter_ctx filter)
{
	int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (!result)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!result) /* if_indextoname() */
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					  SCMP_A1(SCMP_CMP_EQ, SIOCGIFNAME));
	for (size_t i = 0; !result && i < sizeof(control_domains) / sizeof(control_domains[0]); i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
					  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)control_domains[i]));
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
		result = allow(filter, control_calls, sizeof(control_calls) / sizeof(control_calls[0]));
	return result ? result : allow_some(filter);
}

/* A name service's modules are loaded when it is first asked, and cannot be once code cannot be mapped:
 * so it is asked for a user whom none of them knows. */
static void load_name_services(void)
{
	enum { NOBODY_KNOWN = -2 };

	getpwuid((uid_t)NOBODY_KNOWN);
}

static int confine(enum seccomp_role role)
{
	const struct sigaction action = {
		.sa_sigaction = on_denied, .sa_flags = SA_SIGINFO | SA_RESTART,
	};
	scmp_filter_ctx filter;
	int result;

	if (role == SECCOMP_CONTROL)
		load_name_services();
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return -errno;
	filter = seccomp_init(DENIED);
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
