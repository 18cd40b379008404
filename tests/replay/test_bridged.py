"""A bump in the wire: service traffic is rewritten, everything else crosses as it is."""
import collections

import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, IPv6, Padding, Raw, fragment

from bridged import (ALT_ADDRESS, CLIENT2, CLIENT2_MAC, EVERYBODY, EXT_ADDRESS, INT_ADDRESS, MAC,
                     MULTI, OTHER_MAC, ROUTER_MAC, SINGLE, answers, asks, datagram, reply, request,
                     to_client, to_router)
from replay import (BASE, CLIENT, CLIENT_MAC, EXT, INT, NETWORK, VIP, WEB, checksums_right,
                    repaired, without)
from test_storm import packets, storm


def crossed(result, index, interface):
    """The frame that left an interface, byte for byte."""
    return bytes(result.out[interface][index])


# Service traffic.

def test_a_request_changes_its_destination_and_checksums_only(replay):
    frame = to_router(request(ttl=1, tos=0xb8, id=77) / Raw(b"x" * 11))
    result = replay.run(SINGLE, [("ext", frame)])
    assert result.verdicts == ["forwarded"]
    assert result.frames[0]["backend"] == "10.0.0.11:8080"
    assert result.frames[0]["output_interface"] == "int"
    (out,) = result.out["int"]
    expected = frame.copy()
    expected[IP].dst, expected[TCP].dport = "10.0.0.11", 8080
    assert bytes(out) == bytes(expected) and checksums_right(out)
    assert not result.out["ext"]


def test_a_reply_changes_its_source_and_checksums_only(replay):
    frame = to_client(reply(ttl=1))
    result = replay.run(SINGLE, [("ext", to_router(request())), ("int", frame)])
    assert result.verdicts == ["forwarded"] * 2
    (out,) = result.out["ext"]
    expected = frame.copy()
    expected[IP].src, expected[TCP].sport = VIP, 80
    assert bytes(out) == bytes(expected) and checksums_right(out)


def test_padding_stays(replay):
    frame = to_router(request(datagram())) / Padding(b"\xee" * 18)
    result = replay.run(SINGLE, [("ext", frame)])
    (out,) = result.out["int"]
    assert len(out) == len(frame) == 60 and bytes(out).endswith(b"\xee" * 18)


def test_udp_without_a_checksum_stays_without(replay):
    result = replay.run(SINGLE, [("ext", to_router(request(datagram(chksum=0))))])
    assert result.out["int"][0][UDP].chksum == 0


def test_a_reply_without_a_flow_comes_from_the_vip(replay):
    """After a restart, or where the table was full."""
    result = replay.run(SINGLE, [("int", to_client(reply(TCP(sport=8080, dport=1, flags="A"))))])
    assert result.out["ext"][0][IP].src == VIP


def test_no_service_is_dropped_and_a_reject_goes_back_as_it_came(replay):
    frame = to_router(request(TCP(sport=40000, dport=81, flags="S", seq=7)))
    assert replay.run(SINGLE, [("ext", frame)]).verdicts == ["no_service"]
    result = replay.run(SINGLE + "set global no-service reject\n", [("ext", frame)])
    (reset,) = result.out["ext"]
    assert (reset.src, reset.dst) == (ROUTER_MAC, CLIENT_MAC)
    assert (reset[IP].src, reset[TCP].flags, reset[TCP].ack) == (VIP, "RA", 8)
    assert checksums_right(reset) and not result.out["int"]


def test_flows_follow_the_backend_that_they_have(replay):
    """Affinity as where the appliance routes: the second backend comes too late."""
    config = SINGLE + "add backend web 10.0.0.12:8080 weight 1000\n"
    ack = TCP(sport=40000, dport=80, flags="A")
    result = replay.run(config, [("ext", to_router(request()))] +
                        [("ext", to_router(request(ack)))] * 3)
    assert len({frame["backend"] for frame in result.frames}) == 1
    assert result.stats["flows"]["created"] == 1


# What is for the appliance itself.

def test_echo_to_the_vip_is_answered_with_macs_turned_around(replay):
    for side, mac in (("ext", CLIENT_MAC), ("int", OTHER_MAC)):
        frame = (Ether(src=mac, dst=ROUTER_MAC) / IP(src=CLIENT, dst=VIP) /
                 ICMP(type=8, id=1, seq=2) / Raw(b"ping"))
        result = replay.run(SINGLE, [(side, frame)])
        assert result.verdicts == ["consumed"]
        (out,) = result.out[side]
        assert (out.src, out.dst, out[IP].src, out[IP].dst) == (ROUTER_MAC, mac, VIP, CLIENT)
        assert out[ICMP].type == 0 and checksums_right(out)


