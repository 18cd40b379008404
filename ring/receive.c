/* The receive ring: TPACKET_V3 blocks, read while the kernel still fills them.
 *
 * A V3 ring hands over whole blocks, at the latest when its timer says so, which costs up to a
 * millisecond. So packets of the open block are read as they appear ("peeking"). The kernel's
 * tpacket_rcv() writes a packet's header in this order: tp_next_offset, the block's length and
 * count, the virtio header, the bytes, TP_STATUS_USER, then tp_len, tp_snaplen, tp_mac, and last
 * the sockaddr_ll behind it. Hence three rules, and none of them can be left out:
 *
 *  1. A block is zeroed before it is given back, so that a header which the kernel has not written
 *     yet reads as zero.
 *  2. A packet of an open block is there once TP_STATUS_USER and the fields written after it are
 *     all non-zero. Its successor stands right behind it: tp_next_offset is zeroed when a block is
 *     closed.
 *  3. Once a block is closed the kernel's count says how many packets are left. One without
 *     TP_STATUS_USER was given up half-way (the kernel has counted it as lost) and is stepped over.
 *
 * That leans on stores being seen in the order in which they were made. x86 promises it; elsewhere
 * only closed blocks are read.
 *
 * A block goes back to the kernel when all its frames were handed out and released. A batch may
 * span blocks, so finished ones are counted and go back together in ring_release().
 */
#include "ring/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>

enum {
	RECEIVE_BLOCKS_FLOOR = 4,
	/* V3 packs packets by their length; the kernel only wants a plausible number here. */
	RECEIVE_FRAME_BYTES = 2048,

	/* The kernel itself leaves 24 bytes between its header and the frame. With this many more,
	 * there are 70 before the frame, and its IP header stands on a multiple of 8. */
	RECEIVE_RESERVE = 46,
};

static struct tpacket_block_desc *block_of(const struct receiver *receiver, unsigned block)
{
	return (struct tpacket_block_desc *)(void *)(receiver->memory +
						     (size_t)block * RECEIVE_BLOCK_BYTES);
}

static void start_block(struct receiver *receiver, unsigned block)
{
	receiver->block = block;
	receiver->next = (uint8_t *)block_of(receiver, block) + RECEIVE_BLOCK_HEADER;
	receiver->taken = 0;
}

void receive_start(struct receiver *receiver, void *memory, unsigned blocks)
{
	receiver->memory = memory;
	receiver->blocks = blocks;
	start_block(receiver, 0);
}

static int map_ring(struct receiver *receiver, unsigned blocks, unsigned retire_ms)
{
	struct tpacket_req3 request = {
		.tp_block_size = RECEIVE_BLOCK_BYTES,
		.tp_block_nr = blocks,
		.tp_frame_size = RECEIVE_FRAME_BYTES,
		.tp_frame_nr = RECEIVE_BLOCK_BYTES / RECEIVE_FRAME_BYTES * blocks,
		.tp_retire_blk_tov = retire_ms,
	};
	void *memory;
	int status;

	if (setsockopt(receiver->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)))
		return -errno;
	memory = mmap(NULL, (size_t)blocks * RECEIVE_BLOCK_BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE, receiver->fd, 0);
	if (memory == MAP_FAILED) {
		status = -errno;
		memset(&request, 0, sizeof(request));
		setsockopt(receiver->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request));
		return status;
	}
	receive_start(receiver, memory, blocks);
	return 0;
}

/* A smaller ring is better than none: halve it while memory (or the right to lock it) lacks. */
static int map_what_fits(struct receiver *receiver, const struct ring_options *options)
{
	unsigned blocks = options->blocks ? options->blocks : RING_BLOCKS_DEFAULT;
	unsigned retire_ms = options->retire_ms ? options->retire_ms :
			     options->wake      ? RING_RETIRE_WAKE_MS :
						  RING_RETIRE_DEFAULT_MS;
	int status;

	for (;;) {
		status = map_ring(receiver, blocks, retire_ms);
		if ((status != -ENOMEM && status != -EAGAIN) || blocks / 2 < RECEIVE_BLOCKS_FLOOR)
			return status;
		blocks /= 2;
	}
}

static int join(int fd, const struct packet_mreq *member)
{
	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, member, sizeof(*member)) ? -errno :
											    0;
}

