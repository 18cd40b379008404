"""SEMANTICS 6: backends by their heartbeats. Active checks and registration are not specified here:
unit tests hold them."""
import hashlib
import hmac
import struct

from wire import SECOND, TCP, UDP, n16

# What a signed heartbeat says: magic, version, flags, weight, timestamp, sequence, address, port, 0.
HEARTBEAT = struct.Struct(">4sBBHQQIHH")
SKEW = 30 * SECOND                 # free: "old" is how far a timestamp may be from the clock
HAS_WEIGHT, NO_WEIGHT = 1, 0xffffffff


def signature(key, signed):
    return hmac.new(key, signed, hashlib.sha256).digest()


class Backends:
    def is_up(self, backend):
        """"a pool with a `heartbeat` check counts a backend up while something was heard from it
        on a backend interface within `timeout`"; without a check it is up always."""
        check = self.config.pool[backend.pool].check
        if not check:
            return True
        heard = self.heard_at.get((check.name, backend.address))
        return heard is not None and self.now < heard + check.timeout

    def targets(self, address, port):
        return [check for check in {self.config.pool[b.pool].check for b in self.config.backends
                                    if b.address == address} - {None} if check.port == port]

    def hear(self, check, address):
        target = check.name, address
        self.heard_at[target] = self.now
        self.heartbeats += 1
        if self.health.get(target) != "up":
            self.health[target] = "up"     # "Transitions are logged once"
            self.events.append(("up", *target))

    def hear_heartbeat(self, p):
        """`from any`: any valid TCP or UDP packet with the backend's source address, "which is also
        handled as what it is"."""
        checks = self.targets(p.source, 0) if p.protocol in (TCP, UDP) else ()
        for check in checks:
            self.hear(check, p.source)
        return bool(checks)

    def hear_datagram(self, p):
        """`from port N`: datagrams to the appliance's address on that port are consumed. What is
        for the appliance itself has to have a right checksum."""
        malformed = {TCP: "tcp_malformed", UDP: "udp_malformed", 1: "icmp_malformed"}
        if not p.whole:
            return None
        if p.protocol in malformed and not p.l4_checksum_is_right():
            return malformed[p.protocol]
        if p.protocol != UDP or not self.from_backends(p) or not p.destination_port:
            return None
        for check in self.targets(p.source, p.destination_port):
            return self.read_heartbeat(p, check)
        return None

    def read_heartbeat(self, p, check):
        """"with `key`, they must carry HMAC-SHA-256 over a timestamp and a sequence number: old,
        replayed or forged ones are counted and ignored. A heartbeat may carry a weight."""
        said = p.frame[p.l4 + 8:p.l4 + n16(p.frame, p.l4 + 4)]
        fields = HEARTBEAT.unpack(said[:32]) if len(said) == 64 else None
        if fields and (fields[:2] != (b"LBHB", 1) or fields[6] != p.source):
            fields = None
        target = check.name, p.source
        if check.key:
            if not fields:
                return "heartbeat_malformed"
            _, _, _, _, timestamp, sequence, *_ = fields
            if signature(check.key, said[:32]) != said[32:]:
                return "heartbeat_forged"
            if abs(timestamp - self.now) > SKEW:
                return "heartbeat_old"
            if (timestamp, sequence) <= self.said_last.get(target, (0, 0)):
                return "heartbeat_replayed"
            self.said_last[target] = timestamp, sequence
        self.hear(check, p.source)
        weight = fields[3] if fields and fields[2] & HAS_WEIGHT else NO_WEIGHT
        if self.weights.get(target, NO_WEIGHT) != weight:
            self.weights[target] = weight
            self.events.append(("weight", *target, weight))
        return "consumed"

    def silent_since(self, target):
        """When the silence of one who was up became too long; None: it has not."""
        check = next((pool.check for pool in self.config.pools
                      if pool.check and pool.check.name == target[0]), None)
        if not check or self.health.get(target) != "up":
            return None
        end = self.heard_at[target] + check.timeout
        return end if self.now >= end else None

    def told_down(self, target):
        """By the timer, whose steps are free; it has counted as down since the end of its time."""
        self.health[target] = "down"
