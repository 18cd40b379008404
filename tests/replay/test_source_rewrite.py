"""source-rewrite: backends see the clients of one network as if they were in another."""
import itertools

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, defragment

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, ONE, ROUTER, VIP, checksums_right,
                    from_backend, syn, to_vip)

SEEN = "10.7.7.7"     # the client, to backends
REWRITE = "source-rewrite 198.51.100.0/24 to 10.7.7.0/24"
CONFIG = ONE + f"set service web {REWRITE}\nset service dns {REWRITE}\n"
QUERY = to_vip(UDP(sport=5000, dport=53) / Raw(b"question"), id=4711)
# No room for a flow: a half-open one of somebody else holds the share.
FULL_TABLE = [("ext", Ether(src=CLIENT_MAC, dst=EXT) / IP(src="192.0.2.9", dst=VIP) / UDP(
    sport=port, dport=53)) for port in range(1, 1025)]


def reply(layer, seen=SEEN, **ip):
    frame = from_backend(layer, **ip)
    frame[IP].dst = seen
    return frame


@pytest.mark.parametrize("frame", [syn(), QUERY, to_vip(UDP(dport=53, chksum=0) / Raw(b"x"))],
                         ids=["tcp", "udp", "udp without checksum"])
def test_the_way_in_changes_the_network_of_the_client(replay, frame):
    (packet,) = replay.run(CONFIG, [("ext", frame)]).left("int")
    want = frame.copy()
    want[Ether].src, want[Ether].dst = INT, BACKENDS["10.0.0.11"]
    want[IP].src, want[IP].dst, want[IP].ttl = SEEN, "10.0.0.11", 63
    want[IP].payload.dport = 8080
    for layer in (want[IP], want[IP].payload):
        if layer.chksum != 0:
            del layer.chksum
    assert bytes(packet) == bytes(want)


def test_the_way_back_is_the_client_again(replay):
    result = replay.run(CONFIG, [("ext", syn()), ("int", reply(TCP(
        sport=8080, dport=40000, flags="SA", seq=7, ack=1001)))])
    assert result.verdicts == ["forwarded"] * 2
    (packet,) = result.left("ext")
    assert (packet.dst, packet[IP].src, packet[IP].dst) == (CLIENT_MAC, VIP, CLIENT)
    assert (packet[TCP].sport, packet[TCP].dport) == (80, 40000) and checksums_right(packet)


def test_another_network_is_left_alone(replay):
    frame = Ether(src=CLIENT_MAC, dst=EXT) / IP(src="192.0.2.9", dst=VIP) / TCP(dport=80, flags="S")
    (packet,) = replay.run(CONFIG, [("ext", frame)]).left("int")
    assert packet[IP].src == "192.0.2.9"


def test_without_room_for_a_flow_it_works_the_same(replay):
    config = CONFIG.replace("flow-table 16384", "flow-table 1024")
    config += f"add route 192.0.2.0/24 via {ROUTER}\nadd route 10.7.7.0/24 via {ROUTER}\n"
    other = Ether(src=CLIENT_MAC, dst=EXT) / IP(src=SEEN, dst=VIP) / TCP(dport=80, flags="S")
    result = replay.run(config, FULL_TABLE + [
        ("ext", syn()), ("int", reply(TCP(sport=8080, dport=40000, flags="SA"))), ("ext", other)])
    # Who is there already, where clients are shown, could not be told apart.
    assert result.verdicts[1024:] == ["forwarded", "forwarded", "flow_table_full"]
    assert result.left("int")[-1][IP].src == SEEN
    (packet,) = result.left("ext")
    assert (packet[IP].src, packet[IP].dst) == (VIP, CLIENT) and checksums_right(packet)


