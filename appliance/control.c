#include "appliance/control.h"
#include "appliance/tracing.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "appliance/joining.h"

/* Records of the flow table that one errand looks at: some tens of microseconds for the path. */
enum { SLICE = 2048 };

int64_t wall_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- the way out: compile and publish ---- */

struct publish_errand {
	const struct snapshot *snapshot;
	struct ports *ports;
	struct loop *loop;
	enum wait_mode wait;
};

/* Rings of interfaces that are new come with their snapshot: nothing is lost in between. */
static void publish(struct path *path, void *argument, uint64_t now_ns)
{
	const struct publish_errand *errand = argument;

	/* A replay's time is the time of day. */
	if (errand->ports)
		path_set_wall_clock(path, (uint64_t)wall_clock_ns() - now_ns);
	path_publish(path, errand->snapshot, now_ns);
	if (errand->loop)
		loop_set_wait(errand->loop, errand->wait);
	if (errand->ports)
		ports_attach(errand->ports);
}

int control_compile(struct control *control, const struct config *config,
		    struct config **ret_serving, struct compiled **ret_compiled, char *error,
		    size_t error_size)
{
	struct config *serving = members_serve(&control->members, config);

	if (!serving) {
		snprintf(error, error_size, "not enough memory");
		return -ENOMEM;
	}
	int result = compile(&control->compiler, serving, ret_compiled, error, error_size);
	if (result)
		config_free(serving);
	else
		*ret_serving = serving;
	return result;
}

void control_publish(struct control *control, struct config *serving, struct compiled *compiled)
{
	struct publish_errand errand = {
		.snapshot = &compiled->snapshot,
		.ports = control->ports,
		.loop = control->loop,
		.wait = (enum wait_mode)config_global(serving)->wait,
	};

	mailbox_call(control->mailbox, publish, &errand);
	compile_accept(&control->compiler, compiled);
	config_free(control->serving);
	control->serving = serving;
}

/* The same configuration, compiled again with what is known now. */
static void republish(struct control *control)
{
	struct config *serving;
	struct compiled *compiled;
	char error[SENTENCE_SIZE];

	if (control_compile(control, control->running, &serving, &compiled, error, sizeof(error)))
		journal_say(control->journal, "the packet path keeps its last tables: %s", error);
	else
		control_publish(control, serving, compiled);
}

struct close_errand {
	const struct flow_match *match; /* NULL: sweep what the snapshot has ended */
	enum flow_close_reason reason;
	uint32_t cursor;
	uint64_t closed;
	bool done;
};

static void close_slice(struct path *path, void *argument, uint64_t now_ns)
{
	struct close_errand *errand = argument;

	(void)now_ns;
	if (errand->match)
		errand->closed += path_close_flows(path, errand->match, errand->reason,
						   &errand->cursor, SLICE);
	else
		path_sweep(path, &errand->cursor, SLICE);
	errand->done = errand->cursor >= path_flows(path)->capacity;
}

static uint64_t close_in_slices(struct control *control, struct close_errand errand)
{
	while (!errand.done)
		mailbox_call(control->mailbox, close_slice, &errand);
	return errand.closed;
}

void control_sweep_flows(struct control *control)
{
	close_in_slices(control, (struct close_errand){.match = NULL});
}

uint64_t control_close_flows(struct control *control, const struct flow_match *match,
			     enum flow_close_reason reason)
{
	return close_in_slices(control, (struct close_errand){.match = match, .reason = reason});
}

/* ---- the way in from the machine: links, health, the clock ---- */

static void attach(struct path *path, void *argument, uint64_t now_ns)
{
	(void)path;
	(void)now_ns;
	ports_attach(argument);
}

void control_links(struct control *control)
{
	if (ports_follow(control->ports, control->running, &control->compiler))
		republish(control);
	mailbox_call(control->mailbox, attach, control->ports);
}

static void say_health(struct control *control, uint32_t target_id, bool up)
{
	const struct snapshot *snapshot = &control->compiler.current->snapshot;
	uint32_t target = snapshot_target_of(snapshot, target_id);
	char label[2 * NAME_SIZE];

	if (target == NONE)
		return;
	/* Backends stand in the snapshot in the order of the model. */
	for (uint32_t i = 0; i < snapshot->backends; i++) {
		if (snapshot->backend[i].target != target)
			continue;
		object_label(KIND_BACKEND, config_at(control->serving, KIND_BACKEND, i), label,
			     sizeof(label));
		journal_say(control->journal, "backend %s %s", label, up ? "up" : "down");
	}
}

static void say_address_event(struct control *control, const struct path_event *event)
{
	const uint8_t *mac = event->mac.byte;
	uint32_t address = from_be32(event->address);
	struct port_view port = {.name = "?"};

	if (control->ports)
		ports_view(control->ports, event->interface, &port);
	if (event->type == EVENT_VIP_CONFLICT)
		journal_say(control->journal,
			    "alarm: %02x:%02x:%02x:%02x:%02x:%02x on %s claims our address %u.%u.%u.%u",
			    mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], port.name,
			    address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
	else
		journal_say(control->journal, "%u.%u.%u.%u on %s does not answer ARP",
			    address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255,
			    port.name);
}

static bool take_health(struct control *control, uint32_t target_id, enum health health)
{
	if (!compiler_health(&control->compiler, target_id, health))
		return false;
	say_health(control, target_id, health == HEALTH_UP);
	if (health == HEALTH_DOWN && control->members.count)
		joining_lost(control, target_id);
	return true;
}

struct health_errand {
	const struct snapshot *snapshot;
	uint32_t first, count;
	enum health health[SLICE];
	uint32_t weight[SLICE];
};

