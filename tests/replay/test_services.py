"""Services, pools and the choice: which service a packet is for, and which backend gets it."""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw

from replay import (BACKENDS, CLIENT_MAC, EXT, INT, NETWORK, VIP, WEB, checksums_right,
                    from_backend, syn, to_vip)

PORTS = NETWORK + f"""
add pool exact
add backend exact 10.0.0.11:8080
add pool all
add backend all 10.0.0.12:0
add service web {VIP}:80/tcp pool exact
add service all {VIP}:0/tcp pool all
add service one {VIP}:0/udp pool exact
add service same {VIP}:443/tcp pool all
"""

# (what, frame, backend, port at the backend)
MATCHES = [
    ("the exact port", syn(dport=80), "10.0.0.11", 8080),
    ("any other port, which is kept", syn(dport=4711), "10.0.0.12", 4711),
    ("port 0 itself", syn(dport=0), "10.0.0.12", 0),
    ("port 65535", syn(dport=65535), "10.0.0.12", 65535),
    ("all ports to one of the backend", to_vip(UDP(sport=40000, dport=53)), "10.0.0.11", 8080),
    ("one port to a backend of all, kept", syn(dport=443), "10.0.0.12", 443),
]


@pytest.mark.parametrize("frame, address, port", [row[1:] for row in MATCHES],
                         ids=[row[0] for row in MATCHES])
def test_a_service_is_found_by(replay, frame, address, port):
    layer = TCP if TCP in frame else UDP
    reply = from_backend(layer(sport=port, dport=40000), address)
    result = replay.run(PORTS, [("ext", frame), ("int", reply)])
    assert result.verdicts == ["forwarded"] * 2
    (request,), (answer,) = result.left("int"), result.left("ext")
    assert (request[IP].dst, request[layer].dport) == (address, port)
    assert (answer[IP].src, answer[layer].sport) == (VIP, frame[layer].dport)
    assert checksums_right(request) and checksums_right(answer)


def test_protocol_any_is_tcp_and_udp_and_nothing_else(replay):
    config = WEB.replace("53/udp", "53/any")
    result = replay.run(config, [("ext", to_vip(TCP(dport=53, flags="S"))),
                                 ("ext", to_vip(UDP(dport=53))),
                                 ("ext", to_vip(Raw(b"x" * 20), proto=132))])
    assert result.verdicts == ["forwarded", "forwarded", "protocol_unsupported"]


def choices(replay, config, frames):
    result = replay.run(config, [("ext", frame) for frame in frames])
    return [frame["backend"] for frame in result.frames]


def pool(*weights, options=""):
    """A service over backends 10.0.0.21, .22, ... of these weights."""
    return NETWORK + f"add pool web {options}\nadd service web {VIP}:80/tcp pool web\n" + "".join(
        f"add backend web 10.0.0.{21 + i}:8080 weight {weight}\n"
        f"add neighbor 10.0.0.{21 + i} mac 02:00:00:00:00:{21 + i} interface int\n"
        for i, weight in enumerate(weights))


FLOOD = [bytes(syn(port)) for port in range(1, 3001)]


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 3), (0, 1, 1), (65535, 1, 0),
                                     (100, 300, 600)])
def test_shares_are_the_weights(replay, weights):
    chosen = choices(replay, pool(*weights), FLOOD)
    for i, weight in enumerate(weights):
        share = chosen.count(f"10.0.0.{21 + i}:8080") / len(FLOOD)
        assert share == pytest.approx(weight / sum(weights), abs=0.04)
        assert weight or not share


def test_no_weight_at_all_is_no_backend(replay):
    config = pool(0, 0)
    assert set(replay.run(config, [("ext", frame) for frame in FLOOD[:10]]).verdicts) == {
        "no_backend"}


def test_a_pool_without_backends_is_no_backend(replay):
    assert replay.run(pool(), [("ext", syn())]).verdicts == ["no_backend"]


def test_the_order_of_definition_does_not_matter(replay):
    """Two operators, two boxes, one table."""
    lines = WEB.splitlines(keepends=True)
    backends = [line for line in lines if "add backend" in line]
    others = "".join(line for line in lines if "add backend" not in line)
    assert (choices(replay, others + "".join(backends), FLOOD) ==
            choices(replay, others + "".join(reversed(backends)), FLOOD))


def test_a_backend_that_leaves_moves_few_of_the_others(replay):
    before = choices(replay, pool(1, 1, 1, 1), FLOOD)
    after = choices(replay, pool(1, 1, 1, 0), FLOOD)
    stayed = [(b, a) for b, a in zip(before, after) if b != "10.0.0.24:8080"]
    assert sum(b != a for b, a in stayed) / len(stayed) < 0.06


def test_another_seed_is_another_table(replay):
    chosen = choices(replay, WEB, FLOOD)
    other = choices(replay, WEB + "set global seed 7\n", FLOOD)
    assert 0.4 < sum(a != b for a, b in zip(chosen, other)) / len(FLOOD) < 0.6


def from_clients(count, ports, dport=80):
    frames = []
    for i in range(count):
        for port in ports:
            frames.append(Ether(src=CLIENT_MAC, dst=EXT) / IP(src=f"192.0.2.{i}", dst=VIP) /
                          TCP(sport=port, dport=dport, flags="S"))
    return frames


