"""Frames that nobody should send, and those that only look so: each is counted under its own
reason, lbd lives, and every frame is accounted for.

The socket filter is left at its default, which lets everything into the ring.
"""
import itertools
import random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from lab import EXT, EXT_MAC, INT, INT_MAC, INTERFACES, VIP, wait_until

# A service whose backend is the raw host itself, without a check: always usable. The hosts' MACs
# are static, so that no ARP of lbd's own gets into the counts.
RAW = INTERFACES + """\
add neighbor 198.51.100.99 mac 02:00:c6:33:64:63 interface ext
add neighbor 10.0.0.50 mac 02:00:0a:00:00:32 interface int
add pool raw
add backend raw 10.0.0.50:80 weight 1
add service web 203.0.113.10:80/tcp pool raw
add service dns 203.0.113.10:53/udp pool raw
"""


@pytest.fixture
def raw(appliance, client, server):
    """lbd in front of one raw host that the switch has seen, counters at zero."""
    appliance.configure(RAW)
    client.announce()
    server.announce()
    appliance.lb("clear counters")
    return appliance


def expect(appliance, interface, rows):
    """Sends each row's frame from its host; rows are (name, host, frame, outcome), outcome a drop
    reason, "forwarded" or "consumed". Every frame must be counted under its outcome, and nothing
    under any other reason."""
    wrong = []
    for name, host, frame, outcome in rows:
        before, drops_before = appliance.stats(interface), appliance.drops()
        host.send(frame)

        def change():
            after, drops = appliance.stats(interface), appliance.drops()
            counted = {key: after[key] - before[key] for key in ("forwarded", "consumed", "held")}
            counted.update({reason: count - drops_before.get(reason, 0)
                            for reason, count in drops.items()})
            return {key: count for key, count in counted.items() if count}

        try:
            wait_until(lambda: change() == {outcome: 1}, 2, name)
        except AssertionError:
            wrong.append(f"{name}: {change() or 'counted nowhere'} instead of {outcome}")
        assert appliance.is_alive(), f"lbd died of {name}"
    appliance.check_conservation()
    assert not wrong, "\n" + "\n".join(wrong)


def tcp(**fields):
    return TCP(**{"sport": 1024, "dport": 80, "flags": "S", **fields})


def with_bytes(frame, offset, value):
    """The frame with bytes replaced, nothing recomputed."""
    data = bytearray(bytes(frame))
    data[offset:offset + len(value)] = value
    return bytes(data)


def test_a_frame_cut_short_of_its_total_length_at_every_length(raw, client):
    for name, l4 in (("tcp", tcp()), ("udp", UDP(sport=1024, dport=53)), ("icmp", ICMP())):
        whole = bytes(client.ip(VIP) / l4 / b"0123456789")
        expect(raw, "ext", [
            (f"{name} cut to {length} bytes", client, whole[:length], "ip_truncated")
            for length in range(14, len(whole))])


def test_frames_shorter_than_an_ethernet_header_never_hurt(raw, client):
    whole = bytes(client.ip(VIP) / tcp())
    for length in range(1, 14):
        try:
            client.send(whole[:length])
        except OSError:
            pass   # the sender's kernel may refuse
    expect(raw, "ext", [("a whole one after them", client, client.ip(VIP) / tcp(), "forwarded")])


def test_a_packet_too_short_for_its_l4_header_at_every_length(raw, client):
    rows = []
    for protocol, size, l4, reason in ((6, 20, tcp(), "tcp_malformed"),
                                       (17, 8, UDP(sport=1, dport=53), "udp_malformed"),
                                       (1, 8, ICMP(), "icmp_malformed")):
        for length in range(size):
            rows.append((f"protocol {protocol} with {length} bytes of L4", client,
                         client.ip(VIP, proto=protocol) / bytes(l4)[:length], reason))
    expect(raw, "ext", rows)


