"""What is for no service: dropped, or with `forwarding on` routed between the interfaces."""
import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, Raw, defragment

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, ONE, ROUTER, VIP, checksums_right,
                    from_backend, repaired, syn, to_vip)

GATEWAY, GATEWAY_MAC = "10.0.0.254", "02:00:00:00:02:54"
ROUTER_MAC = "02:00:00:00:01:54"
ROUTES = ONE + f"""
add neighbor {ROUTER} mac {ROUTER_MAC} interface ext
add neighbor {GATEWAY} mac {GATEWAY_MAC} interface int
add route 0.0.0.0/0 via {ROUTER}
add route 192.0.2.0/24 via {GATEWAY}
add route 192.0.2.128/25 via {ROUTER}
add route 192.0.2.129/32 via {GATEWAY}
"""
FORWARDING = ROUTES + "set global forwarding on\n"
BACKEND = "10.0.0.11"


def packet(interface, source, destination, layer=None, **ip):
    mac, ours = (CLIENT_MAC, EXT) if interface == "ext" else (BACKENDS[BACKEND], INT)
    return Ether(src=mac, dst=ours) / IP(src=source, dst=destination, **ip) / (
        layer or UDP(sport=4000, dport=4001) / Raw(b"data"))


def reaching_out(destination, **ip):
    """A backend's packet of its own, by its gateway."""
    return packet("int", BACKEND, destination, **ip)


# (what, in, frame, out, MAC of the next hop)
ROUTED = [
    ("a backend reaches a client", "int", reaching_out(CLIENT), "ext", CLIENT_MAC),
    ("a backend reaches the world", "int", reaching_out("8.8.8.8"), "ext", ROUTER_MAC),
    ("a network behind a gateway", "ext", packet("ext", CLIENT, "192.0.2.5"), "int", GATEWAY_MAC),
    ("the longer prefix", "ext", packet("ext", CLIENT, "192.0.2.128"), "ext", ROUTER_MAC),
    ("the longest prefix", "ext", packet("ext", CLIENT, "192.0.2.129"), "int", GATEWAY_MAC),
    ("a client to a backend itself", "ext", packet("ext", CLIENT, BACKEND), "int",
     BACKENDS[BACKEND]),
    ("ping past the appliance", "int", packet("int", BACKEND, CLIENT, ICMP()), "ext", CLIENT_MAC),
    ("an ICMP error about nothing of ours", "int",
     packet("int", BACKEND, CLIENT, ICMP(type=3, code=1) / IP(src=CLIENT, dst="10.0.0.99") / UDP()),
     "ext", CLIENT_MAC),
    ("another protocol", "int", packet("int", BACKEND, CLIENT, Raw(b"x" * 20), proto=47), "ext",
     CLIENT_MAC),
    ("a fragment", "int", packet("int", BACKEND, CLIENT, UDP() / Raw(b"x" * 8), flags="MF"), "ext",
     CLIENT_MAC),
]


@pytest.mark.parametrize("interface, frame, out, mac", [row[1:] for row in ROUTED],
                         ids=[row[0] for row in ROUTED])
def test_routed(replay, interface, frame, out, mac):
    result = replay.run(FORWARDING, [(interface, frame)])
    assert result.verdicts == ["forwarded"]
    assert result.frames[0]["output_interface"] == out and result.frames[0]["backend"] is None
    (left,) = result.left(out)
    want = Ether(bytes(frame))
    want.src, want.dst = (EXT if out == "ext" else INT), mac
    want[IP].ttl = 63
    del want[IP].chksum
    assert bytes(left) == bytes(want)


@pytest.mark.parametrize("interface, frame", [row[1:3] for row in ROUTED],
                         ids=[row[0] for row in ROUTED])
def test_not_routed_by_default(replay, interface, frame):
    result = replay.run(ROUTES, [(interface, frame)])
    assert result.verdicts[0] in ("forwarding_off", "no_flow", "icmp_unmatched")
    assert not result.left("ext") + result.left("int")


