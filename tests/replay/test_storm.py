"""Twenty thousand damaged frames, on both interfaces, under every kind of configuration.

Whatever they are, each is counted once (the laws are checked after every replay), what leaves is
sound, and the same storm gives the same bytes again.
"""
import random
import socket
import struct

import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPOption, IPv6, Raw

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, NETWORK, ROUTER, VIP, WEB, arp_reply,
                    arp_request, from_backend, repaired, syn, to_vip, without)

FRAMES, DAY = 20000, 86400
NOBODY = [socket.inet_aton(address) for address in (
    VIP, "198.51.100.1", "10.0.0.1", "198.51.100.255", "10.0.0.255", "255.255.255.255")]

OWN_PORTS = WEB.replace("8080", "0")    # a mode that hands packets over changes none

VARIANTS = {
    "plain": WEB,
    "forwarding": WEB + f"""set global forwarding on
add route 0.0.0.0/0 via {ROUTER}
add route 192.0.2.0/24 via 10.0.0.254
""",
    "one arm": WEB.replace("role frontend", "role both"),
    "two arms of both kinds": WEB.replace("role frontend", "role both").replace(
        "role backend", "role both"),
    "two frontends": WEB.replace("role backend", "role both") + "set global forwarding on\n",
    "nobody's MAC is known": without(WEB, "add neighbor"),
    "all ports": NETWORK + f"""
add pool all
add backend all 10.0.0.11:0
add backend all 10.0.0.12:0
add service tcp {VIP}:0/tcp pool all
add service udp {VIP}:0/udp pool all
""",
    "any protocol, by client": WEB.replace("53/udp", "53/any").replace(
        "add pool web", "add pool web affinity source-ip"),
    "ambiguous replies, small table": WEB.replace("16384", "1024") +
    "add service other 203.0.113.11:80/tcp pool web\n",
    "small table": WEB.replace("16384", "1024"),
    "caps": WEB + "set service web max-flows 5\nset service dns idle-timeout 1 when-full shed\n",
    "checks": WEB.replace("add pool web", "add check c tcp interval 200ms\nadd pool web check c"),
    "arp checks": WEB.replace("add pool web", "add check c arp\nadd pool web check c"),
    "heartbeats": WEB.replace("add pool web", "add check c heartbeat\nadd pool web check c"),
    "heartbeats that register": WEB.replace(
        "add pool web", "add check c heartbeat register 10.0.0.0/25\nadd pool web check c"),
    "round-robin": WEB.replace("add pool web", "add pool web scheduler round-robin"),
    "least-connections, small table": WEB.replace("16384", "1024").replace(
        "add pool web", "add pool web scheduler least-connections"),
    "rejects and resets": WEB.replace(
        "add pool web", "add check c heartbeat timeout 50ms\nadd pool web check c") +
    "set global no-service reject\nset service web on-backend-loss reset\n",
    "fail-open": WEB.replace("add pool web", "add check c tcp\nadd pool web check c") +
    "set service web fail-open on\nset service dns fail-open on\n",
    "limits of udp": WEB + "set service dns requests 9 responses 2 lifetime 5 front-timeout 2 "
                           "back-timeout 3\n",
    "proxy headers": WEB + "set service dns proxy-protocol every\n",
    "proxy headers of first datagrams, small table": WEB.replace("16384", "1024") +
    "set service dns proxy-protocol first idle-timeout 1\n",
    "proxy headers in fullnat": WEB + "set service dns mode fullnat proxy-protocol every\n",
    "fullnat": WEB + "set service web mode fullnat\nset service dns mode fullnat\n",
    "fullnat with a few ports": WEB + "set service web mode fullnat\nset service dns mode fullnat\n"
                                      "set global fullnat-slices 20000\n",
    "proxy first": WEB + "set service dns proxy-protocol first\n",
    "proxy every, fullnat": WEB + "set service dns proxy-protocol every mode fullnat\n",
    **{mode: OWN_PORTS + f"set service web mode {mode}\nset service dns mode {mode}\n"
       for mode in ("dsr", "ipip", "gue")},
    "source-rewrite": WEB + "".join(f"set service {name} source-rewrite 198.51.100.0/24 to "
                                    "192.168.7.0/24\n" for name in ("web", "dns")),
    "drained and weightless": WEB + "drain backend web 10.0.0.11:8080\n"
                                    "set backend web 10.0.0.12:8080 weight 0\n",
    "no service at all": NETWORK,
    "vip echo while available": WEB + "set global vip-echo available\n",
    "vip in the backends' network": WEB.replace(VIP, "10.0.0.100"),
}


