"""ICMP: echo, what the appliance tells of its own, and errors of others carried through nat."""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPOption, Raw

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, ONE, VIP, checksums_right, from_backend,
                    repaired, syn, to_vip)

BACKEND = "10.0.0.11"
REQUEST = to_vip(UDP(sport=5000, dport=53) / Raw(b"question " * 20), id=4711)
REPLY = from_backend(UDP(sport=8080, dport=5000) / Raw(b"answer " * 20), id=4712)
SYN_ACK = from_backend(TCP(sport=8080, dport=40000, flags="SA", seq=7, ack=1001))


def ping(destination=VIP, size=56, **ip):
    return Ether(src=CLIENT_MAC, dst=EXT) / IP(src=CLIENT, dst=destination, **ip) / ICMP(
        id=7, seq=9) / Raw((bytes(range(256)) * 40)[:size])


@pytest.mark.parametrize("size", [0, 1, 2, 55, 56, 57, 548, 1471, 1472])
def test_a_ping_of_any_size_comes_back_whole(replay, size):
    request = ping(size=size)
    (answer,) = replay.run(ONE, [("ext", request)]).left("ext")
    want = Ether(bytes(request))
    want.src, want.dst = EXT, CLIENT_MAC
    want[IP].src, want[IP].dst, want[IP].ttl = VIP, CLIENT, 64
    want[ICMP].type = 0
    del want[IP].chksum, want[ICMP].chksum
    assert bytes(answer) == bytes(want)


def test_a_jumbo_ping_on_a_jumbo_interface(replay):
    result = replay.run(ONE, [("ext", ping(size=8972))], "--mtu", "9000")
    assert len(result.left("ext")[0][IP]) == 9000


def test_a_ping_larger_than_the_link_is_not_answered(replay):
    """Some host there is wrong about the MTU; an answer would not come through."""
    assert replay.run(ONE, [("ext", ping(size=1473))]).verdicts == ["too_big"]


def test_a_ping_with_options_and_any_ttl(replay):
    request = ping(options=[IPOption(b"\x94\x04\0\0")], ttl=1)
    (answer,) = replay.run(ONE, [("ext", request)]).left("ext")
    assert answer[ICMP].type == 0 and checksums_right(answer)


@pytest.mark.parametrize("interface, source, destination, answered", [
    ("ext", CLIENT, VIP, True), ("ext", CLIENT, "198.51.100.1", True),
    ("ext", CLIENT, "10.0.0.1", True), ("int", BACKEND, "10.0.0.1", True),
    ("int", BACKEND, VIP, True), ("ext", CLIENT, "198.51.100.99", False)])
def test_who_answers_a_ping(replay, interface, source, destination, answered):
    mac = EXT if interface == "ext" else INT
    frame = Ether(src=CLIENT_MAC, dst=mac) / IP(src=source, dst=destination) / ICMP()
    result = replay.run(ONE, [(interface, frame)])
    assert (result.verdicts == ["consumed"]) == answered
    assert len(result.left(interface)) == answered


def test_pings_are_limited_and_errors_apart_from_them(replay):
    frames = [("ext", ping(), i / 1e4) for i in range(200)]
    frames += [("ext", to_vip(TCP(sport=i, dport=80), ttl=1), 0.02 + i / 1e4) for i in range(200)]
    result = replay.run(ONE, frames)
    assert result.verdicts[:100] == ["consumed"] * 100
    assert result.drops["rate_limited"] == 100
    assert result.drops["ttl_expired"] == 200
    told = [p for p in result.left("ext") if p[ICMP].type == 11]
    assert len(told) == 100


# Packets about which nobody is told, although their TTL is over or they are too big.
SILENCE = [
    ("an ICMP error", ICMP(type=3, code=1) / IP(src=VIP, dst=CLIENT) / UDP(sport=53, dport=5000)),
    ("a redirect", ICMP(type=5) / IP(src=VIP, dst=CLIENT) / UDP(sport=53, dport=5000)),
    ("a time exceeded", ICMP(type=11) / IP(src=VIP, dst=CLIENT) / UDP(sport=53, dport=5000)),
]


@pytest.mark.parametrize("layer", [row[1] for row in SILENCE], ids=[row[0] for row in SILENCE])
def test_nobody_is_told_about(replay, layer):
    result = replay.run(ONE, [("ext", REQUEST), ("ext", to_vip(layer, ttl=1))])
    assert result.verdicts[1] in ("ttl_expired", "icmp_ignored") and not result.left("ext")


@pytest.mark.parametrize("interface, frame, source, told_to", [
    ("ext", to_vip(TCP(sport=40000, dport=80, flags="A"), ttl=1), VIP, CLIENT),
    ("int", from_backend(TCP(sport=8080, dport=40000, flags="A"), ttl=1), "10.0.0.1", BACKEND),
], ids=["the client", "the backend"])
def test_whose_ttl_is_over_is_told_and_sees_its_own_packet(replay, interface, frame, source,
                                                           told_to):
    result = replay.run(ONE, [("ext", syn()), (interface, frame)])
    assert result.verdicts[1] == "ttl_expired"
    (told,) = result.left(interface)[-1:]
    assert (told[IP].src, told[IP].dst) == (source, told_to)
    assert (told[ICMP].type, told[ICMP].code) == (11, 0)
    assert bytes(told[ICMP].payload) == bytes(frame[IP]) and checksums_right(told)