static int join_mac(int fd, unsigned ifindex, const uint8_t *mac)
{
	struct packet_mreq member = {
		.mr_ifindex = (int)ifindex,
		.mr_type = PACKET_MR_UNICAST,
		.mr_alen = ETH_ALEN,
	};

	memcpy(member.mr_address, mac, ETH_ALEN);
	return join(fd, &member);
}

/* The kernel undoes it when the socket is closed, by whatever end of the process. */
static int join_all(int fd, unsigned ifindex)
{
	const struct packet_mreq member = {
		.mr_ifindex = (int)ifindex,
		.mr_type = PACKET_MR_PROMISC,
	};

	return join(fd, &member);
}

/* A socket has one filter. Where that is the operator's, a socket beside it, which keeps nothing,
 * rings: bound before the ring, it is served after it. */
static int ring_bell(struct receiver *receiver, const struct ring_options *options)
{
	int status;

	if (!options->filter)
		return wake_attach(options->wake, receiver->fd, WAKE_AND_KEEP);
	receiver->bell_fd = ring_socket();
	if (receiver->bell_fd < 0)
		return receiver->bell_fd;
	status = ring_set(receiver->bell_fd, PACKET_IGNORE_OUTGOING, 1);
	if (!status)
		status = wake_attach(options->wake, receiver->bell_fd, WAKE_AND_DROP);
	if (!status)
		status = ring_bind(receiver->bell_fd, options->ifindex, ETH_P_ALL);
	return status;
}

int receive_open(struct ring *ring, const struct ring_options *options, char *error,
		 size_t error_size)
{
	struct receiver *receiver = &ring->receiver;
	int status;

	receiver->fd = ring_socket();
	if (receiver->fd < 0)
		return ring_error(error, error_size, receiver->fd, "%s: no packet socket",
				  options->name);
	status = ring_set(receiver->fd, PACKET_IGNORE_OUTGOING, 1);
	if (!status)
		status = ring_set(receiver->fd, PACKET_RESERVE, RECEIVE_RESERVE);
	if (status)
		return ring_error(error, error_size, status, "%s: socket option", options->name);
	if (options->filter) {
		status = filter_attach(receiver->fd, options->filter, error, error_size);
		if (status)
			return status;
	}
	if (options->wake) {
		status = ring_bell(receiver, options);
		if (status)
			return ring_error(error, error_size, status, "%s: no wake-up", options->name);
	}
	status = map_what_fits(receiver, options);
	if (status)
		return ring_error(error, error_size, status, "%s: no receive ring", options->name);
	if (options->mac) {
		status = join_mac(receiver->fd, options->ifindex, options->mac);
		if (status)
			return ring_error(error, error_size, status, "%s: cannot add a MAC address",
					  options->name);
	}
	if (options->promiscuous) {
		status = join_all(receiver->fd, options->ifindex);
		if (status)
			return ring_error(error, error_size, status, "%s: not promiscuous",
					  options->name);
	}
	status = ring_bind(receiver->fd, options->ifindex, ETH_P_ALL);
	if (status)
		return ring_error(error, error_size, status, "%s: cannot receive", options->name);
	return 0;
}

void receive_close(struct ring *ring)
{
	struct receiver *receiver = &ring->receiver;

	if (receiver->memory)
		munmap(receiver->memory, (size_t)receiver->blocks * RECEIVE_BLOCK_BYTES);
	if (receiver->bell_fd >= 0)
		close(receiver->bell_fd);
	if (receiver->fd >= 0)
		close(receiver->fd);
}

/* Fills `frame` from the packet whose header stands at `at`. */
static void take(struct ring *ring, uint8_t *at, struct frame *frame)
{
	const struct tpacket3_hdr *header = (const void *)at;
	uint32_t status = header->tp_status;

	frame->data = at + header->tp_mac;
	frame->length = header->tp_snaplen;
	frame->wire_length = header->tp_len;
	frame->headroom = (uint16_t)(header->tp_mac - RECEIVE_HEADER);
	frame->interface = ring->interface;
	frame->vlan_tci = 0;
	frame->vlan_tpid = 0;
	if (status & TP_STATUS_VLAN_VALID) {
		frame->vlan_tci = (uint16_t)header->hv1.tp_vlan_tci;
		frame->vlan_tpid = status & TP_STATUS_VLAN_TPID_VALID ? header->hv1.tp_vlan_tpid :
									ETH_P_8021Q;
	}
	memcpy(&frame->offload, frame->data - RING_VIRTIO_HEADER, RING_VIRTIO_HEADER);

	ring->stats.received++;
	ring->stats.truncated += frame->length < frame->wire_length;
}

