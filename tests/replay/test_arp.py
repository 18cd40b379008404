"""ARP: who is answered, what is announced, who is believed, and how neighbors are asked."""
import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, Raw

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, NETWORK, ONE, VIP, arp_reply,
                    arp_request, from_backend, syn, to_vip, without)

BACKEND, BACKEND_MAC = "10.0.0.11", BACKENDS["10.0.0.11"]
# The backend's MAC is not configured here: it is to be asked for.
ASKING = without(ONE, "add neighbor 10")
ONE_ARM = ONE.replace("role frontend", "role both")


def requests(packets):
    return [p for p in packets if ARP in p and p[ARP].op == 1 and p[ARP].psrc != p[ARP].pdst]


def replies(packets):
    return [p for p in packets if ARP in p and p[ARP].op == 2]


def seconds(packets):
    """When each left, since the first frame."""
    return [round(float(p.time) - 1_700_000_000, 3) for p in packets]


ANSWERED = [
    ("the VIP on a frontend", ONE, "ext", CLIENT, VIP, EXT),
    ("our address on its interface", ONE, "ext", CLIENT, "198.51.100.1", EXT),
    ("our address on the backends' side", ONE, "int", BACKEND, "10.0.0.1", INT),
    ("an address probe (RFC 5227) for the VIP", ONE, "ext", "0.0.0.0", VIP, EXT),
    ("one who is not of this network", ONE, "ext", "192.0.2.7", VIP, EXT),
    ("the VIP where clients and backends are", ONE_ARM, "ext", BACKEND, VIP, EXT),
    ("the VIP inside of the clients' network",
     ONE.replace(VIP, "198.51.100.10"), "ext", CLIENT, "198.51.100.10", EXT),
    ("the VIP on the backends' side", ONE, "int", BACKEND, VIP, None),
    ("the VIP inside of the backends' network",
     ONE.replace(VIP, "10.0.0.100"), "int", BACKEND, "10.0.0.100", None),
    ("our address on another interface", ONE, "ext", CLIENT, "10.0.0.1", None),
    ("somebody else", ONE, "ext", CLIENT, "198.51.100.99", None),
    ("himself", ONE, "ext", CLIENT, CLIENT, None),
    ("an address that is no VIP any more", NETWORK, "ext", CLIENT, VIP, None),
]


@pytest.mark.parametrize("config, interface, who, target, mac", [row[1:] for row in ANSWERED],
                         ids=[row[0] for row in ANSWERED])
def test_a_request_for(replay, config, interface, who, target, mac):
    sender = CLIENT_MAC if interface == "ext" else BACKEND_MAC
    result = replay.run(config, [(interface, arp_request(who, target, sender))])
    assert result.verdicts == ["consumed" if mac else "arp_not_for_us"]
    answers = replies(result.out[interface])
    assert len(answers) == (mac is not None)
    for answer in answers:
        assert (answer.src, answer.dst) == (mac, sender)
        assert (answer[ARP].hwsrc, answer[ARP].psrc) == (mac, target)
        assert (answer[ARP].hwdst, answer[ARP].pdst) == (sender, who)


def test_a_request_to_our_mac_alone_is_answered_too(replay):
    """So do neighbors that confirm what they know."""
    request = arp_request(CLIENT, VIP, CLIENT_MAC)
    request.dst = EXT
    assert replies(replay.run(ONE, [("ext", request)]).out["ext"])


def test_answers_are_limited_to_a_hundred_a_second(replay):
    request = arp_request(CLIENT, VIP, CLIENT_MAC)
    frames = [("ext", request, i / 1000) for i in range(300)] + [("ext", request, 2)]
    result = replay.run(ONE, frames)
    assert result.verdicts[:100] == ["consumed"] * 100
    assert result.drops["rate_limited"] == 200 and result.verdicts[300] == "consumed"


def test_every_vip_is_announced_three_times_on_every_frontend(replay):
    config = ONE + """
add interface ext2 role frontend address 192.0.2.1/24
add service other 203.0.113.11:80/tcp pool web
"""
    result = replay.run(config, [("ext", syn(), 0), ("ext", syn(), 30)])
    for interface in ("ext", "ext2"):
        for vip in (VIP, "203.0.113.11"):
            told = [p for p in result.out[interface] if ARP in p and p[ARP].psrc == vip]
            assert seconds(told) == [0, 1, 2]
            for packet in told:
                assert packet.dst == "ff:ff:ff:ff:ff:ff"
                assert (packet[ARP].op, packet[ARP].pdst) == (1, vip)
                assert packet[ARP].hwsrc == packet.src
    assert not [p for p in result.out["int"] if ARP in p]


