"""The networks that are tried.

    clients 198.51.100.0/24 -- ext 198.51.100.1 [ VIP 203.0.113.10 ] 10.0.0.1 int -- 10.0.0.11, .12
"""
from config import Backend, Config, Interface, Pool, Service
from wire import SECOND, address, mac

EXT, INT = 0, 1
EXT_MAC, INT_MAC = mac("02:00:00:00:01:01"), mac("02:00:00:00:01:02")
CLIENTS = [address("198.51.100.7"), address("198.51.100.8")]
CLIENT_MACS = {CLIENTS[0]: mac("02:00:00:00:00:07"), CLIENTS[1]: mac("02:00:00:00:00:08")}
VIP = address("203.0.113.10")
BACKENDS = [address("10.0.0.11"), address("10.0.0.12")]
BACKEND_MACS = {BACKENDS[0]: mac("02:00:00:00:00:11"), BACKENDS[1]: mac("02:00:00:00:00:12")}


def interfaces(mtu=1500):
    return [Interface("ext", "frontend", ((address("198.51.100.1"), 24),), EXT_MAC, mtu),
            Interface("int", "backend", ((address("10.0.0.1"), 24),), INT_MAC, mtu)]


NEIGHBORS = [(a, m, "ext") for a, m in CLIENT_MACS.items()] + \
    [(a, m, "int") for a, m in BACKEND_MACS.items()]


def small(admins=("enabled", "enabled"), weights=(1, 1), protocol="udp"):
    """Two backends, one service: what a search can go through whole."""
    return Config(
        interfaces=interfaces(), pools=[Pool("web")],
        backends=[Backend("web", a, 8080, weight, admin)
                  for a, weight, admin in zip(BACKENDS, weights, admins)],
        services=[Service("web", VIP, 80, protocol, "web", idle_timeout=20 * SECOND)],
        neighbors=NEIGHBORS)
