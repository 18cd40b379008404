/* The configuration as text: one golden script with everything in it, and what every text has. */
#include "tests/unit/model.h"

static const char everything[] =
	"set global flow-table 2097152 seed 4294967295 forwarding on vip-echo available\n"
	"add interface eth2 role backend\n"
	"add interface eth10 role both address 10.9.0.1/24 address 10.8.0.1/24 mac 02:00:00:00:00:01 "
	"filter \"ip and not port 22\"\n"
	"add route 0.0.0.0/0 via 10.9.0.254\n"
	"add route 10.0.0.0/8 via 10.9.0.253\n"
	"add route 10.0.0.0/16 via 10.9.0.252\n"
	"add neighbor 10.9.0.9 mac 02:00:00:00:00:09 interface eth10\n"
	"add check beat heartbeat timeout 1500ms from port 694\n"
	"add check dns udp port 53 interval 10 timeout 500ms rise 1 fall 5 payload \"say \\\"hi\\\" \\\\ now\" "
	"expect hi\n"
	"add check live heartbeat\n"
	"add check ping icmp\n"
	"add check web-hc tcp port 80 interval 300\n"
	"add pool mail\n"
	"add pool web affinity source-ip check web-hc\n"
	"add backend web 10.9.0.9:80 weight 0\n"
	"add backend web 10.9.0.11:80 weight 65535 name first admin drain\n"
	"add backend web 10.9.0.11:8080 admin disabled\n"
	"add service dns 203.0.113.10:0/udp pool mail max-flows 1000 requests 10 responses 1 "
	"lifetime 3600 front-timeout 500ms back-timeout 30 proxy-protocol first when-full shed\n"
	"add service www 203.0.113.10:80/tcp pool web idle-timeout 3600\n"
	"add service www-any 203.0.113.11:80/any pool web admin disabled\n";

/* The same by commands in another order, with defaults spelled out. */
static struct config *build(void)
{
	static const char *const lines[] = {
		"add interface eth10 role both address 10.9.0.1/24 filter \"ip and not port 22\"",
		"set interface eth10 address 10.9.0.1/24 address 10.8.0.1/24 mac 02:00:00:00:00:01",
		"add interface eth2 role backend filter none mac none",
		"add route 10.0.0.0/16 via 10.9.0.252",
		"add route 10.0.0.0/8 via 10.9.0.253",
		"add route 0.0.0.0/0 via 10.9.0.254",
		"add neighbor 10.9.0.9 mac 02:00:00:00:00:09 interface eth10",
		"add check web-hc tcp port 80 interval 5m timeout none rise 2 fall 3 from any",
		"add check ping icmp",
		"add check live heartbeat from any",
		"add check beat heartbeat from port 694 timeout 1500ms",
		"add check dns udp port 53 rise 1 fall 5 interval 10s timeout 500ms expect hi",
		"add pool web check web-hc affinity source-ip scheduler maglev",
		"add pool mail check none affinity 5-tuple",
		"add backend web 10.9.0.11:8080 admin disabled weight 1",
		"add backend web 10.9.0.11:80 weight 65535 name first admin drain",
		"add backend web 10.9.0.9:80 weight 0 admin enabled name none",
		"add service www-any 203.0.113.11:80/any pool web admin disabled mode nat",
		"add service www 203.0.113.10:80/tcp pool web idle-timeout 1h when-full stateless "
		"requests 0 lifetime 0 proxy-protocol off",
		"add service dns 203.0.113.10:0/udp pool mail when-full shed max-flows 1000 "
		"proxy-protocol first back-timeout 30s front-timeout 500ms lifetime 1h responses 1 "
		"requests 10",
		"set global vip-echo available forwarding on seed 4294967295 flow-table 2097152",
	};
	struct config *config = config_new();
	struct change change = {.verb = VERB_SET, .kind = KIND_CHECK, .object = object_new(KIND_CHECK)};
	struct config_check *dns = change.object;
	struct complaint complaint;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		model_do(config, lines[i]);
	/* The words of the tests know no escapes. */
	strcpy(dns->name, "dns");
	strcpy(dns->payload, "say \"hi\" \\ now");
	change.given = UINT32_C(1) << (schema_attribute(KIND_CHECK, "payload") -
				       schema_of(KIND_CHECK)->attribute);
	assert_int_equal(config_apply(config, &change, &complaint), 1);
	object_free(change.object);
	return config;
}

static void everything_is_written_in_its_place_without_defaults(void **state)
{
	struct config *config = build();
	char *text = config_text(config);

	(void)state;
	assert_string_equal(text, everything);
	free(text);
	config_free(config);
}

static void the_text_of_an_object_is_its_command(void **state)
{
	struct config *config = build();
	const void *backend = config_at(config, KIND_BACKEND, 1);
	char text[128], tiny[8];
	int length = object_text(KIND_BACKEND, backend, text, sizeof(text));

	(void)state;
	assert_string_equal(text, "add backend web 10.9.0.11:80 weight 65535 name first admin drain");
	assert_int_equal(length, strlen(text));
	assert_int_equal(object_text(KIND_BACKEND, backend, tiny, sizeof(tiny)), length);
	assert_string_equal(tiny, "add bac");
	config_free(config);
}

static void labels_name_objects_as_messages_do(void **state)
{
	static const struct { enum kind kind; const char *label; } rows[] = {
		{KIND_GLOBAL, "global"}, {KIND_INTERFACE, "eth2"}, {KIND_ROUTE, "0.0.0.0/0"},
		{KIND_NEIGHBOR, "10.9.0.9"}, {KIND_CHECK, "beat"}, {KIND_POOL, "mail"},
		{KIND_BACKEND, "web/10.9.0.9:80"}, {KIND_SERVICE, "dns"},
	};
	struct config *config = build();
	char label[96];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		object_label(rows[i].kind, config_at(config, rows[i].kind, 0), label, sizeof(label));
		assert_string_equal(label, rows[i].label);
	}
	config_free(config);
}

static void the_longest_object_fits_a_line(void **state)
{
	struct config *config = config_new();
	struct change change = {.verb = VERB_ADD, .kind = KIND_CHECK, .given = UINT32_MAX,
				.object = object_new(KIND_CHECK)};
	struct config_check *check = change.object;
	struct complaint complaint;
	char *text;

	(void)state;
	memset(check->name, 'n', NAME_SIZE - 1);
	memset(check->payload, '"', TEXT_SIZE - 1);
	memset(check->expect, '\\', TEXT_SIZE - 1);
	check->type = CHECK_UDP;
	assert_int_equal(config_apply(config, &change, &complaint), 1);
	text = config_text(config);
	assert_int_equal(strlen(text), strlen("add check  udp payload \"\" expect \"\"\n") + NAME_SIZE - 1 +
			 2 * 2 * (TEXT_SIZE - 1));
	free(text);
	object_free(change.object);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_written_in_its_place_without_defaults),
		cmocka_unit_test(the_text_of_an_object_is_its_command),
		cmocka_unit_test(labels_name_objects_as_messages_do),
		cmocka_unit_test(the_longest_object_fits_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
