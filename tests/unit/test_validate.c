/* Rules that span objects: each with a configuration that breaks it and nothing else. */
#include "tests/unit/model.h"

enum { LINES_MAX = 6 };

/* What every case begins with; it breaks nothing and warns of nothing. */
static const char *const base[] = {
	"add interface ext role frontend address 203.0.113.1/24",
	"add interface int role backend address 10.0.0.1/24",
	"add route 0.0.0.0/0 via 203.0.113.254",
	"add pool web",
	"add backend web 10.0.0.11:80",
	"add service www 198.51.100.10:80/tcp pool web",
};

struct outcome {
	int result;
	char error[512];
	unsigned warnings;
	char warning[4][512];
};

static void hear(void *context, const char *text)
{
	struct outcome *outcome = context;

	assert_true(outcome->warnings < 4);
	strcpy(outcome->warning[outcome->warnings++], text);
}

static struct outcome validate(const char *const lines[LINES_MAX])
{
	struct config *config = config_new();
	struct outcome outcome = {0};

	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++)
		model_do(config, base[i]);
	for (unsigned i = 0; i < LINES_MAX && lines[i]; i++)
		model_do(config, lines[i]);
	outcome.result = config_validate(config, hear, &outcome, outcome.error, sizeof(outcome.error));
	config_free(config);
	return outcome;
}

static void a_whole_configuration_is_accepted_in_silence(void **state)
{
	struct outcome outcome = validate((const char *const[LINES_MAX]){NULL});

	(void)state;
	assert_int_equal(outcome.result, 0);
	assert_int_equal(outcome.warnings, 0);
}

