"""A lab in which every forwarding mode is tried alike, in two arms and in one.

Two arms; in one arm the cable between edge and ext is missing, and int has the role both:

    client === isp === edge ============ ext [appliance] int
                         |                            |
                         +========== switch ==========+   b1 b2 b3 on it, too
                                       |
                                      core === rim === far

    client     198.51.100.7                  isp --- edge   192.0.2.0/30
    edge       192.0.2.6, ext 192.0.2.5      rim --- core   192.0.2.8/30
    switch     10.0.0.0/24: int .1, core .253, edge .254, b1 .11, b2 .12, b3 .13
    far        10.9.0.11, a backend behind two routers

Routers in a row, so that a narrow link is between two of them, where neither end of a connection
sees its MTU: between isp and edge for what goes to the client, between core and rim for what goes
to far. The gateway of the backends is what their mode wants: the appliance, or edge, past it.
"""
import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

from lab import VIP, Lab

APPLIANCE, EDGE, CORE = "10.0.0.1", "10.0.0.254", "10.0.0.253"
FAR = "10.9.0.11"
BACKENDS = {"b1": "10.0.0.11", "b2": "10.0.0.12", "b3": "10.0.0.13", "far": FAR}
MTU = 1500


@dataclasses.dataclass
class Mode:
    """One of the keywords of `mode`, and what its backends need."""
    name: str
    gateway: str                                     # of the backends
    prepare: Callable[["ModeLab", str], None] = lambda lab, node: None   # one backend
    overhead: int = 0                                # bytes that it puts before a packet
    far: bool = True                                 # it passes routers on the way to a backend

    def server_address(self, node):
        """Where a server has to be bound that answers from the address it is bound to."""
        return VIP if self.prepare in (hold_vip, unwrap) else BACKENDS[node]


def hold_vip(lab, node, interface="lo"):
    """The VIP is the backend's own, and nobody on its link may know. As in appliance/operating.md."""
    lab.run(node, "ip", "address", "add", f"{VIP}/32", "dev", interface)
    lab.run(node, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1",
            "net.ipv4.conf.all.arp_announce=2", "net.ipv4.conf.all.rp_filter=1")


def unwrap(lab, node):
    """The end of a tunnel, which holds the VIP; in place of modules that the kernel may lack."""
    end = lab.start(node, "/usr/bin/python3", Path(__file__).with_name("unwrap.py"),
                    lab.mode.name, "tunnel", stdout=subprocess.PIPE, text=True)
    assert end.stdout.readline() == "ready\n"
    lab.link(node, "set", "tunnel", "up")
    hold_vip(lab, node, "tunnel")
    lab.run(node, "sysctl", "-qw", "net.ipv4.conf.tunnel.rp_filter=2")


NAT = Mode("nat", gateway=APPLIANCE)
FULLNAT = Mode("fullnat", gateway=EDGE)
DSR = Mode("dsr", gateway=EDGE, prepare=hold_vip, far=False)
IPIP = Mode("ipip", gateway=EDGE, prepare=unwrap, overhead=20)
GUE = Mode("gue", gateway=EDGE, prepare=unwrap, overhead=28)
MODES = [NAT, FULLNAT, DSR, IPIP, GUE]
ARMS = ["two arms", "one arm"]


class ModeLab(Lab):
    def __init__(self, mode, arm):
        super().__init__()
        self.mode, self.arm = mode, arm
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        for node in ("isp", "edge", "core", "rim", "far"):
            self.add_node(node, router=node != "far")
        self.link("client", "delete", "eth0")
        self.cable("client", "eth0", "isp", "client")
        self.cable("isp", "edge", "edge", "isp")
        self.cable("edge", "eth0", "switch", "edge")
        self.cable("core", "eth0", "switch", "core")
        self.cable("core", "rim", "rim", "core")
        self.cable("rim", "far", "far", "eth0")
        for port in ("edge", "core"):
            self.link("switch", "set", port, "master", "br0")
        for node, interface, address in (
                ("client", "eth0", "198.51.100.7/24"), ("isp", "client", "198.51.100.254/24"),
                ("isp", "edge", "192.0.2.1/30"), ("edge", "isp", "192.0.2.2/30"),
                ("edge", "eth0", f"{EDGE}/24"), ("core", "eth0", f"{CORE}/24"),
                ("core", "rim", "192.0.2.9/30"), ("rim", "core", "192.0.2.10/30"),
                ("rim", "far", "10.9.0.254/24"), ("far", "eth0", f"{FAR}/24")):
            self.run(node, "ip", "address", "add", address, "dev", interface)
        if self.arm == "two arms":
            self.cable("edge", "ext", "appliance", "ext")
            self.run("edge", "ip", "address", "add", "192.0.2.6/30", "dev", "ext")
        for node, prefix, gateway in (
                ("client", "default", "198.51.100.254"), ("isp", "default", "192.0.2.2"),
                ("edge", "198.51.100.0/24", "192.0.2.1"), ("edge", "10.9.0.0/24", CORE),
                ("edge", f"{VIP}/32", "192.0.2.5" if self.arm == "two arms" else APPLIANCE),
                ("core", "10.9.0.0/24", "192.0.2.10"), ("core", "default", self.mode.gateway),
                ("rim", "default", "192.0.2.9"), ("far", "default", "10.9.0.254"),
                *((node, "default", self.mode.gateway) for node in ("b1", "b2", "b3"))):
            self.run(node, "ip", "route", "replace", prefix, "via", gateway)
        for node in BACKENDS:
            self.mode.prepare(self, node)

    @property
    def interfaces(self):
        """The appliance's interfaces and routes, as a script."""
        routes = "add route 10.9.0.0/24 via 10.0.0.253\n"
        if self.arm == "two arms":
            return ("add interface ext role frontend address 192.0.2.5/30\n"
                    "add interface int role backend address 10.0.0.1/24\n"
                    "add route 0.0.0.0/0 via 192.0.2.6\n" + routes)
        return ("add interface int role both address 10.0.0.1/24\n"
                "add route 0.0.0.0/0 via 10.0.0.254\n" + routes)

    def service(self, name, *nodes, options=""):
        """A service for every port and protocol of the VIP, answered by these nodes."""
        backends = "".join(f"add backend {name} {BACKENDS[node]}:0\n" for node in nodes)
        return (f"add pool {name}\n{backends}add service {name} {VIP}:0/any pool {name} "
                f"mode {self.mode.name} {options}\n")

    def narrow(self, where, mtu):
        """The MTU of a link that no end of a connection sees: towards the client, or far."""
        ends = {"client": (("isp", "edge"), ("edge", "isp")),
                "far": (("core", "rim"), ("rim", "core"))}[where]
        for node, interface in ends:
            self.link(node, "set", interface, "mtu", mtu)
        for node in ("client", *BACKENDS):    # what was learnt of the path before
            self.run(node, "ip", "route", "flush", "cache")
