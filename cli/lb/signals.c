#include "cli/lb/signals.h"

#include <stddef.h>

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

struct signals signals;

static struct sigaction before[NUMBERS];

static void on_signal(int number)
{
	if (number == SIGINT)
		signals.interrupted = 1;
	else if (number == SIGTSTP)
		signals.stopped = 1;
	else if (number == SIGWINCH)
		signals.resized = 1;
	else
		signals.terminated = number;
}

void signals_catch(sigset_t *ret_waiting)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigset_t caught;

	sigemptyset(&caught);
	for (size_t i = 0; i < NUMBERS; i++) {
		sigaddset(&caught, numbers[i]);
		sigaction(numbers[i], &action, &before[i]);
	}
	sigprocmask(SIG_BLOCK, &caught, ret_waiting);
}

void signals_release(const sigset_t *waiting)
{
	for (size_t i = 0; i < NUMBERS; i++)
		sigaction(numbers[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, waiting, NULL);
}
