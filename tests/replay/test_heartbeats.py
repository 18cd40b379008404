"""Heartbeats that are signed, that carry weights, and by which unknown senders join a pool."""
import importlib.util
from importlib.machinery import SourceFileLoader

import pytest
from scapy.all import ARP, IP, TCP, UDP, Ether, Raw

from replay import BASE, CLIENT, INT, NETWORK, ROOT, VIP, from_backend, syn, without
from test_selection import names

loader = SourceFileLoader("lb_heartbeat", str(ROOT / "scripts/lb-heartbeat"))
sender = importlib.util.module_from_spec(importlib.util.spec_from_loader("lb_heartbeat", loader))
loader.exec_module(sender)

KEY = bytes(range(32))
PORT = 6969
POOL = NETWORK + f"""
add check alive heartbeat from port {PORT} key {KEY.hex()}
add pool web check alive
add backend web 10.0.0.11:8080
add backend web 10.0.0.12:8080
add service web {VIP}:80/tcp pool web
"""


def beat(seconds, address="10.0.0.11", key=KEY, said=None, sequence=1, mac=None, **more):
    """A heartbeat that arrives at `seconds` and says that it left at `said`."""
    time_ns = BASE * 10**9 + round((seconds if said is None else said) * 10**9)
    payload = sender.datagram(more.pop("claims", address), time_ns, sequence, key, **more)
    return plain(seconds, payload, address, mac)


def plain(seconds, payload, address="10.0.0.11", mac=None):
    last = address.rsplit(".", 1)[1]
    return ("int", Ether(src=mac or f"02:00:00:00:00:{last}", dst=INT) /
            IP(src=address, dst="10.0.0.1") / UDP(sport=999, dport=PORT) / Raw(payload), seconds)


def test_a_signed_heartbeat_brings_its_backend_up(replay):
    result = replay.run(POOL, [("ext", syn(1), 0), beat(0.5), ("ext", syn(2), 1)])
    assert result.verdicts == ["no_backend", "consumed", "forwarded"]
    assert result.frames[2]["backend"] == "10.0.0.11:8080"


@pytest.mark.parametrize("frames, verdict", [
    ([plain(0, b"alive")], "heartbeat_malformed"),
    ([beat(0, key=bytes(32))], "heartbeat_forged"),
    ([beat(0, claims="10.0.0.12")], "heartbeat_malformed"),
    ([beat(40, said=9)], "heartbeat_old"),
    ([beat(0, said=31)], "heartbeat_old"),
    ([beat(1), beat(2, said=1)], "heartbeat_replayed"),
    ([beat(1), beat(2, said=0.5, sequence=9)], "heartbeat_replayed"),
], ids=["no form", "another key", "another's", "too old", "of the future", "the same again",
        "an older one"])
def test_is_ignored_and_counted(replay, frames, verdict):
    result = replay.run(POOL, frames)
    assert result.verdicts == ["consumed"] * (len(frames) - 1) + [verdict]
    assert result.drops[verdict] == 1


