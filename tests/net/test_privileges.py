"""lbd as another user, without a privilege in effect and confined to its system calls, still opens
rings when interfaces come and change."""
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from lab import BACKENDS, VIP, WEB, wait_until


@pytest.fixture
def open_folder():
    """One that every user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="lb"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def unprivileged(open_folder, make_appliance):
    """An lbd that runs as nobody, with its files in a folder that it makes itself."""
    appliance = make_appliance("--user", "nobody")
    appliance.database = open_folder / "own" / "lb.db"
    appliance.socket = open_folder / "own" / "sock"
    return appliance.start()


def effective_capabilities(appliance):
    tasks = Path(f"/proc/{appliance.process.pid}/task").iterdir()
    return [int(line.split()[1], 16) for task in tasks
            for line in (task / "status").read_text().splitlines() if line.startswith("CapEff")]


def wait_for_service(lab):
    def request():
        curl = lab.run("client", "curl", "-s", "--max-time", "2", f"http://{VIP}/", check=False)
        return curl.returncode == 0 and curl.stdout.strip() in BACKENDS

    wait_until(request, 15, "a request through the VIP succeeds")


def test_rings_are_opened_and_opened_again(unprivileged, lab, web):
    lab.link("appliance", "set", "ext", "down", "name", "away")
    try:
        unprivileged.configure(WEB)
        assert unprivileged.interface("ext")["state"] == "missing"
        lab.link("appliance", "set", "away", "name", "ext", "up")
        wait_for_service(lab)
        lab.link("appliance", "set", "ext", "mtu", "9000")
        wait_until(lambda: unprivileged.interface("ext")["mtu"] == 9000, 5, "lbd sees the MTU")
        wait_for_service(lab)
        unprivileged.lb('set interface ext filter "not port 22"')
        wait_for_service(lab)
    finally:
        lab.run("appliance", "ip", "link", "set", "away", "name", "ext", check=False)
        lab.link("appliance", "set", "ext", "mtu", "1500", "up")
    assert effective_capabilities(unprivileged) == [0, 0]
    assert os.stat(unprivileged.database).st_uid != 0
    assert "cannot" not in unprivileged.log_text()
