"""Modes dsr, ipip and gue: the backend gets the client's packet byte for byte, and Scapy says what
stands before it.

    client 198.51.100.7 --- ext 198.51.100.1 | VIP 203.0.113.10 | int 10.0.0.1 --- 10.0.0.11, .12

In ipip and gue there is also 10.9.0.11, behind the router 10.0.0.254.
"""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPOption, Padding, Raw, fragment

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, NETWORK, VIP, checksums_right, syn,
                    to_vip, without)

MODES = ["dsr", "ipip", "gue"]
TUNNELS = ["ipip", "gue"]
OVERHEAD = {"dsr": 0, "ipip": 20, "gue": 28}
ROUTER, ROUTER_MAC, FAR = "10.0.0.254", "02:00:00:00:02:54", "10.9.0.11"
BACKEND = "10.0.0.11"


def config(mode, *backends, options=""):
    """Services for every port of the VIP and, by itself, for 80/tcp."""
    lines = "".join(f"add backend all {address}:0\n" for address in backends or [BACKEND])
    return (NETWORK + f"add pool all\n{lines}"
            f"add service all {VIP}:0/any pool all mode {mode} {options}\n"
            f"add service web {VIP}:80/tcp pool all mode {mode} {options}\n")


def far(mode):
    return (config(mode, FAR) + f"add route 10.9.0.0/24 via {ROUTER}\n"
            f"add neighbor {ROUTER} mac {ROUTER_MAC} interface int\n")


def wrapped(mode, packet, left):
    """The frame that `packet` must have become; what is free in it is taken from what has left."""
    mac = BACKENDS.get(left[IP].dst, ROUTER_MAC) if mode != "dsr" else BACKENDS[BACKEND]
    ether = Ether(src=INT, dst=mac, type=0x800)
    inner = bytes(packet[IP])[:packet[IP].len]
    if mode == "dsr":
        return bytes(ether) + inner
    outer = IP(src="10.0.0.1", dst=left[IP].dst, ttl=64, tos=packet[IP].tos,
               flags="DF" if packet[IP].flags.DF else 0, id=left[IP].id,
               proto=4 if mode == "ipip" else 17)
    if mode == "gue":
        outer /= UDP(sport=left[UDP].sport, dport=6080)
    return bytes(ether / outer / Raw(inner))


def inside(mode, frame):
    """The IP packet in a frame that has left, as Scapy reads it."""
    if mode == "dsr":
        return frame[IP]
    return IP(bytes(frame[IP].payload if mode == "ipip" else frame[UDP].payload))


PACKETS = {
    "syn": syn(),
    "payload": to_vip(TCP(dport=80, flags="PA") / Raw(b"odd")),
    "tcp options": to_vip(TCP(dport=80, flags="S", options=[("MSS", 1460), ("WScale", 7)])),
    "large": to_vip(TCP(dport=80) / Raw(bytes(range(256)) * 5)),
    "udp": to_vip(UDP(dport=53) / Raw(b"query")),
    "empty udp": to_vip(UDP(dport=53)),
    "udp without a checksum": to_vip(UDP(dport=53, chksum=0) / Raw(b"query")),
    "udp shorter than its packet": to_vip(UDP(dport=53, len=11) / Raw(b"query")),
    "ip options": to_vip(TCP(dport=80), options=[IPOption(b"\x94\x04\0\0")], id=77),
    "don't fragment": to_vip(TCP(dport=80), flags="DF", id=78),
    "dscp and ecn": to_vip(TCP(dport=80), tos=0xb8 | 3, flags="DF"),
    "a last hop": to_vip(TCP(dport=80), ttl=2),
    "padding": syn() / Padding(b"\xee" * 6),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PACKETS)
def test_the_packet_is_handed_over_as_it_came(replay, mode, name):
    frame = Ether(bytes(PACKETS[name]))
    result = replay.run(config(mode), [("ext", frame)])
    assert result.verdicts == ["forwarded"]
    assert result.frames[0]["output_interface"] == "int"
    assert result.frames[0]["backend"] == f"{BACKEND}:0"
    (left,) = result.left("int")
    assert bytes(left) == wrapped(mode, frame, left)


@pytest.mark.parametrize("mode", TUNNELS)
def test_a_backend_behind_a_router_gets_it_by_the_router(replay, mode):
    result = replay.run(far(mode), [("ext", syn())])
    (left,) = result.left("int")
    assert left.dst == ROUTER_MAC and left[IP].dst == FAR
    assert bytes(left) == wrapped(mode, Ether(bytes(syn())), left)


