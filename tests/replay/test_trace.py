"""trace: what became of a packet, step by step; in a replay by a `trace add` of the script, and
without times, since nobody reads a clock."""
import re

import pytest
from scapy.all import ARP, ICMP, TCP, UDP, Ether, Raw

from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, ONE, VIP, WEB, arp_request,
                    from_backend, syn, to_vip, without)

CLOCK = r"22:13:20\.\d{6}"


def told(replay, config, frames, add="trace add 100"):
    """What `show trace` prints at the end of a replay in UTC."""
    output = replay.command(*replay.write(config + add + "\n", frames)).stdout
    lines = output.splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith("#")), len(lines))
    return lines[first:]


def matches(lines, *expected):
    assert len(lines) == len(expected), "\n".join(lines)
    for line, pattern in zip(lines, expected):
        assert re.fullmatch(pattern, line), f"{line}\nis not\n{pattern}"


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")


def test_a_new_connection_is_told_as_the_contract_shows_it(replay):
    matches(told(replay, ONE, [("ext", syn()), ("ext", syn(dport=81))]),
            rf"#1 {CLOCK} ext {CLIENT}:40000 > {VIP}:80 tcp S len 40",
            r"   \+0\.00us rx      service web",
            r"   \+0\.00us flow    miss",
            r"   \+0\.00us select  maglev slot \d+ -> 10\.0\.0\.11:8080",
            rf"   \+0\.00us rewrite nat {VIP}:80 -> 10\.0\.0\.11:8080",
            r"   \+0\.00us tx      int -> 02:00:00:00:00:11",
            rf"#2 {CLOCK} ext {CLIENT}:40000 > {VIP}:81 tcp S len 40  DROP no_service")


def test_what_has_a_flow_is_a_hit_both_ways(replay):
    lines = told(replay, ONE, [
        ("ext", syn()),
        ("int", from_backend(TCP(sport=8080, dport=40000, flags="SA"))),
        ("ext", to_vip(TCP(sport=40000, dport=80, flags="PA") / Raw(b"x" * 60)))])
    matches(lines[6:],
            rf"#2 {CLOCK} int 10\.0\.0\.11:8080 > {CLIENT}:40000 tcp S\. len 40",
            r"   \+0\.00us rx      service web",
            r"   \+0\.00us flow    hit, a reply",
            rf"   \+0\.00us rewrite nat 10\.0\.0\.11:8080 -> {VIP}:80",
            rf"   \+0\.00us tx      ext -> {CLIENT_MAC}",
            rf"#3 {CLOCK} ext {CLIENT}:40000 > {VIP}:80 tcp P\. len 100",
            r"   \+0\.00us rx      service web",
            r"   \+0\.00us flow    hit",
            rf"   \+0\.00us rewrite nat {VIP}:80 -> 10\.0\.0\.11:8080",
            r"   \+0\.00us tx      int -> 02:00:00:00:00:11")


def test_a_flow_that_had_ended_and_one_that_never_was_are_told(replay):
    lines = told(replay, ONE, [
        ("ext", syn()),
        ("ext", to_vip(TCP(sport=40000, dport=80, flags="R"))),
        ("ext", syn()),
        ("int", from_backend(UDP(sport=8080, dport=5000) / b"reply"))])
    assert "   +0.00us flow    miss, the one before was closed (reset)" in lines
    matches(lines[-5:],
            rf"#4 {CLOCK} int 10\.0\.0\.11:8080 > {CLIENT}:5000 udp len 33",
            r"   \+0\.00us rx      service dns",
            r"   \+0\.00us flow    miss, a reply of the only service there",
            rf"   \+0\.00us rewrite nat 10\.0\.0\.11:8080 -> {VIP}:53",
            rf"   \+0\.00us tx      ext -> {CLIENT_MAC}")


@pytest.mark.parametrize("mode, change", [
    ("dsr", "dsr as it came, for 10.0.0.11:8080"),
    ("ipip", "ipip in an outer header, for 10.0.0.11:8080"),
    ("gue", "gue in an outer header, for 10.0.0.11:8080"),
    ("fullnat", rf"fullnat {VIP}:80 -> 10\.0\.0\.11:8080, source {CLIENT}:40000 -> 10\.0\.0\.1:\d+"),
])
def test_each_mode_says_what_it_changes(replay, mode, change):
    port = "8080" if mode == "fullnat" else "80"
    config = ONE.replace("80/tcp pool web", f"80/tcp pool web mode {mode}").replace(
        ":8080", f":{port}")
    lines = told(replay, config, [("ext", syn()), ("ext", to_vip(TCP(sport=40000, dport=80)))])
    steps = [line for line in lines if " rewrite " in line]
    assert len(steps) == 2
    for line in steps:
        assert re.fullmatch(rf"   \+0\.00us rewrite {change}".replace("8080", port), line), line


def test_a_packet_that_waits_says_for_what(replay):
    config = without(ONE, "neighbor 10.0.0.11")
    lines = told(replay, config, [("ext", syn())])
    matches(lines[:1] + lines[-1:],
            rf"#1 {CLOCK} ext {CLIENT}:40000 > {VIP}:80 tcp S len 40  held",
            r"   \+0\.00us tx      int, .*wait.*")


