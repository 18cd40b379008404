"""Runs build/bench/path for a case: a process that stays, so that the samples of several cases can
be taken by turns."""
import json
import os
import re
import subprocess
from pathlib import Path

from cases import BIRTH, DROP, HIT, STATELESS, TURNOVER

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / os.environ.get("LB_BUILD", "build") / "bench/path"
TOLERATED = 0.001   # of a sample's packets: what time makes of flows while they are measured


class Harness:
    """A case set up, all its flows alive."""

    def __init__(self, case, prefix=()):
        self.case = case
        self.script = Path(os.environ["TMPDIR"]) / f"path-{os.getpid()}-{id(self)}.conf"
        self.script.write_text(case.script())
        self.process = subprocess.Popen(
            [*prefix, PROGRAM, f"--config={self.script}", *case.arguments()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()
        if case.warm:
            self.ask("run", case.warm)

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.case.name}: the program ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, verb, number=0):
        print(verb, number, file=self.process.stdin, flush=True)
        return self._answer()

    def _check(self, said):
        packets, case = said["packets"], self.case
        became = {HIT: said["forwarded"] - said["created"], BIRTH: said["created"],
                  STATELESS: said["stateless"], DROP: said["dropped"],
                  TURNOVER: min(said["created"], said["closed"])}[case.expect]
        # Flows that have ended meanwhile are those of some moments ago.
        if became < packets * (0.9 if case.expect == TURNOVER else 1 - TOLERATED):
            raise RuntimeError(f"{case.name}: this is not what was to be measured: {said}")
        return said

    def sample(self, packets):
        """ns a packet, and what became of the packets."""
        if self.case.fresh:
            self.ask("clear")
        said = self._check(self.ask("run", packets))
        return said["ns"] / packets, said

    def own_cost(self, packets):
        """ns a packet of the program itself."""
        return self.ask("empty", packets)["ns"] / packets

    def close(self):
        self.process.stdin.close()
        if self.process.wait(timeout=60):
            raise RuntimeError(f"{self.case.name}: ended with {self.process.returncode}")
        self.script.unlink()


class Counted(Harness):
    """The same under valgrind's callgrind: events are counted, time means nothing."""

    def __init__(self, case, caches=()):
        self.output = Path(os.environ["TMPDIR"]) / f"callgrind-{os.getpid()}-{id(self)}"
        self.dumps = 0
        # A failure is told by the answer that does not come; warnings would be one a case.
        super().__init__(case, [
            "valgrind", "-q", "--log-file=/dev/null", "--tool=callgrind", "--instr-atstart=no",
            "--collect-atstart=no", "--dump-line=yes", f"--callgrind-out-file={self.output}",
            *caches])

    def count(self, verb, packets):
        """Events by (file, line), and their sums, of `packets` packets."""
        said = self.ask(verb, packets)
        if verb == "count":
            self._check(said)
        self.dumps += 1
        dump = Path(f"{self.output}.{self.dumps}")
        lines = by_line(dump.read_text())
        dump.unlink()
        return lines

    def close(self):
        super().close()
        self.output.unlink(missing_ok=True)


def _add(sums, key, counts):
    have = sums.setdefault(key, {})
    for name, count in counts.items():
        have[name] = have.get(name, 0) + count


def by_line(text):
    """Callgrind's output format (valgrind manual, "Callgrind Format Specification"): self costs."""
    events, names, sums, calls = [], {}, {}, False
    where, line = "?", 0
    for row in text.splitlines():
        if row.startswith("events:"):
            events = row.split()[1:]
        elif match := re.match(r"(c?)f[lie]=\((\d+)\) ?(.*)", row):
            callee, number, name = match.groups()
            if name:   # told once, by number from then on
                names[number] = name
            if not callee:
                where = names[number]
        elif row.startswith("calls="):
            calls = True   # the next line is what the callee cost
        elif match := re.match(r"([+-]?\d+|\*) ?([\d ]*)$", row):
            position, counts = match.group(1), [int(count) for count in match.group(2).split()]
            line = (line if position == "*" else line + int(position)
                    if position[0] in "+-" else int(position))
            if not calls:
                _add(sums, (where, line), dict(zip(events, counts)))
            calls = False
    return sums


def total(sums, event):
    return sum(counts.get(event, 0) for counts in sums.values())