@pytest.mark.parametrize("mode", MODES)
def test_a_corrupt_packet_arrives_corrupt(replay, mode):
    frame = Ether(bytes(to_vip(TCP(dport=80) / Raw(b"data"))))
    frame[TCP].chksum ^= 0x1234
    (left,) = replay.run(config(mode), [("ext", frame)]).left("int")
    assert bytes(inside(mode, left)) == bytes(frame[IP])
    assert not checksums_right(left)


def test_ids_of_outer_headers_differ_where_they_may_be_needed(replay):
    frames = [("ext", to_vip(UDP(sport=port, dport=53), id=5)) for port in range(1, 9)]
    frames += [("ext", to_vip(UDP(sport=port, dport=53), id=5, flags="DF")) for port in (1, 2)]
    ids = [left[IP].id for left in replay.run(config("ipip"), frames).left("int")]
    assert len(set(ids[:8])) == 8 and 0 not in ids[:8] and ids[8:] == [0, 0]


def test_the_source_port_of_gue_is_the_flows(replay):
    frames = [("ext", syn(port)) for port in range(1000, 1200)] * 2
    ports = [left[UDP].sport for left in replay.run(config("gue"), frames).left("int")]
    assert ports[:200] == ports[200:]
    assert min(ports) >= 49152 and len(set(ports)) > 190


@pytest.mark.parametrize("mode", MODES)
def test_flows_stay_and_are_shared_out(replay, mode):
    frames = [("ext", syn(port)) for port in range(1024, 1424)] * 2
    result = replay.run(config(mode, *BACKENDS), frames)
    chosen = [frame["backend"] for frame in result.frames]
    assert chosen[:400] == chosen[400:]
    assert min(chosen[:400].count(f"{address}:0") for address in BACKENDS) > 150
    for frame, left in zip(result.frames, result.left("int")):
        address = frame["backend"].split(":")[0]
        assert left.dst == BACKENDS[address] and mode == "dsr" or left[IP].dst == address


@pytest.mark.parametrize("mode", MODES)
def test_a_ttl_that_is_over_is_told(replay, mode):
    result = replay.run(config(mode), [("ext", to_vip(TCP(dport=80), ttl=1))])
    assert result.verdicts == ["ttl_expired"] and not result.left("int")
    (told,) = result.left("ext")
    assert (told[ICMP].type, told[IP].src, told[IP].dst) == (11, VIP, CLIENT)


@pytest.mark.parametrize("mode", MODES)
def test_what_the_wrapping_makes_too_large_is_told_what_fits(replay, mode):
    fits = 1500 - OVERHEAD[mode]
    frames = [("ext", to_vip(UDP(dport=53) / Raw(b"x" * (size - 28)), flags="DF"))
              for size in (fits, fits + 1)]
    result = replay.run(config(mode), frames)
    assert result.verdicts == ["forwarded", "too_big"]
    (left,), (told,) = result.left("int"), result.left("ext")
    assert len(left[IP]) == 1500 and bytes(left) == wrapped(mode, Ether(bytes(frames[0][1])), left)
    assert (told[ICMP].type, told[ICMP].code, told[ICMP].nexthopmtu) == (3, 4, fits)
    assert bytes(told[ICMP].payload) == bytes(frames[1][1][IP])[:548] and checksums_right(told)


def put_together(pieces):
    """The payload of the fragments of one datagram."""
    pieces = sorted(pieces, key=lambda piece: piece.frag)
    for piece, following in zip(pieces, pieces[1:]):
        assert piece.flags.MF and piece.frag * 8 + len(piece.payload) == following.frag * 8
    assert not pieces[-1].flags.MF
    return b"".join(bytes(piece.payload) for piece in pieces)


