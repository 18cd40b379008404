"""What stands where in a frame, and the Internet checksum.

RFC 791 (IP), 768 (UDP), 9293 (TCP), 792 (ICMP), 826 (ARP), 1071 and 1624 (checksums). Addresses
are numbers. A Packet is a frame taken apart, once, and never changed; what leaves is a new frame.
"""
import struct

SECOND = 10**9
MILLISECOND = 10**6

IPV4, ARP, IPV6, VLAN, QINQ = 0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8
ICMP, IPIP, TCP, UDP = 1, 4, 6, 17
FIN, SYN, RST, PSH, ACK, CWR = 1, 2, 4, 8, 16, 128
DONT_FRAGMENT, MORE_FRAGMENTS, OFFSET = 0x4000, 0x2000, 0x1fff
ECHO_REPLY, UNREACHABLE, SOURCE_QUENCH, REDIRECT, ECHO, TIME_EXCEEDED, PARAMETER = 0, 3, 4, 5, 8, 11, 12
HOST_UNREACHABLE, PORT_UNREACHABLE, FRAGMENTATION_NEEDED, SOURCE_ROUTE_FAILED = 1, 3, 4, 5
ERRORS = (UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER)
ETHERNET = 14                       # bytes of its header
EVERYBODY = b"\xff" * 6
PARTIAL = 1                         # offload flag: the L4 field holds the pseudo header's sum only
NO_OFFLOAD = bytes(10)              # a virtio network header: flags, gso type, hdr len, gso size, ...


def address(text):
    a, b, c, d = (int(part) for part in text.split("."))
    return a << 24 | b << 16 | c << 8 | d


def dotted(number):
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def mac(text):
    return bytes(int(part, 16) for part in text.split(":"))


def within(addr, prefix, length):
    return length == 0 or (addr ^ prefix) >> (32 - length) == 0


def is_host(addr):
    """Not zero, loopback, multicast or broadcast."""
    first = addr >> 24
    return first not in (0, 127) and not 224 <= first < 240 and addr != 0xffffffff


def n16(data, at):
    return data[at] << 8 | data[at + 1]


def n32(data, at):
    return data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]


def put16(data, at, value):
    data[at], data[at + 1] = value >> 8, value & 255


def put32(data, at, value):
    data[at:at + 4] = value.to_bytes(4, "big")


# ---- checksums: one's complement sums are sums modulo 65535, where zero is written 0xffff ----

def total(data):
    """The folded sum of all 16-bit words."""
    if len(data) & 1:
        data = bytes(data) + b"\0"
    whole = int.from_bytes(data, "big")
    return whole % 0xffff or (0xffff if whole else 0)


def checksum(data):
    return 0xffff - total(data)


def pseudo_header(source, destination, protocol, length):
    return struct.pack(">IIHH", source, destination, protocol, length)


def carried(field, before, after):
    """RFC 1624, equation 3: the field after words summing to `before` became such of `after`."""
    total_ = (0xffff - field) - before + after
    return 0xffff - (total_ % 0xffff or 0xffff)


def carried_udp(field, before, after):
    """No checksum stays none, and a computed zero is sent as 0xffff."""
    return (carried(field, before, after) or 0xffff) if field else 0


def set_ip_checksum(frame, at=ETHERNET):
    """In full, over the header."""
    end = at + (frame[at] & 15) * 4
    put16(frame, at + 10, 0)
    put16(frame, at + 10, checksum(frame[at:end]))


