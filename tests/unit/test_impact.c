/* What a candidate would do: to live flows, to Maglev tables, to services; and where a packet would
 * go. */
#include "tests/unit/house.h"

#include <jansson.h>

#include "appliance/path/checksum.h"

static const char base[] =
	"add interface ext role frontend address 198.51.100.1/24\n"
	"add interface int role backend address 10.0.0.1/24\n"
	"add pool api\nadd pool web\n"
	"add backend api 10.0.0.21:80\n"
	"add backend web 10.0.0.11:80\nadd backend web 10.0.0.12:80\n"
	"add backend web 10.0.0.13:80\nadd backend web 10.0.0.14:80\n"
	"add service api 203.0.113.20:80/tcp pool api\n"
	"add service web 203.0.113.10:80/udp pool web\n";

enum { FLOWS = 400 };

static be32 address(const char *text)
{
	be32 value;

	assert_int_equal(parse_address(text, &value), 0);
	return value;
}

/* A client's datagram, or SYN, to the VIP. */
static void receive_from(struct house *house, uint32_t client, const char *vip, uint8_t protocol,
			 uint16_t client_port)
{
	static uint8_t bytes[256];
	struct ethernet *ethernet = (struct ethernet *)(bytes + 64);
	struct ipv4 *ip = (struct ipv4 *)(ethernet + 1);
	struct tcp *l4 = (struct tcp *)(ip + 1);
	uint16_t length = protocol == PROTOCOL_NUMBER_TCP ? TCP_SIZE_MIN : UDP_SIZE;
	uint64_t pseudo;
	struct frame frame = {
		.data = bytes + 64, .headroom = 64,
		.length = ETHERNET_SIZE + IPV4_SIZE_MIN + length,
		.interface = (uint16_t)compiler_interface_index(&house->control.compiler, "ext"),
	};

	memset(bytes, 0, sizeof(bytes));
	frame.wire_length = frame.length;
	ethernet->destination = (struct mac_address){{2, 0, 0, 0, 0, (uint8_t)(frame.interface + 1)}};
	ethernet->source = (struct mac_address){{2, 0, 0, 0, 9, 9}};
	ethernet->type = to_be16(ETHERTYPE_IPV4);
	ip->version_ihl = 0x45;
	ip->total_length = to_be16((uint16_t)(IPV4_SIZE_MIN + length));
	ip->ttl = 64;
	ip->protocol = protocol;
	ip->source = to_be32(client);
	ip->destination = address(vip);
	ip->checksum = checksum_field(checksum_add(0, ip, IPV4_SIZE_MIN));
	l4->source = to_be16(client_port);
	l4->destination = to_be16(80);
	pseudo = checksum_pseudo_header(ip->source, ip->destination, protocol, length);
	if (protocol == PROTOCOL_NUMBER_TCP) {
		l4->offset = 5 << 4;
		l4->flags = TCP_SYN;
		l4->checksum = checksum_field(checksum_add(pseudo, l4, length));
	} else {
		((struct udp *)l4)->length = to_be16(length);
		((struct udp *)l4)->checksum =
			checksum_field_udp(checksum_add(pseudo, l4, length));
	}
	path_receive(house->path, &frame, NULL, 1, house->now_ns);
}

static void receive(struct house *house, const char *vip, uint8_t protocol, uint16_t client_port)
{
	receive_from(house, from_be32(address("198.51.100.7")), vip, protocol, client_port);
}

static uint64_t live(const struct house *house)
{
	return path_flows(house->path)->live;
}

/* 400 flows to web, 50 to api. */
static struct talk *with_flows(struct house *house)
{
	struct talk *alice = house_dial(house, "alice");

	assert_int_equal(script(alice, base), STATUS_DONE);
	for (unsigned i = 0; i < FLOWS; i++)
		receive(house, "203.0.113.10", PROTOCOL_NUMBER_UDP, (uint16_t)(1000 + i));
	for (unsigned i = 0; i < 50; i++)
		receive(house, "203.0.113.20", PROTOCOL_NUMBER_TCP, (uint16_t)(1000 + i));
	assert_int_equal(live(house), FLOWS + 50);
	command(alice, "configure");
	return alice;
}

static uint64_t flows_of(struct house *house, const char *backend)
{
	struct config_backend like = {.pool = "web"};
	uint32_t id;

	assert_int_equal(parse_endpoint(backend, &like.address), 0);
	id = compiler_backend_id(&house->control.compiler, &like);
	return path_backend_counters(house->path, id)->active_flows;
}

