#include "appliance/impact.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/overview.h"
#include "appliance/reports_topics.h"
#include "appliance/trial.h"

static const struct column flow_columns[] = {
	{"flows", NULL, COLUMN_COUNT},
	{"flows_moved", NULL, COLUMN_COUNT},
	{"flows_without_backend", NULL, COLUMN_COUNT},
	{"flows_ended", NULL, COLUMN_COUNT},
	{"lines", NULL, COLUMN_PROSE},
};

static const struct column maglev_columns[] = {
	{"pool", NULL, COLUMN_TEXT},
	{"slots", NULL, COLUMN_COUNT},
	{"slots_moved", NULL, COLUMN_COUNT},
	{"lines", NULL, COLUMN_PROSE},
};

static const struct column service_columns[] = {
	{"service", NULL, COLUMN_TEXT},
	{"has_none_now", NULL, COLUMN_FLAG},
	{"awaits_check", NULL, COLUMN_FLAG},
	{"lines", NULL, COLUMN_PROSE},
};

/* ---- flows ---- */

struct flow_count {
	const struct snapshot *candidate;
	const bool *pool_serves;       /* by index of candidate.pool */
	uint64_t flows, moved, without_backend, ended;
};

static bool count_flow(void *context, const struct flow *flow)
{
	struct flow_count *count = context;
	const struct snapshot *candidate = count->candidate;
	uint32_t service;

	count->flows++;
	switch (path_flow_fate(candidate, flow)) {
	case FLOW_STAYS:
		break;
	case FLOW_IS_CLEARED:
	case FLOW_IS_RESET:
		count->ended++;
		break;
	case FLOW_LOSES_BACKEND:
		service = snapshot_service_of(candidate, flow->service);
		if (count->pool_serves[candidate->service[service].pool])
			count->moved++;
		else
			count->without_backend++;
		break;
	}
	return true;
}

/* "12 of 4711 live flows change their backend, 3 end." */
static void describe_flows(const struct flow_count *count, char *ret_text, size_t size)
{
	char more[128] = "";
	int used = 0;

	ret_text[0] = 0;
	if (!count->flows)
		return;
	if (!count->moved && !count->ended && !count->without_backend) {
		snprintf(ret_text, size, "None of the %" PRIu64 " live flows is affected.",
			 count->flows);
		return;
	}
	if (count->without_backend)
		used = snprintf(more, sizeof(more), ", %" PRIu64 " lose it and find no other",
				count->without_backend);
	if (count->ended)
		snprintf(more + used, sizeof(more) - (size_t)used, ", %" PRIu64 " end",
			 count->ended);
	snprintf(ret_text, size, "%" PRIu64 " of %" PRIu64 " live flows change their backend%s.",
		 count->moved, count->flows, more);
}

static int report_flows(struct control *control, const struct snapshot *candidate,
			const bool *pool_serves, struct report *report)
{
	struct flow_count count = {.candidate = candidate, .pool_serves = pool_serves};
	int result = observe_bare_flows(control->mailbox, count_flow, &count);
	char line[256];

	if (result)
		return result;
	describe_flows(&count, line, sizeof(line));
	report_section(report, "impact", REPORT_OBJECT, COLUMNS(flow_columns));
	report_row(report);
	report_number(report, count.flows);
	report_number(report, count.moved);
	report_number(report, count.without_backend);
	report_number(report, count.ended);
	report_text(report, line);
	return 0;
}

/* ---- Maglev tables ---- */

static const struct maglev_member *in_slot(const struct compiled_pool *pool, uint32_t slot)
{
	return &pool->member[pool->table[slot]];
}

static uint32_t slots_moved(const struct compiled_pool *before, const struct compiled_pool *after)
{
	uint32_t moved = 0;

	if (before == after || (!before->table && !after->table))
		return 0;
	if (!before->table || !after->table)
		return MAGLEV_SIZE;
	for (uint32_t slot = 0; slot < MAGLEV_SIZE; slot++) {
		const struct maglev_member *was = in_slot(before, slot), *is = in_slot(after, slot);

		moved += !same32(was->address, is->address) || was->port != is->port;
	}
	return moved;
}

static uint32_t find_pool(const struct compiled *compiled, const char *name)
{
	for (uint32_t i = 0; i < compiled->snapshot.pools; i++)
		if (strcmp(compiled->pool[i]->name, name) == 0)
			return i;
	return NONE;
}

/* Which slot a client has depends on the seed and the affinity: with another one, all move. */
static uint32_t pool_moves(const struct compiled *before, uint32_t was,
			   const struct compiled *after, uint32_t is)
{
	if (before->snapshot.seed != after->snapshot.seed ||
	    before->snapshot.pool[was].affinity != after->snapshot.pool[is].affinity ||
	    before->snapshot.pool[was].scheduler != after->snapshot.pool[is].scheduler)
		return MAGLEV_SIZE;
	return slots_moved(before->pool[was], after->pool[is]);
}

