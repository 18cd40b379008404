"""Packet cases of other balancers' own suites that end in a tunnel or at another MAC: as
test_peers.py.

The outer addresses are ours, and so is an outer id where DF is clear: katran sends 0 always.
"""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw

from peers import (GATEWAY_MAC, KATRAN, KATRAN_DATA, KATRAN_SERVERS, katran_ack, katran_udp,
                   network, pool, run, server_mac, to_client, to_us)
from replay import EXT, INT, checksums_right

OURS, GUE_PORT = "10.0.0.254", 6080
VIP, ALL_PORTS, NOT_READY = "10.200.1.1", "10.200.1.2", "10.200.1.9"


def katran(mode):
    return KATRAN + pool(0, *KATRAN_SERVERS) + f"""add service tcp {VIP}:80/tcp pool p mode {mode}
add service udp {VIP}:80/udp pool p mode {mode}
add service all {ALL_PORTS}:0/tcp pool p mode {mode}
add pool empty
add service empty {NOT_READY}:80/tcp pool empty mode {mode}
"""


def unwrapped(mode, frame):
    """The bytes inside of a tunnel's frame, whose outer headers are as they must be."""
    interface, packet = frame
    outer = packet[IP]
    assert interface == "int" and packet.src == INT and packet.dst == server_mac(outer.dst)
    assert (outer.src, outer.ttl, outer.ihl, outer.frag) == (OURS, 64, 5, 0)
    assert outer.dst in KATRAN_SERVERS
    if mode == "ipip":
        assert outer.proto == 4
        return outer, bytes(outer.payload)
    assert (outer.proto, packet[UDP].dport) == (17, GUE_PORT)
    # Scapy would look for a protocol behind that port.
    flat = Ether(bytes(packet)[:42]) / Raw(bytes(packet)[42:])
    assert checksums_right(flat) and flat[UDP].chksum
    return outer, bytes(packet)[42:]


TOS = 0x8c
HANDED_OVER = [
    ("udp", katran_udp(VIP, 80)), ("tcp", katran_ack(VIP, 80)),
    ("tos", katran_ack(VIP, 80, tos=TOS)), ("any port", katran_ack(ALL_PORTS, 42)),
    ("do not fragment", katran_ack(VIP, 80, flags="DF")),
]


@pytest.mark.parametrize("mode", ["ipip", "gue"])
@pytest.mark.parametrize("packet", [row[1] for row in HANDED_OVER],
                         ids=[row[0] for row in HANDED_OVER])
def test_katran_the_clients_packet_is_handed_over_whole(replay, mode, packet):
    result, left = run(replay, katran(mode), [to_us(packet)] * 2)
    assert result.verdicts == ["forwarded"] * 2
    for frame in left:
        outer, inner = unwrapped(mode, frame)
        assert inner == bytes(packet)
        assert outer.tos == packet.tos and outer.flags == packet.flags
    # The second packet meets the flow of the first: the same server, by the same way.
    assert left[0][1][IP].dst == left[1][1][IP].dst
    if mode == "gue":
        assert left[0][1][UDP].sport == left[1][1][UDP].sport


@pytest.mark.parametrize("mode", ["ipip", "gue"])
def test_katran_an_icmp_error_goes_to_the_server_of_what_it_quotes(replay, mode):
    """Also by the same way between: katran's source port is the flow's, too."""
    flow = IP(src="192.168.1.1", dst=VIP) / TCP(sport=31337, dport=80, flags="S", window=8192)
    error = IP(src="192.168.100.1", dst=VIP) / ICMP(type=3, code=4) / IP(
        src=VIP, dst="192.168.1.1") / TCP(sport=80, dport=31337, flags="S", window=8192) / Raw(
        b"test katran pkt")
    for before in ([], [to_us(flow)]):
        result, left = run(replay, katran(mode), before + [to_us(error)])
        assert result.verdicts[-1] == "forwarded"
        outer, inner = unwrapped(mode, left[-1])
        assert inner == bytes(error)
        if before:
            assert outer.dst == left[0][1][IP].dst
            assert mode == "ipip" or left[0][1][UDP].sport == left[1][1][UDP].sport


@pytest.mark.parametrize("mode", ["dsr", "ipip", "gue"])
def test_katran_an_echo_request_is_answered(replay, mode):
    asked = IP(src="192.168.1.1", dst=VIP, id=1) / ICMP(type=8)
    _, left = run(replay, katran(mode), [to_us(asked)])
    want = to_client(IP(src=VIP, dst="192.168.1.1", id=1, ttl=64) / ICMP(type=0))
    assert [(name, bytes(packet)) for name, packet in left] == [(want[0], bytes(want[1]))]


