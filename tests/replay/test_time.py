"""What takes time: flows expire, neighbors are asked, fragments wait, heartbeats are missed."""
import pytest
from scapy.all import ARP, IP, TCP, UDP, Ether, Raw

from replay import (BACKENDS, INT, NETWORK, VIP, WEB, checksums_right,
                    from_backend, syn, to_vip, without)

UDP_SERVICE = to_vip(UDP(sport=5000, dport=53) / Raw(b"q"))


def created(result):
    return result.stats["flows"]["created"]


@pytest.mark.parametrize("seconds, flows", [(29.9, 1), (30.0, 2)])
def test_a_one_way_udp_flow_lives_30_seconds(replay, seconds, flows):
    result = replay.run(WEB, [("ext", UDP_SERVICE, 0), ("ext", UDP_SERVICE, seconds)])
    assert created(result) == flows


@pytest.mark.parametrize("seconds, flows", [(179.9, 1), (180.0, 2)])
def test_a_udp_flow_with_replies_lives_180_seconds(replay, seconds, flows):
    first = replay.run(WEB, [("ext", UDP_SERVICE)])
    backend = first.left("int")[0][IP].dst
    reply = from_backend(UDP(sport=8080, dport=5000) / Raw(b"a"), backend)
    result = replay.run(WEB, [("ext", UDP_SERVICE, 0), ("int", reply, 0.001),
                              ("ext", UDP_SERVICE, 0.001 + seconds)])
    assert created(result) == flows


@pytest.mark.parametrize("flags, seconds, flows", [
    (("A",), 899.9, 1), (("A",), 900.0, 2), (("A", "FA"), 59.9, 1), (("A", "FA"), 60.0, 2),
    (("A", "R"), 9.9, 1), (("A", "R"), 10.0, 2), ((), 29.9, 1), ((), 30.0, 2)])
def test_a_tcp_flow_lives_by_its_state(replay, flags, seconds, flows):
    """SYN seen 30 s, established 900, FIN 60, closed 10."""
    backend = replay.run(WEB, [("ext", syn())]).left("int")[0][IP].dst
    frames = [("ext", syn(), 0)]
    if flags:
        answer = from_backend(TCP(sport=8080, dport=40000, flags="SA"), backend)
        frames.append(("int", answer, 0.01))
    last = 0.0
    for i, flag in enumerate(flags):
        last = 0.02 + i / 100
        frames.append(("ext", to_vip(TCP(sport=40000, dport=80, flags=flag)), last))
    frames.append(("ext", to_vip(TCP(sport=40000, dport=80, flags="A")), round(last + seconds, 6)))
    assert created(replay.run(WEB, frames)) == flows


def test_idle_timeout_of_a_service(replay):
    config = WEB + "set service dns idle-timeout 5\n"
    result = replay.run(config, [("ext", UDP_SERVICE, 0), ("ext", UDP_SERVICE, 5.0)])
    assert created(result) == 2
    assert result.stats["flows"]["closed_idle"] == 1


def test_a_frame_waits_for_its_neighbor_and_is_sent_when_it_answers(replay):
    config = without(WEB, "add neighbor 10")
    first = replay.run(config, [("ext", syn())])
    (request,) = [p for p in first.out["int"] if ARP in p and p[ARP].op == 1]
    address = request[ARP].pdst
    answer = Ether(src=BACKENDS[address], dst=INT) / ARP(
        op=2, hwsrc=BACKENDS[address], psrc=address, hwdst=INT, pdst="10.0.0.1")
    result = replay.run(config, [("ext", syn(), 0), ("ext", syn(), 0.1), ("int", answer, 0.2)])
    assert result.verdicts == ["held", "held", "consumed"]
    assert [p[Ether].dst for p in result.left("int")] == [BACKENDS[address]] * 2
    assert result.stats["total"]["held"] == 0 and result.stats["total"]["forwarded"] == 2


