"""PROXY protocol v2 for UDP: who the client is, in front of every datagram or of the first."""
import struct

import pytest
from scapy.all import ICMP, IP, UDP, Ether, Raw, defragment

from bridged import SINGLE, datagram, to_router
from bridged import request as request_of
from replay import (BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, NETWORK, VIP, checksums_right,
                    from_backend, syn, to_vip)

DNS = NETWORK + f"""
add pool dns
add backend dns 10.0.0.11:5353
add service dns {VIP}:53/udp pool dns proxy-protocol every
"""
FIRST = DNS.replace("every", "first")
SMALL = DNS.replace("flow-table 16384", "flow-table 1024")
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def header(port=5, backend="10.0.0.11", backend_port=5353, padding=b""):
    addresses = bytes(map(int, f"{CLIENT}.{backend}".split(".")))
    rest = addresses + struct.pack("!HH", port, backend_port) + padding
    return SIGNATURE + b"\x21\x12" + struct.pack("!H", len(rest)) + rest


def request(port=5, payload=b"question", **ip):
    return to_vip(UDP(sport=port, dport=53) / Raw(payload), **ip)


def payloads(packets):
    return [bytes(p[UDP].payload) for p in packets]


def test_every_datagram_begins_with_the_header(replay):
    result = replay.run(DNS, [("ext", request(payload=b"one")), ("ext", request(payload=b"three")),
                              ("ext", request(6, b""))])
    out = result.left("int")
    assert payloads(out) == [header() + b"one", header() + b"three", header(6)]
    assert all(map(checksums_right, out))
    assert [(p[IP].src, p[IP].dst, p[UDP].sport, p[UDP].dport) for p in out[:1]] == [
        (CLIENT, "10.0.0.11", 5, 5353)]


def test_only_the_first_datagram_of_a_flow_begins_with_it(replay):
    frames = [("ext", request(payload=b"1"), 0), ("ext", request(payload=b"2"), 1),
              ("ext", request(6, b"1"), 2), ("ext", request(payload=b"3"), 30),
              ("ext", request(payload=b"1"), 61)]
    result = replay.run(FIRST, frames)
    assert payloads(result.left("int")) == [header() + b"1", b"2", header(6) + b"1", b"3",
                                            header() + b"1"]
    assert all(map(checksums_right, result.left("int")))


def test_replies_are_as_ever(replay):
    reply = from_backend(UDP(sport=5353, dport=5) / Raw(b"answer"))
    (out,) = replay.run(DNS, [("ext", request()), ("int", reply)]).left("ext")
    assert (out[IP].src, out[UDP].sport, bytes(out[UDP].payload)) == (VIP, 53, b"answer")
    assert checksums_right(out)


def test_a_datagram_that_did_not_leave_has_told_nobody(replay):
    """`first` is the first that a backend may have got: what is too big is not it."""
    large = request(payload=b"x" * 1472, flags="DF")
    result = replay.run(FIRST, [("ext", large), ("ext", request()), ("ext", request())])
    assert result.verdicts == ["too_big", "forwarded", "forwarded"]
    assert payloads(result.left("int")) == [header() + b"question", b"question"]


@pytest.mark.parametrize("size, verdict", [(1444, "forwarded"), (1445, "too_big")])
def test_the_mtu_holds_with_the_header(replay, size, verdict):
    """1500 less 20, 8 and 28: what does not fit is told the MTU that is left."""
    result = replay.run(DNS, [("ext", request(payload=b"x" * size, flags="DF"))])
    assert result.verdicts == [verdict]
    if verdict == "forwarded":
        assert len(result.left("int")[0]) == 14 + 1500
        return
    (error,) = result.left("ext")
    assert (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu) == (3, 4, 1472)
    assert checksums_right(error)


def test_what_may_be_fragmented_is(replay):
    payload = bytes(i % 251 for i in range(1472))
    result = replay.run(DNS, [("ext", request(payload=payload))])
    pieces = result.left("int")
    assert result.verdicts == ["forwarded"] and len(pieces) == 2
    assert all(len(p) <= 14 + 1500 for p in pieces)
    (whole,) = defragment(pieces)
    assert bytes(whole[UDP].payload) == header() + payload and checksums_right(whole)


def test_the_second_datagram_of_a_flow_has_all_the_room(replay):
    full = request(payload=b"x" * 1472, flags="DF")
    assert replay.run(FIRST, [("ext", request()), ("ext", full)]).verdicts == ["forwarded"] * 2


