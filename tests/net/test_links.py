"""Interfaces that are missing, come, go, and change while lbd runs. No restart, no command: what
returns is picked up again by itself."""
import contextlib
import socket
import threading
import time

import pytest
from scapy.layers.l2 import ARP, Ether

from lab import BACKENDS, EXT, EXT_MAC, VIP, WEB, wait_until


def request(lab):
    curl = lab.run("client", "curl", "-s", "--max-time", "2", f"http://{VIP}/", check=False)
    return curl.returncode == 0 and curl.stdout.strip() in BACKENDS


def wait_for_service(lab, seconds=15):
    wait_until(lambda: request(lab), seconds, "a request through the VIP succeeds")


@pytest.fixture
def ext(lab):
    """Names of ext for a while; at the end it is ext again, up, with its first MAC and MTU."""
    yield
    for name in ("away", "ext"):
        lab.run("appliance", "ip", "link", "set", name, "down", check=False)
    lab.run("appliance", "ip", "link", "set", "away", "name", "ext", check=False)
    lab.link("appliance", "set", "ext", "address", "02:00:c6:33:64:01", "mtu", "1500", "up")
    lab.run("client", "ip", "neigh", "flush", "dev", "eth0")


def rename(lab, old, new):
    lab.link("appliance", "set", old, "down")
    lab.link("appliance", "set", old, "name", new)
    lab.link("appliance", "set", new, "up")


def test_an_interface_that_appears_later(make_appliance, web, lab, ext):
    rename(lab, "ext", "away")
    appliance = make_appliance().start()
    appliance.configure(WEB)
    assert appliance.interface("ext")["state"] == "missing"
    assert not request(lab)
    rename(lab, "away", "ext")
    wait_until(lambda: appliance.interface("ext")["state"] == "up", 5, "ext is picked up")
    wait_for_service(lab)


def test_a_link_that_goes_down_and_up(balanced_web, lab, ext):
    assert request(lab)
    lab.link("appliance", "set", "ext", "down")
    wait_until(lambda: balanced_web.interface("ext")["state"] == "down", 5, "lbd sees it down")
    lab.link("appliance", "set", "ext", "up")
    wait_until(lambda: balanced_web.interface("ext")["state"] == "up", 5, "lbd sees it up")
    wait_for_service(lab)


def test_a_backend_link_that_goes_down_and_up(balanced_web, lab):
    lab.link("appliance", "set", "int", "down")
    try:
        wait_until(lambda: all(row["state"] == "down" for row in balanced_web.show("backend")), 15,
                   "all backends are down")
    finally:
        lab.link("appliance", "set", "int", "up")
    balanced_web.wait_all_up()
    wait_for_service(lab)


def test_no_answer_from_another_mac_than_its_own(balanced_web, lab, client, ext):
    """Also to who asks in the very moment in which the interface comes."""
    question = bytes(Ether(src=client.mac, dst="ff:ff:ff:ff:ff:ff") /
                     ARP(op=1, hwsrc=client.mac, psrc=client.address, pdst=EXT))
    asking = threading.Event()

    def ask():
        while asking.is_set():
            with contextlib.suppress(OSError):   # while there is no carrier
                client.send(question)
            time.sleep(0.0002)

    for _ in range(5):
        rename(lab, "ext", "away")
        wait_until(lambda: balanced_web.interface("ext")["state"] == "missing", 5, "it is gone")
        client.drain()
        asking.set()
        asker = threading.Thread(target=ask)
        asker.start()
        lab.link("appliance", "set", "away", "name", "ext", "up")
        answer = client.receive(lambda packet: ARP in packet and packet[ARP].op == 2, 5)
        asking.clear()
        asker.join()
        assert answer and answer[ARP].hwsrc == EXT_MAC


def announcements(client):
    """Moments of the VIP's gratuitous ARP, until there has been none for a while."""
    heard = []
    while client.receive(lambda p: ARP in p and p[ARP].psrc == p[ARP].pdst == VIP,
                         2.5 if heard else 10):
        heard.append(time.monotonic())
    return heard


