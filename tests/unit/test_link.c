/* What the kernel says of links and addresses, and that no change goes by unnoticed. */
#include "tests/unit/veth.h"

#include "ring/link.h"

static struct link_watch *watch;

static int open_watch(void **state)
{
	char error[256] = "";
	(void)state;

	if (link_watch_open(&watch, error, sizeof(error)))
		fail_msg("%s", error);
	return 0;
}

static int close_watch(void **state)
{
	(void)state;
	link_watch_close(watch);
	return 0;
}

struct search {
	const char *name;
	unsigned found;
	struct link link;
};

static void match(void *context, const struct link *link)
{
	struct search *search = context;

	if (!strcmp(link->name, search->name)) {
		search->link = *link;
		search->found++;
	}
}

static unsigned find(const char *name, struct link *ret_link)
{
	struct search search = {.name = name};

	assert_int_equal(link_list(watch, match, &search), 0);
	*ret_link = search.link;
	return search.found;
}

/* True when the watch becomes readable and tells of a change. */
static bool told(int patience_ms)
{
	struct pollfd poller = {.fd = link_watch_fd(watch), .events = POLLIN};

	return poll(&poller, 1, patience_ms) == 1 && link_watch_drain(watch);
}

static void a_link_is_told_with_all_its_facts(void **state)
{
	struct link link;
	(void)state;

	assert_int_equal(find("near", &link), 1);
	assert_int_equal(link.ifindex, if_nametoindex("near"));
	assert_int_equal(link.mtu, 1500);
	assert_memory_equal(link.mac, veth_near_mac, 6);
	assert_true(link.up);
	assert_true(link.ethernet);
	assert_int_equal(find("lo", &link), 1);
	assert_false(link.ethernet);
	assert_int_equal(find("absent", &link), 0);
}

static void a_link_without_carrier_is_not_up(void **state)
{
	struct link link;
	(void)state;

	veth_run("ip link set far down");
	find("near", &link);
	assert_false(link.up);
	veth_run("ip link set far up");
	find("near", &link);
	assert_true(link.up);
	veth_run("ip link set near down");
	find("near", &link);
	assert_false(link.up);
	veth_run("ip link set near up");
}

static void every_change_is_told(void **state)
{
	static const char *const changes[] = {
		"set near down", "set near up", "set near mtu 1400", "set near mtu 1500",
		"set near address 02:00:00:00:00:99", "set near address 02:00:00:00:00:02",
		"set far down", "set far up", "add other type veth", "set other name renamed",
		"del renamed",
	};
	(void)state;

	while (told(100))
		;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		veth_run("ip link %s", changes[i]);
		if (!told(VETH_PATIENCE_MS))
			fail_msg("not told of: %s", changes[i]);
		/* Carrier changes are told a little later than what caused them. */
		while (told(100))
			;
		assert_false(link_watch_drain(watch));
	}
}

static void news_that_the_kernel_dropped_are_told_as_a_change(void **state)
{
	int smallest = 0;
	(void)state;

	while (told(100))
		;
	assert_return_code(setsockopt(link_watch_fd(watch), SOL_SOCKET, SO_RCVBUF, &smallest,
				      sizeof(smallest)), errno);
	for (int i = 0; i < 20; i++)
		veth_run("ip link set near mtu %d", 1400 + i);
	assert_true(told(VETH_PATIENCE_MS));
	assert_false(told(100));
	veth_run("ip link set near mtu 1500");
}

static void more_links_than_one_message_holds_are_all_listed(void **state)
{
	enum { MANY = 100 };
	char name[IF_NAMESIZE];
	struct link link;
	(void)state;

	veth_run("for i in $(seq %d); do echo link add many$i type veth peer even$i; done |"
		 "ip -batch -", MANY);
	for (int i = 1; i <= MANY; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		assert_int_equal(find(name, &link), 1);
	}
	veth_run("for i in $(seq %d); do echo link del many$i; done | ip -batch -", MANY);
}

static unsigned matches;

static void match_address(void *context, uint32_t address_be, unsigned ifindex)
{
	const struct in_addr *wanted = context;

	matches += address_be == wanted->s_addr && ifindex == if_nametoindex("near");
}

static unsigned count_address(const char *text)
{
	struct in_addr wanted;

	assert_int_equal(inet_pton(AF_INET, text, &wanted), 1);
	matches = 0;
	assert_int_equal(link_addresses(watch, match_address, &wanted), 0);
	return matches;
}

static void the_hosts_own_addresses_are_listed(void **state)
{
	(void)state;

	veth_run("ip address add 192.0.2.1/24 dev near");
	veth_run("ip address add 192.0.2.2/24 dev near");
	veth_run("ip address add 198.51.100.1 peer 198.51.100.2 dev near");
	assert_int_equal(count_address("192.0.2.1"), 1);
	assert_int_equal(count_address("192.0.2.2"), 1);
	assert_int_equal(count_address("198.51.100.1"), 1);
	assert_int_equal(count_address("198.51.100.2"), 0);
	veth_run("ip address flush dev near");
	assert_int_equal(count_address("192.0.2.1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_is_told_with_all_its_facts),
		cmocka_unit_test(a_link_without_carrier_is_not_up),
		cmocka_unit_test(every_change_is_told),
		cmocka_unit_test(news_that_the_kernel_dropped_are_told_as_a_change),
		cmocka_unit_test(more_links_than_one_message_holds_are_all_listed),
		cmocka_unit_test(the_hosts_own_addresses_are_listed),
	};

	if (!veth_create(1500))
		return veth_skip();
	return cmocka_run_group_tests(tests, open_watch, close_watch);
}
