"""Packet cases of other balancers' own suites: their addresses, ports, sizes and sums; our rules.

A case is a configuration, the frames that come in and the frames that leave, byte for byte, every
checksum made by Scapy. Where a suite prints a checksum, it stands here as a number. What differs
by intent is in tests/README.md, with the reason.
"""
import pytest
from scapy.all import ICMP, IP, TCP, UDP, Raw, fragment

from peers import (KATRAN, KATRAN_DATA, KATRAN_SERVERS, GATEWAY_MAC, becomes, from_server,
                   katran_ack, katran_udp, network, pool, run, server_mac, to_client, to_server,
                   to_us)
from replay import EXT, INT, checksums_right

# Cilium's node port tests: a service on 172.16.10.1:80, its backend 192.168.0.1:8080.

CILIUM_DATA = Raw(b"Should not change!!\0")
CILIUM_VIP, CILIUM_POD = "172.16.10.1", "192.168.0.1"
CILIUM = (network("172.16.10.254/24", "172.16.10.253", "192.168.0.254/24", CILIUM_POD) +
          pool(8080, CILIUM_POD) + f"add service web {CILIUM_VIP}:80/any pool p\n")


def cilium_syn(sport, dport):
    return TCP(sport=sport, dport=dport, flags="S", seq=0x40e20100, window=65535) / CILIUM_DATA


def cilium_udp(sport, dport):
    return UDP(sport=sport, dport=dport) / CILIUM_DATA


@pytest.mark.parametrize("client, layer, ip_sum, sum_", [
    ("110.0.11.1", cilium_syn, 0x4212, 0xd7d0),
    ("120.0.12.2", cilium_syn, 0x3711, 0xcccf),
    ("110.0.11.1", cilium_udp, 0x4213, 0x699a),
], ids=["tcp", "tcp of another client", "udp"])
def test_cilium_a_request_is_translated(replay, client, layer, ip_sum, sum_):
    sent = to_us(IP(src=client, dst=CILIUM_VIP, id=0) / layer(111, 80))
    want = IP(src=client, dst=CILIUM_POD, id=0, ttl=63, chksum=ip_sum) / layer(111, 8080)
    want[type(want.payload)].chksum = sum_
    becomes(replay, CILIUM, [sent], [to_server(want)])


def test_cilium_a_reply_is_translated_back(replay):
    request = to_us(IP(src="110.0.11.1", dst=CILIUM_VIP, id=0) / cilium_syn(111, 80))
    reply = from_server(IP(src=CILIUM_POD, dst="110.0.11.1", id=0) / cilium_syn(8080, 111))
    want = IP(src=CILIUM_VIP, dst="110.0.11.1", id=0, ttl=63) / cilium_syn(80, 111)
    want[TCP].chksum = 0x01a9
    _, left = run(replay, CILIUM, [request, reply])
    assert bytes(left[0][1]) == bytes(to_client(want)[1])


def test_cilium_fragments_of_one_id_are_one_datagram(replay):
    """First, middle and last: id 0x1234, offsets 0, 0x100 and 0x200 in units of eight bytes."""
    whole = IP(src="110.0.11.1", dst=CILIUM_VIP, id=0x1234) / UDP(sport=22330, dport=80) / Raw(
        bytes(range(256)) * 17)
    pieces = fragment(whole, fragsize=0x800)
    assert [(p.flags, p.frag) for p in pieces] == [("MF", 0), ("MF", 0x100), (0, 0x200)]
    result, left = run(replay, CILIUM, [to_us(piece) for piece in pieces], "--mtu", 9000)
    assert result.verdicts == ["forwarded"] * 3
    assert [(p[IP].dst, p[IP].id, p[IP].frag) for _, p in left] == [
        (CILIUM_POD, 0x1234, p.frag) for p in pieces]
    assert left[0][1][UDP].dport == 8080


