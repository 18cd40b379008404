/* The packet path over capture files: the frames are the captures', and so is the time.
 *
 * A whole appliance without rings, store and socket: the configuration is an ordinary script, run by
 * the same session as at the console; the path, its compiler and its events are the same. Between two
 * frames the path's own deadlines are kept in the order of time, so that the same captures give the
 * same result, bit for bit.
 */
#include "appliance/replay.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "appliance/control.h"
#include "appliance/directory.h"
#include "appliance/replay_config.h"
#include "appliance/replay_options.h"
#include "appliance/reports.h"
#include "appliance/tracing.h"
#include "cli/render.h"
#include "ring/filter.h"
#include "ring/pcap.h"

enum { ERROR_SIZE = 1024, FILE_NAME_SIZE = 4096 };

struct input {
	const char *interface;
	uint16_t index;         /* of the interface, once the configuration is compiled */
	struct pcap_source *source;
	struct frame frame;     /* the next one, while `waiting` */
	uint64_t time_ns;
	bool waiting;
};

struct replay {
	struct control control;
	struct path *path;
	void *memory;
	size_t memory_size;
	struct replay_options options;
	struct input input[INTERFACES_MAX];  /* options.inputs of them */
	struct replay_config config;
	uint64_t now_ns, frames;
	int failed;             /* negative errno of an output file */
	struct pcap_sink *sink[INTERFACES_MAX];
	char error[ERROR_SIZE];
};

static void write_frame(void *context, const struct frame *frame)
{
	struct replay *replay = context;
	struct pcap_sink *sink = replay->sink[frame->interface];

	if (sink && !replay->failed)
		replay->failed = pcap_sink_write(sink, frame, replay->now_ns);
}

static void take_event(void *context, const struct path_event *event)
{
	struct replay *replay = context;

	mailbox_event(replay->control.mailbox, event);
}

static bool wants_trace(void *context, const struct frame *frame)
{
	const struct replay *replay = context;

	return !replay->control.trace_filter ||
	       frame_filter_matches(replay->control.trace_filter, frame);
}

/* Everything is there and up; MACs are the configuration's, or made of the order of definition. */
static void facts(void *context, const struct config_interface *interface, uint32_t index,
		  struct interface_facts *ret_facts)
{
	const struct replay *replay = context;
	unsigned number = replay_config_order(&replay->config, interface->name);

	(void)index;
	*ret_facts = (struct interface_facts){
		.up = true,
		.mac = {2, 0, 0, 0, 0, (uint8_t)(number + 1)},
		.mtu = replay->options.mtu,
	};
}

/* Health that changed a moment ago is in the tables before the next frame. */
static void settle(struct replay *replay)
{
	mailbox_use_in_place(replay->control.mailbox, replay->path, replay->now_ns);
	control_events(&replay->control);
}

static void advance(struct replay *replay, uint64_t to_ns)
{
	uint64_t deadline;

	while ((deadline = path_deadline(replay->path)) <= to_ns) {
		if (deadline > replay->now_ns)
			replay->now_ns = deadline;
		path_tick(replay->path, replay->now_ns);
		settle(replay);
	}
	if (to_ns > replay->now_ns)
		replay->now_ns = to_ns;
}

/* The id of a backend, as operators write it. */
static json_t *backend_text(const struct replay *replay, uint32_t id)
{
	const struct snapshot *snapshot = &replay->control.compiler.current->snapshot;
	uint32_t index = id == NONE ? NONE : snapshot_backend_of(snapshot, id);

	if (index == NONE)
		return json_null();
	const struct snapshot_backend *backend = &snapshot->backend[index];
	uint32_t address = from_be32(backend->address);
	return json_sprintf("%u.%u.%u.%u:%u", address >> 24, address >> 16 & 255,
			    address >> 8 & 255, address & 255, from_be16(backend->port));
}

static json_t *interface_text(const struct replay *replay, uint32_t index)
{
	const char *name = replay_config_name(&replay->config, &replay->control.compiler, index);

	return index == NONE || !name ? json_null() : json_string(name);
}