def test_a_neighbor_that_never_answers_is_given_up(replay):
    config = without(WEB, "add neighbor 10")
    frames = [("ext", syn(), i / 100) for i in range(10)] + [("ext", syn(), 3.5)]
    result = replay.run(config, frames)
    assert len([p for p in result.out["int"] if ARP in p and p[ARP].op == 1]) == 3
    assert result.drops["neighbor_failed"] == 9   # eight that waited, and the one after
    assert result.drops["neighbor_overflow"] == 2  # the oldest made room


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_fragments_in_any_order_go_to_one_backend(replay, order):
    whole = UDP(sport=5000, dport=53) / Raw(bytes(range(200)) * 10)
    payload = bytes(Ether(bytes(to_vip(whole)))[IP].payload)
    parts = [to_vip(Raw(payload[:800]), proto=17, id=9, flags="MF"),
             to_vip(Raw(payload[800:1600]), proto=17, id=9, flags="MF", frag=100),
             to_vip(Raw(payload[1600:]), proto=17, id=9, frag=200)]
    result = replay.run(WEB, [("ext", parts[i]) for i in order])
    left = result.left("int")
    assert len(left) == 3 and len({p[IP].dst for p in left}) == 1
    assert result.stats["total"]["forwarded"] == 3
    from scapy.all import defragment
    (datagram,) = defragment(left)
    assert datagram[UDP].dport == 8080 and checksums_right(Ether(bytes(datagram)))


def test_a_fragment_without_its_first_is_dropped_in_time(replay):
    later = to_vip(Raw(b"x" * 800), proto=17, id=9, frag=100)
    result = replay.run(WEB, [("ext", later, 0), ("ext", syn(), 1.5)])
    assert result.drops["fragment_timeout"] == 1


HEARTBEAT = NETWORK + f"""
add check alive heartbeat from any timeout 3
add pool web check alive
add backend web 10.0.0.11:8080
add backend web 10.0.0.12:8080
add service web {VIP}:80/tcp pool web
"""


def beat(address):
    return (Ether(src=BACKENDS[address], dst=INT) / IP(src=address, dst="10.0.0.1") /
            UDP(sport=9, dport=9))


def test_backends_live_by_their_heartbeats(replay):
    frames = [("ext", syn(1), 0), ("int", beat("10.0.0.11"), 1), ("ext", syn(2), 1.1),
              ("ext", syn(2), 3.9), ("ext", syn(2), 4.0)]
    result = replay.run(HEARTBEAT, frames)
    assert result.verdicts == ["no_backend", "consumed", "forwarded", "forwarded", "no_backend"]


def test_a_flow_of_a_dead_backend_is_chosen_again_in_the_same_packet(replay):
    frames = [("int", beat("10.0.0.11"), 0), ("ext", syn(2), 0.1), ("int", beat("10.0.0.12"), 2),
              ("ext", syn(2), 3.5)]
    result = replay.run(HEARTBEAT, frames)
    assert [p[IP].dst for p in result.left("int")] == ["10.0.0.11", "10.0.0.12"]
    assert result.stats["flows"]["closed_backend_lost"] == 1


def test_a_reply_is_a_heartbeat_and_still_a_reply(replay):
    frames = [("int", beat("10.0.0.11"), 0), ("ext", syn(2), 0.1)]
    for second in range(1, 20, 2):
        frames.append(("int", from_backend(TCP(sport=8080, dport=2, flags="A")), second))
        frames.append(("ext", to_vip(TCP(sport=2, dport=80, flags="A")), second + 0.5))
    assert set(replay.run(HEARTBEAT, frames).verdicts) == {"consumed", "forwarded"}


def test_heartbeats_to_a_port_are_consumed_and_others_do_not_count(replay):
    config = HEARTBEAT.replace("from any", "from port 4000")
    dedicated = Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(src="10.0.0.11", dst="10.0.0.1") / \
        UDP(sport=9, dport=4000)
    result = replay.run(config, [("int", beat("10.0.0.11")), ("ext", syn(1)), ("int", dedicated),
                                 ("ext", syn(1))])
    assert result.verdicts == ["no_service", "no_backend", "consumed", "forwarded"]