def test_every_ip_version(raw, client):
    frame = client.ip(VIP) / tcp()
    expect(raw, "ext", [
        (f"version {version}", client, client.ip(VIP, version=version) / tcp(),
         "forwarded" if version == 4 else "ip_bad_version") for version in range(16)])
    assert bytes(frame)[14] >> 4 == 4


def test_every_ip_header_length(raw, client):
    rows = []
    for words in range(16):
        if words < 5:
            frame = client.ip(VIP, ihl=words) / tcp(sport=2000 + words)
            outcome = "ip_bad_header_length"
        else:
            frame = client.ip(VIP, options=b"\x01" * 4 * (words - 5)) / tcp(sport=2000 + words)
            outcome = "forwarded"
        rows.append((f"header length {words}", client, frame, outcome))
    rows.append(("a header longer than the packet", client,
                 client.ip(VIP, ihl=15, len=40) / tcp(), "ip_bad_length"))
    expect(raw, "ext", rows)


def test_options_arrive_as_they_were(raw, client, server):
    options = b"\x94\x04\x00\x00" + b"\x01" * 4   # router alert, then no-operations
    server.drain()
    client.send(client.ip(VIP, options=options) / tcp(sport=2100))
    packet = server.receive(lambda p: TCP in p and p[TCP].sport == 2100)
    assert bytes(packet[IP])[20:28] == options
    assert packet[IP].dst == "10.0.0.50" and packet[TCP].dport == 80
    assert_checksums(packet)


def assert_checksums(packet):
    """Scapy, which shares no code with lbd, must find every checksum right."""
    again = packet[IP].copy()
    if TCP in again:
        del again[TCP].chksum
    if UDP in again:
        del again[UDP].chksum
    if ICMP in again:
        del again[ICMP].chksum
    del again.chksum
    assert bytes(again) == bytes(packet[IP]), "a checksum is wrong"


def test_lengths_that_do_not_fit(raw, client):
    def header(**fields):
        return client.ip(VIP, **fields)

    expect(raw, "ext", [
        ("total length 0", client, header(len=0) / tcp(), "ip_bad_length"),
        ("total length 19", client, header(len=19) / tcp(), "ip_bad_length"),
        ("total length over the frame", client, header(len=41) / tcp(), "ip_truncated"),
        ("total length 65535", client, header(len=65535) / tcp(), "ip_truncated"),
        ("tcp data offset 0", client, header() / tcp(dataofs=0), "tcp_malformed"),
        ("tcp data offset 4", client, header() / tcp(dataofs=4), "tcp_malformed"),
        ("tcp data offset 15, 20 bytes", client, header() / tcp(dataofs=15), "tcp_malformed"),
        ("udp length 0", client, header() / UDP(sport=1, dport=53, len=0), "udp_malformed"),
        ("udp length 7", client, header() / UDP(sport=1, dport=53, len=7), "udp_malformed"),
        ("udp length over the packet", client, header() / UDP(sport=1, dport=53, len=9),
         "udp_malformed"),
    ])


def test_padding_is_not_part_of_the_packet(raw, client, server):
    frame = bytes(client.ip(VIP) / tcp(sport=2200))
    expect(raw, "ext", [("padded to 60 bytes", client, frame.ljust(60, b"\xaa"), "forwarded")])
    packet = server.receive(lambda p: TCP in p and p[TCP].sport == 2200)
    assert packet[IP].len == 40
    assert_checksums(packet)
    # A padded packet whose own L4 is short is short, whatever stands in the padding.
    short = bytes(client.ip(VIP, proto=6) / bytes(tcp())[:12]).ljust(60, b"\x50")
    expect(raw, "ext", [("12 bytes of TCP, padded", client, short, "tcp_malformed")])


