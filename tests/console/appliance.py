"""A real lbd in a network namespace of its own, without any interface, and lb to talk to it."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("LB_BUILD", "build")).resolve()
LB, LBD = BUILD / "lb", BUILD / "lbd"
PATIENCE = 10   # seconds that anything may take


def wait_for(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience} s in vain: {what}"
        time.sleep(0.01)


class Appliance:
    def __init__(self, around=("unshare", "--net")):
        """`around`: the command in front of lbd, which it becomes."""
        self.around = around
        self.folder = Path(tempfile.mkdtemp(prefix="lb"))   # short: a socket's path has little room
        self.folder.chmod(0o755)
        self.socket = self.folder / "sock"
        self.process = None

    def start(self):
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [*self.around, LBD, "--db", self.folder / "lb.db", "--socket", self.socket],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(lambda: self.answers() or self.process.poll() is not None, "lbd's socket")
        assert self.process.poll() is None, self.log_text()
        return self

    def answers(self):
        with socket.socket(socket.AF_UNIX) as peer:
            return peer.connect_ex(str(self.socket)) == 0

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it in an orderly way; whatever a sanitizer found is an error."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(PATIENCE) == 0, self.log_text()
        if self.process:
            self.log.close()
        complaint = re.search(r"Sanitizer|runtime error|not on lbd's list", self.log_text())
        assert not complaint, self.log_text()

    def remove(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *arguments):
        return [str(LB), "--socket", str(self.socket), *map(str, arguments)]

    def lb(self, *arguments, script="", status=0):
        """Runs lb to its end; what it printed, if it ended as it should."""
        binary = isinstance(script, bytes)
        done = subprocess.run(self.command(*arguments), input=script if binary else script.encode(),
                              capture_output=True, timeout=60)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == status, f"exit {done.returncode}, not {status}: {out}{err}"
        return out if status in (0, 5) else err
