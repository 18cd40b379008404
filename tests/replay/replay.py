"""`lbd replay` for tests: frames in, verdicts and frames out, and after each run the laws.

    client 198.51.100.7 --- ext 198.51.100.1 | VIP 203.0.113.10 | int 10.0.0.1 --- 10.0.0.11, .12
"""
import io
import json
import os
import struct
import subprocess
from pathlib import Path

from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, rdpcap

ROOT = Path(__file__).resolve().parents[2]
LBD = Path(os.environ.get("LB_BUILD", ROOT / "build")) / "lbd"

EXT, INT = "02:00:00:00:01:01", "02:00:00:00:01:02"
CLIENT, ROUTER = "198.51.100.7", "198.51.100.254"
CLIENT_MAC = "02:00:00:00:00:07"
VIP = "203.0.113.10"
BACKENDS = {"10.0.0.11": "02:00:00:00:00:11", "10.0.0.12": "02:00:00:00:00:12"}
BASE = 1_700_000_000  # the captures' time of the first frame

NETWORK = f"""set global flow-table 16384
add interface ext role frontend address 198.51.100.1/24 mac {EXT}
add interface int role backend address 10.0.0.1/24 mac {INT}
add neighbor {CLIENT} mac {CLIENT_MAC} interface ext
add neighbor 10.0.0.11 mac 02:00:00:00:00:11 interface int
add neighbor 10.0.0.12 mac 02:00:00:00:00:12 interface int
"""
ONE = NETWORK + f"""
add pool web
add backend web 10.0.0.11:8080
add service web {VIP}:80/tcp pool web
add service dns {VIP}:53/udp pool web
"""
WEB = ONE + "add backend web 10.0.0.12:8080\n"


def without(config, text):
    """The configuration without the lines that have this in them."""
    return "".join(line for line in config.splitlines(keepends=True) if text not in line)


def to_vip(layer, **ip):
    """A frame of the client to the VIP; `ip`: fields of the IP header."""
    return Ether(src=CLIENT_MAC, dst=EXT) / IP(src=CLIENT, dst=VIP, **ip) / layer


def from_backend(layer, address="10.0.0.11", **ip):
    return Ether(src=BACKENDS[address], dst=INT) / IP(src=address, dst=CLIENT, **ip) / layer


def syn(port=40000, dport=80):
    return to_vip(TCP(sport=port, dport=dport, flags="S", seq=1000))


def arp_request(who, target, mac):
    return (Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") /
            ARP(op=1, hwsrc=mac, psrc=who, hwdst="00:00:00:00:00:00", pdst=target))


def arp_reply(who, mac):
    """What a host on the backends' side answers when it is asked."""
    return (Ether(src=mac, dst=INT) /
            ARP(op=2, hwsrc=mac, psrc=who, hwdst=INT, pdst="10.0.0.1"))


# A capture of Ethernet frames with times in nanoseconds.
PCAP_HEADER = struct.pack("<IHHIIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, 1)


def record(frame, seconds):
    time_ns = BASE * 10**9 + round(seconds * 10**9)
    return struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9, len(frame), len(frame)) + frame


class Captures:
    """What left each interface, as Scapy packets; only what is asked for, since Scapy is slow."""

    def __init__(self, files):
        self.files, self.packets = files, {}

    def __getitem__(self, interface):
        if interface not in self.packets:
            self.packets[interface] = list(rdpcap(io.BytesIO(self.files[interface])))
        return self.packets[interface]


class Result:
    def __init__(self, lines, documents, out):
        self.frames = lines          # one dict a frame that came in
        self.stats, self.drops = documents["stats"], documents["drops"]
        self.trace = documents.get("trace")
        self.out = out               # Captures of what left
        self.check_conservation()

    def check_conservation(self):
        for row in self.stats["interface"] + [self.stats["total"]]:
            sum_ = row["forwarded"] + row["consumed"] + row["held"] + row["dropped"]
            assert row["received"] == sum_, row
        assert self.stats["total"]["received"] == len(self.frames)
        assert self.stats["total"]["dropped"] == sum(self.drops.values())

    @property
    def verdicts(self):
        return [frame["reason"] or frame["verdict"] for frame in self.frames]

    def left(self, interface):
        """What left an interface on behalf of others: without the appliance's own ARP."""
        return [packet for packet in self.out[interface] if ARP not in packet]


class Replay:
    def __init__(self, folder):
        self.folder = folder

    def command(self, *arguments, check=True):
        result = subprocess.run([LBD, "replay", *map(str, arguments)], text=True, timeout=50,
                                capture_output=True)
        assert not check or result.returncode == 0, result.stderr
        return result

    def write(self, config, frames):
        """Arguments for a replay of (interface, frame) or (interface, frame, seconds) in order;
        without seconds a frame comes a millisecond after the one before."""
        script = self.folder / "config"
        script.write_text(config)
        captures, time = {}, 0.0
        for interface, packet, *seconds in frames:
            time = seconds[0] if seconds else time + 0.001
            captures.setdefault(interface, [PCAP_HEADER]).append(record(bytes(packet), time))
        arguments = ["--config", script]
        for interface, records in captures.items():
            file = self.folder / f"{interface}.in.pcap"
            file.write_bytes(b"".join(records))
            arguments += ["--in", f"{interface}={file}"]
        return arguments

    def run(self, config, frames, *more):
        out = self.folder / "out"
        out.mkdir(exist_ok=True)
        result = self.command(*self.write(config, frames), "--out", out, "--json", *more)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        captures = {file.stem: file.read_bytes() for file in out.iterdir()}
        documents = {key: line[key] for line in lines if "schema" in line for key in line}
        return Result([line for line in lines if "schema" not in line], documents,
                      Captures(captures))


def repaired(frame):
    """The bytes of a frame with the checksum of its IP header made right."""
    frame = bytearray(frame)
    frame[24:26] = b"\0\0"
    header = frame[14:14 + 4 * max(frame[14] & 15, 5)]
    total = sum(int.from_bytes(header[i:i + 2], "big") for i in range(0, len(header), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    frame[24:26] = (0xffff - total).to_bytes(2, "big")
    return bytes(frame)


def checksums_right(packet):
    """Scapy as the judge: the frame is the same when it computes every checksum anew."""
    fresh = packet.copy()
    for layer in (IP, TCP, UDP, ICMP):
        for instance in range(1, 4):
            found = fresh.getlayer(layer, instance)
            if found is not None:
                del found.chksum
    return bytes(fresh) == bytes(packet)