def test_checksums(raw, client, server):
    good = client.ip(VIP) / tcp(sport=2300)
    expect(raw, "ext", [
        ("bad ip checksum", client, with_bytes(good, 24, b"\xde\xad"), "ip_bad_checksum"),
        ("zero ip checksum", client, with_bytes(good, 24, b"\0\0"), "ip_bad_checksum"),
        ("bad icmp checksum", client, client.ip(VIP) / ICMP(chksum=0xdead), "icmp_malformed"),
        ("good", client, good, "forwarded"),
    ])


def test_a_bad_l4_checksum_is_forwarded_and_stays_bad(raw, client, server):
    for l4 in (tcp(sport=2301, chksum=0x1234), UDP(sport=2301, dport=53, chksum=0x1234)):
        server.drain()
        client.send(client.ip(VIP) / l4 / b"payload")
        packet = server.receive(lambda p: IP in p and p[IP].payload.sport == 2301)
        assert packet[IP].dst == server.address
        with pytest.raises(AssertionError):
            assert_checksums(packet)


def test_udp_without_a_checksum_stays_without(raw, client, server):
    server.drain()
    client.send(client.ip(VIP) / UDP(sport=2302, dport=53, chksum=0) / b"payload")
    packet = server.receive(lambda p: UDP in p and p[UDP].sport == 2302)
    assert packet[UDP].chksum == 0


