/* Capture files in and out: nothing is lost or changed on the way, and a bad file says what is
 * wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring/pcap.h"

enum { INTERFACE = 3 };

static char file[] = "/tmp/test_pcap.XXXXXX";
static char error[256];

static int setup(void **state)
{
	int fd = mkstemp(file);
	(void)state;

	return fd < 0 || close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(file);
}

/* A capture's global header and its records are words in the writer's byte order. */
static void write_words(FILE *stream, const uint32_t *words, size_t count)
{
	assert_int_equal(fwrite(words, sizeof(*words), count, stream), count);
}

static FILE *start_capture(uint32_t magic, uint32_t link_type)
{
	const uint32_t words[] = {magic, 2 | 4 << 16, 0, 0, 65535, link_type};
	FILE *stream = fopen(file, "wb");

	assert_non_null(stream);
	write_words(stream, words, 6);
	return stream;
}

enum {
	MAGIC_MICROSECONDS = 0xa1b2c3d4,
	LINK_ETHERNET = 1,
	LINK_RAW_IP = 101,
};

static struct pcap_source *open_source(void)
{
	struct pcap_source *source = NULL;

	if (pcap_source_open(&source, file, INTERFACE, error, sizeof(error)))
		fail_msg("%s", error);
	return source;
}

static int next(struct pcap_source *source, struct frame *ret_frame, uint64_t *ret_time_ns)
{
	return pcap_source_next(source, ret_frame, ret_time_ns, error, sizeof(error));
}

static void assert_open_fails(int status, const char *reason)
{
	struct pcap_source *source = NULL;

	error[0] = '\0';
	assert_int_equal(pcap_source_open(&source, file, INTERFACE, error, sizeof(error)), status);
	assert_null(source);
	assert_non_null(strstr(error, file));
	if (!strstr(error, reason))
		fail_msg("\"%s\" does not say \"%s\"", error, reason);
}

static struct pcap_sink *open_sink(void)
{
	struct pcap_sink *sink = NULL;

	if (pcap_sink_open(&sink, file, error, sizeof(error)))
		fail_msg("%s", error);
	return sink;
}

static void frames_come_back_with_bytes_and_nanoseconds(void **state)
{
	static uint8_t bytes[70000];
	const uint32_t lengths[] = {0, 1, 14, 60, 1514, 9014, 70000};
	const size_t count = sizeof(lengths) / sizeof(lengths[0]);
	const uint64_t begin_ns = 1700000000123456789;
	struct pcap_sink *sink = open_sink();
	struct pcap_source *source;
	struct frame frame;
	uint64_t time_ns;
	(void)state;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 + i / 256);
	for (size_t i = 0; i < count; i++) {
		frame = (struct frame){.data = bytes, .length = lengths[i]};
		assert_int_equal(pcap_sink_write(sink, &frame, begin_ns + i), 0);
	}
	assert_int_equal(pcap_sink_close(sink, error, sizeof(error)), 0);

	source = open_source();
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(next(source, &frame, &time_ns), 1);
		assert_int_equal(time_ns, begin_ns + i);
		assert_int_equal(frame.length, lengths[i]);
		assert_int_equal(frame.wire_length, lengths[i]);
		assert_memory_equal(frame.data, bytes, lengths[i]);
		assert_int_equal(frame.interface, INTERFACE);
		assert_int_equal(frame.vlan_tpid, 0);
		assert_int_equal(frame.offload.flags | frame.offload.gso_type, 0);
		assert_true(frame.headroom >= 64);
		memset(frame.data - frame.headroom, 0xee, frame.headroom + (size_t)frame.length);
	}
	assert_int_equal(next(source, &frame, &time_ns), 0);
	assert_int_equal(next(source, &frame, &time_ns), 0);
	pcap_source_close(source);
}

static void microsecond_captures_are_read_in_nanoseconds(void **state)
{
	const uint32_t record[] = {1600000000, 999999, 8, 60};
	struct pcap_source *source;
	struct frame frame;
	uint64_t time_ns;
	FILE *stream = start_capture(MAGIC_MICROSECONDS, LINK_ETHERNET);
	(void)state;

	write_words(stream, record, 4);
	write_words(stream, (const uint32_t[]){1, 2}, 2);
	fclose(stream);

	source = open_source();
	assert_int_equal(next(source, &frame, &time_ns), 1);
	assert_int_equal(time_ns, 1600000000999999000);
	/* And a frame that was cut short when it was captured is told as one. */
	assert_int_equal(frame.length, 8);
	assert_int_equal(frame.wire_length, 60);
	pcap_source_close(source);
}