static void copy_health(struct path *path, void *argument, uint64_t now_ns)
{
	struct health_errand *errand = argument;

	(void)now_ns;
	for (uint32_t i = 0; i < errand->count; i++) {
		uint32_t target_id = errand->snapshot->target[errand->first + i].id;

		errand->health[i] = path_target_health(path, target_id);
		errand->weight[i] = path_target_weight(path, target_id);
	}
}

/* Events were lost: asks the path for the health of every target. */
static bool take_all_targets(struct control *control)
{
	struct health_errand errand = {.snapshot = &control->compiler.current->snapshot};
	bool changed = false;

	for (; errand.first < errand.snapshot->targets; errand.first += errand.count) {
		uint32_t left = errand.snapshot->targets - errand.first;

		errand.count = left < SLICE ? left : SLICE;
		mailbox_call(control->mailbox, copy_health, &errand);
		for (uint32_t i = 0; i < errand.count; i++) {
			uint32_t target_id = errand.snapshot->target[errand.first + i].id;

			changed |= take_health(control, target_id, errand.health[i]);
			if (errand.weight[i] != NONE || control->members.told_count)
				changed |= joining_weight(control, target_id, errand.weight[i]);
		}
	}
	return changed;
}

/* True where the tables are to be compiled anew. */
static bool take_event(struct control *control, const struct path_event *event)
{
	switch (event->type) {
	case EVENT_TARGET_UP: return take_health(control, event->id, HEALTH_UP);
	case EVENT_TARGET_DOWN: return take_health(control, event->id, HEALTH_DOWN);
	case EVENT_TARGET_WEIGHT: return joining_weight(control, event->id, event->value);
	case EVENT_TARGET_MOVED: return joining_moved(control, event);
	case EVENT_REGISTER: return joining_asked(control, event);
	case EVENT_VIP_CONFLICT:
	case EVENT_NEIGHBOR_FAILED: break;
	}
	say_address_event(control, event);
	return false;
}

void control_events(struct control *control)
{
	struct path_event event;
	bool lost, missed = false, changed = false;

	while (mailbox_next_event(control->mailbox, &event, &lost)) {
		missed |= lost;
		changed |= take_event(control, &event);
	}
	if (missed || lost)
		changed |= take_all_targets(control);
	if (changed)
		republish(control);
	if (control->members_left)
		control_sweep_flows(control);
	control->members_left = false;
}

static void end_drain(struct control *control, const struct config_backend *drained)
{
	const struct config_backend *backend =
		config_find(control->serving, KIND_BACKEND, drained);
	struct flow_match match = {.service_id = NONE};
	char label[2 * NAME_SIZE];

	if (!backend || backend->admin != ADMIN_DRAIN)
		return;
	match.backend_id = compiler_backend_id(&control->compiler, backend);
	object_label(KIND_BACKEND, backend, label, sizeof(label));
	journal_say(control->journal, "backend %s: drain time is over, %llu flows closed", label,
		    (unsigned long long)control_close_flows(control, &match, FLOW_CLOSE_DRAIN));
}

void control_tick(struct control *control, uint64_t now_ns)
{
	if (control->ports && ports_deadline(control->ports) <= now_ns)
		control_links(control);
	confirm_tick(control, now_ns);
	for (unsigned i = 0; i < control->drains;) {
		if (control->drain[i].deadline_ns > now_ns) {
			i++;
			continue;
		}
		struct config_backend backend = control->drain[i].backend;

		control->drain[i] = control->drain[--control->drains];
		end_drain(control, &backend);
	}
}

uint64_t control_deadline(const struct control *control)
{
	uint64_t deadline = control->ports ? ports_deadline(control->ports) : UINT64_MAX;

	if (confirm_deadline(control) < deadline)
		deadline = confirm_deadline(control);
	for (unsigned i = 0; i < control->drains; i++)
		if (control->drain[i].deadline_ns < deadline)
			deadline = control->drain[i].deadline_ns;
	return deadline;
}

/* ---- begin and end ---- */

static void say_warning(void *context, const char *sentence)
{
	journal_say(context, "warning: %s", sentence);
}

void control_say_waiting(const struct control *control, const struct config *config,
			 appliance_say *say, void *say_context)
{
	if (config_global(config)->wait == WAIT_BUSY && control->loop &&
	    !loop_is_pinned(control->loop))
		say(say_context, "wait busy without a CPU of its own (lbd --cpu N): what else runs "
				 "there delays packets by milliseconds");
}

/* A release may have come to be stricter than the one that stored it: that is no reason to stop. */
static void say_what_is_odd(struct control *control, const struct config *config)
{
	char error[SENTENCE_SIZE];

	if (config_validate(config, say_warning, control->journal, error, sizeof(error)))
		journal_say(control->journal, "warning: this would not be accepted today: %s",
			    error);
}

int control_start(struct control *control, struct config *config, uint64_t at, char *error,
		  size_t error_size)
{
	struct config *serving;
	struct compiled *compiled;
	control->compiler.members = &control->members;
	int result = control_compile(control, config, &serving, &compiled, error, error_size);

	if (result)
		return result;
	control->running = config;
	control->revision = at;
	control->started_ns = wall_clock_ns();
	control_publish(control, serving, compiled);
	if (control->store)
		say_what_is_odd(control, config);
	if (control->ports) {
		control_links(control);
		ports_warn_of_kernel(control->ports, config);
		control_say_waiting(control, config, say_warning, control->journal);
	}
	return 0;
}

void control_stop(struct control *control)
{
	confirm_stop(control);
	tracing_free(control);
	config_free(control->running);
	config_free(control->serving);
	members_free(&control->members);
	control->running = control->serving = NULL;
}
