"""The specification of the appliance: what every frame, flow and backend gets.

Written from SEMANTICS.md, one file a section. It takes from the program what is free by definition
only, through `oracle`: the hash, the Maglev tables (whose shares it checks), a free port of
fullnat (which it checks to be free).
"""
from section1 import Bridge
from section2 import Order, reports_error
from section3 import Selection
from section4 import Flows, is_syn, new_flow
from section5 import HANDED_OVER, Delivery, segments
from section6 import Backends
from section7 import Neighbors
from section8 import Icmp, read_quote
from section9 import Fragments
from wire import RST, TCP, UDP


class Counters:
    def __init__(self):
        self.received = self.received_bytes = self.sent = self.sent_bytes = 0
        self.originated = self.held = 0
        self.verdict = {}


class Serve:
    """A client's packet to a service, a backend's reply: SEMANTICS 4, first half."""

    def serve_client(self, p):
        flow, side = self.flows.find(p.key, self.now)
        if flow and side == 1:
            return self.reply_by_flow(p, flow)
        reason = self.ends_for_client(p, flow) if flow else None
        if flow and not reason:
            if p.super_frame and p.protocol == UDP and \
                    (flow.requests is not None or flow.proxy in ("first", "every")):
                return self.serve_each(p)
            return self.forward(p, flow)
        if flow:
            self.flows.close(flow, reason)
        service = self.service_of(p)
        if not service:
            return self.refuse(p)
        if not service.enabled:
            return "service_disabled"
        if reason == "backend_lost" and service.on_backend_loss == "reset" and \
                p.protocol == TCP and not is_syn(p):
            self.tell_reset(p)             # "`reset`, which answers the client with a RST"
            return "backend_lost"
        if p.super_frame and p.protocol == UDP and (service.requests or service.proxy != "off"):
            return self.serve_each(p)
        if self.service_full(service):
            return "service_flows_full"
        return self.serve_new(p, service)

    def serve_each(self, p):
        """The datagrams of a super-frame one by one, where each counts or gets a header. It was
        forwarded where one of them was."""
        verdicts = ["udp_malformed"]
        for piece in segments(p, p.frame) or ():
            self.backend = None            # that of the last one is told
            verdicts.append(self.serve_client(piece))
        return "forwarded" if {"forwarded", "held"} & set(verdicts) else verdicts[-1]

    def lost(self, flow):
        """"Hit on a backend that is down, disabled or gone: erase and choose again in the same
        packet". A flow whose service is gone is cleared."""
        if not self.stands(flow):
            return "cleared"
        backend = self.config.backend.get(flow.backend)
        if flow.direct or (backend and self.keeps(self.config.service[flow.service], backend)):
            return None
        return "backend_lost"

    def stands(self, flow):
        """Its service is there, enabled, and where the client calls."""
        if flow.direct:
            return self.config.forwarding or self.config.bridged
        s = self.config.service.get(flow.service)
        _, _, vip, port, protocol = flow.forward
        return s is not None and s.enabled and s.vip == vip and s.port in (0, port) and \
            protocol in s.protocols and not (self.config.bridged and flow.mode != "nat")

    def keeps(self, service, backend):
        """Fail-open: where no other is usable, health does not count. A pool that had none when the
        table was built has none until the next one."""
        if self.alive(backend):
            return True
        return backend.admin != "disabled" and service.fail_open and \
            not (self.had_usable[service.pool] and
                 any(self.takes_new(b) for b in self.config.members[service.pool]))

    def ends_for_client(self, p, flow):
        """"A SYN on a closing flow, or on one whose backend is draining or down, chooses afresh"."""
        reason = self.lost(flow)
        if reason or not is_syn(p):
            return reason
        if flow.closing:
            return "reset" if flow.reset else "closed"
        return "drain" if self.config.backend[flow.backend].admin == "drain" else None

    def forward(self, p, flow):
        """"Hit on a live or draining backend: refresh, forward.\""""
        if flow.requests == 0:
            return "requests_used_up"      # "after N client datagrams no new ones are forwarded"
        flow.hear(0, p.flags, self.now)
        return self.send_forward(p, flow)

    def send_forward(self, p, flow, way=None, plan=None):
        plan = plan or self.plan_of(flow, p)
        way = way or self.way_out(p, flow.address, plan=plan)
        if isinstance(way, str):
            return way
        verdict = self.deliver(p, flow, way, plan)
        if verdict in ("forwarded", "held"):
            if flow.requests:
                flow.requests -= 1
            if flow.proxy == "first":
                flow.proxy = "sent"
        return verdict

    def serve_new(self, p, service):
        """"Miss: choose, insert if there is room.\""""
        choices = self.choices(service, p.key)
        if not choices:
            self.service_counters(service.name)["no_backend"] += 1
            return "no_backend"
        if p.flags & RST:                  # the end of what nobody knows is not remembered
            return self.by_table_alone(p, service, "no_flow")
        why = "reply_collision"
        for backend in choices:
            flow = self.as_by_table(service, backend, p.key, p)
            plan = self.plan_of(flow, p)
            way = self.way_out(p, backend.address, plan=plan)
            if isinstance(way, str):
                return way
            if flow.mode == "fullnat":
                source = self.fullnat_source(flow)
                if not source:
                    why = "source_ports_exhausted"
                    continue
                flow.source, flow.source_port = source
                flow.reply = flow.reply[:2] + source + flow.reply[4:]
                if source + (flow.address,) in self.oracle.sources:
                    self.flows.find(flow.reply, self.now)  # the place of one that has expired
                plan = self.plan_of(flow, p)
            elif self.flows.collides(flow.forward, flow.reply, self.now):
                continue                   # "detected at insert, the second picks another backend"
            if self.flows.full_for(flow):
                return "flow_table_full" if service.when_full == "shed" else \
                    self.by_table_alone(p, service, "flow_table_full")
            self.flows.insert(flow)
            self.count_flow(flow)
            self.turn_taken(service, backend)
            return self.send_forward(p, flow, way, plan)
        return why                         # "else is dropped as `reply_collision`"

    def as_by_table(self, service, backend, key, p=None):
        """The flow that the tuple and this backend make."""
        client, client_port, _, vip_port, _ = key
        return new_flow(key, service, backend, backend.address,
                        backend.port or vip_port,       # "port 0 then keeps the client's port"
                        self.moved(service, client), client_port, service.mode, self.now,
                        p.interface if p else None, p.flags if p else 0)

    def by_table_alone(self, p, service, otherwise):
        """"`when-full stateless` (default) forwards by the table without a flow; where the reply
        could not be mapped back without state (NAT, and two services share the backend), it is
        shed". Which datagram is the first for PROXY, only a flow knows."""
        choices = self.choices(service, p.key, "maglev")
        if not choices or (service.proxy == "first" and p.protocol == UDP):
            return otherwise
        flow = self.as_by_table(service, choices[0], p.key, p)
        if flow.reply:
            reached = self.config.reached(flow.address, flow.port, p.protocol)
            if not reached or reached[0] is not service:
                return otherwise
        if self.moved(service, flow.source, back=True) != p.source or self.ours(flow.source):
            return otherwise
        plan = self.plan_of(flow, p)
        way = self.way_out(p, flow.address, plan=plan)
        if isinstance(way, str):
            return way
        self.stateless += 1
        return self.deliver(p, flow, way, plan)

    def reply_of_flow(self, p):
        """A backend's packet, by its flow; None: it has none. Health does not count: what comes
        from a backend is passed on."""
        flow, side = self.flows.find(p.key, self.now)
        if not flow or side == 0:
            return None
        backend = self.config.backend.get(flow.backend)
        if not self.stands(flow):
            return self.flows.close(flow, "cleared")
        if not flow.direct and (not backend or backend.admin == "disabled"):
            return self.flows.close(flow, "backend_lost")
        return self.reply_by_flow(p, flow)

    def reply_by_flow(self, p, flow):
        flow.hear(1, p.flags, self.now)
        client, client_port, vip, vip_port, _ = flow.forward
        way = self.way_out(p, client, prefer=flow.frontend)
        if isinstance(way, str):
            return way
        verdict = self.answer(p, (vip, vip_port), (client, client_port), way, flow)
        if verdict in ("forwarded", "held") and flow.responses:
            flow.responses -= min(p.datagrams, flow.responses)     # "closed after N replies; DNS is 1"
            if not flow.responses:
                self.flows.close(flow, "responses")
        return verdict

    def reply_without_flow(self, p):
        """"A reply in NAT without a flow, from a backend address:port that exactly one service
        reaches, is mapped back without state; an ambiguous one is dropped."""
        reached = self.config.reached(p.source, p.source_port, p.protocol)
        if not reached or self.is_direct_call(p):
            return "no_flow"
        service, port = reached
        if not service.enabled:
            return "service_disabled"
        client = self.moved(service, p.destination, back=True)
        way = self.way_out(p, client)
        if isinstance(way, str):
            return way
        return self.answer(p, (service.vip, port), (client, p.destination_port), way)


    # ---- past the services, where that is allowed ----

    def flow_of_caller(self, p):
        flow, side = self.flows.find(p.key, self.now)
        return flow if flow and flow.direct and side == 0 else None

    def is_direct_call(self, p):
        """A backend that calls somebody itself does not speak for a VIP."""
        return is_syn(p) or self.flow_of_caller(p) is not None

    def remember_direct(self, p):
        """A call to the very port by which one service alone reaches a backend gets a flow of its
        own, so that its answers are not taken for the VIP's. A drop, or None."""
        if not p.ports or not self.config.reached(p.destination, p.destination_port, p.protocol):
            return None
        flow = self.flow_of_caller(p)
        if flow and is_syn(p) and flow.closing:
            self.flows.close(flow, "reset" if flow.reset else "closed")
            flow = None
        if flow:
            flow.hear(0, p.flags, self.now)
            return None
        if p.flags & RST:
            return None
        flow = new_flow(p.key, None, None, p.destination, p.destination_port, p.source,
                        p.source_port, "nat", self.now, p.interface, p.flags)
        if self.flows.collides(flow.forward, flow.reply, self.now):
            return "reply_collision"
        if self.flows.full_for(flow):
            return "flow_table_full"
        self.flows.insert(flow)
        return None

    def is_holders(self, p):
        """SEMANTICS 2, item 9: "never back out with a VIP as source unless a flow says so": the
        reply of a backend that holds it, and an error about the client's packet."""
        if not self.config.forwarding or self.config.bridged or not self.from_backends(p):
            return False
        if p.offset:
            return True
        key = p.ports and (p.destination, p.destination_port, p.source, p.source_port, p.protocol)
        if reports_error(p):
            q = read_quote(p)
            if not q or q.source != p.destination or q.destination != p.source:
                return False
            key = q.source, q.source_port, q.destination, q.destination_port, q.protocol
        flow, side = self.flows.find(key, self.now) if key else (None, None)
        return flow is not None and side == 0 and flow.mode in HANDED_OVER


