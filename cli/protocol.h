/* What lb and lbd say to each other over the Unix socket: framed messages.
 *
 * A frame is a size (u32, big-endian, of what follows it), a type (u8) and a payload. Every payload
 * is made of u8, u32, u64, strings (u32 size, then bytes) and names (a string with its zero). Sizes
 * are bounded on both sides: a peer that breaks a bound is cut off, never believed. No I/O here:
 * lbd's side does not block, lb's does.
 *
 * A conversation: both say HELLO. Then lb sends one RUN, COMPLETE or HELP at a time and reads until
 * DONE. NEEDS_FILE is the answer to a command that reads a file of the operator's: lb sends the
 * same RUN again with the file attached, so that lbd never opens it. EVENT may come at any time.
 */
#ifndef CLI_PROTOCOL_H
#define CLI_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROTOCOL_VERSION = 2,
	FRAME_HEADER_SIZE = 5,
	CHUNK_MAX = 64 * 1024,           /* payload of a frame to lb: long texts are several */
	REQUEST_MAX = 32 * 1024 * 1024,  /* payload of a frame to lbd: scripts with their files */
	ATTACHMENTS_MAX = 16,
};

enum message_type {
	/* to lbd */
	MESSAGE_HELLO = 1,    /* u32 protocol version, u8 interactive: wants events */
	MESSAGE_RUN,          /* struct request, below */
	MESSAGE_COMPLETE,     /* name: the line up to the cursor */
	MESSAGE_HELP,         /* name: the line up to the cursor */
	MESSAGE_INTERRUPT,    /* ends what runs; its DONE comes still */
	/* to lb */
	MESSAGE_WELCOME = 65, /* u32 protocol version, names: host, version of lbd; u64 revision */
	MESSAGE_REFUSED,      /* name: why there is no conversation */
	MESSAGE_OUTPUT,       /* string: to stdout */
	MESSAGE_HEADING,      /* string: to stdout, past the filters */
	MESSAGE_FILTER,       /* u8 enum pipe_type, name: pattern; up to OUTPUT_END */
	MESSAGE_OUTPUT_END,
	MESSAGE_ERROR,        /* string: to stderr */
	MESSAGE_NEEDS_FILE,   /* name; DONE follows */
	MESSAGE_FILE,         /* name: a file to be written; its content follows */
	MESSAGE_FILE_MORE,    /* string: next part of the content */
	MESSAGE_FILE_END,     /* the file is complete: put it in place */
	MESSAGE_STREAM,       /* name: a file to be written in its place as it comes; FILE_MORE and
			       * FILE_END are about the one that was named last, each may be again */
	MESSAGE_CANDIDATE,    /* name: a word that may stand at the cursor */
	MESSAGE_CONSOLE,      /* name: for lb to do: "quit", "history", "length N"; for lb to know:
			       * "candidate LINES", "candidate closed"; of COMPLETE: "files", "end",
			       * "value" */
	MESSAGE_EVENT,        /* name: a sentence */
	MESSAGE_SAMPLE,       /* string: part of a JSON document to be drawn; a newline ends it */
	MESSAGE_DONE,         /* u8 enum exit_status */
};

/* Of a command, a script, and of the process `lb`. */
enum exit_status {
	STATUS_DONE = 0,         /* or unchanged */
	STATUS_REJECTED = 1,     /* understood and refused; nothing applied */
	STATUS_USAGE = 2,        /* not understood */
	STATUS_UNREACHABLE = 3,  /* no lbd to talk to */
	STATUS_TIMED_OUT = 4,    /* wait */
	STATUS_WOULD_CHANGE = 5, /* --check */
};

/* What may stand at the cursor beside the words of MESSAGE_CANDIDATE. */
enum completion {
	COMPLETION_FILES = 1, /* a file of the operator's */
	COMPLETION_END = 2,   /* nothing: the command is complete */
	COMPLETION_VALUE = 4, /* a value, of which those that are there are told as words */
};

