"""Schedulers other than Maglev; what a client gets when no backend, or no longer his, is there."""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw

from replay import (CLIENT, CLIENT_MAC, EXT, ONE, VIP, WEB, checksums_right, from_backend, syn,
                    to_vip)
from test_flows import closed
from test_services import choices, pool

ROUND_ROBIN = "scheduler round-robin"
LEAST = "scheduler least-connections"


def names(chosen):
    """'121' for 10.0.0.21, 10.0.0.22, 10.0.0.21."""
    return "".join(str(int(backend.split(":")[0].split(".")[3]) - 20) for backend in chosen)


@pytest.mark.parametrize("weights, turns", [
    ((1, 1, 1), "123123"),
    ((5, 1, 1), "1121311" * 2),
    ((2, 1), "121121"),
    ((0, 1, 1), "2323"),
], ids=str)
def test_round_robin_is_smooth_and_by_weight(replay, weights, turns):
    frames = [syn(port) for port in range(1, len(turns) + 1)]
    assert names(choices(replay, pool(*weights, options=ROUND_ROBIN), frames)) == turns


def test_only_new_flows_take_a_turn(replay):
    frames = [syn(1), syn(1), syn(2), syn(1), syn(3), syn(2), syn(4)]
    assert names(choices(replay, pool(1, 1, options=ROUND_ROBIN), frames)) == "1121122"


@pytest.mark.parametrize("action", ["drain", "disable"])
def test_round_robin_leaves_out_who_takes_nothing(replay, action):
    config = pool(1, 1, 1, options=ROUND_ROBIN) + f"{action} backend web 10.0.0.22:8080\n"
    assert names(choices(replay, config, [syn(port) for port in range(1, 7)])) == "131313"


@pytest.mark.parametrize("weights, counts", [((1, 1, 1), (20, 20, 20)), ((1, 2, 3), (10, 20, 30)),
                                             ((0, 1, 2), (0, 20, 40))], ids=str)
def test_least_connections_fills_up_by_weight(replay, weights, counts):
    chosen = names(choices(replay, pool(*weights, options=LEAST),
                           [syn(port) for port in range(1, 61)]))
    assert tuple(chosen.count(name) for name in "123") == counts


def test_least_connections_counts_what_lives(replay):
    """After a third of the flows has ended, all on one backend, that one gets the next ones."""
    config = pool(1, 1, 1, options=LEAST)
    first = [(syn(port), port / 100) for port in range(1, 31)]
    chosen = names(choices(replay, config, [frame for frame, _ in first]))
    ended = [port for (_, port), name in zip(enumerate(range(1, 31)), chosen) if name == "2"]
    assert len(ended) == 10
    frames = [("ext", frame, time) for frame, time in first]
    frames += [("ext", to_vip(TCP(sport=port, dport=80, flags="R")), 1) for port in ended]
    frames += [("ext", syn(port), 15 + port / 1000) for port in range(101, 111)]
    result = replay.run(config, frames)
    assert names(frame["backend"] for frame in result.frames[-10:]) == "2" * 10


@pytest.mark.parametrize("options", [ROUND_ROBIN, LEAST])
def test_a_flow_stays_where_its_scheduler_put_it(replay, options):
    ports = list(range(1, 50))
    chosen = choices(replay, pool(1, 1, 1, options=options), [syn(port) for port in ports * 3])
    assert chosen[:49] == chosen[49:98] == chosen[98:]


@pytest.mark.parametrize("options", [ROUND_ROBIN, LEAST])
def test_without_room_for_a_flow_the_table_decides(replay, options):
    """Every packet of a client without a flow goes to one backend all the same."""
    config = pool(1, 1, 1, options=options).replace("16384", "1024")
    frames = [to_vip(UDP(sport=port, dport=53)) for port in range(1, 1025)]
    frames += [to_vip(UDP(sport=port, dport=53)) for port in range(2000, 2050)] * 3
    config += f"add service dns {VIP}:53/udp pool web\n"
    chosen = choices(replay, config, frames)
    assert chosen[1024:1074] == chosen[1074:1124] == chosen[1124:]
    assert len(set(chosen[1024:])) == 3


