"""Several frontends: a flow remembers the one that it came in by, and replies leave there.

    198.51.100.0/24 --- ext1 | VIP | int --- 10.0.0.11
    192.0.2.0/24    --- ext2 |
"""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw

from replay import BACKENDS, VIP, checksums_right

MAC = {"ext1": "02:00:00:00:01:01", "ext2": "02:00:00:00:01:02", "int": "02:00:00:00:01:03"}
ROUTER = {"ext1": "02:00:00:00:01:54", "ext2": "02:00:00:00:02:54"}
BACKEND = "10.0.0.11"
CONFIG = f"""set global flow-table 16384
add interface ext1 role frontend address 198.51.100.1/24 mac {MAC["ext1"]}
add interface ext2 role frontend address 192.0.2.1/24 mac {MAC["ext2"]}
add interface int role backend address 10.0.0.1/24 mac {MAC["int"]}
add neighbor 198.51.100.254 mac {ROUTER["ext1"]} interface ext1
add neighbor 192.0.2.254 mac {ROUTER["ext2"]} interface ext2
add neighbor {BACKEND} mac {BACKENDS[BACKEND]} interface int
add route 0.0.0.0/1 via 198.51.100.254
add route 0.0.0.0/0 via 192.0.2.254
add pool web
add backend web {BACKEND}:8080
add service web {VIP}:80/tcp pool web
add service dns {VIP}:53/udp pool web
"""
# Both routers reach it; the longer prefix is the first one's.
CLIENT = "100.64.0.7"


def from_client(interface, layer, client=CLIENT):
    return interface, (Ether(src=ROUTER[interface], dst=MAC[interface]) /
                       IP(src=client, dst=VIP) / layer)


def from_backend(layer, client=CLIENT):
    return "int", (Ether(src=BACKENDS[BACKEND], dst=MAC["int"]) /
                   IP(src=BACKEND, dst=client) / layer)


def syn(port=40000):
    return TCP(sport=port, dport=80, flags="S")


def syn_ack(port=40000):
    return TCP(sport=8080, dport=port, flags="SA")


@pytest.mark.parametrize("interface", ["ext1", "ext2"])
def test_replies_leave_by_the_frontend_that_the_flow_came_in_by(replay, interface):
    result = replay.run(CONFIG, [from_client(interface, syn()), from_backend(syn_ack())])
    assert result.verdicts == ["forwarded"] * 2
    assert result.frames[1]["output_interface"] == interface
    (reply,) = result.left(interface)
    assert (reply.src, reply.dst) == (MAC[interface], ROUTER[interface])
    assert reply[IP].src == VIP and checksums_right(reply)


def test_two_flows_of_a_client_by_two_frontends(replay):
    frames = [from_client("ext1", syn(1)), from_client("ext2", syn(2)),
              from_backend(syn_ack(2)), from_backend(syn_ack(1))]
    result = replay.run(CONFIG, frames)
    assert [p[TCP].dport for p in result.left("ext1")] == [1]
    assert [p[TCP].dport for p in result.left("ext2")] == [2]


def test_a_flow_that_goes_on_by_another_frontend_stays_with_its_first(replay):
    ack = TCP(sport=40000, dport=80, flags="A")
    result = replay.run(CONFIG, [from_client("ext2", syn()), from_client("ext1", ack),
                                 from_backend(syn_ack())])
    assert result.verdicts == ["forwarded"] * 3
    assert result.stats["flows"]["created"] == 1
    assert len(result.left("ext2")) == 1 and not result.left("ext1")


def test_a_client_in_a_frontends_network_by_the_other_frontend(replay):
    """It came by the second router, so it is answered that way, neighbor or not."""
    client = "198.51.100.7"
    result = replay.run(CONFIG, [from_client("ext2", syn(), client),
                                 from_backend(syn_ack(), client)])
    (reply,) = result.left("ext2")
    assert reply.dst == ROUTER["ext2"]


def test_without_a_flow_the_longest_prefix_decides(replay):
    result = replay.run(CONFIG, [from_backend(syn_ack())])
    assert result.frames[0]["output_interface"] == "ext1"


def test_where_the_frontend_has_no_route_another_way_is_taken(replay):
    config = CONFIG.replace("add route 0.0.0.0/0 via 192.0.2.254\n", "")
    result = replay.run(config, [from_client("ext2", syn()), from_backend(syn_ack())])
    assert result.frames[1]["output_interface"] == "ext1"


def test_errors_to_the_client_leave_by_its_flows_frontend(replay):
    first = from_client("ext2", syn())
    (request,) = replay.run(CONFIG, [first]).left("int")
    interface, error = from_backend(ICMP(type=3, code=4, nexthopmtu=1300) / bytes(request[IP]))
    result = replay.run(CONFIG, [first, (interface, error)])
    (told,) = result.left("ext2")
    assert (told.dst, told[IP].src) == (ROUTER["ext2"], VIP) and checksums_right(told)


def test_our_own_errors_leave_where_the_packet_came_in(replay):
    interface, frame = from_client("ext2", syn())
    frame[IP].ttl = 1
    result = replay.run(CONFIG, [(interface, frame)])
    (told,) = result.left("ext2")
    assert (told.dst, told[ICMP].type) == (ROUTER["ext2"], 11)


def test_a_fragmented_reply_leaves_whole_by_the_frontend(replay):
    payload = bytes(UDP(sport=8080, dport=5000) / Raw(b"x" * 1592))
    frames = [from_client("ext2", UDP(sport=5000, dport=53) / Raw(b"question"))]
    for offset in (0, 800):
        interface, frame = from_backend(Raw(payload[offset:offset + 800]))
        frame[IP].proto, frame[IP].frag, frame[IP].id = 17, offset // 8, 9
        frame[IP].flags = "MF" if not offset else 0
        frames.append((interface, frame))
    result = replay.run(CONFIG, frames)
    assert [p[IP].src for p in result.left("ext2")] == [VIP] * 2


def test_a_backend_cannot_be_played_by_a_client(replay):
    """What says on a frontend that it is a backend is nobody's reply."""
    interface, frame = from_client("ext1", syn_ack(), BACKEND)
    frame[IP].dst = CLIENT
    result = replay.run(CONFIG, [from_client("ext2", syn()), (interface, frame)])
    assert result.verdicts == ["forwarded", "forwarding_off"]
