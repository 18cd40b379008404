/* The bench's generator, sink and reflector, inside the kernel, where they cost next to nothing.
 *
 *   generate  XDP, run on live frames of the clients' interface (BPF_PROG_TEST_RUN). What it sends
 *             goes into the appliance's receive queue without a socket, an skb or a qdisc. Writes the
 *             whole frame anew every time: a page comes back as the appliance's kernel has left it.
 *   take      tc ingress of the servers' side: counts and drops; probes are sent back.
 *   measure   tc ingress of the clients' side: probes that came back, by the time they took.
 *
 * Frames are IPv4, UDP, 60 bytes, checksums whole. A probe has the time of its departure in it.
 * Whatever else arrives is left to the kernel.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tests/bench/traffic.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct traffic_generator);
} generator_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic_sink);
} sink_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traffic_count);
} count_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TRAFFIC_TIMES);
	__type(key, __u32);
	__type(value, __u64);
} times_map SEC(".maps");

static const __u32 only;

/* Words of 32 bits, so that checksums are a matter of some additions. */
struct packet {
	__u16 ethernet[7];
	struct iphdr ip;
	struct udphdr udp;
	__be16 mark;
	__u64 departed_ns;
	__u64 zero;
} __attribute__((packed));

_Static_assert(sizeof(struct packet) == TRAFFIC_FRAME_BYTES, "60 bytes");

enum {
	PLAIN = 0x4c42,
	PROBE = 0x4c50,
	FIRST_PORT = 1024,
	PORT_BITS = 14,         /* flows of one client address */
	UDP_BYTES = sizeof(struct packet) - offsetof(struct packet, udp),
};

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

static __always_inline __u64 ip_sum(const struct packet *packet)
{
	const __u16 *words = (const void *)&packet->ip;
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += words[i];
	return sum;
}

/* With the pseudo header. */
static __always_inline __u64 udp_sum(const struct packet *packet)
{
	const __u16 *words = (const void *)&packet->udp;
	__u64 sum = (__u64)packet->ip.saddr + packet->ip.daddr + bpf_htons(IPPROTO_UDP) +
		    bpf_htons(UDP_BYTES);

#pragma unroll
	for (int i = 0; i < UDP_BYTES / 2; i++)
		sum += words[i];
	return sum;
}

/* True when a packet is due. Those that nobody had time for beyond what a NIC's ring takes are
 * missed. */
static __always_inline bool due(struct traffic_generator *generator)
{
	__u64 now_ps, late;

	if (!generator->interval_ps)
		return true;
	now_ps = bpf_ktime_get_ns() * 1000;
	if (now_ps < generator->next_ps)
		return false;
	late = (now_ps - generator->next_ps) / generator->interval_ps;
	if (late > TRAFFIC_RING) {
		generator->missed += late - TRAFFIC_RING;
		generator->next_ps += (late - TRAFFIC_RING) * generator->interval_ps;
	}
	generator->next_ps += generator->interval_ps;
	return true;
}

static __always_inline void write(struct packet *packet, const struct traffic_generator *generator)
{
	__u32 flow = (__u32)generator->sent * 0x9e3779b1 % generator->flows;
	bool probe = generator->probe_every && generator->sent % generator->probe_every == 0;

	__builtin_memcpy(packet->ethernet, generator->to_mac, 12);
	packet->ethernet[6] = bpf_htons(ETH_P_IP);
	packet->ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(sizeof(*packet) - ETH_HLEN),
		.frag_off = bpf_htons(0x4000),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = bpf_htonl(bpf_ntohl(generator->from) + (flow >> PORT_BITS)),
		.daddr = generator->to,
	};
	packet->ip.check = (__u16)~fold(ip_sum(packet));
	packet->udp = (struct udphdr){
		.source = bpf_htons(FIRST_PORT + (flow & ((1 << PORT_BITS) - 1))),
		.dest = generator->to_port,
		.len = bpf_htons(UDP_BYTES),
	};
	packet->mark = bpf_htons(probe ? PROBE : PLAIN);
	packet->departed_ns = probe ? bpf_ktime_get_ns() : 0;
	packet->zero = 0;
	packet->udp.check = (__u16)~fold(udp_sum(packet));
	if (!packet->udp.check)
		packet->udp.check = 0xffff;
}

