"""The power goes, or the disk fails, under a real lbd on a real file system. tests/unit/
test_store_power.c has every step and the disks that are worse than this one."""
import random
import subprocess
import threading
import time

import pytest

from daemon import SMALL, run
from disk import PowerDisk
from test_kill import Changes, State, survivor

CUTS = 30


@pytest.fixture
def disk(folder, private_mounts):
    try:
        disk = PowerDisk(folder / "disk")
    except OSError as error:   # no loop devices here, say
        pytest.skip(str(error))
    yield disk
    disk.close()


@pytest.fixture
def on_disk(make_daemon, disk):
    return make_daemon(database=disk.folder / "db" / "lb.db", enter=disk.enter)


def run_and_cut(daemon, disk, change, delay):
    """Runs lb with the change; `delay` seconds later there is no power for the disk."""
    lb = subprocess.Popen(daemon.lb_command(*change.commands), text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    cutter = threading.Timer(delay, disk.cut_power)
    begin = time.monotonic()
    cutter.start()
    output, error = lb.communicate(change.script or "", timeout=50)
    seconds = time.monotonic() - begin
    cutter.join()
    return lb.returncode, output, error, seconds


@pytest.mark.timeout(170)
def test_what_was_acknowledged_is_there_after_a_power_cut(on_disk, disk, folder):
    daemon = on_disk.start()
    daemon.lb(script=State(0, {}).script())
    chance = random.Random(3)
    changes = Changes(3, folder)
    state = State.of(daemon)
    acknowledged_cuts = lost = 0
    duration = 0.02
    for _ in range(CUTS):
        change = changes.next(state)
        after = State(state.revision + 1, change.weights)
        status, output, error, seconds = run_and_cut(daemon, disk, change,
                                                     chance.uniform(0, 1.2 * duration))
        acknowledged = status == 0
        if acknowledged:
            assert f"r{after.revision} active" in output
            duration = 0.8 * duration + 0.2 * seconds
        else:
            assert status == 1 and "lb.db" in error, f"{status}: {output}{error}"
        # Without a disk lbd goes on with what it has told.
        assert State.of(daemon) == (after if acknowledged else state)
        daemon.kill()
        disk.come_back()
        daemon.start()
        found = survivor(daemon, state, after, acknowledged)
        assert acknowledged or found == state or "at the next start" in error, error
        acknowledged_cuts += acknowledged
        lost += found == state
        state = found
    daemon.stop()
    assert daemon.checked_revision() == state.revision
    print(f"{CUTS} cuts: {acknowledged_cuts} when it was acknowledged, {lost} before the commit")
    assert acknowledged_cuts and lost


def test_the_first_commit_survives_a_power_cut_with_the_directory_that_lbd_made(on_disk, disk):
    daemon = on_disk.start()
    daemon.lb(script=SMALL + "add pool web\n")
    disk.cut_power()
    daemon.kill()
    disk.come_back()
    assert daemon.start().revision == 1
    assert "add pool web" in daemon.config()


def test_a_disk_that_fails_is_told_and_costs_nothing(on_disk, disk, folder):
    daemon = on_disk.start()
    lookup = "lookup 198.51.100.7:1000 203.0.113.10:80/tcp"
    daemon.lb(script=SMALL + "add pool web\nadd backend web 10.0.0.1:80\n"
                             "add service web 203.0.113.10:80/tcp pool web\n")
    before = daemon.config(), daemon.lb(lookup).output, daemon.revision
    disk.fail()
    for change in ("del service web", "add pool more"):
        said = daemon.lb(change, status=1)
        assert "Read-only file system" in said.error or "Input/output error" in said.error, said
        assert "lb.db" in said.error, said
        assert (daemon.config(), daemon.lb(lookup).output, daemon.revision) == before
    # What is in force can still be saved, to another disk.
    daemon.lb(f"backup {folder}/copy.db")
    daemon.kill()
    disk.come_back()
    assert daemon.start().config() == before[0]
    assert daemon.lb("add pool more").revision == before[2] + 1
    daemon.stop()
    copy = run([daemon.program, "--check", "--db", folder / "copy.db"])
    assert copy.status == 0 and f"revision {before[2]}," in copy.output, copy
