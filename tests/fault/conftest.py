"""Fixtures of the fault tests: whatever a test does to lbd, no sanitizer may have complained,
and no system call been refused."""
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from daemon import LB, LBD, Daemon
from disk import Disk


def pytest_configure(config):
    if os.geteuid() != 0:
        pytest.exit("network namespaces and packet rings need root", returncode=1)
    for program in (LBD, LB):
        if not program.exists():
            pytest.exit(f"{program} is not built. Run:  make", returncode=1)


@pytest.fixture
def folder():
    """With a short name: a socket's path has little room."""
    path = Path(tempfile.mkdtemp(prefix="lb"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_daemon(folder):
    """Makes a Daemon, not started yet; one that still runs at the end must end cleanly."""
    made = []

    def make(*arguments, **keywords):
        keywords.setdefault("folder", folder)
        made.append(Daemon(keywords.pop("folder"), *arguments, **keywords))
        return made[-1]

    yield make
    try:
        for daemon in made:
            if daemon.is_alive():
                daemon.stop()
            log = daemon.log_text()
            assert not re.search(r"Sanitizer|runtime error|not on lbd's list", log), log
    finally:
        for daemon in made:
            if daemon.is_alive():
                daemon.kill()


@pytest.fixture
def daemon(make_daemon):
    """A fresh lbd without a configuration."""
    return make_daemon().start()


@pytest.fixture
def make_disk(folder, private_mounts):
    made = []

    def make(kilobytes=500):
        made.append(Disk(folder / f"disk{len(made)}", kilobytes))
        return made[-1]

    yield make
    for disk in made:
        disk.close()
