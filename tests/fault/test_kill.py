"""kill -9 of lbd at any moment: what lb was told is done, is there after the restart; what it was
not told is there whole or not at all."""
import random
import subprocess
import threading
import time

import pytest

from daemon import SMALL, wait_until

POOLS = ("web", "api")


class State:
    """What the configuration should be: the weight of every backend, by pool and address."""

    def __init__(self, revision, weights):
        self.revision, self.weights = revision, weights

    @classmethod
    def of(cls, daemon):
        status, backends = daemon.show("status", "backend")
        return cls(status["revision"], {
            (row["pool"], f"{row['address']}:{row['port']}"): row["weight"] for row in backends})

    def script(self):
        lines = [f"add pool {pool}" for pool in POOLS]
        lines += [f"add backend {pool} {address} weight {weight}"
                  for (pool, address), weight in self.weights.items()]
        return SMALL + "\n".join(lines) + "\n"

    def __eq__(self, other):
        return (self.revision, self.weights) == (other.revision, other.weights)

    def __repr__(self):
        return f"r{self.revision} with {len(self.weights)} backends {self.weights}"


class Change:
    """What lb is asked for, and the weights that it makes."""

    def __init__(self, weights, commands=(), script=None):
        self.weights, self.commands, self.script = weights, commands, script


class Changes:
    """Random changes of every kind; each changes something."""

    def __init__(self, seed, folder):
        self.random = random.Random(seed)
        self.load = folder / "load"
        self.history = {}    # weights by revision

    def next(self, state):
        kind = self.random.choices((self.line, self.lines, self.replace, self.rollback),
                                   (6, 3, 1, 1))[0]
        change = kind(state)
        return change if change.weights != state.weights else self.line(state)

    def edit(self, weights):
        """One line, and the weights that it makes."""
        weights = dict(weights)
        key = self.random.choice(POOLS), f"10.0.0.{self.random.randrange(1, 40)}:80"
        weight = self.random.choice([w for w in range(1, 100) if w != weights.get(key)])
        verb = "add" if key not in weights else self.random.choice(("set", "del"))
        if verb == "del":
            del weights[key]
            return f"del backend {key[0]} {key[1]}", weights
        weights[key] = weight
        return f"{verb} backend {key[0]} {key[1]} weight {weight}", weights

    def line(self, state):
        line, weights = self.edit(state.weights)
        return Change(weights, [line])

    def lines(self, state):
        weights, script = state.weights, ""
        for _ in range(self.random.randrange(2, 30)):
            line, weights = self.edit(weights)
            script += line + "\n"
        return Change(weights, script=script)

    def replace(self, state):
        weights = {}
        for _ in range(self.random.randrange(1, 40)):
            _, weights = self.edit(weights)
        self.load.write_text(State(0, weights).script() + "commit\n")
        return Change(weights, [f"load {self.load} replace"])

    def rollback(self, state):
        kept = [number for number in self.history if state.revision - 50 < number < state.revision]
        if not kept:
            return self.line(state)
        number = self.random.choice(kept)
        return Change(self.history[number], [f"rollback {number}"])


