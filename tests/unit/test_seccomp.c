/* Confined threads: what they may still do, what they may not, and that a refusal is told. Each
 * test is a process of its own, since confinement is for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "appliance/seccomp.h"

enum { TOLD_SIZE = 4096 };

/* Runs `body` confined; its exit status (or minus the signal that ended it) and what it told. */
static int confined(enum seccomp_role role, int (*body)(void), char told[static TOLD_SIZE])
{
	size_t size = 0;
	ssize_t got;
	int ends[2], status;
	pid_t child;

#ifdef LB_SANITIZED
	skip();
#endif
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_confine(role))
			_exit(99);
		_exit(body());
	}
	close(ends[1]);
	while ((got = read(ends[0], told + size, TOLD_SIZE - 1 - size)) > 0)
		size += (size_t)got;
	told[size] = 0;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* How many of these calls were not refused as they should be. */
static int make_refused_calls(void)
{
	char *const command[] = {"true", NULL};
	int wrong = 0;

	wrong += !(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM);
	wrong += !(execv("/bin/true", command) == -1 && errno == EPERM);
	wrong += !(fork() == -1 && errno == EPERM);
	wrong += !(mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
		   errno == EPERM);
	wrong += !(rename("/tmp/a", "/tmp/b") == -1 && errno == EPERM);
	return wrong;
}

static void assert_told(const char *told, long call)
{
	char sentence[128];

	snprintf(sentence, sizeof(sentence), "lbd: system call %ld is not on lbd's list: refused\n",
		 call);
	assert_non_null(strstr(told, sentence));
}

static void what_is_not_on_the_list_fails_with_eperm_and_is_told(void **state)
{
	char told[TOLD_SIZE];

	(void)state;
	assert_int_equal(confined(SECCOMP_CONTROL, make_refused_calls, told), 0);
	assert_told(told, SYS_execve);
}

static int make_the_same_call_often(void)
{
	for (unsigned i = 0; i < 100; i++)
		socket(AF_INET, SOCK_STREAM, 0);
	return 0;
}

static void a_call_is_told_once(void **state)
{
	char told[TOLD_SIZE];

	(void)state;
	assert_int_equal(confined(SECCOMP_CONTROL, make_the_same_call_often, told), 0);
	assert_told(told, SYS_socket);
	assert_null(strstr(strchr(told, '\n') + 1, "lbd:"));
}

static int work_as_control(void)
{
	char *large = malloc(64 << 20);
	int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	int link = socket(AF_NETLINK, SOCK_RAW, 0);

	if (!large || file < 0 || link < 0)
		return 1;
	memset(large, 1, 64 << 20);
	free(large);
	return getpwuid(0) && strcmp(getpwuid(0)->pw_name, "root") == 0 ? 0 : 2;
}

static void control_opens_files_and_asks_for_users(void **state)
{
	char told[TOLD_SIZE];

	(void)state;
	assert_int_equal(confined(SECCOMP_CONTROL, work_as_control, told), 0);
	assert_string_equal(told, "");
}

static int open_a_file(void)
{
	return !(open("/etc/passwd", O_RDONLY | O_CLOEXEC) == -1 && errno == EPERM);
}

static void the_path_opens_no_file(void **state)
{
	char told[TOLD_SIZE];

	(void)state;
	assert_int_equal(confined(SECCOMP_PATH, open_a_file, told), 0);
	assert_told(told, SYS_openat);
}

static int die(void)
{
	abort();
}

static void an_abort_is_an_abort(void **state)
{
	char told[TOLD_SIZE];

	(void)state;
	assert_int_equal(confined(SECCOMP_PATH, die, told), -SIGABRT);
	assert_int_equal(confined(SECCOMP_CONTROL, die, told), -SIGABRT);
	assert_string_equal(told, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_on_the_list_fails_with_eperm_and_is_told),
		cmocka_unit_test(a_call_is_told_once),
		cmocka_unit_test(control_opens_files_and_asks_for_users),
		cmocka_unit_test(the_path_opens_no_file),
		cmocka_unit_test(an_abort_is_an_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
