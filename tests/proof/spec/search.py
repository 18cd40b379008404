"""Every reachable state at small bounds: breadth first, until nothing new comes up.

From each state every action is tried, on the program and on the specification: their outcomes,
every byte that leaves, the whole flow table and the counters have to be the same. Time stands on a
grid of 10 s, and a nanosecond before each of its points, so that every timeout's last instant and
its end are met. A state is what the specification says is there, times as ages, and in which record
of the table each flow lies.
"""
import struct
import sys
import time

import worlds
from appliance import Appliance
from compare import Difference, check_counters, check_flows, check_frame
from subject import Answer, Died, Subject
from wire import IPV4, SECOND, UDP, Packet, ethernet, ip_packet, udp
from words import decoded
from worlds import BACKEND_MACS, BACKENDS, CLIENT_MACS, CLIENTS, EXT, EXT_MAC, INT, INT_MAC, VIP

GRID = 10 * SECOND


class Node:
    __slots__ = ("spec", "saved", "parent", "action", "now", "snapshot")


def frame_action(title, p):
    return title, "frame", p


def udp_actions(keys):
    actions = []
    for client, port in keys:
        payload = udp(client, port, VIP, 80, b"ask")
        actions.append(frame_action(f"client {client & 255}:{port} sends", Packet(
            ethernet(EXT_MAC, CLIENT_MACS[client], IPV4, ip_packet(client, VIP, UDP, payload)), EXT)))
        for backend in BACKENDS:
            payload = udp(backend, 8080, client, port, b"answer")
            actions.append(frame_action(f"backend {backend & 255} answers {client & 255}:{port}", Packet(
                ethernet(INT_MAC, BACKEND_MACS[backend], IPV4,
                         ip_packet(backend, client, UDP, payload)), INT)))
    return actions


class Search:
    def __init__(self, program, capacity, configs, actions, limit=None):
        self.subject = Subject(program, capacity)
        self.configs = []
        for title, config in configs:
            snapshot, tables = self.subject.compile(config)
            self.configs.append((title, config, snapshot, tables))
        self.ids = [self.subject.snapshots[entry[2]] for entry in self.configs]
        self.actions = actions + [
            ("time goes on", "time", None), ("the timer", "tick", None)] + [
            (f"configuration: {title}", "publish", i) for i, (title, *_) in enumerate(configs)]
        self.capacity, self.limit = capacity, limit
        self.transitions = 0

    def run(self):
        root = Node()
        root.spec, root.parent, root.action, root.now = Appliance(self.subject, self.capacity), None, None, GRID
        title, config, snapshot, tables = self.configs[0]
        root.spec.publish(config, tables, root.now)
        root.snapshot = 0
        # What a VIP's coming is announced by is over before the search begins.
        self.subject.ask(self.subject.publish(snapshot, 0) + b"".join(
            self.subject.tick(second * SECOND) for second in range(10)) + b"R0")
        root.saved = struct.unpack_from("<I", self.subject.ask(b"S"), 1)[0]
        seen = {self.key(root, [])}
        frontier = [root]
        while frontier:
            following = []
            for node in frontier:
                self.expand(node, seen, following)
                if self.limit and len(seen) >= self.limit:
                    return len(seen), False
            frontier = following
        return len(seen), True

    def key(self, node, places):
        now = node.now
        flows = sorted((place, node.spec.flows.by_key[key][0]) for place, key in places)
        return (node.snapshot, now % GRID != 0, tuple(
            (place, f.forward, f.backend, None if f.expired(now) else now - f.last, f.state, f.replied, f.shaken, f.client_fin,
             f.backend_fin, f.reset) for place, f in flows))

    def orders(self, node, action):
        """The action's orders, the instant of its end and the snapshot then in force."""
        _, kind, what = action
        if kind == "frame":
            return self.subject.batch([what], node.now), node.now, node.snapshot
        if kind == "time":
            now = node.now + (1 if node.now % GRID else GRID - 1)
            return b"", now, node.snapshot
        if kind == "tick":
            return self.subject.tick(node.now), node.now, node.snapshot
        return self.subject.publish(self.configs[what][2], node.now) + b"W", node.now, what

    def expand(self, node, seen, following):
        load = struct.pack("<cI", b"L", node.saved)
        orders = [self.orders(node, action) for action in self.actions]
        data = self.subject.ask(b"".join(load + o + b"DS" for o, _, _ in orders))
        answer = Answer(self.subject, data)
        discard = [node.saved]
        for action, (_, now, snapshot) in zip(self.actions, orders):
            child = Node()
            child.parent, child.action, child.now, child.snapshot = node, action, now, snapshot
            child.spec = node.spec.copy()
            self.transitions += 1
            try:
                places = self.step(child, action, answer)
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
        node.spec = node.saved = None

    def step(self, node, action, answer):
        _, kind, what = action
        spec, ids = node.spec, self.ids[node.snapshot]
        if kind == "frame":
            verdict = spec.receive(what, node.now)
            check_frame(spec, what, verdict, answer, ids)
        elif kind == "tick":
            spec.now = node.now
            answer.letter("t")
        elif kind == "publish":
            _, config, _, tables = self.configs[what]
            spec.publish(config, tables, node.now)
            spec.sweep()
            answer.letter("p")
            answer.letter("w")
        spec.now = node.now
        answer.letter("D")
        places = check_flows(spec, answer, ids)
        check_counters(spec, answer, ids)
        return places

    def tell(self, node, difference):
        steps = []
        while node.parent:
            steps.append(node)
            node = node.parent
        print(f"After {len(steps)} steps:", file=sys.stderr)
        for i, step in enumerate(reversed(steps), 1):
            title, kind, what = step.action
            print(f"  {i}. at {step.now / 1e9:.9f} s: {title}", file=sys.stderr)
            if kind == "frame":
                print(f"     {decoded(what.frame, what.interface)}", file=sys.stderr)
                if i == len(steps):
                    print(f"     {what.frame.hex()}", file=sys.stderr)
        print(difference, file=sys.stderr)


def main(program):
    configs = [("both in service", worlds.small()), ("the first drains", worlds.small(("drain", "enabled"))),
               ("the second is disabled", worlds.small(("enabled", "disabled")))]
    actions = udp_actions([(CLIENTS[0], 1000), (CLIENTS[0], 1001), (CLIENTS[1], 1000)])
    begin = time.time()
    search = Search(program, 2, configs, actions)
    title = "every reachable state: UDP by nat, as specified"
    bound = "2 flows, 2 backends, 3 clients, colliding hash"
    try:
        states, closed = search.run()
        result = f"{states} states, {search.transitions} transitions, {'all' if closed else 'NOT all'}"
    except (Difference, Died) as fault:
        print(fault, file=sys.stderr)
        states, closed, result = 0, False, "differs, see the trace"
    print("PASS" if closed else "FAIL", title, "search", bound, result, sep="\t", flush=True)
    print(f"{time.time() - begin:.1f} s", file=sys.stderr)
    return 0 if closed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