def test_a_claim_of_the_vip_is_an_alarm_and_nothing_else(replay):
    claim = Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=2, hwsrc=CLIENT_MAC, psrc=VIP, pdst=VIP, hwdst="ff:ff:ff:ff:ff:ff")
    on_the_inside = Ether(src=BACKEND_MAC, dst=INT) / ARP(
        op=2, hwsrc=BACKEND_MAC, psrc=VIP, pdst="10.0.0.1", hwdst=INT)
    result = replay.run(ONE, [("ext", claim), ("int", on_the_inside), ("ext", syn())])
    assert result.verdicts == ["arp_vip_conflict", "arp_vip_conflict", "forwarded"]


def test_a_neighbor_in_use_is_confirmed_every_30_seconds_and_delays_nothing(replay):
    """Traffic every half second; the backend answers each question a little late."""
    frames = [("ext", syn(), 0), ("int", arp_reply(BACKEND, BACKEND_MAC), 0.2)]
    frames += [("int", arp_reply(BACKEND, BACKEND_MAC), 30.5 + 30.3 * i) for i in range(3)]
    frames += [("ext", syn(), 0.5 + i / 2) for i in range(200)]
    result = replay.run(ASKING, sorted(frames, key=lambda frame: frame[2]))
    # The first waits, answers are consumed, all others leave at once.
    assert result.verdicts.count("held") == 1 and result.verdicts.count("forwarded") == 200
    asked = requests(result.out["int"])
    assert [p.dst for p in asked] == ["ff:ff:ff:ff:ff:ff"] + [BACKEND_MAC] * 3
    assert seconds(asked) == [0, 30.2, 60.5, 90.8]


def test_an_unused_neighbor_is_not_asked(replay):
    frames = [("ext", syn(), 0), ("int", arp_reply(BACKEND, BACKEND_MAC), 0.2),
              ("ext", syn(dport=81), 300)]
    assert len(requests(replay.run(ASKING, frames).out["int"])) == 1


def test_a_neighbor_that_falls_silent_is_asked_three_times_then_by_broadcast(replay):
    frames = [("ext", syn(), 0), ("int", arp_reply(BACKEND, BACKEND_MAC), 0.1)]
    frames += [("ext", syn(), 1 + i) for i in range(40)]
    asked = requests(replay.run(ASKING, frames).out["int"])
    assert [p.dst for p in asked] == (["ff:ff:ff:ff:ff:ff"] + [BACKEND_MAC] * 3 +
                                      ["ff:ff:ff:ff:ff:ff"] * 6)
    assert seconds(asked)[:5] == [0, 30.1, 31.1, 32.1, 34]


def test_who_does_not_answer_is_left_alone_for_a_second(replay):
    frames = [("ext", syn(), 0)]
    # Failed after three questions at 0, 1 and 2; frames in the second after 3 ask nothing.
    frames += [("ext", syn(), t) for t in (3.1, 3.5, 3.9, 4.0, 4.5)]
    result = replay.run(ASKING, frames)
    assert result.verdicts == ["held"] + ["neighbor_failed"] * 3 + ["held"] * 2
    assert seconds(requests(result.out["int"])) == [0, 1, 2, 4]


def test_eight_wait_for_a_neighbor_and_leave_in_order(replay):
    frames = [("ext", syn(port)) for port in range(1, 12)]
    frames.append(("int", arp_reply(BACKEND, BACKEND_MAC)))
    result = replay.run(ASKING, frames)
    assert result.verdicts == ["held"] * 11 + ["consumed"]
    assert [p[TCP].sport for p in result.left("int")] == list(range(4, 12))
    assert result.drops["neighbor_overflow"] == 3
    assert result.stats["total"]["held"] == 0


def test_1024_wait_in_all(replay):
    config = ASKING.replace("10.0.0.1/24", "10.0.0.1/16")
    config += "".join(f"add backend web 10.0.{i // 250 + 1}.{i % 250 + 1}:8080\n"
                      for i in range(400))
    result = replay.run(config, [("ext", syn(port), port / 1e5) for port in range(5000)])
    assert result.stats["total"]["held"] == 1024
    assert result.drops["neighbor_overflow"] == 5000 - 1024


UNASKED = [
    ("an answer that nobody asked for", arp_reply(BACKEND, BACKEND_MAC)),
    ("an answer to another host", Ether(src=BACKEND_MAC, dst=INT) / ARP(
        op=2, hwsrc=BACKEND_MAC, psrc=BACKEND, hwdst="02:00:00:00:00:99", pdst="10.0.0.9")),
    ("a gratuitous announcement", Ether(src=BACKEND_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=BACKEND_MAC, psrc=BACKEND, pdst=BACKEND)),
    ("a question to another host", arp_request(BACKEND, "10.0.0.9", BACKEND_MAC)),
]


