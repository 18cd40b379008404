"""A real lbd in a network namespace of its own, where its interfaces are missing, and real lb to
talk to it. It may be killed at any moment, and started on whatever a test has made of its files."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LB_BUILD", "build")
LBD, LB = BUILD / "lbd", BUILD / "lb"
SANITIZED = any(word in BUILD.name for word in ("address", "undefined", "thread"))
NOBODY = 65534

# A packet path with a small flow table takes no time to start.
SMALL = "set global flow-table 1024\n"


def wait_until(condition, seconds, what):
    """Polls until the condition is true and returns its value; `what` names it in the failure."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.002)
    return value


def for_anybody(program, folder):
    """A copy of the program where every user can reach it."""
    copy = shutil.copy(program, folder)
    os.chmod(copy, 0o755)
    return copy


def become(user, group):
    """What runs a command as that user, in that group alone."""
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]


class Said:
    """What a program printed, and how it ended."""

    def __init__(self, process):
        self.status, self.output, self.error = process.returncode, process.stdout, process.stderr

    @property
    def revision(self):
        """N of the last 'rN active'."""
        found = re.findall(r"^r(\d+) active", self.output, re.M)
        return int(found[-1]) if found else None

    def __repr__(self):
        return f"status {self.status}\n{self.output}{self.error}"


def run(command, script=None, **keywords):
    return Said(subprocess.run(list(map(str, command)), input=script, text=True, timeout=50,
                               capture_output=True, **keywords,
                               **({} if script is not None else {"stdin": subprocess.DEVNULL})))


class Daemon:
    def __init__(self, folder, *arguments, database=None, enter=("unshare", "--net")):
        """`enter`: what lbd is started with, to be in other namespaces."""
        self.folder = Path(folder)
        self.database = Path(database) if database else self.folder / "lb.db"
        self.socket = self.folder / "sock"
        self.log = self.folder / "log"
        self.arguments, self.enter = arguments, enter
        self.program = LBD
        self.process = None

    def command(self, *arguments):
        return [*self.enter, self.program, "--db", self.database, *arguments]

    def begin(self):
        """Starts it, and does not wait."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                list(map(str, self.command("--socket", self.socket, *self.arguments))),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def start(self):
        self.begin()
        wait_until(self._answers, 20, "lbd answers on its socket")
        return self

    def _answers(self):
        assert self.process.poll() is None, f"lbd ended at start:\n{self.log_text()}"
        return self.socket.exists() and self.lb("show version", status=None).status == 0

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def stop(self):
        """Asks it to end; it must, cleanly, and leave no socket."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        finally:
            self.process.kill()
        assert status == 0, f"lbd ended with {status}:\n{self.log_text()}"
        assert not self.socket.exists()

    def is_refused(self, seconds=20):
        """Starts it where it must refuse to: status 1. What it said."""
        said = subprocess.run(
            list(map(str, self.command("--socket", self.socket, *self.arguments))), text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
        assert said.returncode == 1, f"status {said.returncode}: {said.stdout}{said.stderr}"
        sentence = said.stderr.splitlines()[-1]
        assert re.match(r"lbd: \S", said.stderr), said.stderr
        assert "Sanitizer" not in said.stderr and "runtime error" not in said.stderr, said.stderr
        assert sentence
        return said.stderr

    def check(self):
        """`lbd --check`, for the store at rest."""
        return run(self.command("--check"))

    def checked_revision(self):
        said = self.check()
        assert said.status == 0, said
        return int(re.search(r"revision (\d+),", said.output)[1])

    def lb_command(self, *commands, options=()):
        words = [LB, "--socket", self.socket, *options]
        for command in commands:
            words += ["-c", command]
        return list(map(str, words))

    def lb(self, *commands, script=None, options=(), status=0, **keywords):
        """`lb -c COMMAND...`, or a script on its standard input; `status`: it must end so."""
        said = run(self.lb_command(*commands, options=options), script, **keywords)
        assert status in (None, said.status), said
        return said

    def show(self, *topics):
        """The lists or objects that `show TOPIC` has in JSON."""
        lines = self.lb(*(f"show {topic}" for topic in topics), options=["-j"]).output.splitlines()
        values = [json.loads(line)[topic.split()[0]] for line, topic in zip(lines, topics)]
        return values[0] if len(values) == 1 else values

    @property
    def revision(self):
        return self.show("status")["revision"]

    def config(self):
        return self.lb("show config").output