def test_sources_and_destinations_that_cannot_be(raw, client):
    def packet(source, destination=VIP, protocol=None):
        return client.ether() / IP(src=source, dst=destination) / (protocol or tcp())

    rows = [(f"source {source}", client, packet(source), "ip_bad_source")
            for source in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "239.255.255.255",
                           "255.255.255.255")]
    rows += [(f"source {source}, ours", client, packet(source), "ip_source_is_ours")
             for source in (VIP, EXT, INT)]
    rows += [(f"destination {destination}", client, packet("198.51.100.99", destination),
              "ip_bad_destination")
             for destination in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255")]
    expect(raw, "ext", rows)


def test_what_is_not_for_us(raw, client):
    other = Ether(src=client.mac, dst="02:00:00:00:be:ef")
    expect(raw, "ext", [
        ("another host's mac", client, other / IP(src=client.address, dst=VIP) / tcp(),
         "not_for_us"),
        ("no service at the port", client, client.ip(VIP) / tcp(dport=81), "no_service"),
        ("no service of the protocol", client, client.ip(VIP) / UDP(sport=1, dport=80),
         "no_service"),
        ("gre to a vip", client, client.ip(VIP, proto=47) / b"12345678", "protocol_unsupported"),
        ("a stranger's address", client, client.ip("192.0.2.1") / tcp(), "forwarding_off"),
        ("a backend's own address", client, client.ip("10.0.0.11") / tcp(), "forwarding_off"),
        ("icmp timestamp request", client, client.ip(VIP) / ICMP(type=13), "icmp_ignored"),
    ])


def test_ethertypes_and_vlans(raw, client):
    mac = client.ether
    expect(raw, "ext", [
        ("ipv6", client, mac(type=0x86dd) / (b"\x60" + bytes(39)), "ipv6"),
        ("one byte of ipv6", client, mac(type=0x86dd) / b"\x60", "ipv6"),
        ("lldp", client, mac(type=0x88cc) / bytes(46), "unknown_ethertype"),
        ("ethertype ffff", client, mac(type=0xffff) / bytes(46), "unknown_ethertype"),
        ("802.3 with a length", client, mac(type=46) / bytes(46), "unknown_ethertype"),
        ("vlan 5", client, mac() / Dot1Q(vlan=5) / IP(src=client.address, dst=VIP) / tcp(),
         "vlan_tagged"),
        ("two vlan tags", client,
         mac() / Dot1Q(vlan=5) / Dot1Q(vlan=6) / IP(src=client.address, dst=VIP) / tcp(),
         "vlan_tagged"),
    ])


def test_arp_oddities(raw, client, server):
    def arp(host, mac="ff:ff:ff:ff:ff:ff", **fields):
        fields = {"op": 1, "hwsrc": host.mac, "psrc": host.address, **fields}
        return Ether(src=host.mac, dst=mac) / ARP(**fields)

    expect(raw, "ext", [
        ("request for a vip", client, arp(client, pdst=VIP), "consumed"),
        ("request for the interface", client, arp(client, pdst=EXT), "consumed"),
        ("unicast request", client, arp(client, mac=EXT_MAC, pdst=EXT), "consumed"),
        ("a probe for the vip (RFC 5227)", client, arp(client, psrc="0.0.0.0", pdst=VIP),
         "consumed"),
        ("request for another host", client, arp(client, pdst="198.51.100.200"), "arp_not_for_us"),
        ("request for the other side's address", client, arp(client, pdst=INT), "arp_not_for_us"),
        ("unsolicited reply", client,
         arp(client, mac=EXT_MAC, op=2, psrc="198.51.100.77", pdst=EXT), "arp_not_for_us"),
        ("gratuitous announcement of a stranger", client,
         arp(client, psrc="198.51.100.77", pdst="198.51.100.77"), "arp_not_for_us"),
        ("another host claims the vip", client, arp(client, op=2, psrc=VIP, pdst=VIP),
         "arp_vip_conflict"),
        ("another host asks as the vip", client, arp(client, psrc=VIP, pdst=client.address),
         "arp_vip_conflict"),
        ("operation 9", client, arp(client, op=9, pdst=EXT), "arp_not_for_us"),
        ("hardware type 6", client, arp(client, hwtype=6, pdst=EXT), "arp_malformed"),
        ("protocol type ipv6", client, arp(client, ptype=0x86dd, pdst=EXT), "arp_malformed"),
        ("hardware length 8", client, with_bytes(arp(client, pdst=EXT), 18, b"\x08"),
         "arp_malformed"),
        ("27 bytes of arp", client, bytes(arp(client, pdst=EXT))[:14 + 27], "arp_malformed"),
        ("0 bytes of arp", client, client.ether(type=0x0806), "arp_malformed"),
    ])
    expect(raw, "int", [
        ("request for a vip on the backend side", server, arp(server, pdst=VIP), "arp_not_for_us"),
        ("request for the interface", server, arp(server, pdst=INT), "consumed"),
    ])


def test_an_unsolicited_reply_teaches_nothing(raw, client, server):
    server.send(Ether(src=server.mac, dst=INT_MAC) /
                ARP(op=2, hwsrc="02:00:00:00:be:ef", psrc="10.0.0.77", hwdst=INT_MAC, pdst=INT))
    wait_until(lambda: raw.drops().get("arp_not_for_us"), 2, "the reply is counted")
    assert "10.0.0.77" not in {row["address"] for row in raw.show("neighbor")}


def test_arp_replies_are_what_a_host_expects(raw, client):
    client.send(Ether(src=client.mac, dst="ff:ff:ff:ff:ff:ff") /
                ARP(op=1, hwsrc=client.mac, psrc=client.address, pdst=VIP))
    reply = client.receive(lambda p: ARP in p and p[ARP].op == 2)
    assert (reply.src, reply.dst) == (EXT_MAC, client.mac)
    assert (reply[ARP].hwsrc, reply[ARP].psrc) == (EXT_MAC, VIP)
    assert (reply[ARP].hwdst, reply[ARP].pdst) == (client.mac, client.address)


def test_echo(raw, client):
    for address in (VIP, EXT):
        for size in (0, 1, 56, 1472):
            payload = bytes(itertools.islice(itertools.cycle(range(251)), size))
            client.send(client.ip(address) / ICMP(id=7, seq=size) / payload)
            reply = client.receive(lambda p: ICMP in p and p[ICMP].type == 0 and
                                   p[ICMP].seq == size)
            assert reply and reply[IP].src == address and reply[IP].dst == client.address
            assert bytes(reply[ICMP].payload)[:size] == payload
            assert_checksums(reply)
    assert raw.stats("ext")["consumed"] >= 8


def test_ttl(raw, client, server):
    expect(raw, "ext", [
        ("ttl 1", client, client.ip(VIP, ttl=1) / tcp(sport=2401), "ttl_expired"),
        ("ttl 0", client, client.ip(VIP, ttl=0) / tcp(sport=2402), "ttl_expired"),
        ("ttl 2", client, client.ip(VIP, ttl=2) / tcp(sport=2403), "forwarded"),
    ])
    packet = server.receive(lambda p: TCP in p and p[TCP].sport == 2403)
    assert packet[IP].ttl == 1
    client.drain()
    client.send(client.ip(VIP, ttl=1) / tcp(sport=2404))
    error = client.receive(lambda p: ICMP in p)
    assert (error[ICMP].type, error[ICMP].code, error[IP].src) == (11, 0, VIP)
    assert_checksums(error[IP])


def test_nat_both_ways(raw, client, server):
    """Every byte that may change, and none that may not."""
    client.drain(), server.drain()
    sent = Ether(bytes(client.ip(VIP, id=77, tos=0x20) / tcp(sport=2500, seq=1, window=1000,
                                                             options=[("MSS", 1460)])))
    client.send(sent)
    there = server.receive(lambda p: TCP in p and p[TCP].sport == 2500)
    expected = sent.copy()
    expected.src, expected.dst = INT_MAC, server.mac
    expected[IP].dst, expected[IP].ttl = "10.0.0.50", sent[IP].ttl - 1
    del expected[IP].chksum
    del expected[TCP].chksum
    assert bytes(there) == bytes(expected)

    answer = Ether(bytes(server.ether() / IP(src=server.address, dst=client.address, id=78) /
                         TCP(sport=80, dport=2500, flags="SA", seq=9, ack=2)))
    server.send(answer)
    back = client.receive(lambda p: TCP in p and p[TCP].dport == 2500)
    expected = answer.copy()
    expected.src, expected.dst = EXT_MAC, client.mac
    expected[IP].src, expected[IP].ttl = VIP, answer[IP].ttl - 1
    del expected[IP].chksum
    del expected[TCP].chksum
    assert bytes(back) == bytes(expected)


def test_from_the_backend_side(raw, client, server):
    def packet(source, l4, destination=client.address):
        return server.ether() / IP(src=source, dst=destination) / l4

    expect(raw, "int", [
        ("no flow and no service", server,
         packet(server.address, TCP(sport=8080, dport=2600, flags="A")), "no_flow"),
        ("the vip as source", server, packet(VIP, TCP(sport=80, dport=2600, flags="A")),
         "ip_source_is_ours"),
        ("a service's backend, no flow: mapped back without state", server,
         packet(server.address, TCP(sport=80, dport=2600, flags="A")), "forwarded"),
    ])


def test_fragments(raw, client, server):
    def fragment(offset, more, payload, identification):
        return (client.ip(VIP, id=identification, frag=offset, flags="MF" if more else 0,
                          proto=17) / payload)

    datagram = bytes(UDP(sport=2700, dport=53, chksum=0, len=8 + 32)) + bytes(range(32))
    server.drain()
    expect(raw, "ext", [
        ("the first", client, fragment(0, True, datagram[:24], 1), "forwarded"),
        ("the second", client, fragment(3, False, datagram[24:], 1), "forwarded"),
        ("overlapping the TCP header (RFC 1858)", client,
         client.ip(VIP, id=2, frag=1, proto=6) / datagram, "fragment_malformed"),
        ("a first one without its ports", client, fragment(0, True, datagram[:0], 3),
         "fragment_malformed"),
    ])
    first = server.receive(lambda p: IP in p and p[IP].id == 1 and p[IP].frag == 0)
    second = server.receive(lambda p: IP in p and p[IP].id == 1 and p[IP].frag == 3)
    assert first[IP].dst == second[IP].dst == "10.0.0.50"
    assert bytes(second[IP].payload)[:16] == datagram[24:]


def test_a_fragment_waits_for_its_first(raw, client, server):
    datagram = bytes(UDP(sport=2701, dport=53, chksum=0, len=8 + 32)) + bytes(range(32))
    late = client.ip(VIP, id=4, frag=3, proto=17) / datagram[24:]
    first = client.ip(VIP, id=4, flags="MF", proto=17) / datagram[:24]
    server.drain()
    client.send(late)
    wait_until(lambda: raw.stats("ext")["held"] == 1, 0.9, "the later fragment is held")
    client.send(first)
    assert server.receive(lambda p: IP in p and p[IP].id == 4 and p[IP].frag == 3)
    assert raw.stats("ext")["held"] == 0
    client.send(client.ip(VIP, id=5, frag=3, proto=17) / datagram[24:])
    wait_until(lambda: raw.drops().get("fragment_timeout") == 1, 3, "it waited in vain")


def test_too_big_for_the_way_out(raw, lab, client, server):
    lab.link("appliance", "set", "int", "mtu", 1400)
    try:
        wait_until(lambda: raw.interface("int")["mtu"] == 1400, 5, "the new MTU is seen")
        client.drain()
        big = client.ip(VIP, flags="DF") / UDP(sport=2800, dport=53) / bytes(1450)
        expect(raw, "ext", [("1478 bytes with DF", client, big, "too_big")])
        error = client.receive(lambda p: ICMP in p)
        assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, 1400)
        assert_checksums(error[IP])
    finally:
        lab.link("appliance", "set", "int", "mtu", 1500)


