/* Heartbeats: a target is up while it is heard. What was heard is only noted here, once a packet;
 * the timer looks when it comes up, and goes on from there. */
#include "appliance/path/check.h"
#include "appliance/path/check_state.h"
#include "appliance/path/internal.h"

static void hear(struct path *path, const struct snapshot_target *target)
{
	struct check *check = check_of(path, target);

	path->counters.heartbeats++;
	check->sent_ns = path->now_ns;
	check->stale_ns = path->now_ns + target->timeout_ns;
	if (check->health != HEALTH_UP)
		wheel_add(&path->checks->wheel, check_slot(check), check->stale_ns);
	check_note(path, check, CHECK_HEARD, HEALTH_UP);
}

/* Every heartbeat target of the packet's source that listens to `port`; zero: to anything. */
static bool hear_all(struct path *path, const struct packet *packet, be16 port)
{
	uint32_t cursor = 0, index;
	bool heard = false;

	while ((index = snapshot_heartbeat_next(path->snapshot, packet->source, &cursor)) != NONE) {
		const struct snapshot_target *target = &path->snapshot->target[index];

		if (!same16(target->heartbeat_port, port))
			continue;
		hear(path, target);
		heard = true;
	}
	return heard;
}

bool heartbeat_heard(struct path *path, const struct packet *packet)
{
	if (packet->protocol != PROTOCOL_NUMBER_TCP && packet->protocol != PROTOCOL_NUMBER_UDP)
		return false;
	return hear_all(path, packet, (be16){0});
}

bool heartbeat_received(struct path *path, const struct packet *packet)
{
	const struct snapshot_interface *in = &path->snapshot->interface[packet->frame->interface];

	return in->sides & SIDE_BACKEND && packet->destination_port.raw &&
	       hear_all(path, packet, packet->destination_port);
}

void heartbeat_timer(struct path *path, struct check *check, const struct snapshot_target *target)
{
	if (check->health != HEALTH_UP)
		return;
	check->stale_ns = check->sent_ns + target->timeout_ns;
	if (path->now_ns >= check->stale_ns)
		check_note(path, check, CHECK_SILENT, HEALTH_DOWN);
	else
		wheel_add(&path->checks->wheel, check_slot(check), check->stale_ns);
}
