"""What ends UDP flows, with real programs: dig and dnsmasq, iperf3, a client that goes on and on."""
import json
import socket
import subprocess
import threading
import time

import pytest

from lab import CLIENT, INTERFACES, VIP, UdpEcho, wait_until

UDP_SEGMENT = 103   # linux/udp.h


def service(pool, backend, options, port=53, protocol="udp"):
    return (f"add pool {pool}\nadd backend {pool} {backend}\n"
            f"add service {pool} {VIP}:{port}/{protocol} pool {pool} {options}\n")


def closed(appliance):
    flows = appliance.show("stats")["flows"]
    assert flows["created"] - flows["closed"] == flows["live"]
    return {name[7:]: count for name, count in flows.items()
            if name.startswith("closed_") and count}


@pytest.fixture
def datagrams(lab):
    """A socket of the client, connected to the VIP's port 53."""
    with lab.socket("client", socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(5)
        made.connect((VIP, 53))
        yield made


@pytest.fixture
def dns(lab, tmp_path):
    """dnsmasq on b1, which knows one name."""
    process = lab.start("b1", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
                        "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
                        "--edns-packet-max=4096",
                        "--host-record=www.example.org,192.0.2.80",
                        "--txt-record=long.example.org," + ",".join(["x" * 200] * 12),
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: ":53" in lab.run("b1", "ss", "-lun").stdout, 10, "dnsmasq listens")
    yield process
    process.kill()
    process.wait(10)


def dig(lab, *words):
    return lab.run("client", "dig", f"@{VIP}", "+short", "+tries=1", "+time=3", *words).stdout


def test_dns_with_one_response_a_flow(appliance, lab, dns):
    """Each question is a flow that its answer ends: nothing is left, however many ask."""
    appliance.configure(INTERFACES + service("dns", "10.0.0.11:53", "responses 1"))
    for _ in range(5):
        assert dig(lab, "www.example.org").strip() == "192.0.2.80"
    # Answers larger than a packet come in fragments, and are one response.
    assert dig(lab, "long.example.org", "TXT", "+bufsize=4096", "+ignore").count("x") == 2400
    flows = appliance.show("stats")["flows"]
    assert (flows["created"], flows["live"]) == (6, 0)
    assert closed(appliance) == {"responses": 6}


def test_dns_by_a_client_that_keeps_its_port(appliance, lab, dns):
    appliance.configure(INTERFACES + service("dns", "10.0.0.11:53", "responses 1"))
    for _ in range(3):
        assert dig(lab, "-b", f"{CLIENT}#40000", "www.example.org").strip() == "192.0.2.80"
    assert closed(appliance) == {"responses": 3}


def test_bulk_udp_goes_on_across_many_lifetimes(appliance, lab):
    """A flow that is too old ends, the next datagram begins another: none is lost on the way."""
    appliance.configure(INTERFACES + service("bulk", "10.0.0.11:0", "lifetime 1", 5201, "any"))
    server = lab.start("b1", "iperf3", "--server", "--one-off", stdout=subprocess.DEVNULL)
    wait_until(lambda: ":5201" in lab.run("b1", "ss", "-ltn").stdout, 5, "iperf3 listens")
    client = lab.run("client", "iperf3", "--client", VIP, "--udp", "--bitrate", "40M", "--length",
                     "1400", "--time", 4, "--json", check=False, timeout=40)
    result = json.loads(client.stdout)
    assert "error" not in result, result["error"]
    server.wait(10)
    total = result["end"]["sum"]
    assert total["packets"] > 5000 and total["lost_percent"] < 1, total
    assert closed(appliance)["lifetime"] >= 3


def test_requests_are_used_up_and_replies_come(appliance, lab, datagrams):
    server = UdpEcho(lab, "b1", 53)
    appliance.configure(INTERFACES + service("dns", "10.0.0.11:53", "requests 2 idle-timeout 1"))
    try:
        for text in (b"one", b"two"):
            datagrams.send(text)
            assert datagrams.recv(100) == b"b1 " + text
        datagrams.send(b"three")
        wait_until(lambda: appliance.drops().get("requests_used_up") == 1, 5, "it is refused")
        (flow,) = appliance.show("flow")
        assert (flow["requests_left"], flow["responses_left"]) == (0, None)
        wait_until(lambda: closed(appliance) == {"requests": 1}, 5, "the flow's end")
        datagrams.send(b"four")
        assert datagrams.recv(100) == b"b1 four"
    finally:
        server.close()


def test_a_chatty_client_leaves_a_draining_backend(appliance, lab, datagrams):
    """It never falls silent: its lifetime ends the flow, and the next one is another backend's."""
    servers = [UdpEcho(lab, node, 53) for node in ("b1", "b2")]
    appliance.configure(INTERFACES + service("dns", "10.0.0.11:53", "lifetime 2"))
    talking = True

    def talk():
        while talking:
            datagrams.send(b"still here")
            time.sleep(0.02)

    talker = threading.Thread(target=talk, daemon=True)
    talker.start()
    try:
        assert datagrams.recv(100).startswith(b"b1 ")
        appliance.lb("add backend dns 10.0.0.12:53")
        result = appliance.lb("drain backend dns 10.0.0.11:53 wait", timeout=20)
        assert result.status == 0 and appliance.backend("10.0.0.11")["active_flows"] == 0
        wait_until(lambda: datagrams.recv(100).startswith(b"b2 "), 5, "the other one answers")
        assert closed(appliance)["lifetime"] >= 1
    finally:
        talking = False
        talker.join(5)
        for server in servers:
            server.close()


def test_requests_of_a_super_frame_are_its_datagrams(appliance, lab, datagrams):
    server = UdpEcho(lab, "b1", 53)
    appliance.configure(INTERFACES + service("dns", "10.0.0.11:53", "requests 3"))
    try:
        datagrams.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 10)
        datagrams.send(b"0123456789" * 5)
        assert [datagrams.recv(100) for _ in range(3)] == [b"b1 0123456789"] * 3
        assert appliance.show("flow")[0]["requests_left"] == 0
        datagrams.settimeout(0.3)
        with pytest.raises(TimeoutError):
            datagrams.recv(100)
    finally:
        server.close()
