"""The networks that are tried.

    clients 198.51.100.0/24 -- ext 198.51.100.1 [ VIP 203.0.113.10 ] 10.0.0.1 int -- 10.0.0.11, .12
"""
from dataclasses import replace

from config import Backend, Check, Config, Interface, Pool, Service
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


def small(admins=("enabled", "enabled"), weights=(1, 1), protocol="udp", mode="nat", heartbeats=None,
          idle=20 * SECOND, silence=20 * SECOND, **knobs):
    """Two backends, one service: what a search can go through whole."""
    check = None if heartbeats is None else Check("beat", silence, heartbeats)
    port = 0 if mode in ("dsr", "ipip", "gue") else 8080
    return Config(
        interfaces=interfaces(), pools=[Pool("web", check=check)],
        backends=[Backend("web", a, port, weight, admin)
                  for a, weight, admin in zip(BACKENDS, weights, admins)],
        services=[Service("web", VIP, 80, protocol, "web", mode, idle_timeout=idle, **knobs)],
        neighbors=NEIGHBORS, slices=60416 if mode == "fullnat" else 1, slice=9 if mode == "fullnat" else 1)


# ---- for random frames: more of everything ----

ALT_MAC = mac("02:00:00:00:01:03")
VIPS = [VIP, address("203.0.113.11"), address("203.0.113.12")]
SERVERS = [address(f"10.0.0.{n}") for n in (11, 12, 13)]
ROUTER, FAR = address("198.51.100.254"), address("192.0.2.5")
ALT_CLIENT = address("198.18.0.5")
PEOPLE = [address(f"198.51.100.{n}") for n in (7, 8, 9)] + [FAR, ALT_CLIENT]
KEY = b"an open secret!!"
PROXY = bytes.fromhex("0d0a0d0a000d0a515549540a")
MODES = ("nat", "fullnat", "dsr", "ipip", "gue")


def link(addr):
    """The MAC of a host; 198.51.100.9 and 10.0.0.13 are not told to the appliance."""
    return bytes((2, 0, 0, 0, addr >> 8 & 255, addr & 255))


def ports(rng, bridged=False):
    mtu = rng.choice((1500, 400))
    own = [((address("198.51.100.1"), 24),), ((address("10.0.0.1"), 24), (address("10.0.0.2"), 24)),
           ((address("198.18.0.1"), 24),)]
    names = ("ext", "int", "out")
    macs = (EXT_MAC, INT_MAC, ALT_MAC)
    roles = ("frontend", "backend", "frontend")
    up = (True, True, rng.random() < .85)
    return [Interface(name, role, addresses, own_mac, mtu, is_up)
            for name, role, addresses, own_mac, is_up in zip(names, roles, own, macs, up)]


def varied(base, mode, rng, check):
    """The next commit: most of it as it was."""
    new = world(mode, rng, base.bridged, check)
    old = {b.key: b for b in base.backends}
    backends = [b if rng.random() < .25 else old.get(b.key, b) for b in new.backends]
    services = [s if rng.random() < .25 else base.service[s.name] for s in new.services]
    interfaces = new.interfaces if rng.random() < .2 else base.interfaces
    return replace(new if rng.random() < .25 else base, interfaces=interfaces, backends=backends,
                   services=services)


def service(rng, name, vip, port, protocol, pool, mode, **fixed):
    handed_over = mode in ("dsr", "ipip", "gue")
    udp = protocol != "tcp"
    knobs = dict(
        idle_timeout=rng.choice((0, 0, 5 * SECOND)), max_flows=rng.choice((0, 0, 0, 6)),
        requests=rng.choice((0, 0, 3)) if udp else 0,
        responses=rng.choice((0, 0, 1, 2)) if udp and not handed_over else 0,
        lifetime=rng.choice((0, 0, 7 * SECOND)) if udp else 0,
        front_timeout=rng.choice((0, 0, 4 * SECOND)) if udp else 0,
        back_timeout=rng.choice((0, 0, 6 * SECOND)) if udp and not handed_over else 0,
        when_full=rng.choice(("stateless", "stateless", "shed")),
        fail_open=rng.random() < .3, on_backend_loss=rng.choice(("reselect", "reset")),
        enabled=rng.random() < .95)
    knobs.update(fixed)
    return Service(name, vip, port, protocol, pool, mode, **knobs)


def world(mode, rng, bridged=False, check=None):
    """One configuration of many for a mode: what differs between two commits is drawn."""
    def admin():
        return rng.choice(("enabled",) * 5 + ("drain", "disabled"))

    def weight():
        return rng.choice((1, 1, 1, 2, 3, 0))
    handed_over = mode in ("dsr", "ipip", "gue")
    servers = SERVERS if mode != "fullnat" else SERVERS[:2]
    port = (lambda wanted: 0) if handed_over else (lambda wanted: wanted)
    backends = [Backend(pool, a, port(p), weight(), admin())
                for pool, p in (("web", 8080), ("dns", 53), ("all", 0)) for a in servers
                if rng.random() < .9]
    scheduler = rng.choice(("maglev", "maglev", "round-robin", "least-connections"))
    affinity = rng.choice(("5-tuple", "source-ip")) if scheduler == "maglev" else "5-tuple"
    pools = [Pool("web", scheduler, affinity, check), Pool("dns", "maglev", "5-tuple", check),
             Pool("all", "maglev")]
    services = [service(rng, "web", VIPS[0], 80, "tcp", "web", mode),
                service(rng, "dns", VIPS[0], 53, "udp", "dns", mode),
                service(rng, "every", VIPS[1], 0, "any", "all", mode),
                service(rng, "exact", VIPS[1], 53, "udp", "dns", mode),
                service(rng, "twin", VIPS[2], 80, "tcp", "web", mode)]
    if mode in ("nat", "fullnat"):
        services += [service(rng, "each", VIPS[0], 5000, "udp", "dns", mode, proxy="every"),
                     service(rng, "first", VIPS[0], 5001, "udp", "dns", mode, proxy="first")]
    if mode == "nat" and not bridged:
        services.append(service(rng, "moved", VIPS[2], 81, "any", "web", mode, source_rewrite=(
            address("198.51.100.0"), address("172.16.0.0"), 24)))
    known = [a for a in PEOPLE[:2] + SERVERS[:2]] + [ROUTER, ALT_CLIENT]
    if mode == "fullnat":
        known.append(PEOPLE[2])            # so that whom it took for a source is seen at once
    where = {10: "int", 198: "ext"}
    neighbors = [] if bridged else [
        (a, link(a), "out" if a == ALT_CLIENT else where[a >> 24]) for a in known]
    return Config(
        interfaces=ports(rng, bridged), pools=pools, backends=backends, services=services,
        routes=[(address("192.0.2.0"), 24, ROUTER), (address("172.16.0.0"), 16, SERVERS[0])],
        neighbors=neighbors, topology="bridged" if bridged else "routed",
        forwarding=rng.random() < .3, reject=rng.random() < .5,
        vip_echo_available=rng.random() < .5, seed=rng.choice((0, 7)),
        slices=30208 if mode == "fullnat" else 1, slice=5 if mode == "fullnat" else 1)
