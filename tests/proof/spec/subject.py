"""The shipped packet path, run by the program `shim`: orders in, all that came of them out."""
import struct
import subprocess

EVENTS = ("up", "down", "vip_conflict", "neighbor_failed", "weight", "moved", "register")
NONE = 0xffffffff
FLOW = struct.Struct("<IIIHHBIHIHIIIBBBBQQQII")
CAPACITY_HELD = 1514


class Died(Exception):
    """The path has ended the program: a sanitizer's report or a signal."""


class Subject:
    def __init__(self, program, flows, seed=0, held=CAPACITY_HELD):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.orders = []
        self.hashes = {}
        self.targets = {}          # (check, address) -> id, of the last snapshot described
        self.configs, self.snapshots = {}, {}
        answer = self.ask(b"V")
        names, at = [], 1
        for _ in range(answer[0]):
            names.append(answer[at + 1:at + 1 + answer[at]].decode())
            at += 1 + answer[at]
        self.verdicts = names
        self.ask(struct.pack("<cIIQ", b"O", flows, held, seed))

    def ask(self, orders):
        try:
            self.process.stdin.write(struct.pack("<I", len(orders)) + orders)
            self.process.stdin.flush()
            head = self.process.stdout.read(4)
            answer = self.process.stdout.read(struct.unpack("<I", head)[0]) if len(head) == 4 else b""
        except (BrokenPipeError, struct.error):
            head = b""
        if len(head) < 4:
            raise Died(f"the path's program ended with status {self.process.wait()}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def hash(self, key, seed):
        """flow_hash(): free by definition."""
        value = self.hashes.get((key, seed))
        if value is None:
            source, source_port, destination, destination_port, protocol = key
            order = struct.pack("<cIIHHBQ", b"h", source, destination, source_port,
                                destination_port, protocol, seed)
            value = self.hashes[key, seed] = struct.unpack("<Q", self.ask(order))[0]
        return value

    def compile(self, config):
        """The configuration as the program compiles it, with the health that it knows: a snapshot's
        number, and its Maglev tables. The first one of a configuration tells it about the links."""
        text = config.script().encode()
        if text not in self.configs:
            answer = self.ask(struct.pack("<cI", b"G", len(text)) + text)
            self.configs[text] = struct.unpack("<I", answer)[0]
        number = self.configs[text]
        for index, port in enumerate(config.interfaces):
            self.ask(struct.pack("<cIBH", b"I", index, port.up, port.mtu))
        snapshot, = struct.unpack("<I", self.ask(struct.pack("<cI", b"C", number)))
        for index, port in enumerate(config.interfaces):
            found, = struct.unpack("<I", self.ask(struct.pack("<cB", b"N", len(port.name)) +
                                                  port.name.encode()))
            assert found == index, "interfaces stand in the order of the configuration"
        return snapshot, self.describe(snapshot, config)

    def describe(self, snapshot, config):
        answer = self.ask(struct.pack("<cI", b"M", snapshot))
        count, = struct.unpack_from("<I", answer)
        at, services = 4, {}
        pools = {}
        for _ in range(count):
            ident, vip, port, protocol, pool = struct.unpack_from("<IIHBI", answer, at)
            at += 15
            services[ident] = config.at[vip, port, protocol].name
            pools[pool] = config.at[vip, port, protocol].pool
        backends, tables = {}, {}
        count, = struct.unpack_from("<I", answer, at)
        at += 4
        for index in range(count):
            members, = struct.unpack_from("<I", answer, at)
            at += 4
            name = sorted(config.pool)[index]
            assert pools.get(index, name) == name
            for n in range(members):
                ident, address, port, target = struct.unpack_from("<IIHI", answer, at)
                at += 14
                backends[ident] = (name, address, port)
                assert config.members[name][n].key == (name, address, port)
                if target != NONE:
                    self.targets[config.pool[name].check.name, address] = target
            has_table = answer[at]
            at += 1
            tables[name] = None
            if has_table:
                tables[name] = struct.unpack_from("<65537H", answer, at)
                at += 2 * 65537
        self.snapshots[snapshot] = services, backends
        return tables

    # ---- orders of a run ----

    def batch(self, packets, now):
        parts = [struct.pack("<cQB", b"B", now, len(packets))]
        for p in packets:
            parts.append(struct.pack("<BHH", p.interface, p.vlan_tci, p.vlan_tpid) + p.offload +
                         struct.pack("<II", p.wire_length, len(p.frame)) + p.frame)
        return b"".join(parts)

    def tick(self, now):
        return struct.pack("<cQ", b"T", now)

    def publish(self, snapshot, now):
        return struct.pack("<cQI", b"P", now, snapshot)


class Answer:
    """Reads what came of the orders, one after the other."""

    def __init__(self, subject, data):
        self.subject, self.data, self.at = subject, data, 0

    def unpack(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def letter(self, expected):
        assert self.data[self.at] == ord(expected), (expected, self.data[self.at:self.at + 20])
        self.at += 1

    def outcome(self):
        """Of one frame: (verdict, changed, backend id, interface, frames sent, events)."""
        sent, events = [], []
        data = self.data
        while True:
            letter = data[self.at]
            self.at += 1
            if letter == 0x73:      # s
                interface, tci, tpid, offload, length = struct.unpack_from("<BHH10sI", data, self.at)
                self.at += 19
                sent.append((interface, data[self.at:self.at + length], offload,
                             (tci, tpid) if tpid else (0, 0)))
                self.at += length
            elif letter == 0x65:    # e
                kind, ident, address, mac, interface, value = \
                    struct.unpack_from("<BII6sII", data, self.at)
                self.at += 23
                events.append((EVENTS[kind], ident, address, mac, interface, value))
            elif letter == 0x6f:    # o
                verdict, changed, backend, interface = struct.unpack_from("<BBII", data, self.at)
                self.at += 10
                return self.subject.verdicts[verdict], changed, backend, interface, sent, events
            else:
                self.at -= 1
                return None, 0, NONE, NONE, sent, events

    def flows(self):
        live, half_open, created = self.unpack("<IIQ")
        closed = self.unpack("<9Q")
        count, = self.unpack("<I")
        rows = []
        for _ in range(count):
            rows.append(FLOW.unpack_from(self.data, self.at))
            self.at += FLOW.size
        return live, half_open, created, closed, rows

    def neighbors(self):
        count, = self.unpack("<I")
        return dict(self.neighbor() for _ in range(count))

    def neighbor(self):
        interface, address, mac, state, held = self.unpack("<II6sBI")
        return (interface, address), (chr(state), mac, held)

    def counters(self):
        path = self.unpack("<4Q")
        interfaces, services, backends, health = [], {}, {}, {}
        count, = self.unpack("<I")
        for _ in range(count):
            head = self.unpack("<6Q")
            interfaces.append((head, self.unpack(f"<{len(self.subject.verdicts)}Q")))
        for table, size in (services, 7), (backends, 6):
            count, = self.unpack("<I")
            for _ in range(count):
                ident, = self.unpack("<I")
                table[ident] = self.unpack(f"<{size}Q")
        count, = self.unpack("<I")
        for _ in range(count):
            ident, up = self.unpack("<IB")
            health[ident] = up
        return path, interfaces, services, backends, health
