"""SEMANTICS 4: flows. Which are there, how they live, why they end."""
from wire import ACK, FIN, RST, SECOND, SYN, TCP, UDP

# "Idle timeouts: TCP SYN seen 30, established 900, FIN 60, closed (RST or both FINs) 10; UDP one-way
# 30, with replies 180": state -> (seconds, whether the service's idle-timeout takes its place).
TIMEOUTS = {"one-way": (30, True), "two-way": (180, True), "syn": (30, False),
            "established": (900, True), "fin": (60, False), "closed": (10, False)}
STATES = ("one-way", "two-way", "syn", "established", "fin", "closed")
REASONS = ("idle", "lifetime", "requests", "responses", "reset", "closed", "drain", "backend_lost",
           "cleared")
HALF_OPEN_SHARE = 8                # "Half-open flows hold at most 1/8 of the table."
UNLIMITED = 2**32 - 1


class Flow:
    """One 5-tuple bound to a backend. `forward`: as the client sends it; `reply`: as the backend
    answers it; None where replies go past the appliance."""
    __slots__ = ("forward", "reply", "service", "backend", "address", "port", "source",
                 "source_port", "mode", "frontend", "born", "last", "idle", "replied", "shaken",
                 "client_fin", "backend_fin", "reset", "requests", "responses", "end", "front",
                 "back", "heard", "proxy")

    def copy(self):
        new = Flow()
        new.forward, new.reply, new.service, new.backend = \
            self.forward, self.reply, self.service, self.backend
        new.address, new.port, new.source, new.source_port = \
            self.address, self.port, self.source, self.source_port
        new.mode, new.frontend, new.born, new.last = self.mode, self.frontend, self.born, self.last
        new.idle, new.replied, new.shaken = self.idle, self.replied, self.shaken
        new.client_fin, new.backend_fin, new.reset = self.client_fin, self.backend_fin, self.reset
        new.requests, new.responses, new.end = self.requests, self.responses, self.end
        new.front, new.back, new.heard, new.proxy = self.front, self.back, list(self.heard), self.proxy
        return new

    @property
    def direct(self):
        """It passes the services by."""
        return self.service is None

    @property
    def state(self):
        if self.forward[4] != TCP:
            return "two-way" if self.replied else "one-way"
        if self.reset or (self.client_fin and self.backend_fin):
            return "closed"
        if not self.shaken:
            return "syn"
        return "fin" if self.closing else "established"

    @property
    def closing(self):
        return self.client_fin or self.backend_fin or self.reset

    @property
    def half_open(self):
        return self.state == "syn"

    @property
    def ends(self):
        """The first instant at which it has expired, and why it will have."""
        seconds, replaced = TIMEOUTS[self.state]
        idle = self.last + (self.idle if self.idle and replaced else seconds * SECOND)
        at = min([idle] + ([self.end] if self.end else []) +
                 [heard + limit for heard, limit in zip(self.heard, (self.front, self.back)) if limit])
        if self.end and at == self.end:
            return at, "lifetime"
        if self.requests == 0:
            return at, "requests"
        return at, "reset" if self.reset else "closed" if self.closing else "idle"

    def expired(self, now):
        """"A flow expires when `now - last >= timeout`"."""
        return now >= self.ends[0]

    def hear(self, side, flags, now):
        """A packet of the client (side 0) or of the backend (1) refreshes the flow."""
        self.last = max(self.last, now)
        self.heard[side] = self.last
        if flags & FIN and side == 0:
            self.client_fin = True
        if flags & FIN and side == 1:
            self.backend_fin = True
        if flags & RST:
            self.reset = True
        # Established: the client has answered the backend's answer, where the appliance sees those.
        if side == 0 and flags & (SYN | ACK) == ACK and (self.replied or self.reply is None):
            self.shaken = True
        if side == 1:
            self.replied = True


class Flows:
    """The table. "Live flows are never evicted to make room.\""""

    def __init__(self, capacity):
        self.capacity = capacity
        self.half_open_max = max(1, capacity // HALF_OPEN_SHARE)
        self.by_key = {}           # both of a flow's tuples -> (flow, side)
        self.flows = []            # in the order of their birth
        self.created = 0
        self.closed = dict.fromkeys(REASONS, 0)
        self.active = {}           # flows by service and by backend
        self.ended = {}            # those that have ended, by backend

    def copy(self):
        new = Flows.__new__(Flows)
        new.__dict__.update(self.__dict__)
        new.flows = [flow.copy() for flow in self.flows]
        new.by_key = {}
        for flow in new.flows:
            new.by_key[flow.forward] = flow, 0
            if flow.reply:
                new.by_key[flow.reply] = flow, 1
        new.closed = dict(self.closed)
        new.active, new.ended = dict(self.active), dict(self.ended)
        return new

    @property
    def half_open(self):
        return sum(flow.half_open for flow in self.flows)

    def find(self, key, now):
        """The live flow that the tuple is of, and its side; else (None, None)."""
        flow, side = self.by_key.get(key, (None, None))
        if flow and flow.expired(now):
            self.close(flow, flow.ends[1])
            return None, None
        return flow, side

    def close(self, flow, reason):
        del self.by_key[flow.forward]
        if flow.reply:
            del self.by_key[flow.reply]
        self.flows.remove(flow)
        self.closed[reason] += 1
        self.ended[flow.backend] = self.ended.get(flow.backend, 0) + 1
        for owner in flow.service, flow.backend:
            if owner is not None:
                self.active[owner] -= 1

    def collides(self, forward, reply, now):
        """"Two flows whose replies would be indistinguishable"."""
        return reply is not None and (reply == forward or self.find(reply, now)[0] is not None)

    def full_for(self, flow):
        return len(self.flows) == self.capacity or \
            (flow.half_open and self.half_open >= self.half_open_max)

    def insert(self, flow):
        self.by_key[flow.forward] = flow, 0
        if flow.reply:
            self.by_key[flow.reply] = flow, 1
        self.flows.append(flow)
        self.created += 1
        for owner in flow.service, flow.backend:
            if owner is not None:
                self.active[owner] = self.active.get(owner, 0) + 1


def new_flow(key, service, backend, address, port, source, source_port, mode, now, interface, flags):
    """A flow is born by the client's packet. "A changed knob affects new flows only": it keeps
    those of its service as they are now."""
    flow = Flow()
    flow.forward, protocol = key, key[4]
    flow.reply = (address, port, source, source_port, protocol) \
        if mode in ("nat", "fullnat") else None
    flow.service, flow.backend = service and service.name, backend and backend.key
    flow.address, flow.port = address, port
    flow.source, flow.source_port = source, source_port
    flow.mode, flow.frontend = mode, interface
    flow.born = flow.last = now
    flow.heard = [now, now]
    flow.replied = flow.shaken = flow.backend_fin = False
    flow.client_fin, flow.reset = bool(flags & FIN), bool(flags & RST)
    limited = service is not None and protocol == UDP
    flow.idle = service.idle_timeout if service else 0
    flow.requests = (limited and service.requests) or None
    flow.responses = (limited and service.responses) or None
    flow.end = now + service.lifetime if limited and service.lifetime else 0
    flow.front = service.front_timeout if limited else 0
    flow.back = service.back_timeout if limited else 0
    flow.proxy = service.proxy if limited else "off"
    return flow


def is_syn(packet):
    """A client opens a connection."""
    return packet.protocol == TCP and packet.flags & (SYN | ACK) == SYN
