#include "cli/protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void buffer_free(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){0};
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size)
{
	if (buffer->start == buffer->size)
		buffer->start = buffer->size = 0;
	if (buffer->capacity - buffer->size < size && buffer->start) {
		memmove(buffer->bytes, buffer->bytes + buffer->start, buffer_left(buffer));
		buffer->size -= buffer->start;
		buffer->start = 0;
	}
	if (buffer->capacity - buffer->size < size) {
		size_t capacity = buffer->capacity ? buffer->capacity : 1024;
		uint8_t *bytes;

		while (capacity - buffer->size < size)
			capacity *= 2;
		bytes = realloc(buffer->bytes, capacity);
		if (!bytes) {
			buffer->failed = true;
			return NULL;
		}
		buffer->bytes = bytes;
		buffer->capacity = capacity;
	}
	return buffer->bytes + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
	uint8_t *room = buffer_reserve(buffer, size);

	if (!room || !size)
		return;
	memcpy(room, bytes, size);
	buffer->size += size;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
	buffer->start += size;
}

static void write_u32(uint8_t *bytes, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t read_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* What is kept of a frame is its distance from the front: appending may move the bytes. */
size_t frame_begin(struct buffer *buffer, enum message_type type)
{
	const uint8_t header[FRAME_HEADER_SIZE] = {[FRAME_HEADER_SIZE - 1] = (uint8_t)type};

	buffer_append(buffer, header, sizeof(header));
	return buffer_left(buffer) - sizeof(header);
}

void frame_end(struct buffer *buffer, size_t begun)
{
	if (!buffer->failed)
		write_u32(buffer->bytes + buffer->start + begun,
			  (uint32_t)(buffer_left(buffer) - begun - 4));
}

void put_u8(struct buffer *buffer, uint8_t value)
{
	buffer_append(buffer, &value, 1);
}

void put_u32(struct buffer *buffer, uint32_t value)
{
	uint8_t bytes[4];

	write_u32(bytes, value);
	buffer_append(buffer, bytes, sizeof(bytes));
}

void put_u64(struct buffer *buffer, uint64_t value)
{
	put_u32(buffer, (uint32_t)(value >> 32));
	put_u32(buffer, (uint32_t)value);
}

void put_string(struct buffer *buffer, const char *text, size_t size)
{
	put_u32(buffer, (uint32_t)size);
	buffer_append(buffer, text, size);
}

void put_name(struct buffer *buffer, const char *text)
{
	put_string(buffer, text, strlen(text) + 1);
}

void put_text_frames(struct buffer *buffer, enum message_type type, const char *text, size_t size)
{
	while (size) {
		size_t part = size < CHUNK_MAX - 4 ? size : CHUNK_MAX - 4;
		size_t frame = frame_begin(buffer, type);

		put_string(buffer, text, part);
		frame_end(buffer, frame);
		text += part;
		size -= part;
	}
}

void put_request(struct buffer *buffer, const struct request *request)
{
	size_t frame = frame_begin(buffer, MESSAGE_RUN);

	put_u32(buffer, request->flags);
	put_u64(buffer, request->confirm_ns);
	put_name(buffer, request->source);
	put_string(buffer, request->text, request->size);
	put_u32(buffer, request->attachments);
	for (unsigned i = 0; i < request->attachments; i++) {
		put_name(buffer, request->attachment[i].name);
		put_string(buffer, request->attachment[i].content, request->attachment[i].size);
	}
	frame_end(buffer, frame);
}

int frame_peek(const struct buffer *buffer, size_t limit, struct message *ret_message)
{
	const uint8_t *bytes = buffer->bytes + buffer->start;
	size_t size;

	if (buffer_left(buffer) < FRAME_HEADER_SIZE)
		return 0;
	size = read_u32(bytes);
	if (size < 1 || size - 1 > limit)
		return -EMSGSIZE;
	if (buffer_left(buffer) < 4 + size)
		return 0;
	*ret_message = (struct message){
		.type = bytes[FRAME_HEADER_SIZE - 1],
		.payload = {.bytes = bytes + FRAME_HEADER_SIZE, .size = size - 1},
		.frame_size = 4 + size,
	};
	return 1;
}

static const uint8_t *take(struct payload *payload, size_t size)
{
	const uint8_t *bytes = payload->bytes;

	if (payload->broken || payload->size < size) {
		payload->broken = true;
		return NULL;
	}
	payload->bytes += size;
	payload->size -= size;
	return bytes;
}

uint8_t take_u8(struct payload *payload)
{
	const uint8_t *bytes = take(payload, 1);

	return bytes ? *bytes : 0;
}

uint32_t take_u32(struct payload *payload)
{
	const uint8_t *bytes = take(payload, 4);

	return bytes ? read_u32(bytes) : 0;
}

uint64_t take_u64(struct payload *payload)
{
	uint64_t high = take_u32(payload);

	return high << 32 | take_u32(payload);
}

const char *take_string(struct payload *payload, size_t *ret_size)
{
	size_t size = take_u32(payload);
	const uint8_t *bytes = take(payload, size);

	*ret_size = bytes ? size : 0;
	return bytes ? (const char *)bytes : "";
}

const char *take_name(struct payload *payload)
{
	size_t size;
	const char *text = take_string(payload, &size);

	if (payload->broken || !size || strnlen(text, size) != size - 1) {
		payload->broken = true;
		return "";
	}
	return text;
}

int take_request(struct payload *payload, struct request *ret_request)
{
	struct request request = {.flags = take_u32(payload)};

	request.confirm_ns = take_u64(payload);
	request.source = take_name(payload);
	request.text = take_string(payload, &request.size);
	request.attachments = take_u32(payload);
	if (payload->broken || request.attachments > ATTACHMENTS_MAX ||
	    request.flags & ~(unsigned)REQUEST_FLAGS)
		return -EPROTO;
	for (unsigned i = 0; i < request.attachments; i++) {
		request.attachment[i].name = take_name(payload);
		request.attachment[i].content = take_string(payload, &request.attachment[i].size);
	}
	if (payload->broken || payload->size)
		return -EPROTO;
	*ret_request = request;
	return 0;
}