def corpus():
    """A sound frame of every kind that has a way of its own."""
    quote = IP(src=CLIENT, dst="10.0.0.11") / TCP(sport=40000, dport=8080)
    answer = IP(src=VIP, dst=CLIENT) / TCP(sport=80, dport=40000)
    frames = [("ext", syn(port)) for port in (40000, 40001, 40002)]
    frames += [("ext", to_vip(TCP(sport=40000, dport=80, flags=flags) / Raw(b"data")))
               for flags in ("A", "PA", "FA", "R")]
    frames += [("int", from_backend(TCP(sport=8080, dport=40000, flags=flags), address))
               for flags in ("SA", "A", "FA", "RA") for address in BACKENDS]
    frames += [
        ("ext", to_vip(TCP(dport=80, flags="S"), options=[IPOption(b"\x94\x04\0\0")])),
        ("ext", to_vip(TCP(dport=80), ttl=1)),
        ("ext", to_vip(UDP(sport=5000, dport=53) / Raw(b"x" * 1472))),
        ("ext", to_vip(UDP(sport=5000, dport=53, chksum=0) / Raw(b"q"))),
        ("int", from_backend(UDP(sport=8080, dport=5000) / Raw(b"a"))),
        ("ext", to_vip(Raw(bytes(UDP(sport=5000, dport=53, len=1608)) + b"x" * 792), proto=17,
                       flags="MF", id=9)),
        ("ext", to_vip(Raw(b"x" * 808), proto=17, frag=100, id=9)),
        ("ext", to_vip(Raw(b"x" * 80), proto=17, frag=101, id=10)),
        ("ext", to_vip(ICMP() / Raw(b"ping"))), ("int", from_backend(ICMP())),
        ("ext", to_vip(ICMP(type=3, code=4) / answer)), ("ext", to_vip(ICMP(type=5) / answer)),
        ("int", from_backend(ICMP(type=3, code=4) / quote)),
        ("int", from_backend(ICMP(type=11) / quote)),
        ("int", Ether(dst=INT) / IP(src="10.0.0.11", dst="10.0.0.1") / TCP(dport=61440)),
        ("int", Ether(dst=INT) / IP(src="10.0.0.11", dst="10.0.0.1") / UDP(dport=61440)),
        ("int", Ether(dst=INT) / IP(src="10.0.0.11", dst="192.0.2.7") / UDP(dport=53)),
        ("ext", Ether(dst=EXT) / IP(src=CLIENT, dst="10.0.0.11") / TCP(dport=8080)),
        ("ext", to_vip(Raw(b"x" * 20), proto=47)),
        ("ext", arp_request(CLIENT, VIP, CLIENT_MAC)), ("int", arp_request(VIP, VIP, CLIENT_MAC)),
        ("int", arp_request("10.0.0.11", "10.0.0.1", BACKENDS["10.0.0.11"])),
        ("int", arp_reply("10.0.0.11", BACKENDS["10.0.0.11"])),
        ("ext", Ether(src=CLIENT_MAC, dst=EXT) / ARP(op=2, psrc=CLIENT, pdst="198.51.100.1",
                                                     hwsrc=CLIENT_MAC, hwdst=EXT)),
        ("ext", Ether(dst=EXT) / IPv6() / UDP()), ("ext", Ether(dst=EXT) / Dot1Q(vlan=5) / IP()),
    ]
    return [(interface, bytes(frame)) for interface, frame in frames]


