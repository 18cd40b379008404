"""A configuration: what the specification reads, and the same as the lines that an operator types.

Times are in nanoseconds, addresses numbers. A backend is known by its pool, address and port.
"""
from dataclasses import dataclass, field
from typing import Optional, Tuple, List

from wire import SECOND, TCP, UDP, dotted, within


@dataclass(frozen=True)
class Interface:
    name: str
    role: str                      # frontend, backend, both
    addresses: Tuple[Tuple[int, int], ...]   # (address, prefix length)
    mac: bytes
    mtu: int = 1500
    up: bool = True

    @property
    def frontend(self):
        return self.role in ("frontend", "both")

    @property
    def backend(self):
        return self.role in ("backend", "both")


@dataclass(frozen=True)
class Check:
    name: str
    timeout: int = 3 * SECOND
    port: int = 0                  # heartbeats `from port N`; 0: from any
    key: bytes = b""               # that signs them


@dataclass(frozen=True)
class Backend:
    pool: str
    address: int
    port: int
    weight: int = 1
    admin: str = "enabled"         # enabled, drain, disabled

    @property
    def key(self):
        return (self.pool, self.address, self.port)


@dataclass(frozen=True)
class Pool:
    name: str
    scheduler: str = "maglev"
    affinity: str = "5-tuple"
    check: Optional[Check] = None


@dataclass(frozen=True)
class Service:
    name: str
    vip: int
    port: int
    protocol: str                  # tcp, udp, any
    pool: str
    mode: str = "nat"
    idle_timeout: int = 0
    max_flows: int = 0
    requests: int = 0
    responses: int = 0
    lifetime: int = 0
    front_timeout: int = 0
    back_timeout: int = 0
    proxy: str = "off"             # off, first, every
    when_full: str = "stateless"
    fail_open: bool = False
    on_backend_loss: str = "reselect"
    source_rewrite: Optional[Tuple[int, int, int]] = None   # from, to, length
    enabled: bool = True

    @property
    def protocols(self):
        return {"tcp": (TCP,), "udp": (UDP,), "any": (TCP, UDP)}[self.protocol]


@dataclass(frozen=True)
class Route:
    prefix: int
    length: int
    interface: int                 # index
    via: int                       # zero: connected
    source: int                    # the appliance's address there


@dataclass
class Config:
    interfaces: List[Interface]
    pools: List[Pool]
    backends: List[Backend]
    services: List[Service]
    routes: List[Tuple[int, int, int]] = field(default_factory=list)      # prefix, length, via
    neighbors: List[Tuple[int, bytes, str]] = field(default_factory=list)  # address, MAC, interface
    topology: str = "routed"
    forwarding: bool = False
    reject: bool = False           # no-service reject
    vip_echo_available: bool = False
    seed: int = 0
    slices: int = 1                # fullnat-slices
    slice: int = 1

    def __post_init__(self):
        """What the specification looks up, in the order in which it has to."""
        self.bridged = self.topology == "bridged"
        self.vips = {service.vip for service in self.services}
        self.own = {a: i for i, port in enumerate(self.interfaces) for a, _ in port.addresses}
        self.pool = {pool.name: pool for pool in self.pools}
        self.members = {pool.name: sorted((b for b in self.backends if b.pool == pool.name),
                                          key=lambda b: b.key) for pool in self.pools}
        self.backend = {b.key: b for b in self.backends}
        self.service = {s.name: s for s in self.services}
        self.at = {(s.vip, s.port, protocol): s for s in self.services for protocol in s.protocols}
        connected = [Route(a & ~((1 << (32 - length)) - 1), length, i, 0, a)
                     for i, port in enumerate(self.interfaces) for a, length in port.addresses]
        static = [Route(prefix, length, way.interface, via, way.source)
                  for prefix, length, via in self.routes
                  for way in [next(c for c in connected if within(via, c.prefix, c.length))]]
        self.way = sorted(connected + static, key=lambda route: -route.length)
        self.static = {(self.index(name), a): mac for a, mac, name in self.neighbors}
        self._reached = {}

    def reached(self, address, port, protocol):
        """SEMANTICS 4: whom replies of a backend's address:port are mapped back to without a flow:
        (service, its port), or None where there is not exactly one."""
        key = (address, port, protocol)
        if key not in self._reached:
            ways = {(s.name, s.port or (port if not b.port else None))
                    for s in self.services if s.mode == "nat" and protocol in s.protocols
                    for b in self.members[s.pool]
                    if b.address == address and b.admin != "disabled"
                    and port == (b.port or s.port or port)}
            name, vip_port = ways.pop() if len(ways) == 1 else (None, None)
            self._reached[key] = (self.service[name], vip_port) if vip_port is not None else None
        return self._reached[key]

    def index(self, name):
        return next(i for i, port in enumerate(self.interfaces) if port.name == name)

    def script(self):
        """The same for the console."""
        lines = [f"set global seed {self.seed} topology {self.topology}"
                 f" forwarding {'on' if self.forwarding else 'off'}"
                 f" no-service {'reject' if self.reject else 'drop'}"
                 f" vip-echo {'available' if self.vip_echo_available else 'always'}"
                 f" fullnat-slices {self.slices} fullnat-slice {self.slice}"]
        for i in self.interfaces:
            own = "".join(f" address {dotted(a)}/{length}" for a, length in i.addresses)
            lines.append(f"add interface {i.name} role {i.role}{own} mac {i.mac.hex(':')}")
        lines += [f"add route {dotted(prefix)}/{length} via {dotted(via)}"
                  for prefix, length, via in self.routes]
        lines += [f"add neighbor {dotted(a)} mac {mac.hex(':')} interface {name}"
                  for a, mac, name in self.neighbors]
        for check in {p.check.name: p.check for p in self.pools if p.check}.values():
            source = f" from port {check.port}" if check.port else ""
            key = f" key {check.key.hex()}" if check.key else ""
            lines.append(
                f"add check {check.name} heartbeat timeout {seconds(check.timeout)}{source}{key}")
        for p in self.pools:
            check = f" check {p.check.name}" if p.check else ""
            lines.append(f"add pool {p.name} scheduler {p.scheduler} affinity {p.affinity}{check}")
        lines += [f"add backend {b.pool} {dotted(b.address)}:{b.port} weight {b.weight}"
                  f" admin {b.admin}" for b in self.backends]
        for s in self.services:
            line = f"add service {s.name} {dotted(s.vip)}:{s.port}/{s.protocol} pool {s.pool}"
            line += f" mode {s.mode} when-full {s.when_full} on-backend-loss {s.on_backend_loss}"
            line += f" fail-open {'on' if s.fail_open else 'off'}"
            line += f" admin {'enabled' if s.enabled else 'disabled'}"
            if s.idle_timeout:
                line += f" idle-timeout {seconds(s.idle_timeout)}"
            if s.max_flows:
                line += f" max-flows {s.max_flows}"
            if s.protocol != "tcp":
                line += f" proxy-protocol {s.proxy} lifetime {seconds(s.lifetime)}"
                line += f" requests {s.requests} responses {s.responses}"
                line += f" front-timeout {seconds(s.front_timeout)}"
                line += f" back-timeout {seconds(s.back_timeout)}"
            if s.source_rewrite:
                a, b, length = s.source_rewrite
                line += f" source-rewrite {dotted(a)}/{length} to {dotted(b)}/{length}"
            lines.append(line)
        return "\n".join(lines) + "\n"


def seconds(ns):
    return f"{ns // 10**6}ms" if ns % SECOND else str(ns // SECOND)
