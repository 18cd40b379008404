"""A commit whose world changes under it: an interface that is gone, consoles that die half way."""
import subprocess

import pytest

from daemon import SMALL, wait_until

CONFIG = SMALL + """\
add interface ext role frontend address 198.51.100.1/24
add interface int role backend address 10.0.0.1/24
add pool web
add backend web 10.0.0.11:80
add service web 203.0.113.10:80/tcp pool web
"""
LOOKUP = "lookup 198.51.100.7:1000 203.0.113.10:80/tcp"


def inside(daemon, *command):
    """Runs a command in the daemon's network namespace."""
    subprocess.run(["nsenter", f"--net=/proc/{daemon.pid}/ns/net", *command], check=True)


@pytest.fixture
def linked(daemon):
    """An lbd with two interfaces that are up; the namespace and all in it go with it."""
    for name in ("ext", "int"):
        inside(daemon, "ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}0")
        inside(daemon, "ip", "link", "set", name, "up")
        inside(daemon, "ip", "link", "set", f"{name}0", "up")
    daemon.lb(script=CONFIG)
    wait_until(lambda: states(daemon) == {"ext": "up", "int": "up"}, 10, "both interfaces are up")
    return daemon


def states(daemon):
    return {row["name"]: row["state"] for row in daemon.show("interface")}


def test_an_interface_that_is_gone_is_told_and_stops_no_commit(linked):
    inside(linked, "ip", "link", "delete", "int")
    wait_until(lambda: states(linked)["int"] == "missing", 10, "int is missed")
    assert "DROP interface_down" in linked.lb(LOOKUP).output
    said = linked.lb("configure", "set interface int address 10.0.0.2/24",
                     "add backend web 10.0.0.12:80", "commit check", "commit")
    assert said.revision == 2
    assert "interface int: missing" in linked.lb("show events").output
    assert states(linked) == {"ext": "up", "int": "missing"}
    # It is there when the interface is.
    inside(linked, "ip", "link", "add", "int", "type", "veth", "peer", "name", "int1")
    inside(linked, "ip", "link", "set", "int", "up")
    inside(linked, "ip", "link", "set", "int1", "up")
    wait_until(lambda: states(linked)["int"] == "up", 10, "int is back")
    assert "out ext -> int, next hop 10.0.0.1" in linked.lb(LOOKUP).output


def test_an_interface_that_goes_while_its_commit_is_under_way(linked):
    """Whichever comes first: the commit stands, and the path has what is there."""
    for round in range(10):
        script = f"set interface int address 10.0.0.{round + 101}/24\nset pool web affinity " + (
            "source-ip\n" if round % 2 else "5-tuple\n")
        lb = subprocess.Popen(linked.lb_command(), stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lb.stdin.write(script)
        lb.stdin.flush()
        change = subprocess.Popen(["nsenter", f"--net=/proc/{linked.pid}/ns/net", "ip", "link",
                                   *(("set", "int", "down") if round % 2 else
                                     ("set", "int", "up"))])
        output, error = lb.communicate(timeout=20)
        change.wait(10)
        assert lb.returncode == 0, error
        assert f"r{round + 2} active." in output
        expected = "down" if round % 2 else "up"
        wait_until(lambda: states(linked)["int"] == expected, 10, f"int is {expected}")
    linked.kill()
    before = linked.checked_revision()
    assert before == 11
    assert linked.start().revision == 11


def test_a_console_that_dies_with_a_candidate_loses_only_that(daemon):
    daemon.lb(script=CONFIG)
    before = daemon.config()
    lb = subprocess.Popen(daemon.lb_command("configure", "del service web",
                                            "drain backend web 10.0.0.11:80"),
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    wait_until(lambda: daemon.revision == 2, 10, "the drain is in force")
    lb.kill()
    lb.wait(10)
    assert daemon.config() == before.replace("10.0.0.11:80", "10.0.0.11:80 admin drain")
    assert daemon.lb("configure", "del service web", "commit").revision == 3
