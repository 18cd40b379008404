"""Packet cases of other balancers' own suites in which the client's address is rewritten, too: as
test_peers.py."""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Raw

from peers import becomes, from_server, network, pool, run, server_mac, to_client, to_server, to_us
from replay import INT, checksums_right

# Cilium's node port tests with a backend on another node: the load balancer's own 10.0.10.1 speaks
# for the client, and the backend is behind a router.

CLIENT, VIP, OURS, POD = "110.0.11.1", "172.16.10.2", "10.0.10.1", "192.168.0.2"
ROUTER = "10.0.10.254"
DATA = Raw(b"Should not change!!\0")
CILIUM = network("172.16.10.254/24", "172.16.10.253", f"{OURS}/24", ROUTER) + pool(8080, POD) + f"""
add route 192.168.0.0/24 via {ROUTER}
add service web {VIP}:80/any pool p mode fullnat
"""


def by_router(packet):
    """As it comes from the backend's side."""
    interface, frame = from_server(packet)
    frame.src = server_mac(ROUTER)
    return interface, frame


def syn(sport, dport):
    return TCP(sport=sport, dport=dport, flags="S", seq=0x40e20100, window=65535) / DATA


REQUEST = to_us(IP(src=CLIENT, dst=VIP, id=0) / syn(111, 80))


def forwarded(replay):
    _, ((interface, packet),) = run(replay, CILIUM, [REQUEST])
    assert (interface, packet.src, packet.dst) == ("int", INT, server_mac(ROUTER))
    return packet


def test_cilium_a_request_is_the_balancers_own(replay):
    packet = forwarded(replay)
    assert (packet[IP].src, packet[IP].dst, packet[IP].ttl) == (OURS, POD, 63)
    assert packet[IP].chksum == 0xa711 and checksums_right(packet)
    assert packet[TCP].sport != 111 and packet[TCP].dport == 8080


def test_cilium_its_reply_is_the_vips_to_the_client(replay):
    port = forwarded(replay)[TCP].sport
    reply = by_router(IP(src=POD, dst=OURS, id=0) / syn(8080, port))
    _, left = run(replay, CILIUM, [REQUEST, reply])
    want = IP(src=VIP, dst=CLIENT, id=0, ttl=63) / syn(80, 111)
    want[TCP].chksum = 0x01a8
    assert left[0][0] == "ext" and bytes(left[0][1]) == bytes(to_client(want)[1])


@pytest.mark.parametrize("size", [8, 40], ids=["eight bytes of TCP", "all of it"])
def test_cilium_an_icmp_error_finds_the_client_and_the_port_that_it_used(replay, size):
    sent = forwarded(replay)
    error = by_router(IP(src=POD, dst=OURS) / ICMP(type=3, code=4, nexthopmtu=1500) /
                      Raw(bytes(sent[IP])[:20 + size]))
    _, left = run(replay, CILIUM, [REQUEST, error])
    interface, told = left[0]
    assert interface == "ext" and (told[IP].src, told[IP].dst) == (VIP, CLIENT)
    assert told[ICMP].nexthopmtu == 1500 and checksums_right(told)
    own = bytes(IP(src=CLIENT, dst=VIP, id=0, ttl=63) / syn(111, 80))
    assert bytes(told[ICMP].payload) == own[:20 + size]


def test_cilium_udp_both_ways(replay):
    request = to_us(IP(src=CLIENT, dst=VIP, id=0) / UDP(sport=111, dport=80) / DATA)
    _, ((_, sent),) = run(replay, CILIUM, [request])
    reply = by_router(IP(src=POD, dst=OURS, id=0) / UDP(sport=8080, dport=sent[UDP].sport) / DATA)
    _, left = run(replay, CILIUM, [request, reply])
    want = to_client(IP(src=VIP, dst=CLIENT, id=0, ttl=63) / UDP(sport=80, dport=111) / DATA)
    assert bytes(left[0][1]) == bytes(want[1])


# Cilium's hairpin tests: a backend calls a service whose only backend it is.

HAIRPIN_POD, SERVICE = "192.168.0.1", "172.16.10.1"
HAIRPIN = network("172.16.10.254/24", "172.16.10.253", "192.168.0.254/24", HAIRPIN_POD) + pool(
    80, HAIRPIN_POD) + f"add service web {SERVICE}:80/tcp pool p mode fullnat\n"


def test_cilium_a_backend_reaches_itself_by_the_service(replay):
    call = IP(src=HAIRPIN_POD, dst=SERVICE) / TCP(sport=22330, dport=80, flags="S") / DATA
    _, ((interface, packet),) = run(replay, HAIRPIN, [from_server(call)])
    assert (interface, packet[IP].src, packet[IP].dst) == ("int", "192.168.0.254", HAIRPIN_POD)
    assert packet[TCP].dport == 80 and packet[TCP].sport != 22330 and checksums_right(packet)
    answer = IP(src=HAIRPIN_POD, dst="192.168.0.254") / TCP(
        sport=80, dport=packet[TCP].sport, flags="SA") / DATA
    becomes(replay, HAIRPIN, [from_server(call), from_server(answer)], [
        ("int", packet), to_server(IP(src=SERVICE, dst=HAIRPIN_POD, ttl=63) / TCP(
            sport=80, dport=22330, flags="SA") / DATA)])
