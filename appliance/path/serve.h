/* Service traffic: from clients to backends, and back.
 *
 * Decides who gets a packet: a flow goes before any choice, so that no change of backends or weights
 * moves a flow of another backend. How the packet gets there is its service's mode (deliver.h).
 */
#ifndef PATH_SERVE_H
#define PATH_SERVE_H

#include "appliance/path/internal.h"

/* A TCP or UDP packet to a VIP. */
/* A packet of a flow that was vetted on this side, under the snapshot in force: what a packet is asked
 * before it comes to its flow, and the flow before it is used, has the same answer for all of its
 * packets until the next snapshot. False: it is not, or this one is to be asked all the same. */
bool serve_known(struct path *path, struct packet *packet, enum verdict *ret_verdict);

enum verdict serve_client(struct path *path, struct packet *packet);
/* True where the client's next packet goes on to the flow's backend, unless it is a SYN. */
bool serve_flow_stands(const struct path *path, const struct flow *flow);
/* A TCP or UDP packet from a backend interface that is not to the appliance. DROP_no_flow: it is no
 * reply of a service; the packet is unchanged. */
enum verdict serve_reply(struct path *path, struct packet *packet);
/* One that is to the appliance, which stands for the client. False: it is no flow's; the packet is
 * unchanged. */
bool serve_reply_to_us(struct path *path, struct packet *packet, enum verdict *ret_verdict);

#endif
