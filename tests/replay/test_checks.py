"""Active checks: what is asked, what counts as an answer, and when a backend is up or down.

Probes stand on a grid of time that answers do not move, so a first replay without any answer shows
all of them; a second one then answers those that are to be answered.
"""
import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, Raw

from replay import (BACKENDS, BASE, INT, NETWORK, ONE, VIP, WEB, arp_reply, checksums_right, syn,
                    without)

BACKEND, BACKEND_MAC, OURS = "10.0.0.11", BACKENDS["10.0.0.11"], "10.0.0.1"


def checked(check, config=ONE):
    return config.replace("add pool web", f"add check c {check}\nadd pool web check c")


def at(packet):
    return round(float(packet.time) - BASE, 6)


def probes(result, kind):
    """What the appliance itself asks of the backends."""
    if kind is ARP:
        return [p for p in result.out["int"] if ARP in p and p[ARP].op == 1]
    return [p for p in result.left("int") if kind in p and p[IP].src == OURS and
            not (kind is TCP and p[TCP].flags != "S") and not (kind is ICMP and p[ICMP].type != 8)]


def back(probe, layer, source=None):
    return (Ether(src=BACKEND_MAC, dst=INT) / IP(src=source or probe[IP].dst, dst=probe[IP].src) /
            layer)


def syn_ack(probe, **fields):
    return back(probe, TCP(**{"sport": probe.dport, "dport": probe.sport, "flags": "SA", "seq": 9,
                              "ack": (probe.seq + 1) % 2**32, **fields}))


def rst(probe):
    return syn_ack(probe, flags="RA")


def echo_reply(probe):
    return back(probe, ICMP(type=0, id=probe[ICMP].id, seq=probe[ICMP].seq) /
                probe[ICMP].payload.copy())


def datagram(probe, payload=b"fine"):
    return back(probe, UDP(sport=probe.dport, dport=probe.sport) / Raw(payload))


def unreachable(probe, code=3):
    return back(probe, ICMP(type=3, code=code) / bytes(probe[IP]))


class Watch:
    """A replay that is asked at certain times whether new flows find a backend."""

    def __init__(self, replay, config, kind, seconds=30):
        self.replay, self.config, self.kind, self.seconds = replay, config, kind, seconds
        self.probes = probes(self.run([]), kind)

    def run(self, frames):
        ends = [("ext", syn(dport=81), 0), ("ext", syn(dport=81), self.seconds)]
        return self.replay.run(self.config, sorted(ends + frames, key=lambda f: f[2]))

    def health(self, answers, moments):
        """`answers`: (number of the probe, frame, delay); the state at each moment."""
        frames = [("int", frame, round(at(self.probes[number]) + delay, 6))
                  for number, frame, delay in answers]
        frames += [("ext", syn(port), moment) for port, moment in enumerate(moments, 1)]
        result = self.run(frames)
        asked = [f for f in result.frames if f["interface"] == "ext"][1:len(moments) + 1]
        return ["down" if f["reason"] == "no_backend" else "up" for f in asked]

    def pattern(self, answer, pattern):
        """The state right before each probe but the first, where `y` was answered and `n` not."""
        answers = [(i, answer(self.probes[i]), 0.1) for i, c in enumerate(pattern) if c == "y"]
        moments = [at(probe) - 0.01 for probe in self.probes[1:len(pattern) + 1]]
        return "".join(state[0] for state in self.health(answers, moments))


# Kinds of checks, what an answer is, and what is none.
KINDS = [
    ("tcp", TCP, syn_ack),
    ("icmp", ICMP, echo_reply),
    ("udp port 9", UDP, datagram),
    ("udp port 9 payload ping expect fi", UDP, datagram),
    ("arp", ARP, lambda probe: arp_reply(BACKEND, BACKEND_MAC)),
]


@pytest.mark.parametrize("check, kind, answer", KINDS, ids=[row[0] for row in KINDS])
def test_down_until_the_first_success_and_up_at_once(replay, check, kind, answer):
    watch = Watch(replay, checked(check), kind)
    asked = at(watch.probes[0])
    assert asked < 1
    assert watch.health([], [0.001, 10, 29]) == ["down"] * 3
    assert watch.health([(0, answer(watch.probes[0]), 0.3)],
                        [asked + 0.299999, asked + 0.300001]) == ["down", "up"]


