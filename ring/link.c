/* Links and addresses by rtnetlink (libmnl; rtnetlink(7), linux/rtnetlink.h).
 *
 * Two sockets: answers to questions come on one, news on the other, so that a question never
 * swallows a piece of news. The news itself is not read: whoever is told that something changed
 * asks anew, which is also right when the kernel had to drop messages.
 */
#include "ring/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

enum {
	/* The kernel fills at most this much of what it is offered with one part of an answer. */
	LINK_PART_BYTES = 32 * 1024,
	LINK_ATTEMPTS = 5,
};

struct link_watch {
	struct mnl_socket *news;
	struct mnl_socket *questions;
	unsigned sequence;
};

int link_watch_open(struct link_watch **ret_watch, char *error, size_t error_size)
{
	struct link_watch *watch = calloc(1, sizeof(*watch));
	int status;

	errno = ENOMEM;
	if (watch)
		watch->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (watch && watch->news)
		watch->questions = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (watch && watch->questions &&
	    mnl_socket_bind(watch->news, RTMGRP_LINK, MNL_SOCKET_AUTOPID) >= 0 &&
	    mnl_socket_bind(watch->questions, 0, MNL_SOCKET_AUTOPID) >= 0) {
		*ret_watch = watch;
		return 0;
	}
	status = -errno;
	snprintf(error, error_size, "cannot watch the interfaces: %s", strerror(-status));
	link_watch_close(watch);
	return status;
}

void link_watch_close(struct link_watch *watch)
{
	if (!watch)
		return;
	if (watch->questions)
		mnl_socket_close(watch->questions);
	if (watch->news)
		mnl_socket_close(watch->news);
	free(watch);
}

int link_watch_fd(const struct link_watch *watch)
{
	return mnl_socket_get_fd(watch->news);
}

bool link_watch_drain(struct link_watch *watch)
{
	int fd = mnl_socket_get_fd(watch->news);
	bool changed = false;
	char byte;

	/* Only link messages are subscribed to. ENOBUFS: some were dropped. */
	while (recv(fd, &byte, sizeof(byte), 0) >= 0 || errno == ENOBUFS || errno == EINTR)
		changed = true;
	return changed;
}

/* A whole answer, messages one behind the other. */
struct answer {
	uint8_t *bytes;
	size_t length;
	bool complete;
	bool interrupted; /* what was listed changed in the middle */
};

/* Takes note of the `bytes` that have come last. 0 or the kernel's refusal. */
static int append(struct answer *answer, size_t bytes, unsigned sequence)
{
	const struct nlmsghdr *message = (const void *)(answer->bytes + answer->length);
	int left = (int)bytes;

	answer->length += bytes;
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != sequence)
			continue;
		if (message->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
		answer->interrupted |= message->nlmsg_flags & NLM_F_DUMP_INTR;
		answer->complete |= message->nlmsg_type == NLMSG_DONE;
	}
	return 0;
}

/* Asks for all objects of `type` and reads the answer to its end. 0 or a negative errno; -EINTR
 * when the answer is not of one moment. */
static int ask(struct link_watch *watch, uint16_t type, uint8_t family, struct answer *ret_answer)
{
	_Alignas(struct nlmsghdr) uint8_t question[NLMSG_SPACE(sizeof(struct rtgenmsg))];
	struct nlmsghdr *message = mnl_nlmsg_put_header(question);
	struct rtgenmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
	int status = 0;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = ++watch->sequence;
	body->rtgen_family = family;
	if (mnl_socket_sendto(watch->questions, message, message->nlmsg_len) < 0)
		return -errno;
	while (!status && !ret_answer->complete) {
		uint8_t *grown = realloc(ret_answer->bytes, ret_answer->length + LINK_PART_BYTES);
		ssize_t bytes;

		if (!grown)
			return -ENOMEM;
		ret_answer->bytes = grown;
		bytes = mnl_socket_recvfrom(watch->questions, grown + ret_answer->length,
					    LINK_PART_BYTES);
		if (bytes >= 0)
			status = append(ret_answer, (size_t)bytes, watch->sequence);
		else if (errno != EINTR)
			status = -errno;
	}
	return !status && ret_answer->interrupted ? -EINTR : status;
}

typedef void message_visit(const struct nlmsghdr *message, const void *visitor);

static void visit_all(const struct answer *answer, unsigned sequence, message_visit *visit,
		      const void *visitor)
{
	const struct nlmsghdr *message = (const void *)answer->bytes;
	int left = (int)answer->length;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		if (message->nlmsg_seq == sequence && message->nlmsg_type >= NLMSG_MIN_TYPE)
			visit(message, visitor);
}

/* One call of `visit` for each object of `type`. */
static int dump(struct link_watch *watch, uint16_t type, uint8_t family, message_visit *visit,
		const void *visitor)
{
	int status = -EINTR;

	for (unsigned attempt = 0; status == -EINTR && attempt < LINK_ATTEMPTS; attempt++) {
		struct answer answer = {0};

		status = ask(watch, type, family, &answer);
		if (!status && answer.bytes)
			visit_all(&answer, watch->sequence, visit, visitor);
		free(answer.bytes);
	}
	return status;
}

struct link_visitor {
	link_visit *visit;
	void *context;
};

static int read_link(const struct nlattr *attribute, void *context)
{
	struct link *link = context;

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_IFNAME:
		snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attribute));
		break;
	case IFLA_MTU:
		link->mtu = mnl_attr_get_u32(attribute);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attribute) == sizeof(link->mac))
			memcpy(link->mac, mnl_attr_get_payload(attribute), sizeof(link->mac));
		break;
	}
	return MNL_CB_OK;
}

static void visit_link(const struct nlmsghdr *message, const void *visitor)
{
	const struct link_visitor *to = visitor;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const unsigned working = IFF_UP | IFF_LOWER_UP;
	struct link link = {
		.ifindex = (unsigned)info->ifi_index,
		.up = (info->ifi_flags & working) == working,
		.ethernet = info->ifi_type == ARPHRD_ETHER,
	};

	mnl_attr_parse(message, sizeof(*info), read_link, &link);
	to->visit(to->context, &link);
}

int link_list(struct link_watch *watch, link_visit *visit, void *context)
{
	const struct link_visitor to = {visit, context};

	return dump(watch, RTM_GETLINK, AF_UNSPEC, visit_link, &to);
}

struct address_visitor {
	link_address_visit *visit;
	void *context;
};

static int read_address(const struct nlattr *attribute, void *context)
{
	uint32_t *address_be = context;

	/* IFA_ADDRESS is the peer's on a point-to-point link, IFA_LOCAL always ours. */
	if (mnl_attr_get_type(attribute) == IFA_LOCAL)
		*address_be = mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static void visit_address(const struct nlmsghdr *message, const void *visitor)
{
	const struct address_visitor *to = visitor;
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	uint32_t address_be = 0;

	mnl_attr_parse(message, sizeof(*info), read_address, &address_be);
	to->visit(to->context, address_be, info->ifa_index);
}

int link_addresses(struct link_watch *watch, link_address_visit *visit, void *context)
{
	const struct address_visitor to = {visit, context};

	return dump(watch, RTM_GETADDR, AF_INET, visit_address, &to);
}
