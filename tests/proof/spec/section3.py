"""SEMANTICS 3: services and selection."""
MAGLEV = 65537


class Selection:
    def service_of(self, p):
        """"exact VIP:port/protocol, then VIP:0 (all ports of that protocol)"."""
        at = self.config.at
        return at.get((p.destination, p.destination_port, p.protocol)) or \
            at.get((p.destination, 0, p.protocol))

    def alive(self, backend):
        """Neither disabled nor, by its check, down."""
        return backend.admin != "disabled" and self.is_up(backend)

    def takes_new(self, backend, whatever_health=False):
        """Draining ones take no new flows; "Weight 0: keeps its flows, gets no new ones."""
        return backend.admin == "enabled" and backend.weight > 0 and \
            (whatever_health or self.is_up(backend))

    def slot(self, service, key):
        """Where the tuple falls; free by definition: the hash says. "Affinity feeds only the
        choice": by the client's address alone, all its ports fall there."""
        pool = self.config.pool[service.pool]
        if pool.affinity == "source-ip":
            key = (key[0], 0, 0, 0, 0)
        return self.oracle.hash(key, self.config.seed) % MAGLEV

    def choices(self, service, key, scheduler=None):
        """The backends to try, in order: what the scheduler says, then the others in the fixed
        order of the row. "No usable backend": none; "`fail-open`: choose among all configured ones
        instead."""
        for whatever_health in (False, True)[:1 + service.fail_open]:
            members = self.config.members[service.pool]
            usable = [b for b in members if self.takes_new(b, whatever_health)]
            if usable:
                return self.ordered(service, key, members, usable, scheduler)
        return []

    def ordered(self, service, key, members, usable, scheduler):
        slot = self.slot(service, key)
        row = [members[(slot + i) % len(members)] for i in range(len(members))]
        row = [b for b in row if b in usable]
        scheduler = scheduler or self.config.pool[service.pool].scheduler
        if scheduler == "round-robin":
            first = self.by_turns(usable)
        elif scheduler == "least-connections":
            first = self.by_flows(row)
        else:
            first = self.by_table(service, slot, usable)
        return ([first] if first else []) + row

    def by_table(self, service, slot, usable):
        """Maglev. "a slot that names [a dead one] falls through to the next healthy one in a fixed
        order": None."""
        table = self.tables[service.pool]
        named = self.config.members[service.pool][table[slot]] if table else None
        return named if named in usable else None

    def by_turns(self, usable):
        """Smooth weighted round-robin: the highest turn goes next."""
        return max(usable, key=lambda b: self.turn.get(b.key, 0) + b.weight)

    def turn_taken(self, service, backend):
        """The chosen one gives what all the others gain."""
        if self.config.pool[service.pool].scheduler != "round-robin":
            return
        usable = [b for b in self.config.members[service.pool] if self.takes_new(b)] or \
            [b for b in self.config.members[service.pool] if self.takes_new(b, True)]
        for b in usable:
            self.turn[b.key] = self.turn.get(b.key, 0) + b.weight
        self.turn[backend.key] -= sum(b.weight for b in usable)

    def by_flows(self, row):
        """Weighted, by active flows, counting the one to come: the least; of equals the row's first."""
        return min(row, key=lambda b: (1 + self.flows.active.get(b.key, 0)) / b.weight)

    def service_full(self, service):
        """`max-flows`, of all the service's protocols together."""
        return service.max_flows and self.flows.active.get(service.name, 0) >= service.max_flows
