"""Consoles in adversity: no lbd, no right to it, too many of them, and some that do not behave."""
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

import raw
from daemon import (LB, NOBODY, SANITIZED, SMALL, Daemon, become, for_anybody, run,
                    wait_until)


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def resident_kilobytes(daemon):
    for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def is_prompt(daemon):
    """Another console is served as if nothing were."""
    begin = time.monotonic()
    assert daemon.lb("show version").status == 0
    return time.monotonic() - begin < 5


def unreachable(said, *words):
    assert said.status == 3, said
    assert said.error.startswith("error: "), said
    for word in words:
        assert word in said.error, said


def as_nobody(folder):
    """What runs lb as nobody."""
    return [*become(NOBODY, NOBODY), for_anybody(LB, folder)]


def test_no_lbd(folder):
    said = run([LB, "--socket", folder / "sock", "-c", "show version"])
    unreachable(said, "no socket", "is lbd running?", "--socket")
    said = run([LB, "--socket", folder / "none" / "sock"], script="add pool web\n")
    unreachable(said, "no socket")


def test_a_socket_that_was_left_behind(daemon):
    daemon.kill()
    unreachable(daemon.lb("show version", status=3), "nobody listens", "was left behind")


def test_a_file_that_is_no_socket(folder):
    (folder / "sock").write_text("")
    unreachable(run([LB, "--socket", folder / "sock", "-c", "show version"]), "is not a socket")


def test_no_right_to_the_socket(daemon, folder):
    said = run([*as_nobody(folder), "--socket", daemon.socket, "-c", "show version"])
    unreachable(said, "is not for you", "group lb", "usermod -aG lb nobody")


def test_the_user_who_made_a_change_is_in_its_revision(daemon, folder):
    os.chmod(daemon.socket, 0o666)
    said = run([*as_nobody(folder), "--socket", daemon.socket, "-c", "add pool web"])
    assert said.status == 0, said
    assert daemon.show("revisions")[0]["user"] == "nobody"


@pytest.fixture(scope="module", autouse=True)
def stopped_lbd():
    """Consoles that try to reach an lbd that is stopped, since this module began: they give it up
    while the other tests run. More of them than its queue has room for."""
    folder = Path(tempfile.mkdtemp(prefix="lb"))
    daemon = Daemon(folder).start()
    os.kill(daemon.pid, signal.SIGSTOP)
    consoles = [subprocess.Popen(daemon.lb_command("show version"), text=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE) for _ in range(30)]
    yield consoles
    for console in consoles:
        console.kill()
        console.communicate()
    daemon.kill()
    shutil.rmtree(folder, ignore_errors=True)


DYNAMIC = 64000
SERVICE = "io.systemd.DynamicUser"
RECORD = json.dumps({"parameters": {"incomplete": False, "record": {
    "userName": "dynamo", "uid": DYNAMIC, "gid": DYNAMIC, "service": SERVICE}}}).encode() + b"\0"


@pytest.fixture
def user_service(folder):
    """What systemd does for users that are in no file: a service on a socket, which knows one user.
    Gives what lbd is started with to find it in its place."""
    directory = folder / "userdb"
    directory.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / SERVICE))
    listener.listen()

    def serve():
        with contextlib.suppress(OSError):   # until it is closed
            while True:
                asker, _ = listener.accept()
                with asker:
                    if str(DYNAMIC).encode() in asker.recv(4096):
                        asker.sendall(RECORD)
                        asker.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    mount = ("mount -t tmpfs none /run; mkdir -p /run/systemd/userdb; "
             f"mount --bind {directory} /run/systemd/userdb; exec \"$@\"")
    yield ("unshare", "--net", "--mount", "sh", "-ec", mount, "sh")
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.skipif(not list(Path("/usr/lib").glob("*/libnss_systemd.so.2")),
                    reason="no libnss-systemd here")
def test_a_user_whom_a_service_knows_is_named_too(make_daemon, folder, user_service):
    daemon = make_daemon(enter=user_service).start()
    os.chmod(daemon.socket, 0o666)
    said = run([*become(DYNAMIC, DYNAMIC), for_anybody(LB, folder), "--socket", daemon.socket,
                "-c", "add pool web"])
    assert said.status == 0, said
    assert daemon.show("revisions")[0]["user"] == "dynamo"


def test_hundreds_of_consoles_at_once(daemon):
    """Each is served; none is lost or half served."""
    daemon.lb(script=SMALL + "add pool web\n")
    commands = [daemon.lb_command(f"add backend web 10.0.0.{n}:80") for n in range(200)]
    consoles = [subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for command in commands]
    said = [console.communicate(timeout=50) + (console.returncode,) for console in consoles]
    for output, error, status in said:
        assert status == 0 and " active." in output, f"{status}: {output}{error}"
    assert len(daemon.show("backend")) == 200 and daemon.revision == 201


