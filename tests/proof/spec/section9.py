"""SEMANTICS 9: fragments, each by what became of the first one of its datagram."""
from wire import SECOND, put16, set_ip_checksum, n16

REMEMBERED, WAITING, HELD_EACH = 2 * SECOND, SECOND, 4


class Fragments:
    def datagram(self, p):
        """"(source, destination, protocol, id)"."""
        return p.source, p.destination, p.protocol, p.id

    def remember_fragment(self, p, verdict):
        """"handled as a packet and remembered ... for 2 s; later ones follow it"."""
        key = self.datagram(p)
        self.waiting_for(key)
        backend = self.backend
        self.known[key] = self.now + REMEMBERED, verdict, backend, self.fate
        for other in self.waiting.pop(key, (0, ()))[1]:
            self.counters[other.interface].held -= 1
            self.count_verdict(other.interface, self.route_ipv4(other))
        self.backend = backend

    def waiting_for(self, key):
        """Those that came before their first one, while their second lasts."""
        entry = self.waiting.get(key)
        if entry and self.now >= entry[0]:
            self.time_out(key)
            return None
        return entry

    def time_out(self, key):
        for other in self.waiting.pop(key)[1]:
            self.counters[other.interface].held -= 1
            self.count_verdict(other.interface, "fragment_timeout")

    def follow_fragment(self, p):
        key = self.datagram(p)
        fate = self.known.get(key)
        if fate and self.now >= fate[0]:
            del self.known[key]
            fate = None
        if not fate:
            return self.hold_fragment(p, key)
        _, verdict, self.backend, how = fate
        if verdict not in ("forwarded", "held"):
            return verdict
        way, plan, source, destination, shift = how
        refused = self.refused(p, way, plan and plan._replace(proxy=False))
        if refused:
            return refused
        if shift and p.offset + shift + p.length > 65535:
            return "too_big"
        handed_over = plan and plan.mode in ("dsr", "ipip", "gue")
        frame = bytearray(p.frame)
        if not handed_over:
            frame[26:30], frame[30:34] = source, destination
            if not self.config.bridged:
                frame[22] -= 1
        put16(frame, 20, n16(frame, 20) + shift // 8)
        set_ip_checksum(frame)
        return self.leave(p, frame, way, plan)

    def hold_fragment(self, p, key):
        """"One that comes before its first waits: at most 4 a datagram ... 1 s.\""""
        waiting = self.waiting_for(key) or (self.now + WAITING, [])
        if len(waiting[1]) == HELD_EACH or len(p.frame) > self.held_size:
            return "fragment_overflow"
        self.waiting[key] = waiting
        waiting[1].append(p)
        self.counters[p.interface].held += 1
        return "held"

    def fragments_tick(self):
        for key in [key for key, entry in self.waiting.items() if self.now >= entry[0]]:
            self.time_out(key)
        for key in [key for key, entry in self.known.items() if self.now >= entry[0]]:
            del self.known[key]

    def fragments_published(self, old):
        """Where the topology has changed, nothing that is remembered says where to go."""
        if old and old.bridged != self.config.bridged:
            self.known.clear()
