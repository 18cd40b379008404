"""The life of a flow: how it begins and ends, port reuse, collisions, and a full table.

A dialogue is a row of (who, flags, seconds): `c` the client, `b` the backend.
"""
import random

import pytest
from scapy.all import IP, TCP, UDP, Raw

from replay import CLIENT, ONE, VIP, WEB, from_backend, syn, to_vip

OTHER_VIP = "203.0.113.11"
HANDSHAKE = [("c", "S", 0), ("b", "SA", 0.01), ("c", "A", 0.02)]


def dialogue(rows, port=40000):
    frames = []
    for who, flags, seconds in rows:
        if who == "c":
            frames.append(("ext", to_vip(TCP(sport=port, dport=80, flags=flags)), seconds))
        else:
            frames.append(("int", from_backend(TCP(sport=8080, dport=port, flags=flags)), seconds))
    return frames


def talk(replay, rows, config=ONE):
    return replay.run(config, dialogue(rows))


def closed(result):
    """Reasons for which flows have closed, with how many."""
    return {name[7:]: count for name, count in result.stats["flows"].items()
            if name.startswith("closed_") and count}


# After the rows the client's next packet comes `alive` seconds or `dead` seconds after the last.
LIVES = [
    ("a SYN", [("c", "S", 0)], 30, "idle"),
    ("a SYN and its repetitions", [("c", "S", 0), ("c", "S", 1), ("c", "S", 3)], 30, "idle"),
    ("a SYN that was answered", [("c", "S", 0), ("b", "SA", 1)], 30, "idle"),
    ("an established connection", HANDSHAKE, 900, "idle"),
    ("one whose backend spoke last", HANDSHAKE + [("b", "PA", 5)], 900, "idle"),
    ("a FIN of the client", HANDSHAKE + [("c", "FA", 1)], 60, "closed"),
    ("a FIN of the backend", HANDSHAKE + [("b", "FA", 1)], 60, "closed"),
    ("a FIN and data of the other side", HANDSHAKE + [("c", "FA", 1), ("b", "PA", 2)], 60,
     "closed"),
    ("both FINs", HANDSHAKE + [("c", "FA", 1), ("b", "FA", 2)], 10, "closed"),
    ("both FINs at once", HANDSHAKE + [("c", "FA", 1), ("b", "FA", 1)], 10, "closed"),
    ("both FINs and their ACKs", HANDSHAKE + [("b", "FA", 1), ("c", "FA", 2), ("b", "A", 3)], 10,
     "closed"),
    ("a RST of the client", HANDSHAKE + [("c", "R", 1)], 10, "reset"),
    ("a RST of the backend", HANDSHAKE + [("b", "RA", 1)], 10, "reset"),
    ("a RST in answer to a SYN", [("c", "S", 0), ("b", "RA", 1)], 10, "reset"),
    ("a RST after both FINs", HANDSHAKE + [("c", "FA", 1), ("b", "FA", 1), ("c", "R", 2)], 10,
     "reset"),
    ("a lone ACK", [("c", "A", 0)], 30, "idle"),
    ("a connection joined in the middle", [("c", "A", 0), ("b", "A", 1), ("c", "A", 2)], 900,
     "idle"),
    ("a refusal before the handshake is over", [("c", "S", 0), ("b", "SA", 1), ("c", "R", 2)], 10,
     "reset"),
    ("no flag at all", [("c", "", 0)], 30, "idle"),
]


@pytest.mark.parametrize("rows, timeout, reason", [row[1:] for row in LIVES],
                         ids=[row[0] for row in LIVES])
def test_lives_until_its_timeout_and_not_longer(replay, rows, timeout, reason):
    last = rows[-1][2]
    alive = talk(replay, rows + [("c", "A", round(last + timeout - 0.001, 6))])
    assert alive.stats["flows"]["created"] == 1 and closed(alive) == {}
    dead = talk(replay, rows + [("c", "A", round(last + timeout, 6))])
    assert dead.stats["flows"]["created"] == 2 and closed(dead) == {reason: 1}
    assert set(dead.verdicts) == {"forwarded"}


def test_what_nobody_asks_about_expires_by_itself(replay):
    """Nothing of these flows is looked up again: the timer ends them."""
    frames = [("ext", syn(port)) for port in range(100)] + [("ext", syn(dport=81), 31)]
    result = replay.run(ONE, frames)
    assert result.stats["flows"]["live"] == 0 and closed(result) == {"idle": 100}


