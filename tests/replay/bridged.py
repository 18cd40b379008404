"""The topology bridged in replay: a bump in the wire between clients and the backends' router.

    client 198.51.100.7  --- ext |      | int --- router 198.51.100.254 --- 10.0.0.11, .12
    client 192.0.2.7     --- alt | VIP  |                192.0.2.254

ext and int are port mode SINGLE, with alt it is MULTI. The router's MAC is the one that clients
send to: nobody has the VIP, it is behind the router. In MULTI the frontends have addresses, and so
has int, for checks; in SINGLE nobody has one.
"""
from scapy.all import ARP, IP, TCP, UDP, Ether

from replay import CLIENT, CLIENT_MAC, VIP

ROUTER_MAC, OTHER_MAC = "02:00:00:00:00:fe", "02:00:00:00:00:99"
MAC = {"ext": "02:00:00:00:01:01", "int": "02:00:00:00:01:02", "alt": "02:00:00:00:01:03"}
CLIENT2, CLIENT2_MAC = "192.0.2.7", "02:00:00:00:00:27"
EXT_ADDRESS, ALT_ADDRESS, INT_ADDRESS = "198.51.100.1", "192.0.2.1", "198.51.100.2"

SERVICES = f"""add pool web
add backend web 10.0.0.11:8080
add service web {VIP}:80/tcp pool web
add service dns {VIP}:53/udp pool web
"""
SINGLE = f"""set global flow-table 16384
set global topology bridged
add interface ext role frontend mac {MAC["ext"]}
add interface int role backend mac {MAC["int"]}
""" + SERVICES
MULTI = f"""set global flow-table 16384
set global topology bridged
add interface ext role frontend address {EXT_ADDRESS}/24 mac {MAC["ext"]}
add interface alt role frontend address {ALT_ADDRESS}/24 mac {MAC["alt"]}
add interface int role backend address {INT_ADDRESS}/24 mac {MAC["int"]}
""" + SERVICES
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def to_router(packet, mac=CLIENT_MAC):
    """A frame of a client, through the bump, to the router behind it."""
    return Ether(src=mac, dst=ROUTER_MAC) / packet


def to_client(packet, mac=CLIENT_MAC):
    """A frame of the router to a client."""
    return Ether(src=ROUTER_MAC, dst=mac) / packet


def request(layer=None, source=CLIENT, destination=VIP, **ip):
    return IP(src=source, dst=destination, **ip) / (layer or TCP(sport=40000, dport=80, flags="S"))


def reply(layer=None, destination=CLIENT, backend="10.0.0.11", **ip):
    return IP(src=backend, dst=destination, **ip) / (layer or
                                                     TCP(sport=8080, dport=40000, flags="SA"))


def datagram(**fields):
    return UDP(sport=5000, dport=53, **fields)


def asks(who, target, mac=CLIENT_MAC):
    return (Ether(src=mac, dst=EVERYBODY) /
            ARP(op=1, hwsrc=mac, psrc=who, hwdst="00:00:00:00:00:00", pdst=target))


def answers(who, mac, target, target_mac):
    return (Ether(src=mac, dst=target_mac) /
            ARP(op=2, hwsrc=mac, psrc=who, hwdst=target_mac, pdst=target))
