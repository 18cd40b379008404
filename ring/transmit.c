/* The transmit ring: frames are copied into slots, one send() hands all of them to the kernel.
 *
 * Each slot is {tpacket3_hdr, virtio header, frame}. Where the frame is not a super-frame, hdr_len
 * is set to its whole length: the kernel then copies it into a linear buffer, where it would
 * otherwise attach our page, which a veth must copy once more (595 ns a packet instead of 776 to
 * 850).
 *
 * The kernel walks the slots in our order and stops at the first that does not ask to be sent, so
 * no slot is ever skipped. With PACKET_LOSS it passes over a frame that it finds malformed without
 * a word; ring_send() therefore refuses, and counts, what the kernel would. Who owns a slot: while
 * it says SEND_REQUEST or SENDING the kernel, else we.
 *
 * Nothing here waits. What the kernel cannot take now (queue full) stays in its slots and goes out
 * with the next flush. What it refuses because the interface is down is taken back at once: it
 * would leave, stale, when the interface comes up again.
 */
#include "ring/internal.h"
#include "ring/vlan.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TRANSMIT_SLOTS = 128,
	TRANSMIT_SLOT_MIN = 2048,
	/* Interfaces with a larger MTU than this holds send their largest frames past the slots. */
	TRANSMIT_SLOT_MAX = 16384,
	TRANSMIT_BLOCK_BYTES = 4 * TRANSMIT_SLOT_MAX,

	/* Without PACKET_TX_HAS_OFF the virtio header stands where a received sockaddr_ll would. */
	TRANSMIT_FRAME = RING_PACKET_HEADER + RING_VIRTIO_HEADER,

	/* A kernel buffer takes up to twice what it holds, and SO_SNDBUF counts that. */
	TRANSMIT_BUFFER_FACTOR = 4,

	/* The kernel refuses a partial checksum that starts inside a minimal IPv4 header. */
	TRANSMIT_CHECKSUM_START_MIN = 20,
	TRANSMIT_CHECKSUM_BYTES = 2,
};

static struct tpacket3_hdr *slot_of(const struct transmitter *transmitter, unsigned slot)
{
	return (struct tpacket3_hdr *)(void *)(transmitter->memory +
					       slot * transmitter->slot_bytes);
}

