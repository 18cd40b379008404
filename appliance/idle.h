/* What the packet path does when it has found nothing to do: look again, or sleep.
 *
 * Looking on for a moment costs CPU time and saves the next packet a wake-up. Before it sleeps it
 * arms the wake-up and looks once more for as long as a packet takes that came in between
 * (ring/wake.h).
 */
#ifndef APPLIANCE_IDLE_H
#define APPLIANCE_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/config/schema.h"

struct idle {
	enum wait_mode wait;
	enum {
		IDLE_AWAKE,
		IDLE_ARMED, /* a packet wakes; one that came before may not be in its ring yet */
		IDLE_WOKEN, /* by a packet that may not be in its ring yet */
	} state;
	uint64_t since_ns;  /* no work since then, or in this state */
};

enum idle_step {
	IDLE_GO_ON, /* there was work: look at once */
	IDLE_PAUSE, /* look again in a moment */
	IDLE_ARM,   /* arm the wake-up, look again */
	IDLE_SLEEP,
};

/* A packet has woken who slept. */
void idle_woken(struct idle *idle, uint64_t now_ns);
/* After a look at everything at `now_ns`, which found work or not. */
enum idle_step idle_next(struct idle *idle, bool worked, uint64_t now_ns);

#endif
