/* Waking who sleeps when a packet comes in.
 *
 * The kernel wakes who waits for a TPACKET_V3 ring when it hands over a block, up to the ring's whole
 * timeout after a packet. Here a program of a dozen eBPF instructions, run by the kernel on every
 * packet of the rings that have been opened with it, looks at one word: where that is set, it clears
 * the word and wakes. While nobody sleeps the word is not set and a packet costs nothing more. No
 * compiler and no library is needed for it: the program is in wake.c, instruction by instruction.
 *
 * Who goes to sleep: wake_arm(); look at the rings for some microseconds more, since the program is
 * run before the packet is copied and may have been run before the word was set; then wait for
 * wake_fd() and, as a net below it, for the rings. Sources: bpf(2), kernel/bpf/ringbuf.c,
 * net/packet/af_packet.c (tpacket_rcv() runs the filter first).
 */
#ifndef RING_WAKE_H
#define RING_WAKE_H

#include <stddef.h>

struct wake;

/* Needs CAP_BPF, then or never. 0, or a negative errno with a sentence; -EOPNOTSUPP where packets are
 * seen only when their block is handed over, which wakes by itself. */
int wake_open(struct wake **ret_wake, char *error, size_t error_size);
/* After the rings that were opened with it. */
void wake_close(struct wake *wake);

/* The next packet wakes, once. What it woke for before is forgotten. */
void wake_arm(struct wake *wake);
void wake_disarm(struct wake *wake);
/* Readable from when a packet has come until wake_arm(). For epoll. */
int wake_fd(const struct wake *wake);

#endif
