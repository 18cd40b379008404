"""SEMANTICS 5: forwarding modes. What each changes in a packet, byte for byte, and nothing else."""
from collections import namedtuple

from wire import (DONT_FRAGMENT, ETHERNET, MORE_FRAGMENTS, TCP, UDP, carried, carried_udp, n16,
                  put16, put32, set_ip_checksum, total)

# Where a packet is to leave: by which interface, to whom on that link, whom a tunnel is from.
Way = namedtuple("Way", "interface next_hop source")
OVERHEAD = {"ipip": 20, "gue": 28}
HANDED_OVER = ("dsr", "ipip", "gue")       # the backend gets the client's own packet


class Delivery:
    def way_to(self, address, prefer=None):
        """The longest prefix; for replies, first among those through the flow's own frontend."""
        ways = [way for way in self.config.way
                if not way.length or (address ^ way.prefix) >> (32 - way.length) == 0]
        for way in ways:
            if prefer is None or way.interface == prefer:
                return way
        return ways[0] if ways else None

    def way_out(self, p, address, prefer=None, mode="nat", growth=0):
        """The Way, or why there is none; its sender has been told where a router tells."""
        way = self.way_to(address, prefer)
        if not way:
            return "no_route"
        out = self.config.interfaces[way.interface]
        if not out.up:
            return "interface_down"
        if p.ttl <= 1:                     # SEMANTICS 1: "at 1: ICMP time exceeded, rate-limited"
            self.tell_time_exceeded(p)
            return "ttl_expired"
        room = out.mtu - OVERHEAD.get(mode, 0) - growth
        if p.length > room and p.fragment & DONT_FRAGMENT:
            self.tell_too_big(p, room)     # "DF set -> ICMP fragmentation needed with the MTU"
            return "too_big"
        return Way(way.interface, way.via or address, way.source)

    def rewritten(self, p, source, destination):
        """The packet from and to these (address, port): addresses, ports, TTL, and by difference
        the checksums. Padding of the link that it came by stays behind."""
        f = bytearray(p.frame[:ETHERNET + p.length])
        before, before_ports = total(p.frame[26:34]), 0
        put32(f, 26, source[0])
        put32(f, 30, destination[0])
        after, after_ports = total(f[26:34]), 0
        if p.ports:
            before_ports = p.source_port + p.destination_port
            put16(f, p.l4, source[1])
            put16(f, p.l4 + 2, destination[1])
            after_ports = source[1] + destination[1]
        at = p.l4 + {TCP: 16, UDP: 6}.get(p.protocol, 0)
        changed = f[26:34] != p.frame[26:34] or f[p.l4:p.l4 + 4] != p.frame[p.l4:p.l4 + 4]
        if p.ports and changed:
            field = n16(f, at)
            if p.partial:
                # RINGS: the pseudo header's sum, "update it for addresses, never for ports"
                field = (field - before + after) % 0xffff or 0xffff
            elif p.protocol == TCP:
                field = carried(field, before + before_ports, after + after_ports)
            else:
                field = carried_udp(field, before + before_ports, after + after_ports)
            put16(f, at, field)
        f[22] -= 1                         # SEMANTICS 1: "decrements the TTL"
        set_ip_checksum(f)
        return f

    def as_routed(self, p):
        return self.rewritten(p, (p.source, p.source_port), (p.destination, p.destination_port))

    def deliver(self, p, flow, way):
        """To the backend, as the flow's mode says."""
        self.count("packets", flow.service, flow.backend, p.length)
        self.backend = flow.backend
        frame = self.rewritten(p, (flow.source, flow.source_port), (flow.address, flow.port))
        return self.leave(p, frame, way)

    def answer(self, p, source, destination, way, flow=None):
        """To the client: "source -> VIP:port"."""
        if flow and not flow.direct:
            self.count("reply_packets", flow.service, flow.backend, p.length)
            self.backend = flow.backend
        return self.leave(p, self.rewritten(p, source, destination), way)

    def leave(self, p, frame, way):
        """Through the interface; "DF clear -> fragment"."""
        mtu = self.config.interfaces[way.interface].mtu
        if len(frame) - ETHERNET <= mtu:
            return self.transmit(frame, way, p.interface, p.offload)
        for piece in fragments(frame, mtu):
            verdict = self.transmit(piece, way, None)
            if verdict not in ("forwarded", "held"):
                return verdict
        return "forwarded"


def fragments(frame, mtu):
    """RFC 791 section 3.2: each piece as large as fits, in multiples of 8 but the last; options that
    are to be copied are in all of them."""
    header = (frame[ETHERNET] & 15) * 4
    payload = frame[ETHERNET + header:]
    field = n16(frame, 20)
    head, done = frame[:ETHERNET + header], 0
    while done < len(payload):
        left = len(payload) - done
        size = left if left <= mtu - (len(head) - ETHERNET) else \
            (mtu - (len(head) - ETHERNET)) & ~7
        piece = bytearray(head) + payload[done:done + size]
        more = MORE_FRAGMENTS if size < left else field & MORE_FRAGMENTS
        put16(piece, 16, len(piece) - ETHERNET)
        put16(piece, 20, more | ((field & 0x1fff) + done // 8))
        piece[14] = 0x40 | (len(head) - ETHERNET) // 4
        set_ip_checksum(piece)
        yield piece
        if not done:
            head = frame[:34] + copied_options(frame[34:ETHERNET + header])
        done += size


def copied_options(options):
    out, at = bytearray(), 0
    while at < len(options) and options[at]:
        size = 1 if options[at] == 1 else options[at + 1] if at + 1 < len(options) else 0
        if not size or at + size > len(options):
            break
        if options[at] & 0x80:
            out += options[at:at + size]
        at += size
    return out + bytes(-len(out) % 4)
