"""Mode fullnat: backends see an address and port of the appliance, and answer it wherever their
gateway is. Scapy judges every checksum."""
import itertools

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, defragment

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, ONE, ROUTER, VIP, WEB, checksums_right,
                    syn, to_vip)

OURS = "10.0.0.1"
POOL = range(1024, 61440)
FULL = WEB + "set service web mode fullnat\nset service dns mode fullnat\n"
FULL_ONE = ONE + "set service web mode fullnat\nset service dns mode fullnat\n"
QUERY = to_vip(UDP(sport=5000, dport=53) / Raw(b"question " * 20), id=4711)


def answer(request, layer, **ip):
    """What the backend says to whom the request came from; `request`: as it left."""
    return Ether(src=request.dst, dst=request.src) / IP(
        src=request[IP].dst, dst=request[IP].src, **ip) / layer


def reply(request, payload=b"answer", **fields):
    kind = TCP if TCP in request else UDP
    ports = {"sport": request[kind].dport, "dport": request[kind].sport}
    return answer(request, kind(**ports, **fields) / Raw(payload), id=99)


def left_by(replay, config, *frames):
    """What a first run sends; a second one, with what backends make of it, sends it again."""
    return replay.run(config, list(frames)).left("int")


@pytest.mark.parametrize("frame", [
    syn(), to_vip(TCP(dport=80, flags="PA") / Raw(b"odd")), QUERY,
    to_vip(UDP(dport=53)), to_vip(UDP(dport=53, chksum=0) / Raw(b"x")),
    to_vip(TCP(dport=80) / Raw(bytes(range(256)) * 5), tos=0xb8, flags="DF"),
], ids=["syn", "odd", "udp", "empty udp", "udp without checksum", "large"])
def test_only_addresses_ports_and_ttl_change(replay, frame):
    (packet,) = left_by(replay, FULL, ("ext", frame))
    assert packet[IP].src == OURS and packet[IP].payload.sport in POOL
    assert packet[IP].payload.chksum == 0 or checksums_right(packet)
    want = frame.copy()
    want[Ether].src, want[Ether].dst = INT, BACKENDS[packet[IP].dst]
    want[IP].src, want[IP].dst, want[IP].ttl = OURS, packet[IP].dst, 63
    want[IP].payload.sport, want[IP].payload.dport = packet[IP].payload.sport, 8080
    for layer in (want[IP], want[IP].payload):
        if layer.chksum != 0:
            del layer.chksum
    assert bytes(packet) == bytes(want)


@pytest.mark.parametrize("frame", [syn(), QUERY], ids=["tcp", "udp"])
def test_the_reply_is_the_vips_again(replay, frame):
    (request,) = left_by(replay, FULL, ("ext", frame))
    result = replay.run(FULL, [("ext", frame), ("int", reply(request))])
    assert result.verdicts == ["forwarded"] * 2
    (packet,) = result.left("ext")
    assert (packet.src, packet.dst) == (EXT, CLIENT_MAC)
    assert (packet[IP].src, packet[IP].dst, packet[IP].ttl) == (VIP, CLIENT, 63)
    assert packet[IP].payload.sport == frame[IP].payload.dport
    assert packet[IP].payload.dport == frame[IP].payload.sport
    assert bytes(packet).endswith(b"answer") and checksums_right(packet)


def test_the_same_run_gives_the_same_ports_and_another_client_another_port(replay):
    frames = [("ext", syn(port)) for port in range(2000, 2100)]
    first, second = left_by(replay, FULL, *frames), left_by(replay, FULL, *frames)
    assert [bytes(p) for p in first] == [bytes(p) for p in second]
    places = [(p[IP].dst, p[TCP].sport) for p in first]
    assert len(set(places)) == 100


def test_a_corrupt_segment_stays_corrupt(replay):
    frame = Ether(bytes(to_vip(TCP(dport=80) / Raw(b"data"))))
    frame[TCP].chksum ^= 0x1234
    (packet,) = left_by(replay, FULL, ("ext", frame))
    assert not checksums_right(packet)


def test_what_is_no_reply_is_not_taken_for_one(replay):
    (request,) = left_by(replay, FULL_ONE, ("ext", QUERY))
    other_port, other_source, by_tcp = reply(request), reply(request), reply(request)
    other_port[UDP].dport += 1
    other_source[UDP].sport += 1
    by_tcp = answer(request, TCP(sport=8080, dport=request[UDP].sport, flags="A"))
    from_outside = Ether(src=CLIENT_MAC, dst=EXT) / reply(request)[IP]
    result = replay.run(FULL_ONE, [("ext", QUERY), ("int", other_port), ("int", other_source),
                                   ("int", by_tcp), ("ext", from_outside)])
    assert result.verdicts == ["forwarded"] + ["no_service"] * 4


