"""PROXY headers in front of datagrams, heard by a receiver that reads them as the protocol says."""
import collections
import errno
import ipaddress
import os
import socket
import struct

import pytest

from lab import VIP, Server, wait_until
from modes import APPLIANCE, MODES, MTU, ModeLab

NARROW = 1300
UDP_SEGMENT = 103   # linux/udp.h
IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_DO, IP_MTU = 10, 0, 2, 14   # linux/in.h

Heard = collections.namedtuple("Heard", "client backend payload")


class ProxyReceiver(Server):
    """Reads PROXY headers as a receiver must (proxy-protocol.txt, section 2.2), TLVs skipped by the
    length, keeps what it heard and answers with it in upper case. A datagram without a header is
    heard with None for whom it is from."""

    SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"

    def __init__(self, lab, node, port):
        super().__init__(lab, node, socket.SOCK_DGRAM, port)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.heard = []

    def serve_one(self):
        data, peer = self.socket.recvfrom(65536)
        self.heard.append(self.read(data))
        self.socket.sendto(self.heard[-1].payload.upper(), peer)

    def read(self, data):
        if not data.startswith(self.SIGNATURE):
            return Heard(None, None, data)
        version, family, length = struct.unpack_from("!BBH", data, 12)
        assert (version, family) == (0x21, 0x12) and length >= 12
        source, destination, sport, dport = struct.unpack_from("!4s4sHH", data, 16)
        return Heard((str(ipaddress.ip_address(source)), sport),
                     (str(ipaddress.ip_address(destination)), dport), data[16 + length:])


@pytest.fixture(scope="module")
def lab():
    lab = ModeLab(MODES[0], "two arms")
    yield lab
    lab.close()


@pytest.fixture
def dns(appliance, lab):
    """Port 53 of the VIP, answered by port 5353 of a backend."""
    def configure(options, backend="10.0.0.11"):
        appliance.configure(f"{lab.interfaces}add pool dns\nadd backend dns {backend}:5353\n"
                            f"add service dns {VIP}:53/udp pool dns {options}\n")
        # Neighbors are known, so that what is sent in many frames need not wait for ARP.
        lab.run("client", "ping", "-c", "1", "-W", "2", VIP)
        lab.run("b1", "ip", "neighbor", "flush", "dev", "eth0")
        lab.run("b1", "ping", "-c", "1", "-W", "2", APPLIANCE)
        return appliance
    return configure


@pytest.fixture
def datagrams(lab):
    """A socket of the client, connected to the VIP's port 53."""
    with lab.socket("client", socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(5)
        made.connect((VIP, 53))
        yield made


@pytest.fixture
def receiver(lab):
    made = ProxyReceiver(lab, "b1", 5353)
    yield made
    made.close()


def told(receiver):
    heard, receiver.heard = receiver.heard, []
    return heard


def test_every_datagram_tells_its_client(dns, datagrams, receiver):
    appliance = dns("proxy-protocol every")
    for text in (b"one", b"", b"three"):
        datagrams.send(text)
        assert datagrams.recv(100) == text.upper()
    client = datagrams.getsockname()
    backend = ("10.0.0.11", 5353)
    assert told(receiver) == [Heard(client, backend, text) for text in (b"one", b"", b"three")]
    appliance.lb("set service dns proxy-protocol off")
    datagrams.send(b"four")
    assert datagrams.recv(100) == b"FOUR"
    assert told(receiver) == [Heard(client, backend, b"four")], "an old flow's way is its own"


def test_the_first_datagram_of_a_flow_tells_its_client(dns, datagrams, receiver):
    appliance = dns("proxy-protocol first idle-timeout 1")
    for text in (b"one", b"two"):
        datagrams.send(text)
        assert datagrams.recv(100) == text.upper()
    heard = told(receiver)
    assert heard == [Heard(datagrams.getsockname(), ("10.0.0.11", 5353), b"one"),
                     Heard(None, None, b"two")]
    wait_until(lambda: appliance.show("stats")["flows"]["closed_idle"] == 1, 5, "the flow's end")
    datagrams.send(b"three")
    assert datagrams.recv(100) == b"THREE"
    assert told(receiver)[0].client == datagrams.getsockname()


@pytest.mark.parametrize("size", [1443, 1444, 1445, 1472, 1473, 4000, 30000])
def test_datagrams_of_every_size_with_the_header(dns, datagrams, receiver, size):
    """In fragments because of the header, and in fragments already before."""
    dns("proxy-protocol every")
    datagrams.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
    data = os.urandom(size)
    datagrams.send(data)
    assert datagrams.recv(65536) == data.upper()
    assert told(receiver) == [Heard(datagrams.getsockname(), ("10.0.0.11", 5353), data)]


@pytest.mark.parametrize("policy", ["every", "first"])
def test_super_frames_with_the_header(dns, datagrams, receiver, policy):
    """What the client's kernel sends as one frame is many datagrams, each told apart."""
    dns(f"proxy-protocol {policy}")
    datagrams.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 500)
    data = b"".join(bytes([letter]) * 500 for letter in range(97, 117)) + b"end"
    datagrams.send(data)
    pieces = [data[i:i + 500] for i in range(0, len(data), 500)]
    wait_until(lambda: len(receiver.heard) == len(pieces), 5, "all datagrams have come")
    heard = told(receiver)
    assert [one.payload for one in heard] == pieces
    client = datagrams.getsockname()
    tellers = len(pieces) if policy == "every" else 1
    assert [one.client for one in heard] == [client] * tellers + [None] * (len(pieces) - tellers)


def test_path_mtu_leaves_room_for_the_header(dns, lab, datagrams):
    """A router behind the appliance tells of a narrow link; the client hears what is left of it."""
    receiver = ProxyReceiver(lab, "far", 5353)
    dns("proxy-protocol every", "10.9.0.11")
    lab.narrow("far", NARROW)
    datagrams.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    try:
        room = NARROW - 28

        def discovered():
            try:
                datagrams.send(b"x" * 1400)
            except OSError as error:
                assert error.errno == errno.EMSGSIZE
            return datagrams.getsockopt(socket.IPPROTO_IP, IP_MTU) == room
        wait_until(discovered, 5, f"the client knows of {room} bytes")
        datagrams.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)   # what was told so far
        datagrams.send(b"y" * (room - 28))
        assert datagrams.recv(2000) == b"Y" * (room - 28)
    finally:
        lab.narrow("far", MTU)
        receiver.close()


def test_a_closed_port_is_told_to_the_client(dns, datagrams):
    """Its socket knows the error for its own, whatever was put into the datagram on the way."""
    dns("proxy-protocol every")
    datagrams.send(b"anybody?")
    with pytest.raises(ConnectionRefusedError):
        datagrams.recv(100)
