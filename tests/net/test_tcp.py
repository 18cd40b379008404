"""Real TCP and UDP through the appliance, the senders' offloads left on."""
import hashlib
import json
import os
import socket
import subprocess

import pytest

from lab import (BACKENDS, CHI_SQUARE_LIMIT, CLIENT, INTERFACES, VIP, Digest, Download,
                 UdpEcho, chi_square, wait_until)

LONG = bool(os.environ.get("LB_LONG"))   # the full sizes of the acceptance run
IPERF_SECONDS = 30 if LONG else 4
CHECKSUM_BYTES = (1024 if LONG else 256) << 20


def answers(lab, count, url=f"http://{VIP}/"):
    """How often each backend answered `count` requests, a connection each; all must succeed."""
    curl = lab.run("client", "curl", "-sS", "--max-time", "10", f"{url}?[1-{count}]", check=False,
                   timeout=60)
    assert curl.returncode == 0 and not curl.stderr, curl.stderr
    names = curl.stdout.split()
    assert len(names) == count
    return [names.count(name) for name in BACKENDS]


@pytest.fixture
def download(content):
    """Two megabytes, eight seconds at the servers' slow rate."""
    data = os.urandom(2 << 20)
    (content / "big").write_bytes(data)
    yield hashlib.sha256(data).hexdigest()
    (content / "big").unlink()


def test_a_thousand_requests_are_shared_equally(balanced_web, lab):
    counts = answers(lab, 1000)
    assert sum(counts) == 1000
    assert chi_square(counts, [1, 1, 1]) < CHI_SQUARE_LIMIT[2], counts


def test_a_thousand_requests_are_shared_by_weight(balanced_web, lab):
    balanced_web.configure("set backend web 10.0.0.12:80 weight 2\n"
                           "set backend web 10.0.0.13:80 weight 5\n")
    counts = answers(lab, 1000)
    assert sum(counts) == 1000
    assert chi_square(counts, [1, 2, 5]) < CHI_SQUARE_LIMIT[2], counts


def test_weight_zero_gets_nothing_new(balanced_web, lab):
    balanced_web.configure("set backend web 10.0.0.12:80 weight 0\n")
    counts = answers(lab, 300)
    assert counts[1] == 0 and sum(counts) == 300


def test_the_backend_sees_the_clients_address(balanced_web, lab, download):
    curl = lab.start("client", "curl", "-s", f"http://{VIP}/slow/big", stdout=subprocess.DEVNULL)
    wait_until(lambda: any(CLIENT in lab.run(node, "ss", "-Htn", "sport", "=", ":80").stdout
                           for node in BACKENDS), 5, "a backend has a connection of the client")
    assert CLIENT in balanced_web.lb("show flow").output
    curl.kill()


def test_long_downloads_survive_every_change_of_the_backends(appliance, web, lab, download,
                                                             tmp_path):
    appliance.configure(INTERFACES + """\
        add check web-hc tcp port 80 interval 1 timeout 1
        add pool web check web-hc
        add backend web 10.0.0.11:80 weight 1
        add backend web 10.0.0.12:80 weight 1
        add service web 203.0.113.10:80/tcp pool web
        """)
    appliance.wait_all_up()
    running = [Download(lab, f"http://{VIP}/slow/big", tmp_path / f"{number}")
               for number in range(12)]
    wait_until(lambda: sum(row["active_flows"] for row in appliance.show("backend")) >= 12, 5,
               "all downloads run")
    assert all(row["active_flows"] for row in appliance.show("backend")), "by chance one in 4,000"

    for change in ("add backend web 10.0.0.13:80 weight 3", "set backend web 10.0.0.11:80 weight 9",
                   "drain backend web 10.0.0.12:80", "set backend web 10.0.0.11:80 weight 0",
                   "enable backend web 10.0.0.12:80", "set backend web 10.0.0.11:80 weight 1",
                   "set pool web affinity source-ip", "drain backend web 10.0.0.11:80"):
        appliance.lb(change)
        if "add" in change:
            appliance.wait_backend("10.0.0.13", "up")
        assert sum(answers(lab, 50)) == 50, change
        assert all(one.is_running() for one in running), f"a download ended at: {change}"
    assert [one.digest() for one in running] == [download] * 12