static uint8_t *after(uint8_t *at)
{
	const struct tpacket3_hdr *header = (const void *)at;
	size_t bytes = (size_t)header->tp_mac + header->tp_snaplen;

	return at + ((bytes + RECEIVE_ALIGNMENT - 1) & ~(size_t)(RECEIVE_ALIGNMENT - 1));
}

/* Rule 2. */
static bool arrived(const uint8_t *at)
{
	const struct tpacket3_hdr *header = (const void *)at;
	const struct sockaddr_ll *from = (const void *)(at + RING_PACKET_HEADER);

	return (__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) &&
	       __atomic_load_n(&from->sll_ifindex, __ATOMIC_ACQUIRE) &&
	       __atomic_load_n(&header->tp_len, __ATOMIC_ACQUIRE) &&
	       __atomic_load_n(&header->tp_snaplen, __ATOMIC_ACQUIRE) &&
	       __atomic_load_n(&header->tp_mac, __ATOMIC_ACQUIRE);
}

static unsigned read_open_block(struct ring *ring, struct frame *frames, unsigned max)
{
	struct receiver *receiver = &ring->receiver;
	const uint8_t *end = (uint8_t *)block_of(receiver, receiver->block) + RECEIVE_BLOCK_BYTES;
	unsigned count = 0;

	while (count < max && receiver->next + RECEIVE_HEADER <= end && arrived(receiver->next)) {
		take(ring, receiver->next, &frames[count++]);
		receiver->next = after(receiver->next);
		receiver->taken++;
	}
	return count;
}

/* Rule 3. */
static unsigned read_closed_block(struct ring *ring, uint32_t packets, struct frame *frames,
				  unsigned max)
{
	struct receiver *receiver = &ring->receiver;
	unsigned count = 0;

	while (count < max && receiver->taken < packets) {
		const struct tpacket3_hdr *header = (const void *)receiver->next;

		if (header->tp_status & TP_STATUS_USER)
			take(ring, receiver->next, &frames[count++]);
		receiver->next += header->tp_next_offset;
		receiver->taken++;
	}
	return count;
}

unsigned ring_receive(struct ring *ring, struct frame *frames, unsigned max)
{
	struct receiver *receiver = &ring->receiver;
	unsigned count = 0;

	while (count < max && receiver->finished < receiver->blocks) {
		struct tpacket_hdr_v1 *block = &block_of(receiver, receiver->block)->hdr.bh1;

		if (!(__atomic_load_n(&block->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
			if (RECEIVE_PEEKS)
				count += read_open_block(ring, frames + count, max - count);
			break;
		}
		count += read_closed_block(ring, block->num_pkts, frames + count, max - count);
		if (receiver->taken < block->num_pkts)
			break;
		receiver->finished++;
		start_block(receiver, (receiver->block + 1) % receiver->blocks);
	}
	receiver->held |= count > 0;
	/* A block may close after its last frame was released: nobody would ask for it again. */
	if (!receiver->held && receiver->finished)
		ring_release(ring);
	return count;
}

void ring_release(struct ring *ring)
{
	struct receiver *receiver = &ring->receiver;

	receiver->held = false;
	for (; receiver->finished; receiver->finished--) {
		unsigned oldest = (receiver->block + receiver->blocks - receiver->finished) %
				  receiver->blocks;
		struct tpacket_block_desc *block = block_of(receiver, oldest);

		if (RECEIVE_PEEKS)
			memset((uint8_t *)block + RECEIVE_BLOCK_HEADER, 0,
			       block->hdr.bh1.blk_len - RECEIVE_BLOCK_HEADER); /* rule 1 */
		__atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	}
}

void receive_count(struct ring *ring)
{
	struct tpacket_stats_v3 since;
	socklen_t size = sizeof(since);

	/* Reading clears the kernel's own counters. */
	if (getsockopt(ring->receiver.fd, SOL_PACKET, PACKET_STATISTICS, &since, &size))
		return;
	ring->stats.lost += since.tp_drops;
	ring->stats.frozen += since.tp_freeze_q_cnt;
}