@pytest.mark.parametrize("mode", ["dsr", "ipip", "gue"])
def test_katran_a_vip_without_servers_sends_nothing(replay, mode):
    result, left = run(replay, katran(mode), [to_us(katran_ack(NOT_READY, 80))])
    assert result.verdicts == ["no_backend"] and not left


def test_katran_flows_of_a_client_take_several_ways(replay):
    """The networks between see one pair of addresses: only the source port tells flows apart."""
    packets = [katran_ack(VIP, 80) for _ in range(50)]
    for port, packet in enumerate(packets):
        packet.sport = 31337 + port
    _, left = run(replay, katran("gue"), [to_us(packet) for packet in packets])
    assert len({packet[UDP].sport for _, packet in left}) > 40


@pytest.mark.parametrize("mode, told", [("ipip", 1480), ("gue", 1472)])
def test_katran_a_packet_too_big_for_the_tunnel_is_told_of_by_the_vip(replay, mode, told):
    packet = katran_udp(VIP, 80, Raw(bytes(KATRAN_DATA) * 100), flags="DF", id=1)
    result, ((interface, error),) = run(replay, katran(mode), [to_us(packet)])
    assert result.verdicts == ["too_big"] and interface == "ext" and checksums_right(error)
    assert (error[IP].src, error[IP].dst, error[IP].ttl) == (VIP, "192.168.1.1", 64)
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, told)


def test_cilium_dsr_by_ipip_tells_the_mtu_less_the_outer_header(replay):
    """240 bytes where 200 go through: 180 are told, with the whole packet quoted."""
    config = network("172.16.10.254/24", "172.16.10.253", "192.168.0.254/24", "192.168.0.1")
    config += pool(0, "192.168.0.1") + "add service s 172.16.10.1:53/tcp pool p mode ipip\n"
    packet = IP(src="110.0.11.1", dst="172.16.10.1", flags="DF") / TCP(
        sport=22330, dport=53, flags="A") / Raw(bytes(200))
    _, ((_, error),) = run(replay, config, [to_us(packet)], "--mtu", 200)
    assert (error[IP].src, error[IP].dst) == ("172.16.10.1", "110.0.11.1")
    assert error[ICMP].nexthopmtu == 180 and checksums_right(error)
    # As much of it as an error may be long on that link.
    assert bytes(error[ICMP].payload) == bytes(packet)[:200 - 28]


def test_glb_a_second_server_takes_over_where_the_first_is_down(replay):
    """The row of the table has another: the packet is the same, handed over to that one."""
    servers = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    config = KATRAN + pool(0, *servers) + "add service s 1.1.1.1:80/tcp pool p mode gue\n"
    packet = IP(src="10.11.12.13", dst="1.1.1.1") / TCP(sport=45678, dport=80)
    _, ((_, first),) = run(replay, config, [to_us(packet)])
    down = first[IP].dst
    config += f"disable backend p {down}:0\n"
    _, ((_, second),) = run(replay, config, [to_us(packet)])
    assert second[IP].dst in servers and second[IP].dst != down
    assert bytes(second)[42:] == bytes(first)[42:] == bytes(packet)


# The kernel's ipvs.sh: one server, direct routing and a tunnel. Replies do not come by here.

IPVS = f"""add interface ext role frontend address 10.0.0.1/24 mac {EXT}
add interface int role backend address 172.16.0.1/24 mac {INT}
add neighbor 10.0.0.2 mac {GATEWAY_MAC} interface ext
add neighbor 172.16.0.2 mac {server_mac("172.16.0.2")} interface int
add pool p
add backend p 172.16.0.2:8080
"""
IPVS_CLIENT = [IP(src="10.0.0.2", dst="207.175.44.110") / TCP(
    sport=40000, dport=8080, flags=flags, seq=seq, ack=ack) / Raw(data)
    for flags, seq, ack, data in [("S", 100, 0, b""), ("A", 101, 901, b""),
                                  ("PA", 101, 901, bytes(range(32))), ("FA", 133, 901, b""),
                                  ("A", 134, 902, b"")]]


@pytest.mark.parametrize("mode", ["dsr", "ipip"])
def test_ipvs_a_connection_from_syn_to_fin(replay, mode):
    config = IPVS + f"add service s 207.175.44.110:8080/tcp pool p mode {mode}\n"
    result, left = run(replay, config, [to_us(packet) for packet in IPVS_CLIENT])
    assert result.verdicts == ["forwarded"] * 5 and result.stats["flows"]["created"] == 1
    for (_, packet), sent in zip(left, IPVS_CLIENT):
        assert packet.dst == server_mac("172.16.0.2")
        if mode == "ipip":
            assert (packet[IP].src, packet[IP].dst) == ("172.16.0.1", "172.16.0.2")
        assert bytes(packet[IP].payload if mode == "ipip" else packet[IP]) == bytes(sent)
