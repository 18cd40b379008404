"""Fixtures of the console's tests: they speak to a real lbd through a real lb."""
import pytest

from appliance import LB, LBD, Appliance


def pytest_configure(config):
    for program in (LB, LBD):
        if not program.exists():
            pytest.exit(f"{program} is not built. Run:  make", returncode=1)


def running():
    made = Appliance()
    try:
        yield made.start()
        made.stop()
    finally:
        made.remove()


@pytest.fixture
def appliance():
    yield from running()


@pytest.fixture
def other():
    """A second one."""
    yield from running()