def test_icmp_errors_reach_the_other_end_translated(raw, client, server):
    client.send(client.ip(VIP) / UDP(sport=2900, dport=53) / b"question")
    question = server.receive(lambda p: UDP in p and p[UDP].sport == 2900)
    client.drain()
    server.send(server.ip(client.address) / ICMP(type=3, code=3) / bytes(question[IP]))
    error = client.receive(lambda p: ICMP in p)
    assert error[IP].src == VIP
    embedded = IP(bytes(error[ICMP].payload))
    assert (embedded.src, embedded.dst) == (client.address, VIP)
    assert (embedded[UDP].sport, embedded[UDP].dport) == (2900, 53)
    assert_checksums(error[IP])
    expect(raw, "int", [
        ("an error about nothing of ours", server,
         server.ip(client.address) / ICMP(type=3, code=3) /
         IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2), "icmp_unmatched")])


def test_nobody_answers_for_the_next_hop(raw, client):
    raw.configure("add backend raw 10.0.0.51:80 weight 1\n"
                  "set backend raw 10.0.0.50:80 weight 0\n")
    for port in range(3000, 3003):
        client.send(client.ip(VIP) / tcp(sport=port))
    wait_until(lambda: raw.stats("ext")["held"] == 3, 2, "frames wait for the neighbor")
    raw.check_conservation()
    wait_until(lambda: raw.drops().get("neighbor_failed") == 3, 6, "they are given up")
    assert raw.stats("ext")["held"] == 0


def test_random_bytes(raw, client, server):
    """Nothing can be foretold but that all are counted and lbd lives."""
    generator = random.Random(20240607)
    for _ in range(3000):
        start = generator.choice((client.ether(type=0x0800), client.ether(type=0x0806),
                                  client.ip(VIP) / b"", client.ip(VIP, proto=6) / b"",
                                  client.ip(VIP, proto=1) / b""))
        client.send(bytes(start) + generator.randbytes(generator.randrange(80)))
    # A machine that leaves lbd without a processor for 32 ms fills the ring: that is counted, too.
    wait_until(lambda: raw.stats("ext")["received"] + raw.stats("ext")["ring_lost"] >= 3000, 10,
               "all frames are counted")
    raw.check_conservation()
    expect(raw, "ext", [("a whole one after them", client, client.ip(VIP) / tcp(sport=3100),
                         "forwarded")])
