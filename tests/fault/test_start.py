"""lbd started on what it cannot use: a sentence with the way out, status 1, nothing destroyed."""
import os
import random
import re
import shutil
import socket
import sqlite3
import subprocess

import pytest

from daemon import NOBODY, SMALL, run

CONFIG = SMALL + "add pool web\n" + "".join(
    f"add backend web 10.0.{i >> 6}.{i & 63}:80 weight {i}\n" for i in range(200))


@pytest.fixture
def stopped(make_daemon):
    """An lbd at rest, with a configuration of three revisions in its store."""
    daemon = make_daemon().start()
    daemon.lb(script=CONFIG)
    daemon.lb("set backend web 10.0.0.7:80 weight 1000", "add pool api")
    daemon.expected = daemon.config()
    daemon.stop()
    return daemon


def refuse(daemon, *words):
    """It must not start, must say all the words, and leave the store as it is. What it said."""
    before = daemon.database.read_bytes() if daemon.database.is_file() else None
    said = daemon.is_refused()
    for word in words:
        assert word in said, said
    if before is not None:
        assert daemon.database.read_bytes() == before
    assert not daemon.socket.exists()
    return said


def follow_the_way_out(said):
    """What the sentence says, typed into a shell."""
    command = re.search(r"^  (mv .*)$", said, re.M)[1]
    subprocess.run(["sh", "-ec", command], check=True)


@pytest.mark.parametrize("size", [0, 1, 50, 100, 4096, 10000])
def test_a_truncated_store(stopped, size):
    os.truncate(stopped.database, size)
    follow_the_way_out(refuse(stopped, "is damaged", f"{stopped.database}.backup"))
    # The copy that the last start left: there was nothing yet.
    assert stopped.start().revision == 0
    assert stopped.database.with_name("lb.db.damaged").stat().st_size == size