def cut(frame, at=(800, 1600)):
    payload = bytes(Ether(bytes(frame))[IP].payload)
    edges = [0, *at, len(payload)]
    return [Ether(src=frame.src, dst=frame.dst) / IP(
        src=frame[IP].src, dst=frame[IP].dst, proto=17, id=77, frag=start // 8,
        flags="MF" if end < len(payload) else 0) / Raw(payload[start:end])
        for start, end in zip(edges, edges[1:])]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_fragments_both_ways(replay, order):
    there = cut(to_vip(UDP(sport=5000, dport=53) / Raw(b"q" * 2250)))
    back = cut(reply(UDP(sport=8080, dport=5000) / Raw(b"a" * 2250)))
    result = replay.run(CONFIG, [("ext", there[i]) for i in order] +
                        [("int", back[i]) for i in order])
    (request,), (answer,) = defragment(result.left("int")), defragment(result.left("ext"))
    assert (request[IP].src, request[UDP].dport) == (SEEN, 8080)
    assert (answer[IP].dst, answer[UDP].sport) == (CLIENT, 53)
    assert checksums_right(Ether(bytes(request))) and checksums_right(Ether(bytes(answer)))


@pytest.mark.parametrize("flows", [16384, 1024], ids=["by a flow", "without one"])
@pytest.mark.parametrize("source, told_by", [(CLIENT, SEEN), (ROUTER, ROUTER)])
def test_errors_of_the_clients_side(replay, flows, source, told_by):
    """The client is whom the backend knows; a router is itself."""
    config = CONFIG.replace("flow-table 16384", f"flow-table {flows}")
    before = FULL_TABLE if flows == 1024 else []
    about = IP(src=VIP, dst=CLIENT) / UDP(sport=53, dport=5000) / Raw(b"answer")
    error = Ether(src=CLIENT_MAC, dst=EXT) / IP(src=source, dst=VIP) / ICMP(
        type=3, code=4, nexthopmtu=1300) / bytes(about)
    result = replay.run(config, before + [("ext", QUERY), ("ext", error)])
    assert result.verdicts[-2:] == ["forwarded"] * 2
    told = result.left("int")[-1]
    inner = told[ICMP].payload
    assert (inner.src, inner.sport, inner.dst, inner.dport) == ("10.0.0.11", 8080, SEEN, 5000)
    assert told[IP].dst == "10.0.0.11" and checksums_right(Ether(bytes(told)))
    assert told[IP].src == told_by


@pytest.mark.parametrize("flows", [16384, 1024], ids=["by a flow", "without one"])
def test_errors_of_the_backends_side(replay, flows):
    config = CONFIG.replace("flow-table 16384", f"flow-table {flows}")
    before = FULL_TABLE if flows == 1024 else []
    about = IP(src=SEEN, dst="10.0.0.11") / UDP(sport=5000, dport=8080) / Raw(b"question")
    error = Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(src="10.0.0.11", dst=SEEN) / ICMP(
        type=3, code=3) / bytes(about)
    result = replay.run(config, before + [("ext", QUERY), ("int", error)])
    assert result.verdicts[-2:] == ["forwarded"] * 2
    (told,) = result.left("ext")
    inner = told[ICMP].payload
    assert (told[IP].src, told[IP].dst) == (VIP, CLIENT)
    assert (inner.src, inner.sport, inner.dst, inner.dport) == (CLIENT, 5000, VIP, 53)
    assert checksums_right(Ether(bytes(told)))


@pytest.mark.parametrize("change, says", [
    ("set service web source-rewrite 10.0.0.0/8 to 192.168.0.0/16",
     "source-rewrite 10.0.0.0/8 to 192.168.0.0/16 is between networks of different lengths, "
     "/8 and /16"),
    ("set service web source-rewrite 10.0.0.1/8 to 192.0.0.0/8", "has host bits"),
    ("set service web source-rewrite 10.0.0.0/8", "to is missing"),
    ("set service web source-rewrite 10.0.0.0/8 at 11.0.0.0/8", "is not PREFIX to PREFIX"),
    ("set service web source-rewrite 10.0.0.0/8 to 224.0.0.0/8", "is a multicast address"),
    ("set service web mode fullnat source-rewrite 10.0.0.0/8 to 11.0.0.0/8",
     'service "web": source-rewrite needs mode nat, not fullnat'),
    ("set global fullnat-slices 2 fullnat-slice 3",
     "fullnat-slice 3 is more than fullnat-slices 2"),
    ("set global fullnat-slices 60417", "out of range 1-60416"),
])
def test_what_cannot_be_is_refused_with_a_reason(replay, change, says):
    arguments = replay.write(ONE + change + "\n", [("ext", syn())])
    result = replay.command(*arguments, check=False)
    assert result.returncode == 1 and says in result.stderr, result.stderr