@pytest.mark.parametrize("check, kind, answer", KINDS, ids=[row[0] for row in KINDS])
def test_three_in_a_row_take_it_down_and_two_bring_it_up(replay, check, kind, answer):
    watch = Watch(replay, checked(check), kind, 60)
    assert watch.pattern(answer, "ynnynnynnnnyynynnn") == "uuuuuuuuudd" + "duuuuud"
    assert watch.pattern(answer, "nnnyn") == "ddduu"
    assert watch.pattern(answer, "ynnnynynynyy") == "uuuddddddddu"


def test_rise_and_fall_are_the_operators(replay):
    watch = Watch(replay, checked("tcp fall 1 rise 3"), TCP)
    assert watch.pattern(syn_ack, "ynyynyyyn") == "uddddddud"


@pytest.mark.parametrize("options, seconds", [("", 2), ("interval 5", 5), ("interval 500ms", 0.5)])
def test_probes_come_once_an_interval(replay, options, seconds):
    watch = Watch(replay, checked("tcp " + options), TCP)
    times = [at(probe) for probe in watch.probes]
    assert len(times) >= 29 / seconds
    # The timers' grain is a millisecond. The first may come anywhere in its second.
    for earlier, later in zip(times[1:], times[2:]):
        assert later - earlier == pytest.approx(seconds, abs=0.003)


def test_an_answer_counts_until_the_timeout(replay):
    watch = Watch(replay, checked("tcp"), TCP)
    first = at(watch.probes[0])
    answer = syn_ack(watch.probes[0])
    assert watch.health([(0, answer, 0.999)], [first + 0.9995]) == ["up"]
    assert watch.health([(0, answer, 1.01)], [first + 1.1, first + 1.9]) == ["down"] * 2


REFUSED = [
    ("a RST", "tcp", TCP, rst), ("port unreachable", "udp port 9", UDP, unreachable),
    ("host unreachable", "tcp", TCP, lambda probe: unreachable(probe, 1)),
    ("another answer than expected", "udp port 9 expect fine", UDP,
     lambda probe: datagram(probe, b"sick")),
    ("less than expected", "udp port 9 expect fine", UDP, lambda probe: datagram(probe, b"fin")),
]


@pytest.mark.parametrize("check, kind, refusal", [row[1:] for row in REFUSED],
                         ids=[row[0] for row in REFUSED])
def test_a_refusal_fails_at_once(replay, check, kind, refusal):
    good = syn_ack if kind is TCP else datagram
    watch = Watch(replay, checked(check + " fall 1"), kind)
    second = at(watch.probes[1])
    answers = [(0, good(watch.probes[0]), 0.1), (1, refusal(watch.probes[1]), 0.2)]
    assert watch.health(answers, [second + 0.1999, second + 0.2001]) == ["up", "down"]


def wrong_checksum(frame):
    frame = Ether(bytes(frame))
    frame[IP].payload.chksum ^= 0x55
    return frame


NO_ANSWERS = [
    ("a SYN-ACK to another SYN", "tcp", TCP, lambda p: syn_ack(p, ack=p.seq)),
    ("a SYN-ACK from another port", "tcp", TCP, lambda p: syn_ack(p, sport=p.dport + 1)),
    ("a SYN-ACK to another port", "tcp", TCP, lambda p: syn_ack(p, dport=p.sport ^ 1)),
    ("a bare ACK", "tcp", TCP, lambda p: syn_ack(p, flags="A")),
    ("a bare SYN", "tcp", TCP, lambda p: syn_ack(p, flags="S")),
    ("a SYN-ACK from another host", "tcp", TCP, lambda p: Ether(src=BACKEND_MAC, dst=INT) / IP(
        src="10.0.0.12", dst=OURS) / syn_ack(p)[TCP]),
    ("a damaged SYN-ACK", "tcp", TCP, lambda p: wrong_checksum(syn_ack(p))),
    ("a datagram from another port", "udp port 9", UDP, lambda p: back(
        p, UDP(sport=10, dport=p.sport))),
    ("a damaged datagram", "udp port 9", UDP, lambda p: wrong_checksum(datagram(p))),
    ("an echo reply with another id", "icmp", ICMP, lambda p: back(
        p, ICMP(type=0, id=p[ICMP].id ^ 1, seq=p[ICMP].seq) / p[ICMP].payload.copy())),
    ("an echo reply with other data", "icmp", ICMP, lambda p: back(
        p, ICMP(type=0, id=p[ICMP].id, seq=p[ICMP].seq) / Raw(b"\0\0\0\0"))),
    ("an echo request", "icmp", ICMP, lambda p: back(p, ICMP(id=p[ICMP].id))),
    ("an ARP reply of another", "arp", ARP, lambda p: arp_reply("10.0.0.12", BACKEND_MAC)),
]


