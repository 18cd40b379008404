"""What the product has set itself to reach: each a figure of ringlb, or its ratio to a peer's.

`must` and `meant` are limits in the sense of the metric's `better`: at least, or at most.
"""
from typing import NamedTuple, Optional


class Target(NamedTuple):
    what: str
    part: str
    case: str
    metric: str
    against: Optional[str]   # subject that ringlb is compared with; None: the figure itself
    must: Optional[float]
    meant: Optional[float]


TARGETS = [
    Target("loss-free NAT against nftables", "rings", "NAT, 60 bytes, 1 k flows",
           "loss-free rate", "nftables", 0.9, 1.1),
    Target("loss-free NAT against testpmd", "rings", "NAT, 60 bytes, 1 k flows",
           "loss-free rate", "testpmd", 1.5, 1.8),
    Target("delivered of 2 M/s offered", "rings", "NAT, 60 bytes, 1 k flows",
           "delivered of 2 M/s", "nftables", 1.25, 1.5),
    Target("goodput at twice the peak load", "rings", "NAT, 60 bytes, 1 k flows",
           "goodput at twice the peak", None, 90, 97),
    Target("round trip, busy, p50", "latency", "busy", "round trip p50", "TPACKET_V2 busy", 1.1,
           None),
    Target("round trip, busy, p99", "latency", "busy", "round trip p99", "TPACKET_V2 busy", 1.1,
           None),
    Target("round trip, busy, against the kernel", "latency", "busy", "round trip p50",
           "nftables", None, 2),
    Target("first packet after silence, p50", "latency", "adaptive", "first after silence p50",
           None, 60, 30),
    Target("idle, share of a core", "latency", "adaptive", "idle CPU", None, 3, 1),
    Target("bulk TCP against nftables", "clients", "bulk TCP", "throughput", "nftables", 0.7, 0.9),
    Target("bulk TCP against HAProxy", "clients", "bulk TCP", "throughput", "HAProxy", 1.3, 1.6),
    Target("connections/s against HAProxy", "clients", "connections", "rate", "HAProxy", 1.2, 1.5),
    Target("keep-alive requests/s against HAProxy", "clients", "keep-alive requests", "rate",
           "HAProxy", 1.05, 1.3),
    Target("backends found down at twice the peak load", "overload", "twice the peak load",
           "backends found down", None, 0, None),
    Target("packets lost by commits", "commit", "1 pool, 3 backends", "packets lost",
           None, 0, None),
    Target("packets lost by commits, large configuration", "commit",
           "1,000 services, 100 backends each, beside it", "packets lost", None, 0, None),
    # None for each packet: a batch of 20 or more shares one.
    *[Target(f"{what}, by packets", "counts", "as many packets as it can take", what, None, limit,
             None)
      for what, limit in (("memory taken or given back", 0), ("locks", 0), ("clock reads", 0.05),
                          ("system calls, all", 0.05))],
    # Misses can explain all that takes longer; meant: half of them is hidden.
    Target("1 M flows against 1 k: hidden by prefetch", "caches", "1 M flows against 1 k",
           "of the misses' time hidden by prefetch", None, 0, 50),
    Target("the path alone, 1 M flows", "path", "NAT, hits both ways, 1 M flows", "time a packet",
           None, 80, 40),
]
