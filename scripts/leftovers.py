"""What a run must not leave behind: processes and network namespaces that bear its name.

A run has a name, LB_TEST_RUN in the environment of all that it starts; its namespaces are called
LB_TEST_RUN-... Behind scripts/run-tests and scripts/bench.
"""
import os
import re
import signal
import subprocess
import time
from pathlib import Path

VARIABLE = "LB_TEST_RUN"
GRACE_SECONDS = 2   # a process that was killed needs a moment to be gone


def processes_of(run_name):
    mark = f"{VARIABLE}={run_name}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                found.append((int(folder.name), command))
        except OSError:
            pass
    return found


def namespaces_of(run_name):
    folder = Path("/run/netns")
    names = [path.name for path in folder.glob("*")] if folder.exists() else []
    return sorted(name for name in names if re.match(run_name + r"\D", name))


def remove(run_name):
    """Ends the processes and deletes the namespaces; what there was, one sentence each."""
    found = []
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := processes_of(run_name)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid, command in left:
        found.append(f"left running: {pid} {command}")
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for name in namespaces_of(run_name):
        found.append(f"left network namespace {name}")
        subprocess.run(["ip", "netns", "delete", name], check=False)
    return found
