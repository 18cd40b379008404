"""UDP flows: admission in its order, and what ends a flow besides silence.

A dialogue is a row of (who, seconds): `c` the client, `b` the backend.
"""
import random

import pytest
from scapy.all import IP, UDP, Raw

from replay import (CLIENT, NETWORK, ONE, VIP, checksums_right, from_backend, syn, to_vip,
                    without)

DNS = NETWORK + f"""
add pool dns
add backend dns 10.0.0.11:53
add service dns {VIP}:53/udp pool dns
"""
SMALL = DNS.replace("flow-table 16384", "flow-table 1024")


def request(port=5, payload=b"q"):
    return to_vip(UDP(sport=port, dport=53) / Raw(payload))


def response(port=5, payload=b"a"):
    return from_backend(UDP(sport=53, dport=port) / Raw(payload))


def dialogue(rows, port=5):
    return [("ext", request(port), seconds) if who == "c" else ("int", response(port), seconds)
            for who, seconds in rows]


def talk(replay, options, rows):
    return replay.run(DNS + f"set service dns {options}\n", dialogue(rows))


def closed(result):
    return {name[7:]: count for name, count in result.stats["flows"].items()
            if name.startswith("closed_") and count}


def created(result):
    return result.stats["flows"]["created"]


# requests

def test_requests_are_a_cap_that_loses_no_reply(replay):
    """After N datagrams of the client only replies pass, those of the N-th among them."""
    result = talk(replay, "requests 2", [("c", 0), ("c", 1), ("c", 2), ("b", 3), ("b", 4), ("c", 5),
                                         ("b", 6)])
    assert result.verdicts == ["forwarded", "forwarded", "requests_used_up", "forwarded",
                               "forwarded", "requests_used_up", "forwarded"]
    assert result.drops["requests_used_up"] == 2 and closed(result) == {}
    replies = result.left("ext")
    assert len(replies) == 3 and {p[IP].src for p in replies} == {VIP}


@pytest.mark.parametrize("before, later, verdict", [
    ([("c", 0)], 29.999, "requests_used_up"), ([("c", 0)], 30, "forwarded"),
    ([("c", 0), ("b", 1)], 180.999, "requests_used_up"), ([("c", 0), ("b", 1)], 181, "forwarded"),
], ids=["one way", "one way over", "two way", "two way over"])
def test_after_the_idle_time_the_tuple_begins_anew(replay, before, later, verdict):
    result = talk(replay, "requests 1", before + [("c", later)])
    assert result.verdicts[-1] == verdict
    over = verdict == "forwarded"
    assert created(result) == 1 + over and closed(result) == ({"requests": 1} if over else {})


def test_what_is_refused_does_not_keep_a_flow_alive(replay):
    rows = [("c", second) for second in range(31)]
    result = talk(replay, "requests 1", rows)
    assert result.verdicts == ["forwarded"] + ["requests_used_up"] * 29 + ["forwarded"]
    assert closed(result) == {"requests": 1}


def test_a_request_that_could_not_leave_is_not_used_up(replay):
    """Too large with DF set: its sender is told, and the request is still free."""
    config = DNS + "set service dns requests 1\n"
    large = to_vip(UDP(sport=5, dport=53) / Raw(b"x" * 1600), flags="DF")
    result = replay.run(config, [("ext", large), ("ext", request()), ("ext", request())])
    assert result.verdicts == ["too_big", "forwarded", "requests_used_up"]


def test_a_request_to_a_neighbor_that_is_gone_is_not_used_up(replay):
    """What waits for the neighbor's MAC counts; what is dropped because it does not answer, not."""
    config = without(DNS, "add neighbor 10.0.0.11") + "set service dns requests 2\n"
    frames = [("ext", request(), seconds) for seconds in (0, 3.5, 3.6, 10, 10.1)]
    result = replay.run(config, frames)
    assert result.verdicts == ["held", "neighbor_failed", "neighbor_failed", "held",
                               "requests_used_up"]