DOWN = """
add check c tcp
set pool web check c
"""


def test_without_a_usable_backend_there_is_none(replay):
    assert replay.run(WEB + DOWN, [("ext", syn())]).verdicts == ["no_backend"]


def test_fail_open_is_for_all_that_are_enabled_by_weight(replay):
    config = (pool(1, 3, 1, 0) + DOWN + "set service web fail-open on\n"
              "disable backend web 10.0.0.23:8080\n")
    chosen = names(choices(replay, config, [syn(port) for port in range(1, 1001)]))
    assert set(chosen) == {"1", "2"} and chosen.count("2") == pytest.approx(750, abs=60)


def test_flows_stay_where_they_are_while_failed_open(replay):
    config = pool(1, 1, 1) + DOWN + "set service web fail-open on\n"
    ports = list(range(1, 60))
    chosen = choices(replay, config, [syn(port) for port in ports * 2])
    assert chosen[:59] == chosen[59:]


HEARTBEAT = """
add check alive heartbeat
set pool web check alive
"""


def alive(address, seconds):
    """Anything that counts as a sign of life, and is nothing else."""
    return ("int", from_backend(UDP(sport=9, dport=9), address), seconds)


def test_fail_open_ends_when_a_backend_comes_back(replay):
    config = WEB + HEARTBEAT + "set service web fail-open on\n"
    result = replay.run(config, [("ext", syn(port), port / 1000) for port in range(1, 41)] +
                        [alive("10.0.0.12", 1)] +
                        [("ext", syn(port), 1 + port / 1000) for port in range(1, 41)])
    before, after = result.frames[:40], result.frames[41:]
    assert {frame["backend"] for frame in before} == {"10.0.0.11:8080", "10.0.0.12:8080"}
    assert {frame["backend"] for frame in after} == {"10.0.0.12:8080"}


@pytest.fixture
def lost_connection(replay):
    """(configuration, frames): a connection whose backend has fallen silent after 3 s."""
    beats = [alive("10.0.0.11", 0), alive("10.0.0.12", 0.001)]
    trial = replay.run(WEB + HEARTBEAT, beats + [("ext", syn(port)) for port in range(1, 50)])
    port = 1 + next(i for i, frame in enumerate(trial.frames[2:])
                    if frame["backend"] == "10.0.0.11:8080")
    frames = beats + [("ext", syn(port), 0.1),
                      ("int", from_backend(TCP(sport=8080, dport=port, flags="SA")), 0.2),
                      ("ext", to_vip(TCP(sport=port, dport=80, flags="A")), 0.3),
                      alive("10.0.0.12", 2.5)]
    return port, frames


def test_on_backend_loss_the_next_packet_is_reselected(replay, lost_connection):
    port, frames = lost_connection
    data = to_vip(TCP(sport=port, dport=80, flags="PA", seq=1001, ack=1) / Raw(b"more"))
    result = replay.run(WEB + HEARTBEAT, frames + [("ext", data, 4)])
    assert result.frames[-1]["backend"] == "10.0.0.12:8080"
    assert closed(result) == {"backend_lost": 1}


def test_on_backend_loss_the_client_may_be_reset(replay, lost_connection):
    port, frames = lost_connection
    config = WEB + HEARTBEAT + "set service web on-backend-loss reset\n"
    data = to_vip(TCP(sport=port, dport=80, flags="PA", seq=1001, ack=77) / Raw(b"more"))
    result = replay.run(config, frames + [("ext", data, 4)])
    assert result.verdicts[-1] == "backend_lost"
    assert closed(result) == {"backend_lost": 1}
    reset = result.left("ext")[-1]
    assert reset[Ether].dst == CLIENT_MAC and checksums_right(reset)
    assert (reset[IP].src, reset[IP].dst) == (VIP, CLIENT)
    assert (reset[TCP].sport, reset[TCP].dport) == (80, port)
    assert (reset[TCP].flags, reset[TCP].seq) == ("R", 77)


