"""Jumbo frames through a hop, sides of different MTU. Across a bump in the wire: test_bump.py."""
import hashlib
import os
import re
import socket

import pytest

from lab import BACKENDS, CLIENT, INTERFACES, VIP, Digest, UdpEcho, wait_until

ALL = INTERFACES + "add pool all\nadd backend all 10.0.0.11:0\n" + \
    f"add service all {VIP}:0/any pool all\n"
JUMBO, PLAIN = 9000, 1500
FRONT = [("client", "eth0"), ("appliance", "ext")]
BACK = [("appliance", "int"), ("switch", "appliance"),
        *[(node, "eth0") for node in BACKENDS], *[("switch", node) for node in BACKENDS]]


def set_mtu(lab, links, mtu):
    for node, interface in links:
        lab.link(node, "set", interface, "mtu", mtu)
    for node in ("client", *BACKENDS):    # what was learnt of the path before
        lab.run(node, "ip", "route", "flush", "cache")


@pytest.fixture
def mtu(appliance, lab):
    def change(front, back):
        set_mtu(lab, FRONT, front)
        set_mtu(lab, BACK, back)
        wait_until(lambda: {row["name"]: row["mtu"] for row in appliance.show("interface")} ==
                   {"ext": front, "int": back}, 5, "lbd sees the MTUs")
    appliance.configure(ALL)
    yield change
    set_mtu(lab, FRONT + BACK, PLAIN)


def echo(lab, sizes, tries):
    """Datagrams there and back; each try may find out the MTU of one more link."""
    server = UdpEcho(lab, "b1", 7000)
    try:
        with lab.socket("client", socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(1)
            datagrams.connect((VIP, 7000))
            for size in sizes:
                data = os.urandom(size)
                for attempt in range(tries):
                    try:
                        datagrams.send(data)
                        assert datagrams.recv(65536) == b"b1 " + data
                        break
                    except OSError:
                        assert attempt + 1 < tries, f"{size} bytes"
    finally:
        server.close()


def upload(lab):
    data = os.urandom(4 << 20)
    server = Digest(lab, "b1", 7001)
    try:
        with lab.socket("client", socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.settimeout(20)
            stream.connect((VIP, 7001))
            stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)
            assert stream.recv(100).decode() == hashlib.sha256(data).hexdigest()
    finally:
        server.close()


def test_a_jumbo_frame_waits_for_its_neighbor(appliance, lab, mtu):
    """The very first frame to a backend, of 9,000 bytes: nothing of it is lost."""
    mtu(JUMBO, JUMBO)
    assert not [row for row in appliance.show("neighbor") if row["address"] == "10.0.0.11"]
    echo(lab, [JUMBO - 28], tries=1)
    assert not appliance.drops()


@pytest.mark.parametrize("size", [8900, JUMBO - 28])
def test_pings_with_jumbo_payloads(appliance, lab, mtu, size):
    mtu(JUMBO, JUMBO)
    said = lab.run("client", "ping", "-c", "3", "-i", "0.1", "-M", "do", "-s", size, VIP,
                   check=False).stdout
    assert "3 received" in said, said


@pytest.mark.parametrize("front, back", [(JUMBO, JUMBO), (JUMBO, PLAIN), (PLAIN, JUMBO)])
def test_tcp_and_udp_between_sides_of_different_mtu(appliance, lab, mtu, front, back):
    mtu(front, back)
    upload(lab)
    echo(lab, (1000, 8900, 40000), tries=1 if front == back else 4)


def test_the_narrower_side_is_told_to_who_sends_too_much(appliance, lab, mtu):
    mtu(JUMBO, PLAIN)
    said = lab.run("client", "tracepath", "-n", VIP).stdout
    assert "Resume: pmtu 1500" in said, said
    appliance.lb("set global forwarding on")
    mtu(PLAIN, JUMBO)
    said = lab.run("b1", "ping", "-c", "1", "-W", "2", "-s", "8900", "-M", "do", CLIENT,
                   check=False).stdout
    assert re.search(r"From 10\.0\.0\.1 .*Frag needed.*mtu = 1500", said), said
