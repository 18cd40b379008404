"""SEMANTICS 5: forwarding modes. What each changes in a packet, byte for byte, and nothing else."""
import struct
from collections import namedtuple

from wire import (CWR, DONT_FRAGMENT, ETHERNET, FIN, MORE_FRAGMENTS, NO_OFFLOAD, PARTIAL, PSH, TCP, UDP,
                  Packet, carried, carried_udp, checksum, ip_packet, n16, n32, pseudo_header, put16, put32,
                  set_ip_checksum, total, within)

# Where a packet is to leave: by which interface, to whom on that link, whom a tunnel is from.
Way = namedtuple("Way", "interface next_hop source")
# What a mode makes of a packet: its addresses and ports, how it is wrapped, whether a PROXY header
# goes before its payload.
Plan = namedtuple("Plan", "source destination mode proxy hash")
OVERHEAD = {"ipip": 20, "gue": 28}
HANDED_OVER = ("dsr", "ipip", "gue")       # the backend gets the client's own packet
GUE_PORT = 6080
FULLNAT_PORTS = (1024, 60416)            # the appliance's pool of ports: the first, how many
PROXY_SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


class Delivery:
    def way_to(self, address, prefer=None):
        """SEMANTICS 7: the longest prefix; for replies, first among those through the flow's own
        frontend (SEMANTICS 1)."""
        ways = [way for way in self.config.way if within(address, way.prefix, way.length)]
        for way in ways:
            if prefer is None or way.interface == prefer:
                return way
        return ways[0] if ways else None

    def way_out(self, p, address, prefer=None, plan=None):
        """The Way, or why there is none; its sender has been told where a router tells."""
        if plan and plan.proxy and p.header + n16(p.frame, p.l4 + 4) + proxy_size(p) > 65535:
            return "too_big"
        if self.config.bridged:
            way = Way(self.side_towards(p, address, prefer), address, 0)
        else:
            route = self.way_to(address, prefer)
            if not route:
                return "no_route"
            way = Way(route.interface, route.via or address, route.source)
        return self.refused(p, way, plan) or way

    def refused(self, p, way, plan=None):
        mtu = self.mtu(way.interface)
        if not mtu:
            return "interface_down"
        if p.ttl <= 1 and not self.config.bridged:
            self.tell_sender(p, "time exceeded")   # SEMANTICS 1: "at 1: ICMP time exceeded"
            return "ttl_expired"
        room = self.room(mtu, p, plan)
        if p.size_on_wire > room and (p.fragment & DONT_FRAGMENT or room < 68):
            self.tell_sender(p, "too big", room)   # "DF set -> ICMP fragmentation needed with the MTU"
            return "too_big"
        return None

    def mtu(self, interface):
        """Zero where nothing leaves."""
        ports = self.config.interfaces
        if interface == "every frontend":
            return max(port.mtu if port.up else 0 for port in ports if port.frontend)
        return ports[interface].mtu if interface is not None and ports[interface].up else 0

    def room(self, mtu, p, plan):
        """For the packet as it is: "PROXY protocol ... MTU checked after"."""
        if not plan:
            return mtu
        return max(0, mtu - OVERHEAD.get(plan.mode, 0) - (proxy_size(p) if plan.proxy else 0))

    def rewritten(self, p, source, destination):
        """The packet from and to these (address, port): addresses, ports and TTL, and the checksums
        "by difference (RFC 1624, equation 3), never recomputed" but the IP header's, where the
        difference has to come to the same as recomputing."""
        f = bytearray(p.frame)
        before = total(f[26:34])
        put32(f, 26, source[0])
        put32(f, 30, destination[0])
        after = total(f[26:34])
        changed = f[26:34] != p.frame[26:34]
        if p.ports:
            put16(f, p.l4, source[1])
            put16(f, p.l4 + 2, destination[1])
            changed = changed or f[p.l4:p.l4 + 4] != p.frame[p.l4:p.l4 + 4]
            if changed:
                at = p.l4 + (16 if p.protocol == TCP else 6)
                ports_before, ports_after = p.source_port + p.destination_port, source[1] + destination[1]
                put16(f, at, self.l4_field(p, n16(f, at), before, after, ports_before, ports_after))
        if not self.config.bridged:
            f[22] -= 1                     # SEMANTICS 1: "decrements the TTL"
        set_ip_checksum(f)
        return f

    @staticmethod
    def l4_field(p, field, before, after, ports_before=0, ports_after=0):
        if p.partial:
            # RINGS: the pseudo header's sum, "update it for addresses, never for ports"
            return (field - before + after) % 0xffff or 0xffff
        carry = carried if p.protocol == TCP else carried_udp
        return carry(field, before + ports_before, after + ports_after)

    def plan_of(self, flow, p):
        return Plan((flow.source, flow.source_port), (flow.address, flow.port), flow.mode,
                    flow.proxy in ("first", "every"), self.flow_hash(p.key))

    def flow_hash(self, key):
        return self.oracle.hash(key, self.table_seed)

    def deliver(self, p, flow, way, plan):
        """To the backend, as the flow's mode says."""
        self.count("packets", flow.service, flow.backend, p.length)
        self.backend = flow.backend
        if plan.mode in HANDED_OVER:       # dsr: "only MACs change"; ipip, gue: wrapped as it is
            frame = bytearray(p.frame)
        else:
            frame = self.rewritten(p, plan.source, plan.destination)
        if plan.proxy:
            frame = with_proxy_header(p, frame, plan)
        return self.leave(p, frame, way, plan)

    def answer(self, p, source, destination, way, flow=None):
        """To the client: "source -> VIP:port"."""
        if flow and not flow.direct:
            self.count("reply_packets", flow.service, flow.backend, p.length)
            self.backend = flow.backend
        return self.leave(p, self.rewritten(p, source, destination), way)

    def leave(self, p, frame, way, plan=None):
        """Through the interface, wrapped where the mode says so; "DF clear -> fragment". Padding
        of the link that it came by stays behind, but where it is bridged and fits."""
        mode = plan.mode if plan else "nat"
        self.fate = way, plan, frame[26:30], frame[30:34], len(frame) - len(p.frame)
        mtu, wrapped = self.mtu(way.interface), mode in OVERHEAD
        length = n16(frame, 16) or p.length
        in_interface = None if p.originated or p.piece else p.interface
        room = mtu - OVERHEAD.get(mode, 0)
        whole = length <= room
        if p.super_frame:                  # RINGS: "what cannot be passed through must be segmented"
            whole = not wrapped and p.size_on_wire <= room
            if not whole:
                return self.leave_cut(p, frame, way, plan)
        if not self.config.bridged or not whole or len(frame) > ETHERNET + mtu:
            frame = frame[:ETHERNET + length]
        offload = p.offload
        if offload[0] & PARTIAL and (wrapped or not whole):
            offload = finish_checksum(frame, offload)
        if whole:
            if wrapped:
                frame, offload = self.wrapped(frame, way, plan), NO_OFFLOAD
            return self.transmit(frame, way, in_interface, offload, (p.vlan_tci, p.vlan_tpid))
        for piece in fragments(frame, room):
            if wrapped:
                piece = self.wrapped(piece, way, plan)
            verdict = self.transmit(piece, way, None, NO_OFFLOAD, (p.vlan_tci, p.vlan_tpid))
            if verdict not in ("forwarded", "held"):
                return verdict
        return "forwarded"

    def leave_cut(self, p, frame, way, plan):
        pieces = segments(p, frame)
        for piece in pieces or ():
            verdict = self.leave(piece, bytearray(piece.frame), way, plan)
            if verdict not in ("forwarded", "held"):
                return verdict
        return "forwarded" if pieces else "too_big"

    def wrapped(self, frame, way, plan):
        """"wrapped in IPv4, outer TTL 64, outer source per interface"; or "in UDP (port 6080),
        source port from the flow's hash". Type of service and DF are the client's packet's."""
        inner = bytes(frame[ETHERNET:])
        fragment = n16(inner, 6) & DONT_FRAGMENT
        ident = 0
        if not fragment:
            ident = self.tunnel_id = (self.tunnel_id + 1) & 0xffff
        payload, protocol = inner, 4
        if plan.mode == "gue":
            head = struct.pack(">HHHH", 49152 + (plan.hash >> 50), GUE_PORT, 8 + len(inner), 0)
            pseudo = pseudo_header(way.source, plan.destination[0], UDP, 8 + len(inner))
            # A packet that came corrupted stays visibly so: what its own checksum covers is summed
            # as its sender meant it.
            value = checksum(pseudo + head + as_meant(inner)) or 0xffff
            payload, protocol = head[:6] + struct.pack(">H", value) + inner, UDP
        return bytearray(frame[:ETHERNET]) + ip_packet(
            way.source, plan.destination[0], protocol, payload, 64, ident, inner[1], fragment)

    # ---- mode fullnat ----

    def fullnat_source(self, flow):
        """"source -> an address:port of the appliance's pool": of the interface that it leaves by,
        from the ports that are this appliance's share. Which one is free by definition: it has to
        be one that no live flow has towards that backend. None: all are taken."""
        way = self.way_to(flow.address)
        addresses = [a for a, _ in self.config.interfaces[way.interface].addresses]
        slices, own = self.config.slices, self.config.slice
        first = FULLNAT_PORTS[0] + FULLNAT_PORTS[1] * (own - 1) // slices
        last = FULLNAT_PORTS[0] + FULLNAT_PORTS[1] * own // slices - 1

        def taken(address, port):
            other, _ = self.flows.by_key.get((flow.address, flow.port, address, port,
                                              flow.forward[4]), (None, None))
            return other is not None and not other.expired(self.now)

        for address, port, backend in self.oracle.sources:
            if backend == flow.address and address in addresses and first <= port <= last and \
                    not taken(address, port):
                return address, port
        # Where none was, none is looked for during 10 ms, unless a flow of the backend ends.
        place, ended = (flow.backend, flow.port, flow.forward[4]), self.flows.ended.get(flow.backend, 0)
        until, then = self.exhausted.get(place, (0, 0))
        if self.now < until and ended == then:
            return None
        free = [(a, port) for a in addresses for port in range(first, last + 1) if not taken(a, port)]
        if free:
            return free[0]
        self.exhausted[place] = self.now + 10**7, ended
        return None

    # ---- source-rewrite ----

    @staticmethod
    def moved(service, address, back=False):
        """"the client's network bits become the new prefix, host bits kept; undone on replies"."""
        if not service.source_rewrite:
            return address
        old, new, length = service.source_rewrite
        if back:
            old, new = new, old
        hosts = (1 << (32 - length)) - 1
        return new & ~hosts | address & hosts if within(address, old, length) else address


