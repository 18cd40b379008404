"""Mode fullnat with real hosts: what no other mode can. What all modes can is in test_modes.py."""
import hashlib
import os
import socket

import pytest

from lab import VIP, Digest, Nginx, wait_until
from modes import APPLIANCE, ARMS, BACKENDS, EDGE, FULLNAT, ModeLab


@pytest.fixture(scope="module", params=ARMS)
def lab(request):
    lab = ModeLab(FULLNAT, request.param)
    yield lab
    lab.close()


@pytest.fixture
def servers(lab, content, tmp_path):
    servers = [Nginx(lab, node, tmp_path / node, content) for node in ("b1", "b2")]
    yield
    for server in servers:
        server.kill()


def names(lab, node, url, count=40):
    """Who has answered a node, each request a connection of its own; all must succeed."""
    curl = lab.run(node, "curl", "-sS", "--max-time", "10", f"{url}?[1-{count}]", check=False)
    assert curl.returncode == 0 and not curl.stderr, curl.stderr
    assert len(curl.stdout.split()) == count
    return set(curl.stdout.split())


@pytest.mark.parametrize("gateway", [APPLIANCE, EDGE], ids=["directly", "by its gateway"])
def test_a_backend_calls_itself(appliance, lab, servers, gateway):
    appliance.configure(lab.interfaces + lab.service("all", "b1", "b2"))
    lab.run("b1", "ip", "route", "replace", VIP, "via", gateway)
    try:
        assert names(lab, "b1", f"http://{VIP}/") == {"b1", "b2"}
    finally:
        lab.run("b1", "ip", "route", "delete", VIP)


def test_a_neighbor_of_the_backends_calls_a_vip_among_them(appliance, lab, servers):
    if lab.arm != "one arm":
        pytest.skip("on an interface of backends alone a VIP is not announced")
    vip = "10.0.0.100"
    appliance.configure(lab.interfaces +
                        lab.service("all", "b1", "b2").replace(f"{VIP}:0", f"{vip}:0"))
    assert names(lab, "b3", f"http://{vip}/") == {"b1", "b2"}
    assert names(lab, "b1", f"http://{vip}/") == {"b1", "b2"}


def test_backends_see_the_appliances_addresses(appliance, lab):
    """All of them, where the interface has several; and `show flow` says what they see."""
    addresses = [APPLIANCE, "10.0.0.2", "10.0.0.3"]
    more = "".join(f" address {address}/24" for address in addresses)
    appliance.configure(lab.interfaces.replace(f" address {APPLIANCE}/24", more) +
                        lab.service("all", "b1"))
    server = lab.socket("b1", socket.AF_INET, socket.SOCK_STREAM)
    server.bind(("", 7100))
    server.listen(64)
    seen, clients = {}, []
    try:
        for _ in range(30):
            client = lab.socket("client", socket.AF_INET, socket.SOCK_STREAM)
            client.settimeout(5)
            client.connect((VIP, 7100))
            clients.append(client)
            connection, peer = server.accept()
            clients.append(connection)
            seen[client.getsockname()[1]] = peer
        assert {address for address, _ in seen.values()} == set(addresses)
        told = {row["client_port"]: (row["source_address"], row["source_port"])
                for row in appliance.show("flow") if row["vip_port"] == 7100}
        assert told == seen
    finally:
        for one in (*clients, server):
            one.close()


def test_an_upload_goes_on_over_a_restart(appliance, lab):
    """The same client gets the same backend and port: the connection never notices."""
    appliance.configure(lab.interfaces + lab.service("all", *BACKENDS))
    servers = [Digest(lab, node, 7001) for node in BACKENDS]
    data = os.urandom(1 << 20)
    digest = hashlib.sha256()
    try:
        with lab.socket("client", socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.settimeout(20)
            stream.connect((VIP, 7001))
            for turn in range(6):
                stream.sendall(data)
                digest.update(data)
                if turn % 2 == 0:
                    appliance.stop()
                    appliance.start()
            stream.shutdown(socket.SHUT_WR)
            assert stream.recv(100).decode() == digest.hexdigest()
    finally:
        for server in servers:
            server.close()


def test_when_ports_run_out_it_is_told(appliance, lab):
    appliance.configure(lab.interfaces + lab.service("all", "b1") +
                        "set global fullnat-slices 30208 fullnat-slice 5\n")   # two ports
    server = Digest(lab, "b1", 7001)
    streams = [lab.socket("client", socket.AF_INET, socket.SOCK_STREAM) for _ in range(3)]
    try:
        for stream in streams[:2]:
            stream.settimeout(5)
            stream.connect((VIP, 7001))
        streams[2].setblocking(False)
        streams[2].connect_ex((VIP, 7001))
        wait_until(lambda: appliance.drops().get("source_ports_exhausted"), 5, "it is told")
        for number, stream in enumerate(streams[:2]):
            stream.sendall(b"%d" % number)
            stream.shutdown(socket.SHUT_WR)
            assert stream.recv(100).decode() == hashlib.sha256(b"%d" % number).hexdigest()
    finally:
        for stream in streams:
            stream.close()
        server.close()
