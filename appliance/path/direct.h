/* Direct calls: of who calls a backend itself, past its services, at the very port by which a
 * service reaches it. They pass where the topology is bridged, and where forwarding is on.
 *
 * Such a call gets a flow of its own, of no service and without rewriting: without one, the answer
 * would be taken for that of the service which has the backend, and come from the VIP. Calls to
 * other ports need none, and calls of backends only once somebody answers them at such a port.
 */
#ifndef PATH_DIRECT_H
#define PATH_DIRECT_H

#include "appliance/path/internal.h"

/* Makes a flow for a packet that is passed on as it is, or refreshes its own, where one is needed.
 * False: it must not pass, and why. */
bool direct_remember(struct path *path, const struct packet *packet, enum verdict *ret_drop);

/* True for a backend's packet that is no reply, whatever port it comes from: it calls somebody. */
bool direct_is_call(struct path *path, const struct packet *packet);

#endif