def by_client(chosen, count):
    return [chosen[i * len(chosen) // count:(i + 1) * len(chosen) // count] for i in range(count)]


def test_source_affinity_is_by_client_and_survives_others_leaving(replay):
    affine = dict(options="affinity source-ip")
    frames = from_clients(200, (1, 2, 40000))
    before = by_client(choices(replay, pool(1, 1, 1, 1, **affine), frames), 200)
    after = by_client(choices(replay, pool(1, 1, 1, 0, **affine), frames), 200)
    assert all(len(set(chosen)) == 1 for chosen in before + after)
    assert len({chosen[0] for chosen in before}) == 4
    moved = [b for b, a in zip(before, after) if b != a and b[0] != "10.0.0.24:8080"]
    assert len(moved) < 12


def test_source_affinity_holds_over_ports_and_services_of_a_pool(replay):
    """And yet every connection is its own: replies find their ports."""
    config = pool(1, 1, 1, options="affinity source-ip") + f"add service b {VIP}:81/tcp pool web\n"
    frames = from_clients(20, (1, 2)) + from_clients(20, (3, 4), dport=81)
    chosen = choices(replay, config, frames)
    assert ([c[0] for c in by_client(chosen[:40], 20)] ==
            [c[0] for c in by_client(chosen[40:], 20)])


def test_two_pools_may_share_a_backend(replay):
    """With ports of their own, or by flows where the port is the same."""
    config = NETWORK + f"""
add pool a
add pool b
add backend a 10.0.0.11:8080
add backend b 10.0.0.11:8080
add service a {VIP}:80/tcp pool a
add service b {VIP}:81/tcp pool b
"""
    frames = [("ext", syn(1, 80)), ("ext", syn(2, 81)), ("ext", syn(1, 81)),
              ("int", from_backend(TCP(sport=8080, dport=1))),
              ("int", from_backend(TCP(sport=8080, dport=2))),
              ("int", from_backend(TCP(sport=8080, dport=3)))]
    result = replay.run(config, frames)
    assert result.verdicts == ["forwarded", "forwarded", "reply_collision", "forwarded",
                               "forwarded", "no_flow"]
    assert [p[TCP].sport for p in result.left("ext")] == [80, 81]


def test_vips_are_told_apart(replay):
    config = NETWORK + "".join(
        f"add pool p{i}\nadd backend p{i} 10.0.0.{10 + i}:80\n"
        f"add service s{i} 203.0.113.{i}:80/tcp pool p{i}\n" for i in (1, 2))
    frames = []
    for vip in (1, 2, 3):
        frame = syn()
        frame[IP].dst = f"203.0.113.{vip}"
        frames.append(("ext", frame))
    result = replay.run(config, frames)
    assert result.verdicts == ["forwarded", "forwarded", "forwarding_off"]
    assert [p[IP].dst for p in result.left("int")] == ["10.0.0.11", "10.0.0.12"]


DOWN = """
add check c tcp
set pool web check c
"""


@pytest.mark.parametrize("echo, verdict", [("always", "consumed"),
                                           ("available", "echo_unavailable")])
def test_ping_to_a_vip_whose_services_are_all_down(replay, echo, verdict):
    config = WEB + DOWN + f"set global vip-echo {echo}\n"
    assert replay.run(config, [("ext", to_vip(ICMP()))]).verdicts == [verdict]
    assert replay.run(config, [("ext", to_vip(ICMP()))], "--assume-up").verdicts == ["consumed"]


def test_a_disabled_service_is_named(replay):
    config = WEB + "disable service web\n"
    result = replay.run(config, [("ext", syn()), ("ext", to_vip(UDP(dport=53)))])
    assert result.verdicts == ["service_disabled", "forwarded"]


@pytest.mark.parametrize("action, chosen", [
    ("drain backend web 10.0.0.11:8080", {"10.0.0.12:8080"}),
    ("disable backend web 10.0.0.12:8080", {"10.0.0.11:8080"}),
    ("drain backend web 10.0.0.11:8080\ndisable backend web 10.0.0.12:8080", {None}),
    ("set backend web 10.0.0.11:8080 weight 0", {"10.0.0.12:8080"}),
], ids=["drain", "disable", "both", "weight 0"])
def test_who_gets_new_flows(replay, action, chosen):
    assert set(choices(replay, WEB + action + "\n", FLOOD[:200])) == chosen


def test_max_flows(replay):
    config = WEB + "set service web max-flows 10\n"
    frames = [("ext", syn(port), port / 1000) for port in range(1, 21)] + [("ext", syn(1), 1)]
    frames += [("ext", syn(100), 32)]
    result = replay.run(config, frames)
    assert result.verdicts == (["forwarded"] * 10 + ["service_flows_full"] * 10 +
                               ["forwarded"] * 2)


def test_a_backend_calls_a_service_of_others(replay):
    """From the backends' side the VIP is as good; only itself it cannot be given by nat."""
    config = WEB + "del backend web 10.0.0.11:8080\n"
    call = Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(src="10.0.0.11", dst=VIP) / TCP(
        sport=4000, dport=80, flags="S")
    result = replay.run(config, [("int", call)])
    assert result.verdicts == ["forwarded"] and result.frames[0]["backend"] == "10.0.0.12:8080"