def test_a_datagram_of_64_kb_has_no_room_for_it(replay):
    """Its length has 16 bits; told before anything of it has left."""
    def piece(offset, size, more):
        header = struct.pack("!HHHH", 5, 53, 65507 + 8, 0) if not offset else b""
        return to_vip(Raw(header + b"x" * (size - len(header))), proto=17, id=7,
                      flags="MF" if more else 0, frag=offset // 8)

    pieces = [piece(offset, min(1480, 65515 - offset), offset + 1480 < 65515)
              for offset in range(0, 65515, 1480)]
    result = replay.run(DNS, [("ext", p) for p in pieces])
    assert set(result.verdicts) == {"too_big"} and result.left("int") == []


# Fragments: the first has the header, padded to 32 bytes, and the others move by as much.

def fragments_of(payload, *cuts, make=to_vip, **ports):
    whole = make(UDP(**(ports or {"sport": 5, "dport": 53})) / Raw(payload), id=77)
    data, edges = bytes(whole[UDP]), [0, *cuts, len(payload) + 8]
    return [make(Raw(data[a:b]), id=77, proto=17, frag=a // 8, flags="MF" if b < len(data) else 0)
            for a, b in zip(edges, edges[1:])]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("config", [DNS, FIRST], ids=["every", "first"])
def test_a_fragmented_datagram_arrives_whole_with_its_header(replay, config, order):
    payload = bytes(i % 249 for i in range(3000))
    pieces = fragments_of(payload, 1480, 2960)
    result = replay.run(config, [("ext", pieces[i]) for i in order])
    (whole,) = defragment(result.left("int"))
    padding = b"\x04\x00\x01\x00"   # PP2_TYPE_NOOP
    assert bytes(whole[UDP].payload) == header(padding=padding) + payload
    assert checksums_right(whole)
    assert all(len(p) <= 14 + 1500 for p in result.left("int"))


def test_the_fragments_of_a_later_datagram_of_first_are_as_they_came(replay):
    payload = bytes(i % 249 for i in range(2000))
    frames = [("ext", request())] + [("ext", p) for p in fragments_of(payload, 1480)]
    out = replay.run(FIRST, frames).left("int")
    (whole,) = defragment(out[1:])
    assert bytes(whole[UDP].payload) == payload and checksums_right(whole)


# ICMP errors about such datagrams are about what the client sent.

def error_about(packet, quoted, source="10.0.0.254", **icmp):
    quote = bytes(packet[IP])[:quoted]
    return (Ether(src=BACKENDS["10.0.0.11"], dst=INT) / IP(src=source, dst=CLIENT) /
            ICMP(type=3, **icmp) / Raw(quote))


@pytest.mark.parametrize("quoted", [28, 44, 56, 60, 200])
@pytest.mark.parametrize("code", [3, 4])
def test_an_error_quotes_what_the_client_sent(replay, code, quoted):
    asked = request(payload=bytes(range(100)))
    (left,) = replay.run(DNS, [("ext", asked)]).left("int")
    left[IP].ttl = 3
    del left[IP].chksum
    left = Ether(bytes(left))
    error = error_about(left, quoted, code=code, nexthopmtu=1400 if code == 4 else 0)
    result = replay.run(DNS, [("ext", asked), ("int", error)])
    assert result.verdicts == ["forwarded"] * 2
    (out,) = result.left("ext")
    assert checksums_right(out) or quoted < 156   # Scapy: of a cut quote, no checksum is right
    quote = IP(bytes(out[ICMP].payload))
    expected = IP(bytes(asked[IP]))
    assert bytes(quote)[20:] == bytes(expected)[20:len(quote)]
    assert (quote.src, quote.dst, quote.len) == (CLIENT, VIP, expected.len)
    assert len(quote) == max(28, min(quoted - 28, len(expected)))
    if code == 4:
        assert out[ICMP].nexthopmtu == 1400 - 28


def test_an_error_about_a_later_datagram_of_first_is_left_alone(replay):
    asked = request(payload=bytes(range(100)))
    frames = [("ext", request()), ("ext", asked)]
    _, left = replay.run(FIRST, frames).left("int")
    frames += [("int", error_about(left, 200, code=4, nexthopmtu=1400))]
    (out,) = replay.run(FIRST, frames).left("ext")
    quote = IP(bytes(out[ICMP].payload))
    assert bytes(quote)[20:] == bytes(asked[IP])[20:] and out[ICMP].nexthopmtu == 1400


# Without a flow

def crowd(config, last=1030):
    frames = [("ext", request(port, b"q"), port / 1e5) for port in range(1, last)]
    return config, frames


def test_every_needs_no_flow(replay):
    config, frames = crowd(SMALL)
    result = replay.run(config, frames)
    assert set(result.verdicts) == {"forwarded"} and result.stats["flows"]["stateless"] == 5
    assert payloads(result.left("int"))[-1] == header(1029) + b"q"


def test_first_needs_a_flow(replay):
    config, frames = crowd(SMALL.replace("every", "first"))
    result = replay.run(config, frames)
    assert result.verdicts == ["forwarded"] * 1024 + ["flow_table_full"] * 5


def test_of_protocol_any_tcp_has_no_header(replay):
    config = DNS.replace("53/udp", "53/any")
    tcp, udp = replay.run(config, [("ext", syn(5, 53)), ("ext", request())]).left("int")
    assert len(tcp) == 54 and payloads([udp]) == [header() + b"question"]


def test_a_checksum_of_zero_stays_zero(replay):
    (out,) = replay.run(DNS, [("ext", to_vip(UDP(sport=5, dport=53, chksum=0) / Raw(b"q")))]
                        ).left("int")
    assert out[UDP].chksum == 0 and payloads([out]) == [header() + b"q"]


def test_a_corrupt_datagram_stays_corrupt(replay):
    frame = bytearray(bytes(request()))
    frame[-1] ^= 1
    (out,) = replay.run(DNS, [("ext", Ether(bytes(frame)))]).left("int")
    assert not checksums_right(out)


def test_the_header_names_the_backend_that_was_chosen_and_its_port(replay):
    config = DNS + "add backend dns 10.0.0.12:0\n"
    out = replay.run(config, [("ext", request(port)) for port in range(1, 30)]).left("int")
    assert {p[IP].dst for p in out} == {"10.0.0.11", "10.0.0.12"}
    for p in out:
        port = 5353 if p[IP].dst == "10.0.0.11" else 53
        assert p[UDP].dport == port
        assert payloads([p]) == [header(p[UDP].sport, p[IP].dst, port) + b"question"]


def test_a_short_frame_that_was_padded(replay):
    """Ethernet's padding is none of the datagram's."""
    padded = bytes(request(payload=b"q")[IP]).ljust(46, b"\xee")
    frame = Ether(src=CLIENT_MAC, dst=EXT, type=0x800) / padded
    (out,) = replay.run(DNS, [("ext", frame)]).left("int")
    assert payloads([out]) == [header() + b"q"] and len(out) == 14 + 20 + 8 + 28 + 1


@pytest.mark.parametrize("config, source", [
    (DNS + "set service dns mode fullnat\n", "10.0.0.1"),
    (DNS + "set service dns source-rewrite 198.51.100.0/24 to 10.99.0.0/24\n", "10.99.0.7"),
], ids=["fullnat", "source-rewrite"])
def test_the_client_is_told_also_where_its_address_is_hidden(replay, config, source):
    out = replay.run(config, [("ext", request())]).left("int")
    assert out[0][IP].src == source and payloads(out) == [header() + b"question"]
    assert checksums_right(out[0])


def test_a_bump_in_the_wire_tells_as_well(replay):
    """MACs and TTL stay; what grows beyond the wire is cut, or told."""
    config = SINGLE + "set service dns proxy-protocol every\n"
    small, large = (to_router(request_of(datagram() / Raw(b"x" * size), **ip))
                    for size, ip in ((5, {}), (1472, {})))
    told = to_router(request_of(datagram() / Raw(b"x" * 1472), flags="DF"))
    result = replay.run(config, [("ext", small), ("ext", large), ("ext", told)])
    assert result.verdicts == ["forwarded", "forwarded", "too_big"]
    first, *pieces = result.out["int"]
    assert (first.src, first.dst, first[IP].ttl) == (small.src, small.dst, small[IP].ttl)
    (whole,) = defragment(pieces)
    for out, size in ((first, 5), (whole, 1472)):
        assert bytes(out[UDP].payload).startswith(SIGNATURE) and checksums_right(out)
        assert len(out[UDP].payload) == 28 + size
    assert result.out["ext"][0][ICMP].nexthopmtu == 1472