static void pcapng_is_read_too(void **state)
{
	const uint32_t section[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28};
	const uint32_t interface[] = {1, 20, LINK_ETHERNET, 65535, 20};
	const uint32_t packet[] = {6, 40, 0, 0, 5, 8, 8, 0x11111111, 0x22222222, 40};
	struct pcap_source *source;
	struct frame frame;
	uint64_t time_ns;
	FILE *stream = fopen(file, "wb");
	(void)state;

	assert_non_null(stream);
	write_words(stream, section, 7);
	write_words(stream, interface, 5);
	write_words(stream, packet, 10);
	fclose(stream);

	source = open_source();
	assert_int_equal(next(source, &frame, &time_ns), 1);
	assert_int_equal(time_ns, 5000);
	assert_int_equal(frame.length, 8);
	assert_memory_equal(frame.data, &packet[7], 8);
	assert_int_equal(next(source, &frame, &time_ns), 0);
	pcap_source_close(source);
}

static void a_capture_without_frames_is_no_error(void **state)
{
	struct pcap_source *source;
	struct frame frame;
	uint64_t time_ns;
	(void)state;

	assert_int_equal(pcap_sink_close(open_sink(), error, sizeof(error)), 0);
	source = open_source();
	assert_int_equal(next(source, &frame, &time_ns), 0);
	pcap_source_close(source);
}

static void a_file_cut_short_gives_its_whole_frames_then_says_so(void **state)
{
	uint8_t bytes[100] = {0};
	struct frame frame = {.data = bytes, .length = sizeof(bytes), .wire_length = sizeof(bytes)};
	struct pcap_sink *sink = open_sink();
	struct pcap_source *source;
	uint64_t time_ns;
	(void)state;

	assert_int_equal(pcap_sink_write(sink, &frame, 1), 0);
	assert_int_equal(pcap_sink_write(sink, &frame, 2), 0);
	assert_int_equal(pcap_sink_close(sink, error, sizeof(error)), 0);
	assert_int_equal(truncate(file, 24 + 2 * (16 + 100) - 1), 0);

	source = open_source();
	assert_int_equal(next(source, &frame, &time_ns), 1);
	assert_int_equal(next(source, &frame, &time_ns), -EINVAL);
	assert_non_null(strstr(error, file));
	assert_non_null(strstr(error, "truncated"));
	pcap_source_close(source);
}

static void an_impossible_length_is_an_error(void **state)
{
	const uint32_t longer_than_the_wire[] = {1, 0, 8, 4, 0, 0};
	const uint32_t huge[] = {1, 0, 0x7fffffff, 0x7fffffff};
	struct pcap_source *source;
	struct frame frame;
	uint64_t time_ns;
	FILE *stream;
	(void)state;

	stream = start_capture(MAGIC_MICROSECONDS, LINK_ETHERNET);
	write_words(stream, longer_than_the_wire, 6);
	fclose(stream);
	source = open_source();
	assert_int_equal(next(source, &frame, &time_ns), -EINVAL);
	assert_non_null(strstr(error, "4 bytes, 8 of them captured"));
	pcap_source_close(source);

	stream = start_capture(MAGIC_MICROSECONDS, LINK_ETHERNET);
	write_words(stream, huge, 4);
	fclose(stream);
	source = open_source();
	assert_int_equal(next(source, &frame, &time_ns), -EINVAL);
	assert_non_null(strstr(error, file));
	pcap_source_close(source);
}

static void files_that_are_no_ethernet_captures_are_refused(void **state)
{
	FILE *stream;
	(void)state;

	fclose(start_capture(MAGIC_MICROSECONDS, LINK_RAW_IP));
	assert_open_fails(-EINVAL, "RAW, not Ethernet");
	fclose(start_capture(0x12345678, LINK_ETHERNET));
	assert_open_fails(-EINVAL, "unknown file format");

	stream = fopen(file, "wb");
	assert_non_null(stream);
	fclose(stream);
	assert_open_fails(-EINVAL, "truncated");
}