def test_the_next_flow_has_all_its_requests(replay):
    rows = [("c", second) for second in (0, 1, 2, 40, 41, 42)]
    result = talk(replay, "requests 2", rows)
    assert result.verdicts == ["forwarded", "forwarded", "requests_used_up"] * 2


def test_the_fragments_of_a_request_are_one_request(replay):
    config = DNS + "set service dns requests 1 responses 1\n"

    def pieces(layer, make, **ip):
        whole = make(layer, id=9)
        payload = bytes(whole[UDP])
        first = make(Raw(payload[:80]), id=9, flags="MF", proto=17)
        second = make(Raw(payload[80:]), id=9, frag=10, proto=17)
        return [first, second]

    asked = pieces(UDP(sport=5, dport=53) / Raw(b"q" * 150), to_vip)
    answered = pieces(UDP(sport=53, dport=5) / Raw(b"a" * 150), from_backend)
    frames = [("ext", p) for p in asked] + [("ext", request())] + [("int", p) for p in answered]
    result = replay.run(config, frames)
    assert result.verdicts == ["forwarded", "forwarded", "requests_used_up", "forwarded",
                               "forwarded"]
    assert closed(result) == {"responses": 1} and len(result.left("ext")) == 2


# responses

def test_one_response_closes_as_in_dns(replay):
    result = talk(replay, "responses 1", [("c", 0), ("c", 0.1), ("b", 0.2), ("c", 0.3), ("b", 0.4)])
    assert set(result.verdicts) == {"forwarded"}
    assert created(result) == 2 and closed(result) == {"responses": 2}
    assert result.stats["flows"]["live"] == 0


def test_responses_are_counted_not_requests(replay):
    rows = [("c", 0)] + [("b", i) for i in range(1, 3)] + [("c", i) for i in range(3, 20)]
    assert closed(talk(replay, "responses 3", rows)) == {}
    assert closed(talk(replay, "responses 3", rows + [("b", 20)])) == {"responses": 1}


def test_a_reply_that_is_one_too_many_finds_its_way_if_one_service_alone_can_mean_it(replay):
    rows = [("c", 0), ("b", 0.1), ("b", 0.2)]
    assert talk(replay, "responses 1", rows).verdicts == ["forwarded"] * 3
    twice = DNS + f"add service dns2 {VIP}:5353/udp pool dns\nset service dns responses 1\n"
    assert replay.run(twice, dialogue(rows)).verdicts == ["forwarded"] * 2 + ["no_flow"]


def test_a_reply_that_could_not_leave_closes_nothing(replay):
    config = DNS + "set service dns responses 1\n"
    large = from_backend(UDP(sport=53, dport=5) / Raw(b"x" * 1600), flags="DF")
    result = replay.run(config, [("ext", request()), ("int", large), ("int", response())])
    assert result.verdicts == ["forwarded", "too_big", "forwarded"]
    assert closed(result) == {"responses": 1}


def test_one_request_one_response(replay):
    """The cap on requests does not cut off the reply that ends the flow."""
    result = talk(replay, "requests 1 responses 1", [("c", 0), ("c", 1), ("b", 2), ("c", 3)])
    assert result.verdicts == ["forwarded", "requests_used_up", "forwarded", "forwarded"]
    assert closed(result) == {"responses": 1}


# lifetime and deadlines: just before and just after, by the next packet and by the timer

ENDS = [
    ("lifetime", "lifetime 10", [("c", 0), ("b", 3), ("c", 6), ("b", 9)], 10, "lifetime"),
    ("lifetime in ms", "lifetime 10ms", [("c", 0), ("b", 0.001)], 0.010, "lifetime"),
    ("a silent client", "front-timeout 10",
     [("c", 0), ("b", 1), ("c", 2), ("b", 5), ("b", 11)], 12, "idle"),
    ("a silent backend", "back-timeout 10",
     [("c", 0), ("b", 2), ("c", 3), ("c", 8), ("c", 11)], 12, "idle"),
    ("a backend that never spoke", "back-timeout 10", [("c", 0), ("c", 9)], 10, "idle"),
    ("both, the client first", "front-timeout 5 back-timeout 7", [("c", 1), ("b", 2)], 6, "idle"),
    ("both, the backend first", "front-timeout 7 back-timeout 5", [("c", 1), ("b", 2)], 7, "idle"),
    ("idle before its lifetime", "lifetime 100", [("c", 0)], 30, "idle"),
    ("the service's idle time", "idle-timeout 5 lifetime 100", [("c", 0), ("b", 1)], 6, "idle"),
    ("a deadline beyond the idle time", "front-timeout 500", [("c", 0)], 30, "idle"),
]


