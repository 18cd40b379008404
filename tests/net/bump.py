"""A lab in which lbd is a bump in the wire, between clients and the router of the backends.

    client  198.51.100.7  === ext |           | int === router === switch === b1 b2 b3
                                  | appliance |         .254       10.0.0.0/24, gateway .1
    client2 192.0.2.7     === alt |           |         both networks' gateway

ext and int alone are port mode SINGLE; with alt it is MULTI. Both networks of clients are at home
on the router's one interface behind the bump. The VIP is nowhere: clients send it to the router.
"""
import socket
import struct

from lab import Host, Lab

ROUTER, ROUTER_MAC = "198.51.100.254", "02:00:c6:33:64:fe"
ROUTER2 = "192.0.2.254"
CLIENT2 = "192.0.2.7"
CLIENT6, ROUTER6 = "fd00::7", "fd00::254"
BUMP = "198.51.100.2"   # the appliance's own, on the backends' side
MTU = 1500

SINGLE = f"""\
set global topology bridged
add interface ext role frontend
add interface int role backend address {BUMP}/24
add route 10.0.0.0/24 via {ROUTER}
"""
MULTI = SINGLE.replace("role frontend", "role frontend address 198.51.100.1/24") + """\
add interface alt role frontend address 192.0.2.1/24
"""
PORTS = {"SINGLE": SINGLE, "MULTI": MULTI}


class BumpLab(Lab):
    """Offloads are left as the kernel sets them."""

    LINKS = [("client", "eth0"), ("client2", "eth0"), ("appliance", "ext"), ("appliance", "alt"),
             ("appliance", "int"), ("router", "eth0")]
    INSIDE = [("router", "inside"), ("switch", "router"), ("switch", "b1"), ("switch", "b2"),
              ("switch", "b3"), ("b1", "eth0"), ("b2", "eth0"), ("b3", "eth0")]

    def __init__(self):
        super().__init__()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        self.add_node("router", router=True)
        self.add_node("client2")
        self.link("appliance", "delete", "int")
        self.cable("appliance", "int", "router", "eth0")
        self.cable("router", "inside", "switch", "router")
        self.cable("client2", "eth0", "appliance", "alt")
        self.link("switch", "set", "router", "master", "br0")
        self.link("router", "set", "eth0", "address", ROUTER_MAC)
        for node, interface, address in (
                ("router", "eth0", f"{ROUTER}/24"), ("router", "eth0", f"{ROUTER2}/24"),
                ("router", "inside", "10.0.0.1/24"), ("client2", "eth0", f"{CLIENT2}/24")):
            self.run(node, "ip", "address", "add", address, "dev", interface)
        self.run("client", "ip", "route", "delete", "203.0.113.0/24")
        self.run("client", "ip", "route", "add", "default", "via", ROUTER)
        self.run("client2", "ip", "route", "add", "default", "via", ROUTER2)
        for node, address in (("client", CLIENT6), ("router", ROUTER6)):
            self.run(node, "sysctl", "-eqw", "net.ipv6.conf.eth0.disable_ipv6=0")
            self.run(node, "ip", "address", "add", f"{address}/64", "dev", "eth0", "nodad")

    def set_mtu(self, mtu, links):
        """Of links, where both sides of a cable are in them."""
        for node, interface in links:
            self.link(node, "set", interface, "mtu", mtu)
        for node in ("client", "client2", "router", "b1", "b2", "b3"):
            self.run(node, "ip", "route", "flush", "cache")


# What the kernel takes out of a frame and tells beside it (linux/if_packet.h).
SOL_PACKET, PACKET_AUXDATA = 263, 8
AUXDATA = struct.Struct("=IIIHHHH")   # status, len, snaplen, mac, net, vlan_tci, vlan_tpid
VLAN_VALID = 0x10


class TaggedHost(Host):
    """A raw host that sees VLAN tags where they were: in the bytes."""

    def __init__(self, lab, node, address, mac, interface="eth0"):
        super().__init__(lab, node, address, mac, interface)
        self.raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)

    def read(self):
        data, ancillary, _, (_, _, kind, _, _) = self.raw.recvmsg(65536, socket.CMSG_SPACE(32))
        for level, number, value in ancillary:
            status, *_, tci, tpid = AUXDATA.unpack(value[:AUXDATA.size])
            if (level, number) == (SOL_PACKET, PACKET_AUXDATA) and status & VLAN_VALID:
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        return data, kind