@pytest.mark.parametrize("side", ["ext", "int", "alt"])
def test_every_address_is_answered_for_on_every_side(replay, side):
    for address in (EXT_ADDRESS, INT_ADDRESS, ALT_ADDRESS):
        ping = (Ether(src=CLIENT_MAC, dst=MAC[side]) / IP(src=CLIENT, dst=address) /
                ICMP(type=8) / Raw(b"ping"))
        result = replay.run(MULTI, [(side, asks(CLIENT, address)), (side, ping)])
        assert result.verdicts == ["consumed"] * 2
        arp, echo = result.out[side]
        assert (arp[ARP].op, arp[ARP].psrc, arp[ARP].hwsrc) == (2, address, MAC[side])
        assert (echo.src, echo.dst, echo[IP].src) == (MAC[side], CLIENT_MAC, address)


def test_macs_are_not_looked_at(replay):
    """What is sent to its own MAC crosses like the rest; nobody behind it will take it."""
    frames = [Ether(src=CLIENT_MAC, dst=MAC["ext"]) / request(destination="192.0.2.99"),
              Ether(src=CLIENT_MAC, dst=MAC["ext"], type=0x88b5) / Raw(b"experiment"),
              Ether(src=CLIENT_MAC, dst=MAC["ext"]) / request()]
    result = replay.run(SINGLE, [("ext", frame) for frame in frames])
    assert result.verdicts == ["forwarded"] * 3
    assert [crossed(result, i, "int") for i in range(2)] == [bytes(f) for f in frames[:2]]
    assert (result.out["int"][2].dst, result.out["int"][2][IP].dst) == (MAC["ext"], "10.0.0.11")


def test_what_it_has_sent_itself_does_not_go_round(replay):
    frames = [Ether(src=MAC["int"], dst=ROUTER_MAC) / request(destination="192.0.2.99"),
              Ether(src=MAC["ext"], dst=EVERYBODY, type=0x88b5) / Raw(b"loop"),
              asks(INT_ADDRESS, "10.0.0.9", MAC["int"])]
    result = replay.run(SINGLE, [("ext", frame) for frame in frames])
    assert result.verdicts == ["looped"] * 3
    assert not result.out["int"] and not result.out["ext"]


def test_arp_answers_to_its_own_mac_are_its_own(replay):
    unasked = answers("198.51.100.254", ROUTER_MAC, INT_ADDRESS, MAC["int"])
    result = replay.run(MULTI, [("int", unasked)])
    assert result.verdicts == ["arp_not_for_us"]


def test_its_addresses_are_its_own_whatever_the_mac(replay):
    """Sent to a router, which would send it back through the wire to us."""
    ping = to_router(request(ICMP(type=8) / Raw(b"ping"), destination=INT_ADDRESS))
    result = replay.run(MULTI, [("ext", ping)])
    assert result.verdicts == ["consumed"]
    assert (result.out["ext"][0].src, result.out["ext"][0].dst) == (ROUTER_MAC, CLIENT_MAC)


def test_a_source_that_is_ours_is_a_forgery(replay):
    for source in (VIP, INT_ADDRESS):
        result = replay.run(MULTI, [("ext", to_router(request(source=source)))])
        assert result.verdicts == ["ip_source_is_ours"]


def test_what_it_has_said_itself_may_cross_it_on_its_way(replay):
    """The answer to a ping of alt's client to int's address, which both its routers pass on."""
    answer = IP(src=INT_ADDRESS, dst=CLIENT2) / ICMP(type=0) / Raw(b"pong")
    frame = to_client(answer, CLIENT2_MAC)
    result = replay.run(MULTI, [("int", frame)])
    assert result.verdicts == ["forwarded"] and crossed(result, 0, "alt") == bytes(frame)


# Everything else.

