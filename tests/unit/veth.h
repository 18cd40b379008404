/* Two ends of a cable for the tests of the rings: a veth pair in a network namespace that the test
 * program makes for itself and that goes away with it.
 *
 *     test's plain socket -- "far" ======= "near" -- the ring under test
 */
#ifndef TESTS_VETH_H
#define TESTS_VETH_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "ring/ring.h"

enum {
	VETH_PATIENCE_MS = 5000, /* what a test waits for comes within this or never */
	VETH_FRAME_MAX = 256 * 1024,
	VETH_INTERFACE = 7, /* what the ring under test writes into its frames */
};

/* What a plain packet socket sends and receives: the virtio header, then the frame. */
struct veth_packet {
	struct offload offload;
	uint8_t bytes[VETH_FRAME_MAX];
	/* On receive: the tag that the kernel took out of the bytes; tpid 0: none. */
	uint16_t vlan_tci, vlan_tpid;
};

static const uint8_t veth_far_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t veth_near_mac[6] = {2, 0, 0, 0, 0, 2};

/* Runs a command; the test fails where the command does. */
__attribute__((format(printf, 1, 2))) static inline void veth_run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command))
		fail_msg("failed: %s", command);
}

/* Takes the near end up, and waits until the far one has noticed: until then the kernel throws away
 * what leaves there. */
static inline void veth_near_up(void)
{
	veth_run("ip link set near up");
	veth_run("timeout %d sh -c 'until ip link show far | grep -q \"state UP\"; do :; done'",
		 VETH_PATIENCE_MS / 1000);
}

static inline void veth_needs_root(void **state)
{
	(void)state;
	skip();
}

/* What main() returns where there is no cable: every test of the program counts as one skipped. */
static inline int veth_skip(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(veth_needs_root)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* True when the cable is there; false, loudly, where we may not make one. */
static inline bool veth_create(unsigned mtu)
{
	if (unshare(CLONE_NEWNET)) {
		fprintf(stderr, "SKIP: no network namespace: %s\n", strerror(errno));
		return false;
	}
	/* IPv6 would send frames of its own. */
	veth_run("sysctl -eqw net.ipv6.conf.default.disable_ipv6=1");
	veth_run("ip link add near mtu %u address 02:00:00:00:00:02 type veth "
		 "peer name far mtu %u address 02:00:00:00:00:01", mtu, mtu);
	veth_run("ip link set lo up && ip link set near up && ip link set far up");
	return true;
}

static inline struct ring_options veth_options(unsigned mtu)
{
	return (struct ring_options){.name = "near", .ifindex = if_nametoindex("near"), .mtu = mtu,
				     .interface = VETH_INTERFACE};
}

static inline struct ring *veth_open(const struct ring_options *options)
{
	struct ring *ring = NULL;
	char error[256] = "";

	if (ring_open(&ring, options, error, sizeof(error)))
		fail_msg("%s", error);
	return ring;
}

static inline struct ring *veth_ring(unsigned mtu)
{
	struct ring_options options = veth_options(mtu);

	return veth_open(&options);
}

static inline void veth_set(int fd, int level, int option, int value)
{
	assert_return_code(setsockopt(fd, level, option, &value, sizeof(value)), errno);
}

/* A plain packet socket at the far end, with virtio headers. */
static inline int veth_far(void)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				      .sll_ifindex = (int)if_nametoindex("far")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	veth_set(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	veth_set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	veth_set(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	veth_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, 64 * 1024 * 1024);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

/* An Ethernet header to the near end, then bytes that `number` determines. */
static inline void veth_fill(uint8_t *bytes, size_t length, uint32_t number)
{
	static const uint8_t type[2] = {0x88, 0xb5}; /* IEEE 802 local experimental */

	memcpy(bytes, veth_near_mac, 6);
	memcpy(bytes + 6, veth_far_mac, 6);
	memcpy(bytes + 12, type, 2);
	for (size_t i = 18; i < length; i++)
		bytes[i] = (uint8_t)(number + i * 7);
	memcpy(bytes + 14, &number, sizeof(number));
}

/* True when these are the bytes of veth_fill(). */
static inline bool veth_filled(const uint8_t *bytes, size_t length, uint32_t number)
{
	static uint8_t expected[VETH_FRAME_MAX];

	veth_fill(expected, length, number);
	return !memcmp(bytes, expected, length);
}

static inline void veth_send(int far, const struct veth_packet *packet, size_t length)
{
	ssize_t sent = send(far, packet, sizeof(packet->offload) + length, 0);

	assert_int_equal(sent, (ssize_t)(sizeof(packet->offload) + length));
}

static inline void veth_read_tag(struct msghdr *message, struct veth_packet *ret_packet)
{
	struct tpacket_auxdata facts;

	ret_packet->vlan_tci = ret_packet->vlan_tpid = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&facts, CMSG_DATA(c), sizeof(facts));
		if (facts.tp_status & TP_STATUS_VLAN_VALID) {
			ret_packet->vlan_tci = facts.tp_vlan_tci;
			ret_packet->vlan_tpid = facts.tp_vlan_tpid;
		}
	}
}

/* The next frame at the far end; returns its length, or 0 after `patience_ms` without any. */
static inline size_t veth_receive(int far, struct veth_packet *ret_packet, int patience_ms)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec parts = {ret_packet, offsetof(struct veth_packet, vlan_tci)};
	struct msghdr message = {.msg_iov = &parts, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct pollfd poller = {.fd = far, .events = POLLIN};
	ssize_t length;

	if (poll(&poller, 1, patience_ms) != 1)
		return 0;
	length = recvmsg(far, &message, 0);
	assert_true(length > (ssize_t)sizeof(ret_packet->offload));
	veth_read_tag(&message, ret_packet);
	return (size_t)length - sizeof(ret_packet->offload);
}

/* Waits for at least one frame on the ring; 0 after `patience_ms` without any. */
static inline unsigned veth_await_for(struct ring *ring, struct frame *frames, unsigned max,
				      int patience_ms)
{
	for (int waited = 0; waited <= patience_ms; waited++) {
		struct pollfd poller = {.fd = ring_fd(ring), .events = POLLIN};
		unsigned count = ring_receive(ring, frames, max);

		if (count)
			return count;
		poll(&poller, 1, 1);
	}
	return 0;
}

static inline unsigned veth_await(struct ring *ring, struct frame *frames, unsigned max)
{
	return veth_await_for(ring, frames, max, VETH_PATIENCE_MS);
}

#endif
