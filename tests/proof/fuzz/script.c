/* Scripts, as `lb -f`, `load merge`, `load replace` and `lb --check` take them. Whatever is in them: a
 * script that fails has changed nothing, a check changes nothing and says what the script would have
 * said, and what runs afterwards exports to a script that loads to the same. */
#include "tests/proof/fuzz/fuzz.h"
#include "tests/proof/fuzz/talker.h"

static const char base[] =
	"add interface ext role frontend address 198.51.100.1/24\n"
	"add interface int role backend address 10.0.0.1/24\n"
	"add check alive tcp port 80\nadd pool web check alive\nadd backend web 10.0.0.11:80\n"
	"add service web 203.0.113.10:80/tcp pool web\n";

static struct talker talker;
static struct config *begun; /* what `base` makes */

void fuzz_init(void)
{
	talker_begin(&talker, false);
	if (talker_script(&talker, 0, base, sizeof(base) - 1) != STATUS_DONE)
		talker_fail("the first script does not run");
	begun = config_copy(talker.fake.running);
	talker_end(&talker);
}

/* Runs what `run` does; where it fails, or is to change nothing, what runs is as before. */
static enum exit_status run_checked(const struct request *request, const char *content, size_t size)
{
	struct config *before = config_copy(talker.fake.running);
	uint64_t revision = talker.fake.revision;
	enum exit_status status = talker_run(&talker, *request, content, size);
	bool changed = config_compare(before, talker.fake.running, NULL, NULL);
	bool keeps = request->flags & REQUEST_CHECK ||
		     (status != STATUS_DONE && !(request->flags & REQUEST_EACH));

	if (keeps && (changed || talker.fake.revision != revision))
		talker_fail("status %d, and what runs has changed", status);
	if (!(request->flags & REQUEST_EACH) && !changed && talker.fake.revision != revision)
		talker_fail("nothing has changed, and there is a revision more");
	if (status != STATUS_DONE && status != STATUS_WOULD_CHANGE && !talker.errors)
		talker_fail("status %d, and not a word why", status);
	config_free(before);
	return status;
}

/* True where a script does more than configure: what a check makes of that is another matter. */
static bool only_configures(const char *text, size_t size)
{
	static const char *const words[] = {"commit", "confirm", "discard", "rollback", "load",
					    "configure", "wait", "compare"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (memmem(text, size, words[i], strlen(words[i])))
			return false;
	return true;
}

static void start(int tell, uint64_t digest)
{
	talker_begin(&talker, tell);
	config_free(talker.fake.running);
	talker.fake.running = config_copy(begun);
	talker.fake.flows = 3;
	talker.digest = digest;
}

/* Returns the digest so far. */
static uint64_t stop(void)
{
	uint64_t digest;

	if (config_compare(begun, talker.fake.running, NULL, NULL))
		talker_check_export(&talker);
	digest = talker.digest;
	talker_end(&talker);
	return digest;
}

uint64_t fuzz_one(const uint8_t *data, size_t size, int tell)
{
	const char *text = (const char *)data;
	static const char *const loads[] = {"load x.lb merge", "load x.lb replace"};
	struct request request = {.flags = REQUEST_SCRIPT, .source = "x.lb", .text = text,
				  .size = size};
	enum exit_status checked;
	uint64_t digest;

	start(tell, 0);
	request.flags |= REQUEST_CHECK;
	checked = run_checked(&request, text, size);
	request.flags = REQUEST_SCRIPT;
	uint64_t revision = talker.fake.revision;
	run_checked(&request, text, size);
	if (only_configures(text, size) &&
	    (checked == STATUS_WOULD_CHANGE) != (talker.fake.revision != revision))
		talker_fail("the check's status was %d, and what runs says otherwise", checked);
	digest = stop();
	for (unsigned i = 0; i < 2; i++) {
		start(tell, digest);
		run_checked(&(struct request){.source = "", .text = loads[i],
					      .size = strlen(loads[i])}, text, size);
		digest = stop();
	}
	start(tell, digest);
	request.flags = REQUEST_SCRIPT | REQUEST_EACH | REQUEST_KEEP_GOING | REQUEST_QUIET;
	run_checked(&request, text, size);
	return stop();
}