CROSSING = {
    "IPv6": Ether(src=CLIENT_MAC, dst=ROUTER_MAC) / IPv6(src="2001:db8::1", dst="2001:db8::2") /
            UDP(sport=1, dport=2) / Raw(b"six"),
    "IPv6 to many": Ether(src=CLIENT_MAC, dst="33:33:00:00:00:01") / IPv6(dst="ff02::1") / UDP(),
    "an unknown EtherType": Ether(src=CLIENT_MAC, dst=ROUTER_MAC, type=0x88b5) / Raw(b"x" * 50),
    "LLDP": Ether(src=CLIENT_MAC, dst="01:80:c2:00:00:0e", type=0x88cc) / Raw(b"lldp"),
    "802.3 with a length": Ether(src=CLIENT_MAC, dst="01:80:c2:00:00:00", type=38) /
                           Raw(b"\x42\x42\x03" + bytes(35)),
    "TCP to others": to_router(request(TCP(sport=1, dport=2), destination="192.0.2.99", ttl=1)),
    "TCP to others that is to be fragmented": to_router(
        request(TCP(sport=1, dport=2) / Raw(b"x" * 1400), destination="192.0.2.99", flags="DF")),
    "another protocol": to_router(IP(src=CLIENT, dst="192.0.2.99", proto=99) / Raw(b"payload")),
    "an ICMP error to others": to_router(
        IP(src=CLIENT, dst="192.0.2.99") / ICMP(type=3, code=4) / Raw(b"short")),
    "a redirect": to_router(IP(src=CLIENT, dst="192.0.2.99") / ICMP(type=5) / request()),
    "a broadcast": Ether(src=CLIENT_MAC, dst=EVERYBODY) /
                   IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) /
                   Raw(b"dhcp"),
    "a multicast": Ether(src=CLIENT_MAC, dst="01:00:5e:00:00:fb") /
                   IP(src=CLIENT, dst="224.0.0.251", ttl=1) / UDP(sport=5353, dport=5353),
    "a wrong IP checksum to others": to_router(request(destination="192.0.2.99", chksum=0x1234)),
    "another IP version to others": to_router(request(destination="192.0.2.99", version=5)),
    "a short TCP header to others": to_router(
        request(TCP(sport=1, dport=2, dataofs=4), destination="192.0.2.99")),
    "an IP header cut short": Ether(src=CLIENT_MAC, dst=ROUTER_MAC, type=0x0800) / Raw(b"\x45\0\0"),
    "an overlapping fragment to others": to_router(
        IP(src=CLIENT, dst="192.0.2.99", proto=6, frag=1) / Raw(b"x" * 24)),
    "a later fragment to others": to_router(
        IP(src=CLIENT, dst="192.0.2.99", proto=17, frag=100) / Raw(b"x" * 24)),
    "padding": to_router(request(UDP(sport=1, dport=2), destination="192.0.2.99")) /
               Padding(b"\xee" * 18),
    "ARP of others": asks(CLIENT, "198.51.100.254"),
    "ARP for the VIP": asks(CLIENT, VIP),
    "ARP that claims the VIP": answers(VIP, ROUTER_MAC, CLIENT, CLIENT_MAC),
    "ARP that is malformed": Ether(src=CLIENT_MAC, dst=EVERYBODY, type=0x0806) / Raw(b"arp"),
    "an Ethernet header alone": Ether(src=CLIENT_MAC, dst=ROUTER_MAC, type=0x88b5),
}


@pytest.mark.parametrize("what", CROSSING)
@pytest.mark.parametrize("way", [("ext", "int"), ("int", "ext")], ids=["inwards", "outwards"])
def test_what_is_not_service_traffic_crosses_as_it_is(replay, way, what):
    came, left = way
    result = replay.run(SINGLE, [(came, CROSSING[what])])
    assert result.verdicts == ["forwarded"]
    assert result.frames[0]["output_interface"] == left
    assert crossed(result, 0, left) == bytes(CROSSING[what]) and len(result.out[left]) == 1
    assert not result.out[came]
    sent = {row["name"]: row["sent"] for row in result.stats["interface"]}
    assert sent == {left: 1, came: 0}


def test_what_a_backend_says_to_many_crosses(replay):
    frames = [Ether(src=ROUTER_MAC, dst="01:00:5e:00:00:fb") /
              IP(src="10.0.0.11", dst="224.0.0.251", ttl=1) / UDP(sport=8080, dport=5353),
              Ether(src=ROUTER_MAC, dst=EVERYBODY) /
              IP(src="10.0.0.11", dst="10.0.0.255") / UDP(sport=8080, dport=137)]
    result = replay.run(MULTI, [("int", frame) for frame in frames])
    assert result.verdicts == ["forwarded"] * 2
    for interface in ("ext", "alt"):
        assert [bytes(p) for p in result.out[interface]] == [bytes(frame) for frame in frames]


def test_tcp_from_the_backends_to_a_vip_crosses(replay):
    """Only a frontend's is service traffic: a backend beside it would not answer through here."""
    frame = to_client(request(source="10.0.0.12"))
    result = replay.run(SINGLE, [("int", frame)])
    assert result.verdicts == ["forwarded"] and crossed(result, 0, "ext") == bytes(frame)


