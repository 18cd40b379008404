/* The whole terminal, for as long as something is drawn on it: alternate screen, keys as they are
 * pressed. It is given back as it was, whatever becomes of lb: a process of its own waits for the
 * case that lb is killed without a chance to do so itself.
 */
#ifndef LB_TERMINAL_H
#define LB_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
	struct termios before, during;
	pid_t guard;
	int guard_fd;      /* -1: there is none */
};

/* True where stdin and stdout are a terminal that can be drawn on. */
bool terminal_is_there(void);
/* 0 or a negative errno. */
int terminal_open(struct terminal *terminal);
void terminal_close(struct terminal *terminal);
/* For Ctrl-Z: gives the terminal back, stops lb, takes the terminal again when lb goes on. */
void terminal_stop(const struct terminal *terminal);

void terminal_size(int *ret_rows, int *ret_columns);
/* In one go, so that no half picture is seen. */
void terminal_write(const char *text, size_t size);

#endif