@pytest.mark.parametrize("mode", MODES)
def test_what_may_be_cut_is_cut_before_it_is_wrapped(replay, mode):
    mtu = 1300
    frame = Ether(bytes(to_vip(UDP(dport=53) / Raw(bytes(range(250)) * 5), id=9)))
    result = replay.run(config(mode), [("ext", frame)], "--mtu", mtu)
    left = result.left("int")
    assert result.verdicts == ["forwarded"]
    if mode == "dsr":
        assert len(left) == 1
        return
    assert len(left) == (1 if len(frame[IP]) + OVERHEAD[mode] <= mtu else 2)
    frame = Ether(bytes(to_vip(UDP(dport=53) / Raw(bytes(range(252)) * 5), id=9)))
    left = replay.run(config(mode), [("ext", frame)], "--mtu", mtu).left("int")
    inner = [inside(mode, one) for one in left]
    assert len(left) == 2 and all(len(one[IP]) <= mtu for one in left)
    assert all(bytes(one) == wrapped(mode, Ether() / packet, one)
               for one, packet in zip(left, inner))
    assert all((one.src, one.dst, one.id, one.ttl) == (CLIENT, VIP, 9, 64) for one in inner)
    assert put_together(inner) == bytes(frame[IP].payload)
    assert len({one[UDP].sport for one in left}) == 1 if mode == "gue" else True


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_fragments_take_the_way_of_the_first(replay, mode, order):
    datagram = to_vip(UDP(sport=4711, dport=53) / Raw(bytes(range(200)) * 20), id=33)
    parts = [Ether(bytes(part)) for part in fragment(datagram, 1400)]
    assert len(parts) == 3
    result = replay.run(config(mode, *BACKENDS), [("ext", parts[i]) for i in order])
    left = result.left("int")
    assert len(left) == 3 and result.stats["total"]["forwarded"] == 3
    assert len({one.dst for one in left}) == 1
    assert sorted(bytes(inside(mode, one)) for one in left) == \
        sorted(bytes(part[IP]) for part in parts)
    if mode == "gue":
        assert len({one[UDP].sport for one in left}) == 1
        assert all(bytes(one) == wrapped(mode, Ether() / inside(mode, one), one) for one in left)


@pytest.mark.parametrize("mode", MODES)
def test_a_full_table_forwards_all_the_same(replay, mode):
    """Also where services share backends: no reply has to be mapped back. 128 are half-open."""
    script = config(mode).replace("16384", "1024") + \
        f"add service more 203.0.113.11:0/any pool all mode {mode}\n"
    result = replay.run(script, [("ext", syn(port)) for port in range(1000, 1400)])
    assert result.verdicts == ["forwarded"] * 400
    assert result.stats["flows"]["stateless"] == 400 - 128


@pytest.mark.parametrize("mode", MODES)
def test_a_connection_is_established_by_its_client_alone(replay, mode):
    """SYN, then the ACK of a SYN-ACK that went past: it no longer counts as half-open."""
    frames = [("ext", syn()), ("ext", to_vip(TCP(sport=40000, dport=80, flags="A", seq=1001)))]
    stats = replay.run(config(mode), frames).stats["flows"]
    assert (stats["live"], stats["half_open"]) == (1, 0)


@pytest.mark.parametrize("mode", MODES)
def test_a_backend_is_no_reply_of_a_service_that_hands_over(replay, mode):
    """What comes from a backend's own address and port is its own, not the VIP's."""
    own = Ether(src=BACKENDS[BACKEND], dst=INT) / IP(src=BACKEND, dst=CLIENT) / \
        TCP(sport=80, dport=40000, flags="SA")
    script = without(config(mode), "add service web")
    result = replay.run(script, [("ext", syn()), ("int", own)])
    assert result.verdicts == ["forwarded", "no_flow"] and not result.left("ext")


# ---- errors about replies, on their way from a router at the client's side to the backend ----

@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("interface", ["ext", "int"])
@pytest.mark.parametrize("known", ["by a flow", "by the table"])
def test_an_error_about_a_reply_goes_to_the_backend_as_it_came(replay, mode, interface, known):
    reply = IP(src=VIP, dst=CLIENT, id=5, flags="DF") / UDP(sport=53, dport=5000) / Raw(b"a" * 900)
    error = Ether(bytes(Ether(src=CLIENT_MAC, dst=EXT if interface == "ext" else INT) /
                        IP(src="198.51.100.254", dst=VIP) /
                        ICMP(type=3, code=4, nexthopmtu=900) / Raw(bytes(reply)[:548])))
    request = [("ext", to_vip(UDP(sport=5000, dport=53) / Raw(b"question")))]
    result = replay.run(config(mode, *BACKENDS),
                        (request if known == "by a flow" else []) + [(interface, error)])
    assert set(result.verdicts) == {"forwarded"}
    backends = {frame["backend"] for frame in result.frames}
    assert len(backends) == 1
    left = result.left("int")[-1]
    assert bytes(inside(mode, left)) == bytes(error[IP])
    assert left.dst == BACKENDS[backends.pop().split(":")[0]]
    if mode != "dsr":
        assert bytes(left) == wrapped(mode, error, left)
    if mode == "gue" and known == "by a flow":
        assert left[UDP].sport == result.left("int")[0][UDP].sport


