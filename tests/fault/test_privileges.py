"""What lbd may do once it runs: next to nothing, whoever started it."""
import os
import socket
from pathlib import Path

import pytest

from daemon import LB, LBD, NOBODY, SANITIZED, SMALL, become, for_anybody, run

CAP_NET_ADMIN, CAP_NET_RAW = 12, 13
RINGS = 1 << CAP_NET_ADMIN | 1 << CAP_NET_RAW


def threads(daemon):
    """/proc/PID/task/TID/status of each thread, as dicts, by the thread's name. A sanitizer may
    have a thread of its own, with the name of the first."""
    found = {}
    for task in sorted(Path(f"/proc/{daemon.pid}/task").iterdir(), key=lambda task: int(task.name)):
        lines = (task / "status").read_text().splitlines()
        status = dict(map(str.strip, line.split(":", 1)) for line in lines)
        found.setdefault(status["Name"], status)
    return found


def capabilities(status, kind):
    return int(status[f"Cap{kind}"], 16)


def test_rings_are_all_that_control_could_open_and_the_path_nothing(daemon):
    found = threads(daemon)
    assert {"lbd", "lbd-path"} <= set(found)
    assert capabilities(found["lbd"], "Prm") == RINGS
    assert capabilities(found["lbd-path"], "Prm") == 0
    for status in found.values():
        for kind in ("Eff", "Inh", "Amb"):
            assert capabilities(status, kind) == 0, status
        assert status["NoNewPrivs"] == "1"


@pytest.mark.skipif(SANITIZED, reason="builds with a sanitizer are not confined")
def test_every_thread_is_confined(daemon):
    for name, status in threads(daemon).items():
        assert status["Seccomp"] == "2", name


@pytest.mark.skipif(SANITIZED, reason="sanitizers lock no memory")
def test_the_packet_paths_memory_is_locked(daemon):
    assert int(threads(daemon)["lbd"]["VmLck"].split()[0]) > 1024


def test_another_user_owns_what_is_made(make_daemon, folder):
    daemon = make_daemon("--user", "nobody", database=folder / "new" / "lb.db")
    daemon.socket = folder / "run" / "sock"
    daemon.start()
    daemon.lb(script=SMALL + "add pool web\n")
    for status in threads(daemon).values():
        assert status["Uid"].split() == [str(NOBODY)] * 4
        assert status["Gid"].split() == [str(NOBODY)] * 4
        assert str(os.getgid()) not in status["Groups"].split()
    assert capabilities(threads(daemon)["lbd"], "Prm") == RINGS
    for made in (folder / "new", *(folder / "new").iterdir(), folder / "run", daemon.socket):
        assert (made.stat().st_uid, made.stat().st_gid) == (NOBODY, NOBODY), made
    daemon.kill()
    assert "add pool web" in daemon.start().config()
    daemon.stop()
    # The same store, looked at by root in between.
    assert daemon.checked_revision() == 1
    assert "add pool web" in daemon.start().config()


def test_a_user_who_is_not_there(make_daemon):
    assert 'no user "nosuchuser"' in make_daemon("--user", "nosuchuser").is_refused()


@pytest.fixture
def group_lb(folder, private_mounts):
    """A mount namespace where there is a group lb, 61234."""
    group = folder / "group"
    group.write_text(Path("/etc/group").read_text() + "lb:x:61234:\n")
    return ("unshare", "--net", "--mount", "sh", "-ec",
            f"mount --bind {group} /etc/group; exec \"$@\"", "sh")


@pytest.mark.parametrize("user", [[], ["--user", "nobody"]])
def test_the_socket_belongs_to_its_group(make_daemon, folder, group_lb, user):
    daemon = make_daemon(*user, database=folder / "new" / "lb.db", enter=group_lb)
    daemon.socket = folder / "run" / "sock"
    daemon.start()
    status = daemon.socket.stat()
    assert (status.st_gid, status.st_mode & 0o777) == (61234, 0o660)
    member = run([*become(65533, 61234), for_anybody(LB, folder), "--socket", daemon.socket,
                  "-c", "show version"])
    assert member.status == 0, member


def test_without_its_group_the_socket_is_its_owners(daemon):
    status = daemon.socket.stat()
    assert (status.st_uid, status.st_gid) == (os.getuid(), os.getgid())
    assert status.st_mode & 0o777 == 0o660


def test_an_ordinary_user_can_run_it_without_rings(make_daemon, folder):
    """What needs privilege is told; the rest works."""
    own = folder / "own"
    own.mkdir()
    os.chown(own, NOBODY, NOBODY)
    daemon = make_daemon(database=own / "lb.db",
                         enter=("unshare", "--net", *become(NOBODY, NOBODY)))
    daemon.program = for_anybody(LBD, folder)
    daemon.socket = own / "sock"
    daemon.start()
    daemon.lb("add interface lo role both address 10.0.0.1/24", "add pool web")
    assert capabilities(threads(daemon)["lbd"], "Prm") == 0
    daemon.stop()
    assert daemon.start().revision == 2


def test_the_service_manager_is_told(make_daemon, folder):
    """As systemd listens, from within the confinement."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(10)
        daemon = make_daemon(enter=("env", f"NOTIFY_SOCKET={folder}/notify", "unshare", "--net"))
        daemon.start()
        assert manager.recv(100) == b"READY=1"
        daemon.stop()
        assert manager.recv(100) == b"STOPPING=1"