def test_what_names_the_appliance_must_be_sound(replay):
    frames = [to_router(request(chksum=0x1234)), to_router(request(TCP(dport=80, dataofs=4))),
              to_router(IP(src=CLIENT, dst=VIP, proto=6, frag=1) / Raw(b"x" * 24)),
              to_router(request(source="127.0.0.1"))]
    result = replay.run(SINGLE, [("ext", frame) for frame in frames])
    assert result.verdicts == ["ip_bad_checksum", "tcp_malformed", "fragment_malformed",
                               "ip_bad_source"]
    result = replay.run(SINGLE, [("int", to_client(reply(chksum=0x1234)))])
    assert result.verdicts == ["ip_bad_checksum"] and not result.out["ext"]


def test_a_truncated_frame_does_not_cross(replay):
    """A capture may be cut short; nobody can send what is not there."""
    result = replay.run(SINGLE, [("ext", b"\x02\0\0\0\0\xfe\x02")])
    assert result.verdicts == ["frame_truncated"]


# A client that calls a backend itself.

def test_a_backend_can_be_called_past_its_service(replay):
    """Its answers are not taken for those of the service, by address and port as they may be."""
    there = to_router(request(TCP(sport=41000, dport=8080, flags="S"), destination="10.0.0.11"))
    back = to_client(reply(TCP(sport=8080, dport=41000, flags="SA")))
    result = replay.run(SINGLE, [("ext", there), ("int", back), ("ext", there), ("int", back)])
    assert result.verdicts == ["forwarded"] * 4
    assert [crossed(result, i, "int") for i in range(2)] == [bytes(there)] * 2
    assert [crossed(result, i, "ext") for i in range(2)] == [bytes(back)] * 2
    assert result.stats["flows"]["created"] == 1


def test_past_its_service_and_through_it_from_one_port(replay):
    """The second of them could not be told apart on the way back."""
    direct = to_router(request(TCP(sport=40000, dport=8080, flags="S"), destination="10.0.0.11"))
    result = replay.run(SINGLE, [("ext", to_router(request())), ("ext", direct)])
    assert result.verdicts == ["forwarded", "reply_collision"]
    result = replay.run(SINGLE, [("ext", direct), ("ext", to_router(request()))])
    assert result.verdicts == ["forwarded", "reply_collision"]


def test_a_port_of_the_backend_that_no_service_has_needs_no_flow(replay):
    there = to_router(request(TCP(sport=41000, dport=22, flags="S"), destination="10.0.0.11"))
    back = to_client(reply(TCP(sport=22, dport=41000, flags="SA")))
    result = replay.run(SINGLE, [("ext", there), ("int", back)])
    assert crossed(result, 0, "int") == bytes(there) and crossed(result, 0, "ext") == bytes(back)
    assert result.stats["flows"]["created"] == 0


def test_a_backend_that_calls_out_keeps_its_address(replay):
    """Also where a service has all of its ports: a SYN is nobody's reply."""
    config = without(SINGLE, "8080") .replace("add pool web\n", "add pool web\nadd backend web "
                                              "10.0.0.11:0\n").replace(":80/tcp", ":0/tcp")
    syn = to_client(reply(TCP(sport=50000, dport=443, flags="S"), destination="192.0.2.99"))
    syn_ack = to_router(IP(src="192.0.2.99", dst="10.0.0.11") /
                        TCP(sport=443, dport=50000, flags="SA"))
    ack = to_client(reply(TCP(sport=50000, dport=443, flags="A"), destination="192.0.2.99"))
    result = replay.run(config, [("int", syn), ("ext", syn_ack), ("int", ack)])
    assert [crossed(result, i, "ext") for i in range(2)] == [bytes(syn), bytes(ack)]
    assert crossed(result, 0, "int") == bytes(syn_ack)


def test_an_error_about_a_direct_call_crosses_to_who_called(replay):
    there = to_router(request(TCP(sport=41000, dport=8080, flags="S"), source=CLIENT2,
                              destination="10.0.0.11"), CLIENT2_MAC)
    error = to_client(IP(src="10.9.9.9", dst=CLIENT2) / ICMP(type=3, code=1) / there[IP],
                      CLIENT2_MAC)
    result = replay.run(MULTI, [("alt", there), ("int", error)])
    assert result.verdicts == ["forwarded"] * 2
    assert crossed(result, 0, "alt") == bytes(error) and not result.out["ext"]


def test_a_source_is_rewritten_and_restored(replay):
    """Polycube's source prefix rewrite, across its ports."""
    config = SINGLE + "set service web source-rewrite 198.51.100.0/24 to 100.64.7.0/24\n"
    result = replay.run(config, [("ext", to_router(request())),
                                 ("int", to_client(reply(destination="100.64.7.7")))])
    assert result.verdicts == ["forwarded"] * 2
    (there,), (back,) = result.out["int"], result.out["ext"]
    assert (there[IP].src, there[IP].dst, there[IP].ttl) == ("100.64.7.7", "10.0.0.11", 64)
    assert (back[IP].src, back[IP].dst, back.dst) == (VIP, CLIENT, CLIENT_MAC)
    assert checksums_right(there) and checksums_right(back)


