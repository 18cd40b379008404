"""The search for the loss-free rate, on subjects whose capacity is known."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from search import LOWEST, Loads   # noqa: E402

STEP = 1.02


class Subject:
    """Delivers what it can; what it has to do besides, it does at its `hiccups`-th trial."""

    def __init__(self, capacity, hiccups=()):
        self.capacity, self.hiccups, self.trials = capacity, hiccups, 0

    def run(self, rate, seconds):
        offered = int((rate or 10 * self.capacity) * seconds)
        delivered = min(offered, int(self.capacity * seconds))
        if self.trials in self.hiccups:
            delivered //= 2
        self.trials += 1
        return {"offered": offered, "delivered": delivered, "wrong": 0, "seconds": seconds}


@pytest.mark.parametrize("guess", (0.3, 0.6, 0.9, 1, 1.1, 5))
@pytest.mark.parametrize("capacity", (50000, 1234567, 9000000))
def test_it_finds_the_highest_rate_without_loss(capacity, guess):
    found = Loads(Subject(capacity), 1, STEP).loss_free(0.001, guess * capacity)
    assert capacity / STEP ** 2 < found <= capacity * 1.001


def test_what_may_be_lost_raises_the_rate():
    loads = Loads(Subject(1000000), 1, STEP)
    assert loads.loss_free(0.001, 1000000) < loads.loss_free(0.1, 1000000) <= 1000000 / 0.9


@pytest.mark.parametrize("moment", range(8))
def test_one_disturbed_trial_changes_nothing(moment):
    undisturbed = Loads(Subject(1000000), 1, STEP).loss_free(0.001, 1000000)
    assert Loads(Subject(1000000, {moment}), 1, STEP).loss_free(0.001, 1000000) == undisturbed


def test_who_delivers_nothing_has_no_rate():
    assert Loads(Subject(LOWEST / 2), 1, STEP).loss_free(0.001, LOWEST) == 0


def test_damaged_packets_are_not_goodput():
    subject = Subject(1000000)
    subject.run = lambda rate, seconds: {"delivered": 1, "wrong": 1, "seconds": seconds}
    with pytest.raises(RuntimeError, match="not as they should"):
        Loads(subject, 1).goodput(0)