@pytest.mark.parametrize("check, kind, frame", [row[1:] for row in NO_ANSWERS],
                         ids=[row[0] for row in NO_ANSWERS])
def test_is_no_answer(replay, check, kind, frame):
    watch = Watch(replay, checked(check), kind, 5)
    assert watch.health([(0, frame(watch.probes[0]), 0.1)], [at(watch.probes[0]) + 0.9]) == ["down"]


def test_a_syn_ack_is_answered_by_a_rst(replay):
    """Nothing is left behind on the backend, also where its answer is late or repeated."""
    watch = Watch(replay, checked("tcp"), TCP, 5)
    probe = watch.probes[0]
    frames = [("int", syn_ack(probe), at(probe) + t) for t in (0.1, 0.2, 1.5)]
    result = watch.run(frames)
    resets = [p for p in result.left("int") if TCP in p and p[TCP].flags & 4]
    assert len(resets) == 3
    for reset in resets:
        assert (reset.dst, reset[IP].src, reset[IP].dst) == (BACKEND_MAC, OURS, BACKEND)
        assert (reset.sport, reset.dport) == (probe.sport, probe.dport)
        assert reset.seq == probe.seq + 1 and checksums_right(reset)
    assert result.verdicts[1:4] == ["consumed"] * 3


def test_what_probes_look_like(replay):
    (probe, *_) = Watch(replay, checked("tcp"), TCP, 3).probes
    assert (probe.src, probe.dst) == (INT, BACKEND_MAC) and checksums_right(probe)
    assert (probe[IP].src, probe[IP].dst, probe[TCP].dport) == (OURS, BACKEND, 8080)
    (probe, *_) = Watch(replay, checked("tcp port 7"), TCP, 3).probes
    assert probe[TCP].dport == 7
    (probe, *_) = Watch(replay, checked("icmp"), ICMP, 3).probes
    assert probe[ICMP].type == 8 and checksums_right(probe)
    (probe, *_) = Watch(replay, checked('udp port 9 payload "are you well"'), UDP, 3).probes
    assert probe[UDP].dport == 9 and bytes(probe[UDP].payload)[:12] == b"are you well"
    assert checksums_right(probe)
    (probe, *_) = Watch(replay, checked("arp"), ARP, 3).probes
    assert (probe[ARP].psrc, probe[ARP].pdst) == (OURS, BACKEND)


def test_every_probe_is_another_one(replay):
    watch = Watch(replay, checked("tcp interval 200ms"), TCP)
    assert len({(p.sport, p.seq) for p in watch.probes}) == len(watch.probes) > 100


def test_backends_with_the_same_target_share_it(replay):
    config = checked("tcp port 80") + """
add pool other check c
add backend other 10.0.0.11:9090
add backend web 10.0.0.11:7070
add backend web 10.0.0.12:7070
"""
    watch = Watch(replay, config, TCP)
    for address in ("10.0.0.11", "10.0.0.12"):
        times = [at(p) for p in watch.probes if p[IP].dst == address]
        assert 14 <= len(times) <= 16


def test_targets_are_spread_over_the_interval(replay):
    config = checked("tcp") + "".join(
        f"add backend web 10.0.0.{i}:80\n"
        f"add neighbor 10.0.0.{i} mac 02:00:00:00:00:11 interface int\n"
        for i in range(20, 120))
    watch = Watch(replay, config, TCP, 20)
    quarters = [int(at(p) * 2) % 4 for p in watch.probes if at(p) > 4]
    shares = [quarters.count(quarter) / len(quarters) for quarter in range(4)]
    assert 0.15 < min(shares) and max(shares) < 0.35


def test_a_backend_behind_a_gateway_is_asked_there(replay):
    config = checked("tcp", ONE.replace("backend web 10.0.0.11", "backend web 192.0.2.11")) + """
add neighbor 10.0.0.254 mac 02:00:00:00:02:54 interface int
add route 192.0.2.0/24 via 10.0.0.254
"""
    watch = Watch(replay, config, TCP)
    assert watch.probes[0].dst == "02:00:00:00:02:54"
    assert watch.pattern(syn_ack, "nyn") == "duu"


def test_a_backend_whose_mac_nobody_knows_is_down(replay):
    watch = Watch(replay, without(checked("tcp"), "neighbor 10"), ARP, 10)
    assert watch.health([], [3, 9]) == ["down"] * 2