@pytest.mark.parametrize("options, rows, end, reason", [row[1:] for row in ENDS],
                         ids=[row[0] for row in ENDS])
def test_lives_until_its_end_and_not_longer(replay, options, rows, end, reason):
    alive = talk(replay, options, rows + [("c", round(end - 0.0001, 6))])
    assert created(alive) == 1 and closed(alive) == {}
    dead = talk(replay, options, rows + [("c", end)])
    assert created(dead) == 2 and closed(dead) == {reason: 1}
    elsewhere = dialogue(rows) + [("ext", request(99), end + 0.07)]   # the timer's tick is 67 ms
    timed = replay.run(DNS + f"set service dns {options}\n", elsewhere)
    assert created(timed) == 2 and closed(timed) == {reason: 1}


def test_a_reply_after_the_end_belongs_to_no_flow(replay):
    twice = DNS + f"add service dns2 {VIP}:5353/udp pool dns\nset service dns back-timeout 5\n"
    assert replay.run(twice, dialogue([("c", 0), ("b", 4.999)])).verdicts[-1] == "forwarded"
    result = replay.run(twice, dialogue([("c", 0), ("b", 5)]))
    assert result.verdicts[-1] == "no_flow" and closed(result) == {"idle": 1}


def test_zero_is_off(replay):
    rows = [("c", 0)] + [(who, i * 20) for i in range(1, 50) for who in "bc"]
    options = "requests 0 responses 0 lifetime 0 front-timeout 0 back-timeout 0"
    result = talk(replay, options, rows)
    assert created(result) == 1 and set(result.verdicts) == {"forwarded"}


def test_of_protocol_any_only_udp_has_limits(replay):
    config = DNS.replace("53/udp", "53/any") + "set service dns requests 1 lifetime 5\n"
    frames = [("ext", syn(5, 53), 0), ("ext", request(), 0), ("ext", syn(5, 53), 6),
              ("ext", request(), 6)]
    result = replay.run(config, frames)
    assert set(result.verdicts) == {"forwarded"}
    assert created(result) == 3 and closed(result) == {"lifetime": 1}


# admission: the service, its cap, a backend, room; the first that fails is the reason

def crowd(first, last, seconds=0.0):
    return [("ext", request(port), seconds + port / 1e6) for port in range(first, last)]


def test_the_order_of_admission(replay):
    other = to_vip(UDP(sport=5, dport=54))
    none = "set backend dns 10.0.0.11:53 weight 0\n"
    assert replay.run(DNS + none, [("ext", other)]).verdicts == ["no_service"]
    off = "disable service dns\nset service dns max-flows 1\n"
    assert replay.run(DNS + off + none, [("ext", request())]).verdicts == ["service_disabled"]
    assert replay.run(DNS + none, [("ext", request())]).verdicts == ["no_backend"]
    full = SMALL + f"add service far {VIP}:99/udp pool dns when-full shed\n"
    far = to_vip(UDP(sport=2000, dport=99))
    crowded = crowd(1, 1025)
    result = replay.run(full, crowded + [("ext", far)])
    assert result.verdicts == ["forwarded"] * 1024 + ["flow_table_full"]
    lame = full + "add pool empty\nset service far pool empty\n"
    assert replay.run(lame, crowded + [("ext", far)]).verdicts[-1] == "no_backend"
    capped = SMALL + "set service dns max-flows 1023 when-full shed\n"
    result = replay.run(capped, crowded)
    assert result.verdicts == ["forwarded"] * 1023 + ["service_flows_full"]


