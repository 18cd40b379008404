"""The lab that the tests of this folder stand in: namespaces, lbd, its console, raw hosts, servers.

The topology is scripts/lab's, under a name of this run's own. lbd runs in the appliance's namespace
with a store and a socket in a temporary folder. Sockets of test clients and servers are opened in
this process: setns() is a matter of a moment, and a socket stays in the namespace that made it.
"""
import contextlib
import ctypes
import hashlib
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from scapy.layers.inet import IP
from scapy.layers.l2 import ARP, Ether

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("LB_BUILD", "build")
RUN = os.environ.get("LB_TEST_RUN", f"lbt{os.getpid()}")
SANITIZED = "sanitize" in BUILD.name or "address" in BUILD.name or "undefined" in BUILD.name

CLIENT, CLIENT_MAC = "198.51.100.7", "02:00:c6:33:64:07"
EXT, EXT_MAC = "198.51.100.1", "02:00:c6:33:64:01"
INT, INT_MAC = "10.0.0.1", "02:00:0a:00:00:01"
VIP = "203.0.113.10"
BACKENDS = {"b1": "10.0.0.11", "b2": "10.0.0.12", "b3": "10.0.0.13"}

INTERFACES = """\
add interface ext role frontend address 198.51.100.1/24
add interface int role backend address 10.0.0.1/24
"""
# Three backends of equal weight behind port 80, found up by their TCP port.
WEB = INTERFACES + """\
add check web-hc tcp port 80 interval 1 timeout 1
add pool web check web-hc
add backend web 10.0.0.11:80 weight 1
add backend web 10.0.0.12:80 weight 1
add backend web 10.0.0.13:80 weight 1
add service web 203.0.113.10:80/tcp pool web
"""

CLONE_NEWNET = 0x40000000
PACKET_OUTGOING = 4
IP_PKTINFO = 8
ETH_P_ALL = 3


def wait_until(condition, seconds, what):
    """Polls until the condition is true and returns its value; `what` names it in the failure."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def inside(namespace):
    """This thread in another network namespace."""
    setns = ctypes.CDLL(None, use_errno=True).setns
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        if setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            yield
        finally:
            if setns(home.fileno(), CLONE_NEWNET):
                os._exit(70)   # in the wrong namespace nothing that follows would be true


class Lab:
    """client, appliance, switch, b1, b2, b3; see scripts/lab."""

    number = itertools.count(1)

    def __init__(self):
        self.name = f"{RUN}-{next(Lab.number)}"
        self.processes, self.added = [], []
        self._script("up")

    def _script(self, verb):
        subprocess.run([ROOT / "scripts/lab", verb], env=dict(os.environ, LAB=self.name),
                       check=True, timeout=30)

    def namespace(self, node):
        return f"{self.name}-{node}"

    def command(self, node, *words):
        return ["nsenter", f"--net=/run/netns/{self.namespace(node)}", "--", *map(str, words)]

    def run(self, node, *words, check=True, timeout=30, **keywords):
        return subprocess.run(self.command(node, *words), check=check, timeout=timeout, text=True,
                              capture_output=True, **keywords)

    def start(self, node, *words, **keywords):
        """A process that the lab's end ends, too."""
        keywords.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(self.command(node, *words), start_new_session=True, **keywords)
        self.processes.append(process)
        return process

    def link(self, node, *words):
        """ip link ... in a node."""
        self.run(node, "ip", "link", *words)

    def add_node(self, node, router=False):
        """One more namespace, which goes with the lab."""
        self.added.append(node)
        subprocess.run(["ip", "netns", "add", self.namespace(node)], check=True, timeout=30)
        self.run(node, "sysctl", "-eqw", "net.ipv6.conf.all.disable_ipv6=1",
                 "net.ipv6.conf.default.disable_ipv6=1", f"net.ipv4.ip_forward={int(router)}")
        self.link(node, "set", "lo", "up")

    def cable(self, node, interface, other, other_interface):
        """A link between two nodes, up at both ends."""
        subprocess.run(["ip", "link", "add", interface, "netns", self.namespace(node), "type",
                        "veth", "peer", "name", other_interface, "netns", self.namespace(other)],
                       check=True, timeout=30)
        self.link(node, "set", interface, "up")
        self.link(other, "set", other_interface, "up")

    def socket(self, node, *arguments):
        with inside(self.namespace(node)):
            return socket.socket(*arguments)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait(10)
        for node in self.added:
            subprocess.run(["ip", "netns", "delete", self.namespace(node)], check=False,
                           timeout=30)
        self._script("down")


class Console:
    """What one `lb` said."""

    def __init__(self, process):
        self.status = process.returncode
        self.output, self.error = process.stdout, process.stderr