def proxy_size(p):
    """"28 bytes before the payload"; before that of a first fragment 32, so that the later ones,
    which move by it, stay multiples of 8."""
    return 28 if p.whole else 32


def with_proxy_header(p, frame, plan):
    """"(IPv4: signature, 0x21, 0x12, length 12, client, backend address and ports), lengths and
    checksum fixed"."""
    size = proxy_size(p)
    header = PROXY_SIGNATURE + struct.pack(">BBHIIHH", 0x21, 0x12, size - 16, p.source,
                                           plan.destination[0], p.source_port, plan.destination[1])
    header += b"\x04\0\x01\0" if size == 32 else b""      # of type NOOP
    frame = frame[:p.l4 + 8] + header + frame[p.l4 + 8:]
    length, field = n16(frame, p.l4 + 4), n16(frame, p.l4 + 6)
    put16(frame, 16, n16(frame, 16) + size)
    put16(frame, p.l4 + 4, length + size)
    if p.partial:
        field = (field + size) % 0xffff or 0xffff
    else:
        # The length counts twice: in the header, and in the pseudo header.
        field = carried_udp(field, 2 * length, 2 * (length + size) + total(header))
    put16(frame, p.l4 + 6, field)
    set_ip_checksum(frame)
    return frame


def finish_checksum(frame, offload):
    """What the sender left for its NIC, done: where the NIC cannot."""
    start, at = struct.unpack_from("<HH", offload, 6)
    put16(frame, start + at, checksum(frame[start:]) or 0xffff)
    return bytes([offload[0] & ~PARTIAL]) + offload[1:]