@pytest.mark.parametrize("mode", MODES)
def test_an_error_about_nothing_is_dropped(replay, mode):
    other = IP(src="203.0.113.11", dst=CLIENT) / UDP(sport=53, dport=5000)
    frames = [("ext", to_vip(ICMP(type=3, code=4, nexthopmtu=900) / other)),
              ("ext", to_vip(ICMP(type=3, code=4) / IP(src=VIP, dst=CLIENT) / ICMP()))]
    assert replay.run(config(mode), frames).verdicts == ["icmp_unmatched"] * 2


# ---- errors about outer headers, from between the appliance and a backend ----

def about(outer, source=ROUTER, quoted=548, **icmp):
    """What a router says about a frame that has left for the backends."""
    return Ether(src=ROUTER_MAC, dst=INT) / IP(src=source, dst=outer[IP].src) / \
        ICMP(**icmp) / Raw(bytes(outer[IP])[:quoted])


def told_about(replay, mode, request=None, known="by a flow", **error):
    """What the client hears after such an error; and what became of the error itself."""
    request = request or to_vip(TCP(sport=40000, dport=80) / Raw(b"x" * 1000), flags="DF", id=9)
    (left,) = replay.run(far(mode), [("ext", request)]).left("int")
    frames = [("ext", request)] if known == "by a flow" else []
    result = replay.run(far(mode), frames + [("int", about(left, **error))])
    return result.verdicts[-1], result.left("ext"), bytes(request[IP])


@pytest.mark.parametrize("mode", TUNNELS)
@pytest.mark.parametrize("known", ["by a flow", "by the table"])
def test_a_narrow_link_behind_is_told_to_the_client(replay, mode, known):
    verdict, told, request = told_about(replay, mode, known=known, type=3, code=4, nexthopmtu=1000)
    assert verdict == "consumed"
    (told,) = told
    assert (told[IP].src, told[IP].dst, told.dst) == (VIP, CLIENT, CLIENT_MAC)
    assert (told[ICMP].type, told[ICMP].code) == (3, 4)
    assert told[ICMP].nexthopmtu == 1000 - OVERHEAD[mode]
    quoted = bytes(told[ICMP].payload)
    assert quoted == request[:len(quoted)] and len(quoted) == 548 - OVERHEAD[mode]
    assert checksums_right(told)


@pytest.mark.parametrize("mode", TUNNELS)
def test_a_router_that_knows_no_mtu_says_none_to_the_client(replay, mode):
    verdict, (told,), _ = told_about(replay, mode, type=3, code=4, nexthopmtu=0)
    assert verdict == "consumed" and told[ICMP].nexthopmtu == 0


@pytest.mark.parametrize("mode", TUNNELS)
@pytest.mark.parametrize("type_, code", [(3, 0), (3, 1), (3, 2), (3, 3), (3, 9), (3, 13), (11, 0)])
def test_no_way_to_the_backend_is_host_unreachable_to_the_client(replay, mode, type_, code):
    verdict, (told,), request = told_about(replay, mode, type=type_, code=code)
    assert verdict == "consumed"
    assert (told[ICMP].type, told[ICMP].code, told[IP].src) == (3, 1, VIP)
    assert bytes(told[ICMP].payload) == request[:548 - OVERHEAD[mode]]


# What is not passed on, and why.
@pytest.mark.parametrize("mode", TUNNELS)
@pytest.mark.parametrize("reason, error", [
    ("icmp_ignored", dict(type=3, code=5)), ("icmp_ignored", dict(type=4)),
    ("icmp_ignored", dict(type=5)), ("icmp_ignored", dict(type=11, code=1)),
    ("icmp_ignored", dict(type=12)), ("icmp_ignored", dict(type=3, code=4, nexthopmtu=87)),
    ("icmp_unmatched", dict(type=3, code=1, quoted=20 + 8 + 20 + 7)),
    ("icmp_malformed", dict(type=3, code=1, quoted=27)),
], ids=str)
def test_the_client_hears_nothing_of(replay, mode, reason, error):
    if mode == "ipip" and error.get("quoted") == 55:
        error = dict(error, quoted=47)
    verdict, told, _ = told_about(replay, mode, **error)
    assert verdict == reason and not told


@pytest.mark.parametrize("mode", TUNNELS)
@pytest.mark.parametrize("forgery", ["another backend", "another mode", "a bad inner header",
                                     "a VIP as the tunnel's begin", "a service that is disabled"])
