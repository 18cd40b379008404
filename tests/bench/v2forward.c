/* v2forward EXT MAC INT MAC VIP BACKEND: the least that a NAT over TPACKET_V2 rings has to do, always busy.
 *
 * What ringlb's latency is compared with: a V2 ring hands over every packet at once, by a status word
 * of its own, so nothing on this kind of socket can be earlier. Between two interfaces, the MAC behind
 * each given, the VIP becomes the backend on the way in and the backend the VIP on the way out, with
 * the checksums' difference. No flows, no ARP, no virtio header, nothing but IPv4 with UDP or TCP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <linux/if_packet.h>

enum {
	FRAME_BYTES = 2048,
	FRAMES = 4096,
	BLOCK_BYTES = 1 << 18,
	DATA_OFFSET = sizeof(struct tpacket2_hdr), /* of a frame to be sent */
	BATCH = 32,
	PAUSES = 64,            /* as in ringlb's loop */
};

_Static_assert(DATA_OFFSET % TPACKET_ALIGNMENT == 0, "as the kernel counts it");

struct side {
	int fd;
	uint8_t *receive, *transmit;
	unsigned next_receive, next_transmit;
	uint8_t own_mac[ETH_ALEN], peer_mac[ETH_ALEN];
	uint32_t from, to;      /* of the address that changes in what arrives here, network order */
	bool changes_source;
	bool filled;
};

static void need(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "v2forward: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set(int fd, int option, int value)
{
	need(!setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)), "socket option");
}

static void open_side(struct side *side, const char *interface, const char *peer_mac)
{
	const struct tpacket_req ring = {.tp_block_size = BLOCK_BYTES,
					 .tp_block_nr = FRAMES * FRAME_BYTES / BLOCK_BYTES,
					 .tp_frame_size = FRAME_BYTES,
					 .tp_frame_nr = FRAMES};
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	socklen_t size = sizeof(address);

	side->fd = socket(AF_PACKET, SOCK_RAW, 0);
	need(side->fd >= 0, "packet socket");
	set(side->fd, PACKET_VERSION, TPACKET_V2);
	set(side->fd, PACKET_IGNORE_OUTGOING, 1);
	set(side->fd, PACKET_LOSS, 1);
	need(!setsockopt(side->fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)), "receive ring");
	need(!setsockopt(side->fd, SOL_PACKET, PACKET_TX_RING, &ring, sizeof(ring)), "transmit ring");
	side->receive = mmap(NULL, 2UL * FRAMES * FRAME_BYTES, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_POPULATE, side->fd, 0);
	need(side->receive != MAP_FAILED, "map");
	side->transmit = side->receive + (size_t)FRAMES * FRAME_BYTES;
	address.sll_ifindex = (int)if_nametoindex(interface);
	need(address.sll_ifindex > 0, interface);
	need(!bind(side->fd, (struct sockaddr *)&address, sizeof(address)), "bind");
	need(!getsockname(side->fd, (struct sockaddr *)&address, &size), "own MAC");
	memcpy(side->own_mac, address.sll_addr, ETH_ALEN);
	need(ether_aton_r(peer_mac, (struct ether_addr *)side->peer_mac) != NULL, "MAC");
}

/* RFC 1624, equation 3. */
static void change(uint16_t *checksum, const uint16_t *old, const uint16_t *new)
{
	uint32_t sum = (uint16_t)~*checksum;

	for (int i = 0; i < 2; i++)
		sum += (uint32_t)(uint16_t)~old[i] + new[i];
	sum = (sum & 0xffff) + (sum >> 16);
	*checksum = (uint16_t)~((sum & 0xffff) + (sum >> 16));
}

static bool rewrite(const struct side *in, const struct side *out, uint8_t *frame, unsigned length)
{
	struct ether_header *ether = (void *)frame;
	struct iphdr *ip = (void *)(ether + 1);
	uint32_t *address = in->changes_source ? &ip->saddr : &ip->daddr;
	uint16_t *checksum;

	if (length < sizeof(*ether) + sizeof(*ip) + sizeof(struct udphdr) ||
	    ether->ether_type != htons(ETHERTYPE_IP) ||
	    memcmp(ether->ether_dhost, in->own_mac, ETH_ALEN) || *address != in->from)
		return false;
	checksum = ip->protocol == IPPROTO_UDP ? &((struct udphdr *)(void *)(ip + 1))->check :
						 &((struct tcphdr *)(void *)(ip + 1))->check;
	change(&ip->check, (const uint16_t *)&in->from, (const uint16_t *)&in->to);
	change(checksum, (const uint16_t *)&in->from, (const uint16_t *)&in->to);
	memcpy(address, &in->to, sizeof(in->to));
	memcpy(ether->ether_shost, out->own_mac, ETH_ALEN);
	memcpy(ether->ether_dhost, out->peer_mac, ETH_ALEN);
	return true;
}

static bool copy_to(struct side *out, const uint8_t *frame, unsigned length)
{
	struct tpacket2_hdr *header =
		(void *)(out->transmit + (size_t)out->next_transmit * FRAME_BYTES);

	if (__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) &
	    (TP_STATUS_SEND_REQUEST | TP_STATUS_SENDING))
		return false;
	memcpy((uint8_t *)header + DATA_OFFSET, frame, length);
	header->tp_len = length;
	__atomic_store_n(&header->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	out->next_transmit = (out->next_transmit + 1) % FRAMES;
	out->filled = true;
	return true;
}

/* How many there were. */
static unsigned forward(struct side *in, struct side *out)
{
	unsigned count = 0;

	for (; count < BATCH; count++) {
		struct tpacket2_hdr *header =
			(void *)(in->receive + (size_t)in->next_receive * FRAME_BYTES);
		uint8_t *frame = (uint8_t *)header + header->tp_mac;

		if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		if (rewrite(in, out, frame, header->tp_snaplen))
			copy_to(out, frame, header->tp_snaplen);
		__atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		in->next_receive = (in->next_receive + 1) % FRAMES;
	}
	if (out->filled)
		send(out->fd, NULL, 0, MSG_DONTWAIT);
	out->filled = false;
	return count;
}

int main(int count, char **words)
{
	struct side ext = {0}, internal = {.changes_source = true};
	struct in_addr vip, backend;

	if (count != 7 || !inet_aton(words[5], &vip) || !inet_aton(words[6], &backend)) {
		fputs("usage: v2forward EXT MAC INT MAC VIP BACKEND\n", stderr);
		return 2;
	}
	ext.from = internal.to = vip.s_addr;
	ext.to = internal.from = backend.s_addr;
	open_side(&ext, words[1], words[2]);
	open_side(&internal, words[3], words[4]);
	puts("ready");
	fflush(stdout);
	for (;;)
		if (forward(&ext, &internal) + forward(&internal, &ext) == 0)
			for (int i = 0; i < PAUSES; i++)
#if defined(__x86_64__)
				__builtin_ia32_pause();
#else
				__asm__ volatile("" ::: "memory");
#endif
}