static void print_outcome(const struct replay *replay, const struct input *input,
			  const struct outcome *outcome)
{
	bool dropped = verdict_is_drop(outcome->verdict);
	bool left = outcome->verdict == VERDICT_FORWARDED;
	json_t *line = json_pack("{s:I, s:s, s:s, s:o, s:o, s:o}",
		"index", (json_int_t)replay->frames,
		"interface", input->interface,
		"verdict", dropped ? "dropped" : verdict_name(outcome->verdict),
		"reason", dropped ? json_string(verdict_name(outcome->verdict)) : json_null(),
		"backend", backend_text(replay, outcome->backend),
		"output_interface", interface_text(replay, left ? outcome->interface : NONE));

	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

static void take_frame(struct replay *replay, struct input *input)
{
	struct outcome outcome;

	advance(replay, input->time_ns);
	replay->frames++;
	input->frame.interface = input->index;
	path_receive(replay->path, &input->frame, &outcome, 1, replay->now_ns);
	if (replay->options.json)
		print_outcome(replay, input, &outcome);
	settle(replay);
}

static int next_frame(struct replay *replay, struct input *input)
{
	int result = pcap_source_next(input->source, &input->frame, &input->time_ns, replay->error,
				      sizeof(replay->error));

	input->waiting = result > 0;
	return result < 0 ? result : 0;
}

/* The earliest frame of all captures; of two at the same time, that of the capture named first. */
static struct input *earliest(struct replay *replay)
{
	struct input *first = NULL;

	for (unsigned i = 0; i < replay->options.inputs; i++) {
		struct input *input = &replay->input[i];

		if (input->waiting && (!first || input->time_ns < first->time_ns))
			first = input;
	}
	return first;
}

static int run_frames(struct replay *replay)
{
	struct input *input;
	int result = 0;

	while (!result && !replay->failed && (input = earliest(replay))) {
		take_frame(replay, input);
		result = next_frame(replay, input);
	}
	if (replay->failed) {
		snprintf(replay->error, sizeof(replay->error), "cannot write to %s: %s",
			 replay->options.out, strerror(-replay->failed));
		return replay->failed;
	}
	return result;
}

/* The path's time begins with the first frame, so the captures are opened before anything runs. */
static int open_inputs(struct replay *replay)
{
	for (unsigned i = 0; i < replay->options.inputs; i++) {
		struct input *input = &replay->input[i];

		input->interface = replay->options.input[i].interface;
		int result = pcap_source_open(&input->source, replay->options.input[i].file, 0,
					      replay->error, sizeof(replay->error));

		if (!result)
			result = next_frame(replay, input);
		if (result)
			return result;
	}
	const struct input *first = earliest(replay);
	replay->now_ns = first ? first->time_ns : 0;
	return 0;
}

static int find_interfaces(struct replay *replay)
{
	for (unsigned i = 0; i < replay->options.inputs; i++) {
		struct input *input = &replay->input[i];
		uint32_t index = compiler_interface_index(&replay->control.compiler,
							  input->interface);

		if (index == NONE) {
			snprintf(replay->error, sizeof(replay->error),
				 "--in %s: the configuration has no interface \"%s\"",
				 input->interface, input->interface);
			return -ENOENT;
		}
		input->index = (uint16_t)index;
	}
	return 0;
}

static int open_outputs(struct replay *replay)
{
	const struct config *config = replay->control.running;
	char file[FILE_NAME_SIZE];

	for (unsigned i = 0; replay->options.out && i < config_count(config, KIND_INTERFACE); i++) {
		const struct config_interface *interface = config_at(config, KIND_INTERFACE, i);
		uint32_t index = compiler_interface_index(&replay->control.compiler,
							  interface->name);

		snprintf(file, sizeof(file), "%s/%s.pcap", replay->options.out, interface->name);
		int result = directory_prepare(file, NULL, replay->error, sizeof(replay->error));

		if (!result)
			result = pcap_sink_open(&replay->sink[index], file, replay->error,
						sizeof(replay->error));
		if (result)
			return result;
	}
	return 0;
}

static int close_outputs(struct replay *replay)
{
	int result = 0;

	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		int closed = replay->sink[i] ? pcap_sink_close(replay->sink[i], replay->error,
							       sizeof(replay->error)) :
					       0;
		if (closed)
			result = closed;
	}
	return result;
}

