/* Frames to and from one network interface, over AF_PACKET rings (PACKET_MMAP).
 *
 * Three sockets an interface: TPACKET_V3 receive, TPACKET_V3 transmit, and a plain one for frames
 * larger than a transmit slot. All carry the virtio header, so partial checksums and super-frames
 * pass through. A ring knows no protocol. One thread uses a ring at a time; nothing here locks.
 * Sources: Documentation/networking/packet_mmap.rst, net/packet/af_packet.c.
 */
#ifndef RING_RING_H
#define RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/path/frame.h"

struct ring;
struct wake;

struct ring_options {
	const char *name;      /* the interface's name, for messages */
	unsigned ifindex;
	unsigned mtu;          /* bytes; sizes the transmit slots */
	uint16_t interface;    /* what ring_receive() writes into frame.interface */
	unsigned blocks;       /* to receive; 0: RING_BLOCKS_DEFAULT. Halved while memory lacks */
	unsigned retire_ms;    /* a block is handed over after; 0: RING_RETIRE_DEFAULT_MS, or with
				* `wake` RING_RETIRE_WAKE_MS */
	const struct wake *wake; /* what its packets wake; NULL: nothing before a block's time */
	const char *filter;    /* libpcap expression for what enters the ring; NULL: everything */
	const uint8_t *mac;    /* a unicast MAC to receive beside the interface's own; NULL: none */
	bool promiscuous;      /* frames to whatever MAC, for as long as the ring is open */
};

enum {
	RING_BLOCKS_DEFAULT = 32,
	RING_RETIRE_DEFAULT_MS = 1,
	RING_RETIRE_WAKE_MS = 8,
	RING_BATCH_MAX = 64,
};

struct ring_stats {
	uint64_t received;      /* frames handed out by ring_receive() */
	uint64_t lost;          /* frames that found the receive ring full (tp_drops) */
	uint64_t frozen;        /* times that the receive ring was full (tp_freeze_q_cnt) */
	uint64_t truncated;     /* frames cut short by the ring */
	uint64_t sent;          /* frames that the kernel took */
	uint64_t sent_large;    /* of those, the ones that went past the slots */
	uint64_t send_full;     /* frames dropped: every slot, or the kernel's queue, was full */
	uint64_t send_failed;   /* frames dropped: malformed, over the MTU, or interface down */
};

/* Opens the rings and starts receiving. 0, or a negative errno with a sentence in `error`. */
int ring_open(struct ring **ret_ring, const struct ring_options *options, char *error,
	      size_t error_size);
void ring_close(struct ring *ring);

/* Hands out up to `max` (<= RING_BATCH_MAX) received frames, in order, without waiting; returns how
 * many. Their bytes stay valid and writable until ring_release(). */
unsigned ring_receive(struct ring *ring, struct frame *frames, unsigned max);
void ring_release(struct ring *ring);

/* Queues a copy of the frame, a VLAN tag beside it put back into the bytes; its order against
 * earlier ones is kept. Never waits. False: dropped, counted. */
bool ring_send(struct ring *ring, const struct frame *frame);
/* One kick for all that was queued. Does nothing where nothing was. What the kernel has no room for
 * stays queued for the next call; what it refuses because the interface is down is dropped, so that
 * nothing leaves late. Call it after every batch, also an empty one. */
void ring_flush(struct ring *ring);

/* Readable when a received block has been handed over; in error, and waking whoever waits on it,
 * from when the interface goes until ring_broken() is called. For epoll. */
int ring_fd(const struct ring *ring);

/* True when the kernel has reported since the last call that the interface went away or down. A
 * ring works again by itself when the same interface comes up; one with another index, MTU or MAC
 * address needs a new ring. Asks the kernel: not for every batch. */
bool ring_broken(struct ring *ring);

/* Counters since ring_open(). Asks the kernel: not for every batch. */
void ring_stats(struct ring *ring, struct ring_stats *ret_stats);

#endif