@pytest.mark.parametrize("size", [8, 40], ids=["eight bytes of TCP", "all of it"])
def test_cilium_an_icmp_error_is_translated_inside_and_outside(replay, size):
    """Fragmentation needed, MTU 1500, from the backend; RFC 792's eight bytes are enough."""
    request = to_us(IP(src="110.0.11.1", dst=CILIUM_VIP, flags="DF", id=1) / cilium_syn(111, 80))
    quoted = bytes(IP(src="110.0.11.1", dst=CILIUM_POD, flags="DF", id=1, ttl=63) /
                   cilium_syn(111, 8080))[:20 + size]
    error = from_server(IP(src=CILIUM_POD, dst="110.0.11.1") /
                        ICMP(type=3, code=4, nexthopmtu=1500) / Raw(quoted))
    _, left = run(replay, CILIUM, [request, error])
    told = left[0][1]
    assert (told[IP].src, told[IP].dst, told[ICMP].nexthopmtu) == (CILIUM_VIP, "110.0.11.1", 1500)
    assert checksums_right(told)
    assert bytes(told[ICMP].payload) == bytes(
        IP(src="110.0.11.1", dst=CILIUM_VIP, flags="DF", id=1, ttl=63) /
        cilium_syn(111, 80))[:20 + size]


# VPP's lb plugin: 100 flows, five servers.

VPP_SERVERS = [f"10.0.0.{i}" for i in range(1, 6)]
VPP_VIP = "90.0.0.1"
VPP = network("172.16.1.1/24", "172.16.1.2", "10.0.0.254/24", *VPP_SERVERS)


def vpp_flows(count=100):
    return [IP(src=f"40.0.{i // 255}.{i % 255}", dst=VPP_VIP) / UDP(sport=10000 + i, dport=20000) /
            Raw(b"x" * 86) for i in range(count)]


