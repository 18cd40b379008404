/* Frames: what is put reads back, whatever way the bytes come, and what is broken is seen to be. */
#include "tests/unit/console.h"

#include <errno.h>

#include "cli/protocol.h"

static void put_sample(struct buffer *buffer)
{
	size_t frame = frame_begin(buffer, MESSAGE_WELCOME);

	put_u32(buffer, 0xdeadbeef);
	put_u8(buffer, 7);
	put_u64(buffer, UINT64_C(0x0123456789abcdef));
	put_name(buffer, "web01");
	put_string(buffer, "a\0b", 3);
	put_string(buffer, "", 0);
	frame_end(buffer, frame);
}

static void check_sample(struct message *message)
{
	struct payload *payload = &message->payload;
	size_t size;

	assert_int_equal(message->type, MESSAGE_WELCOME);
	assert_int_equal(take_u32(payload), 0xdeadbeef);
	assert_int_equal(take_u8(payload), 7);
	assert_true(take_u64(payload) == UINT64_C(0x0123456789abcdef));
	assert_string_equal(take_name(payload), "web01");
	assert_memory_equal(take_string(payload, &size), "a\0b", 3);
	assert_int_equal(size, 3);
	take_string(payload, &size);
	assert_int_equal(size, 0);
	assert_false(payload->broken);
	assert_int_equal(payload->size, 0);
	take_u8(payload);
	assert_true(payload->broken);
}

static void what_has_been_broken_stays_broken(void **state)
{
	struct payload payload = {(const uint8_t *)"\7\7", 2, false};

	(void)state;
	assert_int_equal(take_u32(&payload), 0);
	assert_int_equal(take_u8(&payload), 0);
	assert_true(payload.broken);
}

static void what_is_put_reads_back_byte_by_byte(void **state)
{
	struct buffer out = {0}, in = {0};
	struct message message;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		put_sample(&out);
	for (unsigned i = 0; i < 3; i++) {
		while (frame_peek(&in, CHUNK_MAX, &message) == 0) {
			buffer_append(&in, out.bytes + out.start, 1);
			buffer_consume(&out, 1);
		}
		check_sample(&message);
		buffer_consume(&in, message.frame_size);
	}
	assert_int_equal(buffer_left(&out), 0);
	buffer_free(&out);
	buffer_free(&in);
}

/* The front of the buffer moves while a frame is being written. */
static void frames_are_whole_whatever_was_taken_before(void **state)
{
	struct buffer buffer = {0};
	struct message message;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		put_sample(&buffer);
		put_sample(&buffer);
		assert_int_equal(frame_peek(&buffer, CHUNK_MAX, &message), 1);
		check_sample(&message);
		buffer_consume(&buffer, message.frame_size);
	}
	buffer_free(&buffer);
}

static void long_texts_are_several_frames(void **state)
{
	struct buffer buffer = {0};
	struct message message;
	size_t size = 3 * CHUNK_MAX, got = 0, part;
	char *text = malloc(size);

	(void)state;
	memset(text, 'x', size);
	put_text_frames(&buffer, MESSAGE_OUTPUT, text, size);
	while (frame_peek(&buffer, CHUNK_MAX, &message) > 0) {
		take_string(&message.payload, &part);
		assert_false(message.payload.broken);
		got += part;
		buffer_consume(&buffer, message.frame_size);
	}
	assert_int_equal(got, size);
	buffer_free(&buffer);
	free(text);
}

static void a_frame_beyond_its_bound_is_refused_at_once(void **state)
{
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 1}, empty[] = {0, 0, 0, 0, 1};
	struct buffer buffer = {0};
	struct message message;

	(void)state;
	buffer_append(&buffer, huge, sizeof(huge));
	assert_int_equal(frame_peek(&buffer, REQUEST_MAX, &message), -EMSGSIZE);
	buffer_free(&buffer);
	buffer_append(&buffer, empty, sizeof(empty));
	assert_int_equal(frame_peek(&buffer, REQUEST_MAX, &message), -EMSGSIZE);
	buffer_free(&buffer);
}

static struct request sample_request(void)
{
	return (struct request){
		.flags = REQUEST_SCRIPT | REQUEST_JSON, .source = "<stdin>",
		.text = "a\0b\n", .size = 4,
		.attachment = {{"x", "", 0}, {"y", "c\0d", 3}}, .attachments = 2,
	};
}

static void requests_read_back(void **state)
{
	struct request request = sample_request(), back;
	struct buffer buffer = {0};
	struct message message;

	(void)state;
	put_request(&buffer, &request);
	assert_int_equal(frame_peek(&buffer, REQUEST_MAX, &message), 1);
	assert_int_equal(take_request(&message.payload, &back), 0);
	assert_int_equal(back.flags, request.flags);
	assert_string_equal(back.source, "<stdin>");
	assert_int_equal(back.size, 4);
	assert_memory_equal(back.text, "a\0b\n", 4);
	assert_int_equal(back.attachments, 2);
	assert_string_equal(back.attachment[1].name, "y");
	assert_int_equal(back.attachment[1].size, 3);
	buffer_free(&buffer);
}

/* Cut anywhere, or with any one byte changed, it is refused or read without harm (sanitizers
 * look). */
static void broken_requests_are_refused(void **state)
{
	struct request request = sample_request(), back;
	struct buffer buffer = {0};
	struct message message;

	(void)state;
	put_request(&buffer, &request);
	frame_peek(&buffer, REQUEST_MAX, &message);
	for (size_t size = 0; size < message.payload.size; size++) {
		uint8_t *copy = malloc(size ? size : 1);
		struct payload cut = {copy, size, false};

		memcpy(copy, message.payload.bytes, size);
		assert_int_equal(take_request(&cut, &back), -EPROTO);
		free(copy);
	}
	for (size_t at = 0; at < message.payload.size; at++) {
		for (unsigned value = 0; value < 256; value++) {
			uint8_t *copy = malloc(message.payload.size);
			struct payload changed = {copy, message.payload.size, false};

			memcpy(copy, message.payload.bytes, message.payload.size);
			copy[at] = (uint8_t)value;
			if (take_request(&changed, &back) == 0)
				assert_true(back.attachments == 2 &&
					    back.size <= message.payload.size);
			free(copy);
		}
	}
	buffer_free(&buffer);
}

static void names_have_one_zero_at_their_end(void **state)
{
	static const struct { const char *bytes; size_t size; bool broken; } rows[] = {
		{"\0\0\0\2a\0", 6, false}, {"\0\0\0\2ab", 6, true}, {"\0\0\0\3a\0\0", 7, true},
		{"\0\0\0\0", 4, true}, {"\0\0\0\1\0", 5, false}, {"\0\0\0\5a\0", 6, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct payload payload = {(const uint8_t *)rows[i].bytes, rows[i].size, false};

		take_name(&payload);
		assert_int_equal(payload.broken, rows[i].broken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_reads_back_byte_by_byte),
		cmocka_unit_test(what_has_been_broken_stays_broken),
		cmocka_unit_test(frames_are_whole_whatever_was_taken_before),
		cmocka_unit_test(long_texts_are_several_frames),
		cmocka_unit_test(a_frame_beyond_its_bound_is_refused_at_once),
		cmocka_unit_test(requests_read_back),
		cmocka_unit_test(broken_requests_are_refused),
		cmocka_unit_test(names_have_one_zero_at_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