@pytest.mark.parametrize("mtu, size", [(1500, 576), (576, 576), (575, 575), (68, 68)])
def test_an_error_quotes_what_fits_into_576_bytes_and_the_link(replay, mtu, size):
    frame = to_vip(UDP(sport=5000, dport=53) / Raw(b"x" * 1000), ttl=1)
    (told,) = replay.run(ONE, [("ext", frame)], "--mtu", mtu).left("ext")
    assert len(told[IP]) == size
    assert bytes(told[ICMP].payload) == bytes(frame[IP])[:size - 28]


@pytest.mark.parametrize("size, verdict", [(1272, "forwarded"), (1273, "too_big")])
def test_too_big_by_a_byte_and_not_to_be_fragmented(replay, size, verdict):
    frame = to_vip(UDP(sport=5000, dport=53) / Raw(b"x" * size), flags="DF")
    result = replay.run(ONE, [("ext", frame)], "--mtu", "1300")
    assert result.verdicts == [verdict]
    if verdict == "too_big":
        (told,) = result.left("ext")
        assert (told[ICMP].type, told[ICMP].code, told[ICMP].nexthopmtu) == (3, 4, 1300)
        assert (told[IP].src, told[IP].dst) == (VIP, CLIENT)
        assert bytes(told[ICMP].payload) == bytes(frame[IP])[:548] and checksums_right(told)


def test_replies_that_are_too_big_are_told_to_the_backend(replay):
    big = from_backend(TCP(sport=8080, dport=40000, flags="A") / Raw(b"x" * 1300), flags="DF")
    result = replay.run(ONE, [("ext", syn()), ("int", big)], "--mtu", "1300")
    assert result.verdicts == ["forwarded", "too_big"]
    (told,) = result.left("int")[1:]
    assert (told[IP].src, told[IP].dst, told[ICMP].nexthopmtu) == ("10.0.0.1", BACKEND, 1300)


