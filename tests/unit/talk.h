/* A session with an appliance in memory, and all that it says: for tests of the console. */
#ifndef TESTS_TALK_H
#define TESTS_TALK_H

#include "tests/unit/console.h"

#include "cli/session.h"
#include "tests/unit/fake_appliance.h"

enum { SECOND = 1000000000 };

/* An appliance, a session with it, and all that it said. */
struct talk {
	struct fake fake;
	struct appliance appliance;
	struct session *session;
	char out[256 * 1024], err[64 * 1024];
	char console[256];      /* actions and filters, in order */
	unsigned samples;
	bool deaf;              /* it does not read what it is told */
	char file[256], needed[256];
	size_t file_size;
	unsigned done;
	enum exit_status status;
};

static inline void append(char *to, size_t size, const char *text, size_t length)
{
	size_t used = strlen(to);

	assert_true(used + length < size);
	memcpy(to + used, text, length);
	to[used + length] = 0;
}

static inline void on_output(void *context, bool heading, const char *text, size_t size)
{
	struct talk *talk = context;

	if (!heading)
		append(talk->out, sizeof(talk->out), text, size);
}

static inline void on_filter(void *context, enum pipe_type type, const char *pattern)
{
	struct talk *talk = context;
	char text[64];
	int length = snprintf(text, sizeof(text), "filter %d %s;", (int)type, pattern);

	append(talk->console, sizeof(talk->console), text, (size_t)length);
}

static inline void on_output_end(void *context)
{
	(void)context;
}

static inline void on_error(void *context, const char *text, size_t size)
{
	struct talk *talk = context;

	append(talk->err, sizeof(talk->err), text, size);
}

static inline void on_needs_file(void *context, const char *name)
{
	snprintf(((struct talk *)context)->needed, 256, "%s", name);
}

static inline void on_file(void *context, const char *name, const void *bytes, size_t size)
{
	struct talk *talk = context;

	snprintf(talk->file, sizeof(talk->file), "%s", name);
	talk->file_size = size;
	if (size < sizeof(talk->out) - strlen(talk->out))
		append(talk->out, sizeof(talk->out), bytes, size);
}

/* "[name]", then what is written to it, "." where it ends. */
static inline void on_stream(void *context, const char *name)
{
	struct talk *talk = context;
	char text[256];
	int length = snprintf(text, sizeof(text), "[%s]", name);

	append(talk->out, sizeof(talk->out), text, (size_t)length);
}

static inline void on_stream_more(void *context, const void *bytes, size_t size)
{
	struct talk *talk = context;

	append(talk->out, sizeof(talk->out), bytes, size);
}

static inline void on_stream_end(void *context)
{
	struct talk *talk = context;

	append(talk->out, sizeof(talk->out), ".", 1);
}

static inline void on_console(void *context, const char *action)
{
	struct talk *talk = context;

	append(talk->console, sizeof(talk->console), action, strlen(action));
	append(talk->console, sizeof(talk->console), ";", 1);
}

static inline void on_sample(void *context, const char *text, size_t size)
{
	struct talk *talk = context;

	append(talk->out, sizeof(talk->out), text, size);
	talk->samples++;
}

static inline bool on_heard(void *context)
{
	return !((const struct talk *)context)->deaf;
}

static inline void on_done(void *context, enum exit_status status)
{
	struct talk *talk = context;

	talk->done++;
	talk->status = status;
}

static inline void open_session(struct talk *talk, const char *user)
{
	const struct session_sink sink = {
		.context = talk, .output = on_output, .filter = on_filter,
		.output_end = on_output_end, .error = on_error, .needs_file = on_needs_file,
		.file = on_file, .console = on_console, .stream = on_stream,
		.stream_more = on_stream_more, .stream_end = on_stream_end, .sample = on_sample,
		.heard = on_heard, .done = on_done,
	};

	talk->session = session_new(&talk->appliance, user, &sink);
}

static inline int begin(void **state)
{
	struct talk *talk = calloc(1, sizeof(*talk));

	talk->appliance = fake_appliance(&talk->fake);
	open_session(talk, "alice");
	*state = talk;
	return 0;
}

/* Somebody else at another console of the same appliance; ended by hang_up(). */
static inline struct talk *dial(struct talk *talk, const char *user)
{
	struct talk *other = calloc(1, sizeof(*other));

	other->appliance = talk->appliance;
	open_session(other, user);
	return other;
}

static inline void hang_up(struct talk *other)
{
	session_free(other->session);
	free(other);
}

static inline int end(void **state)
{
	struct talk *talk = *state;

	session_free(talk->session);
	fake_free(&talk->fake);
	free(talk);
	return 0;
}

static inline void forget(struct talk *talk)
{
	talk->out[0] = talk->err[0] = talk->console[0] = talk->needed[0] = talk->file[0] = 0;
	talk->done = 0;
}

static inline enum exit_status run_request(struct talk *talk, struct request request)
{
	forget(talk);
	request.size = strlen(request.text);
	session_run(talk->session, &request, SECOND);
	while (!session_deadline(talk->session))
		session_poll(talk->session, SECOND);
	return talk->status;
}

static inline enum exit_status run(struct talk *talk, unsigned flags, const char *text)
{
	return run_request(talk, (struct request){
		.flags = flags, .source = flags & REQUEST_SCRIPT ? "<stdin>" : "", .text = text});
}

static inline enum exit_status command(struct talk *talk, const char *text)
{
	return run(talk, 0, text);
}

/* At the keyboard, where prefixes will do. */
static inline enum exit_status type(struct talk *talk, const char *text)
{
	return run(talk, REQUEST_PREFIXES, text);
}

static inline enum exit_status script(struct talk *talk, const char *text)
{
	return run(talk, REQUEST_SCRIPT, text);
}

static inline enum exit_status load(struct talk *talk, const char *text, const char *content)
{
	struct request request = {.source = "", .text = text, .attachments = 1};

	request.attachment[0] = (struct attachment){"lb.conf", content, strlen(content)};
	return run_request(talk, request);
}

static const char web[] = "add pool web\nadd backend web 10.0.0.11:80\n"
			  "add service web 203.0.113.10:80/tcp pool web\n";

static inline void assert_config(struct talk *talk, const char *text)
{
	char *is = config_text(talk->fake.running);

	assert_string_equal(is, text);
	free(is);
}

#endif
