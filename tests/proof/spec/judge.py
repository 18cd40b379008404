"""Scapy as the judge of the specification's own bytes: what it has sent, taken apart and built again
by somebody else's code, is the same, checksums included, where it came with right ones."""
import random

from scapy.all import ICMP, IP, TCP, UDP, Ether, raw

import worlds
from randoms import one_round
from wire import NO_OFFLOAD

ERRORS = (3, 4, 5, 11, 12)


def rebuilt(layer):
    """With every length and checksum computed by Scapy."""
    for part in (IP, TCP, UDP, ICMP):
        found, n = layer.getlayer(part), 1
        while found is not None:
            for name in ("chksum", "len", "ihl"):
                if name in found.fields and not (part is UDP and name == "chksum" and not found.chksum):
                    del found.fields[name]
            n += 1
            found = layer.getlayer(part, n)
    return raw(layer)


def judged(frame):
    """None: not for this judge (fragments; quotes, which are cut short)."""
    packet = Ether(frame)
    if IP not in packet or packet[IP].frag or packet[IP].flags.MF or packet[IP].options:
        return None
    if ICMP in packet and packet[ICMP].type in ERRORS:
        return None
    if packet[IP].proto == 17 and packet[IP].payload.len != packet[IP].len - 4 * packet[IP].ihl:
        return None
    return rebuilt(packet)


class Differs(Exception):
    pass


def judge(program, wanted):
    """Judges so many frames of every mode; how many it was."""
    count = 0
    for mode in worlds.MODES:
        seen = []

        def look(p, sent, seen=seen):
            if p.offload == NO_OFFLOAD and p.frame[12:14] == b"\x08\x00" and p.ports and p.whole and \
                    p.l4_checksum_is_right():
                seen.extend(frame for _, frame, offload, _ in sent if offload == NO_OFFLOAD)

        one_round(program, mode, f"judge {mode}", wanted * 4, look=look)
        random.Random(1).shuffle(seen)
        for frame in seen[:wanted]:
            other = judged(frame)
            if other is not None:
                count += 1
                if other != frame:
                    raise Differs(f"Scapy builds another frame:\n  {frame.hex()}\n  {other.hex()}")
    return count