def test_the_vip_is_announced_three_times_at_start_and_on_link_up(make_appliance, lab, client, ext):
    """The very first of them right away: neighbors that know another MAC lose no second."""
    appliance = make_appliance().start()
    appliance.configure(WEB)
    assert len(announcements(client)) == 3
    appliance.stop()
    client.drain()
    begin = time.monotonic()
    appliance.start()
    heard = announcements(client)
    assert len(heard) == 3 and heard[1] - heard[0] < 1.5 and heard[0] - begin < 5
    lab.link("appliance", "set", "ext", "down")
    wait_until(lambda: appliance.interface("ext")["state"] == "down", 5, "lbd sees it down")
    client.drain()
    lab.link("appliance", "set", "ext", "up")
    assert len(announcements(client)) == 3


def test_lost_carrier(balanced_web, lab):
    """The other end of the cable goes down."""
    lab.link("client", "set", "eth0", "down")
    try:
        wait_until(lambda: balanced_web.interface("ext")["state"] == "down", 5, "lbd sees it down")
    finally:
        lab.link("client", "set", "eth0", "up")
        lab.run("client", "ip", "route", "replace", "203.0.113.0/24", "via", "198.51.100.1")
    wait_until(lambda: balanced_web.interface("ext")["state"] == "up", 5, "lbd sees it up")
    wait_for_service(lab)


def test_renamed_away_and_back(balanced_web, lab, ext):
    rename(lab, "ext", "away")
    wait_until(lambda: balanced_web.interface("ext")["state"] == "missing", 5, "lbd misses it")
    assert not request(lab)
    rename(lab, "away", "ext")
    wait_until(lambda: balanced_web.interface("ext")["state"] == "up", 5, "lbd has it back")
    wait_for_service(lab)


def test_deleted_and_made_anew(balanced_web, lab):
    """The same name, another index: a hot-plugged card."""
    before = balanced_web.interface("ext")
    lab.link("appliance", "delete", "ext")
    wait_until(lambda: balanced_web.interface("ext")["state"] == "missing", 5, "lbd misses it")
    lab.link("client", "add", "eth0", "type", "veth", "peer", "name", "ext", "netns",
             lab.namespace("appliance"))
    lab.link("appliance", "set", "ext", "address", before["mac"], "up")
    lab.link("client", "set", "eth0", "address", "02:00:c6:33:64:07", "up")
    lab.run("client", "ip", "address", "add", "198.51.100.7/24", "dev", "eth0")
    lab.run("client", "ip", "route", "add", "203.0.113.0/24", "via", "198.51.100.1")
    wait_until(lambda: balanced_web.interface("ext")["state"] == "up", 5, "lbd has it back")
    wait_for_service(lab)


@pytest.mark.parametrize("mtu", [1400, 9000])
def test_the_mtu_changes(balanced_web, lab, ext, mtu):
    lab.link("appliance", "set", "ext", "mtu", mtu)
    wait_until(lambda: balanced_web.interface("ext")["mtu"] == mtu, 5, "lbd sees the MTU")
    wait_for_service(lab)


def test_the_mac_changes(balanced_web, lab, ext):
    lab.link("appliance", "set", "ext", "address", "02:00:00:00:be:ef")
    wait_until(lambda: balanced_web.interface("ext")["mac"] == "02:00:00:00:be:ef", 5,
               "lbd sees the MAC")
    lab.run("client", "ip", "neigh", "flush", "dev", "eth0")
    wait_for_service(lab)
    entry = lab.run("client", "ip", "neigh", "show", "198.51.100.1").stdout
    assert "02:00:00:00:be:ef" in entry


def test_an_established_connection_survives_a_short_outage(balanced_web, lab, content, ext):
    (content / "outage").write_bytes(b"x" * (512 << 10))
    stream = lab.socket("client", socket.AF_INET, socket.SOCK_STREAM)
    try:
        stream.settimeout(30)
        stream.connect((VIP, 80))
        stream.sendall(b"GET /slow/outage HTTP/1.0\r\n\r\n")
        received = len(stream.recv(1000))
        lab.link("appliance", "set", "ext", "down")
        wait_until(lambda: balanced_web.interface("ext")["state"] == "down", 5, "it is down")
        lab.link("appliance", "set", "ext", "up")
        while data := stream.recv(65536):
            received += len(data)
        assert received > 512 << 10
    finally:
        stream.close()
        (content / "outage").unlink()