def test_too_many_consoles_are_told_so_and_the_next_is_served_again(daemon):
    before = descriptors(daemon)
    idle = [raw.Raw(daemon.socket) for _ in range(400)]
    said = daemon.lb("show version", status=3)
    unreachable(said, "too many consoles are open")
    for connection in idle:
        connection.close()
    wait_until(lambda: descriptors(daemon) <= before, 10, "lbd has closed them all")
    assert is_prompt(daemon)


def test_consoles_that_go_at_once(daemon):
    before = descriptors(daemon)
    for _ in range(300):
        with raw.Raw(daemon.socket) as connection:
            connection.send(raw.hello(), raw.run("show config"))
    wait_until(lambda: descriptors(daemon) <= before, 10, "lbd has closed them all")
    assert is_prompt(daemon)


def test_a_console_that_does_not_read(daemon):
    """What it asked for waits in lbd, once; the others notice nothing."""
    daemon.lb(script=SMALL + "add pool web\n" +
              "".join(f"add backend web 10.0.{n >> 8}.{n & 255}:80\n" for n in range(10000)))
    before = resident_kilobytes(daemon)
    with raw.Raw(daemon.socket, timeout=0.5) as deaf:
        deaf.send(raw.hello(interactive=True))
        try:
            for _ in range(10000):
                deaf.send(raw.run("show config"))
        except TimeoutError:
            pass
        assert is_prompt(daemon)
        for n in range(20):
            daemon.lb(f"set backend web 10.0.0.1:80 weight {n + 2}")
        grown = resident_kilobytes(daemon) - before
        assert grown < 40000 or SANITIZED, f"grew by {grown} kB"   # they keep what is freed


def test_a_stopped_console_does_not_hold_up_another(daemon):
    daemon.lb(script=SMALL + "add pool web\n" +
              "".join(f"add backend web 10.0.{n >> 8}.{n & 255}:80\n" for n in range(10000)))
    stopped = subprocess.Popen(daemon.lb_command("show config"), stdout=subprocess.PIPE)
    assert is_prompt(daemon)    # its pipe is full by now: nobody reads it
    daemon.lb("add pool api")
    assert len(stopped.communicate()[0].splitlines()) >= 10001


def test_garbage(daemon):
    """Whoever does not speak the protocol is cut off."""
    chance = random.Random(3)
    before = descriptors(daemon)
    good = raw.hello() + raw.run("show version")
    pieces = [
        b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5, b"\xff" * 100, raw.frame(2, b""),
        raw.hello()[:4] + b"\x63" + raw.hello()[5:], raw.hello() * 2, raw.hello() + raw.frame(200),
        raw.frame(raw.HELLO, b""), raw.hello() + raw.frame(raw.RUN, b"\xff" * 40),
        raw.hello() + raw.frame(raw.RUN, b"\0\0\0\x7f\xff\xff\xff\xff"),
        raw.frame(raw.HELLO, b"\0\0\0\x63\0"),
    ]
    for _ in range(300):
        damaged = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        pieces.append(bytes(damaged))
    pieces += [chance.randbytes(chance.randrange(1, 2000)) for _ in range(100)]
    for piece in pieces:
        with raw.Raw(daemon.socket) as connection:
            try:
                connection.send(piece)
                connection.socket.shutdown(raw.socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            connection.read_to_end()
    wait_until(lambda: descriptors(daemon) <= before, 10, "lbd has closed them all")
    assert is_prompt(daemon)
    assert daemon.config() == ""


def test_half_frames(daemon):
    """Cut at every length; also those that wait for the rest hold nobody up."""
    whole = raw.hello() + raw.run("add pool web")
    before = descriptors(daemon)
    waiting = []
    for length in range(len(whole)):
        waiting.append(raw.Raw(daemon.socket))
        waiting[-1].send(whole[:length])
    assert is_prompt(daemon)
    assert daemon.config() == ""
    for connection in waiting[::2]:
        connection.close()
    for length, connection in list(enumerate(waiting))[1::2]:
        connection.send(whole[length:])
        connection.socket.shutdown(raw.socket.SHUT_WR)
        assert b"r1" in connection.read_to_end()    # active, or unchanged
        connection.close()
    wait_until(lambda: descriptors(daemon) <= before, 10, "lbd has closed them all")
    assert daemon.config() == "add pool web\n"


def test_a_frame_that_promises_more_than_is_allowed(daemon):
    with raw.Raw(daemon.socket) as connection:
        connection.send(raw.hello(), b"\x7f\xff\xff\xff\x02")
        connection.read_to_end()
    assert is_prompt(daemon)


def test_an_lbd_that_is_stopped_is_given_up_on(stopped_lbd):
    for console in stopped_lbd:
        _, error = console.communicate(timeout=50)
        assert console.returncode == 3
        assert "has not answered for" in error
