"""What is malformed or misdirected: each frame is counted under its own reason and nothing leaves.

Rows of (what it is, the interface it comes in on, frame, reason).
"""
import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw

from replay import BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, VIP, WEB, from_backend, syn, to_vip


def ip_bytes(**change):
    """The SYN with bytes of its IP header changed, the checksum then made right."""
    frame = bytearray(bytes(syn()))
    for name, value in change.items():
        frame[14 + int(name[1:])] = value
    header = frame[14:34]
    header[10:12] = b"\0\0"
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, 20, 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    frame[24:26] = (0xffff - total).to_bytes(2, "big")
    return bytes(frame)


def arp(**fields):
    return Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=CLIENT_MAC, psrc=CLIENT, **fields)


def cut(packet, length):
    return bytes(packet)[:length]


ROWS = [
    ("an empty Ethernet frame", "ext", cut(syn(), 13), "frame_truncated"),
    ("for another host", "ext", Ether(src=CLIENT_MAC, dst="02:99:99:99:99:99") / syn()[IP], "not_for_us"),
    ("an unknown EtherType", "ext", Ether(src=CLIENT_MAC, dst=EXT, type=0x88b5) / Raw(b"x" * 50),
     "unknown_ethertype"),
    ("IPv6", "ext", Ether(src=CLIENT_MAC, dst=EXT) / IPv6() / UDP(), "ipv6"),
    ("a VLAN tag", "ext", Ether(src=CLIENT_MAC, dst=EXT) / Dot1Q(vlan=7) / syn()[IP], "vlan_tagged"),
    ("ARP that ends early", "ext", cut(arp(pdst="198.51.100.1"), 41), "arp_malformed"),
    ("ARP for IPv6 sized addresses", "ext", arp(pdst="198.51.100.1", plen=16), "arp_malformed"),
    ("ARP from a group MAC", "ext", arp(pdst="198.51.100.1").__class__(
        bytes(arp(pdst="198.51.100.1")).replace(bytes.fromhex(CLIENT_MAC.replace(":", "")),
                                                  b"\x03\0\0\0\0\x07")), "arp_malformed"),
    ("ARP for somebody else", "ext", arp(pdst="198.51.100.99"), "arp_not_for_us"),
    ("an unasked ARP reply", "ext", arp(op=2, pdst="198.51.100.1", hwdst=EXT), "arp_not_for_us"),
    ("another host claims the VIP", "ext",
     Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=CLIENT_MAC, psrc=VIP, pdst=VIP),
     "arp_vip_conflict"),
    ("no IP header", "ext", cut(syn(), 14), "ip_truncated"),
    ("half an IP header", "ext", cut(syn(), 30), "ip_truncated"),
    ("less than its total length", "ext", cut(syn(), 53), "ip_truncated"),
    ("version 5", "ext", ip_bytes(b0=0x55), "ip_bad_version"),
    ("version 0", "ext", ip_bytes(b0=0x05), "ip_bad_version"),
    ("a wrong header checksum", "ext", to_vip(TCP(dport=80), chksum=1), "ip_bad_checksum"),
    ("total length under the header's", "ext", ip_bytes(b2=0, b3=19), "ip_bad_length"),
    ("source 0.0.0.0", "ext", to_vip(TCP(dport=80)).__class__(
        bytes(Ether(src=CLIENT_MAC, dst=EXT) / IP(src="0.0.0.0", dst=VIP) / TCP(dport=80))),
     "ip_bad_source"),
    ("a loopback source", "ext", Ether(dst=EXT) / IP(src="127.0.0.1", dst=VIP) / TCP(dport=80),
     "ip_bad_source"),
    ("a multicast source", "ext", Ether(dst=EXT) / IP(src="224.0.0.1", dst=VIP) / TCP(dport=80),
     "ip_bad_source"),
    ("a broadcast source", "ext", Ether(dst=EXT) / IP(src="255.255.255.255", dst=VIP) / TCP(dport=80),
     "ip_bad_source"),
    ("the VIP as source", "ext", Ether(dst=EXT) / IP(src=VIP, dst=VIP) / TCP(dport=80),
     "ip_source_is_ours"),
    ("our own address as source", "ext", Ether(dst=EXT) / IP(src="10.0.0.1", dst=VIP) / TCP(dport=80),
     "ip_source_is_ours"),
    ("to a multicast group", "ext", Ether(dst="01:00:5e:00:00:05") / IP(src=CLIENT, dst="224.0.0.5") / UDP(),
     "ip_bad_destination"),
    ("to everybody", "ext", Ether(dst="ff:ff:ff:ff:ff:ff") / IP(src=CLIENT, dst="255.255.255.255") / UDP(),
     "ip_bad_destination"),
    ("to the VIP by a broadcast MAC", "ext", Ether(dst="ff:ff:ff:ff:ff:ff") / syn()[IP],
     "ip_bad_destination"),
    ("the last hop of its TTL", "ext", to_vip(TCP(dport=80, flags="S"), ttl=1), "ttl_expired"),
    ("TTL 0", "ext", to_vip(TCP(dport=80, flags="S"), ttl=0), "ttl_expired"),
    ("a fragment over the TCP header", "ext", to_vip(Raw(b"x" * 40), proto=6, frag=1),
     "fragment_malformed"),
    ("a fragment in the TCP header's second half", "ext", to_vip(Raw(b"x" * 40), proto=6, frag=2),
     "fragment_malformed"),
    ("a first fragment without its TCP header", "ext", to_vip(Raw(b"x" * 16), proto=6, flags="MF"),
     "fragment_malformed"),
    ("a fragment that is no multiple of 8", "ext", to_vip(Raw(b"x" * 43), proto=17, flags="MF", frag=9),
     "fragment_malformed"),
    ("a fragment past 65535", "ext", to_vip(Raw(b"x" * 800), proto=17, frag=8190), "fragment_malformed"),
    ("a TCP header cut short", "ext", to_vip(Raw(b"x" * 19), proto=6), "tcp_malformed"),
    ("TCP data offset 4", "ext", to_vip(TCP(dport=80, dataofs=4)), "tcp_malformed"),
    ("TCP data offset past the packet", "ext", to_vip(TCP(dport=80, dataofs=6)), "tcp_malformed"),
    ("a UDP header cut short", "ext", to_vip(Raw(b"x" * 7), proto=17), "udp_malformed"),
    ("UDP length 7", "ext", to_vip(UDP(dport=53, len=7)), "udp_malformed"),
    ("UDP length past the packet", "ext", to_vip(UDP(dport=53, len=9)), "udp_malformed"),
    ("ICMP cut short", "ext", to_vip(Raw(b"\x08" + b"\0" * 6), proto=1), "icmp_malformed"),
    ("an echo with a wrong checksum", "ext", to_vip(ICMP(chksum=1)), "icmp_malformed"),
    ("an ICMP error about nothing of ours", "ext",
     to_vip(ICMP(type=3, code=1) / IP(src=VIP, dst="192.0.2.1") / UDP(sport=1, dport=2)), "icmp_unmatched"),
    ("an ICMP timestamp", "ext", to_vip(ICMP(type=13)), "icmp_ignored"),
    ("GRE to the VIP", "ext", to_vip(Raw(b"x" * 20), proto=47), "protocol_unsupported"),
    ("a port without a service", "ext", syn(dport=81), "no_service"),
    ("UDP to a TCP service", "ext", to_vip(UDP(dport=80)), "no_service"),
    ("to somewhere else", "ext", Ether(dst=EXT) / IP(src=CLIENT, dst="192.0.2.1") / TCP(), "forwarding_off"),
    ("a backend's word out of nowhere", "int", from_backend(TCP(sport=9999, dport=1)), "no_flow"),
    ("a stranger on the backends' side", "int",
     Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(src="10.0.0.99", dst=CLIENT) / TCP(), "no_flow"),
]


