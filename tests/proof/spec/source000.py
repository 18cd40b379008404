"""Source 000, the verified balancer, read aright (VERIFY.md) and in its own terms: times since a flow
was used and since a backend was heard, a row of backends for each flow's hash. It knows no frames
and no counters; a search holds the appliance, configured like it, against it."""


class Source000:
    def __init__(self, flows, backends, flow_expiry, backend_expiry):
        self.flows_max, self.backends_max = flows, backends
        self.flow_expiry, self.backend_expiry = flow_expiry, backend_expiry
        self.flows = {}            # 5-tuple -> (backend, when it was used last)
        self.backends = {}         # address -> when it was heard last

    def copy(self):
        new = Source000(self.flows_max, self.backends_max, self.flow_expiry, self.backend_expiry)
        new.flows, new.backends = dict(self.flows), dict(self.backends)
        return new

    def expire(self, now):
        """Flows, then backends, at every frame."""
        self.flows = {key: flow for key, flow in self.flows.items()
                      if now - flow[1] < self.flow_expiry}
        self.backends = {address: heard for address, heard in self.backends.items()
                         if now - heard < self.backend_expiry}

    def from_outside(self, key, row, now):
        """The external side: whom the frame goes to; None: it is dropped. `row`: the backends of row
        `hash mod height`, in its order."""
        self.expire(now)
        backend, _ = self.flows.get(key, (None, None))
        if backend in self.backends:       # known flow, live backend: refresh, forward
            self.flows[key] = backend, now
            return backend
        self.flows.pop(key, None)          # known flow, dead backend: erase, then as new
        backend = next((b for b in row if b in self.backends), None)
        if backend is not None and len(self.flows) < self.flows_max:
            self.flows[key] = backend, now     # inserted only if not full, forwarded even when full
        return backend

    def from_inside(self, address, now):
        """Any other side: a known address refreshes, an unknown one is added if there is room."""
        self.expire(now)
        if address in self.backends or len(self.backends) < self.backends_max:
            self.backends[address] = now