static void a_missing_file_is_named(void **state)
{
	struct pcap_source *source;
	(void)state;

	assert_int_equal(pcap_source_open(&source, "/nonexistent/x.pcap", 0, error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error, "/nonexistent/x.pcap: No such file or directory");
}

/* The bytes of the capture's only frame. */
static void read_frame_as_written(uint8_t *bytes, uint32_t length)
{
	enum { FILE_HEADER = 24, RECORD_HEADER = 16, RECORD_LENGTH = 8 };
	uint8_t whole[256];
	uint32_t captured;
	FILE *stream = fopen(file, "rb");

	assert_non_null(stream);
	assert_int_equal(fread(whole, 1, sizeof(whole), stream),
			 FILE_HEADER + RECORD_HEADER + length);
	fclose(stream);
	memcpy(&captured, whole + FILE_HEADER + RECORD_LENGTH, sizeof(captured));
	assert_int_equal(captured, length);
	memcpy(bytes, whole + FILE_HEADER + RECORD_HEADER, length);
}

static void a_tag_beside_the_frame_is_written_into_it_and_taken_out_again(void **state)
{
	const uint16_t tpids[] = {0x8100, 0x88a8};
	uint8_t bytes[60] = {0}, written[64];
	(void)state;

	memset(bytes + 12, 0x55, 48);
	for (size_t i = 0; i < 2; i++) {
		const uint8_t tag[] = {(uint8_t)(tpids[i] >> 8), (uint8_t)tpids[i], 0x60, 0x2a};
		struct frame frame = {.data = bytes, .length = 60, .wire_length = 61,
				      .vlan_tpid = tpids[i], .vlan_tci = 0x602a};
		struct pcap_sink *sink = open_sink();
		struct pcap_source *source;
		uint64_t time_ns;

		assert_int_equal(pcap_sink_write(sink, &frame, 0), 0);
		frame.length = 11;
		assert_int_equal(pcap_sink_write(sink, &frame, 0), -EINVAL);
		assert_int_equal(pcap_sink_close(sink, error, sizeof(error)), 0);
		read_frame_as_written(written, sizeof(written));
		assert_memory_equal(written, bytes, 12);
		assert_memory_equal(written + 12, tag, 4);
		assert_memory_equal(written + 16, bytes + 12, 48);

		source = open_source();
		assert_int_equal(next(source, &frame, &time_ns), 1);
		assert_int_equal(frame.length, 60);
		assert_int_equal(frame.wire_length, 61);
		assert_int_equal(frame.vlan_tpid, tpids[i]);
		assert_int_equal(frame.vlan_tci, 0x602a);
		assert_true(frame.headroom >= 64);
		assert_memory_equal(frame.data, bytes, 60);
		pcap_source_close(source);
	}
}

/* As the kernel does: of two tags the outer one, and none with nothing behind it. */
static void only_a_whole_outer_tag_is_taken_out(void **state)
{
	const uint8_t two[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
			       0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0};
	struct frame frame = {.data = (uint8_t *)(uintptr_t)two, .length = sizeof(two),
			      .wire_length = sizeof(two)};
	struct pcap_sink *sink = open_sink();
	struct pcap_source *source;
	uint64_t time_ns;
	(void)state;

	assert_int_equal(pcap_sink_write(sink, &frame, 0), 0);
	frame.length = frame.wire_length = 17;
	assert_int_equal(pcap_sink_write(sink, &frame, 0), 0);
	assert_int_equal(pcap_sink_close(sink, error, sizeof(error)), 0);

	source = open_source();
	assert_int_equal(next(source, &frame, &time_ns), 1);
	assert_int_equal(frame.vlan_tpid, 0x88a8);
	assert_int_equal(frame.vlan_tci, 7);
	assert_int_equal(frame.length, sizeof(two) - 4);
	assert_memory_equal(frame.data + 12, two + 16, 6);
	assert_int_equal(next(source, &frame, &time_ns), 1);
	assert_int_equal(frame.vlan_tpid, 0);
	assert_int_equal(frame.length, 17);
	assert_memory_equal(frame.data, two, 17);
	pcap_source_close(source);
}

static void a_capture_that_cannot_be_written_says_so(void **state)
{
	uint8_t bytes[60] = {0};
	struct frame frame = {.data = bytes, .length = 60, .wire_length = 60};
	struct pcap_sink *sink;
	(void)state;

	assert_int_equal(pcap_sink_open(&sink, "/nonexistent/x.pcap", error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error, "/nonexistent/x.pcap: No such file or directory");

	assert_int_equal(pcap_sink_open(&sink, "/dev/full", error, sizeof(error)), 0);
	assert_int_equal(pcap_sink_write(sink, &frame, 0), 0);
	assert_int_equal(pcap_sink_close(sink, error, sizeof(error)), -EIO);
	assert_non_null(strstr(error, "No space left on device"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_back_with_bytes_and_nanoseconds),
		cmocka_unit_test(microsecond_captures_are_read_in_nanoseconds),
		cmocka_unit_test(pcapng_is_read_too),
		cmocka_unit_test(a_capture_without_frames_is_no_error),
		cmocka_unit_test(a_file_cut_short_gives_its_whole_frames_then_says_so),
		cmocka_unit_test(an_impossible_length_is_an_error),
		cmocka_unit_test(files_that_are_no_ethernet_captures_are_refused),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(a_tag_beside_the_frame_is_written_into_it_and_taken_out_again),
		cmocka_unit_test(only_a_whole_outer_tag_is_taken_out),
		cmocka_unit_test(a_capture_that_cannot_be_written_says_so),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