class Appliance(Order, Bridge, Selection, Serve, Delivery, Backends, Neighbors, Icmp, Fragments):
    # Drops by which the frame may be rewritten already: it waited, or was to.
    after_rewrite = ("neighbor_failed", "neighbor_overflow")

    def __init__(self, oracle, capacity, table_seed=0, held_size=1514):
        self.oracle, self.table_seed, self.held_size = oracle, table_seed, held_size
        self.flows = Flows(capacity)
        self.config, self.tables = None, {}
        self.now = 0
        self.sent, self.events = [], []        # of the frame at hand
        self.backend = self.fate = None        # what has been decided about it
        self.turn, self.exhausted = {}, {}
        self.counters, self.services, self.backends = {}, {}, {}
        self.stateless = self.conflicts = self.heartbeats = self.tunnel_id = 0
        self.said = {}                         # kind -> when, within the last second
        self.neighbors, self.conflict_told = {}, {}
        self.announcements, self.announcing_before, self.since = [], [], {}
        self.known, self.waiting = {}, {}      # fragments
        self.heard_at, self.health = {}, {}    # by (check, address)
        self.said_last, self.weights = {}, {}  # in heartbeats

    def copy(self):
        """For a search: the same state, counting from zero."""
        new = Appliance.__new__(Appliance)
        new.__dict__.update(self.__dict__)
        new.flows = self.flows.copy()
        new.counters = {i: Counters() for i in self.counters}
        new.services, new.backends = {}, {}
        new.stateless = new.conflicts = new.heartbeats = 0
        for name in ("turn", "exhausted", "said", "conflict_told", "known", "heard_at", "health",
                     "said_last", "weights"):
            setattr(new, name, dict(getattr(self, name)))
        return new

    def publish(self, config, tables, now):
        """A configuration comes into force, between two batches."""
        self.now = now
        self.sent, self.events = [], []
        old, self.config, self.tables = self.config, config, tables
        for i in range(len(config.interfaces)):
            self.counters.setdefault(i, Counters())
        self.exhausted.clear()
        checked = {(config.pool[b.pool].check.name, b.address) for b in config.backends
                   if config.pool[b.pool].check}
        for target in (set(self.heard_at) | set(self.said_last)) - checked:
            for known in self.heard_at, self.health, self.said_last, self.weights:
                known.pop(target, None)
        self.had_usable = {pool: any(
            b.admin == "enabled" and b.weight and
            (not config.pool[pool].check or
             self.health.get((config.pool[pool].check.name, b.address)) == "up") for b in members)
            for pool, members in config.members.items()}
        for key in (old.backend if old else ()):
            if key not in config.backend:
                self.forget_backend(key)
        self.neighbors_published(old)
        self.fragments_published(old)

    def forget_backend(self, key):
        """One that is gone. Should it come back, it is another one: its flows are not."""
        for flow in self.flows.flows:
            if flow.backend == key:
                flow.backend = key + ("gone", self.now)
        self.flows.active[key + ("gone", self.now)] = self.flows.active.pop(key, 0)
        self.backends.pop(key, None)
        self.turn.pop(key, None)

    def tick(self, now):
        """What is due by the clock. Of flows, the timer's steps are free: they are compared."""
        self.now = now
        self.sent, self.events = [], []
        self.neighbors_tick()
        self.announce()
        self.fragments_tick()

    def sweep(self):
        """After a commit: flows whose service, source or backend it has ended."""
        for flow in list(self.flows.flows):
            if not self.stands(flow) or (flow.mode == "fullnat" and not self.ours(flow.source)):
                self.flows.close(flow, "cleared")
                continue
            backend = self.config.backend.get(flow.backend)
            if flow.direct or (backend and backend.admin != "disabled"):
                continue
            if not (flow.forward[4] == TCP and
                    self.config.service[flow.service].on_backend_loss == "reset"):
                self.flows.close(flow, "backend_lost")

    # ---- counters ----

    def service_counters(self, name):
        return self.services.setdefault(name, dict.fromkeys(
            ("packets", "bytes", "reply_packets", "reply_bytes", "total_flows", "no_backend"), 0))

    def backend_counters(self, key):
        return self.backends.setdefault(key, dict.fromkeys(
            ("packets", "bytes", "reply_packets", "reply_bytes", "total_flows"), 0))

    def count(self, what, service, backend, length):
        for counters in self.service_counters(service), self.backend_counters(backend):
            counters[what] += 1
            counters[what.replace("packets", "bytes")] += length

    def count_flow(self, flow):
        self.service_counters(flow.service)["total_flows"] += 1
        self.backend_counters(flow.backend)["total_flows"] += 1

    def count_verdict(self, interface, verdict):
        """What is held is counted by what becomes of it."""
        if verdict == "held":
            return
        counters = self.counters[interface].verdict
        counters[verdict] = counters.get(verdict, 0) + 1

    def send(self, frame, interface, offload, vlan, originated):
        counters = self.counters[interface]
        counters.sent += 1
        counters.sent_bytes += len(frame)
        counters.originated += originated
        self.sent.append((interface, bytes(frame), offload, vlan))