/* A little is told as a little, not as nothing; and where there was or is no table, nothing of it. */
static void describe_pool(const struct compiled_pool *before, const struct compiled_pool *after,
			  uint32_t moved, char *ret_text, size_t size)
{
	double percent = 100.0 * moved / MAGLEV_SIZE;

	ret_text[0] = 0;
	if (moved && before->table && after->table)
		snprintf(ret_text, size, "pool %s: %s%.1f %% of its Maglev table moves.", after->name,
			 percent < 0.1 ? "less than " : "", percent < 0.1 ? 0.1 : percent);
}

static void report_maglev(struct report *report, const struct compiled *before,
			  const struct compiled *after)
{
	char line[NAME_SIZE + 64];

	report_section(report, "maglev", REPORT_LIST, COLUMNS(maglev_columns));
	for (uint32_t is = 0; is < after->snapshot.pools; is++) {
		const char *name = after->pool[is]->name;
		uint32_t was = find_pool(before, name), moved;

		if (was == NONE || after->snapshot.pool[is].scheduler != POOL_MAGLEV)
			continue;
		moved = pool_moves(before, was, after, is);
		describe_pool(before->pool[was], after->pool[is], moved, line, sizeof(line));
		report_row(report);
		report_text(report, name);
		report_number(report, MAGLEV_SIZE);
		report_number(report, moved);
		report_text(report, line);
	}
}

/* ---- services without a backend ---- */

/* What a pool of the candidate has for new flows at once, and once all checks have succeeded. */
struct pool_promise {
	bool now, later, open; /* open: whatever the checks say */
};

static bool is_up(const struct control *control, const struct config *serving,
		  const struct config_backend *backend)
{
	uint32_t target = compiler_target_id(&control->compiler, serving, backend);

	return target == NONE ||
	       compiler_health_of(&control->compiler, target) == HEALTH_UP;
}

static struct pool_promise promise_of(const struct control *control, const struct trial *trial,
				      uint32_t pool)
{
	const struct snapshot_pool *compiled = &trial->compiled->snapshot.pool[pool];
	struct pool_promise promise = {0};

	for (uint32_t i = compiled->first; i < compiled->first + compiled->count; i++) {
		const struct config_backend *backend = config_at(trial->serving, KIND_BACKEND, i);

		if (backend->admin != ADMIN_ENABLED || !backend->weight)
			continue;
		promise.open = true;
		promise.now |= is_up(control, trial->serving, backend);
		promise.later |= trial_unchecked(control, trial, backend);
	}
	return promise;
}

/* Whether new flows of the service find no backend as it is. False where it is not there yet. */
static bool has_none_now(const struct compiled *current, uint32_t service_id)
{
	const struct snapshot *snapshot = &current->snapshot;
	uint32_t index = snapshot_service_of(snapshot, service_id);

	return index != NONE && !snapshot->pool[snapshot->service[index].pool].usable;
}

static void describe_service(const char *name, bool now, bool later, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "service %s has no backend%s.", name,
		 now ? ", as now" : later ? " before a check succeeds" : " that takes flows");
}

static void report_services(struct control *control, const struct trial *trial,
			    const struct pool_promise *promises, struct report *report)
{
	const struct snapshot *candidate = &trial->compiled->snapshot;
	uint32_t index = 0;
	char line[NAME_SIZE + 64];

	report_section(report, "no_backend", REPORT_LIST, COLUMNS(service_columns));
	for (unsigned i = 0; i < config_count(trial->serving, KIND_SERVICE); i++) {
		const struct config_service *service = config_at(trial->serving, KIND_SERVICE, i);
		const struct snapshot_service *compiled = &candidate->service[index];
		const struct pool_promise *promise = &promises[compiled->pool];
		bool now = has_none_now(control->compiler.current, compiled->id);

		index += service->address.protocol == PROTOCOL_ANY ? 2 : 1;
		if (service->admin != ADMIN_ENABLED || promise->now ||
		    (service->fail_open && promise->open))
			continue;
		describe_service(service->name, now, promise->later, line, sizeof(line));
		report_row(report);
		report_text(report, service->name);
		report_flag(report, now);
		report_flag(report, promise->later);
		report_text(report, line);
	}
}

static int report_all(struct control *control, const struct trial *trial, struct report *report)
{
	uint32_t pools = trial->compiled->snapshot.pools;
	struct pool_promise *promises = calloc(pools + 1, sizeof(*promises));
	bool *serves = calloc(pools + 1, sizeof(*serves));
	int result = promises && serves ? 0 : -ENOMEM;

	for (uint32_t i = 0; !result && i < pools; i++) {
		promises[i] = promise_of(control, trial, i);
		serves[i] = promises[i].now || promises[i].later;
	}
	if (!result)
		result = report_flows(control, &trial->compiled->snapshot, serves, report);
	if (!result) {
		report_maglev(report, control->compiler.current, trial->compiled);
		report_services(control, trial, promises, report);
	}
	free(promises);
	free(serves);
	return result;
}

int impact_report(struct control *control, const struct config *candidate, struct report *report,
		  char *error, size_t error_size)
{
	struct trial trial;
	int result = trial_begin(control, candidate, &trial, error, error_size);

	if (result)
		return result;
	result = report_all(control, &trial, report);
	trial_end(control, &trial);
	if (result)
		snprintf(error, error_size, "not enough memory to see what it would do");
	return result;
}
