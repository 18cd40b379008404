"""Frames in words."""
from wire import (ARP, ETHERNET, ICMP, IPV4, TCP, UDP, dotted, n16, n32, total)

FLAGS = ((2, "SYN"), (16, "ACK"), (1, "FIN"), (4, "RST"), (8, "PSH"))


def decoded(frame, interface):
    """One line, whatever the bytes are."""
    head = f"[if {interface}] "
    if len(frame) < ETHERNET:
        return head + f"{len(frame)} bytes"
    head += f"{frame[6:12].hex(':')} > {frame[0:6].hex(':')} "
    kind = n16(frame, 12)
    if kind == ARP and len(frame) >= 42:
        return head + (f"ARP {({1: 'request', 2: 'reply'}).get(n16(frame, 20), n16(frame, 20))}"
                       f" from {dotted(n32(frame, 28))} ({frame[22:28].hex(':')})"
                       f" about {dotted(n32(frame, 38))}")
    if kind != IPV4 or len(frame) < 34:
        return head + f"type {kind:04x}, {len(frame)} bytes"
    return head + ip_words(frame[ETHERNET:])


def ip_words(data):
    size = (data[0] & 15) * 4
    if size < 20 or len(data) < size:
        return f"a broken IP header, {len(data)} bytes"
    source, destination, protocol = dotted(n32(data, 12)), dotted(n32(data, 16)), data[9]
    text = f"TTL {data[8]} length {n16(data, 2)}"
    if total(data[:size]) != 0xffff:
        text += " BAD IP CHECKSUM"
    field = n16(data, 6)
    if field & 0x4000:
        text += " DF"
    if field & 0x3fff:
        text += f" fragment at {(field & 0x1fff) * 8}{'+' if field & 0x2000 else ''} id {n16(data, 4)}"
    l4 = data[size:]
    if field & 0x1fff or len(l4) < 8:
        return f"{source} > {destination} protocol {protocol} {text}"
    if protocol in (TCP, UDP):
        source += f":{n16(l4, 0)}"
        destination += f":{n16(l4, 2)}"
    if protocol == TCP and len(l4) >= 20:
        text += " TCP " + ("+".join(name for bit, name in FLAGS if l4[13] & bit) or "no flags")
        text += f" checksum {n16(l4, 16):04x}"
    elif protocol == UDP:
        text += f" UDP {n16(l4, 4)} bytes, checksum {n16(l4, 6):04x}"
    elif protocol == ICMP:
        text += f" ICMP type {l4[0]} code {l4[1]} checksum {n16(l4, 2):04x}"
        if l4[0] in (3, 4, 5, 11, 12) and len(l4) >= 28:
            text += f" about ({ip_words(l4[8:])})"
    else:
        text += f" protocol {protocol}"
    return f"{source} > {destination} {text}"