/* compare, as a program reads it. */
static json_t *compare(struct talk *talk)
{
	json_t *document, *body;

	assert_int_equal(command(talk, "compare | json"), STATUS_DONE);
	document = json_loads(talk->out, 0, NULL);
	assert_non_null(document);
	body = json_incref(json_object_get(document, "compare"));
	json_decref(document);
	return body;
}

static void assert_flows(const json_t *compared, uint64_t flows, uint64_t moved,
			 uint64_t without_backend, uint64_t ended)
{
	const json_t *impact = json_object_get(compared, "impact");

	assert_int_equal(json_integer_value(json_object_get(impact, "flows")), flows);
	assert_int_equal(json_integer_value(json_object_get(impact, "flows_moved")), moved);
	assert_int_equal(json_integer_value(json_object_get(impact, "flows_without_backend")),
			 without_backend);
	assert_int_equal(json_integer_value(json_object_get(impact, "flows_ended")), ended);
}

static json_int_t slots_moved(const json_t *compared, const char *pool)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(compared, "maglev"), i, row)
		if (strcmp(json_string_value(json_object_get(row, "pool")), pool) == 0)
			return json_integer_value(json_object_get(row, "slots_moved"));
	return -1;
}

static void nothing_moves_that_need_not(void **state)
{
	struct house *house = *state;
	struct talk *alice = with_flows(house);
	json_t *compared;

	command(alice, "add pool other");
	command(alice, "set backend web 10.0.0.11:80 name blue");
	command(alice, "set backend web 10.0.0.12:80 admin drain");
	command(alice, "set backend web 10.0.0.13:80 weight 0");
	compared = compare(alice);
	assert_flows(compared, FLOWS + 50, 0, 0, 0);
	assert_int_equal(slots_moved(compared, "api"), 0);
	assert_int_equal(slots_moved(compared, "other"), -1);
	json_decref(compared);
	command(alice, "compare");
	assert_non_null(strstr(alice->out, "\nNone of the 450 live flows is affected.\n"));
	hang_up(alice);
}

/* What was told is what then happens. */
static void flows_of_a_backend_that_goes_change_it(void **state)
{
	struct house *house = *state;
	struct talk *alice = with_flows(house);
	uint64_t of_one = flows_of(house, "10.0.0.11:80"), of_two = flows_of(house, "10.0.0.12:80");
	char line[128];
	json_t *compared;

	assert_true(of_one > 50 && of_two > 50);
	command(alice, "del backend web 10.0.0.11:80");
	command(alice, "set backend web 10.0.0.12:80 admin disabled");
	compared = compare(alice);
	assert_flows(compared, FLOWS + 50, of_one + of_two, 0, 0);
	json_decref(compared);
	command(alice, "commit check");
	snprintf(line, sizeof(line), "%llu of 450 live flows change their backend.\n",
		 (unsigned long long)(of_one + of_two));
	assert_non_null(strstr(alice->out, line));
	assert_int_equal(live(house), FLOWS + 50);
	command(alice, "commit");
	assert_int_equal(live(house), FLOWS + 50 - of_one - of_two);
	hang_up(alice);
}

static void flows_of_a_service_that_goes_end(void **state)
{
	struct house *house = *state;
	struct talk *alice = with_flows(house);
	json_t *compared;

	command(alice, "set service web admin disabled");
	command(alice, "set service api address 203.0.113.21:80/tcp");
	compared = compare(alice);
	assert_flows(compared, FLOWS + 50, 0, 0, FLOWS + 50);
	json_decref(compared);
	command(alice, "commit");
	assert_int_equal(live(house), 0);
	hang_up(alice);
}

static void flows_that_find_no_other_backend_are_told_apart(void **state)
{
	struct house *house = *state;
	struct talk *alice = with_flows(house);
	json_t *compared;

	command(alice, "set backend api 10.0.0.21:80 admin disabled");
	compared = compare(alice);
	assert_flows(compared, FLOWS + 50, 0, 50, 0);
	json_decref(compared);
	command(alice, "compare");
	assert_non_null(strstr(alice->out, "0 of 450 live flows change their backend, 50 lose it "
					   "and find no other.\n"
					   "service api has no backend that takes flows.\n"));
	hang_up(alice);
}

static void clients_who_are_told_of_their_loss_end(void **state)
{
	struct house *house = *state;
	struct talk *alice = with_flows(house);
	json_t *compared;

	command(alice, "add backend api 10.0.0.22:80");
	command(alice, "set service api on-backend-loss reset");
	command(alice, "del backend api 10.0.0.21:80");
	compared = compare(alice);
	assert_flows(compared, FLOWS + 50, 0, 0, 50);
	json_decref(compared);
	hang_up(alice);
}

