"""The cases of the packet path alone: a configuration and traffic for build/bench/path each.

    clients 64.0.0.0/8 -- gateway -- f0 [ 198.18.0.1 ]                      VIPs 203.0.0.1, .2, ...
    clients 65.0.0.0/8 -- gateway -- f1 [ 198.18.1.1 ]   [ 10.0.0.1 ] back -- backends 10.0.1.1, ...

All neighbors are static. The traffic that goes with it is tests/bench/path_traffic.h.
"""
from typing import NamedTuple

# What must have become of all packets of a sample but one in a thousand: where something else has,
# the case is not measured.
HIT, BIRTH, STATELESS, DROP, TURNOVER = "hit", "birth", "stateless", "drop", "turnover"

TABLE = 1 << 20   # flows; the default of the product


class Case(NamedTuple):
    name: str
    traffic: str = "both"
    flows: int = 1000
    table: int = TABLE
    tcp: bool = False
    mode: str = "nat"
    bridged: bool = False
    services: int = 1
    backends: int = 4
    frontends: int = 1
    routes: int = 0
    batch: int = 32
    size: int = 60
    slots: int = 2048
    gap: int = 1000          # ns between packets on the path's clock
    service: str = ""        # more settings of every service
    forwarding: bool = False
    expect: str = HIT
    warm: int = 0            # packets before the first sample
    fresh: bool = False      # flows are ended before every sample

    def script(self):
        lines = [f"set global flow-table {self.table}"]
        if self.bridged:
            lines.append("set global topology bridged")
        if self.forwarding:
            lines.append("set global forwarding on")
        for n in range(self.frontends):
            lines.append(f"add interface f{n} role frontend address 198.18.{n}.1/24")
        # Fullnat shows clients to backends at these addresses: 64,000 ports each.
        addresses = 8 if self.mode == "fullnat" else 1
        lines.append("add interface back role backend " +
                     " ".join(f"address 10.0.0.{n + 1}/16" for n in range(addresses)))
        for n in range(self.frontends):
            gateway = f"198.18.{n}.254"
            lines += [f"add route {64 + n}.0.0.0/8 via {gateway}",
                      f"add neighbor {gateway} mac 02:00:00:01:00:{n:02x} interface f{n}"]
        for n in range(self.routes):
            lines.append(f"add route 100.{n // 250}.{n % 250}.0/24 via 198.18.0.254")
        lines.append("add pool web")
        for n in range(self.backends):
            address = f"10.0.{n // 250 + 1}.{n % 250 + 1}"
            lines += [f"add neighbor {address} mac 02:00:00:02:{n >> 8:02x}:{n & 255:02x} "
                      "interface back",
                      f"add backend web {address}:{0 if self.hands_over() else 8080}"]
        protocol = "tcp" if self.tcp else "udp"
        for n in range(self.services):
            lines.append(f"add service s{n} 203.0.{n // 250}.{n % 250 + 1}:80/{protocol} pool web "
                         f"mode {self.mode} {self.service}".rstrip())
        return "\n".join(lines) + "\n"

    def hands_over(self):
        return self.mode in ("dsr", "ipip", "gue")

    def arguments(self):
        words = {"traffic": self.traffic, "flows": self.flows, "services": self.services,
                 "frontends": self.frontends, "batch": self.batch, "size": self.size,
                 "slots": self.slots, "gap": self.gap}
        return [f"--{key}={value}" for key, value in words.items()] + ["--tcp"] * self.tcp


def _flows(count):
    return f"{count // 1000000} M" if count >= 1000000 else f"{count // 1000} k"


def _many(count, noun):
    return f"{count:,} {noun}{'s' if count > 1 else ''}"


LARGE = 1 << 23

# Cost against flows: what the targets are about.
FLOWS = [Case(f"NAT, hits both ways, {_flows(flows)} flows", flows=flows,
              table=TABLE if flows <= 1000000 else LARGE)
         for flows in (1000, 100000, 1000000, 4000000)]
