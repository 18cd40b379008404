"""SEMANTICS 8: ICMP. Echo, errors that are passed on, and what the appliance says itself."""
import struct
from collections import namedtuple

from section2 import admitted, reports_error
from section5 import GUE_PORT, HANDED_OVER, OVERHEAD, PROXY_SIGNATURE, Plan, Way
from wire import (ACK, DONT_FRAGMENT, ECHO, ECHO_REPLY, ETHERNET, FIN, FRAGMENTATION_NEEDED,
                  HOST_UNREACHABLE, ICMP, IPIP, IPV4, NO_OFFLOAD, PORT_UNREACHABLE, REDIRECT, RST,
                  SECOND, SOURCE_ROUTE_FAILED, SYN, TCP, TIME_EXCEEDED, UDP, UNREACHABLE, Packet,
                  carried, carried_udp, checksum, ethernet, icmp, ip_packet, is_host, n16, n32, put16,
                  put32, set_ip_checksum, tcp, total)

RATE = 100                         # "rate-limited (100 per second per kind)"
QUOTE_MAX = 576                    # RFC 1812 section 4.3.2.3: the whole error
CONTROL = 0xc0                     # its type of service: internetwork control

# The packet that an error embeds: where its header is in the frame, and its fields.
Quote = namedtuple("Quote", "at l4 end source destination protocol source_port destination_port")


def read_quote(p, at=None, end=None):
    """What an error embeds, as far as it has to be there: the whole IP header, right, and 8 bytes
    of L4 that is no later fragment's. None: "malformed"."""
    f = p.frame
    outermost = at is None
    if outermost:
        at, end = p.l4 + 8, ETHERNET + p.length
        if not p.whole or not p.l4_checksum_is_right():
            return None
    if end - at < 28:
        return None
    header = (f[at] & 15) * 4
    if outermost:
        end = min(end, at + n16(f, at + 2))
    if f[at] >> 4 != 4 or header < 20 or end - at < header + 8 or n16(f, at + 6) & 0x1fff or \
            total(f[at:at + header]) != 0xffff:
        return None
    l4 = at + header
    return Quote(at, l4, end, n32(f, at + 12), n32(f, at + 16), f[at + 9], n16(f, l4), n16(f, l4 + 2))


