"""SEMANTICS 1: "`topology bridged`: a bump in the wire. MACs and TTL are untouched, only addresses,
ports and checksums of service traffic change"; the rest crosses as it is."""
from section2 import admitted, reports_error
from section5 import Way
from wire import ARP, ETHERNET, ICMP, IPV4, is_host, n16, n32


class Bridge:
    def meet_bridged(self, p):
        if p.ethertype == ARP:
            return self.bridge_arp(p)
        if p.ethertype != IPV4:
            return self.cross_frame(p, self.other_side(p))
        drop = admitted(p)
        if drop:
            return drop if self.names_us(p) else self.cross_frame(p, self.other_side(p))
        for_many = not is_host(p.destination) or p.to_mac[0] & 1 or self.is_broadcast(p.destination)
        if (not self.ours(p.destination) and for_many) or not self.minded(p):
            self.from_backends(p) and not p.offset and self.hear_heartbeat(p)
            return self.cross(p)
        return self.route_ipv4(p)

    def names_us(self, p):
        """A malformed packet that says it is for the appliance, or of a backend."""
        if len(p.frame) < ETHERNET + 20:
            return False
        source, destination = n32(p.frame, 26), n32(p.frame, 30)
        return self.ours(destination) or (self.from_backends(p) and self.is_backend(source))

    def is_backend(self, address):
        return any(b.address == address for b in self.config.backends)

    def minded(self, p):
        """Service traffic, and what is for the appliance; its addresses are outside of any VLAN."""
        if p.destination in self.config.own:
            return not (p.vlan_tpid and p.vlan_tci & 0xfff)
        if p.destination in self.config.vips:
            return not self.from_backends(p) or p.protocol == ICMP
        return self.from_backends(p) and (self.is_backend(p.source) or reports_error(p))

    def frontends(self):
        return [i for i, port in enumerate(self.config.interfaces) if port.frontend]

    def backend_side(self):
        return next((i for i, port in enumerate(self.config.interfaces) if port.backend), None)

    def other_side(self, p):
        """"from a backend with several frontends it is flooded to all of them"."""
        if not self.from_backends(p):
            return self.backend_side()
        frontends = self.frontends()
        return frontends[0] if len(frontends) == 1 else "every frontend"

    def side_towards(self, p, address, prefer=None):
        """Of service traffic: to the backends, or to the flow's frontend, or to the one that owns
        the prefix; to all where none does."""
        if not self.from_backends(p):
            return self.backend_side()
        if prefer is not None and self.config.interfaces[prefer].frontend:
            return prefer
        return self.owner_of_prefix(address)

    def owner_of_prefix(self, address):
        frontends = self.frontends()
        if len(frontends) == 1:
            return frontends[0]
        ways = [way for way in self.config.way if way.interface in frontends and
                (not way.length or (address ^ way.prefix) >> (32 - way.length) == 0)]
        best = {way.interface for way in ways if way.length == ways[0].length}
        return best.pop() if len(best) == 1 else "every frontend"

    def cross_frame(self, p, out):
        """As it is, padding and tag included."""
        if p.from_mac in (port.mac for port in self.config.interfaces):
            return "looped"
        mtu = self.mtu(out)
        if not mtu:
            return "interface_down"
        if len(p.frame) - ETHERNET > mtu:
            return "too_big"
        self.transmit_bridged(p.frame, out, p.offload, (p.vlan_tci, p.vlan_tpid), False)
        return "forwarded"

    def cross(self, p):
        """A packet that is nobody's here; too big a one is told of, or cut."""
        if p.from_mac in (port.mac for port in self.config.interfaces):
            return "looped"
        drop = None if self.from_backends(p) else self.remember_direct(p)
        if drop:
            return drop
        way = Way(self.other_side(p), p.destination, 0)
        return self.refused(p, way) or self.leave(p, bytearray(p.frame), way)

    def transmit_bridged(self, frame, out, offload, vlan, originated):
        outs = [out]
        if out == "every frontend":
            outs = [i for i in self.frontends() if size_on_wire(frame, offload) <= self.mtu(i)]
        for i in outs:
            self.send(frame, i, offload, vlan, originated)

    def bridge_arp(self, p):
        """"ARP crosses as it is (with several frontends, an ARP request from a backend goes to the
        frontend that owns the target's prefix)"; what asks for an address of the appliance is
        answered."""
        if not (p.vlan_tpid and p.vlan_tci & 0xfff):
            verdict = self.arp(p)
            if p.to_mac in (port.mac for port in self.config.interfaces) or \
                    verdict in ("consumed", "rate_limited"):
                return verdict
        out = self.other_side(p)
        if self.from_backends(p) and len(p.frame) >= ETHERNET + 28 and n16(p.frame, 16) == IPV4:
            out = self.owner_of_prefix(n32(p.frame, 38))
        return self.cross_frame(p, out)


def size_on_wire(frame, offload):
    """Of a super-frame, that of the largest packet that it becomes."""
    if not offload[1]:
        return len(frame) - ETHERNET
    start = offload[6] | offload[7] << 8
    head = (frame[start + 12] >> 4) * 4 if offload[8] == 16 else 8
    return start - ETHERNET + head + (offload[4] | offload[5] << 8)