# (what, dialogue, seconds until the SYN, is it a new flow, why the old one closed)
REUSED = [
    ("a SYN repeated", [("c", "S", 0)], 1, False, {}),
    ("a SYN repeated after its answer", [("c", "S", 0), ("b", "SA", 0.1)], 1, False, {}),
    ("a SYN on an established connection", HANDSHAKE, 1, False, {}),
    ("a port used again after a FIN", HANDSHAKE + [("c", "FA", 1)], 0.1, True, {"closed": 1}),
    ("a port used again after the backend's FIN", HANDSHAKE + [("b", "FA", 1)], 0.1, True,
     {"closed": 1}),
    ("a port used again after both FINs", HANDSHAKE + [("c", "FA", 1), ("b", "FA", 1)], 0.1, True,
     {"closed": 1}),
    ("a port used again after a RST", HANDSHAKE + [("c", "R", 1)], 0.1, True, {"reset": 1}),
    ("a port used again after a refusal", [("c", "S", 0), ("b", "RA", 0.1)], 0.1, True,
     {"reset": 1}),
]


@pytest.mark.parametrize("rows, later, new, reasons", [row[1:] for row in REUSED],
                         ids=[row[0] for row in REUSED])
def test_a_reused_port_is_never_dropped(replay, rows, later, new, reasons):
    rows = rows + [("c", "S", rows[-1][2] + later), ("b", "SA", rows[-1][2] + later + 0.1)]
    result = talk(replay, rows)
    assert set(result.verdicts) == {"forwarded"}
    assert result.stats["flows"]["created"] == 1 + new and closed(result) == reasons


@pytest.mark.parametrize("flags", ["R", "RA", "FSRPAU"])
def test_a_reset_out_of_nowhere_is_passed_on_and_forgotten(replay, flags):
    """It may end a connection that the table lost, or had no room for; it begins none."""
    result = talk(replay, [("c", flags, 0), ("c", flags, 1)])
    assert result.verdicts == ["forwarded"] * 2 and result.stats["flows"]["created"] == 0
    assert [p[TCP].dport for p in result.left("int")] == [8080] * 2
    result = talk(replay, [("c", flags, 0), ("c", "S", 1)], two_vips(ONE))
    assert result.verdicts == ["no_flow", "forwarded"] and result.stats["flows"]["created"] == 1


def test_a_reset_goes_where_its_connection_went_without_a_flow(replay):
    """Connections that found no room are ended as they were served: by the table."""
    small = WEB.replace("flow-table 16384", "flow-table 1024")
    frames = [("ext", syn(port), port / 1e5) for port in range(1, 400)]
    frames += [("ext", to_vip(TCP(sport=port, dport=80, flags="R")), 1 + port / 1e5)
               for port in range(1, 400)]
    result = replay.run(small, frames)
    chosen = [frame["backend"] for frame in result.frames]
    assert chosen[:399] == chosen[399:] and set(result.verdicts) == {"forwarded"}
    flows = result.stats["flows"]
    assert flows["created"] == flows["live"] == 128 and flows["half_open"] == 0


def test_connections_that_were_refused_are_not_half_open(replay):
    """A backend that is not there yet answers RST: clients that try again find room."""
    frames = []
    for port in range(1, 401):
        frames += dialogue([("c", "S", port / 1000), ("b", "RA", port / 1000 + 1e-4)], port)
    result = replay.run(SMALL, frames)
    flows = result.stats["flows"]
    assert flows["live"] == 400 and flows["half_open"] == 0 and flows["stateless"] == 0


def test_what_follows_a_fin_still_flows(replay):
    """Half closed: the other side goes on sending as long as it likes."""
    rows = HANDSHAKE + [("c", "FA", 1)]
    rows += [(who, flags, 2 + i + (who == "c") / 2) for i in range(100)
             for who, flags in (("b", "PA"), ("c", "A"))]
    result = talk(replay, rows)
    assert set(result.verdicts) == {"forwarded"} and result.stats["flows"]["created"] == 1


@pytest.mark.parametrize("seconds, flows", [(29.999, 1), (30, 2)])
def test_a_udp_flow_without_replies(replay, seconds, flows):
    frame = to_vip(UDP(sport=5, dport=53))
    result = replay.run(ONE, [("ext", frame, 0), ("ext", frame, seconds)])
    assert result.stats["flows"]["created"] == flows