def as_meant(inner):
    """The bytes of a packet, or what they add up to where checksums say so."""
    size = (inner[0] & 15) * 4
    l4, protocol = inner[size:], inner[9]
    covered = not n16(inner, 6) & (MORE_FRAGMENTS | 0x1fff) and (
        protocol == TCP or (protocol == UDP and n16(l4, 6) and n16(l4, 4) == len(l4)))
    if not covered:
        return inner
    pseudo = inner[12:20] + struct.pack(">HH", protocol, len(l4))
    return struct.pack(">H", checksum(pseudo))


def fragments(frame, mtu):
    """RFC 791 section 3.2: each piece as large as fits, in multiples of 8 but the last; options that
    are to be copied are in all of them."""
    header = (frame[ETHERNET] & 15) * 4
    payload = frame[ETHERNET + header:]
    field = n16(frame, 20)
    head, done = frame[:ETHERNET + header], 0
    while done < len(payload):
        room = mtu - (len(head) - ETHERNET)
        left = len(payload) - done
        size = left if left <= room else room & ~7
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


def segments(p, frame):
    """What a NIC would make of a super-frame (linux/virtio_net.h): packets of one size, the last one
    shorter, each with lengths, id, sequence number, flags and checksums of its own. None: it does
    not say how."""
    kind = p.offload[1] & 0x7f             # but for the bit of ECN
    if (kind, p.protocol) not in ((1, TCP), (5, UDP)) or not p.segment:
        return None
    start = p.l4 + p.l4_header
    payload, pieces = frame[start:ETHERNET + p.length], []
    for number, at in enumerate(range(0, max(1, len(payload)), p.segment)):
        data = payload[at:at + p.segment]
        piece = bytearray(frame[:start]) + data
        last = at + p.segment >= len(payload)
        put16(piece, 16, len(piece) - ETHERNET)
        put16(piece, 18, (n16(frame, 18) + number) & 0xffff)
        set_ip_checksum(piece)
        field = p.l4 + 16
        if p.protocol == TCP:
            put32(piece, p.l4 + 4, (n32(frame, p.l4 + 4) + at) & 0xffffffff)
            piece[p.l4 + 13] &= ~((CWR if number else 0) | (0 if last else PSH | FIN))
        else:
            field = p.l4 + 6
            put16(piece, p.l4 + 4, len(piece) - p.l4)
        put16(piece, field, 0)
        pseudo = pseudo_header(n32(piece, 26), n32(piece, 30), p.protocol, len(piece) - p.l4)
        value = checksum(pseudo + piece[p.l4:])
        put16(piece, field, value if p.protocol == TCP else value or 0xffff)
        packet = Packet(piece, p.interface, None, (p.vlan_tci, p.vlan_tpid))
        packet.read_ip()
        packet.read_ports()
        packet.piece = True
        pieces.append(packet)
    return pieces


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
