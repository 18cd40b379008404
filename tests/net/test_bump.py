"""lbd as a bump in the wire between real hosts, port mode SINGLE and MULTI."""
import hashlib
import json
import os
import re
import socket
import subprocess

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from bump import BUMP, CLIENT2, MTU, PORTS, ROUTER, ROUTER6, ROUTER_MAC, BumpLab, TaggedHost
from lab import BACKENDS, CLIENT, VIP, Digest, Download, UdpEcho, wait_until

WEB = "add pool web\n" + \
    "".join(f"add backend web {address}:80\n" for address in BACKENDS.values()) + \
    f"add service web {VIP}:80/tcp pool web\n"
CHECKED = WEB + """\
add check web-hc tcp port 80 interval 1 timeout 1
set pool web check web-hc
"""
ALL = f"""\
add pool all
add backend all 10.0.0.11:0
add service all {VIP}:0/any pool all
"""


@pytest.fixture(scope="module")
def lab():
    lab = BumpLab()
    yield lab
    lab.close()


@pytest.fixture(params=PORTS)
def ports(request):
    return PORTS[request.param]


@pytest.fixture
def bump(appliance, web, ports):
    appliance.configure(ports + CHECKED)
    appliance.wait_all_up()
    return appliance


def clients(ports):
    return ["client", "client2"] if ports == PORTS["MULTI"] else ["client"]


def curl(lab, node, url, *words):
    return lab.run(node, "curl", "-sS", "--max-time", "10", *words, url).stdout


def test_every_backend_answers_requests(bump, lab, ports):
    for node in clients(ports):
        names = curl(lab, node, f"http://{VIP}/?[1-60]").split()
        assert len(names) == 60 and set(names) == set(BACKENDS)


def test_a_backend_is_called_past_its_service(bump, lab, ports):
    """By its own address and the very port that the service uses."""
    for node in clients(ports):
        for name, address in BACKENDS.items():
            names = curl(lab, node, f"http://{address}/?[1-10]").split()
            assert names == [name] * 10
    assert {row["service"] for row in bump.show("flow")} <= {None}


def test_what_is_shown_of_it(bump, ports):
    status = bump.show("status")
    assert (status["topology"], status["port_mode"]) == (
        "bridged", "single" if ports == PORTS["SINGLE"] else "multi")
    lookup = f"lookup {CLIENT}:4000 {VIP}:80/tcp"
    assert bump.lb(lookup).output.splitlines()[1] == "  out ext -> int, bridged, mtu 1500"
    answer = bump.show(lookup)
    assert (answer["in_interface"], answer["out_interface"]) == ("ext", "int")
    assert answer["next_hop"] is answer["next_hop_mac"] is answer["neighbor"] is None


def test_health_is_found_out_through_the_wire(bump, web):
    web["b2"].kill()
    try:
        bump.wait_backend("10.0.0.12", "down")
    finally:
        web["b2"].start()
    bump.wait_backend("10.0.0.12", "up")


def ping(lab, node, *words):
    said = lab.run(node, "ping", "-q", "-c", "5", "-i", "0.05", *words, check=False).stdout
    assert "5 packets transmitted, 5 received" in said and "duplicates" not in said, said


def test_pings_cross_and_the_vip_answers(bump, lab, ports):
    for node in clients(ports):
        for address in (VIP, "10.0.0.11", BUMP):
            ping(lab, node, address)
            ping(lab, node, "-s", "1472", "-M", "do", address)
    ping(lab, "b1", CLIENT)
    ping(lab, "client", "-6", ROUTER6)


def test_it_is_no_hop(bump, lab):
    """The first hop is the router behind it, whose MAC the client has; the TTL is the sender's."""
    said = lab.run("client", "tracepath", "-n", "10.0.0.11").stdout
    assert re.search(rf" 1:\s+{ROUTER} ", said) and re.search(r" 2:\s+10\.0\.0\.11 ", said), said
    assert ROUTER_MAC in lab.run("client", "ip", "neigh", "show", ROUTER).stdout


def test_neighbors_are_found_across_it(bump, lab, ports):
    for node in (*clients(ports), "router"):
        lab.run(node, "ip", "neigh", "flush", "dev", "eth0")
    for node in clients(ports):
        lab.run("router", "ping", "-c", "1", "-W", "3", CLIENT2 if node == "client2" else CLIENT)
        assert curl(lab, node, f"http://{VIP}/").strip() in BACKENDS


