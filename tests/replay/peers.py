"""For packet cases of other balancers' suites: clients behind a gateway on one interface, servers
on the other, with the suite's own addresses; and frames compared byte for byte."""
from scapy.all import IP, TCP, UDP, Ether, Raw

from replay import EXT, INT

GATEWAY_MAC = "de:ad:be:ef:de:ef"      # the client's, or the router's before it


def server_mac(address):
    return "02:00:" + ":".join(f"{int(byte):02x}" for byte in address.split("."))


def network(ext, gateway, inside, *servers):
    """Two interfaces: clients behind a gateway on one, servers on the other."""
    return f"""add interface ext role frontend address {ext} mac {EXT}
add interface int role backend address {inside} mac {INT}
add neighbor {gateway} mac {GATEWAY_MAC} interface ext
add route 0.0.0.0/0 via {gateway}
""" + "".join(f"add neighbor {server} mac {server_mac(server)} interface int\n"
              for server in servers)


def pool(port, *servers, options=""):
    return f"add pool p {options}\n" + "".join(f"add backend p {server}:{port}\n"
                                               for server in servers)


def to_us(packet):
    return "ext", Ether(src=GATEWAY_MAC, dst=EXT) / packet


def from_server(packet):
    return "int", Ether(src=server_mac(packet.src), dst=INT) / packet


def to_client(packet):
    return "ext", Ether(src=EXT, dst=GATEWAY_MAC) / packet


def to_server(packet):
    return "int", Ether(src=INT, dst=server_mac(packet.dst)) / packet


def run(replay, config, frames, *more):
    """What left each interface, in order."""
    result = replay.run(config, frames, *more)
    return result, [(name, packet) for name in ("ext", "int") for packet in result.left(name)]


def becomes(replay, config, frames, want, *more):
    result, left = run(replay, config, frames, *more)
    assert [(name, bytes(packet)) for name, packet in left] == [
        (name, bytes(packet)) for name, packet in sorted(want, key=lambda row: row[0])]
    return result


KATRAN_SERVERS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
KATRAN_DATA = Raw(b"katran test pkt")
KATRAN = network("172.16.1.1/24", "172.16.1.2", "10.0.0.254/24", *KATRAN_SERVERS)


def katran_ack(destination, dport, **ip):
    return IP(src="192.168.1.1", dst=destination, **ip) / TCP(
        sport=31337, dport=dport, seq=0, ack=0, window=8192, flags="A") / KATRAN_DATA


def katran_udp(destination, dport, data=KATRAN_DATA, **ip):
    return IP(src="192.168.1.1", dst=destination, **ip) / UDP(sport=31337, dport=dport) / data