class Packet:
    """A frame that came in, and its fields. `verdict`: why it is no packet, else None."""

    def __init__(self, frame, interface, length_on_wire=None, vlan=(0, 0), offload=NO_OFFLOAD):
        self.frame, self.interface = bytes(frame), interface
        self.wire_length = length_on_wire or len(frame)
        self.vlan_tci, self.vlan_tpid = vlan if vlan[1] else (0, 0)
        self.offload = offload
        self.partial = bool(offload[0] & PARTIAL)
        self.super_frame = offload[1] != 0
        self.ports = False              # True: the L4 header is here and begins with two ports
        self.source_port = self.destination_port = 0
        self.flags = 0                  # of TCP
        self.key = None                 # the 5-tuple
        self.originated = False         # the appliance's own: was never received
        self.piece = False              # of a super-frame, which is counted as one
        if len(frame) >= ETHERNET:
            self.to_mac, self.from_mac = self.frame[0:6], self.frame[6:12]
            self.ethertype = n16(frame, 12)

    def read_ip(self):
        f = self.frame
        self.header = (f[14] & 15) * 4
        self.length = n16(f, 16)
        if not self.length and self.super_frame:
            self.length = len(f) - ETHERNET
        self.id = n16(f, 18)
        self.fragment = n16(f, 20)
        self.ttl, self.protocol = f[22], f[23]
        self.source, self.destination = n32(f, 26), n32(f, 30)
        self.offset = (self.fragment & OFFSET) * 8
        self.more = bool(self.fragment & MORE_FRAGMENTS)
        self.whole = not self.offset and not self.more
        self.l4 = ETHERNET + self.header            # where L4 begins in the frame
        self.l4_length = self.length - self.header

    @property
    def size_on_wire(self):
        """Of a super-frame, the largest packet that it is cut into."""
        if not self.super_frame or not self.whole:
            return self.length
        return self.header + self.l4_header + self.segment

    @property
    def segment(self):
        """Bytes of payload in each packet of a super-frame."""
        return self.offload[4] | self.offload[5] << 8

    @property
    def l4_header(self):
        return (self.frame[self.l4 + 12] >> 4) * 4 if self.protocol == TCP else 8

    @property
    def datagrams(self):
        """That it stands for."""
        if not self.super_frame or not self.segment or self.l4_length <= 8:
            return 1
        return -(-(self.l4_length - 8) // self.segment)

    def read_ports(self):
        self.ports = True
        self.source_port, self.destination_port = n16(self.frame, self.l4), n16(self.frame, self.l4 + 2)
        if self.protocol == TCP:
            self.flags = self.frame[self.l4 + 13]
        self.key = (self.source, self.source_port, self.destination, self.destination_port, self.protocol)

    @property
    def datagram(self):
        """The IP packet, without the padding that a link may have put behind it."""
        return self.frame[ETHERNET:ETHERNET + self.length]

    def l4_checksum_is_right(self):
        """True, too, where there is none, or another has looked or will look at it."""
        if self.offload[0] & 3:
            return True
        l4 = self.frame[self.l4:ETHERNET + self.length]
        if self.protocol == ICMP:
            return total(l4) == 0xffff
        if self.protocol == UDP:
            if n16(l4, 6) == 0:
                return True
            l4 = l4[:n16(l4, 4)]
        pseudo = pseudo_header(self.source, self.destination, self.protocol, len(l4))
        return total(pseudo + l4) == 0xffff


def ip_packet(source, destination, protocol, payload, ttl=64, ident=0, tos=0, fragment=0, options=b""):
    header = bytearray(struct.pack(">BBHHHBBHII", 0x45 + len(options) // 4, tos,
                                   20 + len(options) + len(payload), ident, fragment, ttl,
                                   protocol, 0, source, destination)) + options
    set_ip_checksum(header, 0)
    return bytes(header) + payload


def udp(source, sport, destination, dport, payload, no_checksum=False):
    head = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0)
    if no_checksum:
        return head + payload
    value = checksum(pseudo_header(source, destination, UDP, 8 + len(payload)) + head + payload)
    return head[:6] + struct.pack(">H", value or 0xffff) + payload


def tcp(source, sport, destination, dport, flags, payload=b"", seq=0, ack=0, options=b"", window=1000):
    head = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, (5 + len(options) // 4) << 4, flags,
                       window, 0, 0) + options
    value = checksum(pseudo_header(source, destination, TCP, len(head) + len(payload)) + head + payload)
    return head[:16] + struct.pack(">H", value) + head[18:] + payload


def icmp(kind, code, rest, payload):
    message = struct.pack(">BBHI", kind, code, 0, rest) + payload
    return message[:2] + struct.pack(">H", checksum(message)) + message[4:]


def ethernet(to_mac, from_mac, ethertype, payload):
    return to_mac + from_mac + struct.pack(">H", ethertype) + payload


def arp(operation, sender_mac, sender, target_mac, target, hardware=1, protocol=IPV4, sizes=(6, 4)):
    return (struct.pack(">HHBBH", hardware, protocol, *sizes, operation) + sender_mac +
            struct.pack(">I", sender) + target_mac + struct.pack(">I", target))