# ICMP errors and fragments.

def test_errors_about_flows_are_translated(replay):
    first = to_router(request(TCP(sport=40000, dport=80, flags="A") / Raw(b"x" * 1000)))
    (sent,) = replay.run(SINGLE, [("ext", first)]).out["int"]
    error = to_client(IP(src="10.9.9.9", dst=CLIENT, ttl=9) /
                      ICMP(type=3, code=4, nexthopmtu=600) / bytes(sent[IP])[:60])
    result = replay.run(SINGLE, [("ext", first), ("int", error)])
    assert result.verdicts == ["forwarded"] * 2
    (told,) = result.out["ext"]
    assert (told.src, told.dst, told[IP].ttl) == (ROUTER_MAC, CLIENT_MAC, 9)
    inner = IP(bytes(told[ICMP].payload))
    assert (inner.dst, inner[TCP].dport) == (VIP, 80) and told[IP].src == "10.9.9.9"

    answer = to_client(reply(TCP(sport=8080, dport=40000, flags="A") / Raw(b"y" * 1000)))
    (seen,) = replay.run(SINGLE, [("ext", first), ("int", answer)]).out["ext"]
    error = to_router(IP(src="198.51.100.99", dst=VIP) /
                      ICMP(type=3, code=4, nexthopmtu=600) / bytes(seen[IP])[:60])
    result = replay.run(SINGLE, [("ext", first), ("ext", error)])
    told = result.out["int"][1]
    inner = IP(bytes(told[ICMP].payload))
    assert (told[IP].dst, inner.src, inner[TCP].sport) == ("10.0.0.11", "10.0.0.11", 8080)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_fragments_follow_their_first(replay, order):
    whole = request(UDP(sport=5000, dport=53) / Raw(bytes(range(256)) * 12), id=9)
    there = [to_router(piece) for piece in fragment(whole, 1200)]
    result = replay.run(SINGLE, [("ext", there[i]) for i in order])
    out = result.out["int"]
    assert {p[IP].dst for p in out} == {"10.0.0.11"} and len(out) == 3
    assert {(p.src, p.dst, p[IP].ttl) for p in out} == {(CLIENT_MAC, ROUTER_MAC, 64)}

    whole = reply(UDP(sport=8080, dport=5000) / Raw(bytes(range(256)) * 12), id=9)
    back = [to_client(piece) for piece in fragment(whole, 1200)]
    result = replay.run(SINGLE, [("ext", to_router(request(datagram())))] +
                        [("int", back[i]) for i in order])
    assert [p[IP].src for p in result.out["ext"]] == [VIP] * 3


def test_fragments_of_others_are_not_remembered(replay):
    """However many there are: they need no room, and take none from a service's."""
    whole = fragment(IP(src="192.0.2.99", dst=CLIENT, id=1) / UDP() / Raw(b"x" * 1400), 800)
    frames = []
    for number in range(50):
        for piece in reversed(whole):
            piece.id = number
            frames.append(("int", to_client(piece.copy())))
    result = replay.run(SINGLE, frames)
    assert set(result.verdicts) == {"forwarded"}
    assert [bytes(p) for p in result.out["ext"]] == [bytes(frame) for _, frame in frames]


def test_fragments_of_a_backend_that_are_no_services_follow_untouched(replay):
    whole = reply(UDP(sport=9999, dport=5000) / Raw(b"z" * 3000), id=5)
    pieces = [to_client(piece) for piece in fragment(whole, 1200)]
    result = replay.run(SINGLE, [("int", pieces[i]) for i in (1, 0, 2)])
    assert [bytes(p) for p in result.out["ext"]] == [bytes(pieces[i]) for i in (0, 1, 2)]


# The MTU of the other side. In a replay both sides have the same; frames come larger than it.

def test_too_large_with_dont_fragment_is_told_as_from_whom_it_was_for(replay):
    frame = to_router(request(TCP(sport=1, dport=2) / Raw(b"x" * 1461), destination="192.0.2.99",
                              flags="DF"))
    result = replay.run(SINGLE, [("ext", frame)])
    assert result.verdicts == ["too_big"] and not result.out["int"]
    (told,) = result.out["ext"]
    assert (told.src, told.dst) == (ROUTER_MAC, CLIENT_MAC)
    assert (told[IP].src, told[IP].dst) == ("192.0.2.99", CLIENT)
    assert (told[ICMP].type, told[ICMP].code, told[ICMP].nexthopmtu) == (3, 4, 1500)
    assert checksums_right(told) and bytes(told[ICMP].payload)[:40] == bytes(frame[IP])[:40]


