"""Faults that other balancers had in their own code, as far as no test nearer to the matter holds
them off; tests/README.md names the test for each of them."""
import pytest
from scapy.all import IP, TCP, UDP, Ether, IPOption, Raw

from replay import (BACKENDS, CLIENT_MAC, EXT, INT, NETWORK, VIP, WEB, from_backend, syn,
                    to_vip)

MANY = NETWORK + f"add pool web\nadd service web {VIP}:80/any pool web\n" + "".join(
    f"add backend web 10.0.0.{i}:8080\n"
    f"add neighbor 10.0.0.{i} mac 02:00:00:00:00:{i} interface int\n" for i in range(20, 36))

# Packets of one TCP connection and of one UDP flow that differ in all but their tuple.
TCP_ALIKE = [
    to_vip(TCP(sport=40000, dport=80, **tcp) / Raw(b"x" * size), **ip) for tcp, size, ip in [
        (dict(flags="S"), 0, {}), (dict(flags="A"), 0, {}), (dict(flags="PA", seq=77), 100, {}),
        (dict(flags="PAU", ack=9), 1, {}), (dict(flags="S", window=1), 0, dict(id=1)),
        (dict(flags="S", options=[("MSS", 1460)]), 0, dict(id=0xffff)),
        (dict(flags="S", urgptr=3), 0, dict(ttl=3)), (dict(flags="S"), 0, dict(tos=0xb8)),
        (dict(flags="S"), 0, dict(flags="DF")),
        (dict(flags="S"), 0, dict(options=[IPOption(b"\x94\x04\0\0")]))]]
UDP_ALIKE = [
    to_vip(UDP(sport=40000, dport=80) / Raw(b"x" * size), **ip)
    for size, ip in [(0, {}), (1, {}), (1400, {}), (0, dict(id=5)), (0, dict(tos=4)),
                     (0, dict(ttl=9)), (0, dict(flags="DF"))]]


@pytest.mark.parametrize("frames", [TCP_ALIKE, UDP_ALIKE], ids=["tcp", "udp"])
def test_a_flow_is_its_tuple_and_nothing_else_of_the_header(replay, frames):
    """A hash over the whole IP header has its id and checksum in it. An hour between any two, so
    that each is a flow of its own and chosen anew; and all at once, so that all are one flow."""
    apart = replay.run(MANY, [("ext", frame, 3600 * i) for i, frame in enumerate(frames)])
    assert apart.stats["flows"]["created"] == len(frames)
    together = replay.run(MANY, [("ext", frame) for frame in frames])
    assert together.stats["flows"]["created"] == 1
    chosen = [frame["backend"] for frame in apart.frames + together.frames]
    assert len(set(chosen)) == 1 and chosen[0]


BEATS = WEB.replace("add pool web", "add check alive heartbeat timeout 3\nadd pool web check alive")


def beat(address, seconds):
    return "int", (Ether(src=BACKENDS[address], dst=INT) / IP(src=address, dst="10.0.0.1") /
                   UDP(sport=9, dport=9)), seconds


def test_the_way_in_asks_the_flow_table_before_it_chooses(replay):
    """Affinity is kept, not only promised: half of what one backend has would be another's, had
    both been there."""
    ports = range(1, 101)
    frames = [beat("10.0.0.11", second) for second in range(10)]
    frames += [beat("10.0.0.12", second) for second in range(2, 6)]
    for start in (1, 3, 4, 9.5):    # one backend, both, both, one again
        frames += [("ext", to_vip(TCP(sport=port, dport=80, flags="A")), start + port / 1e4)
                   for port in ports]
    frames += [("ext", syn(port), 4.5 + port / 1e6) for port in range(1000, 1100)]
    frames.sort(key=lambda row: row[2])
    result = replay.run(BEATS, frames)
    old = [p[IP].dst for p in result.left("int") if p[TCP].sport in ports]
    assert len(old) == 400 and set(old) == {"10.0.0.11"}
    new = [p[IP].dst for p in result.left("int") if p[TCP].sport not in ports]
    assert 25 < new.count("10.0.0.12") < 75 and len(new) == 100


@pytest.mark.parametrize("layer, dport", [(TCP, 80), (UDP, 53)], ids=["tcp", "udp"])
def test_replies_go_to_the_port_that_asked_whatever_the_affinity(replay, layer, dport):
    """The client is what the choice goes by; the flow is all five of its tuple. Two clients, three
    ports each, and the answers in another order than the questions."""
    config = WEB.replace("add pool web", "add pool web affinity source-ip")
    clients = [(address, port) for address in ("198.51.100.7", "198.51.100.8")
               for port in (5001, 5002, 5003)]
    config += "add neighbor 198.51.100.8 mac 02:00:00:00:00:08 interface ext\n"
    asked = [("ext", Ether(src=CLIENT_MAC, dst=EXT) / IP(src=address, dst=VIP) /
              layer(sport=port, dport=dport)) for address, port in clients]
    result = replay.run(config, asked)
    backend = {(p[IP].src, p.sport): p[IP].dst for p in result.left("int")}
    assert len({backend[client] for client in clients[:3]}) == 1
    answers = []
    for address, port in reversed(clients):
        reply = from_backend(layer(sport=8080, dport=port), backend[address, port])
        reply[IP].dst = address
        answers.append(("int", reply))
    result = replay.run(config, asked + answers)
    assert [(p[IP].dst, p[layer].dport) for p in result.left("ext")] == clients[::-1]
