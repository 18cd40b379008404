"""What is malformed or misdirected: each frame is counted under its own reason and nothing leaves.

Rows of (what it is, the interface it comes in on, frame, reason).
"""
import random

import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw

from replay import CLIENT, CLIENT_MAC, EXT, INT, VIP, WEB, from_backend, repaired, syn, to_vip


def ip_bytes(**change):
    """The SYN with bytes of its IP header changed, the checksum then made right."""
    frame = bytearray(bytes(syn()))
    for name, value in change.items():
        frame[14 + int(name[1:])] = value
    return repaired(frame)


def ethernet(**fields):
    return Ether(**{"src": CLIENT_MAC, "dst": EXT, **fields})


def packet(source=CLIENT, destination=VIP, layer=None, mac=EXT, **ip):
    return ethernet(dst=mac) / IP(src=source, dst=destination, **ip) / (layer or TCP(dport=80))


def arp(**fields):
    fields = {"hwsrc": CLIENT_MAC, "psrc": CLIENT, **fields}
    return ethernet(dst="ff:ff:ff:ff:ff:ff") / ARP(**fields)


def cut(frame, length):
    return bytes(frame)[:length]


def with_bytes(frame, old, new):
    return bytes(frame).replace(bytes.fromhex(old.replace(":", "")), bytes.fromhex(new))


OURS, THEIRS = "198.51.100.1", "198.51.100.99"
ERROR = ICMP(type=3, code=1) / IP(src=VIP, dst="192.0.2.1") / UDP(sport=1, dport=2)

