/* The bench's generator, sink and reflector, inside the kernel, where they cost next to nothing.
 *
 *   generate  XDP, run on live frames of the clients' interface (BPF_PROG_TEST_RUN). What it sends
 *             goes into the appliance's receive queue without a socket, an skb or a qdisc. Writes the
 *             whole frame anew every time: a page comes back as the appliance's kernel has left it.
 *   take      tc ingress of the servers' side: counts and drops; probes are sent back.
 *   measure   tc ingress of the clients' side: probes that came back, by the time they took.
 *
 * Whatever arrives that is not the bench's (packet.h) is left to the kernel.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define htons bpf_htons
#define htonl bpf_htonl
#define ntohl bpf_ntohl
#include "tests/bench/packet.h"
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

/* True when a packet is due. Those that nobody had time for beyond what a NIC's ring takes are
 * missed. Who is late looks at the clock once for many. */
static __always_inline bool due(struct traffic_generator *generator)
{
	__u64 now_ps, late;

	if (!generator->interval_ps)
		return true;
	if (generator->credit) {
		generator->credit--;
		return true;
	}
	now_ps = bpf_ktime_get_ns() * 1000;
	if (now_ps < generator->next_ps)
		return false;
	late = (now_ps - generator->next_ps) / generator->interval_ps;
	if (late > TRAFFIC_RING) {
		generator->missed += late - TRAFFIC_RING;
		generator->next_ps += (late - TRAFFIC_RING) * generator->interval_ps;
	}
	generator->credit = late < TRAFFIC_CREDIT ? late : TRAFFIC_CREDIT;
	generator->next_ps += (generator->credit + 1) * generator->interval_ps;
	return true;
}

static __always_inline void write(struct packet *packet, const struct traffic_generator *generator)
{
	__u32 flow = (__u32)generator->sent * 0x9e3779b1 % generator->flows;
	bool probe = generator->probe_every && generator->sent % generator->probe_every == 0;

	__builtin_memcpy(packet->ethernet, generator->to_mac, 12);
	packet_write(packet, generator->from, generator->to, generator->to_port, flow,
		     probe ? bpf_ktime_get_ns() : 0);
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

	if (frame->len != sizeof(*packet) || frame->protocol != htons(ETH_P_IP))
		return NULL;
	if (frame->data + sizeof(*packet) > frame->data_end &&
	    bpf_skb_pull_data(frame, sizeof(*packet)))
		return NULL;
	packet = (void *)(long)frame->data;
	if ((void *)(packet + 1) > (void *)(long)frame->data_end)
		return NULL;
	if (packet->ip.protocol != IPPROTO_UDP ||
	    (packet->mark != htons(PACKET_PLAIN) && packet->mark != htons(PACKET_PROBE)))
		return NULL;
	return packet;
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
	address = ntohl(packet->ip.daddr);
	if (address < sink->first || address > sink->last || packet->udp.dest != sink->port ||
	    packet->ethernet[0] != sink->mac[0] || packet->ethernet[1] != sink->mac[1] ||
	    packet->ethernet[2] != sink->mac[2] || !packet_sound(packet)) {
		count->wrong++;
		return TC_ACT_SHOT;
	}
	count->delivered++;
	if (packet->mark != htons(PACKET_PROBE))
		return TC_ACT_SHOT;
	count->echoed++;
	return send_back(frame, packet);
}

static __always_inline __u32 step_of(__u64 ns)
{
	__u32 power = TRAFFIC_STEP_BITS;

	if (ns < TRAFFIC_STEPS)
		return (__u32)ns;
#pragma unroll
	for (int bit = TRAFFIC_STEP_BITS + 1; bit < TRAFFIC_POWERS; bit++)
		if (ns >> bit)
			power = (__u32)bit;
	ns >>= power - TRAFFIC_STEP_BITS;
	return (power - TRAFFIC_STEP_BITS + 1) * TRAFFIC_STEPS + (__u32)(ns & (TRAFFIC_STEPS - 1));
}

SEC("tc")
int measure(struct __sk_buff *frame)
{
	struct packet *packet = packet_of(frame);
	struct traffic_count *count = bpf_map_lookup_elem(&count_map, &only);
	__u64 *times;
	__u32 step;

	if (!packet || !count || packet->mark != htons(PACKET_PROBE))
		return TC_ACT_OK;
	if (!packet_sound(packet)) {
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