/* What may stand behind `|`. JSON is lbd's work, the others are lb's. */
enum pipe_type { PIPE_MATCH, PIPE_EXCEPT, PIPE_COUNT, PIPE_JSON, PIPE_NO_MORE, PIPE_TYPES };

enum request_flags {
	REQUEST_SCRIPT = 1,       /* one transaction of many lines, errors with their place */
	REQUEST_EACH = 2,         /* of a script: every line is its own transaction */
	REQUEST_KEEP_GOING = 4,   /* with EACH: a failure does not end it */
	REQUEST_CHECK = 8,        /* apply nothing, tell whether it would change something */
	REQUEST_QUIET = 16,       /* nothing is said of success */
	REQUEST_JSON = 32,
	REQUEST_PREFIXES = 64,    /* a person types: unique prefixes of keywords will do */
	REQUEST_SCREEN = 128,     /* a person looks: a monitor is drawn */
	REQUEST_FLAGS = 255,
};

/* A file of the operator's, read by lb. Bytes are not copied; `content` need not end with a
 * zero. */
struct attachment {
	const char *name;     /* as typed */
	const char *content;
	size_t size;
};

/* What lb wants run. Of one line unless REQUEST_SCRIPT is set. */
struct request {
	unsigned flags;
	uint64_t confirm_ns;  /* what it commits is taken back after this time; 0: is for good */
	const char *source;   /* as errors name the script: "<stdin>", "a.lb"; "": a command */
	const char *text;     /* need not end with a zero */
	size_t size;
	struct attachment attachment[ATTACHMENTS_MAX];
	unsigned attachments;
};

/* A growing run of bytes; `start` counts what was taken from its front. */
struct buffer {
	uint8_t *bytes;
	size_t start, size, capacity;
	bool failed;          /* memory lacked once: what was written since is incomplete */
};

void buffer_free(struct buffer *buffer);
/* Room for `size` more bytes at bytes + size, or NULL. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
/* Takes `size` bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t size);
static inline size_t buffer_left(const struct buffer *buffer)
{
	return buffer->size - buffer->start;
}

/* Writing: frame_begin, the payload's parts, frame_end with what frame_begin returned. */
size_t frame_begin(struct buffer *buffer, enum message_type type);
void put_u8(struct buffer *buffer, uint8_t value);
void put_u32(struct buffer *buffer, uint32_t value);
void put_u64(struct buffer *buffer, uint64_t value);
void put_string(struct buffer *buffer, const char *text, size_t size);
void frame_end(struct buffer *buffer, size_t begun);
/* A whole frame of one string, split into several where it is longer than CHUNK_MAX. */
void put_text_frames(struct buffer *buffer, enum message_type type, const char *text, size_t size);
void put_request(struct buffer *buffer, const struct request *request);

/* Reading. A payload being taken apart; `broken` stays set once something did not fit. */
struct payload {
	const uint8_t *bytes;
	size_t size;
	bool broken;
};

struct message {
	uint8_t type;
	struct payload payload;
	size_t frame_size;    /* buffer_consume() this when done with the payload */
};

/* The first frame of the buffer: 1 with a message that points into it, 0 where it is not
 * complete yet, -EMSGSIZE where it announces more than `limit` bytes of payload. */
int frame_peek(const struct buffer *buffer, size_t limit, struct message *ret_message);
uint8_t take_u8(struct payload *payload);
uint32_t take_u32(struct payload *payload);
uint64_t take_u64(struct payload *payload);
/* Points into the payload; not terminated. "" of size 0 where broken. */
const char *take_string(struct payload *payload, size_t *ret_size);
/* A string written with its terminating zero, and no other: for names. "" where broken. */
void put_name(struct buffer *buffer, const char *text);
const char *take_name(struct payload *payload);
/* 0, or -EPROTO; the request points into the payload. */
int take_request(struct payload *payload, struct request *ret_request);

#endif
