"""VLAN tags: put back where a frame is bridged, none of a router's business.

A ring has the outer tag beside the frame, a capture in its bytes: the replay takes it out alike.
"""
import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, Ether, IPv6, Raw, fragment

from bridged import EXT_ADDRESS, MAC, MULTI, ROUTER_MAC, SINGLE, asks, reply, request
from replay import CLIENT, CLIENT_MAC, EXT, VIP, WEB, checksums_right

TAGS = {
    "802.1Q": Dot1Q(vlan=42, prio=5, id=1),
    "802.1ad": Dot1AD(vlan=42, prio=3),
    "a priority": Dot1Q(vlan=0, prio=7),
}


def tagged(tag, packet, to=ROUTER_MAC, source=CLIENT_MAC):
    return Ether(src=source, dst=to) / tag.copy() / packet


@pytest.mark.parametrize("tag", TAGS)
def test_service_traffic_in_a_vlan_is_handled_and_keeps_its_tag(replay, tag):
    there = tagged(TAGS[tag], request())
    back = tagged(TAGS[tag], reply(), to=CLIENT_MAC, source=ROUTER_MAC)
    result = replay.run(SINGLE, [("ext", there), ("int", back)])
    assert result.verdicts == ["forwarded"] * 2
    (out,) = result.out["int"]
    there[IP].dst, there[TCP].dport = "10.0.0.11", 8080
    assert bytes(out) == bytes(there) and checksums_right(out)
    (out,) = result.out["ext"]
    back[IP].src, back[TCP].sport = VIP, 80
    assert bytes(out) == bytes(back) and checksums_right(out)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("way", [("ext", "int"), ("int", "ext")], ids=["inwards", "outwards"])
def test_everything_in_a_vlan_crosses_with_its_tag(replay, way, tag):
    packets = [IPv6() / UDP() / Raw(b"six"), asks(CLIENT, "198.51.100.254")[ARP],
               request(destination="192.0.2.99"), asks(CLIENT, VIP)[ARP]]
    frames = [tagged(TAGS[tag], packet) for packet in packets]
    frames.append(Ether(src=CLIENT_MAC, dst=ROUTER_MAC) / Dot1Q(vlan=9, type=0x88b5) / Raw(b"x"))
    result = replay.run(SINGLE, [(way[0], frame) for frame in frames])
    assert set(result.verdicts) == {"forwarded"}
    assert [bytes(p) for p in result.out[way[1]]] == [bytes(frame) for frame in frames]


def test_two_tags_cross_with_all_that_is_in_them(replay):
    frame = Ether(src=CLIENT_MAC, dst=ROUTER_MAC) / Dot1AD(vlan=7) / Dot1Q(vlan=8) / request()
    for config, side in ((SINGLE, "ext"), (MULTI, "int")):
        result = replay.run(config, [(side, frame)])
        assert result.verdicts == ["forwarded"]
        left = ["int"] if side == "ext" else ["ext", "alt"]
        assert all(bytes(result.out[name][0]) == bytes(frame) for name in left)


def test_a_tag_without_anything_behind_it_crosses(replay):
    frame = bytes(Ether(src=CLIENT_MAC, dst=ROUTER_MAC)) [:12] + b"\x81\x00\x00\x07"
    result = replay.run(SINGLE, [("ext", frame)])
    assert result.verdicts == ["forwarded"] and bytes(result.out["int"][0]) == frame


def test_the_vip_answers_in_a_vlan_what_the_appliances_own_addresses_do_not(replay):
    tag = TAGS["802.1Q"]
    ping = ICMP(type=8, id=1) / Raw(b"ping")
    frames = [tagged(tag, IP(src=CLIENT, dst=VIP) / ping),
              tagged(tag, asks(CLIENT, EXT_ADDRESS)[ARP]),
              tagged(tag, IP(src=CLIENT, dst=EXT_ADDRESS) / ping),
              tagged(tag, IP(src=CLIENT, dst=EXT_ADDRESS) / ping, to=MAC["ext"])]
    result = replay.run(MULTI, [("ext", frame) for frame in frames])
    assert result.verdicts == ["consumed", "forwarded", "forwarded", "forwarded"]
    (echo,) = result.out["ext"]
    assert (echo[Dot1Q].vlan, echo[Dot1Q].prio, echo[ICMP].type) == (42, 5, 0)
    frames = [tagged(TAGS["a priority"], IP(src=CLIENT, dst=EXT_ADDRESS) / ping, to=MAC["ext"]),
              tagged(TAGS["a priority"], asks(CLIENT, EXT_ADDRESS)[ARP])]
    assert replay.run(MULTI, [("ext", frame) for frame in frames]).verdicts == ["consumed"] * 2


def test_what_the_appliance_says_about_a_frame_in_a_vlan_is_said_there(replay):
    frame = tagged(TAGS["802.1Q"], request(TCP(sport=1, dport=80) / Raw(b"x" * 1461), flags="DF"))
    closed = tagged(TAGS["802.1Q"], request(TCP(sport=1, dport=81, flags="S")))
    result = replay.run(SINGLE + "set global no-service reject\n",
                        [("ext", frame), ("ext", closed)])
    assert result.verdicts == ["too_big", "no_service"]
    told, reset = result.out["ext"]
    assert told[Dot1Q].vlan == reset[Dot1Q].vlan == 42
    assert told[ICMP].code == 4 and reset[TCP].flags == "RA"


def test_fragments_keep_the_tag_also_those_that_the_appliance_makes(replay):
    whole = request(UDP(sport=1, dport=53) / Raw(b"x" * 2000), id=3)
    pieces = [tagged(TAGS["802.1ad"], piece) for piece in fragment(whole, 800)]
    frames = [("ext", tagged(TAGS["802.1Q"], whole)), *[("ext", piece) for piece in pieces]]
    result = replay.run(SINGLE, frames)
    out = result.out["int"]
    assert [p.type for p in out] == [0x8100] * 2 + [0x88a8] * 3
    assert {p[IP].dst for p in out} == {"10.0.0.11"}


def test_a_full_frame_with_a_tag_fits(replay):
    """The tag is no part of the MTU."""
    frame = tagged(TAGS["802.1Q"], request(UDP(sport=1, dport=53) / Raw(b"x" * 1472), flags="DF"))
    result = replay.run(SINGLE, [("ext", frame)])
    assert len(result.out["int"][0]) == 14 + 4 + 1500


def test_a_router_has_nothing_to_do_with_a_vlan_and_leaves_a_priority_behind(replay):
    frames = [Ether(src=CLIENT_MAC, dst=EXT) / TAGS[tag].copy() / request() for tag in TAGS]
    result = replay.run(WEB, [("ext", frame) for frame in frames])
    assert result.verdicts == ["vlan_tagged", "vlan_tagged", "forwarded"]
    (out,) = result.left("int")
    assert Dot1Q not in out and out[IP].dst in ("10.0.0.11", "10.0.0.12")
