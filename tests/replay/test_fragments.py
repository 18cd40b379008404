"""Fragments: every order, overlaps, what never comes, and what may not be one.

A datagram of three pieces is cut at 800 and 1600 bytes of its IP payload.
"""
import itertools

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, defragment

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, ONE, VIP, WEB, arp_reply,
                    checksums_right, from_backend, repaired, to_vip, without)

DATAGRAM = UDP(sport=5000, dport=53) / Raw(bytes(range(250)) * 9)
SEGMENT = TCP(sport=5000, dport=80, flags="A") / Raw(bytes(range(250)) * 9)


def cut(frame, at=(800, 1600), **ip):
    """The frame's packet in pieces that end at these offsets, and where it ends."""
    payload = bytes(Ether(bytes(frame))[IP].payload)
    edges = [0, *at, len(payload)]
    pieces = []
    for start, end in zip(edges, edges[1:]):
        piece = Ether(src=frame.src, dst=frame.dst) / IP(
            src=frame[IP].src, dst=frame[IP].dst, proto=frame[IP].proto or 17, id=77,
            flags="MF" if end < len(payload) else 0, frag=start // 8) / Raw(payload[start:end])
        for name, value in ip.items():
            setattr(piece[IP], name, value)
        pieces.append(piece)
    return pieces


def piece(offset, length, more=True, proto=17, ident=77, **ip):
    """A later fragment by itself."""
    return to_vip(Raw(b"x" * length), proto=proto, id=ident, frag=offset // 8,
                  flags="MF" if more else 0, **ip)


def of(frame, protocol):
    frame[IP].proto = protocol
    return frame


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("frame, port", [(of(to_vip(DATAGRAM), 17), 8080),
                                         (of(to_vip(SEGMENT), 6), 8080)], ids=["udp", "tcp"])
def test_every_order_reaches_one_backend_and_makes_up_the_datagram(replay, frame, port, order):
    pieces = cut(frame)
    result = replay.run(WEB, [("ext", pieces[i]) for i in order])
    left = result.left("int")
    assert len({p[IP].dst for p in left}) == 1 and len({p.dst for p in left}) == 1
    assert all(repaired(bytes(p)) == bytes(p) and p[IP].ttl == 63 for p in left)
    (whole,) = defragment(left)
    assert whole[IP].payload.dport == port and checksums_right(Ether(bytes(whole)))
    # Who came too early waits for the first, and leaves behind it.
    early = order.index(0)
    assert result.verdicts == ["held"] * early + ["forwarded"] * (3 - early)
    assert left[0][IP].frag == 0 and result.stats["total"]["forwarded"] == 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_replies_too(replay, order):
    reply = of(from_backend(UDP(sport=8080, dport=5000) / Raw(b"a" * 2250)), 17)
    pieces = cut(reply)
    frames = [("ext", to_vip(UDP(sport=5000, dport=53)))] + [("int", pieces[i]) for i in order]
    result = replay.run(ONE, frames)
    left = result.left("ext")
    assert {(p[IP].src, p[IP].dst) for p in left} == {(VIP, CLIENT)}
    (whole,) = defragment(left)
    assert whole[UDP].sport == 53 and checksums_right(Ether(bytes(whole)))


def test_a_udp_checksum_of_zero_stays_zero_over_fragments(replay):
    frame = of(to_vip(UDP(sport=5000, dport=53, chksum=0) / Raw(b"x" * 2250)), 17)
    (whole,) = defragment(replay.run(ONE, [("ext", p) for p in cut(frame)]).left("int"))
    assert whole[UDP].chksum == 0 and whole[UDP].dport == 8080


def test_datagrams_of_one_client_are_told_apart_by_their_id(replay):
    one, other = cut(of(to_vip(DATAGRAM), 17)), cut(of(to_vip(DATAGRAM), 17), id=78)
    result = replay.run(WEB, [("ext", p) for pair in zip(one, other) for p in pair])
    assert result.verdicts == ["forwarded"] * 6
    result = replay.run(WEB, [("ext", p) for p in (one[0], other[1], other[2])])
    assert result.verdicts == ["forwarded", "held", "held"]


def test_the_first_is_remembered_for_two_seconds(replay):
    first, second, third = cut(of(to_vip(DATAGRAM), 17))
    frames = [("ext", first, 0), ("ext", second, 1.999), ("ext", third, 2.0)]
    result = replay.run(ONE, frames)
    assert result.verdicts == ["forwarded", "forwarded", "held"]


def test_who_waits_a_second_for_the_first_is_dropped(replay):
    first, second, third = cut(of(to_vip(DATAGRAM), 17))
    result = replay.run(ONE, [("ext", second, 0), ("ext", third, 0.9), ("ext", first, 0.999)])
    assert result.stats["total"]["forwarded"] == 3
    result = replay.run(ONE, [("ext", second, 0), ("ext", third, 0.9), ("ext", first, 1.0)])
    assert result.stats["total"]["forwarded"] == 1 and result.drops["fragment_timeout"] == 2


def test_four_of_a_datagram_wait(replay):
    frames = [("ext", piece(800 + 8 * i, 8)) for i in range(6)]
    result = replay.run(ONE, frames)
    assert result.verdicts == ["held"] * 4 + ["fragment_overflow"] * 2


def test_4096_wait_in_all(replay):
    frames = [("ext", piece(800 + 8 * (i % 4), 8, ident=i // 4), i / 1e5) for i in range(4200)]
    result = replay.run(ONE, frames)
    assert result.stats["total"]["held"] == 4096
    assert result.verdicts[4096:] == ["fragment_overflow"] * 104
    # They make room as their time is over.
    result = replay.run(ONE, frames + [("ext", piece(800, 8, ident=5000), 1.5)])
    assert result.verdicts[-1] == "held" and result.drops["fragment_timeout"] == 4096


# A row: what the first fragment gets, and its later ones with it.
FATES = [
    ("no service", to_vip(UDP(dport=99) / Raw(b"x" * 792)), "no_service"),
    ("not for us", of(Ether(src=CLIENT_MAC, dst=EXT) / IP(src=CLIENT, dst="8.8.8.8", proto=17) /
                      UDP() / Raw(b"x" * 792), 17), "forwarding_off"),
    ("echo in pieces", to_vip(ICMP() / Raw(b"x" * 792)), "icmp_ignored"),
    ("too short for TCP", to_vip(Raw(b"x" * 16), proto=6), "fragment_malformed"),
]


@pytest.mark.parametrize("frame, reason", [row[1:] for row in FATES],
                         ids=[row[0] for row in FATES])
def test_later_ones_share_the_fate_of_their_first(replay, frame, reason):
    frame = Ether(bytes(frame))
    frame[IP].flags, frame[IP].id = "MF", 77
    del frame[IP].chksum
    later = frame.copy()
    later[IP].remove_payload()
    later = later / Raw(b"x" * 80)
    later[IP].frag, later[IP].len = 100, 100
    result = replay.run(ONE, [("ext", frame), ("ext", later)])
    if reason == "fragment_malformed":  # it has no fate: nothing is remembered of it
        assert result.verdicts == [reason, "held"]
    else:
        assert result.verdicts == [reason, reason]


# (offset, length, more to come, protocol, verdict) of a later fragment, its first forwarded.
LATER = [
    ("over the TCP header's second half", 8, 80, False, 6, "fragment_malformed"),
    ("over the TCP header's end", 16, 80, False, 6, "fragment_malformed"),
    ("over TCP options, which nobody here reads", 24, 80, False, 6, "forwarded"),
    ("right behind the UDP header", 8, 80, False, 17, "forwarded"),
    ("over what has come already", 400, 800, False, 17, "forwarded"),
    ("the very same once more", 800, 800, True, 17, "forwarded"),
    ("the last, of one byte", 1600, 1, False, 17, "forwarded"),
    ("not the last, of one byte", 1600, 1, True, 17, "fragment_malformed"),
    ("the last place there is", 65512, 3, False, 17, "forwarded"),
    ("one byte past 65535", 65512, 4, False, 17, "fragment_malformed"),
    ("the ping of death", 65528, 1400, False, 17, "fragment_malformed"),
]


@pytest.mark.parametrize("offset, length, more, protocol, verdict", [row[1:] for row in LATER],
                         ids=[row[0] for row in LATER])
def test_a_later_fragment(replay, offset, length, more, protocol, verdict):
    frame = of(to_vip(DATAGRAM if protocol == 17 else SEGMENT), protocol)
    result = replay.run(ONE, [("ext", cut(frame)[0]),
                              ("ext", piece(offset, length, more, protocol))])
    assert result.verdicts == ["forwarded", verdict]


@pytest.mark.parametrize("ttl, verdict", [(2, "forwarded"), (1, "ttl_expired"),
                                          (0, "ttl_expired")])
def test_the_last_hop_of_a_later_fragment(replay, ttl, verdict):
    """Nobody is told: an error is about a first fragment only (RFC 1122 section 3.2.2)."""
    first = cut(of(to_vip(DATAGRAM), 17))[0]
    result = replay.run(ONE, [("ext", first), ("ext", piece(800, 80, ttl=ttl))])
    assert result.verdicts[1] == verdict
    assert not result.left("ext")


def test_a_later_fragment_that_is_too_big_is_cut_again(replay):
    frame = of(to_vip(UDP(sport=5000, dport=53) / Raw(bytes(range(250)) * 16)), 17)
    pieces = cut(frame, at=(1400, 2800))
    result = replay.run(ONE, [("ext", p) for p in pieces], "--mtu", "600")
    left = result.left("int")
    assert len(left) > 6 and all(len(p[IP]) <= 600 for p in left)
    (whole,) = defragment(left)
    assert bytes(whole[UDP].payload) == bytes(frame[UDP].payload)
    for p in pieces:
        p[IP].flags |= "DF"
    result = replay.run(ONE, [("ext", p) for p in pieces], "--mtu", "600")
    assert result.verdicts == ["too_big"] * 3


def test_fragments_wait_for_the_neighbor_in_order(replay):
    config = without(ONE, "add neighbor 10")
    pieces = cut(of(to_vip(DATAGRAM), 17))
    frames = [("ext", p) for p in (pieces[2], pieces[0], pieces[1])]
    frames.append(("int", arp_reply("10.0.0.11", BACKENDS["10.0.0.11"])))
    result = replay.run(config, frames)
    assert result.verdicts == ["held"] * 3 + ["consumed"]
    assert [p[IP].frag for p in result.left("int")] == [0, 200, 100]
    assert result.stats["total"]["forwarded"] == 3


def test_reserved_flag_and_df_are_passed_on(replay):
    frame = to_vip(UDP(sport=5000, dport=53), flags="evil+DF")
    (packet,) = replay.run(ONE, [("ext", frame)]).left("int")
    assert packet[IP].flags == "evil+DF"


def test_a_first_fragment_that_comes_again_decides_anew(replay):
    """The client's id has come round within two seconds: another datagram, another port."""
    first = cut(of(to_vip(DATAGRAM), 17))[0]
    other = cut(of(to_vip(UDP(sport=5000, dport=99) / Raw(b"x" * 2250)), 17))
    result = replay.run(ONE, [("ext", first), ("ext", other[0]), ("ext", other[1])])
    assert result.verdicts == ["forwarded", "no_service", "no_service"]


def test_interfaces_do_not_matter_to_a_fragment_but_addresses_do(replay):
    """Another client's fragment with the same id is another datagram."""
    first, second, _ = cut(of(to_vip(DATAGRAM), 17))
    second[IP].src = "198.51.100.8"
    assert replay.run(ONE, [("ext", first), ("ext", second)]).verdicts == ["forwarded", "held"]


def test_heartbeats_are_heard_in_first_fragments(replay):
    config = ONE.replace("add pool web", "add check alive heartbeat\nadd pool web check alive")
    beat = Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(
        src="10.0.0.11", dst="10.0.0.1", flags="MF") / UDP(sport=9, dport=9) / Raw(b"x" * 8)
    result = replay.run(config, [("int", beat), ("ext", to_vip(UDP(sport=1, dport=53)))])
    assert result.verdicts == ["consumed", "forwarded"]
