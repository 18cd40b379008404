"""Who is measured on the bed: ringlb and its peers, each started and stopped here.

A subject has one core for its threads; those that live in the kernel work on the core that receives,
as they do in any machine. `to` is where the generator's packets go: the VIP, or a backend where the
subject only forwards.
"""
import shutil
import subprocess
import tempfile
from pathlib import Path

from bed import APPLIANCE_CPU, CLIENTS_PREFIX, PORT, SERVER_MAC, TOOLS, make_urgent
from lab import BACKENDS, CLIENT, CLIENT_MAC, EXT, INT, VIP, Appliance, wait_until   # by bed's path

SOME_BACKEND = BACKENDS["b2"]


class Unavailable(Exception):
    """It cannot run here; the reason is for the report."""


class Subject:
    name = None
    to = VIP
    program = None   # what must be installed
    urgent = True    # as the generator is, and with it who works inside the kernel: nobody waits for
                     # what else the machine has to do

    def __init__(self, lab):
        if self.program and not shutil.which(self.program):
            raise Unavailable(f"{self.program} is not installed")
        self.lab = lab
        self.process = None   # where it is one
        self.start()
        if self.process and self.urgent:
            make_urgent(self.process.pid)

    def start(self):
        raise NotImplementedError

    def stop(self):
        """Not called where the bed ends with it."""


class Ringlb(Subject):
    name = "ringlb"
    wait = None      # its default
    cpu = APPLIANCE_CPU
    before = ()      # what lbd is started by

    CONFIGURATION = f"""\
add interface ext role frontend address {EXT}/24
add interface int role backend address {INT}/24
add route {CLIENTS_PREFIX} via {CLIENT}
add pool udp
add pool tcp
{"".join(f"add backend udp {address}:{PORT}" + chr(10) for address in BACKENDS.values())}\
{"".join(f"add backend tcp {address}:0" + chr(10) for address in BACKENDS.values())}\
add service udp {VIP}:{PORT}/udp pool udp
add service tcp {VIP}:0/tcp pool tcp
"""

    def start(self):
        self.directory = tempfile.TemporaryDirectory(prefix="lbd.")
        arguments = [] if self.cpu is None else ["--cpu", str(self.cpu)]
        self.appliance = Appliance(self.lab, self.directory.name, *arguments)
        self.appliance.before = self.before
        self.appliance.start()
        self.process = self.appliance.process
        self.appliance.configure(self.CONFIGURATION +
                                 (f"set global wait {self.wait}\n" if self.wait else ""))

    def stop(self):
        self.appliance.stop()
        self.directory.cleanup()


class RinglbBusy(Ringlb):
    name = "ringlb busy"
    wait = "busy"


class RinglbSleep(Ringlb):
    name = "ringlb sleep"
    wait = "sleep"


class Forwarding(Subject):
    """The kernel routes, nothing else: what a NAT in the kernel cannot beat."""
    name = "kernel forwarding"
    to = SOME_BACKEND

    def start(self):
        self.lab.address("appliance", "ext", f"{EXT}/24")
        self.lab.address("appliance", "int", f"{INT}/24")
        self.lab.run("appliance", "ip", "route", "add", CLIENTS_PREFIX, "via", CLIENT)
        self.lab.run("appliance", "sysctl", "-qw", "net.ipv4.ip_forward=1")


class Nftables(Forwarding):
    name = "nftables"
    to = VIP
    program = "nft"

    RULES = f"""\
table ip bench {{
	chain prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr {VIP} meta l4proto {{ tcp, udp }} dnat to jhash ip saddr . th sport mod {len(BACKENDS)} map {{
			{", ".join(f"{i} : {address}" for i, address in enumerate(BACKENDS.values()))}
		}}
	}}
}}
"""

    def start(self):
        super().start()
        self.lab.run("appliance", "nft", "-f", "-", input=self.RULES)


class Testpmd(Subject):
    """DPDK on the same kind of socket: changes MAC addresses, and nothing else."""
    name = "testpmd"
    to = SOME_BACKEND
    program = "dpdk-testpmd"
    rings = ""       # as the driver sets them: 512 frames

    def start(self):
        self.log = tempfile.TemporaryFile("w+")
        cpu = APPLIANCE_CPU
        # stdbuf: it is to say at once, also into a file, that it is ready.
        self.process = self.lab.start(
            "appliance", "stdbuf", "-oL", self.program, f"--lcores=0@{cpu},1@{cpu}", "--no-huge",
            "-m", "512", "--no-pci", "--no-shconf", "--no-telemetry",
            f"--vdev=net_af_packet0,iface=ext{self.rings}",
            f"--vdev=net_af_packet1,iface=int{self.rings}", "--",
            "--forward-mode=mac", "--nb-cores=1", "--total-num-mbufs=32768",
            f"--eth-peer=0,{CLIENT_MAC}", f"--eth-peer=1,{SERVER_MAC}", "--auto-start",
            stdin=subprocess.PIPE, stdout=self.log, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: "Press enter" in self.said() or self.process.poll() is not None, 20,
                       "testpmd forwards")
        except AssertionError as error:
            raise Unavailable(str(error)) from error
        if self.process.poll() is not None:
            raise Unavailable(f"it ended: {self.said().strip().splitlines()[-1]}")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.log.close()


class TestpmdLongRings(Testpmd):
    """Loses less, for a lower peak."""
    name = "testpmd, 2048 frames"
    rings = ",framecnt=2048"


class TpacketV2(Subject):
    """The least that a busy NAT over V2 rings has to do, for latency; see v2forward.c."""
    name = "TPACKET_V2 busy"

    def start(self):
        self.process = self.lab.start(
            "appliance", "taskset", "-c", APPLIANCE_CPU, TOOLS / "v2forward", "ext", CLIENT_MAC,
            "int", SERVER_MAC, VIP, SOME_BACKEND, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise Unavailable("v2forward ended")

    def stop(self):
        self.process.kill()
        self.process.wait(10)


class HAProxy(Subject):
    """A proxy of connections, in TCP mode, with one thread."""
    name = "HAProxy"
    program = "haproxy"
    PORTS = (80, 5201)   # those that the clients' programs use

    def start(self):
        self.directory = tempfile.TemporaryDirectory(prefix="haproxy.")
        servers = "\n".join(f"\tserver {name} {address}" for name, address in BACKENDS.items())
        configuration = Path(self.directory.name) / "haproxy.cfg"
        configuration.write_text(
            "global\n\tnbthread 1\n\tmaxconn 4096\n"
            "defaults\n\tmode tcp\n\ttimeout connect 5s\n\ttimeout client 60s\n"
            "\ttimeout server 60s\n" +
            "".join(f"listen port{port}\n\tbind {VIP}:{port}\n\tbalance roundrobin\n{servers}\n"
                    for port in self.PORTS))
        self.lab.address("appliance", "ext", f"{EXT}/24")
        self.lab.address("appliance", "int", f"{INT}/24")
        self.lab.address("appliance", "lo", f"{VIP}/32")
        self.lab.run("appliance", "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535")
        self.process = self.lab.start("appliance", self.program, "-db", "-f", configuration,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.directory.cleanup()
