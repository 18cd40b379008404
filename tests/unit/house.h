/* A whole lbd without threads, rings and a socket: control over a path that runs in place, a real
 * store in a directory of its own, and sessions with it. It can die and start again. */
#ifndef TESTS_HOUSE_H
#define TESTS_HOUSE_H

#include <unistd.h>

#include "appliance/control.h"
#include "tests/unit/talk.h"

enum { HOUSE_FLOWS = 4096, HOUSE_FRAME_MAX = 2048, HOUSE_SENTENCES = 32 };

struct house {
	char directory[64], file[80];
	struct control control;
	struct appliance appliance;
	struct path *path;
	void *memory;
	uint64_t now_ns;          /* of the path */
	uint32_t flows;
	char said[8192];          /* every event since house_open(), a line each */
	char told_others[4096];   /* those that whoever did it knows already */
	char error[1024];
};

static void house_send(void *context, const struct frame *frame)
{
	(void)context;
	(void)frame;
}

static void house_event(void *context, const struct path_event *event)
{
	(void)context;
	(void)event;
}

static void house_hear(void *context, const char *sentence, bool others)
{
	struct house *house = context;
	char *text = others ? house->told_others : house->said;
	size_t size = others ? sizeof(house->told_others) : sizeof(house->said);

	assert_true(strlen(text) + strlen(sentence) + 2 < size);
	strcat(strcat(text, sentence), "\n");
}

static void house_facts(void *context, const struct config_interface *interface, uint32_t index,
			struct interface_facts *ret_facts)
{
	(void)context;
	(void)interface;
	*ret_facts = (struct interface_facts){
		.up = true, .mac = {2, 0, 0, 0, 0, (uint8_t)(index + 1)}, .mtu = 1500,
	};
}

/* Starts lbd on what is in the directory. */
static void house_open(struct house *house)
{
	struct path_limits limits = {.flows = house->flows, .held_frame_size = HOUSE_FRAME_MAX};
	struct path_output output = {.context = house, .send = house_send, .event = house_event};
	struct control *control = &house->control;
	struct config *config;
	uint64_t revision;

	house->said[0] = house->told_others[0] = 0;
	control->mailbox = mailbox_new();
	control->journal = journal_new();
	journal_listen(control->journal, house_hear, house);
	if (store_open(&control->store, house->file, house->error, sizeof(house->error)) ||
	    store_load(control->store, &config, &revision, house->error, sizeof(house->error)))
		fail_msg("%s", house->error);
	confirm_start(control, &config, &revision);
	house->memory = aligned_alloc(64, path_size(&limits));
	memset(house->memory, 0, path_size(&limits));
	house->path = path_new(house->memory, &limits, &output);
	mailbox_use_in_place(control->mailbox, house->path, house->now_ns);
	assert_int_equal(compiler_init(&control->compiler, house_facts, house), 0);
	if (control_start(control, config, revision, house->error, sizeof(house->error)))
		fail_msg("%s", house->error);
	house->appliance = control_appliance(control);
}

/* Ends lbd; for the store it is as if it had been killed. */
static void house_close(struct house *house)
{
	struct control *control = &house->control;

	control_stop(control);
	compiler_fini(&control->compiler);
	store_close(control->store);
	journal_free(control->journal);
	mailbox_free(control->mailbox);
	free(house->memory);
	*control = (struct control){0};
}

static struct house *house_new(void)
{
	const char *temporary = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct house *house = calloc(1, sizeof(*house));

	if (!house)
		abort();
	snprintf(house->directory, sizeof(house->directory), "%s/lb-house-XXXXXX", temporary);
	assert_non_null(mkdtemp(house->directory));
	snprintf(house->file, sizeof(house->file), "%s/lb.db", house->directory);
	house->now_ns = SECOND;
	house->flows = HOUSE_FLOWS;
	house_open(house);
	return house;
}

__attribute__((unused)) static void house_free(struct house *house)
{
	char command[128];

	house_close(house);
	snprintf(command, sizeof(command), "rm -rf '%s'", house->directory);
	assert_int_equal(system(command), 0);
	free(house);
}

__attribute__((unused)) static int house_begin(void **state)
{
	*state = house_new();
	return 0;
}

__attribute__((unused)) static int house_end(void **state)
{
	house_free(*state);
	return 0;
}

/* A console; ended by hang_up(). */
__attribute__((unused)) static struct talk *house_dial(struct house *house, const char *user)
{
	struct talk *talk = calloc(1, sizeof(*talk));

	assert_non_null(talk);
	talk->appliance = house->appliance;
	open_session(talk, user);
	return talk;
}

__attribute__((unused)) static void assert_runs(const struct house *house, const char *text)
{
	char *is = config_text(house->control.running);

	assert_string_equal(is, text);
	free(is);
}

/* The store says the same as what runs. */
__attribute__((unused)) static void assert_stored(const struct house *house)
{
	struct config *stored;
	uint64_t revision;
	char error[512];

	if (store_load(house->control.store, &stored, &revision, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(config_compare(stored, house->control.running, NULL, NULL), 0);
	assert_int_equal(revision, house->control.revision);
	config_free(stored);
}

#endif
