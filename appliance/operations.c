/* What the console may ask of the appliance: struct appliance, over the control thread's state. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "appliance/control.h"
#include "appliance/impact.h"
#include "appliance/rates.h"
#include "appliance/recording.h"
#include "appliance/reports.h"
#include "appliance/tracing.h"

static const struct config *running(void *context)
{
	return ((const struct control *)context)->running;
}

static uint64_t revision(void *context)
{
	return ((const struct control *)context)->revision;
}

static int check(void *context, const struct config *candidate, appliance_say *say,
		 void *say_context, char *error, size_t error_size)
{
	return control_check(context, candidate, say, say_context, error, error_size);
}

static int commit(void *context, const struct config *candidate, const struct commit_note *note,
		  appliance_say *say, void *say_context, uint64_t *ret_revision, char *error,
		  size_t error_size)
{
	return control_commit(context, candidate, note, say, say_context, ret_revision, error,
			      error_size);
}

static bool waiting(void *context, struct waiting *ret_waiting)
{
	return confirm_waits(context, ret_waiting);
}

static int impact(void *context, const struct config *candidate, struct report *report,
		  char *error, size_t error_size)
{
	return impact_report(context, candidate, report, error, error_size);
}

static int lookup(void *context, const struct config *candidate,
		  const struct tuple_question *question, struct report **ret_report, char *error,
		  size_t error_size)
{
	return candidate ? reports_lookup_in(context, candidate, question, ret_report, error,
					     error_size) :
			   reports_lookup(context, question, ret_report, error, error_size);
}

static int confirm(void *context, const char *user, char *error, size_t error_size)
{
	return confirm_now(context, user, error, error_size);
}

static int no_store(char *error, size_t error_size)
{
	snprintf(error, error_size, "a replay keeps no revisions");
	return -ENOTSUP;
}

static int revision_text(void *context, uint64_t number, char **ret_text, char *error,
			 size_t error_size)
{
	struct control *control = context;

	return control->store ? store_revision_text(control->store, number, ret_text, error,
						    error_size) :
				no_store(error, error_size);
}

static int backup(void *context, void **ret_bytes, size_t *ret_size, char *error, size_t error_size)
{
	struct control *control = context;

	return control->store ? store_backup(control->store, ret_bytes, ret_size, error, error_size) :
				no_store(error, error_size);
}

static void clear_counters_errand(struct path *path, void *argument, uint64_t now_ns)
{
	(void)argument;
	(void)now_ns;
	path_clear_counters(path);
}

static int clear_counters(void *context, char *error, size_t error_size)
{
	struct control *control = context;

	(void)error;
	(void)error_size;
	mailbox_call(control->mailbox, clear_counters_errand, NULL);
	return 0;
}

/* A service of `any` has two ids; an address and port may be a backend in several pools. */
static uint64_t clear_service_flows(struct control *control, const struct filter *filter,
				    struct flow_match match)
{
	uint64_t closed = 0;

	if (!filter->has_backend)
		return control_close_flows(control, &match, FLOW_CLOSE_CLEARED);
	for (unsigned i = 0; i < config_count(control->serving, KIND_BACKEND); i++) {
		const struct config_backend *backend =
			config_at(control->serving, KIND_BACKEND, i);

		if (!value_equal(VALUE_ENDPOINT, &backend->address, &filter->backend))
			continue;
		match.backend_id = compiler_backend_id(&control->compiler, backend);
		closed += control_close_flows(control, &match, FLOW_CLOSE_CLEARED);
	}
	return closed;
}

static int clear_flows(void *context, const struct filter *filter, uint64_t *ret_count, char *error,
		       size_t error_size)
{
	static const uint8_t protocols[] = {PROTOCOL_NUMBER_TCP, PROTOCOL_NUMBER_UDP};
	struct control *control = context;
	struct flow_match match = {.backend_id = NONE, .service_id = NONE};

	if (filter->has_client)
		match.client = filter->client;
	if (filter->has_client_port)
		match.client_port = to_be16(filter->client_port);
	*ret_count = 0;
	if (!filter->service[0]) {
		*ret_count = clear_service_flows(control, filter, match);
		return 0;
	}
	if (!config_find_name(control->running, KIND_SERVICE, filter->service)) {
		snprintf(error, error_size, "no service \"%s\"", filter->service);
		return -ENOENT;
	}
	for (unsigned i = 0; i < sizeof(protocols); i++) {
		match.service_id = compiler_service_id(&control->compiler, filter->service,
						       protocols[i]);
		if (match.service_id != NONE)
			*ret_count += clear_service_flows(control, filter, match);
	}
	return 0;
}

static int drain_deadline(void *context, const struct config_backend *backend, uint64_t timeout_ns,
			  char *error, size_t error_size)
{
	struct control *control = context;
	struct drain *drain = control->drain;

	while (drain < control->drain + control->drains &&
	       (strcmp(drain->backend.pool, backend->pool) != 0 ||
		!value_equal(VALUE_ENDPOINT, &drain->backend.address, &backend->address)))
		drain++;
	if (drain == control->drain + control->drains) {
		if (!timeout_ns)
			return 0;
		if (control->drains == DRAINS_MAX) {
			snprintf(error, error_size, "%u drains have a deadline already; no more can",
				 DRAINS_MAX);
			return -ENOSPC;
		}
		control->drains++;
	}
	drain->backend = *backend;
	drain->deadline_ns = timeout_ns ? clock_now_ns() + timeout_ns : UINT64_MAX;
	return 0;
}

struct flows_errand {
	uint32_t backend_id;
	uint64_t flows;
};

static void count_flows(struct path *path, void *argument, uint64_t now_ns)
{
	struct flows_errand *errand = argument;

	(void)now_ns;
	errand->flows = path_backend_counters(path, errand->backend_id)->active_flows;
}

static int backend_flows(void *context, const struct config_backend *backend, uint64_t *ret_flows,
			 char *error, size_t error_size)
{
	struct control *control = context;
	struct flows_errand errand = {
		.backend_id = compiler_backend_id(&control->compiler, backend),
	};

	if (errand.backend_id == NONE) {
		snprintf(error, error_size, "the backend is gone");
		return -ENOENT;
	}
	mailbox_call(control->mailbox, count_flows, &errand);
	*ret_flows = errand.flows;
	return 0;
}

struct appliance control_appliance(struct control *control)
{
	return (struct appliance){
		.context = control,
		.running = running,
		.revision = revision,
		.commit = commit,
		.check = check,
		.waiting = waiting,
		.confirm = confirm,
		.revision_text = revision_text,
		.backup = backup,
		.report = reports_show,
		.lookup = lookup,
		.impact = impact,
		.capture = recording_begin,
		.capture_take = recording_take,
		.capture_stop = recording_stop,
		.capture_end = recording_end,
		.monitor = rates_look,
		.trace = tracing_add,
		.clear_trace = tracing_clear,
		.monitor_end = rates_free,
		.clear_counters = clear_counters,
		.clear_flows = clear_flows,
		.drain_deadline = drain_deadline,
		.backend_flows = backend_flows,
	};
}