def iperf3(lab, node, *words):
    server = lab.start("b1", "iperf3", "--server", "--one-off", stdout=subprocess.DEVNULL)
    wait_until(lambda: ":5201" in lab.run("b1", "ss", "-ltn").stdout, 5, "iperf3 listens")
    client = lab.run(node, "iperf3", "--client", VIP, "--time", 2, "--json", *words, check=False,
                     timeout=30)
    result = json.loads(client.stdout)
    assert "error" not in result, result["error"]
    server.wait(10)
    return result["end"]


@pytest.mark.parametrize("direction", ["to the backend", "to the client"])
def test_bulk(appliance, lab, ports, direction):
    """Super-frames and partial checksums pass, both ways."""
    appliance.configure(ports + ALL)
    words = ["--reverse"] if "client" in direction else []
    for node in clients(ports):
        sent = iperf3(lab, node, *words)["sum_sent"]
        assert sent["retransmits"] < 0.01 * sent["bytes"] / 1448, sent
        end = iperf3(lab, node, "--udp", "--bitrate", "40M", "--length", "1400", *words)["sum"]
        assert end["packets"] > 5000 and end["lost_percent"] < 1, end


def test_datagrams_of_every_size(appliance, lab, ports):
    """Also those that their sender cuts into fragments, there and back."""
    server = UdpEcho(lab, "b1", 7000)
    appliance.configure(ports + ALL)
    try:
        for node in clients(ports):
            with lab.socket(node, socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                datagrams.settimeout(5)
                datagrams.connect((VIP, 7000))
                for size in (0, 1, 1472, 1473, 20000, 60000):
                    data = os.urandom(size)
                    datagrams.send(data)
                    assert datagrams.recv(65536) == b"b1 " + data, f"{size} bytes"
    finally:
        server.close()


@pytest.fixture
def hosts(lab):
    """Raw hosts on both sides; what they send each other has no IP stack behind it."""
    made = [TaggedHost(lab, "client", "198.51.100.99", "02:00:00:00:00:c9"),
            TaggedHost(lab, "router", "198.51.100.199", "02:00:00:00:00:d9"),
            TaggedHost(lab, "client2", "192.0.2.99", "02:00:00:00:00:e9")]
    yield made
    for host in made:
        host.close()


FOREIGN = {
    "an unknown EtherType": Ether(type=0x88b5) / Raw(b"experiment" * 5),
    "LLDP": Ether(dst="01:80:c2:00:00:0e", type=0x88cc) / Raw(b"lldp" * 15),
    "a protocol without ports": Ether() / IP(src="192.0.2.1", dst="192.0.2.2", proto=99, ttl=1) /
                                Raw(b"x" * 30),
    "a tag": Ether() / Dot1Q(vlan=42, prio=5) / Raw(b"x" * 46),
    "a service tag": Ether() / Dot1AD(vlan=42) / IP(src="192.0.2.1", dst="192.0.2.2") / UDP() /
                     Raw(b"x" * 30),
    "two tags": Ether() / Dot1AD(vlan=7) / Dot1Q(vlan=8) / IP(src="192.0.2.1", dst="192.0.2.2") /
                UDP() / Raw(b"x" * 30),
    "a priority": Ether() / Dot1Q(vlan=0, prio=6) / ARP(psrc="10.5.5.1", pdst="10.5.5.2"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_whatever_it_is_crosses_byte_for_byte(appliance, hosts, what):
    appliance.configure(PORTS["MULTI"])
    client, router, other = hosts
    for sender, receivers in ((client, [router]), (router, [client, other])):
        frame = FOREIGN[what].copy()
        frame.src = sender.mac
        if frame.dst in (None, "ff:ff:ff:ff:ff:ff"):
            frame.dst = receivers[0].mac
        sender.send(frame)
        for receiver in receivers:
            assert receiver.receive(lambda p, frame=frame: bytes(p) == bytes(frame)), receiver.mac


@pytest.mark.parametrize("tag", [Dot1Q(vlan=42, prio=5), Dot1AD(vlan=42), Dot1Q(vlan=0, prio=6)],
                         ids=["802.1Q", "802.1ad", "a priority"])
def test_a_service_in_a_vlan(appliance, hosts, tag):
    appliance.configure(PORTS["SINGLE"] + ALL)
    client, router, _ = hosts
    client.send(Ether(src=client.mac, dst=router.mac) / tag /
                IP(src=client.address, dst=VIP) / UDP(sport=4000, dport=53) / Raw(b"question"))
    there = router.receive(lambda p: UDP in p and p[UDP].sport == 4000)
    assert there and (there.src, there[IP].dst) == (client.mac, "10.0.0.11")
    assert bytes(there)[12:16] == bytes(Ether() / tag)[12:16]
    router.send(Ether(src=router.mac, dst=client.mac) / tag /
                IP(src="10.0.0.11", dst=client.address) / UDP(sport=53, dport=4000) /
                Raw(b"answer"))
    back = client.receive(lambda p: UDP in p and p[UDP].dport == 4000)
    assert back and (back.src, back[IP].src) == (router.mac, VIP)
    assert bytes(back)[12:16] == bytes(Ether() / tag)[12:16]


def test_arp_of_the_backends_side_goes_where_the_target_is(appliance, hosts):
    appliance.configure(PORTS["MULTI"])
    client, router, other = hosts
    asked = ARP(op=1, hwsrc=router.mac, psrc="198.51.100.199", pdst=client.address)
    router.send(Ether(src=router.mac, dst="ff:ff:ff:ff:ff:ff") / asked,
                Ether(src=router.mac, dst="ff:ff:ff:ff:ff:ff", type=0x88b5) / Raw(b"flooded" * 9))
    assert client.receive(lambda p: ARP in p and p[ARP].pdst == client.address)
    seen = []
    assert other.receive(lambda p: seen.append(p) or p.type == 0x88b5)
    assert not [p for p in seen if ARP in p and p[ARP].pdst == client.address]
    assert router.receive(lambda p: ARP in p and p[ARP].op == 2 and p[ARP].hwsrc == client.mac)


def promiscuity(lab, interface):
    said = lab.run("appliance", "ip", "-details", "link", "show", interface).stdout
    return int(re.search(r"promiscuity (\d+)", said).group(1))


def test_the_interfaces_are_promiscuous_as_long_as_it_bridges(make_appliance, lab, ports):
    appliance = make_appliance().start()
    appliance.configure(ports)
    names = [row["name"] for row in appliance.show("interface")]

    def all_are(wanted):
        return all(promiscuity(lab, name) == wanted for name in names)

    wait_until(lambda: all_are(1), 5, "promiscuous")
    if len(names) == 2:   # MULTI has networks that only a bridge may have
        appliance.lb("set global topology routed")
        assert all_are(0)
        appliance.lb("set global topology bridged")
        assert all_are(1)
    appliance.kill()
    wait_until(lambda: all_are(0), 5, "what it asked for ends with the process")
    appliance.start()
    wait_until(lambda: all_are(1), 5, "promiscuous again")


@pytest.fixture
def downloads(lab, content, tmp_path):
    """Starts slow downloads through the VIP; they must end whole."""
    data = os.urandom(1 << 20)
    (content / "big").write_bytes(data)
    running = []

    def start(appliance):
        running.extend(Download(lab, f"http://{VIP}/slow/big", tmp_path / f"{number}")
                       for number in range(4))
        wait_until(lambda: sum(row["active_flows"] for row in appliance.show("backend")) >= 4, 5,
                   "all downloads run")

    yield start
    (content / "big").unlink()
    assert [one.digest() for one in running] == [hashlib.sha256(data).hexdigest()] * 4


def test_downloads_survive_a_change_of_the_topology(appliance, web, downloads):
    appliance.configure(PORTS["SINGLE"] + CHECKED)
    appliance.wait_all_up()
    downloads(appliance)
    appliance.lb("set global topology routed")
    appliance.lb("set global topology bridged")


def test_downloads_survive_a_restart(appliance, web, ports, downloads):
    """Without checks all backends are there at once, and the table is as it was."""
    appliance.configure(ports + WEB)
    downloads(appliance)
    appliance.kill()
    appliance.start()


def test_what_a_bump_cannot_do_is_refused(appliance):
    appliance.configure(PORTS["SINGLE"])
    for command, sentence in (
            ("set interface ext role both", "an interface is on one side"),
            ("add interface int2 role backend", "takes one backend interface")):
        refused = appliance.lb(command, check=False)
        assert refused.status == 1 and sentence in refused.error, refused.error


# Jumbo frames, and a narrower side.

@pytest.fixture
def mtu(lab, appliance):
    def change(front, back):
        """Of the links in front of the appliance, and of those behind it."""
        lab.set_mtu(front, [link for link in lab.LINKS if link[1] in ("ext", "alt") or
                            link[0].startswith("client")])
        lab.set_mtu(back, [("appliance", "int"), ("router", "eth0"), *lab.INSIDE])
        wait_until(lambda: {row["name"]: row["mtu"] for row in appliance.show("interface")} in
                   ({"ext": front, "int": back}, {"ext": front, "alt": front, "int": back}), 5,
                   "lbd sees the MTUs")
    yield change
    lab.set_mtu(MTU, lab.LINKS + lab.INSIDE)


def transfer(lab, node, content, tmp_path):
    """A megabyte each way, through the VIP."""
    data = os.urandom(1 << 20)
    (content / "jumbo").write_bytes(data)
    lab.run(node, "curl", "-sS", "--max-time", "20", "-o", tmp_path / "got",
            f"http://{VIP}/jumbo")
    (content / "jumbo").unlink()
    assert (tmp_path / "got").read_bytes() == data
    servers = [Digest(lab, name, 7001) for name in BACKENDS]
    try:
        with lab.socket(node, socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.settimeout(20)
            stream.connect((VIP, 7001))
            stream.sendall(data)
            stream.shutdown(socket.SHUT_WR)
            assert stream.recv(100).decode() == hashlib.sha256(data).hexdigest()
    finally:
        for server in servers:
            server.close()


def echo(lab, node, port, sizes, tries=1):
    """Datagrams there and back, a path's MTU is found out by as many tries."""
    with lab.socket(node, socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(1)
        datagrams.connect((VIP, port))
        for size in sizes:
            data = os.urandom(size)
            for attempt in range(tries):
                try:
                    datagrams.send(data)
                    assert datagrams.recv(65536)[3:] == data
                    break
                except (TimeoutError, OSError):
                    assert attempt + 1 < tries, f"{size} bytes"


JUMBO = "".join(f"add backend all {address}:0\n" for address in BACKENDS.values())


@pytest.mark.parametrize("front, back", [(9000, 9000), (9000, 1500), (1500, 9000)])
def test_jumbo_frames(appliance, web, lab, content, tmp_path, ports, mtu, front, back):
    appliance.configure(ports + "add pool all\n" + JUMBO +
                        f"add service all {VIP}:0/any pool all\n")
    mtu(front, back)
    servers = [UdpEcho(lab, name, 7000) for name in BACKENDS]
    try:
        for node in clients(ports):
            if front == back:
                ping(lab, node, "-s", "8900", "-M", "do", VIP)
                ping(lab, node, "-s", "8900", "-M", "do", "10.0.0.11")
            transfer(lab, node, content, tmp_path)
            echo(lab, node, 7000, (1000, 8900, 40000), tries=1 if front == back else 4)
    finally:
        for server in servers:
            server.close()


def test_the_narrower_side_is_told_to_who_sends_too_much(appliance, lab, mtu):
    """To clients and to backends, about service traffic and about what only crosses."""
    appliance.configure(PORTS["SINGLE"] + ALL)
    mtu(9000, 1500)
    said = lab.run("client", "ping", "-c", "1", "-W", "2", "-s", "8900", "-M", "do", "10.0.0.11",
                   check=False).stdout
    assert re.search(r"From 10\.0\.0\.11 .*Frag needed.*mtu = 1500", said), said
    said = lab.run("client", "tracepath", "-n", VIP).stdout
    assert "Resume: pmtu 1500" in said, said
    mtu(1500, 9000)
    said = lab.run("b1", "ping", "-c", "1", "-W", "2", "-s", "8900", "-M", "do", CLIENT,
                   check=False).stdout
    assert re.search(r"Frag needed.*mtu = 1500", said), said
    assert appliance.drops()["too_big"] >= 2


def test_what_may_be_cut_is_cut_for_the_narrower_side(appliance, lab, mtu):
    appliance.configure(PORTS["SINGLE"] + ALL)
    mtu(9000, 1500)
    for address in (VIP, "10.0.0.11"):
        ping(lab, "client", "-s", "8900" if address != VIP else "1400", "-M", "dont", address)
    server = UdpEcho(lab, "b1", 7000)
    try:
        with lab.socket("client", socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.setsockopt(socket.IPPROTO_IP, 10, 0)   # IP_MTU_DISCOVER, IP_PMTUDISC_DONT
            datagrams.settimeout(5)
            datagrams.connect((VIP, 7000))
            datagrams.send(b"x" * 8900)
            assert len(datagrams.recv(65536)) == 8903
    finally:
        server.close()