def test_a_drop_on_the_way_has_the_steps_before_it(replay):
    lines = told(replay, ONE, [("ext", to_vip(UDP(sport=1, dport=53) / Raw(b"x" * 2000),
                                              flags="DF"))])
    matches(lines, r"#1 .* udp len 2028  DROP too_big",
            r"   \+0\.00us rx      service dns", r"   \+0\.00us flow    miss",
            r"   \+0\.00us select  maglev slot \d+ -> 10\.0\.0\.11:8080")


def test_what_is_no_packet_of_a_service_is_told_too(replay):
    broken = bytearray(bytes(syn()))
    broken[24] ^= 0xff
    lines = told(replay, ONE, [
        ("ext", arp_request(CLIENT, "198.51.100.1", CLIENT_MAC)),
        ("ext", to_vip(ICMP())),
        ("ext", Ether(bytes(broken))),
        ("ext", Ether(src=CLIENT_MAC, dst=EXT, type=0x88cc) / Raw(b"x" * 50)),
        ("ext", to_vip(Raw(b"x" * 9), proto=47))])
    matches(lines,
            rf"#1 {CLOCK} ext arp len 42  consumed",
            rf"#2 {CLOCK} ext {CLIENT} > 203\.0\.113\.10 icmp len 28  consumed",
            rf"   \+0\.00us tx      ext -> {CLIENT_MAC}",   # the answer
            rf"#3 {CLOCK} ext ipv4 len 54  DROP ip_bad_checksum",
            rf"#4 {CLOCK} ext 0x88cc len 64  DROP unknown_ethertype",
            rf"#5 {CLOCK} ext {CLIENT} > {VIP} proto 47 len 29  DROP protocol_unsupported")


def test_only_packets_that_match_are_traced_and_only_so_many(replay):
    frames = [("ext", syn(port, dport)) for port in range(1000, 1010) for dport in (80, 81)]
    heads = [line for line in told(replay, ONE, frames, "trace add 3 port 81 and tcp[0:2] > 1004")
             if line.startswith("#")]
    assert [re.search(r":(\d+) > \S+:(\d+) ", head).groups() for head in heads] == [
        ("1005", "81"), ("1006", "81"), ("1007", "81")]


def test_a_filter_that_makes_no_sense_is_told(replay):
    result = replay.command(*replay.write(ONE + "trace add 3 tcp prot 80\n", [("ext", syn())]),
                            check=False)
    assert result.returncode == 1 and 'filter "tcp prot 80"' in result.stderr


def test_a_document_has_every_step(replay):
    traces = replay.run(WEB + "trace add 9\n", [("ext", syn()), ("ext", syn(dport=81))]).trace
    assert len(traces) == 2
    first, second = traces
    chosen = first["backend"]
    assert chosen.split(":")[0] in BACKENDS
    assert first["slot"] in range(65537)
    assert {key: first[key] for key in first if key not in ("slot", "time")} == {
        "number": 1, "interface": "ext", "protocol": "tcp", "source_address": CLIENT,
        "source_port": 40000, "destination_address": VIP, "destination_port": 80,
        "tcp_flags": "S", "length": 40, "verdict": "forwarded", "reason": None, "service": "web",
        "flow": "miss", "how": "maglev", "backend": chosen, "mode": "nat",
        "new_source": f"{CLIENT}:40000", "new_destination": chosen, "out_interface": "int",
        "next_hop_mac": BACKENDS[chosen.split(":")[0]], "rx_at": 0, "flow_at": 0, "select_at": 0,
        "rewrite_at": 0, "tx_at": 0}
    assert second["time"] - first["time"] == 1_000_000
    assert (second["verdict"], second["reason"]) == ("dropped", "no_service")
    assert second["service"] is None and second["tx_at"] is None


def test_a_packet_that_leaves_in_pieces_leaves_once(replay):
    lines = told(replay, ONE, [("ext", to_vip(UDP(sport=1, dport=53) / Raw(b"x" * 3000)))])
    assert [line.split()[1] for line in lines[1:]] == ["rx", "flow", "select", "rewrite", "tx"]
    assert lines[-1] == "   +0.00us tx      int -> 02:00:00:00:00:11"


def test_what_an_answer_sets_free_is_not_the_answers(replay):
    """The reply to the appliance's own ARP request sends what waited for it."""
    config = without(ONE, "neighbor 10.0.0.11")
    reply = Ether(src=BACKENDS["10.0.0.11"], dst=INT) / ARP(
        op=2, hwsrc=BACKENDS["10.0.0.11"], psrc="10.0.0.11", hwdst=INT, pdst="10.0.0.1")
    lines = told(replay, config, [("ext", syn()), ("int", reply)], "trace add 5 arp")
    matches(lines, rf"#1 {CLOCK} int arp len 42  consumed")


def test_a_bump_in_the_wire_tells_where_to_things_cross(replay):
    config = ONE.replace("set global flow-table 16384",
                         "set global flow-table 16384 topology bridged")
    lines = told(replay, config, [("ext", arp_request(CLIENT, "10.0.0.99", CLIENT_MAC))])
    assert lines[-1] == "   +0.00us tx      int -> ff:ff:ff:ff:ff:ff"
