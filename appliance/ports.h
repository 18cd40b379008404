/* The interfaces that the configuration names, and the rings on them.
 *
 * A configured interface need not exist: it is reported missing and picked up when it comes. A ring
 * is opened when its interface is there, kept while only the link is down, and opened anew when the
 * interface is another one of the same name, or what its ring was sized by (MTU) or asked for
 * (filter, MAC, promiscuous for the topology bridged) has changed. Control thread only.
 */
#ifndef APPLIANCE_PORTS_H
#define APPLIANCE_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/compile.h"
#include "appliance/journal.h"
#include "appliance/loop.h"

struct ports;

/* What is known of a configured interface, for reports. */
struct port_view {
	bool configured;
	const char *name;
	bool present, link, ready; /* ready: its ring is open */
	unsigned ifindex, mtu;
	uint8_t mac[6];
	const char *problem;       /* why it is not ready, or "" */
	struct ring_stats ring;    /* of all rings that it has had */
};

/* 0, or a negative errno with a sentence. */
int ports_open(struct ports **ret_ports, struct loop *loop, struct journal *journal, char *error,
	       size_t error_size);
void ports_close(struct ports *ports);

/* Readable when the kernel has news of interfaces: then call ports_follow(). */
int ports_fd(const struct ports *ports);

/* Looks at the machine's interfaces and opens, closes and replaces rings so that they are those of
 * the configuration. True: facts have changed, and a snapshot is to be compiled with them. */
bool ports_follow(struct ports *ports, const struct config *config,
		  const struct compiler *compiler);
/* Gives the path the rings that were opened; in an errand, on its thread. Only once it has the facts:
 * a frame that it saw before would be answered from a MAC address that the interface does not have. */
void ports_attach(struct ports *ports);
/* When to call ports_follow() again without news, since something failed (monotonic); UINT64_MAX. */
uint64_t ports_deadline(const struct ports *ports);

/* compile_facts for a compiler; context: the ports. */
void ports_facts(void *context, const struct config_interface *interface, uint32_t index,
		 struct interface_facts *ret_facts);

/* False where no interface has this index. */
bool ports_view(struct ports *ports, uint32_t index, struct port_view *ret_view);

/* Says what would make the host's kernel answer in the appliance's place: addresses of the
 * configuration that the host has too, forwarding switched on. */
void ports_warn_of_kernel(struct ports *ports, const struct config *config);

#endif
