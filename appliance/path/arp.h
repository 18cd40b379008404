/* ARP, RFC 826 and RFC 5227: answers for the appliance's addresses, announces its VIPs, hears who
 * claims them, and carries the questions and answers of neighbor.c. */
#ifndef PATH_ARP_H
#define PATH_ARP_H

#include <stddef.h>
#include <stdint.h>

#include "appliance/path/frame.h"
#include "appliance/path/snapshot.h"
#include "appliance/path/verdict.h"

struct path;
struct arp_state;

enum {
	ARP_ANNOUNCEMENTS = 3,     /* a VIP and interface */
	ARP_ANNOUNCE_BATCH = 32,   /* at once; thousands of VIPs do not flood the wire */
	ARP_CONFLICT_SLOTS = 64,   /* addresses whose conflicts are told apart, by hash */
};

#define ARP_ANNOUNCE_NS       UINT64_C(1000000000) /* between two announcements of one VIP */
#define ARP_ANNOUNCE_BATCH_NS UINT64_C(20000000)   /* between two batches */
#define ARP_CONFLICT_NS       UINT64_C(1000000000) /* between two events about one address */

/* Bytes of memory, to be aligned to 64 and zeroed. */
size_t arp_size(void);
struct arp_state *arp_new(void *memory);

/* Takes a received frame whose EtherType is ARP; the frame is unchanged. */
enum verdict arp_receive(struct path *path, const struct frame *frame);

/* Asks who has `address`: everybody, or with `mac` only the host believed to have it. The sender is
 * the appliance's address in that network, or zero (a probe, RFC 5227) where it has none. */
void arp_request(struct path *path, uint32_t interface, be32 address,
		 const struct mac_address *mac);

/* Follows a swap, once path->snapshot is `new`: VIPs that are new are announced, and all of them on a
 * frontend interface that came up or has another MAC. `old`: NULL at the first. */
void arp_published(struct path *path, const struct snapshot *old, const struct snapshot *new);

/* Announcements that are due, at most ARP_ANNOUNCE_BATCH of them. */
void arp_tick(struct path *path);
uint64_t arp_deadline(const struct path *path); /* UINT64_MAX: never */

#endif
