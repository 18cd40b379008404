"""SEMANTICS 2: what a frame meets, in order; each verdict by its name."""
from wire import (ARP, ETHERNET, ERRORS, ICMP, IPV4, IPV6, QINQ, TCP, UDP, VLAN, is_host, n16,
                  total)

HEADER = {TCP: 20, UDP: 8, ICMP: 8}         # the least of L4 that must be there


def admit(p):
    """Items 3 to 5, of an IPv4 packet by itself: the drop, or None."""
    present = len(p.frame) - ETHERNET
    if present < 20:
        return "ip_truncated"
    p.read_ip()
    if p.frame[ETHERNET] >> 4 != 4:
        return "ip_bad_version"
    if p.header < 20:
        return "ip_bad_header_length"
    if p.length < p.header:
        return "ip_bad_length"
    if p.length > present:
        return "ip_truncated"
    if total(p.frame[ETHERNET:p.l4]) != 0xffff:
        return "ip_bad_checksum"
    if not is_host(p.source):
        return "ip_bad_source"
    return admit_fragment(p) or (None if p.offset else admit_l4(p))


def admit_fragment(p):
    """Item 4, and section 9: "Overlaps with the L4 header (offset 1, RFC 1858) are dropped. First
    fragments too short for their L4 header are dropped." Nor may one end past 65535, be empty, or
    stop short of 8 bytes where more are to come (RFC 791)."""
    if p.whole:
        return None
    header = HEADER.get(p.protocol, 0)
    if (p.offset and p.offset < header) or (not p.offset and p.l4_length < header) or \
            (p.more and p.l4_length % 8) or not p.l4_length or p.offset + p.length > 65535:
        return "fragment_malformed"
    return None


def admit_l4(p):
    """Item 5: "TCP >= 20 bytes with data offset >= 5 and inside the packet; UDP length >= 8 and
    inside the packet; ICMP >= 8"."""
    if p.protocol == TCP:
        if p.l4_length < 20 or not 20 <= (p.frame[p.l4 + 12] >> 4) * 4 <= p.l4_length:
            return "tcp_malformed"
        p.read_ports()
    elif p.protocol == UDP:
        if p.l4_length < 8:
            return "udp_malformed"
        length = n16(p.frame, p.l4 + 4)
        if length < 8 or (p.whole and length > p.l4_length):
            return "udp_malformed"
        p.read_ports()
    elif p.protocol == ICMP and p.l4_length < 8:
        return "icmp_malformed"
    return None


def admitted(p):
    """The same once and for all: a packet is what it is."""
    if not hasattr(p, "drop"):
        p.drop = admit(p)
    return p.drop


def reports_error(p):
    return p.protocol == ICMP and not p.offset and p.frame[p.l4] in ERRORS


class Order:
    def receive(self, p, now):
        """One frame; its verdict. What leaves is in self.sent, what is told in self.events."""
        self.now = now
        self.sent, self.events = [], []
        self.backend = self.fate = None
        counters = self.counters[p.interface]
        counters.received += 1
        counters.received_bytes += len(p.frame)
        verdict = self.meet(p)
        self.count_verdict(p.interface, verdict)
        return verdict

    def meet(self, p):
        if len(p.frame) < ETHERNET or len(p.frame) < p.wire_length:
            return "frame_truncated"
        if self.config.bridged:
            return self.meet_bridged(p)
        if not p.to_mac[0] & 1 and p.to_mac != self.config.interfaces[p.interface].mac:
            return "not_for_us"                                     # item 1
        if p.vlan_tpid and p.vlan_tci & 0xfff:
            return "vlan_tagged"
        if p.ethertype == ARP:                                      # item 2
            return self.arp(p)
        if p.ethertype != IPV4:
            return {IPV6: "ipv6", VLAN: "vlan_tagged", QINQ: "vlan_tagged"}.get(
                p.ethertype, "unknown_ethertype")
        return admitted(p) or self.route_ipv4(p)

    def route_ipv4(self, p):
        """Item 3's "nor one of our own addresses", then what it is for. Also for a fragment that
        has waited."""
        if self.ours(p.source) and not self.is_holders(p):
            return "ip_source_is_ours"
        heard = self.from_backends(p) and not p.offset and self.hear_heartbeat(p)
        verdict = self.to_whom(p, heard)
        if p.more and not p.offset:
            self.remember_fragment(p, verdict)
        return verdict

    def to_whom(self, p, heard):
        config = self.config
        if self.is_broadcast(p.source):
            return "ip_bad_source"
        if not is_host(p.destination) or p.to_mac[0] & 1 or \
                (self.is_broadcast(p.destination) and not self.ours(p.destination)):
            return "consumed" if heard else "ip_bad_destination"
        if p.offset:
            return self.follow_fragment(p)                          # item 4, section 9
        if p.destination in config.vips:
            return self.to_vip(p)                                   # item 6
        if p.destination in config.own:
            return self.to_appliance(p, heard)                      # item 8
        if self.from_backends(p):
            return self.from_backend(p)                             # item 7
        return self.route(p)                                        # item 9

    def to_vip(self, p):
        """Item 6: "ICMP echo is answered; an ICMP error is matched by the packet it embeds; TCP and
        UDP go service -> flow -> backend -> rewrite"."""
        if p.ports:
            return self.serve_client(p)
        return self.icmp_to_us(p) if p.protocol == ICMP else "protocol_unsupported"

    def to_appliance(self, p, heard):
        """Item 8, and the replies of fullnat, which come here."""
        if self.from_backends(p) and p.ports:
            verdict = self.reply_of_flow(p)
            if verdict:
                return verdict
        verdict = self.hear_datagram(p)
        if verdict:
            return verdict
        if p.protocol in (TCP, UDP):
            return "consumed" if heard else "no_service"
        return self.icmp_to_us(p) if p.protocol == ICMP else "protocol_unsupported"

    def from_backend(self, p):
        """Item 7. What is of no flow may still be routed."""
        if p.ports:
            verdict = self.reply_of_flow(p) or self.reply_without_flow(p)
        elif reports_error(p):
            verdict = self.icmp_error_about_flow(p)
        else:
            return self.pass_on(p)
        if verdict in ("no_flow", "icmp_unmatched") and (self.config.forwarding or self.config.bridged):
            return self.pass_on(p)
        if verdict in ("icmp_malformed", "icmp_ignored") and self.config.bridged:
            return self.pass_on(p)
        return verdict

    def pass_on(self, p):
        return self.cross(p) if self.config.bridged else self.route(p)

    def route(self, p):
        """Item 9: "dropped by default and counted; `forwarding on` makes the appliance route it"."""
        if not self.config.forwarding:
            return "forwarding_off"
        way = self.way_out(p, p.destination)
        if isinstance(way, str):
            return way
        as_it_is = (p.source, p.source_port), (p.destination, p.destination_port)
        return self.remember_direct(p) or self.leave(p, self.rewritten(p, *as_it_is), way)

    def from_backends(self, p):
        return self.config.interfaces[p.interface].backend

    def ours(self, address):
        return address in self.config.vips or address in self.config.own

    def is_broadcast(self, address):
        """Of a connected network that has one."""
        return any(not way.via and way.length < 31 and
                   address == way.prefix | ((1 << (32 - way.length)) - 1)
                   for way in self.config.way)