static void the_share_of_a_table_is_that_of_the_weights(void **state)
{
	struct house *house = *state;
	struct talk *alice = with_flows(house);
	json_t *compared;
	json_int_t moved;

	/* A fifth of equal shares must move, and little more. */
	command(alice, "add backend web 10.0.0.15:80");
	compared = compare(alice);
	moved = slots_moved(compared, "web");
	assert_in_range(moved, MAGLEV_SIZE / 5 - MAGLEV_SIZE / 100, MAGLEV_SIZE / 4);
	assert_int_equal(slots_moved(compared, "api"), 0);
	assert_flows(compared, FLOWS + 50, 0, 0, 0);
	json_decref(compared);
	command(alice, "compare");
	assert_non_null(strstr(alice->out, "pool web: 2"));
	assert_non_null(strstr(alice->out, " % of its Maglev table moves.\n"));
	assert_null(strstr(alice->out, "pool api"));
	command(alice, "discard");
	command(alice, "configure");
	command(alice, "set pool web affinity source-ip");
	compared = compare(alice);
	assert_int_equal(slots_moved(compared, "web"), MAGLEV_SIZE);
	json_decref(compared);
	command(alice, "discard");
	command(alice, "configure");
	command(alice, "set global seed 5");
	compared = compare(alice);
	assert_int_equal(slots_moved(compared, "web"), MAGLEV_SIZE);
	json_decref(compared);
	hang_up(alice);
}

static void health(struct house *house, const char *backend, enum health health)
{
	struct config_backend like = {.pool = "web"};
	uint32_t target;

	assert_int_equal(parse_endpoint(backend, &like.address), 0);
	target = compiler_target_id(&house->control.compiler, house->control.running, &like);
	assert_true(compiler_health(&house->control.compiler, target, health));
}

static void a_backend_that_is_new_counts_as_what_it_is_to_become(void **state)
{
	struct house *house = *state;
	struct talk *alice = house_dial(house, "alice");
	json_t *compared;

	script(alice, base);
	script(alice, "add check hc tcp\nset pool web check hc\n");
	health(house, "10.0.0.11:80", HEALTH_UP);
	health(house, "10.0.0.12:80", HEALTH_UP);
	/* Any change compiles, with what is known by now. */
	script(alice, "set global forwarding on\n");
	command(alice, "configure");
	command(alice, "add backend web 10.0.0.15:80");
	compared = compare(alice);
	assert_in_range(slots_moved(compared, "web"), MAGLEV_SIZE / 3 - MAGLEV_SIZE / 50,
			MAGLEV_SIZE * 2 / 5);
	assert_int_equal(json_array_size(json_object_get(compared, "no_backend")), 0);
	json_decref(compared);
	hang_up(alice);
}

static void services_without_a_backend_are_named_and_why(void **state)
{
	struct house *house = *state;
	struct talk *alice = house_dial(house, "alice");

	script(alice, base);
	command(alice, "set backend api 10.0.0.21:80 weight 0");
	command(alice, "configure");
	command(alice, "add check hc tcp");
	command(alice, "add pool new check hc");
	command(alice, "add backend new 10.0.0.31:80");
	command(alice, "add service new 203.0.113.30:80/tcp pool new");
	command(alice, "add pool empty");
	command(alice, "add service empty 203.0.113.40:80/any pool empty");
	command(alice, "add service off 203.0.113.41:80/tcp pool empty admin disabled");
	command(alice, "add service open 203.0.113.42:80/tcp pool new fail-open on");
	assert_int_equal(command(alice, "commit check"), STATUS_DONE);
	assert_non_null(strstr(alice->out, "service api has no backend, as now.\n"
					   "service empty has no backend that takes flows.\n"
					   "service new has no backend before a check succeeds.\n"));
	assert_null(strstr(alice->out, "service off"));
	assert_null(strstr(alice->out, "service open"));
	hang_up(alice);
}

static void what_would_not_be_accepted_has_no_impact(void **state)
{
	struct house *house = *state;
	struct talk *alice = with_flows(house);

	command(alice, "add service clash 203.0.113.10:80/udp pool api");
	assert_int_equal(command(alice, "compare"), STATUS_DONE);
	assert_non_null(strstr(alice->err, "warning: this would not be accepted: "));
	assert_non_null(strstr(alice->out, "+ add service clash"));
	assert_int_equal(command(alice, "commit check"), STATUS_REJECTED);
	assert_int_equal(command(alice, "lookup 198.51.100.7:1 203.0.113.10:80/udp"),
			 STATUS_REJECTED);
	hang_up(alice);
}