def test_requests_succeed_while_the_backends_change(balanced_web, lab):
    """A thousand requests in one stream, changes all along, not one lost."""
    curl = lab.start("client", "curl", "-sS", "--rate", "400/s", "--max-time", "10",
                     f"http://{VIP}/?[1-1000]", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    changes = 0
    while curl.poll() is None:
        for change in ("drain backend web 10.0.0.12:80", "set backend web 10.0.0.13:80 weight 7",
                       "enable backend web 10.0.0.12:80", "set backend web 10.0.0.13:80 weight 1"):
            balanced_web.lb(change)
            changes += 1
    output, error = curl.communicate()
    assert curl.returncode == 0 and not error, error
    assert len(output.split()) == 1000
    assert changes >= 8


PERF = INTERFACES + """\
add pool perf
add backend perf 10.0.0.11:0 weight 1
add service perf 203.0.113.10:0/any pool perf
"""


@pytest.mark.parametrize("direction", ["to the backend", "to the client"])
@pytest.mark.timeout(120)
def test_bulk_tcp_neither_stalls_nor_storms(appliance, lab, direction):
    appliance.configure(PERF)
    server = lab.start("b1", "iperf3", "--server", "--one-off", stdout=subprocess.DEVNULL)
    wait_until(lambda: ":5201" in lab.run("b1", "ss", "-ltn").stdout, 5, "iperf3 listens")
    words = ["iperf3", "--client", VIP, "--time", IPERF_SECONDS, "--json"]
    if direction == "to the client":
        words.append("--reverse")
    result = json.loads(lab.run("client", *words, check=False, timeout=IPERF_SECONDS + 30).stdout)
    assert "error" not in result, result["error"]
    server.wait(10)

    rates = [interval["sum"]["bits_per_second"] for interval in result["intervals"]]
    assert min(rates) > 0.1 * max(rates), f"a stall: {rates}"
    sent = result["end"]["sum_sent"]
    segments = sent["bytes"] / 1448
    assert sent["retransmits"] < 0.01 * segments, sent
    print(f"{sent['bits_per_second'] / 1e9:.2f} Gbit/s, {sent['retransmits']} retransmits")


@pytest.mark.timeout(180)
def test_a_large_download_arrives_unharmed(balanced_web, lab, content):
    block = os.urandom(1 << 20)
    digest = hashlib.sha256()
    with open(content / "huge", "wb") as file:
        for number in range(CHECKSUM_BYTES >> 20):
            part = number.to_bytes(8, "big") + block[8:]
            file.write(part)
            digest.update(part)
    try:
        curl = lab.start("client", "curl", "-sS", f"http://{VIP}/huge", stdout=subprocess.PIPE)
        arrived = hashlib.sha256()
        while data := curl.stdout.read(1 << 20):
            arrived.update(data)
        assert curl.wait(10) == 0
        assert arrived.hexdigest() == digest.hexdigest()
    finally:
        (content / "huge").unlink()


@pytest.mark.timeout(180)
def test_a_large_upload_arrives_unharmed(appliance, lab):
    appliance.configure(PERF)
    server = Digest(lab, "b1", 7001)
    block = os.urandom(1 << 20)
    digest = hashlib.sha256()
    try:
        with lab.socket("client", socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.settimeout(30)
            stream.connect((VIP, 7001))
            for number in range(CHECKSUM_BYTES >> 20):
                part = number.to_bytes(8, "big") + block[8:]
                stream.sendall(part)
                digest.update(part)
            stream.shutdown(socket.SHUT_WR)
            assert stream.recv(100).decode() == digest.hexdigest()
    finally:
        server.close()


def test_udp_echo_of_every_size(appliance, lab):
    """Up to what needs no fragments, and beyond: datagrams that the sender's kernel cuts up."""
    appliance.configure(PERF)
    server = UdpEcho(lab, "b1", 7000)
    try:
        with lab.socket("client", socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(5)
            datagrams.connect((VIP, 7000))
            for size in (0, 1, 2, 3, 100, 1000, 1469, 1472, 1473, 4000, 20000, 60000):
                data = os.urandom(size)
                datagrams.send(data)
                assert datagrams.recv(65536) == b"b1 " + data, f"{size} bytes"
    finally:
        server.close()


def test_udp_flows_stay_where_they_are(appliance, lab):
    appliance.configure(INTERFACES + """\
        add pool echo
        add backend echo 10.0.0.11:7000 weight 1
        add backend echo 10.0.0.12:7000 weight 1
        add service echo 203.0.113.10:53/udp pool echo
        """)
    servers = [UdpEcho(lab, node, 7000) for node in BACKENDS]
    clients = []

    def ask_all():
        names = []
        for number, datagrams in enumerate(clients):
            datagrams.send(b"%d" % number)
            name, text = datagrams.recv(100).split()
            assert text == b"%d" % number
            names.append(name)
        return names

    try:
        for _ in range(100):
            datagrams = lab.socket("client", socket.AF_INET, socket.SOCK_DGRAM)
            datagrams.settimeout(5)
            datagrams.connect((VIP, 53))
            clients.append(datagrams)
        first = ask_all()
        assert set(first) == {b"b1", b"b2"}
        appliance.lb("add backend echo 10.0.0.13:7000 weight 4")
        assert ask_all() == first, "a live flow has moved"
        appliance.lb("set backend echo 10.0.0.11:7000 weight 0")
        assert ask_all() == first, "a live flow has moved"
    finally:
        for datagrams in clients:
            datagrams.close()
        for server in servers:
            server.close()


def test_jumbo_frames_and_back(balanced_web, lab, content):
    (content / "jumbo").write_bytes(bytes(5 << 20))
    nodes = [("client", "eth0"), ("appliance", "ext"), ("appliance", "int"),
             ("switch", "appliance")]
    nodes += [(node, "eth0") for node in BACKENDS] + [("switch", node) for node in BACKENDS]
    try:
        for mtu in (9000, 1500):
            for node, interface in nodes:
                lab.link(node, "set", interface, "mtu", mtu)
            for interface in ("ext", "int"):
                wait_until(lambda: balanced_web.interface(interface)["mtu"] == mtu, 5,
                           f"lbd sees MTU {mtu} of {interface}")
            size = lab.run("client", "curl", "-sS", "--retry", "3", "--max-time", "10", "-o",
                           "/dev/null", "-w", "%{size_download}", f"http://{VIP}/jumbo").stdout
            assert int(size) == 5 << 20
            ping = lab.run("client", "ping", "-c", "1", "-W", "2", "-M", "do", "-s", mtu - 28, VIP,
                           check=False)
            assert ping.returncode == 0, ping.stdout
    finally:
        (content / "jumbo").unlink()


def test_without_offloads_it_works_the_same(balanced_web, lab):
    """Plain frames, as from a real NIC with everything off."""
    links = [("client", "eth0"), ("b1", "eth0"), ("b2", "eth0"), ("b3", "eth0")]
    try:
        for node, interface in links:
            lab.run(node, "ethtool", "-K", interface, "tx", "off", "gso", "off", "tso", "off")
        assert sum(answers(lab, 100)) == 100
    finally:
        for node, interface in links:
            lab.run(node, "ethtool", "-K", interface, "tx", "on", "gso", "on", "tso", "on")


def test_statistics_hold_at_any_instant(balanced_web, lab, content):
    """The conservation law is read a hundred times while the rings are busy."""
    (content / "busy").write_bytes(bytes(20 << 20))
    curl = lab.start("client", "curl", "-sS", "-o", "/dev/null", f"http://{VIP}/busy?[1-20]",
                     stderr=subprocess.PIPE)
    try:
        for _ in range(100):
            balanced_web.check_conservation()
        assert curl.wait(60) == 0, curl.stderr.read()
    finally:
        (content / "busy").unlink()
    total = sum(row["received"] for row in balanced_web.show("stats")["interface"])
    assert total > 10000


def test_ping_of_the_vip(balanced_web, lab):
    ping = lab.run("client", "ping", "-q", "-c", "10", "-i", "0.05", VIP, check=False)
    assert "10 packets transmitted, 10 received" in ping.stdout, ping.stdout