ROWS = [
    ("an empty Ethernet frame", "ext", cut(syn(), 13), "frame_truncated"),
    ("for another host", "ext", ethernet(dst="02:99:99:99:99:99") / syn()[IP], "not_for_us"),
    ("for the other interface", "ext", ethernet(dst=INT) / syn()[IP], "not_for_us"),
    ("an unknown EtherType", "ext", ethernet(type=0x88b5) / Raw(b"x" * 50), "unknown_ethertype"),
    ("an 802.3 length", "ext", ethernet(type=46) / Raw(b"x" * 46), "unknown_ethertype"),
    ("IPv6", "ext", ethernet() / IPv6() / UDP(), "ipv6"),
    ("a VLAN tag", "ext", ethernet() / Dot1Q(vlan=7) / syn()[IP], "vlan_tagged"),
    ("two VLAN tags", "ext", ethernet(type=0x88a8) / Dot1Q(vlan=7) / Dot1Q(vlan=8) / syn()[IP],
     "vlan_tagged"),

    ("ARP that ends early", "ext", cut(arp(pdst=OURS), 41), "arp_malformed"),
    ("ARP for IPv6 sized addresses", "ext", arp(pdst=OURS, plen=16), "arp_malformed"),
    ("ARP for long hardware addresses", "ext", arp(pdst=OURS, hwlen=8), "arp_malformed"),
    ("ARP for another network than Ethernet", "ext", arp(pdst=OURS, hwtype=6), "arp_malformed"),
    ("ARP for another protocol than IPv4", "ext", arp(pdst=OURS, ptype=0x86dd), "arp_malformed"),
    ("ARP from a group MAC", "ext", with_bytes(arp(pdst=OURS), CLIENT_MAC, "030000000007"),
     "arp_malformed"),
    ("ARP from no MAC", "ext", arp(pdst=OURS, hwsrc="00:00:00:00:00:00"), "arp_malformed"),
    ("ARP for somebody else", "ext", arp(pdst=THEIRS), "arp_not_for_us"),
    ("an unasked ARP reply", "ext", arp(op=2, pdst=OURS, hwdst=EXT), "arp_not_for_us"),
    ("reverse ARP", "ext", arp(op=3, pdst=OURS), "arp_not_for_us"),
    ("ARP operation 0", "ext", arp(op=0, pdst=OURS), "arp_not_for_us"),
    ("another host claims the VIP", "ext", arp(psrc=VIP, pdst=VIP), "arp_vip_conflict"),

    ("no IP header", "ext", cut(syn(), 14), "ip_truncated"),
    ("half an IP header", "ext", cut(syn(), 30), "ip_truncated"),
    ("less than its total length", "ext", cut(syn(), 53), "ip_truncated"),
    ("version 5", "ext", ip_bytes(b0=0x55), "ip_bad_version"),
    ("version 0", "ext", ip_bytes(b0=0x05), "ip_bad_version"),
    ("version 6 in an IPv4 frame", "ext", ip_bytes(b0=0x65), "ip_bad_version"),
    ("a wrong header checksum", "ext", to_vip(TCP(dport=80), chksum=1), "ip_bad_checksum"),
    ("total length 0", "ext", ip_bytes(b2=0, b3=0), "ip_bad_length"),
    ("total length under the header's", "ext", ip_bytes(b2=0, b3=19), "ip_bad_length"),
    ("total length one over", "ext", ip_bytes(b2=0, b3=41), "ip_truncated"),
    ("total length 65535", "ext", ip_bytes(b2=255, b3=255), "ip_truncated"),

    ("source 0.0.0.0", "ext", packet("0.0.0.0"), "ip_bad_source"),
    ("source in network 0", "ext", packet("0.1.2.3"), "ip_bad_source"),
    ("a loopback source", "ext", packet("127.0.0.1"), "ip_bad_source"),
    ("a multicast source", "ext", packet("224.0.0.1"), "ip_bad_source"),
    ("the last multicast source", "ext", packet("239.255.255.255"), "ip_bad_source"),
    ("a broadcast source", "ext", packet("255.255.255.255"), "ip_bad_source"),
    ("the network's broadcast as source", "ext", packet("198.51.100.255"), "ip_bad_source"),
    ("the VIP as source", "ext", packet(VIP), "ip_source_is_ours"),
    ("the VIP as source from a backend", "int", packet(VIP, CLIENT, mac=INT), "ip_source_is_ours"),
    ("our own address as source", "ext", packet("10.0.0.1"), "ip_source_is_ours"),
    ("to a multicast group", "ext", packet(CLIENT, "224.0.0.5", UDP(), "01:00:5e:00:00:05"),
     "ip_bad_destination"),
    ("to a multicast group by our MAC", "ext", packet(CLIENT, "224.0.0.5"), "ip_bad_destination"),
    ("to everybody", "ext", packet(CLIENT, "255.255.255.255", UDP(), "ff:ff:ff:ff:ff:ff"),
     "ip_bad_destination"),
    ("to everybody in a network", "ext", packet(CLIENT, "10.0.0.255"), "ip_bad_destination"),
    ("to loopback", "ext", packet(CLIENT, "127.0.0.1"), "ip_bad_destination"),
    ("to 0.0.0.0", "ext", packet(CLIENT, "0.0.0.0"), "ip_bad_destination"),
    ("to the VIP by a broadcast MAC", "ext", packet(mac="ff:ff:ff:ff:ff:ff"), "ip_bad_destination"),
    ("to the VIP by a group MAC", "ext", packet(mac="01:00:5e:00:00:05"), "ip_bad_destination"),
    ("a ping to the VIP by a broadcast MAC", "ext", packet(layer=ICMP(), mac="ff:ff:ff:ff:ff:ff"),
     "ip_bad_destination"),
    ("the last hop of its TTL", "ext", to_vip(TCP(dport=80, flags="S"), ttl=1), "ttl_expired"),
    ("TTL 0", "ext", to_vip(TCP(dport=80, flags="S"), ttl=0), "ttl_expired"),

    ("a fragment over the TCP header", "ext", to_vip(Raw(b"x" * 40), proto=6, frag=1),
     "fragment_malformed"),
    ("a fragment in the TCP header's second half", "ext", to_vip(Raw(b"x" * 40), proto=6, frag=2),
     "fragment_malformed"),
    ("a first fragment without its TCP header", "ext", to_vip(Raw(b"x" * 16), proto=6, flags="MF"),
     "fragment_malformed"),
    ("a first fragment of nothing", "ext", to_vip(Raw(b""), proto=17, flags="MF"),
     "fragment_malformed"),
    ("a last fragment of nothing", "ext", to_vip(Raw(b""), proto=17, frag=9),
     "fragment_malformed"),
    ("a fragment that is no multiple of 8", "ext",
     to_vip(Raw(b"x" * 43), proto=17, flags="MF", frag=9), "fragment_malformed"),
    ("a fragment past 65535, the ping of death", "ext", to_vip(Raw(b"x" * 800), proto=1, frag=8190),
     "fragment_malformed"),
    ("a fragment of the VIP itself", "ext", packet(VIP, CLIENT, Raw(b"x" * 80), proto=17, frag=9),
     "ip_source_is_ours"),
    ("a fragment to a multicast group", "ext",
     packet(CLIENT, "224.0.0.5", Raw(b"x" * 80), proto=17, frag=9), "ip_bad_destination"),

    ("a TCP header cut short", "ext", to_vip(Raw(b"x" * 19), proto=6), "tcp_malformed"),
    ("no TCP header at all", "ext", to_vip(Raw(b""), proto=6), "tcp_malformed"),
    ("TCP data offset 0", "ext", to_vip(TCP(dport=80, dataofs=0)), "tcp_malformed"),
    ("TCP data offset 4", "ext", to_vip(TCP(dport=80, dataofs=4)), "tcp_malformed"),
    ("TCP data offset past the packet", "ext", to_vip(TCP(dport=80, dataofs=6)), "tcp_malformed"),
    ("a UDP header cut short", "ext", to_vip(Raw(b"x" * 7), proto=17), "udp_malformed"),
    ("UDP length 0", "ext", to_vip(UDP(dport=53, len=0)), "udp_malformed"),
    ("UDP length 7", "ext", to_vip(UDP(dport=53, len=7)), "udp_malformed"),
    ("UDP length past the packet", "ext", to_vip(UDP(dport=53, len=9)), "udp_malformed"),
    ("ICMP cut short", "ext", to_vip(Raw(b"\x08" + b"\0" * 6), proto=1), "icmp_malformed"),
    ("an echo with a wrong checksum", "ext", to_vip(ICMP(chksum=1)), "icmp_malformed"),
    ("an ICMP error about nothing of ours", "ext", to_vip(ERROR), "icmp_unmatched"),
    ("an ICMP error that quotes nothing", "ext", to_vip(ICMP(type=3, code=1)), "icmp_malformed"),
    ("an ICMP error about an ICMP error", "ext",
     to_vip(ICMP(type=3, code=1) / IP(src=VIP, dst=CLIENT) / ERROR), "icmp_unmatched"),
    ("an ICMP redirect", "ext", to_vip(ICMP(type=5, gw="10.0.0.9") / IP(src=VIP, dst=CLIENT) /
                                       TCP(sport=80, dport=40000)), "icmp_ignored"),
    ("an ICMP timestamp", "ext", to_vip(ICMP(type=13)), "icmp_ignored"),
    ("an echo reply that nobody asked for", "ext", to_vip(ICMP(type=0)), "icmp_ignored"),
    ("GRE to the VIP", "ext", to_vip(Raw(b"x" * 20), proto=47), "protocol_unsupported"),
    ("GRE to our address", "ext", packet(CLIENT, OURS, Raw(b"x" * 20), proto=47),
     "protocol_unsupported"),

    ("a port without a service", "ext", syn(dport=81), "no_service"),
    ("UDP to a TCP service", "ext", to_vip(UDP(dport=80)), "no_service"),
    ("TCP to our address", "ext", packet(CLIENT, OURS), "no_service"),
    ("UDP to our address", "int", packet("10.0.0.11", "10.0.0.1", UDP(dport=9), INT),
     "no_service"),
    ("to somewhere else", "ext", packet(CLIENT, "192.0.2.1"), "forwarding_off"),
    ("to a backend past its VIP", "ext", packet(CLIENT, "10.0.0.11", TCP(dport=8080)),
     "forwarding_off"),
    ("a backend's word out of nowhere", "int", from_backend(TCP(sport=9999, dport=1)), "no_flow"),
    ("a stranger on the backends' side", "int", packet("10.0.0.99", CLIENT, mac=INT), "no_flow"),
    ("a backend pings a client", "int", from_backend(ICMP()), "forwarding_off"),
]