static int map_slots(struct transmitter *transmitter, uint32_t frame_max)
{
	size_t bytes = TRANSMIT_SLOT_MIN;
	struct tpacket_req3 request;
	void *memory;

	while (bytes < TRANSMIT_FRAME + frame_max && bytes < TRANSMIT_SLOT_MAX)
		bytes *= 2;
	request = (struct tpacket_req3){
		.tp_block_size = TRANSMIT_BLOCK_BYTES,
		.tp_block_nr = (unsigned)(TRANSMIT_SLOTS * bytes / TRANSMIT_BLOCK_BYTES),
		.tp_frame_size = (unsigned)bytes,
		.tp_frame_nr = TRANSMIT_SLOTS,
	};
	if (setsockopt(transmitter->fd, SOL_PACKET, PACKET_TX_RING, &request, sizeof(request)))
		return -errno;
	memory = mmap(NULL, TRANSMIT_SLOTS * bytes, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_POPULATE, transmitter->fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	transmitter->memory = memory;
	transmitter->slot_bytes = bytes;
	transmitter->frame_bytes = (uint32_t)(bytes - TRANSMIT_FRAME);
	return 0;
}

int transmit_open(struct ring *ring, const struct ring_options *options, char *error,
		  size_t error_size)
{
	struct transmitter *transmitter = &ring->transmitter;
	int status;

	transmitter->fd = ring_socket();
	if (transmitter->fd < 0)
		return ring_error(error, error_size, transmitter->fd, "%s: no packet socket",
				  options->name);
	/* Every option before the ring: afterwards the kernel says EBUSY. */
	status = ring_set(transmitter->fd, PACKET_LOSS, 1);
	if (!status)
		status = map_slots(transmitter, ring->frame_max);
	if (status)
		return ring_error(error, error_size, status, "%s: no transmit ring", options->name);
	ring_grow_send_buffer(transmitter->fd, (int)(TRANSMIT_SLOTS * transmitter->slot_bytes *
						     TRANSMIT_BUFFER_FACTOR));
	status = ring_bind(transmitter->fd, options->ifindex, 0);
	if (status)
		return ring_error(error, error_size, status, "%s: cannot send", options->name);
	return 0;
}

void transmit_close(struct ring *ring)
{
	struct transmitter *transmitter = &ring->transmitter;

	if (transmitter->memory)
		munmap(transmitter->memory, TRANSMIT_SLOTS * transmitter->slot_bytes);
	if (transmitter->fd >= 0)
		close(transmitter->fd);
}

static unsigned oldest_queued(const struct transmitter *transmitter)
{
	return (transmitter->head + TRANSMIT_SLOTS - transmitter->queued) % TRANSMIT_SLOTS;
}

/* Counts off the slots that the kernel has passed. */
static void reap(struct ring *ring)
{
	struct transmitter *transmitter = &ring->transmitter;

	while (transmitter->queued) {
		const struct tpacket3_hdr *slot = slot_of(transmitter, oldest_queued(transmitter));

		if (__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_SEND_REQUEST)
			return;
		transmitter->queued--;
		ring->stats.sent++;
	}
}

/* Takes back what the kernel has not passed. It stands at the oldest of these slots and will look
 * there first again, so that is where we go on. */
static void take_back(struct ring *ring)
{
	struct transmitter *transmitter = &ring->transmitter;
	unsigned slot = oldest_queued(transmitter);

	transmitter->head = slot;
	for (; transmitter->queued; transmitter->queued--) {
		__atomic_store_n(&slot_of(transmitter, slot)->tp_status, TP_STATUS_AVAILABLE,
				 __ATOMIC_RELEASE);
		slot = (slot + 1) % TRANSMIT_SLOTS;
		ring->stats.send_failed++;
	}
	ring->broken = true;
}

void ring_flush(struct ring *ring)
{
	struct transmitter *transmitter = &ring->transmitter;
	int status;

	if (!transmitter->queued)
		return;
	status = send(transmitter->fd, NULL, 0, MSG_DONTWAIT) < 0 ? errno : 0;
	reap(ring);
	if (status && status != ENOBUFS && status != EAGAIN && status != ENOMEM)
		take_back(ring);
}

/* What __packet_snd_vnet_parse() and skb_partial_csum_set() demand: a frame that fails there would
 * vanish without being counted. */
static bool sendable(const struct ring *ring, const struct frame *frame)
{
	const struct offload *offload = &frame->offload;

	if (frame->length < RING_ETHERNET_HEADER)
		return false;
	if (!offload->gso_type && vlan_length(frame) > ring->frame_max)
		return false;
	return !(offload->flags & OFFLOAD_CHECKSUM_PARTIAL) ||
	       (offload->csum_start >= TRANSMIT_CHECKSUM_START_MIN &&
		(uint32_t)offload->csum_start + offload->csum_offset + TRANSMIT_CHECKSUM_BYTES <=
			frame->length);
}

/* The next slot, or NULL while the kernel has not finished with it. */
static struct tpacket3_hdr *free_slot(const struct transmitter *transmitter)
{
	struct tpacket3_hdr *slot = slot_of(transmitter, transmitter->head);
	uint32_t status = __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);

	return status & (TP_STATUS_SEND_REQUEST | TP_STATUS_SENDING) ? NULL : slot;
}

static void fill(struct transmitter *transmitter, struct tpacket3_hdr *slot,
		 const struct frame *frame)
{
	struct offload offload = vlan_offload(frame);
	uint32_t length = vlan_length(frame);
	uint8_t *at = (uint8_t *)slot;

	offload.hdr_len = (uint16_t)length;
	memcpy(at + RING_PACKET_HEADER, &offload, sizeof(offload));
	vlan_copy(frame, at + TRANSMIT_FRAME);
	slot->tp_len = RING_VIRTIO_HEADER + length;
	/* tp_next_offset must be 0; nobody ever writes it. */
	__atomic_store_n(&slot->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);

	transmitter->head = (transmitter->head + 1) % TRANSMIT_SLOTS;
	transmitter->queued++;
}

bool ring_send(struct ring *ring, const struct frame *frame)
{
	struct transmitter *transmitter = &ring->transmitter;
	struct tpacket3_hdr *slot;

	if (!sendable(ring, frame)) {
		ring->stats.send_failed++;
		return false;
	}
	if (frame->offload.gso_type || vlan_length(frame) > transmitter->frame_bytes)
		return large_send(ring, frame);
	slot = free_slot(transmitter);
	if (!slot) {
		ring_flush(ring);
		slot = free_slot(transmitter);
	}
	if (!slot) {
		ring->stats.send_full++;
		return false;
	}
	fill(transmitter, slot, frame);
	return true;
}