def test_too_large_for_a_service_is_told_as_from_the_vip(replay):
    frame = to_router(request(TCP(sport=1, dport=80) / Raw(b"x" * 1461), flags="DF"))
    result = replay.run(SINGLE, [("ext", frame)])
    assert result.verdicts == ["too_big"]
    assert result.out["ext"][0][IP].src == VIP


def test_too_large_without_dont_fragment_goes_in_fragments(replay):
    for destination, there in ((VIP, "10.0.0.11"), ("192.0.2.99", "192.0.2.99")):
        frame = to_router(request(UDP(sport=1, dport=53) / Raw(b"x" * 2000), id=3,
                                  destination=destination, ttl=3))
        result = replay.run(SINGLE, [("ext", frame)])
        assert result.verdicts == ["forwarded"]
        out = result.out["int"]
        assert len(out) == 2 and sum(len(p[IP].payload) for p in out) == 2008
        assert {(p.src, p.dst, p[IP].dst, p[IP].ttl) for p in out} == {
            (CLIENT_MAC, ROUTER_MAC, there, 3)}


def test_too_large_for_many_or_not_ipv4_is_told_to_nobody(replay):
    frames = [Ether(src=CLIENT_MAC, dst="01:00:5e:00:00:fb") /
              IP(src=CLIENT, dst="224.0.0.251", flags="DF") / UDP() / Raw(b"x" * 1500),
              Ether(src=CLIENT_MAC, dst=ROUTER_MAC) / IPv6() / UDP() / Raw(b"x" * 1500),
              Ether(src=CLIENT_MAC, dst=ROUTER_MAC, type=0x88b5) / Raw(b"x" * 1501)]
    result = replay.run(SINGLE, [("ext", frame) for frame in frames])
    assert result.verdicts == ["too_big"] * 3
    assert not result.out["ext"] and not result.out["int"]


def test_jumbo_frames_cross(replay):
    frames = [to_router(request(UDP(sport=1, dport=53) / Raw(b"x" * 8972), flags="DF")),
              to_router(request(ICMP(type=8) / Raw(b"x" * 8900))),
              Ether(src=CLIENT_MAC, dst=ROUTER_MAC, type=0x88b5) / Raw(b"x" * 9000)]
    result = replay.run(SINGLE, [("ext", frame) for frame in frames], "--mtu", "9000")
    assert result.verdicts == ["forwarded", "consumed", "forwarded"]
    assert [len(p) for p in result.out["int"]] == [9014, 9014]
    assert len(result.out["ext"][0]) == 14 + 20 + 8 + 8900


# MULTI.

def test_replies_leave_by_the_frontend_of_the_flow(replay):
    ack = TCP(sport=8080, dport=40000, flags="A")
    frames = [("ext", to_router(request())), ("int", to_client(reply(ack))),
              ("alt", to_router(request(source=CLIENT2), CLIENT2_MAC)),
              ("int", to_client(reply(ack, destination=CLIENT2), CLIENT2_MAC))]
    result = replay.run(MULTI, frames)
    assert [frame["output_interface"] for frame in result.frames] == ["int", "ext", "int", "alt"]
    assert [p[IP].dst for p in result.out["ext"]] == [CLIENT]
    assert [p[IP].dst for p in result.out["alt"]] == [CLIENT2]


def test_a_flow_remembers_its_frontend_whatever_the_prefixes_say(replay):
    """A client of ext's network that came by alt is answered there."""
    result = replay.run(MULTI, [("alt", to_router(request())), ("int", to_client(reply()))])
    assert result.frames[1]["output_interface"] == "alt"
    assert not result.out["ext"]


def test_a_reply_without_a_flow_leaves_where_the_prefix_is_or_everywhere(replay):
    ack = TCP(sport=8080, dport=1, flags="A")
    result = replay.run(MULTI, [("int", to_client(reply(ack, destination=CLIENT2))),
                                ("int", to_client(reply(ack, destination="203.0.113.99")))])
    assert [frame["output_interface"] for frame in result.frames] == ["alt", None]
    assert [p[IP].src for p in result.out["alt"]] == [VIP] * 2
    assert [p[IP].src for p in result.out["ext"]] == [VIP]


def test_arp_from_the_backends_goes_where_the_targets_prefix_is(replay):
    frames = [asks("198.51.100.254", CLIENT, ROUTER_MAC), asks("192.0.2.254", CLIENT2, ROUTER_MAC),
              asks("10.0.0.254", "10.0.0.9", ROUTER_MAC),
              answers("198.51.100.254", ROUTER_MAC, CLIENT, CLIENT_MAC)]
    result = replay.run(MULTI, [("int", frame) for frame in frames])
    assert result.verdicts == ["forwarded"] * 4
    assert [frame["output_interface"] for frame in result.frames] == ["ext", "alt", None, "ext"]
    assert [bytes(p) for p in result.out["ext"]] == [bytes(frames[i]) for i in (0, 2, 3)]
    assert [bytes(p) for p in result.out["alt"]] == [bytes(frames[i]) for i in (1, 2)]


