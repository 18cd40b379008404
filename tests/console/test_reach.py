"""lb without an lbd to talk to, or with one that goes away."""
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from appliance import LB, LBD, PATIENCE, Appliance

NOBODY = 65534
GROUP = 4711   # of the test's own making


def run(*arguments, **keywords):
    done = subprocess.run([LB, *map(str, arguments)], capture_output=True, text=True,
                          timeout=PATIENCE, stdin=subprocess.DEVNULL, **keywords)
    return done.returncode, done.stderr


def test_no_socket_says_how_to_start_lbd(tmp_path):
    status, text = run("--socket", tmp_path / "none", "-c", "show status")
    assert status == 3
    assert text == (f"error: no socket {tmp_path}/none: is lbd running? Start it with `systemctl "
                    "start lbd`, or name its socket with --socket\n")


def test_a_stale_socket_says_that_nobody_listens(appliance):
    appliance.kill()
    assert appliance.socket.exists()
    status, text = run("--socket", appliance.socket, "-c", "show status")
    assert status == 3 and "it was left behind: is lbd running?" in text
    appliance.start()
    assert "version" in appliance.lb("-c", "show version")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_stranger_is_told_of_the_group(appliance):
    copy = appliance.folder / "lb"   # strangers may be kept out of the folder that it was built in
    shutil.copyfile(LB, copy)
    copy.chmod(0o755)
    status, text = run("--socket", appliance.socket, "-c", "show status", executable=copy,
                       user=NOBODY, group=NOBODY, extra_groups=[])
    assert status == 3
    assert "group lb. As root: `" in text and "usermod -aG lb nobody`" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="a group of its own takes a mount namespace")
def test_the_group_lb_may_use_the_socket(tmp_path, private_mounts):
    groups = tmp_path / "group"
    groups.write_text(Path("/etc/group").read_text() + f"lb:x:{GROUP}:\n")
    with_group = f'mount --bind {groups} /etc/group && exec "$@"'
    appliance = Appliance(("unshare", "--net", "--mount", "sh", "-c", with_group, "sh")).start()
    try:
        status = appliance.socket.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, GROUP, 0o660)
        assert run("--socket", appliance.socket, "-c", "add pool web", user=NOBODY, group=NOBODY,
                   extra_groups=[GROUP]) == (0, "")
        assert " nobody " in appliance.lb("-c", "show revisions")
        appliance.stop()
    finally:
        appliance.remove()


def test_what_is_not_a_socket_is_said_to_be_none(tmp_path):
    status, text = run("--socket", tmp_path, "-c", "show status")
    assert status == 3 and text == f"error: {tmp_path} is not a socket, so it is not lbd's\n"


def test_an_lbd_that_dies_in_mid_command_is_told(appliance):
    appliance.lb(script="add check hc tcp\nadd pool web check hc\nadd backend web 10.0.0.11:80\n")
    waiting = subprocess.Popen(appliance.command("-c", "enable backend web 10.0.0.11:80 wait"),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert waiting.stdout.readline() == "unchanged (r1).\n"
    appliance.kill()
    assert "lbd has ended the conversation" in waiting.communicate(timeout=PATIENCE)[1]
    assert waiting.returncode == 3
    appliance.start()


def test_an_lb_that_is_killed_while_it_waits_is_forgotten(appliance):
    appliance.lb(script="add check hc tcp\nadd pool web check hc\nadd backend web 10.0.0.11:80\n")
    for _ in range(70):   # more than there is room for at once
        waiting = subprocess.Popen(appliance.command("-c", "enable backend web 10.0.0.11:80 wait"),
                                   stdout=subprocess.PIPE)
        assert waiting.stdout.readline() == b"unchanged (r1).\n"
        waiting.send_signal(signal.SIGINT)
        waiting.communicate()
        assert waiting.returncode == -signal.SIGINT
    assert appliance.lb("-c", "show pool | count") == "1\n"


def test_a_second_lbd_is_refused_and_told_who_has_the_socket(appliance, tmp_path):
    done = subprocess.run(["unshare", "--net", LBD, "--db", tmp_path / "lb.db",
                           "--socket", appliance.socket],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode != 0
    assert f"(pid {appliance.process.pid})" in done.stderr
    assert appliance.lb("-c", "show pool | count") == "0\n"


def test_what_is_not_lbd_is_told_from_it(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        lb = subprocess.Popen([LB, "--socket", path, "-c", "show status"],
                              stderr=subprocess.PIPE, text=True)
        peer, _ = listener.accept()
        peer.sendall(b"220 mail.example.org ESMTP\r\n")
        text = lb.communicate(timeout=PATIENCE)[1]
        peer.close()
    assert lb.returncode == 3 and "does not answer as it should" in text


def test_no_lbd_is_harmed_by_what_strangers_send(appliance):
    for junk in (b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b"\0\0\0\1\1",
                 bytes(100000)):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(appliance.socket))
            try:
                peer.sendall(junk)
            except BrokenPipeError:
                pass
    idle = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for peer in idle:
        peer.connect(str(appliance.socket))
    assert appliance.lb("-c", "show pool | count") == "0\n"
    for peer in idle:
        peer.close()
