"""Random frames: well-formed ones of clients and backends, answers and errors to what is there, and
every way of being wrong."""
import struct

import worlds
from section6 import HEARTBEAT, signature
from wire import (ACK, ARP, ECHO, ETHERNET, EVERYBODY, FIN, ICMP, IPV4, IPV6, PARTIAL, PSH, QINQ, RST,
                  SECOND, SYN, TCP, UDP, VLAN, Packet, arp, ethernet, icmp, ip_packet, n16, pseudo_header,
                  put16, set_ip_checksum, tcp, total, udp)
from worlds import ALT_CLIENT, FAR, PEOPLE, ROUTER, SERVERS, VIPS, link

FLAGS = (SYN, SYN, SYN, ACK, ACK, ACK | PSH, ACK | PSH, FIN | ACK, FIN | ACK, RST, RST | ACK, SYN | ACK, 0)
CLIENT_PORTS = (1000, 1001, 1002, 40000)


class Traffic:
    def __init__(self, rng, mode, bridged=False):
        self.rng, self.mode, self.bridged = rng, mode, bridged
        self.now = 0
        self.pool, self.datagrams = [], []
        self.burst = []            # what comes too often for the limits of what is answered

    def frame(self, spec):
        """The next one. `spec`: what is there may be spoken about."""
        if self.burst:
            return self.burst.pop()
        draw = self.rng.random()
        if draw < .0003:
            self.burst = [self.rng.choice((self.echo, self.of_client))()] * 130
        if draw < .45 and len(self.pool) > 300:
            p = self.rng.choice(self.pool)     # one that came before
            if draw < .02:
                return self.spoilt(p)
            return p
        p = self.fresh(spec)
        if len(self.pool) < 600:
            self.pool.append(p)
        else:
            self.pool[self.rng.randrange(600)] = p
        return self.spoilt(p) if self.rng.random() < .08 else p

    def fresh(self, spec):
        draw, flows = self.rng.random(), spec.flows.flows
        if draw < .45 or not flows:
            return self.of_client()
        if draw < .75:
            return self.of_flow(self.rng.choice(flows))
        if draw < .83:
            return self.error(spec)
        if draw < .87:
            return self.fragment(spec)
        if draw < .9:
            return self.arp(spec)
        if draw < .96:
            return self.of_backend()
        if draw < .98:
            return self.echo()
        return self.stray(spec)

    # ---- where a frame comes from ----

    def wrap(self, source, packet, interface=None, spec=None, **more):
        """By the interface that the source is behind, mostly."""
        rng = self.rng
        if interface is None:
            interface = 1 if source >> 24 == 10 else 2 if source == ALT_CLIENT else 0
            if rng.random() < .02:
                interface = rng.randrange(3)
        to_mac = (worlds.EXT_MAC, worlds.INT_MAC, worlds.ALT_MAC)[interface]
        if self.bridged:
            to_mac = bytes((2, 0, 0, 0, 0xfe, interface == 1))
        from_mac = link(ROUTER if source == FAR else source)
        if rng.random() < .01:
            to_mac = rng.choice((EVERYBODY, bytes.fromhex("01005e000001"), bytes(6), worlds.EXT_MAC))
        if rng.random() < .005:
            from_mac = rng.choice((EVERYBODY, worlds.INT_MAC))
        frame = ethernet(to_mac, from_mac, IPV4, packet)
        if rng.random() < .2:
            frame += bytes(max(0, 60 - len(frame)))
        if rng.random() < .01:
            more["vlan"] = rng.choice(((5, 0x8100), (0x2000, 0x8100)))
        return Packet(frame, interface, **more)

    def payload(self):
        size = self.rng.choice((0, 1, 8, 17, 17, 40, 330, 365, 700)) if self.rng.random() < .3 else 12
        return bytes([self.rng.randrange(256)]) * size

    def ip(self, source, destination, protocol, l4, **more):
        rng = self.rng
        more.setdefault("ttl", rng.choice((64, 64, 64, 64, 64, 64, 255, 2, 1, 0)) if rng.random() < .2 else 64)
        more.setdefault("ident", rng.randrange(65536))
        more.setdefault("tos", rng.choice((0, 0, 0, 0x10, 0xb8)))
        more.setdefault("fragment", rng.choice((0, 0x4000)))
        if rng.random() < .03:
            more.setdefault("options", rng.choice((
                b"\x01\x01\x01\x00", b"\x94\x04\x00\x00", b"\x44\x04\x05\x00\x83\x03\x04\x00", b"\x07\xff\x04\x00")))
        return ip_packet(source, destination, protocol, l4, **more)

    becomes_zero = 1               # what a checksum has to be to be zero once it is rewritten

    def packet(self, source, sport, destination, dport, protocol, flags=None, interface=None):
        rng = self.rng
        if protocol == TCP:
            if flags is None:
                flags = rng.choice(FLAGS)
            l4 = tcp(source, sport, destination, dport, flags, self.payload(), rng.getrandbits(32),
                     rng.getrandbits(32), b"\x02\x04\x05\xb4" if flags & SYN else b"")
        else:
            l4 = udp(source, sport, destination, dport, self.payload(), rng.random() < .1)
        draw, more = rng.random(), {}
        if draw < .03:
            return self.super_frame(source, sport, destination, dport, protocol, flags or ACK, interface)
        if draw < .06:                     # the sender leaves the checksum to its NIC
            at = 16 if protocol == TCP else 6
            l4 = bytearray(l4)
            put16(l4, at, total(pseudo_header(source, destination, protocol, len(l4))))
            whole = self.ip(source, destination, protocol, bytes(l4))
            more["offload"] = struct.pack("<BBHHHH", PARTIAL, 0, 0, 0,
                                          ETHERNET + (whole[0] & 15) * 4, at)
        elif draw < .1:                    # on its way it was damaged, or will carry a rare sum
            at = 16 if protocol == TCP else 6
            l4 = bytearray(l4)
            put16(l4, at, rng.choice((0xffff, 1, n16(l4, at) ^ 0x100, self.becomes_zero)))
            whole = self.ip(source, destination, protocol, bytes(l4))
        else:
            whole = self.ip(source, destination, protocol, l4)
        return self.wrap(source, whole, interface, **more)

    def super_frame(self, source, sport, destination, dport, protocol, flags, interface):
        """Many segments in one, their checksums left to the NIC."""
        rng = self.rng
        data = rng.randbytes(rng.choice((0, 500, 1000, 1001, 1400)))
        size = rng.choice((100, 300, 500))
        if protocol == TCP:
            l4 = tcp(source, sport, destination, dport, flags | rng.choice((0, 128)), data)
            at, kind = 16, rng.choice((1, 1, 0x81))
        else:
            l4, at, kind = udp(source, sport, destination, dport, data), 6, 5
        if rng.random() < .05:
            kind, size = rng.choice(((4, size), (kind, 0)))
        l4 = bytearray(l4)
        put16(l4, at, total(pseudo_header(source, destination, protocol, len(l4))))
        whole = self.ip(source, destination, protocol, bytes(l4))
        header = (whole[0] & 15) * 4
        return self.wrap(source, whole, interface, offload=struct.pack(
            "<BBHHHH", PARTIAL, kind, ETHERNET + header + len(l4) - len(data), size, ETHERNET + header, at))

    # ---- what frames say ----

    def of_client(self):
        rng = self.rng
        vip, dport, protocol = rng.choice((
            (VIPS[0], 80, TCP), (VIPS[0], 80, TCP), (VIPS[0], 53, UDP), (VIPS[0], 53, UDP),
            (VIPS[1], 80, TCP), (VIPS[1], 53, UDP), (VIPS[2], 80, TCP), (VIPS[0], 5000, UDP),
            (VIPS[0], 5001, UDP), (VIPS[2], 81, TCP), (VIPS[2], 81, UDP), (VIPS[0], 81, TCP),
            (VIPS[0], 54, UDP)))
        return self.packet(rng.choice(PEOPLE), rng.choice(CLIENT_PORTS), vip, dport, protocol)

    def of_flow(self, flow):
        """Of the client, or the backend's answer, or what may pass for it."""
        rng = self.rng
        client, cport, vip, vport, protocol = flow.forward
        draw = rng.random()
        words = sum((a >> 16) + (a & 0xffff) for a in (flow.source, flow.address)) + flow.source_port + \
            flow.port - sum((a >> 16) + (a & 0xffff) for a in (client, vip)) - cport - vport
        self.becomes_zero = (words if draw < .3 else -words) % 0xffff or 1
        if draw < .3:
            return self.packet(client, cport, vip, vport, protocol,
                               interface=flow.frontend if rng.random() < .9 else None)
        if draw < .9 and flow.reply:
            return self.packet(*flow.reply[:2], *flow.reply[2:])
        if draw < .95:                     # a backend that holds the VIP answers through us
            return self.packet(vip, vport, client, cport, protocol, interface=1)
        return self.packet(flow.address, flow.port, client, cport, protocol)

    def of_backend(self):
        rng = self.rng
        source, sport = rng.choice(SERVERS), rng.choice((8080, 53, 80, 9999))
        if rng.random() < .5:              # alive, if anybody listens
            own = worlds.address("10.0.0.1")
            if rng.random() < .3:
                return self.packet(source, sport, own, 7000, UDP)
            return self.wrap(source, self.ip(source, own, UDP, udp(
                source, sport, own, 7000, self.heartbeat(source))))
        to = rng.choice(PEOPLE + [worlds.address("10.0.0.1"), worlds.address("172.16.0.7")])
        dport = rng.choice(CLIENT_PORTS + (7000,))
        return self.packet(source, sport, to, dport, rng.choice((TCP, UDP)))

    def heartbeat(self, source):
        """A signed one; now and then by another, or of another time."""
        rng = self.rng
        at = max(1, self.now + rng.choice((0, 0, 0, 0, 29, -29, 31, -31)) * SECOND)
        signed = HEARTBEAT.pack(b"LBHB", rng.choice((1,) * 9 + (2,)), rng.choice((0, 1)), rng.choice((5, 0)),
                                at, rng.randrange(4), source if rng.random() < .95 else SERVERS[0], 0, 0)
        key = worlds.KEY if rng.random() < .9 else b"of another check"
        return signed + signature(key, signed) + (b"" if rng.random() < .97 else b"\0")

    def quoted(self, spec):
        """A packet that somebody may complain about, and who would."""
        rng, flows = self.rng, spec.flows.flows
        if flows and rng.random() < .85:
            flow = rng.choice(flows)
            client, cport, vip, vport, protocol = flow.forward
            if rng.random() < .5:
                return (vip, vport, client, cport, protocol), client
            if flow.mode in ("ipip", "gue"):
                return flow, flow.address
            return (flow.source, flow.source_port, flow.address, flow.port, protocol), flow.address
        key = (rng.choice(PEOPLE), rng.choice(CLIENT_PORTS), rng.choice(SERVERS), rng.choice((8080, 53)),
               rng.choice((TCP, UDP, ICMP)))
        return key, key[2]

    def error(self, spec):
        rng = self.rng
        about, who = self.quoted(spec)
        if isinstance(about, tuple):
            source, sport, destination, dport, protocol = about
            l4 = udp(source, sport, destination, dport, self.payload()) if protocol == UDP else \
                tcp(source, sport, destination, dport, ACK, self.payload())
            if protocol == UDP and destination >> 24 == 10 and rng.random() < .5:
                header = worlds.PROXY + struct.pack(">BBHIIHH", 0x21, 0x12, 12, source, destination,
                                                    sport, dport)
                l4 = udp(source, sport, destination, dport, header + self.payload())
            packet = self.ip(source, destination, protocol, l4)
        else:                              # about a tunnel's outer header
            client, cport, vip, vport, protocol = about.forward
            l4 = udp(client, cport, vip, vport, self.payload()) if protocol == UDP else \
                tcp(client, cport, vip, vport, ACK, self.payload())
            inner = self.ip(client, vip, protocol, l4)
            source = worlds.address("10.0.0.1")
            packet = ip_packet(source, about.address, 4, inner) if about.mode == "ipip" else \
                ip_packet(source, about.address, UDP, udp(source, 50000, about.address, 6080, inner))
        if rng.random() < .5:
            packet = packet[:rng.choice((28, 36, 48, 60, 100))]
        kind, code = rng.choice(((3, 4), (3, 4), (3, 1), (3, 3), (11, 0), (11, 1), (4, 0), (5, 1),
                                 (12, 0), (3, 5)))
        mtu = rng.choice((0, 1400, 80, 20)) if (kind, code) == (3, 4) else 0
        sender = who if rng.random() < .6 else FAR if who >> 24 != 10 else worlds.address("10.0.0.99")
        message = self.ip(sender, source, ICMP, icmp(kind, code, mtu, packet))
        if rng.random() < .05:
            message = bytearray(message)
            message[-1] ^= 1
        return self.wrap(sender, bytes(message))

    def echo(self):
        rng = self.rng
        source = rng.choice(PEOPLE + SERVERS)
        to = rng.choice(VIPS + [worlds.address(a) for a in ("198.51.100.1", "10.0.0.1", "198.18.0.1")])
        message = icmp(rng.choice((ECHO, ECHO, ECHO, 0, 13)), 0, rng.getrandbits(32), self.payload())
        return self.wrap(source, self.ip(source, to, ICMP, message))

    def fragment(self, spec):
        """Pieces of some datagrams at a time, one by one and in any order."""
        rng = self.rng
        if len(self.datagrams) < 4 or rng.random() < .15:
            whole = (self.of_flow(rng.choice(spec.flows.flows))
                     if rng.random() < .5 and spec.flows.flows else self.of_client())
            if len(whole.frame) < 34 or n16(whole.frame, 12) != IPV4 or whole.offload[0]:
                return whole
            header = (whole.frame[14] & 15) * 4
            source, destination = (int.from_bytes(whole.frame[at:at + 4], "big") for at in (26, 30))
            length = n16(whole.frame, 16) - header
            self.datagrams = self.datagrams[-3:] + [(
                source, destination, whole.frame[23], rng.randrange(65536), whole.interface,
                whole.frame[14 + header:14 + header + length] + bytes(72))]
        source, destination, protocol, ident, interface, l4 = rng.choice(self.datagrams)
        offset = rng.choice((0, 0, 24, 24, 48, 48, 32, 8, 40))
        piece = l4[offset:offset + 24]
        more = offset < 48 or rng.random() < .3
        packet = self.ip(source, destination, protocol, piece, ident=ident,
                         fragment=offset // 8 | (0x2000 if more else 0) | rng.choice((0, 0, 0, 0x4000)))
        return self.wrap(source, packet, interface)

    def arp(self, spec):
        rng = self.rng
        sender = rng.choice(PEOPLE + SERVERS + [ROUTER, 0, VIPS[0]])
        target = rng.choice(VIPS + [worlds.address(a) for a in ("198.51.100.1", "10.0.0.1", "10.0.0.2")] + SERVERS)
        mac = link(sender) if rng.random() < .9 else rng.choice(
            (bytes(6), EVERYBODY, bytes((2, 9, 9, 9, 9, 9)), worlds.EXT_MAC))
        interface = 1 if sender >> 24 == 10 else 2 if sender == ALT_CLIENT else 0
        if rng.random() < .05:
            interface = rng.randrange(3)
        own = (worlds.EXT_MAC, worlds.INT_MAC, worlds.ALT_MAC)[interface]
        if rng.random() < .5:
            body = arp(1, mac, sender, bytes(6), target)
            frame = ethernet(rng.choice((EVERYBODY, own)), mac, ARP, body)
        else:
            asked = [key for key, entry in spec.neighbors.items() if entry.state in ("incomplete", "probe")]
            if asked and rng.random() < .8:
                interface, sender = rng.choice(asked)
                own = (worlds.EXT_MAC, worlds.INT_MAC, worlds.ALT_MAC)[interface]
                mac = link(sender)
            target = rng.choice((0, worlds.address("10.0.0.1"), worlds.address("198.51.100.1"), SERVERS[0]))
            body = arp(2, mac, sender, own, target)
            frame = ethernet(own, mac, ARP, body)
        if rng.random() < .05:
            frame = frame[:rng.randrange(14, len(frame))]
        return Packet(frame + bytes(rng.choice((0, 18))), interface)

    def stray(self, spec):
        """Neither service nor answer."""
        rng = self.rng
        draw = rng.random()
        interface = rng.randrange(3)
        own = (worlds.EXT_MAC, worlds.INT_MAC, worlds.ALT_MAC)[interface]
        source = rng.choice(PEOPLE)
        if draw < .2:
            kind = rng.choice((IPV6, VLAN, QINQ, 0x88cc, 0x0027))
            return Packet(ethernet(own, link(source), kind, bytes(rng.randrange(1, 60))), interface)
        if draw < .4:                      # past the services
            return self.packet(source, rng.choice(CLIENT_PORTS), rng.choice(SERVERS),
                               rng.choice((8080, 53, 22)), rng.choice((TCP, UDP)))
        if draw < .6:
            source = rng.choice((0, 0x7f000001, 0xe0000001, 0xffffffff, VIPS[0], worlds.address("10.0.0.1"),
                                 worlds.address("10.0.0.255"), 0xf0000001))
            return self.packet(source, 1000, rng.choice(VIPS), 80, TCP, interface=interface)
        if draw < .8:
            to = rng.choice((0, 0x7f000001, 0xe0000001, 0xffffffff, worlds.address("10.0.0.255"),
                             worlds.address("198.51.100.1"), worlds.address("10.0.0.1"),
                             worlds.address("8.8.8.8")))
            return self.packet(source if interface != 1 else SERVERS[0], 1000, to, 80, rng.choice((TCP, UDP)))
        protocol = rng.choice((4, 47, 132))
        to = rng.choice(VIPS + [worlds.address("10.0.0.1"), worlds.address("8.8.8.8")])
        return self.wrap(source, self.ip(source, to, protocol, self.payload()))

    def spoilt(self, p):
        """A bit here, an end there; the IP checksum put right again, or not."""
        rng = self.rng
        f = bytearray(p.frame)
        draw = rng.random()
        wire = None
        if draw < .3 and len(f) > 20:
            f = f[:rng.randrange(len(f))]
        elif draw < .35:
            wire = len(f) + 100
        elif f:
            for _ in range(rng.choice((1, 1, 1, 3))):
                at = rng.randrange(min(len(f), 64))
                f[at] = rng.choice((0, 1, 0x7f, 0xff, f[at] ^ 1 << rng.randrange(8)))
        if len(f) >= 34 and rng.random() < .8 and len(f) >= 14 + (f[14] & 15) * 4 >= 34:
            set_ip_checksum(f)
        return Packet(f, p.interface, wire, (p.vlan_tci, p.vlan_tpid))