static void a_broken_rule_is_told_with_the_objects_that_break_it(void **state)
{
	static const struct { const char *lines[LINES_MAX], *sentence; } rows[] = {
		{{"set global fullnat-slice 2"}, "fullnat-slice 2 is more than fullnat-slices 1"},
		{{"set service www mode fullnat source-rewrite 203.0.113.0/24 to 10.1.0.0/24"},
		 "service \"www\": source-rewrite needs mode nat, not fullnat"},
		{{"add service b 198.51.100.10:80/tcp pool web"},
		 "services \"b\" and \"www\" overlap: 198.51.100.10:80/tcp and 198.51.100.10:80/tcp"},
		{{"add service b 198.51.100.10:80/any pool web"},
		 "services \"www\" and \"b\" overlap: 198.51.100.10:80/tcp and 198.51.100.10:80/any"},
		{{"add service b 198.51.100.10:80/udp pool web", "add service c 198.51.100.10:80/any pool web"},
		 "services \"b\" and \"c\" overlap: 198.51.100.10:80/udp and 198.51.100.10:80/any"},
		{{"add interface x role backend address 10.0.0.1/24"},
		 "10.0.0.1/24 of interface \"x\" and 10.0.0.1/24 of interface \"int\" are in overlapping networks"},
		{{"add interface x role backend address 10.0.0.129/25"},
		 "10.0.0.129/25 of interface \"x\" and 10.0.0.1/24 of interface \"int\" are in overlapping networks"},
		{{"add interface x role backend address 10.9.9.9/8"},
		 "10.0.0.1/24 of interface \"int\" and 10.9.9.9/8 of interface \"x\" are in overlapping networks"},
		{{"set interface int address 10.0.0.1/8 address 10.1.0.1/16",
		  "add interface x role backend address 10.2.0.1/16"},
		 "10.2.0.1/16 of interface \"x\" and 10.0.0.1/8 of interface \"int\" are in overlapping networks"},
		{{"set interface int address 10.0.0.3/31", "add interface x role backend address 10.0.0.3/32"},
		 "10.0.0.3/32 of interface \"x\" and 10.0.0.3/31 of interface \"int\" are in overlapping networks"},
		{{"add interface x role frontend"},
		 "interface \"x\" needs an address: with several frontends replies find their way by it"},
		{{"add service b 10.0.0.1:80/tcp pool web"},
		 "service \"b\": VIP 10.0.0.1 is the address of interface \"int\""},
		{{"add backend web 10.0.0.1:80"},
		 "backend \"web/10.0.0.1:80\" has the address of interface \"int\""},
		{{"add backend web 198.51.100.10:8080"},
		 "backend \"web/198.51.100.10:8080\" has the address of service \"www\""},
		{{"add route 192.168.0.0/16 via 10.0.1.1"},
		 "route \"192.168.0.0/16\": gateway 10.0.1.1 is in no network of an interface"},
		{{"add route 192.168.0.0/16 via 10.0.0.1"},
		 "route \"192.168.0.0/16\": gateway 10.0.0.1 is an address of the appliance itself"},
		{{"add route 192.168.0.0/16 via 198.51.100.10"},
		 "route \"192.168.0.0/16\": gateway 198.51.100.10 is an address of the appliance itself"},
		{{"add neighbor 203.0.113.7 mac 02:00:00:00:00:07 interface int"},
		 "neighbor \"203.0.113.7\" is in no network of interface \"int\""},
		{{"add neighbor 192.168.0.7 mac 02:00:00:00:00:07 interface int"},
		 "neighbor \"192.168.0.7\" is in no network of interface \"int\""},
		{{"add neighbor 10.0.0.1 mac 02:00:00:00:00:07 interface int"},
		 "neighbor \"10.0.0.1\" is an address of the appliance itself"},
		{{"add check c tcp", "set pool web check c", "add backend web 10.0.0.12:0"},
		 "backend \"web/10.0.0.12:0\" has no port of its own, so check \"c\" of its pool needs one"},
		{{"add check c udp", "set pool web check c", "add backend web 10.0.0.12:0"},
		 "backend \"web/10.0.0.12:0\" has no port of its own, so check \"c\" of its pool needs one"},
		{{"add check c tcp interval 1 timeout 1500ms"},
		 "check \"c\": timeout 1500ms is longer than interval 1"},
		{{"add check c heartbeat key 000102030405060708090a0b0c0d0e0f"},
		 "check \"c\": a key signs datagrams: it needs `from port N`"},
		{{"add check c tcp register 10.0.0.0/24"},
		 "check \"c\": register means nothing to a check of type tcp"},
		{{"add check c icmp register-max 3"},
		 "check \"c\": register-max means nothing to a check of type icmp"},
		{{"add pool q affinity source-ip scheduler round-robin"},
		 "pool \"q\": affinity source-ip needs scheduler maglev"},
		{{"add check c heartbeat port 80"}, "check \"c\": port means nothing to a check of type heartbeat"},
		{{"add check c heartbeat interval 1"},
		 "check \"c\": interval means nothing to a check of type heartbeat"},
		{{"add check c heartbeat rise 1"}, "check \"c\": rise means nothing to a check of type heartbeat"},
		{{"add check c heartbeat fall 1"}, "check \"c\": fall means nothing to a check of type heartbeat"},
		{{"add check c tcp from port 694"}, "check \"c\": from means nothing to a check of type tcp"},
		{{"add check c tcp payload x"}, "check \"c\": payload means nothing to a check of type tcp"},
		{{"add check c icmp expect x"}, "check \"c\": expect means nothing to a check of type icmp"},
		{{"add service b 198.51.100.10:80/udp pool web requests 1 responses 1 lifetime 1 "
		  "front-timeout 1 back-timeout 1", "set service www requests 2"},
		 "service \"www\": requests means nothing to tcp, only to udp and any"},
		{{"set service www responses 1"},
		 "service \"www\": responses means nothing to tcp, only to udp and any"},
		{{"set service www lifetime 1h"},
		 "service \"www\": lifetime means nothing to tcp, only to udp and any"},
		{{"set service www front-timeout 1"},
		 "service \"www\": front-timeout means nothing to tcp, only to udp and any"},
		{{"set service www proxy-protocol first"},
		 "service \"www\": proxy-protocol means nothing to tcp, only to udp and any"},
		{{"set service www back-timeout 500ms"},
		 "service \"www\": back-timeout means nothing to tcp, only to udp and any"},
		{{"set global topology bridged", "set interface ext role both"},
		 "interface \"ext\" has role both: in topology bridged an interface is on one side, "
		 "frontend or backend"},
		{{"set global topology bridged", "add interface x role backend address 10.1.0.1/24"},
		 "interfaces \"int\" and \"x\" have role backend: topology bridged takes one backend "
		 "interface"},
		{{"set global topology bridged", "set service www mode fullnat"},
		 "service \"www\": mode fullnat needs topology routed, in topology bridged all services are "
		 "of mode nat"},
		{{"set global topology bridged", "add interface x role frontend"},
		 "interface \"x\" needs an address: with several frontends replies find their way by it"},
		{{"set global topology bridged", "add interface x role frontend address 203.0.113.1/32"},
		 "203.0.113.1 is an address of interface \"ext\" and of interface \"x\""},
		{{"add check c arp port 80"}, "check \"c\": port means nothing to a check of type arp"},
		{{"set service www mode dsr", "add backend web 192.168.0.1:80"},
		 "service \"www\": mode dsr only changes MAC addresses, so backend \"web/192.168.0.1:80\" "
		 "must be in a network of an interface, not behind a gateway"},
		{{"set service www mode dsr", "add route 10.0.0.8/29 via 10.0.0.254"},
		 "service \"www\": mode dsr only changes MAC addresses, but route \"10.0.0.8/29\" leads "
		 "to backend \"web/10.0.0.11:80\" by a gateway"},
		{{"set service www mode dsr", "add backend web 10.0.0.12:8080"},
		 "service \"www\": mode dsr cannot change ports, so the port of backend "
		 "\"web/10.0.0.12:8080\" must be 80 or 0"},
		{{"set service www mode ipip", "add backend web 10.0.0.12:8080"},
		 "service \"www\": mode ipip cannot change ports, so the port of backend "
		 "\"web/10.0.0.12:8080\" must be 80 or 0"},
		{{"add service all 198.51.100.11:0/any pool web mode gue"},
		 "service \"all\": mode gue cannot change ports, so the port of backend "
		 "\"web/10.0.0.11:80\" must be 0, as the service has"},
		{{"add service b 198.51.100.10:80/udp pool web mode gue responses 1"},
		 "service \"b\": responses means nothing in mode gue, where replies go past the appliance"},
		{{"add service b 198.51.100.10:80/udp pool web mode dsr back-timeout 9"},
		 "service \"b\": back-timeout means nothing in mode dsr, where replies go past the appliance"},
		{{"add service b 198.51.100.10:80/udp pool web mode ipip proxy-protocol every"},
		 "service \"b\": proxy-protocol needs mode nat or fullnat: mode ipip changes "
		 "nothing in a datagram"},
		{{"set global topology bridged", "set service www mode dsr"},
		 "service \"www\": mode dsr needs topology routed, in topology bridged all services are of "
		 "mode nat"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome outcome = validate(rows[i].lines);

		assert_string_equal(outcome.error, rows[i].sentence);
		assert_int_equal(outcome.result, -EINVAL);
	}
}

static void what_only_looks_like_a_broken_rule_is_accepted(void **state)
{
	static const char *const rows[][LINES_MAX] = {
		{"add service b 198.51.100.10:80/udp pool web"},
		{"add service b 198.51.100.10:81/tcp pool web"},
		{"add service b 198.51.100.10:0/any pool web"},
		{"add service b 198.51.100.10:0/any pool web requests 1 lifetime 1"},
		{"add service b 198.51.100.10:53/udp pool web responses 1 front-timeout 1"},
		{"add service b 198.51.100.10:53/any pool web proxy-protocol every"},
		{"set service www requests 0 back-timeout 0"},
		{"add service b 198.51.100.11:80/any pool web"},
		{"set interface int address 10.0.0.1/24 address 10.0.0.2/24 address 10.0.0.200/32"},
		{"add interface x role backend address 10.0.1.1/24"},
		{"add interface x role backend", "add interface y role backend"},
		{"add pool mail", "add backend mail 10.0.0.11:80"},
		{"add pool not-used"},
		{"add check c tcp port 80", "set pool web check c", "add backend web 10.0.0.12:0"},
		{"add check c icmp", "set pool web check c", "add backend web 10.0.0.12:0"},
		{"add check c tcp interval 500ms"},
		{"add check c heartbeat timeout 10"},
		{"add check c udp port 53 payload x expect y"},
		{"add neighbor 10.0.0.7 mac 02:00:00:00:00:07 interface int"},
		{"set global topology bridged", "set interface int address 203.0.113.2/24",
		 "add interface x role frontend address 203.0.113.3/32",
		 "add backend web 192.168.0.1:80"},
		{"add service b 10.0.0.10:80/tcp pool web mode fullnat"},
		{"set service www source-rewrite 203.0.113.0/24 to 10.1.0.0/24"},
		{"set global fullnat-slices 3 fullnat-slice 3"},
		{"set service www mode dsr", "add backend web 10.0.0.12:0"},
		{"set service www mode dsr", "add pool apart", "add backend apart 192.168.0.1:8080"},
		{"set service www mode dsr", "add route 10.0.0.8/31 via 10.0.0.254",
		 "add route 10.0.0.0/23 via 10.0.0.254"},
		{"set service www mode ipip", "add backend web 192.168.0.1:80"},
		{"set service www mode gue", "add backend web 192.168.0.1:0"},
		{"add service b 198.51.100.10:80/udp pool web mode gue requests 1 front-timeout 9 lifetime 9"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome outcome = validate(rows[i]);

		assert_string_equal(outcome.error, "");
		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.warnings, 0);
	}
}

static void what_is_hardly_meant_is_warned_of(void **state)
{
	static const struct { const char *lines[LINES_MAX], *sentence; } rows[] = {
		{{"del route 0.0.0.0/0", "add backend web 192.168.0.1:80"},
		 "no network of an interface and no route reaches backend \"web/192.168.0.1:80\""},
		{{"set interface ext role backend"},
		 "no interface has the role frontend: services have no clients"},
		{{"set interface int role frontend"},
		 "no interface has the role backend: services have no servers"},
		{{"set global topology bridged", "add service b 10.0.0.10:80/tcp pool web"},
		 "topology bridged answers no ARP for VIPs: clients in the VIP's own network find it only "
		 "if a host behind the appliance answers: service \"b\""},
		{{"add service b 10.0.0.10:80/tcp pool web"},
		 "the VIP is in a network of backends, which answer clients there past the appliance: "
		 "service \"b\""},
		{{"set service www source-rewrite 203.0.113.0/25 to 10.0.0.128/25"},
		 "source-rewrite shows clients in a network of backends, which answer them there past "
		 "the appliance: service \"www\""},
		{{"set backend web 10.0.0.11:80 weight 0"}, "all weights are 0 in pool \"web\""},
		{{"del backend web 10.0.0.11:80"}, "no backends in pool \"web\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome outcome = validate(rows[i].lines);

		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.warnings, 1);
		assert_string_equal(outcome.warning[0], rows[i].sentence);
	}
}

static void a_route_of_any_length_reaches_a_backend(void **state)
{
	static const char *const prefixes[] = {"192.168.0.1/32", "192.168.0.0/31", "192.168.0.0/16",
					       "128.0.0.0/1"};
	char line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct outcome outcome;

		snprintf(line, sizeof(line), "add route %s via 10.0.0.254", prefixes[i]);
		outcome = validate((const char *const[LINES_MAX]){
			"del route 0.0.0.0/0", "add backend web 192.168.0.1:80", line});
		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.warnings, 0);
	}
}