@pytest.mark.parametrize("interface, frame, reason", [row[1:] for row in ROWS],
                         ids=[row[0] for row in ROWS])
def test_malformed(replay, interface, frame, reason):
    result = replay.run(WEB, [(interface, frame)])
    assert result.verdicts == [reason]
    assert result.drops[reason] == 1
    told = [packet for packet in result.left("ext") + result.left("int") if ICMP not in packet]
    assert not told


def test_every_reason_of_a_row_is_its_own(replay):
    """All rows in one run: none is counted twice, none under another's reason."""
    result = replay.run(WEB, [row[1:3] for row in ROWS])
    assert result.verdicts == [row[3] for row in ROWS]


# A whole frame of every kind, and what it is called when it is cut short at any byte.
WHOLE = {
    "tcp": (syn(), {"frame_truncated", "ip_truncated"}),
    "tcp with options": (to_vip(TCP(dport=80, flags="S", options=[("MSS", 1460)])),
                         {"frame_truncated", "ip_truncated"}),
    "udp": (to_vip(UDP(dport=53) / Raw(b"query")), {"frame_truncated", "ip_truncated"}),
    "echo": (to_vip(ICMP() / Raw(b"ping")), {"frame_truncated", "ip_truncated"}),
    "icmp error": (to_vip(ICMP(type=3, code=4) / IP(src=VIP, dst=CLIENT) / TCP(sport=80)),
                   {"frame_truncated", "ip_truncated"}),
    "fragment": (to_vip(Raw(b"x" * 40), proto=17, frag=9), {"frame_truncated", "ip_truncated"}),
    "arp": (arp(pdst=OURS), {"frame_truncated", "arp_malformed"}),
    "ipv6": (ethernet() / IPv6() / UDP(), {"frame_truncated", "ipv6"}),
    "vlan": (ethernet() / Dot1Q(vlan=7) / syn()[IP], {"frame_truncated", "vlan_tagged"}),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_frame_cut_at_every_length_is_refused_by_name(replay, kind):
    whole, reasons = bytes(WHOLE[kind][0]), WHOLE[kind][1]
    frames = [whole[:length] for length in range(1, len(whole))]
    result = replay.run(WEB, [(interface, frame) for frame in frames
                              for interface in ("ext", "int")])
    assert set(result.verdicts[::2]) == reasons
    assert set(result.verdicts[1::2]) <= reasons | {"not_for_us"}
    assert not result.left("ext") + result.left("int")


def shortened(frame, length):
    """The IP packet shortened to `length` bytes of L4, and its header says so: a cut that the
    lengths do not give away."""
    frame = bytearray(bytes(frame))
    header = (frame[14] & 15) * 4
    frame[16:18] = (header + length).to_bytes(2, "big")
    return repaired(frame)[:14 + header + length]


@pytest.mark.parametrize("frame, reason", [
    (to_vip(TCP(dport=80, flags="S", options=[("MSS", 1460)])), "tcp_malformed"),
    (to_vip(UDP(dport=53) / Raw(b"query")), "udp_malformed"),
    (to_vip(ICMP() / Raw(b"ping")), "icmp_malformed"),
    (to_vip(ICMP(type=3, code=1) / IP(src=VIP, dst=CLIENT) / UDP()), "icmp_malformed"),
], ids=["tcp", "udp", "echo", "icmp error"])
def test_a_header_cut_at_every_length_is_refused_by_name(replay, frame, reason):
    whole = len(frame[IP].payload)
    result = replay.run(WEB, [("ext", shortened(frame, length)) for length in range(whole)])
    assert set(result.verdicts) == {reason}


@pytest.mark.parametrize("ihl", range(16))
def test_every_header_length(replay, ihl):
    """Options that the header promises must be there: of 0 to 4 words there are too few."""
    options = b"\x01" * (4 * max(ihl - 5, 0))
    frame = bytearray(bytes(to_vip(Raw(options + bytes(TCP(dport=80, flags="S"))), proto=6)))
    frame[14] = 0x40 | ihl
    result = replay.run(WEB, [("ext", repaired(frame))])
    assert result.verdicts == ["ip_bad_header_length" if ihl < 5 else "forwarded"]


def test_garbage_is_counted_and_survived(replay):
    dice = random.Random(20)
    frames = []
    for _ in range(2000):
        frame = bytearray(bytes(syn(dice.randrange(65536))))
        for _ in range(dice.randrange(1, 6)):
            frame[dice.randrange(len(frame))] = dice.randrange(256)
        length = dice.randrange(1, len(frame) + 1)
        frames.append((dice.choice(["ext", "int"]), bytes(frame[:length])))
    replay.run(WEB, frames)
