/* Heartbeats as control hears of them: senders that join the pools of a check and leave them, weights
 * that they tell, places that they move to. Each function says what happened in the journal, and
 * returns true where the tables are to be compiled anew.
 */
#ifndef APPLIANCE_JOINING_H
#define APPLIANCE_JOINING_H

#include "appliance/control.h"

/* EVENT_REGISTER. */
bool joining_asked(struct control *control, const struct path_event *event);
/* EVENT_TARGET_MOVED. */
bool joining_moved(struct control *control, const struct path_event *event);
/* EVENT_TARGET_WEIGHT; NONE: as configured. */
bool joining_weight(struct control *control, uint32_t target_id, uint32_t weight);
/* A target is down: where it is that of a member, the member leaves. */
bool joining_lost(struct control *control, uint32_t target_id);

#endif