def test_one_down_of_two_gets_nothing_new_and_the_other_all(replay):
    watch = Watch(replay, checked("tcp", WEB), TCP)
    answers = [(i, syn_ack(p), 0.1) for i, p in enumerate(watch.probes) if p[IP].dst == BACKEND]
    frames = [("int", frame, at(watch.probes[i]) + delay) for i, frame, delay in answers]
    frames += [("ext", syn(port), 5 + port / 1000) for port in range(1, 201)]
    result = watch.run(frames)
    chosen = [f["backend"] for f in result.frames if f["interface"] == "ext"][1:-1]
    assert set(chosen) == {"10.0.0.11:8080"}


HEARTBEAT = NETWORK + f"""
add check alive heartbeat
add pool web check alive
add backend web {BACKEND}:8080
add service web {VIP}:80/tcp pool web
"""


def beat(layer=None, destination=OURS, source=BACKEND, mac=INT):
    return (Ether(src=BACKEND_MAC, dst=mac) / IP(src=source, dst=destination) /
            (layer or UDP(sport=5, dport=6)))


# (what, frame, interface, is it heard, verdict)
HEARD = [
    ("a datagram to us", beat(), "int", True, "consumed"),
    ("a segment to us", beat(TCP(dport=7)), "int", True, "consumed"),
    ("a datagram to anybody", beat(destination="198.51.100.77"), "int", True, "no_flow"),
    ("a reply of a flow", beat(TCP(sport=8080, dport=4, flags="A"), "198.51.100.7"),
     "int", True, "forwarded"),
    ("a datagram to everybody", beat(destination="10.0.0.255", mac="ff:ff:ff:ff:ff:ff"), "int",
     True, "consumed"),
    ("a datagram to a group", beat(destination="224.0.0.1", mac="01:00:5e:00:00:01"), "int", True,
     "consumed"),
    ("a datagram to the VIP", beat(destination=VIP), "int", True, "no_service"),
    ("ICMP", beat(ICMP(type=0)), "int", False, "icmp_ignored"),
    ("another protocol", beat(Raw(b"x" * 20)), "int", False, "protocol_unsupported"),
    ("another host", beat(source="10.0.0.12"), "int", False, "no_service"),
    ("a malformed datagram", beat(UDP(len=7)), "int", False, "udp_malformed"),
    ("the backend's address on a frontend", beat(mac="02:00:00:00:01:01"), "ext", False,
     "no_service"),
]
for row in HEARD:
    if Raw in row[1]:
        row[1][IP].proto = 47


@pytest.mark.parametrize("frame, interface, heard, verdict", [row[1:] for row in HEARD],
                         ids=[row[0] for row in HEARD])
def test_a_heartbeat_from_any(replay, frame, interface, heard, verdict):
    result = replay.run(HEARTBEAT, [(interface, frame), ("ext", syn())])
    assert result.verdicts == [verdict, "forwarded" if heard else "no_backend"]


@pytest.mark.parametrize("options, timeout", [("", 3), (" timeout 10", 10),
                                              (" timeout 500ms", 0.5)])
def test_silence_ends_it(replay, options, timeout):
    config = HEARTBEAT.replace("heartbeat", "heartbeat" + options)
    frames = [("int", beat(), 0), ("ext", syn(1), timeout - 0.001), ("ext", syn(2), timeout)]
    assert replay.run(config, frames).verdicts == ["consumed", "forwarded", "no_backend"]


def test_a_heartbeat_to_a_port_is_a_datagram_to_it_and_nothing_else(replay):
    config = HEARTBEAT.replace("heartbeat", "heartbeat from port 6")
    frames = [beat(UDP(dport=7)), beat(TCP(dport=6)), beat(destination="198.51.100.77"),
              beat(destination=VIP), syn(), beat(UDP(dport=6)), syn()]
    result = replay.run(config, [("ext" if f.dst != INT else "int", f) for f in frames])
    assert result.verdicts == ["no_service", "no_service", "no_flow", "no_service", "no_backend",
                               "consumed", "forwarded"]


def test_a_backend_in_two_pools_with_two_checks(replay):
    """Up for the one by its heartbeats, down for the other that nobody answers."""
    config = HEARTBEAT + f"""
add check c tcp
add pool other check c
add backend other {BACKEND}:8080
add service other {VIP}:81/tcp pool other
"""
    result = replay.run(config, [("int", beat()), ("ext", syn(1)), ("ext", syn(2, 81))])
    assert result.verdicts == ["consumed", "forwarded", "no_backend"]
