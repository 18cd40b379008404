#include "appliance/recording.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/overview.h"
#include "ring/pcap.h"

enum {
	TAKEN_AT_ONCE = 512 * 1024, /* bytes, about: what a console gets in one go */
	LINE_SIZE = 2 * NAME_SIZE + TEXT_SIZE,
};

struct recording {
	struct control *control;
	struct capture *capture;
	bool attached;           /* the path may still write */
	char user[NAME_SIZE];
	int64_t wall_ns;         /* to be added to the path's clock */
	struct pcap_sink *sink;  /* writes to `bytes` */
	struct buffer bytes;
	uint64_t frames;
};

static ssize_t keep_bytes(void *context, const char *bytes, size_t size)
{
	struct recording *recording = context;

	buffer_append(&recording->bytes, bytes, size);
	return recording->bytes.failed ? 0 : (ssize_t)size;
}

static int open_sink(struct recording *recording, char *error, size_t error_size)
{
	FILE *stream = fopencookie(recording, "w", (cookie_io_functions_t){.write = keep_bytes});

	if (!stream) {
		snprintf(error, error_size, "not enough memory to capture");
		return -ENOMEM;
	}
	return pcap_sink_open_stream(&recording->sink, stream, error, error_size);
}

static int find_interface(const struct control *control, const char *name, uint32_t *ret_index,
			  char *error, size_t error_size)
{
	*ret_index = NONE;
	if (!*name)
		return 0;
	if (config_find_name(control->running, KIND_INTERFACE, name))
		*ret_index = compiler_interface_index(&control->compiler, name);
	if (*ret_index != NONE)
		return 0;
	snprintf(error, error_size, "no interface \"%s\"", name);
	return -ENOENT;
}

static int check(const struct control *control, char *error, size_t error_size)
{
	if (!control->loop) {
		snprintf(error, error_size, "a replay captures nothing");
		return -ENOTSUP;
	}
	if (control->recording) {
		snprintf(error, error_size, "%s captures already. `capture stop` ends it",
			 control->recording->user);
		return -EBUSY;
	}
	return 0;
}

static int open_capture(struct recording *recording, const struct capture_question *question,
			char *error, size_t error_size)
{
	struct capture_options options = {.filter = question->filter, .count = question->count};
	int result = find_interface(recording->control, question->interface, &options.interface,
				    error, error_size);

	if (!result)
		result = open_sink(recording, error, error_size);
	return result ? result : capture_new(&recording->capture, &options, error, error_size);
}

int recording_begin(void *context, const struct capture_question *question, const char *user,
		    struct recording **ret_recording, char *error, size_t error_size)
{
	struct control *control = context;
	int result = check(control, error, error_size);
	struct recording *recording = result ? NULL : calloc(1, sizeof(*recording));

	if (result)
		return result;
	if (!recording) {
		snprintf(error, error_size, "not enough memory to capture");
		return -ENOMEM;
	}
	recording->control = control;
	snprintf(recording->user, sizeof(recording->user), "%s", user);
	result = open_capture(recording, question, error, error_size);
	if (result) {
		recording_end(recording);
		return result;
	}
	recording->wall_ns = wall_clock_ns() - (int64_t)clock_now_ns();
	control->recording = recording;
	recording->attached = true;
	loop_set_capture(control->loop, recording->capture);
	*ret_recording = recording;
	return 0;
}

static void detach(struct recording *recording)
{
	if (!recording->attached)
		return;
	loop_set_capture(recording->control->loop, NULL);
	recording->attached = false;
	recording->control->recording = NULL;
}

int recording_stop(void *context, struct recording *recording, char *error, size_t error_size)
{
	struct control *control = context;

	if (!recording)
		recording = control->recording;
	if (!recording) {
		snprintf(error, error_size, "nobody captures");
		return -ENOENT;
	}
	detach(recording);
	return 0;
}

void recording_end(struct recording *recording)
{
	char error[SENTENCE_SIZE];

	detach(recording);
	capture_free(recording->capture);
	if (recording->sink)
		pcap_sink_close(recording->sink, error, sizeof(error));
	buffer_free(&recording->bytes);
	free(recording);
}

/* Where a frame left; NULL: nowhere. */
static const char *way_out(const struct control *control, const struct outcome *outcome)
{
	if (outcome->verdict != VERDICT_FORWARDED || outcome->interface == NONE)
		return NULL;
	return outcome->interface == EVERY_FRONTEND ?
		       "frontends" : overview_interface_name(control, outcome->interface);
}

/* "17 ext forwarded 10.0.0.11:80 int": by the number that the frame has in the file. */
static void put_line(const struct recording *recording, const struct captured *captured,
		     struct buffer *lines)
{
	const struct control *control = recording->control;
	const struct outcome *outcome = &captured->outcome;
	const struct config_backend *backend =
		outcome->backend == NONE ? NULL : overview_backend_of(control, outcome->backend);
	const char *in = overview_interface_name(control, captured->frame.interface);
	const char *out = way_out(control, outcome);
	char address[TEXT_SIZE] = "-", line[LINE_SIZE];
	int length;

	if (backend)
		format_endpoint(backend->address, address, sizeof(address));
	length = snprintf(line, sizeof(line), "%" PRIu64 " %s %s %s %s\n", recording->frames,
			  in ? in : "-", verdict_name(outcome->verdict), address, out ? out : "-");
	buffer_append(lines, line, (size_t)length);
}

static int take_frames(struct recording *recording, struct buffer *lines)
{
	struct captured captured;
	int result = 0;

	while (!result && recording->bytes.size < TAKEN_AT_ONCE &&
	       capture_next(recording->capture, &captured)) {
		result = pcap_sink_write(recording->sink, &captured.frame,
					 captured.time_ns + (uint64_t)recording->wall_ns);
		recording->frames++;
		if (!result)
			put_line(recording, &captured, lines);
		capture_done(recording->capture);
	}
	return result ? result : pcap_sink_flush(recording->sink);
}

int recording_take(struct recording *recording, struct buffer *frames, struct buffer *lines,
		   struct recording_state *ret_state, char *error, size_t error_size)
{
	bool complete = capture_complete(recording->capture);
	int result;

	/* What the path wrote before it was let go, or said so, is there to be taken now. */
	if (complete)
		detach(recording);
	result = take_frames(recording, lines);
	if (!result && lines->failed)
		result = -ENOMEM;
	if (result) {
		snprintf(error, error_size, "the capture cannot go on: %s", strerror(-result));
		return result;
	}
	*frames = recording->bytes;
	recording->bytes = (struct buffer){0};
	*ret_state = (struct recording_state){
		.frames = recording->frames,
		.lost = capture_lost(recording->capture),
		.ended = !recording->attached && !buffer_left(frames),
	};
	return 0;
}
