/* What an operator captures: frames as a pcap file, and beside it what became of each.
 *
 * The file is a console's: here are only bytes for it. One capture at a time, since each costs the
 * packet path a look at every frame. Control thread only.
 */
#ifndef APPLIANCE_RECORDING_H
#define APPLIANCE_RECORDING_H

#include "cli/appliance.h"

/* `control` is a struct control. As struct appliance has them. */
int recording_begin(void *control, const struct capture_question *question, const char *user,
		    struct recording **ret_recording, char *error, size_t error_size);
int recording_take(struct recording *recording, struct buffer *frames, struct buffer *lines,
		   struct recording_state *ret_state, char *error, size_t error_size);
int recording_stop(void *control, struct recording *recording, char *error, size_t error_size);
void recording_end(struct recording *recording);

#endif
