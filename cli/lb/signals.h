/* Signals, caught into flags. They are let through only where ppoll() waits with the mask that
 * signals_catch() gives, so that none comes between a look at its flag and the wait. */
#ifndef LB_SIGNALS_H
#define LB_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct signals {
	volatile sig_atomic_t interrupted, terminated, stopped, resized;
};

/* Of the process: there is one set of handlers. A flag is cleared by whoever heeds it. */
extern struct signals signals;

/* SIGINT, SIGTERM and SIGHUP, SIGTSTP, SIGWINCH. */
void signals_catch(sigset_t *ret_waiting);
/* They do again what they did before. */
void signals_release(const sigset_t *waiting);

#endif
