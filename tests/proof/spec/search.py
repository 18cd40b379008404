"""Every reachable state at small bounds: breadth first, until nothing new comes up.

From each state every action is tried, on the program and on the specification: their outcomes,
every byte that leaves, the whole flow table and the counters have to be the same. Time stands on a
grid, and a nanosecond before each of its points, so that every timeout's last instant and its end
are met. A state is what the specification says is there, times as ages, and in which record of the
table each flow lies; counters are compared, and begin at zero in each.
"""
import struct
import sys
import time

from appliance import Appliance
from compare import Difference, check_counters, check_flows, check_frame, check_tick, shown
from subject import Answer, Died, Subject
from wire import SECOND
from words import decoded


class Node:
    __slots__ = ("spec", "pure", "saved", "parent", "action", "now", "snapshot")


class Plan:
    """What a search tries: actions, configurations (the first is in force at the beginning), a table
    of so many flows, a grid of time."""

    def __init__(self, title, bound, capacity, configs, actions, grid=10 * SECOND, eve=True, pure=None):
        self.title, self.bound, self.capacity = title, bound, capacity
        self.configs, self.actions, self.grid, self.eve, self.pure = configs, actions, grid, eve, pure


class Search:
    def __init__(self, program, plan):
        self.plan, self.grid = plan, plan.grid
        self.subject = Subject(program, plan.capacity)
        self.configs = []
        for title, config in plan.configs:
            snapshot, tables = self.subject.compile(config)
            self.configs.append((title, config, snapshot, tables))
        self.ids = [self.subject.snapshots[entry[2]] for entry in self.configs]
        self.actions = plan.actions + [
            ("time goes on", "time", None), ("the timer", "tick", None)] + [
            (f"configuration: {title}", "publish", i)
            for i, (title, *_) in enumerate(self.configs) if len(self.configs) > 1]
        self.transitions = 0

    def root(self):
        root = Node()
        root.parent = root.action = None
        root.spec, root.pure = Appliance(self.subject, self.plan.capacity), self.plan.pure
        root.now, root.snapshot = self.grid, 0
        _, config, snapshot, tables = self.configs[0]
        root.spec.publish(config, tables, root.now)
        root.spec.announcements.clear()
        # What a VIP's coming is announced by is over before the search begins.
        self.subject.ask(self.subject.publish(snapshot, 0) + b"".join(
            self.subject.tick(second * SECOND) for second in range(5)) + b"R0")
        root.saved = struct.unpack_from("<I", self.subject.ask(b"S"), 1)[0]
        return root

    def run(self, states_max=None):
        """(states, whether those are all)."""
        root = self.root()
        seen = {self.key(root, [])}
        frontier = [root]
        while frontier:
            following = []
            for node in frontier:
                self.expand(node, seen, following)
                if states_max and len(seen) >= states_max:
                    return len(seen), False
            frontier = following
        return len(seen), True

    def key(self, node, places):
        now, spec = node.now, node.spec
        flows = []
        for place, key in places:
            f = spec.flows.by_key[key][0]
            flows.append((place, f.forward, f.backend, f.source_port, f.mode, f.requests, f.responses,
                          None if f.expired(now) else now - f.last, f.replied, f.shaken, f.client_fin,
                          f.backend_fin, f.reset))
        heard = sorted((target, -1 if spec.silent_since(target) else now - at)
                       for target, at in spec.heard_at.items() if spec.health[target] == "up")
        memory = sorted(place for place, (until, _) in spec.exhausted.items() if now < until)
        return (node.snapshot, now % self.grid != 0, tuple(sorted(flows)), tuple(heard),
                tuple(memory))

    def orders(self, node, action):
        """The action's orders, the instant of its end and the snapshot then in force."""
        _, kind, what = action
        before = self.subject.tick(node.now) + b"D" if node.pure else b""
        if kind == "frame":
            return before + self.subject.batch([what], node.now), node.now, node.snapshot
        if kind == "time":
            step = self.grid if not self.plan.eve else 1 if node.now % self.grid else self.grid - 1
            return b"", node.now + step, node.snapshot
        if kind == "tick":
            return self.subject.tick(node.now), node.now, node.snapshot
        return self.subject.publish(self.configs[what][2], node.now) + b"W", node.now, what

    def expand(self, node, seen, following):
        load = struct.pack("<cI", b"L", node.saved)
        orders = [self.orders(node, action) for action in self.actions]
        answer = Answer(self.subject, self.subject.ask(
            b"".join(load + o + b"DRS" for o, _, _ in orders)))
        discard = [node.saved]
        for action, (_, now, snapshot) in zip(self.actions, orders):
            child = Node()
            child.parent, child.action, child.now, child.snapshot = node, action, now, snapshot
            child.spec, child.pure = node.spec.copy(), node.pure and node.pure.copy()
            self.transitions += 1
            try:
                places = self.step(child, node.now, action, answer)
            except Difference as difference:
                self.tell(child, difference)
                raise
            answer.letter("S")
            child.saved, = answer.unpack("<I")
            key = self.key(child, places)
            if key in seen:
                discard.append(child.saved)
            else:
                seen.add(key)
                following.append(child)
        self.subject.ask(b"".join(struct.pack("<cI", b"Z", place) for place in discard))
        node.spec = node.pure = node.saved = None

    def step(self, node, now, action, answer):
        _, kind, what = action
        spec, ids = node.spec, self.ids[node.snapshot]
        if kind == "frame":
            if node.pure:
                self.tick(spec, now, answer)
                self.dump(spec, answer, ids)
            check_frame(spec, what, now, answer, ids)
            if node.pure:
                self.check_pure(node, what)
        elif kind == "tick":
            self.tick(spec, now, answer)
        elif kind == "publish":
            _, config, _, tables = self.configs[what]
            spec.publish(config, tables, now)
            spec.sweep()
            check_tick(spec, answer, self.subject, timer=False)
            answer.letter("p")
            answer.letter("w")
        spec.now = node.now
        places = self.dump(spec, answer, ids)
        if node.pure and kind == "frame":
            self.check_pure_state(node)
        return places

    def dump(self, spec, answer, ids):
        answer.letter("D")
        places = check_flows(spec, answer, ids)
        check_counters(spec, answer, ids)
        return places

    def tick(self, spec, now, answer):
        spec.tick(now)
        check_tick(spec, answer, self.subject)
        answer.letter("t")

    # ---- source 000 beside it ----

    def check_pure(self, node, p):
        spec, pure = node.spec, node.pure
        if spec.from_backends(p):
            return pure.from_inside(p.source, node.now)
        service = spec.service_of(p)
        members = spec.config.members[service.pool]
        slot = spec.slot(service, p.key)
        row = [members[(slot + i) % len(members)].address for i in range(len(members))]
        chosen = pure.from_outside(p.key, row, node.now)
        got = spec.backend[1] if spec.backend else None
        if chosen != got:
            raise Difference(f"source 000 sends it to {chosen}, the appliance to {shown(spec.backend)}")

    def check_pure_state(self, node):
        spec, pure = node.spec, node.pure
        flows = {f.forward: (f.address, f.last) for f in spec.flows.flows if not f.expired(spec.now)}
        if flows != pure.flows:
            raise Difference(f"source 000 has the flows {pure.flows}, the appliance {flows}")
        heard = {a: at for (_, a), at in spec.heard_at.items() if spec.health.get(("beat", a)) == "up"
                 and spec.now < at + pure.backend_expiry}
        if heard != pure.backends:
            raise Difference(f"source 000 has the backends {pure.backends}, the appliance {heard}")

    def tell(self, node, difference):
        steps = []
        while node.parent:
            steps.append(node)
            node = node.parent
        print(f"\nAfter {len(steps)} steps the program does not do what the specification says:",
              file=sys.stderr)
        for i, step in enumerate(reversed(steps), 1):
            title, kind, what = step.action
            print(f"  {i}. at {step.now / 1e9:.9f} s: {title}", file=sys.stderr)
            if kind == "frame":
                print(f"     {decoded(what.frame, what.interface)}", file=sys.stderr)
                if i == len(steps):
                    print(f"     {what.frame.hex()}", file=sys.stderr)
        print(difference, file=sys.stderr)


def search(program, plan, states_max=None):
    """Prints the line of a step of `make verify`; True where all is as specified."""
    begin = time.process_time()
    try:
        found = Search(program, plan)
        states, closed = found.run(states_max)
        found.subject.close()
        good = closed or bool(states_max)
        result = f"{states:,} states, {found.transitions:,} transitions, " + \
            ("all" if closed else "the first of them")
    except (Difference, Died) as fault:
        print(fault, file=sys.stderr)
        good, result = False, "differs: see the trace"
    print("PASS" if good else "FAIL", plan.title, "search", plan.bound, result, sep="\t", flush=True)
    print(f"{plan.title}: {time.process_time() - begin:.1f} s of CPU", file=sys.stderr)
    return good
