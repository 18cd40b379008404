#include "appliance/server.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appliance/control_socket.h"
#include "appliance/client.h"
#include "appliance/control_socket.h"

enum {
	CLIENTS_MAX = 64,
	USER_SIZE = 64,
};

struct server {
	struct client_host host;
	struct control_socket socket;
	struct client client[CLIENTS_MAX];
};

static void peer_user(int fd, char *ret_user, size_t size)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t length = sizeof(peer);
	struct passwd entry, *found = NULL;
	char room[4096];

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	if (getpwuid_r(peer.uid, &entry, room, sizeof(room), &found) == 0 && found)
		snprintf(ret_user, size, "%s", found->pw_name);
	else
		snprintf(ret_user, size, "uid %u", peer.uid);
}

static struct client *free_place(struct server *server)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (server->client[i].fd < 0)
			return &server->client[i];
	return NULL;
}

/* Says so in one go and closes: there is no place to keep anything. */
static void refuse_crowd(int fd)
{
	struct client client = {.fd = fd};

	client_refuse(&client, "too many consoles are open");
	if (!client.out.failed)
		send(fd, client.out.bytes, client.out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
	buffer_free(&client.out);
	close(fd);
}

static void accept_one(struct server *server)
{
	int fd = accept4(server->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client = free_place(server);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	char user[USER_SIZE];

	if (fd < 0)
		return;
	if (!client) {
		refuse_crowd(fd);
		return;
	}
	peer_user(fd, user, sizeof(user));
	client->fd = fd;
	client->events = event.events;
	client->session = client_session_new(client, user);
	if (!client->session || epoll_ctl(server->host.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		client_close(client);
}

static void poll_sessions(struct server *server)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &server->client[i];

		if (client->fd < 0 || server->host.now_ns < session_deadline(client->session))
			continue;
		server->host.served = client;
		session_poll(client->session, server->host.now_ns);
		server->host.served = NULL;
		client_settle(client, true);
	}
}

void server_run(struct server *server, uint64_t now_ns)
{
	struct epoll_event events[CLIENTS_MAX + 1];
	int count = epoll_wait(server->host.epoll, events, CLIENTS_MAX + 1, 0);

	server->host.now_ns = now_ns;
	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr == server)
			accept_one(server);
		else
			client_run(events[i].data.ptr, events[i].events);
	}
	poll_sessions(server);
}

int server_fd(const struct server *server)
{
	return server->host.epoll;
}

uint64_t server_deadline(const struct server *server)
{
	uint64_t earliest = UINT64_MAX;

	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		const struct client *client = &server->client[i];
		uint64_t deadline = client->fd < 0 ? UINT64_MAX : session_deadline(client->session);

		if (deadline < earliest)
			earliest = deadline;
	}
	return earliest;
}

void server_event(struct server *server, const char *sentence, bool deed)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &server->client[i];

		if (client->fd >= 0 && client->interactive &&
		    !(deed && client == server->host.served))
			client_tell(client, sentence);
	}
}

static int watch_listener(struct server *server)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = server};

	server->host.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server->host.epoll < 0 || epoll_ctl(server->host.epoll, EPOLL_CTL_ADD, server->socket.fd, &event) < 0)
		return -errno;
	return 0;
}

int server_open(struct server **ret_server, const char *path, const struct appliance *appliance,
		char *error, size_t error_size)
{
	struct server *server = calloc(1, sizeof(*server));
	int result;

	if (!server) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	server->host.appliance = appliance;
	server->host.epoll = -1;
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		server->client[i] = (struct client){.host = &server->host, .fd = -1};
	result = control_socket_open(&server->socket, path, error, error_size);
	if (result < 0) {
		free(server);
		return result;
	}
	result = watch_listener(server);
	if (result < 0) {
		snprintf(error, error_size, "epoll: %s", strerror(-result));
		server_close(server);
		return result;
	}
	*ret_server = server;
	return 0;
}

void server_close(struct server *server)
{
	if (!server)
		return;
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		if (server->client[i].fd >= 0)
			client_close(&server->client[i]);
	control_socket_close(&server->socket);
	if (server->host.epoll >= 0)
		close(server->host.epoll);
	free(server);
}
