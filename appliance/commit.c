/* A change of the configuration: validate, build all that can fail, store, publish.
 *
 * Whatever fails before the store has acknowledged leaves disk, memory and path as they were;
 * what comes after it cannot fail.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/control.h"
#include "appliance/deeds.h"

/* What a commit has to do beyond compiling, by what differs. */
struct effects {
	bool flows_end;     /* a backend, service or address may be gone: their flows end */
	bool interfaces;    /* their rings are to follow */
	bool addresses;     /* that the host's kernel might have as well */
};

static bool is_other_address(const struct config_service *before,
			     const struct config_service *after)
{
	return after && (!before || !same32(before->address.address, after->address.address));
}

static void note_difference(void *context, enum kind kind, const void *before, const void *after)
{
	struct effects *effects = context;
	const struct config_global *global = after, *past = before;

	/* Rings become promiscuous or cease to be; flows end that the other topology does not
	 * have, or that are past all services. */
	if (kind == KIND_GLOBAL && global->topology != past->topology)
		effects->interfaces = effects->flows_end = true;
	if (kind == KIND_GLOBAL && global->forwarding != past->forwarding)
		effects->flows_end = true;
	if (kind == KIND_INTERFACE)
		effects->interfaces = effects->addresses = true;
	if (kind == KIND_SERVICE && is_other_address(before, after))
		effects->addresses = true;
	if ((kind == KIND_BACKEND || kind == KIND_SERVICE || kind == KIND_INTERFACE) && before)
		effects->flows_end = true;
}

static void say_restart(const struct control *control, const struct config *candidate,
			appliance_say *say, void *say_context)
{
	if (config_global(candidate)->flow_table != config_global(control->running)->flow_table)
		say(say_context, "flow-table is in force from the next start of lbd");
}

static void say_busy(const struct control *control, const struct config *candidate,
		     appliance_say *say, void *say_context)
{
	if (config_global(control->running)->wait != config_global(candidate)->wait)
		control_say_waiting(control, candidate, say, say_context);
}

/* Everything that can fail, before anything changes. */
static int prepare(struct control *control, const struct config *candidate, appliance_say *say,
		   void *say_context, struct config **ret_serving, struct compiled **ret_compiled,
		   char *error, size_t error_size)
{
	int result = config_validate(candidate, say, say_context, error, error_size);

	if (result)
		return result;
	say_restart(control, candidate, say, say_context);
	say_busy(control, candidate, say, say_context);
	return control_compile(control, candidate, ret_serving, ret_compiled, error, error_size);
}

int control_check(struct control *control, const struct config *candidate, appliance_say *say,
		  void *say_context, char *error, size_t error_size)
{
	struct config *serving;
	struct compiled *compiled;

	if (!config_compare(control->running, candidate, NULL, NULL))
		return 0;
	int result = prepare(control, candidate, say, say_context, &serving, &compiled, error,
			     error_size);
	if (result)
		return result;
	compile_discard(&control->compiler, compiled);
	config_free(serving);
	return 1;
}

/* What is written to disk: a revision, and what waits from then on. */
static int store_change(struct control *control, const struct config *candidate,
			const struct commit_note *note, const struct confirm *next,
			struct revision *made, char *error, size_t error_size)
{
	struct unconfirmed row = {0};
	int result;

	made->number = control->revision + 1;
	made->time_s = wall_clock_ns() / 1000000000;
	snprintf(made->user, sizeof(made->user), "%s", note->user);
	snprintf(made->comment, sizeof(made->comment), "%s", note->comment);
	if (!control->store)
		return 0;
	if (next->revision && !confirm_row(next, &row)) {
		snprintf(error, error_size, "not enough memory");
		return -ENOMEM;
	}
	result = store_commit_unconfirmed(control->store, control->running, candidate, made,
					  next->revision ? &row : NULL, error, error_size);
	free(row.text);
	return result;
}

/* The configuration is what it was; what waits may not be. */
static int commit_nothing(struct control *control, const struct confirm *next, char *error,
			  size_t error_size)
{
	struct unconfirmed row = {0};
	int result = 0;

	if (confirm_same(&control->confirm, next))
		return 0;
	if (next->revision && !confirm_row(next, &row)) {
		snprintf(error, error_size, "not enough memory");
		return -ENOMEM;
	}
	if (control->store)
		result = store_set_unconfirmed(control->store, next->revision ? &row : NULL, error,
					       error_size);
	free(row.text);
	if (!result)
		confirm_accept(control, next);
	return result;
}

/* From here on nothing fails. */
static void bring_into_force(struct control *control, struct config *config,
			     struct config *serving, struct compiled *compiled,
			     const struct effects *effects)
{
	control_publish(control, serving, compiled);
	config_free(control->running);
	control->running = config;
	members_follow(&control->members, config);
	if (effects->flows_end)
		control_sweep_flows(control);
	if (effects->interfaces && control->ports)
		control_links(control);
	if (effects->addresses && control->ports)
		ports_warn_of_kernel(control->ports, control->running);
}

static int commit_changes(struct control *control, const struct config *candidate,
			  const struct commit_note *note, const struct confirm *next,
			  appliance_say *say, void *say_context, char *error, size_t error_size)
{
	struct effects effects = {0};
	struct revision made = {
		.changes = config_compare(control->running, candidate, note_difference, &effects),
	};
	struct config *copy = config_copy(candidate), *serving;
	struct compiled *compiled;
	int result = -ENOMEM;

	snprintf(error, error_size, "not enough memory");
	if (copy)
		result = prepare(control, candidate, say, say_context, &serving, &compiled, error,
				 error_size);
	if (result) {
		config_free(copy);
		return result;
	}
	result = store_change(control, candidate, note, next, &made, error, error_size);
	if (result) {
		compile_discard(&control->compiler, compiled);
		config_free(serving);
		config_free(copy);
		return result;
	}
	control->revision = made.number;
	if (!note->takes_back)
		deeds_tell(control->journal, control->running, copy, &made);
	confirm_accept(control, next);
	bring_into_force(control, copy, serving, compiled, &effects);
	return 1;
}

int control_commit(struct control *control, const struct config *candidate,
		   const struct commit_note *note, appliance_say *say, void *say_context,
		   uint64_t *ret_revision, char *error, size_t error_size)
{
	struct confirm next;
	int result = confirm_plan(control, candidate, note, say, say_context, &next, error,
				  error_size);

	if (result)
		return result;
	if (config_compare(control->running, candidate, NULL, NULL))
		result = commit_changes(control, candidate, note, &next, say, say_context, error,
					error_size);
	else
		result = commit_nothing(control, &next, error, error_size);
	if (result < 0)
		confirm_drop(control, &next);
	*ret_revision = control->revision;
	return result;
}
