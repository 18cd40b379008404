/* Service traffic: from clients to backends, and back.
 *
 * Mode nat: on the way in the destination becomes the backend's address and port, on the way back the
 * source becomes the VIP's. A flow goes before any choice, so that no change of backends or weights
 * moves a flow of another backend.
 */
#ifndef PATH_SERVE_H
#define PATH_SERVE_H

#include "appliance/path/internal.h"

/* A TCP or UDP packet to a VIP. */
enum verdict serve_client(struct path *path, struct packet *packet);
/* A TCP or UDP packet from a backend interface that is not to the appliance. DROP_no_flow: it is no
 * reply of a service; the packet is unchanged. */
enum verdict serve_reply(struct path *path, struct packet *packet);

#endif