def test_a_prefix_of_two_frontends_is_nobodys(replay):
    config = MULTI.replace(f"{ALT_ADDRESS}/24", "198.51.100.3/24")
    result = replay.run(config, [("int", asks("198.51.100.254", CLIENT, ROUTER_MAC))])
    assert len(result.out["ext"]) == len(result.out["alt"]) == 1
    config = MULTI.replace(f"{ALT_ADDRESS}/24", "198.51.100.7/32")
    result = replay.run(config, [("int", asks("198.51.100.254", "198.51.100.8", ROUTER_MAC))])
    assert len(result.out["ext"]) == 1 and not result.out["alt"]


@pytest.mark.parametrize("what", CROSSING)
def test_what_is_no_services_goes_from_the_backends_to_every_frontend(replay, what):
    result = replay.run(MULTI, [("int", CROSSING[what])])
    assert result.verdicts == ["forwarded"]
    if what.startswith("ARP") and ("others" in what or "claims" in what):
        return   # it has a target, whose prefix says where
    assert result.frames[0]["output_interface"] is None
    for interface in ("ext", "alt"):
        assert [bytes(p) for p in result.out[interface]] == [bytes(CROSSING[what])]
    sent = {row["name"]: (row["forwarded"], row["sent"]) for row in result.stats["interface"]}
    assert sent == {"ext": (0, 1), "alt": (0, 1), "int": (1, 0)}


@pytest.mark.parametrize("interface", ["ext", "alt"])
def test_what_comes_from_a_frontend_goes_to_the_backends_only(replay, interface):
    frames = [(interface, CROSSING[what]) for what in CROSSING]
    result = replay.run(MULTI, frames)
    assert set(result.verdicts) == {"forwarded"}
    assert [bytes(p) for p in result.out["int"]] == [bytes(frame) for _, frame in frames]
    assert not result.out["ext"] and not result.out["alt"]


def test_a_direct_calls_answer_leaves_by_its_frontend(replay):
    there = to_router(request(TCP(sport=41000, dport=8080, flags="S"), source=CLIENT2,
                              destination="10.0.0.11"), CLIENT2_MAC)
    back = to_client(reply(TCP(sport=8080, dport=41000, flags="SA"), destination=CLIENT2),
                     CLIENT2_MAC)
    result = replay.run(MULTI, [("alt", there), ("int", back)])
    assert crossed(result, 0, "alt") == bytes(back) and not result.out["ext"]


# Checks and heartbeats.

CHECKED = MULTI.replace("add pool web\n", """add check hc tcp port 8080 interval 1
add pool web check hc
""") + "add route 10.0.0.0/24 via 198.51.100.254\n"


def test_checks_go_out_on_the_backends_side(replay):
    """ext's network is the same: both sides are one link, and backends are on theirs."""
    late = Ether(src=CLIENT_MAC, dst=ROUTER_MAC, type=0x88b5) / Raw(b"time passes")

    def own(layer, *frames):
        result = replay.run(CHECKED, [("ext", late, 0), *frames, ("ext", late, 1.5)])
        assert not [p for name in ("ext", "alt") for p in result.out[name] if ARP in p or TCP in p]
        first = next(p for p in result.out["int"] if layer in p)
        return first, float(first.time) - BASE + 0.01

    question, asked = own(ARP)
    assert (question[ARP].psrc, question[ARP].pdst) == (INT_ADDRESS, "198.51.100.254")
    answer = ("int", answers("198.51.100.254", ROUTER_MAC, INT_ADDRESS, MAC["int"]), asked)
    syn, sent = own(TCP, answer)
    assert (syn.src, syn.dst, syn[IP].src, syn[IP].dst) == (MAC["int"], ROUTER_MAC, INT_ADDRESS,
                                                            "10.0.0.11")
    syn_ack = (Ether(src=ROUTER_MAC, dst=MAC["int"]) / IP(src="10.0.0.11", dst=INT_ADDRESS) /
               TCP(sport=8080, dport=syn[TCP].sport, flags="SA", ack=syn[TCP].seq + 1))
    result = replay.run(CHECKED, [("ext", late, 0), answer, ("int", syn_ack, sent),
                                  ("ext", to_router(request()))])
    assert result.verdicts == ["forwarded", "consumed", "consumed", "forwarded"]
    (reset,) = [p for p in result.out["int"] if TCP in p and p[TCP].flags == "R"]
    assert (reset.src, reset.dst) == (MAC["int"], ROUTER_MAC)


