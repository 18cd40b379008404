/* A configuration compiled aside, to see what it would do. It changes nothing: what is learnt from
 * it is compared with what is in force, and it is thrown away. One at a time, and nothing else is
 * compiled while it is there. Control thread only. */
#ifndef APPLIANCE_TRIAL_H
#define APPLIANCE_TRIAL_H

#include "appliance/control.h"

struct trial {
	struct config *serving;   /* with what heartbeats have changed */
	struct compiled *compiled;
};

/* Backends that nothing has checked yet, since they are new in it, count as up: that is what they
 * are to become. 0, or a negative errno with a sentence. */
int trial_begin(struct control *control, const struct config *candidate, struct trial *ret_trial,
		char *error, size_t error_size);
void trial_end(struct control *control, struct trial *trial);
/* From one call to the next, control answers questions as if it were in force. */
void trial_swap(struct control *control, struct trial *trial);
/* True where a backend of it takes no flows before its first check has succeeded. */
bool trial_unchecked(const struct control *control, const struct trial *trial,
		     const struct config_backend *backend);

#endif