@pytest.mark.parametrize("interface, frame, reason", [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_malformed(replay, interface, frame, reason):
    result = replay.run(WEB, [(interface, frame)])
    assert result.verdicts == [reason]
    assert result.drops[reason] == 1
    told = [packet for packet in result.left("ext") + result.left("int") if ICMP not in packet]
    assert not told


def test_a_segment_cut_at_every_length_is_refused_by_name(replay):
    whole = bytes(syn())
    result = replay.run(WEB, [("ext", whole[:length]) for length in range(1, len(whole))])
    assert set(result.verdicts) == {"frame_truncated", "ip_truncated"}


@pytest.mark.parametrize("ihl", range(16))
def test_every_header_length(replay, ihl):
    """Options that the header promises must be there: of 0 to 4 words there are too few for a header."""
    words = max(ihl - 5, 0)
    frame = bytearray(bytes(to_vip(Raw(b"\x01" * (4 * words) + bytes(TCP(dport=80, flags="S"))), proto=6)))
    frame[14] = 0x40 | ihl
    frame[24:26] = b"\0\0"
    header = frame[14:14 + 4 * max(ihl, 5)]
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, len(header), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    frame[24:26] = (0xffff - total).to_bytes(2, "big")
    result = replay.run(WEB, [("ext", bytes(frame))])
    assert result.verdicts == ["ip_bad_header_length" if ihl < 5 else "forwarded"]


def test_garbage_is_counted_and_survived(replay):
    import random
    dice = random.Random(20)
    frames = []
    for _ in range(2000):
        frame = bytearray(bytes(syn(dice.randrange(65536))))
        for _ in range(dice.randrange(1, 6)):
            frame[dice.randrange(len(frame))] = dice.randrange(256)
        frames.append((dice.choice(["ext", "int"]), bytes(frame[:dice.randrange(1, len(frame) + 1)])))
    replay.run(WEB, frames)
