#include "appliance/idle.h"

/* Silence after which it sleeps; a wake-up costs about as much. */
static const uint64_t spin_ns = 50000;
/* From when the kernel looks whether to wake until the packet can be read. */
static const uint64_t settle_ns = 3000;

static uint64_t patience_ns(const struct idle *idle)
{
	switch (idle->state) {
	case IDLE_ARMED: return settle_ns;
	case IDLE_WOKEN: return spin_ns;
	case IDLE_AWAKE: break;
	}
	return idle->wait == WAIT_SLEEP ? 0 : spin_ns;
}

void idle_woken(struct idle *idle, uint64_t now_ns)
{
	idle->state = IDLE_WOKEN;
	idle->since_ns = now_ns;
}

enum idle_step idle_next(struct idle *idle, bool worked, uint64_t now_ns)
{
	if (worked) {
		idle->state = IDLE_AWAKE;
		idle->since_ns = now_ns;
		return IDLE_GO_ON;
	}
	if (idle->wait == WAIT_BUSY || now_ns - idle->since_ns < patience_ns(idle))
		return IDLE_PAUSE;
	idle->since_ns = now_ns;
	if (idle->state == IDLE_ARMED) {
		idle->state = IDLE_AWAKE;
		return IDLE_SLEEP;
	}
	idle->state = IDLE_ARMED;
	return IDLE_ARM;
}
