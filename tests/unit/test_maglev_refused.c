/* A Maglev table that was built wrong is refused, whoever asked for it, and what was in force stays so.
 * The fault is put behind maglev_build() by the linker (--wrap, in the Makefile). */
#include "tests/unit/house.h"

#include "appliance/path/maglev.h"

static bool broken;

bool __real_maglev_build(uint16_t table[static MAGLEV_SIZE], const struct maglev_member *member,
			 uint32_t count, uint64_t seed, void *scratch);
bool __wrap_maglev_build(uint16_t table[static MAGLEV_SIZE], const struct maglev_member *member,
			 uint32_t count, uint64_t seed, void *scratch);

/* One slot goes to the next member. */
bool __wrap_maglev_build(uint16_t table[static MAGLEV_SIZE], const struct maglev_member *member,
			 uint32_t count, uint64_t seed, void *scratch)
{
	bool built = __real_maglev_build(table, member, count, seed, scratch);

	if (built && broken)
		table[12345] = (uint16_t)((table[12345] + 1U) % count);
	return built;
}

static const char base[] =
	"add interface ext role frontend address 198.51.100.1/24\n"
	"add interface int role backend address 10.0.0.1/24\n"
	"add check alive tcp\nadd pool checked check alive\nadd pool web\n"
	"add backend checked 10.0.0.21:80\nadd backend checked 10.0.0.22:80\n"
	"add backend web 10.0.0.11:80\nadd backend web 10.0.0.12:80\n"
	"add service web 203.0.113.10:80/tcp pool web\n";

static const char sentence[] =
	"the Maglev table of pool %s was built wrong and is not used: a fault of lbd itself";

static void assert_says(const char *text, const char *pool)
{
	char expected[sizeof(sentence) + NAME_SIZE];

	snprintf(expected, sizeof(expected), sentence, pool);
	if (!strstr(text, expected))
		fail_msg("\"%s\" does not say: %s", text, expected);
}

static int settle(void **state)
{
	struct house *house = house_new();
	struct talk *alice = house_dial(house, "alice");

	assert_int_equal(script(alice, base), STATUS_DONE);
	hang_up(alice);
	*state = house;
	return 0;
}

static int leave(void **state)
{
	broken = false;
	house_free(*state);
	return 0;
}

static void a_commit_is_refused_and_nothing_has_changed(void **state)
{
	struct house *house = *state;
	struct talk *alice = house_dial(house, "alice");
	const struct compiled *before = house->control.compiler.current;
	uint64_t revision = house->control.revision;
	char *text = config_text(house->control.running);

	broken = true;
	assert_int_not_equal(script(alice, "add backend web 10.0.0.13:80\n"), STATUS_DONE);
	assert_says(alice->err, "web");
	assert_ptr_equal(house->control.compiler.current, before);
	assert_int_equal(house->control.revision, revision);
	assert_runs(house, text);
	assert_stored(house);

	broken = false;
	assert_int_equal(script(alice, "add backend web 10.0.0.13:80\n"), STATUS_DONE);
	assert_int_equal(house->control.revision, revision + 1);
	hang_up(alice);
	free(text);
}

static void a_table_for_new_health_is_refused_and_the_last_one_stays(void **state)
{
	struct house *house = *state;
	struct control *control = &house->control;
	const struct compiled *before = control->compiler.current;
	const struct snapshot *snapshot = &before->snapshot;
	struct path_event event = {.type = EVENT_TARGET_UP};

	broken = true;
	for (uint32_t i = 0; i < snapshot->targets; i++) {
		event.id = snapshot->target[i].id;
		mailbox_event(control->mailbox, &event);
	}
	control_events(control);
	assert_ptr_equal(control->compiler.current, before);
	assert_says(house->said, "checked");
	assert_non_null(strstr(house->said, "the packet path keeps its last tables: "));

	broken = false;
	event.type = EVENT_TARGET_DOWN;
	mailbox_event(control->mailbox, &event);
	control_events(control);
	assert_ptr_not_equal(control->compiler.current, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_commit_is_refused_and_nothing_has_changed, settle, leave),
		cmocka_unit_test_setup_teardown(a_table_for_new_health_is_refused_and_the_last_one_stays,
						settle, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
