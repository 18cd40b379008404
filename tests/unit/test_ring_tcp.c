/* A real TCP stream, with the senders' offloads on, through two rings that are a wire:
 *
 *     client's namespace                this process                  server's namespace
 *     client 192.0.2.1 ======= left  ring | ring  right ======= server 192.0.2.2
 */
#include "tests/unit/veth.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/wait.h>

enum {
	STREAM_BYTES = 64 * 1024 * 1024,
	CHUNK = 128 * 1024,
	PORT = 5000,
	PATIENCE_S = 60,
	IDLE_TURNS = 1000, /* empty polls before the wire sleeps until a block is handed over */
};

static uint8_t expected(size_t at)
{
	return (uint8_t)(at * 2654435761u >> 16);
}

/* Echoes one connection until its end. */
static int serve(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	static char chunk[CHUNK];
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int peer;
	ssize_t bytes;

	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(listener, 1))
		return 1;
	peer = accept(listener, NULL, NULL);
	while ((bytes = read(peer, chunk, sizeof(chunk))) > 0)
		for (ssize_t done = 0, now; done < bytes; done += now) {
			now = write(peer, chunk + done, (size_t)(bytes - done));
			if (now <= 0)
				return 1;
		}
	return bytes < 0;
}

static int send_pattern(int server)
{
	static uint8_t chunk[CHUNK];

	for (size_t at = 0; at < STREAM_BYTES; at += CHUNK) {
		for (size_t i = 0; i < CHUNK; i++)
			chunk[i] = expected(at + i);
		for (size_t done = 0; done < CHUNK;) {
			ssize_t now = write(server, chunk + done, CHUNK - done);

			if (now <= 0)
				return 1;
			done += (size_t)now;
		}
	}
	return shutdown(server, SHUT_WR) != 0;
}

/* Sends the pattern and compares what comes back. */
static int ask(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT),
					    .sin_addr.s_addr = htonl(0xc0000202)};
	static uint8_t chunk[CHUNK];
	size_t at = 0;
	ssize_t bytes;
	pid_t sender;
	int server;

	/* The server may still be on its way up. */
	for (;;) {
		server = socket(AF_INET, SOCK_STREAM, 0);
		if (!connect(server, (const struct sockaddr *)&address, sizeof(address)))
			break;
		close(server);
		usleep(1000);
	}
	sender = fork();
	if (!sender)
		_exit(send_pattern(server));
	while ((bytes = read(server, chunk, sizeof(chunk))) > 0)
		for (ssize_t i = 0; i < bytes; i++)
			if (chunk[i] != expected(at++))
				return 2;
	return at != STREAM_BYTES || waitpid(sender, NULL, 0) != sender;
}

/* A process in a namespace of its own, at the far end of a cable whose near end is ours. */
static pid_t start(const char *name, const char *wire, unsigned number, unsigned mtu,
		   int (*work)(void))
{
	int ready[2], go[2];
	char byte = 0;
	pid_t child;

	assert_return_code(pipe(ready), errno);
	assert_return_code(pipe(go), errno);
	child = fork();
	if (!child) {
		bool fine = !unshare(CLONE_NEWNET) && write(ready[1], &byte, 1) == 1 &&
			    read(go[0], &byte, 1) == 1;

		if (!fine)
			_exit(3);
		alarm(PATIENCE_S);
		veth_run("ip link set lo up && ip link set %s up && "
			 "ip address add 192.0.2.%u/24 dev %s", name, number, name);
		_exit(work());
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	veth_run("ip link add %s mtu %u type veth peer name %s mtu %u", wire, mtu, name, mtu);
	veth_run("ip link set %s up && ip link set %s netns %d", wire, name, (int)child);
	assert_int_equal(write(go[1], &byte, 1), 1);
	for (unsigned i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
	return child;
}

static struct ring *open_wire(const char *wire, unsigned mtu)
{
	struct ring_options options = {.name = wire, .ifindex = if_nametoindex(wire), .mtu = mtu};

	return veth_open(&options);
}

static unsigned carry(struct ring *from, struct ring *to)
{
	struct frame frames[RING_BATCH_MAX];
	unsigned count = ring_receive(from, frames, RING_BATCH_MAX);

	for (unsigned i = 0; i < count; i++)
		ring_send(to, &frames[i]);
	ring_flush(to);
	ring_release(from);
	return count;
}

static void stream_through_two_rings(unsigned mtu)
{
	pid_t server = start("server", "right", 2, mtu, serve);
	pid_t client = start("client", "left", 1, mtu, ask);
	struct ring *left = open_wire("left", mtu), *right = open_wire("right", mtu);
	struct ring_stats stats[2];
	int status = -1;

	for (unsigned idle = 0; waitpid(client, &status, WNOHANG) == 0;) {
		idle = carry(left, right) + carry(right, left) ? 0 : idle + 1;
		if (idle > IDLE_TURNS) {
			struct pollfd pollers[2] = {{.fd = ring_fd(left), .events = POLLIN},
						    {.fd = ring_fd(right), .events = POLLIN}};

			poll(pollers, 2, 1);
		}
	}
	assert_int_equal(status, 0);
	ring_stats(left, &stats[0]);
	ring_stats(right, &stats[1]);
	for (unsigned i = 0; i < 2; i++) {
		/* Otherwise this would not be a test of super-frames. */
		assert_true(stats[i].sent_large > 100);
		assert_int_equal(stats[i].send_failed, 0);
		assert_int_equal(stats[i].truncated, 0);
	}
	ring_close(left);
	ring_close(right);
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	/* They go with their namespaces, but not at once. */
	veth_run("ip link del left 2>/dev/null; ip link del right 2>/dev/null; true");
}

static void a_tcp_stream_with_offloads_on_arrives_intact(void **state)
{
	(void)state;
	stream_through_two_rings(1500);
}

static void a_tcp_stream_over_jumbo_frames_arrives_intact(void **state)
{
	(void)state;
	stream_through_two_rings(9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_stream_with_offloads_on_arrives_intact),
		cmocka_unit_test(a_tcp_stream_over_jumbo_frames_arrives_intact),
	};

	if (!veth_create(1500))
		return veth_skip();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
