/* TCP resets of the appliance's own (RFC 9293 section 3.10.7.1: what a closed port answers). */
#ifndef PATH_RESET_H
#define PATH_RESET_H

#include "appliance/path/packet.h"

struct path;

/* Answers a TCP packet, as it was received, with a RST from the address that it was sent to. Silent
 * about a RST, a fragment or a wrong checksum, and without a way back. */
void reset_send(struct path *path, const struct packet *packet);

/* The same to a client, within the limit of what the appliance says of its own accord. */
void reset_client(struct path *path, const struct packet *packet);

#endif