@pytest.mark.parametrize("frame", [row[1] for row in UNASKED], ids=[row[0] for row in UNASKED])
def test_nobody_is_learnt_from(replay, frame):
    result = replay.run(ASKING, [("int", frame), ("ext", syn())])
    assert result.verdicts == ["arp_not_for_us", "held"]


def test_who_asks_for_us_is_known_and_confirmed_when_used(replay):
    frames = [("int", arp_request(BACKEND, "10.0.0.1", BACKEND_MAC)), ("ext", syn())]
    result = replay.run(ASKING, frames)
    assert result.verdicts == ["consumed", "forwarded"]
    assert [p.dst for p in requests(result.out["int"])] == [BACKEND_MAC]


def test_another_mac_by_an_unsolicited_claim_is_not_believed(replay):
    liar = "02:00:00:00:00:66"
    frames = [("ext", syn(), 0), ("int", arp_reply(BACKEND, BACKEND_MAC), 0.1),
              ("int", arp_reply(BACKEND, liar), 5), ("ext", syn(), 5.1)]
    result = replay.run(ASKING, frames)
    assert [p.dst for p in result.left("int")] == [BACKEND_MAC] * 2
    # But it is asked, at once and by itself, whether it is still there.
    assert seconds(requests(result.out["int"])) == [0, 5]


def test_a_static_neighbor_is_never_asked_and_never_moves(replay):
    frames = [("ext", syn(), 0), ("int", arp_reply(BACKEND, "02:00:00:00:00:66"), 1),
              ("int", arp_request(BACKEND, "10.0.0.1", "02:00:00:00:00:66"), 2),
              ("ext", syn(), 3), ("ext", syn(), 86400)]
    result = replay.run(ONE, frames)
    assert {p.dst for p in result.left("int")} == {BACKEND_MAC}
    assert not requests(result.out["int"])


def test_a_gateway_is_asked_for_in_place_of_what_is_behind_it(replay):
    config = ASKING.replace("10.0.0.11", "192.0.2.11") + "add route 192.0.2.0/24 via 10.0.0.254\n"
    gateway = "02:00:00:00:02:54"
    result = replay.run(config, [("ext", syn()), ("int", arp_reply("10.0.0.254", gateway))])
    assert [p[ARP].pdst for p in requests(result.out["int"])] == ["10.0.0.254"]
    (packet,) = result.left("int")
    assert (packet.dst, packet[IP].dst) == (gateway, "192.0.2.11")


def test_the_sender_of_a_question_is_our_address_of_that_network(replay):
    config = ASKING.replace("10.0.0.1/24", "172.16.0.1/24 address 10.0.0.1/24")
    result = replay.run(config, [("ext", syn())])
    (request,) = requests(result.out["int"])
    assert (request[ARP].psrc, request[ARP].pdst) == ("10.0.0.1", BACKEND)
    assert (request[ARP].hwsrc, request.src) == (INT, INT)


def test_padded_arp_is_arp(replay):
    frame = bytes(arp_request(CLIENT, VIP, CLIENT_MAC)) + b"\0" * 18
    assert replay.run(ONE, [("ext", frame)]).verdicts == ["consumed"]


def test_frames_that_wait_keep_every_byte(replay):
    frame = to_vip(UDP(sport=5, dport=53) / Raw(bytes(range(256)) * 5))
    waited = replay.run(ASKING, [("ext", frame), ("int", arp_reply(BACKEND, BACKEND_MAC))])
    at_once = replay.run(ONE, [("ext", frame)])
    assert bytes(waited.left("int")[0]) == bytes(at_once.left("int")[0])


def test_replies_wait_for_the_client_as_requests_for_the_backend(replay):
    config = without(ONE, f"add neighbor {CLIENT}")
    reply = from_backend(TCP(sport=8080, dport=40000, flags="SA"))
    answer = Ether(src=CLIENT_MAC, dst=EXT) / ARP(
        op=2, hwsrc=CLIENT_MAC, psrc=CLIENT, hwdst=EXT, pdst="198.51.100.1")
    result = replay.run(config, [("ext", syn()), ("int", reply), ("ext", answer)])
    assert result.verdicts == ["forwarded", "held", "consumed"]
    (packet,) = result.left("ext")
    assert (packet.dst, packet[IP].src) == (CLIENT_MAC, VIP)


def test_a_ping_needs_no_neighbor(replay):
    """It is answered to the MAC that it came from."""
    result = replay.run(without(ONE, "add neighbor"), [("ext", to_vip(ICMP()))])
    assert result.verdicts == ["consumed"] and not requests(result.out["ext"])