def test_every_bit_is_signed(replay):
    frames = []
    for bit in range(0, 64 * 8, 5):
        interface, frame, seconds = beat(bit / 100)
        payload = bytearray(frame[Raw].load)
        payload[bit // 8] ^= 1 << bit % 8
        frames.append((interface, plain(seconds, bytes(payload))[1], seconds))
    result = replay.run(POOL, frames + [("ext", syn(1))])
    assert set(result.verdicts[:-1]) == {"heartbeat_forged", "heartbeat_malformed"}
    assert result.verdicts[-1] == "no_backend"


def test_of_one_moment_the_sequence_decides(replay):
    result = replay.run(POOL, [beat(1, said=1, sequence=n) for n in (1, 2, 2, 1, 3)])
    assert result.verdicts == ["consumed", "consumed", "heartbeat_replayed", "heartbeat_replayed",
                               "consumed"]


def test_clocks_may_be_30_seconds_apart(replay):
    result = replay.run(POOL, [beat(40, said=10), beat(41, "10.0.0.12", said=71)])
    assert result.verdicts == ["consumed"] * 2


def test_a_replayed_heartbeat_keeps_nobody_alive(replay):
    frames = [beat(0)] + [beat(second, said=0) for second in (1, 2, 3)] + [("ext", syn(1), 3.5)]
    result = replay.run(POOL, frames)
    assert result.verdicts[-1] == "no_backend"


def test_a_heartbeat_tells_a_weight_and_takes_it_back(replay):
    def flows(first):
        return [("ext", syn(port), first + port / 1e4) for port in range(1000 * int(first),
                                                                        1000 * int(first) + 900)]
    frames = [beat(0), beat(0, "10.0.0.12")]
    frames += [beat(0.9, weight=2), beat(0.9, "10.0.0.12")] + flows(1)
    frames += [beat(1.9, weight=0), beat(1.9, "10.0.0.12")] + flows(2)
    frames += [beat(2.9), beat(2.9, "10.0.0.12")] + flows(3)
    frames.sort(key=lambda frame: frame[2])
    result = replay.run(POOL, frames)
    for second, share in ((1, 2 / 3), (2, 0), (3, 1 / 2)):
        chosen = [frame["backend"] for (_, packet, seconds), frame in zip(frames, result.frames)
                  if TCP in packet and packet[TCP].sport // 1000 == second]
        assert len(chosen) == 900
        assert chosen.count("10.0.0.11:8080") / 900 == pytest.approx(share, abs=0.05)


def test_without_a_key_a_weight_is_told_all_the_same(replay):
    config = POOL.replace(f" key {KEY.hex()}", "")
    frames = [plain(0, b"alive", "10.0.0.12"), beat(0, key=b"", weight=0)]
    result = replay.run(config, frames + [("ext", syn(port)) for port in range(1, 40)])
    assert {frame["backend"] for frame in result.frames[2:]} == {"10.0.0.12:8080"}


# ---- register ----

def registering(more, *lines):
    """Nobody is configured; what is learnt is learnt from heartbeats."""
    return without(NETWORK, "neighbor 10.") + f"""
add check alive heartbeat {more} register 10.0.0.16/28
add pool web check alive
add service web {VIP}:80/tcp pool web
""" + "\n".join(lines) + "\n"


ANY = registering("from any")
SIGNED = registering(f"from port {PORT} key {KEY.hex()}")


def life(seconds, address, mac=None, interface="int"):
    """A packet of a stranger that is for nobody here."""
    last = address.rsplit(".", 1)[1]
    frame = (Ether(src=mac or f"02:00:00:00:00:{last}", dst=INT) / IP(src=address, dst=CLIENT) /
             UDP(sport=9, dport=9))
    return (interface, frame, seconds)


def test_an_unknown_sender_joins_and_serves_at_once(replay):
    result = replay.run(ANY, [("ext", syn(1), 0), life(1, "10.0.0.17"), ("ext", syn(2), 1.01)])
    assert result.verdicts == ["no_backend", "no_flow", "forwarded"]
    (request,) = result.left("int")
    assert (request[IP].dst, request[TCP].dport) == ("10.0.0.17", 80)
    assert request[Ether].dst == "02:00:00:00:00:17"   # as learnt, without asking
    assert not any(ARP in packet and packet[ARP].pdst == "10.0.0.17" and packet[Ether].dst ==
                   "ff:ff:ff:ff:ff:ff" for packet in result.out["int"])


def test_who_is_outside_the_network_does_not_join(replay):
    result = replay.run(ANY, [life(1, "10.0.0.15"), life(1, "10.0.0.32"), ("ext", syn(1), 1.1)])
    assert result.verdicts[-1] == "no_backend"


def test_a_member_leaves_when_its_heartbeats_end_and_its_flows_go_on_elsewhere(replay):
    frames = [life(0, "10.0.0.17"), ("ext", syn(1), 0.1), life(2, "10.0.0.18"),
              ("ext", syn(1), 2.9), ("ext", syn(1), 3.1), life(5, "10.0.0.17"),
              ("ext", syn(1), 5.1), ("ext", syn(1), 9)]
    result = replay.run(ANY, frames)
    served = [frame["backend"] for frame in result.frames if frame["interface"] == "ext"]
    assert served == ["10.0.0.17:0", "10.0.0.17:0", "10.0.0.18:0", "10.0.0.17:0", None]
    assert result.verdicts[-1] == "no_backend"


def test_no_more_than_register_max_join(replay):
    config = ANY + "set check alive register-max 2\n"
    frames = [life(i / 10, f"10.0.0.{17 + i}") for i in range(4)]
    frames += [("ext", syn(port), 1) for port in range(1, 100)]
    result = replay.run(config, frames)
    assert {frame["backend"] for frame in result.frames[4:]} == {"10.0.0.17:0", "10.0.0.18:0"}


def test_a_full_check_says_so(replay):
    config = SIGNED + "set check alive register-max 1\n"
    result = replay.run(config, [beat(0, "10.0.0.17"), beat(1, "10.0.0.18")])
    assert result.verdicts == ["consumed", "register_full"]


def test_only_a_signed_heartbeat_joins_and_may_name_its_port(replay):
    frames = [beat(0, "10.0.0.17", key=bytes(32)), plain(0.1, b"alive", "10.0.0.17"),
              ("ext", syn(1), 0.2), beat(0.3, "10.0.0.18", port=8080), ("ext", syn(1), 0.4)]
    result = replay.run(SIGNED, frames)
    assert result.verdicts == ["heartbeat_forged", "heartbeat_malformed", "no_backend", "consumed",
                               "forwarded"]
    assert result.frames[-1]["backend"] == "10.0.0.18:8080"


def test_a_heartbeat_that_joined_is_not_good_twice(replay):
    result = replay.run(SIGNED, [beat(0, "10.0.0.17"), beat(1, "10.0.0.17", said=0)])
    assert result.verdicts == ["consumed", "heartbeat_replayed"]


def test_the_weight_of_a_member_is_the_one_it_tells(replay):
    frames = [beat(0, "10.0.0.17"), beat(0, "10.0.0.18"), beat(1, "10.0.0.17", weight=0),
              beat(1, "10.0.0.18")]
    result = replay.run(SIGNED, frames + [("ext", syn(port), 1.1) for port in range(1, 50)])
    assert {frame["backend"] for frame in result.frames[4:]} == {"10.0.0.18:0"}


def test_a_member_is_found_where_it_was_heard_last(replay):
    frames = [life(0, "10.0.0.17"), ("ext", syn(1), 0.1),
              life(1, "10.0.0.17", mac="02:00:00:00:00:99"), ("ext", syn(1), 1.1)]
    result = replay.run(ANY, frames)
    assert [packet[Ether].dst for packet in result.left("int")] == ["02:00:00:00:00:17",
                                                                   "02:00:00:00:00:99"]


def test_a_member_may_be_behind_an_interface_that_has_no_network_of_it(replay):
    config = ANY + "add interface lab role backend mac 02:00:00:00:01:03\n"
    frame = life(0, "10.0.0.17")[1]
    frame[Ether].dst = "02:00:00:00:01:03"
    result = replay.run(config, [("lab", frame, 0), ("ext", syn(1), 0.1)])
    assert result.verdicts[-1] == "forwarded"
    (request,) = result.left("lab")
    assert request[Ether].dst == "02:00:00:00:00:17"


def test_a_configured_backend_does_not_join_a_second_time(replay):
    config = ANY + "add backend web 10.0.0.17:8080\n"
    result = replay.run(config, [life(0, "10.0.0.17")] +
                        [("ext", syn(port), 0.1) for port in range(1, 50)])
    assert {frame["backend"] for frame in result.frames[1:]} == {"10.0.0.17:8080"}


def test_the_reply_of_a_member_is_both_heartbeat_and_reply(replay):
    frames = [life(0, "10.0.0.17"), ("ext", syn(1), 0.1)]
    reply = from_backend(TCP(sport=80, dport=1, flags="SA"))
    reply[IP].src, reply[Ether].src = "10.0.0.17", "02:00:00:00:00:17"
    frames += [("int", reply, 2.9), ("ext", syn(2), 5.8), ("ext", syn(3), 6)]
    result = replay.run(ANY, frames)
    assert result.verdicts[2:] == ["forwarded", "forwarded", "no_backend"]
    assert names([result.frames[3]["backend"]]) == "-3"


def test_strangers_in_a_flood_cost_no_more_than_their_counter(replay):
    frames = [life(i / 1e5, f"10.0.0.{16 + i % 16}") for i in range(3000)]
    config = ANY + "set check alive register-max 8\n"
    result = replay.run(config, frames + [("ext", syn(port), 1) for port in range(1, 200)])
    assert len({frame["backend"] for frame in result.frames[3000:]}) == 8