static void lookup_says_where_a_packet_would_go_in_the_candidate(void **state)
{
	struct house *house = *state;
	struct talk *alice = with_flows(house);
	const char *line = "lookup 198.51.100.8:1 203.0.113.50:80/tcp";

	command(alice, "add check hc tcp");
	command(alice, "add pool new check hc");
	command(alice, "add backend new 10.0.0.31:8080");
	command(alice, "add service new 203.0.113.50:80/tcp pool new");
	assert_int_equal(command(alice, line), STATUS_DONE);
	assert_non_null(strstr(alice->out, "in the candidate: service new -> 10.0.0.31:8080 (maglev "
					   "slot "));
	assert_non_null(strstr(alice->out, "  once its first check has succeeded\n"
					   "  out ext -> int, next hop 10.0.0.31"));
	run(alice, REQUEST_JSON, line);
	assert_non_null(strstr(alice->out, "\"candidate\":true"));
	/* A flow stays where it is, unless its backend goes. */
	assert_int_equal(command(alice, "lookup 198.51.100.7:1000 203.0.113.20:80/tcp"), STATUS_DONE);
	assert_non_null(strstr(alice->out, "in the candidate: service api -> 10.0.0.21:80 (flow)"));
	command(alice, "set backend api 10.0.0.21:80 admin disabled");
	command(alice, "lookup 198.51.100.7:1000 203.0.113.20:80/tcp");
	assert_non_null(strstr(alice->out, "in the candidate: service api\nDROP no_backend"));
	command(alice, "discard");
	command(alice, line);
	assert_string_equal(alice->out, "DROP forwarding_off: neither for a service nor for the "
					"appliance, and forwarding is off\n");
	run(alice, REQUEST_JSON, line);
	assert_non_null(strstr(alice->out, "\"candidate\":false"));
	hang_up(alice);
}

/* A million in the table, in well under a second: no console has to wait to know. */
static void a_million_flows_are_counted_while_one_waits(void **state)
{
	enum { MANY = 1 << 20, SLOW = 10 };
	struct house *house = *state;
	struct talk *alice;
	uint64_t begin_ns, patience_ns = SECOND;
	json_t *compared;

	house_close(house);
	house->flows = MANY;
	house_open(house);
	alice = house_dial(house, "alice");
	script(alice, base);
	script(alice, "set service web address 203.0.113.10:0/udp\n");
	for (unsigned i = 0; i < MANY - 1000; i++)
		receive_from(house, 0x0b000000 + i, "203.0.113.10", PROTOCOL_NUMBER_UDP, 1000);
	assert_true(live(house) > MANY - MANY / 100);
	command(alice, "configure");
	command(alice, "del backend web 10.0.0.11:80");
#ifdef LB_SANITIZED
	patience_ns *= SLOW;
#endif
	begin_ns = clock_now_ns();
	compared = compare(alice);
	assert_in_range(clock_now_ns() - begin_ns, 0, patience_ns);
	assert_flows(compared, live(house), flows_of(house, "10.0.0.11:80"), 0, 0);
	json_decref(compared);
	hang_up(alice);
}

/* Slots that a trial claims are let go; ids in force stay what they are. */
static void trials_leave_no_trace(void **state)
{
	struct house *house = *state;
	struct talk *alice = with_flows(house);
	uint64_t before = flows_of(house, "10.0.0.11:80");
	char *text = config_text(house->control.running);

	command(alice, "add backend web 10.0.0.15:80");
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(command(alice, "commit check"), STATUS_DONE);
		assert_int_equal(command(alice, "lookup 198.51.100.8:1 203.0.113.10:80/udp"),
				 STATUS_DONE);
	}
	assert_runs(house, text);
	assert_int_equal(flows_of(house, "10.0.0.11:80"), before);
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_int_equal(live(house), FLOWS + 50);
	free(text);
	hang_up(alice);
}

#define HOUSE(name) cmocka_unit_test_setup_teardown(name, house_begin, house_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOUSE(nothing_moves_that_need_not),
		HOUSE(flows_of_a_backend_that_goes_change_it),
		HOUSE(flows_of_a_service_that_goes_end),
		HOUSE(flows_that_find_no_other_backend_are_told_apart),
		HOUSE(clients_who_are_told_of_their_loss_end),
		HOUSE(the_share_of_a_table_is_that_of_the_weights),
		HOUSE(a_backend_that_is_new_counts_as_what_it_is_to_become),
		HOUSE(services_without_a_backend_are_named_and_why),
		HOUSE(what_would_not_be_accepted_has_no_impact),
		HOUSE(lookup_says_where_a_packet_would_go_in_the_candidate),
		HOUSE(a_million_flows_are_counted_while_one_waits),
		HOUSE(trials_leave_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