def test_vpp_nat4_rewrites_address_and_port_and_spreads(replay):
    config = VPP + pool(3307, *VPP_SERVERS) + f"add service s {VPP_VIP}:20000/udp pool p\n"
    flows = vpp_flows()
    result, left = run(replay, config, [to_us(packet) for packet in flows])
    assert result.verdicts == ["forwarded"] * 100
    for (interface, packet), sent in zip(left, flows):
        assert interface == "int" and checksums_right(packet)
        assert (packet[IP].src, packet[UDP].sport) == (sent.src, sent.sport)
        assert packet[IP].flags == 0 and not packet[IP].options and packet[UDP].dport == 3307
    chosen = [packet[IP].dst for _, packet in left]
    assert all(chosen.count(server) >= 100 // (5 * 2) for server in VPP_SERVERS)


@pytest.mark.parametrize("weights", [(100, 100, 100, 100), (50, 100, 100, 100),
                                     (50, 0, 100, 100)])
def test_vpp_weights_are_shares_of_the_table(replay, weights):
    """Its table has 1,024 buckets: 256 each, then 150 and 291, then 208, none and 408."""
    servers = VPP_SERVERS[:4]
    config = VPP + "add pool p\n" + "".join(
        f"add backend p {server}:3307 weight {weight}\n"
        for server, weight in zip(servers, weights))
    config += f"add service s {VPP_VIP}:20000/udp pool p\n"
    flows = 4000
    frames = [to_us(packet) for packet in vpp_flows(flows)]
    chosen = [frame["backend"] for frame in replay.run(config, frames).frames]
    for server, weight in zip(servers, weights):
        share = chosen.count(f"{server}:3307") / flows
        assert share == pytest.approx(weight / sum(weights), abs=0.03)
        assert weight or not share


def test_vpp_a_sticky_source_stays_with_its_server(replay):
    """Half of the flows twice, the second time from other ports."""
    config = VPP + pool(3307, *VPP_SERVERS, options="affinity source-ip")
    for port in (10000, 20000):
        config += f"add service s{port} {VPP_VIP}:{port}/udp pool p\n"
    flows = vpp_flows(50)
    again = [packet.copy() for packet in flows]
    for packet in again:
        packet.sport += 1000
    result = replay.run(config, [to_us(packet) for packet in flows + again])
    chosen = [frame["backend"] for frame in result.frames]
    assert chosen[:50] == chosen[50:] and len(set(chosen)) == 5


# katran: VIPs 10.200.1.1 to .6, servers 10.0.0.1 to .3. What concerns its tunnels is further below.

KATRAN_NAT = KATRAN + pool(80, *KATRAN_SERVERS) + """add service tcp 10.200.1.1:80/tcp pool p
add service udp 10.200.1.1:80/udp pool p
add pool all
add backend all 10.0.0.2:0
add service all 10.200.1.2:0/tcp pool all
add pool empty
add service empty 10.200.1.9:80/tcp pool empty
"""


def test_katran_an_echo_request_is_answered(replay):
    asked = IP(src="192.168.1.1", dst="10.200.1.1", id=1) / ICMP(type=8)
    becomes(replay, KATRAN_NAT, [to_us(asked)],
            [to_client(IP(src="10.200.1.1", dst="192.168.1.1", id=1, ttl=64) / ICMP(type=0))])


def test_katran_a_vip_of_all_ports_keeps_the_port(replay):
    becomes(replay, KATRAN_NAT, [to_us(katran_ack("10.200.1.2", 42))],
            [to_server(katran_ack("10.0.0.2", 42, ttl=63))])


def test_katran_the_second_packet_of_a_flow_goes_where_the_first_went(replay):
    _, left = run(replay, KATRAN_NAT, [to_us(katran_ack("10.200.1.1", 80))] * 2)
    assert len(left) == 2 and bytes(left[0][1]) == bytes(left[1][1])


@pytest.mark.parametrize("packet, reason", [
    (katran_ack("10.200.1.1", 82), "no_service"),
    (katran_ack("10.200.1.9", 80), "no_backend"),
    (IP(src="172.16.1.9", dst="172.16.100.1") / katran_udp("10.200.1.1", 80), "forwarding_off"),
], ids=["a port that is not served", "a vip without servers", "a tunnel to somebody else"])
def test_katran_is_not_balanced(replay, packet, reason):
    result = becomes(replay, KATRAN_NAT, [to_us(packet)], [])
    assert result.verdicts == [reason]


def test_katran_a_packet_over_the_mtu_is_told_of_by_the_vip(replay):
    """1,528 bytes where 1,500 go through; katran quotes 84 bytes, we as many as RFC 1812 wants."""
    packet = katran_udp("10.200.1.1", 80, Raw(bytes(KATRAN_DATA) * 100), id=1, flags="DF")
    result, left = run(replay, KATRAN_NAT, [to_us(packet)])
    assert result.verdicts == ["too_big"]
    ((interface, told),) = left
    assert interface == "ext" and checksums_right(told)
    assert (told[IP].src, told[IP].dst, told[IP].ttl) == ("10.200.1.1", "192.168.1.1", 64)
    assert (told[ICMP].type, told[ICMP].code, told[ICMP].nexthopmtu) == (3, 4, 1500)
    assert bytes(packet).startswith(bytes(told[ICMP].payload)[:84])


# GLB director: three servers, the table's row names a first and a second.

GLB_SERVERS = ["1.2.3.4", "2.3.4.5", "3.4.5.6"]
GLB = network("172.16.1.1/24", "172.16.1.2", "10.0.0.254/24") + """add route 0.0.0.0/5 via 10.0.0.1
add neighbor 10.0.0.1 mac 02:00:0a:00:00:01 interface int
"""


def glb_choice(replay, *ports, options=""):
    config = GLB + f"add pool p {options}\n" + "".join(
        f"add backend p {server}:80\n" for server in GLB_SERVERS)
    config += "add service s 10.11.0.1:80/tcp pool p\n"
    frames = [to_us(IP(src="10.11.12.13", dst="10.11.0.1") / TCP(sport=port, dport=80))
              for port in ports]
    return [frame["backend"] for frame in replay.run(config, frames).frames]


def test_glb_hash_fields_are_the_affinity(replay):
    ports = range(45678, 45708)
    assert len(set(glb_choice(replay, *ports, options="affinity source-ip"))) == 1
    assert len(set(glb_choice(replay, *ports))) == 3


# The kernel's ipvs.sh: one server, 32 bytes by TCP.

IPVS_VIP, IPVS_SERVER, IPVS_CLIENT = "207.175.44.110", "172.16.0.2", "10.0.0.2"
IPVS = f"""add interface ext role frontend address 10.0.0.1/24 mac {EXT}
add interface int role backend address 172.16.0.1/24 mac {INT}
add neighbor {IPVS_CLIENT} mac {GATEWAY_MAC} interface ext
add neighbor {IPVS_SERVER} mac {server_mac(IPVS_SERVER)} interface int
add pool p
add backend p {IPVS_SERVER}:8080
"""


def ipvs_dialogue():
    """(from the client?, flags, sequence, acknowledgment, payload)."""
    data = bytes(range(32))
    return [(True, "S", 100, 0, b""), (False, "SA", 900, 101, b""), (True, "A", 101, 901, b""),
            (True, "PA", 101, 901, data), (False, "A", 901, 133, b""),
            (True, "FA", 133, 901, b""), (False, "FA", 901, 134, b""),
            (True, "A", 134, 902, b"")]


def ipvs_packet(row, client, source, destination, **ip):
    from_client, flags, seq, ack, data = row
    sport, dport = (client, 8080) if from_client else (8080, client)
    return IP(src=source, dst=destination, **ip) / TCP(sport=sport, dport=dport, flags=flags,
                                                       seq=seq, ack=ack) / Raw(data)


def test_ipvs_nat_carries_a_connection_from_syn_to_fin(replay):
    config = IPVS + f"add service s {IPVS_VIP}:8080/tcp pool p\n"
    frames, want = [], []
    for row in ipvs_dialogue():
        if row[0]:
            frames.append(to_us(ipvs_packet(row, 40000, IPVS_CLIENT, IPVS_VIP)))
            want.append(to_server(ipvs_packet(row, 40000, IPVS_CLIENT, IPVS_SERVER, ttl=63)))
        else:
            frames.append(from_server(ipvs_packet(row, 40000, IPVS_SERVER, IPVS_CLIENT)))
            want.append(to_client(ipvs_packet(row, 40000, IPVS_VIP, IPVS_CLIENT, ttl=63)))
    result = becomes(replay, config, frames, want)
    assert result.stats["flows"]["created"] == 1


# Polycube's lbrp: weights 20, 30 and 20, a service of every protocol, a VIP that answers ping.

POLYCUBE = network("192.168.1.254/24", "192.168.1.1", "192.178.1.254/24", "192.178.1.11",
                   "192.178.1.12", "192.178.1.13")


def test_polycube_weights_and_every_protocol_and_ping(replay):
    config = POLYCUBE + """add pool p
add backend p 192.178.1.11:80 weight 20
add backend p 192.178.1.12:80 weight 30
add backend p 192.178.1.13:80 weight 20
add service s 10.0.0.1:80/any pool p
"""
    flows = [to_us(IP(src="192.168.1.1", dst="10.0.0.1") / layer(sport=port, dport=80))
             for port in range(1000, 2400) for layer in (TCP, UDP)]
    ping = to_us(IP(src="192.168.1.1", dst="10.0.0.1") / ICMP())
    result = replay.run(config, flows + [ping])
    assert result.verdicts == ["forwarded"] * len(flows) + ["consumed"]
    chosen = [frame["backend"] for frame in result.frames[:-1]]
    for host, share in (11, 2 / 7), (12, 3 / 7), (13, 2 / 7):
        assert chosen.count(f"192.178.1.{host}:80") / len(flows) == pytest.approx(share, abs=0.04)


# sozu's UDP core: the PROXY header of a datagram, to the byte.

def test_sozu_a_datagram_begins_with_client_and_backend(replay):
    """Client 125.25.10.1:8080, backend 10.4.5.8:4200."""
    config = network("172.16.1.1/24", "172.16.1.2", "10.4.5.1/24", "10.4.5.8") + pool(
        4200, "10.4.5.8") + "add service s 203.0.113.10:53/udp pool p proxy-protocol every\n"
    query = Raw(b"DNSQUERY")
    header = bytes.fromhex("0d0a0d0a000d0a515549540a 21 12 000c 7d190a01 0a040508 1f90 1068")
    sent = to_us(IP(src="125.25.10.1", dst="203.0.113.10") / UDP(sport=8080, dport=53) / query)
    want = to_server(IP(src="125.25.10.1", dst="10.4.5.8", ttl=63) / UDP(sport=8080, dport=4200) /
                     Raw(header + bytes(query)))
    becomes(replay, config, [sent] * 2, [want] * 2)