def test_at_the_cap_the_flows_that_are_there_go_on(replay):
    config = DNS + "set service dns max-flows 3 responses 1\n"
    frames = crowd(1, 6) + dialogue([("c", 1), ("b", 1.1)], 1) + crowd(4, 6, 2)
    result = replay.run(config, frames)
    shed = "service_flows_full"
    assert result.verdicts == ["forwarded"] * 3 + [shed] * 2 + ["forwarded"] * 3 + [shed]
    assert created(result) == 4 and result.drops[shed] == 3


def test_what_is_shed_leaves_no_flow(replay):
    result = replay.run(SMALL + "set service dns when-full shed\n", crowd(1, 1200))
    assert created(result) == result.stats["flows"]["live"] == 1024
    assert result.drops["flow_table_full"] == 1199 - 1024


def test_affinity_feeds_the_choice_only(replay):
    """All ports of a client go to one backend, and each port gets its own replies."""
    config = DNS + "set pool dns affinity source-ip\nadd backend dns 10.0.0.12:53\n"
    frames = [("ext", request(port)) for port in (1000, 2000, 3000)]
    result = replay.run(config, frames)
    (chosen,) = {p[IP].dst for p in result.left("int")}
    frames += [("int", from_backend(UDP(sport=53, dport=port), chosen)) for port in
               (3000, 1000, 2000)]
    result = replay.run(config, frames)
    assert [(p[IP].dst, p[UDP].dport) for p in result.left("ext")] == [
        (CLIENT, 3000), (CLIENT, 1000), (CLIENT, 2000)]
    assert created(result) == 3 and all(map(checksums_right, result.left("ext")))


# all of it at random

def test_created_minus_closed_is_live_whatever_ends_them(replay):
    reasons, dice = set(), random.Random(3)
    for options in ("requests 1", "responses 2 lifetime 30 front-timeout 9",
                    "requests 3 responses 4 lifetime 20 front-timeout 15 back-timeout 12"):
        rows = sorted((dice.random() * 100, dice.choice("ccb"), dice.randrange(1, 100))
                      for _ in range(1200))
        frames = [frame for seconds, who, port in rows for frame in dialogue([(who, seconds)], port)]
        result = replay.run(SMALL + f"set service dns max-flows 60 {options}\n", frames)
        flows = result.stats["flows"]
        ended = {name: count for name, count in flows.items() if name.startswith("closed_")}
        assert flows["created"] - sum(ended.values()) == flows["live"] <= 60
        assert flows["closed"] == sum(ended.values())
        reasons |= {name for name, count in ended.items() if count}
    assert reasons == {"closed_idle", "closed_lifetime", "closed_requests", "closed_responses"}


def test_a_limit_of_a_table_that_is_full_is_nobodys(replay):
    """Without a flow there is nothing to count by: `when-full` alone decides."""
    frames = crowd(1, 1025) + [("ext", request(2000), 1 + i / 10) for i in range(5)]
    result = replay.run(SMALL + "set service dns requests 1\n", frames)
    assert result.verdicts == ["forwarded"] * 1029 and result.stats["flows"]["stateless"] == 5
    shed = replay.run(SMALL + "set service dns requests 1 when-full shed\n", frames)
    assert shed.verdicts[1024:] == ["flow_table_full"] * 5


def test_limits_of_one_service_are_not_anothers(replay):
    config = ONE + "set service dns requests 1\n" + f"add service ntp {VIP}:123/udp pool web\n"
    ntp = to_vip(UDP(sport=5, dport=123))
    frames = [("ext", request())] * 2 + [("ext", request(6))] * 2 + [("ext", ntp)] * 2
    result = replay.run(config.replace("web 10.0.0.11:8080", "web 10.0.0.11:0"), frames)
    assert result.verdicts == ["forwarded", "requests_used_up"] * 2 + ["forwarded"] * 2
