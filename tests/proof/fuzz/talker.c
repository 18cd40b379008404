#include "tests/proof/fuzz/talker.h"

#include <stdarg.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SECOND UINT64_C(1000000000)

enum { POLLS_MAX = 8 };

void talker_fail(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fprintf(stderr, "FAILED: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	abort();
}

void talker_digest(struct talker *talker, const void *bytes, size_t size)
{
	talker->digest = XXH3_64bits_withSeed(bytes, size, talker->digest);
}

static void hear(struct talker *talker, const char *text, size_t size)
{
	talker_digest(talker, text, size);
	if (talker->tell)
		fwrite(text, 1, size, stdout);
}

static void on_output(void *context, bool heading, const char *text, size_t size)
{
	(void)heading;
	hear(context, text, size);
}

static void on_filter(void *context, enum pipe_type type, const char *pattern)
{
	(void)type;
	hear(context, pattern ? pattern : "", pattern ? strlen(pattern) : 0);
}

static void on_end(void *context)
{
	(void)context;
}

static void on_error(void *context, const char *text, size_t size)
{
	struct talker *talker = context;

	talker->errors++;
	hear(context, text, size);
}

static void on_needs_file(void *context, const char *name)
{
	struct talker *talker = context;

	snprintf(talker->needed, sizeof(talker->needed), "%s", name);
	if (strlen(name) >= sizeof(talker->needed))
		talker->needed[0] = 0;
}

static void on_file(void *context, const char *name, const void *bytes, size_t size)
{
	talker_digest(context, name, strlen(name));
	talker_digest(context, bytes, size);
}

static void on_stream(void *context, const char *name)
{
	talker_digest(context, name, strlen(name));
}

static void on_stream_more(void *context, const void *bytes, size_t size)
{
	talker_digest(context, bytes, size);
}

static void on_console(void *context, const char *action)
{
	hear(context, action, strlen(action));
}

static void on_sample(void *context, const char *text, size_t size)
{
	hear(context, text, size);
}

static bool on_heard(void *context)
{
	(void)context;
	return true;
}

static void on_done(void *context, enum exit_status status)
{
	struct talker *talker = context;

	talker->done++;
	talker->status = status;
}

void talker_begin(struct talker *talker, bool tell)
{
	const struct session_sink sink = {
		.context = talker, .output = on_output, .filter = on_filter, .output_end = on_end,
		.error = on_error, .needs_file = on_needs_file, .file = on_file,
		.stream = on_stream, .stream_more = on_stream_more, .stream_end = on_end,
		.console = on_console, .sample = on_sample, .heard = on_heard, .done = on_done,
	};

	memset(talker, 0, sizeof(*talker));
	talker->tell = tell;
	talker->appliance = fake_appliance(&talker->fake);
	talker->session = session_new(&talker->appliance, "alice", &sink);
	if (!talker->session)
		abort();
}

void talker_end(struct talker *talker)
{
	session_free(talker->session);
	fake_free(&talker->fake);
}

/* Up to its end; what goes on is stopped. */
static void run_once(struct talker *talker, const struct request *request)
{
	uint64_t now_ns = SECOND;

	talker->done = talker->errors = 0;
	talker->needed[0] = 0;
	session_run(talker->session, request, now_ns);
	for (unsigned i = 0; i < POLLS_MAX && session_busy(talker->session); i++) {
		talker->fake.flows = talker->fake.flows / 2;
		session_poll(talker->session, now_ns += SECOND);
	}
	for (unsigned i = 0; i < POLLS_MAX && session_busy(talker->session); i++) {
		session_interrupt(talker->session);
		if (session_busy(talker->session))
			session_poll(talker->session, now_ns += SECOND);
	}
	if (session_busy(talker->session))
		talker_fail("a request goes on after it was interrupted");
	if (talker->done != 1)
		talker_fail("a request has ended %u times", talker->done);
	talker_digest(talker, &talker->status, sizeof(talker->status));
}

enum exit_status talker_run(struct talker *talker, struct request request, const char *content,
			    size_t size)
{
	char needed[TALKER_TOLD];

	run_once(talker, &request);
	for (unsigned i = 0; i < ATTACHMENTS_MAX && talker->needed[0]; i++) {
		memcpy(needed, talker->needed, sizeof(needed));
		request.attachments = 1;
		request.attachment[0] = (struct attachment){needed, content, size};
		run_once(talker, &request);
		if (!strcmp(needed, talker->needed))
			talker_fail("a request asks for \"%s\", which it has", needed);
	}
	return talker->status;
}

enum exit_status talker_script(struct talker *talker, unsigned flags, const char *text, size_t size)
{
	return talker_run(talker, (struct request){.flags = flags | REQUEST_SCRIPT, .source = "x.lb",
						   .text = text, .size = size}, "", 0);
}

static void check_loads(struct talker *talker, const char *text)
{
	struct talker other;
	enum exit_status status;

	talker_begin(&other, false);
	status = talker_script(&other, 0, text, strlen(text));
	if (status != STATUS_DONE ||
	    config_compare(talker->fake.running, other.fake.running, NULL, NULL)) {
		fprintf(stderr, "%s", text);
		talker_fail("what was exported does not load, or as something else");
	}
	talker_end(&other);
}

void talker_check_export(struct talker *talker)
{
	char *text = config_text(talker->fake.running);
	uint64_t revision = talker->fake.revision;
	size_t size = strlen(text);
	char *whole = malloc(size + sizeof("commit\n"));
	const char load[] = "load x.lb replace";
	struct request request = {.source = "", .text = load, .size = sizeof(load) - 1};

	check_loads(talker, text);
	memcpy(whole, text, size);
	memcpy(whole + size, "commit\n", sizeof("commit\n"));
	if (config_validate(talker->fake.running, NULL, NULL, (char[512]){0}, 512))
		talker_fail("what runs is not valid");
	if (talker_run(talker, request, whole, size + strlen("commit\n")) != STATUS_DONE ||
	    talker->fake.revision != revision)
		talker_fail("loading what runs changes something");
	free(whole);
	free(text);
}