@pytest.mark.parametrize("flags, reselected", [("S", True), ("R", False)])
def test_a_reset_answers_neither_a_new_connection_nor_a_reset(replay, lost_connection, flags,
                                                              reselected):
    port, frames = lost_connection
    config = WEB + HEARTBEAT + "set service web on-backend-loss reset\n"
    again = to_vip(TCP(sport=port, dport=80, flags=flags))
    result = replay.run(config, frames + [("ext", again, 4)])
    assert result.verdicts[-1] == ("forwarded" if reselected else "backend_lost")
    assert len(result.left("ext")) == 1   # the SYN-ACK of before


def rejected(replay, layer, **ip):
    result = replay.run(ONE + "set global no-service reject\n", [("ext", to_vip(layer, **ip))])
    assert result.verdicts == ["no_service"]
    return result.left("ext")


@pytest.mark.parametrize("segment, flags, seq, ack", [
    (TCP(sport=5, dport=81, flags="S", seq=1000), "RA", 0, 1001),
    (TCP(sport=5, dport=81, flags="A", seq=1000, ack=555), "R", 555, 0),
    (TCP(sport=5, dport=81, flags="F", seq=1000) / Raw(b"12345"), "RA", 0, 1006),
    (TCP(sport=5, dport=81, flags="SF", seq=2**32 - 1), "RA", 0, 1),
], ids=["SYN", "ACK", "FIN with data", "wraps around"])
def test_reject_is_what_a_closed_port_answers(replay, segment, flags, seq, ack):
    """RFC 9293 section 3.10.7.1."""
    (reset,) = rejected(replay, segment)
    assert checksums_right(reset) and (reset[IP].src, reset[IP].dst) == (VIP, CLIENT)
    assert (reset[TCP].sport, reset[TCP].dport) == (81, 5)
    assert (reset[TCP].flags, reset[TCP].seq, reset[TCP].ack) == (flags, seq, ack)


def test_reject_tells_a_datagram_that_its_port_is_unreachable(replay):
    (error,) = rejected(replay, UDP(sport=5, dport=81) / Raw(b"anybody?"))
    assert (error[ICMP].type, error[ICMP].code, error[IP].src) == (3, 3, VIP)
    assert (error["IP in ICMP"].dst, error["UDP in ICMP"].dport) == (VIP, 81)


@pytest.mark.parametrize("layer, ip", [
    (TCP(sport=5, dport=81, flags="R"), {}),
    (TCP(sport=5, dport=81, flags="S", chksum=1), {}),
    (TCP(sport=5, dport=81, flags="A") / Raw(b"x" * 100), {"flags": "MF"}),
], ids=["a RST", "a corrupt segment", "a fragment"])
def test_reject_is_silent_about(replay, layer, ip):
    assert not rejected(replay, layer, **ip)


def test_by_default_nothing_is_said(replay):
    result = replay.run(ONE, [("ext", to_vip(TCP(dport=81, flags="S"))),
                              ("ext", to_vip(UDP(dport=81)))])
    assert result.verdicts == ["no_service"] * 2 and not result.left("ext")


def test_reject_is_limited_to_100_of_a_kind_a_second(replay):
    frames = [("ext", to_vip(layer), i / 1e5) for i in range(500)
              for layer in (TCP(sport=i, dport=81, flags="S"), UDP(sport=i, dport=81))]
    result = replay.run(ONE + "set global no-service reject\n", frames)
    told = result.left("ext")
    assert len(told) == 200 and sum(TCP in packet for packet in told) == 100


def test_reject_speaks_for_vips_only(replay):
    other = Ether(src=CLIENT_MAC, dst=EXT) / IP(src=CLIENT, dst="203.0.113.99") / TCP(dport=81)
    result = replay.run(ONE + "set global no-service reject\n", [("ext", other)])
    assert result.verdicts == ["forwarding_off"] and not result.left("ext")
