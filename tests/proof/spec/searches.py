"""The searches: what is gone through whole."""
import sys

import worlds
from search import Plan, search
from source000 import Source000
from wire import ACK, FIN, IPV4, RST, SYN, TCP, UDP, Packet, ethernet, ip_packet, tcp, udp
from worlds import BACKEND_MACS, BACKENDS, CLIENT_MACS, CLIENTS, EXT, EXT_MAC, INT, INT_MAC, VIP


def of_client(client, l4, protocol):
    return Packet(ethernet(EXT_MAC, CLIENT_MACS[client], IPV4, ip_packet(client, VIP, protocol, l4)), EXT)


def of_backend(backend, to, l4, protocol):
    return Packet(ethernet(INT_MAC, BACKEND_MACS[backend], IPV4,
                           ip_packet(backend, to, protocol, l4)), INT)


def name(address):
    return f".{address & 255}"


def datagrams(keys, answers=True):
    actions = []
    for client, port in keys:
        actions.append((f"client {name(client)}:{port} sends", "frame",
                        of_client(client, udp(client, port, VIP, 80, b"ask"), UDP)))
        for backend in BACKENDS if answers else ():
            actions.append((f"backend {name(backend)} answers {name(client)}:{port}", "frame", of_backend(
                backend, client, udp(backend, 8080, client, port, b"answer"), UDP)))
    return actions


def segments(keys, backends=BACKENDS):
    """Every kind of segment, both ways."""
    actions = []
    for client, port in keys:
        for title, flags in (("SYN", SYN), ("ACK", ACK), ("FIN", FIN | ACK), ("RST", RST)):
            actions.append((f"client {name(client)}:{port} sends {title}", "frame", of_client(
                client, tcp(client, port, VIP, 80, flags), TCP)))
        for backend in backends:
            for title, flags in (("SYN+ACK", SYN | ACK), ("FIN", FIN | ACK), ("RST", RST | ACK)):
                actions.append((f"backend {name(backend)} answers {name(client)}:{port} {title}", "frame",
                                of_backend(backend, client, tcp(backend, 8080, client, port, flags), TCP)))
    return actions


def heartbeats(port=9000):
    own = worlds.address("10.0.0.1")
    return [(f"heartbeat of {name(a)}", "frame", of_backend(a, own, udp(a, 1, own, port, b"alive"), UDP))
            for a in BACKENDS]


KEYS = [(CLIENTS[0], 1000), (CLIENTS[0], 1001), (CLIENTS[1], 1000)]


def plans():
    small = worlds.small
    changes = [("both in service", {}), ("the first drains", dict(admins=("drain", "enabled"))),
               ("the second is disabled", dict(admins=("enabled", "disabled")))]
    yield Plan("every state: UDP by nat", "2 flows, 2 backends, 3 clients, drain, disable", 2,
               [(title, small(**change)) for title, change in changes], datagrams(KEYS))
    tcp_changes = changes + [("the second has weight 0", dict(weights=(1, 0)))]
    yield Plan("every state: life of TCP by nat", "2 flows, 2 backends, 2 clients", 2,
               [("both in service", small(protocol="tcp"))], segments(KEYS[:2]))
    yield Plan("every state: TCP, drain, weight 0", "2 flows, 2 backends, 1 client", 2,
               [(title, small(protocol="tcp", **change)) for title, change in tcp_changes],
               segments(KEYS[:1]))
    yield Plan("every state: backends die and come back", "2 flows, 2 backends, 2 clients, heartbeats", 2,
               [("no table: by the row", small(heartbeats=9000))], datagrams(KEYS[:2]) + heartbeats())
    yield Plan("every state: fullnat, limits of UDP", "2 flows, 2 backends, 2 clients, 1 port", 2,
               [("both in service", small(mode="fullnat", requests=2, responses=2)),
                ("the first drains", small(("drain", "enabled"), mode="fullnat", requests=1))],
               datagrams(KEYS[:2]) + [(f"backend {name(b)} answers the appliance", "frame", of_backend(
                   b, worlds.address("10.0.0.1"), udp(b, 8080, worlds.address("10.0.0.1"), 1032, b"yes"), UDP))
                   for b in BACKENDS])
    # Wheel and timeouts meet on these points: 2^20 ms.
    grid = (1 << 20) * 10**6
    yield Plan("every state: as source 000", "2 flows, 2 backends, 3 clients, full table", 2,
               [("dsr, heartbeats from any", small(mode="dsr", heartbeats=0, idle=2 * grid, silence=2 * grid))],
               datagrams(KEYS, answers=False) + heartbeats(),
               grid, False, Source000(2, 2, 2 * grid, 2 * grid))
    yield Plan("every state: as source 000, the last nanosecond", "4 flows, 2 backends, 2 clients", 4,
               [("dsr, heartbeats from any", small(mode="dsr", heartbeats=0, idle=grid, silence=grid))],
               datagrams(KEYS[:2], answers=False) + heartbeats(),
               grid, True, Source000(4, 2, grid, grid))


def main(program, wanted=None):
    good = True
    for i, plan in enumerate(plans()):
        if wanted is None or str(i) in wanted.split(","):
            good = search(program, plan) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
