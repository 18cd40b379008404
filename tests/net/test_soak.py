"""A seeded churn: backends join, leave, drain, change weight and fall silent, links flap, a small
flow table is flooded, while connections that have been made live on.

What must hold at every step: conservation; created - closed == live; and a connection answers until
its own backend has left, been disabled or fallen silent. `make soak SECONDS=600 SEED=7` runs it
longer, or again.
"""
import os
import random
import selectors
import socket
import threading
import time

import pytest

from lab import BACKENDS, INT, INTERFACES, ROOT, VIP, UdpEcho, wait_until

SECONDS = int(os.environ.get("LB_SOAK", 15))
SEED = int(os.environ.get("LB_SEED", 1))

ECHO_PORT, FLOOD_PORT, HEARTBEAT_PORT = 7, 9, 6969
CONNECTIONS = 24
ANSWER_SECONDS = 20     # a link that flaps costs TCP some of its retransmissions
FLOOD = 400             # datagrams of ports of their own: the table holds 1,024 flows

CONFIG = INTERFACES + f"""\
set global flow-table 1024
add check life heartbeat from port {HEARTBEAT_PORT} timeout 1
add pool echo check life
add service echo {VIP}:{ECHO_PORT}/tcp pool echo
add service flood {VIP}:{FLOOD_PORT}/udp pool echo idle-timeout 2
"""


class Echo:
    """Greets every connection with its node's name, then sends back what comes, as one thread. What
    has been silent for long was given up by a client whose FIN had no way here any more."""

    SILENT_SECONDS = 60

    def __init__(self, lab, node, port):
        self.node, self.closing, self.heard = node, False, {}
        self.selector = selectors.DefaultSelector()
        self.listener = lab.socket(node, socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("", port))
        self.listener.listen(128)
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _greet(self):
        connection, _ = self.listener.accept()
        try:
            connection.sendall(self.node.encode().ljust(8))
        except OSError:
            connection.close()
            return
        self.selector.register(connection, selectors.EVENT_READ)
        self.heard[connection] = time.monotonic()

    def _drop(self, connection):
        self.selector.unregister(connection)
        del self.heard[connection]
        connection.close()

    def _answer(self, connection):
        try:
            data = connection.recv(4096)
            connection.sendall(data)
        except OSError:
            data = b""
        if data:
            self.heard[connection] = time.monotonic()
        else:
            self._drop(connection)

    def _serve(self):
        while not self.closing:
            for key, _ in self.selector.select(0.1):
                if key.fileobj is self.listener:
                    self._greet()
                else:
                    self._answer(key.fileobj)
            long_ago = time.monotonic() - self.SILENT_SECONDS
            for connection in [c for c, heard in self.heard.items() if heard < long_ago]:
                self._drop(connection)
        for connection in list(self.heard):
            self._drop(connection)
        self.selector.close()
        self.listener.close()

    def close(self):
        self.closing = True
        self.thread.join(10)


