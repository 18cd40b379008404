/* What traffic.c and its programs in the kernel (traffic.bpf.c) share: maps of one record each. */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <linux/types.h>

enum {
	TRAFFIC_FLOWS_MAX = 1 << 22,

	/* Packets that wait when the core is busy, as in a NIC's ring; what comes then is missed. */
	TRAFFIC_RING = 4096,
	TRAFFIC_CREDIT = 63,

	/* Round trips by time: 64 steps for every power of two of nanoseconds, to within 1 %. */
	TRAFFIC_STEP_BITS = 6,
	TRAFFIC_STEPS = 1 << TRAFFIC_STEP_BITS,
	TRAFFIC_POWERS = 34,
	TRAFFIC_TIMES = (TRAFFIC_POWERS - TRAFFIC_STEP_BITS + 1) * TRAFFIC_STEPS,
};

/* The generator: addresses in network byte order, the rest in the host's. */
struct traffic_generator {
	__u8 to_mac[6], from_mac[6];
	__be32 from, to;        /* `from` is the first address of clients */
	__be16 to_port;
	__u16 unused;
	__u32 flows;
	__u32 probe_every;      /* one packet of so many asks for an echo; 0: none */
	__u32 stop;
	__u64 interval_ps;      /* between two packets; 0: as fast as they go */
	__u64 next_ps;          /* when the next one is due, CLOCK_MONOTONIC */
	__u64 credit;           /* of packets that are due already, without a look at the clock */
	__u64 sent;             /* handed to the interface */
	__u64 missed;           /* due, and no room left for them to wait */
};

/* The far side: counts what arrived rewritten as it should, and only that. */
struct traffic_sink {
	__u16 mac[3];           /* as it stands in a frame */
	__be16 port;
	__u32 first, last;      /* addresses of the backends, host byte order */
};

struct traffic_count {
	__u64 delivered;
	__u64 wrong;            /* a packet of the generator, not rewritten as it should be */
	__u64 echoed;
	__u64 returned;         /* probes that came back to the clients */
};

#endif