def test_a_udp_reply_refreshes_and_lengthens(replay):
    frames = [("ext", to_vip(UDP(sport=5, dport=53)), 0),
              ("int", from_backend(UDP(sport=8080, dport=5)), 29),
              ("int", from_backend(UDP(sport=8080, dport=5)), 29 + 179),
              ("ext", to_vip(UDP(sport=5, dport=53)), 29 + 179 + 179.999)]
    assert replay.run(ONE, frames).stats["flows"]["created"] == 1


@pytest.mark.parametrize("rows, seconds, created", [
    ([("c", "S", 0)], 6, 1), (HANDSHAKE, 4.999, 1), (HANDSHAKE, 5, 2),
    (HANDSHAKE + [("c", "FA", 1)], 6, 1)], ids=["syn", "within", "over", "fin"])
def test_idle_timeout_is_that_of_the_established(replay, rows, seconds, created):
    result = talk(replay, rows + [("c", "A", round(rows[-1][2] + seconds, 6))],
                  ONE + "set service web idle-timeout 5\n")
    assert result.stats["flows"]["created"] == created


def two_vips(config):
    return config + f"add service other {OTHER_VIP}:80/tcp pool web\n"


def to_other(port=40000, flags="S"):
    frame = to_vip(TCP(sport=port, dport=80, flags=flags))
    frame[IP].dst = OTHER_VIP
    return frame


def test_one_tuple_to_two_vips_gets_two_backends(replay):
    """A backend could not tell the connections apart, nor we its replies."""
    result = replay.run(two_vips(WEB), [("ext", syn()), ("ext", to_other())])
    assert result.verdicts == ["forwarded"] * 2
    first, second = result.left("int")
    assert first[IP].dst != second[IP].dst
    replies = [("int", from_backend(TCP(sport=8080, dport=40000, flags="SA"), p[IP].dst))
               for p in (first, second)]
    result = replay.run(two_vips(WEB), [("ext", syn()), ("ext", to_other())] + replies)
    assert [p[IP].src for p in result.left("ext")] == [VIP, OTHER_VIP]


def test_one_tuple_to_two_vips_of_one_backend_is_refused(replay):
    result = replay.run(two_vips(ONE), [("ext", syn()), ("ext", to_other()),
                                        ("ext", to_other(40001)), ("ext", to_other(flags="A"))])
    assert result.verdicts == ["forwarded", "reply_collision", "forwarded", "reply_collision"]
    assert result.stats["flows"]["created"] == 2


def test_the_other_vip_has_the_tuple_when_the_first_is_over(replay):
    rows = HANDSHAKE + [("c", "R", 1)]
    frames = dialogue(rows) + [("ext", to_other(), 10.9), ("ext", to_other(), 11)]
    result = replay.run(two_vips(ONE), frames)
    assert result.verdicts[-2:] == ["reply_collision", "forwarded"]


SMALL = ONE.replace("flow-table 16384", "flow-table 1024")


def test_a_flood_of_syns_leaves_the_established_alone(replay):
    """Half-open flows hold an eighth of the table; the others are forwarded without one."""
    frames = []
    for port in range(1, 101):
        frames += dialogue([(who, flags, port / 1000 + i / 1e4)
                            for i, (who, flags, _) in enumerate(HANDSHAKE)], port)
    frames += [("ext", syn(port), 1 + port / 1e5) for port in range(10000, 13000)]
    for port in range(1, 101):
        frames += dialogue([("c", "PA", 2 + port / 1000), ("b", "A", 2.0001 + port / 1000)], port)
    frames += dialogue([("c", "S", 3), ("b", "SA", 3.1), ("c", "A", 3.2), ("b", "A", 3.3)], 9999)
    result = replay.run(SMALL, frames)
    assert set(result.verdicts) == {"forwarded"}
    flows = result.stats["flows"]
    assert flows["live"] == 100 + 128 and closed(result) == {}
    assert flows["stateless"] == 3000 - 128 + 2
    assert {p[IP].src for p in result.left("ext")} == {VIP}


def test_a_flood_is_shed_where_replies_would_be_ambiguous(replay):
    frames = [("ext", syn(port), port / 1e5) for port in range(1, 301)]
    result = replay.run(two_vips(SMALL), frames)
    assert result.verdicts == ["forwarded"] * 128 + ["flow_table_full"] * 172
    result = replay.run(SMALL + "set service web when-full shed\n", frames)
    assert result.verdicts == ["forwarded"] * 128 + ["flow_table_full"] * 172


