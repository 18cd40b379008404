"""Mode nat: what is rewritten, what is left alone. Scapy judges every checksum."""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, IPOption, Padding, Raw

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, ONE, VIP, WEB, checksums_right,
                    from_backend, syn, to_vip)


def forwarded(replay, frame, config=WEB):
    """The one frame that a client's frame becomes."""
    result = replay.run(config, [("ext", frame)])
    assert result.verdicts == ["forwarded"]
    assert result.frames[0]["output_interface"] == "int"
    (packet,) = result.left("int")
    assert result.frames[0]["backend"] == f"{packet[IP].dst}:8080"
    return packet


@pytest.mark.parametrize("frame", [
    syn(),
    to_vip(TCP(dport=80, flags="PA") / Raw(b"odd")),
    to_vip(TCP(dport=80, flags="S", options=[("MSS", 1460), ("SAckOK", b""), ("WScale", 7)])),
    to_vip(TCP(dport=80) / Raw(bytes(range(256)) * 5)),
    to_vip(UDP(dport=53) / Raw(b"query")),
    to_vip(UDP(dport=53)),
    to_vip(TCP(dport=80), options=[IPOption(b"\x94\x04\0\0")], tos=0xb8, id=77, flags="DF"),
], ids=["syn", "odd payload", "tcp options", "large", "udp", "empty udp", "ip options"])
def test_the_way_in_changes_destination_and_ttl_alone(replay, frame):
    packet = forwarded(replay, frame)
    assert checksums_right(packet)
    want = frame.copy()
    want[Ether].src, want[Ether].dst = INT, BACKENDS[packet[IP].dst]
    want[IP].dst, want[IP].ttl = packet[IP].dst, 63
    want[IP].payload.dport = 8080
    for layer in (want[IP], want[IP].payload):
        del layer.chksum
    assert bytes(packet) == bytes(want)


def test_the_way_back_is_the_vip_again(replay):
    result = replay.run(WEB, [("ext", syn())])
    address = result.left("int")[0][IP].dst
    segment = TCP(sport=8080, dport=40000, flags="SA", seq=7, ack=1001) / Raw(b"x")
    reply = from_backend(segment, address)
    result = replay.run(WEB, [("ext", syn()), ("int", reply)])
    assert result.verdicts == ["forwarded", "forwarded"]
    (packet,) = result.left("ext")
    assert (packet.src, packet.dst) == (EXT, CLIENT_MAC)
    assert (packet[IP].src, packet[IP].dst, packet[IP].ttl) == (VIP, CLIENT, 63)
    assert (packet[TCP].sport, packet[TCP].dport) == (80, 40000)
    assert checksums_right(packet)


def test_padding_does_not_count_and_does_not_leave(replay):
    packet = forwarded(replay, syn() / Padding(b"\xee" * 6))
    assert len(packet) == 54 and checksums_right(packet)


def test_a_corrupt_segment_stays_corrupt(replay):
    frame = to_vip(TCP(dport=80) / Raw(b"data"))
    frame = Ether(bytes(frame))
    frame[TCP].chksum ^= 0x1234
    assert not checksums_right(forwarded(replay, frame))


def test_udp_without_a_checksum_stays_without(replay):
    assert forwarded(replay, to_vip(UDP(dport=53, chksum=0) / Raw(b"x")))[UDP].chksum == 0


def test_a_computed_zero_is_sent_as_ffff(replay):
    """The source port that makes the rewritten checksum zero must not make it "no checksum"."""
    checksum = forwarded(replay, to_vip(UDP(sport=1, dport=53)), ONE)[UDP].chksum
    port = 1 + checksum
    port = (port & 0xffff) + (port >> 16)
    assert forwarded(replay, to_vip(UDP(sport=port, dport=53)), ONE)[UDP].chksum == 0xffff


def test_one_flow_one_backend_many_flows_all_backends(replay):
    frames = [("ext", syn(port)) for port in range(1024, 1424)] * 2
    result = replay.run(WEB, frames)
    chosen = [frame["backend"] for frame in result.frames]
    assert chosen[:400] == chosen[400:]
    shares = [chosen[:400].count(f"{address}:8080") for address in BACKENDS]
    assert min(shares) > 150


def test_weights_are_the_shares(replay):
    config = WEB + "set backend web 10.0.0.11:8080 weight 3\n"
    result = replay.run(config, [("ext", syn(port)) for port in range(1000, 5000)])
    chosen = [frame["backend"] for frame in result.frames]
    assert 0.72 < chosen.count("10.0.0.11:8080") / 4000 < 0.78


def test_traceroute_sees_the_appliance(replay):
    result = replay.run(WEB, [("ext", to_vip(TCP(dport=80, flags="S"), ttl=1))])
    (told,) = result.left("ext")
    assert told[ICMP].type == 11 and told[IP].dst == CLIENT and checksums_right(told)
    assert told[IP].src == VIP


def test_a_ping_to_vip_and_interface_is_answered(replay):
    frames = [("ext", to_vip(ICMP(id=7, seq=9) / Raw(b"0123456789" * 140))),
              ("ext", Ether(src=CLIENT_MAC, dst=EXT) / IP(src=CLIENT, dst="198.51.100.1") / ICMP())]
    result = replay.run(WEB, frames)
    assert result.verdicts == ["consumed", "consumed"]
    first, second = result.left("ext")
    assert (first[IP].src, first[IP].dst, first[ICMP].type) == (VIP, CLIENT, 0)
    assert (first[ICMP].id, first[ICMP].seq) == (7, 9)
    assert first[Raw].load == b"0123456789" * 140 and checksums_right(first)
    assert second[IP].src == "198.51.100.1" and checksums_right(second)


def test_errors_of_the_path_reach_whom_they_concern(replay):
    """Fragmentation needed, by a router behind the backend side, about a request: the client must
    see its own packet in it."""
    result = replay.run(WEB, [("ext", syn())])
    rewritten = result.left("int")[0]
    error = (Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(src="10.0.0.254", dst=CLIENT) /
             ICMP(type=3, code=4, nexthopmtu=1400) / bytes(rewritten[IP]))
    result = replay.run(WEB, [("ext", syn()), ("int", error)])
    assert result.verdicts == ["forwarded", "forwarded"]
    (told,) = result.left("ext")
    assert told[IP].src == "10.0.0.254" and told[IP].dst == CLIENT
    assert told[ICMP].nexthopmtu == 1400
    inner = told[ICMP].payload
    assert (inner.src, inner.dst, inner.dport) == (CLIENT, VIP, 80)
    assert checksums_right(told)
