/* Opening a ring: what cannot be done says why, what is short is made do with, what goes away is
 * noticed and what comes back works again. */
#include "tests/unit/veth.h"

#include <fcntl.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char error[256];

static int try_open(const struct ring_options *options)
{
	struct ring *ring = NULL;
	int status;

	error[0] = '\0';
	status = ring_open(&ring, options, error, sizeof(error));
	if (status)
		assert_null(ring);
	else
		ring_close(ring);
	return status;
}

static void assert_says(const char *sentence)
{
	if (!strstr(error, sentence))
		fail_msg("\"%s\" does not say \"%s\"", error, sentence);
}

static unsigned count_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static void a_missing_interface_is_named(void **state)
{
	struct ring_options options = veth_options(1500);
	const unsigned before = count_descriptors();
	(void)state;

	options.name = "absent";
	options.ifindex = 9999;
	assert_int_equal(try_open(&options), -ENODEV);
	assert_says("absent: ");
	assert_says("No such device");
	assert_int_equal(count_descriptors(), before);
}

static void a_filter_that_makes_no_sense_is_quoted(void **state)
{
	struct ring_options options = veth_options(1500);
	const unsigned before = count_descriptors();
	(void)state;

	options.filter = "not a filter";
	assert_int_equal(try_open(&options), -EINVAL);
	assert_says("filter \"not a filter\": ");
	assert_says("syntax error");
	options.filter = "arp or (vlan and ip)";
	assert_int_equal(try_open(&options), -EINVAL);
	assert_says("the kernel takes the tag out");
	options.filter = "ether proto 0x8100 or host 10.0.0.1";
	assert_int_equal(try_open(&options), 0);
	assert_int_equal(count_descriptors(), before);
}

/* What `test` returns, run in a process of its own. */
static int in_child(int (*test)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child)
		_exit(test());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int drop(cap_value_t capability)
{
	cap_t now = cap_get_proc();

	cap_set_flag(now, CAP_EFFECTIVE, 1, &capability, CAP_CLEAR);
	cap_set_flag(now, CAP_PERMITTED, 1, &capability, CAP_CLEAR);
	return cap_set_proc(now) || cap_free(now);
}

enum { CHILD_OK, CHILD_BROKEN, CHILD_REFUSED, CHILD_LOST_FRAMES };

static int open_without_right_to_raw_sockets(void)
{
	struct ring_options options = veth_options(1500);

	if (drop(CAP_NET_RAW))
		return CHILD_BROKEN;
	return ring_open(&(struct ring *){NULL}, &options, error, sizeof(error)) == -EPERM &&
	       strstr(error, "near: ") && strstr(error, "Operation not permitted") ? CHILD_OK :
										CHILD_REFUSED;
}

static int open_without_right_to_a_larger_buffer(void)
{
	struct ring_options options = veth_options(1500);
	struct ring *ring;

	if (drop(CAP_NET_ADMIN))
		return CHILD_BROKEN;
	return ring_open(&ring, &options, error, sizeof(error)) ? CHILD_REFUSED : CHILD_OK;
}

static void only_raw_sockets_need_a_privilege(void **state)
{
	(void)state;
	assert_int_equal(in_child(open_without_right_to_raw_sockets), CHILD_OK);
	assert_int_equal(in_child(open_without_right_to_a_larger_buffer), CHILD_OK);
}

static size_t mapped_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	char line[128] = "";

	if (file) {
		if (!fgets(line, sizeof(line), file))
			line[0] = '\0';
		fclose(file);
	}
	return strtoul(line, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static int open_with_room_for(size_t bytes)
{
	static struct frame frames[RING_BATCH_MAX];
	static struct veth_packet packet;
	struct ring_options options = veth_options(1500);
	struct ring *ring;
	struct rlimit limit;
	int far = veth_far();

	limit.rlim_cur = limit.rlim_max = mapped_bytes() + bytes;
	if (setrlimit(RLIMIT_AS, &limit))
		return CHILD_BROKEN;
	if (ring_open(&ring, &options, error, sizeof(error)))
		return strstr(error, "near: no receive ring: ") ? CHILD_REFUSED : CHILD_BROKEN;
	for (uint32_t n = 0; n < 5000; n++) {
		veth_fill(packet.bytes, 1500, n);
		veth_send(far, &packet, 1500);
		if (veth_await(ring, frames, 1) != 1 || !veth_filled(frames[0].data, 1500, n))
			return CHILD_LOST_FRAMES;
		ring_release(ring);
	}
	return CHILD_OK;
}

static int open_with_3_mb(void)
{
	return open_with_room_for(3 * 1024 * 1024);
}

static int open_with_768_kb(void)
{
	return open_with_room_for(768 * 1024);
}

static void a_ring_is_halved_while_memory_lacks_down_to_a_floor(void **state)
{
	(void)state;
	assert_int_equal(in_child(open_with_3_mb), CHILD_OK);
	assert_int_equal(in_child(open_with_768_kb), CHILD_REFUSED);
}

static void another_mac_address_is_asked_of_the_interface(void **state)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0xbe, 0xef};
	struct ring_options options = veth_options(1500);
	struct ring *ring;
	(void)state;

	options.mac = mac;
	ring = veth_open(&options);
	veth_run("bridge fdb show dev near | grep -q 02:00:00:00:be:ef");
	ring_close(ring);
	veth_run("! bridge fdb show dev near | grep -q 02:00:00:00:be:ef");
}