def test_a_damaged_store_comes_back_from_its_backup(stopped):
    stopped.start().stop()
    with open(stopped.database, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    follow_the_way_out(refuse(stopped, "is damaged"))
    assert stopped.start().config() == stopped.expected
    assert stopped.revision == 3


def test_flipped_bytes_are_found_or_mean_nothing(stopped, folder):
    """Wherever a byte is flipped: a refusal, or the configuration as it was."""
    chance = random.Random(1)
    good = stopped.database.read_bytes()
    found = 0
    for _ in range(60):
        damaged = bytearray(good)
        position = chance.randrange(len(good))
        damaged[position] ^= chance.randrange(1, 256)
        stopped.database.write_bytes(damaged)
        said = stopped.check()
        if said.status == 0:
            assert "revision 3," in said.output and "200 backend" in said.output, position
        else:
            assert said.status == 1, said
            assert re.search(r"is damaged|not one of lbd|newer", said.error), said
            assert stopped.database.read_bytes() == damaged
            found += 1
    assert found > 20
    stopped.database.write_bytes(good)
    assert stopped.start().config() == stopped.expected


def test_a_newer_schema(stopped):
    with sqlite3.connect(stopped.database) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    refuse(stopped, "was written by a newer lbd", "version 999", "--db")


def test_a_file_of_somebody_else(stopped):
    shutil.copy("/etc/services", stopped.database)
    refuse(stopped, "does not begin as a database does")
    os.unlink(stopped.database)
    with sqlite3.connect(stopped.database) as database:
        database.execute("CREATE TABLE accounts (number INTEGER)")
    database.close()
    refuse(stopped, "is a database, but not one of lbd", "--db")


def test_a_directory(make_daemon, folder):
    daemon = make_daemon(database=folder / "place")
    daemon.database.mkdir()
    (daemon.database / "precious").write_text("data")
    refuse(daemon, "is not a regular file", "--db")
    assert (daemon.database / "precious").read_text() == "data"


def test_a_place_that_is_not_there(make_daemon, folder):
    refuse(make_daemon(database=folder / "a" / "b" / "lb.db"), "cannot make the directory")
    assert not (folder / "a").exists()


def test_a_store_that_only_its_owner_may_read(stopped):
    """Root passes over permissions elsewhere; lbd has let go of that."""
    os.chown(stopped.database, NOBODY, NOBODY)
    stopped.database.chmod(0o600)
    refuse(stopped, "Permission denied", "must belong to the user that lbd runs as")
    stopped.database.chmod(0o644)
    refuse(stopped, "cannot be written", "must belong to the user that lbd runs as")


def test_a_directory_that_cannot_be_written(make_daemon, folder):
    closed = folder / "closed"
    closed.mkdir()
    refuse(make_daemon("--user", "nobody", database=closed / "lb.db"), "Permission denied",
           "must belong to the user that lbd runs as")
    assert not list(closed.iterdir())


def test_a_read_only_disk(make_daemon, make_disk):
    disk = make_disk()
    daemon = make_daemon(database=disk.folder / "lb.db", enter=disk.enter).start()
    daemon.lb(script=CONFIG)
    daemon.stop()
    before = disk.files()
    disk.make_read_only()
    refuse(daemon, "Read-only file system", "--db")
    assert disk.files() == before


def test_a_full_disk(make_daemon, make_disk):
    disk = make_disk()
    disk.fill()
    daemon = make_daemon(database=disk.folder / "lb.db", enter=disk.enter)
    refuse(daemon, "No space left on device", "Make room")
    disk.make_room()
    assert daemon.start().revision == 0


def test_what_is_configured_starts_on_a_full_disk(make_daemon, make_disk):
    """Reading needs no room: a reboot with a full disk must not end the service."""
    disk = make_disk()
    daemon = make_daemon(database=disk.folder / "lb.db", enter=disk.enter).start()
    daemon.lb(script=CONFIG)
    expected = daemon.config()
    daemon.kill()
    disk.fill()
    assert daemon.start().config() == expected
    daemon.stop()
    assert daemon.start().config() == expected
    assert "no copy of it was kept" in daemon.log_text()


def test_a_commit_on_a_full_disk_changes_nothing_and_works_again_with_room(make_daemon, make_disk):
    disk = make_disk()
    daemon = make_daemon(database=disk.folder / "lb.db", enter=disk.enter).start()
    lookup = "lookup 198.51.100.7:1000 203.0.113.10:80/tcp"
    daemon.lb(script=CONFIG + "add service web 203.0.113.10:80/tcp pool web\n")
    before = daemon.config(), daemon.lb(lookup).output, daemon.revision
    disk.fill()
    for change in ("del service web", "add pool more", "set backend web 10.0.0.7:80 weight 3"):
        said = daemon.lb(change, status=1)
        assert "the disk is full" in said.error and "Make room" in said.error
        assert (daemon.config(), daemon.lb(lookup).output, daemon.revision) == before
    big = "".join(f"add backend web 10.7.{i >> 8}.{i & 255}:80\n" for i in range(20000))
    disk.make_room()
    said = daemon.lb(script=big, status=1)
    assert "the disk is full" in said.error
    assert (daemon.config(), daemon.lb(lookup).output, daemon.revision) == before
    assert daemon.lb("add pool more").revision == before[2] + 1
    expected = daemon.config()
    daemon.kill()
    assert daemon.start().config() == expected


def test_a_second_lbd_on_the_same_store_names_the_first(daemon, make_daemon, folder):
    second = make_daemon(database=daemon.database)
    second.socket = folder / "other"
    refuse(second, "is in use by another lbd", f"pid {daemon.pid}")
    said = daemon.check()
    assert said.status == 1 and f"pid {daemon.pid}" in said.error
    assert daemon.lb("show version").status == 0


def test_a_second_lbd_on_the_same_socket_names_the_first(daemon, make_daemon, folder):
    second = make_daemon(database=folder / "other.db")
    said = second.is_refused()
    assert "another lbd" in said and f"pid {daemon.pid}" in said and "--socket" in said
    assert daemon.lb("show version").status == 0


@pytest.mark.parametrize("option, value, word", [
    ("--metrics", "nonsense", "127.0.0.1:9100"), ("--metrics", "127.0.0.1:0", "127.0.0.1:9100"),
    ("--cpu", "99999", "CPUs 0 to"), ("--frobnicate", "x", "lbd --help")])
def test_a_wrong_option_is_wrong_usage_before_a_store_is_made(make_daemon, option, value, word):
    daemon = make_daemon()
    said = run(daemon.command("--socket", daemon.socket, option, value))
    assert said.status == 2 and word in said.error
    assert not daemon.database.exists() and not daemon.socket.exists()


def test_a_socket_that_was_left_behind_is_replaced(daemon):
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()
    daemon.lb("add pool web")


def test_what_is_no_socket_is_not_replaced(make_daemon, folder):
    daemon = make_daemon()
    daemon.socket.write_text("precious")
    assert "is not a socket" in daemon.is_refused()
    assert daemon.socket.read_text() == "precious"


def test_the_socket_of_another_is_not_removed(daemon, folder):
    """Somebody has removed the file, another lbd has put its own there: it stays."""
    daemon.socket.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(daemon.socket))
        daemon.process.terminate()
        assert daemon.process.wait(10) == 0
        assert daemon.socket.exists()


def test_check_makes_no_store(make_daemon, folder):
    daemon = make_daemon(database=folder / "nowhere" / "lb.db")
    said = daemon.check()
    assert said.status == 1 and "there is no store" in said.error
    assert not (folder / "nowhere").exists()
