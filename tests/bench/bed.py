"""The bed that rings and peers are measured on: three namespaces, two cables.

    client eth0 ========== ext [appliance] int ========== eth0 server
    198.51.100.7        198.51.100.1   10.0.0.1        10.0.0.11, .12, .13

The same for all, so that ratios mean something. No switch: its work would be everybody's and would
hide differences. The three backends are addresses of one namespace, their gateway is the appliance.
The machinery is that of the tests in namespaces (tests/net/lab.py); traffic.c is the load.
"""
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "net"))
from lab import (BACKENDS, BUILD, CLIENT, CLIENT_MAC, EXT, EXT_MAC, INT, INT_MAC,   # noqa: E402
                 VIP, Lab)
from others import undisturbed   # noqa: E402

SERVER_MAC = "02:00:0a:00:00:0b"
CLIENTS = "198.18.0.0"        # RFC 2544's, where the generator's packets come from
CLIENTS_PREFIX = "198.18.0.0/15"
PORT = 9
GENERATOR_CPU, APPLIANCE_CPU = 0, 1
TOOLS = BUILD / "bench"


NICE = -20


def make_urgent(pid):
    """A process and its session. Where the kernel schedules sessions, niceness counts only in them."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.setpriority(os.PRIO_PROCESS, int(thread), NICE)
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists():
        session.write_text(str(NICE))


class Bed(Lab):
    """client, appliance, server."""

    def _script(self, verb):
        if verb == "down":
            return   # all nodes are added ones, and gone
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        for node in ("client", "appliance", "server"):
            self.add_node(node)
        self.cable("client", "eth0", "appliance", "ext")
        self.cable("appliance", "int", "server", "eth0")
        self.cable("client", "spare", "client", "spare-end")   # see anchor() in traffic.c
        for node, interface, mac in (("client", "eth0", CLIENT_MAC), ("appliance", "ext", EXT_MAC),
                                     ("appliance", "int", INT_MAC), ("server", "eth0", SERVER_MAC)):
            self.link(node, "set", interface, "address", mac)
        self.address("client", "eth0", f"{CLIENT}/24")
        for address in BACKENDS.values():
            self.address("server", "eth0", f"{address}/24")
        self.run("client", "ip", "route", "add", "203.0.113.0/24", "via", EXT)
        self.run("client", "ip", "route", "add", "10.0.0.0/24", "via", EXT)
        self.run("server", "ip", "route", "add", "default", "via", INT)
        # TIME_WAIT is not what anybody is measured by.
        self.run("client", "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535")

    def address(self, node, interface, address):
        self.run(node, "ip", "address", "add", address, "dev", interface)

    def receive_like_a_nic(self):
        """For the generator: `ext` polls a queue, with GRO; see traffic.c."""
        self.run("appliance", "ethtool", "-K", "ext", "gro", "on")

    def inside(self, node, interface):
        return f"{self.namespace(node)}:{interface}"

    def start_tool(self, words):
        """One of the bench's own programs, which enter namespaces themselves."""
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self.processes.append(process)
        return process


@contextlib.contextmanager
def bed():
    lab = Bed()
    try:
        yield lab
    finally:
        lab.close()


class Traffic:
    """The generator, the sink and what they have counted; see traffic.c."""

    def __init__(self, lab, one_core=False):
        """`one_core`: that of who is measured, and no more urgent."""
        self.lab = lab
        lab.receive_like_a_nic()
        self.process = lab.start_tool(
            [TOOLS / "traffic", TOOLS / "traffic.bpf.o", lab.inside("client", "eth0"),
             lab.inside("server", "eth0"), lab.inside("client", "spare")])
        if not one_core:
            make_urgent(self.process.pid)
        backends = list(BACKENDS.values())
        self.set(cpu=APPLIANCE_CPU if one_core else GENERATOR_CPU, shared=int(one_core),
                 mac=EXT_MAC, servermac=SERVER_MAC, flows=1000,
                 expect=f"{backends[0]}-{backends[-1]}:{PORT}", to=f"{VIP}:{PORT}",
                 **{"from": CLIENTS})

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"traffic has ended, at: {words}")
        return json.loads(answer)

    def set(self, **settings):
        for key, value in settings.items():
            self.tell("set", key, value)

    def run(self, rate, seconds):
        """What was offered, sent and delivered in so many seconds at so many packets a second."""
        return undisturbed(self.lab.processes, lambda: self.run_once(rate, seconds))

    def run_once(self, rate, seconds):
        """The same, whoever disturbs it."""
        self.set(rate=int(rate))
        return self.tell("run", int(seconds * 1000))

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
