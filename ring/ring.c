/* A ring as a whole: opening in the right order, closing, counters, what its sockets share.
 *
 * The sockets are apart because the kernel ties a choice to each: a socket with a transmit ring
 * sends from its slots only, so frames larger than a slot need one without; and a receive ring of
 * its own lets the transmit socket keep protocol 0, which costs nothing on receive.
 */
#include "ring/internal.h"
#include "ring/vlan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_net.h>

_Static_assert(sizeof(struct offload) == sizeof(struct virtio_net_hdr), "virtio header");
_Static_assert(offsetof(struct offload, flags) == offsetof(struct virtio_net_hdr, flags), "flags");
_Static_assert(offsetof(struct offload, gso_type) == offsetof(struct virtio_net_hdr, gso_type),
	       "gso_type");
_Static_assert(offsetof(struct offload, hdr_len) == offsetof(struct virtio_net_hdr, hdr_len),
	       "hdr_len");
_Static_assert(offsetof(struct offload, gso_size) == offsetof(struct virtio_net_hdr, gso_size),
	       "gso_size");
_Static_assert(offsetof(struct offload, csum_start) == offsetof(struct virtio_net_hdr, csum_start),
	       "csum_start");
_Static_assert(offsetof(struct offload, csum_offset) ==
	       offsetof(struct virtio_net_hdr, csum_offset), "csum_offset");
_Static_assert((int)OFFLOAD_CHECKSUM_PARTIAL == VIRTIO_NET_HDR_F_NEEDS_CSUM, "partial");
_Static_assert((int)OFFLOAD_CHECKSUM_VALID == VIRTIO_NET_HDR_F_DATA_VALID, "valid");

int ring_error(char *error, size_t error_size, int status, const char *what, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, what);
	length = vsnprintf(error, error_size, what, arguments);
	va_end(arguments);
	if (length >= 0 && (size_t)length < error_size)
		snprintf(error + length, error_size - (size_t)length, ": %s", strerror(-status));
	return status;
}

int ring_set(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) ? -errno : 0;
}

int ring_socket(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int status;

	if (fd < 0)
		return -errno;
	status = ring_set(fd, PACKET_VERSION, TPACKET_V3);
	if (!status)
		status = ring_set(fd, PACKET_VNET_HDR, 1);
	if (status) {
		close(fd);
		return status;
	}
	return fd;
}

int ring_bind(int fd, unsigned ifindex, uint16_t protocol)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)ifindex,
		.sll_protocol = htons(protocol),
	};

	return bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

void ring_grow_send_buffer(int fd, int bytes)
{
	/* Past net.core.wmem_max only CAP_NET_ADMIN may go; what is granted without will do. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int ring_open(struct ring **ret_ring, const struct ring_options *options, char *error,
	      size_t error_size)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int status;

	if (!ring)
		return ring_error(error, error_size, -ENOMEM, "%s", options->name);
	ring->receiver.fd = ring->receiver.bell_fd = ring->transmitter.fd = ring->large_fd = -1;
	ring->interface = options->interface;
	ring->frame_max = options->mtu + RING_ETHERNET_HEADER + VLAN_TAG_BYTES;

	/* Receiving comes last: from then on the kernel fills the ring. */
	status = large_open(ring, options, error, error_size);
	if (!status)
		status = transmit_open(ring, options, error, error_size);
	if (!status)
		status = receive_open(ring, options, error, error_size);
	if (status) {
		ring_close(ring);
		return status;
	}
	*ret_ring = ring;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	receive_close(ring);
	transmit_close(ring);
	large_close(ring);
	free(ring);
}

int ring_fd(const struct ring *ring)
{
	return ring->receiver.fd;
}

bool ring_broken(struct ring *ring)
{
	bool broken = ring->broken;
	int pending = 0;
	socklen_t size = sizeof(pending);

	/* The kernel leaves ENETDOWN on the receiving socket, once, when its interface goes. */
	if (!getsockopt(ring->receiver.fd, SOL_SOCKET, SO_ERROR, &pending, &size) && pending)
		broken = true;
	ring->broken = false;
	return broken;
}

void ring_stats(struct ring *ring, struct ring_stats *ret_stats)
{
	receive_count(ring);
	*ret_stats = ring->stats;
}