def test_who_has_seen_none_of_our_packets_is_not_believed(replay, mode, forgery):
    script = without(far(mode), "add service all")
    request = to_vip(TCP(sport=40000, dport=80), flags="DF")
    (left,) = replay.run(script, [("ext", request)]).left("int")
    frames = [("ext", request)]
    del left[IP].chksum
    if forgery == "another backend":
        left[IP].dst = "10.9.0.12"
    elif forgery == "another mode":
        left = Ether() / IP(src="10.0.0.1", dst=FAR, proto=4 if mode == "gue" else 17) / \
            Raw(bytes(inside(mode, left)))
    elif forgery == "a bad inner header":
        at = 14 + OVERHEAD[mode] + 8
        left = Ether(bytes(left)[:at] + b"\x55" + bytes(left)[at + 1:])
    elif forgery == "a VIP as the tunnel's begin":
        left[IP].src = VIP
    else:
        script += "disable service web\n"
        frames = []
    result = replay.run(script, frames + [("int", about(left, type=3, code=1))])
    assert result.verdicts[-1] == "icmp_unmatched" and not result.left("ext")


# ---- replies of backends whose router is the appliance, too ----

def reply(layer, **ip):
    return Ether(src=BACKENDS[BACKEND], dst=INT) / IP(src=VIP, dst=CLIENT, **ip) / layer


SYN_ACK = reply(TCP(sport=80, dport=40000, flags="SA"))


@pytest.mark.parametrize("mode", MODES)
def test_a_reply_by_the_appliance_goes_on_if_a_flow_says_so(replay, mode):
    on = config(mode) + "set global forwarding on\n"
    nobodys = reply(TCP(sport=80, dport=40001, flags="SA"))
    result = replay.run(on, [("ext", syn()), ("int", SYN_ACK), ("int", nobodys), ("ext", SYN_ACK)])
    assert result.verdicts == ["forwarded", "forwarded", "ip_source_is_ours", "not_for_us"]
    (left,) = result.left("ext")
    want = SYN_ACK.copy()
    want.src, want.dst, want[IP].ttl = EXT, CLIENT_MAC, 63
    assert bytes(left) == bytes(want)
    result = replay.run(config(mode), [("ext", syn()), ("int", SYN_ACK)])
    assert result.verdicts == ["forwarded", "ip_source_is_ours"]


def test_a_reply_in_the_vips_name_is_none_where_the_appliance_gives_it_that_name(replay):
    result = replay.run(config("nat") + "set global forwarding on\n",
                        [("ext", syn()), ("int", SYN_ACK)])
    assert result.verdicts == ["forwarded", "ip_source_is_ours"]


def test_a_forger_on_the_clients_side_is_dropped(replay):
    forged = Ether(src=CLIENT_MAC, dst=EXT) / SYN_ACK[IP]
    result = replay.run(config("dsr") + "set global forwarding on\n",
                        [("ext", syn()), ("ext", forged)])
    assert result.verdicts == ["forwarded", "ip_source_is_ours"]


def test_fragments_and_errors_of_such_a_reply_go_on_too(replay):
    request = to_vip(UDP(sport=5000, dport=53) / Raw(b"question"))
    answer = reply(UDP(sport=53, dport=5000) / Raw(b"x" * 3000), id=7)
    parts = [Ether(bytes(part)) for part in fragment(answer, 1400)]
    error = reply(ICMP(type=3, code=3) / request[IP])
    other = reply(ICMP(type=3, code=3) / IP(src=CLIENT, dst="203.0.113.11") / UDP())
    echo = reply(ICMP(type=0))
    frames = [request] + parts + [error, other, echo]
    result = replay.run(config("dsr") + "set global forwarding on\n",
                        [("ext", frames[0])] + [("int", frame) for frame in frames[1:]])
    assert result.verdicts == ["forwarded"] * 5 + ["ip_source_is_ours"] * 2
    assert len(result.left("ext")) == 4


@pytest.mark.parametrize("mode", MODES)
def test_such_a_reply_that_is_too_large_is_told_to_its_backend(replay, mode):
    """In the mode's own way: the backend holds the VIP, the networks between may not know."""
    request = to_vip(UDP(sport=5000, dport=53) / Raw(b"question"))
    answer = Ether(bytes(reply(UDP(sport=53, dport=5000) / Raw(b"x" * 1600), id=7, flags="DF")))
    result = replay.run(config(mode) + "set global forwarding on\n",
                        [("ext", request), ("int", answer)], "--mtu", 1500)
    assert result.verdicts == ["forwarded", "too_big"]
    told = result.left("int")[1]
    assert told.dst == BACKENDS[BACKEND]
    assert result.stats["total"]["originated"] == 2   # this, and the VIP's announcement
    told = inside(mode, told)
    assert (told.src, told.dst) == ("10.0.0.1", VIP)
    assert (told[ICMP].type, told[ICMP].code, told[ICMP].nexthopmtu) == (3, 4, 1500)
    assert bytes(told[ICMP].payload) == bytes(answer[IP])[:548]
