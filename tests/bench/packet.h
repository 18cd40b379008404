/* The packets of the bench: IPv4, UDP, 60 bytes, checksums whole. A probe is sent back by the servers'
 * side and has the time of its departure in it. For programs and, compiled for BPF, the kernel: so no
 * function is called that is not in here.
 */
#ifndef BENCH_PACKET_H
#define BENCH_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/types.h>
#include <linux/udp.h>

#define PACKET_INLINE static inline __attribute__((always_inline))

struct packet {
	__u16 ethernet[7];
	struct iphdr ip;
	struct udphdr udp;
	__be16 mark;
	__u64 departed_ns;      /* CLOCK_MONOTONIC; 0: no probe */
	__u64 zero;
} __attribute__((packed));

_Static_assert(sizeof(struct packet) == 60, "the smallest that Ethernet carries, without its FCS");

enum {
	PACKET_PLAIN = 0x4c42,
	PACKET_PROBE = 0x4c50,
	PACKET_FIRST_PORT = 1024,
	PACKET_PORT_BITS = 14,  /* flows of one client address */
	PACKET_UDP_BYTES = sizeof(struct packet) - offsetof(struct packet, udp),
	PACKET_IP_WORD = offsetof(struct packet, ip) / 2,
	PACKET_UDP_WORD = offsetof(struct packet, udp) / 2,
	PACKET_IP_WORDS = sizeof(struct iphdr) / 2,
	PACKET_UDP_WORDS = PACKET_UDP_BYTES / 2,
};

PACKET_INLINE __u16 packet_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)((sum & 0xffff) + (sum >> 16));
}

PACKET_INLINE __u64 packet_ip_sum(const struct packet *packet)
{
	const __u16 *words = (const __u16 *)(const void *)packet + PACKET_IP_WORD;
	__u64 sum = 0;

	for (int i = 0; i < PACKET_IP_WORDS; i++)
		sum += words[i];
	return sum;
}

/* With the pseudo header. */
PACKET_INLINE __u64 packet_udp_sum(const struct packet *packet)
{
	const __u16 *words = (const __u16 *)(const void *)packet + PACKET_UDP_WORD;
	__u64 sum = (__u64)packet->ip.saddr + packet->ip.daddr + htons(IPPROTO_UDP) +
		    htons(PACKET_UDP_BYTES);

	for (int i = 0; i < PACKET_UDP_WORDS; i++)
		sum += words[i];
	return sum;
}

PACKET_INLINE bool packet_sound(const struct packet *packet)
{
	return packet_fold(packet_ip_sum(packet)) == 0xffff &&
	       packet_fold(packet_udp_sum(packet)) == 0xffff;
}

/* All but the MAC addresses. Addresses and port in network byte order; `from` is the first of the
 * clients', of which flow number `flow` has one, and a port. */
PACKET_INLINE void packet_write(struct packet *packet, __be32 from, __be32 to, __be16 to_port,
				__u32 flow, __u64 departed_ns)
{
	packet->ethernet[6] = htons(ETH_P_IP);
	packet->ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(*packet) - ETH_HLEN),
		.frag_off = htons(0x4000), /* don't fragment */
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = htonl(ntohl(from) + (flow >> PACKET_PORT_BITS)),
		.daddr = to,
	};
	packet->ip.check = (__u16)~packet_fold(packet_ip_sum(packet));
	packet->udp = (struct udphdr){
		.source = htons((__u16)(PACKET_FIRST_PORT + (flow & ((1 << PACKET_PORT_BITS) - 1)))),
		.dest = to_port,
		.len = htons(PACKET_UDP_BYTES),
	};
	packet->mark = htons(departed_ns ? PACKET_PROBE : PACKET_PLAIN);
	packet->departed_ns = departed_ns;
	packet->zero = 0;
	packet->udp.check = (__u16)~packet_fold(packet_udp_sum(packet));
	if (!packet->udp.check)
		packet->udp.check = 0xffff;
}

#endif