SEC("xdp")
int generate(struct xdp_md *context)
{
	struct packet *packet = (void *)(long)context->data;
	struct traffic_generator *generator = bpf_map_lookup_elem(&generator_map, &only);

	if (!generator || (void *)(packet + 1) > (void *)(long)context->data_end)
		return XDP_ABORTED;
	if (generator->stop || !due(generator))
		return XDP_DROP;
	write(packet, generator);
	generator->sent++;
	return XDP_TX;
}

/* The packet of the bench that a frame holds, all of it in reach; NULL: it is none. */
static __always_inline struct packet *packet_of(struct __sk_buff *frame)
{
	struct packet *packet;

	if (frame->len != sizeof(*packet) || frame->protocol != bpf_htons(ETH_P_IP))
		return NULL;
	if (frame->data + sizeof(*packet) > frame->data_end &&
	    bpf_skb_pull_data(frame, sizeof(*packet)))
		return NULL;
	packet = (void *)(long)frame->data;
	if ((void *)(packet + 1) > (void *)(long)frame->data_end)
		return NULL;
	if (packet->ip.protocol != IPPROTO_UDP ||
	    (packet->mark != bpf_htons(PLAIN) && packet->mark != bpf_htons(PROBE)))
		return NULL;
	return packet;
}

static __always_inline bool sound(const struct packet *packet)
{
	return fold(ip_sum(packet)) == 0xffff && fold(udp_sum(packet)) == 0xffff;
}

static __always_inline int send_back(struct __sk_buff *frame, struct packet *packet)
{
	__u16 mac[3];
	__be32 address = packet->ip.saddr;
	__be16 port = packet->udp.source;

	__builtin_memcpy(mac, packet->ethernet, sizeof(mac));
	__builtin_memcpy(packet->ethernet, packet->ethernet + 3, sizeof(mac));
	__builtin_memcpy(packet->ethernet + 3, mac, sizeof(mac));
	packet->ip.saddr = packet->ip.daddr;
	packet->ip.daddr = address;
	packet->udp.source = packet->udp.dest;
	packet->udp.dest = port;
	return (int)bpf_redirect(frame->ifindex, 0);
}

SEC("tc")
int take(struct __sk_buff *frame)
{
	struct packet *packet = packet_of(frame);
	struct traffic_sink *sink = bpf_map_lookup_elem(&sink_map, &only);
	struct traffic_count *count = bpf_map_lookup_elem(&count_map, &only);
	__u32 address;

	if (!packet || !sink || !count)
		return TC_ACT_OK;
	address = bpf_ntohl(packet->ip.daddr);
	if (address < sink->first || address > sink->last || packet->udp.dest != sink->port ||
	    packet->ethernet[0] != sink->mac[0] || packet->ethernet[1] != sink->mac[1] ||
	    packet->ethernet[2] != sink->mac[2] || !sound(packet)) {
		count->wrong++;
		return TC_ACT_SHOT;
	}
	count->delivered++;
	if (packet->mark != bpf_htons(PROBE))
		return TC_ACT_SHOT;
	count->echoed++;
	return send_back(frame, packet);
}

static __always_inline __u32 step_of(__u64 ns)
{
	__u32 power = 4;

	if (ns < TRAFFIC_STEPS)
		return (__u32)ns;
#pragma unroll
	for (int bit = 5; bit < 40; bit++)
		if (ns >> bit)
			power = bit;
	ns >>= power - 4;
	return (power - 3) * TRAFFIC_STEPS + (__u32)(ns & (TRAFFIC_STEPS - 1));
}

SEC("tc")
int measure(struct __sk_buff *frame)
{
	struct packet *packet = packet_of(frame);
	struct traffic_count *count = bpf_map_lookup_elem(&count_map, &only);
	__u64 *times;
	__u32 step;

	if (!packet || !count || packet->mark != bpf_htons(PROBE))
		return TC_ACT_OK;
	if (!sound(packet)) {
		count->wrong++;
		return TC_ACT_SHOT;
	}
	count->returned++;
	step = step_of(bpf_ktime_get_ns() - packet->departed_ns);
	times = bpf_map_lookup_elem(&times_map, &step);
	if (times)
		++*times;
	return TC_ACT_SHOT;
}

char traffic_license[] SEC("license") = "GPL";