@pytest.mark.parametrize("source", ["any", "port 7000"])
def test_heartbeats_are_heard(replay, source):
    config = MULTI.replace("add pool web\n",
                           f"add check hb heartbeat from {source}\nadd pool web check hb\n")
    if source == "any":
        beat = to_client(reply(UDP(sport=9, dport=9)))
    else:
        beat = (Ether(src=ROUTER_MAC, dst=MAC["int"]) / IP(src="10.0.0.11", dst=INT_ADDRESS) /
                UDP(sport=1, dport=7000))
    frames = [("ext", to_router(request())), ("int", beat), ("ext", to_router(request()))]
    result = replay.run(config, frames)
    assert result.verdicts == ["no_backend", "forwarded" if source == "any" else "consumed",
                               "forwarded"]


# Who claims what.

def test_who_claims_the_appliances_address_raises_an_alarm_and_crosses(replay):
    claim = asks(EXT_ADDRESS, EXT_ADDRESS, OTHER_MAC)
    result = replay.run(MULTI, [("ext", claim)])
    assert result.verdicts == ["forwarded"] and crossed(result, 0, "int") == bytes(claim)


def test_vips_are_not_announced(replay):
    quiet = Ether(src=CLIENT_MAC, dst=ROUTER_MAC, type=0x88b5) / Raw(b"x")
    result = replay.run(MULTI, [("ext", quiet, 0), ("ext", quiet, 5)])
    assert not [p for name in MAC for p in result.out[name] if ARP in p]


def test_bridged_without_another_side(replay):
    config = without(without(SINGLE, "interface int"), "backend web")
    result = replay.run(config, [("ext", CROSSING["IPv6"])])
    assert result.verdicts == ["interface_down"]
    config = without(SINGLE, "interface ext")
    result = replay.run(config, [("int", CROSSING["IPv6"]), ("int", to_client(reply()))])
    assert result.verdicts == ["interface_down"] * 2


def test_routed_is_the_default(replay):
    for topology in ("", "set global topology routed\n"):
        config = without(SINGLE, "topology") + topology
        result = replay.run(config, [("ext", CROSSING["ARP of others"]),
                                     ("ext", to_router(request()))])
        assert result.verdicts == ["arp_not_for_us", "not_for_us"]


def test_a_broken_l4_checksum_stays_broken(replay):
    frame = to_router(request(TCP(sport=40000, dport=80, flags="S", chksum=0x1234)))
    (out,) = replay.run(SINGLE, [("ext", repaired(bytes(frame)))]).out["int"]
    assert not checksums_right(out)


# Whatever comes.

STORMS = {
    "single": (without(SINGLE, "mac ").replace("16384\n", f"""16384
add interface ext role frontend mac {EXT}
add interface int role backend mac {INT}
"""), 1500),
    "checks": (WEB.replace("add pool web", "add check c tcp interval 200ms\nadd pool web check c") +
               "set global topology bridged\n", 1500),
    "small table, rejects": (WEB.replace("16384", "1024") + "set global topology bridged\n"
                             "set global no-service reject\n", 1500),
    "all ports": (NETWORK + f"""set global topology bridged
add pool all
add backend all 10.0.0.11:0
add backend all 10.0.0.12:0
add service tcp {VIP}:0/tcp pool all
add service udp {VIP}:0/udp pool all
""", 1500),
    "a narrow link": (WEB + "set global topology bridged\n", 576),
}


@pytest.mark.parametrize("name", STORMS)
def test_of_a_storm_nothing_crosses_twice_or_with_other_macs(replay, name):
    config, mtu = STORMS[name]
    frames = [(interface, frame, number * 0.002)
              for number, (interface, frame, _) in enumerate(storm(name, 10000))]
    result = replay.run(config, frames, "--mtu", mtu)
    flows = result.stats["flows"]
    ended = sum(count for key, count in flows.items() if key.startswith("closed_"))
    assert flows["created"] - ended == flows["live"]
    left = {interface: collections.Counter(
        (frame[:12], len(frame)) for frame in packets(result.out.files[interface]))
        for interface in ("ext", "int")}
    crossed_frames = 0
    for line, (_, frame, _) in zip(result.frames, frames):
        if line["verdict"] == "forwarded" and len(frame) <= 14 + mtu:
            left[line["output_interface"]][frame[:12], len(frame)] -= 1
            crossed_frames += 1
    assert crossed_frames > 4000 and min(min(counts.values()) for counts in left.values()) >= 0
