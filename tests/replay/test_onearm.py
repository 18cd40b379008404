"""One arm: clients and backends on one interface, `role both`.

    client 192.0.2.7 --- router 10.0.0.254 --- eth 10.0.0.1, VIP 10.0.0.100 --- 10.0.0.11, .12
"""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw

from replay import BACKENDS, checksums_right

ETH, ROUTER_MAC = "02:00:00:00:01:01", "02:00:00:00:02:54"
CLIENT, VIP, BACKEND = "192.0.2.7", "10.0.0.100", "10.0.0.11"
CONFIG = f"""set global flow-table 16384
add interface eth role both address 10.0.0.1/24 mac {ETH}
add route 0.0.0.0/0 via 10.0.0.254
add neighbor 10.0.0.254 mac {ROUTER_MAC} interface eth
add neighbor 10.0.0.11 mac {BACKENDS["10.0.0.11"]} interface eth
add pool web
add backend web 10.0.0.11:8080
add service web {VIP}:80/tcp pool web
add service dns {VIP}:53/udp pool web
"""


def from_client(layer, destination=VIP, **ip):
    return Ether(src=ROUTER_MAC, dst=ETH) / IP(src=CLIENT, dst=destination, **ip) / layer


def from_backend(layer, destination=CLIENT, **ip):
    return Ether(src=BACKENDS[BACKEND], dst=ETH) / IP(src=BACKEND, dst=destination, **ip) / layer


SYN = from_client(TCP(sport=40000, dport=80, flags="S"))
SYN_ACK = from_backend(TCP(sport=8080, dport=40000, flags="SA"))


def test_there_and_back_by_the_same_interface(replay):
    result = replay.run(CONFIG, [("eth", SYN), ("eth", SYN_ACK)])
    assert result.verdicts == ["forwarded"] * 2
    there, back = result.left("eth")
    assert (there.src, there.dst) == (ETH, BACKENDS[BACKEND])
    assert (there[IP].src, there[IP].dst, there[TCP].dport) == (CLIENT, BACKEND, 8080)
    assert (back.src, back.dst) == (ETH, ROUTER_MAC)
    assert (back[IP].src, back[TCP].sport, back[IP].dst) == (VIP, 80, CLIENT)
    assert checksums_right(there) and checksums_right(back)


# What comes back to the appliance ends there, whoever sends it.
ENDS = [
    ("what we have sent to the backend", Ether(src=ETH, dst=ETH) / IP(
        src=CLIENT, dst=BACKEND) / TCP(sport=40000, dport=8080), "no_flow"),
    ("what we have sent to the client", Ether(src=ETH, dst=ETH) / IP(
        src=VIP, dst=CLIENT) / TCP(sport=80, dport=40000), "ip_source_is_ours"),
    ("our own echo reply", Ether(src=ETH, dst=ETH) / IP(src=VIP, dst=CLIENT) / ICMP(type=0),
     "ip_source_is_ours"),
    ("the VIP to itself", Ether(src=ETH, dst=ETH) / IP(src=VIP, dst=VIP) / TCP(dport=80),
     "ip_source_is_ours"),
    ("our address to the VIP", Ether(src=ETH, dst=ETH) / IP(src="10.0.0.1", dst=VIP) / ICMP(),
     "ip_source_is_ours"),
    ("a port without a service", from_client(TCP(dport=81)), "no_service"),
    ("somebody else's packet", from_client(TCP(dport=81), "198.51.100.9"), "no_flow"),
    ("somebody else's ping", from_client(ICMP(), "198.51.100.9"), "forwarding_off"),
    ("to everybody", Ether(src=ROUTER_MAC, dst="ff:ff:ff:ff:ff:ff") / IP(
        src=CLIENT, dst="10.0.0.255") / UDP(dport=53), "ip_bad_destination"),
]


@pytest.mark.parametrize("frame, reason", [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_ends_here(replay, frame, reason):
    result = replay.run(CONFIG, [("eth", SYN), ("eth", frame)])
    assert result.verdicts == ["forwarded", reason]
    assert len(result.left("eth")) == 1


def test_forwarding_out_of_the_same_interface(replay):
    """A backend reaches out by the appliance, as its gateway, and the answer passes by it."""
    result = replay.run(CONFIG + "set global forwarding on\n", [
        ("eth", from_backend(UDP(sport=999, dport=53), "198.51.100.9")),
        ("eth", from_client(UDP(sport=53, dport=999), BACKEND))])
    assert result.verdicts == ["forwarded"] * 2
    assert [p.dst for p in result.left("eth")] == [ROUTER_MAC, BACKENDS[BACKEND]]


def test_a_ping_to_vip_and_address(replay):
    result = replay.run(CONFIG, [("eth", from_client(ICMP() / Raw(b"x" * 56))),
                                 ("eth", from_client(ICMP(), "10.0.0.1"))])
    assert result.verdicts == ["consumed"] * 2
    assert [p[IP].src for p in result.left("eth")] == [VIP, "10.0.0.1"]


def test_errors_find_back_both_ways(replay):
    frames = [("eth", SYN), ("eth", SYN_ACK)]
    there, back = replay.run(CONFIG, frames).left("eth")
    about_request = Ether(src=ROUTER_MAC, dst=ETH) / IP(src="10.0.0.254", dst=CLIENT) / \
        ICMP(type=3, code=4, nexthopmtu=1300) / bytes(there[IP])
    about_reply = from_client(ICMP(type=3, code=4, nexthopmtu=1300) / bytes(back[IP]))
    result = replay.run(CONFIG, frames + [("eth", about_request), ("eth", about_reply)])
    assert result.verdicts == ["forwarded"] * 4
    to_client, to_backend = result.left("eth")[2:]
    inner = to_client[ICMP].payload
    assert to_client[IP].dst == CLIENT
    assert (inner.src, inner.dst, inner.dport) == (CLIENT, VIP, 80)
    inner = to_backend[ICMP].payload
    assert to_backend[IP].dst == BACKEND
    assert (inner.src, inner.sport, inner.dst) == (BACKEND, 8080, CLIENT)
    assert checksums_right(to_client) and checksums_right(to_backend)


def test_heartbeats_are_heard_there(replay):
    config = CONFIG.replace("add pool web", "add check alive heartbeat\nadd pool web check alive")
    beat = from_backend(UDP(sport=9, dport=9), "10.0.0.1")
    result = replay.run(config, [("eth", SYN), ("eth", beat), ("eth", SYN)])
    assert result.verdicts == ["no_backend", "consumed", "forwarded"]
