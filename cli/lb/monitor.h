/* The live screen: a document comes each interval, keys come when they come. */
#ifndef LB_MONITOR_H
#define LB_MONITOR_H

#include <stdbool.h>
#include <stddef.h>

struct monitor;

/* Takes the terminal; NULL where that cannot be. Signals are caught already (signals.h). */
struct monitor *monitor_open(void);
/* Gives it back. */
void monitor_close(struct monitor *monitor);

/* A part of a document; it is drawn when its newline has come. */
void monitor_sample(struct monitor *monitor, const char *text, size_t size);
/* After a key or a signal. False where the operator has seen enough. */
bool monitor_attend(struct monitor *monitor);

#endif