class Appliance:
    """One lbd in the lab's appliance, with the console's ways to talk to it."""

    def __init__(self, lab, directory, *arguments):
        self.lab, self.directory, self.arguments = lab, Path(directory), arguments
        self.socket = self.directory / "lb.sock"
        self.database = self.directory / "lb.db"
        self.log = self.directory / "lbd.log"
        self.process = None
        self.before = ()   # what it is started by

    def start(self):
        with open(self.log, "ab") as log:
            self.process = self.lab.start(
                "appliance", *self.before, BUILD / "lbd", "--db", self.database, "--socket", self.socket,
                *self.arguments, stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._answers, 20, "lbd answers on its socket")
        return self

    def _answers(self):
        assert self.process.poll() is None, f"lbd ended at start:\n{self.log_text()}"
        return self.lb("show version", check=False).status == 0

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lb(self, *commands, script=None, arguments=(), check=True, timeout=30):
        """`lb -c COMMAND...`, or a script on its standard input."""
        words = [BUILD / "lb", "--socket", self.socket, *arguments]
        for command in commands:
            words += ["-c", command]
        process = subprocess.run(words, input=script, text=True, capture_output=True,
                                 timeout=timeout,
                                 stdin=subprocess.DEVNULL if script is None else None)
        result = Console(process)
        if check:
            assert result.status == 0, (f"lb {commands or script} ended with {result.status}:\n"
                                        f"{result.output}{result.error}")
        return result

    def configure(self, script):
        return self.lb(script=script)

    def show(self, what):
        """The list or object that `show WHAT` has in JSON."""
        command = what if what.startswith("lookup ") else f"show {what}"
        document = json.loads(self.lb(command, arguments=["-j"]).output)
        assert document["schema"] == 1
        return document[what.split()[0]]

    def backend(self, address, pool=None):
        rows = [row for row in self.show("backend")
                if row["address"] == address and pool in (None, row["pool"])]
        assert len(rows) == 1, f"{len(rows)} rows of backend {address} in show backend"
        return rows[0]

    def interface(self, name):
        return {row["name"]: row for row in self.show("interface")}[name]

    def wait_backend(self, address, state, seconds=15, pool=None):
        wait_until(lambda: self.backend(address, pool)["state"] == state, seconds,
                   f"backend {address} is {state}")

    def wait_all_up(self, seconds=15):
        wait_until(lambda: all(row["state"] == "up" for row in self.show("backend")), seconds,
                   "all backends are up")

    def stats(self, interface):
        for row in self.show("stats")["interface"]:
            if row["name"] == interface:
                return row
        raise AssertionError(f"no interface {interface} in show stats")

    def drops(self):
        """The reasons that have counted anything."""
        return {reason: count for reason, count in self.show("drops").items() if count}

    def check_conservation(self):
        """Every received frame is counted under exactly one verdict, at any instant."""
        for row in self.show("stats")["interface"]:
            counted = row["forwarded"] + row["consumed"] + row["held"] + row["dropped"]
            assert row["received"] == counted, f"conservation is violated: {row}"

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def stop(self):
        """Asks it to end; it must, cleanly, and no sanitizer may have complained."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("lbd did not end within 10 s of SIGTERM")
        log = self.log_text()
        assert status == 0, f"lbd ended with {status}:\n{log}"
        assert not re.search(r"Sanitizer|runtime error|not on lbd's list", log), log

    def describe(self):
        """For the report of a failed test."""
        texts = [f"lbd's log:\n{self.log_text()}"]
        for what in ("status", "interface", "neighbor", "backend", "flow", "drops", "stats"):
            try:
                texts.append(f"show {what}:\n{self.lb(f'show {what}', timeout=5).output}")
            except (AssertionError, subprocess.TimeoutExpired, OSError) as error:
                texts.append(f"show {what}: {error}")
        return "\n".join(texts)


class Host:
    """A host of its own addresses on a node's link, frame by frame. While it waits for a frame it
    answers ARP for itself; the node's kernel knows nothing of it."""

    def __init__(self, lab, node, address, mac, interface="eth0"):
        self.address, self.mac = address, mac
        self.raw = lab.socket(node, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.raw.bind((interface, ETH_P_ALL))
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.gateway_mac = EXT_MAC if node == "client" else INT_MAC

    def send(self, *frames):
        for frame in frames:
            self.raw.send(bytes(frame))

    def ether(self, **fields):
        """The Ethernet header of a frame to the appliance."""
        return Ether(src=self.mac, dst=self.gateway_mac, **fields)

    def ip(self, destination, **fields):
        return self.ether() / IP(src=self.address, dst=destination, **fields)

    def announce(self):
        """Makes the switch and the appliance know where this host is."""
        appliance = EXT if self.gateway_mac == EXT_MAC else INT
        self.send(Ether(src=self.mac, dst="ff:ff:ff:ff:ff:ff") /
                  ARP(op=1, hwsrc=self.mac, psrc=self.address, pdst=appliance))
        assert self.receive(lambda p: ARP in p and p[ARP].op == 2 and p[ARP].psrc == appliance), \
            f"the appliance does not answer ARP for {appliance}"

    def read(self):
        """The next frame, and whether it came or went."""
        data, (_, _, kind, _, _) = self.raw.recvfrom(65536)
        return data, kind

    def receive(self, match, seconds=3):
        """The first frame to arrive that matches, or None when time is up."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.raw], [], [], left)[0]:
                break
            data, kind = self.read()
            if kind == PACKET_OUTGOING:
                continue
            packet = Ether(data)
            self._answer_arp(packet)
            if match(packet):
                return packet
        return None

    def _answer_arp(self, packet):
        if ARP in packet and packet[ARP].op == 1 and packet[ARP].pdst == self.address:
            self.send(Ether(src=self.mac, dst=packet[Ether].src) /
                      ARP(op=2, hwsrc=self.mac, psrc=self.address, hwdst=packet[ARP].hwsrc,
                          pdst=packet[ARP].psrc))

    def drain(self):
        """Forgets what has arrived so far."""
        while select.select([self.raw], [], [], 0)[0]:
            self.raw.recv(65536)

    def close(self):
        self.raw.close()


class Server:
    """A server on a node, at all its addresses, as a thread of this process: the base of those
    below."""

    def __init__(self, lab, node, kind, port):
        self.node, self.port = node, port
        self.closing = False
        self.socket = lab.socket(node, socket.AF_INET, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("", port))
        if kind == socket.SOCK_STREAM:
            self.socket.listen(128)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.closing:
            if select.select([self.socket], [], [], 0.05)[0]:
                try:
                    self.serve_one()
                except OSError:
                    pass   # what a client sees of it is the test's matter

    def close(self):
        self.closing = True
        self.thread.join(10)
        self.socket.close()


class UdpEcho(Server):
    """Sends every datagram back with its own name in front, from the address that it came to."""

    def __init__(self, lab, node, port):
        super().__init__(lab, node, socket.SOCK_DGRAM, port)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)

    def serve_one(self):
        data, ((_, _, info),), _, peer = self.socket.recvmsg(65536, 64)
        source = bytes(4) + info[4:8] + bytes(4)   # struct in_pktinfo: ipi_spec_dst alone
        self.socket.sendmsg([self.node.encode() + b" " + data],
                            [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, peer)


class Digest(Server):
    """Takes a stream to its end and answers with its SHA-256 in hex."""

    def __init__(self, lab, node, port):
        super().__init__(lab, node, socket.SOCK_STREAM, port)

    def serve_one(self):
        connection, _ = self.socket.accept()
        with connection:
            digest = hashlib.sha256()
            while data := connection.recv(1 << 18):
                digest.update(data)
            connection.sendall(digest.hexdigest().encode())


class Nginx:
    """A real web server on a backend: `/` is the node's name, other paths are files of `content`;
    /slow/ is the same at 256 kB a second."""

    def __init__(self, lab, node, directory, content):
        self.lab, self.node, self.directory = lab, node, Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "nginx.conf").write_text(f"""
            daemon off;
            master_process off;
            pid nginx.pid;
            error_log error.log;
            events {{ worker_connections 4096; }}
            http {{
                access_log off;
                keepalive_timeout 0;
                sendfile on;
                server {{
                    listen 80 backlog=4096;
                    root {content};
                    location = / {{ return 200 "{node}\\n"; }}
                    location /slow/ {{ alias {content}/; limit_rate 256k; }}
                }}
            }}""")
        self.start()

    def start(self):
        self.process = self.lab.start(
            self.node, "/usr/sbin/nginx", "-p", self.directory, "-c", "nginx.conf",
            "-e", "error.log", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, 10, f"nginx of {self.node} answers")

    def _answers(self):
        assert self.process.poll() is None, (self.directory / "error.log").read_text()
        return self.lab.run(self.node, "curl", "-sf", "--max-time", "1", "http://127.0.0.1/",
                            check=False).returncode == 0

    def kill(self):
        self.process.kill()
        self.process.wait(10)


class Download:
    """A curl of the client, and what has arrived when it is done."""

    def __init__(self, lab, url, file):
        self.file = file
        self.process = lab.start("client", "curl", "-sS", "--max-time", "40", "-o", file, url,
                                 stderr=subprocess.PIPE)

    def is_running(self):
        return self.process.poll() is None

    def digest(self):
        """The SHA-256 of what came, once all of it has come."""
        _, error = self.process.communicate(timeout=45)
        assert self.process.returncode == 0, error
        return hashlib.sha256(Path(self.file).read_bytes()).hexdigest()

    def abandon(self):
        self.process.kill()
        self.process.communicate()


def chi_square(counts, weights):
    """How far counts are from what the weights predict; compare with CHI_SQUARE_LIMIT."""
    total, sum_weights = sum(counts), sum(weights)
    return sum((count - total * weight / sum_weights) ** 2 / (total * weight / sum_weights)
               for count, weight in zip(counts, weights))


# By chance exceeded once in a million, by degrees of freedom.
CHI_SQUARE_LIMIT = {1: 23.9, 2: 27.6}
