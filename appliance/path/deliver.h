/* How a packet reaches its backend, and a reply its client: what the service's mode changes in it.
 *
 * Who gets it has been decided (serve.c), by a flow or by the table alone; where it leaves is
 * egress.c's. Both ways have two steps, so that nothing of a packet changes before it is known
 * to leave: an ICMP error about it quotes what its sender sent.
 */
#ifndef PATH_DELIVER_H
#define PATH_DELIVER_H

#include "appliance/path/internal.h"

/* One packet's way to a backend. */
struct delivery {
	be32 address;          /* of the backend */
	be32 source_address;   /* whom the backend sees: the client, or who stands for it */
	be16 port;
	be16 source_port;
	uint32_t backend, service; /* ids */
	uint8_t mode;          /* enum forward_mode */
	bool proxy;            /* with a PROXY header */
};

/* One reply's way to a client. */
struct answer {
	be32 vip;
	be32 client;
	be16 vip_port;
	be16 client_port;
	uint32_t frontend;     /* interface to leave by if there is a choice; NONE */
	uint32_t backend, service; /* ids; backend NONE: by no flow, and not counted as its */
};

/* To a backend (index), as the service says; the source of fullnat is to be chosen yet (source.h).
 * `client`: as the client sends. */
struct delivery delivery_to(const struct snapshot *snapshot, const struct snapshot_service *service,
			    uint32_t backend, const struct flow_tuple *client);
/* As the flow was born. */
struct delivery delivery_of(const struct flow *flow);
struct answer answer_of(const struct flow *flow);

/* True where replies cross the appliance and are told apart by what the backend sees. */
static inline bool mode_sees_replies(enum forward_mode mode)
{
	return !mode_hands_over(mode);
}

/* True where only a flow knows whom the backend's replies are for. */
static inline bool mode_needs_flow(enum forward_mode mode)
{
	return mode == FORWARD_FULLNAT;
}

/* Finds the way out. False: *ret_drop says why not, its sender has been told where a router tells. */
bool deliver_find(struct path *path, struct packet *packet, const struct delivery *delivery,
		  enum verdict *ret_drop);
/* Changes the packet as its mode says, counts it for backend and service, and sends it. */
enum verdict deliver_send(struct path *path, struct packet *packet,
			  const struct delivery *delivery);

bool answer_find(struct path *path, struct packet *packet, const struct answer *answer,
		 enum verdict *ret_drop);
enum verdict answer_send(struct path *path, struct packet *packet, const struct answer *answer);

#endif