# (what, in, frame, reason): also with forwarding on.
DROPPED = [
    ("with the VIP as source", "int", packet("int", VIP, CLIENT), "ip_source_is_ours"),
    ("with our address as source", "int", packet("int", "10.0.0.1", CLIENT), "ip_source_is_ours"),
    ("to a port of the VIP without a service", "ext", syn(dport=81), "no_service"),
    ("to the VIP from a backend, without a service", "int", packet("int", BACKEND, VIP),
     "no_service"),
    ("another protocol to the VIP", "ext", to_vip(Raw(b"x" * 20), proto=47),
     "protocol_unsupported"),
    ("to multicast", "int", packet("int", BACKEND, "224.0.0.9"), "ip_bad_destination"),
    ("to loopback", "int", packet("int", BACKEND, "127.0.0.1"), "ip_bad_destination"),
    ("to 0.0.0.0", "int", packet("int", BACKEND, "0.0.0.0"), "ip_bad_destination"),
    ("to everybody in a network", "ext", packet("ext", CLIENT, "10.0.0.255"),
     "ip_bad_destination"),
    ("the last hop of its TTL", "int", reaching_out(CLIENT, ttl=1), "ttl_expired"),
    ("too big and not to be fragmented", "int",
     packet("int", BACKEND, CLIENT, UDP() / Raw(b"x" * 1473), flags="DF"), "too_big"),
]


@pytest.mark.parametrize("interface, frame, reason", [row[1:] for row in DROPPED],
                         ids=[row[0] for row in DROPPED])
def test_never_routed(replay, interface, frame, reason):
    result = replay.run(FORWARDING, [(interface, frame)])
    assert result.verdicts == [reason]
    assert not [p for p in result.left("ext") + result.left("int") if ICMP not in p]


def test_without_a_route_it_is_dropped(replay):
    config = FORWARDING.replace(f"add route 0.0.0.0/0 via {ROUTER}", "")
    result = replay.run(config, [("int", reaching_out("8.8.8.8"))])
    assert result.verdicts == ["no_route"]


def test_a_service_goes_before_routing(replay):
    result = replay.run(FORWARDING, [("ext", syn()), ("int", from_backend(
        TCP(sport=8080, dport=40000, flags="SA")))])
    assert result.verdicts == ["forwarded"] * 2
    (request,), (reply,) = result.left("int"), result.left("ext")
    assert request[IP].dst == BACKEND and reply[IP].src == VIP


def test_an_answer_to_a_backend_that_reached_out_finds_back(replay):
    """DNS, say: the question and its answer pass as they are."""
    answer = packet("ext", "8.8.8.8", BACKEND, UDP(sport=53, dport=4000) / Raw(b"answer"))
    question = packet("int", BACKEND, "8.8.8.8", UDP(sport=4000, dport=53) / Raw(b"question"))
    result = replay.run(FORWARDING, [("int", question), ("ext", answer)])
    assert result.verdicts == ["forwarded"] * 2
    assert result.left("ext")[0][IP].src == BACKEND
    assert result.left("int")[0][IP].dst == BACKEND
    assert result.stats["flows"]["created"] == 0


@pytest.mark.parametrize("ttl", [0, 1])
def test_the_sender_of_a_last_hop_is_told(replay, ttl):
    result = replay.run(FORWARDING, [("int", reaching_out(CLIENT, ttl=ttl))])
    (told,) = result.left("int")
    assert (told[IP].src, told[IP].dst) == ("10.0.0.1", BACKEND)
    assert (told[ICMP].type, told[ICMP].code) == (11, 0) and checksums_right(told)


