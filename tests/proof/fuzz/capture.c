/* Files that stand in for rings: whatever a capture file holds, each frame of it has the length that it
 * says, and goes through the path; written out and read again, frames are the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring/pcap.h"
#include "tests/proof/fuzz/fuzz.h"
#include "tests/proof/fuzz/world.h"

enum { FRAMES_MAX = 200 };

static uint64_t seen;

static void fail(const char *what)
{
	fprintf(stderr, "FAILED: %s\n", what);
	abort();
}

static void note(const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;

	for (size_t i = 0; i < size; i++)
		seen = (seen ^ byte[i]) * UINT64_C(0x100000001b3);
}

static void on_send(void *context, const struct frame *frame)
{
	(void)context;
	note(frame->data, frame->length);
}

static void on_event(void *context, const struct path_event *event)
{
	(void)context;
	note(&event->type, sizeof(event->type));
}

void fuzz_init(void)
{
	static const struct path_output output = {.send = on_send, .event = on_event};

	worlds_load("tests/proof/fuzz/worlds", &output);
}

static int file_of(const uint8_t *data, size_t size, char name[64])
{
	int file = memfd_create("capture", MFD_CLOEXEC);

	if (file < 0 || write(file, data, size) != (ssize_t)size)
		fail("no memory");
	snprintf(name, 64, "/proc/self/fd/%d", file);
	return file;
}

/* A frame as it was read, and as it is read again from what is written of it. */
static void check_round_trip(const struct frame *frame, uint64_t time_ns)
{
	struct pcap_source *source = NULL;
	struct pcap_sink *sink;
	struct frame again;
	char name[64], error[512];
	uint64_t again_ns;
	int file = file_of((const uint8_t *)"", 0, name);

	if (pcap_sink_open(&sink, name, error, sizeof(error)) ||
	    pcap_sink_write(sink, frame, time_ns) || pcap_sink_close(sink, error, sizeof(error)) ||
	    pcap_source_open(&source, name, 0, error, sizeof(error)))
		fail("a frame cannot be written");
	if (pcap_source_next(source, &again, &again_ns, error, sizeof(error)) != 1)
		fail("a frame that was written cannot be read");
	if (again.length != frame->length || again.vlan_tpid != frame->vlan_tpid ||
	    again.vlan_tci != frame->vlan_tci || memcmp(again.data, frame->data, frame->length))
		fail("a frame that was written is another when it is read");
	pcap_source_close(source);
	close(file);
}

uint64_t fuzz_one(const uint8_t *data, size_t size, int tell)
{
	struct world *world = world_at(size ? data[size - 1] % worlds_count() : 0);
	struct pcap_source *source;
	char name[64], error[512] = "";
	int file = file_of(data, size, name), result;
	uint64_t now_ns = WORLD_START_NS, time_ns;
	struct frame frame;

	seen = 1;
	if (pcap_source_open(&source, name, 0, error, sizeof(error))) {
		if (!error[0])
			fail("a file is refused without a word");
		close(file);
		return 0;
	}
	world_reset(world);
	for (unsigned i = 0; i < FRAMES_MAX; i++) {
		struct outcome outcome;

		result = pcap_source_next(source, &frame, &time_ns, error, sizeof(error));
		if (result <= 0)
			break;
		if (tell)
			printf("frame of %u bytes, %u on the wire\n", frame.length,
			       frame.wire_length);
		note(frame.data, frame.length);
		if (i < 4 && frame.length == frame.wire_length)
			check_round_trip(&frame, time_ns);
		path_receive(world->path, &frame, &outcome, 1, now_ns += 1000000);
		note(&outcome.verdict, sizeof(outcome.verdict));
	}
	if (result < 0 && !error[0])
		fail("a file is given up without a word");
	pcap_source_close(source);
	close(file);
	return seen;
}