static void a_promiscuous_ring_takes_frames_of_every_mac_while_it_is_open(void **state)
{
	struct ring_options options = veth_options(1500);
	struct ring *ring = veth_open(&options);
	(void)state;

	veth_run("ip -details link show near | grep -q 'promiscuity 0'");
	ring_close(ring);
	options.promiscuous = true;
	ring = veth_open(&options);
	veth_run("ip -details link show near | grep -q 'promiscuity 1'");
	ring_close(ring);
	veth_run("ip -details link show near | grep -q 'promiscuity 0'");
}

static void assert_passes_both_ways(struct ring *ring, int far, uint32_t number)
{
	static struct veth_packet packet;
	struct frame frame;

	veth_fill(packet.bytes, 100, number);
	veth_send(far, &packet, 100);
	assert_int_equal(veth_await(ring, &frame, 1), 1);
	assert_true(veth_filled(frame.data, 100, number));
	assert_true(ring_send(ring, &frame));
	ring_flush(ring);
	ring_release(ring);
	assert_int_equal(veth_receive(far, &packet, VETH_PATIENCE_MS), 100);
	assert_true(veth_filled(packet.bytes, 100, number));
}

static void a_link_that_goes_down_is_noticed_and_works_when_it_comes_back(void **state)
{
	struct ring *ring = veth_ring(1500);
	struct pollfd poller = {.fd = ring_fd(ring)}; /* errors only */
	int far = veth_far();
	(void)state;

	for (uint32_t n = 0; n < 3; n++) {
		assert_passes_both_ways(ring, far, n);
		assert_false(ring_broken(ring));
		veth_run("ip link set near down");
		/* Without anything having been sent; and whoever waits is woken once. */
		assert_int_equal(poll(&poller, 1, VETH_PATIENCE_MS), 1);
		assert_true(poller.revents & POLLERR);
		assert_true(ring_broken(ring));
		assert_false(ring_broken(ring));
		assert_int_equal(poll(&poller, 1, 0), 0);
		veth_near_up();
	}
	assert_passes_both_ways(ring, far, 9);
	ring_close(ring);

	/* One that was down from the start, too. */
	veth_run("ip link set near down");
	ring = veth_ring(1500);
	assert_true(ring_broken(ring));
	veth_near_up();
	assert_passes_both_ways(ring, far, 10);
	ring_close(ring);
	close(far);
}

static void an_interface_that_is_removed_is_noticed(void **state)
{
	struct ring *ring;
	struct ring_stats stats;
	struct frame frame = {.data = (uint8_t[100]){0}, .length = 100};
	(void)state;

	veth_run("ip link add gone type veth peer name gone2 && ip link set gone up");
	{
		struct ring_options options = veth_options(1500);

		options.ifindex = if_nametoindex("gone");
		ring = veth_open(&options);
	}
	ring_broken(ring);
	veth_run("ip link del gone");
	assert_true(ring_broken(ring));
	assert_int_equal(ring_receive(ring, &frame, 1), 0);
	assert_true(ring_send(ring, &frame));
	ring_flush(ring);
	assert_true(ring_broken(ring));
	frame.offload.gso_type = 1;
	assert_false(ring_send(ring, &frame));
	assert_true(ring_broken(ring));
	ring_stats(ring, &stats);
	assert_int_equal(stats.send_failed, 2);
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_interface_is_named),
		cmocka_unit_test(a_filter_that_makes_no_sense_is_quoted),
		cmocka_unit_test(only_raw_sockets_need_a_privilege),
		cmocka_unit_test(a_ring_is_halved_while_memory_lacks_down_to_a_floor),
		cmocka_unit_test(another_mac_address_is_asked_of_the_interface),
		cmocka_unit_test(a_promiscuous_ring_takes_frames_of_every_mac_while_it_is_open),
		cmocka_unit_test(a_link_that_goes_down_is_noticed_and_works_when_it_comes_back),
		cmocka_unit_test(an_interface_that_is_removed_is_noticed),
	};

	if (!veth_create(1500))
		return veth_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
