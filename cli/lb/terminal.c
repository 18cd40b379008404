#include "cli/lb/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 24, COLUMNS = 80 }; /* where nobody knows */

/* xterm's, which all others have taken over: alternate screen, cursor. */
static const char enter[] = "\033[?1049h\033[?25l", leave[] = "\033[?25h\033[?1049l";

bool terminal_is_there(void)
{
	const char *type = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && type && *type &&
	       strcmp(type, "dumb") != 0;
}

void terminal_write(const char *text, size_t size)
{
	while (size) {
		ssize_t written = write(STDOUT_FILENO, text, size);

		if (written < 0 && errno != EINTR)
			return;
		text += written > 0 ? written : 0;
		size -= written > 0 ? (size_t)written : 0;
	}
}

/* In a session of its own, so that no signal of the terminal's reaches it. lb's end is the end of
 * the pipe; a byte before it says that all is as it was. The modes are put back only where they are
 * still lb's: the shell may have been faster. */
static void stand_guard(const struct terminal *terminal, int pipe_fd)
{
	struct termios now;
	ssize_t got;
	char word;

	setsid();
	if (dup2(pipe_fd, STDIN_FILENO) < 0)
		_exit(EXIT_FAILURE);
	closefrom(STDERR_FILENO);
	do
		got = read(STDIN_FILENO, &word, 1);
	while (got < 0 && errno == EINTR);
	if (got)
		_exit(EXIT_SUCCESS);
	terminal_write(leave, sizeof(leave) - 1);
	if (tcgetattr(STDOUT_FILENO, &now) == 0 && now.c_lflag == terminal->during.c_lflag)
		tcsetattr(STDOUT_FILENO, TCSANOW, &terminal->before);
	_exit(EXIT_SUCCESS);
}

static void post_guard(struct terminal *terminal)
{
	int ends[2];

	terminal->guard_fd = -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	terminal->guard = fork();
	if (terminal->guard == 0) {
		close(ends[1]);
		stand_guard(terminal, ends[0]);
	}
	close(ends[0]);
	if (terminal->guard < 0)
		close(ends[1]);
	else
		terminal->guard_fd = ends[1];
}

static void dismiss_guard(struct terminal *terminal)
{
	if (terminal->guard_fd < 0)
		return;
	while (write(terminal->guard_fd, "q", 1) < 0 && errno == EINTR)
		;
	close(terminal->guard_fd);
	while (waitpid(terminal->guard, NULL, 0) < 0 && errno == EINTR)
		;
}

static void take(const struct terminal *terminal)
{
	tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->during);
	terminal_write(enter, sizeof(enter) - 1);
}

static void give_back(const struct terminal *terminal)
{
	terminal_write(leave, sizeof(leave) - 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
}

int terminal_open(struct terminal *terminal)
{
	if (tcgetattr(STDIN_FILENO, &terminal->before) < 0)
		return -errno;
	terminal->during = terminal->before;
	/* Keys at once and unseen; those that make signals still do. */
	terminal->during.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	terminal->during.c_cc[VMIN] = 1;
	terminal->during.c_cc[VTIME] = 0;
	post_guard(terminal);
	take(terminal);
	return 0;
}

void terminal_close(struct terminal *terminal)
{
	give_back(terminal);
	dismiss_guard(terminal);
}

void terminal_stop(const struct terminal *terminal)
{
	give_back(terminal);
	kill(getpid(), SIGSTOP);
	take(terminal);
}

void terminal_size(int *ret_rows, int *ret_columns)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col;

	*ret_rows = known ? size.ws_row : ROWS;
	*ret_columns = known ? size.ws_col : COLUMNS;
}
