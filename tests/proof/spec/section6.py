"""SEMANTICS 6: backends by their heartbeats. Active checks, keys, registration and weights that are
told are not specified here: unit tests hold them."""
from wire import TCP, UDP


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

    def hear(self, checks, address):
        for check in checks:
            self.heard_at[check.name, address] = self.now
            self.heartbeats += 1
            if self.health.get((check.name, address)) != "up":
                self.health[check.name, address] = "up"      # "Transitions are logged once"
                self.events.append(("up", check.name, address))
        return bool(checks)

    def hear_heartbeat(self, p):
        """`from any`: any valid TCP or UDP packet with the backend's source address, "which is also
        handled as what it is"."""
        return p.protocol in (TCP, UDP) and self.hear(self.targets(p.source, 0), p.source)

    def hear_datagram(self, p):
        """`from port N`: datagrams to the appliance's address on that port are consumed. What is
        for the appliance itself has to have a right checksum."""
        malformed = {TCP: "tcp_malformed", UDP: "udp_malformed", 1: "icmp_malformed"}
        if not p.whole:
            return None
        if p.protocol in malformed and not p.l4_checksum_is_right():
            return malformed[p.protocol]
        if p.protocol == UDP and self.from_backends(p) and p.destination_port and \
                self.hear(self.targets(p.source, p.destination_port), p.source):
            return "consumed"
        return None

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
