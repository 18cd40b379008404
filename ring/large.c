/* Frames that no slot holds: super-frames of up to 64 KB and more, and what a jumbo interface
 * carries beyond the largest slot. Slots large enough for them were slower (68 KB slots: 8.3 Gbit/s
 * of TCP against 10.3), so they leave one by one through a socket without a ring.
 */
#include "ring/internal.h"
#include "ring/vlan.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LARGE_BUFFER_BYTES = 4 * 1024 * 1024 };

int large_open(struct ring *ring, const struct ring_options *options, char *error,
	       size_t error_size)
{
	int status;

	ring->large_fd = ring_socket();
	if (ring->large_fd < 0)
		return ring_error(error, error_size, ring->large_fd, "%s: no packet socket",
				  options->name);
	ring_grow_send_buffer(ring->large_fd, LARGE_BUFFER_BYTES);
	status = ring_bind(ring->large_fd, options->ifindex, 0);
	if (status)
		return ring_error(error, error_size, status, "%s: cannot send", options->name);
	return 0;
}

void large_close(struct ring *ring)
{
	if (ring->large_fd >= 0)
		close(ring->large_fd);
}

static ssize_t send_frame(int fd, const struct frame *frame)
{
	struct offload offload = vlan_offload(frame);
	uint8_t tag[VLAN_TAG_BYTES];
	struct iovec parts[] = {
		{&offload, sizeof(offload)},
		{frame->data, VLAN_TAG_OFFSET},
		{tag, frame->vlan_tpid ? VLAN_TAG_BYTES : 0},
		{frame->data + VLAN_TAG_OFFSET, frame->length - VLAN_TAG_OFFSET},
	};
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = sizeof(parts) / sizeof(parts[0]),
	};

	vlan_tag(frame, tag);
	return sendmsg(fd, &message, MSG_DONTWAIT);
}

bool large_send(struct ring *ring, const struct frame *frame)
{
	/* What waits in the slots came first. If the kernel cannot take it, it cannot take this. */
	ring_flush(ring);
	if (!ring->transmitter.queued && send_frame(ring->large_fd, frame) >= 0) {
		ring->stats.sent++;
		ring->stats.sent_large++;
		return true;
	}
	if (ring->transmitter.queued || errno == ENOBUFS || errno == EAGAIN || errno == ENOMEM) {
		ring->stats.send_full++;
	} else {
		ring->broken |= errno == ENETDOWN || errno == ENXIO;
		ring->stats.send_failed++;
	}
	return false;
}
