"""How the packet path waits while there is nothing to do: set global wait {adaptive|busy|sleep}."""
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from lab import BUILD, INTERFACES, VIP, UdpEcho, wait_until

ECHO = INTERFACES + f"""\
add pool echo
add backend echo 10.0.0.11:7
add service echo {VIP}:7/udp pool echo
"""
MODES = ("adaptive", "busy", "sleep")


@pytest.fixture
def echo(lab):
    server = UdpEcho(lab, "b1", 7)
    yield server
    server.close()


@pytest.fixture
def datagrams(lab):
    with lab.socket("client", socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((VIP, 7))
        yield sock


def ask(datagrams, text):
    datagrams.send(text.encode())
    assert datagrams.recv(100).decode() == f"b1 {text}"


def late(datagrams):
    """A datagram that still comes, or None."""
    datagrams.settimeout(0.2)
    try:
        return datagrams.recv(100)
    except TimeoutError:
        return None
    finally:
        datagrams.settimeout(5)


def path(appliance):
    return appliance.show("stats")["path"]


def test_busy_never_sleeps(appliance):
    appliance.configure(INTERFACES + "set global wait busy\n")
    before = path(appliance)
    wait_until(lambda: path(appliance)["turns"] > before["turns"] + 100000, 20, "it looks on")
    assert path(appliance)["sleeps"] == before["sleeps"]


@pytest.mark.parametrize("wait, turns", [("adaptive", 100), ("sleep", 20)])
def test_others_sleep_when_there_is_nothing(appliance, wait, turns):
    """A sleep is ended by what asks for these counters, and costs so many turns at most."""
    appliance.configure(INTERFACES + f"set global wait {wait}\n")
    before = path(appliance)
    wait_until(lambda: path(appliance)["sleeps"] > before["sleeps"] + 30, 20, "it sleeps")
    after = path(appliance)
    assert after["turns"] - before["turns"] < turns * (after["sleeps"] - before["sleeps"])


@pytest.mark.parametrize("wait", MODES)
def test_a_packet_after_silence_is_answered(appliance, echo, datagrams, wait):
    appliance.configure(ECHO + f"set global wait {wait}\n")
    for number in range(30):
        ask(datagrams, str(number))
        assert path(appliance)["turns"]   # and the console, whatever it waits by


def test_a_change_loses_no_packet(appliance, echo, datagrams):
    appliance.configure(ECHO)
    ask(datagrams, "first")   # from now on the neighbors are known
    for turn in range(30):
        wait = MODES[turn % len(MODES)]
        numbers = {str(turn * 100 + i) for i in range(100)}
        with subprocess.Popen([BUILD / "lb", "--socket", appliance.socket, "-c",
                               f"set global wait {wait}"], stdout=subprocess.DEVNULL) as change:
            for number in numbers:
                datagrams.send(number.encode())
            assert {datagrams.recv(100).decode()[3:] for _ in numbers} == numbers
            assert change.wait(10) == 0
    assert appliance.show("stats")["total"]["ring_lost"] == 0
    assert appliance.show("status")["wait"] == wait


def test_without_the_cpu_for_a_while_it_loses_no_packet(appliance, echo, datagrams):
    """A ring holds what 32 blocks hold, and a block stays open for 8 ms at least: that is 256 ms of a
    modest rate. The packets are further apart than the single millisecond of a ring without wake-up."""
    appliance.configure(ECHO)
    ask(datagrams, "first")   # from now on the neighbors are known
    count, patience = 100, 0.24
    for attempt in range(50):   # a machine that is too busy may not send them in time
        numbers = {f"{attempt}.{number}" for number in range(count)}
        appliance.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        for position, number in enumerate(numbers):
            while time.monotonic() - began < position * patience * 0.8 / count:
                pass
            datagrams.send(number.encode())
        took = time.monotonic() - began
        appliance.process.send_signal(signal.SIGCONT)
        if took < patience:
            break
        wait_until(lambda: not late(datagrams), 10, "what came is taken from the socket")
    else:
        pytest.skip("this machine is too busy to send in time")
    assert {datagrams.recv(100).decode()[3:] for _ in numbers} == numbers
    assert appliance.show("stats")["total"]["ring_lost"] == 0


def test_status_tells_what_wakes(appliance):
    assert appliance.show("status")["wake_up"] == "ebpf"
    assert "CAP_BPF" not in appliance.log_text()


def test_without_the_right_to_bpf_it_says_so_once_and_works(make_appliance, echo, datagrams):
    appliance = make_appliance()
    appliance.before = ("setpriv", "--bounding-set=-bpf")
    appliance.start()
    appliance.configure(ECHO)
    assert appliance.log_text().count("CAP_BPF") == 1
    assert appliance.show("status")["wake_up"] == "block timer"
    for number in range(30):
        ask(datagrams, str(number))


def warnings(appliance):
    return [row["event"] for row in appliance.show("events") if row["event"].startswith("warning")]


def test_busy_without_a_cpu_of_its_own_is_warned_of(make_appliance):
    appliance = make_appliance().start()
    said = appliance.lb("set global wait busy")
    assert "wait busy without a CPU of its own" in said.output + said.error
    said = appliance.lb("set global wait busy seed 7")
    assert "wait busy" not in said.output + said.error
    appliance.stop()
    appliance.start()
    (warning,) = warnings(appliance)
    assert "wait busy without a CPU of its own" in warning
    appliance.stop()
    appliance.arguments = ("--cpu", "0")
    appliance.start()
    assert not warnings(appliance)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU is everybody's")
def test_the_packet_path_has_its_cpu_to_itself(make_appliance):
    appliance = make_appliance()
    appliance.arguments = ("--cpu", "1")
    appliance.start()
    tasks = Path(f"/proc/{appliance.process.pid}/task")
    allowed = {(task / "comm").read_text().strip(): os.sched_getaffinity(int(task.name))
               for task in tasks.iterdir()}
    assert allowed.pop("lbd-path") == {1}
    assert allowed and all(1 not in cpus for cpus in allowed.values())


def test_packets_steered_by_software_are_warned_of(make_appliance):
    appliance = make_appliance()
    mask = "/sys/class/net/int/queues/rx-0/rps_cpus"
    # /sys shows the interfaces of the namespace that it is mounted in.
    appliance.before = ("unshare", "--mount", "sh", "-c",
                        f'mount -t sysfs sysfs /sys && echo 1 >{mask} && exec "$@"', "sh")
    appliance.start()
    appliance.configure(INTERFACES)
    (warning,) = warnings(appliance)
    assert "packets of int to other CPUs by software (RPS, 1 in" in warning
    appliance.stop()
    appliance.before = ("unshare", "--mount", "sh", "-c",
                        f'mount -t sysfs sysfs /sys && echo 0 >{mask} && exec "$@"', "sh")
    appliance.start()
    assert not warnings(appliance)
