/* The console at the keyboard. */
#ifndef LB_CONSOLE_H
#define LB_CONSOLE_H

#include "cli/lb/connection.h"

/* Until `quit`, Ctrl-D or the end of lbd; the exit status of lb. `flags` as in struct request. */
enum exit_status console_run(struct connection *connection, unsigned flags);

#endif
