"""commit confirmed and kill -9: the deadline is in the store."""
import time

import pytest

from daemon import SMALL, wait_until

CONFIG = SMALL + "add pool web\nadd backend web 10.0.0.11:80\nadd backend web 10.0.0.12:80\n"
TAKEN_BACK = "r2 by root was not confirmed: back to r1"


@pytest.fixture
def waiting(daemon):
    """An lbd whose r2 waits; call it with the time that r2 has."""
    daemon.lb(script=CONFIG)
    daemon.before = daemon.config()

    def commit(given):
        said = daemon.lb(script="set backend web 10.0.0.11:80 weight 7\n"
                                f"commit confirmed {given}\n")
        assert said.revision == 2 and "Reverts to r1 at" in said.output, said
        assert "weight 7" in daemon.config()
        return daemon

    yield commit


def pass_deadline(daemon):
    """Until the wall clock is past it."""
    at = daemon.show("status")["reverts_at"]
    daemon.kill()
    wait_until(lambda: time.time_ns() > at, 10, "the deadline has passed")


def test_killed_and_started_past_the_deadline(waiting):
    daemon = waiting("1s")
    pass_deadline(daemon)
    daemon.start()
    assert daemon.config() == daemon.before
    assert daemon.revision == 3
    assert TAKEN_BACK in daemon.log_text()
    assert TAKEN_BACK in daemon.lb("show events").output
    assert "r2 was not confirmed: back to r1" in daemon.lb("show revisions").output
    daemon.kill()
    assert daemon.start().revision == 3


def test_killed_and_started_in_time(waiting):
    daemon = waiting("5s")
    daemon.kill()
    daemon.start()
    assert daemon.show("status")["unconfirmed"] == 2
    assert "weight 7" in daemon.config()
    wait_until(lambda: daemon.revision == 3, 10, "it is taken back")
    assert daemon.config() == daemon.before


def test_confirmed_then_killed(waiting):
    daemon = waiting("1s")
    at = daemon.show("status")["reverts_at"]
    daemon.lb("confirm")
    daemon.kill()
    wait_until(lambda: time.time_ns() > at, 10, "the deadline has passed")
    daemon.start()
    assert "weight 7" in daemon.config() and daemon.revision == 2


def test_a_drain_by_somebody_else_is_neither_blocked_nor_undone(waiting):
    daemon = waiting("2s")
    assert daemon.lb("drain backend web 10.0.0.12:80").revision == 3
    pass_deadline(daemon)
    daemon.start()
    assert daemon.config() == daemon.before.replace("10.0.0.12:80", "10.0.0.12:80 admin drain")


@pytest.mark.parametrize("seed", range(3))
def test_killed_around_the_deadline(waiting, seed):
    """Whole before or whole after, and after in the end."""
    daemon = waiting("1s")
    at = daemon.show("status")["reverts_at"] / 1e9
    time.sleep(max(0, at - time.time() + (seed - 1) * 0.002))
    daemon.kill()
    wait_until(lambda: time.time() > at, 10, "the deadline has passed")
    assert daemon.start().config() == daemon.before
    assert daemon.revision == 3


def test_on_a_full_disk_it_is_tried_again(make_daemon, make_disk):
    disk = make_disk()
    daemon = make_daemon(database=disk.folder / "lb.db", enter=disk.enter).start()
    daemon.lb(script=CONFIG)
    before = daemon.config()
    daemon.lb(script="set backend web 10.0.0.11:80 weight 7\ncommit confirmed 1s\n")
    disk.fill()
    wait_until(lambda: "cannot be taken back, trying again: " in daemon.log_text(), 10,
               "it is tried")
    assert "the disk is full" in daemon.log_text()
    assert "weight 7" in daemon.config() and daemon.show("status")["unconfirmed"] == 2
    disk.make_room()
    wait_until(lambda: daemon.revision == 3, 15, "it is taken back")
    assert daemon.config() == before
