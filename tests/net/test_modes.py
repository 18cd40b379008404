"""Every forwarding mode, in two arms and in one, with real hosts: the same for all of them."""
import errno
import hashlib
import json
import os
import re
import socket
import subprocess

import pytest

from lab import VIP, Digest, Nginx, UdpEcho, wait_until
from modes import ARMS, BACKENDS, MODES, MTU, ModeLab

NARROW = 1300
TRANSFER = 8 << 20


@pytest.fixture(scope="module", params=[(mode, arm) for mode in MODES for arm in ARMS],
                ids=lambda param: f"{param[0].name}, {param[1]}")
def lab(request):
    lab = ModeLab(*request.param)
    yield lab
    lab.close()


@pytest.fixture
def balance(appliance, lab):
    """Puts lbd in front of these nodes, every port of them."""
    def configure(*nodes):
        appliance.configure(lab.interfaces + lab.service("all", *nodes))
        # Neighbors are known, so that what is measured is not ARP.
        for node in nodes:
            lab.run("client", "ping", "-c", "1", "-W", "2", VIP)
        return appliance
    return configure


@pytest.fixture
def narrow(lab):
    yield lambda where: lab.narrow(where, NARROW)
    for where in ("client", "far"):
        lab.narrow(where, MTU)


def test_every_backend_answers_requests(balance, lab, content, tmp_path):
    nodes = [node for node in BACKENDS if lab.mode.far or node != "far"]
    servers = [Nginx(lab, node, tmp_path / node, content) for node in nodes]
    balance(*nodes)
    try:
        curl = lab.run("client", "curl", "-sS", "--max-time", "10", f"http://{VIP}/?[1-80]")
        names = curl.stdout.split()
        assert len(names) == 80 and set(names) == set(nodes)
    finally:
        for server in servers:
            server.kill()


def iperf3(lab, *words, seconds=3):
    server = lab.start("b1", "iperf3", "--server", "--one-off", "--bind",
                       lab.mode.server_address("b1"), stdout=subprocess.DEVNULL)
    wait_until(lambda: ":5201" in lab.run("b1", "ss", "-ltn").stdout, 5, "iperf3 listens")
    client = lab.run("client", "iperf3", "--client", VIP, "--time", seconds, "--json", *words,
                     check=False, timeout=seconds + 30)
    result = json.loads(client.stdout)
    assert "error" not in result, result["error"]
    server.wait(10)
    return result["end"]


@pytest.mark.parametrize("direction", ["to the backend", "to the client"])
def test_bulk_tcp(balance, lab, direction):
    balance("b1")
    sent = iperf3(lab, *(["--reverse"] if "client" in direction else []))["sum_sent"]
    assert sent["retransmits"] < 0.01 * sent["bytes"] / 1448, sent


@pytest.mark.parametrize("direction", ["to the backend", "to the client"])
def test_bulk_udp(balance, lab, direction):
    balance("b1")
    words = ["--udp", "--bitrate", "40M", "--length", "1400"]
    end = iperf3(lab, *words, *(["--reverse"] if "client" in direction else []))["sum"]
    assert end["packets"] > 5000 and end["lost_percent"] < 1, end


def ask(datagrams, data):
    """The answer to a datagram, which is sent again where its sender has to learn an MTU first."""
    datagrams.send(data)
    try:
        return datagrams.recv(65536)
    except OSError as error:
        if error.errno != errno.EMSGSIZE:
            raise
    datagrams.send(data)
    return datagrams.recv(65536)


def test_datagrams_of_every_size(balance, lab):
    """Also those that their sender cuts into fragments, there and back."""
    server = UdpEcho(lab, "b1", 7000)
    balance("b1")
    try:
        with lab.socket("client", socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(5)
            datagrams.connect((VIP, 7000))
            for size in (0, 1, 1000, 1469, 1472, 1473, 4000, 20000, 60000):
                data = os.urandom(size)
                assert ask(datagrams, data) == b"b1 " + data, f"{size} bytes"
    finally:
        server.close()


def test_ping(balance, lab):
    balance("b1")
    ping = lab.run("client", "ping", "-q", "-c", "5", "-i", "0.05", "-s", "1400", VIP, check=False)
    assert "5 packets transmitted, 5 received" in ping.stdout, ping.stdout


def unreachable_sent(lab, *nodes):
    """How often these have said "unreachable", of which "fragmentation needed" is one."""
    total = 0
    for node in nodes:
        lines = [line.split() for line in lab.run(node, "cat", "/proc/net/snmp").stdout.split("\n")
                 if line.startswith("Icmp:")]
        total += int(dict(zip(*lines))["OutDestUnreachs"])
    return total


def upload(lab, server):
    data = os.urandom(TRANSFER)
    with lab.socket("client", socket.AF_INET, socket.SOCK_STREAM) as stream:
        stream.settimeout(20)
        stream.connect((VIP, server.port))
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        return stream.recv(100).decode() == hashlib.sha256(data).hexdigest()


def test_an_upload_finds_the_mtu_of_a_narrow_link_behind(balance, lab, narrow):
    """A router far behind the appliance tells, about what the appliance sent it."""
    if not lab.mode.far:
        pytest.skip("this mode has its backends on the appliance's links")
    server = Digest(lab, "far", 7001)
    balance("far")
    narrow("far")
    before = unreachable_sent(lab, "core")
    try:
        assert upload(lab, server)
    finally:
        server.close()
    assert unreachable_sent(lab, "core") > before


def test_a_download_finds_the_mtu_of_a_narrow_link_in_front(balance, lab, content, tmp_path,
                                                            narrow):
    """A router far in front of the appliance tells, about a backend's reply."""
    data = os.urandom(TRANSFER)
    (content / "download").write_bytes(data)
    server = Nginx(lab, "b1", tmp_path / "b1", content)
    balance("b1")
    narrow("client")
    before = unreachable_sent(lab, "edge")
    try:
        lab.run("client", "curl", "-sS", "--max-time", "20", "-o", tmp_path / "got",
                f"http://{VIP}/download")
        assert (tmp_path / "got").read_bytes() == data
    finally:
        server.kill()
        (content / "download").unlink()
    assert unreachable_sent(lab, "edge") > before


@pytest.mark.parametrize("where", ["client", "far"])
def test_tracepath_sees_the_whole_path(balance, lab, narrow, where):
    """Errors of every router on the way, and the backend's own, come back to who asked."""
    if where == "far" and not lab.mode.far:
        pytest.skip("this mode has its backends on the appliance's links")
    balance("far" if lab.mode.far else "b1")
    narrow(where)
    said = lab.run("client", "tracepath", "-n", "-m", "12", VIP, timeout=60).stdout
    assert f"{VIP} " in said and "reached" in said, said
    expected = NARROW - (lab.mode.overhead if where == "far" else 0)
    assert re.search(rf"Resume: pmtu {expected}\b", said), said