ERRORS = [(3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (11, 0), (11, 1), (12, 0)]
FLOWS = {"udp": (REQUEST, REPLY), "tcp": (syn(), SYN_ACK)}


@pytest.mark.parametrize("kind", FLOWS)
@pytest.mark.parametrize("type_, code", ERRORS)
def test_an_error_about_a_request_is_about_the_clients_own_packet(replay, kind, type_, code):
    request, _ = FLOWS[kind]
    (sent,) = replay.run(ONE, [("ext", request)]).left("int")
    for router in (BACKEND, "10.0.0.254"):
        error = Ether(src=BACKENDS[BACKEND], dst=INT) / IP(src=router, dst=CLIENT) / ICMP(
            type=type_, code=code, nexthopmtu=1300 if code == 4 else 0) / bytes(sent[IP])
        result = replay.run(ONE, [("ext", request), ("int", error)])
        (told,) = result.left("ext")
        # The backend speaks as the VIP, a router on the way as itself.
        assert told[IP].src == (VIP if router == BACKEND else router)
        assert (told[IP].dst, told[ICMP].type, told[ICMP].code) == (CLIENT, type_, code)
        want = Ether(bytes(request))
        want[IP].ttl = 63
        assert bytes(told[ICMP].payload) == repaired(bytes(want))[14:]
        assert checksums_right(told) and told[IP].ttl == 63
        if code == 4:
            assert told[ICMP].nexthopmtu == 1300


@pytest.mark.parametrize("kind", FLOWS)
@pytest.mark.parametrize("type_, code", ERRORS)
def test_an_error_about_a_reply_is_about_the_backends_own_packet(replay, kind, type_, code):
    request, reply = FLOWS[kind]
    frames = [("ext", request), ("int", reply)]
    (sent,) = replay.run(ONE, frames).left("ext")
    for router in (CLIENT, "192.0.2.99"):
        error = Ether(src=CLIENT_MAC, dst=EXT) / IP(src=router, dst=VIP) / ICMP(
            type=type_, code=code, nexthopmtu=1300 if code == 4 else 0) / bytes(sent[IP])
        result = replay.run(ONE, frames + [("ext", error)])
        told = result.left("int")[1]
        assert (told[IP].src, told[IP].dst) == (router, BACKEND)
        assert result.frames[2]["backend"] == f"{BACKEND}:8080"
        want = Ether(bytes(reply))
        want[IP].ttl = 63
        assert bytes(told[ICMP].payload) == repaired(bytes(want))[14:] and checksums_right(told)


@pytest.mark.parametrize("length", [28, 29, 32, 40, 100])
def test_an_error_that_quotes_little(replay, length):
    """Eight bytes behind the header are all that RFC 792 promises."""
    (sent,) = replay.run(ONE, [("ext", syn())]).left("int")
    error = Ether(src=BACKENDS[BACKEND], dst=INT) / IP(src=BACKEND, dst=CLIENT) / ICMP(
        type=3, code=1) / bytes(sent[IP])[:length]
    (told,) = replay.run(ONE, [("ext", syn()), ("int", error)]).left("ext")
    quoted = bytes(told[ICMP].payload)
    assert quoted[12:24] == bytes(syn()[IP])[12:24] and len(quoted) == min(length, 40)
    assert told[ICMP].chksum == Ether(bytes(recomputed(told)))[ICMP].chksum


def recomputed(packet):
    fresh = packet.copy()
    fresh[ICMP].remove_payload()
    fresh = fresh / Raw(bytes(packet[ICMP].payload))
    del fresh[ICMP].chksum, fresh[IP].chksum
    return fresh


def about(quote, source=BACKEND, destination=CLIENT, **ip):
    return Ether(src=BACKENDS[BACKEND], dst=INT) / IP(src=source, dst=destination, **ip) / ICMP(
        type=3, code=1) / quote


TO_BACKEND = IP(src=CLIENT, dst=BACKEND) / TCP(sport=40000, dport=8080)
WRONG = [
    ("about another client's packet", about(IP(src="192.0.2.1", dst=BACKEND) / TCP(
        sport=40000, dport=8080)), "icmp_unmatched"),
    ("about another port", about(IP(src=CLIENT, dst=BACKEND) / TCP(sport=40001, dport=8081)),
     "icmp_unmatched"),
    ("about another protocol", about(IP(src=CLIENT, dst=BACKEND, proto=47) / Raw(b"x" * 20)),
     "icmp_unmatched"),
    ("to another than the sender of what it quotes", about(TO_BACKEND, destination="192.0.2.1"),
     "icmp_unmatched"),
    ("about a later fragment", about(IP(src=CLIENT, dst=BACKEND, frag=9, proto=6) / Raw(b"x" * 20)),
     "icmp_malformed"),
    ("with a quote cut short", about(Raw(bytes(TO_BACKEND)[:27])), "icmp_malformed"),
    ("with half a header", about(Raw(bytes(TO_BACKEND)[:12])), "icmp_malformed"),
    ("with a quoted IHL of 4", about(Raw(b"\x44" + bytes(TO_BACKEND)[1:])), "icmp_malformed"),
    ("with a quoted IHL of 15", about(Raw(b"\x4f" + bytes(TO_BACKEND)[1:])), "icmp_malformed"),
    ("with a quoted version 6", about(Raw(b"\x65" + bytes(TO_BACKEND)[1:])), "icmp_malformed"),
    ("in fragments", about(TO_BACKEND, flags="MF"), "icmp_malformed"),
    ("about an ICMP error", about(IP(src=CLIENT, dst=BACKEND) / ICMP(type=3) / TO_BACKEND),
     "icmp_unmatched"),
    ("about a ping", about(IP(src=CLIENT, dst=BACKEND) / ICMP()), "icmp_unmatched"),
]
for row in WRONG:
    if row[0] == "in fragments":
        # 8 bytes more or less make a fragment of the right length.
        row[1][ICMP].payload = Raw(bytes(TO_BACKEND) + b"\0" * (-len(TO_BACKEND) % 8))


@pytest.mark.parametrize("frame, reason", [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_an_error(replay, frame, reason):
    result = replay.run(ONE, [("ext", syn()), ("int", frame)])
    assert result.verdicts == ["forwarded", reason]
    assert not result.left("ext")


def test_an_error_neither_refreshes_nor_ends_a_flow(replay):
    """Whoever can guess a tuple could otherwise end or keep it."""
    (sent,) = replay.run(ONE, [("ext", syn())]).left("int")
    frames = [("ext", syn(), 0), ("int", about(bytes(sent[IP])), 20), ("ext", syn(), 29.9)]
    assert replay.run(ONE, frames).stats["flows"]["created"] == 1
    frames = [("ext", syn(), 0), ("int", about(bytes(sent[IP])), 20), ("ext", syn(), 30)]
    assert replay.run(ONE, frames).stats["flows"]["created"] == 2


def test_an_error_that_has_no_hop_left_ends_in_silence(replay):
    (sent,) = replay.run(ONE, [("ext", syn())]).left("int")
    result = replay.run(ONE, [("ext", syn()), ("int", about(bytes(sent[IP]), ttl=1))])
    assert result.verdicts == ["forwarded", "ttl_expired"]
    assert not result.left("ext") and len(result.left("int")) == 1


def test_path_mtu_discovery_without_a_flow(replay):
    """The table is full: errors find their way by the table, as the packets did."""
    config = ONE.replace("16384", "1024")
    flood = [("ext", syn(port), port / 1e5) for port in range(1, 200)]
    flood.append(("ext", syn(50000), 1))
    (sent,) = replay.run(config, flood).left("int")[-1:]
    result = replay.run(config, flood + [("int", about(bytes(sent[IP])), 2)])
    (told,) = result.left("ext")
    inner = told[ICMP].payload
    assert (inner.src, inner.sport, inner.dst, inner.dport) == (CLIENT, 50000, VIP, 80)
    assert checksums_right(told)