ONE_WAY = [Case(f"NAT, hits {word}, {_flows(flows)} flows", traffic=traffic, flows=flows)
           for flows in (1000, 1000000)
           for traffic, word in (("forward", "of clients"), ("reply", "of backends"))]
TCP = [Case(f"NAT, TCP, hits both ways, {_flows(flows)} flows", tcp=True, flows=flows,
            table=LARGE if flows > 100000 else TABLE)
       for flows in (1000, 1000000)]
FRAMES = [Case("NAT, hits both ways, 1 M flows, frames not in a cache", flows=1000000,
               slots=1 << 18),
          Case("NAT, hits both ways, 1 k flows, frames of 1514 bytes", size=1514, slots=512)]

# Packets that find no flow.
MISSES = [
    Case("new UDP flows", traffic="new", table=LARGE, expect=BIRTH, fresh=True),
    Case("new UDP flows, each ends 1 s later, 200 k/s", traffic="new", expect=TURNOVER,
         service="idle-timeout 1", gap=5000, warm=500000),
    Case("SYN flood, half-open flows at their limit", traffic="new", tcp=True, expect=STATELESS,
         warm=TABLE // 8 + 10000),
    Case("UDP flood, table full, forwarded without a flow", traffic="new", table=100000,
         expect=STATELESS, warm=110000),
    Case("UDP flood, table full, shed", traffic="new", table=100000, expect=DROP, warm=110000,
         service="when-full shed"),
    Case("for no service, dropped", traffic="new", expect=DROP, tcp=True, service="admin disabled"),
]

MODES = [Case(f"{mode}, hits of clients, 100 k flows", traffic="forward", flows=100000, mode=mode,
              backends=16)
         for mode in ("nat", "fullnat", "dsr", "ipip", "gue")]
MODES += [Case("fullnat, hits of backends, 100 k flows", traffic="reply", flows=100000,
               mode="fullnat", backends=16),
          Case("bridged NAT, hits both ways, 100 k flows", flows=100000, bridged=True)]

# Cost against one thing at a time.
SERVICES = [Case(f"{_many(services, 'service')}, hits both ways, 100 k flows", flows=100000,
                 services=services) for services in (1, 10, 1000)]
SERVICES += [Case(f"{_many(services, 'service')}, new UDP flows", traffic="new",
                  table=LARGE, expect=BIRTH, services=services, fresh=True)
             for services in (10, 1000)]
BACKENDS = [Case(f"{_many(backends, 'backend')}, hits both ways, 100 k flows", flows=100000,
                 backends=backends) for backends in (1, 10, 100, 1000)]
BACKENDS += [Case(f"{_many(backends, 'backend')}, new UDP flows", traffic="new",
                  table=LARGE, expect=BIRTH, backends=backends, fresh=True)
             for backends in (1, 1000)]
INTERFACES = [Case(f"{_many(interfaces, 'interface')}, hits both ways, 100 k flows",
                   flows=100000 // (interfaces - 1) * (interfaces - 1), frontends=interfaces - 1)
              for interfaces in (2, 4, 16)]
ROUTES = [Case(f"{_many(routes, 'route')}, hits both ways, 1 k flows", routes=routes)
          for routes in (10, 100, 1000)]
BATCHES = [Case(f"batches of {batch}, hits both ways, 1 M flows", flows=1000000, batch=batch)
           for batch in (1, 2, 4, 8, 16, 32, 64)]

def _few(case):
    """The same with 1 k flows: for instructions no cache matters, and each flow is soon known."""
    name = case.name.replace("1 M", "1 k").replace("100 k", "1 k")
    return case._replace(name=name, flows=1000 // case.frontends * case.frontends)


# For instructions a packet.
COUNTED = [FLOWS[0], *ONE_WAY[:2], TCP[0], *MISSES, *ROUTES,
           *map(_few, [*MODES, *SERVICES, *BACKENDS, *INTERFACES, *BATCHES])]