class Icmp:
    # ---- echo ----

    def icmp_to_us(self, p):
        if p.frame[p.l4] == ECHO:
            return self.echo(p)
        return self.icmp_error_about_flow(p) if reports_error(p) else "icmp_ignored"

    def echo(self, p):
        """"Echo for VIPs and interface addresses, checksum-correct, any size up to the MTU,
        rate-limited." It goes back where it came from, by the MAC that it came from."""
        if not p.whole or p.from_mac[0] & 1:
            return "icmp_ignored"
        if not p.l4_checksum_is_right():
            return "icmp_malformed"
        if self.config.vip_echo_available and p.destination in self.config.vips and \
                not self.vip_available(p.destination):
            return "echo_unavailable"
        if p.length > self.config.interfaces[p.interface].mtu:
            return "too_big"
        if not self.may_say("echo"):
            return "rate_limited"
        f = bytearray(p.frame[:ETHERNET + p.length])
        f[0:12] = p.from_mac + p.to_mac
        f[22] = 64
        f[26:34] = p.frame[30:34] + p.frame[26:30]
        f[p.l4] = ECHO_REPLY
        put16(f, p.l4 + 2, 0)
        put16(f, p.l4 + 2, checksum(f[p.l4:]))
        set_ip_checksum(f)
        self.send(f, p.interface, NO_OFFLOAD, (p.vlan_tci, p.vlan_tpid), True)
        return "consumed"

    def vip_available(self, vip):
        """"Echo to a VIP whose services are all down", as of the last table."""
        return any(s.vip == vip and s.enabled and self.tables[s.pool] for s in self.config.services)

    # ---- what the appliance says ----

    def may_say(self, kind):
        """"Everything that the appliance itself sends is rate-limited (100 per second per kind)"."""
        said = tuple(at for at in self.said.get(kind, ()) if self.now < at + SECOND)
        if len(said) == RATE:
            return False
        self.said[kind] = said + (self.now,)
        return True

    def way_back(self, p):
        """To the sender, first by where he came in. Bridged: there, and never to who is many."""
        if self.config.bridged:
            hosts = is_host(p.destination) and not (p.from_mac[0] | p.to_mac[0]) & 1 and \
                not self.is_broadcast(p.destination)
            return Way(p.interface, p.source, p.destination) if hosts else None
        way = self.way_to(p.source, p.interface)
        if not way or not self.config.interfaces[way.interface].up:
            return None
        return Way(way.interface, way.via or p.source, way.source)

    def tell_sender(self, p, what, mtu=0):
        """An ICMP error about a packet, as it came: "never answers an ICMP error, a broadcast or a
        multicast", nor a later fragment (RFC 1122 section 3.2.2). It speaks as the VIP that was
        called, else as the interface."""
        if reports_error(p) or p.offset:
            return
        kind, code = {"time exceeded": (TIME_EXCEEDED, 0),
                      "too big": (UNREACHABLE, FRAGMENTATION_NEEDED),
                      "no port": (UNREACHABLE, PORT_UNREACHABLE),
                      "no host": (UNREACHABLE, HOST_UNREACHABLE)}[what]
        holder = p.source in self.config.vips and not self.config.bridged
        way = Way(p.interface, 0, 0) if holder else self.way_back(p)
        if not way:
            return
        port = self.config.interfaces[p.interface]
        source = p.destination if p.destination in self.config.vips else \
            port.addresses[0][0] if port.addresses else way.source
        limit = "unreachable" if what in ("no port", "no host") else what
        if not source or not self.may_say(limit):
            return
        room = min(QUOTE_MAX, self.config.interfaces[way.interface].mtu) - 28
        message = icmp(kind, code, mtu, p.datagram[:room])
        packet = ip_packet(source, p.source, ICMP, message, 64, p.id, CONTROL)
        if holder:                         # the backend that holds the VIP, by its flow
            error = Packet(ethernet(bytes(6), bytes(6), IPV4, packet), 0)
            error.originated = True
            backend, fate = self.backend, self.fate
            if not admitted(error):
                self.icmp_error_about_flow(error)
            self.backend, self.fate = backend, fate
        else:
            self.say(p, packet, way)

    def say(self, p, packet, way):
        if len(packet) > self.config.interfaces[way.interface].mtu and not self.config.bridged:
            return
        if self.config.bridged:            # between the two who talk, as the one who was called
            frame = ethernet(p.from_mac, p.to_mac, IPV4, packet)
            self.send(frame, way.interface, NO_OFFLOAD, (p.vlan_tci, p.vlan_tpid), True)
        else:
            self.transmit(bytearray(ethernet(bytes(6), bytes(6), IPV4, packet)), way, None)

    def tell_reset(self, p):
        """RFC 9293 section 3.10.7.1: to whom no connection is known here."""
        way = self.way_back(p)
        if not p.whole or p.flags & RST or not p.l4_checksum_is_right() or not way or \
                not self.may_say("reset"):
            return
        f = p.frame
        if p.flags & ACK:
            flags, seq, ack = RST, n32(f, p.l4 + 8), 0
        else:
            length = p.l4_length - (f[p.l4 + 12] >> 4) * 4 + bool(p.flags & SYN) + bool(p.flags & FIN)
            flags, seq, ack = RST | ACK, 0, (n32(f, p.l4 + 4) + length) & 0xffffffff
        segment = tcp(p.destination, p.destination_port, p.source, p.source_port, flags, seq=seq,
                      ack=ack, window=0)
        self.say(p, ip_packet(p.destination, p.source, TCP, segment, fragment=DONT_FRAGMENT), way)

    def refuse(self, p):
        """SEMANTICS 3: "`no-service reject` a TCP RST / ICMP port unreachable, rate-limited"."""
        if self.config.reject and p.protocol == TCP:
            self.tell_reset(p)
        elif self.config.reject:
            self.tell_sender(p, "no port")
        return "no_service"

    # ---- errors from the path about a flow ----

    def icmp_error_about_flow(self, p):
        """"Errors from the path about a flow reach the right backend (or client), outer and
        embedded addresses, ports and checksums all translated ... Malformed or unmatched ones are
        dropped". The embedded packet, turned around, is looked up as its answer would be."""
        if p.frame[p.l4] == REDIRECT:
            return "icmp_ignored"
        q = read_quote(p)
        if not q:
            return "icmp_malformed"
        answer = q.destination, q.destination_port, q.source, q.source_port, q.protocol
        known = None
        if q.protocol in (TCP, UDP) and p.destination == q.source:
            flow, side = self.flows.find(answer, self.now)
            if flow:
                known = self.about_reply(p, flow, flow.forward[0]) if side == 0 else \
                    self.about_request(p, flow, answer)
            else:
                known = self.about_no_flow(p, answer)
        if not known:
            return self.error_from_tunnel(p, q)
        to, source, inner_source, inner_destination, prefer, backend, plan, proxy = known
        way = self.way_out(p, to, prefer, plan)
        if isinstance(way, str):
            return way
        self.backend = backend
        if plan:                           # the client's own packet comes back as it is
            return self.leave(p, bytearray(p.frame), way, plan)
        frame = self.translated(p, q, inner_source, inner_destination, proxy)
        put32(frame, 26, source)
        put32(frame, 30, to)
        if not self.config.bridged:
            frame[22] -= 1
        set_ip_checksum(frame)
        return self.leave(p, frame, way)

    def about_reply(self, p, flow, client):
        """From the clients' side: to the backend that sent the reply. A client that says so itself
        is whom the backend takes him for; so is everybody in fullnat."""
        hidden = flow.mode == "fullnat" or p.source == client
        plan = None
        if flow.mode in HANDED_OVER:
            answer = flow.forward
            plan = Plan(None, (flow.address, 0), flow.mode, False, self.flow_hash(answer))
        return (flow.address, flow.source if hidden else p.source, (flow.address, flow.port),
                (flow.source, flow.source_port), None, flow.backend, plan, None)

    def about_request(self, p, flow, answer):
        """From the backends' side: to the client, who knows of the VIP only."""
        client, client_port, vip, vip_port, _ = flow.forward
        proxy = flow.proxy != "off" and (flow.proxy, client, client_port)
        return (client, vip if p.source == answer[0] else p.source, (client, client_port),
                (vip, vip_port), flow.frontend, flow.backend, None, proxy)

    def about_no_flow(self, p, answer):
        """What was forwarded for want of room without a flow went where the table says."""
        backend_address, backend_port, client, client_port, protocol = answer
        service = self.config.at.get((client, client_port, protocol)) or \
            self.config.at.get((client, 0, protocol))
        if service:                        # about a reply: `answer` is what the client sends
            if not service.enabled or service.mode == "fullnat":
                return None
            choices = self.choices(service, answer, "maglev")
            return choices and self.about_reply(
                p, self.as_by_table(service, choices[0], answer), backend_address)
        reached = self.config.reached(backend_address, backend_port, protocol)
        if not reached or self.ours(client) or not reached[0].enabled:
            return None
        service, port = reached
        client = self.moved(service, client, back=True)
        proxy = protocol == UDP and service.proxy != "off" and (service.proxy, client, client_port)
        return (client, service.vip if p.source == backend_address else p.source,
                (client, client_port), (service.vip, port), None, None, None, proxy)

    def translated(self, p, q, source, destination, proxy):
        """The embedded packet as its sender knows it, with every checksum that covers it."""
        frame = bytearray(p.frame[:ETHERNET + p.length])
        if proxy:
            q = self.forget_proxy(frame, p, q, proxy)
        before = total(frame[q.at + 12:q.at + 20]) + q.source_port + q.destination_port
        put32(frame, q.at + 12, source[0])
        put32(frame, q.at + 16, destination[0])
        put16(frame, q.l4, source[1])
        put16(frame, q.l4 + 2, destination[1])
        after = total(frame[q.at + 12:q.at + 20]) + source[1] + destination[1]
        set_ip_checksum(frame, q.at)
        if q.protocol == UDP:
            put16(frame, q.l4 + 6, carried_udp(n16(frame, q.l4 + 6), before, after))
        elif q.end - q.l4 >= 18:           # as much of it as is quoted
            put16(frame, q.l4 + 16, carried(n16(frame, q.l4 + 16), before, after))
        put16(frame, p.l4 + 2, 0)
        put16(frame, p.l4 + 2, checksum(frame[p.l4:ETHERNET + n16(frame, 16)]))
        return frame

    def forget_proxy(self, frame, p, q, proxy):
        """The client sent no PROXY header: it comes out of the quote, and of the MTU that is told."""
        state, client, client_port = proxy
        size = proxy_in_quote(frame, q, state == "every")
        if not size:
            return q
        header = PROXY_SIGNATURE + struct.pack(">BBHIIHH", 0x21, 0x12, size - 16, client, q.destination,
                                               client_port, q.destination_port)
        header += b"\x04\0\x01\0" if size == 32 else b""
        payload = q.l4 + 8
        del frame[q.end:]                  # extensions of the error, too
        del frame[payload:payload + size]
        end = len(frame)
        put16(frame, 16, end - ETHERNET)
        put16(frame, q.at + 2, (n16(frame, q.at + 2) - size) & 0xffff)
        length, field = n16(frame, q.l4 + 4), n16(frame, q.l4 + 6)
        shorter = (length - size) & 0xffff
        put16(frame, q.l4 + 4, shorter)
        put16(frame, q.l4 + 6, carried_udp(field, 2 * length + total(header), 2 * shorter))
        put16(frame, p.l4 + 4, 0)
        if frame[p.l4] == UNREACHABLE and frame[p.l4 + 1] == FRAGMENTATION_NEEDED and \
                n16(frame, p.l4 + 6) > size:
            put16(frame, p.l4 + 6, n16(frame, p.l4 + 6) - size)
        return q._replace(end=end)

    # ---- errors about a tunnel's outer header ----

    def error_from_tunnel(self, p, q):
        """"PMTU discovery works through every mode": who is told is the client, of his own packet."""
        f = p.frame
        mode = "ipip" if q.protocol == IPIP else \
            "gue" if q.protocol == UDP and q.destination_port == GUE_PORT else None
        if not mode or p.destination not in self.config.own or p.destination != q.source:
            return "icmp_unmatched"
        inner = read_quote(p, q.l4 + OVERHEAD[mode] - 20, q.end)
        if not inner or inner.protocol not in (TCP, UDP):
            return "icmp_unmatched"
        key = inner.source, inner.source_port, inner.destination, inner.destination_port, inner.protocol
        flow, side = self.flows.find(key, self.now)
        interface = p.interface
        if flow:
            interface = flow.frontend
            ours = side == 0 and flow.mode == mode and flow.address == q.destination
        else:
            service = self.config.at.get(key[2:]) or self.config.at.get((key[2], 0, key[4]))
            choices = self.choices(service, key, "maglev") \
                if service and service.enabled and service.mode == mode else []
            ours = bool(choices) and choices[0].address == q.destination
        if not ours:
            return "icmp_unmatched"
        kind, code, mtu = f[p.l4], f[p.l4 + 1], n16(f, p.l4 + 6)
        if kind == TIME_EXCEEDED and code != 0 or kind not in (TIME_EXCEEDED, UNREACHABLE) or \
                (kind == UNREACHABLE and code == SOURCE_ROUTE_FAILED):
            return "icmp_ignored"
        quoted = Packet(f[:ETHERNET] + f[inner.at:inner.end], interface)
        quoted.read_ip()
        quoted.length = inner.end - inner.at
        if kind == UNREACHABLE and code == FRAGMENTATION_NEEDED:
            if mtu and mtu < 68 + OVERHEAD[mode]:
                return "icmp_ignored"
            self.tell_sender(quoted, "too big", mtu and mtu - OVERHEAD[mode])
        else:
            self.tell_sender(quoted, "no host")
        return "consumed"


def proxy_in_quote(frame, q, certain):
    if q.end - q.l4 < 8 + 16:
        return 28 if certain else 0
    at = q.l4 + 8
    size = 16 + n16(frame, at + 14)
    return size if frame[at:at + 12] == PROXY_SIGNATURE and size in (28, 32) else 0
