#include "appliance/joining.h"

#include <stdio.h>
#include <string.h>

enum { PLACE_SIZE = 64, ADDRESS_TEXT_SIZE = 16 };

/* The check and the address that a target is for; NULL: it is gone. */
static const char *check_of_target(const struct control *control, uint32_t target_id,
				   be32 *ret_address)
{
	const struct snapshot *snapshot = &control->compiler.current->snapshot;
	uint32_t target = snapshot_target_of(snapshot, target_id);

	for (uint32_t i = 0; target != NONE && i < snapshot->backends; i++) {
		if (snapshot->backend[i].target != target)
			continue;
		/* Backends stand in the snapshot in the order of the model. */
		const struct config_backend *backend =
			config_at(control->serving, KIND_BACKEND, i);
		const struct config_pool *pool =
			config_find_name(control->serving, KIND_POOL, backend->pool);

		*ret_address = backend->address.address;
		return pool->check;
	}
	return NULL;
}

static struct mac mac_of(const struct path_event *event)
{
	struct mac mac = {.set = true};

	memcpy(mac.byte, event->mac.byte, sizeof(mac.byte));
	return mac;
}

static const char *interface_of(const struct control *control, uint32_t index)
{
	const struct snapshot *snapshot = &control->compiler.current->snapshot;
	const char *name = slots_name(control->compiler.interfaces, snapshot->interface[index].id);

	return name ? name : "";
}

static void say_place(const struct path_event *event, const char *interface,
		      char ret_text[static PLACE_SIZE])
{
	char mac[ADDRESS_TEXT_SIZE + 2];

	format_mac(mac_of(event), mac, sizeof(mac));
	snprintf(ret_text, PLACE_SIZE, "%s on %s", mac, interface);
}

bool joining_asked(struct control *control, const struct path_event *event)
{
	const char *name = slots_name(control->compiler.registrations, event->id);
	const struct config_check *check =
		name ? config_find_name(control->running, KIND_CHECK, name) : NULL;
	struct member member = {
		.address = {event->address, (uint16_t)event->value},
		.mac = mac_of(event),
	};
	char address[ADDRESS_TEXT_SIZE], place[PLACE_SIZE];

	if (!check || !check->registers.length)
		return false;
	snprintf(member.check, sizeof(member.check), "%s", name);
	snprintf(member.interface, sizeof(member.interface), "%s",
		 interface_of(control, event->interface));
	if (members_join(&control->members, check, &member))
		return false;
	format_address(event->address, address, sizeof(address));
	say_place(event, member.interface, place);
	journal_say(control->journal, "backend %s registered by check %s, at %s", address, name,
		    place);
	return true;
}

bool joining_moved(struct control *control, const struct path_event *event)
{
	be32 address;
	const char *check = check_of_target(control, event->id, &address);
	const char *interface = interface_of(control, event->interface);
	struct member *member = check ? members_find(&control->members, check, address) : NULL;
	bool elsewhere = member && strcmp(member->interface, interface) != 0;
	char text[ADDRESS_TEXT_SIZE], place[PLACE_SIZE];

	format_address(event->address, text, sizeof(text));
	say_place(event, interface, place);
	journal_say(control->journal, "backend %s moved, it is heard from %s", text, place);
	if (member) {
		member->mac = mac_of(event);
		snprintf(member->interface, sizeof(member->interface), "%s", interface);
	}
	return elsewhere;
}

bool joining_weight(struct control *control, uint32_t target_id, uint32_t weight)
{
	be32 address;
	const char *check = check_of_target(control, target_id, &address);
	char text[ADDRESS_TEXT_SIZE];

	if (!check || !members_tell_weight(&control->members, check, address, weight))
		return false;
	format_address(address, text, sizeof(text));
	if (weight == NONE)
		journal_say(control->journal, "backend %s tells no weight any more", text);
	else
		journal_say(control->journal, "backend %s tells weight %u", text, weight);
	return true;
}

bool joining_lost(struct control *control, uint32_t target_id)
{
	be32 address;
	const char *check = check_of_target(control, target_id, &address);
	char text[ADDRESS_TEXT_SIZE];

	if (!check || !members_leave(&control->members, check, address))
		return false;
	format_address(address, text, sizeof(text));
	journal_say(control->journal, "backend %s left check %s: its heartbeats have ended", text,
		    check);
	control->members_left = true;
	return true;
}
