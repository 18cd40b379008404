/* What the kernel says of the machine's interfaces, and word of every change (rtnetlink). */
#ifndef RING_LINK_H
#define RING_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link {
	char name[IF_NAMESIZE];
	unsigned ifindex;
	unsigned mtu;     /* bytes of L3 */
	uint8_t mac[6];
	bool up;          /* administratively up and with carrier */
	bool ethernet;
};

struct link_watch;

typedef void link_visit(void *context, const struct link *link);

/* A subscription to link changes. 0 or a negative errno with a sentence in `error`. */
int link_watch_open(struct link_watch **ret_watch, char *error, size_t error_size);
void link_watch_close(struct link_watch *watch);
/* Readable when something changed; for epoll. */
int link_watch_fd(const struct link_watch *watch);
/* Takes what changed off the socket; true when a link was added, removed, renamed or altered (also
 * when the kernel says that it dropped messages). */
bool link_watch_drain(struct link_watch *watch);
/* Asks the kernel for all links, one call of `visit` each. 0 or a negative errno. */
int link_list(struct link_watch *watch, link_visit *visit, void *context);

/* Addresses that the host's kernel itself owns (it would answer for them). One call of `visit`
 * each, IPv4 in network order, with the interface's index. 0 or a negative errno. */
typedef void link_address_visit(void *context, uint32_t address_be, unsigned ifindex);
int link_addresses(struct link_watch *watch, link_address_visit *visit, void *context);

#endif