class Connection:
    """One of the client's, from its greeting on."""

    def __init__(self, lab):
        self.socket = lab.socket("client", socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(ANSWER_SECONDS)
        self.socket.connect((VIP, ECHO_PORT))
        self.backend = self.receive(8).decode().strip()
        self.turns = 0

    def receive(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("closed")
            data += more
        return data

    def ask(self):
        self.turns += 1
        question = b"%08d" % self.turns
        self.socket.sendall(question)
        return self.receive(len(question)) == question

    def close(self):
        self.socket.close()


class Churn:
    """What is done to the appliance, and what is known of it."""

    def __init__(self, lab, appliance, seed):
        self.lab, self.appliance = lab, appliance
        self.chance = random.Random(seed)
        self.senders, self.configured, self.connections = {}, set(), []
        self.steps = []
        for node in BACKENDS:
            self.beat(node)

    def beat(self, node):
        self.senders[node] = self.lab.start(
            node, ROOT / "scripts/lb-heartbeat", "--to", f"{INT}:{HEARTBEAT_PORT}",
            "--interval", "0.2")

    def lb(self, command):
        return self.appliance.lb(command)

    def place(self, node):
        return f"echo {BACKENDS[node]}:0"

    def forget(self, node):
        """Its connections may break from now on."""
        for connection in self.connections:
            if connection.backend == node:
                connection.close()
        self.connections = [c for c in self.connections if c.backend != node]

    # Each is a step; at least one backend is always in service.

    def join(self):
        node = self.chance.choice(sorted(BACKENDS))
        weight = self.chance.randrange(1, 100)
        verb = "set" if node in self.configured else "add"
        self.lb(f"{verb} backend {self.place(node)} weight {weight}")
        self.configured.add(node)

    def leave(self):
        node = self.chance.choice(sorted(BACKENDS))
        if len(self.configured) > 1 and node in self.configured:
            self.lb(f"del backend {self.place(node)}")
            self.configured.remove(node)
            self.forget(node)

    def drain(self):
        if self.configured:
            node = self.chance.choice(sorted(self.configured))
            self.lb(f"drain backend {self.place(node)}")
            self.check()
            self.lb(f"enable backend {self.place(node)}")

    def disable(self):
        if self.configured:
            node = self.chance.choice(sorted(self.configured))
            self.lb(f"disable backend {self.place(node)}")
            self.lb(f"enable backend {self.place(node)}")
            self.forget(node)

    def weightless(self):
        if len(self.configured) > 1:
            node = self.chance.choice(sorted(self.configured))
            self.lb(f"set backend {self.place(node)} weight 0")
            self.check()
            self.connect()
            self.lb(f"set backend {self.place(node)} weight 5")

    def silence(self):
        node = self.chance.choice(sorted(BACKENDS))
        self.forget(node)
        self.senders[node].terminate()
        if node in self.configured:
            self.appliance.wait_backend(BACKENDS[node], "down", 5)
        self.beat(node)
        if node in self.configured:
            self.appliance.wait_backend(BACKENDS[node], "up", 5)

    def flap(self):
        interface = self.chance.choice(("ext", "int"))
        self.lab.link("appliance", "set", interface, "down")
        self.lab.link("appliance", "set", interface, "up")
        wait_until(lambda: self.appliance.interface(interface)["state"] == "up", 10,
                   f"{interface} is up again")
        for node in self.configured:
            self.appliance.wait_backend(BACKENDS[node], "up", 10)

    def flood(self):
        for _ in range(FLOOD):
            with self.lab.socket("client", socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"x", (VIP, FLOOD_PORT))

    def clear(self):
        self.lb("clear counters")

    def connect(self):
        while len(self.connections) < CONNECTIONS:
            self.connections.append(Connection(self.lab))

    # Laws.

    def check(self):
        self.appliance.check_conservation()
        flows = self.appliance.show("stats")["flows"]
        closed = sum(count for name, count in flows.items() if name.startswith("closed_"))
        assert flows["created"] - closed == flows["live"], flows
        for connection in self.connections:
            try:
                assert connection.ask()
            except OSError as error:
                raise AssertionError(f"a connection to {connection.backend} broke after "
                                     f"{self.steps[-6:]}: {error}") from error

    def step(self):
        do = self.chance.choice([self.join, self.join, self.leave, self.drain, self.disable,
                                 self.weightless, self.silence, self.flap, self.flood, self.clear])
        self.steps.append(do.__name__)
        do()
        self.check()
        if any(row["state"] == "up" and row["weight"] for row in self.appliance.show("backend")):
            self.connect()


@pytest.mark.timeout(SECONDS + 120)
def test_connections_live_on_while_everything_around_them_changes(appliance, lab):
    appliance.configure(CONFIG)
    servers = [server(lab, node, port) for node in BACKENDS
               for server, port in ((Echo, ECHO_PORT), (UdpEcho, FLOOD_PORT))]
    churn = Churn(lab, appliance, SEED)
    try:
        churn.join()
        appliance.wait_all_up()
        churn.connect()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            churn.step()
        assert len(set(churn.steps)) > 5, churn.steps
        print(f"seed {SEED}: {len(churn.steps)} steps")
    finally:
        for connection in churn.connections:
            connection.close()
        for server in servers:
            server.close()
        for sender in churn.senders.values():
            sender.terminate()
