"""The specification of the appliance: what every frame, flow and backend gets.

Written from SEMANTICS.md, one file a section. It takes from the program what is free by definition
only, through `oracle`: the hash, the Maglev tables (whose shares it checks), a free port of
fullnat (which it checks to be free).
"""
from section2 import Order
from section3 import Selection
from section4 import Flows, is_syn, new_flow
from section5 import Delivery
from wire import RST, TCP


class Counters:
    def __init__(self):
        self.received = self.received_bytes = self.sent = self.sent_bytes = 0
        self.originated = self.held = 0
        self.verdict = {}

    def copy(self):
        new = Counters()
        new.__dict__.update(self.__dict__, verdict=dict(self.verdict))
        return new


class Serve:
    """A client's packet to a service, a backend's reply: SEMANTICS 4, first half."""

    def serve_client(self, p):
        flow, side = self.flows.find(p.key, self.now)
        if flow and side == 1:
            return self.reply_by_flow(p, flow)
        reason = self.ends_for_client(p, flow) if flow else None
        if flow and not reason:
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
        if self.service_full(service):
            return "service_flows_full"
        return self.serve_new(p, service)

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
        """Fail-open: where no other is usable, health does not count."""
        if self.alive(backend):
            return True
        return backend.admin != "disabled" and service.fail_open and \
            not any(self.takes_new(b) for b in self.config.members[service.pool])

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

    def send_forward(self, p, flow, way=None):
        way = way or self.way_out(p, flow.address, mode=flow.mode)
        if isinstance(way, str):
            return way
        verdict = self.deliver(p, flow, way)
        if verdict in ("forwarded", "held") and flow.requests:
            flow.requests -= 1
        return verdict

    def serve_new(self, p, service):
        """"Miss: choose, insert if there is room.\""""
        choices = self.choices(service, p.key)
        if not choices:
            self.service_counters(service.name)["no_backend"] += 1
            return "no_backend"
        if p.flags & RST:                  # the end of what nobody knows is not remembered
            return self.by_table_alone(p, service, "no_flow")
        for backend in choices:
            port = backend.port or p.destination_port   # "port 0 then keeps the client's port"
            way = self.way_out(p, backend.address, mode=service.mode)
            if isinstance(way, str):
                return way
            flow = new_flow(p, service, backend, backend.address, port, p.source, p.source_port,
                            service.mode, self.now)
            if self.flows.collides(flow.forward, flow.reply, self.now):
                continue                   # "detected at insert, the second picks another backend"
            if self.flows.full_for(flow):
                return "flow_table_full" if service.when_full == "shed" else \
                    self.by_table_alone(p, service, "flow_table_full")
            self.flows.insert(flow)
            self.count_flow(flow)
            self.turn_taken(service, backend)
            return self.send_forward(p, flow, way)
        return "reply_collision"

    def by_table_alone(self, p, service, otherwise):
        """"`when-full stateless` (default) forwards by the table without a flow; where the reply
        could not be mapped back without state, it is shed"."""
        choices = self.choices(service, p.key, "maglev")
        if not choices:
            return otherwise
        backend = choices[0]
        port = backend.port or p.destination_port
        if service.mode == "nat":
            reached = self.config.reached(backend.address, port, p.protocol)
            if not reached or reached[0] is not service:
                return otherwise
        way = self.way_out(p, backend.address, mode=service.mode)
        if isinstance(way, str):
            return way
        self.stateless += 1
        return self.deliver(p, new_flow(p, service, backend, backend.address, port, p.source,
                                        p.source_port, service.mode, self.now), way)

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
            flow.responses -= 1            # "closed after N replies; DNS is 1"
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
        way = self.way_out(p, p.destination)
        if isinstance(way, str):
            return way
        return self.answer(p, (service.vip, port), (p.destination, p.destination_port), way)


class Appliance(Order, Selection, Serve, Delivery):
    after_rewrite = ()             # drops after which the frame may be changed already

    def __init__(self, oracle, capacity):
        self.oracle = oracle
        self.flows = Flows(capacity)
        self.config, self.tables = None, {}
        self.now = 0
        self.sent, self.events = [], []
        self.backend = None
        self.turn = {}
        self.counters = {}
        self.services, self.backends = {}, {}
        self.stateless = 0

    def copy(self):
        new = Appliance.__new__(Appliance)
        new.__dict__.update(self.__dict__)
        new.flows = self.flows.copy()
        new.sent, new.events = [], []
        new.turn = dict(self.turn)
        new.counters = {i: c.copy() for i, c in self.counters.items()}
        new.services = {name: dict(c) for name, c in self.services.items()}
        new.backends = {key: dict(c) for key, c in self.backends.items()}
        return new

    def publish(self, config, tables, now):
        """A configuration comes into force, between two batches."""
        self.now = now
        self.config, self.tables = config, tables
        for i in range(len(config.interfaces)):
            self.counters.setdefault(i, Counters())

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

    def sweep(self):
        """After a commit: flows whose service, source or backend it has ended."""
        for flow in list(self.flows.flows):
            if not self.stands(flow):
                self.flows.close(flow, "cleared")
                continue
            backend = self.config.backend.get(flow.backend)
            if not flow.direct and (not backend or backend.admin == "disabled"):
                self.flows.close(flow, "backend_lost")

    def send(self, frame, interface, offload, vlan, originated):
        counters = self.counters[interface]
        counters.sent += 1
        counters.sent_bytes += len(frame)
        counters.originated += originated
        self.sent.append((interface, bytes(frame), offload, vlan))

    # ---- what the later sections say ----

    def transmit(self, frame, way, in_interface, offload=bytes(10)):
        port = self.config.interfaces[way.interface]
        frame[0:6] = self.config.static[way.interface, way.next_hop]
        frame[6:12] = port.mac
        self.send(frame, way.interface, offload, (0, 0), in_interface is None)
        return "forwarded"

    def is_up(self, backend):
        return True

    def is_holders(self, p):
        return False

    def hear_heartbeat(self, p):
        return False

    def hear_datagram(self, p):
        return None

    def refuse(self, p):
        return "no_service"

    def is_direct_call(self, p):
        return is_syn(p)

    def remember_direct(self, p):
        return None