def damaged(dice, frame):
    frame = bytearray(frame)
    for _ in range(dice.choice([0, 0, 1, 1, 2, 5])):
        frame[dice.randrange(min(len(frame), 60))] = dice.choice([0, 1, 127, 255,
                                                                  dice.randrange(256)])
    is_ip = frame[12:14] == b"\x08\0" and len(frame) >= 14 + 4 * (frame[14] & 15)
    if is_ip and dice.random() < 0.8:
        frame = repaired(frame)
    if dice.random() < 0.05:
        frame = frame[:dice.randrange(1, len(frame) + 1)]
    return bytes(frame)


def storm(seed, count=FRAMES):
    dice, frames, time = random.Random(seed), [], 0.0
    sound = corpus()
    for _ in range(count):
        interface, frame = dice.choice(sound)
        if dice.random() < 0.1:
            interface = dice.choice(["ext", "int"])
        time += dice.choice([0, 1e-6, 1e-3, 0.01])
        frames.append((interface, damaged(dice, frame), time))
    return frames


def packets(capture):
    """The frames of a capture, without Scapy, which would take its time."""
    at, found = 24, []
    while at < len(capture):
        length = struct.unpack_from("<I", capture, at + 8)[0]
        found.append(capture[at + 16:at + 16 + length])
        at += 16 + length
    return found


def check_what_left(result, mtu, to_vip=False):
    """`to_vip`: backends have the VIP, too, and are called by it."""
    for interface, mac in (("ext", EXT), ("int", INT)):
        nobody = NOBODY[1:] if to_vip and interface == "int" else NOBODY
        for frame in packets(result.out.files[interface]):
            assert frame[6:12].hex(":") == mac and 42 <= len(frame) <= 14 + mtu
            if frame[12:14] != b"\x08\0":
                assert frame[12:14] == b"\x08\x06" and len(frame) == 42
                continue
            assert repaired(frame) == frame and frame[14] >> 4 == 4
            assert len(frame) == 14 + int.from_bytes(frame[16:18], "big")
            assert frame[22] > 0, "no TTL left"
            # Nothing is sent to nobody in particular, nor to ourselves.
            assert frame[30] not in (0, 127) and not 224 <= frame[30] < 240
            assert frame[30:34] not in nobody


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_frame_is_counted_once_and_what_leaves_is_sound(replay, variant):
    result = replay.run(VARIANTS[variant], storm(variant))
    assert result.stats["total"]["received"] == FRAMES
    check_what_left(result, 1500, to_vip=variant == "dsr")
    flows = result.stats["flows"]
    ended = sum(count for name, count in flows.items() if name.startswith("closed_"))
    assert flows["created"] - ended == flows["live"]


@pytest.mark.parametrize("mtu", [68, 576, 1280, 9000])
def test_links_of_any_size(replay, mtu):
    check_what_left(replay.run(VARIANTS["forwarding"], storm(mtu, 5000), "--mtu", mtu), mtu)


def test_a_storm_is_the_same_bit_for_bit(replay):
    frames = storm("twice", 5000)
    runs = []
    for _ in range(2):
        result = replay.run(VARIANTS["checks"], frames)
        runs.append((result.out.files, result.frames, result.stats, result.drops))
    assert runs[0] == runs[1]


def test_days_may_pass(replay):
    """Between any two frames, so that everything has expired many times over."""
    frames = [(interface, frame, number // 100 * DAY + time)
              for number, (interface, frame, time) in enumerate(storm("days", 1000))]
    result = replay.run(VARIANTS["plain"], frames)
    assert result.stats["total"]["held"] <= 12
    assert result.stats["flows"]["closed_idle"] > 10
