/* Completion for a shell: `lb --complete LINE`, behind `lb -c "LINE` and Tab. */
#ifndef LB_COMPLETE_H
#define LB_COMPLETE_H

#include "cli/lb/exchange.h"

/* Prints how the line may go on, each as a whole line. What can go on in one way only goes on with
 * it, so that a shell that has a quote open does not close it before the command is complete. */
void complete_print(struct exchange *exchange, const char *line);

#endif