def run_and_kill(daemon, change, delay):
    """Runs lb with the change; `delay` seconds later (None: never) lbd dies."""
    lb = subprocess.Popen(daemon.lb_command(*change.commands), text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    killer = threading.Timer(delay, daemon.kill) if delay is not None else None
    if killer:
        killer.start()
    output, error = lb.communicate(change.script or "", timeout=50)
    if killer:
        killer.join()
    return lb.returncode, output, error


def survivor(daemon, before, after, acknowledged):
    """What is there after a restart: one of the two, and the new one if lb was told."""
    state = State.of(daemon)
    assert state == after or (state == before and not acknowledged), \
        f"before:\n{before}\nafter:\n{after}\nacknowledged: {acknowledged}\nfound:\n{state}"
    return state


@pytest.mark.timeout(170)
@pytest.mark.parametrize("seed", range(2))
def test_what_was_acknowledged_is_there_after_kill_9(make_daemon, folder, seed):
    daemon = make_daemon().start()
    daemon.lb(script=State(0, {}).script())
    changes = Changes(seed, folder)
    chance = changes.random
    state = State.of(daemon)
    kills = acknowledged_kills = lost = 0
    duration = 0.02
    for _ in range(100):
        changes.history[state.revision] = state.weights
        change = changes.next(state)
        after = State(state.revision + 1, change.weights)
        delay = chance.uniform(0, 1.2 * duration) if chance.random() < 0.5 else None
        begin = time.monotonic()
        status, output, error = run_and_kill(daemon, change, delay)
        acknowledged = status == 0
        if acknowledged:
            assert f"r{after.revision} active" in output
        if delay is None:
            duration = 0.8 * duration + 0.2 * (time.monotonic() - begin)
            assert acknowledged, f"{status}: {output}{error}"
            state = after
            continue
        assert acknowledged or (status == 3 and error.startswith("error: ")), \
            f"{status}: {output}{error}"
        kills += 1
        acknowledged_kills += acknowledged
        checked = daemon.checked_revision() if chance.random() < 0.3 else None
        daemon.start()
        found = survivor(daemon, state, after, acknowledged)
        assert checked in (None, found.revision)
        lost += found == state
        state = found
    assert State.of(daemon) == state
    numbers = [row["revision"] for row in daemon.show("revisions")]
    assert numbers == list(range(state.revision, state.revision - len(numbers), -1))
    daemon.stop()
    assert daemon.checked_revision() == state.revision
    print(f"{kills} kills: {acknowledged_kills} when it was acknowledged, {lost} before the commit")
    assert lost and kills > lost    # some before, some after the commit, else nothing was tried


def test_kills_during_the_start_harm_nothing(make_daemon):
    daemon = make_daemon().start()
    chance = random.Random(7)
    daemon.lb(script=State(0, {("web", f"10.0.0.{i}:80"): i for i in range(1, 100)}).script())
    state = State.of(daemon)
    begin = time.monotonic()
    daemon.kill()
    daemon.start()
    start = time.monotonic() - begin
    daemon.kill()
    for _ in range(25):
        daemon.begin()
        time.sleep(chance.uniform(0, start))
        daemon.kill()
    assert daemon.checked_revision() == state.revision
    daemon.start()
    assert State.of(daemon) == state


def test_kills_while_a_new_store_is_made_leave_none_or_a_whole_one(make_daemon, folder):
    chance = random.Random(8)
    for number in range(12):
        daemon = make_daemon(database=folder / f"{number}" / "lb.db").begin()
        time.sleep(chance.uniform(0, 0.05))
        daemon.kill()
        if daemon.database.exists():
            assert daemon.checked_revision() == 0
        else:
            assert daemon.start().revision == 0
            daemon.kill()


def test_a_stream_of_transactions_is_cut_at_one_of_them(make_daemon, folder):
    """--each: every line is acknowledged by itself."""
    daemon = make_daemon().start()
    daemon.lb(script=State(0, {}).script())
    lines = [f"add backend web 10.1.{n >> 8}.{n & 255}:80" for n in range(2000)]
    (folder / "lines").write_text("\n".join(lines) + "\n")
    lb = subprocess.Popen(daemon.lb_command(options=["--each", "-f", folder / "lines"]), text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    heard = [lb.stdout.readline() for _ in range(20)]
    daemon.kill()
    output, error = lb.communicate(timeout=50)
    assert lb.returncode == 3 and "lbd has ended the conversation" in error
    acknowledged = ("".join(heard) + output).count(" active.")
    daemon.start()
    there = [f"add backend {row['pool']} {row['address']}:{row['port']}"
             for row in daemon.show("backend")]
    assert 20 <= acknowledged <= len(there) < len(lines)
    assert sorted(there) == sorted(lines[:len(there)])
    assert daemon.revision == 1 + len(there)


def test_a_waiting_console_is_told_that_lbd_has_gone(daemon):
    daemon.lb(script=SMALL + "add check c tcp port 80\nadd pool web check c\n"
                             "add backend web 10.0.0.1:80\n")
    lb = subprocess.Popen(daemon.lb_command("enable backend web 10.0.0.1:80 wait timeout 40"),
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert lb.stdout.readline() == "unchanged (r1).\n"
    daemon.kill()
    output, error = lb.communicate(timeout=10)
    assert lb.returncode == 3, f"{lb.returncode}: {output}{error}"
    assert "lbd has ended the conversation" in error
    assert wait_until(lambda: not daemon.is_alive(), 1, "lbd is gone")
