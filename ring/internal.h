/* What the files of a ring share; nobody outside ring/ includes it.
 *
 * Each part (receive, transmit, large) owns one socket and has an open and a close that bear being
 * called on a part that was never opened, so that ring_close() undoes whatever ring_open() reached.
 */
#ifndef RING_INTERNAL_H
#define RING_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/if_packet.h>

#include "ring/ring.h"
#include "ring/wake.h"

enum {
	RING_ETHERNET_HEADER = 14,
	/* A packet's header in a ring. On receive a sockaddr_ll follows, on sending the frame. */
	RING_PACKET_HEADER = sizeof(struct tpacket3_hdr),
	RING_VIRTIO_HEADER = sizeof(struct offload),
};

_Static_assert(RING_PACKET_HEADER % TPACKET_ALIGNMENT == 0, "the kernel adds no padding");

/* True where packets may be read from a block that is still being filled: see receive.c. */
#if defined(__x86_64__) && !defined(RING_CLOSED_BLOCKS_ONLY)
enum { RECEIVE_PEEKS = 1 };
#else
enum { RECEIVE_PEEKS = 0 };
#endif

enum {
	/* More than a super-frame. 256 KB x 32 lost least; fewer or smaller ones lose more. */
	RECEIVE_BLOCK_BYTES = 256 * 1024,
	/* From net/packet/af_packet.c: V3_ALIGNMENT, BLK_HDR_LEN, and a packet's header as far as
	 * the kernel may still write to it when the packet has been read. */
	RECEIVE_ALIGNMENT = 8,
	RECEIVE_BLOCK_HEADER = sizeof(struct tpacket_block_desc),
	RECEIVE_HEADER = RING_PACKET_HEADER + sizeof(struct sockaddr_ll),
};

_Static_assert(RECEIVE_BLOCK_HEADER % RECEIVE_ALIGNMENT == 0, "the kernel adds no padding");

/* What the kernel does with a packet after it has woken: see wake.c. */
enum wake_end { WAKE_AND_KEEP, WAKE_AND_DROP, WAKE_ENDS };

/* The receive ring: blocks that the kernel fills in turn, and where we are in them. */
struct receiver {
	int fd;
	int bell_fd;        /* wakes for a socket that has another filter; -1: none */
	uint8_t *memory;    /* blocks x RECEIVE_BLOCK_BYTES, shared with the kernel */
	unsigned blocks;
	unsigned block;     /* the one that we read */
	uint8_t *next;      /* its next packet's header */
	unsigned taken;     /* packets of it passed so far */
	unsigned finished;  /* blocks before it, read to the end, not yet given back */
	bool held;          /* frames have been handed out since the last release */
};

/* The transmit ring: slots that we fill in turn and the kernel empties in the same order. */
struct transmitter {
	int fd;
	uint8_t *memory;      /* TRANSMIT_SLOTS x slot_bytes, shared with the kernel */
	size_t slot_bytes;
	uint32_t frame_bytes; /* the longest frame that a slot holds */
	unsigned head;        /* the next slot to fill */
	unsigned queued;      /* slots before it that the kernel has not yet taken */
};

struct ring {
	struct receiver receiver;
	struct transmitter transmitter;
	int large_fd;
	uint16_t interface;
	uint32_t frame_max; /* the longest frame without segmentation that the interface carries */
	bool broken;
	struct ring_stats stats;
};

/* Writes the sentence "WHAT: reason of `status`" and returns `status`, a negative errno. */
int ring_error(char *error, size_t error_size, int status, const char *what, ...)
	__attribute__((format(printf, 4, 5)));

/* A packet socket that hands over and takes virtio headers, not bound yet, or a negative errno. */
int ring_socket(void);
/* `protocol` 0: for sending only. 0 or a negative errno. */
int ring_bind(int fd, unsigned ifindex, uint16_t protocol);
/* One integer option of SOL_PACKET. 0 or a negative errno. */
int ring_set(int fd, int option, int value);
/* Lets `bytes` wait in the socket, as far as we are allowed to ask for that. */
void ring_grow_send_buffer(int fd, int bytes);

/* Begins to read at the first of `blocks` blocks of zeros. */
void receive_start(struct receiver *receiver, void *memory, unsigned blocks);
int receive_open(struct ring *ring, const struct ring_options *options, char *error,
		 size_t error_size);
void receive_close(struct ring *ring);
/* Adds what the kernel has counted since it was last asked. */
void receive_count(struct ring *ring);

int transmit_open(struct ring *ring, const struct ring_options *options, char *error,
		  size_t error_size);
void transmit_close(struct ring *ring);

int large_open(struct ring *ring, const struct ring_options *options, char *error,
	       size_t error_size);
void large_close(struct ring *ring);
/* Sends a frame past the slots, at once. False: dropped, counted. */
bool large_send(struct ring *ring, const struct frame *frame);

/* Has the wake's program look at every packet of the socket, in the place of its filter. 0 or a
 * negative errno. */
int wake_attach(const struct wake *wake, int fd, enum wake_end end);

/* Lets only what the libpcap expression matches enter the socket. 0 or a negative errno. */
int filter_attach(int fd, const char *expression, char *error, size_t error_size);

#endif