static void one_warning_is_for_all_objects_that_it_is_true_of(void **state)
{
	struct outcome outcome = validate((const char *const[LINES_MAX]){
		"del route 0.0.0.0/0", "add backend web 192.168.0.1:80", "add backend web 192.168.0.2:80",
		"add backend web 192.168.0.3:80", "add backend web 192.168.0.4:80"});

	(void)state;
	assert_int_equal(outcome.warnings, 1);
	assert_string_equal(outcome.warning[0], "no network of an interface and no route reaches "
			    "backend \"web/192.168.0.1:80\", backend \"web/192.168.0.2:80\", "
			    "backend \"web/192.168.0.3:80\" and 1 more");
}

static void a_check_without_a_timeout_has_one_by_its_type(void **state)
{
	static const struct { const char *line; uint64_t timeout_ms; } rows[] = {
		{"add check c tcp", 1000}, {"add check c tcp interval 200ms", 200},
		{"add check c tcp timeout 700ms", 700}, {"add check c heartbeat", 3000},
		{"add check c heartbeat timeout 9", 9000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *config = config_new();

		model_do(config, rows[i].line);
		assert_int_equal(check_timeout_ns(config_find_name(config, KIND_CHECK, "c")),
				 rows[i].timeout_ms * 1000000);
		config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_configuration_is_accepted_in_silence),
		cmocka_unit_test(a_broken_rule_is_told_with_the_objects_that_break_it),
		cmocka_unit_test(what_only_looks_like_a_broken_rule_is_accepted),
		cmocka_unit_test(what_is_hardly_meant_is_warned_of),
		cmocka_unit_test(a_route_of_any_length_reaches_a_backend),
		cmocka_unit_test(one_warning_is_for_all_objects_that_it_is_true_of),
		cmocka_unit_test(a_check_without_a_timeout_has_one_by_its_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