static int build_path(struct replay *replay)
{
	const struct config_global *global = config_global(replay->config.config);
	struct path_limits limits = {
		.flows = global->flow_table,
		.held_frame_size = UINT16_MAX,
		.seed = global->seed,
	};
	struct path_output output = {.context = replay, .send = write_frame, .event = take_event,
				     .wants_trace = wants_trace};

	/* Mapped memory is zero without being touched: what a short replay never uses costs nothing. */
	replay->memory_size = path_size(&limits);
	replay->memory = mmap(NULL, replay->memory_size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (replay->memory == MAP_FAILED) {
		replay->memory = NULL;
		snprintf(replay->error, sizeof(replay->error), "not enough memory for %u flows",
			 limits.flows);
		return -ENOMEM;
	}
	replay->path = path_new(replay->memory, &limits, &output);
	return 0;
}

/* The path begins at the time of the first frame; control takes the configuration over. */
static int start(struct replay *replay)
{
	struct control *control = &replay->control;
	struct config *config;

	control->mailbox = mailbox_new();
	control->journal = journal_new();
	if (!control->mailbox || !control->journal ||
	    compiler_init(&control->compiler, facts, replay)) {
		snprintf(replay->error, sizeof(replay->error), "not enough memory");
		return -ENOMEM;
	}
	control->compiler.assume_up = replay->options.assume_up;
	int result = build_path(replay);
	if (result)
		return result;
	config = config_copy(replay->config.config);
	if (!config)
		return -ENOMEM;
	mailbox_use_in_place(control->mailbox, replay->path, replay->now_ns);
	result = control_start(control, config, 0, replay->error, sizeof(replay->error));
	if (result)
		config_free(config);
	return result;
}

/* As many packets as the script says: steps have no times, since nobody reads a clock here. */
static int start_trace(struct replay *replay)
{
	uint32_t count;

	if (!replay->config.traces)
		return 0;
	return tracing_add(&replay->control, replay->config.traces, replay->config.trace_filter,
			   &count, replay->error, sizeof(replay->error));
}

static void print_part(void *context, bool heading, const char *text, size_t size)
{
	(void)context;
	(void)heading;
	fwrite(text, 1, size, stdout);
}

static int print_report(struct replay *replay, enum topic topic)
{
	const struct filter all = {.limit = 0};
	struct report *report;
	int result = reports_show(&replay->control, topic, &all, &report, replay->error,
				  sizeof(replay->error));

	if (result)
		return result;
	if (replay->options.json) {
		char *text = render_json(report);

		result = text ? 0 : -ENOMEM;
		if (text)
			fputs(text, stdout);
		free(text);
	} else {
		result = render_text(report, print_part, NULL);
	}
	report_free(report);
	return result;
}

static int run(struct replay *replay)
{
	int result = replay_config_run(&replay->config, replay->options.script, replay->error,
				       sizeof(replay->error));

	if (!result)
		result = open_inputs(replay);
	if (!result)
		result = start(replay);
	if (!result)
		result = start_trace(replay);
	if (!result)
		result = find_interfaces(replay);
	if (!result)
		result = open_outputs(replay);
	if (!result)
		result = run_frames(replay);
	int closed = close_outputs(replay);
	if (!result)
		result = closed;
	if (!result)
		result = print_report(replay, TOPIC_STATS);
	if (!result)
		result = print_report(replay, TOPIC_DROPS);
	if (!result && replay->config.traces)
		result = print_report(replay, TOPIC_TRACE);
	return result;
}

static void clean_up(struct replay *replay)
{
	for (unsigned i = 0; i < replay->options.inputs; i++)
		pcap_source_close(replay->input[i].source);
	control_stop(&replay->control);
	compiler_fini(&replay->control.compiler);
	journal_free(replay->control.journal);
	mailbox_free(replay->control.mailbox);
	replay_config_free(&replay->config);
	if (replay->memory)
		munmap(replay->memory, replay->memory_size);
}

int replay_main(int argc, char **argv)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int ended;

	if (!replay)
		return EXIT_FAILURE;
	ended = replay_options_parse(argc, argv, &replay->options);
	if (!ended) {
		ended = run(replay) ? EXIT_FAILURE + 1 : EXIT_SUCCESS + 1;
		if (ended != EXIT_SUCCESS + 1 && replay->error[0])
			fprintf(stderr, "lbd replay: %s\n", replay->error);
	}
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "lbd replay: cannot write the output: %s\n", strerror(errno));
		ended = EXIT_FAILURE + 1;
	}
	clean_up(replay);
	free(replay);
	return ended - 1;
}