def test_a_large_packet_leaves_in_fragments_that_make_it_up_again(replay):
    frame = packet("int", BACKEND, CLIENT, UDP(sport=1, dport=2) / Raw(bytes(range(256)) * 16))
    result = replay.run(FORWARDING, [("int", frame)])
    pieces = result.left("ext")
    assert len(pieces) == 3 and all(len(p[IP]) <= 1500 for p in pieces)
    assert all(repaired(bytes(p)) == bytes(p) for p in pieces)
    (whole,) = defragment(pieces)
    assert whole[UDP].chksum == Ether(bytes(frame))[UDP].chksum
    assert bytes(whole[IP].payload) == bytes(frame[IP].payload)
    # One frame was received and one is counted; the pieces are frames of the appliance's own.
    assert result.stats["total"]["forwarded"] == 1
    assert result.stats["total"]["originated"] >= 3


def test_the_vip_is_not_routed_even_where_a_route_covers_it(replay):
    """It never loops: a packet to the VIP ends here whatever else there is."""
    config = FORWARDING + f"add route {VIP}/32 via {ROUTER}\n"
    result = replay.run(config, [("ext", syn()), ("ext", syn(dport=81)), ("ext", to_vip(ICMP()))])
    assert result.verdicts == ["forwarded", "no_service", "consumed"]


def test_arp_never_crosses(replay):
    request = Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=CLIENT, pdst=BACKEND)
    result = replay.run(FORWARDING, [("ext", request)])
    assert result.verdicts == ["arp_not_for_us"]


# Calls past the services, at the very port that a service uses: never answered by the VIP.
@pytest.mark.parametrize("call, answer", [
    (TCP(sport=9, dport=8080, flags="S"), TCP(sport=8080, dport=9, flags="SA")),
    (UDP(sport=9, dport=8080) / Raw(b"q"), UDP(sport=8080, dport=9) / Raw(b"a")),
], ids=["tcp", "udp"])
@pytest.mark.parametrize("interface, caller, out", [
    ("ext", CLIENT, "ext"), ("int", "10.0.0.12", "int")], ids=["a client", "a backend"])
def test_a_direct_call_is_answered_by_the_backend_itself(replay, interface, caller, out, call,
                                                         answer):
    frames = [(interface, packet(interface, caller, BACKEND, call)),
              ("int", packet("int", BACKEND, caller, answer))] * 2
    result = replay.run(FORWARDING, frames)
    assert result.verdicts == ["forwarded"] * 4
    answers = [p for p in result.left(out) if p[IP].dst == caller]
    assert [(p[IP].src, p.sport) for p in answers] == [(BACKEND, 8080)] * 2
    assert result.stats["flows"]["live"] == 1


@pytest.mark.parametrize("port", [8080, 0], ids=["one port", "all ports"])
def test_a_connection_of_a_backend_has_its_own_address(replay, port):
    """Also from the very port by which a service reaches it."""
    config = FORWARDING.replace("10.0.0.11:8080", f"10.0.0.11:{port}").replace(
        f"{VIP}:80/tcp", f"{VIP}:{80 if port else 0}/tcp")
    frames = [("int", packet("int", BACKEND, CLIENT, TCP(sport=8080, dport=9, flags="S"))),
              ("ext", packet("ext", CLIENT, BACKEND, TCP(sport=9, dport=8080, flags="SA"))),
              ("int", packet("int", BACKEND, CLIENT, TCP(sport=8080, dport=9, flags="A")))]
    result = replay.run(config, frames)
    assert result.verdicts == ["forwarded"] * 3
    assert [(p[IP].src, p[TCP].sport) for p in result.left("ext")] == [(BACKEND, 8080)] * 2
    assert replay.run(config.replace("forwarding on", "forwarding off"),
                      frames[:1]).verdicts == ["no_flow"]


def test_a_direct_call_and_one_to_the_service_are_told_apart(replay):
    """Where their answers could not be, the second is not made."""
    result = replay.run(FORWARDING, [
        ("ext", to_vip(UDP(sport=9, dport=53))),
        ("ext", packet("ext", CLIENT, BACKEND, UDP(sport=9, dport=8080))),
        ("int", packet("int", BACKEND, CLIENT, UDP(sport=8080, dport=9)))])
    assert result.verdicts == ["forwarded", "reply_collision", "forwarded"]
    assert result.left("ext")[0][IP].src == VIP