def test_late_replies_end_here(replay):
    """Nothing that goes to an address of the appliance is passed on by a table."""
    (request,) = left_by(replay, FULL_ONE, ("ext", QUERY))
    result = replay.run(FULL_ONE, [("ext", QUERY, 0), ("int", reply(request), 200)])
    assert result.verdicts == ["forwarded", "no_service"]


def test_pings_and_heartbeats_are_what_they_were(replay):
    config = FULL_ONE.replace("add pool web", "add check alive heartbeat\nadd pool web check alive")
    beat = Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(src="10.0.0.11", dst=OURS) / UDP(
        sport=9, dport=9)
    ping = Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(src="10.0.0.11", dst=OURS) / ICMP()
    result = replay.run(config, [("ext", QUERY), ("int", beat), ("int", ping), ("ext", QUERY)])
    assert result.verdicts == ["no_backend", "consumed", "consumed", "forwarded"]
    # A reply is a heartbeat as well, and still a reply.
    (request,) = result.left("int")[1:]
    result = replay.run(config, [("int", beat, 0), ("ext", QUERY, 1), ("int", reply(request), 2),
                                 ("ext", QUERY, 4.5), ("ext", QUERY, 5.5)])
    assert result.verdicts == ["consumed", "forwarded", "forwarded", "forwarded", "no_backend"]


# Fragments.

def cut(frame, at=(800, 1600), ident=77):
    payload = bytes(Ether(bytes(frame))[IP].payload)
    edges = [0, *at, len(payload)]
    return [Ether(src=frame.src, dst=frame.dst) / IP(
        src=frame[IP].src, dst=frame[IP].dst, proto=17, id=ident, frag=start // 8,
        flags="MF" if end < len(payload) else 0) / Raw(payload[start:end])
        for start, end in zip(edges, edges[1:])]


DATAGRAM = to_vip(UDP(sport=5000, dport=53) / Raw(bytes(range(250)) * 9))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_fragments_in_every_order_both_ways(replay, order):
    pieces = cut(DATAGRAM)
    requests = [("ext", pieces[i]) for i in order]
    left = left_by(replay, FULL, *requests)
    assert {p[IP].src for p in left} == {OURS}
    (whole,) = defragment(left)
    assert whole[UDP].dport == 8080 and checksums_right(Ether(bytes(whole)))
    back = cut(reply(whole, b"a" * 2250))
    result = replay.run(FULL, requests + [("int", back[i]) for i in order])
    assert result.stats["total"]["forwarded"] == 6
    left = result.left("ext")
    assert {(p[IP].src, p[IP].dst) for p in left} == {(VIP, CLIENT)}
    (whole,) = defragment(left)
    assert (whole[UDP].sport, whole[UDP].dport) == (53, 5000)
    assert checksums_right(Ether(bytes(whole)))


def test_fragments_to_the_appliance_itself_are_no_ones(replay):
    (request,) = left_by(replay, FULL_ONE, ("ext", QUERY))
    stray = reply(request, b"a" * 2250)
    stray[UDP].dport += 1
    result = replay.run(FULL_ONE, [("ext", QUERY)] + [("int", p) for p in cut(stray)])
    assert result.verdicts[1:] == ["no_service"] * 3


# ICMP errors.

def error(about, source, to, kind=3, code=4, mtu=1300):
    """An error about a packet as it left, sent back to where that came from."""
    return Ether(src=to[0], dst=to[1]) / IP(src=source, dst=about[IP].src) / ICMP(
        type=kind, code=code, nexthopmtu=mtu) / bytes(about[IP])[:200]


def told_about_request(replay, frame, source, **fields):
    (request,) = left_by(replay, FULL_ONE, ("ext", frame))
    result = replay.run(FULL_ONE, [("ext", frame), ("int", error(
        request, source, (BACKENDS["10.0.0.11"], INT), **fields))])
    assert result.verdicts == ["forwarded"] * 2
    (told,) = result.left("ext")
    assert told[IP].dst == CLIENT and checksums_right(Ether(bytes(told)))
    inner = told[ICMP].payload
    assert (inner.src, inner.sport) == (CLIENT, frame[IP].payload.sport)
    assert (inner.dst, inner.dport) == (VIP, frame[IP].payload.dport)
    return told


@pytest.mark.parametrize("frame", [syn(), QUERY], ids=["tcp", "udp"])
def test_a_backends_error_comes_from_the_vip(replay, frame):
    told = told_about_request(replay, frame, "10.0.0.11", code=3, mtu=0)
    assert (told[IP].src, told[ICMP].code) == (VIP, 3)


