"""Packet cases of Polycube's lbrp, whose ports are a bridge: port modes SINGLE and MULTI, hosts
that reach each other across, a service whose VIP is behind the server's MAC. As test_peers.py."""
import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether

EXT, ALT, INT = "02:00:00:00:01:01", "02:00:00:00:01:02", "02:00:00:00:01:03"
VIP = "10.0.0.1"
MACS = {"192.178.1.1": "02:00:c0:b2:01:01", "192.178.1.2": "02:00:c0:b2:01:02",
        "192.178.1.254": "02:00:c0:b2:01:fe"}
SINGLE = f"""set global topology bridged
add interface ext role frontend mac {EXT}
add interface int role backend mac {INT}
"""
# A client on each frontend, .1 and .2, the backends' host .254 on the other side.
MULTI = f"""set global topology bridged
add interface ext role frontend address 192.178.1.0/31 mac {EXT}
add interface alt role frontend address 192.178.1.3/31 mac {ALT}
add interface int role backend mac {INT}
"""


def service(backend):
    return f"add pool p\nadd backend p {backend}:80 weight 20\nadd service s {VIP}:80/any pool p\n"


def between(source, destination, layer, gateway=None):
    return Ether(src=MACS[source], dst=MACS[gateway or destination]) / IP(
        src=source, dst=destination) / layer


def ping_both_ways(client, server):
    """ARP and echo as `ping` has them, the client's and what is answered."""
    everybody, nobody = "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"
    return ([Ether(src=MACS[client], dst=everybody) /
             ARP(op=1, hwsrc=MACS[client], psrc=client, hwdst=nobody, pdst=server),
             between(client, server, ICMP(type=8, id=1, seq=1) / (b"x" * 56))],
            [Ether(src=MACS[server], dst=MACS[client]) /
             ARP(op=2, hwsrc=MACS[server], psrc=server, hwdst=MACS[client], pdst=client),
             between(server, client, ICMP(type=0, id=1, seq=1) / (b"x" * 56))])


@pytest.mark.parametrize("here, there", [("ext", "int"), ("int", "ext")])
def test_polycube_single_hosts_ping_each_other_across(replay, here, there):
    client, server = ("192.178.1.1", "192.178.1.2")[::1 if here == "ext" else -1]
    asked, answered = ping_both_ways(client, server)
    frames = [(here, asked[0]), (there, answered[0]), (here, asked[1]), (there, answered[1])]
    result = replay.run(SINGLE + service("192.178.1.2"), frames)
    assert result.verdicts == ["forwarded"] * 4
    assert [bytes(p) for p in result.out[there]] == [bytes(p) for p in asked]
    assert [bytes(p) for p in result.out[here]] == [bytes(p) for p in answered]


@pytest.mark.parametrize("interface, client, other", [("ext", "192.178.1.1", "alt"),
                                                      ("alt", "192.178.1.2", "ext")])
@pytest.mark.parametrize("begins", ["client", "server"])
def test_polycube_multi_all_hosts_ping_each_other(replay, interface, client, other, begins):
    """What the server asks for goes to the frontend that has it, and to no other."""
    server = "192.178.1.254"
    ends = (client, server) if begins == "client" else (server, client)
    asked, answered = ping_both_ways(*ends)
    here, there = (interface, "int") if begins == "client" else ("int", interface)
    frames = [(here, asked[0]), (there, answered[0]), (here, asked[1]), (there, answered[1])]
    result = replay.run(MULTI + service("192.178.1.254"), frames)
    assert result.verdicts == ["forwarded"] * 4
    assert [bytes(p) for p in result.out[there]] == [bytes(p) for p in asked]
    assert [bytes(p) for p in result.out[here]] == [bytes(p) for p in answered]
    # An echo, which is no service's, is flooded; ARP has a target.
    assert not [p for p in result.out[other] if ARP in p]


@pytest.mark.parametrize("layer", [TCP, UDP], ids=["tcp", "udp"])
@pytest.mark.parametrize("config, interface, client, server", [
    (SINGLE, "ext", "192.178.1.1", "192.178.1.2"),
    (MULTI, "ext", "192.178.1.1", "192.178.1.254"),
    (MULTI, "alt", "192.178.1.2", "192.178.1.254"),
], ids=["single", "multi, first frontend", "multi, second frontend"])
def test_polycube_a_service_is_reached_across(replay, config, interface, client, server, layer):
    """The VIP is routed to the server's MAC; only addresses and checksums change."""
    request = between(client, VIP, layer(sport=4000, dport=80), gateway=server)
    reply = between(server, client, layer(sport=80, dport=4000))
    result = replay.run(config + service(server), [(interface, request), ("int", reply)])
    assert result.verdicts == ["forwarded"] * 2
    want = request.copy()
    want[IP].dst = server
    assert [bytes(p) for p in result.out["int"]] == [bytes(want)]
    want = reply.copy()
    want[IP].src = VIP
    assert [bytes(p) for p in result.out[interface]] == [bytes(want)]


def test_polycube_the_vip_answers_ping(replay):
    asked = between("192.178.1.1", VIP, ICMP(type=8, id=1, seq=1) / (b"x" * 56),
                    gateway="192.178.1.2")
    result = replay.run(SINGLE + service("192.178.1.2"), [("ext", asked)])
    (answer,) = result.out["ext"]
    assert result.verdicts == ["consumed"] and answer[ICMP].type == 0
    assert (answer[IP].src, answer[IP].dst) == (VIP, "192.178.1.1")
