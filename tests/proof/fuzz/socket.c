/* Bytes that come by the control socket: whatever they are, lbd's side of the conversation
 * (appliance/client.c) answers or hangs up, and does not block. Bytes come in pieces, of sizes that the
 * input begins with. */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appliance/client.h"
#include "tests/proof/fuzz/fuzz.h"
#include "tests/proof/fuzz/talker.h"

enum { TURNS_MAX = 64, ANSWER_MAX = 1 << 16 };

void fuzz_init(void)
{
}

/* What lbd has said so far is read, so that it goes on. */
static uint64_t read_answers(int fd, uint64_t digest)
{
	static uint8_t bytes[ANSWER_MAX];
	ssize_t got;

	while ((got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		for (ssize_t i = 0; i < got; i++)
			digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
	return digest;
}

uint64_t fuzz_one(const uint8_t *data, size_t size, int tell)
{
	size_t piece = size ? data[0] * (size_t)data[0] + 1 : 1, at = size ? 1 : 0;
	struct fake fake = {.flows = 2};
	struct appliance appliance = fake_appliance(&fake);
	struct client_host host = {.appliance = &appliance, .epoll = epoll_create1(EPOLL_CLOEXEC),
				   .now_ns = 1000000000};
	struct client client = {.host = &host};
	uint64_t digest = 1;
	int ends[2];

	(void)tell;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends))
		talker_fail("no socket");
	client.fd = ends[0];
	client.session = client_session_new(&client, "alice");
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &client};
	epoll_ctl(host.epoll, EPOLL_CTL_ADD, client.fd, &event);
	client.events = EPOLLIN;
	for (unsigned turn = 0; turn < TURNS_MAX && client.fd >= 0; turn++) {
		size_t part = size - at < piece ? size - at : piece;
		ssize_t sent = part ? send(ends[1], data + at, part, MSG_NOSIGNAL) : 0;

		at += sent > 0 ? (size_t)sent : 0;
		if (!part)
			shutdown(ends[1], SHUT_WR);
		host.now_ns += 1000000000;
		client_run(&client, EPOLLIN);
		if (client.fd >= 0 && session_busy(client.session)) {
			session_poll(client.session, host.now_ns);
			client_settle(&client, true);
		}
		if (turn == 2 && client.fd >= 0)
			client_tell(&client, "something has happened");
		digest = read_answers(ends[1], digest);
	}
	if (client.fd >= 0)
		client_close(&client);
	close(ends[1]);
	close(host.epoll);
	fake_free(&fake);
	return digest;
}