@pytest.mark.parametrize("frame", [syn(), QUERY], ids=["tcp", "udp"])
def test_a_router_behind_tells_the_client_of_its_mtu(replay, frame):
    told = told_about_request(replay, frame, "10.0.0.254")
    assert (told[IP].src, told[ICMP].nexthopmtu) == ("10.0.0.254", 1300)


@pytest.mark.parametrize("source", [CLIENT, ROUTER, "192.0.2.9"], ids=["client", "router", "far"])
@pytest.mark.parametrize("frame", [syn(), QUERY], ids=["tcp", "udp"])
def test_a_backend_hears_of_the_clients_side_from_the_appliance(replay, frame, source):
    """It may know no way to a router out there, and then would not believe one."""
    config = FULL_ONE + f"add route 192.0.2.0/24 via {ROUTER}\n"
    (request,) = left_by(replay, config, ("ext", frame))
    there = [("ext", frame), ("int", reply(request))]
    (back,) = replay.run(config, there).left("ext")
    result = replay.run(config, there + [("ext", error(back, source, (CLIENT_MAC, EXT)))])
    assert result.verdicts == ["forwarded"] * 3
    told = result.left("int")[-1]
    assert (told[IP].src, told[IP].dst) == (OURS, "10.0.0.11")
    assert told[ICMP].nexthopmtu == 1300 and checksums_right(Ether(bytes(told)))
    inner = told[ICMP].payload
    kind = TCP if TCP in request else UDP
    assert (inner.src, inner.sport) == ("10.0.0.11", 8080)
    assert (inner.dst, inner.dport) == (OURS, request[kind].sport)


def test_errors_about_no_flow_go_nowhere(replay):
    (request,) = left_by(replay, FULL_ONE, ("ext", QUERY))
    request[UDP].sport += 1
    stray = error(request, "10.0.0.11", (BACKENDS["10.0.0.11"], INT))
    result = replay.run(FULL_ONE, [("ext", QUERY), ("int", stray)])
    assert result.verdicts == ["forwarded", "icmp_unmatched"]
    # Nor one of the clients' side: there is nothing without a flow.
    about = IP(src=VIP, dst=CLIENT) / UDP(sport=53, dport=5000) / Raw(b"answer")
    stray = Ether(src=CLIENT_MAC, dst=EXT) / IP(src=CLIENT, dst=VIP) / ICMP(
        type=3, code=3) / bytes(about)
    assert replay.run(FULL_ONE, [("ext", stray)]).verdicts == ["icmp_unmatched"]
    # Nor does one about what the appliance has sent for itself, where nat maps back without flows.
    probe = IP(src=OURS, dst="10.0.0.11") / TCP(sport=61441, dport=8080, flags="S")
    stray = Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(src="10.0.0.254", dst=OURS) / ICMP(
        type=11) / bytes(probe)
    result = replay.run(ONE, [("int", stray)])
    assert result.verdicts == ["icmp_unmatched"] and not result.left("int")


def test_a_reply_too_large_for_the_client_is_told_to_the_backend(replay):
    (request,) = left_by(replay, FULL_ONE, ("ext", QUERY))
    large = reply(request, b"x" * 1400)
    large[IP].flags = "DF"
    result = replay.run(FULL_ONE, [("ext", QUERY), ("int", large)], "--mtu", "1000")
    assert result.verdicts == ["forwarded", "too_big"]
    told = result.left("int")[-1]
    assert (told[IP].src, told[IP].dst) == (OURS, "10.0.0.11")
    assert told[ICMP].nexthopmtu == 1000
    assert (told[ICMP].payload.dst, told[ICMP].payload.dport) == (OURS, request[UDP].sport)


# The pool.

def test_a_small_slice_is_used_up_and_then_told(replay):
    config = FULL_ONE + "set global fullnat-slices 60416 fullnat-slice 2\n"
    result = replay.run(config, [("ext", syn(port)) for port in (1, 2, 3)] + [("ext", syn(1))])
    assert result.verdicts == ["forwarded", "source_ports_exhausted", "source_ports_exhausted",
                               "forwarded"]
    assert {p[TCP].sport for p in result.left("int")} == {1025}
    assert result.drops["source_ports_exhausted"] == 2


def test_the_next_backend_is_tried_first(replay):
    config = FULL + "set global fullnat-slices 60416 fullnat-slice 60416\n"
    result = replay.run(config, [("ext", syn(port)) for port in range(1, 20)])
    assert result.verdicts.count("forwarded") == 2
    assert {(p[IP].dst, p[TCP].sport) for p in result.left("int")} == {
        ("10.0.0.11", 61439), ("10.0.0.12", 61439)}


