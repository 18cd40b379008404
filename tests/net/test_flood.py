"""A flood of SYNs against a small table, while real connections begin, go on and end."""
import hashlib
import os
import random

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from lab import VIP, WEB, Download, wait_until

TABLE = 1024
HALF_OPEN = TABLE // 8
SYNS = 4000


@pytest.fixture
def small(appliance, web):
    """lbd with a small flow table, in front of three web servers."""
    appliance.configure(WEB + f"set global flow-table {TABLE}\n")
    appliance.stop()
    appliance.start()   # from when on the size is in force
    appliance.wait_all_up()
    return appliance


def syns(client, count):
    """Of one host and ports of their own, which nobody will ever acknowledge."""
    client.announce()
    template = bytearray(bytes(client.ether() / IP(src=client.address, dst=VIP) /
                               TCP(sport=0, dport=80, flags="S", chksum=0)))
    ports = random.Random(1).sample(range(1024, 65536), count)
    for port in ports:
        template[34:36] = port.to_bytes(2, "big")
        frame = Ether(bytes(template))
        del frame[TCP].chksum
        yield bytes(frame)


def test_connections_live_through_a_flood_of_syns(small, lab, client, content, tmp_path):
    data = os.urandom(2 << 20)
    (content / "flooded").write_bytes(data)
    flood = list(syns(client, SYNS))
    try:
        download = Download(lab, f"http://{VIP}/slow/flooded", tmp_path / "flooded")
        wait_until(lambda: small.show("stats")["flows"]["live"] > 0, 5, "the download runs")
        for i, frame in enumerate(flood):
            client.send(frame)
            if i % 500 == 499:
                flows = small.show("stats")["flows"]
                assert flows["half_open"] <= HALF_OPEN and flows["live"] <= TABLE
        wait_until(lambda: small.show("stats")["flows"]["stateless"] > SYNS // 2, 10,
                   "the flood has come")
        assert small.show("stats")["flows"]["half_open"] == HALF_OPEN
        # New ones have no room for a flow, and find their way by the table alone.
        curl = lab.run("client", "curl", "-sS", "--max-time", "10", f"http://{VIP}/?[1-20]")
        assert len(curl.stdout.split()) == 20
        assert download.is_running() and download.digest() == hashlib.sha256(data).hexdigest()
        assert small.drops().get("flow_table_full", 0) == 0
    finally:
        (content / "flooded").unlink()


def test_what_backends_refuse_leaves_room_for_others(small, lab):
    """A port that nobody listens on answers RST: hundreds of these are no flood of half-open ones."""
    small.configure(f"add pool none\nadd backend none 10.0.0.11:81\n"
                    f"add service none {VIP}:81/tcp pool none\n".replace("none", "closed"))
    ports = 3 * HALF_OPEN
    lab.run("client", "curl", "-s", "--max-time", "1", f"http://{VIP}:81/?[1-{ports}]",
            check=False, timeout=60)
    flows = small.show("stats")["flows"]
    assert flows["created"] >= ports and flows["half_open"] < HALF_OPEN // 4, flows
    assert flows["stateless"] == 0
