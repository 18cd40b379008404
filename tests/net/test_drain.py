"""Taking a backend out of service: drain keeps its flows, disable ends them, neither takes more."""
import hashlib
import os
import time

import pytest

from lab import BACKENDS, INTERFACES, VIP, Download, wait_until

B1 = BACKENDS["b1"]


@pytest.fixture
def one(appliance, web):
    """A service with b1 alone, so that every flow is there."""
    appliance.configure(INTERFACES + """\
        add check hc tcp port 80 interval 200ms timeout 200ms
        add pool web check hc
        add backend web 10.0.0.11:80 weight 1
        add service web 203.0.113.10:80/tcp pool web
        """)
    appliance.wait_all_up()
    return appliance


def carrying(appliance):
    """Connections that b1 carries. (A reset that belongs to an earlier test's connection may make a
    flow, too, but never an established one.)"""
    return sum(row["backend_address"] == B1 and row["state"] == "established"
               for row in appliance.show("flow"))


@pytest.fixture
def download(one, lab, content, tmp_path):
    """A download of four seconds through b1, and what must arrive."""
    data = os.urandom(1 << 20)
    (content / "drained").write_bytes(data)
    running = Download(lab, f"http://{VIP}/slow/drained", tmp_path / "drained")
    wait_until(lambda: carrying(one) == 1, 5, "the download runs")
    yield running, hashlib.sha256(data).hexdigest()
    if running.is_running():
        running.abandon()
    (content / "drained").unlink()


def add_b2(appliance):
    appliance.lb("add backend web 10.0.0.12:80 weight 1")
    appliance.wait_backend(BACKENDS["b2"], "up", 5)


def test_drain_keeps_the_old_and_takes_nothing_new(one, lab, download):
    running, digest = download
    add_b2(one)
    one.lb("drain backend web 10.0.0.11:80")
    row = one.backend(B1)
    assert (row["admin"], row["health"]) == ("drain", "up")
    answers = lab.run("client", "curl", "-sS", "--max-time", "5", f"http://{VIP}/?[1-100]").stdout
    assert answers.split() == ["b2"] * 100
    assert running.digest() == digest


def test_drain_and_wait_returns_when_the_last_flow_is_gone(one, download):
    running, digest = download
    add_b2(one)
    result = one.lb("drain backend web 10.0.0.11:80 wait", timeout=50)
    assert result.status == 0
    assert one.backend(B1)["active_flows"] == 0
    assert not running.is_running(), "the wait was over before the download"
    assert running.digest() == digest


def test_a_drain_with_a_deadline_ends_what_is_left(one, download):
    add_b2(one)
    begin = time.monotonic()
    one.lb("drain backend web 10.0.0.11:80 timeout 1")
    wait_until(lambda: carrying(one) == 0, 4, "its flows are closed")
    assert time.monotonic() - begin >= 0.9


def test_disable_ends_flows_at_once(one, download):
    add_b2(one)
    one.lb("disable backend web 10.0.0.11:80")
    wait_until(lambda: carrying(one) == 0, 2, "its flows are closed")


def test_a_drained_backend_comes_back(one, lab):
    add_b2(one)
    one.lb("drain backend web 10.0.0.11:80")
    one.lb("enable backend web 10.0.0.11:80")
    answers = lab.run("client", "curl", "-sS", "--max-time", "5", f"http://{VIP}/?[1-100]").stdout
    assert set(answers.split()) == {"b1", "b2"}


def test_drain_survives_a_restart(one):
    """What an operator set is configuration: it is there after lbd has died and come back."""
    one.lb("drain backend web 10.0.0.11:80")
    one.kill()
    one.start()
    assert one.backend(B1)["admin"] == "drain"


def test_a_deleted_backend_takes_its_flows_along(one, download):
    add_b2(one)
    one.lb("del backend web 10.0.0.11:80")
    wait_until(lambda: {row["address"] for row in one.show("backend")} == {"10.0.0.12"}, 2,
               "b1 is gone")
