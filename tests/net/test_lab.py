"""The lab itself: what the other tests take for granted."""
import os
import socket
import subprocess

from scapy.layers.l2 import ARP, Ether

from lab import BACKENDS, ROOT, RUN, Digest, Host, UdpEcho, inside


def test_the_appliances_kernel_is_silent(lab):
    host = Host(lab, "client", "198.51.100.98", "02:00:c6:33:64:62")
    for address in ("198.51.100.1", "10.0.0.1", "203.0.113.10"):
        host.send(Ether(src=host.mac, dst="ff:ff:ff:ff:ff:ff") /
                  ARP(op=1, hwsrc=host.mac, psrc=host.address, pdst=address))
    assert host.receive(lambda packet: True, seconds=0.3) is None
    host.close()


def test_up_again_leaves_a_whole_lab_alone_and_repairs_a_broken_one():
    environment = dict(os.environ, LAB=f"{RUN}-again")

    def script(verb):
        subprocess.run([ROOT / "scripts/lab", verb], env=environment, check=True, timeout=30)

    def identity():
        with inside(f"{RUN}-again-client"):
            return os.stat("/proc/thread-self/ns/net").st_ino

    try:
        script("up")
        first = identity()
        script("up")
        assert identity() == first
        subprocess.run(["ip", "netns", "delete", f"{RUN}-again-b2"], check=True)
        script("up")
        assert os.path.exists(f"/run/netns/{RUN}-again-b2")
    finally:
        script("down")
    assert not [name for name in os.listdir("/run/netns") if name.startswith(f"{RUN}-again")]
    script("down")


def test_servers_answer_inside_their_namespace(lab):
    echo, digest = UdpEcho(lab, "b1", 7000), Digest(lab, "b2", 7001)
    with lab.socket("b3", socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(3)
        datagrams.sendto(b"hello", (BACKENDS["b1"], 7000))
        assert datagrams.recv(100) == b"b1 hello"
    with lab.socket("b3", socket.AF_INET, socket.SOCK_STREAM) as stream:
        stream.settimeout(3)
        stream.connect((BACKENDS["b2"], 7001))
        stream.shutdown(socket.SHUT_WR)
        assert stream.recv(100).startswith(b"e3b0c442")
    echo.close()
    digest.close()