def test_appliances_with_a_slice_each_never_use_the_same_port(replay):
    frames = [("ext", syn(port)) for port in range(1000, 1200)]
    ports = []
    for number in (1, 2, 3):
        config = FULL_ONE + f"set global fullnat-slices 3 fullnat-slice {number}\n"
        ports.append({p[TCP].sport for p in left_by(replay, config, *frames)})
    assert not ports[0] & ports[1] | ports[1] & ports[2] | ports[0] & ports[2]


def test_every_address_of_the_interface_serves(replay):
    config = FULL_ONE.replace(f"address {OURS}/24", f"address {OURS}/24 address 10.0.0.2/24 "
                              "address 10.8.0.1/24") + "set global fullnat-slices 60416\n"
    result = replay.run(config, [("ext", syn(port)) for port in range(1, 8)])
    assert result.verdicts.count("forwarded") == 3
    addresses = [p[IP].src for p in result.left("int")]
    assert set(addresses[:2]) == {OURS, "10.0.0.2"} and addresses[2] == "10.8.0.1"


def test_a_port_of_a_closed_connection_is_free_again(replay):
    config = FULL_ONE + "set global fullnat-slices 60416\n"
    reset = to_vip(TCP(sport=1, dport=80, flags="R"))
    result = replay.run(config, [("ext", syn(1), 0), ("ext", reset, 1), ("ext", syn(2), 2),
                                 ("ext", syn(2), 12)])
    assert result.verdicts == ["forwarded", "forwarded", "source_ports_exhausted", "forwarded"]


# One arm, one network, and backends that call.

ETH, ROUTER_MAC, HOST_MAC = "02:00:00:00:01:01", "02:00:00:00:02:54", "02:00:00:00:00:77"
ONE_ARM = f"""set global flow-table 16384
add interface eth role both address 10.0.0.1/24 mac {ETH}
add route 0.0.0.0/0 via 10.0.0.254
add neighbor 10.0.0.254 mac {ROUTER_MAC} interface eth
add neighbor 10.0.0.77 mac {HOST_MAC} interface eth
add neighbor 10.0.0.11 mac {BACKENDS["10.0.0.11"]} interface eth
add pool web
add backend web 10.0.0.11:8080
add service web 10.0.0.100:80/tcp pool web mode fullnat
"""


@pytest.mark.parametrize("source, mac", [("192.0.2.7", ROUTER_MAC), ("10.0.0.77", HOST_MAC),
                                         ("10.0.0.11", BACKENDS["10.0.0.11"])],
                         ids=["by a router", "in the same network", "the backend itself"])
def test_one_arm_and_one_network(replay, source, mac):
    frame = Ether(src=mac, dst=ETH) / IP(src=source, dst="10.0.0.100") / TCP(
        sport=40000, dport=80, flags="S")
    (request,) = replay.run(ONE_ARM, [("eth", frame)]).left("eth")
    assert (request.src, request.dst) == (ETH, BACKENDS["10.0.0.11"])
    assert (request[IP].src, request[IP].dst, request[TCP].dport) == (OURS, "10.0.0.11", 8080)
    assert checksums_right(request)
    result = replay.run(ONE_ARM, [("eth", frame), ("eth", reply(request, flags="SA"))])
    assert result.verdicts == ["forwarded"] * 2
    back = result.left("eth")[1]
    assert (back.src, back.dst) == (ETH, mac)
    assert (back[IP].src, back[TCP].sport) == ("10.0.0.100", 80)
    assert (back[IP].dst, back[TCP].dport) == (source, 40000)
    assert checksums_right(back)


@pytest.mark.parametrize("caller", list(BACKENDS))
def test_a_backend_calls_the_vip_in_two_arms(replay, caller):
    frames = [("int", Ether(src=BACKENDS[caller], dst=INT) / IP(src=caller, dst=VIP) / TCP(
        sport=port, dport=80, flags="S")) for port in range(100, 120)]
    requests = left_by(replay, FULL, *frames)
    assert {p[IP].dst for p in requests} == set(BACKENDS)   # itself is one of them
    assert {p[IP].src for p in requests} == {OURS}
    result = replay.run(FULL, frames + [("int", reply(p, flags="SA")) for p in requests])
    assert set(result.verdicts) == {"forwarded"}
    back = result.left("int")[20:]
    assert {(p[IP].src, p[IP].dst, p.dst) for p in back} == {(VIP, caller, BACKENDS[caller])}
    assert sorted(p[TCP].dport for p in back) == list(range(100, 120))
    assert all(checksums_right(p) for p in back)