def test_the_flood_is_over_after_30_seconds(replay):
    frames = [("ext", syn(port), port / 1e5) for port in range(1, 301)]
    frames += dialogue([("c", "S", 40), ("b", "SA", 40.1), ("c", "A", 40.2)], 9999)
    result = replay.run(SMALL, frames)
    assert result.stats["flows"]["live"] == 1 and closed(result) == {"idle": 128}


def test_a_table_full_of_udp_forwards_by_the_table_alone(replay):
    frames = [("ext", to_vip(UDP(sport=port, dport=53)), port / 1e5) for port in range(1, 1101)]
    frames += [("int", from_backend(UDP(sport=8080, dport=1100))),
               ("ext", to_vip(UDP(sport=1, dport=53) / Raw(b"again")))]
    result = replay.run(SMALL, frames)
    assert set(result.verdicts) == {"forwarded"}
    assert result.stats["flows"]["live"] == 1024 and result.stats["flows"]["stateless"] == 76
    (reply,) = result.left("ext")
    assert (reply[IP].src, reply[UDP].sport, reply[UDP].dport) == (VIP, 53, 1100)


def test_without_a_flow_a_packet_goes_where_its_flow_would(replay):
    """All of a flood twice, once with room for flows and once without."""
    frames = [("ext", to_vip(UDP(sport=port, dport=53)), port / 1e5) for port in range(1, 2001)]
    chosen = [frame["backend"] for frame in replay.run(WEB, frames).frames]
    stateless = replay.run(WEB.replace("16384", "1024"), frames)
    assert [frame["backend"] for frame in stateless.frames] == chosen
    assert stateless.stats["flows"]["stateless"] == 2000 - 1024


def test_a_reply_out_of_nowhere_is_the_services_that_alone_can_mean_it(replay):
    reply = from_backend(TCP(sport=8080, dport=40000, flags="A"))
    result = replay.run(ONE, [("int", reply)])
    assert result.left("ext")[0][IP].src == VIP and result.stats["flows"]["created"] == 0
    assert replay.run(two_vips(ONE), [("int", reply)]).verdicts == ["no_flow"]


def test_a_day_later_nothing_is_left(replay):
    frames = dialogue(HANDSHAKE) + [("ext", to_vip(UDP(sport=5, dport=53)), 1)]
    frames += [("ext", to_vip(Raw(b"x" * 80), proto=17, frag=9), 2)]
    frames += dialogue([(who, flags, 86400 + t) for who, flags, t in HANDSHAKE])
    result = replay.run(ONE, frames)
    assert result.verdicts == ["forwarded"] * 4 + ["held"] + ["forwarded"] * 3
    assert closed(result) == {"idle": 2} and result.drops["fragment_timeout"] == 1


def test_created_minus_closed_is_live(replay):
    dice = random.Random(7)
    rows = []
    for _ in range(3000):
        rows.append((dice.choice("ccb"), dice.choice(["S", "A", "PA", "FA", "R"]),
                     dice.random() * 200, dice.randrange(1, 60)))
    frames = []
    for who, flags, seconds, port in sorted(rows, key=lambda row: row[2]):
        frames += dialogue([(who, flags, seconds)], port)
    flows = replay.run(SMALL, frames).stats["flows"]
    ended = sum(count for name, count in flows.items() if name.startswith("closed_"))
    assert flows["created"] - ended == flows["live"] and ended > 100


def test_clients_are_told_apart_by_every_part_of_their_tuple(replay):
    """Address, port, protocol and destination: each alone makes another flow."""
    frames = [("ext", to_vip(UDP(sport=5, dport=53))), ("ext", to_vip(UDP(sport=6, dport=53)))]
    other = to_vip(UDP(sport=5, dport=53))
    other[IP].src = "198.51.100.8"
    frames += [("ext", other), ("ext", to_vip(TCP(sport=5, dport=53)))]
    config = ONE.replace("53/udp", "53/any")
    result = replay.run(config, frames)
    assert result.stats["flows"]["created"] == 4
    replies = [("int", from_backend(UDP(sport=8080, dport=port))) for port in (5, 6)]
    result = replay.run(config, frames + replies)
    assert [(p[IP].dst, p[UDP].dport) for p in result.left("ext")] == [(CLIENT, 5), (CLIENT, 6)]
